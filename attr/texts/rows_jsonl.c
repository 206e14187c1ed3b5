// SPDX-License-Identifier: Apache-2.0
// rows_jsonl.c — JSON Lines: an object a line; blank lines are none. A line that cannot be read loses no other.
#include "rows.h"

static void add_line(RowsFile *f, Arena *work, size_t line, Str text)
{
    Err e = {0};
    const Json *j = json_parse_line(work, text, f->path, line, &e);
    if (!j) rows_add(f, line, NULL, str_zero(f->a, str_of(e.text)));
    else if (j->kind != J_OBJECT)
        rows_add(f, line, NULL,
                 arena_printf(f->a, "%s: line %zu: found %s; each line must be an object {\"column\": ...}",
                              f->path, line, json_kind_name(j)));
    else rows_add_raw(f, line, text);
}

static bool read(RowsFile *f, Str bytes, Err *e)
{
    (void)e;
    Arena *work = arena_create(f->a);
    f->part->kind = &rows_jsonl;
    for (size_t line = 1; bytes.n; line++, arena_reset(work)) {
        Str text = str_line(&bytes);
        if (!str_blank(text)) add_line(f, work, line, text);
    }
    arena_free(work);
    return true;
}

static const Json *fields(Arena *a, const RowsPart *part, Str raw)
{
    return json_parse(a, raw, part->path, NULL);
}

const RowsKind rows_jsonl = {
    .name = "jsonl",
    .extensions = {".jsonl", ".ndjson"},
    .read = read,
    .fields = fields,
};
