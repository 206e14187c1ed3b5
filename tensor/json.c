// SPDX-License-Identifier: Apache-2.0
// json.c — JSON in (RFC 8259) and JSON strings out.
//
// The parser is one loop over the text with its own stack of open arrays and objects, so the depth of the
// input never becomes depth of our stack. A string without escapes is a view into the text; one with escapes
// is decoded into memory of the arena, which can only be shorter than what was written. Strings must be valid
// UTF-8: a vocabulary with broken characters is a broken file, and it is better to say where than to go on.
//
// Values come in slabs from the arena, as the arena rounds each allocation up to 64 bytes.
#include "base.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 512, SLAB = 1024, TEXT_CHUNK = 1 << 14, DECIMAL_DIGITS = 800 };

typedef struct Open { // an array or object whose end was not read yet
    Json *box, *last; // last child so far
} Open;

typedef struct Parser {
    const char *s;
    size_t n, at;
    Arena *arena;
    const char *path;
    size_t line; // of path that the text is, from 1; 0: it is all of path
    Err *err;
    Json *slab; // values not used yet
    size_t slab_left, slab_size;
    size_t values, most; // made so far, and at most
    char *room;          // memory for decoded strings
    size_t room_left;
    size_t depth;
    Open open[DEPTH];
} Parser;

// ---------------------------------------------------------------------------------------------------- errors

// Place as people count it: lines and characters from 1. Only called once something is wrong.
static void place_of(const Parser *p, size_t at, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at; i++) {
        if (p->s[i] == '\n') ++*line, *column = 1;
        else if (((uint8_t)p->s[i] & 0xC0) != 0x80) ++*column;
    }
}

static bool wrong(const Parser *p, size_t at, const char *what)
{
    size_t line, column;
    place_of(p, at, &line, &column);
    if (p->line)
        return err_set(p->err, "%s: line %zu, column %zu: %s", p->path, p->line + line - 1, column, what);
    return err_at(p->err, p->path, at, "line %zu, column %zu: %s", line, column, what);
}

// "found 'x'; expected ..." at the cursor.
static bool expected(const Parser *p, const char *what)
{
    char text[200], found[24];
    uint8_t c = p->at < p->n ? (uint8_t)p->s[p->at] : 0;
    if (p->at >= p->n) snprintf(found, sizeof found, "the end of the text");
    else if (c > ' ' && c < 0x7F) snprintf(found, sizeof found, "'%c'", c);
    else snprintf(found, sizeof found, "byte 0x%02X", c);
    snprintf(text, sizeof text, "found %s; expected %s", found, what);
    return wrong(p, p->at, text);
}

// --------------------------------------------------------------------------------------------------- strings

// Bytes that stand for themselves inside a string: ASCII but control characters, quote and backslash.
static bool plain(char c) { return (signed char)c >= ' ' && c != '"' && c != '\\'; }

static char *text_room(Parser *p, size_t n)
{
    if (p->room_left < n) {
        size_t left = p->n - p->at, chunk = left < TEXT_CHUNK ? left : TEXT_CHUNK;
        p->room_left = n > chunk ? n : chunk;
        p->room = arena_new_raw(p->arena, char, p->room_left);
    }
    return p->room;
}

// The four digits of \uXXXX at s; false if one is missing.
static bool hex4(const char *s, size_t left, uint32_t *out)
{
    uint32_t x = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = i < left ? s[i] : 0, low = (char)(c | 32);
        if (c >= '0' && c <= '9') x = x << 4 | (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f') x = x << 4 | (uint32_t)(low - 'a' + 10);
        else return false;
    }
    *out = x;
    return true;
}

// One escape; the cursor stands behind the backslash. Half a surrogate pair alone becomes U+FFFD.
static bool read_escape(Parser *p, char **to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = p->at < p->n ? p->s[p->at] : 0;
    const char *name = c ? strchr(names, c) : NULL;
    if (name) {
        *(*to)++ = values[name - names];
        p->at++;
        return true;
    }
    if (c != 'u') return expected(p, "one of \" \\ / b f n r t u after a backslash");
    uint32_t cp, low;
    p->at++;
    if (!hex4(p->s + p->at, p->n - p->at, &cp)) return wrong(p, p->at, "expected four hex digits after \\u");
    p->at += 4;
    if (cp >= 0xD800 && cp < 0xDC00 && p->n - p->at >= 6 && p->s[p->at] == '\\' && p->s[p->at + 1] == 'u' &&
        hex4(p->s + p->at + 2, p->n - p->at - 2, &low) && low >= 0xDC00 && low < 0xE000) {
        p->at += 6;
        cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
    }
    if (cp >= 0xD800 && cp < 0xE000) cp = 0xFFFD;
    *to += utf8_encode(cp, *to);
    return true;
}

// The string whose opening quote is at the cursor. First pass: find its end, check characters, see whether
// there are escapes. Second pass, only if there are: decode.
static bool read_string(Parser *p, Str *out)
{
    const char *s = p->s;
    size_t start = ++p->at, at = start, end;
    bool escapes = false;
    for (;;) {
        while (at < p->n && plain(s[at])) at++;
        p->at = at;
        if (at >= p->n) return wrong(p, start - 1, "this string has no end; expected a closing '\"'");
        if (s[at] == '"') break;
        if (s[at] == '\\') {
            escapes = true;
            at += at + 1 < p->n ? 2 : 1;
        } else if ((uint8_t)s[at] < ' ') {
            return expected(p, "an escape like \\n: control characters may not stand in a string");
        } else {
            uint32_t cp;
            int length = utf8_decode(s + at, p->n - at, &cp, NULL);
            if (!length) return expected(p, "valid UTF-8");
            at += (size_t)length;
        }
    }
    end = at;
    *out = (Str){s + start, end - start};
    if (!escapes) return p->at = end + 1, true;

    char *text = text_room(p, end - start), *to = text;
    for (p->at = start; p->at < end;) {
        size_t from = p->at;
        while (p->at < end && s[p->at] != '\\') p->at++;
        memcpy(to, s + from, p->at - from);
        to += p->at - from;
        if (p->at == end) break;
        p->at++;
        if (!read_escape(p, &to)) return false;
    }
    *out = (Str){text, (size_t)(to - text)};
    p->room += out->n, p->room_left -= out->n;
    p->at = end + 1;
    return true;
}

// --------------------------------------------------------------------------------------------------- numbers

// Digits of a number, split as strtod cares about them: value = (digits, as an integer) * 10^exponent.
typedef struct Decimal {
    char digits[DECIMAL_DIGITS + 1];
    int n;
    bool more; // digits that are not zero were dropped
    int64_t exponent;
} Decimal;

static void add_digit(Decimal *d, char c, bool fraction)
{
    if (fraction) d->exponent--;
    if (d->n == 0 && c == '0') return;
    if (d->n < DECIMAL_DIGITS) {
        d->digits[d->n++] = c;
        return;
    }
    d->exponent++;
    d->more |= c != '0';
}

// Correctly rounded, whatever the locale: strtod sees a copy without decimal point. 800 digits decide (767
// would), and a digit 1 behind them stands for all that were cut.
static double to_double(Decimal *d)
{
    if (!d->n) return 0;
    int64_t e = d->exponent;
    if (!d->more && d->n <= 15 && e >= -22 && e <= 22) { // exact factors, one rounding (Clinger 1990)
        static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
        int64_t x = 0;
        for (int i = 0; i < d->n; i++) x = x * 10 + (d->digits[i] - '0');
        return e < 0 ? (double)x / tens[-e] : (double)x * tens[e];
    }
    char text[DECIMAL_DIGITS + 40];
    if (d->more) e--;
    if (e > 100000) e = 100000; // the digits add at most 800 to it: infinite or zero all the same
    if (e < -100000) e = -100000;
    snprintf(text, sizeof text, "%.*s%se%d", d->n, d->digits, d->more ? "1" : "", (int)e);
    return strtod(text, NULL);
}

static bool digit(const Parser *p) { return p->at < p->n && p->s[p->at] >= '0' && p->s[p->at] <= '9'; }

static bool word(Parser *p, const char *w)
{
    if (!str_starts((Str){p->s + p->at, p->n - p->at}, str_of(w))) return false;
    p->at += strlen(w);
    return true;
}

// An integer of the range of int64, written without point or exponent.
static bool whole(Str text, int64_t *out)
{
    bool minus = text.s[0] == '-';
    uint64_t x = 0, most = (uint64_t)INT64_MAX + minus;
    for (size_t i = minus; i < text.n; i++) {
        uint64_t d = (uint64_t)(text.s[i] - '0');
        if (x > (most - d) / 10) return false;
        x = x * 10 + d;
    }
    *out = minus ? (int64_t)(0 - x) : (int64_t)x;
    return true;
}

// Behind the 'e': sign and digits, held within a range that cannot wrap.
static bool read_exponent(Parser *p, int64_t *exponent)
{
    bool minus = false;
    if (p->at < p->n && (p->s[p->at] == '+' || p->s[p->at] == '-')) minus = p->s[p->at++] == '-';
    if (!digit(p)) return expected(p, "a digit of the exponent");
    int64_t x = 0;
    for (; digit(p); p->at++)
        if (x < (int64_t)1 << 50) x = x * 10 + (p->s[p->at] - '0');
    *exponent += minus ? -x : x;
    return true;
}

static bool read_number(Parser *p, Json *v)
{
    size_t start = p->at;
    bool minus = start < p->n && p->s[start] == '-', integer = true;
    if (minus) p->at++;
    if (word(p, "Infinity")) v->number = (double)INFINITY, integer = false;
    else if (!minus && word(p, "NaN")) v->number = (double)NAN, integer = false;
    else {
        Decimal d;
        d.n = 0, d.more = false, d.exponent = 0;
        if (!digit(p)) return expected(p, minus ? "a digit after '-'" : "a value");
        if (p->s[p->at] == '0') {
            p->at++;
            if (digit(p)) return wrong(p, start, "a number may not begin with 0 and more digits");
        }
        for (; digit(p); p->at++) add_digit(&d, p->s[p->at], false);
        if (p->at < p->n && p->s[p->at] == '.') {
            integer = false;
            p->at++;
            if (!digit(p)) return expected(p, "a digit after the decimal point");
            for (; digit(p); p->at++) add_digit(&d, p->s[p->at], true);
        }
        if (p->at < p->n && (p->s[p->at] | 32) == 'e') {
            integer = false;
            p->at++;
            if (!read_exponent(p, &d.exponent)) return false;
        }
        v->number = to_double(&d);
    }
    if (minus) v->number = -v->number;
    v->text = (Str){p->s + start, p->at - start};
    v->is_int = integer && whole(v->text, &v->i);
    return true;
}

// ---------------------------------------------------------------------------------------------------- values

static void skip_space(Parser *p)
{
    while (p->at < p->n) {
        char c = p->s[p->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') break;
        p->at++;
    }
}

static char peek(Parser *p)
{
    skip_space(p);
    return p->at < p->n ? p->s[p->at] : 0;
}

// A new value; the first slab is small, as most texts are.
static Json *new_value(Parser *p)
{
    if (!p->slab_left) {
        p->slab_size = p->slab_size ? p->slab_size * 2 : 16;
        if (p->slab_size > SLAB) p->slab_size = SLAB;
        p->slab = arena_new(p->arena, Json, p->slab_size);
        p->slab_left = p->slab_size;
    }
    p->values++;
    p->slab_left--;
    return p->slab++;
}

static bool read_scalar(Parser *p, Json *v)
{
    char c = p->at < p->n ? p->s[p->at] : 0;
    v->kind = c == '"' ? J_STRING : c == 't' ? J_TRUE : c == 'f' ? J_FALSE : c == 'n' ? J_NULL : J_NUMBER;
    if (c == '"') return read_string(p, &v->text);
    if (c == 't') return word(p, "true") || expected(p, "a value (true?)");
    if (c == 'f') return word(p, "false") || expected(p, "a value (false?)");
    if (c == 'n') return word(p, "null") || expected(p, "a value (null?)");
    return read_number(p, v);
}

static bool read_key(Parser *p, Str *key)
{
    if (peek(p) != '"') return expected(p, "a member's name in double quotes");
    if (!read_string(p, key)) return false;
    if (peek(p) != ':') return expected(p, "':' after the member's name");
    p->at++;
    return true;
}

// One value up to its end, or, of an array or object that is not empty, its opening bracket: then the stack
// is deeper than before.
static bool begin_value(Parser *p, Str key, Json **root)
{
    char c = peek(p);
    if (p->values == p->most)
        return wrong(p, p->at, "a text of this length may not have more values than stand before this");
    Json *v = new_value(p);
    v->at = (uint32_t)p->at, v->key = key;
    if (p->depth) {
        Open *o = &p->open[p->depth - 1];
        if (o->last) o->last->next = v;
        else o->box->child = v;
        o->last = v;
        o->box->count++;
    } else *root = v;
    if (c != '[' && c != '{') return read_scalar(p, v);
    v->kind = c == '[' ? J_ARRAY : J_OBJECT;
    if (p->depth == DEPTH) return wrong(p, p->at, "arrays and objects are nested deeper than 512, the limit");
    p->at++;
    if (peek(p) == (c == '[' ? ']' : '}')) return p->at++, true;
    p->open[p->depth++] = (Open){.box = v};
    return true;
}

// Behind a value: closes what ends here. False on an error; else the stack is empty or a comma was read.
static bool end_values(Parser *p)
{
    while (p->depth) {
        bool array = p->open[p->depth - 1].box->kind == J_ARRAY;
        char c = peek(p);
        if (c == ',') return p->at++, true;
        if (c != (array ? ']' : '}')) return expected(p, array ? "',' or ']'" : "',' or '}'");
        p->at++, p->depth--;
    }
    return true;
}

static const Json *parse(Arena *a, Str text, size_t free, const char *path, size_t line, Err *e)
{
    Parser p; // not zeroed as a whole: the stack of open values is large and most texts are small
    p.s = text.s ? text.s : "", p.n = text.n, p.at = 0, p.arena = a, p.path = path, p.line = line, p.err = e;
    p.slab = NULL, p.slab_left = p.slab_size = 0, p.room = NULL, p.room_left = 0, p.depth = 0;
    p.values = 0, p.most = (text.n > free / 8 ? 8 * text.n : free) / sizeof(Json);

    Json *root = NULL;
    if (text.n > UINT32_MAX) return err_set(e, "%.500s: more than 4 GB of JSON", path), NULL;
    if (str_starts(text, STR_LIT("\xEF\xBB\xBF"))) p.at = 3;
    do {
        Str key = {0};
        size_t depth = p.depth;
        if (depth && p.open[depth - 1].box->kind == J_OBJECT && !read_key(&p, &key)) return NULL;
        if (!begin_value(&p, key, &root)) return NULL;
        if (p.depth == depth && !end_values(&p)) return NULL;
    } while (p.depth);
    skip_space(&p);
    if (p.at < p.n) return expected(&p, "nothing more: the value ended before"), NULL;
    return root;
}

const Json *json_parse(Arena *a, Str text, const char *path, Err *e)
{
    return json_parse_within(a, text, JSON_FREE, path, e);
}

const Json *json_parse_within(Arena *a, Str text, size_t free, const char *path, Err *e)
{
    return parse(a, text, free, path, 0, e);
}

const Json *json_parse_line(Arena *a, Str text, const char *path, size_t line, Err *e)
{
    return parse(a, text, JSON_FREE, path, line, e);
}

const Json *json_get(const Json *object, const char *key)
{
    const Json *found = NULL;
    if (!object || object->kind != J_OBJECT) return NULL;
    Str wanted = str_of(key);
    for (const Json *c = object->child; c; c = c->next)
        if (str_eq(c->key, wanted)) found = c;
    return found;
}

const char *json_kind_name(const Json *j)
{
    static const char *const names[] = {"null",     "false",    "true",     "a number",
                                        "a string", "an array", "an object"};
    return j ? names[j->kind] : "nothing";
}

// --------------------------------------------------------------------------------------------------- writing

static void put_escape(Buf *b, uint32_t unit) { buf_printf(b, "\\u%04" PRIx32, unit); }

static void put_control(Buf *b, char c)
{
    static const char values[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *v = c ? strchr(values, c) : NULL;
    if (v) buf_put(b, (char[2]){'\\', names[v - values]}, 2);
    else put_escape(b, (uint8_t)c);
}

static void put_string(Buf *b, Str s, bool ascii)
{
    buf_char(b, '"');
    for (size_t i = 0; i < s.n;) {
        size_t from = i;
        while (i < s.n && plain(s.s[i]) && !(ascii && s.s[i] == 0x7F)) i++;
        buf_put(b, s.s + from, i - from);
        if (i == s.n) break;
        uint32_t cp;
        int bad = 0, length = utf8_decode(s.s + i, s.n - i, &cp, &bad);
        if (length == 1) put_control(b, s.s[i]);
        else if (!ascii) buf_str(b, length ? (Str){s.s + i, (size_t)length} : STR_LIT("\xEF\xBF\xBD"));
        else if (cp < 0x10000) put_escape(b, cp);
        else {
            put_escape(b, 0xD800 + ((cp - 0x10000) >> 10));
            put_escape(b, 0xDC00 + (cp & 0x3FF));
        }
        i += (size_t)(length ? length : bad);
    }
    buf_char(b, '"');
}

void buf_json(Buf *b, Str s) { put_string(b, s, false); }
void buf_json_ascii(Buf *b, Str s) { put_string(b, s, true); }
