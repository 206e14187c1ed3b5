// SPDX-License-Identifier: Apache-2.0
// alti.h — private to attr/: ALTI's shares of an attention block, which alti and alti_logit have in common (alti.c).
#pragma once
#include "mixing.h"

// The residual streams of a run's pass, nn_stream's.
typedef struct Alti {
    const StreamStep *encoder, *decoder;
    int64_t n_decoder, each; // steps of the decoder, and of each of its layers
    int64_t width;           // of the decoder's
} Alti;

Alti alti_streams(Run *r);
// Which step of its stack's stream the block is.
int64_t alti_step(const Alti *x, const Block *b);

// Products of the block's transformed vectors T_i(x_j), without the residual connection, with one vector for each of the
// queries first .. first + n - 1: u [n, D], out [n, nk].
typedef struct AltiProducts {
    const float *u;
    float *out;
    int64_t first, n;
} AltiProducts;

// c as for BlockShares; products may be NULL.
void alti_shares(Run *r, const Alti *x, const Block *b, const AltiProducts *products, float *c);
