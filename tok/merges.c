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

void merges_init(Arena *a, Merges *m, size_t expected)
{
    size_t slots = 64;
    while (slots < 2 * expected) slots *= 2;
    *m = (Merges){.slot = arena_new_raw(a, MergeSlot, slots), .mask = slots - 1, .room = expected};
    for (size_t i = 0; i < slots; i++) m->slot[i].pair = NO_PAIR;
}

static MergeSlot *find(const Merges *m, uint64_t pair)
{
    uint64_t h = (pair ^ pair >> 29) * 0x9E3779B97F4A7C15u;
    size_t i = (h ^ h >> 32) & m->mask;
    while (m->slot[i].pair != NO_PAIR && m->slot[i].pair != pair) i = (i + 1) & m->mask;
    return &m->slot[i];
}

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

void merges_add(Merges *m, int32_t left, int32_t right, int32_t merged)
{
    if (m->count == m->room) BUG("more than %zu merges", m->room);
    uint64_t pair = pair_of(left, right);
    *find(m, pair) = (MergeSlot){pair, (uint32_t)m->count++, merged}; // of equal pairs the last counts
}

// ------------------------------------------------------------------------------------------------- merging

typedef struct MergeSymbol {
    int32_t id;          // -1: merged into another
    uint32_t prev, next; // NOTHING: none
} MergeSymbol;

typedef struct MergeOffer {
    uint32_t rank, at;
    int32_t merged;
} MergeOffer;

static const uint32_t NOTHING = UINT32_MAX;

static bool first(MergeOffer x, MergeOffer y) { return x.rank < y.rank || (x.rank == y.rank && x.at < y.at); }

static void consider(Merger *w, uint32_t left)
{
    if (left == NOTHING || w->symbol[left].next == NOTHING) return;
    const MergeSlot *s = find(w->merges, pair_of(w->symbol[left].id, w->symbol[w->symbol[left].next].id));
    if (s->pair == NO_PAIR) return;
    MergeOffer o = {s->rank, left, s->merged};
    size_t i = w->offers++;
    for (size_t up; i && first(o, w->heap[up = (i - 1) / 2]); i = up) w->heap[i] = w->heap[up];
    w->heap[i] = o;
}

static MergeOffer best(Merger *w)
{
    MergeOffer top = w->heap[0], last = w->heap[--w->offers];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->offers; i = child) {
        if (child + 1 < w->offers && first(w->heap[child + 1], w->heap[child])) child++;
        if (!first(w->heap[child], last)) break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

size_t merge_ids(Merger *w, int32_t *ids, size_t n)
{
    if (n < 2 || n >= NOTHING) return n;
    if (n > w->cap) {
        w->cap = 2 * n;
        w->symbol = arena_new_raw(w->arena, MergeSymbol, w->cap);
        w->heap = arena_new_raw(w->arena, MergeOffer, 3 * w->cap); // n - 1 pairs at first, two for each merge
    }
    for (uint32_t i = 0; i < n; i++)
        w->symbol[i] = (MergeSymbol){ids[i], i ? i - 1 : NOTHING, i + 1 < n ? i + 1 : NOTHING};
    w->offers = 0;
    for (uint32_t i = 0; i + 1 < n; i++) consider(w, i);
    while (w->offers) {
        MergeOffer o = best(w);
        MergeSymbol *left = &w->symbol[o.at];
        if (left->id < 0 || left->next == NOTHING) continue;
        MergeSymbol *right = &w->symbol[left->next];
        const MergeSlot *s = find(w->merges, pair_of(left->id, right->id));
        if (s->pair == NO_PAIR || s->merged != o.merged) continue;
        left->id = o.merged;
        right->id = -1;
        left->next = right->next;
        if (left->next != NOTHING) w->symbol[left->next].prev = o.at;
        consider(w, left->prev);
        consider(w, o.at);
    }
    size_t left = 0;
    for (uint32_t i = 0; i != NOTHING; i = w->symbol[i].next) ids[left++] = w->symbol[i].id;
    return left;
}

// --------------------------------------------------------------------------------------------------- files

static bool add_named(Arena *a, const Vocab *v, Merges *m, Str left, Str right, const char *path, size_t at,
                      Err *e)
{
    char *joined = arena_new_raw(a, char, left.n + right.n);
    memcpy(joined, left.s, left.n);
    memcpy(joined + left.n, right.s, right.n);
    int32_t l = vocab_id(v, left), r = vocab_id(v, right),
            both = vocab_id(v, (Str){joined, left.n + right.n});
    if (l < 0 || r < 0 || both < 0)
        return err_at(e, path, at, "merge %zu joins '%.*s' and '%.*s', but %s is not in the vocabulary",
                      m->count, (int)(left.n < 40 ? left.n : 40), left.s, (int)(right.n < 40 ? right.n : 40),
                      right.s,
                      l < 0   ? "the first"
                      : r < 0 ? "the second"
                              : "what they make");
    merges_add(m, l, r, both);
    return true;
}

// "left right", at the single space.
static bool add_line(Arena *a, const Vocab *v, Merges *m, Str line, const char *path, size_t at, Err *e)
{
    const char *space = memchr(line.s, ' ', line.n);
    size_t n = space ? (size_t)(space - line.s) : 0;
    if (!space || n == 0 || n + 1 == line.n || memchr(space + 1, ' ', line.n - n - 1))
        return err_at(e, path, at, "merge %zu is '%.*s', expected two tokens and one space between them",
                      m->count, (int)(line.n < 60 ? line.n : 60), line.s);
    return add_named(a, v, m, (Str){line.s, n}, (Str){space + 1, line.n - n - 1}, path, at, e);
}

bool merges_read(Arena *a, const char *path, const Vocab *v, Merges *m, Err *e)
{
    Str file;
    if (!file_map(a, path, &file, e) || !file_genuine(path, file, e)) return false;
    size_t lines = 1;
    for (size_t i = 0; i < file.n; i++) lines += file.s[i] == '\n';
    merges_init(a, m, lines);
    Arena *scratch = arena_create(a);
    for (size_t i = 0, n; i < file.n; i += n + 1) {
        const char *end = memchr(file.s + i, '\n', file.n - i);
        n = end ? (size_t)(end - file.s) - i : file.n - i;
        Str line = {file.s + i, n};
        if (str_ends(line, STR_LIT("\r"))) line.n--;
        if (line.n == 0 || (i == 0 && str_starts(line, STR_LIT("#version")))) continue;
        if (!add_line(scratch, v, m, line, path, i, e)) return false;
        arena_reset(scratch);
    }
    arena_free(scratch);
    return true;
}

static bool read_vocab_json(Arena *a, const Json *list, const char *path, Vocab *v, Err *e)
{
    vocab_init(a, v, list->count);
    for (const Json *j = list->child; j; j = j->next) {
        if (!j->is_int || j->i < 0 || (uint64_t)j->i > 4 * (uint64_t)list->count + 1024)
            return err_at(e, path, j->at, "entry '%.*s' of model.vocab has no usable id",
                          (int)(j->key.n < 40 ? j->key.n : 40), j->key.s);
        vocab_add(v, j->key, (int32_t)j->i);
    }
    return vocab_done(v), true;
}

static bool read_merges_json(Arena *a, const Json *list, const char *path, const Vocab *v, Merges *m, Err *e)
{
    merges_init(a, m, list->count);
    Arena *scratch = arena_create(a);
    for (const Json *j = list->child; j; j = j->next) {
        const Json *left = j->kind == J_ARRAY ? j->child : NULL, *right = left ? left->next : NULL;
        bool pair = right && !right->next && left->kind == J_STRING && right->kind == J_STRING;
        if (!pair && j->kind != J_STRING)
            return err_at(e, path, j->at, "merge %zu is not two tokens", m->count);
        if (!(pair ? add_named(scratch, v, m, left->text, right->text, path, j->at, e)
                   : add_line(scratch, v, m, j->text, path, j->at, e)))
            return false;
        arena_reset(scratch);
    }
    arena_free(scratch);
    return true;
}

void affixes_from_config(Tokenizer *t, const Json *config)
{
    if (t->has_template) return;
    if (json_flag(config, "add_bos_token", false) && t->bos >= 0) t->before[t->n_before++] = t->bos;
    if (json_flag(config, "add_eos_token", false) && t->eos >= 0) t->after[t->n_after++] = t->eos;
}

// One entry of TemplateProcessing's "single": {"SpecialToken": {"id": "<s>"}}, whose ids are in
// special_tokens.
static bool add_affix(Tokenizer *t, const Json *post, const Json *entry, bool after, const char *path, Err *e)
{
    enum { ROOM = sizeof t->before / sizeof *t->before };
    const Json *name = json_get(json_get(entry, "SpecialToken"), "id"),
               *special = json_get(post, "special_tokens");
    const Json *ids = name && name->kind == J_STRING && special ? special->child : NULL;
    while (ids && !str_eq(ids->key, name->text)) ids = ids->next;
    ids = ids ? json_get(ids, "ids") : NULL;
    if (!ids || ids->kind != J_ARRAY)
        return err_at(e, path, entry->at, "post_processor names a token without ids");
    for (const Json *j = ids->child; j; j = j->next) {
        size_t *n = after ? &t->n_after : &t->n_before;
        if (!j->is_int || j->i < 0 || j->i >= INT32_MAX || *n == ROOM)
            return err_at(e, path, j->at, "post_processor: expected an id, and at most %d on each side",
                          ROOM);
        (after ? t->after : t->before)[(*n)++] = (int32_t)j->i;
    }
    return true;
}

// What is put around a text: TemplateProcessing, alone or in a Sequence. ByteLevel only moves offsets.
static bool read_template(Tokenizer *t, const Json *post, const char *path, Err *e)
{
    if (!post || post->kind == J_NULL) return true;
    t->has_template = true;
    const Json *list = json_get(post, "processors");
    for (const Json *p = list ? list->child : post; p; p = list ? p->next : NULL) {
        const Json *type = json_get(p, "type"), *single = json_get(p, "single");
        if (type && type->kind == J_STRING && str_is(type->text, "ByteLevel")) continue;
        if (!type || type->kind != J_STRING || !str_is(type->text, "TemplateProcessing") || !single)
            return err_at(e, path, p->at, "post_processor: only TemplateProcessing and ByteLevel are known");
        bool after = false;
        for (const Json *j = single->child; j; j = j->next) {
            if (json_get(j, "Sequence")) after = true;
            else if (!add_affix(t, p, j, after, path, e)) return false;
        }
    }
    return true;
}

// An id outside the vocabulary would print as nothing and break the model later.
static bool check_affixes(const Tokenizer *t, const Vocab *v, const char *path, Err *e)
{
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < (side ? t->n_after : t->n_before); i++) {
            int32_t id = (side ? t->after : t->before)[i];
            bool known = (size_t)id < v->n && v->text[id].s;
            for (size_t k = 0; k < t->n_added && !known; k++) known = t->added[k].id == id;
            if (!known) return err_set(e, "%s: post_processor puts id %d, which is no token", path, id);
        }
    return true;
}

bool bpe_json_read(Arena *a, Tokenizer *t, const char *path, bool byte_fallback, Vocab *v, Merges *m, Err *e)
{
    Str text;
    if (!file_map(a, path, &text, e) || !file_genuine(path, text, e)) return false;
    const Json *top = json_parse(a, text, path, e), *model = top ? json_get(top, "model") : NULL;
    if (!top) return false;
    const Json *vocab = model ? json_get(model, "vocab") : NULL,
               *merges = model ? json_get(model, "merges") : NULL;
    if (!vocab || vocab->kind != J_OBJECT || vocab->count == 0 || vocab->count > INT32_MAX / 8 || !merges ||
        merges->kind != J_ARRAY)
        return err_at(e, path, model ? model->at : 0,
                      "expected a model with vocab (an object) and merges (a list)");
    if (json_flag(model, "byte_fallback", false) != byte_fallback)
        return err_at(e, path, model->at,
                      "model.byte_fallback is %s: a %s vocabulary, which this tokenizer class is not for",
                      byte_fallback ? "false" : "true", byte_fallback ? "byte-level" : "character");
    const Json *pre = json_get(top, "pre_tokenizer"), *type = json_get(pre, "type");
    if (!byte_fallback && type && type->kind == J_STRING && !str_is(type->text, "ByteLevel"))
        return err_at(e, path, pre->at, "pre_tokenizer is %.*s, expected ByteLevel",
                      (int)(type->text.n < 40 ? type->text.n : 40), type->text.s);
    return read_vocab_json(a, vocab, path, v, e) && read_merges_json(a, merges, path, v, m, e) &&
           added_from_json(a, t, json_get(top, "added_tokens"), path, e) &&
           read_template(t, json_get(top, "post_processor"), path, e) && check_affixes(t, v, path, e);
}
