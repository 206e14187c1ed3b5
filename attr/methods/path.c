// SPDX-License-Identifier: Apache-2.0
// path.c — what integrals over a path from the baseline to the input share: nodes and weights, and the sums
// of gradients.
//
// Gauss-Legendre nodes are the roots of the Legendre polynomial P_n, found by Newton's method in double from
// Tricomi's first guess (Press et al., Numerical Recipes, 4.6). Riemann sums have the library's points,
// peculiarity included: the trapezoid's weights add up to 1 - 1/n (semantics 3.2).
#include "../run.h"

static double cosine(double x) // of [0, pi/2]; a first guess needs no more
{
    double sum = 1, term = 1;
    for (int k = 1; k <= 12; k++) term *= -x * x / ((2 * k - 1) * (2 * k)), sum += term;
    return sum;
}

// P_n(x) and its derivative.
static double legendre(int64_t n, double x, double *slope)
{
    double p = 1, before = 0;
    for (int64_t k = 1; k <= n; k++) {
        double next = ((double)(2 * k - 1) * x * p - (double)(k - 1) * before) / (double)k;
        before = p, p = next;
    }
    *slope = (double)n * (before - x * p) / (1 - x * x);
    return p;
}

static void gauss_legendre(int64_t n, double *at, double *weight)
{
    for (int64_t i = 0; i < (n + 1) / 2; i++) {
        double x = cosine(3.14159265358979323846 * ((double)i + 0.75) / ((double)n + 0.5)), slope;
        for (int k = 0; k < 20; k++) {
            double step = legendre(n, x, &slope) / slope;
            x -= step;
            if (step > -1e-16 && step < 1e-16) break;
        }
        if (2 * i + 1 == n) x = 0;
        legendre(n, x, &slope);
        double w = 1 / ((1 - x * x) * slope * slope);
        at[i] = (1 - x) / 2, at[n - 1 - i] = (1 + x) / 2;
        weight[i] = weight[n - 1 - i] = w;
    }
}

bool path_nodes(Run *r, PathNodes *out, Err *e)
{
    static const char *const names[] = {"gausslegendre", "riemann_left", "riemann_right", "riemann_middle",
                                        "riemann_trapezoid"};
    size_t rule = arg_choice(r, "method", 0, names, 5, e);
    int64_t n = out->n = arg_int(r, "n_steps", 50, 1, 100000, e);
    out->most = arg_int(r, "internal_batch_size", 0, 1, INT32_MAX, e);
    if (e && e->set) return false;
    if (rule == 4 && n < 2)
        return err_set(e, "%s: riemann_trapezoid needs n_steps of 2 or more", r->o->method);
    double *at = out->at = arena_new(r->work, double, n),
           *weight = out->weight = arena_new(r->work, double, n);
    if (rule == 0) return gauss_legendre(n, at, weight), true;
    for (int64_t k = 0; k < n; k++) {
        double left = (double)k / (double)n;
        at[k] = rule == 1   ? left
                : rule == 2 ? (double)(k + 1) / (double)n
                : rule == 3 ? left + 0.5 / (double)n
                            : (double)k / (double)(n - 1);
        weight[k] = rule == 4 && (k == 0 || k == n - 1) ? 0.5 / (double)n : 1 / (double)n;
    }
    return true;
}

void path_add(Run *r, int64_t pair, int64_t column, float weight, bool first, const float *dx,
              const float *dy)
{
    const float *from[2] = {dx, dy};
    Scores *to[2] = {&r->out[pair].source_attributions, &r->out[pair].target_attributions};
    int64_t rows[2] = {r->pair[pair].source.n, r->from[pair] + column}, d = r->width;
    for (int side = 0; side < 2; side++)
        for (int64_t i = 0; from[side] && i < rows[side]; i++) {
            float *score = run_cell(to[side], i, column);
            for (int64_t j = 0; first && j < d; j++) score[j] = 0;
            num_axpy(score, weight, from[side] + i * d, d);
        }
}

void path_times_difference(Run *r, const float *bx, const float *by)
{
    int64_t d = r->width;
    for (int64_t p = 0; p < r->n; p++)
        for (int side = 0; side < 2; side++) {
            Scores *s = side ? &r->out[p].target_attributions : &r->out[p].source_attributions;
            for (int64_t c = 0; s->v && c < s->dim[1]; c++) {
                const float *x = side ? run_y(r, p) : run_x(r, p);
                const float *b = side ? by + run_y_at(r, p) : bx + run_x_at(r, p);
                for (int64_t i = 0; i < (side ? r->from[p] + c : s->dim[0]); i++) {
                    float *score = run_cell(s, i, c);
                    for (int64_t j = 0; j < d; j++) score[j] *= x[i * d + j] - b[i * d + j];
                }
            }
        }
}

void path_point(float *out, const float *baseline, float a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = baseline[i] + a * (out[i] - baseline[i]);
}
