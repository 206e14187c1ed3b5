// steps.c — step functions: one number for each generated token, to be reported (step scores) or differentiated
// (attributed functions). Formulas and names are Inseq's; natural logarithms unless said otherwise.
//
// z: logits of the step's row, t: the token there, p = softmax(z); z', t', p' those of the foil.
// dp[t]/dz = p[t] (e_t - p), so every gradient is a multiple of (e_t - p), of e_t, or of p times something.
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double LN2 = 0.69314718055994530942;

static double log_p(const StepRow *r) { return (double)r->z[r->token] - r->log_sum; }
static double log_c(const StepRow *r) { return (double)r->contrast_z[r->contrast_token] - r->contrast_log_sum; }

// d += factor * (e_token - p)
static void toward(float *d, double factor, int32_t token, const float *p, int64_t vocab)
{
    num_axpy(d, -(float)factor, p, vocab);
    d[token] += (float)factor;
}

static double logit(const StepRow *r) { return (double)r->z[r->token]; }
static void logit_back(const StepRow *r, float *d, float *dc) { (void)dc, d[r->token] += 1; }

static double probability(const StepRow *r) { return r->args->logprob ? log_p(r) : num_exp(log_p(r)); }
static void probability_back(const StepRow *r, float *d, float *dc)
{
    (void)dc;
    toward(d, r->args->logprob ? 1 : num_exp(log_p(r)), r->token, r->p, r->vocab);
}

// -sum p log p;   d/dz_j = -p_j (log p_j + H)
static double entropy(const StepRow *r)
{
    double sum = 0;
    for (int64_t v = 0; v < r->vocab; v++)
        if (r->p[v] > 0) sum -= (double)r->p[v] * ((double)r->z[v] - r->log_sum);
    return sum;
}
static void entropy_back(const StepRow *r, float *d, float *dc)
{
    (void)dc;
    double h = entropy(r);
    for (int64_t v = 0; v < r->vocab; v++)
        if (r->p[v] > 0) d[v] -= (float)((double)r->p[v] * ((double)r->z[v] - r->log_sum + h));
}

static double crossentropy(const StepRow *r) { return -log_p(r); }
static void crossentropy_back(const StepRow *r, float *d, float *dc) { (void)dc, toward(d, -1, r->token, r->p, r->vocab); }

static double perplexity(const StepRow *r) { return num_exp(-log_p(r) * LN2); } // Inseq: 2 to the power of nats
static void perplexity_back(const StepRow *r, float *d, float *dc)
{
    (void)dc;
    toward(d, -LN2 * perplexity(r), r->token, r->p, r->vocab);
}

// ------------------------------------------------------------------------------------------ contrastive

// The foil is the token itself, read from the same row: the difference is 0 for every input, and so is its gradient.
static bool same(const StepRow *r) { return r->contrast_z == r->z && r->contrast_token == r->token; }

static double contrast_logits(const StepRow *r) { return (double)r->contrast_z[r->contrast_token]; }
static void contrast_logits_back(const StepRow *r, float *d, float *dc)
{
    (void)d;
    if (dc) dc[r->contrast_token] += 1;
}

static double contrast_prob(const StepRow *r) { return r->args->logprob ? log_c(r) : num_exp(log_c(r)); }
static void contrast_part(const StepRow *r, float *dc, double factor)
{
    if (dc) toward(dc, factor, r->contrast_token, r->contrast_p, r->vocab);
}
static void contrast_prob_back(const StepRow *r, float *d, float *dc)
{
    (void)d;
    contrast_part(r, dc, r->args->logprob ? 1 : num_exp(log_c(r)));
}

static double contrast_logits_diff(const StepRow *r) { return logit(r) - contrast_logits(r); }
static void contrast_logits_diff_back(const StepRow *r, float *d, float *dc)
{
    if (same(r)) return;
    d[r->token] += 1;
    if (dc) dc[r->contrast_token] -= 1;
}

static double contrast_prob_diff(const StepRow *r) { return probability(r) - contrast_prob(r); }
static void contrast_prob_diff_back(const StepRow *r, float *d, float *dc)
{
    if (same(r)) return;
    probability_back(r, d, dc);
    contrast_part(r, dc, -(r->args->logprob ? 1 : num_exp(log_c(r))));
}

static double in_context_pvi(const StepRow *r) { return log_c(r) - log_p(r); }
static void in_context_pvi_back(const StepRow *r, float *d, float *dc)
{
    if (same(r)) return;
    toward(d, -1, r->token, r->p, r->vocab);
    contrast_part(r, dc, 1);
}

static double pcxmi(const StepRow *r) { return in_context_pvi(r) / LN2; }
static void pcxmi_back(const StepRow *r, float *d, float *dc)
{
    if (same(r)) return;
    toward(d, -1 / LN2, r->token, r->p, r->vocab);
    contrast_part(r, dc, 1 / LN2);
}

// KL(p || p'), over all words, or over those kept by top_k / top_p of the summed logits (filter.c).
static double kl_divergence(const StepRow *r)
{
    double sum = 0;
    for (int64_t v = 0; v < r->vocab; v++) {
        double a = (double)r->z[v] - r->log_sum, b = (double)r->contrast_z[v] - r->contrast_log_sum;
        if (r->p[v] > 0) sum += (double)r->p[v] * (a - b);
    }
    return sum;
}
static void kl_divergence_back(const StepRow *r, float *d, float *dc)
{
    double kl = kl_divergence(r);
    for (int64_t v = 0; v < r->vocab; v++) {
        double a = (double)r->z[v] - r->log_sum, b = (double)r->contrast_z[v] - r->contrast_log_sum;
        if (r->p[v] > 0) d[v] += (float)((double)r->p[v] * (a - b - kl));
        if (dc) dc[v] += (float)((double)r->contrast_p[v] - (double)r->p[v]);
    }
}

// ------------------------------------------------------------------------------------------ the table

static const StepFunction functions[] = {
    {"logit", "the token's logit", false, false, logit, logit_back},
    {"probability", "the token's probability (with logprob: its logarithm)", false, false, probability, probability_back},
    {"entropy", "entropy of the next-token distribution, in nats", false, false, entropy, entropy_back},
    {"crossentropy", "minus the logarithm of the token's probability", false, false, crossentropy, crossentropy_back},
    {"perplexity", "2 to the power of the crossentropy, as Inseq defines it", false, false, perplexity, perplexity_back},
    {"contrast_logits", "logit of the foil", true, false, contrast_logits, contrast_logits_back},
    {"contrast_prob", "probability of the foil", true, false, contrast_prob, contrast_prob_back},
    {"contrast_logits_diff", "logit of the token minus that of the foil", true, false, contrast_logits_diff,
     contrast_logits_diff_back},
    {"contrast_prob_diff", "probability of the token minus that of the foil", true, false, contrast_prob_diff,
     contrast_prob_diff_back},
    {"pcxmi", "pointwise cross-mutual information: log2 of the foil's probability over the token's", true, false, pcxmi,
     pcxmi_back},
    {"in_context_pvi", "the same in nats", true, false, in_context_pvi, in_context_pvi_back},
    {"kl_divergence", "divergence of the foil's distribution from the token's, in nats", true, false, kl_divergence,
     kl_divergence_back},
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

size_t attr_step_list(const Entry **out)
{
    static Entry list[N_FUNCTIONS];
    for (size_t i = 0; i < N_FUNCTIONS; i++) list[i] = (Entry){functions[i].name, functions[i].summary, NULL};
    *out = list;
    return N_FUNCTIONS;
}

const StepFunction *step_find(const char *name, Err *e)
{
    const char *names[N_FUNCTIONS];
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        if (!strcmp(functions[i].name, name)) return &functions[i];
        names[i] = functions[i].name;
    }
    const char *near = str_nearest(str_of(name), names, N_FUNCTIONS);
    if (near) err_set(e, "unknown step function '%s'; did you mean %s?", name, near);
    else err_set(e, "unknown step function '%s'; 'inseq list steps' shows them all", name);
    return NULL;
}

bool attr_is_contrastive(const char *name)
{
    const StepFunction *f = step_find(name, NULL);
    return f && f->contrastive;
}
