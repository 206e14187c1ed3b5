// SPDX-License-Identifier: Apache-2.0
// gguf_config.c — what a config.json would say, from the keys of a GGUF file: the same settings under transformers' names.
//
// The architectures are rows: what llama.cpp calls it, what transformers does, and how tensors are called here and there.
// What these files leave out (activations, T5's distances) is what the only published models of that architecture have.
#include "gguf.h"

#include <stdio.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------ names

#define ENDS                                                                                                 \
    "token_embd", "model.embed_tokens", "output_norm", "model.norm", "output", "lm_head", "rope_freqs", "",  \
        "rope_factors_long", "", "rope_factors_short", ""
#define L(here, there) "blk.#." here, "model.layers.#." there
#define ATTENTION                                                                                            \
    L("attn_norm", "input_layernorm"), L("attn_q", "self_attn.q_proj"), L("attn_k", "self_attn.k_proj"),     \
        L("attn_v", "self_attn.v_proj"), L("attn_output", "self_attn.o_proj")
#define GATED    L("ffn_gate", "mlp.gate_proj"), L("ffn_up", "mlp.up_proj"), L("ffn_down", "mlp.down_proj")
#define QK_NORMS L("attn_q_norm", "self_attn.q_norm"), L("attn_k_norm", "self_attn.k_norm")
#define GEMMA_NORMS                                                                                          \
    L("post_attention_norm", "post_attention_layernorm"), L("ffn_norm", "pre_feedforward_layernorm"),        \
        L("post_ffw_norm", "post_feedforward_layernorm")

static const char *const llama[] = {ENDS, ATTENTION, L("ffn_norm", "post_attention_layernorm"), GATED, NULL};
static const char *const qwen3[] = {ENDS,  ATTENTION, QK_NORMS, L("ffn_norm", "post_attention_layernorm"),
                                    GATED, NULL};
static const char *const gemma2[] = {ENDS, ATTENTION, GEMMA_NORMS, GATED, NULL};
static const char *const gemma3[] = {ENDS, ATTENTION, QK_NORMS, GEMMA_NORMS, GATED, NULL};
static const char *const phi3[] = {ENDS,
                                   L("attn_norm", "input_layernorm"),
                                   L("attn_qkv", "self_attn.qkv_proj"),
                                   L("attn_output", "self_attn.o_proj"),
                                   L("ffn_norm", "post_attention_layernorm"),
                                   L("ffn_up", "mlp.gate_up_proj"),
                                   L("ffn_down", "mlp.down_proj"),
                                   NULL};
#define G(here, there) "blk.#." here, "transformer.h.#." there
static const char *const gpt2[] = {"token_embd",
                                   "transformer.wte",
                                   "position_embd",
                                   "transformer.wpe",
                                   "output_norm",
                                   "transformer.ln_f",
                                   "output",
                                   "lm_head",
                                   G("attn_norm", "ln_1"),
                                   G("attn_qkv", "attn.c_attn"),
                                   G("attn_output", "attn.c_proj"),
                                   G("ffn_norm", "ln_2"),
                                   G("ffn_up", "mlp.c_fc"),
                                   G("ffn_down", "mlp.c_proj"),
                                   NULL};
#define E(here, there) "enc.blk.#." here, "encoder.block.#.layer." there
#define D(here, there) "dec.blk.#." here, "decoder.block.#.layer." there
static const char *const t5[] = {"token_embd",
                                 "shared",
                                 "output",
                                 "lm_head",
                                 "enc.output_norm",
                                 "encoder.final_layer_norm",
                                 "dec.output_norm",
                                 "decoder.final_layer_norm",
                                 E("attn_norm", "0.layer_norm"),
                                 E("attn_q", "0.SelfAttention.q"),
                                 E("attn_k", "0.SelfAttention.k"),
                                 E("attn_v", "0.SelfAttention.v"),
                                 E("attn_o", "0.SelfAttention.o"),
                                 E("attn_rel_b", "0.SelfAttention.relative_attention_bias"),
                                 E("ffn_norm", "1.layer_norm"),
                                 E("ffn_gate", "1.DenseReluDense.wi_0"),
                                 E("ffn_up", "1.DenseReluDense.wi_1"),
                                 E("ffn_down", "1.DenseReluDense.wo"),
                                 D("attn_norm", "0.layer_norm"),
                                 D("attn_q", "0.SelfAttention.q"),
                                 D("attn_k", "0.SelfAttention.k"),
                                 D("attn_v", "0.SelfAttention.v"),
                                 D("attn_o", "0.SelfAttention.o"),
                                 D("attn_rel_b", "0.SelfAttention.relative_attention_bias"),
                                 D("cross_attn_norm", "1.layer_norm"),
                                 D("cross_attn_q", "1.EncDecAttention.q"),
                                 D("cross_attn_k", "1.EncDecAttention.k"),
                                 D("cross_attn_v", "1.EncDecAttention.v"),
                                 D("cross_attn_o", "1.EncDecAttention.o"),
                                 D("ffn_norm", "2.layer_norm"),
                                 D("ffn_gate", "2.DenseReluDense.wi_0"),
                                 D("ffn_up", "2.DenseReluDense.wi_1"),
                                 D("ffn_down", "2.DenseReluDense.wo"),
                                 NULL};

static const GgufArch archs[] = {
    {"llama", "llama", llama, .pairs_turned = true}, {"qwen2", "qwen2", llama, .encoder = false},
    {"qwen3", "qwen3", qwen3, .encoder = false},     {"gpt2", "gpt2", gpt2, .encoder = false},
    {"gemma2", "gemma2", gemma2, .encoder = false},  {"gemma3", "gemma3_text", gemma3, .encoder = false},
    {"phi3", "phi3", phi3, .encoder = false},        {"t5", "t5", t5, .encoder = true},
};
enum { ARCHS = sizeof archs / sizeof *archs };

const GgufArch *gguf_arch_of(const char *model_type)
{
    static const char *const same[][2] = {
        {"mistral", "llama"}, {"gemma3", "gemma3_text"}, {"mt5", "t5"}, {"umt5", "t5"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (!strcmp(model_type, same[i][0])) model_type = same[i][1];
    for (int i = 0; i < ARCHS; i++)
        if (!strcmp(model_type, archs[i].model_type)) return &archs[i];
    return NULL;
}

const GgufArch *gguf_arch(const Gguf *g, Err *e)
{
    const GgufKey *k = gguf_key(g, "general.architecture");
    char name[SHOWN], known[200] = "";
    if (!k) return err_at(e, g->path, 0, "no key \"general.architecture\": this file holds no model"), NULL;
    if (k->kind != GGUF_STRING) return gguf_str(g, "general.architecture", e), NULL;
    for (int i = 0; i < ARCHS; i++)
        if (str_is(k->bytes, archs[i].name)) return &archs[i];
    if (str_is(k->bytes, "t5encoder"))
        return gguf_wrong(g, k, e,
                          "is t5encoder: an encoder without decoder (an image model's text encoder?)"),
               NULL;
    for (int i = 0; i < ARCHS; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", archs[i].name);
    return gguf_wrong(g, k, e, "is \"%s\"; of GGUF files %s are read", shown(name, k->bytes), known), NULL;
}

// ------------------------------------------------------------------------------------------------ settings

typedef struct Out {
    Arena *a;
    const Gguf *g;
    const GgufArch *arch;
    Buf *b;
    Err *e;
} Out;

enum { MOST_WIDTH = 1 << 17, MOST_LAYERS = 1024, MOST_HEADS = 1024, MOST_LENGTH = 1 << 30 };

static const char *key_of(const Out *o, const char *key) // "llama." key
{
    return arena_printf(o->a, "%s.%s", o->arch->name, key);
}

static int64_t number(const Out *o, const char *key, int64_t absent, int64_t most)
{
    return gguf_int(o->g, key_of(o, key), absent, 1, most, o->e);
}

static int64_t needed(const Out *o, const char *key, int64_t most)
{
    const char *name = key_of(o, key);
    if (!gguf_key(o->g, name)) err_at(o->e, o->g->path, 0, "no key \"%s\", which every model has", name);
    return gguf_int(o->g, name, 1, 1, most, o->e);
}

static double real(const Out *o, const char *key, double absent, double least, double most)
{
    return gguf_real(o->g, key_of(o, key), absent, least, most, o->e);
}

static void put_int(const Out *o, const char *name, int64_t v)
{
    buf_printf(o->b, ",\"%s\":%" PRId64, name, v);
}
static void put_real(const Out *o, const char *name,
                     double v) // with a point, which transformers' classes look for
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", v);
    buf_printf(o->b, ",\"%s\":%s%s", name, text, strpbrk(text, ".e") ? "" : ".0");
}
static void put_bool(const Out *o, const char *name, bool v)
{
    buf_printf(o->b, ",\"%s\":%s", name, v ? "true" : "false");
}

static bool put_ids(const Out *o, int64_t words)
{
    static const char *const ids[][2] = {{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                         {"eos_token_id", "tokenizer.ggml.eos_token_id"},
                                         {"pad_token_id", "tokenizer.ggml.padding_token_id"}};
    for (int i = 0; i < 3; i++) {
        int64_t id = gguf_int(o->g, ids[i][1], -1, 0, words - 1, o->e);
        if (id >= 0) put_int(o, ids[i][0], id);
        else if (i == 2) buf_printf(o->b, ",\"%s\":null", ids[i][0]); // some classes have one of their own
    }
    return !(o->e && o->e->set);
}

// A tensor of factors that the frequencies of n pairs are divided by, as a list.
static bool put_factors(const Out *o, const GgufTensor *t, int64_t n, const char *name)
{
    char shown_name[SHOWN];
    shown(shown_name, t->name);
    if (t->dtype != DT_F32 || t->rank != 1 || t->dim[0] != (uint64_t)n)
        return err_at(o->e, t->path, t->at,
                      "tensor \"%s\" must be %" PRId64
                      " numbers of type F32, one for each pair of a head's columns",
                      shown_name, n);
    buf_printf(o->b, "\"%s\":[", name);
    for (int64_t i = 0; i < n; i++) {
        float f;
        memcpy(&f, t->data + 4 * i, 4);
        if (!(f > 1e-6f && f < 1e9f))
            return err_at(o->e, t->path, t->place + 4 * (uint64_t)i,
                          "tensor \"%s\" holds %g, which angles would be divided by", shown_name, (double)f);
        buf_printf(o->b, "%s%.17g", i ? "," : "", (double)f);
    }
    buf_str(o->b, STR_LIT("],"));
    return true;
}

// One list for all lengths is LongRoPE whose two lists are equal, up to any length.
static bool put_divided(const Out *o, const GgufTensor *low, const GgufTensor *high, int64_t pairs,
                        int64_t original, double factor)
{
    buf_printf(o->b,
               ",\"original_max_position_embeddings\":%" PRId64
               ",\"rope_scaling\":{\"rope_type\":\"longrope\",",
               original);
    if (!put_factors(o, low, pairs, "short_factor") || !put_factors(o, high, pairs, "long_factor"))
        return false;
    if (factor > 0) buf_printf(o->b, "\"attention_factor\":%.17g}", factor);
    else o->b->s[o->b->n - 1] = '}';
    return true;
}

static bool put_rope(const Out *o, int64_t head, int64_t length)
{
    const Gguf *g = o->g;
    const int64_t turned = number(o, "rope.dimension_count", head, MOST_WIDTH),
                  original = number(o, "rope.scaling.original_context_length", length, MOST_LENGTH);
    const double factor = real(o, "rope.scaling.factor", 1, 1e-3, 1e6),
                 attention = real(o, "rope.scaling.attn_factor", 0, 0, 1e3);
    const Str type = gguf_str(g, key_of(o, "rope.scaling.type"), o->e);
    const GgufTensor *freqs = gguf_tensor(g, "rope_freqs.weight"),
                     *low = gguf_tensor(g, "rope_factors_short.weight"),
                     *high = gguf_tensor(g, "rope_factors_long.weight");
    put_real(o, "rope_theta", real(o, "rope.freq_base", 10000, 1 + 1e-6, 1e12));
    if (o->e && o->e->set) return false;
    const bool part = !strcmp(o->arch->name, "phi3");
    if (turned == head && head % 2)
        return gguf_wrong(g, gguf_key(g, key_of(o, "attention.head_count")), o->e,
                          "makes heads of %" PRId64 " columns; they turn in pairs, so that must be even",
                          head);
    if (turned > head || turned % 2 || (turned < head && !part))
        return gguf_wrong(g, gguf_key(g, key_of(o, "rope.dimension_count")), o->e,
                          "is %" PRId64 "; a head has %" PRId64 " columns, and all of them turn, in pairs",
                          turned, head);
    if (turned < head) put_real(o, "partial_rotary_factor", (double)turned / (double)head);
    if (low && high) return put_divided(o, low, high, turned / 2, original, attention);
    if (freqs) return put_divided(o, freqs, freqs, turned / 2, MOST_LENGTH, 1);
    if (str_is(type, "linear") || str_is(type, "yarn")) {
        buf_printf(o->b,
                   ",\"rope_scaling\":{\"rope_type\":\"%s\",\"factor\":%.17g,\"original_max_position_"
                   "embeddings\":%" PRId64 "}",
                   str_is(type, "yarn") ? "yarn" : "linear", factor, original);
    } else if (type.n && !str_is(type, "none") && !str_is(type, "longrope"))
        return gguf_wrong(g, gguf_key(g, key_of(o, "rope.scaling.type")), o->e,
                          "is not known; none, linear, yarn and longrope are");
    return true;
}

static bool check_heads(const Out *o, int64_t heads, int64_t kv, int64_t head, int64_t width, bool stated)
{
    const GgufKey *k = gguf_key(o->g, key_of(o, "attention.head_count"));
    if (heads % kv)
        return gguf_wrong(o->g, gguf_key(o->g, key_of(o, "attention.head_count_kv")), o->e,
                          "is %" PRId64 ", which %" PRId64 " heads can't share", kv, heads);
    if (!stated && width % heads)
        return gguf_wrong(o->g, k, o->e, "is %" PRId64 "; the width %" PRId64 " is no multiple of it", heads,
                          width);
    int64_t values = number(o, "attention.value_length", head, MOST_WIDTH);
    return values == head || gguf_wrong(o->g, gguf_key(o->g, key_of(o, "attention.value_length")), o->e,
                                        "is %" PRId64 ", but keys have %" PRId64 " columns", values, head);
}

static void put_gemma(const Out *o, int64_t layers, int64_t head, int64_t width, int64_t heads)
{
    const bool third = !strcmp(o->arch->name, "gemma3"), largest = layers == (third ? 62 : 46);
    buf_str(o->b, STR_LIT(",\"hidden_activation\":\"gelu_pytorch_tanh\""));
    put_int(o, "query_pre_attn_scalar", largest ? width / heads : head);
    put_int(o, "sliding_window", number(o, "attention.sliding_window", 4096, MOST_LENGTH));
    if (third) {
        buf_str(o->b, STR_LIT(",\"rope_local_base_freq\":10000.0,\"sliding_window_pattern\":6,\"attn_logit_"
                              "softcapping\":null,\"final_logit_softcapping\":null"));
    } else {
        put_real(o, "attn_logit_softcapping", real(o, "attn_logit_softcapping", 50, 1e-3, 1e6));
        put_real(o, "final_logit_softcapping", real(o, "final_logit_softcapping", 30, 1e-3, 1e6));
    }
}

static bool put_decoder(const Out *o, int64_t words)
{
    const Gguf *g = o->g;
    const bool learned = !strcmp(o->arch->name, "gpt2");
    const int64_t width = needed(o, "embedding_length", MOST_WIDTH),
                  layers = needed(o, "block_count", MOST_LAYERS),
                  ff = needed(o, "feed_forward_length", 4 * MOST_WIDTH),
                  heads = needed(o, "attention.head_count", MOST_HEADS),
                  kv = number(o, "attention.head_count_kv", heads, MOST_HEADS),
                  length = number(o, "context_length", 2048, MOST_LENGTH);
    if (o->e && o->e->set) return false;
    const bool stated = gguf_key(g, key_of(o, "attention.key_length")) != NULL;
    const int64_t head = number(o, "attention.key_length", width / heads, MOST_WIDTH);
    if (!check_heads(o, heads, kv, head, width, stated)) return false;
    const char *eps = learned ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
    put_real(o, learned ? "layer_norm_epsilon" : "rms_norm_eps", real(o, eps, 1e-5, 1e-12, 1));
    if (learned) {
        put_int(o, "n_embd", width), put_int(o, "n_layer", layers), put_int(o, "n_inner", ff);
        put_int(o, "n_head", heads), put_int(o, "n_positions", length), put_int(o, "vocab_size", words);
        return put_ids(o, words);
    }
    put_int(o, "hidden_size", width), put_int(o, "num_hidden_layers", layers),
        put_int(o, "intermediate_size", ff);
    put_int(o, "num_attention_heads", heads), put_int(o, "num_key_value_heads", kv),
        put_int(o, "head_dim", head);
    put_int(o, "max_position_embeddings", length), put_int(o, "vocab_size", words);
    const char *name = o->arch->name;
    if (!strcmp(name, "llama")) {
        put_bool(o, "attention_bias", gguf_tensor(g, "blk.0.attn_q.bias") != NULL);
        put_bool(o, "mlp_bias", gguf_tensor(g, "blk.0.ffn_up.bias") != NULL);
    }
    if (!strcmp(name, "phi3")) {
        const int64_t window = gguf_int(g, key_of(o, "attention.sliding_window"), 0, 0, MOST_LENGTH, o->e);
        if (window) put_int(o, "sliding_window", window);
        else buf_str(o->b, STR_LIT(",\"sliding_window\":null"));
    }
    if (!strncmp(name, "gemma", 5)) put_gemma(o, layers, head, width, heads);
    return put_rope(o, head, length) && put_ids(o, words);
}

static bool put_t5(const Out *o, int64_t words)
{
    const int64_t heads = needed(o, "attention.head_count", MOST_HEADS),
                  width = needed(o, "embedding_length", MOST_WIDTH),
                  layers = needed(o, "block_count", MOST_LAYERS);
    if (o->e && o->e->set) return false;
    put_int(o, "d_model", width), put_int(o, "num_layers", layers), put_int(o, "num_heads", heads);
    put_int(o, "num_decoder_layers", number(o, "decoder_block_count", layers, MOST_LAYERS));
    put_int(o, "d_ff", needed(o, "feed_forward_length", 4 * MOST_WIDTH));
    put_int(o, "d_kv", number(o, "attention.key_length", width / heads > 0 ? width / heads : 1, MOST_WIDTH));
    put_int(o, "relative_attention_num_buckets", number(o, "attention.relative_buckets_count", 32, 1 << 16));
    put_int(o, "relative_attention_max_distance", 128);
    put_real(o, "layer_norm_epsilon",
             real(o, "attention.layer_norm_rms_epsilon",
                  real(o, "attention.layer_norm_epsilon", 1e-6, 1e-12, 1), 1e-12, 1));
    put_int(o, "decoder_start_token_id",
            gguf_int(o->g, key_of(o, "decoder_start_token_id"), 0, 0, words - 1, o->e));
    buf_printf(o->b, ",\"feed_forward_proj\":\"%s\",\"is_encoder_decoder\":true,\"vocab_size\":%" PRId64,
               gguf_tensor(o->g, "enc.blk.0.ffn_gate.weight") ? "gated-gelu" : "relu", words);
    return put_ids(o, words);
}

bool gguf_config(Arena *a, const Gguf *g, const GgufArch *arch, Buf *b, Err *e)
{
    Err own = {0};
    Out o = {.a = a, .g = g, .arch = arch, .b = b, .e = &own};
    const GgufKey *tokens = gguf_array(g, "tokenizer.ggml.tokens", GGUF_STRING, GGUF_STRING, &own);
    if (!tokens && !own.set)
        err_at(&own, g->path, 0, "no key \"tokenizer.ggml.tokens\": the file has no vocabulary");
    bool ok = tokens && !own.set;
    const int64_t words = ok ? (int64_t)tokens->n : 0;
    if (ok && !words) ok = gguf_wrong(g, tokens, &own, "is empty");
    if (ok && number(&o, "vocab_size", words, INT32_MAX) != words && !own.set)
        ok = gguf_wrong(g, gguf_key(g, key_of(&o, "vocab_size")), &own,
                        "differs from the %" PRId64 " of tokenizer.ggml.tokens", words);
    // UMT5 is T5 to llama.cpp too, but has biases of distances in every layer.
    const bool umt5 = arch->encoder && gguf_tensor(g, "enc.blk.1.attn_rel_b.weight");
    buf_printf(b, "{\"model_type\":\"%s\"", umt5 ? "umt5" : arch->model_type);
    if (ok) put_bool(&o, "tie_word_embeddings", !gguf_tensor(g, "output.weight"));
    ok = ok && (arch->encoder ? put_t5(&o, words) : put_decoder(&o, words)) && !own.set;
    buf_char(b, '}');
    return ok || err_set(e, "%s", own.text);
}
