// SPDX-License-Identifier: Apache-2.0
// op_mix.c — an expert's rows join a sum: row i of x counts w[index[i], e] times in row index[i] of y.
//
//   out = y     out[index[i]] += w[index[i], e] x[i]       index ascending within each sequence of x
//   back:  dy += dout     dx[i] += w dout[index[i]]     dw[index[i], e] += dout[index[i]] . x[i]
//   lrp:   the two factors take half each
#include "op.h"

#include <string.h>

static void shape(Node *n, Tape *t)
{
    const Tensor *y = n->in[0], *x = n->in[1], *w = n->in[2];
    if (x->cols != y->cols || w->rows != y->rows || x->seqs->n != y->seqs->n) BUG("mix: shapes do not match");
    shape_of_first(n, t);
    int64_t *copy =
        arena_new_raw(tape_arena(t), int64_t, x->rows); // the caller's may be gone on the way back
    if (x->rows) memcpy(copy, n->index, (size_t)x->rows * sizeof(int64_t));
    n->index = copy;
}

static void forward(Node *n, Tape *t)
{
    (void)t;
    const Tensor *y = n->in[0], *x = n->in[1], *w = n->in[2];
    int64_t D = y->cols, e = n->slice.from;
    memcpy(n->out->f, y->f, (size_t)(y->rows * D) * sizeof(float));
    for (int64_t i = 0; i < x->rows; i++)
        K->axpy(n->out->f + n->index[i] * D, w->f[n->index[i] * w->cols + e], x->f + i * D, D);
}

// The rows of x that go to rows row0 .. row0 + count - 1 of sequence `seq`.
static int64_t rows_of(const Node *n, int32_t seq, int64_t row0, int64_t count, int64_t *first)
{
    const Rows *s = n->in[1]->seqs;
    int64_t from = s->start[seq], end = from + s->len[seq];
    while (from < end && n->index[from] < row0) from++;
    int64_t to = from;
    while (to < end && n->index[to] < row0 + count) to++;
    *first = from;
    return to - from;
}

static void reach(Node *n, Tape *t)
{
    const Layout *l = n->out->layout;
    for (int64_t k = 0; k < l->K; k++) {
        int64_t first, count = rows_of(n, l->seq[k], l->row0[k], l->n[k], &first);
        if (n->in[0]->wanted) tape_reach(t, n->in[0], k, l->row0[k], l->n[k], l);
        if (n->in[1]->wanted) tape_reach(t, n->in[1], k, first, count, l);
        if (n->in[2]->wanted) tape_reach(t, n->in[2], k, l->row0[k], l->n[k], l);
    }
}

static void back(Node *n, float share)
{
    const Layout *l = n->out->layout;
    const Tensor *y = n->in[0], *x = n->in[1], *w = n->in[2];
    int64_t D = y->cols, e = n->slice.from;
    for (int64_t i = 0; y->wanted && i < l->total; i++) {
        float *dy = y->grad + layout_place(y->layout, l, i) * D;
        K->add(dy, dy, n->out->grad + i * D, D);
    }
    for (int64_t k = 0; k < l->K; k++) {
        int64_t first, count = rows_of(n, l->seq[k], l->row0[k], l->n[k], &first);
        for (int64_t i = first; i < first + count; i++) {
            int64_t row = n->index[i];
            const float *dout = n->out->grad + (l->at[k] + row - l->row0[k]) * D;
            if (x->wanted)
                K->axpy(x->grad + (x->layout->at[k] + i - x->layout->row0[k]) * D,
                        share * w->f[row * w->cols + e], dout, D);
            if (w->wanted)
                w->grad[(w->layout->at[k] + row - w->layout->row0[k]) * w->cols + e] +=
                    share * K->dot(dout, x->f + i * D, D);
        }
    }
}

static void backward(Node *n, Tape *t) { (void)t, back(n, 1); }
static void lrp(Node *n, Tape *t) { (void)t, back(n, 0.5f); }

const Op op_mix = {
    .name = "mix", .shape = shape, .forward = forward, .reach = reach, .backward = backward, .lrp = lrp};

Tensor *tn_mix(Tape *t, Tensor *y, Tensor *x, Tensor *w, int64_t e, const int64_t *index)
{
    return tape_run(t, (Node){.op = &op_mix, .in = {y, x, w}, .slice = {.from = e}, .index = index});
}
