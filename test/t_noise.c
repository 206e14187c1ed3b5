// SPDX-License-Identifier: Apache-2.0
// t_noise.c — mc_dropout_prob_avg: the passes with dropout. Seeded, the same whatever the batch, and noise of the right
// size: with many passes two seeds agree, and the mean lies within some standard errors of another sample's.
#include "lab.h"

#include <math.h>

static bool noisy(Arena *A, const Lab *l, const Pair *p, size_t n, int64_t passes, uint64_t seed, float *out)
{
    static const char *const steps[] = {"mc_dropout_prob_avg"};
    AttrOptions o = attr_defaults();
    Sequence *s = arena_new(A, Sequence, n);
    Err e = {0};
    o.method = "dummy", o.step_scores = steps, o.n_step_scores = 1;
    o.step.n_mcd_steps = passes, o.step.seed = seed;
    if (!attr_run(A, l->m, &o, p, n, s, &e)) return FAIL("%s", e.text), false;
    for (size_t i = 0; i < n; i++)
        for (int64_t k = 0; k < s[i].attr_pos_end - s[i].attr_pos_start; k++)
            *out++ = s[i].step_scores[0].scores.v[k];
    return true;
}

TEST(noise_seeded_and_alone)
{
    static const char *const models[] = {"marian-en-nl", "t5-yesno"};
    for (int m = 0; m < 2; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        Pair p[2] = {lab_forced(A, &l, "The nurse went to the hospital.",
                                m ? "yes" : "De verpleger ging naar het ziekenhuis."),
                     lab_forced(A, &l, "Does 3 + 3 equal 6?", m ? "no" : "Ik zie de hond.")};
        int64_t n = p[0].target.n - 1, both = n + p[1].target.n - 1;
        float *one = arena_new(A, float, both), *again = arena_new(A, float, both),
              *batch = arena_new(A, float, both);
        float *other = arena_new(A, float, both);
        if (!noisy(A, &l, p, 1, 6, 3, one) || !noisy(A, &l, p, 1, 6, 3, again) ||
            !noisy(A, &l, p, 2, 6, 3, batch) || !noisy(A, &l, p, 1, 6, 4, other))
            return;
        CHECK(!memcmp(one, again, (size_t)n * sizeof(float)));
        CHECK(!memcmp(one, batch, (size_t)n * sizeof(float)));
        CHECK(memcmp(one, other, (size_t)n * sizeof(float)) != 0);
        for (int64_t k = 0; k < n; k++) CHECK(isfinite(one[k]));
    }
}

// The score is (p - mean) / sd, so two large samples differ by about sqrt(2 (1 + score^2 / 2) / passes) of noise.
TEST(noise_of_one_size)
{
    enum { PASSES = 150 };
    Lab l;
    if (!lab_open(A, "t5-yesno-tiny", &l)) return;
    Pair p = lab_forced(A, &l, "Does 3 + 3 equal 6?", "yes");
    float a[8], b[8];
    if (!noisy(A, &l, &p, 1, PASSES, 1, a) || !noisy(A, &l, &p, 1, PASSES, 2, b)) return;
    for (int64_t k = 0; k < p.target.n - 1; k++) {
        double spread = sqrt(2 * (1 + (double)a[k] * (double)a[k] / 2) / PASSES);
        CHECK_NEAR(a[k], b[k], 5 * spread);
        CHECK(fabsf(a[k]) < 5);
    }
}
