// SPDX-License-Identifier: Apache-2.0
// integrated_gradients.c — gradients along the straight line from the baseline x' to the input x.
// Sundararajan, Taly and Yan 2017, arXiv:1703.01365.
//
//   score[i,s,:] = (x[i,:] - x'[i,:]) * sum_k w_k df_s/dx[i,:] at x' + a_k (x - x')
// n_steps forward and backward passes serve all steps s; source and target move together.
#include "../run.h"

typedef struct Line {
    const float *bx, *by;
    PathNodes nodes;
    const Point *v;
} Line;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Line *c = context;
    int64_t p = c->v[i].pair;
    float a = (float)c->nodes.at[i % c->nodes.n];
    if (x) path_point(x, c->bx + run_x_at(r, p), a, r->pair[p].source.n * r->width);
    if (y) path_point(y, c->by + run_y_at(r, p), a, (r->pair[p].target.n - 1) * r->width);
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    const Line *c = context;
    int64_t k = i % c->nodes.n;
    path_add(r, c->v[i].pair, column, (float)c->nodes.weight[k], k == 0, dx, dy);
}

static bool run(Run *r, Err *e)
{
    Line c = {0};
    float *bx, *by;
    bool times = arg_bool(r, "multiply_by_inputs", true, e);
    if ((e && e->set) || !path_nodes(r, &c.nodes, e) || !run_baseline(r, &bx, &by, e)) return false;
    Point *v = arena_new(r->work, Point, r->n * c.nodes.n);
    for (int64_t i = 0; i < r->n * c.nodes.n; i++) {
        int64_t p = i / c.nodes.n;
        v[i] = (Point){.pair = p,
                       .from = r->from[p],
                       .to = r->to[p],
                       .moves_x = r->sources != NULL,
                       .moves_y = run_wants_target(r)};
    }
    c.bx = bx, c.by = by, c.v = v;
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    if (!run_points(r,
                    &(Points){.v = v,
                              .n = r->n * c.nodes.n,
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
    Point v = passes_whole(r, pair);
    if (!path_nodes(r, &nodes, e)) return false;
    passes_add(r, &v, (double)nodes.n, true, p);
    return passes_deltas(r, pair, p, e);
}

const Method method_integrated_gradients = {
    .light = true,
    .name = "integrated_gradients",
    .summary = "gradients along the line from a baseline, times the difference",
    .paper = "Sundararajan et al. 2017, arXiv:1703.01365",
    .formula = "score[i,s,:] = (x[i,:] - x'[i,:]) * sum over k of w_k df_s/dx[i,:]\n"
               "               at the points x' + a_k (x - x')",
    .when = "Contributions that add up: a column's components sum to f_s(x) - f_s(x'), but for the error of "
            "the sum over points (return_convergence_delta tells it). Take it where gradients are saturated "
            "or where sums must mean something. It says what the words do against a text of unknown words; "
            "the points on the way are inputs that the model never saw.",
    .arguments = (const Argument[]){ARG_PATH, ARG_DELTA, ARG_TIMES, {0}},
    .cost = "1 + n_steps forwards, n_steps backwards",
    .passes = passes,
    .run = run,
};
