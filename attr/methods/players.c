// SPDX-License-Identifier: Apache-2.0
// players.c — tokens, or larger units, that are there or not: whoever is away is its baseline. See players.h.
#include "players.h"

#include <string.h>

bool players_find(Run *r, const float *bx, const float *by, Units **out, Err *e)
{
    Units *units;
    int64_t d = r->width;
    if (!run_units(r, &units, e)) return false;
    for (int64_t p = 0; p < r->n; p++) {
        int64_t n = 0;
        for (const Unit *u = units[p].v; u < units[p].v + units[p].n; u++) {
            const float *x = u->target ? run_y(r, p) : run_x(r, p),
                        *b = u->target ? by + run_y_at(r, p) : bx + run_x_at(r, p);
            int64_t rows = unit_rows(u, r->to[p] - 1);
            if (memcmp(x + u->from * d, b + u->from * d, (size_t)(rows * d) * sizeof(float)))
                units[p].v[n++] = *u;
        }
        units[p].n = n;
    }
    *out = units;
    return true;
}

void players_leave(const Run *r, const float *bx, const float *by, int64_t p, const Unit *u, float *x,
                   float *y)
{
    int64_t d = r->width;
    const float *from = u->target ? by + run_y_at(r, p) : bx + run_x_at(r, p);
    memcpy((u->target ? y : x) + u->from * d, from + u->from * d,
           (size_t)((u->to - u->from) * d) * sizeof(float));
}

typedef struct Game {
    const float *bx, *by;
    Coalitions *c;
    const Point *v;
    const int64_t *first; // [pairs] its first point
} Game;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Game *g = context;
    int64_t p = g->v[i].pair, n = g->c[p].players->n;
    const bool *in = g->c[p].in + (i - g->first[p]) * n;
    for (int64_t k = 0; k < n; k++)
        if (!in[k]) players_leave(r, g->bx, g->by, p, &g->c[p].players->v[k], x, y);
}

static void value(Run *r, void *context, int64_t i, int64_t column, double f)
{
    Game *g = context;
    int64_t p = g->v[i].pair;
    g->c[p].f[(i - g->first[p]) * (r->to[p] - r->from[p]) + column] = f;
}

bool coalitions_run(Run *r, const float *bx, const float *by, Coalitions *c, int64_t most, Err *e)
{
    int64_t n = 0, *first = arena_new(r->work, int64_t, r->n);
    for (int64_t p = 0; p < r->n; p++) {
        first[p] = n, n += c[p].n;
        c[p].f = arena_new(r->work, double, c[p].n *(r->to[p] - r->from[p]));
    }
    Point *v = arena_new(r->work, Point, n);
    for (int64_t p = 0; p < r->n; p++)
        for (int64_t k = 0; k < c[p].n; k++) v[first[p] + k] = passes_whole(r, p);
    Game g = {bx, by, c, v, first};
    return run_points(r, &(Points){.v = v, .n = n, .most = most, .context = &g, .fill = fill, .value = value},
                      e);
}

void coalitions_passes(const Run *r, int64_t pair, const Coalitions *c, Passes *p)
{
    Point v = passes_whole(r, pair);
    passes_add(r, &v, (double)c->n, false, p);
}

void players_scores(Run *r)
{
    run_scores(r, 0, NULL, OUT_COARSE);
    for (int64_t p = 0; p < r->n; p++)
        for (int64_t c = 0; c < r->to[p] - r->from[p]; c++) {
            Scores *x = &r->out[p].source_attributions, *y = &r->out[p].target_attributions;
            for (int64_t i = 0; x->v && i < x->dim[0]; i++) *run_cell(x, i, c) = 0;
            for (int64_t i = 0; y->v && i < r->from[p] + c; i++) *run_cell(y, i, c) = 0;
        }
}

void players_score(Run *r, int64_t pair, const Unit *u, int64_t column, double score)
{
    Scores *s = u->target ? &r->out[pair].target_attributions : &r->out[pair].source_attributions;
    int64_t rows = unit_rows(u, r->from[pair] + column);
    for (int64_t i = 0; i < rows; i++) *run_cell(s, u->from + i, column) = (float)(score / (double)rows);
}
