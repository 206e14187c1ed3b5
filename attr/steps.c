// SPDX-License-Identifier: Apache-2.0
// steps.c — step functions: one number for each generated token, to be reported (step scores) or differentiated
// (attributed functions). Formulas and names are Inseq's; natural logarithms unless said otherwise.
//
// z: logits of the step's row, t: the token there, p = softmax(z); z', t', p' those of the foil.
// dp[t]/dz = p[t] (e_t - p), so every gradient is a multiple of (e_t - p), of e_t, or of p times something.
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LN2 = 0.69314718055994530942;

static double log_p(const StepRow *r) { return (double)r->z[r->token] - r->log_sum; }
static double log_c(const StepRow *r)
{
    return (double)r->contrast_z[r->contrast_token] - r->contrast_log_sum;
}

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
static void crossentropy_back(const StepRow *r, float *d, float *dc)
{
    (void)dc, toward(d, -1, r->token, r->p, r->vocab);
}

static double perplexity(const StepRow *r)
{
    return num_exp(-log_p(r) * LN2);
} // Inseq: 2 to the power of nats
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

// Nucleus and top-k filtering (semantics 2): which words are kept, by the scores z. Words are taken from the highest
// down; one goes when the probability of all below and itself is at most 1 - top_p.
typedef struct Ranked {
    float z;
    int32_t word;
} Ranked;

static int by_score(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;
    int order = (x->z > y->z) - (x->z < y->z);
    return order ? order : (y->word > x->word) - (y->word < x->word);
}

// What filtering needs of the row's scratch.
typedef struct Filter {
    Ranked *rank; // [V]
    bool *kept;   // [V]
    float *both;  // [V] summed logits
} Filter;

static Filter filter_room(const StepRow *r)
{
    return (Filter){.rank = (Ranked *)(void *)r->scratch,
                    .both = r->scratch + 2 * r->vocab,
                    .kept = (bool *)(void *)(r->scratch + 3 * r->vocab)};
}

static int64_t filter(const StepRow *r, const float *z, double top_p, int64_t top_k, int64_t at_least,
                      Filter f)
{
    for (int64_t v = 0; v < r->vocab; v++) f.rank[v] = (Ranked){z[v], (int32_t)v}, f.kept[v] = false;
    qsort(f.rank, (size_t)r->vocab, sizeof *f.rank, by_score);
    double below = 0, sum = 0,
           top = (double)f.rank[r->vocab - 1].z; // shares of the sum: exact where words are equal
    for (int64_t v = 0; v < r->vocab; v++) sum += num_exp((double)f.rank[v].z - top);
    int64_t first = 0; // of those kept
    if (top_p < 1)
        while (first < r->vocab - at_least &&
               (below += num_exp((double)f.rank[first].z - top)) <= (1 - top_p) * sum)
            first++;
    int64_t most = top_k > at_least ? top_k : at_least;
    if (top_k > 0 && r->vocab - first > most) {
        first = r->vocab - most;
        while (first > 0 && f.rank[first - 1].z == f.rank[first].z) first--; // ties of the last stay
    }
    for (int64_t i = first; i < r->vocab; i++) f.kept[f.rank[i].word] = true;
    return r->vocab - first;
}

static double top_p_size(const StepRow *r)
{
    return (double)filter(r, r->z, r->args->top_p, 0, 1, filter_room(r));
}

// Logarithm of the sum of exponentials over the kept words.
static double log_sum_kept(const float *z, const bool *kept, int64_t n)
{
    float top = -INFINITY;
    for (int64_t v = 0; v < n; v++) top = kept[v] && z[v] > top ? z[v] : top;
    double sum = 0;
    for (int64_t v = 0; v < n; v++)
        if (kept[v]) sum += num_exp((double)z[v] - (double)top);
    return (double)top + num_log(sum);
}

// KL(p || p'), over all words, or over those that top_k and top_p keep of the summed logits. Adds derivatives if wanted.
static double divergence(const StepRow *r, float *d, float *dc)
{
    const StepArgs *o = r->args;
    Filter f = filter_room(r);
    double log_sum = r->log_sum, log_sum_c = r->contrast_log_sum, kl = 0;
    memset(f.kept, true, (size_t)r->vocab * sizeof *f.kept);
    if (o->top_k > 0 || o->top_p < 1) {
        for (int64_t v = 0; v < r->vocab; v++) f.both[v] = r->z[v] + r->contrast_z[v];
        filter(r, f.both, o->top_p, o->top_k, o->min_tokens_to_keep, f);
        log_sum = log_sum_kept(r->z, f.kept, r->vocab),
        log_sum_c = log_sum_kept(r->contrast_z, f.kept, r->vocab);
    }
    for (int64_t v = 0; v < r->vocab; v++) {
        double p = (double)r->z[v] - log_sum, q = (double)r->contrast_z[v] - log_sum_c;
        if (f.kept[v]) kl += num_exp(p) * (p - q);
    }
    for (int64_t v = 0; (d || dc) && v < r->vocab; v++) {
        if (!f.kept[v]) continue;
        double p = (double)r->z[v] - log_sum, q = (double)r->contrast_z[v] - log_sum_c;
        if (d) d[v] += (float)(num_exp(p) * (p - q - kl));
        if (dc) dc[v] += (float)(num_exp(q) - num_exp(p));
    }
    return kl;
}

static double kl_divergence(const StepRow *r) { return divergence(r, NULL, NULL); }
static void kl_divergence_back(const StepRow *r, float *d, float *dc) { divergence(r, d, dc); }

// ------------------------------------------------------------------------------------------ noise

// How far the probability lies from its mean under dropout, in standard deviations (n - 1) of the noisy passes.
static double mc_dropout_prob_avg(const StepRow *r)
{
    double mean = 0, square = 0, own = probability(r);
    int64_t n = r->args->n_mcd_steps;
    for (int64_t i = 0; i < n; i++)
        mean += (r->args->logprob ? r->noisy[i] : num_exp(r->noisy[i])) / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = (r->args->logprob ? r->noisy[i] : num_exp(r->noisy[i])) - mean;
        square += d * d;
    }
    return (own - mean) / __builtin_sqrt(square / (double)(n - 1));
}

// ------------------------------------------------------------------------------------------ the table

#define ARG_LOGPROB                                                                                          \
    {                                                                                                        \
        "logprob", "false", "logarithms of probabilities instead"                                            \
    }
#define ARG_FORCE                                                                                            \
    {                                                                                                        \
        "contrast_force_inputs", "false",                                                                    \
            "as -fn: p' from the foil's own pass, a constant, not from the token's row"                      \
    }
#define ARG_ALIGNMENTS                                                                                       \
    {                                                                                                        \
        "contrast_targets_alignments", NULL,                                                                 \
            "which token of the foil each token is compared with: [[s, q], ...], auto, right or "            \
            "first_difference "                                                                              \
            "(--show-alignment tells)"                                                                       \
    }
#define ARGS_FOIL                                                                                            \
    (const Argument[])                                                                                       \
    {                                                                                                        \
        ARG_FORCE, ARG_ALIGNMENTS, { 0 }                                                                     \
    }
#define ARGS_FOIL_PROB                                                                                       \
    (const Argument[])                                                                                       \
    {                                                                                                        \
        ARG_LOGPROB, ARG_FORCE, ARG_ALIGNMENTS, { 0 }                                                        \
    }

static const StepFunction functions[] = {
    {.name = "logit",
     .summary = "the token's logit",
     .formula = "f_s = z[t]",
     .when = "To attribute what the model adds up before it is normalised: gradients do not fade where the "
             "probability is near 1, and alti_logit and attn_lrp are made for it. A logit alone says nothing "
             "of the other words; contrast_logits_diff compares two.",
     .value = logit,
     .gradient = logit_back},
    {.name = "probability",
     .summary = "the token's probability (with logprob: its logarithm)",
     .formula = "f_s = p[t]        with logprob: log p[t]        p = softmax(z)",
     .when = "The default: how sure the model was of what it wrote. Near 1 its gradient is nearly 0; take "
             "logprob or logit there.",
     .arguments = (const Argument[]){ARG_LOGPROB, {0}},
     .value = probability,
     .gradient = probability_back},
    {.name = "entropy",
     .summary = "entropy of the next-token distribution, in nats",
     .formula = "f_s = - sum over v of p[v] log p[v]",
     .when = "How undecided the model was, whatever it wrote: 0 is sure, log V knows nothing. As -fn: which "
             "words settle or unsettle it.",
     .value = entropy,
     .gradient = entropy_back},
    {.name = "crossentropy",
     .summary = "minus the logarithm of the token's probability",
     .formula = "f_s = - log p[t]",
     .when = "The training loss of a token: how surprising it was, in nats. Gradients are those of the "
             "log-probability with the other sign.",
     .value = crossentropy,
     .gradient = crossentropy_back},
    {.name = "perplexity",
     .summary = "2 to the power of the crossentropy, as Inseq defines it",
     .formula = "f_s = 2^(- log p[t])",
     .when =
         "To have the library's numbers. The logarithm is natural and the base 2, so this is not 1 / p[t].",
     .value = perplexity,
     .gradient = perplexity_back},
    {.name = "contrast_logits",
     .summary = "logit of the foil",
     .formula = "f_s = z'[t']",
     .when = "The other half of contrast_logits_diff by itself. Needs a foil: --contrast_targets.",
     .arguments = ARGS_FOIL,
     .contrastive = true,
     .value = contrast_logits,
     .gradient = contrast_logits_back},
    {.name = "contrast_prob",
     .summary = "probability of the foil",
     .formula = "f_s = p'[t']        with logprob: log p'[t']",
     .when = "How likely what might have been written was. Needs a foil: --contrast_targets.",
     .arguments = ARGS_FOIL_PROB,
     .contrastive = true,
     .value = contrast_prob,
     .gradient = contrast_prob_back},
    {.name = "contrast_logits_diff",
     .summary = "logit of the token minus that of the foil",
     .formula = "f_s = z[t] - z'[t']",
     .when = "Why this word and not that one (Yin and Neubig 2022, arXiv:2202.10419): what speaks for both "
             "cancels. Steps where foil and token are the same word are 0. Needs --contrast_targets.",
     .arguments = ARGS_FOIL,
     .contrastive = true,
     .value = contrast_logits_diff,
     .gradient = contrast_logits_diff_back},
    {.name = "contrast_prob_diff",
     .summary = "probability of the token minus that of the foil",
     .formula = "f_s = p[t] - p'[t']        with logprob: log p[t] - log p'[t']",
     .when = "As contrast_logits_diff in probabilities: also words beside the two count, since all share one "
             "sum. Needs --contrast_targets.",
     .arguments = ARGS_FOIL_PROB,
     .contrastive = true,
     .value = contrast_prob_diff,
     .gradient = contrast_prob_diff_back},
    {.name = "pcxmi",
     .summary = "pointwise cross-mutual information: log2 of the foil's probability over the token's",
     .formula = "f_s = log2(p'[t'] / p[t])",
     .when =
         "How many bits the foil's input makes its token likelier: with --contrast_sources, what a context "
         "brings (Fernandes et al. 2023, arXiv:2109.07446). Positive where the foil's side is surer.",
     .arguments = ARGS_FOIL,
     .contrastive = true,
     .value = pcxmi,
     .gradient = pcxmi_back},
    {.name = "in_context_pvi",
     .summary = "the same in nats",
     .formula = "f_s = log p'[t'] - log p[t]",
     .when = "As pcxmi: usable information that examples in a prompt bring (Lu et al. 2023, "
             "arXiv:2310.12300).",
     .arguments = ARGS_FOIL,
     .contrastive = true,
     .value = in_context_pvi,
     .gradient = in_context_pvi_back},
    {.name = "kl_divergence",
     .summary = "divergence of the foil's distribution from the token's, in nats",
     .formula = "f_s = sum over v of p[v] (log p[v] - log p'[v])",
     .when =
         "How differently the model goes on with another input, whatever word it takes: attribute-context "
         "finds tokens that depend on the context by it. As -fn with contrast_force_inputs only.",
     .arguments =
         (const Argument[]){{"top_k", "0", "only so many words of largest z + z'; 0: all"},
                            {"top_p", "1", "only the words that make up this probability, by z + z'"},
                            {"min_tokens_to_keep", "1", "and so many at least"},
                            ARG_FORCE,
                            ARG_ALIGNMENTS,
                            {0}},
     .contrastive = true,
     .value = kl_divergence,
     .gradient = kl_divergence_back},
    {.name = "mc_dropout_prob_avg",
     .summary = "the probability against its mean under dropout, in standard deviations",
     .formula = "f_s = (p[t] - mean over k of p_k[t]) / deviation (n - 1) of p_k[t]\n"
                "p_k: a pass with the model's dropout at work",
     .when = "How steady a probability is when parts of the model are switched off, a measure of "
             "uncertainty. A step score only: it cannot be attributed. Models without dropout have none.",
     .arguments =
         (const Argument[]){
             {"n_mcd_steps", "5", "noisy passes"}, ARG_LOGPROB, {"seed", "0", "of the dropout"}, {0}},
     .value = mc_dropout_prob_avg},
    {.name = "top_p_size",
     .summary = "how many words the nucleus of probability top_p holds",
     .formula = "f_s = number of words that top_p keeps of p",
     .when = "How many words were in question: 1 is decided. A whole number, and a step score only.",
     .arguments =
         (const Argument[]){{"top_p", NULL, "the probability they make up, 0 to 1 (must be given)"}, {0}},
     .must = "{\"top_p\": 0.9}",
     .integer = true,
     .value = top_p_size},
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

size_t attr_step_list(const Entry **out)
{
    static Entry list[N_FUNCTIONS];
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        list[i] = (Entry){.name = functions[i].name,
                          .summary = functions[i].summary,
                          .formula = functions[i].formula,
                          .when = functions[i].when,
                          .arguments = functions[i].arguments,
                          .must = functions[i].must};
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
