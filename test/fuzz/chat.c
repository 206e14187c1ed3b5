// SPDX-License-Identifier: Apache-2.0
// chat.c — any bytes as a chat template and, behind a zero byte, as messages: a text with fitting spans, or a sentence.
#include "fuzz.h"

#include "../../tok/tok.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    Err e = {0};
    const Json *m = NULL;
    ChatText out;
    const uint8_t *zero = n ? memchr(data, 0, n) : NULL;
    size_t source = zero ? (size_t)(zero - data) : n;
    Str talk = zero ? (Str){(const char *)zero + 1, n - source - 1} : STR_LIT("Hi, you");
    ChatToken token = {STR_LIT("bos_token"), STR_LIT("<s>")};
    ChatTemplate t = {.text = {(const char *)data, source}, .where = "fuzz", .token = &token, .n_tokens = 1};
    ChatOptions o = {.add_generation_prompt = n % 2, .date = STR_LIT("2024-07-26")};
    if (!tok_chat_messages(a, talk, "-i", &m, &e)) {
        REQUIRE(e.set);
        return 0;
    }
    bool ok = tok_chat_render(a, &t, m, o, &out, &e);
    REQUIRE(ok != e.set);
    size_t at = 0;
    for (size_t i = 0; ok && i < out.n_content; i++) {
        ChatSpan s = out.content[i];
        REQUIRE(s.from >= at && s.to > s.from && s.to <= out.text.n && s.message < m->count);
        at = s.to;
    }
    return 0;
}
