// SPDX-License-Identifier: Apache-2.0
// prompts.c — texts of decoder-only models: a prompt, and the whole text that begins with it.
//
// What is attributed is one sequence of ids; the prompt is its first tokens. A forced text is encoded as a whole, since a
// word may be cut otherwise where the prompt ends ("lost " + "her": the blank belongs to the next word), and the prompt is
// those of its tokens that lie wholly inside the prompt's text. Generated ids are taken as they are and never go through
// text.
#include "encode.h"

// An empty prompt is the start token's word. The library puts a blank behind it, which most tokenizers take for a part of
// the first word.
static Str behind_start(const Work *w, Str text)
{
    Str word = tok_string(w->l->tok, tok_bos(w->l->tok));
    return str_of(arena_printf(w->a, "%.*s %.*s", (int)word.n, word.s, (int)text.n, text.s));
}

static bool not_empty(const Work *w, Job *j)
{
    if (j->source.n) return true;
    if (tok_bos(w->l->tok) < 0)
        return err_set(j->err,
                       "the prompt is empty, and %s has no start token to begin with; give at least one word",
                       w->l->info->name);
    j->bare = true, j->source = tok_string(w->l->tok, tok_bos(w->l->tok));
    if (j->forced) j->target = behind_start(w, j->target);
    return true;
}

bool prompts_encode(const Work *w, Job *j)
{
    int64_t all;
    return chats_render(w, j) && not_empty(w, j) &&
           texts_encode_whole(w, j, j->source, j->source.n, &j->source_ids, &all, j->err) &&
           (j->source_ids.n || err_set(j->err, "the prompt has no tokens; give at least one word"));
}

// ------------------------------------------------------------------------------------------ forced

static Str beginning(const Work *w, Str s) // of a text, for a message
{
    enum { SHOWN = 200 };
    return s.n <= SHOWN ? s : str_of(arena_printf(w->a, "%.*s...", (int)SHOWN, s.s));
}

// The ids of the whole text, and how many of them are the prompt's.
static bool encode_whole(const Work *w, Job *j, int64_t *own)
{
    Str p = j->source, t = j->target;
    if (w->plain)
        p = texts_without_special(w->a, w->l->tok, p), t = texts_without_special(w->a, w->l->tok, t);
    if (str_starts(t, p)) return texts_encode_whole(w, j, t, p.n, &j->target_ids, own, j->err);
    p = beginning(w, p), t = beginning(w, t);
    return err_set(j->err,
                   "the forced text must begin with the prompt; the text is \"%.*s\", the prompt \"%.*s\"",
                   (int)t.n, t.s, (int)p.n, p.s);
}

// Where the padding token is the end token, an end token typed at the end is padding to the library, and it has no column.
static void drop_padding(const Work *w, Job *j)
{
    const ModelInfo *f = w->l->info;
    int32_t pad = texts_pad(w->l);
    int64_t n = j->target_ids.n;
    while (n > 1 && pad >= 0 && pad == f->eos && j->target_ids.v[n - 1] == pad) n--;
    if (n < j->target_ids.n)
        texts_note(w, arena_printf(w->a,
                                   "text %zu: the end token at its end is %s's padding too and is left out",
                                   j->number, f->name));
    j->target_ids.n = n;
}

static bool forced_target(const Work *w, Job *j)
{
    int64_t own = 0;
    if (!encode_whole(w, j, &own)) return false;
    drop_padding(w, j);
    if (own >= j->target_ids.n)
        return err_set(j->err,
                       "nothing follows the prompt in the forced text; give it at least one word more");
    if (!own)
        return err_set(j->err, "no token of the forced text lies within the prompt; make the prompt longer");
    if (own != j->source_ids.n)
        texts_note(
            w, arena_printf(w->a,
                            "text %zu: the prompt alone has %" PRId64 " tokens, in the whole text %" PRId64
                            ", as a word is cut otherwise where it ends (a blank at its end?); attribution "
                            "begins after those %" PRId64,
                            j->number, j->source_ids.n, own, own));
    j->source_ids = (Ids){j->target_ids.v, own};
    j->source_tokens = texts_tokens(w->a, w->l->tok, j->source_ids, TOK_SOURCE);
    return true;
}

// ------------------------------------------------------------------------------------------ generated

// What was written, without its special tokens (the end token, mostly).
static Ids without_special_ids(const Work *w, Ids all, int64_t prompt)
{
    int32_t *v = arena_new(w->a, int32_t, all.n);
    int64_t n = 0;
    for (int64_t i = 0; i < all.n; i++)
        if (i < prompt || !tok_is_special(w->l->tok, all.v[i])) v[n++] = all.v[i];
    return (Ids){v, n};
}

static bool made_target(const Work *w, Job *j, const Generated *g)
{
    j->target_ids = (Ids){g->ids, g->n};
    if (w->skip_special) j->target_ids = without_special_ids(w, j->target_ids, j->source_ids.n);
    if (j->target_ids.n <= j->source_ids.n)
        return err_set(j->err, "the model wrote nothing after this prompt; force a text with -g");
    return texts_decode_ids(w, j->target_ids, false, &j->target, j->err);
}

static bool make_foil(const Work *w, Job *j)
{
    if (j->has_foil_source)
        return err_set(j->err, "contrast_sources needs an encoder-decoder model; put the other prompt into "
                               "contrast_targets");
    if (!j->has_foil_target) return true;
    Pair *p = j->foil = arena_new(w->a, Pair, 1);
    Str text = j->bare ? behind_start(w, j->foil_target) : chats_answer(w, j, j->foil_target);
    if (!texts_encode(w, j, text, TOK_SOURCE, w->plain, &p->target, j->err)) return false;
    if (p->target.n < 2)
        return err_set(j->err, "the foil must be a whole text: the prompt, and what might have followed it");
    p->target_tokens = texts_tokens(w->a, w->l->tok, p->target, TOK_SOURCE);
    return true;
}

bool prompts_targets(const Work *w, Job **job, size_t n, Err *e)
{
    bool forced = job[0]->forced;
    Generated *made = NULL;
    if (!forced && !texts_generate(w, job, n, &made, e)) return false;
    size_t returns = (size_t)nn_generation_returns(w->generation);
    for (size_t i = 0; i < n; i++) {
        Job *j = job[i];
        Err own = {0};
        j->err = &own;
        if (forced ? forced_target(w, j) : made_target(w, j, &made[i * returns])) {
            j->target_tokens = texts_tokens(w->a, w->l->tok, j->target_ids, TOK_SOURCE);
            make_foil(w, j);
        }
        texts_settle(w->a, j, &own);
    }
    return true;
}
