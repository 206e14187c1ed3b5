// SPDX-License-Identifier: Apache-2.0
// t_strangers.c — the program's edges: what a stranger's file may not do to a terminal, results that must not be lost, signals,
// files that are none.
#include "../attr/attr.h"
#include "cli.h"

#include <signal.h>
#include <sys/stat.h>

#define CLIPBOARD                                                                                            \
    "\\u001b]52;c;ZXZpbA==\\u0007" // an escape sequence that many terminals obey, as JSON writes it

// ------------------------------------------------------------------------------------------ what leaves the program

static bool harmless(const char *s)
{
    for (; *s; s++)
        if (((uint8_t)*s < ' ' && *s != '\n' && *s != '\t') || *s == 0x7F) return false;
    return true;
}

static void copy_file(Arena *A, const char *folder, const char *to, const char *name)
{
    Str s;
    Err e = {0};
    const char *from = arena_printf(A, "%s/%s", folder, name);
    if (!file_exists(from)) return;
    if (file_read(A, from, SIZE_MAX, &s, &e)) kit_write(to, name, s);
    else FAIL("%s", e.text);
}

// A model to damage.
static const char *copy_model(Arena *A, const char *model)
{
    static const char *const names[] = {"config.json",
                                        "generation_config.json",
                                        "model.safetensors",
                                        "source.spm",
                                        "target.spm",
                                        "vocab.json",
                                        "tokenizer_config.json",
                                        "spiece.model",
                                        "special_tokens_map.json"};
    const char *to = kit_folder(A);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) copy_file(A, model, to, names[i]);
    return to;
}

static void replace(Arena *A, const char *folder, const char *name, const char *old, const char *new)
{
    const char *text = slurp(A, arena_printf(A, "%s/%s", folder, name), NULL), *at = strstr(text, old);
    Buf b = {.arena = A};
    if (!at) {
        FAIL("%s has no %s", name, old);
        return;
    }
    buf_put(&b, text, (size_t)(at - text)), buf_str(&b, str_of(new)), buf_str(&b, str_of(at + strlen(old)));
    kit_write(folder, name, buf_view(&b));
}

TEST(strangers_text)
{
    Buf b = {.arena = A};
    buf_harmless(&b,
                 STR_LIT("a\tb\nc\x1b[2J\x7f\xc2\x9b"
                         "1m\xe2\x80\xae\xe2\x81\xa7\xff\xf3\xa0\x81\x81\xe2\x80\x8fé"),
                 true);
    CHECK_STR(buf_view(&b),
              STR_LIT("a\tb\nc␛[2J␡\\u{9B}1m\\u{202E}\\u{2067}\xef\xbf\xbd\\u{E0041}\\u{200F}é"));
    b.n = 0;
    buf_harmless(&b, STR_LIT("א\xe2\x80\x8f-\xe2\x80\x8c"), false);
    CHECK_STR(buf_view(&b), STR_LIT("א\xe2\x80\x8f-\xe2\x80\x8c"));
}

TEST(strangers_messages)
{
    static const struct {
        const char *model, *file, *old, *new, *command;
    } cases[] = {
        {MODEL, "config.json", "\"marian\"", "\"" CLIPBOARD "\"", "info"},
        {MODEL, "config.json", "\"marian\"", "\"x\\u202Ey\\u009b1m\"", "info"},
        {MODEL, "config.json", "\"swish\"", "\"" CLIPBOARD "\"", "info"},
        {"test/golden/models/odd-t5", "config.json", "\"gated-gelu\"", "\"" CLIPBOARD "\"", "info"},
        {MODEL, "tokenizer_config.json", "{", "{\"tokenizer_class\":\"" CLIPBOARD "\",\"a\":", "tokenize"},
        {MODEL, "tokenizer_config.json", "{", "{\"unk_token\":\"" CLIPBOARD "\",\"a\":", "tokenize"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *m = copy_model(A, cases[i].model);
        if (!file_exists(arena_printf(A, "%s/%s", m, cases[i].file)) || strstr(cases[i].new, "\"a\":")) {
            const char *class = "{\"tokenizer_class\":\"MarianTokenizer\",\"unk_token\":\"" CLIPBOARD "\"}";
            kit_write(
                m, cases[i].file,
                str_of(strstr(cases[i].new, "unk") ? class : "{\"tokenizer_class\":\"" CLIPBOARD "\"}"));
        } else replace(A, m, cases[i].file, cases[i].old, cases[i].new);
        Run r = RUN(cases[i].command, "-m", m, cases[i].command[0] == 't' ? "-i" : NULL, "x");
        if (r.code != 1 || !harmless(r.err) || !harmless(r.out) || strstr(r.err, "\xe2\x80\xae") ||
            strstr(r.err, "\xc2\x9b"))
            FAIL("%zu: exit code %d, %s", i, r.code, r.err);
        else test_count(1);
    }
    Run r = RUN("attribute", "-m", "no\x1b]0;x\x07such", "-i", "x"); // and what the command line itself says
    CHECK_INT(r.code, 1);
    CHECK(harmless(r.err));
    r = RUN("no\x1b[31mcommand");
    CHECK(r.code == 2 && harmless(r.err));
}

TEST(strangers_tokens)
{
    Run r = RUN("tokenize", "-m", MODEL, "-i",
                "a\x1b[31mb\xe2\x80\xae"
                "c");
    CHECK(r.code == 0 && harmless(r.out) && !strstr(r.out, "\xe2\x80\xae"));
}

// ------------------------------------------------------------------------------------------ results are not lost

TEST(strangers_closed)
{
    const char *folder = kit_folder(A), *json = arena_printf(A, "%s/o.json", folder);
    for (int closed = 1; closed < 8; closed++) {
        unlink(json);
        Run r = RUN_WITH(UNPACK({.closed = closed}), "attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o",
                         json);
        CHECK(file_exists(json));
        CHECK_INT(r.code, closed & 2 ? 1 : 0); // what should have been printed is lost
        CHECK(slurp(A, json, NULL)[0] == '{'); // and nothing else went into the file
        r = RUN_WITH(UNPACK({.closed = closed}), "attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o", json,
                     "--hide");
        CHECK_INT(r.code, 0);
    }
    CHECK_INT(RUN_WITH(UNPACK({.closed = 2}), "list").code, 1);
    CHECK_INT(RUN_WITH(UNPACK({.closed = 2}), "tokenize", "-m", MODEL, "-i", "x").code, 1);
    CHECK_INT(RUN_WITH(UNPACK({.closed = 1}), "tokenize", "-m", MODEL, "-i", "-").code, 1);
}

TEST(strangers_no_reader)
{
    const char *folder = kit_folder(A), *json = arena_printf(A, "%s/o.json", folder),
               *html = arena_printf(A, "%s/v.html", folder);
    Run r = RUN_WITH(UNPACK({.gone = true}), "attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o", json,
                     "--viz_path", html);
    CHECK(file_exists(json) && file_exists(html) && !*r.err);
    CHECK_INT(r.code, 141);
    static const char *const commands[] = {"list", "info", "generate", "tokenize", "help"};
    for (size_t i = 0; i < 5; i++) {
        r = i == 0 || i == 4
                ? RUN_WITH(UNPACK({.gone = true}), commands[i])
                : RUN_WITH(UNPACK({.gone = true}), commands[i], "-m", MODEL, i > 1 ? "-i" : NULL, "x");
        if (r.code != 141 || *r.err)
            FAIL("%s: exit code %d, signal %d: %s", commands[i], r.code, r.signal, r.err);
        else test_count(1);
    }
}

TEST(strangers_full)
{
    const char *folder = kit_folder(A), *json = arena_printf(A, "%s/o.json", folder);
    Run r =
        RUN_WITH(UNPACK({.out = "/dev/full"}), "attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o", json);
    CHECK(file_exists(json));
    CHECK_INT(r.code, 1);
    CHECK_HAS(r.err, "standard output: No space left");
    r = RUN(
        "attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "-o", "/dev/full", "--csv",
        arena_printf(A, "%s/o.csv", folder)); // one of them fails: the others are there, and what is printed
    CHECK_INT(r.code, 1);
    CHECK(r.n_out > 500 && file_exists(arena_printf(A, "%s/o.csv", folder)));
    CHECK_INT(RUN_WITH(UNPACK({.out = "/dev/full"}), "list").code, 1);
}

TEST(strangers_same_file)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/o", folder),
               *other = arena_printf(A, "%s/./o", folder), *link = arena_printf(A, "%s/l", folder);
    CHECK(symlink("o", link) == 0);
    check_refused("one name twice", RUN("attribute", "-m", MODEL, "-i", TEXT, "-o", path, "--csv", path), 2,
                  "one file");
    check_refused("two names of one",
                  RUN("attribute", "-m", MODEL, "-i", TEXT, "--svg", path, "--html", other), 2, "one file");
    kit_write(folder, "o", STR_LIT("x"));
    check_refused("a link to it", RUN("attribute", "-m", MODEL, "-i", TEXT, "--svg", path, "--csv", link), 2,
                  "one file");
    check_ran("nowhere twice", RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--svg", "/dev/null",
                                   "--csv", "/dev/null", "--hide"));
}

// ------------------------------------------------------------------------------------------ signals

// A text that takes minutes, left within it.
static Run interrupted(Arena *A, Setup s, const char *method, const char *kwargs)
{
    Buf text = {.arena = A};
    for (int i = 0; i < 20; i++) buf_str(&text, STR_LIT("The nurse went to the hospital. "));
    const char *const words[] = {"attribute", "-m", TRAINED, "-a",   method, "--attribution_kwargs",
                                 kwargs,      "-q", "-i",    text.s, "-g",   text.s,
                                 "--hide",    NULL};
    return run_with(A, &s, words);
}

TEST(strangers_signals)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    static const char *const methods[][2] = {{"integrated_gradients", "{\"n_steps\": 5000}"},
                                             {"shapley_sampling", "{\"n_samples\": 5000}"},
                                             {"lime", "{\"n_samples\": 5000}"}};
    for (int i = 0; i < 3; i++) {
        Run r = interrupted(A, (Setup){.interrupt_after = 500, .signal = signals[i]}, methods[i][0],
                            methods[i][1]);
        CHECK_INT(r.code, 128 + signals[i]);
        CHECK_HAS(r.err, "inseq: interrupted");
        CHECK(r.late < 5); // 0.01 s; but other tests may be running
    }
}

// So are the commands that do not attribute, or several times.
TEST(strangers_signals_of_others)
{
    Buf in = {.arena = A};
    for (int i = 0; i < 30000; i++) buf_printf(&in, "%s\n", TEXT);
    Setup s = {.in = in.s, .interrupt_after = 700, .signal = SIGINT};
    const char *const words[][9] = {{"compare", "-m", MODEL, "-a", "saliency", "-a", "occlusion", "-i", "-"},
                                    {"lens", "-m", MODEL, "-i", "-"},
                                    {"generate", "-m", MODEL, "-i", "-"}};
    for (size_t i = 0; i < 3; i++) {
        const char *own[10] = {NULL};
        memcpy(own, words[i], sizeof words[i]);
        Run r = run_with(A, &s, own);
        if (r.code != 130) FAIL("%s: exit code %d, signal %d: %s", own[0], r.code, r.signal, r.err);
        CHECK_HAS(r.err, "inseq: interrupted");
    }
}

// What was finished before is what it would have been, to the last bit.
TEST(strangers_kept)
{
    Buf in = {.arena = A};
    for (int i = 0; i < 4000; i++) buf_printf(&in, "%s\n", TEXT);
    const char *folder = kit_folder(A), *json = arena_printf(A, "%s/o.json", folder);
    for (int after = 300; after < 5000; after *= 2) {
        Run r = RUN_WITH(UNPACK({.in = in.s, .interrupt_after = after, .signal = SIGTERM}), "attribute", "-m",
                         MODEL, "-a", "input_x_gradient", "-bs", "4", "--hide", "-i", "-", "-o", json);
        if (!strstr(r.err, "finished texts were kept")) continue; // none was, or all are
        CHECK_INT(r.code, 143);
        Run kept = RUN("show", json, "--format", "json"),
            one = RUN("attribute", "-m", MODEL, "-a", "input_x_gradient", "-i", TEXT, "--format", "json");
        check_ran("show", kept);
        const char *scores = strstr(one.out, "\"source_attributions\"");
        if (!scores) return FAIL("no scores in %s", one.out);
        const char *part = arena_printf(A, "%.*s", (int)strcspn(scores, "}"), scores);
        size_t texts = 0, same = 0;
        for (const char *p = kept.out; (p = strstr(p, "\"source_tokens\"")); p++) texts++;
        for (const char *p = kept.out; (p = strstr(p, part)); p++) same++;
        CHECK(texts > 0 && texts == same);
        return;
    }
    FAIL("no run was left with some texts finished and some not");
}

// ------------------------------------------------------------------------------------------ files

TEST(strangers_no_file)
{
    static const char *const names[] = {
        "config.json", "generation_config.json", "model.safetensors", "source.spm", "target.spm",
        "vocab.json",  "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int kind = 0; kind < 4; kind++) {
            const char *m = copy_model(A, MODEL), *path = arena_printf(A, "%s/%s", m, names[i]);
            unlink(path);
            if (kind == 0   ? mkfifo(path, 0600)
                : kind == 1 ? symlink("/dev/zero", path)
                : kind == 2 ? mkdir(path, 0700)
                            : symlink("blobs/none", path))
                FAIL("cannot make %s", path);
            Run r = RUN_WITH(UNPACK({.address_space = (long)2 << 30}), "generate", "-m", m, "-i", "x");
            if (r.code != 1 || lines(r.err) != 1 || !TAKES_AT_MOST(r, 200000))
                FAIL("%s, kind %d: exit code %d: %s", names[i], kind, r.code, r.err);
            else test_count(1);
        }
}

TEST(strangers_read_only)
{
    const char *folder = kit_folder(A), *missing = arena_printf(A, "%s/none/o.csv", folder);
    static const char *const options[] = {"-o", "--csv", "--svg", "--viz_path"};
    for (int i = 0; i < 4; i++) { // before the model is looked for
        check_refused("no folder", RUN("attribute", "-m", "no-such-model", "-i", "x", options[i], missing), 1,
                      "none");
        check_refused("a folder", RUN("attribute", "-m", "no-such-model", "-i", "x", options[i], folder), 1,
                      "Is a directory");
        check_refused("read-only", RUN("attribute", "-m", "no-such-model", "-i", "x", options[i], "/proc/o"),
                      1, "/proc/o");
    }
}

TEST(strangers_mark)
{
    const char *path = arena_printf(A, "%s/t", kit_folder(A));
    kit_write(kit_folder(A), "t", (Str){0});
    Err e = {0};
    CHECK(file_write(path, STR_LIT("\xef\xbb\xbfOne text\r\nTwo\n"), &e));
    const char *word = arena_printf(A, "@%s", path);
    const Str *text;
    size_t n;
    CHECK(option_texts(A, &(OptionValue){.list = &word, .n = 1}, &text, &n, &e) && n == 2);
    CHECK_STR(text[0], STR_LIT("One text"));
}

// ------------------------------------------------------------------------------------------ memory

// Texts made of the smallest values there are, plain and gzipped: refused before they take much.
TEST(strangers_many_values)
{
    static const char *const unit[] = {"{},", "0,", "[],", "\"\","};
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/r", folder);
    for (int i = 0; i < 4; i++)
        for (int packed = 0; packed < 2; packed++) {
            Arena *own =
                arena_create(NULL); // given back before the program starts: its peak begins with ours
            Buf b = {.arena = own};
            buf_str(&b, STR_LIT("{\"a\":["));
            for (int k = 0; k < 3000000; k++) buf_str(&b, str_of(unit[i]));
            buf_str(&b, STR_LIT("0]}"));
            Err e = {0};
            const char *name = packed ? arena_printf(A, "%s.gz", path) : path;
            CHECK(attr_write(own, name, buf_view(&b), &e));
            arena_free(own);
            Run r = RUN("show", name);
            CHECK_INT(r.code, 1);
            if (!TAKES_AT_MOST(r, 131072)) FAIL("%s x 3000000 took %ld kB", unit[i], r.peak);
        }
}

TEST(strangers_gzip)
{
    const char *folder = kit_folder(A), *plain = arena_printf(A, "%s/o.json", folder),
               *gz = arena_printf(A, "%s/o.json.gz", folder);
    check_ran("plain", RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--hide", "-o", plain));
    check_ran("gzipped", RUN("attribute", "-m", MODEL, "-i", TEXT, "-g", INTO, "--hide", "-o", gz));
    Str packed;
    Err e = {0};
    CHECK(file_read(A, gz, SIZE_MAX, &packed, &e) && str_starts(packed, STR_LIT("\x1f\x8b")));
    CHECK_STR(str_of(RUN("show", plain).out), str_of(RUN("show", gz).out));
}

#ifndef __SANITIZE_ADDRESS__ // whose own address space is beyond any limit
// A text that the machine has no memory for is refused in words, the others are attributed; and --plan tells it in time.
TEST(strangers_long_text)
{
    const char *m = copy_model(A, "test/golden/models/t5-yesno-tiny");
    replace(A, m, "tokenizer_config.json", "\"model_max_length\": 512", "\"model_max_length\": 99999999");
    Buf text = {.arena = A};
    for (int i = 0; i < 30000; i++) buf_str(&text, STR_LIT("the "));
    kit_write(m, "t", buf_view(&text));
    const char *word = arena_printf(A, "@%s/t", m);
    Run r = RUN_WITH(UNPACK({.address_space = (long)1 << 30}), "attribute", "-m", m, "-a", "saliency", "-i",
                     "yes", word, "-g", "no", "no no");
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.err, "inseq: text 2: saliency would take about ");
    CHECK_HAS(r.err, " GB may be used here");
    CHECK_HAS(r.out, "Source Saliency Heatmap");
    r = RUN("attribute", "-m", m, "-a", "saliency", "-i", word, "-g", "no no", "--plan");
    CHECK_INT(r.code, 0);
    CHECK(r.peak < 400000);
}
#endif

// A worker that reads what is no longer there ends the program as the main thread does: with a sentence, exit code 3.
TEST(strangers_cut_in_a_worker)
{
    const char *folder = arena_printf(A, "%s/en-nl", kit_folder(A));
    Buf texts = {.arena = A};
    for (int i = 0; i < 4; i++) buf_str(&texts, STR_LIT("The nurse went to the hospital. "));
    buf_char(&texts, '\n');
    for (int i = 0; i < 4; i++) {
        unlink(arena_printf(A, "%s/config.json", folder));
        check_ran("export", RUN("export", "demo/en-nl", folder));
        Run r = RUN_WITH(UNPACK({.in = texts.s, .cut = arena_printf(A, "%s/model.safetensors", folder)}),
                         "attribute", "-m", folder, "-a", "input_x_gradient", "--attribute_target", "-v",
                         "-t", "4", "--hide", "-i", "-");
        CHECK_INT(r.signal, 0);
        CHECK_INT(r.code, 3);
        CHECK_HAS(r.err, "was cut short, or its disk failed, while it was read\n");
    }
}
