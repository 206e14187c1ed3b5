// SPDX-License-Identifier: Apache-2.0
// input_x_gradient.c — gradient times input. Shrikumar, Greenside, Shcherbina and Kundaje 2016, arXiv:1605.01713.
//
//   score[i,s,:] = x[i,:] * df_s/dx[i,:]      one forward and one backward pass for all steps s
#include "../run.h"

static void put(Run *r, void *context, int64_t pair, int64_t column, const float *dx, const float *dy)
{
    (void)context;
    int64_t d = r->width;
    const float *x = dx ? run_x(r, pair) : NULL, *y = run_y(r, pair);
    for (int64_t i = 0; dx && i < r->pair[pair].source.n; i++) {
        float *score = run_cell(&r->out[pair].source_attributions, i, column);
        for (int64_t j = 0; j < d; j++) score[j] = x[i * d + j] * dx[i * d + j];
    }
    for (int64_t i = 0; dy && i < r->from[pair] + column; i++) {
        float *score = run_cell(&r->out[pair].target_attributions, i, column);
        for (int64_t j = 0; j < d; j++) score[j] = y[i * d + j] * dy[i * d + j];
    }
}

static bool run(Run *r, Err *e)
{
    (void)e;
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    run_gradients(r, r->tape, &r->pass, r->logits, NULL, put, NULL);
    return true;
}

const Method method_input_x_gradient = {
    .light = true,
    .name = "input_x_gradient",
    .summary = "gradient times input embedding",
    .paper = "Shrikumar et al. 2016, arXiv:1605.01713",
    .formula = "score[i,s,:] = x[i,:] * df_s/dx[i,:]",
    .when = "What each token contributes, to first order: exact for a function that is linear in the "
            "embeddings. As cheap as saliency, and a good first choice, also for many or long texts. Where "
            "the function is saturated (a probability near 1) gradients are small and noisy: -fn logit or "
            "integrated_gradients help.",
    .cost = "1 forward, 1 backward",
    .passes = passes_gradient,
    .run = run,
};
