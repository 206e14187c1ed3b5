// SPDX-License-Identifier: Apache-2.0
// rows.c — what the kinds of data files share: which kind a file is, packed files, slices, columns.
#include "rows.h"

#include <string.h>

#define ROWS(k) extern const RowsKind rows_##k;
#include "rows.def"
#undef ROWS
static const RowsKind *const kinds[] = {
#define ROWS(k) &rows_##k,
#include "rows.def"
#undef ROWS
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static bool ends_in(Str name, const char *extension)
{
    size_t n = strlen(extension);
    if (name.n < n) return false;
    for (size_t i = 0; i < n; i++) {
        char c = name.s[name.n - n + i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != extension[i]) return false;
    }
    return true;
}

static Str unpacked_name(const char *path)
{
    Str name = str_of(path);
    if (ends_in(name, ".gz")) name.n -= 3;
    return name;
}

const RowsKind *rows_kind_of(const char *path)
{
    for (size_t k = 0; k < N_KINDS; k++)
        for (int i = 0; i < 3 && kinds[k]->extensions[i]; i++)
            if (ends_in(unpacked_name(path), kinds[k]->extensions[i])) return kinds[k];
    return NULL;
}

static const RowsKind *kind_named(const char *name, Err *e)
{
    const char *names[N_KINDS];
    for (size_t k = 0; k < N_KINDS; k++) {
        names[k] = kinds[k]->name;
        if (!strcmp(name, names[k])) return kinds[k];
    }
    const char *near = str_nearest(str_of(name), names, N_KINDS);
    err_usage(e, "input format '%s' is not known; %s%s", name, near ? "did you mean " : "",
              near ? near : "jsonl, json, csv, tsv and text are");
    return NULL;
}

// Columns in other programs' own form need more than a reader of text.
static bool refuse_columnar(const char *path, Str bytes, Err *e)
{
    bool parquet = str_starts(bytes, STR_LIT("PAR1")) || ends_in(str_of(path), ".parquet"),
         arrow = str_starts(bytes, STR_LIT("ARROW1")) || ends_in(str_of(path), ".arrow");
    if (!parquet && !arrow) return true;
    if (parquet)
        return err_set(e,
                       "%s is a Parquet file; Python turns it into lines of JSON: pandas.read_parquet('%s')"
                       ".to_json('rows.jsonl', orient='records', lines=True)",
                       path, path);
    return err_set(e,
                   "%s is an Arrow file; Python turns it into lines of JSON: datasets.Dataset.from_file('%s')"
                   ".to_json('rows.jsonl')",
                   path, path);
}

bool rows_read(RowsFile *f, const char *path, Err *e)
{
    const size_t most = (size_t)1 << 32;
    Str all;
    f->path = !strcmp(path, "-") ? "standard input" : path;
    f->part = arena_new(f->a, RowsPart, 1);
    *f->part = (RowsPart){.path = f->path};
    const RowsKind *kind = f->o.kind ? kind_named(f->o.kind, e) : rows_kind_of(path);
    if (f->o.kind && !kind) return false;
    if (!file_stream(f->a, path, most, &all, e) || !refuse_columnar(f->path, all, e)) return false;
    if (str_starts(all, STR_LIT("\x1F\x8B"))) {
        Buf b = {.arena = f->a};
        if (!gunzip(&b, all, most, f->path, 0, e) || !refuse_columnar(f->path, buf_view(&b), e)) return false;
        all = buf_view(&b);
    }
    const char *encoding = str_other_encoding(all);
    if (encoding) return err_set(e, "%s: the text is in %s; save it as UTF-8", f->path, encoding);
    if (str_starts(all, STR_LIT("\xEF\xBB\xBF"))) all.s += 3, all.n -= 3; // a mark that only says UTF-8
    f->part->kind = kind ? kind : &rows_text;
    return f->part->kind->read(f, all, e);
}

// ------------------------------------------------------------------------------------------ slices

typedef struct Bound {
    bool given, percent;
    int64_t v;
} Bound;

static bool read_bound(Str s, Bound *b)
{
    *b = (Bound){0};
    if (!s.n) return true;
    b->given = true;
    if (s.s[s.n - 1] == '%') b->percent = true, s.n--;
    bool below = s.n && s.s[0] == '-';
    if (below) s.s++, s.n--;
    if (!s.n || s.n > 15) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.s[i] < '0' || s.s[i] > '9') return false;
        b->v = 10 * b->v + s.s[i] - '0';
    }
    if (below) b->v = -b->v;
    return !b->percent || (b->v >= -100 && b->v <= 100);
}

static int64_t place(Bound b, int64_t n, int64_t otherwise)
{
    if (!b.given) return otherwise;
    int64_t v = b.v < 0 ? -b.v : b.v;
    if (b.percent) {
        int64_t whole = v * n / 100, rest = v * n % 100;
        v = whole + (rest > 50 || (rest == 50 && whole % 2));
    }
    if (b.v < 0) v = n - v;
    return v < 0 ? 0 : v > n ? n : v;
}

bool rows_slice(RowsFile *f, Str slice, Err *e)
{
    Bound from, to;
    const char *colon = slice.n > 2 ? memchr(slice.s, ':', slice.n) : NULL;
    if (!colon || slice.s[0] != '[' || slice.s[slice.n - 1] != ']' ||
        !read_bound((Str){slice.s + 1, (size_t)(colon - slice.s) - 1}, &from) ||
        !read_bound((Str){colon + 1, slice.n - 2 - (size_t)(colon - slice.s)}, &to))
        return err_usage(e,
                         "slice %.*s: it is written [FROM:TO], in rows or percent, such as [:20] or [:50%%]",
                         (int)slice.n, slice.s);
    int64_t n = (int64_t)f->n, first = place(from, n, 0), end = place(to, n, n);
    f->n = end > first ? (size_t)(end - first) : 0;
    f->row += f->n ? first : 0;
    f->room = f->n;
    return true;
}

// ------------------------------------------------------------------------------------------ columns

RowText rows_field(const Json *fields, const char *name, Str *out, const Json **found)
{
    const Json *j = json_get(fields, name);
    *found = j;
    if (!j || j->kind == J_NULL) return ROW_ABSENT;
    if (j->kind != J_STRING) return ROW_OTHER;
    return *out = j->text, ROW_TEXT;
}

bool rows_have(const RowsFile *f, const char *name)
{
    Arena *work = arena_create(f->a);
    bool have = false;
    for (size_t i = 0; i < f->n && !have; i++, arena_reset(work))
        have = json_get(rows_fields(work, &f->row[i]), name) != NULL;
    arena_free(work);
    return have;
}

const char *rows_names(const RowsFile *f)
{
    Buf b = {.arena = f->a};
    for (size_t i = 0; i < f->n && !b.n; i++) {
        const Json *row = rows_fields(f->a, &f->row[i]);
        for (const Json *j = row ? row->child : NULL; j; j = j->next)
            buf_printf(&b, "%s%.*s", b.n ? ", " : "", (int)j->key.n, j->key.s);
    }
    return b.n ? b.s : "none";
}

// Adds a member to an object, of which *last is where the next one goes.
static void with(Json *object, const Json ***last, Arena *a, const Json *value, Str key)
{
    Json *own = arena_new(a, Json, 1);
    *own = *value;
    own->key = key, own->next = NULL;
    **last = own, *last = &own->next, object->count++;
}

const Json *rows_about(Arena *a, const Row *r, const Json *row, const char *const *used, size_t n,
                       const char *id)
{
    Json *about = arena_new(a, Json, 1), *fields = arena_new(a, Json, 1);
    const Json **last = &about->child, **last_field = &fields->child, *own = json_get(row, id);
    *about = *fields = (Json){.kind = J_OBJECT};
    const Json number = {.kind = J_NUMBER,
                         .is_int = true,
                         .i = (int64_t)r->number,
                         .text = str_of(arena_printf(a, "%zu", r->number))};
    with(about, &last, a, &number, STR_LIT("number"));
    if (own && (own->kind == J_STRING || own->kind == J_NUMBER)) with(about, &last, a, own, STR_LIT("id"));
    for (const Json *j = row ? row->child : NULL; j; j = j->next) {
        bool known = j == own || json_get(row, str_zero(a, j->key)) != j; // of equal names the last
        for (size_t i = 0; i < n; i++) known |= used[i] && str_is(j->key, used[i]);
        if (!known) with(fields, &last_field, a, j, j->key);
    }
    if (fields->count) with(about, &last, a, fields, STR_LIT("fields"));
    return about;
}
