// SPDX-License-Identifier: Apache-2.0
// parts.c — text to tokens as T5's and mBART's tokenizers have it in transformers 5.23. They read SentencePiece's files, but
// this is NOT SentencePiece.
//
//   1. added tokens (</s>, <pad>, <unk>, <extra_id_0> ...) are cut out of the raw text, longest first
//   2. each extended grapheme cluster (UAX 29) of fewer than six bytes: if a rule's key begins it, the WHOLE
//      cluster becomes the replacement of the SHORTEST such key; longer ones, and clusters without a rule, go
//      character by character
//   3. cut at Unicode White_Space (or a run of spaces becomes one, and each space U+2581); U+2581 in front of each part; cut
//      again before every U+2581
//   4. each part alone: the best path in 64-bit floats over ALL entries, also </s> ... with score 0
//   5. what the tokenizer puts around a text
#include "parts.h"

#include <string.h>
#include <utf8proc.h>

enum { CLUSTER_LIMIT = 6 };

// ------------------------------------------------------------------------------------------------- opening

Entries entries_make(Arena *a, size_t n)
{
    return (Entries){arena_new(a, Str, n), arena_new(a, double, n), n};
}

void rules_prepare(Rules *r)
{
    for (int c = 0; c < 128; c++) {
        char byte = (char)c;
        size_t used;
        charsmap_find(&r->map, (Str){&byte, 1}, true, &used);
        r->plain[c] = used == 0;
    }
}

static bool read_charsmap(Arena *a, Parts *m, const Json *normalizer, const char *path, Err *e)
{
    const Json *list = normalizer ? json_get(normalizer, "normalizers") : NULL;
    for (const Json *j = list && list->kind == J_ARRAY ? list->child : normalizer; j;
         j = list ? j->next : NULL) {
        const Json *coded = json_get(j, "precompiled_charsmap");
        if (!coded || coded->kind != J_STRING) continue;
        Buf b = {.arena = a};
        if (!base64_decode(&b, coded->text))
            return err_at(e, path, coded->at, "precompiled_charsmap is not base64");
        return charsmap_open(buf_view(&b), path, coded->at, &m->rules.map, e);
    }
    return true;
}

bool parts_read_json(Arena *a, Parts *m, const char *path, Entries *out, Err *e)
{
    Str text;
    if (!file_map(a, path, &text, e) || !file_genuine(path, text, e)) return false;
    const Json *top = json_parse(a, text, path, e), *model = top ? json_get(top, "model") : NULL;
    if (!top) return false;
    const Json *vocab = model ? json_get(model, "vocab") : NULL,
               *unk = model ? json_get(model, "unk_id") : NULL;
    if (!vocab || vocab->kind != J_ARRAY || vocab->count == 0 || vocab->count > INT32_MAX / 4)
        return err_at(e, path, model ? model->at : 0, "expected model.vocab to be a list of [piece, score]");
    *out = entries_make(a, vocab->count);
    size_t i = 0;
    for (const Json *j = vocab->child; j; j = j->next, i++) {
        const Json *piece = j->kind == J_ARRAY ? j->child : NULL, *score = piece ? piece->next : NULL;
        if (!score || piece->kind != J_STRING || piece->text.n == 0 || score->kind != J_NUMBER || score->next)
            return err_at(e, path, j->at, "entry %zu of model.vocab is not [piece, score]", i);
        if (!(score->number > -1e30 && score->number < 1e30))
            return err_at(e, path, score->at, "entry %zu of model.vocab has an unusable score", i);
        out->text[i] = piece->text, out->score[i] = score->number;
    }
    m->added = json_get(top, "added_tokens");
    m->unk = unk && unk->is_int && unk->i >= 0 && (uint64_t)unk->i < vocab->count ? (int32_t)unk->i : -1;
    if (m->unk < 0) return err_at(e, path, model->at, "expected model.unk_id to be an id of model.vocab");
    return read_charsmap(a, m, json_get(top, "normalizer"), path, e);
}

void parts_index(Arena *a, Parts *m, const Entries *entries)
{
    m->n = entries->n;
    m->score = entries->score;
    m->special = arena_new(a, bool, m->n);
    vocab_init(a, &m->vocab, m->n);
    TrieKey *key = arena_new_raw(a, TrieKey, m->n);
    double least = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (i == 0 || m->score[i] < least) least = m->score[i];
        key[i] = (TrieKey){entries->text[i], (int32_t)i, 0};
        vocab_add(&m->vocab, entries->text[i], (int32_t)i);
    }
    m->unk_score = least - 10;
    vocab_done(&m->vocab);
    m->vocab.text = entries->text; // also of an entry whose string a later one has
    trie_build(a, key, m->n, &m->trie, NULL);
    rules_prepare(&m->rules);
}

void parts_done(Arena *a, Tokenizer *t, Parts *m)
{
    added_done(a, t);
    for (size_t i = 0; i < t->n_added; i++)
        if (t->added[i].special && (size_t)t->added[i].id < m->n) m->special[t->added[i].id] = true;
}

// ------------------------------------------------------------------------------------------- steps 2 and 3

// Bytes of the extended grapheme cluster at the head of s (valid UTF-8, not empty).
static size_t cluster(Str s)
{
    uint32_t cp, next;
    utf8proc_int32_t state = 0;
    size_t n = (size_t)utf8_decode(s.s, s.n, &cp, NULL);
    while (n < s.n) {
        int step = utf8_decode(s.s + n, s.n - n, &next, NULL);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)cp, (utf8proc_int32_t)next, &state)) break;
        n += (size_t)step;
        cp = next;
    }
    return n;
}

size_t rules_step(const Rules *r, Str s, Buf *out)
{
    uint8_t c = (uint8_t)s.s[0];
    size_t used;
    if (c < 128 && c != 13 && r->plain[c] && (s.n == 1 || (uint8_t)s.s[1] < 128)) // a cluster of its own
        return buf_char(out, s.s[0]), (size_t)1;
    size_t n = cluster(s);
    Str to = charsmap_find(&r->map, (Str){s.s, n}, true, &used);
    if (n < CLUSTER_LIMIT && used) return buf_str(out, to), n;
    for (size_t i = 0, w; i < n; i += w) {
        w = char_width(s.s[i], n - i);
        to = charsmap_find(&r->map, (Str){s.s + i, w}, true, &used);
        buf_str(out, used ? to : (Str){s.s + i, w});
    }
    return n;
}

// The next part between white space, from *at on; false at the end.
static bool next_part(Str s, size_t *at, Str *part)
{
    size_t start = *at, i = start;
    while (i < s.n) {
        uint32_t cp = (uint8_t)s.s[i];
        int w = cp < 128 ? 1 : utf8_decode(s.s + i, s.n - i, &cp, NULL);
        if (w == 0) w = 1; // a replacement of the file's own making
        else if (is_white_space(cp)) {
            if (i > start) break;
            start = i + (size_t)w;
        }
        i += (size_t)w;
    }
    *at = i;
    *part = (Str){s.s + start, i - start};
    return i > start;
}

// -------------------------------------------------------------------------------------------------- step 4

typedef struct Best {
    double score;
    int32_t id;
    uint32_t n; // bytes of the last piece; 0: not reached
} Best;

static void offer(Best *to, double score, int32_t id, size_t n)
{
    if (to->n == 0 || score > to->score) *to = (Best){score, id, (uint32_t)n};
}

// best has s.n + 1 places; the path is then read backwards from best[s.n].
static void lattice(const Parts *m, Str s, bool keep_text, Best *best)
{
    memset(best, 0, (s.n + 1) * sizeof *best);
    for (size_t i = 0, width; i < s.n; i += width) {
        width = char_width(s.s[i], s.n - i);
        bool single = false;
        uint32_t at = 0;
        for (size_t j = i; j < s.n && (at = trie_step(m->trie.node, at, (uint8_t)s.s[j]));) {
            int32_t id = m->trie.node[at].value;
            j++;
            if (id < 0 || (keep_text && m->special[id])) continue;
            offer(&best[j], best[i].score + m->score[id], id, j - i);
            if (j - i == width) single = true;
        }
        if (!single) offer(&best[i + width], best[i].score + m->unk_score, m->unk, width);
    }
}

// Neighbouring unknowns are one token; its text may happen to be an entry.
static void encode_part(const Parts *m, Str s, bool keep_text, Best *best, EncodingBuilder *out)
{
    lattice(m, s, keep_text, best);
    size_t first = out->out.n;
    for (size_t j = s.n; j > 0;) {
        size_t end = j;
        int32_t id = best[j].id;
        j -= best[j].n;
        if (id == m->unk) {
            while (j > 0 && best[j].id == m->unk) j -= best[j].n;
            int32_t known = vocab_id(&m->vocab, (Str){s.s + j, end - j});
            if (known >= 0 && !(keep_text && m->special[known])) id = known;
        }
        encoding_add(out, id, m->vocab.text[id]);
    }
    for (size_t i = first, k = out->out.n; i + 1 < k;) { // the path was read backwards
        int32_t id = out->out.ids[--k];
        Str text = out->out.token[k];
        out->out.ids[k] = out->out.ids[i], out->out.token[k] = out->out.token[i];
        out->out.ids[i] = id, out->out.token[i++] = text;
    }
}

// One part: U+2581 in front, and cut before every one.
static void encode_marked(const Parts *m, Str part, Buf *marked, bool keep_text, Best *best,
                          EncodingBuilder *out)
{
    Str mark = STR_LIT(SPACE_MARK);
    marked->n = 0;
    if (!str_starts(part, mark) && part.s[0] != ' ') buf_str(marked, mark);
    for (size_t i = 0; i < part.n; i++)
        if (part.s[i] == ' ') buf_str(marked, mark);
        else buf_char(marked, part.s[i]);
    Str p = buf_view(marked);
    for (size_t i = 0, j; i < p.n; i = j) {
        for (j = i + 1; j < p.n && !str_starts((Str){p.s + j, p.n - j}, mark);) j++;
        encode_part(m, (Str){p.s + i, j - i}, keep_text, best, out);
    }
}

static Str clean_stretch(Arena *a, const Parts *m, Str text)
{
    Buf clean = {.arena = a}, one = {.arena = a};
    if (!m->rules.map.units) buf_str(&clean, text);
    else
        for (size_t i = 0; i < text.n;) i += rules_step(&m->rules, (Str){text.s + i, text.n - i}, &clean);
    for (size_t i = 0; m->lines && i < clean.n; i++)
        if (clean.s[i] == '\n') clean.s[i] = ' ';
    if (!m->whole) return buf_view(&clean); // spaces are dropped
    for (size_t i = 0; i < clean.n; i++)
        if (clean.s[i] != ' ' || !i || clean.s[i - 1] != ' ') buf_char(&one, clean.s[i]);
    return buf_view(&one);
}

static void encode_stretch(Arena *a, const Parts *m, Str text, bool keep_text, EncodingBuilder *out)
{
    Buf marked = {.arena = a};
    Str part, s = clean_stretch(a, m, text);
    Best *best = arena_new_raw(a, Best, 3 * s.n + strlen(SPACE_MARK) + 1);
    if (m->whole && s.n) encode_marked(m, s, &marked, keep_text, best, out);
    for (size_t at = 0; !m->whole && next_part(s, &at, &part);)
        encode_marked(m, part, &marked, keep_text, best, out);
}

// ------------------------------------------------------------------------------------------------ the kinds' own

bool parts_encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e)
{
    (void)e;
    const Parts *m = t->state;
    EncodingBuilder b = {.arena = a};
    Cutter c = {.t = t, .text = text, .keep_text = o.keep_text};
    Str plain;
    encoding_around(&b, t, o, false);
    for (const Added *token; cutter_next(&c, &plain, &token);) {
        if (plain.n) encode_stretch(a, m, plain, o.keep_text, &b);
        if (token) encoding_add(&b, token->id, token->text);
    }
    encoding_around(&b, t, o, true);
    *out = b.out;
    return true;
}

bool parts_decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e)
{
    Buf b = {.arena = a};
    Str mark = STR_LIT(SPACE_MARK);
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        if (o.skip_special && tok_is_special(t, ids[i])) continue;
        Str token = tok_string(t, ids[i]);
        if (!token.n)
            return err_set(e, "id %d is not in the vocabulary; ids are 0 to %zu", ids[i], t->size - 1);
        buf_str(&b, replace_all(a, token, mark, first ? STR_LIT("") : STR_LIT(" ")));
        first = false;
    }
    *out = buf_view(&b);
    return true;
}
