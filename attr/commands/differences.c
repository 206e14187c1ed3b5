// SPDX-License-Identifier: Apache-2.0
// differences.c — where two results differ: their sequences as the lines of report_jsonl.c, whose numbers are the shortest
// that read back as the same float, so that equal text is equal bits.
#include "commands.h"

#include <string.h>

typedef struct Found {
    Arena *a;
    size_t numbers, others; // values that were looked at, and those that differ
    double most;            // the largest difference of two numbers
    Buf path;               // where the walk is: "[3][0]"
    int64_t at[2], depth;   // the same as indices, of the first two dimensions
    Str where;              // of the first difference, and what stands there
    int64_t first[2];
    const Json *saved, *now;
} Found;

static bool holds_others(const Json *j) { return j->kind == J_ARRAY || j->kind == J_OBJECT; }

static void differ(Found *f, const Json *saved, const Json *now)
{
    if (!f->others++) {
        f->where = str_copy(f->a, buf_view(&f->path));
        f->first[0] = f->at[0], f->first[1] = f->at[1];
        f->saved = saved, f->now = now;
    }
    if (!saved || !now || saved->kind != J_NUMBER || now->kind != J_NUMBER) return;
    const double by = saved->number > now->number ? saved->number - now->number : now->number - saved->number;
    if (by > f->most) f->most = by;
}

// Lists of another length differ as such, and where they have entries in common.
static void walk(Found *f, const Json *x, const Json *y)
{
    if (!y || x->kind != y->kind) {
        f->numbers++, differ(f, x, y);
        return;
    }
    if (!holds_others(x)) {
        f->numbers++;
        if (!str_eq(x->text, y->text)) differ(f, x, y);
        return;
    }
    if (x->count != y->count) f->numbers++, differ(f, x, y);
    const Json *other = y->child;
    int64_t i = 0;
    for (const Json *c = x->child; c; c = c->next, i++) {
        const size_t n = f->path.n;
        const bool object = x->kind == J_OBJECT;
        if (!object && !other) return;
        if (object) buf_printf(&f->path, ".%.*s", (int)c->key.n, c->key.s);
        else buf_printf(&f->path, "[%" PRId64 "]", i);
        if (f->depth < 2) f->at[f->depth] = i;
        f->depth++;
        walk(f, c, object ? json_get(y, str_zero(f->a, c->key)) : other);
        f->depth--, f->path.n = n;
        if (!object) other = other->next;
    }
}

// ------------------------------------------------------------------------------------------ in words

static const Json *entry(const Json *list, int64_t i)
{
    const Json *c = list && list->kind == J_ARRAY && i >= 0 ? list->child : NULL;
    while (c && i--) c = c->next;
    return c && c->kind == J_STRING ? c : NULL;
}

static void put_value(Buf *b, const Json *j)
{
    enum { LONG = 80 };
    if (!j) buf_str(b, STR_LIT("nothing"));
    else if (holds_others(j)) buf_printf(b, "%zu entries", j->count);
    else if (j->kind == J_STRING) buf_json(b, j->text.n > LONG ? (Str){j->text.s, LONG} : j->text);
    else if (j->kind == J_NUMBER) buf_str(b, j->text);
    else buf_str(b, str_of(json_kind_name(j)));
}

// " (▁nurse → De)": whose score it is, for the first two dimensions.
static void put_tokens(Buf *b, const Found *f, Str key, const Json *line)
{
    const bool source = str_is(key, "source_attributions"), target = str_is(key, "target_attributions"),
               steps = str_starts(key, STR_LIT("step_scores"));
    const Json *start = json_get(line, "attr_pos_start");
    if (!f->where.n || (!source && !target && !steps)) return;
    const Json *row = steps ? NULL
                            : entry(json_get(line, source ? "source_tokens" : "target_tokens"), f->first[0]),
               *column = entry(json_get(line, "target_tokens"),
                               f->first[steps ? 0 : 1] + (start && start->is_int ? start->i : 0));
    if (column && (row || steps))
        buf_printf(b, steps ? " (%.*s%.*s)" : " (%.*s → %.*s)", row ? (int)row->text.n : 0,
                   row ? row->text.s : "", (int)column->text.n, column->text.s);
}

static void put_found(Buf *b, const char *what, Str key, const Found *f, const Json *line)
{
    buf_printf(b, "%s: %.*s%.*s", what, (int)key.n, key.s, (int)f->where.n, f->where.s);
    put_tokens(b, f, key, line);
    buf_str(b, STR_LIT(": saved ")), put_value(b, f->saved);
    buf_str(b, STR_LIT(", now ")), put_value(b, f->now);
    if (f->others > 1) buf_printf(b, "; %zu of %zu values differ", f->others, f->numbers);
    if (f->others > 1 && f->most > 0) buf_printf(b, ", by %.3g at most", f->most);
    buf_char(b, '\n');
}

static void look(Differences *d, const char *what, Str key, const Json *x, const Json *y, const Json *line)
{
    enum { TOLD = 20 };
    Arena *work = arena_create(d->out->arena);
    Found f = {.a = work, .path = {.arena = work}, .at = {-1, -1}};
    walk(&f, x, y);
    d->numbers += f.numbers, d->others += f.others;
    if (f.others && d->places++ < TOLD) put_found(d->out, what, key, &f, line);
    arena_free(work);
}

static bool skipped(const Differences *d, const char *key)
{
    for (const char *const *s = d->skip; s && *s; s++)
        if (!strcmp(key, *s)) return true;
    return false;
}

void cmd_differences(Differences *d, const char *what, const Json *saved, const Json *now)
{
    for (const Json *c = saved->child; c; c = c->next) {
        const char *key = str_zero(d->out->arena, c->key);
        const Json *other = json_get(now, key);
        if (skipped(d, key)) continue;
        if (c->kind != J_OBJECT) look(d, what, c->key, c, other, saved);
        for (const Json *n = c->kind == J_OBJECT ? c->child : NULL; n; n = n->next) { // named scores
            const char *own = str_zero(d->out->arena, n->key),
                       *path = arena_printf(d->out->arena, "%s.%s", key, own);
            if (!skipped(d, own)) look(d, what, str_of(path), n, other ? json_get(other, own) : NULL, saved);
        }
    }
}
