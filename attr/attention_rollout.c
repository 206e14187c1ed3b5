// attention_rollout.c — how much of each token's input reaches each state, if attention is all that moves it. Abnar and
// Zuidema 2020, arXiv:2005.00928; through a decoder as its states are made of two kinds of rows.
//
//   encoder, layer by layer:   R <- M(A) R,  R = I at first      M(A) = 0.5 A + 0.5 I, A the mean over heads
//   decoder, layer by layer:   Y <- M(A) Y,  X <- M(A) X         Y [T,T] = I, X [T,S] = 0 at first: shares of prefix, source
//                              Y <- 0.5 Y,   X <- 0.5 X + 0.5 C R                     C [T,S] the cross-attention's mean
//   source [S, n]  row s-1 of X        target [T, n]  row s-1 of Y        together each column adds up to 1
// One half is the residual connection's, as in the paper. Nothing is differentiated and no function is attributed.
#include "run.h"

// The mean over heads of the weights of one attention and sequence: out [queries, keys].
static void mean_heads(Run *r, const Tensor *made, int64_t seq, int64_t heads, float *out)
{
    int64_t nq, nk;
    const float *w = tn_attention_weights(r->tape, made, seq, &nq, &nk);
    for (int64_t i = 0; i < nq * nk; i++) out[i] = 0;
    for (int64_t h = 0; h < heads; h++) num_axpy(out, 1 / (float)heads, w + h * nq * nk, nq * nk);
}

// to [rows, cols] = half of itself + half of a x [rows, n] [n, cols].
static void mix(Run *r, float *to, const float *a, const float *x, int64_t rows, int64_t n, int64_t cols)
{
    Arena *w = arena_create(r->work);
    float *old = arena_new_raw(w, float, rows *cols);
    for (int64_t i = 0; i < rows * cols; i++) old[i] = to[i], to[i] = 0.5f * to[i];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++)
            if (a[i * n + j] != 0)
                num_axpy(to + i * cols, 0.5f * a[i * n + j], (x == to ? old : x) + j * cols, cols);
    arena_free(w);
}

static float *identity(Arena *a, int64_t n)
{
    float *x = arena_new(a, float, n *n);
    for (int64_t i = 0; i < n; i++) x[i * n + i] = 1;
    return x;
}

static void roll(Run *r, Arena *w, int64_t i)
{
    int32_t t = r->target_of[i];
    int64_t T = r->targets->len[t], S = r->sources ? r->sources->len[r->source_of[t]] : 0,
            longest = S > T ? S : T;
    float *R = identity(w, S), *Y = identity(w, T), *X = arena_new(w, float, T *S),
          *A = arena_new(w, float, longest *longest);
    for (int64_t l = 0; r->sources && l < r->f->encoder_layers; l++) {
        mean_heads(r, r->pass.encoder_self[l], r->source_of[t], r->f->encoder_heads, A);
        mix(r, R, A, R, S, S, S);
    }
    for (int64_t l = 0; l < r->f->decoder_layers; l++) {
        mean_heads(r, r->pass.decoder_self[l], t, r->f->heads, A);
        mix(r, Y, A, Y, T, T, T), mix(r, X, A, X, T, T, S);
        if (!r->sources) continue;
        mean_heads(r, r->pass.cross[l], t, r->f->heads, A);
        for (int64_t k = 0; k < T * T; k++) Y[k] *= 0.5f;
        mix(r, X, A, R, T, S, S);
    }
    Sequence *q = &r->out[i];
    for (int64_t c = 0; c < r->to[i] - r->from[i]; c++) {
        int64_t row = r->from[i] - 1 + c;
        for (int64_t k = 0; q->source_attributions.v && k < S; k++)
            *run_cell(&q->source_attributions, k, c) = X[row * S + k];
        for (int64_t k = 0; q->target_attributions.v && k <= row; k++)
            *run_cell(&q->target_attributions, k, c) = Y[row * T + k];
    }
}

static bool run(Run *r, Err *e)
{
    (void)e;
    run_scores(r, 0, NULL, OUT_COARSE);
    for (int64_t i = 0; i < r->n; i++) {
        Arena *w = arena_create(r->work);
        roll(r, w, i);
        arena_free(w);
    }
    return true;
}

const Method method_attention_rollout = {
    .name = "attention_rollout",
    .summary = "attention multiplied through all layers, with residual connections",
    .paper = "Abnar and Zuidema 2020, arXiv:2005.00928",
    .no_gradient = true,
    .run = run,
};
