// SPDX-License-Identifier: Apache-2.0
// rows.c — any bytes as a data file, the first of which says of what kind; what is said of each row is JSON.
#include "../../attr/attr.h"
#include "../../attr/texts/rows.h"
#include "fuzz_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const kinds[] = {"csv", "tsv", "jsonl", "json", "text"};
    Arena *a = fuzz_arena();
    if (!n) return 0;
    const char *path = arena_printf(a, "%s/rows", fuzz_folder("rows"));
    fuzz_file(path, (Str){(const char *)data + 1, n - 1});
    RowsFile f = {.a = a, .o = {.kind = kinds[data[0] % 5]}};
    Err e = {0};
    bool ok = rows_read(&f, path, &e);
    REQUIRE(ok != e.set);
    for (size_t i = 0; i < f.n; i++) {
        REQUIRE(!rows_fields(f.a, &f.row[i]) == (f.row[i].wrong != NULL));
        Str about = attr_row(a, rows_about(a, &f.row[i], (const char *[]){"source"}, 1, "id"));
        REQUIRE(json_parse(a, about, "about", &e));
    }
    return 0;
}
