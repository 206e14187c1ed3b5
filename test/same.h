// SPDX-License-Identifier: Apache-2.0
// same.h — is this Attribution the one we want? Tokens, positions and shapes equal, numbers within a tolerance.
#pragma once
#include "../attr/attr.h"
#include "test.h"

typedef struct Tolerance {
    double absolute, relative; // |got - want| <= absolute + relative * |want|; NaN only where NaN is wanted
} Tolerance;

#define EXACT  ((Tolerance){0, 0})       // and then the signs of zeros are equal too
#define GOLDEN ((Tolerance){2e-6, 1e-4}) // what golden/README.md asks for where a case names nothing else

// Each fails the test (naming `what` and the first difference) and returns false if they differ.
bool same_sequence(const char *what, const Sequence *got, const Sequence *want, Tolerance t);
bool same_attribution(const char *what, const Attribution *got, const Attribution *want, Tolerance t);

const Json *golden_json(Arena *A, const char *name);                   // test/golden/cases/NAME
bool golden_attribution(Arena *A, const char *name, Attribution *out); // the same, as a result
const Json *golden_case(const Json *index, const char *kind,
                        const Json *before); // the next of a kind; NULL: none
Str golden_text(Arena *A, const char *name);
