// SPDX-License-Identifier: Apache-2.0
// measures.h — how faithful scores are, in numbers (measures.c). Private to attr/.
#pragma once
#include "aggregate.h"

Curves curves_new(Arena *a, int64_t columns); // zeroed
// The measures of a step, by these names.
extern const char *const evaluate_names[EVALUATE_MEASURES];
void evaluate_measures(const Curves *x, int64_t column, double out[EVALUATE_MEASURES]);
