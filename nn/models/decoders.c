// SPDX-License-Identifier: Apache-2.0
// decoders.c — the table of decoder-only families: a row each, with the names of its tensors and a page for the keys that
// only it has. Everything that sets a family apart stands here; defaults are those of transformers 5.23's classes.
#include "decoder.h"

static bool flag(const Config *c, const char *key, bool absent) { return cfg_bool(c, key, absent); }

static bool refuse(const Config *c, const char *key, bool value, Err *e)
{
    return err_set(e, "%s: %s is %s; models with that are another block, which this program does not have",
                   c->path, key, value ? "true" : "false");
}

// An integer that may be null (0 then), and what its absence means.
static int64_t window_of(const Config *c, int64_t absent)
{
    const Json *j = json_get(c->json, "sliding_window");
    return j && j->kind == J_NULL ? 0 : cfg_int(c, "sliding_window", absent, 1, 1 << 30);
}

static float cap_of(const Config *c, const char *key, double absent)
{
    const Json *j = json_get(c->json, key);
    return j && j->kind == J_NULL ? 0 : (float)cfg_real(c, key, absent, 1e-3, 1e6);
}

static bool everywhere(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m; // a window, where there is one, in all layers
    return decoder_windows(c, s, window_of(c, 0), NULL, e);
}

// ------------------------------------------------------------------------------------------------ GPT-2 and its like

static const DecoderNames gpt2_names = {.embed = "transformer.wte",
                                        .positions = "transformer.wpe",
                                        .last_norm = "transformer.ln_f",
                                        .output = {"lm_head"},
                                        .layer = "transformer.h",
                                        .self_norm = "ln_1",
                                        .qkv = "attn.c_attn",
                                        .o = "attn.c_proj",
                                        .ff_norm = "ln_2",
                                        .up = "mlp.c_fc",
                                        .down = "mlp.c_proj"};

static bool gpt2_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    if (flag(c, "add_cross_attention", false)) return refuse(c, "add_cross_attention", true, e);
    if (!flag(c, "scale_attn_weights", true)) s->scale = 1;
    s->scale_by_layer = flag(c, "scale_attn_by_inverse_layer_idx", false);
    return true;
}

static const DecoderRow gpt2 = {.names = &gpt2_names,
                                .position = POSITIONS_LEARNED,
                                .fused = THIRDS,
                                .turned = true,
                                .tied = true,
                                .ff_key = "n_inner",
                                .act = "gelu_new",
                                .qkv_bias = "yes",
                                .o_bias = "yes",
                                .ff_bias = "yes",
                                .eps = 1e-5,
                                .page = gpt2_page};

// ------------------------------------------------------------------------------------------------ Llama and its like

#define LLAMA_NAMES_ATTENTION                                                                                \
    .embed = "model.embed_tokens", .last_norm = "model.norm", .output = {"lm_head"},                         \
    .layer = "model.layers", .self_norm = "input_layernorm", .q = "self_attn.q_proj",                        \
    .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj"

#define LLAMA_NAMES                                                                                          \
    LLAMA_NAMES_ATTENTION, .ff_norm = "post_attention_layernorm", .up = "mlp.up_proj",                       \
                           .gate = "mlp.gate_proj", .down = "mlp.down_proj"

#define LLAMA_ROW                                                                                            \
    .norm = NORM_RMS, .gated = true, .act = "silu", .qkv_bias = "no", .o_bias = "no", .ff_bias = "no",       \
    .eps = 1e-6, .theta = 10000

static const DecoderNames llama_names = {LLAMA_NAMES};

static const DecoderRow llama = {.names = &llama_names,
                                 .norm = NORM_RMS,
                                 .gated = true,
                                 .act = "silu",
                                 .qkv_bias = "attention_bias=no",
                                 .o_bias = "attention_bias=no",
                                 .ff_bias = "mlp_bias=no",
                                 .eps = 1e-6,
                                 .theta = 10000};

static bool mistral_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    return decoder_windows(c, s, window_of(c, 4096), NULL, e);
}

static const DecoderRow mistral = {.names = &llama_names, LLAMA_ROW, .kv_heads = 8, .page = mistral_page};

static const DecoderNames mixtral_names = {LLAMA_NAMES_ATTENTION,
                                           .ff_norm = "post_attention_layernorm",
                                           .router = "block_sparse_moe.gate",
                                           .expert = "block_sparse_moe.experts",
                                           .expert_gate = "w1",
                                           .expert_up = "w3",
                                           .expert_down = "w2"};

static bool mixtral_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    s->experts = cfg_int(c, "num_local_experts", 8, 1, 1024);
    s->experts_used = cfg_int(c, "num_experts_per_tok", 2, 1, 64);
    if (s->experts_used > s->experts)
        return err_set(
            e, "%s: num_experts_per_tok %" PRId64 " is more than the %" PRId64 " experts (num_local_experts)",
            c->path, s->experts_used, s->experts);
    return everywhere(row, m, c, s, e);
}

static const DecoderRow mixtral = {.names = &mixtral_names,
                                   .norm = NORM_RMS,
                                   .gated = true,
                                   .act = "silu",
                                   .qkv_bias = "no",
                                   .o_bias = "no",
                                   .ff_bias = "no",
                                   .eps = 1e-5,
                                   .theta = 1e6,
                                   .kv_heads = 8,
                                   .page = mixtral_page};

static bool qwen_slides(const Config *c, int64_t layer)
{
    return flag(c, "use_sliding_window", false) && layer >= cfg_int(c, "max_window_layers", 28, 0, 1 << 20);
}

static bool qwen_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    return decoder_windows(c, s, window_of(c, 4096), qwen_slides, e);
}

static const DecoderRow qwen2 = {.names = &llama_names,
                                 .norm = NORM_RMS,
                                 .gated = true,
                                 .act = "silu",
                                 .qkv_bias = "yes",
                                 .o_bias = "no",
                                 .ff_bias = "no",
                                 .eps = 1e-6,
                                 .theta = 10000,
                                 .kv_heads = 32,
                                 .page = qwen_page};

static const DecoderNames qk_names = {LLAMA_NAMES, .q_norm = "self_attn.q_norm",
                                      .k_norm = "self_attn.k_norm"};

static const DecoderRow qwen3 = {.names = &qk_names,
                                 .norm = NORM_RMS,
                                 .qk_norm = QK_NORM_HEADS,
                                 .gated = true,
                                 .act = "silu",
                                 .qkv_bias = "attention_bias=no",
                                 .o_bias = "attention_bias=no",
                                 .ff_bias = "no",
                                 .eps = 1e-6,
                                 .theta = 10000,
                                 .kv_heads = 32,
                                 .head_dim = 128,
                                 .page = qwen_page};

static const DecoderNames phi3_names = {LLAMA_NAMES, .qkv = "self_attn.qkv_proj",
                                        .gate_up = "mlp.gate_up_proj"};

static const DecoderRow phi3 = {.names = &phi3_names,
                                .norm = NORM_RMS,
                                .fused = BEHIND,
                                .gated = true,
                                .gate_up = true,
                                .act = "silu",
                                .qkv_bias = "no",
                                .o_bias = "no",
                                .ff_bias = "no",
                                .eps = 1e-5,
                                .theta = 10000,
                                .rotary = 1,
                                .rotary_key = "partial_rotary_factor",
                                .long_yarn = true,
                                .page = everywhere};

static const DecoderNames olmo2_names = {.embed = "model.embed_tokens",
                                         .last_norm = "model.norm",
                                         .output = {"lm_head"},
                                         .layer = "model.layers",
                                         .self_post = "post_attention_layernorm",
                                         .q = "self_attn.q_proj",
                                         .k = "self_attn.k_proj",
                                         .v = "self_attn.v_proj",
                                         .o = "self_attn.o_proj",
                                         .q_norm = "self_attn.q_norm",
                                         .k_norm = "self_attn.k_norm",
                                         .ff_post = "post_feedforward_layernorm",
                                         .up = "mlp.up_proj",
                                         .gate = "mlp.gate_proj",
                                         .down = "mlp.down_proj"};

static const DecoderRow olmo2 = {.names = &olmo2_names,
                                 .norm = NORM_RMS,
                                 .qk_norm = QK_NORM_ROWS,
                                 .gated = true,
                                 .act = "silu",
                                 .qkv_bias = "attention_bias=no",
                                 .o_bias = "attention_bias=no",
                                 .ff_bias = "no",
                                 .eps = 1e-5,
                                 .theta = 10000};

// Layers that don't turn: a list with 0 for them, else every fourth.
static bool smollm3_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    const Json *list = json_get(c->json, "no_rope_layers"), *x = NULL;
    int64_t each = cfg_int(c, "no_rope_layer_interval", 4, 1, 1 << 20);
    bool slides = cfg_bool(c, "use_sliding_window", false);
    if (list && list->kind != J_NULL) {
        if (list->kind != J_ARRAY || (int64_t)list->count != s->layers)
            return err_set(e,
                           "%s: no_rope_layers must be a list of 0 or 1 for each of the %" PRId64 " layers",
                           c->path, s->layers);
        x = list->child;
    }
    for (int64_t i = 0; i < s->layers; i++, x = x ? x->next : NULL) {
        if (x && (x->kind != J_NUMBER || !x->is_int || (x->i != 0 && x->i != 1)))
            return err_set(e, "%s: no_rope_layers holds something else than 0 and 1", c->path);
        s->rotation[i] = (x ? x->i != 0 : (i + 1) % each != 0) ? 0 : -1;
    }
    int64_t window = slides ? window_of(c, 0) : 0;
    if (!decoder_windows(c, s, window, NULL, e)) return false;
    const Json *types = json_get(c->json, "layer_types");
    for (int64_t i = 0; i < s->layers; i++)
        if ((!types || types->kind == J_NULL) && s->rotation[i] >= 0) s->window[i] = 0;
    return true;
}

static const DecoderRow smollm3 = {.names = &llama_names,
                                   .norm = NORM_RMS,
                                   .gated = true,
                                   .tied = true,
                                   .act = "silu",
                                   .qkv_bias = "attention_bias=no",
                                   .o_bias = "attention_bias=no",
                                   .ff_bias = "mlp_bias=no",
                                   .eps = 1e-6,
                                   .theta = 2e6,
                                   .kv_heads = 4,
                                   .page = smollm3_page};

static bool granite_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m, (void)e;
    s->embed_factor = (float)cfg_real(c, "embedding_multiplier", 1, -1e6, 1e6);
    s->residual_factor = (float)cfg_real(c, "residual_multiplier", 1, -1e6, 1e6);
    s->scale = (float)cfg_real(c, "attention_multiplier", 1, -1e6, 1e6);
    s->logits_scale = (float)(1 / cfg_real(c, "logits_scaling", 1, 1e-6, 1e6));
    return true;
}

static const DecoderRow granite = {.names = &llama_names,
                                   .norm = NORM_RMS,
                                   .gated = true,
                                   .act = "silu",
                                   .qkv_bias = "attention_bias=no",
                                   .o_bias = "attention_bias=no",
                                   .ff_bias = "mlp_bias=no",
                                   .eps = 1e-6,
                                   .theta = 10000,
                                   .page = granite_page};

static bool stablelm_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    static const DecoderNames one_norm = {LLAMA_NAMES_ATTENTION, .up = "mlp.up_proj", .gate = "mlp.gate_proj",
                                          .down = "mlp.down_proj"};
    if (flag(c, "qk_layernorm", false)) return refuse(c, "qk_layernorm", true, e);
    if (flag(c, "use_parallel_residual", false)) s->residual = PARALLEL, s->names = &one_norm;
    return true;
}

static const DecoderRow stablelm = {.names = &llama_names,
                                    .gated = true,
                                    .act = "silu",
                                    .qkv_bias = "use_qkv_bias=no",
                                    .o_bias = "no",
                                    .ff_bias = "no",
                                    .eps = 1e-5,
                                    .theta = 10000,
                                    .kv_heads = 32,
                                    .rotary = 0.25,
                                    .rotary_key = "partial_rotary_factor",
                                    .page = stablelm_page};

static const DecoderNames starcoder2_names = {LLAMA_NAMES_ATTENTION, .ff_norm = "post_attention_layernorm",
                                              .up = "mlp.c_fc", .down = "mlp.c_proj"};

static const DecoderRow starcoder2 = {.names = &starcoder2_names,
                                      .tied = true,
                                      .act = "gelu_pytorch_tanh",
                                      .qkv_bias = "use_bias=yes",
                                      .o_bias = "use_bias=yes",
                                      .ff_bias = "use_bias=yes",
                                      .eps = 1e-5,
                                      .theta = 10000,
                                      .kv_heads = 2,
                                      .page = everywhere};

// ------------------------------------------------------------------------------------------------ Gemma

static bool gemma_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m, (void)c, (void)e;
    s->embed_scale = __builtin_sqrtf((float)s->width);
    if (s->act == ACT_GELU) s->act = ACT_GELU_TANH; // what the first files call gelu
    return true;
}

static const DecoderRow gemma = {.names = &llama_names,
                                 .norm = NORM_RMS_PLUS_ONE,
                                 .gated = true,
                                 .tied = true,
                                 .act = "gelu_pytorch_tanh",
                                 .qkv_bias = "attention_bias=no",
                                 .o_bias = "attention_bias=no",
                                 .ff_bias = "no",
                                 .eps = 1e-6,
                                 .theta = 10000,
                                 .kv_heads = 16,
                                 .head_dim = 256,
                                 .page = gemma_page};

#define GEMMA2_NAMES                                                                                         \
    .embed = "model.embed_tokens", .last_norm = "model.norm", .output = {"lm_head"},                         \
    .layer = "model.layers", .self_norm = "input_layernorm", .self_post = "post_attention_layernorm",        \
    .ff_norm = "pre_feedforward_layernorm", .ff_post = "post_feedforward_layernorm",                         \
    .q = "self_attn.q_proj", .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",      \
    .up = "mlp.up_proj", .gate = "mlp.gate_proj", .down = "mlp.down_proj"

static const DecoderNames gemma2_names = {GEMMA2_NAMES},
                          gemma3_names = {GEMMA2_NAMES, .q_norm = "self_attn.q_norm",
                                          .k_norm = "self_attn.k_norm"};

static bool even_slides(const Config *c, int64_t layer) { return (void)c, layer % 2 == 0; }

static bool gemma2_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    s->embed_scale = __builtin_sqrtf((float)s->width);
    s->scale = 1 / __builtin_sqrtf((float)cfg_real(c, "query_pre_attn_scalar", 256, 1e-3, 1e9));
    s->cap = cap_of(c, "attn_logit_softcapping", 50), s->final_cap = cap_of(c, "final_logit_softcapping", 30);
    return decoder_windows(c, s, window_of(c, 4096), even_slides, e);
}

static const DecoderRow gemma2 = {.names = &gemma2_names,
                                  .norm = NORM_RMS_PLUS_ONE,
                                  .gated = true,
                                  .tied = true,
                                  .act = "gelu_pytorch_tanh",
                                  .qkv_bias = "attention_bias=no",
                                  .o_bias = "attention_bias=no",
                                  .ff_bias = "no",
                                  .eps = 1e-6,
                                  .theta = 10000,
                                  .kv_heads = 4,
                                  .head_dim = 256,
                                  .page = gemma2_page};

static bool pattern_slides(const Config *c, int64_t layer)
{
    return (layer + 1) % cfg_int(c, "sliding_window_pattern", 6, 1, 1 << 20) != 0;
}

// Layers with a window turn by angles of their own, which no scaling stretches.
static bool gemma3_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    static const char *const local[] = {"rope_local_base_freq", NULL};
    s->embed_scale = __builtin_sqrtf((float)s->width);
    s->scale = 1 / __builtin_sqrtf((float)cfg_real(c, "query_pre_attn_scalar", 256, 1e-3, 1e9));
    s->cap = cap_of(c, "attn_logit_softcapping", 0), s->final_cap = cap_of(c, "final_logit_softcapping", 0);
    if (!decoder_windows(c, s, window_of(c, 4096), pattern_slides, e)) return false;
    if (!rope_read(m->arena, c, row, "full_attention", row->theta, s->head_dim, &s->rope[0], e)) return false;
    s->rope[1] = (RopeShape){.rotated = s->head_dim, .attention_factor = 1, .most = s->rope[0].most};
    s->rope[1].theta = cfg_real(c, local[0], 10000, 1 + 1e-6, 1e12);
    const Json *all = json_get(c->json, "rope_parameters"),
               *own = all ? json_get(all, "sliding_attention") : NULL;
    if (own && own->kind == J_OBJECT) {
        Config in = {.json = own, .path = c->path, .e = c->e};
        s->rope[1].theta = cfg_real(&in, "rope_theta", s->rope[1].theta, 1 + 1e-6, 1e12);
    }
    for (int64_t i = 0; i < s->layers; i++) s->rotation[i] = s->window[i] ? 1 : 0;
    return true;
}

#define GEMMA3_ROW                                                                                           \
    .names = &gemma3_names, .norm = NORM_RMS_PLUS_ONE, .qk_norm = QK_NORM_HEADS, .gated = true,              \
    .tied = true, .act = "gelu_pytorch_tanh", .qkv_bias = "attention_bias=no",                               \
    .o_bias = "attention_bias=no", .ff_bias = "no", .eps = 1e-6, .theta = 1e6, .heads = 8, .kv_heads = 4,    \
    .head_dim = 256, .vocab = 262208, .page = gemma3_page

static const DecoderRow gemma3_text = {GEMMA3_ROW};
static const DecoderRow gemma3 = {GEMMA3_ROW, .wrapped = true};

// ------------------------------------------------------------------------------------------------ GPT-NeoX and its like

static const DecoderNames gpt_neox_names = {.embed = "gpt_neox.embed_in",
                                            .last_norm = "gpt_neox.final_layer_norm",
                                            .output = {"embed_out", "lm_head"},
                                            .layer = "gpt_neox.layers",
                                            .self_norm = "input_layernorm",
                                            .qkv = "attention.query_key_value",
                                            .o = "attention.dense",
                                            .ff_norm = "post_attention_layernorm",
                                            .up = "mlp.dense_h_to_4h",
                                            .down = "mlp.dense_4h_to_h"};

static bool gpt_neox_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m, (void)e;
    if (!flag(c, "use_parallel_residual", true)) s->residual = IN_TURN;
    return true;
}

static const DecoderRow gpt_neox = {.names = &gpt_neox_names,
                                    .residual = PARALLEL,
                                    .fused = BY_HEAD,
                                    .act = "gelu",
                                    .qkv_bias = "attention_bias=yes",
                                    .o_bias = "attention_bias=yes",
                                    .ff_bias = "yes",
                                    .eps = 1e-5,
                                    .theta = 10000,
                                    .rotary = 0.25,
                                    .rotary_key = "rotary_pct",
                                    .page = gpt_neox_page};

static const DecoderNames gptj_names = {.embed = "transformer.wte",
                                        .last_norm = "transformer.ln_f",
                                        .output = {"lm_head"},
                                        .layer = "transformer.h",
                                        .self_norm = "ln_1",
                                        .q = "attn.q_proj",
                                        .k = "attn.k_proj",
                                        .v = "attn.v_proj",
                                        .o = "attn.out_proj",
                                        .up = "mlp.fc_in",
                                        .down = "mlp.fc_out"};

static bool gptj_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    const Json *j = json_get(c->json, "rotary_dim");
    if (j && j->kind == J_NULL)
        return err_set(e, "%s: rotary_dim is null; it must be the number of a head's columns that turn",
                       c->path);
    int64_t turned = cfg_int(c, "rotary_dim", 64, 2, 1 << 17);
    if (turned % 2 || turned > s->head_dim)
        return err_set(
            e, "%s: rotary_dim is %" PRId64 "; it must be even and at most a head's %" PRId64 " columns",
            c->path, turned, s->head_dim);
    s->rope[0] =
        (RopeShape){.theta = 10000, .rotated = turned, .attention_factor = 1, .most = s->rope[0].most};
    return true;
}

static const DecoderRow gptj = {.names = &gptj_names,
                                .residual = PARALLEL,
                                .neighbours = true,
                                .output_bias = true,
                                .ff_key = "n_inner",
                                .act = "gelu_new",
                                .qkv_bias = "no",
                                .o_bias = "no",
                                .ff_bias = "yes",
                                .eps = 1e-5,
                                .theta = 10000,
                                .page = gptj_page};

static const DecoderNames phi_names = {.embed = "model.embed_tokens",
                                       .last_norm = "model.final_layernorm",
                                       .output = {"lm_head"},
                                       .layer = "model.layers",
                                       .self_norm = "input_layernorm",
                                       .q = "self_attn.q_proj",
                                       .k = "self_attn.k_proj",
                                       .v = "self_attn.v_proj",
                                       .o = "self_attn.dense",
                                       .up = "mlp.fc1",
                                       .down = "mlp.fc2"};

static bool phi_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m, (void)s;
    return !flag(c, "qk_layernorm", false) || refuse(c, "qk_layernorm", true, e);
}

static const DecoderRow phi = {.names = &phi_names,
                               .residual = PARALLEL,
                               .output_bias = true,
                               .act = "gelu_new",
                               .qkv_bias = "yes",
                               .o_bias = "yes",
                               .ff_bias = "yes",
                               .eps = 1e-5,
                               .theta = 10000,
                               .rotary = 0.5,
                               .rotary_key = "partial_rotary_factor",
                               .page = phi_page};

// Falcon's three layouts: 7B (one head of keys, one norm), 40B (groups, two norms), RW (a head of keys each, in turn).
#define FALCON_NAMES                                                                                         \
    .embed = "transformer.word_embeddings", .last_norm = "transformer.ln_f", .output = {"lm_head"},          \
    .layer = "transformer.h", .qkv = "self_attention.query_key_value", .o = "self_attention.dense",          \
    .up = "mlp.dense_h_to_4h", .down = "mlp.dense_4h_to_h"

static const DecoderNames falcon_names = {FALCON_NAMES, .self_norm = "input_layernorm"},
                          falcon_two_norms = {FALCON_NAMES, .self_norm = "ln_attn", .ff_norm = "ln_mlp"},
                          falcon_in_turn = {FALCON_NAMES, .self_norm = "input_layernorm",
                                            .ff_norm = "post_attention_layernorm"};

static bool falcon_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    bool groups = flag(c, "new_decoder_architecture", false), parallel = flag(c, "parallel_attn", true);
    if (groups && !parallel) return refuse(c, "parallel_attn", false, e);
    int64_t norms = cfg_int(c, "num_ln_in_parallel_attn", groups ? 2 : 1, 1, 2);
    if (groups) s->kv_heads = cfg_int(c, "num_kv_heads", s->heads, 1, 1024);
    else if (flag(c, "multi_query", true)) s->kv_heads = 1;
    s->fused = BY_GROUP;
    if (!parallel) s->residual = IN_TURN, s->names = &falcon_in_turn;
    else if (groups && norms == 2) s->names = &falcon_two_norms;
    if (flag(c, "alibi", false)) s->position = POSITIONS_ALIBI, s->slopes_short = true;
    return true;
}

static const DecoderRow falcon = {.names = &falcon_names,
                                  .residual = PARALLEL,
                                  .fused = BY_GROUP,
                                  .tied = true,
                                  .ff_key = "ffn_hidden_size",
                                  .act = "gelu",
                                  .qkv_bias = "bias=no",
                                  .o_bias = "bias=no",
                                  .ff_bias = "bias=no",
                                  .eps = 1e-5,
                                  .theta = 10000,
                                  .page = falcon_page};

// ------------------------------------------------------------------------------------------------ OPT, Bloom, GPT-Neo

static const DecoderNames opt_names = {.embed = "model.decoder.embed_tokens",
                                       .positions = "model.decoder.embed_positions",
                                       .project_in = "model.decoder.project_in",
                                       .project_out = "model.decoder.project_out",
                                       .last_norm = "model.decoder.final_layer_norm",
                                       .output = {"lm_head"},
                                       .layer = "model.decoder.layers",
                                       .self_norm = "self_attn_layer_norm",
                                       .q = "self_attn.q_proj",
                                       .k = "self_attn.k_proj",
                                       .v = "self_attn.v_proj",
                                       .o = "self_attn.out_proj",
                                       .ff_norm = "final_layer_norm",
                                       .up = "fc1",
                                       .down = "fc2"};

static bool opt_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    if (!flag(c, "layer_norm_elementwise_affine", true))
        return refuse(c, "layer_norm_elementwise_affine", false, e);
    bool before = flag(c, "do_layer_norm_before", true);
    if (!before) s->residual = AFTER;
    s->last_norm = before && !flag(c, "_remove_final_layer_norm", false);
    s->embed_width = cfg_int(c, "word_embed_proj_dim", s->width, 1, 1 << 17);
    s->skipped = 2; // the table's first rows belong to padding
    return true;
}

static const DecoderRow opt = {.names = &opt_names,
                               .position = POSITIONS_LEARNED,
                               .tied = true,
                               .ff_key = "ffn_dim",
                               .act = "relu",
                               .qkv_bias = "enable_bias=yes",
                               .o_bias = "enable_bias=yes",
                               .ff_bias = "enable_bias=yes",
                               .eps = 1e-5,
                               .page = opt_page};

static const DecoderNames bloom_names = {.embed = "transformer.word_embeddings",
                                         .embed_norm = "transformer.word_embeddings_layernorm",
                                         .last_norm = "transformer.ln_f",
                                         .output = {"lm_head"},
                                         .layer = "transformer.h",
                                         .self_norm = "input_layernorm",
                                         .qkv = "self_attention.query_key_value",
                                         .o = "self_attention.dense",
                                         .ff_norm = "post_attention_layernorm",
                                         .up = "mlp.dense_h_to_4h",
                                         .down = "mlp.dense_4h_to_h"};

static bool bloom_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    static const char after[] = "apply_residual_connection_post_layernorm";
    if (flag(c, after, false)) return refuse(c, after, true, e);
    s->act = ACT_GELU_TANH, s->ff = 4 * s->width; // whatever the file says
    return true;
}

static const DecoderRow bloom = {.names = &bloom_names,
                                 .position = POSITIONS_ALIBI,
                                 .fused = BY_HEAD,
                                 .tied = true,
                                 .act = "gelu_new",
                                 .qkv_bias = "yes",
                                 .o_bias = "yes",
                                 .ff_bias = "yes",
                                 .eps = 1e-5,
                                 .page = bloom_page};

static const DecoderNames gpt_neo_names = {.embed = "transformer.wte",
                                           .positions = "transformer.wpe",
                                           .last_norm = "transformer.ln_f",
                                           .output = {"lm_head"},
                                           .layer = "transformer.h",
                                           .self_norm = "ln_1",
                                           .q = "attn.attention.q_proj",
                                           .k = "attn.attention.k_proj",
                                           .v = "attn.attention.v_proj",
                                           .o = "attn.attention.out_proj",
                                           .ff_norm = "ln_2",
                                           .up = "mlp.c_fc",
                                           .down = "mlp.c_proj"};

// attention_types: [[["global", "local"], 12]], a pattern and how often it comes; several of them stand one behind the other.
static bool gpt_neo_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row, (void)m;
    int64_t window = cfg_int(c, "window_size", 256, 1, 1 << 30), layer = 0;
    const Json *list = json_get(c->json, "attention_types");
    s->scale = 1;
    for (const Json *part = list ? list->child : NULL; part; part = part->next) {
        const Json *names = part->child, *times = names ? names->next : NULL;
        if (!times || names->kind != J_ARRAY || !times->is_int || times->i < 0 || times->i > s->layers)
            return err_set(e, "%s: attention_types must be like [[[\"global\", \"local\"], 12]]", c->path);
        for (int64_t k = 0; k < times->i; k++)
            for (const Json *name = names->child; name; name = name->next, layer++) {
                bool local = name->kind == J_STRING && str_is(name->text, "local");
                if (!local && !(name->kind == J_STRING && str_is(name->text, "global")))
                    return err_set(e, "%s: attention_types may hold \"global\" and \"local\"", c->path);
                if (layer < s->layers) s->window[layer] = local ? window : 0;
            }
    }
    if (!list || list->kind == J_NULL)
        for (; layer < s->layers; layer++) s->window[layer] = layer % 2 ? window : 0;
    return layer == s->layers ||
           err_set(e, "%s: attention_types is for %" PRId64 " layers, the model has %" PRId64, c->path, layer,
                   s->layers);
}

static const DecoderRow gpt_neo = {.names = &gpt_neo_names,
                                   .position = POSITIONS_LEARNED,
                                   .tied = true,
                                   .act = "gelu_new",
                                   .qkv_bias = "no",
                                   .o_bias = "yes",
                                   .ff_bias = "yes",
                                   .eps = 1e-5,
                                   .page = gpt_neo_page};

// ------------------------------------------------------------------------------------------------ the table

bool decoder_is_other(Str type)
{
    static const char *const others[] = {
        "gpt_bigcode",  "mpt",      "codegen", "biogpt",     "xglm",      "cohere",          "cohere2",
        "dbrx",         "nemotron", "olmo",    "olmo3",      "qwen2_moe", "gemma3n",         "gpt_oss",
        "mamba",        "mamba2",   "phimoe",  "granitemoe", "persimmon", "recurrent_gemma", "jamba",
        "xlnet",        "ctrl",     "rwkv",    "bitnet",     "exaone4",   "helium",          "glm",
        "glm4",         "ernie4_5", "minimax", "zamba",      "zamba2",    "bamba",           "falcon_h1",
        "falcon_mamba",
    };
    static const char *const beginnings[] = {"qwen3_", "qwen2_",   "qwen3.",     "gemma4",  "deepseek",
                                             "llama4", "mistral3", "granitemoe", "llava",   "paligemma",
                                             "mllama", "idefics",  "phi4_",      "internvl"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (str_is(type, others[i])) return true;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (str_starts(type, str_of(beginnings[i]))) return true;
    return false;
}

// base_, anchor_: see Family.
#define DECODER(type, base_, anchor_, class_, text)                                                          \
    const Family family_##type = {.model_type = #type,                                                       \
                                  .class_name = class_,                                                      \
                                  .summary = text,                                                           \
                                  .base = base_,                                                             \
                                  .anchor = anchor_,                                                         \
                                  .row = &type,                                                              \
                                  .open = decoder_open,                                                      \
                                  .decode = decoder_decode,                                                  \
                                  .logits = decoder_logits,                                                  \
                                  .decoder_layer = decoder_layer};
DECODER(gpt2, "transformer.", "wte.weight", "GPT2LMHeadModel", "GPT-2")
DECODER(llama, "model.", "embed_tokens.weight", "LlamaForCausalLM",
        "Llama 1 to 3 and models of their make (TinyLlama, Vicuna, SmolLM, ...)")
DECODER(mistral, "model.", "embed_tokens.weight", "MistralForCausalLM", "Mistral")
DECODER(qwen2, "model.", "embed_tokens.weight", "Qwen2ForCausalLM", "Qwen 2 and 2.5")
DECODER(qwen3, "model.", "embed_tokens.weight", "Qwen3ForCausalLM", "Qwen 3")
DECODER(gemma, "model.", "embed_tokens.weight", "GemmaForCausalLM", "Gemma")
DECODER(gemma2, "model.", "embed_tokens.weight", "Gemma2ForCausalLM", "Gemma 2")
DECODER(gemma3, "model.", "embed_tokens.weight", "Gemma3ForConditionalGeneration",
        "Gemma 3, its language model")
DECODER(gemma3_text, "model.", "embed_tokens.weight", "Gemma3ForCausalLM", "Gemma 3 without images")
DECODER(phi, "model.", "embed_tokens.weight", "PhiForCausalLM", "Phi 1 to 2")
DECODER(phi3, "model.", "embed_tokens.weight", "Phi3ForCausalLM", "Phi 3 to 4")
DECODER(opt, "model.", "decoder.embed_tokens.weight", "OPTForCausalLM", "OPT")
DECODER(gpt_neo, "transformer.", "wte.weight", "GPTNeoForCausalLM", "GPT-Neo")
DECODER(gpt_neox, "gpt_neox.", "embed_in.weight", "GPTNeoXForCausalLM", "GPT-NeoX and Pythia")
DECODER(gptj, "transformer.", "wte.weight", "GPTJForCausalLM", "GPT-J")
DECODER(bloom, "transformer.", "word_embeddings.weight", "BloomForCausalLM", "Bloom")
DECODER(falcon, "transformer.", "word_embeddings.weight", "FalconForCausalLM", "Falcon")
DECODER(olmo2, "model.", "embed_tokens.weight", "Olmo2ForCausalLM", "OLMo 2")
DECODER(smollm3, "model.", "embed_tokens.weight", "SmolLM3ForCausalLM", "SmolLM 3")
DECODER(stablelm, "model.", "embed_tokens.weight", "StableLmForCausalLM", "StableLM")
DECODER(starcoder2, "model.", "embed_tokens.weight", "Starcoder2ForCausalLM", "StarCoder 2")
DECODER(granite, "model.", "embed_tokens.weight", "GraniteForCausalLM", "Granite 3")
DECODER(mixtral, "model.", "embed_tokens.weight", "MixtralForCausalLM", "Mixtral")
