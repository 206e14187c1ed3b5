// SPDX-License-Identifier: Apache-2.0
// deliver_contexts.c — context attributions printed and saved, by attribute-context and show.
#include "../reports/context_views.h"
#include "commands.h"

#include <string.h>

static ContextView *view_named(const char *name)
{
    static const struct {
        const char *name;
        ContextView *view;
    } views[] = {{"terminal", contexts_terminal},
                 {"html", contexts_html},
                 {"csv", contexts_csv},
                 {"json", contexts_json},
                 {"jsonl", contexts_jsonl}};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        if (!strcmp(views[i].name, name)) return views[i].view;
    return NULL;
}

// What a file's name says of its format, in small letters, whether .gz stands behind it or not: "html".
static const char *ending(Arena *a, const char *path)
{
    Str name = str_of(path);
    if (str_ends(name, STR_LIT(".gz"))) name.n -= 3;
    char *text = str_zero(a, name), *dot = strrchr(text, '.');
    for (char *c = text; *c; c++) *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 32) : *c;
    return !dot ? "" : !strcmp(dot, ".htm") ? "html" : dot + 1;
}

// --no_add_output_info: data without the parameters, which the other views look at.
static void draw(Args *a, ContextView *view, const ContextResult *r, size_t n, const ReportOptions *o,
                 Buf *out)
{
    ContextResult *bare = arena_new(a->a, ContextResult, n);
    bool data = view == contexts_json || view == contexts_jsonl;
    for (size_t i = 0; i < n; i++) {
        bare[i] = r[i];
        if (data && args_on(a, "no_add_output_info")) bare[i].info = NULL;
    }
    view(a->a, bare, n, o, out);
}

// -o FILE.jsonl has a line for each.
static ContextView *view_of(Arena *a, const char *path, const char *name)
{
    return view_named(!strcmp(name, "json") && !strcmp(ending(a, path), "jsonl") ? "jsonl" : name);
}

static int write_view(Args *a, const char *path, ContextView *view, const ContextResult *r, size_t n,
                      ReportOptions o)
{
    Buf b = {.arena = a->a};
    Err e = {0};
    o.color = COLOR_NONE;
    draw(a, view, r, n, &o, &b);
    return attr_write(a->a, path, buf_view(&b), &e) ? 0 : cmd_fail(&e, EXIT_INPUT);
}

// Files first, as cmd_deliver does.
int cmd_deliver_contexts(Args *a, const ContextResult *r, size_t n)
{
    static const char *const option[] = {"save_path", "viz_path", "csv"}, *const name[] = {"json", "html",
                                                                                           "csv"};
    ReportOptions o = args_report_options(a);
    if (args_get(a, "width")->given) o.width = (int)args_get(a, "width")->number;
    const OptionValue *export = args_get(a, "export");
    const char *format = cmd_wants_json(a) ? "json" : args_text(a, "format");
    int code = 0, own;
    if (a->silent) return *a->contexts = r, *a->n_contexts = n, 0;
    for (int k = 0; k < 3; k++) {
        const char *path = args_text(a, option[k]);
        if (path && !(a->saved && !k) && (own = write_view(a, path, view_of(a->a, path, name[k]), r, n, o)))
            code = own;
    }
    for (size_t i = 0; i < export->n; i++)
        if ((own = write_view(a, export->list[i], view_named(ending(a->a, export->list[i])), r, n, o)))
            code = own;
    if (!format && (args_on(a, "no_show_viz") || args_on(a, "hide_attributions"))) return code;
    Buf b = {.arena = a->a};
    ContextView *view = view_named(format ? format : "terminal");
    draw(a, view, r, n, &o, &b);
    if (view == contexts_json) buf_char(&b, '\n');
    int printed = cmd_print(buf_view(&b));
    return code ? code : printed;
}

bool cmd_check_contexts(Args *a, Err *e)
{
    const char *format = args_text(a, "format"), *wrong = args_text(a, "svg") ? "svg" : NULL;
    const OptionValue *export = args_get(a, "export");
    if (!cmd_check_delivery(a, e)) return false;
    if (format && !view_named(format)) wrong = format;
    for (size_t i = 0; i < export->n; i++)
        if (!view_named(ending(a->a, export->list[i])) || !strcmp(ending(a->a, export->list[i]), "terminal"))
            wrong = export->list[i];
    return !wrong || err_usage(e,
                               "a context attribution has the formats terminal, html, csv, json and jsonl; "
                               "there is no %s of it",
                               wrong);
}
