// SPDX-License-Identifier: Apache-2.0
// marian.c — Marian translation models (opus-mt). Junczys-Dowmunt et al. 2018, arXiv:1804.00344; layout and defaults of
// transformers' MarianMTModel.
//
// Post-norm Transformer: x = norm(x + attention(x)), then x = norm(x + down(act(up(x)))). Token embeddings are scaled
// by sqrt(D), sinusoidal positions are added; the output matrix is the target embedding table, plus a bias.
#include "../model.h"

// config.json's keys with the class's own defaults (they are not opus-mt's).
enum { MOST_WIDTH = 1 << 16, MOST_LAYERS = 512, MOST_VOCAB = 1 << 24, MOST_POSITIONS = 1 << 20 };

static bool bind_attention(Model *m, Projection *q, Projection *k, Projection *v, Projection *o,
                           const char *prefix, Err *e)
{
    Projection *part[] = {q, k, v, o};
    static const char *const name[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
    int64_t d = m->info.width;
    for (int i = 0; i < 4; i++)
        if (!bind_projection(m, part[i], arena_printf(m->arena, "%s.%s", prefix, name[i]), d, d, true, e))
            return false;
    return true;
}

static bool bind_layers(Model *m, Layer **out, int64_t n, int64_t ff, const char *side, bool cross, Err *e)
{
    int64_t d = m->info.width;
    Layer *l = *out = arena_new(m->arena, Layer, n);
    for (int64_t i = 0; i < n; i++, l++) {
        const char *p = arena_printf(m->arena, "model.%s.layers.%" PRId64, side, i);
        bool ok =
            bind_attention(m, &l->q, &l->k, &l->v, &l->o, arena_printf(m->arena, "%s.self_attn", p), e) &&
            bind_norm(m, &l->self_norm, arena_printf(m->arena, "%s.self_attn_layer_norm", p), d, true, e) &&
            bind_projection(m, &l->up, arena_printf(m->arena, "%s.fc1", p), ff, d, true, e) &&
            bind_projection(m, &l->down, arena_printf(m->arena, "%s.fc2", p), d, ff, true, e) &&
            bind_norm(m, &l->ff_norm, arena_printf(m->arena, "%s.final_layer_norm", p), d, true, e);
        if (ok && cross)
            ok = bind_attention(m, &l->cross_q, &l->cross_k, &l->cross_v, &l->cross_o,
                                arena_printf(m->arena, "%s.encoder_attn", p), e) &&
                 bind_norm(m, &l->cross_norm, arena_printf(m->arena, "%s.encoder_attn_layer_norm", p), d,
                           true, e);
        if (!ok) return false;
    }
    return true;
}

// With one table for all, any of its names may be the one that the file has; else each side has its own, and the output
// matrix goes with the target's.
static const char *const one_table[] = {"model.shared.weight", "lm_head.weight",
                                        "model.decoder.embed_tokens.weight",
                                        "model.encoder.embed_tokens.weight", NULL};

static bool bind_tables(Model *m, int64_t source_vocab, bool shared, bool tied, Err *e)
{
    const char *const *one = one_table;
    static const char *const target[] = {"model.decoder.embed_tokens.weight", "lm_head.weight",
                                         "model.shared.weight"};
    int64_t V = m->info.vocab, d = m->info.width;
    Tensor *table[4];
    if (shared) {
        if (!bind_tied(m, one, 4, V, d, tied, table, e)) return false;
        m->output = table[1], m->embed[1] = table[2], m->embed[0] = table[3];
    } else {
        size_t n = bind_has(m, target[0]) || bind_has(m, target[1]) ? 2 : 3;
        const char *source = bind_has(m, one[3]) ? one[3] : one[0];
        if (!(m->embed[0] = bind_matrix(m, source, source_vocab, d, e)) ||
            !bind_tied(m, target, n, V, d, tied, table, e))
            return false;
        m->embed[1] = table[0], m->output = table[1];
    }
    if (bind_has(m, "final_logits_bias")) m->logits_bias = bind_vector(m, "final_logits_bias", V, e);
    return !(e && e->set);
}

static bool open(Model *m, Err *e)
{
    const Config *c = &m->config;
    ModelInfo *f = &m->info;
    f->width = cfg_int(c, "d_model", 1024, 1, MOST_WIDTH);
    int64_t source_vocab = cfg_int(c, "vocab_size", 58101, 1, MOST_VOCAB);
    f->vocab = cfg_int(c, "decoder_vocab_size", source_vocab, 1, MOST_VOCAB);
    f->max_positions = cfg_int(c, "max_position_embeddings", 1024, 1, MOST_POSITIONS);
    f->encoder_layers = cfg_int(c, "encoder_layers", 12, 1, MOST_LAYERS);
    f->decoder_layers = cfg_int(c, "decoder_layers", 12, 1, MOST_LAYERS);
    int64_t heads[2] = {cfg_int(c, "encoder_attention_heads", 16, 1, 1024),
                        cfg_int(c, "decoder_attention_heads", 16, 1, 1024)};
    int64_t ff[2] = {cfg_int(c, "encoder_ffn_dim", 4096, 1, MOST_WIDTH),
                     cfg_int(c, "decoder_ffn_dim", 4096, 1, MOST_WIDTH)};
    bool shared = cfg_bool(c, "share_encoder_decoder_embeddings", true),
         tied = cfg_bool(c, "tie_word_embeddings", true);
    Str act = cfg_str(c, "activation_function", "gelu");
    m->embed_scale = cfg_bool(c, "scale_embedding", false) ? __builtin_sqrtf((float)f->width) : 1;
    m->dropout.rate = m->dropout.inputs = (float)cfg_real(c, "dropout", 0.1, 0, 0.999);
    m->dropout.attention = (float)cfg_real(c, "attention_dropout", 0, 0, 0.999);
    m->dropout.activation = (float)cfg_real(c, "activation_dropout", 0, 0, 0.999);
    if (e && e->set) return false;
    if (!act_by_name(act, &m->act))
        return err_set(
            e, "%s: activation_function is \"%.*s\"; swish, silu, relu, gelu, gelu_new and tanh are known",
            c->path, (int)act.n, act.s);
    for (int side = 0; side < 2; side++)
        if (f->width % heads[side])
            return err_set(e, "%s: d_model %" PRId64 " is not a multiple of the %" PRId64 " attention heads",
                           c->path, f->width, heads[side]);
    if (shared && source_vocab != f->vocab)
        return err_set(e,
                       "%s: vocab_size %" PRId64 " and decoder_vocab_size %" PRId64 " differ, yet "
                       "share_encoder_decoder_embeddings is true",
                       c->path, source_vocab, f->vocab);

    f->heads = heads[1];
    m->eps = 1e-5f; // PyTorch's LayerNorm default
    for (int side = 0; side < 2; side++)
        m->self_attention[side] = (Attention){.heads = (int)heads[side],
                                              .causal = side == 1,
                                              .scale = 1 / __builtin_sqrtf((float)(f->width / heads[side]))};
    m->cross_attention = m->self_attention[1];
    m->cross_attention.causal = false;
    m->positions = arena_new(m->arena, struct Positions, 1);
    m->positions->table = arena_new_raw(m->arena, float, f->max_positions * f->width);
    return bind_tables(m, source_vocab, shared, tied, e) &&
           bind_layers(m, &m->encoder, f->encoder_layers, ff[0], "encoder", false, e) &&
           bind_layers(m, &m->decoder, f->decoder_layers, ff[1], "decoder", true, e);
}

static Tensor *encoder_layer(const Model *m, Tape *t, Tensor *x, int64_t i, Pass *pass)
{
    const Layer *l = &m->encoder[i];
    if (pass) pass->encoder_in[i] = x;
    Tensor *h = apply_self(m, t, x, l, i, false, NULL, pass ? &pass->encoder_self[i] : NULL);
    x = apply_norm(m, t, tn_add(t, x, h), &l->self_norm);
    return apply_norm(
        m, t,
        tn_add(t, x, apply_feed_forward(m, t, x, l, pass && pass->encoder_ff ? &pass->encoder_ff[i] : NULL)),
        &l->ff_norm);
}

// The position table, made as far as these rows need it: most texts are short, and opening should be too.
static const float *positions(const Model *m, const Rows *rows, const int64_t *offset)
{
    struct Positions *p = m->positions;
    int64_t n = 0;
    for (int64_t i = 0; i < rows->n; i++) {
        int64_t end = rows->len[i] + (offset ? offset[i] : 0);
        n = end > n ? end : n;
    }
    if (n > m->info.max_positions) BUG("%" PRId64 " positions", n);
    if (n > p->made) {
        num_sinusoids(p->table, p->made, n, m->info.width);
        p->made = n;
    }
    return p->table;
}

static Tensor *encode(const Model *m, Tape *t, Tensor *x, Pass *pass)
{
    x = apply_input_dropout(m, t, tn_shift(t, x, positions(m, x->seqs, NULL), NULL));
    for (int64_t i = 0; i < m->info.encoder_layers; i++) x = encoder_layer(m, t, x, i, pass);
    return x;
}

static Tensor *decoder_layer(const Model *m, Tape *t, Tensor *y, int64_t i, Tensor *encoder,
                             const int32_t *keys_of, Cache *c, Pass *pass)
{
    const Layer *l = &m->decoder[i];
    if (pass) pass->decoder_in[i] = y;
    Tensor *h = apply_self(m, t, y, l, i, true, c, pass ? &pass->decoder_self[i] : NULL);
    y = apply_norm(m, t, tn_add(t, y, h), &l->self_norm);
    h = apply_cross(m, t, y, l, i, encoder, keys_of, c, pass ? &pass->cross[i] : NULL);
    y = apply_norm(m, t, tn_add(t, y, h), &l->cross_norm);
    return apply_norm(
        m, t,
        tn_add(t, y, apply_feed_forward(m, t, y, l, pass && pass->decoder_ff ? &pass->decoder_ff[i] : NULL)),
        &l->ff_norm);
}

static Tensor *decode(const Model *m, Tape *t, Tensor *y, Tensor *encoder, const int32_t *keys_of, Cache *c,
                      Pass *pass)
{
    const int64_t *offset = c ? c->offset : NULL;
    y = apply_input_dropout(m, t, tn_shift(t, y, positions(m, y->seqs, offset), offset));
    for (int64_t i = 0; i < m->info.decoder_layers; i++)
        y = decoder_layer(m, t, y, i, encoder, keys_of, c, pass);
    return y;
}

static Tensor *logits(const Model *m, Tape *t, Tensor *states)
{
    return tn_linear(t, states, m->output, m->logits_bias);
}

const Family family_marian = {
    .model_type = "marian",
    .class_name = "MarianMTModel",
    .summary = "translation models of the opus-mt kind",
    .base = "model.",
    .anchor = "encoder.layers.0.self_attn.q_proj.weight",
    .tied = one_table,
    .open = open,
    .encode = encode,
    .decode = decode,
    .logits = logits,
    .encoder_layer = encoder_layer,
    .decoder_layer = decoder_layer,
};
