// SPDX-License-Identifier: Apache-2.0
// regex.c — compiles an expression to a graph of nodes and walks it (regex.h).
//
// A node matches something and then goes on to the node behind it, so matching is one function that returns the end of the
// whole match. Only single characters are repeated, never groups: the depth of the recursion is bounded by the expression
// alone, and time by the number of steps that the caller allows.
#include "regex.h"

#include <string.h>

enum { MOST_NODES = 4096, DEEPEST = 32, MANY = 1 << 30 };

typedef enum {
    CHARACTERS, // min to max of a set
    EITHER,     // the branch, or else other
    AHEAD,      // the branch matches (or does not) here, using nothing up
    LINE_END,
    JOIN, // nothing: where branches come together
    MATCH
} NodeKind;

typedef struct ReNode {
    NodeKind kind;
    bool possessive, negative;
    int32_t set, min, max;
    int32_t branch, other, next;
} ReNode;

typedef struct ReRange {
    uint32_t first, last;
} ReRange;

typedef struct ReSet {
    bool negative;
    uint32_t classes; // bit set of UnicodeClass
    uint64_t ascii[2];
    ReRange *range;
    size_t n, room;
} ReSet;

struct Regex {
    const Unicode *unicode;
    ReNode *node;
    ReSet *set;
    int32_t nodes, sets, start;
};

// ----------------------------------------------------------------------------------------------- the language

typedef struct Parser {
    Arena *arena;
    Regex *r;
    Str s;
    size_t at;
    int depth;
    bool fold; // inside (?i:
    const char *path;
    size_t place;
    Err *e;
} Parser;

static bool refuse(const Parser *p, const char *what)
{
    size_t n = p->s.n < 300 ? p->s.n : 300;
    return err_at(p->e, p->path, p->place, "%s at character %zu of the regular expression '%.*s'", what,
                  p->at, (int)n, p->s.s);
}

static bool is_next(const Parser *p, const char *word)
{
    return str_starts((Str){p->s.s + p->at, p->s.n - p->at}, str_of(word));
}

static bool take(Parser *p, const char *word)
{
    if (!is_next(p, word)) return false;
    p->at += strlen(word);
    return true;
}

static int32_t new_node(Parser *p, ReNode node) // -1: too many
{
    if (p->r->nodes == MOST_NODES) return refuse(p, "too many parts"), -1;
    p->r->node[p->r->nodes] = node;
    return p->r->nodes++;
}

static void set_range(Parser *p, ReSet *set, uint32_t first, uint32_t last)
{
    if (set->n == set->room) {
        size_t room = set->room ? 2 * set->room : 4;
        ReRange *more = arena_new_raw(p->arena, ReRange, room);
        if (set->n) memcpy(more, set->range, set->n * sizeof *more);
        set->range = more, set->room = room;
    }
    set->range[set->n++] = (ReRange){first, last};
}

// A character as itself; inside (?i: in both cases. Beyond ASCII, two characters are the small form of a letter of ASCII.
static bool set_literal(Parser *p, ReSet *set, uint32_t cp)
{
    set_range(p, set, cp, cp);
    if (!p->fold) return true;
    uint32_t small = cp | 32;
    if (cp >= 128) return refuse(p, "(?i: over a character that is not ASCII");
    if (small < 'a' || small > 'z') return true;
    set_range(p, set, small, small);
    set_range(p, set, small ^ 32, small ^ 32);
    if (small == 's') set_range(p, set, 0x17F, 0x17F);
    if (small == 'k') set_range(p, set, 0x212A, 0x212A);
    return true;
}

#define BIT(c) (1u << (c))
static const struct {
    const char *name;
    uint32_t classes;
} properties[] = {
    {"L", BIT(U_LU) | BIT(U_LL) | BIT(U_LT) | BIT(U_LM) | BIT(U_LO)},
    {"Lu", BIT(U_LU)},
    {"Ll", BIT(U_LL)},
    {"Lt", BIT(U_LT)},
    {"Lm", BIT(U_LM)},
    {"Lo", BIT(U_LO)},
    {"M", BIT(U_MN) | BIT(U_MC) | BIT(U_ME)},
    {"Mn", BIT(U_MN)},
    {"Mc", BIT(U_MC)},
    {"Me", BIT(U_ME)},
    {"N", BIT(U_ND) | BIT(U_NL) | BIT(U_NO)},
    {"Nd", BIT(U_ND)},
    {"Nl", BIT(U_NL)},
    {"No", BIT(U_NO)},
    {"P", BIT(U_P)},
    {"S", BIT(U_S)},
};
static const uint32_t EVERY_CLASS = BIT(U_CLASSES) - 1;

// What follows a backslash: a character into *cp, or a class into *classes.
static bool parse_escape(Parser *p, uint32_t *cp, uint32_t *classes)
{
    static const char letters[] = "rntfv", meant[] = "\r\n\t\f\v";
    *classes = 0;
    if (p->at == p->s.n) return refuse(p, "a lone backslash");
    char c = p->s.s[p->at];
    const char *known = c ? strchr(letters, c) : NULL;
    bool letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (uint8_t)c >= 128;
    if (known || !letter) return p->at++, *cp = (uint8_t)(known ? meant[known - letters] : c), true;
    if (c == 's' || c == 'S' || c == 'd' || c == 'D') {
        p->at++;
        *classes = c == 's' || c == 'S' ? BIT(U_SPACE) : BIT(U_ND);
        if (c < 'a') *classes ^= EVERY_CLASS;
        return true;
    }
    if (c != 'p' && c != 'P') return refuse(p, "an escape that is not known here");
    p->at++;
    const char *close = memchr(p->s.s + p->at, '}', p->s.n - p->at);
    if (!is_next(p, "{") || !close) return refuse(p, "a property without a name in braces");
    Str name = {p->s.s + p->at + 1, (size_t)(close - p->s.s) - p->at - 1};
    bool inverse = c == 'P';
    if (str_starts(name, STR_LIT("^"))) inverse = !inverse, name.s++, name.n--;
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++)
        if (str_is(name, properties[i].name)) *classes = properties[i].classes;
    if (!*classes)
        return refuse(p, "a property that is not known here (known are L, M, N, those under them, P and S)");
    if (inverse) *classes ^= EVERY_CLASS;
    p->at += name.n + 2 + (size_t)(name.s - (p->s.s + p->at + 1));
    return true;
}

static uint32_t parse_plain(Parser *p)
{
    size_t n;
    uint32_t cp = utf8_at(p->s.s + p->at, &n);
    p->at += n;
    return cp;
}

// Inside brackets, behind the first one. A class inside a class adds to it.
static bool parse_class(Parser *p, ReSet *set)
{
    bool negative = take(p, "^");
    if (negative && p->depth) return refuse(p, "a negated class inside a class");
    if (++p->depth > DEEPEST) return refuse(p, "too deep nesting");
    set->negative = negative;
    if (is_next(p, "]")) return refuse(p, "an empty class");
    while (!take(p, "]")) {
        uint32_t cp = 0, classes = 0, last;
        if (p->at == p->s.n) return refuse(p, "a class without its ']'");
        if (is_next(p, "[:") || is_next(p, "&&")) return refuse(p, "a POSIX class or an intersection");
        if (take(p, "[")) {
            if (!parse_class(p, set)) return false;
            set->negative = negative;
            continue;
        }
        if (take(p, "\\")) {
            if (!parse_escape(p, &cp, &classes)) return false;
        } else cp = parse_plain(p);
        set->classes |= classes;
        if (classes) continue;
        if (!is_next(p, "-") || p->at + 1 >= p->s.n || p->s.s[p->at + 1] == ']') {
            if (!set_literal(p, set, cp)) return false;
            continue;
        }
        p->at++;
        if (is_next(p, "[")) return refuse(p, "a range that ends with a class");
        if (take(p, "\\")) {
            if (!parse_escape(p, &last, &classes)) return false;
            if (classes) return refuse(p, "a range that ends with a class");
        } else last = parse_plain(p);
        if (last < cp || p->fold) return refuse(p, "a range that is empty, or inside (?i:");
        set_range(p, set, cp, last);
    }
    p->depth--;
    return true;
}

static bool in_ranges(const ReSet *set, uint32_t cp)
{
    for (size_t i = 0; i < set->n; i++)
        if (cp >= set->range[i].first && cp <= set->range[i].last) return true;
    return false;
}

static int32_t new_set(Parser *p, ReSet set)
{
    for (uint32_t c = 0; c < 128; c++)
        if (set.classes & BIT(unicode_class(p->r->unicode, c)) || in_ranges(&set, c))
            set.ascii[c / 64] |= 1ull << c % 64;
    p->r->set[p->r->sets] = set; // there are no more sets than nodes
    return p->r->sets++;
}

static bool parse_number(Parser *p, int32_t *out)
{
    size_t start = p->at;
    *out = 0;
    while (p->at < p->s.n && p->s.s[p->at] >= '0' && p->s.s[p->at] <= '9' && *out < 100000)
        *out = 10 * *out + (p->s.s[p->at++] - '0');
    return p->at > start && *out < 100000;
}

static bool parse_counts(Parser *p, ReNode *node)
{
    node->min = node->max = 1;
    if (take(p, "?")) node->min = 0;
    else if (take(p, "*")) node->min = 0, node->max = MANY;
    else if (take(p, "+")) node->max = MANY;
    else if (take(p, "{")) {
        if (!parse_number(p, &node->min)) return refuse(p, "a '{' that is no count");
        node->max = node->min;
        if (take(p, ",") && !parse_number(p, &node->max)) node->max = MANY;
        if (!take(p, "}") || node->max < node->min || node->max == 0)
            return refuse(p, "a '{' that is no count");
        if (is_next(p, "+")) return refuse(p, "a repeated count");
    } else return true;
    node->possessive = take(p, "+");
    if (is_next(p, "?") || is_next(p, "*") || is_next(p, "+") || is_next(p, "{"))
        return refuse(p, "a count after a count");
    return true;
}

static int32_t parse_alternatives(Parser *p, int32_t join);

// (...) of any kind, behind its '('. The node that it begins with, *last the one that leaves it; -1: refused.
static int32_t parse_group(Parser *p, int32_t *last)
{
    bool fold = p->fold, negative = take(p, "?!"), ahead = negative || take(p, "?=");
    if (take(p, "?i:")) p->fold = true;
    else if (!ahead && !take(p, "?:") && is_next(p, "?"))
        return refuse(p, "a group that is not known here"), -1;
    if (++p->depth > DEEPEST) return refuse(p, "too deep nesting"), -1;
    int32_t join = new_node(p, (ReNode){.kind = ahead ? MATCH : JOIN});
    int32_t head = join < 0 ? -1 : parse_alternatives(p, join);
    if (head < 0) return -1;
    if (!take(p, ")")) return refuse(p, "a group without its ')'"), -1;
    p->depth--;
    p->fold = fold;
    *last = join;
    if (ahead) *last = head = new_node(p, (ReNode){.kind = AHEAD, .branch = head, .negative = negative});
    else if (take(p, "?")) head = new_node(p, (ReNode){.kind = EITHER, .branch = head, .other = join});
    if (is_next(p, "?") || is_next(p, "*") || is_next(p, "+") || is_next(p, "{"))
        return refuse(p, "a group that is repeated"), -1;
    return head;
}

static int32_t parse_item(Parser *p, int32_t *last)
{
    if (take(p, "(")) return parse_group(p, last);
    if (take(p, "$")) return *last = new_node(p, (ReNode){.kind = LINE_END});
    if (is_next(p, "^") || is_next(p, "?") || is_next(p, "*") || is_next(p, "+") || is_next(p, "{"))
        return refuse(p, "an operator that is not known here"), -1;
    ReSet set = {0};
    uint32_t cp = 0;
    int depth = p->depth;
    p->depth = 0;
    if (take(p, "[")) {
        if (!parse_class(p, &set)) return -1;
    } else if (take(p, ".")) set.negative = true, set_range(p, &set, '\n', '\n');
    else {
        if (take(p, "\\")) {
            if (!parse_escape(p, &cp, &set.classes)) return -1;
        } else cp = parse_plain(p);
        if (!set.classes && !set_literal(p, &set, cp)) return -1;
    }
    p->depth = depth;
    ReNode node = {.kind = CHARACTERS, .set = new_set(p, set)};
    return parse_counts(p, &node) ? *last = new_node(p, node) : -1;
}

static int32_t parse_branch(Parser *p, int32_t join)
{
    int32_t head = -1, tail = -1, last = -1;
    while (p->at < p->s.n && !is_next(p, "|") && !is_next(p, ")")) {
        int32_t item = parse_item(p, &last);
        if (item < 0) return -1;
        if (tail >= 0) p->r->node[tail].next = item;
        else head = item;
        tail = last;
    }
    if (tail < 0) return join;
    p->r->node[tail].next = join;
    return head;
}

// All branches end at join.
static int32_t parse_alternatives(Parser *p, int32_t join)
{
    int32_t head = parse_branch(p, join), tail = -1;
    while (head >= 0 && take(p, "|")) {
        int32_t *place = tail < 0 ? &head : &p->r->node[tail].other;
        int32_t either = new_node(p, (ReNode){.kind = EITHER, .branch = *place});
        if (either < 0) return -1;
        if (tail < 0) head = either;
        else p->r->node[tail].other = either;
        tail = either;
        int32_t branch = parse_branch(p, join);
        if (branch < 0) return -1;
        p->r->node[tail].other = branch;
    }
    return head;
}

// ------------------------------------------------------------------------------------------------- matching

typedef struct Run {
    const Regex *r;
    const char *s;
    size_t n;
    uint64_t steps;
} Run;

static inline bool in_set(const Regex *r, const ReSet *set, const char *s, size_t *width)
{
    uint8_t c = (uint8_t)*s;
    if (c < 128) return *width = 1, (set->ascii[c / 64] >> c % 64 & 1) != set->negative;
    uint32_t cp = utf8_at(s, width);
    return ((set->classes & BIT(unicode_class(r->unicode, cp))) || in_ranges(set, cp)) != set->negative;
}

static size_t walk(Run *w, int32_t at, size_t i);

static const size_t FAIL = SIZE_MAX;

// As many characters as there are, then fewer and fewer until what follows matches.
static size_t walk_characters(Run *w, const ReNode *node, size_t i)
{
    const ReSet *set = &w->r->set[node->set];
    size_t least = i, count = 0, width;
    while (i < w->n && count < (size_t)node->max && in_set(w->r, set, w->s + i, &width)) {
        i += width;
        if (++count == (size_t)node->min) least = i;
    }
    w->steps = w->steps > count + 1 ? w->steps - count - 1 : 0;
    if (count < (size_t)node->min) return FAIL;
    for (;;) {
        size_t end = walk(w, node->next, i);
        if (end != FAIL || node->possessive || i == least || !w->steps) return end;
        do i--;
        while (((uint8_t)w->s[i] & 0xC0) == 0x80);
    }
}

static size_t walk(Run *w, int32_t at, size_t i)
{
    for (;;) {
        const ReNode *node = &w->r->node[at];
        if (!w->steps) return FAIL;
        w->steps--;
        size_t end = FAIL, width;
        switch (node->kind) {
        case MATCH:
            return i;
        case JOIN:
            break;
        case CHARACTERS:
            if (node->max > 1 || node->min == 0) return walk_characters(w, node, i);
            if (i == w->n || !in_set(w->r, &w->r->set[node->set], w->s + i, &width)) return FAIL;
            i += width;
            break;
        case EITHER:
            end = walk(w, node->branch, i);
            if (end != FAIL) return end;
            at = node->other;
            continue;
        case AHEAD:
            if ((walk(w, node->branch, i) == FAIL) != node->negative) return FAIL;
            break;
        case LINE_END:
            if (i < w->n && w->s[i] != '\n') return FAIL;
        }
        at = node->next;
    }
}

// ---------------------------------------------------------------------------------------------- the front door

const Regex *regex_compile(Arena *a, const Unicode *u, Str pattern, const char *path, size_t at, Err *e)
{
    Regex *r = arena_new(a, Regex, 1);
    Parser p = {.arena = a, .r = r, .s = pattern, .path = path, .place = at, .e = e};
    if (pattern.n > MOST_NODES) return refuse(&p, "too much text"), NULL;
    size_t room = 3 * pattern.n + 8; // no part of an expression makes more nodes than that
    *r = (Regex){.unicode = u, .node = arena_new(a, ReNode, room), .set = arena_new(a, ReSet, room)};
    int32_t match = new_node(&p, (ReNode){.kind = MATCH});
    r->start = match < 0 ? -1 : parse_alternatives(&p, match);
    if (r->start < 0) return NULL;
    if (p.at < p.s.n) return refuse(&p, "a ')' too many"), NULL;
    Run empty = {r, "", 0, 1 << 20};
    if (walk(&empty, r->start, 0) != FAIL) return refuse(&p, "a match of the empty text"), NULL;
    return r;
}

bool regex_find(const Regex *r, Str text, size_t from, size_t *start, size_t *end, uint64_t *steps)
{
    Run w = {r, text.s, text.n, *steps};
    bool found = false;
    for (size_t i = from; i < text.n && w.steps && !found; i += char_bytes(text.s[i])) {
        size_t stop = walk(&w, r->start, i);
        if (!w.steps || stop == FAIL || stop == i) continue;
        *start = i, *end = stop;
        found = true;
    }
    *steps = w.steps;
    return found && w.steps;
}
