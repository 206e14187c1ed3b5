// SPDX-License-Identifier: Apache-2.0
// granularity.h — tokens taken together as words or sentences: where they begin (boundaries.c), and scores of them
// (granularity.c). All is read from the tokens' strings, so that a saved result is cut as it was when it was made.
#pragma once
#include "aggregate.h"

// Which of n tokens begin a word or sentence: begins[i], true for the first. A word is what stands between two spaces, as
// the vocabulary writes them: ▁ or Ġ before it, ## before what goes on, </w> or @@ behind a piece; where no token has a mark
// each is a word. In scripts that write no spaces each token is one, but for what can't stand alone: marks that combine,
// punctuation that closes, bytes of one character. The end of a line ends a word. Special tokens (</s>, [CLS], <|end|>,
// >>nl<<, __nl__, nld_Latn, nl_XX, (template)) stand alone.
//
// A sentence ends with a word that ends in . ! ? … or their kin of other scripts (。！？ ؟ । ...), with quotes and brackets
// that close behind it, or with a line. Not where the next word begins with a small letter (in texts that begin with a
// capital), nor after a full stop behind a number that is all there is so far (1. 2.), a single letter (J. e.g. U.S.) or one
// of a few titles (Mr Mrs Ms Dr Prof St vs ...): other abbreviations end a sentence where a capital follows.
//
// `like` are other tokens of the same vocabulary (the other side), where marks are looked for too. piece [n] (may be NULL)
// gets what each token stands for in the text: spaces for marks, bytes for the letters of a byte-level vocabulary.
void granularity_begins(Arena *a, Granularity g, const Token *t, int64_t n, const Token *like, int64_t n_like,
                        bool *begins, Str *piece);

bool granularity_alone(Str token); // a special token, which is no part of a word

// The tokens of one side as groups: token i is in group of[i], which rises by 0 or 1; group k is tokens [from[k],
// from[k + 1]). token [n]: the group as a person would write it (spaces inside for marks, characters for bytes), with a
// single token's id or -1. By tokens they are the tokens themselves.
typedef struct Groups {
    int64_t n;
    int64_t *of, *from;
    Token *token;
} Groups;
// Of both sides of a sequence. The start and the end of what is attributed are always boundaries, and so is the end of a
// decoder-only model's prompt, whose tokens are cut alike on both sides.
void granularity_groups(Arena *a, const Sequence *s, Granularity g, Groups *source, Groups *target);
