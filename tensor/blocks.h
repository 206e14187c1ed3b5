// SPDX-License-Identifier: Apache-2.0
// blocks.h — part of kern.c: weights in blocks, as ggml has them (docs/gguf.md and ggml-common.h there).
//
// A block holds 32 or 256 weights of a row: small whole numbers, and what they are multiplied by. A format is one function,
// which makes a group of 32 float32 numbers, the g-th of its block. Each product below is exact in float32 (11 bits of d, at
// most 8 of a scale, 6 of a number), so a weight is the exact value rounded once, in whatever order it is computed.
//
// d, m, dmin: half floats. Nibbles: the low half first, 16 numbers, then the high one. Each function makes the whole
// numbers as sixteen bytes at a time, then scales them.
enum { GROUP = 32 };

INLINE float half_at(const uint8_t *p) { return f_from_f16((uint16_t)(p[0] | p[1] << 8)); }

// y[i] = d n[i] + m
INLINE void scale16(float *y, B16 n, float d, float m)
{
    v_store(y, v_fma(v_from_i8(n), v_set(d), v_set(m)));
}

// y[i] = d n[i], which may be a negative zero
INLINE void times16(float *y, B16 n, float d) { v_store(y, v_mul(v_from_i8(n), v_set(d))); }

// The low halves of sixteen bytes (k 0) or the high ones (k 1).
INLINE B16 nibbles(const uint8_t *q, int k) { return k ? b_load(q) >> 4 : b_load(q) & 15; }

// Sixteen bits from the 16 k-th on, each as so much.
INLINE B16 bits(const uint8_t *h, int k, uint8_t worth)
{
    const B16 mask = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8_t a = h[2 * k], b = h[2 * k + 1];
    const B16 both = {a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b};
    return (B16)((both & mask) != 0) & worth;
}

INLINE void group_Q8_0(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b);
    for (int k = 0; k < 2; k++) times16(y + 16 * k, b_load(b + 2 + 16 * k), d);
}

INLINE void group_Q4_0(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b);
    for (int k = 0; k < 2; k++) times16(y + 16 * k, nibbles(b + 2, k) - 8, d);
}

INLINE void group_Q4_1(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b), m = half_at(b + 2);
    for (int k = 0; k < 2; k++) scale16(y + 16 * k, nibbles(b + 4, k), d, m);
}

INLINE void group_Q5_0(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b);
    for (int k = 0; k < 2; k++) times16(y + 16 * k, nibbles(b + 6, k) + bits(b + 2, k, 16) - 16, d);
}

INLINE void group_Q5_1(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b), m = half_at(b + 2);
    for (int k = 0; k < 2; k++) scale16(y + 16 * k, nibbles(b + 8, k) + bits(b + 4, k, 16), d, m);
}

// s[16]: a scale and a minimum in four bits each for 16 weights; q[64], two bits each; d, dmin
INLINE void group_Q2_K(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *q = b + 16 + 32 * (g / 4), *s = b + 2 * g;
    const float d = half_at(b + 80), dmin = half_at(b + 82);
    const uint8_t shift = (uint8_t)(2 * (g % 4));
    for (int k = 0; k < 2; k++)
        scale16(y + 16 * k, b_load(q + 16 * k) >> shift & 3, d * (float)(s[k] & 15),
                -(dmin * (float)(s[k] >> 4)));
}

// h[32]: bit g of each is the third; q[64]; s[12]: scales of six bits; d
INLINE void group_Q3_K(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *q = b + 32 + 32 * (g / 4), *s = b + 96, shift = (uint8_t)(2 * (g % 4)), bit = (uint8_t)g;
    const float d = half_at(b + 108);
    for (int k = 0; k < 2; k++) {
        const int64_t j = 2 * g + k;
        const int scale = (s[j % 8] >> (j < 8 ? 0 : 4) & 15) | (s[8 + j % 4] >> 2 * (j / 4) & 3) << 4;
        const B16 n = (b_load(q + 16 * k) >> shift & 3) + ((b_load(b + 16 * k) >> bit & 1) << 2) - 4;
        times16(y + 16 * k, n, d * (float)(scale - 32));
    }
}

// The scale and minimum of group j, six bits each, among the twelve bytes of Q4_K and Q5_K.
INLINE int scale_of(const uint8_t *s, int64_t j)
{
    return j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
}

INLINE int minimum_of(const uint8_t *s, int64_t j)
{
    return j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
}

// d, dmin, s[12], q[128]
INLINE void group_Q4_K(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *q = b + 16 + 32 * (g / 2), shift = (uint8_t)(4 * (g % 2));
    const float d = half_at(b) * (float)scale_of(b + 4, g), m = half_at(b + 2) * (float)minimum_of(b + 4, g);
    for (int k = 0; k < 2; k++) scale16(y + 16 * k, b_load(q + 16 * k) >> shift & 15, d, -m);
}

// d, dmin, s[12], h[32]: bit g of each is the fifth, q[128]
INLINE void group_Q5_K(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *h = b + 16, *q = b + 48 + 32 * (g / 2), shift = (uint8_t)(4 * (g % 2)), bit = (uint8_t)g;
    const float d = half_at(b) * (float)scale_of(b + 4, g), m = half_at(b + 2) * (float)minimum_of(b + 4, g);
    for (int k = 0; k < 2; k++) {
        const B16 n = (b_load(q + 16 * k) >> shift & 15) + ((b_load(h + 16 * k) >> bit & 1) << 4);
        scale16(y + 16 * k, n, d, -m);
    }
}

// l[128]: low four bits, h[64]: high two, s[16]: whole scales, d
INLINE void group_Q6_K(float *y, const uint8_t *b, int64_t g)
{
    const float d = half_at(b + 208);
    const uint8_t *l = b + 64 * (g / 4) + 32 * (g % 2), *h = b + 128 + 32 * (g / 4);
    const uint8_t low = (uint8_t)(4 * (g % 4 / 2)), high = (uint8_t)(2 * (g % 4));
    for (int k = 0; k < 2; k++) {
        const B16 n = (b_load(l + 16 * k) >> low & 15) + ((b_load(h + 16 * k) >> high & 3) << 4) - 32;
        times16(y + 16 * k, n, d * (float)(int8_t)b[192 + 2 * g + k]);
    }
}

#define I8(x) (uint8_t)(x)
INLINE B16 uneven(const uint8_t *q, int k)
{
    const B16 table = {I8(-127), I8(-104), I8(-83), I8(-65), I8(-49), I8(-35), I8(-22), I8(-10),
                       1,        13,       25,      38,      53,      69,      89,      113};
    return b_table(table, nibbles(q, k));
}

INLINE void group_IQ4_NL(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b);
    for (int k = 0; k < 2; k++) times16(y + 16 * k, uneven(b + 2, k), d);
}

// d, a (16 bits): high two bits of the scales, s[4]: their low four, q[128]
INLINE void group_IQ4_XS(float *y, const uint8_t *b, int64_t g)
{
    const float d = half_at(b);
    const int a = b[2] | b[3] << 8, s = (b[4 + g / 2] >> 4 * (g % 2) & 15) | (a >> 2 * g & 3) << 4;
    for (int k = 0; k < 2; k++) times16(y + 16 * k, uneven(b + 8 + 16 * g, k), d * (float)(s - 32));
}

// A power of two, 2^(e - 128), and sixteen numbers of three bits' precision, doubled.
INLINE void group_MXFP4(float *y, const uint8_t *b, int64_t g)
{
    const B16 table = {0, 1, 2, 3, 4, 6, 8, 12, 0, I8(-1), I8(-2), I8(-3), I8(-4), I8(-6), I8(-8), I8(-12)};
    const uint32_t power = b[0] < 2 ? 0x200000u << b[0] : (uint32_t)(b[0] - 1) << 23;
    float d;
    (void)g;
    memcpy(&d, &power, 4);
    for (int k = 0; k < 2; k++) times16(y + 16 * k, b_table(table, nibbles(b + 1, k)), d);
}
#undef I8

// n weights of a row from the at-th on.
INLINE void widen_groups(float *y, const uint8_t *row, int64_t at, int64_t n, int64_t elements, int64_t bytes,
                         void (*group)(float *, const uint8_t *, int64_t))
{
    for (int64_t m; n > 0; y += m, at += m, n -= m) {
        const uint8_t *block = row + at / elements * bytes;
        const int64_t g = at % elements / GROUP, first = at % GROUP;
        m = least(GROUP - first, n);
        if (m == GROUP) {
            group(y, block, g);
            continue;
        }
        float part[GROUP];
        group(part, block, g);
        memcpy(y, part + first, (size_t)m * sizeof *y);
    }
}

#define BLOCKS(name, elements, bytes)                                                                        \
    static void widen_##name(float *y, const void *row, int64_t at, int64_t n)                               \
    {                                                                                                        \
        widen_groups(y, row, at, n, elements, bytes, group_##name);                                          \
    }
BLOCKS(Q8_0, 32, 34)
BLOCKS(Q4_0, 32, 18)
BLOCKS(Q4_1, 32, 20)
BLOCKS(Q5_0, 32, 22)
BLOCKS(Q5_1, 32, 24)
BLOCKS(Q2_K, 256, 84)
BLOCKS(Q3_K, 256, 110)
BLOCKS(Q4_K, 256, 144)
BLOCKS(Q5_K, 256, 176)
BLOCKS(Q6_K, 256, 210)
BLOCKS(IQ4_NL, 32, 18)
BLOCKS(IQ4_XS, 256, 136)
BLOCKS(MXFP4, 32, 17)
#undef BLOCKS
