// SPDX-License-Identifier: Apache-2.0
// t_contrast.c — what contrastive scores are by definition: differences of two runs, whatever the lengths, the batch and
// the number of foils; weighted columns; what bad arguments get.
#include "lab.h"

#include <math.h>

static const char *const models[] = {"marian-en-nl", "t5-yesno"};
enum { MODELS = 2 };

typedef struct Texts {
    const char *source, *target, *foil, *longer;
} Texts;
static const Texts texts[MODELS] = {
    {"The nurse went to the hospital.", "De verpleger ging naar het ziekenhuis.",
     "De verpleegster ging naar het ziekenhuis.", "De oude verpleegster ging gisteren naar het ziekenhuis."},
    {"Does 3 + 3 equal 6?", "yes", "no", "no no no"},
};

static bool run(Arena *A, const Lab *l, AttrOptions o, const Pair *p, size_t n, Sequence *out)
{
    Err e = {0};
    return attr_run(A, l->m, &o, p, n, out, &e) || (FAIL("%s", e.text), false);
}

static AttrOptions scores_of(const char *const *steps, size_t n)
{
    AttrOptions o = attr_defaults();
    o.method = "dummy", o.step_scores = steps, o.n_step_scores = n;
    return o;
}

static float score(const Sequence *s, size_t which, int64_t column)
{
    return s->step_scores[which].scores.v[column];
}

// Step by step from the right end: the score is the token's probability minus the foil's, each in its own run.
TEST(contrast_is_the_difference_of_two_runs)
{
    static const char *const both[] = {"contrast_prob_diff", "contrast_logits_diff", "pcxmi",
                                       "in_context_pvi"};
    static const char *const plain[] = {"probability", "logit", "crossentropy"};
    for (int m = 0; m < MODELS; m++)
        for (int k = 0; k < 2; k++) {
            Lab l;
            if (!lab_open(A, models[m], &l)) return;
            Pair p = lab_forced(A, &l, texts[m].source, texts[m].target);
            Pair foil = lab_forced(A, &l, texts[m].source, k ? texts[m].longer : texts[m].foil), with = p;
            Sequence c, a, b;
            with.contrast = &foil;
            if (!run(A, &l, scores_of(both, 4), &with, 1, &c) ||
                !run(A, &l, scores_of(plain, 3), &p, 1, &a) || !run(A, &l, scores_of(plain, 3), &foil, 1, &b))
                return;
            int64_t n = p.target.n - 1, nf = foil.target.n - 1;
            for (int64_t i = 1; i <= n && i <= nf; i++) { // the i-th from the right
                int64_t s = n - i, q = nf - i;
                CHECK_NEAR(score(&c, 0, s), (double)score(&a, 0, s) - (double)score(&b, 0, q), 2e-7);
                CHECK_NEAR(score(&c, 1, s), (double)score(&a, 1, s) - (double)score(&b, 1, q), 4e-6);
                CHECK_NEAR(score(&c, 2, s), ((double)score(&a, 2, s) - (double)score(&b, 2, q)) / log(2),
                           4e-6);
                CHECK_NEAR(score(&c, 3, s), (double)score(&a, 2, s) - (double)score(&b, 2, q), 4e-6);
            }
        }
}

// The gradient of a difference is the difference of gradients; a foil that is the token gives exact zeros.
TEST(contrast_gradients_subtract)
{
    static const char *const names[] = {"contrast_logits_diff", "logit", "contrast_logits"};
    for (int m = 0; m < MODELS; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        Pair p = lab_forced(A, &l, texts[m].source, texts[m].target),
             foil = lab_forced(A, &l, texts[m].source, texts[m].foil);
        p.contrast = &foil;
        Sequence s[3];
        for (int k = 0; k < 3; k++) {
            AttrOptions o = attr_defaults();
            o.method = "input_x_gradient", o.attributed_fn = names[k];
            if (!run(A, &l, o, &p, 1, &s[k])) return;
        }
        int64_t columns = p.target.n - 1, width = s[0].source_attributions.dim[2];
        double size = 0;
        for (int64_t i = 0; i < p.source.n * columns * width; i++)
            size = fmax(size, fabs((double)s[1].source_attributions.v[i]));
        for (int64_t i = 0; i < p.source.n * columns * width; i++) {
            double want = (double)s[1].source_attributions.v[i] - (double)s[2].source_attributions.v[i];
            CHECK_NEAR(s[0].source_attributions.v[i], want, 4e-6 * size);
            int64_t c = i / width % columns;
            if (p.target.v[c + 1] == foil.target.v[c + 1]) CHECK(s[0].source_attributions.v[i] == 0);
        }
    }
}

// Foils beside each other, and texts with foils of different lengths in one batch: bit for bit as alone.
TEST(contrast_foils_do_not_meet)
{
    static const char *const steps[] = {"contrast_prob_diff", "kl_divergence"};
    for (int forced = 0; forced < 2; forced++)
        for (int m = 0; m < MODELS; m++) {
            Lab l;
            if (!lab_open(A, models[m], &l)) return;
            AttrOptions o = attr_defaults();
            o.method = "saliency", o.attribute_target = true, o.step.contrast_force_inputs = forced;
            o.attributed_fn = forced ? "kl_divergence" : "contrast_prob_diff";
            o.step_scores = steps, o.n_step_scores = 2;
            Pair foil[3] = {lab_forced(A, &l, texts[m].source, texts[m].foil),
                            lab_forced(A, &l, texts[m].source, texts[m].longer),
                            lab_forced(A, &l, "The teacher lost his keys.", texts[m].target)};
            Pair p[3];
            Sequence alone[3], together[3];
            for (int i = 0; i < 3; i++) {
                p[i] = lab_forced(A, &l, texts[m].source, texts[m].target);
                p[i].contrast = &foil[i];
                if (!run(A, &l, o, &p[i], 1, &alone[i])) return;
            }
            if (!run(A, &l, o, p, 3, together)) return;
            for (int i = 0; i < 3; i++) {
                const Scores *a = &alone[i].source_attributions, *b = &together[i].source_attributions;
                size_t bytes = (size_t)(a->dim[0] * a->dim[1] * a->dim[2]) * sizeof(float);
                CHECK(!memcmp(a->v, b->v, bytes));
                a = &alone[i].target_attributions, b = &together[i].target_attributions;
                bytes = (size_t)(a->dim[0] * a->dim[1] * a->dim[2]) * sizeof(float);
                CHECK(!memcmp(a->v, b->v, bytes));
                for (int k = 0; k < 2; k++)
                    CHECK(!memcmp(alone[i].step_scores[k].scores.v, together[i].step_scores[k].scores.v,
                                  (size_t)a->dim[1] * sizeof(float)));
            }
        }
}

// Columns of a weighted attribution sum to the score they are weighted by.
TEST(contrast_weighted_columns_sum_to_the_score)
{
    static const char *const steps[] = {"contrast_prob_diff"};
    for (int m = 0; m < MODELS; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) return;
        Pair p = lab_forced(A, &l, texts[m].source, texts[m].target),
             foil = lab_forced(A, &l, texts[m].source, texts[m].foil);
        p.contrast = &foil;
        AttrOptions o = attr_defaults();
        o.method = "input_x_gradient", o.attributed_fn = "contrast_prob_diff", o.attribute_target = true;
        o.step_scores = steps, o.n_step_scores = 1;
        Sequence s, w;
        Err e = {0};
        if (!run(A, &l, o, &p, 1, &s)) return;
        if (!attr_weight(A, &s, "contrast_prob_diff", &w, &e)) FAIL("%s", e.text);
        int64_t columns = s.attr_pos_end - s.attr_pos_start;
        for (int64_t c = 0; !e.set && c < columns; c++) {
            double sum = 0, total = 0;
            for (int64_t i = 0; i < w.source_attributions.dim[0]; i++)
                sum += (double)w.source_attributions.v[i * columns + c];
            for (int64_t i = 0; i < w.target_attributions.dim[0]; i++) {
                float v = w.target_attributions.v[i * columns + c];
                total += isnan(v) ? 0 : (double)v;
            }
            bool zero = p.target.v[c + 1] == foil.target.v[c + 1]; // an all-zero column stays zero
            CHECK_NEAR(sum + total, zero ? 0 : (double)score(&s, 0, c), 1e-6);
        }
        CHECK(!attr_weight(A, &s, "contrast_prob_dif", &w, &e) && e.set);
        CHECK_HAS(e.text, "contrast_prob_dif");
    }
}

// Labels: "foil → token" where the strings differ, the plain token where they are the same.
TEST(contrast_labels)
{
    Lab l;
    if (!lab_open(A, "t5-yesno", &l)) return;
    Pair p = lab_forced(A, &l, texts[1].source, "yes"), foil = lab_forced(A, &l, texts[1].source, "no");
    p.contrast = &foil;
    Sequence s;
    if (!run(A, &l, attr_defaults(), &p, 1, &s)) return;
    CHECK_STR(s.target[1].text, STR_LIT("▁no → ▁yes"));
    CHECK_INT(s.target[1].id, -1);
    CHECK_STR(s.target[2].text, STR_LIT("</s>"));
    CHECK_INT(s.target[2].id, p.target.v[2]);
}

// Alignments as given, then from the right; what can't be one is answered with a sentence.
// A step that is a pass of its own is still compared with the foil's position that it has among all steps: those that
// are found from the right end, or the same ones given.
TEST(contrast_single_steps_keep_their_foil)
{
    Lab l;
    if (!lab_open(A, models[0], &l)) return;
    Pair p = lab_forced(A, &l, texts[0].source, texts[0].target),
         foil = lab_forced(A, &l, texts[0].source, texts[0].longer);
    Span *given = arena_new(A, Span, p.target.n);
    for (int64_t s = 1; s < p.target.n; s++) given[s - 1] = (Span){s, foil.target.n - p.target.n + s};
    p.contrast = &foil;
    Pair aligned = p;
    aligned.alignment = given, aligned.n_alignment = (size_t)p.target.n - 1;
    for (int forced = 0; forced < 2; forced++) {
        AttrOptions o = attr_defaults();
        Sequence x, y;
        o.method = "gradient_shap", o.attributed_fn = "contrast_prob_diff", o.attribute_target = true;
        o.unk = tok_unk(l.t), o.eos = tok_eos(l.t), o.step.contrast_force_inputs = forced;
        if (!run(A, &l, o, &p, 1, &x) || !run(A, &l, o, &aligned, 1, &y)) return;
        const Scores *a = &x.source_attributions, *b = &y.source_attributions;
        CHECK(!memcmp(a->v, b->v, (size_t)(a->dim[0] * a->dim[1] * a->dim[2]) * sizeof(float)));
    }
}

TEST(contrast_alignments)
{
    static const struct {
        const char *json, *part;
    } bad[] = {{"{\"contrast_targets_alignments\": \"labse\"}", "\"auto\""},
               {"{\"contrast_targets_alignments\": [\"auto\", 3]}", "pairs"},
               {"{\"contrast_targets_alignments\": [[[1, 2]], 3]}", "pairs"},
               {"{\"contrast_targets_alignments\": [1, 2]}", "pairs"},
               {"{\"contrast_targets_alignments\": [[1, 2, 3]]}", "pairs"},
               {"{\"contrast_targets_alignments\": [[[1]]]}", "pairs"},
               {"{\"contrast_targets\": 3}", "text"},
               {"{\"contrast_targets\": [\"a\", null]}", "text"},
               {"{\"contrast_force_inputs\": 1}", "true or false"},
               {"{\"top_p\": 1.5}", "from 0 to 1"},
               {"{\"top_k\": -1}", "from 0"},
               {"{\"n_mcd_steps\": 1}", "from 2"},
               {"{\"seed\": -4}", "from 0"}};
    AttrOptions o = attr_defaults();
    AttrRequest r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        const Json *j = json_parse(A, str_of(bad[i].json), "test", &e);
        CHECK(j && !attr_kwargs(A, j, &o, &r, &e) && e.set);
        CHECK_HAS(e.text, bad[i].part);
    }
    Err e = {0};
    const char *good = "{\"contrast_targets_alignments\": [[[1, 2], [2, 1]], [[1, 1]]], "
                       "\"contrast_targets\": \"x\", \"other\": 1}";
    CHECK(attr_kwargs(A, json_parse(A, str_of(good), "test", &e), &o, &r, &e));
    CHECK_INT(r.n_alignments, 2);
    CHECK_INT(r.alignments[0].v[1].to, 1);
    CHECK_INT(r.n_ignored, 1);

    static const char *const steps[] = {"contrast_prob"};
    static const char *const plain[] = {"probability"};
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, texts[0].source, texts[0].target),
         foil = lab_forced(A, &l, texts[0].source, texts[0].longer);
    Span pairs[] = {{1, 3}, {2, 99}, {3, 0}, {4, 3}};
    Sequence s, f;
    p.contrast = &foil, p.alignment = pairs, p.n_alignment = 4;
    if (!run(A, &l, scores_of(steps, 1), &p, 1, &s) || !run(A, &l, scores_of(plain, 1), &foil, 1, &f)) return;
    int64_t T = p.target.n, F = foil.target.n;
    CHECK(score(&s, 0, 0) == score(&f, 0, 2));               // as given
    CHECK(score(&s, 0, 1) == score(&f, 0, F - (T - 2) - 1)); // 99 is none: from the right
    CHECK(score(&s, 0, 2) == score(&f, 0, F - (T - 3) - 1)); // nor is the start token
    CHECK(score(&s, 0, 3) == score(&f, 0, 2));               // taken, but the only one given
}
