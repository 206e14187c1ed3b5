// SPDX-License-Identifier: Apache-2.0
// model.c — opens a checkpoint as a model of its family and runs forward passes.
#include "files/gguf.h"
#include "files/quantized.h"
#include "models/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILY(name) extern const Family family_##name;
#include "models/models.def"
#undef FAMILY
static const Family *const families[] = {
#define FAMILY(name) &family_##name,
#include "models/models.def"
#undef FAMILY
};
enum { N_FAMILIES = sizeof families / sizeof *families };

const char *const *nn_families(size_t *n)
{
    static const char *names[N_FAMILIES];
    for (size_t i = 0; i < N_FAMILIES; i++) names[i] = families[i]->model_type;
    *n = N_FAMILIES;
    return names;
}

const ModelInfo *nn_info(const Model *m) { return &m->info; }

// ------------------------------------------------------------------------------------------------ opening

static const Family *find_family(const Config *c, Err *e)
{
    Str type = cfg_str(c, "model_type", "");
    const Json *class = json_get(c->json, "architectures");
    if (!type.n && class && class->child && class->child->kind == J_STRING)
        for (size_t i = 0; i < N_FAMILIES; i++)
            if (families[i]->by_class && str_is(class->child->text, families[i]->class_name))
                return families[i];
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (str_is(type, families[i]->model_type)) return families[i];
    Buf known = {.arena = arena_create(NULL)};
    for (size_t i = 0; i < N_FAMILIES; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", families[i]->model_type);
    char name[SHOWN];
    const char *what, *instead;
    if (decoder_is_other(type))
        err_set(e, "%s: model_type is \"%s\": a decoder, but its layers are of another make than those of %s",
                c->path, shown(name, type), known.s);
    else if (other_is(type, &what, &instead))
        err_set(e, "%s: model_type is \"%s\": %s, which is not done here; %s", c->path, shown(name, type),
                what, instead);
    else if (!type.n) err_set(e, "%s: no \"model_type\"; one of %s is needed", c->path, known.s);
    else
        err_set(e, "%s: model_type is \"%.*s\"; this program knows %s", c->path, (int)type.n, type.s,
                known.s);
    arena_free(known.arena);
    return NULL;
}

// "Q4_1 210, F32 61": types and how many tensors there are of each, the most first.
static const char *types_of(Arena *a, const Checkpoint *c)
{
    size_t count[DTYPES] = {0};
    Buf b = {.arena = a};
    for (size_t i = 0; i < c->n; i++) count[c->tensor[i].dtype]++;
    for (;;) {
        size_t most = 0;
        for (size_t d = 1; d < DTYPES; d++) most = count[d] > count[most] ? d : most;
        if (!count[most]) return b.n ? b.s : "";
        buf_printf(&b, "%s%s %zu", b.n ? ", " : "", dtype_name((Dtype)most), count[most]);
        count[most] = 0;
    }
}

// Bits of a number, as its type says: Q4_1 4, whatever its scales take.
static int bits_of(const Stored *s)
{
    const char *digit = strpbrk(dtype_name(s->dtype), "123456789");
    if (digit && (digit[1] < '0' || digit[1] > '9')) return *digit - '0';
    if (digit) return 10 * (digit[0] - '0') + digit[1] - '0';
    const int64_t bits = ((const CodedRow *)s->data)->weight->bits;
    return bits ? (int)bits : 4; // AWQ
}

static int fewest_bits(const Checkpoint *c)
{
    int least = 32;
    for (size_t i = 0; i < c->n; i++) {
        const Stored *s = &c->tensor[i];
        const int bits = dtype_is_weight(s->dtype) && s->rank == 2 ? bits_of(s) : 32;
        if (bits < least) least = bits;
    }
    return least;
}

static double layer_cost(const Layer *l, bool with_cross, bool keys_of_cross)
{
    const Projection *self[] = {&l->q,  &l->k,    &l->v,    &l->o,       &l->qkv,
                                &l->up, &l->gate, &l->down, &l->gate_up, &l->router};
    const Projection *cross[] = {&l->cross_q, &l->cross_o}, *keys[] = {&l->cross_k, &l->cross_v};
    double sum = 0;
    for (size_t i = 0; i < sizeof self / sizeof *self; i++)
        sum += self[i]->w && !keys_of_cross ? (double)(self[i]->w->rows * self[i]->w->cols) : 0;
    for (size_t i = 0; i < 2; i++)
        sum += with_cross && cross[i]->w ? (double)(cross[i]->w->rows * cross[i]->w->cols) : 0;
    for (size_t i = 0; i < 2; i++)
        sum += keys_of_cross && keys[i]->w ? (double)(keys[i]->w->rows * keys[i]->w->cols) : 0;
    return sum;
}

static void count_costs(Model *m)
{
    ModelInfo *f = &m->info;
    for (int64_t i = 0; i < f->encoder_layers; i++)
        f->flops_source += layer_cost(&m->encoder[i], false, false);
    for (int64_t i = 0; i < f->decoder_layers; i++) {
        f->flops_target += layer_cost(&m->decoder[i], true, false);
        f->flops_source += layer_cost(&m->decoder[i], false, true);
    }
    f->flops_word = (double)(m->output->rows * m->output->cols);
}

const char *nn_folder(Arena *a, const char *model, NnOptions o, Err *e)
{
    Place p;
    return place_find(a, model, o.revision, o.cache_dir, o.adapter, o.note, &p, e) ? p.tokenizer : NULL;
}

static bool merge_adapter(Model *m, const char *folder, Err *e)
{
    const Family *f = m->family;
    const char *tied[3] = {NULL};
    AdapterBase base = {.tied = f->tied};
    if (f->row) {
        base.turned = f->row->turned && !m->checkpoint->plain;
        if (cfg_bool(&m->config, "tie_word_embeddings", f->row->tied))
            tied[0] = arena_printf(m->arena, "%s%s", f->base, f->anchor), tied[1] = "lm_head.weight";
        base.tied = tied;
    }
    return adapter_merge(m->arena, folder, &base, m->checkpoint, &m->notes, e);
}

// How the weights are quantized, or shall be while they are bound. A folder of bitsandbytes' stays as it is, as in
// transformers; what else can't be quantized while it is opened is refused.
static bool quantize(Model *m, const NnQuantize *how, const Place *p, const QuantKind *there, Err *e)
{
    if (!how || (there && !strcmp(there->method, "bitsandbytes"))) return true;
    if (there)
        return err_set(e,
                       "%s: the weights are quantized already (%s); leave load_in_8bit and load_in_4bit out",
                       p->folder, there->title);
    if (p->adapter)
        return err_set(
            e,
            "%s: an adapter is merged into weights here, and these were to be quantized before it; leave "
            "load_in_8bit and load_in_4bit out",
            p->adapter);
    m->quantize = how;
    m->info.quantization = arena_printf(m->arena, "bitsandbytes, %s%s, made while loading",
                                        how->bits == 8 ? "8 bits"
                                        : how->nf4     ? "NF4"
                                                       : "FP4",
                                        how->bits == 4 && how->nested ? ", nested" : "");
    return true;
}

static int by_place(const void *a, const void *b)
{
    const char *x = (*(const Stored *const *)a)->data, *y = (*(const Stored *const *)b)->data;
    return (x > y) - (x < y);
}

// Names that share their numbers, as a pickle's may, are counted once.
static int64_t count_parameters(Arena *a, const Checkpoint *c)
{
    const Stored **s = arena_new(a, const Stored *, c->n);
    int64_t sum = 0;
    for (size_t i = 0; i < c->n; i++) s[i] = &c->tensor[i];
    if (c->n) qsort(s, c->n, sizeof *s, by_place);
    for (size_t i = 0; i < c->n; i++)
        if (!i || !s[i]->data || s[i]->data != s[i - 1]->data) sum += stored_count(s[i]);
    return sum;
}

static Model *open_at(Arena *a, const char *name, Place p, const NnQuantize *how, const char **note, Err *e)
{
    Model *m = arena_new(a, Model, 1);
    if (!file_exists(arena_printf(a, "%s/config.json", p.folder)))
        return err_set(e,
                       "%s/config.json: cannot open: there is no such file; a model is a folder with "
                       "config.json, weights and "
                       "a tokenizer, as the Hub lays it out, or a GGUF file",
                       p.folder),
               NULL;
    if (!config_open(a, p.folder, "config.json", &m->config, e)) return NULL;
    m->arena = m->notes.arena = a;
    m->config.e = e;
    m->embed_scale = m->logits_scale = 1;
    Err own = {0};
    Config settings;
    const char *quantization = NULL;
    if (!(m->family = find_family(&m->config, e))) return NULL;
    const QuantKind *quant = quant_find(a, &m->config, p.folder, &settings, &own);
    if (own.set) return err_set(e, "%s", own.text), NULL;
    if (!(m->checkpoint = checkpoint_open(a, p.weights, e))) return NULL;
    Checkpoint *c = m->checkpoint;
    if (!checkpoint_names(a, c, m->family->base, m->family->anchor, e)) return NULL;
    if (quant && !quant_read(a, quant, &settings, c, &quantization, e)) return NULL;
    m->info = (ModelInfo){.name = name,
                          .folder = p.folder,
                          .tokenizer = p.tokenizer,
                          .family = m->family->model_type,
                          .class_name = m->family->class_name,
                          .format = c->format,
                          .types = types_of(a, c),
                          .quantization = quantization,
                          .bits = fewest_bits(c),
                          .encoder_decoder = m->family->encode != NULL,
                          .bytes = c->bytes,
                          .tensors = c->n};
    m->info.parameters = count_parameters(a, c);
    if (!quantize(m, how, &p, quant, e)) return NULL;
    if (p.adapter && !merge_adapter(m, p.adapter, e)) return NULL;
    if (!m->family->open(m, e) || (e && e->set)) return NULL;
    if (!gen_config_load(a, p.folder, &m->config, m->family->generation, m->info.vocab, &m->generation, e))
        return NULL;
    m->info.encoder_heads = m->family->encode ? m->self_attention[0].heads : 0;
    m->info.start = m->generation.decoder_start;
    m->info.pad = m->generation.pad;
    const Json *pad = json_get(m->config.json, "pad_token_id");
    bool stated = pad && pad->is_int && pad->i >= 0 && pad->i < m->info.vocab;
    m->info.config_pad = stated ? (int32_t)pad->i : -1;
    if (!m->info.states) m->info.states = m->info.width;
    if (!m->kv_width) m->kv_width = m->decoder[0].k.w->rows;
    m->info.eos = m->generation.eos.n ? m->generation.eos.v[0] : -1;
    count_costs(m);
    if (m->quantize) m->info.types = types_of(a, c), m->info.bytes = c->bytes;
    m->config.e = NULL, m->quantize = NULL;
    if (note && m->notes.n) {
        m->notes.s[--m->notes.n] = 0; // the last line's end
        *note = *note ? arena_printf(a, "%s\n%s", *note, m->notes.s) : m->notes.s;
    }
    return m;
}

Model *nn_open(Arena *a, const char *name, NnOptions o, Err *e)
{
    Place p;
    if (!place_find(a, name, o.revision, o.cache_dir, o.adapter, o.note, &p, e)) return NULL;
    return open_at(a, name, p, o.quantize, o.note, e);
}

Model *nn_open_begun(Arena *a, const FileOut *to, const char *name, Err *e)
{
    const char *path = file_begun(to);
    if (!path) return err_set(e, "a GGUF file must be a file, which can be read again"), NULL;
    if (!gguf_unfold(a, path, e)) return NULL;
    return open_at(a, name, (Place){.folder = path, .weights = path, .tokenizer = path}, NULL, NULL, e);
}

// ------------------------------------------------------------------------------------------------ running

bool nn_check_ids(const Model *m, Ids ids, bool target, const char *what, Err *e)
{
    int64_t below = m->embed[target]->rows;
    for (int64_t i = 0; i < ids.n; i++)
        if (ids.v[i] < 0 || ids.v[i] >= below)
            return err_set(e,
                           "%s: token id %d at position %" PRId64
                           " is outside the vocabulary of %s (0 to %" PRId64 ")",
                           what, ids.v[i], i, m->info.name, below - 1);
    if (!nn_check_length(m, ids.n, what, e)) return false;
    if (m->info.max_positions && ids.n > m->info.max_positions)
        return err_set(e, "%s: %" PRId64 " tokens; %s has positions for %" PRId64 ". Split the text", what,
                       ids.n, m->info.name, m->info.max_positions);
    return true;
}

bool nn_check_length(const Model *m, int64_t n, const char *what, Err *e)
{
    if (!m->length_limit || n <= m->length_limit) return true;
    return err_set(e,
                   "%s: %" PRId64 " tokens; beyond %" PRId64
                   " the rope scaling of %s turns all positions by the text's length, which this program "
                   "does not do yet. "
                   "Split the text",
                   what, n, m->length_limit, m->info.name);
}

int64_t nn_words(const Model *m, bool target) { return m->embed[target]->rows; }

void nn_embed(const Model *m, Ids ids, bool target, float *out)
{
    const Tensor *table = m->embed[target];
    for (int64_t i = 0; i < ids.n; i++, out += table->cols) {
        num_weight_row(out, table, ids.v[i]);
        if (m->embed_scale != 1)
            for (int64_t j = 0; j < table->cols; j++) out[j] *= m->embed_scale;
    }
}

void nn_forward(const Model *m, Tape *t, Tensor *x, Tensor *y, const int32_t *keys_of, Pass *out)
{
    Arena *a = tape_arena(t);
    *out = (Pass){.x = x, .y = y};
    out->decoder_self = arena_new(a, Tensor *, m->info.decoder_layers);
    out->decoder_in = arena_new(a, Tensor *, m->info.decoder_layers);
    out->decoder_ff = arena_new(a, Tensor *, m->info.decoder_layers);
    if (x) {
        out->encoder_self = arena_new(a, Tensor *, m->info.encoder_layers);
        out->encoder_in = arena_new(a, Tensor *, m->info.encoder_layers);
        out->encoder_ff = arena_new(a, Tensor *, m->info.encoder_layers);
        out->cross = arena_new(a, Tensor *, m->info.decoder_layers);
        out->encoder = m->family->encode(m, t, x, out);
    }
    out->states = m->family->decode(m, t, y, out->encoder, keys_of, NULL, out);
}

void nn_forward_noisy(const Model *m, Tape *t, Tensor *x, Tensor *y, const int32_t *keys_of, uint64_t seed,
                      Pass *out)
{
    Model noisy = *m;
    Noise noise = m->dropout;
    noise.seed = seed;
    noisy.noise = &noise;
    nn_forward(&noisy, t, x, y, keys_of, out);
}

double nn_record_bytes(const Model *m, const Rows *targets)
{
    const Layer *l = &m->decoder[0];
    double sum = 0,
           each = 14 * (double)m->info.states + 4 * (double)(l->down.w ? l->down.w->cols : m->info.states);
    for (int64_t i = 0; i < targets->n; i++) {
        double T = (double)targets->len[i];
        sum += T * ((double)m->info.heads * T + each);
    }
    return sum * (double)m->info.decoder_layers * sizeof(float);
}

Tensor *nn_logits(const Model *m, Tape *t, const Pass *pass, const int64_t *rows, const Rows *seqs)
{
    return m->family->logits(m, t, tn_pick(t, pass->states, rows, seqs));
}

Tensor *nn_read_out(const Model *m, Tape *t, Tensor *states, bool closed)
{
    return m->family->logits(m, t, closed ? states : apply_close(m, t, states, NULL));
}

bool nn_check_finite(const Model *m, const float *logits, int64_t n, Err *e)
{
    int64_t at;
    if (num_all_finite(logits, W_F32, n, &at)) return true;
    for (size_t i = 0; i < m->checkpoint->n; i++) {
        const Stored *s = &m->checkpoint->tensor[i];
        if (!dtype_is_weight(s->dtype)) continue; // F64: never bound
        const WType type = (WType)s->dtype;
        if (!num_all_finite(s->data, type, (int64_t)stored_count(s), &at))
            return err_at(e, s->file, s->at + (uint64_t)type_bytes(type, at),
                          "tensor \"%.*s\" holds NaN or infinity at element %" PRId64
                          "; the checkpoint is damaged",
                          (int)s->name.n, s->name.s, at);
    }
    return err_set(e,
                   "%s: the model's output is not a finite number, though every weight is; its activations "
                   "overflow float32",
                   m->info.name);
}
