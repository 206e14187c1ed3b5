// SPDX-License-Identifier: Apache-2.0
// encode.h — what the files of attr/texts share (encode.c).
#pragma once
#include "texts.h"

void texts_note(const Work *w, const char *sentence);
Token *texts_tokens(Arena *a, const Tokenizer *t, Ids ids, TokSide side); // as they are shown
// Text to ids; longer texts than the tokenizer's limit lose their end, as in the library, with a note.
bool texts_encode(const Work *w, const Job *j, Str s, TokSide side, bool plain, Ids *out, Err *e);
bool texts_add_start(const Work *w, Ids *ids, Err *e); // the decoder's start token before them
