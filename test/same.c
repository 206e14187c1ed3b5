// SPDX-License-Identifier: Apache-2.0
// same.c — comparison of results, and golden data by name. See same.h.
#include "same.h"

#include <math.h>
#include <stdio.h>

static bool fail(const char *what, const char *where, int64_t at, double got, double want)
{
    test_fail(__FILE__, __LINE__, "%s: %s [%" PRId64 "]: got %.9g, want %.9g", what, where, at, got, want);
    return false;
}

static bool same_tokens(const char *what, const char *side, const Token *x, int64_t n, const Token *y,
                        int64_t m)
{
    if (n != m) return fail(what, side, -1, (double)n, (double)m);
    for (int64_t i = 0; i < n; i++)
        if (x[i].id != y[i].id || !str_eq(x[i].text, y[i].text)) {
            test_fail(__FILE__, __LINE__, "%s: %s token %" PRId64 " is '%.*s' (%d), want '%.*s' (%d)", what,
                      side, i, (int)x[i].text.n, x[i].text.s, x[i].id, (int)y[i].text.n, y[i].text.s,
                      y[i].id);
            return false;
        }
    return true;
}

static bool same_number(float x, float y, Tolerance t)
{
    if (isnan(y) || isnan(x)) return isnan(x) && isnan(y);
    if (isinf(y) || isinf(x)) return x == y;
    if (t.absolute == 0 && t.relative == 0) return x == y && !signbit(x) == !signbit(y);
    return fabs((double)x - (double)y) <= t.absolute + t.relative * fabs((double)y);
}

static bool same_scores(const char *what, const char *name, const Scores *x, const Scores *y, Tolerance t)
{
    if (!x->v || !y->v) return !x->v == !y->v || fail(what, name, -1, !!x->v, !!y->v);
    if (x->rank != y->rank) return fail(what, name, -2, x->rank, y->rank);
    int64_t n = 1;
    for (int i = 0; i < x->rank; i++) {
        if (x->dim[i] != y->dim[i]) return fail(what, name, -3 - i, (double)x->dim[i], (double)y->dim[i]);
        n *= x->dim[i];
    }
    for (int64_t i = 0; i < n; i++)
        if (!same_number(x->v[i], y->v[i], t)) return fail(what, name, i, (double)x->v[i], (double)y->v[i]);
    test_count(n);
    return true;
}

static bool same_named(const char *what, const NamedScores *x, size_t n, const NamedScores *y, size_t m,
                       Tolerance t)
{
    if (n != m) return fail(what, "number of named scores", -1, (double)n, (double)m);
    for (size_t i = 0; i < m; i++) {
        const NamedScores *found = NULL;
        for (size_t k = 0; k < n; k++)
            if (str_eq(x[k].name, y[i].name)) found = &x[k];
        char name[100];
        snprintf(name, sizeof name, "%.*s", (int)y[i].name.n, y[i].name.s);
        if (!found || found->is_int != y[i].is_int) return fail(what, name, -1, !!found, 1);
        if (!same_scores(what, name, &found->scores, &y[i].scores, t)) return false;
    }
    return true;
}

bool same_sequence(const char *what, const Sequence *x, const Sequence *y, Tolerance t)
{
    if (x->attr_pos_start != y->attr_pos_start)
        return fail(what, "attr_pos_start", 0, (double)x->attr_pos_start, (double)y->attr_pos_start);
    if (x->attr_pos_end != y->attr_pos_end)
        return fail(what, "attr_pos_end", 0, (double)x->attr_pos_end, (double)y->attr_pos_end);
    return same_tokens(what, "source", x->source, x->n_source, y->source, y->n_source) &&
           same_tokens(what, "target", x->target, x->n_target, y->target, y->n_target) &&
           same_scores(what, "source_attributions", &x->source_attributions, &y->source_attributions, t) &&
           same_scores(what, "target_attributions", &x->target_attributions, &y->target_attributions, t) &&
           same_named(what, x->step_scores, x->n_step_scores, y->step_scores, y->n_step_scores, t) &&
           same_named(what, x->sequence_scores, x->n_sequence_scores, y->sequence_scores,
                      y->n_sequence_scores, t);
}

bool same_attribution(const char *what, const Attribution *x, const Attribution *y, Tolerance t)
{
    if (x->n != y->n) return fail(what, "sequences", -1, (double)x->n, (double)y->n);
    for (size_t i = 0; i < x->n; i++)
        if (!same_sequence(what, &x->sequence[i], &y->sequence[i], t)) return false;
    return true;
}

// ------------------------------------------------------------------------------------------ golden data

Str golden_text(Arena *A, const char *name)
{
    Err e = {0};
    Str text = {"", 0};
    if (!file_read(A, arena_printf(A, "test/golden/cases/%s", name), 100u << 20, &text, &e))
        FAIL("%s", e.text);
    return text;
}

const Json *golden_json(Arena *A, const char *name)
{
    Err e = {0};
    const Json *j = json_parse(A, golden_text(A, name), name, &e);
    if (!j) FAIL("%s", e.text);
    return j;
}

bool golden_attribution(Arena *A, const char *name, Attribution *out)
{
    Err e = {0};
    if (attr_from_json(A, golden_text(A, name), name, out, &e)) return true;
    FAIL("%s", e.text);
    return false;
}

const Json *golden_case(const Json *index, const char *kind, const Json *before)
{
    const Json *cases = json_get(index, "cases"), *c = before ? before->next : cases ? cases->child : NULL;
    while (c && !str_is(json_get(c, "kind")->text, kind)) c = c->next;
    return c;
}
