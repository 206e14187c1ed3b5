// SPDX-License-Identifier: Apache-2.0
// spm.c — any bytes as a SentencePiece model: a refusal in words, or a model that cuts and decodes any text
// without harm.
#include "fuzz.h"

#include "../../tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const texts[] = {"", " a  b ", "Hello\xE2\x96\x81 world 123",
                                        "\xFF\xE3\x81 e\xCC\x81\xEF\xBC\xA1", "<0x41></s>"};
    Arena *a = fuzz_arena();
    Err e = {0};
    const Sentencepiece *sp = sp_from_bytes(a, (Str){(const char *)data, n}, "fuzz.model", &e);
    REQUIRE((sp == NULL) == e.set);
    for (size_t i = 0; sp && i < sizeof texts / sizeof *texts; i++) {
        Encoding x;
        Str out;
        sp_encode(a, sp, str_of(texts[i]), &x);
        for (size_t k = 0; k < x.n; k++) REQUIRE(x.ids[k] >= 0 && (size_t)x.ids[k] < sp_size(sp));
        REQUIRE(sp_decode(a, sp, x.ids, x.n, &out, &e));
    }
    return 0;
}
