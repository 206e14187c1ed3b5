// SPDX-License-Identifier: Apache-2.0
// gguf.c — any bytes as a GGUF file: an error in words, or settings and a tokenizer that are JSON, and tensors inside the file.
#include "../../nn/files/gguf.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Err e = {0};
    Gguf g;
    Arena *a = fuzz_arena();
    const Str bytes = {(const char *)data, n};
    const bool ok = gguf_parse(a, bytes, "x.gguf", &g, &e);
    REQUIRE(ok == !e.set);
    for (size_t i = 0; ok && i < g.n_tensors; i++)
        REQUIRE(g.tensor[i].place <= n && g.tensor[i].bytes <= n - g.tensor[i].place);
    const GgufArch *arch = ok ? gguf_arch(&g, &e) : NULL;
    REQUIRE(!ok || (arch != NULL) == !e.set);
    if (!arch) return 0;
    Buf config = {.arena = a}, tokenizer = {.arena = a}, tokens = {.arena = a};
    const bool made =
        gguf_config(a, &g, arch, &config, &e) && gguf_tokenizer(a, &g, arch, &tokenizer, &tokens, &e);
    REQUIRE(made == !e.set);
    if (made)
        REQUIRE(json_parse(a, buf_view(&config), "config", &e) &&
                json_parse(a, buf_view(&tokenizer), "tokenizer", &e) &&
                json_parse(a, buf_view(&tokens), "tokens", &e));
    Err own = {0};
    const Checkpoint *c = checkpoint_from_bytes(a, "model.gguf", bytes, &own);
    REQUIRE((c == NULL) == own.set);
    uint64_t sum = 0;
    for (size_t i = 0; c && i < c->n; i++) sum += c->tensor[i].bytes;
    REQUIRE(!c || (sum == c->bytes && sum < n));
    return 0;
}
