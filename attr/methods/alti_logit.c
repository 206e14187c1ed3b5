// SPDX-License-Identifier: Apache-2.0
// alti_logit.c — what attention adds to the logit of each generated token, by the source and prefix token that it comes from.
// Ferrando, Gállego, Tsiamas and Costa-jussà 2023, arXiv:2305.12535 (ALTI-Logit).
//
// A logit is a sum over what the decoder's sub-layers add to the residual stream of row s-1, u the word's output vector:
//   logit = u . states = u_0 . x_0 + sum over blocks, j of u_l . T_l(x_j) + sum over layers of u_l . ff_l + biases
// T_l(x_j): what attention block l brings from row j (alti.c, without its norm and the residual connection). u_l: the vector
// carried back to the block through all norms behind it, each with the row's scale as a constant; with norms before the
// blocks (T5) that is the closing one for every l, with norms behind them (Marian) there are more. Each block's row j is
// made of source and prefix as alti says at that depth, so
//   source [S, n]  sum over blocks, j of u_l . T_l(x_j) * share of source token in row j         target [T, n]  the same
// Columns add up to all that attention adds. The rest of the logit stays at the row itself, as in the paper, and is no
// token's: with output_logit_parts it is in the step scores embedding_logit (the row's own input), feed_forward_logit and
// bias_logit; columns and these three add up to the logit.
//
// With a foil and a contrastive function u is the token's output vector less the foil's (the paper's contrastive
// explanations), unless the foil has a pass of its own, which is a constant here. Other functions are not looked at.
#include "alti.h"

#include <string.h>

enum { EMBEDDING, FEED_FORWARD, BIAS, PARTS };

typedef struct Logit {
    Alti alti;
    int64_t pair, first, n;            // rows of the sequence: first .. first + n - 1
    float **u;                         // [steps + 1] [n, D] at each step's sum, and last at the states
    float *products, *source, *target; // [n, keys of a block], [n, S], [n, T]
    double *part[PARTS];               // [n]
} Logit;

static double dot(const float *x, const float *y, int64_t n) { return (double)num_dot(x, y, n); }

// Whether the logit of the foil is taken away from that of the token.
static bool contrasts(const Run *r, int64_t pair)
{
    return r->foil_of[pair] >= 0 && r->function->contrastive && !r->o->step.contrast_force_inputs;
}

static float *words(const Run *r, Arena *a, Logit *l)
{
    int64_t D = l->alti.width;
    float *u = arena_new_raw(a, float, l->n *D), *foil = arena_new_raw(a, float, D);
    const Pair *p = &r->pair[l->pair];
    for (int64_t c = 0; c < l->n; c++) {
        l->part[BIAS][c] = (double)nn_word(r->m, p->target.v[r->from[l->pair] + c], u + c * D);
        if (!contrasts(r, l->pair)) continue;
        int32_t other = run_foil_id(r, r->first_step[l->pair] + c);
        l->part[BIAS][c] -= (double)nn_word(r->m, other, foil);
        num_axpy(u + c * D, -1, foil, D);
    }
    return u;
}

// u at a norm's result, to what it was made of: y = scale (x - mean(x)) g + b  =>  scale (g u - mean(g u)).
static float *through_norm(Arena *a, Logit *l, const NormParts *p, const float *u, int64_t row, int64_t D)
{
    float *out = arena_new_raw(a, float, l->n *D);
    for (int64_t c = 0; c < l->n; c++, u += D) {
        float scale = p->scale[(row + c) * p->stride], *x = out + c * D;
        double mean = 0;
        for (int64_t k = 0; k < D; k++) x[k] = p->g[k] * u[k];
        for (int64_t k = 0; p->b && k < D; k++) mean += (double)x[k] / (double)D;
        for (int64_t k = 0; k < D; k++) x[k] = scale * (x[k] - (float)mean);
        if (p->b) l->part[BIAS][c] += dot(u, p->b, D);
    }
    return out;
}

// Carries u back along the stream. What attention adds beside its tokens' parts is its bias: all of it is counted there,
// and parts are taken away as they come.
static void carry_back(Run *r, Arena *a, Logit *l)
{
    int64_t D = l->alti.width, row = r->targets->start[r->target_of[l->pair]] + l->first;
    l->u[l->alti.n_decoder] = words(r, a, l);
    for (int64_t k = l->alti.n_decoder - 1; k >= 0; k--) {
        const StreamStep *s = &l->alti.decoder[k];
        NormParts norm;
        bool post = tn_norm_parts(r->tape, s->out, &norm), ff = (k + 1) % l->alti.each == 0;
        l->u[k] = post ? through_norm(a, l, &norm, l->u[k + 1], row, D) : l->u[k + 1];
        for (int64_t c = 0; c < l->n; c++)
            l->part[ff ? FEED_FORWARD : BIAS][c] += dot(l->u[k] + c * D, s->update->f + (row + c) * D, D);
    }
    for (int64_t c = 0; c < l->n; c++)
        l->part[EMBEDDING][c] = dot(l->u[0] + c * D, l->alti.decoder->x->f + (row + c) * D, D);
}

static void shares(Run *r, void *context, const Mixing *before, const Block *b, float *c)
{
    Logit *l = context;
    if (b->which == ZERO_ENCODER) {
        alti_shares(r, &l->alti, b, NULL, c);
        return;
    }
    int64_t S = before->S, T = before->T;
    AltiProducts p = {l->u[alti_step(&l->alti, b) + 1], l->products, l->first, l->n};
    memset(p.out, 0, (size_t)(l->n * b->nk) * sizeof(float));
    alti_shares(r, &l->alti, b, &p, c);
    for (int64_t i = 0; i < l->n; i++)
        for (int64_t j = 0; j < b->nk; j++) {
            float more = p.out[i * b->nk + j];
            l->part[BIAS][i] -= (double)more;
            num_axpy(l->source + i * S, more, (b->which == ZERO_CROSS ? before->R : before->X) + j * S, S);
            if (b->which == ZERO_DECODER) num_axpy(l->target + i * T, more, before->Y + j * T, T);
        }
}

static void show(Run *r, const Logit *l, const Mixing *m, bool parts)
{
    Sequence *q = &r->out[l->pair];
    for (int64_t c = 0; c < l->n; c++) {
        for (int64_t k = 0; q->source_attributions.v && k < m->S; k++)
            *run_cell(&q->source_attributions, k, c) = l->source[c * m->S + k];
        for (int64_t k = 0; q->target_attributions.v && k <= l->first + c; k++)
            *run_cell(&q->target_attributions, k, c) = l->target[c * m->T + k];
        for (int k = 0; parts && k < PARTS; k++)
            q->step_scores[q->n_step_scores - PARTS + (size_t)k].scores.v[c] = (float)l->part[k][c];
    }
}

static bool run(Run *r, Err *e)
{
    bool parts = arg_bool(r, "output_logit_parts", false, e);
    if (e && e->set) return false;
    run_scores(r, 0, NULL, OUT_COARSE);
    if (parts)
        run_step_score(r, STR_LIT("embedding_logit")), run_step_score(r, STR_LIT("feed_forward_logit")),
            run_step_score(r, STR_LIT("bias_logit"));
    Alti x = alti_streams(r);
    for (int64_t i = 0; i < r->n; i++) {
        Arena *a = arena_create(r->work);
        int64_t n = r->to[i] - r->from[i], T = r->pair[i].target.n, S = r->pair[i].source.n;
        Logit l = {.alti = x, .pair = i, .first = r->from[i] - 1, .n = n};
        l.u = arena_new(a, float *, x.n_decoder + 1);
        l.products = arena_new_raw(a, float, n *(S > T ? S : T));
        l.source = arena_new(a, float, n *S), l.target = arena_new(a, float, n *T);
        for (int k = 0; k < PARTS; k++) l.part[k] = arena_new(a, double, n);
        carry_back(r, a, &l);
        Mixing m = mixing_roll(r, a, i, shares, &l);
        show(r, &l, &m, parts);
        arena_free(a);
        if (r->o->progress) r->o->progress(r->o->context, r->first_step[i] + n, r->n_steps);
    }
    return true;
}

const Method method_alti_logit = {
    .name = "alti_logit",
    .summary = "what attention adds to the token's logit, by token (output_logit_parts: and what else does)",
    .paper = "Ferrando et al. 2023, arXiv:2305.12535",
    .formula = "score[i,s] = sum over blocks l, rows j of u_l . T_l(x_j) * share of i in row j\n"
               "u_l: the word's output vector, carried back to block l; shares as in alti",
    .when = "What each token brings to the logit through attention, signed and in the logit's own unit: why "
            "this word and, with a foil (--contrast_targets, -fn contrast_logits_diff), why not that one. "
            "What the embedding and the feed-forward layers of the row itself add is no token's: "
            "output_logit_parts shows it.",
    .arguments =
        (const Argument[]){
            {"output_logit_parts", "false",
             "step scores embedding_logit, feed_forward_logit, bias_logit: the rest of the logit"},
            {0}},
    .no_gradient = true,
    .cost = "1 forward",
    .run = run,
};
