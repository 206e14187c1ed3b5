// SPDX-License-Identifier: Apache-2.0
// trie.c — a set of byte strings as a double array, built fast enough to be built anew at every start.
//
// Aoe 1989, "An efficient digital search algorithm by using a double-array structure". Children are placed by
// XOR (next = base ^ byte), so that all children of a node lie in one block of 256 nodes and no bound need be
// checked. Most nodes have one child, which fits any free place and so fills the gaps; for the others the
// newest few blocks are tried and then a new one is opened: no long search, and the array still ends up
// nearly full. Keys are sorted first: radix sort on their first eight bytes, then a merge sort of the few
// runs that agree in all eight.
#include "spm.h"

#include <string.h>

typedef struct Sorting {
    uint64_t head; // the first eight bytes, big-endian, padded with zeros
    uint32_t key;
} Sorting;

static inline uint64_t head_of(Str s)
{
    uint64_t h = 0;
    size_t n = s.n < 8 ? s.n : 8;
    for (size_t i = 0; i < n; i++) h |= (uint64_t)(uint8_t)s.s[i] << (56 - 8 * i);
    return h;
}

// By head, stable; a byte that is the same everywhere (as in a list of words that all begin with U+2581)
// costs nothing.
static void radix_sort(Sorting **in, Sorting **spare, size_t n)
{
    size_t count[8][257] = {{0}};
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < 8; b++) count[b][((*in)[i].head >> 8 * b & 255) + 1]++;
    for (unsigned b = 0; b < 8; b++) {
        size_t *start = count[b];
        if (n && start[((*in)[0].head >> 8 * b & 255) + 1] == n) continue;
        for (int c = 0; c < 256; c++) start[c + 1] += start[c];
        for (size_t i = 0; i < n; i++) (*spare)[start[(*in)[i].head >> 8 * b & 255]++] = (*in)[i];
        Sorting *t = *in;
        *in = *spare, *spare = t;
    }
}

static bool before(const TrieKey *key, Sorting x, Sorting y)
{
    int order = str_cmp(key[x.key].text, key[y.key].text);
    return order < 0 || (order == 0 && trie_id(key[x.key].value) < trie_id(key[y.key].value));
}

static void merge_sort(const TrieKey *key, Sorting *s, Sorting *spare, size_t n)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n, hi = mid + width < n ? mid + width : n;
            size_t i = lo, j = mid, k = lo;
            while (i < mid && j < hi) spare[k++] = before(key, s[j], s[i]) ? s[j++] : s[i++];
            while (i < mid) spare[k++] = s[i++];
            while (j < hi) spare[k++] = s[j++];
        }
        memcpy(s, spare, n * sizeof *s);
    }
}

// Sorts by bytes and drops all but the last of equal keys; returns how many are left.
static size_t sort_keys(Arena *a, TrieKey *key, size_t n, int32_t *twice)
{
    Sorting *s = arena_new_raw(a, Sorting, n), *spare = arena_new_raw(a, Sorting, n);
    for (size_t i = 0; i < n; i++) s[i] = (Sorting){head_of(key[i].text), (uint32_t)i};
    radix_sort(&s, &spare, n);
    for (size_t lo = 0, hi; lo < n; lo = hi) {
        for (hi = lo + 1; hi < n && s[hi].head == s[lo].head;) hi++;
        if (hi - lo > 1) merge_sort(key, s + lo, spare, hi - lo);
    }
    TrieKey *sorted = arena_new_raw(a, TrieKey, n);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const TrieKey *k = &key[s[i].key];
        if (kept && str_eq(sorted[kept - 1].text, k->text)) {
            int32_t lost = trie_id(sorted[--kept].value);
            if (twice && (*twice < 0 || lost < *twice)) *twice = lost;
        }
        sorted[kept++] = *k;
    }
    memcpy(key, sorted, kept * sizeof *key);
    return kept;
}

// ---------------------------------------------------------------------------------------- the double array

enum { BLOCK = 256, TRIES = 4 };
static const uint32_t FREE = UINT32_MAX; // parent of a node that is not used

typedef struct Block {
    uint64_t free[4]; // a bit for each node
    uint32_t left;    // how many
} Block;

typedef struct Builder {
    Arena *arena; // where the nodes stay
    Arena *scratch;
    TrieNode *node;
    Block *block;
    size_t n, cap; // blocks
    size_t oldest; // the first block that may have free nodes
} Builder;

static void open_block(Builder *b)
{
    if (b->n == b->cap || !b->node) {
        b->cap += b->node ? b->cap / 2 + 8 : 4;
        TrieNode *node = arena_new_raw(b->arena, TrieNode, b->cap * BLOCK);
        Block *block = arena_new_raw(b->scratch, Block, b->cap);
        if (b->n)
            memcpy(node, b->node, b->n * BLOCK * sizeof *node), memcpy(block, b->block, b->n * sizeof *block);
        b->node = node, b->block = block;
    }
    for (size_t i = b->n * BLOCK; i < (b->n + 1) * BLOCK; i++)
        b->node[i] = (TrieNode){.parent = FREE, .value = TRIE_NONE};
    b->block[b->n++] = (Block){{~0ull, ~0ull, ~0ull, ~0ull}, BLOCK};
}

static void use(Builder *b, uint32_t x)
{
    Block *k = &b->block[x / BLOCK];
    k->free[x % BLOCK / 64] &= ~(1ull << x % 64);
    k->left--;
}

// Bit i of the result is bit i ^ k of w: six exchanges of neighbouring groups of bits.
static uint64_t exchange(uint64_t w, unsigned k)
{
    static const uint64_t low[6] = {0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F,
                                    0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0x00000000FFFFFFFF};
    for (unsigned i = 0; i < 6; i++)
        if (k >> i & 1) w = (w & low[i]) << (1u << i) | (w >> (1u << i) & low[i]);
    return w;
}

// A base in this block such that base ^ label is free for every label; -1: there is none. All 256 are tried
// at once: bit i of fits says that base i is free for all labels so far.
static int fit(const Block *k, const uint8_t *label, size_t n)
{
    uint64_t fits[4] = {~0ull, ~0ull, ~0ull, ~0ull};
    for (size_t i = 0; i < n; i++)
        for (unsigned w = 0; w < 4; w++) fits[w] &= exchange(k->free[w ^ label[i] >> 6], label[i] & 63);
    for (int w = 0; w < 4; w++)
        if (fits[w]) return 64 * w + __builtin_ctzll(fits[w]);
    return -1;
}

// A base for a node with these n children.
static uint32_t place(Builder *b, const uint8_t *label, size_t n)
{
    while (b->oldest < b->n && b->block[b->oldest].left == 0) b->oldest++;
    if (n == 1 && b->oldest < b->n) { // fits anywhere: fill the gaps
        const uint64_t *free = b->block[b->oldest].free;
        uint32_t w = 0;
        while (!free[w]) w++;
        return (uint32_t)(b->oldest * BLOCK) + ((64 * w + (uint32_t)__builtin_ctzll(free[w])) ^ label[0]);
    }
    size_t k = b->n;
    for (int tries = 0; tries < TRIES && k > b->oldest; tries++) {
        int base = b->block[--k].left < n ? -1 : fit(&b->block[k], label, n);
        if (base >= 0) return (uint32_t)(k * BLOCK) + (uint32_t)base;
    }
    open_block(b);
    return (uint32_t)((b->n - 1) * BLOCK);
}

typedef struct Range {
    uint32_t node, depth;
    uint32_t lo, hi; // the keys below this node
} Range;

// shared[i]: how many bytes keys i - 1 and i begin with alike. Returns how many nodes the trie of these keys
// has.
static size_t compare_neighbours(const TrieKey *key, size_t n, uint32_t *shared)
{
    size_t nodes = 1 + key[0].text.n;
    shared[0] = 0;
    for (size_t i = 1; i < n; i++) {
        Str x = key[i - 1].text, y = key[i].text;
        size_t same = 0, least = x.n < y.n ? x.n : y.n;
        while (same < least && x.s[same] == y.s[same]) same++;
        shared[i] = (uint32_t)same;
        nodes += y.n - same;
    }
    return nodes;
}

void trie_build(Arena *a, TrieKey *key, size_t n, Trie *t, int32_t *twice)
{
    if (twice) *twice = -1;
    *t = (Trie){0};
    if (n == 0) return;
    if (n > INT32_MAX / 2) BUG("%zu keys", n);
    Arena *scratch = arena_create(a);
    n = sort_keys(scratch, key, n, twice);

    uint32_t *shared = arena_new_raw(scratch, uint32_t, n);
    Builder b = {.arena = a, .scratch = scratch, .cap = compare_neighbours(key, n, shared) / BLOCK * 17 / 16};
    open_block(&b);
    use(&b, 0); // the root
    Range *todo = arena_new_raw(scratch, Range, n + 1);
    size_t left = 0;
    todo[left++] = (Range){0, 0, 0, (uint32_t)n};
    while (left) {
        Range r = todo[--left];
        const uint8_t *bytes = (const uint8_t *)key[r.lo].text.s;
        size_t n_bytes = key[r.lo].text.n;
        for (; r.hi - r.lo == 1 && r.depth < n_bytes; r.depth++) { // one key left: straight down
            uint32_t base = place(&b, bytes + r.depth, 1), x = base ^ bytes[r.depth];
            use(&b, x);
            b.node[r.node].base = base;
            b.node[x].parent = r.node;
            r.node = x;
        }
        if (n_bytes == r.depth) {
            b.node[r.node].value = key[r.lo].value, b.node[r.node].score = key[r.lo].score;
            r.lo++;
        }
        if (r.lo == r.hi) continue;
        uint8_t label[256];
        uint32_t start[257];
        size_t children = 0;
        for (uint32_t i = r.lo; i < r.hi; i++) {
            if (i > r.lo && shared[i] > r.depth) continue; // the same byte as the key before
            label[children] = (uint8_t)key[i].text.s[r.depth];
            start[children++] = i;
        }
        start[children] = r.hi;
        uint32_t base = place(&b, label, children);
        b.node[r.node].base = base;
        for (size_t i = children; i-- > 0;) {
            uint32_t x = base ^ label[i];
            use(&b, x);
            b.node[x].parent = r.node;
            todo[left++] = (Range){x, r.depth + 1, start[i], start[i + 1]};
        }
    }
    *t = (Trie){b.node, b.n * BLOCK};
    arena_free(scratch);
}

int32_t trie_find(const Trie *t, Str text)
{
    if (!t->n || !text.n) return 0;
    uint32_t at = 0;
    for (size_t i = 0; i < text.n; i++)
        if (!(at = trie_step(t->node, at, (uint8_t)text.s[i]))) return 0;
    return t->node[at].value == TRIE_NONE ? 0 : (int32_t)at;
}
