// SPDX-License-Identifier: Apache-2.0
// merges.c — byte-pair encoding by a list of merges, as GPT-2 and Llama folders bring it: merges.txt or
// tokenizer.json.
//
// Sennrich et al. 2016, arXiv:1508.07909. A merge is (left id, right id) -> merged id, its rank its place in
// the list. The smallest rank is applied first, the leftmost among equals. Symbols are a linked list,
// candidates a heap; a candidate is stale if the pair at its place no longer makes the id it was for.
#include "kind.h"

#include <string.h>

typedef struct MergeSlot {
    uint64_t pair; // left << 32 | right; NO_PAIR: free
    uint32_t rank;
    int32_t merged;
} MergeSlot;

static const uint64_t NO_PAIR = UINT64_MAX; // ids are below 2^31

static void make_slots(Merges *m, size_t slots)
{
    m->slot = arena_new_raw(m->arena, MergeSlot, slots);
    m->mask = slots - 1;
    for (size_t i = 0; i < slots; i++) m->slot[i].pair = NO_PAIR;
}

void merges_init(Arena *a, Merges *m, size_t expected)
{
    size_t slots = 64;
    while (3 * slots < 4 * expected) slots *= 2;
    *m = (Merges){.arena = a, .room = expected, .merged = arena_new_raw(a, int32_t, expected)};
    make_slots(m, slots);
}

static size_t place_of(const Merges *m, uint64_t pair)
{
    uint64_t h = (pair ^ pair >> 29) * 0x9E3779B97F4A7C15u;
    return (h ^ h >> 32) & m->mask;
}

static MergeSlot *find(const Merges *m, uint64_t pair)
{
    size_t i = place_of(m, pair);
    while (m->slot[i].pair != NO_PAIR && m->slot[i].pair != pair) i = (i + 1) & m->mask;
    return &m->slot[i];
}

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static void grow(Merges *m)
{
    Merges old = *m;
    make_slots(m, 2 * (old.mask + 1));
    for (size_t i = 0; i <= old.mask; i++)
        if (old.slot[i].pair != NO_PAIR) *find(m, old.slot[i].pair) = old.slot[i];
}

void merges_add(Merges *m, int32_t left, int32_t right, int32_t merged)
{
    if (4 * (m->count + 1) > 3 * (m->mask + 1)) grow(m);
    uint64_t pair = pair_of(left, right);
    if (m->count == m->room) {
        size_t room = m->room ? 2 * m->room : 1024;
        int32_t *more = arena_new_raw(m->arena, int32_t, room);
        if (m->count) memcpy(more, m->merged, m->count * sizeof *more);
        m->merged = more, m->room = room;
    }
    m->merged[m->count] = merged;
    *find(m, pair) = (MergeSlot){pair, (uint32_t)m->count++, merged}; // of equal pairs the last counts
}

void merges_pairs(const Merges *m, int32_t (*out)[2])
{
    for (size_t i = 0; i < m->count; i++) out[i][0] = out[i][1] = -1;
    for (size_t i = 0; i <= m->mask; i++) {
        const MergeSlot *s = &m->slot[i];
        if (s->pair == NO_PAIR) continue;
        out[s->rank][0] = (int32_t)(s->pair >> 32), out[s->rank][1] = (int32_t)(uint32_t)s->pair;
    }
}

// ------------------------------------------------------------------------------------------------- merging

typedef struct MergeSymbol {
    int32_t id;          // -1: merged into another
    uint32_t prev, next; // NOTHING: none
} MergeSymbol;

static const uint32_t NOTHING = UINT32_MAX;

// An offer is a rank and a place, as one number that sorts as they do: the smallest rank first, the leftmost among equals.
// The heap has four children a node: half as many levels to miss the cache at.
static void consider(Merger *w, uint32_t left)
{
    if (left == NOTHING || w->symbol[left].next == NOTHING) return;
    const MergeSlot *s = find(w->merges, pair_of(w->symbol[left].id, w->symbol[w->symbol[left].next].id));
    if (s->pair == NO_PAIR) return;
    uint64_t offer = (uint64_t)s->rank << 32 | left;
    size_t i = w->offers++;
    for (size_t up; i && offer < w->heap[up = (i - 1) / 4]; i = up) w->heap[i] = w->heap[up];
    w->heap[i] = offer;
}

static uint64_t best(Merger *w)
{
    uint64_t top = w->heap[0], last = w->heap[--w->offers];
    size_t i = 0;
    for (size_t child; (child = 4 * i + 1) < w->offers; i = child) {
        size_t end = child + 4 < w->offers ? child + 4 : w->offers;
        for (size_t k = child + 1; k < end; k++)
            if (w->heap[k] < w->heap[child]) child = k;
        if (w->heap[child] >= last) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

size_t merge_ids(Merger *w, int32_t *ids, size_t n, uint32_t *from)
{
    if (n < 2 || n >= NOTHING) {
        if (n && from) from[0] = 0;
        return n;
    }
    if (n > w->cap) {
        w->cap = n > 2 * w->cap ? n : 2 * w->cap;
        w->symbol = arena_new_raw(w->arena, MergeSymbol, w->cap);
        w->heap = arena_new_raw(w->arena, uint64_t,
                                2 * w->cap); // n - 1 pairs; a merge takes one out and puts two in
    }
    for (uint32_t i = 0; i < n; i++)
        w->symbol[i] = (MergeSymbol){ids[i], i ? i - 1 : NOTHING, i + 1 < n ? i + 1 : NOTHING};
    w->offers = 0;
    for (uint32_t i = 0; i + 1 < n; i++) consider(w, i);
    while (w->offers) {
        uint64_t offer = best(w);
        uint32_t at = (uint32_t)offer;
        int32_t merged = w->merges->merged[offer >> 32];
        MergeSymbol *left = &w->symbol[at];
        if (left->id < 0 || left->next == NOTHING) continue;
        MergeSymbol *right = &w->symbol[left->next];
        const MergeSlot *s = find(w->merges, pair_of(left->id, right->id));
        if (s->pair == NO_PAIR || s->merged != merged) continue;
        left->id = merged;
        right->id = -1;
        left->next = right->next;
        if (left->next != NOTHING) w->symbol[left->next].prev = at;
        consider(w, left->prev);
        consider(w, at);
    }
    size_t left = 0;
    for (uint32_t i = 0; i != NOTHING; i = w->symbol[i].next) {
        if (from) from[left] = i;
        ids[left++] = w->symbol[i].id;
    }
    return left;
}

// --------------------------------------------------------------------------------------------------- files

// Merges as a file lists them, a batch at a time: their ids are then looked up together, which is faster.
enum { BATCH = 1024 };

typedef struct MergeNames {
    const Vocab *vocab;
    Merges *merges;
    const char *path;
    Err *e;
    Str part[2 * BATCH]; // left, right
    size_t at[BATCH];    // where in the file
    size_t n;
    int32_t last; // what the merge before made
} MergeNames;

static bool is_joined(Str both, Str left, Str right)
{
    return both.n == left.n + right.n && memcmp(both.s, left.s, left.n) == 0 &&
           memcmp(both.s + left.n, right.s, right.n) == 0;
}

// The id of left and right joined. Vocabularies mostly have what merges make in their order, so `near`, what the merge before
// made, or the id after it, is looked at first.
static int32_t joined_id(Arena *a, const Vocab *v, Str left, Str right, int32_t near)
{
    char room[512],
        *joined = left.n + right.n > sizeof room ? arena_new_raw(a, char, left.n + right.n) : room;
    for (size_t id = near < 0 ? v->n : (size_t)near; id < v->n && id <= (size_t)near + 1; id++)
        if (v->text[id].s && is_joined(v->text[id], left, right)) return (int32_t)id;
    memcpy(joined, left.s, left.n);
    memcpy(joined + left.n, right.s, right.n);
    return vocab_id(v, (Str){joined, left.n + right.n});
}

static bool add_batch(MergeNames *l)
{
    enum { AHEAD = 8 };
    Merges *m = l->merges;
    int32_t id[2 * BATCH];
    vocab_ids(l->vocab, l->part, 2 * l->n, id);
    Arena *scratch = arena_create(m->arena);
    for (size_t i = 0; i < l->n; i++) {
        Str left = l->part[2 * i], right = l->part[2 * i + 1];
        l->last = joined_id(scratch, l->vocab, left, right, l->last);
        if (i + AHEAD < l->n)
            __builtin_prefetch(&m->slot[place_of(m, pair_of(id[2 * (i + AHEAD)], id[2 * (i + AHEAD) + 1]))]);
        if (id[2 * i] < 0 || id[2 * i + 1] < 0 || l->last < 0)
            return err_at(l->e, l->path, l->at[i],
                          "merge %zu joins '%.*s' and '%.*s', but %s is not in the vocabulary", m->count,
                          (int)(left.n < 40 ? left.n : 40), left.s, (int)(right.n < 40 ? right.n : 40),
                          right.s,
                          id[2 * i] < 0       ? "the first"
                          : id[2 * i + 1] < 0 ? "the second"
                                              : "what they make");
        merges_add(m, id[2 * i], id[2 * i + 1], l->last);
    }
    arena_free(scratch);
    l->n = 0;
    return true;
}

static bool add_names(MergeNames *l, Str left, Str right, size_t at)
{
    if (l->n == BATCH && !add_batch(l)) return false;
    l->part[2 * l->n] = left, l->part[2 * l->n + 1] = right;
    l->at[l->n++] = at;
    return true;
}

static MergeNames *begin(Arena *a, Arena *scratch, const Vocab *v, Merges *m, const char *path, Err *e)
{
    MergeNames *l = arena_new_raw(scratch, MergeNames, 1);
    l->vocab = v, l->merges = m, l->path = path, l->e = e, l->n = 0, l->last = -1;
    merges_init(a, m, v->count);
    return l;
}

// "left right", at the single space.
static bool add_line(MergeNames *l, Str line, size_t at)
{
    const char *space = memchr(line.s, ' ', line.n);
    size_t n = space ? (size_t)(space - line.s) : 0;
    if (!space || n == 0 || n + 1 == line.n || memchr(space + 1, ' ', line.n - n - 1))
        return err_at(l->e, l->path, at,
                      "merge %zu is '%.*s', expected two tokens and one space between them",
                      l->merges->count + l->n, (int)(line.n < 60 ? line.n : 60), line.s);
    return add_names(l, (Str){line.s, n}, (Str){space + 1, line.n - n - 1}, at);
}

bool merges_read(Arena *a, const char *path, const Vocab *v, Merges *m, Err *e)
{
    Str file;
    if (!file_map(a, path, &file, e) || !file_genuine(path, file, e)) return false;
    Arena *scratch = arena_create(a);
    MergeNames *l = begin(a, scratch, v, m, path, e);
    for (size_t i = 0, n; i < file.n; i += n + 1) {
        const char *end = memchr(file.s + i, '\n', file.n - i);
        n = end ? (size_t)(end - file.s) - i : file.n - i;
        Str line = {file.s + i, n};
        if (str_ends(line, STR_LIT("\r"))) line.n--;
        if (line.n == 0 || (i == 0 && str_starts(line, STR_LIT("#version")))) continue;
        if (!add_line(l, line, i)) return false;
    }
    bool ok = add_batch(l);
    arena_free(scratch);
    return ok;
}

static bool scan_merge(Scan *c, MergeNames *l)
{
    Str left, right;
    size_t at = c->at;
    char next = scan_space(c);
    if (next == '"') return scan_string(c, &left) && add_line(l, left, at);
    if (next != '[') return scan_wrong(c, "a merge: two tokens with a space between them, or a list of two");
    c->at++;
    if (scan_space(c) != '"') return scan_wrong(c, "a token in quotes");
    if (!scan_string(c, &left)) return false;
    if (scan_space(c) != ',') return scan_wrong(c, "',' and the second token of a merge");
    c->at++;
    if (scan_space(c) != '"') return scan_wrong(c, "a token in quotes");
    if (!scan_string(c, &right)) return false;
    if (scan_space(c) != ']') return scan_wrong(c, "']' after the second token of a merge");
    c->at++;
    return add_names(l, left, right, at);
}

bool merges_scan(Arena *a, Scan *c, const Vocab *v, Merges *m)
{
    Arena *scratch = arena_create(a);
    MergeNames *l = begin(a, scratch, v, m, c->path, c->e);
    if (scan_space(c) != '[') return scan_wrong(c, "'[', a list of merges");
    c->at++;
    if (scan_space(c) == ']') c->at++;
    else
        for (char next = ','; next == ',';) {
            if (!scan_merge(c, l)) return false;
            next = scan_space(c);
            if (next != ',' && next != ']') return scan_wrong(c, "',' or ']'");
            c->at++;
        }
    bool ok = add_batch(l);
    arena_free(scratch);
    return ok;
}
