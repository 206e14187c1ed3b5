// SPDX-License-Identifier: Apache-2.0
// t_alti.c — alti and alti_logit against their papers' formulas in float64 (tools/oracle/alti.py), and by what must hold:
// shares add up to 1, a logit is the sum of its parts, and a difference of logits the difference of both explanations.
#include "../attr/attr.h"
#include "lab.h"

#include <math.h>

static Pair pair_of(Arena *A, Ids source, Ids target)
{
    return (Pair){.source = source,
                  .target = target,
                  .source_tokens = arena_new(A, Token, source.n),
                  .target_tokens = arena_new(A, Token, target.n)};
}

static Model *open_model(Arena *A, Str name)
{
    Err e = {0};
    Model *m = nn_open(A, arena_printf(A, "test/golden/%.*s", (int)name.n, name.s), (NnOptions){0}, &e);
    if (!m) FAIL("%s", e.text);
    return m;
}

static Sequence attributed(Arena *A, const Model *m, const Pair *p, AttrOptions o, const char *method,
                           const char *args)
{
    Err e = {0};
    Sequence s = {0};
    o.method = method;
    o.method_args = args ? json_parse(A, str_of(args), "arguments", &e) : NULL;
    if (!attr_run(A, m, &o, p, 1, &s, &e)) FAIL("%s: %s", method, e.text);
    return s;
}

static AttrOptions both_sides(void)
{
    AttrOptions o = attr_defaults();
    o.attribute_target = true;
    return o;
}

static double at(const Scores *s, int64_t i, int64_t c) { return (double)s->v[i * s->dim[1] + c]; }

static double column_sum(const Sequence *s, int64_t c)
{
    double sum = 0;
    for (int64_t i = 0; i < s->n_source; i++) sum += at(&s->source_attributions, i, c);
    for (int64_t i = 0; i <= c; i++) sum += at(&s->target_attributions, i, c);
    return sum;
}

static const Scores *step_score(const Sequence *s, const char *name)
{
    static const Scores none;
    for (size_t i = 0; i < s->n_step_scores; i++)
        if (str_is(s->step_scores[i].name, name)) return &s->step_scores[i].scores;
    return FAIL("no %s", name), &none;
}

// ------------------------------------------------------------------------------------------ the formulas

// rows: [tokens][steps], of which a prefix token's before its own step mean nothing. The largest difference.
static double compare(const Scores *got, const Json *rows, bool prefix)
{
    double worst = 0;
    int64_t i = 0;
    for (const Json *row = rows->child; row; row = row->next, i++) {
        int64_t c = 0;
        for (const Json *x = row->child; x; x = x->next, c++)
            if (prefix && i > c) CHECK(isnan(at(got, i, c)));
            else worst = fmax(worst, fabs(at(got, i, c) - x->number));
        CHECK_INT(c, got->dim[1]);
    }
    CHECK_INT(i + prefix, got->dim[0]); // the last token is no prefix of anything
    return worst;
}

// Shares within 2e-6. Logits are sums over layers: within 6e-6 times the largest number that is added up (PyTorch's own
// float32 logits of odd-t5 are that far from those in float64).
TEST(alti_golden)
{
    static const char *const parts[] = {"embedding_logit", "feed_forward_logit", "bias_logit"};
    Str name = {0};
    const Json *all = test_json(A, "test/golden/alti/alti.json");
    if (!all) return;
    CHECK_INT(all->count, 17);
    Model *m = NULL;
    for (const Json *c = all->child; c; c = c->next) {
        if (!str_eq(json_get(c, "model")->text, name)) m = open_model(A, name = json_get(c, "model")->text);
        if (!m) return;
        Pair p = pair_of(A, lab_list(A, json_get(c, "source")), lab_list(A, json_get(c, "target")));
        Sequence s = attributed(A, m, &p, both_sides(), "alti", NULL);
        const Json *want = json_get(c, "alti");
        CHECK_NEAR(compare(&s.source_attributions, json_get(want, "source"), false), 0, 2e-6);
        CHECK_NEAR(compare(&s.target_attributions, json_get(want, "target"), true), 0, 2e-6);

        s = attributed(A, m, &p, both_sides(), "alti_logit", "{\"output_logit_parts\": true}");
        double largest = 0;
        for (const Json *row = json_get(c, "parts")->child; row; row = row->next)
            for (const Json *x = row->child; x; x = x->next) largest = fmax(largest, fabs(x->number));
        for (const Json *x = json_get(c, "logit")->child; x; x = x->next)
            largest = fmax(largest, fabs(x->number));
        want = json_get(c, "alti_logit");
        CHECK_NEAR(compare(&s.source_attributions, json_get(want, "source"), false), 0, 6e-6 * largest);
        CHECK_NEAR(compare(&s.target_attributions, json_get(want, "target"), true), 0, 6e-6 * largest);
        int k = 0;
        for (const Json *row = json_get(c, "parts")->child; row; row = row->next, k++) {
            const float *got = step_score(&s, parts[k])->v;
            for (const Json *x = row->child; x; x = x->next)
                CHECK_NEAR((double)*got++, x->number, 6e-6 * largest);
        }
    }
}

// ------------------------------------------------------------------------------------------ what must hold

TEST(alti_sums)
{
    static const char *const models[] = {"marian-en-nl-bf16", "t5-yesno-mini", "t5-v10-relu", "odd-t5"};
    for (int k = 0; k < 4; k++) {
        Lab l;
        if (!lab_open(A, models[k], &l)) return;
        Pair p = lab_forced(A, &l, "Don't get hot-headed mate, it's easy peasy to study models with Inseq!",
                            "Niet heethoofdig worden man, het is een makkie!");
        AttrOptions o = both_sides();
        o.step_scores = (const char *const[]){"logit"}, o.n_step_scores = 1;
        Sequence share = attributed(A, l.m, &p, o, "alti", NULL),
                 logit = attributed(A, l.m, &p, o, "alti_logit", "{\"output_logit_parts\": true}"),
                 plain = attributed(A, l.m, &p, o, "alti_logit", NULL);
        CHECK_INT(plain.n_step_scores, 1);
        CHECK_INT(logit.n_step_scores, 4);
        for (int64_t c = 0; c < p.target.n - 1; c++) {
            CHECK_NEAR(column_sum(&share, c), 1, 1e-6);
            double rest = 0, largest = 0;
            for (size_t i = 0; i < 4; i++) {
                double part = (double)logit.step_scores[i].scores.v[c];
                rest += i ? part : 0, largest = fmax(largest, fabs(part));
            }
            CHECK_NEAR(column_sum(&logit, c) + rest, (double)logit.step_scores[0].scores.v[c],
                       4e-6 * largest);
        }
    }
}

// The source alone is what it is beside the prefix, and some of the steps what they are among all.
TEST(alti_one_side)
{
    static const char *const method[] = {"alti", "alti_logit"};
    Lab l;
    if (!lab_open(A, "t5-yesno-tiny", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is, yes");
    for (int k = 0; k < 2; k++) {
        AttrOptions o = both_sides();
        Sequence both = attributed(A, l.m, &p, o, method[k], NULL);
        o.attribute_target = false, o.has_start = o.has_end = true, o.start = 3, o.end = 5;
        Sequence one = attributed(A, l.m, &p, o, method[k], NULL);
        CHECK(!one.target_attributions.v);
        CHECK_INT(one.source_attributions.dim[1], 2);
        for (int64_t i = 0; i < p.source.n; i++)
            for (int64_t c = 0; c < 2; c++)
                CHECK(at(&one.source_attributions, i, c) == at(&both.source_attributions, i, c + 2));
    }
}

// Of the token's logit less the foil's, the columns are the difference of the two; of equal words, nothing is left; a foil
// with a pass of its own is left alone. Parts add up to the difference.
TEST(alti_logit_of_a_foil)
{
    static const char *const models[] = {"marian-en-nl", "t5-yesno"};
    for (int k = 0; k < 2; k++) {
        Lab l;
        if (!lab_open(A, models[k], &l)) return;
        Pair p = lab_forced(A, &l, "Does 3 + 3 equal 6?", "yes, yes"), foil = p;
        int64_t n = p.target.n - 1;
        int32_t *ids = arena_new(A, int32_t, n + 1);
        for (int64_t i = 0; i <= n; i++) ids[i] = p.target.v[i];
        ids[n] = ids[2], foil.target.v = ids; // another last word
        Sequence a = attributed(A, l.m, &p, both_sides(), "alti_logit", NULL),
                 b = attributed(A, l.m, &foil, both_sides(), "alti_logit", NULL);
        p.contrast = &foil;
        AttrOptions o = both_sides();
        o.attributed_fn = "contrast_logits_diff";
        o.step_scores = (const char *const[]){"contrast_logits_diff"}, o.n_step_scores = 1;
        Sequence d = attributed(A, l.m, &p, o, "alti_logit", "{\"output_logit_parts\": true}");
        double largest = 0, rest = 0;
        for (int64_t i = 0; i < p.source.n; i++) {
            double x = at(&a.source_attributions, i, n - 1), y = at(&b.source_attributions, i, n - 1);
            CHECK_NEAR(at(&d.source_attributions, i, n - 1), x - y, 1e-5);
            largest = fmax(largest, fabs(x - y));
            for (int64_t c = 0; c + 1 < n; c++) CHECK(at(&d.source_attributions, i, c) == 0);
        }
        CHECK(largest > 0.01);
        for (size_t i = 1; i < 4; i++) rest += (double)d.step_scores[i].scores.v[n - 1];
        CHECK_NEAR(column_sum(&d, n - 1) + rest, (double)d.step_scores[0].scores.v[n - 1], 2e-5);
        o.step.contrast_force_inputs = true;
        Sequence forced = attributed(A, l.m, &p, o, "alti_logit", NULL);
        for (int64_t i = 0; i < p.source.n; i++)
            CHECK(at(&forced.source_attributions, i, n - 1) == at(&a.source_attributions, i, n - 1));
    }
}

// A norm that lets nothing through but its bias: no vector points to the result, and rows stay what they were.
TEST(alti_without_contributions)
{
    static const char *const norms[] = {"self_attn_layer_norm", "encoder_attn_layer_norm"};
    Lab l;
    Err e = {0};
    if (!lab_open(A, "odd-marian", &l)) return;
    for (int k = 0; k < 2; k++) {
        int64_t width = 0;
        const char *path = arena_printf(A, "model.decoder.layers.0.%s", norms[k]);
        const Tensor *g = nn_find_layer(l.m, str_of(path), &width, &e);
        if (!g) return FAIL("%s", e.text), (void)0;
        CHECK_INT(width, l.f->width);
        memset(g->f, 0, (size_t)width * sizeof(float));
    }
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
    Sequence s = attributed(A, l.m, &p, both_sides(), "alti", NULL);
    for (int64_t c = 0; c < p.target.n - 1; c++) {
        for (int64_t i = 0; i < p.source.n; i++) CHECK(at(&s.source_attributions, i, c) == 0);
        for (int64_t i = 0; i <= c; i++) CHECK(at(&s.target_attributions, i, c) == (i == c));
    }
}

TEST(alti_arguments)
{
    Lab l;
    Err e = {0};
    Sequence s;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes");
    AttrOptions o = attr_defaults();
    o.method = "alti_logit", o.method_args = json_parse(A, STR_LIT("{\"output_logit_parts\": 3}"), "", &e);
    CHECK(!attr_run(A, l.m, &o, &p, 1, &s, &e));
    CHECK_HAS(e.text, "argument output_logit_parts is a number; it must be true or false");
}
