// SPDX-License-Identifier: Apache-2.0
// narrow.c — float32 numbers as a type of weights stores them: to nearest, ties to even, or in blocks of 32 as ggml's
// reference quantizers make them (quantize_row_*_ref; the gguf package's quants.py), bit for bit. blocks.h is the way back.
//
//   Q8_0         q = round(x / d), halves away from zero          d = max |x| / 127
//   Q4_0, Q5_0   n = floor(x / d + 8.5), of 5 bits 16.5           d = x / -8 of the x of largest magnitude, of 5 bits / -16
//   Q4_1, Q5_1   n = floor((x - min) / d + 0.5)                   d = (max - min) / 15, of 5 bits / 31
//
// x / d is x times 1 / d, each rounded; what is stored of d is its half float, by which nothing is divided again. Where d is
// so small that 1 / d is infinite all of the block is zero, whatever the numbers are.
#include "tensor.h"

#include <string.h>

enum { BLOCK = 32 };

static uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static bool finite(float x) { return x - x == 0; }

static float size_of(float x) { return x < 0 ? -x : x; }

static uint16_t half_of(float x) // infinity from 65520 on
{
    const uint32_t u = bits_of(x), sign = u >> 16 & 0x8000, a = u & 0x7FFFFFFF;
    if (a >= 0x47800000) return (uint16_t)(sign | 0x7C00);
    if (a < 0x38800000) // below 2^-14: a whole number of 2^-24, which stands at the end of 0.5 + |x|
        return (uint16_t)(sign | (bits_of(size_of(x) + 0.5F) - 0x3F000000));
    return (uint16_t)(sign | ((a + 0xFFF + (a >> 13 & 1) - 0x38000000) >> 13));
}

static bool put_half(uint8_t *out, float x) // false: too large
{
    const uint16_t h = half_of(x);
    out[0] = (uint8_t)h, out[1] = (uint8_t)(h >> 8);
    return (h & 0x7C00) != 0x7C00;
}

// Each narrows a block: -1, or the number in it that has no place.
typedef int64_t Narrow(uint8_t *out, const float *x);

static int64_t narrow_F32(uint8_t *out, const float *x) { return memcpy(out, x, sizeof *x), -1; }

static int64_t narrow_F16(uint8_t *out, const float *x) { return put_half(out, *x) && finite(*x) ? -1 : 0; }

static int64_t narrow_BF16(uint8_t *out, const float *x)
{
    const uint32_t u = bits_of(*x), h = (u + 0x7FFF + (u >> 16 & 1)) >> 16;
    out[0] = (uint8_t)h, out[1] = (uint8_t)(h >> 8);
    return finite(*x) && (h & 0x7F80) != 0x7F80 ? -1 : 0;
}

static int64_t largest(const float *x) // the first among equals
{
    int64_t at = 0;
    for (int64_t i = 1; i < BLOCK; i++)
        if (size_of(x[i]) > size_of(x[at])) at = i;
    return at;
}

static int64_t not_finite(const float *x) // -1: all are
{
    for (int64_t i = 0; i < BLOCK; i++)
        if (!finite(x[i])) return i;
    return -1;
}

static float inverse(float d)
{
    const float i = d != 0 ? 1 / d : 0;
    return finite(i) ? i : 0;
}

static int64_t narrow_Q8_0(uint8_t *out, const float *x)
{
    const int64_t bad = not_finite(x), at = largest(x);
    if (bad >= 0) return bad;
    const float d = size_of(x[at]) / 127, id = inverse(d);
    for (int i = 0; i < BLOCK; i++) {
        const float v = x[i] * id, a = size_of(v);
        int n = (int)a;
        n += a - (float)n >= 0.5F;
        out[2 + i] = (uint8_t)(v < 0 ? -n : n);
    }
    return put_half(out, d) ? -1 : at;
}

// n [32] below 16 as sixteen bytes, the first half low.
static void put_nibbles(uint8_t *out, const uint8_t *n)
{
    for (int i = 0; i < BLOCK / 2; i++) out[i] = (uint8_t)((n[i] & 15) | n[i + 16] << 4);
}

static void put_fifth_bits(uint8_t *out, const uint8_t *n)
{
    memset(out, 0, 4);
    for (int i = 0; i < BLOCK; i++) out[i / 8] |= (uint8_t)((n[i] >> 4) << i % 8);
}

static uint8_t whole(float v, int most) // v > -1
{
    const int n = (int)v;
    return (uint8_t)(n < most ? n : most);
}

// d n with numbers around `middle`; returns as a Narrow.
static int64_t around(uint8_t *d_out, uint8_t *n, const float *x, int middle)
{
    const int64_t bad = not_finite(x), at = largest(x);
    if (bad >= 0) return bad;
    const float d = x[at] / (float)-middle, id = inverse(d);
    for (int i = 0; i < BLOCK; i++) n[i] = whole(x[i] * id + ((float)middle + 0.5F), 2 * middle - 1);
    return put_half(d_out, d) ? -1 : at;
}

// d n + m with numbers from 0 to `most`.
static int64_t above(uint8_t *d_out, uint8_t *n, const float *x, int most)
{
    const int64_t bad = not_finite(x);
    if (bad >= 0) return bad;
    float low = x[0], high = x[0];
    for (int i = 1; i < BLOCK; i++) low = x[i] < low ? x[i] : low, high = x[i] > high ? x[i] : high;
    const float d = (high - low) / (float)most, id = inverse(d);
    if (!put_half(d_out, d) || !put_half(d_out + 2, low)) return largest(x); // d may be infinite
    for (int i = 0; i < BLOCK; i++) n[i] = whole((x[i] - low) * id + 0.5F, most);
    return -1;
}

static int64_t narrow_Q4_0(uint8_t *out, const float *x)
{
    uint8_t n[BLOCK];
    const int64_t bad = around(out, n, x, 8);
    if (bad < 0) put_nibbles(out + 2, n);
    return bad;
}

static int64_t narrow_Q5_0(uint8_t *out, const float *x)
{
    uint8_t n[BLOCK];
    const int64_t bad = around(out, n, x, 16);
    if (bad < 0) put_fifth_bits(out + 2, n), put_nibbles(out + 6, n);
    return bad;
}

static int64_t narrow_Q4_1(uint8_t *out, const float *x)
{
    uint8_t n[BLOCK];
    const int64_t bad = above(out, n, x, 15);
    if (bad < 0) put_nibbles(out + 4, n);
    return bad;
}

static int64_t narrow_Q5_1(uint8_t *out, const float *x)
{
    uint8_t n[BLOCK];
    const int64_t bad = above(out, n, x, 31);
    if (bad < 0) put_fifth_bits(out + 4, n), put_nibbles(out + 8, n);
    return bad;
}

static Narrow *const narrow[W_TYPES] = {
    [W_F32] = narrow_F32,   [W_F16] = narrow_F16,   [W_BF16] = narrow_BF16, [W_Q8_0] = narrow_Q8_0,
    [W_Q4_0] = narrow_Q4_0, [W_Q4_1] = narrow_Q4_1, [W_Q5_0] = narrow_Q5_0, [W_Q5_1] = narrow_Q5_1,
};

bool num_narrows(WType type) { return narrow[type] != NULL; }

int64_t num_narrow(void *out, const float *x, WType type, int64_t n)
{
    const int64_t each = type_elements(type), bytes = type_bytes(type, each);
    uint8_t *to = out;
    if (!narrow[type] || n % each) BUG("%" PRId64 " numbers cannot be narrowed to type %d", n, (int)type);
    if (type == W_F32) return memcpy(to, x, (size_t)n * sizeof *x), -1;
    for (int64_t i = 0; i < n; i += each, to += bytes) {
        const int64_t bad = narrow[type](to, x + i);
        if (bad >= 0) return i + bad;
    }
    return -1;
}
