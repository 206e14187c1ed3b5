// SPDX-License-Identifier: Apache-2.0
// kind.h — what the tokenizer kinds share: the folder's tokenizer, its vocabulary, added tokens, small text
// helpers.
#pragma once
#include "spm.h"

// ---------------------------------------------------------------------------------------------- vocabulary

// Strings and ids both ways. Strings are views (of a file or of the model); ids need not be dense.
typedef struct Vocab {
    Arena *arena;
    Str *text;    // [n] by id; .s NULL: no string has this id
    size_t n;     // ids are below n
    size_t count; // different strings
    struct VocabSlot *slot;
    size_t slots; // a power of two
    struct VocabEntry *entry;
    size_t room; // of entry
} Vocab;

void vocab_init(Arena *a, Vocab *v, size_t expected);
void vocab_add(Vocab *v, Str text, int32_t id); // of equal strings the last counts
void vocab_done(Vocab *v);                      // fills text[]; of equal ids the last counts
int32_t vocab_id(const Vocab *v, Str text);     // -1: not there
void vocab_ids(const Vocab *v, const Str *text, size_t n, int32_t *ids); // the same for many, faster
// Reads {"string": id, ...}. Ids must be integers from 0, below four times the number of entries (a small
// file must not ask for a large table).
bool vocab_read(Arena *a, const char *path, Vocab *v, Err *e);

// A large JSON object or list, read in one go without a tree: from `at` on. What is malformed is said in e.
typedef struct Scan {
    const char *s;
    size_t n, at;
    const char *path;
    char *room; // for strings with escapes: as many bytes as the text has from there on
    Err *e;
} Scan;

bool scan_wrong(const Scan *c, const char *wanted); // "found ..., expected wanted"; false
char scan_space(Scan *c);                           // the next byte that is no white space, 0 at the end
bool scan_string(Scan *c, Str *out);                // at its quote
bool scan_vocab(Scan *c, Vocab *v); // {"string": id, ...} into v, which is initialised; not "done"

// -------------------------------------------------------------------------------------------- added tokens

// A token that is cut out of the raw text before anything else is done to it.
typedef struct Added {
    Str text;
    int32_t id;
    bool special;        // left out when decoding with skip_special
    bool lstrip, rstrip; // also eats white space on that side
    bool single_word;    // not inside a word
    bool normalized;     // looked for in the normalised text (pipeline.h); others in the text as it is
    Str shown;           // then its string among tokens and for decoding: the normalised text
} Added;

typedef struct AddedSet { // some of a tokenizer's added tokens
    Trie trie;            // values: index in Tokenizer.added
    bool begins[256];     // one may begin with this byte
} AddedSet;

// Where the token of a language stands.
typedef enum {
    TAGS_NONE,     // nowhere
    TAGS_FIRST,    // before each text
    TAGS_LAST,     // behind the end token
    TAGS_OF_TARGET // that of the target before the source (Marian)
} Tags;

struct Tokenizer {
    const TokKind *kind;
    const char *class_name; // transformers' class
    Str class_wanted;       // tokenizer_config.json's, "" if it says nothing
    bool class_stated;      // there is one there, even if it says nothing
    const char *model_type; // config.json's, or ""
    void *state;            // of the kind
    const Vocab *ids,
        *strings; // string -> id, id -> string: one and the same but for Marian's separate_vocabs
    Added *added;
    size_t n_added, room_added;
    AddedSet all;                  // of them
    uint32_t *by_id;               // [n_added] indices in added, by rising id
    const struct Unicode *unicode; // NULL: no added token needs it
    int32_t unk, pad, eos, bos;    // -1: none
    int32_t before[4], after[4];   // ids put around every text by tokenizer.json, or by the kind
    size_t n_before, n_after;
    bool
        added_stated; // tokenizer_config.json has added_tokens_decoder: other files' added tokens don't count
    bool has_template; // tokenizer.json says what these are, so tokenizer_config.json does not
    Tags tags;
    const char *usual_source; // the class's source language where nobody names one
    int32_t *languages;       // [n_languages] ids of tokens that stand for languages, ascending
    size_t n_languages;
    int32_t language[2]; // [source, target]; -1: none named
    bool language_stated[2];
    int64_t max_length;
    bool cleanup;
    size_t size;
};

enum {
    MOST_ADDED = 8192,   // they are searched one by one while a folder is opened
    LONGEST_ADDED = 200, // bytes; bounds the search for them in a text
};

// Adds (or, with the same text, changes) an added token.
void added_put(Arena *a, Tokenizer *t, Added added);
void added_done(Arena *a, Tokenizer *t);                         // builds the index; call once, last
void added_set(Arena *a, AddedSet *set, TrieKey *key, size_t n); // key: texts, indices in added; is reordered
const Added *added_by_id(const Tokenizer *t, int32_t id);        // NULL: none
const Added *added_by_text(const Tokenizer *t, Str text);
// "added_tokens_decoder" of tokenizer_config.json: {"32000": {"content": ..., "special": true}, ...}.
// flagged: "special" makes them so (transformers' Python tokenizers go by the named tokens alone).
bool added_from_config(Arena *a, Tokenizer *t, const Json *config, bool flagged, const char *folder, Err *e);
enum { NAMED_TOKENS = 7 };
extern const char *const named_tokens[NAMED_TOKENS]; // "bos_token", "eos_token", ...
Str token_text(const Json *j);                       // of "<s>" or {"content": "<s>"}; .s NULL: neither
// A special token's text: a string or {"content": string} under key; `otherwise` if the key is absent.
Str special_text(const Json *config, const char *key, const char *otherwise);
// What added_special does with it; a new token has the flags of the object.
int32_t added_named(Arena *a, Tokenizer *t, const Json *config, const char *key, const char *otherwise);

// The list "added_tokens" of tokenizer.json.
bool added_from_json(Arena *a, Tokenizer *t, const Json *list, const char *path, Err *e);
// Marks a token as special, adding it as a new id after all others if nothing has this text. -1 for "".
int32_t added_special(Arena *a, Tokenizer *t, Str text);
// The lists additional_special_tokens and extra_special_tokens of tokenizer_config.json.
bool added_lists(Arena *a, Tokenizer *t, const Json *config, const char *folder, Err *e);
// The tokenizers library takes added tokens in the order of their ids, and gives those that the vocabulary lacks the next
// free ones from `next` on, whatever was stated.
void added_number(Arena *a, Tokenizer *t, int32_t next);
void added_sizes(Tokenizer *t); // sets t->size from the vocabulary and what was added

// Walks a text: each call gives the plain stretch before the next added token (may be empty) and that token,
// NULL for the last stretch. Returns false when all has been given.
typedef struct Cutter {
    const Tokenizer *t;
    const AddedSet *set; // NULL: all of the tokenizer's
    Str text;
    size_t at, search;
    size_t from, to;   // of the token, with what it eats
    bool keep_text;    // cut nothing out
    bool keep_special; // cut only tokens out that are not special
    bool done;
} Cutter;
bool cutter_next(Cutter *c, Str *plain, const Added **token);

// ----------------------------------------------------------------------------------------------- encodings

typedef struct EncodingBuilder {
    Arena *arena;
    Encoding out;
    size_t cap;
    bool spans; // every token has one
} EncodingBuilder;
void encoding_add(EncodingBuilder *b, int32_t id, Str token);
void encoding_add_at(EncodingBuilder *b, int32_t id, Str token, TokSpan span);
// The ids around a text of one side, out [5]: how many. None if o.plain.
size_t around_text(const Tokenizer *t, TokOptions o, bool after, int32_t out[5]);
void encoding_around(EncodingBuilder *b, const Tokenizer *t, TokOptions o, bool after);

// ------------------------------------------------------------------------------------- languages (languages.c)

// Finds the tokens that stand for languages, and those that tokenizer_config.json names for each side.
bool languages_open(Arena *a, Tokenizer *t, const Json *config, const char *folder, Err *e);

// -------------------------------------------------------------------------------------------------- merges

typedef struct Merges { // (left id, right id) -> rank -> merged id
    Arena *arena;
    struct MergeSlot *slot;
    int32_t *merged; // [count] by rank
    size_t mask, count, room;
} Merges;

void merges_init(Arena *a, Merges *m, size_t expected);                  // it grows
void merges_add(Merges *m, int32_t left, int32_t right, int32_t merged); // ranks are the order of the calls
bool merges_read(Arena *a, const char *path, const Vocab *v, Merges *m, Err *e); // merges.txt
// The list "merges" of a tokenizer.json: strings "left right", or pairs of strings.
bool merges_scan(Arena *a, Scan *c, const Vocab *v, Merges *m);

// The pairs by rank; out [count][2], of a rank that another of the same pair has taken -1.
void merges_pairs(const Merges *m, int32_t (*out)[2]);

typedef struct Merger { // {.arena, .merges}; room that is used again from call to call
    Arena *arena;
    const Merges *merges;
    struct MergeSymbol *symbol;
    uint64_t *heap;
    size_t cap, offers;
} Merger;
// In place; how many are left. first (may be NULL) [n]: of each that is left, the first of those it was made of.
size_t merge_ids(Merger *w, int32_t *ids, size_t n, uint32_t *first);

// ------------------------------------------------------------------------------------------------- helpers

bool json_flag(const Json *object, const char *key, bool otherwise); // a member that is true or false
bool is_white_space(uint32_t cp);                                    // Unicode's White_Space
Str strip_left(Str s);                                               // without White_Space
Str strip_right(Str s);
bool is_python_space(uint32_t cp);    // White_Space and U+001C to U+001F
Str python_strip(Str s);              // str.strip()
Str python_strip_right(Str s);        // str.rstrip()
Str clean_up_spaces(Arena *a, Str s); // clean_up_tokenization_spaces
const char *in_folder(Arena *a, const char *folder, const char *file);
bool folder_has(const char *folder, const char *file);
// A file of the folder that must hold an object; *out is NULL if it is not there.
bool folder_object(Arena *a, const char *folder, const char *file, const Json **out, Err *e);
// Puts what special_tokens_map.json and added_tokens.json say into tokenizer_config.json's object (NULL: there is none)
// where it has no added_tokens_decoder. lists: also the former's additional_special_tokens.
bool legacy_config(Arena *a, const char *folder, bool lists, const Json **config, Err *e);
// False and a sentence that names those of the files (a list that ends with NULL) that the folder lacks.
bool folder_has_all(Arena *a, const char *folder, const char *const *file, Err *e);
Str replace_all(Arena *a, Str s, Str old, Str fresh); // old is not empty
