// SPDX-License-Identifier: Apache-2.0
// cmd_show.c — a saved attribution again.
#include "commands.h"

static int run(Args *a)
{
    Err e = {0};
    Attribution t, shown, saved;
    Stage *stage;
    size_t n;
    if (a->n_rest != 1)
        return cmd_complain("show needs one FILE.json that 'inseq attribute -o' or Inseq saved"), EXIT_USAGE;
    if (!cmd_check_delivery(a, &e) || !cmd_pipeline(a, &stage, &n, &e)) return cmd_fail(&e, EXIT_USAGE);
    if (!cmd_read_result(a, a->rest[0], &t, &e) || !cmd_shown_form(a, &t, &shown, &e) ||
        !cmd_saved_form(a, &t, &shown, &saved, &e))
        return cmd_fail(&e, EXIT_INPUT);
    return cmd_deliver(a, &shown, &saved);
}

const Command command_show = {
    .name = "show",
    .options = SHOW,
    .words = 1,
    .run = run,
    .usage = "FILE.json [options]",
    .summary = "a saved attribution again",
    .example = "result.json --viz_path heatmap.html",
};
