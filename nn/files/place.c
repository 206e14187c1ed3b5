// SPDX-License-Identifier: Apache-2.0
// place.c — MODEL, as people write it, to the folders where its files are.
//
// People give a folder or a name, and also the address of the page, a file of the folder, the cache's own folders, the
// folder that a trainer wrote its checkpoints into, an adapter without its base. What can only mean one thing is taken;
// for the rest a sentence says what to give instead. Of an adapter transformers takes the base beside it where there is a
// config.json, else the one that adapter_config.json names, relative to where the program was started.
#include "gguf.h"

#include <string.h>

// ---------------------------------------------------------------------------------------------------- addresses

static bool take(Str *s, const char *start)
{
    size_t n = strlen(start);
    if (!str_starts(*s, (Str){start, n})) return false;
    s->s += n, s->n -= n;
    return true;
}

static Str until(Str *s, char stop) // what stands before the next stop; s goes on behind it
{
    const char *at = memchr(s->s, stop, s->n);
    Str part = {s->s, at ? (size_t)(at - s->s) : s->n};
    s->s += part.n + (at != NULL), s->n -= part.n + (at != NULL);
    return part;
}

// The address of a model's page as its name; other words stay as they are. Its revision counts if none is given.
static const char *name_in_address(Arena *a, const char *model, const char **revision, Err *e)
{
    static const char *const hosts[] = {"www.huggingface.co/", "huggingface.co/", "www.hf.co/", "hf.co/",
                                        "hf-mirror.com/"};
    Str s = str_of(model);
    bool address = take(&s, "https://") || take(&s, "http://") || take(&s, "hf://"),
         known = str_starts(str_of(model), STR_LIT("hf://"));
    if (take(&s, "git@hf.co:") || take(&s, "git@huggingface.co:")) address = known = true;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts && !known; i++) known = take(&s, hosts[i]);
    char text[SHOWN];
    if (!known && address)
        return err_set(e,
                       "model '%s': this program never uses the network; give the folder that the model was "
                       "downloaded into, or its name on the Hub",
                       shown(text, str_of(model))),
               NULL;
    if (!known) return model;
    s = until(&s, '?'), s = until(&s, '#');
    Buf plain = {.arena = a}; // "refs%2Fpr%2F9"
    for (size_t i = 0; i < s.n; i++) {
        bool slash = i + 2 < s.n && (!memcmp(s.s + i, "%2F", 3) || !memcmp(s.s + i, "%2f", 3));
        buf_char(&plain, slash ? '/' : s.s[i]), i += slash ? 2 : 0;
    }
    s = buf_view(&plain);
    take(&s, "models/");
    if (str_starts(s, STR_LIT("datasets/")) || str_starts(s, STR_LIT("spaces/")))
        return err_set(e, "model '%s': this is the address of no model", shown(text, str_of(model))), NULL;
    Str org = until(&s, '/'), name = until(&s, '/'), kind = until(&s, '/');
    if (str_ends(name, STR_LIT(".git"))) name.n -= 4;
    if (!*revision && (str_is(kind, "tree") || str_is(kind, "blob") || str_is(kind, "resolve"))) {
        bool pull = str_starts(s, STR_LIT("refs/pr/"));
        Str rest = {s.s + 8, pull ? s.n - 8 : 0}, part = pull ? until(&rest, '/') : until(&s, '/');
        if (part.n) *revision = arena_printf(a, "%s%.*s", pull ? "refs/pr/" : "", (int)part.n, part.s);
    }
    return arena_printf(a, name.n ? "%.*s/%.*s" : "%.*s", (int)org.n, org.s, (int)name.n, name.s);
}

// ---------------------------------------------------------------------------------------------------- folders

static const char *parent(Arena *a, const char *path, const char **last) // last: the part that is cut off
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t start = n;
    while (start && path[start - 1] != '/') start--;
    *last = arena_printf(a, "%.*s", (int)(n - start), path + start);
    while (start > 1 && path[start - 1] == '/') start--;
    return start ? arena_printf(a, "%.*s", (int)start, path) : ".";
}

static bool is_model(Arena *a, const char *folder)
{
    return in_dir(a, folder, "config.json") || in_dir(a, folder, "adapter_config.json");
}

// A folder without a model in it: the one of the cache's folders that it is, or an error that names where models are.
static const char *settle(Arena *a, const char *folder, const char *revision, const char **note, Err *e)
{
    const char *last, *repo = parent(a, folder, &last), *const * name;
    if (str_starts(str_of(folder), STR_LIT(BUILTIN)) || is_model(a, folder)) return folder;
    if (dir_exists(arena_printf(a, "%s/snapshots", folder)))
        return hub_snapshot(a, folder, revision, note, e);
    if (!strcmp(last, "snapshots")) return hub_snapshot(a, repo, revision, note, e);
    const char *checkpoint = last_checkpoint(a, folder);
    if (checkpoint)
        return err_set(e, "%s: no model, but a trainer's folder; its last checkpoint is %s: -m %s", folder,
                       checkpoint, checkpoint),
               NULL;
    const char **models = arena_new(a, const char *, MOST_NAMES);
    Buf there = {.arena = a};
    size_t n = hub_models(a, folder, models), found = 0;
    for (size_t i = 0; i < n && i < 8; i++) buf_printf(&there, "%s%s", i ? ", " : "", models[i]);
    if (n)
        return err_set(e, "%s: a cache of %zu model%s, no model; name one of them: %s%s (--cache-dir %s)",
                       folder, n, n == 1 ? "" : "s", there.s, n > 8 ? ", ..." : "", folder),
               NULL;
    if (has_weights(a, folder)) return folder;
    n = dir_list(a, folder, &name);
    for (size_t i = 0; i < n && found < 4; i++) {
        const char *inner = arena_printf(a, "%s/%s", folder, name[i]);
        if (is_model(a, inner)) buf_printf(&there, "%s%s", found++ ? ", " : "", inner);
    }
    if (found) return err_set(e, "%s: no config.json here; models are in %s", folder, there.s), NULL;
    return folder;
}

// A pull request's snapshot of the weights alone (the Hub's conversion bot leaves them): all else is main's.
static bool split(Arena *a, const char **note, Place *p, Err *e)
{
    const char *commit, *last, *snapshots = parent(a, p->folder, &commit),
                               *repo = parent(a, snapshots, &last);
    if (strcmp(last, "snapshots") || is_model(a, p->folder) || !has_weights(a, p->folder)) return true;
    Err own = {0};
    const char *main = hub_snapshot(a, repo, "main", NULL, &own);
    if (!main || !in_dir(a, main, "config.json"))
        return err_set(e, "%s: this snapshot holds weights alone, and main's is not in the cache%s%s",
                       p->folder, own.set ? ": " : "", own.text);
    if (note)
        *note = arena_printf(a, "%s%sthe weights are read from %s, all else from %s", *note ? *note : "",
                             *note ? "\n" : "", p->folder, main);
    p->folder = main;
    return true;
}

// "org/name:Q4_K_M", "FOLDER:FILE.gguf": the part before; the rest to `file`, .s NULL if there is none.
static const char *cut_file(Arena *a, const char *name, Str *file)
{
    const char *colon = strrchr(name, ':');
    *file = (Str){NULL, 0};
    if (!colon || colon == name || !colon[1] || strchr(colon, '/') ||
        str_starts(str_of(name), STR_LIT(BUILTIN)) || dir_exists(name))
        return name;
    *file = str_of(colon + 1);
    return arena_printf(a, "%.*s", (int)(colon - name), name);
}

// A GGUF file in the place of the folder: the one that is asked for, or the only one of a folder without other weights.
static bool find_gguf(Arena *a, Place *p, Str wanted, Err *e)
{
    Err own = {0};
    if (!wanted.s && has_weights(a, p->folder)) return true;
    const char *file = gguf_in(a, p->folder, wanted, &own);
    if (own.set) return err_set(e, "%s", own.text);
    if (!file) return true;
    if (!gguf_unfold(a, file, e)) return false;
    p->folder = p->weights = file;
    return true;
}

static bool find(Arena *a, const char *model, const char *revision, const char *cache_dir, const char **note,
                 Place *out, Err *e)
{
    Err own = {0};
    Str file;
    if (str_ends(str_of(model), STR_LIT(".gguf")) && file_exists(model)) {
        *out = (Place){.folder = model, .weights = model};
        return gguf_unfold(a, model, e);
    }
    const char *last, *name = name_in_address(a, model, &revision, e);
    if (!name) return false;
    name = cut_file(a, name, &file);
    *out = (Place){.folder = hub_folder(a, name, revision, cache_dir, note, &own)};
    if (!out->folder && file_exists(model)) {
        const char *folder = parent(a, model, &last);
        return err_set(e, "model '%s' is a file; a model is a folder, here -m %s", model, folder);
    }
    if (!out->folder) return err_set(e, "%s", own.text);
    if (!str_starts(str_of(out->folder), STR_LIT(BUILTIN)) && !find_gguf(a, out, file, e)) return false;
    if (out->weights) return true;
    if (!(out->folder = settle(a, out->folder, revision, note, e))) return false;
    out->weights = out->folder;
    return split(a, note, out, e);
}

// ---------------------------------------------------------------------------------------------------- adapters

static bool has_tokenizer(Arena *a, const char *folder)
{
    static const char *const files[] = {"tokenizer_config.json", "tokenizer.json", "spiece.model",
                                        "tokenizer.model",       "source.spm",     "vocab.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (in_dir(a, folder, files[i])) return true;
    return false;
}

// The base of an adapter that stands alone.
static bool find_base(Arena *a, const char *adapter, const char *cache_dir, const char **note, Place *out,
                      Err *e)
{
    Config c;
    Err own = {0};
    char text[SHOWN];
    if (!config_open(a, adapter, "adapter_config.json", &c, e)) return false;
    Str base = cfg_str(&c, "base_model_name_or_path", ""), revision = cfg_str(&c, "revision", "");
    if (e && e->set) return false;
    if (!base.n)
        return err_set(
            e,
            "%s: an adapter alone, and its adapter_config.json names no base; give the base with -m and "
            "this folder with --adapter, or merge the two with merge_and_unload() from Python",
            adapter);
    if (!find(a, str_zero(a, base), revision.n ? str_zero(a, revision) : NULL, cache_dir, note, out, &own))
        return err_set(
            e,
            "%s: an adapter alone, and its base '%s' (base_model_name_or_path) is not found; give the base "
            "with -m and this folder with --adapter, or merge the two with merge_and_unload() from "
            "Python. %.*s",
            adapter, shown(text, base), (int)strcspn(own.text, "\n"), own.text);
    return true;
}

bool place_find(Arena *a, const char *model, const char *revision, const char *cache_dir, const char *adapter,
                const char **note, Place *out, Err *e)
{
    Place other = {0};
    if (!find(a, model, revision, cache_dir, note, out, e)) return false;
    if (in_dir(a, out->folder, "adapter_config.json")) {
        other = *out;
        if (adapter)
            return err_set(e, "--adapter %s: %s has an adapter of its own; only one can be put on a model",
                           adapter, out->folder);
        if (!in_dir(a, out->folder, "config.json") && !find_base(a, out->folder, cache_dir, note, out, e))
            return false;
    } else if (adapter) {
        if (!find(a, adapter, NULL, cache_dir, note, &other, e)) return false;
        if (!in_dir(a, other.folder, "adapter_config.json"))
            return err_set(e, "--adapter %s: no adapter_config.json in %s", adapter, other.folder);
    }
    out->adapter = other.folder;
    out->tokenizer = out->adapter && has_tokenizer(a, out->adapter) ? out->adapter : out->folder;
    return true;
}
