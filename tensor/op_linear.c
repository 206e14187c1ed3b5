// op_linear.c — y = x W^T + b, the weight as PyTorch keeps it, [out, in].
//
//   back:   dx += dy W          dW += dy^T x          db += sum over rows of dy
// The way back for K cotangents is one large product: the rows of all of them stand end to end.
#include "op.h"

static void shape(Node *n, Tape *t)
{
    const Tensor *x = n->in[0], *w = n->in[1];
    if (x->cols != w->cols) BUG("linear: x has %" PRId64 " columns, %s has %" PRId64, x->cols, w->name, w->cols);
    n->out = tn_new(t, x->rows, w->rows, x->seqs);
}

static void forward(Node *n, Tape *t)
{
    const Tensor *x = n->in[0], *w = n->in[1], *b = n->in[2];
    product_nt(t, n->out->f, n->out->cols, x->f, x->rows, w, b ? b->f : NULL, false);
}

static void scatter(Node *n, int64_t from, int64_t to)
{
    const Tensor *x = n->in[0];
    for (int64_t i = from; i < to; i++) {
        float *dx = x->grad + layout_place(x->layout, n->out->layout, i) * x->cols;
        K->add(dx, dx, n->kept + i * x->cols, x->cols);
    }
}

static void backward(Node *n, Tape *t)
{
    const Tensor *x = n->in[0], *w = n->in[1], *b = n->in[2], *y = n->out;
    const Layout *l = y->layout;
    const void *weights = w->raw ? w->raw : w->f;
    if (x->wanted && x->layout == l) {
        product_nn(x->grad, x->cols, y->grad, y->cols, 1, l->total, weights, w->type, w->cols, x->cols, y->cols, true);
    } else if (x->wanted) { // x's gradient covers more rows: compute beside it, then add where they belong
        n->kept = tape_scratch(t, l->total * x->cols);
        product_nn(n->kept, x->cols, y->grad, y->cols, 1, l->total, weights, w->type, w->cols, x->cols, y->cols, false);
        each_rows(n, l->total, x->cols, scatter);
    }
    if (w->wanted) {
        float *rows = tape_scratch(t, l->total * x->cols);
        for (int64_t i = 0; i < l->total; i++) K->scale(rows + i * x->cols, 1, x->f + l->row[i] * x->cols, x->cols);
        product_nn(w->grad, w->cols, y->grad, 1, y->cols, w->rows, rows, W_F32, x->cols, x->cols, l->total, true);
    }
    if (b && b->wanted)
        for (int64_t i = 0; i < l->total; i++) K->add(b->grad, b->grad, y->grad + i * y->cols, y->cols);
}

const Op op_linear = {.name = "linear", .shape = shape, .forward = forward, .backward = backward};

Tensor *tn_linear(Tape *t, Tensor *x, Tensor *w, Tensor *b)
{
    return tape_run(t, (Node){.op = &op_linear, .in = {x, w, b}});
}
