// SPDX-License-Identifier: Apache-2.0
// attribute.c — attr_run: a forward pass for all sentences and steps, step functions on its logits, then the method and,
// if asked for, how faithful its scores are.
#include "results/aggregate.h"
#include "run.h"

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
            run_count_forward(r, x ? x->seqs : NULL, y->seqs, steps);
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
        StepRow row = run_step_row(r, r->logits->f, k, true, p);
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
        // of decoder-only models the source is what stands before the first step, as in the library
        bool own = r->f->encoder_decoder;
        q->n_source = own ? p->source.n : r->from[i], q->n_target = p->target.n;
        q->attr_pos_start = r->from[i], q->attr_pos_end = r->to[i];
        if (r->from[i] == p->source.n) q->of_template = p->of_template;
        q->source = arena_new(r->a, Token, q->n_source), q->target = arena_new(r->a, Token, q->n_target);
        for (int64_t k = 0; k < q->n_source; k++)
            q->source[k] = own ? p->source_tokens[k] : p->target_tokens[k];
        for (int64_t k = 0; k < q->n_target; k++) q->target[k] = p->target_tokens[k];
        for (int64_t k = r->from[i]; p->contrast && k < r->to[i]; k++) {
            const Token *foil = run_foil_word(r, r->first_step[i] + k - r->from[i]);
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

bool attr_run(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, Sequence *out,
              Err *e)
{
    Arena *work = arena_create(a);
    Run r;
    for (size_t i = 0; i < n; i++) out[i] = (Sequence){0};
    const Method *method = method_find(o->method, NULL);
    bool ok = attr_check(o, e) && run_begin(&r, work, m, o, method, pair, n, e);
    r.a = o->aggregated ? work : a, r.out = out;
    if (ok) tape_profile(r.tape = tape_create(work), o->profile);
    ok = ok && run_forward(&r, r.tape, r.x, r.y, &r.pass, &r.logits, e) && make_step_scores(&r, e);
    if (ok) name_tokens(&r);
    ok = ok && method->run(&r, e) && (!o->evaluate.wanted || run_evaluate(&r, a, e));
    for (size_t i = 0; i < n && ok && o->aggregated; i++)
        ok = aggregate_apart(a, &out[i], o->keep_layers, &out[i], e);
    arena_free(work);
    return ok;
}
