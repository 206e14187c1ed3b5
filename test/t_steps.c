// SPDX-License-Identifier: Apache-2.0
// t_steps.c — each step function against its formula in double, and its gradient against finite differences of that
// formula in the logits; with a foil of its own row, a foil from the same row, and a foil that is a constant.
#include "../attr/run.h"
#include "test.h"

#include <math.h>
#include <stdlib.h>

enum { V = 19 };

typedef struct Twin {  // a step in double
    double z[V], c[V]; // logits, and the foil's
    int token, foil;
    bool kept[V]; // words that top_p and top_k leave: small changes don't move them
    const StepArgs *args;
} Twin;

static double log_of(const double *z, int i)
{
    double sum = 0;
    for (int v = 0; v < V; v++) sum += exp(z[v]);
    return z[i] - log(sum);
}

static double prob(const Twin *t, const double *z, int i)
{
    return t->args->logprob ? log_of(z, i) : exp(log_of(z, i));
}

static double logit(const Twin *t) { return t->z[t->token]; }
static double probability(const Twin *t) { return prob(t, t->z, t->token); }
static double entropy(const Twin *t)
{
    double h = 0, l;
    for (int v = 0; v < V; v++) l = log_of(t->z, v), h -= exp(l) * l;
    return h;
}
static double crossentropy(const Twin *t) { return -log_of(t->z, t->token); }
static double perplexity(const Twin *t) { return pow(2, crossentropy(t)); }
static double contrast_logits(const Twin *t) { return t->c[t->foil]; }
static double contrast_prob(const Twin *t) { return prob(t, t->c, t->foil); }
static double contrast_logits_diff(const Twin *t) { return logit(t) - contrast_logits(t); }
static double contrast_prob_diff(const Twin *t) { return probability(t) - contrast_prob(t); }
static double in_context_pvi(const Twin *t) { return log_of(t->c, t->foil) - log_of(t->z, t->token); }
static double pcxmi(const Twin *t) { return -log2(exp(log_of(t->z, t->token)) / exp(log_of(t->c, t->foil))); }

// The words that filtering by these scores leaves, by definition: word v goes if the probability of all that are not
// above it is at most 1 - top_p; then if k others are above it. The last `least` stay.
static void keep(const double *s, double top_p, int64_t top_k, int64_t least, bool *kept)
{
    double p[V];
    for (int v = 0; v < V; v++) p[v] = exp(log_of(s, v));
    for (int v = 0; v < V; v++) {
        double below = 0;
        int above = 0;
        for (int w = 0; w < V; w++) below += s[w] <= s[v] ? p[w] : 0, above += s[w] > s[v];
        kept[v] = (top_p >= 1 || below > 1 - top_p || above < least) &&
                  (!top_k || above < (top_k > least ? top_k : least));
    }
}

static double kl_divergence(const Twin *t)
{
    double z[V], c[V], sum = 0;
    for (int v = 0; v < V; v++) z[v] = t->kept[v] ? t->z[v] : -1000, c[v] = t->kept[v] ? t->c[v] : -1000;
    for (int v = 0; v < V; v++) {
        double l = log_of(z, v);
        if (t->kept[v]) sum += exp(l) * (l - log_of(c, v));
    }
    return sum;
}

static double top_p_size(const Twin *t)
{
    bool kept[V];
    int n = 0;
    keep(t->z, t->args->top_p, 0, 1, kept);
    for (int v = 0; v < V; v++) n += kept[v];
    return n;
}

// The noisy passes' log-probabilities of the step (made up: the passes themselves are tested in t_noise.c).
enum { NOISY = 4 };
static const double noisy[NOISY] = {-0.5, -1.25, -2, -0.125};

static double mc_dropout_prob_avg(const Twin *t)
{
    double mean = 0, square = 0;
    for (int i = 0; i < NOISY; i++) mean += (t->args->logprob ? noisy[i] : exp(noisy[i])) / NOISY;
    for (int i = 0; i < NOISY; i++) square += pow((t->args->logprob ? noisy[i] : exp(noisy[i])) - mean, 2);
    return (prob(t, t->z, t->token) - mean) / sqrt(square / (NOISY - 1));
}

static const struct {
    const char *name;
    double (*value)(const Twin *);
} twins[] = {{"logit", logit},
             {"probability", probability},
             {"entropy", entropy},
             {"crossentropy", crossentropy},
             {"perplexity", perplexity},
             {"contrast_logits", contrast_logits},
             {"contrast_prob", contrast_prob},
             {"contrast_logits_diff", contrast_logits_diff},
             {"contrast_prob_diff", contrast_prob_diff},
             {"in_context_pvi", in_context_pvi},
             {"pcxmi", pcxmi},
             {"kl_divergence", kl_divergence},
             {"mc_dropout_prob_avg", mc_dropout_prob_avg},
             {"top_p_size", top_p_size}};
enum { N_TWINS = sizeof twins / sizeof *twins };

// ------------------------------------------------------------------------------------------ one step

typedef enum { OWN_ROW, SAME_ROW, CONSTANT, FOILS } Foil; // where the foil's logits come from

typedef struct Step {
    Twin t;
    float z[V], c[V], p[V], q[V], scratch[4 * V];
    StepRow row;
} Step;

static void make_step(Step *s, unsigned *seed, double size, Foil foil, const StepArgs *args)
{
    *seed = *seed * 1103515245u + 12345u;
    s->t.token = (int)(*seed >> 16) % V, s->t.foil = (int)(*seed >> 8 & 255) % V, s->t.args = args;
    for (int v = 0; v < V; v++) {
        *seed = *seed * 1103515245u + 12345u;
        s->z[v] = (float)(((double)(*seed >> 8) / 16777216.0 - 0.5) * size);
        *seed = *seed * 1103515245u + 12345u;
        s->c[v] = (float)(((double)(*seed >> 8) / 16777216.0 - 0.5) * size);
        if (foil == SAME_ROW) s->c[v] = s->z[v];
        s->t.z[v] = (double)s->z[v], s->t.c[v] = (double)s->c[v];
    }
    double both[V];
    for (int v = 0; v < V; v++) both[v] = s->t.z[v] + s->t.c[v];
    keep(both, args->top_p, args->top_k, args->min_tokens_to_keep, s->t.kept);
    num_softmax(s->p, s->z, V), num_softmax(s->q, s->c, V);
    s->row = (StepRow){.scratch = s->scratch,
                       .vocab = V,
                       .z = s->z,
                       .p = s->p,
                       .log_sum = num_log_sum_exp(s->z, V),
                       .token = s->t.token,
                       .contrast_z = foil == SAME_ROW ? s->z : s->c,
                       .contrast_p = foil == SAME_ROW ? s->p : s->q,
                       .contrast_log_sum = num_log_sum_exp(s->c, V),
                       .contrast_token = s->t.foil,
                       .args = args,
                       .noisy = noisy};
}

// d value / d z[v], or / d c[v], or both together where they are one row: five points, double.
static double slope(const Twin *t, double (*value)(const Twin *), int v, bool of_z, bool of_c)
{
    static const double at[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
    double h = 1e-3, sum = 0;
    for (int i = 0; i < 4; i++) {
        Twin moved = *t;
        if (of_z) moved.z[v] += at[i] * h;
        if (of_c) moved.c[v] += at[i] * h;
        sum += weight[i] * value(&moved);
    }
    return sum / (12 * h);
}

static void check_step(const char *name, double (*value)(const Twin *), const Step *s, Foil foil)
{
    const StepFunction *f = step_find(name, NULL);
    double want = value(&s->t);
    CHECK_NEAR(f->value(&s->row), want, 2e-7 * (1 + fabs(want)));
    CHECK(f->gradient || f->integer || !strcmp(name, "mc_dropout_prob_avg"));
    if (!f->gradient) return;
    float d[V] = {0}, dc[V] = {0};
    f->gradient(&s->row, d, foil == OWN_ROW ? dc : foil == SAME_ROW ? d : NULL);
    for (int v = 0; v < V; v++) {
        double dz = slope(&s->t, value, v, true, foil == SAME_ROW), scale = 1 + fabs(want);
        if (fabs((double)d[v] - dz) > 5e-7 * scale)
            FAIL("%s, foil %d: d/dz[%d] is %.9g, expected %.9g", name, foil, v, (double)d[v], dz);
        if (foil != OWN_ROW) continue;
        double slope_c = slope(&s->t, value, v, false, true);
        if (fabs((double)dc[v] - slope_c) > 5e-7 * scale)
            FAIL("%s: d/dc[%d] is %.9g, expected %.9g", name, v, (double)dc[v], slope_c);
    }
    test_count(V);
}

TEST(steps_formulas)
{
    static const StepArgs args[] = {
        {.top_p = 1, .min_tokens_to_keep = 1, .n_mcd_steps = NOISY},
        {.logprob = true, .top_p = 0.9, .min_tokens_to_keep = 2, .n_mcd_steps = NOISY},
        {.top_p = 0.6, .top_k = 7, .min_tokens_to_keep = 1, .n_mcd_steps = NOISY},
        {.top_p = 1, .top_k = 3, .min_tokens_to_keep = 5, .n_mcd_steps = NOISY}};
    const Entry *known;
    size_t n = attr_step_list(&known);
    unsigned seed = 1;
    CHECK_INT(n, N_TWINS); // a new function needs its formula here
    for (size_t k = 0; k < n; k++) {
        size_t w = 0;
        while (w < N_TWINS && strcmp(twins[w].name, known[k].name)) w++;
        if (w == N_TWINS) {
            FAIL("%s has no formula in this test", known[k].name);
            continue;
        }
        for (int i = 0; i < 4; i++)
            for (Foil foil = 0; foil < FOILS; foil++)
                for (int size = 2; size <= 16; size *= 2) {
                    Step s;
                    make_step(&s, &seed, size, foil, &args[i]);
                    check_step(known[k].name, twins[w].value, &s, foil);
                }
    }
}

// A foil that is the token itself, from the same row: the difference is zero whatever the input, and so is its gradient.
TEST(steps_same)
{
    static const char *const names[] = {"contrast_logits_diff", "contrast_prob_diff", "in_context_pvi",
                                        "pcxmi", "kl_divergence"};
    StepArgs args = {.top_p = 1, .min_tokens_to_keep = 1};
    unsigned seed = 7;
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 8; k++) {
            Step s;
            float d[V] = {0};
            const StepFunction *f = step_find(names[i], NULL);
            make_step(&s, &seed, 8, SAME_ROW, &args);
            s.row.contrast_token = s.row.token, s.row.contrast_log_sum = s.row.log_sum;
            CHECK(f->value(&s.row) == 0);
            f->gradient(&s.row, d, k % 2 ? d : NULL);
            for (int v = 0; v < V; v++)
                if (d[v] != 0) FAIL("%s: d[%d] is %g", names[i], v, (double)d[v]);
        }
}

TEST(steps_names)
{
    Err e = {0};
    CHECK(!step_find("probabilty", &e));
    CHECK_HAS(e.text, "did you mean probability?");
    e = (Err){0};
    CHECK(!step_find("nothing like it", &e));
    CHECK_HAS(e.text, "inseq list steps");
    CHECK(attr_is_contrastive("pcxmi") && !attr_is_contrastive("entropy") &&
          !attr_is_contrastive("nonsense"));
    AttrOptions o = attr_defaults();
    static const struct {
        const char *method, *fn, *step, *says;
    } wrong[] = {{"salency", "probability", "logit", "did you mean saliency?"},
                 {"saliency", "probabilty", "logit", "did you mean probability?"},
                 {"saliency", "probability", "entrpy", "did you mean entropy?"},
                 {"saliency", "top_p_size", "logit", "can't be attributed"},
                 {"saliency", "kl_divergence", "logit", "contrast_force_inputs"},
                 {"saliency", "probability", "top_p_size", "needs the argument top_p"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        o.method = wrong[i].method, o.attributed_fn = wrong[i].fn;
        o.step_scores = &wrong[i].step, o.n_step_scores = 1;
        e = (Err){0};
        CHECK(!attr_check(&o, &e));
        CHECK_HAS(e.text, wrong[i].says);
    }
}
