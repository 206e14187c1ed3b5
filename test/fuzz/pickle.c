// SPDX-License-Identifier: Apache-2.0
// pickle.c — any bytes as pytorch_model.bin, or (a pickle without torch's magic number) as the data.pkl of a zip,
// whose CRC no fuzzer finds: an error in words, or tensors whose every byte can be read.
#include "../../nn/files/pickle.h"
#include "fuzz.h"

static void use(const void *p, size_t n)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < n; i++) sum = (uint8_t)(sum + ((const uint8_t *)p)[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    Err e = {0};
    if (n > 2 && data[0] == 0x80 && data[2] != 0x8a) {
        Reader r = {.p = data, .n = n, .path = "data.pkl"};
        Pickle p;
        bool ok = pickle_run(a, &r, 0, &p, &e);
        REQUIRE(ok != e.set);
        REQUIRE(!ok || pickle_kind_name(&p.top));
        return 0;
    }
    const Checkpoint *c = checkpoint_from_bytes(a, "pytorch_model.bin", (Str){(const char *)data, n}, &e);
    REQUIRE((c == NULL) == e.set);
    for (size_t i = 0; c && i < c->n; i++) {
        const Stored *t = &c->tensor[i];
        size_t bytes = dtype_size(t->dtype);
        for (int k = 0; k < t->rank; k++) bytes *= (size_t)t->dim[k];
        REQUIRE(bytes == t->bytes);
        use(t->data, t->bytes);
    }
    return 0;
}
