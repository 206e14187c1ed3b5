// SPDX-License-Identifier: Apache-2.0
// sentencepiece.c — a SentencePiece model as the library behaves (0.2.3): open, encode, normalise, decode.
//
//   encode: normalise (normalize.c), cut (unigram.c, bpe.c, word.c by the model's type), then, in order: an
//           unknown stretch becomes its bytes where the model has byte pieces, else it joins an unknown one
//           before it
//   decode: pieces side by side, U+2581 as a space, the dummy prefix taken off, byte pieces gathered into
//           characters
#include "spm.h"

#include <float.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------- opening

static float unigram_score(const Piece *p)
{
    return p->kind == USER_DEFINED ? (float)(0.1 * (double)(p->text.n - 1)) : p->score;
}

static bool is_one_nul(Str s) { return s.n == 1 && s.s[0] == 0; }

// Pieces go into `normal` (what text is matched against) or `reserved` (</s>, <0x41>, ...).
static bool build_tries(Arena *a, Sentencepiece *sp, const char *path, Err *e)
{
    Arena *scratch = arena_create(a);
    TrieKey *normal = arena_new_raw(scratch, TrieKey, sp->n), *user = arena_new_raw(scratch, TrieKey, sp->n);
    TrieKey *reserved = arena_new_raw(scratch, TrieKey, sp->n);
    size_t n_normal = 0, n_user = 0, n_reserved = 0;
    float least = FLT_MAX;
    for (size_t id = 0; id < sp->n; id++) {
        const Piece *p = &sp->piece[id];
        TrieKey k = {p->text, (int32_t)id, sp->type == UNIGRAM ? unigram_score(p) : p->score};
        if (p->kind == UNUSED && is_one_nul(p->text)) continue;
        if (p->kind == NORMAL && p->score < least) least = p->score;
        if (p->kind == UNUSED) k.value = TRIE_MUTED - k.value, sp->has_unused = true;
        if (p->kind == USER_DEFINED) user[n_user++] = k;
        if (p->kind == NORMAL || p->kind == USER_DEFINED || p->kind == UNUSED) normal[n_normal++] = k;
        else reserved[n_reserved++] = k;
    }
    int32_t twice[2];
    trie_build(a, normal, n_normal, &sp->normal, &twice[0]);
    trie_build(a, user, n_user, &sp->user, NULL);
    trie_build(a, reserved, n_reserved, &sp->reserved, &twice[1]);
    arena_free(scratch);
    sp->unk_score = least - 10;
    for (int i = 0; i < 2; i++)
        if (twice[i] >= 0) {
            Str s = sp->piece[twice[i]].text;
            return err_set(e, "%s: piece %d ('%.*s') is there twice", path, twice[i],
                           (int)(s.n < 40 ? s.n : 40), s.s);
        }
    if (!n_normal)
        return err_set(e, "%s: no piece that a text could be made of; the file has only special pieces",
                       path);
    return true;
}

Sentencepiece *sp_from_bytes(Arena *a, Str bytes, const char *path, Err *e)
{
    Sentencepiece *sp = arena_new(a, Sentencepiece, 1);
    if (!spm_parse(a, bytes, path, sp, e) || !build_tries(a, sp, path, e)) return NULL;
    sp->normalizer.user = sp->user.n ? &sp->user : NULL;
    sp->normalizer.suffix = sp->suffix;
    sp->denormalizes = sp->denormalizer.map.units > 0;
    normalizer_prepare(&sp->normalizer);
    normalizer_prepare(&sp->denormalizer);
    return sp;
}

Sentencepiece *sp_open(Arena *a, const char *path, Err *e)
{
    Str bytes;
    return file_map(a, path, &bytes, e) ? sp_from_bytes(a, bytes, str_zero(a, str_of(path)), e) : NULL;
}

size_t sp_size(const Sentencepiece *sp) { return sp->n; }

Str sp_piece(const Sentencepiece *sp, int32_t id) { return sp->piece[id].text; }

int32_t normal_id(const Sentencepiece *sp, Str text)
{
    int32_t at = trie_find(&sp->normal, text);
    return at ? trie_id(sp->normal.node[at].value) : -1;
}

int32_t piece_id(const Sentencepiece *sp, Str text)
{
    int32_t at = trie_find(&sp->reserved, text);
    return at ? sp->reserved.node[at].value : normal_id(sp, text);
}

// ------------------------------------------------------------------------------------------------ encoding

Str sp_normalize(Arena *a, const Sentencepiece *sp, Str text) { return normalize(a, &sp->normalizer, text); }

void sp_encode(Arena *a, const Sentencepiece *sp, Str text, Encoding *out)
{
    static void (*const split[])(const Sentencepiece *, Str, Segments *) = {
        [UNIGRAM] = unigram_split, [BPE] = bpe_split, [WORD] = word_split, [CHAR] = char_split};
    Segments cut = {.arena = a};
    split[sp->type](sp, sp_normalize(a, sp, text), &cut);

    size_t room = cut.n;
    for (size_t i = 0; sp->byte_fallback && i < cut.n; i++)
        if (cut.at[i].id < 0) room += cut.at[i].n;
    *out = (Encoding){.ids = arena_new_raw(a, int32_t, room), .token = arena_new_raw(a, Str, room)};
    bool after_unknown = false;
    for (size_t i = 0; i < cut.n; i++) {
        Segment c = cut.at[i];
        if (c.id >= 0) {
            out->ids[out->n] = c.id;
            out->token[out->n++] = (Str){c.s, c.n};
        } else if (sp->byte_fallback) {
            for (uint32_t k = 0; k < c.n; k++) {
                int32_t id = sp->byte[(uint8_t)c.s[k]];
                out->ids[out->n] = id;
                out->token[out->n++] = sp->piece[id].text;
            }
        } else if (after_unknown) out->token[out->n - 1].n += c.n;
        else {
            out->ids[out->n] = sp->unk;
            out->token[out->n++] = (Str){c.s, c.n};
        }
        after_unknown = c.id < 0;
    }
}

// ------------------------------------------------------------------------------------------------ decoding

typedef struct Decoder {
    const Sentencepiece *sp;
    Buf text, bytes; // bytes: byte pieces not yet written
    bool bos;        // nothing written yet that ends the taking off of leading U+2581
} Decoder;

static void flush(Decoder *d)
{
    Str s = buf_view(&d->bytes);
    while (s.n) {
        uint32_t cp;
        int n = utf8_decode(s.s, s.n, &cp, NULL);
        if (n) buf_put(&d->text, s.s, (size_t)n);
        else buf_put(&d->text, "\xEF\xBF\xBD", 3);
        s.s += n ? n : 1, s.n -= n ? (size_t)n : 1;
    }
    d->bytes.n = 0;
    if (d->text.n) d->bos = false;
}

static void put_piece(Decoder *d, Str p)
{
    const Normalizer *z = &d->sp->normalizer;
    if (d->bos && (z->dummy || z->remove) && str_starts(p, STR_LIT(SPACE_MARK))) {
        p.s += 3, p.n -= 3;
        if (!z->remove) d->bos = false;
    }
    while (p.n) {
        if (str_starts(p, STR_LIT(SPACE_MARK))) buf_char(&d->text, ' '), p.s += 3, p.n -= 3;
        else buf_char(&d->text, *p.s), p.s++, p.n--;
    }
}

static void decode_id(Decoder *d, int32_t id)
{
    const Piece *p = &d->sp->piece[id];
    if (p->kind == BYTE) { // "<0x4A>": checked when opened
        char high = p->text.s[3], low = p->text.s[4];
        int byte =
            (high <= '9' ? high - '0' : high - 'A' + 10) << 4 | (low <= '9' ? low - '0' : low - 'A' + 10);
        buf_char(&d->bytes, (char)byte);
        return;
    }
    flush(d);
    if (p->kind == UNKNOWN) buf_str(&d->text, d->sp->unk_surface);
    else if (p->kind != CONTROL) put_piece(d, p->text);
}

static Str finish(Arena *a, Decoder *d)
{
    flush(d);
    Str text = buf_view(&d->text);
    return d->sp->denormalizes ? normalize(a, &d->sp->denormalizer, text) : text;
}

bool sp_decode(Arena *a, const Sentencepiece *sp, const int32_t *ids, size_t n, Str *out, Err *e)
{
    Decoder d = {.sp = sp, .text.arena = a, .bytes.arena = a, .bos = true};
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= sp->n)
            return err_set(e, "id %d is not in the vocabulary; ids are 0 to %zu", ids[i], sp->n - 1);
        decode_id(&d, ids[i]);
    }
    *out = finish(a, &d);
    return true;
}

Str sp_decode_strings(Arena *a, const Sentencepiece *sp, const Str *token, size_t n)
{
    Decoder d = {.sp = sp, .text.arena = a, .bytes.arena = a, .bos = true};
    for (size_t i = 0; i < n; i++) {
        int32_t id = piece_id(sp, token[i]);
        if (id >= 0) decode_id(&d, id);
        else {
            flush(&d);
            buf_str(&d.text, token[i]);
        }
    }
    return finish(a, &d);
}
