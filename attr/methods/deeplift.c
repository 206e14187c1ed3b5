// SPDX-License-Identifier: Apache-2.0
// deeplift.c — differences from the baseline, carried back by multipliers. Shrikumar, Greenside and Kundaje
// 2017, arXiv:1704.02685; the rescale rule as gradients with other local derivatives: Ancona et al. 2018,
// arXiv:1711.06104.
//
//   score[i,s,:] = (x[i,:] - x'[i,:]) * m      m: df_s/dx[i,:] at x, in which a ReLU or tanh counts (a - a')/(z - z')
// x and x' run in one pass, as neighbours. Models without such a function (Marian's swish, gated GELU) get
// the plain gradient at x, as in the library.
#include "../run.h"

typedef struct Lift {
    const float *bx, *by;
} Lift;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Lift *c = context;
    int64_t p = i / 2;
    if (i % 2 == 0) return; // x itself
    for (int64_t k = 0; x && k < r->pair[p].source.n * r->width; k++) x[k] = c->bx[run_x_at(r, p) + k];
    for (int64_t k = 0; y && k < (r->pair[p].target.n - 1) * r->width; k++) y[k] = c->by[run_y_at(r, p) + k];
}

// Each sequence of x has its partner of x'.
void deeplift_rescale(Run *v, void *context, Tape *tape)
{
    (void)context;
    int32_t *source = arena_new(v->work, int32_t, v->sources ? v->sources->n : 0),
            *target = arena_new(v->work, int32_t, v->targets->n);
    for (int64_t i = 0; v->sources && i < v->sources->n; i++) source[i] = -1;
    for (int64_t i = 0; i < v->targets->n; i++) target[i] = -1;
    bool foils = v->foil_logits;
    for (int64_t i = 0; i < v->n; i += 2) {
        target[v->target_of[i]] = v->target_of[i + 1];
        if (foils && v->foil_of[i] >= 0) target[v->foil_of[i]] = v->foil_of[i + 1];
        if (v->sources) source[v->source_of[v->target_of[i]]] = v->source_of[v->target_of[i + 1]];
    }
    if (v->sources) tn_rescale(tape, v->sources, source);
    tn_rescale(tape, v->targets, target);
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    (void)context;
    path_add(r, i / 2, column, 1, true, dx, dy);
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    bool times = arg_bool(r, "multiply_by_inputs", true, e);
    if ((e && e->set) || !run_baseline(r, &bx, &by, e)) return false;
    Lift c = {bx, by};
    Point *v = arena_new(r->work, Point, 2 * r->n);
    for (int64_t i = 0; i < 2 * r->n; i++)
        v[i] = (Point){.pair = i / 2,
                       .from = i % 2 ? r->to[i / 2] : r->from[i / 2],
                       .to = r->to[i / 2],
                       .moves_x = r->sources != NULL,
                       .moves_y = run_wants_target(r)};
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    if (!run_points(r,
                    &(Points){.v = v,
                              .n = 2 * r->n,
                              .group = 2,
                              .context = &c,
                              .fill = fill,
                              .prepare = deeplift_rescale,
                              .gradient = add},
                    e))
        return false;
    if (times) path_times_difference(r, bx, by);
    return run_deltas(r, bx, by, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    Point v = passes_whole(r, pair), baseline = v;
    baseline.from = v.to;
    passes_add(r, &v, 1, true, p), passes_add(r, &baseline, 1, false, p);
    return passes_deltas(r, pair, p, e);
}

const Method method_deeplift = {
    .name = "deeplift",
    .summary = "difference from a baseline times multipliers (rescale rule)",
    .paper = "Shrikumar et al. 2017, arXiv:1704.02685",
    .formula = "score[i,s,:] = (x[i,:] - x'[i,:]) * m[i,s,:]\n"
               "m: df_s/dx[i,:] at x, where a ReLU or tanh counts (out - out') / (in - in')",
    .when =
        "Integrated gradients at the price of one way back, for models with ReLU layers: T5 v1.0, M2M100, "
        "NLLB, OPT. Elsewhere (Marian's swish, gated GELU, SiLU) the rule has nothing to act on, and the "
        "scores are the plain gradient times the difference from the baseline, as in the library.",
    .arguments = (const Argument[]){ARG_DELTA, ARG_TIMES, {0}},
    .cost = "3 forwards, 1 backward",
    .passes = passes,
    .run = run,
};
