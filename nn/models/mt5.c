// SPDX-License-Identifier: Apache-2.0
// mt5.c — multilingual T5. Xue et al. 2021, arXiv:2010.11934. T5 1.1's layers; other defaults, and logits never scaled.
#include "t5.h"

static const T5Defaults defaults = {
    .heads = 6, .ff = 1024, .vocab = 250112, .layers = 8, .feed_forward = "gated-gelu"};

static bool open(Model *m, Err *e) { return t5_open(m, &defaults, e); }

const Family family_mt5 = {
    .model_type = "mt5",
    .class_name = "MT5ForConditionalGeneration",
    .summary = "multilingual T5",
    .base = "",
    .anchor = T5_ANCHOR,
    .tied = t5_tied,
    .open = open,
    .encode = t5_encode,
    .decode = t5_decode,
    .logits = t5_logits,
    .encoder_layer = t5_encoder_layer,
    .decoder_layer = t5_decoder_layer,
};
