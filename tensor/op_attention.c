// SPDX-License-Identifier: Apache-2.0
// op_attention.c — scaled dot-product attention of many heads. Vaswani et al. 2017, arXiv:1706.03762; the relative
// position buckets of T5: Raffel et al. 2020, arXiv:1910.10683.
//
//   z = scale * q k^T + bias     p = softmax(z)     y = p v            for each sequence and head
//   with a cap, z becomes cap tanh(z / cap)
//   back:   dv += p^T dy     dp = dy v^T     dz = p * (dp - sum(dp*p))     dq += scale * dz k     dk += scale * dz^T q
//           dbias[bucket of key - query] += dz
//           with a cap, dz * (1 - tanh^2) before that; lrp: dz * cap tanh(z / cap) / z
//   lrp:    the factors of a product take half each: of p v, so that v and p go back with dy/2; and of q k^T
// Keeps p [H, n_queries, n_keys] of every sequence. Masked entries hold an exact 0, and 0 adds nothing to a chain of
// fused multiply-adds, so decoding one row at a time gives the bits of the whole pass.
//
// Heads of queries may share a head of keys and values (Attention.kv_heads); on the way back one thread does all that share,
// in order. A window leaves out keys before it as causality does those behind.
//
// dq and dk go past the projections that made q and k where that is less work (fold.h).
//
// Keys may be longer than their sequences' values in use (a decoding cache): `seqs` of k says how many rows count.
#include "fold.h"

#include <string.h>

enum { FOLDED = 4 }; // input 4 + i: what q (0) or k (1) was made of, while a fold goes back to it

typedef struct Kept { // what forward leaves
    int64_t *at;      // [sequences] where p of each begins
    float *p, *z;     // z: as p, the scores before they are capped; NULL without a cap
    int32_t *bucket;  // of relative position key - query, from -limit to limit
    int64_t limit;
    Fold fold[2]; // of q and of k
} Kept;

static Kept *kept(const Node *n) { return (Kept *)(void *)n->kept; }

static int32_t keys_of(const Node *n, int64_t seq)
{
    return n->how.keys_of ? n->how.keys_of[seq] : (int32_t)seq;
}

// T5's bucket of a relative position: exact for small distances, logarithmic beyond, in float32 as PyTorch does it.
static int32_t bucket(int64_t relative, bool bidirectional, int64_t buckets, int64_t max_distance)
{
    int64_t base = 0, distance;
    if (bidirectional) {
        buckets /= 2;
        if (relative > 0) base = buckets;
        distance = relative < 0 ? -relative : relative;
    } else distance = relative < 0 ? -relative : 0;
    int64_t exact = buckets / 2;
    if (distance < exact) return (int32_t)(base + distance);
    if (exact < 1 || max_distance <= exact)
        return (int32_t)(base + (buckets > 1 ? buckets - 1 : 0)); // no sense in it
    float ratio = (float)num_log((double)((float)distance / (float)exact)) /
                  (float)num_log((double)max_distance / (double)exact);
    int64_t far = exact + (int64_t)(ratio * (float)(buckets - exact));
    return (int32_t)(base + (far < buckets - 1 ? far : buckets - 1));
}

static void shape(Node *n, Tape *t)
{
    const Tensor *q = n->in[0], *k = n->in[1], *v = n->in[2];
    if (!n->how.kv_heads) n->how.kv_heads = n->how.heads;
    int64_t heads = n->how.heads, shared = n->how.kv_heads;
    if (heads % shared || q->cols % heads || q->cols / heads * shared != k->cols || v->cols % shared)
        BUG("attention: shapes do not match");
    n->out = tn_new(t, q->rows, v->cols / shared * heads, q->seqs);
    Kept *s = arena_new(tape_arena(t), Kept, 1);
    s->at = arena_new(tape_arena(t), int64_t, q->seqs->n);
    int64_t total = 0;
    for (int64_t i = 0; i < q->seqs->n; i++) {
        int64_t keys = k->seqs->len[keys_of(n, i)];
        if (n->how.causal && keys < q->seqs->len[i]) BUG("attention: more queries than keys");
        s->at[i] = total;
        total += n->how.heads * q->seqs->len[i] * keys;
        s->limit = keys > s->limit ? keys : s->limit;
    }
    s->p = arena_new_raw(tape_arena(t), float, total);
    if (n->how.cap > 0) s->z = arena_new_raw(tape_arena(t), float, total);
    s->fold[0] = fold_of(t, q, k, heads, q->cols / heads),
    s->fold[1] = fold_of(t, k, q, heads, q->cols / heads);
    n->kept = (float *)(void *)s;
    if (n->how.keys_of) { // the caller's may be gone on the way back
        int32_t *copy = arena_new_raw(tape_arena(t), int32_t, q->seqs->n);
        memcpy(copy, n->how.keys_of, (size_t)q->seqs->n * sizeof(int32_t));
        n->how.keys_of = copy;
    }
    if (!n->how.bias) return;
    if (!n->how.bias->f) BUG("attention: the bias table must be float32");
    s->bucket = arena_new(tape_arena(t), int32_t, 2 * s->limit + 1);
    for (int64_t i = -s->limit; i <= s->limit; i++)
        s->bucket[s->limit + i] = bucket(i, n->how.bidirectional, n->how.bias->rows, n->how.max_distance);
}

typedef struct Job {
    const Node *n;
    float *scratch, *sums; // sums: [items, buckets] of bias_back, or NULL
    int64_t each, items,
        step; // floats of scratch for each part; heads x sequences (or cotangents); items a part
} Job;

// How many keys query row i (of nq) sees.
static int64_t visible(const Node *n, int64_t i, int64_t nq, int64_t nk)
{
    return n->how.causal ? nk - nq + i + 1 : nk;
}

// The first of them.
static int64_t first_visible(const Node *n, int64_t i, int64_t nq, int64_t nk)
{
    int64_t seen = visible(n, i, nq, nk);
    return n->how.window && seen > n->how.window ? seen - n->how.window : 0;
}

static float bfloat16(float x) // to the nearest, ties to even
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    u = (u + 0x7FFF + (u >> 16 & 1)) & 0xFFFF0000u;
    memcpy(&x, &u, sizeof x);
    return x;
}

static void add_slope(const Attention *how, int64_t h, float *z, int64_t from, int64_t to)
{
    for (int64_t j = from; j < to; j++)
        z[j] +=
            how->slopes_short ? how->scale * bfloat16(how->slopes[h] * (float)j) : how->slopes[h] * (float)j;
}

static void cap_scores(float *p, float *z, float cap, int64_t n)
{
    memcpy(z, p, (size_t)n * sizeof(float));
    for (int64_t j = 0; j < n; j++) p[j] /= cap;
    K->tanh(p, p, n);
    K->scale(p, cap, p, n);
}

static void one_head(const Node *n, int64_t seq, int64_t h)
{
    const Tensor *q = n->in[0], *k = n->in[1], *v = n->in[2];
    int32_t ks = keys_of(n, seq);
    int64_t nq = q->seqs->len[seq], nk = k->seqs->len[ks], d = q->cols / n->how.heads,
            dv = v->cols / n->how.kv_heads, shared = h / (n->how.heads / n->how.kv_heads);
    const float *qh = q->f + q->seqs->start[seq] * q->cols + h * d,
                *kh = k->f + k->seqs->start[ks] * k->cols + shared * d;
    int64_t at = kept(n)->at[seq] + h * nq * nk;
    float *p = kept(n)->p + at, *z = kept(n)->z ? kept(n)->z + at : NULL;
    K->gemm_nt(p, nk, qh, q->cols, nq, kh, W_F32, k->cols, 0, nk, nk, d, false);
    for (int64_t i = 0; i < nq; i++, p += nk) {
        int64_t seen = visible(n, i, nq, nk), low = first_visible(n, i, nq, nk);
        K->scale(p + low, n->how.scale, p + low, seen - low);
        if (n->how.slopes) add_slope(&n->how, h, p, low, seen);
        if (z) {
            memset(z, 0, (size_t)nk * sizeof(float));
            cap_scores(p + low, z + low, n->how.cap, seen - low), z += nk;
        }
        if (n->how.bias)
            for (int64_t j = 0; j < seen; j++)
                p[j] +=
                    n->how.bias->f[kept(n)->bucket[kept(n)->limit + j - (nk - nq + i)] * n->how.heads + h];
        K->softmax(p + low, p + low, seen - low, NULL, NULL);
        for (int64_t j = 0; n->how.dropout > 0 && j < seen; j++) {
            uint64_t draw = num_random(n->how.seed, (uint64_t)(p + j - kept(n)->p));
            p[j] = (float)(draw >> 40) * 0x1p-24f < n->how.dropout ? 0 : p[j] / (1 - n->how.dropout);
        }
        memset(p, 0, (size_t)low * sizeof(float));
        memset(p + seen, 0, (size_t)(nk - seen) * sizeof(float));
    }
    p -= nq * nk;
    K->gemm_nn(n->out->f + q->seqs->start[seq] * n->out->cols + h * dv, n->out->cols, p, nk, 1, nq,
               v->f + v->seqs->start[ks] * v->cols + shared * dv, W_F32, v->cols, 0, dv, dv, nk, false);
}

static void forward_part(int64_t part, void *context)
{
    Job *j = context;
    for (int64_t i = part * j->step; i < j->items && i < (part + 1) * j->step; i++)
        one_head(j->n, i / j->n->how.heads, i % j->n->how.heads);
}

// Items are dealt in parts, so that scratch is needed for each part and not for each item.
static int64_t deal(Job *j) // how many parts
{
    int64_t parts = 8 * pool_threads();
    j->step = (j->items + parts - 1) / parts;
    if (j->step < 1) j->step = 1;
    return (j->items + j->step - 1) / j->step;
}

static void run(Job j, Tape *t, void (*part)(int64_t, void *))
{
    int64_t parts = deal(&j);
    j.scratch = tape_scratch(t, parts * j.each);
    pool_run(parts, part, &j);
}

static void forward(Node *n, Tape *t)
{
    run((Job){.n = n, .items = n->in[0]->seqs->n * n->how.heads}, t, forward_part);
}

static void reach(Node *n, Tape *t)
{
    const Layout *l = n->out->layout;
    const Rows *qs = n->in[0]->seqs, *ks = n->in[1]->seqs;
    Fold *fold = kept(n)->fold;
    for (int i = 0; i < 2; i++) fold_begin(&fold[i], t, l->K), n->in[FOLDED + i] = NULL;
    for (int64_t k = 0; k < l->K; k++) {
        int32_t seq = l->seq[k], of = keys_of(n, seq);
        int64_t q0 = l->row0[k], queries = q0 + l->n[k] - qs->start[seq];
        int64_t low = first_visible(n, q0 - qs->start[seq], qs->len[seq], ks->len[of]);
        int64_t keys = l->n[k] ? visible(n, queries - 1, qs->len[seq], ks->len[of]) - low : 0;
        int64_t k0 = ks->start[of] + low;
        if (fold_take(&fold[0], k, q0, l->n[k], k0, keys)) n->in[FOLDED] = fold[0].x;
        if (fold_take(&fold[1], k, k0, keys, qs->start[seq], queries)) n->in[FOLDED + 1] = fold[1].x;
        for (int i = 0; i < 3; i++) {
            Tensor *to = i < 2 && folded(&fold[i], k) ? fold[i].x : n->in[i];
            if (!to->wanted) continue;
            if (i) tape_reach_keys(t, to, l, n->how.keys_of);
            tape_reach(t, to, k, i ? k0 : q0, i ? keys : l->n[k], l);
        }
    }
    for (int i = 0; i < 2; i++) fold_end(&fold[i]);
}

// Where the gradient of row `row` for cotangent k begins in x, or NULL if none is wanted.
static float *grad_row(const Tensor *x, int64_t k, int64_t row)
{
    return x->wanted ? x->grad + (x->layout->at[k] + row - x->layout->row0[k]) * x->cols : NULL;
}

// A training's: each head of a cotangent sums dz by buckets into its own [buckets], so that threads do not meet. One row, the
// i-th of its sequence, `past` keys before the first.
static void bias_back(const Node *n, float *sums, const float *dz, int64_t i, int64_t seen, int64_t past)
{
    const int32_t *bucket = kept(n)->bucket + kept(n)->limit - (past + i);
    for (int64_t j = 0, end = n->how.causal && past + i + 1 < seen ? past + i + 1 : seen; j < end; j++)
        sums[bucket[j]] += dz[j];
}

// dz of one row goes past the cap.
static void uncap(const Node *n, float *dz, const float *z, int64_t count, float *tanh)
{
    float cap = n->how.cap;
    for (int64_t j = 0; j < count; j++) tanh[j] = z[j] / cap;
    K->tanh(tanh, tanh, count);
    for (int64_t j = 0; j < count; j++)
        dz[j] *= n->number == 0 ? 1 - tanh[j] * tanh[j] : z[j] != 0 ? cap * tanh[j] / z[j] : 1;
}

static void one_head_back(const Node *n, int64_t k, int64_t h, float *scratch, float *sums)
{
    const Tensor *q = n->in[0], *key = n->in[1], *v = n->in[2], *y = n->out;
    const Layout *l = y->layout;
    if (!l->n[k]) return;
    int32_t seq = l->seq[k], ks = keys_of(n, seq);
    int64_t nq = q->seqs->len[seq], nk = key->seqs->len[ks], rows = l->n[k],
            first = l->row0[k] - q->seqs->start[seq];
    int64_t low = first_visible(n, first, nq, nk); // `seen` keys from there on
    int64_t seen = visible(n, first + rows - 1, nq, nk) - low, d = q->cols / n->how.heads,
            dv = v->cols / n->how.kv_heads, shared = h / (n->how.heads / n->how.kv_heads);
    int64_t key0 = key->seqs->start[ks] + low, at = kept(n)->at[seq] + (h * nq + first) * nk + low;
    const float *p = kept(n)->p + at, *z = kept(n)->z ? kept(n)->z + at : NULL;
    const float *dy = y->grad + l->at[k] * y->cols + h * dv;
    const float *qh = q->f + l->row0[k] * q->cols + h * d, *kh = key->f + key0 * key->cols + shared * d;
    const float *vh = v->f + (v->seqs->start[ks] + low) * v->cols + shared * dv;
    float *dp = scratch, *dz = dp + rows * seen;
    const Fold *fq = &kept(n)->fold[0], *fk = &kept(n)->fold[1];
    float *dq = folded(fq, k) ? NULL : grad_row(q, k, l->row0[k]);
    float *dk = folded(fk, k) ? NULL : grad_row(key, k, key0);
    float *dvh = grad_row(v, k, v->seqs->start[ks] + low);

    if (dvh)
        K->gemm_nn(dvh + shared * dv, v->cols, p, 1, nk, seen, dy, W_F32, y->cols, 0, dv, dv, rows, true);
    if (!dq && !dk && !folded(fq, k) && !folded(fk, k) && !sums) return;
    K->gemm_nt(dp, seen, dy, y->cols, rows, vh, W_F32, v->cols, 0, seen, seen, dv, false);
    if (sums) memset(sums, 0, (size_t)n->how.bias->rows * sizeof(float));
    for (int64_t i = 0; i < rows; i++) { // row by row, while it is in the cache
        float *row = dz + i * seen;
        memset(row, 0, (size_t)seen * sizeof(float));
        K->softmax_dx(row, dp + i * seen, p + i * nk, seen);
        if (z) uncap(n, row, z + i * nk, seen, dp + i * seen);
        if (sums) bias_back(n, sums, row, first + i, seen, nk - nq);
        K->scale(row, n->how.scale, row, seen);
    }
    if (folded(fq, k)) fold_in(fq, k, h, dz, seen, 1, 0, seen);
    if (folded(fk, k)) fold_in(fk, k, h, dz, 1, seen, first, rows);
    if (dq) K->gemm_nn(dq + h * d, q->cols, dz, seen, 1, rows, kh, W_F32, key->cols, 0, d, d, seen, true);
    if (dk)
        K->gemm_nn(dk + shared * d, key->cols, dz, 1, seen, seen, qh, W_F32, q->cols, 0, d, d, rows, true);
}

static void backward_part(int64_t part, void *context)
{
    Job *j = context;
    int64_t heads = j->n->how.heads, shared = j->n->how.kv_heads, each = heads / shared;
    for (int64_t i = part * j->step; i < j->items && i < (part + 1) * j->step; i++)
        for (int64_t k = i / shared, h = i % shared * each; h < (i % shared + 1) * each; h++)
            one_head_back(j->n, k, h, j->scratch + part * j->each,
                          j->sums ? j->sums + (k * heads + h) * j->n->how.bias->rows : NULL);
}

static Job back_job(const Node *n)
{
    const Layout *l = n->out->layout;
    int64_t rows = 0;
    for (int64_t k = 0; k < l->K; k++) rows = l->n[k] > rows ? l->n[k] : rows;
    return (Job){.n = n, .each = 2 * rows * kept(n)->limit, .items = l->K * n->how.kv_heads};
}

static bool trained_bias(const Node *n) { return n->how.bias && n->how.bias->wanted; }

static int64_t scratch(const Node *n)
{
    Job j = back_job(n);
    return deal(&j) * j.each + (trained_bias(n) ? n->out->layout->K * n->how.heads * n->how.bias->rows : 0) +
           fold_scratch(&kept(n)->fold[0]) + fold_scratch(&kept(n)->fold[1]);
}

static void backward(Node *n, Tape *t)
{
    Job j = back_job(n);
    int64_t heads = n->how.heads, buckets = trained_bias(n) ? n->how.bias->rows : 0;
    int64_t all = n->out->layout->K * heads;
    if (buckets) j.sums = tape_scratch(t, all * buckets);
    for (int i = 0; i < 2; i++) fold_start(&kept(n)->fold[i], t);
    run(j, t, backward_part);
    for (int i = 0; i < 2; i++) fold_back(&kept(n)->fold[i], t);
    for (int64_t i = 0; i < (buckets ? all : 0); i++)
        for (int64_t b = 0; n->out->layout->n[i / heads] && b < buckets; b++)
            n->how.bias->grad[b * heads + i % heads] += j.sums[i * buckets + b];
}

static void lrp(Node *n, Tape *t)
{
    float scale = n->how.scale, *dy = n->out->grad;
    K->scale(dy, 0.5f, dy, n->out->layout->total * n->out->cols);
    n->how.scale = scale / 2; // of dq and dk
    n->number = 1;            // the cap's rule
    backward(n, t);
    n->how.scale = scale, n->number = 0;
}

const Op op_attention = {.name = "attention",
                         .shape = shape,
                         .forward = forward,
                         .reach = reach,
                         .backward = backward,
                         .lrp = lrp,
                         .scratch = scratch};

Tensor *tn_attention(Tape *t, Tensor *q, Tensor *k, Tensor *v, const Attention *how)
{
    return tape_run(t, (Node){.op = &op_attention, .in = {q, k, v, how->bias}, .how = *how});
}

const float *tn_attention_weights(const Tape *t, const Tensor *out, int64_t seq, int64_t *n_queries,
                                  int64_t *n_keys)
{
    const Node *n = tape_maker(t, out);
    if (!n || n->op != &op_attention) BUG("attention weights of something else");
    *n_queries = out->seqs->len[seq], *n_keys = n->in[1]->seqs->len[keys_of(n, seq)];
    return kept(n)->p + kept(n)->at[seq];
}

const Tensor *tn_attention_values(const Tape *t, const Tensor *out)
{
    const Node *n = tape_maker(t, out);
    if (!n || n->op != &op_attention) BUG("attention values of something else");
    return n->in[2];
}
