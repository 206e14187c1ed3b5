// SPDX-License-Identifier: Apache-2.0
// blocks.h — part of kern.c: weights in blocks, as ggml has them (docs/gguf.md and ggml-common.h there).
//
// A block holds 32 or 256 weights of a row: small whole numbers, and what they are multiplied by. A format is one function,
// which makes a group of 32 float32 numbers, the g-th of its block. Each product below is exact in float32 (11 bits of d, at
// most 8 of a scale, 6 of a number), so a weight is the exact value rounded once, in whatever order it is computed.
//
// d, m, dmin: half floats. Nibbles: the low half first, 16 numbers, then the high one.
enum { GROUP = 32 };

INLINE float half_at(const uint8_t *p)
{
    uint32_t h = (uint32_t)p[0] | (uint32_t)p[1] << 8, bits = (h & 0x7FFF) << 13;
    float x;
    memcpy(&x, &bits, 4);
    x *= 0x1p112f; // the exponents' zeros are so far apart; exact, for subnormal ones too
    memcpy(&bits, &x, 4);
    if ((h & 0x7C00) == 0x7C00) bits = 0x7F800000 | (h & 0x3FF) << 13;
    bits |= (h & 0x8000) << 16;
    memcpy(&x, &bits, 4);
    return x;
}

INLINE void group_Q8_0(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b);
    for (int i = 0; i < 32; i++) y[i] = d * (float)(int8_t)b[2 + i];
}

INLINE void group_Q4_0(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b);
    for (int i = 0; i < 16; i++) y[i] = d * (float)((b[2 + i] & 15) - 8);
    for (int i = 0; i < 16; i++) y[16 + i] = d * (float)((b[2 + i] >> 4) - 8);
}

INLINE void group_Q4_1(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b), m = half_at(b + 2);
    for (int i = 0; i < 16; i++) y[i] = d * (float)(b[4 + i] & 15) + m;
    for (int i = 0; i < 16; i++) y[16 + i] = d * (float)(b[4 + i] >> 4) + m;
}

INLINE uint32_t bits_at(const uint8_t *p) // little-endian
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

INLINE void group_Q5_0(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b);
    const uint32_t h = bits_at(b + 2);
    for (int i = 0; i < 16; i++) y[i] = d * (float)((int)(b[6 + i] & 15) + (int)(h >> i & 1) * 16 - 16);
    for (int i = 0; i < 16; i++)
        y[16 + i] = d * (float)((int)(b[6 + i] >> 4) + (int)(h >> (16 + i) & 1) * 16 - 16);
}

INLINE void group_Q5_1(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b), m = half_at(b + 2);
    const uint32_t h = bits_at(b + 4);
    for (int i = 0; i < 16; i++) y[i] = d * (float)((int)(b[8 + i] & 15) + (int)(h >> i & 1) * 16) + m;
    for (int i = 0; i < 16; i++)
        y[16 + i] = d * (float)((int)(b[8 + i] >> 4) + (int)(h >> (16 + i) & 1) * 16) + m;
}

// s[16]: a scale and a minimum in four bits each for 16 weights; q[64], two bits each; d, dmin
INLINE void group_Q2_K(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *q = b + 16 + 32 * (g / 4);
    const float d = half_at(b + 80), dmin = half_at(b + 82);
    for (int k = 0; k < 32; k += 16) {
        const uint8_t s = b[2 * g + k / 16];
        const float dl = d * (float)(s & 15), ml = dmin * (float)(s >> 4);
        for (int i = k; i < k + 16; i++) y[i] = dl * (float)(q[i] >> 2 * (g % 4) & 3) - ml;
    }
}

// h[32]: bit g of each is the third; q[64]; s[12]: scales of six bits; d
INLINE void group_Q3_K(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *q = b + 32 + 32 * (g / 4), *s = b + 96;
    const float d = half_at(b + 108);
    for (int k = 0; k < 32; k += 16) {
        const int64_t j = 2 * g + k / 16;
        const int scale = (s[j % 8] >> (j < 8 ? 0 : 4) & 15) | (s[8 + j % 4] >> 2 * (j / 4) & 3) << 4;
        const float dl = d * (float)(scale - 32);
        for (int i = k; i < k + 16; i++)
            y[i] = dl * (float)((q[i] >> 2 * (g % 4) & 3) + (b[i] >> g & 1) * 4 - 4);
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
    const uint8_t *q = b + 16 + 32 * (g / 2);
    const float dl = half_at(b) * (float)scale_of(b + 4, g),
                ml = half_at(b + 2) * (float)minimum_of(b + 4, g);
    for (int i = 0; i < 32; i++) y[i] = dl * (float)(q[i] >> 4 * (g % 2) & 15) - ml;
}

// d, dmin, s[12], h[32]: bit g of each is the fifth, q[128]
INLINE void group_Q5_K(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *h = b + 16, *q = b + 48 + 32 * (g / 2);
    const float dl = half_at(b) * (float)scale_of(b + 4, g),
                ml = half_at(b + 2) * (float)minimum_of(b + 4, g);
    for (int i = 0; i < 32; i++) y[i] = dl * (float)((q[i] >> 4 * (g % 2) & 15) + (h[i] >> g & 1) * 16) - ml;
}

// l[128]: low four bits, h[64]: high two, s[16]: whole scales, d
INLINE void group_Q6_K(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *l = b + 64 * (g / 4) + 32 * (g % 2), *h = b + 128 + 32 * (g / 4);
    const float d = half_at(b + 208);
    for (int k = 0; k < 32; k += 16) {
        const float dl = d * (float)(int8_t)b[192 + 2 * g + k / 16];
        for (int i = k; i < k + 16; i++)
            y[i] = dl * (float)((l[i] >> 4 * (g % 4 / 2) & 15) + (h[i] >> 2 * (g % 4) & 3) * 16 - 32);
    }
}

static const int8_t uneven[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

INLINE void group_IQ4_NL(float *y, const uint8_t *b, int64_t g)
{
    (void)g;
    const float d = half_at(b);
    for (int i = 0; i < 16; i++) y[i] = d * (float)uneven[b[2 + i] & 15];
    for (int i = 0; i < 16; i++) y[16 + i] = d * (float)uneven[b[2 + i] >> 4];
}

// d, a (16 bits): high two bits of the scales, s[4]: their low four, q[128]
INLINE void group_IQ4_XS(float *y, const uint8_t *b, int64_t g)
{
    const uint8_t *q = b + 8 + 16 * g;
    const int a = b[2] | b[3] << 8, s = (b[4 + g / 2] >> 4 * (g % 2) & 15) | (a >> 2 * g & 3) << 4;
    const float dl = half_at(b) * (float)(s - 32);
    for (int i = 0; i < 16; i++) y[i] = dl * (float)uneven[q[i] & 15];
    for (int i = 0; i < 16; i++) y[16 + i] = dl * (float)uneven[q[i] >> 4];
}

// A power of two, 2^(e - 128), and sixteen numbers of three bits' precision, doubled.
INLINE void group_MXFP4(float *y, const uint8_t *b, int64_t g)
{
    static const int8_t number[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    (void)g;
    const uint32_t bits = b[0] < 2 ? 0x200000u << b[0] : (uint32_t)(b[0] - 1) << 23;
    float d;
    memcpy(&d, &bits, 4);
    for (int i = 0; i < 16; i++) y[i] = d * (float)number[b[1 + i] & 15];
    for (int i = 0; i < 16; i++) y[16 + i] = d * (float)number[b[1 + i] >> 4];
}

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
