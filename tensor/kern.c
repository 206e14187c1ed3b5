// SPDX-License-Identifier: Apache-2.0
// kern.c — the inner loops, written once in V16 and compiled once per instruction set (-DISA=name).
//
// The bits agree everywhere because the order of every sum is part of the definition, not of the machine:
//   products   each output is one chain of fused multiply-adds in k order per block of 512; blocks add up in order
//   row sums   sixteen lanes, element i in lane i % 16, folded 8-4-2-1
// Everything is static; the one symbol that leaves is the table at the end.
#include "kern.h"
#include "vec.h"

#define CAT_(a, b) a##b
#define CAT(a, b)  CAT_(a, b)
#define STR_(a)    #a
#define STR(a)     STR_(a)

enum { F32, F16, BF16 }; // KEEP: wtype (WType in tensor.h)

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Runs a block over n elements: i is the first index, m how many (16, and less at the end).
#define EACH16(n, ...)                                                                                       \
    do {                                                                                                     \
        int64_t i = 0;                                                                                       \
        for (; i + 16 <= (n); i += 16) {                                                                     \
            enum { m = 16 };                                                                                 \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
        if (i < (n)) {                                                                                       \
            const int64_t m = (n)-i;                                                                         \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    } while (0)
#define GET(p)    (m == 16 ? v_load((p) + i) : v_load_n((p) + i, m))
#define PUT(p, x) (m == 16 ? v_store((p) + i, (x)) : v_store_n((p) + i, (x), m))

// --------------------------------------------------------------------------------------- elementary functions

// e^x: x = n ln 2 + r, |r| <= ln 2 / 2; e^r by its Taylor series to r^7 (remainder 7e-9); 2^n in two factors so
// that subnormal results and the largest ones come out right. 0 below -104, infinity above 89, NaN stays.
INLINE V16 v_exp(V16 x)
{
    const V16 magic = v_set(12582912.0f); // 1.5 * 2^23: adding it rounds to an integer
    x = v_max(v_set(-110.0f), x);         // in this order a NaN passes
    V16 over = x;
    x = v_if_gt(x, v_set(90.0f), v_set(90.0f), x);
    V16 n = v_sub(v_fma(x, v_set(1.44269504f), magic), magic);
    V16 r = v_fma(n, v_set(-0.693359375f), x); // ln 2 in two parts; the first times n is exact
    r = v_fma(n, v_set(2.12194440e-4f), r);
    V16 p = v_set(1.0f / 5040);
    p = v_fma(p, r, v_set(1.0f / 720));
    p = v_fma(p, r, v_set(1.0f / 120));
    p = v_fma(p, r, v_set(1.0f / 24));
    p = v_fma(p, r, v_set(1.0f / 6));
    p = v_fma(p, r, v_set(0.5f));
    p = v_add(v_fma(v_mul(r, r), p, r), v_set(1.0f));
    V16 half = v_sub(v_fma(n, v_set(0.5f), magic), magic);
    p = v_mul(v_mul(p, v_pow2(half)), v_pow2(v_sub(n, half)));
    return v_if_gt(over, v_set(89.0f), v_set(__builtin_inff()), p);
}

// tanh: an odd polynomial below 0.625 (tools/minimax.py), 1 - 2 / (e^2x + 1) above.
INLINE V16 v_tanh(V16 x)
{
    V16 t = v_mul(x, x), a = v_abs(x);
    V16 p = v_set(-8.413194386e-04f);
    p = v_fma(p, t, v_set(3.283166530e-03f));
    p = v_fma(p, t, v_set(-8.781515196e-03f));
    p = v_fma(p, t, v_set(2.185811358e-02f));
    p = v_fma(p, t, v_set(-5.396748997e-02f));
    p = v_fma(p, t, v_set(1.333333139e-01f));
    p = v_fma(p, t, v_set(-3.333333333e-01f));
    V16 small = v_fma(v_mul(x, t), p, x);
    V16 large = v_sub(v_set(1.0f), v_div(v_set(2.0f), v_add(v_exp(v_add(a, a)), v_set(1.0f))));
    large = v_if_gt(v_set(0.0f), x, v_sub(v_set(0.0f), large), large);
    return v_if_gt(a, v_set(0.625f), large, small);
}

// erf: x + x p(x^2) below 1, 1 - e^(-x^2) q(1/x) above, 1 from 4 on.
INLINE V16 v_erf(V16 x)
{
    static const float near[] = {-1.046911033e-07f, 1.530637316e-06f, -1.479503140e-05f, 1.204626127e-04f,
                                 -8.547933737e-04f, 5.223967194e-03f, -2.686616905e-02f, 1.128379166e-01f,
                                 -3.761263890e-01f, 1.283791671e-01f};
    static const float far[] = {2.503254319e-02f, -1.478984446e-01f, 3.608618604e-01f,  -4.298337486e-01f,
                                1.454773476e-01f, 2.825897937e-01f,  -3.948595879e-01f, 2.484752126e-02f,
                                5.612146380e-01f, 1.516556858e-04f};
    V16 a = v_abs(x), t = v_mul(x, x), p = v_set(near[0]);
    for (int i = 1; i < 10; i++) p = v_fma(p, t, v_set(near[i]));
    V16 small = v_fma(x, p, x);
    V16 b = v_if_gt(a, v_set(4.0f), v_set(4.0f), a), u = v_div(v_set(1.0f), v_max(b, v_set(1.0f))),
        q = v_set(far[0]);
    for (int i = 1; i < 10; i++) q = v_fma(q, u, v_set(far[i]));
    V16 large = v_sub(v_set(1.0f), v_mul(v_exp(v_sub(v_set(0.0f), v_mul(b, b))), q));
    large = v_if_gt(v_set(0.0f), x, v_sub(v_set(0.0f), large), large);
    return v_if_gt(a, v_set(1.0f), large, small);
}

// 1 / (1 + e^-x), written so that the exponential never overflows.
INLINE V16 v_sigmoid(V16 x)
{
    V16 e = v_exp(v_sub(v_set(0.0f), v_abs(x))), d = v_add(v_set(1.0f), e);
    return v_div(v_if_gt(v_set(0.0f), x, e, v_set(1.0f)), d);
}

static void k_exp(float *y, const float *x, int64_t n)
{
    EACH16(n, { PUT(y, v_exp(GET(x))); });
}
static void k_tanh(float *y, const float *x, int64_t n)
{
    EACH16(n, { PUT(y, v_tanh(GET(x))); });
}
static void k_erf(float *y, const float *x, int64_t n)
{
    EACH16(n, { PUT(y, v_erf(GET(x))); });
}

// --------------------------------------------------------------------------------------- elementwise

static void k_add(float *y, const float *a, const float *b, int64_t n)
{
    EACH16(n, { PUT(y, v_add(GET(a), GET(b))); });
}
static void k_mul(float *y, const float *a, const float *b, int64_t n)
{
    EACH16(n, { PUT(y, v_mul(GET(a), GET(b))); });
}

static void k_axpy(float *y, float a, const float *x, int64_t n)
{
    V16 f = v_set(a);
    EACH16(n, { PUT(y, v_fma(f, GET(x), GET(y))); });
}

static void k_scale(float *y, float a, const float *x, int64_t n)
{
    V16 f = v_set(a);
    EACH16(n, { PUT(y, v_mul(f, GET(x))); });
}

static void k_mul_add(float *y, const float *a, const float *b, int64_t n)
{
    EACH16(n, { PUT(y, v_fma(GET(a), GET(b), GET(y))); });
}

static float k_dot(const float *a, const float *b, int64_t n)
{
    V16 s = v_set(0);
    EACH16(n, { s = v_fma(GET(a), GET(b), s); });
    return v_sum(s);
}

static float k_sum(const float *x, int64_t n)
{
    V16 s = v_set(0);
    EACH16(n, { s = v_add(s, GET(x)); });
    return v_sum(s);
}

static float k_max(const float *x, int64_t n)
{
    float tail = -__builtin_inff();
    V16 s = v_set(tail);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) s = v_max(v_load(x + i), s);
    for (; i < n; i++) tail = x[i] > tail ? x[i] : tail;
    float whole = v_largest(s);
    return whole > tail ? whole : tail;
}

// One vector of m elements at element `at` of a row of any type.
INLINE V16 v_any(const void *row, int type, int64_t at, int64_t m)
{
    if (type == F32) {
        const char *p = (const char *)row + at * 4;
        return m == 16 ? v_load(p) : v_load_n(p, m);
    }
    uint16_t part[16] = {0};
    const char *p = (const char *)row + at * 2;
    if (m < 16) {
        memcpy(part, p, (size_t)(m & 15) * 2); // & 15: so that compilers see that it fits
        p = (const char *)part;
    }
    return type == F16 ? v_from_f16(p) : v_from_bf16(p);
}

static void k_widen(float *y, const void *x, int type, int64_t n)
{
    EACH16(n, { PUT(y, v_any(x, type, i, m)); });
}

// KEEP: act (Act in tensor.h). y and its derivative d, from x.
static void k_act(float *y, float *d, const float *x, int64_t n, int kind)
{
    const V16 zero = v_set(0), one = v_set(1), half = v_set(0.5f);
    EACH16(n, {
        V16 u = GET(x), f, g;
        if (kind == 0) {        // relu
            f = v_max(zero, u); // in this order a NaN passes
            g = v_if_gt(u, zero, one, zero);
        } else if (kind == 1) { // silu: x s(x); s + x s (1 - s)
            V16 s = v_sigmoid(u);
            f = v_mul(u, s);
            g = v_fma(f, v_sub(one, s), s);
        } else if (kind == 2) { // gelu: x P(x), P the normal distribution; P + x p
            V16 cdf = v_fma(half, v_erf(v_mul(u, v_set(0.707106781f))), half);
            V16 pdf = v_mul(v_set(0.398942280f), v_exp(v_mul(v_mul(u, u), v_set(-0.5f))));
            f = v_mul(u, cdf);
            g = v_fma(u, pdf, cdf);
        } else if (kind == 3) { // gelu by tanh: x/2 (1 + tanh(c (x + a x^3)))
            const V16 c = v_set(0.797884561f), a = v_set(0.044715f);
            V16 u2 = v_mul(u, u), t = v_tanh(v_mul(c, v_fma(v_mul(a, u2), u, u)));
            V16 h = v_fma(half, t, half);
            f = v_mul(u, h);
            V16 inner = v_mul(c, v_fma(v_mul(v_set(3.0f), a), u2, one));
            g = v_fma(v_mul(v_mul(half, u), v_sub(one, v_mul(t, t))), inner, h);
        } else { // tanh
            f = v_tanh(u);
            g = v_sub(one, v_mul(f, f));
        }
        PUT(y, f);
        if (d) PUT(d, g);
    });
}

// --------------------------------------------------------------------------------------- softmax and norms

static void k_softmax(float *p, const float *z, int64_t n, float *max, float *sum)
{
    float top = k_max(z, n);
    V16 shift = v_set(top), s = v_set(0);
    EACH16(n, {
        V16 e = v_exp(v_sub(GET(z), shift));
        PUT(p, e);
        s = v_add(s, GET(p)); // again from memory, so that the lanes beyond the row count as 0
    });
    float total = v_sum(s);
    k_scale(p, 1.0f / total, p, n);
    if (max) *max = top;
    if (sum) *sum = total;
}

// dz += p (dp - sum(dp p))
static void k_softmax_dx(float *dz, const float *dp, const float *p, int64_t n)
{
    V16 mean = v_set(k_dot(dp, p, n));
    EACH16(n, { PUT(dz, v_fma(GET(p), v_sub(GET(dp), mean), GET(dz))); });
}

static void k_layernorm(float *y, float *stat, const float *x, const float *g, const float *b, int64_t n,
                        float eps)
{
    float mean = k_sum(x, n) / (float)n;
    V16 shift = v_set(mean), s = v_set(0);
    EACH16(n, {
        V16 u = v_sub(GET(x), shift);
        if (m < 16) { // lanes beyond the row must not count
            float t[16];
            v_store(t, u);
            u = v_load_n(t, m);
        }
        s = v_fma(u, u, s);
    });
    float r = 1.0f / __builtin_sqrtf(v_sum(s) / (float)n + eps);
    V16 scale = v_set(r);
    EACH16(n, { PUT(y, v_fma(v_mul(v_sub(GET(x), shift), scale), GET(g), GET(b))); });
    stat[0] = mean, stat[1] = r;
}

// dx += r (g dy - mean(g dy) - u mean(g dy u)),  u = (x - mean) r
static void k_layernorm_dx(float *dx, const float *dy, const float *x, const float *stat, const float *g,
                           int64_t n)
{
    V16 shift = v_set(stat[0]), r = v_set(stat[1]), s = v_set(0), t = v_set(0);
    EACH16(n, {
        V16 w = v_mul(GET(g), GET(dy));
        s = v_add(s, w);
        t = v_fma(w, v_mul(v_sub(GET(x), shift), r), t);
    });
    V16 mean = v_set(v_sum(s) / (float)n), along = v_set(v_sum(t) / (float)n);
    EACH16(n, {
        V16 u = v_mul(v_sub(GET(x), shift), r), w = v_sub(v_mul(GET(g), GET(dy)), mean);
        w = v_sub(w, v_mul(u, along));
        PUT(dx, v_fma(r, w, GET(dx)));
    });
}

static void k_layernorm_dg(float *dg, float *db, const float *dy, const float *x, const float *stat,
                           int64_t n)
{
    V16 shift = v_set(stat[0]), r = v_set(stat[1]);
    EACH16(n, {
        V16 d = GET(dy);
        if (dg) PUT(dg, v_fma(d, v_mul(v_sub(GET(x), shift), r), GET(dg)));
        if (db) PUT(db, v_add(GET(db), d));
    });
}

static void k_rmsnorm(float *y, float *stat, const float *x, const float *g, int64_t n, float eps)
{
    float r = 1.0f / __builtin_sqrtf(k_dot(x, x, n) / (float)n + eps);
    V16 scale = v_set(r);
    EACH16(n, { PUT(y, v_mul(v_mul(GET(x), scale), GET(g))); });
    stat[0] = r;
}

// dx += r (g dy - u mean(g dy u)),  u = x r
static void k_rmsnorm_dx(float *dx, const float *dy, const float *x, const float *stat, const float *g,
                         int64_t n)
{
    V16 r = v_set(stat[0]), t = v_set(0);
    EACH16(n, { t = v_fma(v_mul(GET(g), GET(dy)), v_mul(GET(x), r), t); });
    V16 along = v_set(v_sum(t) / (float)n);
    EACH16(n, {
        V16 w = v_sub(v_mul(GET(g), GET(dy)), v_mul(v_mul(GET(x), r), along));
        PUT(dx, v_fma(r, w, GET(dx)));
    });
}

static void k_rmsnorm_dg(float *dg, const float *dy, const float *x, const float *stat, int64_t n)
{
    V16 r = v_set(stat[0]);
    EACH16(n, { PUT(dg, v_fma(GET(dy), v_mul(GET(x), r), GET(dg))); });
}

// --------------------------------------------------------------------------------------- matrix products
//
// c = a b, with b either a matrix [k, n] as it lies (gemm_nn: the way back through a linear layer) or the transpose of
// a weight [n, k] (gemm_nt: the way forward). Both run the same register tile: TILE_M rows of a, one number at a time
// in all lanes, times TILE_V vectors of b. A strip of 32 columns of b, K_BLOCK deep, is first copied to a panel that
// stays in the cache while all rows pass by: widened to float32, and turned in blocks of 16 x 16 if it is a weight; a
// strip that needs neither may rest where it is. So weights are read once, in place, of any type, at any address; and
// while one strip is computed, the tile calls for the cache lines of the next.

enum { STRIP = 32, AHEAD = 32, LATE = 4 };

typedef struct
    Ahead { // cache lines to call for, one in every step of k: AHEAD of them `inner` bytes apart, then on by `outer`
    const char *at;
    int64_t inner, outer;
} Ahead;

// out[i][v] = sum over k of a(i,k) * b[k][16 v ..]; M, V compile-time constants, so the sums live in registers.
INLINE void tile(V16 out[][TILE_V], int M, int V, const float *a, int64_t ai, int64_t ak, const float *b,
                 int64_t bk, int64_t k, Ahead next)
{
    V16 acc[TILE_M][TILE_V];
    UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < V; v++) acc[i][v] = v_set(0);
    for (int64_t p = 0; p < k; next.at += next.outer) {
        const char *line = next.at;
        for (int64_t end = least(p + AHEAD, k); p < end; p++, a += ak, b += bk, line += next.inner) {
            V16 col[TILE_V];
            __builtin_prefetch(line, 0, 2); // 2: to the second cache; the first is too small to keep it
            UNROLL for (int v = 0; v < V; v++) col[v] = v_load(b + 16 * v);
            UNROLL for (int i = 0; i < M; i++)
            {
                V16 x = v_set(a[i * ai]);
                UNROLL for (int v = 0; v < V; v++) acc[i][v] = v_fma(x, col[v], acc[i][v]);
            }
        }
    }
    UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < V; v++) out[i][v] = acc[i][v];
}

// The tile for any m <= TILE_M and v <= TILE_V: one compiled copy for each size, and one for full packed ones.
static void tile_any(V16 out[][TILE_V], int64_t m, int64_t v, const float *a, int64_t ai, int64_t ak,
                     const float *b, int64_t bk, int64_t k, Ahead next)
{
    if (m == TILE_M && v == TILE_V && ai == 1 && ak == PANEL) {
        tile(out, TILE_M, TILE_V, a, 1, PANEL, b, bk, k, next);
        return;
    }
#define SIZE(M)                                                                                              \
    case M:                                                                                                  \
        if (M > TILE_M) __builtin_unreachable();                                                             \
        if (v == 1) tile(out, M > TILE_M ? 1 : M, 1, a, ai, ak, b, bk, k, next);                             \
        else tile(out, M > TILE_M ? 1 : M, TILE_V, a, ai, ak, b, bk, k, next);                               \
        return;
    switch (m) {
        SIZE(1) SIZE(2) SIZE(3) SIZE(4) SIZE(5) SIZE(6) SIZE(7) SIZE(8) SIZE(9) SIZE(10) SIZE(11) SIZE(12)
    }
#undef SIZE
}

typedef struct Right { // b: rows of k if turned, else rows of n
    const char *at;
    int64_t row, element; // bytes
    int type;
    bool turned;
} Right;

static const char *right_at(const Right *b, int64_t k, int64_t j)
{
    return b->at + (b->turned ? j * b->row + k * b->element : k * b->row + j * b->element);
}

// Sixteen columns of b from k, j on, n of them in use, k rows deep: to panel[k][STRIP].
static void fill_straight(float *panel, const Right *b, int64_t k0, int64_t j, int64_t n, int64_t k)
{
    for (int64_t p = 0; p < k; p++) v_store(panel + p * STRIP, v_any(right_at(b, k0 + p, j), b->type, 0, n));
}

// Sixteen rows of weights, sixteen of their columns, turned: t[i] is column i.
INLINE void turn(V16 t[16], const char *from, int64_t row)
{
    UNROLL for (int64_t i = 0; i < 16; i++) t[i] = v_load(from + i * row);
    v_transpose(t);
}

// The same for any type, n rows and m columns, the rest 0. Not inlined: it is the rare one, and large.
static __attribute__((noinline)) void turn_any(V16 t[16], const Right *b, int64_t k, int64_t j, int64_t n,
                                               int64_t m)
{
    const char *from = right_at(b, k, j);
    for (int64_t i = 0; i < 16; i++) t[i] = i < n ? v_any(from + i * b->row, b->type, 0, m) : v_set(0);
    v_transpose(t);
}

static void fill_turned(float *panel, const Right *b, int64_t k0, int64_t j, int64_t n, int64_t k)
{
    for (int64_t p = 0; p < k; p += 16, panel += 16 * STRIP) {
        int64_t m = least(16, k - p);
        if (n == 16 && m == 16 && b->type == F32) {
            V16 t[16];
            turn(t, right_at(b, k0 + p, j), b->row);
            UNROLL for (int64_t i = 0; i < 16; i++) v_store(panel + i * STRIP, t[i]);
        } else {
            V16 t[16];
            turn_any(t, b, k0 + p, j, n, m);
            for (int64_t i = 0; i < m; i++) v_store(panel + i * STRIP, t[i]);
        }
    }
}

static Ahead ahead_of(const Right *b, int64_t k, int64_t j)
{
    const char *at = right_at(b, k, j);
    at += -(uintptr_t)at & 63;
    return b->turned ? (Ahead){at, 64, b->row} : (Ahead){at, b->row, AHEAD * b->row};
}

// Lays rows r0 .. r1 of a(i,k) out in the order in which the tiles read them: per block of k, per PANEL rows, [k][PANEL].
static void k_pack(float *out, const float *a, int64_t ai, int64_t ak, int64_t rows, int64_t k, int64_t r0,
                   int64_t r1)
{
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK)
        for (int64_t r = r0; r < r1; r += PANEL) {
            int64_t kn = least(K_BLOCK, k - k0), n = least(PANEL, rows - r);
            float *to = out + packed_size(rows, k0) + r * kn;
            const float *from = a + r * ai + k0 * ak;
            const int64_t turned = ak == 1 ? kn / 16 * 16 : 0; // in blocks of PANEL x 16
            for (int64_t p = 0; p < turned; p += 16) {
                V16 t[16];
                for (int64_t i = 0; i < 12; i++)
                    __builtin_prefetch(to + 32 * PANEL + 16 * i, 1); // to has not been in the cache
                UNROLL for (int64_t i = 0; i < 16; i++) t[i] = i < n ? v_load(from + i * ai + p) : v_set(0);
                v_transpose(t);
                UNROLL for (int64_t i = 0; i < 16; i++, to += PANEL) v_store_n(to, t[i], PANEL);
            }
            for (int64_t p = turned; p < kn; p++, to += PANEL)
                for (int64_t i = 0; i < PANEL; i++) to[i] = i < n ? from[i * ai + p * ak] : 0;
        }
}

// A finished tile, w columns wide.
static void put(float *c, int64_t ldc, V16 out[][TILE_V], int64_t m, int64_t w, bool add)
{
    for (int64_t i = 0; i < m; i++, c += ldc)
        for (int64_t v = 0; v < TILE_V && 16 * v < w; v++) {
            int64_t n = least(16, w - 16 * v);
            if (n == 16) v_store(c + 16 * v, add ? v_add(v_load(c + 16 * v), out[i][v]) : out[i][v]);
            else v_store_n(c + 16 * v, add ? v_add(v_load_n(c + 16 * v, n), out[i][v]) : out[i][v], n);
        }
}

// A strip that is read where it lies: rows of float32. If they begin inside cache lines, copying them first pays from
// some tiles on.
static bool rests(const Right *b, int64_t k0, int64_t j, int64_t n, int64_t rows)
{
    bool whole_lines = (uintptr_t)right_at(b, k0, j) % 64 == 0 && b->row % 64 == 0;
    return !b->turned && b->type == F32 && n == STRIP && (whole_lines || rows <= 6 * PANEL);
}

static void product(float *c, int64_t ldc, const float *a, int64_t ai, int64_t ak, int64_t rows, Right b,
                    int64_t j0, int64_t j1, int64_t then, int64_t k, bool add)
{
    float panel[K_BLOCK * STRIP] __attribute__((aligned(64)));
    if (!k && !add)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t j = j0; j < j1; j++) c[r * ldc + j] = 0;
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK) {
        int64_t kn = least(K_BLOCK, k - k0);
        bool more = add || k0;
        for (int64_t j = j0; j < j1; j += STRIP) {
            int64_t n = least(STRIP, j1 - j);
            const bool in_place = rests(&b, k0, j, n, rows);
            for (int64_t v = 0; v < n && !in_place; v += 16)
                (b.turned ? fill_turned : fill_straight)(panel + v, &b, k0, j + v, least(16, n - v), kn);
            const float *right = in_place ? (const float *)(const void *)right_at(&b, k0, j) : panel;
            const int64_t bk = in_place ? b.row / 4 : STRIP;
            const Ahead nothing = {(const char *)panel, 0, 0};
            Ahead next = nothing, soon = nothing;
            if (j + STRIP < j1) soon = ahead_of(&b, k0, j + STRIP);
            else if (k0 + K_BLOCK < k) soon = ahead_of(&b, k0 + K_BLOCK, j0);
            else if (j1 < then) soon = ahead_of(&b, 0, j1);
            int calls = 0;
            for (int64_t r = 0; r < rows; r += TILE_M) {
                int64_t m = least(TILE_M, rows - r);
                const float *from = a + r * ai + k0 * ak;
                if (!ai) from = a + packed_size(rows, k0) + r / PANEL * PANEL * kn + r % PANEL;
                if (!calls && rows - r <= LATE * TILE_M) next = soon;
                for (int64_t v = 0; v < n; v += 16 * TILE_V) {
                    V16 out[TILE_M][TILE_V];
                    float *to = c + r * ldc + j + v;
                    int64_t w = least(16 * TILE_V, n - v), vs = (w + 15) / 16;
                    for (int64_t i = 0; i < m; i++)
                        __builtin_prefetch(to + i * ldc), __builtin_prefetch(to + i * ldc + w - 1);
                    tile_any(out, m, vs, from, ai ? ai : 1, ai ? ak : PANEL, right + v, bk, kn, next);
                    put(to, ldc, out, m, w, more);
                    if (next.at == nothing.at) continue;
                    next.at += b.turned ? 16 * b.row : 64; // two calls reach all of the next strip
                    if (++calls == 2) next = nothing;
                }
            }
        }
    }
}

// Few rows (decoding) run at the speed of memory: sixteen rows of weights are turned in registers and used at once.
INLINE void few(float *c, int64_t ldc, const float *x, int64_t ldx, int R, const Right *w, int64_t j,
                int64_t n, int64_t k, bool add)
{
    V16 total[FEW];
    UNROLL for (int r = 0; r < R; r++) total[r] = add ? v_load_n(c + r * ldc + j, n) : v_set(0);
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK) {
        V16 acc[FEW];
        int64_t kn = least(K_BLOCK, k - k0);
        UNROLL for (int r = 0; r < R; r++) acc[r] = v_set(0);
        for (int64_t p = 0; p < kn; p += 16) {
            int64_t m = least(16, kn - p), later = k0 + p + 256; // about what memory takes to answer
            const char *soon = later < k ? right_at(w, later, j) : right_at(w, later - k, j + 16);
            const float *at = x + k0 + p;
            UNROLL for (int64_t i = 0; i < 16; i++) __builtin_prefetch(soon + i * w->row, 0, 2);
            if (n == 16 && m == 16 && w->type == F32) {
                V16 t[16];
                (R <= 4 ? v_load_turned : turn)(t, right_at(w, k0 + p, j), w->row);
                UNROLL for (int64_t i = 0; i < 16; i++) UNROLL for (int r = 0; r < R; r++) acc[r] =
                    v_fma(v_set(at[r * ldx + i]), t[i], acc[r]);
            } else {
                V16 t[16];
                turn_any(t, w, k0 + p, j, n, m);
                for (int64_t i = 0; i < m; i++)
                    UNROLL for (int r = 0; r < R; r++) acc[r] = v_fma(v_set(at[r * ldx + i]), t[i], acc[r]);
            }
        }
        UNROLL for (int r = 0; r < R; r++) total[r] = add || k0 ? v_add(total[r], acc[r]) : acc[r];
    }
    UNROLL for (int r = 0; r < R; r++) v_store_n(c + r * ldc + j, total[r], n);
}

static void k_gemm_nt(float *c, int64_t ldc, const float *x, int64_t ldx, int64_t rows, const void *w,
                      int type, int64_t ldw, int64_t j0, int64_t j1, int64_t then, int64_t k, bool add)
{
    int64_t element = type == F32 ? 4 : 2;
    Right b = {w, ldw * element, element, type, true};
    if (rows > FEW || !ldx) {
        product(c, ldc, x, ldx, 1, rows, b, j0, j1, then, k, add);
        return;
    }
    for (int64_t j = j0; j < j1; j += 16) {
        int64_t n = least(16, j1 - j);
#define ROWS(R)                                                                                              \
    case R:                                                                                                  \
        few(c, ldc, x, ldx, R, &b, j, n, k, add);                                                            \
        break;
        switch (rows) {
            ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8)
        }
#undef ROWS
    }
}

static void k_gemm_nn(float *c, int64_t ldc, const float *a, int64_t ai, int64_t ak, int64_t rows,
                      const void *b, int type, int64_t ldb, int64_t j0, int64_t j1, int64_t then, int64_t k,
                      bool add)
{
    int64_t element = type == F32 ? 4 : 2;
    product(c, ldc, a, ai, ak, rows, (Right){b, ldb * element, element, type, false}, j0, j1, then, k, add);
}

// --------------------------------------------------------------------------------------- how fast is this machine

// What the chains start from comes from the caller, so that a compiler can't make one of two.
static void k_spin_fma(float *chain, int64_t rounds)
{
    const Reg x = r_set(0.999f), y = r_set(1e-9f);
    for (float *c = chain; c < chain + SPINNERS; c += CHAINS * LANES) {
        Reg acc[CHAINS];
        UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = r_load(c + i * LANES);
        for (int64_t r = 0; r < rounds; r++)
            UNROLL for (int i = 0; i < CHAINS; i++) acc[i] = r_fma(acc[i], x, y);
        UNROLL for (int i = 0; i < CHAINS; i++) r_store(c + i * LANES, acc[i]);
    }
}

static float k_spin_read(const float *x, int64_t n)
{
    V16 s[4] = {v_set(0), v_set(0), v_set(0), v_set(0)};
    for (int64_t i = 0; i + 64 <= n; i += 64)
        UNROLL for (int v = 0; v < 4; v++) __builtin_prefetch(x + i + 2048 + 16 * v, 0, 2),
            s[v] = v_add(s[v], v_load(x + i + 16 * v));
    return v_sum(v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
}

// --------------------------------------------------------------------------------------- the table

const Kern CAT(kern_, ISA) = {
    .isa = STR(ISA),
#define KERN(returns, name, args) .name = k_##name,
#include "kern.def"
#undef KERN
};
