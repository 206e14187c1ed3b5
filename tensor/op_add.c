// SPDX-License-Identifier: Apache-2.0
// op_add.c — y = a + b: the residual connection.     back:  da += dy   db += dy
#include "op.h"

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t at = from * n->out->cols, count = (to - from) * n->out->cols;
    K->add(n->out->f + at, n->in[0]->f + at, n->in[1]->f + at, count);
}

static void forward(Node *n, Tape *t)
{
    (void)t;
    if (n->in[0]->rows != n->in[1]->rows || n->in[0]->cols != n->in[1]->cols) BUG("add: shapes differ");
    each_rows(n, n->out->rows, n->out->cols, rows_forward);
}

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    int64_t cols = n->out->cols;
    for (int j = 0; j < 2; j++)
        for (int64_t i = from; n->in[j]->wanted && i < to; i++) {
            float *dx = n->in[j]->grad + layout_place(n->in[j]->layout, n->out->layout, i) * cols;
            K->add(dx, dx, n->out->grad + i * cols, cols);
        }
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

const Op op_add = {.name = "add", .shape = shape_of_first, .forward = forward, .backward = backward};

Tensor *tn_add(Tape *t, Tensor *a, Tensor *b) { return tape_run(t, (Node){.op = &op_add, .in = {a, b}}); }
