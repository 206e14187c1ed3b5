// SPDX-License-Identifier: Apache-2.0
// zeroing.c — one layer again without the values of a token: what value zeroing compares with. Mohebbi,
// Zuidema, Chrupała and Alishahi 2023, arXiv:2301.12971.
//
// Zeroed values leave the attention weights as they are, so the attention's result loses p[i,j] v[j] in row
// i, and only what comes after it is computed anew. Rows do not meet there: all tokens' variants of a layer
// are rows of one pass.
#include "model.h"

#include <string.h>

typedef struct Zeroing {
    const Model *m;
    const Tape *recorded;
    const Pass *pass;
    Tape *t;
    int64_t layer, seq, first, n, queries;
    bool ragged;      // token j's rows begin with row j
    const Rows *rows; // of the variants
} Zeroing;

static int64_t first_row(const Zeroing *z, int64_t k) { return z->ragged ? z->first + k : 0; }

// The sequence's rows of x, once for each variant.
static Tensor *repeat(const Zeroing *z, const Tensor *x)
{
    Tensor *out = tn_new(z->t, z->rows->start[z->n - 1] + z->rows->len[z->n - 1], x->cols, z->rows);
    for (int64_t k = 0; k < z->n; k++)
        memcpy(out->f + z->rows->start[k] * x->cols,
               x->f + (x->seqs->start[z->seq] + first_row(z, k)) * x->cols,
               (size_t)(z->rows->len[k] * x->cols) * sizeof(float));
    return out;
}

// Takes away p[i,j] v[j] of token j = first + k from rows of variant k, in the heads that lose it.
static void take_away(const Zeroing *z, Tensor *y, const Tensor *made, const Attention *how,
                      const bool *heads)
{
    const Tensor *v = tn_attention_values(z->recorded, made);
    int64_t nq, nk, each = y->cols / how->heads, groups = v->cols / each;
    const float *p = tn_attention_weights(z->recorded, made, z->seq, &nq, &nk);
    int64_t key = v->seqs->start[how->keys_of ? how->keys_of[z->seq] : z->seq];
    for (int64_t k = 0; k < z->n; k++)
        for (int64_t h = 0; h < how->heads; h++) {
            const float *value = v->f + (key + z->first + k) * v->cols + h * groups / how->heads * each;
            for (int64_t i = first_row(z, k); (!heads || heads[h]) && i < nq; i++)
                num_axpy(y->f + (z->rows->start[k] + i - first_row(z, k)) * y->cols + h * each,
                         -p[(h * nq + i) * nk + z->first + k], value, each);
        }
}

static Tensor *encoder_of(const Zeroing *z, int32_t source) // a copy of one source's states
{
    const Tensor *x = z->pass->encoder;
    int64_t *len = arena_new(tape_arena(z->t), int64_t, 1);
    *len = x->seqs->len[source];
    return tn_leaf(z->t, x->f + x->seqs->start[source] * x->cols, *len, x->cols,
                   rows_make(tape_arena(z->t), 1, len), false);
}

static Tensor *decoder_again(const Zeroing *z, bool cross, const int32_t *keys_of, const bool *heads)
{
    const Model *m = z->m;
    Arena *a = tape_arena(z->t);
    Pass again = {.decoder_in = arena_new(a, Tensor *, m->info.decoder_layers)};
    again.decoder_self = arena_new(a, Tensor *, m->info.decoder_layers),
    again.cross = arena_new(a, Tensor *, m->info.decoder_layers);
    Tensor *self = again.decoder_self[z->layer] = repeat(z, z->pass->decoder_self[z->layer]);
    if (cross) {
        Attention how = m->cross_attention;
        how.keys_of = keys_of;
        again.cross[z->layer] = repeat(z, z->pass->cross[z->layer]);
        take_away(z, again.cross[z->layer], z->pass->cross[z->layer], &how, heads);
    } else take_away(z, self, z->pass->decoder_self[z->layer], &m->self_attention[1], heads);
    Tensor *encoder = z->pass->encoder ? encoder_of(z, keys_of ? keys_of[z->seq] : (int32_t)z->seq) : NULL;
    return m->family->decoder_layer(m, z->t, repeat(z, z->pass->decoder_in[z->layer]), z->layer, encoder,
                                    arena_new(a, int32_t, z->n), NULL, &again);
}

static Tensor *encoder_again(const Zeroing *z, const bool *heads)
{
    const Model *m = z->m;
    Arena *a = tape_arena(z->t);
    Pass again = {.encoder_in = arena_new(a, Tensor *, m->info.encoder_layers),
                  .encoder_self = arena_new(a, Tensor *, m->info.encoder_layers)};
    again.encoder_self[z->layer] = repeat(z, z->pass->encoder_self[z->layer]);
    take_away(z, again.encoder_self[z->layer], z->pass->encoder_self[z->layer], &m->self_attention[0], heads);
    return m->family->encoder_layer(m, z->t, repeat(z, z->pass->encoder_in[z->layer]), z->layer, &again);
}

const Tensor *nn_attention_output(const Model *m, NnZero which, int64_t layer)
{
    const Layer *l = which == ZERO_ENCODER ? &m->encoder[layer] : &m->decoder[layer];
    return which == ZERO_CROSS ? l->cross_o.w : l->o.w;
}

Tensor *nn_zero_values(const Model *m, const Tape *recorded, const Pass *pass, Tape *t, NnZero where,
                       int64_t layer, int64_t seq, const int32_t *keys_of, int64_t first, int64_t n,
                       const bool *heads, const float **clean)
{
    bool decoder = where != ZERO_ENCODER;
    int64_t layers = decoder ? m->info.decoder_layers : m->info.encoder_layers;
    const Tensor *in = decoder ? pass->decoder_in[layer] : pass->encoder_in[layer];
    const Tensor *out = decoder ? pass->states : pass->encoder;
    if (layer + 1 < layers) out = decoder ? pass->decoder_in[layer + 1] : pass->encoder_in[layer + 1];
    tape_reset(t);
    tape_record(t, false);
    Zeroing z = {.m = m,
                 .recorded = recorded,
                 .pass = pass,
                 .t = t,
                 .layer = layer,
                 .seq = seq,
                 .first = first,
                 .n = n,
                 .queries = in->seqs->len[seq],
                 .ragged = where == ZERO_DECODER};
    int64_t *len = arena_new(tape_arena(t), int64_t, n);
    for (int64_t k = 0; k < n; k++) len[k] = z.queries - first_row(&z, k);
    z.rows = rows_make(tape_arena(t), n, len);
    Tensor *y = decoder ? decoder_again(&z, where == ZERO_CROSS, keys_of, heads) : encoder_again(&z, heads);
    *clean = out->f + out->seqs->start[seq] * out->cols;
    if (layer + 1 < layers) return y;
    return decoder             ? apply_close(m, t, y, NULL)
           : m->encoder_norm.g ? apply_norm(m, t, y, &m->encoder_norm)
                               : y;
}
