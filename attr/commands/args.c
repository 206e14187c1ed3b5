// SPDX-License-Identifier: Apache-2.0
// args.c — the options of all commands.
#include "commands.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Names are Inseq's own, so that its command lines keep working.
// clang-format off
static const Option options[] = {
    {"model_name_or_path", {"-m"}, OPT_TEXT, MODEL | REQUEST | VERIFY, "MODEL",
     "a checkpoint folder, a name in the local Hub cache, or demo/en-nl (built in); given several times, attribute shows them side by side", NULL},
    {"input_texts", {"-i"}, OPT_LIST, (ATTRIBUTE & ~DATASET) | GENERATE | TOKENIZE | LENS | QUANTIZE | REQUEST, "TEXT", "source texts; - reads lines from standard input, @FILE from a file, or the rows of a .jsonl, .json, .csv or .tsv (@@ begins a text with @)", NULL},
    {"generated_texts", {"-g"}, OPT_LIST, ATTRIBUTE | GENERATE | LENS | REQUEST, "TEXT", "forced targets, one for each source (with --generate-from-target-prefix, and in generate: beginnings)", NULL},
    {"dataset_name", {"-d", "--dataset"}, OPT_TEXT, DATASET | CONTEXT, "KIND", "json, csv, tsv or text with --dataset_files; or a data file, or a folder as on the Hub", NULL},
    {"dataset_files", {"--files"}, OPT_LIST, DATASET | CONTEXT, "FILE", "files of that kind, one after the other; .gz too", NULL},
    {"dataset_dir", {"--dir"}, OPT_TEXT, DATASET | CONTEXT, "DIR", "or a folder whose files are", NULL},
    {"dataset_split", {"--split"}, OPT_TEXT, DATASET | CONTEXT, "SPLIT", "train, or a part of it such as train[:20], train[-1:], train[:50%]; of a folder any split that file names have (train)", NULL},
    {"dataset_config", {"--config"}, OPT_TEXT, DATASET | CONTEXT, "NAME", "accepted as default; others are of datasets on the Hub", NULL},
    {"dataset_revision", {"--revision"}, OPT_TEXT, DATASET, "NAME", "refused: nothing is downloaded", NULL},
    {"dataset_auth_token", {"--auth"}, OPT_TEXT, DATASET, "TOKEN", "refused: nothing is downloaded", NULL},
    {"dataset_kwargs", {0}, OPT_JSON, DATASET | CONTEXT, "JSON", "sep or delimiter, column_names (csv without a header), field (json: where in an object the rows are)", NULL},
    {"input_text_field", {"-in", "--input"}, OPT_TEXT, ROWS | OPTION_YIELDS, "COLUMN", "which column of a data file has the source texts", NULL},
    {"generated_text_field", {"-gen", "--generated"}, OPT_TEXT, ROWS | OPTION_YIELDS, "COLUMN", "which has the forced targets (none: they are generated)", NULL},
    {"contrast_sources_field", {0}, OPT_TEXT, ATTRIBUTE, "COLUMN", "which has the foils' sources", NULL},
    {"contrast_targets_field", {0}, OPT_TEXT, ATTRIBUTE, "COLUMN", "which has the foils", NULL},
    {"id_field", {0}, OPT_TEXT, ROWS | CONTEXT | OPTION_YIELDS, "COLUMN", "which names the rows (id)", NULL},
    {"input_format", {0}, OPT_TEXT, ROWS | OPTION_YIELDS, "KIND", "what @FILE and - hold: jsonl, json, csv, tsv or text (by the file's name; text)", NULL},
    {"delimiter", {0}, OPT_TEXT, ROWS | CONTEXT | OPTION_YIELDS, "C", "what stands between the fields of csv: a character, or tab", NULL},
    {"chat", {0}, OPT_FLAG, ATTRIBUTE | GENERATE | LENS | REQUEST, NULL, "texts are turns of the user, or JSON lists of messages; the model's own chat template makes the prompt (-g: the answer)", NULL},
    {"system", {0}, OPT_TEXT, ATTRIBUTE | GENERATE | LENS | REQUEST, "TEXT", "with --chat: a message of the system before all others", NULL},
    {"chat_date", {0}, OPT_TEXT, ATTRIBUTE | GENERATE | LENS | REQUEST, "DATE", "with --chat: what templates that ask for the date are told: 2024-07-26, or today", NULL},
    {"chat_kwargs", {0}, OPT_JSON, ATTRIBUTE | GENERATE | LENS | REQUEST, "JSON", "with --chat: more variables of the template, such as {\"enable_thinking\": false}", NULL},
    {"hide_template", {0}, OPT_FLAG, ATTRIBUTE | REQUEST, NULL, "with --chat: the template's tokens are shown as one row, their sum", NULL},
    {"max_new_tokens", {0}, OPT_INT, ATTRIBUTE | GENERATE | CONTEXT | REQUEST, "N", "how many tokens to generate at most", NULL},
    {"generate_from_target_prefix", {0}, OPT_FLAG, ATTRIBUTE | GENERATE | REQUEST, NULL, "generated_texts are beginnings: generate the rest", NULL},
    {"attribution_method", {"-a"}, OPT_TEXT, ATTRIBUTE | CONTEXT | REQUEST, "METHOD", "how to attribute (saliency); 'inseq list methods' shows all", NULL},
    {"attributed_fn", {"-fn"}, OPT_TEXT, ATTRIBUTE | CONTEXT | REQUEST, "STEP", "what is attributed (probability); 'inseq list steps' shows all", NULL},
    {"attribute_target", {0}, OPT_FLAG, ATTRIBUTE | REQUEST, NULL, "attribute to the target prefix too", NULL},
    {"step_scores", {0}, OPT_LIST, ATTRIBUTE | REQUEST, "STEP", "numbers to report for each generated token", NULL},
    {"start_pos", {"-s"}, OPT_INT, ATTRIBUTE | REQUEST, "N", "first target position to attribute (1; the start token is 0; below 0: from the end)", NULL},
    {"end_pos", {"-e"}, OPT_INT, ATTRIBUTE | REQUEST, "N", "target position to stop before (the end; below 0: from the end)", NULL},
    {"attribution_aggregators", {0}, OPT_LIST, ALONE | SHOW | CONTEXT | REQUEST, "NAME", "aggregate what is shown and saved: vnorm, subwords, ... in this order", NULL},
    {"attribution_selectors", {0}, OPT_LIST, ALONE | SHOW | CONTEXT | REQUEST, "N", "index that each aggregator selects", NULL},
    {"aggregation_kwargs", {0}, OPT_JSON, ALONE | SHOW | REQUEST, "JSON", "arguments of these aggregators: source_spans, target_spans, special_chars, split_pattern, split_mode, select_idx, vnorm_ord, ...", NULL},
    {"layer", {0}, OPT_INT, ALONE | SHOW | REQUEST, "N", "of attention and its kin: this layer instead of the mean of all (below 0: from the last); numbers as they are", NULL},
    {"head", {0}, OPT_INT, ALONE | SHOW | REQUEST, "N", "this head instead of the mean of all", NULL},
    {"normalize_attributions", {0}, OPT_FLAG, ALONE | SHOW | CONTEXT | REQUEST, NULL, "columns sum to 1 after each of these aggregators", NULL},
    {"rescale_attributions", {0}, OPT_FLAG, ALONE | SHOW | CONTEXT | REQUEST, NULL, "divide by the largest score instead; with selectors only, as in Inseq", NULL},
    {"granularity", {0}, OPT_TEXT, ATTRIBUTE | SHOW | LENS | REQUEST, "UNIT", "what rows and columns are: token, word or sentence (sums of rows, means of columns); -o keeps tokens", NULL},
    {"attribution_kwargs", {0}, OPT_JSON, ATTRIBUTE | CONTEXT | REQUEST, "JSON", "more arguments of the method ('inseq list arguments') and the step functions", NULL},
    {"evaluate", {0}, OPT_FLAG, ATTRIBUTE | CONTEXT | REQUEST, NULL, "measure how faithful the scores are, by taking tokens away (28 more inputs a step, 56 with --attribute-target)", NULL},
    {"random_seed", {0}, OPT_INT, ATTRIBUTE | CONTEXT | REQUEST, "N", "seed of the random order that --evaluate compares with (0)", NULL},
    {"word", {0}, OPT_TEXT, LENS, "WORD", "whose rank is shown at every layer and position: a token, or a text whose first token it is (the token that follows)", NULL},
    {"picture", {0}, OPT_INT, ALONE | REQUEST, "N", "with target_layer all: the position whose picture, tokens by layers, is drawn (the first attributed one)", NULL},
    {"target_layer", {0}, OPT_TEXT, ALONE | REQUEST, "LAYER", "of layer methods: a module's path, or all (layer_gradient_x_activation): tokens by layers", NULL},
    {"top", {0}, OPT_INT, COMPARE, "K", "how many of the highest scores should be the same (3)", NULL},
    {"contrast_targets", {0}, OPT_LIST, ATTRIBUTE | REQUEST, "TEXT", "foils: what the model might have written instead", NULL},
    {"contrast_sources", {0}, OPT_LIST, ATTRIBUTE | REQUEST, "TEXT", "sources to contrast with", NULL},
    {"show_alignment", {0}, OPT_FLAG, ALONE, NULL, "say which token of its foil each token is compared with (contrast_targets_alignments of --attribution_kwargs decides)", NULL},
    {"input_current_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "the source or prompt that the output is written for", NULL},
    {"input_context_text", {0}, OPT_LIST, CONTEXT, "TEXT", "what stands before it; several: each by itself, as documents with one prompt", NULL},
    {"input_current_field", {0}, OPT_TEXT, CONTEXT | OPTION_YIELDS, "COLUMN", "with -d and --dataset_files, where each row is a document: which column has the current input (input_current_text)", NULL},
    {"input_context_field", {0}, OPT_TEXT, CONTEXT | OPTION_YIELDS, "COLUMN", "which has the input context (input_context_text)", NULL},
    {"output_current_field", {0}, OPT_TEXT, CONTEXT | OPTION_YIELDS, "COLUMN", "which has the output (output_current_text; none: it is generated)", NULL},
    {"output_context_field", {0}, OPT_TEXT, CONTEXT | OPTION_YIELDS, "COLUMN", "which has the output context (output_context_text)", NULL},
    {"input_template", {0}, OPT_TEXT, CONTEXT, "TEXT", "how both are put together ({context} {current})", NULL},
    {"output_context_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "what stands before the output: a target prefix", NULL},
    {"output_current_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "the output to look at (generated)", NULL},
    {"output_template", {0}, OPT_TEXT, CONTEXT, "TEXT", "how both are put together; with {context} and no context, the output is generated and cut in two", NULL},
    {"contextless_input_current_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "the input without context, as a template ({current})", NULL},
    {"contextless_output_current_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "the output without context, as a template ({current})", NULL},
    {"context_sensitivity_metric", {0}, OPT_TEXT, CONTEXT, "STEP", "what tells that a token depends on the context (kl_divergence); a contrastive step function", NULL},
    {"handle_output_context_strategy", {0}, OPT_TEXT, CONTEXT, "NAME", "where a generated output is cut: manual asks, auto decides, pre refuses", NULL},
    {"contextless_output_next_tokens", {0}, OPT_LIST, CONTEXT, "WORD", "what each sensitive token is compared with, by falling sensitivity (what the model writes there without context)", NULL},
    {"prompt_user_for_contextless_output_next_tokens", {0}, OPT_FLAG, CONTEXT, NULL, "ask for those words", NULL},
    {"special_tokens_to_keep", {0}, OPT_LIST, CONTEXT, "TOKEN", "special tokens inside texts that count as their tokens", NULL},
    {"decoder_input_output_separator", {0}, OPT_TEXT, CONTEXT, "TEXT", "between a prompt and its output (a blank)", NULL},
    {"context_sensitivity_std_threshold", {0}, OPT_TEXT, CONTEXT, "X", "sensitive are tokens at or above mean + X standard deviations (1)", NULL},
    {"context_sensitivity_topk", {0}, OPT_INT, CONTEXT, "K", "and at most K of them", NULL},
    {"attribution_std_threshold", {0}, OPT_TEXT, CONTEXT, "X", "marked are cues at or above mean + X standard deviations (1)", NULL},
    {"attribution_topk", {0}, OPT_INT, CONTEXT, "K", "and at most K of them", NULL},
    {"context_sizes", {0}, OPT_LIST, CONTEXT, "N", "the last N sentences of the input context, for each N: a table over sizes", NULL},
    {"show_intermediate_outputs", {0}, OPT_FLAG, CONTEXT, NULL, "show the tables that it is made of, too", NULL},
    {"add_output_info", {0}, OPT_FLAG, CONTEXT, NULL, "accepted: what -o saves has all parameters", NULL},
    {"no_add_output_info", {0}, OPT_FLAG, CONTEXT, NULL, "save no parameters", NULL},
    {"show_viz", {0}, OPT_FLAG, CONTEXT, NULL, "accepted: the result is printed", NULL},
    {"no_show_viz", {0}, OPT_FLAG, CONTEXT, NULL, "print no result", NULL},
    {"generation_kwargs", {0}, OPT_JSON, ATTRIBUTE | GENERATE | LENS | CONTEXT | REQUEST, "JSON", "generate()'s arguments, over the model's own configuration", NULL},
    {"model_kwargs", {0}, OPT_JSON, LOADED, "JSON", "arguments of model loading (dtype float32, revision, cache_dir, load_in_8bit, load_in_4bit)", NULL},
    {"tokenizer_kwargs", {0}, OPT_JSON, MODEL, "JSON", "arguments of tokenizer loading (src_lang, tgt_lang)", NULL},
    {"src_lang", {0}, OPT_TEXT, MODEL | REQUEST, "LANG", "of multilingual models: the language of sources, by code or name: nl, nld_Latn, Dutch", NULL},
    {"tgt_lang", {0}, OPT_TEXT, MODEL | REQUEST, "LANG", "the language to translate into; 'inseq info' lists a model's", NULL},
    {"batch_size", {"-bs"}, OPT_INT, ATTRIBUTE | GENERATE | CONTEXT | REQUEST | VERIFY, "N", "texts at once (8); the numbers do not depend on it", NULL},
    {"save_path", {"-o"}, OPT_TEXT, ATTRIBUTE | SHOW | CONTEXT, "FILE", "save as JSON that Inseq loads; 'inseq show FILE' shows it again", NULL},
    {"overwrite", {0}, OPT_FLAG, ALONE | OPTION_YIELDS, NULL, "begin anew, whatever rows -o has already", NULL},
    {"retry_failed", {0}, OPT_FLAG, ALONE | OPTION_YIELDS, NULL, "try rows again that failed before", NULL},
    {"shard", {0}, OPT_TEXT, ALONE | OPTION_YIELDS, "I/N", "only the I-th of N parts of the texts, of about the same work; auto: by the task of a job array (Slurm and others); inseq merge puts the results together", NULL},
    {"to", {0}, OPT_TEXT, QUANTIZE, "TYPE", "the type of the weights: q8_0, q5_1, q5_0, q4_1, q4_0, f16, bf16 (a GGUF file), int8, nf4 (a folder as bitsandbytes has it), or f32 (a folder: what they are worth)", NULL},
    {"output", {"-o"}, OPT_TEXT, QUANTIZE, "PATH", "the file to be written, FILE.gguf, or the folder, which must be new or empty", NULL},
    {"force", {0}, OPT_FLAG, QUANTIZE, NULL, "write over a file that is there", NULL},
    {"weight_attributions", {0}, OPT_TEXT, ALONE | SHOW | REQUEST, "STEP", "multiply each column by this step score: columns then sum to it", NULL},
    {"save_aggregated", {0}, OPT_FLAG, ALONE, NULL, "apply the method's own aggregation before saving", NULL},
    {"provenance", {0}, OPT_FLAG, ATTRIBUTE | CONTEXT | OPTION_YIELDS, NULL, "results say how they were made: version, command line, kernels, the SHA-256 of each file of the model; 'inseq verify' runs them again", NULL},
    {"viz_path", {"--html"}, OPT_TEXT, VIEWED, "FILE", "write the heatmaps as one HTML page", NULL},
    {"html", {0}, OPT_TEXT, DEMO, "FILE", "write the whole story as one HTML page", NULL},
    {"short", {0}, OPT_FLAG, DEMO, NULL, "print only the first chapter", NULL},
    {"svg", {0}, OPT_TEXT, VIEWED & ~CONTEXT, "FILE", "write the heatmaps as a vector figure", NULL},
    {"csv", {0}, OPT_TEXT, VIEWED, "FILE", "write a table with a row for each score; README names its columns", NULL},
    {"export", {0}, OPT_TEXT, VIEWED, "FILE", "write a file in the format that its name ends in: html, svg, csv, tsv, md, tex, json, jsonl, npz; may be given several times", NULL},
    {"format", {0}, OPT_TEXT, VIEWED, "NAME", "what to print: terminal, one of these formats ('inseq list formats'), or as data: json, jsonl, csv, tsv", NULL},
    {"percent", {0}, OPT_FLAG, ATTRIBUTE | SHOW | REQUEST, NULL, "scores are shown in percent", NULL},
    {"digits", {0}, OPT_INT, (VIEWED & ~CONTEXT) | REQUEST, "N", "decimals of the numbers that are shown (terminal 2, figures 3); data has all", NULL},
    {"common_scale", {0}, OPT_FLAG, ATTRIBUTE | SHOW | REQUEST, NULL, "one scale of colours for all texts, not one for each", NULL},
    {"width", {0}, OPT_INT, VIEWED, "N", "characters after which tables go on below, in the terminal and in svg, md and tex (the terminal's own; files: as wide as it gets)", NULL},
    {"json", {0}, OPT_FLAG, ATTRIBUTE | GENERATE | TOKENIZE | INFO | BENCH | LIST | VIEWED | QUANTIZE | DEMO, NULL, "print JSON", NULL},
    {"keep_blank", {0}, OPT_FLAG, ATTRIBUTE | GENERATE | LENS | REQUEST, NULL, "blank lines of files of texts are empty texts, and not left out", NULL},
    {"jsonl", {0}, OPT_FLAG, TOKENIZE, NULL, "filter: a JSON object a line in, one out", NULL},
    {"sentencepiece", {0}, OPT_TEXT, TOKENIZE, "FILE", "one SentencePiece model instead of a checkpoint folder", NULL},
    {"target", {0}, OPT_FLAG, TOKENIZE, NULL, "as a target text, not as a source", NULL},
    {"hide_attributions", {"--hide"}, OPT_FLAG, ALONE | SHOW, NULL, "print no heatmaps", NULL},
    {"include_eos_baseline", {"--eos"}, OPT_FLAG, ATTRIBUTE | REQUEST, NULL, "the baseline of the end token is unk too", NULL},
    {"plan", {0}, OPT_FLAG, ALONE, NULL, "don't attribute: print what it would take, in passes, operations, memory and time (--format json: as data)", NULL},
    {"output_step_attributions", {0}, OPT_FLAG, ALONE, NULL, "accepted: the steps are the columns of what -o saves", NULL},
    {"aggregate_output", {0}, OPT_FLAG, ALONE, NULL, "accepted; it has no effect in Inseq either", NULL},
    {"source_tokens", {"--prompt"}, OPT_INT, BENCH, "S", "tokens of the source (24) or of the prompt (64)", NULL},
    {"target_tokens", {0}, OPT_INT, BENCH, "T", "tokens of the target (22; 24 after a prompt)", NULL},
    {"runs", {0}, OPT_INT, BENCH, "N", "runs; the median is shown (5)", NULL},
    {"device", {"--dev"}, OPT_TEXT, MODEL, "NAME", "accepted: everything runs on the processor", NULL},
    {"threads", {"-t"}, OPT_INT, LOADED | VERIFY, "N", "threads (all this process may use; INSEQ_THREADS)", NULL},
    {"max_memory", {0}, OPT_SIZE, ATTRIBUTE | BENCH | LENS | CONTEXT | SERVE, "SIZE", "for gradients, such as 512M (64M); the numbers do not depend on it", NULL},
    {"color", {0}, OPT_TEXT, VIEWED, "WHEN", "auto, always or never", NULL},
    {"no_color", {0}, OPT_FLAG, VIEWED, NULL, "the same as --color never", NULL},
    {"plain", {0}, OPT_FLAG, VIEWED, NULL, "no colour, no boxes, TAB between cells", NULL},
    {"progress", {0}, OPT_FLAG, ATTRIBUTE, NULL, "show the progress bar even if standard error is no terminal", NULL},
    {"no_progress", {0}, OPT_FLAG, ATTRIBUTE, NULL, "never show it", NULL},
    {"revision", {0}, OPT_TEXT, MODEL & ~DATASET, "NAME", "branch, tag or commit in the Hub cache (main)", NULL},
    {"cache_dir", {0}, OPT_TEXT, MODEL | VERIFY, "DIR", "where the Hub cache is", NULL},
    {"tokenizer", {0}, OPT_TEXT, MODEL, "FOLDER", "where the tokenizer is, if not in the model's folder: a folder or a name, as with -m", NULL},
    {"adapter", {0}, OPT_TEXT, LOADED, "FOLDER", "a LoRA or DoRA adapter (PEFT) to merge into the model: a folder or a name; one in the model's own folder is merged always", NULL},
    {"port", {0}, OPT_INT, SERVE, "N", "the port to listen on (one that is free)", NULL},
    {"token", {0}, OPT_TEXT, SERVE, "TEXT", "the secret in the address, 16 to 64 letters, digits, - and _ (a new one each time)", NULL},
    {"listen", {0}, OPT_TEXT, SERVE, "ADDRESS", "the IPv4 address to listen on (127.0.0.1); any that is not this machine's own needs --allow-remote", NULL},
    {"allow_remote", {0}, OPT_FLAG, SERVE, NULL, "let other machines in: whoever has the address with its token, which goes over the network unencrypted", NULL},
    {"time_limit", {0}, OPT_INT, SERVE, "SECONDS", "that a request may be computed for (600)", NULL},
    {"verbose", {"-v"}, OPT_FLAG, LOADED, NULL, "say what was loaded", NULL},
    {"very_verbose", {"-vv"}, OPT_FLAG, LOADED, NULL, "the same", NULL},
    {"quiet", {"-q"}, OPT_FLAG, MODEL | SHOW | VERIFY | MERGE, NULL, "no warnings, no progress", NULL},
};
// clang-format on
enum { N_OPTIONS = sizeof options / sizeof *options };

const Option *args_options(size_t *n) { return *n = N_OPTIONS, options; }

const OptionValue *args_get(const Args *a, const char *name)
{
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (!strcmp(options[i].name, name)) return &a->value[i];
    BUG("no option %s", name);
}

bool args_on(const Args *a, const char *name) { return args_get(a, name)->flag; }

const char *args_text(const Args *a, const char *name)
{
    const OptionValue *v = args_get(a, name);
    return v->n ? v->list[v->n - 1] : NULL;
}

ReportOptions args_report_options(const Args *a)
{
    bool never = args_on(a, "no_color") || args_on(a, "plain");
    int colors = never ? 0 : terminal_colors(STDOUT_FILENO, args_text(a, "color"));
    return (ReportOptions){.color = colors > 256    ? COLOR_TRUE
                                    : colors == 256 ? COLOR_256
                                    : colors        ? COLOR_16
                                                    : COLOR_NONE,
                           .width = terminal_width(STDOUT_FILENO),
                           .plain = args_on(a, "plain"),
                           .unicode = terminal_utf8(),
                           .no_heatmaps = a->no_heatmaps,
                           .min_val = NAN,
                           .max_val = NAN};
}
