// SPDX-License-Identifier: Apache-2.0
// outgoing.c — the numbers of a tensor as another file has them: widened, put in that file's order, narrowed to its type.
//
// Rows are made a few at a time, by all threads, and written before the next ones are: the memory is that of a part, and
// what a row becomes depends on nothing but the row.
#include "writing.h"

#include <string.h>

#include "../../tensor/tensor.h"

enum {
    PART = 1 << 20,
    ITEM = 1 << 15,
    ACROSS = 64
}; // numbers of a part and of a thread's item; rows at once

Outgoing outgoing(const Stored *s, Dtype dtype)
{
    Outgoing o = {.name = s->name, .dtype = dtype, .from = s, .rank = s->rank};
    memcpy(o.dim, s->dim, sizeof o.dim);
    return o;
}

int64_t outgoing_cols(const Outgoing *o) { return o->rank ? o->dim[o->rank - 1] : 1; }

int64_t outgoing_rows(const Outgoing *o)
{
    int64_t n = 1;
    for (int i = 0; i + 1 < o->rank; i++) n *= o->dim[i];
    return n;
}

static size_t row_bytes(const Outgoing *o)
{
    if (!dtype_is_weight(o->dtype)) return (size_t)outgoing_cols(o) * dtype_size(o->dtype);
    return (size_t)type_bytes((WType)o->dtype, outgoing_cols(o));
}

uint64_t outgoing_bytes(const Outgoing *o) { return (uint64_t)outgoing_rows(o) * row_bytes(o); }

static int64_t row_there(const Outgoing *o, int64_t i) // the row of `from` that row i is
{
    if (!o->head) return i;
    const int64_t first = i / o->head * o->head, place = i - first;
    return first + place % 2 * (o->head / 2) + place / 2;
}

// Columns first .. first + n - 1 of what `from` stores as rows.
static void across(const Outgoing *o, int64_t first, int64_t n, float *out)
{
    const int64_t cols = outgoing_cols(o), wide = outgoing_rows(o);
    float part[ACROSS];
    for (int64_t i = 0, m; i < n; i += m) {
        m = o->head ? 1 : n - i < ACROSS ? n - i : ACROSS;
        const int64_t at = row_there(o, first + i);
        for (int64_t k = 0; k < cols; k++) {
            num_widen(part, o->from->data, (WType)o->from->dtype, k * wide + at, m);
            for (int64_t j = 0; j < m; j++) out[(i + j) * cols + k] = part[j];
        }
    }
}

void outgoing_values(const Outgoing *o, int64_t first, int64_t n, float *out)
{
    const int64_t cols = outgoing_cols(o);
    const bool turned = o->turned != o->from->turned; // twice is not at all
    if (turned) across(o, first, n, out);
    for (int64_t i = 0; !turned && i < n; i++)
        num_widen(out + i * cols, o->from->data, (WType)o->from->dtype, row_there(o, first + i) * cols, cols);
    for (int64_t i = 0; o->plus != 0 && i < n * cols; i++) out[i] += o->plus;
}

// ------------------------------------------------------------------------------------------------ parts

typedef struct Part {
    const Outgoing *o;
    int64_t first, rows, each; // rows of the part, and of an item
    float *values;             // [rows, cols]
    uint8_t *bytes;
    int64_t *wrong; // [items] the first number of the item that has no place in the type, -1: none
} Part;

static void make_item(int64_t i, void *context)
{
    const Part *p = context;
    const int64_t cols = outgoing_cols(p->o), from = i * p->each,
                  n = p->rows - from < p->each ? p->rows - from : p->each;
    float *v = p->values + from * cols;
    outgoing_values(p->o, p->first + from, n, v);
    const size_t row = row_bytes(p->o);
    p->wrong[i] = -1;
    for (int64_t k = 0; k < n && p->wrong[i] < 0; k++) {
        const int64_t at =
            num_narrow(p->bytes + (size_t)(from + k) * row, v + k * cols, (WType)p->o->dtype, cols);
        if (at >= 0) p->wrong[i] = (from + k) * cols + at;
    }
}

static bool check_part(const Part *p, int64_t items, Err *e)
{
    char name[SHOWN];
    for (int64_t i = 0; i < items; i++) {
        if (p->wrong[i] < 0) continue;
        const float x = p->values[p->wrong[i]];
        if (x - x != 0)
            return err_at(
                e, p->o->from->file, p->o->from->at,
                "tensor '%s' holds NaN or infinity, which %s has no place for; the checkpoint is damaged",
                shown(name, p->o->from->name), dtype_name(p->o->dtype));
        return err_at(e, p->o->from->file, p->o->from->at,
                      "tensor '%s' holds %g, which is too large for %s; --to bf16 has room for it",
                      shown(name, p->o->from->name), (double)x, dtype_name(p->o->dtype));
    }
    return true;
}

bool outgoing_write(Arena *a, const Outgoing *o, FileOut *f, Err *e)
{
    const int64_t rows = outgoing_rows(o), cols = outgoing_cols(o);
    if (!rows || !cols) return true;
    if (!dtype_is_weight(o->dtype)) return file_part(f, (Str){o->from->data, (size_t)outgoing_bytes(o)}, e);
    Arena *own = arena_create(a);
    Part p = {.o = o, .each = cols < ITEM ? ITEM / cols : 1};
    int64_t most = PART / p.each / cols * p.each;
    if (most < p.each) most = p.each;
    if (most > rows) most = rows;
    p.values = arena_new_raw(own, float, most *cols);
    p.bytes = arena_new_raw(own, uint8_t, (size_t)most * row_bytes(o));
    p.wrong = arena_new(own, int64_t, most / p.each + 1);
    bool ok = true;
    for (; ok && p.first < rows; p.first += p.rows) {
        p.rows = rows - p.first < most ? rows - p.first : most;
        const int64_t items = (p.rows + p.each - 1) / p.each;
        pool_run(items, make_item, &p);
        ok = check_part(&p, items, e) &&
             file_part(f, (Str){(const char *)p.bytes, (size_t)p.rows * row_bytes(o)}, e);
    }
    arena_free(own);
    return ok;
}
