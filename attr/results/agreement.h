// SPDX-License-Identifier: Apache-2.0
// agreement.h — private to attr/: how far two rankings agree (agreement.c).
#pragma once
#include "../attr.h"

typedef struct Agreement {
    double spearman, kendall,
        overlap; // NaN: not defined (fewer than two values, or all of a side equal; none at all)
} Agreement;

// Of x[i] and y[i] where neither is NaN. top: how many of the highest are compared, at most all.
Agreement agreement_of(Arena *a, const float *x, const float *y, int64_t n, int64_t top);
