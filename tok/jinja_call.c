// SPDX-License-Identifier: Apache-2.0
// jinja_call.c — calls: arguments, methods of lists and dicts, attributes and items, the global functions.
//
// What can be called is a row in a table. A row says how its arguments are named, so that they can be given by place or by
// name as in Python; a function gets them in that order. To add one: write the function, add the row.
#include "jinja.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

// ------------------------------------------------------------------------------------------------ arguments

// The place of a parameter among "old new count", or -1.
static int parameter(const char *params, Str name)
{
    for (int i = 0; *params; i++) {
        size_t n = strcspn(params, " ");
        if (str_eq((Str){params, n}, name)) return i;
        params += n + (params[n] == ' ');
    }
    return -1;
}

static int parameters(const char *params)
{
    int n = *params != 0;
    for (; *params; params++) n += *params == ' ';
    return n;
}

bool call_builtin(Run *x, const Builtin *b, const char *what, Value self, Args *args, Value *out)
{
    Value arg[JINJA_ARGUMENTS] = {0};
    int most = parameters(b->params);
    if (b->any) return b->any(x, self, args, out);
    if (!b->run)
        return run_fail(
            x,
            "the %s '%s' is not supported (supported: range, dict, namespace, raise_exception, strftime_now)",
            what, b->name);
    if (args->n > (size_t)most)
        return run_fail(x, "the %s '%s' takes at most %d arguments, here are %zu", what, b->name, most,
                        args->n);
    for (size_t i = 0; i < args->n; i++) arg[i] = args->v[i];
    for (size_t i = 0; i < args->n_named; i++) {
        int at = parameter(b->params, args->name[i]);
        if (at < 0 || arg[at].kind != V_MISSING)
            return run_fail(x, "the %s '%s' has no argument '%.*s'%s%s%s", what, b->name,
                            (int)(args->name[i].n < 40 ? args->name[i].n : 40), args->name[i].s,
                            most ? " left (it has: " : "", b->params, most ? ")" : "");
        arg[at] = args->named[i];
    }
    for (int i = 0; i < b->required; i++)
        if (arg[i].kind == V_MISSING)
            return run_fail(x, "the %s '%s' lacks an argument (it has: %s)", what, b->name, b->params);
    return b->run(x, self, arg, out);
}

const Builtin *builtin_row(const Builtin *table, size_t n, Str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(name, table[i].name)) return &table[i];
    return NULL;
}

// "a, b, c": what there is, for messages.
const char *builtin_names(const Builtin *table, size_t n, char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!table[i].run && !table[i].any) continue;
        int k = snprintf(text + at, size - at, "%s%s", at ? ", " : "", table[i].name);
        if (k < 0 || (at += (size_t)k) >= size) break;
    }
    return text;
}

const Builtin *builtin_named(Run *x, const Builtin *table, size_t n, const char *what, Str name)
{
    char known[400];
    const Builtin *b = builtin_row(table, n, name);
    if (!b)
        run_fail(x, "the %s '%.*s' is not supported (supported: %s)", what, (int)(name.n < 40 ? name.n : 40),
                 name.s, builtin_names(table, n, known, sizeof known));
    return b;
}

// ------------------------------------------------------------------------------------------------ lists and dicts

static bool m_index(Run *x, Value self, const Value *a, Value *out)
{
    for (size_t i = 0; i < self.list->n; i++) {
        bool same;
        if (!v_equal(x, self.list->v[i], a[0], &same)) return false;
        if (same) return *out = v_int((int64_t)i), true;
    }
    return run_fail(x, "index() found nothing that is equal in the %s", v_type(self));
}

static bool m_list_count(Run *x, Value self, const Value *a, Value *out)
{
    *out = v_int(0);
    for (size_t i = 0; i < self.list->n; i++) {
        bool same;
        if (!v_equal(x, self.list->v[i], a[0], &same)) return false;
        out->i += same;
    }
    return true;
}

static bool m_get(Run *x, Value self, const Value *a, Value *out)
{
    const Value *v = dict_get(x, self.dict, a[0]);
    *out = v ? *v : is_given(a[1]) ? a[1] : (Value){.kind = V_NONE};
    return !x->err->set;
}

bool v_pairs(Run *x, const Dict *d, Value **out)
{
    Value *pair = run_room(x, d->n ? d->n : 1, sizeof *pair),
          *both = run_room(x, d->n ? 2 * d->n : 1, sizeof *both);
    if (!pair || !both) return false;
    for (size_t i = 0; i < d->n; i++) {
        both[2 * i] = d->key[i], both[2 * i + 1] = d->value[i];
        if (!v_list(x, V_TUPLE, both + 2 * i, 2, &pair[i])) return false;
    }
    *out = pair;
    return true;
}

static bool view(Run *x, const char *name, const Value *v, size_t n, Value *out)
{
    if (!v_list(x, V_VIEW, v, n, out)) return false;
    out->list->name = name;
    return true;
}

static bool m_items(Run *x, Value self, const Value *a, Value *out)
{
    Value *v;
    return (void)a, v_pairs(x, self.dict, &v) && view(x, "dict_items", v, self.dict->n, out);
}

static bool m_keys(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, view(x, "dict_keys", self.dict->key, self.dict->n, out);
}

static bool m_values(Run *x, Value self, const Value *a, Value *out)
{
    return (void)a, view(x, "dict_values", self.dict->value, self.dict->n, out);
}

static bool m_cycle(Run *x, Value self, Args *args, Value *out)
{
    if (!args->n) return run_fail(x, "no items for cycling given");
    return *out = args->v[self.loop->at % args->n], true;
}

// What Python has besides: named, so that it is refused and not taken for an undefined value.
static const char *const other_text_methods[] = {
    "casefold",    "center",     "encode",   "expandtabs", "format",       "format_map", "index",
    "isalnum",     "isalpha",    "isascii",  "isdecimal",  "isidentifier", "islower",    "isnumeric",
    "isprintable", "istitle",    "isupper",  "ljust",      "maketrans",    "partition",  "rindex",
    "rjust",       "rpartition", "swapcase", "translate",  "zfill"};

static const Builtin dict_methods[] = {
    {"get", "key default", 1, m_get, 0},
    {"items", "", 0, m_items, 0},
    {"keys", "", 0, m_keys, 0},
    {"values", "", 0, m_values, 0},
};
static const Builtin list_methods[] = {{"index", "value", 1, m_index, 0},
                                       {"count", "value", 1, m_list_count, 0}};
static const Builtin loop_cycle = {"cycle", "", 0, 0, m_cycle};

static const char *const other_dict_methods[] = {"copy", "fromkeys"};
static const char *const changing_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
static const char *const changing_list[] = {"append", "clear",  "extend",  "insert",
                                            "pop",    "remove", "reverse", "sort"};

// ------------------------------------------------------------------------------------------------ attributes

static bool in_words(Str name, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(name, words[i])) return true;
    return false;
}

static bool loop_attribute(Run *x, const Loop *l, Str name, Value *out)
{
    int64_t at = (int64_t)l->at, n = (int64_t)l->items.n;
    if (str_is(name, "index")) *out = v_int(at + 1);
    else if (str_is(name, "index0")) *out = v_int(at);
    else if (str_is(name, "revindex")) *out = v_int(n - at);
    else if (str_is(name, "revindex0")) *out = v_int(n - at - 1);
    else if (str_is(name, "first")) *out = v_bool(at == 0);
    else if (str_is(name, "last")) *out = v_bool(at + 1 == n);
    else if (str_is(name, "length")) *out = v_int(n);
    else if (str_is(name, "depth")) *out = v_int(1);
    else if (str_is(name, "depth0")) *out = v_int(0);
    else if (str_is(name, "previtem") && at) *out = l->items.v[at - 1];
    else if (str_is(name, "previtem")) return v_undefined(x, out, "there is no previous item");
    else if (str_is(name, "nextitem") && at + 1 < n) *out = l->items.v[at + 1];
    else if (str_is(name, "nextitem")) return v_undefined(x, out, "there is no next item");
    else if (str_is(name, "changed")) return run_fail(x, "loop.changed is not supported; loop.previtem is");
    else
        return v_undefined(x, out, "'LoopContext object' has no attribute '%.*s'",
                           (int)(name.n < 40 ? name.n : 40), name.s);
    return true;
}

// The method of this name that values of this kind have; fails if Python has one and we do not.
static bool method_of(Run *x, Value base, Str name, const Builtin **out)
{
    bool text = base.kind == V_TEXT, dict = base.kind == V_DICT, list = base.kind == V_LIST;
    char known[400];
    *out = NULL;
    if (text) *out = builtin_row(text_methods, n_text_methods, name);
    else if (dict) *out = builtin_row(dict_methods, COUNT(dict_methods), name);
    else if (list || base.kind == V_TUPLE || base.kind == V_RANGE)
        *out = builtin_row(list_methods, COUNT(list_methods), name);
    else if (base.kind == V_LOOP && str_is(name, "cycle")) *out = &loop_cycle;
    if (*out) return true;
    if (text && in_words(name, other_text_methods, COUNT(other_text_methods)))
        return run_fail(x, "the method '%.*s' of texts is not supported (supported: %s)", (int)name.n, name.s,
                        builtin_names(text_methods, n_text_methods, known, sizeof known));
    if (dict && in_words(name, other_dict_methods, COUNT(other_dict_methods)))
        return run_fail(x, "the method '%.*s' of dicts is not supported (supported: %s)", (int)name.n, name.s,
                        builtin_names(dict_methods, COUNT(dict_methods), known, sizeof known));
    if (list && str_is(name, "copy"))
        return run_fail(x, "the method 'copy' of lists is not supported; lists never change");
    if (base.kind == V_RANGE && (str_is(name, "start") || str_is(name, "stop") || str_is(name, "step")))
        return run_fail(x, "attributes of ranges are not supported");
    return true;
}

// Jinja's getattr (attribute first) and getitem (item first, then attribute) of a text key.
bool v_attribute(Run *x, Value base, Str name, bool item_first, Value *out)
{
    const Builtin *method;
    int n = (int)(name.n < 80 ? name.n : 80);
    if (base.kind == V_UNDEFINED) return run_fail(x, "%s", base.why);
    if (base.kind == V_LOOP && !str_is(name, "cycle")) return loop_attribute(x, base.loop, name, out);
    if (base.kind == V_NAMESPACE) {
        const Value *v = dict_get(x, base.dict, v_text(name, 0));
        if (x->err->set) return false;
        if (v) return *out = *v, true;
    }
    if (str_starts(name, STR_LIT("__")) && str_ends(name, STR_LIT("__")))
        return run_fail(x, "access to attribute '%.*s' of '%s' object is unsafe", n, name.s, v_type(base));
    if (!method_of(x, base, name, &method)) return false;
    if (method) {
        Method *m = run_room(x, 1, sizeof *m);
        if (!m) return false;
        *m = (Method){method, base};
        *out = (Value){.kind = V_METHOD, .method = m};
        return true;
    }
    bool dict = base.kind == V_DICT,
         changes = dict ? in_words(name, changing_dict, COUNT(changing_dict))
                        : base.kind == V_LIST && in_words(name, changing_list, COUNT(changing_list));
    if (changes)
        return v_undefined(x, out, "access to attribute '%.*s' of '%s' object is unsafe", n, name.s,
                           v_type(base));
    if (dict && !item_first) {
        const Value *v = dict_get(x, base.dict, v_text(name, 0));
        if (x->err->set) return false;
        if (v) return *out = *v, true;
    }
    if (base.kind == V_NONE) return v_undefined(x, out, "'None' has no attribute '%.*s'", n, name.s);
    return v_undefined(x, out, "'%s object' has no attribute '%.*s'", v_type(base), n, name.s);
}

bool v_index(Run *x, Value base, Value index, Value *out)
{
    Out name = {.x = x};
    if (base.kind == V_UNDEFINED) return run_fail(x, "%s", base.why);
    if (base.kind == V_DICT) {
        if (index.kind != V_LIST && index.kind != V_DICT) {
            const Value *v = dict_get(x, base.dict, index);
            if (x->err->set) return false;
            if (v) return *out = *v, true;
        }
        if (index.kind == V_TEXT) return v_attribute(x, base, v_str(index), true, out);
    } else if (index.kind == V_INT || index.kind == V_BOOL) {
        bool text = base.kind == V_TEXT;
        int64_t i = index.i;
        if (text || base.kind == V_LIST || base.kind == V_TUPLE || base.kind == V_RANGE) {
            int64_t n = (int64_t)(text ? text_length(base) : base.list->n);
            if (!run_work(x, text ? base.n : 0)) return false;
            if (i < 0) i += n;
            if (i >= 0 && i < n) {
                size_t at = text ? text_byte(base, (size_t)i) : (size_t)i;
                *out = text ? v_part(base, at, text_character(base, at)) : base.list->v[at];
                return true;
            }
        }
    } else if (index.kind == V_TEXT) return v_attribute(x, base, v_str(index), true, out);
    if (index.kind == V_UNDEFINED) return v_undefined(x, out, "%s has no element Undefined", v_type(base));
    if (index.kind > V_DICT || !v_repr(&name, index, 0))
        return run_fail(x, "a '%s' is no index", v_type(index));
    Value shown = out_value(&name);
    return v_undefined(x, out, "%s object has no element %.*s", v_type(base),
                       (int)(shown.n < 100 ? shown.n : 100), shown.s);
}

// ------------------------------------------------------------------------------------------------ functions

static bool g_range(Run *x, Value self, const Value *a, Value *out)
{
    int64_t from = 0, to = 0, step = 1;
    (void)self;
    if (!arg_whole(x, a[0], 0, &from) || !arg_whole(x, a[1], 0, &to) || !arg_whole(x, a[2], 1, &step))
        return false;
    if (!is_given(a[1])) to = from, from = 0;
    if (step == 0) return run_fail(x, "range() arg 3 must not be zero");
    uint64_t gap = step > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to;
    uint64_t by = step > 0 ? (uint64_t)step : 0 - (uint64_t)step,
             n = (step > 0 ? to > from : to < from) ? (gap - 1) / by + 1 : 0;
    if (n > JINJA_RANGE)
        return run_fail(x, "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).",
                        JINJA_RANGE);
    Value *v = run_room(x, n ? n : 1, sizeof *v);
    if (!v) return false;
    for (uint64_t i = 0; i < n; i++) v[i] = v_int((int64_t)((uint64_t)from + i * (uint64_t)step));
    if (!v_list(x, V_RANGE, v, n, out)) return false;
    out->list->start = from, out->list->end = to, out->list->step = step;
    return true;
}

// dict(mapping or pairs, name=value, ...)
static bool make_dict(Run *x, Args *args, ValueKind kind, Value *out)
{
    Dict *d = dict_new(x, 0);
    List l;
    if (!d) return false;
    if (args->n > 1) return run_fail(x, "dict expected at most 1 argument, got %zu", args->n);
    if (args->n && args->v[0].kind == V_DICT) {
        const Dict *from = args->v[0].dict;
        for (size_t i = 0; i < from->n; i++)
            if (!dict_put(x, d, from->key[i], from->value[i])) return false;
    } else if (args->n) {
        if (!v_items(x, args->v[0], &l)) return false;
        for (size_t i = 0; i < l.n; i++) {
            List pair;
            if (!v_items(x, l.v[i], &pair)) return false;
            if (pair.n != 2)
                return run_fail(x, "dictionary update sequence element #%zu has length %zu; 2 is required", i,
                                pair.n);
            if (!dict_put(x, d, pair.v[0], pair.v[1])) return false;
        }
    }
    for (size_t i = 0; i < args->n_named; i++)
        if (!dict_put(x, d, v_text(args->name[i], 0), args->named[i])) return false;
    for (size_t i = 0; i < d->n && kind == V_NAMESPACE; i++)
        if (d->key[i].kind == V_TEXT && str_starts(v_str(d->key[i]), STR_LIT("_")))
            return run_fail(x, "Chat templates cannot store underscore-prefixed attributes on a namespace");
    *out = (Value){.kind = kind, .dict = d};
    return true;
}

static bool g_dict(Run *x, Value self, Args *args, Value *out)
{
    return (void)self, make_dict(x, args, V_DICT, out);
}
static bool g_namespace(Run *x, Value self, Args *args, Value *out)
{
    return (void)self, make_dict(x, args, V_NAMESPACE, out);
}

static bool g_raise_exception(Run *x, Value self, const Value *a, Value *out)
{
    Value text;
    (void)self, (void)out;
    return v_string(x, a[0], &text) && run_fail(x, "%.*s", (int)(text.n < 700 ? text.n : 700), text.s);
}

// Whether the text looks like the form, in which a 0 stands for any digit.
static bool has_form(const char *text, const char *form)
{
    for (; *form; form++, text++)
        if (*form == '0' ? *text < '0' || *text > '9' : *text != *form) return false;
    return !*text;
}

// The date that was asked for, as fields; false and an error if it is none.
static bool date_fields(Run *x, struct tm *t)
{
    int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
    char text[32];
    if (!x->date.n)
        return run_fail(
            x, "the template writes today's date (strftime_now), and results would change overnight; give a "
               "date (2024-07-26), or 'today'");
    if (str_is(x->date, "today")) {
        time_t now = time(NULL);
        return localtime_r(&now, t) || run_fail(x, "today's date is not known");
    }
    snprintf(text, sizeof text, "%.*s", (int)(x->date.n < 31 ? x->date.n : 31), x->date.s);
    bool ok = has_form(text, "0000-00-00") || has_form(text, "0000-00-00 00:00:00");
    if (ok) sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d", &y, &mo, &d, &h, &mi, &s);
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = ok && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    if (!ok || y < 1 || mo < 1 || mo > 12 || d < 1 || d > days[mo - 1] + (mo == 2 && leap) || h > 23 ||
        mi > 59 || s > 59)
        return run_fail(x, "'%s' is no date; expected 2024-07-26, 2024-07-26 12:30:00 or today", text);
    *t = (struct tm){
        .tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d, .tm_hour = h, .tm_min = mi, .tm_sec = s};
    t->tm_yday = d - 1 + (mo > 2 && leap);
    for (int i = 0; i < mo - 1; i++) t->tm_yday += days[i];
    int before = y - 1; // days since a Monday: 1 January of the year 1 was one
    t->tm_wday = (before * 365 + before / 4 - before / 100 + before / 400 + t->tm_yday + 1) % 7;
    return true;
}

static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

// One conversion of strftime in the C locale. flag: '-' without padding, '_' with blanks, '0'.
static bool put_date(Out *o, const struct tm *t, char c, char flag)
{
    int v = 0, digits = 2;
    char pad = '0', text[40];
    switch (c) {
    case 'a':
        return out_put(o, weekdays[t->tm_wday], 3, NULL, 0);
    case 'A':
        return out_words(o, weekdays[t->tm_wday]);
    case 'h':
    case 'b':
        return out_put(o, months[t->tm_mon], 3, NULL, 0);
    case 'B':
        return out_words(o, months[t->tm_mon]);
    case 'p':
        return out_words(o, t->tm_hour < 12 ? "AM" : "PM");
    case 'n':
        return out_words(o, "\n");
    case 't':
        return out_words(o, "\t");
    case '%':
        return out_words(o, "%");
    case 'z':
    case 'Z':
        return true; // a time without a zone
    case 'f':
        return out_words(o, "000000");
    case 'F':
        return put_date(o, t, 'Y', 0) && out_words(o, "-") && put_date(o, t, 'm', 0) && out_words(o, "-") &&
               put_date(o, t, 'd', 0);
    case 'x':
    case 'D':
        return put_date(o, t, 'm', 0) && out_words(o, "/") && put_date(o, t, 'd', 0) && out_words(o, "/") &&
               put_date(o, t, 'y', 0);
    case 'R':
        return put_date(o, t, 'H', 0) && out_words(o, ":") && put_date(o, t, 'M', 0);
    case 'X':
    case 'T':
        return put_date(o, t, 'R', 0) && out_words(o, ":") && put_date(o, t, 'S', 0);
    case 'c':
        return put_date(o, t, 'a', 0) && out_words(o, " ") && put_date(o, t, 'b', 0) && out_words(o, " ") &&
               put_date(o, t, 'e', 0) && out_words(o, " ") && put_date(o, t, 'T', 0) && out_words(o, " ") &&
               put_date(o, t, 'Y', 0);
    case 'Y':
        v = t->tm_year + 1900, digits = 1;
        break;
    case 'y':
        v = (t->tm_year + 1900) % 100;
        break;
    case 'C':
        v = (t->tm_year + 1900) / 100;
        break;
    case 'm':
        v = t->tm_mon + 1;
        break;
    case 'd':
        v = t->tm_mday;
        break;
    case 'e':
        v = t->tm_mday, pad = ' ';
        break;
    case 'H':
        v = t->tm_hour;
        break;
    case 'I':
        v = t->tm_hour % 12 ? t->tm_hour % 12 : 12;
        break;
    case 'M':
        v = t->tm_min;
        break;
    case 'S':
        v = t->tm_sec;
        break;
    case 'j':
        v = t->tm_yday + 1, digits = 3;
        break;
    case 'w':
        v = t->tm_wday, digits = 1;
        break;
    case 'u':
        v = t->tm_wday ? t->tm_wday : 7, digits = 1;
        break;
    default:
        return run_fail(o->x, "'%%%c' in the format of strftime_now is not supported", c);
    }
    if (flag == '-') digits = 1;
    else if (flag) pad = flag == '_' ? ' ' : '0';
    snprintf(text, sizeof text, pad == '0' ? "%0*d" : "%*d", digits, v);
    return out_words(o, text);
}

static bool g_strftime_now(Run *x, Value self, const Value *a, Value *out)
{
    struct tm t = {0};
    Out o = {.x = x};
    (void)self;
    if (!arg_text(x, "the format of strftime_now", a[0]) || !date_fields(x, &t)) return false;
    for (size_t i = 0; i < a[0].n; i++) {
        if (a[0].s[i] != '%' || i + 1 == a[0].n) {
            if (!out_text(&o, v_part(a[0], i, 1))) return false;
            continue;
        }
        char flag = a[0].s[++i];
        bool is_flag = (flag == '-' || flag == '_' || flag == '0') && i + 1 < a[0].n;
        char c = is_flag ? a[0].s[++i] : flag;
        if (!put_date(&o, &t, (uint8_t)c < 0x80 && c > ' ' ? c : '?', is_flag ? flag : 0)) return false;
    }
    *out = out_value(&o);
    return true;
}

static const Builtin functions[] = {
    {"range", "start stop step", 1, g_range, 0},
    {"dict", "", 0, 0, g_dict},
    {"namespace", "", 0, 0, g_namespace},
    {"raise_exception", "message", 1, g_raise_exception, 0},
    {"strftime_now", "format", 1, g_strftime_now, 0},
    {"lipsum", "", 0, 0, 0}, // Jinja has these
    {"cycler", "", 0, 0, 0},
    {"joiner", "", 0, 0, 0},
};

const Builtin *jinja_function(Str name) { return builtin_row(functions, COUNT(functions), name); }
