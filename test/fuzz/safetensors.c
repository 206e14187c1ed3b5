// SPDX-License-Identifier: Apache-2.0
// safetensors.c — any bytes as a safetensors file: an error in words, or tensors that lie inside the file.
#include "../../nn/files/checkpoint.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Err e = {0};
    const char *s = (const char *)data;
    const Checkpoint *c = checkpoint_from_bytes(fuzz_arena(), "model.safetensors", (Str){s, n}, &e);
    REQUIRE((c == NULL) == e.set);
    size_t sum = 0;
    for (size_t i = 0; c && i < c->n; i++) {
        const Stored *t = &c->tensor[i];
        const char *p = t->data;
        size_t bytes = dtype_size(t->dtype);
        REQUIRE(p >= s && t->bytes <= n && p <= s + (n - t->bytes) && t->at == (uint64_t)(p - s));
        for (int k = 0; k < t->rank; k++) bytes *= (size_t)t->dim[k];
        REQUIRE(bytes == t->bytes);
        REQUIRE(memchr(t->name.s, 0, t->name.n) || checkpoint_find(c, t->name.s) == t);
        REQUIRE(i == 0 || str_cmp(c->tensor[i - 1].name, t->name) < 0);
        sum += t->bytes;
    }
    REQUIRE(!c || (sum == c->bytes && sum < n));
    return 0;
}
