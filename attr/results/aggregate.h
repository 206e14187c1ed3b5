// SPDX-License-Identifier: Apache-2.0
// aggregate.h — what reduce.c, spans.c and aggregate.c share, in that order. Private to attr/.
#pragma once
#include "../attr.h"

// Reduces n values that lie `stride` floats apart to one. ord is vnorm's order, ignored by the others.
typedef struct Reduce {
    const char *name, *summary, *formula, *when; // see Entry
    float (*run)(const float *x, int64_t n, int64_t stride, double ord);
} Reduce;

// One aggregator: reads *in, writes *out (which starts as a copy of *in and may share its arrays).
typedef struct Aggregator {
    const char *name, *summary, *when; // see Entry
    const Argument *arguments;         // of --aggregation_kwargs
    bool (*run)(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e);
} Aggregator;

const Reduce *reduce_named(const char *name); // NULL if unknown
const Reduce *reduce_at(size_t i);            // the i-th of all; NULL after the last
bool reduce_ord_ok(double ord);               // an order that vnorm knows
// An error that suggests the nearest of n names, or lists them.
bool reduce_unknown(const char *what, const char *name, const char *const *names, size_t n, Err *e);
Scores scores_new(Arena *a, int rank, const int64_t *dim); // zeroed
int64_t scores_count(const Scores *s, int from);           // product of dim[from..rank)
// By the default pipeline, and sharing nothing with *in but names and the vocabulary's strings.
bool aggregate_apart(Arena *a, const Sequence *in, bool keep_layers, Sequence *out, Err *e);
const char *
step_score_function(Str name); // how step scores of merged tokens become one: "prod", "sum" or "absmax"
bool stage_function(const Stage *stage, const char *or_else, const Reduce **out, Err *e);

bool aggregate_subwords(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e);
bool aggregate_spans(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e);
bool aggregate_slices(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e);
bool aggregate_split(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e);
bool aggregate_pair(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e);
