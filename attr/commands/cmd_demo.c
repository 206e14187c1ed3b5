// SPDX-License-Identifier: Apache-2.0
// cmd_demo.c — a minute with the models inside this program.
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// A chapter of the demo: commands are shown and run, what the last one prints is explained.
typedef struct Story {
    const char *title, *command[3][22], *text;
} Story;

#define TRANSLATE "attribute", "-m", "demo/en-nl", "-a", "input_x_gradient", "--step_scores", "probability"
static const Story story[] = {
    {"1. A translation, and where each word of it came from",
     {{TRANSLATE, "--attribute_target", "-i", "It is raining cats and dogs today."}},
     "A column is a token that the model wrote: a word or a piece of one. \xe2\x96\x81 is the space before "
     "it, </s> the end, <pad> what\n"
     "the model starts from. The first table says how much each token of the source mattered for it, the "
     "second how much\n"
     "those already written did; a column sums to 1 over both. An idiom is not put over word by word: look "
     "which words\n"
     "the one for the downpour, pijpenstelen, came from. The last row is the probability that the model gave "
     "to each token."},
    {"2. The same sentence, forced into a literal translation",
     {{TRANSLATE, "--attribute_target", "-i", "It is raining cats and dogs today.", "-g",
       "Het regent vandaag katten en honden."}},
     "With -g the model does not choose: the target is given. Where the probability falls to nothing it "
     "would have written\n"
     "something else; the scores say what it looked at all the same."},
    {"3. A question, and what speaks for one answer and against the other",
     {{"attribute", "-m", "demo/yes-no", "-a", "input_x_gradient", "-fn", "contrast_prob_diff",
       "--step_scores", "contrast_prob_diff", "probability", "-i", "Is Paris the capital of France?", "-g",
       "yes", "--contrast_targets", "no"}},
     "What is attributed here is a difference, p(yes) - p(no), and the column says so: no \xe2\x86\x92 yes. "
     "Large numbers stand at\n"
     "the words that tell the two answers apart. The end token is the same in both, so nothing is left to "
     "explain there."},
    {"4. The same for two sizes of a model, side by side",
     {{"attribute", "-m", "demo/yes-no-small", "-m", "demo/yes-no", "-a", "input_x_gradient", "-fn",
       "contrast_prob_diff", "--step_scores", "contrast_prob_diff", "--weight_attributions",
       "contrast_prob_diff", "-i", "Does 7 + 5 equal 12?", "-g", "yes", "--contrast_targets", "no"}},
     "Several -m put models side by side; this sum was in neither's training. With --weight_attributions a "
     "column sums to the\n"
     "difference below it: negative cells speak for no. The last table has that difference for each model: "
     "the larger one\n"
     "knows the answer, the one of a quarter of its size is just as sure of the wrong one. Of 1000 questions "
     "kept\n"
     "out of the training they answer 994 and 941 correctly."},
    {"5. Two runs compared: the nurse lost her key, or his",
     {{TRANSLATE, "-i", "The nurse lost her key.", "--hide_attributions", "-o", "her.json"},
      {TRANSLATE, "-i", "The nurse lost his key.", "--hide_attributions", "-o", "his.json"},
      {"diff", "her.json", "his.json"}},
     "Each number is the second run's minus the first's. One word of the source was changed and two words of "
     "the\n"
     "translation changed with it: the possessive, and the nurse, who became a man. The largest number "
     "stands where the\n"
     "nurse's column meets the possessive's row: his counted for verpleger much more than her did for "
     "verpleegster."},
};
#undef TRANSLATE
enum { N_STORY = sizeof story / sizeof *story };

// The two files of the last chapter are pipes: no folder has to be writable for a look at the program. A pipe has room for
// all of a file before anybody reads it.
enum { N_FILES = 2 };
static const char *const file_names[N_FILES] = {"her.json", "his.json"};
typedef struct Files {
    int to[N_FILES], from[N_FILES]; // -1: not open
} Files;

static void shut(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void files_close(Files *f)
{
    for (int k = 0; k < N_FILES; k++) shut(&f->to[k]), shut(&f->from[k]);
}

static bool files_open(Files *f, Err *e)
{
    *f = (Files){{-1, -1}, {-1, -1}};
    for (int k = 0; k < N_FILES; k++) {
        int fd[2];
        if (pipe2(fd, O_CLOEXEC)) {
            err_set(e, "demo: cannot make a pipe: %s", strerror(errno));
            return files_close(f), false;
        }
        f->from[k] = fd[0], f->to[k] = fd[1];
        fcntl(fd[1], F_SETPIPE_SZ, 1 << 18); // 25 kB are enough; the usual room is 64 kB
    }
    return true;
}

// One command: as it would be typed (the result; in the terminal with the program's name as it was called, so that it can
// be copied), then run.
static const char *demo_command(Args *a, const char *const *word, Files *files, bool quiet,
                                Attribution *shown, int *code)
{
    char *argv[26] = {(char *)(uintptr_t) "inseq"};
    int argc = 1, written = -1;
    bool hides = false;
    Buf typed = {.arena = a->a};
    buf_str(&typed, STR_LIT("inseq"));
    for (; word[argc - 1]; argc++) {
        const char *w = word[argc - 1], *quote = strchr(w, ' ') ? "\"" : "";
        hides |= !strcmp(w, "--hide_attributions");
        argv[argc] = (char *)(uintptr_t)w;
        for (int k = 0; k < N_FILES; k++) {
            if (strcmp(w, file_names[k])) continue;
            bool writes = !strcmp(word[argc - 2], "-o");
            argv[argc] = arena_printf(a->a, "/proc/self/fd/%d", writes ? files->to[k] : files->from[k]);
            if (writes) written = k;
        }
        buf_printf(&typed, " %s%s%s", quote, w, quote);
    }
    if (quiet && !hides) argv[argc++] = (char *)(uintptr_t) "--hide_attributions";
    if (!quiet) printf("  %s%s\n", a->program, str_zero(a->a, buf_view(&typed)) + strlen("inseq"));
    if (!quiet && !hides) printf("\n");
    fflush(stdout);
    *code = a->call(a->a, argc, argv, shown);
    if (written >= 0) shut(&files->to[written]); // that is its end
    return str_zero(a->a, buf_view(&typed));
}

static int demo_chapters(Args *a, Files *files, Chapter *chapter)
{
    for (size_t i = 0; i < N_STORY; i++) {
        const Story *s = &story[i];
        const char **typed = arena_new(a->a, const char *, 4);
        Attribution *shown = arena_new(a->a, Attribution, 1);
        bool quiet = args_on(a, "json") || (i && args_on(a, "short"));
        int code = 0;
        if (!quiet) printf("%s%s.\n\n", i ? "\n" : "", s->title);
        for (int k = 0; k < 3 && s->command[k][0] && !code; k++)
            typed[k] = demo_command(a, s->command[k], files, quiet, shown, &code);
        if (code) return code;
        if (!quiet) printf("\n%s\n", s->text);
        char *one_line = arena_printf(a->a, "%s", s->text);
        for (char *c = one_line; (c = strchr(c, '\n'));) *c = ' ';
        chapter[i] = (Chapter){s->title, one_line, typed, shown};
    }
    return 0;
}

// The chapters as data, each with the numbers that it shows as --json prints them.
static bool story_json(Args *a, const Chapter *chapter, Buf *b, Err *e)
{
    ReportOptions o = {.min_val = NAN, .max_val = NAN};
    buf_str(b, STR_LIT("{\"chapters\": [\n"));
    for (size_t i = 0; i < (args_on(a, "short") ? 1 : N_STORY); i++) {
        buf_str(b, i ? STR_LIT(",\n{\"title\": ") : STR_LIT("{\"title\": ")),
            buf_json(b, str_of(chapter[i].title));
        buf_str(b, STR_LIT(",\n\"commands\": ["));
        for (const char *const *c = chapter[i].command; *c; c++)
            buf_str(b, c == chapter[i].command ? (Str){0} : STR_LIT(", ")), buf_json(b, str_of(*c));
        buf_str(b, STR_LIT("],\n\"text\": ")), buf_json(b, str_of(chapter[i].text));
        buf_str(b, STR_LIT(",\n\"result\": "));
        if (!attr_report("json")->write(a->a, chapter[i].shown, &o, b, e)) return false;
        buf_char(b, '}');
    }
    buf_str(b, STR_LIT("\n]}\n"));
    return true;
}

// The story in a minute, in the terminal and, if asked for, as a page.
static int run(Args *a)
{
    Err e = {0};
    Chapter chapter[N_STORY];
    Files files;
    const char *html = args_text(a, "html");
    if (!files_open(&files, &e)) return cmd_fail(&e, EXIT_SOME);
    int code = demo_chapters(a, &files, chapter);
    files_close(&files);
    if (code) return code;
    if (html) {
        Buf b = {.arena = a->a};
        ReportOptions o = {.unicode = true,
                           .min_val = NAN,
                           .max_val = NAN,
                           .title = "inseq demo: why a model wrote what it wrote"};
        if (!attr_html_story(a->a, chapter, N_STORY, &o, &b, &e) || !file_write(html, buf_view(&b), &e))
            return cmd_fail(&e, EXIT_INPUT);
        if (!args_on(a, "json")) printf("\nThe whole story as a page: %s\n", html);
    }
    if (args_on(a, "json")) {
        Buf b = {.arena = a->a};
        return story_json(a, chapter, &b, &e) ? cmd_print(buf_view(&b)) : cmd_fail(&e, EXIT_INPUT);
    }
    printf("\nWith a model of your own: inseq attribute -m FOLDER ..., a checkpoint as the Hub has it; "
           "'inseq list models' says\n"
           "which kinds. --viz_path FILE.html writes the tables as a page, --svg FILE.svg as a figure, -o "
           "FILE.json saves them\n"
           "for Python's Inseq. The small models here were trained by this program on made-up sentences "
           "and are good for\n"
           "nothing else; 'inseq export demo/en-nl FOLDER' writes one out.\n");
    return 0;
}

const Command command_demo = {
    .name = "demo",
    .options = DEMO,
    .run = run,
    .usage = "[--html FILE] [--short] [--json]",
    .summary = "a minute with the models inside this program",
    .example = "--html demo.html",
};
