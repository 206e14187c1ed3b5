// SPDX-License-Identifier: Apache-2.0
// vocabulary.h — learns a SentencePiece vocabulary of the unigram kind from text. Kudo 2018, arXiv:1804.10959.
#pragma once
#include "../tensor/base.h"

typedef struct VocabularyOptions {
    size_t size;  // pieces, the special ones included
    Str required; // UTF-8: characters that must be pieces
    const char
        *special[4]; // the first pieces: "<unk>" is the unknown one, others are control pieces; NULL ends
} VocabularyOptions;

typedef struct Vocabulary {
    Str *piece;   // [n], the special ones first, then by falling probability
    float *score; // [n] log-probabilities, 0 for special ones
    size_t n, n_special;
} Vocabulary;

// text: sentences, one a line, UTF-8. The result lives on a.
void vocabulary_train(Arena *a, Str text, VocabularyOptions o, Vocabulary *out);
// The bytes of the .model file that the SentencePiece library opens.
Str vocabulary_model(Arena *a, const Vocabulary *v);
