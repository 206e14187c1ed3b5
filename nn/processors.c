// SPDX-License-Identifier: Apache-2.0
// processors.c — what generate() does to a row of scores before it chooses: transformers' logits processors, in its order
// (generation/utils.py, _get_logits_processor; spec: the order changes results).
#include "processors.h"

#include <math.h>
#include <string.h>

static const float NEVER = -INFINITY;

static bool seen_before(const int32_t *ids, int64_t at)
{
    for (int64_t i = 0; i < at; i++)
        if (ids[i] == ids[at]) return true;
    return false;
}

// Each id that occurs is made less likely (penalty > 1), whatever the sign of its score. Keskar et al. 2019.
static void penalize(float *z, const int32_t *ids, int64_t n, double penalty)
{
    float p = (float)penalty;
    for (int64_t i = 0; i < n; i++)
        if (!seen_before(ids, i)) z[ids[i]] = z[ids[i]] < 0 ? z[ids[i]] * p : z[ids[i]] / p;
}

// Bans every word that would complete an n-gram of `text` that begins with the last n-1 ids.
static void ban_ngrams(float *z, const int32_t *ids, int64_t n, const int32_t *text, int64_t n_text,
                       int64_t size)
{
    if (n + 1 < size) return;
    const int32_t *last = ids + n - (size - 1);
    for (int64_t i = 0; i + size <= n_text; i++)
        if (!memcmp(text + i, last, (size_t)(size - 1) * sizeof *last)) z[text[i + size - 1]] = NEVER;
}

static bool in(int32_t id, IdList list)
{
    for (size_t i = 0; i < list.n; i++)
        if (list.v[i] == id) return true;
    return false;
}

static void ban_words(float *z, const GenConfig *g, const int32_t *ids, int64_t n)
{
    for (size_t i = 0; i < g->n_bad_words; i++) {
        IdList w = g->bad_words[i];
        if (!w.n || (int64_t)w.n - 1 > n || (w.n == 1 && in(w.v[0], g->eos))) continue;
        if (!memcmp(ids + n - ((int64_t)w.n - 1), w.v, (w.n - 1) * sizeof *w.v)) z[w.v[w.n - 1]] = NEVER;
    }
}

static void ban(float *z, IdList list)
{
    for (size_t i = 0; i < list.n; i++) z[list.v[i]] = NEVER;
}

static void only(float *z, int64_t vocab, IdList list)
{
    for (int64_t i = 0; i < vocab; i++) z[i] = NEVER;
    for (size_t i = 0; i < list.n; i++) z[list.v[i]] = 0;
}

void processors_run(const GenConfig *g, Ids source, const int32_t *ids, int64_t n, int64_t prompt,
                    int64_t limit, float *z, int64_t vocab, const SamplingRoom *room)
{
    if (g->encoder_repetition_penalty != 1)
        penalize(z, source.v, source.n, 1 / g->encoder_repetition_penalty);
    if (g->repetition_penalty != 1) penalize(z, ids, n, g->repetition_penalty);
    if (g->no_repeat_ngram_size) ban_ngrams(z, ids, n, ids, n, g->no_repeat_ngram_size);
    if (g->encoder_no_repeat_ngram_size)
        ban_ngrams(z, ids, n, source.v, source.n, g->encoder_no_repeat_ngram_size);
    ban_words(z, g, ids, n);
    if (n < g->min_length || n - prompt < g->min_new_tokens) ban(z, g->eos);
    if (g->forced_bos >= 0 && n == 1) only(z, vocab, (IdList){&g->forced_bos, 1});
    if (g->forced_eos.n && n == limit - 1) only(z, vocab, g->forced_eos);
    for (int64_t i = 0; g->remove_invalid_values && i < vocab; i++)
        z[i] = isnan(z[i]) ? 0 : isinf(z[i]) ? (z[i] < 0 ? -3.40282347e38f : 3.40282347e38f) : z[i];
    ban(z, g->suppress);
    int64_t begin = prompt + (prompt == 1 && g->forced_bos >= 0);
    if (n == begin) ban(z, g->begin_suppress);
    if (room) sampling_filter(g, z, vocab, room);
    if (g->renormalize_logits) log_softmax(z, vocab);
}

void log_softmax(float *z, int64_t n)
{
    float sum = (float)num_log_sum_exp(z, n);
    for (int64_t i = 0; i < n; i++) z[i] -= sum;
}
