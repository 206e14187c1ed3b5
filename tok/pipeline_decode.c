// SPDX-License-Identifier: Apache-2.0
// pipeline_decode.c — ids to text: the tokens' strings, through one decoder after the other, joined (pipeline.h).
#include "pipeline.h"

#include <string.h>

typedef struct Strings {
    Arena *arena;
    const Pipeline *p;
    Str *s;
    size_t n;
    uint64_t steps;
} Strings;

static Str join(const Strings *x, Str between)
{
    Buf b = {.arena = x->arena};
    for (size_t i = 0; i < x->n; i++) {
        if (i) buf_str(&b, between);
        buf_str(&b, x->s[i]);
    }
    return buf_view(&b);
}

static const Str BAD = {"\xEF\xBF\xBD", 3};

// The bytes that a token's characters stand for; a token with any other character stands for itself.
static void put_bytes(Str token, Buf *out)
{
    size_t start = out->n;
    for (size_t i = 0, n; i < token.n; i += n) {
        int byte = byte_of_char(utf8_at(token.s + i, &n));
        if (byte < 0) {
            out->n = start;
            buf_str(out, token);
            return;
        }
        buf_char(out, (char)byte);
    }
}

static void decode_bytes(Strings *x)
{
    Buf bytes = {.arena = x->arena}, text = {.arena = x->arena};
    for (size_t i = 0; i < x->n; i++) put_bytes(x->s[i], &bytes);
    for (Str s = buf_view(&bytes); s.n;) { // what is no UTF-8 becomes one U+FFFD for each maximal subpart
        uint32_t cp;
        int bad = 1, w = utf8_decode(s.s, s.n, &cp, &bad);
        buf_str(&text, w ? (Str){s.s, (size_t)w} : BAD);
        s.s += w ? w : bad, s.n -= (size_t)(w ? w : bad);
    }
    x->s[0] = buf_view(&text);
    x->n = 1;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static int byte_of_piece(Str s) // "<0x0A>" -> 10, else -1
{
    if (s.n != 6 || memcmp(s.s, "<0x", 3) != 0 || s.s[5] != '>') return -1;
    int high = s.s[3] == '+' ? 0 : hex_digit(s.s[3]), low = hex_digit(s.s[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// A run of byte pieces is text if all of it is UTF-8, else one U+FFFD for EACH byte.
static void decode_fallback(Strings *x)
{
    size_t n = 0;
    for (size_t i = 0, end; i < x->n; i = end) {
        Buf run = {.arena = x->arena};
        int byte;
        for (end = i; end < x->n && (byte = byte_of_piece(x->s[end])) >= 0; end++) buf_char(&run, (char)byte);
        if (end == i) x->s[n++] = x->s[end++];
        else if (utf8_valid(buf_view(&run), NULL)) x->s[n++] = buf_view(&run);
        else
            for (size_t k = i; k < end; k++) x->s[n++] = BAD;
    }
    x->n = n;
}

static void decode_replace(Strings *x, const Decode *d)
{
    for (size_t i = 0; i < x->n; i++) {
        Buf b = {.arena = x->arena};
        Str s = x->s[i];
        size_t at = 0, start, end;
        for (; pattern_find(x->p->unicode, &d->pattern, s, at, &start, &end, &x->steps); at = end) {
            buf_put(&b, s.s + at, start - at);
            buf_str(&b, d->content);
        }
        if (!at) continue;
        buf_put(&b, s.s + at, s.n - at);
        x->s[i] = buf_view(&b);
    }
}

static void decode_strip(Strings *x, const Decode *d)
{
    for (size_t i = 0; i < x->n; i++) {
        Str *s = &x->s[i];
        for (size_t k = 0; k < d->start && str_starts(*s, d->content); k++)
            s->s += d->content.n, s->n -= d->content.n;
        for (size_t k = 0; k < d->stop && str_ends(*s, d->content); k++) s->n -= d->content.n;
    }
}

static void decode_metaspace(Strings *x, const Decode *d)
{
    for (size_t i = 0; i < x->n; i++)
        x->s[i] =
            replace_all(x->arena, x->s[i], d->mark, i || d->prepend == NEVER ? STR_LIT(" ") : STR_LIT(""));
}

bool pipeline_decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out,
                     Err *e)
{
    const Pipeline *p = t->state;
    Strings x = {.arena = a, .p = p, .s = arena_new_raw(a, Str, n + 1)};
    for (size_t i = 0; i < n; i++) {
        if (o.skip_special && tok_is_special(t, ids[i])) continue;
        Str token = tok_string(t, ids[i]);
        if (!token.n)
            return err_set(e, "id %d is not in the vocabulary; ids are 0 to %zu", ids[i], t->size - 1);
        x.s[x.n++] = token;
        x.steps += 100000 + 64 * (uint64_t)token.n;
    }
    bool any = x.n > 0;
    for (size_t i = 0; i < p->decodes && any; i++) {
        const Decode *d = &p->decode[i];
        if (d->kind == DECODE_BYTES) decode_bytes(&x);
        if (d->kind == DECODE_FALLBACK) decode_fallback(&x);
        if (d->kind == DECODE_REPLACE) decode_replace(&x, d);
        if (d->kind == DECODE_STRIP) decode_strip(&x, d);
        if (d->kind == DECODE_METASPACE) decode_metaspace(&x, d);
        if (d->kind == DECODE_FUSE) x.s[0] = join(&x, (Str){"", 0}), x.n = 1;
    }
    if (!x.steps && any) return err_set(e, "the decoder's regular expressions take too long on these tokens");
    *out = join(&x, p->has_decoder ? (Str){"", 0} : STR_LIT(" "));
    return true;
}
