// SPDX-License-Identifier: Apache-2.0
// op_mul.c — y = a * b, element by element: the gate of T5 v1.1 and Llama.     back:  da += dy b   db += dy a
//   lrp:  da += dy/2 b   db += dy/2 a
#include "op.h"

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t at = from * n->out->cols, count = (to - from) * n->out->cols;
    K->mul(n->out->f + at, n->in[0]->f + at, n->in[1]->f + at, count);
}

static void forward(Node *n, Tape *t)
{
    (void)t;
    if (n->in[0]->rows != n->in[1]->rows || n->in[0]->cols != n->in[1]->cols) BUG("mul: shapes differ");
    each_rows(n, n->out->rows, n->out->cols, rows_forward);
}

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    int64_t cols = n->out->cols;
    for (int j = 0; j < 2; j++)
        for (int64_t i = from; n->in[j]->wanted && i < to; i++)
            K->mul_add(n->in[j]->grad + layout_place(n->in[j]->layout, l, i) * cols, n->out->grad + i * cols,
                       n->in[1 - j]->f + l->row[i] * cols, cols);
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

static void rows_lrp(Node *n, int64_t from, int64_t to)
{
    float *dy = n->out->grad + from * n->out->cols;
    K->scale(dy, 0.5f, dy, (to - from) * n->out->cols);
    rows_backward(n, from, to);
}

static void lrp(Node *n, Tape *t) { (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_lrp); }

const Op op_mul = {
    .name = "mul", .shape = shape_of_first, .forward = forward, .backward = backward, .lrp = lrp};

Tensor *tn_mul(Tape *t, Tensor *a, Tensor *b) { return tape_run(t, (Node){.op = &op_mul, .in = {a, b}}); }
