// SPDX-License-Identifier: Apache-2.0
// tokenizer_folder.c — any bytes as vocab.json, tokenizer_config.json, special_tokens_map.json and added_tokens.json of a
// Marian or T5 folder: two bytes choose, 0xFE separates the four.
#include "../../tok/tok.h"
#include "fuzz_kit.h"

static const Str *pieces(void)
{
    static Str spm[4];
    static const char *const names[] = {"tiny1", "tiny2", "unigram", "bpe"};
    Err e = {0};
    if (spm[0].n) return spm;
    static Arena *A; // for good
    A = arena_create(NULL);
    for (int i = 0; i < 4; i++)
        if (!file_read(A, arena_printf(A, "test/corpus/spm/%s", names[i]), SIZE_MAX, &spm[i], &e))
            BUG("%s", e.text);
    return spm;
}

static void make_folder(Arena *a, const char *folder, const uint8_t *data, size_t n)
{
    static const char *const files[] = {"vocab.json", "tokenizer_config.json", "special_tokens_map.json",
                                        "added_tokens.json"};
    const char *names[] = {"source.spm", "target.spm", "spiece.model"};
    const uint8_t *p = data + 2, *end = data + n;
    bool marian = data[0] & 1, says_class = false;
    for (int i = 0; i < 4; i++) {
        const uint8_t *q = i < 3 ? memchr(p, 0xFE, (size_t)(end - p)) : NULL;
        const char *path = arena_printf(a, "%s/%s", folder, files[i]);
        Str part = {(const char *)p, (size_t)((q ? q : end) - p)};
        unlink(path);
        if (part.n && (i || marian)) fuzz_file(path, part), says_class |= i == 1;
        p = q ? q + 1 : end;
    }
    for (int i = 0; i < 3; i++) {
        const char *path = arena_printf(a, "%s/%s", folder, names[i]);
        unlink(path);
        if (marian == (i < 2)) fuzz_file(path, pieces()[data[0] / (i == 1 ? 8 : 2) % 4]);
    }
    if (!says_class)
        fuzz_file(arena_printf(a, "%s/tokenizer_config.json", folder),
                  marian ? STR_LIT("{\"tokenizer_class\":\"MarianTokenizer\"}")
                         : STR_LIT("{\"tokenizer_class\":\"T5Tokenizer\"}"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const texts[] = {"",
                                        " a  b ",
                                        "Hello\xE2\x96\x81 world <extra_id_3> 123",
                                        "\xE3\x81\x82 e\xCC\x81\xEF\xBC\xA1",
                                        "<0x41></s><pad><unk>",
                                        ">>nl<< hi"};
    Err e = {0};
    if (n < 6) return 0;
    Arena *a = fuzz_arena();
    const char *folder = fuzz_folder("tokenizer");
    make_folder(a, folder, data, n);
    Tokenizer *k = tok_open(a, folder, &e);
    REQUIRE((k == NULL) == e.set);
    if (!k) return 0;
    for (int i = 0; i < 6; i++) {
        Encoding x;
        Str out;
        TokOptions o = {
            .side = data[1] & 1 ? TOK_TARGET : TOK_SOURCE, .plain = data[1] & 2, .keep_text = data[1] & 4};
        e = (Err){0};
        bool ok = tok_encode(a, k, str_of(texts[i]), o, &x, &e);
        REQUIRE(ok != e.set);
        if (!ok) continue;
        for (size_t q = 0; q < x.n; q++) {
            REQUIRE(x.ids[q] >= 0);
            tok_string(k, x.ids[q]), tok_source_string(k, x.ids[q]), tok_is_special(k, x.ids[q]);
        }
        TokDecode d = {.skip_special = data[1] & 8,
                       .cleanup = (data[1] >> 4 & 1) - (data[1] >> 5 & 1),
                       .by_target = data[1] & 64};
        REQUIRE(tok_decode(a, k, x.ids, x.n, d, &out, &e) != e.set);
    }
    tok_unk(k), tok_pad(k), tok_eos(k), tok_bos(k), tok_max_length(k);
    for (int32_t id = -2; id < (int32_t)tok_size(k) + 2 && id < 3000; id++) {
        Str out;
        e = (Err){0};
        REQUIRE(tok_decode(a, k, &id, 1, (TokDecode){0}, &out, &e) != e.set);
        if (id >= 0 && id < (int32_t)tok_size(k)) tok_string(k, id), tok_is_special(k, id);
    }
    return 0;
}
