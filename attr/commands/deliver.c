// SPDX-License-Identifier: Apache-2.0
// deliver.c — where results go: printed, drawn, saved; and the form they have there.
#include "commands.h"

#include <string.h>
#include <unistd.h>

bool cmd_pipeline(Args *a, Stage **out, size_t *n, Err *e)
{
    const OptionValue *names = args_get(a, "attribution_aggregators"),
                      *select = args_get(a, "attribution_selectors");
    *n = names->n;
    return attr_stages(a->a, names->list, names->n, select->list, select->n,
                       args_on(a, "normalize_attributions"), args_on(a, "rescale_attributions"), out, e);
}

static bool granularity(const Args *a, Granularity *out, Err *e)
{
    static const char *const names[] = {"token", "word", "sentence"};
    const char *name = args_text(a, "granularity");
    *out = GRANULARITY_TOKEN;
    if (!name) return true;
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) return *out = (Granularity)i, true;
    const char *near = str_nearest(str_of(name), names, 3);
    return near ? err_usage(e, "--granularity %s: did you mean %s?", name, near)
                : err_usage(e, "--granularity %s: it must be token, word or sentence", name);
}

static const char *const files[] = {"save_path", "viz_path", "svg", "csv"};
enum { N_FILES = sizeof files / sizeof *files };

// The later of two results in one file would be all that is left.
static bool check_names(const Args *a, Err *e)
{
    for (size_t i = 0; i < N_FILES; i++)
        for (size_t k = 0; k < i; k++) {
            const char *x = args_text(a, files[k]), *y = args_text(a, files[i]);
            if (x && y && file_same(a->a, x, y))
                return err_set(e, "--%s and --%s are to be written to one file, %s; give each its own",
                               files[k], files[i], y);
        }
    return true;
}

// Before anything is computed: can what was asked for be delivered?
bool cmd_check_delivery(const Args *a, Err *e)
{
    const char *format = args_text(a, "format"), *when = args_text(a, "color");
    if (format && !attr_report(format))
        return err_set(e, "unknown format '%s'; 'inseq list formats' shows them all", format);
    if (when && strcmp(when, "auto") && strcmp(when, "always") && strcmp(when, "never"))
        return err_set(e, "--color %s: it must be auto, always or never", when);
    Granularity unit;
    return granularity(a, &unit, e) && check_names(a, e);
}

// A long run must not end at a folder that was never there.
bool cmd_check_folders(const Args *a, Err *e)
{
    for (size_t i = 0; i < N_FILES; i++) {
        const char *path = args_text(a, files[i]);
        Err own = {0};
        if (path && !file_can_write(path, &own)) return err_set(e, "--%s %s", files[i], own.text);
    }
    return true;
}

// Through --attribution_aggregators, if any are given.
static bool aggregated(Args *a, const Attribution *t, Attribution *out, Err *e)
{
    Stage *stage;
    size_t n;
    *out = *t;
    if (!cmd_pipeline(a, &stage, &n, e)) return false;
    if (n) out->sequence = arena_new(a->a, Sequence, t->n);
    for (size_t i = 0; n && i < t->n; i++)
        if (!attr_aggregate(a->a, &t->sequence[i], stage, n, &out->sequence[i], e)) return false;
    return true;
}

// The form that is shown: two-dimensional, and weighted by a step score if that was asked for. What aggregators have made
// two-dimensional is shown as it is.
bool cmd_shown_form(Args *a, const Attribution *t, Attribution *out, Err *e)
{
    const char *weight = args_text(a, "weight_attributions");
    Attribution made;
    if (!aggregated(a, t, &made, e)) return false;
    *out = made;
    if (!weight && !attr_aggregate_default(a->a, &made, out, e)) return false;
    if (weight) out->sequence = arena_new(a->a, Sequence, t->n);
    for (size_t i = 0; weight && i < t->n; i++)
        if (!attr_weight(a->a, &made.sequence[i], weight, &out->sequence[i], e)) return false;
    for (size_t i = 0; args_on(a, "hide_template") && i < t->n; i++) {
        Sequence whole = out->sequence[i];
        if (!attr_fold_template(a->a, &whole, &out->sequence[i], e)) return false;
    }
    return cmd_granular_form(a, out, e);
}

bool cmd_granular_form(Args *a, Attribution *t, Err *e)
{
    Granularity unit;
    if (!granularity(a, &unit, e)) return false;
    for (size_t i = 0; unit != GRANULARITY_TOKEN && i < t->n; i++) {
        Sequence tokens = t->sequence[i];
        if (!attr_granularity(a->a, &tokens, unit, &t->sequence[i], e)) return false;
    }
    return true;
}

static bool write_file(Args *a, const char *path, const char *report, const Attribution *t, Err *e)
{
    Buf b = {.arena = a->a};
    ReportOptions o = args_report_options(a);
    o.color = COLOR_NONE;
    return attr_report(report)->write(a->a, t, &o, &b, e) && attr_write(a->a, path, buf_view(&b), e);
}

// Writes and prints what was asked for; `saved` is what -o gets. The files first: a terminal may go away. What fails is
// said, and does not keep the rest from being delivered. The exit code.
int cmd_deliver(Args *a, const Attribution *t, const Attribution *saved)
{
    static const char *const report[N_FILES] = {NULL, "html", "svg", "csv"};
    int code = 0;
    if (a->shown) *a->shown = *t;
    for (size_t i = 0; i < N_FILES; i++) {
        const char *path = args_text(a, files[i]);
        Err e = {0};
        if (!path) continue;
        if (!(report[i] ? write_file(a, path, report[i], t, &e) : attr_save(a->a, saved, path, &e)))
            code = cmd_fail(&e, EXIT_INPUT);
    }
    if (args_on(a, "hide_attributions")) return code;
    const char *format = cmd_wants_json(a) ? "json" : args_text(a, "format");
    Buf b = {.arena = a->a};
    ReportOptions o = args_report_options(a);
    Err e = {0};
    if (!attr_report(format ? format : "terminal")->write(a->a, t, &o, &b, &e))
        return cmd_fail(&e, EXIT_INPUT);
    int printed = cmd_print(buf_view(&b));
    return code ? code : printed;
}

// What is saved: as computed; through --attribution_aggregators; or as shown.
bool cmd_saved_form(Args *a, const Attribution *t, const Attribution *shown, Attribution *out, Err *e)
{
    *out = *t;
    if (!args_text(a, "save_path")) return true; // nothing is saved
    if (args_get(a, "attribution_aggregators")->n) return aggregated(a, t, out, e);
    if (args_on(a, "save_aggregated") || args_text(a, "weight_attributions")) *out = *shown;
    return true;
}

bool cmd_read_result(Args *a, const char *path, Attribution *t, Err *e)
{
    Str bytes;
    if (!file_stream(a->a, path, (size_t)1 << 32, &bytes, e) || !attr_from_json(a->a, bytes, path, t, e))
        return false;
    attr_take_titles(a->a, t);
    return true;
}
