// SPDX-License-Identifier: Apache-2.0
// tok.h — text to token ids and back. Knows nothing of tensors or models; reads a checkpoint folder's files.
//
// A Tokenizer is made once (by a folder, or by one SentencePiece file) and then only read, so threads may
// share it. Two layers: `Sentencepiece` is the library's own behaviour for one .model file; `Tokenizer` is
// what transformers' tokenizer class makes of a folder (special tokens, vocab.json, language codes). Exact
// rules: each file's head.
#pragma once
#include "../tensor/base.h"

typedef struct Sentencepiece Sentencepiece;
typedef struct Tokenizer Tokenizer;

// Which bytes of the text a token stands for. Tokens put before or after a text, and the space that some tokenizers put in
// front, stand for none (from == to). What a normaliser joins has the bytes of all that it joined.
typedef struct TokSpan {
    uint32_t from, to;
    bool
        begins; // a word begins with this token: it is the first of what the tokenizer merges by itself, or has U+2581
} TokSpan;

// Ids of one encoded text; `token[i]` is the raw vocabulary string of ids[i] (for an unknown run in
// SentencePiece: the normalised text of the run). Strings live as long as the tokenizer or the arena given to
// the call.
typedef struct Encoding {
    int32_t *ids;
    Str *token;
    TokSpan *span; // NULL: this kind of tokenizer does not tell
    size_t n;
} Encoding;

// ------------------------------------------------------------------------------------- SentencePiece alone

// Reads a .model/.spm file (protobuf). Refuses what the library refuses, and any damage, with a sentence.
Sentencepiece *sp_open(Arena *a, const char *path, Err *e);
Sentencepiece *sp_from_bytes(Arena *a, Str bytes, const char *path, Err *e);
void sp_encode(Arena *a, const Sentencepiece *sp, Str text, Encoding *out); // any bytes; no bos/eos added
Str sp_normalize(Arena *a, const Sentencepiece *sp, Str text);
bool sp_decode(Arena *a, const Sentencepiece *sp, const int32_t *ids, size_t n, Str *out, Err *e);
size_t sp_size(const Sentencepiece *sp);           // number of pieces
Str sp_piece(const Sentencepiece *sp, int32_t id); // id in [0, size)

// ------------------------------------------------------------------------------------ as transformers does

// Which text: models with two vocabularies (Marian) encode sources and targets differently.
typedef enum { TOK_SOURCE, TOK_TARGET } TokSide;

typedef struct TokOptions {
    TokSide side;
    bool plain;     // no special tokens added before or after (add_special_tokens=False)
    bool tagged;    // the language's token all the same
    bool keep_text; // special strings typed in the text stay text, no special ids (--no-special)
} TokOptions;

typedef struct TokDecode {
    bool skip_special; // leave special tokens out
    int cleanup;       // clean_up_tokenization_spaces: 1 yes, 0 no, -1 as tokenizer_config.json says
    bool by_target;    // Marian: use_source_tokenizer=False (default: the source .spm decodes both sides)
} TokDecode;

// Chooses the kind by the folder's files and tokenizer_config.json (tok/kinds.def). Errors list what was
// looked for.
Tokenizer *tok_open(Arena *a, const char *folder, Err *e);
// UTF-8 text to ids with the special tokens of the kind. Fails on invalid UTF-8 (names the byte offset).
bool tok_encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e);
// How many tokens from the first on lie wholly inside the first `bytes` bytes of the text (x has spans).
size_t tok_inside(const Encoding *x, size_t bytes);
// Fails on an id that is not in the vocabulary.
bool tok_decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e);

// The names of all files that a folder's tokenizer may be made of, the chat template's among them; how many.
size_t tok_files(const char *const **names);

const char *tok_kind(const Tokenizer *t);       // "marian", "t5", ...
const char *tok_class(const Tokenizer *t);      // transformers' class: "MarianTokenizer", "T5Tokenizer", ...
size_t tok_size(const Tokenizer *t);            // len(tokenizer): ids of sources are below it
Str tok_string(const Tokenizer *t, int32_t id); // raw vocabulary string; "" if there is none
Str tok_source_string(const Tokenizer *t,
                      int32_t id);             // the same as a source's: another only for Marian's two
int32_t tok_id(const Tokenizer *t, Str token); // -1 if it is no token
bool tok_is_special(const Tokenizer *t, int32_t id);
int32_t tok_unk(const Tokenizer *t); // -1: the tokenizer has none
int32_t tok_pad(const Tokenizer *t);
int32_t tok_eos(const Tokenizer *t);
int32_t tok_bos(const Tokenizer *t);
// The language codes (">>fra<<") that a model for several languages has, by id; none: 0.
size_t tok_codes(Arena *a, const Tokenizer *t, const Str **out);
// What is wrong with a code at the beginning of a source text: a sentence, or NULL. Such a code is read as an unknown
// word, or as text, and what is translated then is another language.
const char *tok_code_note(Arena *a, const Tokenizer *t, Str text);
int64_t tok_max_length(const Tokenizer *t); // model_max_length, 0: none stated
// The ids that are put before a text (a start token, mostly), unless TokOptions.plain; a view.
const int32_t *tok_before(const Tokenizer *t, size_t *n);

// ------------------------------------------------------------------------------------ as other files have it

// A tokenizer as a GGUF file names its parts (tokenizer.ggml.*). Views of the tokenizer, or on the arena.
enum { TOK_NORMAL = 1, TOK_UNKNOWN, TOK_CONTROL, TOK_USER_DEFINED, TOK_UNUSED, TOK_BYTE };
typedef struct TokTable {
    const char *model; // "llama", "gpt2", "t5"
    const char *pre;   // how words are cut, of gpt2; "default": no such thing
    size_t n;          // ids are below it
    Str *text;         // [n] .s NULL: there is none of this id
    int32_t *type;     // [n]
    float *score;      // [n]; NULL: none
    const Str *merge;  // "left right", by rank
    size_t n_merges;
    Str charsmap; // a SentencePiece model's rules
    int32_t bos;  // that is put before texts, or what the tokenizer calls so; -1: none
    bool add_bos, add_eos, space_prefix;
    const char *note; // what such files cannot say, a sentence; NULL: nothing
} TokTable;
// False and a sentence if such a file cannot say what this tokenizer does.
bool tok_table(Arena *a, const Tokenizer *t, TokTable *out, Err *e);

// ------------------------------------------------------------------------------------------- languages

// Tokenizers of multilingual models put a token for the language beside each text: of the source's beside sources, of the
// target's beside targets; Marian's, for the target's, before sources.

size_t tok_languages(const Tokenizer *t, const int32_t **ids); // the tokens that stand for languages; 0: none
Str tok_language_code(const Tokenizer *t,
                      int32_t id); // without what marks it as a token: "nl_XX", "nld_Latn", "nl"
const char *tok_language_name(const Tokenizer *t, int32_t id); // "Dutch"; NULL: not known here
// Names the language of a side: by its code or another's (nl, nld, nl_XX, nld_Latn, __nl__) or in English (Dutch), in any
// case. What is not known, or could be several, is told with codes that are near.
bool tok_set_language(Arena *a, Tokenizer *t, TokSide side, Str name, Err *e);
bool tok_put_language(Tokenizer *t, TokSide side, int32_t id); // false: id is no language's token
int32_t tok_language(const Tokenizer *t, TokSide side);        // its token; -1: nobody has named it
bool tok_needs_source(const Tokenizer *t); // a source's token stands beside it, and is the class's usual one
bool tok_needs_target(const Tokenizer *t); // a target's token stands beside it, and nobody has named it
bool tok_forces_language(const Tokenizer *t); // what is generated begins with the target's token

// ---------------------------------------------------------------------------------------------------- chat

// Chat templates: a program in a subset of Jinja that writes a conversation as the one text a model was trained on.
// What transformers' apply_chat_template(messages, tokenize=False) gives, or a sentence: the template's own refusal
// (raise_exception), what it does wrong, or what in it is not supported, each with the template's line. A template is
// untrusted: its depth, steps, memory and the length of what it writes have limits (tok/jinja.h).
//
// The text holds the special tokens as they are written, the start token too: encode it with TokOptions.plain (as
// apply_chat_template(tokenize=True) does), or without it as a pipeline does that gives the text to the tokenizer.

typedef struct ChatToken {
    Str name, text; // "bos_token", "<s>"
} ChatToken;

typedef struct ChatTemplate {
    Str text;
    const char *where; // for messages: "FOLDER/tokenizer_config.json: chat_template"
    ChatToken *token;  // variables of the template; what is not listed is undefined there
    size_t n_tokens;
} ChatTemplate;

// The template of a folder, with its named special tokens: chat_template.jinja, else "chat_template" of
// tokenizer_config.json (a string, or of a list of {"name", "template"} the one called "default"). A template from
// elsewhere (a GGUF file's tokenizer.chat_template) needs no more than the struct filled in. Lives as long as a.
bool tok_chat_template(Arena *a, const char *folder, ChatTemplate *out, Err *e);

// Messages from a text: a JSON list of {"role": ..., "content": ...} if it begins with "[" and "{", else one message of
// the user. A content is a string or a list of {"type": "text", "text": ...} (none is needed beside "tool_calls"); other
// members are handed to the template as they are. where: for messages about it ("-i", a file). The text must live as
// long as the result.
bool tok_chat_messages(Arena *a, Str text, const char *where, const Json **out, Err *e);

typedef struct ChatOptions {
    bool add_generation_prompt; // end with the words that begin an answer
    // Not empty: a message of the role "system" before all others (they must not have one).
    Str system;
    // What strftime_now writes: "2024-07-26", "2024-07-26 12:30:00", or "today". Empty: templates that ask for the date are
    // refused, as their results would change overnight.
    Str date;
    // An object of more variables ("enable_thinking"); they win over the template's tokens, and over "tools" and
    // "documents", which are null. NULL: none.
    const Json *variables;
} ChatOptions;

// Bytes [from, to) of a rendered text that came out of a message: whatever its strings went through (trim, slices, split,
// tojson, upper, ...). Its role is the template's matter, not content.
typedef struct ChatSpan {
    size_t from, to;
    size_t message; // counted from 0, the system's message of the options included
} ChatSpan;

typedef struct ChatText {
    Str text;
    ChatSpan *content; // in order, not empty, not overlapping; all other bytes are the template's
    size_t n_content;
} ChatText;

bool tok_chat_render(Arena *a, const ChatTemplate *t, const Json *messages, ChatOptions o, ChatText *out,
                     Err *e);
bool tok_chat(Arena *a, const char *folder, const Json *messages, ChatOptions o, ChatText *out,
              Err *e); // both steps

// The filter of the command line: one JSON object with "text", "text_b64" or "ids" in, one JSON object out
// (no newline; appended to out). Exactly one of sp and t is not NULL. Other members are copied to the front;
// then follow, for
//   sp, text   ids, pieces (pieces_b64 if one is not UTF-8), normalized, decoded
//   sp, ids    ids, decoded
//   t, text    ids, tokens, decoded, decoded_skip; decoded_clean and decoded_skip_clean where cleaning up
//              spaces changes something; for Marian target_ids and target_tokens where they differ from the
//              source side's, target_decoded, target_decoded_by_target_spm where it differs
//   t, ids     ids, tokens, decoded, decoded_skip and the cleaned ones
// Texts of more than 300 ids only get the ids. Members with these names in the line are replaced.
bool tok_jsonl(Arena *a, const Sentencepiece *sp, const Tokenizer *t, Str line, Buf *out, Err *e);

// One tokenizer kind: a row in kinds.def and a file that ends with `const TokKind tokkind_NAME`.
typedef struct TokKind {
    const char *name, *class_name, *summary;
    bool never_cleans; // decoding ignores clean_up_tokenization_spaces, even if asked
    // Whether this folder is of this kind: class is tokenizer_config.json's tokenizer_class ("" if absent).
    bool (*matches)(const char *folder, Str class, const char *model_type);
    void *(*open)(Arena *a, Tokenizer *t, const char *folder, const Json *config, Err *e);
    bool (*encode)(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e);
    bool (*decode)(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e);
} TokKind;

const TokKind *const *tok_kinds(size_t *n);
