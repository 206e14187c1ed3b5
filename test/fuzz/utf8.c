// SPDX-License-Identifier: Apache-2.0
// utf8.c — any bytes as UTF-8: characters encode back to their bytes, invalid parts are one to three bytes
// long, and what JSON makes of the bytes is what the decoder made of them.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    Str s = {(const char *)data, n};
    Buf clean = {.arena = a};
    size_t first_bad = n, at = n;
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        int bad = 0, length = utf8_decode(s.s + i, n - i, &cp, &bad);
        char back[4];
        REQUIRE(length ? length == utf8_encode(cp, back) && !memcmp(back, s.s + i, (size_t)length)
                       : cp == 0xFFFD && bad >= 1 && bad <= 3 && (size_t)bad <= n - i);
        if (!length && first_bad == n) first_bad = i;
        buf_str(&clean, length ? (Str){s.s + i, (size_t)length} : STR_LIT("\xEF\xBF\xBD"));
        i += (size_t)(length ? length : bad);
    }
    REQUIRE(utf8_valid(s, &at) == (first_bad == n) && at == first_bad);
    REQUIRE(utf8_valid(buf_view(&clean), NULL));

    Buf kept = {.arena = a}, ascii = {.arena = a};
    buf_json(&kept, s);
    buf_json_ascii(&ascii, s);
    for (size_t i = 0; i < ascii.n; i++) REQUIRE(ascii.s[i] >= ' ' && ascii.s[i] < 0x7F);
    const Json *x = json_parse(a, buf_view(&kept), NULL, NULL),
               *y = json_parse(a, buf_view(&ascii), NULL, NULL);
    REQUIRE(x && y && str_eq(x->text, buf_view(&clean)) && str_eq(y->text, buf_view(&clean)));
    return 0;
}
