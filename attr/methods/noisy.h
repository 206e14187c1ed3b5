// SPDX-License-Identifier: Apache-2.0
// noisy.h — private to attr/methods/: what becomes of gradients when the input has noise (noisy.c).
#pragma once
#include "../run.h"

typedef enum { NOISY_MEAN, NOISY_SQUARE, NOISY_VARIANCE } NoisyKind;

#define NOISY_ARGUMENTS "n_samples", "stdev", "seed", "method"
bool noisy_run(Run *r, NoisyKind kind, Err *e); // Method.run and Method.passes
bool noisy_passes(Run *r, NoisyKind kind, int64_t pair, Passes *p, Err *e);
