// SPDX-License-Identifier: Apache-2.0
// fold_template.c — a chat's template folded away: its tokens' rows become one that holds their sum, so that columns still
// add up and the words that were said stand together.
#include "aggregate.h"

#include <string.h>

bool attr_fold_template(Arena *a, const Sequence *in, Sequence *out, Err *e)
{
    *out = *in;
    if (!in->of_template) return true;
    const Scores *x = &in->target_attributions;
    int64_t P = in->n_source, kept = 1, n = in->attr_pos_end - in->attr_pos_start;
    if (x->v && x->rank != 2)
        return err_set(e, "folding a template's rows needs one number per token and step");
    for (int64_t i = 0; i < P; i++) kept += !in->of_template[i];
    int64_t T = kept + in->n_target - P, rows = x->v ? kept + x->dim[0] - P : 0;
    Token *token = arena_new(a, Token, T);
    token[0] = (Token){-1, STR_LIT("(template)")};
    if (x->v) {
        out->target_attributions = scores_new(a, 2, (int64_t[]){rows, n});
        for (int64_t c = 0; c < n; c++) {
            double sum = 0;
            for (int64_t i = 0; i < P; i++) sum += in->of_template[i] ? (double)x->v[i * n + c] : 0;
            out->target_attributions.v[c] = (float)sum;
        }
    }
    for (int64_t i = 0, k = 1; i < in->n_target; i++) {
        if (i < P && in->of_template[i]) continue;
        token[k] = in->target[i];
        if (x->v && i < x->dim[0])
            memcpy(out->target_attributions.v + k * n, x->v + i * n, (size_t)n * sizeof(float));
        k++;
    }
    out->source = out->target = token;
    out->n_source = kept, out->n_target = T;
    out->attr_pos_start -= P - kept, out->attr_pos_end -= P - kept;
    out->of_template = NULL;
    return true;
}
