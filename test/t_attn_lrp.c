// SPDX-License-Identifier: Apache-2.0
// t_attn_lrp.c — relevance by AttnLRP's rules: against transformers' modules with those rules in double
// (tools/oracle/attn_lrp.py), each operation's rule by itself, and by what must hold. That the bits agree on every machine,
// in every batch and memory is t_methods.c's.
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static Sequence attributed(Arena *A, const Lab *l, const char *function, bool target, const Pair *p)
{
    Err e = {0};
    Sequence s = {0};
    AttrOptions o = attr_defaults();
    o.method = "attn_lrp", o.attributed_fn = function, o.attribute_target = target;
    if (!attr_run(A, l->m, &o, p, 1, &s, &e)) FAIL("%s", e.text);
    return s;
}

// ------------------------------------------------------------------------------------------ against double

static void same_ids(const Json *want, Ids got)
{
    CHECK_INT(got.n, want->count);
    const Json *w = want->child;
    for (int64_t i = 0; w && i < got.n; i++, w = w->next) CHECK_INT(got.v[i], w->i);
}

typedef struct Column {
    double off, size, sum; // largest difference and value, sum of all
} Column;

static void compare(const Scores *got, int64_t column, const Json *want, Column *c)
{
    int64_t i = 0;
    for (const Json *w = want->child; w; w = w->next, i++) {
        double v = (double)*run_cell(got, i, column);
        c->off = fmax(c->off, fabs(v - w->number)), c->size = fmax(c->size, fabs(w->number));
        c->sum += v;
    }
    for (; i < got->dim[0]; i++) CHECK(isnan(*run_cell(got, i, column))); // rows that the step does not see
    test_count((long)want->count);
}

static int golden_case_of(Arena *A, const Json *c)
{
    Lab l;
    const char *name = str_zero(A, json_get(c, "model")->text),
               *f = str_zero(A, json_get(c, "function")->text);
    const char *source = str_zero(A, json_get(c, "source")->text);
    if (!lab_open(A, name, &l)) return 0;
    Pair p = lab_forced(A, &l, source, str_zero(A, json_get(c, "target")->text)), foil;
    same_ids(json_get(c, "source_ids"), p.source), same_ids(json_get(c, "target_ids"), p.target);
    if (json_get(c, "foil")->kind == J_STRING) {
        foil = lab_forced(A, &l, source, str_zero(A, json_get(c, "foil")->text));
        p.contrast = &foil;
    }
    Sequence s = attributed(A, &l, f, true, &p);
    CHECK_INT(s.kind, OUT_COARSE);
    CHECK_INT(s.source_attributions.rank, 2);
    // Of the column's largest. Logits are off by 9e-6 at most; probabilities near 1 lose digits in p (1 - p): 8e-5. A rule
    // that is wrong by a factor of two anywhere is off by some tenths.
    double tolerance = strcmp(f, "logit") ? 2e-4 : 2e-5;
    int columns = 0;
    const Json *share = json_get(c, "shared_and_kept")->child;
    for (const Json *w = json_get(c, "columns")->child; w; w = w->next, share = share->next, columns++) {
        Column k = {0};
        compare(&s.source_attributions, columns, w->child, &k);
        compare(&s.target_attributions, columns, w->child->next, &k);
        if (!(k.off <= tolerance * k.size))
            FAIL("%s, %s, column %d: off by %.3g of %.3g", name, f, columns, k.off, k.size);
        double shared = share->child->number, kept = share->child->next->number; // conservation
        CHECK_NEAR(k.sum, shared - kept, tolerance * (k.size + fabs(shared)));
    }
    CHECK_INT(columns, p.target.n - 1);
    return columns;
}

TEST(attn_lrp_golden)
{
    const Json *all = test_json(A, "test/golden/attn_lrp.json");
    int columns = 0;
    for (const Json *c = all ? all->child : NULL; c; c = c->next) columns += golden_case_of(A, c);
    CHECK_INT(columns, 67);
}

// ------------------------------------------------------------------------------------------ rule by rule

enum { R = 5, C = 12, SENTENCES = 2 };

typedef struct Small { // an operation on three leaves of two sentences, with a cotangent for each row
    Tape *t;
    Tensor *in[3], *y;
    Layout *seed;
    float *dy; // [seed->total, C]
} Small;

static float *numbers(Arena *A, int64_t n, uint64_t seed)
{
    float *f = arena_new(A, float, n);
    for (int64_t i = 0; i < n; i++) f[i] = (float)(num_random(seed, (uint64_t)i) >> 40) * 0x1p-22f - 2;
    return f;
}

static Small small(Arena *A)
{
    Small s = {.t = tape_create(A)};
    const Rows *rows = rows_make(A, SENTENCES, (int64_t[]){2, R - 2});
    for (int i = 0; i < 3; i++) {
        float *f = numbers(A, R * C, (uint64_t)i);
        f[3 + i] = 0;
        s.in[i] = tn_leaf(s.t, f, R, C, rows, true);
    }
    s.seed =
        layout_make(A, R, (int32_t[]){0, 0, 1, 1, 1}, (int64_t[]){0, 0, 2, 2, 4}, (int64_t[]){1, 2, 1, 3, 1});
    s.dy = numbers(A, s.seed->total * C, 9);
    return s;
}

static void back(Small *s, bool lrp)
{
    tape_lrp(s->t, lrp);
    tape_backward(s->t, s->y, s->seed, s->dy);
}

// The relevance of a leaf's row i for cotangent k, by columns: value times gradient.
static double relevance(const Tensor *x, int64_t k, int64_t i, int64_t j)
{
    const Layout *l = x->layout;
    int64_t at = i - l->row0[k];
    if (at < 0 || at >= l->n[k]) return 0;
    return (double)x->f[i * x->cols + j] * (double)x->grad[(l->at[k] + at) * x->cols + j];
}

// And of the result's.
static double given(const Small *s, int64_t k, int64_t i, int64_t j)
{
    int64_t at = i - s->seed->row0[k];
    if (at < 0 || at >= s->seed->n[k]) return 0;
    return (double)s->y->f[i * C + j] * (double)s->dy[(s->seed->at[k] + at) * C + j];
}

// Element by element a part of the result's relevance.
static void check_elements(const char *what, const Small *s, int leaf, double part)
{
    for (int64_t k = 0; k < s->seed->K; k++)
        for (int64_t i = 0; i < R; i++)
            for (int64_t j = 0; j < C; j++) {
                double got = relevance(s->in[leaf], k, i, j), want = part * given(s, k, i, j);
                if (!(fabs(got - want) <= 4e-7 * fabs(want)))
                    FAIL("%s: input %d, cotangent %" PRId64 ", [%" PRId64 ",%" PRId64
                         "]: %.9g, expected %.9g",
                         what, leaf, k, i, j, got, want);
            }
    test_count(R * R * C);
}

TEST(attn_lrp_elements)
{
    for (int act = ACT_RELU; act <= ACT_TANH; act++) {
        Small s = small(A);
        s.y = tn_act(s.t, s.in[0], (Act)act);
        back(&s, true);
        check_elements("act", &s, 0, 1);
        CHECK(s.in[0]->f[3] == 0 && s.in[0]->grad[3] == 0); // and not act'(0)
    }
    Small s = small(A), n = small(A);
    s.y = tn_mul(s.t, s.in[0], s.in[1]);
    back(&s, true);
    check_elements("mul", &s, 0, 0.5), check_elements("mul", &s, 1, 0.5);
    Tensor *gain = tn_leaf(n.t, numbers(A, C, 4), 1, C, NULL, false), *none = tn_new(n.t, 1, C, NULL);
    memset(none->f, 0, C * sizeof(float));
    n.y = tn_rmsnorm(n.t, n.in[0], gain, 1e-6f);
    back(&n, true);
    check_elements("rmsnorm", &n, 0, 1);
}

// A layer norm moves relevance within a row by its mean, and keeps what its bias added.
TEST(attn_lrp_layernorm)
{
    Small s = small(A);
    Tensor *gain = tn_leaf(s.t, numbers(A, C, 4), 1, C, NULL, false),
           *bias = tn_leaf(s.t, numbers(A, C, 5), 1, C, NULL, false);
    s.y = tn_layernorm(s.t, s.in[0], gain, bias, 1e-5f);
    back(&s, true);
    for (int64_t k = 0; k < s.seed->K; k++)
        for (int64_t i = 0; i < R; i++) {
            double got = 0, want = 0, size = 0, mean = 0, square = 0, pulled = 0;
            const float *x = s.in[0]->f + i * C, *dy = s.dy + (s.seed->at[k] + i - s.seed->row0[k]) * C;
            if (i < s.seed->row0[k] || i >= s.seed->row0[k] + s.seed->n[k]) continue;
            for (int64_t j = 0; j < C; j++)
                mean += (double)x[j] / C, pulled += (double)gain->f[j] * (double)dy[j] / C;
            for (int64_t j = 0; j < C; j++) square += ((double)x[j] - mean) * ((double)x[j] - mean) / C;
            double r = 1 / sqrt(square + 1e-5);
            for (int64_t j = 0; j < C; j++) {
                double one = relevance(s.in[0], k, i, j);
                got += one, want += given(&s, k, i, j) - (double)bias->f[j] * (double)dy[j];
                size += fabs(one);
                CHECK_NEAR(one, (double)x[j] * r * ((double)gain->f[j] * (double)dy[j] - pulled), 1e-5);
            }
            CHECK_NEAR(got, want, 1e-6 * (1 + size));
        }
}

static float *copy_grad(Arena *A, const Tensor *x)
{
    return memcpy(arena_new(A, float, x->layout->total *C), x->grad,
                  (size_t)(x->layout->total * C) * sizeof(float));
}

// Of the ordinary gradients values get half, queries and keys a quarter, to the bit; and after all that the ordinary
// gradients are what they were.
TEST(attn_lrp_attention)
{
    for (int causal = 0; causal < 2; causal++) {
        Small s = small(A);
        float *plain[3];
        s.y = tn_attention(s.t, s.in[0], s.in[1], s.in[2],
                           &(Attention){.heads = 3, .scale = 0.3f, .causal = causal});
        back(&s, false);
        for (int i = 0; i < 3; i++) plain[i] = copy_grad(A, s.in[i]);
        back(&s, true);
        for (int i = 0; i < 3; i++)
            for (int64_t j = 0; j < s.in[i]->layout->total * C; j++)
                CHECK(s.in[i]->grad[j] == plain[i][j] * (i == 2 ? 0.5f : 0.25f));
        double half = 0, all = 0;
        for (int64_t k = 0; k < s.seed->K; k++)
            for (int64_t i = 0; i < R * C; i++)
                half += relevance(s.in[2], k, i / C, i % C), all += given(&s, k, i / C, i % C);
        CHECK_NEAR(half, all / 2, 1e-5);
        back(&s, false);
        for (int i = 0; i < 3; i++)
            CHECK(!memcmp(s.in[i]->grad, plain[i], (size_t)(s.in[i]->layout->total * C) * sizeof(float)));
    }
}

// ------------------------------------------------------------------------------------------ what must hold

static double largest(const Scores *s)
{
    double most = 0;
    for (int64_t i = 0; i < s->dim[0] * s->dim[1]; i++)
        if (!isnan(s->v[i])) most = fmax(most, fabs((double)s->v[i]));
    return most;
}

// Relevance is linear in the function: that of a difference is the difference. The source's does not depend on whether the
// target's is asked for.
TEST(attn_lrp_linear)
{
    static const char *const models[] = {"marian-en-nl", "t5-v10-relu"};
    for (int m = 0; m < 2; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is"), foil = lab_forced(A, &l, "Is 4 even?", "no");
        p.contrast = &foil;
        Sequence one = attributed(A, &l, "logit", true, &p),
                 two = attributed(A, &l, "contrast_logits", true, &p),
                 both = attributed(A, &l, "contrast_logits_diff", true, &p),
                 alone = attributed(A, &l, "logit", false, &p);
        CHECK(!alone.target_attributions.v);
        for (int side = 0; side < 2; side++) {
            const Scores *s[] = {side ? &one.target_attributions : &one.source_attributions,
                                 side ? &two.target_attributions : &two.source_attributions,
                                 side ? &both.target_attributions : &both.source_attributions};
            double size = largest(s[0]);
            CHECK(size > 0 && largest(s[2]) > 1e-3 * size);
            for (int64_t i = 0; i < s[0]->dim[0] * s[0]->dim[1]; i++) {
                CHECK_INT(isnan(s[2]->v[i]), side && i / s[0]->dim[1] > i % s[0]->dim[1]);
                if (isnan(s[2]->v[i])) continue;
                CHECK_NEAR((double)s[2]->v[i], (double)s[0]->v[i] - (double)s[1]->v[i], 2e-5 * size);
                if (!side)
                    CHECK_NEAR((double)alone.source_attributions.v[i], (double)s[0]->v[i], 2e-6 * size);
            }
        }
    }
}
