// attribute.c — one run: from pairs of ids to scores. One forward pass for all sentences and steps, step functions on
// its logits, then the method.
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

AttrOptions attr_defaults(void)
{
    return (AttrOptions){.method = "saliency", .attributed_fn = "probability", .max_memory = (size_t)256 << 20,
                         .step = {.top_p = 1, .min_tokens_to_keep = 1}};
}

// ------------------------------------------------------------------------------------------ which steps

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
    if (T < 2) return err_set(e, "text %" PRId64 ": the target has no tokens to attribute", i + 1);
    if (from >= to)
        return err_set(e, "text %" PRId64 ": attribution would start at target position %" PRId64 " and end before %" PRId64
                       "; the start must be smaller (positions 1 to %" PRId64 ")", i + 1, from, to, T - 1);
    r->from[i] = from, r->to[i] = to;
    return true;
}

static bool check_pair(Run *r, int64_t i, Err *e)
{
    const Pair *p = &r->pair[i];
    char source[64], target[64];
    snprintf(source, sizeof source, "text %" PRId64 ", source", i + 1);
    snprintf(target, sizeof target, "text %" PRId64 ", target", i + 1);
    if (r->f->encoder_decoder && p->source.n < 1) return err_set(e, "%s: it has no tokens", source);
    return (!r->f->encoder_decoder || nn_check_ids(r->m, p->source, false, source, e)) &&
           nn_check_ids(r->m, (Ids){p->target.v, p->target.n - 1}, true, target, e) &&
           nn_check_ids(r->m, (Ids){p->target.v + p->target.n - 1, p->target.n > 0}, true, target, e);
}

static bool lay_out(Run *r, Err *e)
{
    Arena *w = r->work;
    int64_t *s = arena_new(w, int64_t, r->n), *t = arena_new(w, int64_t, r->n), *c = arena_new(w, int64_t, r->n);
    r->from = arena_new(w, int64_t, r->n), r->to = arena_new(w, int64_t, r->n);
    for (int64_t i = 0; i < r->n; i++) {
        if (!find_steps(r, i, e) || !check_pair(r, i, e)) return false;
        s[i] = r->pair[i].source.n, t[i] = r->pair[i].target.n - 1, c[i] = r->to[i] - r->from[i];
        r->n_steps += c[i];
    }
    r->source = r->f->encoder_decoder ? rows_make(w, r->n, s) : NULL;
    r->target = rows_make(w, r->n, t), r->steps = rows_make(w, r->n, c);
    r->step_row = arena_new(w, int64_t, r->n_steps), r->step_seq = arena_new(w, int32_t, r->n_steps);
    int64_t d = r->width, rows = r->target->start[r->n - 1] + t[r->n - 1];
    r->y = arena_new_raw(w, float, rows * d);
    if (r->source) r->x = arena_new_raw(w, float, (r->source->start[r->n - 1] + s[r->n - 1]) * d);
    for (int64_t i = 0, k = 0; i < r->n; i++) {
        if (r->source) nn_embed(r->m, r->pair[i].source, false, r->x + r->source->start[i] * d);
        nn_embed(r->m, (Ids){r->pair[i].target.v, t[i]}, true, r->y + r->target->start[i] * d);
        for (int64_t at = r->from[i]; at < r->to[i]; at++, k++)
            r->step_row[k] = r->target->start[i] + at - 1, r->step_seq[k] = (int32_t)i;
    }
    return true;
}

// ------------------------------------------------------------------------------------------ passes

static Tensor *leaf(Tape *t, const float *f, const Rows *rows, int64_t width, bool wanted)
{
    return rows ? tn_leaf(t, f, rows->start[rows->n - 1] + rows->len[rows->n - 1], width, rows, wanted) : NULL;
}

bool run_forward(Run *r, Tape *tape, const float *x, const float *y, Pass *pass, Tensor **logits, Err *e)
{
    tape_reset(tape);
    bool differentiate = !method_find(r->o->method, NULL)->no_gradient;
    Tensor *lx = leaf(tape, x, r->source, r->width, differentiate);
    Tensor *ly = leaf(tape, y, r->target, r->width, differentiate && run_wants_target(r));
    nn_forward(r->m, tape, lx, ly, NULL, pass);
    *logits = nn_logits(r->m, tape, pass, r->step_row, r->steps);
    return nn_check_finite(r->m, (*logits)->f, (*logits)->rows * (*logits)->cols, e);
}

// The step's row as a step function sees it. p and contrast_p: room for [V] each, filled here.
static StepRow step_row(const Run *r, const float *logits, const float *contrast, int64_t k, float *p, float *contrast_p)
{
    int64_t V = r->f->vocab, seq = r->step_seq[k], at = r->from[seq] + k - r->steps->start[seq];
    StepRow row = {.vocab = V, .z = logits + k * V, .p = p, .token = r->pair[seq].target.v[at], .args = &r->o->step};
    row.log_sum = num_log_sum_exp(row.z, V);
    num_softmax(p, row.z, V);
    row.contrast_z = row.z, row.contrast_p = p, row.contrast_log_sum = row.log_sum;
    row.contrast_token = r->contrast_token ? r->contrast_token[k] : row.token;
    if (contrast) {
        row.contrast_z = contrast + k * V, row.contrast_p = contrast_p;
        row.contrast_log_sum = num_log_sum_exp(row.contrast_z, V);
        num_softmax(contrast_p, row.contrast_z, V);
    }
    return row;
}

// ------------------------------------------------------------------------------------------ gradients

typedef struct Seeds { // the cotangents of steps first .. first + n - 1
    Run *r;
    const float *logits, *contrast;
    double *values;
    int64_t first;
    float *d, *p; // [n, V] and [threads' share: n, 2 V]
} Seeds;

static void make_seed(int64_t i, void *context)
{
    Seeds *s = context;
    int64_t V = s->r->f->vocab;
    float *p = s->p + 2 * i * V, *d = s->d + i * V;
    StepRow row = step_row(s->r, s->logits, s->contrast, s->first + i, p, p + V);
    if (s->values) s->values[s->first + i] = s->r->function->value(&row);
    memset(d, 0, (size_t)V * sizeof(float));
    s->r->function->gradient(&row, d, s->contrast ? NULL : d);
}

// How many steps fit one backward pass within max_memory; at least one. More never changes a bit.
static int64_t block_size(Run *r, Tape *tape, Tensor *logits, int64_t first)
{
    int64_t n = r->n_steps - first, ones = 1;
    for (; n > 1; n = (n + 1) / 2) {
        Arena *a = arena_create(r->work);
        int64_t *row = arena_new(a, int64_t, n), *one = arena_new(a, int64_t, n);
        for (int64_t k = 0; k < n; k++) row[k] = first + k, one[k] = ones;
        Layout *l = layout_make(a, n, r->step_seq + first, row, one);
        size_t bytes = tape_backward_bytes(tape, logits, l) + (size_t)(3 * n * logits->cols) * sizeof(float);
        arena_free(a);
        if (bytes <= r->o->max_memory) break;
    }
    return n;
}

void run_gradients(Run *r, Tape *tape, const Pass *pass, Tensor *logits, double *values, Sink *sink, void *context)
{
    for (int64_t first = 0, n; first < r->n_steps; first += n) {
        Arena *a = arena_create(r->work);
        n = block_size(r, tape, logits, first);
        int64_t *row = arena_new(a, int64_t, n), *one = arena_new(a, int64_t, n);
        for (int64_t k = 0; k < n; k++) row[k] = first + k, one[k] = 1;
        Layout *l = layout_make(a, n, r->step_seq + first, row, one);
        Seeds s = {.r = r, .logits = logits->f, .values = values, .first = first,
                   .contrast = r->o->step.contrast_force_inputs ? r->contrast : NULL,
                   .d = arena_new_raw(a, float, n * logits->cols), .p = arena_new_raw(a, float, 2 * n * logits->cols)};
        pool_run(n, make_seed, &s);
        tape_backward(tape, logits, l, s.d);
        for (int64_t k = 0; k < n; k++) {
            int32_t seq = r->step_seq[first + k];
            const Tensor *x = pass->x, *y = pass->y;
            const float *dx = x && x->wanted ? x->grad + x->layout->at[k] * x->cols : NULL;
            const float *dy = y->wanted ? y->grad + y->layout->at[k] * y->cols : NULL;
            sink(r, context, seq, first + k - r->steps->start[seq], dx, dy);
        }
        if (r->o->progress) r->o->progress(r->o->context, first + n, r->n_steps);
        arena_free(a);
    }
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
    for (int64_t i = 0; i < r->n; i++) {
        Sequence *q = &r->out[i];
        int64_t columns = r->steps->len[i];
        q->kind = kind;
        if (r->source) q->source_attributions = nan_scores(r->a, r->source->len[i], columns, extra, dims);
        if (run_wants_target(r)) q->target_attributions = nan_scores(r->a, r->to[i], columns, extra, dims);
    }
}

static bool make_step_scores(Run *r, Err *e)
{
    size_t count = r->o->n_step_scores;
    for (int64_t i = 0; i < r->n; i++) {
        r->out[i].step_scores = arena_new(r->a, NamedScores, count);
        r->out[i].n_step_scores = count;
    }
    float *p = arena_new_raw(r->work, float, 2 * r->f->vocab);
    for (size_t j = 0; j < count; j++) {
        const StepFunction *f = step_find(r->o->step_scores[j], e);
        if (!f) return false;
        for (int64_t i = 0; i < r->n; i++)
            r->out[i].step_scores[j] = (NamedScores){.name = str_of(f->name), .is_int = f->integer, .scores = {
                .rank = 1, .dim = {r->steps->len[i]}, .v = arena_new(r->a, float, r->steps->len[i])}};
    }
    for (int64_t k = 0; count && k < r->n_steps; k++) {
        StepRow row = step_row(r, r->logits->f, r->contrast, k, p, p + r->f->vocab);
        int64_t seq = r->step_seq[k], column = k - r->steps->start[seq];
        for (size_t j = 0; j < count; j++)
            r->out[seq].step_scores[j].scores.v[column] = (float)step_find(r->o->step_scores[j], NULL)->value(&row);
    }
    return true;
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
    }
}

bool attr_check(const AttrOptions *o, Err *e)
{
    const Method *method = method_find(o->method, e);
    const StepFunction *function = method ? step_find(o->attributed_fn, e) : NULL;
    for (size_t i = 0; function && i < o->n_step_scores; i++)
        if (!step_find(o->step_scores[i], e)) return false;
    if (function && !method->no_gradient && !function->gradient)
        return err_set(e, "%s is a count and can't be attributed; it can be a step score", function->name);
    return function != NULL;
}

bool attr_run(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, Sequence *out, Err *e)
{
    if (!attr_check(o, e)) return false;
    const Method *method = method_find(o->method, NULL);
    Arena *work = arena_create(a);
    Run r = {.a = a, .work = work, .m = m, .f = nn_info(m), .o = o, .pair = pair, .n = (int64_t)n, .out = out,
             .function = step_find(o->attributed_fn, NULL), .tape = tape_create(work), .width = nn_info(m)->width};
    for (size_t i = 0; i < n; i++) out[i] = (Sequence){0};
    bool ok = lay_out(&r, e) && run_forward(&r, r.tape, r.x, r.y, &r.pass, &r.logits, e) && make_step_scores(&r, e);
    if (ok) name_tokens(&r);
    ok = ok && method->run(&r, e);
    arena_free(work);
    return ok;
}
