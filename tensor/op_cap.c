// SPDX-License-Identifier: Apache-2.0
// op_cap.c — y = c tanh(x / c): scores or logits that stay between -c and c. Gemma 2: arXiv:2408.00118, section 2.
//   back:  dx += dy (1 - (y/c)^2)          lrp:  dx += dy y/x, and dy where x is 0
#include "op.h"

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t at = from * n->out->cols, count = (to - from) * n->out->cols;
    float *y = n->out->f + at;
    for (int64_t i = 0; i < count; i++) y[i] = n->in[0]->f[at + i] / n->number;
    K->tanh(y, y, count);
    K->scale(y, n->number, y, count);
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void back(Node *n, int64_t from, int64_t to, bool ratio)
{
    const Layout *l = n->out->layout;
    int64_t cols = n->out->cols;
    for (int64_t i = from; i < to; i++) {
        const float *x = n->in[0]->f + l->row[i] * cols, *y = n->out->f + l->row[i] * cols;
        const float *dy = n->out->grad + i * cols;
        float *dx = n->in[0]->grad + layout_place(n->in[0]->layout, l, i) * cols;
        for (int64_t j = 0; j < cols; j++) {
            float u = y[j] / n->number, slope = ratio ? x[j] != 0 ? y[j] / x[j] : 1 : 1 - u * u;
            dx[j] += dy[j] * slope;
        }
    }
}

static void rows_backward(Node *n, int64_t from, int64_t to) { back(n, from, to, false); }
static void rows_lrp(Node *n, int64_t from, int64_t to) { back(n, from, to, true); }

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

static void lrp(Node *n, Tape *t) { (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_lrp); }

const Op op_cap = {
    .name = "cap", .shape = shape_of_first, .forward = forward, .backward = backward, .lrp = lrp};

Tensor *tn_cap(Tape *t, Tensor *x, float c)
{
    return tape_run(t, (Node){.op = &op_cap, .in = {x}, .number = c});
}
