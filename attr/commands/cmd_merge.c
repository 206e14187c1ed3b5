// SPDX-License-Identifier: Apache-2.0
// cmd_merge.c — the parts of a run (--shard I/N) as the one result that a single run would have written, byte for byte.
#include "../results/journal.h"
#include "commands.h"

#include <stdlib.h>
#include <string.h>

typedef struct Part {
    const char *path;
    JournalHead head;
    const Json *top; // of Inseq's JSON, its attributes; NULL: lines
} Part;

static bool read_part(Args *a, const char *path, Part *p, Err *e)
{
    Str bytes;
    *p = (Part){.path = path};
    if (!file_map(a->a, path, &bytes, e)) return false;
    if (journal_is(bytes)) return journal_rows(a->a, path, &p->head, e) != NULL;
    if (str_starts(bytes, STR_LIT("\x1f\x8b"))) {
        Buf b = {.arena = a->a};
        if (!gunzip(&b, bytes, (size_t)1 << 32, path, 0, e)) return false;
        bytes = buf_view(&b);
    }
    const Json *all = json_parse(a->a, bytes, path, e), *top = json_get(all, "attributes"),
               *head = json_get(json_get(top, "info"), ATTR_SHARD), *done = json_get(head, "done");
    if (!all) return false;
    if (!head)
        return err_set(
            e, "%s: this is no part of a run; expected what 'inseq attribute --shard I/N -o FILE' writes",
            path);
    p->top = top;
    if (!journal_head(a->a, head, path, &p->head, e)) return false;
    if (done && done->is_int && done->i != (int64_t)(p->head.to - p->head.from))
        return err_set(e, "%s: %" PRId64 " of its %zu rows are done; give its command again", path, done->i,
                       p->head.to - p->head.from);
    return true;
}

static int by_rows(const void *x, const void *y)
{
    const JournalHead *p = &((const Part *)x)->head, *q = &((const Part *)y)->head;
    if (p->from != q->from) return p->from < q->from ? -1 : 1;
    return p->to < q->to ? -1 : p->to > q->to;
}

static bool same_run(const Part *p, const Part *q, Err *e)
{
    const JournalHead *x = &p->head, *y = &q->head;
    const char *what = p->top && !q->top   ? "one is lines, the other is Inseq's JSON"
                       : !p->top && q->top ? "one is Inseq's JSON, the other is lines"
                       : x->flat != y->flat || x->contexts != y->contexts
                           ? "their rows are of different forms"
                       : !str_eq(x->model, y->model)         ? "their models differ (SHA-256)"
                       : !str_eq(x->tokenizer, y->tokenizer) ? "their tokenizers differ (SHA-256)"
                       : !str_eq(x->options, y->options)     ? "their options differ"
                       : !str_eq(x->texts, y->texts) || x->rows != y->rows ? "their texts differ"
                       : x->shards != y->shards ? "they are parts of different numbers of parts"
                                                : NULL;
    return !what || err_set(e, "%s and %s are of different runs: %s", p->path, q->path, what);
}

static bool missing(const Part *p, size_t n, size_t from, size_t to, Err *e)
{
    return err_set(e, "rows %zu to %zu of %zu are in none of these files; of %zu parts there are %zu",
                   from + 1, to, p->head.rows, p->head.shards ? p->head.shards : 1, n);
}

// Every row once, and in order.
static bool complete(Part *p, size_t n, Err *e)
{
    size_t at = 0;
    qsort(p, n, sizeof *p, by_rows);
    for (size_t i = 0; i < n; i++) {
        if (i && !same_run(&p[0], &p[i], e)) return false;
        if (p[i].head.from < at)
            return err_set(e, "%s has rows that %s has too", p[i].path, p[i ? i - 1 : 0].path);
        if (p[i].head.from > at) return missing(p, n, at, p[i].head.from, e);
        at = p[i].head.to;
    }
    return at == p->head.rows || missing(p, n, at, p->head.rows, e);
}

// ------------------------------------------------------------------------------------------ lines

typedef struct Out {
    FileOut *f;
    bool gz;
    Buf b;
} Out;

static bool put_line(Out *o, Str line, bool last, Err *e)
{
    enum { AT_ONCE = 1 << 16 };
    if (o->gz && line.n) {
        Gzip z = {.out = &o->b};
        gzip_part(&z, line), gzip_end(&z);
    } else buf_str(&o->b, line);
    if (!last && o->b.n < AT_ONCE) return true;
    bool ok = file_part(o->f, buf_view(&o->b), e);
    o->b.n = 0;
    return ok;
}

static bool copy_rows(Args *a, const Part *p, Out *o, size_t *failed, Err *e)
{
    Arena *own = arena_create(a->a);
    JournalRows *r = journal_rows(own, p->path, NULL, e);
    size_t n = 0, rows = p->head.to - p->head.from;
    bool ok = r != NULL;
    for (bool more = ok; more && ok; n += more) {
        Arena *work = arena_create(own);
        const Json *row;
        more = journal_next(r, work, &row, e);
        if (more) *failed += journal_row_failed(row), ok = put_line(o, journal_line(r), false, e);
        arena_free(work);
    }
    arena_free(own);
    if (ok && !e->set && n != rows)
        return err_set(e, "%s: %zu of its %zu rows are done; give its command again", p->path, n, rows);
    return ok && !e->set;
}

static bool merge_lines(Args *a, const char *path, const Part *p, size_t n, size_t *failed, Err *e)
{
    Arena *own = arena_create(a->a);
    Out o = {.gz = str_ends(str_of(path), STR_LIT(".gz")), .b = {.arena = own}};
    JournalHead h = p->head;
    h.shard = h.shards = h.from = 0, h.to = h.rows;
    Str head = journal_head_line(own, &h);
    bool ok = (o.f = file_begin(own, path, e)) &&
              put_line(&o, str_of(arena_printf(own, "%.*s\n", (int)head.n, head.s)), false, e);
    for (size_t i = 0; ok && i < n; i++) ok = copy_rows(a, &p[i], &o, failed, e);
    ok = ok && put_line(&o, (Str){"", 0}, true, e) && file_end(o.f, e);
    arena_free(own);
    return ok;
}

// ------------------------------------------------------------------------------------------ Inseq's JSON

typedef struct Parts {
    const Part *p;
    size_t n, at;
    const Json *next;
} Parts;

static const Json *sequences(const Part *p) { return json_get(p->top, "sequence_attributions"); }

static const Json *next_sequence(void *context, Arena *a, Err *e)
{
    (void)a, (void)e;
    Parts *x = context;
    while (!x->next && x->at < x->n) {
        const Json *list = sequences(&x->p[x->at++]);
        x->next = list ? list->child : NULL;
    }
    const Json *s = x->next;
    if (s) x->next = s->next;
    return s;
}

// The lists of info end to end.
static void join_list(Arena *a, const Part *p, size_t n, InfoField *f)
{
    const char *key = str_zero(a, f->key);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const Json *list = json_get(json_get(p[i].top, "info"), key);
        count += list ? list->count : 0;
    }
    Str *all = arena_new(a, Str, count + 1);
    f->list = all, f->values = true;
    for (size_t i = 0; i < n; i++) {
        const Json *list = json_get(json_get(p[i].top, "info"), key);
        for (const Json *c = list ? list->child : NULL; c; c = c->next) all[f->n_list++] = attr_row(a, c);
    }
}

static int64_t position(const Part *p, const char *key)
{
    const Json *j = json_get(json_get(p->top, "info"), key);
    return j && j->is_int ? j->i : 0;
}

static void join_info(Arena *a, const Part *p, size_t n, Attribution *t)
{
    const Json *info = json_get(p->top, "info");
    int64_t end = 0;
    for (size_t i = 0; i < n; i++)
        if (position(&p[i], "attr_pos_end") > end) end = position(&p[i], "attr_pos_end");
    t->info = arena_new(a, InfoField, info->count + 1);
    for (const Json *c = info->child; c; c = c->next) {
        if (str_is(c->key, ATTR_SHARD)) continue;
        InfoField *f = &t->info[t->n_info++];
        *f = (InfoField){.key = c->key, .json = attr_row(a, c)};
        if (str_is(c->key, "attr_pos_end")) f->json = str_of(arena_printf(a, "%" PRId64, end));
        if (str_is(c->key, "input_texts") || str_is(c->key, "generated_texts") || str_is(c->key, ATTR_ROWS))
            join_list(a, p, n, f);
    }
}

static bool merge_json(Args *a, const char *path, const Part *p, size_t n, Err *e)
{
    Attribution t = {0};
    join_info(a->a, p, n, &t);
    return attr_save_rows(a->a, &t, next_sequence, &(Parts){p, n, 0, NULL}, path, e);
}

// ------------------------------------------------------------------------------------------ the command

static int run(Args *a)
{
    Err e = {0};
    if (a->n_rest < 2)
        return cmd_complain("merge needs a file to write and the parts: inseq merge OUT PART ..."),
               EXIT_USAGE;
    const char *out = a->rest[0];
    size_t n = a->n_rest - 1, failed = 0;
    Part *p = arena_new(a->a, Part, n);
    for (size_t i = 0; i < n; i++) {
        if (file_same(a->a, out, a->rest[i + 1]))
            return cmd_say("%s is one of the parts; give the result another name", out), EXIT_USAGE;
        if (!read_part(a, a->rest[i + 1], &p[i], &e)) return cmd_fail(&e, EXIT_INPUT);
    }
    if (!complete(p, n, &e)) return cmd_fail(&e, EXIT_INPUT);
    const char *end = str_ends(str_of(out), STR_LIT(".gz")) ? ".gz" : "",
               *want = arena_printf(a->a, p->top ? ".json%s" : ".jsonl%s", end);
    if (!str_ends(str_of(out), str_of(want)))
        return cmd_say("%s: the parts are %s, so its name must end in %s", out,
                       p->top ? "Inseq's JSON" : "lines",
                       p->top ? ".json or .json.gz" : ".jsonl or .jsonl.gz"),
               EXIT_USAGE;
    if (!(p->top ? merge_json(a, out, p, n, &e) : merge_lines(a, out, p, n, &failed, &e)))
        return cmd_fail(&e, EXIT_INPUT);
    if (failed)
        cmd_note(a, arena_printf(a->a, "%zu rows failed; they are in %s with what was wrong", failed, out));
    return 0;
}

const Command command_merge = {
    .name = "merge",
    .options = MERGE,
    .words = 1000001,
    .run = run,
    .usage = "OUT PART ...",
    .summary = "the parts of a run (--shard) as one result",
    .example = "all.jsonl part1.jsonl part2.jsonl",
};
