// SPDX-License-Identifier: Apache-2.0
// op_rmsnorm.c — scale each row to unit root mean square: the layer norm of T5 and Llama.
// Zhang and Sennrich 2019, arXiv:1910.07467. Keeps r [R] for the way back, recomputes u. With fewer gains than columns each
// stretch of as many columns is normed by itself (the heads of queries and keys in Qwen 3 and Gemma 3): r is [R, stretches].
//
//   y = u * g     u = x * r     r = 1 / sqrt(mean(x^2) + eps)
//   back:   dx += r * (g*dy - u * mean(g*dy*u))          dg += sum over R of dy * u
//   lrp:    dx += r * g*dy                               r is a constant
#include "op.h"

static int64_t stretches(const Node *n) { return n->in[0]->cols / n->in[1]->cols; }

static void shape(Node *n, Tape *t)
{
    if (!n->in[1]->f || n->in[0]->cols % n->in[1]->cols)
        BUG("rmsnorm: gains must be float32 and as many as columns");
    shape_of_first(n, t);
    n->kept = arena_new_raw(tape_arena(t), float, n->out->rows *stretches(n));
}

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t G = n->in[1]->cols, each = stretches(n); // from here on a row is a stretch of G columns
    for (int64_t i = from * each; i < to * each; i++)
        K->rmsnorm(n->out->f + i * G, n->kept + i, n->in[0]->f + i * G, n->in[1]->f, G, n->number);
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    const Tensor *x = n->in[0];
    int64_t G = n->in[1]->cols, each = stretches(n);
    for (int64_t i = from; i < to; i++)
        for (int64_t s = 0; s < each; s++)
            K->rmsnorm_dx(x->grad + layout_place(x->layout, l, i) * x->cols + s * G,
                          n->out->grad + i * x->cols + s * G, x->f + l->row[i] * x->cols + s * G,
                          n->kept + l->row[i] * each + s, n->in[1]->f, G);
}

static void backward(Node *n, Tape *t)
{
    (void)t;
    const Layout *l = n->out->layout;
    const Tensor *x = n->in[0], *g = n->in[1];
    if (x->wanted) each_rows(n, l->total, x->cols, rows_backward);
    int64_t G = g->cols, each = stretches(n);
    for (int64_t i = 0; g->wanted && i < l->total * each; i++) {
        int64_t row = l->row[i / each] * each + i % each;
        K->rmsnorm_dg(g->grad, n->out->grad + i * G, x->f + row * G, n->kept + row, G);
    }
}

static void rows_lrp(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    const Tensor *x = n->in[0];
    int64_t G = n->in[1]->cols, each = stretches(n);
    for (int64_t i = from; i < to; i++) {
        const float *g = n->in[1]->f, *dy = n->out->grad + i * x->cols, *r = n->kept + l->row[i] * each;
        float *dx = x->grad + layout_place(x->layout, l, i) * x->cols;
        for (int64_t s = 0; s < each; s++, dx += G, dy += G)
            for (int64_t j = 0; j < G; j++) dx[j] += r[s] * (g[j] * dy[j]);
    }
}

static void lrp(Node *n, Tape *t) { (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_lrp); }

const Op op_rmsnorm = {
    .name = "rmsnorm", .shape = shape, .forward = forward, .backward = backward, .lrp = lrp};

Tensor *tn_rmsnorm(Tape *t, Tensor *x, Tensor *g, float eps)
{
    return tape_run(t, (Node){.op = &op_rmsnorm, .in = {x, g}, .number = eps});
}
