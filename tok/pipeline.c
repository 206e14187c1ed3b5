// SPDX-License-Identifier: Apache-2.0
// pipeline.c — text to ids, step by step (pipeline.h).
//
// A stretch of text carries where it came from: each byte knows the bytes of the original that it stands for, by an array if
// a step has changed something, else by a base alone. So each token knows its bytes of the original text.
#include "pipeline.h"

#include <string.h>

typedef struct Span {
    uint32_t from, to;
} Span;

typedef struct Text {
    Str s;
    uint32_t base;   // without a map, byte i is byte base + i of the original
    const Span *map; // [s.n]
} Text;

typedef struct Job {
    const Tokenizer *t;
    const Pipeline *p;
    TokOptions o;
    Arena *scratch;
    EncodingBuilder out;
    Merger merger;
    uint64_t steps; // that expressions may still take
    // of the piece that is being merged: its symbols, and the bytes each stands for
    int32_t *ids;
    uint32_t *lo, *hi, *first;
    size_t n, room;
    bool unknown; // there is one that is not yet a symbol, from unknown_lo to unknown_hi
    uint32_t unknown_lo, unknown_hi;
    bool no_unknown; // a character that the vocabulary lacks, and no entry for unknown ones
} Job;

static Text part_of(Text t, size_t from, size_t to)
{
    return (Text){{t.s.s + from, to - from}, t.base + (uint32_t)from, t.map ? t.map + from : NULL};
}

static Span span_of(Text t, size_t from, size_t to)
{
    if (t.map) return from < to ? (Span){t.map[from].from, t.map[to - 1].to} : (Span){0, 0};
    return (Span){t.base + (uint32_t)from, t.base + (uint32_t)to};
}

static uint32_t origin(Text t) { return t.map ? t.map[0].from : t.base; }

// --------------------------------------------------------------------------------------------- changing text

typedef struct Rewriter {
    Arena *arena;
    Text from;
    Buf s;
    Span *map;
    size_t room;
} Rewriter;

static void rewrite(void *context, Str bytes, size_t from, size_t to)
{
    Rewriter *w = context;
    if (w->s.n + bytes.n > w->room) {
        w->room = w->room ? 2 * w->room + bytes.n : w->from.s.n + bytes.n + 16;
        Span *more = arena_new_raw(w->arena, Span, w->room);
        if (w->s.n) memcpy(more, w->map, w->s.n * sizeof *more);
        w->map = more;
    }
    bool same = bytes.n == to - from; // then byte for byte
    for (size_t i = 0; i < bytes.n; i++)
        w->map[w->s.n + i] = same         ? span_of(w->from, from + i, from + i + 1)
                             : from == to ? (Span){origin(w->from), origin(w->from)}
                                          : span_of(w->from, from, to);
    buf_str(&w->s, bytes);
}

static Text rewritten(const Rewriter *w) { return (Text){buf_view(&w->s), 0, w->map}; }

static Text prepend(Job *j, Text t, Str what)
{
    Rewriter w = {.arena = j->scratch, .from = t, .s = {.arena = j->scratch}};
    rewrite(&w, what, 0, 0);
    rewrite(&w, t.s, 0, t.s.n);
    return rewritten(&w);
}

bool pattern_find(const Unicode *u, const Pattern *p, Str s, size_t from, size_t *start, size_t *end,
                  uint64_t *steps)
{
    if (p->regex) return regex_find(p->regex, s, from, start, end, steps);
    if (p->literal.n) {
        for (size_t i = from; i + p->literal.n <= s.n; i++) {
            const char *at = memchr(s.s + i, p->literal.s[0], s.n - i - p->literal.n + 1);
            if (!at) return false;
            i = (size_t)(at - s.s);
            if (memcmp(at, p->literal.s, p->literal.n) == 0) return *start = i, *end = i + p->literal.n, true;
        }
        return false;
    }
    for (size_t i = from, n; i < s.n; i += n)
        if (unicode_of(u, utf8_at(s.s + i, &n)) & p->kind) return *start = i, *end = i + n, true;
    return false;
}

static Text replace(Job *j, Text t, const Pattern *p, Str content)
{
    size_t at = 0, start, end;
    Rewriter w = {.arena = j->scratch, .from = t, .s = {.arena = j->scratch}};
    for (; pattern_find(j->p->unicode, p, t.s, at, &start, &end, &j->steps); at = end) {
        rewrite(&w, (Str){t.s.s + at, start - at}, at, start);
        rewrite(&w, content, start, end);
    }
    if (!at) return t;
    rewrite(&w, (Str){t.s.s + at, t.s.n - at}, at, t.s.n);
    return rewritten(&w);
}

static Text by_rules(Job *j, Text t, const Rules *r)
{
    Rewriter w = {.arena = j->scratch, .from = t, .s = {.arena = j->scratch}};
    Buf out = {.arena = j->scratch};
    for (size_t i = 0, n; i < t.s.n; i += n) {
        out.n = 0;
        n = rules_step(r, (Str){t.s.s + i, t.s.n - i}, &out);
        rewrite(&w, buf_view(&out), i, i + n);
    }
    return rewritten(&w);
}

static bool is_plain(Str s) // nothing that a canonical form could change
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.s[i] >= 0x80) return false;
    return true;
}

static Text normalize_text(Job *j, Text t)
{
    for (size_t i = 0; i < j->p->norms && t.s.n; i++) {
        const Norm *n = &j->p->norm[i];
        if (n->kind == NORM_PREPEND) t = prepend(j, t, n->content);
        if (n->kind == NORM_REPLACE) t = replace(j, t, &n->pattern, n->content);
        if (n->kind == NORM_RULES) t = by_rules(j, t, n->rules);
        if (n->kind == NORM_FORM && !is_plain(t.s)) {
            Rewriter w = {.arena = j->scratch, .from = t, .s = {.arena = j->scratch}};
            unicode_normalize(j->scratch, j->p->unicode, n->form, t.s, rewrite, &w);
            t = rewritten(&w);
        }
        if (n->kind == NORM_STRIP) {
            size_t left = n->left ? t.s.n - strip_left(t.s).n : 0;
            size_t right = n->right ? strip_right(t.s).n : t.s.n;
            t = part_of(t, left, right < left ? left : right);
        }
    }
    return t;
}

// ------------------------------------------------------------------------------------------- the byte alphabet

static bool stands_for_itself(uint32_t b)
{
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

Str byte_char(uint8_t byte, char room[4])
{
    uint32_t cp = byte; // the others in order: 0 to 32, 127 to 160, 173
    if (!stands_for_itself(byte)) cp = 0x100u + (byte <= 32 ? byte : byte <= 160 ? byte - 127u + 33 : 67u);
    return (Str){room, (size_t)utf8_encode(cp, room)};
}

int byte_of_char(uint32_t cp)
{
    if (cp < 256) return stands_for_itself(cp) ? (int)cp : -1;
    if (cp > 0x143) return -1;
    int k = (int)cp - 0x100;
    return k <= 32 ? k : k < 67 ? k - 33 + 127 : 173;
}

static Text in_byte_characters(Job *j, Text t)
{
    Rewriter w = {.arena = j->scratch, .from = t, .s = {.arena = j->scratch}};
    for (size_t i = 0; i < t.s.n; i++) {
        char room[4];
        rewrite(&w, byte_char((uint8_t)t.s.s[i], room), i, i + 1);
    }
    return rewritten(&w);
}

// --------------------------------------------------------------------------------------------------- the model

static void push(Job *j, int32_t id, uint32_t lo, uint32_t hi)
{
    j->ids[j->n] = id, j->lo[j->n] = lo, j->hi[j->n++] = hi;
}

static void flush_unknown(Job *j)
{
    if (j->unknown) push(j, j->p->unk, j->unknown_lo, j->unknown_hi);
    j->unknown = false;
}

// A character, bytes lo to hi of the piece, as a symbol or several. As the library has it: bytes for a character do not wait
// for an unknown one before them.
static void add_character(Job *j, Str c, uint32_t lo, uint32_t hi)
{
    const Pipeline *p = j->p;
    int32_t id = vocab_id(&p->vocab, c);
    if (id >= 0) {
        flush_unknown(j);
        push(j, id, lo, hi);
        return;
    }
    bool bytes = p->byte_fallback;
    for (size_t i = 0; i < c.n && bytes; i++) bytes = p->byte_piece[(uint8_t)c.s[i]] >= 0;
    for (size_t i = 0; i < c.n && bytes; i++)
        push(j, p->byte_piece[(uint8_t)c.s[i]], hi - lo == c.n ? lo + (uint32_t)i : lo,
             hi - lo == c.n ? lo + (uint32_t)i + 1 : hi);
    if (bytes || !p->unk_token.n) return;
    if (p->unk < 0) j->no_unknown = true;
    if (j->unknown && !p->fuse_unk) flush_unknown(j);
    if (!j->unknown) j->unknown_lo = lo;
    j->unknown = true, j->unknown_hi = hi;
}

static void emit(Job *j, Text t, int32_t id, size_t lo, size_t hi, bool first)
{
    Str token = j->p->vocab.text[id];
    Span span = span_of(t, lo, hi);
    bool begins = (first && j->p->pres > 0) || str_starts(token, STR_LIT(SPACE_MARK));
    encoding_add_at(&j->out, id, token, (TokSpan){span.from, span.to, begins});
}

// The piece's own entry, if it has one that may be taken without merging.
static int32_t whole(Job *j, Text t, bool bytes)
{
    enum { LONGEST = 512 }; // bytes of an entry that is looked for
    char mapped[2 * LONGEST];
    size_t n = 0;
    if (!j->p->ignore_merges || t.s.n > LONGEST) return -1;
    for (size_t i = 0; i < t.s.n && bytes; i++) {
        char room[4];
        Str c = byte_char((uint8_t)t.s.s[i], room);
        memcpy(mapped + n, c.s, c.n);
        n += c.n;
    }
    int32_t id = vocab_id(&j->p->vocab, bytes ? (Str){mapped, n} : t.s);
    return j->o.keep_text && id >= 0 && tok_is_special(j->t, id) ? -1 : id;
}

static void make_room(Job *j, size_t symbols)
{
    if (symbols <= j->room) return;
    j->room = symbols > 2 * j->room ? symbols : 2 * j->room;
    j->ids = arena_new_raw(j->scratch, int32_t, j->room);
    j->lo = arena_new_raw(j->scratch, uint32_t, j->room);
    j->hi = arena_new_raw(j->scratch, uint32_t, j->room);
    j->first = arena_new_raw(j->scratch, uint32_t, j->room);
}

static void merge_piece(Job *j, Text t, bool bytes)
{
    if (!t.s.n) return;
    int32_t id = whole(j, t, bytes);
    if (id >= 0) {
        emit(j, t, id, 0, t.s.n, true);
        return;
    }
    make_room(j, 2 * t.s.n); // a byte's character may become two byte pieces
    j->n = 0;
    for (size_t i = 0, step; i < t.s.n; i += step) {
        step = bytes ? 1 : char_bytes(t.s.s[i]);
        if (bytes && !j->unknown && (id = j->p->byte_char[(uint8_t)t.s.s[i]]) >= 0) {
            push(j, id, (uint32_t)i, (uint32_t)i + 1);
            continue;
        }
        char room[4];
        Str c = bytes ? byte_char((uint8_t)t.s.s[i], room) : (Str){t.s.s + i, step};
        add_character(j, c, (uint32_t)i, (uint32_t)(i + step));
    }
    flush_unknown(j);
    if (j->no_unknown) return;
    size_t symbols = j->n, left = merge_ids(&j->merger, j->ids, symbols, j->first);
    for (size_t k = 0; k < left; k++) {
        size_t end = k + 1 < left ? j->first[k + 1] : symbols;
        emit(j, t, j->ids[k], j->lo[j->first[k]], j->hi[end - 1], k == 0);
    }
}

// ----------------------------------------------------------------------------------------- cutting into pieces

static void cut(Job *j, size_t step, Text t);

typedef struct Held { // a piece that the next one may still be joined to
    bool any, match;
    size_t from, to;
} Held;

static void next_segment(Job *j, size_t step, Text t, Behaviour how, Held *h, size_t from, size_t to,
                         bool match)
{
    bool joins =
        h->any && ((how == CONTIGUOUS && match == h->match) || (how == WITH_PREVIOUS && match && !h->match) ||
                   (how == WITH_NEXT && h->match && !match));
    if (!joins && h->any) cut(j, step, part_of(t, h->from, h->to));
    if (!joins) h->from = from;
    h->to = to, h->match = match, h->any = true;
}

static void split(Job *j, size_t step, Text t, const Pattern *p, Behaviour how)
{
    Held h = {0};
    size_t at = 0, start, end;
    for (; at < t.s.n && pattern_find(j->p->unicode, p, t.s, at, &start, &end, &j->steps); at = end) {
        if (start > at) next_segment(j, step, t, how, &h, at, start, false);
        next_segment(j, step, t, how, &h, start, end, true);
    }
    if (at < t.s.n) next_segment(j, step, t, how, &h, at, t.s.n, false);
    if (h.any) cut(j, step, part_of(t, h.from, h.to));
}

// The pieces that pre-tokenizers from `step` on make of t, each merged when it is ready.
static void cut(Job *j, size_t step, Text t)
{
    const Pipeline *p = j->p;
    if (step == p->pres || !t.s.n) {
        bool bytes = step && p->pre[p->pres - 1].kind == PRE_BYTES;
        merge_piece(j, t, bytes);
        return;
    }
    const Pre *pre = &p->pre[step];
    if (pre->kind == PRE_SPLIT) {
        split(j, step + 1, t, &pre->pattern, pre->how);
        return;
    }
    if (pre->kind == PRE_METASPACE) {
        t = replace(j, t, &(Pattern){.literal = STR_LIT(" ")}, pre->mark);
        bool wanted = pre->prepend == ALWAYS || (pre->prepend == AT_START && origin(t) == 0);
        if (wanted && !str_starts(t.s, pre->mark)) t = prepend(j, t, pre->mark);
        if (pre->split) split(j, step + 1, t, &(Pattern){.literal = pre->mark}, WITH_NEXT);
        else cut(j, step + 1, t);
        return;
    }
    if (pre->prefix && t.s.s[0] != ' ') t = prepend(j, t, STR_LIT(" "));
    bool last = step + 1 == p->pres; // then the model reads the bytes as they are
    if (!pre->pattern.regex) {
        cut(j, step + 1, last ? t : in_byte_characters(j, t));
        return;
    }
    if (last) {
        split(j, step + 1, t, &pre->pattern, ISOLATED);
        return;
    }
    for (size_t at = 0, start, end; at < t.s.n; at = end) {
        if (!pattern_find(p->unicode, &pre->pattern, t.s, at, &start, &end, &j->steps)) start = end = t.s.n;
        if (start > at) cut(j, step + 1, in_byte_characters(j, part_of(t, at, start)));
        if (end > start) cut(j, step + 1, in_byte_characters(j, part_of(t, start, end)));
    }
}

// ------------------------------------------------------------------------------------------------ the whole text

bool pipeline_normalize(Arena *a, const Pipeline *p, Str text, Str *out)
{
    Job j = {.p = p, .scratch = a, .steps = 1000000 + 64 * (uint64_t)text.n};
    *out = normalize_text(&j, (Text){.s = text}).s;
    return j.steps > 0;
}

static void add_token(Job *j, const Added *token, Span span)
{
    encoding_add_at(&j->out, token->id, token->shown.n ? token->shown : token->text,
                    (TokSpan){span.from, span.to, true});
}

static void encode_stretch(Job *j, Text t)
{
    t = normalize_text(j, t);
    Cutter c = {.t = j->t, .set = &j->p->normal, .text = t.s, .keep_special = j->o.keep_text};
    Str plain;
    if (!t.s.n) return;
    for (const Added *token; cutter_next(&c, &plain, &token);) {
        size_t from = (size_t)(plain.s - t.s.s);
        if (plain.n) cut(j, 0, part_of(t, from, from + plain.n));
        if (token) add_token(j, token, span_of(t, c.from, c.to));
    }
}

static void add_around(Job *j, bool after, uint32_t at)
{
    int32_t ids[5];
    size_t n = around_text(j->t, j->o, after, ids);
    for (size_t i = 0; i < n; i++)
        encoding_add_at(&j->out, ids[i], tok_string(j->t, ids[i]), (TokSpan){at, at, true});
}

bool pipeline_encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e)
{
    const Pipeline *p = t->state;
    if (text.n > INT32_MAX / 4) return err_set(e, "a text of %zu bytes is longer than is supported", text.n);
    Arena *scratch = arena_create(a);
    Job j = {.t = t,
             .p = p,
             .o = o,
             .scratch = scratch,
             .out = {.arena = a, .spans = true},
             .merger = {.arena = scratch, .merges = &p->merges},
             .steps = 1000000 + 64 * (uint64_t)text.n};
    Cutter c = {.t = t, .set = &p->raw, .text = text, .keep_special = o.keep_text};
    Str plain;
    add_around(&j, false, 0);
    for (const Added *token; j.steps && cutter_next(&c, &plain, &token);) {
        if (plain.n) encode_stretch(&j, (Text){plain, (uint32_t)(plain.s - text.s), NULL});
        if (token) add_token(&j, token, (Span){(uint32_t)c.from, (uint32_t)c.to});
    }
    add_around(&j, true, (uint32_t)text.n);
    arena_free(scratch);
    if (!j.steps) return err_set(e, "the tokenizer's regular expressions take too long on this text");
    if (j.no_unknown)
        return err_set(
            e,
            "the text has a character that the tokenizer lacks, and its unk_token '%.*s' is no entry of it",
            (int)(p->unk_token.n < 60 ? p->unk_token.n : 60), p->unk_token.s);
    *out = j.out.out;
    return true;
}
