// SPDX-License-Identifier: Apache-2.0
// gzip.c — write gzip: RFC 1952 around RFC 1951 (gunzip.c has what deflate is).
//
// A part becomes blocks of at most 64 kB, each with Huffman codes of its own, or stored where that is shorter. A string
// that stood before, in the same part, is named by its length and distance: the longest of those that a chain of places
// with the same three bytes leads to; a short one waits for what the next byte finds. Nothing but the bytes decides, so the
// same parts give the same file.
//
// A Huffman code that is longer than deflate allows is made again from counts half as large, until it fits: that costs
// some bits in blocks that have them to spare, and no bookkeeping.
#include "base.h"

#include <string.h>

enum {
    BLOCK = (1 << 16) - 1, // what a stored block can hold
    PIECE = 1 << 30,       // of a part: places in it are numbers of 32 bits
    SYMBOLS = 286,
    DISTANCES = 30,
    END = 256,
    LEAST = 3,
    MOST = 258,
    WINDOW = 1 << 15,
    HASHES = 1 << 15,
    CHAIN = 64,
    PATIENT =
        24, // a string shorter than this waits; as gzip, on tables of numbers a few percent less than without
    TOO_FAR = 4096, // three bytes from farther are as short as they are
    NICE = 128,     // and for one of this length no longer one is looked for
    LONGEST = 15,
    LENGTHS = 64 // bytes that say the codes, about
};

// ------------------------------------------------------------------------------------------ bits

static void put(Gzip *g, uint32_t v, int n) // least significant first; four bytes at a time leave
{
    g->held |= (uint64_t)v << g->n_held;
    if ((g->n_held += n) < 32) return;
    const uint8_t ready[4] = {(uint8_t)g->held, (uint8_t)(g->held >> 8), (uint8_t)(g->held >> 16),
                              (uint8_t)(g->held >> 24)};
    buf_put(g->out, ready, 4);
    g->held >>= 32, g->n_held -= 32;
}

static void flush(Gzip *g)
{
    for (; g->n_held > 0; g->n_held -= 8, g->held >>= 8) buf_char(g->out, (char)(g->held & 255));
    g->n_held = 0;
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

// Lengths of an optimal code: the two rarest trees become one, until one is left. Trees are made by rising weight, so the
// rarest is at the front of the symbols, sorted, or of the trees. Of equals symbols come first, and lower numbers.
static int tree_lengths(const uint32_t *count, int n, uint8_t *length)
{
    uint32_t weight[2 * SYMBOLS];
    int symbol[SYMBOLS], parent[2 * SYMBOLS], depth[2 * SYMBOLS] = {0}, used = 0, deepest = 0;
    for (int i = 0; i < n; i++) {
        int k = used;
        length[i] = 0;
        if (!count[i]) continue;
        for (; k && count[symbol[k - 1]] > count[i]; k--) symbol[k] = symbol[k - 1];
        symbol[k] = i, used++;
    }
    for (int i = 0; i < used; i++) weight[i] = count[symbol[i]];
    int nodes = used;
    for (int leaf = 0, tree = used; nodes < 2 * used - 1; nodes++) {
        weight[nodes] = 0;
        for (int k = 0; k < 2; k++) {
            int least = leaf < used && (tree >= nodes || weight[leaf] <= weight[tree]) ? leaf++ : tree++;
            weight[nodes] += weight[least], parent[least] = nodes;
        }
    }
    for (int i = nodes - 2; i >= 0; i--) depth[i] = depth[parent[i]] + 1;
    for (int i = 0; i < used; i++) {
        length[symbol[i]] = (uint8_t)(depth[i] ? depth[i] : 1);
        if (length[symbol[i]] > deepest) deepest = length[symbol[i]];
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

// The last place of three bytes, and the one before each of the last places; -1: none. Places count from the piece's begin.
typedef struct Search {
    Step step[BLOCK];
    int32_t head[HASHES], before[WINDOW];
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

static void enter(Search *f, const uint8_t *s, int64_t i)
{
    uint32_t h = hash3(s + i);
    f->before[i % WINDOW] = f->head[h], f->head[h] = (int32_t)i;
}

static int64_t same_bytes(const uint8_t *x, const uint8_t *y, int64_t most)
{
    int64_t n = 0;
    for (; n + 8 <= most; n += 8) {
        uint64_t u, v;
        memcpy(&u, x + n, 8), memcpy(&v, y + n, 8);
        if (u != v) break;
    }
    while (n < most && x[n] == y[n]) n++;
    return n;
}

// What s[i..end) begins with and stood before, if it is longer than `than`.
static Step longest(const Search *f, const uint8_t *s, int64_t i, int64_t end, int64_t than, int chain)
{
    int64_t best = than, at = 0, most = end - i < MOST ? end - i : MOST;
    if (most < LEAST || most <= best) return (Step){0, 0};
    int32_t p = f->head[hash3(s + i)];
    for (int k = 0; k < chain && p >= 0 && i - p <= WINDOW; k++, p = f->before[p % WINDOW]) {
        if (s[p + best] != s[i + best]) continue;
        int64_t l = same_bytes(s + p, s + i, most);
        if (l > best) best = l, at = p;
        if (l >= NICE || l == most) break;
    }
    if (best <= than || (best == LEAST && i - at > TOO_FAR)) return (Step){0, 0};
    return (Step){(uint16_t)best, (uint16_t)(i - at)};
}

// The steps of a block: s[from..end) of a piece that ends at n.
static int64_t find_steps(const uint8_t *s, int64_t from, int64_t end, int64_t n, Search *f)
{
    int64_t count = 0;
    Step ready = {0, 0}; // what was found here while the byte before was looked at
    for (int64_t i = from; i < end;) {
        Step step = ready.length ? ready : longest(f, s, i, end, LEAST - 1, CHAIN);
        ready = (Step){0, 0};
        if (i + LEAST <= n) enter(f, s, i);
        if (step.length && step.length < PATIENT)
            ready = longest(f, s, i + 1, end, step.length, step.length < 8 ? CHAIN : CHAIN / 4);
        if (!step.length || ready.length) step = (Step){1, 0};
        f->step[count++] = step;
        for (int64_t past = i++ + step.length; i < past; i++)
            if (i + LEAST <= n) enter(f, s, i);
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

static void put_block(Gzip *g, const uint8_t *piece, int64_t from, int64_t end, int64_t whole, Search *f)
{
    uint32_t symbols[SYMBOLS] = {0}, distances[DISTANCES] = {0};
    const Step *step = f->step;
    const uint8_t *s = piece + from;
    const size_t n = (size_t)(end - from);
    int64_t steps = find_steps(piece, from, end, whole, f), at = 0;
    int n_symbols = SYMBOLS, n_distances = DISTANCES;
    uint64_t bits = 0;
    Code by_symbol, by_distance;
    for (int64_t i = 0; i < steps; at += step[i++].length) {
        if (!step[i].distance) {
            symbols[s[at]]++;
            continue;
        }
        Number l = length_number(step[i].length), d = distance_number(step[i].distance);
        symbols[l.symbol]++, distances[d.symbol]++;
        bits += (uint64_t)(l.extra + d.extra);
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
    for (size_t at = 0; at < bytes.n; at += PIECE) {
        const int64_t n = (int64_t)(bytes.n - at < PIECE ? bytes.n - at : PIECE);
        memset(f->head, -1, sizeof f->head);
        for (int64_t i = 0; i < n; i += BLOCK)
            put_block(g, (const uint8_t *)bytes.s + at, i, i + BLOCK < n ? i + BLOCK : n, n, f);
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

Str gzip_member(Arena *a, Str bytes)
{
    Buf out = {.arena = a};
    Gzip g = {.out = &out};
    gzip_part(&g, bytes), gzip_end(&g);
    return buf_view(&out);
}
