// SPDX-License-Identifier: Apache-2.0
// jinja_lex.c — a template's text to tokens, as Jinja's lexer cuts it.
//
// Outside of tags everything is data. What a tag takes of the data around it: `{%-` and `-%}` take all white space; a
// statement or comment that stands first on its line takes the blanks before it (lstrip_blocks), and the line feed
// right behind it (trim_blocks); `+` keeps what would be taken. One line feed at the very end is dropped.
#include "jinja.h"
#include "kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BRACKETS = 256 };

typedef struct Lexer {
    Arena *arena;
    const char *s, *where;
    size_t n, at;
    uint32_t line;
    JinjaToken *token;
    size_t tokens, room;
    char open[BRACKETS]; // brackets that were not closed yet
    size_t depth;
    Err *err;
} Lexer;

static bool wrong(const Lexer *l, const char *what)
{
    return err_set(l->err, "%s: line %u: %s", l->where, (unsigned)l->line, what);
}

static JinjaToken *emit(Lexer *l, TokenKind kind, Str text)
{
    if (l->tokens == l->room) {
        l->room = l->room ? 2 * l->room : 256;
        JinjaToken *more = arena_new_raw(l->arena, JinjaToken, l->room);
        if (l->tokens) memcpy(more, l->token, l->tokens * sizeof *more);
        l->token = more;
    }
    l->token[l->tokens] = (JinjaToken){.kind = kind, .line = l->line, .text = text};
    return &l->token[l->tokens++];
}

static void move_to(Lexer *l, size_t to)
{
    for (; l->at < to; l->at++) l->line += l->s[l->at] == '\n';
}

static bool at(const Lexer *l, size_t i, const char *word)
{
    return str_starts((Str){l->s + i, l->n - i}, str_of(word));
}

// The first place from i on that is no white space.
static size_t past_space(const Lexer *l, size_t i)
{
    uint32_t cp;
    for (int n; i < l->n && (n = utf8_decode(l->s + i, l->n - i, &cp, NULL)) && is_python_space(cp);)
        i += (size_t)n;
    return i;
}

// Where a tag ends that closes with these two characters at i, or 0: `-` takes the white space behind it, `+` keeps
// the line feed that `trim` takes.
static size_t tag_end(const Lexer *l, size_t i, const char *close, bool trim)
{
    if (trim && at(l, i, "+") && at(l, i + 1, close)) return i + 3;
    if (at(l, i, "-") && at(l, i + 1, close)) return past_space(l, i + 3);
    if (!at(l, i, close)) return 0;
    return i + 2 + (trim && at(l, i + 2, "\n"));
}

// `{% raw %}` or `{% endraw %}` at i: where it ends, or 0.
static size_t raw_tag(const Lexer *l, size_t i, const char *word)
{
    bool end = word[0] == 'e';
    if (!at(l, i, "{%")) return 0;
    i += 2;
    if (at(l, i, "-") || at(l, i, "+")) i++;
    i = past_space(l, i);
    if (!at(l, i, word)) return 0;
    i = past_space(l, i + strlen(word));
    return !end && at(l, i, "+") ? 0 : tag_end(l, i, "%}", end);
}

// Emits the data from the cursor to `end`, where a tag begins with this sign.
static void data_before(Lexer *l, size_t end, char sign, bool block)
{
    size_t from = l->at, to = end;
    if (sign == '-') {
        to = from + python_strip_right((Str){l->s + from, end - from}).n;
    } else if (sign != '+' && block) {
        size_t start = end;
        while (start > from && l->s[start - 1] != '\n') start--;
        bool first = start > from || from == 0 || l->s[from - 1] == '\n';
        if (first && past_space(l, start) >= end) to = start;
    }
    if (to > from) emit(l, T_DATA, (Str){l->s + from, to - from});
    move_to(l, end);
}

static char sign_at(const Lexer *l, size_t i) { return at(l, i, "-") ? '-' : at(l, i, "+") ? '+' : 0; }

static bool comment(Lexer *l)
{
    size_t i = l->at + 2 + (sign_at(l, l->at + 2) != 0);
    for (; i < l->n; i++) {
        size_t end = tag_end(l, i, "#}", true);
        if (end) return move_to(l, end), true;
    }
    return wrong(l, "this comment has no end; expected '#}'");
}

static bool raw(Lexer *l, size_t begin_end)
{
    uint32_t line = l->line;
    move_to(l, begin_end);
    for (size_t i = l->at; i < l->n; i++) {
        size_t end = l->s[i] == '{' ? raw_tag(l, i, "endraw") : 0;
        if (!end) continue;
        data_before(l, i, sign_at(l, i + 2), true);
        move_to(l, end);
        return true;
    }
    l->line = line;
    return wrong(l, "this raw block has no end; expected '{% endraw %}'");
}

// ------------------------------------------------------------------------------------------------ inside a tag

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_'; }

// Digits in groups with single underscores between them, from i on: where they end (i if there are none).
static size_t digits(const Lexer *l, size_t i)
{
    while (i < l->n &&
           (is_digit(l->s[i]) || (l->s[i] == '_' && i + 1 < l->n && is_digit(l->s[i + 1]) && i > l->at)))
        i++;
    return i;
}

static Str without_underscores(Arena *a, Str s)
{
    Buf b = {.arena = a};
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] != '_') buf_char(&b, s.s[i]);
    return buf_view(&b);
}

// A number with a fraction or an exponent; false if there is none at the cursor.
static bool real(Lexer *l)
{
    size_t i = digits(l, l->at), whole = i;
    if (i == l->at || (l->at && l->s[l->at - 1] == '.')) return false;
    if (i + 1 < l->n && l->s[i] == '.' && is_digit(l->s[i + 1])) i = digits(l, i + 1);
    if (i < l->n && (l->s[i] | 32) == 'e') {
        size_t k = i + 1;
        if (k < l->n && (l->s[k] == '+' || l->s[k] == '-')) k++;
        if (k < l->n && is_digit(l->s[k])) i = digits(l, k);
    }
    if (i == whole) return false;
    Err none = {0};
    Str text = without_underscores(l->arena, (Str){l->s + l->at, i - l->at});
    while (text.n > 1 && text.s[0] == '0' && is_digit(text.s[1])) text.s++, text.n--;
    const Json *j = json_parse(l->arena, text, "", &none);
    emit(l, T_FLOAT, text)->f = j ? j->number : 0;
    l->at = i;
    return true;
}

static int digit_value(char c)
{
    return is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
}

static bool integer(Lexer *l)
{
    size_t i = l->at;
    int base = 10;
    if (l->s[i] == '0' && i + 1 < l->n) {
        char c = (char)(l->s[i + 1] | 32);
        int wanted = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
        size_t k = i + 2 + (at(l, i + 2, "_"));
        if (wanted != 10 && k < l->n && digit_value(l->s[k]) < wanted) base = wanted, i += 2;
    }
    int64_t x = 0;
    bool zeros = base == 10 && l->s[i] == '0', too_large = false;
    for (size_t k = i; k < l->n; k++) {
        if (l->s[k] == '_' && k + 1 < l->n && (k > l->at)) k++;
        int d = digit_value(l->s[k]);
        if (d >= base || (zeros && d)) break;
        too_large |= __builtin_mul_overflow(x, base, &x) || __builtin_add_overflow(x, d, &x);
        i = k + 1;
    }
    if (too_large) return wrong(l, "a whole number beyond 64 bits is not supported");
    emit(l, T_INT, (Str){l->s + l->at, i - l->at})->i = x;
    l->at = i;
    return true;
}

// The escape behind a backslash, at p[0..n): writes what it means and returns how many bytes it has, 0 if it is broken.
static size_t escape(const char *p, size_t n, Buf *b)
{
    static const char names[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    char c = p[0], utf8[4];
    const char *name = c ? strchr(names, c) : NULL;
    if (name) return buf_char(b, values[name - names]), 1;
    if (c == '\n') return 1;
    uint32_t cp = 0;
    size_t i = 0;
    if (c >= '0' && c <= '7') {
        for (; i < 3 && i < n && p[i] >= '0' && p[i] <= '7'; i++) cp = cp * 8 + (uint32_t)(p[i] - '0');
    } else if (c == 'x' || c == 'u' || c == 'U') {
        size_t count = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        for (i = 1; i <= count; i++) {
            if (i >= n || digit_value(p[i]) > 15) return 0;
            cp = cp << 4 | (uint32_t)digit_value(p[i]);
        }
    } else if (c == 'N') {
        return 0;
    } else if ((uint8_t)c < 0x80) {
        buf_char(b, '\\'), buf_char(b, c); // no escape: both stay
        return 1;
    } else { // Jinja writes the character as an escape of ASCII first, and the two backslashes become one
        int length = utf8_decode(p, n, &cp, NULL);
        buf_printf(b, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
        return (size_t)length;
    }
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) return 0;
    buf_put(b, utf8, (size_t)utf8_encode(cp, utf8));
    return i;
}

static bool string(Lexer *l)
{
    char quote = l->s[l->at];
    size_t end = l->at + 1;
    while (end < l->n && l->s[end] != quote) end += l->s[end] == '\\' ? 2 : 1;
    if (end >= l->n) return wrong(l, "this string has no end; expected a closing quote");
    Buf b = {.arena = l->arena};
    for (size_t i = l->at + 1; i < end;) {
        size_t from = i;
        while (i < end && l->s[i] != '\\') i++;
        buf_put(&b, l->s + from, i - from);
        if (i == end) break;
        size_t used = escape(l->s + i + 1, end - i - 1, &b);
        if (!used)
            return wrong(l, "an escape in this string is broken or not supported (supported: \\n \\t \\r "
                            "\\\\ \\' \\\" \\a \\b "
                            "\\f \\v, octal, \\xhh, \\uhhhh and \\Uhhhhhhhh of characters)");
        i += 1 + used;
    }
    emit(l, T_TEXT, buf_view(&b));
    move_to(l, end + 1);
    return true;
}

static bool bracket(Lexer *l, char c)
{
    if (c == '(' || c == '[' || c == '{') {
        if (l->depth == BRACKETS) return wrong(l, "brackets are nested deeper than 256, the limit");
        l->open[l->depth++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        char what[64];
        snprintf(what, sizeof what, "found '%c'; expected '%c'", c, l->depth ? l->open[l->depth - 1] : '-');
        if (!l->depth) snprintf(what, sizeof what, "found '%c', which nothing opened", c);
        if (!l->depth || l->open[--l->depth] != c) return wrong(l, what);
    }
    return true;
}

static bool operator(Lexer *l)
{
    static const char *const words[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                        "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                        ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!at(l, l->at, words[i])) continue;
        if (!bracket(l, words[i][0])) return false;
        emit(l, T_OP, str_of(words[i]));
        l->at += strlen(words[i]);
        return true;
    }
    char what[80];
    uint32_t cp;
    int n = utf8_decode(l->s + l->at, l->n - l->at, &cp, NULL);
    snprintf(what, sizeof what, "found '%.*s', which begins nothing that is known here", n, l->s + l->at);
    return wrong(l, what);
}

// From behind `{{` or `{%` to behind its end.
static bool tag(Lexer *l, bool print)
{
    const char *close = print ? "}}" : "%}";
    l->depth = 0;
    while (l->at < l->n) {
        size_t end = l->depth ? 0 : tag_end(l, l->at, close, !print);
        if (end) {
            emit(l, print ? T_PRINT_END : T_BLOCK_END, str_of(close));
            return move_to(l, end), true;
        }
        end = past_space(l, l->at);
        if (end > l->at) {
            move_to(l, end);
            continue;
        }
        char c = l->s[l->at];
        if (is_digit(c)) {
            if (!real(l) && !integer(l)) return false;
        } else if (is_letter(c)) {
            size_t i = l->at;
            while (i < l->n && (is_letter(l->s[i]) || is_digit(l->s[i]))) i++;
            emit(l, T_NAME, (Str){l->s + l->at, i - l->at});
            l->at = i;
        } else if (!(c == '"' || c == '\'' ? string(l) : operator(l))) return false;
    }
    return true; // the parser says what it expected
}

// Line ends of any kind to \n, and one at the very end gone.
static Str same_line_ends(Arena *a, Str s)
{
    Buf b = {.arena = a};
    for (size_t i = 0; i < s.n; i++) {
        if (s.s[i] == '\r' && i + 1 < s.n && s.s[i + 1] == '\n') continue;
        buf_char(&b, s.s[i] == '\r' ? '\n' : s.s[i]);
    }
    Str out = buf_view(&b);
    if (str_ends(out, STR_LIT("\n"))) out.n--;
    return out;
}

bool jinja_lex(Arena *a, Str source, const char *where, JinjaToken **out, Err *e)
{
    size_t bad;
    if (source.n > JINJA_SOURCE)
        return err_set(e, "%s: a template of %zu bytes; at most %d are supported", where, source.n,
                       JINJA_SOURCE);
    if (!utf8_valid(source, &bad)) return err_at(e, where, bad, "the template is not valid UTF-8");
    source = same_line_ends(a, source);
    Lexer l = {.arena = a, .s = source.s, .n = source.n, .where = where, .line = 1, .err = e};
    while (l.at < l.n) {
        size_t i = l.at;
        while (i + 1 < l.n && !(l.s[i] == '{' && strchr("{%#", l.s[i + 1]) && l.s[i + 1])) i++;
        if (i + 1 >= l.n) {
            emit(&l, T_DATA, (Str){l.s + l.at, l.n - l.at});
            break;
        }
        char kind = l.s[i + 1], sign = sign_at(&l, i + 2);
        size_t raw_end = raw_tag(&l, i, "raw");
        data_before(&l, i, sign, kind != '{');
        if (raw_end || kind == '#') {
            if (!(raw_end ? raw(&l, raw_end) : comment(&l))) return false;
            continue;
        }
        emit(&l, kind == '{' ? T_PRINT : T_BLOCK, (Str){l.s + i, 2});
        l.at += 2 + (sign != 0);
        if (!tag(&l, kind == '{')) return false;
    }
    emit(&l, T_END, (Str){"", 0});
    *out = l.token;
    return true;
}
