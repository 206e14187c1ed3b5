// SPDX-License-Identifier: Apache-2.0
// texts.h — from texts to attributions: a model with its tokenizer, texts as pairs of ids, generated targets, batches.
// The one room that sees models and tokenizers together. It knows neither options nor the terminal: it is told what it
// needs, and speaks through a Talk.
#pragma once
#include "../../tok/tok.h"
#include "../attr.h"

// How a run speaks to whoever started it.
typedef struct Talk {
    void *context;
    void (*note)(void *context, const char *sentence); // what the user should know, though it is no error
} Talk;

typedef struct TextFiles TextFiles;
typedef struct Loaded {
    const char *name; // as it was asked for
    Model *model;
    Tokenizer *tok;
    const ModelInfo *info;
    TextFiles *files; // that all this was read from
    const ChatTemplate
        *chat; // read beforehand, for runs that may open no file; NULL: read when it is asked for
} Loaded;

// Opens a folder, or a name in the Hub's cache, with its tokenizer, or that of another folder or name (NULL: its own).
// On the arena.
bool texts_load(Arena *a, const char *name, const char *tokenizer, NnOptions o, const Talk *talk, Loaded *l,
                Err *e);

// A file that model, tokenizer, settings or chat template were read from.
typedef struct TextFile {
    const char *path, *name; // name: within the model's folder, else without its folder
    bool model, tokenizer;   // whose it is: weights and settings, or how texts become ids; or both
    uint64_t bytes;
    char sha256[65]; // as sha256sum prints it
} TextFile;
// All of them so far, sorted by path; they live as long as the model. The first call reads them whole, each on a thread of
// the pool; later ones read what is new. False if one can't be read any more.
bool texts_files(const Loaded *l, const TextFile **out, size_t *n, Err *e);
// One SHA-256 over those of the model's files, and one over those of the tokenizer's (with the chat template).
bool texts_hashes(const Loaded *l, char model[65], char tokenizer[65], Err *e);
// One SHA-256 over the program's version and these files' hashes, whatever their names and folders: where it is the same,
// the same options on the same texts give the same bytes. To be asked for once the settings and a chat template were read.
bool texts_fingerprint(const Loaded *l, char out[65], Err *e);

// The token that stands for padding in Inseq: config.json's, else the tokenizer's, else the end token. -1: none.
int32_t texts_pad(const Loaded *l);
// Sets o's unk, eos and bos, which baselines and paths are made of. A model without an unknown token has padding for it.
void texts_special(const Loaded *l, AttrOptions *o);

// What the texts of a run share.
typedef struct Work {
    Arena *a;
    const Loaded *l;
    const GenConfig *generation;
    bool plain; // no special tokens are added, and words that are such are taken out (skip_special_tokens)
    bool
        skip_special; // and none that a decoder-only model generates is kept (generation's skip_special_tokens)
    const ChatTemplate *chat; // texts are turns of the user, or lists of messages; NULL: texts as they are
    ChatOptions chat_options;
    const Talk *talk;
} Work;

// Generation's arguments, over the model's own settings (NULL: none): w->generation and w->skip_special.
bool texts_generation(Work *w, const Json *arguments, Err *e);

// The texts as they were given.
typedef struct Texts {
    const Str *source, *target;
    size_t n, n_targets;  // n_targets: 0, or one for each source
    const size_t *number; // [n] of each, as it was given; NULL: first + 1, first + 2, ...
    size_t first;
    bool keep_blank; // an empty source is a text, and not a mistake
    bool beginnings; // the targets are beginnings, to be gone on from
    // of rows of data files, each [n] or NULL: why a text can't be used (or NULL), its foil, what rows_about says of it
    const char *const *wrong;
    const Str *foil_source, *foil_target;
    const Str *about; // as JSON
    // and of their foils (texts_foils)
    AttrAlign align;
    const AttrAlignment *alignment; // [n], NULL: none
} Texts;

// One text on its way: encoded, generated, attributed. What goes wrong with it stands in err and concerns no other.
typedef struct Job {
    size_t number; // as given, from 1
    Str source, target;
    bool forced;
    Ids source_ids, target_ids, prefix;
    Token *source_tokens, *target_tokens;
    Pair *foil; // NULL: none; its ids are made with the target's
    Str foil_source, foil_target;
    bool has_foil_source, has_foil_target;
    AttrAlignment alignment;
    AttrAlign align;
    ChatText chat; // what the template made of the source, which it has become; .content NULL: no template
    bool *of_template; // [source_ids.n] tokens that came out of no message; NULL: no template
    bool bare;         // the prompt was empty: the start token stands for it
    bool made;         // it has a sequence
    Str about;         // the row of a data file that it was, as JSON; empty: none
    Err *err;          // NULL: nothing went wrong so far; while a step runs, where it would be said
} Job;

// The chat template of the model's folder, for w->chat. Its options: see tok.h.
bool texts_chat(Work *w, ChatOptions o, Err *e);

// After a step with this job: keeps what went wrong, if e says that something did.
void texts_settle(Arena *a, Job *j, const Err *e);

// A job for each text, its source encoded.
bool texts_jobs(const Work *w, const Texts *t, Job **out, size_t *n, Err *e);
// One foil for each text, or for a single text as many as there are: it is then a text as often.
bool texts_foils(Arena *a, const AttrRequest *x, Texts *t, Err *e);
Texts texts_part(const Texts *t, size_t from, size_t to); // views
// The next jobs without an error, at most `most` of them; moves *at behind the last. 0: there are no more.
size_t texts_next_batch(Job *job, size_t n, size_t *at, size_t most, Job **out);

// What the model writes for n jobs: out [n * nn_generation_returns]. False without an error here and below: a stop was
// asked for (stop_run).
bool texts_generate(const Work *w, Job **job, size_t n, Generated **out, Err *e);
bool texts_decode(const Work *w, const Generated *g, Str *out, Err *e);
// Ids of a target text without what stands around it, as a beginning.
void texts_begin(const Work *w, Job *j);

// The target of each job, forced or generated, and its foil. One bad text does not lose the others.
void texts_make_targets(const Work *w, Job **batch, size_t n);
// What is left of a batch: jobs without an error move to its front, and pair [n] gets what is attributed.
size_t texts_pairs(Job **job, size_t n, Pair *pair);
// Attributes a batch; if one text spoils it, each by itself, so that the others are kept. out [n]; returns how many were
// made, in order. clean: tokens are shown as the text they stand for (clean_special_chars).
size_t texts_attribute(const Work *w, const AttrOptions *o, bool clean, Job **job, size_t n, Sequence *out);

// Whether two tokenizers make the same ids of texts of all kinds, and of what their own words make at random. False and a
// sentence with the first text that they differ in.
bool texts_same_ids(Arena *a, const Tokenizer *x, const Tokenizer *y, Err *e);

// What became of one text's attribution when the weights became others: both models have the same target, which w's wrote.
typedef struct Moved {
    const Job *job;
    double cosine; // of all scores of input x gradient, as vectors of the embeddings' width
    double change; // of a word's probability, the largest
    double before; // the mean probability of words in w's model
} Moved;
// out [n]; how many were made. What is wrong with a text stands in its job.
size_t texts_moved(const Work *w, Model *other, Job **job, size_t n, Moved *out);

// The texts of a file as sources, for AttrOptions.baselines: n lines, of which empty ones are none.
bool texts_baselines(const Work *w, const char *path, const Str *line, size_t n, AttrOptions *o, Err *e);
// What a result says of the jobs that succeeded (job NULL: of x's texts); x has the arguments as they were given.
void texts_describe(const Work *w, const AttrOptions *o, const Job *job, size_t n, AttrTexts x,
                    Attribution *t);
