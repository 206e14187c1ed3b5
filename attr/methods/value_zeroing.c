// SPDX-License-Identifier: Apache-2.0
// value_zeroing.c — how much a token's values matter to each other token's state, layer by layer. Mohebbi,
// Zuidema, Chrupała and Alishahi 2023, arXiv:2301.12971.
//
//   score[j,i,l] = 1 - cos(h_l[i], h_l[i] without the values of token j)     below 1e-5: 0; then divided by the sum over j
// for the cross-attention (source j, query i: step i+1) and both self-attentions. A prefix token after i has
// none: NaN.
#include "../run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct Zero {
    Run *r;
    Tape *tape;
    bool euclidean;       // the distance of the states instead of 1 - cos
    bool self, encoder;   // scores of the decoder's and the encoder's own states are wanted
    const Json *heads[3]; // arguments, by NnZero
} Zero;

static const Argument arguments[] = { // the first three by NnZero

    {"encoder_zeroed_units_indices", NULL,
     "heads that lose the values, in the encoder: a number, a list, or an object by layers {\"0\": [1, 2]} "
     "(all)"},
    {"decoder_zeroed_units_indices", NULL, "the same in the decoder's self-attention"},
    {"cross_zeroed_units_indices", NULL, "the same in the cross-attention"},
    {"similarity_metric", "\"cosine\"", "cosine, or euclidean: the distance of both states"},
    {"output_decoder_self_scores", "true", "the decoder's own scores, if the target is not attributed"},
    {"output_encoder_self_scores", "true", "the encoder's own scores"},
    {0}};

// ------------------------------------------------------------------------------------------ which heads

static bool one_head(const Json *j, int64_t heads, bool *on)
{
    if (!j->is_int || j->i < -heads || j->i >= heads) return false;
    return on[j->i < 0 ? j->i + heads : j->i] = true;
}

// What an argument says about one layer: nothing (all), a head, or a list of them. *none: the layer is not
// touched.
static bool heads_of(const Json *j, int64_t layer, int64_t heads, bool *on, bool *none)
{
    *none = false;
    if (j && j->kind == J_OBJECT) {
        char key[24];
        snprintf(key, sizeof key, "%" PRId64, layer);
        j = json_get(j, key);
        if (!j) return *none = true;
    }
    memset(on, !j || j->kind == J_NULL, (size_t)heads);
    if (!j || j->kind == J_NULL) return true;
    if (j->kind != J_ARRAY) return one_head(j, heads, on);
    for (const Json *c = j->child; c; c = c->next)
        if (!one_head(c, heads, on)) return false;
    return true;
}

static bool check_heads(const Zero *z, NnZero where, Err *e)
{
    const ModelInfo *f = z->r->f;
    const Json *j = z->heads[where];
    int64_t heads = where == ZERO_ENCODER ? f->encoder_heads : f->heads;
    int64_t layers = where == ZERO_ENCODER ? f->encoder_layers : f->decoder_layers;
    Arena *a = arena_create(z->r->work);
    bool *on = arena_new(a, bool, heads), none, ok = true;
    for (int64_t l = 0; l < layers; l++) ok &= heads_of(j, l, heads, on, &none);
    for (const Json *c = j && j->kind == J_OBJECT ? j->child : NULL; c; c = c->next) {
        bool known = false;
        for (int64_t l = 0; l < layers; l++) known |= str_is(c->key, arena_printf(a, "%" PRId64, l));
        ok &= known;
    }
    arena_free(a);
    return ok || err_set(e,
                         "value_zeroing: argument %s must be a head from 0 to %" PRId64
                         ", a list of heads, or an object that "
                         "gives them for layers (\"0\" to \"%" PRId64 "\")",
                         arguments[where].name, heads - 1, layers - 1);
}

// ------------------------------------------------------------------------------------------ scores

static float distance(const float *clean, const float *zeroed, int64_t d, bool euclidean)
{
    double xy = 0, xx = 0, yy = 0, difference = 0;
    for (int64_t i = 0; i < d; i++) {
        double x = (double)clean[i], y = (double)zeroed[i];
        xy += x * y, xx += x * x, yy += y * y, difference += (x - y) * (x - y);
    }
    if (euclidean) return (float)__builtin_sqrt(difference);
    double norms = __builtin_sqrt(xx) * __builtin_sqrt(yy);
    return (float)(1 - xy / (norms > 1e-8 ? norms : 1e-8)); // PyTorch's floor
}

typedef struct Compare {
    const Zero *z;
    const Tensor *y;
    const float *clean;
    float *out; // [keys, queries]
    int64_t first, queries;
    bool ragged;
} Compare;

static void compare_key(int64_t k, void *context)
{
    const Compare *c = context;
    int64_t d = c->y->cols, from = c->ragged ? c->first + k : 0;
    for (int64_t i = from; i < c->queries; i++)
        c->out[(c->first + k) * c->queries + i] =
            distance(c->clean + i * d, c->y->f + (c->y->seqs->start[k] + i - from) * d, d, c->z->euclidean);
}

static void count_rows(const Run *r, NnZero where, int64_t rows) // of one layer out of all
{
    if (!r->o->made) return;
    if (where == ZERO_ENCODER) r->o->made->source_rows += (double)rows / (double)r->f->encoder_layers;
    else r->o->made->target_rows += (double)rows / (double)r->f->decoder_layers;
}

// One layer: out [keys, queries], rows before a prefix token NaN, each query's scores divided by their sum.
static void layer_scores(const Zero *z, NnZero where, int64_t layer, int64_t target, int64_t keys,
                         int64_t queries, float *out)
{
    Run *r = z->r;
    Arena *a = arena_create(r->work);
    int64_t heads = where == ZERO_ENCODER ? r->f->encoder_heads : r->f->heads;
    int64_t seq = where == ZERO_ENCODER ? r->source_of[target] : target;
    bool *on = arena_new(a, bool, heads), none;
    heads_of(z->heads[where], layer, heads, on, &none);
    for (int64_t j = 0; j < keys; j++)
        for (int64_t i = 0; i < queries; i++) out[j * queries + i] = where == ZERO_DECODER && i < j ? NAN : 0;
    int64_t each = queries * r->width * 40 * (int64_t)sizeof(float),
            block = (int64_t)(r->o->max_memory / (size_t)each) + 1;
    for (int64_t first = 0; !none && first < keys; first += block) {
        int64_t n = first + block < keys ? block : keys - first;
        Compare c = {.z = z, .out = out, .first = first, .queries = queries, .ragged = where == ZERO_DECODER};
        c.y = nn_zero_values(r->m, r->tape, &r->pass, z->tape, where, layer, seq,
                             r->sources ? r->source_of : NULL, first, n, on, &c.clean);
        pool_run(n, compare_key, &c);
        count_rows(r, where, c.y->rows);
    }
    for (int64_t i = 0; i < queries; i++) {
        float sum = 0;
        for (int64_t j = 0; j < keys; j++) {
            float *v = &out[j * queries + i];
            if (*v < 1e-5f) *v = 0; // the library's threshold
            if (!isnan(*v)) sum += *v;
        }
        for (int64_t j = 0; j < keys; j++) out[j * queries + i] /= sum > 0 ? sum : 1;
    }
    arena_free(a);
}

// All layers into a score [keys, columns, L]; column c is query first + c.
static void scores(const Zero *z, NnZero where, int64_t target, int64_t keys, int64_t queries, int64_t first,
                   Scores *to)
{
    Arena *a = arena_create(z->r->work);
    float *out = arena_new_raw(a, float, keys *queries);
    for (int64_t l = 0; l < to->dim[2]; l++) {
        layer_scores(z, where, l, target, keys, queries, out);
        for (int64_t j = 0; j < keys && j < to->dim[0]; j++)
            for (int64_t c = 0; c < to->dim[1]; c++) run_cell(to, j, c)[l] = out[j * queries + first + c];
    }
    arena_free(a);
}

static bool read_arguments(Run *r, Zero *z, Err *e)
{
    static const char *const metrics[] = {"cosine", "euclidean"};
    *z = (Zero){.r = r,
                .euclidean = arg_choice(r, "similarity_metric", 0, metrics, 2, e) == 1,
                .self = arg_bool(r, "output_decoder_self_scores", true, e),
                .encoder = arg_bool(r, "output_encoder_self_scores", true, e)};
    for (int i = 0; i < 3; i++) z->heads[i] = attr_argument(r->o, arguments[i].name);
    if ((e && e->set) || !check_heads(z, ZERO_DECODER, e)) return false;
    return !r->sources || (check_heads(z, ZERO_ENCODER, e) && check_heads(z, ZERO_CROSS, e));
}

static bool run(Run *r, Err *e)
{
    Zero z;
    if (!read_arguments(r, &z, e)) return false;
    z.tape = tape_create(r->work);
    int64_t L = r->f->decoder_layers;
    run_scores(r, 1, &L, OUT_MULTI);
    for (int64_t i = 0; i < r->n; i++) {
        Sequence *q = &r->out[i];
        int64_t S = r->pair[i].source.n, T = r->pair[i].target.n - 1, t = r->target_of[i],
                n = r->to[i] - r->from[i], first = r->from[i] - 1;
        if (r->sources) scores(&z, ZERO_CROSS, t, S, T, first, &q->source_attributions);
        if (run_wants_target(r)) scores(&z, ZERO_DECODER, t, T, T, first, &q->target_attributions);
        else if (z.self)
            scores(&z, ZERO_DECODER, t, T, T, 0,
                   run_sequence_score(r, i, STR_LIT("decoder_self_scores"), 3,
                                      (int64_t[]){n, n, L})); // of the first n, as in the library
        if (r->sources && z.encoder)
            scores(&z, ZERO_ENCODER, t, S, S, 0,
                   run_sequence_score(r, i, STR_LIT("encoder_self_scores"), 3,
                                      (int64_t[]){S, S, r->f->encoder_layers}));
        if (r->o->progress)
            r->o->progress(r->o->context, r->first_step[i] + r->to[i] - r->from[i], r->n_steps);
    }
    return true;
}

// A layer is computed again for each token, without its products that come before the zeroed values.
static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    double S = r->sources ? (double)r->pair[pair].source.n : 0, T = (double)r->pair[pair].target.n - 1;
    Zero z;
    if (!read_arguments(r, &z, e)) return false;
    p->target_rows += S * T + (run_wants_target(r) || z.self ? T * (T + 1) / 2 : 0);
    p->source_rows += z.encoder ? S * S : 0;
    return true;
}

const Method method_value_zeroing = {
    .name = "value_zeroing",
    .summary = "change of each layer's states when a token's values are zeroed",
    .paper = "Mohebbi et al. 2023, arXiv:2301.12971",
    .formula = "score[j,i,l] = 1 - cos(h_l[i], h_l[i] without the values of token j),\n"
               "               divided by its sum over j     h_l: states behind layer l",
    .when = "How much a layer's state at i changes if nothing may be taken from j in that layer: attention "
            "with regard to what the values do. A score for every layer; the mean is shown (--layer: one). "
            "It describes layers, not the whole model, and no function is attributed.",
    .arguments = arguments,
    .no_gradient = true,
    .cost = "1 forward, and each layer S + T times more",
    .passes = passes,
    .run = run,
};
