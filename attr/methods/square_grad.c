// SPDX-License-Identifier: Apache-2.0
// square_grad.c — the mean of the squares of many gradients, each at the input with fresh noise. Hooker, Erhan, Kindermans
// and Kim 2019, arXiv:1806.10758.
//
//   score[i,s,:] = mean over n_samples of M_k[i,s,:]^2      (noisy.c)
#include "noisy.h"

static bool run(Run *r, Err *e) { return noisy_run(r, NOISY_SQUARE, e); }

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    return noisy_passes(r, NOISY_SQUARE, pair, p, e);
}

const Method method_square_grad = {
    .name = "square_grad",
    .summary = "mean of squared gradients at the input with noise",
    .paper = "Hooker et al. 2019, arXiv:1806.10758",
    .formula = "score[i,s,:] = mean over k of (M[i,s,:] at x + e_k)^2\n"
               "M: the gradient with its sign (or times the input: method); e_k: normal noise",
    .when = "As smooth_grad, but signs cannot cancel: in tests by removal and retraining (ROAR) better than "
            "single gradients, where the plain mean was not.",
    .arguments = (const Argument[]){NOISY_ARGUMENTS, {0}},
    .cost = "1 + n_samples forwards, n_samples backwards",
    .passes = passes,
    .run = run,
};
