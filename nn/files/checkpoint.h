// SPDX-License-Identifier: Apache-2.0
// checkpoint.h — private to nn/: what is on disk. Finding a model's folder, its tensors in any format, its config.
//
// Tensors are views into mapped files wherever the file holds them contiguous (any alignment); only transposed or
// expanded ones are copied. Nothing here runs code from a file or trusts a number in it.
#pragma once
#include "../../tensor/base.h"

// Types of weights first, in the order of types.def, then those that no weight has here.
struct Stored;
typedef enum {
#define TYPE(name, elements, bytes, number) DT_##name,
#include "../../tensor/types.def"
#undef TYPE
    DT_F64,
    DT_I64,
    DT_I32,
    DT_I16,
    DT_I8,
    DT_U8,
    DT_BOOL,
    DT_F8_E4M3, // codes, which have scales beside them
    DT_F8_E5M2,
    DTYPES
} Dtype;
size_t dtype_size(
    Dtype d); // bytes of an element; of a block, where a type has blocks; 0: in codes (Coded, tensor.h)
bool dtype_is_weight(Dtype d);                 // then it is a WType of the same number
uint64_t stored_count(const struct Stored *s); // elements
const char *dtype_name(Dtype d);               // as safetensors spells it: "F32", "BF16", ...

enum { MAX_RANK = 8 };

// One tensor of a checkpoint: contiguous, row-major, little-endian, unaligned.
typedef struct Stored {
    Str name;
    Dtype dtype;
    int rank;
    int64_t dim[MAX_RANK];
    const void *data;
    size_t bytes;
    const char *file; // where it was read from
    uint64_t at;      // byte offset there, for messages
    bool turned;      // data has dim[0] columns and dim[1] rows (types in codes only)
} Stored;

typedef struct Checkpoint {
    const char *format; // "safetensors", "pickle (zip)", "pickle (legacy)"
    const char *folder;
    const char *const *files; // weight files in the order read
    size_t n_files;
    Stored *tensor; // sorted by name
    size_t n;
    uint64_t bytes; // of tensor data, shared storages counted once
    bool plain;     // all matrices are [out, in] and norms' gains what they multiply by, whatever the family
    Str base, prefix, outer; // see checkpoint_names
} Checkpoint;

// Opens the folder's weights, trying the rows of readers.def in order: model.safetensors, model.safetensors.index.json,
// pytorch_model.bin, pytorch_model.bin.index.json. Errors list every path tried, and name what was found instead
// (tf_model.h5, ...). Views live as long as the arena.
Checkpoint *checkpoint_open(Arena *a, const char *folder, Err *e);
// Takes the tensors of which `drop` [n] is true out of the table, and sorts it anew. False and a sentence if two names are one.
bool checkpoint_drop(Checkpoint *c, const bool *drop, Err *e);
const Stored *checkpoint_find(const Checkpoint *c, const char *name); // NULL if absent

// Makes the table answer to transformers' names where the file has them in another form: takes what wraps models while
// they train out of names ("module.", "_orig_mod.", ... anywhere), and finds what else stands before all of them.
// base: what the class with a head has before its body's names ("model."; a file of the body alone lacks it), "" if
// nothing; anchor: the name, without it, of a tensor that every such model has (NULL: only the former). False and a
// sentence if two names then are the same.
bool checkpoint_names(Arena *a, Checkpoint *c, const char *base, const char *anchor, Err *e);

bool checkpoint_verify(const char *folder, Err *e); // also every CRC that the files carry
// Takes wrappers' parts ("module.", "base_layer.", ...), and `before` at the start, out of all names.
bool checkpoint_unwrap(Arena *a, Checkpoint *c, const char *before, Err *e);
void checkpoint_add(Arena *a, Checkpoint *c,
                    Stored tensor); // a name that is not there yet; pointers into the table end

// An adapter's own tensors: adapter_model.safetensors, else adapter_model.bin.
Checkpoint *checkpoint_open_adapter(Arena *a, const char *folder, Err *e);

// What a LoRA adapter has to know of the model that it is put on.
typedef struct AdapterBase {
    const char *const
        *tied;   // names of tables that are one, the one the others are tied to first; ends with NULL
    bool turned; // its matrices, but for lm_head's, are stored [in, out]
} AdapterBase;

// Merges the adapter of a folder into a base's weights, of which those that change are then copies (adapter.c says how).
// Adds a line to notes. False and a sentence if the two don't fit, or the adapter is of another kind.
bool adapter_merge(Arena *a, const char *folder, const AdapterBase *base, Checkpoint *c, Buf *notes, Err *e);

// One weight file in memory, for tests and fuzzers; file picks the format as on disk ("pytorch_model.bin").
Checkpoint *checkpoint_from_bytes(Arena *a, const char *file, Str bytes, Err *e);

typedef struct StoredList {
    Stored *v;
    size_t n, cap;
    Arena *arena; // where names and copies go
    uint64_t bytes;
    bool verify;        // check CRCs of the data too
    const char *format; // set by the reader
    bool plain;         // see Checkpoint
} StoredList;
Stored *stored_add(StoredList *l); // a zeroed one at the end; the pointer lives until the next call

// One file format. A row in readers.def and a file that ends with `const ReaderKind reader_NAME`.
typedef struct ReaderKind {
    const char *name, *file, *index; // "safetensors", "model.safetensors", "model.safetensors.index.json"
    // Adds the tensors of one file (its bytes outlive out->arena) to out, which the caller sorts and checks for
    // duplicates. path must live as long.
    bool (*read)(Str bytes, const char *path, StoredList *out, Err *e);
} ReaderKind;

// Text of a file as a message may show it: printable ASCII, the rest as \xNN, cut with "..." (returns out).
enum { SHOWN = 100 };
const char *shown(char out[SHOWN], Str text);

// ------------------------------------------------------------------------------------------------ places

enum { MOST_NAMES = 4096 };
size_t dir_list(Arena *a, const char *folder,
                const char *const **out);                    // its names, at most MOST_NAMES, sorted
bool in_dir(Arena *a, const char *folder, const char *file); // file is there
const char *last_checkpoint(Arena *a,
                            const char *folder); // the checkpoint-N of the highest N, as a trainer leaves it

// A folder's name, or one on the Hub looked up in the local cache (never the network), to a folder. revision, cache_dir
// and note (NnOptions) may be NULL. NULL and a sentence that says what was tried, or what was probably meant.
const char *hub_folder(Arena *a, const char *model, const char *revision, const char *cache_dir,
                       const char **note, Err *e);
// One revision (NULL: main; a branch, a tag, a commit, the first digits of one) of a repository's folder in a cache.
const char *hub_snapshot(Arena *a, const char *repo, const char *revision, const char **note, Err *e);
size_t hub_models(Arena *a, const char *root,
                  const char **out); // names in a cache, out [returned] of MOST_NAMES
// A file that checkpoint_open would read, but for GGUF files: each of those is a model by itself.
bool has_weights(Arena *a, const char *folder);

// Where a model's files are.
typedef struct Place {
    const char *folder;    // config.json, generation_config.json
    const char *weights;   // the same but where a pull request's snapshot holds the weights alone
    const char *adapter;   // a LoRA adapter's; NULL: none
    const char *tokenizer; // where the tokenizer is
} Place;

// MODEL as users write it: a folder, a name on the Hub or its address there, a folder of the cache. adapter: a folder or
// name too, to be put on that model; NULL: none but the model's own. False and a sentence, also where a file or a
// trainer's folder is named, that says what to give instead.
bool place_find(Arena *a, const char *model, const char *revision, const char *cache_dir, const char *adapter,
                const char **note, Place *out, Err *e);

// ------------------------------------------------------------------------------------------ config.json

// A checked look at one JSON object. Each getter returns the default when the key is absent or null, and fills e
// (naming file and key, the value found, and the allowed range or kind) when it is wrong; calls can be made in a row
// and e tested once at the end.
typedef struct Config {
    const Json *json;
    const char *path; // for messages
    Err *e;
} Config;

bool config_open(Arena *a, const char *folder, const char *file, Config *out,
                 Err *e); // file must be a JSON object
int64_t cfg_int(const Config *c, const char *key, int64_t absent, int64_t least, int64_t most);
int64_t cfg_need_int(const Config *c, const char *key, int64_t least, int64_t most); // an error if absent
double cfg_real(const Config *c, const char *key, double absent, double least, double most);
bool cfg_bool(const Config *c, const char *key, bool absent);
Str cfg_str(const Config *c, const char *key, const char *absent);
// An id or a list of ids: returns the list (n = 0 if absent or null). Each in [0, below).
const int32_t *cfg_ids(Arena *a, const Config *c, const char *key, int64_t below, size_t *n);
