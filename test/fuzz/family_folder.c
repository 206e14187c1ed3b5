// SPDX-License-Identifier: Apache-2.0
// family_folder.c — any bytes as the files of a tokenizer of BART, mBART, mBART-50, M2M-100, NLLB, Pegasus or UMT5: two bytes
// choose, 0xFE separates the files. An empty SentencePiece model is a good one.
#include "../../tok/tok.h"
#include "fuzz_kit.h"

enum { FILES = 4 };

static const struct Kind {
    const char *model_type, *class_name, *file[FILES]; // the last is tokenizer_config.json
} kinds[] = {
    {"bart", NULL, {"vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"}},
    {"mbart",
     "MBartTokenizer",
     {"sentencepiece.bpe.model", "special_tokens_map.json", "added_tokens.json", "tokenizer_config.json"}},
    {"mbart",
     "MBart50Tokenizer",
     {"sentencepiece.bpe.model", "special_tokens_map.json", "added_tokens.json", "tokenizer_config.json"}},
    {"m2m_100",
     "M2M100Tokenizer",
     {"sentencepiece.bpe.model", "vocab.json", "special_tokens_map.json", "tokenizer_config.json"}},
    {"m2m_100",
     "NllbTokenizer",
     {"tokenizer.json", "special_tokens_map.json", "added_tokens.json", "tokenizer_config.json"}},
    {"pegasus",
     "PegasusTokenizer",
     {"spiece.model", "special_tokens_map.json", "added_tokens.json", "tokenizer_config.json"}},
    {"m2m_100",
     "NllbTokenizer",
     {"sentencepiece.bpe.model", "special_tokens_map.json", "added_tokens.json", "tokenizer_config.json"}},
    {"umt5", "T5Tokenizer", {"tokenizer.json", "spiece.model", "added_tokens.json", "tokenizer_config.json"}},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static Str good_model(const struct Kind *k)
{
    static Arena *kept; // for good
    static Str model[2];
    bool bpe = !strcmp(k->model_type, "m2m_100") && !strcmp(k->class_name, "NllbTokenizer");
    Err e = {0};
    if (!kept) kept = arena_create(NULL);
    if (!model[bpe].n &&
        !file_read(kept, bpe ? "test/corpus/spm/bpe" : "test/corpus/spm/unigram", SIZE_MAX, &model[bpe], &e))
        BUG("%s", e.text);
    return model[bpe];
}

static const char *make_folder(Arena *a, const struct Kind *k, const uint8_t *data, size_t n)
{
    const char *folder = fuzz_folder("family");
    const uint8_t *p = data, *end = data + n;
    for (int i = 0; i < KINDS; i++)
        for (int f = 0; f < FILES; f++) unlink(arena_printf(a, "%s/%s", folder, kinds[i].file[f]));
    bool said = false;
    for (int f = 0; f < FILES; f++) {
        const uint8_t *q = f + 1 < FILES ? memchr(p, 0xFE, (size_t)(end - p)) : NULL;
        Str part = {(const char *)p, (size_t)((q ? q : end) - p)};
        size_t length = strlen(k->file[f]);
        if (!part.n && !strcmp(k->file[f] + length - 6, ".model")) part = good_model(k);
        if (part.n) fuzz_file(arena_printf(a, "%s/%s", folder, k->file[f]), part);
        said |= part.n && f + 1 == FILES;
        p = q ? q + 1 : end;
    }
    fuzz_file(arena_printf(a, "%s/config.json", folder),
              str_of(arena_printf(a, "{\"model_type\":\"%s\"}", k->model_type)));
    if (!said && k->class_name)
        fuzz_file(arena_printf(a, "%s/tokenizer_config.json", folder),
                  str_of(arena_printf(a, "{\"tokenizer_class\":\"%s\"}", k->class_name)));
    return folder;
}

static void use(Arena *a, Tokenizer *t, uint8_t how)
{
    static const char *const texts[] = {"",
                                        " a  b ",
                                        "Hello\xE2\x96\x81 world <mask> <mask_1> 123",
                                        "\xE3\x81\x82 e\xCC\x81\xEF\xBC\xA1\n\tx",
                                        "</s><pad><unk><s>",
                                        "nl_XX nld_Latn __nl__ hi"};
    static const char *const names[] = {"Dutch", "nl", "zh", "nld_Latn", "", "\xFF"};
    const int32_t *ids;
    size_t n = tok_languages(t, &ids);
    for (size_t i = 0; i < n; i++) tok_language_code(t, ids[i]), tok_language_name(t, ids[i]);
    Err e = {0};
    if (n) REQUIRE(tok_set_language(a, t, (TokSide)(how & 1), str_of(names[(how >> 1) % 6]), &e) != e.set);
    for (int i = 0; i < 6; i++) {
        Encoding x;
        Str out;
        TokOptions o = {.side = how & 1 ? TOK_TARGET : TOK_SOURCE,
                        .plain = how & 8,
                        .tagged = how & 16,
                        .keep_text = how & 32};
        e = (Err){0};
        bool ok = tok_encode(a, t, str_of(texts[i]), o, &x, &e);
        REQUIRE(ok != e.set);
        for (size_t q = 0; ok && q < x.n; q++) REQUIRE(x.ids[q] >= 0);
        if (ok)
            REQUIRE(tok_decode(a, t, x.ids, x.n, (TokDecode){.skip_special = how & 64}, &out, &e) != e.set);
    }
    for (int32_t id = -2; id < (int32_t)tok_size(t) + 2 && id < 2000; id++) {
        Str out;
        e = (Err){0};
        REQUIRE(tok_decode(a, t, &id, 1, (TokDecode){0}, &out, &e) != e.set);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Err e = {0};
    if (n < 3) return 0;
    Arena *a = fuzz_arena();
    Tokenizer *t = tok_open(a, make_folder(a, &kinds[data[0] % KINDS], data + 2, n - 2), &e);
    REQUIRE((t == NULL) == e.set);
    if (t) use(a, t, data[1]);
    return 0;
}
