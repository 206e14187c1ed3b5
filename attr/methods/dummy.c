// SPDX-License-Identifier: Apache-2.0
// dummy.c — no attribution at all: for step scores alone.
#include "../run.h"

static bool run(Run *r, Err *e)
{
    (void)e;
    for (int64_t i = 0; i < r->n; i++) r->out[i].kind = OUT_STEPS;
    return true;
}

const Method method_dummy = {
    .name = "dummy",
    .summary = "nothing but the step scores",
    .formula = "no scores",
    .when = "For step scores alone (--step_scores probability entropy ...): probabilities, perplexities and "
            "contrasts of texts at the price of a forward pass.",
    .no_gradient = true,
    .cost = "1 forward",
    .run = run,
};
