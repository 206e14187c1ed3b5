// SPDX-License-Identifier: Apache-2.0
// fold.c — see fold.h.
#include "fold.h"

enum { ROOM = 1 << 13 }; // the widest head that is folded

Fold fold_of(const Tape *t, const Tensor *side, const Tensor *other, int64_t heads, int64_t d)
{
    Fold f = {.side = side,
              .other = other,
              .heads = heads,
              .d = d,
              .group = heads * d / side->cols,
              .other_group = heads * d / other->cols};
    if (linear_parts(t, side, &f.x, &f.w, &f.b) && d > ROOM) f.x = NULL;
    return f;
}

void fold_begin(Fold *f, Tape *t, int64_t n)
{
    f->K = 0;
    if (!f->x || !f->x->wanted || f->side->kept || f->w->wanted || (f->b && f->b->wanted)) return;
    f->K = n;
    int64_t **each[] = {&f->row0, &f->rows, &f->other0, &f->width, &f->at};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) *each[i] = arena_new(tape_back(t), int64_t, n);
}

// Three quarters: it must also pay for the bracket. The rule knows only what the cotangent sees, so that its numbers depend
// neither on other cotangents nor on tokens behind it.
bool fold_take(Fold *f, int64_t k, int64_t row0, int64_t rows, int64_t other0, int64_t width)
{
    if (!f->K || !rows || !width || 4 * width * f->heads > 3 * f->side->cols) return false;
    f->row0[k] = row0, f->rows[k] = rows, f->other0[k] = other0, f->width[k] = width;
    return true;
}

static bool same_other(const Fold *f, int64_t k, int64_t next)
{
    return next < f->K && f->width[k] && f->width[next] && f->other0[k] == f->other0[next];
}

// Neighbours of about one width get the widest's, and so become one product; the columns that a cotangent does not see are 0.
void fold_end(Fold *f)
{
    enum { ABOUT = 8 };
    for (int64_t k = 0, end, at = 0; k < f->K; k = end) {
        int64_t widest = f->width[k];
        for (end = k + 1; same_other(f, k, end) && (f->width[end] - 1) / ABOUT == (f->width[k] - 1) / ABOUT;
             end++)
            widest = f->width[end] > widest ? f->width[end] : widest;
        for (int64_t i = k; i < end; i++) {
            f->width[i] = f->width[i] ? widest : 0;
            f->at[i] = at, at += f->rows[i] * f->width[i] * f->heads;
        }
    }
}

static int64_t all_dz(const Fold *f)
{
    int64_t last = f->K - 1;
    return f->at[last] + f->rows[last] * f->width[last] * f->heads;
}

void fold_start(Fold *f, Tape *t)
{
    if (f->K) f->dz = tape_scratch(t, all_dz(f));
}

void fold_in(const Fold *f, int64_t k, int64_t h, const float *dz, int64_t di, int64_t dj, int64_t from,
             int64_t n)
{
    float *to = f->dz + f->at[k] + h;
    for (int64_t i = 0; i < f->rows[k]; i++, dz += di) {
        for (int64_t j = 0; j < from; j++, to += f->heads) *to = 0;
        for (int64_t j = 0; j < n; j++, to += f->heads) *to = dz[j * dj];
        for (int64_t j = from + n; j < f->width[k]; j++, to += f->heads) *to = 0;
    }
}

// ------------------------------------------------------------------------------------------------ the products

static int64_t place(const Fold *f, int64_t k) // of cotangent k's first row in the packed gradient of x
{
    return f->x->layout->at[k] + f->row0[k] - f->x->layout->row0[k];
}

// The end of the neighbours of k whose rows lie side by side both in dz and in the gradient of x.
static int64_t piece_end(const Fold *f, int64_t k, int64_t *rows)
{
    int64_t end = k + 1;
    *rows = f->rows[k];
    for (; same_other(f, k, end) && f->width[end] == f->width[k] && place(f, end) == place(f, k) + *rows;
         end++)
        *rows += f->rows[end];
    return end;
}

// The widest of the neighbours of k that meet the same rows of the other side.
static int64_t most(const Fold *f, int64_t k)
{
    int64_t widest = 0;
    for (int64_t i = k; same_other(f, k, i); i++) widest = f->width[i] > widest ? f->width[i] : widest;
    return widest;
}

typedef struct Bracket {
    const Fold *f;
    float *out; // [rows][heads][x's columns]
    int64_t other0, rows;
} Bracket;

// Rows of a turned weight are columns of the file's: a head's are widened from some of its rows at a time.
static void bracket_turned(const Bracket *b, int64_t first, float *out, const float *other)
{
    const Fold *f = b->f;
    const int64_t D = f->x->cols, d = f->d, most = ROOM / d, row = type_row_bytes(f->w->type, f->w->rows);
    float wide[ROOM];
    for (int64_t j = 0, n; j < D; j += n) {
        n = D - j < most ? D - j : most;
        for (int64_t i = 0; i < n; i++)
            num_widen(wide + i * d, (const char *)f->w->raw + (j + i) * row, f->w->type, first, d);
        K->gemm_nt(out + j, f->heads * D, other, f->other->cols, b->rows, wide, W_F32, d, 0, n, n, d, false);
    }
}

static void bracket_head(int64_t h, void *context)
{
    const Bracket *b = context;
    const Fold *f = b->f;
    const int64_t D = f->x->cols, d = f->d, first = h / f->group * d;
    const char *w = f->w->raw ? f->w->raw : (const char *)f->w->f;
    const float *other = f->other->f + b->other0 * f->other->cols + h / f->other_group * d;
    if (f->w->turned) bracket_turned(b, first, b->out + h * D, other);
    else
        K->gemm_nn(b->out + h * D, f->heads * D, other, f->other->cols, 1, b->rows,
                   w + first * type_row_bytes(f->w->type, D), (int)f->w->type, D, 0, D, D, d, false);
}

int64_t fold_scratch(const Fold *f)
{
    if (!f->K) return 0;
    int64_t bracket = 0, products = 0, rows;
    for (int64_t k = 0, end; k < f->K; k = end) {
        end = k + 1;
        if (!f->width[k]) continue;
        int64_t widest = most(f, k);
        bracket = widest > bracket ? widest : bracket;
        end = piece_end(f, k, &rows);
        products += product_nn_scratch(rows, f->x->cols, f->width[k] * f->heads);
    }
    return all_dz(f) + bracket * f->heads * f->x->cols + products;
}

void fold_back(Fold *f, Tape *t)
{
    int64_t D = f->K ? f->x->cols : 0, widest = 0, rows;
    for (int64_t k = 0; k < f->K; k++) widest = f->width[k] > widest ? f->width[k] : widest;
    if (!widest) return;
    Bracket b = {f, tape_scratch(t, widest * f->heads * D), -1, 0};
    for (int64_t k = 0, end; k < f->K; k = end) {
        end = k + 1;
        if (!f->width[k]) continue;
        if (b.other0 != f->other0[k] || b.rows < f->width[k]) {
            b.other0 = f->other0[k], b.rows = most(f, k);
            pool_run(f->heads, bracket_head, &b);
        }
        end = piece_end(f, k, &rows);
        product_nn(t, f->x->grad + place(f, k) * D, D, f->dz + f->at[k], f->width[k] * f->heads, 1, rows,
                   b.out, W_F32, D, D, f->width[k] * f->heads, true);
    }
}
