// SPDX-License-Identifier: Apache-2.0
// manual.c — the man pages, from the tables that help shows: inseq(1), inseq-methods(7), inseq-formats(5).
#include "../context.h"
#include "commands.h"

#include <string.h>

static void begin(Buf *b, const char *name, int section, const char *kind, const char *summary)
{
    buf_printf(b, ".TH %s %d \"\" \"inseq " VERSION "\" \"%s\"\n.SH NAME\n", name, section, kind);
    man_text(b, summary);
}

static void heading(Buf *b, const char *name) { buf_printf(b, ".SH %s\n", name); }

// What begins a paragraph, but for the first behind a heading, where one has begun.
static void begin_paragraph(Buf *b)
{
    size_t at = b->n ? b->n - 1 : 0;
    while (at && b->s[at - 1] != '\n') at--;
    if (memcmp(b->s + at, ".S", 2) != 0) buf_str(b, STR_LIT(".PP\n"));
}

static void paragraph(Buf *b, const char *text) { begin_paragraph(b), man_text(b, text); }

static void item(Buf *b, const char *name, const char *meaning)
{
    buf_str(b, STR_LIT(".TP\n.B "));
    man_text(b, name), man_text(b, meaning);
}

static void facts(Buf *b, const Fact *f)
{
    for (; f->name; f++) item(b, f->name, f->meaning);
}

// Lines as they are.
static void block(Buf *b, const char *text)
{
    begin_paragraph(b), buf_str(b, STR_LIT(".EX\n"));
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        man_text(b, str_zero(b->arena, (Str){text, n}));
    }
    buf_str(b, STR_LIT(".EE\n"));
}

// ------------------------------------------------------------------------------------------ inseq(1)

static void put_command(Buf *b, const Command *c)
{
    size_t n;
    const Option *options = args_options(&n);
    buf_printf(b, ".SS inseq %s\n.B ", c->name);
    man_text(b, arena_printf(b->arena, "inseq %s %s", c->name, c->usage));
    paragraph(b, c->summary);
    block(b, arena_printf(b->arena, "inseq %s %s", c->name, c->example));
    options_man(options, n, c->options, b);
}

void manual(Commands c, Buf *b)
{
    begin(b, "INSEQ", 1, "User Commands", "inseq \xE2\x80\x94 why a sequence model wrote what it wrote");
    heading(b, "SYNOPSIS");
    buf_str(b, STR_LIT(".B inseq\nCOMMAND [options]\n"));
    heading(b, "DESCRIPTION");
    man_text(
        b,
        "inseq loads a translation, instruction or language model, generates a text or takes one, and tells "
        "for "
        "each of its tokens what it owes to every token of the source or prompt and of the text so far. "
        "MODEL is a checkpoint folder as the Hugging Face Hub lays it out, a GGUF file, the name of a model "
        "in "
        "the Hub's local cache, or one inside this program, such as demo/en-nl. Nothing is ever downloaded. "
        "The same input gives the same bytes, whatever the machine, the threads and the batch.");
    paragraph(
        b,
        "Results go to standard output, everything else to standard error. Underscores work in place of "
        "hyphens in options, a flag may be followed by true or false, and a long name may be cut to a unique "
        "beginning.");
    heading(b, "EXAMPLES");
    for (const Fact *f = help_examples; f->name; f++) paragraph(b, f->meaning), block(b, f->name);
    heading(b, "COMMANDS");
    for (size_t i = 0; i < c.n; i++) put_command(b, c.v[i]);
    heading(b, "EXIT STATUS"), facts(b, help_exit_codes);
    heading(b, "ENVIRONMENT"), facts(b, help_environment);
    heading(b, "FILES"), facts(b, help_files);
    heading(b, "SEE ALSO");
    man_text(b, "inseq-methods(7), inseq-formats(5); inseq help");
}

// ------------------------------------------------------------------------------------------ inseq-methods(7)

static void put_entries(Buf *b, const char *title, const char *intro, const Entry *v, size_t n)
{
    heading(b, title), man_text(b, intro);
    for (size_t i = 0; i < n; i++, v++) {
        buf_printf(b, ".SS %s\n", v->name);
        man_text(b, v->summary);
        if (v->formula) block(b, v->formula);
        if (v->when) paragraph(b, v->when);
        if (v->paper) paragraph(b, arena_printf(b->arena, "Paper: %s.", v->paper));
        if (v->cost) paragraph(b, arena_printf(b->arena, "Cost: %s.", v->cost));
        for (const Argument *k = v->arguments; k && k->name; k++)
            item(b,
                 arena_printf(b->arena, "%s%s%s%s", k->name, k->absent ? " (" : "",
                              k->absent ? k->absent : "", k->absent ? ")" : ""),
                 k->meaning);
    }
}

void manual_methods(Buf *b)
{
    const Entry *v;
    size_t n = attr_method_list(&v);
    begin(b, "INSEQ\\-METHODS", 7, "Miscellaneous",
          "inseq-methods \xE2\x80\x94 attribution methods, step functions and aggregators of inseq");
    put_entries(
        b, "METHODS",
        "-a METHOD. f_s is the attributed function (-fn) at step s, x[i] the embedding of token i, x' the "
        "baseline: the unknown word's embedding in all places but end and start tokens. S and T are the "
        "numbers "
        "of source and target tokens. Arguments are given with --attribution-kwargs as JSON; in brackets "
        "stands what holds without them.",
        v, n);
    n = attr_step_list(&v);
    put_entries(
        b, "STEP FUNCTIONS",
        "-fn STEP, --step-scores STEP .... z are the logits at the step, p their softmax, t the token that "
        "stands there; z', p', t' are those of the foil. Logarithms are natural.",
        v, n);
    n = attr_aggregator_list(&v);
    put_entries(b, "AGGREGATORS",
                "--attribution-aggregators NAME ..., one after the other. Arguments are given with "
                "--aggregation-kwargs.",
                v, n);
    heading(b, "SEE ALSO"), man_text(b, "inseq(1), inseq-formats(5)");
}

// ------------------------------------------------------------------------------------------ inseq-formats(5)

void manual_formats(Buf *b)
{
    size_t n;
    const Report *const *report = attr_reports(&n);
    begin(b, "INSEQ\\-FORMATS", 5, "File Formats",
          "inseq-formats \xE2\x80\x94 the files that inseq reads and writes");
    heading(b, "RESULTS");
    man_text(
        b,
        "What -o FILE writes and inseq show, inseq diff and the Python library Inseq (0.7) read: JSON with "
        "four "
        "spaces of indent, keys sorted, all but ASCII escaped; compressed where the name ends in .gz. An "
        "object "
        "of a class is {\"__instance_type__\": [module, class], \"attributes\": {...}}. A tensor is a whole "
        "safetensors file in base64, with one tensor named attribution. Files of Inseq 0.6 and older are "
        "read "
        "too.");
    block(b, attr_result_layout);
    paragraph(
        b,
        "What attribute-context -o writes is the file of Inseq's attribute-context: an object, or a list of "
        "them for several contexts.");
    block(b, context_layout);
    heading(b, "REPORTS");
    man_text(b, "What --export FILE writes, by the ending of its name, and --format NAME prints. Scores in "
                "data formats "
                "are the shortest decimals that read back as the same float.");
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, ".SS %s\n", report[i]->name);
        man_text(b, report[i]->summary);
        if (report[i]->layout) block(b, report[i]->layout);
    }
    heading(b, "DATA FILES");
    man_text(b, "What -i @FILE and attribute-dataset read: a text or a pair of texts a row, in UTF-8, .gz or "
                "not; the "
                "kind is known by the file's name, or --input-format says it. --input-text-field and its kin "
                "name the "
                "columns. A row that cannot be read is told with file and line, and no other is lost.");
    item(b, "text", "a text a line");
    item(b, "jsonl", "JSON Lines: an object a line, whose members are the columns");
    item(b, "json",
         "an array of such objects, or (--dataset-kwargs field) the member of an object that is one");
    item(b, "csv", "RFC 4180; the first row has the columns' names, or --dataset-kwargs column_names does");
    item(b, "tsv", "the same with TABs");
    heading(b, "CHATS");
    man_text(
        b,
        "With --chat a text that begins with [ is a list of messages, oldest first, as chat templates take "
        "them: [{\"role\": \"user\", \"content\": \"...\"}, {\"role\": \"assistant\", \"content\": \"...\"}, "
        "...].");
    heading(b, "SEE ALSO"), man_text(b, "inseq(1), inseq-methods(7)");
}
