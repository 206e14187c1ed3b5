// SPDX-License-Identifier: Apache-2.0
// help.c — what the program says of itself: its commands, and whatever else of its tables has a name. Nothing is written here
// that a table has; lines are made for the terminal's width, or for 80 columns.
#include "commands.h"

#include <string.h>

enum { NARROW = 80 };

static void put_words(Buf *out, const char *title, size_t at, int width, const char *words)
{
    buf_printf(out, "%-*s", (int)at, title);
    buf_wrapped(out, words, at, (size_t)(width < NARROW ? NARROW : width));
}

// ------------------------------------------------------------------------------------------ commands

void help_usage(Commands c, Buf *out)
{
    buf_str(out, STR_LIT("inseq " VERSION ": why a sequence model wrote what it wrote\n\n"
                         "  inseq attribute -m demo/en-nl -a input_x_gradient --attribute_target \\\n"
                         "      -i \"The nurse went to the hospital.\" --viz_path heatmap.html\n\n"));
    for (size_t i = 0; i < c.n; i++) buf_printf(out, "  inseq %-18s %s\n", c.v[i]->name, c.v[i]->summary);
    buf_str(out, STR_LIT("\n'inseq demo' is the place to start. 'inseq COMMAND --help' shows its options,\n"
                         "'inseq help METHOD' explains a method; 'inseq help' lists what else it explains.\n"
                         "'inseq --version' and 'inseq --license' tell of the program.\n"));
}

void help_command(Arena *a, const Command *c, bool all, int width, Buf *out)
{
    size_t n, left_out;
    const Option *options = args_options(&n);
    Buf list = {.arena = a};
    left_out = options_help(options, n, c->options, all, width, &list);
    buf_printf(out, "usage: inseq %s %s\n%s\nexample: inseq %s %s\n", c->name, c->usage, c->summary, c->name,
               c->example);
    if (!list.n) return;
    buf_printf(out, "\n%s\n", list.s);
    if (left_out) buf_printf(out, "'inseq %s --help-all' lists %zu more options.\n", c->name, left_out);
    else
        buf_str(out,
                STR_LIT("Underscores work in place of hyphens; a flag may be followed by true or false;\n"
                        "a long name may be cut to a unique beginning.\n"));
}

// ------------------------------------------------------------------------------------------ methods and their kin

// Letters of formulas, explained where they occur.
static const Fact letters[] = {
    {"f_s", "the attributed function (-fn) at step s, a generated token"},
    {"x[", "the embedding of token i, one that the step sees"},
    {"x'", "the baseline: the unknown word's embedding; end and start tokens keep theirs"},
    {"z[", "the logits at the step; z' the foil's"},
    {"p[", "softmax of the logits; p' the foil's"},
    {"[t]", "t is the token that stands there; t' the foil's"},
    {"[S,", "S, T: source and target tokens; n: steps; L, A: layers and heads"},
};

static void put_lines(Buf *out, const char *text, const char *before)
{
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        buf_printf(out, "%s%.*s\n", before, (int)n, text);
    }
}

static void put_arguments(Arena *a, const Entry *v, const char *option, int width, Buf *out)
{
    if (!v->arguments) return;
    const Argument *first = v->arguments;
    buf_printf(out, "\narguments, as in %s '{\"%s\": %s}'\n", option, first->name,
               first->absent ? first->absent : "...");
    for (const Argument *k = first; k->name; k++) {
        const char *name =
            arena_printf(a, "  %s%s%s", k->name, k->absent ? " " : "", k->absent ? k->absent : "");
        if (strlen(name) > 33) buf_printf(out, "%s\n", name), name = "";
        put_words(out, name, 34, width, k->meaning);
    }
    buf_str(out, STR_LIT("  (after a name: what holds if it is left out)\n"));
}

static void put_entry(Arena *a, const Entry *v, const char *kind, const char *option, const char *example,
                      int width, Buf *out)
{
    put_words(out, arena_printf(a, "%s: ", v->name), strlen(v->name) + 2, width, v->summary);
    if (v->formula) {
        buf_char(out, '\n'), put_lines(out, v->formula, "  ");
        for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
            if (strstr(v->formula, letters[i].name))
                put_words(out,
                          arena_printf(a, "  %.*s:", (int)strcspn(letters[i].name, "["), letters[i].name), 8,
                          width, letters[i].meaning);
    }
    if (v->when) buf_char(out, '\n'), put_words(out, "", 0, width, v->when);
    buf_char(out, '\n');
    put_words(out, "kind", 10, width, kind);
    if (v->paper) put_words(out, "paper", 10, width, v->paper);
    if (v->cost)
        put_words(
            out, "cost", 10, width,
            arena_printf(a, "%s%s", v->cost,
                         strpbrk(v->cost, "ST") ? " (S source and T target tokens; --plan counts)" : ""));
    put_words(out, "example", 10, 1000, example);
    put_arguments(a, v, option, width, out);
}

typedef size_t EntryList(const Entry **out);

// The tables whose rows are Entries: what a row is, how it is used.
static const struct {
    const char *name, *kind, *option, *example;
    EntryList *list;
} tables[] = {
    {"methods", "attribution method (-a)", "--attribution_kwargs",
     "inseq attribute -m demo/en-nl -a %s -i \"The nurse lost her key.\"", attr_method_list},
    {"steps", "step function (-fn, --step_scores)", "--attribution_kwargs",
     "inseq attribute -m demo/en-nl -a dummy --step_scores %s -i \"The nurse lost her key.\"",
     attr_step_list},
    {"aggregators", "aggregator (--attribution_aggregators)", "--aggregation_kwargs",
     "inseq show FILE.json --attribution_aggregators %s", attr_aggregator_list},
};
enum { N_TABLES = sizeof tables / sizeof *tables };

// ------------------------------------------------------------------------------------------ topics

static bool same_name(const char *word, const char *name) // hyphens and underscores alike
{
    for (; *word && *name; word++, name++)
        if (*word != *name && !((*word == '-' && *name == '_') || (*word == '_' && *name == '-')))
            return false;
    return *word == *name;
}

static void put_table(size_t k, int width, Buf *out)
{
    const Entry *v;
    size_t n = tables[k].list(&v);
    for (size_t i = 0; i < n; i++) put_words(out, v[i].name, 34, width, v[i].summary);
    buf_printf(out, "\n'inseq help NAME' explains one of these %s.\n", tables[k].name);
}

static void put_formats(int width, Buf *out)
{
    size_t n;
    const Report *const *report = attr_reports(&n);
    for (size_t i = 0; i < n; i++) put_words(out, report[i]->name, 12, width, report[i]->summary);
    buf_str(out, STR_LIT("\n--format NAME prints it, --export FILE.NAME writes it; 'inseq help NAME' and\n"
                         "man inseq-formats have "
                         "them field by field.\n"));
}

// An argument of some method, step function or aggregator.
static bool argument_topic(Arena *a, const char *topic, int width, Buf *out)
{
    const size_t before = out->n;
    for (size_t k = 0; k < N_TABLES; k++) {
        const Entry *v;
        size_t n = tables[k].list(&v);
        for (size_t i = 0; i < n; i++)
            for (const Argument *g = v[i].arguments; g && g->name; g++)
                if (same_name(topic, g->name))
                    put_words(out, arena_printf(a, "%s: ", v[i].name), 34, width,
                              arena_printf(a, "%s%s%s%s", g->meaning, g->absent ? " (" : "",
                                           g->absent ? g->absent : "", g->absent ? ")" : ""));
    }
    return out->n > before;
}

static bool option_topic(Commands c, const char *topic, int width, Buf *out)
{
    size_t n;
    const Option *o = args_options(&n);
    const size_t before = out->n;
    for (size_t i = 0; i < n; i++) {
        bool alias = false;
        for (int k = 0; k < 2; k++)
            alias |= o[i].alias[k] && !strcmp(o[i].alias[k] + strspn(o[i].alias[k], "-"), topic);
        if (!alias && !same_name(topic, o[i].name)) continue;
        options_help(&o[i], 1, o[i].commands, true, width, out);
        buf_str(out, STR_LIT("  of"));
        for (size_t k = 0, count = 0; k < c.n; k++)
            if (c.v[k]->options & o[i].commands) buf_printf(out, "%s %s", count++ ? "," : "", c.v[k]->name);
        buf_char(out, '\n');
    }
    return out->n > before;
}

bool help_topic(Arena *a, Commands c, const char *topic, bool all, int width, Buf *out, Err *e)
{
    enum { MOST = 400 };
    const char *names[MOST];
    size_t n = 0, count;
    for (size_t i = 0; i < c.n && n < MOST; i++) {
        if (same_name(topic, c.v[i]->name)) return help_command(a, c.v[i], all, width, out), true;
        names[n++] = c.v[i]->name;
    }
    for (size_t k = 0; k < N_TABLES; k++) {
        const Entry *v;
        count = tables[k].list(&v);
        if (same_name(topic, tables[k].name)) return put_table(k, width, out), true;
        names[n++] = tables[k].name;
        for (size_t i = 0; i < count && n < MOST; i++) {
            names[n++] = v[i].name;
            if (!same_name(topic, v[i].name)) continue;
            Buf example = {.arena = a};
            const char *at = strstr(tables[k].example, "%s");
            buf_put(&example, tables[k].example, (size_t)(at - tables[k].example));
            buf_printf(&example, "%s%s", v[i].name, at + 2);
            if (attr_is_contrastive(v[i].name))
                buf_str(&example, STR_LIT(" --contrast_targets \"De man verloor zijn sleutel.\""));
            if (v[i].must) buf_printf(&example, " %s '%s'", tables[k].option, v[i].must);
            put_entry(a, &v[i], tables[k].kind, tables[k].option, example.s, width, out);
            return true;
        }
    }
    const Report *const *report = attr_reports(&count);
    for (size_t i = 0; i < count; i++) {
        names[n++] = report[i]->name;
        if (strcmp(topic, report[i]->name)) continue;
        put_words(out, arena_printf(a, "%s: ", topic), strlen(topic) + 2, width, report[i]->summary);
        if (report[i]->layout) buf_char(out, '\n'), put_lines(out, report[i]->layout, "");
        return true;
    }
    if (!strcmp(topic, "formats")) return put_formats(width, out), true;
    if (help_page(a, topic, width, out) || option_topic(c, topic, width, out) ||
        argument_topic(a, topic, width, out))
        return true;
    const char *near = str_nearest(str_of(topic), names, n);
    return near ? err_usage(e, "no help on '%.100s'; did you mean %s?", topic, near)
                : err_usage(e, "no help on '%.100s'; 'inseq help' lists what there is", topic);
}

// Names one after the other.
static void put_names(Arena *a, const char *title, const char *const *name, size_t n, int width, Buf *out)
{
    Buf words = {.arena = a};
    for (size_t i = 0; i < n; i++) buf_printf(&words, "%s%s", i ? ", " : "", name[i]);
    put_words(out, title, 14, width, words.s);
}

void help_topics(Commands c, int width, Buf *out)
{
    Arena *a = out->arena;
    enum { MOST = 64 };
    const char *names[MOST];
    size_t n = 0;
    buf_str(out, STR_LIT("inseq help TOPIC explains one of these:\n\n"));
    for (; n < c.n && n < MOST; n++) names[n] = c.v[n]->name;
    put_names(a, "commands", names, n, width, out);
    for (size_t k = 0; k < N_TABLES; k++) {
        const Entry *v;
        size_t count = tables[k].list(&v);
        for (n = 0; n < count && n < MOST; n++) names[n] = v[n].name;
        put_names(a, tables[k].name, names, n, width, out);
    }
    const Report *const *report = attr_reports(&n);
    for (size_t i = 0; i < n && i < MOST; i++) names[i] = report[i]->name;
    put_names(a, "formats", names, n, width, out);
    put_words(out, "and", 14, width,
              "environment, files, exit, examples; any option or argument by its name");
    buf_str(out, STR_LIT("\n'inseq help methods' has them with a line each, and so on; 'inseq help COMMAND'\n"
                         "is 'inseq COMMAND --help'; 'man inseq' and 'inseq help --man' have it all.\n"));
}
