// SPDX-License-Identifier: Apache-2.0
// regex.h — the regular expressions that tokenizer.json files cut texts with: what such files need of Oniguruma's language.
//
// Alternatives in order, greedy, with backtracking. Known: | (...) (?:...) (?i:...) (?=...) (?!...) and a group's ?; single
// characters, . and classes [...] also nested, \s \S \d \p{L} \P{N} \p{Lu} ..., \r \n \t; ? * + {m,n} and possessive ?+ *+
// ++ after one of these; $ at a line's end. Everything else is refused with its name, and so is what matches the empty text.
#pragma once
#include "unicode.h"

typedef struct Regex Regex;

const Regex *regex_compile(Arena *a, const Unicode *u, Str pattern, const char *path, size_t at, Err *e);

// The first match at or after from; false if there is none. text is valid UTF-8 and from is at a character's first byte.
// Each step of matching takes one from *steps; when none is left there is no match, and *steps stays 0.
bool regex_find(const Regex *r, Str text, size_t from, size_t *start, size_t *end, uint64_t *steps);
