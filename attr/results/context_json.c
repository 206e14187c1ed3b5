// SPDX-License-Identifier: Apache-2.0
// context_json.c — Inseq's file of a context attribution (AttributeContextOutput.to_dict, json.dumps(indent=4)): keys in
// its order, numbers as Python writes doubles. Lists of such objects are ours: several contexts, or sizes of one.
//
// What Inseq's reader does not know it refuses, so the measures of --evaluate are members of info, under one name of ours:
// a list with an entry for each of cci_scores.
#include "../context.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char context_layout[] =
    "input_context, output_context, output_current       the texts; null: none\n"
    "input_context_tokens, ..., output_current_tokens    lists of tokens\n"
    "cti_scores    how much each output token depends on the context\n"
    "cci_scores    a list: for each sensitive token cti_idx, cti_token, cti_score,\n"
    "              contextual_output, contrast_token, contextless_output, and\n"
    "              input_context_scores, output_context_scores: a number for each\n"
    "              token of the contexts, or null\n"
    "info          all parameters; with --evaluate what was measured\n"
    "\n"
    "As csv: context (from 0), part (output, input_context, output_context), index,\n"
    "token, score, marked (1: the threshold chose it), and of a context's tokens the\n"
    "output token that they are cues of: cue_of, cue_of_token.\n";

enum { ONE_LINE = 1000 }; // a depth: everything stands on one

static void line(Buf *b, int depth)
{
    if (depth >= ONE_LINE / 2) return;
    buf_char(b, '\n');
    for (int i = 0; i < depth; i++) buf_str(b, STR_LIT("    "));
}

static void put_key(Buf *b, int depth, const char *key, bool first)
{
    if (!first) buf_char(b, ',');
    line(b, depth);
    buf_printf(b, "\"%s\": ", key);
}

// As Python's repr of a float, which here is a float32's value.
static void put_number(Buf *b, float v)
{
    double x = (double)v;
    char s[40];
    if (!isfinite(v)) { // Python's JSON reads these words; NaN is what no token can have
        buf_str(b, isnan(v) ? STR_LIT("NaN") : v > 0 ? STR_LIT("Infinity") : STR_LIT("-Infinity"));
        return;
    }
    if (x == __builtin_trunc(x) && fabs(x) < 1e15) {
        buf_printf(b, "%.1f", x);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x) break;
    }
    buf_str(b, str_of(s));
}

static void put_string(Buf *b, Str s)
{
    if (s.s) buf_json_ascii(b, s);
    else buf_str(b, STR_LIT("null"));
}

static void put_numbers(Buf *b, int depth, const float *v, int64_t n)
{
    if (!v) buf_str(b, STR_LIT("null"));
    else buf_str(b, n ? STR_LIT("[") : STR_LIT("[]"));
    for (int64_t i = 0; v && i < n; i++) {
        if (i) buf_char(b, ',');
        line(b, depth + 1), put_number(b, v[i]);
    }
    if (v && n) line(b, depth), buf_char(b, ']');
}

static void put_strings(Buf *b, int depth, const Str *v, int64_t n, bool there)
{
    buf_str(b, !there ? STR_LIT("null") : n ? STR_LIT("[") : STR_LIT("[]"));
    for (int64_t i = 0; there && i < n; i++) {
        if (i) buf_char(b, ',');
        line(b, depth + 1), put_string(b, v[i]);
    }
    if (there && n) line(b, depth), buf_char(b, ']');
}

static void put_value(Buf *b, int depth, const Json *j)
{
    bool object = j->kind == J_OBJECT;
    if (j->kind == J_STRING) buf_json_ascii(b, j->text);
    else if (j->kind == J_NUMBER) buf_str(b, j->text);
    else if (j->kind != J_ARRAY && !object)
        buf_str(b, j->kind == J_TRUE    ? STR_LIT("true")
                   : j->kind == J_FALSE ? STR_LIT("false")
                                        : STR_LIT("null"));
    else if (!j->count || depth % ONE_LINE > 100) buf_str(b, object ? STR_LIT("{}") : STR_LIT("[]"));
    else {
        buf_char(b, object ? '{' : '[');
        for (const Json *c = j->child; c; c = c->next) {
            line(b, depth + 1);
            if (object) buf_json_ascii(b, c->key), buf_str(b, STR_LIT(": "));
            put_value(b, depth + 1, c);
            if (c->next) buf_char(b, ',');
        }
        line(b, depth), buf_char(b, object ? '}' : ']');
    }
}

static void put_cue(Buf *b, int d, const ContextResult *r, const ContextCue *c)
{
    buf_char(b, '{');
    put_key(b, d, "cti_idx", true), buf_printf(b, "%" PRId64, c->index);
    put_key(b, d, "cti_token", false), put_string(b, c->token);
    put_key(b, d, "cti_score", false), put_number(b, c->score);
    put_key(b, d, "contextual_output", false), put_string(b, c->contextual);
    put_key(b, d, "contrast_token", false), put_string(b, c->contrast_token);
    put_key(b, d, "contextless_output", false), put_string(b, c->contextless);
    put_key(b, d, "input_context_scores", false), put_numbers(b, d, c->input, r->n_input);
    put_key(b, d, "output_context_scores", false), put_numbers(b, d, c->output, r->n_output);
    line(b, d - 1), buf_char(b, '}');
}

static void put_result(Buf *b, const ContextResult *r, int depth)
{
    int d = depth + 1;
    buf_char(b, '{');
    put_key(b, d, "input_context", true), put_string(b, r->input_context);
    put_key(b, d, "input_context_tokens", false);
    put_strings(b, d, r->input_token, r->n_input, r->input_context.s);
    put_key(b, d, "output_context", false), put_string(b, r->output_context);
    put_key(b, d, "output_context_tokens", false);
    put_strings(b, d, r->output_token, r->n_output, r->output_context.s);
    put_key(b, d, "output_current", false), put_string(b, r->output_current);
    put_key(b, d, "output_current_tokens", false), put_strings(b, d, r->token, r->n, true);
    put_key(b, d, "cti_scores", false), put_numbers(b, d, r->cti, r->n);
    put_key(b, d, "cci_scores", false), buf_str(b, r->n_cues ? STR_LIT("[") : STR_LIT("[]"));
    for (size_t i = 0; i < r->n_cues; i++) {
        if (i) buf_char(b, ',');
        line(b, d + 1), put_cue(b, d + 2, r, &r->cue[i]);
    }
    if (r->n_cues) line(b, d), buf_char(b, ']');
    if (r->info) put_key(b, d, "info", false), put_value(b, d, r->info);
    line(b, depth), buf_char(b, '}');
}

void context_to_json(const ContextResult *r, bool one_line, Buf *out)
{
    put_result(out, r, one_line ? ONE_LINE : 0);
}

// ------------------------------------------------------------------------------------------ reading

typedef struct Reading {
    Arena *a;
    const char *path;
    Err *e;
} Reading;

static bool wrong(const Reading *r, const Json *j, const char *key, const char *form)
{
    return err_at(r->e, r->path, j->at, "%s is %s; it must be %s", key, json_kind_name(j), form);
}

static bool get_string(const Reading *r, const Json *j, const char *key, Str *out)
{
    const Json *c = json_get(j, key);
    if (!c || c->kind == J_NULL) return true;
    if (c->kind != J_STRING) return wrong(r, c, key, "a text or null");
    out->s = c->text.s ? c->text.s : "", out->n = c->text.n;
    return true;
}

// *n: -1, or how many there must be.
static bool get_strings(const Reading *r, const Json *j, const char *key, Str **out, int64_t *n)
{
    const Json *list = json_get(j, key);
    if (!list || list->kind == J_NULL) return *n = 0, true;
    if (list->kind != J_ARRAY) return wrong(r, list, key, "a list of tokens or null");
    *n = (int64_t)list->count, *out = arena_new(r->a, Str, *n);
    size_t i = 0;
    for (const Json *c = list->child; c; c = c->next, i++) {
        if (c->kind != J_STRING) return wrong(r, c, key, "a list of tokens");
        (*out)[i] = c->text;
    }
    return true;
}

// Scores of n tokens. Files of Inseq that it has drawn too hold more, of which the first n are meant.
static bool get_numbers(const Reading *r, const Json *j, const char *key, int64_t n, float **out)
{
    const Json *list = json_get(j, key);
    if (!list || list->kind == J_NULL) return true;
    if (list->kind != J_ARRAY) return wrong(r, list, key, "a list of numbers or null");
    if ((int64_t)list->count < n)
        return err_at(r->e, r->path, list->at, "%s has %zu numbers for %" PRId64 " tokens", key, list->count,
                      n);
    *out = arena_new(r->a, float, n);
    int64_t i = 0;
    for (const Json *c = list->child; c && i < n; c = c->next, i++) {
        if (c->kind != J_NUMBER && c->kind != J_NULL) return wrong(r, c, key, "a list of numbers");
        (*out)[i] = c->kind == J_NUMBER ? (float)c->number : NAN;
    }
    return true;
}

static bool get_cue(const Reading *r, const Json *j, const ContextResult *own, ContextCue *c)
{
    const Json *index = json_get(j, "cti_idx"), *score = json_get(j, "cti_score");
    *c = (ContextCue){.kept = NAN};
    if (!index || index->kind != J_NUMBER || !index->is_int || index->i < 0 || index->i >= own->n)
        return err_at(r->e, r->path, j->at,
                      "cti_idx must be the index of one of the output's %" PRId64 " tokens", own->n);
    c->index = index->i,
    c->score = score && score->kind == J_NUMBER ? (float)score->number : own->cti[index->i];
    return get_string(r, j, "cti_token", &c->token) &&
           get_string(r, j, "contextual_output", &c->contextual) &&
           get_string(r, j, "contrast_token", &c->contrast_token) &&
           get_string(r, j, "contextless_output", &c->contextless) &&
           get_numbers(r, j, "input_context_scores", own->n_input, &c->input) &&
           get_numbers(r, j, "output_context_scores", own->n_output, &c->output);
}

static void get_measures(ContextResult *r)
{
    const Json *all = r->info ? json_get(r->info, "inseq_evaluation") : NULL;
    size_t i = 0;
    for (const Json *c = all && all->kind == J_ARRAY ? all->child : NULL; c && i < r->n_cues;
         c = c->next, i++) {
        const Json *kept = json_get(c, "probability"), *lost = json_get(c, "without_cues"),
                   *by_chance = json_get(c, "without_others");
        if (!kept || !lost || !by_chance) continue;
        r->cue[i].kept = (float)kept->number, r->cue[i].lost = (float)lost->number;
        r->cue[i].lost_random = by_chance->kind == J_NUMBER ? (float)by_chance->number : NAN;
    }
}

static bool read_one(Arena *a, const Json *j, const char *path, ContextResult *out, Err *e)
{
    Reading r = {a, path, e};
    *out = (ContextResult){0};
    const Json *cues = json_get(j, "cci_scores");
    if (!cues || cues->kind != J_ARRAY || !json_get(j, "cti_scores"))
        return err_at(e, path, j->at,
                      "this is no context attribution: cti_scores and cci_scores are missing");
    if (!get_string(&r, j, "input_context", &out->input_context) ||
        !get_string(&r, j, "output_context", &out->output_context) ||
        !get_string(&r, j, "output_current", &out->output_current) ||
        !get_strings(&r, j, "input_context_tokens", &out->input_token, &out->n_input) ||
        !get_strings(&r, j, "output_context_tokens", &out->output_token, &out->n_output) ||
        !get_strings(&r, j, "output_current_tokens", &out->token, &out->n) ||
        !get_numbers(&r, j, "cti_scores", out->n, &out->cti))
        return false;
    if (!out->cti) return err_at(e, path, j->at, "cti_scores is null; it must be a list of numbers");
    out->cue = arena_new(a, ContextCue, cues->count);
    for (const Json *c = cues->child; c; c = c->next)
        if (!get_cue(&r, c, out, &out->cue[out->n_cues++])) return false;
    const Json *info = json_get(j, "info");
    out->info = info && info->kind == J_OBJECT ? info : NULL;
    get_measures(out);
    return true;
}

enum { MOST_ZIPPED = 64 << 20, MOST_PLAIN = 1 << 30 };

bool contexts_in(Arena *a, Str bytes, Str *plain)
{
    Buf text = {.arena = a};
    *plain = bytes;
    if (str_starts(bytes, STR_LIT("\x1f\x8b"))) {
        if (bytes.n > MOST_ZIPPED || !gunzip(&text, bytes, MOST_PLAIN, "", 0, NULL)) return false;
        *plain = buf_view(&text);
    }
    return memmem(plain->s, plain->n, "\"cci_scores\"", 12) != NULL &&
           !memmem(plain->s, plain->n, "\"__instance_type__\"", 19);
}

// JSON Lines: an object a line. Of a run over data files the first says what it was, and rows that failed say why; what
// stands behind the last whole row is one that was cut off.
static bool read_lines(Arena *a, Str text, const char *path, ContextResult **out, size_t *n, Err *e)
{
    size_t most = 1;
    for (size_t i = 0; i < text.n; i++) most += text.s[i] == '\n';
    *n = 0, *out = arena_new(a, ContextResult, most);
    for (size_t i = 0, to; i < text.n; i = to + 1) {
        const char *end = memchr(text.s + i, '\n', text.n - i);
        to = end ? (size_t)(end - text.s) : text.n;
        Str own = {text.s + i, to - i};
        if (str_blank(own)) continue;
        if (!end && str_starts(text, STR_LIT("{\"schema\":"))) break;
        const Json *j = json_parse(a, own, path, e);
        if (!j) return false;
        if (json_get(j, "schema") || (json_get(j, "error") && !json_get(j, "cci_scores"))) continue;
        if (!read_one(a, j, path, &(*out)[(*n)++], e)) return false;
    }
    return *n > 0 || err_set(e, "%s: there is no context attribution in it", path);
}

bool contexts_from_json(Arena *a, Str text, const char *path, ContextResult **out, size_t *n, Err *e)
{
    Err own = {0};
    const Json *j = json_parse(a, text, path, &own);
    const char *first = memchr(text.s, '\n', text.n);
    if (!j && first && json_parse(a, (Str){text.s, (size_t)(first - text.s)}, path, NULL))
        return read_lines(a, text, path, out, n, e);
    if (!j) return err_set(e, "%s", own.text);
    if (j->kind != J_ARRAY)
        return *n = 1, *out = arena_new(a, ContextResult, 1), read_one(a, j, path, *out, e);
    *n = 0, *out = arena_new(a, ContextResult, j->count);
    for (const Json *c = j->child; c; c = c->next)
        if (!read_one(a, c, path, &(*out)[(*n)++], e)) return false;
    return *n > 0 || err_at(e, path, 0, "the list is empty");
}
