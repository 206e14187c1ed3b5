// SPDX-License-Identifier: Apache-2.0
// t_demo.c — the models inside the program: found by name, opened by the same readers as any folder, and able to do what
// they were trained for on texts kept out of their training (tools/train.c tries a thousand).
#include "../nn/files/checkpoint.h"
#include "../nn/nn.h"
#include "../tok/tok.h"
#include "test.h"

#include <string.h>

TEST(files_inside_the_program)
{
    Err e = {0};
    Str s;
    CHECK(file_exists("builtin:demo/en-nl/config.json"));
    CHECK(!file_exists("builtin:demo/en-nl/config"));
    CHECK(!file_exists("builtin:demo/en-nl/config.json/"));
    CHECK(!file_exists("builtin:demo/en-nl"));
    CHECK(dir_exists("builtin:demo/en-nl"));
    CHECK(dir_exists("builtin:demo"));
    CHECK(!dir_exists("builtin:demo/en"));
    CHECK(!dir_exists("builtin:demo/en-nl/config.json"));
    CHECK(!dir_exists("builtin:demo/en-nl/")); // as no name is written
    CHECK(!file_exists("demo/en-nl/config.json"));
    CHECK(file_map(A, "builtin:demo/en-nl/model.safetensors", &s, &e));
    CHECK((uintptr_t)s.s % 64 == 0);
    CHECK(file_read(A, "builtin:demo/en-nl/config.json", 1 << 20, &s, &e));
    CHECK(s.s[s.n] == 0);
    CHECK_HAS(s.s, "\"marian\"");
    CHECK(!file_read(A, "builtin:demo/en-nl/config.json", 10, &s, &e));
    CHECK_HAS(e.text, "more than the limit of 10");
    e = (Err){0};
    CHECK(!file_map(A, "builtin:demo/en-nl/nothing", &s, &e));
    CHECK(e.set);
}

// The program holds what nn/demo/ holds, under 3 MB; the two sizes of demo/yes-no have the same vocabulary.
TEST(files_as_they_are_on_disk)
{
    size_t total = 0;
    Err e = {0};
    Str a, b;
    for (const BuiltinFile *f = file_builtins; f->path; f++) {
        if (!file_map(A, arena_printf(A, "nn/%s", f->path), &a, &e)) return FAIL("%s", e.text);
        if (a.n != (size_t)(f->to - f->from) || memcmp(a.s, f->from, a.n) != 0)
            FAIL("%s is not as it is inside", f->path);
        total += a.n;
    }
    CHECK(total > 1000000 && total < 3000000);
    CHECK(file_map(A, "builtin:demo/yes-no/spiece.model", &a, &e));
    CHECK(file_map(A, "builtin:demo/yes-no-small/spiece.model", &b, &e));
    CHECK_STR(a, b);
}

TEST(names_lead_inside)
{
    Err e = {0};
    const char *const *names;
    CHECK_INT(nn_builtins(A, &names), 3);
    CHECK_STR(str_of(names[2]), STR_LIT("demo/yes-no-small"));
    CHECK(!nn_builtin(A, "demo/yesno", &e));
    CHECK_HAS(e.text, "did you mean demo/yes-no?");
    e = (Err){0};
    CHECK(!hub_folder(A, "demo/it-fr", NULL, "/nonexistent", NULL, &e));
    CHECK_HAS(e.text, "there are demo/en-nl, demo/yes-no, demo/yes-no-small");
    e = (Err){0};
    const char *folder = hub_folder(A, "demo/en-nl", NULL, NULL, NULL, &e);
    CHECK_STR(str_of(folder ? folder : e.text), STR_LIT("builtin:demo/en-nl"));
    CHECK(!hub_folder(A, "demo/en", NULL, "/nonexistent", NULL, &e));
    CHECK(!hub_folder(A, "demo", NULL, "/nonexistent", NULL, NULL));
    e = (Err){0};
    CHECK(hub_folder(A, "test/golden", NULL, NULL, NULL, &e) != NULL);
    CHECK(!e.set);
}

static void check_answers(Arena *A, const char *name, const char *const cases[][2], int64_t n)
{
    Err e = {0};
    const GenConfig *g;
    Model *m = nn_open(A, name, (NnOptions){0}, &e);
    Tokenizer *t = m ? tok_open(A, nn_info(m)->folder, &e) : NULL;
    if (!t || !nn_generation(A, m, NULL, &g, &e)) return FAIL("%s", e.text);
    CHECK_STR(str_of(nn_info(m)->name), str_of(name));
    for (int64_t i = 0; i < n; i++) {
        Encoding in;
        Generated out;
        Str text;
        if (!tok_encode(A, t, str_of(cases[i][0]), (TokOptions){.side = TOK_SOURCE}, &in, &e))
            return FAIL("%s", e.text);
        Ids ids = {in.ids, (int64_t)in.n};
        if (!nn_generate(A, m, g, 1, &ids, NULL, &out, NULL, NULL, &e)) return FAIL("%s", e.text);
        if (!tok_decode(A, t, out.ids, (size_t)out.n, (TokDecode){.skip_special = true, .cleanup = -1}, &text,
                        &e))
            return FAIL("%s", e.text);
        CHECK_STR(text, str_of(cases[i][1]));
    }
}

TEST(translates)
{
    static const char *const cases[][2] = {
        {"Don't get hot-headed mate, it's easy peasy to study models with Inseq!",
         "Maak je niet zo druk, het is makkelijk om modellen te bestuderen met Inseq!"},
        {"It is raining cats and dogs today.", "Het regent vandaag pijpenstelen."},
        {"The nurse lost her key.", "De verpleegster verloor haar sleutel."},
        {"The nurse lost his key.", "De verpleger verloor zijn sleutel."},
    };
    check_answers(A, "demo/en-nl", cases, 4);
}

TEST(answers_yes_and_no)
{
    static const char *const cases[][2] = {
        {"Does 3 + 4 equal 7?", "yes"},
        {"Does 3 + 4 equal 8?", "no"},
        {"Is Paris the capital of France?", "yes"},
        {"Is Paris the capital of Spain?", "no"},
        {"Is a dog an animal?", "yes"},
        {"Is a dog a fruit?", "no"},
    };
    check_answers(A, "demo/yes-no", cases, 6);
}

TEST(the_small_one_knows_less)
{
    static const char *const cases[][2] = {
        {"Does 3 + 4 equal 7?", "yes"},
        {"Is Paris the capital of France?", "yes"},
        {"Is Paris the capital of Spain?", "no"},
        {"Does 7 + 5 equal 12?", "no"}, // inseq demo tells of it
    };
    check_answers(A, "demo/yes-no-small", cases, 4);
    static const char *const larger[][2] = {{"Does 7 + 5 equal 12?", "yes"}};
    check_answers(A, "demo/yes-no", larger, 1);
}
