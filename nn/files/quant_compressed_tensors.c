// SPDX-License-Identifier: Apache-2.0
// quant_compressed_tensors.c — folders of compressed-tensors, which is what vLLM's tools write (github.com/vllm-project).
//
//   pack-quantized    P.weight_packed I32 [out, in bits/32], rounded up: codes of 1 to 8 bits along a row, low bits first, through
//                     ends of words; less 2^(bits-1). P.weight_shape I64 [2]. P.weight_zero_point I32 [out bits/32, groups]: the
//                     same along a column. P.weight_g_idx I32 [in]: the group of an input, where groups are not in order
//   int-quantized     P.weight I8 [out, in]; P.weight_zero_point I8
//   float-quantized   P.weight F8_E4M3 [out, in]
//
// P.weight_scale: one number, or one for each row, or for each row and group of columns, or for each block of rows and columns.
// A weight is scale x (code - zero). config_groups gives groups of modules different bits and sizes; which of them a tensor is
// of, its shapes say.
#include "quantized.h"

#include <string.h>

static const Dtype scale_types[] = {DT_F32, DT_F16, DT_BF16};

// What one of config_groups says of weights.
typedef struct Scheme {
    int64_t bits, group; // of inputs; 0: none
    int64_t block[2];    // of rows and columns; 0: none
    bool is_float;
} Scheme;

typedef struct Schemes {
    Scheme *v;
    size_t n;
} Schemes;

static bool read_block(const Config *c, const Json *j, int64_t block[2])
{
    const Json *one = j->child;
    if (j->kind != J_ARRAY || j->count != 2 || !one->is_int || !one->next->is_int || one->i < 1 ||
        one->next->i < 1 || one->i > INT32_MAX || one->next->i > INT32_MAX)
        return err_set(c->e, "%s: block_structure must be two whole numbers, of rows and of columns",
                       c->path);
    return block[0] = one->i, block[1] = one->next->i, true;
}

static bool read_scheme(const Quant *q, const Json *group, Scheme *out)
{
    const Json *weights = json_get(group, "weights"),
               *block = weights ? json_get(weights, "block_structure") : NULL;
    Config c = {
        .json = weights, .path = arena_printf(q->a, "%s: config_groups", q->settings.path), .e = q->e};
    char name[SHOWN];
    if (!weights || weights->kind != J_OBJECT)
        return err_set(q->e, "%s: a group says nothing of \"weights\"", c.path);
    const Str type = cfg_str(&c, "type", "int"), strategy = cfg_str(&c, "strategy", "");
    *out = (Scheme){.bits = cfg_int(&c, "num_bits", 8, 1, 16), .is_float = str_is(type, "float")};
    out->group = cfg_int(&c, "group_size", 0, -1, 1 << 20);
    if (q->e->set) return false;
    if (out->group < 0 || (strategy.n && !str_is(strategy, "group"))) out->group = 0;
    if (!out->is_float && !str_is(type, "int"))
        return err_set(q->e, "%s: type is \"%s\"; int and float are read", c.path, shown(name, type));
    if (out->bits > 8 || (out->is_float && out->bits != 8))
        return err_set(q->e,
                       "%s: num_bits is %" PRId64 "; whole numbers of 1 to 8 bits and floats of 8 are read",
                       c.path, out->bits);
    if (block && block->kind != J_NULL && !read_block(&c, block, out->block)) return false;
    return true;
}

static bool read_schemes(Quant *q, Schemes *out)
{
    static const char *const formats[] = {"pack-quantized", "int-quantized", "float-quantized",
                                          "naive-quantized", "mixed-precision"};
    const Config *c = &q->settings;
    const Str format = cfg_str(c, "format", "");
    const Json *groups = json_get(c->json, "config_groups"), *turned = json_get(c->json, "transform_config"),
               *sparse = json_get(c->json, "sparsity_config"),
               *how = sparse ? json_get(sparse, "format") : NULL;
    char name[SHOWN];
    bool known = !format.n;
    if (q->e->set) return false;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) known |= str_is(format, formats[i]);
    if (!known)
        return err_set(q->e,
                       "%s: format is \"%s\"; pack-quantized, int-quantized and float-quantized are read. "
                       "Use the model's "
                       "folder in one of these, in float16, or a GGUF file of it",
                       c->path, shown(name, format));
    if (turned && turned->kind == J_OBJECT && json_get(turned, "config_groups") &&
        json_get(turned, "config_groups")->count)
        return err_set(
            q->e, "%s: transform_config asks for rotations of activations, which are not done here", c->path);
    if (how && how->kind == J_STRING && !str_is(how->text, "dense"))
        return err_set(q->e, "%s: sparsity_config: format is \"%s\"; sparse weights are not read", c->path,
                       shown(name, how->text));
    if (!groups || groups->kind != J_OBJECT || !groups->count)
        return err_set(q->e, "%s: config_groups is %s; it must say how weights are quantized", c->path,
                       groups ? json_kind_name(groups) : "absent");
    out->v = arena_new(q->a, Scheme, groups->count);
    for (const Json *g = groups->child; g; g = g->next)
        if (!read_scheme(q, g, &out->v[out->n++])) return false;
    return true;
}

// ------------------------------------------------------------------------------------------------ a weight

static int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

// The scales' layout, from their shape; those that are for groups or blocks must be what one of the schemes says.
static bool read_scales(Quant *q, const Stored *s, Str stem, const Schemes *all, Coded *w)
{
    const Stored *scales = quant_part(q, stem, ".weight_scale");
    const int64_t out = w->rows, in = w->cols;
    char name[SHOWN];
    if (!scales)
        return quant_wrong(
            q, s,
            "is quantized, but '%s.weight_scale' is missing, without which its values are not known; is "
            "this a complete folder?",
            shown(name, stem));
    if (!quant_shape(q, scales, scale_types, 3, scales->rank, scales->dim)) return false;
    const int64_t rows = scales->rank ? scales->dim[0] : 1, cols = scales->rank == 2 ? scales->dim[1] : 1;
    w->scale = scales->data, w->scale_type = (WType)scales->dtype;
    w->high = 1, w->wide = in, w->groups = cols;
    if (stored_count(scales) == 1 && out * in != 1) w->high = out;
    if (scales->rank <= 2 && cols == 1 && (rows == out || w->high == out)) {
        bool grouped = true;
        for (size_t i = 0; i < all->n; i++) grouped = grouped && all->v[i].group && all->v[i].group < in;
        if (grouped)
            return quant_wrong(q, scales, "is one for each row; %s says groups of %" PRId64, q->settings.path,
                               all->v[0].group);
        return true;
    }
    for (size_t i = 0; i < all->n && scales->rank == 2; i++) {
        const Scheme *k = &all->v[i];
        const int64_t wide = k->block[1] ? k->block[1] : k->group, high = k->block[0] ? k->block[0] : 1;
        if (!wide || parts(out, high) != rows || parts(in, wide) != cols) continue;
        w->high = high, w->wide = wide;
        quant_note(q, high > 1 ? arena_printf(q->a, "blocks of %" PRId64 " x %" PRId64, high, wide)
                               : arena_printf(q->a, "groups of %" PRId64, wide));
        return true;
    }
    return quant_wrong(q, scales,
                       "has %" PRId64 " x %" PRId64 " scales for a weight of %" PRId64 " x %" PRId64
                       ", which fits no group of config_groups of %s",
                       rows, cols, out, in, q->settings.path);
}

static bool read_packed(Quant *q, size_t i, Str stem, const Schemes *all)
{
    const Stored *s = &q->c->tensor[i];
    int64_t shape[2];
    if (!quant_shape(q, s, DTYPES_OF(DT_I32), DIMS(-1, -1))) return false;
    const Stored *dims = quant_need(q, s, stem, ".weight_shape", (const Dtype[]){DT_I64, DT_I32}, 2, DIMS(2));
    if (!dims) return false;
    for (int k = 0; k < 2; k++) {
        int32_t small;
        memcpy(&shape[k], (const char *)dims->data + 8 * k * (dims->dtype == DT_I64),
               dims->dtype == DT_I64 ? 8 : 4);
        memcpy(&small, (const char *)dims->data + 4 * k, 4);
        if (dims->dtype == DT_I32) shape[k] = small;
        if (shape[k] < 1 || shape[k] > INT32_MAX)
            return quant_wrong(q, dims, "says %" PRId64 " rows or columns", shape[k]);
    }
    Coded w = {.rows = shape[0], .cols = shape[1], .codes = s->data, .pitch = s->dim[1] * 4};
    for (size_t k = 0; k < all->n && !w.bits; k++)
        if (!all->v[k].is_float && s->dim[1] == parts(shape[1] * all->v[k].bits, 32)) w.bits = all->v[k].bits;
    if (!w.bits || s->dim[0] != shape[0])
        return quant_wrong(q, s,
                           "has [%" PRId64 ", %" PRId64 "] words for a weight of %" PRId64 " x %" PRId64
                           ", which are codes of no num_bits of config_groups of %s",
                           s->dim[0], s->dim[1], shape[0], shape[1], q->settings.path);
    if (!read_scales(q, s, stem, all, &w)) return false;
    const Stored *zeros = quant_part(q, stem, ".weight_zero_point"),
                 *order = quant_part(q, stem, ".weight_g_idx");
    w.zero_plus = 1 << (w.bits - 1);
    if (zeros && w.high > 1)
        return quant_wrong(q, zeros, "is for a weight with one scale, or one for blocks of rows");
    if (zeros && !quant_shape(q, zeros, DTYPES_OF(DT_I32), DIMS(parts(w.rows * w.bits, 32), w.groups)))
        return false;
    int32_t first = 0;
    if (order && order->dtype == DT_I32 && order->bytes >= 4) memcpy(&first, order->data, 4);
    if (order && first != -1 && // -1: never set
        (!quant_shape(q, order, DTYPES_OF(DT_I32), DIMS(w.cols)) || !quant_groups(q, order, w.groups)))
        return false;
    w.zero = zeros ? zeros->data : NULL, w.group = order && first != -1 ? order->data : NULL;
    quant_note(q, arena_printf(q->a, "%" PRId64 " bits", w.bits));
    quant_put(q, i, stem, DT_PACKED, w, false);
    return true;
}

static bool read_plain(Quant *q, size_t i, Str stem, const Schemes *all)
{
    const Stored *s = &q->c->tensor[i];
    const bool whole = s->dtype == DT_I8;
    bool said = false;
    if (!quant_shape(q, s, &s->dtype, 1, DIMS(-1, -1))) return false;
    for (size_t k = 0; k < all->n; k++) said |= all->v[k].is_float != whole;
    if (!said)
        return quant_wrong(q, s, "is of type %s, which no group of config_groups of %s speaks of",
                           dtype_name(s->dtype), q->settings.path);
    Coded w = {.rows = s->dim[0], .cols = s->dim[1], .codes = s->data};
    if (!read_scales(q, s, stem, all, &w)) return false;
    const Stored *zeros = quant_part(q, stem, ".weight_zero_point");
    if (zeros && !whole) return quant_wrong(q, zeros, "is for a weight of floats, which has none");
    if (zeros &&
        (zeros->dtype != DT_I8 || stored_count(zeros) != (uint64_t)(parts(w.rows, w.high) * w.groups)))
        return quant_wrong(
            q, zeros, "is %s and has %" PRIu64 " numbers; it must be I8 and have as many as there are scales",
            dtype_name(zeros->dtype), stored_count(zeros));
    w.zero = zeros ? zeros->data : NULL;
    quant_note(q, whole ? "whole numbers of 8 bits" : "fp8");
    quant_put(q, i, stem, whole ? DT_INT8 : DT_FP8, w, false);
    return true;
}

static bool read(Quant *q)
{
    static const char *const others[] = {".input_scale",
                                         ".input_zero_point",
                                         ".input_global_scale",
                                         ".output_scale",
                                         ".output_zero_point",
                                         ".k_scale",
                                         ".v_scale",
                                         ".q_scale"};
    Schemes all = {0};
    if (!read_schemes(q, &all)) return false;
    for (size_t i = 0; i < q->c->n; i++) {
        const Stored *s = &q->c->tensor[i];
        const Str packed = quant_stem(s, ".weight_packed"), stem = quant_stem(s, ".weight");
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) // of activations, which stay float32
            q->drop[i] |= quant_stem(s, others[k]).s != NULL;
        if (packed.s && !read_packed(q, i, packed, &all)) return false;
        if (stem.s && (s->dtype == DT_I8 || s->dtype == DT_F8_E4M3) && !read_plain(q, i, stem, &all))
            return false;
    }
    return true;
}

const QuantKind quant_compressed_tensors = {
    .method = "compressed-tensors", .title = "compressed-tensors", .read = read};
