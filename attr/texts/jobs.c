// SPDX-License-Identifier: Apache-2.0
// jobs.c — texts on their way: their sources encoded, their foils named, dealt in batches.
#include "encode.h"

#include <string.h>

// What the model writes begins with its language's token, though that may stand behind whole texts.
static bool beginning(const Work *w, Job *j)
{
    if (!texts_encode(w, j, j->target, TOK_TARGET, true, &j->prefix, j->err)) return false;
    int32_t tag = tok_forces_language(w->l->tok) ? tok_language(w->l->tok, TOK_TARGET) : -1;
    int64_t n = j->prefix.n;
    if (tag < 0 || n < 2 || j->prefix.v[0] == tag || j->prefix.v[n - 1] != tag) return true;
    int32_t *ids = arena_new(w->a, int32_t, n);
    ids[0] = tag;
    memcpy(ids + 1, j->prefix.v, (size_t)(n - 1) * sizeof *ids);
    j->prefix.v = ids;
    return true;
}

void texts_begin(const Work *w, Job *j)
{
    Err own = {0};
    j->err = &own;
    beginning(w, j);
    texts_settle(w->a, j, &own);
}

static bool encode_source(const Work *w, const Texts *t, Job *j)
{
    if (!w->l->info->encoder_decoder) {
        if (!prompts_encode(w, j)) return false;
    } else {
        if (str_blank(j->source) && !t->keep_blank)
            return err_set(j->err, "the source is empty; give it at least one word");
        if (!texts_encode(w, j, j->source, TOK_SOURCE, w->plain, &j->source_ids, j->err)) return false;
    }
    if (t->beginnings && !beginning(w, j)) return false;
    return nn_check_ids(w->l->model, j->source_ids, false, "source", j->err);
}

bool texts_jobs(const Work *w, const Texts *t, Job **out, size_t *n, Err *e)
{
    if (!t->n) return err_usage(e, "no input texts");
    if (t->n_targets && t->n_targets != t->n)
        return err_usage(e, "%zu generated texts for %zu input texts; there must be one for each",
                         t->n_targets, t->n);
    const char *note =
        t->n_targets && !t->beginnings ? NULL : nn_generation_note(w->a, w->l->model, w->generation);
    const char *last = "";
    if (note) texts_note(w, note);
    *n = t->n;
    Job *job = *out = arena_new(w->a, Job, *n);
    for (size_t i = 0; i < *n; i++) {
        Job *j = &job[i];
        *j = (Job){.number = t->number ? t->number[i] : t->first + i + 1,
                   .source = t->source[i],
                   .forced = t->n_targets && !t->beginnings};
        if (t->n_targets) j->target = t->target[i];
        if (t->about) j->about = t->about[i];
        if (t->foil_target) j->has_foil_target = true, j->foil_target = t->foil_target[i];
        if (t->foil_source) j->has_foil_source = true, j->foil_source = t->foil_source[i];
        if (t->alignment) j->alignment = t->alignment[i];
        j->align = t->align;
        Err own = {0};
        j->err = &own;
        bool ok = t->wrong && t->wrong[i] ? err_set(&own, "%s", t->wrong[i]) : encode_source(w, t, j);
        texts_settle(w->a, j, &own);
        if (!ok) continue;
        if ((note = tok_code_note(w->a, w->l->tok, j->source)) && strcmp(note, last))
            texts_note(w, last = note); // the same for many texts is said once
        j->source_tokens = texts_tokens(w->a, w->l->tok, j->source_ids, TOK_SOURCE);
    }
    return true;
}

size_t texts_next_batch(Job *job, size_t n, size_t *at, size_t most, Job **out)
{
    size_t count = 0;
    for (; *at < n && count < most; (*at)++)
        if (!job[*at].err) out[count++] = &job[*at];
    return count;
}

Texts texts_part(const Texts *t, size_t from, size_t to)
{
    Texts p = *t;
    p.n = to - from;
    if (p.n_targets) p.n_targets = p.n, p.target += from;
    p.source += from, p.first += from;
    if (p.number) p.number += from;
    if (p.wrong) p.wrong += from;
    if (p.foil_source) p.foil_source += from;
    if (p.foil_target) p.foil_target += from;
    if (p.about) p.about += from;
    if (p.alignment) p.alignment += from;
    return p;
}

static size_t number_of(const Texts *t, size_t i) { return t->number ? t->number[i] : t->first + i + 1; }

// The same text as often as it has foils.
static void repeat(Arena *a, Texts *t, size_t n)
{
    Str *source = arena_new(a, Str, n), *target = arena_new(a, Str, n);
    size_t *number = arena_new(a, size_t, n);
    const char **wrong = arena_new(a, const char *, n);
    Str *about = arena_new(a, Str, n);
    for (size_t i = 0; i < n; i++) {
        source[i] = t->source[0], number[i] = number_of(t, 0);
        if (t->n_targets) target[i] = t->target[0];
        if (t->wrong) wrong[i] = t->wrong[0];
        if (t->about) about[i] = t->about[0];
    }
    t->n = n, t->source = source, t->number = number, t->wrong = wrong;
    if (t->about) t->about = about;
    if (t->n_targets) t->n_targets = n, t->target = target;
}

// v [given] foils as one for each text. by_number: texts that were left out have foils too.
static const Str *foil_list(Arena *a, const Texts *t, const Str *v, size_t given, size_t texts,
                            bool by_number)
{
    Str *out = arena_new(a, Str, t->n);
    for (size_t i = 0; i < t->n; i++)
        out[i] = v[given == 1 ? 0 : given > texts && by_number ? number_of(t, i) - 1 : i];
    return out;
}

bool texts_foils(Arena *a, const AttrRequest *x, Texts *t, Err *e)
{
    size_t foils = x->n_contrast_targets, sources = x->n_contrast_sources, texts = t->n;
    size_t given = texts ? number_of(t, texts - 1) : 0; // with those that were left out
    bool by_number = given > texts && (foils >= given || sources >= given);
    if (texts == 1 && foils > 1) repeat(a, t, foils);
    else if (foils > 1 && foils != texts && !by_number)
        return err_usage(e, "%zu contrast targets for %zu texts; there must be one for each, or one text",
                         foils, texts);
    if (sources > 1 && sources != texts && !by_number)
        return err_usage(e, "%zu contrast sources for %zu texts; there must be one for each", sources, texts);
    if (x->n_alignments > 1 && x->n_alignments != t->n)
        return err_usage(e, "contrast_targets_alignments has %zu lists for %zu texts or foils",
                         x->n_alignments, t->n);
    if (foils)
        t->foil_target = foil_list(a, t, x->contrast_targets, foils, texts, by_number && t->n == texts);
    if (sources)
        t->foil_source = foil_list(a, t, x->contrast_sources, sources, texts, by_number && t->n == texts);
    t->align = x->align;
    if (!x->n_alignments) return true;
    AttrAlignment *all = arena_new(a, AttrAlignment, t->n);
    for (size_t i = 0; i < t->n; i++) all[i] = x->alignments[x->n_alignments == 1 ? 0 : i];
    t->alignment = all;
    return true;
}
