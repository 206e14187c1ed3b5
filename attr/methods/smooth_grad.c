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
    .arguments = (const char *const[]){NOISY_ARGUMENTS, NULL},
    .cost = "1 + n_samples forwards, n_samples backwards",
    .passes = passes,
    .run = run,
};
