// SPDX-License-Identifier: Apache-2.0
// codes.h — part of kern.c: weights in codes whose scales lie elsewhere, as the Hub's quantized folders have them
// (bitsandbytes, GPTQ, AWQ, fp8, compressed-tensors).
//
// Such a weight is a Coded (tensor.h), which says where its codes, scales and zeros are. All rows of it have an address, that
// of a CodedRow: so products walk over them as over rows of bytes, know nothing of it, and read the file in place. A format is
// one function, which makes n numbers of one row. But for INT8 of bitsandbytes and nested NF4 and FP4, where the order of two
// roundings is part of the format, a number is scale x (code - zero): the difference is exact, the product rounded once.
enum { PART = 64 }; // numbers on their way

INLINE uint32_t word_at(const void *p, int64_t i)
{
    uint32_t w;
    memcpy(&w, (const char *)p + 4 * i, 4);
    return w;
}

INLINE float float_at(const void *p, int64_t i)
{
    float x;
    memcpy(&x, (const char *)p + 4 * i, 4);
    return x;
}

// n <= PART whole numbers of so many bits, end to end from the lowest bit of p on: from number `at` on.
INLINE void each_of(int32_t *out, const uint8_t *p, int64_t at, int64_t n, int64_t bits)
{
    const int32_t mask = (1 << bits) - 1;
    for (int64_t i = 0, bit = at * bits; i < n; i++, bit += bits) {
        const int64_t shift = bit % 8;
        int32_t x = p[bit / 8] >> shift;
        if (shift + bits > 8) x |= p[bit / 8 + 1] << (8 - shift);
        out[i] = x & mask;
    }
}

static void numbers_of_bits(int32_t *out, const void *p, int64_t at, int64_t n, int64_t bits)
{
    if (bits == 4) each_of(out, p, at, n, 4); // a known number of them is faster
    else if (bits == 8) each_of(out, p, at, n, 8);
    else each_of(out, p, at, n, bits);
}

// Sixteen numbers of four bits: that in lane i is in byte place[i] of the eight at p, in its low half where low[i] is 255.
INLINE B16 nibbles_of(const void *p, B16 place, B16 low)
{
    const B16 x = b_table(b_load_half(p), place);
    return (x & low & 15) | (x >> 4 & ~low);
}
#define IN_ORDER  ((B16){0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7})
#define LOW_FIRST ((B16){255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0, 255, 0})

// n scales from element `at` of them on.
static void scales_of(float *out, const Coded *w, int64_t at, int64_t n)
{
    if (w->scale_type == W_F16) widen_F16(out, w->scale, at, n);
    else if (w->scale_type == W_BF16) widen_BF16(out, w->scale, at, n);
    else widen_F32(out, w->scale, at, n);
}

INLINE V16 scales16(const Coded *w, int64_t at)
{
    const char *p = w->scale;
    return w->scale_type == W_F16    ? v_from_f16(p + 2 * at)
           : w->scale_type == W_BF16 ? v_from_bf16(p + 2 * at)
                                     : v_load(p + 4 * at);
}

// The scales and zeros of a row's group, for n <= PART columns. code: what the file has for them, zero: what it stands for.
INLINE void times_differences(float *y, const float *scale, const int32_t *code, const int32_t *zero,
                              int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = scale[i] * (float)(code[i] - zero[i]);
}

// A group for `wide` columns, or as `group` says. Returns where the stretch of columns that share it ends, at most at `end`.
INLINE int64_t group_at(const Coded *w, int64_t at, int64_t end, int64_t *group)
{
    if (!w->group) {
        *group = at / w->wide;
        return least(end, (*group + 1) * w->wide);
    }
    *group = word_at(w->group, at);
    while (++at < end && word_at(w->group, at) == (uint32_t)*group) {
    }
    return at;
}

// ---- bitsandbytes

// Rows of int8; (code x the row's largest) x 1/127.
INLINE void row_BNB8(float *y, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const V16 most = v_set(float_at(w->scale, row)), part = v_set(0x1.020408p-7f);
    const uint8_t *q = (const uint8_t *)w->codes + row * w->cols + at;
    uint8_t last[16] = {0};
    for (int64_t i = 0; i < n; i += 16) {
        const int64_t m = least(16, n - i);
        if (m < 16) memcpy(last, q + i, (size_t)m);
        const V16 x = v_mul(v_mul(v_from_i8(b_load(m < 16 ? last : q + i)), most), part);
        if (m < 16) v_store_n(y + i, x, m);
        else v_store(y + i, x);
    }
}

// The largest of block k; nested: itself a code of a table, scaled, then shifted.
INLINE float most_of_block(const Coded *w, int64_t k)
{
    if (!w->nested) return float_at(w->scale, k);
    const float x =
        float_at(w->nested, ((const uint8_t *)w->scale)[k]) * float_at(w->nested_scale, k / w->nested_wide);
    return x + w->nested_offset;
}

// NF4, FP4: places in a table, two a byte, the first in the high half; blocks run on over ends of rows.
INLINE void row_BNB4(float *y, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const uint8_t *q = w->codes;
    for (int64_t i = row * w->cols + at, end = i + n; i < end;) {
        const int64_t k = i / w->wide, stop = least(end, (k + 1) * w->wide);
        const float most = most_of_block(w, k);
        const V16 all = v_mul(v_load(w->table), v_set(most));
        float worth[16];
        v_store(worth, all);
        if (i % 2) *y++ = worth[q[i / 2] & 15], i++;
        for (; stop - i >= 16; i += 16, y += 16)
            v_store(y, v_table(all, nibbles_of(q + i / 2, IN_ORDER, ~LOW_FIRST)));
        for (; i + 1 < stop; i += 2, y += 2) y[0] = worth[q[i / 2] >> 4], y[1] = worth[q[i / 2] & 15];
        if (i < stop) *y++ = worth[q[i / 2] >> 4], i++;
    }
}

// ---- GPTQ and AWQ: a row is an input, a column an output; each row is of a group, which has a scale and a zero for each column

typedef uint32_t Words16 __attribute__((vector_size(64)));

// Frantar et al. 2022, arXiv:2210.17323. Codes of a column run down the rows, low bits first, through words of 32.
INLINE void row_GPTQ(float *y, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const int64_t group = w->group ? word_at(w->group, row) : row / w->high, shift = row * w->bits % 32;
    const uint8_t *q = (const uint8_t *)w->codes + row * w->bits / 32 * w->pitch;
    const uint32_t mask = (1u << w->bits) - 1;
    const uint8_t *z = (const uint8_t *)w->zero + group * w->zero_pitch;
    for (; w->bits == 4 && at % 2 == 0 && n >= 16; y += 16, at += 16, n -= 16) {
        Words16 code;
        memcpy(&code, q + 4 * at, sizeof code);
        const B16 difference = __builtin_convertvector(code >> (uint32_t)shift & 15, B16) -
                               nibbles_of(z + at / 2, IN_ORDER, LOW_FIRST) - (uint8_t)w->zero_plus;
        v_store(y, v_mul(scales16(w, group * w->groups + at), v_from_i8(difference)));
    }
    for (int64_t m; n > 0; y += m, at += m, n -= m) {
        float scale[PART];
        int32_t code[PART], zero[PART];
        m = least(PART, n);
        scales_of(scale, w, group * w->groups + at, m);
        numbers_of_bits(zero, z, at, m, w->bits);
        for (int64_t i = 0; i < m; i++) zero[i] += w->zero_plus;
        for (int64_t i = 0; i < m; i++) code[i] = (int32_t)(word_at(q, at + i) >> shift & mask);
        if (shift + w->bits > 32)
            for (int64_t i = 0; i < m; i++)
                code[i] |= (int32_t)(word_at(q + w->pitch, at + i) << (32 - shift) & mask);
        times_differences(y, scale, code, zero, m);
    }
}

// Lin et al. 2023, arXiv:2306.00978. Eight columns a word, not in order.
INLINE int32_t awq_at(const uint8_t *p, int64_t i)
{
    static const uint8_t shift[8] = {0, 16, 4, 20, 8, 24, 12, 28};
    return (int32_t)(word_at(p, i / 8) >> shift[i % 8] & 15);
}

#define AWQ_PLACE ((B16){0, 2, 0, 2, 1, 3, 1, 3, 4, 6, 4, 6, 5, 7, 5, 7})
#define AWQ_LOW   ((B16){255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0})

INLINE void row_AWQ(float *y, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const int64_t group = row / w->high;
    const uint8_t *q = (const uint8_t *)w->codes + row * w->pitch,
                  *z = (const uint8_t *)w->zero + group * w->pitch;
    for (; at % 8 == 0 && n >= 16; y += 16, at += 16, n -= 16)
        v_store(y, v_mul(scales16(w, group * w->groups + at),
                         v_from_i8(nibbles_of(q + at / 2, AWQ_PLACE, AWQ_LOW) -
                                   nibbles_of(z + at / 2, AWQ_PLACE, AWQ_LOW))));
    for (int64_t m; n > 0; y += m, at += m, n -= m) {
        float scale[PART];
        int32_t code[PART], zero[PART];
        m = least(PART, n);
        scales_of(scale, w, group * w->groups + at, m);
        for (int64_t i = 0; i < m; i++) code[i] = awq_at(q, at + i), zero[i] = awq_at(z, at + i);
        times_differences(y, scale, code, zero, m);
    }
}

// ---- fp8 and compressed-tensors: scales for blocks of `high` rows and a group of columns

INLINE float block_scale(const Coded *w, int64_t row, int64_t group)
{
    const int64_t at = (w->high == 1 ? row : row / w->high) * w->groups + group;
    if (w->scale_type == W_F32) return float_at(w->scale, at);
    uint16_t half;
    memcpy(&half, (const char *)w->scale + 2 * at, 2);
    if (w->scale_type == W_F16) return f_from_f16(half);
    const uint32_t bits = (uint32_t)half << 16;
    float s;
    memcpy(&s, &bits, 4);
    return s;
}

typedef uint16_t Halves16 __attribute__((vector_size(32)));

// Eight bits: sign, 4 of exponent, 3 of mantissa; no infinity; all ones: NaN (Micikevicius et al. 2022, arXiv:2209.05433).
// As a half float, whose exponents mean 2^8 less, sixteen of them: all of it exact.
INLINE V16 from_e4m3(B16 q)
{
    const Halves16 x = __builtin_convertvector(q, Halves16), nan = (Halves16)((x & 127) == 127);
    const Halves16 half = ((x & 127) << 7 & ~nan) | (nan & 0x7E00) | (x & 128) << 8;
    return v_mul(v_from_f16(&half), v_set(256));
}

INLINE void row_FP8(float *y, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const uint8_t *q = (const uint8_t *)w->codes + row * w->cols;
    for (int64_t end = at + n, group, stop, m; at < end;) {
        stop = group_at(w, at, end, &group);
        const float scale = block_scale(w, row, group);
        for (; at < stop; at += m, y += m) {
            B16 last = {0};
            m = least(16, stop - at);
            if (m == 16) v_store(y, v_mul(from_e4m3(b_load(q + at)), v_set(scale)));
            else {
                memcpy(&last, q + at, (size_t)m);
                v_store_n(y, v_mul(from_e4m3(last), v_set(scale)), m);
            }
        }
    }
}

INLINE int32_t zero_of_8(const Coded *w, int64_t row, int64_t group)
{
    return w->zero ? ((const int8_t *)w->zero)[row / w->high * w->groups + group] : w->zero_plus;
}

INLINE void row_INT8(float *y, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const int8_t *q = (const int8_t *)w->codes + row * w->cols;
    for (int64_t end = at + n, group, stop; at < end;) {
        stop = group_at(w, at, end, &group);
        const float scale = block_scale(w, row, group);
        const int32_t zero = zero_of_8(w, row, group);
        for (; at < stop; at++) *y++ = scale * (float)(q[at] - zero);
    }
}

// Codes run along a row, zeros down the rows, low bits first, through words of 32.
INLINE int32_t zero_of(const Coded *w, int64_t row, int64_t group)
{
    if (!w->zero) return w->zero_plus;
    const int64_t word = row * w->bits / 32, shift = row * w->bits % 32;
    uint32_t x = word_at(w->zero, word * w->groups + group) >> shift;
    if (shift + w->bits > 32) x |= word_at(w->zero, (word + 1) * w->groups + group) << (32 - shift);
    return (int32_t)(x & ((1u << w->bits) - 1));
}

INLINE void row_PACKED(float *y, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const uint8_t *q = (const uint8_t *)w->codes + row * w->pitch;
    for (int64_t end = at + n, group, stop, m; at < end;) {
        stop = group_at(w, at, end, &group);
        const float scale = block_scale(w, row, group);
        const int32_t zero = zero_of(w, row, group);
        for (; w->bits == 4 && at % 2 == 0 && stop - at >= 16; at += 16, y += 16)
            times16(y, nibbles_of(q + at / 2, IN_ORDER, LOW_FIRST) - (uint8_t)zero, scale);
        for (; at < stop; at += m, y += m) {
            int32_t code[PART];
            m = least(PART, stop - at);
            numbers_of_bits(code, q, at, m, w->bits);
            for (int64_t i = 0; i < m; i++) y[i] = scale * (float)(code[i] - zero);
        }
    }
}

#define CODED(name)                                                                                          \
    static void widen_##name(float *y, const void *row, int64_t at, int64_t n)                               \
    {                                                                                                        \
        const CodedRow *r = row;                                                                             \
        const Coded *w = r->weight;                                                                          \
        for (int64_t i = r->row + at / w->cols, m; n > 0; i++, y += m, n -= m, at += m) {                    \
            m = least(w->cols - at % w->cols, n);                                                            \
            row_##name(y, w, i, at % w->cols, m);                                                            \
        }                                                                                                    \
    }
CODED(BNB8)
CODED(BNB4)
CODED(GPTQ)
CODED(AWQ)
CODED(FP8)
CODED(INT8)
CODED(PACKED)
#undef CODED

// ---- EIGHT rows of GPTQ or AWQ at once, which share words, scales and zeros; n a multiple of 16
enum { EIGHT = 8 };

INLINE void eight_GPTQ(float *y, int64_t ld, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const int64_t group = w->group ? word_at(w->group, row) : row / w->high;
    const char *q = (const char *)w->codes + row / EIGHT * w->pitch + 4 * at;
    const uint8_t *z = (const uint8_t *)w->zero + group * w->zero_pitch;
    for (int64_t j = 0; j < n; j += 16) {
        float scale[16], minus[16];
        v_store(scale, scales16(w, group * w->groups + at + j));
        v_store(minus,
                v_from_i8(-(nibbles_of(z + (at + j) / 2, IN_ORDER, LOW_FIRST) + (uint8_t)w->zero_plus)));
        for (int64_t v = 0; v < 16; v += LANES) {
            const Words code = w_load(q + 4 * (j + v));
            const Reg s = r_load(scale + v), zero = r_load(minus + v);
            UNROLL for (int i = 0; i < EIGHT; i++)
                r_store(y + i * ld + j + v, r_mul(s, r_add(w_four(w_right(code, 4 * i), 0), zero)));
        }
    }
}

INLINE void eight_AWQ(float *y, int64_t ld, const Coded *w, int64_t row, int64_t at, int64_t n)
{
    const int64_t group = row / w->high;
    const uint8_t *q = (const uint8_t *)w->codes + row * w->pitch + at / 2,
                  *z = (const uint8_t *)w->zero + group * w->pitch + at / 2;
    for (int64_t j = 0; j < n; j += 16) {
        const V16 scale = scales16(w, group * w->groups + at + j);
        const B16 zero = nibbles_of(z + j / 2, AWQ_PLACE, AWQ_LOW);
        UNROLL for (int i = 0; i < EIGHT; i++)
            v_store(y + i * ld + j,
                    v_mul(scale, v_from_i8(nibbles_of(q + i * w->pitch + j / 2, AWQ_PLACE, AWQ_LOW) - zero)));
    }
}

// Whether n columns from `at` on of the EIGHT rows from p on can be made so; if so, they are.
static bool made_eight(float *y, int64_t ld, const char *p, int type, int64_t at, int64_t n)
{
    if (at % 8 || n % 16) return false;
    const CodedRow *r = (const CodedRow *)(const void *)p;
    const Coded *w = r->weight;
    if (r->row % EIGHT || r->row + EIGHT > w->rows || w->bits != 4 || at + n > w->cols) return false;
    for (int64_t i = 1; i < EIGHT; i++)
        if (w->group ? word_at(w->group, r->row + i) != word_at(w->group, r->row)
                     : (r->row + i) / w->high != r->row / w->high)
            return false;
    if (type == W_GPTQ) eight_GPTQ(y, ld, w, r->row, at, n);
    else eight_AWQ(y, ld, w, r->row, at, n);
    return true;
}
#undef IN_ORDER
#undef LOW_FIRST
#undef AWQ_PLACE
#undef AWQ_LOW
