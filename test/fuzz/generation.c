// SPDX-License-Identifier: Apache-2.0
// generation.c — any JSON as the arguments of generation, then generation: which model, which prefixes, the text.
#include "fuzz_kit.h"

static bool not_long(void *context, int64_t length) { return (void)context, length < 24; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { MOST = 64 };
    static Model *models[2];
    Err e = {0};
    if (!models[0]) {
        Arena *A = arena_create(NULL);
        REQUIRE(cpu_select(NULL, &e));
        models[0] = nn_open(A, "test/golden/models/odd-t5", (NnOptions){0}, &e);
        models[1] = nn_open(A, "test/golden/models/odd-marian", (NnOptions){0}, &e);
        if (e.set) BUG("%s", e.text);
    }
    if (n < 3 || fuzz_long_number(data + 2, n - 2, 3)) return 0;
    Arena *a = fuzz_arena();
    const Model *m = models[data[0] & 1];
    const Json *j = json_parse(a, (Str){(const char *)data + 2, n - 2}, "arguments", &e);
    const GenConfig *g;
    if (!j) return 0;
    bool ok = nn_generation(a, m, j, &g, &e);
    REQUIRE(ok != e.set);
    int64_t returns = ok ? nn_generation_returns(g) : 0;
    if (!ok || returns > MOST) return 0;
    int32_t s[] = {5, 17, 99, 4, 7, 1}, p[] = {9, 33, 8};
    Ids source[2] = {{s, 6}, {s + 3, 3}}, prefix[2] = {{p, data[1] % 4}, {p, data[1] / 4 % 4}};
    Generated out[2 * MOST] = {0};
    size_t count = 1 + (data[1] >> 7);
    ok = nn_generate(a, m, g, (int64_t)count, source, data[1] & 64 ? prefix : NULL, out, not_long, NULL, &e);
    REQUIRE(ok != e.set);
    for (size_t i = 0; ok && i < count * (size_t)returns; i++)
        for (int64_t k = 0; k < out[i].n; k++)
            REQUIRE(out[i].ids[k] >= 0 && out[i].ids[k] < nn_words(m, true));
    return 0;
}
