// SPDX-License-Identifier: Apache-2.0
// args.c — the options of all commands.
#include "commands.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Names are Inseq's own, so that its command lines keep working. The headings of help come in the order that they
// have here.
// clang-format off
static const Option options[] = {
    {"model_name_or_path", {"-m"}, OPT_TEXT, MODEL | REQUEST | VERIFY, "MODEL", "a checkpoint folder, a GGUF file, a name in the Hub cache ('inseq models'), or demo/en-nl (built in)", "Model", SINGLE | DATASET | COMPARE | CONTEXT | GENERATE | LENS | TOKENIZE | INFO | QUANTIZE | SERVE | VERIFY, "a checkpoint folder, a GGUF file, a name in the Hub cache ('inseq models'), or demo/en-nl (built in); may be given several times", ALONE | SERVE | VERIFY},
    {"input_texts", {"-i"}, OPT_LIST, (ATTRIBUTE & ~DATASET) | GENERATE | TOKENIZE | LENS | QUANTIZE | REQUEST, "TEXT", "source texts; - reads lines from standard input, @FILE from a file, or the rows of a .jsonl, .json, .csv or .tsv (@@ begins a text with @)", "Texts", SINGLE | COMPARE | GENERATE | LENS | TOKENIZE | QUANTIZE, NULL, 0},
    {"generated_texts", {"-g"}, OPT_LIST, ATTRIBUTE | GENERATE | LENS | REQUEST, "TEXT", "forced targets, one for each source (with --generate-from-target-prefix, and in generate: beginnings)", "Texts", SINGLE | COMPARE | GENERATE | LENS, NULL, 0},
    {"dataset_name", {"-d", "--dataset"}, OPT_TEXT, DATASET | CONTEXT, "KIND", "json, csv, tsv or text with --dataset_files; or a data file, or a folder as on the Hub", "Data files", DATASET, NULL, 0},
    {"dataset_files", {"--files"}, OPT_LIST, DATASET | CONTEXT, "FILE", "files of that kind, one after the other; .gz too", "Data files", DATASET, NULL, 0},
    {"dataset_dir", {"--dir"}, OPT_TEXT, DATASET | CONTEXT, "DIR", "or a folder whose files are", "Data files", 0, NULL, 0},
    {"dataset_split", {"--split"}, OPT_TEXT, DATASET | CONTEXT, "SPLIT", "train, or a part of it such as train[:20], train[-1:], train[:50%]; of a folder any split that file names have (train)", "Data files", 0, NULL, 0},
    {"dataset_config", {"--config"}, OPT_TEXT, DATASET | CONTEXT, "NAME", "accepted as default; others are of datasets on the Hub", "Data files", 0, NULL, 0},
    {"dataset_revision", {"--revision"}, OPT_TEXT, DATASET, "NAME", "refused: nothing is downloaded", "Data files", 0, NULL, 0},
    {"dataset_auth_token", {"--auth"}, OPT_TEXT, DATASET, "TOKEN", "refused: nothing is downloaded", "Data files", 0, NULL, 0},
    {"dataset_kwargs", {0}, OPT_JSON, DATASET | CONTEXT, "JSON", "sep or delimiter, column_names (csv without a header), field (json: where in an object the rows are)", "Data files", 0, NULL, 0},
    {"input_text_field", {"-in", "--input"}, OPT_TEXT, ROWS | OPTION_YIELDS, "COLUMN", "which column of a data file has the source texts", "Data files", DATASET, NULL, 0},
    {"generated_text_field", {"-gen", "--generated"}, OPT_TEXT, ROWS | OPTION_YIELDS, "COLUMN", "which has the forced targets (none: they are generated)", "Data files", DATASET, NULL, 0},
    {"contrast_sources_field", {0}, OPT_TEXT, ATTRIBUTE, "COLUMN", "which has the foils' sources", "Data files", 0, NULL, 0},
    {"contrast_targets_field", {0}, OPT_TEXT, ATTRIBUTE, "COLUMN", "which has the foils", "Data files", 0, NULL, 0},
    {"id_field", {0}, OPT_TEXT, ROWS | CONTEXT | OPTION_YIELDS, "COLUMN", "which names the rows (id)", "Data files", 0, NULL, 0},
    {"input_format", {0}, OPT_TEXT, ROWS | OPTION_YIELDS, "jsonl|json|csv|tsv|text", "what @FILE and - hold (by the file's name; text)", "Data files", 0, NULL, 0},
    {"delimiter", {0}, OPT_TEXT, ROWS | CONTEXT | OPTION_YIELDS, "C", "what stands between the fields of csv: a character, or tab", "Data files", 0, NULL, 0},
    {"chat", {0}, OPT_FLAG, ATTRIBUTE | GENERATE | LENS | REQUEST, NULL, "texts are turns of the user; the model's own chat template makes the prompt (-g: the answer). JSON lists of messages too", "Texts", SINGLE | GENERATE | LENS, NULL, 0},
    {"system", {0}, OPT_TEXT, ATTRIBUTE | GENERATE | LENS | REQUEST, "TEXT", "with --chat: a message of the system before all others", "Texts", 0, NULL, 0},
    {"chat_date", {0}, OPT_TEXT, ATTRIBUTE | GENERATE | LENS | REQUEST, "DATE", "with --chat: what templates that ask for the date are told: 2024-07-26, or today", "Texts", 0, NULL, 0},
    {"chat_kwargs", {0}, OPT_JSON, ATTRIBUTE | GENERATE | LENS | REQUEST, "JSON", "with --chat: more variables of the template, such as {\"enable_thinking\": false}", "Texts", 0, NULL, 0},
    {"hide_template", {0}, OPT_FLAG, ATTRIBUTE | REQUEST, NULL, "with --chat: the template's tokens are shown as one row, their sum", "Texts", 0, NULL, 0},
    {"max_new_tokens", {0}, OPT_INT, ATTRIBUTE | GENERATE | CONTEXT | REQUEST, "N", "how many tokens to generate at most", "Generation", SINGLE | GENERATE, NULL, 0},
    {"generate_from_target_prefix", {0}, OPT_FLAG, ATTRIBUTE | GENERATE | REQUEST, NULL, "generated_texts are beginnings: generate the rest", "Generation", GENERATE, NULL, 0},
    {"attribution_method", {"-a"}, OPT_TEXT, ATTRIBUTE | CONTEXT | REQUEST, "METHOD", "how to attribute (saliency); 'inseq help METHOD' explains one, 'inseq list methods' shows all", "Attribution", SINGLE | DATASET | COMPARE | CONTEXT, "how cues are scored (saliency); 'inseq help METHOD' explains one, 'inseq list methods' shows all", CONTEXT},
    {"attributed_fn", {"-fn"}, OPT_TEXT, ATTRIBUTE | CONTEXT | REQUEST, "STEP", "what is attributed (probability); 'inseq help STEP' explains one, 'inseq list steps' shows all", "Attribution", SINGLE | DATASET | COMPARE, NULL, 0},
    {"attribute_target", {0}, OPT_FLAG, ATTRIBUTE | REQUEST, NULL, "attribute to the target prefix too", "Attribution", SINGLE | DATASET | COMPARE, NULL, 0},
    {"step_scores", {0}, OPT_LIST, ATTRIBUTE | REQUEST, "STEP", "numbers to report for each generated token", "Attribution", SINGLE | DATASET, NULL, 0},
    {"start_pos", {"-s"}, OPT_INT, ATTRIBUTE | REQUEST, "N", "first target position to attribute (1; the start token is 0; below 0: from the end)", "Attribution", 0, NULL, 0},
    {"end_pos", {"-e"}, OPT_INT, ATTRIBUTE | REQUEST, "N", "target position to stop before (the end; below 0: from the end)", "Attribution", 0, NULL, 0},
    {"attribution_aggregators", {0}, OPT_LIST, ALONE | SHOW | CONTEXT | REQUEST, "AGGREGATOR", "aggregate what is shown and saved, in this order: vnorm subwords, ...; 'inseq help AGGREGATOR' explains one", "Aggregation", SHOW, NULL, 0},
    {"attribution_selectors", {0}, OPT_LIST, ALONE | SHOW | CONTEXT | REQUEST, "N", "index that each aggregator selects", "Aggregation", SHOW, NULL, 0},
    {"aggregation_kwargs", {0}, OPT_JSON, ALONE | SHOW | REQUEST, "JSON", "arguments of these aggregators; 'inseq help AGGREGATOR' lists them", "Aggregation", 0, NULL, 0},
    {"layer", {0}, OPT_INT, ALONE | SHOW | REQUEST, "N", "of attention and its kin: this layer instead of the mean of all (below 0: from the last); numbers as they are", "Aggregation", SHOW, NULL, 0},
    {"head", {0}, OPT_INT, ALONE | SHOW | REQUEST, "N", "this head instead of the mean of all", "Aggregation", SHOW, NULL, 0},
    {"normalize_attributions", {0}, OPT_FLAG, ALONE | SHOW | CONTEXT | REQUEST, NULL, "columns sum to 1 after each of these aggregators", "Aggregation", 0, NULL, 0},
    {"rescale_attributions", {0}, OPT_FLAG, ALONE | SHOW | CONTEXT | REQUEST, NULL, "divide by the largest score instead; with selectors only, as in Inseq", "Aggregation", 0, NULL, 0},
    {"granularity", {0}, OPT_TEXT, ATTRIBUTE | SHOW | LENS | REQUEST, "token|word|sentence", "what rows and columns are; words and sentences: sums of rows, means of columns (token; -o keeps tokens)", "Aggregation", LENS | SHOW, NULL, 0},
    {"attribution_kwargs", {0}, OPT_JSON, ATTRIBUTE | CONTEXT | REQUEST, "JSON", "arguments of the method and the step functions, as {\"n_steps\": 20}; 'inseq help METHOD' lists a method's", "Attribution", SINGLE | COMPARE, NULL, 0},
    {"evaluate", {0}, OPT_FLAG, ATTRIBUTE | CONTEXT | REQUEST, NULL, "measure how faithful the scores are, by taking tokens away (28 more inputs a step, 56 with --attribute-target)", "Attribution", COMPARE | CONTEXT, NULL, 0},
    {"random_seed", {0}, OPT_INT, ATTRIBUTE | CONTEXT | REQUEST, "N", "seed of the random order that --evaluate compares with (0)", "Attribution", 0, NULL, 0},
    {"word", {0}, OPT_TEXT, LENS, "WORD", "whose rank is shown at every layer and position: a token, or a text whose first token it is (the token that follows)", "Attribution", LENS, NULL, 0},
    {"picture", {0}, OPT_INT, ALONE | REQUEST, "N", "with target_layer all: the position whose picture, tokens by layers, is drawn (the first attributed one)", "Output", 0, NULL, 0},
    {"target_layer", {0}, OPT_TEXT, ALONE | REQUEST, "LAYER", "of layer methods: a module's path, or all (layer_gradient_x_activation): tokens by layers", "Attribution", 0, NULL, 0},
    {"top", {0}, OPT_INT, COMPARE, "K", "how many of the highest scores should be the same (3)", "Attribution", COMPARE, NULL, 0},
    {"contrast_targets", {0}, OPT_LIST, ATTRIBUTE | REQUEST, "TEXT", "foils: what the model might have written instead", "Contrast", SINGLE | COMPARE, NULL, 0},
    {"contrast_sources", {0}, OPT_LIST, ATTRIBUTE | REQUEST, "TEXT", "sources to contrast with", "Contrast", 0, NULL, 0},
    {"show_alignment", {0}, OPT_FLAG, ALONE, NULL, "say which token of its foil each token is compared with (contrast_targets_alignments of --attribution_kwargs decides)", "Contrast", 0, NULL, 0},
    {"input_current_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "the source or prompt that the output is written for", "Texts", CONTEXT, NULL, 0},
    {"input_context_text", {0}, OPT_LIST, CONTEXT, "TEXT", "what stands before it; several: each by itself, as documents with one prompt", "Texts", CONTEXT, NULL, 0},
    {"input_current_field", {0}, OPT_TEXT, CONTEXT | OPTION_YIELDS, "COLUMN", "with -d and --dataset_files, where each row is a document: which column has the current input (input_current_text)", "Data files", 0, NULL, 0},
    {"input_context_field", {0}, OPT_TEXT, CONTEXT | OPTION_YIELDS, "COLUMN", "which has the input context (input_context_text)", "Data files", 0, NULL, 0},
    {"output_current_field", {0}, OPT_TEXT, CONTEXT | OPTION_YIELDS, "COLUMN", "which has the output (output_current_text; none: it is generated)", "Data files", 0, NULL, 0},
    {"output_context_field", {0}, OPT_TEXT, CONTEXT | OPTION_YIELDS, "COLUMN", "which has the output context (output_context_text)", "Data files", 0, NULL, 0},
    {"input_template", {0}, OPT_TEXT, CONTEXT, "TEXT", "how both are put together ({context} {current})", "Context", 0, NULL, 0},
    {"output_context_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "what stands before the output: a target prefix", "Texts", CONTEXT, NULL, 0},
    {"output_current_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "the output to look at (generated)", "Texts", CONTEXT, NULL, 0},
    {"output_template", {0}, OPT_TEXT, CONTEXT, "TEXT", "how both are put together; with {context} and no context, the output is generated and cut in two", "Context", 0, NULL, 0},
    {"contextless_input_current_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "the input without context, as a template ({current})", "Context", 0, NULL, 0},
    {"contextless_output_current_text", {0}, OPT_TEXT, CONTEXT, "TEXT", "the output without context, as a template ({current})", "Context", 0, NULL, 0},
    {"context_sensitivity_metric", {0}, OPT_TEXT, CONTEXT, "STEP", "what tells that a token depends on the context (kl_divergence); a contrastive step function", "Context", CONTEXT, NULL, 0},
    {"handle_output_context_strategy", {0}, OPT_TEXT, CONTEXT, "manual|auto|pre", "where a generated output is cut: manual asks, auto decides, pre refuses", "Context", 0, NULL, 0},
    {"contextless_output_next_tokens", {0}, OPT_LIST, CONTEXT, "WORD", "what each sensitive token is compared with, by falling sensitivity (what the model writes there without context)", "Context", 0, NULL, 0},
    {"prompt_user_for_contextless_output_next_tokens", {0}, OPT_FLAG, CONTEXT, NULL, "ask for those words", "Context", 0, NULL, 0},
    {"special_tokens_to_keep", {0}, OPT_LIST, CONTEXT, "TOKEN", "special tokens inside texts that count as their tokens", "Context", 0, NULL, 0},
    {"decoder_input_output_separator", {0}, OPT_TEXT, CONTEXT, "TEXT", "between a prompt and its output (a blank)", "Context", 0, NULL, 0},
    {"context_sensitivity_std_threshold", {0}, OPT_TEXT, CONTEXT, "X", "sensitive are tokens at or above mean + X standard deviations (1)", "Context", 0, NULL, 0},
    {"context_sensitivity_topk", {0}, OPT_INT, CONTEXT, "K", "and at most K of them", "Context", 0, NULL, 0},
    {"attribution_std_threshold", {0}, OPT_TEXT, CONTEXT, "X", "marked are cues at or above mean + X standard deviations (1)", "Context", 0, NULL, 0},
    {"attribution_topk", {0}, OPT_INT, CONTEXT, "K", "and at most K of them", "Context", 0, NULL, 0},
    {"context_sizes", {0}, OPT_LIST, CONTEXT, "N", "the last N sentences of the input context, for each N: a table over sizes", "Context", CONTEXT, NULL, 0},
    {"show_intermediate_outputs", {0}, OPT_FLAG, CONTEXT, NULL, "show the tables that it is made of, too", "Output", 0, NULL, 0},
    {"add_output_info", {0}, OPT_FLAG, CONTEXT, NULL, "accepted: what -o saves has all parameters", "Output", 0, NULL, 0},
    {"no_add_output_info", {0}, OPT_FLAG, CONTEXT, NULL, "save no parameters", "Output", 0, NULL, 0},
    {"show_viz", {0}, OPT_FLAG, CONTEXT, NULL, "accepted: the result is printed", "Output", 0, NULL, 0},
    {"no_show_viz", {0}, OPT_FLAG, CONTEXT, NULL, "print no result", "Output", 0, NULL, 0},
    {"generation_kwargs", {0}, OPT_JSON, ATTRIBUTE | GENERATE | LENS | CONTEXT | REQUEST, "JSON", "generate()'s arguments, over the model's own configuration", "Generation", GENERATE, NULL, 0},
    {"model_kwargs", {0}, OPT_JSON, LOADED, "JSON", "arguments of model loading (dtype float32, revision, cache_dir, load_in_8bit, load_in_4bit)", "Model", 0, NULL, 0},
    {"tokenizer_kwargs", {0}, OPT_JSON, MODEL, "JSON", "arguments of tokenizer loading (src_lang, tgt_lang)", "Model", 0, NULL, 0},
    {"src_lang", {0}, OPT_TEXT, MODEL | REQUEST, "LANG", "of multilingual models: the language of sources, by code or name: nl, nld_Latn, Dutch", "Model", GENERATE | TOKENIZE, NULL, 0},
    {"tgt_lang", {0}, OPT_TEXT, MODEL | REQUEST, "LANG", "the language to translate into; 'inseq info' lists a model's", "Model", GENERATE, NULL, 0},
    {"batch_size", {"-bs"}, OPT_INT, ATTRIBUTE | GENERATE | CONTEXT | REQUEST | VERIFY, "N", "texts at once (8); the numbers do not depend on it", "Machine", DATASET | VERIFY, NULL, 0},
    {"save_path", {"-o"}, OPT_TEXT, ATTRIBUTE | SHOW | CONTEXT, "FILE", "save as JSON that Inseq loads; FILE.jsonl gets each row as it is done; 'inseq show FILE' shows both again", "Output", SINGLE | DATASET | COMPARE | CONTEXT | SHOW, NULL, 0},
    {"overwrite", {0}, OPT_FLAG, ALONE | CONTEXT | OPTION_YIELDS, NULL, "begin anew, whatever rows -o has already", "Output", 0, NULL, 0},
    {"retry_failed", {0}, OPT_FLAG, ALONE | OPTION_YIELDS, NULL, "try rows again that failed before", "Output", 0, NULL, 0},
    {"shard", {0}, OPT_TEXT, ALONE | CONTEXT | OPTION_YIELDS, "I/N", "only the I-th of N parts of the texts, of about the same work; auto: by the task of a job array (Slurm and others); inseq merge puts the results together", "Machine", 0, NULL, 0},
    {"to", {0}, OPT_TEXT, QUANTIZE, "q8_0|q5_1|q5_0|q4_1|q4_0|f16|bf16|int8|nf4|f32", "the type of the weights: int8 and nf4 make a folder as bitsandbytes has it, f32 one of what they are worth, the others a GGUF file", "Output", QUANTIZE, NULL, 0},
    {"output", {"-o"}, OPT_TEXT, QUANTIZE, "PATH", "the file to be written, FILE.gguf, or the folder, which must be new or empty", "Output", QUANTIZE, NULL, 0},
    {"force", {0}, OPT_FLAG, QUANTIZE, NULL, "write over a file that is there", "Output", QUANTIZE, NULL, 0},
    {"weight_attributions", {0}, OPT_TEXT, ALONE | SHOW | REQUEST, "STEP", "multiply each column by this step score: columns then sum to it", "Aggregation", SHOW, NULL, 0},
    {"save_aggregated", {0}, OPT_FLAG, ALONE, NULL, "apply the method's own aggregation before saving", "Output", 0, NULL, 0},
    {"provenance", {0}, OPT_FLAG, ATTRIBUTE | CONTEXT | OPTION_YIELDS, NULL, "results say how they were made: version, command line, kernels, the SHA-256 of each file of the model; 'inseq verify' runs them again", "Output", 0, NULL, 0},
    {"viz_path", {"--html"}, OPT_TEXT, VIEWED, "FILE", "write the heatmaps as one HTML page", "Output", SINGLE | DATASET | COMPARE | CONTEXT | LENS | SHOW, NULL, 0},
    {"html", {0}, OPT_TEXT, DEMO, "FILE", "write the whole story as one HTML page", "Output", 0, NULL, 0},
    {"short", {0}, OPT_FLAG, DEMO, NULL, "print only the first chapter", "Output", 0, NULL, 0},
    {"svg", {0}, OPT_TEXT, VIEWED & ~CONTEXT, "FILE", "write the heatmaps as a vector figure", "Output", LENS | SHOW, NULL, 0},
    {"csv", {0}, OPT_TEXT, VIEWED, "FILE", "write a table with a row for each score; README names its columns", "Output", 0, NULL, 0},
    {"export", {0}, OPT_TEXT, VIEWED, "FILE", "write a file in the format that its name ends in: html, svg, csv, tsv, md, tex, json, jsonl, npz; may be given several times", "Output", SHOW, "write a file in the format that its name ends in: html, csv, json, jsonl; may be given several times", CONTEXT},
    {"format", {0}, OPT_TEXT, VIEWED, "FORMAT", "what to print: terminal, html, svg, csv, ... (terminal); 'inseq help formats' tells of them", "Output", SINGLE | SHOW, "what to print: terminal, html, csv, json or jsonl (terminal)", CONTEXT},
    {"percent", {0}, OPT_FLAG, ATTRIBUTE | SHOW | REQUEST, NULL, "scores are shown in percent", "Output", 0, NULL, 0},
    {"digits", {0}, OPT_INT, (VIEWED & ~CONTEXT) | REQUEST, "N", "decimals of the numbers that are shown (terminal 2, figures 3); data has all", "Output", 0, NULL, 0},
    {"common_scale", {0}, OPT_FLAG, ATTRIBUTE | SHOW | REQUEST, NULL, "one scale of colours for all texts, not one for each", "Output", 0, NULL, 0},
    {"width", {0}, OPT_INT, VIEWED, "N", "characters after which tables go on below, in the terminal and in svg, md and tex (the terminal's own; files: as wide as it gets)", "Output", 0, "characters that lines have at most (the terminal's own)", CONTEXT},
    {"json", {0}, OPT_FLAG, ATTRIBUTE | GENERATE | TOKENIZE | INFO | BENCH | LIST | VIEWED | QUANTIZE | DEMO | MODELS, NULL, "print JSON", "Output", GENERATE | LENS | TOKENIZE | INFO | BENCH | QUANTIZE, NULL, 0},
    {"keep_blank", {0}, OPT_FLAG, ATTRIBUTE | GENERATE | LENS | REQUEST, NULL, "blank lines of files of texts are empty texts, and not left out", "Texts", 0, NULL, 0},
    {"jsonl", {0}, OPT_FLAG, TOKENIZE, NULL, "filter: a JSON object a line in, one out", "Texts", TOKENIZE, NULL, 0},
    {"sentencepiece", {0}, OPT_TEXT, TOKENIZE, "FILE", "one SentencePiece model instead of a checkpoint folder", "Texts", TOKENIZE, NULL, 0},
    {"target", {0}, OPT_FLAG, TOKENIZE, NULL, "as a target text, not as a source", "Texts", TOKENIZE, NULL, 0},
    {"hide_attributions", {"--hide"}, OPT_FLAG, ALONE | SHOW, NULL, "print no heatmaps", "Output", 0, NULL, 0},
    {"include_eos_baseline", {"--eos"}, OPT_FLAG, ATTRIBUTE | REQUEST, NULL, "the baseline of the end token is unk too", "Attribution", 0, NULL, 0},
    {"plan", {0}, OPT_FLAG, ALONE, NULL, "don't attribute: print what it would take, in passes, operations, memory and time (--format json: as data)", "Attribution", 0, NULL, 0},
    {"output_step_attributions", {0}, OPT_FLAG, ALONE, NULL, "accepted: the steps are the columns of what -o saves", "Output", 0, NULL, 0},
    {"aggregate_output", {0}, OPT_FLAG, ALONE, NULL, "accepted; it has no effect in Inseq either", "Output", 0, NULL, 0},
    {"source_tokens", {"--prompt"}, OPT_INT, BENCH, "S", "tokens of the source (24) or of the prompt (64)", "Machine", BENCH, NULL, 0},
    {"target_tokens", {0}, OPT_INT, BENCH, "T", "tokens of the target (22; 24 after a prompt)", "Machine", BENCH, NULL, 0},
    {"runs", {0}, OPT_INT, BENCH, "N", "runs; the median is shown (5)", "Machine", BENCH, NULL, 0},
    {"device", {"--dev"}, OPT_TEXT, MODEL, "NAME", "accepted: everything runs on the processor", "Machine", 0, NULL, 0},
    {"threads", {"-t"}, OPT_INT, LOADED | VERIFY, "N", "threads (all this process may use; INSEQ_THREADS)", "Machine", SERVE | VERIFY, NULL, 0},
    {"max_memory", {0}, OPT_SIZE, ATTRIBUTE | BENCH | LENS | CONTEXT | SERVE, "SIZE", "for gradients, such as 512M (64M); the numbers do not depend on it", "Machine", 0, NULL, 0},
    {"color", {0}, OPT_TEXT, VIEWED, "auto|always|never", "colours; auto: where a terminal takes them", "Output", 0, NULL, 0},
    {"no_color", {0}, OPT_FLAG, VIEWED, NULL, "the same as --color never", "Output", 0, NULL, 0},
    {"plain", {0}, OPT_FLAG, VIEWED, NULL, "no colour, no boxes, TAB between cells", "Output", 0, NULL, 0},
    {"names", {0}, OPT_FLAG, MODELS, NULL, "print their names alone, as -m takes them", "Output", 0, NULL, 0},
    {"all", {"--help-all"}, OPT_FLAG, HELP, NULL, "of a command: every option, under headings", "Output", 0, NULL, 0},
    {"man", {0}, OPT_FLAG, HELP, NULL, "print the man page inseq(1) as roff", "Output", 0, NULL, 0},
    {"man_methods", {0}, OPT_FLAG, HELP, NULL, "print inseq-methods(7)", "Output", 0, NULL, 0},
    {"man_formats", {0}, OPT_FLAG, HELP, NULL, "print inseq-formats(5)", "Output", 0, NULL, 0},
    {"progress", {0}, OPT_FLAG, ATTRIBUTE, NULL, "show the progress bar even if standard error is no terminal", "Messages", 0, NULL, 0},
    {"no_progress", {0}, OPT_FLAG, ATTRIBUTE, NULL, "never show it", "Messages", 0, NULL, 0},
    {"revision", {0}, OPT_TEXT, MODEL & ~DATASET, "NAME", "branch, tag or commit in the Hub cache (main)", "Model", 0, NULL, 0},
    {"cache_dir", {0}, OPT_TEXT, MODEL | VERIFY | MODELS, "DIR", "where the Hub cache is", "Model", INFO | VERIFY, NULL, 0},
    {"tokenizer", {0}, OPT_TEXT, MODEL, "FOLDER", "where the tokenizer is, if not in the model's folder: a folder or a name, as with -m", "Model", INFO, NULL, 0},
    {"adapter", {0}, OPT_TEXT, LOADED, "FOLDER", "a LoRA or DoRA adapter (PEFT) to merge into the model: a folder or a name; one in the model's own folder is merged always", "Model", INFO, NULL, 0},
    {"port", {0}, OPT_INT, SERVE, "N", "the port to listen on (one that is free)", "Machine", SERVE, NULL, 0},
    {"token", {0}, OPT_TEXT, SERVE, "TEXT", "the secret in the address, 16 to 64 letters, digits, - and _ (a new one each time)", "Machine", SERVE, NULL, 0},
    {"listen", {0}, OPT_TEXT, SERVE, "ADDRESS", "the IPv4 address to listen on (127.0.0.1); any that is not this machine's own needs --allow-remote", "Machine", SERVE, NULL, 0},
    {"allow_remote", {0}, OPT_FLAG, SERVE, NULL, "let other machines in: whoever has the address with its token, which goes over the network unencrypted", "Machine", SERVE, NULL, 0},
    {"time_limit", {0}, OPT_INT, SERVE, "SECONDS", "that a request may be computed for (600)", "Machine", SERVE, NULL, 0},
    {"verbose", {"-v"}, OPT_FLAG, LOADED, NULL, "say what was loaded", "Messages", INFO, NULL, 0},
    {"very_verbose", {"-vv"}, OPT_FLAG, LOADED, NULL, "the same", "Messages", 0, NULL, 0},
    {"quiet", {"-q"}, OPT_FLAG, MODEL | SHOW | VERIFY | MERGE, NULL, "no warnings, no progress", "Messages", VERIFY, NULL, 0},
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

bool args_saves(const Args *a) { return args_text(a, "save_path") || a->saved_form; }

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
