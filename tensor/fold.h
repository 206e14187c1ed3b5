// SPDX-License-Identifier: Apache-2.0
// fold.h — private to tensor/: attention's way back past the projections of its queries and keys.
//
// With q = x Wq^T, the way back through a head's dot products is dx = (dz k) Wq. All cotangents share k and Wq, so in
// dx = dz (k Wq) the bracket is made once, and a number of dx costs heads x keys multiply-adds instead of heads x width of
// a head: fewer while fewer keys are seen than a head is wide. The same holds for keys, with dz^T and queries.
#pragma once
#include "op.h"

// One side of an attention, queries or keys. A cotangent's dz has rows of this side and columns of the other one.
typedef struct Fold {
    Tensor *x; // side = x w^T + b; NULL: made otherwise
    const Tensor *side, *other, *w, *b;
    int64_t heads, d, K;        // of the queries; a head's width
    int64_t group, other_group; // heads that share one of the side's, of the other side's (grouped queries)
    int64_t *row0, *rows, *other0,
        *width;  // [K] the first row of x, how many; of the other side; 0: not folded
    int64_t *at; // [K] where dz [rows][width][heads] of each begins
    float *dz;
} Fold;

Fold fold_of(const Tape *t, const Tensor *side, const Tensor *other, int64_t heads, int64_t d);
// In an op's `reach`: another way back, for n cotangents.
void fold_begin(Fold *f, Tape *t, int64_t n);
// Cotangent k comes to rows row0 .. of the side and meets `width` of the other's from other0 on. True if that is folded: then
// x is to be reached instead of the side, and must be an input of the node.
bool fold_take(Fold *f, int64_t k, int64_t row0, int64_t rows, int64_t other0, int64_t width);
void fold_end(Fold *f); // after the last one
static inline bool folded(const Fold *f, int64_t k) { return f->K && f->width[k]; }

int64_t fold_scratch(const Fold *f); // floats of tape_scratch that fold_start and fold_back take
void fold_start(Fold *f, Tape *t);
// Head h's part of dz for cotangent k: row i has dz[i*di + j*dj] in columns from + j, j < n, and 0 in the others.
void fold_in(const Fold *f, int64_t k, int64_t h, const float *dz, int64_t di, int64_t dj, int64_t from,
             int64_t n);
void fold_back(Fold *f, Tape *t); // adds to the gradient of x
