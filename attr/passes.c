// SPDX-License-Identifier: Apache-2.0
// passes.c — what passes cost, counted before they are made: forward passes, rows, and rows gone back through.
#include "run.h"

#include <string.h>

Point passes_whole(const Run *r, int64_t pair)
{
    return (Point){.pair = pair,
                   .from = r->from[pair],
                   .to = r->to[pair],
                   .moves_x = r->sources != NULL,
                   .moves_y = run_wants_target(r)};
}

// The way back of steps from .. to - 1 of a sequence with this many source rows.
static void add_back(double source, int64_t from, int64_t to, double times, Passes *p)
{
    double steps = (double)(to - from);
    p->words_back += times * steps, p->source_back += times * steps * source;
    p->target_back += times * steps * (double)(from + to - 1) / 2;
}

static double source_rows(const Run *r, int32_t target)
{
    return r->sources ? (double)r->sources->len[r->source_of[target]] : 0;
}

// The foil of a pair whose own pass is differentiated, or -1.
static int32_t forced_foil(const Run *r, int64_t pair)
{
    return r->o->step.contrast_force_inputs ? r->foil_of[pair] : -1;
}

static void add_foil_back(const Run *r, int64_t pair, int64_t from, int64_t to, double times, Passes *p)
{
    int32_t f = forced_foil(r, pair);
    const int64_t *at = r->foil_at + r->first_step[pair] - r->from[pair];
    for (int64_t s = from; f >= 0 && s < to; s++) add_back(source_rows(r, f), at[s], at[s] + 1, times, p);
}

void passes_add(const Run *r, const Point *v, double times, bool gradient, Passes *p)
{
    int32_t t = r->target_of[v->pair], f = forced_foil(r, v->pair);
    double steps = (double)(v->to - v->from);
    p->forwards += times, p->words += times * steps;
    *(v->moves_x ? &p->source_rows : &p->shared_rows) += times * source_rows(r, t);
    p->target_rows += times * (double)(v->to - 1);
    if (f >= 0) { // twice, if it moves in some steps and stays in others
        int64_t share = v->moves_y ? run_foils_sharing(r, v->pair) : 0;
        double n = share && share < r->to[v->pair] - r->from[v->pair] ? 2 * times : times;
        p->forwards += n, p->words += times * steps, p->target_rows += n * (double)r->targets->len[f];
    }
    if (!gradient) return;
    add_back(source_rows(r, t), v->from, v->to, times, p);
    add_foil_back(r, v->pair, v->from, v->to, times, p);
}

bool passes_gradient(Run *r, int64_t pair, Passes *p, Err *e)
{
    (void)e;
    add_back(source_rows(r, r->target_of[pair]), r->from[pair], r->to[pair], 1, p);
    add_foil_back(r, pair, r->from[pair], r->to[pair], 1, p);
    return true;
}

bool passes_deltas(Run *r, int64_t pair, Passes *p, Err *e)
{
    Point v = passes_whole(r, pair);
    if (arg_bool(r, "return_convergence_delta", false, e)) passes_add(r, &v, 1, false, p);
    return !e || !e->set;
}

// The pass that every run begins with, and those with noise.
void passes_first(const Run *r, Passes *p)
{
    for (int64_t i = 0; r->sources && i < r->sources->n; i++) p->source_rows += (double)r->sources->len[i];
    for (int64_t i = 0; i < r->targets->n; i++) p->target_rows += (double)r->targets->len[i];
    p->forwards += (double)r->targets->n, p->words += (double)r->n_logits;
    for (size_t k = 0; k < r->o->n_step_scores; k++)
        for (int64_t i = 0; i < r->n && !strcmp(r->o->step_scores[k], "mc_dropout_prob_avg"); i++) {
            double n = (double)r->o->step.n_mcd_steps;
            int32_t t = r->target_of[i];
            p->forwards += n, p->source_rows += n * source_rows(r, t),
                p->target_rows += n * (double)r->targets->len[t];
            p->words += n * (double)(r->to[i] - r->from[i]);
        }
}
