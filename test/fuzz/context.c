// SPDX-License-Identifier: Apache-2.0
// context.c — any bytes as a file of context attributions: an error in words, or one that is the same after writing and
// reading it, and that every view can take.
#include "../../attr/reports/context_views.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static ContextView *const views[] = {contexts_terminal, contexts_html, contexts_csv, contexts_json};
    Arena *a = fuzz_arena();
    Err e = {0};
    ContextResult *x, *again;
    size_t count, more;
    Str plain;
    contexts_in(a, (Str){(const char *)data, n}, &plain);
    bool ok = contexts_from_json(a, (Str){(const char *)data, n}, "fuzz", &x, &count, &e);
    REQUIRE(ok != e.set);
    if (!ok) return 0;
    Buf once = {.arena = a}, twice = {.arena = a};
    ReportOptions o = {.unicode = n % 2, .width = (int)(n % 100), .color = (ColorDepth)(n % 4)};
    contexts_json(a, x, count, &o, &once);
    REQUIRE(contexts_from_json(a, buf_view(&once), "again", &again, &more, &e) && more == count);
    contexts_json(a, again, more, &o, &twice);
    REQUIRE(str_eq(buf_view(&once), buf_view(&twice)));
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        Buf b = {.arena = a};
        views[i](a, x, count, &o, &b);
        for (size_t k = 0; i == 0 && k < b.n; k++)
            REQUIRE((uint8_t)b.s[k] >= ' ' || strchr("\n\t\x1b", b.s[k]));
    }
    return 0;
}
