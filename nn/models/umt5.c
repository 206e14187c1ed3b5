// SPDX-License-Identifier: Apache-2.0
// umt5.c — multilingual T5 of the second kind. Chung et al. 2023, arXiv:2304.09151. T5 1.1's layers, but each block has a
// table of relative positions of its own; mT5's defaults. Last states are scaled if the tables are tied, as for T5.
#include "t5.h"

static const T5Defaults defaults = {.heads = 6,
                                    .ff = 1024,
                                    .vocab = 250112,
                                    .layers = 8,
                                    .feed_forward = "gated-gelu",
                                    .scaled = true,
                                    .every_bias = true};

static bool open(Model *m, Err *e) { return t5_open(m, &defaults, e); }

const Family family_umt5 = {
    .model_type = "umt5",
    .class_name = "UMT5ForConditionalGeneration",
    .summary = "UMT5, another multilingual T5",
    .base = "",
    .anchor = T5_ANCHOR,
    .tied = t5_tied,
    .by_class = true,
    .open = open,
    .encode = t5_encode,
    .decode = t5_decode,
    .logits = t5_logits,
    .encoder_layer = t5_encoder_layer,
    .decoder_layer = t5_decoder_layer,
};
