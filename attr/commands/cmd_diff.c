// SPDX-License-Identifier: Apache-2.0
// cmd_diff.c — two saved attributions side by side.
#include "commands.h"

// B minus A, sequence by sequence; tokens that differ read "a → b".
static int run(Args *a)
{
    Err e = {0};
    Attribution t[2], flat[2];
    if (a->n_rest != 2)
        return cmd_complain("diff needs two files, A.json and B.json: it shows B minus A"), EXIT_USAGE;
    if (!cmd_check_delivery(a, &e)) return cmd_fail(&e, EXIT_USAGE);
    for (int i = 0; i < 2; i++)
        if (!cmd_read_result(a, a->rest[i], &t[i], &e) || !cmd_shown_form(a, &t[i], &flat[i], &e))
            return cmd_fail(&e, EXIT_INPUT);
    if (t[0].n != t[1].n)
        return err_set(&e, "%s has %zu texts, %s has %zu", a->rest[0], t[0].n, a->rest[1], t[1].n),
               cmd_fail(&e, EXIT_INPUT);
    Attribution out = {
        .info = t[0].info, .n_info = t[0].n_info, .sequence = arena_new(a->a, Sequence, t[0].n), .n = t[0].n};
    for (size_t i = 0; i < out.n; i++) {
        Stage s = attr_stage("pair");
        s.paired = &flat[1].sequence[i];
        if (!attr_aggregate(a->a, &flat[0].sequence[i], &s, 1, &out.sequence[i], &e))
            return cmd_fail(&e, EXIT_INPUT);
    }
    return cmd_deliver(a, &out, &out);
}

const Command command_diff = {
    .name = "diff",
    .options = SHOW,
    .words = 2,
    .run = run,
    .usage = "A.json B.json [options]",
    .summary = "two saved attributions side by side: B minus A",
    .example = "her.json his.json",
};
