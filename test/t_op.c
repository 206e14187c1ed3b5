// SPDX-License-Identifier: Apache-2.0
// t_op.c — every operation forward and back, for K cotangents, against float64.
//
// Each operation has a second implementation here, in double and as plain as can be (r_NAME). A case builds a small
// graph through p_NAME, which runs both; the tape's gradients are compared with central differences of the double
// one, so that the reference is good to some 1e-9 and only float32's own rounding is left (judge.c). Cases are found by
// walking ops.def: an operation without one does not compile. Every case is then run again on all instruction sets and
// with 1, 2, 3 threads, and with its cotangents one by one: the bits must not change.
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------ operations

static P result(Ctx *c, int64_t rows, int64_t cols, const Rows *seqs)
{
    return (P){.rows = rows, .cols = cols, .seqs = seqs, .d = arena_new(c->a, double, rows *cols)};
}

static P p_linear(Ctx *c, P x, P w, P b)
{
    P y = result(c, x.rows, w.rows, x.seqs);
    for (int64_t r = 0; r < x.rows; r++)
        for (int64_t o = 0; o < w.rows; o++) {
            double s = b.d ? b.d[o] : 0;
            for (int64_t i = 0; i < x.cols; i++) s += x.d[r * x.cols + i] * w.d[o * w.cols + i];
            y.d[r * y.cols + o] = s;
        }
    if (c->t) y.f = tn_linear(c->t, x.f, w.f, b.f);
    return y;
}

static P p_add(Ctx *c, P a, P b)
{
    P y = result(c, a.rows, a.cols, a.seqs);
    for (int64_t i = 0; i < a.rows * a.cols; i++) y.d[i] = a.d[i] + b.d[i];
    if (c->t) y.f = tn_add(c->t, a.f, b.f);
    return y;
}

static P p_mul(Ctx *c, P a, P b)
{
    P y = result(c, a.rows, a.cols, a.seqs);
    for (int64_t i = 0; i < a.rows * a.cols; i++) y.d[i] = a.d[i] * b.d[i];
    if (c->t) y.f = tn_mul(c->t, a.f, b.f);
    return y;
}

static P p_scale(Ctx *c, P x, float factor)
{
    P y = result(c, x.rows, x.cols, x.seqs);
    for (int64_t i = 0; i < x.rows * x.cols; i++) y.d[i] = x.d[i] * factor;
    if (c->t) y.f = tn_scale(c->t, x.f, factor);
    return y;
}

static double act64(double x, Act kind)
{
    switch (kind) {
    case ACT_RELU:
        return x > 0 ? x : 0;
    case ACT_SILU:
        return x / (1 + exp(-x));
    case ACT_GELU:
        return 0.5 * x * erfc(-x * M_SQRT1_2);
    case ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case ACT_TANH:
        return tanh(x);
    }
    return NAN;
}

static P p_act(Ctx *c, P x, Act kind)
{
    P y = result(c, x.rows, x.cols, x.seqs);
    for (int64_t i = 0; i < x.rows * x.cols; i++) y.d[i] = act64(x.d[i], kind);
    if (c->t) y.f = tn_act(c->t, x.f, kind);
    return y;
}

static P p_layernorm(Ctx *c, P x, P g, P b, float eps)
{
    P y = result(c, x.rows, x.cols, x.seqs);
    for (int64_t r = 0; r < x.rows; r++) {
        const double *u = x.d + r * x.cols;
        double mean = 0, var = 0;
        for (int64_t i = 0; i < x.cols; i++) mean += u[i] / (double)x.cols;
        for (int64_t i = 0; i < x.cols; i++) var += (u[i] - mean) * (u[i] - mean) / (double)x.cols;
        for (int64_t i = 0; i < x.cols; i++)
            y.d[r * x.cols + i] = (u[i] - mean) / sqrt(var + eps) * g.d[i] + b.d[i];
    }
    if (c->t) y.f = tn_layernorm(c->t, x.f, g.f, b.f, eps);
    return y;
}

static P p_rmsnorm(Ctx *c, P x, P g, float eps)
{
    P y = result(c, x.rows, x.cols, x.seqs);
    for (int64_t r = 0; r < x.rows; r++) {
        for (int64_t from = 0; from < x.cols; from += g.cols) {
            const double *u = x.d + r * x.cols + from;
            double square = 0;
            for (int64_t i = 0; i < g.cols; i++) square += u[i] * u[i] / (double)g.cols;
            for (int64_t i = 0; i < g.cols; i++)
                y.d[r * x.cols + from + i] = u[i] / sqrt(square + eps) * g.d[i];
        }
    }
    if (c->t) y.f = tn_rmsnorm(c->t, x.f, g.f, eps);
    return y;
}

// T5's buckets as the library gives them for 32 buckets and distance 128: the first distance of each.
static int64_t bucket64(int64_t key_minus_query, bool bidirectional)
{
    static const int64_t both[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
    static const int64_t back[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                   16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
    int64_t distance = bidirectional ? llabs(key_minus_query) : key_minus_query < 0 ? -key_minus_query : 0;
    int64_t n = bidirectional ? 16 : 32, k = n - 1;
    while ((bidirectional ? both : back)[k] > distance) k--;
    return bidirectional && key_minus_query > 0 ? k + 16 : k;
}

static P p_attention(Ctx *c, P q, P k, P v, Attention how, P bias)
{
    int64_t shared = how.kv_heads ? how.kv_heads : how.heads, each = how.heads / shared;
    P y = result(c, q.rows, v.cols * each, q.seqs);
    int64_t d = q.cols / how.heads, dv = v.cols / shared;
    for (int64_t s = 0; s < q.seqs->n; s++) {
        int64_t ks = how.keys_of ? how.keys_of[s] : s, nq = q.seqs->len[s], nk = k.seqs->len[ks];
        double *p = arena_new(c->a, double, nk);
        for (int64_t h = 0; h < how.heads; h++)
            for (int64_t i = 0; i < nq; i++) {
                int64_t seen = how.causal ? nk - nq + i + 1 : nk, low = 0;
                if (how.window && seen > how.window) low = seen - how.window;
                double sum = 0;
                for (int64_t j = low; j < seen; j++) {
                    double z = 0;
                    for (int64_t e = 0; e < d; e++)
                        z += q.d[(q.seqs->start[s] + i) * q.cols + h * d + e] *
                             k.d[(k.seqs->start[ks] + j) * k.cols + h / each * d + e];
                    z *= how.scale;
                    if (how.slopes) z += how.slopes[h] * (double)j * (how.slopes_short ? how.scale : 1);
                    if (how.cap > 0) z = how.cap * tanh(z / how.cap);
                    if (bias.d) z += bias.d[bucket64(j - (nk - nq + i), how.bidirectional) * how.heads + h];
                    sum += p[j] = exp(z);
                }
                for (int64_t e = 0; e < dv; e++)
                    for (int64_t j = low; j < seen; j++)
                        y.d[(q.seqs->start[s] + i) * y.cols + h * dv + e] +=
                            p[j] / sum * v.d[(v.seqs->start[ks] + j) * v.cols + h / each * dv + e];
            }
    }
    how.bias = bias.f;
    if (c->t) y.f = tn_attention(c->t, q.f, k.f, v.f, &how);
    return y;
}

static P p_shift(Ctx *c, P x, const double *table, const int64_t *offset)
{
    P y = result(c, x.rows, x.cols, x.seqs);
    int64_t most = 0;
    for (int64_t s = 0; s < x.seqs->n; s++)
        for (int64_t i = 0; i < x.seqs->len[s]; i++) {
            int64_t row = x.seqs->start[s] + i, at = i + (offset ? offset[s] : 0);
            most = at > most ? at : most;
            for (int64_t j = 0; j < x.cols; j++)
                y.d[row * x.cols + j] = x.d[row * x.cols + j] + table[at * x.cols + j];
        }
    if (c->t) y.f = tn_shift(c->t, x.f, as_floats(c, table, (most + 1) * x.cols), offset);
    return y;
}

static P p_rope(Ctx *c, P x, Rope how, const int64_t *offset)
{
    P y = result(c, x.rows, x.cols, x.seqs);
    int64_t half = how.rotated / 2;
    for (int64_t s = 0; s < x.seqs->n; s++)
        for (int64_t i = 0; i < x.seqs->len[s]; i++) {
            const float *angle =
                (how.of ? how.of[s] : how.table) + (i + (offset ? offset[s] : 0)) * how.rotated;
            for (int64_t h = 0; h < x.cols; h += how.width) {
                const double *u = x.d + (x.seqs->start[s] + i) * x.cols + h;
                double *v = y.d + (x.seqs->start[s] + i) * x.cols + h;
                memcpy(v, u, (size_t)how.width * sizeof *v);
                for (int64_t k = 0; k < half; k++) {
                    int64_t a = how.neighbours ? 2 * k : k, b = how.neighbours ? a + 1 : a + half;
                    v[a] = u[a] * angle[2 * k] - u[b] * angle[2 * k + 1];
                    v[b] = u[b] * angle[2 * k] + u[a] * angle[2 * k + 1];
                }
            }
        }
    if (c->t) y.f = tn_rope(c->t, x.f, &how, offset);
    return y;
}

static P p_slice(Ctx *c, P x, Slice how)
{
    P y = result(c, x.rows, how.blocks * how.width, x.seqs);
    for (int64_t r = 0; r < x.rows; r++)
        for (int64_t j = 0; j < y.cols; j++) {
            int64_t b = j / how.width;
            y.d[r * y.cols + j] = x.d[r * x.cols + how.from + b / how.each * how.step +
                                      b % how.each * how.width + j % how.width];
        }
    if (c->t) y.f = tn_slice(c->t, x.f, how);
    return y;
}

static P p_route(Ctx *c, P z, int64_t used)
{
    P w = result(c, z.rows, z.cols, z.seqs);
    for (int64_t r = 0; r < z.rows; r++) {
        double sum = 0;
        for (int64_t e = 0; e < z.cols; e++) {
            int64_t better = 0;
            for (int64_t k = 0; k < z.cols; k++)
                better += z.d[r * z.cols + k] > z.d[r * z.cols + e] ||
                          (k < e && z.d[r * z.cols + k] == z.d[r * z.cols + e]);
            sum += w.d[r * z.cols + e] = better < used ? exp(z.d[r * z.cols + e]) : 0;
        }
        for (int64_t e = 0; e < z.cols; e++) w.d[r * z.cols + e] /= sum;
    }
    if (c->t) w.f = tn_route(c->t, z.f, used);
    return w;
}

static P p_mix(Ctx *c, P y, P x, P w, int64_t e, const int64_t *index)
{
    P out = result(c, y.rows, y.cols, y.seqs);
    memcpy(out.d, y.d, (size_t)(y.rows * y.cols) * sizeof *y.d);
    for (int64_t i = 0; i < x.rows; i++)
        for (int64_t j = 0; j < y.cols; j++)
            out.d[index[i] * y.cols + j] += w.d[index[i] * w.cols + e] * x.d[i * y.cols + j];
    if (c->t) out.f = tn_mix(c->t, y.f, x.f, w.f, e, index);
    return out;
}

static P p_cap(Ctx *c, P x, float most)
{
    P y = result(c, x.rows, x.cols, x.seqs);
    for (int64_t i = 0; i < x.rows * x.cols; i++) y.d[i] = most * tanh(x.d[i] / most);
    if (c->t) y.f = tn_cap(c->t, x.f, most);
    return y;
}

static P p_pick(Ctx *c, P x, const int64_t *index, const Rows *seqs)
{
    P y = result(c, 0, x.cols, seqs);
    for (int64_t s = 0; s < seqs->n; s++) y.rows += seqs->len[s];
    y.d = arena_new(c->a, double, y.rows *y.cols);
    for (int64_t r = 0; r < y.rows; r++)
        memcpy(y.d + r * y.cols, x.d + index[r] * x.cols, (size_t)x.cols * sizeof(double));
    if (c->t) y.f = tn_pick(c->t, x.f, index, seqs);
    return y;
}

static P p_embed(Ctx *c, P w, const int32_t *ids, const Rows *seqs, float factor)
{
    P y = result(c, 0, w.cols, seqs);
    for (int64_t s = 0; s < seqs->n; s++) y.rows += seqs->len[s];
    y.d = arena_new(c->a, double, y.rows *y.cols);
    for (int64_t r = 0; r < y.rows; r++)
        for (int64_t j = 0; j < y.cols; j++) y.d[r * y.cols + j] = w.d[ids[r] * w.cols + j] * factor;
    if (c->t) y.f = tn_embed(c->t, w.f, ids, seqs, factor);
    return y;
}

static P p_dropout(Ctx *c, P x, float rate, uint64_t seed)
{
    P y = result(c, x.rows, x.cols, x.seqs);
    for (int64_t i = 0; i < x.rows * x.cols; i++) {
        bool kept = (double)(num_random(seed, (uint64_t)i) >> 40) * 0x1p-24 >= (double)rate;
        y.d[i] = kept ? x.d[i] / (1 - (double)rate) : 0;
    }
    if (c->t) y.f = tn_dropout(c->t, x.f, rate, seed);
    return y;
}

// ------------------------------------------------------------------------------------------------ cases

typedef P (*Build)(Ctx *c, P x);
static const P none;

static P linear_bias(Ctx *c, P x)
{
    P w = weight(c, 18 - c->size, x.cols);
    return p_linear(c, x, w, vector(c, 1, w.rows, 0, true));
}
static P linear_plain(Ctx *c, P x) { return p_linear(c, x, weight(c, x.cols + 1, x.cols), none); }
static P linear_long(Ctx *c, P x)
{
    return p_linear(c, x, weight(c, c->size == 1 ? 1027 : 33, x.cols), none);
} // blocks
static P linear_f16(Ctx *c, P x) { return c->type = W_F16, linear_bias(c, x); }
static P linear_bf16(Ctx *c, P x) { return c->type = W_BF16, linear_bias(c, x); }
static P linear_turned(Ctx *c, P x) { return c->turned = true, linear_bias(c, x); }
static P linear_turned_bf16(Ctx *c, P x) { return c->turned = true, linear_bf16(c, x); }
static P linear_turned_long(Ctx *c, P x) { return c->turned = true, linear_long(c, x); }
static const Build cases_linear[] = {linear_bias,        linear_plain,       linear_long,
                                     linear_f16,         linear_bf16,        linear_turned,
                                     linear_turned_bf16, linear_turned_long, NULL};

static P add_two(Ctx *c, P x) { return p_add(c, x, leaf(c, x.cols, x.seqs, true)); }
static P add_unwanted(Ctx *c, P x) { return p_add(c, leaf(c, x.cols, x.seqs, false), x); }
static P add_twice(Ctx *c, P x) { return p_add(c, x, x); }
static const Build cases_add[] = {add_two, add_unwanted, add_twice, NULL};

static P mul_two(Ctx *c, P x) { return p_mul(c, x, leaf(c, x.cols, x.seqs, true)); }
static P mul_unwanted(Ctx *c, P x) { return p_mul(c, leaf(c, x.cols, x.seqs, false), x); }
static P mul_twice(Ctx *c, P x) { return p_mul(c, x, x); }
static const Build cases_mul[] = {mul_two, mul_unwanted, mul_twice, NULL};

static P scale_third(Ctx *c, P x) { return p_scale(c, x, 1.0f / 3); }
static const Build cases_scale[] = {scale_third, NULL};

static P act_relu(Ctx *c, P x) { return p_act(c, x, ACT_RELU); }
static P act_silu(Ctx *c, P x) { return p_act(c, x, ACT_SILU); }
static P act_gelu(Ctx *c, P x) { return p_act(c, x, ACT_GELU); }
static P act_gelu_tanh(Ctx *c, P x) { return p_act(c, x, ACT_GELU_TANH); }
static P act_tanh(Ctx *c, P x) { return p_act(c, x, ACT_TANH); }
static const Build cases_act[] = {act_relu, act_silu, act_gelu, act_gelu_tanh, act_tanh, NULL};

static P norm(Ctx *c, P x)
{
    P g = vector(c, 1, x.cols, 1, true);
    return p_layernorm(c, x, g, vector(c, 1, x.cols, 0, true),
                       0.01f); // eps: one or two columns stay well-conditioned
}
static const Build cases_layernorm[] = {norm, NULL};

static P rms(Ctx *c, P x) { return p_rmsnorm(c, x, vector(c, 1, x.cols, 1, true), 0.01f); }
static P rms_heads(Ctx *c, P x)
{
    P heads = p_linear(c, x, weight(c, 3 * c->size, x.cols), none);
    return p_rmsnorm(c, heads, vector(c, 1, c->size, 1, true), 0.01f);
}
static const Build cases_rmsnorm[] = {rms, rms_heads, NULL};

static P attend_self(Ctx *c, P x)
{
    return p_attention(c, x, x, x, (Attention){.heads = 1, .scale = 0.4f, .causal = true}, none);
}
static P attend_heads(Ctx *c, P x) // two heads, three widths
{
    P q = p_linear(c, x, weight(c, 2 * c->size, x.cols), none),
      k = p_linear(c, x, weight(c, 2 * c->size, x.cols), none);
    P v = p_linear(c, x, weight(c, 6, x.cols), none);
    return p_attention(c, q, k, v, (Attention){.heads = 2, .scale = 0.3f, .causal = true}, none);
}
static P attend_other(Ctx *c,
                      P x) // cross attention; sentences share a source, and sources have other lengths
{
    int64_t len[] = {4, 1, 17};
    static const int32_t of[] = {2, 0, 0};
    P k = leaf(c, x.cols, rows_make(c->a, 3, len), true), v = leaf(c, 3, k.seqs, true);
    return p_attention(c, x, k, v, (Attention){.heads = 1, .scale = 0.5f, .keys_of = of}, none);
}
static P attend_queries_only(Ctx *c, P x)
{
    P k = leaf(c, x.cols, x.seqs, false), v = leaf(c, x.cols, x.seqs, false);
    return p_attention(c, x, k, v, (Attention){.heads = 1, .scale = 0.5f}, none);
}
static P attend_values_only(Ctx *c, P x)
{
    P q = leaf(c, 4, x.seqs, false), k = leaf(c, 4, x.seqs, false);
    return p_attention(c, q, k, x, (Attention){.heads = 1, .scale = 0.5f, .causal = true}, none);
}
static P attend_cached(Ctx *c, P x) // the queries are the last rows of each sentence only
{
    int64_t *index = arena_new(c->a, int64_t, x.rows), *len = arena_new(c->a, int64_t, x.seqs->n), n = 0;
    for (int64_t s = 0; s < x.seqs->n; s++) {
        len[s] = (x.seqs->len[s] + 1) / 2;
        for (int64_t i = x.seqs->len[s] - len[s]; i < x.seqs->len[s]; i++) index[n++] = x.seqs->start[s] + i;
    }
    P q = p_pick(c, x, index, rows_make(c->a, x.seqs->n, len));
    return p_attention(c, q, x, x, (Attention){.heads = 1, .scale = 0.5f, .causal = true}, none);
}
static P attend_t5(Ctx *c, P x, bool bidirectional)
{
    P bias = vector(c, 32, 3, 0, true), q = p_linear(c, x, weight(c, 6, x.cols), none);
    Attention how = {.heads = 3,
                     .scale = 1,
                     .causal = !bidirectional,
                     .bidirectional = bidirectional,
                     .max_distance = 128};
    return p_attention(c, q, q, q, how, bias);
}
static P attend_t5_both(Ctx *c, P x) { return attend_t5(c, x, true); }
static P attend_t5_causal(Ctx *c, P x) { return attend_t5(c, x, false); }
// Six query heads on two of keys and values, of other widths, through matrices that a fold may go past.
static P attend_grouped_as(Ctx *c, P x, Attention how)
{
    P q = p_linear(c, x, weight(c, 6 * c->size, x.cols), none),
      k = p_linear(c, x, weight(c, 2 * c->size, x.cols), none);
    P v = p_linear(c, x, weight(c, 2 * 3, x.cols), none);
    how.heads = 6, how.kv_heads = 2, how.causal = true;
    return p_attention(c, q, k, v, how, none);
}
static P attend_grouped(Ctx *c, P x) { return attend_grouped_as(c, x, (Attention){.scale = 0.3f}); }
static P attend_window(Ctx *c, P x)
{
    return attend_grouped_as(c, x, (Attention){.scale = 0.3f, .window = 3});
}
static P attend_capped(Ctx *c, P x)
{
    return attend_grouped_as(c, x, (Attention){.scale = 0.5f, .window = 5, .cap = 1.5f});
}
static P attend_slopes(Ctx *c, P x)
{
    static const float slopes[] = {0.5f, 0.25f, 0.125f, 0.0625f, 0.5f, 0.25f};
    return attend_grouped_as(c, x, (Attention){.scale = 0.3f, .slopes = slopes});
}
static P attend_slopes_short(Ctx *c, P x)
{
    static const float slopes[] = {0.5f,    0.25f, 0.125f,
                                   0.0625f, 0.5f,  0.25f}; // times places that bfloat16 holds
    return attend_grouped_as(c, x, (Attention){.scale = 0.3f, .slopes = slopes, .slopes_short = true});
}
static const Build cases_attention[] = {attend_grouped,      attend_window,
                                        attend_capped,       attend_slopes,
                                        attend_slopes_short, attend_self,
                                        attend_heads,        attend_other,
                                        attend_queries_only, attend_values_only,
                                        attend_cached,       attend_t5_both,
                                        attend_t5_causal,    NULL};

static const float *angles(Ctx *c, int64_t rotated)
{
    float *table = arena_new(c->a, float, 60 * rotated);
    for (int64_t i = 0; i < 30 * rotated; i++) // as for a factor of 1.25
        table[2 * i] = (float)(1.25 * cos((double)i)), table[2 * i + 1] = (float)(1.25 * sin((double)i));
    return table;
}
static P rope_as(Ctx *c, P x, bool neighbours, int64_t pass, const int64_t *offset)
{
    int64_t width = 2 * c->size + pass;
    Rope how = {
        .width = width, .rotated = 2 * c->size, .neighbours = neighbours, .table = angles(c, 2 * c->size)};
    return p_rope(c, p_linear(c, x, weight(c, 3 * width, x.cols), none), how, offset);
}
static P rope_halves(Ctx *c, P x) { return rope_as(c, x, false, 0, NULL); }
static P rope_part(Ctx *c, P x) { return rope_as(c, x, false, 3, NULL); }
static P rope_neighbours(Ctx *c, P x) { return rope_as(c, x, true, 1, NULL); }
static P rope_offset(Ctx *c, P x)
{
    static const int64_t offset[] = {3, 0, 7};
    return rope_as(c, x, false, 0, offset);
}
static const Build cases_rope[] = {rope_halves, rope_part, rope_neighbours, rope_offset, NULL};

static P slice_of(Ctx *c, P x, Slice how, int64_t cols)
{
    return p_slice(c, p_linear(c, x, weight(c, cols, x.cols), none), how);
}
static P slice_third(Ctx *c, P x)
{
    int64_t w = c->size;
    return slice_of(c, x, (Slice){.from = 2 * w, .width = w, .blocks = 2, .each = 2}, 6 * w);
}
static P slice_groups(Ctx *c, P x)
{
    int64_t w = c->size;
    return slice_of(c, x, (Slice){.from = w, .width = w, .blocks = 4, .each = 2, .step = 4 * w}, 8 * w);
}
static const Build cases_slice[] = {slice_third, slice_groups, NULL};

static P cap_some(Ctx *c, P x) { return p_cap(c, x, 1.5f); }
static const Build cases_cap[] = {cap_some, NULL};

// Scores far enough apart that a small step does not change the choice.
static P route_two(Ctx *c, P x)
{
    P z = p_linear(c, x, weight(c, 4, x.cols), none), far = result(c, z.rows, 4, z.seqs);
    for (int64_t i = 0; i < z.rows * 4; i++) far.d[i] = (double)(i % 4 * 3 % 4);
    if (c->t) far.f = tn_leaf(c->t, as_floats(c, far.d, z.rows * 4), z.rows, 4, z.seqs, false);
    return p_route(c, p_add(c, p_scale(c, z, 0.1f), far), 2);
}
static const Build cases_route[] = {route_two, NULL};

static P mix_some(Ctx *c, P x) // every second row goes through, weighed by a column of w
{
    int64_t *index = arena_new(c->a, int64_t, x.rows), *len = arena_new(c->a, int64_t, x.seqs->n), n = 0;
    for (int64_t s = 0; s < x.seqs->n; s++)
        for (int64_t i = 1; i < x.seqs->len[s]; i += 2) index[n++] = x.seqs->start[s] + i, len[s]++;
    P some = p_pick(c, x, index, rows_make(c->a, x.seqs->n, len));
    return p_mix(c, x, some, p_linear(c, x, weight(c, 3, x.cols), none), 1, index);
}
static const Build cases_mix[] = {mix_some, NULL};

// As one operation and as the three that it is made of: the double side is theirs.
static Tensor *make_block(Tape *t, Tensor *x, void *context)
{
    Tensor *const *w = context;
    Attention how = {.heads = 1, .scale = 0.4f, .causal = true, .window = 4};
    Tensor *y = tn_attention(t, tn_linear(t, x, w[0], NULL), x, x, &how);
    return tn_add(t, x, tn_act(t, y, ACT_TANH));
}
static P again_block(Ctx *c, P x)
{
    P w = weight(c, x.cols, x.cols), dx = x, dw = w;
    Ctx plain = *c; // in double alone
    plain.t = NULL;
    dx.f = dw.f = NULL;
    P q = p_linear(&plain, dx, dw, none);
    P y = p_attention(&plain, q, dx, dx, (Attention){.heads = 1, .scale = 0.4f, .causal = true, .window = 4},
                      none);
    y = p_add(&plain, dx, p_act(&plain, y, ACT_TANH));
    Tensor **context = arena_new(c->a, Tensor *, 1);
    context[0] = w.f;
    if (c->t) y.f = tn_again(c->t, x.f, make_block, context);
    return y;
}
static const Build cases_again[] = {again_block, NULL};

static P shift_by(Ctx *c, P x, const int64_t *offset)
{
    double *table = arena_new(c->a, double, 40 * x.cols);
    for (int64_t i = 0; i < 40 * x.cols; i++) table[i] = (float)sin((double)i);
    return p_shift(c, x, table, offset);
}
static P shift_zero(Ctx *c, P x) { return shift_by(c, x, NULL); }
static P shift_offset(Ctx *c, P x)
{
    static const int64_t offset[] = {2, 0, 7};
    return shift_by(c, x, offset);
}
static const Build cases_shift[] = {shift_zero, shift_offset, NULL};

static P pick_some(Ctx *c, P x) // every second row
{
    int64_t *index = arena_new(c->a, int64_t, x.rows), *len = arena_new(c->a, int64_t, x.seqs->n), n = 0;
    for (int64_t s = 0; s < x.seqs->n; s++)
        for (int64_t i = 0; i < x.seqs->len[s]; i += 2) index[n++] = x.seqs->start[s] + i, len[s]++;
    return p_pick(c, x, index, rows_make(c->a, x.seqs->n, len));
}
static const Build cases_pick[] = {pick_some, NULL};

static P embed_some(Ctx *c, P x) // ids that repeat, and rows of the table that nobody asks for
{
    int32_t *ids = arena_new(c->a, int32_t, x.rows);
    for (int64_t i = 0; i < x.rows; i++) ids[i] = (int32_t)(i * i % 5);
    return p_add(c, x, p_embed(c, weight(c, 7, x.cols), ids, x.seqs, 1.5f));
}
static P embed_f16(Ctx *c, P x) { return c->type = W_F16, embed_some(c, x); }
static const Build cases_embed[] = {embed_some, embed_f16, NULL};

static P dropout_third(Ctx *c, P x) { return p_dropout(c, x, 0.375f, 7); }
static const Build cases_dropout[] = {dropout_third, NULL};

static const struct {
    const char *name;
    const Build *build;
} ops[] = {
#define OP(name, args) {#name, cases_##name},
#include "../tensor/ops.def"
#undef OP
};

// A second user of x reaches all rows of its sentence, so that x's gradient covers more rows than the case's output.
static P spread(Ctx *c, P x, P y)
{
    P q = leaf(c, x.cols, y.seqs, false), v = x;
    if (y.cols != x.cols) v = p_linear(c, x, weight(c, y.cols, x.cols), none);
    return p_add(c, y, p_attention(c, q, x, v, (Attention){.heads = 1, .scale = 0.3f}, none));
}

static P one_operation(Ctx *c, const Case *k)
{
    c->seqs = rows_make(c->a, k->n, k->len);
    P x = leaf(c, k->size, c->seqs, true);
    if (!k->wide) return k->build(c, x);
    x = p_scale(c, x, 1);
    P y = k->build(c, x);
    return y.seqs->n == x.seqs->n ? spread(c, x, y) : y;
}

static void each_case(Arena *A, const int64_t *sizes, int n_sizes, bool train, const int64_t *len, int64_t n)
{
    double worst = 0;
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
        CHECK(ops[o].build[0] != NULL);
        for (int b = 0; ops[o].build[b]; b++)
            for (int s = 0; s < n_sizes; s++)
                for (int wide = 0; wide < 2; wide++) {
                    Arena *a = arena_create(A);
                    Case k = {.name = ops[o].name,
                              .graph = one_operation,
                              .build = ops[o].build[b],
                              .number = b,
                              .wide = wide,
                              .size = sizes[s],
                              .len = len,
                              .n = n,
                              .train = train};
                    check_case(a, &k, &worst);
                    arena_free(a);
                }
    }
    CHECK_NEAR(worst, 0, 4e-6);
}

// As on the way back through a vocabulary: so few rows and so long a sum that threads share the sum (tape.c).
TEST(op_linear_long_sum)
{
    enum { ROWS = 5, LONG = 12801, COLS = 33 };
    int64_t rows = ROWS, zero = 0;
    float *x = random_floats(A, ROWS * COLS), *w = random_floats(A, LONG * COLS),
          *dy = random_floats(A, ROWS * LONG), *first = NULL;
    const char *isa[4];
    size_t n_isas = cpu_isas(isa);
    for (int threads = 1; threads <= 3; threads++)
        for (size_t s = 0; s < n_isas; s++) {
            pool_start(threads), cpu_select(isa[s], NULL);
            Tape *t = tape_create(A);
            Tensor *in = tn_leaf(t, x, ROWS, COLS, rows_make(A, 1, &rows), true);
            Tensor *y = tn_linear(t, in, tn_weight(A, w, W_F32, LONG, COLS, "w"), NULL);
            tape_backward(t, y, layout_make(A, 1, (int32_t[]){0}, &zero, &rows), dy);
            if (!first) first = in->grad;
            CHECK(!memcmp(first, in->grad, ROWS * COLS * sizeof(float)));
        }
    pool_start(0), cpu_select(NULL, NULL);
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t j = 0; j < COLS; j++) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < LONG; k++) {
                double part = (double)dy[i * LONG + k] * (double)w[k * COLS + j];
                sum += part, size += fabs(part);
            }
            CHECK_NEAR(first[i * COLS + j], sum,
                       1e-6 * size); // 512 terms and 26 blocks in float32: some 1e-7
        }
}

static const int64_t some_rows[] = {3, 1, 5}, one_row[] = {1}, with_empty[] = {2, 0, 1}, more_rows[] = {17};

TEST(ops_small) { each_case(A, (int64_t[]){1, 15}, 2, false, some_rows, 3); }
TEST(ops_16) { each_case(A, (int64_t[]){16}, 1, false, with_empty, 3); }
TEST(ops_17) { each_case(A, (int64_t[]){17}, 1, false, one_row, 1); }
TEST(ops_17_rows) { each_case(A, (int64_t[]){2}, 1, false, more_rows, 1); }
TEST(ops_weights) { each_case(A, (int64_t[]){5}, 1, true, some_rows, 3); }

// ------------------------------------------------------------------------------------------------ a whole model

static P self_attention(Ctx *c, P x, bool causal)
{
    P part[3];
    for (int i = 0; i < 3; i++) part[i] = p_linear(c, x, weight(c, 8, 8), vector(c, 1, 8, 0, true));
    return p_linear(c,
                    p_attention(c, part[0], part[1], part[2],
                                (Attention){.heads = 2, .scale = 0.5f, .causal = causal}, none),
                    weight(c, 8, 8), none);
}

static P cross_attention(Ctx *c, P x, P source)
{
    P q = p_linear(c, x, weight(c, 8, 8), none), k = p_linear(c, source, weight(c, 8, 8), none);
    P v = p_linear(c, source, weight(c, 8, 8), none);
    return p_attention(c, q, k, v, (Attention){.heads = 2, .scale = 0.5f}, none);
}

static P feed_forward(Ctx *c, P x, Act kind)
{
    P gate = p_act(c, p_linear(c, x, weight(c, 11, 8), vector(c, 1, 11, 0, true)), kind);
    P up = p_linear(c, x, weight(c, 11, 8), none);
    return p_linear(c, p_mul(c, gate, up), weight(c, 8, 11), vector(c, 1, 8, 0, true));
}

// Two layers each way, Marian's norm after in the encoder, T5's norm before in the decoder, positions, picked logits.
static P encoder_decoder(Ctx *c, const Case *k)
{
    (void)k;
    P x = leaf(c, 8, rows_make(c->a, 2, (int64_t[]){4, 3}), true);
    P y = leaf(c, 8, rows_make(c->a, 2, (int64_t[]){3, 5}), true);
    x = shift_zero(c, p_scale(c, x, 2.5f));
    for (int i = 0; i < 2; i++) {
        x = norm(c, p_add(c, x, self_attention(c, x, false)));
        x = norm(c, p_add(c, x, feed_forward(c, x, ACT_SILU)));
    }
    for (int i = 0; i < 2; i++) {
        y = p_add(c, y, self_attention(c, rms(c, y), true));
        y = p_add(c, y, cross_attention(c, rms(c, y), x));
        y = p_add(c, y, feed_forward(c, rms(c, y), ACT_GELU_TANH));
    }
    y = pick_some(c, rms(c, y));
    return p_linear(c, y, weight(c, 13, 8), vector(c, 1, 13, 0, true));
}

TEST(whole_model)
{
    double worst = 0;
    Case k = {.name = "encoder_decoder", .graph = encoder_decoder, .whole = true};
    check_case(A, &k, &worst);
    k.train = true;
    check_case(A, &k, &worst);
    CHECK_NEAR(worst, 0, 1e-5);
}

// ------------------------------------------------------------------------------------------------ the tape itself

TEST(memory_is_foretold)
{
    static const Case cases[] = {{.name = "encoder_decoder", .graph = encoder_decoder, .whole = true}};
    cpu_select(NULL, NULL);
    Ctx *c = arena_new(A, Ctx, 1);
    *c = (Ctx){.a = A, .bump = -1, .t = tape_create(A)};
    P y = graph_of(c, &cases[0]);
    Layout *l = cotangents(A, y.seqs);
    size_t told = tape_backward_bytes(c->t, y.f, l);
    for (int i = 0; i < 2; i++) { // and again: asking changes nothing
        tape_backward(c->t, y.f, l, random_floats(A, l->total * y.cols));
        size_t used = tape_peak(c->t) - arena_used(tape_arena(c->t));
        if (told < used || told > used + used / 4) FAIL("%zu bytes foretold, %zu used", told, used);
        CHECK_INT(tape_backward_bytes(c->t, y.f, l), told);
    }
}

// Decoding with a cache: the last row alone, given the keys of all, has the bits it has in the whole pass.
TEST(cached_rows_have_the_same_bits)
{
    enum { N = 19, D = 32 };
    int64_t all[] = {N}, last[] = {1}, index[1];
    float *x = random_floats(A, N * D);
    const char *isa[4];
    for (size_t s = 0, n = cpu_isas(isa); s < n; s++) {
        cpu_select(isa[s], NULL);
        Tape *t = tape_create(A);
        Attention how = {.heads = 2, .scale = 0.25f, .causal = true};
        Tensor *whole = tn_leaf(t, x, N, D, rows_make(A, 1, all), false),
               *y = tn_attention(t, whole, whole, whole, &how);
        for (int64_t i = 0; i < N; i++) {
            all[0] = i + 1, index[0] = i;
            Tensor *keys = tn_leaf(t, x, i + 1, D, rows_make(A, 1, all), false);
            Tensor *q = tn_pick(t, keys, index, rows_make(A, 1, last)),
                   *z = tn_attention(t, q, keys, keys, &how);
            CHECK(!memcmp(z->f, y->f + i * D, D * sizeof(float)));
        }
        all[0] = N;
    }
    cpu_select(NULL, NULL);
}

// A row's bits do not depend on the sentences around it.
TEST(batch_changes_nothing)
{
    enum { D = 40, O = 600 };
    int64_t len[] = {3, 7, 30};
    float *x = random_floats(A, 40 * D), *w = random_floats(A, O * D);
    cpu_select(NULL, NULL);
    Tape *t = tape_create(A);
    Tensor *weights = tn_weight(A, w, W_F32, O, D, "w");
    Tensor *y = tn_linear(t, tn_leaf(t, x, 40, D, rows_make(A, 3, len), false), weights, NULL);
    for (int64_t s = 0, row = 0; s < 3; row += len[s++]) {
        Tensor *alone =
            tn_linear(t, tn_leaf(t, x + row * D, len[s], D, rows_make(A, 1, len + s), false), weights, NULL);
        CHECK(!memcmp(alone->f, y->f + row * O, (size_t)(len[s] * O) * sizeof(float)));
    }
}

// T5's buckets over long distances, from the softmax of a bias that names its bucket.
TEST(far_positions)
{
    enum { N = 300 };
    int64_t len[] = {N};
    float *zero = arena_new(A, float, N), bias[32];
    for (int i = 0; i < 32; i++) bias[i] = 0.1f * (float)i;
    cpu_select(NULL, NULL);
    for (int both = 0; both < 2; both++) {
        Tape *t = tape_create(A);
        Tensor *b = tn_weight(A, NULL, W_F32, 32, 1, "bias"),
               *x = tn_leaf(t, zero, N, 1, rows_make(A, 1, len), false);
        b->f = bias;
        Attention how = {.heads = 1, .scale = 1, .bias = b, .bidirectional = both, .max_distance = 128};
        int64_t nq, nk;
        const float *p = tn_attention_weights(t, tn_attention(t, x, x, x, &how), 0, &nq, &nk);
        CHECK_INT(nq, N), CHECK_INT(nk, N);
        for (int64_t i = 0; i < N; i++)
            for (int64_t j = 0; j < N; j++) {
                double bucket = (log(p[i * N + j]) - log(p[i * N + i])) * 10; // bucket 0 at distance 0
                if (llround(bucket) != bucket64(j - i, both))
                    return FAIL("bucket of %" PRId64 " is %g", j - i, bucket);
                test_count(1);
            }
    }
}

TEST(activation_names)
{
    Act act;
    CHECK(act_by_name(STR_LIT("swish"), &act) && act == ACT_SILU);
    CHECK(act_by_name(STR_LIT("gelu"), &act) && act == ACT_GELU);
    CHECK(act_by_name(STR_LIT("gelu_new"), &act) && act == ACT_GELU_TANH);
    CHECK(act_by_name(STR_LIT("relu"), &act) && act == ACT_RELU);
    CHECK(!act_by_name(STR_LIT("relu6"), &act));
}

// A tape that is reset and used again gives the same numbers and takes no more memory.
TEST(reset_and_again)
{
    cpu_select(NULL, NULL);
    Ctx *c = arena_new(A, Ctx, 1);
    Case k = {.graph = encoder_decoder, .whole = true};
    Bits first = {0}, again = {0};
    Tape *t = tape_create(A);
    size_t peak = 0;
    for (int i = 0; i < 3; i++) {
        *c = (Ctx){.a = A, .bump = -1, .t = t};
        P y = graph_of(c, &k);
        Layout *l = cotangents(A, y.seqs);
        tape_backward(t, y.f, l, random_floats(A, l->total * y.cols));
        Bits *b = i ? &again : &first;
        b->n = 0;
        keep(A, b, y.f->f, y.rows * y.cols);
        keep(A, b, c->in[0].f->grad, c->in[0].f->layout->total * 8);
        if (i) {
            CHECK(first.n == again.n && !memcmp(first.f, again.f, (size_t)first.n * sizeof(float)));
            CHECK_INT(tape_peak(t), peak);
        }
        peak = tape_peak(t);
        tape_reset(t);
    }
}

// Large tensors are only counted while it is found out who reaches what; what runs after that has memory again.
static Tensor *make_tanh(Tape *t, Tensor *x, void *context)
{
    (void)context;
    return tn_act(t, tn_scale(t, x, 0.5f), ACT_TANH);
}
TEST(op_again_large)
{
    const int64_t rows = 1100, cols = 1024;
    Arena *a = arena_create(A);
    float *x = arena_new(a, float, rows *cols);
    for (int64_t i = 0; i < rows * cols; i++) x[i] = (float)(i % 1009) / 500 - 1;
    const float *grad[2];
    for (int again = 0; again < 2; again++) {
        Tape *t = tape_create(a);
        Tensor *in = tn_leaf(t, x, rows, cols, rows_make(a, 1, &rows), true);
        Tensor *y = again ? tn_again(t, in, make_tanh, NULL) : make_tanh(t, in, NULL);
        float *seed = tape_seed(t, y, layout_make(a, 1, (int32_t[]){0}, (int64_t[]){0}, &rows));
        for (int64_t i = 0; i < rows * cols; i++) seed[i] = x[i];
        tape_go_back(t, y);
        grad[again] = in->grad;
    }
    CHECK(grad[0] && grad[1]);
    for (int64_t i = 0; i < rows * cols; i++)
        if (grad[0][i] != grad[1][i]) {
            FAIL("gradient %" PRId64 " is %.9g, run again %.9g", i, (double)grad[0][i], (double)grad[1][i]);
            break;
        }
    arena_free(a);
}
