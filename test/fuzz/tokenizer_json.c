// SPDX-License-Identifier: Apache-2.0
// tokenizer_json.c — any bytes as tokenizer.json of a T5, a Llama or any other folder (the first byte says which): a refusal
// in words, or a tokenizer whose ids are in range and decode, and whose tokens know where they stand.
#include "fuzz.h"

#include "../../tok/tok.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], model[96], config[96];

static void put(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    REQUIRE(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static void remove_all(void) { unlink(model), unlink(config), rmdir(folder); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const configs[] = {
        "{\"tokenizer_class\":\"T5Tokenizer\"}",
        "{\"tokenizer_class\":\"GPT2Tokenizer\",\"add_prefix_space\":true}",
        "{\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":true,\"add_eos_token\":true}"};
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/fuzz_tokenizer_%d", (int)getpid());
        snprintf(model, sizeof model, "%s/tokenizer.json", folder);
        snprintf(config, sizeof config, "%s/tokenizer_config.json", folder);
        REQUIRE(mkdir(folder, 0700) == 0);
        atexit(remove_all);
    }
    if (n == 0) return 0;
    const char *which = configs[data[0] % 3];
    put(config, which, strlen(which));
    put(model, data + 1, n - 1);
    Arena *a = fuzz_arena();
    Err e = {0};
    const Tokenizer *t = tok_open(a, folder, &e);
    REQUIRE((t == NULL) == e.set);
    Encoding x;
    Str out;
    if (!t) return 0;
    Str text = STR_LIT("ab <s> </s>a\xE2\x96\x81\xE3\x81\x93 b  e\xCC\x81 12.x\n\nIt's");
    if (!tok_encode(a, t, text, (TokOptions){.keep_text = data[0] & 64}, &x, &e)) {
        REQUIRE(e.set); // an expression that takes too long, an unk_token that is no entry
        return 0;
    }
    for (size_t i = 0; i < x.n; i++) {
        REQUIRE(x.ids[i] >= 0);
        if (!x.span) continue;
        REQUIRE(x.span[i].from <= x.span[i].to && x.span[i].to <= text.n);
        REQUIRE(i == 0 || x.span[i - 1].from <= x.span[i].from);
    }
    (void)tok_decode(a, t, x.ids, x.n, (TokDecode){.cleanup = 1}, &out, &e);
    return 0;
}
