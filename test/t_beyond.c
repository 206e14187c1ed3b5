// SPDX-License-Identifier: Apache-2.0
// t_beyond.c — methods that the library does not have, by their definitions: computed again here in plain loops, in
// passes of their own, or known from what must hold. That their bits agree on every machine is t_methods.c's.
#include "../attr/random.h"
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static Sequence attributed(Arena *A, const Lab *l, const char *method, const char *args, bool target,
                           const Pair *p)
{
    Err e = {0};
    Sequence s = {0};
    AttrOptions o = attr_defaults();
    o.method = method, o.attribute_target = target, o.unk = tok_unk(l->t), o.eos = tok_eos(l->t);
    o.method_args = args ? json_parse(A, str_of(args), "arguments", &e) : NULL;
    if (!attr_run(A, l->m, &o, p, 1, &s, &e)) FAIL("%s %s: %s", method, args ? args : "", e.text);
    return s;
}

static const Scores *step_score(const Sequence *s, const char *name)
{
    static const Scores none;
    for (size_t i = 0; i < s->n_step_scores; i++)
        if (str_is(s->step_scores[i].name, name)) return &s->step_scores[i].scores;
    return FAIL("no %s", name), &none;
}

static int64_t count(const Scores *s)
{
    int64_t n = s->v ? 1 : 0;
    for (int k = 0; k < s->rank; k++) n *= s->dim[k];
    return n;
}

static void near_all(const char *what, const Scores *x, const Scores *y, double tolerance)
{
    CHECK_INT(count(x), count(y));
    for (int64_t i = 0; i < count(x) && i < count(y); i++) {
        double a = (double)x->v[i], b = (double)y->v[i];
        if (isnan(a) ? !isnan(b) : !(fabs(a - b) <= tolerance)) {
            FAIL("%s: [%" PRId64 "] %.9g and %.9g", what, i, a, b);
            return;
        }
    }
    test_count(count(x));
}

// ------------------------------------------------------------------------------------------ a pass of our own

typedef struct Own {
    const Lab *l;
    const Pair *p;
    int64_t S, T, d, V;
    float *x, *y; // [S,d], [T,d]
    Tape *t;
    Pass pass;
    Tensor *z; // [T,V]
} Own;

static Own own_pass(Arena *A, const Lab *l, const Pair *p)
{
    Own o = {.l = l,
             .p = p,
             .S = p->source.n,
             .T = p->target.n - 1,
             .d = l->f->width,
             .V = l->f->vocab,
             .t = tape_create(A)};
    o.x = arena_new(A, float, o.S *o.d), o.y = arena_new(A, float, o.T *o.d);
    nn_embed(l->m, p->source, false, o.x), nn_embed(l->m, (Ids){p->target.v, o.T}, true, o.y);
    return o;
}

static void own_forward(Own *o)
{
    tape_reset(o->t);
    Arena *a = tape_arena(o->t);
    int64_t *rows = arena_new(a, int64_t, o->T);
    for (int64_t j = 0; j < o->T; j++) rows[j] = j;
    nn_forward(o->l->m, o->t, tn_leaf(o->t, o->x, o->S, o->d, rows_make(a, 1, &o->S), true),
               tn_leaf(o->t, o->y, o->T, o->d, rows_make(a, 1, &o->T), true), NULL, &o->pass);
    o->z = nn_logits(o->l->m, o->t, &o->pass, rows, rows_make(a, 1, &o->T));
}

static double own_probability(const Own *o, int64_t c)
{
    return exp((double)o->z->f[c * o->V + o->p->target.v[c + 1]] - num_log_sum_exp(o->z->f + c * o->V, o->V));
}

// The gradient of column c's probability, by the formula p_y (e_y - p).
static void own_backward(Own *o, Arena *A, int64_t c)
{
    float *seed = arena_new(A, float, o->V);
    const float *z = o->z->f + c * o->V;
    int32_t word = o->p->target.v[c + 1], seq = 0;
    double all = num_log_sum_exp(z, o->V), p = exp((double)z[word] - all);
    for (int64_t v = 0; v < o->V; v++) seed[v] = (float)(p * ((v == word) - exp((double)z[v] - all)));
    tape_backward(o->t, o->z, layout_make(A, 1, &seq, &c, &(int64_t){1}), seed);
}

// ------------------------------------------------------------------------------------------ smooth_grad

static void by_hand_noise(Random *stream, double stdev, float *x, int64_t rows, int64_t d)
{
    for (int64_t i = 0; i < rows; i++) {
        double low = INFINITY, high = -INFINITY;
        for (int64_t j = 0; j < d; j++)
            low = fmin(low, (double)x[i * d + j]), high = fmax(high, (double)x[i * d + j]);
        for (int64_t j = 0; j < d; j++) x[i * d + j] += (float)(stdev * (high - low) * random_normal(stream));
    }
}

// Three samples: three noisy inputs, each differentiated alone.
TEST(beyond_smooth_grad_by_definition)
{
    static const char *const models[] = {"odd-marian", "t5-yesno-tiny"};
    static const char *const args[] = {
        "{\"n_samples\": 3, \"stdev\": 0.2, \"seed\": 7}",
        "{\"n_samples\": 3, \"stdev\": 0.2, \"seed\": 7, \"method\": \"input_x_gradient\"}"};
    for (int m = 0; m < 2; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
        for (int times = 0; times < 2; times++) {
            Sequence got = attributed(A, &l, "smooth_grad", args[times], true, &p);
            Scores *side[] = {&got.source_attributions, &got.target_attributions};
            int64_t n = count(side[0]), most = n + count(side[1]);
            double *want = arena_new(A, double, most), size = 0;
            for (int k = 0; k < 3; k++) {
                Own o = own_pass(A, &l, &p);
                Random stream;
                random_seed(&stream, 7u ^ 2654435761u * (uint32_t)(k + 1));
                by_hand_noise(&stream, 0.2, o.x, o.S, o.d), by_hand_noise(&stream, 0.2, o.y, o.T, o.d);
                own_forward(&o);
                for (int64_t c = 0; c < o.T; c++) {
                    own_backward(&o, A, c);
                    for (int64_t i = 0; i < o.S * o.d; i++)
                        want[(i / o.d * o.T + c) * o.d + i % o.d] +=
                            (double)o.pass.x->grad[i] * (times ? (double)o.x[i] : 1) / 3;
                    for (int64_t i = 0; i < (c + 1) * o.d; i++)
                        want[n + (i / o.d * o.T + c) * o.d + i % o.d] +=
                            (double)o.pass.y->grad[i] * (times ? (double)o.y[i] : 1) / 3;
                }
            }
            for (int64_t i = 0; i < most; i++) size = fmax(size, fabs(want[i]));
            for (int64_t i = 0; i < most; i++) {
                double v = (double)(i < n ? side[0]->v[i] : side[1]->v[i - n]);
                int64_t row = (i - n) / l.f->width / side[1]->dim[1],
                        column = (i - n) / l.f->width % side[1]->dim[1];
                if (i >= n && row > column) CHECK(isnan(v));
                else CHECK_NEAR(v, want[i], 2e-6 * size);
            }
        }
    }
}

// Without noise it is the gradient, with its sign; a little noise changes little; another seed, another noise.
TEST(beyond_smooth_grad_limits)
{
    Lab l;
    if (!lab_open(A, "odd-t5", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
    Sequence none = attributed(A, &l, "smooth_grad", "{\"n_samples\": 2, \"stdev\": 0}", true, &p),
             plain = attributed(A, &l, "saliency", "{\"abs\": false}", true, &p),
             product = attributed(A, &l, "input_x_gradient", NULL, true, &p),
             times =
                 attributed(A, &l, "smooth_grad",
                            "{\"n_samples\": 2, \"stdev\": 0, \"method\": \"input_x_gradient\"}", true, &p),
             one = attributed(A, &l, "smooth_grad", "{\"seed\": 1}", true, &p),
             two = attributed(A, &l, "smooth_grad", "{\"seed\": 2}", true, &p);
    near_all("source", &none.source_attributions, &plain.source_attributions, 0);
    near_all("target", &none.target_attributions, &plain.target_attributions, 0);
    near_all("product", &times.source_attributions, &product.source_attributions, 0);
    int64_t differ = 0, n = count(&one.source_attributions);
    for (int64_t i = 0; i < n; i++) differ += one.source_attributions.v[i] != two.source_attributions.v[i];
    CHECK(differ > n / 2);
}

// ------------------------------------------------------------------------------------------ shapley_sampling

enum { PLAYERS = 12 };

typedef struct Game { // the value of every coalition, by bits: source rows, then target rows
    int64_t n, row[PLAYERS], columns;
    bool target[PLAYERS];
    double *f; // [2^n, columns]
} Game;

static Game play(Arena *A, const Lab *l, const Pair *p)
{
    Game g = {.columns = p->target.n - 1};
    Own o = own_pass(A, l, p);
    float *x = o.x, *y = o.y, *unk = arena_new(A, float, 2 * o.d);
    int32_t id = tok_unk(l->t);
    nn_embed(l->m, (Ids){&id, 1}, false, unk), nn_embed(l->m, (Ids){&id, 1}, true, unk + o.d);
    for (int64_t i = 0; i < o.S; i++)
        if (p->source.v[i] != tok_eos(l->t) && g.n < PLAYERS) g.row[g.n++] = i;
    for (int64_t i = 1; i < o.T; i++)
        if (g.n < PLAYERS) g.row[g.n] = i, g.target[g.n++] = true;
    g.f = arena_new(A, double, (1 << g.n) * g.columns);
    for (int64_t set = 0; set < 1 << g.n; set++) {
        o.x = arena_new(A, float, o.S *o.d), o.y = arena_new(A, float, o.T *o.d);
        memcpy(o.x, x, (size_t)(o.S * o.d) * sizeof *x), memcpy(o.y, y, (size_t)(o.T * o.d) * sizeof *y);
        for (int64_t k = 0; k < g.n; k++)
            if (!(set >> k & 1))
                memcpy((g.target[k] ? o.y : o.x) + g.row[k] * o.d, unk + (g.target[k] ? o.d : 0),
                       (size_t)o.d * sizeof *x);
        own_forward(&o);
        for (int64_t c = 0; c < g.columns; c++) g.f[set * g.columns + c] = own_probability(&o, c);
    }
    return g;
}

// Shapley's formula: sum over coalitions without k of |C|! (n - |C| - 1)! / n! times what k adds; and its variance.
static double shapley(const Game *g, int64_t k, int64_t c, double *variance)
{
    int64_t n = 0;
    double sum = 0, square = 0;
    for (int64_t j = 0; j < g->n; j++) n += !g->target[j] || g->row[j] <= c; // whom the step sees
    for (int64_t set = 0; set < 1 << n; set++) {
        if (set >> k & 1) continue;
        int64_t size = __builtin_popcountll((unsigned long long)set);
        double weight = 1 / (double)n; // 1 / (n * C(n-1, size))
        for (int64_t j = 0; j < size; j++) weight *= (double)(j + 1) / (double)(n - 1 - j);
        double more = g->f[(set | (int64_t)1 << k) * g->columns + c] - g->f[set * g->columns + c];
        sum += weight * more, square += weight * more * more;
    }
    *variance = square - sum * sum;
    return sum;
}

// Against the exact values of all coalitions: within five standard errors, which are what the exact variances say.
TEST(beyond_shapley_is_exact_in_the_mean)
{
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "No.", "ja");
    Game g = play(A, &l, &p);
    CHECK(g.n > 3 && g.n < PLAYERS);
    Sequence got = attributed(A, &l, "shapley_sampling", "{\"n_samples\": 300, \"seed\": 3}", true, &p);
    const Scores *errors = step_score(&got, "standard_error");
    for (int64_t c = 0; c < g.columns; c++) {
        double largest = 0;
        for (int64_t k = 0; k < g.n; k++) {
            const float *v =
                run_cell(g.target[k] ? &got.target_attributions : &got.source_attributions, g.row[k], c);
            if (g.target[k] && g.row[k] > c) {
                CHECK(isnan(*v));
                continue;
            }
            double variance, mean = shapley(&g, k, c, &variance), error = sqrt(fmax(0, variance) / 300);
            CHECK_NEAR((double)*v, mean, 5 * error + 1e-7);
            largest = fmax(largest, error);
        }
        CHECK(largest > 0);
        CHECK_NEAR((double)errors->v[c], largest, 0.15 * largest);
    }
}

static double column_sum(const Sequence *s, int64_t c)
{
    double sum = 0;
    for (int64_t i = 0; i < s->source_attributions.dim[0]; i++)
        sum += (double)*run_cell(&s->source_attributions, i, c);
    for (int64_t i = 0; s->target_attributions.v && i <= c; i++)
        sum += (double)*run_cell(&s->target_attributions, i, c);
    return sum;
}

// Each order's differences add up to all of f(x) - f(x'), however few orders there are.
TEST(beyond_shapley_sums)
{
    static const char *const models[] = {"odd-marian", "odd-t5", "marian-en-nl"};
    static const char *const args[] = {"{\"n_samples\": 1, \"return_convergence_delta\": true}",
                                       "{\"n_samples\": 3, \"seed\": 5, \"return_convergence_delta\": true}"};
    for (int m = 0; m < 3; m++)
        for (int k = 0; k < 2; k++) {
            Lab l;
            if (!lab_open(A, models[m], &l)) return;
            Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
            Sequence s = attributed(A, &l, "shapley_sampling", args[k], true, &p);
            const Scores *d = step_score(&s, "deltas"), *errors = step_score(&s, "standard_error");
            for (int64_t c = 0; c < d->dim[0]; c++) {
                CHECK_NEAR((double)d->v[c], 0, 3e-7);
                CHECK_INT(isnan(errors->v[c]), k == 0);
                CHECK(fabs(column_sum(&s, c)) < 1);
            }
        }
}

// ------------------------------------------------------------------------------------------ attention

// The mean over heads of query i's weight of key j.
static double mean_weight(const Own *o, const Tensor *made, int64_t heads, int64_t i, int64_t j)
{
    int64_t nq, nk;
    const float *w = tn_attention_weights(o->t, made, 0, &nq, &nk);
    double sum = 0;
    for (int64_t h = 0; h < heads; h++) sum += (double)w[(h * nq + i) * nk + j] / (double)heads;
    return sum;
}

// How much of input k (source rows, then target rows) is in state i after `layers` layers, by going down all paths.
static double encoder_share(const Own *o, int64_t layers, int64_t i, int64_t k)
{
    if (!layers) return i == k;
    double sum = encoder_share(o, layers - 1, i, k) / 2;
    for (int64_t j = 0; j < o->S; j++)
        sum += mean_weight(o, o->pass.encoder_self[layers - 1], o->l->f->encoder_heads, i, j) *
               encoder_share(o, layers - 1, j, k) / 2;
    return sum;
}

static double decoder_share(const Own *o, int64_t layers, int64_t i, int64_t k)
{
    if (!layers) return o->S + i == k;
    double self = decoder_share(o, layers - 1, i, k) / 2, cross = 0;
    for (int64_t j = 0; j <= i; j++)
        self += mean_weight(o, o->pass.decoder_self[layers - 1], o->l->f->heads, i, j) *
                decoder_share(o, layers - 1, j, k) / 2;
    for (int64_t j = 0; k < o->S && j < o->S; j++)
        cross += mean_weight(o, o->pass.cross[layers - 1], o->l->f->heads, i, j) *
                 encoder_share(o, o->l->f->encoder_layers, j, k);
    return self / 2 + cross / 2;
}

TEST(beyond_rollout_by_paths)
{
    static const char *const models[] = {"odd-marian", "odd-t5", "t5-yesno-tiny"};
    for (int m = 0; m < 3; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        Pair p = lab_forced(A, &l, "No.", "ja, ja");
        Own o = own_pass(A, &l, &p);
        own_forward(&o);
        Sequence got = attributed(A, &l, "attention_rollout", NULL, true, &p),
                 source = attributed(A, &l, "attention_rollout", NULL, false, &p);
        near_all("source alone", &got.source_attributions, &source.source_attributions, 0);
        CHECK(!source.target_attributions.v);
        for (int64_t c = 0; c < o.T; c++) {
            double sum = 0;
            for (int64_t k = 0; k < o.S + o.T; k++) {
                const float *v = run_cell(k < o.S ? &got.source_attributions : &got.target_attributions,
                                          k < o.S ? k : k - o.S, c);
                if (k - o.S > c) CHECK(isnan(*v));
                else
                    CHECK_NEAR((double)*v, decoder_share(&o, l.f->decoder_layers, c, k), 1e-6),
                        sum += (double)*v;
            }
            CHECK_NEAR(sum, 1, 1e-5);
        }
    }
}

// One attention put together again from its heads' parts: | sum over j, h of a_h f_h(j) | in double, from the weights.
static void check_norms(Own *o, NnZero which, int64_t layer, const Scores *each, const Scores *whole)
{
    bool cross = which == ZERO_CROSS;
    int64_t nq, nk, H = o->l->f->heads;
    const Tensor *made = cross ? o->pass.cross[layer] : o->pass.decoder_self[layer];
    const Tensor *v = tn_attention_values(o->t, made), *w = nn_attention_output(o->l->m, which, layer);
    const float *p = tn_attention_weights(o->t, made, 0, &nq, &nk);
    int64_t d = w->cols / H;
    for (int64_t c = 0; c < nq; c++)
        for (int64_t j = 0; j < (cross ? nk : c + 1); j++) {
            double all = 0, *of = arena_new(tape_arena(o->t), double, H);
            for (int64_t k = 0; k < w->rows; k++) {
                double sum = 0;
                for (int64_t h = 0; h < H; h++) {
                    double f = 0;
                    for (int64_t n = 0; n < d; n++) {
                        float weight;
                        num_widen(&weight, w->raw, w->type, k * w->cols + h * d + n, 1);
                        f += (double)weight * (double)v->f[j * v->cols + h * d + n];
                    }
                    f *= (double)p[(h * nq + c) * nk + j];
                    sum += f, of[h] += f * f;
                }
                all += sum * sum;
            }
            for (int64_t h = 0; h < H; h++)
                CHECK_NEAR((double)run_cell(each, j, c)[layer * H + h], sqrt(of[h]),
                           2e-6 * (1 + sqrt(of[h])));
            CHECK_NEAR((double)run_cell(whole, j, c)[layer], sqrt(all), 2e-6 * (1 + sqrt(all)));
        }
}

TEST(beyond_attention_x_norm_by_definition)
{
    static const char *const models[] = {"odd-marian", "odd-t5", "marian-en-nl-bf16"};
    for (int m = 0; m < 3; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        Pair p = lab_forced(A, &l, "No, no.", "ja, ja");
        Own o = own_pass(A, &l, &p);
        own_forward(&o);
        Sequence each = attributed(A, &l, "attention_x_norm", NULL, true, &p),
                 whole = attributed(A, &l, "attention_x_norm", "{\"sum_heads\": true}", true, &p);
        CHECK_INT(each.source_attributions.rank, 4);
        CHECK_INT(whole.source_attributions.rank, 3);
        CHECK(isnan(*run_cell(&each.target_attributions, 1, 0)) &&
              isnan(*run_cell(&whole.target_attributions, 1, 0)));
        for (int64_t layer = 0; layer < l.f->decoder_layers; layer++) {
            check_norms(&o, ZERO_CROSS, layer, &each.source_attributions, &whole.source_attributions);
            check_norms(&o, ZERO_DECODER, layer, &each.target_attributions, &whole.target_attributions);
        }
    }
}

// One weight of one attention is changed: row i of what comes after it gets `by` times head h's part of value j.
typedef struct Nudge {
    const Own *o;
    NnZero which;
    int64_t layer, h, i, j;
    double by;
    const float *value; // [width] of a head
} Nudge;

static void nudge(Tensor *made, void *context)
{
    const Nudge *n = context;
    const Tensor *w = nn_attention_output(n->o->l->m, n->which, n->layer);
    int64_t d = w->cols / n->o->l->f->heads;
    for (int64_t k = 0; k < w->rows; k++) {
        double sum = 0;
        for (int64_t m = 0; m < d; m++) {
            float weight;
            num_widen(&weight, w->raw, w->type, k * w->cols + n->h * d + m, 1);
            sum += (double)weight * (double)n->value[m];
        }
        made->f[n->i * made->cols + k] += (float)(n->by * sum);
    }
}

// Differences of each step's probability when one weight of the attention is changed: out [T].
static void differences(Own *o, Arena *A, Nudge n, double *out)
{
    const Tensor *made = n.which == ZERO_CROSS ? o->pass.cross[n.layer] : o->pass.decoder_self[n.layer];
    const Tensor *v = tn_attention_values(o->t, made);
    int64_t d = v->cols / o->l->f->heads;
    n.value = memcpy(arena_new(A, float, d), v->f + n.j * v->cols + n.h * d, (size_t)d * sizeof(float));
    for (int side = 0; side < 2; side++) {
        n.by = side ? -0.02 : 0.02, n.o = o;
        tape_tap(o->t, nn_attention_output(o->l->m, n.which, n.layer), nudge, &n);
        own_forward(o);
        for (int64_t c = 0; c < o->T; c++) out[c] += (side ? -1 : 1) * own_probability(o, c) / 0.04;
    }
    tape_tap(o->t, NULL, NULL, NULL);
    own_forward(o);
}

// Against differences: every weight of every head and layer, changed one by one.
TEST(beyond_gradient_x_attention_by_differences)
{
    static const char *const models[] = {"odd-marian", "odd-t5"};
    for (int m = 0; m < 2; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        Pair p = lab_forced(A, &l, "No.", "ja");
        Own o = own_pass(A, &l, &p);
        own_forward(&o);
        Sequence got = attributed(A, &l, "gradient_x_attention", NULL, true, &p),
                 alone = attributed(A, &l, "gradient_x_attention", NULL, false, &p);
        near_all("source alone", &got.source_attributions, &alone.source_attributions, 1e-9);
        int64_t H = l.f->heads, L = l.f->decoder_layers;
        for (int side = 0; side < 2; side++) {
            const Scores *s = side ? &got.target_attributions : &got.source_attributions;
            double largest = 0;
            for (int64_t i = 0; i < count(s); i++)
                largest = isnan(s->v[i]) ? largest : fmax(largest, (double)s->v[i]);
            CHECK(largest > 0);
            for (int64_t layer = 0; layer < L; layer++)
                for (int64_t h = 0; h < H; h++)
                    for (int64_t j = 0; j < (side ? o.T : o.S); j++) {
                        double *want = arena_new(A, double, o.T);
                        for (int64_t i = side ? j : 0; i < o.T; i++) {
                            int64_t nq, nk;
                            const float *w = tn_attention_weights(
                                o.t, side ? o.pass.decoder_self[layer] : o.pass.cross[layer], 0, &nq, &nk);
                            double weight = (double)w[(h * nq + i) * nk + j],
                                   *slope = arena_new(A, double, o.T);
                            differences(&o, A,
                                        (Nudge){.which = side ? ZERO_DECODER : ZERO_CROSS,
                                                .layer = layer,
                                                .h = h,
                                                .i = i,
                                                .j = j},
                                        slope);
                            for (int64_t c = i; c < o.T; c++) want[c] += weight * fmax(0, slope[c]);
                        }
                        for (int64_t c = side ? j : 0; c < o.T; c++)
                            CHECK_NEAR((double)run_cell(s, j, c)[layer * H + h], want[c], 4e-3 * largest);
                    }
        }
    }
}

// ------------------------------------------------------------------------------------------ of all of them

// What a step gets does not depend on what comes after it.
TEST(beyond_causal)
{
    static const char *const method[] = {"smooth_grad",      "shapley_sampling",     "attention_rollout",
                                         "attention_x_norm", "gradient_x_attention", "alti",
                                         "alti_logit"};
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair whole = lab_forced(A, &l, "Is 4 even?", "yes, it is"), part = whole;
    part.target.n -= 2;
    for (int k = 0; k < 7; k++) {
        Sequence x = attributed(A, &l, method[k], "{\"n_samples\": 3}", true, &whole),
                 y = attributed(A, &l, method[k], "{\"n_samples\": 3}", true, &part);
        const Scores *a[] = {&x.source_attributions, &x.target_attributions},
                     *b[] = {&y.source_attributions, &y.target_attributions};
        for (int side = 0; side < 2; side++)
            for (int64_t i = 0; i < b[side]->dim[0]; i++)
                for (int64_t c = side ? i : 0; c < b[side]->dim[1]; c++)
                    for (int64_t j = 0; j < count(b[side]) / b[side]->dim[0] / b[side]->dim[1]; j++)
                        CHECK(run_cell(a[side], i, c)[j] == run_cell(b[side], i, c)[j]);
    }
}

TEST(beyond_arguments)
{
    static const char *const bad[][3] = {
        {"smooth_grad", "{\"n_samples\": 0}", "argument n_samples is 0"},
        {"smooth_grad", "{\"stdev\": -1}", "argument stdev is -1; it must be a number from 0"},
        {"smooth_grad", "{\"method\": \"lime\"}", "it must be saliency or input_x_gradient"},
        {"smooth_grad", "{\"seed\": 1.5}", "argument seed is 1.5"},
        {"attention_x_norm", "{\"sum_heads\": 1}",
         "argument sum_heads is a number; it must be true or false"},
        {"shapley_sampling", "{\"n_samples\": \"all\"}", "argument n_samples is a string"},
        {"shapley_sampling", "{\"seed\": -1}", "argument seed is -1"},
        {"shapley_sampling", "{\"perturbations_per_eval\": 0}", "argument perturbations_per_eval is 0"},
    };
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        Sequence s;
        AttrOptions o = attr_defaults();
        o.method = bad[i][0], o.method_args = json_parse(A, str_of(bad[i][1]), "arguments", &e);
        CHECK(!attr_run(A, l.m, &o, &p, 1, &s, &e));
        CHECK_HAS(e.text, bad[i][2]);
    }
}
