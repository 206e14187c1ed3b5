// SPDX-License-Identifier: Apache-2.0
// agreement.c — how far do methods agree on which tokens matter? Rank correlations of two lists of n scores, and what their
// highest have in common. Ties count as in Kendall 1945 (doi:10.1093/biomet/33.3.239) and scipy.stats.
//
//   Spearman's rho   correlation of the ranks; equals share the mean of their ranks
//   Kendall's tau-b  (C - D) / sqrt((P - X) (P - Y))     of P = n (n-1) / 2 pairs C in the same order, D in the opposite
//                                                        one, X and Y equal in the one and in the other list
//   top overlap      |A and B| / k                       A, B: the k highest, of equals the earlier ones
//
// Scores count with their sign, and each step for itself; what is shown is the mean over all steps where it is defined.
// Everything is compared with everything: n is a sentence's length.
#include "agreement.h"

#include <math.h>
#include <string.h>

// Rank of x[i] from 1 on, twice, less that of the middle: a whole number.
static double centred_rank(const float *x, int64_t n, int64_t i)
{
    int64_t less = 0, equal = 0;
    for (int64_t j = 0; j < n; j++) less += x[j] < x[i], equal += x[j] == x[i];
    return (double)(2 * less + equal - n);
}

static double spearman(const float *x, const float *y, int64_t n)
{
    double xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < n; i++) {
        double p = centred_rank(x, n, i), q = centred_rank(y, n, i);
        xx += p * p, yy += q * q, xy += p * q;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

static double kendall(const float *x, const float *y, int64_t n)
{
    int64_t more = 0, in_x = 0, in_y = 0; // C - D; pairs that are not equal
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            int p = (x[i] > x[j]) - (x[i] < x[j]), q = (y[i] > y[j]) - (y[i] < y[j]);
            more += p * q, in_x += p != 0, in_y += q != 0;
        }
    return in_x && in_y ? (double)more / sqrt((double)in_x * (double)in_y) : NAN;
}

static bool among_highest(const float *x, int64_t n, int64_t i, int64_t k)
{
    int64_t before = 0;
    for (int64_t j = 0; j < n; j++) before += x[j] > x[i] || (x[j] == x[i] && j < i);
    return before < k;
}

static double overlap(const float *x, const float *y, int64_t n, int64_t k)
{
    int64_t both = 0;
    if (k > n) k = n;
    for (int64_t i = 0; i < n; i++) both += among_highest(x, n, i, k) && among_highest(y, n, i, k);
    return k ? (double)both / (double)k : NAN;
}

Agreement agreement_of(Arena *a, const float *x, const float *y, int64_t n, int64_t top)
{
    float *p = arena_new(a, float, n), *q = arena_new(a, float, n);
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(x[i]) && !isnan(y[i])) p[count] = x[i], q[count++] = y[i];
    return (Agreement){spearman(p, q, count), kendall(p, q, count), overlap(p, q, count, top)};
}

// ------------------------------------------------------------------------------------------ over texts and steps

enum { MEASURES = 3 };

typedef struct Sums {
    double sum[MEASURES];
    int64_t n[MEASURES];
} Sums;

// A column's scores that both have: source rows, then target rows.
static int64_t column_of(const Sequence *s, const Sequence *other, int64_t c, float *out)
{
    const Scores *own[] = {&s->source_attributions, &s->target_attributions},
                 *theirs[] = {&other->source_attributions, &other->target_attributions};
    int64_t n = 0;
    for (int side = 0; side < 2; side++)
        for (int64_t i = 0; own[side]->v && theirs[side]->v && i < own[side]->dim[0]; i++)
            out[n++] = own[side]->v[i * own[side]->dim[1] + c];
    return n;
}

static void add_steps(Arena *a, const Sequence *s, const Sequence *other, int64_t top, Sums *sums)
{
    Arena *w = arena_create(a);
    float *x = arena_new(w, float, s->n_source + s->n_target),
          *y = arena_new(w, float, s->n_source + s->n_target);
    for (int64_t c = 0; c < s->attr_pos_end - s->attr_pos_start; c++) {
        int64_t n = column_of(s, other, c, x);
        column_of(other, s, c, y);
        Agreement g = agreement_of(w, x, y, n, top);
        double v[MEASURES] = {g.spearman, g.kendall, g.overlap};
        for (int k = 0; k < MEASURES; k++)
            if (!isnan(v[k])) sums->sum[k] += v[k], sums->n[k]++;
    }
    arena_free(w);
}

static const Sequence *of_method(const Sequence *s, size_t n, const char *method)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(s[i].method, method)) return &s[i];
    return NULL;
}

void attr_agreement(Arena *a, Attribution *t, const char *const *method, size_t n, int64_t top)
{
    Sums *sums = arena_new(a, Sums, n * n);
    for (size_t from = 0, to; from < t->n; from = to) {
        for (to = from + 1; to < t->n && t->sequence[to].text == t->sequence[from].text;) to++;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                const Sequence *x = of_method(t->sequence + from, to - from, method[i]),
                               *y = of_method(t->sequence + from, to - from, method[j]);
                if (x && y) add_steps(a, x, y, top, &sums[i * n + j]);
            }
    }
    const char *const title[MEASURES] = {"Spearman's rank correlation (rho)",
                                         "Kendall's rank correlation (tau-b)",
                                         arena_printf(a, "Share of the %" PRId64 " highest in common", top)},
                      *const note[MEASURES] = {
                          "1: the same order; 0: no relation; -1: the opposite order.",
                          "1: all pairs of tokens in the same order; -1: in the opposite order.",
                          "1: the same tokens; 0: none of them."};
    Str *row = arena_new(a, Str, n), *column = arena_new(a, Str, n);
    for (size_t i = 0; i < n; i++)
        row[i] = str_of(arena_printf(a, "%zu %s", i + 1, method[i])),
        column[i] = str_of(arena_printf(a, "%zu", i + 1));
    Figures *all = arena_new(a, Figures, t->n_figures + MEASURES);
    for (size_t i = 0; i < t->n_figures; i++) all[i] = t->figures[i];
    for (int k = 0; k < MEASURES; k++) {
        double *v = arena_new(a, double, n *n);
        for (size_t i = 0; i < n * n; i++) {
            const Sums *s = &sums[i / n >= i % n ? i : i % n * n + i / n];
            v[i] = s->n[k] ? s->sum[k] / (double)s->n[k] : NAN;
        }
        all[t->n_figures++] = (Figures){.title = title[k],
                                        .note = note[k],
                                        .n_rows = n,
                                        .n_columns = n,
                                        .row = row,
                                        .column = column,
                                        .v = v};
    }
    t->figures = all;
}
