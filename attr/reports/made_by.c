// SPDX-License-Identifier: Apache-2.0
// made_by.c — how a result was made, as --provenance had it noted, in words.
#include "report.h"

#include <string.h>

Str report_provenance(const Attribution *t)
{
    for (size_t i = 0; i < t->n_info; i++)
        if (str_is(t->info[i].key, ATTR_PROVENANCE)) return t->info[i].json;
    return (Str){"", 0};
}

static Str text_of(const Json *j, const char *key)
{
    const Json *v = json_get(j, key);
    return v && v->kind == J_STRING ? v->text : (Str){"?", 1};
}

// As a shell takes it for one word.
static void put_word(Buf *b, Str s)
{
    bool plain = s.n > 0;
    for (size_t i = 0; i < s.n; i++) {
        const char c = s.s[i];
        plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          strchr("-_./=:,@+", c));
    }
    if (plain) {
        buf_str(b, s);
        return;
    }
    buf_char(b, '\'');
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] == '\'') buf_str(b, STR_LIT("'\\''"));
        else buf_char(b, s.s[i]);
    buf_char(b, '\'');
}

size_t report_made_by(Arena *a, const Attribution *t, const Str **line)
{
    Str json = report_provenance(t);
    return report_made_lines(a, json.n ? json_parse(a, json, ATTR_PROVENANCE, NULL) : NULL, line);
}

void report_made_foot(Buf *out, const Str *line, size_t n)
{
    if (n) buf_str(out, STR_LIT("<footer><details><summary>How this was made</summary>\n"));
    for (size_t i = 0; i < n; i++) {
        buf_str(out, STR_LIT("<p class=\"code\">"));
        report_escape(out, line[i]), buf_str(out, STR_LIT("</p>\n"));
    }
    if (n) buf_str(out, STR_LIT("</details></footer>\n"));
}

size_t report_made_lines(Arena *a, const Json *j, const Str **line)
{
    const Json *command = j ? json_get(j, "command") : NULL, *models = j ? json_get(j, "models") : NULL;
    size_t most = 2, n = 0;
    if (!j || j->kind != J_OBJECT) return 0;
    for (const Json *m = models ? models->child : NULL; m; m = m->next)
        most += json_get(m, "files") ? json_get(m, "files")->count : 0;
    Str *out = arena_new(a, Str, most);
    Buf *b = arena_new(a, Buf, most);
    for (size_t i = 0; i < most; i++) b[i].arena = a;
    buf_str(&b[n], text_of(j, "program")), buf_str(&b[n], STR_LIT(", commit "));
    buf_str(&b[n], text_of(j, "commit")), buf_str(&b[n], STR_LIT(", kernels "));
    buf_str(&b[n++], text_of(j, "kernels"));
    buf_str(&b[n], STR_LIT("inseq"));
    for (const Json *w = command ? command->child : NULL; w; w = w->next)
        buf_char(&b[n], ' '), put_word(&b[n], w->text);
    n++;
    for (const Json *m = models ? models->child : NULL; m; m = m->next)
        for (const Json *f = json_get(m, "files") ? json_get(m, "files")->child : NULL; f; f = f->next) {
            buf_str(&b[n], text_of(m, "name")), buf_str(&b[n], STR_LIT(": "));
            buf_str(&b[n], text_of(f, "name")), buf_str(&b[n], STR_LIT(", SHA-256 "));
            buf_str(&b[n++], text_of(f, "sha256"));
        }
    for (size_t i = 0; i < n; i++) {
        Buf shown = {.arena = a};
        report_visible(&shown, buf_view(&b[i]), true);
        out[i] = buf_view(&shown);
    }
    *line = out;
    return n;
}
