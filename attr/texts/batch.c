// SPDX-License-Identifier: Apache-2.0
// batch.c — a batch of texts attributed, and what a result says of them.
#include "encode.h"

size_t texts_pairs(Job **job, size_t n, Pair *pair)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        Job *j = job[i];
        if (j->err) continue;
        job[count] = j;
        pair[count++] = (Pair){.source = j->source_ids,
                               .target = j->target_ids,
                               .source_tokens = j->source_tokens,
                               .target_tokens = j->target_tokens,
                               .contrast = j->foil,
                               .alignment = j->alignment.v,
                               .n_alignment = j->alignment.n,
                               .align = j->align,
                               .of_template = j->of_template};
    }
    return count;
}

static void clean_tokens(const Work *w, Token *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        Str s;
        if (t[i].id < 0 || tok_is_special(w->l->tok, t[i].id)) continue;
        if (tok_decode(w->a, w->l->tok, &t[i].id, 1, (TokDecode){.cleanup = 0}, &s, NULL) && s.n)
            t[i].text = s;
    }
}

typedef struct Attributing {
    const Work *w;
    const AttrOptions *o;
    const Pair *pair;
    size_t n;
    Sequence *out;
    Err *e;
    bool ok;
} Attributing;

static void attribute_now(void *context)
{
    Attributing *t = context;
    t->ok = attr_run(t->w->a, t->w->l->model, t->o, t->pair, t->n, t->out, t->e);
}

// What would not end well is not begun.
static bool enough_memory(const Work *w, const AttrOptions *o, const Pair *pair, size_t n, Err *e)
{
    size_t left = arena_left(), needed = attr_bytes(w->a, w->l->model, o, pair, n, left);
    if (needed <= left) return true;
    return err_set(e,
                   "%s would take about %.3g GB for %" PRId64 " source and %" PRId64
                   " target tokens, and %.3g GB may be used here; give a shorter text, or another method",
                   o->method, (double)needed / 1e9, pair->source.n, pair->target.n, (double)left / 1e9);
}

// False without an error: a stop was asked for.
static bool attribute_pairs(const Work *w, const AttrOptions *o, const Pair *pair, size_t n, Sequence *out,
                            Err *e)
{
    Attributing t = {w, o, pair, n, out, e, false};
    return enough_memory(w, o, pair, n, e) && stop_run(attribute_now, &t) && t.ok;
}

static size_t attribute_batch(const Work *w, const AttrOptions *o, Job **job, size_t n, Sequence *out)
{
    Pair *pair = arena_new(w->a, Pair, n);
    size_t count = texts_pairs(job, n, pair);
    Err e = {0};
    bool together = count && attribute_pairs(w, o, pair, count, out, &e);
    for (size_t i = 0; i < count && together; i++) job[i]->made = true;
    if (!count || together) return count;
    if (count == 1) return texts_settle(w->a, job[0], &e), 0;
    size_t done = 0;
    for (size_t i = 0; i < count; i++) {
        Err own = {0};
        job[i]->made = attribute_pairs(w, o, &pair[i], 1, &out[done], &own);
        texts_settle(w->a, job[i], &own);
        done += job[i]->made;
    }
    return done;
}

size_t texts_attribute(const Work *w, const AttrOptions *o, bool clean, Job **job, size_t n, Sequence *out)
{
    size_t done = attribute_batch(w, o, job, n, out);
    for (size_t i = 0, k = 0; i < n && k < done; i++)
        if (job[i]->made) out[k++].row = job[i]->about;
    for (size_t i = 0; i < done && clean; i++) {
        clean_tokens(w, out[i].source, out[i].n_source);
        clean_tokens(w, out[i].target, out[i].n_target);
    }
    return done;
}

bool texts_baselines(const Work *w, const char *path, const Str *line, size_t n, AttrOptions *o, Err *e)
{
    Ids *ids = arena_new(w->a, Ids, n);
    for (size_t i = 0; i < n; i++) {
        Encoding enc;
        Err own = {0};
        if (!line[i].n) continue;
        if (!tok_encode(w->a, w->l->tok, line[i], (TokOptions){.side = TOK_SOURCE, .plain = w->plain}, &enc,
                        &own))
            return err_set(e, "%s: line %zu: %s", path, i + 1, own.text);
        ids[o->n_baselines++] = (Ids){enc.ids, (int64_t)enc.n};
    }
    o->baselines = ids;
    return o->n_baselines || err_set(e, "%s: no texts there; baselines are a text a line", path);
}

void texts_describe(const Work *w, const AttrOptions *o, const Job *job, size_t n, AttrTexts x,
                    Attribution *t)
{
    x.tokenizer_class = tok_class(w->l->tok);
    if (!job) {
        attr_describe(w->a, t, w->l->model, o, &x);
        return;
    }
    Str *sources = arena_new(w->a, Str, n), *targets = arena_new(w->a, Str, n);
    x.sources = sources, x.targets = targets, x.n = 0;
    for (size_t i = 0; i < n; i++)
        if (job[i].made) sources[x.n] = job[i].source, targets[x.n++] = job[i].target;
    attr_describe(w->a, t, w->l->model, o, &x);
}
