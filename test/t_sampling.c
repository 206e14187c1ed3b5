// SPDX-License-Identifier: Apache-2.0
// t_sampling.c — sampling: the filters against transformers' own, draws against the probabilities they come from, and that
// a text's draws are its own; strings that end a text.
#include "../nn/processors.h"
#include "lab.h"

#include <math.h>
#include <stdio.h>

static const Model *model(Arena *A)
{
    Err e = {0};
    const Model *m = nn_open(A, "test/golden/models/gpt2-tiny", (NnOptions){0}, &e);
    if (!m) FAIL("%s", e.text);
    return m;
}

static const GenConfig *settings(Arena *A, const Model *m, const Json *args)
{
    Err e = {0};
    const GenConfig *g = NULL;
    if (!args || !nn_generation(A, m, args, &g, &e)) FAIL("%s", e.text);
    return g;
}

static const Json *parsed(Arena *A, const char *json)
{
    Err e = {0};
    const Json *j = json_parse(A, str_of(json), "arguments", &e);
    if (!j) FAIL("%s", e.text);
    return j;
}

static void check_case(Arena *A, const Model *m, const Json *row, const Json *c)
{
    const GenConfig *g = settings(A, m, json_get(c, "args"));
    int64_t n = (int64_t)row->count, i = 0;
    float *z = arena_new(A, float, n);
    for (const Json *x = row->child; x; x = x->next) z[i++] = x->number < -1e8 ? -INFINITY : (float)x->number;
    SamplingRoom room = {arena_new(A, Scored, n), arena_new(A, float, n)};
    sampling_filter(g, z, n, &room);
    const Json *id = json_get(c, "left")->child, *score = json_get(c, "scores")->child;
    for (i = 0; i < n; i++) {
        bool left = id && id->i == i;
        if ((z[i] > -INFINITY) != left ||
            (left && fabs((double)z[i] - score->number) > 1e-6 * fabs(score->number)))
            return FAIL("top_p %g typical_p %g: id %" PRId64 " has %.9g, expected %.9g", g->top_p,
                        g->typical_p, i, (double)z[i], left ? score->number : -INFINITY);
        if (left) id = id->next, score = score->next;
    }
    test_count(n);
}

TEST(sampling_filters)
{
    Err e = {0};
    const Model *m = model(A);
    const Json *all = test_json(A, "test/golden/sampling.json");
    if (!all || !m) return FAIL("%s", e.text);
    int cases = 0;
    for (const Json *c = json_get(all, "cases")->child; c; c = c->next, cases++) {
        const Json *row = json_get(all, "rows")->child;
        for (int64_t k = json_get(c, "row")->i; k > 0; k--) row = row->next;
        check_case(A, m, row, c);
    }
    CHECK_INT(cases, 103);
}

// Draws come as often as their probabilities say (chi squared, 9 degrees of freedom: 30 is passed once in 2000 seeds), each
// seed, sequence and position has its own, and what may not be drawn never is.
TEST(sampling_draws)
{
    enum { N = 20000 };
    float z[12], p[12];
    int64_t seen[12] = {0};
    double chi = 0, sum = 0;
    const Model *m = model(A);
    GenConfig g = *settings(A, m, parsed(A, "{\"do_sample\": true, \"seed\": 3}"));
    for (int i = 0; i < 12; i++) z[i] = i % 6 == 5 ? -INFINITY : (float)(i * 7 % 5) * 0.4f;
    for (int i = 0; i < 12; i++) sum += exp((double)z[i]);
    for (int k = 0; k < N; k++) seen[sampling_draw(&g, k % 3, k / 3, z, 12, p)]++;
    for (int i = 0; i < 12; i++) {
        double expected = exp((double)z[i]) / sum * N;
        if (i % 6 == 5) CHECK_INT(seen[i], 0);
        else chi += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
    }
    if (!(chi < 30)) FAIL("chi squared of the draws is %.1f", chi);
    int same = 0;
    for (int k = 0; k < 100; k++) {
        int32_t first = sampling_draw(&g, 0, k, z, 12, p);
        g.seed++;
        same += first == sampling_draw(&g, 0, k, z, 12, p);
        g.seed--;
    }
    CHECK(same < 40);
}

// A text's draws are the same alone, beside others, in another place, by any instruction set and thread count; its second
// sequence is another than its first; another seed, another text.
static void check_bits(Arena *A, const char *beams)
{
    static const int32_t a[] = {272, 541, 514, 308, 258}, b[] = {276, 434, 290, 67, 290, 258, 296};
    Ids text[] = {{a, 5}, {b, 7}, {b, 3}}, turned[] = {{b, 3}, {b, 7}, {a, 5}};
    const Model *m = model(A);
    const GenConfig *g = settings(
        A, m,
        parsed(A, arena_printf(A,
                               "{\"do_sample\": true, \"seed\": 11, \"num_beams\": %s, "
                               "\"max_new_tokens\": 9, \"num_return_sequences\": 2, \"top_p\": 0.95}",
                               beams)));
    const GenConfig *other = settings(
        A, m,
        parsed(A, arena_printf(A,
                               "{\"do_sample\": true, \"seed\": 12, \"num_beams\": %s, "
                               "\"max_new_tokens\": 9, \"num_return_sequences\": 2, \"top_p\": 0.95}",
                               beams)));
    Err e = {0};
    Generated alone[3][2], all[6];
    for (int i = 0; i < 3; i++)
        if (!nn_generate(A, m, g, 1, &text[i], NULL, alone[i], NULL, NULL, &e)) return FAIL("%s", e.text);
    const char *isa[4];
    for (size_t s = 0, n = cpu_isas(isa); s < n; s++)
        for (int threads = 1; threads <= 3; threads++) {
            cpu_select(isa[s], NULL), pool_start(threads);
            if (!nn_generate(A, m, g, 3, turned, NULL, all, NULL, NULL, &e)) return FAIL("%s", e.text);
            for (int i = 0; i < 6; i++) {
                const Generated *x = &alone[2 - i / 2][i % 2];
                CHECK(x->n == all[i].n && x->score == all[i].score &&
                      !memcmp(x->ids, all[i].ids, (size_t)x->n * sizeof *x->ids));
            }
        }
    cpu_select(NULL, NULL), pool_start(0);
    if (!nn_generate(A, m, other, 3, text, NULL, all, NULL, NULL, &e)) return FAIL("%s", e.text);
    CHECK(alone[0][0].n != all[0].n ||
          memcmp(alone[0][0].ids, all[0].ids, (size_t)all[0].n * sizeof *all[0].ids));
    CHECK(alone[0][0].n != alone[0][1].n ||
          memcmp(alone[0][0].ids, alone[0][1].ids, (size_t)alone[0][0].n * sizeof *all[0].ids));
}

TEST(sampling_bits) { check_bits(A, "1"), check_bits(A, "3"); }

// One token by two beams: two of the five that top_k leaves are drawn without replacement, the likelier is the answer. Its
// share of the answers is what that says (chi squared, 3 degrees of freedom: 16.3 is passed once in 1000 seeds).
TEST(sampling_beams)
{
    enum { N = 3000, LEFT = 5 };
    static const int32_t a[] = {272, 541, 514, 308, 258};
    const Model *m = model(A);
    int32_t id[LEFT];
    double p[LEFT], sum = 0, chi = 0;
    int n = 0, seen[LEFT] = {0};
    Err e = {0};
    for (int k = 0; k < N; k++) {
        GenConfig g = *settings(A, m,
                                parsed(A, "{\"do_sample\": true, \"num_beams\": 2, \"max_new_tokens\": 1, "
                                          "\"top_k\": 5, \"num_return_sequences\": 2}"));
        Generated out[2];
        g.seed = (uint64_t)k;
        if (!nn_generate(A, m, &g, 1, &(Ids){a, 5}, NULL, out, NULL, NULL, &e)) return FAIL("%s", e.text);
        CHECK(out[0].score > out[1].score);
        for (int r = 0; r < 2; r++) {
            int i = 0;
            while (i < n && id[i] != out[r].ids[5]) i++;
            if (i == LEFT) return FAIL("a sixth token is drawn");
            if (i == n) id[n++] = out[r].ids[5], p[i] = exp(out[r].score);
            if (r == 0) seen[i]++;
        }
    }
    CHECK_INT(n, LEFT);
    for (int i = 0; i < LEFT; i++) sum += p[i];
    for (int i = 0; i < LEFT; i++) {
        double share = 0; // of i as the likelier of a pair, drawn in either order
        for (int j = 0; j < LEFT; j++)
            if (p[j] < p[i]) share += p[i] * p[j] / sum * (1 / (sum - p[i]) + 1 / (sum - p[j]));
        if (share > 0) chi += (seen[i] - share * N) * (seen[i] - share * N) / (share * N);
        else CHECK_INT(seen[i], 0);
    }
    if (!(chi < 16.3)) FAIL("chi squared of the answers is %.1f", chi);
}

// ------------------------------------------------------------------------------------------ strings that end a text

// Each id adds its number and a blank, so that strings may lie across tokens.
TEST(sampling_stops)
{
    static const int32_t a[] = {272, 541, 514, 308, 258}; // goes on 265 377 79 13 599
    static const struct {
        const char *args;
        int64_t n;
    } want[] = {{"{\"max_new_tokens\": 10}", 10},
                {"{\"max_new_tokens\": 10, \"stop_strings\": \"377\"}", 7},
                {"{\"max_new_tokens\": 10, \"stop_strings\": [\"7 79 1\"]}", 9},
                {"{\"max_new_tokens\": 10, \"stop_strings\": [\"zebra\", \"58 265\"]}", 6},
                {"{\"max_new_tokens\": 10, \"stop_strings\": [\"541\"]}", 10}, // of the prompt alone
                {"{\"max_new_tokens\": 10, \"num_beams\": 2, \"stop_strings\": [\"0 13\"]}", 10}};
    const Model *m = model(A);
    Str *text = arena_new(A, Str, 600);
    for (int i = 0; i < 600; i++) text[i] = str_of(arena_printf(A, "%d ", i));
    Err e = {0};
    Generated out;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const GenConfig *g = settings(A, m, parsed(A, want[i].args));
        CHECK(nn_generation_needs_texts(g) == (i > 0));
        g = nn_generation_texts(A, g, text, 600);
        if (!nn_generate(A, m, g, 1, &(Ids){a, 5}, NULL, &out, NULL, NULL, &e)) return FAIL("%s", e.text);
        CHECK_INT(out.n, want[i].n);
    }
    const GenConfig *g = settings(A, m, parsed(A, want[1].args));
    CHECK(!nn_generate(A, m, g, 1, &(Ids){a, 5}, NULL, &out, NULL, NULL, &e));
    CHECK_HAS(e.text, "stop_strings need the text of each token");
}

TEST(sampling_refusals)
{
    static const struct {
        const char *args, *says;
    } bad[] = {{"{\"do_sample\": true, \"num_beams\": 2, \"num_return_sequences\": 3}",
                "it must be at most num_beams, 2"},
               {"{\"do_sample\": true, \"temperature\": 0}", "temperature is 0"},
               {"{\"top_p\": 1.5}", "top_p is 1.5"},
               {"{\"seed\": -1}", "seed is -1"},
               {"{\"typical_p\": 0}", "typical_p is 0"},
               {"{\"stop_strings\": [\"\"]}", "not empty"},
               {"{\"stop_strings\": 3}", "it must be a string"},
               {"{\"eta_cutoff\": 0.1}", "eta_cutoff is not supported"}};
    const Model *m = model(A);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        const GenConfig *g;
        CHECK(!nn_generation(A, m, parsed(A, bad[i].args), &g, &e));
        CHECK_HAS(e.text, bad[i].says);
    }
}
