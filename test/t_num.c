// SPDX-License-Identifier: Apache-2.0
// t_num.c — elementary functions over all floats, and the numbers outside the tape.
//
// Floats are walked by their bits, every stride-th of all 2^32 (a prime, so that all exponents and both signs come by,
// NaN, infinities and subnormals too; TEST_STRIDE=1 in the environment walks every one). The judge is the C library
// in double, whose error is a billionth of a float's last place. The bounds beside each function are what was measured
// with TEST_STRIDE=61, rounded up.
#include "../nn/files/checkpoint.h"
#include "../tensor/kern.h"
#include "../tensor/tensor.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// ------------------------------------------------------------------------------------------------ every float

static double exp64(double x) { return exp(x); }
static double tanh64(double x) { return tanh(x); }
static double erf64(double x) { return erf(x); }
static double relu64(double x) { return x > 0 ? x : x < 0 ? 0 : x; }
static double relu_d64(double x) { return x > 0; }
static double sigmoid64(double x) { return 1 / (1 + exp(-x)); }
static double silu64(double x) { return x * sigmoid64(x); }
static double silu_d64(double x)
{
    return isinf(x) ? x > 0 : sigmoid64(x) + x * sigmoid64(x) * sigmoid64(-x);
}
static double gelu64(double x) { return 0.5 * x * erfc(-x * M_SQRT1_2); }
static double gelu_d64(double x)
{
    double p = exp(-0.5 * x * x) / sqrt(2 * M_PI);
    return 0.5 * erfc(-x * M_SQRT1_2) + (isinf(x) ? 0 : x * p);
}
static double inner64(double x) { return sqrt(2 / M_PI) * (x + 0.044715 * x * x * x); }
static double gelu_tanh64(double x) { return x / (1 + exp(-2 * inner64(x))); } // x/2 (1 + tanh inner)
static double gelu_tanh_d64(double x)
{
    double u = 2 * inner64(x), s = sigmoid64(u);
    if (fabs(u) > 700) return x > 0;
    return s + x * s * sigmoid64(-u) * 2 * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}
static double tanh_d64(double x) { return fabs(x) > 350 ? 0 : 1 / (cosh(x) * cosh(x)); }

enum { EXP = -1, TANH = -2, ERF = -3 };
// The error is counted in last places of y; of y or 1e-35; of y or x; of y or 1: the larger.
typedef enum { OF_Y, OF_NORMAL, OF_X, OF_ONE } Scale;

static const struct {
    const char *name;
    int kind; // a kernel of its own, or an Act
    bool derivative;
    double (*exact)(double);
    Scale scale;
    double bound; // units in the last place
} functions[] = {
    {"exp", EXP, false, exp64, OF_Y, 1.03},
    {"tanh", TANH, false, tanh64, OF_Y, 1.31},
    {"erf", ERF, false, erf64, OF_Y, 1.07},
    {"relu", ACT_RELU, false, relu64, OF_Y, 0},
    {"relu'", ACT_RELU, true, relu_d64, OF_Y, 0},
    {"silu", ACT_SILU, false, silu64, OF_NORMAL, 3.0},
    {"silu'", ACT_SILU, true, silu_d64, OF_ONE, 8.2},
    {"gelu", ACT_GELU, false, gelu64, OF_X, 1.4},
    {"gelu'", ACT_GELU, true, gelu_d64, OF_ONE, 1.2},
    {"gelu_tanh", ACT_GELU_TANH, false, gelu_tanh64, OF_X, 1.5},
    {"gelu_tanh'", ACT_GELU_TANH, true, gelu_tanh_d64, OF_ONE, 4.8},
    {"tanh'", ACT_TANH, true, tanh_d64, OF_ONE, 1.1},
};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions, CHUNK = 4096 };

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static double last_place(double y) // of the float nearest to y
{
    float f = (float)fabs(y);
    uint32_t bits;
    memcpy(&bits, &f, 4);
    int exponent = (int)(bits >> 23);
    return ldexp(1, (exponent < 1 ? 1 : exponent > 254 ? 254 : exponent) - 150);
}

static void compute(int f, float *y, const float *x, int64_t n)
{
    float value[CHUNK];
    switch (functions[f].kind) {
    case EXP:
        K->exp(y, x, n);
        break;
    case TANH:
        K->tanh(y, x, n);
        break;
    case ERF:
        K->erf(y, x, n);
        break;
    default:
        functions[f].derivative ? K->act(value, y, x, n, functions[f].kind)
                                : K->act(y, NULL, x, n, functions[f].kind);
    }
}

static double error_at(int f, float x, float got)
{
    double want = functions[f].exact(x);
    if (isnan(x)) return isnan(got) || functions[f].exact == relu_d64 ? 0 : INFINITY;
    if (isinf(x) && isnan(got)) return 0; // inf * 0
    if (got == (float)want) return 0.5 * (got != want);
    double scale = fabs(want);
    if (functions[f].scale == OF_NORMAL) scale = fmax(scale, 1e-35);
    if (functions[f].scale == OF_X) scale = fmax(scale, fabs(x));
    if (functions[f].scale == OF_ONE) scale = fmax(scale, 1);
    return fabs(got - want) / last_place(scale);
}

TEST(every_function)
{
    uint64_t stride = getenv("TEST_STRIDE") ? strtoull(getenv("TEST_STRIDE"), NULL, 10) : 6007;
    static const uint32_t corners[] = {0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x00800000,
                                       0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000,
                                       0x42b17217, 0x42b17218, 0x42b17219, 0xc2aeac50, 0xc2cff1b4, 0xc2cff1b5,
                                       0xc2d00000, 0x3f200000, 0x3f1fffff, 0x3f800000, 0x3f7fffff, 0x40800000,
                                       0x407fffff, 0x5f000000, 0xdf000000};
    enum { N_CORNERS = sizeof corners / sizeof *corners };
    if (!stride) stride = 1;
    const char *isa[4];
    size_t n_isas = cpu_isas(isa);
    double worst[N_FUNCTIONS] = {0};
    float worst_x[N_FUNCTIONS] = {0};
    float *x = arena_new(A, float, CHUNK), *y = arena_new(A, float, CHUNK),
          *other = arena_new(A, float, CHUNK);
    for (uint64_t at = 0; at < 1ull << 32;) {
        int64_t n = 0;
        for (; !at && n < N_CORNERS; n++) x[n] = float_of(corners[n]);
        for (; n < CHUNK && at < 1ull << 32; at += stride) x[n++] = float_of((uint32_t)at);
        for (int f = 0; f < N_FUNCTIONS; f++) {
            cpu_select(isa[0], NULL);
            compute(f, y, x, n);
            for (int64_t i = 0; i < n; i++) {
                double e = error_at(f, x[i], y[i]);
                if (e > worst[f]) worst[f] = e, worst_x[f] = x[i];
            }
            for (size_t s = 1; s < n_isas; s++) {
                cpu_select(isa[s], NULL);
                compute(f, other, x, n);
                for (int64_t i = 0; i < n; i++)
                    if (memcmp(other + i, y + i, 4) && !(isnan(y[i]) && isnan(other[i])))
                        return FAIL("%s(%a): %s has %a, %s %a", functions[f].name, x[i], isa[s], other[i],
                                    isa[0], y[i]);
            }
        }
        test_count(n * N_FUNCTIONS * (long)n_isas);
    }
    for (int f = 0; f < N_FUNCTIONS; f++) {
        printf("      %-12s at most %.3f units in the last place, at %a\n", functions[f].name, worst[f],
               worst_x[f]);
        if (!(worst[f] <= functions[f].bound))
            FAIL("%s: error %g at %a (%g), bound %g", functions[f].name, worst[f], worst_x[f], worst_x[f],
                 functions[f].bound);
    }
    cpu_select(NULL, NULL);
}

// ------------------------------------------------------------------------------------------------ double

static double places(double got, double want) // distance in last places of a double
{
    if (got == want || (isnan(got) && isnan(want))) return 0;
    double next = nextafter(fabs(want), INFINITY) - fabs(want);
    return fabs(got - want) / next;
}

static double from_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

TEST(log_and_exp)
{
    double worst_log = 0, worst_exp = 0;
    for (uint64_t i = 0; i < 200000; i++) {
        double x = from_bits(i * 0x2f0b4c47b5fu % 0x7ff0000000000000u); // all positive ones, subnormals too
        worst_log = fmax(worst_log, places(num_log(x), log(x)));
        double near = 0.5 + (double)i / 100000;
        worst_log = fmax(worst_log, places(num_log(near), log(near)));
        double y = -746 + (double)i * 0.00728;
        worst_exp = fmax(worst_exp, places(num_exp(y), exp(y)));
        worst_exp = fmax(worst_exp, places(num_exp(y / 1e4), exp(y / 1e4)));
    }
    printf("      log at most %.2f, exp at most %.2f last places of a double\n", worst_log, worst_exp);
    CHECK(worst_log <= 2), CHECK(worst_exp <= 2);
    static const double corners[] = {0,
                                     -0.0,
                                     1,
                                     -1,
                                     5e-324,
                                     2.2250738585072014e-308,
                                     1.7976931348623157e308,
                                     709.43,
                                     709.44,
                                     709.7,
                                     709.78,
                                     709.782712893384,
                                     709.79,
                                     -708,
                                     -709,
                                     -744,
                                     -745,
                                     -745.13,
                                     -745.14,
                                     -746,
                                     1e308,
                                     -1e308,
                                     INFINITY,
                                     -INFINITY,
                                     NAN};
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) {
        double x = corners[i];
        if (places(num_log(x), log(x)) > 2) FAIL("log(%g) is %g, expected %g", x, num_log(x), log(x));
        if (places(num_exp(x), exp(x)) > 2) FAIL("exp(%.17g) is %g, expected %g", x, num_exp(x), exp(x));
        test_count(2);
    }
}

TEST(row_numbers)
{
    cpu_select(NULL, NULL);
    enum { N = 700 };
    float z[N], p[N], ones[N];
    double sum = 0;
    for (int i = 0; i < N; i++) z[i] = (float)sin(i * 1.7) * 20, sum += exp(z[i]), ones[i] = 1;
    CHECK_NEAR(num_log_sum_exp(z, N), log(sum), 3e-7);
    CHECK_NEAR(num_log_sum_exp(z, 1), z[0], 1e-12);
    num_softmax(p, z, N);
    for (int i = 0; i < N; i++) CHECK_NEAR(p[i], exp(z[i]) / sum, 4e-6 * exp(z[i]) / sum + 1e-38);
    for (int i = 0; i < N; i++) z[i] += 1e4f; // no overflow
    CHECK_NEAR(num_log_sum_exp(z, N), 1e4 + log(sum), 2e-3);
    float lost[3] = {-INFINITY, -INFINITY, -INFINITY};
    CHECK(num_log_sum_exp(lost, 3) == -INFINITY);
    lost[1] = 2;
    CHECK_NEAR(num_log_sum_exp(lost, 3), 2, 0);
    CHECK_NEAR(num_dot(ones, ones, N), N, 0);
    num_axpy(p, 0, ones, N);
    float tie[] = {1, 5, 2, 5, 5}, tail[40] = {0};
    CHECK_INT(num_argmax(tie, 5), 1);
    CHECK_INT(num_argmax(tie, 1), 0);
    tail[39] = 1e-30f;
    CHECK_INT(num_argmax(tail, 40), 39);
    tail[3] = tail[20] = 9;
    CHECK_INT(num_argmax(tail, 40), 3);
}

TEST(finite)
{
    cpu_select(NULL, NULL);
    enum { N = 3000 };
    uint16_t half[N];
    float x[N];
    int64_t bad = -1;
    for (int i = 0; i < N; i++) half[i] = 0x3c00, x[i] = 1;
    CHECK(num_all_finite(half, W_F16, N, &bad) && num_all_finite(half, W_BF16, N, &bad) &&
          num_all_finite(x, W_F32, N, &bad));
    half[2999] = 0x7c00;
    CHECK(!num_all_finite(half, W_F16, N, &bad)), CHECK_INT(bad, 2999);
    CHECK(num_all_finite(half, W_BF16, N, &bad));
    half[1024] = 0xff80;
    CHECK(!num_all_finite(half, W_BF16, N, &bad)), CHECK_INT(bad, 1024);
    x[17] = NAN;
    CHECK(!num_all_finite(x, W_F32, N, &bad)), CHECK_INT(bad, 17);
    x[17] = 1e38f, x[18] = 3e38f;
    CHECK(num_all_finite(x, W_F32, N, &bad));
    CHECK(num_all_finite(x, W_F32, 0, &bad));
}

// ------------------------------------------------------------------------------------------------ positions

// Old checkpoints hold the table that NumPy made; ours must have its bits.
TEST(positions_of_an_old_checkpoint)
{
    cpu_select(NULL, NULL);
    Err e = {0};
    Checkpoint *c = checkpoint_open(A, "test/golden/models/marian-en-nl-legacy", &e);
    if (!c) return FAIL("%s", e.text);
    static const char *const names[] = {"model.encoder.embed_positions.weight",
                                        "model.decoder.embed_positions.weight"};
    for (int i = 0; i < 2; i++) {
        const Stored *s = checkpoint_find(c, names[i]);
        CHECK(s && s->dtype == DT_F32 && s->rank == 2);
        if (!s) return;
        float *table = arena_new(A, float, s->dim[0] * s->dim[1]), *want = arena_new(A, float, s->dim[1]);
        num_sinusoids(table, 0, s->dim[0] / 2, s->dim[1]);
        num_sinusoids(table, s->dim[0] / 2, s->dim[0], s->dim[1]);
        for (int64_t p = 0; p < s->dim[0]; p++) {
            const float *row = table + p * s->dim[1];
            num_widen(want, s->data, W_F32, p * s->dim[1], s->dim[1]);
            for (int64_t j = 0; j < s->dim[1]; j++)
                if (row[j] == want[j]) test_count(1);
                else FAIL("%s [%" PRId64 ",%" PRId64 "] is %a, expected %a", names[i], p, j, row[j], want[j]);
        }
    }
}

// Larger tables as NumPy makes them, by FNV-1a of their bytes.
TEST(positions_of_other_widths)
{
    static const struct {
        int64_t rows, width;
        uint64_t hash;
    } tables[] = {{512, 512, 0x22df393f39c365b7},
                  {1024, 1024, 0xfdae5160f743f2a6},
                  {512, 256, 0x8f91152d33f39fb0},
                  {300, 7, 0x7e5a092f0ce8fe68}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        float *table = arena_new(A, float, tables[i].rows *tables[i].width);
        num_sinusoids(table, 0, tables[i].rows, tables[i].width);
        uint64_t hash = 0xcbf29ce484222325u;
        for (int64_t p = 0; p < tables[i].rows; p++) {
            const unsigned char *byte = (const unsigned char *)(table + p * tables[i].width);
            for (int64_t b = 0; b < tables[i].width * 4; b++) hash = (hash ^ byte[b]) * 0x100000001b3u;
        }
        if (hash == tables[i].hash) test_count(1);
        else FAIL("%" PRId64 " x %" PRId64 ": hash %" PRIx64, tables[i].rows, tables[i].width, hash);
    }
}
