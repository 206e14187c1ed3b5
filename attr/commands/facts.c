// SPDX-License-Identifier: Apache-2.0
// facts.c — what stands in no table of choices and help and the man page both tell: variables, files, exit codes, examples.
#include "commands.h"

#include <string.h>

const Fact help_environment[] = {
    {"COLUMNS", "the width of tables and of help, where it is not the terminal's"},
    {"NO_COLOR", "set: no colour, unless --color says otherwise"},
    {"FORCE_COLOR, CLICOLOR_FORCE", "set: colour also where no terminal reads"},
    {"TERM, COLORTERM",
     "what the terminal can draw: dumb nothing, 256color and truecolor more than 16 colours"},
    {"LC_ALL, LC_CTYPE, LANG",
     "the first that is set: if it names an encoding and that is not UTF-8, the terminal gets ASCII"},
    {"INSEQ_THREADS, OMP_NUM_THREADS", "threads, if --threads says nothing (all that the process may use)"},
    {"INSEQ_ISA",
     "instructions: avx512, avx2, neon or scalar (the best the machine has); no result depends on it"},
    {"HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE", "where the Hub's cache is, if --cache-dir says nothing"},
    {"HF_HOME", "or the folder whose hub/ it is"},
    {"XDG_CACHE_HOME", "or the folder whose huggingface/hub/ it is (~/.cache)"},
    {"TRANSFORMERS_CACHE", "one more place to look, that of older programs"},
    {0}};

const Fact help_files[] = {
    {"FOLDER/config.json", "what the model is; read with generation_config.json, if it is there"},
    {"FOLDER/model.safetensors, pytorch_model.bin",
     "the weights; in several files with the .index.json that names them"},
    {"FOLDER/tokenizer.json, *.spm, spiece.model, vocab.json, ...",
     "the tokenizer, in any of the Hub's forms"},
    {"FOLDER/adapter_config.json", "a LoRA or DoRA adapter (PEFT), which is merged"},
    {"MODEL.gguf", "all of it in one file, as llama.cpp has it"},
    {"~/.cache/huggingface/hub/models--ORG--NAME/",
     "ORG/NAME in the Hub's cache: snapshots/COMMIT/ are such folders, refs/main says which one is meant"},
    {"FILE.json", "a result (-o), Inseq's own format: see inseq-formats(5)"},
    {0}};

const Fact help_exit_codes[] = {
    {"0", "done"},
    {"1", "the input is wrong, or a result cannot be written"},
    {"2", "usage: an option, a name or a value that does not exist"},
    {"3", "some texts failed and the others were kept; or memory ran out, or a file was cut short while it "
          "was read"},
    {"129, 130, 143", "ended by SIGHUP, Ctrl-C, SIGTERM: what was finished is kept, but not by compare"},
    {"141", "the reader of standard output has gone"},
    {0}};

const Fact help_examples[] = {
    {"inseq demo", "a minute with the models that are inside the program"},
    {"inseq attribute -m demo/en-nl -a input_x_gradient --attribute-target --step-scores probability -i "
     "\"The nurse "
     "lost her key.\" --viz-path heatmap.html",
     "what each word of a translation owes to the source and to the words before it, as a page"},
    {"inseq attribute -m demo/en-nl -a occlusion -i \"The nurse lost her key.\" -g \"De verpleger verloor "
     "zijn sleutel.\"",
     "the same of a given translation"},
    {"inseq attribute -m demo/yes-no -fn contrast_prob_diff -i \"Is a dog an animal?\" -g yes "
     "--contrast-targets no",
     "why this and not that"},
    {"inseq attribute -m demo/yes-no -m demo/yes-no-small -i \"Is a dog an animal?\" --step-scores "
     "probability",
     "two models side by side"},
    {"inseq compare -m demo/en-nl -a saliency -a occlusion --evaluate -i \"The nurse lost her key.\"",
     "how far methods agree, and how faithful they are"},
    {"inseq attribute -m demo/en-nl -a saliency -i @texts.txt -o result.json", "many texts, kept"},
    {"inseq show result.json --granularity word --export table.tex",
     "and shown again, by words, as a table for a paper"},
    {"inseq generate -m demo/en-nl -i \"The cat sleeps.\" --generation-kwargs '{\"num_beams\": 4}'",
     "what the model writes"},
    {0}};

static const struct {
    const char *name;
    const Fact *fact;
    bool one_line;
} pages[] = {{"environment", help_environment, true},
             {"files", help_files, false},
             {"exit", help_exit_codes, true},
             {"examples", help_examples, false}};

bool help_page(Arena *a, const char *topic, int width, Buf *out)
{
    enum { NARROW = 80 };
    const size_t w = (size_t)(width < NARROW ? NARROW : width);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(topic, pages[i].name)) continue;
        for (const Fact *f = pages[i].fact; f->name; f++) {
            const char *name = arena_printf(a, "  %s", f->name);
            if (!pages[i].one_line || strlen(name) > 35) buf_wrapped(out, name, 4, w), name = "";
            buf_printf(out, "%-*s", pages[i].one_line ? 36 : 6, name);
            buf_wrapped(out, f->meaning, pages[i].one_line ? 36 : 6, w);
        }
        return true;
    }
    return false;
}
