// SPDX-License-Identifier: Apache-2.0
// marian.c — Marian translation models (opus-mt), and those that are the same transformer with other settings: BART, mBART,
// M2M-100 with NLLB-200, Pegasus. Junczys-Dowmunt et al. 2018, arXiv:1804.00344; Lewis et al. 2019, arXiv:1910.13461;
// Liu et al. 2020, arXiv:2001.08210; Fan et al. 2020, arXiv:2010.11125; NLLB team 2022, arXiv:2207.04672; Zhang et al. 2019,
// arXiv:1912.08777. Layout and defaults of transformers' classes, which go by model_type alone: a row at the end of this file.
//
// Norms after: x = norm(x + attention(x)), then x = norm(x + down(act(up(x)))). Norms before: x = x + attention(norm(x)) and so
// on, and one norm at the stack's end. Token embeddings are scaled by sqrt(D) or not, positions are added, and a norm may
// follow; the output matrix is the target embedding table, mostly with a bias.
#include "../model.h"

typedef enum { SINUSOIDS, SHIFTED_SINUSOIDS, LEARNED } Places;

// What a class settles: the settings that no key can change, and what absent keys mean.
typedef struct MarianRow {
    bool before;     // norms before each sub-layer
    bool embed_norm; // a norm behind the positions
    Places places;
    bool no_bias, scaled;   // never a bias of the logits; scale_embedding where it is absent
    bool two_tables;        // source and target may have tables of their own
    const char *activation; // activation_function where it is absent
    double attention_dropout;
    int64_t vocab;
} MarianRow;

enum { PLACES_AHEAD = 2 }; // fairseq counts positions from the padding id on: the first token has row 2

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
    if (!m->family->marian->no_bias && bind_has(m, "final_logits_bias"))
        m->logits_bias = bind_vector(m, "final_logits_bias", V, e);
    return !(e && e->set);
}

static const char *table_name(const Model *m, int side)
{
    return arena_printf(m->arena, "model.%s.embed_positions.weight", side ? "decoder" : "encoder");
}

// A table of the file, its first row that of the first token.
static bool bind_positions(Model *m, int side, int64_t ahead, Err *e)
{
    const char *name = table_name(m, side);
    int64_t n = m->info.max_positions + ahead, d = m->info.width;
    const Stored *s = checkpoint_find(m->checkpoint, name);
    if (s && s->rank == 2 && s->dim[0] != n)
        return err_at(e, s->file, s->at,
                      "tensor \"%s\" has %" PRId64 " rows; max_position_embeddings %" PRId64
                      " of %s calls for %" PRId64 "%s",
                      name, s->dim[0], m->info.max_positions, m->config.path, n,
                      ahead ? ", 2 more than that" : "");
    const Tensor *w = bind_matrix(m, name, n, d, e);
    if (!w) return false;
    float *table = m->positions->table[side] = arena_new_raw(m->arena, float, m->info.max_positions *d);
    num_weight_rows(table, w, ahead, m->info.max_positions);
    return true;
}

// Sinusoids that a file holds count as it has them: rounded, in one of half precision.
static bool bind_sinusoids(Model *m, Err *e)
{
    struct Positions *p = m->positions;
    bool stored[] = {bind_has(m, table_name(m, 0)), bind_has(m, table_name(m, 1))};
    if (!stored[0] && !stored[1]) return true;
    for (int side = 0; side < 2; side++) {
        if (stored[side] && !bind_positions(m, side, 0, e)) return false;
        if (stored[side]) continue;
        p->table[side] = arena_new_raw(m->arena, float, p->room * m->info.width);
        num_sinusoids(p->table[side], 0, p->room, m->info.width);
    }
    p->room = 0;
    return true;
}

// Learned tables are read here; computed ones are made as far as texts need them.
static bool open_positions(Model *m, Err *e)
{
    const MarianRow *row = m->family->marian;
    struct Positions *p = m->positions = arena_new(m->arena, struct Positions, 1);
    if (row->places == LEARNED)
        return bind_positions(m, 0, PLACES_AHEAD, e) && bind_positions(m, 1, PLACES_AHEAD, e);
    p->room = m->info.max_positions;
    if (row->places == SHIFTED_SINUSOIDS) {
        int64_t half = m->info.width / 2;
        if (half < 2)
            return err_set(e, "%s: d_model %" PRId64 "; positions of %s need 4 or more", m->config.path,
                           m->info.width, m->info.family);
        p->frequency = arena_new(m->arena, float, half);
        float step = (float)-(9.210340371976184 / (double)(half - 1)); // ln 10000
        for (int64_t i = 0; i < half; i++)
            p->frequency[i] = (float)num_exp((double)((float)i * step)); // float32 between, as PyTorch has it
        m->info.max_positions = 0;                                       // these grow
    } else if (!bind_sinusoids(m, e)) return false;
    if (p->room) p->table[0] = p->table[1] = arena_new_raw(m->arena, float, p->room * m->info.width);
    return true;
}

static bool bind_ends(Model *m, Err *e)
{
    const MarianRow *row = m->family->marian;
    static const char *const side[] = {"encoder", "decoder"};
    Norm *last[] = {&m->encoder_norm, &m->decoder_norm};
    for (int i = 0; i < 2; i++) {
        const char *p = arena_printf(m->arena, "model.%s.layer", side[i]);
        if (row->embed_norm && !bind_norm(m, &m->embed_norm[i], arena_printf(m->arena, "%snorm_embedding", p),
                                          m->info.width, true, e))
            return false;
        if (row->before &&
            !bind_norm(m, last[i], arena_printf(m->arena, "%s_norm", p), m->info.width, true, e))
            return false;
    }
    return true;
}

static bool open(Model *m, Err *e)
{
    const Config *c = &m->config;
    const MarianRow *row = m->family->marian;
    ModelInfo *f = &m->info;
    f->width = cfg_int(c, "d_model", 1024, 1, MOST_WIDTH);
    int64_t source_vocab = cfg_int(c, "vocab_size", row->vocab, 1, MOST_VOCAB);
    f->vocab = row->two_tables ? cfg_int(c, "decoder_vocab_size", source_vocab, 1, MOST_VOCAB) : source_vocab;
    f->max_positions = cfg_int(c, "max_position_embeddings", 1024, 1, MOST_POSITIONS);
    f->encoder_layers = cfg_int(c, "encoder_layers", 12, 1, MOST_LAYERS);
    f->decoder_layers = cfg_int(c, "decoder_layers", 12, 1, MOST_LAYERS);
    int64_t heads[2] = {cfg_int(c, "encoder_attention_heads", 16, 1, 1024),
                        cfg_int(c, "decoder_attention_heads", 16, 1, 1024)};
    int64_t ff[2] = {cfg_int(c, "encoder_ffn_dim", 4096, 1, MOST_WIDTH),
                     cfg_int(c, "decoder_ffn_dim", 4096, 1, MOST_WIDTH)};
    bool shared = !row->two_tables || cfg_bool(c, "share_encoder_decoder_embeddings", true),
         tied = cfg_bool(c, "tie_word_embeddings", true);
    Str act = cfg_str(c, "activation_function", row->activation);
    m->embed_scale = cfg_bool(c, "scale_embedding", row->scaled) ? __builtin_sqrtf((float)f->width) : 1;
    m->dropout.rate = m->dropout.inputs = (float)cfg_real(c, "dropout", 0.1, 0, 0.999);
    m->dropout.attention = (float)cfg_real(c, "attention_dropout", row->attention_dropout, 0, 0.999);
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
    return open_positions(m, e) && bind_tables(m, source_vocab, shared, tied, e) && bind_ends(m, e) &&
           bind_layers(m, &m->encoder, f->encoder_layers, ff[0], "encoder", false, e) &&
           bind_layers(m, &m->decoder, f->decoder_layers, ff[1], "decoder", true, e);
}

// ------------------------------------------------------------------------------------------------ forward

static Tensor *norm_before(const Model *m, Tape *t, Tensor *x, const Norm *n)
{
    return m->family->marian->before ? apply_norm(m, t, x, n) : x;
}

static Tensor *norm_after(const Model *m, Tape *t, Tensor *x, const Norm *n)
{
    return m->family->marian->before ? x : apply_norm(m, t, x, n);
}

static Tensor *feed_forward(const Model *m, Tape *t, Tensor *x, const Layer *l, Tensor **result)
{
    Tensor *h = apply_feed_forward(m, t, norm_before(m, t, x, &l->ff_norm), l, result);
    return norm_after(m, t, tn_add(t, x, h), &l->ff_norm);
}

static Tensor *encoder_layer(const Model *m, Tape *t, Tensor *x, int64_t i, Pass *pass)
{
    const Layer *l = &m->encoder[i];
    if (pass) pass->encoder_in[i] = x;
    Tensor *h = norm_before(m, t, x, &l->self_norm);
    h = apply_self(m, t, h, l, i, false, NULL, pass ? &pass->encoder_self[i] : NULL);
    x = norm_after(m, t, tn_add(t, x, h), &l->self_norm);
    return feed_forward(m, t, x, l, pass && pass->encoder_ff ? &pass->encoder_ff[i] : NULL);
}

// The position table, made as far as these rows need it: most texts are short, and opening should be too.
static const float *positions(const Model *m, bool decoder, const Rows *rows, const int64_t *offset)
{
    struct Positions *p = m->positions;
    int64_t n = rows_end(rows, offset), d = m->info.width, ahead = p->frequency ? PLACES_AHEAD : 0;
    if (m->info.max_positions && n > m->info.max_positions) BUG("%" PRId64 " positions", n);
    if (!p->room) return p->table[decoder];
    n += ahead;
    if (n > p->room) { // what recorded passes point at stays where it is
        p->room = n > 2 * p->room ? n : 2 * p->room;
        p->table[0] = p->table[1] = arena_new_raw(m->arena, float, p->room *d), p->made = 0;
    }
    if (n > p->made) {
        if (p->frequency) num_halved_sinusoids(p->table[0], p->frequency, p->made, n, d);
        else num_sinusoids(p->table[0], p->made, n, d);
        p->made = n;
    }
    return p->table[decoder] + ahead * d;
}

// What goes into a stack's first layer.
static Tensor *placed(const Model *m, Tape *t, Tensor *x, bool decoder, const int64_t *offset)
{
    x = tn_shift(t, x, positions(m, decoder, x->seqs, offset), offset);
    if (m->embed_norm[decoder].g) x = apply_norm(m, t, x, &m->embed_norm[decoder]);
    return apply_input_dropout(m, t, x);
}

static Tensor *encode(const Model *m, Tape *t, Tensor *x, Pass *pass)
{
    x = placed(m, t, x, false, NULL);
    for (int64_t i = 0; i < m->info.encoder_layers; i++) x = encoder_layer(m, t, x, i, pass);
    return m->encoder_norm.g ? apply_norm(m, t, x, &m->encoder_norm) : x;
}

static Tensor *decoder_layer(const Model *m, Tape *t, Tensor *y, int64_t i, Tensor *encoder,
                             const int32_t *keys_of, Cache *c, Pass *pass)
{
    const Layer *l = &m->decoder[i];
    if (pass) pass->decoder_in[i] = y;
    Tensor *h = norm_before(m, t, y, &l->self_norm);
    h = apply_self(m, t, h, l, i, true, c, pass ? &pass->decoder_self[i] : NULL);
    y = norm_after(m, t, tn_add(t, y, h), &l->self_norm);
    h = norm_before(m, t, y, &l->cross_norm);
    h = apply_cross(m, t, h, l, i, encoder, keys_of, c, pass ? &pass->cross[i] : NULL);
    y = norm_after(m, t, tn_add(t, y, h), &l->cross_norm);
    return feed_forward(m, t, y, l, pass && pass->decoder_ff ? &pass->decoder_ff[i] : NULL);
}

static Tensor *decode(const Model *m, Tape *t, Tensor *y, Tensor *encoder, const int32_t *keys_of, Cache *c,
                      Pass *pass)
{
    y = placed(m, t, y, true, c ? c->offset : NULL);
    for (int64_t i = 0; i < m->info.decoder_layers; i++)
        y = decoder_layer(m, t, y, i, encoder, keys_of, c, pass);
    return m->decoder_norm.g ? apply_norm(m, t, y, &m->decoder_norm) : y;
}

static Tensor *logits(const Model *m, Tape *t, Tensor *states)
{
    return tn_linear(t, states, m->output, m->logits_bias);
}

// ------------------------------------------------------------------------------------------------ the families

#define KIN(name, class, says, absent, ...)                                                                  \
    static const MarianRow row_##name = {__VA_ARGS__};                                                       \
    const Family family_##name = {                                                                           \
        .model_type = #name,                                                                                 \
        .class_name = class,                                                                                 \
        .summary = says,                                                                                     \
        .base = "model.",                                                                                    \
        .anchor = "encoder.layers.0.self_attn.q_proj.weight",                                                \
        .tied = one_table,                                                                                   \
        .marian = &row_##name,                                                                               \
        .generation = absent,                                                                                \
        .open = open,                                                                                        \
        .encode = encode,                                                                                    \
        .decode = decode,                                                                                    \
        .logits = logits,                                                                                    \
        .encoder_layer = encoder_layer,                                                                      \
        .decoder_layer = decoder_layer,                                                                      \
    }

#define FAIRSEQ "\"bos_token_id\": 0, \"pad_token_id\": 1, \"eos_token_id\": 2"

KIN(marian, "MarianMTModel", "translation models of the opus-mt kind", NULL, .activation = "gelu",
    .vocab = 58101, .two_tables = true);
KIN(bart, "BartForConditionalGeneration", "BART, mostly for summaries",
    "{" FAIRSEQ ", \"decoder_start_token_id\": 2}", .activation = "gelu", .vocab = 50265, .places = LEARNED,
    .embed_norm = true);
KIN(mbart, "MBartForConditionalGeneration", "mBART and mBART-50, for translation", "{" FAIRSEQ "}",
    .activation = "gelu", .vocab = 50265, .places = LEARNED, .embed_norm = true, .before = true);
KIN(m2m_100, "M2M100ForConditionalGeneration", "M2M-100 and NLLB-200, for translation",
    "{" FAIRSEQ ", \"decoder_start_token_id\": 2}", .activation = "relu", .vocab = 128112,
    .places = SHIFTED_SINUSOIDS, .before = true, .no_bias = true, .scaled = true, .attention_dropout = 0.1);
KIN(pegasus, "PegasusForConditionalGeneration", "Pegasus, for summaries",
    "{\"pad_token_id\": 0, \"eos_token_id\": 1, \"decoder_start_token_id\": 0}", .activation = "gelu",
    .vocab = 50265, .before = true);
