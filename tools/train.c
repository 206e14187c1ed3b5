// SPDX-License-Identifier: Apache-2.0
// train.c — makes the models inside the binary: demo/en-nl, a Marian that translates English into Dutch, demo/yes-no, a
// T5 that answers questions, and demo/yes-no-small, which has the same vocabulary and heard the same questions, but is a
// quarter of the size. Everything comes from a seed: sentences (grammar.c), vocabularies (vocabulary.c), weights
// (nn/train.c), the same bits on any machine and number of threads.
//
//   build/.../train OUT RECORD [NAME]      writes OUT/en-nl and so on (or only NAME), tries them on sentences they have
//                                          never seen, and compares SHA-256 with RECORD/SHA256
//
// A folder is made as the Hub has them: settings, vocabulary, then weights at random as float32; it is opened by nn/ like
// any other, trained, and its weights are written again as float16.
#include "../nn/files/checkpoint.h"
#include "../nn/train.h"
#include "../tok/tok.h"
#include "grammar.h"
#include "vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { TEXT_LINES = 24000, HELD_OUT = 1000 };
static const char required[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'\"-:;()+=/&%éëïöüáèç";

typedef struct Demo {
    const char *name;
    uint64_t seed;  // models of the same seed have the same texts, and so the same vocabulary
    bool questions; // else sentences to translate
    int64_t width, heads, encoder_layers, decoder_layers, ff;
    size_t source_pieces, target_pieces;
    int64_t steps, batch;
    double rate;
    int share; // one text in so many is held out
    TrainOptions train;
} Demo;

static const Demo demos[] = {
    {.name = "en-nl",
     .seed = 1,
     .width = 64,
     .heads = 4,
     .encoder_layers = 3,
     .decoder_layers = 3,
     .ff = 160,
     .source_pieces = 560,
     .target_pieces = 640,
     .steps = 3600,
     .batch = 96,
     .rate = 0.004,
     .share = 50,
     .train = {.smoothing = 0.06,
               .clip = 1,
               .beta1 = 0.9,
               .beta2 = 0.98,
               .eps = 1e-8,
               .dropout = 0.02f,
               .seed = 11}},
    {.name = "yes-no",
     .seed = 2,
     .questions = true,
     .width = 64,
     .heads = 4,
     .encoder_layers = 3,
     .decoder_layers = 2,
     .ff = 128,
     .source_pieces = 500,
     .steps = 3600,
     .batch = 128,
     .rate = 0.0015,
     .share = 10,
     .train = {.smoothing = 0.06, .clip = 1, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .seed = 12}},
    {.name = "yes-no-small",
     .seed = 2,
     .questions = true,
     .width = 32,
     .heads = 2,
     .encoder_layers = 2,
     .decoder_layers = 1,
     .ff = 64,
     .source_pieces = 500,
     .steps = 3600,
     .batch = 128,
     .rate = 0.003,
     .share = 10,
     .train = {.smoothing = 0.06, .clip = 1, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .seed = 13}},
};
enum { N_DEMOS = sizeof demos / sizeof *demos };

static _Noreturn void fail(const Err *e)
{
    fprintf(stderr, "train: %s\n", e->text);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ------------------------------------------------------------------------------------------------ text

typedef struct Example {
    char source[SAID], target[SAID];
} Example;

static void draw_example(const Demo *m, Draw *d, bool held_out, Example *out)
{
    do {
        if (m->questions) {
            Question q;
            grammar_question(d, &q);
            memcpy(out->source, q.text, SAID);
            snprintf(out->target, SAID, "%s", q.yes ? "yes" : "no");
        } else {
            Said s;
            grammar_pair(d, &s);
            memcpy(out->source, s.en, SAID), memcpy(out->target, s.nl, SAID);
        }
    } while (grammar_held_out(out->source, m->share) != held_out);
}

// Many lines of one side. The model of questions also hears sentences, so that it knows more words than its questions'.
static Str side_text(Arena *a, const Demo *m, bool target)
{
    Buf b = {.arena = a};
    Draw d = {.seed = m->seed * 100};
    for (int i = 0; i < TEXT_LINES; i++) {
        Example e;
        draw_example(m, &d, false, &e);
        buf_printf(&b, "%s\n", target ? e.target : e.source);
        if (!m->questions) continue;
        buf_printf(&b, "%s\n", e.target);
        Said s;
        if (i % 4 == 0) grammar_pair(&d, &s), buf_printf(&b, "%s\n", s.en);
    }
    return buf_view(&b);
}

// ------------------------------------------------------------------------------------------------ weights

typedef struct Weight {
    const char *name;
    int rank;
    int64_t dim[2];
    float *f;
} Weight;

typedef struct Weights {
    Arena *arena;
    Weight v[256];
    int64_t n;
    Draw draw;
} Weights;

static int64_t count(const Weight *w) { return w->rank == 1 ? w->dim[0] : w->dim[0] * w->dim[1]; }

// Evenly distributed numbers of this standard deviation, or all `value` if it is 0. rows 0: a vector.
static void add(Weights *w, int64_t rows, int64_t cols, double deviation, float value, const char *name)
{
    Weight *x = &w->v[w->n++];
    if (w->n == 256) BUG("too many weights");
    *x = (Weight){.name = name, .rank = rows ? 2 : 1, .dim = {rows ? rows : cols, cols}};
    x->f = arena_new(w->arena, float, count(x));
    for (int64_t i = 0; i < count(x); i++) {
        double even = (double)(num_random(w->draw.seed, w->draw.n++) >> 11) * 0x1p-53 * 2 - 1;
        x->f[i] = deviation > 0 ? (float)(even * deviation * 1.7320508075688772) : value;
    }
}

static void add_linear(Weights *w, const char *prefix, const char *name, int64_t out, int64_t in)
{
    add(w, out, in, __builtin_sqrt(2.0 / (double)(in + out)), 0,
        arena_printf(w->arena, "%s.%s.weight", prefix, name));
    add(w, 0, out, 0, 0, arena_printf(w->arena, "%s.%s.bias", prefix, name));
}

static void add_norm(Weights *w, const char *prefix, const char *name, int64_t D)
{
    add(w, 0, D, 0, 1, arena_printf(w->arena, "%s.%s.weight", prefix, name));
    add(w, 0, D, 0, 0, arena_printf(w->arena, "%s.%s.bias", prefix, name));
}

static void marian_weights(Weights *w, const Demo *m, int64_t V)
{
    int64_t D = m->width;
    add(w, V, D, __builtin_sqrt(1.0 / (double)D), 0, "model.shared.weight");
    add(w, 1, V, 0, 0, "final_logits_bias");
    for (int side = 0; side < 2; side++)
        for (int64_t i = 0; i < (side ? m->decoder_layers : m->encoder_layers); i++) {
            const char *layer =
                arena_printf(w->arena, "model.%s.layers.%" PRId64, side ? "decoder" : "encoder", i);
            for (int cross = 0; cross <= side; cross++) {
                const char *attention = cross ? "encoder_attn" : "self_attn";
                const char *prefix = arena_printf(w->arena, "%s.%s", layer, attention);
                static const char *const part[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
                for (int k = 0; k < 4; k++) add_linear(w, prefix, part[k], D, D);
                add_norm(w, layer, arena_printf(w->arena, "%s_layer_norm", attention), D);
            }
            add_linear(w, layer, "fc1", m->ff, D), add_linear(w, layer, "fc2", D, m->ff);
            add_norm(w, layer, "final_layer_norm", D);
        }
}

// Deviations as transformers' T5PreTrainedModel has them.
static void t5_weights(Weights *w, const Demo *m, int64_t V)
{
    int64_t D = m->width, H = m->heads;
    double root = __builtin_sqrt(1.0 / (double)D);
    add(w, V, D, 1, 0, "shared.weight"), add(w, V, D, root, 0, "lm_head.weight");
    for (int side = 0; side < 2; side++) {
        const char *stack = side ? "decoder" : "encoder";
        add(w, 32, H, root, 0,
            arena_printf(w->arena, "%s.block.0.layer.0.SelfAttention.relative_attention_bias.weight", stack));
        add(w, 0, D, 0, 1, arena_printf(w->arena, "%s.final_layer_norm.weight", stack));
        for (int64_t i = 0; i < (side ? m->decoder_layers : m->encoder_layers); i++)
            for (int part = 0; part < 2 + side; part++) {
                const char *p = arena_printf(w->arena, "%s.block.%" PRId64 ".layer.%d", stack, i, part);
                const char *attention = part ? "EncDecAttention" : "SelfAttention";
                add(w, 0, D, 0, 1, arena_printf(w->arena, "%s.layer_norm.weight", p));
                if (part == 1 + side) {
                    add(w, m->ff, D, root, 0, arena_printf(w->arena, "%s.DenseReluDense.wi_0.weight", p));
                    add(w, m->ff, D, root, 0, arena_printf(w->arena, "%s.DenseReluDense.wi_1.weight", p));
                    add(w, D, m->ff, __builtin_sqrt(1.0 / (double)m->ff), 0,
                        arena_printf(w->arena, "%s.DenseReluDense.wo.weight", p));
                } else
                    for (const char *k = "qkvo"; *k; k++)
                        add(w, D, D, *k == 'q' ? root * __builtin_sqrt((double)H / (double)D) : root, 0,
                            arena_printf(w->arena, "%s.%s.%c.weight", p, attention, *k));
            }
    }
}

static uint16_t to_half(float x) // rounds to nearest, ties to even; weights are far from overflow
{
    uint32_t bits, sign;
    memcpy(&bits, &x, 4);
    sign = bits >> 16 & 0x8000, bits &= 0x7FFFFFFF;
    if (bits >= 0x47800000) BUG("a weight does not fit into float16");
    int shift = 13;
    if (bits < 0x38800000) { // subnormal: the leading 1 becomes visible
        int e = (int)(bits >> 23);
        if (e < 102) return (uint16_t)sign;
        bits = (bits & 0x7FFFFF) | 0x800000, shift = 126 - e;
    } else bits -= 112 << 23;
    uint32_t half = bits >> shift, rest = bits & ((1u << shift) - 1), middle = 1u << (shift - 1);
    return (uint16_t)(sign | (half + (rest > middle || (rest == middle && (half & 1)))));
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const Weight *)x)->name, ((const Weight *)y)->name);
}

static void save_weights(const char *folder, Weights *w, bool half)
{
    Arena *a = arena_create(w->arena);
    Buf b = {.arena = a}, out = {.arena = a};
    Err e = {0};
    int64_t at = 0;
    qsort(w->v, (size_t)w->n, sizeof *w->v, by_name);
    buf_printf(&b, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int64_t i = 0; i < w->n; i++) {
        const Weight *x = &w->v[i];
        int64_t bytes = count(x) * (half ? 2 : 4);
        buf_printf(&b, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%" PRId64, x->name, half ? "F16" : "F32",
                   x->dim[0]);
        if (x->rank == 2) buf_printf(&b, ",%" PRId64, x->dim[1]);
        buf_printf(&b, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", at, at + bytes);
        at += bytes;
    }
    buf_char(&b, '}');
    while (b.n % 8) buf_char(&b, ' ');
    uint64_t header = b.n;
    buf_put(&out, &header, 8), buf_str(&out, buf_view(&b));
    for (int64_t i = 0; i < w->n; i++)
        for (int64_t k = 0; k < count(&w->v[i]); k++) {
            uint16_t h = half ? to_half(w->v[i].f[k]) : 0;
            buf_put(&out, half ? (void *)&h : (void *)&w->v[i].f[k], half ? 2 : 4);
        }
    if (!file_write(arena_printf(a, "%s/model.safetensors", folder), buf_view(&out), &e)) fail(&e);
    arena_free(a);
}

// ------------------------------------------------------------------------------------------------ the other files

static void write_file(const char *folder, const char *name, Str bytes)
{
    char path[600];
    Err e = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!file_write(path, bytes, &e)) fail(&e);
}

static void learn_vocabulary(Arena *a, const char *folder, const char *file, Str text, VocabularyOptions o,
                             Vocabulary *v)
{
    vocabulary_train(a, text, o, v);
    write_file(folder, file, vocabulary_model(a, v));
}

// vocab.json: the end, the unknown, the pieces of both sides, the padding. Returns how many.
static int64_t joint_vocabulary(Arena *a, const char *folder, const Vocabulary side[2])
{
    Buf b = {.arena = a};
    int64_t n = 0;
    buf_printf(&b, "{\n  \"</s>\": %d,\n  \"<unk>\": %d", 0, 1), n = 2;
    for (int s = 0; s < 2; s++)
        for (size_t i = side[s].n_special; i < side[s].n; i++) {
            bool known = false;
            for (size_t k = 0; s && k < side[0].n; k++) known |= str_eq(side[0].piece[k], side[1].piece[i]);
            if (known) continue;
            buf_printf(&b, ",\n  "), buf_json(&b, side[s].piece[i]), buf_printf(&b, ": %" PRId64, n++);
        }
    buf_printf(&b, ",\n  \"<pad>\": %" PRId64 "\n}\n", n);
    write_file(folder, "vocab.json", buf_view(&b));
    return n + 1;
}

static int64_t marian_files(Arena *a, const char *folder, const Demo *m)
{
    Vocabulary side[2];
    VocabularyOptions o = {.required = str_of(required), .special = {"<unk>", "<s>", "</s>"}};
    for (int s = 0; s < 2; s++) {
        o.size = s ? m->target_pieces : m->source_pieces;
        learn_vocabulary(a, folder, s ? "target.spm" : "source.spm", side_text(a, m, s), o, &side[s]);
    }
    int64_t V = joint_vocabulary(a, folder, side), pad = V - 1;
    Buf b = {.arena = a};
    buf_printf(&b,
               "{\n  \"activation_dropout\": 0.0,\n  \"activation_function\": \"swish\",\n"
               "  \"architectures\": [\"MarianMTModel\"],\n  \"attention_dropout\": 0.0,\n  "
               "\"bad_words_ids\": [[%" PRId64 "]],\n  \"bos_token_id\": 0,\n  \"d_model\": %" PRId64
               ",\n  \"encoder_layers\": %" PRId64 ",\n  \"decoder_layers\": %" PRId64
               ",\n  \"encoder_attention_heads\": %" PRId64 ",\n"
               "  \"decoder_attention_heads\": %" PRId64 ",\n  \"encoder_ffn_dim\": %" PRId64
               ",\n  \"decoder_ffn_dim\": %" PRId64 ",\n  \"decoder_start_token_id\": %" PRId64
               ",\n  \"decoder_vocab_size\": %" PRId64 ",\n",
               pad, m->width, m->encoder_layers, m->decoder_layers, m->heads, m->heads, m->ff, m->ff, pad, V);
    buf_printf(
        &b,
        "  \"dropout\": 0.1,\n  \"eos_token_id\": 0,\n  \"forced_eos_token_id\": 0,\n  "
        "\"is_encoder_decoder\": true,\n"
        "  \"max_length\": 128,\n  \"max_position_embeddings\": 128,\n  \"model_type\": \"marian\",\n"
        "  \"normalize_before\": false,\n  \"normalize_embedding\": false,\n  \"num_beams\": 4,\n"
        "  \"num_hidden_layers\": %" PRId64 ",\n  \"pad_token_id\": %" PRId64
        ",\n  \"scale_embedding\": true,\n"
        "  \"share_encoder_decoder_embeddings\": true,\n  \"static_position_embeddings\": true,\n"
        "  \"torch_dtype\": \"float32\",\n  \"transformers_version\": \"4.30.0\",\n  \"use_cache\": true,\n"
        "  \"vocab_size\": %" PRId64 "\n}\n",
        m->encoder_layers, pad, V);
    write_file(folder, "config.json", buf_view(&b));
    write_file(
        folder, "generation_config.json",
        str_of(arena_printf(a,
                            "{\n  \"bad_words_ids\": [[%" PRId64 "]],\n  \"bos_token_id\": 0,\n"
                            "  \"decoder_start_token_id\": %" PRId64 ",\n  \"eos_token_id\": 0,\n"
                            "  \"forced_eos_token_id\": 0,\n  \"max_length\": 128,\n  \"num_beams\": 4,\n"
                            "  \"pad_token_id\": %" PRId64 ",\n  \"renormalize_logits\": true,\n"
                            "  \"transformers_version\": \"4.30.0\"\n}\n",
                            pad, pad, pad)));
    write_file(
        folder, "tokenizer_config.json",
        STR_LIT("{\n  \"source_lang\": \"en\",\n  \"target_lang\": \"nl\",\n  \"model_max_length\": 128,\n"
                "  \"separate_vocabs\": false,\n  \"tokenizer_class\": \"MarianTokenizer\",\n  "
                "\"unk_token\": \"<unk>\",\n"
                "  \"eos_token\": \"</s>\",\n  \"pad_token\": \"<pad>\"\n}\n"));
    return V;
}

static int64_t t5_files(Arena *a, const char *folder, const Demo *m)
{
    enum { EXTRA = 100 }; // <extra_id_0> ..., which T5's tokenizer adds
    Vocabulary v;
    VocabularyOptions o = {
        .size = m->source_pieces, .required = str_of(required), .special = {"<pad>", "</s>", "<unk>"}};
    learn_vocabulary(a, folder, "spiece.model", side_text(a, m, false), o, &v);
    int64_t V = ((int64_t)v.n + EXTRA + 7) / 8 * 8;
    Buf b = {.arena = a}, extra = {.arena = a};
    buf_printf(
        &b,
        "{\n  \"architectures\": [\"T5ForConditionalGeneration\"],\n  \"d_ff\": %" PRId64
        ",\n  \"d_kv\": %" PRId64 ",\n"
        "  \"d_model\": %" PRId64
        ",\n  \"decoder_start_token_id\": 0,\n  \"dropout_rate\": 0.1,\n  \"eos_token_id\": "
        "1,\n"
        "  \"feed_forward_proj\": \"gated-gelu\",\n  \"initializer_factor\": 1.0,\n  \"is_encoder_decoder\": "
        "true,\n"
        "  \"layer_norm_epsilon\": 1e-06,\n  \"model_type\": \"t5\",\n  \"n_positions\": 512,\n"
        "  \"num_decoder_layers\": %" PRId64 ",\n  \"num_heads\": %" PRId64 ",\n  \"num_layers\": %" PRId64
        ",\n  \"pad_token_id\": 0,\n  \"relative_attention_max_distance\": 128,\n"
        "  \"relative_attention_num_buckets\": 32,\n  \"tie_word_embeddings\": false,\n"
        "  \"torch_dtype\": \"float32\",\n  \"transformers_version\": \"4.30.0\",\n  \"use_cache\": true,\n"
        "  \"vocab_size\": %" PRId64 "\n}\n",
        m->ff, m->width / m->heads, m->width, m->decoder_layers, m->heads, m->encoder_layers, V);
    write_file(folder, "config.json", buf_view(&b));
    write_file(folder, "generation_config.json",
               STR_LIT("{\n  \"decoder_start_token_id\": 0,\n  \"eos_token_id\": 1,\n  \"pad_token_id\": 0,\n"
                       "  \"transformers_version\": \"4.30.0\"\n}\n"));
    for (int i = 0; i < EXTRA; i++) buf_printf(&extra, "%s\"<extra_id_%d>\"", i ? ", " : "", i);
    write_file(
        folder, "tokenizer_config.json",
        str_of(arena_printf(
            a,
            "{\n  \"additional_special_tokens\": [%s],\n  \"eos_token\": \"</s>\",\n  \"extra_ids\": %d,\n"
            "  \"model_max_length\": 512,\n  \"pad_token\": \"<pad>\",\n"
            "  \"tokenizer_class\": \"T5Tokenizer\",\n  \"unk_token\": \"<unk>\"\n}\n",
            extra.s, EXTRA)));
    return V;
}

// ------------------------------------------------------------------------------------------------ training

typedef struct Batch {
    Ids *source, *target; // [n]
    int64_t n;
} Batch;

static Ids encode(Arena *a, const Tokenizer *t, const char *text, TokSide side)
{
    Encoding out;
    Err e = {0};
    if (!tok_encode(a, t, str_of(text), (TokOptions){.side = side}, &out, &e)) fail(&e);
    return (Ids){out.ids, (int64_t)out.n};
}

static Batch draw_batch(Arena *a, const Demo *m, const Tokenizer *t, Draw *d)
{
    Batch b = {.source = arena_new(a, Ids, m->batch), .target = arena_new(a, Ids, m->batch), .n = m->batch};
    for (int64_t i = 0; i < b.n; i++) {
        Example x;
        draw_example(m, d, false, &x);
        b.source[i] = encode(a, t, x.source, TOK_SOURCE), b.target[i] = encode(a, t, x.target, TOK_TARGET);
    }
    return b;
}

static double rate_at(const Demo *m, int64_t step) // warm-up, then straight down to nothing
{
    double up = (double)(step + 1) / 150, down = 1 - (double)step / (double)m->steps;
    return m->rate * (up < 1 ? up : 1) * down;
}

static void train(Arena *a, const Demo *m, const char *folder, Weights *w)
{
    Err e = {0};
    Model *model = nn_open(a, folder, (NnOptions){0}, &e);
    Tokenizer *tokenizer = model ? tok_open(a, folder, &e) : NULL;
    if (!tokenizer) fail(&e);
    Training *t = train_open(a, model, m->train);
    Arena *step_arena = arena_create(a);
    Draw d = {.seed = m->seed * 100 + 1};
    double start = seconds(), mean = 0;
    for (int64_t i = 0; i < m->steps; i++) {
        arena_reset(step_arena);
        Batch b = draw_batch(step_arena, m, tokenizer, &d);
        mean += train_step(t, b.n, b.source, b.target, rate_at(m, i));
        if ((i + 1) % 200 == 0 || i + 1 == m->steps) {
            int64_t over = (i + 1) % 200 ? (i + 1) % 200 : 200;
            fprintf(stderr, "  step %5" PRId64 "  loss %.4f  %4.0f s\n", i + 1, mean / (double)over,
                    seconds() - start);
            mean = 0;
        }
    }
    for (int64_t k = 0; k < w->n; k++)
        for (int64_t i = 0; i < t->n_params; i++)
            if (!strcmp(t->param[i].w->name, w->v[k].name))
                memcpy(w->v[k].f, t->param[i].w->f, (size_t)count(&w->v[k]) * sizeof(float));
}

// ------------------------------------------------------------------------------------------------ trying it

// How many unseen texts the model, opened anew, gives back as the grammar has them, letter for letter.
static void evaluate(Arena *a, const Demo *m, const char *folder)
{
    enum { AT_ONCE = 50 };
    Err e = {0};
    Model *model = nn_open(a, folder, (NnOptions){0}, &e);
    Tokenizer *t = model ? tok_open(a, folder, &e) : NULL;
    const GenConfig *g;
    if (!t || !nn_generation(a, model, NULL, &g, &e)) fail(&e);
    Example *x = arena_new(a, Example, HELD_OUT);
    Draw d = {.seed = m->seed * 100 + 2};
    int64_t n = 0, right = 0, misses = 0;
    for (int tries = 0; n < HELD_OUT && tries < 20 * HELD_OUT; tries++) {
        bool known = false;
        draw_example(m, &d, true, &x[n]);
        for (int64_t i = 0; i < n; i++) known |= !strcmp(x[i].source, x[n].source);
        n += !known;
    }
    for (int64_t from = 0; from < n; from += AT_ONCE) {
        Arena *scratch = arena_create(a);
        int64_t k = n - from < AT_ONCE ? n - from : AT_ONCE;
        Ids source[AT_ONCE];
        Generated made[AT_ONCE];
        for (int64_t i = 0; i < k; i++) source[i] = encode(scratch, t, x[from + i].source, TOK_SOURCE);
        if (!nn_generate(scratch, model, g, k, source, NULL, made, NULL, NULL, &e)) fail(&e);
        for (int64_t i = 0; i < k; i++) {
            Str text;
            if (!tok_decode(scratch, t, made[i].ids, (size_t)made[i].n,
                            (TokDecode){.skip_special = true, .cleanup = -1}, &text, &e))
                fail(&e);
            bool ok = str_is(text, x[from + i].target);
            right += ok;
            if (!ok && misses++ < 10)
                fprintf(stderr, "  %s\n    wanted %s\n    got    %.*s\n", x[from + i].source,
                        x[from + i].target, (int)text.n, text.s);
        }
        arena_free(scratch);
    }
    printf("%s: %" PRId64 " of %" PRId64 " unseen texts right (%.1f %%)\n", m->name, right, n,
           100 * (double)right / (double)n);
}

// True if every file has the SHA-256 that RECORD/SHA256 gives (as sha256sum writes them).
static bool compare(Arena *a, const Demo *m, const char *folder, const char *record, Buf *sums)
{
    static const char *const files[] = {
        "config.json", "generation_config.json", "model.safetensors", "source.spm", "spiece.model",
        "target.spm",  "tokenizer_config.json",  "vocab.json"};
    bool same = true;
    Err e = {0};
    Str recorded = STR_LIT("");
    if (file_exists(record) && !file_read(a, record, 1 << 20, &recorded, &e)) fail(&e);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[600], hash[65];
        Str bytes;
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        if (!file_exists(path)) continue;
        if (!file_map(a, path, &bytes, &e)) fail(&e);
        sha256_hex(bytes, hash);
        const char *line = arena_printf(a, "%s  %s/%s\n", hash, m->name, files[i]);
        bool found = memmem(recorded.s, recorded.n, line, strlen(line)) != NULL;
        if (!found) printf("  %s/%s differs from the recorded one\n", m->name, files[i]);
        same = same && found;
        buf_str(sums, str_of(line));
    }
    return same;
}

static bool make(const Demo *m, const char *out, const char *record, Buf *sums)
{
    Arena *a = arena_create(NULL);
    double start = seconds();
    const char *folder = arena_printf(a, "%s/%s", out, m->name);
    mkdir(out, 0777), mkdir(folder, 0777);
    Weights *w = arena_new(a, Weights, 1);
    w->arena = a, w->draw.seed = m->seed * 100 + 3;
    int64_t V = m->questions ? t5_files(a, folder, m) : marian_files(a, folder, m);
    (m->questions ? t5_weights : marian_weights)(w, m, V);
    fprintf(stderr, "%s: %" PRId64 " words, files and vocabulary in %.1f s\n", m->name, V, seconds() - start);
    save_weights(folder, w, false);
    train(a, m, folder, w);
    save_weights(folder, w, true);
    evaluate(a, m, folder);
    bool same = compare(a, m, folder, arena_printf(a, "%s/SHA256", record), sums);
    printf("%s: %.0f s, %s\n", m->name, seconds() - start,
           same ? "identical" : "NOT identical to the recorded model");
    arena_free(a);
    return same;
}

static void no_memory(size_t wanted)
{
    fprintf(stderr, "train: no memory for %zu bytes\n", wanted);
    exit(3);
}

int main(int argc, char **argv)
{
    Err e = {0};
    if (argc < 3) return fprintf(stderr, "usage: train OUT RECORD [en-nl|yes-no|yes-no-small]\n"), 2;
    base_on_no_memory(no_memory);
    if (!cpu_select(NULL, &e)) fail(&e);
    pool_start(0);
    fprintf(stderr, "%s, %d threads\n", cpu_isa(), pool_threads());
    Arena *a = arena_create(NULL);
    Buf sums = {.arena = a};
    bool same = true;
    for (size_t i = 0; i < N_DEMOS; i++)
        if (argc < 4 || !strcmp(argv[3], demos[i].name)) same &= make(&demos[i], argv[1], argv[2], &sums);
    write_file(argv[1], "SHA256", buf_view(&sums));
    if (same) printf("identical\n");
    pool_stop(), arena_free(a);
    return same ? 0 : 1;
}
