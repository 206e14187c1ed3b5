// SPDX-License-Identifier: Apache-2.0
// t_families.c — the program with multilingual models: languages by code or name, what is refused, tags that stay where
// they belong; and folders of BART and its kin that are damaged.
#include "cli.h"

#define NLLB  "test/golden/models/odd-nllb"
#define MBART "test/golden/models/odd-mbart50"
#define BART  "test/golden/models/odd-bart"

// A name, a code and another's code are the same run.
TEST(families_languages)
{
    static const char *const names[] = {"dutch", "nl", "nld_Latn", "nl_XX", "NLD-LATN"};
    Run first = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Run r = RUN("attribute", "-m", NLLB, "-i", TEXT, "-g", INTO, "--src_lang", "en", "--tgt_lang",
                    names[i], "--format", "json");
        check_ran(names[i], r);
        if (!i) first = r;
        else CHECK_STR(str_of(r.out), str_of(first.out));
    }
    Run r = RUN("attribute", "-m", NLLB, "-i", TEXT, "-g", INTO, "--tokenizer_kwargs",
                "{\"src_lang\": \"eng_Latn\", \"tgt_lang\": \"nld_Latn\"}", "--format", "json");
    check_ran("--tokenizer_kwargs", r);
    CHECK_STR(str_of(r.out), str_of(first.out));
    check_refused("an unknown one", RUN("attribute", "-m", NLLB, "-i", TEXT, "--tgt_lang", "klingon"), 1,
                  "--tgt_lang: \"klingon\" is none of this model's 202 languages; near are");
    check_refused("none", RUN("attribute", "-m", NLLB, "-i", TEXT, "-q"), 1,
                  "writes 202 languages: --tgt_lang says which");
    check_refused("another argument",
                  RUN("attribute", "-m", NLLB, "-i", TEXT, "--tokenizer_kwargs", "{\"legacy\": true}"), 2,
                  "--tokenizer_kwargs: \"legacy\" is not supported");
    CHECK_HAS(RUN("info", "-m", MBART).out, "nl_XX (Dutch)");
    CHECK_HAS(RUN("info", "-m", NLLB, "--json").out, "\"language_codes\":[\"ace_Arab\"");
    CHECK_HAS(RUN("attribute", "-m", BART, "-i", TEXT, "--tgt_lang", "nl", "--plain").err,
              "has no languages to choose from");
}

// The target's tag: forced when generating, before a beginning, and kept without special tokens. A forced_bos_token_id
// that is a language's names the target's.
TEST(families_tags)
{
    const char *forced = RUN("attribute", "-m", NLLB, "-i", TEXT, "-g", INTO, "--src_lang", "en",
                             "--tgt_lang", "nl", "--plain", "-q")
                             .out;
    CHECK_HAS(forced, "nld_Latn");
    CHECK_STR(str_of(RUN("attribute", "-m", NLLB, "-i", TEXT, "-g", INTO, "--generation_kwargs",
                         "{\"forced_bos_token_id\": 427}", "--plain", "-q")
                         .out),
              str_of(forced));
    CHECK_HAS(
        RUN("attribute", "-m", NLLB, "-i", TEXT, "--tgt_lang", "nl", "--plain", "-q", "--max_new_tokens", "3")
            .out,
        "\t\tnld_Latn\t");
    CHECK_HAS(RUN("attribute", "-m", NLLB, "-i", TEXT, "-g", "De", "--generate_from_target_prefix",
                  "--tgt_lang", "nl", "--plain", "-q", "--max_new_tokens", "5")
                  .out,
              "nld_Latn");
    CHECK_HAS(RUN("attribute", "-m", NLLB, "-i", TEXT, "-g", INTO, "--tgt_lang", "nl", "--plain", "-q",
                  "--attribution_kwargs", "{\"skip_special_tokens\": true}")
                  .out,
              "nld_Latn");
}

static const char *with_config(Arena *A, const char *model, const char *old, const char *fresh)
{
    static const char *const files[] = {"model.safetensors", "vocab.json", "merges.txt",
                                        "generation_config.json"};
    const char *folder = kit_folder(A);
    size_t n;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = arena_printf(A, "%s/%s", model, files[i]), *bytes = slurp(A, path, &n);
        kit_write(folder, files[i], (Str){bytes, n});
    }
    const char *config = slurp(A, arena_printf(A, "%s/config.json", model), &n), *at = strstr(config, old);
    if (!at) return FAIL("no %s in %s", old, model), folder;
    kit_write(folder, "config.json",
              str_of(arena_printf(A, "%.*s%s%s", (int)(at - config), config, fresh, at + strlen(old))));
    return folder;
}

TEST(families_refused)
{
    static const struct {
        const char *old, *fresh, *says;
    } bad[] = {{"\"max_position_embeddings\": 80", "\"max_position_embeddings\": 81",
                "has 82 rows; max_position_embeddings 81"},
               {"\"encoder_attention_heads\": 3", "\"encoder_attention_heads\": 5",
                "d_model 24 is not a multiple of the 5"},
               {"\"vocab_size\": 420", "\"vocab_size\": 421", "calls for [421, 24]"},
               {"\"activation_function\": \"gelu\"", "\"activation_function\": \"gulu\"",
                "activation_function is \"gulu\""},
               {"\"model_type\": \"bart\"", "\"model_type\": \"nllb-moe\"", "NLLB's mixture of experts"},
               {"\"model_type\": \"bart\"", "\"model_type\": \"fsmt\"", "the wmt19 models"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(bad[i].says, RUN("info", "-m", with_config(A, BART, bad[i].old, bad[i].fresh)), 1,
                      bad[i].says);
    check_refused("empty", RUN("attribute", "-m", BART, "-i", TEXT, "-g", " ", "-q"), 1,
                  "forced target is empty");
    Buf b = {.arena = A}; // beyond the table of positions
    for (int i = 0; i < 90; i++) buf_str(&b, STR_LIT("a "));
    check_refused("too long", RUN("attribute", "-m", BART, "-i", b.s, "-g", "b", "-q"), 1, "Split the text");
}
