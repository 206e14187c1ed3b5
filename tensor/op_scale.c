// SPDX-License-Identifier: Apache-2.0
// op_scale.c — y = c x: T5 1.0 scales its last hidden states by d_model^-0.5.     back:  dx += c dy
#include "op.h"

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t at = from * n->out->cols;
    K->scale(n->out->f + at, n->number, n->in[0]->f + at, (to - from) * n->out->cols);
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    int64_t cols = n->out->cols;
    for (int64_t i = from; i < to; i++)
        K->axpy(n->in[0]->grad + layout_place(n->in[0]->layout, n->out->layout, i) * cols, n->number,
                n->out->grad + i * cols, cols);
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

const Op op_scale = {.name = "scale", .shape = shape_of_first, .forward = forward, .backward = backward};

Tensor *tn_scale(Tape *t, Tensor *x, float c)
{
    return tape_run(t, (Node){.op = &op_scale, .in = {x}, .number = c});
}
