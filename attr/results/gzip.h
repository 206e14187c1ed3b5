// SPDX-License-Identifier: Apache-2.0
// gzip.h — private to attr/: results whose name ends in .gz.
#pragma once
#include "../../tensor/base.h"

// A gzip file while it is written, part by part. {.out = ...} begins one; the same parts give the same bytes.
typedef struct Gzip {
    Buf *out;     // what is ready is appended here; the caller may empty it between calls
    uint32_t crc; // of what was put in (0 at first),
    uint32_t n;   // and how much, modulo 2^32
    uint64_t held;
    int n_held; // bits that make no whole byte yet
    bool begun;
} Gzip;
void gzip_part(Gzip *g, Str bytes);
void gzip_end(Gzip *g);
uint32_t gzip_crc(uint32_t crc, const char *s, size_t n); // of RFC 1952; of nothing: 0
