// SPDX-License-Identifier: Apache-2.0
// targets.c — what is attributed: a generated or a forced target, and its foil.
#include "encode.h"

#include <string.h>

// The foil's source and target; what is not given is the text's own.
static bool make_foil(const Work *w, Job *j, Err *e)
{
    if (!j->has_foil_source && !j->has_foil_target) return true;
    Pair *p = j->foil = arena_new(w->a, Pair, 1);
    *p = (Pair){.source = j->source_ids, .target = j->target_ids};
    if (j->has_foil_source && !texts_encode(w, j, j->foil_source, TOK_SOURCE, w->plain, &p->source, e))
        return false;
    if (j->has_foil_target && (!texts_encode(w, j, j->foil_target, TOK_TARGET, w->plain, &p->target, e) ||
                               !texts_add_start(w, &p->target, e)))
        return false;
    if (p->target.n < 2 + !w->plain) return err_set(e, "the foil is empty; give it at least one word");
    p->source_tokens = texts_tokens(w->a, w->l->tok, p->source, TOK_SOURCE);
    p->target_tokens = texts_tokens(w->a, w->l->tok, p->target, TOK_TARGET);
    return true;
}

// What was generated is attributed as it is. (The library decodes it and encodes the text again, which may give other
// tokens than the model wrote, and loses those that are no text.) plain: without special tokens, as texts are then.
static bool take_generated(const Work *w, const Generated *g, Job *j, Err *e)
{
    if (!texts_decode(w, g, &j->target, e)) return false;
    int32_t *ids = arena_new(w->a, int32_t, g->n);
    int64_t n = 0;
    for (int64_t i = 0; i < g->n; i++) {
        bool language = g->ids[i] == tok_language(w->l->tok, TOK_TARGET);
        if (i && w->plain && tok_is_special(w->l->tok, g->ids[i]) && !language) continue;
        ids[n++] = g->ids[i];
        if (tok_string(w->l->tok, g->ids[i]).n) continue;
        texts_note(w,
                   arena_printf(
                       w->a,
                       "text %zu: the model wrote token %d, which has no name in the tokenizer; it is shown "
                       "as [%d]",
                       j->number, g->ids[i], g->ids[i]));
    }
    j->target_ids = (Ids){ids, n};
    return true;
}

// made: what was generated; NULL: the target is forced.
static void make_target(const Work *w, Job *j, const Generated *made)
{
    if (!made) {
        if (!texts_encode(w, j, j->target, TOK_TARGET, w->plain, &j->target_ids, j->err)) return;
        if (!w->plain && (str_blank(j->target) || j->target_ids.n < 2)) // BART has <s> </s> for a blank one
            err_set(j->err, "the forced target is empty; give it at least one word");
        if (!texts_add_start(w, &j->target_ids, j->err)) return;
    } else if (!take_generated(w, made, j, j->err)) return;
    j->target_tokens = texts_tokens(w->a, w->l->tok, j->target_ids, TOK_TARGET);
    make_foil(w, j, j->err);
}

// Generates what is not forced, and turns what is into ids.
static bool make_targets(const Work *w, Job **job, size_t n, Err *e)
{
    if (!w->l->info->encoder_decoder) return prompts_targets(w, job, n, e);
    bool forced = job[0]->forced;
    Generated *made = NULL;
    if (!forced && !texts_generate(w, job, n, &made, e)) return false;
    size_t returns = (size_t)nn_generation_returns(w->generation);
    for (size_t i = 0; i < n; i++) {
        Job *j = job[i];
        Err own = {0};
        j->err = &own;
        make_target(w, j, forced ? NULL : &made[i * returns]);
        texts_settle(w->a, j, &own);
    }
    return true;
}
void texts_make_targets(const Work *w, Job **batch, size_t n)
{
    Err e = {0};
    if (make_targets(w, batch, n, &e)) return;
    for (size_t i = 0; i < n; i++) {
        Err own = {0};
        if (!make_targets(w, &batch[i], 1, &own) && !batch[i]->err) texts_settle(w->a, batch[i], &own);
    }
}
