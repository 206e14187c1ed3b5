// SPDX-License-Identifier: Apache-2.0
// gguf.h — private to nn/: GGUF files, the one-file models of llama.cpp and its kin.
//
//   gguf.c            the container: keys, tensors, every length checked
//   gguf_config.c     what a config.json would say, from the keys
//   gguf_tokenizer.c  what tokenizer.json and tokenizer_config.json would say
//   gguf_model.c      both, put where a folder's files are looked for
//   read_gguf.c       tensors, under the names that transformers gives them
#pragma once
#include "checkpoint.h"

typedef enum {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_KINDS
} GgufKind;

typedef struct GgufKey {
    Str name;
    GgufKind kind, of; // of: an array's elements
    uint64_t n;        // elements of an array
    Str bytes;         // a string's, or the values one after the other, as in the file
    uint64_t at;       // of the value, for messages
} GgufKey;

typedef struct GgufTensor {
    Str name;
    uint32_t rank;
    uint64_t dim[4]; // the fastest first
    uint32_t type;
    Dtype dtype;                // of that type
    uint64_t offset, bytes, at; // in its file's data; at: of the entry, for messages
    const char *path, *data;    // the file that it is in, and its values
    uint64_t place;             // of the values in that file
} GgufTensor;

typedef struct Gguf {
    const char *path;
    GgufKey *key; // sorted by name
    size_t n_keys;
    GgufTensor *tensor; // file after file, in the order of their offsets
    size_t n_tensors;
} Gguf;

// False and a sentence for all that breaks the format's rules. Views of the bytes, which outlive a.
bool gguf_parse(Arena *a, Str bytes, const char *path, Gguf *out, Err *e);
// The same of a whole model, of which these bytes may be the first of several files: the keys of this one, the tensors of
// all. False and a sentence also if path is a later one, or one is not beside it.
bool gguf_open(Arena *a, Str bytes, const char *path, Gguf *out, Err *e);
const char *gguf_type_name(uint32_t type); // "Q4_K"; NULL: there is no such type

const GgufKey *gguf_key(const Gguf *g, const char *name);       // NULL: absent
const GgufTensor *gguf_tensor(const Gguf *g, const char *name); // the same
// Values by key; absent if it is not there. What is of another kind or out of range fills e with key and offset.
int64_t gguf_int(const Gguf *g, const char *name, int64_t absent, int64_t least, int64_t most, Err *e);
double gguf_real(const Gguf *g, const char *name, double absent, double least, double most, Err *e);
bool gguf_bool(const Gguf *g, const char *name, bool absent, Err *e);
Str gguf_str(const Gguf *g, const char *name, Err *e); // .s NULL: absent
// An array of this kind of elements (or of the other one); NULL if absent or wrong.
const GgufKey *gguf_array(const Gguf *g, const char *name, GgufKind of, GgufKind or, Err *e);
bool gguf_wrong(const Gguf *g, const GgufKey *k, Err *e, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// The strings of such an array, [n]; they must be UTF-8. False and a sentence if not.
bool gguf_strings(const Gguf *g, const GgufKey *k, Str *out, Err *e);

uint32_t gguf_type_number(Dtype d); // of a type of weights

// The architecture that transformers' model_type is of; NULL: none of ours.
const struct GgufArch *gguf_arch_of(const char *model_type);
// The architecture, one of ours. NULL and a sentence that names those that are.
const struct GgufArch *gguf_arch(const Gguf *g, Err *e);

typedef struct GgufArch {
    const char *name;       // general.architecture
    const char *model_type; // transformers'
    const char *const
        *names;        // pairs: what it is called here and there, ending with NULL; %s is the layer's number
    bool pairs_turned; // rows of queries and keys stand in the order of neighbouring pairs
    bool encoder;
} GgufArch;

// JSON texts of the files that a folder of transformers would have.
bool gguf_config(Arena *a, const Gguf *g, const GgufArch *arch, Buf *out, Err *e);
bool gguf_tokenizer(Arena *a, const Gguf *g, const GgufArch *arch, Buf *tokenizer, Buf *config, Err *e);

// path/config.json and the others can be read from now on, as long as a lives, as if path were a folder.
bool gguf_unfold(Arena *a, const char *path, Err *e);
// The file of a folder that `wanted` names, as a whole or by its quantization ("Q4_K_M"); NULL: the only one there is. Of
// split files the first. NULL and e unset: there is none (wanted NULL); else a sentence that lists them.
const char *gguf_in(Arena *a, const char *folder, Str wanted, Err *e);
