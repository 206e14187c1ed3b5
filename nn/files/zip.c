// SPDX-License-Identifier: Apache-2.0
// zip.c — the archive that torch.save writes since 1.6: entries stored one behind the other, and a directory.
//
// Format: PKWARE APPNOTE 6.3. A zip can say everything twice (local header, directory, end record, zip64 record), and
// attacks live where the two differ. So the rule is that of a strict reader: the directory is the truth, the local
// headers must agree with it, entries must not overlap, and no byte may lie outside of what the records explain.
#include "pickle.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_SIZE = 22,
    LOCATOR_SIZE = 20,
    END64_SIZE = 56,
    CENTRAL_SIZE = 46,
    LOCAL_SIZE = 30,
    DESCRIPTOR_SIZE = 24,
    MAX_ENTRIES = 1 << 17,
    MAX_NAME = 512,
    FLAG_DESCRIPTOR = 1 << 3,
    FLAG_UTF8 = 1 << 11,
};
static const uint32_t END_SIGN = 0x06054b50, LOCATOR_SIGN = 0x07064b50, END64_SIGN = 0x06064b50,
                      CENTRAL_SIGN = 0x02014b50, LOCAL_SIGN = 0x04034b50;

static Reader from(Str bytes, uint64_t at, const char *path) // at must be inside
{
    return (Reader){.p = (const uint8_t *)bytes.s + at, .n = bytes.n - (size_t)at, .path = path};
}

// ---------------------------------------------------------------------------------------------------- the end

typedef struct Directory {
    uint64_t at, size, entries;
    uint64_t end; // where the records behind it start
} Directory;

static bool read_end64(Str bytes, const char *path, uint64_t end_at, Directory *d, bool *found, Err *e)
{
    *found = false;
    if (end_at < LOCATOR_SIZE) return true;
    Reader r = from(bytes, end_at - LOCATOR_SIZE, path);
    if (rd_u32(&r) != LOCATOR_SIGN) return true;
    uint32_t disk = rd_u32(&r);
    uint64_t at = rd_u64(&r), where = end_at - LOCATOR_SIZE;
    uint32_t disks = rd_u32(&r);
    if (disk != 0 || disks != 1)
        return err_at(e, path, where, "the zip is spread over %u disks; it must be one file", disks);
    if (at > where || where - at != END64_SIZE)
        return err_at(e, path, where,
                      "the zip64 locator points to %" PRIu64 "; the zip64 record must stand right before it",
                      at);
    r = from(bytes, at, path);
    if (rd_u32(&r) != END64_SIGN) return err_at(e, path, at, "here must be a zip64 end record");
    if (rd_u64(&r) != END64_SIZE - 12) return err_at(e, path, at, "the zip64 end record has an unknown size");
    rd_u32(&r); // versions
    uint32_t this_disk = rd_u32(&r), directory_disk = rd_u32(&r);
    uint64_t here = rd_u64(&r);
    d->entries = rd_u64(&r), d->size = rd_u64(&r), d->at = rd_u64(&r), d->end = at;
    if (this_disk || directory_disk || here != d->entries)
        return err_at(e, path, at, "the zip64 end record tells of several disks; it must be one file");
    *found = true;
    return true;
}

static bool agrees(uint32_t small, uint64_t large, uint32_t full) { return small == full || small == large; }

static bool read_end(Str bytes, const char *path, Directory *d, Err *e)
{
    if (bytes.n < END_SIZE)
        return err_at(e, path, 0, "%zu bytes are too few for a zip; is the download complete?", bytes.n);
    uint64_t at = bytes.n - END_SIZE;
    Reader r = from(bytes, at, path);
    if (rd_u32(&r) != END_SIGN)
        return err_at(e, path, at,
                      "the zip has no end record in its last 22 bytes; is the download complete?");
    uint16_t disk = rd_u16(&r), directory_disk = rd_u16(&r), here = rd_u16(&r), entries = rd_u16(&r);
    uint32_t size = rd_u32(&r), offset = rd_u32(&r);
    uint16_t comment = rd_u16(&r);
    if (comment)
        return err_at(e, path, at + 20, "the zip claims a comment of %u bytes behind the end of the file",
                      comment);
    if (disk || directory_disk || here != entries)
        return err_at(e, path, at + 4, "the zip is spread over several disks; it must be one file");
    bool large;
    if (!read_end64(bytes, path, at, d, &large, e)) return false;
    if (!large) *d = (Directory){.at = offset, .size = size, .entries = entries, .end = at};
    else if (!agrees(entries, d->entries, 0xFFFF) || !agrees(size, d->size, UINT32_MAX) ||
             !agrees(offset, d->at, UINT32_MAX))
        return err_at(e, path, at, "the zip's end record and its zip64 record contradict each other");
    if (d->at > d->end || d->end - d->at != d->size)
        return err_at(e, path, at,
                      "the zip's directory of %" PRIu64 " bytes at %" PRIu64 " must end at %" PRIu64, d->size,
                      d->at, d->end);
    if (d->entries > MAX_ENTRIES || d->entries > d->size / CENTRAL_SIZE)
        return err_at(e, path, at, "the zip claims %" PRIu64 " entries in a directory of %" PRIu64 " bytes",
                      d->entries, d->size);
    return true;
}

// ---------------------------------------------------------------------------------------------------- entries

// stem/name, relative and harmless.
static const char *name_fault(Str s)
{
    if (!s.n || s.n > MAX_NAME) return "is empty or too long";
    if (memchr(s.s, 0, s.n) || memchr(s.s, '\\', s.n)) return "has a NUL or a backslash";
    if (!utf8_valid(s, NULL)) return "is not UTF-8";
    if (s.s[0] == '/' || s.s[s.n - 1] == '/') return "starts or ends with a slash";
    if (!memchr(s.s, '/', s.n)) return "is not inside a folder";
    for (size_t i = 0; i < s.n; i++) { // each part between slashes
        size_t n = 0;
        while (i + n < s.n && s.s[i + n] != '/') n++;
        if (n == 0 || (n == 1 && s.s[i] == '.') || (n == 2 && s.s[i] == '.' && s.s[i + 1] == '.'))
            return "has an empty part, '.' or '..'";
        i += n;
    }
    return NULL;
}

// The zip64 extra field has, in this order, those of the values that did not fit.
static bool read_extra(Reader x, uint64_t at, uint64_t *size, uint64_t *packed, uint64_t *offset, Err *e)
{
    while (rd_left(&x)) {
        uint16_t id = rd_u16(&x);
        Reader field = rd_sub(&x, rd_u16(&x));
        if (x.bad) return err_at(e, x.path, at, "an extra field of the zip goes past its end");
        if (id != 1) continue;
        if (*size == UINT32_MAX) *size = rd_u64(&field);
        if (*packed == UINT32_MAX) *packed = rd_u64(&field);
        if (offset && *offset == UINT32_MAX) *offset = rd_u64(&field);
        if (field.bad)
            return err_at(e, x.path, at, "the zip64 extra field is too short for the values it must hold");
    }
    return true;
}

static bool check_flags(uint16_t flags, uint16_t method, const char *path, uint64_t at, Err *e)
{
    if (flags & 1) return err_at(e, path, at, "the zip entry is encrypted");
    if (flags & ~(FLAG_DESCRIPTOR | FLAG_UTF8))
        return err_at(e, path, at, "the zip entry has unknown flags 0x%04x", flags);
    if (method)
        return err_at(e, path, at,
                      "the zip entry is compressed (method %u); torch stores entries as they are", method);
    return true;
}

static bool read_local(Str bytes, const char *path, uint64_t limit, uint64_t size, ZipEntry *z, Err *e)
{
    if (z->header > limit || limit - z->header < LOCAL_SIZE)
        return err_at(e, path, z->header, "a local header is said to be here, but entries end at %" PRIu64,
                      limit);
    Reader r = from(bytes, z->header, path);
    if (rd_u32(&r) != LOCAL_SIGN)
        return err_at(e, path, z->header, "here must be the local header of a zip entry");
    rd_u16(&r);
    uint16_t flags = rd_u16(&r), method = rd_u16(&r);
    rd_u32(&r);
    uint32_t crc = rd_u32(&r);
    uint64_t packed = rd_u32(&r), whole = rd_u32(&r);
    uint16_t n_name = rd_u16(&r), n_extra = rd_u16(&r);
    const char *name = (const char *)rd_bytes(&r, n_name);
    Reader extra = rd_sub(&r, n_extra);
    if (r.bad || LOCAL_SIZE + (uint64_t)n_name + n_extra > limit - z->header)
        return err_at(e, path, z->header, "the local header goes past the entries' end at %" PRIu64, limit);
    extra.path = path;
    if (!str_eq((Str){name, n_name}, z->name))
        return err_at(e, path, z->header,
                      "the name in the local header differs from that in the zip's directory");
    if (!check_flags(flags, method, path, z->header, e) ||
        !read_extra(extra, z->header, &whole, &packed, NULL, e))
        return false;
    bool later = flags & FLAG_DESCRIPTOR; // sizes and CRC follow the data; then zeros are in their place
    if (!(packed == size && whole == size) && !(later && packed == 0 && whole == 0))
        return err_at(e, path, z->header,
                      "the sizes in the local header differ from those in the zip's directory");
    if (crc != z->crc && !(later && crc == 0))
        return err_at(e, path, z->header,
                      "the CRC in the local header differs from that in the zip's directory");
    z->at = z->header + LOCAL_SIZE + n_name + n_extra;
    if (size > limit - z->at)
        return err_at(e, path, z->header,
                      "the entry's %" PRIu64 " bytes go past the entries' end at %" PRIu64, size, limit);
    z->data = (Str){bytes.s + z->at, (size_t)size};
    z->end = z->at + size + (later ? DESCRIPTOR_SIZE : 0);
    return true;
}

static bool read_central(Str bytes, const char *path, const Directory *d, Reader *r, ZipEntry *z, Err *e)
{
    uint64_t at = d->at + r->at;
    if (rd_u32(r) != CENTRAL_SIGN) return err_at(e, path, at, "here must be an entry of the zip's directory");
    rd_u32(r);
    uint16_t flags = rd_u16(r), method = rd_u16(r);
    rd_u32(r);
    z->crc = rd_u32(r);
    uint64_t packed = rd_u32(r), size = rd_u32(r);
    uint16_t n_name = rd_u16(r), n_extra = rd_u16(r), n_comment = rd_u16(r), disk = rd_u16(r);
    rd_u16(r), rd_u32(r);
    z->header = rd_u32(r);
    z->name = (Str){(const char *)rd_bytes(r, n_name), n_name};
    Reader extra = rd_sub(r, n_extra);
    rd_bytes(r, n_comment);
    if (r->bad) return err_at(e, path, at, "the entry goes past the end of the zip's directory");
    extra.path = path;
    const char *fault = name_fault(z->name);
    char name[SHOWN];
    if (fault) return err_at(e, path, at, "the name '%s' of a zip entry %s", shown(name, z->name), fault);
    if (disk)
        return err_at(e, path, at, "the zip entry '%s' is on disk %u; it must be one file",
                      shown(name, z->name), disk);
    if (!check_flags(flags, method, path, at, e) || !read_extra(extra, at, &size, &packed, &z->header, e))
        return false;
    if (size != packed)
        return err_at(e, path, at, "the zip entry '%s' is stored, but its two sizes differ",
                      shown(name, z->name));
    return read_local(bytes, path, d->at, size, z, e);
}

static int by_place(const void *a, const void *b)
{
    const ZipEntry *x = a, *y = b;
    return (x->header > y->header) - (x->header < y->header);
}

static int by_name(const void *a, const void *b)
{
    const ZipEntry *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

// Back to back from the first byte of the file to the directory; a data descriptor may stand between two.
static bool check_places(const Zip *z, const Directory *d, const char *path, Err *e)
{
    uint64_t end = 0, latest = 0;
    for (size_t i = 0; i <= z->n; i++) {
        uint64_t next = i < z->n ? z->v[i].header : d->at;
        if (next < end)
            return err_at(e, path, next, "two zip entries overlap: the one before ends at %" PRIu64, end);
        if (next > latest)
            return err_at(e, path, latest, "%" PRIu64 " bytes before the next zip entry belong to none",
                          next - latest);
        if (i < z->n) end = z->v[i].at + z->v[i].data.n, latest = z->v[i].end;
    }
    return true;
}

bool zip_open(Arena *a, Str bytes, const char *path, Zip *out, Err *e)
{
    Directory d = {0};
    *out = (Zip){0};
    if (!read_end(bytes, path, &d, e)) return false;
    if (!d.entries) return err_at(e, path, d.at, "the zip is empty");
    out->v = arena_new(a, ZipEntry, d.entries);
    Reader r = from((Str){bytes.s, (size_t)d.end}, d.at, path);
    for (; out->n < d.entries; out->n++)
        if (!read_central(bytes, path, &d, &r, &out->v[out->n], e)) return false;
    if (rd_left(&r))
        return err_at(e, path, d.at + r.at, "%zu bytes behind the last entry of the zip's directory",
                      rd_left(&r));
    qsort(out->v, out->n, sizeof *out->v, by_place);
    if (!check_places(out, &d, path, e)) return false;
    qsort(out->v, out->n, sizeof *out->v, by_name);
    for (size_t i = 1; i < out->n; i++)
        if (str_eq(out->v[i].name, out->v[i - 1].name)) {
            char name[SHOWN];
            return err_at(e, path, out->v[i].header, "the zip entry '%s' is there twice",
                          shown(name, out->v[i].name));
        }
    return true;
}

const ZipEntry *zip_find(const Zip *z, Str name)
{
    for (size_t low = 0, high = z->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(name, z->v[middle].name);
        if (order == 0) return &z->v[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return NULL;
}

bool zip_crc_ok(const ZipEntry *entry, const char *path, Err *e)
{
    uint32_t table[256], crc = UINT32_MAX; // ISO 3309, reflected
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
        table[i] = c;
    }
    for (size_t i = 0; i < entry->data.n; i++)
        crc = crc >> 8 ^ table[(crc ^ (uint8_t)entry->data.s[i]) & 0xFF];
    crc = ~crc;
    char name[SHOWN];
    return crc == entry->crc ||
           err_at(e, path, entry->at,
                  "the CRC of '%s' is %08x, the zip's directory says %08x: the file is damaged",
                  shown(name, entry->name), crc, entry->crc);
}
