// SPDX-License-Identifier: Apache-2.0
// train.c — one step of training: forward with dropout, loss, one backward pass, Adam.
//
// Each sentence is one cotangent of the tape (tensor.h): its rows' derivatives of the loss are the seed, and what the
// tape sums over cotangents are the weights' gradients. The seed of row i with label y is
//
//   d loss / d z = (softmax(z) - (1 - s) [y] - s / V) / rows          s: label smoothing
//   loss of a row = log sum exp(z) - (1 - s) z[y] - s mean(z)
#include "train.h"

#include <string.h>

// ------------------------------------------------------------------------------------------------ weights

// Makes a weight writable; two slots of one name get one tensor (tied embeddings).
static void own(Arena *a, Training *t, Tensor **slot)
{
    if (!*slot) return;
    for (int64_t i = 0; i < t->n_params; i++)
        if (strcmp(t->param[i].w->name, (*slot)->name) == 0) {
            *slot = t->param[i].w;
            return;
        }
    Tensor *w = *slot;
    int64_t n = w->rows * w->cols;
    float *f = arena_new_raw(a, float, n);
    num_widen(f, w->f ? w->f : w->raw, w->f ? W_F32 : w->type, 0, n);
    w->raw = w->f = f, w->type = W_F32;
    w->wanted = true, w->grad = arena_new(a, float, n);
    if (t->n_params == t->cap) {
        int64_t cap = t->cap ? 2 * t->cap : 64;
        Param *more = arena_new(a, Param, cap);
        if (t->n_params) memcpy(more, t->param, (size_t)t->n_params * sizeof(Param));
        t->param = more, t->cap = cap;
    }
    t->param[t->n_params++] =
        (Param){.w = w, .mean = arena_new(a, float, n), .square = arena_new(a, float, n)};
}

static void own_layers(Arena *a, Training *t, Layer *l, int64_t n)
{
    for (; n > 0; n--, l++) {
        Projection *p[] = {&l->q,       &l->k,       &l->v,  &l->o,    &l->cross_q, &l->cross_k,
                           &l->cross_v, &l->cross_o, &l->up, &l->gate, &l->down};
        Norm *norm[] = {&l->self_norm, &l->cross_norm, &l->ff_norm};
        for (size_t i = 0; i < sizeof p / sizeof *p; i++) own(a, t, &p[i]->w), own(a, t, &p[i]->b);
        for (size_t i = 0; i < sizeof norm / sizeof *norm; i++)
            own(a, t, &norm[i]->g), own(a, t, &norm[i]->b);
    }
}

Training *train_open(Arena *a, Model *m, TrainOptions o)
{
    Training *t = arena_new(a, Training, 1);
    *t = (Training){.m = m, .o = o, .tape = tape_create(a), .power1 = 1, .power2 = 1};
    t->noise = (Noise){.rate = o.dropout, .seed = o.seed};
    for (int side = 0; side < 2; side++) own(a, t, &m->embed[side]), own(a, t, &m->self_attention[side].bias);
    own(a, t, &m->output);
    own_layers(a, t, m->encoder, m->info.encoder_layers),
        own_layers(a, t, m->decoder, m->info.decoder_layers);
    own(a, t, &m->encoder_norm.g), own(a, t, &m->encoder_norm.b);
    own(a, t, &m->decoder_norm.g), own(a, t, &m->decoder_norm.b);
    return t;
}

// ------------------------------------------------------------------------------------------------ the loss

typedef struct LossJob {
    const Tensor *logits;
    const int32_t *label;
    double smoothing;
    float *seed;  // [rows, V]
    double *loss; // [rows]
} LossJob;

static void row_loss(int64_t i, void *context)
{
    LossJob *j = context;
    int64_t V = j->logits->cols, y = j->label[i];
    const float *z = j->logits->f + i * V;
    float *d = j->seed + i * V;
    double sum = 0, s = j->smoothing, share = 1 / (double)j->logits->rows;
    for (int64_t v = 0; v < V; v++) sum += (double)z[v];
    j->loss[i] = num_log_sum_exp(z, V) - (1 - s) * (double)z[y] - s * sum / (double)V;
    num_softmax(d, z, V);
    float spread = (float)(s / (double)V), scale = (float)share;
    for (int64_t v = 0; v < V; v++) d[v] = (d[v] - spread) * scale;
    d[y] -= (float)((1 - s) * share);
}

// ------------------------------------------------------------------------------------------------ Adam

// The factor that brings the norm of all gradients down to the clip.
static double clip_factor(const Training *t)
{
    double square = 0;
    for (int64_t i = 0; i < t->n_params; i++) {
        const Tensor *w = t->param[i].w;
        for (int64_t r = 0; r < w->rows; r++)
            square += (double)num_dot(w->grad + r * w->cols, w->grad + r * w->cols, w->cols);
    }
    double norm = __builtin_sqrt(square);
    double factor = t->o.clip / (norm + 1e-6); // as torch.nn.utils.clip_grad_norm_
    return t->o.clip > 0 && factor < 1 ? factor : 1;
}

static void adam(Training *t, double rate)
{
    const TrainOptions *o = &t->o;
    float factor = (float)clip_factor(t), b1 = (float)o->beta1, b2 = (float)o->beta2, eps = (float)o->eps;
    float c1 = (float)(1 - o->beta1), c2 = (float)(1 - o->beta2);
    t->power1 *= o->beta1, t->power2 *= o->beta2;
    float step = (float)(rate / (1 - t->power1)), root = (float)__builtin_sqrt(1 - t->power2);
    for (int64_t i = 0; i < t->n_params; i++) {
        Tensor *w = t->param[i].w;
        float *m = t->param[i].mean, *v = t->param[i].square;
        for (int64_t j = 0; j < w->rows * w->cols; j++) {
            float g = w->grad[j] * factor;
            m[j] = b1 * m[j] + c1 * g;
            v[j] = b2 * v[j] + c2 * g * g;
            w->f[j] -= step * m[j] / (__builtin_sqrtf(v[j]) / root + eps);
        }
    }
}

// ------------------------------------------------------------------------------------------------ a step

static const Rows *lengths(Arena *a, int64_t n, const Ids *ids)
{
    int64_t *len = arena_new(a, int64_t, n);
    for (int64_t i = 0; i < n; i++) len[i] = ids[i].n;
    return rows_make(a, n, len);
}

// The sentences end to end; with `first` >= 0 each is moved on by one: first, ids[0], ids[1], ...
static int32_t *joined(Arena *a, int64_t n, const Ids *ids, const Rows *seqs, int32_t first)
{
    int32_t *out = arena_new(a, int32_t, n ? seqs->start[n - 1] + seqs->len[n - 1] : 0);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < ids[i].n; j++)
            out[seqs->start[i] + j] = first < 0 ? ids[i].v[j] : j ? ids[i].v[j - 1] : first;
    return out;
}

static Layout *whole_sentences(Arena *a, const Rows *seqs)
{
    int32_t *seq = arena_new(a, int32_t, seqs->n);
    for (int64_t i = 0; i < seqs->n; i++) seq[i] = (int32_t)i;
    return layout_make(a, seqs->n, seq, seqs->start, seqs->len);
}

double train_step(Training *t, int64_t n, const Ids *source, const Ids *target, double rate)
{
    Model *m = t->m;
    tape_reset(t->tape);
    Arena *a = tape_arena(t->tape);
    const Rows *from = lengths(a, n, source), *to = lengths(a, n, target);
    for (int64_t i = 0; i < t->n_params; i++)
        memset(t->param[i].w->grad, 0, (size_t)(t->param[i].w->rows * t->param[i].w->cols) * sizeof(float));

    m->noise = t->o.dropout > 0 ? &t->noise : NULL;
    Tensor *x = tn_embed(t->tape, m->embed[0], joined(a, n, source, from, -1), from, m->embed_scale);
    Tensor *y = tn_embed(t->tape, m->embed[1], joined(a, n, target, to, m->info.start), to, m->embed_scale);
    Pass pass;
    x = apply_dropout(m, t->tape, x), y = apply_dropout(m, t->tape, y);
    nn_forward(m, t->tape, x, y, NULL, &pass);
    Tensor *logits = m->family->logits(m, t->tape, pass.states);
    m->noise = NULL;

    LossJob job = {.logits = logits,
                   .label = joined(a, n, target, to, -1),
                   .smoothing = t->o.smoothing,
                   .seed = arena_new_raw(a, float, logits->rows * logits->cols),
                   .loss = arena_new(a, double, logits->rows)};
    pool_run(logits->rows, row_loss, &job);
    tape_backward(t->tape, logits, whole_sentences(a, to), job.seed);
    adam(t, rate);
    t->steps++;
    double loss = 0;
    for (int64_t i = 0; i < logits->rows; i++) loss += job.loss[i];
    return loss / (double)logits->rows;
}
