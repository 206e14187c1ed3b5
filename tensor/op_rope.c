// SPDX-License-Identifier: Apache-2.0
// op_rope.c — rotary positions: pairs of columns of each head are turned by an angle that grows with the row's position, so
// that a dot product of a query and a key knows their distance. Su et al. 2021, arXiv:2104.09864.
//
//   y1 = x1 cos - x2 sin     y2 = x2 cos + x1 sin          (x1, x2) a pair; columns that are in no pair pass
//   back:   dx1 += dy1 cos + dy2 sin     dx2 += dy2 cos - dy1 sin
// Row i of sequence s has position i + offset[s]. Cosines and sines are constants, whatever scaling they hold.
#include "op.h"

#include <string.h>

static void shape(Node *n, Tape *t)
{
    const Rope *h = &n->rope;
    if (n->in[0]->cols % h->width || h->rotated > h->width || h->rotated % 2)
        BUG("rope: widths do not match");
    shape_of_first(n, t);
    int64_t *position = arena_new_raw(tape_arena(t), int64_t, n->out->rows);
    const float **table = arena_new_raw(tape_arena(t), const float *, n->out->rows);
    const Rows *s = n->out->seqs;
    for (int64_t q = 0; q < s->n; q++)
        for (int64_t i = 0; i < s->len[q]; i++) {
            position[s->start[q] + i] = i + (n->index ? n->index[q] : 0);
            table[s->start[q] + i] = h->of ? h->of[q] : h->table;
        }
    n->index = position, n->rope.of = table; // now of rows: the caller's may be gone on the way back
}

// Turns the pairs of one row: y += turned x if back (the other way round), else y = turned x.
static void turn(const Node *n, float *y, const float *x, int64_t row, bool back)
{
    const Rope *h = &n->rope;
    const float *angle = h->of[row] + n->index[row] * h->rotated;
    int64_t half = h->rotated / 2, near = h->neighbours ? 2 : 1, far = h->neighbours ? 1 : half;
    for (int64_t head = 0; head < n->out->cols; head += h->width, x += h->width, y += h->width) {
        for (int64_t i = 0; i < half; i++) {
            float c = angle[2 * i], s = back ? -angle[2 * i + 1] : angle[2 * i + 1];
            float x1 = x[i * near], x2 = x[i * near + far];
            float y1 = x1 * c - x2 * s, y2 = x2 * c + x1 * s;
            y[i * near] = back ? y[i * near] + y1 : y1;
            y[i * near + far] = back ? y[i * near + far] + y2 : y2;
        }
        for (int64_t i = h->rotated; i < h->width; i++) y[i] = back ? y[i] + x[i] : x[i];
    }
}

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        turn(n, n->out->f + i * n->out->cols, n->in[0]->f + i * n->out->cols, i, false);
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    for (int64_t i = from; i < to; i++)
        turn(n, n->in[0]->grad + layout_place(n->in[0]->layout, l, i) * n->out->cols,
             n->out->grad + i * n->out->cols, l->row[i], true);
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

const Op op_rope = {.name = "rope", .shape = shape, .forward = forward, .backward = backward};

Tensor *tn_rope(Tape *t, Tensor *x, const Rope *how, const int64_t *offset)
{
    return tape_run(t, (Node){.op = &op_rope, .in = {x}, .rope = *how, .index = offset});
}
