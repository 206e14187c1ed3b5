// SPDX-License-Identifier: Apache-2.0
// deliver_contexts.c — context attributions printed and saved, by attribute-context and show.
#include "../reports/context_views.h"
#include "commands.h"

#include <string.h>

// Files first, as cmd_deliver does.
int cmd_deliver_contexts(Args *a, const ContextResult *r, size_t n)
{
    ReportOptions o = args_report_options(a);
    const char *save = args_text(a, "save_path"), *page = args_text(a, "viz_path"),
               *csv = args_text(a, "csv"), *format = cmd_wants_json(a) ? "json" : args_text(a, "format");
    int code = 0;
    for (int k = 0; k < 3; k++) {
        const char *path = k == 0 ? save : k == 1 ? page : csv;
        Buf b = {.arena = a->a};
        Err e = {0};
        if (!path) continue;
        (k == 0 ? contexts_json : k == 1 ? contexts_html : contexts_csv)(a->a, r, n, &o, &b);
        if (!attr_write(a->a, path, buf_view(&b), &e)) code = cmd_fail(&e, EXIT_INPUT);
    }
    if (!format && (args_on(a, "no_show_viz") || args_on(a, "hide_attributions"))) return code;
    Buf b = {.arena = a->a};
    ContextView *view = !format || !strcmp(format, "terminal") ? contexts_terminal
                        : !strcmp(format, "json")              ? contexts_json
                        : !strcmp(format, "csv")               ? contexts_csv
                                                               : contexts_html;
    view(a->a, r, n, &o, &b);
    if (view == contexts_json) buf_char(&b, '\n');
    int printed = cmd_print(buf_view(&b));
    return code ? code : printed;
}

bool cmd_check_contexts(const Args *a, Err *e)
{
    const char *format = args_text(a, "format");
    if (!cmd_check_delivery(a, e)) return false;
    return !(format && !strcmp(format, "svg")) && !args_text(a, "svg")
               ? true
               : err_usage(e, "a context attribution is drawn by terminal and html, and saved as json and "
                              "csv; there is no svg "
                              "of it");
}
