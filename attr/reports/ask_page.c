// SPDX-License-Identifier: Apache-2.0
// ask_page.c — the page of `inseq serve`: a form (ask.html, ask.css), what there is to choose from as JSON, and the script that
// asks for attributions (ask.js). They come as pages of their own and are shown in frames, which inherit this page's content
// policy: so it allows the script of those pages too, by its hash.
#include "report.h"

#include <string.h>

EMBED_FILE(ask_form_bytes, "attr/reports/ask.html")
EMBED_FILE(ask_style_bytes, "attr/reports/ask.css")
EMBED_FILE(ask_script_bytes, "attr/reports/ask.js")

static Str between(const char *from, const char *to) { return (Str){from, (size_t)(to - from)}; }

// Nothing in it ends the element that it stands in.
static void put_string(Arena *a, Buf *b, const char *text)
{
    Buf json = {.arena = a};
    buf_json_ascii(&json, str_of(text));
    for (size_t i = 0; i < json.n; i++) {
        if (strchr("<>&", json.s[i])) buf_printf(b, "\\u%04X", (unsigned)json.s[i]);
        else buf_char(b, json.s[i]);
    }
}

static void put_entries(Arena *a, Buf *b, const char *key, const Entry *v, size_t n)
{
    buf_printf(b, ",\n\"%s\":[", key);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? STR_LIT(",\n{\"name\":") : STR_LIT("{\"name\":")), put_string(a, b, v[i].name);
        buf_str(b, STR_LIT(",\"summary\":")), put_string(a, b, v[i].summary), buf_char(b, '}');
    }
    buf_char(b, ']');
}

void attr_ask_page(Arena *a, const AskModel *model, size_t n, Buf *page, Buf *policy)
{
    const Str script = between(ask_script_bytes, ask_script_bytes_end);
    const Entry *v;
    buf_str(page, STR_LIT("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                          "<meta name=\"color-scheme\" content=\"light dark\">\n"
                          "<title>inseq</title>\n<style>"));
    buf_str(page, page_base_style()), buf_str(page, between(ask_style_bytes, ask_style_bytes_end));
    buf_str(page, STR_LIT("</style>\n</head>\n<body>\n<main>\n<h1>Why did the model write that?</h1>\n"));
    buf_str(page, between(ask_form_bytes, ask_form_bytes_end));
    buf_str(page, STR_LIT("<script type=\"application/json\" id=\"lists\">{\"models\":["));
    for (size_t i = 0; i < n; i++) {
        buf_str(page, i ? STR_LIT(",{\"name\":") : STR_LIT("{\"name\":")), put_string(a, page, model[i].name);
        buf_printf(page, ",\"chat\":%s}", model[i].chat ? "true" : "false");
    }
    buf_char(page, ']');
    size_t count = attr_method_list(&v);
    put_entries(a, page, "methods", v, count);
    count = attr_step_list(&v);
    put_entries(a, page, "steps", v, count);
    buf_str(page, STR_LIT("}</script>\n<script>")), buf_str(page, script);
    buf_str(page, STR_LIT("</script>\n</main>\n</body>\n</html>\n"));
    buf_str(policy, STR_LIT("default-src 'none'; script-src "));
    page_hash(policy, script), buf_char(policy, ' '), page_hash(policy, page_script());
    buf_str(policy, STR_LIT("; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action "
                            "'none'; frame-ancestors 'none'"));
}
