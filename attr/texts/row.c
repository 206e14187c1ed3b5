// SPDX-License-Identifier: Apache-2.0
// row.c — what the kinds of data files make rows with.
#include "rows.h"

#include <string.h>

void rows_add(RowsFile *f, size_t line, const Json *field, const char *wrong)
{
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        Row *more = arena_new(f->a, Row, room);
        if (f->n) memcpy(more, f->row, f->n * sizeof *more);
        f->row = more, f->room = room;
    }
    f->row[f->n] = (Row){.number = f->n + 1, .line = line, .path = f->path, .field = field, .wrong = wrong};
    f->n++;
}

Json *rows_member(Arena *a, Str name, Str text)
{
    Json *j = arena_new(a, Json, 1);
    *j = (Json){.kind = J_STRING, .key = name, .text = text};
    return j;
}
