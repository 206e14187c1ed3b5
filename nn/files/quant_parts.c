// SPDX-License-Identifier: Apache-2.0
// quant_parts.c — see quantized.h: what the methods share, a weight's parts by name and what they must be.
#include "quantized.h"

#include <stdio.h>
#include <string.h>

bool quant_wrong(Quant *q, const Stored *s, const char *format, ...)
{
    char text[600], name[SHOWN];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_at(q->e, s->file, s->at, "tensor '%s' %s", shown(name, s->name), text);
}

Str quant_stem(const Stored *s, const char *suffix)
{
    const Str end = str_of(suffix);
    return str_ends(s->name, end) ? (Str){s->name.s, s->name.n - end.n} : (Str){NULL, 0};
}

const Stored *quant_part(Quant *q, Str stem, const char *suffix)
{
    const char *name = arena_printf(q->a, "%.*s%s", (int)stem.n, stem.s, suffix);
    const Stored *s = checkpoint_find(q->c, name);
    if (!s || !str_is(s->name, name)) return NULL;
    q->drop[s - q->c->tensor] = true;
    return s;
}

bool quant_shape(Quant *q, const Stored *s, const Dtype *type, size_t n, int rank, const int64_t *dim)
{
    Buf found = {.arena = q->a}, wanted = {.arena = q->a}, types = {.arena = q->a};
    bool typed = false, shaped = s->rank == rank;
    for (size_t i = 0; i < n; i++) {
        typed |= s->dtype == type[i];
        buf_printf(&types, "%s%s", i ? " or " : "", dtype_name(type[i]));
    }
    for (int i = 0; i < s->rank; i++) buf_printf(&found, "%s%" PRId64, i ? ", " : "", s->dim[i]);
    for (int i = 0; i < rank; i++) {
        shaped = shaped && (dim[i] < 0 ? s->dim[i] > 0 : s->dim[i] == dim[i]);
        if (dim[i] < 0) buf_printf(&wanted, "%sn", i ? ", " : "");
        else buf_printf(&wanted, "%s%" PRId64, i ? ", " : "", dim[i]);
    }
    if (!typed)
        return quant_wrong(q, s, "is of type %s; as a part of a quantized weight it must be %s",
                           dtype_name(s->dtype), types.s);
    return shaped || quant_wrong(q, s, "has shape [%s]; the weight that it is a part of calls for [%s]",
                                 found.s ? found.s : "", wanted.s ? wanted.s : "");
}

const Stored *quant_need(Quant *q, const Stored *of, Str stem, const char *suffix, const Dtype *type,
                         size_t n, int rank, const int64_t *dim)
{
    const Stored *s = quant_part(q, stem, suffix);
    char name[SHOWN];
    if (s) return quant_shape(q, s, type, n, rank, dim) ? s : NULL;
    quant_wrong(
        q, of,
        "is quantized, but '%s%s' is missing, without which its values are not known; is this a complete "
        "folder?",
        shown(name, stem), suffix);
    return NULL;
}

bool quant_groups(Quant *q, const Stored *s, int64_t groups)
{
    const int64_t n = (int64_t)stored_count(s);
    for (int64_t i = 0; i < n; i++) {
        int32_t g;
        memcpy(&g, (const char *)s->data + 4 * i, 4);
        if (g < 0 || g >= groups)
            return quant_wrong(q, s, "puts input %" PRId64 " into group %" PRId32 " of %" PRId64, i, g,
                               groups);
    }
    return true;
}

void quant_note(Quant *q, const char *text)
{
    if (!strstr(q->says.s, text)) buf_printf(&q->says, ", %s", text);
}

void quant_put(Quant *q, size_t i, Str stem, Dtype type, Coded coded, bool turned)
{
    Stored *s = &q->c->tensor[i];
    Coded *own = arena_new(q->a, Coded, 1);
    *own = coded;
    s->name = str_of(arena_printf(q->a, "%.*s.weight", (int)stem.n, stem.s));
    s->dtype = type, s->rank = 2, s->turned = turned;
    s->dim[0] = turned ? coded.cols : coded.rows, s->dim[1] = turned ? coded.rows : coded.cols;
    s->data = coded_rows(q->a, own);
    q->drop[i] = false, q->n++;
}
