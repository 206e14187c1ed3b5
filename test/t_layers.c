// SPDX-License-Identifier: Apache-2.0
// t_layers.c — layers of the decoder and of the encoder: against Captum in double (tools/oracle/layers.py), and by what
// must hold. At the embeddings and at the encoder's end: t_methods.c.
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static bool attributed(Arena *A, const Lab *l, AttrOptions o, const char *method, const char *args,
                       const Pair *p, Sequence *out)
{
    Err e = {0};
    o.method = method, o.unk = tok_unk(l->t), o.eos = tok_eos(l->t);
    o.method_args = args ? json_parse(A, str_of(args), "arguments", &e) : NULL;
    return attr_run(A, l->m, &o, p, 1, out, &e) ||
           (FAIL("%s %s: %s", method, args ? args : "", e.text), false);
}

static AttrOptions options(bool target)
{
    AttrOptions o = attr_defaults();
    o.attribute_target = target;
    return o;
}

static float delta(const Sequence *s, int64_t column)
{
    for (size_t i = 0; i < s->n_step_scores; i++)
        if (str_is(s->step_scores[i].name, "deltas")) return s->step_scores[i].scores.v[column];
    return FAIL("no deltas"), NAN;
}

// ------------------------------------------------------------------------------------------ against Captum

// One step's rows against their sums and norms; those that the step does not see are NaN.
static void compare(const char *what, const Scores *got, int64_t column, const Json *rows, double tolerance)
{
    double off = 0, size = 0;
    int64_t i = 0;
    for (const Json *row = rows->child; row; row = row->next, i++) {
        double sum = 0, square = 0;
        for (int64_t j = 0; j < got->dim[2]; j++) {
            double v = (double)run_cell(got, i, column)[j];
            sum += v, square += v * v;
        }
        off = fmax(off, fabs(sum - row->child->number)), size = fmax(size, row->child->next->number);
        off = fmax(off, fabs(sqrt(square) - row->child->next->number));
    }
    for (; i < got->dim[0]; i++) CHECK(isnan(run_cell(got, i, column)[0]));
    if (!(off <= tolerance * size))
        FAIL("%s, step %" PRId64 ": off by %.3g, norms up to %.3g", what, column, off, size);
    test_count((long)(2 * rows->count));
}

static void golden_case_of(Arena *A, const Json *c)
{
    Lab l;
    Sequence s;
    const char *method = str_zero(A, json_get(c, "method")->text),
               *layer = str_zero(A, json_get(c, "layer")->text);
    if (!lab_open(A, str_zero(A, json_get(c, "model")->text), &l)) return;
    Pair p =
        lab_forced(A, &l, str_zero(A, json_get(c, "source")->text), str_zero(A, json_get(c, "target")->text));
    CHECK_INT(p.source.n, json_get(c, "source_ids")->count);
    CHECK_INT(p.target.n, json_get(c, "target_ids")->count);
    AttrOptions o = options(json_get(c, "attribute_target")->kind == J_TRUE);
    o.attributed_fn = "logit";
    const Json *change = json_get(c, "deltas")->child, *step = json_get(c, "columns")->child;
    bool lifts = change->kind == J_NUMBER;
    // of the column's largest norm; float32 is off from double by 2.2e-5 at most. DeepLIFT divides differences of near
    // values in the feed-forward layers: 1.2e-4, and sums of them 2.3e-4
    double tolerance = strcmp(method, "layer_deeplift") ? 4e-5 : 4e-4;
    if (!attributed(
            A, &l, o, method,
            arena_printf(A, "{\"target_layer\": \"%s\", \"n_steps\": 8, \"return_convergence_delta\": %s}",
                         layer, lifts ? "true" : "false"),
            &p, &s))
        return;
    const Scores *got = s.target_attributions.v ? &s.target_attributions : &s.source_attributions;
    CHECK_INT(got->dim[2], json_get(c, "width")->i);
    for (int64_t k = 0; step; step = step->next, change = change->next, k++) {
        compare(layer, got, k, step, tolerance);
        if (lifts) CHECK_NEAR(delta(&s, k), change->number, tolerance);
    }
}

TEST(layers_golden)
{
    const Json *all = test_json(A, "test/golden/layers.json");
    int cases = 0;
    for (const Json *c = all ? all->child : NULL; c; c = c->next, cases++) {
        Arena *a = arena_create(A);
        golden_case_of(a, c);
        arena_free(a);
    }
    CHECK_INT(cases, 14);
}

// ------------------------------------------------------------------------------------------ by what must hold

static void same(const char *what, const Scores *a, const Scores *b)
{
    int64_t n = a->dim[0] * a->dim[1] * a->dim[2];
    if (a->dim[0] != b->dim[0] || a->dim[2] != b->dim[2] || memcmp(a->v, b->v, (size_t)n * sizeof(float)))
        FAIL("%s: other scores", what);
    test_count(n);
}

// At the prefix's embeddings they are the target's side of the methods without a layer.
TEST(layers_of_the_prefix)
{
    static const char *const args = "{\"target_layer\": \"decoder.embed_tokens\"}";
    static const char *const methods[][2] = {{"layer_gradient_x_activation", "input_x_gradient"}};
    Lab l;
    Sequence x, y;
    if (!lab_open(A, "t5-v10-relu", &l)) return;
    Pair p = lab_forced(A, &l, "The nurse went to the hospital.", "De verpleger ging.");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!attributed(A, &l, options(true), methods[i][0], args, &p, &x) ||
            !attributed(A, &l, options(true), methods[i][1], NULL, &p, &y))
            return;
        same(methods[i][0], &x.target_attributions, &y.target_attributions);
        CHECK(!x.source_attributions.v);
    }
}

// The same bits with one cotangent a way back, in a batch, and from a later step on.
TEST(layers_bits)
{
    static const char *const methods[] = {"layer_gradient_x_activation", "layer_integrated_gradients",
                                          "layer_deeplift"};
    static const char *const args =
        "{\"n_steps\": 3, \"target_layer\": \"decoder.layers.2.self_attn.v_proj\"}";
    Lab l;
    Err e = {0};
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p[] = {
        lab_forced(A, &l, "The nurse went to the hospital.", "De verpleger ging naar het ziekenhuis."),
        lab_forced(A, &l, "It is raining.", "Het regent.")};
    for (int i = 0; i < 3; i++) {
        Sequence x, y, both[2];
        AttrOptions o = options(true), later = options(true);
        o.max_memory = 1;
        if (!attributed(A, &l, options(true), methods[i], args, &p[0], &x) ||
            !attributed(A, &l, o, methods[i], args, &p[0], &y))
            return;
        same(methods[i], &x.target_attributions, &y.target_attributions);
        o = options(true);
        o.method = methods[i], o.unk = tok_unk(l.t), o.eos = tok_eos(l.t);
        o.method_args = json_parse(A, str_of(args), "arguments", &e);
        if (!attr_run(A, l.m, &o, p, 2, both, &e)) return FAIL("%s", e.text);
        same(methods[i], &x.target_attributions, &both[0].target_attributions);
        later.has_start = true, later.start = 3;
        if (!attributed(A, &l, later, methods[i], args, &p[0], &y)) return;
        const Scores *a = &x.target_attributions, *b = &y.target_attributions;
        for (int64_t c = 0; c < b->dim[1]; c++)
            for (int64_t row = 0; row < c + 3; row++)
                CHECK(
                    !memcmp(run_cell(a, row, c + 2), run_cell(b, row, c), (size_t)a->dim[2] * sizeof(float)));
    }
}

// A foil that has a pass of its own: rows of a layer wider than the embeddings are kept whole. With the target as its own
// foil nothing is left.
TEST(layers_with_a_foil)
{
    Lab l;
    Sequence s;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, "The nurse went to the hospital.", "De verpleger ging naar het ziekenhuis."),
         foil = p;
    p.contrast = &foil;
    AttrOptions o = options(false);
    o.attributed_fn = "contrast_prob_diff", o.step.contrast_force_inputs = true;
    if (!attributed(A, &l, o, "layer_gradient_x_activation", "{\"target_layer\": \"encoder.layers.1.fc1\"}",
                    &p, &s))
        return;
    const Scores *x = &s.source_attributions;
    CHECK(x->dim[2] > l.f->width);
    for (int64_t i = 0; i < x->dim[0] * x->dim[1] * x->dim[2]; i++) CHECK(fabsf(x->v[i]) < 1e-7f);
    Err e = {0};
    o.method = "layer_gradient_x_activation";
    o.method_args = json_parse(A, STR_LIT("{\"target_layer\": \"decoder.layers.1.fc1\"}"), "arguments", &e);
    CHECK(!attr_run(A, l.m, &o, &p, 1, &s, &e));
    CHECK_HAS(e.text, "contrast_force_inputs must be off");
}
