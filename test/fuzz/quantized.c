// SPDX-License-Identifier: Apache-2.0
// quantized.c — a line of JSON, a quantization_config, and any bytes as the safetensors file that it speaks of: an error in
// words, or weights of which each number can be had.
#include "../../nn/files/quantized.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const files[] = {"model.safetensors"};
    enum { MOST = 1 << 20 };
    Err e = {0};
    Arena *a = fuzz_arena();
    const uint8_t *end = n ? memchr(data, '\n', n) : NULL;
    if (!end) return 0;
    const size_t line = (size_t)(end - data);
    const Json *json = json_parse(a, (Str){(const char *)data, line}, "config", &e);
    Checkpoint *c =
        json ? checkpoint_from_bytes(a, files[0], (Str){(const char *)end + 1, n - line - 1}, &e) : NULL;
    if (!c) return 0;
    c->files = files, c->n_files = 1;
    Config config = {.json = json, .path = "config", .e = &e}, settings;
    const char *says;
    const QuantKind *kind = quant_find(a, &config, "", &settings, &e);
    if (!kind) return 0;
    REQUIRE(!e.set && quant_read(a, kind, &settings, c, &says, &e) == !e.set);
    if (e.set) return 0;
    REQUIRE(cpu_select(NULL, &e));
    for (size_t i = 0; i < c->n; i++) {
        const Stored *s = &c->tensor[i];
        const uint64_t count = stored_count(s);
        if (!dtype_is_weight(s->dtype) || count > MOST) continue;
        num_widen(arena_new_raw(a, float, count + 1), s->data, (WType)s->dtype, 0, (int64_t)count);
    }
    return 0;
}
