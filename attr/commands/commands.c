// SPDX-License-Identifier: Apache-2.0
// commands.c — the table of subcommands.
#include "commands.h"

#define COMMAND(c) extern const Command command_##c;
#include "commands.def"
#undef COMMAND
static const Command *const commands[] = {
#define COMMAND(c) &command_##c,
#include "commands.def"
#undef COMMAND
};

Commands cmd_all(void) { return (Commands){commands, sizeof commands / sizeof *commands}; }
