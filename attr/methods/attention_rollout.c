// SPDX-License-Identifier: Apache-2.0
// attention_rollout.c — how much of each token's input reaches each state, if attention is all that moves it. Abnar and
// Zuidema 2020, arXiv:2005.00928; through a decoder as its states are made of two kinds of rows.
//
//   encoder, layer by layer:   R <- M(A) R,  R = I at first      M(A) = 0.5 A + 0.5 I, A the mean over heads
//   decoder, layer by layer:   Y <- M(A) Y,  X <- M(A) X         Y [T,T] = I, X [T,S] = 0 at first: shares of prefix, source
//                              Y <- 0.5 Y,   X <- 0.5 X + 0.5 C R                     C [T,S] the cross-attention's mean
//   source [S, n]  row s-1 of X        target [T, n]  row s-1 of Y        together each column adds up to 1
// One half is the residual connection's, as in the paper. Nothing is differentiated and no function is attributed.
#include "mixing.h"

static void shares(Run *r, void *context, const Mixing *before, const Block *b, float *c)
{
    (void)r, (void)context, (void)before;
    for (int64_t i = 0; i < b->nq; i++, c += b->nk + 1) {
        for (int64_t h = 0; h < b->heads; h++)
            num_axpy(c, 1 / (float)b->heads, b->weights + (h * b->nq + i) * b->nk, b->nk);
        for (int64_t j = 0; j < b->nk; j++) c[j] *= 0.5f;
        c[b->nk] = 0.5f;
    }
}

static bool run(Run *r, Err *e)
{
    (void)e;
    run_scores(r, 0, NULL, OUT_COARSE);
    for (int64_t i = 0; i < r->n; i++) {
        Arena *w = arena_create(r->work);
        Mixing m = mixing_roll(r, w, i, shares, NULL);
        mixing_show(r, i, &m);
        arena_free(w);
    }
    return true;
}

const Method method_attention_rollout = {
    .name = "attention_rollout",
    .summary = "attention multiplied through all layers, with residual connections",
    .paper = "Abnar and Zuidema 2020, arXiv:2005.00928",
    .formula = "encoder: R <- (A + I) R / 2 in each layer; R = I at first, A: mean of heads\n"
               "decoder: X, Y <- (A + I) X / 2, (A + I) Y / 2; then (X + C R) / 2, Y / 2\n"
               "X: shares of the source, Y: of the prefix, C: cross-attention, mean of heads",
    .when = "How much of each source and prefix token would be in a state if attention weights and the "
            "residual stream were all that moves: a column's shares sum to 1. A cheap look through all "
            "layers that knows nothing of the values; alti does.",
    .no_gradient = true,
    .cost = "1 forward",
    .run = run,
};
