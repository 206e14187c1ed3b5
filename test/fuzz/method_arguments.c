// SPDX-License-Identifier: Apache-2.0
// method_arguments.c — any JSON object as --attribution_kwargs of any method, then the run and all its reports. Six bytes
// choose model, method, functions and options; the rest is the text.
#include "fuzz_kit.h"

static const Model *model_of(unsigned i)
{
    static Model *models[2];
    Err e = {0};
    if (!models[0]) {
        Arena *A = arena_create(NULL);
        REQUIRE(cpu_select(NULL, &e));
        models[0] = nn_open(A, "test/golden/models/odd-t5", (NnOptions){0}, &e);
        models[1] = nn_open(A, "test/golden/models/odd-marian", (NnOptions){0}, &e);
        if (e.set) BUG("%s", e.text);
    }
    return models[i & 1];
}

static AttrOptions options_of(const uint8_t d[6], const char **steps)
{
    AttrOptions o = attr_defaults();
    steps[0] = fuzz_step(d[2]), steps[1] = fuzz_step(d[2] / 16u);
    o.method = fuzz_method(d[1]), o.attributed_fn = fuzz_step(d[3]);
    o.step_scores = steps, o.n_step_scores = (d[4] & 3) % 3;
    o.attribute_target = d[4] & 4, o.include_eos_baseline = d[4] & 8, o.aggregated = d[4] & 16;
    if (d[4] & 32) o.has_start = true, o.start = (int8_t)d[5] % 8;
    if (d[4] & 64) o.has_end = true, o.end = (int8_t)d[5] / 16;
    o.evaluate = (EvaluateOptions){.wanted = (d[4] & 128) && d[5] % 8 == 0, .random = true, .seed = 1};
    o.unk = 2, o.eos = 1, o.bos = -1;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Err e = {0};
    const Model *m = model_of(n ? data[0] : 0);
    if (n < 6 || fuzz_long_number(data + 6, n - 6, 2)) return 0;
    Arena *a = fuzz_arena();
    Str text = {(const char *)data + 6, n - 6};
    const Json *j = json_parse(a, text, "arguments", NULL);
    if (!j || j->kind != J_OBJECT) return 0;
    const char *steps[2];
    AttrOptions o = options_of(data, steps);
    AttrRequest r = {0};
    bool ok = attr_kwargs(a, j, &o, &r, &e) && attr_check(&o, &e);
    REQUIRE(ok != e.set);
    if (!ok) return 0;
    int32_t s[6] = {5, 17, 99, 4, 7, 1}, t[5] = {0, 9, 33, 8, 1}, f[4] = {0, 12, 8, 1};
    Token st[6], tt[5], ft[4];
    for (int i = 0; i < 6; i++)
        st[i] = (Token){s[i], STR_LIT("\xE2\x96\x81"
                                      "a<&\">")};
    for (int i = 0; i < 5; i++) tt[i] = (Token){t[i], STR_LIT("b'\x1b[31m")};
    for (int i = 0; i < 4; i++) ft[i] = (Token){f[i], STR_LIT("c")};
    Pair foil = {.source = {s, 3 + data[5] % 4}, .target = {f, 4}, .source_tokens = st, .target_tokens = ft};
    Pair p[2] = {{.source = {s, 6}, .target = {t, 5}, .source_tokens = st, .target_tokens = tt},
                 {.source = {s, 2}, .target = {t, 3}, .source_tokens = st, .target_tokens = tt}};
    if (data[5] & 1) p[0].contrast = &foil, p[1].contrast = &foil;
    if (r.n_alignments) p[0].alignment = r.alignments[0].v, p[0].n_alignment = r.alignments[0].n;
    Ids base[1] = {{s, 3}};
    if (data[5] & 2) o.baselines = base, o.n_baselines = 1;
    Sequence out[2];
    size_t count = 1 + (data[5] >> 2 & 1);
    if (!fuzz_is_short(a, m, &o, p, count)) return 0;
    ok = attr_run(a, m, &o, p, count, out, &e);
    REQUIRE(ok != e.set);
    if (!ok) return 0;
    Str src[2] = {STR_LIT("a"), STR_LIT("b")};
    Attribution x = {.sequence = out, .n = count};
    AttrTexts about = {.sources = src,
                       .targets = src,
                       .n = count,
                       .attribution_args = text,
                       .tokenizer_class = "T5Tokenizer"};
    attr_describe(a, &x, m, &o, &about);
    fuzz_show(a, &x, data[5]);
    return 0;
}
