// SPDX-License-Identifier: Apache-2.0
// copies.h — copies of golden models' folders: with files changed or left out, and with their weights stored otherwise.
#pragma once
#include "kit.h"

typedef struct Edit { // of one file
    const char *file;
    const char *old;   // the text to be replaced, once; NULL: the whole file
    const char *fresh; // NULL: the file is left out
} Edit;

// test/golden/models/MODEL in a folder that is gone again with A.
const char *copy_folder(Arena *A, const char *model, const Edit *edit, size_t n);
#define COPY(model, ...)                                                                                     \
    copy_folder(A, model, (const Edit[]){__VA_ARGS__}, sizeof((const Edit[]){__VA_ARGS__}) / sizeof(Edit))

typedef struct Storing {
    const char *type;      // "F32", "F16", "BF16": matrices and vectors alike; NULL: as they are
    bool back;             // and then the numbers that remain, as F32
    int shards;            // with an index; 0: one file
    bool bin, legacy;      // pytorch_model.bin: a zip, or the older layout; false: safetensors
    bool bare;             // names without "model."
    const char *leave[4];  // tensors whose names hold one of these are left out
    const char *from, *to; // a tensor's name, and the one it gets
} Storing;

// The weights of `folder` (any; MODEL's copy, mostly) are replaced by the same ones, stored so.
void copy_weights(Arena *A, const char *folder, Storing how);
