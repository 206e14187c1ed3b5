// SPDX-License-Identifier: Apache-2.0
// unicode.h — what the tokenizers library takes a character for: its regular expressions' classes, its older lists of digits
// and punctuation, and which characters its normalisers know.
//
// The library mixes several versions of Unicode. All answers are in unicode_table.c, so that no id depends on the version
// of anything that is installed here.
#pragma once
#include "../tensor/base.h"

// The class of a character, in the low four bits. White_Space first; no character is in two.
typedef enum {
    U_OTHER,
    U_SPACE,
    U_LU,
    U_LL,
    U_LT,
    U_LM,
    U_LO,
    U_MN,
    U_MC,
    U_ME,
    U_ND,
    U_NL,
    U_NO,
    U_P,
    U_S,
    U_CLASSES
} UnicodeClass;

enum {
    U_NUMERIC = 16, // Digits cuts it off
    U_PUNCT = 32,   // Punctuation does
    U_WORD = 64,    // a single_word token may not stand beside it
    U_NORMS =
        128 // the normalisers know it: it has a (de)composition, is part of one, or has a combining class
};

extern const uint32_t unicode_ranges[]; // first character << 8 | what it and those up to the next range are
extern const size_t unicode_range_count;

typedef struct Unicode {
    const uint8_t *page[0x1100]; // 256 characters each
} Unicode;

const Unicode *unicode_open(Arena *a);

static inline uint8_t unicode_of(const Unicode *u, uint32_t cp) { return u->page[cp >> 8][cp & 255]; }
static inline UnicodeClass unicode_class(const Unicode *u, uint32_t cp)
{
    return (UnicodeClass)(unicode_of(u, cp) & 15);
}

// Bytes of the character that begins with this byte (of valid UTF-8).
static inline size_t char_bytes(char first)
{
    uint8_t c = (uint8_t)first;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

// The character at s, which is valid UTF-8; its length into *n.
static inline uint32_t utf8_at(const char *s, size_t *n)
{
    uint8_t c = (uint8_t)s[0];
    *n = char_bytes(s[0]);
    if (*n == 1) return c;
    uint32_t second = (uint8_t)s[1] & 63u;
    if (*n == 2) return (c & 31u) << 6 | second;
    uint32_t third = (uint8_t)s[2] & 63u;
    if (*n == 3) return (c & 15u) << 12 | second << 6 | third;
    return (c & 7u) << 18 | second << 12 | third << 6 | ((uint8_t)s[3] & 63u);
}

typedef enum { FORM_NFC, FORM_NFD, FORM_NFKC, FORM_NFKD } UnicodeForm;

// Calls put for stretch after stretch of the normalised s (valid UTF-8), with the bytes of s that each stands for. The
// result lives until put returns.
typedef void UnicodePut(void *context, Str result, size_t from, size_t to);
void unicode_normalize(Arena *a, const Unicode *u, UnicodeForm form, Str s, UnicodePut *put, void *context);
