// SPDX-License-Identifier: Apache-2.0
// jinja_parse.c — tokens to a tree, by recursive descent as Jinja's parser goes: each level of precedence one function.
//
// Loosest first: x if c else y, or, and, not, comparisons and `in`, + -, ~, * / // %, **, signs, then names and literals
// with what follows them (.name [i] (args) |filter `is` test).
#include "jinja.h"

#include <stdio.h>
#include <string.h>

typedef struct Parser {
    Arena *arena;
    const JinjaToken *t; // the one to look at
    const char *where;
    Err *err;
    int depth, loops;
} Parser;

// ------------------------------------------------------------------------------------------------ helpers

static void *fail_at(const Parser *p, uint32_t line, const char *what, Str found, const char *more)
{
    err_set(p->err, "%s: line %u: %s%.*s%s", p->where, (unsigned)line, what,
            (int)(found.n < 60 ? found.n : 60), found.s, more);
    return NULL;
}

static Str seen(const Parser *p)
{
    return p->t->kind == T_END ? STR_LIT("the end of the template") : p->t->text;
}

static void *expected(const Parser *p, const char *what)
{
    char more[80];
    bool quote = p->t->kind != T_END;
    snprintf(more, sizeof more, "%s; expected %s", quote ? "'" : "", what);
    return fail_at(p, p->t->line, quote ? "found '" : "found ", seen(p), more);
}

static bool is_op(const Parser *p, const char *op) { return p->t->kind == T_OP && str_is(p->t->text, op); }
static bool is_word(const Parser *p, const char *w) { return p->t->kind == T_NAME && str_is(p->t->text, w); }

static bool skip_op(Parser *p, const char *op)
{
    if (!is_op(p, op)) return false;
    p->t++;
    return true;
}

static bool skip_word(Parser *p, const char *w)
{
    if (!is_word(p, w)) return false;
    p->t++;
    return true;
}

static bool need_op(Parser *p, const char *op)
{
    char what[8];
    snprintf(what, sizeof what, "'%s'", op);
    return skip_op(p, op) || expected(p, what);
}

static bool need_word(Parser *p, const char *w)
{
    char what[24];
    snprintf(what, sizeof what, "'%s'", w);
    return skip_word(p, w) || expected(p, what);
}

static bool need(Parser *p, TokenKind kind, const char *what)
{
    if (p->t->kind != kind) return expected(p, what);
    p->t++;
    return true;
}

static Node *node(Parser *p, NodeKind kind, uint32_t line)
{
    Node *n = arena_new(p->arena, Node, 1);
    n->kind = kind, n->line = line;
    return n;
}

static void name_it(Node *n, Str name) { n->name = name, n->hash = str_hash(name, 0); }

static Node *pair(Parser *p, NodeKind kind, uint32_t line, Node *a, Node *b)
{
    if (!a || !b) return NULL;
    Node *n = node(p, kind, line);
    n->a = a, n->b = b;
    return n;
}

// Once around each construct that can hold another of its kind: bounds the recursion. `leave` on the way out.
static bool enter(Parser *p)
{
    if (p->depth == JINJA_NESTING)
        return err_set(p->err, "%s: line %u: expressions and blocks are nested deeper than %d, the limit",
                       p->where, (unsigned)p->t->line, JINJA_NESTING);
    return ++p->depth;
}

static Node *leave(Parser *p, Node *n)
{
    p->depth--;
    return n;
}

static Node *expression(Parser *p);
static Node *or_level(Parser *p);
static Node *tuple(Parser *p, bool conditions, bool in_brackets);

// ------------------------------------------------------------------------------------------------ literals

static Node *constant(Parser *p, Value v)
{
    Node *n = node(p, N_CONST, p->t->line);
    n->value = v;
    p->t++;
    return n;
}

static Node *strings(Parser *p) // side by side they are one
{
    Node *n = node(p, N_CONST, p->t->line);
    Buf b = {.arena = p->arena};
    const JinjaToken *first = p->t;
    for (; p->t->kind == T_TEXT; p->t++)
        if (p->t != first || p->t[1].kind == T_TEXT) buf_str(&b, p->t->text);
    n->value = v_text(p->t == first + 1 ? first->text : buf_view(&b), 0);
    return n;
}

// [a, b, c] or the pairs of {a: b, c: d}; the opening bracket was read.
static Node *items(Parser *p, NodeKind kind, const char *close)
{
    Node *n = node(p, kind, p->t->line), **end = &n->list;
    while (!is_op(p, close)) {
        if (n->list && !need_op(p, ",")) return NULL;
        if (is_op(p, close)) break;
        for (int i = 0; i < (kind == N_DICT ? 2 : 1); i++) {
            if (i && !need_op(p, ":")) return NULL;
            if (!(*end = expression(p))) return NULL;
            end = &(*end)->next;
        }
    }
    p->t++;
    return n;
}

static Node *primary(Parser *p)
{
    const JinjaToken *t = p->t;
    if (t->kind == T_TEXT) return strings(p);
    if (t->kind == T_INT) return constant(p, v_int(t->i));
    if (t->kind == T_FLOAT) return constant(p, v_float(t->f));
    if (t->kind == T_NAME) {
        if (str_is(t->text, "true") || str_is(t->text, "True")) return constant(p, v_bool(true));
        if (str_is(t->text, "false") || str_is(t->text, "False")) return constant(p, v_bool(false));
        if (str_is(t->text, "none") || str_is(t->text, "None")) return constant(p, (Value){.kind = V_NONE});
        Node *n = node(p, N_NAME, t->line);
        name_it(n, t->text);
        p->t++;
        return n;
    }
    Node *n = NULL;
    if (skip_op(p, "(")) return (n = tuple(p, true, true)) && need_op(p, ")") ? n : NULL;
    if (skip_op(p, "[")) return items(p, N_LIST, "]");
    if (skip_op(p, "{")) return items(p, N_DICT, "}");
    return expected(p, "an expression");
}

// ------------------------------------------------------------------------------------------------ what follows a value

// (a, b, name=c): lists of the call's node.
static bool arguments(Parser *p, Node *call)
{
    Node **end = &call->list, **named = &call->named;
    if (!need_op(p, "(")) return false;
    for (bool first = true; !is_op(p, ")"); first = false) {
        if (!first && !need_op(p, ",")) return false;
        if (is_op(p, ")")) break;
        if (is_op(p, "*") || is_op(p, "**")) {
            bool names = p->t->text.n == 2;
            Node **to = names ? named : end;
            *to = node(p, names ? N_KEYWORD : N_SPREAD, p->t->line);
            p->t++;
            if (!((*to)->a = expression(p))) return false;
            names ? (named = &(*to)->next) : (end = &(*to)->next);
            continue;
        }
        if (p->t->kind == T_NAME && p->t[1].kind == T_OP && str_is(p->t[1].text, "=")) {
            *named = node(p, N_KEYWORD, p->t->line);
            name_it(*named, p->t->text);
            p->t += 2;
            if (!((*named)->a = expression(p))) return false;
            named = &(*named)->next;
        } else {
            if (call->named) return expected(p, "name=value: what is given by place comes first");
            if (!(*end = expression(p))) return false;
            end = &(*end)->next;
        }
    }
    p->t++;
    return true;
}

static Node *call(Parser *p, Node *callee)
{
    Node *n = node(p, N_CALL, p->t->line);
    n->a = callee;
    return arguments(p, n) ? n : NULL;
}

static Node *subscript(Parser *p, Node *base)
{
    uint32_t line = p->t->line;
    Node *part[3] = {0};
    bool slice = false;
    for (int i = 0;; i++) {
        if (!is_op(p, ":") && !is_op(p, "]") && !is_op(p, ",") && !(part[i] = expression(p))) return NULL;
        if (i == 2 || !skip_op(p, ":")) break;
        slice = true;
    }
    if (is_op(p, ",")) return expected(p, "']': several indices are not supported");
    if (!slice && !part[0]) return expected(p, "an index");
    if (!need_op(p, "]")) return NULL;
    Node *n = node(p, slice ? N_SLICE : N_ITEM, line);
    n->a = base, n->b = part[0], n->c = part[1], n->d = part[2];
    return n;
}

static Node *attribute(Parser *p, Node *base)
{
    Node *n = node(p, N_ATTR, p->t->line);
    n->a = base;
    if (p->t->kind == T_INT) { // a.0 is a[0]
        n->kind = N_ITEM;
        n->b = constant(p, v_int(p->t->i));
        return n;
    }
    if (p->t->kind != T_NAME) return expected(p, "a name after '.'");
    name_it(n, p->t->text);
    p->t++;
    return n;
}

static Node *postfix(Parser *p, Node *n)
{
    while (n) {
        if (skip_op(p, ".")) n = attribute(p, n);
        else if (skip_op(p, "[")) n = subscript(p, n);
        else if (is_op(p, "(")) n = call(p, n);
        else break;
    }
    return n;
}

// |name(args), again and again; n is NULL at the start of a block's chain. The `|` (or the word `filter`) was read.
static Node *filter(Parser *p, Node *n)
{
    do {
        Node *f = node(p, N_FILTER, p->t->line);
        f->a = n;
        name_it(f, p->t->text);
        if (!need(p, T_NAME, "the name of a filter") || (is_op(p, "(") && !arguments(p, f))) return NULL;
        n = f;
    } while (skip_op(p, "|"));
    return n;
}

static Node *test(Parser *p, Node *n)
{
    uint32_t line = p->t->line;
    bool negated = skip_word(p, "not");
    Node *t = node(p, N_TEST, line);
    t->a = n;
    name_it(t, p->t->text);
    if (!need(p, T_NAME, "the name of a test")) return NULL;
    TokenKind kind = p->t->kind;
    if (is_op(p, "(")) {
        if (!arguments(p, t)) return NULL;
    } else if ((kind == T_NAME && !is_word(p, "else") && !is_word(p, "or") && !is_word(p, "and")) ||
               kind == T_TEXT || kind == T_INT || kind == T_FLOAT || is_op(p, "[") || is_op(p, "{")) {
        if (is_word(p, "is")) return expected(p, "'and': tests are not chained");
        Node *operand = primary(p);
        if (!(t->list = postfix(p, operand))) return NULL;
    }
    if (!negated) return t;
    Node *no = node(p, N_NOT, line);
    no->a = t;
    return no;
}

static Node *filters_and_tests(Parser *p, Node *n)
{
    while (n) {
        if (skip_op(p, "|")) n = filter(p, n);
        else if (skip_word(p, "is")) n = test(p, n);
        else if (is_op(p, "(")) n = call(p, n);
        else break;
    }
    return n;
}

// ------------------------------------------------------------------------------------------------ operators

static Node *signed_value(Parser *p, bool filters)
{
    Node *n = NULL;
    if (is_op(p, "-") || is_op(p, "+")) {
        if (!enter(p)) return NULL;
        Node *sign = node(p, N_SIGN, p->t->line);
        sign->op = p->t->text.s[0];
        p->t++;
        sign->a = signed_value(p, false);
        n = leave(p, sign->a ? sign : NULL);
    } else n = primary(p);
    n = postfix(p, n);
    return filters ? filters_and_tests(p, n) : n;
}

static Node *power(Parser *p)
{
    Node *n = signed_value(p, true);
    while (n && skip_op(p, "**")) {
        n = pair(p, N_BINARY, p->t->line, n, signed_value(p, true));
        if (n) n->op = 'p';
    }
    return n;
}

static Node *product(Parser *p)
{
    Node *n = power(p);
    while (n && (is_op(p, "*") || is_op(p, "/") || is_op(p, "//") || is_op(p, "%"))) {
        int op = p->t->text.n == 2 ? 'f' : p->t->text.s[0];
        uint32_t line = p->t++->line;
        n = pair(p, N_BINARY, line, n, power(p));
        if (n) n->op = op;
    }
    return n;
}

static Node *concat(Parser *p)
{
    Node *first = product(p);
    if (!first || !is_op(p, "~")) return first;
    Node *n = node(p, N_CONCAT, p->t->line), **end = &first->next;
    n->list = first;
    while (skip_op(p, "~")) {
        if (!(*end = product(p))) return NULL;
        end = &(*end)->next;
    }
    return n;
}

static Node *sum(Parser *p)
{
    Node *n = concat(p);
    while (n && (is_op(p, "+") || is_op(p, "-"))) {
        int op = p->t->text.s[0];
        uint32_t line = p->t++->line;
        n = pair(p, N_BINARY, line, n, concat(p));
        if (n) n->op = op;
    }
    return n;
}

// The comparison at the cursor, read; 0: none.
static int comparison(Parser *p)
{
    static const char *const words[] = {"==", "!=", "<=", ">=", "<", ">"};
    for (int i = 0; i < 6; i++)
        if (skip_op(p, words[i])) return "=!lg<>"[i];
    if (skip_word(p, "in")) return 'i';
    if (!is_word(p, "not") || p->t[1].kind != T_NAME || !str_is(p->t[1].text, "in")) return 0;
    p->t += 2;
    return 'n';
}

static Node *compared(Parser *p)
{
    Node *first = sum(p), *all = NULL, **end = NULL;
    for (int op; first && (op = comparison(p));) {
        if (!all) {
            all = node(p, N_COMPARE, p->t->line);
            all->a = first, end = &all->list;
        }
        *end = node(p, N_OPERAND, p->t->line);
        (*end)->op = op;
        if (!((*end)->a = sum(p))) return NULL;
        end = &(*end)->next;
    }
    return all ? all : first;
}

static Node *not_level(Parser *p)
{
    if (!is_word(p, "not")) return compared(p);
    if (!enter(p)) return NULL;
    Node *n = node(p, N_NOT, p->t++->line);
    n->a = not_level(p);
    return leave(p, n->a ? n : NULL);
}

static Node *and_level(Parser *p)
{
    Node *n = not_level(p);
    while (n && skip_word(p, "and")) n = pair(p, N_AND, p->t->line, n, not_level(p));
    return n;
}

static Node *or_level(Parser *p)
{
    if (!enter(p)) return NULL;
    Node *n = and_level(p);
    while (n && skip_word(p, "or")) n = pair(p, N_OR, p->t->line, n, and_level(p));
    return leave(p, n);
}

static Node *expression(Parser *p)
{
    if (!enter(p)) return NULL;
    Node *n = or_level(p);
    while (n && skip_word(p, "if")) {
        Node *c = node(p, N_COND, p->t->line);
        c->b = n;
        c->a = or_level(p);
        if (!c->a || (skip_word(p, "else") && !(c->c = expression(p)))) n = NULL;
        else n = c;
    }
    return leave(p, n);
}

// One expression, or several with commas: a tuple. conditions: `x if c else y` may stand without brackets.
static Node *tuple(Parser *p, bool conditions, bool in_brackets)
{
    Node *n = node(p, N_TUPLE, p->t->line), **end = &n->list;
    bool commas = false;
    for (;;) {
        if (p->t->kind == T_PRINT_END || p->t->kind == T_BLOCK_END || is_op(p, ")") ||
            (!conditions && is_word(p, "recursive")))
            break;
        if (!(*end = conditions ? expression(p) : or_level(p))) return NULL;
        end = &(*end)->next;
        if (!skip_op(p, ",")) break;
        commas = true;
    }
    if (!commas && n->list) return n->list;
    if (!n->list && !in_brackets) return expected(p, "an expression");
    return n;
}

// ------------------------------------------------------------------------------------------------ statements

static bool block(Parser *p, const char *const *ends, Node **out);

// What a value is put into: a name, name.attribute (namespaces), or several of them.
static Node *target(Parser *p, bool attributes, const char *end_word)
{
    bool in_loop = p->loops || end_word;
    Node *n = node(p, N_TUPLE, p->t->line), **end = &n->list;
    bool commas = false;
    for (;;) {
        if (p->t->kind == T_BLOCK_END || is_op(p, ")") || (end_word && is_word(p, end_word))) break;
        Node *one = NULL;
        if (skip_op(p, "(")) {
            if (!enter(p)) return NULL;
            one = leave(p, target(p, attributes, NULL));
            if (!one || !need_op(p, ")")) return NULL;
        } else if (p->t->kind != T_NAME || !(one = primary(p)) || one->kind != N_NAME) {
            if (one) p->t--;
            return expected(p, "a name to assign to");
        } else if (attributes && skip_op(p, ".")) {
            one->kind = N_NSREF;
            one->value = v_text(p->t->text, 0);
            if (!need(p, T_NAME, "a name after '.'")) return NULL;
        }
        if (in_loop && one->kind == N_NAME && str_is(one->name, "loop"))
            return fail_at(p, one->line, "nothing can be assigned to the variable '", one->name,
                           "' of loops");
        *end = one, end = &one->next;
        if (!skip_op(p, ",")) break;
        commas = true;
    }
    if (!n->list) return expected(p, "a name to assign to");
    return commas ? n : n->list;
}

static Node *for_statement(Parser *p, uint32_t line)
{
    Node *n = node(p, N_FOR, line);
    if (!(n->a = target(p, false, "in")) || !need_word(p, "in") || !(n->b = tuple(p, false, false)))
        return NULL;
    if (skip_word(p, "if") && !(n->c = expression(p))) return NULL;
    if (is_word(p, "recursive")) return expected(p, "'%}': recursive loops are not supported");
    p->loops++;
    if (!block(p, (const char *const[]){"endfor", "else", NULL}, &n->list)) return NULL;
    p->loops--;
    if (p->t++->text.s[1] == 'l') { // else
        if (!block(p, (const char *const[]){"endfor", NULL}, &n->named)) return NULL;
        p->t++;
    }
    return n;
}

static Node *if_statement(Parser *p, uint32_t line)
{
    Node *first = node(p, N_IF, line), *n = first;
    for (;;) {
        if (!(n->a = tuple(p, false, false))) return NULL;
        if (!block(p, (const char *const[]){"elif", "else", "endif", NULL}, &n->list)) return NULL;
        Str word = p->t++->text;
        if (str_is(word, "endif")) return first;
        n = n->b = node(p, N_IF, p->t->line);
        if (str_is(word, "else")) break;
    }
    if (!block(p, (const char *const[]){"endif", NULL}, &n->list)) return NULL;
    p->t++;
    return first;
}

static Node *set_statement(Parser *p, uint32_t line)
{
    Node *n = node(p, N_SET, line);
    if (!(n->a = target(p, true, NULL))) return NULL;
    if (skip_op(p, "=")) return (n->b = tuple(p, true, false)) ? n : NULL;
    n->kind = N_SETBLOCK;
    if (skip_op(p, "|") && !(n->b = filter(p, NULL))) return NULL;
    if (!block(p, (const char *const[]){"endset", NULL}, &n->list)) return NULL;
    p->t++;
    return n;
}

// (a, b=1): the parameters of a macro.
static bool signature(Parser *p, Node *n)
{
    Node **end = &n->named;
    if (!need_op(p, "(")) return false;
    for (bool defaults = false; !is_op(p, ")");) {
        if (n->named && !need_op(p, ",")) return false;
        *end = node(p, N_KEYWORD, p->t->line);
        name_it(*end, p->t->text);
        if (!need(p, T_NAME, "a parameter's name")) return false;
        if (skip_op(p, "=")) {
            defaults = true;
            if (!((*end)->a = expression(p))) return false;
        } else if (defaults) return expected(p, "'=': a parameter before has a default");
        end = &(*end)->next;
    }
    p->t++;
    return true;
}

// The inside of a macro: no loop reaches into it.
static bool macro_body(Parser *p, Node *n, const char *end)
{
    int loops = p->loops;
    p->loops = 0;
    if (!block(p, (const char *const[]){end, NULL}, &n->list)) return false;
    p->loops = loops;
    p->t++;
    return true;
}

static Node *macro_statement(Parser *p, uint32_t line)
{
    Node *n = node(p, N_MACRO, line);
    name_it(n, p->t->text);
    return need(p, T_NAME, "the macro's name") && signature(p, n) && macro_body(p, n, "endmacro") ? n : NULL;
}

static Node *call_statement(Parser *p, uint32_t line)
{
    Node *n = node(p, N_CALLBLOCK, line);
    name_it(n, STR_LIT("caller"));
    if (is_op(p, "(") && !signature(p, n)) return NULL;
    if (!(n->a = expression(p))) return NULL;
    if (n->a->kind != N_CALL) return expected(p, "a call of a macro before it");
    return macro_body(p, n, "endcall") ? n : NULL;
}

static Node *filter_statement(Parser *p, uint32_t line)
{
    Node *n = node(p, N_FILTERED, line);
    if (!(n->b = filter(p, NULL)) || !block(p, (const char *const[]){"endfilter", NULL}, &n->list))
        return NULL;
    p->t++;
    return n;
}

// What a model is trained on, marked by transformers' own tag: text like any other.
static Node *generation_statement(Parser *p, uint32_t line)
{
    Node *n = node(p, N_SCOPE, line);
    if (!block(p, (const char *const[]){"endgeneration", NULL}, &n->list)) return NULL;
    p->t++;
    return n;
}

static Node *jump(Parser *p, NodeKind kind, uint32_t line)
{
    if (!p->loops)
        return fail_at(p, line, kind == N_BREAK ? "'break'" : "'continue'", (Str){"", 0},
                       " outside of a loop");
    return node(p, kind, line);
}

static Node *statement(Parser *p)
{
    uint32_t line = p->t->line;
    Str word = p->t->text;
    if (!need(p, T_NAME, "the name of a statement")) return NULL;
    if (str_is(word, "for")) return for_statement(p, line);
    if (str_is(word, "if")) return if_statement(p, line);
    if (str_is(word, "set")) return set_statement(p, line);
    if (str_is(word, "macro")) return macro_statement(p, line);
    if (str_is(word, "call")) return call_statement(p, line);
    if (str_is(word, "filter")) return filter_statement(p, line);
    if (str_is(word, "generation")) return generation_statement(p, line);
    if (str_is(word, "break")) return jump(p, N_BREAK, line);
    if (str_is(word, "continue")) return jump(p, N_CONTINUE, line);
    if (str_starts(word, STR_LIT("end")) || str_starts(word, STR_LIT("el")))
        return fail_at(p, line, "found '", word, "', which ends or continues nothing that is open here");
    return fail_at(p, line, "the statement '", word,
                   "' is not supported (supported: for, if, set, macro, call, filter, break, continue, raw, "
                   "generation)");
}

static bool ends_here(const Parser *p, const char *const *ends)
{
    for (; *ends; ends++)
        if (str_is(p->t->text, *ends)) return p->t->kind == T_NAME;
    return false;
}

// Statements up to a tag with one of these words, or to the end of the template. At the word the cursor stops.
static bool statements(Parser *p, const char *const *ends, Node **end)
{
    for (; p->t->kind != T_END; end = *end ? &(*end)->next : end) {
        const JinjaToken *t = p->t++;
        if (t->kind == T_DATA) {
            *end = node(p, N_TEXT, t->line);
            (*end)->value = v_text(t->text, 0);
        } else if (t->kind == T_PRINT) {
            *end = node(p, N_PRINT, t->line);
            if (!((*end)->a = tuple(p, true, false)) || !need(p, T_PRINT_END, "'}}'")) return false;
        } else {
            if (ends && ends_here(p, ends)) return true;
            if (!enter(p) || !leave(p, *end = statement(p)) || !need(p, T_BLOCK_END, "'%}'")) return false;
        }
    }
    return true;
}

// The end of a tag, then its inside up to one of the words: the cursor is on it.
static bool block(Parser *p, const char *const *ends, Node **out)
{
    uint32_t line = p->t->line;
    skip_op(p, ":");
    if (!need(p, T_BLOCK_END, "'%}'") || !statements(p, ends, out)) return false;
    if (p->t->kind != T_END) return true;
    char what[64];
    snprintf(what, sizeof what, "the block that begins in line %u has no '", (unsigned)line);
    return fail_at(p, p->t->line, what, str_of(ends[0]), "'");
}

bool jinja_parse(Arena *a, Str source, const char *where, const Node **out, Err *e)
{
    JinjaToken *token;
    Node *first = NULL;
    if (!jinja_lex(a, source, where, &token, e)) return false;
    Parser p = {.arena = a, .t = token, .where = where, .err = e};
    if (!statements(&p, NULL, &first)) return false;
    *out = first;
    return true;
}
