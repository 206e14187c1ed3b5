// SPDX-License-Identifier: Apache-2.0
// encoding.c — ids, strings and spans of one text while they are collected; and the words that ids stand for.
#include "kind.h"

#include <string.h>

void encoding_add_at(EncodingBuilder *b, int32_t id, Str token, TokSpan span)
{
    if (b->out.n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 64;
        Encoding more = {arena_new_raw(b->arena, int32_t, cap), arena_new_raw(b->arena, Str, cap),
                         b->spans ? arena_new_raw(b->arena, TokSpan, cap) : NULL, b->out.n};
        if (b->out.n) {
            memcpy(more.ids, b->out.ids, b->out.n * sizeof *more.ids);
            memcpy(more.token, b->out.token, b->out.n * sizeof *more.token);
            if (b->spans) memcpy(more.span, b->out.span, b->out.n * sizeof *more.span);
        }
        b->out = more, b->cap = cap;
    }
    b->out.ids[b->out.n] = id;
    b->out.token[b->out.n] = token;
    if (b->spans) b->out.span[b->out.n] = span;
    b->out.n++;
}

void encoding_add(EncodingBuilder *b, int32_t id, Str token) { encoding_add_at(b, id, token, (TokSpan){0}); }

size_t around_text(const Tokenizer *t, TokOptions o, bool after, int32_t out[5])
{
    const int32_t *own = after ? t->after : t->before;
    size_t n = 0, n_own = after ? t->n_after : t->n_before;
    int32_t tag = t->tags == TAGS_FIRST || t->tags == TAGS_LAST ? t->language[o.side] : -1;
    if (o.plain && !o.tagged) return 0;
    if (tag >= 0 && !after && t->tags == TAGS_FIRST) out[n++] = tag;
    for (size_t i = 0; i < n_own && !o.plain; i++) out[n++] = own[i];
    if (tag >= 0 && after && t->tags == TAGS_LAST) out[n++] = tag;
    return n;
}

void encoding_around(EncodingBuilder *b, const Tokenizer *t, TokOptions o, bool after)
{
    int32_t ids[5];
    size_t n = around_text(t, o, after, ids);
    for (size_t i = 0; i < n; i++) encoding_add(b, ids[i], tok_string(t, ids[i]));
}

size_t tok_inside(const Encoding *x, size_t bytes)
{
    size_t n = 0;
    while (n < x->n && x->span[n].to <= bytes) n++;
    return n;
}

static Str string_of(const Tokenizer *t, const Vocab *v, int32_t id)
{
    const Added *added = added_by_id(t, id);
    if (added) return added->shown.n ? added->shown : added->text;
    return id >= 0 && (size_t)id < v->n && v->text[id].s ? v->text[id] : (Str){"", 0};
}

Str tok_string(const Tokenizer *t, int32_t id) { return string_of(t, t->strings, id); }

Str tok_source_string(const Tokenizer *t, int32_t id) { return string_of(t, t->ids, id); }

int32_t tok_id(const Tokenizer *t, Str token)
{
    const Added *added = added_by_text(t, token);
    return added ? added->id : vocab_id(t->ids, token);
}

bool tok_is_special(const Tokenizer *t, int32_t id)
{
    const Added *added = added_by_id(t, id);
    return added && added->special;
}
