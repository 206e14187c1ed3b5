// SPDX-License-Identifier: Apache-2.0
// op.h — private to tensor/: a node of the tape, and what one file per operation has to say about itself.
#pragma once
#include "kern.h"
#include "tensor.h"

typedef struct Node Node;
enum { INPUTS = 6 }; // of a node at most

// One operation: a row in ops.def and a file that ends with `const Op op_NAME`.
typedef struct Op {
    const char *name;
    void (*shape)(Node *n, Tape *t);   // sets n->out (tn_new) and whatever is kept for the way back
    void (*forward)(Node *n, Tape *t); // fills n->out->f
    // Says which rows of the inputs the wanted rows of the output come from (tape_reach). NULL: row by row.
    void (*reach)(Node *n, Tape *t);
    // Adds into the gradient of every wanted input (its grad is set), never overwrites. Gradients are packed as the
    // layouts say: K cotangents at once.
    void (*backward)(Node *n, Tape *t);
    // Takes backward's place while tape_lrp is on; may change n->out's gradient. NULL: backward serves.
    void (*lrp)(Node *n, Tape *t);
    int64_t (*scratch)(const Node *n); // floats of tape_scratch that backward takes; NULL: none
    bool parts;                        // runs other operations, which are timed instead of it
    bool sets; // backward writes the first input's gradient, instead of adding, where Node.first is on
} Op;

struct Node {
    const Op *op;
    Tensor *in[INPUTS], *out;
    float *kept;  // what forward leaves for backward
    float number; // eps or factor
    bool first;   // the first input's gradient has the output's layout and holds nothing yet, not even zeros
    Act act;
    Attention how;
    Rope rope;
    Slice slice;
    TapePart *make;
    void *context;
    size_t bytes; // what the part takes on the way back
    const int64_t *index;
    const int32_t *ids;
    uint64_t seed;
    const Rows *seqs;
    const float *table;
};

Tensor *tape_run(Tape *t, Node n);                        // shape, forward, record; returns the output
Node *tape_node(Tape *t, int64_t i);                      // the i-th recorded, NULL behind the last
const Node *tape_maker(const Tape *t, const Tensor *out); // the node that made it, NULL if not recorded
Tape *tape_inner(Tape *t);                                // another tape, for parts of this one; reset
// Which rows of x (a leaf of t) the cotangents of out reach, and the bytes that going back would take.
size_t tape_reaches(Tape *t, Tensor *out, const Layout *seed_layout, const Tensor *x, int64_t *row0,
                    int64_t *n);
Arena *tape_back(Tape *t);               // for what `reach` leaves to `backward`
void shape_of_first(Node *n, Tape *t);   // an output like the first input
float *tape_scratch(Tape *t, int64_t n); // floats that live until the op returns
void tape_reach(Tape *t, Tensor *in, int64_t k, int64_t row0, int64_t n,
                const Layout *like); // widen cotangent k's rows
// Before the first tape_reach of an input whose sequences are not the output's: cotangent k is one of keys_of[its sequence].
void tape_reach_keys(Tape *t, Tensor *in, const Layout *like, const int32_t *keys_of);
void tape_reach_rows(Node *n, Tape *t); // the default: each activation input like the output

// Where row i of a packed gradient (layout `out`) stands in a wider layout of the same rows.
static inline int64_t layout_place(const Layout *in, const Layout *out, int64_t i)
{
    int32_t k = out->of[i];
    return in->at[k] + out->row[i] - in->row0[k];
}

// Cuts [0, rows) into parts of some 16,000 elements and runs them on the pool.
void each_rows(Node *n, int64_t rows, int64_t cols, void (*part)(Node *n, int64_t from, int64_t to));

// c [rows, N] (=, or += if add) x w^T (+ bias), and c = a b as in kern.def, on all threads. Both take
// packed_size(rows, k) floats of scratch.
void product_nt(Tape *t, float *c, int64_t ldc, const float *x, int64_t rows, const Tensor *w,
                const float *bias, bool add);
int64_t product_nn_scratch(int64_t rows, int64_t n, int64_t k); // floats that product_nn takes
void product_nn(Tape *t, float *c, int64_t ldc, const float *a, int64_t ai, int64_t ak, int64_t rows,
                const void *b, WType type, int64_t ldb, int64_t n, int64_t k, bool add);

// What a recorded linear layer was made of (b may be NULL); false if another op made the tensor.
bool linear_parts(const Tape *t, const Tensor *made, Tensor **x, const Tensor **w, const Tensor **b);
