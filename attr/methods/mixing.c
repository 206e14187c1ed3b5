// SPDX-License-Identifier: Apache-2.0
// mixing.c — attention blocks of a recorded pass, one after the other: from what each mixes to what all of them do.
#include "mixing.h"

#include <string.h>

Block mixing_block(const Run *r, int64_t pair, NnZero which, int64_t layer)
{
    int32_t t = r->target_of[pair], seq = which == ZERO_ENCODER ? r->source_of[t] : t;
    Block b = {.which = which,
               .layer = layer,
               .heads = which == ZERO_ENCODER ? r->f->encoder_heads : r->f->heads,
               .made = which == ZERO_ENCODER ? r->pass.encoder_self[layer]
                       : which == ZERO_CROSS ? r->pass.cross[layer]
                                             : r->pass.decoder_self[layer]};
    b.width = nn_attention_output(r->m, which, layer)->rows;
    b.weights = tn_attention_weights(r->tape, b.made, seq, &b.nq, &b.nk);
    b.first_query = b.made->seqs->start[seq];
    b.first_key = which == ZERO_CROSS ? r->sources->start[r->source_of[t]] : b.first_query;
    return b;
}

typedef struct Transform {
    const Block *b;
    const Tensor *v, *o;
    float *row, *f;
    int64_t step; // rows of o for each part
} Transform;

static void transform_part(int64_t part, void *context)
{
    const Transform *t = context;
    const Tensor *v = t->v, *o = t->o;
    int64_t A = t->b->heads, d = o->cols / A, D = o->rows,
            each = o->cols / v->cols; // heads that share their values
    float *row = t->row + part * o->cols;
    for (int64_t k = part * t->step; k < (part + 1) * t->step && k < D; k++) {
        num_weight_row(row, o, k);
        for (int64_t j = 0; j < t->b->nk; j++)
            for (int64_t h = 0; h < A; h++)
                t->f[(j * A + h) * D + k] =
                    num_dot(row + h * d, v->f + (t->b->first_key + j) * v->cols + h / each * d, d);
    }
}

float *mixing_transformed(const Run *r, Arena *a, const Block *b)
{
    const Tensor *o = nn_attention_output(r->m, b->which, b->layer);
    Transform t = {.b = b, .v = tn_attention_values(r->tape, b->made), .o = o, .step = 16};
    int64_t parts = (o->rows + t.step - 1) / t.step;
    t.row = arena_new_raw(a, float, parts * o->cols);
    t.f = arena_new_raw(a, float, b->nk * b->heads * o->rows);
    pool_run(parts, transform_part, &t);
    return t.f;
}

// to [rows, cols] = c_last * to + c x: c [rows, n + 1], x [n, cols].
static void mix(Run *r, float *to, const float *c, const float *x, int64_t rows, int64_t n, int64_t cols)
{
    Arena *w = arena_create(r->work);
    float *old = arena_new_raw(w, float, rows *cols);
    memcpy(old, to, (size_t)(rows * cols) * sizeof(float));
    for (int64_t i = 0; i < rows; i++, c += n + 1) {
        for (int64_t k = 0; k < cols; k++) to[i * cols + k] = c[n] * old[i * cols + k];
        for (int64_t j = 0; j < n; j++)
            if (c[j] != 0) num_axpy(to + i * cols, c[j], (x == to ? old : x) + j * cols, cols);
    }
    arena_free(w);
}

static float *identity(Arena *a, int64_t n)
{
    float *x = arena_new(a, float, n *n);
    for (int64_t i = 0; i < n; i++) x[i * n + i] = 1;
    return x;
}

static void roll_block(Run *r, Mixing *m, int64_t pair, NnZero which, int64_t layer, BlockShares *shares,
                       void *context)
{
    Arena *a = arena_create(r->work);
    Block b = mixing_block(r, pair, which, layer);
    float *c = arena_new(a, float, b.nq *(b.nk + 1));
    shares(r, context, m, &b, c);
    if (which == ZERO_ENCODER) mix(r, m->R, c, m->R, m->S, m->S, m->S);
    else mix(r, m->X, c, which == ZERO_CROSS ? m->R : m->X, m->T, b.nk, m->S);
    if (which == ZERO_DECODER) mix(r, m->Y, c, m->Y, m->T, m->T, m->T);
    for (int64_t i = 0; which == ZERO_CROSS && i < m->T; i++)
        for (int64_t k = 0; k < m->T; k++) m->Y[i * m->T + k] *= c[i * (b.nk + 1) + b.nk];
    arena_free(a);
}

Mixing mixing_roll(Run *r, Arena *a, int64_t pair, BlockShares *shares, void *context)
{
    int32_t t = r->target_of[pair];
    Mixing m = {.T = r->targets->len[t], .S = r->sources ? r->sources->len[r->source_of[t]] : 0};
    m.R = identity(a, m.S), m.Y = identity(a, m.T), m.X = arena_new(a, float, m.T *m.S);
    for (int64_t l = 0; r->sources && l < r->f->encoder_layers; l++)
        roll_block(r, &m, pair, ZERO_ENCODER, l, shares, context);
    for (int64_t l = 0; l < r->f->decoder_layers; l++) {
        roll_block(r, &m, pair, ZERO_DECODER, l, shares, context);
        if (r->sources) roll_block(r, &m, pair, ZERO_CROSS, l, shares, context);
    }
    return m;
}

void mixing_show(Run *r, int64_t pair, const Mixing *m)
{
    Sequence *q = &r->out[pair];
    for (int64_t c = 0; c < r->to[pair] - r->from[pair]; c++) {
        int64_t row = r->from[pair] - 1 + c;
        for (int64_t k = 0; q->source_attributions.v && k < m->S; k++)
            *run_cell(&q->source_attributions, k, c) = m->X[row * m->S + k];
        for (int64_t k = 0; q->target_attributions.v && k <= row; k++)
            *run_cell(&q->target_attributions, k, c) = m->Y[row * m->T + k];
    }
}
