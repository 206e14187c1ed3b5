// SPDX-License-Identifier: Apache-2.0
// inflate.c — any bytes as a gzip file, and as deflate's part of one; any bytes packed are unpacked as they were.
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { LIMIT = 1 << 20 };
    Arena *a = fuzz_arena();
    Str bytes = {(const char *)data, n};
    Buf out = {.arena = a}, whole = {.arena = a}, packed = {.arena = a};
    Err e = {0};
    REQUIRE(gunzip(&out, bytes, LIMIT, "it", 0, &e) != e.set);
    REQUIRE(out.n <= LIMIT);
    out.n = 0, e = (Err){0};
    buf_put(&whole, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), buf_str(&whole, bytes);
    bool ok = gunzip(&out, buf_view(&whole), LIMIT, "it", 0, &e);
    REQUIRE(ok != e.set);
    Gzip z = {.out = &packed};
    size_t first = n ? data[0] % n : 0;
    gzip_part(&z, (Str){bytes.s, first}), gzip_part(&z, (Str){bytes.s + first, n - first});
    gzip_end(&z);
    out.n = 0, e = (Err){0};
    if (!gunzip(&out, buf_view(&packed), n, "ours", 0, &e)) BUG("%s", e.text);
    REQUIRE(str_eq(buf_view(&out), bytes));
    return 0;
}
