// SPDX-License-Identifier: Apache-2.0
// lanes.h — part of kern.c: weights of LANES rows at once, turned. What is turned are the codes, a byte or half a byte each,
// not the floats that they stand for: a quarter of the work or less. The numbers are those of widen_NAME (blocks.h, codes.h),
// made by the same operations.
//
// A format is one function, which makes GROUP columns from column `at` on, in order, and hands each to `take`. `p` is the first
// row, `row` bytes to the next. It is compiled twice: columns go to a panel, or straight into the sum of one row of x with
// them, so that they never leave the registers. Formats without one are widened row by row and then turned.
// Column i of LANES rows is column_NAME(h, i), i < GROUP; what GROUP of them need, hold_NAME has loaded and turned.
typedef struct Held {
    Words t[16], two[2]; // codes; those of both halves of a group, or bits
    Reg d[2], m[2];
    V16 table;
} Held;

INLINE Words from_bit(Words x, int n) { return n > 0 ? w_right(x, n) : n < 0 ? w_left(x, -n) : x; }
// The s-th byte of each word as a signed number.
INLINE Words byte_of(Words x, int s) { return w_right(s == 3 ? x : w_left(x, 24 - 8 * s), 24); }
INLINE Reg low_half(Words x) { return w_half(w_and(x, 0xffff)); }
INLINE Reg high_half(Words x) { return w_half(w_and(w_right(x, 16), 0xffff)); }
// Bit n of the byte of column i in 32 bytes; in sixteen, the low halves first; in sixteen, two columns a byte.
INLINE Words of_bytes(const Words *t, int i, int n) { return from_bit(t[i / 4], 8 * (i % 4) + n); }
INLINE Words of_halves(const Words *t, int i) { return of_bytes(t, i % 16, 4 * (i / 16)); }

// 32 bytes of each row, from the n-th bit of each on.
INLINE void load_bytes(Words t[8], const char *p, int64_t row, int n)
{
    w_load_turned(t, p, row), w_load_turned(t + 4, p + 16, row);
    UNROLL for (int q = 0; q < 8; q++) t[q] = n ? w_right(t[q], n) : t[q];
}

// `fresh`: h does not come from the columns before.
#define OPTIONAL __attribute__((unused))
#define HOLD(name)                                                                                           \
    INLINE void hold_##name(Held *h, const char *p, int64_t row OPTIONAL, int64_t at, bool fresh OPTIONAL)
#define COLUMN(name) INLINE Reg column_##name(const Held *h, int i)

HOLD(BF16) { load_bytes(h->t, p + 2 * at, row, 0), load_bytes(h->t + 8, p + 2 * at + 32, row, 0); }
COLUMN(BF16)
{
    const Words t = h->t[i / 2];
    return w_as_float(i % 2 ? w_and(t, (int)0xffff0000) : w_left(t, 16));
}

HOLD(F16) { hold_BF16(h, p, row, at, fresh); }
COLUMN(F16) { return i % 2 ? high_half(h->t[i / 2]) : low_half(h->t[i / 2]); }

// ---- blocks.h

HOLD(Q8_0)
{
    p += at / 32 * 34;
    h->d[0] = low_half(w_first(p, row));
    load_bytes(h->t, p + 2, row, 0);
}
COLUMN(Q8_0) { return r_mul(w_float(byte_of(h->t[i / 4], i % 4)), h->d[0]); }

HOLD(Q4_0)
{
    p += at / 32 * 18;
    h->d[0] = low_half(w_first(p, row));
    w_load_turned(h->t, p + 2, row);
}
COLUMN(Q4_0) { return r_mul(w_four(of_halves(h->t, i), 8), h->d[0]); }

INLINE void hold_d_m(Held *h, const char *p, int64_t row)
{
    const Words dm = w_first(p, row);
    h->d[0] = low_half(dm), h->m[0] = high_half(dm);
}

HOLD(Q4_1)
{
    p += at / 32 * 20;
    hold_d_m(h, p, row);
    w_load_turned(h->t, p + 4, row);
}
COLUMN(Q4_1) { return r_fma(w_four(of_halves(h->t, i), 0), h->d[0], h->m[0]); }

// Four bits of x, and above them a bit of y.
INLINE Words five(Words x, Words y, int bit) { return w_mix(x, from_bit(y, bit - 4), 15); }

HOLD(Q5_0)
{
    p += at / 32 * 22;
    h->d[0] = low_half(w_first(p, row));
    h->two[0] = w_first(p + 2, row);
    w_load_turned(h->t, p + 6, row);
}
COLUMN(Q5_0) { return r_mul(w_five(five(of_halves(h->t, i), h->two[0], i), 16), h->d[0]); }

HOLD(Q5_1)
{
    p += at / 32 * 24;
    hold_d_m(h, p, row);
    h->two[0] = w_first(p + 4, row);
    w_load_turned(h->t, p + 8, row);
}
COLUMN(Q5_1) { return r_fma(w_five(five(of_halves(h->t, i), h->two[0], i), 0), h->d[0], h->m[0]); }

HOLD(Q2_K)
{
    const int g = (int)(at % 256 / 32);
    p += at / 256 * 84;
    const Words dm = w_last(p + 68, row), scales = w_right(w_first(p + 4 * (g / 2), row), 16 * (g % 2));
    const Reg d = low_half(dm), m = r_mul(high_half(dm), r_set(-1));
    UNROLL for (int k = 0; k < 2; k++)
    {
        h->d[k] = r_mul(d, w_float(w_and(from_bit(scales, 8 * k), 15)));
        h->m[k] = r_mul(m, w_float(w_and(from_bit(scales, 8 * k + 4), 15)));
    }
    load_bytes(h->t, p + 16 + 32 * (g / 4), row, 2 * (g % 4));
}
COLUMN(Q2_K) { return r_fma(w_float(w_and(of_bytes(h->t, i, 0), 3)), h->d[i / 16], h->m[i / 16]); }

HOLD(Q3_K)
{
    const int g = (int)(at % 256 / 32);
    p += at / 256 * 110;
    const Words low = w_right(w_last(p + 82 + 2 * (g % 4), row), 16 + 4 * (g / 4)),
                high = w_right(w_last(p + 90 + 2 * (g % 2), row), 16 + 2 * (g / 2));
    const Reg d = high_half(w_last(p + 94, row));
    UNROLL for (int k = 0; k < 2; k++)
    {
        const Words scale = w_or(w_and(from_bit(low, 8 * k), 15), w_left(w_and(from_bit(high, 8 * k), 3), 4));
        h->d[k] = r_mul(d, w_float(w_less(scale, 32)));
    }
    load_bytes(h->t, p + 32 + 32 * (g / 4), row, 2 * (g % 4));
    load_bytes(h->t + 8, p, row, g);
}
COLUMN(Q3_K)
{
    const Words n = w_and(w_mix(of_bytes(h->t, i, 0), of_bytes(h->t + 8, i, -2), 3), 7);
    return r_mul(w_float(w_less(n, 4)), h->d[i / 16]);
}

// The scale and minimum of group g of Q4_K and Q5_K, from the sixteen bytes that a block begins with.
INLINE void hold_scales_of_k(Held *h, const char *p, int64_t row, int g)
{
    Words t[4], scale, least_;
    const int j = 8 * (g % 4);
    w_load_turned(t, p, row);
    if (g < 4) scale = w_and(w_right(t[1], j), 63), least_ = w_and(w_right(t[2], j), 63);
    else {
        scale = w_or(w_and(w_right(t[3], j), 15), w_left(w_and(w_right(t[1], j + 6), 3), 4));
        least_ = w_or(w_and(w_right(t[3], j + 4), 15), w_left(w_and(w_right(t[2], j + 6), 3), 4));
    }
    h->d[0] = r_mul(low_half(t[0]), w_float(scale));
    h->m[0] = r_mul(r_mul(high_half(t[0]), w_float(least_)), r_set(-1));
}

HOLD(Q4_K)
{
    const int g = (int)(at % 256 / 32);
    p += at / 256 * 144;
    hold_scales_of_k(h, p, row, g);
    load_bytes(h->t, p + 16 + 32 * (g / 2), row, 4 * (g % 2));
}
COLUMN(Q4_K) { return r_fma(w_four(of_bytes(h->t, i, 0), 0), h->d[0], h->m[0]); }

HOLD(Q5_K)
{
    const int g = (int)(at % 256 / 32);
    p += at / 256 * 176;
    hold_scales_of_k(h, p, row, g);
    load_bytes(h->t, p + 48 + 32 * (g / 2), row, 4 * (g % 2));
    load_bytes(h->t + 8, p + 16, row, g);
}
COLUMN(Q5_K)
{
    return r_fma(w_five(five(of_bytes(h->t, i, 0), h->t[8 + i / 4], 8 * (i % 4)), 0), h->d[0], h->m[0]);
}

HOLD(Q6_K)
{
    const int g = (int)(at % 256 / 32);
    p += at / 256 * 210;
    const Words scales = w_last(p + 178 + 2 * g, row); // its upper half
    const Reg d = high_half(w_last(p + 194, row));
    UNROLL for (int k = 0; k < 2; k++) h->d[k] = r_mul(d, w_float(byte_of(scales, 2 + k)));
    load_bytes(h->t, p + 64 * (g / 4) + 32 * (g % 2), row, 4 * (g % 4 / 2));
    load_bytes(h->t + 8, p + 128 + 32 * (g / 4), row, 2 * (g % 4));
}
COLUMN(Q6_K)
{
    const Words n = w_and(five(of_bytes(h->t, i, 0), h->t[8 + i / 4], 8 * (i % 4)), 63);
    return r_mul(w_float(w_less(n, 32)), h->d[i / 16]);
}

static const float uneven_numbers[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};
static const float mxfp4_numbers[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

HOLD(IQ4_NL) { hold_Q4_0(h, p, row, at, fresh); }
COLUMN(IQ4_NL) { return r_mul(w_table(of_halves(h->t, i), v_load(uneven_numbers)), h->d[0]); }

HOLD(IQ4_XS)
{
    const int g = (int)(at % 256 / 32);
    p += at / 256 * 136;
    const Words da = w_first(p, row), low = w_right(w_first(p + 4, row), 4 * g),
                high = w_right(w_right(da, 16), 2 * g);
    const Words scale = w_or(w_and(low, 15), w_left(w_and(high, 3), 4));
    h->d[0] = r_mul(low_half(da), w_float(w_less(scale, 32)));
    w_load_turned(h->t, p + 8 + 16 * g, row);
}
COLUMN(IQ4_XS) { return column_IQ4_NL(h, i); }

HOLD(MXFP4)
{
    p += at / 32 * 17;
    const Words e = w_and(w_first(p, row), 255), half = w_right(e, 1), odd = w_and(e, 1);
    const Reg root =
        w_as_float(w_left(w_less(half, -63), 23)); // 2^(half - 64): squared, no factor is subnormal
    h->d[0] = r_mul(r_mul(root, w_as_float(w_left(w_less(odd, -127), 23))), root);
    w_load_turned(h->t, p + 1, row);
}
COLUMN(MXFP4) { return r_mul(w_table(of_halves(h->t, i), v_load(mxfp4_numbers)), h->d[0]); }

// ---- codes.h: p is the first CodedRow, row the bytes of one

INLINE const Coded *coded_at(const char *p, int64_t *first)
{
    const CodedRow *r = (const CodedRow *)(const void *)p;
    *first = r->row;
    return r->weight;
}

INLINE int64_t group_of(const Coded *w, int64_t at) { return w->groups > 1 ? at / w->wide : 0; }
INLINE bool new_group(const Coded *w, int64_t at, bool fresh) { return fresh || at % w->wide == 0; }

// Scales and zeros of LANES rows for the columns from `at` on.
INLINE void hold_scales(Held *h, const Coded *w, int64_t first, int64_t at,
                        int32_t (*zero)(const Coded *, int64_t, int64_t))
{
    const int64_t group = group_of(w, at);
    float s[LANES];
    int32_t z[LANES];
    if (w->groups == 1 && w->high == 1) scales_of(s, w, first, LANES);
    else
        for (int64_t i = 0; i < LANES; i++)
            s[i] = i && w->high >= w->rows ? s[0] : block_scale(w, first + i, group);
    h->d[0] = r_load(s);
    if (!zero) return;
    if (w->zero)
        for (int64_t i = 0; i < LANES; i++) z[i] = zero(w, first + i, group);
    else
        for (int64_t i = 0; i < LANES; i++) z[i] = w->zero_plus;
    h->two[0] = w_load(z);
}

HOLD(BNB8)
{
    int64_t first;
    const Coded *w = coded_at(p, &first);
    h->d[0] = r_load((const char *)w->scale + 4 * first);
    load_bytes(h->t, (const char *)w->codes + first * w->cols + at, w->cols, 0);
}
COLUMN(BNB8) { return r_mul(r_mul(w_float(byte_of(h->t[i / 4], i % 4)), h->d[0]), r_set(0x1.020408p-7f)); }

HOLD(BNB4)
{
    int64_t first;
    const Coded *w = coded_at(p, &first);
    const int64_t blocks = w->cols / w->wide, block = first * blocks + at / w->wide;
    if (new_group(w, at, fresh)) {
        float most[LANES];
        for (int i = 0; i < LANES; i++) most[i] = most_of_block(w, block + i * blocks);
        h->d[0] = r_load(most);
    }
    h->table = v_load(w->table);
    w_load_turned(h->t, (const char *)w->codes + (first * w->cols + at) / 2, w->cols / 2);
}
COLUMN(BNB4) { return r_mul(w_table(from_bit(h->t[i / 8], 4 * (i % 8 ^ 1)), h->table), h->d[0]); }

HOLD(FP8)
{
    int64_t first;
    const Coded *w = coded_at(p, &first);
    if (new_group(w, at, fresh)) hold_scales(h, w, first, at, NULL);
    load_bytes(h->t, (const char *)w->codes + first * w->cols + at, w->cols, 0);
}
COLUMN(FP8)
{
    const Words size = w_and(of_bytes(h->t, i, -20), 127 << 20),
                sign = w_and(of_bytes(h->t, i, -24), (int)0x80000000),
                full = w_right(w_left(w_less(size, -(1 << 20)), 4), 31), // all ones: not 480 but NaN
        nan = w_and(full, 0x43f00000 - 0x7fc00000);
    const Words value = w_minus(w_of_float(r_mul(w_as_float(size), r_set(0x1p120f))), nan);
    return r_mul(w_as_float(w_or(value, sign)), h->d[0]);
}

HOLD(INT8)
{
    int64_t first;
    const Coded *w = coded_at(p, &first);
    if (new_group(w, at, fresh)) hold_scales(h, w, first, at, zero_of_8);
    load_bytes(h->t, (const char *)w->codes + first * w->cols + at, w->cols, 0);
}
COLUMN(INT8) { return r_mul(h->d[0], w_float(w_minus(byte_of(h->t[i / 4], i % 4), h->two[0]))); }

HOLD(PACKED)
{
    int64_t first;
    const Coded *w = coded_at(p, &first);
    if (new_group(w, at, fresh)) hold_scales(h, w, first, at, zero_of);
    w_load_turned(h->t, (const char *)w->codes + first * w->pitch + at / 2, w->pitch);
}
COLUMN(PACKED)
{
    return r_mul(h->d[0], w_float(w_minus(w_and(from_bit(h->t[i / 8], 4 * (i % 8)), 15), h->two[0])));
}
#undef OPTIONAL
#undef HOLD
#undef COLUMN

// ---- the table

// Blocks of LANES rows side by side: one block's sums would wait for each other. Halves would be too many lines of the cache.
enum { SIDE_BY_SIDE = 4, HALVES = LANES < 16 ? 4 : 2 };

typedef struct Format {
    int blocks;
    void (*panel)(float *y, int64_t step, const char *p, int64_t row, int64_t at); // GROUP columns
    // sums [blocks][LANES] of columns k0 .. k1, each times its x. Calls for `lines` cache lines from `soon` on with every GROUP.
    void (*sums)(float *sums, const float *x, const char *p, int64_t row, int64_t k0, int64_t k1,
                 const char *soon, int64_t lines);
} Format;

#define FORMATS(F)                                                                                           \
    F(BF16, HALVES)                                                                                          \
    F(F16, HALVES)                                                                                           \
    F(Q8_0, 4)                                                                                               \
    F(Q4_0, 4)                                                                                               \
    F(Q4_1, 4)                                                                                               \
    F(Q5_0, 4)                                                                                               \
    F(Q5_1, 4)                                                                                               \
    F(Q2_K, 4)                                                                                               \
    F(Q3_K, 4)                                                                                               \
    F(Q4_K, 4)                                                                                               \
    F(Q5_K, 4)                                                                                               \
    F(Q6_K, 4)                                                                                               \
    F(IQ4_NL, 4)                                                                                             \
    F(IQ4_XS, 4)                                                                                             \
    F(MXFP4, 4)                                                                                              \
    F(BNB8, 4)                                                                                               \
    F(BNB4, 4)                                                                                               \
    F(FP8, 4)                                                                                                \
    F(INT8, 4)                                                                                               \
    F(PACKED, 4)
#define FORMAT(name, G)                                                                                      \
    static void panel_##name(float *y, int64_t step, const char *p, int64_t row, int64_t at)                 \
    {                                                                                                        \
        Held h;                                                                                              \
        hold_##name(&h, p, row, at, true);                                                                   \
        UNROLL for (int i = 0; i < GROUP; i++) r_store(y + i * step, column_##name(&h, i));                  \
    }                                                                                                        \
    static void sums_##name(float *sums, const float *x, const char *p, int64_t row, int64_t k0, int64_t k1, \
                            const char *soon, int64_t lines)                                                 \
    {                                                                                                        \
        Held h[G] = {0};                                                                                     \
        Reg sum[G];                                                                                          \
        UNROLL for (int g = 0; g < G; g++) sum[g] = r_set(0);                                                \
        for (int64_t k = k0; k < k1; k += GROUP, soon += 64 * lines) {                                       \
            for (int64_t i = 0; i < lines; i++) __builtin_prefetch(soon + 64 * i, 0, 2);                     \
            UNROLL for (int g = 0; g < G; g++) hold_##name(&h[g], p + g * LANES * row, row, k, k == k0);     \
            UNROLL for (int i = 0; i < GROUP; i++)                                                           \
            {                                                                                                \
                const Reg number = r_set(x[k + i]);                                                          \
                UNROLL for (int g = 0; g < G; g++) sum[g] = r_fma(number, column_##name(&h[g], i), sum[g]);  \
            }                                                                                                \
        }                                                                                                    \
        UNROLL for (int g = 0; g < G; g++) r_store(sums + g * LANES, sum[g]);                                \
    }
FORMATS(FORMAT)
#undef FORMAT
#define FORMAT(name, G) [W_##name] = {G, panel_##name, sums_##name},
static const Format formats[W_TYPES] = {FORMATS(FORMAT)};
#undef FORMAT
#undef FORMATS

// Whether LANES rows of b, k columns, can be made so: whole groups, of codes which share their scales.
static bool in_lanes(const Right *b, int64_t k)
{
    if (!formats[b->type].panel || !b->turned || !k || k % GROUP) return false;
    if (!type_is_coded((WType)b->type)) return true;
    const Coded *w = ((const CodedRow *)(const void *)b->at)->weight;
    if (w->group || k > w->cols || w->cols % GROUP) return false;
    if (b->type == W_BNB8) return true;
    if (b->type == W_BNB4) return w->wide % GROUP == 0 && w->cols % w->wide == 0;
    return (b->type != W_PACKED || w->bits == 4) && (w->groups == 1 || w->wide % GROUP == 0);
}

// Where row j of b lies in the file, and how far it is to the next.
typedef struct Codes {
    const char *at;
    int64_t row;
} Codes;

static Codes codes_of(const Right *b, int64_t j)
{
    const char *p = b->at + j * b->row;
    if (!type_is_coded((WType)b->type)) return (Codes){p, b->row};
    const CodedRow *r = (const CodedRow *)(const void *)p;
    const Coded *w = r->weight;
    const int64_t row = w->pitch ? w->pitch : b->type == W_BNB4 ? w->cols / 2 : w->cols;
    return (Codes){(const char *)w->codes + r->row * row, row};
}
