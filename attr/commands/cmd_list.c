// SPDX-License-Identifier: Apache-2.0
// cmd_list.c — what there is to choose from, from the tables.
#include "commands.h"

#include <string.h>

// The lists' rows, as lines for a person or as JSON.
typedef struct List {
    Buf *out;
    bool json;
    size_t lists, rows;
} List;

static void put_member(List *l, const char *key, const char *text)
{
    if (!text) return;
    buf_printf(l->out, "%s\"%s\":", l->out->s[l->out->n - 1] == '{' ? "" : ",", key);
    buf_json(l->out, str_of(text));
}

static void begin_list(List *l, const char *name, const char *remark)
{
    if (l->json) buf_printf(l->out, "%s\"%s\":[", l->lists++ ? "]," : "{", name);
    else buf_printf(l->out, "%s%s\n", name, remark);
    l->rows = 0;
}

static void put_entry(List *l, const Entry *v)
{
    if (!l->json) {
        buf_printf(l->out, "  %-33s %s%s%s%s\n", v->name, v->summary, v->paper ? " (" : "",
                   v->paper ? v->paper : "", v->paper ? ")" : "");
        if (v->cost) buf_printf(l->out, "  %-33s   %s\n", "", v->cost);
        return;
    }
    buf_str(l->out, l->rows++ ? STR_LIT(",{") : STR_LIT("{"));
    put_member(l, "name", v->name), put_member(l, "summary", v->summary);
    put_member(l, "paper", v->paper), put_member(l, "cost", v->cost);
    buf_char(l->out, '}');
}

static void put_entries(List *l, const Entry *v, size_t n)
{
    for (size_t i = 0; i < n; i++) put_entry(l, &v[i]);
}

// What --attribution_kwargs can say of each method.
static void put_arguments(List *l)
{
    const Entry *v;
    size_t n = attr_method_list(&v);
    for (size_t i = 0; i < n; i++) {
        if (!v[i].arguments) continue;
        if (l->json)
            buf_printf(l->out, "%s{\"name\":\"%s\",\"arguments\":[", l->rows++ ? "," : "", v[i].name);
        else buf_printf(l->out, "  %-33s ", v[i].name);
        for (const Argument *k = v[i].arguments; k->name; k++)
            buf_printf(l->out, l->json ? "\"%s\"%s" : "%s%s", k->name,
                       !k[1].name ? ""
                       : l->json  ? ","
                                  : ", ");
        buf_str(l->out, l->json ? STR_LIT("]}") : STR_LIT("\n"));
    }
}

static bool wanted(const Args *a, const char *what)
{
    return !a->n_rest || !strcmp(a->rest[0], "all") || !strcmp(a->rest[0], what);
}

static int run(Args *a)
{
    static const char *const lists[] = {"methods", "arguments", "steps", "aggregators",
                                        "formats", "models",    "all"};
    const char *what = a->n_rest ? a->rest[0] : "all";
    bool known = false;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) known |= !strcmp(what, lists[i]);
    if (!known)
        return cmd_complain(arena_printf(
                   a->a,
                   "list: '%s' is unknown; methods, arguments, steps, aggregators, formats, models, all",
                   what)),
               EXIT_USAGE;
    Buf out = {.arena = a->a};
    List l = {.out = &out, .json = args_on(a, "json")};
    const Entry *v;
    const char *const *names;
    const Report *const *report;
    size_t n;
    if (wanted(a, "methods")) {
        begin_list(&l, "methods", ", with their passes for S source and T target tokens");
        n = attr_method_list(&v), put_entries(&l, v, n);
    }
    if (wanted(a, "arguments")) begin_list(&l, "arguments", ""), put_arguments(&l);
    if (wanted(a, "steps")) begin_list(&l, "steps", ""), n = attr_step_list(&v), put_entries(&l, v, n);
    if (wanted(a, "aggregators")) begin_list(&l, "aggregators", "");
    if (wanted(a, "aggregators")) n = attr_aggregator_list(&v), put_entries(&l, v, n);
    if (wanted(a, "formats")) begin_list(&l, "formats", "");
    report = attr_reports(&n);
    for (size_t i = 0; wanted(a, "formats") && i < n; i++)
        put_entry(&l, &(Entry){.name = report[i]->name, .summary = report[i]->summary});
    if (wanted(a, "models")) {
        begin_list(&l, "models", "");
        names = nn_families(&n);
        for (size_t i = 0; i < n; i++)
            if (l.json) put_entry(&l, &(Entry){.name = names[i], .summary = "a family"});
            else buf_printf(&out, "  %s\n", names[i]);
        n = nn_builtins(a->a, &names);
        for (size_t i = 0; i < n; i++)
            put_entry(&l, &(Entry){.name = names[i], .summary = "inside this program"});
    }
    if (l.json) buf_str(&out, STR_LIT("]}\n"));
    return cmd_print(buf_view(&out));
}

const Command command_list = {
    .name = "list",
    .options = LIST,
    .words = 1,
    .run = run,
    .usage = "[methods|arguments|steps|aggregators|formats|models]",
    .summary = "what there is to choose from",
    .example = "methods",
};
