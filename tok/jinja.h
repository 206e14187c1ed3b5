// SPDX-License-Identifier: Apache-2.0
// jinja.h — the template language of chat templates (jinja_*.c: lex, parse, run; value, text, print;
// call, filter).
//
// A subset of Jinja 3.1 as transformers sets it up (trim_blocks, lstrip_blocks, loop controls, no autoescape, the
// immutable sandbox), with Python's meaning of every operator, method and printed value. What lies beyond the subset is
// refused in a sentence that names it; the head of jinja_run.c lists the places where the subset itself is cut short.
//
// A template is untrusted: depth, steps, memory and the length of texts have limits (below), and nothing recurses
// further than they say.
//
// Every byte of a text knows where it comes from: its mark is 0 if the template wrote it and otherwise what the caller
// gave the value it was taken from (the number of a message). Whatever copies bytes copies their marks.
#pragma once
#include "tok.h"

enum {
    JINJA_SOURCE = 1 << 20, // bytes of a template
    JINJA_NESTING = 200,    // brackets, blocks, `not`s and the like inside each other
    JINJA_DEPTH = 500, // expressions and statements inside each other while they run, macros that call macros
    JINJA_VALUES = 200,     // lists in lists that are printed or compared
    JINJA_STEPS = 10000000, // expressions and statements carried out, and 64 bytes copied count as one
    JINJA_TEXT = 1 << 23,   // bytes of one text
    JINJA_MEMORY = 1 << 28, // bytes of all values
    JINJA_RANGE = 100000,   // numbers of one range(), as in Jinja's sandbox
    JINJA_ARGUMENTS = 6,
};

// ------------------------------------------------------------------------------------------------ values

typedef enum {
    V_MISSING, // an argument that was not given
    V_UNDEFINED,
    V_NONE,
    V_BOOL,
    V_INT,
    V_FLOAT,
    V_TEXT,
    V_LIST,
    V_TUPLE,
    V_RANGE,
    V_VIEW, // dict.keys(), .values(), .items()
    V_ITER, // what map, select, items, ... give: walked through once
    V_DICT,
    V_NAMESPACE,
    V_LOOP,
    V_FUNCTION,
    V_METHOD,
    V_MACRO,
} ValueKind;

typedef struct Value {
    ValueKind kind;
    bool safe;       // a text that came out of `safe` (Python's Markup)
    uint32_t origin; // a text without marks: the mark of all its bytes
    union {
        int64_t i; // V_INT, V_BOOL
        double f;
        const char *s;   // V_TEXT
        const char *why; // V_UNDEFINED: the sentence of whoever uses it
        struct List *list;
        struct Dict *dict;
        struct Loop *loop;
        const struct Builtin *builtin;
        const struct Method *method;
        const struct Macro *macro;
    };
    const uint32_t *mark; // V_TEXT: [n], or NULL
    size_t n;
} Value;

typedef struct List { // never changed, so slices share their items
    const Value *v;
    size_t n;
    int64_t start, end, step; // V_RANGE
    size_t taken;             // V_ITER: how many were
    const char *name;         // V_VIEW: "dict_items"
} List;

typedef struct Dict { // in the order of insertion
    Value *key, *value;
    uint64_t *hash;
    size_t n, room;
} Dict;

typedef struct Loop {
    List items;
    size_t at;
} Loop;

typedef struct Scope {
    struct Scope *parent;
    struct Variable *first;
} Scope;

typedef struct Variable {
    Str name;
    uint64_t hash;
    Value value;
    struct Variable *next;
} Variable;

typedef struct Args {
    Value *v;
    size_t n;
    const Str *name; // of the keywords
    Value *named;
    size_t n_named;
} Args;

// One rendering.
typedef struct Run {
    Arena *arena;
    Err *err;
    const char *where; // "FOLDER/tokenizer_config.json: chat_template"
    uint32_t line;     // of what is carried out
    size_t steps, depth;
    Str date; // of strftime_now: "" (refused), "today", "2024-07-26" or "2024-07-26 12:30:00"
    Scope *scope;
    struct Out *out;
    struct Out *last; // the text that was joined last: `x + y` goes on where x ended if nothing else did
} Run;

// What filters, tests, methods and global functions are: a row in a table of jinja_call.c, jinja_filter.c or jinja_text.c.
typedef struct Builtin {
    const char *name, *params; // "old new count": given by place or by name
    int required;              // of them
    bool (*run)(Run *x, Value self, const Value *arg, Value *out); // arg[i].kind V_MISSING: not given
    bool (*any)(Run *x, Value self, Args *args, Value *out);       // instead: takes what comes
} Builtin;

typedef struct Method {
    const Builtin *builtin;
    Value self;
} Method;

typedef struct Macro {
    const struct Node *node;
    Scope *scope; // where it was defined
} Macro;

// A text that grows. Every put fails when a limit is reached.
typedef struct Out {
    Run *x;
    char *s;
    uint32_t *mark;
    size_t n, room;
} Out;

bool run_fail(Run *x, const char *format, ...)
    __attribute__((format(printf, 2, 3))); // "where: line 3: ..."; false
bool run_too_deep(Run *x);           // the error of printing or comparing what goes deeper than JINJA_VALUES
bool run_work(Run *x, size_t bytes); // counts it; false if too much was done already
void *run_room(Run *x, size_t count, size_t size); // zeroed memory, or NULL and an error at the limit

bool out_put(Out *o, const char *s, size_t n, const uint32_t *mark, uint32_t origin);
bool out_text(Out *o, Value text);
bool out_words(Out *o, const char *s);
Value out_value(const Out *o);

static inline Value v_bool(bool b) { return (Value){.kind = V_BOOL, .i = b}; }
static inline Value v_int(int64_t i) { return (Value){.kind = V_INT, .i = i}; }
static inline Value v_float(double f) { return (Value){.kind = V_FLOAT, .f = f}; }
static inline Value v_text(Str s, uint32_t origin)
{
    return (Value){.kind = V_TEXT, .s = s.s ? s.s : "", .n = s.n, .origin = origin};
}
static inline Str v_str(Value v) { return (Str){v.s, v.n}; }
static inline bool v_number(Value v) { return v.kind == V_BOOL || v.kind == V_INT || v.kind == V_FLOAT; }
static inline double v_real(Value v) { return v.kind == V_FLOAT ? v.f : (double)v.i; }
Value v_part(Value text, size_t from, size_t n); // some of its bytes
bool v_list(Run *x, ValueKind kind, const Value *v, size_t n, Value *out);
bool v_undefined(Run *x, Value *out, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *v_type(Value v); // Python's name of its type: "str", "dict", ...

Value *dict_get(Run *x, const Dict *d, Value key); // NULL if it is not there
bool dict_put(Run *x, Dict *d, Value key, Value value);
Dict *dict_new(Run *x, size_t expected);

bool v_truth(Value v);

bool v_string(Run *x, Value v, Value *out);   // str(v)
bool v_repr(Out *o, Value v, unsigned depth); // repr(v)
bool v_equal(Run *x, Value a, Value b, bool *out);
bool v_order(Run *x, Value a, Value b, const char *op,
             int *out); // <0, 0, >0; fails if the two have no order (2: NaN)
bool v_contains(Run *x, Value item, Value in, bool *out);
bool v_items(Run *x, Value v, List *out);                  // what `for` walks through: an iterator is used up
bool v_index(Run *x, Value base, Value index, Value *out); // base[index]
bool v_slice(Run *x, Value base, Value from, Value to, Value step, Value *out);
bool v_binary(Run *x, int op, Value a, Value b, Value *out); // '+' '-' '*' '/' '%', 'f' (//), 'p' (**)
typedef struct JsonStyle {
    bool ascii, sorted;
    Str indent, between, after_key; // indent.s NULL: all on one line
} JsonStyle;
bool v_json(Out *o, Value v, const JsonStyle *style, unsigned depth);

typedef struct Values { // a list that grows
    Value *v;
    size_t n, room;
} Values;
bool values_add(Run *x, Values *l, Value v);
bool values_reversed(Run *x, const Values *l, Value *out); // a list

// ------------------------------------------------------------------------------------------------ texts (jinja_text.c)

size_t text_length(Value text);                     // in characters
size_t text_byte(Value text, size_t character);     // where it begins; the length too
size_t text_character(Value text, size_t byte);     // how long the character is that begins there
size_t text_width(Value v, size_t i, uint32_t *cp); // the same, and which it is
size_t text_width_before(Value v, size_t end, uint32_t *cp);

typedef enum {
    UPPER,
    LOWER,
    TITLE,
    CAPITAL,
    WORDS
} TextCase; // of all letters; of words as str.title(); of the first;
            // of words as the filter `title`
bool text_case(Run *x, Value v, TextCase to, Value *out);
bool text_strip(Run *x, Value v, Value chars, bool left, bool right,
                Value *out); // chars: V_MISSING for white space
bool text_replace(Run *x, Value v, Value old, Value fresh, int64_t most, Value *out);
bool text_join(Run *x, Value between, const List *l, bool to_text,
               Value *out); // to_text: of any values, by str()
extern const struct Builtin text_methods[];
extern const size_t n_text_methods;

// ------------------------------------------------------------------------------------------------ calls (jinja_call.c)

bool v_pairs(Run *x, const Dict *d, Value **out); // [d->n] tuples of key and value
// What a function gets: a whole number (`otherwise` if it is missing), a text; or an error.
static inline bool is_given(Value v) { return v.kind != V_MISSING; }
bool arg_whole(Run *x, Value v, int64_t otherwise, int64_t *out);
bool arg_text(Run *x, const char *what, Value v);

const Builtin *builtin_row(const Builtin *table, size_t n, Str name);               // NULL: none
const char *builtin_names(const Builtin *table, size_t n, char *text, size_t size); // "a, b, c"
const Builtin *builtin_named(Run *x, const Builtin *table, size_t n, const char *what, Str name); // or fails
const Builtin *jinja_function(Str name); // range, dict, namespace, raise_exception, strftime_now; NULL: none
bool call_filter(Run *x, Str name, Value self, Args *args, Value *out);
bool call_test(Run *x, Str name, Value self, Args *args, Value *out);
bool call_builtin(Run *x, const Builtin *b, const char *what, Value self, Args *args, Value *out);
bool v_attribute(Run *x, Value base, Str name, bool item_first, Value *out); // base.name, or base['name']

// ------------------------------------------------------------------------------------------------ templates

typedef enum {
    // expressions
    N_CONST,   // value
    N_NAME,    // name
    N_LIST,    // list
    N_TUPLE,   // list
    N_DICT,    // list: key, value, key, value, ...
    N_ATTR,    // a.name
    N_ITEM,    // a[b]
    N_SLICE,   // a[b:c:d]
    N_CALL,    // a(list, named)
    N_FILTER,  // a | name(list, named); a is NULL at the end of a block's chain
    N_TEST,    // a is name(list, named)
    N_NOT,     // a
    N_SIGN,    // op a
    N_BINARY,  // a op b
    N_AND,     // a b
    N_OR,      // a b
    N_CONCAT,  // list
    N_COMPARE, // a, list of N_OPERAND
    N_OPERAND, // op a: '=' '!' '<' '>' 'l' (<=) 'g' (>=) 'i' (in) 'n' (not in)
    N_COND,    // b if a else c (c may be NULL)
    N_NSREF,   // name.value = ...
    N_KEYWORD, // name = a; of a macro: a parameter and its default or NULL; of a call without a name: **a
    N_SPREAD,  // *a among the arguments
    // statements
    N_TEXT,      // value
    N_PRINT,     // a
    N_IF,        // a (NULL: else), list, b: the next branch
    N_FOR,       // a in b if c, list, named: the else branch
    N_SET,       // a = b
    N_SETBLOCK,  // a = list, filtered by b
    N_FILTERED,  // list, filtered by b
    N_SCOPE,     // list
    N_MACRO,     // name, named: parameters, list
    N_CALLBLOCK, // a: the call, whose macro finds list and named (as a macro's) under the name caller
    N_BREAK,
    N_CONTINUE,
} NodeKind;

typedef struct Node {
    NodeKind kind;
    uint32_t line;
    int op;
    Str name;
    uint64_t hash; // of name
    Value value;
    struct Node *a, *b, *c, *d, *list, *named, *next;
} Node;

typedef enum {
    T_END,
    T_DATA,
    T_BLOCK,
    T_BLOCK_END,
    T_PRINT,
    T_PRINT_END,
    T_NAME,
    T_TEXT,
    T_INT,
    T_FLOAT,
    T_OP
} TokenKind;

typedef struct JinjaToken {
    TokenKind kind;
    uint32_t line;
    Str text; // of names and operators as written; of data and texts what they mean
    int64_t i;
    double f;
} JinjaToken;

// The tokens of a template, the last T_END. where: for messages.
bool jinja_lex(Arena *a, Str source, const char *where, JinjaToken **out, Err *e);
// The statements of a template: a list by `next`, NULL if it is empty.
bool jinja_parse(Arena *a, Str source, const char *where, const Node **out, Err *e);
// Carries a template out: x has an arena, err, where, date and a scope with the variables.
bool jinja_run(Run *x, const Node *statements, Out *out);
bool scope_set(Run *x, Scope *scope, Str name, Value value);
