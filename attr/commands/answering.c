// SPDX-License-Identifier: Apache-2.0
// answering.c — one request to `inseq serve`: a JSON object whose members are options of `inseq attribute` by their names.
//
//   {"model": "demo/en-nl", "input_texts": ["The nurse lost her key."], "method": "saliency", "step_scores": ["probability"]}
//
// It is answered in a process of its own, forked from the one that has loaded the models: their pages are shared, what it
// takes of memory goes with it, and whatever goes wrong in it (memory runs out, time is up, a fault of ours) ends it alone.
// What may be said stands in the table of options (REQUEST): nothing in it names a file, and before a byte of the request is
// looked at, the process gives up opening any.
#include "serve.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

// ------------------------------------------------------------------------------------------ what is asked for

// Names that are easier to guess.
static const char *const other_names[][2] = {
    {"model", "model_name_or_path"},         {"method", "attribution_method"},
    {"input_text", "input_texts"},           {"generated_text", "generated_texts"},
    {"contrast_target", "contrast_targets"}, {"contrast_source", "contrast_sources"}};

static const Option *find(Arena *a, Str key, size_t *at, Err *e)
{
    size_t n, known = 0;
    const Option *all = args_options(&n);
    const char **names = arena_new(a, const char *, n);
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++)
        if (str_is(key, other_names[i][0])) key = str_of(other_names[i][1]);
    for (size_t i = 0; i < n; i++) {
        if (!(all[i].commands & REQUEST)) continue;
        if (str_is(key, all[i].name)) return *at = i, &all[i];
        names[known++] = all[i].name;
    }
    const char *near = str_nearest(key, names, known);
    err_usage(e, "a request has no \"%.*s\"%s%s%s", (int)key.n, key.s, near ? "; did you mean \"" : "",
              near ? near : "; it has the options of 'inseq attribute' that name no file, by their names",
              near ? "\"?" : "");
    return NULL;
}

// A value's own bytes, from its beginning to its end.
static Str bytes_of(Str body, const Json *j)
{
    size_t at = j->at, depth = 0;
    for (bool inside = false; at < body.n; at++) {
        char c = body.s[at];
        if (inside && c == '\\') at++;
        else if (c == '"') inside = !inside;
        else if (!inside && (c == '{' || c == '[')) depth++;
        else if (!inside && (c == '}' || c == ']') && !--depth) return (Str){body.s + j->at, at + 1 - j->at};
    }
    return (Str){body.s + j->at, body.n - j->at};
}

// A text as an option's word, or a number as it was written.
static bool word(Arena *a, const Json *j, const char **out)
{
    if ((j->kind != J_STRING && j->kind != J_NUMBER) || memchr(j->text.s ? j->text.s : "", 0, j->text.n))
        return false;
    return *out = str_zero(a, j->text), true;
}

static bool take(Arena *a, Str body, const Option *o, const Json *j, OptionValue *v, Err *e)
{
    const bool names = !strcmp(o->name, "model_name_or_path");
    const size_t n = j->kind == J_ARRAY ? j->count : 1;
    const char *const wanted = o->kind == OPT_FLAG   ? "true or false"
                               : o->kind == OPT_INT  ? "a whole number"
                               : o->kind == OPT_JSON ? "an object"
                               : o->kind == OPT_LIST ? "a text, or a list of texts"
                                                     : "a text";
    bool ok = true;
    if (v->given) return err_usage(e, "\"%.*s\" is said twice", (int)j->key.n, j->key.s);
    if (j->kind == J_NULL) return true;
    *v = (OptionValue){.given = true, .literal = true, .list = arena_new(a, const char *, n + 1)};
    if (o->kind == OPT_FLAG) v->flag = j->kind == J_TRUE, ok = v->flag || j->kind == J_FALSE;
    else if (o->kind == OPT_JSON) {
        ok = j->kind == J_OBJECT;
        if (ok) v->json = j, v->list[v->n++] = str_zero(a, bytes_of(body, j));
    } else if (o->kind == OPT_INT) v->number = j->i, ok = j->is_int && word(a, j, &v->list[v->n++]);
    else if (j->kind == J_ARRAY && (o->kind == OPT_LIST || names)) {
        for (const Json *c = j->child; c && ok; c = c->next) ok = word(a, c, &v->list[v->n++]);
    } else ok = (o->kind == OPT_LIST || j->kind == J_STRING) && word(a, j, &v->list[v->n++]);
    if (ok) return true;
    if (j->kind == J_STRING && o->kind != OPT_FLAG && o->kind != OPT_JSON && o->kind != OPT_INT)
        return err_usage(e, "\"%.*s\" has a NUL character", (int)j->key.n, j->key.s);
    return err_usage(e, "\"%.*s\" is %s; it must be %s", (int)j->key.n, j->key.s, json_kind_name(j), wanted);
}

bool serve_request(Arena *a, Str body, OptionValue *value, Err *e)
{
    size_t n, at;
    args_options(&n);
    OptionValue *own = arena_new(a, OptionValue, n);
    const Json *j = json_parse_within(a, body, 8 << 20, "request", e);
    if (!j) return false;
    if (j->kind != J_OBJECT)
        return err_usage(e, "a request is %s; it must be an object such as {\"input_texts\": [\"...\"]}",
                         json_kind_name(j));
    for (const Json *c = j->child; c; c = c->next) {
        const Option *o = find(a, c->key, &at, e);
        if (!o || !take(a, body, o, c, &own[at], e)) return false;
        if (own[at].given) value[at] = own[at];
    }
    return true;
}

// ------------------------------------------------------------------------------------------ the process

static void ignore_interrupts(void) {} // whoever asks it to stop means it

// From here on nothing can be opened, and nothing written but to what is open.
static void give_up_files(void)
{
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 3});
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static OptionValue *value_of(const Args *a, const char *name)
{
    return (OptionValue *)(uintptr_t)args_get(a, name);
}

_Noreturn void serve_answer(const Service *s, Str body, AnswerForm form)
{
    size_t n;
    const Option *all = args_options(&n);
    Arena *a = arena_create(NULL);
    Args own = *s->a;
    Err e = {0};
    pool_start(s->threads);
    give_up_files();
    own.a = a, own.value = arena_new(a, OptionValue, n);
    own.kept = s->model, own.n_kept = s->n_models;
    own.stream = form == ANSWER_LINES, own.catch_interrupts = ignore_interrupts;
    own.talk = cmd_talk(&own);
    for (size_t i = 0; i < n; i++)
        if (all[i].commands & SERVE && all[i].commands & SINGLE) own.value[i] = s->a->value[i];
    *value_of(&own, "model_name_or_path") =
        (OptionValue){.given = true, .list = arena_new(a, const char *, 1), .n = 1};
    value_of(&own, "model_name_or_path")->list[0] = s->model[0].name;
    value_of(&own, "no_progress")->flag = true;
    if (!serve_request(a, body, own.value, &e)) _exit(cmd_fail(&e, EXIT_INPUT));
    if (!args_get(&own, "input_texts")->n)
        err_usage(&e, "which texts? \"input_texts\" is a text, or a list of texts");
    if (e.set) _exit(cmd_fail(&e, EXIT_USAGE));
    if (form == ANSWER_PAGE) {
        OptionValue *format = value_of(&own, "format");
        *format = (OptionValue){.given = true, .list = arena_new(a, const char *, 1), .n = 1};
        format->list[0] = "html";
    } else value_of(&own, "json")->flag = value_of(&own, "json")->given = true;
    _exit(cmd_attribute(&own));
}
