// SPDX-License-Identifier: Apache-2.0
// bpe.c — SentencePiece's byte-pair encoding: join the best-scored neighbours until nothing can be joined.
//
// Sennrich et al. 2016, arXiv:1508.07909. Symbols are a linked list over the text, candidates a heap ordered
// by score (higher first), then by place (further left first). A candidate is stale if one of its sides has
// grown or gone. UNUSED pieces take part in merging and are taken apart again at the end, into what they were
// last made of.
#include "spm.h"

#include <string.h>

enum { DEEPEST = 100 }; // levels of taking apart; below that a piece is kept, as the library does

typedef struct Symbol {
    size_t prev, next; // SIZE_MAX: none
    const char *s;
    size_t n;    // 0: merged into another
    bool frozen; // a user-defined piece: takes part in no merge
} Symbol;

typedef struct Pair {
    uint32_t rank;         // its score, as a number that sorts the same way
    size_t left, right, n; // n: bytes of both
} Pair;

typedef struct Bpe {
    const Sentencepiece *sp;
    Symbol *symbol;
    Pair *heap;
    size_t pairs;
    uint32_t *made_of; // by id of an UNUSED piece: bytes of its left part when it was last offered; 0: never
} Bpe;

// Orders floats as unsigned numbers: -0.0 below 0.0, and NaN (a hostile file's) has its place too.
static uint32_t rank_of(float score)
{
    uint32_t bits;
    memcpy(&bits, &score, 4);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static bool first(const Pair *x, const Pair *y)
{
    return x->rank > y->rank || (x->rank == y->rank && x->left < y->left);
}

static void push(Bpe *b, Pair p)
{
    size_t i = b->pairs++;
    for (size_t up; i && first(&p, &b->heap[up = (i - 1) / 2]); i = up) b->heap[i] = b->heap[up];
    b->heap[i] = p;
}

static Pair pop(Bpe *b)
{
    Pair top = b->heap[0], last = b->heap[--b->pairs];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < b->pairs; i = child) {
        if (child + 1 < b->pairs && first(&b->heap[child + 1], &b->heap[child])) child++;
        if (!first(&b->heap[child], &last)) break;
        b->heap[i] = b->heap[child];
    }
    b->heap[i] = last;
    return top;
}

static void consider(Bpe *b, size_t left, size_t right)
{
    if (left == SIZE_MAX || right == SIZE_MAX) return;
    const Symbol *l = &b->symbol[left], *r = &b->symbol[right];
    if (l->frozen || r->frozen) return;
    int32_t at = trie_find(&b->sp->normal, (Str){l->s, l->n + r->n});
    if (!at) return;
    int32_t value = b->sp->normal.node[at].value;
    int32_t id = trie_id(value);
    if (value <= TRIE_MUTED) b->made_of[id] = (uint32_t)l->n;
    push(b, (Pair){rank_of(b->sp->piece[id].score), left, right, l->n + r->n});
}

typedef struct Part {
    Str s;
    int depth;
} Part;

// Writes a final symbol, taking UNUSED pieces apart. Each part is shorter than the whole, left parts come
// first.
static void put(const Bpe *b, Str s, Segments *out)
{
    Part todo[DEEPEST + 2] = {{s, 0}};
    for (int left = 1; left;) {
        Part p = todo[--left];
        int32_t at = trie_find(&b->sp->normal, p.s);
        int32_t value = at ? b->sp->normal.node[at].value : -1, id = trie_id(value);
        if (value > TRIE_MUTED) segment_add(out, p.s.s, p.s.n, value);
        else if (!b->made_of[id]) segment_add(out, p.s.s, p.s.n, -1);
        else if (p.depth >= DEEPEST) segment_add(out, p.s.s, p.s.n, id);
        else {
            size_t n = b->made_of[id];
            todo[left++] = (Part){{p.s.s + n, p.s.n - n}, p.depth + 1};
            todo[left++] = (Part){{p.s.s, n}, p.depth + 1};
        }
    }
}

void bpe_split(const Sentencepiece *sp, Str text, Segments *out)
{
    if (!text.n) return;
    Arena *scratch = arena_create(out->arena);
    Bpe b = {.sp = sp, .symbol = arena_new_raw(scratch, Symbol, text.n)};
    size_t n = 0;
    for (size_t i = 0, width; i < text.n; i += width, n++) {
        size_t user = user_prefix(sp, text.s + i, text.n - i);
        width = user ? user : char_width(text.s[i], text.n - i);
        b.symbol[n] = (Symbol){n ? n - 1 : SIZE_MAX, n + 1, text.s + i, width, user != 0};
    }
    b.symbol[n - 1].next = SIZE_MAX;
    b.heap = arena_new_raw(scratch, Pair, 3 * n); // n - 1 at first, then two for each of at most n - 1 merges
    if (sp->has_unused) b.made_of = arena_new(scratch, uint32_t, sp->n);

    for (size_t i = 1; i < n; i++) consider(&b, i - 1, i);
    while (b.pairs) {
        Pair p = pop(&b);
        Symbol *l = &b.symbol[p.left], *r = &b.symbol[p.right];
        if (!l->n || !r->n || l->n + r->n != p.n) continue;
        l->n = p.n;
        l->next = r->next;
        if (r->next != SIZE_MAX) b.symbol[r->next].prev = p.left;
        r->n = 0;
        consider(&b, l->prev, p.left);
        consider(&b, p.left, l->next);
    }
    for (size_t i = 0; i != SIZE_MAX; i = b.symbol[i].next) put(&b, (Str){b.symbol[i].s, b.symbol[i].n}, out);
    arena_free(scratch);
}
