// SPDX-License-Identifier: Apache-2.0
// t_tok_hostile.c — tokenizers under fire: what is refused and in which words, damaged models, hostile texts, faults.
#include "../tok/kind.h"
#include "tok_cases.h"

#include <float.h>

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
    kit_write(folder, "source.spm", test_read(A, TINY_UNIGRAM));
    kit_write(folder, "target.spm", test_read(A, TINY_UNIGRAM));
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
        Str file = test_read(A, paths[k]);
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
        Str file = test_read(A, paths[k]);
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
