// SPDX-License-Identifier: Apache-2.0
// jinja_run.c — carries a template out: expressions, statements, scopes.
//
// Scopes as Jinja has them: what is set in a loop's body, a macro, a block of `set`, `filter` or `generation` ends with
// it (each turn of a loop starts anew); `if` has no scope of its own. A macro sees the scope in which it was written.
//
// Where this differs from Jinja, on purpose and in a sentence where it can be seen: whole numbers have 64 bits;
// printing of generators, functions and loops, % formatting, and ** before an argument are refused; upper and lower
// map one character to one (and U+00DF to SS). Unseen: a variable of the caller's that the same scope sets only
// further down keeps its value until then in blocks inside, where Jinja has it undefined.
#include "jinja.h"

#include <string.h>

typedef enum { GO, STOP_LOOP, NEXT_TURN, FAILED } Flow;

static bool eval(Run *x, const Node *n, Value *out);
static Flow body(Run *x, const Node *n);

// ------------------------------------------------------------------------------------------------ scopes

static Scope *new_scope(Run *x, Scope *parent)
{
    Scope *s = run_room(x, 1, sizeof *s);
    if (s) s->parent = parent;
    return s;
}

static Variable *variable_in(const Scope *s, Str name, uint64_t hash, size_t *looked)
{
    Variable *v = s->first;
    for (; v && !(v->hash == hash && str_eq(v->name, name)); v = v->next) ++*looked;
    return v;
}

static bool set_name(Run *x, Scope *s, Str name, uint64_t hash, Value value)
{
    size_t looked = 0;
    Variable *v = variable_in(s, name, hash, &looked);
    if (!v) {
        v = run_room(x, 1, sizeof *v);
        if (!v) return false;
        *v = (Variable){name, hash, value, s->first};
        s->first = v;
    }
    v->value = value;
    return run_work(x, looked * 8);
}

bool scope_set(Run *x, Scope *scope, Str name, Value value)
{
    return set_name(x, scope, name, str_hash(name, 0), value);
}

static bool name_value(Run *x, const Node *n, Value *out)
{
    size_t looked = 0;
    for (const Scope *s = x->scope; s; s = s->parent) {
        const Variable *v = variable_in(s, n->name, n->hash, &looked);
        looked++;
        if (!v) continue;
        *out = v->value;
        return run_work(x, looked * 8);
    }
    const Builtin *b = jinja_function(n->name);
    if (b) return *out = (Value){.kind = V_FUNCTION, .builtin = b}, true;
    if (str_is(n->name, "varargs") || str_is(n->name, "kwargs"))
        return run_fail(x, "'%.*s' of macros is not supported", (int)n->name.n, n->name.s);
    return run_work(x, looked * 8) &&
           v_undefined(x, out, "'%.*s' is undefined", (int)(n->name.n < 100 ? n->name.n : 100), n->name.s);
}

// Puts a value into a name, several names, or an attribute of a namespace.
static bool assign(Run *x, const Node *target, Value value)
{
    if (target->kind == N_NAME) return set_name(x, x->scope, target->name, target->hash, value);
    if (target->kind == N_NSREF) {
        Value ns;
        if (!name_value(x, target, &ns)) return false;
        if (ns.kind != V_NAMESPACE) return run_fail(x, "cannot assign attribute on non-namespace object");
        if (target->value.s[0] == '_')
            return run_fail(x, "Chat templates cannot store underscore-prefixed attributes on a namespace");
        return dict_put(x, ns.dict, target->value, value);
    }
    List l;
    const Node *t = target->list;
    if (!v_items(x, value, &l)) return false;
    size_t wanted = 0;
    for (; t; t = t->next) wanted++;
    if (l.n != wanted)
        return run_fail(x, "%s values to unpack (expected %zu, got %zu)",
                        l.n < wanted ? "not enough" : "too many", wanted, l.n);
    t = target->list;
    for (size_t i = 0; i < l.n; i++, t = t->next) {
        if (x->depth >= JINJA_DEPTH) return run_fail(x, "nested deeper than %d, the limit", JINJA_DEPTH);
        x->depth++;
        bool ok = assign(x, t, l.v[i]);
        x->depth--;
        if (!ok) return false;
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ calls

static bool values(Run *x, const Node *list, Value **out, size_t *count)
{
    size_t n = 0;
    for (const Node *a = list; a; a = a->next) n++;
    *out = NULL, *count = n;
    if (n && !(*out = run_room(x, n, sizeof **out))) return false;
    Value *v = *out;
    for (const Node *a = list; a; a = a->next)
        if (!eval(x, a, v++)) return false;
    return true;
}

// The arguments that are given by place, those of `*list` among them.
static bool placed(Run *x, const Node *list, Args *out)
{
    Values all = {0};
    for (const Node *a = list; a; a = a->next) {
        Value v;
        List l = {.v = &v, .n = 1};
        if (!eval(x, a->kind == N_SPREAD ? a->a : a, &v) || (a->kind == N_SPREAD && !v_items(x, v, &l)))
            return false;
        for (size_t i = 0; i < l.n; i++)
            if (!values_add(x, &all, l.v[i])) return false;
    }
    out->v = all.v, out->n = all.n;
    return true;
}

static bool arguments(Run *x, const Node *n, Args *out)
{
    *out = (Args){0};
    if (!placed(x, n->list, out)) return false;
    for (const Node *k = n->named; k; k = k->next) out->n_named++;
    if (!out->n_named) return true;
    Str *name = run_room(x, out->n_named, sizeof *name);
    Value *v = name ? run_room(x, out->n_named, sizeof *v) : NULL;
    if (!v) return false;
    out->name = name, out->named = v;
    for (const Node *k = n->named; k; k = k->next) {
        if (!k->name.n) return run_fail(x, "'**' before an argument is not supported");
        *name++ = k->name;
        if (!eval(x, k->a, v++)) return false;
    }
    return true;
}

// Carries statements out into a text of their own, in a scope of their own.
static Flow captured(Run *x, Scope *scope, const Node *statements, Value *out)
{
    Out o = {.x = x}, *outer = x->out;
    Scope *before = x->scope;
    x->out = &o, x->scope = scope;
    Flow f = scope ? body(x, statements) : FAILED;
    x->out = outer, x->scope = before;
    *out = out_value(&o);
    return f;
}

static bool call_macro(Run *x, const Macro *m, const Args *args, const Macro *caller, Value *out)
{
    const Node *n = m->node;
    Scope *s = new_scope(x, m->scope), *before = x->scope;
    size_t i = 0, used = 0;
    if (!s) return false;
    for (const Node *p = n->named; p; p = p->next, i++) {
        const Value *v = i < args->n ? &args->v[i] : NULL;
        for (size_t k = 0; k < args->n_named; k++)
            if (str_eq(args->name[k], p->name)) {
                if (v)
                    return run_fail(x, "macro '%.*s' got two values for '%.*s'", (int)n->name.n, n->name.s,
                                    (int)p->name.n, p->name.s);
                v = &args->named[k], used++;
            }
        Value value;
        if (v) value = *v;
        else if (!p->a) {
            if (!v_undefined(x, &value, "parameter '%.*s' was not provided", (int)p->name.n, p->name.s))
                return false;
        } else {
            x->scope = s;
            bool ok = eval(x, p->a, &value);
            x->scope = before;
            if (!ok) return false;
        }
        if (!set_name(x, s, p->name, p->hash, value)) return false;
    }
    if (caller && !scope_set(x, s, STR_LIT("caller"), (Value){.kind = V_MACRO, .macro = caller}))
        return false;
    if (args->n > i || used < args->n_named)
        return run_fail(x, "macro '%.*s' takes not more than %zu argument(s), or not this name",
                        (int)n->name.n, n->name.s, i);
    return captured(x, s, n->list, out) != FAILED;
}

// caller: of a call's block, or NULL.
static bool call(Run *x, const Node *n, const Macro *caller, Value *out)
{
    Value f;
    Args args;
    if (!eval(x, n->a, &f) || !arguments(x, n, &args)) return false;
    x->line = n->line;
    if (caller && f.kind != V_MACRO && f.kind != V_UNDEFINED)
        return run_fail(x, "a call's block is for macros only");
    switch (f.kind) {
    case V_FUNCTION:
        return call_builtin(x, f.builtin, "function", (Value){0}, &args, out);
    case V_METHOD:
        return call_builtin(x, f.method->builtin, "method", f.method->self, &args, out);
    case V_MACRO:
        return call_macro(x, f.macro, &args, caller, out);
    case V_UNDEFINED:
        return run_fail(x, "%s", f.why);
    case V_LOOP:
        return run_fail(x, "recursive loops are not supported");
    default:
        return run_fail(x, "'%s' object is not callable", v_type(f));
    }
}

// A filter, or the chain of filters of a block whose innermost node has no operand: there `inner` is filtered.
static bool filtered(Run *x, const Node *n, const Value *inner, Value *out)
{
    Value v;
    Args args;
    if (x->depth >= JINJA_DEPTH)
        return run_fail(x, "filters are nested deeper than %d, the limit", JINJA_DEPTH);
    x->depth++;
    if (!n->a) v = *inner;
    bool ok = !n->a || (inner && n->a->kind == N_FILTER ? filtered(x, n->a, inner, &v) : eval(x, n->a, &v));
    x->depth--;
    if (!ok) return false;
    if (!arguments(x, n, &args)) return false;
    x->line = n->line;
    return call_filter(x, n->name, v, &args, out);
}

// ------------------------------------------------------------------------------------------------ expressions

static bool compare(Run *x, int op, Value a, Value b, bool *out)
{
    int c;
    if (op == '=' || op == '!') {
        if (!v_equal(x, a, b, out)) return false;
        return *out ^= op == '!', true;
    }
    if (op == 'i' || op == 'n') {
        if (!v_contains(x, a, b, out)) return false;
        return *out ^= op == 'n', true;
    }
    if (!v_order(x, a, b, op == '<' ? "<" : op == '>' ? ">" : op == 'l' ? "<=" : ">=", &c)) return false;
    *out = op == '<' ? c < 0 : op == '>' ? c == 1 : op == 'l' ? c <= 0 : c == 0 || c == 1;
    return true;
}

static bool compare_all(Run *x, const Node *n, Value *out)
{
    Value a, b;
    bool is = true;
    if (!eval(x, n->a, &a)) return false;
    for (const Node *o = n->list; o && is; o = o->next, a = b)
        if (!eval(x, o->a, &b) || !compare(x, o->op, a, b, &is)) return false;
    return *out = v_bool(is), true;
}

static bool concat(Run *x, const Node *n, Value *out)
{
    Out o = {.x = x};
    Value v, text;
    for (const Node *p = n->list; p; p = p->next)
        if (!eval(x, p, &v) || !v_string(x, v, &text) || !out_text(&o, text)) return false;
    return *out = out_value(&o), true;
}

static bool dict_literal(Run *x, const Node *n, Value *out)
{
    Value key, value;
    Dict *d = dict_new(x, 0);
    if (!d) return false;
    for (const Node *k = n->list; k; k = k->next->next)
        if (!eval(x, k, &key) || !eval(x, k->next, &value) || !dict_put(x, d, key, value)) return false;
    return *out = (Value){.kind = V_DICT, .dict = d}, true;
}

static bool slice(Run *x, const Node *n, Value *out)
{
    Value base, part[3] = {0};
    const Node *at[3] = {n->b, n->c, n->d};
    if (!eval(x, n->a, &base)) return false;
    for (int i = 0; i < 3; i++)
        if (at[i] && !eval(x, at[i], &part[i])) return false;
    return v_slice(x, base, part[0], part[1], part[2], out);
}

static bool negative(Run *x, const Node *n, Value *out)
{
    Value v;
    if (!eval(x, n->a, &v)) return false;
    if (v.kind == V_UNDEFINED) return run_fail(x, "%s", v.why);
    if (!v_number(v)) return run_fail(x, "bad operand type for unary %c: '%s'", n->op, v_type(v));
    if (v.kind == V_FLOAT) return *out = v_float(n->op == '-' ? -v.f : v.f), true;
    return v_binary(x, n->op, v_int(0), v_int(v.i), out);
}

static bool eval_node(Run *x, const Node *n, Value *out)
{
    Value a, b;
    Args args;
    switch (n->kind) {
    case N_CONST:
        return *out = n->value, true;
    case N_NAME:
        return name_value(x, n, out);
    case N_LIST:
    case N_TUPLE: {
        Value *v;
        size_t count;
        return values(x, n->list, &v, &count) &&
               v_list(x, n->kind == N_LIST ? V_LIST : V_TUPLE, v, count, out);
    }
    case N_DICT:
        return dict_literal(x, n, out);
    case N_ATTR:
        return eval(x, n->a, &a) && v_attribute(x, a, n->name, false, out);
    case N_ITEM:
        return eval(x, n->a, &a) && eval(x, n->b, &b) && v_index(x, a, b, out);
    case N_SLICE:
        return slice(x, n, out);
    case N_CALL:
        return call(x, n, NULL, out);
    case N_FILTER:
        return filtered(x, n, NULL, out);
    case N_TEST:
        return eval(x, n->a, &a) && arguments(x, n, &args) && call_test(x, n->name, a, &args, out);
    case N_NOT:
        if (!eval(x, n->a, &a)) return false;
        return *out = v_bool(!v_truth(a)), true;
    case N_SIGN:
        return negative(x, n, out);
    case N_BINARY:
        return eval(x, n->a, &a) && eval(x, n->b, &b) && v_binary(x, n->op, a, b, out);
    case N_AND:
    case N_OR:
        if (!eval(x, n->a, out)) return false;
        return v_truth(*out) == (n->kind == N_OR) || eval(x, n->b, out);
    case N_CONCAT:
        return concat(x, n, out);
    case N_COMPARE:
        return compare_all(x, n, out);
    case N_COND:
        if (!eval(x, n->a, &a)) return false;
        if (v_truth(a)) return eval(x, n->b, out);
        if (n->c) return eval(x, n->c, out);
        return v_undefined(
            x, out, "the inline if-expression on line %u evaluated to false and no else section was defined.",
            (unsigned)n->line);
    default:
        BUG("no expression: %d", n->kind);
    }
}

static bool eval(Run *x, const Node *n, Value *out)
{
    x->line = n->line;
    if (x->depth >= JINJA_DEPTH)
        return run_fail(x, "expressions, blocks and macros are nested deeper than %d, the limit",
                        JINJA_DEPTH);
    x->depth++;
    bool ok = run_work(x, 0) && eval_node(x, n, out);
    x->depth--;
    return ok;
}

// ------------------------------------------------------------------------------------------------ statements

// The items of a loop that pass its `if`.
static bool chosen(Run *x, const Node *n, List *l)
{
    Scope *before = x->scope;
    Value *kept = run_room(x, l->n ? l->n : 1, sizeof *kept);
    size_t count = 0;
    for (size_t i = 0; kept && i < l->n; i++) {
        Value is;
        bool ok = (x->scope = new_scope(x, before)) && assign(x, n->a, l->v[i]) && eval(x, n->c, &is);
        x->scope = before;
        if (!ok) return false;
        if (v_truth(is)) kept[count++] = l->v[i];
    }
    *l = (List){.v = kept, .n = count};
    return kept != NULL;
}

static Flow loop(Run *x, const Node *n)
{
    Value over;
    Scope *before = x->scope;
    Loop *l = run_room(x, 1, sizeof *l);
    if (!l || !eval(x, n->b, &over) || !v_items(x, over, &l->items) || (n->c && !chosen(x, n, &l->items)))
        return FAILED;
    Flow f = GO;
    bool whole_turn = false; // else is for loops of which no turn came to its end
    for (l->at = 0; l->at < l->items.n; l->at++) {
        bool ok = (x->scope = new_scope(x, before)) && assign(x, n->a, l->items.v[l->at]) &&
                  scope_set(x, x->scope, STR_LIT("loop"), (Value){.kind = V_LOOP, .loop = l}) &&
                  run_work(x, 0);
        f = ok ? body(x, n->list) : FAILED;
        x->scope = before;
        whole_turn |= f == GO;
        if (f == STOP_LOOP || f == FAILED) break;
    }
    if (f == FAILED) return FAILED;
    if (whole_turn || !n->named) return GO;
    if (!(x->scope = new_scope(x, before))) return FAILED;
    f = body(x, n->named);
    x->scope = before;
    return f;
}

static Flow set_block(Run *x, const Node *n)
{
    Value text;
    Flow f = captured(x, new_scope(x, x->scope), n->list, &text);
    if (f != GO) return f;
    if (n->b && !filtered(x, n->b, &text, &text)) return FAILED;
    if (n->kind == N_SETBLOCK) return assign(x, n->a, text) ? GO : FAILED;
    return v_string(x, text, &text) && out_text(x->out, text) ? GO : FAILED;
}

static Flow define_macro(Run *x, const Node *n)
{
    Macro *m = run_room(x, 1, sizeof *m);
    if (!m) return FAILED;
    *m = (Macro){n, x->scope};
    return set_name(x, x->scope, n->name, n->hash, (Value){.kind = V_MACRO, .macro = m}) ? GO : FAILED;
}

static Flow call_block(Run *x, const Node *n)
{
    Value v;
    Macro *m = run_room(x, 1, sizeof *m);
    if (!m) return FAILED;
    *m = (Macro){n, x->scope};
    return call(x, n->a, m, &v) && v_string(x, v, &v) && out_text(x->out, v) ? GO : FAILED;
}

static Flow run_node(Run *x, const Node *n)
{
    Value v;
    switch (n->kind) {
    case N_TEXT:
        return out_text(x->out, n->value) ? GO : FAILED;
    case N_PRINT:
        return eval(x, n->a, &v) && v_string(x, v, &v) && out_text(x->out, v) ? GO : FAILED;
    case N_IF:
        for (; n; n = n->b) {
            if (n->a && !eval(x, n->a, &v)) return FAILED;
            if (!n->a || v_truth(v)) return body(x, n->list);
        }
        return GO;
    case N_FOR:
        return loop(x, n);
    case N_SET:
        return eval(x, n->b, &v) && assign(x, n->a, v) ? GO : FAILED;
    case N_SETBLOCK:
    case N_FILTERED:
    case N_SCOPE:
        return set_block(x, n);
    case N_MACRO:
        return define_macro(x, n);
    case N_CALLBLOCK:
        return call_block(x, n);
    case N_BREAK:
        return STOP_LOOP;
    case N_CONTINUE:
        return NEXT_TURN;
    default:
        BUG("no statement: %d", n->kind);
    }
}

static Flow body(Run *x, const Node *n)
{
    if (x->depth >= JINJA_DEPTH)
        return run_fail(x, "expressions, blocks and macros are nested deeper than %d, the limit",
                        JINJA_DEPTH),
               FAILED;
    x->depth++;
    Flow f = GO;
    for (; n && f == GO; n = n->next) {
        x->line = n->line;
        f = run_work(x, 0) ? run_node(x, n) : FAILED;
    }
    x->depth--;
    return f;
}

bool jinja_run(Run *x, const Node *statements, Out *out)
{
    Out last = {.x = x};
    *out = (Out){.x = x};
    x->out = out, x->last = &last;
    return body(x, statements) != FAILED;
}
