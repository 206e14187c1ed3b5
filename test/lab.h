// SPDX-License-Identifier: Apache-2.0
// lab.h — golden models, opened, and golden cases of attribution, run on them as the command line would.
#pragma once
#include "../attr/attr.h"
#include "../nn/files/checkpoint.h"
#include "../tok/tok.h"
#include "same.h"

typedef struct Lab {
    Model *m;
    const ModelInfo *f;
    Tokenizer *t;
} Lab;

// A folder of test/golden/models: "odd-marian", or "models/odd-marian" as golden files call it. False if its family is
// not one of nn_families, or decoder-only; anything else that goes wrong fails the test.
bool lab_open(Arena *A, const char *name, Lab *out);
bool lab_open_model(Arena *A, const char *name, Lab *out); // without its tokenizer
bool lab_open_any(Arena *A, const char *name, Lab *out);   // decoder-only ones too
bool lab_knows(Arena *A, const char *name);                // is the family known, with an encoder?

void lab_languages(Arena *A, const Lab *l,
                   const Json *names); // src_lang and tgt_lang of an object, where they are
Ids lab_encode(Arena *A, const Lab *l, Str text, TokSide side, bool plain);
Ids lab_start(Arena *A, const Lab *l, Ids ids); // with the start token before them
Str lab_decode(Arena *A, const Lab *l, const int32_t *ids, int64_t n);
Pair lab_pair(Arena *A, const Lab *l, Ids source, Ids target);
Pair lab_forced(Arena *A, const Lab *l, const char *source, const char *target);
Pair lab_prompt(Arena *A, const Lab *l, const char *prompt,
                const char *text); // decoder-only; text NULL: generated

// A case of index.json: what it asks for, or why we can't do it yet (then false). why: the name we don't know.
typedef struct Case {
    Str name, model, file, raw_file;
    AttrOptions o;
    Str *input, *target; // [n]; target NULL: generated
    size_t n;
    bool prefix, plain, clean;
    const Json *generation, *languages;
    Str contrast_source, contrast_target;
    bool has_contrast_source, has_contrast_target;
    Span *alignment;
    size_t n_alignment;
    Tolerance scores, steps;
    bool **masked;    // [n][columns of the case]: not compared
    size_t *n_masked; // [n] length of each
} Case;
bool lab_case(Arena *A, const Json *entry, Case *out, const char **why);
bool lab_attribute(Arena *A, const Lab *l, const Case *c, Attribution *out, Err *e); // unaggregated
// got against want with the case's tolerances; masked columns are left out.
bool lab_compare(Arena *A, const Case *c, const char *what, const Attribution *got, const Attribution *want);
double lab_largest(const Attribution *t); // the largest magnitude of an attribution score

// Tensors of a safetensors file, as float32 or as it is.
const Checkpoint *lab_tensors(Arena *A, const char *name);       // test/golden/cases/NAME
const Stored *lab_tensor(const Checkpoint *c, const char *name); // fails the test if absent
double lab_at(const Stored *s, int64_t i);                       // F32, F64 or I64
int64_t lab_count(const Stored *s);
Ids lab_ids(Arena *A, const Stored *s);
Ids lab_list(Arena *A, const Json *list); // of a JSON list; none: empty

// How far our float32 is from float64, against PyTorch's float32. Two roundings of one value differ by luck: a tensor may
// be three times as far off, plus four units in the last place of its largest value; the geometric mean over all tensors
// is held tighter.
typedef struct LabErrors {
    double sum; // of logarithms of ours / PyTorch's
    int n;
} LabErrors;
void lab_error(LabErrors *all, const char *file, const char *name, const float *got, const Checkpoint *f32,
               const Checkpoint *f64);
void lab_errors_mean(const LabErrors *all, double most);
