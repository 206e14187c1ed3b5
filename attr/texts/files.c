// SPDX-License-Identifier: Apache-2.0
// files.c — which files a model was opened from, known by their SHA-256: what the numbers of a result depend on besides
// the options and the program. Nothing is hashed until somebody asks, and nothing twice.
#include "encode.h"

#include <stdlib.h>
#include <string.h>

struct TextFiles {
    Arena *a;
    FileWatch *watch;
    TextFile *file; // what was hashed so far
    size_t n;
};

void texts_watch(const Loaded *l) { file_watch(l && l->files ? l->files->watch : NULL); }

TextFiles *texts_no_files(Arena *a)
{
    TextFiles *t = arena_new(a, TextFiles, 1);
    *t = (TextFiles){.a = a, .watch = file_watch_new(a)};
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

bool texts_files(const Loaded *l, const TextFile **out, size_t *n, Err *e)
{
    TextFiles *t = l->files;
    Arena *a = t->a;
    size_t count = 0, fresh = 0;
    const char *const *path = file_watched(a, t->watch, &count);
    if (!path) return err_set(e, "%s: more files than can be told of", l->name);
    TextFile *file = arena_new(a, TextFile, count + 1);
    Hashing *h = arena_new(a, Hashing, count + 1);
    for (size_t i = 0; i < count; i++) {
        file[i] = (TextFile){.path = path[i], .name = name_of(l, path[i])};
        for (size_t k = 0; k < t->n; k++)
            if (!strcmp(t->file[k].path, path[i])) file[i] = t->file[k];
        if (!*file[i].sha256) h[fresh++].file = &file[i];
    }
    if (!hash_files(a, h, fresh, e)) return false;
    t->file = file, t->n = count;
    *out = file, *n = count;
    return true;
}

static int by_hash(const void *x, const void *y)
{
    return strcmp(((const TextFile *)x)->sha256, ((const TextFile *)y)->sha256);
}

bool texts_fingerprint(const Loaded *l, char out[65], Err *e)
{
    const TextFile *file;
    size_t n;
    if (!texts_files(l, &file, &n, e)) return false;
    TextFile *sorted = arena_new(l->files->a, TextFile, n + 1);
    memcpy(sorted, file, n * sizeof *file);
    qsort(sorted, n, sizeof *sorted, by_hash);
    Sha256 x;
    sha256_begin(&x), sha256_part(&x, STR_LIT("inseq " VERSION "\n"));
    for (size_t i = 0; i < n; i++) sha256_part(&x, str_of(sorted[i].sha256)), sha256_part(&x, STR_LIT("\n"));
    sha256_end_hex(&x, out);
    return true;
}
