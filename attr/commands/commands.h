// SPDX-License-Identifier: Apache-2.0
// commands.h — the subcommands: what each has to provide, their options, and what they share: messages, loading,
// delivering. They call what is below and say what came out; nothing is computed here.
#pragma once
#include "../texts/texts.h"

enum { EXIT_INPUT = 1, EXIT_USAGE = 2, EXIT_SOME = 3, EXIT_NO_READER = 141 }; // interrupted: 128 + the signal

#define NO_MODEL                                                                                             \
    "which model? give a checkpoint folder with -m FOLDER, or try -m demo/en-nl, which is built in"

// Which commands an option belongs to.
enum {
    SINGLE = 1, // attribute itself
    DATASET = 2048,
    ALONE = SINGLE | DATASET, // and not compare, which shares its options
    COMPARE = 128,
    ATTRIBUTE = ALONE | COMPARE,
    GENERATE = 2,
    TOKENIZE = 4,
    SHOW = 8,
    INFO = 16,
    BENCH = 32,
    DEMO = 64,
    LENS = 256,
    LIST = 512,
    QUANTIZE = 1024,
    CONTEXT = 4096,
    SERVE = 8192,
    REQUEST = 16384, // no command: what a request to serve may say
    VERIFY = 32768,
    MERGE = 65536,
    HELP = 131072,
    MODELS = 262144,
    LOADED = ATTRIBUTE | CONTEXT | GENERATE | INFO | LENS | QUANTIZE | SERVE,
    MODEL = LOADED | TOKENIZE,
    ROWS = ATTRIBUTE | GENERATE | LENS | TOKENIZE, // what reads data files
    VIEWED = ATTRIBUTE | CONTEXT | SHOW | LENS     // what draws
};

struct Command;
typedef struct Commands { // the table
    const struct Command *const *v;
    size_t n;
} Commands;

// The command line of one command, parsed.
typedef struct Args {
    Arena *a;
    Commands commands;  // all of them: what tells of the others
    OptionValue *value; // runs parallel to args_options
    const char **rest;  // words that belong to no option
    size_t n_rest;
    Attribution *saved_form; // gets what -o would save (NULL: -o does)
    bool silent;             // nothing is printed or written: a result only goes to this one and to shown,
    const struct ContextResult **contexts; // or, of contexts, here
    size_t *n_contexts;
    int argc;
    char **argv;          // as they were given: the program, the command, its words
    const Loaded *loaded; // [n_loaded] the models that were opened, where --provenance tells of them
    size_t n_loaded;
    Attribution *shown;  // gets what is drawn (NULL: not wanted)
    const char *program; // as it was called: "./inseq"
    bool no_heatmaps;    // on the terminal
    const Loaded *kept;  // models that are loaded already; the machine is started, and no file is opened
    size_t n_kept;
    bool stream;         // a line of JSON is printed for each text as soon as it is done, and nothing else
    Talk talk;           // cmd_talk
    bool told_device;    // that there is only the processor
    const char *closing; // a note to end with; NULL: none
    bool saved;          // what -o names is written already
    int ended;           // the exit code, where a run did not come to its end; 0: it did
    void (*catch_interrupts)(void);                                   // from now on an interrupt is answered
    int (*call)(Arena *a, int argc, char **argv, Attribution *shown); // another command line; its exit code
} Args;

// One subcommand: a row in commands.def and a file cmd_NAME.c that ends with `const Command command_NAME`.
typedef struct Command {
    const char *name;
    unsigned options;    // bits above
    size_t words;        // that belong to no option, at most
    int (*run)(Args *a); // the exit code
    const char *usage, *summary, *example;
} Command;
Commands cmd_all(void);

// ------------------------------------------------------------------------------------------ options (args.c)

const Option *args_options(size_t *n);
const OptionValue *args_get(const Args *a, const char *name); // a name that is in no table is a BUG
bool args_on(const Args *a, const char *name);
const char *args_text(const Args *a, const char *name); // the last one given; NULL: none
bool args_start_machine(const Args *a, Err *e);         // kernels and threads
bool args_saves(const Args *a);                         // does -o, or whoever has it kept, get a result?
bool args_load(Args *a, const char *name, Loaded *l, Err *e);
bool args_loading(Args *a, NnOptions *o, Err *e); // what --model_kwargs and the like say
bool args_languages(const Args *a, const char *name, Tokenizer *t, Err *e); // --src_lang, --tgt_lang
bool args_have_rows(const Args *a);                                         // of data files are the texts
struct RowsFile;
bool args_dataset(const Args *a, struct RowsFile *f, bool *given, Err *e); // the rows of -d and its kin
bool args_texts(const Args *a, Texts *t, Err *e); // reading.c: words, lines, rows of data files
bool args_chat(const Args *a, Work *w,
               Err *e); // --chat and its kin; other commands' and options' combinations refused
// --generation_kwargs, --max_new_tokens: the model's settings with them.
bool args_generation(Args *a, Work *w, Err *e);
bool args_batch_size(const Args *a, size_t *out, Err *e);
ReportOptions args_report_options(const Args *a);

// ------------------------------------------------------------------------------------------ messages (console.c)

void cmd_say(const char *format, ...) __attribute__((format(printf, 1, 2))); // "inseq: ...", harmless
void cmd_complain(const char *message);
void cmd_note(const Args *a, const char *message); // not with --quiet
int cmd_fail(const Err *e, int code);              // says e, if it is set; returns the code, or that of usage
int cmd_no_output(void);                           // standard output failed: says so, returns the exit code
int cmd_print(Str bytes);                          // on standard output; the exit code
int cmd_print_text(Args *a, Str text);             // the same of text that may quote files: harmless
// Says what went wrong with which text; the exit code for it.
int cmd_report_failures(const Job *job, size_t n);
void cmd_report_failure(const Job *job, bool several);
int cmd_interrupted(bool kept); // 0, or the exit code after a word about it; kept: what was finished is there
Talk cmd_talk(Args *a);
void cmd_no_note(void *context, const char *sentence);                 // for a Talk that says nothing
void cmd_start_bar(const Args *a, AttrOptions *o, size_t n, Bar *bar); // n texts
// The next ones, with their targets; Bar.next was set to their part of Bar.ahead.
void cmd_bar_batch(Bar *b, const Work *w, const AttrOptions *o, Job *const *batch, size_t n);
void cmd_bar_done(Bar *b, size_t n); // so many more texts are done
bool cmd_wants_json(const Args *a);

// ------------------------------------------------------------------------------------------ results (forms.c, deliver.c)

enum { MOST_LAYERED = 64 };
bool cmd_keeps_layers(Args *a,
                      size_t texts); // is a page wanted, of texts few enough to have each layer and head?
bool cmd_pipeline(Args *a, Stage **out, size_t *n, Err *e); // --attribution_aggregators and their arguments
bool cmd_draws(Args *a); // are sequences needed at the end, by something else than -o?
bool cmd_check_granularity(const Args *a, Err *e);
bool cmd_check_delivery(Args *a, Err *e); // before anything is computed: can it be delivered?
bool cmd_check_folders(Args *a, Err *e);
bool cmd_refuse_files(Args *a, const char *why, Err *e); // where nothing would be written to them
bool cmd_shown_form(Args *a, const Attribution *t, Attribution *out, Err *e);
bool cmd_granular_form(Args *a, Attribution *t, Err *e); // --granularity: *t's sequences, which are replaced
bool cmd_saved_form(Args *a, const Attribution *t, const Attribution *shown, Attribution *out, Err *e);
int cmd_deliver(Args *a, const Attribution *t,
                const Attribution *saved); // saved: what -o gets; says what fails
bool cmd_read_bytes(Args *a, const char *path, Str *bytes, Err *e);
bool cmd_parse_result(Args *a, Str bytes, const char *path, Attribution *t, Err *e);
bool cmd_read_result(Args *a, const char *path, Attribution *t, Err *e);

// ------------------------------------------------------------------------------------------ provenance (provenance.c)

bool cmd_note_model(Args *a, const Loaded *l,
                    Err *e);                    // one was opened: hashes its files, if --provenance is given
bool cmd_provenance(Args *a, Str *out, Err *e); // of what was opened so far, as a JSON object on one line
bool cmd_add_provenance(Args *a, Attribution *t, Err *e); // to its info, if it is asked for

// What was found to differ (differences.c). {.out = ...} is nothing yet.
typedef struct Differences {
    Buf *out;                // gets a line for each of the first places
    const char *const *skip; // keys that are not looked at, the last NULL
    size_t numbers, others;  // values looked at, and those that differ
    size_t places;           // arrays and the like that they are in
} Differences;
// The members of an object that was saved, against those of another one; what: what it is of ("text 3").
void cmd_differences(Differences *d, const char *what, const Json *saved, const Json *now);

// ------------------------------------------------------------------------------------------ context attributions

struct ContextResult;
bool cmd_check_contexts(Args *a, Err *e); // as cmd_check_delivery
int cmd_deliver_contexts(Args *a, const struct ContextResult *r, size_t n);

// ------------------------------------------------------------------------------------------ attribute, compare

int cmd_attribute(Args *a); // attribute, attribute-dataset

bool cmd_attribution_options(Args *a, const char *method, AttrOptions *o, AttrRequest *x, Err *e);
void cmd_note_ignored(const Args *a, const char *const *method, const AttrRequest *x, size_t n);
void cmd_note_contrast(const Args *a, const AttrOptions *o, const AttrRequest *x);
// The model, its settings and the texts with their foils.
bool cmd_load_texts(Args *a, const char *name, const AttrRequest *x, Loaded *l, Work *w, Texts *t, Err *e);
bool cmd_read_baselines(Args *a, const Work *w, const AttrRequest *x, AttrOptions *o, Err *e);
size_t cmd_batch_scores(Args *a, const Work *w, const AttrOptions *o, const AttrRequest *x, Job **batch,
                        size_t n, Bar *bar, Sequence *out);
void cmd_describe(Args *a, const Work *w, const AttrOptions *o, const Job *job, size_t n, Attribution *t);
void cmd_describe_run(Args *a, const Work *w, const AttrOptions *o, bool forced, const Str *source,
                      const Str *target, size_t n, Attribution *t); // the same of n texts

// ------------------------------------------------------------------------------------------ the program (about.c)

const char *cmd_commit(void); // that it was built from: "2026-01-31 0123456789ab"
int cmd_version(void);        // --version: of what was it built, and how does it run here
int cmd_license(void);        // --license: LICENSE and NOTICE

// ------------------------------------------------------------------------------------------ help (help.c, environment.c, manual*.c)

void help_usage(Commands c, Buf *out);                                        // inseq --help
void help_topics(Commands c, int width, Buf *out);                            // inseq help
void help_command(Arena *a, const Command *c, bool all, int width, Buf *out); // inseq COMMAND --help
bool help_topic(Arena *a, Commands c, const char *topic, bool all, int width, Buf *out, Err *e);
bool help_page(Arena *a, const char *topic, int width,
               Buf *out); // of what stands in no table of choices: environment, files
// What programs, files and variables there are to know of; ends with a name of NULL.
typedef struct Fact {
    const char *name, *meaning;
} Fact;
extern const Fact help_environment[], help_files[], help_exit_codes[], help_examples[];
void manual(Commands c, Buf *out); // inseq.1, the next inseq-methods.7 and inseq-formats.5, as roff
void manual_methods(Buf *out), manual_formats(Buf *out);
