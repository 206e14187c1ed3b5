// SPDX-License-Identifier: Apache-2.0
// layer_picture.c — scores of every layer as one picture: tokens by layers, for one step.
#include "aggregate.h"

// The tokens that the step sees, of both sides if there are two.
bool attr_layer_picture(Arena *a, const Sequence *s, int64_t step, Picture *out, Err *e)
{
    const Scores *side[] = {&s->source_attributions, &s->target_attributions};
    const Token *token[] = {s->source, s->target};
    int64_t c = step - s->attr_pos_start, seen[] = {s->n_source, step}, rows = 0, L = 0;
    if (step < s->attr_pos_start || step >= s->attr_pos_end)
        return err_set(e, "position %" PRId64 " is not among the attributed ones, %" PRId64 " to %" PRId64,
                       step, s->attr_pos_start, s->attr_pos_end - 1);
    for (int k = 0; k < 2; k++) {
        if (!side[k]->v) continue;
        if (side[k]->rank != 3) return err_set(e, "these scores are not of several layers");
        rows += seen[k], L = side[k]->dim[2];
    }
    Token *row = arena_new(a, Token, rows), *column = arena_new(a, Token, L);
    *out = (Picture){.title = arena_printf(a, "Layers for %.*s (position %" PRId64 ")",
                                           (int)s->target[step].text.n, s->target[step].text.s, step),
                     .down = "Attributed tokens",
                     .across = "Layers",
                     .row = row,
                     .column = column,
                     .scores = scores_new(a, 2, (int64_t[]){rows, L})};
    for (int64_t l = 0; l < L; l++)
        column[l] = (Token){.id = -1, .text = str_of(arena_printf(a, "layer %" PRId64, l))};
    for (int64_t k = 0, r = 0; k < 2; k++)
        for (int64_t i = 0; side[k]->v && i < seen[k]; i++, r++) {
            row[r] = token[k][i];
            for (int64_t l = 0; l < L; l++)
                out->scores.v[r * L + l] = side[k]->v[(i * side[k]->dim[1] + c) * L + l];
        }
    return true;
}
