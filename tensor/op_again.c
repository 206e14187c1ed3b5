// SPDX-License-Identifier: Apache-2.0
// op_again.c — many operations as one that keeps nothing but its input: the way back runs them again, and then back through
// them. Chen et al. 2016, arXiv:1604.06174 (checkpointing). Memory is then for one part at a time; the price is a second
// forward pass, which serves all cotangents: they go back in turn, some hundred rows at a time, so that what one product
// leaves is still in the cache for the next, and memory does not grow with their number.
//
//   y = make(x)     back:   dx += what going back through make(x) gives for dy
#include "op.h"

#include <string.h>

static Tensor *input(const Node *n, Tape *inner, bool wanted) // the same numbers, another leaf
{
    Tensor *x = arena_new(tape_arena(inner), Tensor, 1);
    const Tensor *own = n->in[0];
    *x = (Tensor){.rows = own->rows, .cols = own->cols, .f = own->f, .seqs = own->seqs, .wanted = wanted};
    return x;
}

static void forward(Node *n, Tape *t)
{
    Tape *inner = tape_inner(t);
    tape_record(inner, false);
    const Tensor *y = n->make(inner, input(n, inner, false), n->context);
    if (y->rows != n->out->rows || y->cols != n->out->cols) BUG("again: another shape");
    memcpy(n->out->f, y->f, (size_t)(y->rows * y->cols) * sizeof(float));
    tape_reset(inner);
}

enum { ROWS_BACK = 384 };

// Where the part of l ends that begins with cotangent k.
static int64_t part_end(const Layout *l, int64_t k)
{
    int64_t rows = l->n[k++];
    while (k < l->K && rows + l->n[k] <= ROWS_BACK) rows += l->n[k++];
    return k;
}

static Layout *part_of(Tape *inner, const Layout *l, int64_t k, int64_t end)
{
    return layout_make(tape_arena(inner), end - k, l->seq + k, l->row0 + k, l->n + k);
}

// Found by a plan: shapes are enough to know who reaches what.
static void reach(Node *n, Tape *t)
{
    if (!n->in[0]->wanted) return;
    const Layout *l = n->out->layout;
    Tape *inner = tape_inner(t);
    tape_dry(inner, true);
    Tensor *x = input(n, inner, true), *y = n->make(inner, x, n->context);
    int64_t *row0 = arena_new(tape_back(t), int64_t, l->K), *rows = arena_new(tape_back(t), int64_t, l->K);
    size_t most = 0;
    for (int64_t k = 0, end; k < l->K; k = end) {
        end = part_end(l, k);
        size_t bytes = tape_reaches(inner, y, part_of(inner, l, k, end), x, row0 + k, rows + k);
        most = bytes > most ? bytes : most;
    }
    n->bytes = arena_used(tape_arena(inner)) + most;
    for (int64_t k = 0; k < l->K; k++) tape_reach(t, n->in[0], k, row0[k], rows[k], l);
    tape_reset(inner);
}

static void backward(Node *n, Tape *t)
{
    const Layout *l = n->out->layout;
    Tape *inner = tape_inner(t);
    Tensor *to = n->in[0], *x = input(n, inner, true), *y = n->make(inner, x, n->context);
    const Layout *in = to->layout;
    for (int64_t k = 0, end; k < l->K; k = end) {
        end = part_end(l, k);
        const Layout *part = part_of(inner, l, k, end);
        memcpy(tape_seed(inner, y, part), n->out->grad + l->at[k] * y->cols,
               (size_t)(part->total * y->cols) * sizeof(float));
        tape_go_back(inner, y);
        for (int64_t i = 0; x->grad && i < x->layout->total; i++) {
            const int64_t c = k + x->layout->of[i];
            float *dx = to->grad + (in->at[c] + x->layout->row[i] - in->row0[c]) * x->cols;
            K->add(dx, dx, x->grad + i * x->cols, x->cols);
        }
    }
    tape_reset(inner);
}

static int64_t scratch(const Node *n) { return (int64_t)(n->bytes / sizeof(float)); }

const Op op_again = {.name = "again",
                     .shape = shape_of_first,
                     .forward = forward,
                     .reach = reach,
                     .backward = backward,
                     .scratch = scratch,
                     .parts = true};

Tensor *tn_again(Tape *t, Tensor *x, TapePart *make, void *context)
{
    return tape_run(t, (Node){.op = &op_again, .in = {x}, .make = make, .context = context});
}
