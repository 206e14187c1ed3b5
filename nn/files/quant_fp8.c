// SPDX-License-Identifier: Apache-2.0
// quant_fp8.c — numbers of eight bits, E4M3, with a scale for each block of rows and columns (DeepSeek-V3's, Qwen3-FP8's), or one
// for all. DeepSeek-AI 2024, arXiv:2412.19437, section 3.3.
//
//   P.weight F8_E4M3 [out, in]   P.weight_scale_inv [out/a, in/b], rounded up, with weight_block_size [a, b]; without it one number
//
// A weight is number x scale, whatever "inv" says. Activations, which these models' own kernels round to eight bits as well, stay
// float32 here.
#include "quantized.h"

static const Dtype scale_types[] = {DT_F32, DT_F16, DT_BF16};

// [a, b], or 0, 0 for one scale.
static bool read_blocks(const Quant *q, int64_t block[2])
{
    const Config *c = &q->settings;
    const Json *j = json_get(c->json, "weight_block_size"), *one = j ? j->child : NULL;
    const Str fmt = cfg_str(c, "fmt", "e4m3");
    char name[SHOWN];
    block[0] = block[1] = 0;
    if (q->e->set) return false;
    if (!str_is(fmt, "e4m3"))
        return err_set(q->e, "%s: fmt is \"%s\"; e4m3 is read", c->path, shown(name, fmt));
    if (!j || j->kind == J_NULL) return true;
    if (j->kind != J_ARRAY || j->count != 2 || !one->is_int || !one->next->is_int || one->i < 1 ||
        one->next->i < 1 || one->i > INT32_MAX || one->next->i > INT32_MAX)
        return err_set(q->e, "%s: weight_block_size must be two whole numbers, of rows and of columns",
                       c->path);
    return block[0] = one->i, block[1] = one->next->i, true;
}

static bool read_weight(Quant *q, size_t i, Str stem, const int64_t block[2])
{
    const Stored *s = &q->c->tensor[i];
    if (!quant_shape(q, s, DTYPES_OF(DT_F8_E4M3), DIMS(-1, -1))) return false;
    const int64_t out = s->dim[0], in = s->dim[1];
    Coded w = {.rows = out, .cols = in, .codes = s->data, .high = out, .wide = in, .groups = 1};
    const Stored *scales = quant_part(q, stem, ".weight_scale_inv");
    if (!scales) scales = quant_part(q, stem, ".weight_scale");
    quant_part(q, stem, ".input_scale"), quant_part(q, stem, ".activation_scale"); // of activations
    if (!scales)
        return quant_wrong(
            q, s,
            "is of fp8, but there is no weight_scale_inv beside it, without which its values are not "
            "known; is this a complete folder?");
    if (block[0]) w.high = block[0], w.wide = block[1], w.groups = (in + w.wide - 1) / w.wide;
    const int64_t high = (out + w.high - 1) / w.high;
    const bool shaped = scales->rank == 2 && scales->dim[0] == high && scales->dim[1] == w.groups;
    if (!quant_shape(q, scales, scale_types, 3, scales->rank, scales->dim)) return false;
    if (!shaped && (stored_count(scales) != 1 || high * w.groups != 1))
        return quant_wrong(q, scales,
                           "has %" PRIu64 " scales; weight_block_size of %s calls for %" PRId64 " x %" PRId64
                           " of them for a weight of %" PRId64 " x %" PRId64,
                           stored_count(scales), q->settings.path, high, w.groups, out, in);
    w.scale = scales->data, w.scale_type = (WType)scales->dtype;
    quant_note(q, block[0] ? arena_printf(q->a, "blocks of %" PRId64 " x %" PRId64, block[0], block[1])
                           : "one scale for a weight");
    quant_put(q, i, stem, DT_FP8, w, false);
    return true;
}

static bool read(Quant *q)
{
    int64_t block[2];
    if (!read_blocks(q, block)) return false;
    for (size_t i = 0; i < q->c->n; i++) {
        const Stored *s = &q->c->tensor[i];
        const Str stem = quant_stem(s, ".weight");
        if (s->dtype == DT_F8_E5M2)
            return quant_wrong(q, s, "is of type F8_E5M2, which no weight has; E4M3 is read");
        if (stem.s && s->dtype == DT_F8_E4M3 && !read_weight(q, i, stem, block)) return false;
    }
    return true;
}

const QuantKind quant_fp8 = {.method = "fp8", .title = "fp8", .read = read};
