// SPDX-License-Identifier: Apache-2.0
// gradient_x_attention.c — attention weights times their gradients, where both raise the value. Barkan et al. 2021
// (Grad-SAM), arXiv:2204.11073; Chefer, Gur and Wolf 2021, arXiv:2103.15679.
//
//   score[j,s,l,h] = sum over i of a_lh[i,j] * max(0, df_s/da_lh[i,j])        i: rows 0..s-1, all that the step sees
//   source [S, n, L, A]  of the cross-attention        target [T, n, L, A]  of the decoder's self-attention
// With y = a v the gradient of a weight is df/da[i,j] = df/dy[i] . v[j], so one way back that keeps the df/dy of every
// layer serves all steps. A foil's own pass has weights of its own: it is a constant here.
#include "../run.h"

typedef struct Part {
    Run *r;
    int64_t first;
} Part;

static void put(Run *r, const Tensor *made, int64_t k, int64_t keys, int64_t layer, bool causal, Scores *to,
                int64_t column, int64_t seen)
{
    const Tensor *v = tn_attention_values(r->tape, made);
    const Layout *l = made->layout;
    if (!made->grad) return; // nothing of it reaches what is attributed
    int64_t nq, nk, A = r->f->heads, d = made->cols / A, groups = v->cols / d, seq = l->seq[k],
                    row0 = l->row0[k] - made->seqs->start[seq];
    const float *p = tn_attention_weights(r->tape, made, seq, &nq, &nk);
    for (int64_t j = 0; j < seen; j++)
        for (int64_t h = 0; h < A; h++) {
            float sum = 0;
            const float *value = v->f + (v->seqs->start[keys] + j) * v->cols + h * groups / A * d;
            for (int64_t i = causal && j > row0 ? j - row0 : 0; i < l->n[k]; i++) {
                float slope = num_dot(made->grad + (l->at[k] + i) * made->cols + h * d, value, d);
                if (slope > 0) sum += p[(h * nq + row0 + i) * nk + j] * slope;
            }
            run_cell(to, j, column)[layer * A + h] = sum;
        }
}

static void one_step(int64_t k, void *context)
{
    Run *r = ((Part *)context)->r;
    int64_t step = ((Part *)context)->first + k, i = r->step_pair[step], c = step - r->first_step[i];
    int32_t t = r->target_of[i];
    Sequence *q = &r->out[i];
    for (int64_t l = 0; l < r->f->decoder_layers; l++) {
        if (q->source_attributions.v)
            put(r, r->pass.cross[l], k, r->source_of[t], l, false, &q->source_attributions, c,
                r->pair[i].source.n);
        if (q->target_attributions.v)
            put(r, r->pass.decoder_self[l], k, t, l, true, &q->target_attributions, c, r->from[i] + c);
    }
}

static void gone_back(Run *r, void *context, int64_t first, int64_t n)
{
    (void)context;
    pool_run(n, one_step, &(Part){r, first});
}

static void nothing(Run *r, void *context, int64_t pair, int64_t column, const float *dx, const float *dy)
{
    (void)r, (void)context, (void)pair, (void)column, (void)dx, (void)dy;
}

static bool run(Run *r, Err *e)
{
    (void)e;
    int64_t L = r->f->decoder_layers;
    run_scores(r, 2, (int64_t[]){L, r->f->heads}, OUT_MULTI);
    for (int64_t l = 0; l < L; l++) {
        if (r->sources) r->pass.cross[l]->kept = true;
        if (run_wants_target(r)) r->pass.decoder_self[l]->kept = true;
    }
    r->gone_back = gone_back;
    run_gradients(r, r->tape, &r->pass, r->logits, NULL, nothing, NULL);
    return true;
}

const Method method_gradient_x_attention = {
    .name = "gradient_x_attention",
    .summary = "attention weights times their gradients, where these are positive",
    .paper = "Barkan et al. 2021, arXiv:2204.11073",
    .formula = "score[j,s,l,h] = sum over i of a_lh[i,j] * max(0, df_s/da_lh[i,j])",
    .when = "Attention weights that matter for the value, and raise it: attention that is asked about the "
            "attributed function, at the price of a gradient. What lowers the value is left out.",
    .cost = "1 forward, 1 backward",
    .passes = passes_gradient,
    .run = run,
};
