// SPDX-License-Identifier: Apache-2.0
// decoder.c — decoder-only language models: one block whose switches the families set (decoder.h).
//
// Vaswani et al. 2017, arXiv:1706.03762, without the encoder; Radford et al. 2019 (GPT-2); Touvron et al. 2023,
// arXiv:2302.13971 (Llama). Positions count from a text's own first token, whatever stands beside it in a batch.
#include "decoder.h"

static Tensor *scaled(Tape *t, Tensor *x, float factor) { return factor == 1 ? x : tn_scale(t, x, factor); }

static Tensor *normed(const Model *m, Tape *t, Tensor *x, const Norm *n)
{
    return n->g ? apply_norm(m, t, x, n) : x;
}

Tensor *decoder_layer(const Model *m, Tape *t, Tensor *x, int64_t i, Tensor *encoder, const int32_t *keys_of,
                      Cache *c, Pass *pass)
{
    (void)encoder, (void)keys_of;
    const Layer *l = &m->decoder[i];
    const Block *b = m->block;
    bool after = b->residual == AFTER;
    if (pass) pass->decoder_in[i] = x;
    Tensor *h = after ? x : normed(m, t, x, &l->self_norm);
    Tensor *y = apply_self(m, t, h, l, i, true, c, pass ? &pass->decoder_self[i] : NULL);
    y = tn_add(t, x, scaled(t, normed(m, t, y, &l->self_post), b->residual_factor));
    if (after) y = apply_norm(m, t, y, &l->self_norm);
    if (b->residual != PARALLEL) h = after ? y : normed(m, t, y, &l->ff_norm);
    else if (l->ff_norm.g) h = apply_norm(m, t, x, &l->ff_norm);
    h = normed(m, t, apply_feed_forward(m, t, h, l, pass && pass->decoder_ff ? &pass->decoder_ff[i] : NULL),
               &l->ff_post);
    y = tn_add(t, y, scaled(t, h, b->residual_factor));
    return after ? apply_norm(m, t, y, &l->ff_norm) : y;
}

typedef struct Part {
    const Model *m;
    int64_t layer;
} Part;

static Tensor *layer_alone(Tape *t, Tensor *x, void *context)
{
    const Part *p = context;
    return decoder_layer(p->m, t, x, p->layer, NULL, NULL, NULL, NULL);
}

static Tensor *layer_again(const Model *m, Tape *t, Tensor *x, int64_t i, Pass *pass)
{
    Part *p = arena_new(tape_arena(t), Part, 1);
    *p = (Part){m, i};
    pass->decoder_in[i] = x;
    return tn_again(t, x, layer_alone, p);
}

Tensor *decoder_decode(const Model *m, Tape *t, Tensor *y, Tensor *encoder, const int32_t *keys_of, Cache *c,
                       Pass *pass)
{
    const Block *b = m->block;
    y = scaled(t, y, b->embed_factor);
    if (b->project_in.w) y = apply_projection(t, y, &b->project_in);
    if (b->positions) y = tn_shift(t, y, b->positions, c ? c->offset : NULL);
    y = apply_input_dropout(m, t, normed(m, t, y, &b->embed_norm));
    for (int64_t i = 0; i < m->info.decoder_layers; i++) {
        y = pass && tape_is_light(t) && !m->noise ? layer_again(m, t, y, i, pass)
                                                  : decoder_layer(m, t, y, i, encoder, keys_of, c, pass);
        if (!pass) y = tape_keep(t, y); // memory for one layer's values at a time
    }
    return apply_close(m, t, y, pass);
}

Tensor *decoder_logits(const Model *m, Tape *t, Tensor *states)
{
    Tensor *z = tn_linear(t, scaled(t, states, m->logits_scale), m->output, m->logits_bias);
    return m->block->cap > 0 ? tn_cap(t, z, m->block->cap) : z;
}

bool decoder_open(Model *m, Err *e)
{
    DecoderShape s;
    return decoder_read(m, m->family->row, &s, e) && decoder_bind(m, &s, e);
}
