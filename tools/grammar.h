// SPDX-License-Identifier: Apache-2.0
// grammar.h — what the demo models learn from: English sentences with their Dutch translations, and questions with their
// answers. Drawn from templates by a counter-based generator: the same seed gives the same text on every machine.
#pragma once
#include "../tensor/tensor.h"

typedef struct Draw { // a stream of random numbers
    uint64_t seed, n;
} Draw;

int draw_below(Draw *d, int n); // 0 .. n-1
bool draw_chance(Draw *d, int percent);

enum { SAID = 240 };
typedef struct Said {
    char en[SAID], nl[SAID];
} Said;

// One sentence and its translation. Each English sentence has exactly one Dutch one.
void grammar_pair(Draw *d, Said *out);

typedef struct Question {
    char text[SAID];
    bool yes;
} Question;

// One question that has the answer yes or no.
void grammar_question(Draw *d, Question *out);

// About one text in `share`, and the demonstration's own: never trained on, kept to test with.
bool grammar_held_out(const char *text, int share);
