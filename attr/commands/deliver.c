// SPDX-License-Identifier: Apache-2.0
// deliver.c — where results go: printed, drawn, saved; and the form they have there.
#include "commands.h"

#include <errno.h>
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

// Before anything is computed: can what was asked for be delivered?
bool cmd_check_delivery(const Args *a, Err *e)
{
    const char *format = args_text(a, "format"), *when = args_text(a, "color");
    if (format && !attr_report(format))
        return err_set(e, "unknown format '%s'; 'inseq list formats' shows them all", format);
    if (when && strcmp(when, "auto") && strcmp(when, "always") && strcmp(when, "never"))
        return err_set(e, "--color %s: it must be auto, always or never", when);
    return true;
}

// A long run must not end at a folder that was never there.
bool cmd_check_folders(const Args *a, Err *e)
{
    static const char *const files[] = {"save_path", "viz_path", "svg", "csv"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = args_text(a, files[i]), *end = path ? strrchr(path, '/') : NULL;
        if (!end || end == path) continue;
        const char *folder = arena_printf(a->a, "%.*s", (int)(end - path), path);
        if (access(folder, F_OK))
            return err_set(e, "--%s %s: %s: %s", files[i], path, folder, strerror(errno));
    }
    return true;
}

// The form that is shown: two-dimensional, and weighted by a step score if that was asked for.
bool cmd_shown_form(Args *a, const Attribution *t, Attribution *out, Err *e)
{
    const char *weight = args_text(a, "weight_attributions");
    if (!weight) return attr_aggregate_default(a->a, t, out, e);
    *out = *t;
    out->sequence = arena_new(a->a, Sequence, t->n);
    for (size_t i = 0; i < t->n; i++)
        if (!attr_weight(a->a, &t->sequence[i], weight, &out->sequence[i], e)) return false;
    return true;
}

static bool write_file(Args *a, const char *path, const char *report, const Attribution *t, Err *e)
{
    Buf b = {.arena = a->a};
    ReportOptions o = args_report_options(a);
    o.color = COLOR_NONE;
    return attr_report(report)->write(a->a, t, &o, &b, e) && file_write(path, buf_view(&b), e);
}

// Prints and writes what was asked for; `saved` is what -o gets.
int cmd_deliver(Args *a, const Attribution *t, const Attribution *saved, Err *e)
{
    const char *format = args_on(a, "json") ? "json" : args_text(a, "format");
    const Report *r = attr_report(format ? format : "terminal");
    if (a->shown) *a->shown = *t;
    if (!args_on(a, "hide_attributions")) {
        Buf b = {.arena = a->a};
        ReportOptions o = args_report_options(a);
        if (!r->write(a->a, t, &o, &b, e)) return EXIT_INPUT;
        if (!out_write(STDOUT_FILENO, buf_view(&b)))
            return err_set(e, "standard output: %s", strerror(errno)), EXIT_INPUT;
    }
    const char *html = args_text(a, "viz_path"), *svg = args_text(a, "svg"), *csv = args_text(a, "csv"),
               *json = args_text(a, "save_path");
    if (html && !write_file(a, html, "html", t, e)) return EXIT_INPUT;
    if (svg && !write_file(a, svg, "svg", t, e)) return EXIT_INPUT;
    if (csv && !write_file(a, csv, "csv", t, e)) return EXIT_INPUT;
    return !json || attr_save(a->a, saved, json, e) ? 0 : EXIT_INPUT;
}

// What is saved: as computed; through --attribution_aggregators; or as shown.
bool cmd_saved_form(Args *a, const Attribution *t, const Attribution *shown, Attribution *out, Err *e)
{
    Stage *stage;
    size_t n;
    *out = *t;
    if (!args_text(a, "save_path")) return true; // nothing is saved
    if (!cmd_pipeline(a, &stage, &n, e)) return false;
    if (!n && (args_on(a, "save_aggregated") || args_text(a, "weight_attributions"))) *out = *shown;
    if (n) out->sequence = arena_new(a->a, Sequence, t->n);
    for (size_t i = 0; n && i < t->n; i++)
        if (!attr_aggregate(a->a, &t->sequence[i], stage, n, &out->sequence[i], e)) return false;
    return true;
}

bool cmd_read_result(Args *a, const char *path, Attribution *t, Err *e)
{
    Str bytes;
    if (!file_read(a->a, path, (size_t)1 << 32, &bytes, e) || !attr_from_json(a->a, bytes, path, t, e))
        return false;
    attr_take_titles(a->a, t);
    return true;
}
