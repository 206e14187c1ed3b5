// SPDX-License-Identifier: Apache-2.0
// gunzip.c — read gzip: RFC 1952 around RFC 1951.
//
// Deflate is a string of bits, least significant first, in blocks. A block is either stored bytes or symbols in a
// Huffman code: below 256 a byte, 256 the end, above a length, which is followed by a distance in a second code. A
// canonical code is known from its lengths alone: codes of one length are consecutive numbers, in symbol order, and
// start right after twice the last code that was one bit shorter. So decoding needs only how many codes there are of
// each length, and the symbols in that order.
//
// The reader stops where it has made enough and goes on later (struct Gunzip is where it stands): a file of any size goes
// through a window of 32 kB, which is as far back as a distance reaches.
#include "base.h"

#include <string.h>

enum { LONGEST = 15, SYMBOLS = 288, DISTANCES = 30, CODE_LENGTHS = 19, END = 256, WINDOW = 1 << 15 };

typedef struct Code {
    uint16_t count[LONGEST + 1]; // codes of each length; [0]: symbols without one
    uint16_t symbol[SYMBOLS];
} Code;

struct Gunzip {
    Str in;        // packed bytes at hand,
    size_t before; // and how many there were before them
    size_t at;
    uint32_t held; // bits read from in but not used yet
    int n_held;
    bool bad, over; // ran off the end, which sticks, and all further bits are 0; there is no more
    Buf *out;
    size_t checked, limit; // of out: what is in the checksum, and where it must end
    uint64_t made;         // of this member
    uint32_t crc;
    enum { HEADER, BLOCK, STORED, CODED, TRAILER } state;
    bool last, another_member; // than the first
    size_t stored;
    Code symbols, distances;
    bool (*more)(void *context, Str *bytes, Err *e); // NULL: in is all
    void *context;
    Err *e, own; // what more said
    const char *path;
    Buf window;
};

static bool another(Gunzip *g) // byte is there
{
    while (g->at == g->in.n && !g->over) {
        g->before += g->in.n, g->at = 0, g->in = (Str){"", 0};
        if (!g->more || !g->more(g->context, &g->in, g->e) || !g->in.n) g->over = true;
    }
    return !g->over;
}

static uint32_t bits(Gunzip *g, int n)
{
    while (g->n_held < n) {
        if (!another(g)) return g->bad = true, 0;
        g->held |= (uint32_t)(uint8_t)g->in.s[g->at++] << g->n_held;
        g->n_held += 8;
    }
    uint32_t v = g->held & ((1u << n) - 1);
    g->held >>= n, g->n_held -= n;
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

static int symbol(Gunzip *g, const Code *c) // -1: no such code
{
    int code = 0, first = 0, index = 0;
    for (int l = 1; l <= LONGEST; l++) {
        code |= (int)bits(g, 1);
        int n = c->count[l];
        if (code - first < n) return c->symbol[index + code - first];
        index += n, first = (first + n) << 1, code <<= 1;
    }
    return -1;
}

static bool read_codes(Gunzip *g)
{
    Code *symbols = &g->symbols, *distances = &g->distances;
    static const uint8_t order[CODE_LENGTHS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t length[SYMBOLS + 32 + 138] = {0};
    int n_symbols = 257 + (int)bits(g, 5), n_distances = 1 + (int)bits(g, 5), n_order = 4 + (int)bits(g, 4);
    if (n_symbols > 286 || n_distances > DISTANCES) return false;
    for (int i = 0; i < n_order; i++) length[order[i]] = (uint8_t)bits(g, 3);
    if (!make_code(symbols, length, CODE_LENGTHS)) return false;

    memset(length, 0, sizeof length);
    for (int i = 0; i < n_symbols + n_distances;) {
        int s = symbol(g, symbols);
        if (s < 0 || g->bad || (s == 16 && !i)) return false;
        if (s < 16) {
            length[i++] = (uint8_t)s;
            continue;
        }
        uint8_t again = s == 16 ? length[i - 1] : 0;
        int n = s == 16 ? 3 + (int)bits(g, 2) : s == 17 ? 3 + (int)bits(g, 3) : 11 + (int)bits(g, 7);
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
    make_code(distances, length, 32); // the last two are never valid: see coded
}

// What follows goes on until it is done, or out has `enough` bytes. False: broken.
static bool coded(Gunzip *g, size_t enough)
{
    Buf *out = g->out;
    while (out->n < enough) {
        int s = symbol(g, &g->symbols);
        if (s < 0 || g->bad) return false;
        if (s == END) return g->state = g->last ? TRAILER : BLOCK, true;
        if (s < END) {
            if (out->n >= g->limit) return false;
            buf_char(out, (char)s), g->made++;
            continue;
        }
        s -= 257; // lengths: 3..10 alone, then groups of four of growing width, 258 alone
        if (s > 28) return false;
        int extra = s < 8 || s == 28 ? 0 : (s - 4) / 4;
        size_t n = s < 8 ? (size_t)s + 3 : s == 28 ? 258 : 3u + ((4u + (unsigned)s % 4) << extra);
        n += bits(g, extra);
        int d = symbol(g, &g->distances);
        if (d < 0 || d >= DISTANCES) return false;
        extra = d < 4 ? 0 : (d - 2) / 2;
        size_t far = d < 4 ? (size_t)d + 1 : 1u + ((2u + (unsigned)d % 2) << extra);
        far += bits(g, extra);
        if (g->bad || far > g->made || n > g->limit - out->n) return false;
        g->made += n;
        while (n--) buf_char(out, out->s[out->n - far]);
    }
    return true;
}

static bool stored(Gunzip *g, size_t enough)
{
    while (g->stored && g->out->n < enough) {
        if (!another(g)) return false;
        size_t n = g->in.n - g->at, room = enough - g->out->n;
        if (n > g->stored) n = g->stored;
        if (n > room) n = room;
        if (n > g->limit - g->out->n) return false;
        buf_put(g->out, g->in.s + g->at, n);
        g->at += n, g->stored -= n, g->made += n;
    }
    if (!g->stored) g->state = g->last ? TRAILER : BLOCK;
    return true;
}

static bool begin_block(Gunzip *g)
{
    g->last = bits(g, 1);
    switch (bits(g, 2)) {
    case 0:
        g->held = 0, g->n_held = 0; // the rest of the byte is not used; whole bytes are never held here
        g->stored = bits(g, 16);
        g->state = STORED;
        return (g->stored ^ 0xFFFF) == bits(g, 16) && !g->bad;
    case 1:
        fixed_codes(&g->symbols, &g->distances);
        break;
    case 2:
        if (!read_codes(g)) return false;
        break;
    default:
        return false;
    }
    g->state = CODED;
    return !g->bad;
}

static bool skip_header(Gunzip *g)
{
    enum { CRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16, RESERVED = 0xE0 };
    if (bits(g, 8) != 0x1F || bits(g, 8) != 0x8B || bits(g, 8) != 8) return false;
    uint32_t flags = bits(g, 8);
    for (int i = 0; i < 6; i++) bits(g, 8);
    if (flags & EXTRA)
        for (uint32_t n = bits(g, 16); n && !g->bad; n--) bits(g, 8);
    if (flags & NAME)
        while (bits(g, 8)) {
        }
    if (flags & COMMENT)
        while (bits(g, 8)) {
        }
    if (flags & CRC) bits(g, 16);
    return !g->bad && !(flags & RESERVED);
}

static void check(Gunzip *g)
{
    if (g->out->n > g->checked)
        g->crc = gzip_crc(g->crc, g->out->s + g->checked, g->out->n - g->checked), g->checked = g->out->n;
}

static bool trailer(Gunzip *g)
{
    g->held = 0, g->n_held = 0;
    check(g);
    uint32_t crc = bits(g, 16);
    crc |= bits(g, 16) << 16;
    uint32_t length = bits(g, 16);
    length |= bits(g, 16) << 16;
    g->state = HEADER;
    return !g->bad && length == (uint32_t)g->made && crc == g->crc;
}

// On until out has enough, or there is no more.
static bool go_on(Gunzip *g, size_t enough, size_t at, Err *e)
{
    Err *own = &g->own;
    *own = (Err){0};
    g->e = own;
    while (g->out->n < enough) {
        bool ok = true;
        const char *what = NULL;
        switch (g->state) {
        case HEADER:
            if (g->another_member && !another(g)) return !own->set || err_set(e, "%s", own->text);
            g->another_member = true, g->made = 0, g->crc = 0, g->state = BLOCK;
            ok = skip_header(g), what = "not the header of a gzip member";
            break;
        case BLOCK:
            ok = begin_block(g);
            break;
        case STORED:
            ok = stored(g, enough);
            break;
        case CODED:
            ok = coded(g, enough);
            break;
        case TRAILER:
            ok = trailer(g);
            what = "compressed data does not match its checksum; is the file complete?";
        }
        if (ok) continue;
        if (own->set) return err_set(e, "%s", own->text);
        at += g->before + g->at;
        if (what) return err_at(e, g->path, at, "%s", what);
        if (g->window.arena) return err_at(e, g->path, at, "broken or cut off compressed data");
        return err_at(e, g->path, at, "broken or cut off compressed data, or more than %zu bytes of it",
                      g->limit - g->window.n);
    }
    return true;
}

bool gunzip(Buf *out, Str in, size_t limit, const char *path, size_t at, Err *e)
{
    // The last four bytes say how much it is, of a single member of less than 4 GB; a byte of deflate makes 1032 at most.
    Reader end = {.p = (const uint8_t *)in.s + (in.n > 4 ? in.n - 4 : 0), .n = 4, .bad = in.n < 18};
    uint64_t size = rd_u32(&end), possible;
    if (size <= limit && mul_ok(in.n, 1032, &possible) && size <= possible) buf_reserve(out, (size_t)size);
    if (limit > SIZE_MAX - out->n) limit = SIZE_MAX - out->n;
    Gunzip g = {.in = in, .out = out, .checked = out->n, .limit = out->n + limit, .path = path};
    g.window.n = out->n; // where it began
    return go_on(&g, SIZE_MAX, at, e);
}

Gunzip *gunzip_begin(Arena *a, bool (*more)(void *context, Str *bytes, Err *e), void *context,
                     const char *path)
{
    Gunzip *g = arena_new(a, Gunzip, 1);
    *g = (Gunzip){.limit = SIZE_MAX, .more = more, .context = context, .path = path, .window = {.arena = a}};
    g->out = &g->window;
    buf_reserve(&g->window, 4 * WINDOW);
    return g;
}

bool gunzip_next(Gunzip *g, Str *out, Err *e)
{
    Buf *w = &g->window;
    if (w->n > WINDOW) memmove(w->s, w->s + w->n - WINDOW, WINDOW), w->n = WINDOW;
    size_t from = g->checked = w->n;
    if (!go_on(g, from + 2 * WINDOW, 0, e)) return false;
    check(g);
    *out = (Str){w->s + from, w->n - from};
    return true;
}
