// SPDX-License-Identifier: Apache-2.0
// config.c — any JSON object as settings of a model, of generate(), and as arguments over them.
#include "../../nn/generation.h"
#include "fuzz.h"

static void check_ids(const int32_t *v, size_t n, int32_t below)
{
    for (size_t i = 0; i < n; i++) REQUIRE(v[i] >= 0 && v[i] < below);
}

static void check(const GenConfig *g)
{
    REQUIRE(g->max_length >= 1 && g->num_beams >= 1 && g->num_return_sequences >= 1 && g->min_length >= 0);
    REQUIRE(g->decoder_start < 100 && g->bos < 100 && g->pad < 100 && g->forced_bos < 100 &&
            g->repetition_penalty > 0);
    check_ids(g->eos.v, g->eos.n, 100);
    check_ids(g->suppress.v, g->suppress.n, 100);
    for (size_t i = 0; i < g->n_bad_words; i++) check_ids(g->bad_words[i].v, g->bad_words[i].n, 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    Err e = {0};
    const Json *j = json_parse(a, (Str){(const char *)data, n}, "config.json", &e);
    if (!j) return 0;
    GenConfig g;
    size_t count;
    if (j->kind == J_OBJECT) {
        Config c = {.json = j, .path = "config.json", .e = &e};
        int64_t x = cfg_int(&c, "max_length", 3, 1, 9);
        REQUIRE(x >= 1 && x <= 9);
        double r = cfg_real(&c, "length_penalty", 1, -2, 2);
        REQUIRE(r >= -2 && r <= 2);
        cfg_bool(&c, "do_sample", true);
        cfg_str(&c, "early_stopping", "x");
        const int32_t *ids = cfg_ids(a, &c, "eos_token_id", 100, &count);
        check_ids(ids, count, 100);
        e = (Err){0};
        if (gen_config_load(a, "/nonexistent", &c, NULL, 100, &g, &e)) check(&g);
        else REQUIRE(e.set);
    }
    e = (Err){0};
    Config none = {.json = json_parse(a, STR_LIT("{}"), "none", &e), .path = "none", .e = &e};
    REQUIRE(gen_config_load(a, "/nonexistent", &none, NULL, 100, &g, &e));
    if (gen_config_override(a, j, 100, &g, &e)) check(&g);
    else REQUIRE(e.set);
    return 0;
}
