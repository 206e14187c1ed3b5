// SPDX-License-Identifier: Apache-2.0
// rows_text.c — a text a line: one column, "text".
#include "rows.h"

static bool read(RowsFile *f, Str bytes, Err *e)
{
    (void)e;
    for (size_t line = 1; bytes.n; line++) rows_add_raw(f, line, str_line(&bytes));
    return true;
}

static const Json *fields(Arena *a, const RowsPart *part, Str raw)
{
    (void)part;
    Json *row = arena_new(a, Json, 1);
    *row = (Json){.kind = J_OBJECT, .count = 1, .child = rows_member(a, STR_LIT("text"), raw)};
    return row;
}

const RowsKind rows_text = {
    .name = "text",
    .extensions = {".txt"},
    .read = read,
    .fields = fields,
};
