// SPDX-License-Identifier: Apache-2.0
// cmd_show.c — a saved attribution again.
#include "../context.h"
#include "commands.h"

static int show_contexts(Args *a, Str text)
{
    Err e = {0};
    ContextResult *r;
    size_t n;
    if (!cmd_check_contexts(a, &e)) return cmd_fail(&e, EXIT_USAGE);
    if (!contexts_from_json(a->a, text, a->rest[0], &r, &n, &e)) return cmd_fail(&e, EXIT_INPUT);
    return cmd_deliver_contexts(a, r, n);
}

static int run(Args *a)
{
    Err e = {0};
    Attribution t, shown, saved;
    Stage *stage;
    size_t n;
    if (a->n_rest != 1)
        return cmd_complain("show needs one FILE.json that 'inseq attribute -o' or Inseq saved"), EXIT_USAGE;
    if (!cmd_check_delivery(a, &e) || !cmd_pipeline(a, &stage, &n, &e)) return cmd_fail(&e, EXIT_USAGE);
    Str bytes, plain;
    if (!cmd_read_bytes(a, a->rest[0], &bytes, &e)) return cmd_fail(&e, EXIT_INPUT);
    if (contexts_in(a->a, bytes, &plain)) return show_contexts(a, plain);
    if (!cmd_parse_result(a, bytes, a->rest[0], &t, &e) || !cmd_shown_form(a, &t, &shown, &e) ||
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
