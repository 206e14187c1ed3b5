// SPDX-License-Identifier: Apache-2.0
// t_small.c — small things that people trip over: blank and failed rows, spellings, arguments that mean nothing here, the
// progress bar, every command's --json.
#include "../attr/attr.h"
#include "cli.h"

static const char *text_file(Arena *A, const char *text)
{
    const char *folder = kit_folder(A);
    kit_write(folder, "t", str_of(text));
    return arena_printf(A, "@%s/t", folder);
}

// ------------------------------------------------------------------------------------------ rows

TEST(small_blank_lines)
{
    const char *source = text_file(A, "It rains.\n\nThe nurse.\n  \t\n"),
               *target = text_file(A, "Het.\nx\nDe.\n\n"), *fewer = text_file(A, "Het.\nDe.\n");
    Run r = RUN("attribute", "-m", MODEL, "-a", "saliency", "-i", source, "-g", target);
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.err, "note: 2 blank lines are left out, the first is number 2");
    CHECK_HAS(r.out, "0th instance:"), CHECK_HAS(r.out, "2nd instance:");
    CHECK(!strstr(r.out, "1st instance"));
    Run same = RUN("attribute", "-m", MODEL, "-a", "saliency", "-i", source, "-g",
                   fewer); // as many as texts are left
    CHECK_STR(str_of(same.out), str_of(r.out));
    Run words = RUN("attribute", "-m", MODEL, "-a", "saliency", "-i", "It rains.", "The nurse.", "-g", "Het.",
                    "De.", "--format", "json");
    Run lines_ =
        RUN("attribute", "-m", MODEL, "-a", "saliency", "-i", source, "-g", target, "--format", "json", "-q");
    CHECK_STR(str_of(lines_.out), str_of(words.out));
    r = RUN("attribute", "-m", MODEL, "-i", source, "-g", target, "--contrast_targets",
            text_file(A, "A\nB\nC\nD\n"), "-fn", "contrast_prob_diff", "-q");
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.out, "C"); // the third line's foil, though it is the second text
    r = RUN("attribute", "-m", MODEL, "-i", source, "--keep_blank");
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.out, "3rd instance:");
    check_refused("all blank", RUN("attribute", "-m", MODEL, "-q", "-i", text_file(A, "\n\n")), 2,
                  "no input texts");
}

TEST(small_failed_rows)
{
    Run r = RUN("attribute", "-m", MODEL, "-i", "It rains.", "", "The nurse.", "-g", "Het.", "x", "De.",
                "--csv", "/dev/stdout", "--hide");
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.err, "text 2: ");
    CHECK_HAS(r.out, "\n2,");
    CHECK(!strstr(r.out, "\n1,"));
    r = RUN("generate", "-m", MODEL, "-i", "It rains.", "", "The nurse.", "-bs", "2");
    CHECK_INT(lines(r.out), 3);
    const char *second = strchr(r.out, '\n');
    CHECK(second && second[1] == '\n' && second[2] && second[2] != '\n');
}

// ------------------------------------------------------------------------------------------ spellings

TEST(small_spellings)
{
    Run r = RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--attribute_target");
    const char *const more[][4] = {
        {"--attribute_target", "True"},
        {"--attribute_target=TRUE"},
        {"--attribute_target", "--device", "cuda:0", "-q"},
        {"--attribute_target", "--tokenizer_kwargs", "{\"use_fast\": true, \"padding_side\": \"left\"}"},
        {"--attribute_target", "--model_kwargs",
         "{\"device_map\": \"auto\", \"low_cpu_mem_usage\": true, \"load_in_8bit\": false}"},
        {"--attribute_target", "--attribution_kwargs",
         "{\"show_progress\": false, \"pretty_progress\": true}"},
        {"--attribute_target", "--output_step_attributions", "-q"},
        {"--attribute-target", "yes"}};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        Run s = RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, more[i][0], more[i][1], more[i][2],
                    more[i][3]);
        check_ran(more[i][0], s);
        CHECK_STR(str_of(s.out), str_of(r.out));
    }
    r = RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--device", "cuda", "--hide");
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.err, "note: --device cuda: this program runs on the processor");
}

// ------------------------------------------------------------------------------------------ JSON everywhere

TEST(small_json)
{
    const char *saved = arena_printf(A, "%s/o.json", kit_folder(A));
    check_ran("saved", RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o", saved, "--hide"));
    const char *const commands[][14] = {
        {"attribute", "-m", MODEL, "-i", "x", "-g", "y"},
        {"attribute", "-m", MODEL, "-i", "x", "-g", "y", "--plan"},
        {"compare", "-m", MODEL, "-a", "saliency", "-a", "occlusion", "-i", "x", "-g", "y"},
        {"generate", "-m", MODEL, "-i", "x"},
        {"tokenize", "-m", MODEL, "-i", "x"},
        {"show", saved},
        {"diff", saved, saved},
        {"info", "-m", MODEL},
        {"list"},
        {"list", "arguments"},
        {"list", "models"},
        {"lens", "-m", MODEL, "-i", "x", "-g", "y"},
        {"export", "demo/en-nl", arena_printf(A, "%s/m", kit_folder(A))}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const char *words[16] = {0};
        size_t n = 0;
        for (; commands[i][n]; n++) words[n] = commands[i][n];
        words[n] = "--json";
        Run r = run_with(A, &(Setup){0}, words);
        Err e = {0};
        if (r.code || !json_parse(A, str_of(r.out), words[0], &e))
            FAIL("%s: exit code %d, %s%s", words[0], r.code, e.text, r.err);
        else test_count(1);
    }
}

// ------------------------------------------------------------------------------------------ results

// A run is not lost to a form that its scores cannot take; a picture needs its method.
TEST(small_form_that_fails)
{
    const char *json = arena_printf(A, "%s/o.json", kit_folder(A));
    Run r = RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--attribution_aggregators", "vnorm",
                "vnorm", "-o", json);
    CHECK_INT(r.code, 1);
    CHECK_HAS(r.err, "has the scores as they were computed");
    check_ran("what was kept", RUN("show", json));
    check_refused("a picture of nothing", RUN("attribute", "-m", MODEL, "-i", TEXT, "--picture", "1"), 2,
                  "--target_layer all");
    const char *all[] = {"attribute",
                         "-m",
                         MODEL,
                         "-a",
                         "layer_gradient_x_activation",
                         "--target_layer",
                         "all",
                         "--picture",
                         "5",
                         "-i",
                         TEXT,
                         "x",
                         "-g",
                         INTO,
                         "x",
                         "-o",
                         json,
                         NULL};
    r = run_with(A, &(Setup){0}, all);
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.err, "--picture, text 2: ");
    check_ran("what was kept", RUN("show", json));
}

// Blank lines leave the others their numbers in a comparison too.
TEST(small_compare_numbers)
{
    const char *folder = kit_folder(A), *list = arena_printf(A, "@%s/t", folder);
    kit_write(folder, "t", STR_LIT(TEXT "\n\n" TEXT "\n"));
    const char *page = arena_printf(A, "%s/p.html", folder);
    Run r = RUN("compare", "-m", MODEL, "-a", "saliency", "-a", "attention", "-i", list, "--html", page);
    CHECK_INT(r.code, 0);
    CHECK_HAS(slurp(A, page, NULL), "2nd instance");
    CHECK(!strstr(slurp(A, page, NULL), "1st instance"));
}

// A page has attention by layers and heads whichever option names it; of more texts than 64 it has the means alone.
TEST(small_page_of_layers)
{
    const char *folder = kit_folder(A), *page = arena_printf(A, "%s/p.html", folder);
    static const char *const option[] = {"--html", "--export"};
    for (int i = 0; i < 2; i++) {
        check_ran("attribute", RUN("attribute", "-m", MODEL, "-a", "attention", "-i", TEXT, "-g", INTO,
                                   option[i], page, "--hide"));
        CHECK_HAS(slurp(A, page, NULL), "\"layers\":{\"dims\":[");
    }
    Buf many = {.arena = A};
    for (int i = 0; i < 65; i++) buf_str(&many, STR_LIT("A.\n"));
    kit_write(folder, "t", buf_view(&many));
    check_ran("attribute",
              RUN("attribute", "-m", MODEL, "-a", "attention", "-i", arena_printf(A, "@%s/t", folder),
                  "--max_new_tokens", "2", "--html", page, "--hide"));
    CHECK(!strstr(slurp(A, page, NULL), "\"layers\":{\"dims\":["));
}

TEST(small_compare_saves)
{
    const char *folder = kit_folder(A), *saved = arena_printf(A, "%s/o.json", folder);
    Run r = RUN("compare", "-m", MODEL, "-a", "saliency", "-a", "occlusion", "-i", TEXT, "It rains.", "-g",
                INTO, "Het.", "-o", saved);
    CHECK_INT(r.code, 0);
    r = RUN("show", saved, "--csv", "/dev/stdout", "--hide");
    check_ran("show", r);
    CHECK_HAS(r.out, ",saliency,source,"), CHECK_HAS(r.out, ",occlusion,source,");
    Run one = RUN("attribute", "-m", MODEL, "-a", "occlusion", "-i", TEXT, "-g", INTO, "--csv", "/dev/stdout",
                  "--hide");
    const char *row = strchr(one.out, '\n'); // its first row but for the number of the sequence
    CHECK(row && strstr(r.out, arena_printf(A, ",%.*s", (int)strcspn(row + 3, "\n"), row + 3)));
}

TEST(small_aggregators_are_shown)
{
    const char *folder = kit_folder(A), *saved = arena_printf(A, "%s/o.json", folder),
               *raw = arena_printf(A, "%s/raw.json", folder);
    const char *const text = "The verpleegster went.";
    Run words = RUN("attribute", "-m", MODEL, "-i", text, "-g", INTO, "--attribution_aggregators", "subwords",
                    "--format", "json", "-o", saved);
    check_ran("words", words);
    Run tokens = RUN("attribute", "-m", MODEL, "-i", text, "-g", INTO, "--format", "json", "-o", raw);
    CHECK(words.n_out < tokens.n_out); // fewer, longer ones
    Run shown = RUN("show", raw, "--attribution_aggregators", "subwords", "--format", "json"),
        again = RUN("show", saved, "--format", "json");
    check_ran("show", shown);
    CHECK_STR(str_of(shown.out), str_of(words.out));
    CHECK_STR(str_of(again.out), str_of(words.out));
    Run mean = RUN("show", raw, "--attribution_aggregators", "mean", "--format", "json");
    check_ran("mean", mean);
    CHECK(!str_eq(str_of(mean.out), str_of(tokens.out)));
}

// ------------------------------------------------------------------------------------------ the bar

static int64_t columns(Str s) // of a line that has nothing but letters of one
{
    int64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((uint8_t)s.s[i] & 0xC0) != 0x80 && s.s[i] != '\r' && s.s[i] != '\n';
    return n;
}

// By the work that is done, which need not be the share of texts; never wider than the terminal; a line a minute for files.
TEST(small_bar_tells_what_is_left)
{
    static const int64_t width[] = {200, 80, 79, 70, 60, 50, 40};
    for (size_t i = 0; i < sizeof width / sizeof *width; i++) {
        Bar b = {.title = "Attributing with layer_gradient_x_activation...",
                 .total = 100000,
                 .width = width[i],
                 .at_once = true,
                 .start = wall_clock() - 36000.5,
                 .work = 1,
                 .all = 4};
        Buf line = {.arena = A};
        CHECK(bar_text(&b, 99000, &line));
        CHECK_INT(columns(buf_view(&line)), width[i] - 1);
        CHECK_HAS(line.s, " 25%|"), CHECK_HAS(line.s, "99000/100000 [10:00:00<30:00:01");
        CHECK(!strstr(line.s, ",  2.75it/s]") == (width[i] < 60));
    }
    Bar b = {.title = "X", .total = 4, .width = 60, .at_once = true, .start = wall_clock() - 20.4, .all = 8};
    Buf line = {.arena = A};
    CHECK(bar_text(&b, 0, &line));
    CHECK_HAS(line.s, "  0%|"), CHECK_HAS(line.s, "0/4 [00:20<?, ?it/s]");
    b.work = 2, b.drawn = 0, line.n = 0;
    CHECK(bar_text(&b, 2, &line)); // 10 s a text so far, but three quarters of the work are left
    CHECK_HAS(line.s, " 25%|"), CHECK_HAS(line.s, "2/4 [00:20<01:01, 10.20s/it]");
    CHECK(!bar_text(&b, 2, &line)); // too soon
    b.work = 8, line.n = 0;
    CHECK(bar_text(&b, 4, &line));
    CHECK_HAS(line.s, "100%|"), CHECK_HAS(line.s, "4/4 [00:20<00:00,  5.10s/it]\n");
    Bar f = {
        .title = "X", .total = 4, .width = 60, .at_once = true, .lines = true, .start = wall_clock() - 50};
    line.n = 0;
    CHECK(!bar_text(&f, 1, &line)); // of files nobody wants ten a second
    f.start -= 10.5;
    CHECK(bar_text(&f, 1, &line));
    CHECK(line.s[0] == 'X' && line.s[line.n - 1] == '\n' && !strchr(line.s, '\r'));
    CHECK(!bar_text(&f, 2, &line));
    f.drawn -= 60, line.n = 0;
    CHECK(bar_text(&f, 2, &line) && bar_text(&f, 4, &line) && !bar_text(&f, 4, &line));
    CHECK_INT(lines(line.s), 2);
}

TEST(small_bar)
{
    Bar b = {.title = "Attributing with discretized_integrated_gradients...",
             .total = 100,
             .width = 60,
             .at_once = true,
             .start = wall_clock() - 10};
    Buf line = {.arena = A};
    CHECK(bar_text(&b, 37, &line));
    CHECK_HAS(line.s, "37%|██▉     |");
    CHECK_HAS(line.s, "37/100 [00:10<00:17");
    Run r = RUN("attribute", "-m", MODEL, "-i", TEXT, "It rains.", "The nurse.", "-g", INTO, "Het.", "De.",
                "-bs", "1", "--progress", "--hide");
    CHECK_INT(r.code, 0);
    CHECK(!strstr(r.err, "/1 [") && !strstr(r.err, "/2 [")); // three texts from the beginning
    CHECK_HAS(r.err, "| 3/3 ["), CHECK_INT(lines(r.err), 1);
    CHECK(!strchr(r.err, '\r')); // standard error is a file here: whole lines
    static const char *const off[] = {"TQDM_DISABLE=1", "TQDM_DISABLE=0", "TQDM_DISABLE="};
    for (int i = 0; i < 3; i++) {
        r = RUN_WITH({.env = {off[i]}}, "attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--progress",
                     "--hide");
        CHECK_INT(r.code, 0);
        CHECK_INT(lines(r.err), i == 2); // tqdm asks whether it is empty, and nothing else
    }
    r = RUN("compare", "-m", MODEL, "-a", "saliency", "-a", "occlusion", "-i", TEXT, "A.", "It rains.", "-bs",
            "2", "--progress", "--json");
    CHECK_INT(r.code, 0);
    CHECK_INT(lines(r.err), 2), CHECK_HAS(r.err, "| 3/3 [");
    r = RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--progress", "--hide", "--attribution_kwargs",
            "{\"show_progress\": false}");
    check_ran("no bar", r);
}
