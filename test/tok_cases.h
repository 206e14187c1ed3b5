// SPDX-License-Identifier: Apache-2.0
// tok_cases.h — the recorded tokenizers that more than one file of tests opens.
#pragma once
#include "kit.h"

#define MODELS       "test/golden/tokenizers/models/"
#define TINY         MODELS "trained/char_user.model" // 5 kB, with byte pieces and user-defined ones
#define TINY_UNIGRAM MODELS "marian-mini-sep/source.spm"
#define TINY_RULES   MODELS "trained/uni_rules.model"
