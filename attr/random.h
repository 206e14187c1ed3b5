// SPDX-License-Identifier: Apache-2.0
// random.h — private to attr/: seeded random numbers (random.c).
#pragma once
#include "../tensor/tensor.h"

typedef struct Random {
    uint32_t v[624];
    int at;
} Random;

void random_seed(Random *r, uint32_t seed);
double random_uniform(Random *r); // [0, 1), as NumPy's RandomState.uniform after seed(seed)
double random_normal(Random *r);  // mean 0, deviation 1
