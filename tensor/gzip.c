// SPDX-License-Identifier: Apache-2.0
// gzip.c — write gzip: RFC 1952 around RFC 1951 (gunzip.c has what deflate is).
//
// A part becomes blocks of at most 64 kB, each with Huffman codes of its own, or stored where that is shorter. A string
// that stood before, in the same block, is named by its length and distance: the longest of those that a chain of places
// with the same three bytes leads to, taken at once. Nothing but the bytes decides, so the same parts give the same file.
//
// A Huffman code that is longer than deflate allows is made again from counts half as large, until it fits: that costs
// some bits in blocks that have them to spare, and no bookkeeping.
#include "base.h"

#include <string.h>

enum {
    BLOCK = 1 << 16,
    SYMBOLS = 286,
    DISTANCES = 30,
    END = 256,
    LEAST = 3,
    MOST = 258,
    WINDOW = 1 << 15,
    HASHES = 1 << 15,
    CHAIN = 48,
    LONGEST = 15,
    LENGTHS = 64 // bytes that say the codes, about
};

// ------------------------------------------------------------------------------------------ bits

static void put(Gzip *g, uint32_t v, int n) // least significant first
{
    g->held |= (uint64_t)v << g->n_held;
    for (g->n_held += n; g->n_held >= 8; g->n_held -= 8, g->held >>= 8)
        buf_char(g->out, (char)(g->held & 255));
}

static void flush(Gzip *g)
{
    if (g->n_held) put(g, 0, 8 - g->n_held);
}

uint32_t gzip_crc(uint32_t crc, const char *s, size_t n)
{
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++) table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xEDB88320u : table[i] >> 1;
    }
    crc = ~crc;
    for (size_t i = 0; i < n; i++) crc = crc >> 8 ^ table[(crc ^ (uint8_t)s[i]) & 0xFF];
    return ~crc;
}

// ------------------------------------------------------------------------------------------ codes

typedef struct Code {
    uint8_t length[SYMBOLS];
    uint16_t bits[SYMBOLS]; // as they are put: first bit lowest
} Code;

// Lengths of an optimal code: the two rarest trees become one, until one is left. Of equals the lower number comes first.
static int tree_lengths(const uint32_t *count, int n, uint8_t *length)
{
    uint32_t weight[2 * SYMBOLS];
    int parent[2 * SYMBOLS], nodes = n, deepest = 0;
    bool whole[2 * SYMBOLS]; // a tree, not yet part of another
    for (int i = 0; i < n; i++) weight[i] = count[i], whole[i] = count[i] > 0, parent[i] = -1;
    for (;;) {
        int a = -1, b = -1;
        for (int i = 0; i < nodes; i++) {
            if (!whole[i]) continue;
            if (a < 0 || weight[i] < weight[a]) b = a, a = i;
            else if (b < 0 || weight[i] < weight[b]) b = i;
        }
        if (b < 0) break;
        weight[nodes] = weight[a] + weight[b], whole[nodes] = true, parent[nodes] = -1;
        whole[a] = whole[b] = false, parent[a] = parent[b] = nodes++;
    }
    for (int i = 0; i < n; i++) {
        int depth = 0;
        for (int p = i; parent[p] >= 0; p = parent[p]) depth++;
        length[i] = (uint8_t)(count[i] && !depth ? 1 : depth > 200 ? 200 : depth);
        if (length[i] > deepest) deepest = length[i];
    }
    return deepest;
}

static void make_code(Code *c, const uint32_t *counted, int n, int longest)
{
    uint32_t count[SYMBOLS];
    memset(c, 0, sizeof *c);
    memcpy(count, counted, (size_t)n * sizeof *count);
    while (tree_lengths(count, n, c->length) > longest)
        for (int i = 0; i < n; i++) count[i] = count[i] ? count[i] / 2 + 1 : 0;
    uint32_t next = 0;
    for (int l = 1; l <= longest; l++, next <<= 1)
        for (int i = 0; i < n; i++) {
            if (c->length[i] != l) continue;
            uint32_t v = next++, turned = 0;
            for (int k = 0; k < l; k++) turned |= (v >> k & 1) << (l - 1 - k);
            c->bits[i] = (uint16_t)turned;
        }
}

static void put_symbol(Gzip *g, const Code *c, int s) { put(g, c->bits[s], c->length[s]); }

// ------------------------------------------------------------------------------------------ a block

// One step: a byte (distance 0), or a string that stood before.
typedef struct Step {
    uint16_t length, distance;
} Step;

typedef struct Search {
    Step step[BLOCK];
    int32_t head[HASHES],
        before[BLOCK]; // the last place of three bytes, and the one before each place; -1: none
} Search;

typedef struct Number { // a symbol and the bits that follow it
    int symbol, extra;
    uint32_t rest;
} Number;

static Number length_number(int n)
{
    if (n == MOST) return (Number){285, 0, 0};
    n -= LEAST;
    int extra = 0;
    while (n >> extra >= 8) extra++;
    return (Number){257 + 4 * extra + (n >> extra), extra, (uint32_t)n & ((1u << extra) - 1)};
}

static Number distance_number(int n)
{
    n -= 1;
    int extra = 0;
    while (n >> extra >= 4) extra++;
    return (Number){2 * extra + (n >> extra), extra, (uint32_t)n & ((1u << extra) - 1)};
}

static uint32_t hash3(const uint8_t *p)
{
    uint32_t v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
    return v * 2654435761u >> 17;
}

static int64_t find_steps(const uint8_t *s, int64_t n, Search *f)
{
    int32_t *head = f->head, *before = f->before;
    int64_t count = 0;
    memset(f->head, -1, sizeof f->head);
    for (int64_t i = 0; i < n;) {
        int64_t best = 0, at = 0;
        if (i + LEAST <= n) {
            int64_t most = n - i < MOST ? n - i : MOST;
            int32_t p = head[hash3(s + i)];
            for (int k = 0; k < CHAIN && p >= 0 && i - p <= WINDOW && best < most; k++, p = before[p]) {
                int64_t l = 0;
                while (l < most && s[p + l] == s[i + l]) l++;
                if (l > best) best = l, at = p;
            }
        }
        Step step = {1, 0};
        if (best >= LEAST) step = (Step){(uint16_t)best, (uint16_t)(i - at)};
        f->step[count++] = step;
        for (int64_t end = i + step.length; i < end; i++) {
            if (i + LEAST > n) continue;
            uint32_t h = hash3(s + i);
            before[i] = head[h], head[h] = (int32_t)i;
        }
    }
    return count;
}

// Lengths of both codes with their own code, which says runs of zeros and repetitions shortly.
static void put_lengths(Gzip *g, const Code *symbols, int n_symbols, const Code *distances, int n_distances)
{
    static const uint8_t order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    static const int extra[] = {2, 3, 7};
    uint8_t length[SYMBOLS + DISTANCES], symbol[SYMBOLS + DISTANCES], rest[SYMBOLS + DISTANCES];
    int n = n_symbols + n_distances, m = 0, n_order = 19;
    uint32_t count[19] = {0};
    Code c;
    memcpy(length, symbols->length, (size_t)n_symbols);
    memcpy(length + n_symbols, distances->length, (size_t)n_distances);
    for (int i = 0, run; i < n; i += run, m++) {
        for (run = 1; i + run < n && length[i + run] == length[i];) run++;
        if (length[i]) { // the first as it is; what follows repeats it
            bool repeats = i && length[i - 1] == length[i] && run >= 3;
            if (!repeats) run = 1;
            else if (run > 6) run = 6;
            symbol[m] = repeats ? 16 : length[i], rest[m] = (uint8_t)(run - 3);
        } else if (run < 3) run = 1, symbol[m] = 0;
        else if (run < 11) symbol[m] = 17, rest[m] = (uint8_t)(run - 3);
        else run = run > 138 ? 138 : run, symbol[m] = 18, rest[m] = (uint8_t)(run - 11);
        count[symbol[m]]++;
    }
    make_code(&c, count, 19, 7);
    while (n_order > 4 && !c.length[order[n_order - 1]]) n_order--;
    put(g, (uint32_t)(n_symbols - 257), 5), put(g, (uint32_t)(n_distances - 1), 5),
        put(g, (uint32_t)(n_order - 4), 4);
    for (int i = 0; i < n_order; i++) put(g, c.length[order[i]], 3);
    for (int i = 0; i < m; i++) {
        put_symbol(g, &c, symbol[i]);
        if (symbol[i] >= 16) put(g, rest[i], extra[symbol[i] - 16]);
    }
}

static void put_stored(Gzip *g, const uint8_t *s, size_t n)
{
    put(g, 0, 3), flush(g); // not the last, stored
    put(g, (uint32_t)n, 16), put(g, (uint32_t)n ^ 0xFFFF, 16);
    buf_put(g->out, s, n);
}

static void put_block(Gzip *g, const uint8_t *s, size_t n, Search *f)
{
    uint32_t symbols[SYMBOLS] = {0}, distances[DISTANCES] = {0};
    const Step *step = f->step;
    int64_t steps = find_steps(s, (int64_t)n, f), at = 0;
    int n_symbols = SYMBOLS, n_distances = DISTANCES;
    uint64_t bits = 0;
    Code by_symbol, by_distance;
    for (int64_t i = 0; i < steps; at += step[i++].length) {
        symbols[step[i].distance ? length_number(step[i].length).symbol : s[at]]++;
        if (step[i].distance) distances[distance_number(step[i].distance).symbol]++;
    }
    symbols[END]++;
    make_code(&by_symbol, symbols, SYMBOLS, LONGEST), make_code(&by_distance, distances, DISTANCES, LONGEST);
    for (int i = 0; i < SYMBOLS; i++) bits += (uint64_t)symbols[i] * by_symbol.length[i];
    for (int i = 0; i < DISTANCES; i++) bits += (uint64_t)distances[i] * by_distance.length[i];
    if (bits / 8 + LENGTHS >= n) { // random bytes, or so few that the codes themselves would be longer
        put_stored(g, s, n);
        return;
    }
    while (n_symbols > 257 && !by_symbol.length[n_symbols - 1]) n_symbols--;
    while (n_distances > 1 && !by_distance.length[n_distances - 1]) n_distances--;
    put(g, 2 << 1, 3); // not the last, codes of its own
    put_lengths(g, &by_symbol, n_symbols, &by_distance, n_distances);
    at = 0;
    for (int64_t i = 0; i < steps; at += step[i++].length) {
        if (!step[i].distance) {
            put_symbol(g, &by_symbol, s[at]);
            continue;
        }
        Number l = length_number(step[i].length), d = distance_number(step[i].distance);
        put_symbol(g, &by_symbol, l.symbol), put(g, l.rest, l.extra);
        put_symbol(g, &by_distance, d.symbol), put(g, d.rest, d.extra);
    }
    put_symbol(g, &by_symbol, END);
}

// ------------------------------------------------------------------------------------------ a file

static void begin(Gzip *g) // no name and no time: the bytes depend on nothing else
{
    if (!g->begun) buf_put(g->out, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    g->begun = true;
}

void gzip_part(Gzip *g, Str bytes)
{
    Arena *a = arena_create(g->out->arena);
    Search *f = arena_new_raw(a, Search, 1);
    begin(g);
    for (size_t i = 0; i < bytes.n; i += BLOCK - 1) {
        size_t n = bytes.n - i < BLOCK - 1 ? bytes.n - i : BLOCK - 1;
        put_block(g, (const uint8_t *)bytes.s + i, n, f);
    }
    g->crc = gzip_crc(g->crc, bytes.s, bytes.n), g->n += (uint32_t)bytes.n;
    arena_free(a);
}

void gzip_end(Gzip *g)
{
    begin(g);
    put(g, 1 | 1 << 1, 3), put(g, 0, 7); // the last one: fixed codes, and its end is all that is in it
    flush(g);
    put(g, g->crc & 0xFFFF, 16), put(g, g->crc >> 16, 16), put(g, g->n & 0xFFFF, 16), put(g, g->n >> 16, 16);
}
