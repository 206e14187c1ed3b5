// SPDX-License-Identifier: Apache-2.0
// contexts.h — texts with and without their context (context_texts.c, contexts.c), for attribute-context.
#pragma once
#include "../context.h"
#include "texts.h"

// What the person at the terminal is asked; false with an error where nobody is there.
typedef struct ContextAsk {
    void *context;
    // Which beginning of the output is its context; candidate may be empty. The answer is a beginning of output.
    bool (*split)(void *context, Arena *a, Str output, Str candidate, Str *out, Err *e);
    // The word that a sensitive token is compared with; *out empty: the model's own.
    bool (*word)(void *context, Arena *a, Str before, Str token, Str *out, Err *e);
} ContextAsk;

// A document's texts and templates, by the names of the library's options. s NULL: not given.
typedef struct ContextTexts {
    Str input_current, input_context, input_template, output_context, output_current, output_template;
    Str bare_input, bare_output; // contextless_input_current_text, contextless_output_current_text: templates
    Str separator;               // decoder_input_output_separator
    const Str *keep;             // special_tokens_to_keep
    size_t n_keep;
    const Str *word; // contextless_output_next_tokens
    size_t n_words;
    enum { SPLIT_MANUAL, SPLIT_AUTO, SPLIT_PRE } strategy; // handle_output_context_strategy
    bool ask_words;                                        // prompt_user_for_contextless_output_next_tokens
    ContextAsk ask;
    const Json *generation; // generation_kwargs; NULL: none
    size_t number;          // of the document, from 1
} ContextTexts;

// Templates that were not given, and whether all fit together. Errors are of usage.
bool contexts_check(ContextTexts *t, Err *e);
// The document's texts as ids; outputs that are not given are generated, and t has them then.
bool contexts_begin(const Work *w, ContextTexts *t, ContextDoc *d, Err *e);
// All of n documents that have begun: sensitive tokens, foils, cues, and how faithful they are if that is asked for. False
// without an error: a stop was asked for.
bool contexts_run(const Work *w, const ContextOptions *o, ContextTexts *const *t, ContextDoc *const *d,
                  size_t n, Err *e);
Str context_last(Str text, int64_t sentences); // its last ones

// ------------------------------------------------------------------------------------------ private (context_texts.c)

typedef struct ContextFilled {
    Str text;
    Span context, current; // bytes of it; to 0: no context
} ContextFilled;
void context_fill(Arena *a, Str template, Str context, Str current, ContextFilled *out);
Str context_join(Arena *a, Str first, Str second,
                 Str separator); // with the separator between, unless it is there
Str context_strip(Str s);
// The text of a part of a template before {context} or {current}, between them, and behind {current}.
Str context_between(Str template, const char *from, const char *to); // NULL: the ends
// The beginning of a generated output that is its context, or an empty text.
Str context_candidate(Str output, Str separator, Str input_context);
bool context_ids(const Work *w, const ContextTexts *t, Str text, TokSide side, const Span *bytes,
                 ContextPart *const *part, size_t n, Ids *out, Err *e);
bool context_keeps(const Work *w, const ContextTexts *t,
                   int32_t id);                                  // it is no special token, or one to keep
Str context_text(const Work *w, const ContextTexts *t, Ids ids); // without special tokens but those to keep
