// SPDX-License-Identifier: Apache-2.0
// mixing.h — private to attr/: what each state of a pass is made of, if attention is all that moves tokens about. For
// methods that say so of one attention block at a time.
#pragma once
#include "../run.h"

typedef struct Block { // one attention of one layer, for one sequence of queries
    NnZero which;
    int64_t layer, heads, nq, nk, width;
    int64_t first_query, first_key; // rows of the pass
    const Tensor *made;             // the attention op's result
    const float *weights;           // [heads, nq, nk]
} Block;

Block mixing_block(const Run *r, int64_t pair, NnZero which, int64_t layer);
// f_h(j) = v_h(j) O_h: each key's value in each head, through that head's part of the matrix that attention's result goes
// through. out [nk, heads, width].
float *mixing_transformed(const Run *r, Arena *a, const Block *b);

// Shares of the inputs in states; each row of R, and of X and Y together, adds up to 1.
typedef struct Mixing {
    int64_t S, T;
    float *R;     // [S, S] source tokens in the encoder's states
    float *X, *Y; // [T, S], [T, T] source tokens and prefix in the decoder's
} Mixing;

// What each row of a block's result is made of, c [nq, nk + 1]: the keys' rows, and last what it was before (the residual
// connection); all 0 when it is called. Rows add up to 1. before: the shares in the block's inputs.
typedef void BlockShares(Run *r, void *context, const Mixing *before, const Block *b, float *c);

// Goes through the encoder's blocks and then the decoder's, asking for the shares of each:
//   R <- c R        Y <- c Y, X <- c X (self-attention)        Y <- c_last Y, X <- c_last X + c R (cross-attention)
Mixing mixing_roll(Run *r, Arena *a, int64_t pair, BlockShares *shares, void *context);
// X and Y as the scores of a pair: column c is row from - 1 + c.
void mixing_show(Run *r, int64_t pair, const Mixing *m);
