// SPDX-License-Identifier: Apache-2.0
// context.h — which tokens of an output depend on a context, and which tokens of the context made them so: PECoRe (Sarti
// et al. 2023, arXiv:2310.01188). The names are Inseq's (its AttributeContextOutput), so that files carry over.
//
// One document is an output decoded twice, with its context and without. The contrastive metric between both distributions
// at each token of the output finds the sensitive ones (CTI); each of them is attributed in the contextual pass, and the
// scores of the context's tokens are its cues (CCI). Tokens are pointed at where they stand in the whole texts, never
// counted in texts that were cut alone.
#pragma once
#include "attr.h"

// Where tokens of a part of a text stand in its ids, in order.
typedef struct ContextPart {
    int64_t *at, n;
} ContextPart;

// A sensitive token and its cues. Strings that are not there have s NULL.
typedef struct ContextCue {
    int64_t index; // of the output's tokens
    float score;
    Str token, contextual, contrast_token, contextless;
    float *input, *output; // scores of the contexts' tokens [n_input], [n_output]; NULL: no such context
    float kept, lost,
        lost_random; // evaluated: the token's probability with the context, without the cues that are marked,
                     // and without as many others, the mean over draws; kept NaN: not measured
} ContextCue;

// What is saved, shown and read back.
typedef struct ContextResult {
    Str input_context, output_context, output_current; // s NULL: none
    Str *input_token, *output_token, *token;           // of both contexts and the output
    int64_t n_input, n_output, n;
    float *cti;      // [n] the metric at each token
    ContextCue *cue; // by falling size of the metric
    size_t n_cues;
    const Json *info; // all parameters by the library's names; NULL: none
} ContextResult;

typedef struct ContextOptions {
    const char *metric;             // a contrastive step function
    double sensitive_std, cue_std;  // thresholds: mean + so many standard deviations
    int64_t sensitive_top, cue_top; // and at most so many; 0: all
    const AttrOptions *attribution; // of the cues
    const Stage *stage;             // makes their scores two-dimensional; n_stages 0: the default pipeline,
    size_t n_stages;
    bool normalize; // normalised
    bool evaluate;
    uint32_t seed; // of what --evaluate takes away by chance
} ContextOptions;

// A document on its way. The pairs' sources are the prompts of decoder-only models.
typedef struct ContextDoc {
    Pair with, without; // the output in and out of context
    ContextPart input,
        output; // the contexts' tokens: in with.source (of decoder-only models with.target), in with.target
    ContextPart current, bare; // the output's: in with.target, and those that are compared, in without.target
    bool has_input, has_output;
    Pair *
        foil; // [result.n_cues] what each sensitive token is contrasted with; NULL: the function is not contrastive
    ContextResult result;
    Sequence metric,
        *scores; // what the runs left: of the metric, and two-dimensional ones of each sensitive token
} ContextDoc;

// The metric at each token of n documents, and which are sensitive: result.cti and .cue (index, score, token). What the
// documents share, such as one contextless output of many contexts, is computed once.
bool context_sensitivity(Arena *a, const Model *m, const ContextOptions *o, ContextDoc *const *doc, size_t n,
                         Err *e);
// The cues of all sensitive tokens, whose foils are made. One way back serves all of a document's; those whose foil is the
// token itself, or whose function needs it, are contrasted with the contextless pass and take another.
bool context_cues(Arena *a, const Model *m, const ContextOptions *o, ContextDoc *const *doc, size_t n,
                  Err *e);
// What becomes of each sensitive token's probability when its marked cues are taken out of the context (--evaluate).
bool context_evaluate(Arena *a, const Model *m, const ContextOptions *o, ContextDoc *const *doc, size_t n,
                      Err *e);

// mean + weight * standard deviation (n - 1); of one score the score, of none 0.
float context_threshold(const float *x, int64_t n, double weight);
// The indices of the scores whose size reaches the threshold, by falling size, at most `top` (0: all); returns how many.
int64_t context_rank(Arena *a, const float *x, int64_t n, float threshold, int64_t top, int64_t *out);
// Which cues are marked: the threshold is of both contexts' scores. [n_input + n_output], the input's first.
bool *context_marked(Arena *a, const ContextResult *r, const ContextCue *c, double weight, int64_t top,
                     float *threshold);

// The library's file, and back. Tokens are views into text. context_layout: what stands where, in lines.
extern const char context_layout[];
void context_to_json(const ContextResult *r, bool one_line, Buf *out);
// Whether a file holds context attributions, by its beginning or, if it is gzipped, what it becomes: then *plain is its text.
bool contexts_in(Arena *a, Str bytes, Str *plain);
// An object, a list of them, or JSON Lines.
bool contexts_from_json(Arena *a, Str text, const char *path, ContextResult **out, size_t *n, Err *e);
