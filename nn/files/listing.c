// SPDX-License-Identifier: Apache-2.0
// listing.c — what lies in a folder, by name: for sentences that say what was probably meant.
#include "checkpoint.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// Nothing is allocated while the folder is open: memory that ends would leave it so.
size_t dir_list(Arena *a, const char *folder, const char *const **out)
{
    enum { ROOM = 1 << 18 };
    const char **v = arena_new(a, const char *, MOST_NAMES);
    char *room = arena_new_raw(a, char, ROOM);
    size_t n = 0, used = 0;
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && n < MOST_NAMES && (entry = readdir(d));) {
        size_t size = strlen(entry->d_name) + 1;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (size > ROOM - used) break;
        v[n++] = memcpy(room + used, entry->d_name, size);
        used += size;
    }
    if (d) closedir(d);
    if (n) qsort(v, n, sizeof *v, by_text);
    *out = v;
    return n;
}

const char *last_checkpoint(Arena *a, const char *folder)
{
    const char *const *name, *last = NULL, *const start = "checkpoint-";
    size_t n = dir_list(a, folder, &name);
    uint64_t most = 0;
    for (size_t i = 0; i < n; i++) {
        if (!str_starts(str_of(name[i]), str_of(start))) continue;
        uint64_t step = 0;
        const char *p = name[i] + strlen(start);
        for (; *p >= '0' && *p <= '9' && step < UINT64_MAX / 20; p++) step = 10 * step + (uint64_t)(*p - '0');
        if (*p || step < most || !dir_exists(arena_printf(a, "%s/%s", folder, name[i]))) continue;
        most = step, last = name[i];
    }
    return last ? arena_printf(a, "%s/%s", folder, last) : NULL;
}

bool in_dir(Arena *a, const char *folder, const char *file)
{
    return file_exists(arena_printf(a, "%s/%s", folder, file));
}
