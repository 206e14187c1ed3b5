// SPDX-License-Identifier: Apache-2.0
// json.c — any bytes as a JSON text: an error in words, or a value that is the same after writing and reading
// it.
#include "fuzz.h"

#include <math.h>

static void write_value(Buf *b, const Json *j);

static void write_children(Buf *b, const Json *j, const char *brackets)
{
    size_t count = 0;
    buf_char(b, brackets[0]);
    for (const Json *c = j->child; c; c = c->next, count++) {
        if (count) buf_char(b, ',');
        if (j->kind == J_OBJECT) {
            REQUIRE(utf8_valid(c->key, NULL));
            buf_json(b, c->key);
            buf_char(b, ':');
        }
        write_value(b, c);
    }
    buf_char(b, brackets[1]);
    REQUIRE(count == j->count);
}

static void write_number(Buf *b, const Json *j)
{
    if (j->is_int) {
        REQUIRE((double)j->i == j->number);
        buf_printf(b, "%" PRId64, j->i);
    } else if (j->number == 0) buf_str(b, signbit(j->number) ? STR_LIT("-0.0") : STR_LIT("0.0"));
    else if (isfinite(j->number)) buf_printf(b, "%.17g", j->number);
    else buf_str(b, isnan(j->number) ? STR_LIT("NaN") : j->number > 0 ? STR_LIT("1e999") : STR_LIT("-1e999"));
}

// Recursive: the reader lets no more than 512 levels through, and that is part of what is tested.
static void write_value(Buf *b, const Json *j)
{
    if (j->kind == J_ARRAY) write_children(b, j, "[]");
    else if (j->kind == J_OBJECT) write_children(b, j, "{}");
    else if (j->kind == J_NUMBER) write_number(b, j);
    else if (j->kind == J_STRING) {
        REQUIRE(utf8_valid(j->text, NULL));
        j->text.n % 2 ? buf_json(b, j->text) : buf_json_ascii(b, j->text);
    } else buf_str(b, str_of(json_kind_name(j)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    Err e = {0};
    const Json *j = json_parse(a, (Str){(const char *)data, n}, "fuzz", &e);
    REQUIRE((j != NULL) != e.set);
    if (j) {
        Buf once = {.arena = a}, twice = {.arena = a};
        write_value(&once, j);
        const Json *again = json_parse(a, buf_view(&once), "again", &e);
        REQUIRE(again);
        write_value(&twice, again);
        REQUIRE(str_eq(buf_view(&once), buf_view(&twice)));
        json_get(j, "a");
    }
    return 0;
}
