// SPDX-License-Identifier: Apache-2.0
// command_line.c — lines of bytes as the words of a command line. It runs in a folder of its own, and no word may lead out
// of it: one with a slash is left out, "M" stands for a built-in model.
#define main inseq_main
#include "../../inseq.c"
#undef main

#include "fuzz_kit.h"

#include <fcntl.h>
#include <ftw.h>

static int remove_it(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s, (void)kind;
    if (where->level) remove(path);
    return 0;
}

static void make_ready(void)
{
    static unsigned runs;
    if (runs++ % 1024) return;
    if (runs == 1) {
        int fd = open("/dev/null", O_RDWR);
        REQUIRE(chdir(fuzz_folder("command")) == 0 && dup2(fd, 0) == 0 && dup2(fd, 1) == 1);
        base_on_no_memory(NULL);
    }
    nftw(".", remove_it, 8, FTW_DEPTH | FTW_PHYS);
}

// Minutes of work.
static bool too_long(const uint8_t *data, size_t n)
{
    return fuzz_long_number(data, n, 2) || memmem(data, n, "bench", 5) || memmem(data, n, "demo\n", 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (too_long(data, n)) return 0;
    make_ready();
    Arena *words = arena_create(NULL);
    char *argv[66] = {(char *)(uintptr_t) "inseq"};
    int argc = 1;
    for (size_t at = 0, length; at < n && argc < 64; at += length + 1) {
        const uint8_t *end = memchr(data + at, '\n', n - at);
        length = end ? (size_t)(end - data) - at : n - at;
        char *word = str_zero(words, (Str){(const char *)data + at, length});
        if (!strcmp(word, "M")) word = (char *)(uintptr_t) "demo/en-nl";
        else if (strchr(word, '/') || strstr(word, "..")) continue;
        argv[argc++] = word;
    }
    everything = arena_create(NULL);
    int code = run(everything, argc, argv, NULL);
    REQUIRE(code >= 0 && code <= 3);
    pool_stop();
    arena_free(everything), arena_free(words);
    fflush(stdout);
    return 0;
}
