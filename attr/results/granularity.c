// SPDX-License-Identifier: Apache-2.0
// granularity.c — words or sentences instead of tokens: scores of groups.
//
// A column of a heatmap says which share of a step each token has, so a group's share is the sum of its tokens'; and the
// steps of a group that was generated are averaged, so that columns go on to sum to what they summed to (mostly 1):
//
//   a[g,h] = 1/|h| sum over steps c in h, tokens i in g of a[i,c]       NaN, a token that was not there yet, counts as 0
//
// A word's own first piece, which its second was written after, so has a share in the word itself. What has no number at
// all stays without. Probabilities of a group's steps multiply, information adds up, of other step scores (differences,
// distances, ranks) it is the mean. Evaluations stay those of the tokens.
#include "granularity.h"

#include <math.h>
#include <string.h>

#define ARROW STR_LIT(" \xe2\x86\x92 ")

// ------------------------------------------------------------------------------------------ groups

static Str trimmed(Str s)
{
    while (s.n && s.s[0] == ' ') s.s++, s.n--;
    while (s.n && s.s[s.n - 1] == ' ') s.n--;
    return s;
}

// A token's string before or behind the arrow of a label.
static Str label_side(Str s, bool second)
{
    const char *arrow = memmem(s.s, s.n, ARROW.s, ARROW.n);
    if (!arrow) return s;
    return second ? (Str){arrow + ARROW.n, s.n - (size_t)(arrow - s.s) - ARROW.n}
                  : (Str){s.s, (size_t)(arrow - s.s)};
}

static bool has_label(const Token *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (t[i].id < 0 && memmem(t[i].text.s, t[i].text.n, ARROW.s, ARROW.n)) return true;
    return false;
}

static Token *with_labels_first(Arena *a, const Token *t, int64_t n)
{
    Token *out = arena_new(a, Token, n);
    for (int64_t i = 0; i < n; i++)
        out[i] = (Token){t[i].id, t[i].id < 0 ? label_side(t[i].text, false) : t[i].text};
    return out;
}

static Str joined(Arena *a, const Token *t, const Str *piece, int64_t n)
{
    Buf b = {.arena = a};
    for (int64_t i = 0; i < n; i++) buf_str(&b, piece[i]);
    Str s = trimmed(buf_view(&b));
    return s.n || !n ? s : t[0].text; // nothing but spaces: as the vocabulary writes them
}

// One side; cut [n + 1]: where a group begins in any case.
static Groups groups_of(Arena *a, Granularity g, const Token *t, int64_t n, const Token *like, int64_t n_like,
                        const bool *cut)
{
    Groups x = {.of = arena_new(a, int64_t, n + 1), .from = arena_new(a, int64_t, n + 1)};
    bool *begins = arena_new(a, bool, n + 1), labelled = has_label(t, n);
    Str *piece = arena_new(a, Str, n), *first = piece;
    granularity_begins(a, g, t, n, like, n_like, begins, piece);
    if (labelled) { // "no → yes": what stood there first is written out too
        first = arena_new(a, Str, n);
        granularity_begins(a, g, with_labels_first(a, t, n), n, like, n_like, arena_new(a, bool, n), first);
    }
    for (int64_t i = 0; i < n; i++) {
        if (begins[i] || cut[i]) x.from[x.n++] = i;
        x.of[i] = x.n - 1;
    }
    x.from[x.n] = n;
    x.token = arena_new(a, Token, x.n + 1);
    for (int64_t k = 0; k < x.n; k++) {
        int64_t i = x.from[k], m = x.from[k + 1] - i;
        x.token[k] = t[i];
        if (g == GRANULARITY_TOKEN) continue;
        Str text = joined(a, t + i, piece + i, m);
        if (has_label(t + i, m)) {
            Buf b = {.arena = a};
            buf_str(&b, joined(a, t + i, first + i, m)), buf_str(&b, ARROW), buf_str(&b, text);
            text = buf_view(&b);
        }
        x.token[k] = (Token){m == 1 ? t[i].id : -1, text};
    }
    return x;
}

// Whether the source is the beginning of the target: the prompt of a decoder-only model.
static bool is_prompt(const Sequence *s)
{
    if (s->source_attributions.v || s->n_source > s->n_target) return false;
    for (int64_t i = 0; i < s->n_source; i++)
        if (!str_eq(s->source[i].text, s->target[i].text)) return false;
    return true;
}

void granularity_groups(Arena *a, const Sequence *s, Granularity g, Groups *source, Groups *target)
{
    int64_t S = s->n_source, T = s->n_target;
    bool *cut = arena_new(a, bool, T + 1), *none = arena_new(a, bool, S + 1), prompt = is_prompt(s);
    if (prompt) cut[S] = true;
    if (s->attr_pos_start <= T) cut[s->attr_pos_start] = true;
    if (s->attr_pos_end <= T) cut[s->attr_pos_end] = true;
    *target = groups_of(a, g, s->target, T, s->source, prompt ? 0 : S, cut);
    if (!prompt) *source = groups_of(a, g, s->source, S, s->target, T, none);
    else *source = *target, source->n = S ? target->of[S - 1] + 1 : 0;
}

// ------------------------------------------------------------------------------------------ scores

static void add_cell(float v, double *sum, bool *any)
{
    if (isnan(v)) return;
    *sum += (double)v, *any = true;
}

// [rows, n] with rows and columns in groups; rows that the scores do not have (they may end early) are left out.
static Scores merge_scores(Arena *a, const Scores *x, const Groups *rows, const Span *columns, int64_t n)
{
    if (!x->v) return *x;
    int64_t R = x->dim[0], C = x->dim[1], groups = R ? rows->of[R - 1] + 1 : 0;
    Scores out = scores_new(a, 2, (int64_t[]){groups, n});
    for (int64_t g = 0; g < groups; g++)
        for (int64_t h = 0; h < n; h++) {
            double sum = 0;
            bool any = false;
            for (int64_t i = rows->from[g]; i < rows->from[g + 1] && i < R; i++)
                for (int64_t c = columns[h].from; c < columns[h].to; c++)
                    add_cell(x->v[i * C + c], &sum, &any);
            out.v[g * n + h] = any ? (float)(sum / (double)(columns[h].to - columns[h].from)) : NAN;
        }
    return out;
}

static NamedScores merge_steps(Arena *a, const NamedScores *x, const Span *columns, int64_t n)
{
    const Reduce *f = reduce_named(step_score_function(x->name));
    if (!strcmp(f->name, "absmax")) f = reduce_named("mean");
    NamedScores out = {x->name, x->is_int, scores_new(a, 1, &n)};
    for (int64_t h = 0; h < n; h++) {
        int64_t m = columns[h].to - columns[h].from;
        out.scores.v[h] =
            m == 1 ? x->scores.v[columns[h].from] : f->run(x->scores.v + columns[h].from, m, 1, 2);
        if (!(fabsf(out.scores.v[h]) < 9e15f) || out.scores.v[h] != (float)(int64_t)out.scores.v[h])
            out.is_int = false;
    }
    return out;
}

bool attr_granularity(Arena *a, const Sequence *in, Granularity g, Sequence *out, Err *e)
{
    *out = *in;
    if (g == GRANULARITY_TOKEN) return true;
    const Scores *x = &in->source_attributions, *y = &in->target_attributions;
    if ((x->v && x->rank != 2) || (y->v && y->rank != 2))
        return err_set(e, "granularity needs one number per token and step; aggregate the scores first");
    Groups source, target;
    granularity_groups(a, in, g, &source, &target);
    int64_t T = in->n_target, start = in->attr_pos_start, steps = in->attr_pos_end - start;
    int64_t from = start < T ? target.of[start] : target.n,
            to = steps > 0 ? target.of[in->attr_pos_end - 1] + 1 : from;
    Span *columns = arena_new(a, Span, to - from + 1);
    for (int64_t h = from; h < to; h++)
        columns[h - from] = (Span){target.from[h] - start, target.from[h + 1] - start};
    out->source = source.token, out->n_source = source.n;
    out->target = target.token, out->n_target = target.n;
    out->source_attributions = merge_scores(a, x, &source, columns, to - from);
    out->target_attributions = merge_scores(a, y, &target, columns, to - from);
    out->step_scores = arena_new(a, NamedScores, in->n_step_scores);
    for (size_t i = 0; i < in->n_step_scores; i++)
        out->step_scores[i] = merge_steps(a, &in->step_scores[i], columns, to - from);
    out->n_sequence_scores = 0; // the matrices of attention are of tokens
    out->attr_pos_start = from, out->attr_pos_end = to;
    bool *of_template = in->of_template ? arena_new(a, bool, source.n) : NULL;
    for (int64_t k = 0; of_template && k < source.n; k++) {
        of_template[k] = true;
        for (int64_t i = source.from[k]; i < source.from[k + 1]; i++) of_template[k] &= in->of_template[i];
    }
    out->of_template = of_template;
    return true;
}

void attr_granular_lens(Arena *a, const Picture *in, Granularity g, Picture *out)
{
    int64_t rows = in->scores.dim[0], C = in->scores.dim[1];
    Groups x = groups_of(a, g, in->column, C, NULL, 0, arena_new(a, bool, C + 1));
    *out = *in;
    out->column = x.token;
    out->scores = scores_new(a, 2, (int64_t[]){rows, x.n});
    Str *cell = in->cell ? arena_new(a, Str, rows * x.n) : NULL;
    NamedScores *below = arena_new(a, NamedScores, in->n_below);
    for (int64_t k = 0; k < rows * x.n; k++) {
        int64_t from = k / x.n * C + x.from[k % x.n + 1] - 1;
        out->scores.v[k] = in->scores.v[from];
        if (cell) cell[k] = in->cell[from];
    }
    for (size_t i = 0; i < in->n_below; i++) {
        below[i] = (NamedScores){in->below[i].name, in->below[i].is_int, scores_new(a, 1, &x.n)};
        for (int64_t k = 0; k < x.n; k++) below[i].scores.v[k] = in->below[i].scores.v[x.from[k + 1] - 1];
    }
    out->cell = cell, out->below = below;
}

void attr_granular_layers(Arena *a, const Picture *in, Granularity g, Picture *out)
{
    int64_t R = in->scores.dim[0], L = in->scores.dim[1];
    Groups x = groups_of(a, g, in->row, R, NULL, 0, arena_new(a, bool, R + 1));
    Span *layer = arena_new(a, Span, L + 1);
    for (int64_t l = 0; l < L; l++) layer[l] = (Span){l, l + 1};
    *out = *in;
    out->row = x.token;
    out->scores = merge_scores(a, &in->scores, &x, layer, L);
}
