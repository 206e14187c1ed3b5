// SPDX-License-Identifier: Apache-2.0
// attention_x_norm.c — attention weights times the length of what they weigh. Kobayashi, Kuribayashi, Yokoi and Inui 2020,
// arXiv:2004.10102: a token that is looked at may still have little to give.
//
//   score[j,s,l,h] = | a_h[s-1,j] f_h(j) |      f_h(j) = v_h(j) O_h      v_h(j) its value in head h, O_h that head's part of
//                                                                        the matrix that attention's result goes through
//   source [S, n, L, A]  of the cross-attention        target [T, n, L, A]  of the decoder's self-attention
// With sum_heads: score[j,s,l] = | sum over h of a_h[s-1,j] f_h(j) |, the paper's for a whole layer.
#include "mixing.h"

static float norm(const float *x, int64_t n) { return __builtin_sqrtf(num_dot(x, x, n)); }

// Cells of the layer in a score [keys, columns, L(, A)]; column c is query first + c.
static void put(Run *r, Block b, int64_t first, bool sum, Scores *to)
{
    Arena *a = arena_create(r->work);
    int64_t nq = b.nq, nk = b.nk, A = b.heads, D = b.width;
    const float *f = mixing_transformed(r, a, &b);
    float *all = arena_new_raw(a, float, D), *length = arena_new(a, float, nk *A);
    for (int64_t i = 0; !sum && i < nk * A; i++) length[i] = norm(f + i * D, D);
    for (int64_t c = 0; c < to->dim[1]; c++)
        for (int64_t j = 0; j < nk && (b.which == ZERO_CROSS || j <= first + c); j++) {
            float *cell = run_cell(to, j, c) + b.layer * (sum ? 1 : A);
            for (int64_t k = 0; k < D; k++) all[k] = 0;
            for (int64_t h = 0; h < A; h++) {
                float weight = b.weights[(h * nq + first + c) * nk + j];
                if (sum) num_axpy(all, weight, f + (j * A + h) * D, D);
                else cell[h] = weight * length[j * A + h];
            }
            if (sum) *cell = norm(all, D);
        }
    arena_free(a);
}

static bool run(Run *r, Err *e)
{
    bool sum = arg_bool(r, "sum_heads", false, e);
    if (e && e->set) return false;
    int64_t L = r->f->decoder_layers, A = r->f->heads;
    run_scores(r, sum ? 1 : 2, (int64_t[]){L, A}, OUT_MULTI);
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t l = 0; l < L; l++) {
            Scores *source = &r->out[i].source_attributions, *target = &r->out[i].target_attributions;
            int64_t first = r->from[i] - 1;
            if (source->v) put(r, mixing_block(r, i, ZERO_CROSS, l), first, sum, source);
            if (target->v) put(r, mixing_block(r, i, ZERO_DECODER, l), first, sum, target);
        }
    return true;
}

const Method method_attention_x_norm = {
    .name = "attention_x_norm",
    .summary = "attention weights times the norm of the transformed values",
    .paper = "Kobayashi et al. 2020, arXiv:2004.10102",
    .formula = "score[j,s,l,h] = | a_h[s-1,j] f_h(j) |\n"
               "f_h(j): the value of token j, through head h's part of the output matrix",
    .when = "Attention weights times the length of what they weigh, by layers and heads: tokens that are "
            "looked at with nothing to give (full stops, end tokens) lose their weight. As with attention a "
            "description of layers; their mean is shown.",
    .arguments = (const Argument[]){{"sum_heads", "false",
                                     "the length of the heads' sum, a number for each layer (the paper's)"},
                                    {0}},
    .no_gradient = true,
    .cost = "1 forward",
    .run = run,
};
