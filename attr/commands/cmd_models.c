// SPDX-License-Identifier: Apache-2.0
// cmd_models.c — which models there are to choose from: in the Hub's cache, in a folder, inside the program; what each is, and
// whether it can be loaded here. Each is opened as any command would open it, which reads its configuration and the heads of its
// weights; the weights themselves stay where they are.
#include "commands.h"

#include <string.h>

typedef struct Listing {
    Args *args;
    Buf out, group; // group: the lines of a place so far
    size_t count;
    bool json, names;
} Listing;

static void put_field(Buf *b, const char *key, const char *value)
{
    buf_printf(b, ",\"%s\":", key), buf_json(b, str_of(value));
}

static void put_json(Buf *b, const char *where, const char *name, const ModelInfo *f, const char *refusal)
{
    buf_str(b, STR_LIT("{\"name\":")), buf_json(b, str_of(name)), put_field(b, "where", where);
    buf_printf(b, ",\"loads\":%s", f ? "true" : "false");
    if (!f) put_field(b, "refusal", refusal);
    else {
        put_field(b, "family", f->family), put_field(b, "class", f->class_name);
        buf_printf(b, ",\"parameters\":%" PRIu64 ",\"bytes\":%" PRIu64, f->parameters, f->bytes);
        put_field(b, "format", f->format), put_field(b, "types", f->types);
        if (f->quantization) put_field(b, "quantization", f->quantization);
    }
    buf_char(b, '}');
}

// "12.3 MB", "1.2 GB"
static const char *size_text(Arena *a, uint64_t bytes)
{
    bool giga = bytes >= 1000000000;
    return arena_printf(a, "%.1f %cB", (double)bytes / (giga ? 1e9 : 1e6), giga ? 'G' : 'M');
}

// One model, by the name that -m takes. cache: where names are looked up; NULL: where they always are.
static void put_model(Listing *l, const char *where, const char *name, const char *cache)
{
    if (l->names) {
        buf_printf(&l->out, "%s\n", name), l->count++;
        return;
    }
    Arena *a = arena_create(l->args->a);
    Err e = {0};
    const Model *m = nn_open(a, name, (NnOptions){.cache_dir = cache}, &e);
    const ModelInfo *f = m ? nn_info(m) : NULL;
    const char *refusal = arena_printf(a, "%.*s", (int)strcspn(e.text, "\n"), e.text);
    if (l->json) {
        if (l->count) buf_char(&l->group, ',');
        put_json(&l->group, where, name, f, refusal);
    } else if (f)
        buf_printf(&l->group, "  %-36s %-10s %10s  %s\n", name, f->family, size_text(a, f->bytes),
                   f->quantization ? f->quantization : f->types);
    else buf_printf(&l->group, "  %-36s does not load: %s\n", name, refusal);
    l->count++;
    arena_free(a);
}

// The models of a place are shown under its name; of none nothing is.
static void end_place(Listing *l, const char *title)
{
    if (l->group.n && !l->json) buf_printf(&l->out, "%s%s\n", l->out.n ? "\n" : "", title);
    if (l->group.n) buf_str(&l->out, buf_view(&l->group));
    l->group.n = 0;
}

// A file of several is named by its first: "x-00002-of-00003.gguf" is not.
static bool later_part(Str name)
{
    for (size_t i = 0; i + 10 <= name.n; i++)
        if (!memcmp(name.s + i, "-of-", 4) && i >= 6 && memcmp(name.s + i - 6, "-00001", 6) != 0 &&
            name.s[i - 6] == '-')
            return true;
    return false;
}

static bool is_model(Arena *a, const char *folder)
{
    return file_exists(arena_printf(a, "%s/config.json", folder)) ||
           file_exists(arena_printf(a, "%s/adapter_config.json", folder));
}

// Model folders and GGUF files in a folder and, so deep, in those inside it.
static void put_folder(Listing *l, const char *folder, int depth)
{
    Arena *a = l->args->a;
    size_t n;
    if (is_model(a, folder)) put_model(l, "folder", folder, NULL);
    const char *const *name = dir_names(a, folder, &n);
    for (size_t i = 0; i < n; i++) {
        const char *path = arena_printf(a, "%s/%s", folder, name[i]);
        bool is_folder = dir_exists(path);
        if (!is_folder && str_ends(str_of(name[i]), STR_LIT(".gguf")) && !later_part(str_of(name[i])))
            put_model(l, "folder", path, NULL);
        else if (is_folder && depth && name[i][0] != '.') put_folder(l, path, depth - 1);
    }
}

static void put_cache(Listing *l, const char *cache, const char *title)
{
    const char *const *name;
    size_t n = nn_cached(l->args->a, cache, &name);
    for (size_t i = 0; i < n; i++) put_model(l, "cache", name[i], cache);
    end_place(l, title);
}

static int run(Args *a)
{
    enum { DEPTH = 2 };
    Err e = {0};
    Listing l = {.args = a, .json = args_on(a, "json"), .names = args_on(a, "names")};
    l.out.arena = l.group.arena = a->a;
    const char *folder = a->n_rest ? a->rest[0] : NULL, *cache = args_text(a, "cache_dir"), *const * name;
    if (folder && !dir_exists(folder))
        return cmd_complain(arena_printf(a->a, "models: %s: no such folder", folder)), EXIT_INPUT;
    if (!args_start_machine(a, &e)) return cmd_fail(&e, EXIT_INPUT);
    if (l.json) buf_str(&l.out, STR_LIT("{\"models\":["));
    if (folder) {
        put_cache(&l, folder, arena_printf(a->a, "%s, a cache (--cache-dir %s)", folder, folder));
        if (!l.count) put_folder(&l, folder, DEPTH), end_place(&l, folder);
    } else {
        size_t n = nn_builtins(a->a, &name);
        put_cache(&l, cache, "in the Hub cache");
        for (size_t i = 0; i < n; i++) put_model(&l, "inside", name[i], NULL);
        end_place(&l, "inside this program");
    }
    if (l.json) buf_str(&l.out, STR_LIT("]}\n"));
    else if (!l.count) buf_printf(&l.out, "no models in %s\n", folder);
    return cmd_print_text(a, buf_view(&l.out));
}

const Command command_models = {
    .name = "models",
    .options = MODELS,
    .words = 1,
    .run = run,
    .usage = "[FOLDER] [--cache-dir DIR] [--json]",
    .summary = "the models in the Hub's cache or in a folder",
    .example = "FOLDER",
};
