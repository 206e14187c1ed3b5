// SPDX-License-Identifier: Apache-2.0
// t_plan.c — what --plan says of a run, held against what the run does: rows and cotangents are counted where passes are
// made (Passes, attribute.c), for every method in the table.
#include "cli.h"
#include "lab.h"

#include <math.h>

typedef struct Planned {
    const char *args, *attributed_fn;
    bool target, foil, forced;
    size_t max_memory;
    int64_t start, end; // 0: all
} Planned;

static AttrOptions options(Arena *A, const Lab *l, const char *method, const Planned *c)
{
    Err e = {0};
    AttrOptions o = attr_defaults();
    o.method = method, o.attribute_target = c->target, o.unk = tok_unk(l->t), o.eos = tok_eos(l->t);
    o.max_memory = c->max_memory ? c->max_memory : (size_t)1 << 30;
    o.method_args = c->args ? json_parse(A, str_of(c->args), "arguments", &e) : NULL;
    if (c->attributed_fn) o.attributed_fn = c->attributed_fn;
    o.step.contrast_force_inputs = c->forced;
    o.has_start = c->start > 0, o.start = c->start, o.has_end = c->end > 0, o.end = c->end;
    CHECK(!e.set);
    return o;
}

static Pair pair(Arena *A, const Lab *l, bool foil)
{
    Pair p = lab_forced(A, l, "The nurse went to the hospital.", "De verpleegster ging naar het ziekenhuis.");
    Pair *other = arena_new(A, Pair, 1);
    *other = lab_forced(A, l, "The nurse went to the hospital.", "De dokter ging naar huis.");
    p.contrast = foil ? other : NULL;
    return p;
}

// The plan of a method, and what attr_run made of it.
static void check_method(Arena *A, const Lab *l, const char *method, const Planned *c)
{
    Err e = {0};
    Passes made = {0};
    Plan plan;
    Sequence s;
    AttrOptions o = options(A, l, method, c);
    Pair p = pair(A, l, c->foil);
    if (!attr_plan(A, l->m, &o, &p, 1, 1e9, &plan, &e)) {
        if (!strstr(e.text, "attribute_target must be off")) FAIL("%s: %s", method, e.text);
        return;
    }
    const double work = attr_work(A, l->m, &o, &p, 1), planned = plan.seconds * 1e9;
    if (!(work <= planned * (1 + 1e-9) && work >= 0.8 * planned))
        FAIL("%s: work %g, planned %g", method, work, planned);
    o.made = &made;
    if (!attr_run(A, l->m, &o, &p, 1, &s, &e)) return FAIL("%s: %s", method, e.text);
    const Passes *q = &plan.passes;
    bool at_most = !strcmp(method, "reagent"); // its probes stop when they can
    struct {
        const char *what;
        double planned, made;
    } counts[] = {{"forwards", q->forwards, made.forwards},
                  {"target rows", q->target_rows, made.target_rows},
                  {"words", q->words, made.words},
                  {"cotangents", q->words_back, made.words_back},
                  {"source rows back", q->source_back, made.source_back},
                  {"target rows back", q->target_back, made.target_back}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (!(at_most ? counts[i].made <= counts[i].planned
                      : fabs(counts[i].planned - counts[i].made) <= 1e-6))
            FAIL("%s %s: %s: %.9g planned, %.9g made", method, c->args ? c->args : "", counts[i].what,
                 counts[i].planned, counts[i].made);
    // a source that stays where it is is encoded once for all points of a pass
    double source = (double)p.source.n, more = made.source_rows - q->source_rows;
    if (!((at_most ? more : fabs(more)) <= (made.source_rows > source ? source : 1e-6)))
        FAIL("%s: source rows: %.9g planned, %.9g made", method, q->source_rows, made.source_rows);
    CHECK_NEAR(plan.backwards, made.words_back / (double)plan.steps, 1e-9);
}

TEST(plan_every_method)
{
    Lab l;
    const Entry *v;
    size_t n = attr_method_list(&v);
    if (!lab_open(A, "marian-en-nl", &l)) return;
    for (size_t i = 0; i < n; i++) {
        if (!v[i].cost)
            FAIL("%s does not say what it costs (Method.cost, and passes if it runs any)", v[i].name);
        const char *few =
            "{\"n_steps\": 4, \"n_samples\": 3, \"max_probe_steps\": 2}"; // those that take them
        Arena *a = arena_create(A);
        check_method(a, &l, v[i].name, &(Planned){0});
        check_method(a, &l, v[i].name, &(Planned){.args = few, .target = true});
        check_method(a, &l, v[i].name, &(Planned){.args = few, .target = true, .start = 2, .end = 5});
        arena_free(a);
    }
}

TEST(plan_arguments)
{
    static const struct {
        const char *method, *args;
    } cases[] = {
        {"integrated_gradients", "{\"n_steps\": 7, \"return_convergence_delta\": true}"},
        {"integrated_gradients", "{\"n_steps\": 7, \"internal_batch_size\": 2}"},
        {"sequential_integrated_gradients", "{\"n_steps\": 3, \"multiply_by_inputs\": false}"},
        {"discretized_integrated_gradients", "{\"n_steps\": 4}"},
        {"layer_integrated_gradients", "{\"n_steps\": 3}"},
        {"layer_integrated_gradients",
         "{\"n_steps\": 3, \"target_layer\": \"decoder.layers.1.fc1\", \"return_convergence_delta\": true}"},
        {"gradient_shap", "{\"n_samples\": 3, \"return_convergence_delta\": true}"},
        {"smooth_grad", "{\"n_samples\": 4}"},
        {"expected_gradients", "{\"n_samples\": 4, \"return_convergence_delta\": true}"},
        {"lime", "{\"n_samples\": 9}"},
        {"shapley_sampling", "{\"n_samples\": 3, \"return_convergence_delta\": true}"},
        {"occlusion", "{\"units\": \"word\"}"},
        {"shapley_sampling", "{\"units\": \"word\", \"n_samples\": 2}"},
        {"occlusion", "{\"sliding_window_shapes\": [3, -1], \"strides\": [2, -1]}"},
        {"value_zeroing", "{\"output_encoder_self_scores\": false}"}};
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int target = 0; target < 2; target++)
            check_method(A, &l, cases[i].method, &(Planned){.args = cases[i].args, .target = target});
}

// What the run refuses, its plan does, in the same words.
TEST(plan_refuses_what_the_run_refuses)
{
    static const char *const cases[][2] = {{"var_grad", "{\"n_samples\": 1}"},
                                           {"smooth_grad", "{\"stdev\": -1}"},
                                           {"square_grad", "{\"method\": \"x\"}"},
                                           {"sobol", "{\"order\": \"x\"}"},
                                           {"sobol", "{\"perturbations_per_eval\": 0}"},
                                           {"kernel_shap", "{\"perturbations_per_eval\": 0}"},
                                           {"kernel_shap", "{\"n_samples\": 1}"},
                                           {"shapley_sampling", "{\"n_samples\": 0}"},
                                           {"lime", "{\"n_samples\": 0}"},
                                           {"lime", "{\"perturbations_per_eval\": 0}"},
                                           {"lime", "{\"mask_prob\": 2}"},
                                           {"occlusion", "{\"sliding_window_shapes\": [0, -1]}"},
                                           {"integrated_gradients", "{\"n_steps\": 0}"},
                                           {"integrated_gradients", "{\"method\": \"x\"}"},
                                           {"integrated_gradients", "{\"internal_batch_size\": 0}"},
                                           {"sequential_integrated_gradients", "{\"multiply_by_inputs\": 3}"},
                                           {"discretized_integrated_gradients", "{\"n_neighbors\": 0}"},
                                           {"gradient_shap", "{\"n_samples\": 0}"},
                                           {"gradient_shap", "{\"stdevs\": -1}"},
                                           {"expected_gradients", "{\"n_samples\": 0}"},
                                           {"layer_integrated_gradients", "{\"target_layer\": \"x\"}"},
                                           {"reagent", "{\"num_probes\": 0}"},
                                           {"value_zeroing", "{\"similarity_metric\": \"x\"}"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Run run = RUN("attribute", "-m", MODEL, "-i", TEXT, "-a", cases[i][0], "--attribution_kwargs",
                      cases[i][1]),
            plan = RUN("attribute", "-m", MODEL, "-i", TEXT, "-a", cases[i][0], "--attribution_kwargs",
                       cases[i][1], "--plan");
        if (!run.code || plan.code != run.code || strcmp(run.err, plan.err))
            FAIL("%s %s: %d %s planned: %d %s", cases[i][0], cases[i][1], run.code, run.err, plan.code,
                 plan.err);
        else test_count(1);
    }
}

// A foil is a sequence more in the first pass; with contrast_force_inputs it goes wherever the target goes.
TEST(plan_foil)
{
    static const char *const methods[] = {"input_x_gradient", "integrated_gradients", "occlusion",
                                          "gradient_shap"};
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        for (int forced = 0; forced < 2; forced++)
            check_method(
                A, &l, methods[i],
                &(Planned){
                    .attributed_fn = "contrast_prob_diff", .target = true, .foil = true, .forced = forced});
}

// The same operations as inseq bench counts for input x gradient.
TEST(plan_flops)
{
    Err e = {0};
    Lab l;
    Plan plan;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    AttrOptions o = options(A, &l, "input_x_gradient", &(Planned){0});
    Pair p = pair(A, &l, false);
    if (!attr_plan(A, l.m, &o, &p, 1, 1e9, &plan, &e)) return FAIL("%s", e.text);
    CHECK_INT(plan.S, p.source.n);
    CHECK_INT(plan.T, p.target.n);
    CHECK_INT(plan.steps, p.target.n - 1);
    CHECK_NEAR(plan.passes.forwards, 1, 0);
    CHECK_NEAR(plan.backwards, 1, 0);
    CHECK_NEAR((plan.forth + plan.back) / attr_flops(l.m, p.source.n, p.target.n - 1, 1), 1, 1e-12);
}

// ------------------------------------------------------------------------------------------ the command

static double number(const Json *j, const char *name)
{
    const Json *n = json_get(j, name);
    return n && n->kind == J_NUMBER ? n->number : (FAIL("no number %s", name), NAN);
}

TEST(plan_command)
{
    Err e = {0};
    Run r = RUN("attribute", "--plan", "-m", TRAINED, "-a", "occlusion", "-i", TEXT, "-g", INTO);
    check_ran("--plan", r);
    CHECK_HAS(r.out, "for each text: 1 + S + T forwards");
    CHECK_HAS(r.out, "targets are given");
    r = RUN("attribute", "--plan", "--format", "json", "-m", TRAINED, "-a", "integrated_gradients",
            "--attribution_kwargs", "{\"n_steps\": 7}", "-i", TEXT, "It is raining.");
    check_ran("--plan --format json", r);
    const Json *j = json_parse(A, str_of(r.out), "plan", &e), *texts = json_get(j, "texts");
    if (!j) return FAIL("%s", e.text);
    CHECK_INT(texts ? texts->count : 0, 2);
    for (const Json *t = texts ? texts->child : NULL; t; t = t->next) {
        CHECK_NEAR(number(t, "forwards"), 8, 0);
        CHECK_NEAR(number(t, "backwards"), 7, 0);
        CHECK(number(t, "bytes") > 0 && number(t, "seconds") > 0);
    }
    CHECK_NEAR(number(json_get(j, "all"), "forwards"), 16, 0);
    CHECK_INT(json_get(j, "generated")->kind, J_TRUE);
    check_refused("bad argument",
                  RUN("attribute", "--plan", "-m", TRAINED, "-a", "lime", "--attribution_kwargs",
                      "{\"n_samples\": 0}", "-i", TEXT, "-g", INTO),
                  1, "n_samples is 0");
    r = RUN("attribute", "--plan", "-m", TRAINED, "-i", TEXT, "caf\xe9", "-g", INTO, INTO);
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.err, "text 2");
}
