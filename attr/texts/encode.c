// SPDX-License-Identifier: Apache-2.0
// encode.c — a model with its tokenizer, and texts as ids.
#include "encode.h"

#include <string.h>

void texts_note(const Work *w, const char *sentence) { w->talk->note(w->talk->context, sentence); }

bool texts_load(Arena *a, const char *name, NnOptions o, const Talk *talk, Loaded *l, Err *e)
{
    const char *note = NULL;
    o.note = &note;
    *l = (Loaded){.name = name};
    if (!(l->model = nn_open(a, name, o, e))) return false;
    if (note) talk->note(talk->context, note);
    l->info = nn_info(l->model);
    if (!(l->tok = tok_open(a, l->info->tokenizer, e))) return false;
    if ((int64_t)tok_size(l->tok) > nn_words(l->model, false))
        talk->note(talk->context,
                   "the tokenizer knows more tokens than the model has rows; such tokens will be refused");
    return true;
}

static Str without_special(Arena *a, const Tokenizer *t, Str s)
{
    for (int32_t id = 0; id < (int32_t)tok_size(t); id++) {
        Str w = tok_string(t, id);
        if (!w.n || !tok_is_special(t, id)) continue;
        Buf b = {.arena = a};
        for (size_t i = 0; i < s.n;)
            if (str_starts((Str){s.s + i, s.n - i}, w)) i += w.n;
            else buf_char(&b, s.s[i++]);
        s = buf_view(&b);
    }
    return s;
}

Token *texts_tokens(Arena *a, const Tokenizer *t, Ids ids, TokSide side)
{
    Token *out = arena_new(a, Token, ids.n);
    for (int64_t i = 0; i < ids.n; i++)
        out[i] =
            (Token){.id = ids.v[i],
                    .text = side == TOK_SOURCE ? tok_source_string(t, ids.v[i]) : tok_string(t, ids.v[i])};
    return out;
}

bool texts_encode(const Work *w, const Job *j, Str s, TokSide side, bool plain, Ids *out, Err *e)
{
    Encoding enc;
    if (plain) s = without_special(w->a, w->l->tok, s);
    if (!tok_encode(w->a, w->l->tok, s, (TokOptions){.side = side, .plain = plain}, &enc, e)) return false;
    int64_t most = tok_max_length(w->l->tok);
    if (most && (int64_t)enc.n > most) {
        texts_note(
            w, arena_printf(w->a, "%s %zu of %zu tokens is cut to the tokenizer's model_max_length, %" PRId64,
                            side == TOK_SOURCE ? "text" : "the target of text", j->number, enc.n, most));
        int32_t end = enc.ids[enc.n - 1];
        enc.n = (size_t)most;
        if (!plain) enc.ids[enc.n - 1] = end;
    }
    *out = (Ids){enc.ids, (int64_t)enc.n};
    return true;
}

bool texts_add_start(const Work *w, Ids *ids, Err *e)
{
    if (w->l->info->start < 0)
        return err_set(e, "%s: neither decoder_start_token_id nor bos_token_id is set", w->l->info->name);
    int32_t *v = arena_new(w->a, int32_t, ids->n + 1);
    v[0] = w->l->info->start;
    if (ids->n) memcpy(v + 1, ids->v, (size_t)ids->n * sizeof *v);
    *ids = (Ids){v, ids->n + 1};
    return true;
}
