// SPDX-License-Identifier: Apache-2.0
// op_pick.c — some rows of x: the decoder rows whose logits are wanted. y[i] = x[index[i]].
//   back:  dx[index[i]] += dy[i]
#include "op.h"

#include <string.h>

static void shape(Node *n, Tape *t)
{
    int64_t rows = 0;
    for (int64_t q = 0; q < n->seqs->n; q++) rows += n->seqs->len[q];
    n->out = tn_new(t, rows, n->in[0]->cols, n->seqs);
    int64_t *copy = arena_new_raw(tape_arena(t), int64_t, rows); // the caller's may be gone on the way back
    if (rows) memcpy(copy, n->index, (size_t)rows * sizeof(int64_t));
    n->index = copy;
}

static void forward(Node *n, Tape *t)
{
    (void)t;
    size_t bytes = (size_t)n->out->cols * sizeof(float);
    for (int64_t i = 0; i < n->out->rows; i++)
        memcpy(n->out->f + i * n->out->cols, n->in[0]->f + n->index[i] * n->out->cols, bytes);
}

static void reach(Node *n, Tape *t)
{
    const Layout *l = n->out->layout;
    for (int64_t k = 0; n->in[0]->wanted && k < l->K; k++) {
        int64_t first = l->n[k] ? n->index[l->row0[k]] : 0,
                last = l->n[k] ? n->index[l->row0[k] + l->n[k] - 1] : -1;
        tape_reach(t, n->in[0], k, first, last - first + 1, l);
    }
}

static void backward(Node *n, Tape *t)
{
    (void)t;
    const Layout *l = n->out->layout, *in = n->in[0]->layout;
    int64_t cols = n->out->cols;
    for (int64_t i = 0; i < l->total; i++) {
        int32_t k = l->of[i];
        float *dx = n->in[0]->grad + (in->at[k] + n->index[l->row[i]] - in->row0[k]) * cols;
        K->add(dx, dx, n->out->grad + i * cols, cols);
    }
}

const Op op_pick = {.name = "pick", .shape = shape, .forward = forward, .reach = reach, .backward = backward};

Tensor *tn_pick(Tape *t, Tensor *x, const int64_t *index, const Rows *seqs)
{
    return tape_run(t, (Node){.op = &op_pick, .in = {x}, .index = index, .seqs = seqs});
}
