// SPDX-License-Identifier: Apache-2.0
// t_beyond_golden.c — methods that the library does not have, against their papers' formulas in PyTorch's float64 on
// transformers' models (tools/oracle/beyond.py, coalitions.py). What must hold of them whatever the numbers are is t_beyond.c's.
#include "lab.h"

#include <math.h>

static const char *const models[] = {"marian-en-nl", "t5-yesno"};
enum { MODELS = 2 };

typedef struct Golden {
    Lab l;
    const Checkpoint *c, *more;
    Pair p;
} Golden;

static bool open_golden(Arena *A, const char *model, Golden *g)
{
    if (!lab_open(A, model, &g->l)) return false;
    g->c = lab_tensors(A, arena_printf(A, "../beyond/%s.safetensors", model));
    g->more = lab_tensors(A, arena_printf(A, "../beyond/coalitions-%s.safetensors", model));
    if (!g->c || !g->more) return false;
    g->p = lab_pair(A, &g->l, lab_ids(A, lab_tensor(g->c, "source")), lab_ids(A, lab_tensor(g->c, "target")));
    return true;
}

static Sequence attributed(Arena *A, const Golden *g, const char *method, const char *args)
{
    Err e = {0};
    Sequence s = {0};
    AttrOptions o = attr_defaults();
    o.method = method, o.attribute_target = true, o.unk = tok_unk(g->l.t), o.eos = tok_eos(g->l.t);
    o.method_args = args ? json_parse(A, str_of(args), "arguments", &e) : NULL;
    if (!attr_run(A, g->l.m, &o, &g->p, 1, &s, &e)) FAIL("%s: %s", method, e.text);
    return s;
}

// Each number within `most` of the golden one.
static void compare(const char *what, const Scores *got, const Stored *want, double most)
{
    int64_t n = got->v ? 1 : 0;
    for (int k = 0; k < got->rank; k++) n *= got->dim[k];
    CHECK_INT(lab_count(want), n);
    if (lab_count(want) != n) return;
    for (int64_t i = 0; i < n; i++) {
        double v = (double)got->v[i], w = lab_at(want, i);
        if (isnan(w) ? !isnan(v) : !(fabs(v - w) <= most))
            return FAIL("%s: [%" PRId64 "] %.9g, want %.9g within %.3g", what, i, v, w, most), (void)0;
    }
    test_count(n);
}

static double largest(const Stored *s)
{
    double size = 0;
    for (int64_t i = 0; i < lab_count(s); i++)
        if (!isnan(lab_at(s, i))) size = fmax(size, fabs(lab_at(s, i)));
    return size;
}

// Both sides of tensors "NAME.source" and "NAME.target", within a share of the side's largest number.
static void compare_sides(Arena *A, const Checkpoint *c, const Sequence *got, const char *name, double share)
{
    static const char *const sides[] = {"source", "target"};
    const Scores *scores[] = {&got->source_attributions, &got->target_attributions};
    for (int k = 0; k < 2; k++) {
        const char *what = arena_printf(A, "%s.%s", name, sides[k]);
        const Stored *want = lab_tensor(c, what);
        CHECK(largest(want) > 0);
        compare(what, scores[k], want, share * largest(want));
    }
}

static void golden(Arena *A, const char *name, const char *method, const char *args, double share)
{
    for (int m = 0; m < MODELS; m++) {
        Golden g;
        if (!open_golden(A, models[m], &g)) return;
        Sequence got = attributed(A, &g, method, args);
        compare_sides(A, g.c, &got, name, share);
    }
}

// Shares of the largest number that our float32 may be off; in brackets how far it is, and how far PyTorch's own float32.

// (1.5e-7, 1.0e-7)
TEST(beyond_golden_attention_rollout) { golden(A, "attention_rollout", "attention_rollout", NULL, 3e-7); }

// (7.9e-7, 9.7e-7)
TEST(beyond_golden_attention_x_norm)
{
    golden(A, "attention_x_norm", "attention_x_norm", NULL, 1.5e-6);
    golden(A, "attention_x_norm_sum_heads", "attention_x_norm", "{\"sum_heads\": true}", 1.5e-6);
}

// (2.4e-5, 2.5e-5: the probability is near 1)
TEST(beyond_golden_gradient_x_attention)
{
    golden(A, "gradient_x_attention", "gradient_x_attention", NULL, 4e-5);
}

// (1.2e-5, 5.2e-6)
TEST(beyond_golden_smooth_grad)
{
    golden(A, "smooth_grad", "smooth_grad", "{\"n_samples\": 6, \"stdev\": 0.15, \"seed\": 5}", 2e-5);
    golden(A, "smooth_grad_input_x_gradient", "smooth_grad",
           "{\"n_samples\": 6, \"stdev\": 0.15, \"seed\": 5, \"method\": \"input_x_gradient\"}", 2e-5);
}

static const Scores *standard_error(const Sequence *s)
{
    static const Scores none;
    for (size_t i = 0; i < s->n_step_scores; i++)
        if (str_is(s->step_scores[i].name, "standard_error")) return &s->step_scores[i].scores;
    return FAIL("no standard_error"), &none;
}

// The mean over the very orders that the seed draws (2.2e-6, 1.2e-6), and its standard error (8e-6, 1.8e-5).
TEST(beyond_golden_shapley_orders)
{
    for (int m = 0; m < MODELS; m++) {
        Golden g;
        if (!open_golden(A, models[m], &g)) return;
        Sequence got = attributed(A, &g, "shapley_sampling", "{\"n_samples\": 6, \"seed\": 5}");
        const Stored *error = lab_tensor(g.c, "standard_error");
        compare_sides(A, g.c, &got, "shapley_orders", 4e-6);
        compare("standard_error", standard_error(&got), error, 2e-5 * largest(error));
    }
}

// Many orders against the values of all coalitions: within four of the standard errors that we say.
TEST(beyond_golden_shapley_exact)
{
    for (int m = 0; m < MODELS; m++) {
        Golden g;
        if (!open_golden(A, models[m], &g)) return;
        Sequence got = attributed(A, &g, "shapley_sampling", "{\"n_samples\": 600, \"seed\": 1}");
        const float *error = standard_error(&got)->v;
        const Stored *source = lab_tensor(g.c, "shapley_exact.source"),
                     *target = lab_tensor(g.c, "shapley_exact.target");
        int64_t S = g.p.source.n, n = g.p.target.n - 1;
        CHECK_INT(lab_count(source), S * n);
        CHECK_INT(lab_count(target), (n + 1) * n);
        if (!error || !got.source_attributions.v || !got.target_attributions.v) return;
        for (int64_t c = 0; c < n; c++) {
            double most = 4 * (double)error[c], size = 0;
            for (int64_t i = 0; i < S; i++) {
                double want = lab_at(source, i * n + c);
                CHECK_NEAR((double)got.source_attributions.v[i * n + c], want, most);
                size = fmax(size, fabs(want));
            }
            for (int64_t i = 0; i <= c; i++)
                CHECK_NEAR((double)got.target_attributions.v[i * n + c], lab_at(target, i * n + c), most);
            CHECK(most < size / 2); // or anything would pass
        }
    }
}

static void golden_more(Arena *A, const char *name, const char *method, const char *args, double share)
{
    for (int m = 0; m < MODELS; m++) {
        Golden g;
        if (!open_golden(A, models[m], &g)) return;
        Sequence got = attributed(A, &g, method, args);
        compare_sides(A, g.more, &got, name, share);
    }
}

TEST(beyond_golden_square_grad)
{
    golden_more(A, "square_grad", "square_grad", "{\"n_samples\": 6, \"stdev\": 0.15, \"seed\": 5}", 2e-5);
    golden_more(A, "square_grad_input_x_gradient", "square_grad",
                "{\"n_samples\": 6, \"stdev\": 0.15, \"seed\": 5, \"method\": \"input_x_gradient\"}", 2e-5);
}

TEST(beyond_golden_var_grad)
{
    golden_more(A, "var_grad", "var_grad", "{\"n_samples\": 6, \"stdev\": 0.15, \"seed\": 5}", 2e-5);
    golden_more(A, "var_grad_input_x_gradient", "var_grad",
                "{\"n_samples\": 6, \"stdev\": 0.15, \"seed\": 5, \"method\": \"input_x_gradient\"}", 2e-5);
}

// The very coalitions that the seed draws; and all of them, which give Shapley's values.
TEST(beyond_golden_kernel_shap)
{
    golden_more(A, "kernel_shap", "kernel_shap", "{\"n_samples\": 24, \"seed\": 5}", 4e-6);
    golden(A, "shapley_exact", "kernel_shap", "{\"n_samples\": 254}", 4e-6);
}

TEST(beyond_golden_sobol)
{
    golden_more(A, "sobol_total", "sobol", "{\"n_samples\": 10, \"seed\": 5}", 2e-5);
    golden_more(A, "sobol_first", "sobol", "{\"n_samples\": 10, \"seed\": 5, \"order\": \"first\"}", 2e-5);
}
