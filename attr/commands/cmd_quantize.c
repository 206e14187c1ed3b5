// SPDX-License-Identifier: Apache-2.0
// cmd_quantize.c — a model in another type of weights, as files.
#include "commands.h"

#include <string.h>

typedef struct Writing {
    Args *a;
    const Loaded *l;
    const char *to; // where
    bool ok;
    Err e;
} Writing;

// The tokenizer's files, as they are.
static bool copy_tokenizer(const Writing *w, FolderOut *to, Err *e)
{
    enum { LARGEST = 256 << 20 };
    Arena *a = w->a->a;
    const char *const *name, *folder = w->l->info->tokenizer, *other = args_text(w->a, "tokenizer");
    NnOptions o;
    if (other && (!args_loading(w->a, &o, e) || !(folder = nn_folder(a, other, o, e)))) return false;
    for (size_t i = 0, n = tok_files(&name); i < n; i++) {
        const char *path = arena_printf(a, "%s/%s", folder, name[i]);
        Str text;
        if (file_exists(path) &&
            (!file_read(a, path, LARGEST, &text, e) || !file_write(folder_file(to, name[i]), text, e)))
            return false;
    }
    return true;
}

static void write_folder(void *context)
{
    Writing *w = context;
    FolderOut *to = folder_begin(w->a->a, w->to, &w->e);
    w->ok = to && nn_write_float32(w->a->a, w->l->model, to, &w->e) && copy_tokenizer(w, to, &w->e) &&
            folder_end(to, &w->e);
}

static int run(Args *a)
{
    const char *model = a->n_rest ? a->rest[0] : args_text(a, "model_name_or_path"),
               *type = args_text(a, "to");
    Loaded l = {0};
    Writing w = {.a = a, .l = &l, .to = args_text(a, "output")};
    if (a->n_rest && args_get(a, "model_name_or_path")->given)
        return cmd_complain("quantize takes one model"), EXIT_USAGE;
    if (!model) return cmd_complain(NO_MODEL), EXIT_USAGE;
    if (!type || strcmp(type, "f32"))
        return cmd_complain("quantize needs --to f32 and -o FOLDER"), EXIT_USAGE;
    if (!w.to) return cmd_complain("where to? give a new folder with -o FOLDER"), EXIT_USAGE;
    if (!args_start_machine(a, &w.e) || !args_load(a, model, &l, &w.e)) return cmd_fail(&w.e, EXIT_INPUT);
    a->catch_interrupts();
    if (!stop_run(write_folder, &w)) return cmd_interrupted(false);
    return w.ok ? 0 : cmd_fail(&w.e, EXIT_INPUT);
}

const Command command_quantize = {
    .name = "quantize",
    .options = QUANTIZE,
    .words = 1,
    .run = run,
    .usage = "MODEL --to TYPE -o PATH",
    .summary = "a model with its weights in another type, as files",
    .example = "demo/en-nl --to f32 -o FOLDER",
};
