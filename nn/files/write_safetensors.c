// SPDX-License-Identifier: Apache-2.0
// write_safetensors.c — the other way of read_safetensors.c: 8 bytes of header length, a JSON header padded with blanks to
// a multiple of 8, the tensors one after the other.
#include "writing.h"

static void put_entry(Buf *b, const Outgoing *o, uint64_t from)
{
    buf_char(b, ','), buf_json(b, o->name);
    buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(o->dtype));
    for (int i = 0; i < o->rank; i++) buf_printf(b, "%s%" PRId64, i ? "," : "", o->dim[i]);
    buf_printf(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", from, from + outgoing_bytes(o));
}

bool safetensors_write(Arena *a, const char *path, const Outgoing *tensor, size_t n, Err *e)
{
    Buf b = {.arena = a};
    uint64_t at = 0;
    buf_str(&b, STR_LIT("12345678{\"__metadata__\":{\"format\":\"pt\"}"));
    for (size_t i = 0; i < n; i++) put_entry(&b, &tensor[i], at), at += outgoing_bytes(&tensor[i]);
    buf_char(&b, '}');
    while (b.n % 8) buf_char(&b, ' ');
    for (int i = 0; i < 8; i++) b.s[i] = (char)((uint64_t)(b.n - 8) >> 8 * i);
    FileOut *f = file_begin(a, path, e);
    if (!f || !file_part(f, buf_view(&b), e)) return false;
    for (size_t i = 0; i < n; i++)
        if (!outgoing_write(a, &tensor[i], f, e)) return false;
    return file_end(f, e);
}
