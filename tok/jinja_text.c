// SPDX-License-Identifier: Apache-2.0
// jinja_text.c — Python's methods of str, in characters where Python counts characters. Parts of a text are views of it.
#include "jinja.h"
#include "kind.h"

#include <string.h>
#include <utf8proc.h>

size_t text_width(Value v, size_t i, uint32_t *cp)
{
    int n = utf8_decode(v.s + i, v.n - i, cp, NULL);
    return n ? (size_t)n : 1;
}

size_t text_width_before(Value v, size_t end, uint32_t *cp)
{
    size_t i = end - 1;
    while (i > 0 && end - i < 4 && ((uint8_t)v.s[i] & 0xC0) == 0x80) i--;
    text_width(v, i, cp);
    return end - i;
}

static bool among(Value chars, const char *c, size_t n)
{
    uint32_t cp;
    for (size_t i = 0, k; i < chars.n; i += k)
        if ((k = text_width(chars, i, &cp)) == n && memcmp(chars.s + i, c, n) == 0) return true;
    return false;
}

bool text_strip(Run *x, Value v, Value chars, bool left, bool right, Value *out)
{
    bool all = !is_given(chars) || chars.kind == V_NONE;
    if (!all && !arg_text(x, "what strip() takes away", chars)) return false;
    if (chars.n > 1000) return run_fail(x, "strip() of more than 1000 bytes of characters is not supported");
    uint32_t cp;
    size_t from = 0, to = v.n, n;
    while (left && from < to &&
           (n = text_width(v, from, &cp), all ? is_python_space(cp) : among(chars, v.s + from, n)))
        from += n;
    while (right && to > from &&
           (n = text_width_before(v, to, &cp), all ? is_python_space(cp) : among(chars, v.s + to - n, n)))
        to -= n;
    *out = v_part(v, from, to - from);
    return run_work(x, v.n - out->n + (all ? 0 : chars.n * (v.n - out->n)));
}

static bool m_strip(Run *x, Value self, const Value *a, Value *out)
{
    return text_strip(x, self, a[0], true, true, out);
}
static bool m_lstrip(Run *x, Value self, const Value *a, Value *out)
{
    return text_strip(x, self, a[0], true, false, out);
}
static bool m_rstrip(Run *x, Value self, const Value *a, Value *out)
{
    return text_strip(x, self, a[0], false, true, out);
}

static size_t find_in(Value v, size_t from, Value part) // v.n + 1: not there
{
    const char *p = part.n ? memmem(v.s + from, v.n - from, part.s, part.n) : v.s + from;
    return p ? (size_t)(p - v.s) : v.n + 1;
}

static bool find_last(Run *x, Value v, size_t end, Value part, size_t *at)
{
    *at = v.n + 1;
    if (part.n > end) return true;
    for (size_t i = end - part.n + 1; i-- > 0;) {
        if (part.n && v.s[i] != part.s[0]) continue;
        if (!run_work(x, part.n)) return false;
        if (memcmp(v.s + i, part.s, part.n) == 0) return *at = i, true;
    }
    return true;
}

static bool split_spaces(Run *x, Value v, int64_t most, Values *l)
{
    uint32_t cp;
    for (size_t i = 0, n;;) {
        while (i < v.n && (n = text_width(v, i, &cp), is_python_space(cp))) i += n;
        if (i == v.n) return true;
        size_t from = i;
        if (most >= 0 && (int64_t)l->n >= most) return values_add(x, l, v_part(v, i, v.n - i)); // the rest
        while (i < v.n && (n = text_width(v, i, &cp), !is_python_space(cp))) i += n;
        if (!values_add(x, l, v_part(v, from, i - from))) return false;
    }
}

static bool split_spaces_back(Run *x, Value v, int64_t most, Values *l)
{
    uint32_t cp;
    for (size_t i = v.n, n;;) {
        while (i && (n = text_width_before(v, i, &cp), is_python_space(cp))) i -= n;
        if (i == 0) return true;
        size_t to = i;
        if (most >= 0 && (int64_t)l->n >= most) return values_add(x, l, v_part(v, 0, i));
        while (i && (n = text_width_before(v, i, &cp), !is_python_space(cp))) i -= n;
        if (!values_add(x, l, v_part(v, i, to - i))) return false;
    }
}

static bool split(Run *x, Value v, const Value *a, bool back, Value *out)
{
    int64_t most = -1;
    Values l = {0};
    if (!arg_whole(x, a[1], -1, &most) || !run_work(x, v.n)) return false;
    if (!is_given(a[0]) || a[0].kind == V_NONE) {
        if (!(back ? split_spaces_back : split_spaces)(x, v, most, &l)) return false;
        return back ? values_reversed(x, &l, out) : v_list(x, V_LIST, l.v, l.n, out);
    }
    if (!arg_text(x, "the separator of split()", a[0])) return false;
    if (!a[0].n) return run_fail(x, "empty separator");
    size_t from = 0, to = v.n, at;
    while (most < 0 || (int64_t)l.n < most) {
        if (!back) at = find_in(v, from, a[0]);
        else if (!find_last(x, v, to, a[0], &at)) return false;
        if (at > v.n) break;
        if (!values_add(x, &l, back ? v_part(v, at + a[0].n, to - at - a[0].n) : v_part(v, from, at - from)))
            return false;
        if (back) to = at;
        else from = at + a[0].n;
    }
    if (!values_add(x, &l, v_part(v, from, to - from))) return false;
    return back ? values_reversed(x, &l, out) : v_list(x, V_LIST, l.v, l.n, out);
}

static bool m_split(Run *x, Value self, const Value *a, Value *out) { return split(x, self, a, false, out); }
static bool m_rsplit(Run *x, Value self, const Value *a, Value *out) { return split(x, self, a, true, out); }

static bool line_end(uint32_t cp) // where str.splitlines() cuts
{
    return (cp >= 10 && cp <= 13) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 || cp == 0x2029;
}

static bool m_splitlines(Run *x, Value v, const Value *a, Value *out)
{
    Values l = {0};
    for (size_t from = 0, i = 0; i < v.n;) {
        uint32_t cp;
        size_t at = i, n = text_width(v, i, &cp);
        i += n;
        if (!line_end(cp) && i < v.n) continue;
        bool ends = line_end(cp);
        if (cp == '\r' && i < v.n && v.s[i] == '\n') i++;
        if (!values_add(x, &l, v_part(v, from, (ends && !v_truth(a[0]) ? at : i) - from))) return false;
        from = i;
    }
    return v_list(x, V_LIST, l.v, l.n, out);
}

// startswith and endswith: one text, or a tuple of which any will do.
static bool any_edge(Run *x, Value v, Value part, bool start, Value *out)
{
    List one = {.v = &part, .n = 1}, l = part.kind == V_TUPLE ? *part.list : one;
    *out = v_bool(false);
    for (size_t i = 0; i < l.n && !out->i; i++) {
        if (l.v[i].kind == V_UNDEFINED) return run_fail(x, "%s", l.v[i].why);
        if (l.v[i].kind != V_TEXT)
            return run_fail(x, "%s first arg must be str or a tuple of str, not %s",
                            start ? "startswith" : "endswith", v_type(l.v[i]));
        if (!run_work(x, l.v[i].n)) return false;
        out->i = start ? str_starts(v_str(v), v_str(l.v[i])) : str_ends(v_str(v), v_str(l.v[i]));
    }
    return true;
}

static bool m_startswith(Run *x, Value self, const Value *a, Value *out)
{
    return any_edge(x, self, a[0], true, out);
}
static bool m_endswith(Run *x, Value self, const Value *a, Value *out)
{
    return any_edge(x, self, a[0], false, out);
}

static bool m_removeprefix(Run *x, Value self, const Value *a, Value *out)
{
    if (!arg_text(x, "the prefix", a[0]) || !run_work(x, a[0].n)) return false;
    size_t n = str_starts(v_str(self), v_str(a[0])) ? a[0].n : 0;
    return *out = v_part(self, n, self.n - n), true;
}

static bool m_removesuffix(Run *x, Value self, const Value *a, Value *out)
{
    if (!arg_text(x, "the suffix", a[0]) || !run_work(x, a[0].n)) return false;
    size_t n = str_ends(v_str(self), v_str(a[0])) ? a[0].n : 0;
    return *out = v_part(self, 0, self.n - n), true;
}

bool text_replace(Run *x, Value v, Value old, Value fresh, int64_t most, Value *out)
{
    Out o = {.x = x};
    size_t from = 0;
    if (!run_work(x, v.n)) return false;
    for (size_t at; most != 0 && (at = find_in(v, from, old)) <= v.n; most--) {
        uint32_t cp;
        size_t step = old.n ? 0 : at < v.n ? text_width(v, at, &cp) : 1; // between all characters
        if (!out_text(&o, v_part(v, from, at - from)) || !out_text(&o, fresh)) return false;
        if (at + step <= v.n && step && !out_text(&o, v_part(v, at, step))) return false;
        from = at + old.n + step;
        if (from > v.n) break;
    }
    if (from < v.n && !out_text(&o, v_part(v, from, v.n - from))) return false;
    *out = out_value(&o);
    return true;
}

static bool m_replace(Run *x, Value self, const Value *a, Value *out)
{
    int64_t most = -1;
    if (self.safe)
        return run_fail(x, "replace() of a text from `safe` is not supported; the filter replace is");
    return arg_text(x, "replace() argument 1", a[0]) && arg_text(x, "replace() argument 2", a[1]) &&
           arg_whole(x, a[2], -1, &most) && text_replace(x, self, a[0], a[1], most, out);
}

// One character in another case. Simple mappings of one character to one, but for the German sharp s.
static bool put_cased(Out *o, Value v, size_t i, size_t n, uint32_t cp, TextCase to)
{
    char text[4];
    const uint32_t *mark = v.mark ? v.mark + i : NULL;
    uint32_t origin = mark ? *mark : v.origin;
    if (cp == 0xDF && to != LOWER) return out_put(o, to == UPPER ? "SS" : "Ss", 2, NULL, origin);
    utf8proc_int32_t c = (utf8proc_int32_t)cp;
    c = to == UPPER ? utf8proc_toupper(c) : to == LOWER ? utf8proc_tolower(c) : utf8proc_totitle(c);
    if (c == (utf8proc_int32_t)cp) return out_put(o, v.s + i, n, mark, v.origin);
    return out_put(o, text, (size_t)utf8_encode((uint32_t)c, text), NULL, origin);
}

static bool cased(uint32_t cp)
{
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

bool text_case(Run *x, Value v, TextCase to, Value *out)
{
    Out o = {.x = x};
    bool start = true; // of a word
    for (size_t i = 0, n; i < v.n; i += n) {
        uint32_t cp;
        n = text_width(v, i, &cp);
        TextCase c = to == UPPER || to == LOWER ? to : !start ? LOWER : to == WORDS ? UPPER : TITLE;
        if (!put_cased(&o, v, i, n, cp, c)) return false;
        if (to == TITLE) start = !cased(cp);
        else if (to == CAPITAL) start = false;
        else if (to == WORDS) // the filter title: words begin behind these
            start = cp == '-' || cp == '(' || cp == '{' || cp == '[' || cp == '<' || is_python_space(cp);
    }
    *out = out_value(&o), out->safe = v.safe;
    return true;
}

static bool m_upper(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, text_case(x, self, UPPER, out);
}
static bool m_lower(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, text_case(x, self, LOWER, out);
}
static bool m_title(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, text_case(x, self, TITLE, out);
}
static bool m_capitalize(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, text_case(x, self, CAPITAL, out);
}

static bool m_find(Run *x, Value self, const Value *a, Value *out)
{
    if (!arg_text(x, "what find() looks for", a[0]) || !run_work(x, self.n)) return false;
    size_t at = find_in(self, 0, a[0]);
    *out = v_int(at > self.n ? -1 : (int64_t)text_length(v_part(self, 0, at)));
    return true;
}

static bool m_rfind(Run *x, Value self, const Value *a, Value *out)
{
    if (!arg_text(x, "what rfind() looks for", a[0]) || !run_work(x, self.n)) return false;
    size_t at;
    if (!find_last(x, self, self.n, a[0], &at)) return false;
    *out = v_int(at > self.n ? -1 : (int64_t)text_length(v_part(self, 0, at)));
    return true;
}

static bool m_count(Run *x, Value self, const Value *a, Value *out)
{
    if (!arg_text(x, "what count() counts", a[0]) || !run_work(x, self.n)) return false;
    int64_t n = 0;
    if (!a[0].n) n = (int64_t)text_length(self) + 1;
    else
        for (size_t at = 0; (at = find_in(self, at, a[0])) <= self.n; at += a[0].n) n++;
    return *out = v_int(n), true;
}

// All characters are of a kind, and there is one.
static bool every(Value v, bool (*kind)(uint32_t), Value *out)
{
    uint32_t cp;
    *out = v_bool(v.n > 0);
    for (size_t i = 0; i < v.n && out->i;) i += text_width(v, i, &cp), out->i = kind(cp);
    return true;
}

static bool is_decimal(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp) == UTF8PROC_CATEGORY_ND;
}
static bool m_isdigit(Run *x, Value self, const Value *a, Value *out)
{
    return (void)x, (void)a, every(self, is_decimal, out);
}
static bool m_isspace(Run *x, Value self, const Value *a, Value *out)
{
    return (void)x, (void)a, every(self, is_python_space, out);
}

bool text_join(Run *x, Value between, const List *l, bool to_text, Value *out)
{
    Out o = {.x = x};
    for (size_t i = 0; i < l->n; i++) {
        Value v = l->v[i];
        if (to_text ? !v_string(x, v, &v)
                    : v.kind != V_TEXT && v.kind == V_UNDEFINED && !run_fail(x, "%s", v.why))
            return false;
        if (v.kind != V_TEXT)
            return run_fail(x, "sequence item %zu: expected str instance, %s found", i, v_type(v));
        if ((i && !out_text(&o, between)) || !out_text(&o, v)) return false;
    }
    *out = out_value(&o);
    return true;
}

static bool m_join(Run *x, Value self, const Value *a, Value *out)
{
    List l;
    if (self.safe) return run_fail(x, "join() of a text from `safe` is not supported; the filter join is");
    return v_items(x, a[0], &l) && text_join(x, self, &l, false, out);
}

const Builtin text_methods[] = {
    {"strip", "chars", 0, m_strip, 0},
    {"lstrip", "chars", 0, m_lstrip, 0},
    {"rstrip", "chars", 0, m_rstrip, 0},
    {"split", "sep maxsplit", 0, m_split, 0},
    {"rsplit", "sep maxsplit", 0, m_rsplit, 0},
    {"splitlines", "keepends", 0, m_splitlines, 0},
    {"startswith", "prefix", 1, m_startswith, 0},
    {"endswith", "suffix", 1, m_endswith, 0},
    {"replace", "old new count", 2, m_replace, 0},
    {"upper", "", 0, m_upper, 0},
    {"lower", "", 0, m_lower, 0},
    {"title", "", 0, m_title, 0},
    {"capitalize", "", 0, m_capitalize, 0},
    {"find", "sub", 1, m_find, 0},
    {"rfind", "sub", 1, m_rfind, 0},
    {"count", "sub", 1, m_count, 0},
    {"join", "iterable", 1, m_join, 0},
    {"removeprefix", "prefix", 1, m_removeprefix, 0},
    {"removesuffix", "suffix", 1, m_removesuffix, 0},
    {"isdigit", "", 0, m_isdigit, 0},
    {"isspace", "", 0, m_isspace, 0},
};
const size_t n_text_methods = sizeof text_methods / sizeof *text_methods;
