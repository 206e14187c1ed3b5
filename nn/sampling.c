// SPDX-License-Identifier: Apache-2.0
// sampling.c — drawing the next token: what is left of a row of scores, and which of it.
//
// The filters are transformers' (5.23, generation/logits_process.py) in its order: temperature, the k best, the nucleus
// (Holtzman et al. 2020, arXiv:1904.09751), min-p (Nguyen et al. 2024, arXiv:2407.01082), what is typical (Meister et al.
// 2023, arXiv:2202.00666). The draw is ours: num_random by seed, sequence and position, so that it is the same on every
// machine and whatever texts run beside it.
#include "processors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float NEVER = -INFINITY;

static int by_score(const void *a, const void *b) // the highest first; among equals the lower id
{
    const Scored *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

// Those that may still be drawn, the highest first.
static int64_t sorted(Scored *room, const float *z, int64_t vocab)
{
    int64_t n = 0;
    for (int64_t i = 0; i < vocab; i++)
        if (z[i] > NEVER) room[n++] = (Scored){z[i], (int32_t)i};
    if (n) qsort(room, (size_t)n, sizeof *room, by_score);
    return n;
}

static void keep_best(float *z, int64_t vocab, int64_t k, Scored *room)
{
    int64_t n = sorted(room, z, vocab);
    if (k >= n) return;
    float least = room[k - 1].score; // equals of the last stay
    for (int64_t i = 0; i < vocab; i++)
        if (z[i] < least) z[i] = NEVER;
}

// From the lowest on those leave whose probabilities together are at most 1 - p.
static void keep_nucleus(float *z, float *p, int64_t vocab, double top, int64_t least, Scored *room)
{
    int64_t n = sorted(room, z, vocab);
    double sum = 0;
    num_softmax(p, z, vocab);
    for (int64_t i = n - 1; i >= least; i--) {
        sum += (double)p[room[i].id];
        if (!(sum <= 1 - top)) break;
        z[room[i].id] = NEVER;
    }
}

static void keep_likely(float *z, float *p, int64_t vocab, double share, int64_t least, Scored *room)
{
    int64_t n = sorted(room, z, vocab);
    num_softmax(p, z, vocab);
    for (int64_t i = least; i < n; i++)
        if (p[room[i].id] < (float)share * p[room[0].id]) z[room[i].id] = NEVER;
}

// Those stay whose surprise is nearest to the entropy, until they hold `mass`.
static void keep_typical(float *z, float *p, int64_t vocab, double mass, int64_t least, Scored *room)
{
    double sum = num_log_sum_exp(z, vocab), entropy = 0, held = 0;
    num_softmax(p, z, vocab);
    for (int64_t i = 0; i < vocab; i++)
        if (z[i] > NEVER) entropy -= ((double)z[i] - sum) * (double)p[i];
    int64_t n = 0, last = 0;
    for (int64_t i = 0; i < vocab; i++)
        if (z[i] > NEVER) room[n++] = (Scored){(float)-fabs(sum - (double)z[i] - entropy), (int32_t)i};
    if (n) qsort(room, (size_t)n, sizeof *room, by_score);
    while (last < n - 1 && (held += (double)p[room[last].id]) < mass) last++;
    for (int64_t i = last + 1 > least ? last + 1 : least; i < n; i++)
        if (room[i].score < room[last].score) z[room[i].id] = NEVER;
}

void sampling_filter(const GenConfig *g, float *z, int64_t vocab, const SamplingRoom *room)
{
    float cold = (float)g->temperature;
    // beams must be able to go on where the likeliest ends the text
    int64_t least = g->num_beams == 1 ? 1 : g->eos.n ? (int64_t)g->eos.n + 1 : 2;
    for (int64_t i = 0; cold != 1 && i < vocab; i++) z[i] /= cold;
    if (g->top_k) keep_best(z, vocab, g->top_k > least ? g->top_k : least, room->sorted);
    if (g->top_p < 1) keep_nucleus(z, room->p, vocab, g->top_p, least, room->sorted);
    if (g->min_p >= 0) keep_likely(z, room->p, vocab, g->min_p, least, room->sorted);
    if (g->typical_p < 1) keep_typical(z, room->p, vocab, g->typical_p, least, room->sorted);
}

int32_t sampling_draw(const GenConfig *g, int64_t sequence, int64_t position, const float *z, int64_t vocab,
                      float *p)
{
    uint64_t bits = num_random(num_random(g->seed, (uint64_t)sequence), (uint64_t)position);
    double sum = 0, to, so_far = 0;
    num_softmax(p, z, vocab);
    for (int64_t i = 0; i < vocab; i++) sum += (double)p[i];
    to = (double)(bits >> 11) * 0x1p-53 * sum;
    int32_t last = (int32_t)num_argmax(z, vocab);
    for (int64_t i = 0; i < vocab; i++) {
        if (!(p[i] > 0)) continue;
        last = (int32_t)i;
        if ((so_far += (double)p[i]) > to) break;
    }
    return last;
}

uint64_t sampling_chance(const GenConfig *g, int64_t beam, int64_t position)
{
    return num_random(num_random(g->seed, (uint64_t)position), (uint64_t)beam);
}

double sampling_gumbel(uint64_t chance, int64_t id)
{
    double u = ((double)(num_random(chance, (uint64_t)id) >> 11) + 0.5) * 0x1p-53; // within (0, 1)
    return -num_log(-num_log(u));
}
