// SPDX-License-Identifier: Apache-2.0
// jsonl.c — any bytes as a line for tokenize's filter: first which tokenizer, then the line.
#include "../../tok/tok.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static Tokenizer *t[2];
    static Sentencepiece *sp[2];
    Err e = {0};
    if (!t[0]) {
        Arena *A = arena_create(NULL);
        t[0] = tok_open(A, "test/golden/models/odd-t5", &e),
        t[1] = tok_open(A, "test/golden/models/odd-marian", &e);
        sp[0] = sp_open(A, "test/corpus/spm/unigram", &e), sp[1] = sp_open(A, "test/corpus/spm/bpe", &e);
        if (e.set) BUG("%s", e.text);
    }
    if (!n) return 0;
    Arena *a = fuzz_arena();
    Buf out = {.arena = a};
    bool piece = data[0] & 2, second = data[0] & 1;
    bool ok = tok_jsonl(a, piece ? sp[second] : NULL, piece ? NULL : t[second],
                        (Str){(const char *)data + 1, n - 1}, &out, &e);
    REQUIRE(ok != e.set);
    if (ok) REQUIRE(json_parse(a, buf_view(&out), "out", &e));
    return 0;
}
