// SPDX-License-Identifier: Apache-2.0
// generation.h — private to nn/: the settings of generate(), with transformers' defaults and precedence.
#pragma once
#include "files/checkpoint.h"

typedef enum { STOP_FALSE, STOP_TRUE, STOP_NEVER } EarlyStopping;

typedef struct IdList {
    const int32_t *v;
    size_t n;
} IdList;

// Everything generate() obeys, resolved. Source: transformers 5.23 GenerationConfig; spec/checkpoints.md 2d.
typedef struct GenConfig {
    int64_t max_length;     // decoder ids including the start token (and a given prefix)
    bool max_length_given;  // false: the library's default of 20 new tokens
    int64_t max_new_tokens; // 0: not given; wins over max_length
    int64_t min_length, min_new_tokens;
    int64_t num_beams, num_return_sequences;
    double length_penalty, repetition_penalty, encoder_repetition_penalty;
    EarlyStopping early_stopping;
    int64_t no_repeat_ngram_size, encoder_no_repeat_ngram_size;
    bool renormalize_logits, remove_invalid_values;
    bool sampling_wished; // by a file, and nobody has said yes or no to it
    bool do_sample;       // only if it is asked for: a file's wish is no request (see gen_config_load)
    double temperature;   // of sampling, as the rest; 1: off
    int64_t top_k;        // 0: off
    double top_p, min_p, typical_p; // 1, -1, 1: off
    uint64_t seed;
    const Str *stop; // strings that end a text; texts: what the id of each row adds to it
    size_t n_stop;
    const Str *text;
    int64_t n_texts;
    int32_t decoder_start, bos,
        pad;            // -1: none; as transformers resolves them: start <- bos, pad <- first eos
    IdList eos;         // n = 0: none
    int32_t forced_bos; // -1: none
    IdList forced_eos;  // n = 0: none
    IdList suppress, begin_suppress;
    IdList *bad_words; // n_bad_words sequences of ids
    size_t n_bad_words;
    const char *undone; // a key the model sets that would change results and we don't do; NULL: none
} GenConfig;

// From generation_config.json if the folder has one (then generation keys of config.json are ignored), else from
// config.json. Settings of sampling are kept for whoever asks for it; do_sample is not: the same command gives the likeliest
// text, and what it gives by chance it gives when told. vocab bounds every id; unknown keys are ignored; null means unset.
// absent: a JSON object of what the model's class says of keys that its config.json leaves out; NULL: nothing.
bool gen_config_load(Arena *a, const char *folder, const Config *model, const char *absent, int64_t vocab,
                     GenConfig *out, Err *e);
// One JSON object of overrides as --generation_kwargs gives it (generate()'s argument names). Unknown names are an
// error that suggests the nearest; names transformers knows and we do not do are refused.
bool gen_config_override(Arena *a, const Json *kwargs, int64_t vocab, GenConfig *g, Err *e);
