// SPDX-License-Identifier: Apache-2.0
// unicode.c — the table of characters unfolded, and normalisation as the tokenizers library does it.
//
// The library's normalisers are of an older Unicode than utf8proc's. By Unicode's stability policy a character's
// normalisation never changes once it is assigned, so the two agree on all characters that the library knows (U_NORMS);
// any other stands for itself there, and nothing is composed or put in order across it.
#include "unicode.h"

#include <string.h>
#include <utf8proc.h>

enum { PAGE = 256, LAST = 0x10FFFF };

const Unicode *unicode_open(Arena *a)
{
    Unicode *u = arena_new(a, Unicode, 1);
    uint8_t *same[256] = {0}; // pages of one value, shared
    for (size_t r = 0, cp = 0; cp <= LAST;) {
        while (r + 1 < unicode_range_count && unicode_ranges[r + 1] >> 8 <= cp) r++;
        size_t end = r + 1 < unicode_range_count ? unicode_ranges[r + 1] >> 8 : LAST + 1;
        uint8_t value = (uint8_t)unicode_ranges[r];
        size_t page = cp / PAGE;
        if (cp % PAGE == 0 && end >= cp + PAGE) {
            if (!same[value]) memset(same[value] = arena_new_raw(a, uint8_t, PAGE), value, PAGE);
            u->page[page] = same[value];
            cp += PAGE;
            continue;
        }
        if (cp % PAGE == 0) u->page[page] = arena_new_raw(a, uint8_t, PAGE);
        if (end > (page + 1) * PAGE) end = (page + 1) * PAGE;
        memset((uint8_t *)(uintptr_t)&u->page[page][cp % PAGE], value, end - cp);
        cp = end;
    }
    return u;
}

// -------------------------------------------------------------------------------------------- normalisation

static int class_of(int32_t cp) { return utf8proc_get_property(cp)->combining_class; }

// Whether the character may change or join what stands before it: no result begins with it.
static bool joins(uint32_t cp)
{
    utf8proc_int32_t part[32];
    if (cp < 0x300) return false;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)cp, part, 32, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, NULL);
    if (n < 1 || n > 32) return false;
    utf8proc_category_t c = utf8proc_category(part[0]);
    bool hangul = (part[0] >= 0x1161 && part[0] <= 0x1175) || (part[0] >= 0x11A8 && part[0] <= 0x11C2);
    return hangul || c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || class_of((int32_t)cp) ||
           class_of(part[0]);
}

// Marks in the order of their classes, stably. Not utf8proc's own way, which is quadratic in a long run of them.
static void order_marks(Arena *a, int32_t *cp, size_t n)
{
    int32_t *copy = NULL;
    for (size_t i = 0, end; i < n; i = end + 1) {
        bool sorted = true;
        for (end = i; end < n && class_of(cp[end]); end++)
            sorted = sorted && (end == i || class_of(cp[end - 1]) <= class_of(cp[end]));
        if (sorted) continue;
        size_t place[257] = {0};
        if (!copy) copy = arena_new_raw(a, int32_t, n);
        for (size_t k = i; k < end; k++) place[class_of(cp[k]) + 1]++;
        for (int c = 0; c < 256; c++) place[c + 1] += place[c];
        for (size_t k = i; k < end; k++) copy[place[class_of(cp[k])]++] = cp[k];
        memcpy(cp + i, copy, (end - i) * sizeof *cp);
    }
}

// One run: a character and those behind it that join it.
static Str normalize_run(Arena *a, UnicodeForm form, Str s)
{
    enum { MOST = 18 }; // characters that one becomes (U+FDFA)
    int options =
        (form == FORM_NFKC || form == FORM_NFKD ? UTF8PROC_COMPAT : 0) | UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    size_t n = 0, width;
    int32_t *cp = arena_new_raw(a, int32_t, s.n * MOST);
    for (size_t i = 0; i < s.n; i += width) {
        int32_t c = (int32_t)utf8_at(s.s + i, &width);
        utf8proc_ssize_t k = utf8proc_decompose_char(c, cp + n, MOST, options, NULL);
        if (k < 1 || k > MOST) cp[n] = c, k = 1;
        n += (size_t)k;
    }
    order_marks(a, cp, n);
    if (form == FORM_NFC || form == FORM_NFKC) {
        options = (options & ~UTF8PROC_DECOMPOSE) | UTF8PROC_COMPOSE;
        n = (size_t)utf8proc_normalize_utf32(cp, (utf8proc_ssize_t)n, options);
    }
    char *out = arena_new_raw(a, char, 4 * n);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) used += (size_t)utf8_encode((uint32_t)cp[i], out + used);
    return (Str){out, used};
}

void unicode_normalize(Arena *a, const Unicode *u, UnicodeForm form, Str s, UnicodePut *put, void *context)
{
    Arena *scratch = arena_create(a);
    size_t width;
    for (size_t i = 0, end; i < s.n; i = end) {
        bool known = (uint8_t)s.s[i] >= 0x80 && unicode_of(u, utf8_at(s.s + i, &width)) & U_NORMS;
        end = i + char_bytes(s.s[i]);
        bool base = known || (uint8_t)s.s[i] < 0x80; // letters of ASCII are composed with
        while (base && end < s.n && (uint8_t)s.s[end] >= 0xCC) {
            uint32_t cp = utf8_at(s.s + end, &width);
            if (!(unicode_of(u, cp) & U_NORMS) || !joins(cp)) break;
            end += width, known = true;
        }
        Str run = {s.s + i, end - i};
        put(context, known ? normalize_run(scratch, form, run) : run, i, end);
        if (known) arena_reset(scratch);
    }
    arena_free(scratch);
}
