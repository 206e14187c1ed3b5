// SPDX-License-Identifier: Apache-2.0
// vocab.c — vocab.json: strings to ids and back. Sixty thousand entries at every start, so it has its own
// reader.
//
// RFC 8259 narrowed to one object of strings and whole numbers; anything else in the file is refused. The
// table is open addressing with the hash's upper half beside each index, so that a miss seldom looks at a
// string. The seed is an address: no file can be made to collide on every machine, and no result depends on
// it.
#include "kind.h"

#include <string.h>

typedef struct VocabSlot {
    uint32_t tag, entry; // entry: index + 1; 0: free
} VocabSlot;

typedef struct VocabEntry {
    Str text;
    int32_t id;
} VocabEntry;

static uint64_t hash_of(const Vocab *v, Str s) { return str_hash(s, (uint64_t)(uintptr_t)v->slot); }

void vocab_init(Arena *a, Vocab *v, size_t expected)
{
    *v = (Vocab){.arena = a, .slots = 64, .room = expected + 16};
    while (v->slots < 2 * expected) v->slots *= 2;
    v->slot = arena_new(a, VocabSlot, v->slots);
    v->entry = arena_new_raw(a, VocabEntry, v->room);
}

static VocabSlot *find_slot(const Vocab *v, Str text, uint64_t hash)
{
    for (size_t i = hash & (v->slots - 1);; i = (i + 1) & (v->slots - 1)) {
        VocabSlot *s = &v->slot[i];
        if (!s->entry || (s->tag == (uint32_t)(hash >> 32) && str_eq(v->entry[s->entry - 1].text, text)))
            return s;
    }
}

static void grow(Vocab *v)
{
    if (v->count == v->room) {
        VocabEntry *entry = arena_new_raw(v->arena, VocabEntry, 2 * v->room);
        memcpy(entry, v->entry, v->count * sizeof *entry);
        v->entry = entry, v->room *= 2;
    }
    if (2 * (v->count + 1) <= v->slots) return;
    v->slots *= 2;
    v->slot = arena_new(v->arena, VocabSlot, v->slots);
    for (size_t i = 0; i < v->count; i++) {
        uint64_t hash = hash_of(v, v->entry[i].text);
        *find_slot(v, v->entry[i].text, hash) = (VocabSlot){(uint32_t)(hash >> 32), (uint32_t)i + 1};
    }
}

void vocab_add(Vocab *v, Str text, int32_t id)
{
    grow(v);
    uint64_t hash = hash_of(v, text);
    VocabSlot *s = find_slot(v, text, hash);
    if (s->entry) v->entry[s->entry - 1].id = id;
    else {
        v->entry[v->count++] = (VocabEntry){text, id};
        *s = (VocabSlot){(uint32_t)(hash >> 32), (uint32_t)v->count};
    }
    if ((size_t)id >= v->n) v->n = (size_t)id + 1;
}

void vocab_done(Vocab *v)
{
    v->text = arena_new(v->arena, Str, v->n);
    for (size_t i = 0; i < v->count; i++) v->text[v->entry[i].id] = v->entry[i].text;
}

// Each string costs three misses of the cache one after the other: its slot, the slot's entry, the entry's text. That is most
// of what a large vocabulary costs, so many are on their way at a time, some at each of the three.
void vocab_ids(const Vocab *v, const Str *text, size_t n, int32_t *ids)
{
    enum { AHEAD = 8, MANY = 32 };
    uint64_t hash[MANY];
    const VocabSlot *slot[MANY];
    for (size_t i = 0; i < n + 3 * AHEAD; i++) {
        if (i >= 3 * AHEAD) {
            size_t k = i - 3 * AHEAD;
            const VocabSlot *s = find_slot(v, text[k], hash[k % MANY]);
            ids[k] = s->entry ? v->entry[s->entry - 1].id : -1;
        }
        if (i >= 2 * AHEAD && i - 2 * AHEAD < n) {
            const VocabSlot *s = slot[(i - 2 * AHEAD) % MANY];
            if (s->entry) __builtin_prefetch(v->entry[s->entry - 1].text.s);
        }
        if (i >= AHEAD && i - AHEAD < n) {
            const VocabSlot *s = slot[(i - AHEAD) % MANY];
            if (s->entry) __builtin_prefetch(&v->entry[s->entry - 1]);
        }
        if (i >= n) continue;
        hash[i % MANY] = hash_of(v, text[i]);
        slot[i % MANY] = &v->slot[hash[i % MANY] & (v->slots - 1)];
        __builtin_prefetch(slot[i % MANY]);
    }
}

int32_t vocab_id(const Vocab *v, Str text)
{
    const VocabSlot *s = find_slot(v, text, hash_of(v, text));
    return s->entry ? v->entry[s->entry - 1].id : -1;
}

// ------------------------------------------------------------------------------------------------ the file

bool scan_wrong(const Scan *c, const char *wanted)
{
    if (c->at >= c->n)
        return err_at(c->e, c->path, c->at, "the file ends, expected %s; is the download complete?", wanted);
    return err_at(c->e, c->path, c->at, "found byte 0x%02X, expected %s", (unsigned)(uint8_t)c->s[c->at],
                  wanted);
}

char scan_space(Scan *c)
{
    while (c->at < c->n &&
           (c->s[c->at] == ' ' || c->s[c->at] == '\n' || c->s[c->at] == '\t' || c->s[c->at] == '\r'))
        c->at++;
    return c->at < c->n ? c->s[c->at] : 0;
}

static int hex4(const Scan *c, size_t at) // -1: not four hex digits
{
    if (c->n < 4 || at > c->n - 4) return -1;
    int x = 0;
    for (size_t i = at; i < at + 4; i++) {
        char d = c->s[i];
        int v = d >= '0' && d <= '9'   ? d - '0'
                : d >= 'a' && d <= 'f' ? d - 'a' + 10
                : d >= 'A' && d <= 'F' ? d - 'A' + 10
                                       : -1;
        if (v < 0) return -1;
        x = x * 16 + v;
    }
    return x;
}

// One escape at c->at (past the backslash) into out; returns its length in out, 0 if it is malformed.
static int escape(Scan *c, char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c->at >= c->n) return 0;
    char kind = c->s[c->at++];
    const char *p = kind ? strchr(from, kind) : NULL;
    if (p) return out[0] = to[p - from], 1;
    int high = kind == 'u' ? hex4(c, c->at) : -1;
    if (high < 0) return c->at--, 0;
    c->at += 4;
    uint32_t cp = (uint32_t)high;
    if (cp >= 0xD800 && cp < 0xDC00 && c->n - c->at >= 6 && c->s[c->at] == '\\' && c->s[c->at + 1] == 'u') {
        int low = hex4(c, c->at + 2);
        if (low >= 0xDC00 && low < 0xE000)
            cp = 0x10000 + ((cp & 0x3FF) << 10 | ((uint32_t)low & 0x3FF)), c->at += 6;
    }
    if (cp >= 0xD800 && cp < 0xE000) cp = 0xFFFD; // a lone surrogate
    return utf8_encode(cp, out);
}

static bool is_utf8(Str s) // two bytes a character are most of a byte-level vocabulary
{
    for (size_t i = 0; i < s.n;) {
        uint8_t c = (uint8_t)s.s[i];
        if (c < 0x80) i++;
        else if (c >= 0xC2 && c < 0xE0 && i + 1 < s.n && ((uint8_t)s.s[i + 1] & 0xC0) == 0x80) i += 2;
        else {
            uint32_t cp;
            int n = utf8_decode(s.s + i, s.n - i, &cp, NULL);
            if (!n) return false;
            i += (size_t)n;
        }
    }
    return true;
}

// Without escapes it is a view of the file, else it is built in room (which moves on).
bool scan_string(Scan *c, Str *out)
{
    size_t start = ++c->at;
    uint8_t high = 0;
    while (c->at < c->n && c->s[c->at] != '"' && c->s[c->at] != '\\' && (uint8_t)c->s[c->at] >= 0x20)
        high |= (uint8_t)c->s[c->at++];
    if (c->at < c->n && c->s[c->at] == '"') {
        *out = (Str){c->s + start, c->at++ - start};
        return high < 0x80 || is_utf8(*out) || (c->at = start, scan_wrong(c, "UTF-8"));
    }
    char *p = c->room;
    memcpy(p, c->s + start, c->at - start);
    p += c->at - start;
    while (c->at < c->n && c->s[c->at] != '"') {
        char ch = c->s[c->at];
        if ((uint8_t)ch < 0x20) return scan_wrong(c, "an escaped control character");
        c->at++;
        if (ch != '\\') *p++ = ch;
        else {
            char bytes[4];
            int n = escape(c, bytes);
            if (!n) return scan_wrong(c, "an escape of JSON");
            memcpy(p, bytes, (size_t)n);
            p += n;
        }
    }
    if (c->at >= c->n) return scan_wrong(c, "the end of a string");
    c->at++;
    *out = (Str){c->room, (size_t)(p - c->room)};
    c->room = p;
    return is_utf8(*out) || (c->at = start, scan_wrong(c, "UTF-8"));
}

static bool read_id(Scan *c, int32_t *id)
{
    size_t start = c->at;
    int64_t x = 0;
    while (c->at < c->n && c->s[c->at] >= '0' && c->s[c->at] <= '9' && x < INT32_MAX)
        x = 10 * x + (c->s[c->at++] - '0');
    if (c->at == start || x >= INT32_MAX || (c->s[start] == '0' && c->at > start + 1))
        return c->at = start, scan_wrong(c, "an id: a whole number from 0, below 2147483647");
    *id = (int32_t)x;
    return true;
}

bool scan_vocab(Scan *c, Vocab *v)
{
    if (scan_space(c) != '{') return scan_wrong(c, "'{', an object of strings and ids");
    c->at++;
    if (scan_space(c) == '}') return c->at++, true;
    for (;;) {
        Str text;
        int32_t id = 0;
        if (scan_space(c) != '"') return scan_wrong(c, "a string in quotes");
        if (!scan_string(c, &text)) return false;
        if (scan_space(c) != ':') return scan_wrong(c, "':'");
        c->at++;
        scan_space(c);
        if (!read_id(c, &id)) return false;
        if ((size_t)id >= c->n) // entries take six bytes or more each
            return err_at(c->e, c->path, c->at,
                          "id %d in a file of %zu bytes: ids must be nearly without gaps", id, c->n);
        vocab_add(v, text, id);
        char next = scan_space(c);
        if (next == '}') return c->at++, true;
        if (next != ',') return scan_wrong(c, "',' or '}'");
        c->at++;
    }
}

bool vocab_read(Arena *a, const char *path, Vocab *v, Err *e)
{
    Str file;
    size_t bad;
    if (!file_map(a, path, &file, e) || !file_genuine(path, file, e)) return false;
    if (!utf8_valid(file, &bad)) return err_at(e, path, bad, "not UTF-8");
    Scan c = {.s = file.s, .n = file.n, .path = path, .room = arena_new_raw(a, char, file.n), .e = e};
    if (str_starts(file, STR_LIT("\xEF\xBB\xBF"))) c.at = 3;
    vocab_init(a, v, file.n / 20);
    if (!scan_vocab(&c, v)) return false;
    scan_space(&c);
    if (c.at != c.n) return scan_wrong(&c, "the end of the file");
    if (v->n > 4 * v->count + 1024)
        return err_set(e, "%s: the largest id is %zu, but there are only %zu entries", path, v->n - 1,
                       v->count);
    vocab_done(v);
    return true;
}
