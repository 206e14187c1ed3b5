// SPDX-License-Identifier: Apache-2.0
// context.c — sensitive tokens and their cues (context.h). Three runs for all documents of a batch: the metric between
// contextual and contextless passes; one way back for all sensitive tokens; one more for those whose foil is themselves.
#include "context.h"

#include "../tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------------------------------ thresholds

float context_threshold(const float *x, int64_t n, double weight)
{
    if (!n) return 0;
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; i++) mean += (double)x[i] / (double)n;
    for (int64_t i = 0; i < n; i++) square += ((double)x[i] - mean) * ((double)x[i] - mean);
    if (n == 1) return x[0];
    return (float)(mean + weight * __builtin_sqrt(square / (double)(n - 1)));
}

typedef struct Ranked {
    float size;
    int64_t index;
} Ranked;

static int by_size(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    int order = (y->size > x->size) - (y->size < x->size);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

int64_t context_rank(Arena *a, const float *x, int64_t n, float threshold, int64_t top, int64_t *out)
{
    Ranked *r = arena_new(a, Ranked, n);
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (fabsf(x[i]) >= threshold) r[kept++] = (Ranked){fabsf(x[i]), i};
    if (kept) qsort(r, (size_t)kept, sizeof *r, by_size);
    if (top && kept > top) kept = top;
    for (int64_t i = 0; i < kept; i++) out[i] = r[i].index;
    return kept;
}

bool *context_marked(Arena *a, const ContextResult *r, const ContextCue *c, double weight, int64_t top,
                     float *threshold)
{
    int64_t n_in = c->input ? r->n_input : 0, n_out = c->output ? r->n_output : 0, n = n_in + n_out;
    float *all = arena_new(a, float, n);
    int64_t *best = arena_new(a, int64_t, n);
    bool *marked = arena_new(a, bool, r->n_input + r->n_output);
    if (n_in) memcpy(all, c->input, (size_t)n_in * sizeof *all);
    if (n_out) memcpy(all + n_in, c->output, (size_t)n_out * sizeof *all);
    *threshold = context_threshold(all, n, weight);
    int64_t kept = context_rank(a, all, n, *threshold, top, best);
    for (int64_t i = 0; i < kept; i++) marked[best[i] < n_in ? best[i] : r->n_input + best[i] - n_in] = true;
    return marked;
}

// ------------------------------------------------------------------------------------------ sensitivity

// Which of the contextual tokens each contextless one is compared with: both are the same text, mostly the same ids.
static void align_current(Arena *a, ContextDoc *d)
{
    const ContextPart *x = &d->bare, *y = &d->current;
    Pair own = {.align = ALIGN_AUTO}, other = {0}, *side[] = {&own, &other};
    for (int k = 0; k < 2; k++) {
        const ContextPart *part = k ? y : x;
        const Pair *whole = k ? &d->with : &d->without;
        int32_t *ids = arena_new(a, int32_t, part->n + 1);
        Token *t = arena_new(a, Token, part->n + 1);
        for (int64_t i = 0; i < part->n; i++)
            ids[i + 1] = whole->target.v[part->at[i]], t[i + 1] = whole->target_tokens[part->at[i]];
        side[k]->target = (Ids){ids, part->n + 1}, side[k]->target_tokens = t;
    }
    own.contrast = &other;
    Aligned *at = arena_new(a, Aligned, x->n);
    attr_align(a, &own, true, 1, x->n + 1, at);
    Span *pairs = arena_new(a, Span, x->n);
    int64_t *current = arena_new(a, int64_t, x->n);
    for (int64_t i = 0; i < x->n; i++)
        current[i] = y->at[at[i].at - 1], pairs[i] = (Span){x->at[i], current[i]};
    d->current = (ContextPart){current, x->n}; // from now on token by token beside bare
    d->without.contrast = &d->with;
    d->without.alignment = pairs, d->without.n_alignment = (size_t)x->n;
    d->without.steps = (Span){x->at[0], x->at[x->n - 1] + 1};
}

static void choose(Arena *a, const ContextOptions *o, ContextDoc *d)
{
    ContextResult *r = &d->result;
    int64_t *best = arena_new(a, int64_t, r->n);
    float threshold = context_threshold(r->cti, r->n, o->sensitive_std);
    r->n_cues = (size_t)context_rank(a, r->cti, r->n, threshold, o->sensitive_top, best);
    r->cue = arena_new(a, ContextCue, r->n_cues);
    for (size_t i = 0; i < r->n_cues; i++)
        r->cue[i] =
            (ContextCue){.index = best[i], .score = r->cti[best[i]], .token = r->token[best[i]], .kept = NAN};
}

bool context_sensitivity(Arena *a, const Model *m, const ContextOptions *o, ContextDoc *const *doc, size_t n,
                         Err *e)
{
    AttrOptions run = attr_defaults();
    run.method = "dummy", run.step_scores = &o->metric, run.n_step_scores = 1;
    run.max_memory = o->attribution->max_memory;
    Pair *pair = arena_new(a, Pair, n);
    Sequence *out = arena_new(a, Sequence, n);
    for (size_t i = 0; i < n; i++) align_current(a, doc[i]), pair[i] = doc[i]->without;
    if (!attr_run(a, m, &run, pair, n, out, e)) return false;
    for (size_t i = 0; i < n; i++) {
        ContextDoc *d = doc[i];
        ContextResult *r = &d->result;
        r->n = d->bare.n, d->metric = out[i];
        r->cti = arena_new(a, float, r->n), r->token = arena_new(a, Str, r->n);
        for (int64_t k = 0; k < r->n; k++) {
            r->cti[k] = out[i].step_scores[0].scores.v[d->bare.at[k] - pair[i].steps.from];
            r->token[k] = d->without.target_tokens[d->bare.at[k]].text;
        }
        choose(a, o, d);
    }
    return true;
}

// ------------------------------------------------------------------------------------------ cues

// The pair of a document's k-th sensitive token: its step alone, and its foil. Without force only the foil's word counts,
// which is read from the token's own row, so the foil's pass is the token's own.
static Pair cue_pair(Arena *a, ContextDoc *d, size_t k, bool force)
{
    Pair p = d->with;
    int64_t s = d->current.at[d->result.cue[k].index];
    p.steps = (Span){s, s + 1};
    if (!d->foil) return p;
    Pair *foil = arena_new(a, Pair, 1);
    Span *at = arena_new(a, Span, 1);
    *foil = force ? d->foil[k] : d->with;
    *at = (Span){s, force ? d->foil[k].steps.from : s};
    p.contrast = foil, p.alignment = at, p.n_alignment = 1, p.foil = d->foil[k].foil;
    return p;
}

// The contextless pass counts where its next token is the contextual one (they then differ by nothing else), and for
// functions of whole distributions.
static bool forced(const ContextOptions *o, const ContextDoc *d, size_t k)
{
    if (!d->foil) return false;
    return !strcmp(o->attribution->attributed_fn, "kl_divergence") ||
           d->foil[k].foil->id == d->with.target.v[d->current.at[d->result.cue[k].index]];
}

static bool two_dimensional(Arena *a, const ContextOptions *o, const Sequence *in, Sequence *out, Err *e)
{
    Stage own[4];
    const Stage *stage = o->stage;
    size_t n = o->n_stages;
    if (!n) {
        stage = own, n = attr_default_pipeline(in, own);
        for (size_t i = 0; i < n; i++) own[i].normalize = o->normalize;
    }
    return attr_aggregate(a, in, stage, n, out, e);
}

static bool read_scores(Arena *a, const Scores *s, const ContextPart *part, const char *method, float **out,
                        Err *e)
{
    if (!s->v || s->rank != 2)
        return err_set(
            e,
            s->v ? "%s leaves scores of more than two dimensions for these aggregators; cues need one "
                   "number for each token"
                 : "%s has no scores for this context's side; choose another method",
            method);
    *out = arena_new(a, float, part->n);
    for (int64_t i = 0; i < part->n; i++)
        (*out)[i] = part->at[i] < s->dim[0] ? s->v[part->at[i] * s->dim[1]] : NAN;
    return true;
}

static bool keep_cue(Arena *a, const ContextOptions *o, ContextDoc *d, size_t k, const Sequence *made,
                     bool prompt, Err *e)
{
    Sequence s;
    ContextCue *c = &d->result.cue[k];
    const char *method = o->attribution->method;
    if (!two_dimensional(a, o, made, &s, e)) return false;
    d->scores[k] = s;
    const Scores *source = prompt ? &s.target_attributions : &s.source_attributions;
    return (!d->has_input || read_scores(a, source, &d->input, method, &c->input, e)) &&
           (!d->has_output || read_scores(a, &s.target_attributions, &d->output, method, &c->output, e));
}

// What would not end well is not begun.
static bool enough_memory(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, Err *e)
{
    size_t left = arena_left(), needed = attr_bytes(a, m, o, pair, n, left);
    if (needed <= left) return true;
    return err_set(e,
                   "%s of %zu tokens would take about %.3g GB for %" PRId64
                   " tokens with their context, and %.3g GB may be "
                   "used here; give a shorter context, --context_sensitivity_topk, or another method",
                   o->method, n, (double)needed / 1e9, pair->target.n, (double)left / 1e9);
}

bool context_cues(Arena *a, const Model *m, const ContextOptions *o, ContextDoc *const *doc, size_t n, Err *e)
{
    size_t all = 0;
    bool prompt = !nn_info(m)->encoder_decoder, outputs = false;
    for (size_t i = 0; i < n; i++) {
        all += doc[i]->result.n_cues, outputs |= doc[i]->has_output;
        doc[i]->scores = arena_new(a, Sequence, doc[i]->result.n_cues);
    }
    for (int force = 0; force < 2; force++) {
        AttrOptions run = *o->attribution;
        run.attribute_target = !prompt && outputs;
        run.step.contrast_force_inputs |= force;
        Pair *pair = arena_new(a, Pair, all);
        Sequence *out = arena_new(a, Sequence, all);
        size_t count = 0, at = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < doc[i]->result.n_cues; k++)
                if (forced(o, doc[i], k) == force)
                    pair[count++] = cue_pair(a, doc[i], k, run.step.contrast_force_inputs);
        if (!count) continue;
        if (!enough_memory(a, m, &run, pair, count, e) || !attr_run(a, m, &run, pair, count, out, e))
            return false;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < doc[i]->result.n_cues; k++)
                if (forced(o, doc[i], k) == force && !keep_cue(a, o, doc[i], k, &out[at++], prompt, e))
                    return false;
    }
    return true;
}

// ------------------------------------------------------------------------------------------ evaluation

enum { DRAWS = 8 }; // random choices whose mean stands beside the marked cues

// The pair without some of the contexts' tokens: gone[i] is about input token i, or output token i - input.n.
static Pair without_tokens(Arena *a, const ContextDoc *d, const bool *gone, int64_t step, bool prompt)
{
    Pair p = d->with;
    bool *drop[2] = {arena_new(a, bool, p.source.n), arena_new(a, bool, p.target.n)};
    int64_t n_in = d->has_input ? d->input.n : 0, n_out = d->has_output ? d->output.n : 0;
    for (int64_t i = 0; i < n_in; i++) drop[prompt][d->input.at[i]] = gone[i];
    for (int64_t i = 0; i < n_out; i++) drop[1][d->output.at[i]] = gone[n_in + i];
    for (int side = 0; side < 2; side++) {
        Ids *ids = side ? &p.target : &p.source, all = *ids;
        const Token *t = side ? p.target_tokens : p.source_tokens;
        if (!side && prompt) continue;
        int32_t *v = arena_new(a, int32_t, all.n);
        Token *own = arena_new(a, Token, all.n);
        ids->n = 0, ids->v = v;
        for (int64_t i = 0; i < all.n; i++) {
            if (side && i == step) p.steps = (Span){ids->n, ids->n + 1};
            if (!drop[side][i]) own[ids->n] = t[i], v[ids->n++] = all.v[i];
        }
        if (side) p.target_tokens = own;
        else p.source_tokens = own;
    }
    if (prompt) p.source = (Ids){p.target.v, p.steps.from};
    if (prompt) p.source_tokens = p.target_tokens;
    return p;
}

static void draw(Arena *a, uint64_t seed, int64_t n, int64_t wanted, bool *out)
{
    int64_t *order = arena_new(a, int64_t, n);
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = 0; i < wanted; i++) {
        int64_t k = i + (int64_t)(num_random(seed, (uint64_t)i) % (uint64_t)(n - i)), other = order[k];
        order[k] = order[i], order[i] = other, out[other] = true;
    }
}

bool context_evaluate(Arena *a, const Model *m, const ContextOptions *o, ContextDoc *const *doc, size_t n,
                      Err *e)
{
    static const char *const measured[] = {"probability"};
    AttrOptions run = attr_defaults();
    run.method = "dummy", run.step_scores = measured, run.n_step_scores = 1;
    bool prompt = !nn_info(m)->encoder_decoder;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < doc[i]->result.n_cues; k++) {
            ContextDoc *d = doc[i];
            ContextCue *c = &d->result.cue[k];
            Pair pair[2 + DRAWS];
            Sequence out[2 + DRAWS];
            float threshold, value[2 + DRAWS];
            int64_t all = d->result.n_input + d->result.n_output, step = d->current.at[c->index], count = 0;
            const bool *marked = context_marked(a, &d->result, c, o->cue_std, o->cue_top, &threshold);
            for (int64_t j = 0; j < all; j++) count += marked[j];
            pair[0] = without_tokens(a, d, arena_new(a, bool, all), step, prompt);
            pair[1] = without_tokens(a, d, marked, step, prompt);
            for (int r = 0; r < DRAWS; r++) {
                bool *gone = arena_new(a, bool, all);
                draw(a, num_random(o->seed, (uint64_t)(k * DRAWS) + (uint64_t)r), all, count, gone);
                pair[2 + r] = without_tokens(a, d, gone, step, prompt);
            }
            if (!attr_run(a, m, &run, pair, 2 + DRAWS, out, e)) return false;
            for (int r = 0; r < 2 + DRAWS; r++) value[r] = out[r].step_scores[0].scores.v[0];
            double mean = 0;
            for (int r = 0; r < DRAWS; r++) mean += (double)value[2 + r] / DRAWS;
            c->kept = value[0], c->lost = value[1], c->lost_random = (float)mean;
        }
    return true;
}
