// SPDX-License-Identifier: Apache-2.0
// t_tok.c — tokenizers: every recorded line of the real libraries, options, merges, the trie, the filter.
//
// test/golden/tokenizers holds what sentencepiece 0.2.3 and transformers 5.23 make of some 20 000 lines;
// tok_jsonl must write each of them byte for byte. test/golden/cases/encode is the same for the golden
// checkpoints.
#include "../tok/kind.h"
#include "tok_cases.h"

#define CASES "test/golden/tokenizers/cases/"

// Each line through the filter; returns how many there were.
static long walk_lines(Arena *A, const char *path, const Sentencepiece *sp, const Tokenizer *t)
{
    Str file = test_read(A, path);
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
    const Json *models = test_json(A, CASES "models.json");
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
    const Json *folders = test_json(A, CASES "hf_tokenizers.json");
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
    const Json *folders = test_json(A, CASES "families/families.json");
    long lines = 0, n = 0;
    for (const Json *f = folders ? folders->child : NULL; f; f = f->next, n++) {
        Arena *a = arena_create(A);
        Err e = {0};
        const char *name = str_zero(a, f->key), *folder = arena_printf(a, MODELS "%s", name);
        if (str_is(f->key, "pegasus-bigbird")) { // another vocabulary under another setting
            folder = kit_folder(a);
            kit_write(folder, "spiece.model", test_read(a, MODELS "spm/pegasus.model"));
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
                 {"nllb-mini", "Chinese",
                  "\"Chinese\" may be zho_Hans (Chinese, simplified), zho_Hant (Chinese, traditional)"},
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
    Str file = test_read(A, CASES "variants.jsonl");
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
            kit_write(folder, name, test_read(a, arena_printf(a, "%s/%s", base, name)));
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
        const Json *top = test_json(A, arena_printf(A, "test/golden/cases/encode/%s.json", names[i]));
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
    kit_write(folder, "tokenizer.json", test_read(A, arena_printf(A, "%s/tokenizer.json", real)));
    kit_write(folder, "tokenizer_config.json",
              test_read(A, arena_printf(A, "%s/tokenizer_config.json", real)));
    const Tokenizer *x = tok_open(A, real, &e), *y = tok_open(A, folder, &e);
    if (!x || !y) {
        FAIL("%s", e.text);
        return;
    }
    CHECK_INT(tok_size(x), tok_size(y));
    Str file = test_read(A, CASES "hf/t5.jsonl");
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
                  test_read(A, arena_printf(A, "test/golden/models/odd-t5/%s", folders[i].file)));
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
