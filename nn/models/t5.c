// SPDX-License-Identifier: Apache-2.0
// t5.c — T5 1.0, T5 1.1 and Flan-T5 (Raffel et al. 2020, arXiv:1910.10683; Shazeer 2020, arXiv:2002.05202, gates), mT5 (Xue
// et al. 2021, arXiv:2010.11934) and UMT5 (Chung et al. 2023, arXiv:2304.09151); layout and defaults of transformers' classes.
//
// Pre-norm Transformer with root mean square norms and no biases: x = x + attention(norm(x)), x = x + ff(norm(x)), and a
// norm at the end. Attention is not scaled; the first block's table of relative position biases serves all blocks.
// T5 1.0 ties the output matrix to the embeddings and scales the last states by D^-0.5; the later ones do neither.
// tie_word_embeddings says which it is, or scale_decoder_outputs where that is given (transformers 5 writes both, and
// the former always true). mT5 has T5 1.1's layers and never scales; in UMT5 each block has a table of relative positions
// of its own, and last states are scaled if the tables are tied, as for T5.
#include "../model.h"

typedef struct Defaults { // of the keys that config.json leaves out
    int64_t heads, ff, vocab, layers;
    const char *feed_forward;
    bool scaled;     // the last states may be scaled; false: they never are
    bool every_bias; // each block has a table of relative positions; false: the first one's serves all
} Defaults;

enum { MOST_WIDTH = 1 << 16, MOST_LAYERS = 512, MOST_VOCAB = 1 << 24 };

typedef struct Shape { // of config.json
    int64_t d_kv, heads, ff, buckets, max_distance;
    bool gated, every_bias;
} Shape;

// The four matrices of one attention; `prefix` ends with the module's name.
static bool bind_attention(Model *m, const Shape *s, Projection *q, Projection *k, Projection *v,
                           Projection *o, const char *prefix, Err *e)
{
    Projection *in[] = {q, k, v};
    static const char *const name[] = {"q", "k", "v"};
    int64_t inner = s->heads * s->d_kv, d = m->info.width;
    for (int i = 0; i < 3; i++)
        if (!bind_projection(m, in[i], arena_printf(m->arena, "%s.%s", prefix, name[i]), inner, d, false, e))
            return false;
    return bind_projection(m, o, arena_printf(m->arena, "%s.o", prefix), d, inner, false, e);
}

static bool bind_feed_forward(Model *m, const Shape *s, Layer *l, const char *prefix, Err *e)
{
    int64_t d = m->info.width;
    const char *gate = arena_printf(m->arena, "%s.wi_0", prefix);
    const char *up = arena_printf(m->arena, s->gated ? "%s.wi_1" : "%s.wi", prefix);
    if ((s->gated && !bind_projection(m, &l->gate, gate, s->ff, d, false, e)) ||
        !bind_projection(m, &l->up, up, s->ff, d, false, e))
        return false;
    // never quantized: transformers' _keep_in_fp32_modules
    l->down.w = bind_matrix(m, arena_printf(m->arena, "%s.wo.weight", prefix), d, s->ff, e);
    return l->down.w != NULL;
}

static bool bind_block(Model *m, const Shape *s, Layer *l, const char *stack, int64_t i, bool cross, Err *e)
{
    const char *p = arena_printf(m->arena, "%s.block.%" PRId64 ".layer", stack, i);
    int64_t d = m->info.width;
    if (!bind_attention(m, s, &l->q, &l->k, &l->v, &l->o, arena_printf(m->arena, "%s.0.SelfAttention", p),
                        e) ||
        !bind_norm(m, &l->self_norm, arena_printf(m->arena, "%s.0.layer_norm", p), d, false, e))
        return false;
    if (cross && (!bind_attention(m, s, &l->cross_q, &l->cross_k, &l->cross_v, &l->cross_o,
                                  arena_printf(m->arena, "%s.1.EncDecAttention", p), e) ||
                  !bind_norm(m, &l->cross_norm, arena_printf(m->arena, "%s.1.layer_norm", p), d, false, e)))
        return false;
    int last = cross ? 2 : 1;
    return bind_feed_forward(m, s, l, arena_printf(m->arena, "%s.%d.DenseReluDense", p, last), e) &&
           bind_norm(m, &l->ff_norm, arena_printf(m->arena, "%s.%d.layer_norm", p, last), d, false, e);
}

static bool bind_bias(Model *m, const Shape *s, const char *stack, int64_t i, Attention *out, Err *e)
{
    const char *name = arena_printf(
        m->arena, "%s.block.%" PRId64 ".layer.0.SelfAttention.relative_attention_bias.weight", stack, i);
    Tensor *bias = bind_matrix(m, name, s->buckets, s->heads, e);
    if (!bias) return false;
    bias->f = arena_new_raw(m->arena, float, s->buckets * s->heads);
    num_weight_rows(bias->f, bias, 0, s->buckets);
    out->bias = bias;
    return true;
}

// One stack with its tables of relative positions and its last norm.
static bool bind_stack(Model *m, const Shape *s, bool decoder, Layer **out, int64_t n, Norm *last, Err *e)
{
    const char *stack = decoder ? "decoder" : "encoder";
    Attention *how = &m->self_attention[decoder];
    *how = (Attention){.heads = (int)s->heads,
                       .scale = 1,
                       .causal = decoder,
                       .bidirectional = !decoder,
                       .max_distance = s->max_distance};
    *out = arena_new(m->arena, Layer, n);
    for (int64_t i = 0; i < n; i++)
        if (!bind_block(m, s, &(*out)[i], stack, i, decoder, e)) return false;
    if (!bind_bias(m, s, stack, 0, how, e)) return false;
    for (int64_t i = 1; s->every_bias && i < n; i++) {
        Attention *own = arena_new(m->arena, Attention, 1);
        *own = *how;
        if (!bind_bias(m, s, stack, i, own, e)) return false;
        (*out)[i].attention = own;
    }
    return bind_norm(m, last, arena_printf(m->arena, "%s.final_layer_norm", stack), m->info.width, false, e);
}

// "relu", "gated-gelu" (the tanh form), "gated-silu": the last part names the function.
static bool read_activation(Model *m, const char *absent, bool *gated, Err *e)
{
    Str s = cfg_str(&m->config, "feed_forward_proj", absent), act = s;
    *gated = str_starts(s, STR_LIT("gated-"));
    if (*gated) act = (Str){s.s + 6, s.n - 6};
    if (str_is(s, "gated-gelu")) act = STR_LIT("gelu_new");
    return act_by_name(act, &m->act) ||
           err_set(e, "%s: feed_forward_proj is \"%.*s\"; relu, gelu, gated-gelu and gated-silu are known",
                   m->config.path, (int)s.n, s.s);
}

static const char *const one_table[] = {"shared.weight", "encoder.embed_tokens.weight",
                                        "decoder.embed_tokens.weight", "lm_head.weight", NULL};

static bool bind_tables(Model *m, bool tied, bool scaled, Err *e)
{
    Tensor *table[4];
    if (!bind_tied(m, one_table, 4, m->info.vocab, m->info.width, tied, table, e)) return false;
    m->embed[0] = table[1], m->embed[1] = table[2], m->output = table[3];
    m->logits_scale = scaled ? 1 / __builtin_sqrtf((float)m->info.width) : 1;
    return true;
}

static bool open_as(Model *m, const Defaults *absent, Err *e)
{
    const Config *c = &m->config;
    ModelInfo *f = &m->info;
    Shape s = {.d_kv = cfg_int(c, "d_kv", 64, 1, MOST_WIDTH),
               .heads = cfg_int(c, "num_heads", absent->heads, 1, 1024),
               .ff = cfg_int(c, "d_ff", absent->ff, 1, MOST_WIDTH * 4),
               .buckets = cfg_int(c, "relative_attention_num_buckets", 32, 4, 1 << 16),
               .max_distance = cfg_int(c, "relative_attention_max_distance", 128, 2, 1 << 20)};
    s.every_bias = absent->every_bias;
    f->width = cfg_int(c, "d_model", 512, 1, MOST_WIDTH);
    f->vocab = cfg_int(c, "vocab_size", absent->vocab, 1, MOST_VOCAB);
    f->encoder_layers = cfg_int(c, "num_layers", absent->layers, 1, MOST_LAYERS);
    f->decoder_layers = cfg_int(c, "num_decoder_layers", f->encoder_layers, 1, MOST_LAYERS);
    f->heads = s.heads;
    m->eps = (float)cfg_real(c, "layer_norm_epsilon", 1e-6, 0, 1);
    bool tied = cfg_bool(c, "tie_word_embeddings", true);
    bool scaled = cfg_bool(c, "scale_decoder_outputs", tied) && absent->scaled;
    float rate = (float)cfg_real(c, "dropout_rate", 0.1, 0, 0.999);
    m->dropout = (Noise){.rate = rate, .inputs = rate, .attention = rate, .activation = rate};
    if (e && e->set) return false;
    if (!read_activation(m, absent->feed_forward, &s.gated, e)) return false;
    if (s.max_distance <= s.buckets / 2)
        return err_set(e,
                       "%s: relative_attention_num_buckets %" PRId64
                       " must be less than twice relative_attention_max_distance %" PRId64,
                       c->path, s.buckets, s.max_distance);
    m->cross_attention = (Attention){.heads = (int)s.heads, .scale = 1};
    return bind_tables(m, tied, scaled, e) &&
           bind_stack(m, &s, false, &m->encoder, f->encoder_layers, &m->encoder_norm, e) &&
           bind_stack(m, &s, true, &m->decoder, f->decoder_layers, &m->decoder_norm, e);
}

static Tensor *encoder_layer(const Model *m, Tape *t, Tensor *x, int64_t i, Pass *pass)
{
    const Layer *l = &m->encoder[i];
    if (pass) pass->encoder_in[i] = x;
    Tensor *h = apply_norm(m, t, x, &l->self_norm);
    x = tn_add(t, x, apply_self(m, t, h, l, i, false, NULL, pass ? &pass->encoder_self[i] : NULL));
    return tn_add(t, x,
                  apply_feed_forward(m, t, apply_norm(m, t, x, &l->ff_norm), l,
                                     pass && pass->encoder_ff ? &pass->encoder_ff[i] : NULL));
}

static Tensor *encode(const Model *m, Tape *t, Tensor *x, Pass *pass)
{
    x = apply_input_dropout(m, t, x);
    for (int64_t i = 0; i < m->info.encoder_layers; i++) x = encoder_layer(m, t, x, i, pass);
    return apply_input_dropout(m, t, apply_norm(m, t, x, &m->encoder_norm));
}

static Tensor *decoder_layer(const Model *m, Tape *t, Tensor *y, int64_t i, Tensor *encoder,
                             const int32_t *keys_of, Cache *c, Pass *pass)
{
    const Layer *l = &m->decoder[i];
    if (pass) pass->decoder_in[i] = y;
    Tensor *h = apply_norm(m, t, y, &l->self_norm);
    y = tn_add(t, y, apply_self(m, t, h, l, i, true, c, pass ? &pass->decoder_self[i] : NULL));
    h = apply_norm(m, t, y, &l->cross_norm);
    y = tn_add(t, y, apply_cross(m, t, h, l, i, encoder, keys_of, c, pass ? &pass->cross[i] : NULL));
    return tn_add(t, y,
                  apply_feed_forward(m, t, apply_norm(m, t, y, &l->ff_norm), l,
                                     pass && pass->decoder_ff ? &pass->decoder_ff[i] : NULL));
}

static Tensor *decode(const Model *m, Tape *t, Tensor *y, Tensor *encoder, const int32_t *keys_of, Cache *c,
                      Pass *pass)
{
    y = apply_input_dropout(m, t, y);
    for (int64_t i = 0; i < m->info.decoder_layers; i++)
        y = decoder_layer(m, t, y, i, encoder, keys_of, c, pass);
    return apply_input_dropout(m, t, apply_norm(m, t, y, &m->decoder_norm));
}

static Tensor *logits(const Model *m, Tape *t, Tensor *states)
{
    return tn_linear(t, m->logits_scale == 1 ? states : tn_scale(t, states, m->logits_scale), m->output,
                     NULL);
}

// ------------------------------------------------------------------------------------------------ the families

#define KIN(name, class, says, known, ...)                                                                   \
    static bool open_##name(Model *m, Err *e) { return open_as(m, &(const Defaults){__VA_ARGS__}, e); }      \
    const Family family_##name = {                                                                           \
        .model_type = #name,                                                                                 \
        .class_name = class,                                                                                 \
        .summary = says,                                                                                     \
        .base = "",                                                                                          \
        .anchor = "encoder.block.0.layer.0.SelfAttention.q.weight",                                          \
        .tied = one_table,                                                                                   \
        .by_class = known,                                                                                   \
        .open = open_##name,                                                                                 \
        .encode = encode,                                                                                    \
        .decode = decode,                                                                                    \
        .logits = logits,                                                                                    \
        .encoder_layer = encoder_layer,                                                                      \
        .decoder_layer = decoder_layer,                                                                      \
    }

KIN(t5, "T5ForConditionalGeneration", "T5 and Flan-T5", false, .heads = 8, .ff = 2048, .vocab = 32128,
    .layers = 6, .feed_forward = "relu", .scaled = true);
KIN(mt5, "MT5ForConditionalGeneration", "multilingual T5", false, .heads = 6, .ff = 1024, .vocab = 250112,
    .layers = 8, .feed_forward = "gated-gelu");
KIN(umt5, "UMT5ForConditionalGeneration", "UMT5, another multilingual T5", true, .heads = 6, .ff = 1024,
    .vocab = 250112, .layers = 8, .feed_forward = "gated-gelu", .scaled = true, .every_bias = true);
