// SPDX-License-Identifier: Apache-2.0
// op_route.c — the router of a mixture of experts: a softmax over the `used` largest scores of each row, 0 for the others
// (the first among equals). Jiang et al. 2024, arXiv:2401.04088.
//
//   w = softmax(top(z))     back:   dz += w * (dw - sum(dw*w))
// Which experts are chosen is a constant on the way back.
#include "op.h"

static void shape(Node *n, Tape *t)
{
    shape_of_first(n, t);
    if (n->slice.width < 1 || n->slice.width > n->out->cols)
        BUG("route: %" PRId64 " experts of %" PRId64, n->slice.width, n->out->cols);
    // a plan computes nothing: rows are then dealt to the experts in turn
    for (int64_t i = 0; i < n->out->rows; i++)
        for (int64_t e = 0; e < n->out->cols; e++)
            n->out->f[i * n->out->cols + e] =
                (e - i % n->out->cols + n->out->cols) % n->out->cols < n->slice.width
                    ? 1.0f / (float)n->slice.width
                    : 0;
}

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t E = n->out->cols;
    for (int64_t i = from; i < to; i++) {
        const float *z = n->in[0]->f + i * E;
        float *w = n->out->f + i * E, chosen[64];
        int64_t which[64], used = n->slice.width < 64 ? n->slice.width : 64;
        for (int64_t e = 0; e < E; e++) w[e] = 0;
        for (int64_t k = 0; k < used; k++) {
            int64_t best = -1;
            for (int64_t e = 0; e < E; e++)
                if (w[e] == 0 && (best < 0 || (z[best] == z[best] && !(z[e] <= z[best]))))
                    best = e; // the highest, of equals the first; a NaN before all, so that it is seen
            which[k] = best, chosen[k] = z[best], w[best] = 1; // taken
        }
        K->softmax(chosen, chosen, used, NULL, NULL);
        for (int64_t k = 0; k < used; k++) w[which[k]] = chosen[k];
    }
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    int64_t E = n->out->cols;
    for (int64_t i = from; i < to; i++)
        K->softmax_dx(n->in[0]->grad + layout_place(n->in[0]->layout, l, i) * E, n->out->grad + i * E,
                      n->out->f + l->row[i] * E, E);
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

const Op op_route = {.name = "route", .shape = shape, .forward = forward, .backward = backward};

Tensor *tn_route(Tape *t, Tensor *z, int64_t used)
{
    return tape_run(t, (Node){.op = &op_route, .in = {z}, .slice = {.width = used}});
}
