// SPDX-License-Identifier: Apache-2.0
// jinja_print.c — values as text: str() and repr() as Python's, JSON as json.dumps.
#include "jinja.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

// ------------------------------------------------------------------------------------------------ printing

// The fewest digits that read back as the same double, written as Python does.
static void write_double(double f, char text[40], bool json)
{
    if (isnan(f)) strcpy(text, json ? "NaN" : "nan");
    else if (isinf(f)) strcpy(text, json ? (f < 0 ? "-Infinity" : "Infinity") : (f < 0 ? "-inf" : "inf"));
    else {
        char e[40], digits[24], *to = text;
        int precision = 0, n = 0;
        do snprintf(e, sizeof e, "%.*e", precision, f);
        while (strtod(e, NULL) != f && ++precision < 17);
        const char *p = e;
        if (*p == '-') *to++ = *p++;
        for (; *p && *p != 'e'; p++)
            if (*p != '.') digits[n++] = *p;
        int exponent = atoi(p + 1);
        while (n > 1 && digits[n - 1] == '0') n--;
        if (exponent < -4 || exponent >= 16) {
            *to++ = digits[0];
            if (n > 1) *to++ = '.';
            memcpy(to, digits + 1, (size_t)n - 1), to += n - 1;
            sprintf(to, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
            return;
        }
        if (exponent < 0) {
            memcpy(to, "0.000", 5), to += 1 - exponent; // "0." and -exponent - 1 zeros
            memcpy(to, digits, (size_t)n), to += n;
        } else {
            for (int i = 0; i <= exponent || i < n; i++) {
                if (i == exponent + 1) *to++ = '.';
                *to++ = i < n ? digits[i] : '0';
            }
            if (n <= exponent + 1) *to++ = '.', *to++ = '0';
        }
        *to = 0;
    }
}

static bool put_number(Out *o, Value v, bool json)
{
    char text[40];
    if (v.kind == V_FLOAT) write_double(v.f, text, json);
    else snprintf(text, sizeof text, "%" PRId64, v.i);
    return out_words(o, text);
}

static bool printable(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return false;
    case UTF8PROC_CATEGORY_ZS:
        return cp == ' ';
    default:
        return true;
    }
}

static bool repr_text(Out *o, Value v)
{
    bool single = memchr(v.s, '\'', v.n) && !memchr(v.s, '"', v.n); // then double quotes around it
    char quote[2] = {single ? '"' : '\'', 0};
    if ((v.safe && !out_words(o, "Markup(")) || !out_words(o, quote)) return false;
    for (size_t i = 0; i < v.n;) {
        uint32_t cp;
        int n = utf8_decode(v.s + i, v.n - i, &cp, NULL);
        if (!n) n = 1;
        char c = v.s[i], text[12];
        const uint32_t *mark = v.mark ? v.mark + i : NULL;
        if (c == '\\' || c == quote[0]) snprintf(text, sizeof text, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            snprintf(text, sizeof text, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (printable(cp)) memcpy(text, v.s + i, (size_t)n), text[n] = 0;
        else
            snprintf(text, sizeof text,
                     cp < 0x100     ? "\\x%02x"
                     : cp < 0x10000 ? "\\u%04x"
                                    : "\\U%08x",
                     (unsigned)cp);
        if (!out_put(o, text, strlen(text), NULL, mark ? *mark : v.origin)) return false;
        i += (size_t)n;
    }
    return out_words(o, quote) && (!v.safe || out_words(o, ")"));
}

static bool repr_items(Out *o, const char *open, const List *l, const char *close, unsigned depth)
{
    if (!out_words(o, open)) return false;
    for (size_t i = 0; i < l->n; i++)
        if ((i && !out_words(o, ", ")) || !v_repr(o, l->v[i], depth + 1)) return false;
    return out_words(o, close);
}

static bool repr_dict(Out *o, const Dict *d, unsigned depth)
{
    if (!out_words(o, "{")) return false;
    for (size_t i = 0; i < d->n; i++)
        if ((i && !out_words(o, ", ")) || !v_repr(o, d->key[i], depth + 1) || !out_words(o, ": ") ||
            !v_repr(o, d->value[i], depth + 1))
            return false;
    return out_words(o, "}");
}

bool v_repr(Out *o, Value v, unsigned depth)
{
    char text[100];
    if (depth > JINJA_VALUES) return run_too_deep(o->x);
    if (!run_work(o->x, 0)) return false;
    switch (v.kind) {
    case V_NONE:
        return out_words(o, "None");
    case V_BOOL:
        return out_words(o, v.i ? "True" : "False");
    case V_INT:
    case V_FLOAT:
        return put_number(o, v, false);
    case V_TEXT:
        return repr_text(o, v);
    case V_LIST:
        return repr_items(o, "[", v.list, "]", depth);
    case V_TUPLE:
        return repr_items(o, "(", v.list, v.list->n == 1 ? ",)" : ")", depth);
    case V_VIEW:
        snprintf(text, sizeof text, "%s([", v.list->name);
        return repr_items(o, text, v.list, "])", depth);
    case V_RANGE: {
        int64_t end = v.list->end, step = v.list->step;
        snprintf(text, sizeof text,
                 step == 1 ? "range(%" PRId64 ", %" PRId64 ")"
                           : "range(%" PRId64 ", %" PRId64 ", %" PRId64 ")",
                 v.list->start, end, step);
        return out_words(o, text);
    }
    case V_DICT:
        return repr_dict(o, v.dict, depth);
    case V_NAMESPACE:
        return out_words(o, "<Namespace ") && repr_dict(o, v.dict, depth) && out_words(o, ">");
    case V_UNDEFINED:
        return out_words(o, "Undefined");
    default:
        return run_fail(o->x, "printing a %s is not supported; is a call or a filter (list) missing?",
                        v_type(v));
    }
}

bool v_string(Run *x, Value v, Value *out)
{
    Out o = {.x = x};
    *out = v;
    if (v.kind == V_TEXT) return true;
    if (v.kind != V_UNDEFINED && !v_repr(&o, v, 0)) return false;
    *out = out_value(&o);
    return true;
}

// ------------------------------------------------------------------------------------------------ JSON

// The escape of one character in a JSON text; false if it stands for itself.
static bool json_escape(char text[16], uint32_t cp, bool ascii)
{
    static const char special[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    const char *c = cp && cp < 0x80 ? strchr(special, (int)cp) : NULL;
    if (c) snprintf(text, 16, "\\%c", names[c - special]);
    else if (cp < 0x20 || (ascii && cp > 0x7E && cp < 0x10000)) snprintf(text, 16, "\\u%04x", (unsigned)cp);
    else if (ascii && cp >= 0x10000)
        snprintf(text, 16, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((cp - 0x10000) >> 10)),
                 (unsigned)(0xDC00 + (cp & 0x3FF)));
    else return false;
    return true;
}

static bool json_text(Out *o, Value v, bool ascii)
{
    if (!out_words(o, "\"")) return false;
    for (size_t i = 0, from = 0; i < v.n || from < v.n;) {
        uint32_t cp;
        char text[16];
        int n = i < v.n ? utf8_decode(v.s + i, v.n - i, &cp, NULL) : 0;
        bool escaped = i < v.n && json_escape(text, cp, ascii);
        if (escaped || i == v.n) { // first what stood for itself
            if (!out_text(o, v_part(v, from, i - from))) return false;
            from = i + (size_t)(n ? n : 1);
        }
        if (escaped && !out_put(o, text, strlen(text), NULL, v.mark ? v.mark[i] : v.origin)) return false;
        i += (size_t)(n ? n : 1);
        if (i > v.n) i = v.n;
    }
    return out_words(o, "\"");
}

static bool json_key(Out *o, Value key, bool ascii)
{
    if (key.kind == V_TEXT) return json_text(o, key, ascii);
    if (key.kind != V_NONE && !v_number(key))
        return run_fail(o->x, "keys must be str, int, float, bool or None, not %s", v_type(key));
    return out_words(o, "\"") && v_json(o, key, NULL, 0) && out_words(o, "\"");
}

// Where the keys of d go in sorted order: insertion into a list of indices, as few as they are.
static bool sorted(Run *x, const Dict *d, size_t **out)
{
    size_t *at = run_room(x, d->n ? d->n : 1, sizeof *at);
    if (!at) return false;
    for (size_t i = 0; i < d->n; i++) {
        size_t k = i;
        for (; k; k--) {
            int c;
            if (!v_order(x, d->key[i], d->key[at[k - 1]], "<", &c)) return false;
            if (c >= 0) break;
            at[k] = at[k - 1];
        }
        at[k] = i;
    }
    *out = at;
    return true;
}

static bool line_break(Out *o, const JsonStyle *style, unsigned depth)
{
    if (!style || !style->indent.s) return true;
    if (!out_words(o, "\n")) return false;
    for (unsigned i = 0; i < depth; i++)
        if (!out_put(o, style->indent.s, style->indent.n, NULL, 0)) return false;
    return true;
}

bool v_json(Out *o, Value v, const JsonStyle *style, unsigned depth)
{
    if (depth > JINJA_VALUES) return run_too_deep(o->x);
    if (!run_work(o->x, 0)) return false;
    if (v.kind == V_NONE) return out_words(o, "null");
    if (v.kind == V_BOOL) return out_words(o, v.i ? "true" : "false");
    if (v.kind == V_INT || v.kind == V_FLOAT) return put_number(o, v, true);
    if (v.kind == V_TEXT) return json_text(o, v, style->ascii);
    bool dict = v.kind == V_DICT;
    if (!dict && v.kind != V_LIST && v.kind != V_TUPLE)
        return run_fail(o->x, "Object of type %s is not JSON serializable", v_type(v));
    size_t n = dict ? v.dict->n : v.list->n, *at = NULL;
    if (n == 0) return out_words(o, dict ? "{}" : "[]");
    if (dict && style->sorted && !sorted(o->x, v.dict, &at)) return false;
    if (!out_words(o, dict ? "{" : "[")) return false;
    for (size_t k = 0; k < n; k++) {
        size_t i = at ? at[k] : k;
        if ((k && !out_put(o, style->between.s, style->between.n, NULL, 0)) ||
            !line_break(o, style, depth + 1))
            return false;
        if (dict && (!json_key(o, v.dict->key[i], style->ascii) ||
                     !out_put(o, style->after_key.s, style->after_key.n, NULL, 0)))
            return false;
        if (!v_json(o, dict ? v.dict->value[i] : v.list->v[i], style, depth + 1)) return false;
    }
    return line_break(o, style, depth) && out_words(o, dict ? "}" : "]");
}
