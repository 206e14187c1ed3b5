// SPDX-License-Identifier: Apache-2.0
// pickle.h — private to nn/: Python pickles by an allow-list, and the zip archives that newer ones lie in.
#pragma once
#include "checkpoint.h"

// ---------------------------------------------------------------------------------------------------- zip.c

typedef struct ZipEntry {
    Str name;            // views into the file
    Str data;            // stored, never compressed
    uint64_t at, header; // offsets of the data and of the local header
    uint64_t end;        // where data and its descriptor end at the latest
    uint32_t crc;
} ZipEntry;

typedef struct Zip {
    ZipEntry *v; // sorted by name
    size_t n;
} Zip;

// The directory of an archive as torch writes it: entries stored, back to back, nothing before or behind. Anything
// else is refused with its offset. Entries live on a.
bool zip_open(Arena *a, Str bytes, const char *path, Zip *out, Err *e);
const ZipEntry *zip_find(const Zip *z, Str name); // NULL if absent
bool zip_crc_ok(const ZipEntry *entry, const char *path, Err *e);

// ---------------------------------------------------------------------------------------------------- pickle.c

typedef enum {
    P_NONE,
    P_BOOL,
    P_INT,
    P_FLOAT,
    P_STRING,
    P_TUPLE,
    P_LIST,
    P_DICT,
    P_GLOBAL,
    P_STORAGE,
    P_TENSOR
} PickleKind;

struct PickleBox;
struct PickleTensor;

// One value, small: a pickle of 64 MiB can make millions.
typedef struct PickleValue {
    uint32_t kind : 4, at : 28; // at: offset of its opcode from the start of the pickle
    uint32_t n : 24, depth : 8; // bytes of a string, items of a tuple and how deep they nest
    union {
        int64_t i;     // bool, int, global (a row of the table in pickle.c), storage (its index)
        const char *s; // string, a view into the file
        const struct PickleValue *items; // tuple
        struct PickleBox *box;           // list or dict
        struct PickleTensor *tensor;
    } u;
} PickleValue;

typedef struct PickleBox {
    PickleValue *v; // a dict has key, value, key, value, ...
    uint32_t n, cap, depth;
    bool ordered; // an OrderedDict
} PickleBox;

typedef struct PickleStorage { // one mention of a storage; several may have the same key
    Str key;
    Dtype dtype;
    uint64_t count;  // elements of the whole storage
    uint64_t offset; // of a view into it (very old files), else 0
    uint64_t at;
} PickleStorage;

typedef struct PickleTensor {
    uint32_t storage;
    int rank;
    uint64_t offset; // all three in elements
    int64_t dim[MAX_RANK], stride[MAX_RANK];
    uint64_t at;
} PickleTensor;

typedef struct Pickle {
    PickleValue top;
    PickleStorage *storage;
    size_t n_storages, n_tensors;
} Pickle;

// Runs one pickle from r's position to its STOP. base is added to offsets in messages. Nothing is ever looked up or
// called: values are made of the kinds above, and an opcode or name outside the list is an error that names it.
bool pickle_run(Arena *a, Reader *r, uint64_t base, Pickle *out, Err *e);
const char *pickle_kind_name(const PickleValue *v);                      // "a tuple"
const PickleValue *pickle_get(const PickleValue *dict, const char *key); // NULL if absent or not a dict
