// SPDX-License-Identifier: Apache-2.0
// t_evaluate.c — how faithful scores are: against PyTorch in float64 with its own rankings (tools/oracle/evaluate.py), again
// from the scores in passes of our own, and that nothing depends on threads, memory or neighbours.
#include "../attr/reports/report.h"
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static AttrOptions options(const Lab *l, const char *method, bool target, uint32_t seed)
{
    AttrOptions o = attr_defaults();
    o.method = method, o.attribute_target = target, o.unk = tok_unk(l->t), o.eos = tok_eos(l->t);
    o.evaluate = (EvaluateOptions){.wanted = true, .random = true, .seed = seed};
    return o;
}

static Sequence evaluated(Arena *A, const Lab *l, const AttrOptions *o, const Pair *p)
{
    Err e = {0};
    Sequence s = {0};
    if (!attr_run(A, l->m, o, p, 1, &s, &e)) FAIL("%s: %s", o->method, e.text);
    return s;
}

typedef struct Part {
    const char *name;
    const Scores *v;
} Part;

static void parts(const Curves *x, Part out[4])
{
    out[0] = (Part){"deletion", &x->deletion}, out[1] = (Part){"insertion", &x->insertion};
    out[2] = (Part){"comprehensiveness", &x->comprehensiveness},
    out[3] = (Part){"sufficiency", &x->sufficiency};
}

static float step_score(const Sequence *s, const char *name, int64_t c)
{
    for (size_t i = 0; i < s->n_step_scores; i++)
        if (str_is(s->step_scores[i].name, name)) return s->step_scores[i].scores.v[c];
    return FAIL("no %s", name), NAN;
}

// ------------------------------------------------------------------------------------------ against PyTorch

static void golden_curves(const char *what, const Json *want, const Curves *got)
{
    Part part[4];
    parts(got, part);
    for (int k = 0; k < 4; k++) {
        const Scores *x = part[k].v;
        const Json *rows = json_get(want, part[k].name), *row = rows->child;
        CHECK_INT(x->dim[0], rows->count);
        for (int64_t q = 0; q < x->dim[0]; q++, row = row->next) {
            CHECK_INT(x->dim[1], row->count);
            const Json *w = row->child;
            for (int64_t c = 0; c < x->dim[1]; c++, w = w->next) {
                double off = fabs((double)x->v[q * x->dim[1] + c] - w->number);
                if (off > 4e-6) // of a probability; seen: 1.5e-6
                    FAIL("%s, %s %d, step %d: %.9g, expected %.9g", what, part[k].name, (int)q, (int)c,
                         (double)x->v[q * x->dim[1] + c], w->number);
                else test_count(1);
            }
        }
    }
}

TEST(evaluate_golden)
{
    const Json *all = test_json(A, "test/golden/evaluate.json");
    if (!all) return;
    for (const Json *c = json_get(all, "cases")->child; c; c = c->next) {
        Lab l;
        if (!lab_open(A, str_zero(A, json_get(c, "model")->text), &l)) return;
        Pair p = lab_forced(A, &l, str_zero(A, json_get(c, "source")->text),
                            str_zero(A, json_get(c, "target")->text));
        CHECK_INT(p.source.n, json_get(c, "source_ids")->count);
        CHECK_INT(p.target.n, json_get(c, "target_ids")->count);
        AttrOptions o = options(&l, "input_x_gradient", json_get(c, "attribute_target")->kind == J_TRUE,
                                (uint32_t)json_get(c, "seed")->i);
        Sequence s = evaluated(A, &l, &o, &p);
        if (!s.evaluation) return;
        golden_curves("own", json_get(c, "own"), &s.evaluation->own);
        golden_curves("random", json_get(c, "random"), &s.evaluation->random);
    }
}

// ------------------------------------------------------------------------------------------ again, by hand

typedef struct Hand {
    const Lab *l;
    const Pair *p;
    int64_t S, T, d, V;
    float *x, *y, *unk_x, *unk_y;
    Tape *t;
} Hand;

static Hand hand(Arena *A, const Lab *l, const Pair *p)
{
    Hand h = {.l = l, .p = p, .S = p->source.n, .T = p->target.n - 1, .d = l->f->width, .V = l->f->vocab};
    int32_t unk = tok_unk(l->t);
    h.t = tape_create(A), tape_record(h.t, false);
    h.x = arena_new(A, float, h.S *h.d), h.y = arena_new(A, float, h.T *h.d);
    h.unk_x = arena_new(A, float, h.d), h.unk_y = arena_new(A, float, h.d);
    nn_embed(l->m, p->source, false, h.x), nn_embed(l->m, (Ids){p->target.v, h.T}, true, h.y);
    nn_embed(l->m, (Ids){&unk, 1}, false, h.unk_x), nn_embed(l->m, (Ids){&unk, 1}, true, h.unk_y);
    return h;
}

// The probability of column c's token where the marked places (source, then target) are unknown.
static double by_hand(Hand *h, const bool *gone, int64_t c)
{
    tape_reset(h->t);
    Arena *a = tape_arena(h->t);
    float *x = arena_new(a, float, h->S * h->d), *y = arena_new(a, float, h->T * h->d);
    for (int64_t i = 0; i < h->S; i++)
        memcpy(x + i * h->d, gone[i] ? h->unk_x : h->x + i * h->d, (size_t)h->d * sizeof *x);
    for (int64_t i = 0; i < h->T; i++)
        memcpy(y + i * h->d, gone[h->S + i] ? h->unk_y : h->y + i * h->d, (size_t)h->d * sizeof *y);
    Pass pass;
    nn_forward(h->l->m, h->t, tn_leaf(h->t, x, h->S, h->d, rows_make(a, 1, &h->S), false),
               tn_leaf(h->t, y, h->T, h->d, rows_make(a, 1, &h->T), false), NULL, &pass);
    const Tensor *z = nn_logits(h->l->m, h->t, &pass, &c, rows_make(a, 1, &(int64_t){1}));
    return exp((double)z->f[h->p->target.v[c + 1]] - num_log_sum_exp(z->f, h->V));
}

// Marks the k places that stand first in column c of the scores (signed; ties: the earlier one), or all but those.
static int64_t mark(const Hand *h, const Sequence *s, int64_t c, int64_t k, bool left, bool *gone)
{
    int64_t n = 0;
    float score[200];
    bool counts[200];
    for (int64_t i = 0; i < h->S + h->T; i++) {
        bool target = i >= h->S;
        int64_t row = target ? i - h->S : i;
        int32_t id = target ? h->p->target.v[row] : h->p->source.v[row];
        const Scores *v = target ? &s->target_attributions : &s->source_attributions;
        counts[i] =
            v->v && id != tok_eos(h->l->t) && id != tok_unk(h->l->t) && !(target && (row == 0 || row > c));
        score[i] = counts[i] ? v->v[row * v->dim[1] + c] : 0;
        n += counts[i];
    }
    for (int64_t i = 0; i < h->S + h->T; i++) {
        int64_t before = 0;
        for (int64_t j = 0; j < h->S + h->T; j++)
            before += counts[j] && (score[j] > score[i] || (score[j] == score[i] && j < i));
        gone[i] = counts[i] && (before < k) != left;
    }
    return n;
}

// Methods whose scores have signs, and ties (occlusion's windows): the ranking is by the score with its sign.
TEST(evaluate_again_by_hand)
{
    static const struct {
        const char *model, *method, *args, *source, *target;
        bool attribute_target;
    } cases[] = {{"odd-marian", "shapley_sampling", "{}", "Is 4 even?", "yes, it is", true},
                 {"odd-t5", "lime", "{}", "A dog, is it?", "no it is", false},
                 {"odd-marian", "occlusion", "{\"sliding_window_shapes\": 3, \"strides\": 3}", "Is 4 even?",
                  "yes, it is", true},
                 {"odd-marian", "attention", "{}", "one two three four five six seven", "a b", false}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Lab l;
        if (!lab_open(A, cases[k].model, &l)) return;
        Pair p = lab_forced(A, &l, cases[k].source, cases[k].target);
        AttrOptions o = options(&l, cases[k].method, cases[k].attribute_target, 0);
        Err e = {0};
        o.aggregated = true, o.method_args = json_parse(A, str_of(cases[k].args), "arguments", &e);
        Sequence s = evaluated(A, &l, &o, &p);
        if (!s.evaluation) return;
        Hand h = hand(A, &l, &p);
        const Curves *x = &s.evaluation->own;
        bool *gone = arena_new(A, bool, h.S + h.T), *none = arena_new(A, bool, h.S + h.T);
        for (int64_t c = 0; c < h.T; c++) {
            int64_t n = mark(&h, &s, c, 0, false, gone);
            double whole = by_hand(&h, none, c), area[2] = {0}, lost[2] = {0}, before[2] = {0};
            for (int q = 0; q < 16; q++) {
                static const double percent[] = {1, 5, 10, 20, 50};
                int64_t count = q < 11 ? (int64_t)floor((double)(q * n) / 10 + 0.5)
                                       : (int64_t)ceil(percent[q - 11] * (double)n / 100 - 1e-9);
                for (int left = 0; left < 2; left++) {
                    mark(&h, &s, c, count, left, gone);
                    double f = by_hand(&h, gone, c);
                    const Scores *v = q < 11 ? (left ? &x->insertion : &x->deletion)
                                             : (left ? &x->sufficiency : &x->comprehensiveness);
                    double got = (double)v->v[(q < 11 ? q : q - 11) * h.T + c];
                    CHECK_NEAR(got, q < 11 ? f : whole - f, 1e-7); // a float's rounding, and exp's
                    if (q && q < 11) area[left] += (f + before[left]) / 20;
                    if (q >= 11) lost[left] += (whole - f) / 5;
                    before[left] = f;
                }
            }
            CHECK_NEAR((double)step_score(&s, "comprehensiveness", c), lost[0], 2e-7);
            CHECK_NEAR((double)step_score(&s, "sufficiency", c), lost[1], 2e-7);
            CHECK_NEAR((double)step_score(&s, "deletion_auc", c), area[0], 2e-7);
            CHECK_NEAR((double)step_score(&s, "insertion_auc", c), area[1], 2e-7);
        }
    }
}

// ------------------------------------------------------------------------------------------ what must hold

static void same_curves(const char *what, const Curves *x, const Curves *y)
{
    Part p[4], q[4];
    parts(x, p), parts(y, q);
    for (int k = 0; k < 4; k++) {
        size_t n = (size_t)(p[k].v->dim[0] * p[k].v->dim[1]);
        if (p[k].v->dim[1] != q[k].v->dim[1] || memcmp(p[k].v->v, q[k].v->v, n * sizeof(float)))
            FAIL("%s: %s differ", what, p[k].name);
        else test_count(1);
    }
}

// The same bits alone and among others, with a pass for each point and all in one, on one thread and three.
TEST(evaluate_bits)
{
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p[3] = {lab_forced(A, &l, "Is 4 even?", "yes, it is"), lab_forced(A, &l, "A dog.", "no"),
                 lab_forced(A, &l, "one two three four", "een twee")};
    AttrOptions o = options(&l, "input_x_gradient", true, 5);
    Sequence together[3] = {{0}};
    Err e = {0};
    if (!attr_run(A, l.m, &o, p, 3, together, &e)) FAIL("%s", e.text);
    if (e.set) return;
    for (int k = 0; k < 6; k++) {
        AttrOptions own = o;
        own.max_memory = k < 3 ? 1 : o.max_memory, own.aggregated = k % 2;
        pool_start(k < 3 ? 1 : 3);
        Sequence s = evaluated(A, &l, &own, &p[k % 3]);
        if (!s.evaluation) return;
        same_curves("own", &s.evaluation->own, &together[k % 3].evaluation->own);
        same_curves("random", &s.evaluation->random, &together[k % 3].evaluation->random);
    }
    pool_start(0);
    AttrOptions other = o;
    other.evaluate.seed = 6;
    Sequence s = evaluated(A, &l, &other, &p[0]);
    same_curves("another seed, own", &s.evaluation->own, &together[0].evaluation->own);
    CHECK(memcmp(s.evaluation->random.deletion.v, together[0].evaluation->random.deletion.v,
                 (size_t)(11 * s.evaluation->random.deletion.dim[1]) * sizeof(float)));
    other.evaluate.random = false;
    s = evaluated(A, &l, &other, &p[0]);
    CHECK(!s.evaluation->random.deletion.v);
}

// With the value itself as score of steps, the ends of the curves are known: nothing taken is f(x), and both orders end
// where nothing is left. Foils are changed along; a source of unknown words has nothing to take.
TEST(evaluate_ends)
{
    Lab l;
    if (!lab_open(A, "t5-yesno-tiny", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is"),
         foil = lab_forced(A, &l, "Is 4 even?", "no, it is");
    const char *step = "probability";
    AttrOptions o = options(&l, "saliency", false, 0);
    o.step_scores = &step, o.n_step_scores = 1;
    Sequence s = evaluated(A, &l, &o, &p);
    int64_t n = p.target.n - 1;
    const Curves *own = &s.evaluation->own, *random = &s.evaluation->random;
    for (int64_t c = 0; c < n; c++) {
        float f = step_score(&s, "probability", c);
        CHECK(own->deletion.v[c] == f && own->insertion.v[10 * n + c] == f);
        CHECK(random->deletion.v[c] == f && random->insertion.v[10 * n + c] == f);
        CHECK(own->deletion.v[10 * n + c] == own->insertion.v[c]);
        CHECK(own->insertion.v[c] == random->insertion.v[c] &&
              own->deletion.v[10 * n + c] == own->insertion.v[c]);
    }
    p.contrast = &foil, o.attributed_fn = "contrast_prob_diff", o.step.contrast_force_inputs = true;
    step = "contrast_prob_diff";
    s = evaluated(A, &l, &o, &p);
    CHECK(s.evaluation->own.deletion.v[0] == step_score(&s, "contrast_prob_diff", 0));
    int32_t ids[] = {tok_unk(l.t), tok_unk(l.t), tok_eos(l.t)};
    Pair unknown = lab_pair(A, &l, (Ids){ids, 3}, p.target);
    o = options(&l, "saliency", false, 0);
    s = evaluated(A, &l, &o, &unknown);
    for (int64_t q = 0; q < 5 * n; q++)
        CHECK(s.evaluation->own.comprehensiveness.v[q] == 0 && s.evaluation->own.sufficiency.v[q] == 0);
}

// --plan knows the passes beforehand; where both sides are attributed, source rows at most.
TEST(evaluate_planned)
{
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "one two three four", "een twee drie");
    for (int target = 0; target < 2; target++)
        for (int random = 0; random < 2; random++) {
            AttrOptions o = options(&l, "saliency", target, 0);
            Passes made = {0};
            Plan plan;
            Err e = {0};
            o.made = &made, o.evaluate.random = random;
            evaluated(A, &l, &o, &p);
            if (!attr_plan(A, l.m, &o, &p, 1, 1e9, &plan, &e)) FAIL("%s", e.text);
            CHECK_NEAR(plan.passes.forwards, made.forwards, 0);
            CHECK_NEAR(plan.passes.words, made.words, 0);
            CHECK_NEAR(plan.passes.target_rows, made.target_rows, 0);
            CHECK_NEAR(plan.passes.source_rows, made.source_rows, target ? 0.2 * made.source_rows : 0);
            CHECK(plan.passes.source_rows >= made.source_rows);
        }
}

TEST(evaluate_refused)
{
    Lab l;
    Err e = {0};
    Sequence s;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes");
    AttrOptions o = options(&l, "dummy", false, 0);
    CHECK(!attr_run(A, l.m, &o, &p, 1, &s, &e));
    CHECK_STR(str_of(e.text), STR_LIT("dummy gives tokens no scores, so there is nothing to evaluate"));
}

typedef struct Faulty {
    const Lab *l;
    Pair p;
} Faulty;

static bool faulty_run(Arena *A, void *context, Err *e)
{
    Faulty *f = context;
    Sequence s;
    AttrOptions o = options(f->l, "saliency", false, 0);
    return attr_run(A, f->l->m, &o, &f->p, 1, &s, e);
}

TEST(evaluate_every_fault)
{
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Faulty f = {&l, lab_forced(A, &l, "no", "a")};
    test_every_fault(A, FAULT_ALLOC, faulty_run, &f);
}
