// SPDX-License-Identifier: Apache-2.0
// cmd_completion.c — what bash, zsh and fish complete an inseq command line with: scripts made from the tables of commands,
// options and what options may be.
#include "commands.h"

#include <string.h>

// ------------------------------------------------------------------------------------------ what stands behind an option

typedef enum { TAKES_NOTHING, TAKES_ANY, TAKES_WORDS, TAKES_FILE, TAKES_FOLDER, TAKES_MODEL } Takes;

static void put_word(Buf *b, const char *word) { buf_printf(b, "%s%s", b->n ? " " : "", word); }

static void put_list(size_t (*list)(const Entry **out), Buf *b)
{
    const Entry *v;
    size_t n = list(&v);
    for (size_t i = 0; i < n; i++) put_word(b, v[i].name);
}

static void put_formats(Buf *b)
{
    size_t n;
    const Report *const *report = attr_reports(&n);
    for (size_t i = 0; i < n; i++) put_word(b, report[i]->name);
}

// What an option takes, by how its value is called; of words, which.
static Takes takes(const Option *o, Buf *words)
{
    const char *v = o->value;
    if (!v) return TAKES_NOTHING;
    if (!strcmp(v, "FILE") || !strcmp(v, "PATH")) return TAKES_FILE;
    if (!strcmp(v, "DIR")) return TAKES_FOLDER;
    if (!strcmp(v, "MODEL") || !strcmp(v, "FOLDER")) return TAKES_MODEL;
    if (!strcmp(v, "METHOD")) put_list(attr_method_list, words);
    else if (!strcmp(v, "STEP")) put_list(attr_step_list, words);
    else if (!strcmp(v, "AGGREGATOR")) put_list(attr_aggregator_list, words);
    else if (!strcmp(v, "FORMAT")) put_formats(words);
    else if (strchr(v, '|'))
        for (size_t n; *v; v += n + (v[n] == '|'))
            n = strcspn(v, "|"), put_word(words, str_zero(words->arena, (Str){v, n}));
    return words->n ? TAKES_WORDS : TAKES_ANY;
}

// "--save-path"
static const char *long_name(Arena *a, const Option *o)
{
    char *name = (char *)(uintptr_t)arena_printf(a, "--%s", o->name);
    for (char *c = name; *c; c++) *c = *c == '_' ? '-' : *c;
    return name;
}

// What the words of a command may be that belong to no option; empty: files.
static const char *words_of(const Args *a, const Command *c)
{
    Buf b = {.arena = a->a};
    const char *const *name;
    if (!strcmp(c->name, "help")) {
        for (size_t i = 0; i < a->commands.n; i++) put_word(&b, a->commands.v[i]->name);
        put_list(attr_method_list, &b), put_list(attr_step_list, &b), put_list(attr_aggregator_list, &b);
        put_formats(&b);
        put_word(&b, "methods steps aggregators formats environment files exit examples");
    } else if (!strcmp(c->name, "export")) {
        size_t n = nn_builtins(a->a, &name);
        for (size_t i = 0; i < n; i++) put_word(&b, name[i]);
    } else if (*c->usage == '[' && strchr(c->usage, '|')) // "[methods|steps|...]"
        for (const char *v = c->usage + 1; *v && *v != ']'; v += strcspn(v, "|]"))
            v += *v == '|', put_word(&b, str_zero(a->a, (Str){v, strcspn(v, "|]")}));
    else if (!strcmp(c->name, "completion")) put_word(&b, "bash zsh fish");
    return b.n ? b.s : "";
}

// Help as far as the first ';', as text between single quotes: what ends them is `quote`. special: gets a backslash.
static void put_quoted(Buf *b, const char *text, const char *quote, const char *special)
{
    for (const char *p = text; *p && *p != ';'; p++) {
        if (*p == '\'') buf_str(b, str_of(quote));
        else if (strchr(special, *p)) buf_char(b, '\\'), buf_char(b, *p);
        else buf_char(b, *p);
    }
}

// ------------------------------------------------------------------------------------------ bash

static void put_bash(const Args *a, Buf *b)
{
    size_t n;
    const Option *o = args_options(&n);
    Commands all = a->commands;
    buf_str(b, STR_LIT("# bash completion for inseq, made by 'inseq completion bash'\n"
                       "_inseq() {\n"
                       "    local cur=${COMP_WORDS[COMP_CWORD]} option= options= words= i\n"
                       "    COMPREPLY=()\n"
                       "    if [ \"$COMP_CWORD\" = 1 ]; then\n        COMPREPLY=($(compgen -W '"));
    for (size_t i = 0; i < all.n; i++) buf_printf(b, "%s ", all.v[i]->name);
    buf_str(b, STR_LIT("--help --help-all --version --license' -- \"$cur\"))\n        return\n    fi\n"
                       "    case ${COMP_WORDS[1]} in\n"));
    for (size_t i = 0; i < all.n; i++) {
        buf_printf(b, "    %s)\n        options='", all.v[i]->name);
        for (size_t k = 0; k < n; k++)
            if (o[k].commands & all.v[i]->options) buf_printf(b, "%s ", long_name(a->a, &o[k]));
        buf_printf(b, "--help --help-all'\n        words='%s' ;;\n", words_of(a, all.v[i]));
    }
    // the option that the word belongs to: the one before, or further back one that takes several
    buf_str(b,
            STR_LIT("    *) return ;;\n    esac\n"
                    "    for ((i = COMP_CWORD - 1; i > 1; i--)); do\n"
                    "        case ${COMP_WORDS[i]} in -[a-z-]*) option=${COMP_WORDS[i]//_/-}; break ;; esac\n"
                    "    done\n"
                    "    if [ -n \"$option\" ] && [ $i -lt $((COMP_CWORD - 1)) ]; then\n"
                    "        case $option in\n        "));
    for (size_t k = 0, count = 0; k < n; k++)
        for (int j = -1; o[k].kind == OPT_LIST && j < 2 && (j < 0 || o[k].alias[j]); j++)
            buf_printf(b, "%s%s", count++ ? " | " : "", j < 0 ? long_name(a->a, &o[k]) : o[k].alias[j]);
    buf_str(
        b,
        STR_LIT(
            ") ;;\n        *) option= ;;\n        esac\n    fi\n"
            "    case $cur in -*) COMPREPLY=($(compgen -W \"$options\" -- \"${cur//_/-}\")); return ;; esac\n"
            "    case $option in\n"));
    for (size_t k = 0; k < n; k++) {
        Buf words = {.arena = a->a};
        Takes what = takes(&o[k], &words);
        if (what == TAKES_NOTHING) continue;
        buf_printf(b, "    %s", long_name(a->a, &o[k]));
        for (int j = 0; j < 2 && o[k].alias[j]; j++) buf_printf(b, " | %s", o[k].alias[j]);
        buf_str(b, STR_LIT(") "));
        if (what == TAKES_WORDS) buf_printf(b, "words='%s' ;;\n", words.s);
        else if (what == TAKES_ANY) buf_str(b, STR_LIT("return ;;\n"));
        else if (what == TAKES_FILE) buf_str(b, STR_LIT("words= ;;\n"));
        else if (what == TAKES_FOLDER)
            buf_str(
                b,
                STR_LIT(
                    "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"));
        else
            buf_str(
                b,
                STR_LIT("compopt -o filenames 2>/dev/null\n        COMPREPLY=($(compgen -W \"$(inseq models "
                        "--names 2>/dev/null)\" -- \"$cur\") $(compgen -f -- \"$cur\")); return ;;\n"));
    }
    buf_str(b,
            STR_LIT("    esac\n"
                    "    if [ -n \"$words\" ]; then COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                    "    else compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); fi\n"
                    "}\ncomplete -F _inseq inseq\n"));
}

// ------------------------------------------------------------------------------------------ zsh

static void put_zsh_option(const Args *a, const Option *o, Buf *b)
{
    const char *names[3] = {long_name(a->a, o), o->alias[0], o->alias[1]};
    Buf words = {.arena = a->a};
    Takes what = takes(o, &words);
    for (int j = 0; j < 3 && names[j]; j++) {
        buf_printf(b, "            '*%s[", names[j]), put_quoted(b, o->help, "'\\''", "[]:\\");
        buf_char(b, ']');
        if (what != TAKES_NOTHING) {
            buf_str(b, o->kind == OPT_LIST ? STR_LIT(":*-*:") : STR_LIT(":"));
            put_quoted(b, what == TAKES_WORDS ? "value" : o->value, "", "");
            if (what == TAKES_WORDS) buf_printf(b, ":(%s)", words.s);
            else
                buf_str(b, what == TAKES_FILE     ? STR_LIT(":_files")
                           : what == TAKES_FOLDER ? STR_LIT(":_files -/")
                           : what == TAKES_MODEL  ? STR_LIT(":_inseq_models")
                                                  : STR_LIT(": "));
        }
        buf_str(b, STR_LIT("' \\\n"));
    }
}

static void put_zsh(const Args *a, Buf *b)
{
    size_t n;
    const Option *o = args_options(&n);
    Commands all = a->commands;
    buf_str(b, STR_LIT("#compdef inseq\n# zsh completion for inseq, made by 'inseq completion zsh'\n"
                       "_inseq_models() {\n"
                       "    local -a names\n    names=(${(f)\"$(inseq models --names 2>/dev/null)\"})\n"
                       "    compadd -a names\n    _files\n}\n"
                       "_inseq() {\n    local -a commands\n    commands=(\n"));
    for (size_t i = 0; i < all.n; i++) {
        buf_printf(b, "        '%s:", all.v[i]->name), put_quoted(b, all.v[i]->summary, "'\\''", ":\\");
        buf_str(b, STR_LIT("'\n"));
    }
    buf_str(b,
            STR_LIT("    )\n    if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
                    "    local command=$words[2]\n    shift words; (( CURRENT-- ))\n    case $command in\n"));
    for (size_t i = 0; i < all.n; i++) {
        const char *words = words_of(a, all.v[i]);
        buf_printf(b, "    %s)\n        _arguments \\\n", all.v[i]->name);
        for (size_t k = 0; k < n; k++)
            if (o[k].commands & all.v[i]->options) put_zsh_option(a, &o[k], b);
        buf_str(b, STR_LIT("            '--help[the options that people use]' '--help-all[all options]'"));
        if (*words) buf_printf(b, " \\\n            '*:value:(%s)'", words);
        else if (all.v[i]->words) buf_str(b, STR_LIT(" \\\n            '*:file:_files'"));
        buf_str(b, STR_LIT(" ;;\n"));
    }
    buf_str(b, STR_LIT("    esac\n}\nif [ \"$funcstack[1]\" = _inseq ]; then _inseq \"$@\"; else compdef "
                       "_inseq inseq; fi\n"));
}

// ------------------------------------------------------------------------------------------ fish

static void put_fish(const Args *a, Buf *b)
{
    size_t n;
    const Option *o = args_options(&n);
    Commands all = a->commands;
    buf_str(b,
            STR_LIT("# fish completion for inseq, made by 'inseq completion fish'\ncomplete -c inseq -f\n"));
    for (size_t i = 0; i < all.n; i++) {
        const char *words = words_of(a, all.v[i]);
        buf_printf(b, "complete -c inseq -n __fish_use_subcommand -a %s -d '", all.v[i]->name);
        put_quoted(b, all.v[i]->summary, "\\'", "\\"), buf_str(b, STR_LIT("'\n"));
        if (*words)
            buf_printf(b, "complete -c inseq -n '__fish_seen_subcommand_from %s' -a '%s'\n", all.v[i]->name,
                       words);
        else if (all.v[i]->words)
            buf_printf(b, "complete -c inseq -n '__fish_seen_subcommand_from %s' -F\n", all.v[i]->name);
    }
    buf_str(b, STR_LIT("complete -c inseq -l help -s h -d 'the options that people use'\n"
                       "complete -c inseq -l help-all -d 'all options'\n"));
    for (size_t k = 0; k < n; k++) {
        Buf words = {.arena = a->a};
        Takes what = takes(&o[k], &words);
        size_t count = 0;
        for (size_t i = 0; i < all.n; i++) count += (o[k].commands & all.v[i]->options) != 0;
        if (!count) continue;
        buf_str(b, STR_LIT("complete -c inseq -n '__fish_seen_subcommand_from"));
        for (size_t i = 0; i < all.n; i++)
            if (o[k].commands & all.v[i]->options) buf_printf(b, " %s", all.v[i]->name);
        buf_printf(b, "' -l %s", long_name(a->a, &o[k]) + 2);
        for (int j = 0; j < 2 && o[k].alias[j]; j++) {
            const char *name = o[k].alias[j];
            buf_printf(b,
                       name[1] == '-' ? " -l %s"
                       : name[2]      ? " -o %s"
                                      : " -s %s",
                       name + 1 + (name[1] == '-'));
        }
        if (what == TAKES_WORDS) buf_printf(b, " -x -a '%s'", words.s);
        else if (what == TAKES_FILE) buf_str(b, STR_LIT(" -r -F"));
        else if (what == TAKES_FOLDER) buf_str(b, STR_LIT(" -x -a '(__fish_complete_directories)'"));
        else if (what == TAKES_MODEL) buf_str(b, STR_LIT(" -r -F -a '(inseq models --names 2>/dev/null)'"));
        else if (what == TAKES_ANY) buf_str(b, STR_LIT(" -x"));
        buf_str(b, STR_LIT(" -d '")), put_quoted(b, o[k].help, "\\'", "\\"), buf_str(b, STR_LIT("'\n"));
    }
}

static int run(Args *a)
{
    static const struct {
        const char *shell;
        void (*put)(const Args *a, Buf *b);
    } shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};
    Buf out = {.arena = a->a};
    for (int i = 0; i < 3; i++)
        if (a->n_rest && !strcmp(a->rest[0], shells[i].shell)) {
            shells[i].put(a, &out);
            return cmd_print(buf_view(&out));
        }
    return cmd_complain(a->n_rest
                            ? arena_printf(a->a, "completion: '%s' is none of bash, zsh, fish", a->rest[0])
                            : "completion needs a shell: bash, zsh or fish"),
           EXIT_USAGE;
}

const Command command_completion = {
    .name = "completion",
    .options = 0,
    .words = 1,
    .run = run,
    .usage = "bash|zsh|fish",
    .summary = "a script by which a shell completes inseq commands",
    .example = "bash",
};
