// SPDX-License-Identifier: Apache-2.0
// op_shift.c — y = x + table[position]: absolute positions, a constant. Row i of sequence s has position i + offset[s].
//   back:  dx += dy
#include "op.h"

static void forward(Node *n, Tape *t)
{
    (void)t;
    const Rows *s = n->out->seqs;
    int64_t cols = n->out->cols;
    for (int64_t q = 0; q < s->n; q++)
        for (int64_t i = 0; i < s->len[q]; i++) {
            int64_t r = s->start[q] + i, p = i + (n->index ? n->index[q] : 0);
            K->add(n->out->f + r * cols, n->in[0]->f + r * cols, n->table + p * cols, cols);
        }
}

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    int64_t cols = n->out->cols;
    for (int64_t i = from; i < to; i++) {
        float *dx = n->in[0]->grad + layout_place(n->in[0]->layout, n->out->layout, i) * cols;
        K->add(dx, dx, n->out->grad + i * cols, cols);
    }
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

const Op op_shift = {.name = "shift", .shape = shape_of_first, .forward = forward, .backward = backward};

Tensor *tn_shift(Tape *t, Tensor *x, const float *table, const int64_t *offset)
{
    return tape_run(t, (Node){.op = &op_shift, .in = {x}, .table = table, .index = offset});
}
