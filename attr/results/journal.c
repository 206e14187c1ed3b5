// SPDX-License-Identifier: Apache-2.0
// journal.c — journal.h's lines: written one by one, read again, and found to be of the same run.
#include "journal.h"

#include <stdio.h>
#include <string.h>

#define SCHEMA "{\"schema\": \"inseq-rows\""
#define CHECK  ", \"crc32\": \""
enum { CHECKED = sizeof CHECK - 1 + 8 + 2, FEW = 20 }; // `, "crc32": "01234567"}`

// ------------------------------------------------------------------------------------------ lines

static void end_line(Buf *b, size_t begin)
{
    uint32_t crc = gzip_crc(0, b->s + begin, b->n - begin);
    buf_printf(b, CHECK "%08" PRIx32 "\"}\n", crc);
}

static bool whole_line(Str line)
{
    if (line.n < CHECKED + 2 || line.s[0] != '{' || line.s[line.n - 1] != '\n') return false;
    size_t n = line.n - 1 - CHECKED;
    char want[CHECKED + 1];
    snprintf(want, sizeof want, CHECK "%08" PRIx32 "\"}", gzip_crc(0, line.s, n));
    return !memcmp(line.s + n, want, CHECKED);
}

static void put_hex(Buf *b, const char *key, Str v)
{
    buf_printf(b, ", \"%s\": ", key);
    buf_json(b, v);
}

static void put_head(Buf *b, const JournalHead *h)
{
    size_t begin = b->n;
    buf_printf(b, SCHEMA ", \"schema_version\": 1, \"form\": \"%s\", \"program\": \"inseq " VERSION "\"",
               h->contexts ? "contexts"
               : h->flat   ? "flat"
                           : "sequence");
    put_hex(b, "model", h->model), put_hex(b, "tokenizer", h->tokenizer);
    buf_str(b, STR_LIT(", \"options\": ")), buf_str(b, h->options.n ? h->options : STR_LIT("{}"));
    put_hex(b, "texts", h->texts);
    buf_printf(b, ", \"rows\": %zu", h->rows);
    if (h->shards) buf_printf(b, ", \"shard\": [%zu, %zu]", h->shard, h->shards);
    buf_printf(b, ", \"from\": %zu, \"to\": %zu", h->from, h->to);
    if (h->provenance.n) buf_str(b, STR_LIT(", \"" ATTR_PROVENANCE "\": ")), buf_str(b, h->provenance);
    end_line(b, begin);
}

Str journal_head_line(Arena *a, const JournalHead *h)
{
    Buf b = {.arena = a};
    put_head(&b, h);
    return (Str){b.s, b.n - 1};
}

// ------------------------------------------------------------------------------------------ the same run?

static bool other(const char *path, Err *e, const char *what)
{
    return err_set(e,
                   "%s: its rows are of another run, %s; give -o another name, or --overwrite to begin anew",
                   path, what);
}

static Str text_of(Arena *a, const Json *head, const char *key)
{
    const Json *j = json_get(head, key);
    Buf b = {.arena = a};
    if (!j) return STR_LIT("not given");
    if (j->kind == J_STRING || j->kind == J_NUMBER) return j->text;
    if (j->kind == J_TRUE) return STR_LIT("given");
    buf_char(&b, '[');
    for (const Json *c = j->child; c; c = c->next)
        buf_printf(&b, "%s%.*s", c == j->child ? "" : " ", (int)c->text.n, c->text.s);
    buf_char(&b, ']');
    return buf_view(&b);
}

static int shown(Str s) { return s.n < 200 ? (int)s.n : 200; }

static bool same_text(Arena *a, const char *path, const Json *was, const Json *is, const char *key,
                      const char *what, Err *e)
{
    Str x = text_of(a, was, key), y = text_of(a, is, key);
    return str_eq(x, y) ||
           other(path, e,
                 arena_printf(a, "%s: there it is %.*s, and here %.*s", what, shown(x), x.s, shown(y), y.s));
}

static bool same_options(Arena *a, const char *path, const Json *was, const Json *is, Err *e)
{
    const Json *const both[2] = {json_get(was, "options"), json_get(is, "options")};
    for (int k = 0; k < 2; k++)
        for (const Json *c = both[k] ? both[k]->child : NULL; c; c = c->next) {
            const char *key = str_zero(a, c->key), *what = arena_printf(a, "with other options, --%s", key);
            if (!same_text(a, path, both[0], both[1], key, what, e)) return false;
        }
    return true;
}

static bool same_run(Arena *a, const char *path, const Json *was, const Json *is, Err *e)
{
    static const char *const before[][2] = {{"form", "in another form"},
                                            {"program", "of another version"},
                                            {"model", "with another model (SHA-256)"},
                                            {"tokenizer", "with another tokenizer (SHA-256)"}},
                             *const after[][2] = {{"rows", "of another number of texts"},
                                                  {"texts", "of other texts (SHA-256)"},
                                                  {"shard", "of another --shard"}};
    for (int i = 0; i < 4; i++)
        if (!same_text(a, path, was, is, before[i][0], before[i][1], e)) return false;
    if (!same_options(a, path, was, is, e)) return false;
    for (int i = 0; i < 3; i++)
        if (!same_text(a, path, was, is, after[i][0], after[i][1], e)) return false;
    return true;
}

// ------------------------------------------------------------------------------------------ writing

struct Journal {
    const char *path;
    FileLog *log;
    bool gz;
    size_t done, failed, number[FEW];
    uint64_t end, found;
};

size_t journal_done(const Journal *j) { return j->done; }
size_t journal_failed(const Journal *j, const size_t **number) { return *number = j->number, j->failed; }
size_t journal_cut_off(const Journal *j) { return (size_t)(j->found - j->end); }
const char *journal_path(const Journal *j) { return j->path; }

static bool number_of(Str line, size_t *number, bool *failed)
{
    static const char begin[] = "{\"number\": ", error[] = ", \"error\": ";
    size_t at = sizeof begin - 1;
    if (!str_starts(line, str_of(begin))) return false;
    for (*number = 0; at < line.n && line.s[at] >= '0' && line.s[at] <= '9'; at++)
        *number = 10 * *number + (size_t)(line.s[at] - '0');
    *failed = str_starts((Str){line.s + at, line.n - at}, str_of(error));
    return at > sizeof begin - 1;
}

static bool add(Journal *j, Str line, Err *e)
{
    if (!j->gz) return log_add(j->log, line, e);
    Arena *a = arena_create(NULL);
    Buf packed = {.arena = a};
    Gzip z = {.out = &packed};
    gzip_part(&z, line), gzip_end(&z);
    bool ok = log_add(j->log, buf_view(&packed), e);
    arena_free(a);
    return ok;
}

static bool no_rows(const char *path, Err *e)
{
    return err_set(e,
                   "%s: this file is there, and it is no rows that inseq wrote; give -o another name, or "
                   "--overwrite to begin anew",
                   path);
}

// A first line that was cut short by a loss of power. Of a packed one too few bytes may be there to show any.
static bool torn_head(Arena *a, const Journal *j, Err *e)
{
    enum { SHOWS_NOTHING = 128 };
    Str all;
    Buf b = {.arena = a};
    size_t used;
    if (!file_read(a, j->path, (size_t)1 << 32, &all, e)) return false;
    bool packed = j->gz && str_starts(all, STR_LIT("\x1f\x8b"));
    if (packed && gunzip_member(&b, all, 1 << 20, &used)) return no_rows(j->path, e);
    Str text = packed ? buf_view(&b) : all;
    size_t n = text.n < sizeof SCHEMA - 1 ? text.n : sizeof SCHEMA - 1;
    bool ours = !memcmp(text.s, SCHEMA, n) && !memchr(text.s, '\n', text.n) &&
                (n || all.n <= SHOWS_NOTHING) && packed == j->gz;
    return ours || no_rows(j->path, e);
}

// What is there, up to the first line that is not whole.
static bool take_up(Arena *a, Journal *j, Str own, Err *e)
{
    FileLines *f = lines_open(a, j->path, e);
    Str line = {0};
    uint64_t end;
    if (!f) return false;
    bool any = lines_next(f, &line, &end, e);
    if (e->set) return false;
    if (!any) return torn_head(a, j, e);
    if (!whole_line(line) || !journal_is(line)) return no_rows(j->path, e);
    const Json *was = json_parse(a, str_copy(a, line), j->path, e), *is = json_parse(a, own, "", e);
    if (!was || !is || !same_run(a, j->path, was, is, e)) return false;
    j->end = end;
    for (size_t number; lines_next(f, &line, &end, e); j->done++, j->end = end) {
        bool failed;
        if (!whole_line(line) || !number_of(line, &number, &failed)) break;
        if (failed && j->failed < FEW) j->number[j->failed] = number;
        j->failed += failed;
    }
    return !e->set;
}

Journal *journal_open(Arena *a, const char *path, const JournalHead *h, bool anew, Err *e)
{
    Journal *j = arena_new(a, Journal, 1);
    Arena *work = arena_create(a);
    Str own = journal_head_line(work, h);
    *j = (Journal){.path = arena_printf(a, "%s", path), .gz = str_ends(str_of(path), STR_LIT(".gz"))};
    j->log = log_open(a, path, &j->found, e);
    bool ok = j->log && (anew || !j->found || take_up(work, j, own, e));
    if (ok && j->end != j->found) ok = log_cut(j->log, j->end, e);
    if (ok && !j->end) ok = add(j, str_of(arena_printf(work, "%.*s\n", (int)own.n, own.s)), e);
    if (ok) ok = log_sync(j->log, e);
    if (anew || !j->end) j->found = j->end = 0;
    arena_free(work);
    return ok ? j : NULL;
}

bool journal_add(Journal *j, Str members, Err *e)
{
    Arena *a = arena_create(NULL);
    Buf b = {.arena = a};
    buf_char(&b, '{'), buf_str(&b, members), end_line(&b, 0);
    bool ok = add(j, buf_view(&b), e);
    arena_free(a);
    return ok;
}

bool journal_end(Journal *j, Err *e) { return log_end(j->log, e); }

// ------------------------------------------------------------------------------------------ reading

struct JournalRows {
    const char *path;
    FileLines *f;
    Str line;
    size_t at;
};

bool journal_is(Str begin)
{
    if (!str_starts(begin, STR_LIT("\x1f\x8b"))) return str_starts(begin, str_of(SCHEMA));
    Arena *a = arena_create(NULL);
    Buf b = {.arena = a};
    size_t used;
    gunzip_member(&b, begin, 1 << 20, &used);
    bool is = str_starts(buf_view(&b), str_of(SCHEMA));
    arena_free(a);
    return is;
}

static size_t count_of(const Json *j) { return j && j->is_int && j->i > 0 ? (size_t)j->i : 0; }

static Str own_text(const Json *j) { return j && j->kind == J_STRING ? j->text : (Str){"", 0}; }

bool journal_head(Arena *a, const Json *j, const char *path, JournalHead *h, Err *e)
{
    const Json *shard = json_get(j, "shard");
    if (count_of(json_get(j, "schema_version")) != 1)
        return err_set(e, "%s: rows that a later inseq wrote (schema_version)", path);
    *h = (JournalHead){.flat = str_is(own_text(json_get(j, "form")), "flat"),
                       .contexts = str_is(own_text(json_get(j, "form")), "contexts"),
                       .model = own_text(json_get(j, "model")),
                       .tokenizer = own_text(json_get(j, "tokenizer")),
                       .texts = own_text(json_get(j, "texts")),
                       .options = attr_row(a, json_get(j, "options")),
                       .rows = count_of(json_get(j, "rows")),
                       .from = count_of(json_get(j, "from")),
                       .to = count_of(json_get(j, "to")),
                       .provenance = attr_row(a, json_get(j, ATTR_PROVENANCE))};
    if (shard && shard->count == 2)
        h->shard = count_of(shard->child), h->shards = count_of(shard->child->next);
    return true;
}

JournalRows *journal_rows(Arena *a, const char *path, JournalHead *head, Err *e)
{
    JournalRows *r = arena_new(a, JournalRows, 1);
    JournalHead own;
    uint64_t end;
    *r = (JournalRows){.path = arena_printf(a, "%s", path), .f = lines_open(a, path, e), .at = 1};
    if (!r->f) return NULL;
    bool any = lines_next(r->f, &r->line, &end, e);
    if (e->set) return NULL;
    if (!any || !journal_is(r->line) || !whole_line(r->line))
        return err_set(e,
                       "%s: this is no file of rows; expected the lines that 'inseq attribute -o FILE.jsonl' "
                       "writes",
                       path),
               NULL;
    const Json *j = json_parse(a, str_copy(a, r->line), path, e);
    return j && journal_head(a, j, path, head ? head : &own, e) ? r : NULL;
}

static bool next_line(JournalRows *r, Err *e)
{
    uint64_t end;
    if (!lines_next(r->f, &r->line, &end, e)) return false;
    r->at++;
    return whole_line(r->line) ||
           err_set(
               e,
               "%s: line %zu does not match its checksum; the command that wrote it, given again, mends it",
               r->path, r->at);
}

bool journal_next(JournalRows *r, Arena *a, const Json **row, Err *e)
{
    if (!next_line(r, e)) return false;
    *row = json_parse(a, str_copy(a, r->line), r->path, e);
    return *row != NULL;
}

Str journal_line(const JournalRows *r) { return r->line; }

bool journal_row_failed(const Json *row) { return json_get(row, "error") != NULL; }

// ------------------------------------------------------------------------------------------ as a result

static Str quoted(Arena *a, Str s)
{
    Buf b = {.arena = a};
    buf_json_ascii(&b, s);
    return buf_view(&b);
}

static void list(Buf *b, const Json *text)
{
    buf_str(b, b->n ? STR_LIT(",") : STR_LIT("["));
    buf_json_ascii(b, own_text(text));
}

// What is known of how the rows were made: from the options, and from the first of them.
static void make_info(Arena *a, Attribution *t, const JournalHead *h, Str model, Str sources, Str targets)
{
    const Json *o = json_parse(a, h->options, "", NULL), *method = json_get(o, "attribution_method");
    t->info = arena_new(a, InfoField, 8);
    if (method)
        t->info[t->n_info++] =
            (InfoField){.key = STR_LIT("attribution_method"), .json = quoted(a, own_text(method))};
    t->info[t->n_info++] = (InfoField){.key = STR_LIT("generated_texts"), .json = targets};
    t->info[t->n_info++] = (InfoField){.key = STR_LIT("input_texts"), .json = sources};
    if (h->provenance.n)
        t->info[t->n_info++] = (InfoField){.key = str_of(ATTR_PROVENANCE), .json = h->provenance};
    if (model.n) t->info[t->n_info++] = (InfoField){.key = STR_LIT("model_name"), .json = quoted(a, model)};
}

bool journal_read(Arena *a, const char *path, Attribution *t, Err *e)
{
    JournalHead h;
    JournalRows *r = journal_rows(a, path, &h, e);
    Buf sources = {.arena = a}, targets = {.arena = a};
    Str model = {0};
    size_t room = 0;
    *t = (Attribution){0};
    if (!r) return false;
    for (const Json *row; journal_next(r, a, &row, e);) {
        const Json *number = json_get(row, "number"), *about = json_get(row, "row");
        if (journal_row_failed(row)) continue;
        if (t->n == room) {
            Sequence *more = arena_new(a, Sequence, room = 2 * room + 16);
            if (t->n) memcpy(more, t->sequence, t->n * sizeof *more);
            t->sequence = more;
        }
        Sequence *s = &t->sequence[t->n++];
        if (!(h.flat ? attr_read_flat(a, row, path, s, e)
                     : attr_read_sequence(a, json_get(row, "sequence"), path, s, e)))
            return false;
        if (number && number->is_int) s->text = number->i;
        if (about) s->row = attr_row(a, about);
        if (!model.n) model = own_text(json_get(row, "model"));
        list(&sources, json_get(row, "input_text")), list(&targets, json_get(row, "generated_text"));
    }
    if (e->set) return false;
    if (!t->n) return err_set(e, "%s: no row there was attributed", path);
    buf_char(&sources, ']'), buf_char(&targets, ']');
    make_info(a, t, &h, model, buf_view(&sources), buf_view(&targets));
    return true;
}
