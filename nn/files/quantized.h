// SPDX-License-Identifier: Apache-2.0
// quantized.h — private to nn/: folders of the Hub whose config.json has a quantization_config.
//
// There a weight is several tensors: codes, scales, and what else a method needs. Before a family asks for its weights, the
// method's function puts them together: one tensor P.weight of a type in codes (types.def), whose data is an array of
// CodedRow (tensor.h), and the others leave the table. From then on nobody needs to know of the method: products, tables and
// checks read such a weight as any other (codes.h). Nothing is copied; what is checked here is all that codes.h relies on.
//
// Tensors decide what is quantized, not the lists of modules in config.json; where the two contradict each other, or parts are
// missing, the folder is refused.
#pragma once
#include "../../tensor/tensor.h"
#include "checkpoint.h"

typedef struct Quant {
    Arena *a;
    Config settings; // the object quantization_config
    Checkpoint *c;
    bool *drop; // [c->n] tensors that are parts of others now, or mean nothing here
    size_t n;   // weights put together so far
    Buf says;   // see quant_note
    Err *e;
} Quant;

// A row in quants.def and a file that ends with `const QuantKind quant_NAME`.
typedef struct QuantKind {
    const char *method, *title; // quant_method; as people write it
    bool (*read)(Quant *q);
} QuantKind;

// How a folder's weights are quantized, and settings; NULL and e unset: they are not. NULL and a sentence for methods that
// are not read, which says what to use instead.
const QuantKind *quant_find(Arena *a, const Config *config, const char *folder, Config *settings, Err *e);
// Puts the weights together. says: a line about them for people.
bool quant_read(Arena *a, const QuantKind *kind, const Config *settings, Checkpoint *c, const char **says,
                Err *e);

// ------------------------------------------------------------------------------------------------ for the methods

Str quant_stem(const Stored *s, const char *suffix); // its name without; .s NULL: it has another ending
// The tensor called stem + suffix, which is one of a weight's parts from now on; NULL: there is none.
const Stored *quant_part(Quant *q, Str stem, const char *suffix);
// The same, and one of these types (n of them) and of this shape (a dimension of -1: any). NULL and a sentence if not.
const Stored *quant_need(Quant *q, const Stored *of, Str stem, const char *suffix, const Dtype *type,
                         size_t n, int rank, const int64_t *dim);
bool quant_shape(Quant *q, const Stored *s, const Dtype *type, size_t n, int rank, const int64_t *dim);
// A sentence about a tensor, with its file and place; false.
bool quant_wrong(Quant *q, const Stored *s, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Makes tensor i a weight [out, in] of this type, called stem + ".weight".
void quant_put(Quant *q, size_t i, Str stem, Dtype type, Coded coded, bool turned);
void quant_note(Quant *q, const char *text); // adds to `says`, once
// Whether codes of a group are in [0, groups): the I32 tensor of them.
bool quant_groups(Quant *q, const Stored *s, int64_t groups);

#define DTYPES_OF(...) (const Dtype[]){__VA_ARGS__}, sizeof((Dtype[]){__VA_ARGS__}) / sizeof(Dtype)
#define DIMS(...)                                                                                            \
    sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]) { __VA_ARGS__ }
