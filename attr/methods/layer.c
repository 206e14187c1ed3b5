// SPDX-License-Identifier: Apache-2.0
// layer.c — what the methods share that look at a layer's result instead of the embeddings (semantics 3.7).
//
// A layer of the encoder has a row for each source token. One of the decoder has a row for each token of the target
// prefix, and row j of one pass is what every later step sees of it, so its scores are the target's: that of token j at
// step s is NaN for j >= s. There, methods with a baseline put it in the place of the source, and of the prefix too if
// attribute_target is on.
#include "../run.h"

#include <string.h>

bool layer_find(Run *r, TargetLayer *out, Err *e)
{
    const Json *j = attr_argument(r->o, "target_layer");
    *out = (TargetLayer){.width = r->width};
    if (j && j->kind != J_STRING)
        return err_set(
            e, "%s: argument target_layer is %s; it must be a layer's name such as \"encoder.layers.1.fc1\"",
            r->o->method, json_kind_name(j));
    static const char *const tables[] = {"embed_tokens", "wte", "word_embeddings", "embed_in", "shared"};
    bool own = !j;
    for (size_t i = 0; j && i < sizeof tables / sizeof *tables; i++)
        own |= str_ends(j->text, str_of(tables[i]));
    if (!own && !(out->weight = nn_find_layer(r->m, j->text, &out->width, e))) return false;
    out->target = !r->sources || (own ? j && str_ends(j->text, STR_LIT("decoder.embed_tokens"))
                                      : nn_layer_of_target(r->m, out->weight));
    if (!out->target && r->o->attribute_target)
        return err_set(
            e, "%s: this layer has rows of the source and knows no target; attribute_target must be off",
            r->o->method);
    if (r->sources && out->target && !out->weight && !r->o->attribute_target)
        return err_set(e, "%s: these are the prefix's own embeddings; attribute_target must be on",
                       r->o->method);
    bool embedded = !r->sources && !out->weight; // a decoder's embeddings: another method does those
    if (out->target && !embedded && r->o->step.contrast_force_inputs)
        return err_set(e,
                       "%s: a foil with a pass of its own has rows of its own in a layer of the decoder; "
                       "contrast_force_inputs must be off",
                       r->o->method);
    return true;
}

void layer_baseline(Run *r, int64_t pair, const float *bx, const float *by, float *x, float *y)
{
    int64_t d = r->width;
    if (x) memcpy(x, bx + run_x_at(r, pair), (size_t)(r->pair[pair].source.n * d) * sizeof(float));
    if (y) memcpy(y, by + run_y_at(r, pair), (size_t)((r->pair[pair].target.n - 1) * d) * sizeof(float));
}

void layer_room(Run *r, const TargetLayer *l)
{
    run_scores_of(r, !l->target, l->target, 1, &l->width, OUT_GRANULAR);
}

Scores *layer_out(Run *r, const TargetLayer *l, int64_t pair)
{
    return l->target ? &r->out[pair].target_attributions : &r->out[pair].source_attributions;
}

int64_t layer_rows(const Run *r, const TargetLayer *l, int64_t pair, int64_t column)
{
    if (!l->target) return r->pair[pair].source.n;
    return column < 0 ? r->to[pair] - 1 : r->from[pair] + column;
}
