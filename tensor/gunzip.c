// SPDX-License-Identifier: Apache-2.0
// gunzip.c — read gzip: RFC 1952 around RFC 1951.
//
// Deflate is a string of bits, least significant first, in blocks. A block is either stored bytes or symbols in a
// Huffman code: below 256 a byte, 256 the end, above a length, which is followed by a distance in a second code. A
// canonical code is known from its lengths alone: codes of one length are consecutive numbers, in symbol order, and
// start right after twice the last code that was one bit shorter. So decoding needs only how many codes there are of
// each length, and the symbols in that order.
#include "base.h"

#include <string.h>

enum { LONGEST = 15, SYMBOLS = 288, DISTANCES = 30, CODE_LENGTHS = 19, END = 256 };

typedef struct Bits {
    const uint8_t *p;
    size_t n, at;
    uint32_t held; // bits read from p but not used yet
    int n_held;
    bool bad; // ran off the end; sticks, and all further bits are 0
} Bits;

typedef struct Code {
    uint16_t count[LONGEST + 1]; // codes of each length; [0]: symbols without one
    uint16_t symbol[SYMBOLS];
} Code;

static uint32_t bits(Bits *b, int n)
{
    while (b->n_held < n) {
        if (b->at >= b->n) return b->bad = true, 0;
        b->held |= (uint32_t)b->p[b->at++] << b->n_held;
        b->n_held += 8;
    }
    uint32_t v = b->held & ((1u << n) - 1);
    b->held >>= n, b->n_held -= n;
    return v;
}

// Fills c from the lengths. False if they promise more codes than there are, or fewer (a lone code excepted).
static bool make_code(Code *c, const uint8_t *length, int n)
{
    uint16_t at[LONGEST + 2] = {0};
    memset(c, 0, sizeof *c);
    for (int i = 0; i < n; i++) c->count[length[i]]++;
    int left = 1;
    for (int l = 1; l <= LONGEST; l++) {
        left = 2 * left - c->count[l];
        if (left < 0) return false;
        at[l + 1] = (uint16_t)(at[l] + c->count[l]);
    }
    for (int i = 0; i < n; i++)
        if (length[i]) c->symbol[at[length[i]]++] = (uint16_t)i;
    return !left || n - c->count[0] <= 1;
}

static int symbol(Bits *b, const Code *c) // -1: no such code
{
    int code = 0, first = 0, index = 0;
    for (int l = 1; l <= LONGEST; l++) {
        code |= (int)bits(b, 1);
        int n = c->count[l];
        if (code - first < n) return c->symbol[index + code - first];
        index += n, first = (first + n) << 1, code <<= 1;
    }
    return -1;
}

static bool stored(Bits *b, Buf *out, size_t limit)
{
    b->held = 0, b->n_held = 0; // the rest of the byte is not used; whole bytes are never held here
    if (b->n - b->at < 4) return false;
    size_t n = (size_t)(b->p[b->at] | b->p[b->at + 1] << 8);
    if ((n ^ 0xFFFF) != (size_t)(b->p[b->at + 2] | b->p[b->at + 3] << 8)) return false;
    b->at += 4;
    if (n > b->n - b->at || n > limit - out->n) return false;
    buf_put(out, b->p + b->at, n);
    b->at += n;
    return true;
}

static bool read_codes(Bits *b, Code *symbols, Code *distances)
{
    static const uint8_t order[CODE_LENGTHS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t length[SYMBOLS + 32 + 138] = {0};
    int n_symbols = 257 + (int)bits(b, 5), n_distances = 1 + (int)bits(b, 5), n_order = 4 + (int)bits(b, 4);
    if (n_symbols > 286 || n_distances > DISTANCES) return false;
    for (int i = 0; i < n_order; i++) length[order[i]] = (uint8_t)bits(b, 3);
    if (!make_code(symbols, length, CODE_LENGTHS)) return false;

    memset(length, 0, sizeof length);
    for (int i = 0; i < n_symbols + n_distances;) {
        int s = symbol(b, symbols);
        if (s < 0 || b->bad || (s == 16 && !i)) return false;
        if (s < 16) {
            length[i++] = (uint8_t)s;
            continue;
        }
        uint8_t again = s == 16 ? length[i - 1] : 0;
        int n = s == 16 ? 3 + (int)bits(b, 2) : s == 17 ? 3 + (int)bits(b, 3) : 11 + (int)bits(b, 7);
        if (n > n_symbols + n_distances - i) return false;
        while (n--) length[i++] = again;
    }
    return length[END] && make_code(symbols, length, n_symbols) &&
           make_code(distances, length + n_symbols, n_distances);
}

static void fixed_codes(Code *symbols, Code *distances)
{
    uint8_t length[SYMBOLS];
    for (int i = 0; i < SYMBOLS; i++) length[i] = (uint8_t)(i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
    make_code(symbols, length, SYMBOLS);
    memset(length, 5, 32);
    make_code(distances, length, 32); // the last two are never valid: see below
}

static bool compressed(Bits *b, const Code *symbols, const Code *distances, Buf *out, size_t begin,
                       size_t limit)
{
    for (;;) {
        int s = symbol(b, symbols);
        if (s < 0 || b->bad) return false;
        if (s == END) return true;
        if (s < END) {
            if (out->n >= limit) return false;
            buf_char(out, (char)s);
            continue;
        }
        s -= 257; // lengths: 3..10 alone, then groups of four of growing width, 258 alone
        if (s > 28) return false;
        int extra = s < 8 || s == 28 ? 0 : (s - 4) / 4;
        size_t n = s < 8 ? (size_t)s + 3 : s == 28 ? 258 : 3u + ((4u + (unsigned)s % 4) << extra);
        n += bits(b, extra);
        int d = symbol(b, distances);
        if (d < 0 || d >= DISTANCES) return false;
        extra = d < 4 ? 0 : (d - 2) / 2;
        size_t far = d < 4 ? (size_t)d + 1 : 1u + ((2u + (unsigned)d % 2) << extra);
        far += bits(b, extra);
        if (b->bad || far > out->n - begin || n > limit - out->n) return false;
        while (n--) buf_char(out, out->s[out->n - far]);
    }
}

static bool inflate(Bits *b, Buf *out, size_t limit)
{
    size_t begin = out->n;
    for (bool last = false; !last;) {
        Code symbols, distances;
        last = bits(b, 1);
        switch (bits(b, 2)) {
        case 0:
            if (b->bad || !stored(b, out, limit)) return false;
            continue;
        case 1:
            fixed_codes(&symbols, &distances);
            break;
        case 2:
            if (!read_codes(b, &symbols, &distances)) return false;
            break;
        default:
            return false;
        }
        if (b->bad || !compressed(b, &symbols, &distances, out, begin, limit)) return false;
    }
    return true;
}

static bool skip_header(Reader *r)
{
    enum { CRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16, RESERVED = 0xE0 };
    if (rd_u8(r) != 0x1F || rd_u8(r) != 0x8B || rd_u8(r) != 8) return false;
    uint8_t flags = rd_u8(r);
    rd_bytes(r, 6);
    if (flags & EXTRA) rd_bytes(r, rd_u16(r));
    if (flags & NAME)
        while (rd_u8(r)) {
        }
    if (flags & COMMENT)
        while (rd_u8(r)) {
        }
    if (flags & CRC) rd_u16(r);
    return !r->bad && !(flags & RESERVED);
}

// One member; *what is wrong if it can't be read.
static bool member(Reader *r, Buf *out, size_t limit, const char **what)
{
    size_t begin = out->n;
    if (!skip_header(r)) return *what = "not the header of a gzip member", false;
    Bits b = {.p = r->p + r->at, .n = rd_left(r)};
    if (!inflate(&b, out, limit)) return r->at += b.at, *what = NULL, false;
    rd_bytes(r, b.at);
    uint32_t crc = rd_u32(r), length = rd_u32(r);
    *what = "compressed data does not match its checksum; is the file complete?";
    return !r->bad && length == (uint32_t)(out->n - begin) &&
           crc == gzip_crc(0, buf_view(out).s + begin, out->n - begin);
}

bool gunzip_member(Buf *out, Str in, size_t limit, size_t *used)
{
    Reader r = {.p = (const uint8_t *)in.s, .n = in.n, .path = ""};
    const char *what;
    bool ok = member(&r, out, limit > SIZE_MAX - out->n ? SIZE_MAX : out->n + limit, &what);
    *used = r.at;
    return ok;
}

bool gunzip(Buf *out, Str in, size_t limit, const char *path, size_t at, Err *e)
{
    Reader r = {.p = (const uint8_t *)in.s, .n = in.n, .path = path};
    // The last four bytes say how much it is, of a single member of less than 4 GB; a byte of deflate makes 1032 at most.
    Reader end = {.p = (const uint8_t *)in.s + (in.n > 4 ? in.n - 4 : 0), .n = 4, .bad = in.n < 18};
    uint64_t size = rd_u32(&end), possible;
    if (size <= limit && mul_ok(in.n, 1032, &possible) && size <= possible) buf_reserve(out, (size_t)size);
    limit = limit > SIZE_MAX - out->n ? SIZE_MAX : out->n + limit;
    do {
        const char *what;
        if (member(&r, out, limit, &what)) continue;
        if (what) return err_at(e, path, at + r.at, "%s", what);
        return err_at(e, path, at + r.at, "broken or cut off compressed data, or more than %zu bytes of it",
                      limit);
    } while (rd_left(&r));
    return true;
}
