// SPDX-License-Identifier: Apache-2.0
// t_config.c — settings of models and of generate(): kinds, ranges, precedence, sentences.
#include "../nn/generation.h"
#include "kit.h"

#define MODELS "test/golden/models/"

static Config config_of(Arena *A, const char *json, Err *e)
{
    *e = (Err){0};
    return (Config){.json = json_parse(A, str_of(json), "config.json", e), .path = "config.json", .e = e};
}

TEST(values_that_are_right)
{
    Err e;
    Config c = config_of(A,
                         "{\"i\":6,\"low\":-3,\"r\":1.5,\"t\":true,\"f\":false,\"s\":\"swish\",\"none\":null,"
                         "\"ids\":[3,0,9],\"id\":4,\"empty\":[],"
                         "\"big\":9007199254740993,\"e\":1e-6,\"one\":1}",
                         &e);
    CHECK_INT(cfg_int(&c, "i", 1, 0, 10), 6);
    CHECK_INT(cfg_int(&c, "i", 1, 6, 6), 6);
    CHECK_INT(cfg_int(&c, "low", 1, -3, 10), -3);
    CHECK_INT(cfg_int(&c, "absent", 7, 0, 10), 7);
    CHECK_INT(cfg_int(&c, "none", 7, 0, 10), 7);
    CHECK_INT(cfg_int(&c, "big", 0, 0, INT64_MAX), 9007199254740993);
    CHECK_INT(cfg_need_int(&c, "i", 1, 10), 6);
    CHECK_NEAR(cfg_real(&c, "r", 0, 0, 2), 1.5, 0);
    CHECK_NEAR(cfg_real(&c, "e", 0, 0, 2), 1e-6, 0);
    CHECK_NEAR(cfg_real(&c, "one", 0, 0, 2), 1, 0);
    CHECK_NEAR(cfg_real(&c, "none", 0.25, 0, 2), 0.25, 0);
    CHECK(cfg_bool(&c, "t", false) && !cfg_bool(&c, "f", true) && cfg_bool(&c, "none", true) &&
          !cfg_bool(&c, "absent", false));
    CHECK_STR(cfg_str(&c, "s", "gelu"), STR_LIT("swish"));
    CHECK_STR(cfg_str(&c, "absent", "gelu"), STR_LIT("gelu"));
    CHECK_INT(cfg_str(&c, "none", NULL).n, 0);
    size_t n;
    const int32_t *ids = cfg_ids(A, &c, "ids", 10, &n);
    CHECK(n == 3 && ids[0] == 3 && ids[1] == 0 && ids[2] == 9);
    ids = cfg_ids(A, &c, "id", 10, &n);
    CHECK(n == 1 && ids[0] == 4);
    cfg_ids(A, &c, "none", 10, &n);
    CHECK_INT(n, 0);
    cfg_ids(A, &c, "empty", 10, &n);
    CHECK_INT(n, 0);
    CHECK_STR(str_of(e.text), STR_LIT(""));
}

// Every kind of wrong value for every getter (reliability.md 2, hyper-parameters beyond fixed arrays).
TEST(values_that_are_wrong)
{
    static const struct {
        const char *value, *shown;
        const char *kinds; // getters that must refuse it: i integer, r real, b bool, s string, d ids
    } cases[] = {
        {"-1", "-1", "irbsd"},
        {"0", "0", "irbs"},
        {"101", "101", "irbsd"},
        {"1000000000000000000", "1000000000000000000", "irbsd"},
        {"1e18", "1e18", "irbsd"},
        {"9223372036854775808", "9223372036854775808", "irbsd"},
        {"1.5", "1.5", "ibsd"},
        {"6.0", "6.0", "ibsd"},
        {"\"6\"", "\"6\" (a string)", "irbd"},
        {"true", "true", "irsd"},
        {"[]", "a list of 0 values", "irbs"},
        {"[6]", "a list of 1 value", "irbs"},
        {"{}", "an object", "irbsd"},
        {"NaN", "NaN", "irbsd"},
        {"-Infinity", "-Infinity", "irbsd"},
        {"\"\\u001b[31m\"", "\"\\x1B[31m\"", "irbd"},
        {"[1.5]", NULL, "irbsd"},
        {"[true]", NULL, "irbsd"},
        {"[null]", NULL, "irbsd"},
        {"[100]", NULL, "irbsd"},
        {"[-1]", NULL, "irbsd"},
        {"[[1]]", NULL, "irbsd"},
        {"[1,2,\"3\"]", NULL, "irbsd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *json = arena_printf(A, "{\"key\":%s}", cases[i].value);
        for (const char *kind = "irbsd"; *kind; kind++) {
            Err e;
            size_t n;
            Config c = config_of(A, json, &e);
            CHECK(c.json != NULL);
            if (*kind == 'i')
                CHECK_INT(cfg_int(&c, "key", 42, 1, 100) == 42 || !strchr(cases[i].kinds, 'i'), 1);
            if (*kind == 'r') cfg_real(&c, "key", 42, 0.5, 100);
            if (*kind == 'b') cfg_bool(&c, "key", false);
            if (*kind == 's') cfg_str(&c, "key", NULL);
            if (*kind == 'd') cfg_ids(A, &c, "key", 100, &n);
            if (e.set != (strchr(cases[i].kinds, *kind) != NULL)) FAIL("%s as %c: %s", json, *kind, e.text);
            if (e.set) CHECK_HAS(e.text, "config.json: key ");
            if (e.set && cases[i].shown) CHECK_HAS(e.text, cases[i].shown);
        }
    }
    Err e;
    Config c = config_of(A, "{\"d_model\":\"6\",\"heads\":0}", &e);
    size_t n;
    CHECK_INT(cfg_int(&c, "heads", 8, 1, 512), 8);
    cfg_int(&c, "d_model", 0, 1, 65536); // the first error wins
    CHECK_STR(str_of(e.text), STR_LIT("config.json: heads is 0; it must be an integer from 1 to 512"));
    c = config_of(A, "{\"ids\":[1,2,\"3\"]}", &e);
    CHECK(!cfg_ids(A, &c, "ids", 10, &n) && n == 0);
    CHECK_STR(str_of(e.text),
              STR_LIT("config.json: ids holds \"3\" (a string); it must be a token id from 0 to 9"));
    c = config_of(A, "{\"d_model\":null}", &e);
    cfg_need_int(&c, "d_model", 1, 65536);
    CHECK_STR(str_of(e.text),
              STR_LIT("config.json: d_model is absent; it must be an integer from 1 to 65536"));
}

TEST(files_that_are_no_settings)
{
    const char *folder = kit_folder(A);
    Config c;
    static const struct {
        const char *text, *part;
    } cases[] = {{"", "config.json"},        {"[]", "the file is a"},          {"null", "the file is null"},
                 {"{", "config.json"},       {"{\"a\":1,}", "config.json"},    {"{} x", "config.json"},
                 {"{'a':1}", "config.json"}, {"\"x\"", "the file is a string"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        kit_write(folder, "config.json", str_of(cases[i].text));
        CHECK(!config_open(A, folder, "config.json", &c, &e));
        CHECK_HAS(e.text, cases[i].part);
        CHECK_HAS(e.text, folder);
    }
    Err e = {0};
    CHECK(!config_open(A, folder, "none.json", &c, &e));
    CHECK_HAS(e.text, "none.json");
    if (symlink("../../blobs/gone", arena_printf(A, "%s/link.json", folder)) != 0) FAIL("no link");
    e = (Err){0};
    CHECK(!config_open(A, folder, "link.json", &c, &e));
    CHECK_HAS(e.text, "cache entry incomplete");
}

// ---------------------------------------------------------------------------------------------------- generation

static bool load(Arena *A, const char *folder, const char *generation, const char *config, int64_t vocab,
                 GenConfig *g, Err *e)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/generation_config.json", folder);
    *e = (Err){0};
    if (generation) kit_write(folder, "generation_config.json", str_of(generation));
    else unlink(path);
    kit_write(folder, "config.json", str_of(config));
    Config c;
    return config_open(A, folder, "config.json", &c, e) && gen_config_load(A, folder, &c, NULL, vocab, g, e);
}

TEST(generation_settings_of_golden_models)
{
    Err e = {0};
    Config c;
    GenConfig g;
    CHECK(config_open(A, MODELS "marian-en-nl", "config.json", &c, &e) &&
          gen_config_load(A, MODELS "marian-en-nl", &c, NULL, 1211, &g, &e));
    CHECK(g.max_length == 64 && g.max_length_given && g.num_beams == 4 && g.renormalize_logits &&
          !g.do_sample);
    CHECK(g.decoder_start == 1210 && g.pad == 1210 && g.bos == 0 && g.forced_bos == -1 && !g.undone);
    CHECK(g.eos.n == 1 && g.eos.v[0] == 0 && g.forced_eos.n == 1 && g.forced_eos.v[0] == 0);
    CHECK(g.n_bad_words == 1 && g.bad_words[0].n == 1 && g.bad_words[0].v[0] == 1210);
    CHECK(!gen_config_load(A, MODELS "marian-en-nl", &c, NULL, 1210, &g,
                           &e)); // an id outside of the vocabulary
    CHECK_HAS(
        e.text,
        "generation_config.json: decoder_start_token_id is 1210; it must be an integer from -1 to 1209");
    CHECK_INT(config_open(A, MODELS "odd-marian", "config.json", &c, (e = (Err){0}, &e)) &&
                  gen_config_load(A, MODELS "odd-marian", &c, NULL, 295, &g, &e),
              1);
    CHECK_INT(g.num_beams, 6);
}

TEST(precedence_and_defaults)
{
    const char *folder = kit_folder(A);
    Err e;
    GenConfig g;
    CHECK(load(A, folder, "{}", "{\"num_beams\":4,\"max_length\":9,\"eos_token_id\":3}", 10, &g, &e));
    CHECK(g.max_length == 20 && !g.max_length_given && g.num_beams == 1 && g.length_penalty == 1 &&
          g.repetition_penalty == 1 && g.encoder_repetition_penalty == 1);
    CHECK(g.early_stopping == STOP_FALSE && g.min_length == 0 && g.max_new_tokens == 0 &&
          g.num_return_sequences == 1 && g.eos.n == 0 && g.forced_eos.n == 0);
    CHECK(g.decoder_start == -1 && g.bos == -1 && g.pad == -1 && g.forced_bos == -1 && g.n_bad_words == 0 &&
          !g.renormalize_logits && !g.remove_invalid_values);
    CHECK(load(A, folder, NULL,
               "{\"num_beams\":4,\"max_length\":9,\"eos_token_id\":[3,5],\"length_penalty\":2,\"early_"
               "stopping\":true}",
               10, &g, &e));
    CHECK(g.num_beams == 4 && g.max_length == 9 && g.max_length_given && g.length_penalty == 2 &&
          g.early_stopping == STOP_TRUE && g.eos.n == 2 && g.eos.v[1] == 5);
    CHECK_INT(g.pad, 3); // as transformers: the first end token
    CHECK(load(A, folder,
               "{\"num_beams\":null,\"max_length\":null,\"bad_words_ids\":null,\"early_stopping\":\"never\","
               "\"bos_token_id\":2,\"pad_token_id\":-1}",
               "{}", 10, &g, &e));
    CHECK(g.num_beams == 1 && g.max_length == 20 && !g.max_length_given && g.early_stopping == STOP_NEVER &&
          g.bos == 2 && g.decoder_start == 2 && g.pad == -1);
    CHECK(
        load(A, folder, NULL, "{\"force_bos_token_to_be_generated\":true,\"bos_token_id\":2}", 10, &g, &e) &&
        g.forced_bos == 2);
    CHECK(
        load(A, folder, "{\"force_bos_token_to_be_generated\":true,\"bos_token_id\":2}", "{}", 10, &g, &e) &&
        g.forced_bos == -1);
    CHECK(load(A, folder, "{\"sequence_bias\":[[[1],2.0]],\"num_beam_groups\":1,\"temperature\":0.5}", "{}",
               10, &g, &e) &&
          g.undone && strcmp(g.undone, "sequence_bias") == 0);
    CHECK(load(A, folder,
               "{\"num_beam_groups\":1,\"diversity_penalty\":0.0,\"guidance_scale\":null,\"top_k\":0}", "{}",
               10, &g, &e) &&
          !g.undone);
    CHECK(load(A, folder, "{\"num_beam_groups\":2}", "{}", 10, &g, &e) && g.undone);
    CHECK(load(A, folder,
               "{\"suppress_tokens\":[1,2],\"begin_suppress_tokens\":[3],\"no_repeat_ngram_size\":3,\"do_"
               "sample\":true}",
               "{}", 10, &g, &e));
    CHECK(g.suppress.n == 2 && g.begin_suppress.n == 1 && g.no_repeat_ngram_size == 3 && !g.do_sample);
}

TEST(a_link_to_a_missing_blob_does_not_pass_for_no_file)
{
    const char *folder = kit_folder(A);
    Err e = {0};
    Config c;
    GenConfig g;
    kit_write(folder, "config.json", BYTES("{}"));
    CHECK(config_open(A, folder, "config.json", &c, &e) && gen_config_load(A, folder, &c, NULL, 10, &g, &e));
    if (symlink("../../blobs/gone", arena_printf(A, "%s/generation_config.json", folder)) != 0)
        FAIL("no link");
    CHECK(!gen_config_load(A, folder, &c, NULL, 10, &g, &e));
    CHECK_HAS(e.text, "generation_config.json: cache entry incomplete");
}

TEST(generation_settings_that_are_wrong)
{
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"{\"max_length\":0}", "max_length is 0; it must be an integer from 1 to"},
        {"{\"max_length\":1e18}", "max_length is 1e18"},
        {"{\"num_beams\":\"4\"}", "num_beams is \"4\" (a string)"},
        {"{\"num_beams\":0}", "num_beams is 0"},
        {"{\"num_beams\":5000}", "from 1 to 4096"},
        {"{\"num_beams\":[]}", "a list of 0 values"},
        {"{\"min_length\":-1}", "min_length is -1"},
        {"{\"length_penalty\":\"x\"}", "length_penalty is \"x\""},
        {"{\"length_penalty\":NaN}", "length_penalty is NaN"},
        {"{\"repetition_penalty\":0}", "repetition_penalty is 0"},
        {"{\"repetition_penalty\":-1.5}", "repetition_penalty is -1.5"},
        {"{\"early_stopping\":\"soon\"}", "early_stopping is another string"},
        {"{\"early_stopping\":1}", "early_stopping is"},
        {"{\"renormalize_logits\":1}", "renormalize_logits is 1; it must be true or false"},
        {"{\"eos_token_id\":10}", "eos_token_id is 10; it must be a token id from 0 to 9"},
        {"{\"eos_token_id\":[1,10]}", "eos_token_id holds 10"},
        {"{\"eos_token_id\":\"2\"}", "eos_token_id is \"2\""},
        {"{\"pad_token_id\":10}", "pad_token_id is 10"},
        {"{\"pad_token_id\":-2}", "pad_token_id is -2"},
        {"{\"bad_words_ids\":5}", "bad_words_ids is a"},
        {"{\"bad_words_ids\":[5]}", "bad_words_ids holds a"},
        {"{\"bad_words_ids\":[[]]}", "holds an empty list"},
        {"{\"bad_words_ids\":[[10]]}", "an id that is too large"},
        {"{\"bad_words_ids\":[[-1]]}", "a negative number"},
        {"{\"bad_words_ids\":[[1.5]]}", "token ids are from 0 to 9"},
        {"{\"forced_eos_token_id\":{}}", "forced_eos_token_id is an object"},
        {"{\"decoder_start_token_id\":[1]}", "a list of 1 value"},
    };
    const char *folder = kit_folder(A);
    Err e;
    GenConfig g;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int own = 0; own < 2; own++) {
            CHECK(!load(A, folder, own ? cases[i].json : NULL, own ? "{}" : cases[i].json, 10, &g, &e));
            CHECK_HAS(e.text, cases[i].part);
            CHECK_HAS(e.text, own ? "generation_config.json: " : "/config.json: ");
        }
}

static const char * override(Arena *A, const char *json, GenConfig *g, Err *e)
{
    *e = (Err){0};
    const Json *j = json_parse(A, str_of(json), "given", e);
    return j && gen_config_override(A, j, 10, g, e) ? "" : e->text;
}

TEST(arguments_over_settings)
{
    const char *folder = kit_folder(A);
    Err e;
    GenConfig g, before;
    CHECK(load(A, folder,
               "{\"num_beams\":4,\"max_length\":64,\"bad_words_ids\":[[9]],\"eos_token_id\":0,\"forced_eos_"
               "token_id\":0,\"decoder_start_token_id\":9}",
               "{}", 10, &g, &e));
    before = g;
    CHECK_STR(str_of(override(A, "{}", &g, &e)), STR_LIT(""));
    CHECK(memcmp(&before, &g, sizeof g) == 0);
    CHECK_STR(str_of(override(A,
                              "{\"num_beams\":2,\"max_new_tokens\":5,\"early_stopping\":true,\"length_"
                              "penalty\":0.5,\"use_cache\":true,\"do_sample\":false}",
                              &g, &e)),
              STR_LIT(""));
    CHECK(g.num_beams == 2 && g.max_new_tokens == 5 && g.early_stopping == STOP_TRUE &&
          g.length_penalty == 0.5 && g.max_length == 64 && g.n_bad_words == 1);
    CHECK_STR(str_of(override(A,
                              "{\"bad_words_ids\":null,\"forced_eos_token_id\":null,\"num_beams\":null,\"max_"
                              "length\":null,\"temperature\":null,\"length_penalty\":null}",
                              &g, &e)),
              STR_LIT(""));
    CHECK(g.n_bad_words == 0 && g.forced_eos.n == 0 && g.num_beams == 1 && g.max_length == 20 &&
          !g.max_length_given && g.length_penalty == 1 && g.eos.n == 1);
    before = g;
    CHECK_HAS(override(A, "{\"num_beam\":2}", &g, &e),
              "generate() has no argument 'num_beam'; did you mean 'num_beams'?");
    CHECK_HAS(override(A, "{\"xyzzy\":2}", &g, &e), "no argument 'xyzzy'");
    CHECK_HAS(override(A, "{\"temperature\":0.7}", &g, &e),
              "temperature only acts when sampling; \"do_sample\": true asks for that");
    CHECK_HAS(override(A, "{\"do_sample\":true,\"num_beams\":2,\"num_return_sequences\":3}", &g, &e),
              "it must be at most num_beams, 2");
    CHECK_HAS(override(A, "{\"num_beam_groups\":2}", &g, &e), "num_beam_groups is not supported");
    CHECK_HAS(override(A, "{\"num_return_sequences\":2}", &g, &e), "it must be at most num_beams, 1");
    CHECK_HAS(override(A, "{\"num_beams\":1.5}", &g, &e), "generation arguments: num_beams is 1.5");
    CHECK_HAS(override(A, "{\"use_cache\":3}", &g, &e), "use_cache is 3");
    CHECK_HAS(override(A, "[]", &g, &e), "they must be a JSON object");
    CHECK(memcmp(&before, &g, sizeof g) == 0); // an error changes nothing
    CHECK_STR(str_of(override(A, "{\"num_return_sequences\":3,\"num_beams\":3}", &g, &e)), STR_LIT(""));
}

// ---------------------------------------------------------------------------------------------------- without a mind

static bool loads(Arena *A, Str text, Err *e)
{
    Arena *a = arena_create(A);
    *e = (Err){0};
    GenConfig g = {0};
    const Json *j = json_parse(a, text, "config.json", e);
    Config c = {.json = j, .path = "config.json", .e = e};
    bool ok = j && j->kind == J_OBJECT && gen_config_load(a, "build/no_such_folder", &c, NULL, 1211, &g, e);
    if (j && j->kind == J_OBJECT && ok == e->set) FAIL("result and error disagree: %s", e->text);
    arena_free(a);
    return ok;
}

TEST(truncated_and_flipped_settings)
{
    static const char *const files[] = {"config.json", "generation_config.json"};
    Err e = {0};
    long flips = 0;
    for (int i = 0; i < 2; i++) {
        Str text;
        CHECK(file_read(A, arena_printf(A, MODELS "marian-en-nl/%s", files[i]), 1 << 20, &text, &e));
        while (text.n && text.s[text.n - 1] != '}') text.n--;
        CHECK(loads(A, text, &e));
        for (size_t n = 0; n < text.n; n++)
            if (loads(A, (Str){text.s, n}, &e)) FAIL("%s: the first %zu bytes load", files[i], n);
        Str copy = str_copy(A, text);
        for (size_t bit = 0; bit < 8 * text.n; bit++, flips++) {
            char *c = (char *)(uintptr_t)copy.s + bit / 8;
            *c = (char)(*c ^ 1 << bit % 8);
            loads(A, copy, &e);
            *c = (char)(*c ^ 1 << bit % 8);
        }
    }
    test_count(flips);
}

static bool open_both(Arena *a, void *folder, Err *e)
{
    Config c;
    GenConfig g;
    return config_open(a, folder, "config.json", &c, e) &&
           gen_config_load(a, folder, &c, NULL, 1211, &g, e) && g.num_beams == 4;
}

TEST(every_fault_while_reading_settings)
{
    char folder[] = MODELS "marian-en-nl";
    test_every_fault(A, FAULT_ALLOC, open_both, folder);
    test_every_fault(A, FAULT_IO, open_both, folder);
    test_every_fault(A, FAULT_SHORT, open_both, folder);
}
