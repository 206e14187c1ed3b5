// SPDX-License-Identifier: Apache-2.0
// op_slice.c — blocks of columns of x: queries, keys or values out of a fused projection, whatever way its rows are mixed.
//   back:  dx[those columns] += dy
#include "op.h"

#include <string.h>

static void shape(Node *n, Tape *t)
{
    const Slice *s = &n->slice;
    int64_t last = s->blocks - 1;
    if (s->from + last / s->each * s->step + last % s->each * s->width + s->width > n->in[0]->cols)
        BUG("slice: past the last column");
    n->out = tn_new(t, n->in[0]->rows, s->blocks * s->width, n->in[0]->seqs);
}

static int64_t column(const Slice *s, int64_t block)
{
    return s->from + block / s->each * s->step + block % s->each * s->width;
}

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    const Slice *s = &n->slice;
    for (int64_t i = from; i < to; i++)
        for (int64_t b = 0; b < s->blocks; b++)
            memcpy(n->out->f + i * n->out->cols + b * s->width,
                   n->in[0]->f + i * n->in[0]->cols + column(s, b), (size_t)s->width * sizeof(float));
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    const Slice *s = &n->slice;
    const Tensor *x = n->in[0];
    for (int64_t i = from; i < to; i++)
        for (int64_t b = 0; b < s->blocks; b++) {
            float *dx = x->grad + layout_place(x->layout, n->out->layout, i) * x->cols + column(s, b);
            K->add(dx, dx, n->out->grad + i * n->out->cols + b * s->width, s->width);
        }
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

const Op op_slice = {.name = "slice", .shape = shape, .forward = forward, .backward = backward};

Tensor *tn_slice(Tape *t, Tensor *x, Slice how)
{
    return tape_run(t, (Node){.op = &op_slice, .in = {x}, .slice = how});
}
