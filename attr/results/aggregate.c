// SPDX-License-Identifier: Apache-2.0
// aggregate.c — from many numbers per token to one: the "scores" aggregator, pipelines, weighting.
//
// A gradient method gives H numbers for every pair (attributed token, generated token); people want one. A stage
// reduces the last dimension of both blocks, then divides each column by the sum of its absolute values:
//
//   r[i,c]  = ||x[i,c,:]||                    source rows i = 0..S-1, then target rows: one stacked matrix
//   a[i,c]  = r[i,c] / max(sum_j |r[j,c]|, 1e-12)
//
// so a column says which share of the step's attribution each token has. NaN marks "no value here" (a prefix token
// that did not exist yet): it counts as 0 in sums and stays NaN. Sums are made in double in index order and rounded
// once, so the bits depend on nothing but the numbers.
//
// Adding an aggregator: write it, add a row to the table at the end of this file. Functions stand in reduce.c.
#include "aggregate.h"

#include <math.h>
#include <string.h>

// ------------------------------------------------------------------------------------------ one stage of scores

// The indices of the last dimension that a stage keeps, as from, from + 1, ... or as a list.
typedef struct Selection {
    int64_t from, n;
    const int64_t *list;
} Selection;

static bool at_or_from_end(int64_t i, int64_t n, int64_t *out, Err *e)
{
    if (i < -n || i >= n)
        return err_set(e,
                       "select_idx: index %" PRId64 " is out of range; the last dimension has %" PRId64
                       " entries (%" PRId64 " to %" PRId64 ")",
                       i, n, -n, n - 1);
    *out = i < 0 ? i + n : i;
    return true;
}

static bool select_indices(Arena *a, const Stage *stage, int64_t n, Selection *out, Err *e)
{
    *out = (Selection){0, n, NULL};
    if (stage->select == SELECT_ONE) {
        out->n = 1;
        return at_or_from_end(stage->select_from, n, &out->from, e);
    }
    if (stage->select == SELECT_SPAN) {
        int64_t from = stage->select_from < 0 ? stage->select_from + n : stage->select_from;
        int64_t to = stage->select_to < 0 ? stage->select_to + n : stage->select_to;
        if (from < 0 || to > n || from >= to)
            return err_set(e, "select_idx: the span %" PRId64 ":%" PRId64 " does not lie within 0:%" PRId64,
                           stage->select_from, stage->select_to, n);
        out->from = from, out->n = to - from;
    }
    if (stage->select == SELECT_LIST) {
        if (!stage->n_select) return err_set(e, "select_idx: the list is empty; name at least one index");
        int64_t *list = arena_new(a, int64_t, stage->n_select);
        for (size_t i = 0; i < stage->n_select; i++)
            if (!at_or_from_end(stage->select_list[i], n, &list[i], e)) return false;
        *out = (Selection){0, (int64_t)stage->n_select, list};
    }
    return true;
}

static bool reduce_last(Arena *a, const Scores *x, const Stage *stage, const Reduce *f, Scores *out, Err *e)
{
    if (!x->v) return *out = *x, true;
    if (x->rank <= 2)
        return err_set(
            e, "scores: there is one number per token already (%d dimensions); nothing is left to reduce",
            x->rank);
    Selection pick;
    int64_t width = x->dim[x->rank - 1];
    if (!select_indices(a, stage, width, &pick, e)) return false;
    Scores r = scores_new(a, x->rank - 1, x->dim);
    int64_t cells = scores_count(&r, 0);
    float *row = pick.list ? arena_new(a, float, pick.n) : NULL;
    for (int64_t i = 0; i < cells; i++) {
        const float *cell = x->v + i * width + pick.from;
        if (pick.list) {
            for (int64_t k = 0; k < pick.n; k++) row[k] = cell[pick.list[k]];
            cell = row;
        }
        r.v[i] = stage->select == SELECT_ONE ? cell[0] : f->run(cell, pick.n, 1, stage->vnorm_ord);
    }
    *out = r;
    return true;
}

// Columns of the stacked blocks divided by their sum of absolute values; trailing dimensions are columns of their own.
static void normalize(Scores *source, Scores *target)
{
    const Scores *any = source->v ? source : target;
    int64_t columns = scores_count(any, 1);
    for (int64_t c = 0; c < columns; c++) {
        double sum = 0;
        for (int64_t i = 0; source->v && i < source->dim[0]; i++) {
            float v = source->v[i * columns + c];
            if (!isnan(v)) sum += fabs((double)v);
        }
        for (int64_t i = 0; target->v && i < target->dim[0]; i++) {
            float v = target->v[i * columns + c];
            if (!isnan(v)) sum += fabs((double)v);
        }
        float by = (float)sum > 1e-12f ? (float)sum : 1e-12f;
        for (int64_t i = 0; source->v && i < source->dim[0]; i++) source->v[i * columns + c] /= by;
        for (int64_t i = 0; target->v && i < target->dim[0]; i++) target->v[i * columns + c] /= by;
    }
}

static float farthest(const Scores *x)
{
    float m = 0;
    for (int64_t i = 0; x->v && i < scores_count(x, 0); i++)
        if (fabsf(x->v[i]) > m) m = fabsf(x->v[i]);
    return m;
}

// Everything divided by the largest absolute value of both blocks; all zero stays all zero.
static void rescale(Scores *source, Scores *target)
{
    float a = farthest(source), b = farthest(target), by = a > b ? a : b;
    for (int64_t i = 0; by > 0 && source->v && i < scores_count(source, 0); i++) source->v[i] /= by;
    for (int64_t i = 0; by > 0 && target->v && i < scores_count(target, 0); i++) target->v[i] /= by;
}

static bool aggregate_scores(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e)
{
    const Reduce *f;
    if (!stage_function(stage, in->kind == OUT_GRANULAR ? "vnorm" : "mean", &f, e)) return false;
    if (!reduce_ord_ok(stage->vnorm_ord))
        return err_set(e, "vnorm_ord: %g is not supported; use a whole number from 0 to 16 or infinity",
                       stage->vnorm_ord);
    Scores *source = &out->source_attributions, *target = &out->target_attributions;
    if (!reduce_last(a, &in->source_attributions, stage, f, source, e)) return false;
    if (!reduce_last(a, &in->target_attributions, stage, f, target, e)) return false;
    if (source->v && target->v && scores_count(source, 1) != scores_count(target, 1))
        return err_set(e, "scores: source and target attributions have different numbers of columns");
    if (!source->v && !target->v) return true;

    if (stage->rescale) rescale(source, target);
    else if (stage->normalize) normalize(source, target);

    out->sequence_scores = arena_new(a, NamedScores, in->n_sequence_scores);
    for (size_t i = 0; i < in->n_sequence_scores; i++) {
        out->sequence_scores[i] = in->sequence_scores[i];
        const Scores *x = &in->sequence_scores[i].scores;
        if (x->rank > 2 && !reduce_last(a, x, stage, f, &out->sequence_scores[i].scores, e)) return false;
    }
    return true;
}

// ------------------------------------------------------------------------------------------ pipelines

static int rank_of(const Sequence *s)
{
    return s->source_attributions.v   ? s->source_attributions.rank
           : s->target_attributions.v ? s->target_attributions.rank
                                      : 0;
}

size_t attr_default_pipeline(const Sequence *s, Stage out[4])
{
    const char *f = s->kind == OUT_GRANULAR ? "vnorm" : s->kind == OUT_MULTI ? "mean" : NULL;
    size_t n = 0;
    for (int rank = rank_of(s); f && rank > 2; rank--) out[n++] = attr_stage(f);
    return n;
}

static const Aggregator *aggregator_named(const char *name);

bool attr_aggregate(Arena *a, const Sequence *in, const Stage *stages, size_t n, Sequence *out, Err *e)
{
    Sequence now = *in;
    for (size_t i = 0; i < n; i++) {
        const Aggregator *g = aggregator_named(stages[i].aggregator);
        if (!g) {
            const char *const *names;
            size_t known = attr_aggregator_names(&names);
            return reduce_unknown("aggregator", stages[i].aggregator, names, known, e);
        }
        Sequence next = now;
        if (!g->run(a, &now, &stages[i], &next, e)) return false;
        now = next;
    }
    if (rank_of(&now) == 2) now.kind = OUT_COARSE; // one number per token: final, for us and for Inseq
    *out = now;
    return true;
}

static Scores copy_scores(Arena *a, const Scores *x)
{
    Scores y = *x;
    size_t bytes = x->v ? (size_t)scores_count(x, 0) * sizeof(float) : 0;
    if (x->v) y.v = memcpy(arena_raw(a, bytes, 1), x->v, bytes);
    return y;
}

static NamedScores *copy_named(Arena *a, const NamedScores *x, size_t n)
{
    NamedScores *y = arena_new(a, NamedScores, n);
    for (size_t i = 0; i < n; i++) y[i] = x[i], y[i].scores = copy_scores(a, &x[i].scores);
    return y;
}

static Token *copy_tokens(Arena *a, const Token *x, int64_t n)
{
    Token *y = arena_new(a, Token, n);
    for (int64_t i = 0; i < n; i++) y[i] = (Token){x[i].id, x[i].id < 0 ? str_copy(a, x[i].text) : x[i].text};
    return y;
}

// Of what has layers: those of *in, shared.
static const LayerScores *layers_of(Arena *a, const Sequence *in)
{
    if (in->kind != OUT_MULTI || rank_of(in) < 3) return NULL;
    LayerScores *x = arena_new(a, LayerScores, 1);
    *x = (LayerScores){in->source_attributions, in->target_attributions};
    return x;
}

bool aggregate_apart(Arena *a, const Sequence *in, bool keep_layers, Sequence *out, Err *e)
{
    Arena *work = arena_create(a);
    Stage pipeline[4];
    Sequence s;
    bool ok = attr_aggregate(work, in, pipeline, attr_default_pipeline(in, pipeline), &s, e);
    if (ok) {
        s.source = copy_tokens(a, s.source, s.n_source), s.target = copy_tokens(a, s.target, s.n_target);
        s.source_attributions = copy_scores(a, &s.source_attributions);
        s.target_attributions = copy_scores(a, &s.target_attributions);
        if (keep_layers && layers_of(work, in)) {
            LayerScores *x = arena_new(a, LayerScores, 1);
            x->source = copy_scores(a, &in->source_attributions);
            x->target = copy_scores(a, &in->target_attributions);
            s.layers = x;
        }
        s.step_scores = copy_named(a, s.step_scores, s.n_step_scores);
        s.sequence_scores = copy_named(a, s.sequence_scores, s.n_sequence_scores);
        *out = s;
    }
    arena_free(work);
    return ok;
}

bool attr_aggregate_default(Arena *a, const Attribution *in, Attribution *out, Err *e)
{
    Attribution r = *in;
    r.sequence = arena_new(a, Sequence, in->n);
    for (size_t i = 0; i < in->n; i++) {
        Stage pipeline[4];
        size_t n = attr_default_pipeline(&in->sequence[i], pipeline);
        if (!attr_aggregate(a, &in->sequence[i], pipeline, n, &r.sequence[i], e)) return false;
        if (n) r.sequence[i].layers = layers_of(a, &in->sequence[i]);
    }
    *out = r;
    return true;
}

static Scores times_columns(Arena *a, const Scores *x, const float *by)
{
    if (!x->v) return *x;
    Scores r = scores_new(a, x->rank, x->dim);
    for (int64_t i = 0; i < x->dim[0]; i++)
        for (int64_t c = 0; c < x->dim[1]; c++) r.v[i * x->dim[1] + c] = x->v[i * x->dim[1] + c] * by[c];
    return r;
}

bool attr_weight(Arena *a, const Sequence *in, const char *step_score, Sequence *out, Err *e)
{
    const Scores *by = NULL;
    for (size_t i = 0; i < in->n_step_scores; i++)
        if (str_is(in->step_scores[i].name, step_score)) by = &in->step_scores[i].scores;
    if (!by)
        return err_set(e, "there is no step score '%s' to weight by; --step_scores %s computes it",
                       step_score, step_score);
    Stage pipeline[4];
    Sequence r;
    if (!attr_aggregate(a, in, pipeline, attr_default_pipeline(in, pipeline), &r, e)) return false;
    const Scores *s = &r.source_attributions, *t = &r.target_attributions;
    if ((s->v && (s->rank != 2 || s->dim[1] != by->dim[0])) ||
        (t->v && (t->rank != 2 || t->dim[1] != by->dim[0])))
        return err_set(e, "weighting by '%s' needs one number per token and step", step_score);
    r.source_attributions = times_columns(a, s, by->v);
    r.target_attributions = times_columns(a, t, by->v);
    r.sequence_scores = in->sequence_scores, r.n_sequence_scores = in->n_sequence_scores;
    *out = r;
    return true;
}

// ------------------------------------------------------------------------------------------ the tables

#define ARG_SPANS                                                                                            \
    {"source_spans", NULL, "ranges of source tokens: [[from, to], ...], from 0, to not included"},           \
    {                                                                                                        \
        "target_spans", NULL, "the same of the target, counted from its first token"                         \
    }
#define ARG_SIDES                                                                                            \
    {"aggregate_source", "true", "false: the source stays as it is"},                                        \
    {                                                                                                        \
        "aggregate_target", "true", "the same of the target"                                                 \
    }

static const Aggregator aggregators[] = {
    {"scores", "one number per token from the last dimension, columns normalised",
     "First of all, where a token has a score for each component, layer or head. The name of a function "
     "(vnorm, "
     "mean, sum, ...) is this with that function, and an --attribution_selectors N takes one index instead.",
     (const Argument[]){{"select_idx", NULL, "an index, or a list of them, of the last dimension (all)"},
                        {"vnorm_ord", "2", "of vnorm: 0 to 16, or Infinity"},
                        {0}},
     aggregate_scores},
    {"subwords", "pieces of a word merged, words found by their first character",
     "To read words instead of pieces: vnorm subwords. A merged score is the one farthest from 0, so columns "
     "no "
     "longer sum to 1; --granularity word adds up instead.",
     (const Argument[]){{"special_chars", "\"\xe2\x96\x81\"", "what a word begins with"},
                        {"is_suffix_symbol", "false", "it marks what continues a word instead"},
                        ARG_SIDES,
                        {0}},
     aggregate_subwords},
    {"spans", "given ranges of tokens merged", "To read phrases or names as one: columns first, then rows.",
     (const Argument[]){ARG_SPANS, {0}}, aggregate_spans},
    {"slices", "only given ranges of tokens kept",
     "To show a part of a long text. Rows are left out, columns stay, and what is left does not sum to 1.",
     (const Argument[]){ARG_SPANS, {0}}, aggregate_slices},
    {"split", "tokens merged between the matches of a pattern",
     "For units that a pattern finds: sentences, lines, turns of a chat.",
     (const Argument[]){{"split_pattern", NULL, "a POSIX extended expression over the tokens put together"},
                        {"split_mode", "\"single\"",
                         "where a match goes: single (by itself), start (what follows), end (what precedes)"},
                        ARG_SIDES,
                        {0}},
     aggregate_split},
    {"pair", "difference of two results of the same shape",
     "What 'inseq diff A.json B.json' does: B's scores less A's, tokens that differ shown as both.", NULL,
     aggregate_pair},
};
enum { N_AGGREGATORS = sizeof aggregators / sizeof aggregators[0], MOST_NAMES = 40 };

static const Aggregator *aggregator_named(const char *name)
{
    for (size_t i = 0; i < N_AGGREGATORS; i++)
        if (!strcmp(name, aggregators[i].name)) return &aggregators[i];
    return NULL;
}

size_t attr_aggregator_list(const Entry **out)
{
    static Entry list[MOST_NAMES];
    size_t n = 0;
    const Aggregator *g = aggregators;
    for (; n < N_AGGREGATORS; n++, g++)
        list[n] = (Entry){.name = g->name, .summary = g->summary, .when = g->when, .arguments = g->arguments};
    const Reduce *f;
    for (size_t i = 0; n < MOST_NAMES && (f = reduce_at(i)); i++)
        list[n++] = (Entry){.name = f->name, .summary = f->summary, .formula = f->formula, .when = f->when};
    *out = list;
    return n;
}

size_t attr_aggregator_names(const char *const **names)
{
    static const char *all[MOST_NAMES];
    const Entry *list;
    size_t n = attr_aggregator_list(&list);
    for (size_t i = 0; i < n; i++) all[i] = list[i].name;
    *names = all;
    return n;
}

Stage attr_stage(const char *aggregator)
{
    bool is_function = reduce_named(aggregator) != NULL;
    return (Stage){
        .aggregator = is_function ? "scores" : aggregator,
        .function = is_function ? aggregator : NULL,
        .normalize = true,
        .vnorm_ord = 2,
        .aggregate_source = true,
        .aggregate_target = true,
        .special_chars = "\xe2\x96\x81",
        .split_mode = "single",
    };
}

bool attr_stages(Arena *a, const char *const *names, size_t n, const char *const *selectors,
                 size_t n_selectors, bool normalize, bool rescale, Stage **out, Err *e)
{
    const char *const *known;
    size_t n_known = attr_aggregator_names(&known);
    if (n_selectors && n_selectors != n)
        return err_set(e, "%zu selectors for %zu aggregators; there must be one for each", n_selectors, n);
    *out = arena_new(a, Stage, n);
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        int64_t index;
        for (size_t k = 0; k < n_known; k++) found |= !strcmp(known[k], names[i]);
        const char *near = str_nearest(str_of(names[i]), known, n_known);
        if (!found && near) return err_set(e, "unknown aggregator '%s'; did you mean %s?", names[i], near);
        if (!found)
            return err_set(e, "unknown aggregator '%s'; 'inseq list aggregators' shows them all", names[i]);
        Stage *s = &(*out)[i];
        *s = attr_stage(names[i]);
        s->normalize = normalize, s->rescale = rescale && n_selectors;
        if (!n_selectors) continue;
        if (!option_number(selectors[i], false, &index))
            return err_set(e, "selector '%s' is not a whole number", selectors[i]);
        s->select = SELECT_ONE, s->select_from = index;
    }
    return true;
}
