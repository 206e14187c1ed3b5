// SPDX-License-Identifier: Apache-2.0
// jinja_filter.c — filters (`x | name`) and tests (`x is name`): each a row in a table, as in jinja_call.c.
#include "jinja.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

// ------------------------------------------------------------------------------------------------ filters

static bool f_trim(Run *x, Value self, const Value *a, Value *out)
{
    return v_string(x, self, &self) && text_strip(x, self, a[0], true, true, out);
}

static bool f_upper(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, v_string(x, self, &self) && text_case(x, self, UPPER, out);
}

static bool f_lower(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, v_string(x, self, &self) && text_case(x, self, LOWER, out);
}

static bool f_capitalize(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, v_string(x, self, &self) && text_case(x, self, CAPITAL, out);
}

static bool f_title(Run *x, Value self, const Value *a, Value *out)
{
    if (!v_string(x, self, &self) || !text_case(x, self, WORDS, out)) return false;
    return (void)a, out->safe = false, true;
}

static bool f_string(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, v_string(x, self, out);
}

static bool f_safe(Run *x, Value self, const Value *a, Value *out)
{
    if (!v_string(x, self, out)) return false;
    return (void)a, out->safe = true;
}

static bool f_replace(Run *x, Value self, const Value *a, Value *out)
{
    Value old, fresh;
    int64_t most = -1;
    return v_string(x, self, &self) && v_string(x, a[0], &old) && v_string(x, a[1], &fresh) &&
           arg_whole(x, a[2].kind == V_NONE ? (Value){0} : a[2], -1, &most) &&
           text_replace(x, self, old, fresh, most, out);
}

static bool f_length(Run *x, Value v, const Value *a, Value *out)
{
    (void)a;
    switch (v.kind) {
    case V_UNDEFINED:
        *out = v_int(0);
        return true;
    case V_TEXT:
        *out = v_int((int64_t)text_length(v));
        return run_work(x, v.n);
    case V_LIST:
    case V_TUPLE:
    case V_RANGE:
    case V_VIEW:
        *out = v_int((int64_t)v.list->n);
        return true;
    case V_DICT:
        *out = v_int((int64_t)v.dict->n);
        return true;
    case V_LOOP:
        *out = v_int((int64_t)v.loop->items.n);
        return true;
    default:
        return run_fail(x, "object of type '%s' has no len()", v_type(v));
    }
}

static bool f_first(Run *x, Value v, const Value *a, Value *out)
{
    (void)a;
    if (v.kind == V_ITER && v.list->taken < v.list->n) return *out = v.list->v[v.list->taken++], true;
    if (v.kind == V_TEXT && v.n) {
        uint32_t cp;
        return *out = v_part(v, 0, text_width(v, 0, &cp)), true;
    }
    List l;
    if (!v_items(x, v, &l)) return false;
    if (!l.n) return v_undefined(x, out, "No first item, sequence was empty.");
    return *out = l.v[0], true;
}

static bool f_last(Run *x, Value v, const Value *a, Value *out)
{
    (void)a;
    if (v.kind == V_TEXT && v.n) {
        uint32_t cp;
        size_t n = text_width_before(v, v.n, &cp);
        return *out = v_part(v, v.n - n, n), true;
    }
    List l;
    if (v.kind == V_ITER)
        return run_fail(x, "'generator' object is not reversible; `list` before `last` makes it so");
    if (!v_items(x, v, &l)) return false;
    if (!l.n) return v_undefined(x, out, "No last item, sequence was empty.");
    return *out = l.v[l.n - 1], true;
}

static bool f_list(Run *x, Value v, const Value *a, Value *out)
{
    List l;
    return (void)a, v_items(x, v, &l) && v_list(x, V_LIST, l.v, l.n, out);
}

static bool f_reverse(Run *x, Value v, const Value *a, Value *out)
{
    (void)a;
    List l;
    if (v.kind == V_TEXT) return v_slice(x, v, (Value){0}, (Value){0}, v_int(-1), out);
    if (!v_items(x, v, &l)) return false;
    Values all = {(Value *)(uintptr_t)l.v, l.n, l.n};
    if (!values_reversed(x, &all, out)) return false;
    if (v.kind != V_ITER) out->kind = V_ITER; // Python's reversed()
    return true;
}

static bool f_default(Run *x, Value self, const Value *a, Value *out)
{
    bool use = self.kind == V_UNDEFINED || (v_truth(a[1]) && !v_truth(self));
    *out = !use ? self : is_given(a[0]) ? a[0] : v_text(STR_LIT(""), 0);
    return (void)x, true;
}

// "a.b.0" of an item, as the attribute argument of map, selectattr and join means it.
static bool deep_attribute(Run *x, Value item, Value path, Value otherwise, Value *out)
{
    *out = item;
    if (path.kind == V_INT) return v_index(x, item, path, out);
    if (!arg_text(x, "the attribute", path)) return false;
    for (size_t from = 0; from <= path.n;) {
        size_t to = from;
        bool digits = true;
        for (; to < path.n && path.s[to] != '.'; to++) digits &= path.s[to] >= '0' && path.s[to] <= '9';
        Value key = v_part(path, from, to - from);
        if (digits && key.n > 0 && key.n < 18) {
            key = v_int(0);
            for (size_t i = from; i < to; i++) key.i = key.i * 10 + (path.s[i] - '0');
        }
        if (!v_index(x, *out, key, out)) return false;
        if (out->kind == V_UNDEFINED && is_given(otherwise) && otherwise.kind != V_NONE) *out = otherwise;
        from = to + 1;
    }
    return true;
}

static bool f_join(Run *x, Value self, const Value *a, Value *out)
{
    List l;
    Value between = v_text(STR_LIT(""), 0);
    if ((is_given(a[0]) && !v_string(x, a[0], &between)) || !v_items(x, self, &l)) return false;
    if (is_given(a[1]) && a[1].kind != V_NONE) {
        Values got = {0};
        for (size_t i = 0; i < l.n; i++) {
            Value v;
            if (!deep_attribute(x, l.v[i], a[1], (Value){0}, &v) || !values_add(x, &got, v)) return false;
        }
        l.v = got.v;
    }
    return text_join(x, between, &l, true, out);
}

static bool f_items(Run *x, Value self, const Value *a, Value *out)
{
    Value *v = NULL;
    (void)a;
    if (self.kind == V_UNDEFINED) return v_list(x, V_ITER, NULL, 0, out);
    if (self.kind != V_DICT) return run_fail(x, "Can only get item pairs from a mapping.");
    return v_pairs(x, self.dict, &v) && v_list(x, V_ITER, v, self.dict->n, out);
}

// The number a text begins and ends with, as int() and float() read it; false if it is none.
static bool number_of(Run *x, Value v, bool real, Value *out)
{
    Value s;
    if (!text_strip(x, v, (Value){0}, true, true, &s)) return false;
    Buf b = {.arena = x->arena};
    Err none = {0};
    bool minus = s.n && s.s[0] == '-', sign = s.n && (minus || s.s[0] == '+');
    for (size_t i = sign; i < s.n; i++) {
        bool digit = s.s[i] >= '0' && s.s[i] <= '9',
             before = i > sign && s.s[i - 1] >= '0' && s.s[i - 1] <= '9',
             after = i + 1 < s.n && s.s[i + 1] >= '0' && s.s[i + 1] <= '9', point = s.s[i] == '.';
        bool power = (s.s[i] | 32) == 'e' || // with a sign of its own
                     ((s.s[i] == '+' || s.s[i] == '-') && i > sign && (s.s[i - 1] | 32) == 'e');
        if (s.s[i] == '_' && before && after) continue;
        if (!digit && !(real && (power || (point && (before || after))))) return false;
        if (digit && b.n == 1 && b.s[0] == '0') b.n = 0; // JSON has no leading zeros,
        if (point && !before) buf_char(&b, '0');         // nor a bare point
        buf_char(&b, s.s[i]);
        if (point && !after) buf_char(&b, '0');
    }
    const Json *j = b.n ? json_parse(x->arena, buf_view(&b), "", &none) : NULL;
    if (!j || j->kind != J_NUMBER || (!real && !j->is_int)) return false;
    *out = real ? v_float(minus ? -j->number : j->number) : v_int(minus ? -j->i : j->i);
    return true;
}

static bool truncated(double f, Value *out)
{
    if (!(f > -9.2e18 && f < 9.2e18)) return false;
    return *out = v_int((int64_t)f), true;
}

static bool f_int(Run *x, Value self, const Value *a, Value *out)
{
    Value f;
    if (is_given(a[1]) && !(a[1].kind == V_INT && a[1].i == 10))
        return run_fail(x, "`int` of another base than 10 is not supported");
    if (self.kind == V_UNDEFINED) return run_fail(x, "%s", self.why);
    if (self.kind == V_INT || self.kind == V_BOOL) return *out = v_int(self.i), true;
    if (self.kind == V_FLOAT && truncated(self.f, out)) return true;
    if (self.kind == V_TEXT &&
        (number_of(x, self, false, out) || (number_of(x, self, true, &f) && truncated(f.f, out))))
        return true;
    *out = is_given(a[0]) ? a[0] : v_int(0);
    return !x->err->set;
}

static bool f_float(Run *x, Value self, const Value *a, Value *out)
{
    if (self.kind == V_UNDEFINED) return run_fail(x, "%s", self.why);
    if (v_number(self)) return *out = v_float(v_real(self)), true;
    if (self.kind == V_TEXT && number_of(x, self, true, out)) return true;
    *out = is_given(a[0]) ? a[0] : v_float(0);
    return !x->err->set;
}

static bool f_abs(Run *x, Value v, const Value *a, Value *out)
{
    (void)a;
    if (!v_number(v)) return run_fail(x, "bad operand type for abs(): '%s'", v_type(v));
    if (v.kind == V_FLOAT) return *out = v_float(v.f < 0 ? -v.f : v.f == 0 ? 0.0 : v.f), true;
    return v.i < 0 ? v_binary(x, '-', v_int(0), v_int(v.i), out) : (*out = v_int(v.i), true);
}

static bool f_tojson(Run *x, Value self, const Value *a, Value *out)
{
    JsonStyle style = {.ascii = v_truth(a[0]), .sorted = v_truth(a[3])};
    Out o = {.x = x};
    bool indented = is_given(a[1]) && a[1].kind != V_NONE;
    style.between = indented ? STR_LIT(",") : STR_LIT(", "), style.after_key = STR_LIT(": ");
    if (indented && a[1].kind == V_TEXT) style.indent = v_str(a[1]);
    else if (indented) {
        static const char blanks[] = "                                ";
        int64_t n = 0;
        if (!arg_whole(x, a[1], 0, &n)) return false;
        if (n > (int64_t)sizeof blanks - 1)
            return run_fail(x, "an indent of %" PRId64 " is more than 32, the limit", n);
        style.indent = (Str){blanks, n > 0 ? (size_t)n : 0};
    }
    if (is_given(a[2]) && a[2].kind != V_NONE) {
        List l;
        if (!v_items(x, a[2], &l)) return false;
        if (l.n != 2 || l.v[0].kind != V_TEXT || l.v[1].kind != V_TEXT)
            return run_fail(x, "separators of tojson must be two texts");
        style.between = v_str(l.v[0]), style.after_key = v_str(l.v[1]);
    }
    if (!v_json(&o, self, &style, 0)) return false;
    *out = out_value(&o);
    return true;
}

static bool take_first(Args *args, Value *out)
{
    if (!args->n) return false;
    *out = *args->v++, args->n--;
    return true;
}

static bool f_map(Run *x, Value self, Args *args, Value *out)
{
    Values got = {0};
    List l;
    Value name, path = {0}, otherwise = {0};
    bool attribute = !args->n && args->n_named;
    for (size_t i = 0; i < args->n_named && attribute; i++) {
        if (str_is(args->name[i], "attribute")) path = args->named[i];
        else if (str_is(args->name[i], "default")) otherwise = args->named[i];
        else
            return run_fail(x, "Unexpected keyword argument '%.*s'",
                            (int)(args->name[i].n < 40 ? args->name[i].n : 40), args->name[i].s);
    }
    if (attribute && !is_given(path)) return run_fail(x, "map requires a filter argument");
    if (!attribute && !take_first(args, &name)) return run_fail(x, "map requires a filter argument");
    if ((!attribute && !arg_text(x, "the filter of map", name)) || !v_items(x, self, &l)) return false;
    for (size_t i = 0; i < l.n; i++) {
        Value v;
        Args copy = *args;
        if (!(attribute ? deep_attribute(x, l.v[i], path, otherwise, &v)
                        : call_filter(x, v_str(name), l.v[i], &copy, &v)) ||
            !values_add(x, &got, v))
            return false;
    }
    return v_list(x, V_ITER, got.v, got.n, out);
}

// select, reject, selectattr, rejectattr: those items that pass a test (or are true), or those that do not.
static bool choose(Run *x, Value self, Args *args, bool by_attribute, bool wanted, Value *out)
{
    Values got = {0};
    List l;
    Value path = {0}, name = {0};
    if (by_attribute && !take_first(args, &path)) return run_fail(x, "Missing parameter for attribute name");
    bool test = take_first(args, &name);
    if ((test && !arg_text(x, "the test", name)) || !v_items(x, self, &l)) return false;
    for (size_t i = 0; i < l.n; i++) {
        Value v = l.v[i], passed = {0};
        Args copy = *args;
        if (by_attribute && !deep_attribute(x, v, path, (Value){0}, &v)) return false;
        if (test && !call_test(x, v_str(name), v, &copy, &passed)) return false;
        if (v_truth(test ? passed : v) == wanted && !values_add(x, &got, l.v[i])) return false;
    }
    return v_list(x, V_ITER, got.v, got.n, out);
}

static bool f_select(Run *x, Value self, Args *args, Value *out)
{
    return choose(x, self, args, false, true, out);
}
static bool f_reject(Run *x, Value self, Args *args, Value *out)
{
    return choose(x, self, args, false, false, out);
}
static bool f_selectattr(Run *x, Value self, Args *args, Value *out)
{
    return choose(x, self, args, true, true, out);
}
static bool f_rejectattr(Run *x, Value self, Args *args, Value *out)
{
    return choose(x, self, args, true, false, out);
}

static const Builtin filters[] = {
    {"trim", "chars", 0, f_trim, 0},
    {"tojson", "ensure_ascii indent separators sort_keys", 0, f_tojson, 0},
    {"length", "", 0, f_length, 0},
    {"count", "", 0, f_length, 0},
    {"first", "", 0, f_first, 0},
    {"last", "", 0, f_last, 0},
    {"join", "d attribute", 0, f_join, 0},
    {"default", "default_value boolean", 0, f_default, 0},
    {"d", "default_value boolean", 0, f_default, 0},
    {"replace", "old new count", 2, f_replace, 0},
    {"upper", "", 0, f_upper, 0},
    {"lower", "", 0, f_lower, 0},
    {"title", "", 0, f_title, 0},
    {"capitalize", "", 0, f_capitalize, 0},
    {"items", "", 0, f_items, 0},
    {"select", "", 0, 0, f_select},
    {"reject", "", 0, 0, f_reject},
    {"selectattr", "", 0, 0, f_selectattr},
    {"rejectattr", "", 0, 0, f_rejectattr},
    {"map", "", 0, 0, f_map},
    {"list", "", 0, f_list, 0},
    {"string", "", 0, f_string, 0},
    {"safe", "", 0, f_safe, 0},
    {"reverse", "", 0, f_reverse, 0},
    {"int", "default base", 0, f_int, 0},
    {"float", "default", 0, f_float, 0},
    {"abs", "", 0, f_abs, 0},
};

bool call_filter(Run *x, Str name, Value self, Args *args, Value *out)
{
    const Builtin *b = builtin_named(x, filters, COUNT(filters), "filter", name);
    if (!b) return false;
    if (x->depth >= JINJA_DEPTH)
        return run_fail(x, "filters are nested deeper than %d, the limit", JINJA_DEPTH);
    x->depth++;
    bool ok = run_work(x, 0) && call_builtin(x, b, "filter", self, args, out);
    x->depth--;
    return ok;
}

// ------------------------------------------------------------------------------------------------ tests

#define TEST_OF(name, condition)                                                                             \
    static bool t_##name(Run *x, Value self, const Value *a, Value *out)                                     \
    {                                                                                                        \
        (void)x, (void)a;                                                                                    \
        *out = v_bool(condition);                                                                            \
        return true;                                                                                         \
    }
TEST_OF(defined, self.kind != V_UNDEFINED)
TEST_OF(undefined, self.kind == V_UNDEFINED)
TEST_OF(none, self.kind == V_NONE)
TEST_OF(boolean, self.kind == V_BOOL)
TEST_OF(true, self.kind == V_BOOL && self.i)
TEST_OF(false, self.kind == V_BOOL && !self.i)
TEST_OF(integer, self.kind == V_INT)
TEST_OF(float, self.kind == V_FLOAT)
TEST_OF(number, v_number(self))
TEST_OF(string, self.kind == V_TEXT)
TEST_OF(mapping, self.kind == V_DICT)
TEST_OF(iterable,
        self.kind == V_UNDEFINED || (self.kind >= V_TEXT && self.kind <= V_DICT) || self.kind == V_LOOP)
TEST_OF(sequence, self.kind == V_TEXT || self.kind == V_LIST || self.kind == V_TUPLE ||
                      self.kind == V_RANGE || self.kind == V_DICT || self.kind == V_UNDEFINED)
TEST_OF(callable, self.kind >= V_LOOP || self.kind == V_UNDEFINED)

static bool t_eq(Run *x, Value self, const Value *a, Value *out)
{
    bool same;
    if (!v_equal(x, self, a[0], &same)) return false;
    return *out = v_bool(same), true;
}

static bool t_ne(Run *x, Value self, const Value *a, Value *out)
{
    if (!t_eq(x, self, a, out)) return false;
    return out->i = !out->i, true;
}

static bool t_in(Run *x, Value self, const Value *a, Value *out)
{
    bool is;
    if (!v_contains(x, self, a[0], &is)) return false;
    return *out = v_bool(is), true;
}

#define ORDER_OF(name, word, condition)                                                                      \
    static bool t_##name(Run *x, Value self, const Value *a, Value *out)                                     \
    {                                                                                                        \
        int c;                                                                                               \
        if (!v_order(x, self, a[0], word, &c)) return false;                                                 \
        *out = v_bool(condition);                                                                            \
        return true;                                                                                         \
    }
ORDER_OF(lt, "<", c < 0)
ORDER_OF(le, "<=", c <= 0)
ORDER_OF(gt, ">", c == 1)
ORDER_OF(ge, ">=", c == 0 || c == 1)

static bool remainder_is(Run *x, Value v, Value by, int64_t wanted, Value *out)
{
    Value r;
    bool same;
    if (!v_binary(x, '%', v, by, &r) || !v_equal(x, r, v_int(wanted), &same)) return false;
    return *out = v_bool(same), true;
}

static bool t_odd(Run *x, Value v, const Value *a, Value *out)
{
    return (void)a, remainder_is(x, v, v_int(2), 1, out);
}
static bool t_even(Run *x, Value v, const Value *a, Value *out)
{
    return (void)a, remainder_is(x, v, v_int(2), 0, out);
}
static bool t_divisibleby(Run *x, Value v, const Value *a, Value *out)
{
    return remainder_is(x, v, a[0], 0, out);
}

static const Builtin tests[] = {
    {"defined", "", 0, t_defined, 0},
    {"undefined", "", 0, t_undefined, 0},
    {"none", "", 0, t_none, 0},
    {"boolean", "", 0, t_boolean, 0},
    {"true", "", 0, t_true, 0},
    {"false", "", 0, t_false, 0},
    {"integer", "", 0, t_integer, 0},
    {"float", "", 0, t_float, 0},
    {"number", "", 0, t_number, 0},
    {"string", "", 0, t_string, 0},
    {"mapping", "", 0, t_mapping, 0},
    {"iterable", "", 0, t_iterable, 0},
    {"sequence", "", 0, t_sequence, 0},
    {"callable", "", 0, t_callable, 0},
    {"eq", "other", 1, t_eq, 0},
    {"equalto", "other", 1, t_eq, 0},
    {"==", "other", 1, t_eq, 0},
    {"ne", "other", 1, t_ne, 0},
    {"!=", "other", 1, t_ne, 0},
    {"lt", "other", 1, t_lt, 0},
    {"lessthan", "other", 1, t_lt, 0},
    {"<", "other", 1, t_lt, 0},
    {"le", "other", 1, t_le, 0},
    {"<=", "other", 1, t_le, 0},
    {"gt", "other", 1, t_gt, 0},
    {"greaterthan", "other", 1, t_gt, 0},
    {">", "other", 1, t_gt, 0},
    {"ge", "other", 1, t_ge, 0},
    {">=", "other", 1, t_ge, 0},
    {"in", "seq", 1, t_in, 0},
    {"odd", "", 0, t_odd, 0},
    {"even", "", 0, t_even, 0},
    {"divisibleby", "num", 1, t_divisibleby, 0},
};

bool call_test(Run *x, Str name, Value self, Args *args, Value *out)
{
    const Builtin *b = builtin_named(x, tests, COUNT(tests), "test", name);
    if (!b) return false;
    return run_work(x, 0) && call_builtin(x, b, "test", self, args, out);
}
