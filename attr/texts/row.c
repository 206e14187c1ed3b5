// SPDX-License-Identifier: Apache-2.0
// row.c — what the kinds of data files make rows with.
#include "rows.h"

#include <string.h>

static Row *add(RowsFile *f, size_t line)
{
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        Row *more = arena_new(f->a, Row, room);
        if (f->n) memcpy(more, f->row, f->n * sizeof *more);
        f->row = more, f->room = room;
    }
    Row *r = &f->row[f->n++];
    *r = (Row){.number = f->n, .line = line, .part = f->part};
    return r;
}

void rows_add(RowsFile *f, size_t line, const Json *field, const char *wrong)
{
    Row *r = add(f, line);
    r->field = field, r->wrong = wrong;
}

void rows_add_raw(RowsFile *f, size_t line, Str raw) { add(f, line)->raw = raw; }

const Json *rows_fields(Arena *a, const Row *r)
{
    return r->wrong ? NULL : r->field ? r->field : r->part->kind->fields(a, r->part, r->raw);
}

Json *rows_member(Arena *a, Str name, Str text)
{
    Json *j = arena_new(a, Json, 1);
    *j = (Json){.kind = J_STRING, .key = name, .text = text};
    return j;
}
