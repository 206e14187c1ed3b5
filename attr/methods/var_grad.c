// SPDX-License-Identifier: Apache-2.0
// var_grad.c — the variance of many gradients, each at the input with fresh noise: where the model changes fast, not where
// it is steep. Adebayo, Gilmer, Goodfellow and Kim 2018, arXiv:1810.03307.
//
//   score[i,s,:] = sum over n_samples of (M_k[i,s,:] - mean M[i,s,:])^2 / (n_samples - 1)      (noisy.c)
#include "noisy.h"

static bool run(Run *r, Err *e) { return noisy_run(r, NOISY_VARIANCE, e); }

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    return noisy_passes(r, NOISY_VARIANCE, pair, p, e);
}

const Method method_var_grad = {
    .name = "var_grad",
    .summary = "variance of gradients at the input with noise",
    .paper = "Adebayo et al. 2018, arXiv:1810.03307",
    .formula = "score[i,s,:] = variance over k of M[i,s,:] at x + e_k\n"
               "M: the gradient with its sign (or times the input: method); e_k: normal noise",
    .when = "Where the function bends, not where it is steep: a constant slope scores 0. Together with "
            "smooth_grad it tells whether a gradient can be relied on.",
    .arguments = (const Argument[]){NOISY_ARGUMENTS, {0}},
    .cost = "1 + n_samples forwards, n_samples backwards",
    .passes = passes,
    .run = run,
};
