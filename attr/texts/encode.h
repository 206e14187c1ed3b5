// SPDX-License-Identifier: Apache-2.0
// encode.h — what the files of attr/texts share (encode.c).
#pragma once
#include "texts.h"

TextFiles *texts_no_files(Arena *a); // none so far
// What is read from now on are l's files, of the tokenizer or of the model; NULL: nobody's (files.c).
void texts_watch(const Loaded *l, bool tokenizer);
void texts_note(const Work *w, const char *sentence);
Token *texts_tokens(Arena *a, const Tokenizer *t, Ids ids, TokSide side); // as they are shown
Str texts_without_special(Arena *a, const Tokenizer *t, Str s); // words that are special tokens taken out
// Text to ids; of texts that are longer than the tokenizer's limit the end is lost, of decoder-only models the beginning,
// as in the library, with a note.
bool texts_encode(const Work *w, const Job *j, Str s, TokSide side, bool plain, Ids *out, Err *e);
bool texts_encoding(const Work *w, const Job *j, Str s, TokSide side, Encoding *x,
                    Err *e); // with what the tokenizer tells of each token
// The same for a whole text of a decoder-only model. own: how many tokens lie wholly inside its first `prompt` bytes.
bool texts_encode_whole(const Work *w, Job *j, Str s, size_t prompt, Ids *out, int64_t *own, Err *e);
bool texts_add_start(const Work *w, Ids *ids, Err *e); // the decoder's start token before them
// generate()'s arguments (NULL: none) without those that are named, up to NULL, and with one more (NULL: none) behind them.
Json *texts_arguments(const Work *w, const Json *given, const char *const *less, const Json *more);
// Generation that a stop may leave (false without an error): out [n * nn_generation_returns(g)].
bool texts_write(const Work *w, const GenConfig *g, const Ids *source, const Ids *prefix, size_t n,
                 Generated **out, Err *e);
bool texts_decode_ids(const Work *w, Ids ids, bool skip_special, Str *out,
                      Err *e); // rows without a name are left out

// Conversations (chats.c). Without a template these do nothing.
bool chats_render(const Work *w, Job *j);
Str chats_answer(const Work *w, const Job *j, Str answer); // the conversation's text with this behind it
void chats_mark(const Work *w, Job *j, const Encoding *x, int64_t n); // j->of_template, of the first n tokens

// Decoder-only models (prompts.c).
bool prompts_encode(const Work *w, Job *j); // the prompt alone
bool prompts_targets(const Work *w, Job **job, size_t n, Err *e);
