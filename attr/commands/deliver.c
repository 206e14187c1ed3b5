// SPDX-License-Identifier: Apache-2.0
// deliver.c — where results go: printed, drawn, saved.
#include "../results/journal.h"
#include "commands.h"

#include <string.h>
#include <unistd.h>

// A file that is to be written: which option named it, and how; report NULL: Inseq's own JSON.
typedef struct Output {
    const char *option, *path;
    const Report *report;
} Output;

static bool unknown_extension(Args *a, const char *path, Err *e)
{
    Buf known = {.arena = a->a};
    size_t n;
    const Report *const *reports = attr_reports(&n);
    for (size_t i = 0; i < n; i++)
        if (reports[i]->extension) buf_printf(&known, "%s%s", known.n ? " " : "", reports[i]->extension);
    return err_usage(e, "--export %s: the end of its name says no format; known are %s", path, known.s);
}

static bool outputs(Args *a, Output **out, size_t *n, Err *e)
{
    static const char *const named[][2] = {
        {"save_path", NULL}, {"viz_path", "html"}, {"svg", "svg"}, {"csv", "csv"}};
    const OptionValue *exports = args_get(a, "export");
    *out = arena_new(a->a, Output, 4 + exports->n), *n = 0;
    for (int i = 0; i < 4; i++) {
        const char *path = args_text(a, named[i][0]);
        const Report *own = path && !i ? attr_report_of_file(a->a, path) : NULL;
        bool lines = own && own == attr_report("jsonl"); // all other names are Inseq's own JSON
        if (path)
            (*out)[(*n)++] = (Output){named[i][0], path, i ? attr_report(named[i][1]) : lines ? own : NULL};
    }
    for (size_t i = 0; i < exports->n; i++) {
        const Report *r = attr_report_of_file(a->a, exports->list[i]);
        if (!r) return unknown_extension(a, exports->list[i], e);
        (*out)[(*n)++] = (Output){"export", exports->list[i], r};
    }
    return true;
}

bool cmd_keeps_layers(Args *a, size_t texts)
{
    Output *out;
    size_t n = 0;
    bool page = outputs(a, &out, &n, NULL) && texts <= MOST_LAYERED;
    for (size_t i = 0; i < n; i++)
        if (page && out[i].report == attr_report("html")) return true;
    return false;
}

bool cmd_draws(Args *a)
{
    Output *out;
    size_t n = 0;
    if (a->shown || !args_on(a, "hide_attributions") || !outputs(a, &out, &n, NULL)) return true;
    for (size_t i = 0; i < n; i++)
        if (out[i].report && strcmp(out[i].option, "save_path")) return true;
    return false;
}

// The later of two results in one file would be all that is left.
static bool check_names(Args *a, Err *e)
{
    Output *out;
    size_t n;
    if (!outputs(a, &out, &n, e)) return false;
    for (size_t i = 0; i < n;
         i++) // a drawn form in the place of the result that it is drawn from can't be read again
        for (size_t k = 0; k < a->n_rest && out[i].report; k++)
            if (file_same(a->a, out[i].path, a->rest[k]))
                return err_set(e, "--%s %s is the file that is shown; give another", out[i].option,
                               out[i].path);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (file_same(a->a, out[k].path, out[i].path))
                return err_set(e, "--%s and --%s are to be written to one file, %s; give each its own",
                               out[k].option, out[i].option, out[i].path);
    return true;
}

// Before anything is computed: can what was asked for be delivered?
bool cmd_check_delivery(Args *a, Err *e)
{
    const char *format = args_text(a, "format"), *when = args_text(a, "color");
    const OptionValue *digits = args_get(a, "digits"), *width = args_get(a, "width");
    size_t n;
    const Report *const *reports = attr_reports(&n), *r = format ? attr_report(format) : NULL;
    const char **names = arena_new(a->a, const char *, n);
    for (size_t i = 0; i < n; i++) names[i] = reports[i]->name;
    const char *near = format && !r ? str_nearest(str_of(format), names, n) : NULL;
    if (near) return err_set(e, "unknown format '%s'; did you mean %s?", format, near);
    if (format && !r) return err_set(e, "unknown format '%s'; 'inseq list formats' shows them all", format);
    if (r && r->binary && isatty(STDOUT_FILENO))
        return err_usage(e, "--format %s is no text for a terminal; --export FILE%s writes it", format,
                         r->extension);
    if (when && strcmp(when, "auto") && strcmp(when, "always") && strcmp(when, "never"))
        return err_set(e, "--color %s: it must be auto, always or never", when);
    if (digits->given && (digits->number < 0 || digits->number > 9))
        return err_usage(e, "--digits %" PRId64 ": it must be from 0 to 9", digits->number);
    if (width->given && (width->number < 20 || width->number > 100000))
        return err_usage(e, "--width %" PRId64 ": it must be from 20 to 100000 characters", width->number);
    Stage *stage;
    return cmd_pipeline(a, &stage, &n, e) && cmd_check_granularity(a, e) && check_names(a, e);
}

// A long run must not end at a folder that was never there.
bool cmd_check_folders(Args *a, Err *e)
{
    Output *out;
    size_t n;
    if (!outputs(a, &out, &n, e)) return false;
    for (size_t i = 0; i < n; i++) {
        Err own = {0};
        if (!file_can_write(out[i].path, &own)) return err_set(e, "--%s %s", out[i].option, own.text);
    }
    return true;
}

bool cmd_refuse_files(Args *a, const char *why, Err *e)
{
    Output *out;
    size_t n;
    return outputs(a, &out, &n, e) &&
           (!n || err_usage(e, "%s, so --%s %s would stay unwritten", why, out[0].option, out[0].path));
}

// Of a file, which is as wide as it gets unless --width says more; or of the terminal.
static ReportOptions options_of(Args *a, const Attribution *t, const Report *r)
{
    ReportOptions o = args_report_options(a);
    const OptionValue *width = args_get(a, "width"), *digits = args_get(a, "digits");
    if (r->extension) o.color = COLOR_NONE, o.width = 0;
    if (width->given) o.width = (int)width->number;
    if (digits->given) o.decimals = (int)digits->number + 1;
    o.percent = args_on(a, "percent");
    if (args_on(a, "common_scale") && t->n > 1) o.max_val = attr_largest(t);
    return o;
}

static bool write_file(Args *a, const Output *x, const Attribution *t, Err *e)
{
    Arena *work = arena_create(a->a);
    Buf b = {.arena = work};
    ReportOptions o = options_of(a, t, x->report);
    bool ok = x->report->write(work, t, &o, &b, e) && attr_write(work, x->path, buf_view(&b), e);
    arena_free(work);
    return ok;
}

// Writes and prints what was asked for; `saved` is what -o gets. The files first: a terminal may go away. What fails is
// said, and does not keep the rest from being delivered. The exit code.
int cmd_deliver(Args *a, const Attribution *t, const Attribution *saved)
{
    int code = 0;
    Output *out;
    size_t n;
    Err wrong = {0};
    if (a->shown) *a->shown = *t;
    if (a->saved_form) *a->saved_form = *saved;
    if (a->silent) return 0;
    if (!outputs(a, &out, &n, &wrong)) return cmd_fail(&wrong, EXIT_USAGE);
    for (size_t i = 0; i < n; i++) {
        Err e = {0};
        if (a->saved && !strcmp(out[i].option, "save_path")) continue;
        if (!(out[i].report ? write_file(a, &out[i], t, &e) : attr_save(a->a, saved, out[i].path, &e)))
            code = cmd_fail(&e, EXIT_INPUT);
    }
    if (args_on(a, "hide_attributions")) return code;
    const char *format = cmd_wants_json(a) ? "json" : args_text(a, "format");
    const Report *r = attr_report(format ? format : "terminal");
    Buf b = {.arena = a->a};
    ReportOptions o = options_of(a, t, r);
    Err e = {0};
    if (!r->write(a->a, t, &o, &b, &e)) return cmd_fail(&e, EXIT_INPUT);
    int printed = cmd_print(buf_view(&b));
    return code ? code : printed;
}

bool cmd_read_bytes(Args *a, const char *path, Str *bytes, Err *e)
{
    return file_stream(a->a, path, (size_t)1 << 32, bytes, e);
}

bool cmd_parse_result(Args *a, Str bytes, const char *path, Attribution *t, Err *e)
{
    if (journal_is(bytes) && file_is_plain(path)) return journal_read(a->a, path, t, e);
    if (!attr_from_json(a->a, bytes, path, t, e)) return false;
    attr_take_titles(a->a, t);
    return true;
}

bool cmd_read_result(Args *a, const char *path, Attribution *t, Err *e)
{
    Str bytes;
    return cmd_read_bytes(a, path, &bytes, e) && cmd_parse_result(a, bytes, path, t, e);
}
