// SPDX-License-Identifier: Apache-2.0
// t5.h — private to nn/: what the families that are T5 underneath share with it. Declarations as in Family (model.h).
#pragma once
#include "../model.h"

#define T5_ANCHOR "encoder.block.0.layer.0.SelfAttention.q.weight" // see checkpoint_names

extern const char *const t5_tied[]; // tables that are one: see AdapterBase

typedef struct T5Defaults { // of the keys that config.json leaves out
    int64_t heads, ff, vocab, layers;
    const char *feed_forward;
    bool scaled;     // the last states may be scaled; false: they never are
    bool every_bias; // each block has a table of relative positions; false: the first one's serves all
} T5Defaults;

bool t5_open(Model *m, const T5Defaults *absent, Err *e);
Tensor *t5_encode(const Model *m, Tape *t, Tensor *x, Pass *pass);
Tensor *t5_decode(const Model *m, Tape *t, Tensor *y, Tensor *encoder, const int32_t *keys_of, Cache *c,
                  Pass *pass);
Tensor *t5_logits(const Model *m, Tape *t, Tensor *states);
Tensor *t5_encoder_layer(const Model *m, Tape *t, Tensor *x, int64_t i, Pass *pass);
Tensor *t5_decoder_layer(const Model *m, Tape *t, Tensor *y, int64_t i, Tensor *encoder,
                         const int32_t *keys_of, Cache *c, Pass *pass);
