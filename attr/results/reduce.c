// SPDX-License-Identifier: Apache-2.0
// reduce.c — arrays of scores, and the functions that make one number of many: vnorm, mean, sum, ...
//
// Sums are made in double in index order and rounded once, so the bits depend on nothing but the numbers. Adding a
// function: write it, add a row to the table at the end of this file.
#include "aggregate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// ------------------------------------------------------------------------------------------ arrays

Scores scores_new(Arena *a, int rank, const int64_t *dim)
{
    Scores s = {.rank = rank};
    uint64_t n = 1;
    for (int i = 0; i < rank; i++) {
        s.dim[i] = dim[i];
        if (dim[i] < 0 || !mul_ok(n, (uint64_t)dim[i], &n)) BUG("dimension %d is %" PRId64, i, dim[i]);
    }
    s.v = arena_new(a, float, n ? n : 1);
    return s;
}

int64_t scores_count(const Scores *s, int from)
{
    int64_t n = 1;
    for (int i = from; i < s->rank; i++) n *= s->dim[i];
    return n;
}

// ------------------------------------------------------------------------------------------ functions

static float mean(const float *x, int64_t n, int64_t stride, double ord)
{
    (void)ord;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i * stride];
    return n ? (float)(sum / (double)n) : NAN;
}

static float sum_of(const float *x, int64_t n, int64_t stride, double ord)
{
    (void)ord;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i * stride];
    return (float)sum;
}

static float product(const float *x, int64_t n, int64_t stride, double ord)
{
    (void)ord;
    double p = 1;
    for (int64_t i = 0; i < n; i++) p *= (double)x[i * stride];
    return (float)p;
}

static float largest(const float *x, int64_t n, int64_t stride, double ord) // a NaN anywhere is the answer
{
    (void)ord;
    float m = n ? x[0] : NAN;
    for (int64_t i = 1; i < n; i++)
        if (x[i * stride] > m || isnan(x[i * stride])) m = x[i * stride];
    return m;
}

static float smallest(const float *x, int64_t n, int64_t stride, double ord)
{
    (void)ord;
    float m = n ? x[0] : NAN;
    for (int64_t i = 1; i < n; i++)
        if (x[i * stride] < m || isnan(x[i * stride])) m = x[i * stride];
    return m;
}

// The element farthest from 0, with its sign; the first of equals. NaN counts as 0 when choosing.
static float absmax(const float *x, int64_t n, int64_t stride, double ord)
{
    (void)ord;
    float m = n ? x[0] : NAN, best = isnan(m) ? 0 : fabsf(m);
    for (int64_t i = 1; i < n; i++)
        if (fabsf(x[i * stride]) > best) m = x[i * stride], best = fabsf(m);
    return m;
}

// x^(1/p) for x in [1, n] and whole p: Newton from above falls until rounding stops it.
static double root(double x, int p)
{
    double y = x;
    for (int k = 0; k < 2000; k++) {
        double power = 1;
        for (int i = 1; i < p; i++) power *= y;
        double next = ((double)(p - 1) * y + x / power) / (double)p;
        if (!(next < y)) break;
        y = next;
    }
    return y;
}

// (sum |x|^p)^(1/p); p = infinity: the largest |x|; p = 0: how many are not 0.
static float vnorm(const float *x, int64_t n, int64_t stride, double ord)
{
    double top = 0, sum = 0;
    if (ord == 2) {
        for (int64_t i = 0; i < n; i++) sum += (double)x[i * stride] * (double)x[i * stride];
        return (float)sqrt(sum);
    }
    for (int64_t i = 0; i < n; i++) {
        double v = fabs((double)x[i * stride]);
        if (isnan(v)) return NAN;
        if (v > top) top = v;
        sum += ord == 0 ? v != 0 : v;
    }
    if (ord <= 1) return (float)sum;
    if (isinf(ord) || isinf(top) || top == 0) return (float)top;
    sum = 0; // other orders: scaled by the largest, so that powers neither overflow nor all vanish
    for (int64_t i = 0; i < n; i++) {
        double v = fabs((double)x[i * stride]) / top, power = 1;
        for (int k = 0; k < (int)ord; k++) power *= v;
        sum += power;
    }
    return (float)(top * root(sum, (int)ord));
}

bool reduce_ord_ok(double ord)
{
    return ord == INFINITY || (ord >= 0 && ord <= 16 && ord == (double)(int)ord);
}

// ------------------------------------------------------------------------------------------ the table

static const Reduce functions[] = {
    {"vnorm", "length of the vector (vnorm_ord 2)", "(sum over j of |x_j|^p)^(1/p)        p: vnorm_ord",
     "What gradient methods are shown by: how much, without sign. vnorm_ord 1 sums magnitudes, Infinity "
     "takes "
     "the largest.",
     vnorm},
    {"mean", "mean", "(sum over j of x_j) / n", "What attention's layers and heads are shown by.", mean},
    {"sum", "sum, signs cancel", "sum over j of x_j",
     "Keeps the sign of contributions (input_x_gradient, integrated_gradients): what raises the value, and "
     "what "
     "lowers it.",
     sum_of},
    {"max", "largest", "max over j of x_j", "The strongest head or component.", largest},
    {"min", "smallest", "min over j of x_j", "The weakest, or most negative.", smallest},
    {"prod", "product", "product over j of x_j",
     "Of probabilities: that of pieces is their word's. So step scores of merged tokens are made.", product},
    {"absmax", "farthest from zero, with its sign", "x_j where |x_j| is largest",
     "What stands out, in either direction: how rows are merged to words and spans.", absmax},
};
enum { N_FUNCTIONS = sizeof functions / sizeof functions[0] };

const Reduce *reduce_at(size_t i) { return i < N_FUNCTIONS ? &functions[i] : NULL; }

const Reduce *reduce_named(const char *name)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        if (!strcmp(name, functions[i].name)) return &functions[i];
    return NULL;
}

bool reduce_unknown(const char *what, const char *name, const char *const *names, size_t n, Err *e)
{
    const char *near = str_nearest(str_of(name), names, n);
    if (near) return err_set(e, "unknown %s '%.100s', did you mean %s?", what, name, near);
    char list[300] = "";
    for (size_t i = 0, at = 0; i < n && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    return err_set(e, "unknown %s '%.100s'; known are %s", what, name, list);
}

bool stage_function(const Stage *stage, const char *or_else, const Reduce **out, Err *e)
{
    const char *name = stage->function ? stage->function : or_else, *names[N_FUNCTIONS];
    for (size_t i = 0; i < N_FUNCTIONS; i++) names[i] = functions[i].name;
    *out = reduce_named(name);
    return *out || reduce_unknown("aggregation function", name, names, N_FUNCTIONS, e);
}
