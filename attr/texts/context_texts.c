// SPDX-License-Identifier: Apache-2.0
// context_texts.c — templates of texts with a context, and where their parts stand in ids.
//
// A part's tokens are those that reach into its bytes. Where a tokenizer does not tell a token's bytes (SentencePiece), the
// text is cut at the part's ends and encoded once more: the tokens that both encodings begin with lie before the end.
#include "contexts.h"
#include "encode.h"

#include <string.h>

enum { MOST_SENTENCES = 1000 };

// ------------------------------------------------------------------------------------------ templates

static const char fields[2][12] = {"{context}", "{current}"};

static int64_t find(Str s, Str part, int64_t from)
{
    for (int64_t i = from; i + (int64_t)part.n <= (int64_t)s.n; i++)
        if (!memcmp(s.s + i, part.s, part.n)) return i;
    return -1;
}

static Str sub(Str s, int64_t from, int64_t to) { return (Str){s.s + from, (size_t)(to - from)}; }

// One template: each field at most once, {current} at least; {context} before it where the option says so.
static bool check_template(const char *option, Str t, bool context_first, bool *has_context, Err *e)
{
    int64_t at[2];
    for (int k = 0; k < 2; k++) {
        at[k] = find(t, str_of(fields[k]), 0);
        if (at[k] >= 0 && find(t, str_of(fields[k]), at[k] + 1) >= 0)
            return err_usage(e, "--%s '%.*s' has %s twice; it can stand there once", option, (int)t.n, t.s,
                             fields[k]);
    }
    *has_context = at[0] >= 0;
    if (at[1] < 0)
        return err_usage(e, "--%s '%.*s' has no {current}, where the current text is to stand", option,
                         (int)t.n, t.s);
    if (context_first && at[0] > at[1])
        return err_usage(
            e, "--%s '%.*s': {context} must stand before {current}, which the model writes after it", option,
            (int)t.n, t.s);
    for (size_t i = 0; i < t.n; i++) {
        bool pair = i + 1 < t.n && t.s[i + 1] == t.s[i];
        if (t.s[i] != '{' && t.s[i] != '}') continue;
        if (pair) i++;
        else if ((int64_t)i == at[0] || (int64_t)i == at[1]) i += 8;
        else
            return err_usage(
                e,
                "--%s '%.*s': braces hold {context} or {current}; one that is meant as text is doubled: {{",
                option, (int)t.n, t.s);
    }
    return true;
}

static bool check_context(const char *side, Str template, bool has, Str context, Err *e)
{
    if (context.s && context.n && !has)
        return err_usage(e, "--%s_context_text is given, but --%s_template '%.*s' has no {context} for it",
                         side, side, (int)template.n, template.s);
    return true;
}

bool contexts_check(ContextTexts *t, Err *e)
{
    Str current = STR_LIT("{current}"), both = STR_LIT("{context} {current}");
    bool in, out, none;
    if (!t->input_template.s) t->input_template = t->input_context.s ? both : current;
    if (!t->output_template.s) t->output_template = t->output_context.s ? both : current;
    if (!t->bare_input.s) t->bare_input = current;
    if (!t->bare_output.s) t->bare_output = current;
    if (!t->input_current.n)
        return err_usage(e, "--input_current_text is missing; give the text that the output is written for");
    if (!check_template("contextless_input_current_text", t->bare_input, false, &none, e)) return false;
    if (none)
        return err_usage(e, "--contextless_input_current_text has {context}; without context there is none");
    if (!check_template("contextless_output_current_text", t->bare_output, false, &none, e)) return false;
    if (none)
        return err_usage(e, "--contextless_output_current_text has {context}; without context there is none");
    if (!check_template("input_template", t->input_template, false, &in, e) ||
        !check_template("output_template", t->output_template, true, &out, e) ||
        !check_context("input", t->input_template, in, t->input_context, e) ||
        !check_context("output", t->output_template, out, t->output_context, e))
        return false;
    if (in && !t->input_context.n)
        return err_usage(e, "--input_template '%.*s' has {context}, but --input_context_text is not given",
                         (int)t->input_template.n, t->input_template.s);
    if (out && t->strategy == SPLIT_PRE && !t->output_context.n)
        return err_usage(
            e, "--output_template has {context}, and with --handle_output_context_strategy pre it must be "
               "given: --output_context_text TEXT");
    if (t->n_words && t->ask_words)
        return err_usage(e, "give --contextless_output_next_tokens or "
                            "--prompt_user_for_contextless_output_next_tokens, not both");
    if (!in && !out)
        return err_usage(e, "there is no context: give --input_context_text, --output_context_text or both");
    return true;
}

void context_fill(Arena *a, Str template, Str context, Str current, ContextFilled *out)
{
    Buf b = {.arena = a};
    *out = (ContextFilled){0};
    for (size_t i = 0; i < template.n; i++) {
        Str rest = {template.s + i, template.n - i};
        bool is_context = str_starts(rest, str_of(fields[0])),
             is_current = str_starts(rest, str_of(fields[1]));
        if (is_context || is_current) {
            Span *at = is_context ? &out->context : &out->current;
            at->from = (int64_t)b.n;
            buf_str(&b, is_context ? context : current);
            at->to = (int64_t)b.n, i += 8;
            continue;
        }
        buf_char(&b, template.s[i]);
        i += i + 1 < template.n && (template.s[i] == '{' || template.s[i] == '}');
    }
    out->text = buf_view(&b);
}

Str context_join(Arena *a, Str first, Str second, Str separator)
{
    bool there = str_ends(first, separator) || str_starts(second, separator);
    Buf b = {.arena = a};
    buf_str(&b, first);
    if (!there) buf_str(&b, separator);
    buf_str(&b, second);
    return buf_view(&b);
}

Str context_strip(Str s)
{
    while (s.n && str_blank((Str){s.s, 1})) s.s++, s.n--;
    while (s.n && str_blank((Str){s.s + s.n - 1, 1})) s.n--;
    return s;
}

Str context_between(Str template, const char *from, const char *to)
{
    int64_t first = from ? find(template, str_of(from), 0) + (int64_t)strlen(from) : 0;
    return sub(template, first, to ? find(template, str_of(to), 0) : (int64_t) template.n);
}

// ------------------------------------------------------------------------------------------ splitting an output

// The two texts that a separator leaves, if it leaves two. Its first; empty: it does not.
static Str first_of_two(Str s, Str separator)
{
    int64_t at = separator.n ? find(s, separator, 0) : -1;
    return at < 0 || find(s, separator, at + (int64_t)separator.n) >= 0 ? (Str){"", 0} : sub(s, 0, at);
}

static bool cuts(char c) { return strchr(" \t\n\r\f\v.?!,;:)]}", c) && c; }

static Str first_of_two_by_signs(Str s)
{
    Str first = {"", 0};
    size_t words = 0;
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        while (i < s.n && !cuts(s.s[i])) i++;
        if (i > from && !words++) first = sub(s, (int64_t)from, (int64_t)i);
        while (i < s.n && cuts(s.s[i])) i++;
    }
    return words == 2 ? first : (Str){"", 0};
}

// Where the k-th sentence ends: behind a word that ends in . ! ? or …; the end of the text if there are fewer.
static size_t sentence_end(Str s, int64_t k, int64_t *found)
{
    *found = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool stop = s.s[i] == '.' || s.s[i] == '!' || s.s[i] == '?' ||
                    str_starts(sub(s, (int64_t)i, (int64_t)s.n), STR_LIT("…"));
        size_t next = i + 1;
        while (stop && next < s.n && !str_blank(sub(s, (int64_t)next, (int64_t)next + 1))) {
            if (!strchr(".!?\"')]\x80\xa6\xe2", s.s[next])) stop = false;
            next++;
        }
        if (stop && ++*found == k) return next;
        if (stop) i = next - 1;
    }
    return s.n;
}

// The library asks an encoder which words of the output stand for the input context. Here as many sentences are taken as
// that has.
Str context_candidate(Str output, Str separator, Str input_context)
{
    Str c = first_of_two(output, separator);
    if (!c.n) c = first_of_two_by_signs(output);
    if (c.n || !input_context.s) return c;
    int64_t in, own;
    sentence_end(input_context, MOST_SENTENCES, &in);
    size_t to = sentence_end(output, in ? in : 1, &own);
    return to < output.n ? sub(output, 0, (int64_t)to) : (Str){"", 0};
}

Str context_last(Str text, int64_t sentences)
{
    int64_t all, skipped;
    sentence_end(text, MOST_SENTENCES, &all);
    size_t end = sentence_end(text, all, &skipped);
    if (context_strip((Str){text.s + end, text.n - end}).n) all++; // a last one without a full stop
    if (sentences >= all) return text;
    end = sentences ? sentence_end(text, all - sentences, &skipped) : text.n;
    return context_strip((Str){text.s + end, text.n - end});
}

// ------------------------------------------------------------------------------------------ ids

bool context_keeps(const Work *w, const ContextTexts *t, int32_t id)
{
    if (!tok_is_special(w->l->tok, id)) return true;
    for (size_t i = 0; i < t->n_keep; i++)
        if (str_eq(tok_string(w->l->tok, id), t->keep[i])) return true;
    return false;
}

static bool plain_ids(const Work *w, Str text, TokSide side, Encoding *x, Err *e)
{
    return tok_encode(w->a, w->l->tok, text, (TokOptions){.side = side, .plain = true}, x, e);
}

// How many of x's tokens lie before this byte of the text. skipped: of its first, that stand before any text.
static bool tokens_before(const Work *w, Str text, int64_t byte, TokSide side, const Encoding *x,
                          size_t skipped, size_t *n, Err *e)
{
    Encoding part = {0};
    *n = skipped;
    if (byte <= 0) return true;
    while (byte < (int64_t)text.n && ((unsigned char)text.s[byte] & 0xC0) == 0x80) byte++;
    if (!plain_ids(w, sub(text, 0, byte), side, &part, e)) return false;
    for (size_t i = 0; i < part.n && *n < x->n && x->ids[*n] == part.ids[i]; i++) ++*n;
    return true;
}

static bool find_part(const Work *w, const ContextTexts *t, Str text, Span bytes, TokSide side,
                      const Encoding *x, size_t skipped, bool all, ContextPart *out, Err *e)
{
    size_t from = 0, to = 0;
    out->at = arena_new(w->a, int64_t, x->n), out->n = 0;
    if (!x->span && (!tokens_before(w, text, bytes.from, side, x, skipped, &from, e) ||
                     !tokens_before(w, text, bytes.to, side, x, skipped, &to, e)))
        return false;
    for (size_t i = 0; i < x->n; i++) {
        const TokSpan *s = x->span ? &x->span[i] : NULL;
        bool inside = s ? s->to > s->from && (int64_t)s->to > bytes.from && (int64_t)s->from < bytes.to
                        : i >= from && i < to;
        if (inside && (all || context_keeps(w, t, x->ids[i]))) out->at[out->n++] = (int64_t)i;
    }
    return true;
}

// A text's ids, of a target with its start token, and where n parts of it stand; the last is the current text, which has
// blanks before it for its own.
bool context_ids(const Work *w, const ContextTexts *t, Str text, TokSide side, const Span *bytes,
                 ContextPart *const *part, size_t n, Ids *out, Err *e)
{
    Encoding x, plain = {0};
    Job j = {.number = t->number};
    size_t skipped = 0;
    if (!texts_encoding(w, &j, text, side, &x, e)) return false;
    if (!x.span) {
        if (!plain_ids(w, text, side, &plain, e)) return false;
        while (plain.n && skipped < x.n && x.ids[skipped] != plain.ids[0]) skipped++;
    }
    *out = (Ids){x.ids, (int64_t)x.n};
    bool start = w->l->info->encoder_decoder && side == TOK_TARGET;
    if (start && !texts_add_start(w, out, e)) return false;
    for (size_t k = 0; k < n; k++) {
        Span s = bytes[k];
        while (k + 1 == n && s.from > 0 && text.s[s.from - 1] == ' ') s.from--;
        if (!part[k]) continue;
        if (!find_part(w, t, text, s, side, &x, skipped, k + 1 == n, part[k], e)) return false;
        for (int64_t i = 0; start && i < part[k]->n; i++) part[k]->at[i]++;
    }
    return true;
}

Str context_text(const Work *w, const ContextTexts *t, Ids ids)
{
    int32_t *v = arena_new(w->a, int32_t, ids.n);
    int64_t n = 0;
    Str out = {"", 0};
    for (int64_t i = 0; i < ids.n; i++)
        if (context_keeps(w, t, ids.v[i])) v[n++] = ids.v[i];
    if (!texts_decode_ids(w, (Ids){v, n}, false, &out, NULL)) return out;
    while (out.n && *out.s == ' ') out.s++, out.n--;
    return out;
}
