// SPDX-License-Identifier: Apache-2.0
// quant_gptq.c — folders of AutoGPTQ, GPTQModel and Optimum. Frantar et al. 2022, arXiv:2210.17323.
//
//   P.qweight I32 [in bits/32, out]   codes, an input below the other
//   P.scales  [groups, out], P.qzeros I32 [groups, out bits/32]   of each group of inputs
//   P.g_idx   I32 [in]   the group of an input; absent: input / group_size
//
// A weight is scale x (code - zero). Zeros are stored less 1, but in the format gptq_v2; and in files of some tools that call
// it gptq all the same, which are known by what symmetric codes have for all zeros: the middle.
#include "quantized.h"

#include <string.h>

static bool read_format(const Quant *q, bool *v2)
{
    const Config *c = &q->settings;
    const Str format =
        cfg_str(c, "checkpoint_format", cfg_bool(c, "is_marlin_format", false) ? "marlin" : "gptq");
    char name[SHOWN];
    *v2 = str_is(format, "gptq_v2");
    return !q->e->set &&
           (*v2 || str_is(format, "gptq") ||
            err_set(
                q->e,
                "%s: checkpoint_format is \"%s\"; gptq and gptq_v2 are read. Others are shuffled for a kind "
                "of GPU: use the model's folder in one of these, in float16, or a GGUF file of it",
                c->path, shown(name, format)));
}

// Whether all zeros of a weight are the middle of codes: 8 of 4 bits.
static bool all_middle(const Stored *zeros, int64_t bits)
{
    uint32_t middle = 0, word;
    if (32 % bits) return false;
    for (int64_t i = 0; i < 32; i += bits) middle |= 1u << (i + bits - 1);
    for (size_t i = 0; i < zeros->bytes; i += 4)
        if (memcpy(&word, (const char *)zeros->data + i, 4), word != middle) return false;
    return true;
}

// Bits, and the inputs of a group (-1: one for all), from config.json, held against what tensors' shapes say.
static bool read_sizes(Quant *q, const Stored *s, const Stored *scales, Str stem, Coded *w)
{
    const Config *c = &q->settings;
    const int64_t bits = cfg_int(c, "bits", cfg_int(c, "w_bit", 4, 2, 8), 2, 8),
                  group = cfg_int(c, "group_size", cfg_int(c, "q_group_size", -1, -1, 1 << 20), -1, 1 << 20);
    const Json *own = json_get(c->json, "dynamic"); // other settings for some modules
    const bool bound = !own || own->kind == J_NULL || !own->count;
    const Stored *zeros = quant_part(q, stem, ".qzeros");
    if (q->e->set) return false;
    const int64_t out = scales->dim[1], groups = scales->dim[0];
    w->bits = bits;
    if (!bound && zeros && zeros->rank == 2 && zeros->dim[0] > 0) // an empty one may be of any width
        w->bits = zeros->dim[1] * 32 / out;
    if (w->bits != 2 && w->bits != 3 && w->bits != 4 && w->bits != 8)
        return err_set(q->e, "%s: bits is %" PRId64 "; codes of 2, 3, 4 and 8 bits are read", c->path,
                       w->bits);
    const int64_t in = s->dim[0] * 32 / w->bits;
    if (in * w->bits != s->dim[0] * 32 || out * w->bits % 32)
        return quant_wrong(q, s,
                           "has rows and columns [%" PRId64 ", %" PRId64 "] that codes of %" PRId64
                           " bits don't fill; are \"bits\" of %s right?",
                           s->dim[0], out, w->bits, c->path);
    w->rows = in, w->cols = out;
    w->high = group > 0 ? group : in;
    const int64_t most = (in + w->high - 1) / w->high;
    if (bound && groups != most)
        return quant_wrong(q, scales,
                           "has scales of %" PRId64 " groups for %" PRId64
                           " inputs, which is not a group_size of %" PRId64 " as %s says",
                           groups, in, group, c->path);
    if (!bound && in % groups)
        return quant_wrong(q, scales, "has %" PRId64 " groups for %" PRId64 " inputs", groups, in);
    if (!bound) w->high = in / groups;
    return true;
}

static bool read_weight(Quant *q, size_t i, Str stem, bool v2)
{
    static const Dtype scale_types[] = {DT_F16, DT_BF16, DT_F32};
    const Stored *s = &q->c->tensor[i];
    Coded w = {.codes = s->data};
    if (!quant_shape(q, s, DTYPES_OF(DT_I32), DIMS(-1, -1))) return false;
    const int64_t out = s->dim[1];
    const Stored *scales = quant_need(q, s, stem, ".scales", scale_types, 3, DIMS(-1, out));
    if (!scales || !read_sizes(q, s, scales, stem, &w)) return false;
    const int64_t groups = scales->dim[0];
    const Stored *zeros =
        quant_need(q, s, stem, ".qzeros", DTYPES_OF(DT_I32), DIMS(groups, out * w.bits / 32));
    const Stored *order = quant_part(q, stem, ".g_idx");
    if (!zeros || (order && (!quant_shape(q, order, DTYPES_OF(DT_I32), DIMS(w.rows)) ||
                             !quant_groups(q, order, groups))))
        return false;
    w.pitch = out * 4, w.groups = out, w.zero_pitch = out * w.bits / 8;
    w.scale = scales->data, w.scale_type = (WType)scales->dtype, w.zero = zeros->data;
    w.group = order ? order->data : NULL;
    w.zero_plus = v2 || (cfg_bool(&q->settings, "sym", false) && all_middle(zeros, w.bits)) ? 0 : 1;
    quant_note(q, arena_printf(q->a, "%" PRId64 " bits", w.bits));
    quant_note(q, groups == 1 ? "one group" : arena_printf(q->a, "groups of %" PRId64, w.high));
    quant_put(q, i, stem, DT_GPTQ, w, true);
    return !q->e->set;
}

static bool read(Quant *q)
{
    bool v2;
    if (!read_format(q, &v2)) return false;
    for (size_t i = 0; i < q->c->n; i++) {
        const Str stem = quant_stem(&q->c->tensor[i], ".qweight");
        if (stem.s && !read_weight(q, i, stem, v2)) return false;
    }
    if (cfg_bool(&q->settings, "desc_act", false)) quant_note(q, "in the order of activations");
    return !q->e->set;
}

const QuantKind quant_gptq = {.method = "gptq", .title = "GPTQ", .read = read};
