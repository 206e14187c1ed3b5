// SPDX-License-Identifier: Apache-2.0
// t_expected_gradients.c — against PyTorch's float64 with the same draws (tools/oracle/expected_gradients.py), by what must
// hold of the sums, and the same bits however the work is cut.
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static AttrOptions options(Arena *A, const Lab *l, const char *args, bool target, const Ids *texts, size_t n)
{
    AttrOptions o = attr_defaults();
    o.method = "expected_gradients", o.attribute_target = target, o.unk = tok_unk(l->t),
    o.eos = tok_eos(l->t);
    o.method_args = json_parse(A, str_of(args), "arguments", NULL);
    o.baselines = texts, o.n_baselines = n;
    return o;
}

static Sequence attributed(Arena *A, const Lab *l, const AttrOptions *o, const Pair *p)
{
    Err e = {0};
    Sequence s = {0};
    if (!attr_run(A, l->m, o, p, 1, &s, &e)) FAIL("%s", e.text);
    return s;
}

static double most(const Scores *s) // the largest magnitude
{
    double size = 0;
    for (int64_t i = 0; s->v && i < s->dim[0] * s->dim[1] * s->dim[2]; i++)
        if (!isnan(s->v[i])) size = fmax(size, fabs((double)s->v[i]));
    return size;
}

static const float *deltas(const Sequence *s)
{
    static const float none[64];
    for (size_t i = 0; i < s->n_step_scores; i++)
        if (str_is(s->step_scores[i].name, "deltas")) return s->step_scores[i].scores.v;
    return FAIL("no deltas"), none;
}

// ------------------------------------------------------------------------------------------ golden

static void compare(const char *what, const Scores *got, const Stored *want)
{
    double size = most(got);
    CHECK_INT(lab_count(want), got->dim[0] * got->dim[1] * got->dim[2]);
    if (lab_count(want) != got->dim[0] * got->dim[1] * got->dim[2]) return;
    for (int64_t i = 0; i < lab_count(want); i++) {
        double v = (double)got->v[i], w = lab_at(want, i);
        if (isnan(w) ? !isnan(v) : !(fabs(v - w) <= 1e-5 * size)) // of the largest; float32 is 7e-6 off
            return FAIL("%s: [%" PRId64 "] %.9g, want %.9g (largest %.3g)", what, i, v, w, size), (void)0;
    }
    test_count(lab_count(want));
}

TEST(expected_gradients_golden)
{
    static const char *const models[] = {"odd-marian", "odd-t5"};
    for (int m = 0; m < 2; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        const Checkpoint *c =
            lab_tensors(A, arena_printf(A, "beyond/expected_gradients-%s.safetensors", models[m]));
        if (!c) return;
        Ids texts[3];
        for (int i = 0; i < 3; i++) texts[i] = lab_ids(A, lab_tensor(c, arena_printf(A, "text%d", i)));
        Pair p = lab_pair(A, &l, lab_ids(A, lab_tensor(c, "source")), lab_ids(A, lab_tensor(c, "target")));
        AttrOptions o = options(
            A, &l,
            "{\"baselines\": \"file\", \"n_samples\": 7, \"seed\": 11, \"return_convergence_delta\": true}",
            m == 0, texts, 3);
        Sequence s = attributed(A, &l, &o, &p);
        compare("source", &s.source_attributions, lab_tensor(c, "source_attributions"));
        if (m == 0) compare("target", &s.target_attributions, lab_tensor(c, "target_attributions"));
        else CHECK(!s.target_attributions.v);
        for (int64_t k = 0; k < p.target.n - 1; k++)
            CHECK_NEAR((double)deltas(&s)[k], lab_at(lab_tensor(c, "deltas"), k), 1e-5);
    }
}

// ------------------------------------------------------------------------------------------ what must hold

// The more samples, the nearer is the sum, with a file of texts and without.
TEST(expected_gradients_sums)
{
    static const char *const texts[] = {"Does 2 + 5 equal 7?", "No.",
                                        "Is Paris the capital of Italy? I think so."};
    Lab l;
    if (!lab_open(A, "t5-yesno-tiny", &l)) return;
    Pair p = lab_forced(A, &l, "Does 3 + 3 equal 6?", "yes");
    Ids ids[3];
    for (int i = 0; i < 3; i++) ids[i] = lab_encode(A, &l, str_of(texts[i]), TOK_SOURCE, false);
    for (int n_texts = 0; n_texts < 4; n_texts += 3) {
        double error[2] = {0};
        for (int k = 0; k < 2; k++)
            for (int seed = 0; seed < 6; seed++) { // of each mean, by several seeds
                const char *args =
                    arena_printf(A, "{\"n_samples\": %d, \"seed\": %d, \"return_convergence_delta\": true%s}",
                                 k ? 320 : 20, seed, n_texts ? ", \"baselines\": \"file\"" : "");
                AttrOptions o = options(A, &l, args, true, ids, (size_t)n_texts);
                Arena *a = arena_create(A);
                Sequence s = attributed(a, &l, &o, &p);
                error[k] += (double)deltas(&s)[0] * (double)deltas(&s)[0] / 6;
                arena_free(a);
            }
        CHECK(error[1] < error[0] / 16); // squares; 16 times the samples
        CHECK(error[1] < 0.05 && error[1] > 0);
    }
}

// Where the input is its own baseline nothing is left to explain; rows beyond a text are the unknown word's.
TEST(expected_gradients_baselines)
{
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
    int64_t n = p.source.n * (p.target.n - 1) * l.f->width;
    int32_t *unknown = arena_new(A, int32_t, p.source.n), *longer = arena_new(A, int32_t, p.source.n + 3);
    for (int64_t i = 0; i < p.source.n; i++) unknown[i] = tok_unk(l.t);
    memcpy(longer, p.source.v, (size_t)p.source.n * sizeof *longer);
    longer[p.source.n - 1] = longer[p.source.n] = 5; // behind what the source has
    Ids self = p.source, all[] = {{unknown, p.source.n}, {unknown, 0}, {unknown, 1}},
        cut = {longer, p.source.n + 3};
    AttrOptions o = options(A, &l, "{\"n_samples\": 4}", false, &self, 1);
    Sequence none = attributed(A, &l, &o, &p);
    for (int64_t i = 0; i < n; i++) CHECK(none.source_attributions.v[i] == 0);
    o = options(A, &l, "{\"n_samples\": 4}", false, &cut, 1);
    none = attributed(A, &l, &o, &p);
    for (int64_t i = 0; i < n; i++) CHECK(none.source_attributions.v[i] == 0);
    o = options(A, &l, "{\"n_samples\": 4}", false, NULL, 0);
    Sequence plain = attributed(A, &l, &o, &p);
    o = options(A, &l, "{\"n_samples\": 4}", false, all, 3);
    Sequence same = attributed(A, &l, &o, &p);
    CHECK(!memcmp(plain.source_attributions.v, same.source_attributions.v, (size_t)n * sizeof(float)));
    CHECK(most(&plain.source_attributions) > 0);
}

// Seeds draw; batch, memory and threads don't; and no step depends on the tokens after it.
TEST(expected_gradients_bits)
{
    Lab l;
    Err e = {0};
    if (!lab_open(A, "odd-t5", &l)) return;
    Pair p[2] = {lab_forced(A, &l, "It rains.", "Het regent nu."),
                 lab_forced(A, &l, "The nurse went.", "De")},
         part = p[0];
    Ids texts[] = {lab_encode(A, &l, STR_LIT("Is it?"), TOK_SOURCE, false), p[1].source};
    Sequence both[2];
    AttrOptions o = options(A, &l, "{\"n_samples\": 5, \"seed\": 3}", true, texts, 2), other = o;
    other.method_args = json_parse(A, STR_LIT("{\"n_samples\": 5, \"seed\": 4}"), "", NULL);
    o.max_memory = 1;
    if (!attr_run(A, l.m, &o, p, 2, both, &e)) FAIL("%s", e.text);
    o.max_memory = (size_t)1 << 30, part.target.n -= 2;
    pool_start(1);
    for (int i = 0; i < 2; i++) {
        Sequence alone = attributed(A, &l, &o, &p[i]), b = both[i];
        size_t n = (size_t)(p[i].source.n * (p[i].target.n - 1) * l.f->width) * sizeof(float);
        CHECK(!memcmp(alone.source_attributions.v, b.source_attributions.v, n));
        for (int64_t c = 0; c < p[i].target.n - 1; c++)
            CHECK(!memcmp(run_cell(&alone.target_attributions, 0, c), run_cell(&b.target_attributions, 0, c),
                          (size_t)l.f->width * sizeof(float)));
    }
    pool_start(0);
    Sequence cut = attributed(A, &l, &o, &part), drawn = attributed(A, &l, &other, &p[0]);
    for (int64_t c = 0; c < part.target.n - 1; c++)
        for (int64_t i = 0; i < p[0].source.n; i++) {
            const float *x = run_cell(&both[0].source_attributions, i, c);
            CHECK(!memcmp(x, run_cell(&cut.source_attributions, i, c), (size_t)l.f->width * sizeof *x));
            if (p[0].source.v[i] != tok_eos(l.t))
                CHECK(memcmp(x, run_cell(&drawn.source_attributions, i, c), (size_t)l.f->width * sizeof *x));
        }
}

TEST(expected_gradients_arguments)
{
    int32_t wild = 1 << 30;
    Ids outside = {&wild, 1};
    const struct {
        const char *args, *says;
        const Ids *texts;
    } bad[] = {{"{\"n_samples\": 0}", "argument n_samples is 0", NULL},
               {"{\"seed\": -1}", "argument seed is -1; it must be a whole number from 0", NULL},
               {"{\"return_convergence_delta\": 1}", "argument return_convergence_delta is a number", NULL},
               {"{\"baselines\": \"file\"}", "no texts in the file of baselines", NULL},
               {"{\"baselines\": \"file\"}", "a text of the baselines: token id 1073741824", &outside}};
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "No.", "nee");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        Sequence s;
        AttrOptions o = options(A, &l, bad[i].args, false, bad[i].texts, bad[i].texts ? 1 : 0);
        CHECK(!attr_run(A, l.m, &o, &p, 1, &s, &e));
        CHECK_HAS(e.text, bad[i].says);
    }
    AttrOptions o = attr_defaults();
    AttrRequest r;
    Err e = {0};
    o.method = "expected_gradients";
    CHECK(attr_kwargs(A, json_parse(A, STR_LIT("{\"baselines\": \"a.txt\"}"), "", NULL), &o, &r, &e));
    CHECK_STR(r.baselines, STR_LIT("a.txt"));
    CHECK(!attr_kwargs(A, json_parse(A, STR_LIT("{\"baselines\": [\"a\"]}"), "", NULL), &o, &r, &e));
    CHECK_HAS(e.text, "argument baselines is an array; it must be the path of a file with a text a line");
    o.method = "integrated_gradients"; // its baseline is another thing
    CHECK(attr_kwargs(A, json_parse(A, STR_LIT("{\"baselines\": \"a.txt\"}"), "", NULL), &o, &r, &e));
    CHECK_INT(r.n_ignored, 1);
}
