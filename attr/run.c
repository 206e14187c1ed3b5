// SPDX-License-Identifier: Apache-2.0
// run.c — a run begins: which steps of which pairs are attributed, which sequences and rows of logits they need, and one
// forward pass for all of them.
#include "run.h"

#include <string.h>

// ------------------------------------------------------------------------------------------ which steps

// "text 3, source: " for messages; a text that is run by itself needs no number. what: may be "".
static const char *named(const Run *r, int64_t i, const char *what)
{
    const char *text = r->n > 1 ? arena_printf(r->work, "text %" PRId64, i + 1) : "";
    return arena_printf(r->work, "%s%s%s", text, *text && *what ? ", " : "", what);
}

// Semantics 1.4, with an exclusive end: start default 1 or behind the prompt, end default and at most T, negative ones count
// from T.
static bool find_steps(Run *r, int64_t i, Err *e)
{
    const Pair *p = &r->pair[i];
    int64_t T = p->target.n,
            first = r->f->encoder_decoder ? 1 : p->source.n; // a prompt is attributed if asked for
    int64_t from = r->o->has_start ? r->o->start : first, to = r->o->has_end ? r->o->end : T;
    if (p->steps.to) from = p->steps.from, to = p->steps.to;
    if (from < 0) from += T;
    if (to < 0) to += T;
    if (to > T) to = T;
    if (from < 1) from = 1;
    const char *text = arena_printf(r->work, "%s%s", named(r, i, ""), r->n > 1 ? ": " : "");
    if (T < 2) return err_set(e, "%sthe target has no tokens to attribute", text);
    if (from >= to)
        return err_set(e,
                       "%sattribution would start at target position %" PRId64 " and end before %" PRId64
                       "; the start must be smaller (positions 1 to %" PRId64 ")",
                       text, from, to, T - 1);
    r->from[i] = from, r->to[i] = to;
    return true;
}

static bool check_pair(const Run *r, int64_t i, const Pair *p, bool foil, Err *e)
{
    const char *source = named(r, i, foil ? "source of the foil" : "source"),
               *target = named(r, i, foil ? "foil" : "target");
    if (r->f->encoder_decoder && p->source.n < 1) return err_set(e, "%s: it has no tokens", source);
    return (!r->f->encoder_decoder || nn_check_ids(r->m, p->source, false, source, e)) &&
           nn_check_ids(r->m, (Ids){p->target.v, p->target.n - 1}, true, target, e) &&
           nn_check_ids(r->m, (Ids){p->target.v + p->target.n - 1, p->target.n > 0}, true, target, e);
}

// The sequences of the pass while they are collected.
typedef struct Collected {
    Ids *source, *target;
    int32_t *source_of;
    int64_t n_sources, n_targets;
} Collected;

bool run_same_ids(Ids a, Ids b)
{
    return a.n == b.n && (a.v == b.v || !memcmp(a.v, b.v, (size_t)a.n * sizeof *a.v));
}

static int32_t collect(Collected *c, Ids source, Ids target)
{
    int32_t s = 0, t = 0;
    while (s < c->n_sources && !run_same_ids(c->source[s], source)) s++;
    if (s == c->n_sources) c->source[c->n_sources++] = source;
    while (t < c->n_targets && !(c->source_of[t] == s && run_same_ids(c->target[t], target))) t++;
    if (t == c->n_targets) c->target[c->n_targets] = target, c->source_of[c->n_targets++] = s;
    return t;
}

static bool collect_pairs(Run *r, Err *e)
{
    Arena *w = r->work;
    Collected c = {.source = arena_new(w, Ids, 2 * r->n),
                   .target = arena_new(w, Ids, 2 * r->n),
                   .source_of = arena_new(w, int32_t, 2 * r->n)};
    r->from = arena_new(w, int64_t, r->n), r->to = arena_new(w, int64_t, r->n);
    r->target_of = arena_new(w, int32_t, r->n), r->foil_of = arena_new(w, int32_t, r->n);
    r->first_step = arena_new(w, int64_t, r->n);
    for (int64_t i = 0; i < r->n; i++) {
        const Pair *p = &r->pair[i], *foil = p->contrast;
        if (!find_steps(r, i, e) || !check_pair(r, i, p, false, e)) return false;
        if (foil && !check_pair(r, i, foil, true, e)) return false;
        if (foil && foil->target.n < 2) return err_set(e, "%s: it has no tokens", named(r, i, "foil"));
        r->target_of[i] = collect(&c, p->source, p->target);
        r->foil_of[i] = foil ? collect(&c, foil->source, foil->target) : -1;
        r->first_step[i] = r->n_steps;
        r->n_steps += r->to[i] - r->from[i];
    }
    int64_t *s = arena_new(w, int64_t, c.n_sources), *t = arena_new(w, int64_t, c.n_targets);
    for (int64_t i = 0; i < c.n_sources; i++) s[i] = c.source[i].n;
    for (int64_t i = 0; i < c.n_targets; i++) t[i] = c.target[i].n - 1;
    r->sources = r->f->encoder_decoder ? rows_make(w, c.n_sources, s) : NULL;
    r->targets = rows_make(w, c.n_targets, t);
    r->source_ids = c.source, r->target_ids = c.target, r->source_of = c.source_of;
    return true;
}

int64_t run_count_rows(const Rows *r) { return r ? r->start[r->n - 1] + r->len[r->n - 1] : 0; }

static void embed_sequences(Run *r)
{
    int64_t d = r->width;
    r->x = arena_new_raw(r->work, float, run_count_rows(r->sources) * d);
    r->y = arena_new_raw(r->work, float, run_count_rows(r->targets) * d);
    for (int64_t i = 0; r->sources && i < r->sources->n; i++)
        nn_embed(r->m, r->source_ids[i], false, r->x + r->sources->start[i] * d);
    for (int64_t i = 0; i < r->targets->n; i++)
        nn_embed(r->m, (Ids){r->target_ids[i].v, r->targets->len[i]}, true, r->y + r->targets->start[i] * d);
}

// Which position of the foil each of a pair's steps is compared with.
static void align(const Run *r, int64_t i, int64_t *at)
{
    int64_t n = r->to[i] - r->from[i];
    Aligned *v = arena_new(r->work, Aligned, n);
    attr_align(r->work, &r->pair[i], r->f->encoder_decoder, r->from[i], r->to[i], v);
    for (int64_t k = 0; k < n; k++) at[k] = v[k].at;
}

bool run_foil_shares(const Run *r, int64_t step)
{
    const Pair *p = &r->pair[r->step_pair[step]];
    int64_t s = r->from[r->step_pair[step]] + step - r->first_step[r->step_pair[step]];
    return p->contrast && s == r->foil_at[step] &&
           !memcmp(p->target.v, p->contrast->target.v, (size_t)s * sizeof(int32_t));
}

int64_t run_foils_sharing(const Run *r, int64_t pair)
{
    int64_t n = 0;
    for (int64_t s = r->from[pair]; s < r->to[pair]; s++)
        n += run_foil_shares(r, r->first_step[pair] + s - r->from[pair]);
    return n;
}

// One row of logits for each step, then one for each step's foil where there is one.
void run_choose_rows(Run *r)
{
    Arena *w = r->work;
    int64_t *len = arena_new(w, int64_t, 2 * r->n), groups = 0;
    bool known = r->foil_at != NULL;
    r->step_pair = arena_new(w, int32_t, r->n_steps);
    if (!known) r->foil_at = arena_new(w, int64_t, r->n_steps);
    r->logit_row = arena_new(w, int64_t, 2 * r->n_steps);
    for (int64_t i = 0; i < r->n; i++) {
        len[groups++] = r->to[i] - r->from[i];
        for (int64_t s = r->from[i]; s < r->to[i]; s++) {
            int64_t k = r->first_step[i] + s - r->from[i];
            r->step_pair[k] = (int32_t)i;
            r->logit_row[r->n_logits++] = r->targets->start[r->target_of[i]] + s - 1;
        }
        if (r->pair[i].contrast && !known) align(r, i, r->foil_at + r->first_step[i]);
    }
    bool foils = false;
    for (int64_t i = 0; i < r->n; i++) foils |= r->foil_logits && r->foil_of[i] >= 0;
    for (int64_t k = 0; foils && k < r->n_steps; k++) { // a step without a foil gets its own row again
        int32_t i = r->step_pair[k];
        int32_t f = run_foil(r, k);
        len[r->n + i]++, groups = 2 * r->n;
        r->logit_row[r->n_logits++] = f < 0 ? r->logit_row[k] : r->targets->start[f] + r->foil_at[k] - 1;
    }
    r->logit_rows = rows_make(w, groups, len);
}

// ------------------------------------------------------------------------------------------ passes

static Tensor *leaf(Tape *t, const float *f, const Rows *rows, int64_t width, bool wanted)
{
    return rows ? tn_leaf(t, f, run_count_rows(rows), width, rows, wanted) : NULL;
}

void run_record(Run *r, Tape *tape, const float *x, const float *y, Pass *pass, Tensor **logits)
{
    tape_reset(tape);
    Tensor *lx = leaf(tape, x, r->sources, r->width, r->differentiate);
    Tensor *ly = leaf(tape, y, r->targets, r->width, r->differentiate && run_wants_target(r));
    tape_light(tape, r->light);
    nn_forward(r->m, tape, lx, ly, r->source_of, pass);
    tape_light(tape, false);
    *logits = nn_logits(r->m, tape, pass, r->logit_row, r->logit_rows);
}

void run_count_forward(const Run *r, const Rows *x, const Rows *y, int64_t words)
{
    Passes *p = r->o->made;
    if (!p) return;
    p->forwards += (double)y->n, p->words += (double)words;
    p->source_rows += (double)run_count_rows(x), p->target_rows += (double)run_count_rows(y);
}

bool run_forward(Run *r, Tape *tape, const float *x, const float *y, Pass *pass, Tensor **logits, Err *e)
{
    run_record(r, tape, x, y, pass, logits);
    run_count_forward(r, r->sources, r->targets, r->n_logits);
    return nn_check_finite(r->m, (*logits)->f, (*logits)->rows * (*logits)->cols, e);
}

// ------------------------------------------------------------------------------------------ the beginning

bool run_begin(Run *r, Arena *work, const Model *m, const AttrOptions *o, const Method *method,
               const Pair *pair, size_t n, Err *e)
{
    *r = (Run){.work = work,
               .m = m,
               .f = nn_info(m),
               .o = o,
               .pair = pair,
               .n = (int64_t)n,
               .differentiate = !method->no_gradient,
               .foil_logits = true,
               .function = step_find(o->attributed_fn, NULL),
               .width = nn_info(m)->width};
    if (!collect_pairs(r, e)) return false;
    r->light =
        method->light && !r->f->encoder_decoder && nn_record_bytes(m, r->targets) > (double)o->max_memory / 2;
    embed_sequences(r), run_choose_rows(r);
    return true;
}
