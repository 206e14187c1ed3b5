// SPDX-License-Identifier: Apache-2.0
// compare.c — several models side by side: for each text and each step score a table with a row for each model.
//
// Such a table is a Sequence of its own without attributions, whose step scores are named after the models; so every
// report draws it as it draws any other. Models whose generated tokens are the same share a table, and with it the row
// of tokens. Where other tokens make the same words, as of another family, the columns are words: the mean of each word's
// tokens, without what is no word (languages, ends). A model that wrote something else has a table to itself.
#include "../results/granularity.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *x, const void *y) // then by place: the order in which the models were given
{
    const Sequence *s = *(const Sequence *const *)x, *r = *(const Sequence *const *)y;
    return s->text != r->text ? (s->text > r->text) - (s->text < r->text) : (s > r) - (s < r);
}

// How long the folders are that all models' names begin with: "models/" of "models/small" and "models/large".
static size_t common_folder(const Sequence *const *s, size_t n)
{
    size_t same = strlen(s[0]->title), folder = 0, least = same;
    for (size_t i = 1; i < n; i++) {
        size_t k = 0, length = strlen(s[i]->title);
        while (k < same && k < length && s[i]->title[k] == s[0]->title[k]) k++;
        same = k, least = length < least ? length : least;
    }
    for (size_t k = 0; k < same && k + 1 < least; k++)
        if (s[0]->title[k] == '/') folder = k + 1;
    return folder;
}

static const NamedScores *step_score(const Sequence *s, Str name)
{
    for (size_t i = 0; i < s->n_step_scores; i++)
        if (str_eq(s->step_scores[i].name, name)) return &s->step_scores[i];
    return NULL;
}

static bool same_columns(const Sequence *s, const Sequence *r)
{
    int64_t n = s->attr_pos_end - s->attr_pos_start;
    if (r->attr_pos_end - r->attr_pos_start != n) return false;
    for (int64_t i = 0; i < n; i++)
        if (!str_eq(s->target[s->attr_pos_start + i].text, r->target[r->attr_pos_start + i].text))
            return false;
    return true;
}

// The generated part by words: those of the sequence's columns that are words.
typedef struct Words {
    Sequence s;
    int64_t *column; // [n]
    int64_t n;
} Words;

static Words words_of(Arena *a, const Sequence *s)
{
    Words w = {.n = 0};
    Sequence bare = *s;
    bare.source_attributions = bare.target_attributions = (Scores){0}, bare.n_sequence_scores = 0;
    if (!attr_granularity(a, &bare, GRANULARITY_WORD, &w.s, NULL)) return w;
    w.column = arena_new(a, int64_t, w.s.attr_pos_end - w.s.attr_pos_start);
    for (int64_t i = w.s.attr_pos_start; i < w.s.attr_pos_end; i++)
        if (!granularity_alone(w.s.target[i].text)) w.column[w.n++] = i - w.s.attr_pos_start;
    return w;
}

static Str word(const Words *w, int64_t i) { return w->s.target[w->s.attr_pos_start + w->column[i]].text; }

static bool same_words(const Words *v, const Words *w)
{
    if (!v->n || v->n != w->n) return false;
    for (int64_t i = 0; i < v->n; i++)
        if (!str_eq(word(v, i), word(w, i))) return false;
    return true;
}

// The row of a model in a table of words.
static Scores word_scores(Arena *a, const Words *w, const NamedScores *x)
{
    Scores out = {.rank = 1, .dim = {w->n}, .v = arena_new(a, float, w->n)};
    for (int64_t i = 0; i < w->n; i++) out.v[i] = x->scores.v[w->column[i]];
    return out;
}

static Sequence words_alone(Arena *a, const Words *w)
{
    Sequence s = w->s;
    Token *t = arena_new(a, Token, w->n + 1);
    t[0] = s.target[0];
    for (int64_t i = 0; i < w->n; i++) t[i + 1] = (Token){-1, word(w, i)};
    s.target = t, s.n_target = s.attr_pos_end = w->n + 1, s.attr_pos_start = 1;
    return s;
}

// The models of s[0..n) that have the score and the tokens, or else the words, of s[0] in one table; what is placed becomes
// NULL.
static Comparison make_table(Arena *a, const Sequence **s, size_t n, const NamedScores *x, size_t folder,
                             bool several)
{
    const Sequence *first = s[0];
    Buf heading = {.arena = a};
    Words *w = arena_new(a, Words, n);
    bool by_words = false;
    for (size_t i = 1; i < n; i++) {
        if (!s[i] || same_columns(first, s[i])) continue;
        if (!w[0].n) w[0] = words_of(a, first);
        w[i] = words_of(a, s[i]), by_words |= same_words(&w[0], &w[i]);
    }
    if (several) report_ordinal(&heading, (size_t)first->text - 1), buf_str(&heading, STR_LIT(" instance, "));
    buf_str(&heading, x->name), buf_str(&heading, STR_LIT(" by model"));
    if (by_words) buf_str(&heading, STR_LIT(", words"));
    Comparison c = {.sequence = by_words ? words_alone(a, &w[0]) : *first};
    c.sequence.source_attributions = c.sequence.target_attributions = (Scores){0};
    c.sequence.step_scores = arena_new(a, NamedScores, n), c.sequence.n_step_scores = 0;
    for (size_t i = 0; i < n; i++) {
        bool same = s[i] && same_columns(first, s[i]);
        if (by_words && same && i) w[i] = words_of(a, s[i]);
        if (!same && !(by_words && s[i] && same_words(&w[0], &w[i]))) continue;
        const NamedScores *own = step_score(by_words ? &w[i].s : s[i], x->name);
        if (own) {
            NamedScores row = {str_of(s[i]->title + folder), own->is_int,
                               by_words ? word_scores(a, &w[i], own) : own->scores};
            c.sequence.step_scores[c.sequence.n_step_scores++] = row;
        }
        s[i] = NULL;
    }
    c.table = (Table){.heading = buf_view(&heading),
                      .down = "Models",
                      .column = c.sequence.target + c.sequence.attr_pos_start,
                      .n_columns = c.sequence.attr_pos_end - c.sequence.attr_pos_start};
    return c;
}

bool report_several_texts(const Attribution *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->sequence[i].text > 1) return true;
    return false;
}

size_t report_compare(Arena *a, const Attribution *t, Comparison **out)
{
    const Sequence **s = arena_new(a, const Sequence *, t->n), **left = arena_new(a, const Sequence *, t->n);
    size_t n = 0, most = 0, count = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->sequence[i].title && t->sequence[i].text > 0) {
            s[n++] = &t->sequence[i];
            most += t->sequence[i].n_step_scores;
        }
    if (!n) return 0;
    qsort(s, n, sizeof *s, by_text);
    *out = arena_new(a, Comparison, most);
    size_t folder = common_folder(s, n);
    bool several = report_several_texts(t);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && s[to]->text == s[from]->text;) to++;
        if (to - from < 2) continue;
        for (size_t k = 0; k < s[from]->n_step_scores; k++) {
            memcpy(left, s + from, (to - from) * sizeof *left);
            for (size_t i = 0; i < to - from; i++)
                if (left[i] && step_score(left[i], s[from]->step_scores[k].name))
                    (*out)[count++] =
                        make_table(a, left + i, to - from - i, &s[from]->step_scores[k], folder, several);
        }
    }
    return count;
}
