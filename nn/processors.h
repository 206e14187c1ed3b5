// SPDX-License-Identifier: Apache-2.0
// processors.h — private to nn/: the logits processors of generate().
#pragma once
#include "model.h"

// Changes one row of scores [vocab] in place. ids: the n tokens so far (start token and prefix, `prompt` of them,
// included); limit: the greatest length.
void processors_run(const GenConfig *g, Ids source, const int32_t *ids, int64_t n, int64_t prompt,
                    int64_t limit, float *z, int64_t vocab);
void log_softmax(float *z, int64_t n);
