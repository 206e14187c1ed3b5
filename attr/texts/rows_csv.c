// SPDX-License-Identifier: Apache-2.0
// rows_csv.c — CSV as RFC 4180 has it: fields between delimiters, in quotes where they hold delimiters, quotes (doubled) or
// ends of line; the first row names the columns. Lines end in LF, CRLF or CR; blank lines are none.
#include "rows.h"

#include <string.h>

typedef struct Csv {
    Str all;
    size_t at, line;
    char delimiter;
} Csv;

static bool more(const Csv *c) { return c->at < c->all.n; }
static char here(const Csv *c) { return c->all.s[c->at]; }
static bool at_end_of_line(const Csv *c) { return here(c) == '\n' || here(c) == '\r'; }

static void end_line(Csv *c)
{
    if (more(c) && here(c) == '\r') c->at++;
    if (more(c) && here(c) == '\n') c->at++;
    c->line++;
}

// A field in quotes, of which the first is read. False: they are never closed.
static bool quoted(Arena *a, Csv *c, Str *out)
{
    Buf b = {.arena = a};
    while (more(c)) {
        const char *from = c->all.s + c->at, *quote = memchr(from, '"', c->all.n - c->at);
        size_t n = quote ? (size_t)(quote - from) : c->all.n - c->at;
        for (size_t i = 0; i < n; i++) c->line += from[i] == '\n';
        buf_put(&b, from, n);
        c->at += n + (quote ? 1 : 0);
        if (!quote) return false;
        if (!more(c) || here(c) != '"') return *out = buf_view(&b), true;
        buf_char(&b, '"'), c->at++;
    }
    return false;
}

static Str plain(Csv *c)
{
    size_t from = c->at;
    while (more(c) && !at_end_of_line(c) && here(c) != c->delimiter) c->at++;
    return (Str){c->all.s + from, c->at - from};
}

// The fields of the record that begins here, as a list of strings. wrong: a sentence without the place, or NULL.
static Json *record(Arena *a, Csv *c, const char **wrong)
{
    Json *list = arena_new(a, Json, 1);
    const Json **last = &list->child;
    *list = (Json){.kind = J_ARRAY};
    *wrong = NULL;
    for (;;) {
        Str text = {"", 0};
        if (more(c) && here(c) == '"') {
            size_t line = c->line;
            c->at++;
            if (!quoted(a, c, &text))
                return *wrong = arena_printf(a, "a quote that opens on line %zu is never closed", line), list;
            if (more(c) && !at_end_of_line(c) && here(c) != c->delimiter) {
                if (!*wrong)
                    *wrong = arena_printf(a, "field %zu goes on behind its closing quote", list->count + 1);
                plain(c);
            }
        } else text = plain(c);
        Json *j = rows_member(a, (Str){0}, text);
        *last = j, last = &j->next, list->count++;
        if (!more(c) || here(c) != c->delimiter) break;
        c->at++;
    }
    end_line(c);
    return list;
}

// The fields under the names of their columns.
static const Json *named(Arena *a, const Json *columns, const Json *row)
{
    Json *out = arena_new(a, Json, 1);
    const Json **last = &out->child, *name = columns->child;
    *out = (Json){.kind = J_OBJECT, .count = row->count};
    for (const Json *j = row->child; j; j = j->next, name = name->next) {
        Json *own = rows_member(a, name->text, j->text);
        *last = own, last = &own->next;
    }
    return out;
}

static void add_record(RowsFile *f, Csv *c, Arena *work, size_t columns)
{
    size_t line = c->line, from = c->at;
    const char *wrong;
    Json *row = record(work, c, &wrong);
    if (!wrong && row->count > columns)
        wrong = arena_printf(work, "%zu fields, and the header names %zu columns", row->count, columns);
    if (wrong) rows_add(f, line, NULL, arena_printf(f->a, "%s: line %zu: %s", f->path, line, wrong));
    else rows_add_raw(f, line, (Str){c->all.s + from, c->at - from});
}

bool rows_delimited(RowsFile *f, Str all, char delimiter, Err *e)
{
    Csv c = {all, 0, 1, f->o.delimiter ? f->o.delimiter : delimiter};
    Arena *work = arena_create(f->a);
    const char *wrong = NULL;
    f->part->delimiter = c.delimiter, f->part->columns = f->o.columns;
    while (more(&c) && !wrong) {
        size_t line = c.line;
        if (at_end_of_line(&c)) end_line(&c);
        else if (f->part->columns) add_record(f, &c, work, f->part->columns->count), arena_reset(work);
        else {
            f->part->columns = record(f->a, &c, &wrong);
            if (wrong) err_set(e, "%s: line %zu: %s", f->path, line, wrong);
        }
    }
    arena_free(work);
    return !wrong;
}

const Json *rows_delimited_fields(Arena *a, const RowsPart *part, Str raw)
{
    const char *wrong;
    return named(a, part->columns, record(a, &(Csv){raw, 0, 1, part->delimiter}, &wrong));
}

static bool read_csv(RowsFile *f, Str all, Err *e) { return rows_delimited(f, all, ',', e); }

const RowsKind rows_csv = {
    .name = "csv",
    .extensions = {".csv"},
    .read = read_csv,
    .fields = rows_delimited_fields,
};
