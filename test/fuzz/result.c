// SPDX-License-Identifier: Apache-2.0
// result.c — any bytes as a result file: an error in words, or a result that is the same after writing and reading it,
// and that every aggregator and report can take.
#include "../../attr/attr.h"
#include "fuzz.h"

#include <math.h>

static void same(const Attribution *x, const Attribution *y)
{
    REQUIRE(x->n == y->n);
    for (size_t i = 0; i < x->n; i++) {
        const Sequence *s = &x->sequence[i], *t = &y->sequence[i];
        REQUIRE(s->n_source == t->n_source && s->n_target == t->n_target && s->kind == t->kind);
        REQUIRE(s->attr_pos_start == t->attr_pos_start && s->attr_pos_end == t->attr_pos_end);
        REQUIRE(s->n_step_scores == t->n_step_scores && s->n_sequence_scores == t->n_sequence_scores);
        REQUIRE(!s->source_attributions.v == !t->source_attributions.v);
        for (int64_t k = 0; k < s->n_source; k++) REQUIRE(str_eq(s->source[k].text, t->source[k].text));
    }
}

// Only aggregations that must work on any result with scores; what is refused must be refused in words.
static void aggregate(Arena *a, const Sequence *s)
{
    static const char *const names[] = {"vnorm", "mean", "absmax", "subwords", "split", "slices", "pair"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Stage stage = attr_stage(names[i]);
        stage.split_pattern = "[a-z]+|,", stage.split_mode = i % 2 ? "start" : "end", stage.paired = s;
        Sequence out;
        Err e = {0};
        REQUIRE(attr_aggregate(a, s, &stage, 1, &out, &e) != e.set);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    Err e = {0};
    Attribution x, again, small;
    bool ok = attr_from_json(a, (Str){(const char *)data, n}, "fuzz", &x, &e);
    REQUIRE(ok != e.set);
    if (!ok) return 0;

    Buf once = {.arena = a}, twice = {.arena = a};
    attr_to_json(a, &x, &once);
    REQUIRE(attr_from_json(a, buf_view(&once), "again", &again, &e));
    same(&x, &again);
    attr_to_json(a, &again, &twice);
    REQUIRE(str_eq(buf_view(&once), buf_view(&twice)));

    for (size_t i = 0; i < x.n; i++) aggregate(a, &x.sequence[i]);
    if (!attr_aggregate_default(a, &x, &small, &e)) return 0;
    ReportOptions o = {.unicode = n % 2,
                       .width = (int)(n % 100),
                       .color = (ColorDepth)(n % 4),
                       .plain = n % 5 == 0,
                       .min_val = NAN,
                       .max_val = NAN};
    size_t count;
    const Report *const *all = attr_reports(&count);
    for (size_t i = 0; i < count; i++) {
        Buf b = {.arena = a};
        e = (Err){0};
        REQUIRE(all[i]->write(a, &small, &o, &b, &e) != e.set);
        for (size_t k = 0; i == 0 && k < b.n; k++)
            REQUIRE((uint8_t)b.s[k] >= ' ' || strchr("\n\t\x1b", b.s[k]));
    }
    return 0;
}
