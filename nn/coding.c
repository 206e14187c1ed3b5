// SPDX-License-Identifier: Apache-2.0
// coding.c — weights of linear layers quantized while a model is opened, as transformers does with bitsandbytes'
// load_in_8bit and load_in_4bit: the same codes as in a folder that it would save (nn/files/quant_bitsandbytes.c).
//
// A family asks for each linear layer's weight before it binds it, so what is no linear layer (tables, output matrices) and
// what transformers keeps in float32 (T5's wo) stays as it is. The tensor in the checkpoint's table becomes one in codes: a
// byte or half a byte for each number, made from some rows at a time.
#include <string.h>

#include "files/quantized.h"
#include "model.h"

enum { BLOCK = 64, BAND = 1 << 20, PIECE = 1 << 16, NESTED = 256 };

// Rows of the matrix [rows, cols] that a layer multiplies by, in float32, and their codes.
typedef struct Band {
    const Stored *s;
    bool turned;                  // s has it as [cols, rows]
    int64_t rows, cols, first, n; // of these, n rows from `first` on
    float *x;                     // [n, cols]
    const NnQuantize *how;
    uint8_t *codes;
    float *most;
    int64_t *bad; // [items] the first number that has no place, from `first` on; -1: none
} Band;

static void widen_rows(int64_t i, void *context)
{
    const Band *b = context;
    const int64_t from = i * BLOCK, n = b->n - from < BLOCK ? b->n - from : BLOCK, cols = b->cols;
    const WType type = (WType)b->s->dtype;
    float part[BLOCK];
    if (b->s->dtype == DT_F64)
        for (int64_t k = 0; k < n * cols; k++) {
            const int64_t row = b->first + from + k / cols, col = k % cols;
            double x;
            memcpy(&x, (const char *)b->s->data + 8 * (b->turned ? col * b->rows + row : row * cols + col),
                   8);
            b->x[from * cols + k] = (float)x;
        }
    else if (!b->turned) num_widen(b->x + from * cols, b->s->data, type, (b->first + from) * cols, n * cols);
    else
        for (int64_t j = 0; j < cols; j++) {
            num_widen(part, b->s->data, type, j * b->rows + b->first + from, n);
            for (int64_t k = 0; k < n; k++) b->x[(from + k) * cols + j] = part[k];
        }
}

static void code_row(int64_t i, void *context)
{
    const Band *b = context;
    const int64_t row = b->first + i, bad = code_8bit((int8_t *)b->codes + row * b->cols, b->most + row,
                                                      b->x + i * b->cols, b->cols);
    b->bad[i] = bad < 0 ? -1 : i * b->cols + bad;
}

static void code_piece(int64_t i, void *context) // bands and pieces begin where blocks do
{
    const Band *b = context;
    const int64_t at = b->first * b->cols + i * PIECE, all = b->n * b->cols - i * PIECE,
                  n = all < PIECE ? all : PIECE,
                  bad = code_4bit(b->codes + at / 2, b->most + at / BLOCK, b->x + i * PIECE, n, BLOCK,
                                  b->how->nf4);
    b->bad[i] = bad < 0 ? -1 : i * PIECE + bad;
}

static bool code_bands(Arena *scratch, Band *b, Err *e)
{
    int64_t most = BAND / b->cols / BLOCK * BLOCK;
    char name[SHOWN];
    if (most < BLOCK) most = BLOCK;
    if (most > b->rows) most = b->rows;
    b->x = arena_new_raw(scratch, float, most * b->cols);
    b->bad = arena_new_raw(scratch, int64_t, b->how->bits == 8 ? most : most * b->cols / PIECE + 1);
    for (b->first = 0; b->first < b->rows; b->first += b->n) {
        b->n = b->rows - b->first < most ? b->rows - b->first : most;
        const int64_t items = b->how->bits == 8 ? b->n : (b->n * b->cols + PIECE - 1) / PIECE;
        pool_run((b->n + BLOCK - 1) / BLOCK, widen_rows, b);
        pool_run(items, b->how->bits == 8 ? code_row : code_piece, b);
        for (int64_t i = 0; i < items; i++)
            if (b->bad[i] >= 0)
                return err_at(e, b->s->file, b->s->at,
                              "tensor '%s' holds %g, which has no place among numbers of %d bits; without "
                              "load_in_%dbit "
                              "the model can be opened",
                              shown(name, b->s->name), (double)b->x[b->bad[i]], b->how->bits, b->how->bits);
    }
    return true;
}

static Coded coded_4bit(Arena *a, const Band *b)
{
    const int64_t blocks = (b->rows * b->cols + BLOCK - 1) / BLOCK;
    Coded w = {.wide = BLOCK, .scale_type = W_F32, .table = b->how->nf4 ? code_nf4 : code_fp4};
    if (!b->how->nested) {
        float *most = arena_new_raw(a, float, blocks);
        memcpy(most, b->most, (size_t)blocks * sizeof *most);
        w.scale = most;
        return w;
    }
    uint8_t *places = arena_new_raw(a, uint8_t, blocks);
    float *nested = arena_new_raw(a, float, (blocks + NESTED - 1) / NESTED),
          *map = arena_new_raw(a, float, 256);
    code_nested(places, nested, &w.nested_offset, b->most, blocks);
    for (int i = 0; i < 256; i++) map[i] = code_dynamic(i);
    w.scale = places, w.nested = map, w.nested_scale = nested, w.nested_wide = NESTED;
    return w;
}

static bool skipped(const NnQuantize *how, const char *weight)
{
    const Str module = {weight, strlen(weight) - strlen(".weight")};
    for (size_t i = 0; i < how->n_skip; i++) {
        const Str s = str_of(how->skip[i]);
        if (str_ends(module, s) || (str_starts(module, s) && module.s[s.n] == '.')) return true;
    }
    return false;
}

bool code_weight(Model *m, const char *name, bool turned, Err *e)
{
    const NnQuantize *how = m->quantize;
    const Stored *found = how ? checkpoint_find(m->checkpoint, name) : NULL;
    if (!found || found->rank != 2 || (!dtype_is_weight(found->dtype) && found->dtype != DT_F64) ||
        !dtype_size(found->dtype) || !stored_count(found) || skipped(how, name))
        return true; // what is wrong with it is told when it is bound
    Stored *s = &m->checkpoint->tensor[found - m->checkpoint->tensor];
    turned = turned && !m->checkpoint->plain;
    Band b = {.s = s, .turned = turned, .how = how, .rows = s->dim[turned], .cols = s->dim[!turned]};
    const int64_t n = b.rows * b.cols, bytes = how->bits == 8 ? n : (n + 1) / 2;
    Arena *scratch = arena_create(m->arena);
    b.codes = arena_new_raw(m->arena, uint8_t, bytes);
    b.most =
        arena_new_raw(how->bits == 8 ? m->arena : scratch, float, how->bits == 8 ? b.rows : n / BLOCK + 1);
    const bool ok = code_bands(scratch, &b, e);
    if (ok) {
        Coded *w = arena_new(m->arena, Coded, 1);
        *w = how->bits == 8 ? (Coded){.scale = b.most, .scale_type = W_F32} : coded_4bit(m->arena, &b);
        w->rows = b.rows, w->cols = b.cols, w->codes = b.codes;
        s->dtype = how->bits == 8 ? DT_BNB8 : DT_BNB4;
        s->dim[0] = b.rows, s->dim[1] = b.cols;
        m->checkpoint->bytes += (uint64_t)bytes - s->bytes;
        s->data = coded_rows(m->arena, w), s->bytes = (size_t)bytes;
    }
    arena_free(scratch);
    return ok;
}
