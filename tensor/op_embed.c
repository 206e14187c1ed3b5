// SPDX-License-Identifier: Apache-2.0
// op_embed.c — rows of a table by their ids: token embeddings whose table is trained.
//
//   y[i] = c W[id[i]]          back:   dW[id[i]] += c dy[i], row after row
#include "op.h"

static void shape(Node *n, Tape *t)
{
    const Tensor *w = n->in[0];
    int64_t rows = 0;
    for (int64_t s = 0; s < n->seqs->n; s++) rows += n->seqs->len[s];
    n->out = tn_new(t, rows, w->cols, n->seqs);
    int64_t *copy = arena_new_raw(tape_arena(t), int64_t, rows); // the caller's may be gone on the way back
    for (int64_t i = 0; i < rows; i++) {
        copy[i] = n->ids[i];
        if (copy[i] < 0 || copy[i] >= w->rows)
            BUG("embed: id %" PRId64 " of %" PRId64 " rows", copy[i], w->rows);
    }
    n->index = copy;
}

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    const Tensor *w = n->in[0];
    for (int64_t i = from; i < to; i++) {
        float *y = n->out->f + i * w->cols;
        num_widen(y, w->raw ? w->raw : w->f, w->type, n->index[i] * w->cols, w->cols);
        K->scale(y, n->number, y, w->cols);
    }
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void backward(Node *n, Tape *t) // on one thread: rows may share an id
{
    (void)t;
    const Layout *l = n->out->layout;
    const Tensor *w = n->in[0];
    for (int64_t i = 0; w->wanted && i < l->total; i++)
        K->axpy(w->grad + n->index[l->row[i]] * w->cols, n->number, n->out->grad + i * w->cols, w->cols);
}

const Op op_embed = {.name = "embed", .shape = shape, .forward = forward, .backward = backward};

Tensor *tn_embed(Tape *t, Tensor *w, const int32_t *ids, const Rows *seqs, float c)
{
    return tape_run(t, (Node){.op = &op_embed, .in = {w}, .ids = ids, .seqs = seqs, .number = c});
}
