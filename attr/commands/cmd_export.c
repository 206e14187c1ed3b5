// SPDX-License-Identifier: Apache-2.0
// cmd_export.c — a model inside the program, as the folder that it would be on disk.
#include "commands.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int run(Args *a)
{
    Err e = {0};
    if (a->n_rest != 2)
        return cmd_complain("export needs a built-in model and a folder: inseq export demo/en-nl FOLDER"),
               EXIT_USAGE;
    const char *name = a->rest[0], *to = a->rest[1];
    if (!nn_builtin(a->a, name, &e)) return cmd_fail(&e, EXIT_INPUT);
    if (file_exists(arena_printf(a->a, "%s/config.json", to)))
        return cmd_complain(arena_printf(a->a, "export: %s holds a model already; give a new folder", to)),
               EXIT_INPUT;
    if (mkdir(to, 0777) && errno != EEXIST)
        return cmd_complain(
                   arena_printf(a->a, "export: %s: cannot make this folder: %s", to, strerror(errno))),
               EXIT_INPUT;
    size_t n = strlen(name), files = 0, bytes = 0;
    for (const BuiltinFile *f = file_builtins; f->path; f++) {
        if (strncmp(f->path, name, n) || f->path[n] != '/') continue;
        Str s = {f->from, (size_t)(f->to - f->from)};
        if (!file_write(arena_printf(a->a, "%s%s", to, f->path + n), s, &e)) return cmd_fail(&e, EXIT_INPUT);
        files++, bytes += s.n;
    }
    Buf b = {.arena = a->a};
    if (args_on(a, "json")) {
        buf_str(&b, STR_LIT("{\"model\":")), buf_json(&b, str_of(name));
        buf_str(&b, STR_LIT(",\"folder\":")), buf_json(&b, str_of(to));
        buf_printf(&b, ",\"files\":%zu,\"bytes\":%zu}\n", files, bytes);
    } else buf_printf(&b, "%s: %zu files, %.2f MB in %s\n", name, files, (double)bytes / 1e6, to);
    return cmd_print_text(a, buf_view(&b));
}

const Command command_export = {
    .name = "export",
    .options = LIST,
    .words = 2,
    .run = run,
    .usage = "demo/en-nl|demo/yes-no|demo/yes-no-small FOLDER",
    .summary = "a model inside this program, as a checkpoint folder",
    .example = "demo/en-nl FOLDER",
};
