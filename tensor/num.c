// SPDX-License-Identifier: Apache-2.0
// num.c — numbers outside the tape: softmax of a row, logarithms, position tables. Nothing here is libm's, because
// libm's last bits differ between versions.
#include "kern.h"
#include "tensor.h"

#include <string.h>

void num_softmax(float *p, const float *z, int64_t n) { K->softmax(p, z, n, NULL, NULL); }
void num_axpy(float *y, float a, const float *x, int64_t n) { K->axpy(y, a, x, n); }
float num_dot(const float *x, const float *y, int64_t n) { return K->dot(x, y, n); }

int64_t num_argmax(const float *z, int64_t n)
{
    float top = K->max(z, n);
    for (int64_t i = 0; i < n; i++)
        if (z[i] == top) return i;
    return 0;
}

// log x = e ln 2 + log(1+f), 1+f in [sqrt(1/2), sqrt(2)); with s = f/(2+f), log(1+f) = f - f^2/2 + s (f^2/2 + R), where R =
// 2 (s^2/3 + s^4/5 + ...): to s^20 it leaves 1e-18. At most 1 last place (test/t_num.c).
double num_log(double x)
{
    if (!(x > 0)) return x == 0 ? -__builtin_inf() : __builtin_nan("");
    if (x > 1.7976931348623157e308) return x;
    int e = 0;
    if (x < 0x1p-1022) x *= 0x1p54, e = -54;
    uint64_t bits;
    memcpy(&bits, &x, 8);
    e += (int)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFu) | 0x3FF0000000000000u;
    memcpy(&x, &bits, 8);
    if (x > 1.4142135623730951) x *= 0.5, e++;
    double f = x - 1, s = f / (2 + f), s2 = s * s, sum = 0, half = 0.5 * f * f;
    for (int k = 21; k >= 3; k -= 2) sum = (sum + 1.0 / k) * s2;
    return e * 6.93147180369123816490e-01 +
           (f - (half - (s * (half + 2 * sum) + e * 1.90821492927058770002e-10)));
}

// e^x = 2^n e^r, |r| <= ln 2 / 2; e^r by its series to r^17. At most 1 last place, subnormal results too.
double num_exp(double x)
{
    if (x != x) return x;
    if (x > 709.79) return __builtin_inf();
    if (x < -745.14) return 0;
    double n = (x * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0;
    double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10, p = 1;
    for (int k = 17; k >= 1; k--) p = 1 + p * r / k;
    int e = (int)n;
    for (; e < -1000; e += 500) p *= 0x1p-500;
    for (; e > 1023; e--) p *= 2; // 2^1024 is no double, but half of it times p can be
    uint64_t bits = (uint64_t)(e + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, 8);
    return p * scale;
}

// Steele, Lea and Flood 2014, doi:10.1145/2714064.2660195. By counter, so that no result depends on the order of asking.
uint64_t num_random(uint64_t seed, uint64_t counter)
{
    uint64_t z = seed * 0xD1B54A32D192ED03u + (counter + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

double num_log_sum_exp(const float *z, int64_t n)
{
    float top = K->max(z, n);
    if (top - top != 0) return (double)top; // all are -inf, or one is inf
    double sum = 0;
    float e[256];
    for (int64_t i = 0; i < n; i += 256) {
        int64_t m = n - i < 256 ? n - i : 256;
        for (int64_t j = 0; j < m; j++) e[j] = z[i + j] - top;
        K->exp(e, e, m);
        sum += (double)K->sum(e, m);
    }
    return (double)top + num_log(sum);
}

void num_widen(float *out, const void *raw, WType type, int64_t at, int64_t n)
{
    K->widen(out, raw, (int)type, at, n);
}

void num_weight_row(float *out, const Tensor *w, int64_t row)
{
    if (!w->turned) num_widen(out, w->raw ? w->raw : w->f, w->type, row * w->cols, w->cols);
    for (int64_t i = 0; w->turned && i < w->cols; i++)
        num_widen(out + i, w->raw, w->type, i * w->rows + row, 1);
}

void num_weight_rows(float *out, const Tensor *w, int64_t row, int64_t n)
{
    for (int64_t i = 0; i < n; i++) num_weight_row(out + i * w->cols, w, row + i);
}

bool num_all_finite(const void *raw, WType type, int64_t n, int64_t *bad_at)
{
    float part[1024];
    for (int64_t i = 0; i < n; i += 1024) {
        int64_t m = n - i < 1024 ? n - i : 1024;
        num_widen(part, raw, type, i, m);
        for (int64_t j = 0; j < m; j++)
            if (part[j] - part[j] != 0) return *bad_at = i + j, false;
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ sines
//
// Marian's table is computed in float64 by NumPy and then rounded to float32; an error far below half a float32 ulp
// therefore gives the same table (test/t_num.c compares it with the one stored in old checkpoints).

// x in [-pi/4, pi/4]: Taylor series to x^17 / x^18, remainder below 1e-18.
static double small_sin(double x)
{
    static const double c[] = {1.0 / 355687428096000, -1.0 / 1307674368000, 1.0 / 6227020800, -1.0 / 39916800,
                               1.0 / 362880,          -1.0 / 5040,          1.0 / 120,        -1.0 / 6};
    double t = x * x, s = c[0];
    for (int k = 1; k < 8; k++) s = s * t + c[k];
    return x + x * t * s;
}

static double small_cos(double x)
{
    static const double c[] = {-1.0 / 6402373705728000,
                               1.0 / 20922789888000,
                               -1.0 / 87178291200,
                               1.0 / 479001600,
                               -1.0 / 3628800,
                               1.0 / 40320,
                               -1.0 / 720,
                               1.0 / 24,
                               -1.0 / 2};
    double t = x * x, s = c[0];
    for (int k = 1; k < 9; k++) s = s * t + c[k];
    return 1 + t * s;
}

static double sine(double x, int quarter) // sin(x + quarter pi / 2), 0 <= x < 1e6
{
    double n = (x * 0.63661977236758134 + 6755399441055744.0) - 6755399441055744.0;
    double r = x - n * 1.57079632673412561417e+00; // pi/2 in three parts of 33 bits: exact products
    r -= n * 6.07710050630396597660e-11;
    r -= n * 2.02226624879595063154e-21;
    int q = (int)(((int64_t)n + quarter) & 3);
    double s = q & 1 ? small_cos(r) : small_sin(r);
    return q & 2 ? -s : s;
}

// sin in the first half, cos in the second, of position / 10000^(2i / width), i the place in its half: Marian's layout.
void num_sinusoids(float *table, int64_t from, int64_t to, int64_t width)
{
    int64_t half = (width + 1) / 2; // an odd width has one sine more
    for (int64_t i = 0; i < half; i++) {
        double period = num_exp(2.0 * (double)i / (double)width * 9.2103403719761836);
        for (int64_t p = from; p < to; p++) {
            double angle = (double)p / period;
            table[p * width + i] = (float)sine(angle, 0);
            if (half + i < width) table[p * width + half + i] = (float)sine(angle, 1);
        }
    }
}

void num_halved_sinusoids(float *table, const float *frequency, int64_t from, int64_t to, int64_t width)
{
    int64_t half = width / 2;
    for (int64_t p = from; p < to; p++) {
        float *row = table + p * width;
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)((float)p * frequency[i]);
            row[i] = (float)sine(angle, 0), row[half + i] = (float)sine(angle, 1);
        }
        if (width % 2) row[width - 1] = 0;
    }
}

void num_rotations(float *table, const float *frequency, int64_t pairs, int64_t from, int64_t to, float scale)
{
    for (int64_t p = from; p < to; p++)
        for (int64_t i = 0; i < pairs; i++) {
            double angle = (double)((float)p * frequency[i]);
            table[(p * pairs + i) * 2] = (float)sine(angle, 1) * scale;
            table[(p * pairs + i) * 2 + 1] = (float)sine(angle, 0) * scale;
        }
}
