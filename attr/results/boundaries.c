// SPDX-License-Identifier: Apache-2.0
// boundaries.c — where words and sentences begin, from the strings of tokens alone: see granularity.h for the rules.
//
// Tokens are first written out as the text that they stand for, one behind the other: a space for each mark, the byte that
// each letter of a byte-level vocabulary or <0x0A> stands for. Boundaries are then looked for in that text, where tokens
// meet; so a character that was cut into three bytes is one, and its script is known.
#include "granularity.h"

#include <string.h>
#include <utf8proc.h>

// How a vocabulary marks words.
typedef enum {
    MARK_NONE,     // it does not: every token is a word
    MARK_SPACE,    // tokens begin with the space itself (the library's clean_special_chars)
    MARK_LOWER,    // SentencePiece: ▁ is a space
    MARK_BYTES,    // byte-level BPE: each byte is a letter, Ġ the space
    MARK_GOES_ON,  // WordPiece: ## before a piece that goes on
    MARK_WORD_END, // </w> behind a piece that ends a word
    MARK_CUT,      // @@ behind a piece that does not
} Marks;

#define LOWER STR_LIT("\xe2\x96\x81") // ▁
#define ARROW STR_LIT(" \xe2\x86\x92 ")

// ------------------------------------------------------------------------------------------ special tokens

static bool letters(const char *s, size_t n, char from, char to)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < from || s[i] > to) return false;
    return n > 0;
}

// nld_Latn, nl_XX, __nl__
static bool is_language(Str s)
{
    if (s.n == 8 && s.s[3] == '_')
        return letters(s.s, 3, 'a', 'z') && letters(s.s + 4, 1, 'A', 'Z') && letters(s.s + 5, 3, 'a', 'z');
    if (s.n == 5 && s.s[2] == '_') return letters(s.s, 2, 'a', 'z') && letters(s.s + 3, 2, 'A', 'Z');
    return s.n >= 6 && s.n <= 7 && str_starts(s, STR_LIT("__")) && str_ends(s, STR_LIT("__")) &&
           letters(s.s + 2, s.n - 4, 'a', 'z');
}

static bool is_byte(Str s, uint8_t *out) // <0x0A>
{
    static const char digits[] = "0123456789ABCDEF";
    if (s.n != 6 || !str_starts(s, STR_LIT("<0x")) || s.s[5] != '>') return false;
    const char *high = memchr(digits, s.s[3], 16), *low = memchr(digits, s.s[4], 16);
    if (high && low) *out = (uint8_t)((high - digits) * 16 + (low - digits));
    return high && low;
}

static bool is_special(Str s)
{
    uint8_t byte;
    size_t n = s.n;
    if (n < 3) return false;
    if (str_is(s, "(template)") || is_language(s)) return true;
    if (n > 4 && str_starts(s, STR_LIT(">>")) && str_ends(s, STR_LIT("<<"))) return true;
    for (size_t i = 0; i < n; i++)
        if (s.s[i] >= 0 && s.s[i] <= ' ') return false;
    if (s.s[0] == '<' && s.s[n - 1] == '>') {
        unsigned char c = (unsigned char)s.s[1];
        bool named = c == '|' || c == '/' || c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return named && !is_byte(s, &byte) && !memchr(s.s + 1, '<', n - 1) && !memchr(s.s, '>', n - 1);
    }
    if (n > 4 && s.s[0] == '[' && s.s[n - 1] == ']') { // [CLS], [/INST]
        for (size_t i = 1; i < n - 1; i++)
            if (!(s.s[i] >= 'A' && s.s[i] <= 'Z') && !(i > 1 && s.s[i] >= '0' && s.s[i] <= '9') &&
                s.s[i] != '_' && !(i == 1 && s.s[i] == '/'))
                return false;
        return true;
    }
    return n > 6 && str_starts(s, STR_LIT("|||")) && str_ends(s, STR_LIT("|||"));
}

bool granularity_alone(Str token) { return is_special(token); }

// ------------------------------------------------------------------------------------------ tokens as text

// The letter that a byte-level vocabulary writes for a byte, back to the byte; false: it writes no byte so. Printable
// bytes are themselves, the others are the letters from U+0100 on, in order: 0 to 32, 127 to 160, 173.
static bool byte_of_letter(uint32_t c, uint8_t *out)
{
    if ((c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255))
        return *out = (uint8_t)c, true;
    if (c < 256 || c > 323) return false;
    c -= 256;
    *out = (uint8_t)(c <= 32 ? c : c <= 66 ? 127 + c - 33 : 173);
    return true;
}

// What a token stands for: of a label "a → b" the second.
static Str token_text(const Token *t)
{
    const char *arrow = t->id < 0 ? memmem(t->text.s, t->text.n, ARROW.s, ARROW.n) : NULL;
    if (!arrow) return t->text;
    const char *second = arrow + ARROW.n;
    return (Str){second, t->text.n - (size_t)(second - t->text.s)};
}

static void look_for_marks(const Token *t, int64_t n, bool found[MARK_CUT + 1])
{
    for (int64_t i = 0; i < n; i++) {
        Str s = token_text(&t[i]);
        if (is_special(s)) continue;
        found[MARK_SPACE] |= s.n && (s.s[0] == ' ' || s.s[0] == '\n');
        uint8_t byte;
        found[MARK_LOWER] |= str_starts(s, LOWER) || is_byte(s, &byte);
        found[MARK_BYTES] |= str_starts(s, STR_LIT("Ġ")) || str_starts(s, STR_LIT("Ċ"));
        found[MARK_GOES_ON] |= s.n > 2 && str_starts(s, STR_LIT("##")) && s.s[2] != '#';
        found[MARK_WORD_END] |= s.n > 4 && str_ends(s, STR_LIT("</w>"));
        found[MARK_CUT] |= s.n > 2 && str_ends(s, STR_LIT("@@"));
    }
}

static bool put_bytes(Buf *b, Str s)
{
    size_t before = b->n;
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        uint8_t byte;
        int n = utf8_decode(s.s + i, s.n - i, &c, NULL);
        if (!n || !byte_of_letter(c, &byte)) return b->n = before, false;
        buf_char(b, (char)byte);
        i += (size_t)n;
    }
    return true;
}

// A text without a space has no Ġ, yet if its letters are bytes they make characters (the last may be cut off).
static bool are_bytes(Arena *a, const Token *t, int64_t n)
{
    Buf b = {.arena = a};
    bool high = false;
    size_t bad;
    for (int64_t i = 0; i < n; i++)
        if (!is_special(token_text(&t[i])) && !put_bytes(&b, token_text(&t[i]))) return false;
    for (size_t i = 0; i < b.n && !high; i++) high = b.s[i] < 0;
    return high && (utf8_valid(buf_view(&b), &bad) || (bad > 0 && bad + 4 > b.n));
}

// A text in a byte-level vocabulary has no ▁ of its own, and Ġ is a letter in the others: the surest mark wins.
static Marks marks_of(Arena *a, const Token *t, int64_t n, const Token *like, int64_t n_like)
{
    static const Marks surest[] = {MARK_LOWER, MARK_BYTES, MARK_SPACE, MARK_WORD_END, MARK_CUT, MARK_GOES_ON};
    bool found[MARK_CUT + 1] = {false};
    look_for_marks(t, n, found), look_for_marks(like, n_like, found);
    for (size_t i = 0; i < sizeof surest / sizeof *surest; i++)
        if (found[surest[i]]) return surest[i];
    if (are_bytes(a, t, n) || are_bytes(a, like, n_like)) return MARK_BYTES;
    return MARK_NONE;
}

static void put_lower(Buf *b, Str s)
{
    uint8_t byte;
    if (is_byte(s, &byte)) {
        buf_char(b, (char)byte);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        bool space = str_starts((Str){s.s + i, s.n - i}, LOWER);
        buf_char(b, space ? ' ' : s.s[i]);
        i += space ? 2 : 0;
    }
}

static Str without(Str s, const char *end)
{
    if (str_ends(s, str_of(end))) s.n -= strlen(end);
    return s;
}

// All tokens as one text; token i is text[at[i], at[i + 1]).
typedef struct Written {
    Buf text;
    size_t *at;
    bool *special;
    int64_t n;
} Written;

static Written write_out(Arena *a, Marks marks, const Token *t, int64_t n)
{
    Written w = {{.arena = a}, arena_new(a, size_t, n + 1), arena_new(a, bool, n + 1), n};
    bool goes_on = true;
    for (int64_t i = 0; i < n; i++) {
        Str s = token_text(&t[i]);
        w.at[i] = w.text.n;
        if ((w.special[i] = is_special(s))) {
            goes_on = true;
            continue;
        }
        if (marks == MARK_LOWER) put_lower(&w.text, s);
        else if (marks == MARK_BYTES && put_bytes(&w.text, s)) continue;
        else if (marks == MARK_SPACE || marks == MARK_BYTES) buf_str(&w.text, s); // added to it as it is
        else {
            bool piece = marks == MARK_GOES_ON && s.n > 2 && str_starts(s, STR_LIT("##"));
            if (!(marks == MARK_GOES_ON ? piece : goes_on)) buf_char(&w.text, ' ');
            goes_on = marks == MARK_WORD_END ? !str_ends(s, STR_LIT("</w>"))
                      : marks == MARK_CUT    ? str_ends(s, STR_LIT("@@"))
                                             : false;
            if (piece) s = (Str){s.s + 2, s.n - 2};
            buf_str(&w.text, marks == MARK_WORD_END ? without(s, "</w>")
                             : marks == MARK_CUT    ? without(s, "@@")
                                                    : s);
        }
    }
    w.at[n] = w.text.n;
    buf_char(&w.text, 0), w.text.n--; // so that there is a text
    return w;
}

// ------------------------------------------------------------------------------------------ characters

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0xA0 || c == 0x3000;
}
static bool ends_line(uint32_t c) { return c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029; }

static uint32_t character_at(Str s, size_t at, size_t *next)
{
    uint32_t c = 0;
    int bad = 1, n = at < s.n ? utf8_decode(s.s + at, s.n - at, &c, &bad) : 1;
    *next = at + (size_t)(n ? n : bad);
    return c;
}

static uint32_t character_before(Str s, size_t at, size_t *start)
{
    if (!at) return *start = 0, 0;
    size_t i = at - 1, next;
    while (i && at - i < 4 && ((unsigned char)s.s[i] & 0xC0) == 0x80) i--;
    uint32_t c = character_at(s, i, &next);
    if (next != at) i = at - 1, c = 0xFFFD;
    return *start = i, c;
}

// Whether a character spans this place of the text.
static bool inside_character(Str s, size_t at)
{
    size_t next, i = at;
    while (i && at - i < 3 && ((unsigned char)s.s[i] & 0xC0) == 0x80) i--;
    if (i == at || at >= s.n) return false;
    character_at(s, i, &next);
    return next > at;
}

static bool no_spaces(uint32_t c) // of a script that writes none: Thai to Khmer, Chinese, Japanese
{
    static const uint32_t ranges[][2] = {
        {0x0E00, 0x0EFF}, {0x1000, 0x109F}, {0x1780, 0x17FF},  {0x2E80, 0x2FDF}, {0x3005, 0x3007},
        {0x3041, 0x30FF}, {0x31F0, 0x31FF}, {0x3400, 0x4DBF},  {0x4E00, 0x9FFF}, {0xAA60, 0xAA7F},
        {0xF900, 0xFAFF}, {0xFF66, 0xFF9F}, {0x20000, 0x3FFFD}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1]) return c != 0x30FB;
    return false;
}

static bool combines(uint32_t c) // goes on with what is before it; the mark of a long vowel does too
{
    int k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME ||
           c == 0x30FC || c == 0xFF70 || c == 0x200D || (c >= 0x1F3FB && c <= 0x1F3FF);
}

static bool wide_mark(uint32_t c) // punctuation of those scripts
{
    return (c >= 0x3001 && c <= 0x303F) || (c >= 0xFF01 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) ||
           (c >= 0xFF3B && c <= 0xFF65);
}

static bool opens(uint32_t c)
{
    int k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_PS || k == UTF8PROC_CATEGORY_PI;
}

static bool closes(uint32_t c) // quotes and brackets; * and _ of emphasis
{
    int k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_PE || k == UTF8PROC_CATEGORY_PF || c == '"' || c == '\'' || c == '*' ||
           c == '_' || c == 0xAB || c == 0x201C;
}

static bool is_punctuation(uint32_t c)
{
    int k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

static bool is_letter(uint32_t c)
{
    int k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool is_digit(uint32_t c) { return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND; }
static bool is_small(uint32_t c) { return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LL; }
static bool is_capital(uint32_t c)
{
    int k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LT;
}

// ------------------------------------------------------------------------------------------ words

static bool all_space(Str s, size_t from, size_t to)
{
    while (from < to) {
        uint32_t c = character_at(s, from, &from);
        if (!is_space(c) || ends_line(c)) return false;
    }
    return true;
}

// Whether token i begins a word; `word` is where the one before it began.
static bool begins_word(const Written *w, int64_t i, int64_t word)
{
    Str s = buf_view(&w->text);
    size_t at = w->at[i], next, before;
    if (!i || w->special[i] || w->special[i - 1]) return true;
    if (at == w->at[i + 1] || inside_character(s, at)) return false;
    uint32_t c = character_at(s, at, &next), last = character_before(s, at, &before);
    if (is_space(c) || ends_line(c) || ends_line(last)) return true;
    if (all_space(s, w->at[word], at) || combines(c) || opens(last)) return false;
    return no_spaces(c) ||
           ((no_spaces(last) || wide_mark(last)) && (is_letter(c) || is_digit(c) || opens(c)));
}

// ------------------------------------------------------------------------------------------ sentences

// . and its kin; wide: the next sentence follows without a space.
static bool is_stop(uint32_t c, bool *wide)
{
    static const uint32_t narrow[] = {'.',    '!',    '?',    0x2026, 0x203C, 0x203D, 0x2047, 0x2048, 0x2049,
                                      0x0589, 0x061F, 0x06D4, 0x0964, 0x0965, 0x1362, 0x1367, 0x17D4, 0x104B},
                          broad[] = {0x3002, 0xFF01, 0xFF1F, 0xFF0E, 0xFF61};
    for (size_t i = 0; i < sizeof broad / sizeof *broad; i++)
        if (c == broad[i]) return *wide = true;
    *wide = false;
    for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++)
        if (c == narrow[i]) return true;
    return false;
}

// Whether the full stop at text[stop] only shortens what is before it.
static bool abbreviates(Str s, size_t sentence, size_t stop)
{
    static const char *const titles[] = {"Mr",  "Mrs",  "Ms",  "Dr",   "Prof", "St", "Sr",  "Jr",
                                         "vs",  "Rev",  "Gen", "Col",  "Capt", "Lt", "Sgt", "Hon",
                                         "Mme", "Mlle", "Dhr", "Mevr", "Hr",   "Fr", "Sra", "Dra"};
    size_t from = stop, start, last = stop;
    bool digits = stop > sentence;
    while (from > sentence) { // the word: back to a space or a bracket
        uint32_t c = character_before(s, from, &start);
        if (is_space(c) || opens(c) || c == '"' || c == '\'') break;
        digits = digits && is_digit(c);
        from = start;
    }
    if (from == stop) return false;
    if (digits) return all_space(s, sentence, from); // "1." and nothing before it
    Str word = {s.s + from, stop - from};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (str_is(word, titles[i])) return true;
    uint32_t c = character_before(s, stop, &last); // a single letter, in the word or behind a full stop of it
    return is_letter(c) && (last == from || s.s[last - 1] == '.' || s.s[last - 1] == '-');
}

// Whether a sentence that began at text[sentence] ends where the text is cut at text[at].
static bool ends_sentence(Str s, size_t sentence, size_t at, bool capitals)
{
    size_t i = at, start, next = at;
    uint32_t c = 0;
    bool wide, spaced = false;
    for (; i > sentence; i = start) { // back over spaces and what closes
        c = character_before(s, i, &start);
        if (ends_line(c)) return true;
        if (!is_space(c) && !closes(c)) break;
    }
    if (i <= sentence || !is_stop(c, &wide)) return false;
    if (c == '.' && i >= 2 && s.s[i - 2] != '.' && abbreviates(s, sentence, i - 1)) return false;
    do { // forth to what comes next
        c = character_at(s, next, &next);
        if (ends_line(c)) return true;
        spaced |= is_space(c);
    } while (is_space(c) && next < s.n);
    bool again;
    if (is_stop(c, &again) || (!spaced && closes(c))) return false; // it is not over yet
    if (spaced && c != '"' && c != '\'' && c != 0xAB && c != '*' && c != '_' && closes(c)) return false;
    if (!spaced && !wide) return false;
    while (next < s.n && is_punctuation(c)) c = character_at(s, next, &next);
    return !(capitals && is_small(c));
}

static bool has_capitals(Str s) // whether the first letter that could be a capital is one
{
    for (size_t i = 0; i < s.n;) {
        uint32_t c = character_at(s, i, &i);
        if (is_capital(c)) return true;
        if (is_small(c)) return false;
    }
    return false;
}

void granularity_begins(Arena *a, Granularity g, const Token *t, int64_t n, const Token *like, int64_t n_like,
                        bool *begins, Str *piece)
{
    Arena *work = arena_create(a);
    Written w = write_out(work, marks_of(work, t, n, like, n_like), t, n);
    Str s = buf_view(&w.text);
    bool capitals = has_capitals(s);
    int64_t word = 0, sentence = 0;
    for (int64_t i = 0; i < n; i++) {
        begins[i] = g == GRANULARITY_TOKEN || begins_word(&w, i, word);
        if (begins[i]) word = i;
        if (g != GRANULARITY_SENTENCE || !i || w.special[i] || w.special[i - 1])
            sentence = begins[i] ? i : sentence;
        else if (begins[i]) {
            begins[i] = ends_sentence(s, w.at[sentence], w.at[i], capitals);
            if (begins[i]) sentence = i;
        }
    }
    for (int64_t i = 0; piece && i < n; i++)
        piece[i] =
            w.special[i] ? token_text(&t[i]) : str_copy(a, (Str){s.s + w.at[i], w.at[i + 1] - w.at[i]});
    arena_free(work);
}
