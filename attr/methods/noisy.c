// SPDX-License-Identifier: Apache-2.0
// noisy.c — gradients at the input with noise, many times over: their mean (smooth_grad), the mean of their squares
// (square_grad), their variance (var_grad).
//
//   M_k[i,s,:] at x + e_k      e_k[i,:] ~ N(0, stdev * (max x[i,:] - min x[i,:]))      k = 1 .. n_samples
// M is the gradient with its sign (method saliency), or that times the noisy input (input_x_gradient). One forward and
// one backward pass of a sample serve all steps s. Each sample has a stream of its own, and each row's noise is in
// proportion to its own range, so that no step's score depends on the tokens after it.
#include "noisy.h"
#include "../random.h"

#include <string.h>

enum { SAMPLES = 25 }; // by default

typedef struct Noisy {
    const Point *v;
    int64_t samples;
    double stdev;
    uint32_t seed;
    bool times;
    NoisyKind kind;
    float **mean[2]; // [source, target][pairs] the shape of the scores: means so far, for the variance
    int64_t kept;    // the point whose noisy embeddings x and y hold; -1: none
    float *x, *y;    // room for the longest pair's
} Noisy;

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
    const Noisy *c = context;
    int64_t p = c->v[i].pair;
    Random stream;
    random_seed(&stream, c->seed ^ 2654435761u * (uint32_t)(i % c->samples + 1));
    if (x) add_noise(&stream, c->stdev, x, r->pair[p].source.n, r->width);
    if (y) add_noise(&stream, c->stdev, y, r->pair[p].target.n - 1, r->width);
}

// Squares add up; means and sums of squares from the mean follow Welford 1962, doi:10.1080/00401706.1962.10490022.
static void accumulate(const Noisy *c, int64_t k, float *score, float *mean, const float *m, int64_t n)
{
    float share = 1 / (float)c->samples, rest = 1 / (float)(c->samples - 1), count = (float)(k + 1);
    for (int64_t j = 0; j < n; j++) {
        if (c->kind == NOISY_SQUARE) {
            score[j] = (k ? score[j] : 0) + share * m[j] * m[j];
            continue;
        }
        float before = k ? m[j] - mean[j] : 0, now = k ? mean[j] + before / count : m[j];
        score[j] = (k ? score[j] : 0) + rest * before * (m[j] - now), mean[j] = now;
    }
}

static void add_side(Run *r, const Noisy *c, int64_t i, int64_t column, bool target, const float *m)
{
    int64_t p = c->v[i].pair, d = r->width, rows = target ? r->from[p] + column : r->pair[p].source.n;
    Scores *s = target ? &r->out[p].target_attributions : &r->out[p].source_attributions;
    for (int64_t row = 0; m && row < rows; row++) {
        float *score = run_cell(s, row, column);
        accumulate(c, i % c->samples, score, c->mean[target][p] ? c->mean[target][p] + (score - s->v) : NULL,
                   m + row * d, d);
    }
}

static void times(float *to, const float *x, const float *dx, int64_t n)
{
    for (int64_t i = 0; i < n; i++) to[i] = x[i] * dx[i];
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    Noisy *c = context;
    int64_t p = c->v[i].pair, d = r->width, nx = dx ? r->pair[p].source.n * d : 0;
    int64_t all = dy ? (r->pair[p].target.n - 1) * d : 0, ny = dy ? (r->from[p] + column) * d : 0;
    Arena *a = arena_create(r->work);
    if (c->times) {
        if (c->kept != i) {
            if (dx) memcpy(c->x, run_x(r, p), (size_t)nx * sizeof(float));
            if (dy) memcpy(c->y, run_y(r, p), (size_t)all * sizeof(float));
            fill(r, c, i, dx ? c->x : NULL, dy ? c->y : NULL);
            c->kept = i;
        }
        float *x = arena_new_raw(a, float, nx), *y = arena_new_raw(a, float, ny);
        times(x, c->x, dx, nx), times(y, c->y, dy, ny);
        dx = dx ? x : NULL, dy = dy ? y : NULL;
    }
    if (c->kind == NOISY_MEAN) path_add(r, p, column, 1 / (float)c->samples, i % c->samples == 0, dx, dy);
    else add_side(r, c, i, column, false, dx), add_side(r, c, i, column, true, dy);
    arena_free(a);
}

static void make_means(Run *r, Noisy *c)
{
    for (int side = 0; side < 2; side++) {
        c->mean[side] = arena_new(r->work, float *, r->n);
        for (int64_t p = 0; p < r->n && c->kind == NOISY_VARIANCE; p++) {
            const Scores *s = side ? &r->out[p].target_attributions : &r->out[p].source_attributions;
            if (s->v) c->mean[side][p] = arena_new_raw(r->work, float, s->dim[0] * s->dim[1] * s->dim[2]);
        }
    }
}

static bool read_arguments(const Run *r, NoisyKind kind, Noisy *c, Err *e)
{
    static const char *const methods[] = {"saliency", "input_x_gradient"};
    *c = (Noisy){.samples = arg_int(r, "n_samples", SAMPLES, kind == NOISY_VARIANCE ? 2 : 1, 1000000, e),
                 .stdev = arg_real(r, "stdev", 0.1, 0, 1e6, e),
                 .seed = (uint32_t)arg_int(r, "seed", 0, 0, UINT32_MAX, e),
                 .times = arg_choice(r, "method", 0, methods, 2, e) == 1,
                 .kind = kind,
                 .kept = -1};
    return !(e && e->set);
}

bool noisy_run(Run *r, NoisyKind kind, Err *e)
{
    Noisy c;
    if (!read_arguments(r, kind, &c, e)) return false;
    int64_t n = r->n * c.samples, S = 0, T = 0;
    Point *v = arena_new(r->work, Point, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t p = i / c.samples;
        v[i] = passes_whole(r, p);
        S = r->pair[p].source.n > S ? r->pair[p].source.n : S;
        T = r->pair[p].target.n > T ? r->pair[p].target.n : T;
    }
    c.v = v, c.x = arena_new(r->work, float, S * r->width), c.y = arena_new(r->work, float, T * r->width);
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    make_means(r, &c);
    return run_points(r, &(Points){.v = v, .n = n, .context = &c, .fill = fill, .gradient = add}, e);
}

bool noisy_passes(Run *r, NoisyKind kind, int64_t pair, Passes *p, Err *e)
{
    Noisy c;
    Point v = passes_whole(r, pair);
    if (!read_arguments(r, kind, &c, e)) return false;
    passes_add(r, &v, (double)c.samples, true, p);
    return true;
}
