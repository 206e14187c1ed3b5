// SPDX-License-Identifier: Apache-2.0
// attention.c — the attention weights themselves: whom each step looks at, in every layer and head. Bahdanau,
// Cho and Bengio 2014, arXiv:1409.0473. One forward pass; nothing is differentiated and no function is
// attributed.
//
//   source [S, n, L, A]  cross-attention of row s-1 to each source token
//   target [T, n, L, A]  self-attention of row s-1 to each prefix token
// With the target side off its weights go to sequence_scores, [n, n, L, A] of the first n keys and queries, as in the
// library; the encoder's are always there, [S, S, L, A].
#include "../run.h"

// Weights of one layer go to cells of a score: to each (key, query) its A values at `layer`.
static void put(Run *r, const Tensor *made, int64_t seq, int64_t layer, Scores *to, int64_t first_query,
                bool causal)
{
    int64_t nq, nk, A = to->dim[3];
    const float *w = tn_attention_weights(r->tape, made, seq, &nq, &nk); // [A, nq, nk]
    for (int64_t c = 0; c < to->dim[1] && first_query + c < nq; c++)
        for (int64_t k = 0; k < nk && k < to->dim[0] && (!causal || k <= first_query + c); k++)
            for (int64_t h = 0; h < A; h++)
                run_cell(to, k, c)[layer * A + h] = w[(h * nq + first_query + c) * nk + k];
}

static bool run(Run *r, Err *e)
{
    (void)e;
    int64_t L = r->f->decoder_layers, A = r->f->heads;
    run_scores(r, 2, (int64_t[]){L, A}, OUT_MULTI);
    for (int64_t i = 0; i < r->n; i++) {
        Sequence *q = &r->out[i];
        int64_t S = r->pair[i].source.n, n = r->to[i] - r->from[i], row = r->from[i] - 1, t = r->target_of[i];
        Scores *decoder = &q->target_attributions;
        if (!run_wants_target(r))
            decoder =
                run_sequence_score(r, i, STR_LIT("decoder_self_attentions"), 4, (int64_t[]){n, n, L, A}),
            row = 0;
        for (int64_t l = 0; l < L; l++) {
            if (r->sources) put(r, r->pass.cross[l], t, l, &q->source_attributions, r->from[i] - 1, false);
            put(r, r->pass.decoder_self[l], t, l, decoder, row, true);
        }
        if (!r->sources) continue;
        int64_t layers = r->f->encoder_layers;
        Scores *encoder = run_sequence_score(r, i, STR_LIT("encoder_self_attentions"), 4,
                                             (int64_t[]){S, S, layers, r->f->encoder_heads});
        for (int64_t l = 0; l < layers; l++)
            put(r, r->pass.encoder_self[l], r->source_of[t], l, encoder, 0, false);
    }
    return true;
}

const Method method_attention = {
    .name = "attention",
    .summary = "attention weights of every layer and head",
    .paper = "Bahdanau et al. 2014, arXiv:1409.0473",
    .formula = "source [S, n, L, A]: cross-attention weights of row s-1\n"
               "target [T, n, L, A]: the decoder's self-attention weights of row s-1",
    .when = "Where each step looks, in every layer and head; shown is their mean (--layer, --head: one of "
            "them). Nothing is said about what comes of it: a token that is looked at may have little to "
            "give (attention_x_norm), and deeper layers look at mixtures (attention_rollout, alti).",
    .no_gradient = true,
    .cost = "1 forward",
    .run = run,
};
