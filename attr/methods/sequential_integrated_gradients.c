// SPDX-License-Identifier: Apache-2.0
// sequential_integrated_gradients.c — integrated gradients of one token at a time, the others as they are.
// Enguehard 2023, arXiv:2305.15853.
//
//   score[i,s,:] = (x[i,:] - x'[i,:]) * sum_k w_k df_s/dx[i,:] at x with row i at x'[i,:] + a_k (x[i,:] - x'[i,:])
// n_steps passes for each row serve all steps; source and target rows alike. A row that is its own baseline
// scores 0.
#include "../run.h"

#include <string.h>

typedef struct Row {
    int64_t row;
    bool target;
} Row;

typedef struct Lines {
    const float *bx, *by;
    PathNodes nodes;
    const Point *v; // [rows * nodes]
    const Row *row; // [rows]
} Lines;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Lines *c = context;
    const Row *row = &c->row[i / c->nodes.n];
    int64_t p = c->v[i].pair, at = row->row * r->width;
    path_point((row->target ? y : x) + at,
               (row->target ? c->by + run_y_at(r, p) : c->bx + run_x_at(r, p)) + at,
               (float)c->nodes.at[i % c->nodes.n], r->width);
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    const Lines *c = context;
    const Row *row = &c->row[i / c->nodes.n];
    Sequence *q = &r->out[c->v[i].pair];
    num_axpy(run_cell(row->target ? &q->target_attributions : &q->source_attributions, row->row, column),
             (float)c->nodes.weight[i % c->nodes.n], (row->target ? dy : dx) + row->row * r->width, r->width);
}

static void zero(Run *r, int64_t p)
{
    Scores *side[] = {&r->out[p].source_attributions, &r->out[p].target_attributions};
    for (int t = 0; t < 2; t++)
        for (int64_t i = 0; side[t]->v && i < side[t]->dim[0]; i++)
            for (int64_t c = 0; c < side[t]->dim[1]; c++)
                for (int64_t j = 0; (!t || i < r->from[p] + c) && j < r->width; j++)
                    run_cell(side[t], i, c)[j] = 0;
}

// Rows of a pair that have a line to go; those that are their own baseline have none.
static int64_t list_rows(const Run *r, int64_t p, bool times, const float *bx, const float *by, Row *out)
{
    int64_t n = 0, d = r->width;
    for (int side = r->sources ? 0 : 1; side < (run_wants_target(r) ? 2 : 1); side++)
        for (int64_t i = 0; i < (side ? r->to[p] - 1 : r->pair[p].source.n); i++) {
            const float *x = (side ? run_y(r, p) : run_x(r, p)) + i * d;
            const float *b = (side ? by + run_y_at(r, p) : bx + run_x_at(r, p)) + i * d;
            if (!times || memcmp(x, b, (size_t)d * sizeof(float))) out[n++] = (Row){i, side};
        }
    return n;
}

static Point point_of(const Run *r, int64_t p, const Row *row)
{
    bool later = row->target && row->row + 1 > r->from[p]; // earlier steps don't see it
    return (Point){.pair = p,
                   .from = later ? row->row + 1 : r->from[p],
                   .to = r->to[p],
                   .moves_x = !row->target,
                   .moves_y = row->target};
}

static bool run(Run *r, Err *e)
{
    Lines c = {0};
    float *bx, *by;
    int64_t total = 0, rows = 0, d = r->width;
    bool times = arg_bool(r, "multiply_by_inputs", true, e);
    if ((e && e->set) || !path_nodes(r, &c.nodes, e) || !run_baseline(r, &bx, &by, e)) return false;
    for (int64_t p = 0; p < r->n; p++) total += r->pair[p].source.n + r->pair[p].target.n;
    Row *row = arena_new(r->work, Row, total);
    Point *v = arena_new(r->work, Point, total * c.nodes.n);
    run_scores(r, 1, &d, OUT_GRANULAR);
    for (int64_t p = 0; p < r->n; p++) {
        zero(r, p);
        for (int64_t end = rows + list_rows(r, p, times, bx, by, row + rows); rows < end; rows++)
            for (int64_t k = 0; k < c.nodes.n; k++) v[rows * c.nodes.n + k] = point_of(r, p, &row[rows]);
    }
    c.bx = bx, c.by = by, c.v = v, c.row = row;
    if (!run_points(r,
                    &(Points){.v = v,
                              .n = rows * c.nodes.n,
                              .most = c.nodes.most,
                              .context = &c,
                              .fill = fill,
                              .gradient = add},
                    e))
        return false;
    if (times) path_times_difference(r, bx, by);
    return run_deltas(r, bx, by, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    PathNodes nodes;
    float *bx, *by;
    bool times = arg_bool(r, "multiply_by_inputs", true, e);
    if (!path_nodes(r, &nodes, e) || !run_baseline(r, &bx, &by, e)) return false;
    Row *row = arena_new(r->work, Row, r->pair[pair].source.n + r->pair[pair].target.n);
    int64_t rows = list_rows(r, pair, times, bx, by, row);
    for (int64_t i = 0; i < rows; i++) {
        Point v = point_of(r, pair, &row[i]);
        passes_add(r, &v, (double)nodes.n, true, p);
    }
    return passes_deltas(r, pair, p, e);
}

const Method method_sequential_integrated_gradients = {
    .light = true,
    .name = "sequential_integrated_gradients",
    .summary = "integrated gradients of each token alone",
    .paper = "Enguehard 2023, arXiv:2305.15853",
    .formula = "score[i,s,:] = (x[i,:] - x'[i,:]) * sum over k of w_k df_s/dx[i,:]\n"
               "               at x with row i alone at x'[i,:] + a_k (x[i,:] - x'[i,:])",
    .when = "What one token does while all others stay as they are: the points stay close to real texts, "
            "unlike those of integrated_gradients, where all words fade together. Each token costs as much "
            "as all of them there, so it is for short texts. Columns need not sum to f_s(x) - f_s(x').",
    .arguments = (const Argument[]){ARG_PATH, ARG_DELTA, ARG_TIMES, {0}},
    .cost = "1 + n_steps (S + T) forwards, n_steps (S + T) backwards",
    .passes = passes,
    .run = run,
};
