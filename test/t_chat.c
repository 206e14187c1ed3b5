// SPDX-License-Identifier: Apache-2.0
// t_chat.c — chat templates: transformers' own results (tools/oracle/chat.py), where content stands, messages, folders,
// and templates that mean harm.
//
// CHAT_CASES=FILE adds the rows of another file made by chat.py.
#include "kit.h"

#include "../tok/tok.h"

#include <stdlib.h>

static Str text_at(const Json *object, const char *key)
{
    const Json *j = json_get(object, key);
    return j && j->kind == J_STRING ? j->text : (Str){NULL, 0};
}

// ------------------------------------------------------------------------------------------------ the library's results

static ChatTemplate template_of(Arena *A, const Json *tokens, Str text)
{
    ChatTemplate t = {.text = text, .where = "template"};
    t.token = arena_new(A, ChatToken, tokens->count);
    for (const Json *j = tokens->child; j; j = j->next) t.token[t.n_tokens++] = (ChatToken){j->key, j->text};
    return t;
}

// The spans are in order, within the text, on characters, and name messages that there are.
static bool spans_fit(const ChatText *c, size_t messages)
{
    size_t at = 0;
    for (size_t i = 0; i < c->n_content; i++) {
        ChatSpan s = c->content[i];
        if (s.from < at || s.to <= s.from || s.to > c->text.n || s.message >= messages) return false;
        if (((uint8_t)c->text.s[s.from] & 0xC0) == 0x80) return false;
        at = s.to;
    }
    return true;
}

static void check_row(Arena *A, const Json *all, const Json *row, const char *path, size_t i)
{
    Err e = {0};
    ChatText out;
    const Json *tokens = json_get(row, "tokens"),
               *talk = json_get(json_get(all, "talks"), text_at(row, "messages").s);
    Str name = text_at(row, "messages"), want = text_at(row, "text"), raised = text_at(row, "raised"),
        error = text_at(row, "error");
    for (const Json *t = json_get(all, "talks")->child; t; t = t->next)
        if (str_eq(t->key, name)) talk = t;
    ChatTemplate t = template_of(A, tokens ? tokens : json_get(all, "tokens"), text_at(row, "template"));
    const Json *add = json_get(row, "add_generation_prompt");
    ChatOptions o = {.add_generation_prompt = add && add->kind == J_TRUE, .date = text_at(all, "date")};
    o.variables = json_get(row, "variables");
    bool ok = tok_chat_render(A, &t, talk, o, &out, &e);
    int n = (int)(t.text.n < 300 ? t.text.n : 300);
    if (want.s && !ok) FAIL("%s %zu: %.*s\n    refused: %s", path, i, n, t.text.s, e.text);
    else if (want.s && !str_eq(out.text, want))
        FAIL("%s %zu: %.*s\n    is       %.*s\n    expected %.*s", path, i, n, t.text.s, (int)out.text.n,
             out.text.s, (int)want.n, want.s);
    else if (want.s && !spans_fit(&out, talk->count))
        FAIL("%s %zu: %.*s: the spans do not fit", path, i, n, t.text.s);
    else if (!want.s && ok)
        FAIL("%s %zu: %.*s\n    is %.*s\n    expected %.*s%.*s", path, i, n, t.text.s, (int)out.text.n,
             out.text.s, (int)error.n, error.s, (int)raised.n, raised.s);
    else if (raised.s) CHECK_HAS(e.text, str_zero(A, raised));
    else test_count(1);
    if (!ok && !e.set) FAIL("%s %zu: failed without a word", path, i);
    if (!ok && strncmp(e.text, "template: line ", 15) != 0) FAIL("%s %zu: no place: %s", path, i, e.text);
}

static size_t check_file(Arena *A, const char *path) // how many rows
{
    const Json *all = test_json(A, path);
    size_t i = 1;
    for (const Json *row = all ? json_get(all, "rows")->child : NULL; row; row = row->next, i++) {
        Arena *inner = arena_create(A);
        check_row(inner, all, row, path, i);
        arena_free(inner);
    }
    return i - 1;
}

TEST(chat_as_transformers)
{
    CHECK_INT(check_file(A, "test/golden/cases/chat/templates.json"), 810);
    if (getenv("CHAT_CASES")) check_file(A, getenv("CHAT_CASES"));
}

// Text and ids of the miniatures of five families, each from its own folder.
static void check_family(Arena *A, const char *name)
{
    const char *folder = arena_printf(A, "test/golden/models/%s", name);
    const Json *all = test_json(A, arena_printf(A, "test/golden/cases/chat/%s.json", name));
    Err none = {0};
    const Tokenizer *t = tok_open(A, folder, &none);
    size_t n = 1;
    if (!t) FAIL("%s", none.text);
    for (const Json *row = t && all ? json_get(all, "rows")->child : NULL; row; row = row->next, n++) {
        Err e = {0};
        ChatText out;
        Encoding x;
        ChatOptions o = {.add_generation_prompt = json_get(row, "add_generation_prompt")->kind == J_TRUE};
        Str want = text_at(row, "text"), error = text_at(row, "error");
        bool ok = tok_chat(A, folder, json_get(row, "messages"), o, &out, &e);
        if (ok != (want.s != NULL)) FAIL("%s %zu: %s", name, n, e.text);
        else if (!ok) CHECK_HAS(e.text, str_zero(A, error));
        else {
            CHECK_STR(out.text, want);
            CHECK(tok_encode(A, t, out.text, (TokOptions){.plain = true}, &x, &e));
            const Json *ids = json_get(row, "ids");
            CHECK_INT(x.n, ids->count);
            size_t i = 0;
            for (const Json *j = ids->child; j && i < x.n; j = j->next) CHECK_INT(x.ids[i++], j->i);
        }
    }
    CHECK(n > 5);
}

TEST(chat_families)
{
    static const char *const names[] = {"gemma2-tiny", "llama3-tiny", "mistral-tiny", "qwen2-tiny",
                                        "qwen3-tiny"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_family(A, names[i]);
}

// ------------------------------------------------------------------------------------------------ where content stands

static bool render(Arena *A, const char *source, const char *messages, ChatOptions o, ChatText *out, Err *e)
{
    ChatTemplate t = {.text = str_of(source), .where = "t"};
    const Json *m;
    return tok_chat_messages(A, str_of(messages), "m", &m, e) && tok_chat_render(A, &t, m, o, out, e);
}

// The text with the content of message 0, 1, ... in [0:...], [1:...].
static Str shown(Arena *A, const char *source, const char *messages)
{
    Err e = {0};
    ChatText c;
    Buf b = {.arena = A};
    if (!render(A, source, messages, (ChatOptions){0}, &c, &e)) return str_copy(A, str_of(e.text));
    size_t at = 0;
    for (size_t i = 0; i < c.n_content; i++) {
        ChatSpan s = c.content[i];
        buf_put(&b, c.text.s + at, s.from - at);
        buf_printf(&b, "[%zu:%.*s]", s.message, (int)(s.to - s.from), c.text.s + s.from);
        at = s.to;
    }
    buf_put(&b, c.text.s + at, c.text.n - at);
    return buf_view(&b);
}

#define TWO "[{\"role\":\"user\",\"content\":\" Hi, you \"},{\"role\":\"assistant\",\"content\":\"a<b\"}]"

static const struct Shown {
    const char *source, *want;
} shown_cases[] = {
    {"{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}",
     "<user>[0: Hi, you ]</><assistant>[1:a<b]</>"},
    {"{{ '<' + messages[0].content | trim + '>' }}", "<[0:Hi, you]>"},
    {"{{ '<' ~ messages[0]['content'].strip() ~ '>' }}", "<[0:Hi, you]>"},
    {"{{ messages[0].content + messages[1].content }}", "[0: Hi, you ][1:a<b]"},
    {"{{ (messages[0].content + '!' + messages[1].content)[1:-1] }}", "[0:Hi, you ]![1:a<]"},
    {"{{ messages[0].content | upper }}{{ 'x' | upper }}", "[0: HI, YOU ]X"},
    {"{{ messages[0].content.split(',') | join('-') }}", "[0: Hi]-[0: you ]"},
    {"{{ messages[0].content.replace('Hi', 'Ho') }}", "[0: ]Ho[0:, you ]"},
    {"{{ 'a-b'.replace('-', messages[1].content) }}", "a[1:a<b]b"},
    {"{{ messages[1].content[::-1] }}", "[1:b<a]"},
    {"{{ messages[1] | tojson }}", "{\"role\": \"assistant\", \"content\": \"[1:a<b]\"}"},
    {"{{ [messages[1].content] }}", "['[1:a<b]']"},
    {"{{ messages | map(attribute='content') | map('trim') | join('|') }}", "[0:Hi, you]|[1:a<b]"},
    {"{% set x %}({{ messages[1].content }}){% endset %}{{ x }}{{ x | title }}", "([1:a<b])([1:A<B])"},
    {"{% set ns = namespace(s='') %}{% for m in messages %}{% set ns.s = ns.s + m.content + ';' %}{% endfor "
     "%}{{ ns.s }}",
     "[0: Hi, you ];[1:a<b];"},
    {"{% macro q(x) %}«{{ x }}»{% endmacro %}{{ q(messages[1].content) }}{{ q('y') }}", "«[1:a<b]»«y»"},
    {"{% for c in messages[1].content %}{{ c }}.{% endfor %}", "[1:a].[1:<].[1:b]."},
    {"{{ messages[1].content | safe + '<' }}", "[1:a<b]&lt;"},
    {"{{ messages[1].content * 2 }}{{ messages[1].content | first }}{{ messages[1].content[1] }}",
     "[1:a<ba<ba<]"},
    {"{{ messages[0].content | length }}", "9"},
};

TEST(chat_content)
{
    for (size_t i = 0; i < sizeof shown_cases / sizeof *shown_cases; i++)
        CHECK_STR(shown(A, shown_cases[i].source, TWO), str_of(shown_cases[i].want));
    CHECK_STR(shown(A,
                    "{{ messages[0].content[0].type }}:{{ messages[0].content[0].text }}{{ "
                    "messages[0].content[1].text }}",
                    "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
                    "\"text\":\"b\"}]}]"),
              STR_LIT("text:[0:ab]"));
    CHECK_STR(shown(A, "no message here", TWO), STR_LIT("no message here"));
    CHECK_STR(shown(A, "", TWO), STR_LIT(""));
    CHECK_STR(shown(A, "{{ messages[0].reasoning_content }}{{ messages[0].thinking }}",
                    "[{\"role\":\"user\",\"content\":\"x\",\"reasoning\":\"why\"}]"),
              STR_LIT("[0:whywhy]"));
}

// ------------------------------------------------------------------------------------------------ messages and options

TEST(chat_messages)
{
    static const char *const texts[] = {"Hi", "", "[INST] x", "[1]", "[]", "{\"role\":1}", " [ x", "["};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const Json *m;
        Err e = {0};
        CHECK(tok_chat_messages(A, str_of(texts[i]), "-i", &m, &e));
        CHECK_INT(m->count, 1);
        CHECK_STR(text_at(m->child, "role"), STR_LIT("user"));
        CHECK_STR(text_at(m->child, "content"), str_of(texts[i]));
    }
    static const char *const wrong[][2] = {
        {"[{\"role\":\"user\",\"content\":\"x\"}", "-i:+30: line 1, column 31"},
        {"[{\"role\":\"user\",\"content\":\"x\"}] y", "nothing more"},
        {"[{}]", "message 1: its \"role\" is nothing; expected a string such as \"user\""},
        {"[{\"role\":3,\"content\":\"x\"}]", "message 1: its \"role\" is a number"},
        {"[{\"role\":\"user\"}]", "message 1: its \"content\" is nothing; expected a string, or a list"},
        {"[{\"role\":\"user\",\"content\":null}]", "message 1: its \"content\" is null"},
        {"[{\"role\":\"user\",\"content\":{}}]", "message 1: its \"content\" is an object"},
        {" [\n {\"role\":\"user\",\"content\":\"x\"}, 5]", "message 2 is a number; expected {\"role\""},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]",
         "message 1: part 1 of its content is of type \"image\"; only"},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},\"b\"]}]",
         "part 2 of its content has no \"type\""},
        {"[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":7}]}]",
         "\"text\" of part 1 is a number; expected a string"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const Json *m;
        Err e = {0};
        CHECK(!tok_chat_messages(A, str_of(wrong[i][0]), "-i", &m, &e));
        CHECK_HAS(e.text, wrong[i][1]);
    }
    ChatText out;
    Err e = {0};
    CHECK(render(A, "{{ messages[0].tool_calls | length }}",
                 "[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[1]}]", (ChatOptions){0}, &out,
                 &e));
    CHECK_STR(out.text, STR_LIT("1"));
    CHECK(!render(A, "{{ messages }}",
                  "[{\"role\":\"user\",\"content\":\"x\",\"n\":123456789012345678901234567890}]",
                  (ChatOptions){0}, &out, &e));
    CHECK_HAS(e.text, "whole number 123456789012345678901234567890 in a message is beyond 64 bits");
}

TEST(chat_options)
{
    ChatText out;
    Err e = {0};
    const char *all = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if "
                      "add_generation_prompt %}>{% endif %}";
    CHECK(render(A, all, "Hi", (ChatOptions){.system = STR_LIT("Be brief."), .add_generation_prompt = true},
                 &out, &e));
    CHECK_STR(out.text, STR_LIT("<system>Be brief.<user>Hi>"));
    CHECK_INT(out.n_content, 2);
    CHECK_INT(out.content[1].message, 1);
    CHECK(!render(A, all, "[{\"role\":\"system\",\"content\":\"x\"}]", (ChatOptions){.system = STR_LIT("y")},
                  &out, &e));
    CHECK_HAS(e.text, "a system text is given and the first message is one too");

    e = (Err){0};
    const char *dated = "{{ strftime_now('%A, %-d %B %Y %H:%M:%S %j') }}";
    CHECK(!render(A, dated, "Hi", (ChatOptions){0}, &out, &e));
    CHECK_HAS(e.text, "t: line 1: the template writes today's date (strftime_now), and results would change "
                      "overnight; give a date");
    static const char *const dates[][2] = {
        {"2024-07-26", "Friday, 26 July 2024 00:00:00 208"},
        {"2000-02-29", "Tuesday, 29 February 2000 00:00:00 060"},
        {"1999-12-31 23:59:59", "Friday, 31 December 1999 23:59:59 365"},
        {"0001-01-01", "Monday, 1 January 1 00:00:00 001"},
        {"2100-03-01", "Monday, 1 March 2100 00:00:00 060"},
    };
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        e = (Err){0};
        CHECK(render(A, dated, "Hi", (ChatOptions){.date = str_of(dates[i][0])}, &out, &e));
        CHECK_STR(out.text, str_of(dates[i][1]));
    }
    CHECK(render(A, "{{ strftime_now('%Y') | int > 2020 }}", "Hi", (ChatOptions){.date = STR_LIT("today")},
                 &out, &e));
    CHECK_STR(out.text, STR_LIT("True"));
    static const char *const bad[] = {
        "2024-7-26",  "2024-02-30",          "2023-02-29",  "1900-02-29",          "2024-13-01",
        "2024-00-10", "2024-01-00",          "2024-07-26x", "2024-07-26 24:00:00", "2024-07-26 1:00:00",
        "yesterday",  "2024-07-26 12:60:00", "0000-01-01",  "-024-01-01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e = (Err){0};
        CHECK(!render(A, dated, "Hi", (ChatOptions){.date = str_of(bad[i])}, &out, &e));
        CHECK_HAS(e.text, "is no date; expected 2024-07-26, 2024-07-26 12:30:00 or today");
    }
}

// ------------------------------------------------------------------------------------------------ folders

static void check_folder(Arena *A, const char *config, const char *file, const char *want, const char *error)
{
    const char *folder = kit_folder(A);
    Err e = {0};
    ChatText out;
    const Json *m;
    if (config) kit_write(folder, "tokenizer_config.json", str_of(config));
    if (file) kit_write(folder, "chat_template.jinja", str_of(file));
    kit_write(folder, "special_tokens_map.json",
              STR_LIT("{\"eos_token\":{\"content\":\"</m>\"},\"unk_token\":\"<u>\"}"));
    CHECK(tok_chat_messages(A, STR_LIT("Hi"), "-i", &m, &e));
    bool ok = tok_chat(A, folder, m, (ChatOptions){0}, &out, &e);
    if (want && ok) CHECK_STR(out.text, str_of(want));
    else if (want || ok) FAIL("%s: %s", config, e.text);
    else CHECK_HAS(e.text, error);
}

TEST(chat_folder)
{
    check_folder(
        A,
        "{\"bos_token\":\"<s>\",\"chat_template\":\"{{ bos_token ~ eos_token ~ unk_token ~ pad_token }}\"}",
        NULL, "<s></m><u>", NULL);
    check_folder(A, "{\"chat_template\":\"old\"}", "new {{ messages[0].content }}\n", "new Hi", NULL);
    check_folder(A, NULL, "{{ eos_token }}", "</m>", NULL);
    check_folder(A,
                 "{\"eos_token\":null,\"extra_special_tokens\":{\"image_token\":\"<i>\"},\"chat_template\":"
                 "\"{{ image_token }}{{ eos_token }}.\"}",
                 NULL, "<i>.", NULL);
    check_folder(A,
                 "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"t\"},{\"name\":\"default\","
                 "\"template\":\"d\"}]}",
                 NULL, "d", NULL);
    check_folder(A,
                 "{\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"t\"},{\"name\":\"rag\","
                 "\"template\":\"d\"}]}",
                 NULL, NULL,
                 "tokenizer_config.json: chat_template: of several templates (tool_use, rag) none is called "
                 "\"default\"");
    check_folder(A, "{\"chat_template\":[]}", NULL, NULL,
                 "of several templates (none) none is called \"default\"");
    check_folder(A, "{\"chat_template\":[{\"name\":\"default\",\"template\":3}]}", NULL, NULL,
                 "chat_template is a number; expected a string");
    check_folder(A, "{\"chat_template\":7}", NULL, NULL,
                 "chat_template is a number; expected a string, or a list");
    check_folder(A, "{\"chat_template\":null}", NULL, NULL,
                 "no chat template: neither chat_template.jinja nor");
    check_folder(A, "{}", NULL, NULL, "was this model made for chat?");
    check_folder(A, NULL, NULL, NULL, "no chat template");
    check_folder(A, "{\"chat_template\":\"x\"", NULL, NULL, "tokenizer_config.json:+");
    check_folder(A, "[]", NULL, NULL, "tokenizer_config.json:+0: found an array, expected an object");
    check_folder(A, "{}", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", NULL,
                 "chat_template.jinja");
    check_folder(A, "{}", "\xFF", NULL, "chat_template.jinja:+0: the template is not valid UTF-8");
    check_folder(A, "{}", "a\n{{ x", NULL,
                 "chat_template.jinja: line 2: found the end of the template; expected '}}'");
}

// ------------------------------------------------------------------------------------------------ sentences

static const struct Said {
    const char *source, *says;
} said[] = {
    {"a\n{% include 'x' %}",
     "t: line 2: the statement 'include' is not supported (supported: for, if, set, macro, call,"},
    {"\n\n{{ x | dictsort }}",
     "t: line 3: the filter 'dictsort' is not supported (supported: trim, tojson, length,"},
    {"{{ 'x' is filter }}", "the test 'filter' is not supported (supported: defined, undefined, none,"},
    {"{{ 'x'.center(3) }}", "the method 'center' of texts is not supported (supported: strip, lstrip,"},
    {"{{ lipsum() }}", "the function 'lipsum' is not supported (supported: range, dict,"},
    {"{{ messages[0].copy() }}", "the method 'copy' of dicts is not supported (supported: get, items"},
    {"{{ messages.append(1) }}", "access to attribute 'append' of 'list' object is unsafe"},
    {"{{ ''.__class__ }}", "access to attribute '__class__' of 'str' object is unsafe"},
    {"{{ x.y }}", "t: line 1: 'x' is undefined"},
    {"{{ messages[0].y.z }}", "'dict object' has no attribute 'y'"},
    {"{{ messages[5].z }}", "list object has no element 5"},
    {"{{ messages[0].content + 1 }}", "can only concatenate str (not \"int\") to str"},
    {"{{ 'a' | replace('b') }}", "the filter 'replace' lacks an argument (it has: old new count)"},
    {"{{ 'a' | trim(x=1) }}", "the filter 'trim' has no argument 'x' left (it has: chars)"},
    {"{{ 'a' | upper(1) }}", "the filter 'upper' takes at most 0 arguments, here are 1"},
    {"{% for x in messages %}", "the block that begins in line 1 has no 'endfor'"},
    {"{% if a %}\n{% endfor %}",
     "t: line 2: found 'endfor', which ends or continues nothing that is open here"},
    {"{{ 'a }}", "this string has no end; expected a closing quote"},
    {"{{ 9223372036854775808 }}", "a whole number beyond 64 bits is not supported"},
    {"{{ 9223372036854775807 + 1 }}", "a whole number beyond 64 bits is not supported"},
    {"{{ range }}", "printing a function is not supported"},
    {"{{ [1] | map('string') }}",
     "printing a generator is not supported; is a call or a filter (list) missing?"},
    {"{{ '\\N{DASH}' }}", "an escape in this string is broken or not supported"},
    {"{{ dict(**x) }}", "'**' before an argument is not supported"},
    {"{{ range(9223372036854775806, 9223372036854775807, 2)[0:1] }}", "beyond 64 bits is not supported"},
    {"{{ range(0, 10, 1000000000000)[::10000000000000] }}", "beyond 64 bits is not supported"},
};

TEST(chat_sentences)
{
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        Err e = {0};
        ChatText out;
        if (render(A, said[i].source, "Hi", (ChatOptions){0}, &out, &e))
            FAIL("%s is %.*s", said[i].source, (int)out.text.n, out.text.s);
        else CHECK_HAS(e.text, said[i].says);
    }
}

// As float() and int() of Python read them.
TEST(chat_numbers_of_texts)
{
    static const char *const cases[][2] = {
        {"{{ '--5'|float(7) }}", "7"}, {"{{ '--5'|int(7) }}", "7"},  {"{{ '.'|float(3) }}", "3"},
        {"{{ '5.'|float }}", "5.0"},   {"{{ '.5'|float }}", "0.5"},  {"{{ '-1.5e-2'|float }}", "-0.015"},
        {"{{ '+3'|int }}", "3"},       {"{{ '1_0'|int }}", "10"},    {"{{ '1e+2'|float }}", "100.0"},
        {"{{ '1-2'|float(4) }}", "4"}, {"{{ 'e5'|float(4) }}", "4"}, {"{{ '007'|int }}", "7"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        ChatText out;
        if (!render(A, cases[i][0], "Hi", (ChatOptions){0}, &out, &e)) FAIL("%s: %s", cases[i][0], e.text);
        else CHECK_STR(out.text, str_of(cases[i][1]));
    }
}

// ------------------------------------------------------------------------------------------------ harm

static Str repeated(Arena *A, const char *before, const char *what, size_t times, const char *after)
{
    Buf b = {.arena = A};
    buf_str(&b, str_of(before));
    for (size_t i = 0; i < times; i++) buf_str(&b, str_of(what));
    buf_str(&b, str_of(after));
    return buf_view(&b);
}

static void check_harm(Arena *A, Str source, const char *says)
{
    Arena *inner = arena_create(A);
    Err e = {0};
    ChatText out;
    const Json *m;
    ChatTemplate t = {.text = source, .where = "t"};
    CHECK(tok_chat_messages(inner, STR_LIT("Hi"), "-i", &m, &e));
    if (tok_chat_render(inner, &t, m, (ChatOptions){0}, &out, &e)) FAIL("%.60s... renders", source.s);
    else CHECK_HAS(e.text, says);
    arena_free(inner);
}

TEST(chat_harm)
{
    static const char *const kinds[][2] = {{"(", ")"},   {"[", "]"}, {"{1:", "}"},
                                           {"not ", ""}, {"-", ""},  {"x if x else ", ""}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        Str open = repeated(A, "{{ ", kinds[i][0], 5000, "1");
        check_harm(A, repeated(A, open.s, kinds[i][1], 5000, " }}"), "deeper than");
    }
    check_harm(A, repeated(A, "", "{% if 1 %}", 5000, "x"), "nested deeper than 200, the limit");
    check_harm(A, repeated(A, "", "{% for a in messages %}", 5000, "x"), "nested deeper than 200, the limit");
    check_harm(A, repeated(A, "{% for ", "(", 5000, "x"), "nested deeper than 256, the limit");
    check_harm(A, repeated(A, "{{ 1", " + 1", 5000, "}}"), "nested deeper than 500, the limit");
    check_harm(A, repeated(A, "{{ 1", ".x", 5000, "}}"), "nested deeper than 500, the limit");
    check_harm(A, repeated(A, "{{ 1", "|string", 5000, "}}"), "nested deeper than 500, the limit");
    check_harm(A, repeated(A, "{% set x", "|string", 5000, "%}{% endset %}"), "deeper than 500, the limit");
    check_harm(A, repeated(A, "{{ 1", " is string", 5000, "}}"), "");
    check_harm(A, STR_LIT("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
               "nested deeper than 500, the limit");
    check_harm(
        A,
        STR_LIT(
            "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}"),
        "a text of more than 8 MB, the limit");
    check_harm(
        A,
        STR_LIT("{% set n = namespace(x='ab') %}{% for i in range(99999) %}{{ n.x * 1000000 }}{% endfor %}"),
        "the limit");
    check_harm(A, STR_LIT("{{ 'x' * 1000000000000 }}"), "a text of more than 8 MB, the limit");
    check_harm(A, STR_LIT("{{ [1] * 1000000000000 }}"), "take more than 256 MB, the limit");
    check_harm(
        A,
        STR_LIT(
            "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}"),
        "take more than 256 MB, the limit");
    check_harm(A,
               STR_LIT("{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% "
                       "endfor %}{{ n.x }}"),
               "the limit");
    check_harm(A,
               STR_LIT("{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% "
                       "endfor %}{{ n.x == n.x + [] }}"),
               "the limit");
    check_harm(A,
               STR_LIT("{% set n = namespace(x=[1]) %}{% for i in range(3000) %}{% set n.x = [n.x] %}{% "
                       "endfor %}{{ n.x }}"),
               "deeper than 200, the limit of printing and comparing");
    check_harm(A,
               STR_LIT("{% set n = namespace(x=1) %}{% for i in range(3000) %}{% set n.x = (n.x,) %}{% "
                       "endfor %}{{ {n.x: 1} }}"),
               "deeper than");
    check_harm(A, STR_LIT("{% set n = namespace() %}{% set n.n = n %}{{ n }}"), "deeper than 200, the limit");
    check_harm(A, STR_LIT("{{ range(1000000000) }}"),
               "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
    check_harm(A, STR_LIT("{{ range(-9223372036854775807, 9223372036854775807) }}"), "Range too big");
    check_harm(A, STR_LIT("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"),
               "the limit");
    check_harm(A,
               STR_LIT("{% set r = range(100000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}"),
               "the limit");
    check_harm(A,
               STR_LIT("{% set s = 'a' * 2000000 %}{% for a in range(100000) %}{{ 'b' in s }}{% endfor %}"),
               "does more than 10000000 steps, the limit; does it loop?");
    check_harm(A, STR_LIT("{% set s = 'a' * 2000000 %}{{ s.rsplit('a' * 1000000 + 'b') }}"),
               "steps, the limit");
    check_harm(A,
               STR_LIT("{% set s = 'a' * 2000000 %}{% set t = s + '' %}{% for a in range(100000) %}{{ s == t "
                       "}}{% endfor %}"),
               "steps, the limit");
    check_harm(A, STR_LIT("{% set s = 'a' * 100000 %}{{ s.strip('b' * 99999 + 'a') }}"),
               "more than 1000 bytes of characters");
    check_harm(A, repeated(A, "", "x", (1 << 20) + 1, ""),
               "a template of 1048577 bytes; at most 1048576 are supported");
    check_harm(A, repeated(A, "", "{# ", 50000, ""), "this comment has no end");
    check_harm(A, repeated(A, "", "{%                                raw", 20000, ""), "");
}

// What is long but harmless goes through.
TEST(chat_long)
{
    Err e = {0};
    ChatText out;
    Str long_text = repeated(A, "", "word \"\\\xC3\xA9 ", 200000, "");
    Buf messages = {.arena = A};
    buf_str(&messages, STR_LIT("[{\"role\":\"user\",\"content\":"));
    buf_json(&messages, long_text);
    buf_str(&messages, STR_LIT("}"));
    for (int i = 0; i < 3000; i++) buf_printf(&messages, ",{\"role\":\"user\",\"content\":\"turn %d\"}", i);
    buf_char(&messages, ']');
    buf_char(&messages, 0);
    CHECK(render(A,
                 "{% set ns = namespace(s='') %}{% for m in messages %}{% set ns.s = ns.s + m.role + '\n' + "
                 "m.content | trim %}"
                 "{% endfor %}{{ ns.s }}{{ messages[0].content | tojson }}",
                 messages.s, (ChatOptions){0}, &out, &e));
    if (e.set) FAIL("%s", e.text);
    CHECK(out.text.n > 4000000);
    CHECK(spans_fit(&out, 3001));
    Str ifs = repeated(A, "{% if 0 %}", "{% elif 0 %}", 20000, "{% else %}x{% endif %}");
    CHECK(render(A, ifs.s, "Hi", (ChatOptions){0}, &out, &e));
    CHECK_STR(out.text, STR_LIT("x"));
    Str many = repeated(A, "", "{% set a = 1 %}{{ a }}", 20000, "");
    CHECK(render(A, many.s, "Hi", (ChatOptions){0}, &out, &e));
    CHECK_INT(out.text.n, 20000);
}

// Every beginning of a template, and every byte of it changed: a sentence or a text.
TEST(chat_broken)
{
    static const char source[] = "{%- set ns = namespace(a='x') -%}\n{# c #}{% for m in messages if m.role "
                                 "is string %}{{ m['content'][1:-1] | "
                                 "replace('a', \"b\\n\") ~ loop.index0 % 2 }}{% else %}-{% endfor %}{% raw "
                                 "%}{{{% endraw %}{% macro f(a, b=1) "
                                 "%}{{ a if b else {'k': (1, 2.5)} }}{% endmacro %}{{ f('y') }}{% set z | "
                                 "upper %}q{% endset %}{{ not z in [z] }}";
    size_t n = sizeof source - 1;
    for (size_t i = 0; i <= 3 * n; i++) {
        static const char other[] = {'%', '{', '}', '\'', '(', 0, (char)0xFF, ' '};
        char *s = arena_new(A, char, n + 1);
        memcpy(s, source, n);
        Str text = {s, i <= n ? i : n};
        if (i > n) s[(i - n - 1) / 2] = other[i * 7 % sizeof other];
        Err e = {0};
        ChatText out;
        const Json *m;
        ChatTemplate t = {.text = text, .where = "t"};
        CHECK(tok_chat_messages(A, STR_LIT("Hallo"), "-i", &m, &e));
        bool ok = tok_chat_render(A, &t, m, (ChatOptions){0}, &out, &e);
        CHECK(ok != e.set);
    }
}

typedef struct Attempt {
    const char *folder;
} Attempt;

static bool attempt(Arena *A, void *context, Err *e)
{
    const Attempt *t = context;
    const Json *m;
    ChatText out;
    return tok_chat_messages(A, STR_LIT(TWO), "-i", &m, e) &&
           tok_chat(A, t->folder, m, (ChatOptions){.system = STR_LIT("Be brief.")}, &out, e);
}

TEST(chat_faults)
{
    Attempt t = {kit_folder(A)};
    kit_write(t.folder, "tokenizer_config.json",
              STR_LIT("{\"bos_token\":\"<s>\",\"chat_template\":\"{{ bos_token }}{% for m in messages %}{% "
                      "set x = m.content | "
                      "trim ~ loop.index %}{{ x.split() | join('-') }}{{ m | tojson }}{% endfor %}\"}"));
    kit_write(t.folder, "special_tokens_map.json", STR_LIT("{\"eos_token\":\"</s>\"}"));
    for (FaultKind kind = FAULT_ALLOC; kind < FAULT_KINDS; kind++) test_every_fault(A, kind, attempt, &t);
}
