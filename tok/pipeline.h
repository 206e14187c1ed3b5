// SPDX-License-Identifier: Apache-2.0
// pipeline.h — a tokenizer as tokenizer.json describes it: steps over text, a byte-pair model, steps back.
//
//   pipeline_json.c   the file          pipeline.c         text to ids
//   pretrained.c      the folder        pipeline_decode.c  ids to text
//
// The order: added tokens that are not "normalized" are cut out of the raw text; the rest is normalised; those that are
// normalized are cut out of that; each stretch is cut into pieces by the pre-tokenizers; each piece is merged.
#pragma once
#include "parts.h"
#include "regex.h"

typedef enum { ISOLATED, CONTIGUOUS, WITH_PREVIOUS, WITH_NEXT } Behaviour; // of what a pattern matches

// What a step looks for: one of the three.
typedef struct Pattern {
    const Regex *regex;
    Str source; // of the regex
    Str literal;
    uint8_t kind; // single characters that have this bit of unicode.h
} Pattern;

typedef enum { NEVER, AT_START, ALWAYS } Prepend;

typedef enum { NORM_FORM, NORM_PREPEND, NORM_REPLACE, NORM_STRIP, NORM_RULES } NormKind;

typedef struct Norm {
    NormKind kind;
    UnicodeForm form;
    Pattern pattern; // replace
    Str content;     // replace, prepend
    Rules *rules;    // a SentencePiece model's
    bool left, right;
} Norm;

typedef enum { PRE_SPLIT, PRE_BYTES, PRE_METASPACE } PreKind;

typedef struct Pre {
    PreKind kind;
    Pattern pattern; // split; bytes: GPT-2's expression, or nothing
    Behaviour how;
    bool prefix; // bytes: a space in front
    bool split;  // metaspace: cut before every mark
    Prepend prepend;
    Str mark;
} Pre;

typedef enum {
    DECODE_BYTES,
    DECODE_REPLACE,
    DECODE_FALLBACK,
    DECODE_FUSE,
    DECODE_STRIP,
    DECODE_METASPACE
} DecodeKind;

typedef struct Decode {
    DecodeKind kind;
    Pattern pattern;
    Str content; // replace; strip: the character
    size_t start, stop;
    Prepend prepend;
    Str mark;
} Decode;

enum { MOST_STEPS = 32 };

typedef struct Pipeline {
    const Unicode *unicode;
    Norm norm[MOST_STEPS];
    Pre pre[MOST_STEPS];
    Decode decode[MOST_STEPS];
    size_t norms, pres, decodes;
    bool has_decoder; // without one, tokens are joined with spaces
    // the model
    Vocab vocab;
    Merges merges;
    bool ignore_merges, byte_fallback, fuse_unk;
    Str unk_token;           // "": none
    int32_t unk;             // -1: none, or not in the vocabulary
    int32_t byte_piece[256]; // of <0x00> ... <0xFF>
    int32_t byte_char[256];  // of the character that stands for a byte
    AddedSet raw, normal;
} Pipeline;

// The character that stands for a byte in byte-level vocabularies, at most two bytes of UTF-8; and back, -1: none.
Str byte_char(uint8_t byte, char room[4]);
int byte_of_char(uint32_t cp);

// The first match of a pattern at or after from.
bool pattern_find(const Unicode *u, const Pattern *p, Str s, size_t from, size_t *start, size_t *end,
                  uint64_t *steps);

// Reads normalizer, pre_tokenizer, decoder, and the model's switches.
bool pipeline_steps(Arena *a, Pipeline *p, const Json *top, const char *path, Err *e);
// Reads all of a tokenizer.json: those too, unless `steps` is false; vocabulary, merges, added tokens, post_processor.
bool pipeline_json(Arena *a, Tokenizer *t, Pipeline *p, const char *path, Str text, bool steps, Err *e);
// Once all is read: indexes bytes and added tokens.
bool pipeline_done(Arena *a, Tokenizer *t, Pipeline *p, Err *e);

// text through the normalizers; false: their expressions take too long.
bool pipeline_normalize(Arena *a, const Pipeline *p, Str text, Str *out);

bool pipeline_encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e);
bool pipeline_decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out,
                     Err *e);
