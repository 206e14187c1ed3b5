// SPDX-License-Identifier: Apache-2.0
// fuzz_kit.h — for targets above the readers: folders of files in memory, methods by number, results shown in every way.
#pragma once
#include "../../attr/attr.h"
#include "fuzz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// A folder of this target's own, made the first time.
static inline const char *fuzz_folder(const char *name)
{
    static char folder[64];
    if (folder[0]) return folder;
    snprintf(folder, sizeof folder, "%s/inseq_fuzz_%.16s_%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
             name, (int)getpid());
    REQUIRE(mkdir(folder, 0700) == 0);
    return folder;
}

static inline void fuzz_file(const char *path, Str bytes)
{
    FILE *f = fopen(path, "wb");
    REQUIRE(f && fwrite(bytes.s, 1, bytes.n, f) == bytes.n && fclose(f) == 0);
}

// A number of more digits asks for more work, and finds nothing more.
static inline bool fuzz_long_number(const uint8_t *d, size_t n, size_t most)
{
    for (size_t i = 0, run = 0; i < n; i++) {
        bool digit = d[i] >= '0' && d[i] <= '9', after = i && d[i - 1] >= '0' && d[i - 1] <= '9';
        run = digit ? run + 1 : 0;
        if (run > most || ((d[i] | 32) == 'e' && after)) return true;
    }
    return false;
}

static inline const char *fuzz_method(unsigned i)
{
    const Entry *v;
    size_t n = attr_method_list(&v);
    return v[i % n].name;
}

static inline const char *fuzz_step(unsigned i)
{
    const Entry *v;
    size_t n = attr_step_list(&v);
    return v[i % n].name;
}

// Whether these pairs are a matter of seconds, built as the targets are.
static inline bool fuzz_is_short(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n)
{
    Plan p;
    return !attr_plan(a, m, o, pair, n, 1e11, &p, NULL) || p.passes.forwards + p.passes.words_back < 400;
}

// A result survives being written and read again, and every report of it is made or refused in words. The terminal's has no
// control characters but our own.
static inline void fuzz_show(Arena *a, const Attribution *x, unsigned how)
{
    Err e = {0};
    Attribution flat, again;
    Buf once = {.arena = a};
    attr_to_json(a, x, &once);
    REQUIRE(attr_from_json(a, buf_view(&once), "again", &again, &e));
    bool ok = attr_aggregate_default(a, x, &flat, &e);
    REQUIRE(ok != e.set);
    if (!ok) return;
    ReportOptions o = {.unicode = how % 2,
                       .width = (int)(how % 100),
                       .color = (ColorDepth)(how % 4),
                       .plain = how % 5 == 0,
                       .min_val = NAN,
                       .max_val = NAN};
    size_t n;
    const Report *const *report = attr_reports(&n);
    for (size_t i = 0; i < n; i++) {
        Buf b = {.arena = a};
        e = (Err){0};
        REQUIRE(report[i]->write(a, &flat, &o, &b, &e) != e.set);
        for (size_t k = 0; !strcmp(report[i]->name, "terminal") && k < b.n; k++)
            REQUIRE((uint8_t)b.s[k] >= ' ' || strchr("\n\t\x1b", b.s[k]));
    }
}
