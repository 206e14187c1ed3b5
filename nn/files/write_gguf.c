// SPDX-License-Identifier: Apache-2.0
// write_gguf.c — the other way of gguf.c: version 3, keys in the order they are put, each tensor padded to 32 bytes.
#include "writing.h"

#include <string.h>

enum { ALIGNMENT = 32 };

static void put(Buf *b, uint64_t x, int bytes)
{
    for (int i = 0; i < bytes; i++) buf_char(b, (char)(x >> 8 * i));
}

static void put_string(Buf *b, Str s) { put(b, s.n, 8), buf_str(b, s); }

static Buf *begin_key(GgufOut *g, const char *name, GgufKind kind)
{
    g->n++;
    put_string(&g->keys, str_of(name)), put(&g->keys, kind, 4);
    return &g->keys;
}

void gguf_put_str(GgufOut *g, const char *name, Str v) { put_string(begin_key(g, name, GGUF_STRING), v); }

void gguf_put_int(GgufOut *g, const char *name, int64_t v)
{
    put(begin_key(g, name, GGUF_U32), (uint64_t)v, 4);
}

void gguf_put_real(GgufOut *g, const char *name, double v)
{
    const float f = (float)v;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    put(begin_key(g, name, GGUF_F32), u, 4);
}

void gguf_put_bool(GgufOut *g, const char *name, bool v) { put(begin_key(g, name, GGUF_BOOL), v, 1); }

static Buf *begin_array(GgufOut *g, const char *name, GgufKind of, size_t n)
{
    Buf *b = begin_key(g, name, GGUF_ARRAY);
    put(b, of, 4), put(b, n, 8);
    return b;
}

void gguf_put_strs(GgufOut *g, const char *name, const Str *v, size_t n)
{
    Buf *b = begin_array(g, name, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) put_string(b, v[i]);
}

void gguf_put_array(GgufOut *g, const char *name, GgufKind of, const void *v, size_t n)
{
    const size_t each = of == GGUF_U8 || of == GGUF_I8 ? 1 : 4;
    Buf *b = begin_array(g, name, of, n);
    for (size_t i = 0; i < n; i++) {
        uint32_t u = 0;
        if (each == 1) u = ((const uint8_t *)v)[i];
        else memcpy(&u, (const char *)v + 4 * i, sizeof u);
        put(b, u, (int)each);
    }
}

static uint64_t padding(uint64_t n) { return (ALIGNMENT - n % ALIGNMENT) % ALIGNMENT; }

static bool pad(FileOut *f, uint64_t n, Err *e)
{
    static const char zeros[ALIGNMENT];
    return file_part(f, (Str){zeros, (size_t)padding(n)}, e);
}

bool gguf_write(Arena *a, const GgufOut *g, const Outgoing *tensor, size_t n, FileOut *f, Err *e)
{
    Buf b = {.arena = a};
    uint64_t at = 0;
    buf_str(&b, STR_LIT("GGUF")), put(&b, 3, 4), put(&b, n, 8), put(&b, g->n, 8);
    buf_str(&b, buf_view(&g->keys));
    for (const Outgoing *o = tensor; o < tensor + n; o++) {
        put_string(&b, o->name), put(&b, (uint64_t)o->rank, 4);
        for (int k = o->rank; k--;) put(&b, (uint64_t)o->dim[k], 8);
        put(&b, gguf_type_number(o->dtype), 4), put(&b, at, 8);
        at += outgoing_bytes(o), at += padding(at);
    }
    if (!file_part(f, buf_view(&b), e) || !pad(f, b.n, e)) return false;
    for (const Outgoing *o = tensor; o < tensor + n; o++)
        if (!outgoing_write(a, o, f, e) || !pad(f, outgoing_bytes(o), e)) return false;
    return true;
}
