// SPDX-License-Identifier: Apache-2.0
// files.c — which files a model was opened from, known by their SHA-256: what the numbers of a result depend on besides
// the options and the program. Nothing is hashed until somebody asks, and nothing twice.
#include "encode.h"

#include <stdlib.h>
#include <string.h>

struct TextFiles {
    Arena *a;
    FileWatch *watch[2]; // what nn/ read, and what tok/ did
    TextFile *file;      // what was hashed so far
    size_t n;
};

void texts_watch(const Loaded *l, bool tokenizer)
{
    file_watch(l && l->files ? l->files->watch[tokenizer] : NULL);
}

TextFiles *texts_no_files(Arena *a)
{
    TextFiles *t = arena_new(a, TextFiles, 1);
    *t = (TextFiles){.a = a, .watch = {file_watch_new(a), file_watch_new(a)}};
    return t;
}

// ------------------------------------------------------------------------------------------ hashing

typedef struct Hashing {
    TextFile *file;
    Str bytes;
} Hashing;

static void hash_one(int64_t i, void *context)
{
    enum { PART = 1 << 20 };
    Hashing *h = (Hashing *)context + i;
    Sha256 x;
    sha256_begin(&x);
    for (size_t at = 0; at < h->bytes.n && !pool_stopping(); at += PART)
        sha256_part(&x, (Str){h->bytes.s + at, h->bytes.n - at < PART ? h->bytes.n - at : PART});
    sha256_end_hex(&x, h->file->sha256);
}

static int larger_first(const void *x, const void *y)
{
    const Hashing *p = x, *q = y;
    return p->bytes.n < q->bytes.n ? 1 : p->bytes.n > q->bytes.n ? -1 : strcmp(p->file->path, q->file->path);
}

// The largest first, so that no thread begins with it when the others end.
static bool hash_files(Arena *a, Hashing *h, size_t n, Err *e)
{
    Arena *own = arena_create(a);
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        ok = file_map(own, h[i].file->path, &h[i].bytes, e);
        h[i].file->bytes = h[i].bytes.n;
    }
    if (ok) {
        qsort(h, n, sizeof *h, larger_first);
        pool_run((int64_t)n, hash_one, h);
    }
    arena_free(own);
    return ok;
}

// ------------------------------------------------------------------------------------------ which

// Where a file stands in its folder, so that a model that was moved is still the same.
static const char *name_of(const Loaded *l, const char *path)
{
    const size_t n = strlen(l->info->folder);
    const char *slash = strrchr(path, '/');
    if (!strncmp(path, l->info->folder, n) && path[n] == '/') return path + n + 1;
    return slash ? slash + 1 : path;
}

// Both sides' paths in one list, by path; a file that both read is there once.
static bool list_files(const Loaded *l, TextFile **out, size_t *n, Err *e)
{
    TextFiles *t = l->files;
    size_t count[2] = {0, 0}, at[2] = {0, 0};
    const char *const *path[2];
    for (int k = 0; k < 2; k++)
        if (!(path[k] = file_watched(t->a, t->watch[k], &count[k])))
            return err_set(e, "%s: more files than can be told of", l->name);
    TextFile *file = arena_new(t->a, TextFile, count[0] + count[1] + 1);
    for (*n = 0; at[0] < count[0] || at[1] < count[1]; ++*n) {
        const int order = at[0] == count[0]   ? 1
                          : at[1] == count[1] ? -1
                                              : strcmp(path[0][at[0]], path[1][at[1]]);
        const char *own = order <= 0 ? path[0][at[0]] : path[1][at[1]];
        file[*n] =
            (TextFile){.path = own, .name = name_of(l, own), .model = order <= 0, .tokenizer = order >= 0};
        at[0] += order <= 0, at[1] += order >= 0;
    }
    return *out = file, true;
}

bool texts_files(const Loaded *l, const TextFile **out, size_t *n, Err *e)
{
    TextFiles *t = l->files;
    size_t count = 0, fresh = 0;
    TextFile *file = NULL;
    if (!list_files(l, &file, &count, e)) return false;
    Hashing *h = arena_new(t->a, Hashing, count + 1);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < t->n; k++)
            if (!strcmp(t->file[k].path, file[i].path))
                file[i].bytes = t->file[k].bytes, memcpy(file[i].sha256, t->file[k].sha256, 65);
        if (!*file[i].sha256) h[fresh++].file = &file[i];
    }
    if (!hash_files(t->a, h, fresh, e)) return false;
    t->file = file, t->n = count;
    *out = file, *n = count;
    return true;
}

static int by_hash(const void *x, const void *y)
{
    return strcmp(((const TextFile *)x)->sha256, ((const TextFile *)y)->sha256);
}

// Of those files that are of the model or of the tokenizer.
static void hash_hashes(Arena *a, const TextFile *file, size_t n, bool model, bool tokenizer, char out[65])
{
    TextFile *sorted = arena_new(a, TextFile, n + 1);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if ((model && file[i].model) || (tokenizer && file[i].tokenizer)) sorted[kept++] = file[i];
    qsort(sorted, kept, sizeof *sorted, by_hash);
    Sha256 x;
    sha256_begin(&x);
    if (model && tokenizer) sha256_part(&x, STR_LIT("inseq " VERSION "\n"));
    for (size_t i = 0; i < kept; i++)
        sha256_part(&x, str_of(sorted[i].sha256)), sha256_part(&x, STR_LIT("\n"));
    sha256_end_hex(&x, out);
}

bool texts_hashes(const Loaded *l, char model[65], char tokenizer[65], Err *e)
{
    const TextFile *file;
    size_t n;
    if (!texts_files(l, &file, &n, e)) return false;
    hash_hashes(l->files->a, file, n, true, false, model);
    hash_hashes(l->files->a, file, n, false, true, tokenizer);
    return true;
}

bool texts_fingerprint(const Loaded *l, char out[65], Err *e)
{
    const TextFile *file;
    size_t n;
    if (!texts_files(l, &file, &n, e)) return false;
    hash_hashes(l->files->a, file, n, true, true, out);
    return true;
}
