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

enum { F32 = W_F32 };

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

// ---- weights: a row of types.def and a function here, for n elements of a row from element `at` on

static void widen_F32(float *y, const void *row, int64_t at, int64_t n)
{
    const AnyFloat *x = (const AnyFloat *)row + at;
    EACH16(n, { PUT(y, GET(x)); });
}

// Sixteen halves from element i on, the rest 0.
INLINE const void *halves(uint16_t part[16], const uint16_t *x, int64_t i, int64_t m)
{
    if (m == 16) return x + i;
    memcpy(part, x + i, (size_t)(m & 15) * 2); // & 15: so that compilers see that it fits
    return part;
}

static void widen_F16(float *y, const void *row, int64_t at, int64_t n)
{
    uint16_t part[16] = {0};
    EACH16(n, { PUT(y, v_from_f16(halves(part, row, at + i, m))); });
}

static void widen_BF16(float *y, const void *row, int64_t at, int64_t n)
{
    uint16_t part[16] = {0};
    EACH16(n, { PUT(y, v_from_bf16(halves(part, row, at + i, m))); });
}

#include "blocks.h"
#include "codes.h"

typedef struct Right { // b: rows of k if turned, else rows of n
    const char *at;
    int64_t row; // bytes
    int type;
    bool turned;
} Right;

#include "lanes.h"

static void (*const widen[])(float *y, const void *row, int64_t at, int64_t n) = {
#define TYPE(name, elements, bytes, number) widen_##name,
#include "types.def"
#undef TYPE
};

static void k_widen(float *y, const void *row, int type, int64_t at, int64_t n)
{
    widen[type](y, row, at, n);
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
// a weight [n, k] (gemm_nt: the way forward). Two drivers run one register tile, M numbers, one at a time in all lanes,
// times V registers:
//
//   product          numbers of a, registers of b. A strip of columns of b, K_BLOCK deep, is first copied to a panel
//                    that stays in the cache while all rows pass by: widened to float32, and turned in blocks of 16 x 16
//                    if it is a weight; a strip that needs neither may rest where it is.
//   product_of_rows  numbers of b, registers of a: PANEL rows of a, packed, lie side by side in ROWS_V registers. So
//                    weights need no turning; what is turned is c, in the end. For sets whose registers are short
//                    enough to be filled by few rows (ROWS_V in vec.h), and packed a.
//
// So weights are read once, in place, of any type, at any address; and while one strip is computed, the tile calls for
// the cache lines of the next.

enum {
    STRIP = 32, // columns of a weight's turned panel
    BROAD = 64, // of one that is not turned: longer pieces of its rows
    AHEAD = 32,
    LATE = 4,
    PACKED = ROWS_V ? PANEL : PANEL / 2,
    MOST_M = 2 * ROWS_M > TILE_M ? 2 * ROWS_M : TILE_M,
    MOST_V = ROWS_V > TILE_V ? ROWS_V : TILE_V,
};

typedef struct
    Ahead { // cache lines to call for, one in every step of k: `steps` of them `inner` bytes apart, then on by
            // `outer`
    const char *at;
    int64_t inner, steps, outer;
} Ahead;

// out[i][LANES v ..] = (on ? itself : 0) + sum over k of a(i,k) * b[k][LANES v ..]; M, V compile-time constants, so the
// sums live in registers. ldo, ai, ak, bk: steps in floats.
INLINE void tile(float *out, int64_t ldo, int M, int V, bool on, const AnyFloat *a, int64_t ai, int64_t ak,
                 const AnyFloat *b, int64_t bk, int64_t k, Ahead next)
{
    Reg acc[MOST_M][MOST_V];
    UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < V; v++) acc[i][v] =
        on ? r_load(out + i * ldo + v * LANES) : r_set(0);
    for (int64_t p = 0; p < k; next.at += next.outer) {
        const char *line = next.at;
        for (int64_t end = least(p + next.steps, k); p < end; p++, a += ak, b += bk, line += next.inner) {
            Reg col[MOST_V];
            __builtin_prefetch(line, 0, 2); // 2: to the second cache; the first is too small to keep it
            UNROLL for (int v = 0; v < V; v++) col[v] = r_load(b + LANES * v);
            UNROLL for (int i = 0; i < M; i++)
            {
                Reg x = r_set(a[i * ai]);
                UNROLL for (int v = 0; v < V; v++) acc[i][v] = r_fma(x, col[v], acc[i][v]);
            }
        }
    }
    UNROLL for (int i = 0; i < M; i++) UNROLL for (int v = 0; v < V; v++)
        r_store(out + i * ldo + v * LANES, acc[i][v]);
}

// The tile for any m <= TILE_M and v <= TILE_V: one compiled copy for each size, and one for full packed ones.
INLINE void tile_any(float *out, int64_t m, int64_t v, const float *a, int64_t ai, int64_t ak,
                     const AnyFloat *b, int64_t bk, int64_t k, Ahead next)
{
    enum { W = TILE_V * LANES };
    if (m == TILE_M && v == TILE_V && ai == 1 && ak == PACKED) {
        tile(out, W, TILE_M, TILE_V, false, a, 1, PACKED, b, bk, k, next);
        return;
    }
#define SIZE(M)                                                                                              \
    case M:                                                                                                  \
        if (M > TILE_M) __builtin_unreachable();                                                             \
        if (v == 1) tile(out, W, M > TILE_M ? 1 : M, 1, false, a, ai, ak, b, bk, k, next);                   \
        else tile(out, W, M > TILE_M ? 1 : M, TILE_V, false, a, ai, ak, b, bk, k, next);                     \
        return;
    switch (m) {
        SIZE(1) SIZE(2) SIZE(3) SIZE(4) SIZE(5) SIZE(6) SIZE(7) SIZE(8) SIZE(9) SIZE(10) SIZE(11) SIZE(12)
    }
#undef SIZE
}

static const char *right_at(const Right *b, int64_t k, int64_t j)
{
    return b->at + (b->turned ? j : k) * b->row + type_bytes(b->type, b->turned ? k : j);
}

// A block of a matrix in float32: rows of it, `row` floats apart.
typedef struct Block {
    const AnyFloat *at;
    int64_t row;
} Block;

static void copy_widened(float *wide, int64_t ld, const Right *b, int64_t r, int64_t rows, int64_t whole,
                         int64_t e, int64_t n)
{
    const bool eights = b->type == W_GPTQ || b->type == W_AWQ;
    for (int64_t i = 0; i < whole; i++, wide += ld) {
        const char *from = b->at + (r + i) * b->row;
        if (eights && i + EIGHT <= rows && made_eight(wide, ld, from, b->type, e, n)) {
            i += EIGHT - 1, wide += (EIGHT - 1) * ld;
            continue;
        }
        if (i < rows) widen[b->type](wide, from, e, n);
        for (int64_t j = i < rows ? n : 0; j < (n + 15) / 16 * 16; j++) wide[j] = 0;
    }
}

// `rows` rows of b from row r on, n elements from element e on: where they lie if they are float32, or else in `wide`, with
// zeros to `whole` rows and a multiple of sixteen elements.
static Block widened(float *wide, const Right *b, int64_t r, int64_t rows, int64_t whole, int64_t e,
                     int64_t n)
{
    if (b->type == F32 && rows == whole && n % 16 == 0)
        return (Block){(const AnyFloat *)(const void *)(b->at + r * b->row) + e, b->row / 4};
    copy_widened(wide, K_BLOCK, b, r, rows, whole, e, n);
    return (Block){wide, K_BLOCK};
}

// As many rows of a matrix as LANES, or fewer and zeros, LANES of their columns, turned: t[i] is column i.
INLINE void turn(Reg t[LANES], const AnyFloat *from, int64_t row, int64_t rows)
{
    UNROLL for (int64_t i = 0; i < LANES; i++) t[i] = i < rows ? r_load(from + i * row) : r_set(0);
    r_transpose(t);
}

// n <= LANES columns of c from j on, k deep from k0 on: rows of b, turned, to panel[k][STRIP].
static void fill_turned(float *panel, const Right *b, int64_t k0, int64_t j, int64_t n, int64_t k)
{
    if (n == LANES && in_lanes(b, k0 + k)) {
        const char *from = b->at + j * b->row;
        for (int64_t p = 0; p < k; p += GROUP, panel += GROUP * STRIP)
            formats[b->type].panel(panel, STRIP, from, b->row, k0 + p);
        return;
    }
    float wide[LANES * K_BLOCK];
    const Block w = widened(wide, b, j, n, LANES, k0, k);
    for (int64_t p = 0; p < k; p += LANES, panel += LANES * STRIP) {
        Reg t[LANES];
        turn(t, w.at + p, w.row, LANES);
        UNROLL for (int64_t i = 0; i < LANES; i++) r_store(panel + i * STRIP, t[i]);
    }
}

static void fill(float *panel, const Right *b, int64_t k0, int64_t j, int64_t n, int64_t k)
{
    for (int64_t v = 0; b->turned && v < n; v += LANES)
        fill_turned(panel + v, b, k0, j + v, least(LANES, n - v), k);
    if (b->turned) return;
    if (b->type != F32 || n % 16) {
        copy_widened(panel, BROAD, b, k0, k, k, j, n);
        return;
    }
    const char *from = right_at(b, k0, j);
    for (int64_t p = 0; p < k; p++, from += b->row, panel += BROAD)
        for (int64_t v = 0; v < n; v += 16) v_store(panel + v, v_load(from + 4 * v));
}

static Ahead ahead_of(const Right *b, int64_t k, int64_t j)
{
    const char *at = right_at(b, k, j);
    at += -(uintptr_t)at & 63;
    return b->turned ? (Ahead){at, 64, AHEAD, b->row} : (Ahead){at, b->row, AHEAD, AHEAD * b->row};
}

// The first n numbers of x to c, or added to it.
INLINE void put(float *c, Reg x, int64_t n, bool add)
{
    if (n >= LANES) r_store(c, add ? r_add(r_load(c), x) : x);
    else r_store_n(c, add ? r_add(r_load_n(c, n), x) : x, n);
}

// Lays rows r0 .. r1 of a(i,k) out in the order in which the tiles read them: per block of k, per PACKED rows, [k][PACKED].
static void k_pack(float *out, const float *a, int64_t ai, int64_t ak, int64_t rows, int64_t k, int64_t r0,
                   int64_t r1)
{
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK)
        for (int64_t r = r0; r < r1; r += PACKED) {
            int64_t kn = least(K_BLOCK, k - k0), n = least(PACKED, rows - r);
            float *to = out + packed_size(rows, k0) + r * kn;
            const float *from = a + r * ai + k0 * ak;
            const int64_t turned = ak == 1 ? kn / LANES * LANES : 0; // in blocks of LANES x LANES
            for (int64_t p = 0; p < turned; p += LANES, to += LANES * PACKED) {
                for (int64_t i = 0; i < LANES * PACKED / 16; i++)
                    __builtin_prefetch(to + 32 * PACKED + 16 * i, 1); // to has not been in the cache
                UNROLL for (int64_t v = 0; v < PACKED; v += LANES)
                {
                    Reg t[LANES];
                    turn(t, from + v * ai + p, ai, n - v);
                    UNROLL for (int64_t i = 0; i < LANES; i++)
                        put(to + i * PACKED + v, t[i], PACKED - v, false);
                }
            }
            for (int64_t p = turned; p < kn; p++, to += PACKED)
                for (int64_t i = 0; i < PACKED; i++) to[i] = i < n ? from[i * ai + p * ak] : 0;
        }
}

// A strip that is read where it lies: rows of float32. If they begin inside cache lines, copying them first pays from
// some tiles on.
static bool rests(const Right *b, int64_t k0, int64_t j, int64_t n, int64_t rows)
{
    bool whole_lines = (uintptr_t)right_at(b, k0, j) % 64 == 0 && b->row % 64 == 0;
    return !b->turned && b->type == F32 && n % STRIP == 0 && (whole_lines || rows <= 200);
}

static void product(float *c, int64_t ldc, const float *a, int64_t ai, int64_t ak, int64_t rows, Right b,
                    int64_t j0, int64_t j1, int64_t then, int64_t k, bool add)
{
    enum { W = TILE_V * LANES };
    const int64_t strip = b.turned ? STRIP : BROAD;
    float panel[K_BLOCK * BROAD] __attribute__((aligned(64)));
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK) {
        int64_t kn = least(K_BLOCK, k - k0);
        bool more = add || k0;
        for (int64_t j = j0; j < j1; j += strip) {
            int64_t n = least(strip, j1 - j);
            const bool in_place = rests(&b, k0, j, n, rows);
            if (!in_place) fill(panel, &b, k0, j, n, kn);
            const AnyFloat *right = in_place ? (const AnyFloat *)(const void *)right_at(&b, k0, j) : panel;
            const int64_t bk = in_place ? b.row / 4 : strip;
            const Ahead nothing = {(const char *)panel, 0, AHEAD, 0};
            Ahead next = nothing, soon = nothing;
            if (j + strip < j1) soon = ahead_of(&b, k0, j + strip);
            else if (k0 + K_BLOCK < k) soon = ahead_of(&b, k0 + K_BLOCK, j0);
            else if (j1 < then) soon = ahead_of(&b, 0, j1);
            int calls = 0;
            for (int64_t r = 0; r < rows; r += TILE_M) {
                int64_t m = least(TILE_M, rows - r);
                const float *from = a + r * ai + k0 * ak;
                if (!ai) from = a + packed_size(rows, k0) + r / PACKED * PACKED * kn + r % PACKED;
                if (!calls && rows - r <= LATE * TILE_M) next = soon;
                for (int64_t v = 0; v < n; v += W) {
                    float out[TILE_M * W] __attribute__((aligned(64)));
                    float *to = c + r * ldc + j + v;
                    int64_t w = least(W, n - v), vs = (w + LANES - 1) / LANES;
                    for (int64_t i = 0; i < m; i++)
                        __builtin_prefetch(to + i * ldc), __builtin_prefetch(to + i * ldc + w - 1);
                    tile_any(out, m, vs, from, ai ? ai : 1, ai ? ak : PACKED, right + v, bk, kn, next);
                    for (int64_t i = 0; i < m; i++, to += ldc)
                        for (int64_t u = 0; u < w; u += LANES)
                            put(to + u, r_load(out + i * W + u), w - u, more);
                    if (next.at == nothing.at) continue;
                    next.at += b.turned ? 16 * b.row : 64; // so many calls reach all of the next strip
                    if (++calls == (b.turned ? 2 : 5)) next = nothing;
                }
            }
        }
    }
}

// ---- the same, rows in lanes

enum {
    COLUMNS = 64,
    DEPTH = 128,                          // so much of PANEL rows is at most a third of the first cache
    ONWARD = DEPTH * PANEL * 4 / COLUMNS, // bytes of the rows' next block to call for with every column
    SPARE = 16,                           // else rows of a copy would share sets of the cache
    COPY = K_BLOCK * (COLUMNS + SPARE),
};

// COLUMNS columns of b, or less, K_BLOCK deep, as numbers for the tile: where they lie if they are rows of float32, or else
// copied row by row, a few after each tile of the strip before; so memory has time to answer, and what it answered is not
// yet driven out of the cache by lines of its own set.
typedef struct Strip {
    const Right *b;
    int64_t k0, k, j, n;
    float *copy;
    int64_t done, rows; // copied, of how many
} Strip;

static int64_t copied_row(const Strip *s) { return s->b->turned ? K_BLOCK + SPARE : COLUMNS + SPARE; }

static Strip strip_of(const Right *b, int64_t k0, int64_t k, int64_t j, int64_t n, float *copy)
{
    bool in_place = b->turned && b->type == F32;
    return (Strip){
        b, k0, least(K_BLOCK, k - k0), j, n, copy, 0, in_place ? 0 : b->turned ? n : least(K_BLOCK, k - k0)};
}

static Block numbers_of(const Strip *s)
{
    if (s->rows) return (Block){s->copy, copied_row(s)};
    return (Block){(const AnyFloat *)(const void *)right_at(s->b, s->k0, s->j), s->b->row / 4};
}

static void strip_copy(Strip *s, int64_t rows)
{
    const Right *b = s->b;
    const int64_t ld = copied_row(s), n = b->turned ? s->k : s->n, e = b->turned ? s->k0 : s->j,
                  m = least(s->rows - s->done, rows);
    if (s->copy)
        copy_widened(s->copy + s->done * ld, ld, b, (b->turned ? s->j : s->k0) + s->done, m, m, e, n);
    s->done += m;
}

// How many numbers against v registers: one register alone would not be enough chains.
INLINE int64_t rows_m(int64_t v) { return v == 1 ? 2 * ROWS_M : ROWS_M; }

static void rows_tile(float *out, int64_t m, int64_t v, const AnyFloat *a, int64_t ai, int64_t ak,
                      const float *b, int64_t k, Ahead next)
{
#define TILE(M, V, AI, AK)                                                                                   \
    {                                                                                                        \
        tile(out, PANEL, M, V, true, a, AI, AK, b, PANEL, k, next);                                          \
        return;                                                                                              \
    }
    if (m == ROWS_M && v == ROWS_V && ak == 1) TILE(ROWS_M, ROWS_V, ai, 1)
    if (m == ROWS_M && v == ROWS_V) TILE(ROWS_M, ROWS_V, 1, COLUMNS + SPARE)
#define SIZE(M, V)                                                                                           \
    if (M <= rows_m(V) && V <= ROWS_V && m == M && v == V)                                                   \
    TILE(M <= rows_m(V) ? M : 1, V <= ROWS_V ? V : 1, ai, ak)
#define SIZES(V) SIZE(4, V) SIZE(1, V) SIZE(2, V) SIZE(3, V)
    SIZE(8, 1) SIZE(5, 1) SIZE(6, 1) SIZE(7, 1) SIZES(1) SIZES(2) SIZES(3) SIZES(4) SIZES(5) SIZES(6)
#undef SIZES
#undef SIZE
#undef TILE
}

// Adds the sums [n][PANEL] of so many rows, turned, to c.
static void put_turned(float *c, int64_t ldc, const float *sums, int64_t rows, int64_t n, bool add)
{
    for (int64_t i0 = 0; i0 < rows; i0 += LANES)
        for (int64_t j = 0; j < n; j += LANES) {
            Reg t[LANES];
            int64_t m = least(LANES, rows - i0), w = least(LANES, n - j);
            turn(t, sums + j * PANEL + i0, PANEL, w);
            float *to = c + i0 * ldc + j;
            if (m == LANES && w == LANES)
                UNROLL for (int64_t i = 0; i < LANES; i++, to += ldc) put(to, t[i], LANES, add);
            else UNROLL for (int64_t i = 0; i < LANES; i++, to += ldc) if (i < m) put(to, t[i], w, add);
        }
}

// What the tile of numbers g .. and DEPTH from p on is to call for: its like in a strip that is read in place; or else the rows
// of the strip that are copied after the next tile.
static Ahead calls_for(const Strip *s, int64_t each, int64_t g, int64_t p)
{
    const Right *b = s->b;
    if (!s->rows) return (Ahead){right_at(b, s->k0 + p, s->j + g), 4 * DEPTH / AHEAD, AHEAD, b->row};
    const int64_t row = s->done + each, steps = DEPTH / each;
    const char *at = b->turned ? right_at(b, s->k0, s->j + row) : right_at(b, s->k0 + row, s->j);
    return (Ahead){at, (type_bytes(b->type, b->turned ? s->k : s->n) + 63) / steps, steps, b->row};
}

// Rows of c that will soon be written.
INLINE void call_for(const float *c, int64_t ldc, int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < rows; i++, c += ldc)
        for (int64_t u = 0; u < n + 15; u += 16) __builtin_prefetch(c + u, 0, 2);
}

static void product_of_rows(float *c, int64_t ldc, const float *x, int64_t rows, Right b, int64_t j0,
                            int64_t j1, int64_t then, int64_t k, bool add)
{
    float sums[COLUMNS * PANEL] __attribute__((aligned(64)));
    float copies[2][COPY] __attribute__((aligned(64)));
    Strip now = strip_of(&b, 0, k, j0, least(COLUMNS, j1 - j0), copies[0]), next;
    if (j0 < j1) strip_copy(&now, now.rows);
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK)
        for (int64_t j = j0; j < j1; j += COLUMNS, now = next) {
            const Block w = numbers_of(&now);
            const int64_t wj = b.turned ? w.row : 1, wk = b.turned ? 1 : w.row;
            float *copy = copies[now.copy == copies[0]];
            if (j + COLUMNS < j1)
                next = strip_of(&b, k0, k, j + COLUMNS, least(COLUMNS, j1 - j - COLUMNS), copy);
            else if (k0 + K_BLOCK < k)
                next = strip_of(&b, k0 + K_BLOCK, k, j0, least(COLUMNS, j1 - j0), copy);
            else next = strip_of(&b, 0, k, j1, least(COLUMNS, then - j1), NULL); // another call's
            for (int64_t r = 0; r < rows; r += PANEL) {
                const int64_t m = least(PANEL, rows - r), v = (m + LANES - 1) / LANES, M = rows_m(v);
                const int64_t tiles = (now.k + DEPTH - 1) / DEPTH * ((now.n + M - 1) / M);
                const int64_t each = (next.rows + tiles - 1) / tiles;
                const bool last =
                    r + PANEL >= rows && next.n > 0; // before, it would be driven out of the cache
                const float *from = x + packed_size(rows, k0) + r * now.k;
                memset(sums, 0, (size_t)(now.n * PANEL) * sizeof(float));
                for (int64_t p = 0; p < now.k; p += DEPTH)
                    for (int64_t g = 0; g < now.n; g += M) {
                        const char *onward = (const char *)(from + (p + DEPTH) * PANEL) + g * ONWARD;
                        const Ahead ahead = last ? calls_for(&next, each, g, p)
                                                 : (Ahead){onward, ONWARD / AHEAD, AHEAD, ONWARD};
                        if (p + DEPTH >= now.k)
                            call_for(c + (r + g / 2) * ldc + j, ldc, least(M / 2, m - g / 2), now.n);
                        rows_tile(sums + g * PANEL, least(M, now.n - g), v, w.at + g * wj + p * wk, wj, wk,
                                  from + p * PANEL, least(DEPTH, now.k - p), ahead);
                        if (last) strip_copy(&next, each);
                    }
                put_turned(c + r * ldc + j, ldc, sums, m, now.n, add || k0);
            }
            strip_copy(&next, next.rows);
        }
}

#include "few.h"

static void any_product(float *c, int64_t ldc, const float *a, int64_t ai, int64_t ak, int64_t rows, Right b,
                        int64_t j0, int64_t j1, int64_t then, int64_t k, bool add)
{
    if (!k && !add)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t j = j0; j < j1; j++) c[r * ldc + j] = 0;
    if (ROWS_V > 0 && !ai) product_of_rows(c, ldc, a, rows, b, j0, j1, then, k, add);
    else product(c, ldc, a, ai, ak, rows, b, j0, j1, then, k, add);
}

static void k_gemm_nt(float *c, int64_t ldc, const float *x, int64_t ldx, int64_t rows, const void *w,
                      int type, int64_t ldw, int64_t j0, int64_t j1, int64_t then, int64_t k, bool add)
{
    Right b = {w, type_row_bytes(type, ldw), type, true};
    if (rows > FEW || !ldx) {
        any_product(c, ldc, x, ldx, 1, rows, b, j0, j1, then, k, add);
        return;
    }
    few_rows(c, ldc, x, ldx, rows, &b, j0, j1, k, add);
}

static void k_gemm_nn(float *c, int64_t ldc, const float *a, int64_t ai, int64_t ak, int64_t rows,
                      const void *b, int type, int64_t ldb, int64_t j0, int64_t j1, int64_t then, int64_t k,
                      bool add)
{
    const Right right = {b, type_row_bytes(type, ldb), type, false};
    if (rows > FEW || !ai) any_product(c, ldc, a, ai, ak, rows, right, j0, j1, then, k, add);
    else few_turned(c, ldc, a, ai, ak, rows, &right, j0, j1, k, add);
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
