// trie.c — a set of byte strings as a double array, built fast enough to be built anew at every start.
//
// Aoe 1989, "An efficient digital search algorithm by using a double-array structure". Children are placed by XOR
// (next = base ^ byte), so that all children of a node lie in one block of 256 nodes and no bound need be checked.
// Most nodes have one child, which fits any free place; for the others a few free places are tried and then a new
// block is opened: a little more room, no long search. Keys are sorted first: radix sort on their first eight
// bytes, then a merge sort of the few runs that agree in all eight.
#include "spm.h"

#include <string.h>

typedef struct Sorting {
    uint64_t head;     // the first eight bytes, big-endian, padded with zeros
    uint32_t key;
} Sorting;

static uint64_t head_of(Str s)
{
    uint8_t b[8] = {0};
    memcpy(b, s.s, s.n < 8 ? s.n : 8);
    uint64_t h = 0;
    for (int i = 0; i < 8; i++) h = h << 8 | b[i];
    return h;
}

static void radix_sort(Sorting **in, Sorting **spare, size_t n)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t count[257] = {0};
        for (size_t i = 0; i < n; i++) count[((*in)[i].head >> shift & 255) + 1]++;
        if (n && count[((*in)[0].head >> shift & 255) + 1] == n) continue;
        for (int b = 0; b < 256; b++) count[b + 1] += count[b];
        for (size_t i = 0; i < n; i++) (*spare)[count[(*in)[i].head >> shift & 255]++] = (*in)[i];
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

// ---------------------------------------------------------------------------------------------- the double array

enum { BLOCK = 256, TRIES = 8 };
static const uint32_t FREE = UINT32_MAX; // parent of a free node; free nodes form a ring through node 0:
                                         // base is the one before, value the one after

typedef struct Builder {
    Arena *arena;
    TrieNode *node;
    size_t n, cap;
} Builder;

static void unlink_free(Builder *b, uint32_t x)
{
    uint32_t before_x = b->node[x].base, after_x = (uint32_t)b->node[x].value;
    b->node[before_x].value = (int32_t)after_x;
    b->node[after_x].base = before_x;
}

// Adds a block of free nodes; returns its first. The root (node 0) heads the ring while the trie is being built.
static uint32_t open_block(Builder *b)
{
    if (b->n + BLOCK > b->cap) {
        b->cap = b->cap + b->cap / 2 + BLOCK;
        TrieNode *node = arena_new_raw(b->arena, TrieNode, b->cap);
        if (b->n) memcpy(node, b->node, b->n * sizeof *node);
        b->node = node;
    }
    uint32_t first = (uint32_t)b->n;
    for (uint32_t i = 0; i < BLOCK; i++)
        b->node[first + i] = (TrieNode){.base = first + i - 1, .parent = FREE, .value = (int32_t)(first + i + 1)};
    uint32_t last = first + BLOCK - 1;
    if (first == 0) {
        b->node[0].base = last;
        b->node[last].value = 0;
    } else {
        uint32_t tail = b->node[0].base;
        b->node[tail].value = (int32_t)first;
        b->node[first].base = tail;
        b->node[last].value = 0;
        b->node[0].base = last;
    }
    b->n += BLOCK;
    return first;
}

static uint32_t place(Builder *b, const uint8_t *label, size_t n)
{
    uint32_t x = (uint32_t)b->node[0].value;
    for (int tries = 0; x && tries < TRIES; tries++, x = (uint32_t)b->node[x].value) {
        uint32_t base = x ^ label[0];
        size_t i = 1;
        while (i < n && (base ^ label[i]) && b->node[base ^ label[i]].parent == FREE) i++;
        if (i == n) return base;
    }
    return open_block(b);
}

typedef struct Range {
    uint32_t node, depth;
    uint32_t lo, hi;   // the keys below this node
} Range;

void trie_build(Arena *a, TrieKey *key, size_t n, Trie *t, int32_t *twice)
{
    if (twice) *twice = -1;
    *t = (Trie){0};
    if (n == 0) return;
    if (n > INT32_MAX / 2) BUG("%zu keys", n);
    Arena *scratch = arena_create(a);
    n = sort_keys(scratch, key, n, twice);

    Builder b = {.arena = scratch, .cap = 8 * n + 2 * BLOCK};
    b.node = arena_new_raw(scratch, TrieNode, b.cap);
    open_block(&b);
    struct { uint32_t base; int32_t value; float score; } root = {0, TRIE_NONE, 0};
    Range *todo = arena_new_raw(scratch, Range, n + 1);
    size_t left = 0;
    todo[left++] = (Range){0, 0, 0, (uint32_t)n};
    while (left) {
        Range r = todo[--left];
        int32_t value = TRIE_NONE;
        float score = 0;
        uint32_t base = 0;
        if (key[r.lo].text.n == r.depth) {
            value = key[r.lo].value, score = key[r.lo].score;
            r.lo++;
        }
        if (r.lo < r.hi) {
            uint8_t label[256];
            uint32_t first[257];
            size_t children = 0;
            for (uint32_t i = r.lo; i < r.hi; i++) {
                uint8_t c = (uint8_t)key[i].text.s[r.depth];
                if (children && label[children - 1] == c) continue;
                label[children] = c;
                first[children++] = i;
            }
            first[children] = r.hi;
            base = place(&b, label, children);
            for (size_t i = children; i-- > 0;) {
                uint32_t x = base ^ label[i];
                unlink_free(&b, x);
                b.node[x].parent = r.node;
                todo[left++] = (Range){x, r.depth + 1, first[i], first[i + 1]};
            }
        }
        if (r.node) b.node[r.node].base = base, b.node[r.node].value = value, b.node[r.node].score = score;
        else root.base = base;
    }
    b.node[0] = (TrieNode){.base = root.base, .parent = FREE, .value = root.value};

    t->n = b.n;
    t->node = arena_new_raw(a, TrieNode, b.n);
    memcpy(t->node, b.node, b.n * sizeof *t->node);
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
