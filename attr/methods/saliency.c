// SPDX-License-Identifier: Apache-2.0
// saliency.c — the gradient itself, by default without its sign. Simonyan, Vedaldi and Zisserman 2013, arXiv:1312.6034.
#include "../run.h"

#include <math.h>

static void put(Run *r, void *context, int64_t pair, int64_t column, const float *dx, const float *dy)
{
    bool sign = !*(bool *)context;
    const float *from[2] = {dx, dy};
    Scores *to[2] = {&r->out[pair].source_attributions, &r->out[pair].target_attributions};
    int64_t rows[2] = {r->pair[pair].source.n, r->from[pair] + column};
    for (int side = 0; side < 2; side++)
        for (int64_t i = 0; from[side] && i < rows[side]; i++) {
            float *score = run_cell(to[side], i, column);
            for (int64_t j = 0; j < r->width; j++) {
                float g = from[side][i * r->width + j];
                score[j] = sign ? g : fabsf(g);
            }
        }
}

static bool run(Run *r, Err *e)
{
    bool magnitude = arg_bool(r, "abs", true, e);
    if (e && e->set) return false;
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    run_gradients(r, r->tape, &r->pass, r->logits, NULL, put, &magnitude);
    return true;
}

const Method method_saliency = {
    .light = true,
    .name = "saliency",
    .summary = "gradient with respect to the input embedding",
    .paper = "Simonyan et al. 2013, arXiv:1312.6034",
    .formula = "score[i,s,:] = | df_s/dx[i,:] |",
    .when =
        "How sensitive the value is to a small change of each embedding: the cheapest look, and the default "
        "as in Inseq. It tells where the model is sensitive, not what a token contributes: the sign is gone, "
        "and how large the embedding is does not count. For contributions take input_x_gradient.",
    .arguments = (const Argument[]){{"abs", "true", "without the gradient's sign"}, {0}},
    .cost = "1 forward, 1 backward",
    .passes = passes_gradient,
    .run = run,
};
