// SPDX-License-Identifier: Apache-2.0
// expected_gradients.c — integrated gradients with many baselines: the gradient at random points on the lines to texts
// that are drawn from a file. Erion, Janizek, Sturmfels, Lundberg and Lee 2021, arXiv:1906.10670.
//
//   score[i,s,:] = mean over k < n_samples of (x[i,:] - b_k[i,:]) * df_s/dx[i,:] at b_k + a_k (x - b_k)
//   a_k = (k + u_k) / n_samples              u_k = num_random(seed, k + 1) / 2^64 in [0, 1)
//   b_k: text floor(n frac(v + k phi)) of n     v = num_random(seed, 0) / 2^64, phi the golden ratio
// Every position and text is as likely as in the paper, which draws both uniformly; that each part of the line has its
// draw and the texts take turns along it takes most of the chance out of the mean (stratified sampling; Weyl's sequence).
// A draw serves all steps, a forward and a backward pass. Row i of b_k is the text's token i; where the source (the prompt
// of a decoder-only model) goes on the unknown word stands, and what it has more is cut off. End tokens, and the target's
// other rows, are as in baseline.c; without a file so is all else. In expectation a column sums to f_s(x) - mean f_s(b), which "deltas" is held against,
// with the baselines as often as they were drawn.
#include "../run.h"

#include <string.h>

enum { SAMPLES = 50 }; // by default

typedef struct Expected {
    const float *bx, *by;
    const Point *v;
    int64_t samples;
    uint64_t seed;
    int64_t kept; // the point whose baseline moved holds; -1: none
    float *moved; // a source's baseline [S, D], or that of a target which begins with the prompt
    float *scratch;
    double *at_baseline; // [steps]
} Expected;

static float position(const Expected *c, int64_t k)
{
    double u = (double)(num_random(c->seed, (uint64_t)k + 1) >> 11) * 0x1p-53;
    return (float)(((double)k + u) / (double)c->samples);
}

static int64_t text_of(const Run *r, const Expected *c, int64_t k)
{
    uint64_t turn = num_random(c->seed, 0) + (uint64_t)k * 0x9E3779B97F4A7C15u; // 2^64 (phi - 1)
    return (int64_t)((turn >> 32) * r->o->n_baselines >> 32);
}

// Draw k's baseline of the side that texts stand in for.
static void fill_baseline(const Run *r, const Expected *c, int64_t p, int64_t k, float *to)
{
    Ids own = r->pair[p].source;
    bool prompt = !r->sources;
    const float *from = prompt ? c->by + run_y_at(r, p) : c->bx + run_x_at(r, p);
    memcpy(to, from, (size_t)((prompt ? r->pair[p].target.n - 1 : own.n) * r->width) * sizeof *to);
    if (!r->o->n_baselines) return;
    Ids text = r->o->baselines[text_of(r, c, k)];
    for (int64_t i = 0; i < own.n && i < text.n; i++)
        if (!run_baseline_keeps(r, own.v[i], i, prompt) && !run_baseline_keeps(r, text.v[i], i, prompt))
            nn_embed(r->m, (Ids){text.v + i, 1}, prompt, to + i * r->width);
}

static const float *baseline_of(const Run *r, Expected *c, int64_t i, bool target)
{
    if (target && r->sources) return c->by + run_y_at(r, c->v[i].pair);
    if (c->kept != i) fill_baseline(r, c, c->v[i].pair, i % c->samples, c->moved);
    c->kept = i;
    return c->moved;
}

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    Expected *c = context;
    int64_t p = c->v[i].pair;
    float a = position(c, i % c->samples);
    if (x) path_point(x, baseline_of(r, c, i, false), a, r->pair[p].source.n * r->width);
    if (y) path_point(y, baseline_of(r, c, i, true), a, (r->pair[p].target.n - 1) * r->width);
}

// to = (x - b) * dx
static const float *times_difference(float *to, const float *x, const float *b, const float *dx, int64_t n)
{
    for (int64_t k = 0; k < n; k++) to[k] = (x[k] - b[k]) * dx[k];
    return to;
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    Expected *c = context;
    int64_t p = c->v[i].pair, nx = r->pair[p].source.n * r->width, ny = (r->from[p] + column) * r->width;
    if (dx) dx = times_difference(c->scratch, run_x(r, p), baseline_of(r, c, i, false), dx, nx);
    if (dy) dy = times_difference(c->scratch + nx, run_y(r, p), baseline_of(r, c, i, true), dy, ny);
    path_add(r, p, column, 1 / (float)c->samples, i % c->samples == 0, dx, dy);
}

// ------------------------------------------------------------------------------------------ convergence

static void fill_end(Run *r, void *context, int64_t i, float *x, float *y)
{
    Expected *c = context;
    int64_t p = c->v[i].pair;
    if (x) memcpy(x, baseline_of(r, c, i, false), (size_t)(r->pair[p].source.n * r->width) * sizeof *x);
    if (y) memcpy(y, baseline_of(r, c, i, true), (size_t)((r->pair[p].target.n - 1) * r->width) * sizeof *y);
}

static void value(Run *r, void *context, int64_t i, int64_t column, double f)
{
    Expected *c = context;
    c->at_baseline[r->first_step[c->v[i].pair] + column] += f / (double)c->samples;
}

static bool deltas(Run *r, Expected *c, int64_t n, Err *e)
{
    bool wanted = arg_bool(r, "return_convergence_delta", false, e);
    if (e && e->set) return false;
    if (!wanted) return true;
    c->at_baseline = arena_new(r->work, double, r->n_steps), c->kept = -1;
    if (!run_points(r, &(Points){.v = c->v, .n = n, .context = c, .fill = fill_end, .value = value}, e))
        return false;
    run_delta_scores(r, c->at_baseline);
    return true;
}

// ------------------------------------------------------------------------------------------ the method

static bool check_baselines(Run *r, Err *e)
{
    if (attr_argument(r->o, "baselines") && !r->o->n_baselines)
        return err_set(e, "expected_gradients: there are no texts in the file of baselines");
    for (size_t k = 0; k < r->o->n_baselines; k++)
        for (int64_t i = 0; i < r->o->baselines[k].n; i++)
            if (!nn_check_ids(r->m, (Ids){r->o->baselines[k].v + i, 1}, !r->sources,
                              "a text of the baselines", e))
                return false;
    return true;
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Expected c = {.samples = arg_int(r, "n_samples", SAMPLES, 1, 1000000, e),
                  .seed = (uint64_t)arg_int(r, "seed", 0, 0, INT64_MAX, e),
                  .kept = -1};
    if ((e && e->set) || !check_baselines(r, e) || !run_baseline(r, &bx, &by, e)) return false;
    int64_t n = r->n * c.samples, S = 0, T = 0;
    Point *v = arena_new(r->work, Point, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t p = i / c.samples;
        v[i] = passes_whole(r, p);
        S = r->pair[p].source.n > S ? r->pair[p].source.n : S;
        T = r->pair[p].target.n > T ? r->pair[p].target.n : T;
    }
    c.bx = bx, c.by = by, c.v = v, c.moved = arena_new(r->work, float, (S > T ? S : T) * r->width);
    c.scratch = arena_new(r->work, float, (S + T) * r->width);
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    return run_points(r, &(Points){.v = v, .n = n, .context = &c, .fill = fill, .gradient = add}, e) &&
           deltas(r, &c, n, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    Point v = passes_whole(r, pair);
    double samples = (double)arg_int(r, "n_samples", SAMPLES, 1, 1000000, e);
    passes_add(r, &v, samples, true, p);
    if (arg_bool(r, "return_convergence_delta", false, e)) passes_add(r, &v, samples, false, p);
    return true;
}

const Method method_expected_gradients = {
    .light = true,
    .name = "expected_gradients",
    .summary =
        "gradients at random points between a file's texts (baselines) and the input, times the difference",
    .paper = "Erion et al. 2021, arXiv:1906.10670",
    .formula = "score[i,s,:] = mean over k of (x[i,:] - b_k[i,:]) * df_s/dx[i,:]\n"
               "               at the points b_k + a_k (x - b_k)\n"
               "b_k: the file's texts in turn; a_k: a point in each n_samples-th of [0, 1)",
    .when = "Integrated gradients against real texts instead of unknown words: what this text does that "
            "others would not. The file (a text a line) says what is usual; columns sum to f_s(x) less the "
            "mean of f_s over these texts, on average. Without a file the baseline is the usual one.",
    .arguments =
        (const Argument[]){{"baselines", NULL, "a file with a text a line (the unknown word in all places)"},
                           {"n_samples", "50", "points, each on the line to one text"},
                           ARG_SEED,
                           ARG_DELTA,
                           {0}},
    .cost = "1 + n_samples forwards, n_samples backwards",
    .passes = passes,
    .run = run,
};
