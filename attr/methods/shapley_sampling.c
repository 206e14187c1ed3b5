// SPDX-License-Identifier: Apache-2.0
// shapley_sampling.c — what a token adds to the value when it joins the others in random order. Castro, Gómez and
// Tejada 2009, doi:10.1016/j.cor.2008.04.004; Štrumbelj and Kononenko 2010, JMLR 11.
//
//   score[i,s] = mean over n_samples orders of f_s(x with i and those before it) - f_s(x with those before it)
// where all other rows are their baseline's. In each order the differences of a step add up to f_s(x) - f_s(x'). A pass
// serves all steps: a row that a step does not see changes nothing for it, and what is left of the order is a random
// order of those that it sees. Rows are ordered by numbers drawn for source rows first, from a stream of each order's
// own, so that no step's score depends on the tokens after it. A row that is its own baseline adds 0, without a pass.
// Units larger than a token (units.c) join as one, and their rows share what they add.
//
// The step score standard_error is the largest of its column's: deviation (n - 1) / sqrt(n_samples).
#include "../random.h"
#include "players.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 25 }; // by default

typedef struct Player {
    double key; // ordered by this
    Unit unit;
} Player;

typedef struct Shapley {
    const float *bx, *by;
    const Point *v;
    const Player *player; // [points] who joins; unit.from -1: nobody yet, the first point of each pair
    const int64_t *after; // [points] how many join after that in this order
    const int64_t *order; // [points] which order it is
    double *none, *now;   // [steps] value without any; at the last point
    int64_t *now_order;   // [steps] whose last point that was
    double **sum[2], **square[2]; // [source, target][pairs] [rows, columns] of what each added
} Shapley;

static int by_key(const void *a, const void *b)
{
    double x = ((const Player *)a)->key, y = ((const Player *)b)->key;
    return (x > y) - (x < y);
}

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Shapley *c = context;
    int64_t p = c->v[i].pair;
    for (int64_t k = 1; k <= c->after[i]; k++)
        players_leave(r, c->bx, c->by, p, &c->player[i + k].unit, x, y);
}

static void value(Run *r, void *context, int64_t i, int64_t column, double f)
{
    Shapley *c = context;
    const Unit *u = &c->player[i].unit;
    int64_t p = c->v[i].pair, s = r->first_step[p] + column, columns = r->to[p] - r->from[p];
    if (u->from < 0) c->none[s] = f;
    else {
        int64_t rows = unit_rows(u, r->from[p] + column);
        double more = (f - (c->now_order[s] == c->order[i] ? c->now[s] : c->none[s])) / (double)rows;
        for (int64_t at = u->from * columns + column; rows; at += columns, rows--)
            c->sum[u->target][p][at] += more, c->square[u->target][p][at] += more * more;
    }
    c->now[s] = f, c->now_order[s] = c->order[i];
}

static Point point_of(const Run *r, int64_t p, const Unit *u)
{
    int64_t from =
        u->target && u->from + 1 > r->from[p] ? u->from + 1 : r->from[p]; // earlier steps don't see it
    return (Point){.pair = p,
                   .from = from,
                   .to = r->to[p],
                   .moves_x = r->sources != NULL,
                   .moves_y = run_wants_target(r)};
}

// All points: for each pair that of nobody, then its orders.
static int64_t make_points(Run *r, Shapley *c, const Units *units, int64_t samples, uint32_t seed)
{
    Arena *w = r->work;
    int64_t total = 0, longest = 0, n = 0;
    for (int64_t p = 0; p < r->n; p++) {
        int64_t rows = r->pair[p].source.n + r->pair[p].target.n;
        total += 1 + rows * samples, longest = rows > longest ? rows : longest;
    }
    Point *v = arena_new(w, Point, total);
    Player *player = arena_new(w, Player, total), *listed = arena_new(w, Player, longest);
    int64_t *after = arena_new(w, int64_t, total), *order = arena_new(w, int64_t, total);
    Random *stream = arena_new(w, Random, 1);
    for (int64_t p = 0; p < r->n; p++) {
        int64_t players = units[p].n;
        for (int64_t k = 0; k < players; k++) listed[k].unit = units[p].v[k];
        player[n] = (Player){.unit = {.from = -1}};
        v[n] = point_of(r, p, &player[n].unit);
        after[n++] = players; // those of the first order follow
        for (int64_t o = 0; o < samples; o++) {
            random_seed(stream, seed ^ 2654435761u * (uint32_t)o);
            for (int64_t k = 0; k < players; k++) listed[k].key = random_uniform(stream);
            Player *first = memcpy(player + n, listed, (size_t)players * sizeof *listed);
            qsort(first, (size_t)players, sizeof *first, by_key);
            for (int64_t k = 0; k < players; k++, n++)
                order[n] = o + 1, after[n] = players - 1 - k, v[n] = point_of(r, p, &player[n].unit);
        }
    }
    c->v = v, c->player = player, c->after = after, c->order = order;
    return n;
}

// Sums become means; the largest standard error of each column is noted.
static void finish(Run *r, const Shapley *c, int64_t p, int64_t samples)
{
    Sequence *q = &r->out[p];
    int64_t columns = r->to[p] - r->from[p];
    float *error = q->step_scores[q->n_step_scores - 1].scores.v;
    double n = (double)samples;
    for (int side = 0; side < 2; side++) {
        Scores *s = side ? &q->target_attributions : &q->source_attributions;
        for (int64_t i = 0; s->v && i < s->dim[0]; i++)
            for (int64_t k = side && i >= r->from[p] ? i + 1 - r->from[p] : 0; k < columns; k++) {
                double sum = c->sum[side][p][i * columns + k], square = c->square[side][p][i * columns + k];
                double spread = (square - sum * sum / n) / (n - 1) / n;
                float own = samples < 2 ? NAN : spread > 0 ? (float)__builtin_sqrt(spread) : 0;
                *run_cell(s, i, k) = (float)(sum / n);
                if (!(own <= error[k])) error[k] = own;
            }
    }
}

static double **room(const Run *r)
{
    double **v = arena_new(r->work, double *, r->n);
    for (int64_t p = 0; p < r->n; p++)
        v[p] = arena_new(r->work, double, (r->pair[p].source.n + r->to[p]) * (r->to[p] - r->from[p]));
    return v;
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Units *units;
    int64_t samples = arg_int(r, "n_samples", SAMPLES, 1, 1000000, e),
            most = arg_int(r, "perturbations_per_eval", 0, 1, INT32_MAX, e);
    uint32_t seed = (uint32_t)arg_int(r, "seed", 0, 0, UINT32_MAX, e);
    if ((e && e->set) || !run_baseline(r, &bx, &by, e) || !players_find(r, bx, by, &units, e)) return false;
    Shapley c = {.bx = bx, .by = by, .sum = {room(r), room(r)}, .square = {room(r), room(r)}};
    c.none = arena_new(r->work, double, r->n_steps), c.now = arena_new(r->work, double, r->n_steps);
    c.now_order = arena_new(r->work, int64_t, r->n_steps);
    int64_t n = make_points(r, &c, units, samples, seed);
    run_scores(r, 0, NULL, OUT_COARSE);
    if (!run_points(r, &(Points){.v = c.v, .n = n, .most = most, .context = &c, .fill = fill, .value = value},
                    e))
        return false;
    run_step_score(r, STR_LIT("standard_error"));
    for (int64_t p = 0; p < r->n; p++) finish(r, &c, p, samples);
    return run_deltas(r, bx, by, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    float *bx, *by;
    Units *units;
    double samples = (double)arg_int(r, "n_samples", SAMPLES, 1, 1000000, e);
    if (!run_baseline(r, &bx, &by, e) || !players_find(r, bx, by, &units, e)) return false;
    Point v = passes_whole(r, pair); // of nobody
    passes_add(r, &v, 1, false, p);
    for (int64_t k = 0; k < units[pair].n; k++) {
        v = point_of(r, pair, &units[pair].v[k]);
        passes_add(r, &v, samples, false, p);
    }
    return passes_deltas(r, pair, p, e);
}

const Method method_shapley_sampling = {
    .light = true,
    .name = "shapley_sampling",
    .summary = "mean change of the value when a token joins the others in random order",
    .paper = "Castro et al. 2009, doi:10.1016/j.cor.2008.04.004",
    .formula = "score[i,s] = mean over orders of f_s(i and all before it) - f_s(all before it)\n"
               "all rows but these are their baseline's; n_samples random orders",
    .when = "Shapley's values: each token's fair part of f_s(x) - f_s(x'), in every order that tokens could "
            "join. What two tokens do only together is shared between them, which occlusion misses. Dear: "
            "n_samples passes a token. The step score standard_error tells whether n_samples was enough.",
    .arguments =
        (const Argument[]){{"n_samples", "25", "orders"}, ARG_MOST, ARG_SEED, ARG_DELTA, ARG_UNITS, {0}},
    .no_gradient = true,
    .cost = "2 + n_samples (S + T) forwards",
    .passes = passes,
    .run = run,
};
