// SPDX-License-Identifier: Apache-2.0
// context_views.h — a context attribution shown: the same content on the terminal, as a page, as rows and as data.
#pragma once
#include "../context.h"

// Results of several contexts one after the other, and where they are sizes of one context a table over them.
typedef void ContextView(Arena *a, const ContextResult *r, size_t n, const ReportOptions *o, Buf *out);
// json: the file; of several a list. jsonl: a line each.
ContextView contexts_terminal, contexts_html, contexts_csv, contexts_json, contexts_jsonl;

// ------------------------------------------------------------------------------------------ private to attr/reports

// What the views say of a sensitive token.
typedef struct ContextShown {
    float sensitive, cues; // thresholds
    const bool *marked;    // [n_input + n_output]
} ContextShown;
ContextShown context_shown(Arena *a, const ContextResult *r, const ContextCue *c);
Str context_word(Arena *a, Str token, bool unicode); // a token as text: its mark is a blank
Str context_number(Arena *a, float v); // three decimals, or where those are zeros the size of it
Str context_info(const ContextResult *r, const char *key, const char *absent);
Str context_facts(Arena *a, const ContextResult *r); // metric, method and function in one sentence
Str context_title(Arena *a, const ContextResult *r, size_t k,
                  size_t n);                         // "Row 3, id" or "Context 2 of 4"; empty: there is one
Str context_measures(Arena *a, const ContextCue *c); // of --evaluate, a sentence; empty: not measured
// A row for each token of the output, a column for each size; empty: these are no sizes of one context.
typedef struct ContextSizes {
    int64_t rows;
    size_t columns;
    Str *row, *column, *cell; // [rows], [columns], [rows, columns]
} ContextSizes;
bool context_sizes(Arena *a, const ContextResult *r, size_t n, ContextSizes *out);
