// SPDX-License-Identifier: Apache-2.0
// contexts.c — a document of attribute-context: its output made, both of its passes as ids, and what each sensitive token
// is contrasted with. What is done to texts is the library's, step by step, but tokens are found by where they stand.
#include "contexts.h"
#include "encode.h"

#include <string.h>

// ------------------------------------------------------------------------------------------ the output

// What the model writes for a source, behind a beginning: ids without either, of one return.
static bool write_output(const Work *w, const ContextTexts *t, Str source, Str beginning, Ids *out, Err *e)
{
    Job j = {.number = t->number, .source = source, .target = beginning}, *one = &j;
    Generated *made;
    Ids begun = {0};
    if (w->l->info->encoder_decoder) {
        if (!texts_encode(w, &j, source, TOK_SOURCE, false, &j.source_ids, e)) return false;
        if (beginning.n && !texts_encode(w, &j, beginning, TOK_TARGET, true, &j.prefix, e)) return false;
        begun.n = j.prefix.n + 1;
    } else {
        if (beginning.n) source = context_join(w->a, source, beginning, t->separator);
        if (!texts_encode(w, &j, source, TOK_SOURCE, false, &j.source_ids, e)) return false;
        begun.n = j.source_ids.n;
    }
    if (!j.source_ids.n) return err_set(e, "the input has no tokens; give at least one word");
    if (!nn_check_ids(w->l->model, j.source_ids, false, "input", e) || !texts_generate(w, &one, 1, &made, e))
        return false;
    int64_t n = made[0].n > begun.n ? made[0].n - begun.n : 0;
    *out = (Ids){made[0].ids + made[0].n - n, n};
    return true;
}

static bool take_off(const char *what, Str part, bool front, const ContextTexts *t, Str *output, Err *e)
{
    Str o = *output;
    if (!part.n) return true;
    if (front ? !str_starts(o, part) : !str_ends(o, part))
        return err_set(e,
                       "--output_template '%.*s' has the %s \"%.*s\", but the output \"%.*s\" does not %s "
                       "it; change the "
                       "template, or give --output_current_text",
                       (int)t->output_template.n, t->output_template.s, what, (int)part.n, part.s, (int)o.n,
                       o.s, front ? "begin with" : "end with");
    *output = (Str){o.s + (front ? part.n : 0), o.n - part.n};
    return true;
}

// An output that holds its context too: where is it cut?
static bool split_output(const Work *w, ContextTexts *t, Str output, Err *e)
{
    Str separator = context_between(t->output_template, "{context}", "{current}"), context;
    Str candidate = context_candidate(output, separator, t->input_context);
    if (t->strategy == SPLIT_AUTO) {
        if (!candidate.n)
            return err_set(
                e,
                "no place is found where the output's context ends: \"%.*s\"; give --output_context_text, or "
                "have --handle_output_context_strategy manual ask",
                (int)output.n, output.s);
        context = candidate;
    } else if (!t->ask.split(t->ask.context, w->a, output, candidate, &context, e)) return false;
    size_t skipped = context.n + (context_strip(separator).n && context.n ? separator.n : 0);
    Str rest = skipped < output.n ? (Str){output.s + skipped, output.n - skipped} : (Str){"", 0};
    bool forced = t->output_current.s != NULL;
    if (!forced && !context_strip(rest).n)
        return err_set(
            e, "nothing is left of the output behind the context \"%.*s\"; give --output_context_text",
            (int)context.n, context.s);
    t->output_context = context;
    if (!forced) t->output_current = context_strip(rest);
    return true;
}

// As the library's cases: the context is given or not, and the current text; what is missing is generated.
static bool make_output(const Work *w, ContextTexts *t, Str input, bool has_context, Err *e)
{
    bool split = has_context && !t->output_context.s, prompt = !w->l->info->encoder_decoder;
    if (t->output_current.s && !split) return true;
    Str prefix = context_between(t->output_template, NULL, has_context ? "{context}" : "{current}");
    Str suffix = context_between(t->output_template, "{current}", NULL), beginning = {"", 0};
    ContextFilled begun;
    Ids ids;
    if (has_context && !split) {
        context_fill(w->a, context_between(t->output_template, NULL, "{current}"), t->output_context,
                     beginning, &begun);
        beginning = context_strip(begun.text), prefix = (Str){"", 0};
    }
    if (prompt && !beginning.n) input = context_join(w->a, input, beginning, t->separator);
    if (!write_output(w, t, input, beginning, &ids, e)) return false;
    Str output = context_text(w, t, ids);
    if (!take_off("prefix", prefix, true, t, &output, e) || !take_off("suffix", suffix, false, t, &output, e))
        return false;
    if (split) return split_output(w, t, output, e);
    t->output_current = context_strip(output);
    return t->output_current.n ||
           err_set(e, "the model wrote nothing here; give the output with --output_current_text");
}

// ------------------------------------------------------------------------------------------ both passes

static Span moved(Span s, size_t by) { return (Span){s.from + (int64_t)by, s.to + (int64_t)by}; }

static void name_parts(const Work *w, ContextDoc *d, const ContextTexts *t)
{
    ContextResult *r = &d->result;
    bool prompt = !w->l->info->encoder_decoder;
    const Token *in = prompt ? d->with.target_tokens : d->with.source_tokens;
    r->input_context = t->input_context, r->output_context = t->output_context,
    r->output_current = t->output_current;
    r->n_input = d->has_input ? d->input.n : 0, r->n_output = d->has_output ? d->output.n : 0;
    r->input_token = arena_new(w->a, Str, r->n_input), r->output_token = arena_new(w->a, Str, r->n_output);
    for (int64_t i = 0; i < r->n_input; i++) r->input_token[i] = in[d->input.at[i]].text;
    for (int64_t i = 0; i < r->n_output; i++)
        r->output_token[i] = d->with.target_tokens[d->output.at[i]].text;
}

static bool encode_two(const Work *w, ContextTexts *t, ContextDoc *d, const ContextFilled text[4], Err *e)
{
    const ContextFilled *in = &text[0], *out = &text[1], *bare_in = &text[2], *bare_out = &text[3];
    Span source[] = {in->context, in->current}, target[] = {out->context, out->current};
    return context_ids(w, t, in->text, TOK_SOURCE, source,
                       (ContextPart *[]){d->has_input ? &d->input : NULL, NULL}, 2, &d->with.source, e) &&
           context_ids(w, t, out->text, TOK_TARGET, target,
                       (ContextPart *[]){d->has_output ? &d->output : NULL, &d->current}, 2, &d->with.target,
                       e) &&
           context_ids(w, t, bare_in->text, TOK_SOURCE, NULL, NULL, 0, &d->without.source, e) &&
           context_ids(w, t, bare_out->text, TOK_TARGET, &bare_out->current, (ContextPart *[]){&d->bare}, 1,
                       &d->without.target, e);
}

// Of decoder-only models each pass is one text.
static bool encode_one(const Work *w, ContextTexts *t, ContextDoc *d, const ContextFilled text[4], Err *e)
{
    Str with = context_join(w->a, text[0].text, text[1].text, t->separator);
    Str before = context_join(w->a, text[2].text, STR_LIT(""), t->separator);
    Buf without = {.arena = w->a};
    buf_str(&without, before), buf_str(&without, text[3].text);
    size_t at = with.n - text[1].text.n;
    Span spans[] = {text[0].context, moved(text[1].context, at), moved(text[1].current, at)},
         bare = moved(text[3].current, before.n);
    ContextPart *parts[] = {d->has_input ? &d->input : NULL, d->has_output ? &d->output : NULL, &d->current};
    if (!context_ids(w, t, with, TOK_SOURCE, spans, parts, 3, &d->with.target, e) ||
        !context_ids(w, t, buf_view(&without), TOK_SOURCE, &bare, (ContextPart *[]){&d->bare}, 1,
                     &d->without.target, e))
        return false;
    if (d->current.n) d->with.source = (Ids){d->with.target.v, d->current.at[0]};
    if (d->bare.n) d->without.source = (Ids){d->without.target.v, d->bare.at[0]};
    return (d->with.source.n && d->without.source.n) || !d->bare.n || !d->current.n ||
           err_set(e, "no token stands before the output; give a longer --input_current_text");
}

static void name_tokens(const Work *w, Pair *p)
{
    bool prompt = !w->l->info->encoder_decoder;
    p->source_tokens = texts_tokens(w->a, w->l->tok, p->source, TOK_SOURCE);
    p->target_tokens = texts_tokens(w->a, w->l->tok, p->target, prompt ? TOK_SOURCE : TOK_TARGET);
}

bool contexts_begin(const Work *w, ContextTexts *t, ContextDoc *d, Err *e)
{
    ContextFilled text[4];
    bool prompt = !w->l->info->encoder_decoder;
    Str none = {"", 0};
    *d = (ContextDoc){.has_input = t->input_context.n > 0};
    context_fill(w->a, d->has_input || !t->input_context.s ? t->input_template : t->bare_input,
                 t->input_context, t->input_current, &text[0]); // size 0 of a context is none
    d->has_output = context_between(t->output_template, NULL, "{current}").n &&
                    strstr(str_zero(w->a, t->output_template), "{context}");
    if (!make_output(w, t, text[0].text, d->has_output, e)) return false;
    if (!context_strip(t->output_current).n)
        return err_set(e, "the current output is empty; give at least one word with --output_current_text");
    context_fill(w->a, t->output_template, t->output_context, t->output_current, &text[1]);
    context_fill(w->a, t->bare_input, none, t->input_current, &text[2]);
    context_fill(w->a, t->bare_output, none, t->output_current, &text[3]);
    if (!(prompt ? encode_one : encode_two)(w, t, d, text, e)) return false;
    if (!d->current.n || !d->bare.n)
        return err_set(e, "the current output \"%.*s\" has no tokens of its own", (int)t->output_current.n,
                       t->output_current.s);
    name_tokens(w, &d->with), name_tokens(w, &d->without);
    name_parts(w, d, t);
    return true;
}

// ------------------------------------------------------------------------------------------ foils

// What stands before a sensitive token without the context: ids up to its place. Of encoder-decoder models without what the
// template puts before the output, as in the library.
static Ids bare_prefix(const Work *w, const ContextDoc *d, int64_t index)
{
    int64_t first = d->bare.at[0], at = d->bare.at[index], before = 0;
    Ids all = d->without.target;
    if (!w->l->info->encoder_decoder) return (Ids){all.v, at};
    while (before < first && tok_is_special(w->l->tok, all.v[before])) before++;
    if (!before) before = 1; // T5's start token is its padding, which is special; others may have none
    if (before > first) before = first;
    int32_t *v = arena_new(w->a, int32_t, all.n);
    memcpy(v, all.v, (size_t)before * sizeof *v);
    memcpy(v + before, all.v + first, (size_t)(at - first) * sizeof *v);
    return (Ids){v, before + at - first};
}

// The library asks for a language model's first word behind the separator's own token, if the tokenizer makes one.
static bool first_prefix(const Work *w, const ContextTexts *t, Ids *out, Err *e)
{
    ContextFilled in, own;
    Str none = {"", 0};
    Job j = {.number = t->number};
    context_fill(w->a, t->bare_input, none, t->input_current, &in);
    context_fill(w->a, context_between(t->bare_output, NULL, "{current}"), none, none, &own);
    Str text = context_join(w->a, in.text, none, t->separator);
    text = context_join(w->a, text, own.text, t->separator);
    text = context_join(w->a, text, none, t->separator);
    return texts_encode(w, &j, text, TOK_SOURCE, false, out, e);
}

// generate()'s arguments with so many new tokens.
static bool short_generation(const Work *w, const ContextTexts *t, int n, const GenConfig **out, Err *e)
{
    static const char *const lengths[] = {
        "max_new_tokens", "max_length", "skip_special_tokens", "min_new_tokens", "min_length",
        "stop_strings",   NULL};
    const Json most = {.kind = J_NUMBER,
                       .is_int = true,
                       .i = n,
                       .number = n,
                       .text = str_of(n == 1 ? "1" : "2"),
                       .key = STR_LIT("max_new_tokens")};
    return nn_generation(w->a, w->l->model, texts_arguments(w, t->generation, lengths, &most), out, e);
}

// The model's own next token behind each prefix, all at once. asked [n]: only of those that have no word yet.
static bool own_words(const Work *w, const ContextTexts *t, const ContextDoc *d, const Ids *prefix, size_t n,
                      int32_t *word, Err *e)
{
    bool prompt = !w->l->info->encoder_decoder;
    Ids *source = arena_new(w->a, Ids, n), *begun = arena_new(w->a, Ids, n);
    size_t *of = arena_new(w->a, size_t, n), count = 0;
    for (size_t k = 0; k < n; k++) {
        if (word[k] >= 0) continue;
        source[count] = prompt ? prefix[k] : d->without.source;
        begun[count] = prompt ? (Ids){0} : (Ids){prefix[k].v + 1, prefix[k].n - 1};
        of[count++] = k;
    }
    if (!count) return true;
    const GenConfig *one;
    Generated *out;
    if (!short_generation(w, t, prompt ? 1 : 2, &one, e) ||
        !texts_write(w, one, source, begun, count, &out, e))
        return false;
    size_t returns = (size_t)nn_generation_returns(one);
    for (size_t i = 0; i < count; i++) {
        const Generated *g = &out[i * returns];
        if (g->n <= prefix[of[i]].n)
            return err_set(
                e, "the model writes nothing behind the contextless output; give the word to compare with: "
                   "--contextless_output_next_tokens");
        word[of[i]] = g->ids[prefix[of[i]].n];
    }
    return true;
}

// The first token of a word as it was given; a token's own string, with its mark, is that token.
static bool given_word(const Work *w, Str text, int32_t *out, Err *e)
{
    Encoding x;
    bool prompt = !w->l->info->encoder_decoder,
         marked = str_starts(text, STR_LIT("▁")) || str_starts(text, STR_LIT("Ġ"));
    int32_t known = marked ? tok_id(w->l->tok, text) : -1;
    if (known >= 0) return *out = known, true;
    if (!tok_encode(w->a, w->l->tok, text,
                    (TokOptions){.side = prompt ? TOK_SOURCE : TOK_TARGET, .plain = true}, &x, e))
        return false;
    if (!x.n) return err_set(e, "the word to compare with, \"%.*s\", has no tokens", (int)text.n, text.s);
    return *out = x.ids[0], true;
}

static bool given_words(const Work *w, const ContextTexts *t, const ContextDoc *d, int32_t *word, Err *e)
{
    const ContextResult *r = &d->result;
    if (t->n_words && t->n_words != r->n_cues)
        return err_set(e,
                       "--contextless_output_next_tokens has %zu words, but %zu tokens depend on the "
                       "context; there must be "
                       "one for each, by falling sensitivity",
                       t->n_words, r->n_cues);
    for (size_t k = 0; k < r->n_cues; k++) {
        Str text = {NULL, 0};
        Ids before = {d->with.target.v + d->current.at[0], d->current.at[r->cue[k].index] - d->current.at[0]};
        if (t->n_words) text = t->word[k];
        else if (t->ask_words &&
                 !t->ask.word(t->ask.context, w->a, context_text(w, t, before), r->cue[k].token, &text, e))
            return false;
        if (text.n && !given_word(w, text, &word[k], e)) return false;
    }
    return true;
}

// Where the model would end, or write another special token that is no text, the library compares with the last token that
// is there.
static void take_last(const Work *w, const ContextTexts *t, Ids *prefix, int64_t index, int32_t *word)
{
    bool any = index > 0 || !w->l->info->encoder_decoder;
    if (!any || prefix->n < 2 || context_keeps(w, t, *word)) return;
    *word = prefix->v[--prefix->n];
}

// The foil's pass: the whole contextless output where its prefix is that one's, so that all foils are one sequence.
static void make_foil(const Work *w, ContextDoc *d, Ids prefix, int32_t word, Pair *foil)
{
    Token *own = arena_new(w->a, Token, 1);
    *foil = d->without;
    foil->contrast = NULL, foil->n_alignment = 0;
    *own = texts_tokens(w->a, w->l->tok, (Ids){&word, 1},
                        w->l->info->encoder_decoder ? TOK_TARGET : TOK_SOURCE)[0];
    foil->foil = own, foil->steps = (Span){prefix.n, prefix.n + 1};
    Ids all = d->without.target;
    if (prefix.n < all.n && !memcmp(prefix.v, all.v, (size_t)prefix.n * sizeof *all.v)) return;
    int32_t *v = arena_new(w->a, int32_t, prefix.n + 1);
    memcpy(v, prefix.v, (size_t)prefix.n * sizeof *v);
    v[prefix.n] = word;
    foil->target = (Ids){v, prefix.n + 1};
    name_tokens(w, foil);
}

static Str with_word(const Work *w, const ContextTexts *t, Ids prefix, int32_t word)
{
    int32_t *v = arena_new(w->a, int32_t, prefix.n + 1);
    memcpy(v, prefix.v, (size_t)prefix.n * sizeof *v);
    v[prefix.n] = word;
    return context_text(w, t, (Ids){v, prefix.n + 1});
}

// What each sensitive token of the document is contrasted with: a given word, or what the model writes there without the
// context. contrastive: whether the attributed function looks at it; the texts of the cues are made in any case.
static bool make_foils(const Work *w, const ContextTexts *t, bool contrastive, ContextDoc *d, Err *e)
{
    ContextResult *r = &d->result;
    size_t n = r->n_cues;
    for (size_t k = 0; k < n; k++)
        r->cue[k].contextual =
            context_text(w, t, (Ids){d->with.target.v, d->current.at[r->cue[k].index] + 1});
    if (!contrastive || !n) return true;
    Ids *prefix = arena_new(w->a, Ids, n);
    int32_t *word = arena_new(w->a, int32_t, n);
    for (size_t k = 0; k < n; k++) {
        word[k] = -1, prefix[k] = bare_prefix(w, d, r->cue[k].index);
        if (!w->l->info->encoder_decoder && !r->cue[k].index && !t->n_words &&
            !first_prefix(w, t, &prefix[k], e))
            return false;
    }
    if (!given_words(w, t, d, word, e)) return false;
    bool *given = arena_new(w->a, bool, n);
    for (size_t k = 0; k < n; k++) given[k] = word[k] >= 0;
    if (!own_words(w, t, d, prefix, n, word, e)) return false;
    d->foil = arena_new(w->a, Pair, n);
    for (size_t k = 0; k < n; k++) {
        if (!given[k]) take_last(w, t, &prefix[k], r->cue[k].index, &word[k]);
        make_foil(w, d, prefix[k], word[k], &d->foil[k]);
        r->cue[k].contrast_token = d->foil[k].foil->text;
        r->cue[k].contextless = with_word(w, t, prefix[k], word[k]);
    }
    return true;
}

// ------------------------------------------------------------------------------------------ all of it

typedef struct Running {
    const Work *w;
    const ContextOptions *o;
    ContextDoc *const *d;
    size_t n;
    bool (*step)(Arena *a, const Model *m, const ContextOptions *o, ContextDoc *const *d, size_t n, Err *e);
    Err *e;
    bool ok;
} Running;

static void run_step(void *context)
{
    Running *r = context;
    r->ok = r->step(r->w->a, r->w->l->model, r->o, r->d, r->n, r->e);
}

bool contexts_run(const Work *w, const ContextOptions *o, ContextTexts *const *t, ContextDoc *const *d,
                  size_t n, Err *e)
{
    bool contrastive = attr_is_contrastive(o->attribution->attributed_fn);
    Running r = {w, o, d, n, context_sensitivity, e, false};
    if (!stop_run(run_step, &r) || !r.ok) return false;
    for (size_t i = 0; i < n; i++)
        if (!make_foils(w, t[i], contrastive, d[i], e)) return false;
    r.step = context_cues, r.ok = false;
    if (!stop_run(run_step, &r) || !r.ok) return false;
    r.step = context_evaluate, r.ok = !o->evaluate;
    return r.ok || (stop_run(run_step, &r) && r.ok);
}
