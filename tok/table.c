// SPDX-License-Identifier: Apache-2.0
// table.c — a tokenizer as the tables of a GGUF file: words by id with their kinds, merges or scores, and the name of how
// words are cut. Three kinds have names there; what else a tokenizer does is refused.
//
//   gpt2   byte-level pairs: merges in order; the cut is one of those below
//   llama  pairs of SentencePiece's: no merges but scores, by which a piece that is made earlier has the higher one
//   t5     unigrams with their scores
#include "parts.h"
#include "pipeline.h"

#include <string.h>

#define ENDINGS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SLASH   "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define BEFORE  "[^\\r\\n\\p{L}\\p{N}]?"
#define UPPER   "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER   "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

static const struct {
    const char *pre, *split; // split NULL: GPT-2's own, "" after each digit by itself
    bool whole_first, nfc;
} cuts[] = {
    {"gpt-2", NULL, false, false},
    {"smollm", "", false, false},
    {"llama-bpe", ENDINGS "|" BEFORE "\\p{L}+|\\p{N}{1,3}" REST, true, false},
    {"qwen2", ENDINGS "|" BEFORE "\\p{L}+|\\p{N}" REST, false, true},
    {"gpt-4o",
     BEFORE UPPER "*" LOWER "+" ENDINGS "?|" BEFORE UPPER "+" LOWER "*" ENDINGS "?|\\p{N}{1,3}" SLASH, false,
     false},
    {"tekken", BEFORE UPPER "*" LOWER "+|" BEFORE UPPER "+" LOWER "*|\\p{N}" SLASH, true, false},
};

static bool no_name(const Tokenizer *t, const char *what, Err *e)
{
    return err_set(e, "the tokenizer (%s) %s, which GGUF files have no name for", tok_class(t), what);
}

// ------------------------------------------------------------------------------------------------ words

static void add_note(Arena *a, TokTable *t, const char *note)
{
    t->note = t->note ? arena_printf(a, "%s; %s", t->note, note) : note;
}

static bool start_table(Arena *a, const Tokenizer *t, const Vocab *v, TokTable *out, Err *e)
{
    out->n = t->size;
    out->text = arena_new(a, Str, t->size), out->type = arena_new(a, int32_t, t->size);
    for (size_t i = 0; i < t->size; i++) {
        if (i < v->n) out->text[i] = v->text[i];
        out->type[i] = out->text[i].s ? TOK_NORMAL : TOK_UNUSED;
    }
    const char *eats = NULL;
    for (size_t i = 0; i < t->n_added; i++) {
        const Added *x = &t->added[i];
        if (x->id < 0 || (size_t)x->id >= t->size) continue;
        out->text[x->id] = x->text;
        out->type[x->id] = x->special ? TOK_CONTROL : TOK_USER_DEFINED;
        if (x->lstrip || x->rstrip || x->single_word) eats = str_zero(a, x->text);
    }
    if (eats)
        add_note(a, out,
                 arena_printf(a,
                              "added tokens that take the spaces beside them along (%s) do not do so from a "
                              "GGUF file",
                              eats));
    const bool before = t->n_before == 0 || (t->n_before == 1 && (t->bos < 0 || t->before[0] == t->bos)),
               after = t->n_after == 0 || (t->n_after == 1 && t->after[0] == t->eos);
    if (!before || !after || t->tags != TAGS_NONE)
        return no_name(t, "puts other tokens than start and end around texts", e);
    out->add_bos = t->n_before, out->add_eos = t->n_after;
    out->bos = t->n_before ? t->before[0] : t->bos;
    return true;
}

// ------------------------------------------------------------------------------------------------ byte-level pairs

static const char *cut_of(const Pipeline *p)
{
    const Pre *last = &p->pre[p->pres - 1], *first = p->pres == 2 ? &p->pre[0] : NULL;
    if (p->pres > 2 || last->kind != PRE_BYTES || last->prefix || p->norms > 1) return NULL;
    const bool own = last->pattern.regex != NULL, nfc = p->norms == 1;
    if (nfc && (p->norm[0].kind != NORM_FORM || p->norm[0].form != FORM_NFC)) return NULL;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        const char *split = cuts[i].split;
        bool same;
        if (!split) same = own && !first;
        else if (!*split) same = own && first && first->kind == PRE_SPLIT && first->pattern.kind == U_NUMERIC;
        else same = !own && first && first->kind == PRE_SPLIT && str_is(first->pattern.source, split);
        if (first && first->how != ISOLATED) same = false;
        if (same && p->ignore_merges == cuts[i].whole_first && nfc == cuts[i].nfc) return cuts[i].pre;
    }
    return NULL;
}

static bool byte_table(Arena *a, const Tokenizer *t, const Pipeline *p, TokTable *out, Err *e)
{
    out->model = "gpt2", out->pre = cut_of(p);
    if (!out->pre) return no_name(t, "cuts texts into words in a way", e);
    int32_t(*pair)[2] = arena_raw(a, p->merges.count + 1, sizeof *pair);
    Str *merge = arena_new(a, Str, p->merges.count);
    merges_pairs(&p->merges, pair);
    for (size_t i = 0; i < p->merges.count; i++) {
        if (pair[i][0] < 0) continue;
        const Str l = p->vocab.text[pair[i][0]], r = p->vocab.text[pair[i][1]];
        if (memchr(l.s, ' ', l.n) || memchr(r.s, ' ', r.n))
            return no_name(t, "merges words with spaces in them", e);
        merge[out->n_merges++] = str_of(arena_printf(a, "%.*s %.*s", (int)l.n, l.s, (int)r.n, r.s));
    }
    out->merge = merge;
    return true;
}

// ------------------------------------------------------------------------------------------------ pieces

// Spaces become U+2581, and one is put in front or not: the two ways that such files know.
static bool marks_spaces(const Pipeline *p, TokTable *out, bool *each)
{
    const Norm *n = p->norm;
    const Pre *s = p->pre;
    size_t norms = p->norms, pres = p->pres;
    bool prefix = false, replaced = false;
    *each = false;
    if (norms && n->kind == NORM_PREPEND && str_is(n->content, SPACE_MARK))
        n++, norms--, prefix = *each = true;
    if (norms && n->kind == NORM_REPLACE && !n->pattern.regex && str_is(n->pattern.literal, " ") &&
        str_is(n->content, SPACE_MARK))
        n++, norms--, replaced = true;
    if (pres && s->kind == PRE_SPLIT && !s->pattern.regex && str_is(s->pattern.literal, " ") && replaced)
        s++, pres--; // there is none left
    if (pres && s->kind == PRE_METASPACE && !s->split && str_is(s->mark, SPACE_MARK) && !prefix) {
        prefix = s->prepend != NEVER, *each = s->prepend == ALWAYS, replaced = true;
        s++, pres--;
    }
    out->space_prefix = prefix;
    return replaced && !norms && !pres;
}

static bool piece_table(Arena *a, const Tokenizer *t, const Pipeline *p, TokTable *out, Err *e)
{
    bool each;
    out->model = "llama", out->pre = "default";
    if (!p->byte_fallback || p->ignore_merges || !marks_spaces(p, out, &each))
        return no_name(t, "treats spaces or unknown characters in a way", e);
    if (each)
        add_note(a, out,
                 "the space in front of a text stands, from a GGUF file, before the text alone, and not "
                 "after each special token");
    out->score = arena_new(a, float, out->n);
    // what nothing makes comes last: its score is never asked for
    for (size_t i = 0; i < out->n; i++) out->score[i] = -(float)out->n - 1;
    float rank = 0;
    for (size_t i = 0; i < p->merges.count; i++) {
        const int32_t made = p->merges.merged[i];
        if (out->score[made] >= -(float)out->n) continue;
        out->score[made] = -rank, rank += 1;
    }
    for (int b = 0; b < 256; b++)
        if (p->byte_piece[b] >= 0) out->type[p->byte_piece[b]] = TOK_BYTE, out->score[p->byte_piece[b]] = 0;
    if (t->unk >= 0) out->type[t->unk] = TOK_UNKNOWN;
    for (size_t i = 0; i < out->n; i++)
        if (out->type[i] == TOK_CONTROL || out->type[i] == TOK_UNKNOWN) out->score[i] = 0;
    return true;
}

static bool unigram_table(Arena *a, const Tokenizer *t, const Parts *m, TokTable *out)
{
    enum { EXTRA = 100 };
    out->model = "t5", out->pre = "default", out->space_prefix = true;
    out->charsmap = m->rules.map.blob;
    out->score = arena_new(a, float, out->n);
    for (size_t i = 0; i < m->n && i < out->n; i++) out->score[i] = (float)m->score[i];
    if (t->unk >= 0) out->type[t->unk] = TOK_UNKNOWN;
    // 100 sentinels at the end are rows without a name in such files
    const size_t first = out->n < EXTRA ? 0 : out->n - EXTRA;
    const bool usual = out->n >= EXTRA && str_is(out->text[first], "<extra_id_99>") &&
                       str_is(out->text[out->n - 1], "<extra_id_0>");
    for (size_t i = first; usual && i < out->n; i++) out->text[i] = (Str){NULL, 0}, out->type[i] = TOK_UNUSED;
    return true;
}

bool tok_table(Arena *a, const Tokenizer *t, TokTable *out, Err *e)
{
    *out = (TokTable){.bos = -1};
    const bool pieces = !strcmp(t->kind->name, "t5"), pairs = !strcmp(t->kind->name, "pretrained");
    if (!pieces && !pairs) return no_name(t, "is of a kind", e);
    const Pipeline *p = t->state;
    const Parts *m = t->state;
    if (!start_table(a, t, pairs ? &p->vocab : &m->vocab, out, e)) return false;
    if (pieces) return unigram_table(a, t, m, out);
    return p->pres && p->pre[p->pres - 1].kind == PRE_BYTES ? byte_table(a, t, p, out, e)
                                                            : piece_table(a, t, p, out, e);
}
