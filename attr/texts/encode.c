// SPDX-License-Identifier: Apache-2.0
// encode.c — a model with its tokenizer, and texts as ids.
#include "encode.h"

#include <string.h>

void texts_settle(Arena *a, Job *j, const Err *e)
{
    j->err = NULL;
    if (!e->set) return;
    j->err = arena_new_raw(a, Err, 1);
    *j->err = *e;
}

void texts_note(const Work *w, const char *sentence) { w->talk->note(w->talk->context, sentence); }

bool texts_load(Arena *a, const char *name, const char *tokenizer, NnOptions o, const Talk *talk, Loaded *l,
                Err *e)
{
    const char *note = NULL;
    o.note = &note;
    *l = (Loaded){.name = name, .files = texts_no_files(a)};
    texts_watch(l, false);
    if (!(l->model = nn_open(a, name, o, e))) return false;
    if (note) talk->note(talk->context, note);
    l->info = nn_info(l->model);
    o.revision = o.adapter = note = NULL;
    const char *folder = tokenizer ? nn_folder(a, tokenizer, o, e) : l->info->tokenizer;
    if (note) talk->note(talk->context, note);
    texts_watch(l, true);
    if (!folder || !(l->tok = tok_open(a, folder, e))) return false;
    texts_watch(NULL, false);
    if ((int64_t)tok_size(l->tok) > nn_words(l->model, false))
        talk->note(talk->context,
                   "the tokenizer knows more tokens than the model has rows; such tokens will be refused");
    return true;
}

int32_t texts_pad(const Loaded *l)
{
    int32_t pad = l->info->config_pad >= 0 ? l->info->config_pad : tok_pad(l->tok);
    return pad >= 0 ? pad : l->info->eos;
}

static bool is_special(const void *vocabulary, int32_t id) { return tok_is_special(vocabulary, id); }

void texts_special(const Loaded *l, AttrOptions *o)
{
    o->unk = tok_unk(l->tok), o->eos = tok_eos(l->tok), o->bos = tok_bos(l->tok);
    o->special = is_special, o->vocabulary = l->tok;
    if (l->info->encoder_decoder) return;
    if (o->unk < 0) o->unk = texts_pad(l);
    if (l->info->eos >= 0) o->eos = l->info->eos;
}

Str texts_without_special(Arena *a, const Tokenizer *t, Str s)
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
    for (int64_t i = 0; i < ids.n; i++) {
        Str s = side == TOK_SOURCE ? tok_source_string(t, ids.v[i]) : tok_string(t, ids.v[i]);
        if (!s.n) s = str_of(arena_printf(a, "[%d]", ids.v[i])); // a row of the model without a name
        out[i] = (Token){.id = ids.v[i], .text = s};
    }
    return out;
}

// A text that begins with the start token's own word gets no second one (chat templates write it).
static void one_start(const Work *w, Encoding *x)
{
    int32_t bos = tok_bos(w->l->tok);
    if (w->l->info->encoder_decoder || bos < 0 || x->n < 2 || x->ids[0] != bos || x->ids[1] != bos) return;
    x->ids++, x->token++, x->n--;
    if (x->span) x->span++;
}

static void cut(const Work *w, const Job *j, TokSide side, bool plain, Encoding *x)
{
    int64_t most = tok_max_length(w->l->tok);
    if (!most || (int64_t)x->n <= most) return;
    texts_note(w,
               arena_printf(w->a, "%s %zu of %zu tokens is cut to the tokenizer's model_max_length, %" PRId64,
                            side == TOK_SOURCE ? "text" : "the target of text", j->number, x->n, most));
    size_t lost = x->n - (size_t)most;
    int32_t end = x->ids[x->n - 1];
    x->n = (size_t)most;
    if (w->l->info->encoder_decoder) {
        if (!plain) x->ids[x->n - 1] = end;
        return;
    }
    int32_t first = x->ids[0]; // what is nearest to the continuation is kept, and a start token
    x->ids += lost, x->token += lost;
    if (x->span) x->span += lost;
    if (!plain && first == tok_bos(w->l->tok)) x->ids[0] = first;
}

static bool encode(const Work *w, const Job *j, Str s, TokSide side, bool plain, Encoding *x, Err *e)
{
    if (plain) s = texts_without_special(w->a, w->l->tok, s);
    plain |= w->chat != NULL; // the template has written them all
    // a text without special tokens keeps its language; a beginning has it only where it stands first
    bool tagged = w->plain || tok_forces_language(w->l->tok);
    if (!tok_encode(w->a, w->l->tok, s, (TokOptions){.side = side, .plain = plain, .tagged = tagged}, x, e))
        return false;
    one_start(w, x), cut(w, j, side, plain, x);
    return true;
}

bool texts_encode(const Work *w, const Job *j, Str s, TokSide side, bool plain, Ids *out, Err *e)
{
    Encoding x;
    if (!encode(w, j, s, side, plain, &x, e)) return false;
    *out = (Ids){x.ids, (int64_t)x.n};
    return true;
}

bool texts_encoding(const Work *w, const Job *j, Str s, TokSide side, Encoding *x, Err *e)
{
    return encode(w, j, s, side, false, x, e);
}

bool texts_encode_whole(const Work *w, Job *j, Str s, size_t prompt, Ids *out, int64_t *own, Err *e)
{
    Encoding x;
    if (!encode(w, j, s, TOK_SOURCE, w->plain, &x, e)) return false;
    *out = (Ids){x.ids, (int64_t)x.n};
    *own = (int64_t)tok_inside(&x, prompt);
    chats_mark(w, j, &x, *own);
    return true;
}

bool texts_decode_ids(const Work *w, Ids ids, bool skip_special, Str *out, Err *e)
{
    int32_t *known =
        arena_new(w->a, int32_t, ids.n); // rows beyond the tokenizer's (flan-t5 has 28) are no text
    size_t n = 0;
    for (int64_t i = 0; i < ids.n; i++)
        if (tok_string(w->l->tok, ids.v[i]).n) known[n++] = ids.v[i];
    return tok_decode(w->a, w->l->tok, known, n, (TokDecode){.skip_special = skip_special, .cleanup = 0}, out,
                      e);
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
