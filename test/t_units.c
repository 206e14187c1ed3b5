// SPDX-License-Identifier: Apache-2.0
// t_units.c — words, sentences and spans left out as a whole: by the definition, in passes of our own, in which the rows
// of a unit that is listed here by hand are replaced together.
#include "../attr/random.h"
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static const char *const SOURCE = "He said: \"It is raining.\" We stayed.", *const TARGET =
                                                                                "Hij zei het. We bleven.";
// ▁He|▁said:|▁"It|▁is|▁raining."|▁We|▁stayed.|</s> and <pad>|▁Hij|▁zei|▁het.|▁We|▁bleven. as marian-en-nl cuts them
static const Unit words[] = {{0, 1, 0},   {1, 3, 0},   {3, 7, 0},   {7, 8, 0}, {8, 11, 0},
                             {11, 12, 0}, {12, 20, 0}, {20, 21, 0}, {0, 1, 1}, {1, 2, 1},
                             {2, 3, 1},   {3, 5, 1},   {5, 8, 1},   {8, 16, 1}};
static const Unit sentences[] = {{0, 11, 0}, {11, 20, 0}, {20, 21, 0}, {0, 1, 1}, {1, 5, 1}, {5, 16, 1}};
enum { WORDS = sizeof words / sizeof *words, SENTENCES = sizeof sentences / sizeof *sentences };

static bool attribute(Arena *A, const Lab *l, const char *method, const char *args, bool target,
                      const Pair *p, size_t n, Sequence *out, Err *e)
{
    AttrOptions o = attr_defaults();
    o.method = method, o.attribute_target = target, o.unk = tok_unk(l->t), o.eos = tok_eos(l->t);
    o.method_args = json_parse(A, str_of(args), "arguments", e);
    if (n > 1) o.max_memory = 1;
    return attr_run(A, l->m, &o, p, n, out, e);
}

static Sequence attributed(Arena *A, const Lab *l, const char *method, const char *args, bool target,
                           const Pair *p)
{
    Err e = {0};
    Sequence s = {0};
    if (!attribute(A, l, method, args, target, p, 1, &s, &e)) FAIL("%s %s: %s", method, args, e.text);
    return s;
}

static void same(const char *what, const Sequence *x, const Sequence *y, double tolerance)
{
    const Scores *a[] = {&x->source_attributions, &x->target_attributions},
                 *b[] = {&y->source_attributions, &y->target_attributions};
    for (int side = 0; side < 2; side++) {
        int64_t n = a[side]->v ? 1 : 0;
        for (int k = 0; k < a[side]->rank; k++)
            CHECK_INT(a[side]->dim[k], b[side]->dim[k]), n *= a[side]->dim[k];
        for (int64_t i = 0; i < n; i++) {
            double u = (double)a[side]->v[i], v = (double)b[side]->v[i];
            if (isnan(u) ? !isnan(v) : !(fabs(u - v) <= tolerance))
                return FAIL("%s: [%" PRId64 "] %.9g and %.9g", what, i, u, v), (void)0;
        }
        test_count(n);
    }
}

// ------------------------------------------------------------------------------------------ passes of our own

typedef struct Own {
    const Lab *l;
    const Pair *p;
    float *x, *y, *unk;
} Own;

static Own own_pass(Arena *A, const Lab *l, const Pair *p)
{
    int64_t d = l->f->width;
    int32_t unk = tok_unk(l->t);
    Own o = {l, p, arena_new(A, float, p->source.n *d), arena_new(A, float, p->target.n *d),
             arena_new(A, float, 2 * d)};
    nn_embed(l->m, p->source, false, o.x), nn_embed(l->m, p->target, true, o.y);
    nn_embed(l->m, (Ids){&unk, 1}, false, o.unk), nn_embed(l->m, (Ids){&unk, 1}, true, o.unk + d);
    return o;
}

// Probabilities of the target [T-1] without these units; what is its own baseline stays.
static double *without(Arena *A, const Own *o, const Unit *u, int n)
{
    int64_t d = o->l->f->width, S = o->p->source.n, T = o->p->target.n - 1, V = o->l->f->vocab;
    float *x = arena_new(A, float, S *d), *y = arena_new(A, float, T *d);
    double *out = arena_new(A, double, T);
    int64_t *rows = arena_new(A, int64_t, T);
    memcpy(x, o->x, (size_t)(S * d) * sizeof *x), memcpy(y, o->y, (size_t)(T * d) * sizeof *y);
    for (int k = 0; k < n; k++)
        for (int64_t i = u[k].from; i < u[k].to; i++)
            if (u[k].target ? i > 0 : o->p->source.v[i] != tok_eos(o->l->t))
                memcpy((u[k].target ? y : x) + i * d, o->unk + u[k].target * d, (size_t)d * sizeof *x);
    for (int64_t j = 0; j < T; j++) rows[j] = j;
    Tape *t = tape_create(A);
    Pass pass;
    nn_forward(o->l->m, t, tn_leaf(t, x, S, d, rows_make(A, 1, &S), false),
               tn_leaf(t, y, T, d, rows_make(A, 1, &T), false), NULL, &pass);
    const Tensor *z = nn_logits(o->l->m, t, &pass, rows, rows_make(A, 1, &T));
    for (int64_t j = 0; j < T; j++)
        out[j] = num_exp((double)z->f[j * V + o->p->target.v[j + 1]] - num_log_sum_exp(z->f + j * V, V));
    return out;
}

static const float *cell(const Sequence *s, bool target, int64_t i, int64_t c)
{
    return run_cell(target ? &s->target_attributions : &s->source_attributions, i, c);
}

// To the last bit: what changes without the unit, shared by those of its rows that the column's step sees.
static void check_left_out(Arena *A, const Own *o, const Sequence *s, const Unit *u, int n)
{
    const double *clean = without(A, o, NULL, 0);
    for (int k = 0; k < n; k++) {
        const double *now = without(A, o, &u[k], 1);
        for (int64_t c = 0; c < o->p->target.n - 1; c++) {
            int64_t seen = 0;
            for (int64_t i = u[k].from; i < u[k].to; i++) seen += !u[k].target || i <= c;
            for (int64_t i = u[k].from; i < u[k].to; i++) {
                float want = u[k].target && i > c ? NAN : fabsf((float)(clean[c] - now[c])) / (float)seen,
                      got = *cell(s, u[k].target, i, c);
                if (isnan(want) ? !isnan(got) : got != want)
                    return FAIL("unit %d, row %" PRId64 ", column %" PRId64 ": %.9g, want %.9g", k, i, c,
                                (double)got, (double)want),
                           (void)0;
                test_count(1);
            }
        }
    }
}

TEST(units_occlusion_by_definition)
{
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, SOURCE, TARGET);
    CHECK_INT(p.source.n, 21);
    CHECK_INT(p.target.n, 17);
    Own o = own_pass(A, &l, &p);
    Sequence s = attributed(A, &l, "occlusion", "{\"units\": \"word\"}", true, &p);
    check_left_out(A, &o, &s, words, WORDS);
    s = attributed(A, &l, "occlusion", "{\"units\": \"sentence\"}", true, &p);
    check_left_out(A, &o, &s, sentences, SENTENCES);
}

// Spans that say what words and sentences are bring their scores; a single pair of numbers is a span too.
TEST(units_spans)
{
    static const char *const methods[] = {"occlusion", "shapley_sampling", "lime"};
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, SOURCE, TARGET);
    for (int k = 0; k < 3; k++) {
        Sequence
            word = attributed(A, &l, methods[k], "{\"units\": \"word\", \"n_samples\": 3}", true, &p),
            spans = attributed(
                A, &l, methods[k],
                "{\"source_spans\": [[1, 3], [3, 7], [8, 11], [12, 20]], \"target_spans\": [[3, 5], [5, 8], "
                "[8, 16]], \"n_samples\": 3}",
                true, &p),
            token = attributed(A, &l, methods[k], "{\"units\": \"token\", \"n_samples\": 3}", true, &p),
            plain = attributed(A, &l, methods[k], "{\"n_samples\": 3}", true, &p),
            one = attributed(A, &l, methods[k], "{\"target_spans\": [8, 16], \"n_samples\": 3}", true, &p),
            beyond =
                attributed(A, &l, methods[k], "{\"target_spans\": [[8, 17]], \"n_samples\": 3}", true, &p);
        same(methods[k], &word, &spans, 0);
        same(methods[k], &token, &plain, 0);
        same(methods[k], &one, &beyond, 0); // the last token is in no prefix
        CHECK(*cell(&word, false, 12, 0) != *cell(&plain, false, 12, 0));
    }
}

// Where no token begins a word, each is one; the end token of a text is never part of a word.
TEST(units_without_marks)
{
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "It rains.", "Het");
    Token *bare = arena_new(A, Token, p.source.n);
    for (int64_t i = 0; i < p.source.n; i++) bare[i] = (Token){p.source.v[i], STR_LIT("x")};
    Sequence word = attributed(A, &l, "occlusion", "{\"units\": \"word\"}", false, &p);
    CHECK(*cell(&word, false, p.source.n - 1, 0) == 0);
    CHECK(*cell(&word, false, p.source.n - 2, 0) == *cell(&word, false, p.source.n - 3, 0));
    p.source_tokens = bare;
    Sequence none = attributed(A, &l, "occlusion", "{\"units\": \"word\"}", false, &p),
             token = attributed(A, &l, "occlusion", "{}", false, &p);
    same("no marks", &none, &token, 0);
}

// A window of two words.
TEST(units_windows)
{
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, SOURCE, TARGET);
    Sequence s = attributed(A, &l, "occlusion",
                            "{\"units\": \"word\", \"sliding_window_shapes\": 2, \"strides\": 2}", false, &p);
    Own o = own_pass(A, &l, &p);
    const double *clean = without(A, &o, NULL, 0), *now = without(A, &o, &words[2], 2);
    for (int64_t c = 0; c < p.target.n - 1; c++) {
        CHECK(*cell(&s, false, 3, c) == fabsf((float)(clean[c] - now[c])) / 4);
        CHECK(*cell(&s, false, 7, c) == fabsf((float)(clean[c] - now[c])));
    }
}

// ------------------------------------------------------------------------------------------ the others

// One player has all; two have the mean of both orders, which many samples come near to; sums stay f(x) - f(x').
TEST(units_shapley)
{
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, SOURCE, TARGET);
    Own o = own_pass(A, &l, &p);
    Unit all = {0, 20, false}, two[] = {{0, 11, false}, {11, 20, false}};
    const double *clean = without(A, &o, NULL, 0), *none = without(A, &o, &all, 1),
                 *first = without(A, &o, &two[1], 1), *second = without(A, &o, &two[0], 1);
    Sequence one = attributed(A, &l, "shapley_sampling", "{\"source_spans\": [[0, 20]], \"n_samples\": 2}",
                              false, &p),
             both = attributed(A, &l, "shapley_sampling", "{\"units\": \"sentence\", \"n_samples\": 900}",
                               false, &p),
             deltas = attributed(
                 A, &l, "shapley_sampling",
                 "{\"units\": \"word\", \"n_samples\": 3, \"return_convergence_delta\": true}", true, &p);
    for (int64_t c = 0; c < p.target.n - 1; c++) {
        double a = first[c] - none[c], b = clean[c] - second[c];
        for (int64_t i = 0; i < 20; i++)
            CHECK_NEAR((double)*cell(&one, false, i, c), (clean[c] - none[c]) / 20, 1e-8);
        CHECK_NEAR(11 * (double)*cell(&both, false, 5, c), (a + b) / 2,
                   5 * fabs(a - b) / 2 / sqrt(900) + 1e-7);
        CHECK(*cell(&both, false, 0, c) == *cell(&both, false, 10, c));
        CHECK(*cell(&both, false, 20, c) == 0);
        CHECK_NEAR((double)deltas.step_scores[1].scores.v[c], 0, 3e-7);
    }
}

// Two players: the mean of both orders at once. One player: its share of the variance is what the masks say, whatever f is.
TEST(units_coalitions)
{
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, SOURCE, TARGET);
    Own o = own_pass(A, &l, &p);
    Unit all = {0, 20, false}, two[] = {{0, 11, false}, {11, 20, false}};
    const double *clean = without(A, &o, NULL, 0), *none = without(A, &o, &all, 1),
                 *first = without(A, &o, &two[1], 1), *second = without(A, &o, &two[0], 1);
    Sequence both = attributed(A, &l, "kernel_shap", "{\"units\": \"sentence\"}", false, &p),
             sobol = attributed(A, &l, "sobol", "{\"source_spans\": [[0, 20]], \"n_samples\": 9}", false, &p);
    double share = 20 * (double)*cell(&sobol, false, 0, 0), changed = 5 * share;
    for (int64_t c = 0; c < p.target.n - 1; c++) {
        CHECK_NEAR(11 * (double)*cell(&both, false, 5, c), (first[c] - none[c] + clean[c] - second[c]) / 2,
                   1e-7);
        CHECK_NEAR(9 * (double)*cell(&both, false, 15, c), (second[c] - none[c] + clean[c] - first[c]) / 2,
                   1e-7);
        CHECK(*cell(&both, false, 0, c) == *cell(&both, false, 10, c));
        CHECK(*cell(&both, false, 20, c) == 0 && *cell(&sobol, false, 20, c) == 0);
        CHECK_NEAR(20 * (double)*cell(&sobol, false, 19, c), share, 1e-5);
    }
    CHECK(share > 0 && share < 2);
    // var is 20/72 of the square, and m of the 9 masks change
    CHECK_NEAR(changed, __builtin_round(changed), 1e-4);
}

// Masks drawn word by word are the same as if they were given token by token.
TEST(units_lime)
{
    enum { SAMPLES = 6 };
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, SOURCE, "Hij");
    int64_t steps = p.target.n - 1;
    Buf masks = {.arena = A};
    buf_printf(&masks, "{\"n_samples\": %d, \"masks\": [", SAMPLES);
    for (int64_t s = 0; s < steps; s++) {
        Random *stream = arena_new(A, Random, 1);
        random_seed(stream, 5);
        for (int i = 0; i < SAMPLES; i++) {
            buf_str(&masks, s || i ? STR_LIT(",[") : STR_LIT("["));
            for (int k = 0; k < WORDS && !words[k].target; k++) {
                bool keep = random_uniform(stream) >= 0.3;
                for (int64_t row = words[k].from; row < words[k].to; row++)
                    buf_printf(&masks, "%s%d", row ? "," : "", keep);
            }
            buf_char(&masks, ']');
        }
    }
    buf_str(&masks, STR_LIT("]}"));
    Sequence drawn =
                 attributed(A, &l, "lime", "{\"n_samples\": 6, \"seed\": 5, \"units\": \"word\"}", false, &p),
             given = attributed(A, &l, "lime", str_zero(A, buf_view(&masks)), false, &p);
    same("lime", &drawn, &given, 0);
}

// The score of a unit comes back when its tokens are merged by their sum.
TEST(units_merged)
{
    Lab l;
    Err e = {0};
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, SOURCE, TARGET);
    Own o = own_pass(A, &l, &p);
    const double *clean = without(A, &o, NULL, 0);
    Sequence s = attributed(A, &l, "occlusion", "{\"units\": \"word\"}", true, &p), merged;
    Stage stage = attr_stage("subwords");
    stage.function = "sum", stage.aggregate_target = false;
    CHECK(attr_aggregate(A, &s, &stage, 1, &merged, &e));
    CHECK_INT(merged.n_source, 8);
    for (int k = 0; k < 8; k++) {
        const double *now = without(A, &o, &words[k], 1);
        for (int64_t c = 0; c < p.target.n - 1; c++)
            CHECK_NEAR((double)*cell(&merged, false, k, c), fabs(clean[c] - now[c]), 1e-7);
    }
}

// Together in little memory, and alone on one thread; and no step's score depends on the tokens after it (draws of lime and
// kernel_shap do).
TEST(units_bits)
{
    static const char *const methods[] = {"occlusion", "shapley_sampling", "sobol", "lime", "kernel_shap"};
    const char *args = "{\"units\": \"word\", \"n_samples\": 3}";
    Lab l;
    Err e = {0};
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p[2] = {lab_forced(A, &l, SOURCE, TARGET), lab_forced(A, &l, "We stayed inside.", "We bleven.")},
         part = p[0];
    part.target.n -= 4;
    for (int k = 0; k < 5; k++) {
        Sequence both[2], cut = attributed(A, &l, methods[k], args, true, &part);
        if (!attribute(A, &l, methods[k], args, true, p, 2, both, &e)) FAIL("%s", e.text);
        pool_start(1);
        for (int i = 0; i < 2; i++) {
            Sequence alone = attributed(A, &l, methods[k], args, true, &p[i]);
            same(methods[k], &both[i], &alone, 0);
        }
        pool_start(0);
        for (int64_t c = 0; k < 3 && c < part.target.n - 1; c++) {
            for (int64_t i = 0; i < 21; i++) CHECK(*cell(&cut, false, i, c) == *cell(&both[0], false, i, c));
            for (int64_t i = 0; i <= c; i++) CHECK(*cell(&cut, true, i, c) == *cell(&both[0], true, i, c));
        }
    }
}

TEST(units_arguments)
{
    static const char *const bad[][3] = {
        {"occlusion", "{\"units\": \"clause\"}",
         "argument units is clause; it must be token, word or sentence"},
        {"occlusion", "{\"units\": 2}", "argument units is a number"},
        {"lime", "{\"units\": \"word\", \"source_spans\": [[0, 2]]}",
         "units and source_spans exclude each other"},
        {"shapley_sampling", "{\"source_spans\": \"0:2\"}",
         "argument source_spans is a string; it must be a list"},
        {"occlusion", "{\"source_spans\": [[0, 2, 3]]}", "must be a list of [from, to) token positions"},
        {"occlusion", "{\"source_spans\": [1]}", "must be a list of [from, to) token positions"},
        {"occlusion", "{\"source_spans\": [[0, 1.5]]}", "must be a list of [from, to) token positions"},
        {"occlusion", "{\"source_spans\": [[2, 4], [3, 5]]}", "source_spans: [3, 5) does not fit"},
        {"occlusion", "{\"source_spans\": [[2, 2]]}", "[2, 2) does not fit"},
        {"occlusion", "{\"source_spans\": [[-2, 1]]}", "[-2, 1) does not fit"},
        {"occlusion", "{\"source_spans\": [[20, 22]]}", "end at 21 at most, which is the number of tokens"},
        {"occlusion", "{\"target_spans\": [[1, 2]]}", "target_spans, but the target is not attributed"},
        {"lime", "{\"n_samples\": 1, \"units\": \"word\", \"masks\": [[1]]}", "units does not go with them"},
    };
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, SOURCE, TARGET);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        Sequence s;
        if (attribute(A, &l, bad[i][0], bad[i][1], false, &p, 1, &s, &e))
            FAIL("%s took %s", bad[i][0], bad[i][1]);
        CHECK_HAS(e.text, bad[i][2]);
    }
}
