// SPDX-License-Identifier: Apache-2.0
// checkpoint.c — a folder's weights: which files, which reader, one sorted table of tensors.
//
// The order of readers.def is transformers' (5.23): for each format the single file, then the index of a sharded one.
// The first that exists is the one; a bad file is an error and never a reason to try the next.
#include "checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READER(r) extern const ReaderKind reader_##r;
#include "readers.def"
#undef READER
static const ReaderKind *const readers[] = {
#define READER(r) &reader_##r,
#include "readers.def"
#undef READER
};
enum { N_READERS = sizeof readers / sizeof *readers, MAX_SHARDS = 4096, MAX_INDEX = 1 << 20 };

// ---------------------------------------------------------------------------------------------------- the table

static int by_name(const void *a, const void *b)
{
    const Stored *x = a, *y = b;
    int order = str_cmp(x->name, y->name);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static bool sorted(Stored *v, size_t n, Err *e)
{
    if (n) qsort(v, n, sizeof *v, by_name);
    for (size_t i = 1; i < n; i++)
        if (str_eq(v[i - 1].name, v[i].name)) {
            char name[SHOWN];
            return err_at(e, v[i].file, v[i].at, "tensor '%s' is there twice (first in %s:+%" PRIu64 ")",
                          shown(name, v[i].name), v[i - 1].file, v[i - 1].at);
        }
    return true;
}

static Checkpoint *table(Arena *a, StoredList *l, Err *e)
{
    if (!sorted(l->v, l->n, e)) return NULL;
    Checkpoint *c = arena_new(a, Checkpoint, 1);
    *c = (Checkpoint){.format = l->format, .tensor = l->v, .n = l->n, .bytes = l->bytes, .plain = l->plain};
    return c;
}

// ---------------------------------------------------------------------------------------------------- names

static const Stored *find(const Checkpoint *c, Str before, Str name) // the one called before + name
{
    for (size_t low = 0, high = c->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        Str s = c->tensor[middle].name;
        size_t n = s.n < before.n ? s.n : before.n;
        int order = str_cmp((Str){before.s, before.n}, (Str){s.s, n});
        if (order == 0) order = str_cmp(name, (Str){s.s + n, s.n - n});
        if (order == 0) return &c->tensor[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

const Stored *checkpoint_find(const Checkpoint *c, const char *name)
{
    Str s = str_of(name), none = {"", 0};
    const Stored *found = find(c, none, s);
    if (found || !c->base.s) return found;
    Str body = s;
    if (str_starts(s, c->base)) body.s += c->base.n, body.n -= c->base.n;
    if ((found = find(c, c->prefix, body)) || (found = find(c, c->base, body))) return found;
    return (found = find(c, c->outer, body)) ? found : find(c, none, body);
}

// What data parallelism, compilation, sharding and adapters put around modules while a model trains.
static const char *const wrappers[] = {
    "module.",      "_orig_mod.",       "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.",
    "_fpw_module.", "_forward_module.", "_flat_param_mod.",      "base_layer.",
};

static Str unwrapped(Arena *a, Str name)
{
    Buf b = {.arena = a};
    for (size_t i = 0; i < name.n;) {
        Str rest = {name.s + i, name.n - i};
        const char *wrapper = NULL;
        for (size_t k = 0; k < sizeof wrappers / sizeof *wrappers && !wrapper; k++)
            if (str_starts(rest, str_of(wrappers[k]))) wrapper = wrappers[k];
        const char *dot = memchr(rest.s, '.', rest.n);
        size_t n = dot ? (size_t)(dot - rest.s) + 1 : rest.n;
        if (!wrapper || n == rest.n) buf_put(&b, rest.s, n);
        i += n;
    }
    return b.n == name.n ? name : buf_view(&b);
}

bool checkpoint_unwrap(Arena *a, Checkpoint *c, const char *before, Err *e)
{
    bool changed = false;
    size_t n = strlen(before);
    for (size_t i = 0; i < c->n; i++) {
        Str *name = &c->tensor[i].name, plain = unwrapped(a, *name);
        while (n && str_starts(plain, (Str){before, n})) plain.s += n, plain.n -= n;
        changed |= plain.n != name->n;
        *name = plain;
    }
    return !changed || sorted(c->tensor, c->n, e);
}

bool checkpoint_drop(Checkpoint *c, const bool *drop, Err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        if (!drop[i]) c->tensor[n++] = c->tensor[i];
    c->n = n;
    return sorted(c->tensor, n, e);
}

void checkpoint_add(Arena *a, Checkpoint *c, Stored tensor)
{
    Stored *more = arena_new(a, Stored, c->n + 1);
    if (c->n) memcpy(more, c->tensor, c->n * sizeof *more);
    more[c->n] = tensor;
    c->tensor = more;
    qsort(c->tensor, ++c->n, sizeof *c->tensor, by_name);
}

bool checkpoint_names(Arena *a, Checkpoint *c, const char *base, const char *anchor, Err *e)
{
    char text[SHOWN];
    for (size_t i = 0; i < c->n; i++)
        if (strstr(c->tensor[i].name.s, ".lora_A") || strstr(c->tensor[i].name.s, ".lora_B"))
            return err_at(
                e, c->tensor[i].file, c->tensor[i].at,
                "tensor '%s': the file holds a LoRA adapter beside the weights that it belongs to; save "
                "the merged model (merge_and_unload()), or the adapter by itself",
                shown(text, c->tensor[i].name));
    if (!checkpoint_unwrap(a, c, "", e)) return false;
    if (!anchor) return true;
    Str dotted = str_of(arena_printf(a, ".%s", anchor)), *before = &c->prefix;
    c->base = c->prefix = str_of(base), c->outer = (Str){"", 0};
    size_t places = 0;
    for (size_t i = 0; i < c->n; i++) {
        Str s = c->tensor[i].name;
        if (str_ends(s, dotted)) *before = (Str){s.s, s.n - dotted.n + 1}, places++;
        else if (str_is(s, anchor)) *before = (Str){"", 0}, places++;
    }
    if (places != 1) c->prefix = c->base; // two models in one file: names must be exact
    c->outer = c->prefix;
    if (c->base.n && str_ends(c->prefix, c->base)) c->outer.n -= c->base.n;
    return true;
}

Checkpoint *checkpoint_from_bytes(Arena *a, const char *file, Str bytes, Err *e)
{
    for (size_t i = 0; i < N_READERS; i++)
        if (strcmp(file, readers[i]->file) == 0) {
            StoredList l = {.arena = a, .format = readers[i]->name};
            return readers[i]->read(bytes, readers[i]->file, &l, e) ? table(a, &l, e) : NULL;
        }
    BUG("no weight format is called %s", file);
}

// ---------------------------------------------------------------------------------------------------- shards

typedef struct Mapping { // one line of an index: this tensor is in that file
    Str tensor, shard;
} Mapping;

static int by_shard(const void *a, const void *b)
{
    const Mapping *x = a, *y = b;
    int order = str_cmp(x->shard, y->shard);
    return order ? order : str_cmp(x->tensor, y->tensor);
}

static bool plain_name(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] == '/' || s.s[i] == '\\' || (unsigned char)s.s[i] < 32 || s.s[i] == 127) return false;
    return s.n && s.n <= 255 && !str_is(s, ".") && !str_is(s, "..");
}

static Mapping *read_index(Arena *a, const char *path, size_t *n, Err *e)
{
    Str text;
    if (!file_read(a, path, MAX_INDEX, &text, e) || !file_genuine(path, text, e)) return NULL;
    const Json *json = json_parse(a, text, path, e), *map = json ? json_get(json, "weight_map") : NULL;
    if (!json) return NULL;
    if (!map || map->kind != J_OBJECT || !map->count) {
        err_set(e, "%s: weight_map is %s; it must map tensor names to file names", path,
                !map                    ? "absent"
                : map->kind == J_OBJECT ? "empty"
                                        : json_kind_name(map));
        return NULL;
    }
    Mapping *v = arena_new(a, Mapping, map->count);
    *n = 0;
    for (const Json *j = map->child; j; j = j->next) {
        char name[SHOWN], shard[SHOWN];
        if (j->kind != J_STRING || !plain_name(j->text)) {
            err_at(e, path, j->at,
                   "weight_map puts '%s' into %s%s; shards must be plain names of files in the same folder",
                   shown(name, j->key), j->kind == J_STRING ? "file " : json_kind_name(j),
                   j->kind == J_STRING ? shown(shard, j->text) : "");
            return NULL;
        }
        v[(*n)++] = (Mapping){j->key, j->text};
    }
    qsort(v, *n, sizeof *v, by_shard);
    return v;
}

static bool read_file(const ReaderKind *kind, const char *path, StoredList *l, Err *e)
{
    Str bytes;
    return file_map(l->arena, path, &bytes, e) && kind->read(bytes, path, l, e);
}

// Every tensor the index names must be where it says; what else the shards hold is kept too.
static bool all_there(const Checkpoint *c, const Mapping *v, size_t n, const char *path, Err *e)
{
    for (size_t i = 0; i < n; i++) {
        char name[SHOWN], shard[SHOWN];
        size_t low = 0, high = c->n;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (str_cmp(c->tensor[middle].name, v[i].tensor) < 0) low = middle + 1;
            else high = middle;
        }
        if (low == c->n || !str_eq(c->tensor[low].name, v[i].tensor) ||
            !str_ends(str_of(c->tensor[low].file), v[i].shard))
            return err_set(e, "%s: weight_map says tensor '%s' is in %s, but that file lacks it", path,
                           shown(name, v[i].tensor), shown(shard, v[i].shard));
    }
    return true;
}

static Checkpoint *open_shards(Arena *a, const ReaderKind *kind, const char *folder, StoredList *l, Err *e)
{
    const char *path = arena_printf(a, "%s/%s", folder, kind->index);
    Arena *scratch = arena_create(a);
    size_t n = 0, n_files = 0;
    Checkpoint *c = NULL;
    const Mapping *v = read_index(scratch, path, &n, e);
    for (size_t i = 0; v && i < n; i++) n_files += i == 0 || !str_eq(v[i].shard, v[i - 1].shard);
    bool ok =
        v && (n_files <= MAX_SHARDS || err_set(e, "%s: weight_map names %zu files; at most %d are possible",
                                               path, n_files, MAX_SHARDS));
    const char **files = ok ? arena_new(a, const char *, n_files) : NULL, **file = files;
    for (size_t i = 0; ok && i < n; i++) {
        if (i && str_eq(v[i].shard, v[i - 1].shard)) continue;
        *file = arena_printf(a, "%s/%.*s", folder, (int)v[i].shard.n, v[i].shard.s);
        ok = read_file(kind, *file++, l, e);
    }
    if (ok) c = table(a, l, e);
    if (c && !all_there(c, v, n, path, e)) c = NULL;
    if (c) c->files = files, c->n_files = n_files;
    arena_free(scratch);
    return c;
}

// ---------------------------------------------------------------------------------------------------- the folder

// A link of the Hub's cache whose blob was never fetched.
static bool dangling(const char *path, Err *e)
{
    struct stat s;
    char target[300], name[SHOWN];
    if (file_exists(path) || lstat(path, &s) != 0 || !S_ISLNK(s.st_mode)) return false;
    ssize_t n = readlink(path, target, sizeof target);
    err_set(e, "%s: cache entry incomplete: blob %s is missing; download the model again", path,
            shown(name, (Str){target, n > 0 ? (size_t)n : 0}));
    return true;
}

bool has_weights(Arena *a, const char *folder)
{
    for (size_t i = 0; i < N_READERS; i++)
        if (readers[i] != &reader_gguf &&
            (in_dir(a, folder, readers[i]->file) || in_dir(a, folder, readers[i]->index)))
            return true;
    return false;
}

// Where the weights may be instead: in a trainer's last checkpoint, or in another snapshot of the Hub's cache.
static void elsewhere(Arena *a, const char *folder, Buf *out)
{
    const char *checkpoint = last_checkpoint(a, folder), *slash = strrchr(folder, '/'), *const * name;
    if (checkpoint) buf_printf(out, "; the trainer's last checkpoint is %s: -m %s", checkpoint, checkpoint);
    const char *above = slash ? arena_printf(a, "%.*s", (int)(slash - folder), folder) : "";
    if (!str_ends(str_of(above), STR_LIT("/snapshots"))) return;
    size_t n = dir_list(a, above, &name);
    for (size_t i = 0; i < n; i++)
        if (has_weights(a, arena_printf(a, "%s/%s", above, name[i])))
            buf_printf(out, "; another snapshot has weights: --revision %s", name[i]);
}

static Checkpoint *nothing_found(Arena *a, const char *folder, Err *e)
{
    static const struct {
        const char *file, *what;
    } others[] = {
        {"tf_model.h5", "TensorFlow"},  {"flax_model.msgpack", "Flax"},
        {"rust_model.ot", "rust-bert"}, {"model.npz", "Marian"},
        {"model.bin", "CTranslate2"},   {"adapter_model.safetensors", "a LoRA adapter"},
        {"model.onnx", "ONNX"},         {"pytorch_model.bin.incomplete", "an unfinished download"},
    };
    if (!dir_exists(folder)) return err_set(e, "%s: no such folder", folder), NULL;
    Buf b = {.arena = a};
    for (size_t i = 0; i < N_READERS; i++)
        buf_printf(&b, "%s%s, %s", i ? ", " : "", readers[i]->file, readers[i]->index);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (file_exists(arena_printf(a, "%s/%s", folder, others[i].file)))
            buf_printf(
                &b, "; found %s (%s), which we don't read: save the model with save_pretrained() from Python",
                others[i].file, others[i].what);
    elsewhere(a, folder, &b);
    err_set(e, "%s: no model weights in this folder; tried %s", folder, b.s);
    return NULL;
}

static Checkpoint *open_folder(Arena *a, const char *folder, bool verify, Err *e)
{
    for (size_t i = 0; i < N_READERS; i++) {
        StoredList l = {.arena = a, .format = readers[i]->name, .verify = verify};
        const char *single = arena_printf(a, "%s/%s", folder, readers[i]->file);
        const char *index = arena_printf(a, "%s/%s", folder, readers[i]->index);
        if (dangling(single, e) || dangling(index, e)) return NULL;
        Checkpoint *c = NULL;
        if (file_exists(single)) {
            if (!read_file(readers[i], single, &l, e) || !(c = table(a, &l, e))) return NULL;
            const char **files = arena_new(a, const char *, 1);
            files[0] = c->n ? c->tensor[0].file : single; // a GGUF file is not where it is looked for
            c->files = files, c->n_files = 1;
        } else if (file_exists(index)) {
            if (!(c = open_shards(a, readers[i], folder, &l, e))) return NULL;
        } else continue;
        c->folder = str_zero(a, str_of(folder));
        return c;
    }
    return nothing_found(a, folder, e);
}

Checkpoint *checkpoint_open_adapter(Arena *a, const char *folder, Err *e)
{
    static const char *const names[] = {"adapter_model.safetensors", "adapter_model.bin"};
    static const ReaderKind *const kinds[] = {&reader_safetensors, &reader_pickle};
    for (size_t i = 0; i < 2; i++) {
        StoredList l = {.arena = a, .format = kinds[i]->name};
        const char *path = arena_printf(a, "%s/%s", folder, names[i]);
        if (dangling(path, e)) return NULL;
        if (!file_exists(path)) continue;
        Checkpoint *c = read_file(kinds[i], path, &l, e) ? table(a, &l, e) : NULL;
        const char **files = arena_new(a, const char *, 1);
        files[0] = path;
        if (c) c->files = files, c->n_files = 1, c->folder = str_zero(a, str_of(folder));
        return c;
    }
    return err_set(e, "%s: an adapter_config.json, but no weights of an adapter: there is no %s and no %s",
                   folder, names[0], names[1]),
           NULL;
}

Checkpoint *checkpoint_open(Arena *a, const char *folder, Err *e) { return open_folder(a, folder, false, e); }

bool checkpoint_verify(const char *folder, Err *e)
{
    Arena *a = arena_create(NULL);
    bool ok = open_folder(a, folder, true, e) != NULL;
    arena_free(a);
    return ok;
}
