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
                                .act = "gelu_new",
                                .qkv_bias = "yes",
                                .o_bias = "yes",
                                .ff_bias = "yes",
                                .eps = 1e-5,
                                .page = gpt2_page};

// ------------------------------------------------------------------------------------------------ Llama and its like

#define LLAMA_NAMES                                                                                          \
    .embed = "model.embed_tokens", .last_norm = "model.norm", .output = {"lm_head"},                         \
    .layer = "model.layers", .self_norm = "input_layernorm", .q = "self_attn.q_proj",                        \
    .k = "self_attn.k_proj", .v = "self_attn.v_proj", .o = "self_attn.o_proj",                               \
    .ff_norm = "post_attention_layernorm", .up = "mlp.up_proj", .gate = "mlp.gate_proj",                     \
    .down = "mlp.down_proj"

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
    (void)row;
    return decoder_windows(m, c, s, window_of(c, 4096), NULL, e);
}

static const DecoderRow mistral = {.names = &llama_names, LLAMA_ROW, .kv_heads = 8, .page = mistral_page};

static bool qwen_slides(const Config *c, int64_t layer)
{
    return flag(c, "use_sliding_window", false) && layer >= cfg_int(c, "max_window_layers", 28, 0, 1 << 20);
}

static bool qwen_page(const DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e)
{
    (void)row;
    return decoder_windows(m, c, s, window_of(c, 4096), qwen_slides, e);
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

// ------------------------------------------------------------------------------------------------ the table

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
