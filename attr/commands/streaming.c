// SPDX-License-Identifier: Apache-2.0
// streaming.c — rows that are safe as soon as they are done: -o FILE.jsonl grows by a line a row, and of long runs -o FILE.json
// is made at the end from such lines, which stand in FILE.json.rows until then. The same command goes on behind what is there.
//
// Which rows are this run's (--shard) is decided here too: parts of the input one after another, of about the same work.
#include "streaming.h"

#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------------------------------ what a run is

// Options that no row depends on. What texts there are, and what their rows say besides, is told by their hash; a model's name
// stands in the rows.
static const char *const neutral[] = {"input_texts",
                                      "generated_texts",
                                      "contrast_targets",
                                      "contrast_sources",
                                      "input_format",
                                      "delimiter",
                                      "input_text_field",
                                      "generated_text_field",
                                      "contrast_targets_field",
                                      "contrast_sources_field",
                                      "id_field",
                                      "input_current_field",
                                      "input_context_field",
                                      "output_current_field",
                                      "output_context_field",
                                      "show_intermediate_outputs",
                                      "show_viz",
                                      "no_show_viz",
                                      "dataset_name",
                                      "dataset_files",
                                      "dataset_dir",
                                      "dataset_split",
                                      "dataset_kwargs",
                                      "dataset_config",
                                      "keep_blank",
                                      "save_path",
                                      "viz_path",
                                      "svg",
                                      "csv",
                                      "export",
                                      "format",
                                      "percent",
                                      "digits",
                                      "common_scale",
                                      "width",
                                      "json",
                                      "hide_attributions",
                                      "batch_size",
                                      "threads",
                                      "max_memory",
                                      "device",
                                      "color",
                                      "no_color",
                                      "plain",
                                      "progress",
                                      "no_progress",
                                      "verbose",
                                      "very_verbose",
                                      "quiet",
                                      "cache_dir",
                                      "shard",
                                      "overwrite",
                                      "retry_failed",
                                      "provenance",
                                      "show_alignment",
                                      "output_step_attributions",
                                      "aggregate_output"};

static bool counts(const char *option)
{
    for (size_t i = 0; i < sizeof neutral / sizeof *neutral; i++)
        if (!strcmp(option, neutral[i])) return false;
    return true;
}

// {"attribution_method": "saliency", "step_scores": ["probability"], "attribute_target": true}
Str stream_options(Args *a)
{
    Buf b = {.arena = a->a};
    size_t n, written = 0;
    const Option *o = args_options(&n);
    buf_char(&b, '{');
    for (size_t i = 0; i < n; i++) {
        const OptionValue *v = &a->value[i];
        if (!v->given || !counts(o[i].name)) continue;
        if (written++) buf_str(&b, STR_LIT(", "));
        buf_json(&b, str_of(o[i].name)), buf_str(&b, STR_LIT(": "));
        if (o[i].kind == OPT_FLAG) buf_str(&b, STR_LIT("true"));
        else if (o[i].kind == OPT_LIST) {
            buf_char(&b, '[');
            for (size_t k = 0; k < v->n; k++) {
                if (k) buf_str(&b, STR_LIT(", "));
                buf_json(&b, str_of(v->list[k]));
            }
            buf_char(&b, ']');
        } else if (o[i].kind == OPT_INT || o[i].kind == OPT_SIZE) buf_printf(&b, "%" PRId64, v->number);
        else buf_json(&b, str_of(v->n ? v->list[v->n - 1] : ""));
    }
    buf_char(&b, '}');
    return buf_view(&b);
}

// Its length first, so that no two lists look alike.
void stream_hash(Sha256 *x, const Str *s)
{
    uint64_t n = s ? s->n : UINT64_MAX;
    uint8_t size[8];
    for (int i = 0; i < 8; i++) size[i] = (uint8_t)(n >> (8 * i));
    sha256_part(x, (Str){(const char *)size, 8});
    if (s) sha256_part(x, *s);
}

// With the texts that baselines are drawn from: of those the options have only the file's name.
static void hash_texts(Arena *a, const Texts *t, const AttrOptions *o, char out[65])
{
    Sha256 x;
    sha256_begin(&x);
    for (size_t i = 0; i < o->n_baselines; i++) {
        const Ids *ids = &o->baselines[i];
        stream_hash(&x, &(Str){(const char *)ids->v, (size_t)ids->n * sizeof *ids->v});
    }
    for (size_t i = 0; i < t->n; i++) {
        Arena *work = arena_create(a);
        size_t number = t->number ? t->number[i] : t->first + i + 1;
        Str about = t->about ? t->about[i] : (Str){"", 0},
            wrong = str_of(t->wrong && t->wrong[i] ? t->wrong[i] : ""),
            order = str_of(arena_printf(work, "%zu", number));
        const Str *all[] = {&order,
                            &t->source[i],
                            t->n_targets ? &t->target[i] : NULL,
                            t->foil_source ? &t->foil_source[i] : NULL,
                            t->foil_target ? &t->foil_target[i] : NULL,
                            &about,
                            &wrong};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) stream_hash(&x, all[k]);
        arena_free(work);
    }
    sha256_end_hex(&x, out);
}

// ------------------------------------------------------------------------------------------ shards

// Task managers that number their tasks: where the number stands, the lowest (without one: from), the step between two, how
// many there are or the highest.
typedef struct Manager {
    const char *task, *first, *step, *count, *last;
    int64_t from;
} Manager;
static const Manager managers[] = {
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT", NULL,
     1},
    {"SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_STEPSIZE", NULL, "SGE_TASK_LAST", 1},
    {"JOB_COMPLETION_INDEX", NULL, NULL, "JOB_COMPLETIONS", NULL, 0}, // Kubernetes
    {"PBS_ARRAY_INDEX", NULL, NULL, NULL, NULL, 1},
    {"LSB_JOBINDEX", NULL, "LSB_JOBINDEX_STEP", NULL, "LSB_JOBINDEX_END", 1},
};

static bool from_environment(const char *name, int64_t *out)
{
    const char *v = name ? getenv(name) : NULL;
    return v && option_number(v, false, out);
}

static bool task(int64_t *index, int64_t *count)
{
    for (size_t i = 0; i < sizeof managers / sizeof *managers; i++) {
        const Manager *m = &managers[i];
        int64_t first = m->from, step = 1, last;
        if (!from_environment(m->task, index)) continue;
        from_environment(m->first, &first);
        if (!from_environment(m->step, &step) || step < 1) step = 1;
        if (!from_environment(m->count, count) && from_environment(m->last, &last))
            *count = (last - first) / step + 1;
        *index = (*index - first) / step + 1;
        return true;
    }
    return false;
}

bool args_shard(const Args *a, size_t *shard, size_t *shards, Err *e)
{
    const char *text = args_text(a, "shard");
    int64_t i = 0, n = 0;
    *shard = *shards = 0;
    if (!text) return true;
    const char *slash = strchr(text, '/');
    bool by_itself = str_starts(str_of(text), STR_LIT("auto")) && (!text[4] || text[4] == '/'),
         good = by_itself ||
                (slash && option_number(arena_printf(a->a, "%.*s", (int)(slash - text), text), false, &i));
    if (slash) good = good && option_number(slash + 1, false, &n);
    if (!good)
        return err_usage(e, "--shard %s: it must be I/N, such as 2/4 for the second of four parts, or auto",
                         text);
    if (by_itself && !task(&i, slash ? &(int64_t){0} : &n))
        return err_usage(
            e,
            "--shard %s: no task of a job array here (SLURM_ARRAY_TASK_ID and its kin are not set); give I/N",
            text);
    if (by_itself && !n)
        return err_usage(e, "--shard auto: of how many tasks this is one is not told here; give auto/N");
    if (n < 1 || i < 1 || i > n || n > 1000000)
        return err_usage(e, "--shard %s: part %" PRId64 " of %" PRId64 "; it must be from 1 to N", text, i,
                         n);
    *shard = (size_t)i, *shards = (size_t)n;
    return true;
}

// About what a text costs: steps times all tokens, a token being four bytes. Only ratios matter, and that every machine
// says the same.
static uint64_t work_of(const Texts *t, size_t i)
{
    uint64_t source = t->source[i].n / 4 + 4,
             target = (t->n_targets && !t->beginnings ? t->target[i].n / 4 : source) + 4;
    return target * (source + target);
}

double stream_size(const Texts *t, size_t from, size_t to)
{
    double all = 0;
    for (size_t i = from; i < to; i++) all += (double)work_of(t, i);
    return all;
}

// Rows whose middle, counted in work, lies in this part.
void stream_shard(const Texts *t, size_t shard, size_t shards, size_t *from, size_t *to)
{
    double all = stream_size(t, 0, t->n), before = 0; // of whole numbers: exact
    *from = 0, *to = t->n;
    if (!shards) return;
    *from = t->n;
    for (size_t i = 0; i < t->n; i++) {
        double own = (double)work_of(t, i), middle = 2 * before + own; // of 2 * all
        size_t part = (size_t)(middle * (double)shards / (2 * all));
        if (part >= shards) part = shards - 1;
        if (part + 1 >= shard && *from == t->n) *from = i;
        if (part + 1 > shard) {
            *to = i;
            break;
        }
        before += own;
    }
}

// ------------------------------------------------------------------------------------------ beginning

bool stream_is_lines(const char *path)
{
    Str name = str_of(path);
    if (str_ends(name, STR_LIT(".gz"))) name.n -= 3;
    return str_ends(name, STR_LIT(".jsonl"));
}

static void keep(Stream *s, Str source, Str target)
{
    s->kept_source[s->n_kept] = source, s->kept_target[s->n_kept++] = target;
}

// A row that was done before, as if it had been done now. It lives as long as what is kept.
static bool take_row(Stream *s, const Json *row, Err *e)
{
    Arena *a = s->a->a;
    Sequence *q = &s->kept[s->n_kept];
    const Json *number = json_get(row, "number"), *about = json_get(row, "row");
    if (journal_row_failed(row)) return true;
    if (!(s->flat ? attr_read_flat(a, row, s->path, q, e)
                  : attr_read_sequence(a, json_get(row, "sequence"), s->path, q, e)))
        return false;
    if (s->numbered && number && number->is_int) q->text = number->i;
    if (s->foils) q->text = (int64_t)s->n_kept + 1;
    if (about) q->row = attr_row(a, about);
    keep(s, json_get(row, "input_text")->text, json_get(row, "generated_text")->text);
    return true;
}

static bool take_rows(Stream *s, Err *e)
{
    const Json *row;
    JournalRows *r = journal_rows(s->a->a, journal_path(s->journal), NULL, e);
    for (bool ok = r != NULL; ok;) ok = journal_next(r, s->a->a, &row, e) && take_row(s, row, e);
    return !e->set;
}

void stream_tell_done(const Args *a, const Journal *j, size_t rows)
{
    const size_t *number, done = journal_done(j), n = journal_failed(j, &number);
    Buf b = {.arena = a->a};
    for (size_t i = 0; i < n && i < 20; i++) buf_printf(&b, "%s%zu", i ? ", " : "", number[i]);
    if (journal_cut_off(j))
        cmd_note(a, arena_printf(a->a, "%s: %zu bytes behind the last whole row are cut off", journal_path(j),
                                 journal_cut_off(j)));
    if (done)
        cmd_note(a, arena_printf(a->a, "%s has %zu of %zu rows; %s", journal_path(j), done, rows,
                                 done == rows ? "all are done" : "the others follow"));
    if (n)
        cmd_note(a, arena_printf(a->a, "of these %zu failed (number %s%s)", n, b.s, n > 20 ? ", ..." : ""));
}

// --retry_failed: all rows are written anew, beside; those that were right as they are.
static bool begin_again(Stream *s, const JournalHead *h, Err *e)
{
    const size_t *number;
    if (!journal_failed(s->journal, &number)) return true;
    s->replaced = journal_path(s->journal);
    s->before = s->journal;
    s->old = journal_rows(s->a->a, s->replaced, NULL, e);
    bool gz = str_ends(str_of(s->replaced), STR_LIT(".gz"));
    return s->old &&
           (s->journal = journal_open(
                s->a->a, arena_printf(s->a->a, "%s.retry%s", s->replaced, gz ? ".gz" : ""), h, true, e));
}

bool cmd_stream_begin(Args *a, const Work *w, const AttrOptions *o, const Texts *t, size_t most, bool alone,
                      Stream *s, Err *e)
{
    const char *path = args_text(a, "save_path");
    JournalHead h = {.rows = t->n};
    *s = (Stream){.a = a, .path = path, .most = most, .keep = true, .several = t->n > 1};
    s->numbered = t->n > 1 || (t->n && t->about);
    s->foils =
        t->n && t->number && t->number[t->n - 1] == t->number[0]; // of one text: they are what is counted
    if (!args_shard(a, &h.shard, &h.shards, e)) return false;
    stream_shard(t, h.shard, h.shards, &s->from, &s->to);
    s->at = h.from = s->from, h.to = s->to, s->shards = h.shards;
    if (h.shards && !alone) return err_usage(e, "--shard: of one model and method at a time");
    bool saved = path && alone && file_is_plain(path) && !attr_all_layers(o);
    s->flat = saved && stream_is_lines(path);
    saved = saved && (s->flat || h.shards || (s->to - s->from > most && !o->evaluate.wanted));
    if (!saved && (args_on(a, "retry_failed") || (h.shards && path)))
        return err_usage(e, "--%s: rows are kept one by one in -o FILE.jsonl, or FILE.json of many texts",
                         h.shards ? "shard" : "retry_failed");
    if (saved) {
        char model[65], tokenizer[65], texts[65];
        if (!texts_hashes(w->l, model, tokenizer, e)) return false;
        if (args_on(a, "provenance") && !cmd_provenance(a, &h.provenance, e)) return false;
        if (h.provenance.n) h.provenance = attr_row(a->a, json_parse(a->a, h.provenance, "", NULL));
        hash_texts(a->a, t, o, texts);
        h.flat = s->flat, h.options = attr_row(a->a, json_parse(a->a, stream_options(a), "", NULL));
        h.model = str_of(model), h.tokenizer = str_of(tokenizer), h.texts = str_of(texts);
        s->head = journal_head_line(a->a, &h);
        s->journal = journal_open(a->a, s->flat ? path : arena_printf(a->a, "%s.rows", path), &h,
                                  args_on(a, "overwrite"), e);
        if (!s->journal) return false;
        const size_t *number;
        stream_tell_done(a, s->journal, s->to - s->from);
        if (journal_failed(s->journal, &number) && !args_on(a, "retry_failed"))
            cmd_note(a, "--retry_failed tries them again");
        s->at += journal_done(s->journal);
        if (!args_on(a, "retry_failed")) s->failed = journal_failed(s->journal, &number);
        s->keep = cmd_draws(a);
        if (args_on(a, "retry_failed") && !begin_again(s, &h, e)) return false;
        if (s->before) s->at = s->from;
    }
    cmd_describe_run(a, w, o, t->n_targets && !t->beginnings, NULL, NULL, 0, &s->about);
    size_t room = s->keep ? s->to - s->from : 0;
    s->kept = arena_new(a->a, Sequence, room);
    s->kept_source = arena_new(a->a, Str, room), s->kept_target = arena_new(a->a, Str, room);
    return !s->journal || s->before || !s->keep || s->at == s->from || take_rows(s, e);
}

// ------------------------------------------------------------------------------------------ rows

// A row that was right before, as it stands there.
static bool copy_row(Stream *s, const Json *row, Err *e)
{
    static const char check[] = ", \"crc32\": \"";
    Str line = journal_line(s->old);
    size_t end = line.n;
    while (end && !str_starts((Str){line.s + end, line.n - end}, str_of(check))) end--;
    return journal_add(s->journal, (Str){line.s + 1, end - 1}, e) && (!s->keep || take_row(s, row, e));
}

bool cmd_stream_next(Stream *s, size_t *from, size_t *to, Err *e)
{
    while (s->old && s->at < s->to) {
        Arena *work = s->keep ? s->a->a : arena_create(s->a->a);
        const Json *row;
        bool more = journal_next(s->old, work, &row, e), failed = more && journal_row_failed(row),
             ok = !more || failed || copy_row(s, row, e);
        if (!s->keep) arena_free(work);
        if (!ok || e->set) return false;
        if (failed) return *from = s->at, *to = s->at + 1, true;
        if (more) s->at++;
        else s->old = NULL;
    }
    *from = s->at, *to = s->to - s->at > s->most ? s->at + s->most : s->to;
    return *from < *to;
}

static bool put_row(Stream *s, Arena *a, const Job *j, const Sequence *q, Err *e)
{
    Buf b = {.arena = a};
    Attribution t = s->about, shown, saved;
    Str row = j->about;
    buf_printf(&b, "\"number\": %zu", j->number);
    if (!q) {
        buf_str(&b, STR_LIT(", \"error\": ")), buf_json(&b, str_of(j->err->text));
        if (row.n) buf_str(&b, STR_LIT(", \"row\": ")), buf_str(&b, row);
        return journal_add(s->journal, buf_view(&b), e);
    }
    t.sequence = arena_new(a, Sequence, 1), t.n = 1, *t.sequence = *q;
    Args own = *s->a;
    own.a = a;
    if (!cmd_shown_form(&own, &t, &shown, e) || !cmd_saved_form(&own, &t, &shown, &saved, e)) return false;
    buf_str(&b, STR_LIT(", \"input_text\": ")), buf_json(&b, j->source);
    buf_str(&b, STR_LIT(", \"generated_text\": ")), buf_json(&b, j->target);
    if (s->flat) buf_str(&b, STR_LIT(", ")), attr_flat_members(a, &shown, &b);
    else {
        if (row.n) buf_str(&b, STR_LIT(", \"row\": ")), buf_str(&b, row);
        buf_str(&b, STR_LIT(", \"sequence\": ")), attr_sequence_line(a, saved.sequence, &b);
    }
    return journal_add(s->journal, buf_view(&b), e);
}

bool cmd_stream_row(Stream *s, const Job *j, const Sequence *q, Err *e)
{
    if (s->journal) {
        Arena *work = arena_create(s->a->a);
        bool ok = put_row(s, work, j, q, e);
        arena_free(work);
        if (!ok) return false;
    }
    s->at++, s->failed += q == NULL, s->made += q != NULL;
    if (!q || !s->keep) return true;
    s->kept[s->n_kept] = *q;
    if (s->numbered) s->kept[s->n_kept].text = (int64_t)(s->foils ? s->at : j->number);
    keep(s, j->source, j->target);
    return true;
}

// ------------------------------------------------------------------------------------------ the end

static const Json *next_sequence(void *rows, Arena *a, Err *e)
{
    const Json *row;
    while (journal_next(rows, a, &row, e))
        if (!journal_row_failed(row)) return json_get(row, "sequence");
    return NULL;
}

static int64_t position(const Json *row, const char *key)
{
    const Json *j = json_get(json_get(json_get(row, "sequence"), "attributes"), key);
    return j && j->is_int ? j->i : 0;
}

// Many short texts, one behind the other.
typedef struct Packed {
    Arena *a;
    char *at;
    size_t left;
} Packed;

static Str pack(Packed *p, Str s)
{
    enum { CHUNK = 1 << 14 };
    if (s.n > p->left) p->left = s.n > CHUNK ? s.n : CHUNK, p->at = arena_new_raw(p->a, char, p->left);
    Str out = {p->at, s.n};
    if (s.n) memcpy(p->at, s.s, s.n);
    p->at += s.n, p->left -= s.n;
    return out;
}

typedef struct RowTexts {
    Packed bytes;
    Str *source, *target, *about; // about NULL: rows are of no data file
    size_t n, most;
    int64_t start, end; // positions: the first's, and the last of all
} RowTexts;

static void add_texts(RowTexts *t, Arena *work, const Json *row)
{
    const Json *about = json_get(row, "row");
    int64_t end = position(row, "attr_pos_end");
    if (t->n == t->most) return;
    if (!t->n) t->start = position(row, "attr_pos_start");
    if (!t->n && about) t->about = arena_new(t->bytes.a, Str, t->most);
    if (end > t->end) t->end = end;
    t->source[t->n] = pack(&t->bytes, json_get(row, "input_text")->text);
    t->target[t->n] = pack(&t->bytes, json_get(row, "generated_text")->text);
    if (t->about) t->about[t->n] = pack(&t->bytes, attr_row(work, about));
    t->n++;
}

// What info says of the rows' texts and positions.
static bool describe_rows(Stream *s, Arena *a, const char *path, size_t *n, Err *e)
{
    size_t most = s->at - s->from;
    RowTexts t = {.bytes = {.a = a},
                  .source = arena_new(a, Str, most),
                  .target = arena_new(a, Str, most),
                  .most = most,
                  .start = 1};
    JournalRows *r = journal_rows(a, path, NULL, e);
    for (bool more = r != NULL; more;) {
        Arena *work = arena_create(a);
        const Json *row;
        more = journal_next(r, work, &row, e);
        if (more && !journal_row_failed(row)) add_texts(&t, work, row);
        arena_free(work);
    }
    if (e->set) return false;
    for (size_t i = 0; i < s->about.n_info; i++) {
        InfoField *f = &s->about.info[i];
        if (str_is(f->key, "attr_pos_start")) f->json = str_of(arena_printf(a, "%" PRId64, t.start));
        if (str_is(f->key, "attr_pos_end")) f->json = str_of(arena_printf(a, "%" PRId64, t.end));
    }
    *n = t.n;
    attr_list_texts(&s->about, t.source, t.target, t.about, t.n);
    if (!cmd_add_provenance(s->a, &s->about, e)) return false;
    if (!s->shards) return true;
    Str done =
        str_of(arena_printf(a, "%.*s, \"done\": %zu}", (int)s->head.n - 1, s->head.s, s->at - s->from));
    s->about.info[s->about.n_info++] = (InfoField){.key = str_of(ATTR_SHARD), .json = done};
    return true;
}

// FILE.json of the rows that are done; when all are, the lines have done their work.
static bool save(Stream *s, const char *lines, Err *e)
{
    size_t n = 0;
    Arena *a = arena_create(s->a->a);
    JournalRows *rows;
    bool ok = describe_rows(s, a, lines, &n, e);
    if (ok && n)
        ok = (rows = journal_rows(a, lines, NULL, e)) &&
             attr_save_rows(a, &s->about, next_sequence, rows, s->path, e);
    if (ok && s->at == s->to && n) ok = file_remove(lines, e);
    arena_free(a);
    return ok;
}

bool cmd_stream_end(Stream *s, Err *e)
{
    if (!s->journal) return true;
    const char *lines = journal_path(s->journal);
    if (!journal_end(s->journal, e)) return false;
    if (s->before) {
        journal_end(s->before, e);
        if (s->at < s->to) file_remove(lines, e);
        else if (!file_rename(lines, s->replaced, e)) return false;
        lines = s->replaced;
        if (s->at < s->to) return !e->set;
    }
    return s->flat || save(s, lines, e);
}

// The command as a shell takes it.
static const char *command_line(const Args *a)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    Buf b = {.arena = a->a};
    buf_str(&b, str_of(a->program));
    for (int i = 1; i < a->argc; i++) {
        const char *word = a->argv[i];
        buf_char(&b, ' ');
        if (*word && strspn(word, plain) == strlen(word)) {
            buf_str(&b, str_of(word));
            continue;
        }
        buf_char(&b, '\'');
        for (; *word; word++) buf_str(&b, *word == '\'' ? STR_LIT("'\\''") : (Str){word, 1});
        buf_char(&b, '\'');
    }
    return b.s;
}

void stream_say_kept(const Args *a, const Journal *j, size_t done, size_t rows)
{
    cmd_say("%sfinished texts were kept: %zu of %zu rows are done, in %s; this goes on %s:\n  %s",
            stop_asked() ? "interrupted; " : "", done, rows, journal_path(j),
            done < rows ? "with the others" : "from there", command_line(a));
}

void cmd_stream_tell_kept(const Stream *s)
{
    if (s->before) cmd_say("%s%s is as it was", stop_asked() ? "interrupted; " : "", s->replaced);
    else stream_say_kept(s->a, s->journal, s->at - s->from, s->to - s->from);
}

int cmd_stream_interrupted(const Stream *s)
{
    if (!s->journal || !stop_asked()) return cmd_interrupted(s->n_kept > 0);
    return cmd_stream_tell_kept(s), 128 + stop_asked();
}
