// SPDX-License-Identifier: Apache-2.0
// layer_integrated_gradients.c — integrated gradients between a layer's results at the baseline and at the
// input. Sundararajan et al. 2017, arXiv:1703.01365, at a layer as Captum does it.
//
//   score[i,s,:] = (a[i,:] - a'[i,:]) * sum_k w_k df_s/da[i,:] at a' + a_k (a - a')
// a and a' are the layer's results for x and x'; only they move, all else in the model stays at x. What "deltas" holds
// the sums against is f_s(x) - f_s(x'), as in Captum: only layers that everything goes through reach it. The library's own
// result is zero, since its pass forgets the baseline (a defect).
#include "../run.h"

#include <string.h>

typedef struct Between {
    const float *bx, *by;
    PathNodes nodes;
    const Point *v;
    float **at, **base; // [pairs] [rows, width]
    TargetLayer l;
} Between;

static int64_t size(const Run *r, const Between *c, int64_t pair)
{
    return layer_rows(r, &c->l, pair, -1) * c->l.width;
}

static void fill_ends(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Between *c = context;
    if (i % 2) layer_baseline(r, i / 2, c->bx, c->by, x, y);
}

static void keep_ends(Run *r, void *context, int64_t i, float *rows)
{
    const Between *c = context;
    memcpy((i % 2 ? c->base : c->at)[i / 2], rows, (size_t)size(r, c, i / 2) * sizeof(float));
}

static void nothing(Run *r, void *context, int64_t i, int64_t column, double f)
{
    (void)r, (void)context, (void)i, (void)column, (void)f;
}
static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    (void)r, (void)context, (void)i, (void)x, (void)y;
}

static void move(Run *r, void *context, int64_t i, float *rows)
{
    const Between *c = context;
    int64_t p = c->v[i].pair, n = size(r, c, p);
    memcpy(rows, c->at[p], (size_t)n * sizeof(float));
    path_point(rows, c->base[p], (float)c->nodes.at[i % c->nodes.n], n);
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    const Between *c = context;
    int64_t p = c->v[i].pair, k = i % c->nodes.n, w = c->l.width;
    const float *g = c->l.target ? dy : dx;
    for (int64_t row = 0; row < layer_rows(r, &c->l, p, column); row++) {
        float *score = run_cell(layer_out(r, &c->l, p), row, column);
        for (int64_t j = 0; k == 0 && j < w; j++) score[j] = 0;
        num_axpy(score, (float)c->nodes.weight[k], g + row * w, w);
    }
}

static void times_difference(Run *r, const Between *c)
{
    for (int64_t p = 0; p < r->n; p++)
        for (int64_t k = 0; k < r->to[p] - r->from[p]; k++)
            for (int64_t row = 0; row < layer_rows(r, &c->l, p, k); row++)
                for (int64_t j = 0, at = row * c->l.width; j < c->l.width; j++, at++)
                    run_cell(layer_out(r, &c->l, p), row, k)[j] *= c->at[p][at] - c->base[p][at];
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Between c = {.at = arena_new(r->work, float *, r->n), .base = arena_new(r->work, float *, r->n)};
    bool times = arg_bool(r, "multiply_by_inputs", true, e);
    if ((e && e->set) || !layer_find(r, &c.l, e) || !path_nodes(r, &c.nodes, e) ||
        !run_baseline(r, &bx, &by, e))
        return false;
    if (!r->sources && !c.l.weight)
        return method_integrated_gradients.run(r, e); // a decoder alone: its embeddings
    int64_t n = r->n * c.nodes.n;
    Point *ends = arena_new(r->work, Point, 2 * r->n), *v = arena_new(r->work, Point, n);
    for (int64_t i = 0; i < 2 * r->n; i++)
        ends[i] = (Point){.pair = i / 2,
                          .from = r->to[i / 2] - 1,
                          .to = r->to[i / 2],
                          .moves_x = r->sources != NULL,
                          .moves_y = c.l.target && run_wants_target(r)};
    for (int64_t i = 0; i < n; i++) {
        int64_t p = i / c.nodes.n;
        v[i] = (Point){.pair = p, .from = r->from[p], .to = r->to[p], .moves_x = r->sources != NULL};
    }
    for (int64_t p = 0; p < r->n; p++) {
        c.at[p] = arena_new(r->work, float, size(r, &c, p));
        c.base[p] = arena_new(r->work, float, size(r, &c, p));
    }
    c.bx = bx, c.by = by, c.v = v;
    layer_room(r, &c.l);
    if (!run_points(r,
                    &(Points){.v = ends,
                              .n = 2 * r->n,
                              .context = &c,
                              .fill = fill_ends,
                              .tap = c.l.weight,
                              .tap_target = c.l.target,
                              .at_layer = keep_ends,
                              .value = nothing},
                    e) ||
        !run_points(r,
                    &(Points){.v = v,
                              .n = n,
                              .most = c.nodes.most,
                              .context = &c,
                              .fill = fill,
                              .tap = c.l.weight,
                              .tap_target = c.l.target,
                              .at_layer = move,
                              .gradient = add},
                    e))
        return false;
    if (times) times_difference(r, &c);
    return run_deltas(r, bx, by, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    TargetLayer l;
    PathNodes nodes;
    Point v = passes_whole(r, pair), end = v;
    end.from = v.to - 1;
    if (!layer_find(r, &l, e) || !path_nodes(r, &nodes, e)) return false;
    passes_add(r, &v, (double)nodes.n, true, p);
    if (r->sources || l.weight) passes_add(r, &end, 2, false, p);
    return passes_deltas(r, pair, p, e);
}

const Method method_layer_integrated_gradients = {
    .name = "layer_integrated_gradients",
    .summary = "integrated gradients at a layer",
    .paper = "Sundararajan et al. 2017, arXiv:1703.01365",
    .formula = "score[i,s,:] = (a[i,:] - a'[i,:]) * sum over k of w_k df_s/da[i,:]\n"
               "               at the points a' + a_k (a - a')\n"
               "a, a': the layer's results for x and for x'",
    .when = "Contributions of a layer's result instead of the embeddings. Only that result moves, the rest "
            "of the model stays at x: columns sum to f_s(x) - f_s(x') only for a layer that everything goes "
            "through. The library gives zeros here (its pass forgets the baseline).",
    .arguments = (const Argument[]){ARG_LAYER, ARG_PATH, ARG_TIMES, ARG_DELTA, {0}},
    .cost = "3 + n_steps forwards, n_steps backwards (as far as the layer)",
    .passes = passes,
    .run = run,
};
