// SPDX-License-Identifier: Apache-2.0
// kernel_shap.c — Shapley's values as the coefficients of a linear model of coalitions. Lundberg and Lee 2017,
// arXiv:1705.07874; in pairs with their complements as Covert and Lee 2021, arXiv:2012.01536, do.
//
//   phi = argmin sum_z w(z) (f_s(z) - f_s(none) - z phi)^2      where sum_i phi_i = f_s(x) - f_s(none)
// The weight of a coalition of k of n players is 1 / (k (n - k) C(n, k)). If all 2^n - 2 coalitions fit n_samples they
// are run, and phi are Shapley's values; otherwise as many are drawn as that weight says, and count 1 each.
//
// A pass serves all steps, though earlier ones see fewer players m: in a coalition drawn by the weight for n the first m
// are drawn by the weight for m, since sum_j C(n-m, j) B(k+j, n-k-j) = B(k, m-k). Those with all or none of them say nothing.
#include "../random.h"
#include "players.h"

enum { SAMPLES = 100, MOST_PLAYERS = 20 }; // by default; of whom all coalitions may be run

typedef struct Kernel {
    Coalitions *c;   // [pairs] nobody first, then the drawn
    double **weight; // [pairs] [c->n], that of nobody 0
    int64_t most;    // of a pass, 0: any
} Kernel;

// ------------------------------------------------------------------------------------------ coalitions

static double kernel(int64_t n, int64_t k) // up to a factor
{
    double w = 1 / ((double)k * (double)(n - k));
    for (int64_t j = 0; j < k; j++) w *= (double)(j + 1) / (double)(n - j);
    return w;
}

// A size by the weight of all coalitions of that size, 1 / (k (n - k)).
static int64_t draw_size(Random *stream, int64_t n)
{
    double all = 0, below = 0, at = random_uniform(stream);
    for (int64_t k = 1; k < n; k++) all += 1 / ((double)k * (double)(n - k));
    for (int64_t k = 1; k < n - 1; k++)
        if (at * all < (below += 1 / ((double)k * (double)(n - k)))) return k;
    return n - 1;
}

static void draw(Random *stream, int64_t n, int64_t *order, bool *in)
{
    int64_t size = draw_size(stream, n);
    for (int64_t k = 0; k < n; k++) order[k] = k;
    for (int64_t k = 0; k < size; k++) {
        int64_t j = k + (int64_t)(random_uniform(stream) * (double)(n - k)), chosen = order[j];
        order[j] = order[k], order[k] = chosen, in[chosen] = true;
    }
}

static void choose(Run *r, Kernel *all, int64_t p, const Units *players, int64_t samples, uint32_t seed)
{
    int64_t n = players->n;
    bool every = n < 2 || (n <= MOST_PLAYERS && ((int64_t)1 << n) - 2 <= samples);
    Coalitions *c = &all->c[p];
    *c = (Coalitions){.players = players, .n = 1 + (n < 2 ? 0 : every ? ((int64_t)1 << n) - 2 : samples)};
    c->in = arena_new(r->work, bool, c->n *(n + 1));
    double *w = all->weight[p] = arena_new(r->work, double, c->n);
    int64_t *order = arena_new(r->work, int64_t, n + 1);
    Random *stream = arena_new(r->work, Random, 1);
    random_seed(stream, seed);
    for (int64_t i = 1; i < c->n; i++) {
        bool *in = c->in + i * n;
        int64_t size = 0;
        if (!every && i % 2) draw(stream, n, order, in);
        for (int64_t k = 0; k < n; k++) {
            if (every) in[k] = i >> k & 1;
            else if (i % 2 == 0) in[k] = !in[k - n];
            size += in[k];
        }
        w[i] = every ? kernel(n, size) : 1;
    }
}

// ------------------------------------------------------------------------------------------ regression

// Cholesky's L of a symmetric A [n, n] in its place.
static void factor(double *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double sum = a[i * n + j];
            for (int64_t k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = i == j ? __builtin_sqrt(sum) : sum / a[j * n + j];
        }
}

static void solve(const double *l, double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < i; k++) b[i] -= l[i * n + k] * b[k];
        b[i] /= l[i * n + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t k = i + 1; k < n; k++) b[i] -= l[k * n + i] * b[k];
        b[i] /= l[i * n + i];
    }
}

// One step that sees the first m players: A = mean z z', b = mean z (f - f(none)); phi = A^-1 (b - t), with t the number
// that makes the sum `whole`. Too few coalitions leave A without an inverse; a ridge that is no more than rounding gives
// players whom they don't tell apart the same then.
static void regress(Run *r, const Coalitions *c, const double *w, int64_t p, int64_t column, int64_t m,
                    double whole)
{
    Arena *a = arena_create(r->work);
    int64_t n = c->players->n, columns = r->to[p] - r->from[p];
    double *A = arena_new(a, double, m *m), *b = arena_new(a, double, m), *one = arena_new(a, double, m),
           sum = 0, of_b = 0, of_one = 0;
    for (int64_t i = 1; i < c->n; i++) {
        const bool *in = c->in + i * n;
        int64_t size = 0;
        for (int64_t k = 0; k < m; k++) size += in[k];
        if (!size || size == m) continue;
        sum += w[i];
        for (int64_t k = 0; k < m; k++) {
            if (!in[k]) continue;
            b[k] += w[i] * (c->f[i * columns + column] - c->f[column]);
            for (int64_t j = 0; j <= k; j++) A[k * m + j] += in[j] ? w[i] : 0;
        }
    }
    for (int64_t k = 0; k < m; k++) {
        for (int64_t j = 0; j <= k; j++) A[k * m + j] /= sum > 0 ? sum : 1;
        b[k] /= sum > 0 ? sum : 1, one[k] = 1, A[k * m + k] += 1e-10;
    }
    factor(A, m), solve(A, b, m), solve(A, one, m);
    for (int64_t k = 0; k < m; k++) of_b += b[k], of_one += one[k];
    for (int64_t k = 0; k < m; k++)
        players_score(r, p, &c->players->v[k], column, b[k] - one[k] * (of_b - whole) / of_one);
    arena_free(a);
}

// ------------------------------------------------------------------------------------------ the method

static bool read_and_choose(Run *r, Kernel *k, float **bx, float **by, Err *e)
{
    Units *players;
    int64_t samples = arg_int(r, "n_samples", SAMPLES, 2, 1 << 20, e);
    uint32_t seed = (uint32_t)arg_int(r, "seed", 0, 0, UINT32_MAX, e);
    k->most = arg_int(r, "perturbations_per_eval", 0, 1, INT32_MAX, e);
    if ((e && e->set) || !run_baseline(r, bx, by, e) || !players_find(r, *bx, *by, &players, e)) return false;
    k->c = arena_new(r->work, Coalitions, r->n), k->weight = arena_new(r->work, double *, r->n);
    for (int64_t p = 0; p < r->n; p++) choose(r, k, p, &players[p], samples, seed);
    return true;
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Kernel k;
    if (!read_and_choose(r, &k, &bx, &by, e) || !coalitions_run(r, bx, by, k.c, k.most, e)) return false;
    double *whole = arena_new(r->work, double, r->n_steps);
    run_values(r, r->logits, whole);
    players_scores(r);
    for (int64_t s = 0; s < r->n_steps; s++) {
        int64_t p = r->step_pair[s], column = s - r->first_step[p], m = 0;
        const Units *all = k.c[p].players;
        while (m < all->n && unit_rows(&all->v[m], r->from[p] + column)) m++;
        if (m) regress(r, &k.c[p], k.weight[p], p, column, m, whole[s] - k.c[p].f[column]);
    }
    return true;
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    float *bx, *by;
    Kernel k;
    if (!read_and_choose(r, &k, &bx, &by, e)) return false;
    coalitions_passes(r, pair, &k.c[pair], p);
    return true;
}

const Method method_kernel_shap = {
    .name = "kernel_shap",
    .summary = "Shapley's values by a linear model of random coalitions",
    .paper = "Lundberg and Lee 2017, arXiv:1705.07874",
    .formula = "score[.,s] = argmin over phi of sum_z w(z) (f_s(z) - f_s(none) - z . phi)^2\n"
               "             where phi sums to f_s(x) - f_s(none)\n"
               "z: coalitions, k of n tokens; w = 1 / (k (n - k) C(n, k))",
    .when = "The same values as shapley_sampling by regression: for few units (all 2^n coalitions are run "
            "where they fit n_samples) exact. With units word or sentence a long text has few.",
    .arguments = (const Argument[]){{"n_samples", "100", "coalitions"}, ARG_MOST, ARG_SEED, ARG_UNITS, {0}},
    .no_gradient = true,
    .cost = "2 + n_samples forwards; all coalitions of n, 2^n, if fewer",
    .passes = passes,
    .run = run,
};
