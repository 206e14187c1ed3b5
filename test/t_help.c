// SPDX-License-Identifier: Apache-2.0
// t_help.c — what the program says of itself: complete, narrow, and true where a run can tell.
#include "../attr/commands/commands.h"
#include "cli.h"

#include <math.h>

// The tables whose rows help explains.
typedef size_t EntryList(const Entry **out);
static EntryList *const tables[] = {attr_method_list, attr_step_list, attr_aggregator_list};

// Everything that 'inseq help' explains by its own name; out [400].
static size_t topics(const char **out)
{
    Commands c = cmd_all();
    size_t n = 0, count;
    static const char *const others[] = {"methods", "steps", "aggregators", "formats",
                                         "files",   "exit",  "examples",    "environment"};
    for (size_t i = 0; i < c.n; i++) out[n++] = c.v[i]->name;
    for (size_t k = 0; k < 3; k++) {
        const Entry *v;
        count = tables[k](&v);
        for (size_t i = 0; i < count; i++) out[n++] = v[i].name;
    }
    const Report *const *report = attr_reports(&count);
    for (size_t i = 0; i < count; i++) out[n++] = report[i]->name;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) out[n++] = others[i];
    return n;
}

// A text that a person is to read: something, no blanks at its ends, no full stop where others have none.
static void check_text(const char *of, const char *what, const char *text)
{
    if (!text || !*text || *text == ' ' || text[strlen(text) - 1] == ' ') FAIL("%s: no %s", of, what);
    else test_count(1);
}

TEST(help_tables_are_complete)
{
    Commands c = cmd_all();
    size_t n_options;
    const Option *o = args_options(&n_options);
    for (size_t i = 0; i < c.n; i++) {
        check_text(c.v[i]->name, "summary", c.v[i]->summary),
            check_text(c.v[i]->name, "example", c.v[i]->example);
        check_text(c.v[i]->name, "usage", c.v[i]->usage);
        size_t first = 0, count = 0;
        for (size_t k = 0; k < n_options; k++) {
            count += (o[k].commands & c.v[i]->options) != 0, first += (o[k].first & c.v[i]->options) != 0;
        }
        if (count > 6 && (first < 4 || first > 14)) FAIL("%s: %zu options first", c.v[i]->name, first);
    }
    for (size_t k = 0; k < n_options; k++) {
        check_text(o[k].name, "help", o[k].help), check_text(o[k].name, "group", o[k].group);
        CHECK(!(o[k].first & ~o[k].commands) && !(o[k].instead_for & ~o[k].commands));
        CHECK(!o[k].instead == !o[k].instead_for);
        CHECK((o[k].kind == OPT_FLAG) == !o[k].value);
    }
    for (size_t k = 0; k < 3; k++) {
        const Entry *v;
        size_t n = tables[k](&v);
        CHECK(n > 5);
        for (size_t i = 0; i < n; i++) {
            check_text(v[i].name, "summary", v[i].summary), check_text(v[i].name, "when", v[i].when);
            if (k < 2) check_text(v[i].name, "formula", v[i].formula);
            if (!k) check_text(v[i].name, "cost", v[i].cost);
            if (!k && strcmp(v[i].name, "dummy")) check_text(v[i].name, "paper", v[i].paper);
            for (const Argument *g = v[i].arguments; g && g->name; g++) {
                check_text(g->name, "meaning", g->meaning);
                if (g->absent && !json_parse(A, str_of(g->absent), v[i].name, NULL))
                    FAIL("%s: %s", v[i].name, g->name);
            }
        }
    }
}

// No line is wider than a terminal of 80 columns but for commands to be copied, and none ends in blanks.
static void check_lines(const char *topic, const char *text)
{
    for (const char *s = text, *end; (end = strchr(s, '\n')); s = end + 1) {
        bool command = !strncmp(s, "example", 7) || !strncmp(s, "usage: ", 7);
        int columns = 0;
        for (const char *p = s; p < end; p++) columns += (*p & 0xC0) != 0x80;
        if ((columns > 80 && !command) || (end > s && end[-1] == ' '))
            FAIL("%s: %.*s", topic, (int)(end - s), s);
    }
    CHECK(strlen(text) > 20);
}

TEST(help_is_narrow)
{
    const char *names[400];
    size_t n = topics(names);
    for (size_t i = 0; i < n; i++) {
        Run r = RUN("help", names[i]);
        check_ran(names[i], r), check_lines(names[i], r.out);
    }
    Commands c = cmd_all();
    for (size_t i = 0; i < c.n; i++) {
        Run r = RUN("help", c.v[i]->name, "--help-all");
        check_ran(c.v[i]->name, r), check_lines(c.v[i]->name, r.out);
    }
    check_lines("help", RUN("help").out), check_lines("--help", RUN("--help").out);
    check_lines("--help-all", RUN("--help-all").out);
    CHECK(lines(RUN("--help").out) <= 30);
    CHECK_INT(lines(RUN("help", "show").out),
              lines(RUN_WITH(UNPACK({.env = {"COLUMNS=40"}}), "help", "show").out));
    CHECK(lines(RUN_WITH(UNPACK({.env = {"COLUMNS=200"}}), "help", "attribute").out) <
          lines(RUN("help", "attribute").out));
}

// The example in a command's help, as a shell would take it apart.
static const char *const *example(Arena *A, const char *help)
{
    const char **word = arena_new(A, const char *, 32), *at = strstr(help, "\nexample: inseq ");
    if (!at) return FAIL("no example: %.200s", help), word;
    at += strlen("\nexample: inseq ");
    for (int n = 0; n < 31 && at[-1] != '\n'; n++) {
        bool quoted = *at == '"';
        size_t length = strcspn(at += quoted, quoted ? "\"" : " \n");
        word[n] = str_zero(A, (Str){at, length});
        at += length + quoted + 1;
    }
    return word;
}

// The first screen of a command is short, says what is left out, and its example runs; --help-all has every option.
TEST(help_of_commands)
{
    static const char *const run_them[] = {"attribute", "compare", "generate", "tokenize",
                                           "info",      "list",    "lens",     "help"};
    Commands c = cmd_all();
    size_t n;
    const Option *o = args_options(&n);
    for (size_t i = 0; i < c.n; i++) {
        const char *name = c.v[i]->name;
        Run r = RUN("help", name), all = RUN(name, "--help-all");
        check_ran(name, r), check_ran(name, all);
        CHECK_STR(str_of(RUN(name, "--help").out), str_of(r.out));
        CHECK_STR(str_of(RUN(name, "-h").out), str_of(r.out));
        CHECK_STR(str_of(RUN("help", name, "--help-all").out), str_of(all.out));
        if (lines(r.out) > 30) FAIL("%s: %zu lines", name, lines(r.out));
        size_t count = 0, shown = 0;
        for (size_t k = 0; k < n; k++) {
            if (!(o[k].commands & c.v[i]->options)) continue;
            Buf word = {.arena = A};
            buf_str(&word, STR_LIT("\n  --"));
            for (const char *p = o[k].name; *p; p++) buf_char(&word, *p == '_' ? '-' : *p);
            CHECK_HAS(all.out, word.s), CHECK_HAS(all.out, o[k].group);
            count++, shown += strstr(r.out, word.s) != NULL;
        }
        if (count > shown)
            CHECK_HAS(r.out, arena_printf(A, "--help-all' lists %zu more options.\n", count - shown));
        const char *const *words = example(A, r.out);
        CHECK(words[0] && !strcmp(words[0], name));
        for (size_t k = 0; k < sizeof run_them / sizeof *run_them; k++)
            if (!strcmp(name, run_them[k])) check_ran(name, run_with(A, &(Setup){0}, words));
        CHECK_HAS(RUN("--help").out, arena_printf(A, "\n  inseq %s ", name));
    }
    CHECK(!strstr(RUN("generate", "--help-all").out, "several times")); // takes one model
    CHECK(!strstr(RUN("attribute-context", "--help-all").out, "svg"));  // which it refuses
    Run bare = run_with(A, &(Setup){0}, (const char *const[]){NULL});
    CHECK_INT(bare.code, 2);
    CHECK(!bare.n_out && strstr(bare.err, "inseq attribute"));
}

// What is in a row of a table is in what help prints of it.
TEST(help_of_entries)
{
    for (size_t k = 0; k < 3; k++) {
        const Entry *v;
        size_t n = tables[k](&v);
        for (size_t i = 0; i < n; i++) {
            const char *wide = RUN_WITH(UNPACK({.env = {"COLUMNS=2000"}}), "help", v[i].name).out;
            CHECK_HAS(wide, v[i].summary), CHECK_HAS(wide, v[i].when);
            if (v[i].paper) CHECK_HAS(wide, v[i].paper);
            if (v[i].cost) CHECK_HAS(wide, v[i].cost);
            for (const Argument *g = v[i].arguments; g && g->name; g++) {
                CHECK_HAS(wide, arena_printf(A, "\n  %s", g->name)), CHECK_HAS(wide, g->meaning);
                if (g->absent) CHECK_HAS(wide, arena_printf(A, "%s %s", g->name, g->absent));
            }
        }
    }
    CHECK_HAS(RUN("help", "integrated-gradients").out, "1703.01365"); // hyphens too
    CHECK_HAS(RUN("help", "n_steps").out, "\nlayer_integrated_gradients: ");
    CHECK_HAS(RUN("help", "save-path").out,
              "of attribute, attribute-context, attribute-dataset, compare, show, diff\n");
    CHECK_HAS(RUN("help", "csv").out, "\ntarget_index  ");
}

TEST(help_of_nothing)
{
    static const char *const cases[][2] = {{"atribute", "did you mean attribute?"},
                                           {"salency", "did you mean saliency?"},
                                           {"integrated_gradiens", "did you mean integrated_gradients?"},
                                           {"entropi", "did you mean entropy?"},
                                           {"vnrm", "did you mean vnorm?"},
                                           {"jsn", "did you mean json?"},
                                           {"xyzzy", "'inseq help' lists what there is"},
                                           {"", "'inseq help' lists what there is"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i][0], RUN("help", cases[i][0]), 2, cases[i][1]);
    check_refused("two", RUN("help", "attribute", "saliency"), 2, "belongs to no option");
}

// Every argument's default, given, changes nothing: so it is the default.
static const char *defaults(Arena *A, const Argument *g)
{
    Buf b = {.arena = A};
    for (; g && g->name; g++)
        if (g->absent) buf_printf(&b, "%s\"%s\": %s", b.n ? ", " : "{", g->name, g->absent);
    return b.n ? arena_printf(A, "%s}", b.s) : NULL;
}

// The scores of a run, without the arguments that were given.
static const char *scores_of(Arena *A, const char *option, const char *name, const char *given)
{
    const char *words[] = {"attribute",
                           "-m",
                           "demo/en-nl",
                           "-i",
                           "A cat.",
                           "-g",
                           "Een kat.",
                           "--contrast_targets",
                           "Een hond.",
                           "--quiet",
                           "--format",
                           "json",
                           option,
                           name,
                           "--attribution_kwargs",
                           given,
                           NULL};
    if (!given) words[14] = NULL;
    Run r = run_with(A, &(Setup){0}, words);
    check_ran(name, r);
    const char *scores = strstr(r.out, "\"sequences\"");
    return scores ? scores : "";
}

TEST(help_defaults_are_true)
{
    static const char *const option[] = {"--attribution_method", "--step_scores"};
    size_t tried = 0;
    for (size_t k = 0; k < 2; k++) {
        const Entry *v;
        size_t n = tables[k](&v);
        for (size_t i = 0; i < n; i++) {
            const char *given = defaults(A, v[i].arguments);
            if (!given) continue;
            const char *plain = scores_of(A, option[k], v[i].name, NULL);
            if (strcmp(plain, scores_of(A, option[k], v[i].name, given)))
                FAIL("%s: other scores with %s", v[i].name, given);
            CHECK(strlen(plain) > 300), tried++;
        }
    }
    CHECK_INT(tried, 31);
    CHECK(strcmp(scores_of(A, option[0], "lime", "{\"n_samples\": 49}"),
                 scores_of(A, option[0], "lime", NULL)));
}

// ------------------------------------------------------------------------------------------ man pages

// Nothing but the requests that are meant, and every line ends.
static void check_roff(const char *page, const char *text)
{
    static const char *const requests[] = {".TH ", ".SH ",  ".SS ",  ".TP\n", ".B ",
                                           ".I ",  ".PP\n", ".EX\n", ".EE\n"};
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        bool known = *line != '.' && *line != '\'';
        for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
            known |= !strncmp(line, requests[i], strlen(requests[i]));
        if (!known || !strchr(line, '\n')) return FAIL("%s: %.60s", page, line);
    }
}

static const char *escaped(Arena *A, const char *text)
{
    Buf b = {.arena = A};
    man_text(&b, text);
    return buf_view(&b).s;
}

// Every command and every option is in the manual, every method with its arguments, every format.
TEST(help_manual)
{
    Run r = RUN("help", "--man"), methods = RUN("help", "--man-methods"),
        formats = RUN("help", "--man-formats");
    check_ran("--man", r), check_ran("--man-methods", methods), check_ran("--man-formats", formats);
    check_roff("inseq.1", r.out), check_roff("inseq-methods.7", methods.out);
    check_roff("inseq-formats.5", formats.out);
    CHECK(!strncmp(r.out, ".TH INSEQ 1 ", 12));
    static const char *const sections[] = {"NAME",        "SYNOPSIS", "DESCRIPTION",
                                           "EXAMPLES",    "COMMANDS", "EXIT STATUS",
                                           "ENVIRONMENT", "FILES",    "SEE ALSO"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        CHECK_HAS(r.out, arena_printf(A, "\n.SH %s\n", sections[i]));
    Commands c = cmd_all();
    size_t n;
    const Option *o = args_options(&n);
    for (size_t i = 0; i < c.n; i++) CHECK_HAS(r.out, arena_printf(A, "\n.SS inseq %s\n", c.v[i]->name));
    for (size_t i = 0; i < n; i++) CHECK_HAS(r.out, escaped(A, o[i].help));
    for (size_t k = 0; k < 3; k++) {
        const Entry *v;
        size_t count = tables[k](&v);
        for (size_t i = 0; i < count; i++) {
            CHECK_HAS(methods.out, arena_printf(A, "\n.SS %s\n", v[i].name));
            CHECK_HAS(methods.out, escaped(A, v[i].when));
            for (const Argument *g = v[i].arguments; g && g->name; g++)
                CHECK_HAS(methods.out, escaped(A, g->meaning));
        }
    }
    const Report *const *report = attr_reports(&n);
    for (size_t i = 0; i < n; i++) CHECK_HAS(formats.out, arena_printf(A, "\n.SS %s\n", report[i]->name));
    CHECK_STR(str_of(r.out), str_of(RUN("--help", "--man").out));
}

TEST(help_lists)
{
    CHECK_INT(RUN("list").code, 0);
    CHECK_HAS(RUN("list", "methods").out, "input_x_gradient");
    CHECK_HAS(RUN("list", "arguments").out,
              "smooth_grad                       n_samples, stdev, seed, method\n");
    CHECK_HAS(RUN("list", "formats").out, "\n  csv ");
    CHECK_HAS(RUN("list", "models").out, "\n  demo/yes-no-small ");
    CHECK_HAS(RUN("info", "-m", TRAINED).out, "MarianMTModel");
    CHECK(json_parse(A, str_of(RUN("info", "-m", MODEL, "--json").out), "info", NULL) != NULL);
}

// The examples that help and the man page show run, one after the other, as they stand there.
TEST(help_examples_run)
{
    const char *folder = kit_folder(A);
    kit_write(folder, "texts.txt", STR_LIT("The nurse lost her key.\nThe cat sleeps.\n"));
    for (const Fact *f = help_examples; f->name; f++) run_in(A, folder, f->name + strlen("inseq "));
    for (const Fact *f = help_environment; f->name; f++) check_text(f->name, "meaning", f->meaning);
    const Entry *v;
    size_t n = attr_step_list(&v);
    for (size_t i = 0; i < n; i++) { // and that of each step function
        const char *text = strstr(RUN("help", v[i].name).out, "\nexample   inseq ");
        if (!text) FAIL("%s: no example", v[i].name);
        else run_in(A, folder, str_zero(A, (Str){text + 17, strcspn(text + 17, "\n")}));
    }
}

// ------------------------------------------------------------------------------------------ completions

TEST(help_completions)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    Commands c = cmd_all();
    size_t n, count;
    const Option *o = args_options(&n);
    for (int i = 0; i < 3; i++) {
        Run r = RUN("completion", shells[i]);
        check_ran(shells[i], r);
        for (size_t k = 0; k < c.n; k++) CHECK_HAS(r.out, c.v[k]->name);
        for (size_t k = 0; k < n; k++) {
            Buf name = {.arena = A};
            buf_str(&name, i == 2 ? STR_LIT(" -l ") : STR_LIT("--"));
            for (const char *p = o[k].name; *p; p++) buf_char(&name, *p == '_' ? '-' : *p);
            CHECK_HAS(r.out, name.s);
        }
        for (size_t k = 0; k < 3; k++) {
            const Entry *v;
            count = tables[k](&v);
            for (size_t j = 0; j < count; j++) CHECK_HAS(r.out, v[j].name);
        }
        CHECK_HAS(r.out, "auto always never");
        CHECK_HAS(r.out, "demo/en-nl"); // of export
    }
    check_refused("none", RUN("completion"), 2, "bash, zsh or fish");
    check_refused("tcsh", RUN("completion", "tcsh"), 2, "none of bash, zsh, fish");
}

// ------------------------------------------------------------------------------------------ models

static const Json *listed(const Json *list, const char *name) // the model of this name
{
    for (const Json *m = json_get(list, "models") ? json_get(list, "models")->child : NULL; m; m = m->next)
        if (str_is(json_get(m, "name")->text, name)) return m;
    return NULL;
}

TEST(models_of_a_folder)
{
    size_t n, gguf = 0;
    Run r = RUN("models", "test/golden/models", "--json"), people = RUN("models", "test/golden/models");
    check_ran("--json", r), check_ran("models", people);
    const Json *list = json_parse(A, str_of(r.out), "models", NULL);
    const char *const *name = dir_names(A, "test/golden/models", &n);
    for (size_t i = 0; i < n; i++) {
        const char *path = arena_printf(A, "test/golden/models/%s", name[i]);
        if (!file_exists(arena_printf(A, "%s/config.json", path))) continue;
        const Json *m = listed(list, path);
        if (!m) return FAIL("%s is not listed", path);
        CHECK_HAS(people.out, path);
        if (i % 5) continue;
        Run info = RUN("info", "-m", path, "--json");
        if ((info.code == 0) != (json_get(m, "loads")->kind == J_TRUE)) FAIL("%s: %s", path, info.err);
        const Json *bytes = info.code ? NULL : json_get(json_parse(A, str_of(info.out), path, NULL), "bytes");
        if (bytes) CHECK_INT(json_get(m, "bytes")->i, bytes->i);
    }
    list = json_parse(A, str_of(RUN("models", "test/golden/quantized/models", "--json").out), "models", NULL);
    CHECK(list && json_get(list, "models"));
    for (const Json *m = list ? json_get(list, "models")->child : NULL; m; m = m->next)
        gguf += str_ends(json_get(m, "name")->text, STR_LIT(".gguf"));
    CHECK(gguf >= 3);
    const char *folder = kit_folder(A);
    kit_write(folder, "other/config.json", BYTES("{\"model_type\": \"whisper\"}"));
    kit_write(folder, "broken/config.json", BYTES("{"));
    check_ran("export", RUN("export", "demo/yes-no-small", arena_printf(A, "%s/small", folder)));
    r = RUN("models", folder);
    check_ran("refused", r);
    CHECK_HAS(r.out, "does not load: ");
    CHECK_HAS(r.out, "whisper");
    CHECK_HAS(r.out, "/small ");
    CHECK_INT(lines(r.out), 4);
    CHECK_INT(lines(RUN("models", folder, "--names").out), 3);
    check_refused("no folder", RUN("models", "test/nothing"), 1, "no such folder");
}

TEST(models_of_a_cache)
{
    const char *cache = kit_folder(A), *commit = "0123456789abcdef0123456789abcdef01234567";
    const char *snapshot = arena_printf(A, "models--Org--name/snapshots/%s", commit);
    kit_write(cache, arena_printf(A, "%s/x", snapshot), BYTES("x"));
    kit_write(cache, "models--Org--name/refs/main", str_of(commit));
    kit_write(cache, "models--Org--half/refs/main", str_of(commit));
    check_ran("export", RUN("export", "demo/yes-no-small", arena_printf(A, "%s/%s", cache, snapshot)));
    const char *env = arena_printf(A, "HF_HUB_CACHE=%s", cache);
    Run all[] = {RUN("models", cache, "--json"), RUN("models", "--cache_dir", cache, "--json"),
                 RUN_WITH(UNPACK({.env = {env}}), "models", "--json")};
    for (size_t i = 0; i < 3; i++) {
        check_ran("models", all[i]);
        const Json *list = json_parse(A, str_of(all[i].out), "models", NULL), *m = listed(list, "Org/name"),
                   *half = listed(list, "Org/half");
        CHECK(m && str_is(json_get(m, "family")->text, "t5") && json_get(m, "loads")->kind == J_TRUE);
        CHECK(half && json_get(half, "loads")->kind == J_FALSE && json_get(half, "refusal")->text.n > 20);
        CHECK(!i == !listed(list, "demo/en-nl")); // inside this program: not of a folder
    }
    CHECK_HAS(RUN("models", "--cache_dir", cache, "--names").out, "Org/half\nOrg/name\n");
    CHECK_HAS(RUN("info", "-m", "Org/nam", "--cache_dir", cache).err, "Org/name is: -m Org/name");
}
