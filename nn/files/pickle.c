// SPDX-License-Identifier: Apache-2.0
// pickle.c — Python's pickle as a small machine that can only build data.
//
// A pickle is a program for a stack machine (CPython, Lib/pickletools.py describes each opcode), and Python's own
// machine calls whatever the program names: loading one runs its author's code. This one knows the opcodes that
// torch.save needs and a few names, each an enum value. REDUCE on such a name makes a plain struct of ours; everything
// else is refused with the opcode's name and offset. No recursion; limits as in MAX_*.
#include "pickle.h"

#include <stdio.h>
#include <string.h>

enum {
    MAX_PICKLE = 64 << 20,
    MAX_MEMO = 1 << 20,
    MAX_STACK = 1 << 16,
    MAX_MARKS = 64,
    MAX_DEPTH = 64,
    MAX_TENSORS = 1 << 16,
    MAX_VALUES = 1 << 21,
    MAX_TEXT = 1 << 20,
    MAX_LINE = 128,
    CHUNK = 4096,
};

typedef enum {
    G_ORDERED_DICT,
    G_REBUILD_V2,
    G_REBUILD_V1,
    G_REBUILD_PARAMETER,
    G_PARAMETER,
    G_SIZE,
    G_STORAGE,
    G_REFUSED
} GlobalKind;

static const struct {
    const char *module, *name;
    GlobalKind kind;
    Dtype dtype; // of a storage
} globals[] = {
    {"collections", "OrderedDict", G_ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", G_REBUILD_V2, 0},
    {"torch._utils", "_rebuild_tensor", G_REBUILD_V1, 0},
    {"torch._utils", "_rebuild_parameter", G_REBUILD_PARAMETER, 0},
    {"torch._utils", "_rebuild_parameter_with_state", G_REBUILD_PARAMETER, 0},
    {"torch.nn.parameter", "Parameter", G_PARAMETER, 0},
    {"torch", "Size", G_SIZE, 0},
    {"torch", "FloatStorage", G_STORAGE, DT_F32},
    {"torch", "HalfStorage", G_STORAGE, DT_F16},
    {"torch", "BFloat16Storage", G_STORAGE, DT_BF16},
    {"torch", "DoubleStorage", G_STORAGE, DT_F64},
    {"torch", "LongStorage", G_STORAGE, DT_I64},
    {"torch", "IntStorage", G_STORAGE, DT_I32},
    {"torch", "ShortStorage", G_STORAGE, DT_I16},
    {"torch", "CharStorage", G_STORAGE, DT_I8},
    {"torch", "ByteStorage", G_STORAGE, DT_U8},
    {"torch", "BoolStorage", G_STORAGE, DT_BOOL},
};
enum { N_GLOBALS = sizeof globals / sizeof *globals };

// The opcodes, with Python's letters.
enum {
    MARK = '(',
    STOP = '.',
    BINFLOAT = 'G',
    BININT = 'J',
    BININT1 = 'K',
    BININT2 = 'M',
    NONE = 'N',
    BINPERSID = 'Q',
    REDUCE = 'R',
    BINUNICODE = 'X',
    APPEND = 'a',
    BUILD = 'b',
    GLOBAL = 'c',
    EMPTY_DICT = '}',
    APPENDS = 'e',
    BINGET = 'h',
    LONG_BINGET = 'j',
    EMPTY_LIST = ']',
    BINPUT = 'q',
    LONG_BINPUT = 'r',
    SETITEM = 's',
    TUPLE = 't',
    EMPTY_TUPLE = ')',
    SETITEMS = 'u',
    SHORT_BINSTRING = 'U',
    PROTO = 0x80,
    TUPLE1 = 0x85,
    TUPLE2 = 0x86,
    TUPLE3 = 0x87,
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    LONG1 = 0x8a,
};

static const char *opcode_name(uint8_t op)
{
    static const char *const names[256] = {
        // those we refuse
        ['0'] = "POP",
        ['1'] = "POP_MARK",
        ['2'] = "DUP",
        ['F'] = "FLOAT",
        ['I'] = "INT",
        ['L'] = "LONG",
        ['P'] = "PERSID",
        ['S'] = "STRING",
        ['T'] = "BINSTRING",
        ['V'] = "UNICODE",
        ['d'] = "DICT",
        ['g'] = "GET",
        ['i'] = "INST",
        ['l'] = "LIST",
        ['o'] = "OBJ",
        ['p'] = "PUT",
        [0x81] = "NEWOBJ",
        [0x82] = "EXT1",
        [0x83] = "EXT2",
        [0x84] = "EXT4",
        [0x8b] = "LONG4",
        ['B'] = "BINBYTES",
        ['C'] = "SHORT_BINBYTES",
        [0x8c] = "SHORT_BINUNICODE",
        [0x8d] = "BINUNICODE8",
        [0x8e] = "BINBYTES8",
        [0x8f] = "EMPTY_SET",
        [0x90] = "ADDITEMS",
        [0x91] = "FROZENSET",
        [0x92] = "NEWOBJ_EX",
        [0x93] = "STACK_GLOBAL",
        [0x94] = "MEMOIZE",
        [0x95] = "FRAME",
        [0x96] = "BYTEARRAY8",
        [0x97] = "NEXT_BUFFER",
        [0x98] = "READONLY_BUFFER",
    };
    return names[op];
}

// ---------------------------------------------------------------------------------------------------- the machine

typedef struct Machine {
    Arena *arena;
    Reader *r;
    uint64_t base; // added to offsets in messages
    size_t start;  // where the pickle starts in r
    uint32_t at;   // of the opcode at work, from start
    Err *e;
    PickleValue *stack, *memo;
    size_t n, cap, n_memo;
    size_t mark[MAX_MARKS], n_marks;
    PickleValue *pool; // values of tuples, lists and dicts are cut from here
    size_t pool_left, n_values;
    Pickle *out;
    size_t storage_cap;
} Machine;

__attribute__((format(printf, 2, 3))) static bool bad(Machine *m, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_at(m->e, m->r->path, m->base + m->start + m->at, "%s", text);
}

const char *pickle_kind_name(const PickleValue *v)
{
    static const char *const names[] = {"None",          "a bool",    "an integer", "a float",
                                        "a string",      "a tuple",   "a list",     "a dict",
                                        "a global name", "a storage", "a tensor"};
    return names[v->kind];
}

// Room for values that stay: NULL past the limit.
static PickleValue *room(Machine *m, size_t n)
{
    if (n > MAX_VALUES - m->n_values) {
        bad(m, "more than %d values in one pickle", MAX_VALUES);
        return NULL;
    }
    m->n_values += n;
    if (n > CHUNK / 4) return arena_new_raw(m->arena, PickleValue, n);
    if (n > m->pool_left || !m->pool) {
        m->pool = arena_new_raw(m->arena, PickleValue, CHUNK);
        m->pool_left = CHUNK;
    }
    PickleValue *v = m->pool;
    m->pool += n, m->pool_left -= n;
    return v;
}

static bool push(Machine *m, PickleValue v)
{
    if (m->n == MAX_STACK) return bad(m, "the stack has more than %d values", MAX_STACK);
    if (m->n == m->cap) {
        m->cap *= 2;
        PickleValue *more = arena_new_raw(m->arena, PickleValue, m->cap);
        memcpy(more, m->stack, m->n * sizeof *more);
        m->stack = more;
    }
    m->stack[m->n++] = v;
    return true;
}

static bool push_kind(Machine *m, PickleKind kind, int64_t i)
{
    return push(m, (PickleValue){.kind = kind, .at = m->at & 0xFFFFFFF, .u.i = i});
}

// The top k values, which stay where they are but leave the stack; never past a mark.
static PickleValue *pop(Machine *m, size_t k, const char *op)
{
    size_t floor = m->n_marks ? m->mark[m->n_marks - 1] : 0;
    if (m->n - floor < k) {
        bad(m, "opcode %s needs %zu value%s on the stack, there %s %zu", op, k, k == 1 ? "" : "s",
            m->n - floor == 1 ? "is" : "are", m->n - floor);
        return NULL;
    }
    m->n -= k;
    return m->stack + m->n;
}

static PickleValue *pop_to_mark(Machine *m, size_t *k, const char *op)
{
    if (!m->n_marks) {
        bad(m, "opcode %s without a MARK before it", op);
        return NULL;
    }
    size_t floor = m->mark[--m->n_marks];
    *k = m->n - floor;
    m->n = floor;
    return m->stack + floor;
}

static bool deepen(Machine *m, const PickleValue *v, uint32_t *outer)
{
    uint32_t inner = v->kind == P_LIST || v->kind == P_DICT ? v->u.box->depth : v->depth;
    if (inner + 1 > MAX_DEPTH) return bad(m, "values nest deeper than %d", MAX_DEPTH);
    if (inner + 1 > *outer) *outer = inner + 1;
    return true;
}

static bool push_tuple(Machine *m, const PickleValue *v, size_t n)
{
    PickleValue *items = room(m, n);
    if (!items) return false;
    uint32_t depth = 1;
    for (size_t i = 0; i < n; i++) {
        if (!deepen(m, &v[i], &depth)) return false;
        items[i] = v[i];
    }
    return push(m, (PickleValue){.kind = P_TUPLE,
                                 .at = m->at & 0xFFFFFFF,
                                 .n = (uint32_t)n & 0xFFFFFF,
                                 .depth = depth & 0xFF,
                                 .u.items = items});
}

static bool push_box(Machine *m, PickleKind kind, bool ordered)
{
    if (MAX_VALUES - m->n_values < 4) return bad(m, "more than %d values in one pickle", MAX_VALUES);
    m->n_values += 4; // a box takes 64 bytes
    PickleBox *box = arena_new(m->arena, PickleBox, 1);
    box->ordered = ordered;
    box->depth = 1;
    return push(m, (PickleValue){.kind = kind, .at = m->at & 0xFFFFFFF, .u.box = box});
}

static bool box_add(Machine *m, PickleBox *b, const PickleValue *v, size_t n)
{
    if (n > MAX_VALUES) return bad(m, "more than %d values in one pickle", MAX_VALUES);
    if (n > b->cap - b->n) {
        size_t cap = b->cap ? 2 * (size_t)b->cap : 8;
        while (cap < b->n + n) cap *= 2;
        PickleValue *more = room(m, cap);
        if (!more) return false;
        if (b->n) memcpy(more, b->v, b->n * sizeof *more);
        b->v = more, b->cap = (uint32_t)cap;
    }
    for (size_t i = 0; i < n; i++) {
        if (!deepen(m, &v[i], &b->depth)) return false;
        b->v[b->n++] = v[i];
    }
    return true;
}

// The list or dict under the values just popped; it stays on the stack.
static PickleValue *owner_of(Machine *m, PickleKind kind, const char *op)
{
    size_t floor = m->n_marks ? m->mark[m->n_marks - 1] : 0;
    PickleValue *v = m->n > floor ? &m->stack[m->n - 1] : NULL;
    if (v && v->kind == kind) return v;
    bad(m, "opcode %s works on %s, here is %s", op, kind == P_LIST ? "a list" : "a dict",
        v ? pickle_kind_name(v) : "nothing");
    return NULL;
}

static bool append(Machine *m, const PickleValue *v, size_t n, const char *op)
{
    PickleValue *list = v ? owner_of(m, P_LIST, op) : NULL;
    return list && box_add(m, list->u.box, v, n);
}

static bool set_items(Machine *m, const PickleValue *v, size_t n, const char *op)
{
    PickleValue *dict = v ? owner_of(m, P_DICT, op) : NULL;
    if (!dict) return false;
    if (n % 2) return bad(m, "opcode %s finds %zu values, which are not pairs", op, n);
    for (size_t i = 0; i < n; i += 2) // an optimizer's state has numbers for keys
        if (v[i].kind != P_STRING && v[i].kind != P_INT)
            return bad(m, "opcode %s: a key is %s; keys must be strings", op, pickle_kind_name(&v[i]));
    return box_add(m, dict->u.box, v, n);
}

// ---------------------------------------------------------------------------------------------------- memo

static bool put(Machine *m, uint32_t index, const char *op)
{
    size_t floor = m->n_marks ? m->mark[m->n_marks - 1] : 0;
    if (m->n == floor) return bad(m, "opcode %s with nothing on the stack", op);
    if (index >= MAX_MEMO)
        return bad(m, "opcode %s: memo index %u; the largest is %d", op, index, MAX_MEMO - 1);
    if (index >= m->n_memo) {
        size_t cap = m->n_memo ? m->n_memo : 256;
        while (cap <= index) cap *= 2;
        PickleValue *more = arena_new(m->arena, PickleValue, cap);
        if (m->n_memo) memcpy(more, m->memo, m->n_memo * sizeof *more);
        m->memo = more, m->n_memo = cap;
    }
    m->memo[index] = m->stack[m->n - 1];
    return true;
}

// A slot never written is all zero, which is None at offset 0, where a PROTO stands: so the two can be told apart.
static bool get(Machine *m, uint32_t index, const char *op)
{
    if (index >= m->n_memo || (m->memo[index].kind == P_NONE && m->memo[index].at == 0))
        return bad(m, "opcode %s: nothing was put into memo %u", op, index);
    return push(m, m->memo[index]);
}

// ---------------------------------------------------------------------------------------------------- scalars

static bool push_text(Machine *m, uint64_t n, const char *op)
{
    if (n > MAX_TEXT)
        return bad(m, "opcode %s: a string of %" PRIu64 " bytes; at most %d are possible", op, n, MAX_TEXT);
    const char *s = (const char *)rd_bytes(m->r, n);
    if (!s)
        return bad(m, "opcode %s: a string of %" PRIu64 " bytes goes past the end; is the download complete?",
                   op, n);
    size_t where;
    if (!utf8_valid((Str){s, (size_t)n}, &where))
        return bad(m, "opcode %s: the string is not UTF-8 at its byte %zu", op, where);
    return push(
        m, (PickleValue){.kind = P_STRING, .at = m->at & 0xFFFFFFF, .n = (uint32_t)n & 0xFFFFFF, .u.s = s});
}

static bool push_long(Machine *m) // little-endian two's complement
{
    uint8_t n = rd_u8(m->r);
    if (n > 8) return bad(m, "opcode LONG1: an integer of %u bytes; at most 8 are possible", n);
    const uint8_t *p = rd_bytes(m->r, n);
    uint64_t x = p && n && p[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (unsigned i = n; p && i-- > 0;) x = x << 8 | p[i];
    return push_kind(m, P_INT, (int64_t)x);
}

static bool read_line(Machine *m, Str *out)
{
    const char *s = (const char *)m->r->p + m->r->at;
    size_t left = rd_left(m->r), n = 0;
    while (n < left && n <= MAX_LINE && s[n] != '\n') n++;
    if (n == left) return bad(m, "opcode GLOBAL: its name goes past the end; is the download complete?");
    if (n > MAX_LINE) return bad(m, "opcode GLOBAL: a name longer than %d bytes", MAX_LINE);
    *out = (Str){s, n};
    rd_bytes(m->r, n + 1);
    return true;
}

static bool push_global(Machine *m)
{
    Str module, name;
    if (!read_line(m, &module) || !read_line(m, &name)) return false;
    for (int i = 0; i < N_GLOBALS; i++)
        if (str_is(module, globals[i].module) && str_is(name, globals[i].name))
            return push_kind(m, P_GLOBAL, i);
    char a[SHOWN], b[SHOWN];
    bool storage = str_is(module, "torch") && str_ends(name, STR_LIT("Storage"));
    return bad(m, "opcode GLOBAL names %s.%s, %s", shown(a, module), shown(b, name),
               storage ? "a kind of number that we don't read"
                       : "which is not among the names that weights need: refused, as it could run any code");
}

// ---------------------------------------------------------------------------------------------------- torch

static GlobalKind global_of(const PickleValue *v)
{
    return v->kind == P_GLOBAL ? globals[v->u.i].kind : G_REFUSED;
}
static Str text_of(const PickleValue *v) { return (Str){v->u.s, v->n}; }

// ('storage', torch.FloatStorage, key, location, count[, view]); view: None or (key, offset, count) in old files.
static bool push_storage(Machine *m)
{
    const PickleValue *t = pop(m, 1, "BINPERSID"), *v = t && t->kind == P_TUPLE ? t->u.items : NULL;
    if (!t) return false;
    if (!v || t->n < 5 || t->n > 6 || v[0].kind != P_STRING || !str_is(text_of(&v[0]), "storage"))
        return bad(m,
                   "opcode BINPERSID needs a tuple ('storage', type, key, location, count), here is %s of "
                   "another form",
                   pickle_kind_name(t));
    if (global_of(&v[1]) != G_STORAGE || v[2].kind != P_STRING || v[3].kind != P_STRING || v[4].kind != P_INT)
        return bad(m, "opcode BINPERSID: 'storage' must be followed by a torch storage type, two strings and "
                      "an integer");
    if (v[4].u.i < 0) return bad(m, "opcode BINPERSID: the storage has %" PRId64 " elements", v[4].u.i);
    if (v[2].n > MAX_LINE)
        return bad(m, "opcode BINPERSID: the storage's key has %u bytes; at most %d are possible",
                   (unsigned)v[2].n, MAX_LINE);
    PickleStorage s = {.key = text_of(&v[2]),
                       .dtype = globals[v[1].u.i].dtype,
                       .count = (uint64_t)v[4].u.i,
                       .at = m->base + m->start + m->at};
    if (t->n == 6 && v[5].kind != P_NONE) {
        const PickleValue *w = v[5].u.items;
        if (v[5].kind != P_TUPLE || v[5].n != 3 || w[0].kind != P_STRING || w[1].kind != P_INT ||
            w[2].kind != P_INT)
            return bad(m, "opcode BINPERSID: view metadata is %s; it must be None or (key, offset, count)",
                       pickle_kind_name(&v[5]));
        uint64_t end;
        if (w[1].u.i < 0 || w[2].u.i < 0 || !add_ok((uint64_t)w[1].u.i, (uint64_t)w[2].u.i, &end) ||
            end > s.count)
            return bad(m,
                       "opcode BINPERSID: a view of %" PRId64 " elements from %" PRId64
                       " leaves its storage of %" PRIu64,
                       w[2].u.i, w[1].u.i, s.count);
        s.offset = (uint64_t)w[1].u.i;
    }
    Pickle *p = m->out;
    if (p->n_storages == MAX_TENSORS) return bad(m, "more than %d storages", MAX_TENSORS);
    if (p->n_storages == m->storage_cap) {
        m->storage_cap = m->storage_cap ? 2 * m->storage_cap : 64;
        PickleStorage *more = arena_new_raw(m->arena, PickleStorage, m->storage_cap);
        if (p->n_storages) memcpy(more, p->storage, p->n_storages * sizeof *more);
        p->storage = more;
    }
    p->storage[p->n_storages++] = s;
    return push_kind(m, P_STORAGE, (int64_t)p->n_storages - 1);
}

static bool read_sizes(Machine *m, const PickleValue *v, const char *what, int64_t *out)
{
    if (v->kind != P_TUPLE)
        return bad(m, "a tensor's %s is %s; it must be a tuple", what, pickle_kind_name(v));
    if (v->n > MAX_RANK)
        return bad(m, "a tensor's %s has %u dimensions; at most %d are possible", what, (unsigned)v->n,
                   MAX_RANK);
    for (size_t i = 0; i < v->n; i++) {
        if (v->u.items[i].kind != P_INT)
            return bad(m, "a tensor's %s holds %s", what, pickle_kind_name(&v->u.items[i]));
        out[i] = v->u.items[i].u.i;
        if (out[i] < 0) return bad(m, "a tensor's %s holds %" PRId64 "; it can't be negative", what, out[i]);
    }
    return true;
}

// _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks); v1 has the first four.
static bool push_tensor(Machine *m, const PickleValue *v, size_t n, bool v2)
{
    const char *f = v2 ? "_rebuild_tensor_v2" : "_rebuild_tensor";
    if (n != (v2 ? 6 : 4))
        return bad(m, "opcode REDUCE: %s takes %d arguments, here are %zu", f, v2 ? 6 : 4, n);
    if (v[0].kind != P_STORAGE)
        return bad(m, "opcode REDUCE: %s needs a storage first, here is %s", f, pickle_kind_name(&v[0]));
    if (v[1].kind != P_INT || v[1].u.i < 0)
        return bad(m, "opcode REDUCE: a tensor's storage offset is %s; it must be an integer from 0 up",
                   v[1].kind == P_INT ? "negative" : pickle_kind_name(&v[1]));
    if (v2 && (v[4].kind != P_BOOL || (v[5].kind != P_NONE && (v[5].kind != P_DICT || v[5].u.box->n))))
        return bad(m, "opcode REDUCE: %s must end with a bool and an empty OrderedDict of hooks", f);
    if (m->out->n_tensors == MAX_TENSORS) return bad(m, "more than %d tensors", MAX_TENSORS);
    m->out->n_tensors++;
    PickleTensor *t = arena_new(m->arena, PickleTensor, 1);
    *t = (PickleTensor){.storage = (uint32_t)v[0].u.i, .at = m->base + m->start + m->at};
    if (!read_sizes(m, &v[2], "size", t->dim) || !read_sizes(m, &v[3], "stride", t->stride)) return false;
    if (v[2].n != v[3].n)
        return bad(m, "a tensor has %u sizes but %u strides", (unsigned)v[2].n, (unsigned)v[3].n);
    t->rank = (int)v[2].n;
    const PickleStorage *s = &m->out->storage[t->storage];
    t->offset = (uint64_t)v[1].u.i + s->offset; // both below 2^63
    return push(m, (PickleValue){.kind = P_TENSOR, .at = m->at & 0xFFFFFFF, .u.tensor = t});
}

static bool reduce(Machine *m)
{
    const PickleValue *v = pop(m, 2, "REDUCE");
    if (!v) return false;
    if (v[0].kind != P_GLOBAL)
        return bad(m, "opcode REDUCE calls %s; only known names of torch can be", pickle_kind_name(&v[0]));
    if (v[1].kind != P_TUPLE)
        return bad(m, "opcode REDUCE: its arguments are %s, not a tuple", pickle_kind_name(&v[1]));
    const PickleValue *args = v[1].u.items;
    size_t n = v[1].n;
    switch (global_of(&v[0])) {
    case G_ORDERED_DICT:
        return n ? bad(m, "opcode REDUCE: OrderedDict must be made empty, here are %zu arguments", n)
                 : push_box(m, P_DICT, true);
    case G_REBUILD_V1:
        return push_tensor(m, args, n, false);
    case G_REBUILD_V2:
        return push_tensor(m, args, n, true);
    case G_REBUILD_PARAMETER:
    case G_PARAMETER:
        if (n < 1 || n > 4 || args[0].kind != P_TENSOR) // the fourth: attributes that someone hung on it
            return bad(m, "opcode REDUCE: a Parameter needs a tensor first");
        return push(m, args[0]);
    case G_SIZE:
        if (n != 1 || args[0].kind != P_TUPLE) return bad(m, "opcode REDUCE: torch.Size needs one tuple");
        return push(m, args[0]);
    default:
        return bad(m, "opcode REDUCE calls torch.%s, which is a type and no function here",
                   globals[v[0].u.i].name);
    }
}

// obj.__setstate__(state): on an OrderedDict torch uses it for module versions, which nobody needs.
static bool build(Machine *m)
{
    const PickleValue *v = pop(m, 2, "BUILD");
    if (!v) return false;
    if (v[0].kind != P_DICT || !v[0].u.box->ordered)
        return bad(m, "opcode BUILD on %s; only an OrderedDict may have state", pickle_kind_name(&v[0]));
    m->n++;
    return true;
}

// ---------------------------------------------------------------------------------------------------- the loop

static bool one(Machine *m, uint8_t op)
{
    Reader *r = m->r;
    size_t k = 0;
    const PickleValue *v;
    switch (op) {
    case MARK:
        if (m->n_marks == MAX_MARKS) return bad(m, "opcode MARK: marks nest deeper than %d", MAX_MARKS);
        m->mark[m->n_marks++] = m->n;
        return true;
    case NONE:
        return push_kind(m, P_NONE, 0);
    case NEWTRUE:
        return push_kind(m, P_BOOL, 1);
    case NEWFALSE:
        return push_kind(m, P_BOOL, 0);
    case BININT:
        return push_kind(m, P_INT, (int32_t)rd_u32(r));
    case BININT1:
        return push_kind(m, P_INT, rd_u8(r));
    case BININT2:
        return push_kind(m, P_INT, rd_u16(r));
    case LONG1:
        return push_long(m);
    case BINFLOAT:
        return rd_bytes(r, 8), push_kind(m, P_FLOAT, 0); // no weight file needs its value
    case BINUNICODE:
        return push_text(m, rd_u32(r), "BINUNICODE");
    case SHORT_BINSTRING:
        return push_text(m, rd_u8(r), "SHORT_BINSTRING");
    case BINPUT:
        return put(m, rd_u8(r), "BINPUT");
    case LONG_BINPUT:
        return put(m, rd_u32(r), "LONG_BINPUT");
    case BINGET:
        return get(m, rd_u8(r), "BINGET");
    case LONG_BINGET:
        return get(m, rd_u32(r), "LONG_BINGET");
    case EMPTY_TUPLE:
        return push_tuple(m, NULL, 0);
    case EMPTY_LIST:
        return push_box(m, P_LIST, false);
    case EMPTY_DICT:
        return push_box(m, P_DICT, false);
    case TUPLE:
        return (v = pop_to_mark(m, &k, "TUPLE")) && push_tuple(m, v, k);
    case TUPLE1:
        return (v = pop(m, 1, "TUPLE1")) && push_tuple(m, v, 1);
    case TUPLE2:
        return (v = pop(m, 2, "TUPLE2")) && push_tuple(m, v, 2);
    case TUPLE3:
        return (v = pop(m, 3, "TUPLE3")) && push_tuple(m, v, 3);
    case APPEND:
        return append(m, pop(m, 1, "APPEND"), 1, "APPEND");
    case APPENDS:
        return v = pop_to_mark(m, &k, "APPENDS"), append(m, v, k, "APPENDS");
    case SETITEM:
        return set_items(m, pop(m, 2, "SETITEM"), 2, "SETITEM");
    case SETITEMS:
        return v = pop_to_mark(m, &k, "SETITEMS"), set_items(m, v, k, "SETITEMS");
    case GLOBAL:
        return push_global(m);
    case REDUCE:
        return reduce(m);
    case BUILD:
        return build(m);
    case BINPERSID:
        return push_storage(m);
    default:
        return opcode_name(op)
                   ? bad(m, "opcode %s (0x%02x) is refused: a file of weights has no need for it",
                         opcode_name(op), op)
                   : bad(m, "0x%02x is no opcode of a pickle; the file is damaged or no pickle", op);
    }
}

static bool run(Machine *m)
{
    Reader *r = m->r;
    if (rd_u8(r) != PROTO) return bad(m, "a pickle must start with opcode PROTO (0x80)");
    uint8_t protocol = rd_u8(r);
    if (!r->bad && protocol != 2) return bad(m, "pickle protocol %u; torch writes 2", protocol);
    while (!r->bad) {
        if (r->at - m->start > MAX_PICKLE) return bad(m, "the pickle is longer than %d bytes", MAX_PICKLE);
        m->at = (uint32_t)(r->at - m->start);
        uint8_t op = rd_u8(r);
        if (r->bad) break;
        if (op == STOP) {
            if (m->n != 1 || m->n_marks)
                return bad(m, "opcode STOP with %zu values and %zu marks on the stack; it must be one value",
                           m->n, m->n_marks);
            m->out->top = m->stack[0];
            return true;
        }
        if (op == PROTO) return bad(m, "opcode PROTO a second time");
        if (!one(m, op)) return false;
    }
    return bad(m, "the pickle ends in the middle; is the download complete?");
}

bool pickle_run(Arena *a, Reader *r, uint64_t base, Pickle *out, Err *e)
{
    *out = (Pickle){0};
    Machine m = {.arena = a, .r = r, .base = base, .start = r->at, .e = e, .out = out};
    m.stack = arena_new_raw(a, PickleValue, m.cap = 256);
    return run(&m);
}

const PickleValue *pickle_get(const PickleValue *dict, const char *key)
{
    if (dict->kind != P_DICT) return NULL;
    const PickleBox *b = dict->u.box;
    for (size_t i = 0; i < b->n; i += 2)
        if (b->v[i].kind == P_STRING && str_is(text_of(&b->v[i]), key)) return &b->v[i + 1];
    return NULL;
}
