// SPDX-License-Identifier: Apache-2.0
// hostile.h — weight files that must be refused, each with its sentence: what t_hostile.c (zips, safetensors, and what
// nobody wrote on purpose) and t_hostile_pickle.c share.
#pragma once
#include "../nn/files/checkpoint.h"
#include "kit.h"

#define GOLDEN  "test/golden/checkpoints/"
#define STORAGE KIT_STORAGE
#define ORDERED "ccollections\nOrderedDict\n)R"

static inline bool file_ends(const char *name, const char *end)
{
    return str_ends(str_of(name), str_of(end));
}

// Loads bytes as a file of that name and uses every byte that the tensors claim, so that a lie is seen by ASan.
static inline bool loads(const char *name, Str bytes, Err *e)
{
    Arena *a = arena_create(NULL);
    *e = (Err){0};
    const Checkpoint *c = checkpoint_from_bytes(
        a, file_ends(name, ".bin") ? "pytorch_model.bin" : "model.safetensors", bytes, e);
    unsigned sum = 0;
    for (size_t i = 0; c && i < c->n; i++)
        for (size_t k = 0; k < c->tensor[i].bytes; k++) sum += ((const uint8_t *)c->tensor[i].data)[k];
    if (!c && !e->set) FAIL("%s: refused without a word", name);
    if (c && e->set) FAIL("%s: loaded with an error: %s", name, e->text);
    volatile unsigned used = sum;
    (void)used;
    arena_free(a);
    return c != NULL;
}

static inline void refused_at(const char *file, const char *name, Str bytes, const char *part, int line)
{
    Err e;
    if (loads(name, bytes, &e)) test_fail(file, line, "%s with '%s' loads", name, part);
    else check_has(file, line, e.text, part);
}
#define refused(...) refused_at(__FILE__, __VA_ARGS__) // name, bytes, part of the sentence, line

// head, then body n times, then tail
static inline Str repeated(Arena *A, Str head, Str body, size_t n, Str tail)
{
    Buf b = {.arena = A};
    buf_str(&b, head);
    size_t total = body.n * n;
    for (size_t done = 0; done < total;) { // once, then what is there already: 1, 1, 2, 4, ... times
        size_t more = done ? done : body.n;
        if (more > total - done) more = total - done;
        buf_put(&b, done ? b.s + head.n : body.s, more);
        done += more;
    }
    buf_str(&b, tail);
    return buf_view(&b);
}
