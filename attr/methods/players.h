// SPDX-License-Identifier: Apache-2.0
// players.h — private to attr/methods/: methods that ask what the value is when only some tokens are there (players.c).
#pragma once
#include "../run.h"

// Of each pair [r->n], the units (units.c) that some step sees and that are not their own baseline; in order.
bool players_find(Run *r, const float *bx, const float *by, Units **out, Err *e);
// A unit's rows become their baseline in x or y, which hold the pair's embeddings.
void players_leave(const Run *r, const float *bx, const float *by, int64_t pair, const Unit *u, float *x,
                   float *y);

// Who is there, for one pair, again and again; and what the value was in every column.
typedef struct Coalitions {
    const Units *players;
    int64_t n;
    bool *in;  // [n, players]
    double *f; // [n, columns]
} Coalitions;

// Runs them all, of every pair; f is made on r->work. most: of a pass at most, 0: any.
bool coalitions_run(Run *r, const float *bx, const float *by, Coalitions *c, int64_t most, Err *e);
void coalitions_passes(const Run *r, int64_t pair, const Coalitions *c, Passes *p); // what that takes
// Room for scores [rows, columns]: 0 in all rows that a step sees. A player's score in a column is shared by its rows.
void players_scores(Run *r);
void players_score(Run *r, int64_t pair, const Unit *u, int64_t column, double score);
