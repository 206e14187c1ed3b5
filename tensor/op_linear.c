// SPDX-License-Identifier: Apache-2.0
// op_linear.c — y = x W^T + b, the weight as PyTorch keeps it, [out, in].
//
//   back:   dx += dy W          dW += dy^T x          db += sum over rows of dy
// The way back for K cotangents is one large product: the rows of all of them stand end to end.
//
// A weight whose file has it turned, [in, out], changes places with itself: the product that goes forward is the one that
// goes back for others, and the other way round. Nothing is copied.
#include "op.h"

#include <string.h>

static void shape(Node *n, Tape *t)
{
    const Tensor *x = n->in[0], *w = n->in[1];
    if (x->cols != w->cols)
        BUG("linear: x has %" PRId64 " columns, %s has %" PRId64, x->cols, w->name, w->cols);
    if (w->turned && (w->wanted || !w->raw)) BUG("linear: a turned weight is only read");
    if (n->in[2] && !n->in[2]->f) BUG("linear: a bias must be float32");
    n->out = tn_new(t, x->rows, w->rows, x->seqs);
}

static void rows_bias(Node *n, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++) {
        float *y = n->out->f + i * n->out->cols;
        K->add(y, y, n->in[2]->f, n->out->cols);
    }
}

static void forward(Node *n, Tape *t)
{
    const Tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    if (w->turned) {
        product_nn(t, n->out->f, w->rows, x->f, w->cols, 1, x->rows, w->raw, w->type, w->rows, w->rows,
                   w->cols, false);
        if (b) each_rows(n, x->rows, w->rows, rows_bias);
    } else product_nt(t, n->out->f, n->out->cols, x->f, x->rows, w, b ? b->f : NULL, false);
}

static void rows_back(const Node *n, Tape *t, float *dx, bool add)
{
    const Tensor *w = n->in[1], *y = n->out;
    int64_t rows = y->layout->total;
    Tensor as_stored = {.rows = w->cols, .cols = w->rows, .raw = w->raw, .type = w->type};
    if (w->turned) product_nt(t, dx, w->cols, y->grad, rows, &as_stored, NULL, add);
    else
        product_nn(t, dx, w->cols, y->grad, y->cols, 1, rows, w->raw ? w->raw : w->f, w->type, w->cols,
                   w->cols, y->cols, add);
}

// x's gradient may cover more rows than y's: the ones in common are taken out, added to, and put back, so that the sum
// runs in the same order as in place.
static void take_rows(Node *n, int64_t from, int64_t to)
{
    const Tensor *x = n->in[0];
    for (int64_t i = from; i < to; i++)
        memcpy(n->kept + i * x->cols, x->grad + layout_place(x->layout, n->out->layout, i) * x->cols,
               (size_t)x->cols * sizeof(float));
}

static void put_rows(Node *n, int64_t from, int64_t to)
{
    const Tensor *x = n->in[0];
    for (int64_t i = from; i < to; i++)
        memcpy(x->grad + layout_place(x->layout, n->out->layout, i) * x->cols, n->kept + i * x->cols,
               (size_t)x->cols * sizeof(float));
}

static void backward(Node *n, Tape *t)
{
    const Tensor *x = n->in[0], *w = n->in[1], *b = n->in[2], *y = n->out;
    const Layout *l = y->layout;
    if (x->wanted) {
        bool apart = x->layout != l;
        n->kept = apart ? tape_scratch(t, l->total * x->cols) : x->grad;
        if (apart) each_rows(n, l->total, x->cols, take_rows);
        rows_back(n, t, n->kept, !n->first);
        if (apart) each_rows(n, l->total, x->cols, put_rows);
    }
    if (w->wanted) {
        float *rows = tape_scratch(t, l->total * x->cols);
        for (int64_t i = 0; i < l->total; i++)
            K->scale(rows + i * x->cols, 1, x->f + l->row[i] * x->cols, x->cols);
        product_nn(t, w->grad, w->cols, y->grad, 1, y->cols, w->rows, rows, W_F32, x->cols, x->cols, l->total,
                   true);
    }
    if (b && b->wanted)
        for (int64_t i = 0; i < l->total; i++) K->add(b->grad, b->grad, y->grad + i * y->cols, y->cols);
}

static int64_t scratch(const Node *n)
{
    const Tensor *x = n->in[0], *w = n->in[1];
    int64_t rows = n->out->layout->total, floats = rows * x->cols;
    int64_t product = w->turned ? packed_size(rows, w->rows) : product_nn_scratch(rows, x->cols, w->rows);
    return (x->wanted ? product : 0) + (x->wanted && x->layout != n->out->layout ? floats : 0) +
           (w->wanted ? floats + product_nn_scratch(w->rows, x->cols, rows) : 0);
}

const Op op_linear = {.name = "linear",
                      .shape = shape,
                      .forward = forward,
                      .backward = backward,
                      .scratch = scratch,
                      .sets = true};

Tensor *tn_linear(Tape *t, Tensor *x, Tensor *w, Tensor *b)
{
    return tape_run(t, (Node){.op = &op_linear, .in = {x, w, b}});
}

bool linear_parts(const Tape *t, const Tensor *made, Tensor **x, const Tensor **w, const Tensor **b)
{
    const Node *n = tape_maker(t, made);
    if (!n || n->op != &op_linear) return false;
    *x = n->in[0], *w = n->in[1], *b = n->in[2];
    return true;
}
