// SPDX-License-Identifier: Apache-2.0
// cmd_help.c — explains: commands, methods, step functions, aggregators, formats, options, and what else has a name.
#include "commands.h"

#include <unistd.h>

static int run(Args *a)
{
    Buf out = {.arena = a->a};
    Err e = {0};
    int width = terminal_width(STDOUT_FILENO);
    if (args_on(a, "man")) manual(a->commands, &out);
    else if (args_on(a, "man_methods")) manual_methods(&out);
    else if (args_on(a, "man_formats")) manual_formats(&out);
    else if (!a->n_rest) help_topics(a->commands, width, &out);
    else if (!help_topic(a->a, a->commands, a->rest[0], args_on(a, "all"), width, &out, &e))
        return cmd_fail(&e, EXIT_USAGE);
    return cmd_print(buf_view(&out));
}

const Command command_help = {
    .name = "help",
    .options = HELP,
    .words = 1,
    .run = run,
    .usage = "[TOPIC] [--help-all]",
    .summary = "explains a command, a method, an option",
    .example = "integrated_gradients",
};
