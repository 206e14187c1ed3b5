// SPDX-License-Identifier: Apache-2.0
// stored.c — what every reader of weights uses: types by name, the list of tensors that grows, names made safe to show.
#include "checkpoint.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t size;
} dtypes[] = {
#define TYPE(name, elements, bytes, number) [DT_##name] = {#name, bytes},
#include "../../tensor/types.def"
#undef TYPE
    [DT_F64] = {"F64", 8},   [DT_I64] = {"I64", 8},         [DT_I32] = {"I32", 4},
    [DT_I16] = {"I16", 2},   [DT_I8] = {"I8", 1},           [DT_U8] = {"U8", 1},
    [DT_BOOL] = {"BOOL", 1}, [DT_F8_E4M3] = {"F8_E4M3", 1}, [DT_F8_E5M2] = {"F8_E5M2", 1},
};

size_t dtype_size(Dtype d) { return dtypes[d].size; }
const char *dtype_name(Dtype d) { return dtypes[d].name; }
bool dtype_is_weight(Dtype d) { return d < DT_F64; }

uint64_t stored_count(const Stored *s)
{
    uint64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= (uint64_t)s->dim[i];
    return n;
}

const char *shown(char out[SHOWN], Str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (n > SHOWN - 8) {
            strcpy(out + n, "...");
            return out;
        }
        unsigned char c = (unsigned char)text.s[i];
        n += (size_t)snprintf(out + n, SHOWN - n, c >= 32 && c < 127 ? "%c" : "\\x%02X", c);
    }
    out[n] = 0;
    return out;
}

Stored *stored_add(StoredList *l)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        Stored *more = arena_new(l->arena, Stored, l->cap);
        if (l->n) memcpy(more, l->v, l->n * sizeof *more);
        l->v = more;
    }
    return &l->v[l->n++];
}
