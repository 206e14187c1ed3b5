// SPDX-License-Identifier: Apache-2.0
// t_cli.c — the program as people run it: what it prints where, what it exits with, what it leaves on disk; every option
// and spelling; the models inside it. What goes wrong is in t_cli_wrong.c.
#include "cli.h"
#include "lab.h"

#include <math.h>

// ------------------------------------------------------------------------------------------ against the library's

static const char *moved(Arena *A, const char *folder, Str word) // models and results to where they are here
{
    if (str_starts(word, STR_LIT("models/"))) return arena_printf(A, "test/golden/%.*s", (int)word.n, word.s);
    if (str_starts(word, STR_LIT("cases/cli/data/")))
        return arena_printf(A, "test/golden/%.*s", (int)word.n, word.s);
    if (str_starts(word, STR_LIT("cases/cli/")))
        return arena_printf(A, "%s/%.*s", folder, (int)word.n - 10, word.s + 10);
    return str_zero(A, word);
}

static bool cli_case(Arena *A, const Json *entry)
{
    const Json *command = json_get(entry, "command");
    const char *words[64], *folder = kit_folder(A),
                           *file = str_zero(A, json_get(entry, "file")->text) + strlen("cases/");
    const Entry *known;
    size_t n = 0, n_known = attr_method_list(&known);
    bool supported = true;
    Str name = command->child->next->text;
    if ((!str_is(name, "attribute") && !str_is(name, "attribute-dataset")) ||
        !lab_knows(A, str_zero(A, json_get(entry, "model")->text)))
        return false;
    for (const Json *j = command->child->next; j; j = j->next) {
        words[n++] = moved(A, folder, j->text);
        if (n < 2 || (strcmp(words[n - 2], "-a") && strcmp(words[n - 2], "--attribution_method"))) continue;
        supported = false;
        for (size_t i = 0; i < n_known; i++) supported |= str_is(j->text, known[i].name);
    }
    if (str_is(name, "attribute-dataset")) words[n++] = "-q"; // a column that is missing is said
    words[n] = NULL;
    if (!supported) return false;
    Run r = run_with(A, &(Setup){0}, words);
    check_ran(file, r);
    Attribution got, want;
    Err e = {0};
    const char *path = moved(A, folder, json_get(entry, "file")->text);
    if (!attr_from_json(A, str_of(slurp(A, path, NULL)), path, &got, &e))
        return FAIL("%s: %s", file, e.text), true;
    if (!golden_attribution(A, file, &want)) return true;
    double size = fmin(1, lab_largest(&want));
    Case c = {.scores = {3e-5 * size, 1e-4}, .steps = {1e-5, 1e-4}};
    lab_compare(A, &c, file, &got, &want);
    CHECK_STR(str_of(attr_info(A, &got, "attribution_method")),
              str_of(attr_info(A, &want, "attribution_method")));
    return true;
}

TEST(cli_golden)
{
    const Json *index = golden_json(A, "index.json");
    int run = 0;
    for (const Json *c = NULL; (c = golden_case(index, "cli", c));) {
        Arena *each = arena_create(A);
        run += cli_case(each, c);
        arena_free(each);
    }
    if (run < 20) FAIL("%d commands were run; it was 20 and more", run);
}

// ------------------------------------------------------------------------------------------ generate

static void same_line(const char *what, const Json *got, const Json *ids, const Json *text, const Json *score)
{
    const Json *s = json_get(got, "sequences");
    for (s = s ? s->child : NULL; s && ids;
         s = s->next, ids = ids->next, text = text->next, score = score ? score->next : NULL) {
        const Json *g = json_get(s, "ids")->child, *w = ids->child;
        for (; g; g = g->next, w = w ? w->next : NULL)
            if (!w || g->i != w->i) FAIL("%s: other ids", what);
        CHECK_STR(json_get(s, "text")->text, text->text);
        if (score) CHECK_NEAR(json_get(s, "score")->number, score->number, 2e-5);
    }
    if (s || ids) FAIL("%s: another number of sequences", what);
}

TEST(cli_generate)
{
    const Json *row = json_get(golden_json(A, "generate/marian-en-nl.json"), "rows");
    int run = 0;
    for (row = row->child; row; row = row->next) {
        Arena *a = arena_create(A);
        Str name = json_get(row, "name")->text;
        const Json *input = json_get(row, "input"), *args = json_get(row, "args"),
                   *prefix = json_get(row, "prefix");
        const char *words[32] = {"generate", "-m", TRAINED, "--json", "--generation_kwargs"};
        size_t n = 5;
        Buf kwargs = {.arena = a};
        bool chosen = str_is(name, "own") || str_is(name, "all-beams") || str_is(name, "prefix") ||
                      str_is(name, "batch");
        buf_char(&kwargs, '{');
        for (const Json *j = args->child; j; j = j->next)
            buf_printf(&kwargs, "%s\"%.*s\": %.*s", j == args->child ? "" : ", ", (int)j->key.n, j->key.s,
                       (int)j->text.n, j->text.s);
        buf_char(&kwargs, '}');
        words[n++] = kwargs.s, words[n++] = "-i";
        for (const Json *j = input->kind == J_ARRAY ? input->child : input; chosen && j;
             j = input->kind == J_ARRAY ? j->next : NULL)
            words[n++] = str_zero(a, j->text);
        if (prefix && prefix->kind == J_STRING)
            words[n++] = "-g", words[n++] = str_zero(a, prefix->text),
            words[n++] = "--generate_from_target_prefix";
        if (chosen) {
            run++;
            Run r = run_with(a, &(Setup){0}, words);
            check_ran(words[7], r);
            const Json *ids = json_get(row, "sequences")->child, *text = json_get(row, "texts")->child;
            const Json *scores = json_get(row, "sequences_scores"),
                       *score = scores->kind == J_ARRAY ? scores->child : NULL;
            size_t count = input->kind == J_ARRAY ? input->count : 1;
            const char *at = r.out;
            for (size_t i = 0; i < count; i++) {
                const char *end = strchr(at, '\n');
                const Json *line = end ? json_parse(a, (Str){at, (size_t)(end - at)}, "line", NULL) : NULL;
                if (!line) {
                    FAIL("%s: line %zu is no JSON: %s", words[7], i, r.out);
                    break;
                }
                if (count == 1) same_line(words[7], line, ids, text, score);
                else
                    CHECK_STR(json_get(json_get(line, "sequences")->child, "text")->text, text->text),
                        text = text->next;
                at = end + 1;
            }
        }
        arena_free(a);
    }
    CHECK(run >= 15);
    Run plain =
        RUN("generate", "-m", TRAINED, "-i", "The nurse went to the hospital.", "The teacher lost her keys.");
    check_ran("generate", plain);
    CHECK_INT(lines(plain.out), 2);
}

// ------------------------------------------------------------------------------------------ tokenize

TEST(cli_literal_at)
{
    const char *spm = "nn/demo/yes-no/spiece.model"; // knows no @: the pieces show the text itself
    Run r = RUN("tokenize", "--sentencepiece", spm, "-i", "@@you", "@@@@", "@", "me@you");
    check_ran("tokenize", r);
    CHECK_STR(
        str_of(r.out),
        STR_LIT("90:▁ 2:@ 379:y 187:o 276:u\n90:▁ 2:@@@\n90:▁ 2:@\n90:▁ 304:m 85:e 2:@ 379:y 187:o 276:u\n"));
}

TEST(cli_tokenize)
{
    static const char *const files[] = {"test/golden/tokenizers/models/spm/pegasus.model",
                                        "test/golden/models/t5-yesno"};
    static const char *const input[] = {"{\"n\": 1, \"text\": \"The nurse went.\"}", "{\"ids\": [3, 4, 5]}",
                                        "{\"text\": \"\"}", "{\"text_b64\": \"w6kgw7w=\"}"};
    Buf in = {.arena = A};
    for (int i = 0; i < 4; i++) buf_printf(&in, "%s\n", input[i]);
    for (int k = 0; k < 2; k++) {
        Err e = {0};
        Sentencepiece *sp = k ? NULL : sp_open(A, files[0], &e);
        Tokenizer *t = k ? tok_open(A, files[1], &e) : NULL;
        Buf want = {.arena = A};
        for (int i = 0; i < 4; i++) {
            if (!tok_jsonl(A, sp, t, str_of(input[i]), &want, &e)) FAIL("%s", e.text);
            buf_char(&want, '\n');
        }
        Run r = RUN_WITH({.in = in.s}, "tokenize", k ? "-m" : "--sentencepiece", files[k], "--jsonl");
        check_ran("tokenize --jsonl", r);
        CHECK_STR(str_of(r.out), buf_view(&want));
        r = RUN_WITH({.in = "{\"text\": \"a\"}\n{broken\n"}, "tokenize", k ? "-m" : "--sentencepiece",
                     files[k], "--jsonl");
        CHECK_INT(r.code, 1);
        CHECK_INT(lines(r.out), 1);
        CHECK_HAS(r.err, "inseq: line 2: ");
    }
    Run r = RUN("tokenize", "-m", TRAINED, "-i", "The nurse went.", "Yes.");
    check_ran("tokenize", r);
    CHECK_INT(lines(r.out), 2);
    CHECK_HAS(r.out, "0:</s>");
    check_refused("neither", RUN("tokenize", "-i", "x"), 2, "either -m FOLDER or --sentencepiece");
    check_refused("both", RUN("tokenize", "-m", TRAINED, "--sentencepiece", files[0], "-i", "x"), 2,
                  "either -m FOLDER or");
    check_refused("no texts", RUN("tokenize", "-m", TRAINED), 2, "which texts?");
}

// ------------------------------------------------------------------------------------------ options

// What -o gets from these words; "FILE" stands for its path.
static Str saved(Arena *A, const char *what, const Setup *s, const char *const *words)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/o.json", folder), *argv[64];
    size_t n = 0;
    for (; words[n]; n++)
        argv[n] = !strcmp(words[n], "FILE")               ? path
                  : !strcmp(words[n], "--save_path=FILE") ? arena_printf(A, "--save_path=%s", path)
                                                          : words[n];
    argv[n] = NULL;
    Run r = run_with(A, s, argv);
    check_ran(what, r);
    Str bytes = {"", 0};
    Err e = {0};
    if (!file_read(A, path, SIZE_MAX, &bytes, &e)) FAIL("%s: %s", what, e.text);
    return bytes;
}
#define SAVED(...) saved(A, #__VA_ARGS__, &(Setup){0}, (const char *const[]){__VA_ARGS__, NULL})

TEST(cli_spellings)
{
    Str want = SAVED("attribute", "-m", MODEL, "-a", "input_x_gradient", "-i", TEXT, "-g", INTO,
                     "--attribute_target", "--step_scores", "probability", "entropy", "-o", "FILE",
                     "--hide_attributions");
    CHECK(want.n > 10000);
    static const char *const same[][28] = {
        {"attribute", "--model-name-or-path", MODEL, "--attribution-method", "input_x_gradient",
         "--input-texts", TEXT, "--generated-texts", INTO, "--attribute-target", "--step-scores",
         "probability", "entropy", "--save-path", "FILE", "--hide-attributions"},
        {"attribute", "--model_n=" MODEL, "--attribution_m=input_x_gradient", "--input_t=" TEXT,
         "--generated_texts=" INTO, "--attribute_t=true", "--step=probability", "entropy", "--save_path=FILE",
         "--hide=1"},
        {"attribute",
         "--step_scores",
         "probability",
         "--step_scores",
         "entropy",
         "-i",
         TEXT,
         "-g",
         INTO,
         "-m",
         MODEL,
         "-o",
         "FILE",
         "--hide",
         "yes",
         "--attribute_target",
         "t",
         "-a",
         "input_x_gradient",
         "-fn",
         "probability"},
        {"attribute",
         "-m",
         MODEL,
         "-a",
         "input_x_gradient",
         "-i",
         "-",
         "-g",
         INTO,
         "--attribute_target",
         "y",
         "--step_scores",
         "probability",
         "entropy",
         "-o",
         "FILE",
         "--hide",
         "-bs",
         "1",
         "-t",
         "1",
         "--dev",
         "cpu",
         "-q"},
        {"attribute",
         "-m",
         MODEL,
         "-a",
         "input_x_gradient",
         "-i",
         TEXT,
         "-g",
         INTO,
         "--attribute_target",
         "--step_scores",
         "probability",
         "entropy",
         "-o",
         "FILE",
         "--hide",
         "--max_memory",
         "1K",
         "--model_kwargs",
         "{\"dtype\": \"float32\"}",
         "--tokenizer_kwargs",
         "{}"},
        {"attribute",
         "-m",
         MODEL,
         "-a",
         "input_x_gradient",
         "-i",
         TEXT,
         "-g",
         INTO,
         "--no_attribute_target",
         "--attribute_target",
         "--step_scores",
         "probability",
         "entropy",
         "-o",
         "FILE",
         "--hide",
         "--aggregate_output",
         "--include_eos_baseline",
         "false",
         "-s",
         "1"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        Str got = saved(A, same[i][1], &(Setup){.in = TEXT "\n"}, same[i]);
        if (!str_eq(got, want)) FAIL("spelling %zu saves something else", i);
        else test_count(1);
    }
    static const char *const isa[] = {"INSEQ_ISA=avx512", "INSEQ_ISA=avx2", "INSEQ_ISA=scalar"};
    const char *here[4];
    for (size_t i = 0, n = cpu_isas(here); i < 3; i++)
        for (size_t k = 0; k < n; k++)
            if (!strcmp(isa[i] + 10, here[k]) &&
                !str_eq(want, saved(A, isa[i], &(Setup){.env = {isa[i]}}, same[0])))
                FAIL("%s: other bytes", isa[i]);
    Setup other = {.env = {"OMP_NUM_THREADS=1", "INSEQ_THREADS=3", "LC_ALL=de_DE.UTF-8"}};
    CHECK(str_eq(want, saved(A, "three threads", &other, same[0])));
    kit_write(kit_folder(A), "texts", str_of(TEXT "\r\n"));
    Str source_only = SAVED("attribute", "-m", MODEL, "-a", "input_x_gradient", "-i", TEXT, "-g", INTO,
                            "--attribute_target=no", "-o", "FILE", "--hide");
    CHECK(source_only.n > 1000 && !str_eq(source_only, want));
}

TEST(cli_files)
{
    const char *folder = kit_folder(A), *list = arena_printf(A, "@%s/texts", folder),
               *html = arena_printf(A, "%s/h.html", folder);
    const char *csv = arena_printf(A, "%s/c.csv", folder), *json = arena_printf(A, "%s/o.json", folder),
               *again = arena_printf(A, "%s/p.json", folder);
    kit_write(folder, "texts", str_of(TEXT "\r\nThe cat is in the bag.\n"));
    Run r = RUN("attribute", "-m", TRAINED, "-i", list, "-o", json, "--viz_path", html, "--csv", csv,
                "--step_scores", "probability");
    check_ran("attribute", r);
    CHECK_HAS(r.out, "Source Saliency Heatmap");
    CHECK(!strchr(r.out, '\x1b') && !strchr(r.out, '\r'));
    CHECK_HAS(slurp(A, html, NULL), "<html");
    CHECK(lines(slurp(A, csv, NULL)) > 50);
    Run shown = RUN("show", json), plain = RUN("show", json, "--plain");
    check_ran("show", shown);
    CHECK_STR(str_of(shown.out), str_of(r.out));
    CHECK(strchr(plain.out, '\t') && !strstr(plain.out, "│"));
    check_ran("show --format json", RUN("show", json, "--format", "json"));
    Run saved_again = RUN("show", json, "-o", again, "--format", "csv");
    check_ran("show -o", saved_again);
    CHECK_STR(str_of(slurp(A, again, NULL)), str_of(slurp(A, json, NULL)));
    CHECK_STR(str_of(saved_again.out), str_of(slurp(A, csv, NULL)));
    Attribution got;
    Err e = {0};
    if (!attr_from_json(A, str_of(slurp(A, json, NULL)), json, &got, &e)) FAIL("%s", e.text);
    CHECK_INT(got.n, 2);
    CHECK_INT(got.sequence->source_attributions.rank, 3); // as the library saves: not aggregated
    check_ran("--save_aggregated",
              RUN("attribute", "-m", TRAINED, "-i", TEXT, "-o", json, "--save_aggregated", "--hide"));
    if (!attr_from_json(A, str_of(slurp(A, json, NULL)), json, &got, &e)) FAIL("%s", e.text);
    CHECK_INT(got.sequence->source_attributions.rank, 2);
}

// A large result is written as it goes: the file is never in memory as a whole.
#ifndef __SANITIZE_ADDRESS__ // which keeps what is freed
TEST(cli_save_needs_no_room_for_the_file)
{
    const char *folder = kit_folder(A), *list = arena_printf(A, "@%s/texts", folder);
    const char *json = arena_printf(A, "%s/o.json", folder);
    Buf texts = {.arena = A};
    for (int i = 0; i < 100; i++)
        buf_printf(&texts, "The nurse lost her key in the garden of house %d.\n", i);
    kit_write(folder, "texts", buf_view(&texts));
    Run saved = RUN("attribute", "-m", "demo/en-nl", "--attribute_target", "-i", list, "--hide", "-o", json),
        not = RUN("attribute", "-m", "demo/en-nl", "--attribute_target", "-i", list, "--hide");
    size_t n;
    check_ran("-o", saved), check_ran("without", not );
    slurp(A, json, &n);
    CHECK(n > 2500000);
    CHECK((double)(saved.peak - not .peak) <
          1.5 * (double)n / 1024); // the scores are 0.75 of it; the text was 2 more
}
#endif

TEST(cli_colour)
{
    const char *json = arena_printf(A, "%s/o.json", kit_folder(A));
    check_ran("attribute", RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o", json, "--hide"));
    static const struct {
        Setup setup;
        const char *option;
        bool colour;
    } c[] = {{{0}, NULL, false},
             {{0}, "--color=always", true},
             {{.env = {"NO_COLOR=1"}}, NULL, false},
             {{.env = {"FORCE_COLOR=1"}}, NULL, true},
             {{.env = {"CLICOLOR_FORCE=1"}}, "--color=never", false},
             {{.env = {"FORCE_COLOR=1"}}, "--no_color", false},
             {{.env = {"NO_COLOR=1"}}, "--color=always", true},
             {{.env = {"TERM=dumb"}}, NULL, false},
             {{.env = {"TERM=xterm-256color", "NO_COLOR=1"}}, NULL, false}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        Run r = run_with(A, &c[i].setup, (const char *const[]){"show", json, c[i].option, NULL});
        check_ran("show", r);
        if (!!strchr(r.out, '\x1b') != c[i].colour)
            FAIL("colour case %zu: %s", i, c[i].colour ? "no colour" : "colour");
    }
    Run bar = RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--progress"),
        none = RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO);
    CHECK_INT(bar.code, 0);
    CHECK_HAS(bar.err, "Attributing with saliency...");
    CHECK_HAS(bar.err, "100%");
    CHECK_STR(str_of(bar.out), str_of(none.out)); // not a byte of it on standard output
    CHECK_STR(str_of(none.err), STR_LIT(""));
}

// What the program says of itself: the licence and the notices are the files as they are.
TEST(cli_about)
{
    Err e = {0};
    Str licence = {0}, notice = {0};
    bool read =
        file_read(A, "LICENSE", 1 << 20, &licence, &e) && file_read(A, "NOTICE", 1 << 20, &notice, &e);
    if (!read) return FAIL("%s", e.text);
    Run r = RUN("--license"), version = RUN("--version");
    check_ran("--license", r), check_ran("--version", version);
    CHECK(!strncmp(r.out, licence.s, licence.n));
    CHECK(strlen(r.out) > notice.n && !strncmp(r.out + strlen(r.out) - notice.n, notice.s, notice.n));
    CHECK_HAS(notice.s, "Public Software Group");
    CHECK_HAS(notice.s, "Unicode, Inc.");
    CHECK_HAS(licence.s, "Apache License");
    static const char *const lines[] = {"\ncommit ", "\ncompiler ", "\ninstructions ", "\nlibraries ",
                                        "utf8proc "};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) CHECK_HAS(version.out, lines[i]);
    const char *commit = strstr(version.out, "\ncommit "); // the day, and where git told it the name
    commit = commit ? commit + strcspn(commit, "0123456789u") : "";
    CHECK(strncmp(commit, "20", 2) ? !strncmp(commit, "unknown\n", 8) : commit[4] == '-' && commit[7] == '-');
    CHECK_HAS(RUN_WITH(UNPACK({.env = {"INSEQ_ISA=scalar"}}), "--version").out, "instructions  scalar\n");
}

// What is rarely meant is said, once, and done all the same.
TEST(cli_contrast_notes)
{
    Run r = RUN("attribute", "-m", TRAINED, "-i", TEXT, "-fn", "contrast_prob_diff", "--hide");
    CHECK_INT(r.code, 0);
    CHECK_HAS(
        r.err,
        "inseq: note: contrast_prob_diff compares with a foil, and none is given: --contrast_targets TEXT\n");
    r = RUN("attribute", "-m", TRAINED, "-i", TEXT, "--contrast_targets", "x", "--hide");
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.err, "inseq: note: the foil is only named in the tables");
    check_ran("with a foil", RUN("attribute", "-m", TRAINED, "-i", TEXT, "--step_scores", "pcxmi",
                                 "--contrast_targets", "x", "--hide"));
    check_refused("to weight by",
                  RUN("attribute", "-m", TRAINED, "-i", TEXT, "--weight_attributions", "logit"), 1,
                  "--step_scores logit computes it");
}

// Marian with a vocabulary for each side: what is written is read by the target's, sources by their own.
// A cache that was copied by hand: which snapshot is main is a guess, and said to be one.
TEST(cli_guessed_snapshot_notes)
{
    const char *cache = kit_folder(A), *note = "has no refs/ that says which commit is main";
    const char *folder =
        arena_printf(A, "%s/models--Org--name/snapshots/0123456789abcdef0123456789abcdef01234567", cache);
    kit_write(cache, "models--Org--name/snapshots/0123456789abcdef0123456789abcdef01234567/x", BYTES("x"));
    check_ran("export", RUN("export", "demo/yes-no-small", folder));
    static const char *const commands[] = {"attribute", "generate", "tokenize"};
    for (int i = 0; i < 3; i++) {
        Run r = RUN(commands[i], "-m", "Org/name", "--cache_dir", cache, "-i", "Is a dog an animal?");
        CHECK_INT(r.code, 0);
        CHECK_HAS(r.err, note);
        CHECK_INT(lines(r.err), 1);
        check_ran("-q", RUN(commands[i], "-m", "Org/name", "--cache_dir", cache, "-q", "-i", "Is it?"));
    }
    kit_write(cache, "models--Org--name/refs/main", BYTES("0123456789abcdef0123456789abcdef01234567"));
    check_ran("refs", RUN("generate", "-m", "Org/name", "--cache_dir", cache, "-i", "Is a dog an animal?"));
}

TEST(cli_two_vocabularies)
{
    const char *folder = "test/golden/shapes/marian-separate",
               *json = arena_printf(A, "%s/o.json", kit_folder(A));
    const Json *all =
        json_parse(A, str_of(slurp(A, "test/golden/shapes/words.json", NULL)), "words.json", NULL);
    for (const Json *c = all->child; c; c = c->next) {
        const char *source = str_zero(A, json_get(c, "text")->text);
        Run r = RUN("generate", "-m", folder, "-i", source, "--generation_kwargs",
                    "{\"num_beams\": 2, \"max_length\": 12}");
        check_ran("generate", r);
        CHECK_STR(str_of(r.out), str_of(arena_printf(A, "%s\n", str_zero(A, json_get(c, "decoded")->text))));
        check_ran("attribute",
                  RUN("attribute", "-m", folder, "-i", source, "-g", "何とか", "--hide", "-o", json));
        Attribution got;
        Err e = {0};
        if (!attr_from_json(A, str_of(slurp(A, json, NULL)), json, &got, &e)) FAIL("%s", e.text);
        int64_t i = 0;
        for (const Json *want = json_get(c, "source_tokens")->child; want && i < got.sequence->n_source;
             want = want->next, i++)
            CHECK_STR(got.sequence->source[i].text, want->text);
        CHECK_INT(i, json_get(c, "source_tokens")->count);
    }
    CHECK_INT(all->count, 2);
}

// A text that fails leaves the others in their places, with every model; texts stand beside their own results.
TEST(cli_several_models)
{
    const char *folder = kit_folder(A), *json = arena_printf(A, "%s/o.json", folder);
    Run r = RUN("attribute", "-m", MODEL, "-m", TRAINED, "-i", "", "The cat.", "-g", "x", "Rek.",
                "--step_scores", "probability", "-o", json);
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.err, "inseq: text 1: the source is empty");
    CHECK(!strncmp(r.out, "1st instance, " MODEL ":\n", strlen("1st instance, " MODEL ":\n")));
    CHECK_HAS(r.out, "\n1st instance, " TRAINED ":\n");
    CHECK_HAS(r.out, "\n1st instance, probability by model\n");
    CHECK(!strstr(r.out, "0th instance"));
    const char *saved = slurp(A, json, NULL);
    const Json *info = json_get(json_get(json_parse(A, str_of(saved), json, NULL), "attributes"), "info"),
               *texts = json_get(info, "input_texts");
    CHECK(texts && texts->count == 2 && str_is(texts->child->next->text, "The cat."));
    CHECK_INT(json_get(info, "generated_texts")->count, 2);
    Run shown = RUN("show", json); // the models' names are kept
    check_ran("show", shown);
    CHECK_HAS(shown.out, MODEL ":\n");
    CHECK_HAS(shown.out, "probability by model\n");
}

// A result that the library compressed, from a file and through a pipe.
TEST(cli_gzipped)
{
    const char *path = "test/golden/cases/aggregate/marian-en-nl-save-compressed.json.gz";
    Run plain = RUN("show", "test/golden/cases/aggregate/marian-en-nl-save-plain-lists.json"),
        zipped = RUN("show", path);
    check_ran("show", plain), check_ran("show .gz", zipped);
    CHECK(plain.n_out > 1000);
    CHECK_STR(str_of(zipped.out), str_of(plain.out));
    Run diff = RUN("diff", path, path, "--format", "json");
    check_ran("diff .gz", diff);
    CHECK_HAS(diff.out, "\"probability\": [0, 0, ");
}

// ------------------------------------------------------------------------------------------ models inside

TEST(cli_export_is_the_model_inside)
{
    const char *folder = arena_printf(A, "%s/en-nl", kit_folder(A));
    check_ran("export", RUN("export", "demo/en-nl", folder));
    int files = 0;
    for (const BuiltinFile *f = file_builtins; f->path; f++) {
        if (strncmp(f->path, "demo/en-nl/", 11) != 0) continue;
        size_t n;
        const char *s = slurp(A, arena_printf(A, "%s/%s", folder, f->path + 11), &n);
        CHECK_INT(n, f->to - f->from);
        CHECK(!memcmp(s, f->from, n));
        files++;
    }
    CHECK_INT(files, 7);
    Run inside = RUN("generate", "-m", "demo/en-nl", "-i", "The nurse lost his key.");
    Run outside = RUN("generate", "-m", folder, "-i", "The nurse lost his key.");
    CHECK_STR(str_of(inside.out), STR_LIT("De verpleger verloor zijn sleutel.\n"));
    CHECK_STR(str_of(outside.out), str_of(inside.out));

    Run again = RUN("export", "demo/en-nl", folder), other = RUN("export", "demo/xx", folder);
    CHECK_INT(again.code, 1);
    CHECK_HAS(again.err, "holds a model already");
    CHECK_INT(other.code, 1);
    CHECK_HAS(other.err, "there are demo/en-nl, demo/yes-no, demo/yes-no-small");
    CHECK_INT(RUN("export", "demo/en-nl").code, 2);
    CHECK_INT(RUN("export", "demo/en-nl", "/nonexistent/folder").code, 1);
}

// Its five chapters in the terminal, in short, and as a page; no folder is written to.
TEST(cli_demo_tells_its_story)
{
    const char *folder = kit_folder(A), *page = arena_printf(A, "%s/demo.html", folder);
    const char *tmp = "TMPDIR=/nonexistent";
    Run r = RUN_WITH(UNPACK({.env = {tmp, "COLUMNS=140"}}), "demo", "--html", page);
    check_ran("demo", r);
    CHECK_HAS(r.out, "inseq attribute -m demo/en-nl");
    CHECK_HAS(r.out, "pijpenstelen");
    CHECK_HAS(r.out, "▁honden");
    CHECK_HAS(r.out, "▁no → ▁yes");
    CHECK_HAS(r.out, "  inseq diff her.json his.json\n\nSource");
    CHECK_HAS(r.out, "▁verpleegster → ▁verpleger");
    CHECK_HAS(r.out, "With a model of your own");
    Str html = str_of(slurp(A, page, NULL));
    static const char *const chapters[] = {"<h2>1. A", "<h2>2. The", "<h2>3. A", "<h2>4. The", "<h2>5. Two"};
    for (int i = 0; i < 5; i++) CHECK_HAS(html.s, chapters[i]);
    CHECK_HAS(html.s, "<p class=\"code\">inseq diff her.json his.json</p>");
    CHECK(!strstr(html.s, "\xe2\x90\x8a")); // no line ends made visible
    size_t tables = 0;
    for (const char *s = html.s; (s = strstr(s, "<table>")); s++) tables++;
    CHECK_INT(tables, 2 + 2 + 1 + 3 + 1);

    // what chapter 5 says of its table: the largest number is where the nurse meets the possessive
    const char *by_model = strstr(r.out, "contrast_prob_diff by model");
    CHECK_HAS(by_model, "│ yes-no-small │   -0.9");
    CHECK_HAS(by_model, "│       yes-no │    0.9");

    const char *cell = strstr(html.s, "title=\"▁her → ▁his → ▁verpleegster → ▁verpleger: ");
    double most = 0, theirs = cell ? strtod(strstr(cell, "verpleger: ") + 11, NULL) : 0;
    for (const char *s = strstr(html.s, "<h2>5. Two"); (s = strstr(s, " title=\"▁")); s++) {
        const char *colon = strstr(s, ": "), *end = strstr(s, "\">");
        if (colon && colon < end) most = fmax(most, fabs(strtod(colon + 2, NULL)));
    }
    CHECK(theirs > 0.2 && theirs == most);

    Run brief = RUN_WITH(UNPACK({.env = {tmp}}), "demo", "--short", "--html", page);
    check_ran("demo --short", brief);
    CHECK_HAS(brief.out, "pijpenstelen");
    CHECK(!strstr(brief.out, "▁no → ▁yes") && !strstr(brief.out, "her.json"));
    CHECK_STR(str_of(slurp(A, page, NULL)), html);
    CHECK_INT(RUN("demo", "--html", "/nonexistent/x.html").code, 1);
}

// What no method takes is named, with what may have been meant.
TEST(cli_ignored_arguments)
{
#define LEFT_OUT                                                                                             \
    "attribute", "-m", MODEL, "-a", "occlusion", "-i", "No.", "-g", "ja", "--hide", "--attribution_kwargs"
    CHECK_HAS(RUN(LEFT_OUT, "{\"unit\": \"word\"}").err, "unit is no argument of occlusion");
    CHECK_HAS(RUN(LEFT_OUT, "{\"unit\": \"word\"}").err, "ignored; did you mean units?");
    CHECK_HAS(RUN(LEFT_OUT, "{\"zzz\": 1}").err, "ignored; 'inseq list arguments' shows them");
    CHECK_STR(str_of(RUN(LEFT_OUT, "{\"units\": \"word\"}").err), STR_LIT(""));
#undef LEFT_OUT
}

// Baselines come from a file that is read for each model; what is wrong with it is said with its name.
TEST(cli_baselines)
{
    const char *folder = kit_folder(A), *file = arena_printf(A, "%s/texts", folder);
    const char *args = arena_printf(A, "{\"baselines\": \"%s\", \"n_samples\": 3}", file);
#define EXPECTED                                                                                             \
    "attribute", "-m", MODEL, "-a", "expected_gradients", "-i", "No.", "-g", "ja", "--format", "json"
    CHECK_HAS(RUN(EXPECTED, "--attribution_kwargs", args).err, "texts: cannot open: No such file");
    kit_write(folder, "texts", STR_LIT("\n\n"));
    CHECK_HAS(RUN(EXPECTED, "--attribution_kwargs", args).err, "no texts there; baselines are a text a line");
    kit_write(folder, "texts", STR_LIT("It rains.\n\xff\n"));
    CHECK_HAS(RUN(EXPECTED, "--attribution_kwargs", args).err, "texts: line 2: ");
    kit_write(folder, "texts", STR_LIT("\nIt rains.\r\n\nIt is odd, as the nurse said."));
    Run drawn = RUN(EXPECTED, "--attribution_kwargs", args),
        plain = RUN(EXPECTED, "--attribution_kwargs", "{\"n_samples\": 3}"),
        stdin_ = RUN_WITH({.in = "It rains.\nIt is odd, as the nurse said.\n"}, EXPECTED,
                          "--attribution_kwargs", "{\"baselines\": \"-\", \"n_samples\": 3}");
    CHECK_INT(drawn.code, 0);
    CHECK_INT(plain.code, 0);
    CHECK_HAS(plain.err, "expected_gradients has only the unknown word to start from");
    CHECK_STR(str_of(drawn.err), STR_LIT(""));
    CHECK(strcmp(drawn.out, plain.out) != 0);
    CHECK_HAS(drawn.out, "source_attributions");
    CHECK_INT(stdin_.code, 0);
    CHECK_STR(str_of(strstr(stdin_.out, "\"sequences\"")), str_of(strstr(drawn.out, "\"sequences\"")));
#undef EXPECTED
}

static double number_of(const Json *object, const char *key)
{
    const Json *v = json_get(object, key);
    return v && v->kind == J_NUMBER ? v->number : NAN;
}

// What it measures is the machine's affair; that it says so in full, and adds up, is ours.
TEST(cli_bench)
{
    Run r =
        RUN("bench", "-m", TRAINED, "--runs", "1", "--source-tokens", "7", "--target-tokens", "5", "--json");
    check_ran("bench --json", r);
    Err e = {0};
    const Json *j = json_parse(A, str_of(r.out), "bench", &e);
    CHECK(j != NULL);
    if (!j) return;
    static const char *const positive[] = {"threads",
                                           "peak_flops",
                                           "bandwidth",
                                           "load_seconds",
                                           "flops",
                                           "flops_done",
                                           "limit_seconds",
                                           "attribution_seconds",
                                           "ratio",
                                           "decode_beam1_seconds",
                                           "decode_beam4_seconds",
                                           "step_beam1_seconds",
                                           "step_beam4_seconds",
                                           "step_bytes"};
    for (size_t i = 0; i < sizeof positive / sizeof *positive; i++) {
        if (!(number_of(j, positive[i]) > 0)) FAIL("bench --json: %s is missing or not above 0", positive[i]);
        test_count(1);
    }
    double flops = number_of(j, "flops"), peak = number_of(j, "peak_flops");
    CHECK_NEAR(number_of(j, "limit_seconds"), flops / peak,
               6e-6 + 1e-3 * flops / peak); // as many digits are printed
    const Json *v = json_get(j, "products");
    CHECK(v && v->kind == J_ARRAY && v->count == 4);
    r = RUN("bench", "-m", TRAINED, "--runs", "1");
    check_ran("bench", r);
    CHECK_HAS(r.out, "64 rows: forward ");
    CHECK_HAS(r.out, "beam 4: ");
}
