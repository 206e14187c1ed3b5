// SPDX-License-Identifier: Apache-2.0
// write_codes.c — a weight in bitsandbytes' codes as the tensors that it is in a file: the other way of quant_bitsandbytes.c.
#include "writing.h"

#include <stdio.h>
#include <string.h>

#include "../../tensor/tensor.h"

typedef struct Parts {
    Arena *a;
    const Stored *of;
    Str stem; // its name without ".weight"
    Outgoing *out;
    size_t n;
} Parts;

static void add(Parts *p, const char *name, Dtype dtype, const void *data, int rank, int64_t rows,
                int64_t cols)
{
    Stored *s = arena_new(p->a, Stored, 1);
    *s = (Stored){.name = str_of(arena_printf(p->a, "%.*s%s", (int)p->stem.n, p->stem.s, name)),
                  .dtype = dtype,
                  .rank = rank,
                  .dim = {rows, cols},
                  .data = data,
                  .file = p->of->file,
                  .at = p->of->at};
    p->out[p->n++] = outgoing(s, dtype);
}

static void add_state(Parts *p, const Coded *w, bool nf4)
{
    const char *kind = nf4 ? "nf4" : "fp4";
    Buf b = {.arena = p->a};
    buf_printf(&b,
               "{\"quant_type\": \"%s\", \"blocksize\": %" PRId64
               ", \"dtype\": \"float32\", \"shape\": [%" PRId64 ", %" PRId64 "]",
               kind, w->wide, w->rows, w->cols);
    if (w->nested)
        buf_printf(&b,
                   ", \"nested_blocksize\": %" PRId64
                   ", \"nested_dtype\": \"float32\", \"nested_offset\": %.17g",
                   w->nested_wide, (double)w->nested_offset);
    buf_char(&b, '}');
    add(p, arena_printf(p->a, ".weight.quant_state.bitsandbytes__%s", kind), DT_U8, b.s, 1, (int64_t)b.n, 0);
}

size_t outgoing_codes(Arena *a, const Stored *s, Outgoing out[MOST_PARTS_OF_CODES])
{
    static const uint8_t rows_as_they_are = 0;
    if (s->dtype != DT_BNB8 && s->dtype != DT_BNB4) return 0;
    const Coded *w = ((const CodedRow *)s->data)->weight;
    Parts p = {.a = a, .of = s, .stem = {s->name.s, s->name.n - strlen(".weight")}, .out = out};
    if (s->dtype == DT_BNB8) {
        add(&p, ".weight", DT_I8, w->codes, 2, w->rows, w->cols);
        add(&p, ".SCB", DT_F32, w->scale, 1, w->rows, 0);
        add(&p, ".weight_format", DT_U8, &rows_as_they_are, 0, 0, 0);
        return p.n;
    }
    const int64_t n = w->rows * w->cols, blocks = (n + w->wide - 1) / w->wide;
    const bool nf4 = ((const float *)w->table)[15] == 1; // the last of FP4 is negative
    add(&p, ".weight", DT_U8, w->codes, 2, (n + 1) / 2, 1);
    add(&p, ".weight.absmax", w->nested ? DT_U8 : DT_F32, w->scale, 1, blocks, 0);
    add(&p, ".weight.quant_map", DT_F32, w->table, 1, 16, 0);
    if (w->nested) {
        add(&p, ".weight.nested_absmax", DT_F32, w->nested_scale, 1,
            (blocks + w->nested_wide - 1) / w->nested_wide, 0);
        add(&p, ".weight.nested_quant_map", DT_F32, w->nested, 1, 256, 0);
    }
    add_state(&p, w, nf4);
    return p.n;
}
