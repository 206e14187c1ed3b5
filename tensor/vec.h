// SPDX-License-Identifier: Apache-2.0
// vec.h — V16: sixteen floats, and the few operations everything in kern.c is made of. The only file with intrinsics.
//
// Four blocks: AVX-512 (one register), AVX2 + FMA (two), NEON (four), plain C (an array). Every operation gives the
// same bits in all of them: IEEE 754 single precision, one rounding each, fma fused. Loads and stores need no
// alignment.
//
// Reg: one register of LANES floats, for the matrix products, whose tiles are each set's own (kern.c): so many registers,
// so many lanes, and so many fused multiply-adds under way at once. CHAINS of them keep the units busy (cpu_peak);
// TILE_M x TILE_V and ROWS_M x ROWS_V are the tiles of the two drivers (ROWS_V = 0: one is enough).
#pragma once
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// A float at any address: weights are views into files.
typedef float __attribute__((aligned(1), may_alias)) AnyFloat;

// Sixteen bytes, which compilers know how to add, shift and compare on any machine.
typedef uint8_t B16 __attribute__((vector_size(16)));
INLINE B16 b_load(const void *p)
{
    B16 x;
    memcpy(&x, p, 16);
    return x;
}

typedef uint64_t U64x2 __attribute__((vector_size(16)));
INLINE B16 b_load_half(const void *p) // eight bytes, and zeros
{
    uint64_t x;
    memcpy(&x, p, 8);
    return (B16)(U64x2){x, 0};
}

// Before a loop of constant length whose array should live in registers.
#if !defined(__AVX2__) && !defined(__ARM_NEON)
#define UNROLL // no registers to keep them in, and compilers take minutes
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

// What is in x is no longer known to be a sum of others, which compilers would rather keep.
#define OPAQUE(x) __asm__("" : "+r"(x))

#if defined(__AVX512F__) && defined(__AVX512BW__)
// ------------------------------------------------------------------------------------------------ AVX-512
#include <immintrin.h>
typedef __m512 V16;
enum { CHAINS = 24, TILE_M = 12, TILE_V = 2, ROWS_M = 0, ROWS_V = 0 };

INLINE V16 v_load(const void *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(void *p, V16 a) { _mm512_storeu_ps(p, a); }
INLINE __mmask16 v_first(int64_t n) { return (__mmask16)((1u << n) - 1); }
INLINE V16 v_load_n(const void *p, int64_t n) { return _mm512_maskz_loadu_ps(v_first(n), p); }
INLINE void v_store_n(void *p, V16 a, int64_t n) { _mm512_mask_storeu_ps(p, v_first(n), a); }
INLINE V16 v_set(float x) { return _mm512_set1_ps(x); }
INLINE V16 v_add(V16 a, V16 b) { return _mm512_add_ps(a, b); }
INLINE V16 v_sub(V16 a, V16 b) { return _mm512_sub_ps(a, b); }
INLINE V16 v_mul(V16 a, V16 b) { return _mm512_mul_ps(a, b); }
INLINE V16 v_div(V16 a, V16 b) { return _mm512_div_ps(a, b); }
INLINE V16 v_fma(V16 a, V16 b, V16 c) { return _mm512_fmadd_ps(a, b, c); }
INLINE V16 v_max(V16 a, V16 b) { return _mm512_max_ps(a, b); }
INLINE V16 v_abs(V16 a) { return _mm512_abs_ps(a); }
INLINE V16 v_if_gt(V16 a, V16 b, V16 yes, V16 no)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), no, yes);
}
INLINE V16 v_pow2(V16 n)
{
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
INLINE V16 v_from_f16(const void *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(p)); }
INLINE V16 v_from_i8(B16 x) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32((__m128i)x)); }
INLINE B16 b_table(B16 table, B16 at) { return (B16)_mm_shuffle_epi8((__m128i)table, (__m128i)at); }
INLINE V16 v_table(V16 table, B16 at) // its at[i]-th number, below 16, in lane i
{
    return _mm512_permutexvar_ps(_mm512_cvtepu8_epi32((__m128i)at), table);
}
INLINE float f_from_f16(uint16_t h) { return _cvtsh_ss(h); }
INLINE V16 v_from_bf16(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}
INLINE void v_transpose(V16 r[16])
{
    V16 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { // r[i+c]: column 4q+c of the four rows i.., q the 128-bit lane
        r[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44), r[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44),
              r[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int c = 0; c < 4; c++) {
        t[c] = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88),
        t[4 + c] = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xdd);
        t[8 + c] = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
        t[12 + c] = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xdd);
    }
    for (int c = 0; c < 4; c++) {
        r[c] = _mm512_shuffle_f32x4(t[c], t[8 + c], 0x88),
        r[8 + c] = _mm512_shuffle_f32x4(t[c], t[8 + c], 0xdd);
        r[4 + c] = _mm512_shuffle_f32x4(t[4 + c], t[12 + c], 0x88);
        r[12 + c] = _mm512_shuffle_f32x4(t[4 + c], t[12 + c], 0xdd);
    }
}
// Four numbers of rows i, i + 4, i + 8 and i + 12: one quarter of what is turned, in half the shuffles of v_transpose.
INLINE V16 load_fours(const char *p, int64_t row)
{
    V16 x = _mm512_castps128_ps512(_mm_loadu_ps((const float *)(const void *)p));
    x = _mm512_mask_broadcast_f32x4(x, 0x00f0, _mm_loadu_ps((const float *)(const void *)(p + 4 * row)));
    x = _mm512_mask_broadcast_f32x4(x, 0x0f00, _mm_loadu_ps((const float *)(const void *)(p + 8 * row)));
    return _mm512_mask_broadcast_f32x4(x, 0xf000, _mm_loadu_ps((const float *)(const void *)(p + 12 * row)));
}
#define OWN_LOAD_TURNED
INLINE void r_load_turned(V16 t[16], const char *p, int64_t row)
{
    V16 u[4][4]; // a row's four quarters one after the other: rows often share a set of the cache
    for (int i = 0; i < 4; i++)
        for (int q = 0; q < 4; q++) u[q][i] = load_fours(p + i * row + 16 * q, row);
    for (int q = 0; q < 4; q++) {
        V16 a = _mm512_unpacklo_ps(u[q][0], u[q][1]), b = _mm512_unpacklo_ps(u[q][2], u[q][3]);
        t[4 * q] = _mm512_shuffle_ps(a, b, 0x44), t[4 * q + 1] = _mm512_shuffle_ps(a, b, 0xee);
        a = _mm512_unpackhi_ps(u[q][0], u[q][1]), b = _mm512_unpackhi_ps(u[q][2], u[q][3]);
        t[4 * q + 2] = _mm512_shuffle_ps(a, b, 0x44), t[4 * q + 3] = _mm512_shuffle_ps(a, b, 0xee);
    }
}

typedef __m512i Words;
#define OWN_WORDS
INLINE void w_load_turned(Words t[4], const char *p, int64_t row)
{
    const char *a1 = p + 4 * row, *a2 = p + 8 * row,
               *a3 = p + 12 * row; // else compilers keep sixteen addresses
    OPAQUE(p);
    OPAQUE(a1);
    OPAQUE(a2);
    OPAQUE(a3);
    V16 u[4];
    for (int i = 0; i < 4; i++) {
        u[i] = _mm512_castps128_ps512(_mm_loadu_ps((const float *)(const void *)(p + i * row)));
        u[i] = _mm512_mask_broadcast_f32x4(u[i], 0x00f0,
                                           _mm_loadu_ps((const float *)(const void *)(a1 + i * row)));
        u[i] = _mm512_mask_broadcast_f32x4(u[i], 0x0f00,
                                           _mm_loadu_ps((const float *)(const void *)(a2 + i * row)));
        u[i] = _mm512_mask_broadcast_f32x4(u[i], 0xf000,
                                           _mm_loadu_ps((const float *)(const void *)(a3 + i * row)));
    }
    V16 a = _mm512_unpacklo_ps(u[0], u[1]), b = _mm512_unpacklo_ps(u[2], u[3]);
    t[0] = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x44));
    t[1] = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xee));
    a = _mm512_unpackhi_ps(u[0], u[1]), b = _mm512_unpackhi_ps(u[2], u[3]);
    t[2] = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x44));
    t[3] = _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xee));
}
INLINE Words w_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE Words w_left(Words x, int n) { return _mm512_slli_epi32(x, (unsigned)n); }
INLINE Words w_right(Words x, int n) { return _mm512_srai_epi32(x, (unsigned)n); }
INLINE Words w_and(Words x, int mask) { return _mm512_and_si512(x, _mm512_set1_epi32(mask)); }
INLINE Words w_or(Words x, Words y) { return _mm512_or_si512(x, y); }
INLINE Words w_less(Words x, int n) { return _mm512_sub_epi32(x, _mm512_set1_epi32(n)); }
INLINE V16 w_float(Words x) { return _mm512_cvtepi32_ps(x); }
INLINE V16 w_as_float(Words x) { return _mm512_castsi512_ps(x); }
INLINE Words w_of_float(V16 x) { return _mm512_castps_si512(x); } // its bits
INLINE Words w_minus(Words x, Words y) { return _mm512_sub_epi32(x, y); }
INLINE V16 w_half(Words x) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x)); }
INLINE V16 r_mul(V16 a, V16 b) { return _mm512_mul_ps(a, b); }
#define OWN_NUMBERS // tables look at no other bits, so none need be cut off
INLINE Words w_mix(Words x, Words y, int mask)
{
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(mask), x, y, 0xca);
}
INLINE V16 w_table(Words x, V16 table) { return _mm512_permutexvar_ps(x, table); }
INLINE V16 w_count(float from)
{
    return _mm512_add_ps(_mm512_set1_ps(from),
                         _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
INLINE V16 w_four(Words x, int less) { return w_table(x, w_count((float)-less)); }
INLINE V16 w_five(Words x, int less)
{
    return _mm512_permutex2var_ps(w_count((float)-less), x, w_count((float)(16 - less)));
}

#elif defined(__AVX2__) && defined(__FMA__)
// ------------------------------------------------------------------------------------------------ AVX2 + FMA
#include <immintrin.h>
typedef struct {
    __m256 a, b;
} V16;
enum { CHAINS = 12, TILE_M = 6, TILE_V = 2, ROWS_M = 4, ROWS_V = 3 };

typedef __m256 Reg;
enum { LANES = 8 };
#define OWN_REG
INLINE Reg r_load(const void *p) { return _mm256_loadu_ps(p); }
INLINE __m256i v_first(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE Reg r_load_n(const void *p, int64_t n) { return _mm256_maskload_ps(p, v_first(n)); }
INLINE void r_store_n(void *p, Reg x, int64_t n) { _mm256_maskstore_ps(p, v_first(n), x); }
INLINE void r_store(void *p, Reg x) { _mm256_storeu_ps(p, x); }
INLINE Reg r_set(float x) { return _mm256_set1_ps(x); }
INLINE Reg r_add(Reg x, Reg y) { return _mm256_add_ps(x, y); }
INLINE Reg r_fma(Reg x, Reg y, Reg z) { return _mm256_fmadd_ps(x, y, z); }

INLINE void r_transpose(Reg r[8])
{
    __m256 t[8], u[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44), u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44),
              u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int c = 0; c < 4; c++) {
        r[c] = _mm256_permute2f128_ps(u[c], u[4 + c], 0x20);
        r[4 + c] = _mm256_permute2f128_ps(u[c], u[4 + c], 0x31);
    }
}
#define OWN_LOAD_TURNED // halves of rows i and i + 4 in one register, straight from memory: a third of the shuffles less
INLINE Reg load_halves(const char *p, int64_t row)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps((const float *)(const void *)p)),
                                _mm_loadu_ps((const float *)(const void *)(p + 4 * row)), 1);
}
INLINE void r_load_turned(Reg t[8], const char *p, int64_t row)
{
    for (int h = 0; h < 2; h++) {
        Reg u[4];
        for (int i = 0; i < 4; i++) u[i] = load_halves(p + i * row + 16 * h, row);
        Reg a = _mm256_unpacklo_ps(u[0], u[1]), b = _mm256_unpacklo_ps(u[2], u[3]);
        t[4 * h] = _mm256_shuffle_ps(a, b, 0x44), t[4 * h + 1] = _mm256_shuffle_ps(a, b, 0xee);
        a = _mm256_unpackhi_ps(u[0], u[1]), b = _mm256_unpackhi_ps(u[2], u[3]);
        t[4 * h + 2] = _mm256_shuffle_ps(a, b, 0x44), t[4 * h + 3] = _mm256_shuffle_ps(a, b, 0xee);
    }
}

typedef __m256i Words;
#define OWN_WORDS
INLINE void w_load_turned(Words t[4], const char *p, int64_t row)
{
    Reg u[4];
    for (int i = 0; i < 4; i++) u[i] = load_halves(p + i * row, row);
    Reg a = _mm256_unpacklo_ps(u[0], u[1]), b = _mm256_unpacklo_ps(u[2], u[3]);
    t[0] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x44));
    t[1] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xee));
    a = _mm256_unpackhi_ps(u[0], u[1]), b = _mm256_unpackhi_ps(u[2], u[3]);
    t[2] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x44));
    t[3] = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xee));
}
INLINE Words w_load(const void *p) { return _mm256_loadu_si256(p); }
INLINE Words w_left(Words x, int n) { return _mm256_slli_epi32(x, n); }
INLINE Words w_right(Words x, int n) { return _mm256_srai_epi32(x, n); }
INLINE Words w_and(Words x, int mask) { return _mm256_and_si256(x, _mm256_set1_epi32(mask)); }
INLINE Words w_or(Words x, Words y) { return _mm256_or_si256(x, y); }
INLINE Words w_less(Words x, int n) { return _mm256_sub_epi32(x, _mm256_set1_epi32(n)); }
INLINE Reg w_float(Words x) { return _mm256_cvtepi32_ps(x); }
INLINE Reg w_as_float(Words x) { return _mm256_castsi256_ps(x); }
INLINE Words w_of_float(Reg x) { return _mm256_castps_si256(x); } // its bits
INLINE Words w_minus(Words x, Words y) { return _mm256_sub_epi32(x, y); }
INLINE Reg w_half(Words x) // of the low sixteen bits; the high ones are 0
{
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}
INLINE Reg r_mul(Reg a, Reg b) { return _mm256_mul_ps(a, b); }

INLINE V16 v_load(const void *p) { return (V16){_mm256_loadu_ps(p), _mm256_loadu_ps((const float *)p + 8)}; }
INLINE void v_store(void *p, V16 x) { _mm256_storeu_ps(p, x.a), _mm256_storeu_ps((float *)p + 8, x.b); }
INLINE V16 v_load_n(const void *p, int64_t n)
{
    V16 x = {_mm256_maskload_ps(p, v_first(n)), _mm256_setzero_ps()};
    if (n > 8) x.b = _mm256_maskload_ps((const float *)p + 8, v_first(n - 8));
    return x;
}
INLINE void v_store_n(void *p, V16 x, int64_t n)
{
    _mm256_maskstore_ps(p, v_first(n), x.a);
    if (n > 8) _mm256_maskstore_ps((float *)p + 8, v_first(n - 8), x.b);
}
INLINE V16 v_set(float x) { return (V16){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INLINE V16 v_add(V16 x, V16 y) { return (V16){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
INLINE V16 v_sub(V16 x, V16 y) { return (V16){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
INLINE V16 v_mul(V16 x, V16 y) { return (V16){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
INLINE V16 v_div(V16 x, V16 y) { return (V16){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
INLINE V16 v_fma(V16 x, V16 y, V16 z)
{
    return (V16){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
INLINE V16 v_max(V16 x, V16 y) { return (V16){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
INLINE V16 v_abs(V16 x)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (V16){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
INLINE V16 v_if_gt(V16 x, V16 y, V16 yes, V16 no)
{
    return (V16){_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, y.a, _CMP_GT_OQ)),
                 _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, y.b, _CMP_GT_OQ))};
}
INLINE __m256 pow2_half(__m256 n)
{
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
INLINE V16 v_pow2(V16 n) { return (V16){pow2_half(n.a), pow2_half(n.b)}; }
INLINE V16 v_from_f16(const void *p)
{
    return (V16){_mm256_cvtph_ps(_mm_loadu_si128(p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p + 1))};
}
INLINE __m256 bf16_half(const void *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}
INLINE V16 v_from_i8(B16 x)
{
    const __m128i n = (__m128i)x;
    return (V16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(n)),
                 _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(n, n)))};
}
INLINE B16 b_table(B16 table, B16 at) { return (B16)_mm_shuffle_epi8((__m128i)table, (__m128i)at); }
INLINE __m256 table_half(V16 table, __m128i at)
{
    const __m256i i = _mm256_cvtepu8_epi32(at);
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(table.a, i), _mm256_permutevar8x32_ps(table.b, i),
                            _mm256_castsi256_ps(_mm256_slli_epi32(i, 28))); // by bit 3
}
INLINE Reg w_table(Words x, V16 table)
{
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(table.a, x), _mm256_permutevar8x32_ps(table.b, x),
                            _mm256_castsi256_ps(_mm256_slli_epi32(x, 28))); // by bit 3
}
INLINE V16 v_table(V16 table, B16 at)
{
    return (V16){table_half(table, (__m128i)at), table_half(table, _mm_srli_si128((__m128i)at, 8))};
}
INLINE float f_from_f16(uint16_t h) { return _cvtsh_ss(h); }
INLINE V16 v_from_bf16(const void *p) { return (V16){bf16_half(p), bf16_half((const __m128i *)p + 1)}; }
#elif defined(__ARM_NEON) && defined(__aarch64__)
// ------------------------------------------------------------------------------------------------ NEON
#include <arm_neon.h>
typedef struct {
    float32x4_t q[4];
} V16;
enum { CHAINS = 24, TILE_M = 6, TILE_V = 4, ROWS_M = 4, ROWS_V = 6 };

typedef float32x4_t Reg;
enum { LANES = 4 };
#define OWN_REG
INLINE Reg r_load(const void *p) { return vreinterpretq_f32_u8(vld1q_u8(p)); }
INLINE void r_store(void *p, Reg x) { vst1q_u8(p, vreinterpretq_u8_f32(x)); }
INLINE Reg r_load_n(const void *p, int64_t n)
{
    float t[4] = {0};
    memcpy(t, p, (size_t)n * 4);
    return r_load(t);
}
INLINE void r_store_n(void *p, Reg x, int64_t n)
{
    float t[4];
    r_store(t, x);
    memcpy(p, t, (size_t)n * 4);
}
INLINE Reg r_set(float x) { return vdupq_n_f32(x); }
INLINE Reg r_add(Reg x, Reg y) { return vaddq_f32(x, y); }
INLINE Reg r_fma(Reg x, Reg y, Reg z) { return vfmaq_f32(z, x, y); }
INLINE void r_transpose(Reg r[4])
{
    float32x4x2_t a = vtrnq_f32(r[0], r[1]), b = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    r[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    r[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    r[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

#define EACH(expression)                                                                                     \
    V16 out;                                                                                                 \
    for (int i = 0; i < 4; i++) out.q[i] = (expression);                                                     \
    return out

INLINE V16 v_load(const void *p) { EACH(vreinterpretq_f32_u8(vld1q_u8((const uint8_t *)p + 16 * i))); }
INLINE void v_store(void *p, V16 x)
{
    for (int i = 0; i < 4; i++) vst1q_u8((uint8_t *)p + 16 * i, vreinterpretq_u8_f32(x.q[i]));
}
INLINE V16 v_load_n(const void *p, int64_t n)
{
    float t[16] = {0};
    memcpy(t, p, (size_t)n * 4);
    return v_load(t);
}
INLINE void v_store_n(void *p, V16 x, int64_t n)
{
    float t[16];
    v_store(t, x);
    memcpy(p, t, (size_t)n * 4);
}
INLINE V16 v_set(float x) { EACH(vdupq_n_f32(x)); }
INLINE V16 v_add(V16 x, V16 y) { EACH(vaddq_f32(x.q[i], y.q[i])); }
INLINE V16 v_sub(V16 x, V16 y) { EACH(vsubq_f32(x.q[i], y.q[i])); }
INLINE V16 v_mul(V16 x, V16 y) { EACH(vmulq_f32(x.q[i], y.q[i])); }
INLINE V16 v_div(V16 x, V16 y) { EACH(vdivq_f32(x.q[i], y.q[i])); }
INLINE V16 v_fma(V16 x, V16 y, V16 z) { EACH(vfmaq_f32(z.q[i], x.q[i], y.q[i])); }
INLINE V16 v_max(V16 x, V16 y) { EACH(vbslq_f32(vcgtq_f32(x.q[i], y.q[i]), x.q[i], y.q[i])); }
INLINE V16 v_abs(V16 x) { EACH(vabsq_f32(x.q[i])); }
INLINE V16 v_if_gt(V16 x, V16 y, V16 yes, V16 no)
{
    EACH(vbslq_f32(vcgtq_f32(x.q[i], y.q[i]), yes.q[i], no.q[i]));
}
INLINE V16 v_pow2(V16 n)
{
    EACH(vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.q[i]), vdupq_n_s32(127)), 23)));
}
INLINE V16 v_from_f16(const void *p)
{
    EACH(vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8((const uint8_t *)p + 8 * i))));
}
INLINE V16 v_from_i8(B16 x)
{
    const int16x8_t low = vmovl_s8(vget_low_s8((int8x16_t)x)), high = vmovl_s8(vget_high_s8((int8x16_t)x));
    return (V16){{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
                  vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                  vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}
INLINE B16 b_table(B16 table, B16 at) { return (B16)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)at); }
INLINE V16 v_table(V16 table, B16 at)
{
    float from[16], to[16];
    v_store(from, table);
    for (int i = 0; i < 16; i++) to[i] = from[at[i] & 15];
    return v_load(to);
}
INLINE float f_from_f16(uint16_t h)
{
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}
INLINE V16 v_from_bf16(const void *p)
{
    EACH(vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8((const uint8_t *)p + 8 * i)), 16)));
}

#else
// ------------------------------------------------------------------------------------------------ plain C
#include <math.h>
#undef INLINE // sixteen statements for each operation: inlined, they take compilers half a minute
#define INLINE static __attribute__((unused))
typedef struct {
    float f[16];
} V16;
enum { CHAINS = 4, TILE_M = 4, TILE_V = 1, ROWS_M = 0, ROWS_V = 0 };
#define EACH(expression)                                                                                     \
    V16 out;                                                                                                 \
    for (int i = 0; i < 16; i++) out.f[i] = (expression);                                                    \
    return out

INLINE V16 v_load(const void *p)
{
    V16 x;
    memcpy(&x, p, 64);
    return x;
}
INLINE void v_store(void *p, V16 x) { memcpy(p, &x, 64); }
INLINE V16 v_load_n(const void *p, int64_t n)
{
    V16 x = {{0}};
    memcpy(&x, p, (size_t)n * 4);
    return x;
}
INLINE void v_store_n(void *p, V16 x, int64_t n) { memcpy(p, &x, (size_t)n * 4); }
INLINE V16 v_set(float x) { EACH(x); }
INLINE V16 v_add(V16 x, V16 y) { EACH(x.f[i] + y.f[i]); }
INLINE V16 v_sub(V16 x, V16 y) { EACH(x.f[i] - y.f[i]); }
INLINE V16 v_mul(V16 x, V16 y) { EACH(x.f[i] * y.f[i]); }
INLINE V16 v_div(V16 x, V16 y) { EACH(x.f[i] / y.f[i]); }
INLINE V16 v_fma(V16 x, V16 y, V16 z) { EACH(fmaf(x.f[i], y.f[i], z.f[i])); }
INLINE V16 v_max(V16 x, V16 y) { EACH(x.f[i] > y.f[i] ? x.f[i] : y.f[i]); }
INLINE V16 v_abs(V16 x) { EACH(__builtin_fabsf(x.f[i])); }
INLINE V16 v_if_gt(V16 x, V16 y, V16 yes, V16 no) { EACH(x.f[i] > y.f[i] ? yes.f[i] : no.f[i]); }
INLINE V16 v_pow2(V16 n)
{
    V16 out;
    for (int i = 0; i < 16; i++) {
        uint32_t bits = (uint32_t)((n.f[i] == n.f[i] ? (int32_t)n.f[i] : 0) + 127) << 23;
        memcpy(&out.f[i], &bits, 4);
    }
    return out;
}
INLINE float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023, bits;
    if (exponent == 31) bits = 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0);
    else if (exponent) bits = (exponent + 112) << 23 | fraction << 13;
    else {
        float x = (float)fraction * 0x1p-24f;
        memcpy(&bits, &x, 4);
    }
    bits |= sign;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
INLINE V16 v_from_f16(const void *p)
{
    uint16_t h[16];
    memcpy(h, p, 32);
    EACH(half_to_float(h[i]));
}
INLINE V16 v_from_i8(B16 x) { EACH((float)(int8_t)x[i]); }
INLINE V16 v_table(V16 table, B16 at) { EACH(table.f[at[i] & 15]); }
INLINE B16 b_table(B16 table, B16 at)
{
    B16 out;
    for (int i = 0; i < 16; i++) out[i] = table[at[i] & 15];
    return out;
}
INLINE float f_from_f16(uint16_t h) { return half_to_float(h); }
INLINE V16 v_from_bf16(const void *p)
{
    uint16_t h[16];
    uint32_t w[16];
    V16 x;
    memcpy(h, p, 32);
    for (int i = 0; i < 16; i++) w[i] = (uint32_t)h[i] << 16;
    memcpy(&x, w, 64);
    return x;
}
INLINE void v_transpose(V16 r[16])
{
    V16 t[16];
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) t[j].f[i] = r[i].f[j];
    memcpy(r, t, sizeof t);
}
#endif

#ifndef OWN_REG // a V16 is one register
typedef V16 Reg;
enum { LANES = 16 };
INLINE Reg r_load(const void *p) { return v_load(p); }
INLINE void r_store(void *p, Reg x) { v_store(p, x); }
INLINE Reg r_load_n(const void *p, int64_t n) { return v_load_n(p, n); }
INLINE void r_store_n(void *p, Reg x, int64_t n) { v_store_n(p, x, n); }
INLINE Reg r_set(float x) { return v_set(x); }
INLINE Reg r_add(Reg x, Reg y) { return v_add(x, y); }
INLINE void r_transpose(Reg r[16]) { v_transpose(r); }
INLINE Reg r_fma(Reg x, Reg y, Reg z) { return v_fma(x, y, z); }
#endif

// LANES floats of LANES rows, turned: t[i] is column i.
#ifndef OWN_LOAD_TURNED
INLINE void r_load_turned(Reg t[LANES], const char *p, int64_t row)
{
    UNROLL for (int64_t i = 0; i < LANES; i++) t[i] = r_load(p + i * row);
    r_transpose(t);
}
#endif

// ---- LANES whole numbers of 32 bits, one of each of LANES rows: codes of weights, turned before they are widened.
#ifndef OWN_WORDS
typedef struct {
    int32_t i[LANES];
} Words;
#define EACH_WORD(expression)                                                                                \
    Words out;                                                                                               \
    for (int i = 0; i < LANES; i++) out.i[i] = (int32_t)(expression);                                        \
    return out
INLINE Words w_load(const void *p)
{
    Words x;
    memcpy(&x, p, sizeof x);
    return x;
}
// Sixteen bytes of LANES rows, turned: t[q] has the q-th four of each.
INLINE void w_load_turned(Words t[4], const char *p, int64_t row)
{
    for (int i = 0; i < LANES; i++)
        for (int q = 0; q < 4; q++) memcpy(&t[q].i[i], p + i * row + 4 * q, 4);
}
INLINE Words w_left(Words x, int n) { EACH_WORD((uint32_t)x.i[i] << n); }
INLINE Words w_right(Words x, int n) { EACH_WORD(x.i[i] >> n); } // the sign comes along
INLINE Words w_and(Words x, int mask) { EACH_WORD(x.i[i] & mask); }
INLINE Words w_or(Words x, Words y) { EACH_WORD(x.i[i] | y.i[i]); }
INLINE Words w_less(Words x, int n) { EACH_WORD(x.i[i] - n); }
INLINE Reg w_float(Words x)
{
    float f[LANES];
    for (int i = 0; i < LANES; i++) f[i] = (float)x.i[i];
    return r_load(f);
}
INLINE Reg w_as_float(Words x) { return r_load(&x); }
INLINE Words w_of_float(Reg x) // its bits
{
    Words y;
    r_store(&y, x);
    return y;
}
INLINE Words w_minus(Words x, Words y) { EACH_WORD(x.i[i] - y.i[i]); }
INLINE Reg w_half(Words x) // a half float in the low sixteen bits; the high ones are 0
{
    float f[LANES];
    for (int i = 0; i < LANES; i++) f[i] = f_from_f16((uint16_t)x.i[i]);
    return r_load(f);
}
INLINE Reg r_mul(Reg x, Reg y) { return v_mul(x, y); }
#endif

// Bits of x where the mask has ones, else of y; the low four or five bits of each word, whatever stands above them, as a
// number less so much; the number that the low four have in a table.
#ifndef OWN_NUMBERS
INLINE Words w_mix(Words x, Words y, int mask) { return w_or(w_and(x, mask), w_and(y, ~mask)); }
INLINE Reg w_four(Words x, int less) { return w_float(w_less(w_and(x, 15), less)); }
INLINE Reg w_five(Words x, int less) { return w_float(w_less(w_and(x, 31), less)); }
#ifndef OWN_WORDS
INLINE Reg w_table(Words x, V16 table)
{
    float from[16], f[LANES];
    v_store(from, table);
    for (int i = 0; i < LANES; i++) f[i] = from[x.i[i] & 15];
    return r_load(f);
}
#endif
#endif

// Of sixteen bytes of LANES rows, the first four.
INLINE Words w_first(const char *p, int64_t row)
{
    Words t[4];
    w_load_turned(t, p, row);
    return t[0];
}

// The last four.
INLINE Words w_last(const char *p, int64_t row)
{
    Words t[4];
    w_load_turned(t, p, row);
    return t[3];
}

// The sum and the largest of the sixteen, folded 8-4-2-1: the one order used everywhere.
INLINE float v_sum(V16 a)
{
    float t[16];
    v_store(t, a);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) t[i] += t[i + half];
    return t[0];
}
INLINE float v_largest(V16 a)
{
    float t[16];
    v_store(t, a);
    for (int half = 8; half; half /= 2)
        for (int i = 0; i < half; i++) t[i] = t[i] > t[i + half] ? t[i] : t[i + half];
    return t[0];
}
