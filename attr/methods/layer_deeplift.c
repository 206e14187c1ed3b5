// SPDX-License-Identifier: Apache-2.0
// layer_deeplift.c — DeepLIFT from a layer's result on. Shrikumar, Greenside and Kundaje 2017,
// arXiv:1704.02685, at a layer as Captum does it.
//
//   score[i,s,:] = (a[i,:] - a'[i,:]) * m      a, a': the layer's results at x and x'; m as in deeplift.c
// The library's own result is zero, since its pass forgets the baseline (a defect).
#include "../run.h"

typedef struct Lift {
    const float *bx, *by;
    float **at; // [2 pairs] the layer's results at x and at x'
    TargetLayer l;
    bool times;
} Lift;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Lift *c = context;
    if (i % 2) layer_baseline(r, i / 2, c->bx, c->by, x, y);
}

static void keep(Run *r, void *context, int64_t i, float *rows) { (void)r, ((Lift *)context)->at[i] = rows; }

static void put(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    const Lift *c = context;
    const float *m = c->l.target ? dy : dx;
    for (int64_t row = 0; row < layer_rows(r, &c->l, i / 2, column); row++) {
        float *score = run_cell(layer_out(r, &c->l, i / 2), row, column);
        for (int64_t j = 0, at = row * c->l.width; j < c->l.width; j++, at++)
            score[j] = c->times ? (c->at[i][at] - c->at[i + 1][at]) * m[at] : m[at];
    }
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Lift c = {.at = arena_new(r->work, float *, 2 * r->n),
              .times = arg_bool(r, "multiply_by_inputs", true, e)};
    if ((e && e->set) || !layer_find(r, &c.l, e) || !run_baseline(r, &bx, &by, e)) return false;
    if (!r->sources && !c.l.weight) return method_deeplift.run(r, e); // a decoder alone: its embeddings
    Point *v = arena_new(r->work, Point, 2 * r->n);
    for (int64_t i = 0; i < 2 * r->n; i++)
        v[i] = (Point){.pair = i / 2,
                       .from = i % 2 ? r->to[i / 2] : r->from[i / 2],
                       .to = r->to[i / 2],
                       .moves_x = r->sources != NULL,
                       .moves_y = c.l.target && run_wants_target(r)};
    c.bx = bx, c.by = by;
    layer_room(r, &c.l);
    return run_points(r,
                      &(Points){.v = v,
                                .n = 2 * r->n,
                                .group = 2,
                                .context = &c,
                                .fill = fill,
                                .prepare = deeplift_rescale,
                                .tap = c.l.weight,
                                .tap_target = c.l.target,
                                .at_layer = keep,
                                .gradient = put},
                      e) &&
           run_deltas(r, bx, by, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    TargetLayer l;
    Point v = passes_whole(r, pair), baseline = v;
    baseline.from = v.to;
    if (!layer_find(r, &l, e)) return false;
    passes_add(r, &v, 1, true, p), passes_add(r, &baseline, 1, false, p);
    return passes_deltas(r, pair, p, e);
}

const Method method_layer_deeplift = {
    .name = "layer_deeplift",
    .summary = "DeepLIFT at a layer",
    .paper = "Shrikumar et al. 2017, arXiv:1704.02685",
    .formula = "score[i,s,:] = (a[i,:] - a'[i,:]) * m[i,s,:]\n"
               "a, a': the layer's results for x and for x'; m: as in deeplift",
    .when = "DeepLIFT from a layer's result on, for models with ReLU layers (see deeplift). The library "
            "gives zeros here (its pass forgets the baseline).",
    .arguments = (const Argument[]){ARG_LAYER, ARG_TIMES, ARG_DELTA, {0}},
    .cost = "3 forwards, 1 backward (as far as the layer)",
    .passes = passes,
    .run = run,
};
