// SPDX-License-Identifier: Apache-2.0
// kwargs.c — the keyword arguments of attribute(): each goes to whoever knows its name, the run, the step functions or
// the method (semantics 1.1). One value serves all step functions.
#include "run.h"

static bool kw_bool(const Json *c, bool *out, Err *e)
{
    if (c->kind != J_TRUE && c->kind != J_FALSE)
        return err_set(e, "argument %.*s is %s; it must be true or false", (int)c->key.n, c->key.s,
                       json_kind_name(c));
    *out = c->kind == J_TRUE;
    return true;
}

static bool kw_int(const Json *c, int64_t least, int64_t most, int64_t *out, Err *e)
{
    if (c->kind != J_NUMBER || !c->is_int || c->i < least || c->i > most)
        return err_set(e, "argument %.*s is %.*s; it must be a whole number from %" PRId64 " to %" PRId64,
                       (int)c->key.n, c->key.s, c->kind == J_NUMBER ? (int)c->text.n : 20,
                       c->kind == J_NUMBER ? c->text.s : json_kind_name(c), least, most);
    *out = c->i;
    return true;
}

static bool kw_seed(const Json *c, uint64_t *out, Err *e)
{
    int64_t seed = 0;
    bool ok = kw_int(c, 0, INT64_MAX, &seed, e);
    *out = (uint64_t)seed;
    return ok;
}

static bool kw_real(const Json *c, double least, double most, double *out, Err *e)
{
    if (c->kind != J_NUMBER || !(c->number >= least && c->number <= most))
        return err_set(e, "argument %.*s is %.*s; it must be a number from %g to %g", (int)c->key.n, c->key.s,
                       c->kind == J_NUMBER ? (int)c->text.n : 20,
                       c->kind == J_NUMBER ? c->text.s : json_kind_name(c), least, most);
    *out = c->number;
    return true;
}

// A string or a list of strings.
static bool kw_texts(Arena *a, const Json *c, const Str **out, size_t *n, Err *e)
{
    if (c->kind == J_NULL) return true;
    bool list = c->kind == J_ARRAY;
    Str *v = arena_new(a, Str, list ? c->count : 1);
    *n = 0;
    for (const Json *s = list ? c->child : c; s; s = list ? s->next : NULL) {
        if (s->kind != J_STRING)
            return err_set(e, "argument %.*s holds %s; it must be a text or a list of texts", (int)c->key.n,
                           c->key.s, json_kind_name(s));
        v[(*n)++] = s->text;
    }
    *out = v;
    return true;
}

static bool kw_path(const Json *c, Str *out, Err *e)
{
    if (c->kind == J_NULL) return true;
    if (c->kind != J_STRING || !c->text.n)
        return err_set(e, "argument %.*s is %s; it must be the path of a file with a text a line",
                       (int)c->key.n, c->key.s, c->kind == J_STRING ? "empty" : json_kind_name(c));
    *out = c->text;
    return true;
}

// "auto", and [[s, q], ...] for one text or a list of such lists; "auto" may stand before a list: for what it leaves open.
static bool kw_alignments(Arena *a, const Json *c, AttrRequest *r, Err *e)
{
    static const char *const form =
        "\"auto\", \"right\", \"first_difference\", a list of [position, foil position] pairs, or one such "
        "list for each text; \"auto\" as a list's first element is for what it leaves open";
    if (c->kind == J_NULL) return true;
    if (c->kind == J_STRING && str_is(c->text, "auto")) return r->align = ALIGN_AUTO, true;
    if (c->kind == J_STRING && str_is(c->text, "right")) return r->align = ALIGN_RIGHT, true;
    if (c->kind == J_STRING && str_is(c->text, "first_difference"))
        return r->align = ALIGN_FIRST_DIFFERENCE, true;
    if (c->kind == J_STRING)
        return err_set(e, "argument contrast_targets_alignments is \"%.*s\"; it must be %s", (int)c->text.n,
                       c->text.s, form);
    const Json *list = c->child;
    size_t count = c->count;
    if (c->kind == J_ARRAY && list && list->kind == J_STRING && str_is(list->text, "auto"))
        r->align = ALIGN_AUTO, list = list->next, count--;
    if (c->kind != J_ARRAY || (count && list->kind != J_ARRAY))
        return err_set(e, "argument contrast_targets_alignments must be %s", form);
    if (!count) return true;
    bool nested = list->child && list->child->kind == J_ARRAY;
    r->n_alignments = nested ? count : 1;
    r->alignments = arena_new(a, AttrAlignment, r->n_alignments);
    for (size_t i = 0; i < r->n_alignments; i++) {
        const Json *p = nested ? list->child : list;
        size_t pairs = nested ? list->count : count;
        Span *v = arena_new(a, Span, pairs);
        r->alignments[i] = (AttrAlignment){v, pairs};
        for (; p; p = p->next, v++) {
            if (p->kind != J_ARRAY || p->count != 2 || !p->child->is_int || !p->child->next->is_int)
                return err_set(e, "argument contrast_targets_alignments must be %s", form);
            *v = (Span){p->child->i, p->child->next->i};
        }
        if (nested && (list = list->next) && list->kind != J_ARRAY)
            return err_set(e, "argument contrast_targets_alignments must be %s", form);
    }
    return true;
}

static bool one(Arena *a, const Json *c, AttrOptions *o, AttrRequest *r, Err *e)
{
    Str k = c->key;
    if (str_is(k, "logprob")) return kw_bool(c, &o->step.logprob, e);
    if (str_is(k, "contrast_force_inputs")) return kw_bool(c, &o->step.contrast_force_inputs, e);
    if (str_is(k, "top_p")) return (o->step.top_p_given = true) && kw_real(c, 0, 1, &o->step.top_p, e);
    if (str_is(k, "top_k")) return kw_int(c, 0, INT32_MAX, &o->step.top_k, e);
    if (str_is(k, "min_tokens_to_keep")) return kw_int(c, 1, INT32_MAX, &o->step.min_tokens_to_keep, e);
    if (str_is(k, "n_mcd_steps")) return kw_int(c, 2, 10000, &o->step.n_mcd_steps, e);
    if (str_is(k, "seed") && !attr_method_takes(o->method, k)) return kw_seed(c, &o->step.seed, e);
    if (str_is(k, "contrast_sources")) return kw_texts(a, c, &r->contrast_sources, &r->n_contrast_sources, e);
    if (str_is(k, "contrast_targets")) return kw_texts(a, c, &r->contrast_targets, &r->n_contrast_targets, e);
    if (str_is(k, "contrast_targets_alignments")) return kw_alignments(a, c, r, e);
    if (str_is(k, "baselines") && attr_method_takes(o->method, k)) return kw_path(c, &r->baselines, e);
    if (str_is(k, "skip_special_tokens")) return kw_bool(c, &r->skip_special_tokens, e);
    if (str_is(k, "clean_special_chars")) return kw_bool(c, &r->clean_special_chars, e);
    if (str_is(k, "show_progress") || str_is(k, "pretty_progress")) {
        bool wanted = true;
        if (!kw_bool(c, &wanted, e)) return false;
        if (!wanted && str_is(k, "show_progress")) o->progress = attr_no_progress;
        return true;
    }
    if (str_is(k, "attr_pos_start"))
        return (o->has_start = true) && kw_int(c, INT32_MIN, INT32_MAX, &o->start, e);
    if (str_is(k, "attr_pos_end")) return (o->has_end = true) && kw_int(c, INT32_MIN, INT32_MAX, &o->end, e);
    if (attr_method_takes(o->method, k)) return true; // the method reads it itself
    if (r->n_ignored < sizeof r->ignored / sizeof *r->ignored) r->ignored[r->n_ignored++] = k;
    return true;
}

void attr_no_progress(void *context, int64_t done, int64_t total) { (void)context, (void)done, (void)total; }

bool attr_kwargs(Arena *a, const Json *kwargs, AttrOptions *o, AttrRequest *r, Err *e)
{
    *r = (AttrRequest){0};
    o->method_args = kwargs;
    for (const Json *c = kwargs ? kwargs->child : NULL; c; c = c->next) {
        bool bag = str_is(c->key, "attribution_args") || str_is(c->key, "attributed_fn_args") ||
                   str_is(c->key, "step_scores_args");
        if (!bag && !one(a, c, o, r, e)) return false;
        for (const Json *d = bag ? c->child : NULL; d; d = d->next)
            if (!one(a, d, o, r, e)) return false;
    }
    return true;
}
