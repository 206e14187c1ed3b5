// SPDX-License-Identifier: Apache-2.0
// alti.c — how much of each token is in each state, by what attention makes of it: aggregation of layer-wise token-to-token
// interactions. Ferrando, Gállego and Costa-jussà 2022, arXiv:2203.04212; through encoder and decoder (ALTI+): Ferrando,
// Gállego, Alastruey, Escolano and Costa-jussà 2022, arXiv:2205.11631.
//
// An attention block's result is a sum of vectors, one for each token j that row i looks at:
//   y_i = sum over j of T_i(x_j) + biases      T_i(x_j) = N_i(sum over h of a_h[i,j] f_h(j)), + N_i(x_i) where j = i
//   c[i,j] = max(0, |y_i| - |y_i - T_i(x_j)|), then divided by the sum over j           |.| the sum of magnitudes
// f_h(j): value j of head h through its part of the output matrix. N_i: where the norm follows the block (Marian), that
// norm as the linear map that it is for row i, its scale a constant and its bias left out, as in Kobayashi et al. 2021,
// arXiv:2109.07152; where the norm comes before the values (T5), nothing. A norm or a factor that attention's result has of
// its own before it is added (Gemma 2, Granite) is taken in the same way. In cross-attention the residual connection is
// one more vector, N_i(x_i), and so is what the prefix is left with. Shares are multiplied through the layers (mixing.c);
// feed-forward layers work on each row alone and move no shares. A row in which nothing points its own result's way stays
// what it was.
//   source [S, n]  row s-1 of X        target [T, n]  row s-1 of Y        together each column adds up to 1
// Without attribute_target the source's shares are shown as they are: what they lack of 1 is the prefix's.
#include "alti.h"

Alti alti_streams(Run *r)
{
    Alti x = {0};
    int64_t n;
    if (r->sources) x.encoder = nn_stream(r->work, r->m, r->tape, &r->pass, false, &n);
    x.decoder = nn_stream(r->work, r->m, r->tape, &r->pass, true, &x.n_decoder);
    x.each = x.n_decoder / r->f->decoder_layers, x.width = x.decoder->x->cols;
    return x;
}

int64_t alti_step(const Alti *x, const Block *b)
{
    return b->which == ZERO_ENCODER ? 2 * b->layer : x->each * b->layer + (b->which == ZERO_CROSS);
}

typedef struct Work {
    const Block *b;
    const AltiProducts *products;
    NormParts norm, own;
    bool post, inner; // a norm follows the sum; and what attention gives has a norm of its own (Gemma 2)
    float factor;     // that it is multiplied by (Granite)
    const float *y;   // [nq, D] the block's result
    float *x, *f;     // [nq, D] its input, [nk, heads, D]: both without the row's scale
    float *t, *c;     // [nq, D] room for a vector of each row; [nq, nk + 1]
    int64_t D;
} Work;

static double size(const float *y, int64_t n)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += (double)__builtin_fabsf(y[k]);
    return sum;
}

static double distance(const float *y, const float *t, int64_t n)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += (double)__builtin_fabsf(y[k] - t[k]);
    return sum;
}

// n rows times the norm's gains, centred if it centres.
static void linear(float *x, const NormParts *p, int64_t n, int64_t D)
{
    for (; n > 0; n--, x += D) {
        double mean = 0;
        for (int64_t k = 0; p->b && k < D; k++) mean += (double)x[k] / (double)D;
        for (int64_t k = 0; k < D; k++) x[k] = (x[k] - (float)mean) * p->g[k];
    }
}

static void row_shares(int64_t i, void *context)
{
    const Work *w = context;
    const Block *b = w->b;
    const AltiProducts *p = w->products;
    int64_t D = w->D, own = b->which == ZERO_CROSS ? b->nk : i;
    int64_t last = b->which == ZERO_CROSS ? b->nk : b->which == ZERO_DECODER ? i : b->nk - 1;
    const float *y = w->y + i * D, *x = w->x + i * D;
    float *t = w->t + i * D, *c = w->c + i * (b->nk + 1);
    float scale = w->post ? w->norm.scale[(b->first_query + i) * w->norm.stride] : 1;
    float given = scale * w->factor * (w->inner ? w->own.scale[(b->first_query + i) * w->own.stride] : 1);
    double all = size(y, D), sum = 0;
    for (int64_t j = 0; j <= last; j++) {
        for (int64_t k = 0; k < D; k++) t[k] = 0;
        for (int64_t h = 0; j < b->nk && h < b->heads; h++)
            num_axpy(t, given * b->weights[(h * b->nq + i) * b->nk + j], w->f + (j * b->heads + h) * D, D);
        if (p && j < b->nk && i >= p->first && i < p->first + p->n)
            p->out[(i - p->first) * b->nk + j] = num_dot(p->u + (i - p->first) * D, t, D);
        if (j == own) num_axpy(t, scale, x, D);
        double share = all - distance(y, t, D);
        sum += share > 0 ? share : 0, c[j] = share > 0 ? (float)share : 0;
    }
    for (int64_t j = 0; sum > 0 && j <= last; j++) c[j] = (float)((double)c[j] / sum);
    if (!(sum > 0)) c[own] = 1;
}

void alti_shares(Run *r, const Alti *x, const Block *b, const AltiProducts *products, float *c)
{
    Arena *a = arena_create(r->work);
    int64_t D = b->width, rows = b->nq * D, at = b->first_query * D;
    const StreamStep *s = (b->which == ZERO_ENCODER ? x->encoder : x->decoder) + alti_step(x, b);
    Work w = {.b = b, .products = products, .D = D, .c = c, .y = s->out->f + at};
    w.post = tn_norm_parts(r->tape, s->out, &w.norm);
    w.f = mixing_transformed(r, a, b);
    w.factor = s->factor, w.own = s->norm, w.inner = s->norm.g != NULL;
    if (w.inner) linear(w.f, &w.own, b->nk * b->heads, D);
    w.t = arena_new_raw(a, float, rows), w.x = arena_new_raw(a, float, rows);
    for (int64_t k = 0; k < rows; k++) w.x[k] = s->x->f[at + k];
    if (w.post) linear(w.f, &w.norm, b->nk * b->heads, D), linear(w.x, &w.norm, b->nq, D);
    pool_run(b->nq, row_shares, &w);
    arena_free(a);
}

static void shares(Run *r, void *context, const Mixing *before, const Block *b, float *c)
{
    (void)before;
    alti_shares(r, context, b, NULL, c);
}

static bool run(Run *r, Err *e)
{
    (void)e;
    run_scores(r, 0, NULL, OUT_COARSE);
    Alti x = alti_streams(r);
    for (int64_t i = 0; i < r->n; i++) {
        Arena *w = arena_create(r->work);
        Mixing m = mixing_roll(r, w, i, shares, &x);
        mixing_show(r, i, &m);
        arena_free(w);
        if (r->o->progress)
            r->o->progress(r->o->context, r->first_step[i] + r->to[i] - r->from[i], r->n_steps);
    }
    return true;
}

const Method method_alti = {
    .name = "alti",
    .summary = "shares of source and prefix (together 1): what attention takes from each, in all layers",
    .paper = "Ferrando et al. 2022, arXiv:2203.04212, arXiv:2205.11631",
    .formula = "c[i,j] = max(0, |y_i| - |y_i - T_i(x_j)|), divided by its sum over j\n"
               "y_i: an attention block's result; T_i(x_j): what row j brings to it\n"
               "score[i,s]: c multiplied through all layers, at row s-1",
    .when =
        "Shares of source and prefix in each prediction, together 1: the way to see whether a translation "
        "follows its source or its own words (hallucinations lean on the prefix). One forward, no gradient, "
        "no baseline; shares have no sign, and what feed-forward layers do is left out.",
    .no_gradient = true,
    .cost = "1 forward",
    .run = run,
};
