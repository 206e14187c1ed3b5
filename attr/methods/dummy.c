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
    .no_gradient = true,
    .cost = "1 forward",
    .run = run,
};
