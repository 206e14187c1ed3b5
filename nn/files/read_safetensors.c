// SPDX-License-Identifier: Apache-2.0
// read_safetensors.c — the format that is a table and nothing else: 8 bytes of header length, a JSON header, the data.
//
// https://github.com/huggingface/safetensors (README "Format", and the Rust reader, whose rules are followed): tensors
// cover the data without hole or overlap. The header is not held as one JSON tree: its members are cut out one by one
// and parsed alone, so a hostile header of 100 MB costs no more memory than the table it describes.
#include "checkpoint.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 100000000, MAX_TENSORS = 1 << 17, MAX_NAME = 512, MAX_ENTRY = 4096, MAX_TEXT = 16 << 20 };

// ---------------------------------------------------------------------------------------------------- members

// A walk over the members of one JSON object, each a piece of text that is not yet checked.
typedef struct Members {
    Str text;
    size_t at;
    bool ended;
    size_t base; // where text starts in the file
    const char *path;
    Str key, value; // the member just found, with quotes and brackets
    size_t key_at, value_at;
} Members;

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static char next_char(Members *m) // after blanks; 0 at the end
{
    while (m->at < m->text.n && is_space(m->text.s[m->at])) m->at++;
    return m->at < m->text.n ? m->text.s[m->at] : 0;
}

static bool skip_string(Members *m)
{
    for (m->at++; m->at < m->text.n; m->at++)
        if (m->text.s[m->at] == '\\') m->at++;
        else if (m->text.s[m->at] == '"') return m->at++, true;
    m->at = m->text.n;
    return false;
}

// Over a whole value: strings are skipped, brackets only counted; the JSON parser looks at it closely later.
static bool skip_value(Members *m)
{
    size_t depth = 0;
    while (m->at < m->text.n) {
        char c = m->text.s[m->at];
        if (c == '"') {
            if (!skip_string(m)) return false;
            if (depth == 0) return true;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) return true;
        depth += c == '{' || c == '[';
        if (c == '}' || c == ']') {
            if (depth == 0) return true;
            if (--depth == 0) return m->at++, true;
        }
        m->at++;
    }
    return false;
}

static bool members_of(Members *m, Str object, size_t base, const char *path, Err *e)
{
    *m = (Members){.text = object, .base = base, .path = path};
    if (next_char(m) != '{')
        return err_at(e, path, base + m->at, "the header must be a JSON object: expected '{'");
    m->at++;
    m->ended = next_char(m) == '}';
    if (m->ended) m->at++;
    return true;
}

// The next member, or false at the end (then e is not set) and on an error.
static bool next_member(Members *m, Err *e)
{
    if (m->ended) return false;
    if (next_char(m) != '"')
        return err_at(e, m->path, m->base + m->at, "expected a name in quotes in the JSON header");
    m->key_at = m->at;
    if (!skip_string(m))
        return err_at(e, m->path, m->base + m->key_at, "a name in the JSON header has no end");
    m->key = (Str){m->text.s + m->key_at, m->at - m->key_at};
    if (next_char(m) != ':')
        return err_at(e, m->path, m->base + m->at, "expected ':' after a name in the JSON header");
    m->at++;
    next_char(m);
    m->value_at = m->at;
    if (!skip_value(m))
        return err_at(e, m->path, m->base + m->value_at, "a value in the JSON header has no end");
    m->value = (Str){m->text.s + m->value_at, m->at - m->value_at};
    char c = next_char(m);
    if (c != ',' && c != '}')
        return err_at(e, m->path, m->base + m->at, "expected ',' or '}' after a value in the JSON header");
    m->ended = c == '}';
    m->at++;
    return true;
}

// Text that must be exactly one JSON value of this kind.
static const Json *value_of(Arena *a, Str text, size_t at, char first, const char *path, Err *e)
{
    if (!text.n || text.s[0] != first) {
        err_at(e, path, at, "expected %s in the JSON header", first == '"' ? "a string" : "an object");
        return NULL;
    }
    if (text.n > MAX_TEXT) {
        err_at(e, path, at, "a text of %zu bytes in the JSON header; at most %d are possible", text.n,
               MAX_TEXT);
        return NULL;
    }
    return json_parse(a, text, arena_printf(a, "%s:+%zu", path, at), e);
}

// ---------------------------------------------------------------------------------------------------- entries

static bool dtype_of(Str text, Dtype *out)
{
    for (int d = DT_F32; d < DTYPES; d++)
        if ((d <= DT_BF16 || d >= DT_F64) && str_is(text, dtype_name((Dtype)d))) return *out = (Dtype)d, true;
    return false;
}

// {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}: each of the three once.
static bool read_entry(const Json *j, Str data, size_t at, const char *name, Stored *t, Err *e)
{
    const char *path = t->file;
    const Json *part[3] = {NULL};
    static const char *const key[3] = {"dtype", "shape", "data_offsets"};
    for (const Json *c = j->child; c; c = c->next)
        for (int k = 0; k < 3; k++)
            if (str_is(c->key, key[k])) {
                if (part[k]) return err_at(e, path, at, "tensor '%s' has %s twice", name, key[k]);
                part[k] = c;
            }
    for (int k = 0; k < 3; k++)
        if (!part[k] || part[k]->kind != (k ? J_ARRAY : J_STRING))
            return err_at(e, path, at, "tensor '%s': %s is %s; it must be %s", name, key[k],
                          part[k] ? json_kind_name(part[k]) : "absent",
                          k ? "a list of integers" : "a string");
    char text[SHOWN];
    if (!dtype_of(part[0]->text, &t->dtype))
        return err_at(e, path, at,
                      "tensor '%s' has dtype '%s'; we read F32 F16 BF16 F64 I64 I32 I16 I8 U8 BOOL "
                      "F8_E4M3 F8_E5M2",
                      name, shown(text, part[0]->text));
    if (part[1]->count > MAX_RANK)
        return err_at(e, path, at, "tensor '%s' has %zu dimensions; at most %d are possible", name,
                      part[1]->count, MAX_RANK);
    uint64_t bytes = dtype_size(t->dtype), count = 1;
    for (const Json *c = part[1]->child; c; c = c->next) {
        if (c->kind != J_NUMBER || !c->is_int || c->i < 0)
            return err_at(e, path, at, "tensor '%s': shape has %s; it must hold integers from 0 up", name,
                          c->kind == J_NUMBER ? shown(text, c->text) : json_kind_name(c));
        t->dim[t->rank++] = c->i;
        if (!mul_ok(count, (uint64_t)c->i, &count) || !mul_ok(count, dtype_size(t->dtype), &bytes))
            return err_at(e, path, at, "tensor '%s': the product of its shape does not fit 64 bits", name);
    }
    const Json *begin = part[2]->child, *end = begin ? begin->next : NULL;
    if (part[2]->count != 2 || !begin->is_int || !end->is_int || begin->i < 0 || end->i < begin->i)
        return err_at(e, path, at, "tensor '%s': data_offsets must be two integers, 0 <= begin <= end", name);
    if ((uint64_t)end->i > data.n)
        return err_at(e, path, at,
                      "tensor '%s' ends at data byte %" PRId64
                      ", but the file has %zu; is the download complete?",
                      name, end->i, data.n);
    if ((uint64_t)(end->i - begin->i) != bytes)
        return err_at(e, path, at,
                      "tensor '%s' needs %" PRIu64
                      " bytes for its shape and dtype, data_offsets give it %" PRId64,
                      name, bytes, end->i - begin->i);
    t->data = data.s + begin->i;
    t->bytes = (size_t)bytes;
    t->at = (uint64_t)begin->i; // from the start of the data, until the cover is checked
    return true;
}

static bool check_metadata(Arena *scratch, Str object, size_t base, const char *path, Err *e)
{
    Members m;
    if (!members_of(&m, object, base, path, e)) return false;
    while (next_member(&m, e)) {
        arena_reset(scratch);
        if (!value_of(scratch, m.key, base + m.key_at, '"', path, e) ||
            !value_of(scratch, m.value, base + m.value_at, '"', path, e))
            return false;
    }
    return !e->set && (m.at == object.n || err_at(e, path, base + m.at, "stray text after __metadata__"));
}

static int by_offset(const void *a, const void *b)
{
    const Stored *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

// Sorted by offset the tensors must follow each other from 0 to the end of the file.
static bool check_cover(Stored *v, size_t n, Str data, uint64_t data_at, const char *path, Err *e)
{
    if (n) qsort(v, n, sizeof *v, by_offset);
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        char name[SHOWN];
        if (v[i].at != end)
            return err_at(e, path, data_at + v[i].at,
                          "tensor '%s' starts at data byte %" PRIu64 "; %s at %" PRIu64,
                          shown(name, v[i].name), v[i].at,
                          v[i].at < end ? "it overlaps the one before it, which ends"
                                        : "there is a hole, the one before it ends",
                          end);
        end += v[i].bytes;
        v[i].at += data_at;
    }
    if (end != data.n)
        return err_at(e, path, data_at + end, "%" PRIu64 " bytes after the last tensor belong to none",
                      (uint64_t)data.n - end);
    return true;
}

// ---------------------------------------------------------------------------------------------------- the file

static bool read_header(Arena *scratch, Str header, Str data, const char *path, StoredList *out, Err *e)
{
    size_t first = out->n, base = 8;
    bool has_metadata = false;
    Members m;
    if (header.s[0] != '{')
        return err_at(e, path, base, "the header must start with '{'; is this a safetensors file?");
    if (!members_of(&m, header, base, path, e)) return false;
    while (next_member(&m, e)) {
        arena_reset(scratch);
        char name[SHOWN];
        const Json *key = value_of(scratch, m.key, base + m.key_at, '"', path, e);
        if (!key) return false;
        if (str_is(key->text, "__metadata__")) {
            if (has_metadata) return err_at(e, path, base + m.key_at, "__metadata__ is there twice");
            has_metadata = true;
            if (!check_metadata(scratch, m.value, base + m.value_at, path, e)) return false;
            continue;
        }
        if (key->text.n > MAX_NAME)
            return err_at(e, path, base + m.key_at, "a tensor's name has %zu bytes; at most %d are possible",
                          key->text.n, MAX_NAME);
        if (m.value.n > MAX_ENTRY)
            return err_at(e, path, base + m.value_at, "the entry of tensor '%s' has %zu bytes; %d are plenty",
                          shown(name, key->text), m.value.n, MAX_ENTRY);
        if (out->n - first == MAX_TENSORS)
            return err_at(e, path, base + m.key_at, "more than %d tensors", MAX_TENSORS);
        const Json *entry = value_of(scratch, m.value, base + m.value_at, '{', path, e);
        if (!entry) return false;
        Stored *t = stored_add(out);
        t->name = str_copy(out->arena, key->text);
        t->file = path;
        if (!read_entry(entry, data, base + m.value_at, shown(name, key->text), t, e)) return false;
    }
    if (e->set) return false;
    if (next_char(&m))
        return err_at(e, path, base + m.at, "stray text after the JSON header; only spaces may follow");
    if (m.at < header.n)
        return err_at(e, path, base + m.at, "a NUL byte after the JSON header; only spaces may follow");
    Stored *added = out->n ? out->v + first : NULL;
    return check_cover(added, out->n - first, data, base + header.n, path, e);
}

static bool read_safetensors(Str bytes, const char *path, StoredList *out, Err *e)
{
    Err unseen = {0};
    if (!e) e = &unseen;
    if (!file_genuine(path, bytes, e)) return false;
    Reader r = {.p = (const uint8_t *)bytes.s, .n = bytes.n, .path = path};
    uint64_t n = rd_u64(&r);
    if (r.bad)
        return err_at(e, path, 0, "%zu bytes are too few for a safetensors file; is the download complete?",
                      bytes.n);
    if (n > rd_left(&r))
        return err_at(e, path, 0, "header claims %" PRIu64 " bytes, %zu remain; is the download complete?", n,
                      rd_left(&r));
    if (n > MAX_HEADER)
        return err_at(e, path, 0, "header claims %" PRIu64 " bytes; at most %d are possible", n, MAX_HEADER);
    if (n < 2) return err_at(e, path, 0, "header claims %" PRIu64 " bytes; the shortest is '{}'", n);
    Str header = {bytes.s + 8, (size_t)n}, data = {bytes.s + 8 + n, bytes.n - 8 - (size_t)n};
    out->format = "safetensors";
    Arena *scratch = arena_create(out->arena);
    bool ok = read_header(scratch, header, data, path, out, e);
    arena_free(scratch);
    if (ok) out->bytes += data.n;
    return ok;
}

const ReaderKind reader_safetensors = {
    .name = "safetensors",
    .file = "model.safetensors",
    .index = "model.safetensors.index.json",
    .read = read_safetensors,
};
