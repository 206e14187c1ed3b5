// t_demo.c — the models inside the program: found by name, opened by the same readers as any folder, and able to do what
// they were trained for on texts kept out of their training (tools/train.c tries a thousand).
#include "../nn/checkpoint.h"
#include "../nn/nn.h"
#include "../tok/tok.h"
#include "test.h"

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

TEST(names_lead_inside)
{
    Err e = {0};
    const char *folder = hub_folder(A, "demo/en-nl", NULL, NULL, &e);
    CHECK_STR(str_of(folder ? folder : e.text), STR_LIT("builtin:demo/en-nl"));
    CHECK(!hub_folder(A, "demo/en", NULL, "/nonexistent", &e));
    CHECK(!hub_folder(A, "demo", NULL, "/nonexistent", NULL));
    e = (Err){0};
    CHECK(hub_folder(A, "test/golden", NULL, NULL, &e) != NULL);
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
