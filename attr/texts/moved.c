// SPDX-License-Identifier: Apache-2.0
// moved.c — a model and another that should be the same, or nearly: do their tokenizers agree, and how far do attributions
// move from one to the other?
//
// Scores are input x gradient of each word's probability, as the vectors that they are before norms are taken of them: the
// cosine of two such runs is 1 where every number is in proportion, and a norm would hide that directions turned.
#include "encode.h"

#include <math.h>

// ------------------------------------------------------------------------------------------------ tokenizers

static bool same_of(Arena *a, const Tokenizer *x, const Tokenizer *y, Str text, Err *e)
{
    Encoding p, q;
    Err none = {0}, other = {0};
    if (!tok_encode(a, x, text, (TokOptions){0}, &p, &none)) return true; // no text for either
    const bool read = tok_encode(a, y, text, (TokOptions){0}, &q, &other);
    size_t at = 0;
    while (read && at < p.n && at < q.n && p.ids[at] == q.ids[at]) at++;
    if (read && p.n == q.n && at == p.n) return true;
    return err_set(e,
                   "the tokenizer has no place in this kind of file: from there \"%.*s\" would become %zu "
                   "tokens for %zu, "
                   "other ones from number %zu on",
                   (int)(text.n < 100 ? text.n : 100), text.s, read ? q.n : 0, p.n, at);
}

bool texts_same_ids(Arena *a, const Tokenizer *x, const Tokenizer *y, Err *e)
{
    enum { TEXTS = 256, WORDS = 24 };
    static const char *const texts[] = {"",
                                        " ",
                                        "  ",
                                        "a",
                                        " a",
                                        "a ",
                                        "The nurse went to the hospital.",
                                        " two  spaces   three ",
                                        "a\nline\r\n\n\tand tabs\t",
                                        "naïve café – “quotes” … №½",
                                        "1 12 123 1234 12345 3.14 1,000 2024-07-26",
                                        "I'm you're WE'LL don't O'Neill's",
                                        "CamelCase snake_case x=y*(z+1); // #!? </a>",
                                        "你好，世界。 こんにちは Привет мир שלום مرحبا नमस्ते",
                                        "🙂👩‍👩‍👧 e\xCC\x81 \xEF\xBF\xBD \xC2\xA0x",
                                        "aaaaaaaaaaaaaaaaaaaaaaaa          ------====...."};
    Arena *own = arena_create(a);
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof texts / sizeof *texts; i++)
        ok = same_of(own, x, y, str_of(texts[i]), e);
    for (uint64_t i = 0; ok && i < TEXTS; i++) {
        int32_t ids[WORDS];
        Str text;
        for (uint64_t k = 0; k < WORDS; k++) ids[k] = (int32_t)(num_random(i, k) % tok_size(x));
        for (size_t k = 0; k < WORDS; k++)
            if (tok_is_special(x, ids[k]) || !tok_string(x, ids[k]).n) ids[k] = ids[k ? k - 1 : 0];
        arena_reset(own);
        if (tok_decode(own, x, ids, WORDS, (TokDecode){.skip_special = true, .cleanup = 0}, &text, NULL))
            ok = same_of(own, x, y, text, e);
    }
    arena_free(own);
    return ok;
}

// ------------------------------------------------------------------------------------------------ attributions

typedef struct Sums {
    double xy, xx, yy;
} Sums;

static void add_products(Sums *s, const Scores *x, const Scores *y)
{
    int64_t n = x->v && y->v ? 1 : 0;
    for (int i = 0; i < x->rank; i++) n *= x->dim[i];
    for (int64_t i = 0; i < n; i++) {
        const double p = (double)x->v[i], q = (double)y->v[i];
        if (p - p != 0 || q - q != 0) continue; // a token that is not there yet
        s->xy += p * q, s->xx += p * p, s->yy += q * q;
    }
}

static void compare(const Sequence *x, const Sequence *y, Moved *out)
{
    Sums s = {0};
    add_products(&s, &x->source_attributions, &y->source_attributions);
    add_products(&s, &x->target_attributions, &y->target_attributions);
    const double both = sqrt(s.xx) * sqrt(s.yy);
    out->cosine = both > 0 ? s.xy / both : NAN;
    const Scores *p = &x->step_scores[0].scores, *q = &y->step_scores[0].scores;
    double sum = 0;
    for (int64_t i = 0; i < p->dim[0]; i++) {
        sum += (double)p->v[i];
        out->change = fmax(out->change, fabs((double)p->v[i] - (double)q->v[i]));
    }
    out->before = p->dim[0] ? sum / (double)p->dim[0] : NAN;
}

size_t texts_moved(const Work *w, Model *other, Job **job, size_t n, Moved *out)
{
    static const char *const steps[] = {"probability"};
    AttrOptions o = attr_defaults();
    o.method = "input_x_gradient", o.step_scores = steps, o.n_step_scores = 1;
    o.attribute_target = w->l->info->encoder_decoder;
    texts_special(w->l, &o);
    Loaded there = *w->l;
    there.model = other, there.info = nn_info(other);
    Work again = *w;
    again.l = &there;
    size_t made = 0;
    texts_make_targets(w, job, n);
    for (size_t i = 0; i < n; i++) {
        Sequence x, y;
        Job *one = job[i];
        if (one->err || !texts_attribute(w, &o, false, &one, 1, &x) ||
            !texts_attribute(&again, &o, false, &one, 1, &y))
            continue;
        out[made] = (Moved){.job = one};
        compare(&x, &y, &out[made++]);
    }
    return made;
}
