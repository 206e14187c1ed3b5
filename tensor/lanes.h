// SPDX-License-Identifier: Apache-2.0
// lanes.h — part of kern.c: weights of LANES rows at once, turned. What is turned are the codes, a byte or half a byte each,
// not the floats that they stand for: a quarter of the work or less. The numbers are those of widen_NAME (blocks.h), made by
// the same operations.
//
// A format is one function, which makes GROUP columns from column `at` on: column i of the LANES rows goes to y + i * step.
// `p` is the first row, `row` bytes to the next. Formats without one are widened row by row and then turned.

// The s-th byte of each word: as a signed number, as two numbers of four bits.
INLINE Words byte_of(Words x, int s) { return w_right(s == 3 ? x : w_left(x, 24 - 8 * s), 24); }
INLINE Words low_of(Words x, int s) { return w_and(s ? w_right(x, 8 * s) : x, 15); }
INLINE Words high_of(Words x, int s) { return w_and(w_right(x, 8 * s + 4), 15); }

INLINE Reg low_half(Words x) { return w_half(w_and(x, 0xffff)); }
INLINE Reg high_half(Words x) { return w_half(w_and(w_right(x, 16), 0xffff)); }

#define EACH_BYTE(q, s) UNROLL for (int q = 0; q < 4; q++) UNROLL for (int s = 0; s < 4; s++)

static void lanes_BF16(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    p += 2 * at;
    for (int k = 0; k < GROUP; k += 8, p += 16, y += 8 * step) {
        Words t[4];
        w_load_turned(t, p, row);
        UNROLL for (int q = 0; q < 4; q++)
        {
            r_store(y + 2 * q * step, w_as_float(w_left(t[q], 16)));
            r_store(y + (2 * q + 1) * step, w_as_float(w_and(t[q], (int)0xffff0000)));
        }
    }
}

static void lanes_F16(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    p += 2 * at;
    for (int k = 0; k < GROUP; k += 8, p += 16, y += 8 * step) {
        Words t[4];
        w_load_turned(t, p, row);
        UNROLL for (int q = 0; q < 4; q++)
        {
            r_store(y + 2 * q * step, low_half(t[q]));
            r_store(y + (2 * q + 1) * step, high_half(t[q]));
        }
    }
}

static void lanes_Q8_0(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    p += at / 32 * 34;
    const Reg d = low_half(w_load_one(p, row));
    for (int k = 0; k < 2; k++, y += 16 * step) {
        Words t[4];
        w_load_turned(t, p + 2 + 16 * k, row);
        EACH_BYTE(q, s) r_store(y + (4 * q + s) * step, r_mul(w_float(byte_of(t[q], s)), d));
    }
}

static void lanes_Q4_0(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    p += at / 32 * 18;
    const Reg d = low_half(w_load_one(p, row));
    Words t[4];
    w_load_turned(t, p + 2, row);
    EACH_BYTE(q, s)
    {
        r_store(y + (4 * q + s) * step, r_mul(w_float(w_less(low_of(t[q], s), 8)), d));
        r_store(y + (16 + 4 * q + s) * step, r_mul(w_float(w_less(high_of(t[q], s), 8)), d));
    }
}

static void lanes_Q4_1(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    p += at / 32 * 20;
    const Words dm = w_load_one(p, row);
    const Reg d = low_half(dm), m = high_half(dm);
    Words t[4];
    w_load_turned(t, p + 4, row);
    EACH_BYTE(q, s)
    {
        r_store(y + (4 * q + s) * step, r_fma(w_float(low_of(t[q], s)), d, m));
        r_store(y + (16 + 4 * q + s) * step, r_fma(w_float(high_of(t[q], s)), d, m));
    }
}

// Bit i of each word, worth sixteen.
INLINE Words fifth(Words bits, int i) { return w_left(w_and(w_right(bits, i), 1), 4); }

static void lanes_Q5_0(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    p += at / 32 * 22;
    const Reg d = low_half(w_load_one(p, row));
    const Words bits = w_load_one(p + 2, row);
    Words t[4];
    w_load_turned(t, p + 6, row);
    EACH_BYTE(q, s)
    {
        const int i = 4 * q + s;
        const Words low = w_or(low_of(t[q], s), fifth(bits, i)),
                    high = w_or(high_of(t[q], s), fifth(bits, i + 16));
        r_store(y + i * step, r_mul(w_float(w_less(low, 16)), d));
        r_store(y + (16 + i) * step, r_mul(w_float(w_less(high, 16)), d));
    }
}

static void lanes_Q5_1(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    p += at / 32 * 24;
    const Words dm = w_load_one(p, row), bits = w_load_one(p + 4, row);
    const Reg d = low_half(dm), m = high_half(dm);
    Words t[4];
    w_load_turned(t, p + 8, row);
    EACH_BYTE(q, s)
    {
        const int i = 4 * q + s;
        r_store(y + i * step, r_fma(w_float(w_or(low_of(t[q], s), fifth(bits, i))), d, m));
        r_store(y + (16 + i) * step, r_fma(w_float(w_or(high_of(t[q], s), fifth(bits, i + 16))), d, m));
    }
}

// The scale and minimum of group g of Q4_K and Q5_K, from the sixteen bytes that a block begins with.
INLINE void scales_of_k(Reg *d, Reg *m, const char *p, int64_t row, int g)
{
    Words t[4], scale, least_;
    const int j = 8 * (g % 4);
    w_load_turned(t, p, row);
    if (g < 4) scale = w_and(w_right(t[1], j), 63), least_ = w_and(w_right(t[2], j), 63);
    else {
        scale = w_or(w_and(w_right(t[3], j), 15), w_left(w_and(w_right(t[1], j + 6), 3), 4));
        least_ = w_or(w_and(w_right(t[3], j + 4), 15), w_left(w_and(w_right(t[2], j + 6), 3), 4));
    }
    *d = r_mul(low_half(t[0]), w_float(scale));
    *m = r_mul(r_mul(high_half(t[0]), w_float(least_)), r_set(-1));
}

static void lanes_Q4_K(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    const int g = (int)(at % 256 / 32), shift = 4 * (g % 2);
    Reg d, m;
    p += at / 256 * 144;
    scales_of_k(&d, &m, p, row, g);
    for (int k = 0; k < 2; k++, y += 16 * step) {
        Words t[4];
        w_load_turned(t, p + 16 + 32 * (g / 2) + 16 * k, row);
        EACH_BYTE(q, s)
        r_store(y + (4 * q + s) * step, r_fma(w_float(w_and(w_right(t[q], 8 * s + shift), 15)), d, m));
    }
}

static void lanes_Q5_K(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    const int g = (int)(at % 256 / 32), shift = 4 * (g % 2);
    Reg d, m;
    p += at / 256 * 176;
    scales_of_k(&d, &m, p, row, g);
    for (int k = 0; k < 2; k++, y += 16 * step) {
        Words t[4], h[4];
        w_load_turned(t, p + 48 + 32 * (g / 2) + 16 * k, row);
        w_load_turned(h, p + 16 + 16 * k, row);
        EACH_BYTE(q, s)
        {
            r_store(
                y + (4 * q + s) * step,
                r_fma(w_float(w_or(w_and(w_right(t[q], 8 * s + shift), 15), fifth(h[q], 8 * s + g))), d, m));
        }
    }
}

static void lanes_Q6_K(float *y, int64_t step, const char *p, int64_t row, int64_t at)
{
    const int g = (int)(at % 256 / 32), low = 4 * (g % 4 / 2), high = 2 * (g % 4);
    p += at / 256 * 210;
    const Words scales =
        w_load_one(p + 190 + 2 * g, row); // in the upper half: what stands before is in the block too
    const Reg d = high_half(w_load_one(p + 206, row));
    for (int k = 0; k < 2; k++, y += 16 * step) {
        const Reg dk = r_mul(d, w_float(byte_of(scales, 2 + k)));
        Words l[4], h[4];
        w_load_turned(l, p + 64 * (g / 4) + 32 * (g % 2) + 16 * k, row);
        w_load_turned(h, p + 128 + 32 * (g / 4) + 16 * k, row);
        EACH_BYTE(q, s)
        {
            const Words two = w_left(w_and(w_right(h[q], 8 * s + high), 3), 4);
            const Words n = w_less(w_or(w_and(w_right(l[q], 8 * s + low), 15), two), 32);
            r_store(y + (4 * q + s) * step, r_mul(w_float(n), dk));
        }
    }
}
#undef EACH_BYTE

typedef void Lanes(float *y, int64_t step, const char *p, int64_t row, int64_t at);
static Lanes *const lanes[W_TYPES] = {
    [W_F16] = lanes_F16,   [W_BF16] = lanes_BF16, [W_Q8_0] = lanes_Q8_0, [W_Q4_0] = lanes_Q4_0,
    [W_Q4_1] = lanes_Q4_1, [W_Q5_0] = lanes_Q5_0, [W_Q5_1] = lanes_Q5_1, [W_Q4_K] = lanes_Q4_K,
    [W_Q5_K] = lanes_Q5_K, [W_Q6_K] = lanes_Q6_K,
};
