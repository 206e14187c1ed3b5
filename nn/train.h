// SPDX-License-Identifier: Apache-2.0
// train.h — private to nn/ and tools/: trains a model on pairs of sentences. Cross-entropy with label smoothing (Szegedy
// et al. 2016, arXiv:1512.00567), gradients clipped by their common norm, Adam (Kingma and Ba 2015, arXiv:1412.6980).
//
// The same start, batches and seed give the same weights, bit by bit, on every instruction set and thread count.
#pragma once
#include "model.h"

typedef struct TrainOptions {
    double smoothing;         // share of the probability that is spread over all words
    double clip;              // most that the gradients' norm may be; 0: any
    double beta1, beta2, eps; // of Adam
    float dropout;            // of embeddings and of what each sub-layer adds
    uint64_t seed;            // of the dropout
} TrainOptions;

typedef struct Param {
    Tensor *w;            // its floats may be written; w->grad holds the gradient of the last step
    float *mean, *square; // Adam's running means of gradient and squared gradient
} Param;

typedef struct Training {
    Model *m;
    TrainOptions o;
    Tape *tape;
    Noise noise;
    Param *param;
    int64_t n_params, cap, steps;
    double power1, power2; // beta^steps
} Training;

// Copies the model's weights to memory of a, as float32, and makes the model use them. From then on the model changes
// with every step; it may run, but not on another thread.
Training *train_open(Arena *a, Model *m, TrainOptions o);
// One step on n pairs, at this learning rate. targets end with the end token; the start token is put in front here.
// Ids must be in the vocabulary. Returns the loss before the step: the mean over all target tokens.
double train_step(Training *t, int64_t n, const Ids *source, const Ids *target, double rate);
