// SPDX-License-Identifier: Apache-2.0
// smooth_grad.c — the mean of many gradients, each at the input with fresh noise. Smilkov, Thorat, Kim, Viégas and
// Wattenberg 2017, arXiv:1706.03825.
//
//   score[i,s,:] = mean over n_samples of M[i,s,:] at x + e      e[i,:] ~ N(0, stdev * (max x[i,:] - min x[i,:]))
// M is the gradient with its sign (method saliency), or that times the noisy input (input_x_gradient). One forward and
// one backward pass of a sample serve all steps s. Each sample has a stream of its own, and each row's noise is in
// proportion to its own range, so that no step's score depends on the tokens after it.
#include "../random.h"
#include "../run.h"

#include <string.h>

enum { SAMPLES = 25 }; // by default

typedef struct Smooth {
    const Point *v;
    int64_t samples;
    double stdev;
    uint32_t seed;
    bool times;
    int64_t kept; // the point whose noisy embeddings x and y hold; -1: none
    float *x, *y; // room for the longest pair's
} Smooth;

static void add_noise(Random *stream, double stdev, float *x, int64_t rows, int64_t d)
{
    for (int64_t i = 0; i < rows; i++, x += d) {
        float low = x[0], high = x[0];
        for (int64_t j = 1; j < d; j++) low = x[j] < low ? x[j] : low, high = x[j] > high ? x[j] : high;
        double deviation = stdev * ((double)high - (double)low);
        for (int64_t j = 0; j < d; j++) x[j] += (float)(deviation * random_normal(stream));
    }
}

// The same each time it is asked for.
static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Smooth *c = context;
    int64_t p = c->v[i].pair;
    Random stream;
    random_seed(&stream, c->seed ^ 2654435761u * (uint32_t)(i % c->samples + 1));
    if (x) add_noise(&stream, c->stdev, x, r->pair[p].source.n, r->width);
    if (y) add_noise(&stream, c->stdev, y, r->pair[p].target.n - 1, r->width);
}

static void times(float *to, const float *x, const float *dx, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = x[i] * dx[i];
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    Smooth *c = context;
    int64_t p = c->v[i].pair, d = r->width, nx = dx ? r->pair[p].source.n * d : 0;
    int64_t all = dy ? (r->pair[p].target.n - 1) * d : 0, ny = dy ? (r->from[p] + column) * d : 0;
    float weight = 1 / (float)c->samples;
    if (!c->times) return path_add(r, p, column, weight, i % c->samples == 0, dx, dy);
    if (c->kept != i) {
        if (dx) memcpy(c->x, run_x(r, p), (size_t)nx * sizeof(float));
        if (dy) memcpy(c->y, run_y(r, p), (size_t)all * sizeof(float));
        fill(r, c, i, dx ? c->x : NULL, dy ? c->y : NULL);
        c->kept = i;
    }
    Arena *a = arena_create(r->work);
    float *x = arena_new_raw(a, float, nx), *y = arena_new_raw(a, float, ny);
    times(x, c->x, dx, nx), times(y, c->y, dy, ny);
    path_add(r, p, column, weight, i % c->samples == 0, dx ? x : NULL, dy ? y : NULL);
    arena_free(a);
}

static bool run(Run *r, Err *e)
{
    static const char *const methods[] = {"saliency", "input_x_gradient"};
    Smooth c = {.samples = arg_int(r, "n_samples", SAMPLES, 1, 1000000, e),
                .stdev = arg_real(r, "stdev", 0.1, 0, 1e6, e),
                .seed = (uint32_t)arg_int(r, "seed", 0, 0, UINT32_MAX, e),
                .times = arg_choice(r, "method", 0, methods, 2, e) == 1,
                .kept = -1};
    if (e && e->set) return false;
    int64_t n = r->n * c.samples, S = 0, T = 0;
    Point *v = arena_new(r->work, Point, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t p = i / c.samples;
        v[i] = (Point){.pair = p,
                       .from = r->from[p],
                       .to = r->to[p],
                       .moves_x = r->sources != NULL,
                       .moves_y = run_wants_target(r)};
        S = r->pair[p].source.n > S ? r->pair[p].source.n : S;
        T = r->pair[p].target.n > T ? r->pair[p].target.n : T;
    }
    c.v = v, c.x = arena_new(r->work, float, S * r->width), c.y = arena_new(r->work, float, T * r->width);
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    return run_points(r, &(Points){.v = v, .n = n, .context = &c, .fill = fill, .gradient = add}, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    Point v = passes_whole(r, pair);
    passes_add(r, &v, (double)arg_int(r, "n_samples", SAMPLES, 1, 1000000, e), true, p);
    return true;
}

const Method method_smooth_grad = {
    .name = "smooth_grad",
    .summary = "mean of gradients at the input with noise",
    .paper = "Smilkov et al. 2017, arXiv:1706.03825",
    .arguments = (const char *const[]){"n_samples", "stdev", "seed", "method", NULL},
    .cost = "1 + n_samples forwards, n_samples backwards",
    .passes = passes,
    .run = run,
};
