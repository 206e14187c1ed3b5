// SPDX-License-Identifier: Apache-2.0
// quant_awq.c — folders of AutoAWQ, version gemm. Lin et al. 2023, arXiv:2306.00978.
//
//   P.qweight I32 [in, out/8], P.qzeros I32 [groups, out/8]   eight columns a word, in the order 0 2 4 6 1 3 5 7
//   P.scales [groups, out]
//
// A weight is scale x (code - zero).
#include "quantized.h"

// Bits and inputs of a group, in config.json's words or in those of quant_config.json.
static bool read_settings(const Quant *q, int64_t *group)
{
    const Config *c = &q->settings;
    const int64_t bits = cfg_int(c, "bits", cfg_int(c, "w_bit", 4, 1, 16), 1, 16);
    *group = cfg_int(c, "group_size", cfg_int(c, "q_group_size", 128, -1, 1 << 20), -1, 1 << 20);
    const Str version = cfg_str(c, "version", "gemm");
    char name[SHOWN];
    if (q->e->set) return false;
    if (bits != 4)
        return err_set(q->e, "%s: bits is %" PRId64 "; AWQ's codes of 4 bits are read", c->path, bits);
    if (!str_is(version, "gemm") && !str_is(version, "GEMM"))
        return err_set(q->e,
                       "%s: version is \"%s\"; gemm is read. Use the model's folder in that version, in "
                       "float16, or a GGUF "
                       "file of it",
                       c->path, shown(name, version));
    return *group == -1 || *group > 0 ||
           err_set(q->e, "%s: group_size is 0; it must be -1 or above 0", c->path);
}

static bool read_weight(Quant *q, size_t i, Str stem, int64_t group)
{
    static const Dtype scale_types[] = {DT_F16, DT_BF16, DT_F32};
    const Stored *s = &q->c->tensor[i];
    if (!quant_shape(q, s, DTYPES_OF(DT_I32), DIMS(-1, -1))) return false;
    const int64_t in = s->dim[0], words = s->dim[1], out = words * 8, high = group > 0 ? group : in,
                  groups = (in + high - 1) / high;
    const Stored *scales = quant_need(q, s, stem, ".scales", scale_types, 3, DIMS(-1, out));
    if (!scales) return false;
    if (scales->dim[0] != groups)
        return quant_wrong(q, scales,
                           "has scales of %" PRId64 " groups for %" PRId64
                           " inputs, which is not a group_size of %" PRId64 " as %s says",
                           scales->dim[0], in, group, q->settings.path);
    const Stored *zeros = quant_need(q, s, stem, ".qzeros", DTYPES_OF(DT_I32), DIMS(groups, words));
    if (!zeros) return false;
    quant_note(q, groups == 1 ? "one group" : arena_printf(q->a, "groups of %" PRId64, high));
    quant_put(q, i, stem, DT_AWQ,
              (Coded){.rows = in,
                      .cols = out,
                      .codes = s->data,
                      .pitch = words * 4,
                      .high = high,
                      .groups = out,
                      .scale = scales->data,
                      .scale_type = (WType)scales->dtype,
                      .zero = zeros->data},
              true);
    return true;
}

static bool read(Quant *q)
{
    int64_t group;
    if (!read_settings(q, &group)) return false;
    for (size_t i = 0; i < q->c->n; i++) {
        const Str stem = quant_stem(&q->c->tensor[i], ".qweight");
        if (stem.s && !read_weight(q, i, stem, group)) return false;
    }
    return true;
}

const QuantKind quant_awq = {.method = "awq", .title = "AWQ, 4 bits", .read = read};
