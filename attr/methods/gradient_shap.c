// SPDX-License-Identifier: Apache-2.0
// gradient_shap.c — expected gradients: gradients at random points between the baseline x' and the input x.
// Lundberg and Lee 2017, arXiv:1705.07874; Erion et al. 2021, arXiv:1906.10670.
//
//   score[i,s,:] = mean over n_samples of (x[i,:] - x'[i,:]) * df_s/dx[i,:] at r x + (1 - r) x'     r uniform in [0, 1)
// Each step draws its own r, in the library's order, so that a seed gives the library's numbers after
// numpy.random.seed; every sentence begins the stream anew. stdevs adds noise to x before all that, from a
// stream of our own.
#include "../random.h"
#include "../run.h"

enum { SAMPLES = 5 }; // by default

typedef struct Shap {
    const float *bx, *by, *r; // r [points]
    const Point *v;
    int64_t samples;
    uint32_t seed;
    double stdev;
    bool times;
} Shap;

// Noise of point i: x rows, then y rows; the same each time it is asked for.
static void add_noise(const Shap *c, int64_t i, float *x, int64_t nx, float *y, int64_t ny)
{
    Random noise;
    random_seed(&noise, (c->seed ^ 0x9e3779b9u) + 2654435761u * (uint32_t)i);
    for (int64_t k = 0; k < nx; k++) {
        float e = (float)(c->stdev * random_normal(&noise));
        if (x) x[k] += e;
    }
    for (int64_t k = 0; k < ny; k++) {
        float e = (float)(c->stdev * random_normal(&noise));
        if (y) y[k] += e;
    }
}

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Shap *c = context;
    int64_t p = c->v[i].pair, d = r->width, nx = x ? r->pair[p].source.n * d : 0,
            ny = y ? (r->pair[p].target.n - 1) * d : 0;
    float a = c->r[i], b = 1 - a;
    if (c->stdev > 0) add_noise(c, i - r->first_step[p] * c->samples, x, nx, y, ny);
    for (int64_t k = 0; k < nx; k++) x[k] = a * x[k] + b * c->bx[run_x_at(r, p) + k];
    for (int64_t k = 0; k < ny; k++) y[k] = a * y[k] + b * c->by[run_y_at(r, p) + k];
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    const Shap *c = context;
    Arena *a = arena_create(r->work);
    int64_t p = c->v[i].pair, d = r->width, nx = dx ? r->pair[p].source.n * d : 0,
            ny = dy ? (r->pair[p].target.n - 1) * d : 0;
    float *x = arena_new(a, float, nx), *y = arena_new(a, float, ny), weight = 1 / (float)c->samples;
    for (int64_t k = 0; k < nx; k++) x[k] = run_x(r, p)[k];
    for (int64_t k = 0; k < ny; k++) y[k] = run_y(r, p)[k];
    if (c->stdev > 0) add_noise(c, i - r->first_step[p] * c->samples, x, nx, y, ny);
    if (dy) ny = (r->from[p] + column) * d;
    for (int64_t k = 0; k < nx; k++) x[k] = c->times ? (x[k] - c->bx[run_x_at(r, p) + k]) * dx[k] : dx[k];
    for (int64_t k = 0; k < ny; k++) y[k] = c->times ? (y[k] - c->by[run_y_at(r, p) + k]) * dy[k] : dy[k];
    path_add(r, p, column, weight, i % c->samples == 0, dx ? x : NULL, dy ? y : NULL);
    arena_free(a);
}

static bool read_arguments(const Run *r, Shap *c, Err *e)
{
    *c = (Shap){.samples = arg_int(r, "n_samples", SAMPLES, 1, 1000000, e),
                .stdev = arg_real(r, "stdevs", 0, 0, 1e6, e),
                .seed = (uint32_t)arg_int(r, "seed", 0, 0, UINT32_MAX, e),
                .times = arg_bool(r, "multiply_by_inputs", true, e)};
    return !(e && e->set);
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Shap c;
    if (!read_arguments(r, &c, e) || !run_baseline(r, &bx, &by, e)) return false;
    int64_t n = r->n_steps * c.samples;
    Point *v = arena_new(r->work, Point, n);
    float *at = arena_new(r->work, float, n);
    Random *stream = arena_new(r->work, Random, 1);
    for (int64_t i = 0; i < n; i++) {
        int64_t step = i / c.samples, p = r->step_pair[step], s = r->from[p] + step - r->first_step[p];
        if (i == r->first_step[p] * c.samples) random_seed(stream, c.seed);
        at[i] = (float)random_uniform(stream);
        v[i] = (Point){
            .pair = p, .from = s, .to = s + 1, .moves_x = r->sources != NULL, .moves_y = run_wants_target(r)};
    }
    c.bx = bx, c.by = by, c.r = at, c.v = v;
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    return run_points(r, &(Points){.v = v, .n = n, .context = &c, .fill = fill, .gradient = add}, e) &&
           run_deltas(r, bx, by, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    Shap c;
    Point v = passes_whole(r, pair);
    if (!read_arguments(r, &c, e)) return false;
    for (int64_t s = r->from[pair]; s < r->to[pair]; s++) {
        v.from = s, v.to = s + 1;
        passes_add(r, &v, (double)c.samples, true, p);
    }
    return passes_deltas(r, pair, p, e);
}

const Method method_gradient_shap = {
    .light = true,
    .name = "gradient_shap",
    .summary = "gradients at random points between baseline and input, times the difference",
    .paper = "Lundberg and Lee 2017, arXiv:1705.07874",
    .formula = "score[i,s,:] = mean over k of (x[i,:] - x'[i,:]) * df_s/dx[i,:]\n"
               "               at the points r_k x + (1 - r_k) x'\n"
               "r_k: n_samples numbers in [0, 1), drawn anew for each step",
    .when = "Integrated gradients by a few random points. Take it to repeat what the library gives (the same "
            "seed draws the same points); for better numbers at the same price integrated_gradients has "
            "fixed points, and expected_gradients many baselines.",
    .arguments = (const Argument[]){{"n_samples", "5", "points for each step"},
                                    {"stdevs", "0",
                                     "standard deviation of normal noise that is added to x at each point"},
                                    ARG_SEED,
                                    ARG_DELTA,
                                    ARG_TIMES,
                                    {0}},
    .cost = "1 + n_samples T forwards (of the prefix alone), n_samples backwards",
    .passes = passes,
    .run = run,
};
