// SPDX-License-Identifier: Apache-2.0
// measures.c — the curves of an evaluation, and the four numbers that each step gets from them (evaluate.c has the
// definitions).
#include "measures.h"

static void area(const Scores *x, int64_t c, double *out)
{
    *out = 0;
    for (int64_t q = 0; q + 1 < x->dim[0]; q++)
        *out += ((double)x->v[q * x->dim[1] + c] + (double)x->v[(q + 1) * x->dim[1] + c]) / 2;
    *out /= (double)(x->dim[0] - 1);
}

static void mean(const Scores *x, int64_t c, double *out)
{
    *out = 0;
    for (int64_t q = 0; q < x->dim[0]; q++) *out += (double)x->v[q * x->dim[1] + c];
    *out /= (double)x->dim[0];
}

const char *const evaluate_names[EVALUATE_MEASURES] = {"comprehensiveness", "sufficiency", "deletion_auc",
                                                       "insertion_auc"};

void evaluate_measures(const Curves *x, int64_t column, double out[EVALUATE_MEASURES])
{
    mean(&x->comprehensiveness, column, &out[0]), mean(&x->sufficiency, column, &out[1]);
    area(&x->deletion, column, &out[2]), area(&x->insertion, column, &out[3]);
}

Curves curves_new(Arena *a, int64_t columns)
{
    int64_t points[] = {EVALUATE_POINTS, columns}, bins[] = {EVALUATE_BINS, columns};
    return (Curves){scores_new(a, 2, points), scores_new(a, 2, points), scores_new(a, 2, bins),
                    scores_new(a, 2, bins)};
}
