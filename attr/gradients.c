// SPDX-License-Identifier: Apache-2.0
// gradients.c — from a pass to what the attributed function is at each step and how it changes: one way back with a
// cotangent for each step (design.md §2), in blocks that fit max_memory.
#include "run.h"

#include <string.h>

// The step's row as a step function sees it. own_foil: the foil's word is read from the foil's own pass, else from the
// same row as the token (semantics 2.1). p: room for [ROW_ROOM, V].
StepRow run_step_row(const Run *r, const float *logits, int64_t k, bool own_foil, float *p)
{
    int64_t V = r->f->vocab;
    int32_t i = r->step_pair[k];
    StepRow row = {.vocab = V,
                   .z = logits + k * V,
                   .p = p,
                   .args = &r->o->step,
                   .scratch = p + 2 * V,
                   .token = r->pair[i].target.v[r->from[i] + k - r->first_step[i]]};
    row.log_sum = num_log_sum_exp(row.z, V);
    num_softmax(p, row.z, V);
    row.contrast_z = row.z, row.contrast_p = p, row.contrast_log_sum = row.log_sum;
    row.contrast_token = r->foil_of[i] < 0 ? row.token : run_foil_id(r, k);
    if (own_foil && r->n_logits > r->n_steps) {
        row.contrast_z = logits + (r->n_steps + k) * V, row.contrast_p = p + V;
        row.contrast_log_sum = num_log_sum_exp(row.contrast_z, V);
        num_softmax(p + V, row.contrast_z, V);
    }
    return row;
}

// ------------------------------------------------------------------------------------------ gradients

typedef struct Seeds { // the cotangents of steps first .. first + n - 1, dealt in parts
    Run *r;
    const float *logits;
    double *values;
    int64_t first, n, parts;
    float *d, *dc, *p; // [n, V]; [n, V] of the foil's rows, or NULL; [parts, ROW_ROOM, V]
} Seeds;

static void make_seeds(int64_t part, void *context)
{
    Seeds *s = context;
    int64_t V = s->r->f->vocab;
    for (int64_t i = part; i < s->n; i += s->parts) {
        float *d = s->d + i * V, *dc = s->dc ? s->dc + i * V : NULL;
        if (dc) memset(dc, 0, (size_t)V * sizeof(float));
        if (s->r->foil_of[s->r->step_pair[s->first + i]] < 0) dc = NULL; // no foil: one row is both
        StepRow row = run_step_row(s->r, s->logits, s->first + i, dc != NULL, s->p + part * ROW_ROOM * V);
        if (s->values) s->values[s->first + i] = s->r->function->value(&row);
        memset(d, 0, (size_t)V * sizeof(float));
        s->r->function->gradient(&row, d, dc ? dc : d);
    }
}

// Cotangents of steps first..first+n-1 at their own rows of logits, or at their foils'.
static Layout *seed_layout(const Run *r, Arena *a, int64_t first, int64_t n, bool foil)
{
    int64_t *row = arena_new(a, int64_t, n), *one = arena_new(a, int64_t, n);
    int32_t *seq = arena_new(a, int32_t, n);
    for (int64_t k = 0; k < n; k++) {
        int32_t i = r->step_pair[first + k];
        row[k] = first + k + (foil ? r->n_steps : 0), one[k] = 1;
        seq[k] = foil && r->foil_of[i] >= 0 ? run_foil(r, first + k) : r->target_of[i];
    }
    return layout_make(a, n, seq, row, one);
}

// At least one; more never changes a bit.
int64_t run_block(Run *r, Tape *tape, Tensor *logits, int64_t first, size_t *bytes)
{
    for (int64_t n = r->n_steps - first;; n = (n + 1) / 2) {
        Arena *a = arena_create(r->work);
        *bytes = tape_backward_bytes(tape, logits, seed_layout(r, a, first, n, false)) +
                 (size_t)(r->o->step.contrast_force_inputs ? n * logits->cols : 0) * sizeof(float);
        arena_free(a);
        if (n == 1 || *bytes <= r->o->max_memory) return n;
    }
}

// Cotangents of steps first .. first + n - 1, at their own rows or at their foils'.
static void count_backward(const Run *r, int64_t first, int64_t n, bool foil)
{
    Passes *p = r->o->made;
    for (int64_t k = first; p && k < first + n; k++) {
        int32_t i = r->step_pair[k];
        bool other = foil && r->foil_of[i] >= 0;
        int32_t t = other ? r->foil_of[i] : r->target_of[i];
        p->words_back++, p->source_back += r->sources ? (double)r->sources->len[r->source_of[t]] : 0;
        p->target_back += (double)(other ? r->foil_at[k] : r->from[i] + k - r->first_step[i]);
    }
}

// The gradient of cotangent k in the first rows of a leaf's sequence. A layer's result may be reached in some of them only.
static const float *leaf_grad(Arena *a, const Tensor *x, int64_t k, int64_t rows)
{
    if (!x || !x->wanted || !x->grad) return NULL;
    const Layout *l = x->layout;
    int64_t first = l->n[k] ? l->row0[k] - x->seqs->start[l->seq[k]] : 0, d = x->cols;
    if (!first && l->n[k] >= rows) return x->grad + l->at[k] * d;
    float *all = arena_new(a, float, rows *d);
    memcpy(all + first * d, x->grad + l->at[k] * d, (size_t)(l->n[k] * d) * sizeof(float));
    return all;
}

// Rows of a side that a step sees.
static int64_t seen(const Run *r, int64_t step, bool target)
{
    int32_t i = r->step_pair[step];
    return target ? r->from[i] + step - r->first_step[i] : r->pair[i].source.n;
}

static float *copy_leaf_grad(Arena *a, const Tensor *x, int64_t k, int64_t rows)
{
    const float *g = leaf_grad(a, x, k, rows);
    return g ? memcpy(arena_new_raw(a, float, rows * x->cols), g, (size_t)(rows * x->cols) * sizeof(float))
             : NULL;
}

// With contrast_force_inputs the foil's pass is differentiated too, where it runs on the very inputs that are
// attributed: the same source, or the same prefix. Adds those gradients to copies in dx, dy.
static void add_foil(const Run *r, Arena *a, const Pass *pass, int64_t step, int64_t k, float *dx, float *dy)
{
    int32_t i = r->step_pair[step];
    if (r->foil_of[i] < 0) return;
    int64_t S = seen(r, step, false), s = seen(r, step, true);
    const float *gx = dx && run_same_ids(r->pair[i].source, r->pair[i].contrast->source)
                          ? leaf_grad(a, pass->x, k, S)
                          : NULL;
    const float *gy = dy && run_foil_shares(r, step) ? leaf_grad(a, pass->y, k, s) : NULL;
    if (gx) num_axpy(dx, 1, gx, S * pass->x->cols);
    if (gy) num_axpy(dy, 1, gy, s * pass->y->cols);
}

void run_gradients(Run *r, Tape *tape, const Pass *pass, Tensor *logits, double *values, Sink *sink,
                   void *context)
{
    bool forced = r->o->step.contrast_force_inputs && r->n_logits > r->n_steps;
    for (int64_t first = 0, n; first < r->n_steps; first += n) {
        Arena *a = arena_create(r->work);
        size_t bytes;
        n = run_block(r, tape, logits, first, &bytes);
        int64_t parts = run_row_parts(n);
        Seeds s = {.r = r,
                   .logits = logits->f,
                   .values = values,
                   .first = first,
                   .n = n,
                   .parts = parts,
                   .d = tape_seed(tape, logits, seed_layout(r, a, first, n, false)),
                   .dc = forced ? arena_new_raw(a, float, n * logits->cols) : NULL,
                   .p = arena_new_raw(a, float, parts *ROW_ROOM * logits->cols)};
        pool_run(parts, make_seeds, &s);
        tape_go_back(tape, logits);
        count_backward(r, first, n, false);
        if (r->gone_back) r->gone_back(r, context, first, n);
        float **dx = arena_new(a, float *, n), **dy = arena_new(a, float *, n);
        for (int64_t k = 0; forced && k < n;
             k++) { // kept while the foils' gradients take their place on the tape
            dx[k] = copy_leaf_grad(a, pass->x, k, seen(r, first + k, false));
            dy[k] = copy_leaf_grad(a, pass->y, k, seen(r, first + k, true));
        }
        if (forced)
            tape_backward(tape, logits, seed_layout(r, a, first, n, true), s.dc),
                count_backward(r, first, n, true);
        for (int64_t k = 0; k < n; k++) {
            int32_t i = r->step_pair[first + k];
            if (forced) add_foil(r, a, pass, first + k, k, dx[k], dy[k]);
            sink(r, context, i, first + k - r->first_step[i],
                 forced ? dx[k] : leaf_grad(a, pass->x, k, seen(r, first + k, false)),
                 forced ? dy[k] : leaf_grad(a, pass->y, k, seen(r, first + k, true)));
        }
        if (r->o->progress) r->o->progress(r->o->context, first + n, r->n_steps);
        arena_free(a);
    }
}

typedef struct Values {
    Run *r;
    const float *logits;
    double *values;
    bool own_foil;
    float *p; // [parts, ROW_ROOM, V]
    int64_t parts;
} Values;

static void values_part(int64_t part, void *context)
{
    Values *v = context;
    for (int64_t k = part; k < v->r->n_steps; k += v->parts) {
        StepRow row = run_step_row(v->r, v->logits, k, v->own_foil, v->p + part * ROW_ROOM * v->r->f->vocab);
        v->values[k] = v->r->function->value(&row);
    }
}

void run_values(Run *r, const Tensor *logits, double *values)
{
    Arena *a = arena_create(r->work);
    int64_t parts = run_row_parts(r->n_steps);
    Values v = {.r = r,
                .logits = logits->f,
                .values = values,
                .own_foil = r->o->step.contrast_force_inputs,
                .parts = parts,
                .p = arena_new_raw(a, float, parts *ROW_ROOM * r->f->vocab)};
    pool_run(parts, values_part, &v);
    arena_free(a);
}
