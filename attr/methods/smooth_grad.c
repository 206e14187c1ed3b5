// SPDX-License-Identifier: Apache-2.0
// smooth_grad.c — the mean of many gradients, each at the input with fresh noise. Smilkov, Thorat, Kim, Viégas and
// Wattenberg 2017, arXiv:1706.03825.
//
//   score[i,s,:] = mean over n_samples of M_k[i,s,:]      (noisy.c)
#include "noisy.h"

static bool run(Run *r, Err *e) { return noisy_run(r, NOISY_MEAN, e); }

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    return noisy_passes(r, NOISY_MEAN, pair, p, e);
}

const Method method_smooth_grad = {
    .light = true,
    .name = "smooth_grad",
    .summary = "mean of gradients at the input with noise",
    .paper = "Smilkov et al. 2017, arXiv:1706.03825",
    .formula = "score[i,s,:] = mean over k of M[i,s,:] at x + e_k\n"
               "M: the gradient with its sign (or times the input: method); e_k: normal noise",
    .when = "Gradients without the small-scale noise that single ones have. 25 samples cost 25 times "
            "saliency; stdev decides how far around the input is looked.",
    .arguments = (const Argument[]){NOISY_ARGUMENTS, {0}},
    .cost = "1 + n_samples forwards, n_samples backwards",
    .passes = passes,
    .run = run,
};
