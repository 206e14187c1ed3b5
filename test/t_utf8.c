// SPDX-License-Identifier: Apache-2.0
// t_utf8.c — UTF-8 against a slow reference written from the definition, every character, and two public test
// files.
//
// test/golden/utf8: utf8tests.txt (flenniken, MIT) says what each case becomes when invalid bytes are dropped
// and when they are replaced; UTF-8-test.txt (Markus Kuhn, CC BY 4.0) prescribes nothing, and is compared
// with the reference.
#include "test.h"

// ------------------------------------------------------------------------------------------- the reference

// Table 3-7 of the Unicode Standard, row by row: length, then the lowest and highest value of each byte.
static const struct Row {
    size_t n;
    uint8_t low[4], high[4];
} rows[] = {
    {1, {0x00}, {0x7F}},
    {2, {0xC2, 0x80}, {0xDF, 0xBF}},
    {3, {0xE0, 0xA0, 0x80}, {0xE0, 0xBF, 0xBF}},
    {3, {0xE1, 0x80, 0x80}, {0xEC, 0xBF, 0xBF}},
    {3, {0xED, 0x80, 0x80}, {0xED, 0x9F, 0xBF}},
    {3, {0xEE, 0x80, 0x80}, {0xEF, 0xBF, 0xBF}},
    {4, {0xF0, 0x90, 0x80, 0x80}, {0xF0, 0xBF, 0xBF, 0xBF}},
    {4, {0xF1, 0x80, 0x80, 0x80}, {0xF3, 0xBF, 0xBF, 0xBF}},
    {4, {0xF4, 0x80, 0x80, 0x80}, {0xF4, 0x8F, 0xBF, 0xBF}},
};

// How many bytes of s[0..n) agree with the row.
static size_t agreeing(const struct Row *r, const uint8_t *s, size_t n)
{
    size_t i = 0;
    while (i < n && i < r->n && s[i] >= r->low[i] && s[i] <= r->high[i]) i++;
    return i;
}

// Length of the character at s, or 0 and the length of its maximal subpart: the longest beginning of any row,
// at least one byte.
static int reference(const uint8_t *s, size_t n, int *bad)
{
    size_t longest = 1;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        size_t k = agreeing(&rows[r], s, n);
        if (k == rows[r].n) return (int)k;
        if (k > longest) longest = k;
    }
    *bad = (int)longest;
    return 0;
}

// True if decoding at s agrees with the reference.
static bool same(const uint8_t *s, size_t n)
{
    uint32_t cp = 0;
    int bad = 0, want_bad = 0;
    int got = utf8_decode((const char *)s, n, &cp, &bad), want = reference(s, n, &want_bad);
    if (got != want || bad != want_bad) return false;
    if (!got) return cp == 0xFFFD;
    char back[4];
    return utf8_encode(cp, back) == got && !memcmp(back, s, (size_t)got);
}

// ------------------------------------------------------------------------------------------- every character

TEST(utf8_every_character)
{
    long count = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        if (cp >= 0xD800 && cp < 0xE000) continue;
        char s[4];
        uint32_t back = 0;
        int n = utf8_encode(cp, s), want = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        if (n != want || utf8_decode(s, (size_t)n, &back, NULL) != n || back != cp)
            FAIL("U+%04X", (unsigned)cp);
        count++;
    }
    test_count(count);
    CHECK_INT(count, 1112064);
}

// One, two and three bytes: all of them. Four: all first and second bytes, third and fourth at the ends of
// ranges.
TEST(utf8_every_short_string)
{
    long wrong = 0;
    for (uint32_t i = 0; i < 1 << 24; i++) {
        uint8_t s[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        wrong += !same(s, 3);
        if (i < 1 << 16) wrong += !same(s + 1, 2);
        if (i < 1 << 8) wrong += !same(s + 2, 1);
    }
    test_count((1 << 24) + (1 << 16) + (1 << 8));
    static const uint8_t ends[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xF4, 0xFF};
    for (uint32_t i = 0; i < 1 << 16; i++)
        for (size_t j = 0; j < sizeof ends * sizeof ends; j++) {
            uint8_t s[4] = {(uint8_t)(i >> 8), (uint8_t)i, ends[j / sizeof ends], ends[j % sizeof ends]};
            wrong += !same(s, 4);
        }
    test_count((long)(sizeof ends * sizeof ends) << 16);
    CHECK_INT(wrong, 0);
}

TEST(utf8_valid_at)
{
    size_t at = 99;
    CHECK(utf8_valid((Str){0}, NULL) && utf8_valid(STR_LIT("abc\xC3\xA9 0123456789 \xF0\x9D\x84\x9E"), &at));
    CHECK_INT(at, 99);
    char s[40];
    for (size_t n = 1; n <= sizeof s; n++) // each bad place in each length, across the steps of eight
        for (size_t bad = 0; bad < n; bad++) {
            memset(s, 'a', sizeof s);
            s[bad] = (char)0x80;
            CHECK(!utf8_valid((Str){s, n}, &at) && at == bad);
            CHECK(utf8_valid((Str){s, bad}, NULL));
        }
}

// ------------------------------------------------------------------------------------------- the public files

// s with each maximal subpart dropped, or replaced by U+FFFD.
static Str cleaned(Arena *A, Str s, bool replace)
{
    Buf b = {.arena = A};
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        int bad = 0, n = utf8_decode(s.s + i, s.n - i, &cp, &bad);
        if (n) buf_put(&b, s.s + i, (size_t)n);
        else if (replace) buf_str(&b, STR_LIT("\xEF\xBF\xBD"));
        i += (size_t)(n ? n : bad);
    }
    return buf_view(&b);
}

// The next piece of *rest up to `stop`, without the spaces around it.
static Str piece(Str *rest, char stop)
{
    const char *end = rest->n ? memchr(rest->s, stop, rest->n) : NULL;
    Str p = {rest->s, end ? (size_t)(end - rest->s) : rest->n};
    size_t gone = p.n + (end != NULL);
    rest->s += gone, rest->n -= gone;
    while (p.n && p.s[0] == ' ') p.s++, p.n--;
    while (p.n && p.s[p.n - 1] == ' ') p.n--;
    return p;
}

static int hex_value(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

// "E2 80 90" or "e28090"; "nothing" is the empty string.
static Str from_hex(Arena *A, Str hex)
{
    Buf b = {.arena = A};
    int half = -1;
    for (size_t i = 0; i < hex.n && !str_is(hex, "nothing"); i++) {
        if (hex.s[i] == ' ') continue;
        int v = hex_value(hex.s[i]);
        if (half >= 0) buf_char(&b, (char)(half << 4 | v)), half = -1;
        else half = v;
    }
    return buf_view(&b);
}

TEST(utf8_cases)
{
    Str text = {0};
    CHECK(file_map(A, "test/golden/utf8/utf8tests.txt", &text, NULL));
    int valid = 0, invalid = 0;
    while (text.n) {
        Str line = piece(&text, '\n');
        if (!line.n || line.s[0] == '#') continue;
        piece(&line, ':');
        Str kind = piece(&line, ':');
        if (str_starts(kind, STR_LIT("valid"))) {
            Str s = str_is(kind, "valid") ? line : from_hex(A, line);
            CHECK(utf8_valid(s, NULL));
            valid++;
        } else {
            Str s = from_hex(A, piece(&line, ':')), dropped = from_hex(A, piece(&line, ':'));
            CHECK(!utf8_valid(s, NULL));
            CHECK_STR(cleaned(A, s, false), dropped);
            CHECK_STR(cleaned(A, s, true), from_hex(A, line));
            invalid++;
        }
    }
    CHECK_INT(valid, 77);
    CHECK_INT(invalid, 145);
}

TEST(utf8_kuhn)
{
    Str text = {0};
    CHECK(file_map(A, "test/golden/utf8/UTF-8-test.txt", &text, NULL));
    int lines = 0, broken = 0;
    while (text.n) {
        const char *start = text.s;
        piece(&text, '\n');
        Str line = {start, (size_t)(text.s - start)};
        lines++, broken += !utf8_valid(line, NULL);
        for (size_t i = 0; i < line.n; i++) CHECK(same((const uint8_t *)line.s + i, line.n - i));
    }
    CHECK_INT(lines, 300);
    CHECK_INT(broken, 68);
}
