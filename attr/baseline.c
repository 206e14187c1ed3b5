// SPDX-License-Identifier: Apache-2.0
// baseline.c — what "nothing" is for methods that compare with it: the unknown word's embedding in every row,
// but the end token and the start token of a target stay what they are (semantics 3.1). And the check that
// sums come out right.
#include "run.h"

#include <math.h>

static int32_t unknown(const Run *r) { return r->o->unk >= 0 ? r->o->unk : r->f->pad; }

bool run_baseline_keeps(const Run *r, int32_t id, int64_t i, bool target)
{
    int32_t eos = r->o->eos >= 0 ? r->o->eos : r->f->eos;
    return (id == eos && !r->o->include_eos_baseline) || (target && i == 0 && r->f->encoder_decoder);
}

int32_t run_baseline_id(const Run *r, int32_t id, int64_t i, bool target)
{
    return run_baseline_keeps(r, id, i, target) ? id : unknown(r);
}

static void fill_rows(const Run *r, Ids ids, bool target, float *out)
{
    for (int64_t i = 0; i < ids.n; i++) {
        int32_t id = run_baseline_id(r, ids.v[i], i, target);
        nn_embed(r->m, (Ids){&id, 1}, target, out + i * r->width);
    }
}

bool run_baseline(Run *r, float **bx, float **by, Err *e)
{
    int32_t unk = unknown(r);
    if (unk < 0)
        return err_set(e, "%s compares with the unknown token, and %s has neither that nor a padding token",
                       r->o->method, r->f->name);
    for (int side = r->sources ? 0 : 1; side < 2; side++)
        if (!nn_check_ids(r->m, (Ids){&unk, 1}, side, "the unknown token", e)) return false;
    const Rows *x = r->sources, *y = r->targets;
    *bx = arena_new(r->work, float, x ? (x->start[x->n - 1] + x->len[x->n - 1]) * r->width : 0);
    *by = arena_new(r->work, float, (y->start[y->n - 1] + y->len[y->n - 1]) * r->width);
    for (int64_t i = 0; x && i < x->n; i++)
        fill_rows(r, r->source_ids[i], false, *bx + x->start[i] * r->width);
    for (int64_t i = 0; i < y->n; i++)
        fill_rows(r, (Ids){r->target_ids[i].v, y->len[i]}, true, *by + y->start[i] * r->width);
    return true;
}

// ------------------------------------------------------------------------------------------ convergence

typedef struct Ends {
    const float *bx, *by;
    double *at_baseline; // [n_steps]
} Ends;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Ends *c = context;
    for (int64_t k = 0; x && k < r->pair[i].source.n * r->width; k++) x[k] = c->bx[run_x_at(r, i) + k];
    for (int64_t k = 0; y && k < (r->pair[i].target.n - 1) * r->width; k++) y[k] = c->by[run_y_at(r, i) + k];
}

static void value(Run *r, void *context, int64_t i, int64_t column, double f)
{
    ((Ends *)context)->at_baseline[r->first_step[i] + column] = f;
}

static double column_sum(const Scores *s, int64_t c)
{
    double sum = 0;
    int64_t each = 1;
    for (int k = 2; k < s->rank; k++) each *= s->dim[k];
    for (int64_t i = 0; s->v && i < s->dim[0]; i++)
        for (int64_t j = 0; j < each; j++) {
            float v = run_cell(s, i, c)[j];
            if (!isnan(v)) sum += (double)v;
        }
    return sum;
}

void run_delta_scores(Run *r, const double *at_baseline)
{
    double *at_input = arena_new(r->work, double, r->n_steps);
    run_values(r, r->logits, at_input);
    run_step_score(r, STR_LIT("deltas"));
    for (int64_t i = 0; i < r->n; i++) {
        Sequence *q = &r->out[i];
        for (int64_t k = 0; k < r->to[i] - r->from[i]; k++) {
            double sum = column_sum(&q->source_attributions, k) + column_sum(&q->target_attributions, k);
            int64_t s = r->first_step[i] + k;
            q->step_scores[q->n_step_scores - 1].scores.v[k] = (float)(sum - (at_input[s] - at_baseline[s]));
        }
    }
}

bool run_deltas(Run *r, const float *bx, const float *by, Err *e)
{
    bool wanted = arg_bool(r, "return_convergence_delta", false, e);
    if (e && e->set) return false;
    if (!wanted) return true;
    Ends c = {bx, by, arena_new(r->work, double, r->n_steps)};
    Point *v = arena_new(r->work, Point, r->n);
    for (int64_t i = 0; i < r->n; i++)
        v[i] = (Point){.pair = i,
                       .from = r->from[i],
                       .to = r->to[i],
                       .moves_x = r->sources != NULL,
                       .moves_y = run_wants_target(r)};
    if (!run_points(r, &(Points){.v = v, .n = r->n, .context = &c, .fill = fill, .value = value}, e))
        return false;
    run_delta_scores(r, c.at_baseline);
    return true;
}
