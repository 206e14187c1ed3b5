// SPDX-License-Identifier: Apache-2.0
// decoder_bind.c — a model from a DecoderShape and the tensors of a checkpoint, by the names that the family gives them.
//
// Nothing is copied but norms, biases and tables of positions. Fused matrices stay one, so that a module is one operation;
// queries, keys and values are then columns of its result:
//
//   THIRDS    all q, all k, all v                 as columns of W^T where the file has it turned (GPT-2)
//   BY_HEAD   q k v of head 0, q k v of head 1... (GPT-NeoX, Bloom)
//   BY_GROUP  heads/kv of q, one k, one v; and again for each head of keys (Falcon)
//   BEHIND    heads of q, kv heads of k, kv heads of v (Phi-3)
//
// Every tensor must be taken or be known to mean nothing: one that is missing or left over contradicts config.json.
#include "decoder.h"

#include <stdio.h>
#include <string.h>

typedef struct Binder {
    Model *m;
    const DecoderShape *s;
    const DecoderNames *n;
    Err *e;
    int64_t layer; // -1: none
} Binder;

static const char *full_name(const Binder *b, const char *name)
{
    Arena *a = b->m->arena;
    return b->layer < 0 ? name : arena_printf(a, "%s.%" PRId64 ".%s", b->n->layer, b->layer, name);
}

static bool projection(const Binder *b, Projection *p, const char *name, int64_t out, int64_t in, bool bias)
{
    const char *full = full_name(b, name), *weight = arena_printf(b->m->arena, "%s.weight", full);
    const bool turned = b->s->turned && b->layer >= 0;
    if (!code_weight(b->m, weight, turned, b->e)) return false;
    p->w = turned ? bind_turned(b->m, weight, out, in, b->e) : bind_matrix(b->m, weight, out, in, b->e);
    if (!p->w) return false;
    return !bias || (p->b = bind_vector(b->m, arena_printf(b->m->arena, "%s.bias", full), out, b->e));
}

static bool norm(const Binder *b, Norm *n, const char *name, int64_t width)
{
    if (!name) return true;
    if (!bind_norm(b->m, n, full_name(b, name), width, b->s->norm == NORM_LAYER, b->e)) return false;
    for (int64_t i = 0; b->s->norm == NORM_RMS_PLUS_ONE && i < width; i++) n->g->f[i] += 1;
    return true;
}

static bool attention(const Binder *b, Layer *l)
{
    const DecoderShape *s = b->s;
    int64_t q = s->heads * s->head_dim, kv = s->kv_heads * s->head_dim, D = s->width;
    if (s->fused != APART) {
        if (!projection(b, &l->qkv, b->n->qkv, q + 2 * kv, D, s->bias_qkv)) return false;
    } else if (!projection(b, &l->q, b->n->q, q, D, s->bias_qkv) ||
               !projection(b, &l->k, b->n->k, kv, D, s->bias_qkv) ||
               !projection(b, &l->v, b->n->v, kv, D, s->bias_qkv))
        return false;
    bool heads = s->qk_norm == QK_NORM_HEADS;
    return (s->qk_norm == QK_PLAIN || (norm(b, &l->q_norm, b->n->q_norm, heads ? s->head_dim : q) &&
                                       norm(b, &l->k_norm, b->n->k_norm, heads ? s->head_dim : kv))) &&
           projection(b, &l->o, b->n->o, D, q, s->bias_o);
}

static bool experts(const Binder *b, Layer *l)
{
    const DecoderShape *s = b->s;
    Binder in = *b;
    l->expert = arena_new(b->m->arena, Expert, s->experts);
    if (!projection(b, &l->router, b->n->router, s->experts, s->width, false)) return false;
    for (int64_t i = 0; i < s->experts; i++) {
        const char *const name[] = {b->n->expert_gate, b->n->expert_up, b->n->expert_down};
        Projection *p[] = {&l->expert[i].gate, &l->expert[i].up, &l->expert[i].down};
        for (int k = 0; k < 3; k++)
            if (!projection(&in, p[k],
                            arena_printf(b->m->arena, "%s.%" PRId64 ".%s", b->n->expert, i, name[k]),
                            k == 2 ? s->width : s->ff, k == 2 ? s->ff : s->width, false))
                return false;
    }
    return true;
}

static bool feed_forward(const Binder *b, Layer *l)
{
    const DecoderShape *s = b->s;
    if (s->experts) return experts(b, l);
    if (s->gate_up) {
        if (!projection(b, &l->gate_up, b->n->gate_up, 2 * s->ff, s->width, s->bias_ff)) return false;
    } else if (!projection(b, &l->up, b->n->up, s->ff, s->width, s->bias_ff) ||
               (s->gated && !projection(b, &l->gate, b->n->gate, s->ff, s->width, s->bias_ff)))
        return false;
    return projection(b, &l->down, b->n->down, s->width, s->ff, s->bias_ff);
}

// ------------------------------------------------------------------------------------------------ switches of layers

// ALiBi, Press et al. 2022, arXiv:2108.12409: slopes b, b^2, ..., with half steps of the next power of two for what is over.
static float *slopes(Arena *a, int64_t heads, bool short_)
{
    int64_t n = 1, log = 0;
    while (2 * n <= heads) n *= 2, log++;
    float *v = arena_new(a, float, heads);
    for (int64_t h = 0; h < heads; h++) {
        // b = 2^-(2^-(log2(n) - 3)), and c likewise for 2n: exponents of two are exact in num_exp's argument only nearly, so
        // the result is rounded once, to float32
        double steps = h < n ? (double)(h + 1) : (double)(2 * (h - n) + 1);
        double exponent = steps * (double)(1 << 3) / (double)((int64_t)1 << (h < n ? log : log + 1));
        v[h] = (float)num_exp(-exponent * 0.69314718055994531);
        if (short_) {
            uint32_t u;
            memcpy(&u, &v[h], sizeof u);
            u = (u + 0x7FFF + (u >> 16 & 1)) & 0xFFFF0000u;
            memcpy(&v[h], &u, sizeof u);
        }
    }
    return v;
}

static const Attention *attentions(const Binder *b, Layer *layers)
{
    const DecoderShape *s = b->s;
    Attention *v = arena_new(b->m->arena, Attention, s->layers);
    const float *slope =
        s->position == POSITIONS_ALIBI ? slopes(b->m->arena, s->heads, s->slopes_short) : NULL;
    for (int64_t i = 0; i < s->layers; i++) {
        v[i] = (Attention){.heads = (int)s->heads,
                           .kv_heads = (int)s->kv_heads,
                           .scale = s->scale_by_layer ? s->scale / (float)(i + 1) : s->scale,
                           .causal = true,
                           .window = s->window[i],
                           .slopes = slope,
                           .slopes_short = s->slopes_short,
                           .cap = s->cap};
        layers[i].attention = &v[i];
    }
    return v;
}

static void rotations(const Binder *b, Layer *layers)
{
    const DecoderShape *s = b->s;
    Rotation *made[2] = {NULL, NULL};
    for (int64_t i = 0; i < s->layers; i++) {
        int which = s->rotation[i];
        if (which < 0) continue;
        if (!made[which]) {
            const RopeShape *shape = &s->rope[which];
            Rotation *r = made[which] = arena_new(b->m->arena, Rotation, 1);
            r->frequency = arena_new(b->m->arena, float, shape->rotated / 2);
            r->scale = rope_frequencies(shape, 0, r->frequency);
            r->how = (Rope){.width = s->head_dim, .rotated = shape->rotated, .neighbours = s->neighbours};
            int64_t limit = rope_limit(shape);
            if (limit && (!b->m->length_limit || limit < b->m->length_limit)) b->m->length_limit = limit;
        }
        layers[i].rotation = made[which];
    }
}

// ------------------------------------------------------------------------------------------------ the ends

static bool bind_positions(const Binder *b)
{
    const DecoderShape *s = b->s;
    int64_t rows = s->positions + s->skipped;
    Tensor *w = bind_matrix(b->m, full_name(b, arena_printf(b->m->arena, "%s.weight", b->n->positions)), rows,
                            s->width, b->e);
    if (!w) return false;
    float *table = arena_new_raw(
        b->m->arena, float, s->positions * s->width); // rows are added one by one: float32 at any address
    num_weight_rows(table, w, s->skipped, s->positions);
    b->m->block->positions = table;
    return true;
}

// The table and the output matrix. A tied one that the file has as well, and that differs, is used as it is there, as
// transformers does.
static bool bind_output(const Binder *b)
{
    Model *m = b->m;
    const DecoderShape *s = b->s;
    const char *name[2] = {full_name(b, arena_printf(m->arena, "%s.weight", b->n->embed)), NULL};
    for (int i = 0; i < 3 && b->n->output[i] && !name[1]; i++) {
        const char *weight = arena_printf(m->arena, "%s.weight", b->n->output[i]);
        if (bind_has(m, weight)) name[1] = weight;
    }
    if (!s->tied && !name[1])
        buf_printf(
            &m->notes,
            "%s has an output matrix of its own by %s, but the file has none: the embeddings serve as one\n",
            m->info.name, m->config.path);
    Tensor *table[2] = {NULL};
    size_t n = name[1] && (s->tied || bind_has(m, name[0])) ? 2 : 1;
    if (!bind_tied(m, name, n, s->vocab, s->embed_width, s->tied, table, b->e)) return false;
    m->embed[0] = m->embed[1] = table[0];
    m->output = table[n - 1];
    if (!b->s->bias_output) return true;
    const char *bias = arena_printf(m->arena, "%s.bias", b->n->output[0]);
    return (m->logits_bias = bind_vector(m, bias, b->s->vocab, b->e)) != NULL;
}

static bool bind_ends(const Binder *b)
{
    const DecoderShape *s = b->s;
    Block *k = b->m->block;
    bool projected = s->embed_width != s->width;
    return bind_output(b) && (s->position != POSITIONS_LEARNED || bind_positions(b)) &&
           norm(b, &k->embed_norm, b->n->embed_norm, s->width) &&
           (!projected ||
            (projection(b, &k->project_in, b->n->project_in, s->width, s->embed_width, false) &&
             projection(b, &k->project_out, b->n->project_out, s->embed_width, s->width, false))) &&
           (!s->last_norm || norm(b, &b->m->decoder_norm, b->n->last_norm, s->width));
}

static void slices(const DecoderShape *s, Block *k)
{
    int64_t H = s->heads, G = s->kv_heads, D = s->head_dim, each = H / G;
    Slice q = {.width = D, .blocks = H, .each = H}, kv = {.width = D, .blocks = G, .each = G};
    k->q = q, k->k = k->v = kv;
    k->k.from = H * D, k->v.from = (H + G) * D; // THIRDS, BEHIND
    if (s->fused == BY_HEAD || s->fused == BY_GROUP) {
        k->q.each = each, k->k.each = k->v.each = 1;
        k->q.step = k->k.step = k->v.step = (each + 2) * D;
        k->k.from = each * D, k->v.from = (each + 1) * D;
    }
    k->gate = (Slice){.width = s->ff, .blocks = 1, .each = 1};
    k->up = k->gate, k->up.from = s->ff;
}

// Buffers that older files carry along, and the parts of a wrapper that see images.
static bool means_nothing(const DecoderNames *n, Str name)
{
    static const char *const ends[] = {".attn.bias", ".attn.masked_bias", ".attention.bias",
                                       ".attention.masked_bias", "rotary_emb.inv_freq"};
    static const char *const parts[] = {"vision_tower.", "multi_modal_projector."};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (str_ends(name, str_of(ends[i]))) return true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (memmem(name.s, name.n, parts[i], strlen(parts[i]))) return true;
    for (int i = 0; i < 3 && n->output[i]; i++) // tied, or it would have been taken
        if (str_starts(name, str_of(n->output[i])) &&
            str_is((Str){name.s + strlen(n->output[i]), name.n - strlen(n->output[i])}, ".weight"))
            return true;
    return false;
}

// A bias of nothing but zeros, as GPTQ's tools add one to every weight in codes.
static bool is_zero_bias(const Checkpoint *c, const Stored *s)
{
    const Str end = STR_LIT(".bias");
    float part[256];
    if (!str_ends(s->name, end) || s->dtype > DT_BF16) return false;
    char name[256];
    snprintf(name, sizeof name, "%.*s.weight", (int)(s->name.n - end.n),
             s->name.s); // cut short: there is none
    const Stored *of = checkpoint_find(c, name);
    if (!of || dtype_size(of->dtype)) return false;
    for (int64_t i = 0, n = (int64_t)stored_count(s), m; i < n; i += m) {
        m = n - i < 256 ? n - i : 256;
        num_widen(part, s->data, (WType)s->dtype, i, m);
        for (int64_t k = 0; k < m; k++)
            if (part[k] != 0) return false;
    }
    return true;
}

static bool none_left(const Binder *b)
{
    const Checkpoint *c = b->m->checkpoint;
    for (size_t i = 0; i < c->n; i++) {
        char name[SHOWN];
        if (b->m->bound[i] || means_nothing(b->n, c->tensor[i].name) || is_zero_bias(c, &c->tensor[i]))
            continue;
        return err_at(b->e, c->tensor[i].file, c->tensor[i].at,
                      "tensor \"%s\" has no place in a %s model as %s describes it",
                      shown(name, c->tensor[i].name), b->m->family->model_type, b->m->config.path);
    }
    return true;
}

bool decoder_bind(Model *m, const DecoderShape *s, Err *e)
{
    ModelInfo *f = &m->info;
    m->block = arena_new(m->arena, Block, 1);
    *m->block = (Block){.residual = s->residual,
                        .embed_factor = s->embed_factor,
                        .residual_factor = s->residual_factor,
                        .cap = s->final_cap,
                        .experts = s->experts,
                        .experts_used = s->experts_used};
    m->bound = arena_new(m->arena, bool, m->checkpoint->n);
    m->decoder = arena_new(m->arena, Layer, s->layers);
    m->act = s->act, m->eps = s->eps;
    m->embed_scale = s->embed_scale, m->logits_scale = s->logits_scale;
    m->kv_width = s->kv_heads * s->head_dim;
    f->width = s->embed_width, f->states = s->width, f->vocab = s->vocab, f->decoder_layers = s->layers,
    f->heads = s->heads;
    f->max_positions = s->positions;
    slices(s, m->block);
    Binder b = {.m = m, .s = s, .n = s->names, .e = e, .layer = -1};
    if (!bind_ends(&b)) return false;
    for (b.layer = 0; b.layer < s->layers; b.layer++) {
        Layer *l = &m->decoder[b.layer];
        if (!norm(&b, &l->self_norm, b.n->self_norm, s->width) ||
            !norm(&b, &l->self_post, b.n->self_post, s->width) ||
            !norm(&b, &l->ff_norm, b.n->ff_norm, s->width) ||
            !norm(&b, &l->ff_post, b.n->ff_post, s->width) || !attention(&b, l) || !feed_forward(&b, l))
            return false;
    }
    m->self_attention[1] = *attentions(&b, m->decoder);
    rotations(&b, m->decoder);
    return none_left(&b);
}
