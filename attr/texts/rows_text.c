// SPDX-License-Identifier: Apache-2.0
// rows_text.c — a text a line: one column, "text".
#include "rows.h"

static bool read(RowsFile *f, Str bytes, Err *e)
{
    (void)e;
    for (size_t line = 1; bytes.n; line++) {
        Json *row = arena_new(f->a, Json, 1);
        *row = (Json){
            .kind = J_OBJECT, .count = 1, .child = rows_member(f->a, STR_LIT("text"), str_line(&bytes))};
        rows_add(f, line, row, NULL);
    }
    return true;
}

const RowsKind rows_text = {
    .name = "text",
    .extensions = {".txt"},
    .read = read,
};
