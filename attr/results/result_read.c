// SPDX-License-Identifier: Apache-2.0
// result_read.c — reads Inseq's files: 0.7 (tensors as base64 safetensors, any of its precisions), 0.6 and older
// (numpy records, base64, plain or gzip), files of plain lists or plain dictionaries; all of it gzipped or not.
//
// A file is a stranger's: every size is compared with the bytes that are there before memory is taken, every shape
// with the tokens, so that whoever gets the Attribution may index without looking. Classes are only compared by name.
#include "aggregate.h"
#include "result.h"

#include <math.h>
#include <string.h>

enum { RANKS = 5, MOST_NAMES = 1000, LITTLE = 64 << 20 };

typedef struct File {
    Arena *arena;
    const char *path;
    Err *err;
} File;

static bool wrong(const File *f, const Json *at, const char *what, const char *want)
{
    return err_at(f->err, f->path, at->at, "%s: found %s, expected %s", what, json_kind_name(at), want);
}

// The fields of an object, whether it says its class or not.
static const Json *fields(const Json *j)
{
    const Json *inner = json_get(j, "attributes");
    return inner && inner->kind == J_OBJECT ? inner : j;
}

static bool absent(const Json *j) { return !j || j->kind == J_NULL; }

// ------------------------------------------------------------------------------------------ numbers

// IEEE formats narrower than float: sign, e exponent bits, m fraction bits. Fields of all ones mean infinity and NaN,
// but in E4M3 ("FN") only the very largest pattern is NaN.
static float widen_small(uint32_t u, int e, int m, bool fn)
{
    uint32_t exponent = u >> m & ((1u << e) - 1), fraction = u & ((1u << m) - 1);
    int bias = (1 << (e - 1)) - 1, all_ones = (1 << e) - 1;
    float sign = u >> (e + m) ? -1.0f : 1.0f, v;
    if ((int)exponent == all_ones && !fn) return fraction ? NAN : sign * INFINITY;
    if ((int)exponent == all_ones && fraction == (1u << m) - 1) return NAN;
    v = exponent ? (float)(fraction | 1u << m) : (float)fraction;
    int power = (exponent ? (int)exponent : 1) - bias - m;
    for (; power > 0; power--) v *= 2;
    for (; power < 0; power++) v /= 2;
    return sign * v;
}

typedef enum { F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8 } Kind;

typedef struct Dtype {
    const char *safetensors, *numpy;
    Kind kind;
    size_t size;
} Dtype;

static const Dtype dtypes[] = {
    {"F64", "float64", F64, 8},
    {"F32", "float32", F32, 4},
    {"F16", "float16", F16, 2},
    {"BF16", "bfloat16", BF16, 2},
    {"F8_E4M3", "float8_e4m3fn", F8_E4M3, 1},
    {"F8_E5M2", "float8_e5m2", F8_E5M2, 1},
    {"I64", "int64", I64, 8},
    {"I32", "int32", I32, 4},
    {"I16", "int16", I16, 2},
    {"I8", "int8", I8, 1},
    {"U64", "uint64", U64, 8},
    {"U32", "uint32", U32, 4},
    {"U16", "uint16", U16, 2},
    {"U8", "uint8", U8, 1},
    {"BOOL", "bool", U8, 1},
};

static const Dtype *dtype_named(Str name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (str_is(name, dtypes[i].safetensors) || str_is(name, dtypes[i].numpy)) return &dtypes[i];
    return NULL;
}

static float number_of(const uint8_t *p, Kind kind, size_t size)
{
    uint64_t u = 0;
    for (size_t i = 0; i < size; i++) u |= (uint64_t)p[i] << (8 * i);
    uint32_t low = (uint32_t)u;
    float f;
    double d;
    switch (kind) {
    case F64:
        return memcpy(&d, &u, sizeof d), (float)d;
    case F32:
        return memcpy(&f, &low, sizeof f), f;
    case BF16:
        return low <<= 16, memcpy(&f, &low, sizeof f), f;
    case F16:
        return widen_small(low, 5, 10, false);
    case F8_E4M3:
        return widen_small(low, 4, 3, true);
    case F8_E5M2:
        return widen_small(low, 5, 2, false);
    case I64:
        return (float)(int64_t)u;
    case I32:
        return (float)(int32_t)low;
    case I16:
        return (float)(int16_t)low;
    case I8:
        return (float)(int8_t)low;
    default:
        return (float)u;
    }
}

// ------------------------------------------------------------------------------------------ tensors

// dim[] and the count of a shape written as a list of whole numbers.
static bool read_shape(const File *f, const Json *j, Scores *x, uint64_t *count)
{
    if (absent(j) || j->kind != J_ARRAY || j->count > RANKS)
        return err_at(f->err, f->path, j ? j->at : 0, "a tensor's shape must be a list of at most %d numbers",
                      RANKS);
    *count = 1;
    x->rank = 0;
    for (const Json *c = j->child; c; c = c->next) {
        if (!c->is_int || c->i < 0 || !mul_ok(*count, (uint64_t)c->i, count))
            return err_at(f->err, f->path, c->at, "a tensor's dimension is negative, not whole or too large");
        x->dim[x->rank++] = c->i;
    }
    return true;
}

static bool from_bytes(const File *f, const Json *at, const Dtype *d, Str bytes, uint64_t count, bool fortran,
                       Scores *x)
{
    uint64_t need;
    if (!mul_ok(count, d->size, &need) || need != bytes.n)
        return err_at(f->err, f->path, at->at,
                      "a tensor of %" PRIu64 " numbers of %zu bytes comes with %zu bytes", count, d->size,
                      bytes.n);
    for (int i = 0; i < x->rank; i++) // a dimension of 0 makes any other one possible: keep them sane
        if (x->dim[i] > (int64_t)1 << 40)
            return err_at(f->err, f->path, at->at,
                          "a tensor's dimension is negative, not whole or too large");
    x->v = arena_new(f->arena, float, count ? count : 1);
    int64_t index[RANKS] = {0};
    for (uint64_t i = 0; i < count;
         i++) { // i counts as the file does; to: the same element, last index fastest
        uint64_t to = i;
        if (fortran) {
            to = 0;
            for (int k = 0; k < x->rank; k++) to = to * (uint64_t)x->dim[k] + (uint64_t)index[k];
            for (int k = 0; k < x->rank && ++index[k] == x->dim[k]; k++) index[k] = 0;
        }
        x->v[to] = number_of((const uint8_t *)bytes.s + i * d->size, d->kind, d->size);
    }
    return true;
}

static bool decode_base64(const File *f, const Json *j, Str text, Str *out)
{
    Buf b = {.arena = f->arena};
    if (!base64_decode(&b, text)) return err_at(f->err, f->path, j->at, "a tensor's text is not base64");
    *out = buf_view(&b);
    return true;
}

// The one tensor of a safetensors file in base64.
static bool read_safetensors(const File *f, const Json *j, Scores *x, bool *is_int)
{
    Str bytes;
    if (!decode_base64(f, j, j->text, &bytes)) return false;
    Reader r = {.p = (const uint8_t *)bytes.s, .n = bytes.n};
    uint64_t length = rd_u64(&r);
    if (r.bad || length > rd_left(&r))
        return err_at(f->err, f->path, j->at, "tensor header claims %" PRIu64 " bytes, %zu remain", length,
                      rd_left(&r));
    Str head = {(const char *)rd_bytes(&r, length), (size_t)length};
    const char *path = arena_printf(f->arena, "%.300s:+%zu (tensor header)", f->path, (size_t)j->at);
    const Json *h = json_parse(f->arena, head, path, f->err), *t = NULL;
    if (!h) return false;
    for (const Json *c = h->child; h->kind == J_OBJECT && c; c = c->next)
        if (!str_is(c->key, "__metadata__")) {
            if (t) return err_at(f->err, f->path, j->at, "two tensors in one record; expected one");
            t = c;
        }
    const Json *type = json_get(t, "dtype"), *range = json_get(t, "data_offsets");
    if (!t || absent(type) || type->kind != J_STRING)
        return err_at(f->err, f->path, j->at, "tensor header names no tensor with a dtype");
    const Dtype *d = dtype_named(type->text);
    if (!d)
        return err_at(f->err, f->path, j->at,
                      "tensor of unknown dtype '%.20s'; F32, F16, F8_E4M3, I64... are known",
                      str_zero(f->arena, type->text));
    uint64_t count;
    if (!read_shape(f, json_get(t, "shape"), x, &count)) return false;
    const Json *from = range ? range->child : NULL, *to = from ? from->next : NULL;
    if (!to || to->next || !from->is_int || !to->is_int || from->i < 0 || to->i < from->i ||
        (uint64_t)to->i > rd_left(&r))
        return err_at(f->err, f->path, j->at, "tensor's data_offsets do not lie within its %zu bytes",
                      rd_left(&r));
    *is_int = d->kind >= I64;
    return from_bytes(f, j, d, (Str){(const char *)r.p + r.at + from->i, (size_t)(to->i - from->i)}, count,
                      false, x);
}

// Nested lists of numbers; all lists of one level are equally long. rank <= RANKS bounds the walk.
static bool read_lists(const File *f, const Json *j, Scores *x, bool *is_int)
{
    uint64_t count = 1;
    x->rank = 0;
    const Json *level = j;
    for (; level && level->kind == J_ARRAY; level = level->child) {
        if (x->rank == RANKS) return err_at(f->err, f->path, level->at, "lists nested deeper than %d", RANKS);
        x->dim[x->rank++] = (int64_t)level->count;
        if (!mul_ok(count, level->count, &count)) return wrong(f, level, "scores", "fewer numbers");
        if (!level->count) break;
    }
    if (!x->rank) return wrong(f, j, "scores", "a list of numbers or a tensor");
    Buf numbers = {.arena = f->arena}; // grows with what is there, not with what the shape promises
    const Json *at[RANKS + 1] = {j};
    *is_int = count > 0;
    for (int depth = 0; depth >= 0;) {
        const Json *box = at[depth];
        if (!box) { // that list is done: on to its next sibling, one level up
            if (--depth >= 0) at[depth] = depth ? at[depth]->next : NULL;
            if (depth == 0) break;
            continue;
        }
        if (depth < x->rank) {
            if (box->kind != J_ARRAY || (int64_t)box->count != x->dim[depth])
                return wrong(f, box, "scores", "a list as long as the ones before");
            at[++depth] = box->child;
            if (!box->child) at[depth] = NULL;
            continue;
        }
        if (box->kind != J_NUMBER && box->kind != J_NULL) return wrong(f, box, "score", "a number");
        float v = box->kind == J_NULL ? NAN : (float)box->number;
        *is_int = *is_int && box->is_int;
        buf_put(&numbers, &v, sizeof v);
        at[depth] = box->next;
    }
    if (numbers.n / sizeof(float) != count) return wrong(f, j, "scores", "equally long lists");
    x->v = arena_new(f->arena, float, count ? count : 1);
    if (count) memcpy(x->v, numbers.s, numbers.n);
    return true;
}

// {"__ndarray__": data, "dtype": "float32", "shape": [..], "Corder": true}: numpy as Inseq 0.6 and older wrote it.
static bool read_ndarray(const File *f, const Json *j, const Json *data, Scores *x, bool *is_int)
{
    if (data->kind == J_ARRAY) return read_lists(f, data, x, is_int);
    const Json *type = json_get(j, "dtype"), *order = json_get(j, "Corder");
    if (data->kind != J_STRING) return wrong(f, data, "__ndarray__", "a string or a list");
    const Dtype *d = absent(type) || type->kind != J_STRING ? NULL : dtype_named(type->text);
    if (!d)
        return err_at(f->err, f->path, j->at, "array without a known dtype (float32, float64, int64, ...)");
    uint64_t count;
    if (!read_shape(f, json_get(j, "shape"), x, &count)) return false;
    const Str plain = STR_LIT("b64:"), packed = STR_LIT("b64.gz:");
    Str text = data->text, bytes;
    bool gz = str_starts(text, packed);
    if (!gz && !str_starts(text, plain))
        return wrong(f, data, "__ndarray__", "text that starts with b64: or b64.gz:");
    size_t skip = gz ? packed.n : plain.n;
    if (!decode_base64(f, data, (Str){text.s + skip, text.n - skip}, &bytes)) return false;
    if (gz) {
        Buf b = {.arena = f->arena};
        uint64_t need;
        if (!mul_ok(count, d->size, &need)) return wrong(f, j, "shape", "fewer numbers");
        if (!gunzip(&b, bytes, need, f->path, data->at, f->err)) return false;
        bytes = buf_view(&b);
    }
    *is_int = d->kind >= I64;
    return from_bytes(f, j, d, bytes, count, order && order->kind == J_FALSE, x);
}

static bool read_scores(const File *f, const Json *j, Scores *x, bool *is_int)
{
    *x = (Scores){0};
    *is_int = false;
    if (absent(j)) return true;
    if (j->kind == J_STRING) return read_safetensors(f, j, x, is_int);
    const Json *data = json_get(j, "__ndarray__");
    return data ? read_ndarray(f, j, data, x, is_int) : read_lists(f, j, x, is_int);
}

static bool read_named(const File *f, const Json *j, NamedScores **out, size_t *n)
{
    *n = 0;
    *out = NULL;
    if (absent(j)) return true;
    if (j->kind != J_OBJECT) return wrong(f, j, "scores", "an object of named tensors");
    if (j->count > MOST_NAMES)
        return wrong(f, j, "scores", "at most 1000 of them"); // the look-ups are quadratic
    *out = arena_new(f->arena, NamedScores, j->count ? j->count : 1);
    for (const Json *c = j->child; c; c = c->next) {
        if (absent(c) || json_get(j, str_zero(f->arena, c->key)) != c)
            continue; // the last of equal names counts
        NamedScores *s = &(*out)[(*n)++];
        s->name = c->key;
        if (!read_scores(f, c, &s->scores, &s->is_int)) return false;
    }
    return true;
}

// ------------------------------------------------------------------------------------------ tokens

static bool read_id(const File *f, const Json *j, int32_t *id)
{
    *id = -1;
    if (absent(j)) return true;
    if (!j->is_int || j->i < INT32_MIN || j->i > INT32_MAX)
        return wrong(f, j, "token id", "a whole number of 32 bits");
    *id = (int32_t)j->i;
    return true;
}

// A record of id and token, a pair [token, id], or a string. (Inseq's clean_special_chars can nest the record.)
static bool read_token(const File *f, const Json *j, Token *t)
{
    t->id = -1;
    for (int nested = 0; nested < 8; nested++) {
        const Json *record = fields(j), *id = json_get(record, "id");
        if (record->kind == J_ARRAY && record->count == 2) id = record->child->next, j = record->child;
        else if (record->kind == J_OBJECT) j = json_get(record, "token");
        else j = record;
        if (t->id < 0 && !read_id(f, id, &t->id)) return false;
        if (absent(j)) break;
        if (j->kind == J_STRING) return t->text = j->text, true;
    }
    return err_set(f->err, "%s: a token without a text; expected {\"id\": number, \"token\": string}",
                   f->path);
}

static bool read_tokens(const File *f, const Json *j, const char *what, Token **out, int64_t *n)
{
    j = j ? fields(j) : NULL;
    if (absent(j) || j->kind != J_ARRAY)
        return err_set(f->err, "%s: %s: a list of tokens is missing", f->path, what);
    *n = (int64_t)j->count;
    *out = arena_new(f->arena, Token, *n ? *n : 1);
    Token *t = *out;
    for (const Json *c = j->child; c; c = c->next)
        if (!read_token(f, c, t++)) return false;
    return true;
}

// ------------------------------------------------------------------------------------------ sequences

static bool read_position(const File *f, const Json *j, int64_t or_else, int64_t most, int64_t *out)
{
    *out = or_else;
    if (absent(j)) return true;
    if (!j->is_int || j->i < 0) return wrong(f, j, "attr_pos", "a position, 0 or greater");
    *out = j->i < most ? j->i : most;
    return true;
}

static bool check_block(const File *f, const Json *at, const char *what, const Scores *x, int64_t rows,
                        bool exact, int64_t columns)
{
    if (!x->v) return true;
    if (x->rank >= 2 && x->dim[1] == columns && (exact ? x->dim[0] == rows : x->dim[0] <= rows)) return true;
    return err_at(f->err, f->path, at->at,
                  "%s is of shape [%" PRId64 ", %" PRId64 "%s; there are %" PRId64 " tokens and %" PRId64
                  " steps",
                  what, x->rank > 0 ? x->dim[0] : 0, x->rank > 1 ? x->dim[1] : 0,
                  x->rank > 2 ? ", ...]" : "]", rows, columns);
}

static bool check_sequence(const File *f, const Json *at, const Sequence *s)
{
    int64_t n = s->attr_pos_end - s->attr_pos_start;
    const Scores *x = &s->source_attributions, *y = &s->target_attributions;
    if (!check_block(f, at, "source_attributions", x, s->n_source, true, n) ||
        !check_block(f, at, "target_attributions", y, s->n_target, false, n))
        return false;
    if (x->v && y->v) {
        bool equal = x->rank == y->rank;
        for (int i = 2; equal && i < x->rank; i++) equal = x->dim[i] == y->dim[i];
        if (!equal) return err_at(f->err, f->path, at->at, "source and target attributions differ in shape");
    }
    for (size_t i = 0; i < s->n_step_scores; i++) {
        const Scores *z = &s->step_scores[i].scores;
        if (z->rank != 1 || z->dim[0] != n)
            return err_at(f->err, f->path, at->at,
                          "step scores '%.60s' have %" PRId64 " values for %" PRId64 " steps",
                          str_zero(f->arena, s->step_scores[i].name), z->rank ? z->dim[0] : 0, n);
    }
    return true;
}

// Files that do not name the class: by the number of dimensions.
static OutputClass class_of_shape(const Sequence *s)
{
    const Scores *x = s->source_attributions.v ? &s->source_attributions : &s->target_attributions;
    return !x->v ? OUT_STEPS : x->rank == 2 ? OUT_COARSE : x->rank == 3 ? OUT_GRANULAR : OUT_MULTI;
}

static bool read_sequence(const File *f, const Json *record, Sequence *s)
{
    const Json *j = fields(record), *type = json_get(record, "__instance_type__");
    if (j->kind != J_OBJECT) return wrong(f, j, "sequence_attributions", "an object");
    bool ignored;
    if (!read_tokens(f, json_get(j, "source"), "source", &s->source, &s->n_source) ||
        !read_tokens(f, json_get(j, "target"), "target", &s->target, &s->n_target) ||
        !read_position(f, json_get(j, "attr_pos_start"), 0, s->n_target, &s->attr_pos_start) ||
        !read_position(f, json_get(j, "attr_pos_end"), s->n_target, s->n_target, &s->attr_pos_end) ||
        !read_scores(f, json_get(j, "source_attributions"), &s->source_attributions, &ignored) ||
        !read_scores(f, json_get(j, "target_attributions"), &s->target_attributions, &ignored) ||
        !read_named(f, json_get(j, "step_scores"), &s->step_scores, &s->n_step_scores) ||
        !read_named(f, json_get(j, "sequence_scores"), &s->sequence_scores, &s->n_sequence_scores))
        return false;
    if (s->attr_pos_start > s->attr_pos_end)
        return err_at(f->err, f->path, j->at, "attr_pos_start %" PRId64 " lies after attr_pos_end %" PRId64,
                      s->attr_pos_start, s->attr_pos_end);
    s->kind = class_of_shape(s);
    if (!absent(type)) {
        const Json *name = type->kind == J_ARRAY && type->count == 2 ? type->child->next : type;
        OutputClass named;
        if (name->kind != J_STRING || !output_class_named(name->text, &named))
            return wrong(f, name, "class of a sequence",
                         "one of Inseq's four ...FeatureAttributionSequenceOutput");
        if (named != OUT_STEPS || s->kind == OUT_STEPS) s->kind = named;
    }
    return check_sequence(f, j, s);
}

bool attr_read_sequence(Arena *a, const Json *line, const char *path, Sequence *out, Err *e)
{
    File f = {a, path, e};
    *out = (Sequence){0};
    return read_sequence(&f, line, out);
}

// Names beside ids.
static bool read_flat_tokens(const File *f, const Json *row, const char *names, const char *ids, Token **out,
                             int64_t *n)
{
    const Json *id = json_get(row, ids);
    if (!read_tokens(f, json_get(row, names), names, out, n)) return false;
    if (!id || id->kind != J_ARRAY || (int64_t)id->count != *n)
        return err_set(f->err, "%s: %s: there must be one for each of the %" PRId64 " tokens", f->path, ids,
                       *n);
    id = id->child;
    for (int64_t i = 0; i < *n; i++, id = id->next)
        if (!read_id(f, id, &(*out)[i].id)) return false;
    return true;
}

bool attr_read_flat(Arena *a, const Json *row, const char *path, Sequence *out, Err *e)
{
    File f = {a, path, e};
    bool ignored;
    *out = (Sequence){0};
    if (!read_flat_tokens(&f, row, "source_tokens", "source_ids", &out->source, &out->n_source) ||
        !read_flat_tokens(&f, row, "target_tokens", "target_ids", &out->target, &out->n_target) ||
        !read_position(&f, json_get(row, "attr_pos_start"), 0, out->n_target, &out->attr_pos_start) ||
        !read_position(&f, json_get(row, "attr_pos_end"), out->n_target, out->n_target, &out->attr_pos_end) ||
        !read_scores(&f, json_get(row, "source_attributions"), &out->source_attributions, &ignored) ||
        !read_scores(&f, json_get(row, "target_attributions"), &out->target_attributions, &ignored) ||
        !read_named(&f, json_get(row, "step_scores"), &out->step_scores, &out->n_step_scores) ||
        !read_named(&f, json_get(row, "sequence_scores"), &out->sequence_scores, &out->n_sequence_scores))
        return false;
    if (out->attr_pos_start > out->attr_pos_end)
        return err_set(e, "%s: attr_pos_start lies after attr_pos_end", path);
    out->kind = class_of_shape(out);
    return check_sequence(&f, row, out);
}

static bool read_info(const File *f, const Json *j, Attribution *out)
{
    if (absent(j)) return true;
    if (j->kind != J_OBJECT) return wrong(f, j, "info", "an object");
    out->info = arena_new(f->arena, InfoField, j->count ? j->count : 1);
    for (const Json *c = j->child; c; c = c->next) {
        Buf b = {.arena = f->arena};
        json_pretty(f->arena, &b, c, COMPACT, false);
        out->info[out->n_info++] = (InfoField){.key = c->key, .json = buf_view(&b)};
    }
    return true;
}

Str attr_row(Arena *a, const Json *row)
{
    Buf b = {.arena = a};
    if (row) json_pretty(a, &b, row, COMPACT, true);
    return buf_view(&b);
}

// Gives each sequence the row that attr_note_rows noted.
static void take_rows(Arena *a, Attribution *t, Str json)
{
    const Json *list = json_parse(a, json, ATTR_ROWS, NULL), *c = list ? list->child : NULL;
    if (!list || list->kind != J_ARRAY || list->count != t->n) return;
    for (size_t k = 0; k < t->n; k++, c = c->next) {
        const Json *number = json_get(c, "number");
        if (c->kind != J_OBJECT || !number || !number->is_int || number->i < 1) continue;
        t->sequence[k].row = attr_row(a, c), t->sequence[k].text = number->i;
    }
}

bool attr_from_json(Arena *a, Str text, const char *path, Attribution *out, Err *e)
{
    File f = {a, path, e};
    *out = (Attribution){0};
    Buf plain = {.arena = a};
    if (str_starts(text, STR_LIT("\x1f\x8b"))) { // one byte of deflate makes 1032 at most
        uint64_t most;
        if (!mul_ok(text.n, 1040, &most) || most > (uint64_t)4 << 30) most = (uint64_t)4 << 30;
        if (!gunzip(&plain, text, most, path, 0, e)) return false;
        text = buf_view(&plain);
    }
    size_t first = 0;
    while (first < text.n && first < 100 && strchr(" \t\r\n\xef\xbb\xbf", text.s[first]) && text.s[first])
        first++;
    if (first == text.n || text.s[first] != '{')
        return err_at(e, path, 0,
                      "this is not a result, there is no list sequence_attributions; expected the JSON that "
                      "'inseq attribute -o FILE' or Inseq's save() writes, which begins with {: this %s",
                      text.n ? "does not" : "is empty");
    const Json *top = json_parse_within(a, text, LITTLE, path, e);
    if (!top) return false;
    const Json *schema = json_get(top, "schema");
    if (schema && str_is(schema->text, "inseq-report"))
        return err_at(e, path, top->at,
                      "these are the numbers of a result as --json prints them, which are not read again; "
                      "save one with "
                      "'inseq attribute -o FILE'");
    top = fields(top);
    const Json *sequences = json_get(top, "sequence_attributions");
    if (absent(sequences) || sequences->kind != J_ARRAY)
        return err_at(e, path, top->at,
                      "no list sequence_attributions: this is not a result that Inseq saved");
    if (!read_info(&f, json_get(top, "info"), out)) return false;
    out->sequence = arena_new(a, Sequence, sequences->count ? sequences->count : 1);
    for (const Json *c = sequences->child; c; c = c->next)
        if (!read_sequence(&f, c, &out->sequence[out->n++])) return false;
    for (size_t i = 0; i < out->n_info; i++)
        if (str_is(out->info[i].key, ATTR_ROWS)) take_rows(a, out, out->info[i].json);
    return true;
}
