// SPDX-License-Identifier: Apache-2.0
// chat.c — chat templates: finding the one of a folder, reading messages, and rendering them (jinja_*.c does the work).
//
// As transformers' apply_chat_template: which file counts, which variables a template sees, which members of a message
// are dropped (those that are null) or doubled (a message's reasoning, which templates know under three names).
#include "jinja.h"
#include "kind.h"

#include <string.h>

// ------------------------------------------------------------------------------------------------ finding

static void add_token(Arena *a, ChatTemplate *t, Str name, Str text)
{
    for (size_t i = 0; i < t->n_tokens; i++)
        if (str_eq(t->token[i].name, name)) return;
    if (t->n_tokens % 16 == 0) {
        ChatToken *more = arena_new(a, ChatToken, t->n_tokens + 16);
        if (t->n_tokens) memcpy(more, t->token, t->n_tokens * sizeof *more);
        t->token = more;
    }
    t->token[t->n_tokens++] = (ChatToken){name, text};
}

enum { MOST_TOKENS = 1000 };

// The special tokens that have names in tokenizer_config.json, and in special_tokens_map.json those that it lacks.
static void find_tokens(Arena *a, const Json *config, const Json *map, ChatTemplate *t)
{
    static const char *const more[] = {"extra_special_tokens", "model_specific_special_tokens"};
    for (int i = 0; i < NAMED_TOKENS; i++) {
        const Json *j = json_get(config, named_tokens[i]);
        Str text = token_text(j ? j : json_get(map, named_tokens[i]));
        if (text.s) add_token(a, t, str_of(named_tokens[i]), text);
    }
    for (int i = 0; i < 2; i++) {
        const Json *list = json_get(config, more[i]);
        if (!list || list->kind != J_OBJECT) continue;
        for (const Json *j = list->child; j && t->n_tokens < MOST_TOKENS; j = j->next)
            if (token_text(j).s) add_token(a, t, j->key, token_text(j));
    }
}

// The template among [{"name": ..., "template": ...}, ...] or {"name": template, ...} that is called "default".
static const Json *default_of(const Json *list, Buf *names)
{
    const Json *found = NULL;
    for (const Json *j = list->child; j; j = j->next) {
        const Json *name = list->kind == J_OBJECT ? NULL : json_get(j, "name");
        Str text = list->kind == J_OBJECT           ? j->key
                   : name && name->kind == J_STRING ? name->text
                                                    : STR_LIT("(no name)");
        if (str_is(text, "default")) found = list->kind == J_OBJECT ? j : json_get(j, "template");
        if (names->n < 200)
            buf_printf(names, "%s%.*s", names->n ? ", " : "", (int)(text.n < 40 ? text.n : 40), text.s);
    }
    return found;
}

bool tok_chat_template(Arena *a, const char *folder, ChatTemplate *out, Err *e)
{
    const char *file = in_folder(a, folder, "chat_template.jinja");
    const Json *config, *map;
    *out = (ChatTemplate){0};
    if (!dir_exists(folder)) return err_set(e, "%s: no such folder", folder);
    if (!folder_object(a, folder, "tokenizer_config.json", &config, e) ||
        !folder_object(a, folder, "special_tokens_map.json", &map, e))
        return false;
    find_tokens(a, config, map, out);
    if (file_exists(file)) { // newer, and it counts more
        out->where = file;
        return file_read(a, file, JINJA_SOURCE, &out->text, e) && file_genuine(file, out->text, e);
    }
    const Json *t = json_get(config, "chat_template");
    Buf names = {.arena = a};
    out->where = arena_printf(a, "%s: chat_template", in_folder(a, folder, "tokenizer_config.json"));
    if (!t || t->kind == J_NULL)
        return err_set(e,
                       "%s: no chat template: neither chat_template.jinja nor \"chat_template\" in "
                       "tokenizer_config.json; was "
                       "this model made for chat?",
                       folder);
    bool several = t->kind == J_ARRAY || t->kind == J_OBJECT;
    const Json *one = several ? default_of(t, &names) : t;
    if (several && !one)
        return err_set(e, "%s: of several templates (%s) none is called \"default\"", out->where,
                       names.n ? names.s : "none");
    if (one->kind != J_STRING)
        return err_set(e, "%s is %s; expected a string, or a list of {\"name\", \"template\"}", out->where,
                       json_kind_name(one));
    out->text = one->text;
    return true;
}

// ------------------------------------------------------------------------------------------------ messages

static Json *member(Arena *a, Json *object, const char *key, JsonKind kind, Str text)
{
    Json *j = arena_new(a, Json, 1), **end = (Json **)(uintptr_t)&object->child;
    j->kind = kind, j->text = text, j->key = key ? str_of(key) : (Str){0};
    while (*end) end = (Json **)(uintptr_t) & (*end)->next;
    *end = j;
    object->count++;
    return j;
}

static void add_message(Arena *a, Json *list, const char *role, Str content)
{
    Json *m = member(a, list, NULL, J_OBJECT, (Str){0});
    member(a, m, "role", J_STRING, str_of(role));
    member(a, m, "content", J_STRING, content);
}

static bool looks_like_messages(Str s)
{
    size_t i = 0;
    while (i < s.n && strchr(" \t\r\n", s.s[i]) && s.s[i]) i++;
    if (i == s.n || s.s[i++] != '[') return false;
    while (i < s.n && strchr(" \t\r\n", s.s[i]) && s.s[i]) i++;
    return i < s.n && s.s[i] == '{';
}

static bool check_part(const Json *part, const char *where, size_t i, size_t k, Err *e)
{
    const Json *type = json_get(part, "type"), *text = json_get(part, "text");
    if (!type || type->kind != J_STRING)
        return err_set(e,
                       "%s: message %zu: part %zu of its content has no \"type\"; expected {\"type\": "
                       "\"text\", \"text\": ...}",
                       where, i, k);
    if (!str_is(type->text, "text"))
        return err_set(e,
                       "%s: message %zu: part %zu of its content is of type \"%.*s\"; only \"text\" is read",
                       where, i, k, (int)(type->text.n < 40 ? type->text.n : 40), type->text.s);
    if (text && text->kind == J_STRING) return true;
    return err_set(e, "%s: message %zu: \"text\" of part %zu is %s; expected a string", where, i, k,
                   json_kind_name(text));
}

static bool check_message(const Json *m, const char *where, size_t i, Err *e)
{
    const Json *role = json_get(m, "role"), *content = json_get(m, "content"),
               *calls = json_get(m, "tool_calls");
    if (m->kind != J_OBJECT)
        return err_set(e, "%s: message %zu is %s; expected {\"role\": ..., \"content\": ...}", where, i,
                       json_kind_name(m));
    if (!role || role->kind != J_STRING)
        return err_set(e, "%s: message %zu: its \"role\" is %s; expected a string such as \"user\"", where, i,
                       json_kind_name(role));
    if (content && content->kind == J_ARRAY) {
        size_t k = 1;
        for (const Json *part = content->child; part; part = part->next, k++)
            if (!check_part(part, where, i, k, e)) return false;
        return true;
    }
    bool none = !content || content->kind == J_NULL;
    if (none ? calls && calls->kind != J_NULL : content->kind == J_STRING) return true;
    return err_set(e,
                   "%s: message %zu: its \"content\" is %s; expected a string, or a list of {\"type\": "
                   "\"text\", \"text\": ...}",
                   where, i, json_kind_name(content));
}

static bool check_messages(const Json *list, const char *where, Err *e)
{
    if (list->kind != J_ARRAY)
        return err_set(e, "%s: the messages are %s; expected a list", where, json_kind_name(list));
    if (!list->count) return err_set(e, "%s: no messages; expected at least one", where);
    size_t i = 1;
    for (const Json *m = list->child; m; m = m->next, i++)
        if (!check_message(m, where, i, e)) return false;
    return true;
}

bool tok_chat_messages(Arena *a, Str text, const char *where, const Json **out, Err *e)
{
    if (looks_like_messages(text)) {
        *out = json_parse(a, text, where, e);
        return *out && check_messages(*out, where, e);
    }
    Json *list = arena_new(a, Json, 1);
    list->kind = J_ARRAY;
    add_message(a, list, "user", text);
    *out = list;
    return true;
}

// ------------------------------------------------------------------------------------------------ rendering

// A JSON value for the template. mark: of the bytes of its texts, but for those that say of what kind something is.
static bool value_of(Run *x, const Json *j, uint32_t mark, Value *out)
{
    switch (j->kind) {
    case J_NULL:
        *out = (Value){.kind = V_NONE};
        return true;
    case J_FALSE:
    case J_TRUE:
        *out = v_bool(j->kind == J_TRUE);
        return true;
    case J_NUMBER:
        if (j->is_int) *out = v_int(j->i);
        else if (memchr(j->text.s, '.', j->text.n) || memchr(j->text.s, 'e', j->text.n) ||
                 memchr(j->text.s, 'E', j->text.n) || memchr(j->text.s, 'N', j->text.n) ||
                 memchr(j->text.s, 'I', j->text.n))
            *out = v_float(j->number);
        else
            return run_fail(x, "the whole number %.*s in a message is beyond 64 bits",
                            (int)(j->text.n < 60 ? j->text.n : 60), j->text.s);
        return true;
    case J_STRING:
        if (str_is(j->key, "role") || str_is(j->key, "type")) mark = 0;
        *out = v_text(j->text, mark);
        return true;
    case J_ARRAY: {
        Value *v = run_room(x, j->count ? j->count : 1, sizeof *v);
        if (!v) return false;
        size_t i = 0;
        for (const Json *c = j->child; c; c = c->next)
            if (!value_of(x, c, mark, &v[i++])) return false;
        return v_list(x, V_LIST, v, i, out);
    }
    case J_OBJECT:
        break;
    }
    Dict *d = dict_new(x, j->count);
    Value v;
    for (const Json *c = j->child; d && c; c = c->next)
        if (!value_of(x, c, mark, &v) || !dict_put(x, d, v_text(c->key, 0), v)) return false;
    *out = (Value){.kind = V_DICT, .dict = d};
    return d != NULL;
}

// A message: members that are null are not there; its reasoning is there under both names that templates read.
static bool message_of(Run *x, const Json *m, uint32_t mark, Value *out)
{
    static const char *const reasons[] = {"reasoning_content", "thinking", "reasoning"};
    const Json *reason = NULL;
    Dict *d = dict_new(x, m->count + 2);
    Value v = {0}, why = {0};
    if (!d) return false;
    for (int i = 0; i < 3 && (!reason || reason->kind == J_NULL); i++) reason = json_get(m, reasons[i]);
    if (reason && reason->kind == J_NULL) reason = NULL;
    if (reason && (!value_of(x, reason, mark, &why) || !dict_put(x, d, v_text(STR_LIT("thinking"), 0), why)))
        return false;
    for (const Json *c = m->child; c; c = c->next)
        if (c->kind != J_NULL && (!value_of(x, c, mark, &v) || !dict_put(x, d, v_text(c->key, 0), v)))
            return false;
    if (reason && !dict_put(x, d, v_text(STR_LIT("reasoning_content"), 0), why)) return false;
    *out = (Value){.kind = V_DICT, .dict = d};
    return true;
}

static bool messages_of(Run *x, const Json *list, Value *out)
{
    Value *v = run_room(x, list->count, sizeof *v);
    uint32_t i = 0;
    if (!v) return false;
    for (const Json *m = list->child; m; m = m->next, i++)
        if (!message_of(x, m, i + 1, &v[i])) return false;
    return v_list(x, V_LIST, v, list->count, out);
}

// All that a template sees: set in a scope, of equal names the last counts.
static bool variables(Run *x, const ChatTemplate *t, const Json *messages, const ChatOptions *o)
{
    static const char *const without[] = {"tools", "documents"};
    Value v;
    for (int i = 0; i < 2; i++)
        if (!scope_set(x, x->scope, str_of(without[i]), (Value){.kind = V_NONE})) return false;
    if (!messages_of(x, messages, &v) || !scope_set(x, x->scope, STR_LIT("messages"), v) ||
        !scope_set(x, x->scope, STR_LIT("add_generation_prompt"), v_bool(o->add_generation_prompt)))
        return false;
    for (size_t i = 0; i < t->n_tokens; i++)
        if (!scope_set(x, x->scope, t->token[i].name, v_text(t->token[i].text, 0))) return false;
    for (const Json *j = o->variables ? o->variables->child : NULL; j; j = j->next)
        if (!value_of(x, j, 0, &v) || !scope_set(x, x->scope, j->key, v)) return false;
    return true;
}

// The list with the system's text before it.
static const Json *with_system(Arena *a, const Json *messages, Str system, const char *where, Err *e)
{
    const Json *first = messages->child, *role = first ? json_get(first, "role") : NULL;
    if (role && role->kind == J_STRING && (str_is(role->text, "system") || str_is(role->text, "developer")))
        return err_set(e,
                       "%s: a system text is given and the first message is one too; expected one of the two",
                       where),
               NULL;
    Json *list = arena_new(a, Json, 1);
    list->kind = J_ARRAY;
    add_message(a, list, "system", system);
    ((Json *)(uintptr_t)list->child)->next = first;
    list->count = messages->count + 1;
    return list;
}

// Runs of bytes that came from one message.
static void find_content(Arena *a, const Out *o, ChatText *out)
{
    for (int pass = 0; pass < 2; pass++) {
        size_t n = 0;
        for (size_t i = 0, from = 0; i < o->n; i = from) {
            for (from = i + 1; from < o->n && o->mark[from] == o->mark[i]; from++) continue;
            if (!o->mark[i]) continue;
            if (pass) out->content[n] = (ChatSpan){i, from, o->mark[i] - 1};
            n++;
        }
        if (!pass) out->content = arena_new(a, ChatSpan, n);
        out->n_content = n;
    }
}

bool tok_chat_render(Arena *a, const ChatTemplate *t, const Json *messages, ChatOptions o, ChatText *out,
                     Err *e)
{
    *out = (ChatText){0};
    Arena *inner = arena_create(a);
    Err own = {0}; // its being set ends a run, so it begins unset
    Scope scope = {0};
    Run x = {.arena = inner, .err = &own, .where = t->where, .line = 1, .date = o.date, .scope = &scope};
    const Node *statements = NULL;
    Out text;
    bool ok = check_messages(messages, "messages", &own);
    if (ok && o.system.n) ok = (messages = with_system(inner, messages, o.system, "messages", &own)) != NULL;
    ok = ok && jinja_parse(inner, t->text, t->where, &statements, &own) && variables(&x, t, messages, &o) &&
         jinja_run(&x, statements, &text);
    if (ok) {
        out->text = str_copy(a, v_str(out_value(&text)));
        find_content(a, &text, out);
    } else err_set(e, "%s", own.text);
    arena_free(inner);
    return ok;
}

bool tok_chat(Arena *a, const char *folder, const Json *messages, ChatOptions o, ChatText *out, Err *e)
{
    ChatTemplate t;
    return tok_chat_template(a, folder, &t, e) && tok_chat_render(a, &t, messages, o, out, e);
}
