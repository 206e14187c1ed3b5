// SPDX-License-Identifier: Apache-2.0
// t_families.c — the program with BART and its kin: languages by code or name, tags that stay where they belong; folders
// that are stored or spelt otherwise, damaged, or of kin that are not read.
#include "cli.h"
#include "copies.h"

#include "../nn/nn.h"
#include "../tok/tok.h"

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

// Names with a script, parts of names, codes of other scripts.
TEST(families_language_names)
{
    static const struct {
        const char *model, *name, *says; // the code, or a part of the sentence
    } cases[] = {{NLLB, "Simplified Chinese", "zho_Hans"},
                 {NLLB, "chinese (traditional)", "zho_Hant"},
                 {NLLB, "Chinese (Hans)", "zho_Hans"},
                 {NLLB, "zh_CN", "zho_Hans"},
                 {NLLB, "zh-TW", "zho_Hant"},
                 {NLLB, "zh", "may be zho_Hans (Chinese, simplified), zho_Hant (Chinese, traditional): say"},
                 {NLLB, "Arabic", "arb_Arab"},
                 {NLLB, "Haitian", "hat_Latn"},
                 {NLLB, "Norwegian", "nno_Latn (Norwegian Nynorsk), nob_Latn (Norwegian Bokmal)"},
                 {NLLB, "srp_Latn", "is none of this model's 202 languages; near are srp_Cyrl (Serbian)"},
                 {NLLB, "Cyrillic Serbian", "srp_Cyrl"},
                 {MBART, "Simplified Chinese", "zh_CN"},
                 {MBART, "zho_Hant", "is none of this model's 52 languages; near are zh_CN"},
                 {"test/golden/models/odd-m2m100", "Simplified Chinese", "__zh__"},
                 {"test/golden/models/odd-m2m100", "zho_Hant", "__zh__"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Run r = RUN("tokenize", "-m", cases[i].model, "--src_lang", cases[i].name, "-i", "a");
        bool code = !strchr(cases[i].says, ' ');
        CHECK_INT(r.code, !code);
        CHECK_HAS(code ? r.out : r.err, cases[i].says);
    }
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

// Of a family: a model and what it is asked.
static const struct Kin {
    const char *model, *from, *to; // languages; NULL: none
    const char *table;             // the name that its one table is stored under
} kin[] = {
    {"odd-bart", NULL, NULL, "model.shared.weight"},    {"odd-mbart50", "en", "nl", "model.shared.weight"},
    {"odd-m2m100", "en", "nl", "model.shared.weight"},  {"odd-nllb", "en", "nl", "model.shared.weight"},
    {"odd-pegasus", NULL, NULL, "model.shared.weight"}, {"odd-umt5", NULL, NULL, "shared.weight"}};
enum { KIN = sizeof kin / sizeof *kin };

static const char *heatmap(Arena *A, const char *folder, const struct Kin *k)
{
    const char *words[24] = {"attribute",
                             "-m",
                             folder,
                             "-a",
                             "input_x_gradient",
                             "--attribute_target",
                             "--step_scores",
                             "logit",
                             "-i",
                             TEXT,
                             "-g",
                             INTO,
                             "--plain",
                             "-q"};
    if (k->from) words[14] = "--src_lang", words[15] = k->from, words[16] = "--tgt_lang", words[17] = k->to;
    Run r = run_with(A, &(Setup){0}, words);
    check_ran(folder, r);
    return r.out;
}

// A weight is a constant: half precision, in any file, gives what its numbers give as float32.
TEST(families_stored)
{
    static const char *const types[] = {"F16", "BF16"};
    for (size_t i = 0; i < 2 * KIN; i++) {
        const struct Kin *k = &kin[i / 2];
        const char *folder = copy_folder(A, k->model, NULL, 0), *type = types[i % 2];
        copy_weights(A, folder, (Storing){.type = type, .back = true});
        Str want = str_of(heatmap(A, folder, k));
        const Storing forms[] = {{.type = type},
                                 {.type = type, .shards = 3},
                                 {.type = type, .bin = true},
                                 {.type = type, .bin = true, .legacy = true},
                                 {.type = type, .bin = true, .shards = 2}};
        for (size_t f = 0; f < (i % 2 ? 1 : sizeof forms / sizeof *forms); f++) {
            folder = copy_folder(A, k->model, NULL, 0);
            copy_weights(A, folder, forms[f]);
            CHECK_STR(str_of(heatmap(A, folder, k)), want);
        }
        CHECK(!str_eq(want, str_of(heatmap(A, copy_folder(A, k->model, NULL, 0), k))));
    }
}

// One table under any of its names, names without "model.", no bias where it is zeros, tables that are computed.
TEST(families_spelt)
{
    static const char *const table[] = {"shared.weight", "lm_head.weight", "decoder.embed_tokens.weight",
                                        "encoder.embed_tokens.weight"};
    for (size_t i = 0; i < KIN; i++) {
        const struct Kin *k = &kin[i];
        bool umt5 = strstr(k->model, "umt5") != NULL; // which has two
        const char *folder = copy_folder(A, k->model, NULL, 0);
        copy_weights(A, folder, (Storing){.leave = {"final_logits_bias"}});
        Str want = str_of(heatmap(A, folder, k));
        for (size_t t = 0; t < 4; t++) {
            const char *name = t == 1 || umt5 ? table[t] : arena_printf(A, "model.%s", table[t]);
            if (umt5 && t == 1) continue;
            for (int bare = 0; bare <= (t % 3 == 0); bare++) {
                folder = copy_folder(A, k->model, NULL, 0);
                copy_weights(A, folder,
                             (Storing){.leave = {"final_logits_bias", "embed_positions.weights",
                                                 "embed_tokens", umt5 ? NULL : "lm_head"},
                                       .from = k->table,
                                       .to = name,
                                       .bare = bare});
                CHECK_STR(str_of(heatmap(A, folder, k)), want);
            }
        }
    }
}

// Pegasus' files hold the sinusoids. As float32 they are those that are computed; as half precision they count as stored.
TEST(families_stored_sinusoids)
{
    const struct Kin *k = &kin[4];
    const char *whole = copy_folder(A, k->model, NULL, 0), *none = copy_folder(A, k->model, NULL, 0),
               *half = copy_folder(A, k->model, NULL, 0), *half_none = copy_folder(A, k->model, NULL, 0);
    copy_weights(A, none, (Storing){.leave = {"embed_positions"}});
    copy_weights(A, half, (Storing){.type = "BF16"});
    copy_weights(A, half_none, (Storing){.type = "BF16", .leave = {"embed_positions"}});
    CHECK_STR(str_of(heatmap(A, none, k)), str_of(heatmap(A, whole, k)));
    CHECK(strcmp(heatmap(A, half, k), heatmap(A, half_none, k)));
    copy_weights(A, none, (Storing){0});
    const char *one = copy_folder(A, k->model, NULL, 0); // of one side alone
    copy_weights(A, one, (Storing){.leave = {"encoder.embed_positions"}});
    CHECK_STR(str_of(heatmap(A, one, k)), str_of(heatmap(A, whole, k)));
    const char *short_ =
        COPY(k->model, {"config.json", "\"max_position_embeddings\": 72", "\"max_position_embeddings\": 70"});
    check_refused("rows", RUN("info", "-m", short_), 1, "has 72 rows; max_position_embeddings 70");
}

// Without generation_config.json only what config.json says counts; its class's forced_eos_token_id does not.
TEST(families_no_forced_end)
{
    const char *forced = "\"forced_eos_token_id\": 2,";
    const char *folder =
        COPY("odd-bart", {"generation_config.json", NULL, NULL}, {"config.json", forced, ""});
    const char *plain = COPY("odd-bart", {"generation_config.json", NULL, NULL});
    Run r = RUN("generate", "-m", folder, "-i", TEXT, "--max_new_tokens", "5", "--json");
    check_ran("generate", r);
    CHECK(!strstr(r.out, ",2]"));
    CHECK_HAS(RUN("generate", "-m", plain, "-i", TEXT, "--max_new_tokens", "5", "--json").out, ",2]");
}

// A tokenizer.json of NLLB without rules for characters: spaces stay as they are, as in transformers.
TEST(families_nllb_without_rules)
{
    const char *json = slurp(A, NLLB "/tokenizer.json", NULL);
    const Json *top = json_parse(A, str_of(json), "json", NULL);
    const Json *rules = json_get(json_get(top, "normalizer"), "normalizers")->child;
    CHECK_STR(json_get(rules, "type")->text, STR_LIT("Precompiled"));
    Str map = json_get(rules, "precompiled_charsmap")->text;
    const char *at = memmem(json, strlen(json), map.s, map.n), *from = at, *to = at + map.n;
    if (!at) return FAIL("no rules in the file");
    while (*from != '{') from--;
    while (*to != '{') to++; // the next one
    Buf b = {.arena = A};
    buf_put(&b, json, (size_t)(from - json)), buf_str(&b, str_of(to));
    const char *folder = COPY("odd-nllb", {"tokenizer.json", NULL, b.s});
    CHECK_HAS(RUN("tokenize", "-m", folder, "--tgt_lang", "nl", "-i", "a  b").out, " 231:");
    CHECK(!strstr(RUN("tokenize", "-m", NLLB, "--tgt_lang", "nl", "-i", "a  b").out, " 231:"));
}

// Saved without tokenizer.json: SentencePiece's model, and the languages in special_tokens_map.json.
TEST(families_nllb_without_json)
{
    static const char *const texts[] = {"It is raining cats and dogs today.",
                                        " two  spaces <mask> \xEF\xAC\x81 \xC2\xBD na\xC3\xAFve",
                                        "zul_Latn a</s>b <pad> \xE3\x81\x82"};
    const char *folder = COPY("odd-nllb", {"tokenizer.json", NULL, NULL}), *map = "special_tokens_map.json";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Run r = RUN("tokenize", "-m", folder, "--tgt_lang", "nl", "-i", texts[i], "--json");
        check_ran(texts[i], r);
        CHECK_STR(str_of(r.out),
                  str_of(RUN("tokenize", "-m", NLLB, "--tgt_lang", "nl", "-i", texts[i], "--json").out));
    }
    folder = COPY("odd-nllb", {"tokenizer.json", NULL, NULL}, {map, NULL, NULL});
    check_refused("no languages", RUN("info", "-m", folder), 1, "the languages of NLLB are in none of");
    folder = COPY("odd-nllb", {"tokenizer.json", NULL, NULL}, {"sentencepiece.bpe.model", NULL, NULL});
    check_refused("no model", RUN("info", "-m", folder), 1, "tokenizer.json");
    size_t n;
    const char *unigram = slurp(A, MBART "/sentencepiece.bpe.model", &n);
    folder = COPY("odd-nllb", {"tokenizer.json", NULL, NULL});
    kit_write(folder, "sentencepiece.bpe.model", (Str){unigram, n});
    check_refused("another model", RUN("info", "-m", folder), 1, "not a BPE model, as NLLB's is");
    for (size_t i = 0; i < 2; i++) {
        const char *file = i ? "vocab.json" : "sentencepiece.bpe.model";
        folder = COPY("odd-m2m100", {file, NULL, NULL});
        check_refused(file, RUN("attribute", "-m", folder, "-i", TEXT, "--tgt_lang", "nl"), 1, file);
    }
}

// Old NLLB puts the language behind whole texts; what is written begins with it all the same.
TEST(families_legacy_order)
{
    const char *folder =
        COPY("odd-nllb", {"tokenizer_config.json", "\"src_lang\": null", "\"legacy_behaviour\": true"});
    const char *first = "\"ids\":[2,427,";
    Run tags = RUN("tokenize", "-m", folder, "--src_lang", "en", "--tgt_lang", "nl", "-i", "De");
    CHECK_HAS(tags.out, "2:</s> 347:eng_Latn");
    for (int legacy = 0; legacy < 2; legacy++) {
        Run r = RUN("generate", "-m", legacy ? folder : NLLB, "-i", TEXT, "-g", "De", "--tgt_lang", "nl",
                    "--max_new_tokens", "3", "--json", "-q");
        check_ran("a beginning", r);
        CHECK_HAS(r.out, first);
    }
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
                "activation_function is \"gulu\""}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_refused(bad[i].says,
                      RUN("info", "-m", COPY("odd-bart", {"config.json", bad[i].old, bad[i].fresh})), 1,
                      bad[i].says);
    check_refused("empty", RUN("attribute", "-m", BART, "-i", TEXT, "-g", " ", "-q"), 1,
                  "forced target is empty");
    Buf b = {.arena = A}; // beyond the table of positions
    for (int i = 0; i < 90; i++) buf_str(&b, STR_LIT("a "));
    check_refused("too long", RUN("attribute", "-m", BART, "-i", b.s, "-g", "b", "-q"), 1, "Split the text");
}

// What people take for one of ours: what it is, and what may serve instead.
TEST(families_other_kin)
{
    static const char *const others[][3] = {{"nllb-moe", "NLLB's mixture of experts", "m2m_100"},
                                            {"fsmt", "Moses", "marian"},
                                            {"led", "attends in windows", "bart"},
                                            {"bigbird_pegasus", "attends in blocks", "pegasus is read"},
                                            {"pegasus_x", "staggered blocks", "pegasus is read"},
                                            {"prophetnet", "several words at once", "bart"},
                                            {"xlm-prophetnet", "several words at once", "mbart"},
                                            {"longt5", "attends in windows", "t5 is read"},
                                            {"switch_transformers", "mixture of experts", "t5 is read"},
                                            {"t5gemma", "Gemma's layers", "t5"},
                                            {"t5gemma2", "Gemma's layers", "t5"},
                                            {"blenderbot", "norms before them", "bart"},
                                            {"blenderbot-small", "dialogue", "bart"},
                                            {"plbart", "for programs", "starcoder2"},
                                            {"mvp", "prompts before each layer", "bart is read"},
                                            {"rag", "retriever", "folder of its own"},
                                            {"encoder-decoder", "two models", "bart"},
                                            {"seamless_m4t", "speech and text", "NLLB-200"},
                                            {"seamless_m4t_v2", "speech and text", "NLLB-200"},
                                            {"speech_to_text", "for speech", "marian"},
                                            {"whisper", "for speech", "models of text"},
                                            {"vision-encoder-decoder", "for pictures", "models of text"},
                                            {"bert", "an encoder alone", "models that generate"},
                                            {"xlm-roberta", "an encoder alone", "models that generate"},
                                            {"deberta-v2", "an encoder alone", "models that generate"}};
    const char *folder = copy_folder(A, "odd-bart", NULL, 0), *old = "\"bart\"",
               *config = slurp(A, BART "/config.json", NULL), *at = strstr(config, old);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        kit_write(folder, "config.json",
                  str_of(arena_printf(A, "%.*s\"%s\"%s", (int)(at - config), config, others[i][0],
                                      at + strlen(old))));
        Run r = RUN("info", "-m", folder);
        check_refused(others[i][0], r, 1, others[i][1]);
        CHECK_HAS(r.err, "which is not done here");
        CHECK_HAS(r.err, others[i][2]);
    }
}

// Models of several families in one run: what other tokens make the same words of stands in one table of words, without the
// languages, which some have and others not.
TEST(families_side_by_side)
{
    static const char *const formats[] = {"--viz_path", "--svg"};
    const char *folder = kit_folder(A);
    const char *words[32] = {
        "attribute", "-m", MODEL, "-m", NLLB, "-m",         MBART, "-a",         "saliency", "--step_scores",
        "logit",     "-i", TEXT,  "-g", INTO, "--src_lang", "en",  "--tgt_lang", "nl",       "-q",
        "--plain"};
    Run r = run_with(A, &(Setup){0}, words);
    CHECK_INT(r.code, 0);
    const char *table = strstr(r.out, "logit by model, words");
    if (!table) return FAIL("no table of words:\n%s", r.out);
    CHECK_HAS(table, "De\tverpleger\tging\tnaar\thet\tziekenhuis.");
    CHECK_HAS(table, "odd-marian\t"), CHECK_HAS(table, "odd-nllb\t"), CHECK_HAS(table, "odd-mbart50\t");
    CHECK(!strstr(table, "nld_Latn") && !strstr(table, "</s>"));
    for (size_t f = 0; f < 2; f++) {
        const char *path = arena_printf(A, "%s/page", folder);
        words[20] = "--hide", words[21] = formats[f], words[22] = path;
        CHECK_INT(run_with(A, &(Setup){0}, words).code, 0);
        CHECK_HAS(slurp(A, path, NULL), "logit by model, words");
    }
    words[20] = "--granularity", words[21] = "word", words[22] = "--format", words[23] = "json";
    const char *json = run_with(A, &(Setup){0}, words).out;
    int found = 0;
    for (const char *at = json; (at = strstr(at, "\"verpleger\", \"ging\"")); at++) found++;
    CHECK_INT(found, 3);
    words[22] = "--csv", words[23] = arena_printf(A, "%s/table.csv", folder);
    CHECK_INT(run_with(A, &(Setup){0}, words).code, 0);
    CHECK_HAS(slurp(A, words[23], NULL), ",verpleger,");
}

// ------------------------------------------------------------------------------------------ faults

static bool open_model(Arena *a, void *folder, Err *e)
{
    return nn_open(a, folder, (NnOptions){0}, e) != NULL;
}

static bool use_tokenizer(Arena *a, void *folder, Err *e)
{
    Encoding x;
    Str out;
    Tokenizer *t = tok_open(a, folder, e);
    const int32_t *ids;
    bool many = t && tok_languages(t, &ids);
    return t && (!many || tok_set_language(a, t, TOK_TARGET, STR_LIT("Dutch"), e)) &&
           tok_encode(a, t, STR_LIT("a <mask> </s>x  \xE3\x81\x93 nl_XX"), (TokOptions){.side = TOK_TARGET},
                      &x, e) &&
           tok_decode(a, t, x.ids, x.n, (TokDecode){0}, &out, e);
}

TEST(families_faults)
{
    for (size_t i = 0; i < KIN; i++) {
        char *folder = arena_printf(A, "test/golden/models/%s", kin[i].model);
        for (int kind = 0; kind < FAULT_KINDS; kind++) {
            test_every_fault(A, (FaultKind)kind, open_model, folder);
            test_every_fault(A, (FaultKind)kind, use_tokenizer, folder);
        }
    }
    const char *folder = COPY("odd-nllb", {"tokenizer.json", NULL, NULL});
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        test_every_fault(A, (FaultKind)kind, use_tokenizer, (char *)folder);
}
