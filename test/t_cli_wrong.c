// SPDX-License-Identifier: Apache-2.0
// t_cli_wrong.c — the program when something is wrong: bad input of every kind, damaged models, full disks, interrupts; and
// whole runs with each allocation and each I/O call failing once.
#include "../attr/attr.h"
#include "cli.h"

#include <signal.h>

// ------------------------------------------------------------------------------------------ bad input

TEST(cli_usage)
{
    static const struct {
        const char *words[14];
        const char *says;
    } bad[] = {
        {{"atribute"}, "unknown command 'atribute'; did you mean attribute?"},
        {{"dance"}, "inseq help"},
        {{"attribute", "-i", "x"}, "which model?"},
        {{"attribute", "-m", MODEL, "-i", "x", "-a", "salience"},
         "unknown method 'salience'; did you mean saliency?"},
        {{"attribute", "-m", MODEL, "-i", "x", "-a", "zzz"}, "inseq list methods"},
        {{"attribute", "-m", MODEL, "-i", "x", "-fn", "probabilty"}, "did you mean probability?"},
        {{"attribute", "-m", MODEL, "-i", "x", "--step_scores", "entrpy"}, "did you mean entropy?"},
        {{"attribute", "-m", MODEL, "-i", "x", "--attribution_aggregators", "subword"},
         "did you mean subwords?"},
        {{"attribute", "-m", MODEL, "-i", "x", "--attribution_aggregators", "mean", "--attribution_selectors",
          "1", "2"},
         "2 selectors for 1"},
        {{"attribute", "-m", MODEL, "-i", "x", "--save_pth", "y"},
         "unknown option --save_pth; did you mean --save_path?"},
        {{"attribute", "-m", MODEL, "-i", "x", "--attribut", "y"}, "is not unique"},
        {{"attribute", "-m", MODEL, "-i", "x", "-zz"}, "unknown option -zz"},
        {{"attribute", "-m", MODEL, "-i", "x", "-s", "one"}, "--start_pos: 'one' is not a whole number"},
        {{"attribute", "-m", MODEL, "-i", "x", "--max_memory", "lots"}, "is not a size"},
        {{"attribute", "-m", MODEL, "-i", "x", "--attribute_target=maybe"}, "neither true nor false"},
        {{"attribute", "-m", MODEL, "-i", "x", "-bs", "0"}, "--batch_size 0: it must be from 1"},
        {{"attribute", "-m", MODEL, "-i", "x", "-o"}, "--save_path needs a value"},
        {{"attribute", "-m", MODEL, "-i", "x", "--generation_kwargs", "{num_beams}"},
         "--generation_kwargs:+1"},
        {{"attribute", "-m", MODEL, "-i", "x", "--generation_kwargs", "[1]"}, "one JSON object"},
        {{"attribute", "-m", MODEL, "-i", "x", "--attribution_kwargs", "{\"logprob\": 3}"},
         "logprob is a number"},
        {{"attribute", "-m", MODEL, "stray", "-i", "x"}, "'stray' belongs to no option"},
        {{"show", "a.json", "b.json"}, "'b.json' belongs to no option; 'inseq show"},
        {{"generate", "The nurse", "-m", MODEL}, "'The nurse' belongs to no option; a text needs -i"},
        {{"attribute", "-m", MODEL, "-i", "x", "-a", "ig"}, "did you mean integrated_gradients?"},
        {{"attribute", "-m", MODEL, "-i", "x", "-a", "leave_one_out"}, "did you mean occlusion?"},
        {{"show"}, "show needs one FILE.json"},
        {{"list", "colours"}, "'colours' is unknown"},
        {{"-m", MODEL}, "-m: a command comes first, as in 'inseq attribute -m ...'"},
        {{"attribute", "-m", MODEL, "-i", "x", "--format", "pdf"},
         "unknown format 'pdf'; 'inseq list formats' shows them all"},
        {{"show", "a.json", "--format", "pdf"}, "unknown format 'pdf'"},
        {{"attribute", "-m", MODEL, "-i", "x", "--contrast_targets", "@/dev/null"},
         "--contrast_targets: no texts"},
        {{"generate", "-m", MODEL, "-i", "x", "--progress"}, "unknown option --progress"},
        {{"generate", "-m", MODEL, "-m", TRAINED, "-i", "x"}, "generate takes one -m, and 2 are given"},
        {{"tokenize", "-m", MODEL, "-m", TRAINED, "-i", "x"}, "tokenize takes one -m"},
        {{"info", "-m", MODEL, "-m", TRAINED}, "info takes one -m"},
        {{"bench", "-m", MODEL, "-m", TRAINED, "-m", MODEL}, "bench takes one -m, and 3 are given"},
        {{"attribute", "-m", MODEL}, "which texts?"},
        {{"attribute", "-m", MODEL, "-i", "x", "-g", "y", "z"}, "2 generated texts for 1 input texts"},
        {{"attribute", "-m", MODEL, "-i", "x", "-g", "@/dev/null"}, "0 generated texts for 1 input texts"},
        {{"attribute", "-m", MODEL, "-i", "x", "--generate_from_target_prefix"}, "needs the beginnings"},
        {{"attribute", "-m", MODEL, "-i", "x", "-t", "0"}, "--threads 0"},
        {{"attribute", "-m", MODEL, "-i", "x", "--model_kwargs", "{\"dtype\": \"float16\"}"},
         "dtype must be"},
        {{"generate", "-m", MODEL, "-i", "x", "--generation_kwargs", "{\"num_beam\": 2}"}, "num_beams"},
        {{"generate", "-m", MODEL, "-i", "x", "--generation_kwargs", "{\"num_beam_groups\": 2}"},
         "num_beam_groups"},

        {{"generate", "-i", "x"}, "which model?"},
        {{"info"}, "which model?"},
        {{"generate", "-m", MODEL, "-i", "x", "-bs", "0"}, "--batch_size 0"},
        {{"generate", "-m", MODEL}, "which texts?"},
        {{"attribute", "-m", MODEL, "-i", "x", "y", "z", "--contrast_targets", "a", "b", "-q"},
         "2 contrast targets for"},
        {{"tokenize", "-m", MODEL, "-i", "x", "--tokenizer_kwargs", "{\"legacy\": false}"},
         "\"legacy\" is not supported"},
        {{"attribute", "-m", MODEL, "-i", "x", "--model_kwargs", "{\"load_in_8bit\": 1}"},
         "load_in_8bit is a number; it must be true or false"},
        {{"show", "a.json", "--attribution_aggregators", "subword"}, "did you mean subwords?"},
        {{"diff", "a.json", "b.json", "--color", "blue"}, "--color blue: it must be auto, always or never"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(bad[i].says, run_with(A, &(Setup){0}, bad[i].words), 2, bad[i].says);
}

static const char *repeated(Arena *A, const char *word, int times)
{
    Buf b = {.arena = A};
    for (int i = 0; i < times; i++) buf_printf(&b, "%s ", word);
    return b.s;
}

TEST(cli_input)
{
    const char *folder = kit_folder(A), *lost = arena_printf(A, "@%s/none", folder);
    static const struct {
        const char *words[14];
        const char *says;
    } bad[] = {
        {{"attribute", "-m", "no/such/model", "-i", "x"}, "no/such/model"},
        {{"attribute", "-m", MODEL, "-i", ""}, "the source is empty"},
        {{"attribute", "-m", MODEL, "-i", " \t "}, "the source is empty"},
        {{"attribute", "-m", MODEL, "-i", "x", "-g", ""}, "the forced target is empty"},
        {{"attribute", "-m", MODEL, "-i", "x", "-o", "no/such/folder/o.json"},
         "--save_path no/such/folder/o.json: no/such/folder: No such file"}, // before anything is computed
        {{"attribute", "-m", MODEL, "-i", "caf\xe9"}, "UTF-8"},
        {{"attribute", "-m", MODEL, "-i", "x", "-g", "y\xff"}, "UTF-8"},
        {{"attribute", "-m", MODEL, "-i", TEXT, "-g", "De", "-s", "50"}, "the start must be smaller"},
        {{"generate", "-m", MODEL, "-i", "x", "--generation_kwargs", "{\"max_new_tokens\": 100000}"},
         "max_new_tokens"},
        {{"show", "test/golden/models/odd-marian/config.json"}, "config.json"},
        {{"show", "test/golden/models/odd-marian/source.spm"}, "source.spm"},
        {{"show", "no/such/file.json"}, "no/such/file.json"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(bad[i].says, run_with(A, &(Setup){0}, bad[i].words), 1, bad[i].says);
    check_refused("@none", RUN("attribute", "-m", MODEL, "-i", lost), 1, "none: cannot open");
    check_refused("@none", RUN("tokenize", "-m", MODEL, "-i", "@you and me"), 1,
                  "a text that begins with @ is given as @@");
    check_refused("no machine of this kind", RUN_WITH({.env = {"INSEQ_ISA=mmx"}}, "info", "-m", MODEL), 1,
                  "mmx");
    Run r = RUN_WITH({.env = {"HF_HUB_CACHE=/no/cache"}}, "attribute", "-m", "no/model", "-i", "x");
    CHECK_INT(r.code, 1);
    CHECK_HAS(r.err, "/no/cache/models--no--model"); // every path that was tried
    r = RUN("attribute", "-m", MODEL, "-i", repeated(A, "nurse", 600), "-g", repeated(A, "verpleger", 600),
            "--hide");
    CHECK_INT(r.code, 0); // as the library: what is beyond the tokenizer's limit is cut off, but said
    CHECK_INT(lines(r.err), 2);
    CHECK_HAS(r.err, "note: text 1 of ");
    CHECK_HAS(r.err, "note: the target of text 1 of ");
    CHECK_HAS(r.err, "is cut to the tokenizer's model_max_length, 64");
}

// Good rows are kept; the bad ones are named by number.
TEST(cli_some)
{
    const char *json = arena_printf(A, "%s/o.json", kit_folder(A));
    Run r = RUN("attribute", "-m", MODEL, "-i", TEXT, "", "caf\xe9", "It rains.", "-g", INTO, "De", "De", "",
                "-o", json, "--hide");
    Attribution got;
    Err e = {0};
    CHECK_INT(r.code, 3);
    CHECK_INT(lines(r.err), 3);
    CHECK_HAS(r.err, "inseq: text 2: the source is empty");
    CHECK_HAS(r.err, "inseq: text 3: ");
    CHECK_HAS(r.err, "inseq: text 4: the forced target is empty");
    if (!attr_from_json(A, str_of(slurp(A, json, NULL)), json, &got, &e)) FAIL("%s", e.text);
    CHECK_INT(got.n, 1);
    r = RUN("attribute", "-m", MODEL, "-i", TEXT, "It rains.", TEXT, "-g", INTO, "De", INTO, "-s", "7",
            "--hide");
    CHECK_INT(r.code, 3); // numbered once, as the texts were given
    CHECK_HAS(r.err, "inseq: text 2: attribution would start at target position 7");
    r = RUN("generate", "-m", TRAINED, "-i", TEXT, "", "It is raining cats and dogs today.", "--json");
    CHECK_INT(r.code, 3);
    CHECK_INT(lines(r.out), 3); // a line for each text
    CHECK_HAS(r.out, "\n{\"sequences\":[],\"error\":\"the source is empty");
    CHECK_INT(lines(r.err), 1);
    const char *far = repeated(A, "verpleger", 600); // as a beginning, longer than what may be generated
    r = RUN("generate", "-m", TRAINED, "-i", TEXT, "It is raining.", "-g", far, "Het",
            "--generate_from_target_prefix", "--json", "-q");
    CHECK_INT(r.code, 3);
    CHECK_INT(lines(r.out), 2);
    CHECK_HAS(r.out, "\"text\":\"Het");
    CHECK_HAS(r.err, "inseq: text 1: ");
    CHECK_INT(lines(r.err), 1);
}

// ------------------------------------------------------------------------------------------ damaged models

// A copy of the small model with config.json's `from` replaced by `to`.
static const char *damaged(Arena *A, const char *from, const char *to)
{
    static const char *const files[] = {
        "generation_config.json", "model.safetensors", "source.spm", "target.spm",
        "tokenizer_config.json",  "vocab.json"};
    const char *folder = kit_folder(A), *config = slurp(A, MODEL "/config.json", NULL),
               *at = strstr(config, from);
    for (int i = 0; i < 6; i++) {
        size_t n;
        const char *bytes = slurp(A, arena_printf(A, MODEL "/%s", files[i]), &n);
        kit_write(folder, files[i], (Str){bytes, n});
    }
    if (!at) FAIL("config.json has no %s", from);
    Buf b = {.arena = A};
    buf_put(&b, config, at ? (size_t)(at - config) : 0);
    buf_printf(&b, "%s%s", to, at ? at + strlen(from) : "");
    kit_write(folder, "config.json", buf_view(&b));
    return folder;
}

TEST(cli_damaged)
{
    static const struct {
        const char *from, *to, *says;
    } bad[] = {{"\"d_model\": 36", "\"d_model\": 37", "d_model"},
               {"\"d_model\": 36", "\"d_model\": 39", "shape"},
               {"\"d_model\": 36", "\"d_model\": -1", "d_model"},
               {"\"d_model\": 36", "\"d_model\": \"36\"", "d_model"},
               {"\"model_type\": \"marian\"", "\"model_type\": \"mariam\"", "mariam"},
               {"\"model_type\": \"marian\"", "\"model_typ\": \"marian\"", "model_type"},
               {"\"encoder_layers\": 2", "\"encoder_layers\": 3", "no tensor"},
               {"{", "[", "config.json"},
               {"\"activation_function\": \"swish\"", "\"activation_function\": \"swash\"", "swash"},
               {"\"vocab_size\"", "\"vocab_sise\"", "vocab"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Arena *a = arena_create(A);
        const char *folder = damaged(a, bad[i].from, bad[i].to);
        Run r = run_with(a, &(Setup){0}, (const char *const[]){"attribute", "-m", folder, "-i", "x", NULL});
        check_refused(bad[i].to, r, 1, bad[i].says);
        arena_free(a);
    }
    const char *folder = damaged(A, "{", "{");
    size_t n;
    kit_write(folder, "tokenizer_config.json",
              STR_LIT("{\"tokenizer_class\": \"MarianTokenizer\"}")); // it states no limit
    check_refused("too long a source", RUN("attribute", "-q", "-m", folder, "-i", repeated(A, "nurse", 600)),
                  1, "Split the text");
    check_refused("too long a target",
                  RUN("attribute", "-q", "-m", folder, "-i", "x", "-g", repeated(A, "nurse", 600)), 1,
                  "Split the text");
    char *weights = (char *)(uintptr_t)slurp(A, MODEL "/model.safetensors", &n);
    memset(weights + n - 400, 0xff, 400); // NaN
    kit_write(folder, "model.safetensors", (Str){weights, n});
    check_refused("NaN weights", RUN("attribute", "-m", folder, "-i", TEXT, "-g", INTO), 1,
                  "NaN or infinity");
    kit_write(folder, "model.safetensors", (Str){weights, n / 2});
    check_refused("half a file", RUN("generate", "-m", folder, "-i", TEXT), 1, "model.safetensors");
    unlink(arena_printf(A, "%s/model.safetensors", folder));
    check_refused("no weights", RUN("generate", "-m", folder, "-i", TEXT), 1, "pytorch_model.bin");
    unlink(arena_printf(A, "%s/config.json", folder));
    check_refused("no config", RUN("generate", "-m", folder, "-i", TEXT), 1, "config.json");
}

// ------------------------------------------------------------------------------------------ output

TEST(cli_file_cut_short_while_it_is_read)
{
    const char *folder = arena_printf(A, "%s/en-nl", kit_folder(A));
    check_ran("export", RUN("export", "demo/en-nl", folder));
    Run r = RUN_WITH(
        UNPACK({.in = "The nurse went home.\n", .cut = arena_printf(A, "%s/model.safetensors", folder)}),
        "generate", "-m", folder, "-v", "-i", "-");
    CHECK_INT(r.signal, 0);
    CHECK_INT(r.code, 3);
    CHECK_INT(r.n_out, 0);
    CHECK_HAS(r.err, arena_printf(A,
                                  "inseq: %s/model.safetensors: was cut short, or its disk failed, while "
                                  "it was read\n",
                                  folder));
}

TEST(cli_full_disk)
{
    static const char *const words[][8] = {{"attribute", "-m", MODEL, "-i", TEXT, "-g", INTO},
                                           {"generate", "-m", MODEL, "-i", TEXT},
                                           {"tokenize", "-m", MODEL, "-i", TEXT},
                                           {"info", "-m", MODEL},
                                           {"list"},
                                           {"--help"},
                                           {"attribute", "--help"},
                                           {"--version"},
                                           {"--license"}};
    if (access("/dev/full", W_OK)) return (void)CHECK(true);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        Run r = run_with(A, &(Setup){.out = "/dev/full"}, words[i]);
        if (r.code != 1 || !strstr(r.err, "inseq: "))
            FAIL("%s to a full disk: exit code %d, signal %d, '%s'", words[i][0], r.code, r.signal, r.err);
        else test_count(1);
    }
    const char *folder = kit_folder(A), *inside = arena_printf(A, "%s/none/o.json", folder),
               *path = arena_printf(A, "%s/o.json", folder);
    check_refused("no such folder",
                  RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o", inside, "--hide"), 1,
                  "none/o.json");
    mkdir(path, 0777);
    check_refused("a folder", RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o", path, "--hide"), 1,
                  "o.json");
    rmdir(path);
}

TEST(cli_interrupt)
{
    Buf in = {.arena = A};
    for (int i = 0; i < 3000; i++)
        buf_printf(&in, "%s\n", "Don't get hot-headed mate, it's easy peasy to study models with Inseq!");
    const char *json = arena_printf(A, "%s/o.json", kit_folder(A));
    Run r = RUN_WITH(UNPACK({.in = in.s, .interrupt_after = 400}), "attribute", "-m", TRAINED, "-a",
                     "input_x_gradient", "--attribute_target", "-bs", "1", "--hide", "-i", "-", "-o", json);
    if (r.code != 130 && r.signal != SIGINT)
        FAIL("interrupted: exit code %d, signal %d: %s", r.code, r.signal, r.err);
    else test_count(1);
    if (strstr(r.err, "finished texts were kept")) { // what was finished is in a whole file
        Run kept = RUN("show", json, "--format", "json");
        check_ran("show what was kept", kept);
        CHECK_HAS(kept.out, "input_x_gradient");
    } else CHECK(!file_exists(json)); // it came before the first text was done
}

// ------------------------------------------------------------------------------------------ faults

// Every n-th call fails: the run ends with 0, 1 or 3 and says why; the folder holds the old file or all of the new one,
// and nothing else. Returns whether the fault was met (a run that is as if nothing happened ends the walk).
static void walk(Arena *A, const char *kind, const char *suffix, long step)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/o.json", folder);
    const char *const words[] = {"attribute",
                                 "-m",
                                 MODEL,
                                 "-a",
                                 "input_x_gradient",
                                 "--attribute_target",
                                 "-i",
                                 "It rains.",
                                 "--generation_kwargs",
                                 "{\"max_new_tokens\": 3, \"num_beams\": 2}",
                                 "-o",
                                 path,
                                 "--hide",
                                 NULL};
    Run good = run_with(A, &(Setup){0}, words);
    check_ran("without faults", good);
    Str want = str_of(slurp(A, path, NULL)), old = STR_LIT("old");
    int quiet = 0;
    for (long n = 1; quiet < 3 && n < 5000; n += step) {
        Arena *a = arena_create(A);
        kit_write(folder, "o.json", old);
        Run r =
            run_with(a, &(Setup){.env = {arena_printf(a, "INSEQ_FAULT=%s:%ld%s", kind, n, suffix)}}, words);
        bool clean = r.code == 0 && !*r.err;
        if (!clean && ((r.code != 1 && r.code != 3 && r.code != 0) || strncmp(r.err, "inseq: ", 7)))
            FAIL("%s:%ld%s: exit code %d, signal %d: '%s'", kind, n, suffix, r.code, r.signal, r.err);
        Str now = str_of(slurp(a, path, NULL));
        if (!str_eq(now, want) && !(r.code && str_eq(now, old)))
            FAIL("%s:%ld%s: code %d and half a file is left", kind, n, suffix, r.code);
        DIR *d = opendir(folder);
        int files = 0;
        for (struct dirent *x; d && (x = readdir(d));) files += x->d_name[0] != '.' || strlen(x->d_name) > 2;
        if (d) closedir(d);
        if (files != 1) FAIL("%s:%ld%s: %d files are left instead of 1", kind, n, suffix, files);
        quiet = clean ? quiet + 1 : 0;
        test_count(1);
        arena_free(a);
    }
}

TEST(cli_faults_memory) { walk(A, "alloc", "", 1); }
TEST(cli_faults_memory_on) { walk(A, "alloc", "+", 3); }
TEST(cli_faults_io) { walk(A, "io", "", 1); }
TEST(cli_faults_io_on) { walk(A, "io", "+", 2); }

// Short reads and writes, interrupted calls: no failure at all, and the same bytes.
TEST(cli_faults_short)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/o.json", folder);
    const char *const words[] = {"attribute", "-m", MODEL, "-i",     "It rains.", "-g",
                                 "De",        "-o", path,  "--hide", NULL};
    check_ran("without faults", run_with(A, &(Setup){0}, words));
    Str want = str_of(slurp(A, path, NULL));
    for (int n = 1; n < 12; n++) {
        Run r = run_with(A, &(Setup){.env = {arena_printf(A, "INSEQ_FAULT=short:%d", n)}}, words);
        check_ran("short", r);
        CHECK_STR(str_of(slurp(A, path, NULL)), want);
    }
}
