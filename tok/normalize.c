// SPDX-License-Identifier: Apache-2.0
// normalize.c — what SentencePiece does to a text before cutting it: character rules, white space, the dummy
// prefix.
//
// The rules lie in the model as a darts-clone double array of uint32 units u[] and an area of NUL-ended
// replacements:
//
//     has_leaf(x) = (x >> 8) & 1      label(x) = x & 0x800000FF      value(x) = x & 0x7FFFFFFF
//     offset(x) = (x >> 10) << ((x & 0x200) >> 6)
//     p = offset(u[0]);  for each byte c:  p ^= c;  stop unless label(u[p]) == c;  x = u[p];  p ^= offset(x);
//                        if has_leaf(x): a rule ends here, its replacement is area + value(u[p])
//
// Every p is compared with the number of units, so a damaged file can at worst give odd rules. Most text is
// ASCII that no rule touches: a table by first byte (and the second byte being ASCII) decides that without
// the trie.
#include "spm.h"

#include <string.h>

bool charsmap_open(Str blob, const char *path, size_t at, Charsmap *m, Err *e)
{
    *m = (Charsmap){0};
    if (blob.n == 0) return true;
    Reader r = {.p = (const uint8_t *)blob.s, .n = blob.n, .path = path};
    uint32_t size = rd_u32(&r);
    if (r.bad) return err_at(e, path, at, "the character map has only %zu bytes", blob.n);
    if (size < 1024 || size % 1024 || size >= blob.n - 4)
        return err_at(
            e, path, at,
            "the character map claims a trie of %u bytes; expected a multiple of 1024 less than %zu", size,
            blob.n - 4);
    if (blob.s[blob.n - 1] != 0)
        return err_at(e, path, at + blob.n - 1, "the character map does not end in a NUL byte");
    m->trie = rd_bytes(&r, size);
    m->units = size / 4;
    m->area = (Str){blob.s + 4 + size, blob.n - 4 - size};
    m->blob = blob;
    return true;
}

static inline uint32_t unit(const Charsmap *m, size_t i)
{
    const uint8_t *b = m->trie + 4 * i; // four bytes, any alignment, little-endian on every machine
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline size_t offset(uint32_t x) { return (size_t)(x >> 10) << ((x & 0x200) >> 6); }

Str charsmap_find(const Charsmap *m, Str s, bool shortest, size_t *used)
{
    Str found = {"", 0};
    *used = 0;
    if (!m->units) return found;
    size_t p = offset(unit(m, 0));
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.s[i];
        p ^= c;
        if (p >= m->units) break;
        uint32_t x = unit(m, p);
        if ((x & 0x800000FF) != c) break;
        p ^= offset(x);
        if (p >= m->units) break;
        if (!(x >> 8 & 1)) continue;
        size_t value = unit(m, p) & 0x7FFFFFFF;
        if (value >= m->area.n) continue;
        found =
            (Str){m->area.s + value, strlen(m->area.s + value)}; // the area ends in NUL: checked when opened
        *used = i + 1;
        if (shortest) break;
    }
    return found;
}

// --------------------------------------------------------------------------------------------- first bytes

enum {     // what may begin with an ASCII byte
    PLAIN, // no rule and no user-defined piece
    PAIR,  // only ones whose second byte is not ASCII ("e" and an accent): plain if the next byte is ASCII
    RULE   // anything else
};

static bool step_exists(const Charsmap *m, const char *s, size_t n)
{
    if (!m->units) return false;
    size_t p = offset(unit(m, 0));
    for (size_t i = 0; i < n; i++) {
        p ^= (uint8_t)s[i];
        if (p >= m->units) return false;
        uint32_t x = unit(m, p);
        if ((x & 0x800000FF) != (uint8_t)s[i]) return false;
        p ^= offset(x);
    }
    return true;
}

void normalizer_prepare(Normalizer *z)
{
    for (int c = 0; c < 128; c++) {
        char pair[2] = {(char)c, 0};
        size_t used;
        z->ascii[c] = PLAIN;
        if (z->user && trie_step(z->user->node, 0, (uint8_t)c)) z->ascii[c] = RULE;
        if (z->ascii[c] == RULE || !step_exists(&z->map, pair, 1)) continue;
        z->ascii[c] = PAIR;
        charsmap_find(&z->map, (Str){pair, 1}, true, &used);
        if (used) z->ascii[c] = RULE;
        for (int d = 0; d < 128 && z->ascii[c] == PAIR; d++) {
            pair[1] = (char)d;
            if (step_exists(&z->map, pair, 2)) z->ascii[c] = RULE;
        }
    }
}

// ------------------------------------------------------------------------------------------------ the text

static size_t longest(const Trie *t, Str s)
{
    size_t best = 0;
    uint32_t at = 0;
    for (size_t i = 0; i < s.n && (at = trie_step(t->node, at, (uint8_t)s.s[i])); i++)
        if (t->node[at].value != TRIE_NONE) best = i + 1;
    return best;
}

// One step at the head of s (not empty): what stands for it, and how many bytes of s that is.
static Str prefix(const Normalizer *z, Str s, size_t *used)
{
    if (z->user && (*used = longest(z->user, s))) return (Str){s.s, *used};
    Str r = charsmap_find(&z->map, s, false, used);
    if (*used) return r;
    uint32_t cp;
    int n = utf8_decode(s.s, s.n, &cp, NULL);
    *used = n ? (size_t)n : 1;
    return n ? (Str){s.s, (size_t)n} : STR_LIT("\xEF\xBF\xBD");
}

// Room for `more` bytes at the end of b.
static char *ensure(Buf *b, size_t more)
{
    if (b->cap - b->n < more) {
        size_t cap = b->cap + b->cap / 2 + more;
        char *s = arena_new_raw(b->arena, char, cap);
        if (b->n) memcpy(s, b->s, b->n);
        b->s = s, b->cap = cap;
    }
    return b->s + b->n;
}

static void emit(Buf *b, Str r, Str space)
{
    char *p = ensure(b, 3 * r.n);
    for (size_t i = 0; i < r.n; i++) {
        if (r.s[i] == ' ')
            for (size_t k = 0; k < space.n; k++) *p++ = space.s[k];
        else *p++ = r.s[i];
    }
    b->n = (size_t)(p - b->s);
}

// Copies ASCII that no rule touches, words and single spaces, as long as it can; returns the bytes used.
static size_t run_of_ascii(const Normalizer *z, Buf *b, Str s, Str space, bool *prev)
{
    bool was_space = *prev;
    size_t i = 0;
    while (i < s.n) {
        enum { STRIDE = 256 }; // room is asked for once a stride
        char *p = ensure(b, 3 * STRIDE);
        size_t end = s.n - i < STRIDE ? s.n : i + STRIDE;
        bool stopped = false;
        for (; i < end; i++) {
            uint8_t c = (uint8_t)s.s[i];
            if (c >= 128 || z->ascii[c] == RULE ||
                (z->ascii[c] == PAIR && i + 1 < s.n && (uint8_t)s.s[i + 1] >= 128)) {
                stopped = true;
                break;
            }
            if (c != ' ') *p++ = (char)c, was_space = false;
            else if (!was_space) {
                p[0] = space.s[0];
                if (space.n == 3) p[1] = space.s[1], p[2] = space.s[2];
                p += space.n;
                was_space = z->remove;
            }
        }
        b->n = (size_t)(p - b->s);
        if (stopped) break;
    }
    *prev = was_space;
    return i;
}

Str normalize(Arena *a, const Normalizer *z, Str s)
{
    Str space = z->escape ? STR_LIT(SPACE_MARK) : STR_LIT(" ");
    size_t used;
    while (z->remove && s.n) { // leading spaces, and whatever becomes one
        Str r = prefix(z, s, &used);
        if (!str_eq(r, STR_LIT(" "))) break;
        s.s += used, s.n -= used;
    }
    if (!s.n) return (Str){"", 0};

    Buf b = {.arena = a};
    ensure(&b, s.n + s.n / 2 + 64);
    if (z->dummy && !z->suffix) emit(&b, STR_LIT(" "), space);
    bool prev = z->remove; // the result ends with a space that may not be doubled
    while (s.n) {
        used = run_of_ascii(z, &b, s, space, &prev);
        s.s += used, s.n -= used;
        if (!s.n) break;
        Str r = prefix(z, s, &used);
        while (prev && r.n && r.s[0] == ' ') r.s++, r.n--;
        if (r.n) {
            emit(&b, r, space);
            prev = r.s[r.n - 1] == ' ';
        }
        s.s += used, s.n -= used;
        if (!z->remove) prev = false;
    }
    while (z->remove && b.n >= space.n && memcmp(b.s + b.n - space.n, space.s, space.n) == 0) b.n -= space.n;
    if (z->dummy && z->suffix) emit(&b, STR_LIT(" "), space);
    return buf_view(&b);
}
