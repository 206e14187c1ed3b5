// SPDX-License-Identifier: Apache-2.0
// tok_text.c — any bytes as a text, against four small SentencePiece models (one of each type, with
// user-defined and byte pieces) and folders of Marian, T5, GPT-2, Llama, BART
// and its kin. Pieces spell the normalised text; what is UTF-8
// has an encoding everywhere.
#include "fuzz.h"

#include "../../tok/tok.h"

#define MODELS "test/golden/tokenizers/models/"
enum { N_SP = 4, N_TOK = 10 };

static void with_sentencepiece(Arena *a, const Sentencepiece *sp, Str text)
{
    Encoding x;
    Str out, normalized = sp_normalize(a, sp, text);
    Buf spelt = {.arena = a};
    bool bytes = false;
    sp_encode(a, sp, text, &x);
    for (size_t i = 0; i < x.n; i++) {
        Str piece = sp_piece(sp, x.ids[i]); // "<0x41>" for "A": does not spell it
        bytes |= piece.n == 6 && memcmp(piece.s, "<0x", 3) == 0;
        buf_str(&spelt, x.token[i]);
    }
    REQUIRE(bytes || str_eq(buf_view(&spelt), normalized));
    REQUIRE(sp_decode(a, sp, x.ids, x.n, &out, NULL));
}

static void with_folder(Arena *a, const Tokenizer *t, Str text, unsigned how)
{
    Encoding x;
    Err e = {0};
    Str out;
    TokOptions o = {.side = how & 1 ? TOK_TARGET : TOK_SOURCE, .plain = how & 2, .keep_text = how & 4};
    bool ok = tok_encode(a, t, text, o, &x, &e);
    REQUIRE(ok == utf8_valid(text, NULL) && ok == !e.set);
    if (!ok) return;
    for (size_t i = 0; i < x.n; i++) REQUIRE(x.ids[i] >= 0 && (size_t)x.ids[i] < tok_size(t));
    REQUIRE(tok_decode(a, t, x.ids, x.n, (TokDecode){.skip_special = how & 1, .cleanup = 1}, &out, &e));
    REQUIRE(utf8_valid(out, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const sp_paths[N_SP] = {
        MODELS "trained/uni_rules.model", MODELS "trained/bpe_user.model", MODELS "trained/word_suffix.model",
        MODELS "trained/char_user.model"};
    static const char *const folders[N_TOK] = {MODELS "marian-mini",
                                               MODELS "t5-mini",
                                               "test/golden/models/gpt2-tiny",
                                               "test/golden/models/llama-tiny",
                                               "test/golden/models/odd-bart",
                                               "test/golden/models/odd-mbart50",
                                               "test/golden/models/odd-m2m100",
                                               "test/golden/models/odd-nllb",
                                               "test/golden/models/odd-pegasus",
                                               "test/golden/models/odd-umt5"};
    static const Sentencepiece *sp[N_SP];
    static const Tokenizer *tok[N_TOK];
    Err e = {0};
    if (!sp[0]) {
        Arena *model = arena_create(NULL);
        for (int i = 0; i < N_SP; i++)
            if (!(sp[i] = sp_open(model, sp_paths[i], &e))) BUG("%s", e.text);
        for (int i = 0; i < N_TOK; i++)
            if (!(tok[i] = tok_open(model, folders[i], &e))) BUG("%s", e.text);
    }
    Arena *a = fuzz_arena();
    if (n == 0) return 0;
    Str text = {(const char *)data + 1, n - 1};
    for (int i = 0; i < N_SP; i++) with_sentencepiece(a, sp[i], text);
    for (int i = 0; i < N_TOK; i++) with_folder(a, tok[i], text, data[0]);
    return 0;
}
