// SPDX-License-Identifier: Apache-2.0
// strange_model.c — a model of small, strange dimensions with strange weights: opened, attributed, generated with, reported.
// The first 24 bytes choose all that; what follows goes on in config.json, where it may say everything again.
#include "fuzz_kit.h"

typedef struct Writer {
    Buf head, data; // of a safetensors file
    int mode, type; // of its numbers
    uint32_t random;
} Writer;

static uint32_t draw(Writer *w) { return w->random = w->random * 1664525u + 1013904223u, w->random >> 8; }

static float number(Writer *w)
{
    static const float odd[] = {0,     -0.0f, 1e-45f, 1e-38f, 3.4e38f, -3.4e38f,
                                1e30f, 65504, 1e-7f,  88,     -104,    1};
    float u = ((float)(draw(w) % 2001) - 1000) / 1000;
    switch (w->mode) {
    case 4:
        return draw(w) % 16 ? u : odd[draw(w) % 12];
    case 5:
        return u * 1e-42f;
    case 6:
        return u * 1e19f;
    case 7:
        return draw(w) % 64 ? u : INFINITY;
    case 8:
        return draw(w) % 64 ? u : NAN;
    case 9:
        return 0;
    case 10:
        return u * 100;
    case 11:
        return odd[draw(w) % 12];
    default:
        return u;
    }
}

static void put_tensor(Writer *w, const char *name, int rows, int cols)
{
    static const char *const types[] = {"F32", "BF16", "F16"};
    size_t from = w->data.n;
    for (int i = 0; i < rows * cols; i++) {
        float x = number(w);
        uint32_t bits;
        memcpy(&bits, &x, 4);
        uint16_t half = (uint16_t)(bits >> 16);
        buf_put(&w->data, w->type ? (const void *)&half : &bits, w->type ? 2 : 4);
    }
    buf_printf(&w->head, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", w->head.n ? "," : "{", name,
               types[w->type]);
    if (rows > 1) buf_printf(&w->head, "%d,", rows);
    buf_printf(&w->head, "%d],\"data_offsets\":[%zu,%zu]}", cols, from, w->data.n);
}

static void put_linear(Arena *a, Writer *w, const char *name, int out, int in, bool bias)
{
    put_tensor(w, arena_printf(a, "%s.weight", name), out, in);
    if (bias) put_tensor(w, arena_printf(a, "%s.bias", name), 1, out);
}

typedef struct Shape {
    int heads, head, width, inner, words, layers[2], buckets, distance, positions;
} Shape;

static void put_norm(Arena *a, Writer *w, const char *name, int width)
{
    put_linear(a, w, name, 1, width, false);
    put_tensor(w, arena_printf(a, "%s.bias", name), 1, width);
}

// Marian and its kin, by their number: all have the same layers.
typedef enum { MARIAN, BART, MBART, M2M_100, PEGASUS } Kin;

static void put_marian(Arena *a, Writer *w, const Shape *s, const uint8_t *d, Kin kin, Buf *config)
{
    static const char *const types[] = {"marian", "bart", "mbart", "m2m_100", "pegasus"};
    static const char *const activations[] = {"swish", "relu", "gelu", "gelu_new", "tanh", "silu"};
    bool shared = kin != MARIAN || d[14] & 1, learned = kin == BART || kin == MBART;
    int D = s->width, V2 = shared ? s->words : 1 + d[15] % 70;
    buf_printf(
        config,
        "{\"model_type\":\"%s\",\"d_model\":%d,\"vocab_size\":%d,\"decoder_vocab_size\":%d,"
        "\"max_position_embeddings\":%d,\"encoder_layers\":%d,\"decoder_layers\":%d,"
        "\"encoder_attention_heads\":%d,\"decoder_attention_heads\":%d,\"encoder_ffn_dim\":%d,"
        "\"decoder_ffn_dim\":%d,\"share_encoder_decoder_embeddings\":%s,\"activation_function\":\"%s\","
        "\"scale_embedding\":%s,\"decoder_start_token_id\":0,\"eos_token_id\":0,\"pad_token_id\":0",
        types[kin], D, s->words, V2, s->positions, s->layers[0], s->layers[1], s->heads, s->heads, s->inner,
        s->inner, shared ? "true" : "false", activations[d[16] % 6], d[14] & 2 ? "true" : "false");
    if (shared) put_tensor(w, "model.shared.weight", s->words, D);
    else {
        put_tensor(w, "model.encoder.embed_tokens.weight", s->words, D);
        put_tensor(w, "model.decoder.embed_tokens.weight", V2, D);
    }
    if (d[14] & 4) put_tensor(w, "final_logits_bias", 1, V2);
    for (int side = 0; side < 2 && kin != MARIAN; side++) {
        const char *p = arena_printf(a, "model.%s", side ? "decoder" : "encoder");
        bool stored = learned || (kin == PEGASUS && d[14] & 8);
        if (stored)
            put_tensor(w, arena_printf(a, "%s.embed_positions.weight", p), s->positions + 2 * learned, D);
        if (learned) put_norm(a, w, arena_printf(a, "%s.layernorm_embedding", p), D);
        if (kin != BART) put_norm(a, w, arena_printf(a, "%s.layer_norm", p), D);
    }
    for (int side = 0; side < 2; side++)
        for (int l = 0; l < s->layers[side]; l++) {
            const char *p = arena_printf(a, "model.%s.layers.%d", side ? "decoder" : "encoder", l);
            for (int x = 0; x < 1 + side; x++) {
                static const char *const names[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
                const char *q = arena_printf(a, "%s.%s", p, x ? "encoder_attn" : "self_attn");
                for (int k = 0; k < 4; k++)
                    put_linear(a, w, arena_printf(a, "%s.%s", q, names[k]), D, D, true);
                put_linear(a, w, arena_printf(a, "%s_layer_norm", q), 1, D, false);
                put_tensor(w, arena_printf(a, "%s_layer_norm.bias", q), 1, D);
            }
            put_linear(a, w, arena_printf(a, "%s.fc1", p), s->inner, D, true);
            put_linear(a, w, arena_printf(a, "%s.fc2", p), D, s->inner, true);
            put_tensor(w, arena_printf(a, "%s.final_layer_norm.weight", p), 1, D);
            put_tensor(w, arena_printf(a, "%s.final_layer_norm.bias", p), 1, D);
        }
}

static void put_t5_layer(Arena *a, Writer *w, const Shape *s, const char *p, int side, bool biased,
                         bool gated)
{
    static const char *const names[] = {"q", "k", "v"};
    int D = s->width, inner = s->heads * s->head;
    for (int x = 0; x < 1 + side; x++) {
        const char *q = arena_printf(a, "%s.%d.%s", p, x, x ? "EncDecAttention" : "SelfAttention");
        for (int k = 0; k < 3; k++) put_linear(a, w, arena_printf(a, "%s.%s", q, names[k]), inner, D, false);
        put_linear(a, w, arena_printf(a, "%s.o", q), D, inner, false);
        if (biased && !x)
            put_tensor(w, arena_printf(a, "%s.relative_attention_bias.weight", q), s->buckets, s->heads);
        put_tensor(w, arena_printf(a, "%s.%d.layer_norm.weight", p, x), 1, D);
    }
    const char *q = arena_printf(a, "%s.%d.DenseReluDense", p, 1 + side);
    put_linear(a, w, arena_printf(a, gated ? "%s.wi_0" : "%s.wi", q), s->inner, D, false);
    if (gated) put_linear(a, w, arena_printf(a, "%s.wi_1", q), s->inner, D, false);
    put_linear(a, w, arena_printf(a, "%s.wo", q), D, s->inner, false);
    put_tensor(w, arena_printf(a, "%s.%d.layer_norm.weight", p, 1 + side), 1, D);
}

static void put_t5(Arena *a, Writer *w, const Shape *s, const uint8_t *d, const char *type, Buf *config)
{
    static const char *const activations[] = {"relu", "gelu", "gated-gelu", "gated-silu", "gelu_new"};
    const char *activation = activations[d[16] % 5];
    buf_printf(
        config,
        "{\"model_type\":\"%s\",\"d_model\":%d,\"d_kv\":%d,\"num_heads\":%d,\"d_ff\":%d,\"vocab_size\":%d,"
        "\"num_layers\":%d,\"num_decoder_layers\":%d,\"relative_attention_num_buckets\":%d,"
        "\"relative_attention_max_distance\":%d,\"feed_forward_proj\":\"%s\",\"tie_word_embeddings\":%s,"
        "\"decoder_start_token_id\":0,\"eos_token_id\":1,\"pad_token_id\":0",
        type, s->width, s->head, s->heads, s->inner, s->words, s->layers[0], s->layers[1], s->buckets,
        s->distance, activation, d[14] & 1 ? "true" : "false");
    put_tensor(w, "shared.weight", s->words, s->width);
    if (d[14] & 2) put_tensor(w, "lm_head.weight", s->words, s->width);
    for (int side = 0; side < 2; side++) {
        const char *stack = side ? "decoder" : "encoder";
        for (int l = 0; l < s->layers[side]; l++)
            put_t5_layer(a, w, s, arena_printf(a, "%s.block.%d.layer", stack, l), side,
                         !l || !strcmp(type, "umt5"), !strncmp(activation, "gated", 5));
        put_tensor(w, arena_printf(a, "%s.final_layer_norm.weight", stack), 1, s->width);
    }
}

static const Model *open_model(Arena *a, Writer *w, const uint8_t *d, size_t n, Err *e)
{
    const char *folder = fuzz_folder("model");
    static const char *const fives[] = {"", "t5", "mt5", "umt5"};
    int family = d[2] % 8; // marian, three of T5's, four of Marian's kin
    Shape s = {.heads = 1 + d[3] % 5,
               .head = 1 + d[4] % 9,
               .width = 1 + d[5] % 40,
               .inner = 1 + d[6] % 40,
               .words = 1 + d[7] % 70,
               .layers = {1 + d[8] % 2, 1 + d[8] / 4 % 2},
               .buckets = 4 * (1 + d[9] % 12),
               .positions = 1 + d[11] % 40};
    s.distance = s.buckets / 2 + 1 + d[10];
    bool five = family && family < 4;
    if (!five) s.width = s.heads * s.head;
    Buf config = {.arena = a}, file = {.arena = a};
    if (five) put_t5(a, w, &s, d, fives[family], &config);
    else put_marian(a, w, &s, d, family ? (Kin)(family - 3) : MARIAN, &config);
    if (n > 24) buf_char(&config, ','), buf_put(&config, d + 24, n - 24);
    else buf_char(&config, '}');
    buf_char(&w->head, '}');
    uint64_t length = w->head.n;
    buf_put(&file, &length, 8), buf_str(&file, buf_view(&w->head)), buf_str(&file, buf_view(&w->data));
    fuzz_file(arena_printf(a, "%s/config.json", folder), buf_view(&config));
    fuzz_file(arena_printf(a, "%s/model.safetensors", folder), buf_view(&file));
    const Model *m = nn_open(a, folder, (NnOptions){0}, e);
    REQUIRE((m == NULL) == e->set);
    return m;
}

static void attribute(Arena *a, const Model *m, const uint8_t *d, Ids source, Ids target)
{
    Token names[12];
    for (int i = 0; i < 12; i++) names[i] = (Token){i, STR_LIT("\xE2\x96\x81x")};
    const char *steps[1] = {fuzz_step(d[22])};
    AttrOptions o = attr_defaults();
    o.method = fuzz_method(d[19]), o.attributed_fn = fuzz_step(d[20]);
    o.attribute_target = d[21] & 1, o.aggregated = d[21] & 2, o.include_eos_baseline = d[21] & 4;
    o.step_scores = steps, o.n_step_scores = d[21] >> 3 & 1;
    o.unk = d[23] % (int32_t)nn_words(m, false), o.eos = 0, o.bos = -1;
    o.evaluate = (EvaluateOptions){.wanted = (d[21] & 48) == 48, .random = true};
    o.method_args = json_parse(
        a,
        STR_LIT("{\"n_steps\":3,\"n_samples\":4,\"max_probe_steps\":5,\"num_probes\":2,\"target_layer\":0}"),
        "k", NULL);
    Pair foil = {.source = source, .target = target, .source_tokens = names, .target_tokens = names},
         p = foil;
    if (target.n > 2) foil.target.n--;
    if (d[21] & 64) p.contrast = &foil;
    Err e = {0};
    Sequence out;
    if (!attr_check(&o, &e) || !fuzz_is_short(a, m, &o, &p, 1)) return;
    bool ok = attr_run(a, m, &o, &p, 1, &out, &e);
    REQUIRE(ok != e.set);
    Attribution x = {.sequence = &out, .n = 1};
    if (ok) fuzz_show(a, &x, d[22]);
}

static void generate(Arena *a, const Model *m, bool greedy, Ids source)
{
    Err e = {0};
    const GenConfig *g;
    Generated out[3];
    Str arguments =
        greedy ? STR_LIT("{\"max_new_tokens\":3}") : STR_LIT("{\"max_new_tokens\":3,\"num_beams\":3}");
    if (!nn_generation(a, m, json_parse(a, arguments, "k", NULL), &g, &e) || nn_generation_returns(g) > 3)
        return;
    bool ok = nn_generate(a, m, g, 1, &source, NULL, out, NULL, NULL, &e);
    REQUIRE(ok != e.set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool ready;
    Err e = {0};
    if (!ready) REQUIRE(cpu_select(NULL, &e));
    ready = true;
    if (n < 24 || fuzz_long_number(data + 24, n - 24, 5)) return 0;
    Arena *a = fuzz_arena();
    Writer w = {.head = {.arena = a},
                .data = {.arena = a},
                .mode = data[12] % 12,
                .type = data[13] % 3,
                .random = data[0] | (uint32_t)data[1] << 8};
    const Model *m = open_model(a, &w, data, n, &e);
    if (!m) return 0;
    int32_t s[12], t[12];
    Ids source = {s, 1 + data[17] % 12}, target = {t, 2 + data[18] % 10};
    for (int i = 0; i < source.n; i++) s[i] = (int32_t)(draw(&w) % (uint32_t)nn_words(m, false));
    for (int i = 0; i < target.n; i++) t[i] = (int32_t)(draw(&w) % (uint32_t)nn_words(m, true));
    if (!nn_check_ids(m, source, false, "s", &e) || !nn_check_ids(m, target, true, "t", &e)) return 0;
    attribute(a, m, data, source, target);
    generate(a, m, data[21] & 128, source);
    return 0;
}
