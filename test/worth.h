// SPDX-License-Identifier: Apache-2.0
// worth.h — quantized weights in tests: what they are worth by themselves and in products, whole models beside golden data of
// float32 models of the same values, and the same bytes as from a folder of those. Data: test/golden/quantized.
#pragma once
#include "lab.h"

#define WORTH "test/golden/quantized/"

const Json *worth_index(Arena *A);
const char *worth_text(Arena *A, const Json *j, const char *key); // a string of an object
const Checkpoint *worth_file(Arena *A, const char *path);         // tensors of one safetensors file
bool worth_open(Arena *A, const char *path, Lab *l);
// n weights against their values, in stretches of any length; products with so many rows, forward or back.
void worth_widen(const char *what, const void *raw, int type, const float *want, int64_t n, uint64_t *state);
void worth_product(Arena *A, const char *what, const void *raw, int type, const float *value, int64_t rows,
                   int64_t cols, int64_t x_rows, bool back);
const Tensor *worth_logits(Arena *A, const Lab *l, Ids source, Ids target, int64_t first, int64_t n);
// A row of index.json: weights, ids, logits, what it generates, attributions.
void worth_model(Arena *A, const Json *row);
// The folder of the same values in float32, as transformers would save the model; and whether results are the same bytes.
void worth_write(Arena *A, const char *model, const char *family, const char *to);
void worth_bytes(Arena *A, const char *model, const Json *row);
