// SPDX-License-Identifier: Apache-2.0
// forms.c — the form that results have where they are shown or saved: aggregated, of one layer or head, weighted, by words.
#include "commands.h"

#include <string.h>

// ------------------------------------------------------------------------------------------ aggregators

typedef struct Kwargs {
    Arena *a;
    Err *e;
} Kwargs;

static bool wrong(const Kwargs *k, const Json *j, const char *want)
{
    return err_usage(k->e, "--aggregation_kwargs: %.*s is %s; it must be %s", (int)j->key.n, j->key.s,
                     json_kind_name(j), want);
}

static bool truth(const Kwargs *k, const Json *j, bool *out)
{
    *out = j->kind == J_TRUE;
    return j->kind == J_TRUE || j->kind == J_FALSE || wrong(k, j, "true or false");
}

static bool words(const Kwargs *k, const Json *j, const char **out)
{
    return j->kind == J_STRING ? (*out = str_zero(k->a, j->text), true) : wrong(k, j, "a text");
}

static bool two_numbers(const Json *j)
{
    return j->kind == J_ARRAY && j->count == 2 && j->child->is_int && j->child->next->is_int;
}

// [from, to) or a list of them.
static bool spans(const Kwargs *k, const Json *j, const Span **out, size_t *n)
{
    Span *v = arena_new(k->a, Span, j->count + 1);
    if (two_numbers(j)) return v[0] = (Span){j->child->i, j->child->next->i}, *out = v, *n = 1, true;
    for (const Json *c = j->kind == J_ARRAY ? j->child : NULL; c; c = c->next) {
        if (!two_numbers(c)) return wrong(k, j, "a list of [from, to) token positions, such as [[1, 3]]");
        v[(*n)++] = (Span){c->child->i, c->child->next->i};
    }
    *out = v;
    return j->kind == J_ARRAY || wrong(k, j, "a list of [from, to) token positions, such as [[1, 3]]");
}

// An index, or a list of indices.
static bool indices(const Kwargs *k, const Json *j, Stage *s)
{
    if (j->is_int) return s->select = SELECT_ONE, s->select_from = j->i, true;
    int64_t *v = arena_new(k->a, int64_t, j->count + 1);
    for (const Json *c = j->kind == J_ARRAY ? j->child : NULL; c; c = c->next) {
        if (!c->is_int) return wrong(k, j, "an index or a list of indices");
        v[s->n_select++] = c->i;
    }
    s->select = SELECT_LIST, s->select_list = v;
    return j->kind == J_ARRAY || wrong(k, j, "an index or a list of indices");
}

static bool argument(const Kwargs *k, const Json *j, Stage *s)
{
    static const char *const known[] = {
        "source_spans",     "target_spans",  "special_chars", "is_suffix_symbol", "aggregate_source",
        "aggregate_target", "split_pattern", "split_mode",    "vnorm_ord",        "select_idx"};
    enum { N = sizeof known / sizeof *known };
    if (str_is(j->key, known[0]))
        return s->n_source_spans = 0, spans(k, j, &s->source_spans, &s->n_source_spans);
    if (str_is(j->key, known[1]))
        return s->n_target_spans = 0, spans(k, j, &s->target_spans, &s->n_target_spans);
    if (str_is(j->key, known[2])) return words(k, j, &s->special_chars);
    if (str_is(j->key, known[3])) return truth(k, j, &s->is_suffix_symbol);
    if (str_is(j->key, known[4])) return truth(k, j, &s->aggregate_source);
    if (str_is(j->key, known[5])) return truth(k, j, &s->aggregate_target);
    if (str_is(j->key, known[6])) return words(k, j, &s->split_pattern);
    if (str_is(j->key, known[7])) return words(k, j, &s->split_mode);
    if (str_is(j->key, known[8]))
        return j->kind == J_NUMBER ? (s->vnorm_ord = j->number, true) : wrong(k, j, "a number");
    if (str_is(j->key, known[9])) return s->n_select = 0, indices(k, j, s);
    const char *near = str_nearest(j->key, known, N);
    return err_usage(k->e, "--aggregation_kwargs: no aggregator has an argument %.*s; %s%s%s", (int)j->key.n,
                     j->key.s,
                     near ? "did you mean "
                          : "known are source_spans, target_spans, special_chars, is_suffix_symbol, "
                            "aggregate_source, aggregate_target, split_pattern, split_mode, vnorm_ord, ",
                     near ? near : "select_idx", near ? "?" : "");
}

bool cmd_pipeline(Args *a, Stage **out, size_t *n, Err *e)
{
    const OptionValue *names = args_get(a, "attribution_aggregators"),
                      *select = args_get(a, "attribution_selectors"),
                      *kwargs = args_get(a, "aggregation_kwargs");
    Kwargs k = {a->a, e};
    *n = names->n;
    if (!attr_stages(a->a, names->list, names->n, select->list, select->n,
                     args_on(a, "normalize_attributions"), args_on(a, "rescale_attributions"), out, e))
        return false;
    if (kwargs->given && !names->n)
        return err_usage(
            e, "--aggregation_kwargs are arguments of --attribution_aggregators, and none is given");
    if (names->n && (args_get(a, "layer")->given || args_get(a, "head")->given))
        return err_usage(e, "--layer and --head aggregate by themselves; with --attribution_aggregators use "
                            "--attribution_selectors");
    for (const Json *j = kwargs->json ? kwargs->json->child : NULL; j; j = j->next)
        for (size_t i = 0; i < *n; i++)
            if (!argument(&k, j, &(*out)[i])) return false;
    return true;
}

// ------------------------------------------------------------------------------------------ layers and heads

// Which of a dimension is taken: the mean of all, or one.
static bool pick(const Args *a, const char *option, int64_t size, Stage *out, Err *e)
{
    const OptionValue *v = args_get(a, option);
    *out = attr_stage("mean");
    out->normalize = args_on(a, "normalize_attributions");
    if (!v->given) return true;
    if (v->number < -size || v->number >= size)
        return err_set(e, "--%s %" PRId64 ": there are %" PRId64 ", 0 to %" PRId64, option, v->number, size,
                       size - 1);
    out->select = SELECT_ONE, out->select_from = v->number;
    return true;
}

// Of attention's kin: [.., L, A] or [.., L]. The numbers are as they are, not shares of a column.
static bool one_layer(Args *a, const Sequence *s, Sequence *out, Err *e)
{
    const Scores *x = s->source_attributions.v ? &s->source_attributions : &s->target_attributions;
    bool head = args_get(a, "head")->given;
    Stage stage[2];
    if (s->kind != OUT_MULTI || !x->v || x->rank < 3 || x->rank > 4)
        return err_set(
            e,
            "--layer and --head belong to scores of layers and heads, as the method attention leaves them%s",
            s->kind == OUT_GRANULAR
                ? "; these are of the embedding's components: --attribution_aggregators vnorm "
                  "--attribution_selectors N shows one"
            : s->kind == OUT_COARSE
                ? "; these have one number for each token (-o keeps them apart, unless they were "
                  "saved aggregated)"
                : "");
    if (x->rank == 3 && head) return err_set(e, "--head: these scores are of layers; their heads are one");
    if (x->rank == 4 && !pick(a, "head", x->dim[3], &stage[0], e)) return false;
    if (!pick(a, "layer", x->dim[2], &stage[x->rank - 3], e)) return false;
    return attr_aggregate(a->a, s, stage, (size_t)x->rank - 2, out, e);
}

// ------------------------------------------------------------------------------------------ words and sentences

static bool granularity(const Args *a, Granularity *out, Err *e)
{
    static const char *const names[] = {"token", "word", "sentence"};
    const char *name = args_text(a, "granularity");
    *out = GRANULARITY_TOKEN;
    if (!name) return true;
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) return *out = (Granularity)i, true;
    const char *near = str_nearest(str_of(name), names, 3);
    return near ? err_usage(e, "--granularity %s: did you mean %s?", name, near)
                : err_usage(e, "--granularity %s: it must be token, word or sentence", name);
}

bool cmd_check_granularity(const Args *a, Err *e)
{
    Granularity unit;
    return granularity(a, &unit, e);
}

// ------------------------------------------------------------------------------------------ what is shown, what is saved

// Through --attribution_aggregators, if any are given.
static bool aggregated(Args *a, const Attribution *t, Attribution *out, Err *e)
{
    Stage *stage;
    size_t n;
    bool one = args_get(a, "layer")->given || args_get(a, "head")->given;
    *out = *t;
    if (!cmd_pipeline(a, &stage, &n, e)) return false;
    if (one) out->sequence = arena_new(a->a, Sequence, t->n);
    for (size_t i = 0; one && i < t->n; i++)
        if (!one_layer(a, &t->sequence[i], &out->sequence[i], e)) return false;
    if (n) out->sequence = arena_new(a->a, Sequence, t->n);
    for (size_t i = 0; n && i < t->n; i++)
        if (!attr_aggregate(a->a, &t->sequence[i], stage, n, &out->sequence[i], e)) return false;
    return true;
}

// The form that is shown: two-dimensional, and weighted by a step score if that was asked for. What aggregators have made
// two-dimensional is shown as it is.
bool cmd_shown_form(Args *a, const Attribution *t, Attribution *out, Err *e)
{
    const char *weight = args_text(a, "weight_attributions");
    Attribution made;
    if (!aggregated(a, t, &made, e)) return false;
    *out = made;
    if (!weight && !attr_aggregate_default(a->a, &made, out, e)) return false;
    if (weight) out->sequence = arena_new(a->a, Sequence, t->n);
    for (size_t i = 0; weight && i < t->n; i++)
        if (!attr_weight(a->a, &made.sequence[i], weight, &out->sequence[i], e)) return false;
    for (size_t i = 0; args_on(a, "hide_template") && i < t->n; i++) {
        Sequence whole = out->sequence[i];
        if (!attr_fold_template(a->a, &whole, &out->sequence[i], e)) return false;
    }
    return cmd_granular_form(a, out, e);
}

bool cmd_granular_form(Args *a, Attribution *t, Err *e)
{
    Granularity unit;
    if (!granularity(a, &unit, e)) return false;
    for (size_t i = 0; unit != GRANULARITY_TOKEN && i < t->n_pictures; i++) {
        Picture tokens = t->pictures[i];
        if (!t->n) attr_granular_lens(a->a, &tokens, unit, &t->pictures[i]);
        else attr_granular_layers(a->a, &tokens, unit, &t->pictures[i]);
    }
    for (size_t i = 0; unit != GRANULARITY_TOKEN && i < t->n; i++) {
        Sequence tokens = t->sequence[i];
        if (!attr_granularity(a->a, &tokens, unit, &t->sequence[i], e)) return false;
    }
    return true;
}

// What is saved: as computed; through --attribution_aggregators; or as shown.
bool cmd_saved_form(Args *a, const Attribution *t, const Attribution *shown, Attribution *out, Err *e)
{
    *out = *t;
    if (!args_saves(a)) return true; // nothing is saved
    if (args_get(a, "attribution_aggregators")->n) return aggregated(a, t, out, e);
    if (args_on(a, "save_aggregated") || args_text(a, "weight_attributions")) *out = *shown;
    return true;
}
