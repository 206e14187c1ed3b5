// SPDX-License-Identifier: Apache-2.0
// t_reagent.c — against PyTorch's float64 with the same draws, each step by itself (tools/oracle/reagent.py); what must hold
// of the sums and where nothing is replaced or no probe stops; the same bits however the work is cut.
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static bool attribute(Arena *A, const Lab *l, const Json *args, bool target, const Pair *p, size_t n,
                      size_t memory, Sequence *out, Err *e)
{
    AttrOptions o = attr_defaults();
    o.method = "reagent", o.attribute_target = target, o.unk = tok_unk(l->t), o.eos = tok_eos(l->t);
    o.method_args = args, o.max_memory = memory;
    return attr_run(A, l->m, &o, p, n, out, e);
}

static Sequence attributed(Arena *A, const Lab *l, const char *args, bool target, const Pair *p)
{
    Err e = {0};
    Sequence s = {0};
    if (!attribute(A, l, json_parse(A, str_of(args), "arguments", &e), target, p, 1, 1 << 26, &s, &e))
        FAIL("%s: %s", args, e.text);
    return s;
}

static double cell(const Sequence *s, bool target, int64_t i, int64_t c)
{
    return (double)*run_cell(target ? &s->target_attributions : &s->source_attributions, i, c);
}

static float through(const Sequence *s, int64_t c)
{
    const NamedScores *last = &s->step_scores[s->n_step_scores - 1];
    CHECK(str_is(last->name, "stopped_probes") && last->is_int);
    return last->scores.v[c];
}

// ------------------------------------------------------------------------------------------ golden

static void compare_side(const char *what, const Sequence *s, bool target, int64_t c, const Json *want)
{
    int64_t i = 0;
    for (const Json *w = want->child; w; w = w->next, i++) {
        double got = cell(s, target, i, c);
        if (!(fabs(got - w->number) <= 2e-6)) // float32 probabilities, added up over the rounds
            return FAIL("%s: %s %" PRId64 ", column %" PRId64 ": %.9g, want %.9g", what,
                        target ? "target" : "source", i, c, got, w->number),
                   (void)0;
        test_count(1);
    }
}

TEST(reagent_golden)
{
    Err e = {0};
    const Json *all = test_json(A, "test/golden/cases/beyond/reagent.json");
    int cases = 0;
    for (const Json *c = all ? all->child : NULL; c; c = c->next, cases++) {
        Lab l;
        const char *model = str_zero(A, json_get(c, "model")->text);
        if (!lab_open(A, model, &l)) return;
        bool both = json_get(c, "attribute_target")->kind == J_TRUE;
        Pair p = lab_pair(A, &l, lab_list(A, json_get(c, "source")), lab_list(A, json_get(c, "target")));
        Sequence s = {0};
        if (!attribute(A, &l, json_get(c, "arguments"), both, &p, 1, 1 << 26, &s, &e))
            return FAIL("%s", e.text);
        CHECK(both == (s.target_attributions.v != NULL));
        const Json *n = json_get(c, "stopped_probes")->child;
        int64_t column = 0;
        for (const Json *k = json_get(c, "columns")->child; k; k = k->next, n = n->next, column++) {
            CHECK_INT(through(&s, column), n->i);
            compare_side(model, &s, false, column, k->child);
            compare_side(model, &s, true, column, k->child->next);
        }
        CHECK_INT(column, p.target.n - 1);
    }
    CHECK_INT(cases, 4);
}

// ------------------------------------------------------------------------------------------ what must hold

// Columns sum to 1, end and start tokens have nothing, whatever stops or not.
TEST(reagent_sums)
{
    static const char *const args[] = {
        "{\"max_probe_steps\": 4, \"num_probes\": 3}",
        "{\"max_probe_steps\": 30, \"num_probes\": 3, \"keep_ratio\": 0, \"stopping_condition_top_k\": 1}",
        "{\"max_probe_steps\": 5, \"num_probes\": 2, \"replacing_ratio\": 1}"};
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, "The nurse lost her key.", "De kat zit in de zak.");
    bool none = false;
    for (int k = 0; k < 3; k++)
        for (int target = 0; target < 2; target++) {
            Sequence s = attributed(A, &l, args[k], target, &p);
            for (int64_t c = 0; c < p.target.n - 1; c++) {
                double sum = 0;
                for (int64_t i = 0; i < p.source.n; i++)
                    sum += cell(&s, false, i, c), CHECK(cell(&s, false, i, c) >= 0);
                for (int64_t i = 0; target && i < p.target.n; i++) {
                    CHECK_INT(isnan(cell(&s, true, i, c)), i > c);
                    sum += i > c ? 0 : cell(&s, true, i, c);
                }
                CHECK_NEAR(sum, 1, 1e-6);
                CHECK(cell(&s, false, p.source.n - 1, c) == 0);
                if (target) CHECK(cell(&s, true, 0, c) == 0);
                none |= through(&s, c) == 0;
            }
        }
    CHECK(none); // a column without a probe that stopped was among them
}

// Nothing is ever replaced: the first logits stay, the same for all steps; and the more is kept, the sooner it stops.
TEST(reagent_limits)
{
    Lab l;
    if (!lab_open(A, "t5-yesno-tiny", &l)) return;
    Pair p = lab_forced(A, &l, "Does 3 + 3 equal 6?", "yes");
    Sequence still = attributed(
                 A, &l, "{\"replacing_ratio\": 0, \"max_probe_steps\": 1, \"num_probes\": 1, \"seed\": 9}",
                 false, &p),
             whole = attributed(
                 A, &l, "{\"keep_top_n\": 99, \"num_probes\": 4, \"stopping_condition_top_k\": 100000}",
                 false, &p),
             wide = attributed(A, &l,
                               "{\"keep_top_n\": 1, \"num_probes\": 4, \"stopping_condition_top_k\": 100000}",
                               false, &p);
    double u[64], sum = 0;
    CHECK(p.source.n < 64);
    for (int64_t i = 0; i < p.source.n - 1; i++) {
        u[i] = exp((double)(num_random(num_random(9, 0), (uint64_t)i) >> 11) * 0x1p-53);
        sum += u[i];
    }
    for (int64_t c = 0; c < p.target.n - 1; c++)
        for (int64_t i = 0; i < p.source.n - 1; i++) {
            CHECK_NEAR(cell(&still, false, i, c), u[i] / sum, 1e-7);
            CHECK(cell(&whole, false, i, c) == cell(&wide, false, i, c)); // one round each
            CHECK_INT(through(&whole, c), 4);
        }
}

// Given alone, keep_ratio counts.
TEST(reagent_keep_ratio)
{
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, "The nurse went to the hospital.", "De");
#define REST "\"num_probes\": 3, \"max_probe_steps\": 9, \"stopping_condition_top_k\": 1}"
    Sequence ratio = attributed(A, &l, "{\"keep_ratio\": 0.25, " REST, false, &p),
             zero = attributed(A, &l, "{\"keep_ratio\": 0.25, \"keep_top_n\": 0, " REST, false, &p),
             five = attributed(A, &l, "{\"keep_ratio\": 0.25, \"keep_top_n\": 5, " REST, false, &p),
             plain = attributed(A, &l, "{" REST, false, &p);
#undef REST
    int64_t differ = 0;
    for (int64_t i = 0; i < p.source.n; i++) {
        CHECK(cell(&ratio, false, i, 0) == cell(&zero, false, i, 0));
        CHECK(cell(&five, false, i, 0) == cell(&plain, false, i, 0));
        differ += cell(&ratio, false, i, 0) != cell(&plain, false, i, 0);
    }
    CHECK(differ > 0);
}

// ------------------------------------------------------------------------------------------ the same bits

TEST(reagent_bits)
{
    const Json *args = json_parse(A, STR_LIT("{\"num_probes\": 3, \"max_probe_steps\": 7, \"seed\": 2}"), "",
                                  NULL),
               *other = json_parse(A, STR_LIT("{\"num_probes\": 3, \"max_probe_steps\": 7, \"seed\": 3}"), "",
                                   NULL);
    Lab l;
    Err e = {0};
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p[2] = {lab_forced(A, &l, "It rains.", "Het regent."), lab_forced(A, &l, "The nurse went.", "De")},
         part = p[0];
    Sequence both[2], alone, cut, drawn;
    part.target.n -= 3;
    CHECK(attribute(A, &l, args, true, p, 2, 1, both, &e));
    pool_start(1);
    CHECK(attribute(A, &l, args, true, &part, 1, 1 << 30, &cut, &e));
    CHECK(attribute(A, &l, other, true, p, 1, 1 << 30, &drawn, &e));
    int64_t differ = 0;
    for (int k = 0; k < 2; k++) {
        CHECK(attribute(A, &l, args, true, &p[k], 1, 1 << 30, &alone, &e));
        for (int64_t c = 0; c < p[k].target.n - 1; c++) {
            CHECK(through(&alone, c) == through(&both[k], c));
            for (int64_t i = 0; i < p[k].source.n + c + 1; i++) {
                bool target = i >= p[k].source.n;
                int64_t row = target ? i - p[k].source.n : i;
                CHECK(cell(&alone, target, row, c) == cell(&both[k], target, row, c));
                if (k == 0 && c < part.target.n - 1)
                    CHECK(cell(&cut, target, row, c) == cell(&both[0], target, row, c));
                if (k == 0) differ += cell(&drawn, target, row, c) != cell(&both[0], target, row, c);
            }
        }
    }
    pool_start(0);
    CHECK(differ > 20);
}

TEST(reagent_arguments)
{
    static const char *const bad[][2] = {
        {"{\"keep_top_n\": 0}", "keep_top_n is 0; then keep_ratio must say which share"},
        {"{\"keep_top_n\": -1}", "argument keep_top_n is -1; it must be a whole number from 0"},
        {"{\"keep_ratio\": 1.5}", "argument keep_ratio is 1.5; it must be a number from 0 to 1"},
        {"{\"invert_keep\": \"no\"}", "argument invert_keep is a string"},
        {"{\"stopping_condition_top_k\": 0}", "argument stopping_condition_top_k is 0"},
        {"{\"replacing_ratio\": -0.1}", "argument replacing_ratio is -0.1; it must be a number from 0 to 1"},
        {"{\"max_probe_steps\": 0}", "argument max_probe_steps is 0; it must be a whole number from 1"},
        {"{\"num_probes\": 2.5}", "argument num_probes is 2.5"},
        {"{\"seed\": -1}", "argument seed is -1"},
    };
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "No.", "nee");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        Sequence s;
        const Json *args = json_parse(A, str_of(bad[i][0]), "arguments", &e);
        if (attribute(A, &l, args, false, &p, 1, 1 << 26, &s, &e)) FAIL("took %s", bad[i][0]);
        CHECK_HAS(e.text, bad[i][1]);
    }
}
