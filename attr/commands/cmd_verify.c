// SPDX-License-Identifier: Apache-2.0
// cmd_verify.c — a saved result made again by what --provenance noted, and compared number by number.
//
// The command line in the file is a stranger's: only attribute, its kin and compare are run, and whatever they
// would write or print is kept here instead.
#include "../reports/report.h"
#include "../context.h"
#include "commands.h"

#include <string.h>

// What a file holds: Inseq's own JSON, a line for each sequence, or context attributions.
typedef struct Saved {
    Attribution t;     // neither lines nor contexts: this
    const Json **line; // NULL: no lines
    ContextResult *context;
    size_t n, failed; // failed: lines that say why there is no sequence
    bool part;        // of --shard: not all of its command's texts
    const Json *made; // the provenance
} Saved;

// ------------------------------------------------------------------------------------------ the file

enum { MOST_BYTES = 1 << 30 };

static bool read_plain(Args *a, const char *path, Str *out, Err *e)
{
    Str bytes;
    Buf text = {.arena = a->a};
    if (!cmd_read_bytes(a, path, &bytes, e)) return false;
    if (!str_starts(bytes, STR_LIT("\x1f\x8b"))) return *out = bytes, true;
    return gunzip(&text, bytes, MOST_BYTES, path, 0, e) && (*out = buf_view(&text), true);
}

static bool is_lines(Arena *a, Str text)
{
    Str first = str_line(&text);
    const Json *j = first.n > 1 ? json_parse(a, first, "", NULL) : NULL;
    return j && j->kind == J_OBJECT && !json_get(j, "attributes") && !json_get(j, "sequence_attributions");
}

static bool read_lines(Args *a, Str text, const char *path, Saved *s, Err *e)
{
    size_t most = 1;
    for (size_t i = 0; i < text.n; i++) most += text.s[i] == '\n';
    const Json *head = NULL;
    s->line = arena_new(a->a, const Json *, most);
    while (text.n) {
        Str own = str_line(&text);
        if (str_blank(own)) continue;
        const Json *j = json_parse(a->a, own, path, e);
        if (!j) return false;
        if (j->kind != J_OBJECT)
            return err_set(e, "%s: line %zu is %s; a result has an object a line", path, s->n + 1,
                           json_kind_name(j));
        if (json_get(j, ATTR_PROVENANCE)) head = j;
        else if (json_get(j, "error") && !json_get(j, "source_tokens")) s->failed++;
        else s->line[s->n++] = j;
    }
    if (!head) return true;
    s->made = json_get(head, ATTR_PROVENANCE), s->part = json_get(head, "shard");
    const Json *from = json_get(head, "from"), *to = json_get(head, "to");
    if (!from || !to || to->number - from->number <= (double)(s->n + s->failed)) return true;
    return err_set(e, "%s: %zu of its %g rows are done; give its command again", path, s->n + s->failed,
                   to->number - from->number);
}

static bool read_saved(Args *a, const char *path, Saved *s, Err *e)
{
    Str text;
    if (!read_plain(a, path, &text, e)) return false;
    if (contexts_in(a->a, text, &text)) {
        if (!contexts_from_json(a->a, text, path, &s->context, &s->n, e)) return false;
        s->made = s->n && s->context[0].info ? json_get(s->context[0].info, ATTR_PROVENANCE) : NULL;
        return true;
    }
    if (is_lines(a->a, text)) return read_lines(a, text, path, s, e);
    if (!cmd_parse_result(a, text, path, &s->t, e)) return false;
    Str made = report_provenance(&s->t);
    s->n = s->t.n;
    for (size_t i = 0; i < s->t.n_info; i++) s->part |= str_is(s->t.info[i].key, ATTR_SHARD);
    s->made = made.n ? json_parse(a->a, made, path, e) : NULL;
    return !made.n || s->made;
}

// ------------------------------------------------------------------------------------------ the command

static const Command *command_named(Commands c, Str name)
{
    for (size_t i = 0; i < c.n; i++)
        if ((c.v[i]->options & (ATTRIBUTE | CONTEXT)) && str_is(name, c.v[i]->name)) return c.v[i];
    return NULL;
}

static OptionValue *value_of(Args *a, const char *name) { return &a->value[args_get(a, name) - a->value]; }

// What a run writes and prints, and how fast it is, does not change its numbers: verify's own words count there.
static bool prepare(Args *a, Args *again, const Saved *s, Attribution *kept, Err *e)
{
    static const char *const outputs[] = {"save_path",      "viz_path",    "svg",      "csv",
                                          "export",         "format",      "json",     "hide_attributions",
                                          "show_alignment", "provenance",  "progress", "overwrite",
                                          "retry_failed",   "color",       "no_color", "plain",
                                          "verbose",        "very_verbose"},
                             *const own[] = {"threads", "batch_size", "cache_dir", "quiet"};
    const OptionValue *model = args_get(a, "model_name_or_path");
    if (args_text(again, "save_path")) again->saved_form = kept;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        *value_of(again, outputs[i]) = (OptionValue){0};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (args_get(a, own[i])->given) *value_of(again, own[i]) = *args_get(a, own[i]);
    if (!s->part) *value_of(again, "shard") = (OptionValue){0}; // parts that were merged
    if (args_on(again, "plan")) return err_set(e, "its command made a plan and no result");
    if (!model->n) return true;
    if (model->n != args_get(again, "model_name_or_path")->n)
        return err_usage(e, "-m: %zu are given, and the result is of %zu", model->n,
                         args_get(again, "model_name_or_path")->n);
    *value_of(again, "model_name_or_path") = *model;
    return true;
}

static const Command *parse_command(Args *a, const Json *made, Args *again, Err *e)
{
    size_t n_options;
    const Option *options = args_options(&n_options);
    const Json *words = json_get(made, "command");
    if (!words || words->kind != J_ARRAY || !words->count)
        return err_set(e, "its provenance has no command"), NULL;
    char **argv = arena_new(a->a, char *, words->count + 2);
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t) "inseq";
    for (const Json *w = words->child; w; w = w->next) {
        if (w->kind != J_STRING)
            return err_set(e, "its provenance has a command that is no list of words"), NULL;
        argv[argc++] = str_zero(a->a, w->text);
    }
    const Command *c = command_named(a->commands, words->child->text);
    if (!c)
        return err_set(e, "it was made by 'inseq %s'; attribute, its kin and compare are run again", argv[1]),
               NULL;
    *again = (Args){.a = a->a,
                    .commands = a->commands,
                    .value = arena_new(a->a, OptionValue, n_options),
                    .argc = argc,
                    .argv = argv,
                    .program = a->program,
                    .silent = true,
                    .catch_interrupts = a->catch_interrupts,
                    .call = a->call};
    if (!options_parse(a->a, options, n_options, c->options, argc - 2, argv + 2, again->value, &again->rest,
                       &again->n_rest, NULL, e))
        return NULL;
    return c;
}

// ------------------------------------------------------------------------------------------ files

// What a file is now. Some are read only when texts are (a chat template): those are looked for.
static const char *hash_now(Arena *a, const Loaded *l, const TextFile *file, size_t n, const char *name)
{
    char *hex = arena_new(a, char, 65);
    const char *path = arena_printf(a, "%s/%s", l->info->folder, name);
    Str bytes;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(name, file[i].name)) return file[i].sha256;
    if (!file_exists(path) || !file_map(a, path, &bytes, NULL)) return NULL;
    sha256_hex(bytes, hex);
    return hex;
}

// Says which files are others than when the result was saved; how many.
static size_t other_files(Arena *a, const Json *model, const Loaded *l, const TextFile *file, size_t n,
                          Buf *out)
{
    size_t others = 0;
    const Json *files = json_get(model, "files");
    for (const Json *f = files && files->kind == J_ARRAY ? files->child : NULL; f; f = f->next) {
        const Json *hash = json_get(f, "sha256"), *name = json_get(f, "name");
        if (!hash || hash->kind != J_STRING || !name || name->kind != J_STRING) continue;
        const char *own = str_zero(a, name->text), *now = hash_now(a, l, file, n, own);
        if (now && str_is(hash->text, now)) continue;
        others++;
        if (!now) buf_printf(out, "%s: %s is not there\n", l->name, own);
        else
            buf_printf(out, "%s: %s is another file: SHA-256 %.*s was saved, now %s\n", l->name, own,
                       (int)hash->text.n, hash->text.s, now);
    }
    return others;
}

static bool check_files(Args *again, const Json *made, Buf *out, size_t *others, Err *e)
{
    const OptionValue *models = args_get(again, "model_name_or_path");
    size_t n_options;
    args_options(&n_options);
    const Json *list = json_get(made, "models"), *model = list && list->kind == J_ARRAY ? list->child : NULL;
    for (size_t i = 0; i < models->n && model; i++, model = model->next) {
        Args look = *again;
        Loaded l;
        const TextFile *file;
        size_t n;
        look.a = arena_create(again->a);
        look.talk = (Talk){.note = cmd_no_note};
        look.value = arena_new(look.a, OptionValue, n_options); // notes come when it is run
        memcpy(look.value, again->value, n_options * sizeof *look.value);
        value_of(&look, "quiet")->flag = true;
        bool ok = args_load(&look, models->list[i], &l, e) && texts_files(&l, &file, &n, e);
        if (ok) *others += other_files(look.a, model, &l, file, n, out);
        arena_free(look.a);
        if (!ok) return false;
    }
    return true;
}

// ------------------------------------------------------------------------------------------ the verdict

// What was made again.
typedef struct Made {
    Attribution shown, saved;
    const ContextResult *context;
    size_t n_contexts;
} Made;

// A list of texts in a result's info: the i-th, as JSON.
static void put_text(Arena *a, const Attribution *t, const char *key, size_t i, Buf *b)
{
    const Json *list = NULL;
    for (size_t k = 0; k < t->n_info && !list; k++)
        if (str_is(t->info[k].key, key)) list = json_parse(a, t->info[k].json, "info", NULL);
    const Json *c = list ? list->child : NULL;
    while (c && i--) c = c->next;
    buf_json(b, c ? c->text : (Str){"", 0});
}

// A row of -o FILE.jsonl has a number, which is `like` where the sequence knows none, and its texts before all else.
static void put_row_head(Arena *a, const Attribution *t, size_t i, const Json *like, Buf *b)
{
    const int64_t number = t->sequence[i].text > 0 ? t->sequence[i].text : json_get(like, "number")->i;
    buf_printf(b, "{\"number\": %" PRId64 ", \"input_text\": ", number);
    put_text(a, t, "input_texts", i, b), buf_str(b, STR_LIT(", \"generated_text\": "));
    put_text(a, t, "generated_texts", i, b), buf_str(b, STR_LIT(", "));
}

// A sequence or a context attribution as an object on one line. like (may be NULL): one that it is compared with.
static const Json *one_line(Arena *a, const Attribution *t, const ContextResult *context, size_t i,
                            const Json *like, Err *e)
{
    Buf b = {.arena = a};
    if (like && json_get(like, "number")) {
        Buf line = {.arena = a};
        report_json_line(a, t, i, &line);
        put_row_head(a, t, i, like, &b), buf_put(&b, line.s + 1, line.n - 1);
    } else if (context) context_to_json(&context[i], true, &b);
    else report_json_line(a, t, i, &b);
    return json_parse(a, buf_view(&b), "", e);
}

static bool compare_all(Args *a, const Saved *s, const Made *m, Differences *d, Err *e)
{
    const Attribution *now = s->line ? &m->shown : &m->saved;
    const size_t n = s->context ? m->n_contexts : now->n;
    if (n != s->n) buf_printf(d->out, "%zu texts were saved, now there are %zu\n", s->n, n), d->places++;
    for (size_t i = 0; i < s->n && i < n; i++) {
        const int64_t number =
            s->context || now->sequence[i].text <= 0 ? (int64_t)i + 1 : now->sequence[i].text;
        const char *what = arena_printf(a->a, s->context ? "context %" PRId64 : "text %" PRId64, number);
        const Json *x = s->line ? s->line[i] : one_line(a->a, &s->t, s->context, i, NULL, e),
                   *y = one_line(a->a, now, s->context ? m->context : NULL, i, s->line ? x : NULL, e);
        if (!x || !y) return false;
        cmd_differences(d, what, x, y);
    }
    return true;
}

static bool compare_info(Args *a, const Saved *s, const Attribution *now, Differences *d, Err *e)
{
    for (size_t i = 0; i < s->t.n_info; i++) {
        const InfoField *f = &s->t.info[i];
        const Json *y = NULL, *x = json_parse(a->a, f->json, "info", e);
        for (size_t k = 0; k < now->n_info; k++)
            if (str_eq(now->info[k].key, f->key) && !(y = json_parse(a->a, now->info[k].json, "info", e)))
                return false;
        if (!x) return false;
        Json saved = *x, empty = {.kind = J_OBJECT}, other = y ? *y : empty;
        saved.next = other.next = NULL, saved.key = other.key = f->key;
        cmd_differences(d, "info", &(Json){.kind = J_OBJECT, .child = &saved, .count = 1},
                        &(Json){.kind = J_OBJECT, .child = y ? &other : NULL, .count = y != NULL});
    }
    return true;
}

static Str text_in(const Json *j, const char *key)
{
    const Json *v = json_get(j, key);
    return v && v->kind == J_STRING ? v->text : STR_LIT("?");
}

static void put_program(const Json *made, Buf *out)
{
    Str program = text_in(made, "program"), commit = text_in(made, "commit");
    if (str_is(program, "inseq " VERSION) && str_is(commit, cmd_commit())) return;
    buf_printf(out, "made by %.*s, commit %.*s; this is inseq " VERSION ", commit %s\n", (int)program.n,
               program.s, (int)commit.n, commit.s, cmd_commit());
}

static int verdict(Args *a, const Saved *s, const Made *m, size_t others)
{
    // -m names another place for the same model
    static const char *const skip[] = {"crc32",     ATTR_PROVENANCE, "exec_time", ATTR_SHARD,
                                       "save_path", "viz_path",      "show_viz",  NULL},
                             *const elsewhere[] = {
                                 "crc32",      ATTR_PROVENANCE,   "exec_time",          ATTR_SHARD,
                                 "save_path",  "viz_path",        "show_viz",           "model",
                                 "model_name", "sequence_models", "model_name_or_path", NULL};
    Err e = {0};
    Buf out = {.arena = a->a};
    Differences d = {.out = &out, .skip = args_get(a, "model_name_or_path")->given ? elsewhere : skip};
    if (!compare_info(a, s, &m->saved, &d, &e) || !compare_all(a, s, m, &d, &e))
        return cmd_fail(&e, EXIT_INPUT);
    if (!d.places)
        buf_printf(&out, "identical: %zu %s, %zu values%s\n", s->n, s->n == 1 ? "text" : "texts", d.numbers,
                   others ? ", though files are others" : "");
    else
        buf_printf(&out, "different: %zu of %zu values, in %zu %s\n", d.others, d.numbers, d.places,
                   d.places == 1 ? "place" : "places");
    int printed = cmd_print_text(a, buf_view(&out));
    return printed ? printed : d.places ? EXIT_SOME : 0;
}

static int run(Args *a)
{
    Err e = {0};
    Saved s = {0};
    Args again;
    Made m = {0};
    Buf out = {.arena = a->a};
    size_t others = 0;
    if (a->n_rest != 1)
        return cmd_complain("verify needs one FILE that was saved with --provenance"), EXIT_USAGE;
    const char *path = a->rest[0];
    if (!read_saved(a, path, &s, &e)) return cmd_fail(&e, EXIT_INPUT);
    if (!s.made || s.made->kind != J_OBJECT)
        return cmd_say("%s does not say how it was made: it has no " ATTR_PROVENANCE
                       "; 'inseq attribute ... --provenance -o FILE' saves a result that can be verified",
                       path),
               EXIT_INPUT;
    const Command *c = parse_command(a, s.made, &again, &e);
    if (!c || !prepare(a, &again, &s, &m.saved, &e))
        return cmd_say("%s: %s", path, e.text), e.usage ? EXIT_USAGE : EXIT_INPUT;
    again.talk = cmd_talk(&again), again.shown = &m.shown;
    again.contexts = &m.context, again.n_contexts = &m.n_contexts;
    const bool contexts = c->options & CONTEXT;
    if (contexts != (s.context != NULL) || (!s.context && !s.line && !again.saved_form))
        return cmd_say("%s: its command has no -o that wrote this", path), EXIT_INPUT;
    if (!args_start_machine(&again, &e) || !check_files(&again, s.made, &out, &others, &e))
        return cmd_fail(&e, EXIT_INPUT);
    put_program(s.made, &out);
    int printed = cmd_print_text(a, buf_view(&out));
    if (printed) return printed;
    int code = c->run(&again);
    return code && code != EXIT_SOME ? code : verdict(a, &s, &m, others);
}

const Command command_verify = {
    .name = "verify",
    .options = VERIFY,
    .words = 1,
    .run = run,
    .usage = "FILE [options]",
    .summary = "a saved result made again, number by number",
    .example = "result.json",
};
