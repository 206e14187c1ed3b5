// SPDX-License-Identifier: Apache-2.0
// op_layernorm.c — scale each row to mean 0 and variance 1. Ba, Kiros and Hinton 2016, arXiv:1607.06450.
//
//   y = u * g + b     u = (x - mean) * r     r = 1 / sqrt(var + eps)
//   back:   dx += r * (g*dy - mean(g*dy) - u * mean(g*dy*u))     dg += sum over R of dy * u     db += sum over R of dy
//   lrp:    dx += r * (g*dy - mean(g*dy))     r is a constant
// Keeps mean and r [R,2]; u is recomputed.
#include "op.h"

static void shape(Node *n, Tape *t)
{
    if (!n->in[1]->f || !n->in[2]->f) BUG("layernorm: gains must be float32");
    shape_of_first(n, t);
    n->kept = arena_new_raw(tape_arena(t), float, 2 * n->out->rows);
}

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t cols = n->out->cols;
    for (int64_t i = from; i < to; i++)
        K->layernorm(n->out->f + i * cols, n->kept + 2 * i, n->in[0]->f + i * cols, n->in[1]->f, n->in[2]->f,
                     cols, n->number);
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    const Tensor *x = n->in[0];
    for (int64_t i = from; i < to; i++)
        K->layernorm_dx(x->grad + layout_place(x->layout, l, i) * x->cols, n->out->grad + i * x->cols,
                        x->f + l->row[i] * x->cols, n->kept + 2 * l->row[i], n->in[1]->f, x->cols);
}

static void backward(Node *n, Tape *t)
{
    (void)t;
    const Layout *l = n->out->layout;
    const Tensor *x = n->in[0], *g = n->in[1], *b = n->in[2];
    if (x->wanted) each_rows(n, l->total, x->cols, rows_backward);
    for (int64_t i = 0; (g->wanted || b->wanted) && i < l->total; i++)
        K->layernorm_dg(g->wanted ? g->grad : NULL, b->wanted ? b->grad : NULL, n->out->grad + i * x->cols,
                        x->f + l->row[i] * x->cols, n->kept + 2 * l->row[i], x->cols);
}

static void rows_lrp(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    const Tensor *x = n->in[0];
    for (int64_t i = from; i < to; i++) {
        const float *g = n->in[1]->f, *dy = n->out->grad + i * x->cols;
        float *dx = x->grad + layout_place(x->layout, l, i) * x->cols, r = n->kept[2 * l->row[i] + 1];
        float mean = K->dot(g, dy, x->cols) / (float)x->cols;
        for (int64_t j = 0; j < x->cols; j++) dx[j] += r * (g[j] * dy[j] - mean);
    }
}

static void lrp(Node *n, Tape *t) { (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_lrp); }

const Op op_layernorm = {
    .name = "layernorm", .shape = shape, .forward = forward, .backward = backward, .lrp = lrp};

Tensor *tn_layernorm(Tape *t, Tensor *x, Tensor *g, Tensor *b, float eps)
{
    return tape_run(t, (Node){.op = &op_layernorm, .in = {x, g, b}, .number = eps});
}
