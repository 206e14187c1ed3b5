// SPDX-License-Identifier: Apache-2.0
// codes.c — the language codes of Marian's models for several languages: what there are, and what was probably meant.
//
// MarianTokenizer takes a code only at the very beginning of a text, and makes <unk> of one that vocab.json lacks, without
// a word; the translation is then into whatever language comes.
#include "kind.h"

#include <string.h>

enum { MOST_SHOWN = 8, LONGEST = 40 };

static bool is_code(Str s)
{
    if (s.n < 5 || s.n > LONGEST || !str_starts(s, STR_LIT(">>")) || !str_ends(s, STR_LIT("<<")))
        return false;
    for (size_t i = 2; i + 2 < s.n; i++)
        if ((uint8_t)s.s[i] <= ' ' || s.s[i] == '<' || s.s[i] == '>') return false;
    return true;
}

size_t tok_codes(Arena *a, const Tokenizer *t, const Str **out)
{
    Str *v = NULL;
    size_t n = 0;
    for (int pass = 0; pass < 2 && strcmp(tok_kind(t), "marian") == 0; pass++) { // counted, then written
        n = 0;
        for (size_t id = 0; id < t->ids->n; id++)
            if (t->ids->text[id].s && is_code(t->ids->text[id])) {
                if (v) v[n] = t->ids->text[id];
                n++;
            }
        if (!v) v = arena_new(a, Str, n);
    }
    *out = v;
    return n;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

// The known code that is nearest: in another case, with few letters changed, or that begins alike.
static const char *nearest(Arena *a, Str wrong, const Str *code, size_t n)
{
    const char **name = arena_new(a, const char *, n);
    Buf small = {.arena = a};
    for (size_t i = 0; i < wrong.n; i++) buf_char(&small, lower(wrong.s[i]));
    for (size_t i = 0; i < n; i++) {
        name[i] = str_zero(a, code[i]);
        bool same = code[i].n == wrong.n;
        for (size_t k = 0; k < wrong.n && same; k++) same = lower(code[i].s[k]) == small.s[k];
        if (same) return name[i];
    }
    const char *near = str_nearest(buf_view(&small), name, n);
    if (near && str_starts(str_of(near), STR_LIT(">>"))) return near;
    for (size_t i = 0; i < n; i++) // ">>french<<", ">>fr<<": the first two letters
        if (wrong.n >= 6 && code[i].n >= 6 && code[i].s[2] == small.s[2] && code[i].s[3] == small.s[3])
            return name[i];
    return NULL;
}

static const char *list(Arena *a, const Str *code, size_t n)
{
    Buf b = {.arena = a};
    for (size_t i = 0; i < n && i < MOST_SHOWN; i++)
        buf_printf(&b, "%s%.*s", i ? ", " : "", (int)code[i].n, code[i].s);
    if (n > MOST_SHOWN) buf_printf(&b, " and %zu more ('inseq info' lists them)", n - MOST_SHOWN);
    return b.s ? b.s : "none";
}

const char *tok_code_note(Arena *a, const Tokenizer *t, Str text)
{
    if (strcmp(tok_kind(t), "marian") != 0) return NULL;
    Str s = python_strip(text);
    const char *end = s.n > 4 && str_starts(s, STR_LIT(">>")) ? memmem(s.s, s.n, "<<", 2) : NULL;
    if (!end) return NULL;
    Str code = {s.s, (size_t)(end - s.s) + 2};
    if (!is_code(code)) return NULL;
    const Str *known;
    size_t n = tok_codes(a, t, &known);
    bool there = vocab_id(t->ids, code) >= 0, first = s.s == text.s;
    if (there && first) return NULL;
    if (there)
        return arena_printf(
            a,
            "the language code %.*s stands behind a blank, where it is read as text and not as a code, "
            "as in the library; put it first",
            (int)code.n, code.s);
    const char *near = nearest(a, code, known, n);
    return arena_printf(a, "the language code %.*s is not in this model's vocabulary%s%s%s%s; %s %s",
                        (int)code.n, code.s,
                        first ? ", and is read as an unknown word" : ", and stands behind a blank",
                        near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                        near ? "it has"
                        : n  ? "the codes that it has:"
                             : "it has no codes, and needs none:",
                        list(a, known, n));
}
