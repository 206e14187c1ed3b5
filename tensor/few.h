// SPDX-License-Identifier: Apache-2.0
// few.h — part of kern.c: products with few rows (decoding), which run at the speed of memory if nothing stands in its way.
//
//   few_rows    weights [n, k]: LANES x LANES of them are turned in registers and used at once, some blocks side by side
//   few_lanes   the same, of types whose codes are turned (lanes.h)
//   few_turned  weights [k, n]: whole rows of b stream by, DEEP at a time; what stays in the first cache is the sums

// How many blocks side by side: with few sums the fused multiply-adds of one would wait for each other.
enum { MOST_G = 16 / LANES };
INLINE int few_g(int R) { return R <= 2 ? MOST_G : (8 + LANES - 1) / LANES; }

// Blocks of LANES x LANES weights, G of them side by side.
INLINE void few(float *c, int64_t ldc, const float *x, int64_t ldx, int R, int G, const Right *w, float *wide,
                int64_t j, int64_t n, int64_t k, bool add)
{
    enum { LINE = 16 };
    float total[FEW][16];
    for (int r = 0; r < R; r++)
        for (int64_t i = 0; i < 16; i++) total[r][i] = add && i < n ? c[r * ldc + j + i] : 0;
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK) {
        Reg acc[MOST_G][FEW];
        const int64_t kn = least(K_BLOCK, k - k0);
        const Block block = widened(wide, w, j, n, G * LANES, k0, kn);
        UNROLL for (int g = 0; g < G; g++) UNROLL for (int r = 0; r < R; r++) acc[g][r] = r_set(0);
        for (int64_t p = 0; p < kn; p += LINE) {
            const float *at = x + k0 + p;
            const AnyFloat *from = block.at + p;
            int64_t later = k0 + p + 128; // further ahead, and not to the first cache, is slower
            const char *soon =
                w->at + (later < k ? j * w->row + later * 4 : (j + G * LANES) * w->row + (later - k) * 4);
            if (w->type == F32)
                UNROLL for (int64_t i = 0; i < G * LANES; i++) __builtin_prefetch(soon + i * w->row, 0, 3);
            UNROLL for (int g = 0; g < G; g++) UNROLL for (int64_t h = 0; h < LINE; h += LANES)
            {
                if (kn - p - h >= LANES) {
                    Reg t[LANES];
                    if (R <= 4 && (LANES < 16 || R > 2)) // AVX-512's way has more loads of each line
                        r_load_turned(t, (const char *)(from + g * LANES * block.row + h), block.row * 4);
                    else turn(t, from + g * LANES * block.row + h, block.row, LANES);
                    UNROLL for (int64_t i = 0; i < LANES; i++) UNROLL for (int r = 0; r < R; r++) acc[g][r] =
                        r_fma(r_set(at[r * ldx + h + i]), t[i], acc[g][r]);
                } else {
                    Reg t[LANES];
                    turn(t, from + g * LANES * block.row + h, block.row, LANES);
                    for (int64_t i = 0; i < kn - p - h; i++)
                        UNROLL for (int r = 0; r < R; r++) acc[g][r] =
                            r_fma(r_set(at[r * ldx + h + i]), t[i], acc[g][r]);
                }
            }
        }
        UNROLL for (int g = 0; g < G; g++) UNROLL for (int r = 0; r < R; r++)
        {
            float *to = total[r] + g * LANES;
            r_store(to, add || k0 ? r_add(r_load(to), acc[g][r]) : acc[g][r]);
        }
    }
    for (int r = 0; r < R; r++) memcpy(c + r * ldc + j, total[r], (size_t)n * sizeof(float));
}

// Weights in codes, or shorter than a float: GROUP columns of G blocks of LANES rows are made, then used.
INLINE void few_lanes(float *c, int64_t ldc, const float *x, int64_t ldx, int R, int G, const Right *w,
                      int64_t j, int64_t k, bool add)
{
    float made[SIDE_BY_SIDE][GROUP * LANES] __attribute__((aligned(64)));
    const char *p = w->at + j * w->row;
    const Codes codes = codes_of(w, j);
    const int64_t ahead = G * LANES * codes.row, lines = ahead / (k / GROUP * 64) + 1;
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK) {
        Reg acc[SIDE_BY_SIDE][FEW];
        UNROLL for (int g = 0; g < G; g++) UNROLL for (int r = 0; r < R; r++) acc[g][r] = r_set(0);
        for (int64_t e = k0; e < k && e < k0 + K_BLOCK; e += GROUP) {
            const float *at = x + e;
            const char *soon = codes.at + ahead + e / GROUP * lines * 64; // the rows that follow these
            for (int64_t i = 0; i < lines; i++) __builtin_prefetch(soon + 64 * i, 0, 2);
            for (int g = 0; g < G; g++)
                formats[w->type].panel(made[g], LANES, p + g * LANES * w->row, w->row, e);
            UNROLL for (int i = 0; i < GROUP; i++) UNROLL for (int r = 0; r < R; r++)
            {
                const Reg number = r_set(at[r * ldx + i]);
                UNROLL for (int g = 0; g < G; g++) acc[g][r] =
                    r_fma(number, r_load(made[g] + i * LANES), acc[g][r]);
            }
        }
        UNROLL for (int g = 0; g < G; g++) UNROLL for (int r = 0; r < R; r++)
            put(c + r * ldc + j + g * LANES, acc[g][r], LANES, add || k0);
    }
}

// The same for one row, as many blocks side by side as the format likes: the sums take the numbers as they are made.
static void one_lanes(float *c, const float *x, const Right *w, int64_t j, int64_t k, bool add)
{
    const Format *f = &formats[w->type];
    const Codes codes = codes_of(w, j);
    const int64_t ahead = f->blocks * LANES * codes.row, lines = ahead / (k / GROUP * 64) + 1;
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK) {
        float sums[SIDE_BY_SIDE * LANES] __attribute__((aligned(64)));
        f->sums(sums, x, w->at + j * w->row, w->row, k0, least(k, k0 + K_BLOCK),
                codes.at + ahead + k0 / GROUP * lines * 64, lines);
        for (int g = 0; g < f->blocks; g++)
            put(c + j + g * LANES, r_load(sums + g * LANES), LANES, add || k0);
    }
}

static void few_rows(float *c, int64_t ldc, const float *x, int64_t ldx, int64_t rows, const Right *w,
                     int64_t j0, int64_t j1, int64_t k, bool add)
{
    float wide[16 * K_BLOCK];
    const bool coded = in_lanes(w, k);
    const int64_t side = formats[w->type].blocks * LANES;
    for (; coded && rows == 1 && j1 - j0 >= side; j0 += side) one_lanes(c, x, w, j0, k, add);
#define LANES_OF(R, G)                                                                                       \
    for (; coded && j1 - j0 >= G * LANES; j0 += G * LANES) few_lanes(c, ldc, x, ldx, R, G, w, j0, k, add);
#define ROWS(R)                                                                                              \
    case R:                                                                                                  \
        if (R <= 4) LANES_OF(R, 2)                                                                           \
        LANES_OF(R, 1)                                                                                       \
        for (int64_t j = j0; j < j1; j += few_g(R) * LANES)                                                  \
            few(c, ldc, x, ldx, R, few_g(R), w, wide, j, least(few_g(R) * LANES, j1 - j), k, add);           \
        return;
    switch (rows) {
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8)
    }
#undef ROWS
#undef LANES_OF
}

// ---- turned weights

enum { DEEP = 8, SUMS = 4096 }; // rows of b at a time; floats of sums: a third of the first cache

// sums[r][j] += a(r,i) b[i][j] for i < deep, in order. `soon`: the rows that follow these.
INLINE void add_deep(float *sums, int64_t lds, int R, int deep, const float *a, int64_t ai, int64_t ak,
                     const Block *b, const char *soon, int64_t row, int64_t n)
{
    enum { LINE = 16 / LANES, SOON = 256 }; // registers of a cache line; columns to call for ahead
    for (int64_t j = 0; j < n; j += 16) {
        Reg acc[FEW][LINE];
        UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < LINE; v++) acc[r][v] =
            r_load(sums + r * lds + j + v * LANES);
        const char *line = !soon          ? NULL
                           : j + SOON < n ? (const char *)(b->at + j + SOON)
                                          : soon + 4 * (j + SOON - n);
        UNROLL for (int i = 0; i < deep; i++)
        {
            Reg col[LINE];
            if (soon) __builtin_prefetch(line + i * row, 0, 3);
            UNROLL for (int v = 0; v < LINE; v++) col[v] = r_load(b->at + i * b->row + j + v * LANES);
            UNROLL for (int r = 0; r < R; r++)
            {
                const Reg x = r_set(a[r * ai + i * ak]);
                UNROLL for (int v = 0; v < LINE; v++) acc[r][v] = r_fma(x, col[v], acc[r][v]);
            }
        }
        UNROLL for (int r = 0; r < R; r++) UNROLL for (int v = 0; v < LINE; v++)
            r_store(sums + r * lds + j + v * LANES, acc[r][v]);
    }
}

// Columns j .. j + n of c, n at most SUMS / R.
INLINE void few_columns(float *c, int64_t ldc, int R, const float *a, int64_t ai, int64_t ak, const Right *w,
                        int64_t j, int64_t n, int64_t k, bool add)
{
    float sums[SUMS] __attribute__((aligned(64))), wide[DEEP * SUMS] __attribute__((aligned(64)));
    const int64_t whole = (n + 15) / 16 * 16;
    const bool in_place = w->type == F32 && n == whole;
    for (int64_t k0 = 0; k0 < k; k0 += K_BLOCK) {
        const int64_t end = least(k, k0 + K_BLOCK);
        memset(sums, 0, (size_t)(R * whole) * sizeof(float));
        for (int64_t p = k0; p < end; p += DEEP) {
            const int64_t deep = least(DEEP, end - p);
            const float *from = a + p * ak;
            Block b = {(const AnyFloat *)(const void *)right_at(w, p, j), w->row / 4};
            if (!in_place) {
                copy_widened(wide, whole, w, p, deep, deep, j, n);
                b = (Block){wide, whole};
            }
            const char *soon = in_place && p + 2 * DEEP <= k ? (const char *)(b.at + DEEP * b.row) : NULL;
            if (deep == DEEP && soon) add_deep(sums, whole, R, DEEP, from, ai, ak, &b, soon, w->row, whole);
            else if (deep == DEEP) add_deep(sums, whole, R, DEEP, from, ai, ak, &b, NULL, 0, whole);
            else
                for (int64_t i = 0; i < deep; i++, from += ak, b.at += b.row)
                    add_deep(sums, whole, R, 1, from, ai, ak, &b, NULL, 0, whole);
        }
        for (int64_t r = 0; r < R; r++)
            for (int64_t v = 0; v < n; v += LANES)
                put(c + r * ldc + j + v, r_load(sums + r * whole + v), n - v, add || k0);
    }
}

static void few_turned(float *c, int64_t ldc, const float *a, int64_t ai, int64_t ak, int64_t rows,
                       const Right *w, int64_t j0, int64_t j1, int64_t k, bool add)
{
    if (!k && !add)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t j = j0; j < j1; j++) c[r * ldc + j] = 0;
    const int64_t most = w->type == F32 ? SUMS : SUMS / DEEP; // DEEP rows of a copy are to stay in the cache
#define ROWS(R)                                                                                              \
    case R:                                                                                                  \
        for (int64_t j = j0, step = least(most, SUMS / R / 16 * 16); j < j1; j += step)                      \
            few_columns(c, ldc, R, a, ai, ak, w, j, least(step, j1 - j), k, add);                            \
        return;
    switch (rows) {
        ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8)
    }
#undef ROWS
}
