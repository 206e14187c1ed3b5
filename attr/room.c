// SPDX-License-Identifier: Apache-2.0
// room.c — where a method's scores go: arrays of every pair, filled with NaN where a step sees nothing, and named scores.
#include "run.h"

#include <math.h>

static Scores nan_scores(Arena *a, int64_t rows, int64_t columns, int extra, const int64_t *dims)
{
    Scores s = {.rank = 2 + extra, .dim = {rows, columns}};
    int64_t n = rows * columns;
    for (int k = 0; k < extra; k++) s.dim[2 + k] = dims[k], n *= dims[k];
    s.v = arena_new_raw(a, float, n);
    for (int64_t i = 0; i < n; i++) s.v[i] = NAN;
    return s;
}

void run_scores(Run *r, int extra, const int64_t *dims, OutputClass kind)
{
    run_scores_of(r, r->sources != NULL, run_wants_target(r), extra, dims, kind);
}

void run_scores_of(Run *r, bool source, bool target, int extra, const int64_t *dims, OutputClass kind)
{
    for (int64_t i = 0; i < r->n; i++) {
        Sequence *q = &r->out[i];
        int64_t columns = r->to[i] - r->from[i];
        q->kind = kind;
        if (source) q->source_attributions = nan_scores(r->a, r->pair[i].source.n, columns, extra, dims);
        if (target) q->target_attributions = nan_scores(r->a, r->to[i], columns, extra, dims);
    }
}

void run_step_score(Run *r, Str name)
{
    for (int64_t i = 0; i < r->n; i++) {
        Sequence *q = &r->out[i];
        NamedScores *more = arena_new(r->a, NamedScores, q->n_step_scores + 1);
        for (size_t k = 0; k < q->n_step_scores; k++) more[k] = q->step_scores[k];
        more[q->n_step_scores++] =
            (NamedScores){.name = name,
                          .scores = {.rank = 1,
                                     .dim = {r->to[i] - r->from[i]},
                                     .v = arena_new(r->a, float, r->to[i] - r->from[i])}};
        q->step_scores = more;
    }
}

Scores *run_sequence_score(Run *r, int64_t i, Str name, int rank, const int64_t *dims)
{
    Sequence *q = &r->out[i];
    NamedScores *more = arena_new(r->a, NamedScores, q->n_sequence_scores + 1),
                *new = &more[q->n_sequence_scores];
    int64_t n = 1;
    for (size_t k = 0; k < q->n_sequence_scores; k++) more[k] = q->sequence_scores[k];
    *new = (NamedScores){.name = name, .scores = {.rank = rank}};
    for (int k = 0; k < rank; k++) new->scores.dim[k] = dims[k], n *= dims[k];
    new->scores.v = arena_new(r->a, float, n);
    q->sequence_scores = more, q->n_sequence_scores++;
    return &new->scores;
}
