// SPDX-License-Identifier: Apache-2.0
// quant_bitsandbytes.c — what transformers saves of a model loaded with load_in_8bit or load_in_4bit.
//
//   8 bits   Dettmers et al. 2022, arXiv:2208.07339    P.weight I8 [out, in], P.SCB F32 [out]: the largest of each row
//   4 bits   Dettmers et al. 2023, arXiv:2305.14314    P.weight: two codes a byte, row after row; P.weight.absmax: the largest
//            of each block; .quant_map: what the 16 codes stand for; .quant_state.bitsandbytes__nf4 (or fp4): JSON, the shape.
//            Nested: absmax is U8, places in nested_quant_map, times nested_absmax of their own blocks, plus an offset
//
// Matrices are [out, in] there, GPT-2's too.
#include "quantized.h"

#include <string.h>

enum { MOST_STATE = 4096 };

static bool read_8bit(Quant *q, size_t i, Str stem)
{
    const Stored *s = &q->c->tensor[i];
    if (!quant_shape(q, s, DTYPES_OF(DT_I8), DIMS(-1, -1))) return false;
    const Stored *most = quant_part(q, stem, ".SCB"), *format = quant_part(q, stem, ".weight_format");
    char name[SHOWN];
    if (!most)
        return quant_wrong(q, s, "is of int8, but '%s.SCB', the largest value of each row, is missing",
                           shown(name, stem));
    if (stored_count(most) != (uint64_t)s->dim[0] || most->dtype != DT_F32)
        return quant_wrong(q, most,
                           "is %s and has %" PRIu64
                           " numbers; it must be F32 and have one for each of %" PRId64 " rows",
                           dtype_name(most->dtype), stored_count(most), s->dim[0]);
    if (format && (format->dtype != DT_U8 || format->bytes != 1 || *(const uint8_t *)format->data))
        return quant_wrong(
            q, format,
            "says that the weight's rows are mixed for a kind of GPU; only rows as they are (0) "
            "are read: save the model again with a newer bitsandbytes");
    quant_note(q, "8 bits");
    quant_put(
        q, i, stem, DT_BNB8,
        (Coded){
            .rows = s->dim[0], .cols = s->dim[1], .codes = s->data, .scale = most->data, .scale_type = W_F32},
        false);
    return true;
}

// The JSON of a weight: kind, blocks, shape.
static bool read_state(Quant *q, const Stored *s, const char *kind, Coded *out)
{
    Config c = {.path = arena_printf(q->a, "%s:+%" PRIu64, s->file, s->at), .e = q->e};
    if (s->dtype != DT_U8 || s->bytes > MOST_STATE)
        return quant_wrong(q, s, "must be JSON text of at most %d bytes", MOST_STATE);
    if (!(c.json = json_parse(q->a, (Str){s->data, s->bytes}, c.path, q->e))) return false;
    if (c.json->kind != J_OBJECT) return quant_wrong(q, s, "must hold a JSON object");
    const Str type = cfg_str(&c, "quant_type", kind);
    out->wide = cfg_need_int(&c, "blocksize", 32, 4096);
    out->nested_wide = cfg_int(&c, "nested_blocksize", 0, 1, 1 << 20);
    out->nested_offset = (float)cfg_real(&c, "nested_offset", 0, -1e30, 1e30);
    const Json *shape = json_get(c.json, "shape"), *rows = shape ? shape->child : NULL;
    if (q->e->set) return false;
    if (!str_is(type, kind)) return quant_wrong(q, s, "names a quant_type other than its own name, %s", kind);
    if (out->wide & (out->wide - 1))
        return quant_wrong(q, s, "has a blocksize of %" PRId64 "; it must be a power of two", out->wide);
    if (!shape || shape->kind != J_ARRAY || shape->count != 2 || !rows->is_int || !rows->next->is_int ||
        rows->i < 1 || rows->next->i < 1 || rows->i > INT32_MAX || rows->next->i > INT32_MAX)
        return quant_wrong(q, s, "must have a \"shape\" of two whole numbers");
    out->rows = rows->i, out->cols = rows->next->i;
    return true;
}

static bool has(Quant *q, const Stored *s, const Stored *part, const char *name, Dtype type, int64_t n)
{
    if (!part) return quant_wrong(q, s, "is quantized to 4 bits, but its '%s' is missing", name);
    return (part->dtype == type && stored_count(part) == (uint64_t)n) ||
           quant_wrong(q, part, "is %s and has %" PRIu64 " numbers; the weight calls for %" PRId64 " of %s",
                       dtype_name(part->dtype), stored_count(part), n, dtype_name(type));
}

// The library takes FP4's sign from the highest bit: its code 8 is a negative zero, whatever the table says.
static const void *with_signs(Quant *q, const void *map)
{
    float *table = arena_new(q->a, float, 16);
    memcpy(table, map, 16 * sizeof *table);
    if (table[8] == 0) table[8] = -0.0F;
    return table;
}

static bool read_4bit(Quant *q, size_t i, Str stem, const Stored *state, const char *kind)
{
    const Stored *s = &q->c->tensor[i], *absmax = quant_part(q, stem, ".weight.absmax"),
                 *map = quant_part(q, stem, ".weight.quant_map"),
                 *nested = quant_part(q, stem, ".weight.nested_absmax"),
                 *nested_map = quant_part(q, stem, ".weight.nested_quant_map");
    Coded w = {.codes = s->data, .scale_type = W_F32};
    if (!read_state(q, state, kind, &w)) return false;
    const int64_t n = w.rows * w.cols, blocks = (n + w.wide - 1) / w.wide;
    if (s->bytes != (uint64_t)(n + 1) / 2)
        return quant_wrong(q, s, "has %zu bytes; %" PRId64 " x %" PRId64 " codes of 4 bits take %" PRId64,
                           s->bytes, w.rows, w.cols, (n + 1) / 2);
    const bool is_nested = absmax && absmax->dtype == DT_U8;
    if (!has(q, s, absmax, "absmax", is_nested ? DT_U8 : DT_F32, blocks) ||
        !has(q, s, map, "quant_map", DT_F32, 16))
        return false;
    if (is_nested) {
        if (!w.nested_wide) return quant_wrong(q, state, "has no nested_blocksize, but absmax is nested");
        if (!has(q, s, nested, "nested_absmax", DT_F32, (blocks + w.nested_wide - 1) / w.nested_wide) ||
            !has(q, s, nested_map, "nested_quant_map", DT_F32, 256))
            return false;
        w.nested = nested_map->data, w.nested_scale = nested->data;
    }
    w.scale = absmax->data, w.table = strcmp(kind, "fp4") ? map->data : with_signs(q, map->data);
    quant_note(q, strcmp(kind, "nf4") ? "FP4" : "NF4");
    if (is_nested) quant_note(q, "nested");
    quant_put(q, i, stem, DT_BNB4, w, false);
    return true;
}

static bool read(Quant *q)
{
    static const char *const kinds[] = {"nf4", "fp4"};
    for (size_t i = 0; i < q->c->n; i++) {
        const Stored *s = &q->c->tensor[i], *state = NULL;
        const Str stem = quant_stem(s, ".weight");
        if (!stem.s) continue;
        int k = 0;
        for (; k < 2 && !state; k++)
            state = quant_part(q, stem, arena_printf(q->a, ".weight.quant_state.bitsandbytes__%s", kinds[k]));
        if (state               ? !read_4bit(q, i, stem, state, kinds[k - 1])
            : s->dtype == DT_I8 ? !read_8bit(q, i, stem)
                                : false)
            return false;
        if (!state && s->dtype == DT_U8)
            return quant_wrong(
                q, s,
                "is of 4-bit codes, but there is no quant_state.bitsandbytes__nf4 or __fp4 beside it, "
                "which says what they stand for");
    }
    return true;
}

const QuantKind quant_bitsandbytes = {.method = "bitsandbytes", .title = "bitsandbytes", .read = read};
