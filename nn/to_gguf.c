// SPDX-License-Identifier: Apache-2.0
// to_gguf.c — an opened model as a GGUF file: which keys and tensors it has there, and of which types.
//
// Names and orders are those that reading has (gguf_config.c, read_gguf.c), the other way round. Whether the file then holds
// this model is not concluded but looked at: it is opened, and the two are compared setting by setting. So a window, a cap
// or an angle that such files cannot state is refused, whatever family it comes from.
//
// Types are llama.cpp's choice: vectors, tables of positions and of distances stay float32; a row that does not fill its
// blocks makes the matrix float16; the output matrix (or the table that is one with it) of a file of 4 or 5 bits is Q8_0,
// which there stands in for Q6_K where that does not fit.
#include "files/writing.h"
#include "models/decoder.h"

#include <string.h>

static const struct {
    const char *name;
    Dtype dtype;
    int file_type; // general.file_type
} types[] = {{"q8_0", DT_Q8_0, 7}, {"q5_1", DT_Q5_1, 9}, {"q5_0", DT_Q5_0, 8}, {"q4_1", DT_Q4_1, 3},
             {"q4_0", DT_Q4_0, 2}, {"f16", DT_F16, 1},   {"bf16", DT_BF16, 32}};
enum { TYPES = sizeof types / sizeof *types };

const char *const *nn_gguf_types(size_t *n)
{
    static const char *names[TYPES];
    for (int i = 0; i < TYPES; i++) names[i] = types[i].name;
    return *n = TYPES, names;
}

bool nn_has_gguf(const Model *m, Err *e)
{
    return gguf_arch_of(m->info.family) ||
           err_set(e,
                   "%s: GGUF files have no name for models of family %s; llama, mistral, qwen2, qwen3, gpt2, "
                   "gemma2, "
                   "gemma3, phi3, t5, mt5 and umt5 have one. --to int8, nf4 or f32 writes a folder, of any "
                   "family",
                   m->info.name, m->info.family);
}

typedef struct Out {
    Arena *a;
    const Model *m;
    const GgufArch *arch;
    Dtype dtype;
    bool tied; // there is no output matrix by itself
    GgufOut keys;
    Outgoing *tensor;
    size_t n, room;
    bool *taken; // [tensors of the checkpoint]
    size_t count[DT_F64];
    Buf others;
    uint64_t weights;
    Err *e;
} Out;

// ------------------------------------------------------------------------------------------------ tensors

static bool is_part(Str name, const char *part) { return memmem(name.s, name.n, part, strlen(part)) != NULL; }

static Dtype type_for(const Out *o, const Outgoing *t)
{
    const bool output = str_is(t->name, "output.weight") || (o->tied && str_is(t->name, "token_embd.weight"));
    Dtype d = o->dtype;
    if (t->rank < 2 || is_part(t->name, "_norm") || str_is(t->name, "position_embd.weight") ||
        is_part(t->name, "attn_rel_b"))
        return DT_F32;
    if (output && type_elements((WType)d) > 1) d = DT_Q8_0;
    return outgoing_cols(t) % type_elements((WType)d) ? DT_F16 : d;
}

// Once for all layers: "blk.#.ffn_down.weight F16 (rows of 176)".
static void name_other(Out *o, const Outgoing *t)
{
    Buf b = {.arena = o->a};
    for (size_t i = 0; i < t->name.n; i++) {
        const bool digit = t->name.s[i] >= '0' && t->name.s[i] <= '9',
                   of_layer = digit && i && (t->name.s[i - 1] == '.' || b.s[b.n - 1] == '#');
        if (!of_layer) buf_char(&b, t->name.s[i]);
        else if (b.s[b.n - 1] != '#') buf_char(&b, '#');
    }
    buf_printf(&b, " %s", dtype_name(t->dtype));
    if (outgoing_cols(t) % type_elements((WType)o->dtype))
        buf_printf(&b, " (rows of %" PRId64 ")", outgoing_cols(t));
    if (o->others.n && memmem(o->others.s, o->others.n, b.s, b.n)) return;
    buf_printf(&o->others, "%s%s", o->others.n ? ", " : "", b.s);
}

static void add(Out *o, Outgoing t, bool own) // own: of a type that is settled
{
    if (o->n == o->room) {
        Outgoing *more = arena_new(o->a, Outgoing, o->room = 2 * o->room + 64);
        if (o->n) memcpy(more, o->tensor, o->n * sizeof t);
        o->tensor = more;
    }
    if (!own) t.dtype = type_for(o, &t);
    o->count[t.dtype]++, o->weights += stored_count(t.from);
    if (t.dtype != DT_F32 && t.dtype != o->dtype) name_other(o, &t);
    o->tensor[o->n++] = t;
}

// A tensor of the checkpoint under its name here.
static bool add_stored(Out *o, const Stored *s, const char *name)
{
    const Model *m = o->m;
    const DecoderRow *row = m->family->row;
    const bool plain = m->checkpoint->plain, layer = !strncmp(name, "blk.", 4);
    if (!dtype_is_weight(s->dtype) || s->rank < 1 || s->rank > 2)
        return err_at(o->e, s->file, s->at, "tensor '%.*s' is no vector or matrix of weights", (int)s->name.n,
                      s->name.s);
    Outgoing t = outgoing(s, DT_F32);
    t.name = str_of(name);
    if (row && row->turned && !plain && layer && s->rank == 2 && dtype_size(s->dtype)) // codes are [out, in]
        t.turned = true, t.dim[0] = s->dim[1], t.dim[1] = s->dim[0];
    if (row && row->norm == NORM_RMS_PLUS_ONE && !plain && s->rank == 1) t.plus = 1;
    if (o->arch->pairs_turned && (is_part(t.name, ".attn_q.") || is_part(t.name, ".attn_k."))) {
        t.head = m->decoder[0].q.w->rows / m->info.heads;
        if (s->rank == 1) t.dim[0] = s->dim[0];
    }
    o->taken[s - m->checkpoint->tensor] = true;
    add(o, t, false);
    return true;
}

static const char *filled(Arena *a, const char *pattern, int64_t layer)
{
    const char *hash = strchr(pattern, '#');
    return hash ? arena_printf(a, "%.*s%" PRId64 "%s", (int)(hash - pattern), pattern, layer, hash + 1)
                : pattern;
}

// What stands under one name of the table, for one layer: its weight and its bias.
static bool add_named(Out *o, const char *here, const char *there, int64_t layer)
{
    static const char *const endings[] = {".weight", ".bias"};
    const Checkpoint *c = o->m->checkpoint;
    const Str last = STR_LIT(".wi_1");
    there = filled(o->a, there, layer), here = filled(o->a, here, layer);
    if (o->arch->encoder && !o->m->encoder[0].gate.w &&
        str_ends(str_of(there), last)) // the only one without gates
        there = arena_printf(o->a, "%.*s", (int)strlen(there) - 2, there);
    for (int i = 0; i < 2; i++) {
        const Stored *s = checkpoint_find(c, arena_printf(o->a, "%s%s", there, endings[i]));
        if (s && !add_stored(o, s, arena_printf(o->a, "%s%s", here, endings[i]))) return false;
    }
    return true;
}

static const Stored *table_of(const Out *o)
{
    static const char *const names[] = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
                                        "lm_head.weight"};
    const Checkpoint *c = o->m->checkpoint;
    const Stored *s = checkpoint_find(c, arena_printf(o->a, "%s.weight", o->arch->names[1]));
    for (int i = 0; i < 3 && !s; i++) s = checkpoint_find(c, names[i]);
    return s;
}

// The table of embeddings, and the output matrix unless it is the same. A T5's last states are scaled where a file has none.
static bool add_tables(Out *o)
{
    const Model *m = o->m;
    const Stored *table = table_of(o), *output = checkpoint_find(m->checkpoint, "lm_head.weight");
    const bool scaled = m->logits_scale != 1, one = m->output == m->embed[0];
    if (m->embed[0] != m->embed[1])
        return err_set(o->e,
                       "%s: encoder and decoder have tables of their own, for which a GGUF file has no place",
                       m->info.name);
    o->tied = one && (scaled || !o->arch->encoder);
    if (!table || (!one && !output))
        return err_set(o->e, "%s: the table of embeddings is not found", m->info.name);
    return add_stored(o, table, "token_embd.weight") &&
           (o->tied || add_stored(o, one ? table : output, "output.weight"));
}

static bool add_tensors(Out *o)
{
    const Model *m = o->m;
    const Checkpoint *c = m->checkpoint;
    o->taken = arena_new(o->a, bool, c->n);
    if (!add_tables(o)) return false;
    for (const char *const *p = o->arch->names; *p; p += 2) {
        const bool encoder = !strncmp(p[0], "enc.", 4);
        const int64_t layers = !strchr(p[0], '#') ? 1
                               : encoder          ? m->info.encoder_layers
                                                  : m->info.decoder_layers;
        if (!*p[1] || !strcmp(p[0], "token_embd") || !strcmp(p[0], "output")) continue;
        for (int64_t i = 0; i < layers; i++)
            if (!add_named(o, p[0], p[1], i)) return false;
    }
    for (size_t i = 0; m->bound && i < c->n; i++)
        if (m->bound[i] && !o->taken[i])
            return err_at(o->e, c->tensor[i].file, c->tensor[i].at,
                          "tensor '%.*s' has no place in a GGUF file of architecture %s",
                          (int)c->tensor[i].name.n, c->tensor[i].name.s, o->arch->name);
    return true;
}

// ------------------------------------------------------------------------------------------------ settings

static const char *key_of(const Out *o, const char *key) // "llama." key
{
    return arena_printf(o->a, "%s.%s", o->arch->name, key);
}

static void put_int(Out *o, const char *key, int64_t v) { gguf_put_int(&o->keys, key_of(o, key), v); }
static void put_real(Out *o, const char *key, double v) { gguf_put_real(&o->keys, key_of(o, key), v); }

static void add_floats(Out *o, const char *name, const float *v, int64_t n)
{
    Stored *s = arena_new(o->a, Stored, 1);
    *s = (Stored){.name = str_of(name),
                  .dtype = DT_F32,
                  .rank = 1,
                  .dim = {n},
                  .data = v,
                  .bytes = (size_t)n * 4,
                  .file = o->m->info.name};
    Outgoing t = outgoing(s, DT_F32);
    add(o, t, true);
}

// What frequencies are divided by: by these numbers they become, if it can be, those of s to the bit.
static const float *divisors(const Out *o, const RopeShape *s)
{
    const int64_t n = s->rotated / 2;
    RopeShape plain = *s, divided = *s;
    float *want = arena_new(o->a, float, n), *got = arena_new(o->a, float, n), *v = arena_new(o->a, float, n),
          *best = arena_new(o->a, float, n);
    plain.kind = ROPE_PLAIN, divided.kind = ROPE_LONG;
    divided.short_factor = divided.long_factor = v;
    rope_frequencies(s, 0, want), rope_frequencies(&plain, 0, got);
    for (int64_t i = 0; i < n; i++) best[i] = got[i] / want[i];
    for (int step = -3; step <= 3; step++) {
        for (int64_t i = 0; i < n; i++) v[i] = best[i] * (1 + (float)step * 0x1p-23F);
        rope_frequencies(&divided, 0, got);
        for (int64_t i = 0; i < n; i++)
            if (!memcmp(&got[i], &want[i], sizeof *got)) best[i] = v[i];
    }
    return best;
}

static bool put_rope(Out *o, const RopeShape *s)
{
    const int64_t n = s->rotated / 2;
    put_real(o, "rope.freq_base", s->theta);
    if (strcmp(o->arch->name, "gemma3") && strcmp(o->arch->name, "gemma2"))
        put_int(o, "rope.dimension_count", s->rotated);
    switch (s->kind) {
    case ROPE_PLAIN:
        return true;
    case ROPE_LLAMA3:
        return add_floats(o, "rope_freqs.weight", divisors(o, s), n), true;
    case ROPE_LINEAR:
    case ROPE_YARN:
        gguf_put_str(&o->keys, key_of(o, "rope.scaling.type"),
                     str_of(s->kind == ROPE_YARN ? "yarn" : "linear"));
        put_real(o, "rope.scaling.factor", s->factor);
        put_int(o, "rope.scaling.original_context_length", s->original);
        return true;
    case ROPE_LONG:
        if (!memcmp(s->short_factor, s->long_factor, (size_t)n * sizeof(float)))
            return add_floats(o, "rope_freqs.weight", s->short_factor, n), true;
        gguf_put_str(&o->keys, key_of(o, "rope.scaling.type"), STR_LIT("longrope"));
        put_int(o, "rope.scaling.original_context_length", s->original);
        put_real(o, "rope.scaling.attn_factor", s->attention_factor);
        add_floats(o, "rope_factors_long.weight", s->long_factor, n);
        add_floats(o, "rope_factors_short.weight", s->short_factor, n);
        return true;
    default:
        return err_set(
            o->e, "%s: rope scaling that depends on the text's length (dynamic) has no place in a GGUF file",
            o->m->config.path);
    }
}

static void put_windows(Out *o, const DecoderShape *s)
{
    int64_t window = 0;
    for (int64_t i = 0; i < s->layers; i++) window = s->window[i] ? s->window[i] : window;
    if (window || !strcmp(o->arch->name, "phi3")) put_int(o, "attention.sliding_window", window);
}

static bool put_decoder(Out *o)
{
    Model own = *o->m; // what reading config.json notes in it stays in the copy
    DecoderShape shape, *s = &shape;
    own.config.e = o->e;
    if (!decoder_read(&own, own.family->row, s, o->e)) return false;
    const bool learned = s->position == POSITIONS_LEARNED;
    put_int(o, "context_length", learned ? s->positions : s->rope[0].most);
    put_int(o, "embedding_length", s->width), put_int(o, "block_count", s->layers);
    put_int(o, "feed_forward_length", s->ff), put_int(o, "attention.head_count", s->heads);
    put_real(o, learned ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
             (double)s->eps);
    if (learned) return true;
    put_int(o, "attention.head_count_kv", s->kv_heads);
    put_int(o, "attention.key_length", s->head_dim), put_int(o, "attention.value_length", s->head_dim);
    put_int(o, "vocab_size", s->vocab);
    put_windows(o, s);
    if (s->cap != 0) put_real(o, "attn_logit_softcapping", (double)s->cap);
    if (s->final_cap != 0) put_real(o, "final_logit_softcapping", (double)s->final_cap);
    return put_rope(o, &s->rope[0]);
}

static bool put_t5(Out *o)
{
    const Model *m = o->m;
    const ModelInfo *f = &m->info;
    const Layer *l = &m->encoder[0];
    const int64_t head = l->q.w->rows / f->heads;
    put_int(o, "context_length", cfg_int(&m->config, "n_positions", 512, 1, 1 << 30));
    put_int(o, "embedding_length", f->width), put_int(o, "feed_forward_length", l->down.w->cols);
    put_int(o, "block_count", f->encoder_layers), put_int(o, "decoder_block_count", f->decoder_layers);
    put_int(o, "attention.head_count", f->heads);
    put_int(o, "attention.key_length", head), put_int(o, "attention.value_length", head);
    put_real(o, "attention.layer_norm_epsilon", (double)m->eps);
    put_real(o, "attention.layer_norm_rms_epsilon", (double)m->eps);
    put_int(o, "attention.relative_buckets_count", m->self_attention[0].bias->rows);
    put_int(o, "decoder_start_token_id", f->start < 0 ? 0 : f->start);
    return true;
}

// Rows that no word has get one that no text becomes.
static void put_words(Out *o, const NnWords *w)
{
    GgufOut *g = &o->keys;
    const ModelInfo *f = &o->m->info;
    const size_t n = (size_t)f->vocab;
    Str *text = arena_new(o->a, Str, n);
    int32_t *type = arena_new(o->a, int32_t, n);
    float *score = arena_new(o->a, float, n);
    enum { UNUSED = 5 };
    for (size_t i = 0; i < n; i++) {
        const bool there = i < w->n && w->text[i].s;
        text[i] = there ? w->text[i] : str_of(arena_printf(o->a, "[PAD%zu]", i));
        type[i] = there ? w->type[i] : UNUSED;
        score[i] = !w->score ? 0 : there ? w->score[i] : -1e4F;
    }
    gguf_put_str(g, "tokenizer.ggml.model", str_of(w->model));
    if (w->pre) gguf_put_str(g, "tokenizer.ggml.pre", str_of(w->pre));
    gguf_put_strs(g, "tokenizer.ggml.tokens", text, n);
    if (w->score) gguf_put_array(g, "tokenizer.ggml.scores", GGUF_F32, score, n);
    gguf_put_array(g, "tokenizer.ggml.token_type", GGUF_I32, type, n);
    if (w->n_merges) gguf_put_strs(g, "tokenizer.ggml.merges", w->merge, w->n_merges);
    const int32_t eos = f->eos >= 0 ? f->eos : w->eos, pad = f->config_pad >= 0 ? f->config_pad : w->pad;
    if (w->bos >= 0) gguf_put_int(g, "tokenizer.ggml.bos_token_id", w->bos);
    if (eos >= 0) gguf_put_int(g, "tokenizer.ggml.eos_token_id", eos);
    if (w->unk >= 0) gguf_put_int(g, "tokenizer.ggml.unknown_token_id", w->unk);
    if (pad >= 0) gguf_put_int(g, "tokenizer.ggml.padding_token_id", pad);
    gguf_put_bool(g, "tokenizer.ggml.add_bos_token", w->add_bos);
    gguf_put_bool(g, "tokenizer.ggml.add_eos_token", w->add_eos);
    if (w->score) gguf_put_bool(g, "tokenizer.ggml.add_space_prefix", w->space_prefix);
    if (w->charsmap.n) {
        gguf_put_bool(g, "tokenizer.ggml.remove_extra_whitespaces", true);
        gguf_put_array(g, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, w->charsmap.s, w->charsmap.n);
    }
    if (w->chat.n) gguf_put_str(g, "tokenizer.chat_template", w->chat);
}

// ------------------------------------------------------------------------------------------------ the same model

static bool near(double a, double b) { return a == b || (a - b < 1e-6 * a && b - a < 1e-6 * a); }

// Each is one that the two may differ in; the first that does is named.
#define SAME(x, what)                                                                                        \
    if ((a->x) != (b->x)) return what
#define NEAR(x, what)                                                                                        \
    if (!near((double)(a->x), (double)(b->x))) return what

static const char *other_attention(const Attention *a, const Attention *b)
{
    SAME(heads, "the number of heads");
    SAME(kv_heads, "the number of heads of keys");
    SAME(window, "the window of attention");
    SAME(max_distance, "the largest relative distance");
    SAME(bidirectional, "the direction of distances");
    NEAR(scale, "the scale of attention");
    NEAR(cap, "the cap of attention");
    if (!a->bias != !b->bias || (a->bias && a->bias->rows != b->bias->rows)) return "the table of distances";
    return NULL;
}

static const char *other_rotation(const Rotation *a, const Rotation *b)
{
    if (!a != !b) return "which layers have rotary positions";
    if (!a) return NULL;
    SAME(how.width, "the width of heads");
    SAME(how.rotated, "the columns that turn");
    NEAR(scale, "the scale of rotary positions");
    for (int64_t i = 0; i < a->how.rotated / 2; i++)
        NEAR(frequency[i], "the frequencies of rotary positions");
    return NULL;
}

static const char *other_layer(const Model *x, const Model *y, const Layer *a, const Layer *b, bool decoder)
{
    const Attention *p = a->attention ? a->attention : &x->self_attention[decoder],
                    *q = b->attention ? b->attention : &y->self_attention[decoder];
    const char *other = other_attention(p, q);
    if (!other) other = other_rotation(a->rotation, b->rotation);
    SAME(q.b == NULL, "biases of queries");
    SAME(o.b == NULL, "biases of attention");
    SAME(up.b == NULL, "biases of feed-forward layers");
    SAME(gate.w == NULL, "gates of feed-forward layers");
    return other;
}

// What makes the two different models, whatever their weights are; NULL: nothing.
static const char *difference(const Model *a, const Model *b)
{
    SAME(info.encoder_decoder, "its make");
    SAME(info.width, "the width");
    SAME(info.vocab, "the number of words");
    SAME(info.max_positions, "the number of positions");
    SAME(info.encoder_layers, "the number of layers");
    SAME(info.decoder_layers, "the number of layers");
    SAME(act, "the activation");
    NEAR(eps, "what is added to a variance");
    NEAR(embed_scale, "the scale of embeddings");
    NEAR(logits_scale, "the scale of logits");
    if (a->length_limit != b->length_limit && (a->length_limit || b->length_limit < 1 << 30))
        return "the limit of rope scaling";
    if (a->info.encoder_decoder) SAME(info.start, "the start token");
    if (a->block && b->block) {
        SAME(block->residual, "the order of a layer's parts");
        NEAR(block->embed_factor, "the factor of embeddings");
        NEAR(block->residual_factor, "the factor of layers");
        NEAR(block->cap, "the cap of logits");
    }
    const char *other = NULL;
    for (int64_t i = 0; !other && i < a->info.encoder_layers; i++)
        other = other_layer(a, b, &a->encoder[i], &b->encoder[i], false);
    for (int64_t i = 0; !other && i < a->info.decoder_layers; i++)
        other = other_layer(a, b, &a->decoder[i], &b->decoder[i], true);
    return other;
}

// ------------------------------------------------------------------------------------------------ the whole

static const char *type_counts(const Out *o)
{
    Buf b = {.arena = o->a};
    size_t count[DT_F64];
    memcpy(count, o->count, sizeof count);
    for (;;) {
        size_t most = 0;
        for (size_t d = 1; d < DT_F64; d++) most = count[d] > count[most] ? d : most;
        if (!count[most]) return b.n ? b.s : "";
        buf_printf(&b, "%s%s %zu", b.n ? ", " : "", dtype_name((Dtype)most), count[most]);
        count[most] = 0;
    }
}

bool nn_write_gguf(Arena *a, const Model *m, const char *type, const NnWords *words, FileOut *to,
                   NnWritten *out, Model **back, Err *e)
{
    Err own = {0};
    Out o = {.a = a,
             .m = m,
             .arch = gguf_arch_of(m->info.family),
             .keys.keys.arena = a,
             .others.arena = a,
             .e = &own};
    int file_type = 0;
    for (int i = 0; i < TYPES; i++)
        if (!strcmp(types[i].name, type)) o.dtype = types[i].dtype, file_type = types[i].file_type;
    if (!file_type) BUG("no type %s", type);
    if (!nn_has_gguf(m, e)) return false;
    if (words->n > (size_t)m->info.vocab)
        return err_set(e,
                       "%s: the tokenizer has %zu words, the model rows for %" PRId64
                       "; a GGUF file has as many of both",
                       m->info.name, words->n, m->info.vocab);
    gguf_put_str(&o.keys, "general.architecture", str_of(o.arch->name));
    gguf_put_int(&o.keys, "general.file_type", file_type);
    gguf_put_int(&o.keys, "general.quantization_version", 2);
    bool ok = (o.arch->encoder ? put_t5(&o) : put_decoder(&o)) && add_tensors(&o);
    if (ok) put_words(&o, words);
    ok = ok && gguf_write(a, &o.keys, o.tensor, o.n, to, &own);
    if (!ok) return err_set(e, "%s", own.text);
    *out =
        (NnWritten){.types = type_counts(&o), .others = o.others.n ? o.others.s : "", .weights = o.weights};
    if (!(*back = nn_open_begun(a, to, m->info.name, e))) return false;
    out->bytes = (*back)->info.bytes;
    const char *other = difference(m, *back);
    return !other || err_set(e, "%s: %s has no place in a GGUF file of architecture %s as it is here",
                             m->config.path, other, o.arch->name);
}
