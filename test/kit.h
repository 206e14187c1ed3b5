// SPDX-License-Identifier: Apache-2.0
// kit.h — for tests of checkpoints: temporary folders, tiny zips, pickles and safetensors made in memory.
#pragma once
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES(literal) ((Str){(literal), sizeof(literal) - 1})

// ---------------------------------------------------------------------------------------------------- folders

static inline void kit_remove(void *path) // a folder and all in it, without following links
{
    DIR *d = opendir(path);
    for (struct dirent *x; d && (x = readdir(d));) {
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0) continue;
        char inner[8192];
        struct stat s;
        snprintf(inner, sizeof inner, "%.4000s/%s", (const char *)path, x->d_name);
        if (lstat(inner, &s) == 0 && S_ISDIR(s.st_mode)) kit_remove(inner);
        else unlink(inner);
    }
    if (d) closedir(d);
    rmdir(path);
}

static inline const char *kit_folder(Arena *A) // gone again with A
{
    mkdir("build", 0777);
    char *path = arena_printf(A, "build/test_XXXXXX");
    if (!mkdtemp(path)) BUG("no temporary folder in build/");
    arena_on_free(A, kit_remove, path);
    return path;
}

static inline void kit_write(const char *folder, const char *name, Str bytes) // makes folders on the way
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    mkdir(folder, 0777);
    for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); *p++ = '/') *p = 0, mkdir(path, 0777);
    FILE *f = fopen(path, "wb");
    if (!f || (bytes.n && fwrite(bytes.s, 1, bytes.n, f) != bytes.n) || fclose(f) != 0)
        BUG("cannot write %s", path);
}

// ---------------------------------------------------------------------------------------------------- numbers

static inline void kit_put(Buf *b, uint64_t x, int bytes)
{
    for (int i = 0; i < bytes; i++) buf_char(b, (char)(i < 8 ? x >> 8 * i : 0));
}

static inline void kit_patch(Str bytes, size_t at, uint64_t x, int n) // in place
{
    for (int i = 0; i < n; i++) ((char *)(uintptr_t)bytes.s)[at + (size_t)i] = (char)(x >> 8 * i);
}

static inline uint32_t kit_crc(const void *data, size_t n)
{
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        c ^= ((const uint8_t *)data)[i];
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
    }
    return ~c;
}

// ---------------------------------------------------------------------------------------------------- zip

typedef struct KitFile {
    const char *name;
    Str data;
    bool zip64;    // sizes and offset in an extra field, as if they were above 4 GiB
    bool hidden;   // not in the directory
    size_t header; // where the directory says it is, if not 0
} KitFile;

typedef struct KitZip {
    Str bytes;
    size_t local[8], central[8], end; // offsets of the headers, for lies
} KitZip;

static inline KitZip kit_zip(Arena *A, const KitFile *f, size_t n)
{
    KitZip z = {0};
    Buf b = {.arena = A}, c = {.arena = A};
    size_t shown = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t crc = kit_crc(f[i].data.s, f[i].data.n);
        size_t length = strlen(f[i].name), size = f[i].data.n, small = f[i].zip64 ? UINT32_MAX : size;
        size_t header = f[i].header ? f[i].header : b.n;
        z.local[i] = b.n, z.central[i] = c.n;
        kit_put(&b, 0x04034b50, 4), kit_put(&b, 20, 2), kit_put(&b, 0, 8), kit_put(&b, crc, 4);
        kit_put(&b, small, 4), kit_put(&b, small, 4), kit_put(&b, length, 2),
            kit_put(&b, f[i].zip64 ? 26 : 0, 2);
        buf_put(&b, f[i].name, length);
        if (f[i].zip64) kit_put(&b, 0x5555, 2), kit_put(&b, 2, 2), kit_put(&b, 0, 2); // another field first
        if (f[i].zip64) kit_put(&b, 1, 2), kit_put(&b, 16, 2), kit_put(&b, size, 8), kit_put(&b, size, 8);
        buf_str(&b, f[i].data);
        if (f[i].hidden) continue;
        shown++;
        kit_put(&c, 0x02014b50, 4), kit_put(&c, 20, 2), kit_put(&c, 20, 2), kit_put(&c, 0, 8),
            kit_put(&c, crc, 4);
        kit_put(&c, small, 4), kit_put(&c, small, 4), kit_put(&c, length, 2),
            kit_put(&c, f[i].zip64 ? 28 : 0, 2);
        kit_put(&c, 0, 10), kit_put(&c, f[i].zip64 ? UINT32_MAX : header, 4), buf_put(&c, f[i].name, length);
        if (f[i].zip64)
            kit_put(&c, 1, 2), kit_put(&c, 24, 2), kit_put(&c, size, 8), kit_put(&c, size, 8),
                kit_put(&c, header, 8);
    }
    size_t directory = b.n;
    for (size_t i = 0; i < n; i++) z.central[i] += directory;
    buf_str(&b, buf_view(&c));
    z.end = b.n;
    kit_put(&b, 0x06054b50, 4), kit_put(&b, 0, 4), kit_put(&b, shown, 2), kit_put(&b, shown, 2);
    kit_put(&b, c.n, 4), kit_put(&b, directory, 4), kit_put(&b, 0, 2);
    z.bytes = buf_view(&b);
    return z;
}

// ---------------------------------------------------------------------------------------------------- pickle

// The pickle of a checkpoint with one storage '0' of four floats, as zip or legacy file.
static inline Str kit_zip_of(Arena *A, Str pickle)
{
    KitFile f[] = {{.name = "m/data.pkl", .data = pickle},
                   {.name = "m/data/0", .data = BYTES("\0\0\200?\0\0\0@\0\0@@\0\0\200@")},
                   {.name = "m/version", .data = BYTES("3\n")}};
    return kit_zip(A, f, 3).bytes;
}

#define KIT_MAGIC                                                                                            \
    "\x80\2\x8a\nl\xfc\x9c"                                                                                  \
    "F\xf9 j\xa8P\x19.\x80\2M\xe9\3."
#define KIT_MACHINE                                                                                          \
    "\x80\2}q\0(X\20\0\0\0protocol_versionq\1M\xe9\3X\15\0\0\0little_endianq\2\x88X\12\0\0\0type_sizesq\3}"  \
    "q\4u."
#define KIT_KEYS                                                                                             \
    "\x80\2]q\0X\1\0\0\0"                                                                                    \
    "0q\1a."

static inline Str kit_legacy_of(Arena *A, Str pickle)
{
    Buf b = {.arena = A};
    buf_str(&b, BYTES(KIT_MAGIC KIT_MACHINE)), buf_str(&b, pickle), buf_str(&b, BYTES(KIT_KEYS));
    kit_put(&b, 4, 8), buf_str(&b, BYTES("\0\0\200?\0\0\0@\0\0@@\0\0\200@"));
    return buf_view(&b);
}

#define KIT_TEXT1(c) "X\1\0\0\0" c
#define KIT_STORAGE  "(X\7\0\0\0storagectorch\nFloatStorage\n" KIT_TEXT1("0") "X\3\0\0\0cpuK\4tQ"
#define KIT_TENSOR_OF(storage, offset, size, stride)                                                         \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset size stride "\x89}tR"
#define KIT_TENSOR KIT_TENSOR_OF(KIT_STORAGE, "K\0", "K\2K\2\x86", "K\2K\1\x86")
#define KIT_GOOD   "\x80\2}" KIT_TEXT1("w") KIT_TENSOR "s."

// ---------------------------------------------------------------------------------------------------- safetensors

static inline Str kit_safetensors(Arena *A, Str header, size_t data)
{
    Buf b = {.arena = A};
    kit_put(&b, header.n, 8), buf_str(&b, header);
    for (size_t i = 0; i < data; i++) buf_char(&b, (char)i);
    return buf_view(&b);
}
#define KIT_HEADER "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}"
