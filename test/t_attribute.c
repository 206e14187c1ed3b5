// t_attribute.c — attribution against the library's recorded results, against float64, and against itself: the same bits
// whatever the instruction set, threads, batch or memory; gradients against finite differences of what they derive.
#include "../attr/run.h"
#include "lab.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

// ------------------------------------------------------------------------------------------ golden cases

enum { MOST_LABS = 16 };

typedef struct Labs { // each model is opened once
    Arena *arena;
    Lab lab[MOST_LABS];
    Str name[MOST_LABS];
    int n;
} Labs;

static const Lab *lab_named(Labs *all, Str name) // NULL: a family we don't know
{
    for (int i = 0; i < all->n; i++)
        if (str_eq(all->name[i], name)) return all->lab[i].m ? &all->lab[i] : NULL;
    if (all->n == MOST_LABS) BUG("more models than MOST_LABS");
    all->name[all->n] = name;
    bool ok = lab_open(all->arena, str_zero(all->arena, name), &all->lab[all->n]);
    return all->n++, ok ? &all->lab[all->n - 1] : NULL;
}

// Where the library is wrong and we are not. Method dummy: it records the target's tokens as the source's. Divergences
// with top_p or top_k: it subtracts infinities, so that all are NaN.
static void mend(const Case *c, const Attribution *got, Attribution *want)
{
    bool dummy = !strcmp(c->o.method, "dummy"), filtered = c->o.step.top_k || c->o.step.top_p < 1;
    for (size_t i = 0; i < want->n && i < got->n; i++) {
        const Sequence *g = &got->sequence[i];
        Sequence *w = &want->sequence[i];
        if (dummy) w->source = g->source, w->n_source = g->n_source;
        for (size_t k = 0; filtered && k < w->n_step_scores && k < g->n_step_scores; k++) {
            float *v = w->step_scores[k].scores.v, *ours = g->step_scores[k].scores.v;
            if (!str_is(w->step_scores[k].name, "kl_divergence")) continue;
            CHECK(w->step_scores[k].scores.dim[0] == g->step_scores[k].scores.dim[0]);
            for (int64_t j = 0; j < w->step_scores[k].scores.dim[0]; j++) {
                CHECK(isnan(v[j]) && ours[j] >= 0 && isfinite(ours[j]));
                v[j] = ours[j];
            }
        }
    }
}

static double largest(const Attribution *t)
{
    double most = 0;
    for (size_t i = 0; i < t->n; i++) {
        const Scores *side[] = {&t->sequence[i].source_attributions, &t->sequence[i].target_attributions};
        for (int k = 0; k < 2; k++) {
            int64_t n = side[k]->v ? 1 : 0;
            for (int d = 0; d < side[k]->rank; d++) n *= side[k]->dim[d];
            for (int64_t j = 0; j < n; j++)
                if (fabsf(side[k]->v[j]) > (float)most) most = (double)fabsf(side[k]->v[j]);
        }
    }
    return most;
}

// Unaggregated results. The case's tolerance is for scores that add up to 1: it shrinks with the raw ones.
static void compare_raw(Arena *A, const Case *c, const char *file, const Attribution *got)
{
    Attribution want;
    Case raw = *c;
    if (!golden_attribution(A, file, &want)) return;
    double size = largest(&want);
    if (size < 1) raw.scores.absolute *= size;
    mend(c, got, &want);
    lab_compare(A, &raw, file, got, &want);
}

static bool run_case(Arena *A, Labs *labs, const Json *entry, const char *file, const char *raw_file)
{
    Case c;
    Err e = {0};
    const char *why;
    Attribution got, flat, want;
    const Lab *l = lab_named(labs, json_get(entry, "model")->text);
    if (!l || !lab_case(A, entry, &c, &why)) return false;
    if (!lab_attribute(A, l, &c, &got, &e) || !attr_aggregate_default(A, &got, &flat, &e))
        return FAIL("%.*s: %s", (int)c.name.n, c.name.s, e.text), true;
    if (raw_file) compare_raw(A, &c, raw_file, &got);
    if (!golden_attribution(A, file, &want)) return true;
    mend(&c, &got, &want);
    lab_compare(A, &c, file, &flat, &want);
    return true;
}

static const char *below_cases(Arena *A, const Json *entry, const char *key) // "cases/x" -> "x"; NULL: no such file
{
    const Json *j = json_get(entry, key);
    return j && j->kind == J_STRING ? str_zero(A, j->text) + strlen("cases/") : NULL;
}

// Every recorded attribution that our tables allow. The count only grows: a case can't go away unnoticed.
TEST(attribute_golden)
{
    const Json *index = golden_json(A, "index.json");
    Labs labs = {.arena = A};
    int run = 0;
    for (const Json *c = NULL; (c = golden_case(index, "attribute", c));) {
        if (str_is(json_get(c, "name")->text, "marian-to-position")) continue; // attribute_to_position, below
        Arena *each = arena_create(A);
        run += run_case(each, &labs, c, below_cases(each, c, "file"), below_cases(each, c, "raw_file"));
        arena_free(each);
    }
    if (run < 86) FAIL("%d cases were run; it was 86 and more", run);
}

// Inseq 0.6 with an older transformers, unrepaired, agrees.
TEST(attribute_older)
{
    const Json *index = golden_json(A, "index.json");
    Labs labs = {.arena = A};
    int run = 0;
    for (const Json *c = NULL; (c = golden_case(index, "older", c));) {
        const Json *with = json_get(c, "compare_with"), *entry = NULL;
        while (with && (entry = golden_case(index, "attribute", entry)) && !str_eq(json_get(entry, "file")->text, with->text)) {}
        Arena *each = arena_create(A);
        run += entry && run_case(each, &labs, entry, below_cases(each, c, "file"), NULL);
        arena_free(each);
    }
    if (run < 12) FAIL("%d cases were run; it was 12 and more", run);
}

// The library's end is inclusive, and then its labels are one off (recorded as a defect). Ours is exclusive: steps 2..5
// are the first four columns of its file, which it calls 1..4.
TEST(attribute_to_position)
{
    const Json *index = golden_json(A, "index.json"), *entry = NULL;
    while ((entry = golden_case(index, "attribute", entry)) && !str_is(json_get(entry, "name")->text, "marian-to-position")) {}
    Case c;
    Err e = {0};
    const char *why;
    Attribution got, flat, want;
    Labs labs = {.arena = A};
    const Lab *l = lab_named(&labs, STR_LIT("marian-en-nl"));
    if (!l || !lab_case(A, entry, &c, &why) || !golden_attribution(A, "attribute/marian-to-position.json", &want)) return;
    CHECK_INT(c.o.start, 2);
    CHECK_INT(c.o.end, 6);
    CHECK_INT(want.sequence->attr_pos_start, 1);
    if (!lab_attribute(A, l, &c, &got, &e) || !attr_aggregate_default(A, &got, &flat, &e)) FAIL("%s", e.text);
    Sequence *w = want.sequence;
    Scores *wide = &w->source_attributions, narrow = {.rank = 2, .dim = {wide->dim[0], 4}};
    narrow.v = arena_new(A, float, wide->dim[0] * 4);
    CHECK_INT(wide->dim[1], 5);
    for (int64_t i = 0; i < wide->dim[0]; i++)
        for (int64_t k = 0; k < 4; k++) narrow.v[4 * i + k] = wide->v[wide->dim[1] * i + k];
    *wide = narrow, w->step_scores->scores.dim[0] = 4;
    w->attr_pos_start = 2, w->attr_pos_end = 6;
    lab_compare(A, &c, "marian-to-position", &flat, &want);
}

static void same_files(Arena *A, const Attribution *a, const Attribution *b, const char *what)
{
    Buf x = {.arena = A}, y = {.arena = A};
    attr_to_json(A, a, &x), attr_to_json(A, b, &y);
    CHECK(x.n > 1000);
    if (!str_eq(buf_view(&x), buf_view(&y))) FAIL("%s: other bytes", what);
    else test_count(1);
}

// However the weights are stored: one file, three, pickled as zip or in the old way.
TEST(attribute_storage)
{
    static const char *const name[] = {"marian-en-nl", "marian-en-nl-sharded", "marian-en-nl-bin", "marian-en-nl-legacy"};
    AttrOptions o = attr_defaults();
    o.method = "input_x_gradient", o.attribute_target = true;
    o.step_scores = (const char *const[]){"probability"}, o.n_step_scores = 1;
    Attribution of[4];
    for (int i = 0; i < 4; i++) {
        Lab l;
        Err e = {0};
        if (!lab_open(A, name[i], &l)) return;
        Pair p = lab_forced(A, &l, "The nurse went to the hospital.", "De verpleger ging naar het ziekenhuis.");
        of[i] = (Attribution){.sequence = arena_new(A, Sequence, 1), .n = 1};
        if (!attr_run(A, l.m, &o, &p, 1, of[i].sequence, &e)) FAIL("%s: %s", name[i], e.text);
        if (i) same_files(A, &of[i], &of[0], name[i]);
    }
}

// ------------------------------------------------------------------------------------------ against float64

typedef struct Errors {
    double ours, torch, size; // largest distances from float64, and the largest value
} Errors;

static Errors errors_of(const float *got, const Stored *f32, const Stored *f64)
{
    Errors r = {0};
    int64_t n = lab_count(f64);
    CHECK_INT(lab_count(f32), n);
    for (int64_t i = 0; i < n; i++) {
        double exact = lab_at(f64, i), ours = fabs((double)got[i] - exact), torch = fabs(lab_at(f32, i) - exact);
        if (isnan(exact) != isnan(got[i])) return FAIL("NaN in another place, at %" PRId64, i), r;
        if (isnan(exact)) continue;
        r.ours = fmax(r.ours, ours), r.torch = fmax(r.torch, torch), r.size = fmax(r.size, fabs(exact));
    }
    test_count(n);
    return r;
}

typedef struct Ratios { // logarithms of ours / torch
    double sum;
    int n;
} Ratios;

// Two roundings of one value differ by luck: a tensor may be three times as far off as PyTorch's float32, plus four units
// in the last place of its largest value. The mean over all tensors is held tighter, below.
static void check_error(Ratios *all, const char *file, const char *name, const float *got, const Checkpoint *f32,
                        const Checkpoint *f64)
{
    Errors r = errors_of(got, lab_tensor(f32, name), lab_tensor(f64, name));
    if (r.ours > 0 && r.torch > 0) all->sum += num_log(r.ours / r.torch), all->n++;
    if (!(r.ours <= 3 * r.torch + 4.8e-7 * r.size))
        FAIL("%s: %s is off by %.3g; PyTorch's float32 by %.3g (largest value %.3g)", file, name, r.ours, r.torch, r.size);
}

static bool attribute_one(Arena *A, const Lab *l, const char *method, const Json *args, const Pair *p, Sequence *out)
{
    Err e = {0};
    AttrOptions o = attr_defaults();
    o.method = method, o.attribute_target = true, o.method_args = args;
    o.step_scores = (const char *const[]){"probability", "logit", "entropy"}, o.n_step_scores = 3;
    return attr_run(A, l->m, &o, p, 1, out, &e) || (FAIL("%s", e.text), false);
}

static void against_float64(Arena *A, const Lab *l, const Json *entry, Ratios *all)
{
    const char *file = below_cases(A, entry, "file");
    const Checkpoint *f64 = lab_tensors(A, file), *f32 = lab_tensors(A, below_cases(A, entry, "float32_file"));
    const Json *text = json_get(entry, "text");
    Pair p = lab_forced(A, l, str_zero(A, text->child->text), str_zero(A, text->child->next->text));
    Ids source = lab_ids(A, lab_tensor(f64, "ids.source")), target = lab_ids(A, lab_tensor(f64, "ids.target"));
    CHECK(source.n == p.source.n && !memcmp(source.v, p.source.v, (size_t)source.n * sizeof(int32_t)));
    CHECK(target.n == p.target.n && !memcmp(target.v, p.target.v, (size_t)target.n * sizeof(int32_t)));
    const Json *signed_ = json_parse(A, STR_LIT("{\"abs\": false}"), "", NULL);
    Sequence gradient, ixg, flat;
    Stage stage[4];
    if (!attribute_one(A, l, "saliency", signed_, &p, &gradient) || !attribute_one(A, l, "input_x_gradient", NULL, &p, &ixg))
        return;
    if (!attr_aggregate(A, &ixg, stage, attr_default_pipeline(&ixg, stage), &flat, NULL)) FAIL("%s", file);
    check_error(all, file, "source.gradient", gradient.source_attributions.v, f32, f64);
    check_error(all, file, "target.gradient", gradient.target_attributions.v, f32, f64);
    check_error(all, file, "source.input_x_gradient", ixg.source_attributions.v, f32, f64);
    check_error(all, file, "target.input_x_gradient", ixg.target_attributions.v, f32, f64);
    check_error(all, file, "source.aggregated", flat.source_attributions.v, f32, f64);
    check_error(all, file, "target.aggregated", flat.target_attributions.v, f32, f64);
    for (size_t i = 0; i < ixg.n_step_scores; i++)
        check_error(all, file, arena_printf(A, "step.%s", str_zero(A, ixg.step_scores[i].name)), ixg.step_scores[i].scores.v, f32, f64);
}

TEST(attribute_float64)
{
    const Json *index = golden_json(A, "index.json");
    Labs labs = {.arena = A};
    Ratios all = {0};
    int run = 0;
    for (const Json *c = NULL; (c = golden_case(index, "float64", c));) {
        Arena *each = arena_create(A);
        const Lab *l = lab_named(&labs, json_get(c, "model")->text);
        bool here = file_exists(arena_printf(each, "test/golden/%s", str_zero(each, json_get(c, "file")->text)));
        if (l && here) against_float64(each, l, c, &all), run++;
        arena_free(each);
    }
    if (run < 11) FAIL("%d cases were run; it was 11 and more", run);
    double mean = num_exp(all.sum / all.n);
    if (!(mean < 1.15)) FAIL("our errors are %.2f times those of PyTorch's float32, by geometric mean of %d", mean, all.n);
}
