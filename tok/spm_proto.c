// SPDX-License-Identifier: Apache-2.0
// spm_proto.c — reads a SentencePiece .model file: one protobuf message (proto2), no header.
//
// https://protobuf.dev/programming-guides/encoding, sentencepiece_model.proto. key = varint(field << 3 | wire
// type); unknown fields are skipped by their wire type, a message met twice is merged (the later scalar
// wins). What the library refuses is refused here, by a sentence that names the piece and the byte.
#include "spm.h"

#include <string.h>

enum { VARINT = 0, EIGHT = 1, BYTES = 2, FOUR = 5, LONGEST_PIECE = 7999 };

typedef struct Field {
    uint32_t number, wire;
    uint64_t scalar; // VARINT, and the bits of FOUR
    Reader bytes;    // BYTES
    size_t at;       // of the field's key, from the top of the file
} Field;

typedef struct Message {
    Reader r;
    size_t base; // where it lies in the file
    Err *e;
} Message;

// As rd_varint, with the usual single byte done here: a model has a hundred thousand of them.
static inline uint64_t varint(Reader *r)
{
    if (!r->bad && r->at < r->n && r->p[r->at] < 128) return r->p[r->at++];
    return rd_varint(r);
}

// The next field; false at the end of the message or on damage (then e is set).
static bool next_field(Message *m, Field *f)
{
    Reader *r = &m->r;
    if (r->bad || rd_left(r) == 0) return false;
    f->at = m->base + r->at;
    uint64_t key = varint(r);
    f->number = (uint32_t)(key >> 3), f->wire = (uint32_t)(key & 7);
    if (!r->bad && (key > UINT32_MAX || f->number == 0))
        return err_at(m->e, r->path, f->at,
                      "field number %" PRIu64 ", not a protobuf field; is this a SentencePiece model?",
                      key >> 3);
    uint64_t length = 0;
    switch (f->wire) {
    case VARINT:
        f->scalar = varint(r);
        break;
    case EIGHT:
        f->scalar = rd_u64(r);
        break;
    case FOUR:
        f->scalar = rd_u32(r);
        break;
    case BYTES:
        length = varint(r);
        if (!r->bad && length > rd_left(r))
            return err_at(m->e, r->path, f->at,
                          "field %u claims %" PRIu64 " bytes, %zu remain; is the download complete?",
                          f->number, length, rd_left(r));
        f->bytes = rd_sub(r, length);
        break;
    default:
        return err_at(m->e, r->path, f->at, "field %u has wire type %u, only 0, 1, 2 and 5 are known",
                      f->number, f->wire);
    }
    if (r->bad)
        return err_at(m->e, r->path, f->at, "the file ends inside field %u; is the download complete?",
                      f->number);
    return true;
}

static Message inside(const Message *m, const Field *f)
{
    Message in = {.r = f->bytes, .e = m->e};
    in.base = m->base + (m->r.at - f->bytes.n);
    in.r.path = m->r.path;
    return in;
}

static Str view(const Field *f) { return (Str){(const char *)f->bytes.p, f->bytes.n}; }

static bool read_piece(Message m, Piece *p)
{
    *p = (Piece){.kind = NORMAL, .text = {"", 0}};
    for (Field f = {0}; next_field(&m, &f);) {
        if (f.number == 1 && f.wire == BYTES) p->text = view(&f);
        else if (f.number == 2 && f.wire == FOUR) {
            uint32_t bits = (uint32_t)f.scalar;
            memcpy(&p->score, &bits, 4);
        } else if (f.number == 3 && f.wire == VARINT && f.scalar >= NORMAL && f.scalar <= BYTE)
            p->kind = (PieceKind)f.scalar;
    }
    return !m.e->set;
}

static bool read_trainer(Message m, Sentencepiece *sp)
{
    for (Field f = {0}; next_field(&m, &f);) {
        if (f.number == 3 && f.wire == VARINT && f.scalar >= UNIGRAM && f.scalar <= CHAR)
            sp->type = (ModelType)f.scalar;
        else if (f.number == 24 && f.wire == VARINT) sp->suffix = f.scalar != 0;
        else if (f.number == 35 && f.wire == VARINT) sp->byte_fallback = f.scalar != 0;
        else if (f.number == 44 && f.wire == BYTES) sp->unk_surface = view(&f);
    }
    return !m.e->set;
}

static bool read_normalizer(Message m, Normalizer *z)
{
    for (Field f = {0}; next_field(&m, &f);) {
        if (f.number == 2 && f.wire == BYTES) {
            if (!charsmap_open(view(&f), m.r.path, m.base + m.r.at - f.bytes.n, &z->map, m.e)) return false;
        } else if (f.number == 3 && f.wire == VARINT) z->dummy = f.scalar != 0;
        else if (f.number == 4 && f.wire == VARINT) z->remove = f.scalar != 0;
        else if (f.number == 5 && f.wire == VARINT) z->escape = f.scalar != 0;
    }
    return !m.e->set;
}

// -------------------------------------------------------------------------------------------------- checks

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// 0..255 for "<0x00>" .. "<0xFF>", else -1.
static int byte_of(Str s)
{
    if (s.n != 6 || memcmp(s.s, "<0x", 3) != 0 || s.s[5] != '>') return -1;
    int high = hex_digit(s.s[3]), low = hex_digit(s.s[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_one_nul(Str s) { return s.n == 1 && s.s[0] == 0; }

static bool check_piece(Sentencepiece *sp, const char *path, const char *file, size_t id, Err *e)
{
    const Piece *p = &sp->piece[id];
    size_t at = p->text.n ? (size_t)(p->text.s - file) : 0;
    if (p->text.n == 0) return err_set(e, "%s: piece %zu is empty", path, id);
    if (p->text.n > LONGEST_PIECE)
        return err_at(e, path, at, "piece %zu has %zu bytes, at most %d are allowed", id, p->text.n,
                      LONGEST_PIECE);
    if (memchr(p->text.s, 0, p->text.n) && !(p->kind == UNUSED && is_one_nul(p->text)))
        return err_at(e, path, at, "piece %zu holds a NUL byte", id);
    // finite by its bits: no libm, and NaN cannot slip through a comparison
    uint32_t bits;
    memcpy(&bits, &p->score, 4);
    if (sp->type == UNIGRAM && (bits >> 23 & 255) == 255)
        return err_at(e, path, at, "piece %zu has a score that is not a finite number", id);
    if (p->kind == UNKNOWN) {
        if (sp->unk >= 0)
            return err_at(e, path, at, "pieces %d and %zu are both marked as the unknown piece", sp->unk, id);
        sp->unk = (int32_t)id;
    }
    if (p->kind == BYTE) {
        if (!sp->byte_fallback)
            return err_at(e, path, at, "piece %zu stands for a byte, but byte_fallback is off", id);
        int byte = byte_of(p->text);
        if (byte < 0)
            return err_at(e, path, at, "byte piece %zu is '%.*s', expected <0x00> to <0xFF>", id,
                          (int)(p->text.n < 20 ? p->text.n : 20), p->text.s);
        sp->byte[byte] = (int32_t)id;
    }
    return true;
}

static bool check_all(Sentencepiece *sp, const char *path, Err *e)
{
    if (sp->unk < 0 && !sp->byte_fallback)
        return err_set(e, "%s: no piece is marked as the unknown piece", path);
    for (int b = 0; sp->byte_fallback && b < 256; b++)
        if (sp->byte[b] < 0)
            return err_set(e, "%s: byte_fallback is on, but the piece <0x%02X> is missing", path,
                           (unsigned)b);
    return true;
}

static size_t count_pieces(Str bytes, const char *path)
{
    Err ignored = {0};
    Message m = {.r = {.p = (const uint8_t *)bytes.s, .n = bytes.n, .path = path}, .e = &ignored};
    size_t n = 0;
    for (Field f = {0}; next_field(&m, &f);) n += f.number == 1 && f.wire == BYTES;
    return n;
}

bool spm_parse(Arena *a, Str bytes, const char *path, Sentencepiece *sp, Err *e)
{
    Err own = {0};
    if (!e) e = &own; // the loops below ask whether it is set
    if (e->set || !file_genuine(path, bytes, e)) return false;
    *sp = (Sentencepiece){.type = UNIGRAM, .unk = -1, .unk_surface = STR_LIT(" \xE2\x81\x87 ")};
    sp->normalizer = (Normalizer){.dummy = true, .remove = true, .escape = true};
    sp->denormalizer = sp->normalizer;
    for (int b = 0; b < 256; b++) sp->byte[b] = -1;

    size_t n =
        count_pieces(bytes, path); // at least two bytes of the file each, so the array is bounded by the file
    if (n > INT32_MAX / 4)
        return err_set(e, "%s: %zu pieces, at most %d are supported", path, n, INT32_MAX / 4);
    sp->piece = arena_new_raw(a, Piece, n);
    Message m = {.r = {.p = (const uint8_t *)bytes.s, .n = bytes.n, .path = path}, .e = e};
    for (Field f = {0}; next_field(&m, &f);) {
        if (f.wire != BYTES) continue;
        bool ok = true;
        if (f.number == 1) ok = read_piece(inside(&m, &f), &sp->piece[sp->n++]);
        else if (f.number == 2) ok = read_trainer(inside(&m, &f), sp);
        else if (f.number == 3) ok = read_normalizer(inside(&m, &f), &sp->normalizer);
        else if (f.number == 5) ok = read_normalizer(inside(&m, &f), &sp->denormalizer);
        if (!ok) return false;
    }
    if (e->set) return false;
    if (sp->n == 0) return err_set(e, "%s: no pieces; is this a SentencePiece model?", path);
    for (size_t id = 0; id < sp->n; id++)
        if (!check_piece(sp, path, bytes.s, id, e)) return false;
    return check_all(sp, path, e);
}
