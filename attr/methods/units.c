// SPDX-License-Identifier: Apache-2.0
// units.c — what perturbation methods leave out at once: tokens, or what the arguments units (word, sentence),
// source_spans and target_spans make of them. All rows of a unit become their baseline together.
//
// A word runs from a token that begins with ▁ to the next that does, as the aggregator subwords has it, but special
// tokens stand alone; where no token has the mark each is a word. A sentence ends with a word that ends in . ! ? or …,
// whatever quotes and brackets close behind it. A span is given: its tokens go together, all others alone.
//
// A unit's score is shared equally by those of its tokens that the step sees: sums over a column stay what they are.
#include "../run.h"

#include <string.h>

static bool special(const Run *r, int32_t id)
{
    int32_t eos = r->o->eos >= 0 ? r->o->eos : r->f->eos;
    return id == eos || id == r->o->bos || id == r->f->pad || id == r->f->start ||
           (r->o->special && r->o->special(r->o->vocabulary, id));
}

static bool begins_word(const Token *t) { return str_starts(t->text, STR_LIT("▁")); }

static void mark_words(const Run *r, const Token *t, int64_t n, bool *begins)
{
    bool any = false;
    for (int64_t i = 0; i < n; i++) any |= begins_word(&t[i]);
    for (int64_t i = 0; i < n; i++)
        begins[i] = !any || !i || begins_word(&t[i]) || special(r, t[i].id) || special(r, t[i - 1].id);
}

static bool take_end(Str *text, const char *const *ends, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_ends(*text, str_of(ends[i]))) return text->n -= strlen(ends[i]), true;
    return false;
}

// Whether what ends with token i ends in a full stop, behind which something may be closed.
static bool ends_sentence(const Token *t, int64_t i)
{
    static const char *const stops[] = {".", "!", "?", "…"}, *const closes[] = {"\"", "'", ")", "]",
                                                                                "”",  "’", "»"};
    for (; i >= 0; i--) {
        Str text = t[i].text;
        while (take_end(&text, closes, 7)) continue;
        if (text.n) return take_end(&text, stops, 4);
    }
    return false;
}

static void mark_sentences(const Run *r, const Token *t, int64_t n, bool *begins)
{
    mark_words(r, t, n, begins);
    for (int64_t i = 1; i < n; i++)
        begins[i] = special(r, t[i].id) || special(r, t[i - 1].id) || (begins[i] && ends_sentence(t, i - 1));
}

// ------------------------------------------------------------------------------------------ given spans

static const Json *first_number(const Json *j)
{
    return j && j->kind == J_ARRAY && j->count == 2 && j->child->is_int && j->child->next->is_int ? j->child
                                                                                                  : NULL;
}

// One [from, to) or a list of them, of `tokens` tokens, of which the first n have rows.
static bool mark_spans(const Run *r, const char *name, int64_t tokens, int64_t n, bool *begins, Err *e)
{
    const Json *all = attr_argument(r->o, name);
    int64_t before = 0;
    for (int64_t i = 0; i < n; i++) begins[i] = true;
    if (!all) return true;
    if (all->kind != J_ARRAY)
        return err_set(e, "%s: argument %s is %s; it must be a list of [from, to) token positions: [[1, 3]]",
                       r->o->method, name, json_kind_name(all));
    for (const Json *s = first_number(all) ? all : all->child; s; s = s == all ? NULL : s->next) {
        const Json *from = first_number(s);
        if (!from)
            return err_set(e,
                           "%s: argument %s must be a list of [from, to) token positions, such as [[1, 3]]",
                           r->o->method, name);
        if (from->i < before || from->next->i <= from->i || from->next->i > tokens)
            return err_set(e,
                           "%s: argument %s: [%" PRId64 ", %" PRId64
                           ") does not fit; spans go up, do not overlap, are not empty and end at %" PRId64
                           " at most, which is the number of tokens",
                           r->o->method, name, from->i, from->next->i, tokens);
        before = from->next->i;
        for (int64_t i = from->i + 1; i < before && i < n; i++) begins[i] = false;
    }
    return true;
}

// ------------------------------------------------------------------------------------------ both sides

enum { BY_TOKEN, BY_WORD, BY_SENTENCE };

static bool check_arguments(const Run *r, size_t by, Err *e)
{
    static const char *const names[] = {"source_spans", "target_spans"};
    for (int side = 0; side < 2; side++) {
        if (!attr_argument(r->o, names[side])) continue;
        if (by != BY_TOKEN)
            return err_set(e, "%s: units and %s exclude each other; give one of them", r->o->method,
                           names[side]);
        if (!side && !r->sources)
            return err_set(e, "%s: %s has no source of its own; use target_spans", r->o->method, r->f->name);
        if (side && !run_wants_target(r))
            return err_set(e,
                           "%s: argument target_spans, but the target is not attributed; attribute_target "
                           "does that",
                           r->o->method);
    }
    return true;
}

static bool add_side(const Run *r, int64_t p, bool target, size_t by, Units *out, Err *e)
{
    const Pair *q = &r->pair[p];
    Arena *a = arena_create(r->work);
    int64_t tokens = target ? q->target.n : q->source.n, n = target ? tokens - 1 : tokens;
    const Token *t = target ? q->target_tokens : q->source_tokens;
    bool *begins = arena_new(a, bool, n + 1), ok = true;
    if (by == BY_WORD) mark_words(r, t, n, begins);
    else if (by == BY_SENTENCE) mark_sentences(r, t, n, begins);
    else ok = mark_spans(r, target ? "target_spans" : "source_spans", tokens, n, begins, e);
    begins[n] = true;
    for (int64_t i = 0, from = 0; ok && i < n; i++)
        if (begins[i + 1]) out->v[out->n++] = (Unit){from, i + 1, target}, from = i + 1;
    arena_free(a);
    return ok;
}

bool run_units(Run *r, Units **out, Err *e)
{
    static const char *const names[] = {"token", "word", "sentence"};
    size_t by = arg_choice(r, "units", BY_TOKEN, names, 3, e);
    if ((e && e->set) || !check_arguments(r, by, e)) return false;
    *out = arena_new(r->work, Units, r->n);
    for (int64_t p = 0; p < r->n; p++) {
        Units *u = &(*out)[p];
        u->v = arena_new(r->work, Unit, (r->pair[p].source.n + r->pair[p].target.n));
        if (r->sources && !add_side(r, p, false, by, u, e)) return false;
        if (run_wants_target(r) && !add_side(r, p, true, by, u, e)) return false;
    }
    return true;
}
