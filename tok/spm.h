// SPDX-License-Identifier: Apache-2.0
// spm.h — the inside of a SentencePiece model, for the files of tok/ only.
//
//   spm_proto.c   the .model file                 unigram.c bpe.c word.c   cutting normalised text into
// pieces
//   trie.c        all pieces, walked byte by byte sentencepiece.c          encode, decode, the front door
//   normalize.c   character rules and white space
#pragma once
#include "tok.h"

// ---------------------------------------------------------------------------------------------------- trie

// A set of byte strings as a double array: child c of node x is y = base[x] ^ c if parent[y] == x. The
// array's size is a multiple of 256, so y is always inside. Node 0 is the root; it is nobody's child, so 0
// also says "no such child".
typedef struct TrieNode {
    uint32_t base, parent;
    int32_t value; // >= 0: a key ends here; TRIE_NONE: none does; TRIE_MUTED - v: one that may not be chosen
    float score;
} TrieNode;

enum { TRIE_NONE = -1, TRIE_MUTED = -2 };

typedef struct Trie {
    TrieNode *node;
    size_t n; // nodes, a multiple of 256; 0: never built, holds nothing (do not walk it)
} Trie;

typedef struct TrieKey {
    Str text; // not empty
    int32_t value;
    float score;
} TrieKey;

// Builds the trie of n keys; reorders them. Of equal keys the one with the larger value stays, and *twice
// (may be NULL) becomes the smallest value that was thrown out, -1 if none was. About 16 bytes per distinct
// prefix.
void trie_build(Arena *a, TrieKey *key, size_t n, Trie *t, int32_t *twice);
int32_t trie_find(const Trie *t, Str text); // the node where exactly this text ends with a value, or 0

static inline uint32_t trie_step(const TrieNode *node, uint32_t at, uint8_t byte)
{
    uint32_t next = node[at].base ^ byte;
    return node[next].parent == at ? next : 0;
}

// The id that a node's value stands for, muted or not; -1 if no key ends there.
static inline int32_t trie_id(int32_t value) { return value <= TRIE_MUTED ? TRIE_MUTED - value : value; }

// ---------------------------------------------------------------------------------------------- normaliser

typedef struct Charsmap { // the compiled rules of a model; units == 0: no rules
    const uint8_t *trie;
    size_t units;
    Str area; // replacements, each ended by NUL
    Str blob; // all of it, as the model has it
} Charsmap;

typedef struct Normalizer {
    Charsmap map;
    const Trie *user;    // user-defined pieces stand as they are; NULL: there are none
    bool dummy, remove;  // add_dummy_prefix, remove_extra_whitespaces
    bool escape, suffix; // escape_whitespaces, treat_whitespace_as_suffix
    uint8_t ascii[128];  // what may begin with this byte (normalize.c)
} Normalizer;

bool charsmap_open(Str blob, const char *path, size_t at, Charsmap *m, Err *e);
// The replacement of the longest (or shortest) rule that begins s; *used is its key's length, 0: no rule
// does.
Str charsmap_find(const Charsmap *m, Str s, bool shortest, size_t *used);
void normalizer_prepare(Normalizer *z); // fills .ascii once the rest is set
Str normalize(Arena *a, const Normalizer *z, Str text);

// --------------------------------------------------------------------------------------------------- model

typedef enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE } PieceKind;
typedef enum { UNIGRAM = 1, BPE, WORD, CHAR } ModelType;

typedef struct Piece {
    Str text;
    float score;
    PieceKind kind;
} Piece;

struct Sentencepiece {
    Piece *piece; // [n] by id
    size_t n;
    ModelType type;
    bool byte_fallback, denormalizes, has_unused;
    bool suffix; // treat_whitespace_as_suffix
    Str unk_surface;
    int32_t unk; // the UNKNOWN piece, -1 if there is none (then bytes stand for what is unknown)
    float unk_score;
    int32_t byte[256];           // ids of the BYTE pieces
    Trie normal, user, reserved; // NORMAL, USER_DEFINED, UNUSED (muted); USER_DEFINED; UNKNOWN, CONTROL, BYTE
    Normalizer normalizer, denormalizer;
};

// Parses the file into *sp: pieces, options, rules. Views into bytes; the tries come later.
bool spm_parse(Arena *a, Str bytes, const char *path, Sentencepiece *sp, Err *e);

// A stretch of the normalised text; id -1: unknown.
typedef struct Segment {
    const char *s;
    uint32_t n;
    int32_t id;
} Segment;

typedef struct Segments {
    Arena *arena;
    Segment *at;
    size_t n, cap;
} Segments;

void segment_add(Segments *out, const char *s, size_t n, int32_t id);

void unigram_split(const Sentencepiece *sp, Str text, Segments *out);
void bpe_split(const Sentencepiece *sp, Str text, Segments *out);
void word_split(const Sentencepiece *sp, Str text, Segments *out);
void char_split(const Sentencepiece *sp, Str text, Segments *out);

// Length of the longest user-defined piece that begins s; 0 if none does.
size_t user_prefix(const Sentencepiece *sp, const char *s, size_t n);
int32_t piece_id(const Sentencepiece *sp, Str text);  // -1: no such piece
int32_t normal_id(const Sentencepiece *sp, Str text); // among NORMAL, USER_DEFINED, UNUSED only

// Decodes piece strings (not ids): what is no piece is written as it is.
Str sp_decode_strings(Arena *a, const Sentencepiece *sp, const Str *token, size_t n);

// Bytes of the character that begins with b, by its first byte alone, at most `left`.
static inline size_t char_width(char b, size_t left)
{
    uint8_t c = (uint8_t)b;
    size_t w = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    return w < left ? w : left;
}

#define SPACE_MARK "\xE2\x96\x81" // U+2581, which stands for a space inside pieces
