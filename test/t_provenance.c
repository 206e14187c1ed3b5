// SPDX-License-Identifier: Apache-2.0
// t_provenance.c — what a result says of where it is from: the files it was made of, by their hashes.
#include "../attr/texts/texts.h"
#include "cli.h"
#include "copies.h"

// ------------------------------------------------------------------------------------------ files

static void no_note(void *context, const char *sentence) { (void)context, (void)sentence; }

static bool opened(Arena *A, const char *folder, Loaded *l)
{
    static const Talk quiet = {.note = no_note};
    Err e = {0};
    if (texts_load(A, folder, NULL, (NnOptions){0}, &quiet, l, &e)) return true;
    FAIL("%s: %s", folder, e.text);
    return false;
}

static const char *fingerprint(Arena *A, const Loaded *l)
{
    char *hex = arena_new(A, char, 65);
    Err e = {0};
    if (!texts_fingerprint(l, hex, &e)) FAIL("%s: %s", l->name, e.text);
    return hex;
}

// Each file that a model was opened from, weights and tokenizer above all, is there once with the hash of its bytes.
TEST(provenance_files)
{
    static const char *const expected[] = {"config.json", "model.safetensors", "source.spm", "target.spm",
                                           "vocab.json"};
    Loaded l;
    const TextFile *file, *again;
    size_t n, m;
    Err e = {0};
    if (!opened(A, MODEL, &l)) return;
    CHECK(texts_files(&l, &file, &n, &e));
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        size_t times = 0;
        for (size_t i = 0; i < n; i++) times += !strcmp(file[i].name, expected[k]);
        if (times != 1) FAIL("%s: %zu times", expected[k], times);
    }
    for (size_t i = 0; i < n; i++) {
        char hex[65];
        Str bytes = test_read(A, file[i].path);
        sha256_hex(bytes, hex);
        CHECK_STR(str_of(file[i].sha256), str_of(hex));
        CHECK_INT(file[i].bytes, bytes.n);
    }
    CHECK(texts_files(&l, &again, &m, &e) && m == n && !strcmp(again[0].sha256, file[0].sha256));
}

// The fingerprint is the same for a model that was moved, and another one if a byte of any of its files is.
TEST(provenance_fingerprint)
{
    const char *moved = copy_folder(A, "odd-marian", NULL, 0);
    Loaded here, there, other;
    const TextFile *file;
    size_t n;
    Err e = {0};
    if (!opened(A, MODEL, &here) || !opened(A, moved, &there)) return;
    const char *own = fingerprint(A, &here);
    CHECK_INT(strlen(own), 64);
    CHECK_STR(str_of(own), str_of(fingerprint(A, &there)));
    CHECK(texts_files(&here, &file, &n, &e));
    for (size_t i = 0; i < n; i++) {
        const bool weights = strstr(file[i].name, "safetensors");
        Str bytes = str_copy(A, test_read(A, file[i].path));
        char *last = (char *)bytes.s + bytes.n - 1, kept = *last;
        if (!weights && kept != '}' && kept != '\n') continue; // a byte more does no harm to these, JSON
        if (weights) *last ^= 1, kit_write(moved, file[i].name, bytes);
        else kit_write(moved, file[i].name, str_of(arena_printf(A, "%.*s ", (int)bytes.n, bytes.s)));
        if (opened(A, moved, &other) && !strcmp(fingerprint(A, &other), own))
            FAIL("another %s, and the same fingerprint", file[i].name);
        *last = kept;
        kit_write(moved, file[i].name, bytes);
    }
    kit_write(moved, "config.json", STR_LIT(""));
    unlink(arena_printf(A, "%s/model.safetensors", moved));
    char hex[65];
    CHECK(texts_fingerprint(&there, hex, &e)); // it is known already
}

static bool hash_all(Arena *A, void *context, Err *e)
{
    (void)context;
    static const Talk quiet = {.note = no_note};
    Loaded l;
    char hex[65];
    return texts_load(A, MODEL, NULL, (NnOptions){0}, &quiet, &l, e) && texts_fingerprint(&l, hex, e);
}

TEST(provenance_faults)
{
    for (int kind = 0; kind < FAULT_KINDS; kind++) test_every_fault(A, (FaultKind)kind, hash_all, NULL);
}
