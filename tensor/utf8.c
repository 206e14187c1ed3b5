// SPDX-License-Identifier: Apache-2.0
// utf8.c — UTF-8 in and out: strict, one character at a time, with the usual rule for what is invalid.
//
// The well-formed sequences are table 3-7 of the Unicode Standard (version 15, chapter 3.9): the first byte
// fixes the length and the range of the second byte; all later bytes are 80..BF. That range of the second
// byte is what keeps out overlong forms (E0, F0), surrogates (ED) and everything above U+10FFFF (F4). A
// decoder that stops at the first byte outside its range has read exactly the "maximal subpart", which
// becomes one U+FFFD.
#include "base.h"

#include <string.h>

// Length of the sequence that `first` opens (0: none) and the range of its second byte.
static int opens(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = 0x80, *high = 0xBF;
    if (first < 0x80) return 1;
    if (first < 0xC2) return 0; // a continuation byte, or an overlong form of ASCII
    if (first < 0xE0) return 2;
    if (first < 0xF0) {
        if (first == 0xE0) *low = 0xA0;
        if (first == 0xED) *high = 0x9F;
        return 3;
    }
    if (first > 0xF4) return 0;
    if (first == 0xF0) *low = 0x90;
    if (first == 0xF4) *high = 0x8F;
    return 4;
}

int utf8_decode(const char *s, size_t n, uint32_t *cp, int *bad)
{
    const uint8_t *p = (const uint8_t *)s;
    uint8_t low, high;
    int length = opens(p[0], &low, &high), i = 1;
    if (length == 1) return *cp = p[0], 1;
    uint32_t c = length ? p[0] & (0x7Fu >> length) : 0;
    for (; i < length && (size_t)i < n && p[i] >= low && p[i] <= high; i++) {
        c = c << 6 | (p[i] & 0x3F);
        low = 0x80, high = 0xBF;
    }
    if (i == length) return *cp = c, length;
    *cp = 0xFFFD;
    if (bad) *bad = i;
    return 0;
}

int utf8_encode(uint32_t cp, char out[4])
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) BUG("U+%04" PRIX32 " is no character", cp);
    if (cp < 0x80) return out[0] = (char)cp, 1;
    int length = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, cp >>= 6) out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)(0xF00u >> length | cp); // 110..., 1110..., 11110...
    return length;
}

static bool turns_or_breaks(uint32_t c, bool marks)
{
    return (c >= 0x80 && c < 0xA0) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x206F) ||
           (c >= 0xE0000 && c < 0xE0080) || (marks && (c == 0x200E || c == 0x200F || c == 0x061C));
}

void buf_harmless(Buf *b, Str s, bool marks)
{
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        while (i < s.n &&
               (((uint8_t)s.s[i] >= ' ' && (uint8_t)s.s[i] < 0x7F) || s.s[i] == '\n' || s.s[i] == '\t'))
            i++;
        buf_put(b, s.s + from, i - from);
        if (i == s.n) return;
        uint32_t c;
        int bad = 1, n = utf8_decode(s.s + i, s.n - i, &c, &bad);
        char out[4];
        if (!n) buf_str(b, STR_LIT("\xEF\xBF\xBD"));
        else if (c < 0x80) buf_put(b, out, (size_t)utf8_encode(c == 0x7F ? 0x2421 : 0x2400 + c, out));
        else if (turns_or_breaks(c, marks)) buf_printf(b, "\\u{%" PRIX32 "}", c);
        else buf_put(b, s.s + i, (size_t)n);
        i += (size_t)(n ? n : bad);
    }
}

bool utf8_valid(Str s, size_t *bad_at)
{
    for (size_t i = 0; i < s.n;) {
        uint64_t eight;
        if (s.n - i >= 8 && (memcpy(&eight, s.s + i, 8), !(eight & 0x8080808080808080u))) {
            i += 8;
            continue;
        }
        uint32_t cp;
        int length = utf8_decode(s.s + i, s.n - i, &cp, NULL);
        if (!length) {
            if (bad_at) *bad_at = i;
            return false;
        }
        i += (size_t)length;
    }
    return true;
}
