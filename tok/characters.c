// SPDX-License-Identifier: Apache-2.0
// characters.c — white space, and texts stripped, replaced in and cleaned up as Python does it.
#include "kind.h"

#include <string.h>

bool is_white_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == ' ' || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

Str strip_left(Str s)
{
    for (uint32_t cp; s.n;) {
        int n = utf8_decode(s.s, s.n, &cp, NULL);
        if (!n || !is_white_space(cp)) break;
        s.s += n, s.n -= (size_t)n;
    }
    return s;
}

// The start of the last character of s (not empty).
static size_t last_character(Str s)
{
    size_t i = s.n - 1;
    while (i > 0 && s.n - i < 4 && ((uint8_t)s.s[i] & 0xC0) == 0x80) i--;
    return i;
}

Str strip_right(Str s)
{
    while (s.n) {
        size_t i = last_character(s);
        uint32_t cp;
        if (!utf8_decode(s.s + i, s.n - i, &cp, NULL) || !is_white_space(cp)) break;
        s.n = i;
    }
    return s;
}

bool is_python_space(uint32_t cp) { return is_white_space(cp) || (cp >= 0x1C && cp <= 0x1F); }

Str python_strip_right(Str s)
{
    uint32_t cp;
    while (s.n) {
        size_t i = last_character(s);
        if (!utf8_decode(s.s + i, s.n - i, &cp, NULL) || !is_python_space(cp)) break;
        s.n = i;
    }
    return s;
}

Str python_strip(Str s)
{
    uint32_t cp;
    for (int n; s.n && (n = utf8_decode(s.s, s.n, &cp, NULL)) && is_python_space(cp);)
        s.s += n, s.n -= (size_t)n;
    return python_strip_right(s);
}

Str replace_all(Arena *a, Str s, Str old, Str fresh)
{
    Buf b = {.arena = a};
    size_t from = 0;
    for (size_t i = 0; i + old.n <= s.n;) {
        const char *p = memchr(s.s + i, old.s[0], s.n - i - old.n + 1);
        if (!p) break;
        i = (size_t)(p - s.s);
        if (memcmp(p, old.s, old.n) != 0) {
            i++;
            continue;
        }
        buf_put(&b, s.s + from, i - from);
        buf_str(&b, fresh);
        from = i += old.n;
    }
    if (from == 0) return s;
    buf_put(&b, s.s + from, s.n - from);
    return buf_view(&b);
}

Str clean_up_spaces(Arena *a, Str s)
{
    static const char *const old[] = {" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"};
    static const char *const fresh[] = {".", "?", "!", ",", "'", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        s = replace_all(a, s, str_of(old[i]), str_of(fresh[i]));
    return s;
}
