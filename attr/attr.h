// SPDX-License-Identifier: Apache-2.0
// attr.h — what an attribution is, how it is made smaller (aggregated), and how it is shown and saved.
//
// The names are Inseq's (FeatureAttributionOutput and friends), so that files and scripts carry over.
// Letters: S source tokens, T target tokens including the start token, n attributed steps (columns), H width.
#pragma once
#include "../nn/nn.h"

typedef struct Token {
    int32_t id; // -1: merged from several, or a "foil → token" label
    Str text;   // raw vocabulary string
} Token;

// A dense row-major array of rank 1..5. v NULL: there is none. NaN: no value (a future prefix token).
typedef struct Scores {
    int rank;
    int64_t dim[5];
    float *v;
} Scores;

typedef struct NamedScores {
    Str name;
    bool is_int; // values are whole numbers (top_p_size): saved as I64, never rounded when shown
    Scores scores;
} NamedScores;

// Decides the class in files and the default aggregation (aggregate.c has the pipelines).
typedef enum {
    OUT_GRANULAR, // gradient methods: [.., .., H]          vnorm, normalised
    OUT_MULTI,    // attention: [.., .., L(, A)]            mean per extra dimension, normalised after each
    OUT_COARSE,   // occlusion, or anything aggregated      none
    OUT_STEPS,    // step scores only (method dummy)        none
} OutputClass;

// What became of a sentence's steps when tokens were taken away in some order (evaluate.c has the definitions). Columns
// are steps; rows are shares of the tokens: 0, 10, ... 100 % in the curves, ERASER's 1, 5, 10, 20, 50 % in the others.
enum { EVALUATE_POINTS = 11, EVALUATE_BINS = 5, EVALUATE_MEASURES = 4 };
typedef struct Curves {
    Scores deletion, insertion;            // [11, n] the attributed function's values
    Scores comprehensiveness, sufficiency; // [5, n] what it lost
} Curves;
typedef struct Evaluation {
    Curves own, random; // by the scores, and in a random order (deletion.v NULL: not measured)
} Evaluation;

// A small table of numbers beside the heatmaps: how faithful scores are, how far methods agree (figures.c).
typedef struct Figures {
    const char *title, *note; // note: how to read it
    size_t n_rows, n_columns;
    const Str *row, *column;
    const double *v;  // [rows, columns]; NaN: no number
    const bool *best; // [rows, columns], marked; NULL: none is
} Figures;

// Numbers with names on both sides, drawn as a heatmap is: tokens by layers (layers.c), layers by positions (lens.c).
typedef struct Picture {
    const char *title, *down,
        *across; // down, across: what rows and columns are, "Attributed tokens", "Layers"
    const Token *row, *column;
    Scores scores;            // [rows, columns]; NaN: no number
    const Str *cell;          // [rows, columns] words that stand there instead of numbers; NULL: numbers do
    const NamedScores *below; // more rows, each [columns]
    size_t n_below;
    size_t sequence; // which of the texts it is about, from 0
} Picture;

// Scores by layers and heads, [.., .., L(, A)], from which those of a sequence are means.
typedef struct LayerScores {
    Scores source, target;
} LayerScores;

// One sentence. Column c is step attr_pos_start + c.
typedef struct Sequence {
    Token *source; // [S]; decoder-only models: the prompt
    Token *target; // [T]
    int64_t n_source, n_target;
    int64_t attr_pos_start, attr_pos_end;
    Scores source_attributions; // [S, n, ...] or none
    Scores target_attributions; // [min(T, end), n, ...] or none; NaN at and below the diagonal
    NamedScores *step_scores;   // each [n]
    size_t n_step_scores;
    NamedScores *sequence_scores; // attention's [n, n, L, A] and the like
    size_t n_sequence_scores;
    OutputClass kind;
    const Evaluation *evaluation; // NULL: not measured. Not saved, but for its step scores
    const char *method;           // where several ran: shown with its tables; NULL: none. Not saved
    const char *title;            // the model, where several ran: shown with its tables; NULL: none
    const bool *of_template;      // [n_source] tokens of a chat's template; NULL: no chat. Not saved
    Str row; // of a data file: {"number": 1, "id": ..., "fields": {...}} as JSON; empty: none
    const LayerScores
        *layers;  // what OUT_MULTI scores were before they were aggregated; NULL: not kept. Not saved
    int64_t text; // and which of the texts (or foils) given it is, from 1; 0: not known. Not saved
} Sequence;

typedef struct InfoField {
    Str key, json;   // the value as JSON text, written back as it is
    const Str *list; // or, for saving only: a list of texts, or of JSON values; NULL: json
    size_t n_list;
    bool values; // the list is of JSON values; an empty one is null
} InfoField;

typedef struct Attribution {
    InfoField *info; // sorted by key when written
    size_t n_info;
    Sequence *sequence;
    size_t n, first;  // first: how many stand before them, where they are a part of a larger result
    Figures *figures; // shown after the sequences. Not saved
    size_t n_figures;
    Picture *pictures; // the same
    size_t n_pictures;
} Attribution;

const char *attr_info(Arena *a, const Attribution *t,
                      const char *key); // a string field's value; NULL if absent

// ------------------------------------------------------------------------------------------ attributing

typedef struct Span {
    int64_t from, to; // end exclusive
} Span;

// Which token of a foil a step is compared with, where nothing else is said. Inseq counts from the right end. Of
// decoder-only models a foil is the whole text, and equals the text up to some token: unless that lies in the prompt (it is
// another prompt then, and the ends belong together), positions are the same.
// ALIGN_AUTO looks at the tokens themselves (align.c).
typedef enum { ALIGN_BY_KIND, ALIGN_RIGHT, ALIGN_FIRST_DIFFERENCE, ALIGN_AUTO } AttrAlign;

// What is attributed: one source and the target that was generated or forced. Decoder-only models: source is the
// prompt, target the whole text. Strings are shown as they are given.
typedef struct Pair {
    Ids source, target; // target begins with the start token and ends with the end token
    const Token *source_tokens, *target_tokens;
    const struct Pair *contrast; // the foil's source and target; NULL: none
    const Span *alignment; // {position here, position in the foil} pairs; the rest is aligned as `align` says
    size_t n_alignment;
    AttrAlign align;
    const Token *foil; // the word that steps are compared with, whatever the foil has there; NULL: the foil's
    Span steps;        // those attributed, from <= s < to; to 0: as the options say
    const bool *of_template; // [source.n] of a chat's prompt: tokens of the template; NULL: no chat
} Pair;

// The position of the foil that a step is compared with, and why.
typedef struct Aligned {
    int64_t at;
    enum { ALIGNED_SAME, ALIGNED_POSITION, ALIGNED_WORD, ALIGNED_BY_HAND, ALIGNED_END } how;
} Aligned;
// Of steps from <= s < to of a pair that has a foil; out [to - from].
void attr_align(Arena *a, const Pair *p, bool encoder_decoder, int64_t from, int64_t to, Aligned *out);
void attr_alignment_text(Arena *a, const Pair *p, bool encoder_decoder, int64_t from, int64_t to,
                         Buf *out); // a line for each step

// Arguments of step functions, by the library's names. One value serves every function that has the argument.
typedef struct StepArgs {
    bool logprob, contrast_force_inputs;
    double top_p;               // 1
    int64_t top_k;              // 0: off
    int64_t min_tokens_to_keep; // 1
    bool top_p_given;           // top_p_size needs it
    int64_t n_mcd_steps;        // 5: noisy passes of mc_dropout_prob_avg
    uint64_t seed;              // of their dropout
} StepArgs;

// What was run for some texts, or would be (attr_plan). One forward, and one way back with a cotangent for each step, serve
// all steps of a text. Rows that are gone back through are counted once for each cotangent that reaches them.
typedef struct Passes {
    double forwards;                             // targets decoded, once more for each changed input
    double source_rows, target_rows, words;      // rows through encoder and decoder; rows of logits
    double source_back, target_back, words_back; // the last is the number of cotangents
    double shared_rows; // of sources that don't move, encoded once for all points of a pass: planned only
} Passes;

// How faithful the scores are: measured after them, by taking tokens away (evaluate.c).
typedef struct EvaluateOptions {
    bool wanted, random; // random: in a random order too
    uint32_t seed;       // of that order
} EvaluateOptions;

typedef struct AttrOptions {
    const char *method;        // Inseq's name: "input_x_gradient"
    const char *attributed_fn; // "probability"
    const char *const *step_scores;
    size_t n_step_scores;
    bool attribute_target;
    bool include_eos_baseline; // the baseline of the end token is unk too, not itself
    int32_t unk, eos, bos;     // the tokenizer's, for baselines and paths; -1: none
    bool (*special)(const void *vocabulary, int32_t id); // the tokenizer's special words; NULL: those three
    const void *vocabulary;
    bool has_start, has_end;
    int64_t start, end; // attr_pos_start, attr_pos_end (exclusive); negative: from the end
    StepArgs step;
    const Json *method_args; // arguments of the method by the library's names; NULL: none
    const Ids *baselines;    // the texts of the file that the argument baselines names, as sources
    size_t n_baselines;
    EvaluateOptions evaluate;
    size_t max_memory;  // bytes for gradients; the bits don't depend on it
    bool aggregated;    // through the default pipeline at once: what is kept of many texts is then small
    bool keep_layers;   // and what attention's scores were before that is kept too, in Sequence.layers
    ProfileOp *profile; // [PROFILE_OPS] where the time goes, added up; NULL: not measured
    Passes *made;       // what was run, added up; NULL: not counted
    void (*progress)(void *context, int64_t done, int64_t total); // steps; may be NULL
    void *context;
} AttrOptions;

AttrOptions attr_defaults(void);
// Whether every name in the options is known and fits the others, before a model is loaded.
bool attr_check(const AttrOptions *o, Err *e);

// What a result file says of its texts and of the arguments as they were given; the rest is known here.
typedef struct AttrTexts {
    const Str *sources, *targets;
    size_t n;
    bool forced, from_prefix;
    Str attribution_args, generation_args; // JSON objects; empty: none
    const char *tokenizer_class;
} AttrTexts;
void attr_describe(Arena *a, Attribution *t, const Model *m, const AttrOptions *o,
                   const AttrTexts *x); // fills t->info

// Adds the sequences of `more` to t (which may be empty) and what its info says of their texts and models.
void attr_append(Arena *a, Attribution *t, const Attribution *more);
void attr_note_methods(
    Arena *a, Attribution *t); // of a comparison: the info then says which method each sequence is of
// What is said of a row, as results have it: keys sorted, on one line. NULL: nothing is.
Str attr_row(Arena *a, const Json *row);
// Notes the rows of data files that sequences have, a list under this key of info; nothing where none has one.
#define ATTR_ROWS  "sequence_rows"
#define ATTR_SHARD "shard" // of a part of a run: the first line of its journal (journal.h)
void attr_note_rows(Arena *a, Attribution *t);
// How a result was made, a JSON object: another key of its info.
#define ATTR_PROVENANCE "inseq_provenance"
void attr_note_provenance(Arena *a, Attribution *t, Str json);
// What texts a result is of, in the place of what attr_describe said; row: of data files, as JSON (NULL: none). They must
// live as long as t.
void attr_list_texts(Attribution *t, const Str *sources, const Str *targets, const Str *row, size_t n);
void attr_take_titles(Arena *a,
                      Attribution *t); // of a file just read: Sequence.title where several models ran

// Attributes n pairs together, each exactly as if it were alone. out [n] on the arena a.
bool attr_run(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, Sequence *out,
              Err *e);

// What attribute()'s keyword arguments say besides the options: it concerns texts, which the caller turns into pairs.
typedef struct AttrAlignment {
    const Span *v; // {position, foil position}
    size_t n;
} AttrAlignment;
typedef struct AttrRequest {
    bool skip_special_tokens, clean_special_chars;
    const Str *contrast_sources, *contrast_targets;
    size_t n_contrast_sources, n_contrast_targets;
    AttrAlignment *alignments; // one for all texts, or one for each
    size_t n_alignments;
    AttrAlign align; // of what they leave open
    Str baselines;   // a file of texts, one a line, for AttrOptions.baselines; empty: none
    Str ignored[16]; // names that nobody knows
    size_t n_ignored;
} AttrRequest;
// Stands in AttrOptions.progress where show_progress is false.
void attr_no_progress(void *context, int64_t done, int64_t total);
// Reads a JSON object (NULL: none) into both. Wrong kinds and ranges fill e.
bool attr_kwargs(Arena *a, const Json *kwargs, AttrOptions *o, AttrRequest *r, Err *e);

// ------------------------------------------------------------------------------------------ speed

typedef struct BenchOptions {
    int64_t source_tokens, target_tokens; // S, or a prompt's P; T
    int decode_tokens, runs;
    size_t max_memory;
} BenchOptions;

enum { PRODUCT_ROWS = 4 }; // numbers of rows that products are timed at
typedef struct BenchProduct {
    int64_t rows;
    double forward, backward; // shares of the peak, medians of the runs
} BenchProduct;

typedef struct BenchResult {
    bool decoder_only;
    double loading;         // seconds to open model and tokenizer: the caller's to fill in
    double peak, bandwidth; // of the machine with the pool's threads: FLOP/s, bytes/s
    double flops, done;     // that the attribution needs (attr_flops); those that its products were
    double attribution, attribution_best; // seconds, median and least of the runs
    double decoding[2],
        decode_step[2]; // seconds with beam 1 and 4: of all tokens with the encoder, of one step
    double first_token,
        first_flops;     // seconds to the first token, with encoder or prompt; the operations that it needs
    double decode_bytes; // of weights that a step with beam 1 must read
    BenchProduct product[PRODUCT_ROWS]; // of the model's linear layers
    ProfileOp ops[PROFILE_OPS];         // where the attribution's time goes, seconds a run
} BenchResult;

bool attr_bench(Arena *a, const Model *m, const BenchOptions *o, BenchResult *r, Err *e);
void attr_bench_text(const BenchOptions *o, const BenchResult *r, Buf *out); // as lines for a person
void attr_bench_json(const BenchOptions *o, const BenchResult *r, Buf *out);
// Floating-point operations that input x gradient needs for S source tokens and T steps, `passes` times.
double attr_flops(const Model *m, int64_t S, int64_t T, int passes);

// What a run would take, without running it.
typedef struct Plan {
    int64_t S, T, steps; // tokens of source and target (with the start token), steps attributed
    Passes passes;
    double backwards;   // cotangents by steps
    double forth, back; // floating-point operations
    double seconds;     // expected
    size_t bytes;       // beside the weights, at most
} Plan;

// Of n pairs in one batch; sums. peak: cpu_peak. What attr_run refuses is mostly refused here too.
bool attr_plan(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, double peak,
               Plan *out, Err *e);
// Its seconds where peak is 1, without a look at memory: how much work pairs are, beside others. 0: they are refused.
double attr_work(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n);
// The bytes of attr_plan, or 0 where that would not tell more than that they are few: less than `few`.
size_t attr_bytes(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, size_t few);
// What --plan prints: texts one by one, as they are numbered on the command line.
typedef struct PlanReport {
    const Model *m;
    const AttrOptions *o;
    const Plan *text;
    const size_t *number;       // [n]
    size_t n, bytes;            // that the largest batch takes
    double peak;                // cpu_peak
    double loading, generating; // seconds that went before
    bool generated;             // else targets were given
} PlanReport;
void attr_plan_text(const PlanReport *p, Buf *out);
void attr_plan_json(const PlanReport *p, Buf *out);

// ------------------------------------------------------------------------------------------ layers

// What each layer of the decoder would say at each position if the model ended there (lens.c): three pictures of layers by
// tokens read: the likeliest next token, the rank of a word, the divergence from the last layer's distribution.
enum { ATTR_LENS_PICTURES = 3 };
typedef struct LensOptions {
    int32_t word; // whose rank is shown; -1: the token that follows at each position
    size_t max_memory;
    Str (*name)(void *context, int32_t id); // a token's text
    void *context;
} LensOptions;
// Of p's source and target; its tokens name the columns. Pictures on the arena.
bool attr_lens(Arena *a, const Model *m, const LensOptions *o, const Pair *p, Picture out[ATTR_LENS_PICTURES],
               Err *e);

// Whether the options ask for scores of all layers: layer_gradient_x_activation with target_layer "all".
bool attr_all_layers(const AttrOptions *o);
// Scores of all layers as a picture, tokens by layers, for the step at this position of the target.
bool attr_layer_picture(Arena *a, const Sequence *s, int64_t step, Picture *out, Err *e);

// ------------------------------------------------------------------------------------------ comparing methods

// Adds to t's figures how faithful each method (or model) is over all texts, if that was measured. Of several methods one
// has to have the random order: it is the same for all.
void attr_faithfulness(Arena *a, Attribution *t);
// Adds tables of how far the rankings of n methods agree (agreement.c), each step with equal weight. Sequences are told
// apart by Sequence.method and .text and have two-dimensional scores; top: how many of the highest scores are compared.
void attr_agreement(Arena *a, Attribution *t, const char *const *method, size_t n, int64_t top);

// An argument of --attribution_kwargs. absent: what leaving it out is the same as, as JSON; NULL: as nothing that can be given.
typedef struct Argument {
    const char *name, *absent, *meaning;
} Argument;

// The tables behind --help, inseq list, inseq help and "did you mean": name and one line each. What is not known is NULL.
typedef struct Entry {
    const char *name, *summary, *paper;
    const char *formula, *when; // lines as they are to be shown; what it is good for, and what not
    const char *cost;           // of a method, for one text
    const Argument *arguments;  // end with a name of NULL; NULL: none
    const char *must; // those that can't be left out, with values for the example, as JSON; NULL: none
} Entry;
size_t attr_method_list(const Entry **out);
size_t attr_step_list(const Entry **out);
size_t attr_aggregator_list(const Entry **out);
bool attr_is_contrastive(const char *step_function);
// Whether the method takes an argument of this name (inseq.c hands each of --attribution_kwargs to whoever knows it).
bool attr_method_takes(const char *method, Str argument);
const char *attr_method_nearest(const char *method, Str argument); // the one that may be meant; NULL: none

// The same with the rows of a chat's template folded into one that holds their sum; others as they are.
bool attr_fold_template(Arena *a, const Sequence *in, Sequence *out, Err *e);

// ------------------------------------------------------------------------------------------ aggregation

// One stage, as Inseq's aggregate(aggregator, aggregate_fn, **options); semantics 4.2, 4.3.
typedef struct Stage {
    const char *aggregator; // "scores", "subwords", "spans", "slices", "split", "pair", or a function name
    const char
        *function; // of "scores": "vnorm", "mean", "sum", "max", "min", "prod", "absmax"; NULL: its default
    bool normalize, rescale; // columns sum to 1; or all divided by the largest (rescale wins)
    double vnorm_ord;        // 2
    // select_idx on the last dimension: none, one index (no function applied), from..to, or a list
    enum { SELECT_ALL, SELECT_ONE, SELECT_SPAN, SELECT_LIST } select;
    int64_t select_from, select_to;
    const int64_t *select_list;
    size_t n_select;
    const Span *source_spans, *target_spans;
    size_t n_source_spans, n_target_spans;
    bool aggregate_source, aggregate_target; // subwords, split
    const char *special_chars;               // "▁"; several with a space between them: "Ġ Ċ"
    bool is_suffix_symbol;
    const char *split_pattern, *split_mode; // POSIX extended expression; "single", "start", "end"
    const Sequence *paired;                 // pair
} Stage;

Stage attr_stage(const char *aggregator); // with the defaults; aggregator may be a function's name
// Stages by name, with an index to select for each if any is given (as text). Unknown names suggest the nearest.
bool attr_stages(Arena *a, const char *const *names, size_t n, const char *const *selectors,
                 size_t n_selectors, bool normalize, bool rescale, Stage **out, Err *e);
// The default pipeline of an output class; returns the number of stages (0, 1 or 2).
size_t attr_default_pipeline(const Sequence *s, Stage out[4]);
bool attr_aggregate(Arena *a, const Sequence *in, const Stage *stages, size_t n, Sequence *out, Err *e);
// Every sequence by its own default pipeline (already 2-D ones unchanged).
bool attr_aggregate_default(Arena *a, const Attribution *in, Attribution *out, Err *e);
// Columns multiplied by the step score of that name (semantics 4.4), after the default pipeline.
bool attr_weight(Arena *a, const Sequence *in, const char *step_score, Sequence *out, Err *e);
size_t attr_aggregator_names(const char *const **names); // for suggestions

// Words or sentences instead of tokens: rows are summed and columns averaged, so that columns sum to what they did
// (granularity.h, granularity.c). Of two-dimensional scores.
typedef enum { GRANULARITY_TOKEN, GRANULARITY_WORD, GRANULARITY_SENTENCE } Granularity;
bool attr_granularity(Arena *a, const Sequence *in, Granularity g, Sequence *out, Err *e);
// Of a lens, whose columns are tokens read: of each word or sentence the column of its last token, where all of it is read.
void attr_granular_lens(Arena *a, const Picture *in, Granularity g, Picture *out);
// Of tokens by layers: rows are summed.
void attr_granular_layers(Arena *a, const Picture *in, Granularity g, Picture *out);

// ------------------------------------------------------------------------------------------ files

// Inseq's own JSON ("inseq" format): what FeatureAttributionOutput.load reads. Scores as base64 safetensors.
void attr_to_json(Arena *a, const Attribution *t, Buf *out);
// The same into a file, sequence by sequence: the file is never in memory as a whole.
// A file of these bytes; gzipped if its name ends in .gz, as attr_save does.
bool attr_write(Arena *a, const char *path, Str bytes, Err *e);
bool attr_save(Arena *a, const Attribution *t, const char *path, Err *e);
// The same file from sequences that lie elsewhere: next gives one after another as attr_sequence_line wrote them, parsed; NULL
// and no error: no more. t has the info.
typedef const Json *AttrNext(void *context, Arena *a, Err *e);
bool attr_save_rows(Arena *a, const Attribution *t, AttrNext *give, void *context, const char *path, Err *e);
void attr_sequence_line(Arena *a, const Sequence *s, Buf *out); // on one line, without its end
bool attr_read_sequence(Arena *a, const Json *line, const char *path, Sequence *out, Err *e);
// A sequence as a row of report_jsonl.c: the members of its object, without braces. t: of one sequence, two-dimensional.
void attr_flat_members(Arena *a, const Attribution *t, Buf *out);
bool attr_read_flat(Arena *a, const Json *row, const char *path, Sequence *out, Err *e);
// Files of Inseq 0.6 and 0.7, gzipped or not. Tokens are views into text, which must live as long as out does.
bool attr_from_json(Arena *a, Str text, const char *path, Attribution *out, Err *e);

// ------------------------------------------------------------------------------------------ reports

typedef enum { COLOR_NONE, COLOR_16, COLOR_256, COLOR_TRUE } ColorDepth;

typedef struct ReportOptions {
    ColorDepth color;
    int width;               // columns of the terminal, or that --width gives figures in files; 0: any
    int decimals;            // of shown numbers, plus 1; 0: as many as the format has
    bool percent;            // scores are shown in percent
    bool plain;              // no box drawing, TAB separated
    bool unicode;            // false: ASCII shades and rules only
    bool no_heatmaps;        // on the terminal: only the figures
    double min_val, max_val; // colour range; NaN: symmetric about 0 by the largest score (semantics 7.3)
    const char *title;       // may be NULL
} ReportOptions;

// One report format: a row in reports.def and a file that ends with `const Report report_NAME`.
typedef struct Report {
    const char *name;      // "terminal", "html", "svg", "csv", "json", ...
    const char *extension; // ".html"; NULL if it is for the terminal only
    bool binary;           // its bytes are no text
    const char *summary;
    const char *layout; // of data: what stands where, in lines; NULL: it is for people
    bool aggregated;    // wants 2-D scores: the caller applies the default pipeline first
    bool (*write)(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e);
} Report;

const Report *const *attr_reports(size_t *n);
extern const char attr_result_layout[];      // the same of what attr_save writes
const Report *attr_report(const char *name); // NULL if unknown
// The format of a file by the end of its name (.gz may follow); NULL: of none.
const Report *attr_report_of_file(Arena *a, const char *path);
// The largest absolute score of all sequences: ReportOptions.max_val for one scale in common.
double attr_largest(const Attribution *t);

// A page of several results, each with a heading, words on how to read it and the commands that made it (command ends
// with NULL). o->title heads the page. Fails if scores are not two-dimensional.
typedef struct Chapter {
    const char *title, *text;
    const char *const *command;
    const Attribution *shown;
} Chapter;
bool attr_html_story(Arena *a, const Chapter *chapter, size_t n, const ReportOptions *o, Buf *out, Err *e);

// The page of `inseq serve` (ask_page.c): a form that asks the server that it is from, and the content policy that it needs.
typedef struct AskModel {
    const char *name;
    bool chat; // it has a chat template
} AskModel;
void attr_ask_page(Arena *a, const AskModel *model, size_t n, Buf *page, Buf *policy);
