// SPDX-License-Identifier: Apache-2.0
// reagent.c — how much a token matters, learnt by putting random words in its place until the few tokens that matter most
// alone bring the prediction back. ReAGent: Zhao and Shan 2024, arXiv:2402.00794.
//
// Each of num_probes probes has a logit u_i for every token that the step sees, uniform in [0, 1) at first. In a round
//   1  tokens R, each with probability replacing_ratio, become random words        d = p(y_s | x) - p(y_s | x, R replaced)
//   2  u_i += log((1 + d) / (1 - d)) for i in R,  -= for the others
//   3  all but the keep_top_n tokens of largest u become random words; if y_s is still among the stopping_condition_top_k
//      likeliest words, the probe stops
// and score[i,s] = mean of softmax(u)_i over the probes that stopped, or over all if none did: columns sum to 1. The step
// score stopped_probes says how many did. End and start tokens (baseline.c) are never replaced and have 0.
//
// The function attributed is always the probability. Words are drawn from the model's whole vocabulary but for its special
// tokens; the library, from those with the same part of speech, by a tagger. Draws are a formula of the seed, the probe,
// the round and the place, so that one forward pass of a probe serves all steps in 1, and in 3 those side by side that
// replace the same; and that no step's score depends on the tokens after it.
#include "../run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PROBES = 16, ROUNDS = 3000, KEPT = 5, LIKELIEST = 3 }; // by default
enum { DRAW_LOGIT, DRAW_REPLACED, DRAW_PROBE, DRAW_TEST };    // what for

typedef struct Reagent {
    int64_t probes, rounds, likeliest, kept;
    double kept_ratio, ratio; // kept_ratio of the tokens if kept is 0
    bool invert;
    uint64_t seed;
    int32_t *word[2]; // [n_words] what may be drawn, by side
    int64_t n_words[2];
    double *clean; // [steps] the tokens' probabilities
    bool **fixed;  // [pairs] [rows]: source rows, then target rows
    double **u;    // [pairs] [probes, columns, rows]
    bool *stopped; // [probes, steps]
    // this round's passes
    int64_t round, n;
    int what;         // DRAW_PROBE or DRAW_TEST
    Point *v;         // [n]
    int64_t *probe;   // [n]
    bool **replaced;  // [n] [rows]
    int64_t *answers; // [probes, steps] the point that is asked; -1: none
    double *now;      // [probes, steps] what it said
} Reagent;

static int64_t source_rows(const Run *r, int64_t p) { return r->sources ? r->pair[p].source.n : 0; }
static int64_t all_rows(const Run *r, int64_t p)
{
    return source_rows(r, p) + (run_wants_target(r) ? r->pair[p].target.n - 1 : 0);
}
static int64_t seen_rows(const Run *r, int64_t p, int64_t s) // by step s: the first of all
{
    return source_rows(r, p) + (run_wants_target(r) ? s : 0);
}

static uint64_t draw(const Run *r, const Reagent *c, int64_t probe, int what, int64_t p, int64_t row)
{
    int64_t S = source_rows(r, p), side = row >= S;
    uint64_t place =
        ((uint64_t)(c->round * 4 + what) * 2 + (uint64_t)side) << 32 | (uint64_t)(side ? row - S : row);
    return num_random(num_random(c->seed, (uint64_t)probe), place);
}
static double uniform(uint64_t bits) { return (double)(bits >> 11) * 0x1p-53; }

// ------------------------------------------------------------------------------------------ passes

static double token_probability(const StepRow *r) { return num_exp((double)r->z[r->token] - r->log_sum); }

// How many words are likelier than the token.
static double token_rank(const StepRow *r)
{
    int64_t n = 0;
    for (int64_t v = 0; v < r->vocab; v++)
        n += r->z[v] > r->z[r->token] || (r->z[v] == r->z[r->token] && v < r->token);
    return (double)n;
}

static const StepFunction probability = {.name = "probability", .value = token_probability},
                          rank = {.name = "rank", .value = token_rank};

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Reagent *c = context;
    int64_t p = c->v[i].pair, S = source_rows(r, p), rows = all_rows(r, p);
    for (int64_t row = 0; row < rows; row++) {
        if (!c->replaced[i][row]) continue;
        bool side = row >= S;
        uint64_t bits = draw(r, c, c->probe[i], c->what, p, row);
        const int32_t *word = &c->word[side][(bits >> 32) * (uint64_t)c->n_words[side] >> 32];
        nn_embed(r->m, (Ids){word, 1}, side, side ? y + (row - S) * r->width : x + row * r->width);
    }
}

static void value(Run *r, void *context, int64_t i, int64_t column, double f)
{
    Reagent *c = context;
    int64_t at = c->probe[i] * r->n_steps + r->first_step[c->v[i].pair] + column;
    if (c->answers[at] == i) c->now[at] = f;
}

static bool ask(Run *r, Reagent *c, const StepFunction *what, Err *e)
{
    r->function = what;
    return run_points(r, &(Points){.v = c->v, .n = c->n, .context = c, .fill = fill, .value = value}, e);
}

// A point for a probe of a pair, that answers for step s.
static int64_t add_point(Run *r, Reagent *c, int64_t probe, int64_t p, int64_t s, bool *replaced)
{
    bool moves[2] = {false, false};
    for (int64_t row = 0; row < all_rows(r, p); row++) moves[row >= source_rows(r, p)] |= replaced[row];
    c->v[c->n] = (Point){.pair = p, .from = s, .to = s + 1, .moves_x = moves[0], .moves_y = moves[1]};
    c->probe[c->n] = probe, c->replaced[c->n] = replaced;
    return c->n++;
}

static void answer(Run *r, Reagent *c, int64_t point, int64_t s)
{
    Point *v = &c->v[point];
    if (s < v->from) v->from = s;
    if (s + 1 > v->to) v->to = s + 1;
    c->answers[c->probe[point] * r->n_steps + r->first_step[v->pair] + s - r->from[v->pair]] = point;
}

static bool stopped(const Run *r, const Reagent *c, int64_t probe, int64_t p, int64_t s)
{
    return c->stopped[probe * r->n_steps + r->first_step[p] + s - r->from[p]];
}

static double *logits(const Run *r, const Reagent *c, int64_t probe, int64_t p, int64_t s)
{
    return c->u[p] + (probe * (r->to[p] - r->from[p]) + s - r->from[p]) * all_rows(r, p);
}

// ------------------------------------------------------------------------------------------ a round

// 1 and 2: one pass for all steps of a pair that a probe is still about.
static bool probe_round(Run *r, Reagent *c, Arena *a, Err *e)
{
    c->n = 0, c->what = DRAW_PROBE;
    for (int64_t p = 0; p < r->n; p++)
        for (int64_t q = 0; q < c->probes; q++) {
            int64_t rows = all_rows(r, p), point = -1;
            bool *replaced = arena_new(a, bool, rows + 1);
            for (int64_t row = 0; row < rows; row++)
                replaced[row] = !c->fixed[p][row] && uniform(draw(r, c, q, DRAW_REPLACED, p, row)) < c->ratio;
            for (int64_t s = r->from[p]; s < r->to[p]; s++) {
                if (stopped(r, c, q, p, s)) continue;
                if (point < 0) point = add_point(r, c, q, p, s, replaced);
                answer(r, c, point, s);
            }
        }
    if (!ask(r, c, &probability, e)) return false;
    for (int64_t i = 0; i < c->n; i++)
        for (int64_t p = c->v[i].pair, s = c->v[i].from; s < c->v[i].to; s++) {
            if (stopped(r, c, c->probe[i], p, s)) continue;
            int64_t k = r->first_step[p] + s - r->from[p];
            double d = c->clean[k] - c->now[c->probe[i] * r->n_steps + k],
                   *u = logits(r, c, c->probe[i], p, s);
            d = fmax(-1 + 0x1p-24, fmin(d, 1 - 0x1p-24)); // a difference of 1 would weigh infinitely
            double gain = num_log((1 + d) / (1 - d));
            for (int64_t row = 0; row < seen_rows(r, p, s); row++)
                u[row] += c->replaced[i][row] ? gain : -gain;
        }
    return true;
}

typedef struct Ranked {
    double u;
    int64_t row;
} Ranked;

static int by_logit(const void *a, const void *b) // largest first, then in order
{
    const Ranked *x = a, *y = b;
    return x->u != y->u ? (x->u < y->u) - (x->u > y->u) : (x->row > y->row) - (x->row < y->row);
}

// What a step replaces to see whether the rest brings its token back.
static void mark_replaced(const Run *r, const Reagent *c, int64_t p, int64_t s, const double *u, Ranked *room,
                          bool *replaced)
{
    int64_t n = 0;
    for (int64_t row = 0; row < seen_rows(r, p, s); row++)
        if (!c->fixed[p][row]) room[n++] = (Ranked){u[row], row};
    qsort(room, (size_t)n, sizeof *room, by_logit);
    double share = c->kept_ratio * (double)n;
    int64_t kept = c->kept ? c->kept : (int64_t)share + (share > (double)(int64_t)share);
    for (int64_t k = 0; k < n; k++) replaced[room[k].row] = (k < kept) == c->invert;
}

// 3: from the last step on, each shares the pass of the one behind it if that replaces the same of what it sees.
static bool test_round(Run *r, Reagent *c, Arena *a, Err *e)
{
    c->n = 0, c->what = DRAW_TEST;
    for (int64_t p = 0; p < r->n; p++)
        for (int64_t q = 0; q < c->probes; q++) {
            Ranked *room = arena_new(a, Ranked, all_rows(r, p) + 1);
            int64_t point = -1; // of the step before
            for (int64_t s = r->to[p] - 1; s >= r->from[p]; s--) {
                if (stopped(r, c, q, p, s)) continue;
                bool *replaced = arena_new(a, bool, all_rows(r, p) + 1);
                mark_replaced(r, c, p, s, logits(r, c, q, p, s), room, replaced);
                if (point < 0 || memcmp(c->replaced[point], replaced, (size_t)seen_rows(r, p, s)))
                    point = add_point(r, c, q, p, s, replaced);
                answer(r, c, point, s);
            }
        }
    if (!ask(r, c, &rank, e)) return false;
    for (int64_t k = 0; k < c->probes * r->n_steps; k++)
        c->stopped[k] = c->stopped[k] || c->now[k] < (double)c->likeliest;
    return true;
}

// All rounds; progress is the share of probes that are through.
static bool run_rounds(Run *r, Reagent *c, Err *e)
{
    const AttrOptions *o = r->o;
    const StepFunction *function = r->function;
    AttrOptions quiet = *o;
    quiet.progress = NULL, r->o = &quiet;
    int64_t all = c->probes * r->n_steps, done = 0;
    Arena *a = arena_create(r->work);
    bool ok = true;
    for (c->round = 0; ok && c->round < c->rounds && done < all; c->round++) {
        ok = probe_round(r, c, a, e) && test_round(r, c, a, e);
        for (int64_t k = done = 0; k < all; k++) done += c->stopped[k];
        int64_t rounds = (c->round + 1) * all / c->rounds;
        if (ok && o->progress)
            o->progress(o->context, r->n_steps * (done > rounds ? done : rounds) / all, r->n_steps);
        arena_reset(a);
    }
    arena_free(a);
    r->o = o, r->function = function;
    return ok;
}

// ------------------------------------------------------------------------------------------ before and after

static bool read_arguments(Run *r, Reagent *c, Err *e)
{
    bool by_ratio = attr_argument(r->o, "keep_ratio") && !attr_argument(r->o, "keep_top_n");
    c->kept = arg_int(r, "keep_top_n", by_ratio ? 0 : KEPT, 0, INT32_MAX, e);
    c->kept_ratio = arg_real(r, "keep_ratio", -1, 0, 1, e);
    c->invert = arg_bool(r, "invert_keep", false, e);
    c->likeliest = arg_int(r, "stopping_condition_top_k", LIKELIEST, 1, INT32_MAX, e);
    c->ratio = arg_real(r, "replacing_ratio", 0.3, 0, 1, e);
    c->rounds = arg_int(r, "max_probe_steps", ROUNDS, 1, 1000000, e);
    c->probes = arg_int(r, "num_probes", PROBES, 1, 100000, e);
    c->seed = (uint64_t)arg_int(r, "seed", 0, 0, INT64_MAX, e);
    if (e && e->set) return false;
    return c->kept || c->kept_ratio >= 0 ||
           err_set(e, "reagent: keep_top_n is 0; then keep_ratio must say which share of the tokens is kept");
}

static bool list_words(Run *r, Reagent *c, Err *e)
{
    const int32_t special[] = {r->o->unk, r->o->eos, r->o->bos, r->f->eos, r->f->pad, r->f->start};
    for (int side = 0; side < 2; side++) {
        int64_t n = nn_words(r->m, side);
        c->word[side] = arena_new(r->work, int32_t, n);
        for (int32_t id = 0; id < n; id++) {
            bool ordinary = true;
            for (int k = 0; k < 6; k++) ordinary &= id != special[k];
            if (ordinary) c->word[side][c->n_words[side]++] = id;
        }
        if (!c->n_words[side])
            return err_set(e, "reagent: the vocabulary of %s has nothing but special tokens", r->f->name);
    }
    return true;
}

static void begin(Run *r, Reagent *c)
{
    Arena *w = r->work;
    int64_t all = c->probes * r->n_steps;
    c->clean = arena_new(w, double, r->n_steps), c->stopped = arena_new(w, bool, all);
    c->answers = arena_new(w, int64_t, all), c->now = arena_new(w, double, all);
    c->v = arena_new(w, Point, all), c->probe = arena_new(w, int64_t, all),
    c->replaced = arena_new(w, bool *, all);
    c->fixed = arena_new(w, bool *, r->n), c->u = arena_new(w, double *, r->n);
    for (int64_t p = 0; p < r->n; p++) {
        int64_t rows = all_rows(r, p), S = source_rows(r, p);
        c->fixed[p] = arena_new(w, bool, rows + 1);
        c->u[p] = arena_new(w, double, (c->probes * (r->to[p] - r->from[p]) * rows + 1));
        for (int64_t i = 0; i < rows; i++) {
            int32_t id = i < S ? r->pair[p].source.v[i] : r->pair[p].target.v[i - S];
            c->fixed[p][i] = run_baseline_keeps(r, id, i < S ? i : i - S, i >= S);
        }
        for (int64_t q = 0; q < c->probes; q++)
            for (int64_t s = r->from[p]; s < r->to[p]; s++)
                for (int64_t i = 0; i < rows; i++)
                    logits(r, c, q, p, s)[i] = uniform(draw(r, c, q, DRAW_LOGIT, p, i));
    }
}

// out[i] += weight softmax(u)_i over the rows that may be replaced.
static void add_softmax(const double *u, const bool *fixed, int64_t n, double weight, double *out)
{
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) top = fixed[i] || u[i] < top ? top : u[i];
    for (int64_t i = 0; i < n; i++) sum += fixed[i] ? 0 : num_exp(u[i] - top);
    for (int64_t i = 0; i < n; i++) out[i] += fixed[i] ? 0 : weight * num_exp(u[i] - top) / sum;
}

static void finish(Run *r, const Reagent *c, int64_t p)
{
    Sequence *q = &r->out[p];
    Arena *a = arena_create(r->work);
    int64_t S = source_rows(r, p);
    for (int64_t s = r->from[p]; s < r->to[p]; s++) {
        int64_t n = seen_rows(r, p, s), through = 0, column = s - r->from[p];
        double *mean = arena_new(a, double, n + 1);
        for (int64_t k = 0; k < c->probes; k++) through += stopped(r, c, k, p, s);
        for (int64_t k = 0; k < c->probes; k++)
            if (!through || stopped(r, c, k, p, s))
                add_softmax(logits(r, c, k, p, s), c->fixed[p], n,
                            1 / (double)(through ? through : c->probes), mean);
        for (int64_t i = 0; i < n; i++)
            *run_cell(i < S ? &q->source_attributions : &q->target_attributions, i < S ? i : i - S, column) =
                (float)mean[i];
        q->step_scores[q->n_step_scores - 1].is_int = true;
        q->step_scores[q->n_step_scores - 1].scores.v[column] = (float)through;
    }
    arena_free(a);
}

static bool run(Run *r, Err *e)
{
    Reagent c = {0};
    if (!read_arguments(r, &c, e) || !list_words(r, &c, e)) return false;
    begin(r, &c);
    const StepFunction *function = r->function;
    r->function = &probability;
    run_values(r, r->logits, c.clean);
    r->function = function;
    run_scores(r, 0, NULL, OUT_COARSE);
    if (!run_rounds(r, &c, e)) return false;
    run_step_score(r, STR_LIT("stopped_probes"));
    for (int64_t p = 0; p < r->n; p++) finish(r, &c, p);
    return true;
}

// At most: probes stop as soon as they can.
static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    Reagent c = {0};
    if (!read_arguments(r, &c, e)) return false;
    Point v = passes_whole(r, pair);
    double times = (double)c.probes * (double)c.rounds;
    passes_add(r, &v, times, false, p);
    for (v.to = v.from + 1; v.to <= r->to[pair]; v.from++, v.to++) passes_add(r, &v, times, false, p);
    return true;
}

const Method method_reagent = {
    .light = true,
    .name = "reagent",
    .summary = "random words in place of tokens, until the few that matter most bring the prediction back",
    .paper = "Zhao and Shan 2024, arXiv:2402.00794",
    .formula = "d = p_s(x) - p_s(x with random tokens R replaced)\n"
               "u_i += log((1 + d) / (1 - d)) for i in R, -= for the others; then anew\n"
               "score[i,s] = mean over probes of softmax(u)_i, if its top ones bring y_s back",
    .when = "A search for the few tokens that are enough to make the model write what it wrote, without "
            "gradients and for any model. The attributed function is always the probability. Costly and "
            "random: repeat it with another seed, and look at the step score stopped_probes, which says how "
            "many searches ended. Words are drawn from the whole vocabulary (the library: of the same part "
            "of speech).",
    .arguments =
        (const Argument[]){
            {"keep_top_n", "5", "how many tokens must bring the prediction back; 0: keep_ratio of them"},
            {"keep_ratio", NULL, "or which share of the tokens"},
            {"invert_keep", "false", "replace these tokens instead of the others"},
            {"stopping_condition_top_k", "3", "it is back if it is among so many likeliest words"},
            {"replacing_ratio", "0.3", "how likely a token is replaced in a round"},
            {"max_probe_steps", "3000", "rounds at most"},
            {"num_probes", "16", "searches side by side"},
            ARG_SEED,
            {0}},
    .no_gradient = true,
    .cost = "1 + num_probes max_probe_steps (1 + T) forwards at most",
    .passes = passes,
    .run = run,
};
