// model.c — opens a checkpoint as a model of its family, binds weights by name, runs forward passes.
#include "model.h"

#include <stdio.h>
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

// ------------------------------------------------------------------------------------------------ weights

static const Stored *bind(Model *m, const char *name, int64_t rows, int64_t cols, WType *type, Err *e)
{
    const Stored *s = checkpoint_find(m->checkpoint, name);
    if (!s) {
        err_set(e, "%s: no tensor \"%s\" among its %zu; is this a complete %s checkpoint?",
                m->checkpoint->files[0], name, m->checkpoint->n, m->family->model_type);
        return NULL;
    }
    uint64_t elements = 1;
    for (int i = 0; i < s->rank; i++) elements *= (uint64_t)s->dim[i];
    bool shaped =
        rows == 1 ? elements == (uint64_t)cols : s->rank == 2 && s->dim[0] == rows && s->dim[1] == cols;
    if (!shaped) {
        char found[200] = "";
        for (int i = 0; i < s->rank; i++)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%" PRId64, i ? ", " : "",
                     s->dim[i]);
        err_at(e, s->file, s->at,
               "tensor \"%s\" has shape [%s]; %s/config.json calls for [%" PRId64 ", %" PRId64 "]", name,
               found, m->checkpoint->folder, rows, cols);
        return NULL;
    }
    if (s->dtype != DT_F32 && s->dtype != DT_F16 && s->dtype != DT_BF16) {
        err_at(e, s->file, s->at, "tensor \"%s\" is of type %s; weights must be F32, F16 or BF16", name,
               dtype_name(s->dtype));
        return NULL;
    }
    *type = s->dtype == DT_F32 ? W_F32 : s->dtype == DT_F16 ? W_F16 : W_BF16;
    return s;
}

Tensor *bind_matrix(Model *m, const char *name, int64_t rows, int64_t cols, Err *e)
{
    WType type;
    const Stored *s = bind(m, name, rows, cols, &type, e);
    return s ? tn_weight(m->arena, s->data, type, rows, cols, arena_printf(m->arena, "%s", name)) : NULL;
}

Tensor *bind_vector(Model *m, const char *name, int64_t n, Err *e)
{
    WType type;
    const Stored *s = bind(m, name, 1, n, &type, e);
    if (!s) return NULL;
    Tensor *w = tn_weight(m->arena, NULL, W_F32, 1, n, arena_printf(m->arena, "%s", name));
    w->f = arena_new_raw(m->arena, float, n);
    num_widen(w->f, s->data, type, 0, n);
    return w;
}

bool bind_has(const Model *m, const char *name) { return checkpoint_find(m->checkpoint, name) != NULL; }

bool bind_projection(Model *m, Projection *p, const char *prefix, int64_t out, int64_t in, bool bias, Err *e)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    if (!(p->w = bind_matrix(m, name, out, in, e))) return false;
    snprintf(name, sizeof name, "%s.bias", prefix);
    return !bias || (p->b = bind_vector(m, name, out, e));
}

bool bind_norm(Model *m, Norm *n, const char *prefix, int64_t width, bool bias, Err *e)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    if (!(n->g = bind_vector(m, name, width, e))) return false;
    snprintf(name, sizeof name, "%s.bias", prefix);
    return !bias || (n->b = bind_vector(m, name, width, e));
}

// ------------------------------------------------------------------------------------------------ opening

static const Family *find_family(const Config *c, Err *e)
{
    Str type = cfg_str(c, "model_type", "");
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (str_is(type, families[i]->model_type)) return families[i];
    Buf known = {.arena = arena_create(NULL)};
    for (size_t i = 0; i < N_FAMILIES; i++)
        buf_printf(&known, "%s%s", i ? ", " : "", families[i]->model_type);
    if (!type.n) err_set(e, "%s: no \"model_type\"; one of %s is needed", c->path, known.s);
    else
        err_set(e, "%s: model_type is \"%.*s\"; this program knows %s", c->path, (int)type.n, type.s,
                known.s);
    arena_free(known.arena);
    return NULL;
}

static double layer_cost(const Layer *l, bool with_cross, bool keys_of_cross)
{
    const Projection *self[] = {&l->q, &l->k, &l->v, &l->o, &l->up, &l->gate, &l->down};
    const Projection *cross[] = {&l->cross_q, &l->cross_o}, *keys[] = {&l->cross_k, &l->cross_v};
    double sum = 0;
    for (size_t i = 0; i < 7; i++)
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
    return hub_folder(a, model, o.revision, o.cache_dir, o.note, e);
}

Model *nn_open(Arena *a, const char *name, NnOptions o, Err *e)
{
    const char *folder = hub_folder(a, name, o.revision, o.cache_dir, o.note, e);
    Model *m = arena_new(a, Model, 1);
    if (!folder || !config_open(a, folder, "config.json", &m->config, e)) return NULL;
    m->arena = a;
    m->config.e = e;
    m->embed_scale = m->logits_scale = 1;
    if (!(m->family = find_family(&m->config, e))) return NULL;
    if (!(m->checkpoint = checkpoint_open(a, folder, e))) return NULL;
    const Checkpoint *c = m->checkpoint;
    m->info = (ModelInfo){.name = name,
                          .folder = folder,
                          .family = m->family->model_type,
                          .class_name = m->family->class_name,
                          .format = c->format,
                          .encoder_decoder = m->family->encode != NULL,
                          .bytes = c->bytes,
                          .tensors = c->n};
    for (size_t i = 0; i < c->n; i++)
        m->info.parameters += c->tensor[i].bytes / dtype_size(c->tensor[i].dtype);
    if (!m->family->open(m, e) || (e && e->set)) return NULL;
    if (!gen_config_load(a, folder, &m->config, m->info.vocab, &m->generation, e)) return NULL;
    m->info.encoder_heads = m->family->encode ? m->self_attention[0].heads : 0;
    m->info.start = m->generation.decoder_start;
    m->info.pad = m->generation.pad;
    m->info.eos = m->generation.eos.n ? m->generation.eos.v[0] : -1;
    count_costs(m);
    m->config.e = NULL;
    return m;
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
    if (m->info.max_positions && ids.n > m->info.max_positions)
        return err_set(e, "%s: %" PRId64 " tokens; %s has positions for %" PRId64 ". Split the text", what,
                       ids.n, m->info.name, m->info.max_positions);
    return true;
}

int64_t nn_words(const Model *m, bool target) { return m->embed[target]->rows; }

void nn_embed(const Model *m, Ids ids, bool target, float *out)
{
    const Tensor *table = m->embed[target];
    for (int64_t i = 0; i < ids.n; i++, out += table->cols) {
        num_widen(out, table->raw, table->type, ids.v[i] * table->cols, table->cols);
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
    if (x) {
        out->encoder_self = arena_new(a, Tensor *, m->info.encoder_layers);
        out->encoder_in = arena_new(a, Tensor *, m->info.encoder_layers);
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

Tensor *nn_logits(const Model *m, Tape *t, const Pass *pass, const int64_t *rows, const Rows *seqs)
{
    return m->family->logits(m, t, tn_pick(t, pass->states, rows, seqs));
}

bool nn_check_finite(const Model *m, const float *logits, int64_t n, Err *e)
{
    int64_t at;
    if (num_all_finite(logits, W_F32, n, &at)) return true;
    for (size_t i = 0; i < m->checkpoint->n; i++) {
        const Stored *s = &m->checkpoint->tensor[i];
        if (s->dtype != DT_F32 && s->dtype != DT_F16 && s->dtype != DT_BF16) continue;
        WType type = s->dtype == DT_F32 ? W_F32 : s->dtype == DT_F16 ? W_F16 : W_BF16;
        if (!num_all_finite(s->data, type, (int64_t)(s->bytes / dtype_size(s->dtype)), &at))
            return err_at(e, s->file, s->at + (uint64_t)at * dtype_size(s->dtype),
                          "tensor \"%.*s\" holds NaN or infinity at element %" PRId64
                          "; the checkpoint is damaged",
                          (int)s->name.n, s->name.s, at);
    }
    return err_set(e,
                   "%s: the model's output is not a finite number, though every weight is; its activations "
                   "overflow float32",
                   m->info.name);
}
