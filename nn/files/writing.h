// SPDX-License-Identifier: Apache-2.0
// writing.h — private to nn/: weights on their way into a file.
#pragma once
#include "gguf.h"

// A tensor as a file shall have it. Its numbers are those of `from`, in another order or with something added; of whole
// numbers the bytes are.
typedef struct Outgoing {
    Str name;
    Dtype dtype; // of a weight, or that of `from`
    const Stored *from;
    int rank;
    int64_t dim[MAX_RANK]; // the slowest first
    bool turned;           // its rows are the columns of `from`
    float plus;            // added to each number
    int64_t
        head; // not 0: in each head of so many rows, those that turn together, half a head apart, become neighbours
} Outgoing;

Outgoing outgoing(const Stored *s, Dtype dtype); // as it is, under its own name
int64_t outgoing_cols(const Outgoing *o);        // numbers of a row
int64_t outgoing_rows(const Outgoing *o);
uint64_t outgoing_bytes(const Outgoing *o); // that it takes in the file
// Its rows first .. first + n - 1 as float32, out [n, cols].
void outgoing_values(const Outgoing *o, int64_t first, int64_t n, float *out);
// The bytes of all its rows, part by part: memory does not grow with the tensor, threads don't change a bit. False and a
// sentence if a number has no place in the type: NaN, infinity (where `dtype` is no float32), what is too large for it.
bool outgoing_write(Arena *a, const Outgoing *o, FileOut *f, Err *e);

// The parts that a weight in bitsandbytes' codes has in a file; how many. 0: it is none.
enum { MOST_PARTS_OF_CODES = 6 };
size_t outgoing_codes(Arena *a, const Stored *s, Outgoing out[MOST_PARTS_OF_CODES]);

// model.safetensors of these tensors; of weights, float32.
bool safetensors_write(Arena *a, const char *path, const Outgoing *tensor, size_t n, Err *e);

// Keys of a GGUF file, in the order of the calls. {.keys.arena = a} has none.
typedef struct GgufOut {
    Buf keys;
    uint64_t n;
} GgufOut;
void gguf_put_str(GgufOut *g, const char *name, Str v);
void gguf_put_int(GgufOut *g, const char *name, int64_t v); // below 2^32
void gguf_put_real(GgufOut *g, const char *name, double v); // as float32
void gguf_put_bool(GgufOut *g, const char *name, bool v);
void gguf_put_strs(GgufOut *g, const char *name, const Str *v, size_t n);
void gguf_put_array(GgufOut *g, const char *name, GgufKind of, const void *v,
                    size_t n); // of what has 1 or 4 bytes
// The whole file: these keys, and tensors by GGUF's names.
bool gguf_write(Arena *a, const GgufOut *g, const Outgoing *tensor, size_t n, FileOut *f, Err *e);
