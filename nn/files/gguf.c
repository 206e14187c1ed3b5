// SPDX-License-Identifier: Apache-2.0
// gguf.c — the container of GGUF, versions 2 and 3 (docs/gguf.md of ggml):
//
//   "GGUF"  u32 version  u64 tensors  u64 keys
//   keys:    string name, u32 kind, value           strings are u64 length and bytes; arrays u32 kind, u64 n, values
//   tensors: string name, u32 rank, u64 dim[rank] (the fastest first), u32 type, u64 offset in the data
//   zeros up to a multiple of general.alignment, then the data, each tensor padded to it
//
// A model of several files has its keys in the first one, which says so (split.count); the others lie beside it. Tensors
// may be in any of them, also in none but the later ones.
//
// Nothing in it is believed: a count is held against the bytes that are left before anything is taken for it.
#include "gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tensor/tensor.h"

enum {
    MOST_TENSORS = 1 << 20,
    MOST_KEYS = 1 << 16,
    MOST_ELEMENTS = 1 << 24,
    MOST_PARTS = 1000,
    LONGEST_KEY = 65535,
    LONGEST_NAME = 64,
    LONGEST_STRING = 16 << 20,
    LEAST_ENTRY = 33, // bytes of a tensor's entry, and of a key's, at least
    LEAST_KEY = 14,
};

static const struct {
    const char *name;
    uint8_t size;
} kinds[GGUF_KINDS] = {
    [GGUF_U8] = {"u8", 1},          [GGUF_I8] = {"i8", 1},     [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2},        [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4},        [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 8},
    [GGUF_ARRAY] = {"an array", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

// Every type that ggml has had, so that one we don't read is refused by its name; NULL: removed.
static const char *const types[] = {
    "F32",   "F16",    "Q4_0",  "Q4_1", "",     "",        "Q5_0",   "Q5_1",    "Q8_0",  "Q8_1",   "Q2_K",
    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8",    "I16",  "I32",  "I64",     "F64",    "IQ1_M",   "BF16",  "",       "",
    "",      "TQ1_0",  "TQ2_0", "",     "",     "",        "MXFP4",  "NVFP4",   "Q1_0",  "Q2_0"};

const char *gguf_type_name(uint32_t type)
{
    return type < sizeof types / sizeof *types && *types[type] ? types[type] : NULL;
}

static const struct {
    uint32_t number;
    uint64_t elements, bytes;
    Dtype dtype;
} read_types[] = {
#define TYPE(name, elements, bytes, number) {number, elements, bytes, DT_##name},
#include "../../tensor/types.def"
#undef TYPE
    {24, 1, 1, DT_I8},  {25, 1, 2, DT_I16}, {26, 1, 4, DT_I32},
    {27, 1, 8, DT_I64}, {28, 1, 8, DT_F64}, // whole numbers and F64: no weights, but well-formed
};
enum { READ_TYPES = sizeof read_types / sizeof *read_types };

uint32_t gguf_type_number(Dtype d) { return read_types[d].number; }

// ------------------------------------------------------------------------------------------------ one value after another

#define WRONG(r, where, ...) err_at(e, (r)->path, (where), __VA_ARGS__)

static bool ended(const Reader *r, const char *in, Err *e)
{
    return WRONG(r, r->at, "the file ends inside %s; is the download complete?", in);
}

static bool read_string(Reader *r, const char *what, uint64_t longest, Str *out, Err *e)
{
    const size_t at = r->at;
    const uint64_t n = rd_u64(r);
    if (r->bad) return ended(r, what, e);
    if (n > rd_left(r))
        return WRONG(r, at, "%s has %" PRIu64 " bytes, but only %zu are left in the file", what, n,
                     rd_left(r));
    if (n > longest)
        return WRONG(r, at, "%s has %" PRIu64 " bytes; at most %" PRIu64 " are allowed", what, n, longest);
    *out = (Str){(const char *)rd_bytes(r, n), (size_t)n};
    return true;
}

static bool read_name(Reader *r, const char *what, uint64_t longest, Str *out, Err *e)
{
    const size_t at = r->at;
    size_t bad;
    if (!read_string(r, what, longest, out, e)) return false;
    if (!out->n) return WRONG(r, at, "%s is empty", what);
    if (memchr(out->s, 0, out->n)) return WRONG(r, at, "%s has a NUL in it", what);
    return utf8_valid(*out, &bad) || WRONG(r, at + 8 + bad, "%s is not UTF-8", what);
}

static bool read_array(Reader *r, GgufKey *k, const char *shown_name, Err *e)
{
    const size_t at = r->at;
    const uint32_t of = rd_u32(r);
    k->n = rd_u64(r);
    if (r->bad) return ended(r, shown_name, e);
    if (of == GGUF_ARRAY)
        return WRONG(r, at, "key \"%s\" is an array of arrays, which none of ours is", shown_name);
    if (of >= GGUF_KINDS)
        return WRONG(r, at, "key \"%s\" is an array of kind %" PRIu32 "; there is no such kind", shown_name,
                     of);
    k->of = (GgufKind)of;
    if (k->n > rd_left(r) / kinds[of].size)
        return WRONG(r, at, "key \"%s\" has %" PRIu64 " elements, more than the file's %zu bytes hold",
                     shown_name, k->n, rd_left(r));
    if (k->n > MOST_ELEMENTS)
        return WRONG(r, at, "key \"%s\" has %" PRIu64 " elements; at most %d are read", shown_name, k->n,
                     MOST_ELEMENTS);
    const size_t first = r->at;
    if (of != GGUF_STRING) rd_bytes(r, k->n * kinds[of].size);
    for (uint64_t i = 0; of == GGUF_STRING && i < k->n; i++) {
        Str s;
        if (!read_string(r, shown_name, LONGEST_STRING, &s, e)) return false;
    }
    k->bytes = (Str){(const char *)r->p + first, r->at - first};
    return true;
}

static bool read_key(Reader *r, GgufKey *k, Err *e)
{
    char name[SHOWN];
    if (!read_name(r, "a key's name", LONGEST_KEY, &k->name, e)) return false;
    shown(name, k->name);
    k->at = r->at;
    const uint32_t kind = rd_u32(r);
    if (r->bad) return ended(r, name, e);
    if (kind >= GGUF_KINDS)
        return WRONG(r, k->at, "key \"%s\" is of kind %" PRIu32 "; there is no such kind", name, kind);
    k->kind = (GgufKind)kind;
    if (kind == GGUF_STRING) return read_string(r, name, LONGEST_STRING, &k->bytes, e);
    if (kind == GGUF_ARRAY) return read_array(r, k, name, e);
    const uint8_t *p = rd_bytes(r, kinds[kind].size);
    if (!p) return ended(r, name, e);
    k->bytes = (Str){(const char *)p, kinds[kind].size};
    return kind != GGUF_BOOL || *p <= 1 ||
           WRONG(r, k->at + 4, "key \"%s\" is a bool of %d; it must be 0 or 1", name, *p);
}

static bool read_type(const Reader *r, GgufTensor *t, const char *name, Err *e)
{
    int i = 0;
    uint64_t bytes = 0, rows = 1;
    while (i < READ_TYPES && (read_types[i].number != t->type || !read_types[i].bytes)) i++;
    if (i == READ_TYPES && gguf_type_name(t->type))
        return WRONG(r, t->at, "tensor \"%s\" is of type %s, which is not read; use a Q4_K_M or Q8_0 file",
                     name, gguf_type_name(t->type));
    if (i == READ_TYPES)
        return WRONG(r, t->at,
                     "tensor \"%s\" is of type %" PRIu32 "; there is no such type (or not any more)", name,
                     t->type);
    if (t->dim[0] % read_types[i].elements)
        return WRONG(r, t->at,
                     "tensor \"%s\" has rows of %" PRIu64
                     " values; those of %s must be a multiple of %" PRIu64,
                     name, t->dim[0], gguf_type_name(t->type), read_types[i].elements);
    for (uint32_t k = 1; k < t->rank; k++)
        if (!mul_ok(rows, t->dim[k], &rows)) rows = UINT64_MAX, bytes = 1;
    if (bytes || !mul_ok(t->dim[0] / read_types[i].elements, read_types[i].bytes, &bytes) ||
        !mul_ok(bytes, rows, &t->bytes) || t->bytes > INT64_MAX)
        return WRONG(r, t->at, "tensor \"%s\" has more values than any file holds", name);
    t->dtype = read_types[i].dtype;
    return true;
}

static bool read_tensor(Reader *r, GgufTensor *t, Err *e)
{
    char name[SHOWN];
    t->at = r->at;
    if (!read_name(r, "a tensor's name", LONGEST_NAME, &t->name, e)) return false;
    shown(name, t->name);
    t->rank = rd_u32(r);
    if (r->bad) return ended(r, "the table of tensors", e);
    if (t->rank > 4)
        return WRONG(r, t->at, "tensor \"%s\" has %" PRIu32 " dimensions; at most 4 are allowed", name,
                     t->rank);
    for (uint32_t i = 0; i < 4; i++) t->dim[i] = i < t->rank ? rd_u64(r) : 1;
    t->type = rd_u32(r), t->offset = rd_u64(r);
    if (r->bad) return ended(r, "the table of tensors", e);
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->dim[i] < 1 || t->dim[i] > INT64_MAX)
            return WRONG(r, t->at, "tensor \"%s\" has a dimension of %" PRIu64, name, t->dim[i]);
    return read_type(r, t, name, e);
}

// ------------------------------------------------------------------------------------------------ the whole

static bool read_magic(Reader *r, Str bytes, Err *e)
{
    static const char *const older[] = {"lmgg", "fmgg", "tjgg", "algg", "GGML", "ggml", "ggmf", "ggjt"};
    char found[SHOWN];
    if (!file_genuine(r->path, bytes, e)) return false;
    if (!bytes.n) return WRONG(r, 0, "the file is empty; is the download complete?");
    for (size_t i = 0; i < sizeof older / sizeof *older; i++)
        if (bytes.n >= 4 && !memcmp(bytes.s, older[i], 4))
            return WRONG(
                r, 0, "a file of GGML, the format before GGUF, which is not read; get the model's GGUF file");
    if (bytes.n < 4 || memcmp(bytes.s, "GGUF", 4))
        return WRONG(r, 0, "the file begins with \"%s\"; a GGUF file begins with \"GGUF\"",
                     shown(found, (Str){bytes.s, bytes.n < 4 ? bytes.n : 4}));
    rd_bytes(r, 4);
    const uint32_t version = rd_u32(r);
    if (r->bad) return ended(r, "the header", e);
    if (version == 2 || version == 3) return true;
    if (version && !(version & 0xFFFFFF))
        return WRONG(r, 4,
                     "a big-endian GGUF file (version %" PRIu32
                     "), which is not read; get the little-endian one",
                     version >> 24);
    return WRONG(r, 4, "version %" PRIu32 " of GGUF; versions 2 and 3 are read", version);
}

static int by_key(const void *a, const void *b)
{
    const GgufKey *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static int by_tensor(const void *a, const void *b)
{
    const GgufTensor *const *x = a, *const *y = b;
    return str_cmp((*x)->name, (*y)->name);
}

static int by_offset(const void *a, const void *b)
{
    const GgufTensor *x = a, *y = b;
    return x->offset != y->offset ? (x->offset > y->offset) - (x->offset < y->offset)
                                  : (x->at > y->at) - (x->at < y->at);
}

static bool read_keys(Arena *a, Reader *r, uint64_t n, Gguf *g, Err *e)
{
    if (n > rd_left(r) / LEAST_KEY || n > MOST_KEYS)
        return WRONG(r, 16, "the header says %" PRIu64 " keys, more than %s", n,
                     n > MOST_KEYS ? "the 65536 that are allowed" : "the file holds");
    g->key = arena_new(a, GgufKey, n), g->n_keys = (size_t)n;
    for (uint64_t i = 0; i < n; i++)
        if (!read_key(r, &g->key[i], e)) return false;
    if (n) qsort(g->key, (size_t)n, sizeof *g->key, by_key);
    char name[SHOWN];
    for (uint64_t i = 1; i < n; i++)
        if (str_eq(g->key[i - 1].name, g->key[i].name))
            return WRONG(r, g->key[i].at, "key \"%s\" is there twice", shown(name, g->key[i].name));
    return true;
}

static bool read_table(Arena *a, Reader *r, uint64_t n, Gguf *g, Err *e)
{
    char name[SHOWN];
    if (n > rd_left(r) / LEAST_ENTRY || n > MOST_TENSORS)
        return WRONG(r, 8, "the header says %" PRIu64 " tensors, more than %s", n,
                     n > MOST_TENSORS ? "any model has" : "the file holds");
    g->tensor = arena_new(a, GgufTensor, n), g->n_tensors = (size_t)n;
    const GgufTensor **sorted = arena_new(a, const GgufTensor *, n);
    for (uint64_t i = 0; i < n; i++) {
        if (!read_tensor(r, &g->tensor[i], e)) return false;
        sorted[i] = &g->tensor[i];
    }
    if (n) qsort(sorted, (size_t)n, sizeof *sorted, by_tensor);
    for (uint64_t i = 1; i < n; i++)
        if (str_eq(sorted[i - 1]->name, sorted[i]->name))
            return WRONG(r, sorted[i]->at, "tensor \"%s\" is there twice", shown(name, sorted[i]->name));
    return true;
}

static uint64_t padded(uint64_t n, uint64_t alignment) { return (n + alignment - 1) / alignment * alignment; }

// Tensors follow each other without a hole; the last one may lack its padding.
static bool place_data(Reader *r, Gguf *g, Err *e)
{
    const GgufKey *k = gguf_key(g, "general.alignment");
    uint32_t alignment = 32;
    char name[SHOWN];
    if (k && k->kind != GGUF_U32)
        return gguf_wrong(g, k, e, "is of kind %s; it must be u32", kinds[k->kind].name);
    if (k) memcpy(&alignment, k->bytes.s, 4);
    if (alignment < 8 || alignment > 65536 || (alignment & (alignment - 1)))
        return gguf_wrong(g, k, e, "is %" PRIu32 "; it must be a power of two from 8 to 65536", alignment);
    const uint64_t start = padded(r->at, alignment);
    if (!g->n_tensors) return true;
    if (start > r->n)
        return WRONG(r, r->n,
                     "the file ends before its data begin, at %" PRIu64 "; is the download complete?", start);
    qsort(g->tensor, g->n_tensors, sizeof *g->tensor, by_offset);
    uint64_t next = 0, left = r->n - start;
    for (size_t i = 0; i < g->n_tensors; i++) {
        GgufTensor *t = &g->tensor[i];
        if (t->offset > left || t->bytes > left - t->offset)
            return WRONG(r, t->at,
                         "tensor \"%s\" would lie at %" PRIu64 " of the data and take %" PRIu64
                         " bytes, but there are only %" PRIu64 "; is the download complete?",
                         shown(name, t->name), t->offset, t->bytes, left);
        if (t->offset != next)
            return WRONG(r, t->at,
                         "tensor \"%s\" is said to lie at %" PRIu64
                         " of the data; after the one before, padded to %" PRIu32 ", it would be %" PRIu64,
                         shown(name, t->name), t->offset, alignment, next);
        next = padded(t->offset + t->bytes, alignment);
        t->path = r->path, t->place = start + t->offset, t->data = (const char *)r->p + t->place;
    }
    return true;
}

bool gguf_parse(Arena *a, Str bytes, const char *path, Gguf *g, Err *e)
{
    Reader r = {.p = (const uint8_t *)bytes.s, .n = bytes.n, .path = path};
    *g = (Gguf){.path = path};
    if (!read_magic(&r, bytes, e)) return false;
    const uint64_t tensors = rd_u64(&r), keys = rd_u64(&r);
    if (r.bad) return ended(&r, "the header", e);
    if (tensors > rd_left(&r) / LEAST_ENTRY)
        return err_at(e, path, 8, "the header says %" PRIu64 " tensors, more than the file holds", tensors);
    return read_keys(a, &r, keys, g, e) && read_table(a, &r, tensors, g, e) && place_data(&r, g, e);
}

// ------------------------------------------------------------------------------------------------ several files

// The n-th of the parts that path is the first of: "NAME-00001-of-00003.gguf".
static const char *part_path(Arena *a, const Gguf *g, int64_t n, int64_t parts, Err *e)
{
    const char *end = arena_printf(a, "-%05d-of-%05d.gguf", 1, (int)parts);
    const Str p = str_of(g->path);
    if (!str_ends(p, str_of(end))) {
        gguf_wrong(g, gguf_key(g, "split.count"), e,
                   "is %" PRId64
                   ": the first of several files; its name must end with %s, and the others lie beside it",
                   parts, end);
        return NULL;
    }
    return arena_printf(a, "%.*s-%05d-of-%05d.gguf", (int)(p.n - strlen(end)), p.s, (int)n, (int)parts);
}

bool gguf_open(Arena *a, Str bytes, const char *path, Gguf *g, Err *e)
{
    Err own = {0};
    if (!gguf_parse(a, bytes, path, g, e)) return false;
    const int64_t parts = gguf_int(g, "split.count", 1, 0, MOST_PARTS, &own),
                  before = gguf_int(g, "split.no", 0, 0, MOST_PARTS, &own);
    if (own.set) return err_set(e, "%s", own.text);
    if (before)
        return gguf_wrong(g, gguf_key(g, "split.no"), e,
                          "is %" PRId64
                          ": a later part of a model in several files; name the first, which ends with "
                          "-00001-of-%05" PRId64 ".gguf",
                          before, parts);
    if (parts < 2) return true;
    Gguf *part = arena_new(a, Gguf, parts);
    size_t n = g->n_tensors;
    for (int64_t i = 1; i < parts; i++) {
        const char *next = part_path(a, g, i + 1, parts, e);
        if (!next || !file_map(a, next, &bytes, e) || !gguf_parse(a, bytes, next, &part[i], e)) return false;
        n += part[i].n_tensors;
    }
    part[0] = *g;
    g->tensor = arena_new(a, GgufTensor, n), g->n_tensors = 0;
    for (int64_t i = 0; i < parts; i++)
        for (size_t k = 0; k < part[i].n_tensors; k++) g->tensor[g->n_tensors++] = part[i].tensor[k];
    return true;
}

// ------------------------------------------------------------------------------------------------ keys

const GgufKey *gguf_key(const Gguf *g, const char *name)
{
    Str wanted = str_of(name);
    for (size_t low = 0, high = g->n_keys; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(wanted, g->key[middle].name);
        if (!order) return &g->key[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

const GgufTensor *gguf_tensor(const Gguf *g, const char *name)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (str_is(g->tensor[i].name, name)) return &g->tensor[i];
    return NULL;
}

bool gguf_wrong(const Gguf *g, const GgufKey *k, Err *e, const char *format, ...)
{
    char name[SHOWN], text[600];
    va_list v;
    va_start(v, format);
    vsnprintf(text, sizeof text, format, v);
    va_end(v);
    return err_at(e, g->path, k->at, "%s %s", shown(name, k->name), text);
}

// A whole number, or an array of equal ones (a value for each layer).
static bool whole(const Gguf *g, const GgufKey *k, GgufKind kind, const char *at, int64_t *out, Err *e)
{
    uint64_t u = 0;
    switch (kind) {
    case GGUF_U8:
    case GGUF_I8:
    case GGUF_U16:
    case GGUF_I16:
    case GGUF_U32:
    case GGUF_I32:
    case GGUF_U64:
    case GGUF_I64:
        memcpy(&u, at, kinds[kind].size);
        break;
    default:
        return gguf_wrong(g, k, e, "is of kind %s; it must be a whole number", kinds[kind].name);
    }
    int64_t i = kind == GGUF_I8                     ? (int8_t)u
                : kind == GGUF_I16                  ? (int16_t)u
                : kind == GGUF_I32                  ? (int32_t)u
                : u > INT64_MAX && kind == GGUF_U64 ? INT64_MAX
                                                    : (int64_t)u;
    return *out = i, true;
}

int64_t gguf_int(const Gguf *g, const char *name, int64_t absent, int64_t least, int64_t most, Err *e)
{
    const GgufKey *k = gguf_key(g, name);
    int64_t v = absent, other;
    if (!k) return absent;
    if (k->kind == GGUF_ARRAY) {
        const size_t size = kinds[k->of].size;
        if (!k->n || k->of == GGUF_STRING)
            return gguf_wrong(g, k, e, "is an array of no whole numbers"), absent;
        for (uint64_t i = 0; i < k->n; i++) {
            if (!whole(g, k, k->of, k->bytes.s + i * size, i ? &other : &v, e)) return absent;
            if (i && other != v)
                return gguf_wrong(g, k, e, "differs from layer to layer, which is not supported"), absent;
        }
    } else if (!whole(g, k, k->kind, k->bytes.s, &v, e)) return absent;
    if (v >= least && v <= most) return v;
    gguf_wrong(g, k, e, "is %" PRId64 "; it must be from %" PRId64 " to %" PRId64, v, least, most);
    return absent;
}

double gguf_real(const Gguf *g, const char *name, double absent, double least, double most, Err *e)
{
    const GgufKey *k = gguf_key(g, name);
    float f;
    double v;
    if (!k) return absent;
    if (k->kind == GGUF_F32) memcpy(&f, k->bytes.s, 4), v = (double)f;
    else if (k->kind == GGUF_F64) memcpy(&v, k->bytes.s, 8);
    else return gguf_wrong(g, k, e, "is of kind %s; it must be f32", kinds[k->kind].name), absent;
    if (v >= least && v <= most) return v; // not for NaN
    gguf_wrong(g, k, e, "is %g; it must be from %g to %g", v, least, most);
    return absent;
}

bool gguf_bool(const Gguf *g, const char *name, bool absent, Err *e)
{
    const GgufKey *k = gguf_key(g, name);
    if (!k) return absent;
    if (k->kind == GGUF_BOOL) return *k->bytes.s != 0;
    return gguf_wrong(g, k, e, "is of kind %s; it must be bool", kinds[k->kind].name);
}

Str gguf_str(const Gguf *g, const char *name, Err *e)
{
    const GgufKey *k = gguf_key(g, name);
    if (!k) return (Str){NULL, 0};
    if (k->kind == GGUF_STRING) return k->bytes;
    gguf_wrong(g, k, e, "is of kind %s; it must be a string", kinds[k->kind].name);
    return (Str){NULL, 0};
}

const GgufKey *gguf_array(const Gguf *g, const char *name, GgufKind of, GgufKind or, Err *e)
{
    const GgufKey *k = gguf_key(g, name);
    if (!k || (k->kind == GGUF_ARRAY && (k->of == of || k->of == or))) return k;
    gguf_wrong(g, k, e, "is %s%s; it must be an array of %s",
               k->kind == GGUF_ARRAY ? "an array of " : "of kind ",
               kinds[k->kind == GGUF_ARRAY ? k->of : k->kind].name, kinds[of].name);
    return NULL;
}

bool gguf_strings(const Gguf *g, const GgufKey *k, Str *out, Err *e)
{
    const char *p = k->bytes.s;
    for (uint64_t i = 0; i < k->n; i++) {
        uint64_t n;
        memcpy(&n, p, 8); // each was held against the file's end when it was read
        out[i] = (Str){p + 8, (size_t)n};
        if (!utf8_valid(out[i], NULL))
            return gguf_wrong(g, k, e, "holds a string that is not UTF-8, number %" PRIu64, i);
        p += 8 + n;
    }
    return true;
}
