// SPDX-License-Identifier: Apache-2.0
// answers.c — what the model writes: its settings, and jobs generated together.
#include "encode.h"

// What each id adds to a text that goes on: its text behind another word, less that word's (transformers finds it so too).
static const Str *added_texts(const Work *w, int64_t n)
{
    Str *text = arena_new(w->a, Str, n), alone = {"", 0};
    Encoding word = {0};
    TokOptions plain = {.side = w->l->info->encoder_decoder ? TOK_TARGET : TOK_SOURCE, .plain = true};
    if (!tok_encode(w->a, w->l->tok, STR_LIT("abc"), plain, &word, NULL)) word.n = 0;
    int32_t *ids = arena_new(w->a, int32_t, word.n + 1);
    for (size_t i = 0; i < word.n; i++) ids[i] = word.ids[i];
    if (word.n) tok_decode(w->a, w->l->tok, ids, word.n, (TokDecode){.cleanup = 0}, &alone, NULL);
    for (int64_t i = 0; i < n && i < (int64_t)tok_size(w->l->tok); i++) {
        Str both;
        ids[word.n] = (int32_t)i;
        if (tok_decode(w->a, w->l->tok, ids, word.n + 1, (TokDecode){.cleanup = 0}, &both, NULL) &&
            both.n >= alone.n)
            text[i] = (Str){both.s + alone.n, both.n - alone.n};
    }
    return text;
}

// A multilingual model is told what to write in: by --tgt_lang, which then is what the text begins with, or by a
// forced_bos_token_id that stands for a language, which then is the target's. (The library takes the source's, silently.)
static bool agree_on_language(Work *w, Json **arguments, Err *e)
{
    Tokenizer *t = w->l->tok;
    const Json *forced = *arguments ? json_get(*arguments, "forced_bos_token_id") : NULL;
    const int32_t *languages;
    size_t n = tok_languages(t, &languages);
    if (!w->l->info->encoder_decoder || !n) return true;
    if (tok_needs_target(t) && forced && forced->is_int && forced->i <= INT32_MAX)
        tok_put_language(t, TOK_TARGET, (int32_t)forced->i);
    if (tok_needs_target(t)) {
        if (!nn_generation(w->a, w->l->model, *arguments, &w->generation, e)) return false;
        tok_put_language(t, TOK_TARGET, nn_generation_forced_start(w->generation));
    }
    if (tok_needs_target(t))
        return err_set(
            e,
            "%s writes %zu languages: --tgt_lang says which, by its code or name, such as --tgt_lang %.*s "
            "('inseq info' lists them)",
            w->l->info->name, n, (int)tok_language_code(t, languages[n / 2]).n,
            tok_language_code(t, languages[n / 2]).s);
    if (forced || !tok_forces_language(t)) return true;
    Json *own = arena_new(w->a, Json, 1);
    if (!*arguments) *arguments = arena_new(w->a, Json, 1), (*arguments)->kind = J_OBJECT;
    *own = (Json){.kind = J_NUMBER,
                  .is_int = true,
                  .i = tok_language(t, TOK_TARGET),
                  .number = tok_language(t, TOK_TARGET),
                  .key = STR_LIT("forced_bos_token_id"),
                  .next = (*arguments)->child};
    (*arguments)->child = own, (*arguments)->count++;
    return true;
}

static void note_source(const Work *w)
{
    int32_t id = tok_language(w->l->tok, TOK_SOURCE);
    if (!tok_needs_source(w->l->tok) || id < 0) return;
    const char *name = tok_language_name(w->l->tok, id);
    texts_note(w,
               arena_printf(
                   w->a,
                   "sources are taken to be %s (%.*s), as in the library; --src_lang names another language",
                   name ? name : "of the usual language", (int)tok_language_code(w->l->tok, id).n,
                   tok_language_code(w->l->tok, id).s));
}

static const Json **append(const Work *w, Json *object, const Json **last, const Json *member)
{
    Json *copy = arena_new(w->a, Json, 1);
    *copy = *member, copy->next = NULL;
    *last = copy, object->count++;
    return &copy->next;
}

Json *texts_arguments(const Work *w, const Json *given, const char *const *less, const Json *more)
{
    Json *all = arena_new(w->a, Json, 1);
    const Json **last = &all->child;
    *all = (Json){.kind = J_OBJECT, .at = given ? given->at : 0};
    for (const Json *c = given ? given->child : NULL; c; c = c->next) {
        const char *const *name = less;
        while (*name && !str_is(c->key, *name)) name++;
        if (!*name) last = append(w, all, last, c);
    }
    if (more) append(w, all, last, more);
    return all;
}

// skip_special_tokens is an argument of Inseq's generate, not of transformers'.
bool texts_generation(Work *w, const Json *arguments, Err *e)
{
    static const char *const name[] = {"skip_special_tokens", NULL};
    const Json *skip = json_get(arguments, name[0]);
    Json *rest = arguments ? texts_arguments(w, arguments, name, NULL) : NULL;
    if (skip && skip->kind != J_TRUE && skip->kind != J_FALSE)
        return err_usage(e, "skip_special_tokens is %s; it must be true or false", json_kind_name(skip));
    w->skip_special = skip ? skip->kind == J_TRUE : w->skip_special;
    if (!agree_on_language(w, &rest, e)) return false;
    note_source(w);
    if (!nn_generation(w->a, w->l->model, rest, &w->generation,
                       e)) // the model's own were read when it was opened
        return e->usage = true, false;
    if (nn_generation_needs_texts(w->generation)) {
        int64_t n = w->l->info->vocab;
        w->generation = nn_generation_texts(w->a, w->generation, added_texts(w, n), n);
    }
    return true;
}

typedef struct Writing {
    const Work *w;
    const GenConfig *generation;
    const Ids *source, *prefix;
    size_t n;
    Generated *out;
    Err *e;
    bool ok;
} Writing;

static void write_ids(void *context)
{
    Writing *t = context;
    t->ok = nn_generate(t->w->a, t->w->l->model, t->generation, (int64_t)t->n, t->source, t->prefix, t->out,
                        NULL, NULL, t->e);
}

bool texts_write(const Work *w, const GenConfig *g, const Ids *source, const Ids *prefix, size_t n,
                 Generated **out, Err *e)
{
    *out = arena_new(w->a, Generated, n * (size_t)nn_generation_returns(g));
    Writing t = {w, g, source, prefix, n, *out, e, false};
    return stop_run(write_ids, &t) && t.ok;
}

bool texts_generate(const Work *w, Job **job, size_t n, Generated **out, Err *e)
{
    Ids *source = arena_new(w->a, Ids, n), *prefix = arena_new(w->a, Ids, n);
    for (size_t i = 0; i < n; i++) source[i] = job[i]->source_ids, prefix[i] = job[i]->prefix;
    return texts_write(w, w->generation, source, prefix, n, out, e);
}

bool texts_decode(const Work *w, const Generated *g, Str *out, Err *e)
{
    return texts_decode_ids(w, (Ids){g->ids, g->n}, true, out, e);
}
