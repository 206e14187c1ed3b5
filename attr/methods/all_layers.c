// SPDX-License-Identifier: Apache-2.0
// all_layers.c — layer_gradient_x_activation with target_layer "all": at what each layer's feed-forward gives, for all
// layers with one way back. Locating facts in language models: Meng et al. 2022 (arXiv:2202.05262) ask where a fact is
// kept; this is the gradient's answer.
//
//   score[i,s,l] = || a_l[i,:] * df_s/da_l[i,:] ||, divided by its sum over the tokens i        a_l[i,:]: layer l's
//                                                                                              feed-forward at token i
// In the last layer only the row before the step can be other than 0: nothing later mixes positions.
#include "../run.h"

#include <string.h>

bool attr_all_layers(const AttrOptions *o)
{
    const Json *j = attr_argument(o, "target_layer");
    return !strcmp(o->method, "layer_gradient_x_activation") && j && j->kind == J_STRING &&
           str_is(j->text, "all");
}

static void put(const Tensor *made, int64_t k, int64_t rows, int64_t layer, Scores *to, int64_t column)
{
    for (int64_t i = 0; i < rows; i++) run_cell(to, i, column)[layer] = 0;
    if (!made || !made->grad) return; // nothing of it reaches what is attributed
    const Layout *l = made->layout;
    int64_t first = l->row0[k] - made->seqs->start[l->seq[k]], w = made->cols;
    double sum = 0;
    for (int64_t i = 0; i < l->n[k]; i++) {
        const float *a = made->f + (l->row0[k] + i) * w, *g = made->grad + (l->at[k] + i) * w;
        double squares = 0;
        for (int64_t j = 0; j < w; j++)
            squares += ((double)a[j] * (double)g[j]) * ((double)a[j] * (double)g[j]);
        float norm = (float)__builtin_sqrt(squares);
        run_cell(to, first + i, column)[layer] = norm;
        sum += (double)norm;
    }
    for (int64_t i = 0; i < rows && sum > 0; i++) {
        float *score = &run_cell(to, i, column)[layer];
        *score = (float)((double)*score / sum);
    }
}

static void gone_back(Run *r, void *context, int64_t first, int64_t n)
{
    (void)context;
    for (int64_t k = 0; k < n; k++) {
        int64_t step = first + k, i = r->step_pair[step], c = step - r->first_step[i];
        Sequence *q = &r->out[i];
        for (int64_t l = 0; l < r->f->encoder_layers && q->source_attributions.v; l++)
            put(r->pass.encoder_ff[l], k, r->pair[i].source.n, l, &q->source_attributions, c);
        for (int64_t l = 0; l < r->f->decoder_layers && q->target_attributions.v; l++)
            put(r->pass.decoder_ff[l], k, r->from[i] + c, l, &q->target_attributions, c);
    }
}

static void nothing(Run *r, void *context, int64_t pair, int64_t column, const float *dx, const float *dy)
{
    (void)r, (void)context, (void)pair, (void)column, (void)dx, (void)dy;
}

bool layers_all_run(Run *r, Err *e)
{
    if (r->sources && run_wants_target(r) && r->f->encoder_layers != r->f->decoder_layers)
        return err_set(e,
                       "%s: all layers of both sides need as many in the encoder (%" PRId64
                       ") as in the decoder (%" PRId64 "); attribute_target must be off",
                       r->o->method, r->f->encoder_layers, r->f->decoder_layers);
    run_scores(r, 1, (int64_t[]){r->sources ? r->f->encoder_layers : r->f->decoder_layers}, OUT_MULTI);
    for (int64_t l = 0; r->sources && l < r->f->encoder_layers; l++) r->pass.encoder_ff[l]->kept = true;
    for (int64_t l = 0; l < r->f->decoder_layers; l++) r->pass.decoder_ff[l]->kept = true;
    r->gone_back = gone_back;
    run_gradients(r, r->tape, &r->pass, r->logits, NULL, nothing, NULL);
    return true;
}
