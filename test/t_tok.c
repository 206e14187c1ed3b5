// SPDX-License-Identifier: Apache-2.0
// t_tok.c — tokenizers: every recorded line of the real libraries, refusals, damaged models, hostile texts,
// faults.
//
// test/golden/tokenizers holds what sentencepiece 0.2.3 and transformers 5.23 make of some 20 000 lines;
// tok_jsonl must write each of them byte for byte. test/golden/cases/encode is the same for the golden
// checkpoints.
#include "../tok/kind.h"
#include "kit.h"

#include <float.h>

#define CASES        "test/golden/tokenizers/cases/"
#define MODELS       "test/golden/tokenizers/models/"
#define TINY         MODELS "trained/char_user.model" // 5 kB, with byte pieces and user-defined ones
#define TINY_UNIGRAM MODELS "marian-mini-sep/source.spm"
#define TINY_RULES   MODELS "trained/uni_rules.model"

static Str slurp(Arena *A, const char *path)
{
    Err e = {0};
    Str s = {"", 0};
    if (!file_read(A, path, 1 << 28, &s, &e)) FAIL("%s", e.text);
    return s;
}

static const Json *slurp_json(Arena *A, const char *path)
{
    Err e = {0};
    const Json *j = json_parse(A, slurp(A, path), path, &e);
    if (!j) FAIL("%s", e.text);
    return j;
}

// Each line through the filter; returns how many there were.
static long walk_lines(Arena *A, const char *path, const Sentencepiece *sp, const Tokenizer *t)
{
    Str file = slurp(A, path);
    Arena *scratch = arena_create(A);
    long lines = 0, wrong = 0;
    for (size_t i = 0, n; i < file.n; i += n + 1, lines++) {
        const char *end = memchr(file.s + i, '\n', file.n - i);
        n = end ? (size_t)(end - file.s) - i : file.n - i;
        Str line = {file.s + i, n};
        Buf out = {.arena = scratch};
        Err e = {0};
        bool ok = tok_jsonl(scratch, sp, t, line, &out, &e);
        if (!ok || !str_eq(buf_view(&out), line)) {
            if (wrong++ < 2)
                FAIL("%s line %ld:\n  expected %.*s\n  got      %.*s\n  %s", path, lines + 1,
                     (int)(n < 600 ? n : 600), line.s, (int)(out.n < 600 ? out.n : 600), out.s, e.text);
        } else test_count(1);
        arena_reset(scratch);
    }
    arena_free(scratch);
    if (wrong) FAIL("%s: %ld of %ld lines differ", path, wrong, lines);
    return lines;
}

TEST(sentencepiece_cases)
{
    const Json *models = slurp_json(A, CASES "models.json");
    long lines = 0, n = 0;
    for (const Json *m = models ? models->child : NULL; m; m = m->next, n++) {
        Arena *a = arena_create(A);
        Err e = {0};
        const char *name = str_zero(a, m->key),
                   *path = arena_printf(a, MODELS "%s", str_zero(a, json_get(m, "path")->text));
        const Sentencepiece *sp = sp_open(a, path, &e);
        if (!sp) FAIL("%s", e.text);
        else {
            CHECK_INT(sp_size(sp), json_get(m, "pieces")->i);
            lines += walk_lines(a, arena_printf(a, CASES "spm/%s.jsonl", name), sp, NULL);
            lines += walk_lines(a, arena_printf(a, CASES "spm/%s.decode.jsonl", name), sp, NULL);
        }
        arena_free(a);
    }
    CHECK_INT(n, 39);
    CHECK_INT(lines, 16031);
}

static void check_folder(const Tokenizer *t, const Json *f)
{
    CHECK_STR(str_of(tok_class(t)), json_get(f, "class")->text);
    CHECK_INT(tok_size(t), json_get(f, "len")->i);
    for (const Json *s = json_get(f, "special_ids")->child; s; s = s->next) {
        CHECK_INT(tok_id(t, s->key), s->i);
        CHECK_STR(tok_string(t, (int32_t)s->i), s->key);
        CHECK(tok_is_special(t, (int32_t)s->i));
    }
}

TEST(folder_cases)
{
    const Json *folders = slurp_json(A, CASES "hf_tokenizers.json");
    long lines = 0, n = 0;
    for (const Json *f = folders ? folders->child : NULL; f; f = f->next, n++) {
        Arena *a = arena_create(A);
        Err e = {0};
        const char *name = str_zero(a, f->key);
        const Tokenizer *t = tok_open(a, arena_printf(a, MODELS "%s", name), &e);
        if (!t) FAIL("%s", e.text);
        else {
            check_folder(t, f);
            lines += walk_lines(a, arena_printf(a, CASES "hf/%s.jsonl", name), NULL, t);
            lines += walk_lines(a, arena_printf(a, CASES "hf/%s.decode.jsonl", name), NULL, t);
        }
        arena_free(a);
    }
    CHECK_INT(lines, 9 * 511 + 10 * 403);
    CHECK_INT(n, 19);
}

// BART, mBART, NLLB, M2M-100, Pegasus, UMT5, mT5; lines of multilingual ones name their languages.
TEST(family_cases)
{
    const Json *folders = slurp_json(A, CASES "families/families.json");
    long lines = 0, n = 0;
    for (const Json *f = folders ? folders->child : NULL; f; f = f->next, n++) {
        Arena *a = arena_create(A);
        Err e = {0};
        const char *name = str_zero(a, f->key), *folder = arena_printf(a, MODELS "%s", name);
        if (str_is(f->key, "pegasus-bigbird")) { // another vocabulary under another setting
            folder = kit_folder(a);
            kit_write(folder, "spiece.model", slurp(a, MODELS "spm/pegasus.model"));
            kit_write(folder, "tokenizer_config.json",
                      STR_LIT("{\"offset\": 0, \"tokenizer_class\": \"PegasusTokenizer\"}"));
        }
        const Tokenizer *t = tok_open(a, folder, &e);
        if (!t) FAIL("%s", e.text);
        else {
            check_folder(t, f);
            lines += walk_lines(a, arena_printf(a, CASES "families/%s.jsonl", name), NULL, t);
            lines += walk_lines(a, arena_printf(a, CASES "families/%s.decode.jsonl", name), NULL, t);
        }
        arena_free(a);
    }
    CHECK_INT(lines, 3629 + 11 * 35);
    CHECK_INT(n, 11);
}

// Every language has a name, and its code, another's code and its name all mean it.
TEST(languages_named)
{
    static const struct {
        const char *folder, *word, *says; // says: the code it means, or a part of the refusal
    } cases[] = {{"mbart50-mini", "Dutch", "nl_XX"},
                 {"mbart50-mini", "nl", "nl_XX"},
                 {"mbart50-mini", "NLD-latn", "nl_XX"},
                 {"mbart50-mini", "__nl__", "nl_XX"},
                 {"mbart50-mini", "zh", "zh_CN"},
                 {"nllb-mini", "dutch", "nld_Latn"},
                 {"nllb-mini", "nl_XX", "nld_Latn"},
                 {"nllb-mini", "nld_latn", "nld_Latn"},
                 {"nllb-mini", "Arabic", "arb_Arab"},
                 {"nllb-mini", "zho_Hans", "zho_Hans"},
                 {"m2m100-mini", "Dutch", "nl"},
                 {"m2m100-mini", "nld_Latn", "nl"},
                 {"m2m100-mini", "__nl__", "nl"},
                 {"m2m100-mini", "no", "no"},
                 {"nllb-mini", "Chinese", "\"Chinese\" may be zho_Hans (Chinese), zho_Hant (Chinese)"},
                 {"nllb-mini", "klingon", "\"klingon\" is none of this model's 202 languages; near are "},
                 {"nllb-mini", "Duch", "nld_Latn (Dutch)"},
                 {"mbart50-mini", "", "is none of"},
                 {"mbart-mini", "Polish", "is none of this model's 25 languages"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        Tokenizer *t = tok_open(A, arena_printf(A, MODELS "%s", cases[i].folder), &e);
        if (!t) {
            FAIL("%s", e.text);
            continue;
        }
        const int32_t *ids;
        for (size_t k = 0, n = tok_languages(t, &ids); k < n; k++)
            CHECK(tok_language_name(t, ids[k]) != NULL);
        if (tok_set_language(A, t, TOK_TARGET, str_of(cases[i].word), &e))
            CHECK_STR(tok_language_code(t, tok_language(t, TOK_TARGET)), str_of(cases[i].says));
        else CHECK_HAS(e.text, cases[i].says);
    }
}

// The same folders under other settings of tokenizer_config.json: stripping added tokens, other special
// tokens, no prefix, cleaning up by default ... Each line of variants.jsonl has its files, its config and
// recorded lines.
TEST(folder_variants)
{
    Str file = slurp(A, CASES "variants.jsonl");
    int variants = 0;
    for (size_t at = 0, n; at < file.n; at += n + 1, variants++) {
        const char *end = memchr(file.s + at, '\n', file.n - at);
        n = end ? (size_t)(end - file.s) - at : file.n - at;
        Err e = {0};
        Arena *a = arena_create(A);
        const Json *v = json_parse(a, (Str){file.s + at, n}, "variants.jsonl", &e);
        const char *folder = kit_folder(a);
        for (const Json *f = v ? json_get(v, "files")->child : NULL; f; f = f->next) {
            const char *name = str_zero(a, f->text), *base = str_zero(a, json_get(v, "base")->text);
            kit_write(folder, name, slurp(a, arena_printf(a, "%s/%s", base, name)));
        }
        if (v) kit_write(folder, "tokenizer_config.json", json_get(v, "config")->text);
        const Tokenizer *t = v ? tok_open(a, folder, &e) : NULL;
        if (!t) FAIL("%s", e.text);
        for (const Json *l = t ? json_get(v, "lines")->child : NULL; l; l = l->next) {
            Buf out = {.arena = a};
            if (!tok_jsonl(a, NULL, t, l->text, &out, &e)) FAIL("%s", e.text);
            if (!str_eq(buf_view(&out), l->text))
                FAIL("%s:\n  expected %s\n  got      %s", str_zero(a, json_get(v, "name")->text),
                     str_zero(a, l->text), out.s);
            test_count(1);
        }
        arena_free(a);
    }
    CHECK_INT(variants, 22);
}

// -------------------------------------------------------------------------------------- golden checkpoints

static void check_side(Arena *A, const Tokenizer *t, Str text, const Json *want, TokSide side)
{
    Encoding got;
    Err e = {0};
    Str decoded = {0}, all = {0};
    if (!want) return;
    if (!tok_encode(A, t, text, (TokOptions){.side = side}, &got, &e)) FAIL("%s", e.text);
    CHECK_INT(got.n, json_get(want, "ids")->count);
    size_t i = 0;
    for (const Json *j = json_get(want, "ids")->child; j && i < got.n; j = j->next, i++)
        CHECK_INT(got.ids[i], j->i);
    i = 0;
    for (const Json *j = json_get(want, "tokens")->child; j && i < got.n; j = j->next, i++)
        CHECK_STR(got.token[i], j->text);
    if (!tok_decode(A, t, got.ids, got.n, (TokDecode){.skip_special = true, .cleanup = -1}, &decoded, &e) ||
        !tok_decode(A, t, got.ids, got.n, (TokDecode){.cleanup = -1}, &all, &e))
        FAIL("%s", e.text);
    CHECK_STR(decoded, json_get(want, "decoded")->text);
    CHECK_STR(all, json_get(want, "decoded_all")->text);
}

TEST(golden_encode)
{
    static const char *const names[] = {
        "marian-en-nl",  "odd-marian",   "odd-t5",     "t5-v10-relu", "t5-yesno",    "t5-yesno-mini",
        "t5-yesno-tiny", "gpt2-tiny",    "llama-tiny", "bloom-tiny",  "gemma2-tiny", "gpt_neox-tiny",
        "llama3-tiny",   "mistral-tiny", "opt-tiny",   "qwen2-tiny",  "qwen3-tiny",  "odd-bart",
        "odd-mbart50",   "odd-nllb",     "odd-m2m100", "odd-pegasus", "odd-umt5"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Err e = {0};
        const Json *top = slurp_json(A, arena_printf(A, "test/golden/cases/encode/%s.json", names[i]));
        Tokenizer *t = tok_open(A, arena_printf(A, "test/golden/models/%s", names[i]), &e);
        if (!t || !top) {
            FAIL("%s", e.text);
            continue;
        }
        for (const Json *row = json_get(top, "rows")->child; row; row = row->next) {
            Str text = json_get(row, "text")->text;
            const Json *from = json_get(row, "src_lang"), *to = json_get(row, "tgt_lang");
            if (from) CHECK(tok_set_language(A, t, TOK_SOURCE, from->text, &e));
            if (to) CHECK(tok_set_language(A, t, TOK_TARGET, to->text, &e));
            check_side(A, t, text, json_get(row, "source"), TOK_SOURCE);
            check_side(A, t, text, json_get(row, "target"), TOK_TARGET);
        }
    }
}

// A folder with only tokenizer.json gives what spiece.model gives.
TEST(t5_tokenizer_json)
{
    const char *folder = kit_folder(A), *real = "test/golden/models/t5-v10-relu";
    Err e = {0};
    kit_write(folder, "tokenizer.json", slurp(A, arena_printf(A, "%s/tokenizer.json", real)));
    kit_write(folder, "tokenizer_config.json", slurp(A, arena_printf(A, "%s/tokenizer_config.json", real)));
    const Tokenizer *x = tok_open(A, real, &e), *y = tok_open(A, folder, &e);
    if (!x || !y) {
        FAIL("%s", e.text);
        return;
    }
    CHECK_INT(tok_size(x), tok_size(y));
    Str file = slurp(A, CASES "hf/t5.jsonl");
    for (size_t i = 0, n; i < file.n; i += n + 1) {
        const char *end = memchr(file.s + i, '\n', file.n - i);
        n = end ? (size_t)(end - file.s) - i : file.n - i;
        const Json *line = json_parse(A, (Str){file.s + i, n}, "line", &e);
        Encoding p, q;
        CHECK(tok_encode(A, x, json_get(line, "text")->text, (TokOptions){0}, &p, &e));
        CHECK(tok_encode(A, y, json_get(line, "text")->text, (TokOptions){0}, &q, &e));
        CHECK(p.n == q.n && memcmp(p.ids, q.ids, p.n * sizeof *p.ids) == 0);
    }
}

TEST(options)
{
    Err e = {0};
    const Tokenizer *t = tok_open(A, MODELS "t5", &e), *m = tok_open(A, MODELS "marian-mini", &e);
    if (!t || !m) {
        FAIL("%s", e.text);
        return;
    }
    Encoding x;
    Str text = STR_LIT("a</s>b"), out;
    CHECK(tok_encode(A, t, text, (TokOptions){.plain = true}, &x, &e));
    CHECK(x.n > 1 && x.ids[x.n - 1] != 1);
    CHECK(tok_encode(A, t, text, (TokOptions){.keep_text = true}, &x, &e)); // typed, but not meant
    for (size_t i = 0; i + 1 < x.n; i++) CHECK(!tok_is_special(t, x.ids[i]) || x.ids[i] == tok_unk(t));
    CHECK_INT(x.ids[x.n - 1], 1);
    CHECK(tok_encode(A, m, text, (TokOptions){.keep_text = true, .plain = true}, &x, &e));
    for (size_t i = 0; i < x.n; i++) CHECK(!tok_is_special(m, x.ids[i]) || x.ids[i] == tok_unk(m));
    CHECK(!tok_encode(A, m, STR_LIT("ab\xFF"), (TokOptions){0}, &x, &e));
    CHECK_HAS(e.text, "text:+2: byte 0xFF is not UTF-8");
    e = (Err){0};
    CHECK(!tok_decode(A, m, (int32_t[]){5000}, 1, (TokDecode){0}, &out, &e));
    CHECK_HAS(e.text, "id 5000 is not in the vocabulary");
    e = (Err){0};
    CHECK(!tok_decode(A, t, (int32_t[]){-1}, 1, (TokDecode){0}, &out, &e));
    CHECK_HAS(e.text, "id -1 is not in the vocabulary");
    CHECK_INT(tok_max_length(t), 512);
    CHECK_INT(tok_pad(t), 0);
    CHECK_INT(tok_eos(t), 1);
    CHECK_INT(tok_bos(t), -1);
    CHECK_INT(tok_id(t, STR_LIT("no such token")), -1);
    CHECK_INT(tok_string(t, 32100).n, 0);
    CHECK_STR(str_of(tok_kind(m)), STR_LIT("marian"));
}

// mT5's folders name it so, or have no tokenizer_config.json and no spiece.model.
TEST(mt5_is_t5)
{
    static const struct {
        const char *file, *config, *model;
    } folders[] = {{"spiece.model", "{\"tokenizer_class\": \"MT5Tokenizer\"}", "{}"},
                   {"tokenizer.json", NULL, "{\"model_type\": \"mt5\"}"}};
    for (size_t i = 0; i < 2; i++) {
        const char *folder = kit_folder(A);
        kit_write(folder, folders[i].file,
                  slurp(A, arena_printf(A, "test/golden/models/odd-t5/%s", folders[i].file)));
        if (folders[i].config) kit_write(folder, "tokenizer_config.json", str_of(folders[i].config));
        kit_write(folder, "config.json", str_of(folders[i].model));
        Err e = {0};
        Tokenizer *t = tok_open(A, folder, &e);
        if (!t) FAIL("%s", e.text);
        else CHECK_STR(str_of(tok_class(t)), STR_LIT("T5Tokenizer"));
    }
}

// Merges against the plain way: again and again the pair of the smallest rank, the leftmost among equals.
TEST(merges)
{
    uint64_t seed = 11;
    for (int round = 0; round < 300; round++) {
        Merges m;
        int32_t rule[40][3];
        size_t n_rules = 1 + (size_t)round % 40, n = (size_t)round % 50;
        merges_init(A, &m, 40);
        for (size_t i = 0; i < n_rules; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            rule[i][0] = (int32_t)(seed >> 40) % (4 + (int32_t)i),
            rule[i][1] = (int32_t)(seed >> 33 & 63) % (4 + (int32_t)i);
            rule[i][2] = 4 + (int32_t)i; // each makes a new id, so no pair has two ranks that matter
            bool again = false;
            for (size_t k = 0; k < i; k++) again |= rule[k][0] == rule[i][0] && rule[k][1] == rule[i][1];
            if (again) rule[i][0] = rule[i][1] = -2;
            merges_add(&m, rule[i][0], rule[i][1], rule[i][2]);
        }
        int32_t ids[50], plain[50];
        for (size_t i = 0; i < n; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            ids[i] = plain[i] = (int32_t)(seed >> 60) & 3;
        }
        size_t want = n;
        for (size_t r = 0; r < n_rules;) {
            size_t i = 0;
            while (i + 1 < want && (plain[i] != rule[r][0] || plain[i + 1] != rule[r][1])) i++;
            if (i + 1 >= want) r++;
            else {
                plain[i] = rule[r][2];
                memmove(plain + i + 1, plain + i + 2, (want - i - 2) * sizeof *plain);
                want--;
                r = 0;
            }
        }
        Merger w = {.arena = A, .merges = &m};
        CHECK_INT(merge_ids(&w, ids, n, NULL), want);
        CHECK(memcmp(ids, plain, want * sizeof *ids) == 0);
    }
}

TEST(refused_merges)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"#version: 0.2\nab\n", "merge 0 is 'ab', expected two tokens"},
        {"a b c\n", "expected two tokens"},
        {" a\n", "expected two tokens"},
        {"a \n", "expected two tokens"},
        {"a b\na c\n", "merge 1 joins 'a' and 'c', but the second is not in the vocabulary"},
        {"c a\n", "the first is not in the vocabulary"},
        {"b a\n", "what they make is not in the vocabulary"},
    };
    const char *folder = kit_folder(A);
    kit_write(folder, "vocab.json", STR_LIT("{\"a\":0,\"b\":1,\"ab\":2}"));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        kit_write(folder, "merges.txt", str_of(bad[i].text));
        CHECK(!tok_open(A, folder, &e));
        CHECK_HAS(e.text, bad[i].words);
        CHECK_HAS(e.text, "merges.txt");
    }
    Err e = {0};
    Encoding x;
    kit_write(folder, "merges.txt", STR_LIT("#version: 0.2\r\na b\r\n\r\n"));
    const Tokenizer *t = tok_open(A, folder, &e);
    if (!t) FAIL("%s", e.text);
    else {
        CHECK(tok_encode(A, t, STR_LIT("abab?<|endoftext|>"), (TokOptions){0}, &x,
                         &e)); // '?' has no entry: left out
        CHECK_INT(x.n, 3);
        CHECK(x.n == 3 && x.ids[0] == 2 && x.ids[1] == 2 && x.ids[2] == 3);
        CHECK_INT(tok_size(t), 4);
    }
}

TEST(refused_tokenizer_json)
{
#define JSON(fallback, pre, post)                                                                            \
    "{\"model\":{\"byte_fallback\":" fallback                                                                \
    ",\"vocab\":{\"a\":0,\"<s>\":1},\"merges\":[]},\"added_tokens\":"                                        \
    "[{\"id\":1,\"content\":\"<s>\",\"special\":true}],\"pre_tokenizer\":" pre ",\"post_processor\":" post   \
    "}"
#define TEMPLATE(ids)                                                                                        \
    "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\"}},{\"Sequence\":{"       \
    "\"id\":\"A\"}}],"                                                                                       \
    "\"special_tokens\":{\"<s>\":{\"ids\":" ids "}}}"
    static const struct {
        const char *class, *text, *words; // words NULL: accepted
    } cases[] = {
        {"LlamaTokenizer", JSON("true", "null", TEMPLATE("[1]")), NULL},
        {"LlamaTokenizer",
         JSON("true", "null", "{\"type\":\"Sequence\",\"processors\":[" TEMPLATE("[1]") "]}"), NULL},
        {"LlamaTokenizer", JSON("true", "null", TEMPLATE("[7]")), "post_processor puts id 7"},
        {"LlamaTokenizer", JSON("true", "null", TEMPLATE("[1,1,1,1,1]")), "at most 4"},
        {"LlamaTokenizer", JSON("true", "null", TEMPLATE("0")), "a token without ids"},
        {"LlamaTokenizer", JSON("true", "null", "{\"type\":\"BertProcessing\"}"),
         "BertProcessing is not known here"},
        {"GPT2Tokenizer", JSON("false", "{\"type\":\"Whitespace\"}", "null"), "Whitespace is not known here"},
        {"GPT2Tokenizer", JSON("false", "{\"type\":\"ByteLevel\"}", "null"), NULL},
        {"LlamaTokenizer", "{}", "expected an object under model"},
        {"LlamaTokenizer", "{\"model\":{}}", "expected a model with vocab"},
        {"T5Tokenizer", "{\"model\":{\"vocab\":[[\"a\",0]]}}", "expected model.unk_id"},
        {"T5Tokenizer", "{\"model\":{\"vocab\":[[\"a\"]]}}", "is not [piece, score]"},
        {"T5Tokenizer", "{\"model\":{\"vocab\":[[\"a\",NaN]]}}", "unusable score"},
        {"T5Tokenizer",
         "{\"model\":{\"vocab\":[[\"a\",0]],\"unk_id\":0},\"normalizer\":{\"precompiled_charsmap\":\"?\"}}",
         "not base64"},
        {"T5Tokenizer", "{\"model\":{\"vocab\":[[\"a\",0]],\"unk_id\":0},\"added_tokens\":[{}]}",
         "without an id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *folder = kit_folder(A);
        Err e = {0};
        Encoding x;
        kit_write(folder, "tokenizer.json", str_of(cases[i].text));
        kit_write(
            folder, "tokenizer_config.json",
            str_of(arena_printf(A, "{\"tokenizer_class\":\"%s\",\"add_bos_token\":true}", cases[i].class)));
        const Tokenizer *t = tok_open(A, folder, &e);
        if (!cases[i].words) CHECK(t && tok_encode(A, t, STR_LIT("a"), (TokOptions){0}, &x, &e) && x.n > 0);
        else if (t) FAIL("case %zu was accepted", i);
        else CHECK_HAS(e.text, cases[i].words);
    }
}

// ----------------------------------------------------------------------------- a trie against a plain list

TEST(trie)
{
    uint64_t seed = 1;
    for (int round = 0; round < 40; round++) {
        size_t n = 1 + (size_t)round * round;
        TrieKey *key = arena_new(A, TrieKey, n), *list = arena_new(A, TrieKey, n);
        int letters = round % 2 ? 2 : 256;
        for (size_t i = 0; i < n; i++) {
            Buf b = {.arena = A};
            do {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                buf_char(&b, (char)((seed >> 40) % (uint64_t)letters));
            } while (seed >> 33 & 7 && b.n < 40);
            key[i] = list[i] = (TrieKey){buf_view(&b), (int32_t)i, 0};
        }
        Trie t;
        int32_t twice, first_lost = -1;
        trie_build(A, key, n, &t, &twice);
        for (size_t i = 0; i < n; i++) { // of equal keys the last stays
            int32_t last = (int32_t)i;
            for (size_t k = i + 1; k < n; k++)
                if (str_eq(list[i].text, list[k].text)) last = (int32_t)k;
            if (last != (int32_t)i && first_lost < 0) first_lost = (int32_t)i;
            int32_t at = trie_find(&t, list[i].text);
            CHECK_INT(at ? t.node[at].value : -1, last);
        }
        CHECK_INT(twice, first_lost);
        CHECK_INT(trie_find(&t, (Str){"", 0}), 0);
    }
}

// ------------------------------------------------------------------------------------------------ refusals

static void put_varint(Buf *b, uint64_t x)
{
    for (; x > 127; x >>= 7) buf_char(b, (char)(x | 128));
    buf_char(b, (char)x);
}

static void put_message(Buf *b, uint32_t field, Str s)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, s.n);
    buf_str(b, s);
}

static void put_number(Buf *b, uint32_t field, uint64_t x)
{
    put_varint(b, field << 3);
    put_varint(b, x);
}

static void put_piece(Buf *b, Str text, float score, int kind)
{
    Buf p = {.arena = b->arena};
    put_message(&p, 1, text);
    buf_char(&p, 2 << 3 | 5);
    buf_put(&p, &score, 4);
    put_number(&p, 3, (uint64_t)kind);
    put_message(b, 1, buf_view(&p));
}

static Buf good_model(Arena *A)
{
    Buf b = {.arena = A};
    put_piece(&b, STR_LIT("<unk>"), 0, UNKNOWN);
    put_piece(&b, STR_LIT("</s>"), 0, CONTROL);
    put_piece(&b, STR_LIT("ab"), -1, NORMAL);
    put_piece(&b, STR_LIT("a"), -2, NORMAL);
    return b;
}

static void option(Buf *b, uint32_t field, uint64_t x) // of the trainer
{
    Buf m = {.arena = b->arena};
    put_number(&m, field, x);
    put_message(b, 2, buf_view(&m));
}

static void charsmap(Buf *b, Str blob)
{
    Buf m = {.arena = b->arena};
    put_message(&m, 2, blob);
    put_message(b, 3, buf_view(&m));
}

static void refused(Arena *A, const Buf *b, const char *words)
{
    Err e = {0};
    if (sp_from_bytes(A, buf_view(b), "m.model", &e)) FAIL("accepted, expected '%s'", words);
    CHECK_HAS(e.text, words);
    CHECK_HAS(e.text, "m.model");
}

static void accepted(Arena *A, const Buf *b)
{
    Err e = {0};
    CHECK(sp_from_bytes(A, buf_view(b), "m.model", &e));
    CHECK_STR(str_of(e.text), STR_LIT(""));
}

TEST(refused_pieces)
{
    Buf b = good_model(A);
    accepted(A, &b);
    put_piece(&b, STR_LIT(""), 0, NORMAL);
    refused(A, &b, "piece 4 is empty");
    Str long_text = {arena_new(A, char, 8000), 8000};
    memset((char *)(uintptr_t)long_text.s, 'x', 8000);
    b = good_model(A), put_piece(&b, (Str){long_text.s, 7999}, 0, NORMAL), accepted(A, &b);
    b = good_model(A), put_piece(&b, long_text, 0, NORMAL), refused(A, &b, "piece 4 has 8000 bytes");
    b = good_model(A), put_piece(&b, STR_LIT("a\0b"), 0, NORMAL), refused(A, &b, "piece 4 holds a NUL byte");
    b = good_model(A), put_piece(&b, STR_LIT("\0"), 0, NORMAL), refused(A, &b, "piece 4 holds a NUL byte");
    b = good_model(A), put_piece(&b, STR_LIT("\0"), 0, UNUSED), accepted(A, &b);
    b = good_model(A), put_piece(&b, STR_LIT("ab"), 0, USER_DEFINED),
    refused(A, &b, "piece 2 ('ab') is there twice");
    b = good_model(A), put_piece(&b, STR_LIT("</s>"), 0, CONTROL),
    refused(A, &b, "piece 1 ('</s>') is there twice");
    b = good_model(A), put_piece(&b, STR_LIT("</s>"), 0, NORMAL), accepted(A, &b); // another map
    b = good_model(A), put_piece(&b, STR_LIT("u"), 0, UNKNOWN),
    refused(A, &b, "pieces 0 and 4 are both marked");
    b = good_model(A), put_piece(&b, STR_LIT("<0x41>"), 0, BYTE), refused(A, &b, "byte_fallback is off");
    b = good_model(A), put_piece(&b, STR_LIT("x"), FLT_MAX, NORMAL), accepted(A, &b);
    float infinite, nan;
    uint32_t bits[2] = {0x7F800000, 0x7FC00001};
    memcpy(&infinite, &bits[0], 4), memcpy(&nan, &bits[1], 4);
    b = good_model(A), put_piece(&b, STR_LIT("x"), infinite, NORMAL),
    refused(A, &b, "piece 4 has a score that is not a finite");
    b = good_model(A), put_piece(&b, STR_LIT("x"), nan, NORMAL),
    refused(A, &b, "piece 4 has a score that is not a finite");
    b = good_model(A), put_piece(&b, STR_LIT("x"), nan, NORMAL), option(&b, 3, BPE), accepted(A, &b);
    b = (Buf){.arena = A}, put_piece(&b, STR_LIT("a"), 0, NORMAL),
    refused(A, &b, "no piece is marked as the unknown piece");
    b = (Buf){.arena = A}, put_piece(&b, STR_LIT("u"), 0, UNKNOWN),
    refused(A, &b, "no piece that a text could be made of");
    b = (Buf){.arena = A}, refused(A, &b, "no pieces");
    b = good_model(A), option(&b, 35, 1), refused(A, &b, "the piece <0x00> is missing");
    b = good_model(A), option(&b, 35, 1);
    for (unsigned c = 0; c < 255; c++) put_piece(&b, str_of(arena_printf(A, "<0x%02X>", c)), 0, BYTE);
    Buf all = {.arena = A};
    buf_str(&all, buf_view(&b)), put_piece(&all, STR_LIT("<0xFF>"), 0, BYTE), accepted(A, &all);
    put_piece(&b, STR_LIT("<0xff>"), 0, BYTE), refused(A, &b, "expected <0x00> to <0xFF>");
}

TEST(refused_files)
{
    Buf b = good_model(A);
    buf_str(&b, STR_LIT("\x0A\x7F")), refused(A, &b, "field 1 claims 127 bytes, 0 remain");
    b = good_model(A), buf_str(&b, STR_LIT("\x0B")), refused(A, &b, "wire type 3");
    b = good_model(A), buf_str(&b, STR_LIT("\x02\x00")), refused(A, &b, "field number 0");
    b = good_model(A), buf_str(&b, STR_LIT("\xC0\x0C")), refused(A, &b, "the file ends inside field 200");
    b = good_model(A), buf_str(&b, STR_LIT("\xC0\x0C\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F")),
    refused(A, &b, "inside field 200");
    b = good_model(A), buf_str(&b, STR_LIT("\xC0\x0C\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01")),
    accepted(A, &b);
    b = good_model(A),
    buf_str(&b, STR_LIT("\xC9\x0C"
                        "12345678"
                        "\xD2\x0C\x02hi"
                        "\xDD\x0C"
                        "abcd")),
    accepted(A, &b);
    b = good_model(A), buf_str(&b, STR_LIT("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01")),
    refused(A, &b, "field 1 claims 18446744073709551615");
    b = good_model(A), option(&b, 3, 77), accepted(A, &b); // an unknown model type leaves the default

    char *blob = arena_new(A, char, 2060);
    b = good_model(A), charsmap(&b, (Str){blob, 3}), refused(A, &b, "the character map has only 3 bytes");
    b = good_model(A), charsmap(&b, (Str){blob, 2060}), refused(A, &b, "claims a trie of 0 bytes");
    blob[1] = 2, b = good_model(A), charsmap(&b, (Str){blob, 2060}),
    refused(A, &b, "claims a trie of 512 bytes");
    blob[1] = 4, blob[0] = 4, b = good_model(A), charsmap(&b, (Str){blob, 2060}),
    refused(A, &b, "a trie of 1028 bytes");
    blob[1] = 8, blob[0] = 0, b = good_model(A), charsmap(&b, (Str){blob, 2052}),
    refused(A, &b, "a trie of 2048 bytes");
    blob[1] = 4, b = good_model(A), charsmap(&b, (Str){blob, 2060}), accepted(A, &b);
    blob[2059] = 'x', b = good_model(A), charsmap(&b, (Str){blob, 2060}),
    refused(A, &b, "does not end in a NUL");
    b = good_model(A), charsmap(&b, (Str){blob, 0}), accepted(A, &b);
    Err e = {0};
    CHECK(!sp_open(A, "test/golden/no such file", &e));
    CHECK_HAS(e.text, "no such file");
}

TEST(refused_vocabularies)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "the file ends, expected '{'"},
        {"[]", "expected '{'"},
        {"{\"<unk>\":0", "expected ',' or '}'"},
        {"{\"<unk>\":0,}", "expected a string"},
        {"{\"<unk>\" 0}", "expected ':'"},
        {"{\"<unk>\":-1}", "expected an id"},
        {"{\"<unk>\":1.5}", "expected ',' or '}'"},
        {"{\"<unk>\":01}", "expected an id"},
        {"{\"<unk>\":2147483647}", "expected an id"},
        {"{\"<unk>\":99999999999999999999}", "expected an id"},
        {"{\"<unk>\":\"0\"}", "expected an id"},
        {"{\"<unk>\":2000000}", "ids must be nearly without gaps"},
        {"{\"<unk>\":0} x", "expected the end of the file"},
        {"{\"a\\", "the file ends, expected an escape"},
        {"{\"a\\x\":0}", "expected an escape"},
        {"{\"a\\u12G4\":0}", "expected an escape"},
        {"{\"a\n\":0}", "control character"},
        {"{\"a", "end of a string"},
        {"{\"\xFF\":0}", "not UTF-8"},
        {"{\"a\":0}", "the unknown token '<unk>' is not in it"},
        {"{}", "the unknown token '<unk>' is not in it"},
    };
    const char *folder = kit_folder(A);
    kit_write(folder, "source.spm", slurp(A, TINY_UNIGRAM));
    kit_write(folder, "target.spm", slurp(A, TINY_UNIGRAM));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        kit_write(folder, "vocab.json", str_of(bad[i].text));
        CHECK(!tok_open(A, folder, &e));
        CHECK_HAS(e.text, bad[i].words);
        CHECK_HAS(e.text, "vocab.json");
    }
    Err e = {0};
    kit_write(folder, "vocab.json",
              STR_LIT(" { \"<unk>\" : 1 , \"\\u2581a\\ud83d\\ude00\\ud800\\n\\\"\" : 0 } \n"));
    const Tokenizer *t = tok_open(A, folder, &e);
    if (t)
        CHECK_STR(tok_string(t, 0), STR_LIT("\xE2\x96\x81"
                                            "a\xF0\x9F\x98\x80\xEF\xBF\xBD\n\""));
    else FAIL("%s", e.text);
    e = (Err){0};
    CHECK(!tok_open(A, "test/golden/json", &e));
    CHECK_HAS(e.text, "source.spm");
    e = (Err){0};
    CHECK(!tok_open(A, "test/golden/nowhere", &e));
    CHECK_HAS(e.text, "no such folder");
    e = (Err){0};
    kit_write(folder, "tokenizer_config.json", STR_LIT("[1]"));
    CHECK(!tok_open(A, folder, &e));
    CHECK_HAS(e.text, "expected an object");
}

// ----------------------------------------------------------------------------------- damage, hostile texts

// What any model must do with any text: pieces spell the normalised text, ids are in range and decode.
static void exercise(Arena *A, const Sentencepiece *sp, Str text)
{
    Encoding x;
    sp_encode(A, sp, text, &x);
    Str normalized = sp_normalize(A, sp, text), out;
    Buf spelt = {.arena = A};
    bool bytes = false;
    for (size_t i = 0; i < x.n; i++) {
        if (x.ids[i] < 0 || (size_t)x.ids[i] >= sp_size(sp)) FAIL("id %d of %zu", x.ids[i], sp_size(sp));
        bytes |= sp->piece[x.ids[i]].kind == BYTE;
        buf_str(&spelt, x.token[i]);
    }
    if (!bytes) CHECK_STR(buf_view(&spelt), normalized);
    Err e = {0};
    if (!sp_decode(A, sp, x.ids, x.n, &out, &e)) FAIL("%s", e.text);
}

static const char *const small_texts[] = {"",
                                          " ",
                                          "Hello  world 12 3 abcd",
                                          "\xE2\x96\x81\xE2\x96\x81x",
                                          "\xFF\xC3(",
                                          "\xE3\x81\x93x y::",
                                          "e\xCC\x81\xEF\xBC\xA1\xEF\xBC\xA2"};

static void try_model(Arena *A, Str bytes, long *opened)
{
    Err e = {0};
    const Sentencepiece *sp = sp_from_bytes(A, bytes, "damaged", &e);
    if (!sp && !e.set) FAIL("refused without a word");
    if (!sp) {
        test_count(1);
        return;
    }
    ++*opened;
    for (size_t i = 0; i < sizeof small_texts / sizeof *small_texts; i++)
        exercise(A, sp, str_of(small_texts[i]));
}

TEST(every_truncation)
{
    static const char *const paths[] = {TINY, TINY_UNIGRAM};
    Arena *a = arena_create(A);
    for (size_t k = 0; k < 2; k++) {
        Str file = slurp(A, paths[k]);
        long opened = 0;
        for (size_t n = 0; n < file.n; n++) {
            char *exact =
                arena_new_raw(a, char, n); // a copy of its own, so that a sanitizer sees a read past its end
            memcpy(exact, file.s, n);
            try_model(a, (Str){exact, n}, &opened);
            arena_reset(a);
        }
        CHECK(opened < (long)file.n / 8); // only where a piece ends, or within what comes after them
    }
}

TEST(damaged_models)
{
    static const char *const paths[] = {TINY, TINY_UNIGRAM, TINY_RULES, MODELS "trained/bpe_unused.model",
                                        MODELS "trained/word_identity.model"};
    uint64_t seed = 7;
    Arena *a = arena_create(A);
    for (size_t k = 0; k < sizeof paths / sizeof *paths; k++) {
        Str file = slurp(A, paths[k]);
        long opened = 0;
        for (int round = 0; round < 1500; round++) {
            char *copy = arena_new_raw(a, char, file.n);
            memcpy(copy, file.s, file.n);
            for (int flips = 1 + round % 5; flips; flips--) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                copy[(seed >> 20) % file.n] = (char)(seed >> 50);
            }
            try_model(a, (Str){copy, file.n}, &opened);
            arena_reset(a);
        }
        CHECK(opened > 0);
    }
}

TEST(hostile_texts)
{
    static const char *const paths[] = {MODELS "t5/spiece.model",
                                        MODELS "trained/uni_user.model",
                                        MODELS "trained/bpe_user.model",
                                        MODELS "trained/bpe_llama.model",
                                        TINY,
                                        MODELS "trained/word_suffix.model",
                                        TINY_RULES};
    static const char *const atoms[] = {
        " ",         "a",   "\xE2\x96\x81", "\xFF",  "\xF0\x9F",         "\xEF\xB7\xBA",
        "e\xCC\x81", "\0x", "\xE3\x80\x80", "<unk>", "\xF4\x90\x80\x80", "::"};
    uint64_t seed = 3;
    for (size_t k = 0; k < sizeof paths / sizeof *paths; k++) {
        Err e = {0};
        const Sentencepiece *sp = sp_open(A, paths[k], &e);
        if (!sp) FAIL("%s", e.text);
        Arena *a = arena_create(A);
        for (size_t i = 0; sp && i < sizeof atoms / sizeof *atoms;
             i++) { // one thing, eighty thousand bytes of it
            Buf b = {.arena = a};
            while (b.n < 80000) buf_str(&b, i == 7 ? STR_LIT("\0x") : str_of(atoms[i]));
            exercise(a, sp, buf_view(&b));
            arena_reset(a);
        }
        for (int round = 0; sp && round < 300; round++) { // all mixed, and random bytes
            Buf b = {.arena = a};
            for (int i = 0; i < 40; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                size_t which = (seed >> 33) % (sizeof atoms / sizeof *atoms + 2);
                if (which < sizeof atoms / sizeof *atoms) buf_str(&b, str_of(atoms[which]));
                else buf_put(&b, &seed, 7);
            }
            exercise(a, sp, buf_view(&b));
            arena_reset(a);
        }
    }
}

TEST(hostile_texts_for_folders)
{
    static const char *const folders[] = {MODELS "t5-mini", MODELS "marian-mini", MODELS "marian-joint",
                                          MODELS "gpt2", "test/golden/models/llama-tiny"};
    static const char *const atoms[] = {" ",
                                        "</s>",
                                        ">>",
                                        "<<",
                                        "\xE2\x96\x81",
                                        "<extra_id_",
                                        "0>",
                                        "\r\n",
                                        "\xF0\x9F\x87\xA9",
                                        "\xE2\x80\x8D",
                                        "\xC2\x85",
                                        "\xE1\x84\x80\xE1\x85\xA1",
                                        "x",
                                        "\xCC\x81",
                                        "<pad>",
                                        "\xEF\xBC\x9C"};
    uint64_t seed = 5;
    Arena *a = arena_create(A);
    for (size_t k = 0; k < sizeof folders / sizeof *folders; k++) {
        Err e = {0};
        const Tokenizer *t = tok_open(A, folders[k], &e);
        if (!t) FAIL("%s", e.text);
        for (int round = 0; t && round < 400; round++) {
            Buf b = {.arena = a};
            for (int i = round < 2 ? 30000 : 30; i; i--) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                buf_str(&b, str_of(atoms[(seed >> 33) % (sizeof atoms / sizeof *atoms)]));
            }
            for (int side = 0; side < 2; side++) {
                Encoding x;
                Str out;
                if (!tok_encode(a, t, buf_view(&b), (TokOptions){.side = (TokSide)side}, &x, &e))
                    FAIL("%s", e.text);
                if (k < 3) CHECK_INT(x.ids[x.n - 1], tok_eos(t));
                for (size_t i = 0; i < x.n; i++)
                    if (x.ids[i] < 0 || (size_t)x.ids[i] >= tok_size(t)) FAIL("id %d", x.ids[i]);
                if (!tok_decode(a, t, x.ids, x.n, (TokDecode){.skip_special = round % 2}, &out, &e))
                    FAIL("%s", e.text);
                CHECK(utf8_valid(out, NULL));
            }
            arena_reset(a);
        }
    }
}

// -------------------------------------------------------------------------------------------------- faults

static bool open_and_use(Arena *A, void *folder, Err *e)
{
    Encoding x;
    Str out;
    const Tokenizer *t = tok_open(A, folder, e);
    return t && tok_encode(A, t, STR_LIT("a </s> \xE3\x81\x93"), (TokOptions){0}, &x, e) &&
           tok_decode(A, t, x.ids, x.n, (TokDecode){.cleanup = 1}, &out, e);
}

static bool filter_line(Arena *A, void *path, Err *e)
{
    const Sentencepiece *sp = sp_open(A, path, e);
    Buf out = {.arena = A};
    return sp && tok_jsonl(A, sp, NULL,
                           STR_LIT("{\"text\":\"ab <unk> \xE3\x81\x93\",\"k\":[1,{\"a\":null}]}"), &out, e);
}

TEST(faults)
{
    char *const folders[] = {MODELS "marian-mini-sep", MODELS "t5-mini", "test/golden/models/gpt2-tiny",
                             "test/golden/models/llama-tiny"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        for (int kind = 0; kind < FAULT_KINDS; kind++)
            test_every_fault(A, (FaultKind)kind, open_and_use, folders[i]);
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        test_every_fault(A, (FaultKind)kind, filter_line, MODELS "trained/bpe_unused.model");
}

// -------------------------------------------------------------------------------------------------- filter

static void filter(Arena *A, const char *line, const char *want, bool ok)
{
    Err e = {0};
    const Sentencepiece *sp = sp_open(A, TINY_UNIGRAM, &e);
    Buf out = {.arena = A};
    bool got = sp && tok_jsonl(A, sp, NULL, str_of(line), &out, &e);
    CHECK_INT(got, ok);
    if (ok) CHECK_STR(buf_view(&out), str_of(want));
    else CHECK_HAS(e.text, want);
}

TEST(filter_lines)
{
    filter(A, "{\"ids\":[], \"a\":{\"b\":[1,2,[]],\"c\":{}}, \"decoded\":\"old\"}",
           "{\"a\":{\"b\":[1,2,[]],\"c\":{}},\"ids\":[],\"decoded\":\"\"}", true);
    filter(A, "{\"text\":\"\"}",
           "{\"text\":\"\",\"ids\":[],\"pieces\":[],\"normalized\":\"\",\"decoded\":\"\"}", true);
    filter(A, "{\"text_b64\":\"//8=\"}",
           "{\"text_b64\":\"//8=\",\"ids\":[3,0],\"pieces\":[\"\xE2\x96\x81\",\"\xEF\xBF\xBD\xEF\xBF\xBD\"],"
           "\"normalized\":\"\xE2\x96\x81\xEF\xBF\xBD\xEF\xBF\xBD\",\"decoded\":\" \xE2\x81\x87 \"}",
           true);
    filter(A, "{\"ids\":[1.5]}", "expected an id", false);
    filter(A, "{\"ids\":[99999]}", "id 99999 is not in the vocabulary", false);
    filter(A, "{\"text_b64\":\"?\"}", "not base64", false);
    filter(A, "{\"txt\":\"?\"}", "expected a member text", false);
    filter(A, "[]", "expected an object", false);
    filter(A, "{", "line", false);
}
