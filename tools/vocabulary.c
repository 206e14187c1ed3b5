// SPDX-License-Identifier: Apache-2.0
// vocabulary.c — a unigram vocabulary by expectation maximisation, and its .model file.
//
// 1. Words are cut into chunks of one kind (letters, digits, a single mark); pieces never cross a chunk's border.
// 2. All substrings of chunks that occur twice are pieces to begin with, the frequent and long ones first.
// 3. E: expected count of each piece over all segmentations of all chunks, forward and backward. M: its probability
//    is exp(digamma(count)), which starves rare pieces (a Dirichlet prior, as the library does).
// 4. Pieces whose loss would cost the text little likelihood are dropped, a quarter at a time, until `size` are left.
//    Single characters stay.
// Sums are in double, in a fixed order, with tensor/'s own log and exp: the same pieces on every machine.
#include "vocabulary.h"

#include "../tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 16, SEEDS = 6000 };
#define SPACE "\xE2\x96\x81"

typedef struct Entry {
    Str text;
    double n;     // chunks: how often; pieces: their expected count
    double score; // pieces: log-probability
    bool single;  // one character: never dropped
} Entry;

typedef struct Set { // of entries by text; open addressing
    Entry *v;
    size_t n;
    uint32_t *slot, cap; // index + 1
} Set;

static Set set_make(Arena *a, size_t most)
{
    Set s = {.v = arena_new(a, Entry, most), .cap = 1024};
    while (s.cap < 2 * most) s.cap *= 2;
    s.slot = arena_new(a, uint32_t, s.cap);
    return s;
}

static Entry *set_find(const Set *s, Str text)
{
    for (uint32_t i = (uint32_t)str_hash(text, 0) & (s->cap - 1); s->slot[i]; i = (i + 1) & (s->cap - 1))
        if (str_eq(s->v[s->slot[i] - 1].text, text)) return &s->v[s->slot[i] - 1];
    return NULL;
}

static Entry *set_add(Set *s, Str text) // found or new
{
    Entry *e = set_find(s, text);
    if (e) return e;
    uint32_t i = (uint32_t)str_hash(text, 0) & (s->cap - 1);
    while (s->slot[i]) i = (i + 1) & (s->cap - 1);
    s->v[s->n] = (Entry){.text = text};
    s->slot[i] = (uint32_t)++s->n;
    return &s->v[s->n - 1];
}

static size_t width(const char *s)
{
    uint8_t c = (uint8_t)*s;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

static size_t count_characters(Str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i += width(s.s + i)) n++;
    return n;
}

// ------------------------------------------------------------------------------------------------ chunks

static int kind(const char *s)
{
    uint8_t c = (uint8_t)*s;
    if (c >= '0' && c <= '9') return 1;
    return (c | 32) >= 'a' && (c | 32) <= 'z' ? 2 : c >= 0x80 ? 2 : 0;
}

// The space before a word belongs to its first chunk.
static void add_word(Set *chunks, Arena *a, const Entry *word)
{
    Buf b = {.arena = a};
    buf_str(&b, STR_LIT(SPACE)), buf_str(&b, word->text);
    for (size_t i = 0, end; i < b.n; i = end) {
        size_t from = i ? i : 3;
        end = from + width(b.s + from);
        while (end < b.n && kind(b.s + from) && kind(b.s + end) == kind(b.s + from)) end += width(b.s + end);
        set_add(chunks, (Str){b.s + i, end - i})->n += word->n;
    }
}

static Set read_chunks(Arena *a, Str text)
{
    size_t spaces = 1, bytes = 1;
    for (size_t i = 0; i < text.n; i++) spaces += text.s[i] == ' ' || text.s[i] == '\n';
    Set words = set_make(a, spaces);
    for (size_t i = 0, n; i < text.n; i += n + 1) {
        for (n = 0; i + n < text.n && text.s[i + n] != ' ' && text.s[i + n] != '\n';) n++;
        if (n) set_add(&words, (Str){text.s + i, n})->n += 1;
    }
    for (size_t i = 0; i < words.n; i++) bytes += words.v[i].text.n;
    Set chunks = set_make(a, bytes);
    for (size_t i = 0; i < words.n; i++) add_word(&chunks, a, &words.v[i]);
    return chunks;
}

static int by_worth(const void *x, const void *y) // falling, then by text
{
    const Entry *a = x, *b = y;
    if (a->n != b->n) return a->n > b->n ? -1 : 1;
    return str_cmp(a->text, b->text);
}

static int by_score(const void *x, const void *y)
{
    const Entry *a = x, *b = y;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    return str_cmp(a->text, b->text);
}

// ------------------------------------------------------------------------------------------------ candidates

// The entries of v that are kept, as a set of their own.
static Set set_of(Arena *a, const Entry *v, size_t n)
{
    Set s = set_make(a, n);
    for (size_t i = 0; i < n; i++) *set_add(&s, v[i].text) = v[i];
    return s;
}

static Set candidates(Arena *a, const Set *chunks, Str required)
{
    size_t most = required.n + 1;
    for (size_t i = 0; i < chunks->n; i++) most += chunks->v[i].text.n * LONGEST;
    Set all = set_make(a, most);
    for (size_t i = 0; i < chunks->n; i++) {
        Str t = chunks->v[i].text;
        for (size_t from = 0; from < t.n; from += width(t.s + from))
            for (size_t to = from, k = 0; to < t.n && k < LONGEST; k++) {
                to += width(t.s + to);
                Entry *e = set_add(&all, (Str){t.s + from, to - from});
                e->n += chunks->v[i].n, e->single = k == 0;
            }
    }
    for (size_t i = 0; i < required.n; i += width(required.s + i))
        set_add(&all, (Str){required.s + i, width(required.s + i)})->single = true;
    size_t n = 0;
    double sum = 0;
    for (size_t i = 0; i < all.n; i++) {
        Entry e = all.v[i];
        if (e.n < 2 && !e.single) continue;
        e.n = (e.n + 1) * (double)count_characters(e.text) + (e.single ? 1e9 : 0);
        all.v[n++] = e;
    }
    qsort(all.v, n, sizeof *all.v, by_worth);
    if (n > SEEDS) n = SEEDS;
    for (size_t i = 0; i < n; i++) all.v[i].n -= all.v[i].single ? 1e9 : 0, sum += all.v[i].n;
    for (size_t i = 0; i < n; i++) all.v[i].score = num_log(all.v[i].n / sum);
    return set_of(a, all.v, n);
}

// ------------------------------------------------------------------------------------------------ expectation

static double log_add(double a, double b)
{
    double high = a > b ? a : b, low = a > b ? b : a;
    return low < -1e290 ? high : high + num_log(1 + num_exp(low - high));
}

// Adds the expected counts of one chunk's pieces; returns the log-likelihood. in, out [n + 1]: sums up to and from a byte.
static double expect(const Set *pieces, const Entry *chunk, double *in, double *out)
{
    Str t = chunk->text;
    for (size_t i = 0; i <= t.n; i++) in[i] = out[i] = -1e300;
    in[0] = out[t.n] = 0;
    for (size_t i = 0; i < t.n; i += width(t.s + i))
        for (size_t j = i, k = 0; j < t.n && k < LONGEST; k++) {
            j += width(t.s + j);
            const Entry *e = set_find(pieces, (Str){t.s + i, j - i});
            if (e) in[j] = log_add(in[j], in[i] + e->score);
        }
    for (size_t i = t.n; i-- > 0;) {
        if ((t.s[i] & 0xC0) == 0x80) continue; // inside a character
        for (size_t j = i, k = 0; j < t.n && k < LONGEST; k++) {
            j += width(t.s + j);
            Entry *e = set_find(pieces, (Str){t.s + i, j - i});
            if (!e) continue;
            out[i] = log_add(out[i], out[j] + e->score);
            e->n += chunk->n * num_exp(in[i] + e->score + out[j] - in[t.n]);
        }
    }
    return chunk->n * in[t.n];
}

static double digamma(double x) // Abramowitz and Stegun 6.3.18, error below 1e-9 from 7 on
{
    double y = 0;
    for (; x < 7; x++) y -= 1 / x;
    double r = 1 / (x * x);
    return y + num_log(x) - 0.5 / x - r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r / 240)));
}

static void estimate(Arena *a, Set *pieces, const Set *chunks)
{
    size_t longest = 0, n = 0;
    for (size_t i = 0; i < chunks->n; i++)
        longest = chunks->v[i].text.n > longest ? chunks->v[i].text.n : longest;
    double *in = arena_new(a, double, longest + 1), *out = arena_new(a, double, longest + 1), sum = 0;
    for (size_t i = 0; i < pieces->n; i++) pieces->v[i].n = 0;
    for (size_t i = 0; i < chunks->n; i++) expect(pieces, &chunks->v[i], in, out);
    for (size_t i = 0; i < pieces->n; i++) {
        Entry e = pieces->v[i];
        if (e.n < 0.5 && !e.single) continue;
        e.n = e.n < 0.5 ? 0.5 : e.n;
        sum += e.n, pieces->v[n++] = e;
    }
    for (size_t i = 0; i < n; i++) pieces->v[i].score = digamma(pieces->v[i].n) - digamma(sum);
    *pieces = set_of(a, pieces->v, n);
}

// ------------------------------------------------------------------------------------------------ pruning

typedef struct Cut { // the best way to cut a text
    double score;
    size_t from;
} Cut;

// Best segmentation of t without the piece t itself: its pieces go to part; returns how many, 0 if there is none.
static size_t best_parts(const Set *pieces, Str t, Entry *part[], double *score)
{
    Cut best[4 * LONGEST + 1];
    for (size_t i = 0; i <= t.n; i++) best[i] = (Cut){-1e300, 0};
    best[0].score = 0;
    for (size_t i = 0; i < t.n; i += width(t.s + i))
        for (size_t j = i; j < t.n;) {
            j += width(t.s + j);
            const Entry *e = j - i < t.n ? set_find(pieces, (Str){t.s + i, j - i}) : NULL;
            if (e && best[i].score + e->score > best[j].score) best[j] = (Cut){best[i].score + e->score, i};
        }
    if (best[t.n].score < -1e290) return 0;
    *score = best[t.n].score;
    size_t n = 0;
    for (size_t end = t.n; end > 0; end = best[end].from)
        part[n++] = set_find(pieces, (Str){t.s + best[end].from, end - best[end].from});
    return n;
}

// Drops the pieces that the text can best do without, down to `keep` (single characters always stay).
static void prune(Arena *a, Set *pieces, size_t keep)
{
    double sum = 0;
    for (size_t i = 0; i < pieces->n; i++) sum += pieces->v[i].n;
    Entry *v = arena_new(a, Entry, pieces->n);
    for (size_t i = 0; i < pieces->n; i++) {
        const Entry *e = &pieces->v[i];
        Entry *part[4 * LONGEST];
        double other, loss = 1e300;
        size_t n = e->single ? 0 : best_parts(pieces, e->text, part, &other);
        if (n) { // how the likelihood falls if its parts take over its counts
            double parts = 0, total = num_log(sum + e->n * (double)(n - 1));
            for (size_t k = 0; k < n; k++) parts += num_log(part[k]->n + e->n) - total;
            loss = e->n / sum * (num_log(e->n) - num_log(sum) - parts);
        }
        v[i] = *e, v[i].n = loss;
    }
    qsort(v, pieces->n, sizeof *v, by_worth);
    size_t n = 0;
    for (size_t i = 0; i < pieces->n; i++)
        if (i < keep || v[i].single) v[n++] = v[i];
    *pieces = set_of(a, v, n);
}

void vocabulary_train(Arena *a, Str text, VocabularyOptions o, Vocabulary *out)
{
    Arena *scratch = arena_create(a);
    size_t special = 0;
    while (special < 4 && o.special[special]) special++;
    size_t size = o.size - special;
    Set chunks = read_chunks(scratch, text), pieces = candidates(scratch, &chunks, o.required);
    for (;;) {
        for (int i = 0; i < 2; i++) estimate(scratch, &pieces, &chunks);
        if (pieces.n <= size) break;
        size_t keep = pieces.n * 3 / 4;
        prune(scratch, &pieces, keep > size ? keep : size);
        if (pieces.n > size && keep <= size) break; // no more to drop: characters
    }
    qsort(pieces.v, pieces.n, sizeof *pieces.v, by_score);
    *out = (Vocabulary){.n = special + pieces.n, .n_special = special};
    out->piece = arena_new(a, Str, out->n), out->score = arena_new(a, float, out->n);
    for (size_t i = 0; i < special; i++) out->piece[i] = str_of(o.special[i]);
    for (size_t i = 0; i < pieces.n; i++)
        out->piece[special + i] = str_copy(a, pieces.v[i].text),
                             out->score[special + i] = (float)pieces.v[i].score;
    arena_free(scratch);
}

// ------------------------------------------------------------------------------------------------ the file

static void put_varint(Buf *b, uint64_t x)
{
    for (; x >= 128; x >>= 7) buf_char(b, (char)(x | 128));
    buf_char(b, (char)x);
}

static void put_int(Buf *b, unsigned field, int64_t x)
{
    put_varint(b, field << 3), put_varint(b, (uint64_t)x);
}

static void put_bytes(Buf *b, unsigned field, Str s)
{
    put_varint(b, field << 3 | 2), put_varint(b, s.n), buf_str(b, s);
}

static int64_t special_id(const Vocabulary *v, const char *name)
{
    for (size_t i = 0; i < v->n_special; i++)
        if (str_is(v->piece[i], name)) return (int64_t)i;
    return -1;
}

Str vocabulary_model(Arena *a, const Vocabulary *v) // sentencepiece_model.proto
{
    enum { NORMAL_KIND = 1, UNKNOWN_KIND = 2, CONTROL_KIND = 3, UNIGRAM_KIND = 1 };
    Buf out = {.arena = a};
    for (size_t i = 0; i < v->n; i++) {
        Buf b = {.arena = a};
        put_bytes(&b, 1, v->piece[i]);
        put_varint(&b, 2 << 3 | 5), buf_put(&b, &v->score[i], 4);
        bool unknown = i < v->n_special && str_is(v->piece[i], "<unk>");
        if (i < v->n_special) put_int(&b, 3, unknown ? UNKNOWN_KIND : CONTROL_KIND);
        put_bytes(&out, 1, buf_view(&b));
    }
    Buf trainer = {.arena = a}, normalizer = {.arena = a};
    put_int(&trainer, 3, UNIGRAM_KIND), put_int(&trainer, 4, (int64_t)v->n);
    put_int(&trainer, 40, special_id(v, "<unk>")), put_int(&trainer, 41, special_id(v, "<s>"));
    put_int(&trainer, 42, special_id(v, "</s>")), put_int(&trainer, 43, special_id(v, "<pad>"));
    put_bytes(&normalizer, 1, STR_LIT("identity"));
    for (unsigned field = 3; field <= 5; field++)
        put_int(&normalizer, field, 1); // a space in front, one between, as U+2581
    put_bytes(&out, 2, buf_view(&trainer)), put_bytes(&out, 3, buf_view(&normalizer));
    return buf_view(&out);
}
