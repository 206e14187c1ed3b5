// SPDX-License-Identifier: Apache-2.0
// op_dropout.c — training's noise: each element is 0 with probability `rate`, else grows by 1 / (1 - rate).
// Srivastava et al. 2014, JMLR 15. Keeps the factors m [R,C].
//
//   y = x * m          back:   dx += dy * m
// An element's factor depends on the seed and its place alone, so neither threads nor instruction sets change it.
#include "op.h"

static void shape(Node *n, Tape *t)
{
    shape_of_first(n, t);
    n->kept = arena_new_raw(tape_arena(t), float, n->out->rows * n->out->cols);
}

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t at = from * n->out->cols, end = to * n->out->cols;
    float grown = 1 / (1 - n->number);
    for (int64_t i = at; i < end; i++)
        n->kept[i] = (float)(num_random(n->seed, (uint64_t)i) >> 40) * 0x1p-24f < n->number ? 0 : grown;
    K->mul(n->out->f + at, n->in[0]->f + at, n->kept + at, end - at);
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    int64_t cols = n->out->cols;
    for (int64_t i = from; i < to; i++)
        K->mul_add(n->in[0]->grad + layout_place(n->in[0]->layout, l, i) * cols, n->out->grad + i * cols,
                   n->kept + l->row[i] * cols, cols);
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

const Op op_dropout = {.name = "dropout", .shape = shape, .forward = forward, .backward = backward};

Tensor *tn_dropout(Tape *t, Tensor *x, float rate, uint64_t seed)
{
    return tape_run(t, (Node){.op = &op_dropout, .in = {x}, .number = rate, .seed = seed});
}
