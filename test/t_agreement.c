// SPDX-License-Identifier: Apache-2.0
// t_agreement.c — how far methods agree: rank correlations against SciPy's, and the command that compares methods.
#include "../attr/results/agreement.h"

#include "cli.h"
#include "lab.h"

#include <math.h>

static double number(const Json *j) { return j->kind == J_NUMBER ? j->number : NAN; }

static float *list(Arena *A, const Json *j)
{
    float *v = arena_new(A, float, j->count);
    int64_t n = 0;
    for (const Json *c = j->child; c; c = c->next) v[n++] = (float)number(c);
    return v;
}

// tools/oracle/evaluate.py: lists with and without ties, missing values, too short or constant ones.
TEST(agreement_golden)
{
    const Json *all = test_json(A, "test/golden/evaluate.json");
    int64_t undefined = 0;
    for (const Json *c = all ? json_get(all, "ranks")->child : NULL; c; c = c->next) {
        int64_t n = (int64_t)json_get(c, "x")->count;
        const float *x = list(A, json_get(c, "x")), *y = list(A, json_get(c, "y"));
        Agreement g = agreement_of(A, x, y, n, 3), turned = agreement_of(A, y, x, n, 3);
        CHECK_NEAR(g.spearman, number(json_get(c, "spearman")), 1e-14);
        CHECK_NEAR(g.kendall, number(json_get(c, "kendall")), 1e-14);
        CHECK_NEAR(g.overlap, number(json_get(c, "overlap")), 0);
        CHECK_NEAR(turned.spearman, g.spearman, 0);
        CHECK_NEAR(turned.kendall, g.kendall, 0);
        CHECK_NEAR(turned.overlap, g.overlap, 0);
        undefined += isnan(g.spearman) && isnan(g.kendall);
    }
    CHECK_INT(undefined, 2);
}

TEST(agreement_limits)
{
    float x[] = {1, INFINITY, -INFINITY, 2}, y[] = {3, 9, -9, 4}, none[] = {NAN, NAN};
    Agreement g = agreement_of(A, x, y, 4, 100);
    CHECK(g.spearman == 1 && g.kendall == 1 && g.overlap == 1);
    g = agreement_of(A, none, x, 2, 3);
    CHECK(isnan(g.spearman) && isnan(g.kendall) && isnan(g.overlap));
    float tied[] = {1, 1, 1, 0}, other[] = {0, 0, 5, 5};
    CHECK(agreement_of(A, tied, other, 4, 2).overlap == 0); // {0, 1} and {2, 3}
    CHECK(agreement_of(A, tied, other, 4, 3).overlap == 2.0 / 3);
}

// ------------------------------------------------------------------------------------------ over texts and steps

static Sequence sequence(const char *method, int64_t text, int64_t rows, int64_t columns, float *v)
{
    static Token tokens[8];
    return (Sequence){.source = tokens,
                      .target = tokens,
                      .n_source = rows,
                      .n_target = columns + 1,
                      .attr_pos_start = 1,
                      .attr_pos_end = columns + 1,
                      .source_attributions = {.rank = 2, .dim = {rows, columns}, .v = v},
                      .method = method,
                      .text = text};
}

// Means over all steps of all texts that both have; a step without an order is left out of the correlations.
TEST(agreement_over_steps)
{
    float a[] = {1, 7, 2, 7, 3, 7}, b[] = {1, 1, 2, 2, 3, 3}, c[] = {3, 1, 2, 2, 1, 3}; // [3, 2]
    float d[] = {1, 2, 3}, f[] = {3, 2, 1};
    Sequence s[] = {sequence("one", 1, 3, 2, a), sequence("two", 1, 3, 2, b), sequence("three", 1, 3, 2, c),
                    sequence("one", 2, 3, 1, d), sequence("two", 2, 3, 1, f)};
    Attribution t = {.sequence = s, .n = 5};
    attr_agreement(A, &t, (const char *const[]){"one", "two", "three"}, 3, 2);
    CHECK_INT(t.n_figures, 3);
    static const double rho[] = {1, 0, -1, 0, 1, 0, -1, 0, 1}; // 1-2: 1 and -1; 1-3: -1; 2-3: -1 and 1
    static const double top[] = {1, 2.0 / 3, 0.5, 2.0 / 3, 1, 0.75, 0.5, 0.75, 1};
    for (int i = 0; i < 9; i++) {
        CHECK_NEAR(t.figures[0].v[i], rho[i], 1e-15);
        CHECK_NEAR(t.figures[1].v[i], rho[i], 1e-15);
        CHECK_NEAR(t.figures[2].v[i], top[i], 1e-15);
    }
    CHECK_STR(str_of(t.figures[2].title), STR_LIT("Share of the 2 highest in common"));
    CHECK_STR(t.figures[0].row[2], STR_LIT("3 three"));
    CHECK_STR(t.figures[0].column[2], STR_LIT("3"));
}

// ------------------------------------------------------------------------------------------ the command

#define ONE   "-i", "It rains.", "-g", "Het regent."
#define TWO   "-i", "It rains.", "A dog.", "-g", "Het regent.", "Een hond."
#define THREE "-i", "It rains.", "A dog.", "one two", "-g", "Het regent.", "Een hond.", "nee"

static const Json *json_of(Arena *A, const char *text)
{
    Err e = {0};
    const Json *j = json_parse(A, str_of(text), "output", &e);
    if (!j) FAIL("%s", e.text);
    return j;
}

static const Json *at(const Json *list_of, int64_t i)
{
    const Json *c = list_of ? list_of->child : NULL;
    while (c && i--) c = c->next;
    return c;
}

// What attribute says of a method is what compare says of it; in the same order, with the same arguments.
TEST(compare_is_attribute_by_method)
{
    Run both =
        RUN("compare", "-m", MODEL, "-a", "saliency", "-a", "occlusion", "-a", "lime", TWO, "--evaluate",
            "--attribute_target", "--attribution_kwargs", "{\"n_samples\": 5}", "--json");
    check_ran("compare", both);
    const Json *j = json_of(A, both.out), *sequences = json_get(j, "sequences");
    static const char *const methods[] = {"saliency", "occlusion", "lime"};
    if (!sequences) return;
    CHECK_INT(sequences->count, 6);
    CHECK_STR(json_get(json_get(j, "info"), "attribution_method")->text,
              STR_LIT("saliency, occlusion, lime"));
    CHECK_INT(json_get(json_get(j, "info"), "input_texts")->count, 6);
    CHECK_INT(json_get(j, "figures")->count, 4);
    for (int m = 0; m < 3; m++) {
        Run one = RUN("attribute", "-m", MODEL, "-a", methods[m], TWO, "--evaluate", "--attribute_target",
                      m == 2 ? "--attribution_kwargs" : "-q", m == 2 ? "{\"n_samples\": 5}" : "-q",
                      "--format", "json");
        check_ran(methods[m], one);
        const Json *alone = json_get(json_of(A, one.out), "sequences");
        for (int text = 0; text < 2; text++) {
            const Json *x = at(sequences, 3 * text + m), *y = at(alone, text);
            CHECK_STR(json_get(x, "method")->text, str_of(methods[m]));
            static const char *const keys[] = {"target_tokens", "source_attributions", "target_attributions",
                                               "step_scores", "evaluation"};
            for (int k = 0; k < 5; k++) {
                const Json *p = json_get(x, keys[k]), *q = json_get(y, keys[k]);
                Str s = {both.out + p->at, (p->next ? p->next->at : both.n_out) - p->at},
                    r = {one.out + q->at, (q->next ? q->next->at : one.n_out) - q->at};
                while (s.n && r.n && *s.s == *r.s && *s.s != '}' && k == 4) s.s++, s.n--, r.s++, r.n--;
                if (k == 4) CHECK_INT(*s.s, *r.s);
                else CHECK(s.n == r.n && !memcmp(s.s, r.s, s.n));
            }
        }
    }
}

TEST(compare_shows)
{
    const char *folder = kit_folder(A), *page = arena_printf(A, "%s/page.html", folder),
               *csv = arena_printf(A, "%s/t.csv", folder);
    Run r = RUN("compare", "-m", TRAINED, "-a", "saliency", "-a", "attention", "-i", "It rains.", "A dog.",
                "--evaluate", "--html", page, "--csv", csv, "--top", "2");
    check_ran("compare", r);
    CHECK(!strstr(r.out, "Heatmap"));
    CHECK_HAS(r.out,
              "Spearman's rank correlation (rho)\n                     1        2\n  1 saliency     1.000 ");
    CHECK_HAS(r.out, "\nKendall's rank correlation (tau-b)\n");
    CHECK_HAS(r.out, "\nShare of the 2 highest in common\n");
    CHECK_HAS(r.out, "  random order ");
    CHECK_HAS(r.out, "\n*: the best\n");
    const char *html = slurp(A, page, NULL);
    CHECK_HAS(html, "<h2>0th instance, saliency:</h2>");
    CHECK_HAS(html, "<h2>1st instance, attention:</h2>");
    CHECK_HAS(html, "<dt>Input</dt><dd>A dog.</dd>");
    CHECK_HAS(html, "<dt>Method</dt><dd>saliency, attention</dd>");
    size_t curves = 0, dashed = 0;
    for (const char *s = html; (s = strstr(s, "<polyline class=\"own\"")); s++) curves++;
    for (const char *s = html; (s = strstr(s, "<polyline class=\"random\"")); s++) dashed++;
    CHECK_INT(curves, 8), CHECK_INT(dashed, 8);
    CHECK_HAS(slurp(A, csv, NULL), "1," TRAINED ",attention,source,attribution,");
    CHECK_HAS(slurp(A, csv, NULL), ",saliency,step,comprehensiveness,1,");
    Run plain =
        RUN("compare", "-m", TRAINED, "-a", "saliency", "-a", "attention", "-i", "It rains.", "--plain");
    CHECK_HAS(plain.out, "\t1\t2\n1 saliency\t1.000\t");
}

TEST(compare_fits_the_terminal)
{
    Run r = RUN_WITH(UNPACK({.env = {"COLUMNS=80"}}), "compare", "-m", MODEL, "-a", "integrated_gradients",
                     "-a", "saliency", ONE, "--evaluate");
    check_ran("compare", r);
    for (const char *s = r.out, *end; *s; s = end + 1) {
        end = strchr(s, '\n');
        if (end - s > 80) FAIL("%d columns: %.*s", (int)(end - s), (int)(end - s), s);
        else test_count(1);
    }
    CHECK_HAS(r.out, "deletion_auc\n");
    CHECK_HAS(r.out, "                        insertion_auc\n");
}

// The same bytes on every instruction set and with any number of threads, texts at once and bytes of memory.
TEST(compare_bits)
{
    const char *isa[4];
    Run first = {0};
    size_t n = cpu_isas(isa);
    for (size_t i = 0; i <= n; i++) {
        const char *env = i < n ? arena_printf(A, "INSEQ_ISA=%s", isa[i]) : "INSEQ_THREADS=1";
        Run r = RUN_WITH(UNPACK({.env = {env}}), "compare", "-m", MODEL, "-a", "input_x_gradient", "-a",
                         "occlusion", "--attribute_target", THREE, "--evaluate", "--json", "-bs",
                         i ? "8" : "1", "--max_memory", i < n ? "64M" : "1K");
        check_ran(env, r);
        if (!i) first = r;
        else CHECK(r.n_out == first.n_out && !memcmp(r.out, first.out, r.n_out));
    }
}

TEST(compare_refuses)
{
    static const struct {
        const char *words[12];
        int code;
        const char *says;
    } bad[] = {
        {{"-m", MODEL, "-a", "saliency", "-i", "x"}, 2, "compare needs two methods or more"},
        {{"-m", MODEL, "-i", "x"}, 2, "compare needs two methods or more"},
        {{"-m", MODEL, "-a", "saliency", "-a", "salience", "-i", "x"}, 2, "did you mean saliency?"},
        {{"-m", MODEL, "-a", "saliency", "-a", "saliency", "-i", "x"}, 2, "-a saliency is given twice"},
        {{"-a", "saliency", "-a", "lime", "-i", "x"}, 2, "which model?"},
        {{"-m", MODEL, "-m", MODEL, "-a", "saliency", "-a", "lime", "-i", "x"}, 2, "compare takes one -m"},
        {{"-m", MODEL, "-a", "saliency", "-a", "lime"}, 2, "which texts?"},
        {{"-m", MODEL, "-a", "saliency", "-a", "lime", "-i", " "}, 1, "the source is empty"},
        {{"-m", MODEL, "-a", "saliency", "-a", "lime", "-i", "x", "--top", "0"},
         2,
         "--top 0: it must be from 1"},
        {{"-m", MODEL, "-a", "saliency", "-a", "lime", "-i", "x", "--random_seed", "-1"},
         2,
         "--random_seed -1"},
        {{"-m", MODEL, "-a", "saliency", "-a", "lime", "-i", "x", "-o", "no/y"}, 1, "--save_path no/y"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *words[16] = {"compare"};
        for (int k = 0; k < 12 && bad[i].words[k]; k++) words[k + 1] = bad[i].words[k];
        check_refused(bad[i].says, run_with(A, &(Setup){0}, words), bad[i].code, bad[i].says);
    }
    check_refused("two methods", RUN("attribute", "-m", MODEL, "-a", "saliency", "-a", "lime", "-i", "x"), 2,
                  "'inseq compare -a METHOD -a METHOD ...'");
    Run r = RUN("compare", "-m", MODEL, "-a", "saliency", "-a", "dummy", ONE, "--evaluate");
    CHECK_INT(r.code, 3); // what the other method made is shown
    CHECK_HAS(r.err, "inseq: dummy, text 1: dummy gives tokens no scores");
    CHECK_HAS(r.out, "  1 saliency    1.000        -\n");
    r = RUN("compare", "-m", MODEL, "-a", "saliency", "-a", "lime", ONE, "--attribution_kwargs",
            "{\"n_samples\": 5, \"n_sample\": 1}");
    CHECK_INT(r.code, 0);
    CHECK_INT(lines(r.err), 1);
    CHECK_HAS(r.err, "n_sample is no argument of these methods");
}

TEST(attribute_evaluates)
{
    const char *folder = kit_folder(A), *saved = arena_printf(A, "%s/o.json", folder);
    Run r = RUN("attribute", "-m", MODEL, "-a", "occlusion", TWO, "--evaluate", "-o", saved);
    check_ran("attribute --evaluate", r);
    const char *first = strstr(r.out, "Faithfulness (means over ");
    CHECK(first && strstr(first + 1, "Faithfulness") &&
          strstr(strstr(first + 1, "Faithfulness") + 1, "Faithfulness"));
    CHECK_HAS(r.out, "comprehensiveness");
    Run shown = RUN("show", saved, "--format", "csv");
    check_ran("show", shown);
    CHECK_HAS(shown.out, ",step,insertion_auc,");
    Run plan =
            RUN("attribute", "-m", MODEL, "-a", "occlusion", ONE, "--evaluate", "--plan", "--format", "json"),
        without = RUN("attribute", "-m", MODEL, "-a", "occlusion", ONE, "--plan", "--format", "json");
    check_ran("--plan", plan);
    CHECK(strcmp(plan.out, without.out));
}
