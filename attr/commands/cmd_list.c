// SPDX-License-Identifier: Apache-2.0
// cmd_list.c — what there is to choose from, from the tables.
#include "commands.h"

#include <stdio.h>
#include <string.h>

static void list_entries(const char *title, const Entry *v, size_t n)
{
    printf("%s\n", title);
    for (size_t i = 0; i < n; i++) {
        printf("  %-33s %s%s%s%s\n", v[i].name, v[i].summary, v[i].paper ? " (" : "",
               v[i].paper ? v[i].paper : "", v[i].paper ? ")" : "");
        if (v[i].cost) printf("  %-33s   %s\n", "", v[i].cost);
    }
}

// What --attribution_kwargs can say of each method.
static void list_arguments(void)
{
    const Entry *v;
    size_t n = attr_method_list(&v);
    printf("arguments\n");
    for (size_t i = 0; i < n; i++) {
        if (!v[i].arguments) continue;
        printf("  %-33s ", v[i].name);
        for (const char *const *k = v[i].arguments; *k; k++) printf("%s%s", *k, k[1] ? ", " : "\n");
    }
}

static int run(Args *a)
{
    const char *what = a->n_rest ? a->rest[0] : "all";
    bool all = !strcmp(what, "all"), found = all;
    const Entry *v;
    const char *const *names;
    size_t n;
    if (all || !strcmp(what, "methods"))
        n = attr_method_list(&v),
        list_entries("methods, with their passes for S source and T target tokens", v, n), found = true;
    if (all || !strcmp(what, "arguments")) list_arguments(), found = true;
    if (all || !strcmp(what, "steps")) n = attr_step_list(&v), list_entries("steps", v, n), found = true;
    if (all || !strcmp(what, "aggregators")) {
        const char *name, *summary;
        found = true;
        printf("aggregators\n");
        for (size_t i = 0; (name = attr_aggregator(i, &summary)); i++) printf("  %-33s %s\n", name, summary);
    }
    if (all || !strcmp(what, "formats")) {
        const Report *const *report = attr_reports(&n);
        found = true;
        printf("formats\n");
        for (size_t i = 0; i < n; i++) printf("  %-33s %s\n", report[i]->name, report[i]->summary);
    }
    if (all || !strcmp(what, "models")) {
        names = nn_families(&n), found = true;
        printf("models\n");
        for (size_t i = 0; i < n; i++) printf("  %s\n", names[i]);
        n = nn_builtins(a->a, &names);
        for (size_t i = 0; i < n; i++) printf("  %-33s inside this program\n", names[i]);
    }
    if (!found)
        return cmd_complain(arena_printf(
                   a->a,
                   "list: '%s' is unknown; methods, arguments, steps, aggregators, formats, models, all",
                   what)),
               EXIT_USAGE;
    return 0;
}

const Command command_list = {
    .name = "list",
    .options = 0,
    .words = 1,
    .run = run,
    .usage = "[methods|arguments|steps|aggregators|formats|models]",
    .summary = "what there is to choose from",
    .example = "methods",
};
