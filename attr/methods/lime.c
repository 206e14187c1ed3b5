// SPDX-License-Identifier: Apache-2.0
// lime.c — coefficients of a linear model of what happens when random tokens are masked. Ribeiro, Singh and
// Guestrin 2016, arXiv:1602.04938, as the library does it (semantics 3.9): a masked row holds the mask
// token's number in every component; samples weigh as many as they have components of the original; ridge
// regression, alpha 1, with intercept.
//
//   score[j,s,:] = coefficients of row j       X_a = m_a x + (1 - m_a) c      m_a [rows] drawn: 0 with mask_prob
// With p_j the weighted mean of m_aj a centred sample is (m_aj - p_j)(x_j - c), so the regression's dual
// needs only
//   G[a,b] = sqrt(w_a w_b) sum_j (m_aj - p_j)(m_bj - p_j) |x_j - c|^2      (G + I) alpha = sqrt(w) (f - mean f)
//   coefficient[j,:] = (x_j - c) sum_a alpha_a sqrt(w_a) (m_aj - p_j)
// The library draws new masks for each step; here one draw serves all steps, a pass each. Recorded masks
// (argument masks: for each step n_samples lists of a 0 or 1 for each token) bring back its numbers. Units larger than
// a token (units.c) have one mask for all their rows, between which the regression divides the unit's weight.
#include "../random.h"
#include "../run.h"

enum { SAMPLES = 50 }; // by default

typedef struct Lime {
    const Point *v;
    int64_t samples, most;
    double mask_prob;
    float number; // the mask token's
    uint32_t seed;
    const Json *masks;    // recorded ones, NULL: drawn
    const Units *units;   // [pairs]
    bool **keep;          // [pairs] [draws, rows]: source rows, then target rows
    double *f;            // [steps, samples]
    int64_t *first_point; // [pairs]
} Lime;

static int64_t source_rows(const Run *r, int64_t p) { return r->sources ? r->pair[p].source.n : 0; }
static int64_t all_rows(const Run *r, int64_t p)
{
    return source_rows(r, p) + (run_wants_target(r) ? r->pair[p].target.n - 1 : 0);
}

// ------------------------------------------------------------------------------------------ masks

static bool bad_masks(const Run *r, int64_t p, Err *e)
{
    return err_set(e,
                   "lime: argument masks must hold n_samples lists for each of the %" PRId64
                   " steps, each of %" PRId64 " numbers 0 or 1",
                   r->to[p] - r->from[p], all_rows(r, p));
}

// A step's masks may end with what it sees of the target (the library's do).
static bool read_masks(const Run *r, const Lime *c, int64_t p, bool *keep, Err *e)
{
    int64_t rows = all_rows(r, p), draws = (r->to[p] - r->from[p]) * c->samples, n = 0;
    if (c->masks->kind != J_ARRAY || (int64_t)c->masks->count != draws) return bad_masks(r, p, e);
    for (const Json *m = c->masks->child; m; m = m->next, n++, keep += rows) {
        int64_t seen = source_rows(r, p) + (run_wants_target(r) ? r->from[p] + n / c->samples : 0), k = 0;
        if (m->kind != J_ARRAY || (int64_t)m->count < seen || (int64_t)m->count > rows)
            return bad_masks(r, p, e);
        for (const Json *v = m->child; v; v = v->next) {
            if (!v->is_int || v->i < 0 || v->i > 1) return bad_masks(r, p, e);
            keep[k++] = v->i == 1;
        }
        while (k < rows) keep[k++] = true;
    }
    return true;
}

static bool make_masks(Run *r, Lime *c, Err *e)
{
    Random *stream = arena_new(r->work, Random, 1);
    c->keep = arena_new(r->work, bool *, r->n);
    for (int64_t p = 0; p < r->n; p++) {
        int64_t rows = all_rows(r, p), draws = c->samples * (c->masks ? r->to[p] - r->from[p] : 1);
        bool *keep = c->keep[p] = arena_new(r->work, bool, (draws * rows));
        random_seed(stream, c->seed);
        if (c->masks && !read_masks(r, c, p, keep, e)) return false;
        for (int64_t i = 0; !c->masks && i < draws; i++, keep += rows)
            for (const Unit *u = c->units[p].v; u < c->units[p].v + c->units[p].n; u++) {
                bool kept = random_uniform(stream) >= c->mask_prob;
                for (int64_t k = u->from; k < u->to; k++)
                    keep[(u->target ? source_rows(r, p) : 0) + k] = kept;
            }
    }
    return true;
}

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Lime *c = context;
    int64_t p = c->v[i].pair, S = source_rows(r, p), d = r->width;
    const bool *keep = c->keep[p] + (i - c->first_point[p]) * all_rows(r, p);
    for (int64_t k = 0; x && k < S * d; k++)
        if (!keep[k / d]) x[k] = c->number;
    for (int64_t k = 0; y && k < (r->pair[p].target.n - 1) * d; k++)
        if (!keep[S + k / d]) y[k] = c->number;
}

static void value(Run *r, void *context, int64_t i, int64_t column, double f)
{
    Lime *c = context;
    int64_t p = c->v[i].pair;
    c->f[(r->first_step[p] + column) * c->samples + (i - c->first_point[p]) % c->samples] = f;
}

// ------------------------------------------------------------------------------------------ regression

// Solves (G + 1) x = b in place of b, G [n, n] symmetric: Cholesky's L takes its place.
static void solve(double *g, double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = g[i * n + j] + (i == j ? 1 : 0);
            for (int64_t k = 0; k < j; k++) sum -= g[i * n + k] * g[j * n + k];
            g[i * n + j] = i == j ? __builtin_sqrt(sum) : sum / g[j * n + j];
        }
        for (int64_t k = 0; k < i; k++) b[i] -= g[i * n + k] * b[k];
        b[i] /= g[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t k = i + 1; k < n; k++) b[i] -= g[k * n + i] * b[k];
        b[i] /= g[i * n + i];
    }
}

static const float *row_of(const Run *r, int64_t p, int64_t j)
{
    int64_t S = source_rows(r, p);
    return j < S ? run_x(r, p) + j * r->width : run_y(r, p) + (j - S) * r->width;
}

// One step: keep [samples, all rows], f [samples]; the first `rows` rows were there.
static void regress(Run *r, const Lime *c, int64_t p, int64_t column, int64_t rows, const bool *keep,
                    const double *f)
{
    Arena *a = arena_create(r->work);
    int64_t n = c->samples, d = r->width, stride = all_rows(r, p), S = source_rows(r, p);
    double *w = arena_new(a, double, n), *root = arena_new(a, double, n), *b = arena_new(a, double, n),
           *G = arena_new(a, double, (n * n));
    double *mean = arena_new(a, double, rows), *size = arena_new(a, double, rows),
           *same = arena_new(a, double, rows), sum = 0, mean_f = 0;
    for (int64_t j = 0; j < rows; j++)
        for (int64_t k = 0; k < d; k++) {
            double off = (double)row_of(r, p, j)[k] - (double)c->number;
            size[j] += off * off, same[j] += off == 0;
        }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < rows; j++) w[i] += keep[i * stride + j] ? (double)d : same[j];
        sum += w[i], mean_f += w[i] * f[i], root[i] = __builtin_sqrt(w[i]);
        for (int64_t j = 0; j < rows; j++) mean[j] += keep[i * stride + j] ? w[i] : 0;
    }
    if (sum > 0) mean_f /= sum;
    for (int64_t j = 0; j < rows && sum > 0; j++) mean[j] /= sum;
    for (int64_t i = 0; i < n; i++) {
        b[i] = root[i] * (f[i] - mean_f);
        for (int64_t k = 0; k <= i; k++) {
            double dot = 0;
            for (int64_t j = 0; j < rows; j++)
                dot += ((double)keep[i * stride + j] - mean[j]) * ((double)keep[k * stride + j] - mean[j]) *
                       size[j];
            G[i * n + k] = root[i] * root[k] * dot;
        }
    }
    solve(G, b, n);
    for (int64_t j = 0; j < rows; j++) {
        Scores *s = j < S ? &r->out[p].source_attributions : &r->out[p].target_attributions;
        double factor = 0;
        for (int64_t i = 0; i < n; i++) factor += b[i] * root[i] * ((double)keep[i * stride + j] - mean[j]);
        float *out = run_cell(s, j < S ? j : j - S, column);
        for (int64_t k = 0; k < d; k++)
            out[k] = (float)(((double)row_of(r, p, j)[k] - (double)c->number) * factor);
    }
    arena_free(a);
}

static bool read_arguments(Run *r, Lime *c, Err *e)
{
    static const char *const tokens[] = {"unk", "pad"};
    static const Argument of_units[] = {ARG_UNITS};
    Units *units;
    *c = (Lime){.samples = arg_int(r, "n_samples", SAMPLES, 1, 5000, e),
                .most = arg_int(r, "perturbations_per_eval", 0, 1, INT32_MAX, e),
                .mask_prob = arg_real(r, "mask_prob", 0.3, 0, 1, e),
                .seed = (uint32_t)arg_int(r, "seed", 0, 0, UINT32_MAX, e),
                .masks = attr_argument(r->o, "masks")};
    bool pad = arg_choice(r, "mask_token", 0, tokens, 2, e) == 1;
    if ((e && e->set) || !run_units(r, &units, e)) return false;
    for (int k = 0; c->masks && k < 3; k++)
        if (attr_argument(r->o, of_units[k].name))
            return err_set(e, "lime: masks are given token by token; %s does not go with them",
                           of_units[k].name);
    c->units = units;
    int32_t id = pad || r->o->unk < 0 ? r->f->pad : r->o->unk;
    if (id < 0)
        return err_set(e, "lime: %s has no %s token; mask_token %s would do", r->f->name, tokens[pad],
                       tokens[!pad]);
    c->number = (float)id;
    return true;
}

static bool run(Run *r, Err *e)
{
    Lime c;
    if (!read_arguments(r, &c, e) || !make_masks(r, &c, e)) return false;
    Point *v = arena_new(r->work, Point, (c.masks ? r->n_steps : r->n) * c.samples);
    int64_t n = 0;
    c.first_point = arena_new(r->work, int64_t, r->n);
    for (int64_t p = 0; p < r->n; p++) {
        c.first_point[p] = n;
        for (int64_t s = r->from[p]; s < (c.masks ? r->to[p] : r->from[p] + 1); s++)
            for (int64_t i = 0; i < c.samples; i++)
                v[n++] = (Point){.pair = p,
                                 .from = s,
                                 .to = c.masks ? s + 1 : r->to[p],
                                 .moves_x = r->sources != NULL,
                                 .moves_y = run_wants_target(r)};
    }
    c.v = v, c.f = arena_new(r->work, double, r->n_steps *c.samples);
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    if (!run_points(r, &(Points){.v = v, .n = n, .most = c.most, .context = &c, .fill = fill, .value = value},
                    e))
        return false;
    for (int64_t k = 0; k < r->n_steps; k++) {
        int64_t p = r->step_pair[k], column = k - r->first_step[p], s = r->from[p] + column;
        const bool *keep = c.keep[p] + (c.masks ? column * c.samples * all_rows(r, p) : 0);
        regress(r, &c, p, column, source_rows(r, p) + (run_wants_target(r) ? s : 0), keep,
                c.f + k * c.samples);
    }
    return true;
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    Lime c;
    Point v = passes_whole(r, pair);
    if (!read_arguments(r, &c, e)) return false;
    for (int64_t s = r->from[pair]; s < (c.masks ? r->to[pair] : r->from[pair] + 1); s++) {
        v.from = s, v.to = c.masks ? s + 1 : r->to[pair];
        passes_add(r, &v, (double)c.samples, false, p);
    }
    return true;
}

const Method method_lime = {
    .light = true,
    .name = "lime",
    .summary = "linear model of what random masks do",
    .paper = "Ribeiro et al. 2016, arXiv:1602.04938",
    .formula = "score[j,s,:] = coefficients of row j in a ridge regression (alpha 1)\n"
               "               of f_s(z) on z, n_samples masked inputs\n"
               "z[j,:]: x[j,:] or, with probability mask_prob, the mask token's number",
    .when = "A linear model of what random masks do to the value. Here to repeat the library's numbers, two "
            "of whose choices are odd: a masked embedding is filled with the mask token's number, and "
            "special tokens are masked too. For a linear model of tokens left out take kernel_shap.",
    .arguments = (const Argument[]){{"n_samples", "50", "masks"},
                                    ARG_MOST,
                                    {"mask_prob", "0.3", "how likely a token is masked"},
                                    {"mask_token", "\"unk\"", "whose number is put there: unk or pad"},
                                    ARG_SEED,
                                    {"masks", NULL,
                                     "recorded masks instead of drawn ones: n_samples lists for each step, "
                                     "of a 0 or 1 for each token"},
                                    ARG_UNITS,
                                    {0}},
    .no_gradient = true,
    .cost = "1 + n_samples forwards",
    .passes = passes,
    .run = run,
};
