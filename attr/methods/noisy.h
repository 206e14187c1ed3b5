// SPDX-License-Identifier: Apache-2.0
// noisy.h — private to attr/methods/: what becomes of gradients when the input has noise (noisy.c).
#pragma once
#include "../run.h"

typedef enum { NOISY_MEAN, NOISY_SQUARE, NOISY_VARIANCE } NoisyKind;

// clang-format off
#define NOISY_ARGUMENTS                                                                                      \
    {"n_samples", "25", "inputs with noise"},                                                                \
    {"stdev", "0.1", "the noise's standard deviation, in parts of the range of each token's embedding"},     \
    ARG_SEED,                                                                                                \
    {"method", "\"saliency\"", "what is averaged: saliency (the gradient) or input_x_gradient"}
// clang-format on
bool noisy_run(Run *r, NoisyKind kind, Err *e); // Method.run and Method.passes
bool noisy_passes(Run *r, NoisyKind kind, int64_t pair, Passes *p, Err *e);
