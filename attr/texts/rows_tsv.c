// SPDX-License-Identifier: Apache-2.0
// rows_tsv.c — rows_csv.c's format with TABs between the fields.
#include "rows.h"

static bool read(RowsFile *f, Str all, Err *e) { return rows_delimited(f, all, '\t', e); }

const RowsKind rows_tsv = {
    .name = "tsv",
    .extensions = {".tsv", ".tab"},
    .read = read,
    .fields = rows_delimited_fields,
};
