// SPDX-License-Identifier: Apache-2.0
// t_kern.c — every inner loop against a plain reference, and the same bits on every instruction set of this machine.
//
// Row kernels: one case for each line of kern.def (a line without a case does not compile) computes the definition in
// double. Inputs begin at odd floats and are followed by NaN, outputs by a canary: a lane too many shows. Products:
// the reference is their definition, one chain of fmaf per block of K_BLOCK in order, so equality is in bits.
#include "../tensor/kern.h"
#include "../tensor/tensor.h"
#include "test.h"

#include <math.h>

enum { MOST = 1100, TAIL = 40 };

// ------------------------------------------------------------------------------------------------ numbers to try

static uint64_t random_u64(uint64_t *state) // splitmix64: Steele, Lea and Flood 2014
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static float random_float(uint64_t *state) // about normal, variance 1
{
    double s = 0;
    for (int i = 0; i < 4; i++) s += (double)(random_u64(state) >> 11) * 0x1p-53 - 0.5;
    return (float)(s * 1.7320508);
}

static int64_t random_below(uint64_t *state, int64_t n) { return (int64_t)(random_u64(state) % (uint64_t)n); }

static bool same_bits(float a, float b) { return !memcmp(&a, &b, sizeof a) || (isnan(a) && isnan(b)); }

// ------------------------------------------------------------------------------------------------ row kernels

typedef struct Row {
    int64_t n;
    const float *a, *b, *c, *d; // [n] inputs
    float *y, *z, *s;           // [n] outputs, filled with inputs before the call; s: a few numbers
    double *want_y, *want_z, want_s[2];
    double slack; // allowed error, relative to 1 + |wanted|, in units of 2^-24
    Arena *A;
} Row;

#define EACH for (int64_t i = 0; i < r->n; i++)

static void case_pack(Row *r) { (void)r; } // pack, gemm_nt, gemm_nn: TEST(products) below
static void case_gemm_nt(Row *r) { (void)r; }
static void case_gemm_nn(Row *r) { (void)r; }

static void case_add(Row *r)
{
    EACH r->want_y[i] = (float)(r->a[i] + r->b[i]);
    K->add(r->y, r->a, r->b, r->n), r->slack = 0;
}

static void case_axpy(Row *r)
{
    EACH r->want_y[i] = fmaf(0.3f, r->a[i], r->y[i]);
    K->axpy(r->y, 0.3f, r->a, r->n), r->slack = 0;
}

static void case_scale(Row *r)
{
    EACH r->want_y[i] = 0.3f * r->a[i];
    K->scale(r->y, 0.3f, r->a, r->n), r->slack = 0;
}

static void case_mul(Row *r)
{
    EACH r->want_y[i] = r->a[i] * r->b[i];
    K->mul(r->y, r->a, r->b, r->n), r->slack = 0;
}

static void case_mul_add(Row *r)
{
    EACH r->want_y[i] = fmaf(r->a[i], r->b[i], r->y[i]);
    K->mul_add(r->y, r->a, r->b, r->n), r->slack = 0;
}

static double fold(double lane[16]) // the order that kern.c promises, each step rounded to float
{
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) lane[i] = (float)lane[i] + (float)lane[i + half];
    return (float)lane[0];
}

static void case_dot(Row *r)
{
    double lane[16] = {0};
    EACH lane[i % 16] = fmaf(r->a[i], r->b[i], (float)lane[i % 16]);
    r->want_s[0] = fold(lane), r->s[0] = K->dot(r->a, r->b, r->n), r->slack = 0;
}

static void case_sum(Row *r)
{
    double lane[16] = {0};
    EACH lane[i % 16] = (float)lane[i % 16] + r->a[i];
    r->want_s[0] = fold(lane), r->s[0] = K->sum(r->a, r->n), r->slack = 0;
}

static void case_max(Row *r)
{
    r->want_s[0] = -INFINITY;
    EACH if (r->a[i] > r->want_s[0]) r->want_s[0] = r->a[i];
    r->s[0] = K->max(r->a, r->n), r->slack = 0;
}

static double half_value(uint16_t h) // IEEE 754 binary16, by the book
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double x = exponent == 31 ? fraction ? NAN : INFINITY
               : exponent     ? ldexp(1024 + fraction, exponent - 25)
                              : ldexp(fraction, -24);
    return h & 0x8000 ? -x : x;
}

static float brain_value(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static void case_widen(Row *r) // all three types, one after the other, from an odd address
{
    char *raw = arena_new(r->A, char, r->n * 4 + 1);
    memcpy(raw + 1, r->a, (size_t)r->n * 4);
    K->widen(r->z, raw + 1, W_F32, 0, r->n);
    EACH r->want_z[i] = r->a[i];
    EACH
    {
        uint16_t h;
        memcpy(&h, raw + 1 + 2 * i, 2);
        r->want_y[i] = r->n % 2 ? half_value(h) : brain_value(h);
    }
    K->widen(r->y, raw + 1, r->n % 2 ? W_F16 : W_BF16, 0, r->n), r->slack = 0;
}

static void case_act(Row *r) // sizes of several kinds of activation; accuracy itself is in t_num.c
{
    Act kind = (Act)(r->n % 5);
    EACH
    {
        double x = r->a[i], s = 1 / (1 + exp(-x)), p = 0.5 * erfc(-x * M_SQRT1_2);
        double c = sqrt(2 / M_PI), t = tanh(c * (x + 0.044715 * x * x * x));
        double y[] = {x > 0 ? x : 0, x * s, x * p, 0.5 * x * (1 + t), tanh(x)};
        double d[] = {x > 0, s + x * s * (1 - s), p + x * exp(-x * x / 2) / sqrt(2 * M_PI),
                      0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x),
                      1 - tanh(x) * tanh(x)};
        r->want_y[i] = y[kind], r->want_z[i] = d[kind];
    }
    K->act(r->y, r->z, r->a, r->n, (int)kind), r->slack = 16;
    float *alone = arena_new(r->A, float, r->n); // without the derivative, the same
    K->act(alone, NULL, r->a, r->n, (int)kind);
    EACH if (!same_bits(alone[i], r->y[i]))
        FAIL("act %d without derivative differs at %" PRId64, (int)kind, i);
}

static void case_exp(Row *r)
{
    EACH r->want_y[i] = exp(r->a[i]);
    K->exp(r->y, r->a, r->n), r->slack = 2;
}

static void case_tanh(Row *r)
{
    EACH r->want_y[i] = tanh(r->a[i]);
    K->tanh(r->y, r->a, r->n), r->slack = 2;
}

static void case_erf(Row *r)
{
    EACH r->want_y[i] = erf(r->a[i]);
    K->erf(r->y, r->a, r->n), r->slack = 2;
}

static void case_softmax(Row *r)
{
    double top = -INFINITY, sum = 0;
    EACH if (r->a[i] > top) top = r->a[i];
    EACH sum += exp(r->a[i] - top);
    EACH r->want_y[i] = exp(r->a[i] - top) / sum;
    r->want_s[0] = top, r->want_s[1] = sum;
    K->softmax(r->y, r->a, r->n, r->s, r->s + 1), r->slack = 8;
}

static void case_softmax_dx(Row *r)
{
    double mean = 0;
    EACH mean += (double)r->a[i] * r->b[i];
    EACH r->want_y[i] = r->y[i] + r->b[i] * (r->a[i] - mean);
    K->softmax_dx(r->y, r->a, r->b, r->n), r->slack = 100;
}

static double mean_of(const float *x, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += x[i];
    return n ? s / (double)n : 0;
}

static double variance_of(const float *x, int64_t n, double mean)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (x[i] - mean) * (x[i] - mean);
    return n ? s / (double)n : 0;
}

static void case_layernorm(Row *r)
{
    double mean = mean_of(r->a, r->n), inverse = 1 / sqrt(variance_of(r->a, r->n, mean) + 1e-5f);
    EACH r->want_y[i] = (r->a[i] - mean) * inverse * r->b[i] + r->c[i];
    r->want_s[0] = mean, r->want_s[1] = inverse;
    K->layernorm(r->y, r->s, r->a, r->b, r->c, r->n, 1e-5f), r->slack = r->n > 2 ? 16 : 4e4;
    if (!r->n) r->want_s[0] = r->want_s[1] = r->s[0] = r->s[1] = 0; // no mean of nothing
}

static void case_layernorm_dx(Row *r) // a: dy, b: x, c: g
{
    float stat[2] = {0.25f, 1.5f};
    double mean = 0, along = 0;
    EACH mean += (double)r->c[i] * r->a[i] / (double)r->n;
    EACH along += (double)r->c[i] * r->a[i] * (r->b[i] - 0.25) * 1.5 / (double)r->n;
    EACH r->want_y[i] = r->y[i] + 1.5 * ((double)r->c[i] * r->a[i] - mean - (r->b[i] - 0.25) * 1.5 * along);
    K->layernorm_dx(r->y, r->a, r->b, stat, r->c, r->n), r->slack = 40;
}

static void case_layernorm_dg(Row *r)
{
    float stat[2] = {0.25f, 1.5f};
    EACH r->want_y[i] = r->y[i] + (double)r->a[i] * (r->b[i] - 0.25) * 1.5,
         r->want_z[i] = (double)r->z[i] + r->a[i];
    K->layernorm_dg(r->y, r->z, r->a, r->b, stat, r->n), r->slack = 4;
}

static void case_rmsnorm(Row *r)
{
    double inverse = 1 / sqrt(variance_of(r->a, r->n, 0) + 1e-6f);
    EACH r->want_y[i] = r->a[i] * inverse * r->b[i];
    r->want_s[0] = inverse;
    K->rmsnorm(r->y, r->s, r->a, r->b, r->n, 1e-6f), r->slack = 16;
    if (!r->n) r->want_s[0] = r->s[0] = 0;
}

static void case_rmsnorm_dx(Row *r)
{
    float stat = 1.5f;
    double along = 0;
    EACH along += (double)r->c[i] * r->a[i] * r->b[i] * 1.5 / (double)r->n;
    EACH r->want_y[i] = r->y[i] + 1.5 * ((double)r->c[i] * r->a[i] - r->b[i] * 1.5 * along);
    K->rmsnorm_dx(r->y, r->a, r->b, &stat, r->c, r->n), r->slack = 40;
}

static void case_rmsnorm_dg(Row *r)
{
    float stat = 1.5f;
    EACH r->want_y[i] = r->y[i] + (double)r->a[i] * r->b[i] * 1.5;
    K->rmsnorm_dg(r->y, r->a, r->b, &stat, r->n), r->slack = 4;
}

static void case_spin_fma(Row *r) { (void)r; } // TEST(peak_of_chains_that_differ) below
static void case_spin_read(Row *r) { CHECK(isfinite(K->spin_read(r->a, r->n))); }

static const struct {
    const char *name;
    void (*run)(Row *);
} cases[] = {
#define KERN(returns, name, args) {#name, case_##name},
#include "../tensor/kern.def"
#undef KERN
};
enum { N_CASES = sizeof cases / sizeof *cases };

static float *odd_floats(Arena *A, uint64_t *state, int64_t n, float tail)
{
    float *x = arena_new(A, float, n + TAIL) + 1;
    for (int64_t i = 0; i < n; i++) x[i] = random_float(state);
    for (int64_t i = n; i < n + TAIL - 1; i++) x[i] = tail;
    return x;
}

static void check_row(const Row *r, const char *what, const float *got, const double *want, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double allowed = r->slack * 0x1p-24 * (1 + fabs(want[i]));
        if ((isnan(got[i]) && isnan(want[i])) || got[i] == want[i] || fabs(got[i] - want[i]) <= allowed)
            test_count(1);
        else
            return FAIL("%s %s n %" PRId64 " [%" PRId64 "]: %.9g, expected %.9g", K->isa, what, r->n, i,
                        got[i], want[i]);
    }
}

// One case at one size; leaves y, z, s in out [2 n + 2].
static void run_row(Arena *A, int k, int64_t n, float *out)
{
    uint64_t state = (uint64_t)(n * 100 + k);
    Row r = {.n = n, .A = A};
    r.a = odd_floats(A, &state, n, NAN), r.b = odd_floats(A, &state, n, NAN),
    r.c = odd_floats(A, &state, n, NAN);
    r.y = odd_floats(A, &state, n, 77), r.z = odd_floats(A, &state, n, 77),
    r.s = odd_floats(A, &state, 2, 77);
    r.want_y = arena_new(A, double, n), r.want_z = arena_new(A, double, n);
    for (int64_t i = 0; i < n; i++) r.want_y[i] = r.y[i], r.want_z[i] = r.z[i];
    r.want_s[0] = r.s[0], r.want_s[1] = r.s[1];
    cases[k].run(&r);
    check_row(&r, cases[k].name, r.y, r.want_y, n), check_row(&r, cases[k].name, r.z, r.want_z, n);
    r.slack = r.slack * 4 + 1;
    check_row(&r, cases[k].name, r.s, r.want_s, 2);
    for (int i = 0; i < TAIL - 1; i++)
        if (r.y[n + i] != 77 || r.z[n + i] != 77 || r.s[2 + i] != 77)
            FAIL("%s %s wrote too far", K->isa, cases[k].name);
    memcpy(out, r.y, (size_t)n * 4), memcpy(out + n, r.z, (size_t)n * 4), memcpy(out + 2 * n, r.s, 8);
}

TEST(rows)
{
    static const int64_t sizes[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 511, 512, 513, 1025};
    const char *isa[4];
    size_t n_isas = cpu_isas(isa);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int k = 0; k < N_CASES; k++) {
            Arena *a = arena_create(A);
            float *first = arena_new(a, float, 2 * MOST + 2), *out = arena_new(a, float, 2 * MOST + 2);
            for (size_t i = 0; i < n_isas; i++) {
                cpu_select(isa[i], NULL);
                run_row(a, k, sizes[s], i ? out : first);
                for (int64_t j = 0; i && j < 2 * sizes[s] + 2; j++)
                    if (!same_bits(out[j], first[j]))
                        FAIL("%s n %" PRId64 ": %s has %a at %" PRId64 ", %s %a", cases[k].name, sizes[s],
                             isa[i], out[j], j, isa[0], first[j]);
            }
            arena_free(a);
        }
    cpu_select(NULL, NULL);
}

// A NaN must come out as a NaN, or errors would hide.
TEST(nan_passes)
{
    const char *isa[4];
    for (size_t i = 0, n = cpu_isas(isa); i < n; i++) {
        cpu_select(isa[i], NULL);
        for (int64_t at = 0; at < 17; at += 16) {
            float x[17] = {0}, y[17], d[17];
            x[at] = NAN;
            K->exp(y, x, 17), CHECK(isnan(y[at]));
            K->tanh(y, x, 17), CHECK(isnan(y[at]));
            K->erf(y, x, 17), CHECK(isnan(y[at]));
            K->softmax(y, x, 17, NULL, NULL), CHECK(isnan(y[at]) && isnan(y[1]));
            for (int kind = 0; kind < 5; kind++) K->act(y, d, x, 17, kind), CHECK(isnan(y[at]));
            CHECK(isnan(K->sum(x, 17)) && isnan(K->dot(x, x, 17)));
        }
    }
    cpu_select(NULL, NULL);
}

// ------------------------------------------------------------------------------------------------ products

typedef struct Weights { // any type, at an odd address
    int type;
    char *raw;
    float *value;
} Weights;

static Weights random_weights(Arena *A, uint64_t *state, int type, int64_t n)
{
    Weights w = {.type = type, .raw = arena_new(A, char, n * 4 + 1), .value = arena_new(A, float, n)};
    w.raw++;
    for (int64_t i = 0; i < n; i++) {
        float x = random_float(state);
        if (type == W_F32) memcpy(w.raw + 4 * i, &x, 4);
        else {
            uint16_t h = (uint16_t)random_u64(state); // any finite number near 1, or a small one
            h = (uint16_t)(type == W_F16 ? (h & 0xBFFF) : ((h & 0x807F) | (0x3E + (h >> 13)) << 7));
            memcpy(w.raw + 2 * i, &h, 2);
            x = type == W_F16 ? (float)half_value(h) : brain_value(h);
        }
        w.value[i] = x;
    }
    return w;
}

typedef struct Product {
    bool nt, add, packed;
    int64_t rows, n, k, lda_i, lda_k, ldw, ldc, j0, j1;
    const float *a;
    Weights w;
    float *before;
} Product;

static float plain(const Product *p, int64_t i, int64_t j)
{
    float c = p->add ? p->before[i * p->ldc + j] : 0;
    for (int64_t k0 = 0; k0 < p->k; k0 += K_BLOCK) {
        float s = 0;
        for (int64_t k = k0; k < p->k && k < k0 + K_BLOCK; k++) {
            float x = p->a[i * p->lda_i + k * p->lda_k],
                  w = p->w.value[p->nt ? j * p->ldw + k : k * p->ldw + j];
            s = fmaf(x, w, s);
        }
        c = k0 || p->add ? c + s : s;
    }
    return c;
}

static void run_product(Arena *A, const Product *p, float *c)
{
    memcpy(c, p->before, (size_t)(p->rows * p->ldc + 1) * 4);
    const float *a = p->a;
    int64_t ai = p->lda_i;
    if (p->packed && p->k) { // in two parts
        float *out = arena_new(A, float, packed_size(p->rows, p->k));
        int64_t half = p->rows / 2 / PANEL * PANEL;
        K->pack(out, p->a, ai, p->lda_k, p->rows, p->k, 0, half);
        K->pack(out, p->a, ai, p->lda_k, p->rows, p->k, half, p->rows);
        a = out, ai = 0;
    }
    if (p->nt)
        K->gemm_nt(c, p->ldc, a, ai, p->rows, p->w.raw, p->w.type, p->ldw, p->j0, p->j1, p->j1, p->k, p->add);
    else
        K->gemm_nn(c, p->ldc, a, ai, p->lda_k, p->rows, p->w.raw, p->w.type, p->ldw, p->j0, p->j1, p->j1,
                   p->k, p->add);
}

static void check_product(Arena *A, uint64_t seed)
{
    static const int64_t ks[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 511, 512, 513, 1025};
    static const int64_t ms[] = {0, 1, 2, 3, 4, 5, 8, 12, 13, 15, 16, 17, 24, 31, 32, 33, 49, 65, 130};
    uint64_t state = seed;
    Product p = {.nt = seed & 1, .add = random_below(&state, 2), .packed = random_below(&state, 2)};
    p.rows = ms[random_below(&state, 19)], p.n = ms[random_below(&state, 19)],
    p.k = ks[random_below(&state, 13)];
    int64_t inner = random_below(&state, 3);
    bool turned = !p.nt && random_below(&state, 2);
    p.lda_i = turned ? 1 : p.k + inner, p.lda_k = turned ? p.rows + inner : 1;
    p.ldw = (p.nt ? p.k : p.n) + random_below(&state, 3), p.ldc = p.n + random_below(&state, 3);
    p.j0 = random_below(&state, 2) ? 0 : random_below(&state, p.n + 1);
    p.j1 = random_below(&state, 2) ? p.n : p.j0 + random_below(&state, p.n - p.j0 + 1);
    p.a = odd_floats(A, &state, (turned ? p.k : p.rows) * (turned ? p.lda_k : p.lda_i), NAN);
    p.w = random_weights(A, &state, (int)random_below(&state, 3), (p.nt ? p.n : p.k) * p.ldw);
    p.before = odd_floats(A, &state, p.rows * p.ldc + 1, 0);
    float *want = arena_new(A, float, p.rows *p.ldc + 1), *got = arena_new(A, float, p.rows *p.ldc + 1);
    memcpy(want, p.before, (size_t)(p.rows * p.ldc + 1) * 4);
    for (int64_t i = 0; i < p.rows; i++)
        for (int64_t j = p.j0; j < p.j1; j++) want[i * p.ldc + j] = plain(&p, i, j);
    const char *isa[4];
    for (size_t i = 0, n = cpu_isas(isa); i < n; i++) {
        cpu_select(isa[i], NULL);
        run_product(A, &p, got);
        for (int64_t j = 0; j < p.rows * p.ldc + 1; j++)
            if (same_bits(got[j], want[j])) test_count(1);
            else {
                FAIL("%s %s %" PRId64 "x%" PRId64 "x%" PRId64 " type %d add %d j %" PRId64 "..%" PRId64
                     " ld %" PRId64 " seed %" PRIu64 " [%" PRId64 ",%" PRId64 "]: %.9g, expected %.9g",
                     isa[i], p.nt ? "nt" : "nn", p.rows, p.n, p.k, p.w.type, p.add, p.j0, p.j1, p.ldc, seed,
                     j / p.ldc, j % p.ldc, got[j], want[j]);
                break;
            }
    }
}

TEST(products)
{
    for (uint64_t seed = 0; seed < 600; seed++) {
        Arena *a = arena_create(A);
        check_product(a, seed);
        arena_free(a);
    }
    cpu_select(NULL, NULL);
}

// The definition agrees with mathematics: blocks of chains lose no more than a plain sum would.
TEST(products_are_accurate)
{
    uint64_t state = 7;
    enum { N = 2048 };
    Product p = {.nt = true, .rows = 1, .n = 1, .k = N, .lda_i = N, .lda_k = 1, .ldw = N, .ldc = 1, .j1 = 1};
    p.a = odd_floats(A, &state, N, NAN), p.w = random_weights(A, &state, W_F32, N),
    p.before = arena_new(A, float, 2);
    double exact = 0, size = 0;
    for (int64_t i = 0; i < N; i++)
        exact += (double)p.a[i] * p.w.value[i], size += fabs((double)p.a[i] * p.w.value[i]);
    CHECK_NEAR(plain(&p, 0, 0), exact, size * 0x1p-24 * 24);
}

// Wherever a half-precision number can be: all 65536 of both kinds.
TEST(every_half)
{
    enum { N = 65536 };
    uint16_t *raw = arena_new(A, uint16_t, N);
    float *got = arena_new(A, float, N);
    const char *isa[4];
    for (int64_t i = 0; i < N; i++) raw[i] = (uint16_t)i;
    for (size_t s = 0, n = cpu_isas(isa); s < n; s++) {
        cpu_select(isa[s], NULL);
        for (int type = W_F16; type <= W_BF16; type++) {
            K->widen(got, raw, type, 0, N);
            for (int64_t i = 0; i < N; i++)
                if (same_bits(got[i], type == W_F16 ? (float)half_value(raw[i]) : brain_value(raw[i])))
                    test_count(1);
                else FAIL("%s: type %d, %04x became %a", isa[s], type, (unsigned)raw[i], got[i]);
        }
    }
    cpu_select(NULL, NULL);
}

// The peak is measured by chains that all differ and are all computed: one made of two would double it.
TEST(peak_of_chains_that_differ)
{
    enum { ROUNDS = 37 };
    const char *isa[4];
    for (size_t s = 0, n = cpu_isas(isa); s < n; s++) {
        cpu_select(isa[s], NULL);
        uint64_t state = 3;
        float chain[SPINNERS], want[SPINNERS];
        for (int i = 0; i < SPINNERS; i++) chain[i] = want[i] = random_float(&state);
        K->spin_fma(chain, ROUNDS);
        for (int i = 0; i < SPINNERS; i++) {
            for (int r = 0; r < ROUNDS; r++) want[i] = fmaf(want[i], 0.999f, 1e-9f);
            if (same_bits(chain[i], want[i])) test_count(1);
            else FAIL("%s: chain %d became %a, expected %a", isa[s], i, chain[i], want[i]);
        }
    }
    cpu_select(NULL, NULL);
}

TEST(selecting_a_set)
{
    Err e = {0};
    CHECK(!cpu_select("sse9", &e));
    CHECK_HAS(e.text, "sse9");
    const char *isa[4];
    size_t n = cpu_isas(isa);
    CHECK(n >= 1 && !strcmp(isa[n - 1], "scalar"));
    for (size_t i = 0; i < n; i++) CHECK(cpu_select(isa[i], NULL) && !strcmp(cpu_isa(), isa[i]));
    CHECK(cpu_select(NULL, NULL));
}
