// SPDX-License-Identifier: Apache-2.0
// t_fold.c — attention's way back past the projections of queries and keys (tensor/fold.h).
#include "../tensor/tensor.h"
#include "test.h"

#include <math.h>
#include <string.h>

static float *seeds(Arena *a, int64_t n) // numbers from -1 to 1
{
    float *f = arena_new(a, float, n);
    for (int64_t i = 0; i < n; i++) f[i] = (float)(num_random(5, (uint64_t)i) >> 40) * 0x1p-23f - 1;
    return f;
}

enum { FOLD_WIDTH = 48, FOLD_HEADS = 3, FOLD_HEAD = 32, FOLD_OWN = FOLD_HEADS * FOLD_HEAD };

typedef struct Folding { // an attention between projections, and what its way back gave
    Tensor *x, *y;       // of queries; of keys and values
    Tensor *q, *k;
} Folding;

// `fold` off: q and k keep their gradients, so that it goes through them.
// The same matrix as its columns.
static const void *turn(Arena *a, const void *w, size_t size)
{
    char *out = arena_new(a, char, (size_t)(FOLD_OWN * FOLD_WIDTH) * size);
    for (size_t i = 0; i < FOLD_OWN; i++)
        for (size_t j = 0; j < FOLD_WIDTH; j++)
            memcpy(out + (j * FOLD_OWN + i) * size, (const char *)w + (i * FOLD_WIDTH + j) * size, size);
    return out;
}

static Folding run_folding(Arena *a, bool causal, bool cross, WType type, bool turned, bool fold, int64_t one)
{
    static const int64_t queries[] = {20, 9, 30}, keys[] = {24, 25, 3};
    Tape *t = tape_create(a);
    const Rows *qs = rows_make(a, 3, queries), *ks = cross ? rows_make(a, 3, keys) : qs;
    int64_t nq = qs->start[2] + qs->len[2], nk = ks->start[2] + ks->len[2];
    Folding f = {.x = tn_leaf(t, seeds(a, nq * FOLD_WIDTH), nq, FOLD_WIDTH, qs, true)};
    f.y = cross ? tn_leaf(t, seeds(a, nk * FOLD_WIDTH), nk, FOLD_WIDTH, ks, true) : f.x;
    enum { WEIGHT = FOLD_OWN * FOLD_WIDTH };
    float *w = seeds(a, 3 * WEIGHT);
    uint16_t *half = arena_new(a, uint16_t, 3 * WEIGHT); // the upper halves: BF16
    for (int64_t i = 0; i < 3 * WEIGHT; i++) memcpy(&half[i], (const char *)&w[i] + 2, 2);
    Tensor *out[3], *bias = tn_leaf(t, w, 1, FOLD_OWN, NULL, false);
    for (int i = 0; i < 3; i++) {
        const void *raw = type == W_F32 ? (const void *)(w + i * WEIGHT) : half + i * WEIGHT;
        if (turned) raw = turn(a, raw, type == W_F32 ? 4 : 2);
        Tensor *weight = tn_weight(a, raw, type, FOLD_OWN, FOLD_WIDTH, "w");
        weight->turned = turned;
        out[i] = tn_linear(t, i ? f.y : f.x, weight, i ? bias : NULL);
    }
    f.q = out[0], f.k = out[1];
    f.q->kept = f.k->kept = !fold;
    Attention how = {.heads = FOLD_HEADS, .scale = 0.25f, .causal = causal};
    Tensor *made = tn_attention(t, out[0], out[1], out[2], &how);
    // a cotangent for each row: of all rows up to it, or sometimes of the row alone
    int32_t *seq = arena_new(a, int32_t, nq);
    int64_t *row0 = arena_new(a, int64_t, nq), *n = arena_new(a, int64_t, nq), skipped = 0;
    for (int32_t s = 0; s < 3; s++)
        for (int64_t i = 0, k = qs->start[s]; i < queries[s]; i++, k++) {
            bool alone = i % 5 == 3;
            seq[k] = s, row0[k] = qs->start[s] + (alone ? i : 0), n[k] = alone ? 1 : i + 1;
            skipped += k < one ? n[k] : 0;
        }
    int64_t from = one < 0 ? 0 : one;
    tape_backward(t, made, layout_make(a, one < 0 ? nq : 1, seq + from, row0 + from, n + from),
                  seeds(a, nq * nq * FOLD_OWN) + skipped * FOLD_OWN);
    return f;
}

// Rows of queries whose cotangents see more keys than three quarters of a head's width: those that are not folded.
static int64_t long_way(const Folding *f, bool causal)
{
    const Layout *l = f->q->layout;
    int64_t rows = 0;
    for (int64_t k = 0; k < l->K; k++) {
        int64_t last = l->row0[k] + l->n[k] - f->x->seqs->start[l->seq[k]];
        rows += (causal ? last : f->y->seqs->len[l->seq[k]]) > 3 * FOLD_HEAD / 4 ? l->n[k] : 0;
    }
    return rows;
}

static void check_folding(Arena *a, bool causal, bool cross, WType type)
{
    Folding plain = run_folding(a, causal, cross, type, false, false, -1),
            first = run_folding(a, causal, cross, type, false, true, -1);
    const Tensor *got[] = {first.x, first.y}, *want[] = {plain.x, plain.y};
    CHECK_INT(first.q->layout->total, long_way(&plain, causal));
    CHECK(first.q->layout->total > 0 && first.q->layout->total < plain.q->layout->total);
    CHECK(first.k->layout->total > 0 && first.k->layout->total < plain.k->layout->total);
    for (int i = 0; i < 2; i++) {
        double size = 0;
        int64_t n = want[i]->layout->total * FOLD_WIDTH;
        CHECK_INT(got[i]->layout->total, want[i]->layout->total);
        for (int64_t e = 0; e < n; e++) size = fmax(size, fabs((double)want[i]->grad[e]));
        for (int64_t e = 0; e < n; e++) CHECK_NEAR(got[i]->grad[e], want[i]->grad[e], 2e-6 * size);
    }
    const char *isa[4];
    size_t n_isas = cpu_isas(isa);
    for (int threads = 1; threads <= 3; threads++)
        for (size_t s = 0; s < n_isas; s++) {
            pool_start(threads), cpu_select(isa[s], NULL);
            Folding again = run_folding(a, causal, cross, type, false, true, -1);
            CHECK(!memcmp(again.x->grad, first.x->grad,
                          (size_t)(first.x->layout->total * FOLD_WIDTH) * sizeof(float)));
            CHECK(!memcmp(again.y->grad, first.y->grad,
                          (size_t)(first.y->layout->total * FOLD_WIDTH) * sizeof(float)));
        }
    pool_start(0), cpu_select(NULL, NULL);
    Folding turned = run_folding(a, causal, cross, type, true, true, -1);
    for (int i = 0; i < 2; i++)
        CHECK(!memcmp((i ? turned.y : turned.x)->grad, got[i]->grad,
                      (size_t)(got[i]->layout->total * FOLD_WIDTH) * sizeof(float)));
    const Layout *l = first.x->layout;
    for (int64_t k = 0; k < l->K; k += 7) {
        Folding alone = run_folding(a, causal, cross, type, false, true, k);
        CHECK_INT(alone.x->layout->n[0], l->n[k]);
        CHECK(!memcmp(alone.x->grad, first.x->grad + l->at[k] * FOLD_WIDTH,
                      (size_t)(l->n[k] * FOLD_WIDTH) * sizeof(float)));
    }
}

// Queries and keys passed over on the way back (tensor/fold.h): the numbers of the long way, the same bits in any company.
TEST(op_attention_folded)
{
    check_folding(A, false, false, W_F32);
    check_folding(A, true, false, W_F32);
    check_folding(A, false, true, W_F32);
    check_folding(A, true, false, W_BF16);
    check_folding(A, false, true, W_BF16);
}
