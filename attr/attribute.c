// attribute.c — one run: from pairs of ids to scores. One forward pass for all sentences and steps, step functions on
// its logits, then the method.
#include "results/aggregate.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

AttrOptions attr_defaults(void)
{
    return (AttrOptions){.method = "saliency",
                         .attributed_fn = "probability",
                         .max_memory = (size_t)64 << 20,
                         .unk = -1,
                         .eos = -1,
                         .bos = -1,
                         .step = {.top_p = 1, .min_tokens_to_keep = 1, .n_mcd_steps = 5}};
}

// ------------------------------------------------------------------------------------------ which steps

// "text 3, source: " for messages; a text that is run by itself needs no number. what: may be "".
static const char *named(const Run *r, int64_t i, const char *what)
{
    const char *text = r->n > 1 ? arena_printf(r->work, "text %" PRId64, i + 1) : "";
    return arena_printf(r->work, "%s%s%s", text, *text && *what ? ", " : "", what);
}

// Semantics 1.4, with an exclusive end: start default 1, end default and at most T, negative ones count from T.
static bool find_steps(Run *r, int64_t i, Err *e)
{
    const Pair *p = &r->pair[i];
    int64_t T = p->target.n, least = r->f->encoder_decoder ? 1 : p->source.n;
    int64_t from = r->o->has_start ? r->o->start : least, to = r->o->has_end ? r->o->end : T;
    if (from < 0) from += T;
    if (to < 0) to += T;
    if (to > T) to = T;
    if (from < least) from = least;
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

static bool same_ids(Ids a, Ids b)
{
    return a.n == b.n && (a.v == b.v || !memcmp(a.v, b.v, (size_t)a.n * sizeof *a.v));
}

static int32_t collect(Collected *c, Ids source, Ids target)
{
    int32_t s = 0, t = 0;
    while (s < c->n_sources && !same_ids(c->source[s], source)) s++;
    if (s == c->n_sources) c->source[c->n_sources++] = source;
    while (t < c->n_targets && !(c->source_of[t] == s && same_ids(c->target[t], target))) t++;
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

static int64_t count_rows(const Rows *r) { return r ? r->start[r->n - 1] + r->len[r->n - 1] : 0; }

static void embed_sequences(Run *r)
{
    int64_t d = r->width;
    r->x = arena_new_raw(r->work, float, count_rows(r->sources) * d);
    r->y = arena_new_raw(r->work, float, count_rows(r->targets) * d);
    for (int64_t i = 0; r->sources && i < r->sources->n; i++)
        nn_embed(r->m, r->source_ids[i], false, r->x + r->sources->start[i] * d);
    for (int64_t i = 0; i < r->targets->n; i++)
        nn_embed(r->m, (Ids){r->target_ids[i].v, r->targets->len[i]}, true, r->y + r->targets->start[i] * d);
}

// Which position of the foil each step is compared with (semantics 2.2): the caller's pairs first, then from the right.
static void align(const Run *r, int64_t i, int64_t *at)
{
    const Pair *p = &r->pair[i];
    int64_t T = p->contrast->target.n, from = r->from[i], to = r->to[i];
    for (int64_t s = from; s < to; s++) {
        int64_t first = 0, untaken = 0;
        for (size_t k = 0; k < p->n_alignment; k++) {
            int64_t q = p->alignment[k].to;
            if (p->alignment[k].from != s || q < 1 || q >= T) continue;
            bool taken = false;
            for (int64_t b = from; b < s; b++) taken |= at[b - from] == q;
            if (!first || q < first) first = q;
            if (!taken && (!untaken || q < untaken)) untaken = q;
        }
        at[s - from] = untaken ? untaken : first;
    }
    for (int64_t k = 1; k <= to - from; k++) // 0: none given
        if (!at[to - k - from]) at[to - k - from] = T - k > 0 ? T - k : T - 1;
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
        bool own = r->foil_of[i] < 0;
        len[r->n + i]++, groups = 2 * r->n;
        r->logit_row[r->n_logits++] =
            own ? r->logit_row[k] : r->targets->start[r->foil_of[i]] + r->foil_at[k] - 1;
    }
    r->logit_rows = rows_make(w, groups, len);
}

// ------------------------------------------------------------------------------------------ passes

static Tensor *leaf(Tape *t, const float *f, const Rows *rows, int64_t width, bool wanted)
{
    return rows ? tn_leaf(t, f, count_rows(rows), width, rows, wanted) : NULL;
}

void run_record(Run *r, Tape *tape, const float *x, const float *y, Pass *pass, Tensor **logits)
{
    tape_reset(tape);
    Tensor *lx = leaf(tape, x, r->sources, r->width, r->differentiate);
    Tensor *ly = leaf(tape, y, r->targets, r->width, r->differentiate && run_wants_target(r));
    nn_forward(r->m, tape, lx, ly, r->source_of, pass);
    *logits = nn_logits(r->m, tape, pass, r->logit_row, r->logit_rows);
}

static void count_forward(const Run *r, const Rows *x, const Rows *y, int64_t words)
{
    Passes *p = r->o->made;
    if (!p) return;
    p->forwards += (double)y->n, p->words += (double)words;
    p->source_rows += (double)count_rows(x), p->target_rows += (double)count_rows(y);
}

bool run_forward(Run *r, Tape *tape, const float *x, const float *y, Pass *pass, Tensor **logits, Err *e)
{
    run_record(r, tape, x, y, pass, logits);
    count_forward(r, r->sources, r->targets, r->n_logits);
    return nn_check_finite(r->m, (*logits)->f, (*logits)->rows * (*logits)->cols, e);
}

// The step's row as a step function sees it. own_foil: the foil's word is read from the foil's own pass, else from the
// same row as the token (semantics 2.1). p: room for [ROW_ROOM, V].
static StepRow step_row(const Run *r, const float *logits, int64_t k, bool own_foil, float *p)
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
    row.contrast_token = r->foil_of[i] < 0 ? row.token : r->pair[i].contrast->target.v[r->foil_at[k]];
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
        StepRow row = step_row(s->r, s->logits, s->first + i, dc != NULL, s->p + part * ROW_ROOM * V);
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
        seq[k] = foil && r->foil_of[i] >= 0 ? r->foil_of[i] : r->target_of[i];
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
    bool same_prefix = s == r->foil_at[step] && !memcmp(r->pair[i].target.v, r->pair[i].contrast->target.v,
                                                        (size_t)s * sizeof(int32_t));
    const float *gx =
        dx && same_ids(r->pair[i].source, r->pair[i].contrast->source) ? leaf_grad(a, pass->x, k, S) : NULL;
    const float *gy = dy && same_prefix ? leaf_grad(a, pass->y, k, s) : NULL;
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
        StepRow row = step_row(v->r, v->logits, k, v->own_foil, v->p + part * ROW_ROOM * v->r->f->vocab);
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

// ------------------------------------------------------------------------------------------ results

static Scores nan_scores(Arena *a, int64_t rows, int64_t columns, int extra, const int64_t *dims)
{
    Scores s = {.rank = 2 + extra, .dim = {rows, columns}};
    int64_t n = rows * columns;
    for (int k = 0; k < extra; k++) s.dim[2 + k] = dims[k], n *= dims[k];
    s.v = arena_new_raw(a, float, n);
    for (int64_t i = 0; i < n; i++) s.v[i] = NAN;
    return s;
}

void run_scores(Run *r, int extra, const int64_t *dims, OutputClass kind)
{
    run_scores_of(r, r->sources != NULL, run_wants_target(r), extra, dims, kind);
}

void run_scores_of(Run *r, bool source, bool target, int extra, const int64_t *dims, OutputClass kind)
{
    for (int64_t i = 0; i < r->n; i++) {
        Sequence *q = &r->out[i];
        int64_t columns = r->to[i] - r->from[i];
        q->kind = kind;
        if (source) q->source_attributions = nan_scores(r->a, r->pair[i].source.n, columns, extra, dims);
        if (target) q->target_attributions = nan_scores(r->a, r->to[i], columns, extra, dims);
    }
}

void run_step_score(Run *r, Str name)
{
    for (int64_t i = 0; i < r->n; i++) {
        Sequence *q = &r->out[i];
        NamedScores *more = arena_new(r->a, NamedScores, q->n_step_scores + 1);
        for (size_t k = 0; k < q->n_step_scores; k++) more[k] = q->step_scores[k];
        more[q->n_step_scores++] =
            (NamedScores){.name = name,
                          .scores = {.rank = 1,
                                     .dim = {r->to[i] - r->from[i]},
                                     .v = arena_new(r->a, float, r->to[i] - r->from[i])}};
        q->step_scores = more;
    }
}

Scores *run_sequence_score(Run *r, int64_t i, Str name, int rank, const int64_t *dims)
{
    Sequence *q = &r->out[i];
    NamedScores *more = arena_new(r->a, NamedScores, q->n_sequence_scores + 1),
                *new = &more[q->n_sequence_scores];
    int64_t n = 1;
    for (size_t k = 0; k < q->n_sequence_scores; k++) more[k] = q->sequence_scores[k];
    *new = (NamedScores){.name = name, .scores = {.rank = rank}};
    for (int k = 0; k < rank; k++) new->scores.dim[k] = dims[k], n *= dims[k];
    new->scores.v = arena_new(r->a, float, n);
    q->sequence_scores = more, q->n_sequence_scores++;
    return &new->scores;
}

// Log-probabilities of each step's token in passes with dropout [n_steps, n_mcd_steps]. Each pair by itself, so that its
// noise does not depend on its neighbours.
static double *noisy_passes(Run *r)
{
    int64_t n = r->o->step.n_mcd_steps, d = r->width;
    double *out = arena_new(r->work, double, r->n_steps *n);
    Tape *tape = tape_create(r->work);
    tape_record(tape, false);
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t pass = 0; pass < n; pass++) {
            tape_reset(tape);
            Arena *a = tape_arena(tape);
            int64_t S = r->pair[i].source.n, T = r->targets->len[r->target_of[i]],
                    steps = r->to[i] - r->from[i];
            Tensor *x = r->sources ? tn_leaf(tape, run_x(r, i), S, d, rows_make(a, 1, &S), false) : NULL;
            Tensor *y = tn_leaf(tape, run_y(r, i), T, d, rows_make(a, 1, &T), false);
            int64_t *row = arena_new(a, int64_t, steps);
            for (int64_t k = 0; k < steps; k++) row[k] = r->from[i] + k - 1;
            Pass p;
            nn_forward_noisy(r->m, tape, x, y, NULL, num_random(r->o->step.seed, (uint64_t)pass), &p);
            count_forward(r, x ? x->seqs : NULL, y->seqs, steps);
            const Tensor *z = nn_logits(r->m, tape, &p, row, rows_make(a, 1, &steps));
            for (int64_t k = 0; k < steps; k++) {
                int32_t token = r->pair[i].target.v[r->from[i] + k];
                out[(r->first_step[i] + k) * n + pass] =
                    (double)z->f[k * z->cols + token] - num_log_sum_exp(z->f + k * z->cols, z->cols);
            }
        }
    return out;
}

static bool make_step_scores(Run *r, Err *e)
{
    size_t count = r->o->n_step_scores;
    const double *noisy = NULL;
    for (size_t j = 0; j < count; j++)
        if (!strcmp(r->o->step_scores[j], "mc_dropout_prob_avg")) noisy = noisy_passes(r);
    for (int64_t i = 0; i < r->n; i++) {
        r->out[i].step_scores = arena_new(r->a, NamedScores, count);
        r->out[i].n_step_scores = count;
    }
    float *p = arena_new_raw(r->work, float, ROW_ROOM * r->f->vocab);
    for (size_t j = 0; j < count; j++) {
        const StepFunction *f = step_find(r->o->step_scores[j], e);
        if (!f) return false;
        for (int64_t i = 0; i < r->n; i++)
            r->out[i].step_scores[j] =
                (NamedScores){.name = str_of(f->name),
                              .is_int = f->integer,
                              .scores = {.rank = 1,
                                         .dim = {r->to[i] - r->from[i]},
                                         .v = arena_new(r->a, float, r->to[i] - r->from[i])}};
    }
    for (int64_t k = 0; count && k < r->n_steps; k++) {
        StepRow row = step_row(r, r->logits->f, k, true, p);
        int32_t i = r->step_pair[k];
        row.noisy = noisy ? noisy + k * r->o->step.n_mcd_steps : NULL;
        for (size_t j = 0; j < count; j++)
            r->out[i].step_scores[j].scores.v[k - r->first_step[i]] =
                (float)step_find(r->o->step_scores[j], NULL)->value(&row);
    }
    return true;
}

static Token foil_label(Arena *a, const Token *foil, const Token *token) // "▁no → ▁yes" (semantics 2.3)
{
    Buf b = {.arena = a};
    buf_str(&b, foil->text), buf_str(&b, STR_LIT(" → ")), buf_str(&b, token->text);
    return (Token){.id = -1, .text = buf_view(&b)};
}

static void name_tokens(Run *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        const Pair *p = &r->pair[i];
        Sequence *q = &r->out[i];
        q->n_source = p->source.n, q->n_target = p->target.n;
        q->attr_pos_start = r->from[i], q->attr_pos_end = r->to[i];
        q->source = arena_new(r->a, Token, q->n_source), q->target = arena_new(r->a, Token, q->n_target);
        for (int64_t k = 0; k < q->n_source; k++) q->source[k] = p->source_tokens[k];
        for (int64_t k = 0; k < q->n_target; k++) q->target[k] = p->target_tokens[k];
        for (int64_t k = r->from[i]; p->contrast && k < r->to[i]; k++) {
            const Token *foil = &p->contrast->target_tokens[r->foil_at[r->first_step[i] + k - r->from[i]]];
            if (!str_eq(foil->text, q->target[k].text)) q->target[k] = foil_label(r->a, foil, &q->target[k]);
        }
    }
}

bool attr_check(const AttrOptions *o, Err *e)
{
    for (size_t i = 0; i < o->n_step_scores; i++)
        if (!strcmp(o->step_scores[i], "top_p_size") && !o->step.top_p_given)
            return err_set(e, "top_p_size needs the argument top_p, such as 0.9");
    const Method *method = method_find(o->method, e);
    const StepFunction *function = method ? step_find(o->attributed_fn, e) : NULL;
    for (size_t i = 0; function && i < o->n_step_scores; i++)
        if (!step_find(o->step_scores[i], e)) return false;
    if (function && !strcmp(function->name, "kl_divergence") && !method->no_gradient &&
        !o->step.contrast_force_inputs)
        return err_set(
            e,
            "kl_divergence compares two passes: as attributed function it needs contrast_force_inputs true");
    bool noisy = function && !strcmp(function->name, "mc_dropout_prob_avg"); // of the original inputs alone
    if (function && !function->gradient && (!method->no_gradient || noisy))
        return err_set(e, "%s has no gradient and can't be attributed; it can be a step score",
                       function->name);
    return function != NULL;
}

bool run_begin(Run *r, Arena *work, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, Err *e)
{
    if (!attr_check(o, e)) return false;
    *r = (Run){.work = work,
               .m = m,
               .f = nn_info(m),
               .o = o,
               .pair = pair,
               .n = (int64_t)n,
               .differentiate = !method_find(o->method, NULL)->no_gradient,
               .foil_logits = true,
               .function = step_find(o->attributed_fn, NULL),
               .width = nn_info(m)->width};
    if (!collect_pairs(r, e)) return false;
    embed_sequences(r), run_choose_rows(r);
    return true;
}

bool attr_run(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, Sequence *out,
              Err *e)
{
    Arena *work = arena_create(a);
    Run r;
    for (size_t i = 0; i < n; i++) out[i] = (Sequence){0};
    bool ok = run_begin(&r, work, m, o, pair, n, e);
    r.a = o->aggregated ? work : a, r.out = out;
    if (ok) tape_profile(r.tape = tape_create(work), o->profile);
    ok = ok && run_forward(&r, r.tape, r.x, r.y, &r.pass, &r.logits, e) && make_step_scores(&r, e);
    if (ok) name_tokens(&r);
    ok = ok && method_find(o->method, NULL)->run(&r, e) && (!o->evaluate.wanted || run_evaluate(&r, a, e));
    for (size_t i = 0; i < n && ok && o->aggregated; i++) ok = aggregate_apart(a, &out[i], &out[i], e);
    arena_free(work);
    return ok;
}
