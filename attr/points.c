// SPDX-License-Identifier: Apache-2.0
// points.c — many passes of the same pairs at other embeddings: the points of a path, or inputs with
// something taken away.
//
// A point is a pair once more, so a pass of many points is a Run of its own, as if each were another
// sentence. Sources that don't move are encoded once for all points of the pass; targets are cut behind the
// last step that is wanted. A foil whose own pass counts (contrast_force_inputs) moves with the source that it shares,
// and with the prefix in those steps where that is the same to its end; the other steps have a foil that stays.
#include "run.h"

#include <string.h>

typedef struct Packed {
    Run run;
    Run *parent;
    const Points *p;
    int64_t first;
    int32_t *shared;          // [sources of the parent] where an unmoved one stands in this pass; -1: not yet
    int32_t *source, *target; // [sequences] which of the parent's each is a copy of
    int32_t *still; // [points] the foil's sequence whose prefix does not move, if it has one that does
    int64_t n_sources, n_targets;
    int64_t *source_len, *target_len;
} Packed;

static bool forced(const Run *r) { return r->o->step.contrast_force_inputs; }

// Bytes that a point leaves on the tape, by the rows of its sequences and what the original pass has taken.
static double bytes_of(const Run *r, const Point *v, double each_row)
{
    int32_t t = r->target_of[v->pair], f = r->foil_of[v->pair];
    double rows = (double)v->to + (r->sources ? (double)r->sources->len[r->source_of[t]] : 0);
    if (f >= 0 && forced(r))
        rows += (double)(r->targets->len[f] + (r->sources ? r->sources->len[r->source_of[f]] : 0));
    return rows * each_row;
}

static int64_t how_many(const Run *r, const Points *p, int64_t first)
{
    const Rows *x = r->sources, *y = r->targets;
    int64_t rows = y->start[y->n - 1] + y->len[y->n - 1] + (x ? x->start[x->n - 1] + x->len[x->n - 1] : 0);
    double each_row = (double)arena_used(tape_arena(r->tape)) / (double)rows, bytes = 0;
    int64_t n = 0, group = p->group > 1 ? p->group : 1;
    while (first + n < p->n) {
        for (int64_t k = 0; k < group; k++) bytes += bytes_of(r, &p->v[first + n + k], each_row);
        if (n && (bytes > (double)r->o->max_memory / 2 || (p->most && n + group > p->most))) break;
        n += group;
    }
    return n;
}

static int32_t add_source(Packed *k, int32_t of, bool moves)
{
    const Run *r = k->parent;
    if (!r->sources) return 0;
    if (!moves && k->shared[of] >= 0) return k->shared[of];
    k->source[k->n_sources] = of, k->source_len[k->n_sources] = r->sources->len[of];
    if (!moves) k->shared[of] = (int32_t)k->n_sources;
    return (int32_t)k->n_sources++;
}

static int32_t add_target(Packed *k, int32_t of, int64_t len, int32_t source, int32_t *source_of)
{
    k->target[k->n_targets] = of, k->target_len[k->n_targets] = len, source_of[k->n_targets] = source;
    return (int32_t)k->n_targets++;
}

// Copies of the sequences that the points need, and which belongs to which.
static void choose_sequences(Packed *k)
{
    Run *v = &k->run, *r = k->parent;
    Arena *w = v->work;
    int64_t n = v->n, sources = r->sources ? r->sources->n : 0;
    Pair *pair = arena_new(w, Pair, n);
    int32_t *source_of = arena_new(w, int32_t, 3 * n);
    v->from = arena_new(w, int64_t, n), v->to = arena_new(w, int64_t, n),
    v->first_step = arena_new(w, int64_t, n);
    v->target_of = arena_new(w, int32_t, n), v->foil_of = arena_new(w, int32_t, n);
    k->shared = arena_new(w, int32_t, sources);
    k->source = arena_new(w, int32_t, 2 * n), k->source_len = arena_new(w, int64_t, 2 * n);
    k->target = arena_new(w, int32_t, 3 * n), k->target_len = arena_new(w, int64_t, 3 * n);
    k->still = arena_new(w, int32_t, n);
    for (int64_t i = 0; i < sources; i++) k->shared[i] = -1;
    v->n_steps = 0;
    for (int64_t i = 0; i < n; i++) {
        const Point *q = &k->p->v[k->first + i];
        int32_t t = r->target_of[q->pair], f = r->foil_of[q->pair];
        pair[i] = r->pair[q->pair];
        v->from[i] = q->from, v->to[i] = q->to, v->first_step[i] = v->n_steps, v->n_steps += q->to - q->from;
        int32_t source = add_source(k, r->source_of[t], q->moves_x);
        v->target_of[i] = add_target(k, t, q->to - 1, source, source_of);
        v->foil_of[i] = f;
        if (f < 0 || !forced(r)) continue;
        if (r->source_of[f] != r->source_of[t]) source = add_source(k, r->source_of[f], false);
        v->foil_of[i] = add_target(k, f, r->targets->len[f], source, source_of);
        int64_t share = q->moves_y ? run_foils_sharing(r, q->pair) : 0;
        k->still[i] = v->foil_of[i];
        if (share && share < r->to[q->pair] - r->from[q->pair])
            k->still[i] = add_target(k, f, r->targets->len[f], source, source_of);
    }
    int64_t *foil_at = arena_new(w, int64_t, v->n_steps);
    for (int64_t i = 0; i < n; i++) // each step keeps the foil's position that it has among all
        for (int64_t s = v->from[i], p = k->p->v[k->first + i].pair; s < v->to[i]; s++)
            foil_at[v->first_step[i] + s - v->from[i]] = r->foil_at[r->first_step[p] + s - r->from[p]];
    int32_t *foil_seq = arena_new(w, int32_t, v->n_steps);
    for (int64_t i = 0; i < n; i++)
        for (int64_t s = v->from[i], p = k->p->v[k->first + i].pair; s < v->to[i]; s++)
            foil_seq[v->first_step[i] + s - v->from[i]] =
                v->foil_of[i] < 0 || !forced(r) || run_foil_shares(r, r->first_step[p] + s - r->from[p])
                    ? v->foil_of[i]
                    : k->still[i];
    v->pair = pair, v->source_of = source_of, v->foil_at = foil_at, v->foil_seq = foil_seq;
    v->sources = r->sources ? rows_make(w, k->n_sources, k->source_len) : NULL;
    v->targets = rows_make(w, k->n_targets, k->target_len);
}

static void copy_rows(float *to, const Rows *rows, const float *from, const Rows *of, const int32_t *which,
                      int64_t d)
{
    for (int64_t i = 0; i < rows->n; i++)
        memcpy(to + rows->start[i] * d, from + of->start[which[i]] * d,
               (size_t)(rows->len[i] * d) * sizeof(float));
}

// Tokens at the beginning that the pair's target and its foil have in common.
static int64_t common_prefix(const Pair *p)
{
    int64_t n = 0;
    while (n < p->target.n && n < p->contrast->target.n && p->target.v[n] == p->contrast->target.v[n]) n++;
    return n;
}

static void embed(Packed *k)
{
    Run *v = &k->run, *r = k->parent;
    int64_t d = r->width, rows = v->targets->start[v->targets->n - 1] + v->targets->len[v->targets->n - 1];
    v->y = arena_new_raw(v->work, float, rows *d);
    copy_rows(v->y, v->targets, r->y, r->targets, k->target, d);
    if (v->sources) {
        rows = v->sources->start[v->sources->n - 1] + v->sources->len[v->sources->n - 1];
        v->x = arena_new_raw(v->work, float, rows *d);
        copy_rows(v->x, v->sources, r->x, r->sources, k->source, d);
    }
    for (int64_t i = 0; i < v->n; i++) {
        const Point *q = &k->p->v[k->first + i];
        int32_t t = v->target_of[i], f = v->foil_of[i];
        float *x = q->moves_x && v->sources ? v->x + v->sources->start[v->source_of[t]] * d : NULL;
        float *own = v->y + v->targets->start[t] * d;
        // all T-1 rows are filled, though the pass may need fewer
        float *y = q->moves_y ? memcpy(arena_new_raw(v->work, float, (r->pair[q->pair].target.n - 1) * d),
                                       run_y(r, q->pair),
                                       (size_t)((r->pair[q->pair].target.n - 1) * d) * sizeof(float))
                              : NULL;
        if (x || y) k->p->fill(r, k->p->context, k->first + i, x, y);
        if (!y) continue;
        memcpy(own, y, (size_t)(v->targets->len[t] * d) * sizeof(float));
        if (f < 0 || !forced(r) || !run_foils_sharing(r, q->pair)) continue;
        int64_t same = common_prefix(&v->pair[i]);
        if (same > v->targets->len[f]) same = v->targets->len[f];
        if (same > r->pair[q->pair].target.n - 1) same = r->pair[q->pair].target.n - 1;
        memcpy(v->y + v->targets->start[f] * d, y, (size_t)(same * d) * sizeof(float));
    }
}

static void pass_gradient(Run *v, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    Packed *k = context;
    int64_t skipped = v->from[i] - k->parent->from[k->p->v[k->first + i].pair];
    k->p->gradient(k->parent, k->p->context, k->first + i, skipped + column, dx, dy);
}

static void pass_values(Packed *k, Tensor *logits)
{
    Run *v = &k->run;
    double *values = arena_new(v->work, double, v->n_steps);
    run_values(v, logits, values);
    for (int64_t i = 0; i < v->n; i++)
        for (int64_t c = 0; c < v->to[i] - v->from[i]; c++)
            k->p->value(k->parent, k->p->context, k->first + i,
                        v->from[i] - k->parent->from[k->p->v[k->first + i].pair] + c,
                        values[v->first_step[i] + c]);
}

// The points' own rows of a layer's result, of all sequences end to end.
static void show_layer(Packed *k, float *rows, int64_t width)
{
    Run *v = &k->run;
    for (int64_t i = 0; i < v->n; i++) {
        int32_t t = v->target_of[i];
        int64_t first = k->p->tap_target ? v->targets->start[t] : v->sources->start[v->source_of[t]];
        k->p->at_layer(k->parent, k->p->context, k->first + i, rows + first * width);
    }
}

static const Rows *tapped_rows(const Packed *k) { return k->p->tap_target ? k->run.targets : k->run.sources; }

static void edit_layer(Tensor *made, void *context)
{
    Packed *k = context;
    if (made->seqs == tapped_rows(k)) show_layer(k, made->f, made->cols);
}

// The layer's result takes the place of the embeddings.
static void at_layer(Packed *k, Tape *tape)
{
    Run *v = &k->run;
    Tensor *made = tape_tapped(tape);
    if (!made || made->seqs != tapped_rows(k)) BUG("%s: the layer made no rows", v->o->method);
    v->pass.x = k->p->tap_target ? NULL : made, v->pass.y = k->p->tap_target ? made : NULL;
}

static bool run_pass(Run *r, const Points *p, int64_t first, int64_t n, Arena *work, Tape *tape, Err *e)
{
    AttrOptions quiet = *r->o;
    quiet.progress = NULL, quiet.attribute_target |= p->tap_target;
    Packed k = {.run = *r, .parent = r, .p = p, .first = first};
    Run *v = &k.run;
    v->work = work, v->n = n, v->o = &quiet, v->tape = tape, v->n_logits = 0;
    v->differentiate = p->gradient != NULL, v->foil_logits = forced(r);
    choose_sequences(&k);
    run_choose_rows(v);
    embed(&k);
    if (p->at_layer && !p->tap) show_layer(&k, p->tap_target ? v->y : v->x, v->width);
    if (p->tap) v->differentiate = false, tape_tap(tape, p->tap, edit_layer, &k);
    bool ok = run_forward(v, tape, v->x, v->y, &v->pass, &v->logits, e);
    tape_tap(tape, NULL, NULL, NULL);
    if (!ok) return false;
    if (p->tap) at_layer(&k, tape);
    if (p->prepare) p->prepare(v, p->context, tape);
    if (p->value) pass_values(&k, v->logits);
    if (p->gradient) run_gradients(v, tape, &v->pass, v->logits, NULL, pass_gradient, &k);
    return true;
}

bool run_points(Run *r, const Points *p, Err *e)
{
    Arena *a = arena_create(r->work), *work = arena_create(a);
    Tape *tape = tape_create(a);
    bool ok = true;
    for (int64_t first = 0, n; ok && first < p->n; first += n) {
        n = how_many(r, p, first);
        ok = run_pass(r, p, first, n, work, tape, e);
        if (ok && r->o->progress) r->o->progress(r->o->context, r->n_steps * (first + n) / p->n, r->n_steps);
        arena_reset(work);
    }
    arena_free(a);
    return ok;
}
