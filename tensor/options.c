// SPDX-License-Identifier: Apache-2.0
// options.c — command-line options from a table, as Python's argparse reads Inseq's: underscores or hyphens, --name=value,
// any unique beginning of a name, single-dash aliases of several letters, flags with an optional true or false, --no_flag,
// lists that run to the next option.
#include "base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct Parse {
    Arena *a;
    const Option *table;
    size_t n;
    unsigned command;
    OptionValue *value;
    unsigned *elsewhere;
    Err *e;
} Parse;

// The other commands that have an option of just this name.
static unsigned others(const Parse *p, Str word, const char *name)
{
    unsigned found = 0;
    for (size_t i = 0; i < p->n; i++) {
        const Option *o = &p->table[i];
        bool same = *name && !strcmp(o->name, name);
        for (int k = 0; k < 2; k++) same |= o->alias[k] && str_eq(str_of(o->alias[k]), word);
        if (same) found |= o->commands;
    }
    return found;
}

// The option a word names, or -1. A word that looks like an option but names none fills e.
static int find(const Parse *p, const char *word, size_t n, Err *e)
{
    char name[80];
    const char *names[256], *near = NULL;
    int found = -1, matches = 0, yielding = -1, n_yielding = 0;
    size_t count = 0;
    bool dashes = n > 2 && word[0] == '-' && word[1] == '-';
    snprintf(name, sizeof name, "%.*s", dashes ? (int)(n - 2) : 0, word + 2 * dashes);
    for (char *c = name; *c; c++) *c = *c == '-' ? '_' : *c;
    for (int i = 0; i < (int)p->n; i++) {
        if (!(p->table[i].commands & p->command)) continue;
        if (count < 256) names[count++] = p->table[i].name;
        for (int k = 0; k < 2; k++)
            if (p->table[i].alias[k] && str_eq(str_of(p->table[i].alias[k]), (Str){word, n})) return i;
        if (!dashes) continue;
        if (!strcmp(p->table[i].name, name)) return i;
        if (strncmp(p->table[i].name, name, strlen(name)) != 0) continue;
        if (p->table[i].commands & OPTION_YIELDS) yielding = i, n_yielding++;
        else found = i, matches++;
    }
    if (!matches) found = yielding, matches = n_yielding;
    if (matches == 1) return found;
    if (!dashes && (n < 2 || word[0] != '-' || !((word[1] | 32) >= 'a' && (word[1] | 32) <= 'z'))) return -1;
    if (dashes) near = str_nearest(str_of(name), names, count);
    unsigned elsewhere = p->elsewhere ? others(p, (Str){word, n}, name) : 0;
    if (matches > 1) err_set(e, "option %.*s is not unique; write more of it", (int)n, word);
    else if (elsewhere) *p->elsewhere = elsewhere, err_set(e, "%.*s", (int)n, word);
    else if (near) err_set(e, "unknown option %.*s; did you mean --%s?", (int)n, word, near);
    else err_set(e, "unknown option %.*s; --help lists them", (int)n, word);
    return -1;
}

static bool looks_like_option(const char *word)
{
    return word[0] == '-' && ((word[1] == '-' && word[2]) || (word[1] >= 'a' && word[1] <= 'z'));
}

static bool truth(const char *word, bool *out)
{
    static const char *const yes[] = {"true", "yes", "t", "y", "1"}, *const no[] = {"false", "no", "f", "n",
                                                                                    "0"};
    for (int i = 0; i < 5; i++) {
        if (!strcasecmp(word, yes[i])) return *out = true, true; // Python's True too
        if (!strcasecmp(word, no[i])) return *out = false, true;
    }
    return false;
}

bool option_number(const char *word, bool sized, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(word, &end, 10);
    int64_t unit = 1;
    if (sized && *end) {
        const char *units = "KMGT", *u = strchr(units, *end & ~32);
        for (const char *c = units; u && c <= u; c++) unit *= 1024;
        if (!u) return false;
        end++;
        if (*end == 'B' || *end == 'b') end++;
    }
    if (errno || end == word || *end || (sized && (n <= 0 || n > INT64_MAX / unit))) return false;
    return *out = (int64_t)n * unit, true;
}

static bool check_value(const Parse *p, const Option *o, OptionValue *v)
{
    const char *last = v->list[v->n - 1];
    if (o->kind == OPT_INT && !option_number(last, false, &v->number))
        return err_set(p->e, "--%s: '%s' is not a whole number", o->name, last);
    if (o->kind == OPT_SIZE && !option_number(last, true, &v->number))
        return err_set(p->e, "--%s: '%s' is not a size such as 512M", o->name, last);
    if (o->kind != OPT_JSON) return true;
    v->json = json_parse(p->a, str_of(last), arena_printf(p->a, "--%s", o->name), p->e);
    return v->json &&
           (v->json->kind == J_OBJECT ||
            err_set(p->e, "--%s: %s was given; it must be one JSON object, such as '{\"num_beams\": 1}'",
                    o->name, json_kind_name(v->json)));
}

// Takes the option's values from the words that follow; returns how many words it used.
static int take(const Parse *p, int i, int argc, char **argv, const char *attached)
{
    const Option *o = &p->table[i];
    OptionValue *v = &p->value[i];
    int used = 0;
    v->given = true;
    if (o->kind == OPT_FLAG) {
        v->flag = true;
        if (attached && !truth(attached, &v->flag))
            err_set(p->e, "--%s: '%s' is neither true nor false", o->name, attached);
        return !attached && argc && truth(argv[0], &v->flag);
    }
    size_t most = o->kind == OPT_LIST ? (size_t)argc + 1 : 1, before = v->n;
    const char **list = arena_new(p->a, const char *, v->n + most);
    if (v->n) memcpy(list, v->list, v->n * sizeof *list);
    v->list = list;
    if (attached) v->list[v->n++] = attached;
    while (used < argc && v->n - before < most && (!attached || o->kind == OPT_LIST) &&
           !looks_like_option(argv[used]))
        v->list[v->n++] = argv[used++];
    if (v->n == before) err_set(p->e, "--%s needs a value: %s", o->name, o->value);
    else check_value(p, o, v);
    return used;
}

static bool switched_off(const Parse *p, const char *word) // --no_NAME of a flag
{
    if (strncmp(word, "--no_", 5) && strncmp(word, "--no-", 5)) return false;
    const char *rest = arena_printf(p->a, "--%s", word + 5);
    int i = find(p, rest, strlen(rest), NULL);
    if (i < 0 || p->table[i].kind != OPT_FLAG) return false;
    p->value[i] = (OptionValue){.given = true};
    return true;
}

bool options_parse(Arena *a, const Option *table, size_t n, unsigned command, int argc, char **argv,
                   OptionValue *value, const char ***rest, size_t *n_rest, unsigned *elsewhere, Err *e)
{
    Parse p = {a, table, n, command, value, elsewhere, e};
    *rest = arena_new(a, const char *, argc + 1), *n_rest = 0;
    for (int i = 0; i < argc && !e->set;) {
        const char *word = argv[i++], *equals = word[0] == '-' ? strchr(word, '=') : NULL;
        size_t length = equals ? (size_t)(equals - word) : strlen(word);
        Err own = {0};
        int o = find(&p, word, length, &own);
        if (o >= 0) i += take(&p, o, argc - i, argv + i, equals ? equals + 1 : NULL);
        else if (own.set && !switched_off(&p, word)) *e = own;
        else if (!own.set) (*rest)[(*n_rest)++] = word;
    }
    return !e->set;
}

// "--save-path, -o FILE"
static void put_names(Buf *b, const Option *o)
{
    buf_str(b, STR_LIT("--"));
    for (const char *c = o->name; *c; c++) buf_char(b, *c == '_' ? '-' : *c);
    for (int k = 0; k < 2 && o->alias[k]; k++) buf_printf(b, ", %s", o->alias[k]);
    if (o->value) buf_printf(b, " %s%s", o->value, o->kind == OPT_LIST ? " ..." : "");
}

void buf_wrapped(Buf *b, const char *words, size_t at, size_t width)
{
    for (size_t column = at; *words;) {
        size_t n = strcspn(words, " ");
        if (column > at && column + 1 + n > width) buf_printf(b, "\n%*s", (int)at, ""), column = at;
        else if (column > at) buf_char(b, ' '), column++;
        buf_put(b, words, n);
        column += n, words += n + strspn(words + n, " ");
    }
    buf_char(b, '\n');
}

static const char *help_of(const Option *o, unsigned command)
{
    return o->instead_for & command ? o->instead : o->help;
}

static void put_option(const Option *o, unsigned command, bool all, size_t names, size_t width, Buf *out)
{
    Buf left = {.arena = out->arena};
    const char *help = help_of(o, command), *end = strchr(help, ';');
    put_names(&left, o);
    if (left.n > names - 4) buf_printf(out, "  %s\n%*s", left.s, (int)names, ""); // a line of its own
    else buf_printf(out, "  %-*s", (int)names - 2, left.s);
    buf_wrapped(out, all || !end ? help : str_zero(out->arena, (Str){help, (size_t)(end - help)}), names,
                width);
}

static bool in_group(const Option *o, unsigned command, const char *group)
{
    return o->commands & command && !strcmp(o->group, group);
}

// Whether row i is the first of its group among the command's.
static bool begins_group(const Option *table, size_t i, unsigned command)
{
    if (!(table[i].commands & command)) return false;
    for (size_t k = 0; k < i; k++)
        if (in_group(&table[k], command, table[i].group)) return false;
    return true;
}

static void put_groups(const Option *table, size_t n, unsigned command, size_t width, Buf *out)
{
    enum { NAMES = 38 };
    for (size_t i = 0; i < n; i++) {
        if (!begins_group(table, i, command)) continue;
        buf_printf(out, "%s%s\n", out->n ? "\n" : "", table[i].group);
        for (size_t k = i; k < n; k++)
            if (in_group(&table[k], command, table[i].group))
                put_option(&table[k], command, true, NAMES, width, out);
    }
}

size_t options_help(const Option *table, size_t n, unsigned command, bool all, int width, Buf *out)
{
    enum { NAMES = 35, LEAST = 80, FEW = 6 };
    size_t w = (size_t)(width < LEAST ? LEAST : width), count = 0, left_out = 0;
    if (all) return put_groups(table, n, command, w, out), 0;
    for (size_t i = 0; i < n; i++) count += (table[i].commands & command) != 0;
    for (size_t i = 0; i < n; i++) {
        if (!(table[i].commands & command)) continue;
        if (table[i].first & command || count <= FEW) put_option(&table[i], command, false, NAMES, w, out);
        else left_out++;
    }
    return left_out;
}

// ------------------------------------------------------------------------------------------------ texts

typedef struct Texts {
    Str *v;
    bool *line;
    size_t n, cap;
} Texts;

static void make_room(Arena *a, Texts *t, size_t n)
{
    if (t->cap - t->n >= n) return;
    t->cap = t->n + n;
    Str *more = arena_new(a, Str, t->cap);
    bool *lines = arena_new(a, bool, t->cap);
    if (t->n) memcpy(more, t->v, t->n * sizeof *more), memcpy(lines, t->line, t->n * sizeof *lines);
    t->v = more, t->line = lines;
}

static void add_text(Arena *a, Texts *t, Str s, bool line)
{
    if (t->n == t->cap) make_room(a, t, t->n + 16);
    t->line[t->n] = line, t->v[t->n++] = s;
}

static void add_lines(Arena *a, Texts *t, Str all)
{
    if (str_starts(all, STR_LIT("\xEF\xBB\xBF"))) all.s += 3, all.n -= 3; // a mark that only says UTF-8
    size_t n = 0;
    for (Str rest = all; rest.n; n++) str_line(&rest);
    make_room(a, t, n);
    while (all.n) add_text(a, t, str_line(&all), true);
}

Str str_line(Str *rest)
{
    const char *end = memchr(rest->s, '\n', rest->n);
    size_t n = end ? (size_t)(end - rest->s) : rest->n;
    Str line = {rest->s, n && rest->s[n - 1] == '\r' ? n - 1 : n};
    *rest = end ? (Str){end + 1, rest->n - n - 1} : (Str){0};
    return line;
}

// The encoding of a file that is no UTF-8 and that other programs call "text" or "Unicode" all the same; NULL: none seen.
// Without a mark: every other byte of most text in UTF-16 is zero.
const char *str_other_encoding(Str s)
{
    if (s.n >= 4 && (!memcmp(s.s, "\xFF\xFE\0\0", 4) || !memcmp(s.s, "\0\0\xFE\xFF", 4))) return "UTF-32";
    if (s.n >= 2 && (!memcmp(s.s, "\xFF\xFE", 2) || !memcmp(s.s, "\xFE\xFF", 2))) return "UTF-16";
    size_t n = s.n < 4096 ? s.n : 4096, zeros[2] = {0};
    for (size_t i = 0; i < n; i++) zeros[i % 2] += s.s[i] == 0;
    size_t more = zeros[0] > zeros[1] ? zeros[0] : zeros[1], less = zeros[0] + zeros[1] - more;
    if (n >= 4 && more > n / 2 - n / 8 && less > n / 4 - n / 8) return "UTF-32";
    return more > n / 8 ? "UTF-16" : NULL;
}

bool option_texts(Arena *a, const OptionValue *v, const Str **out, size_t *n, Err *e)
{
    return option_lines(a, v, out, NULL, n, e);
}

bool option_lines(Arena *a, const OptionValue *v, const Str **out, const bool **line, size_t *n, Err *e)
{
    Texts t = {0};
    for (size_t i = 0; i < v->n; i++) {
        const char *word = v->list[i];
        bool literal = word[0] == '@' && word[1] == '@', file = word[0] == '@' && word[1] && !literal;
        if (v->literal) {
            add_text(a, &t, str_of(word), false);
            continue;
        }
        Str all;
        Err own = {0};
        if (!file && strcmp(word, "-")) add_text(a, &t, str_of(word + literal), false);
        else if (file_stream(a, word + file, (size_t)1 << 32, &all, &own)) {
            const char *encoding = str_other_encoding(all);
            if (encoding)
                return err_set(e, "%s: the text is in %s; save it as UTF-8",
                               file ? word + 1 : "standard input", encoding);
            add_lines(a, &t, all);
        } else return err_set(e, "%s%s", own.text, file ? "; a text that begins with @ is given as @@" : "");
    }
    *out = t.v, *n = t.n;
    if (line) *line = t.line;
    return true;
}

void man_text(Buf *b, const char *s)
{
    if (*s == '.' || *s == '\'') buf_str(b, STR_LIT("\\&"));
    for (; *s; s++) {
        if (*s == '-' || *s == '\\') buf_char(b, '\\');
        buf_char(b, *s == '\\' ? 'e' : *s);
    }
    buf_char(b, '\n');
}

void options_man(const Option *table, size_t n, unsigned command, Buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!begins_group(table, i, command)) continue;
        buf_str(out, STR_LIT(".PP\n.I ")), man_text(out, table[i].group);
        for (size_t k = i; k < n; k++) {
            Buf names = {.arena = out->arena};
            if (!in_group(&table[k], command, table[i].group)) continue;
            put_names(&names, &table[k]);
            buf_str(out, STR_LIT(".TP\n.B "));
            man_text(out, names.s), man_text(out, help_of(&table[k], command));
        }
    }
}
