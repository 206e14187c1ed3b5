// SPDX-License-Identifier: Apache-2.0
// sobol.c — the share of the value's variance that a token has when random tokens are taken away. Fel, Cadène, Chalvidal,
// Cord, Vigouroux and Serre 2021, arXiv:2111.04138; Jansen's estimators as Interpreto has them.
//
//   total:  score[i,s] = mean (f_s(A) - f_s(C_i))^2 / (2 var f_s(A))          with all it does together with others
//   first:  score[i,s] = 1 - mean (f_s(B) - f_s(C_i))^2 / (2 var f_s(A))      alone
// A and B are n_samples masks over the tokens, C_i is A with column i from B; a masked token is its baseline. Where both
// have the same there C_i is A, and takes no pass. Columns are drawn by Latin hypercube: one number in each n_samples-th
// of [0, 1), in random order, and below a half the token stays. Each has a stream of its own, so that no step's score
// depends on the tokens after it: to a step, masks of later tokens are nothing. var is over n_samples - 1; where it is 0,
// nothing has a share.
#include "../random.h"
#include "players.h"

enum { SAMPLES = 32 }; // by default

typedef struct Masks {
    Coalitions *c;         // [pairs] A, B, and of every C_i what is not in A
    int64_t **at;          // [pairs] [players, samples] where f(C_i) is
    int64_t samples, most; // most: of a pass, 0: any
    bool first;
} Masks;

// Column i of A (which 0) or B (1).
static void draw(Random *stream, uint32_t seed, int64_t i, int which, int64_t n, int64_t *order, bool *in,
                 int64_t stride)
{
    random_seed(stream, seed ^ 2654435761u * (uint32_t)(2 * i + which + 1));
    for (int64_t k = 0; k < n; k++) order[k] = k;
    for (int64_t k = n - 1; k > 0; k--) {
        int64_t j = (int64_t)(random_uniform(stream) * (double)(k + 1)), other = order[j];
        order[j] = order[k], order[k] = other;
    }
    for (int64_t k = 0; k < n; k++)
        in[k * stride] = 2 * ((double)order[k] + random_uniform(stream)) < (double)n;
}

static void choose(Run *r, Masks *m, int64_t p, const Units *players, uint32_t seed)
{
    int64_t n = m->samples, players_n = players->n;
    Coalitions *c = &m->c[p];
    *c = (Coalitions){.players = players, .n = 2 * n};
    Random *stream = arena_new(r->work, Random, 1);
    int64_t *order = arena_new(r->work, int64_t, n),
            *at = m->at[p] = arena_new(r->work, int64_t, players_n * n);
    bool *A = arena_new(r->work, bool, 2 * n * players_n), *B = A + n * players_n;
    for (int64_t i = 0; i < players_n; i++) {
        draw(stream, seed, i, 0, n, order, A + i, players_n);
        draw(stream, seed, i, 1, n, order, B + i, players_n);
        for (int64_t k = 0; k < n; k++)
            at[i * n + k] = A[k * players_n + i] == B[k * players_n + i] ? k : c->n++;
    }
    c->in = arena_new(r->work, bool, c->n *players_n);
    for (int64_t k = 0; k < 2 * n * players_n; k++) c->in[k] = A[k];
    for (int64_t i = 0; i < players_n; i++)
        for (int64_t k = 0; k < n; k++) {
            bool *in = c->in + at[i * n + k] * players_n;
            for (int64_t j = 0; j < players_n && at[i * n + k] != k; j++)
                in[j] = (j == i ? B : A)[k * players_n + j];
        }
}

static bool read_and_choose(Run *r, Masks *m, float **bx, float **by, Err *e)
{
    static const char *const orders[] = {"total", "first"};
    Units *players;
    m->most = arg_int(r, "perturbations_per_eval", 0, 1, INT32_MAX, e);
    m->first = arg_choice(r, "order", 0, orders, 2, e) == 1;
    m->samples = arg_int(r, "n_samples", SAMPLES, 2, 100000, e);
    uint32_t seed = (uint32_t)arg_int(r, "seed", 0, 0, UINT32_MAX, e);
    if ((e && e->set) || !run_baseline(r, bx, by, e) || !players_find(r, *bx, *by, &players, e)) return false;
    m->c = arena_new(r->work, Coalitions, r->n), m->at = arena_new(r->work, int64_t *, r->n);
    for (int64_t p = 0; p < r->n; p++) choose(r, m, p, &players[p], seed);
    return true;
}

static double variance(const double *f, int64_t n, int64_t stride)
{
    double mean = 0, square = 0;
    for (int64_t k = 0; k < n; k++) mean += f[k * stride] / (double)n;
    for (int64_t k = 0; k < n; k++) square += (f[k * stride] - mean) * (f[k * stride] - mean);
    return square / (double)(n - 1);
}

static void indices(Run *r, const Masks *m, int64_t p, int64_t column, bool first)
{
    const Coalitions *c = &m->c[p];
    int64_t n = m->samples, columns = r->to[p] - r->from[p];
    const double *f = c->f + column, *own = first ? f + n * columns : f; // of B, or of A
    double var = variance(f, n, columns);
    for (int64_t i = 0; i < c->players->n; i++) {
        double square = 0;
        for (int64_t k = 0; k < n; k++) {
            double change = own[k * columns] - f[m->at[p][i * n + k] * columns];
            square += change * change;
        }
        double share = var > 0 ? square / (double)n / (2 * var) : 0;
        players_score(r, p, &c->players->v[i], column, first && var > 0 ? 1 - share : share);
    }
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Masks m;
    if (!read_and_choose(r, &m, &bx, &by, e) || !coalitions_run(r, bx, by, m.c, m.most, e)) return false;
    players_scores(r);
    for (int64_t s = 0; s < r->n_steps; s++)
        indices(r, &m, r->step_pair[s], s - r->first_step[r->step_pair[s]], m.first);
    return true;
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    float *bx, *by;
    Masks m;
    if (!read_and_choose(r, &m, &bx, &by, e)) return false;
    coalitions_passes(r, pair, &m.c[pair], p);
    return true;
}

const Method method_sobol = {
    .name = "sobol",
    .summary = "share of the variance that a token has when random tokens are taken away",
    .paper = "Fel et al. 2021, arXiv:2111.04138",
    .formula = "total: score[i,s] = mean (f_s(A) - f_s(C_i))^2 / (2 var f_s(A))\n"
               "first: score[i,s] = 1 - mean (f_s(B) - f_s(C_i))^2 / (2 var f_s(A))\n"
               "A, B: random masks of all tokens; C_i: A with column i of B",
    .when = "The share of the value's ups and downs under random masks that is a token's doing: with all it "
            "does together with others (total), or alone (first). The difference of both is interaction. No "
            "sign; half of the tokens are gone in each mask, far from the text.",
    .arguments = (const Argument[]){{"n_samples", "32", "masks A, and B"},
                                    {"order", "\"total\"", "total or first"},
                                    ARG_MOST,
                                    ARG_SEED,
                                    ARG_UNITS,
                                    {0}},
    .no_gradient = true,
    .cost = "about 1 + n_samples (2 + (S + T) / 2) forwards",
    .passes = passes,
    .run = run,
};
