// SPDX-License-Identifier: Apache-2.0
// base64.c — any bytes as base64: what decodes encodes back to the same text; and any bytes encoded decode
// again.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    Str s = {(const char *)data, n};
    Buf decoded = {.arena = a}, text = {.arena = a}, back = {.arena = a};
    if (base64_decode(&decoded, s)) {
        buf_base64(&text, decoded.s, decoded.n);
        REQUIRE(str_eq(buf_view(&text), s));
        text.n = 0;
    }
    buf_base64(&text, data, n);
    REQUIRE(text.n == (n + 2) / 3 * 4 && base64_decode(&back, buf_view(&text)) && str_eq(buf_view(&back), s));
    return 0;
}
