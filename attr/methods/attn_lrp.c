// SPDX-License-Identifier: Apache-2.0
// attn_lrp.c — layer-wise relevance propagation with rules for attention. Achtibat et al. 2024 (AttnLRP), arXiv:2402.05602;
// Bach et al. 2015, doi:10.1371/journal.pone.0130140.
//
//   score[i,s] = sum over j of x[i,j] * d_s[i,j]      d_s: what df_s/dx becomes by the rules; one signed number a token
// Each operation hands the relevance of its result down to what made it. With relevance written as value times gradient the
// rules are changes to the way back (tape_lrp; formulas in tensor/op_NAME.c), and all steps still share one:
//   linear, add    none: relevance goes by what each term added, and biases and positions keep theirs
//   products       half to each factor: in attention v gets 1/2 of its gradient, q and k 1/4; of a gate both get 1/2
//   softmax        none: it is taken as linear about the scores that it was given, and the rest is kept
//   norms          the number a row is divided by is a constant
//   activations    act(x)/x in place of act'(x), all is handed on; 0 at x = 0, as in the authors' code
// Relevance begins as z df/dz over the logits z: for `logit` and differences of logits that sums up to f itself, and a
// column sums up to f less what was kept on the way, which is much: often half (tools/oracle/attn_lrp.py prints both).
#include "../run.h"

static void sum_rows(Scores *to, int64_t column, const float *x, const float *dx, int64_t rows, int64_t d)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t j = 0; j < d; j++) sum += (double)x[i * d + j] * (double)dx[i * d + j];
        *run_cell(to, i, column) = (float)sum;
    }
}

static void put(Run *r, void *context, int64_t pair, int64_t column, const float *dx, const float *dy)
{
    (void)context;
    Sequence *q = &r->out[pair];
    int64_t seen = r->from[pair] + column;
    if (dx) sum_rows(&q->source_attributions, column, run_x(r, pair), dx, r->pair[pair].source.n, r->width);
    if (dy) sum_rows(&q->target_attributions, column, run_y(r, pair), dy, seen, r->width);
}

static bool run(Run *r, Err *e)
{
    (void)e;
    run_scores(r, 0, NULL, OUT_COARSE);
    tape_lrp(r->tape, true);
    run_gradients(r, r->tape, &r->pass, r->logits, NULL, put, NULL);
    return true;
}

const Method method_attn_lrp = {
    .name = "attn_lrp",
    .summary = "relevance handed down layer by layer, signed (LRP with rules for attention); take -fn logit",
    .paper = "Achtibat et al. 2024, arXiv:2402.05602",
    .formula = "score[i,s] = sum over j of x[i,j] * d_s[i,j]\n"
               "d_s: df_s/dx with rules for softmax, norms, products and activations",
    .when = "Relevance that is handed down layer by layer, signed, one number a token, at the price of one "
            "gradient: in its authors' tests more faithful than attention and than gradients. It is made for "
            "-fn logit and differences of logits; biases and positions keep their part, so columns do not "
            "sum to f_s.",
    .cost = "1 forward, 1 backward",
    .passes = passes_gradient,
    .run = run,
};
