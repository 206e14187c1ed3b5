// SPDX-License-Identifier: Apache-2.0
// parts.h — private to tok/: a vocabulary of pieces with scores, and T5's way from text to them, which mBART's, Pegasus' and
// others' tokenizers share with other settings (parts.c).
#pragma once
#include "kind.h"

typedef struct Rules { // a SentencePiece model's rules for characters, as the tokenizers library applies them
    Charsmap map;
    bool plain[128]; // ASCII that no rule of one byte replaces
} Rules;
void rules_prepare(Rules *r); // once map is there
size_t rules_step(const Rules *r, Str s,
                  Buf *out); // the first cluster of s (not empty), written to out; its bytes

typedef struct Entries { // by id
    Str *text;
    double *score;
    size_t n;
} Entries;
Entries entries_make(Arena *a, size_t n);

typedef struct Parts {
    Rules rules;
    bool whole; // a stretch is one part, in which runs of spaces become one; false: white space is dropped
    bool lines; // line ends become spaces
    Trie trie;  // every entry; values are ids
    Vocab vocab;
    double *score; // [n] by id
    double unk_score;
    bool *special; // [n]: an entry that text may not become with keep_text
    size_t n;
    int32_t unk;       // of the lattice
    const Json *added; // tokenizer.json's; NULL: none
} Parts;

// Reads a tokenizer.json with a Unigram model: entries, unk, rules, added.
bool parts_read_json(Arena *a, Parts *m, const char *path, Entries *out, Err *e);
void parts_index(Arena *a, Parts *m, const Entries *entries);
void parts_done(Arena *a, Tokenizer *t, Parts *m); // when all added tokens are known
bool parts_encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e);
bool parts_decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e);
