// SPDX-License-Identifier: Apache-2.0
// jinja_value.c — values of templates as Python has them: limits, lists and dicts, comparing, slicing, arithmetic.
#include "jinja.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// ------------------------------------------------------------------------------------------------ limits

bool run_fail(Run *x, const char *format, ...)
{
    char what[800];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return err_set(x->err, "%s: line %u: %s", x->where, (unsigned)x->line, what);
}

bool run_work(Run *x, size_t bytes)
{
    x->steps += 1 + bytes / 64;
    if (x->steps > JINJA_STEPS)
        return run_fail(x, "the template does more than %d steps, the limit; does it loop?", JINJA_STEPS);
    if (arena_used(x->arena) > JINJA_MEMORY)
        return run_fail(x, "the template's values take more than %d MB, the limit", JINJA_MEMORY >> 20);
    return true;
}

void *run_room(Run *x, size_t count, size_t size)
{
    uint64_t bytes;
    if (!mul_ok(count, size, &bytes) || bytes > JINJA_MEMORY || arena_used(x->arena) + bytes > JINJA_MEMORY)
        return run_fail(x, "the template's values take more than %d MB, the limit", JINJA_MEMORY >> 20), NULL;
    return run_work(x, bytes) ? arena_zeroed(x->arena, count, size) : NULL;
}

bool run_too_deep(Run *x)
{
    return run_fail(x, "values are nested deeper than %d, the limit of printing and comparing", JINJA_VALUES);
}

// ------------------------------------------------------------------------------------------------ texts

static bool grow(Out *o, size_t n)
{
    if (n > JINJA_TEXT - o->n)
        return run_fail(o->x, "the template makes a text of more than %d MB, the limit", JINJA_TEXT >> 20);
    size_t room = o->room ? o->room : 240;
    while (room < o->n + n) room *= 2;
    if (room > JINJA_TEXT) room = JINJA_TEXT;
    char *s = run_room(o->x, room + 1, 1);
    uint32_t *mark = s ? run_room(o->x, room, sizeof *mark) : NULL;
    if (!mark) return false;
    if (o->n) memcpy(s, o->s, o->n), memcpy(mark, o->mark, o->n * sizeof *mark);
    o->s = s, o->mark = mark, o->room = room;
    return true;
}

bool out_put(Out *o, const char *s, size_t n, const uint32_t *mark, uint32_t origin)
{
    if (n == 0) return true;
    if ((n > o->room - o->n && !grow(o, n)) || !run_work(o->x, n)) return false;
    memcpy(o->s + o->n, s, n);
    if (mark) memcpy(o->mark + o->n, mark, n * sizeof *mark);
    else
        for (size_t i = 0; i < n; i++) o->mark[o->n + i] = origin;
    o->n += n;
    return true;
}

bool out_text(Out *o, Value v) { return out_put(o, v.s, v.n, v.mark, v.origin); }
bool out_words(Out *o, const char *s) { return out_put(o, s, strlen(s), NULL, 0); }

Value out_value(const Out *o)
{
    return (Value){.kind = V_TEXT, .s = o->s ? o->s : "", .mark = o->s ? o->mark : NULL, .n = o->n};
}

Value v_part(Value text, size_t from, size_t n)
{
    text.s += from, text.n = n;
    if (text.mark) text.mark += from;
    return text;
}

size_t text_length(Value v)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++) n += ((uint8_t)v.s[i] & 0xC0) != 0x80;
    return n;
}

// The byte at which character k begins; k may be the length.
size_t text_byte(Value v, size_t k)
{
    size_t i = 0;
    for (; i < v.n; i++)
        if (((uint8_t)v.s[i] & 0xC0) != 0x80 && k-- == 0) break;
    return i;
}

size_t text_character(Value v, size_t i)
{
    size_t n = 1;
    while (i + n < v.n && ((uint8_t)v.s[i + n] & 0xC0) == 0x80) n++;
    return n;
}

// ------------------------------------------------------------------------------------------------ lists and dicts

bool v_list(Run *x, ValueKind kind, const Value *v, size_t n, Value *out)
{
    static const Value none;
    List *l = run_room(x, 1, sizeof *l);
    if (!l) return false;
    l->v = v ? v : &none, l->n = n;
    *out = (Value){.kind = kind, .list = l};
    return true;
}

bool v_undefined(Run *x, Value *out, const char *format, ...)
{
    char why[300];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(why, sizeof why, format, args);
    va_end(args);
    if (n < 0 || n >= (int)sizeof why) n = sizeof why - 1;
    char *copy = run_room(x, (size_t)n + 1, 1);
    if (!copy) return false;
    memcpy(copy, why, (size_t)n);
    *out = (Value){.kind = V_UNDEFINED, .why = copy};
    return true;
}

const char *v_type(Value v)
{
    static const char *const names[] = {
        [V_MISSING] = "nothing",  [V_UNDEFINED] = "Undefined",
        [V_NONE] = "NoneType",    [V_BOOL] = "bool",
        [V_INT] = "int",          [V_FLOAT] = "float",
        [V_TEXT] = "str",         [V_LIST] = "list",
        [V_TUPLE] = "tuple",      [V_RANGE] = "range",
        [V_VIEW] = "dict view",   [V_ITER] = "generator",
        [V_DICT] = "dict",        [V_NAMESPACE] = "Namespace",
        [V_LOOP] = "LoopContext", [V_FUNCTION] = "function",
        [V_METHOD] = "method",    [V_MACRO] = "Macro",
    };
    if (v.kind == V_TEXT && v.safe) return "Markup";
    return v.kind == V_VIEW ? v.list->name : names[v.kind];
}

// Equal numbers hash alike, whatever their type; what cannot be a key gives false.
static bool hash_of(Run *x, Value v, uint64_t *out)
{
    switch (v.kind) {
    case V_TEXT:
        *out = str_hash(v_str(v), 1);
        return run_work(x, v.n);
    case V_NONE:
        *out = 2;
        return true;
    case V_UNDEFINED:
        *out = 3;
        return true;
    case V_BOOL:
    case V_INT:
        *out = (uint64_t)v.i * 0x9E3779B97F4A7C15u;
        return true;
    case V_FLOAT:
        if (v.f >= -9e18 && v.f <= 9e18 && (double)(int64_t)v.f == v.f)
            return hash_of(x, v_int((int64_t)v.f), out);
        memcpy(out, &v.f, sizeof *out);
        return true;
    case V_RANGE:
    case V_TUPLE:
        *out = 5;
        for (size_t i = 0; i < v.list->n; i++) {
            uint64_t h;
            if (x->depth >= JINJA_DEPTH) return run_too_deep(x);
            x->depth++;
            bool ok = hash_of(x, v.list->v[i], &h) && run_work(x, 0);
            x->depth--;
            if (!ok) return false;
            *out = *out * 31 + h;
        }
        return true;
    default:
        return run_fail(x, "unhashable type: '%s' as the key of a dict", v_type(v));
    }
}

static Value *find(Run *x, const Dict *d, Value key, uint64_t hash)
{
    for (size_t i = 0; i < d->n; i++) {
        bool same = d->hash[i] == hash;
        if (same && key.kind == V_TEXT && d->key[i].kind == V_TEXT)
            same = str_eq(v_str(key), v_str(d->key[i]));
        else if (same && !v_equal(x, key, d->key[i], &same)) return NULL;
        if (same) return &d->value[i];
    }
    return NULL;
}

Value *dict_get(Run *x, const Dict *d, Value key)
{
    uint64_t hash;
    return hash_of(x, key, &hash) && run_work(x, d->n) ? find(x, d, key, hash) : NULL;
}

Dict *dict_new(Run *x, size_t expected)
{
    Dict *d = run_room(x, 1, sizeof *d);
    if (!d || !expected) return d;
    d->key = run_room(x, expected, sizeof *d->key);
    d->value = d->key ? run_room(x, expected, sizeof *d->value) : NULL;
    d->hash = d->value ? run_room(x, expected, sizeof *d->hash) : NULL;
    d->room = expected;
    return d->hash ? d : NULL;
}

bool dict_put(Run *x, Dict *d, Value key, Value value)
{
    uint64_t hash;
    if (!hash_of(x, key, &hash) || !run_work(x, d->n)) return false;
    Value *old = find(x, d, key, hash);
    if (x->err->set) return false;
    if (old) return *old = value, true;
    if (d->n == d->room) {
        Dict *more = dict_new(x, d->room ? 2 * d->room : 8);
        if (!more) return false;
        if (d->n) {
            memcpy(more->key, d->key, d->n * sizeof *d->key);
            memcpy(more->value, d->value, d->n * sizeof *d->value);
            memcpy(more->hash, d->hash, d->n * sizeof *d->hash);
        }
        more->n = d->n;
        *d = *more;
    }
    d->key[d->n] = key, d->value[d->n] = value, d->hash[d->n++] = hash;
    return true;
}

bool values_add(Run *x, Values *l, Value v)
{
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 8;
        Value *more = run_room(x, room, sizeof *more);
        if (!more) return false;
        if (l->n) memcpy(more, l->v, l->n * sizeof *more);
        l->v = more, l->room = room;
    }
    l->v[l->n++] = v;
    return run_work(x, 0);
}

bool values_reversed(Run *x, const Values *l, Value *out)
{
    Value *v = run_room(x, l->n ? l->n : 1, sizeof *v);
    for (size_t i = 0; v && i < l->n; i++) v[i] = l->v[l->n - 1 - i];
    return v && v_list(x, V_LIST, v, l->n, out);
}

bool arg_whole(Run *x, Value v, int64_t otherwise, int64_t *out)
{
    if (!is_given(v)) return *out = otherwise, true;
    if (v.kind != V_INT && v.kind != V_BOOL)
        return run_fail(x, "'%s' object cannot be interpreted as an integer", v_type(v));
    return *out = v.i, true;
}

bool arg_text(Run *x, const char *what, Value v)
{
    if (v.kind == V_TEXT) return true;
    if (v.kind == V_UNDEFINED) return run_fail(x, "%s", v.why);
    return run_fail(x, "%s must be a str, not %s", what, v_type(v));
}

bool v_truth(Value v)
{
    switch (v.kind) {
    case V_MISSING:
    case V_UNDEFINED:
    case V_NONE:
        return false;
    case V_BOOL:
    case V_INT:
        return v.i != 0;
    case V_FLOAT:
        return v.f != 0;
    case V_TEXT:
        return v.n > 0;
    case V_LIST:
    case V_TUPLE:
    case V_RANGE:
    case V_VIEW:
        return v.list->n > 0;
    case V_DICT:
        return v.dict->n > 0;
    default:
        return true;
    }
}

// ------------------------------------------------------------------------------------------------ comparing

static bool equal(Run *x, Value a, Value b, unsigned depth, bool *out);

static bool equal_lists(Run *x, const List *a, const List *b, unsigned depth, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++)
        if (!equal(x, a->v[i], b->v[i], depth + 1, out)) return false;
    return true;
}

static bool equal_dicts(Run *x, const Dict *a, const Dict *b, unsigned depth, bool *out)
{
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        if (!run_work(x, b->n)) return false;
        const Value *other = find(x, b, a->key[i], a->hash[i]);
        if (x->err->set) return false;
        *out = other != NULL;
        if (other && !equal(x, a->value[i], *other, depth + 1, out)) return false;
    }
    return true;
}

static bool equal_int_float(int64_t i, double f)
{
    return f >= -9223372036854775808.0 && f < 9223372036854775808.0 && (double)(int64_t)f == f &&
           (int64_t)f == i;
}

static bool equal(Run *x, Value a, Value b, unsigned depth, bool *out)
{
    if (depth > JINJA_VALUES) return run_too_deep(x);
    if (!run_work(x, 0)) return false;
    *out = false;
    if (v_number(a) && v_number(b)) {
        if (a.kind == V_FLOAT && b.kind == V_FLOAT) *out = a.f == b.f;
        else if (a.kind == V_FLOAT) *out = equal_int_float(b.i, a.f);
        else if (b.kind == V_FLOAT) *out = equal_int_float(a.i, b.f);
        else *out = a.i == b.i;
        return true;
    }
    if (a.kind != b.kind) return true;
    switch (a.kind) {
    case V_NONE:
    case V_UNDEFINED:
        return *out = true;
    case V_TEXT:
        *out = str_eq(v_str(a), v_str(b));
        return run_work(x, a.n);
    case V_LIST:
    case V_TUPLE:
    case V_RANGE:
        return equal_lists(x, a.list, b.list, depth, out);
    case V_VIEW:
        *out = a.list == b.list;
        return true;
    case V_DICT:
        return equal_dicts(x, a.dict, b.dict, depth, out);
    case V_METHOD:
        *out = a.method == b.method;
        return true;
    default:
        *out = a.list == b.list;
        return true; // the same object
    }
}

bool v_equal(Run *x, Value a, Value b, bool *out) { return equal(x, a, b, 0, out); }

static bool order(Run *x, Value a, Value b, const char *op, unsigned depth, int *out)
{
    if (depth > JINJA_VALUES) return run_too_deep(x);
    if (!run_work(x, 0)) return false;
    if (a.kind == V_UNDEFINED || b.kind == V_UNDEFINED)
        return run_fail(x, "%s", a.kind == V_UNDEFINED ? a.why : b.why);
    if (v_number(a) && v_number(b)) {
        if (a.kind != V_FLOAT && b.kind != V_FLOAT) *out = (a.i > b.i) - (a.i < b.i);
        else {
            double p = v_real(a), q = v_real(b);
            *out = isnan(p) || isnan(q) ? 2 : (p > q) - (p < q);
        }
        return true;
    }
    if (a.kind == V_TEXT && b.kind == V_TEXT) { // UTF-8 sorts as its code points do
        int c = str_cmp(v_str(a), v_str(b));
        *out = (c > 0) - (c < 0);
        return run_work(x, a.n < b.n ? a.n : b.n);
    }
    if (a.kind != b.kind || (a.kind != V_LIST && a.kind != V_TUPLE))
        return run_fail(x, "'%s' not supported between instances of '%s' and '%s'", op, v_type(a), v_type(b));
    for (size_t i = 0; i < a.list->n && i < b.list->n; i++) {
        bool same;
        if (!equal(x, a.list->v[i], b.list->v[i], depth + 1, &same)) return false;
        if (!same) return order(x, a.list->v[i], b.list->v[i], op, depth + 1, out);
    }
    *out = (a.list->n > b.list->n) - (a.list->n < b.list->n);
    return true;
}

bool v_order(Run *x, Value a, Value b, const char *op, int *out) { return order(x, a, b, op, 0, out); }

bool v_contains(Run *x, Value item, Value in, bool *out)
{
    *out = false;
    if (in.kind == V_DICT) {
        *out = dict_get(x, in.dict, item) != NULL;
        return !x->err->set;
    }
    if (in.kind == V_TEXT) {
        if (item.kind != V_TEXT)
            return run_fail(x, "'in <string>' requires string as left operand, not %s", v_type(item));
        *out = !item.n || memmem(in.s, in.n, item.s, item.n) != NULL;
        return run_work(x, in.n);
    }
    List l;
    if (in.kind == V_NONE || v_number(in) || in.kind >= V_NAMESPACE)
        return run_fail(x, "argument of type '%s' is not iterable", v_type(in));
    if (!v_items(x, in, &l)) return false;
    for (size_t i = 0; i < l.n && !*out; i++)
        if (!v_equal(x, item, l.v[i], out)) return false;
    return true;
}

// ------------------------------------------------------------------------------------------------ parts

bool v_items(Run *x, Value v, List *out)
{
    *out = (List){0};
    switch (v.kind) {
    case V_UNDEFINED:
        return true;
    case V_LIST:
    case V_TUPLE:
    case V_RANGE:
    case V_VIEW:
        *out = (List){.v = v.list->v, .n = v.list->n};
        return true;
    case V_ITER:
        *out = (List){.v = v.list->v + v.list->taken, .n = v.list->n - v.list->taken};
        v.list->taken = v.list->n;
        return true;
    case V_DICT:
        *out = (List){.v = v.dict->key, .n = v.dict->n};
        return true;
    case V_TEXT: {
        size_t n = text_length(v), k = 0;
        Value *c = run_room(x, n ? n : 1, sizeof *c);
        if (!c) return false;
        for (size_t i = 0; i < v.n; i += c[k++].n) c[k] = v_part(v, i, text_character(v, i));
        *out = (List){.v = c, .n = n};
        return true;
    }
    default:
        return run_fail(x, "'%s' object is not iterable", v_type(v));
    }
}

// A bound of a slice, as slice.indices(n) clips it.
static int64_t bound(Value v, int64_t n, int64_t low, int64_t high, int64_t otherwise)
{
    if (v.kind == V_MISSING || v.kind == V_NONE) return otherwise;
    int64_t i = v.i;
    if (i < 0) i = i < -n ? low : i + n;
    return i < low ? low : i > high ? high : i;
}

static bool is_bound(Value v)
{
    return v.kind == V_MISSING || v.kind == V_NONE || v.kind == V_INT || v.kind == V_BOOL;
}

bool v_slice(Run *x, Value base, Value from, Value to, Value step, Value *out)
{
    bool text = base.kind == V_TEXT,
         list = base.kind == V_LIST || base.kind == V_TUPLE || base.kind == V_RANGE;
    if (base.kind == V_UNDEFINED) return run_fail(x, "%s", base.why);
    if (base.kind == V_DICT) return run_fail(x, "unhashable type: 'slice'");
    if (!text && !list) return run_fail(x, "'%s' object is not subscriptable", v_type(base));
    if (!is_bound(from) || !is_bound(to) || !is_bound(step))
        return run_fail(x, "slice indices must be integers or None or have an __index__ method");
    int64_t n = (int64_t)(text ? text_length(base) : base.list->n);
    int64_t by = step.kind == V_INT || step.kind == V_BOOL ? step.i : 1;
    if (!run_work(x, text ? base.n : 0)) return false;
    if (by == 0) return run_fail(x, "slice step cannot be zero");
    bool back = by < 0;
    int64_t i = bound(from, n, back ? -1 : 0, back ? n - 1 : n, back ? n - 1 : 0);
    int64_t end = bound(to, n, back ? -1 : 0, back ? n - 1 : n, back ? -1 : n);
    int64_t distance = back ? i - end : end - i;
    uint64_t stride = back ? 0 - (uint64_t)by : (uint64_t)by;
    size_t count = distance > 0 ? (size_t)(((uint64_t)distance - 1) / stride + 1) : 0;
    if (count <= 1 && base.kind != V_RANGE) by = 1;
    if (text && by == 1) {
        size_t a = text_byte(base, (size_t)(count ? i : 0)),
               b = text_byte(base, (size_t)(count ? i + (int64_t)count : 0));
        return *out = v_part(base, a, b - a), true;
    }
    if (!text && by == 1 && base.kind != V_RANGE)
        return v_list(x, base.kind, count ? base.list->v + i : NULL, count, out);
    List all;
    if (!v_items(x, base, &all)) return false;
    Value *v = run_room(x, count ? count : 1, sizeof *v);
    if (!v) return false;
    for (size_t k = 0; k < count; k++) v[k] = all.v[i + (int64_t)k * by];
    if (!text) {
        if (!v_list(x, base.kind, v, count, out)) return false;
        if (base.kind != V_RANGE) return true;
        const List *r = base.list;
        int64_t first, last, each;
        if (__builtin_mul_overflow(i, r->step, &first) || __builtin_add_overflow(r->start, first, &first) ||
            __builtin_mul_overflow(end, r->step, &last) || __builtin_add_overflow(r->start, last, &last) ||
            __builtin_mul_overflow(r->step, by, &each))
            return run_fail(x, "a whole number beyond 64 bits is not supported");
        *out->list = (List){v, count, .start = first, .end = last, .step = each};
        return true;
    }
    Out o = {.x = x};
    for (size_t k = 0; k < count; k++)
        if (!out_text(&o, v[k])) return false;
    *out = out_value(&o), out->safe = base.safe;
    return true;
}

// ------------------------------------------------------------------------------------------------ arithmetic

// The other side of `safe text + text`: & < > ' " written out.
static bool put_escaped(Out *o, Value v)
{
    if (v.safe) return out_text(o, v);
    for (size_t i = 0; i < v.n; i++) {
        static const char special[] = "&<>'\"";
        static const char *const words[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
        const char *c = v.s[i] ? strchr(special, v.s[i]) : NULL;
        const char *as = c ? words[c - special] : NULL;
        if (!out_put(o, as ? as : v.s + i, as ? strlen(as) : 1, NULL, v.mark ? v.mark[i] : v.origin))
            return false;
    }
    return true;
}

// a + b of texts: goes on in the buffer in which a was made, if nothing was added there since.
static bool add_texts(Run *x, Value a, Value b, Value *out)
{
    bool safe = a.safe || b.safe;
    Out *o = x->last;
    if (safe || !o->s || a.s != o->s || a.n != o->n) {
        *o = (Out){.x = x};
        if (!(safe ? put_escaped(o, a) : out_text(o, a))) return false;
    }
    if (!(safe ? put_escaped(o, b) : out_text(o, b))) return false;
    *out = out_value(o), out->safe = safe;
    return true;
}

static bool add_lists(Run *x, Value a, Value b, Value *out)
{
    size_t n = a.list->n + b.list->n;
    Value *v = run_room(x, n ? n : 1, sizeof *v);
    if (!v) return false;
    if (a.list->n) memcpy(v, a.list->v, a.list->n * sizeof *v);
    if (b.list->n) memcpy(v + a.list->n, b.list->v, b.list->n * sizeof *v);
    return v_list(x, a.kind, v, n, out);
}

static bool repeat(Run *x, Value a, int64_t times, Value *out)
{
    if (times < 0) times = 0;
    if (a.kind == V_TEXT) {
        Out o = {.x = x};
        uint64_t left;
        if (!mul_ok(a.n, (uint64_t)times, &left)) left = SIZE_MAX;
        while (left) { // twice as much each time
            Value more = o.n ? out_value(&o) : a;
            if (more.n > left) more.n = left;
            if (!out_text(&o, more)) return false;
            left -= more.n;
        }
        *out = out_value(&o), out->safe = a.safe;
        return true;
    }
    uint64_t n;
    if (!mul_ok(a.list->n, (uint64_t)times, &n)) n = SIZE_MAX;
    Value *v = run_room(x, n ? n : 1, sizeof *v);
    if (!v) return false;
    for (uint64_t i = 0; i < n; i++) v[i] = a.list->v[i % a.list->n];
    return v_list(x, a.kind, v, n, out);
}

static const char *op_name(int op)
{
    static const char names[][3] = {"+", "-", "*", "/", "%"};
    for (int i = 0; i < 5; i++)
        if (names[i][0] == op) return names[i];
    return op == 'f' ? "//" : "** or pow()";
}

static bool whole(Run *x, int op, int64_t a, int64_t b, Value *out)
{
    int64_t r = 0;
    bool large = false;
    if (b == 0 && (op == '/' || op == 'f' || op == '%'))
        return run_fail(x, op == '/' ? "division by zero" : "integer division or modulo by zero");
    if (op == '+') large = __builtin_add_overflow(a, b, &r);
    else if (op == '-') large = __builtin_sub_overflow(a, b, &r);
    else if (op == '*') large = __builtin_mul_overflow(a, b, &r);
    else if (op == '/') return *out = v_float((double)a / (double)b), true;
    else if (b == -1) large = op == 'f' && __builtin_sub_overflow((int64_t)0, a, &r); // a % -1 is 0
    else if (op == 'f') r = a / b - (a % b != 0 && (a % b < 0) != (b < 0));           // rounds down
    else if (op == '%') r = a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0);
    else if (b < 0) return run_fail(x, "a negative exponent is not supported");
    else {
        r = 1;
        for (int64_t base = a; b && !large; b >>= 1) {
            if (b & 1) large = __builtin_mul_overflow(r, base, &r);
            if (b > 1) large |= __builtin_mul_overflow(base, base, &base);
        }
    }
    if (large) return run_fail(x, "a whole number beyond 64 bits is not supported");
    *out = v_int(r);
    return true;
}

static bool real(Run *x, int op, double a, double b, Value *out)
{
    if (b == 0 && (op == '/' || op == 'f' || op == '%'))
        return run_fail(x, op == '/'   ? "float division by zero"
                           : op == 'f' ? "float floor division by zero"
                                       : "float modulo");
    if (op == 'p') return run_fail(x, "** of floats is not supported");
    if (op == '+') *out = v_float(a + b);
    else if (op == '-') *out = v_float(a - b);
    else if (op == '*') *out = v_float(a * b);
    else if (op == '/') *out = v_float(a / b);
    else { // as CPython's float_divmod
        double mod = fmod(a, b), div = (a - mod) / b;
        if (mod != 0) {
            if ((b < 0) != (mod < 0)) mod += b, div -= 1;
        } else mod = copysign(0.0, b);
        double down = div != 0 ? floor(div) : copysign(0.0, a / b);
        if (div != 0 && div - down > 0.5) down += 1;
        *out = v_float(op == '%' ? mod : down);
    }
    return true;
}

bool v_binary(Run *x, int op, Value a, Value b, Value *out)
{
    bool list_a = a.kind == V_LIST || a.kind == V_TUPLE, list_b = b.kind == V_LIST || b.kind == V_TUPLE;
    bool int_a = a.kind == V_INT || a.kind == V_BOOL, int_b = b.kind == V_INT || b.kind == V_BOOL;
    if (op == '%' && a.kind == V_TEXT)
        return run_fail(x, "formatting with %% is not supported; `~` joins texts");
    if (a.kind == V_UNDEFINED || b.kind == V_UNDEFINED)
        return run_fail(x, "%s", a.kind == V_UNDEFINED ? a.why : b.why);
    if (int_a && int_b) return whole(x, op, a.i, b.i, out);
    if (v_number(a) && v_number(b)) return real(x, op, v_real(a), v_real(b), out);
    if (op == '+' && a.kind == V_TEXT && b.kind == V_TEXT) return add_texts(x, a, b, out);
    if (op == '+' && list_a && a.kind == b.kind) return add_lists(x, a, b, out);
    if (op == '*' && (a.kind == V_TEXT || list_a) && int_b) return repeat(x, a, b.i, out);
    if (op == '*' && (b.kind == V_TEXT || list_b) && int_a) return repeat(x, b, a.i, out);
    if (op == '+' && a.kind == V_TEXT)
        return run_fail(x, "can only concatenate str (not \"%s\") to str", v_type(b));
    return run_fail(x, "unsupported operand type(s) for %s: '%s' and '%s'", op_name(op), v_type(a),
                    v_type(b));
}
