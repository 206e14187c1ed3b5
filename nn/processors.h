// SPDX-License-Identifier: Apache-2.0
// processors.h — private to nn/: the logits processors of generate().
#pragma once
#include "model.h"

// Changes one row of scores [vocab] in place. ids: the n tokens so far (start token and prefix, `prompt` of them,
// included); limit: the greatest length.
// room: for sampling; NULL: the filters of sampling are left out.
typedef struct Scored {
    float score;
    int32_t id;
} Scored;
typedef struct SamplingRoom {
    Scored *sorted; // [vocab]
    float *p;       // [vocab]
} SamplingRoom;
void processors_run(const GenConfig *g, Ids source, const int32_t *ids, int64_t n, int64_t prompt,
                    int64_t limit, float *z, int64_t vocab, const SamplingRoom *room);
// Temperature, top_k, top_p, min_p, typical_p: what may not be drawn becomes -inf.
void sampling_filter(const GenConfig *g, float *z, int64_t vocab, const SamplingRoom *room);
// A draw from softmax(z), for the token at a position of the n-th of the sequences that a text returns. p: room [vocab].
int32_t sampling_draw(const GenConfig *g, int64_t sequence, int64_t position, const float *z, int64_t vocab,
                      float *p);
// Sampling by beams: of the continuations of a beam at a position, score + sampling_gumbel(its chance, id) is drawn without
// replacement by taking the highest.
uint64_t sampling_chance(const GenConfig *g, int64_t beam, int64_t position);
double sampling_gumbel(uint64_t chance, int64_t id);
void log_softmax(float *z, int64_t n);
