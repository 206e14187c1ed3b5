// SPDX-License-Identifier: Apache-2.0
// judge.h — a graph of operations in both worlds, float32 on the tape and plain double, and the judge of the two: outputs,
// gradients against central differences of the double one, cotangents alone, and the same bits on all instruction sets and
// with 1, 2, 3 threads.
#pragma once
#include "../tensor/tensor.h"
#include "test.h"

enum { MOST_INPUTS = 80 };

typedef struct P { // a matrix in both worlds
    int64_t rows, cols;
    const Rows *seqs;
    double *d;
    Tensor *f;
} P;

typedef struct Ctx {
    Arena *a;
    Tape *t;      // NULL: double only
    int64_t size; // columns and the like
    const Rows *seqs;
    bool train;  // weights are wanted too
    bool turned; // weights are stored [cols, rows]
    WType type;  // of weight matrices
    P in[MOST_INPUTS];
    bool wanted[MOST_INPUTS];
    int n_in;
    int bump; // input to move, element and by how much
    int64_t element;
    double by;
} Ctx;

// Inputs of random numbers; all live in c->a, and c->in has them in the order of their making.
P leaf(Ctx *c, int64_t cols, const Rows *seqs, bool wanted);
P weight(Ctx *c, int64_t rows, int64_t cols); // a view of c->type at an odd address
P vector(Ctx *c, int64_t rows, int64_t cols, double shift, bool wanted); // gains, biases: plain floats

float *as_floats(Ctx *c, const double *d, int64_t n); // a copy

typedef struct Case Case;
struct Case {
    const char *name;
    P (*graph)(Ctx *c, const Case *k);
    P (*build)(Ctx *c, P x); // what graph makes of its input, for some
    int number;
    bool wide, whole; // through a second user of x; of many operations
    int64_t size;
    const int64_t *len;
    int64_t n;
    bool train;
};

P graph_of(Ctx *c, const Case *k); // afresh

// The whole of the above; *worst: the largest relative error of a gradient so far.
void check_case(Arena *a, const Case *k, double *worst);

// Cotangents as attribution has them (rows 0..t of a sentence), single rows, and an empty one.
Layout *cotangents(Arena *a, const Rows *seqs);
float *random_floats(Arena *a, int64_t n);

typedef struct Bits { // everything that a run gave
    float *f;
    int64_t n, cap;
} Bits;

void keep(Arena *a, Bits *b, const float *f, int64_t n);
