// SPDX-License-Identifier: Apache-2.0
// evaluate.c — how faithful is an attribution: what becomes of each step when the tokens that it calls important are
// taken away, and when only they are left. DeYoung et al. 2020 (ERASER), arXiv:1911.03429; Samek et al. 2017,
// arXiv:1509.06321; Petsiuk et al. 2018 (RISE), arXiv:1806.07421.
//
//   d(k) = f(x without its k most important tokens)      i(k) = f(x with only its k most important tokens)
//
//   deletion_auc, insertion_auc          areas under d and i, by trapezoids, at k = 0, 10, 20 ... 100 % of n
//   comprehensiveness, sufficiency       means of f(x) - d(k) and of f(x) - i(k) at k = 1, 5, 10, 20, 50 % of n, rounded
//                                        up: ERASER's AOPC (whose formula, not its program, divides by one more)
//
// f is the attributed function, so by default the probability of the step's token. n tokens count for a step: those that
// it sees and that have scores, but for those that are their own baseline. The score as it is shown, with its sign,
// orders them, highest first; of equals the earlier one, source before target; without a score last. A token is taken
// away as occlusion does it: the baseline (baseline.c) stands in its row. Of random orders each text has four, which its
// steps take by turns: they depend on the seed and the tokens' places, and are the same for every method.
//
// Each step has an order of its own, and so points of its own, two for each k. Where only the source is attributed a random
// order is that of all steps whose turn it is, and one point serves them all; and always where nothing is left.
#include "random.h"
#include "results/measures.h"
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int bin[EVALUATE_BINS] = {1, 5, 10, 20, 50}; // percent

enum { COUNTS = EVALUATE_POINTS + EVALUATE_BINS, TURNS = 4 };
typedef enum { TAKEN, LEFT } Curve; // the k first are taken away, or they are all that is left

typedef struct Place {
    int64_t row;
    bool target;
    double key; // ordered by this, highest first; NaN last
} Place;

// The tokens of a step, most important first, and what was found.
typedef struct Order {
    const Place *v;
    int64_t n, count[COUNTS];
    double value[2][COUNTS]; // by Curve
} Order;

typedef struct Trial { // one point
    Order *order;      // of the first step that it serves; then of every TURNS-th one
    int64_t k;
    Curve curve;
    bool nothing; // for all steps of the pair
} Trial;

typedef struct Evaluate {
    const float *bx, *by;
    Point *v;
    Trial *trial; // [points]
    int64_t n_points;
    int orders;              // of each step: its own, a random one
    Order *order;            // [steps, orders]
    double *clean, *nothing; // [steps] f of the original inputs, and where nothing is left
} Evaluate;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Evaluate *c = context;
    const Trial *t = &c->trial[i];
    int64_t p = c->v[i].pair, d = r->width, from = t->curve == TAKEN ? 0 : t->k,
            to = t->curve == TAKEN ? t->k : t->order->n;
    for (int64_t k = from; k < to; k++) {
        const Place *q = &t->order->v[k];
        const float *b = q->target ? c->by + run_y_at(r, p) : c->bx + run_x_at(r, p);
        memcpy((q->target ? y : x) + q->row * d, b + q->row * d, (size_t)d * sizeof(float));
    }
}

static void value(Run *r, void *context, int64_t i, int64_t column, double f)
{
    const Evaluate *c = context;
    const Trial *t = &c->trial[i];
    int64_t p = c->v[i].pair, later = r->from[p] + column - c->v[i].from;
    if (t->nothing) c->nothing[r->first_step[p] + column] = f;
    if (t->nothing || later % TURNS) return;
    Order *o = t->order + later * c->orders;
    for (int q = 0; q < COUNTS; q++)
        if (o->count[q] == t->k) o->value[t->curve][q] = f;
}

static void add_point(Evaluate *c, int64_t pair, int64_t from, int64_t to, Trial t)
{
    Point v = {.pair = pair, .from = from, .to = to};
    for (int64_t k = t.curve == TAKEN ? 0 : t.k; k < (t.curve == TAKEN ? t.k : t.order->n); k++)
        *(t.order->v[k].target ? &v.moves_y : &v.moves_x) = true;
    c->trial[c->n_points] = t, c->v[c->n_points++] = v;
}

// The counts that a step of n tokens is tried with: rounded tenths, then ERASER's shares, rounded up.
static void set_counts(int64_t n, int64_t count[COUNTS])
{
    for (int q = 0; q < COUNTS; q++)
        count[q] = q < EVALUATE_POINTS ? (2 * q * n + EVALUATE_POINTS - 1) / (2 * (EVALUATE_POINTS - 1))
                                       : (bin[q - EVALUATE_POINTS] * n + 99) / 100;
}

// Where all or none are left no pass is needed, nor twice for one count.
static bool needs_pass(int64_t n, const int64_t count[COUNTS], int q)
{
    for (int j = 0; j < q; j++)
        if (count[j] == count[q]) return false;
    return count[q] != 0 && count[q] != n;
}

static void add_points(Evaluate *c, int64_t pair, int64_t from, int64_t to, Order *o)
{
    for (int q = 0; q < COUNTS; q++) {
        if (!needs_pass(o->n, o->count, q)) continue;
        add_point(c, pair, from, to, (Trial){o, o->count[q], TAKEN, false});
        add_point(c, pair, from, to, (Trial){o, o->count[q], LEFT, false});
    }
}

// Rows of the sides that have scores, but for those that are their own baseline.
static int64_t list_places(const Run *r, const Evaluate *c, int64_t p, bool source, bool target_too,
                           Place *out)
{
    int64_t n = 0, d = r->width;
    for (int target = r->sources && source ? 0 : 1; target < 1 + target_too; target++) {
        const float *x = target ? run_y(r, p) : run_x(r, p),
                    *b = target ? c->by + run_y_at(r, p) : c->bx + run_x_at(r, p);
        int64_t rows = target ? r->to[p] - 1 : r->pair[p].source.n;
        for (int64_t i = 0; i < rows; i++)
            if (memcmp(x + i * d, b + i * d, (size_t)d * sizeof(float)))
                out[n++] = (Place){.row = i, .target = target};
    }
    return n;
}

static int by_key(const void *a, const void *b)
{
    const Place *x = a, *y = b;
    if (isnan(x->key) != isnan(y->key)) return isnan(x->key) ? 1 : -1;
    if (x->key != y->key && !isnan(x->key)) return x->key > y->key ? -1 : 1;
    if (x->target != y->target) return x->target ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

// Those of the places that step s sees, ordered by their scores in column c, or (scores NULL) by keys drawn for them.
static Order order_places(Arena *a, const Place *place, int64_t n, int64_t s, const Sequence *scores,
                          int64_t c, const double *drawn)
{
    Place *v = arena_new(a, Place, n);
    Order o = {.v = v};
    for (int64_t i = 0; i < n; i++) {
        Place q = place[i];
        if (q.target && q.row >= s) continue;
        const Scores *side = scores && q.target ? &scores->target_attributions
                             : scores           ? &scores->source_attributions
                                                : NULL;
        q.key = side ? (double)*run_cell(side, q.row, c) : drawn[i];
        v[o.n++] = q;
    }
    qsort(v, (size_t)o.n, sizeof *v, by_key);
    set_counts(o.n, o.count);
    return o;
}

// Source places first, so that what a step sees does not depend on what follows it.
static double *draw_keys(Arena *a, uint32_t seed, int64_t n)
{
    double *key = arena_new(a, double, TURNS *n);
    for (int t = 0; t < TURNS; t++) {
        Random stream;
        random_seed(&stream, seed ^ 2654435761u * (uint32_t)(t + 1));
        for (int64_t i = 0; i < n; i++) key[t * n + i] = random_uniform(&stream);
    }
    return key;
}

// The orders of a pair's steps, and their points.
static void order_pair(Run *r, Evaluate *c, int64_t p, const Sequence *shown)
{
    Arena *w = r->work;
    bool source = shown->source_attributions.v, target = shown->target_attributions.v;
    Place *place = arena_new(w, Place, r->pair[p].source.n + r->to[p]);
    int64_t n = list_places(r, c, p, source, target, place);
    Order *all = arena_new(w, Order, 1);
    *all = (Order){.v = place, .n = n};
    if (n) add_point(c, p, r->from[p], r->to[p], (Trial){all, n, TAKEN, true});
    const double *drawn = draw_keys(w, r->o->evaluate.seed, n);
    for (int64_t k = 0; k < r->to[p] - r->from[p]; k++) {
        int64_t s = r->from[p] + k;
        Order *o = &c->order[(r->first_step[p] + k) * c->orders];
        o[0] = order_places(w, place, n, s, shown, k, NULL);
        add_points(c, p, s, s + 1, &o[0]);
        if (c->orders < 2) continue;
        o[1] = order_places(w, place, n, s, NULL, k, drawn + s % TURNS * n);
        if (target || k < TURNS) add_points(c, p, s, target ? s + 1 : r->to[p], &o[1]);
    }
}

// What is known without a pass, then the curves' column c.
static void finish(const Evaluate *e, Order *o, int64_t step, Curves *out, int64_t c)
{
    int64_t columns = out->deletion.dim[1];
    for (int q = 0; q < COUNTS; q++) {
        double *taken = &o->value[TAKEN][q], *left = &o->value[LEFT][q];
        if (o->count[q] == o->n) *taken = e->nothing[step], *left = e->clean[step];
        if (o->count[q] == 0) *taken = e->clean[step], *left = o->n ? e->nothing[step] : e->clean[step];
        if (q < EVALUATE_POINTS) {
            out->deletion.v[q * columns + c] = (float)*taken;
            out->insertion.v[q * columns + c] = (float)*left;
            continue;
        }
        int64_t at = (q - EVALUATE_POINTS) * columns + c;
        out->comprehensiveness.v[at] = (float)(e->clean[step] - *taken);
        out->sufficiency.v[at] = (float)(e->clean[step] - *left);
    }
}

// Each pair's scores as they are shown.
static bool shown_scores(Run *r, Sequence *out, Err *e)
{
    for (int64_t p = 0; p < r->n; p++) {
        Stage pipeline[4];
        size_t n = attr_default_pipeline(&r->out[p], pipeline);
        if (!attr_aggregate(r->work, &r->out[p], pipeline, n, &out[p], e)) return false;
        if (!out[p].source_attributions.v && !out[p].target_attributions.v)
            return err_set(e, "%s gives tokens no scores, so there is nothing to evaluate", r->o->method);
    }
    return true;
}

// What was found of a pair: its curves on a, and its step scores.
static void keep_pair(Run *r, const Evaluate *c, int64_t p, Arena *a)
{
    Sequence *q = &r->out[p];
    Evaluation *out = arena_new(a, Evaluation, 1);
    int64_t columns = r->to[p] - r->from[p];
    NamedScores *score = q->step_scores + q->n_step_scores - EVALUATE_MEASURES;
    out->own = curves_new(a, columns);
    if (c->orders > 1) out->random = curves_new(a, columns);
    for (int64_t k = 0; k < columns; k++) {
        int64_t step = r->first_step[p] + k;
        double measure[EVALUATE_MEASURES];
        finish(c, &c->order[step * c->orders], step, &out->own, k);
        if (c->orders > 1) finish(c, &c->order[step * c->orders + 1], step, &out->random, k);
        evaluate_measures(&out->own, k, measure);
        for (int m = 0; m < EVALUATE_MEASURES; m++) score[m].scores.v[k] = (float)measure[m];
    }
    q->evaluation = out;
}

bool run_evaluate(Run *r, Arena *a, Err *e)
{
    Arena *w = r->work;
    Evaluate c = {.orders = r->o->evaluate.random ? 2 : 1};
    Sequence *shown = arena_new(w, Sequence, r->n);
    float *bx, *by;
    if (!shown_scores(r, shown, e) || !run_baseline(r, &bx, &by, e)) return false;
    c.bx = bx, c.by = by;
    c.clean = arena_new(w, double, r->n_steps), c.nothing = arena_new(w, double, r->n_steps);
    c.order = arena_new(w, Order, c.orders * r->n_steps);
    int64_t most = 2 * COUNTS * c.orders * r->n_steps + r->n;
    c.v = arena_new(w, Point, most), c.trial = arena_new(w, Trial, most);
    run_values(r, r->logits, c.clean);
    for (int64_t p = 0; p < r->n; p++) order_pair(r, &c, p, &shown[p]);
    if (!run_points(r, &(Points){.v = c.v, .n = c.n_points, .context = &c, .fill = fill, .value = value}, e))
        return false;
    for (int m = 0; m < EVALUATE_MEASURES; m++) run_step_score(r, str_of(evaluate_names[m]));
    for (int64_t p = 0; p < r->n; p++) keep_pair(r, &c, p, a);
    return true;
}

// The same points as order_pair's, as if both sides moved in each where both are attributed.
bool passes_evaluate(Run *r, int64_t pair, Passes *p, Err *e)
{
    float *bx, *by;
    if (!run_baseline(r, &bx, &by, e)) return false;
    Evaluate c = {.bx = bx, .by = by};
    Place *place = arena_new(r->work, Place, r->pair[pair].source.n + r->to[pair]);
    bool target = run_wants_target(r), random = r->o->evaluate.random;
    int64_t all = list_places(r, &c, pair, true, target, place), count[COUNTS], to = r->to[pair];
    for (int64_t s = r->from[pair]; s < to; s++) {
        Point own = {.pair = pair, .from = s, .to = s + 1}, shared;
        int64_t n = 0, points = 0;
        for (int64_t i = 0; i < all; i++) {
            if (place[i].target && place[i].row >= s) continue;
            *(place[i].target ? &own.moves_y : &own.moves_x) = true, n++;
        }
        set_counts(n, count);
        for (int q = 0; q < COUNTS; q++) points += 2 * needs_pass(n, count, q);
        passes_add(r, &own, (double)points, false, p);
        shared = own, shared.to = target ? s + 1 : to;
        if (random && (target || s < r->from[pair] + TURNS)) passes_add(r, &shared, (double)points, false, p);
    }
    Point nothing = passes_whole(r, pair);
    if (all) passes_add(r, &nothing, 1, false, p);
    return true;
}
