// SPDX-License-Identifier: Apache-2.0
// result_json.c — writes Inseq's own file: what FeatureAttributionOutput.save() writes and load() reads, byte for byte.
//
// Format (semantics: Inseq 0.7, inseq/utils/serialization.py): JSON with four spaces of indent, keys sorted, all but
// ASCII escaped. An object of a class is {"__instance_type__": [module, class], "attributes": {...}}; a tensor is a
// whole safetensors file in base64. One thing is ours: an unaggregated result of several extra dimensions (attention)
// also gets "_num_dimensions", without which Inseq itself cannot show what it saved.
#include "aggregate.h"
#include "result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char attr_result_layout[] =
    "FeatureAttributionOutput\n"
    "  info                    the arguments and what they were given to: input_texts,\n"
    "                          generated_texts, attribution_method, attributed_fn,\n"
    "                          model_name, tokenizer_class, ...\n"
    "  sequence_attributions   a list: one for each text\n"
    "  step_attributions       null\n"
    "\n"
    "GranularFeatureAttributionSequenceOutput (gradients: [.., steps, width]),\n"
    "MultiDimensionalFeatureAttributionSequenceOutput (attention: [.., steps, layers,\n"
    "heads]), CoarseFeatureAttributionSequenceOutput (a number for each token and step)\n"
    "or FeatureAttributionSequenceOutput (step scores alone)\n"
    "  source, target          lists of TokenWithId: token, id (-1: merged)\n"
    "  source_attributions     tensor [source tokens, steps, ...], or null\n"
    "  target_attributions     tensor [target tokens, steps, ...], or null; NaN where\n"
    "                          a step does not see the token\n"
    "  step_scores             an object of tensors [steps]\n"
    "  sequence_scores         an object of tensors\n"
    "  attr_pos_start, _end    the steps: positions of the target, end not included\n"
    "  _num_dimensions         of attention: how many there are behind steps\n";

// ------------------------------------------------------------------------------------------ layout

// Deeper than any real result goes, values follow each other on one line: indenting 500 levels would make a file of
// 10 MB one of 10 GB. json_pretty with depth COMPACT writes everything on one line.
enum { DEEPEST_INDENT = 20 };

static void newline(Buf *b, int depth)
{
    if (depth > DEEPEST_INDENT) return;
    buf_char(b, '\n');
    for (int i = 0; i < depth; i++) buf_str(b, STR_LIT("    "));
}

static void open_box(Buf *b, char bracket, int *depth)
{
    buf_char(b, bracket);
    newline(b, ++*depth);
}

static void close_box(Buf *b, char bracket, int *depth)
{
    newline(b, --*depth);
    buf_char(b, bracket);
}

static void next(Buf *b, int depth)
{
    buf_char(b, ',');
    newline(b, depth);
}

static void key(Buf *b, Str name)
{
    buf_json_ascii(b, name);
    buf_str(b, STR_LIT(": "));
}

// ------------------------------------------------------------------------------------------ any JSON value

typedef struct Member {
    const Json *value;
    size_t order;
} Member;

static int by_key(const void *x, const void *y)
{
    const Member *p = x, *q = y;
    int c = str_cmp(p->value->key, q->value->key);
    return c ? c : p->order < q->order ? -1 : 1;
}

// Children in the order of output: an object's sorted by key, the last of equal keys only.
static const Json **children(Arena *a, const Json *box, size_t *n)
{
    const Json **out = arena_new(a, const Json *, box->count ? box->count : 1);
    Member *m = arena_new(a, Member, box->count ? box->count : 1);
    size_t k = 0;
    for (const Json *c = box->child; c; c = c->next, k++) m[k] = (Member){c, k};
    if (box->kind == J_OBJECT && k) qsort(m, k, sizeof *m, by_key);
    *n = 0;
    for (size_t i = 0; i < k; i++)
        if (box->kind == J_ARRAY || i + 1 == k || !str_eq(m[i].value->key, m[i + 1].value->key))
            out[(*n)++] = m[i].value;
    return out;
}

static void put_scalar(Buf *b, const Json *j, bool strict)
{
    switch (j->kind) {
    case J_NULL:
        buf_str(b, STR_LIT("null"));
        break;
    case J_FALSE:
        buf_str(b, STR_LIT("false"));
        break;
    case J_TRUE:
        buf_str(b, STR_LIT("true"));
        break;
    case J_NUMBER:
        buf_str(b, strict && !isfinite(j->number) ? STR_LIT("null") : j->text);
        break;
    case J_STRING:
        buf_json_ascii(b, j->text);
        break;
    default:
        buf_str(b, j->kind == J_ARRAY ? STR_LIT("[]") : STR_LIT("{}"));
    }
}

typedef struct Level {
    const Json **child;
    size_t n, at;
    bool object;
} Level;

void json_pretty(Arena *a, Buf *b, const Json *j, int depth, bool strict)
{
    enum { DEEPEST = 512 }; // json_parse goes no deeper
    Level level[DEEPEST];
    int n = 0;
    for (;;) {
        if (j->count && (j->kind == J_ARRAY || j->kind == J_OBJECT) && n < DEEPEST) { // step in
            bool object = j->kind == J_OBJECT;
            level[n].child = children(a, j, &level[n].n);
            level[n].object = object, level[n].at = 0;
            n++;
            open_box(b, object ? '{' : '[', &depth);
        } else {
            put_scalar(b, j, strict);
            while (n && level[n - 1].at == level[n - 1].n) { // step out of all that are done
                n--;
                close_box(b, level[n].object ? '}' : ']', &depth);
            }
            if (!n) return;
            next(b, depth);
        }
        Level *top = &level[n - 1];
        j = top->child[top->at++];
        if (top->object) key(b, j->key);
    }
}

// ------------------------------------------------------------------------------------------ tensors

static int64_t whole(float x)
{
    return x >= -9e18f && x <= 9e18f ? (int64_t)x : 0; // NaN too
}

static void put_tensor(Arena *a, Buf *b, const Scores *x, bool is_int)
{
    if (!x->v) {
        buf_str(b, STR_LIT("null"));
        return;
    }
    size_t n = (size_t)scores_count(x, 0), size = is_int ? 8 : 4;
    Buf head = {.arena = a};
    buf_printf(&head, "{\"attribution\":{\"dtype\":\"%s\",\"shape\":[", is_int ? "I64" : "F32");
    for (int i = 0; i < x->rank; i++) buf_printf(&head, "%s%" PRId64, i ? "," : "", x->dim[i]);
    buf_printf(&head, "],\"data_offsets\":[0,%zu]}}", n * size);
    while (head.n % 8) buf_char(&head, ' ');

    uint8_t *file = arena_new_raw(a, uint8_t, 8 + head.n + n * size), *p = file;
    for (int i = 0; i < 8; i++) *p++ = (uint8_t)(head.n >> (8 * i));
    memcpy(p, head.s, head.n);
    p += head.n;
    for (size_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, &x->v[i], sizeof u);
        uint64_t v = is_int ? (uint64_t)whole(x->v[i]) : u;
        for (size_t k = 0; k < size; k++) *p++ = (uint8_t)(v >> (8 * k));
    }
    buf_reserve(b, (size_t)(p - file) / 3 * 4 + 16); // at once: growing would hold it twice
    buf_char(b, '"');
    buf_base64(b, file, (size_t)(p - file));
    buf_char(b, '"');
}

static void put_named(Arena *a, Buf *b, const NamedScores *x, size_t n, int depth)
{
    if (!n) {
        buf_str(b, STR_LIT("{}"));
        return;
    }
    open_box(b, '{', &depth);
    const NamedScores *before = NULL;
    for (size_t i = 0; i < n;
         i++) { // sorted by name: each time the least that is greater than the one before
        const NamedScores *least = NULL;
        for (size_t k = 0; k < n; k++)
            if ((!before || str_cmp(x[k].name, before->name) > 0) &&
                (!least || str_cmp(x[k].name, least->name) < 0))
                least = &x[k];
        if (!least) break; // two of the same name: the first only
        if (before) next(b, depth);
        key(b, least->name);
        put_tensor(a, b, &least->scores, least->is_int);
        before = least;
    }
    close_box(b, '}', &depth);
}

// ------------------------------------------------------------------------------------------ objects

static void begin_object(Buf *b, const char *module, const char *class, int *depth)
{
    open_box(b, '{', depth);
    key(b, STR_LIT("__instance_type__"));
    open_box(b, '[', depth);
    buf_json_ascii(b, str_of(module));
    next(b, *depth);
    buf_json_ascii(b, str_of(class));
    close_box(b, ']', depth);
    next(b, *depth);
    key(b, STR_LIT("attributes"));
    open_box(b, '{', depth);
}

static void end_object(Buf *b, int *depth)
{
    close_box(b, '}', depth);
    close_box(b, '}', depth);
}

static void put_tokens(Buf *b, const Token *t, int64_t n, int depth)
{
    if (!n) {
        buf_str(b, STR_LIT("[]"));
        return;
    }
    open_box(b, '[', &depth);
    for (int64_t i = 0; i < n; i++) {
        if (i) next(b, depth);
        begin_object(b, "inseq.utils.typing", "TokenWithId", &depth);
        key(b, STR_LIT("id"));
        buf_printf(b, "%" PRId32, t[i].id);
        next(b, depth);
        key(b, STR_LIT("token"));
        buf_json_ascii(b, t[i].text);
        end_object(b, &depth);
    }
    close_box(b, ']', &depth);
}

static const char *const class_names[] = {
    [OUT_GRANULAR] = "GranularFeatureAttributionSequenceOutput",
    [OUT_MULTI] = "MultiDimensionalFeatureAttributionSequenceOutput",
    [OUT_COARSE] = "CoarseFeatureAttributionSequenceOutput",
    [OUT_STEPS] = "FeatureAttributionSequenceOutput",
};

bool output_class_named(Str name, OutputClass *out)
{
    for (size_t i = 0; i < sizeof class_names / sizeof class_names[0]; i++)
        if (str_is(name, class_names[i])) return *out = (OutputClass)i, true;
    return false;
}

static void put_sequence(Arena *a, Buf *b, const Sequence *s, int depth)
{
    begin_object(b, "inseq.data.attribution", class_names[s->kind], &depth);
    const Scores *any = s->source_attributions.v ? &s->source_attributions : &s->target_attributions;
    if (s->kind == OUT_MULTI && any->v && any->rank > 2) {
        key(b, STR_LIT("_num_dimensions"));
        buf_printf(b, "%d", any->rank - 2);
        next(b, depth);
    }
    key(b, STR_LIT("attr_pos_end"));
    buf_printf(b, "%" PRId64, s->attr_pos_end);
    next(b, depth);
    key(b, STR_LIT("attr_pos_start"));
    buf_printf(b, "%" PRId64, s->attr_pos_start);
    next(b, depth);
    key(b, STR_LIT("sequence_scores"));
    put_named(a, b, s->sequence_scores, s->n_sequence_scores, depth);
    next(b, depth);
    key(b, STR_LIT("source"));
    put_tokens(b, s->source, s->n_source, depth);
    next(b, depth);
    key(b, STR_LIT("source_attributions"));
    put_tensor(a, b, &s->source_attributions, false);
    next(b, depth);
    key(b, STR_LIT("step_scores"));
    put_named(a, b, s->step_scores, s->n_step_scores, depth);
    next(b, depth);
    key(b, STR_LIT("target"));
    put_tokens(b, s->target, s->n_target, depth);
    next(b, depth);
    key(b, STR_LIT("target_attributions"));
    put_tensor(a, b, &s->target_attributions, false);
    end_object(b, &depth);
}

static int by_name(const void *x, const void *y)
{
    const InfoField *const *p = x, *const *q = y;
    int c = str_cmp((*p)->key, (*q)->key);
    return c ? c : *p < *q ? -1 : *p > *q;
}

static void put_value(Arena *a, Buf *b, Str json, int depth)
{
    Err e = {0};
    Arena *work = arena_create(a);
    const Json *j = json_parse(work, json, "info", &e);
    if (!j) BUG("an info field is not JSON: %s", e.text);
    json_pretty(work, b, j, depth, false);
    arena_free(work);
}

// Where a result goes: into b, and from there, once it is worth a write, to a file.
typedef struct Sink {
    Buf *b;
    Gzip *z;    // NULL: as it is
    FileOut *f; // NULL: it stays in b
    Err *e;
    bool failed;
} Sink;

static bool pass_on(Sink *s)
{
    Buf *ready = s->z ? s->z->out : s->b;
    if (!s->f || s->failed) return !s->failed;
    if (s->z) gzip_part(s->z, buf_view(s->b));
    s->failed = !file_part(s->f, buf_view(ready), s->e);
    s->b->n = ready->n = 0;
    return !s->failed;
}

static bool pass_much(Sink *s)
{
    enum { AT_ONCE = 1 << 16 };
    return s->b->n < AT_ONCE || pass_on(s);
}

static void put_list(Arena *a, Sink *to, const InfoField *f, int depth)
{
    Buf *b = to->b;
    if (!f->n_list) {
        buf_str(b, STR_LIT("[]"));
        return;
    }
    open_box(b, '[', &depth);
    for (size_t i = 0; i < f->n_list && pass_much(to); i++) {
        if (i) next(b, depth);
        if (!f->values) buf_json_ascii(b, f->list[i]);
        else put_value(a, b, f->list[i].n ? f->list[i] : STR_LIT("null"), depth);
    }
    close_box(b, ']', &depth);
}

static void put_info(Arena *a, Sink *to, const Attribution *t, int depth)
{
    Buf *b = to->b;
    const InfoField **field = arena_new(a, const InfoField *, t->n_info ? t->n_info : 1);
    for (size_t i = 0; i < t->n_info; i++) field[i] = &t->info[i];
    if (!t->n_info) {
        buf_str(b, STR_LIT("{}"));
        return;
    }
    qsort(field, t->n_info, sizeof *field, by_name);
    open_box(b, '{', &depth);
    for (size_t i = 0; i < t->n_info; i++) {
        if (i + 1 < t->n_info && str_eq(field[i]->key, field[i + 1]->key))
            continue; // the last of equal keys counts
        key(b, field[i]->key);
        if (field[i]->list) put_list(a, to, field[i], depth);
        else put_value(a, b, field[i]->json, depth);
        if (i + 1 < t->n_info) next(b, depth);
    }
    close_box(b, '}', &depth);
}

// Where sequences come from: t, or (rows not NULL) lines.
typedef struct Lines {
    AttrNext *give;
    void *context;
} Lines;

// The i-th, at the end of out. False: there is none, or (e set) it can't be had.
static bool put_next(Arena *a, const Attribution *t, const Lines *rows, size_t i, Buf *out, int depth, Err *e)
{
    if (!rows && i == t->n) return false;
    Arena *scratch = arena_create(a);
    const Json *j = rows ? rows->give(rows->context, scratch, e) : NULL;
    if (!rows || j) {
        if (i) next(out, depth);
        else open_box(out, '[', &depth);
        if (j) json_pretty(scratch, out, j, depth, false);
        else put_sequence(scratch, out, &t->sequence[i], depth);
    }
    arena_free(scratch);
    return !rows || j;
}

static bool put_result(Arena *a, const Attribution *t, const Lines *rows, Sink *to)
{
    int depth = 0;
    size_t n = 0;
    Buf *out = to->b;
    begin_object(out, "inseq.data.attribution", "FeatureAttributionOutput", &depth);
    key(out, STR_LIT("info"));
    put_info(a, to, t, depth);
    next(out, depth);
    key(out, STR_LIT("sequence_attributions"));
    for (int inside = depth; pass_much(to) && put_next(a, t, rows, n, out, inside, to->e); n++)
        if (!n) inside++;
    if (to->failed || (to->e && to->e->set)) return false;
    if (!n) buf_str(out, STR_LIT("[]"));
    else depth++, close_box(out, ']', &depth);
    next(out, depth);
    key(out, STR_LIT("step_attributions"));
    buf_str(out, STR_LIT("null"));
    end_object(out, &depth);
    return pass_on(to);
}

void attr_to_json(Arena *a, const Attribution *t, Buf *out) { put_result(a, t, NULL, &(Sink){.b = out}); }

void attr_sequence_line(Arena *a, const Sequence *s, Buf *out) { put_sequence(a, out, s, COMPACT); }

static bool save(Arena *a, const Attribution *t, const Lines *rows, const char *path, Err *e)
{
    Arena *own = arena_create(a);
    Buf b = {.arena = own}, packed = {.arena = own};
    Gzip z = {.out = &packed};
    bool gz = str_ends(str_of(path), STR_LIT(".gz"));
    FileOut *f = file_begin(own, path, e);
    bool ok = f && put_result(own, t, rows, &(Sink){&b, gz ? &z : NULL, f, e, false});
    if (ok && gz) gzip_end(&z), ok = file_part(f, buf_view(&packed), e);
    ok = ok && file_end(f, e);
    arena_free(own);
    return ok;
}

bool attr_save(Arena *a, const Attribution *t, const char *path, Err *e) { return save(a, t, NULL, path, e); }

bool attr_save_rows(Arena *a, const Attribution *t, AttrNext *give, void *context, const char *path, Err *e)
{
    return save(a, t, &(Lines){give, context}, path, e);
}

bool attr_write(Arena *a, const char *path, Str bytes, Err *e)
{
    if (!str_ends(str_of(path), STR_LIT(".gz"))) return file_write(path, bytes, e);
    return file_write(path, gzip_member(a, bytes), e);
}

const char *attr_info(Arena *a, const Attribution *t, const char *name)
{
    for (size_t i = 0; i < t->n_info; i++)
        if (str_is(t->info[i].key, name)) {
            const Json *j = json_parse(a, t->info[i].json, "info", NULL);
            return j && j->kind == J_STRING ? str_zero(a, j->text) : NULL;
        }
    return NULL;
}
