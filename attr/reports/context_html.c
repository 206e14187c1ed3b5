// SPDX-License-Identifier: Apache-2.0
// context_html.c — a context attribution as one page: the output with its sensitive tokens marked, and for each of them
// both contexts with its cues, all with numbers. Without scripts they stand one below the other, and each token leads to
// its own; the script of a few lines shows the chosen one alone. It holds no data and touches no text: the content policy
// names it by its hash (test/t_context.c computes that), and forbids everything else.
#include "context_views.h"
#include "report.h"

#include <math.h>

static const char script[] =
    "document.querySelectorAll('section').forEach(function(s){"
    "var c=s.querySelectorAll('.cue'),h=s.querySelectorAll('a.hot');"
    "function pick(i){c.forEach(function(x,k){x.hidden=k!==i});"
    "h.forEach(function(x){x.setAttribute('aria-current',Number(x.dataset.cue)===i)})}"
    "h.forEach(function(x,n){x.addEventListener('click',function(e){e.preventDefault();pick(Number(x.dataset."
    "cue))});"
    "x.addEventListener('keydown',function(e){var to={ArrowRight:n+1,ArrowDown:n+1,ArrowLeft:n-1,ArrowUp:n-1,"
    "Home:0,End:h.length-1}[e.key];"
    "if(!(to in h))return;e.preventDefault();h[to].focus();pick(Number(h[to].dataset.cue))})});"
    "if(c.length)pick(0)})";

static const char policy[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "script-src ";

static const char page_start[] =
    "\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<title>Context attribution</title>\n<style>\n"
    ":root{--page:#fff;--text:#1b1f24;--soft:#4e5762;--line:#d5dae0}\n"
    "@media (prefers-color-scheme:dark){:root{--page:#16191d;--text:#e8eaed;--soft:#b3bbc4;--line:#3a424c}}\n"
    "body{margin:0 auto;padding:1.5rem 2rem 4rem;max-width:70rem;background:var(--page);color:var(--text);"
    "font:1rem/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2rem 0 "
    ".5rem}h3,h4{font-size:1rem;margin:1.25rem 0 .25rem}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:0 .75rem;margin:.5rem "
    "0}dt{color:var(--soft)}\n"
    "dd{margin:0;overflow-wrap:anywhere;white-space:pre-wrap}.soft,small{color:var(--soft)}\n"
    ".text{display:flex;flex-wrap:wrap;gap:.3rem .15rem;margin:.4rem 0}\n"
    ".t{display:inline-block;text-align:center;padding:.1rem "
    ".25rem;border-radius:.25rem;white-space:pre-wrap;color:inherit;"
    "text-decoration:none;border:1px solid transparent;min-width:1rem}\n"
    ".t small{display:block;font-size:.7rem;font-variant-numeric:tabular-nums;color:var(--text)}\n"
    ".hot,.mark{border-color:currentColor;font-weight:600}.hot[aria-current=true]{outline:2px solid "
    "#2166ac;outline-offset:1px}\n"
    "a.hot:focus-visible{outline:3px solid #2166ac}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{border:1px solid "
    "var(--line);padding:.15rem .5rem;"
    "text-align:left}\n"
    ".cue{border-top:1px solid var(--line);margin-top:1rem}\n"
    "@media print{*{print-color-adjust:exact}.cue[hidden]{display:block}}\n"
    ".wide{overflow-x:auto}\n"
    "</style>\n</head>\n<body>\n<main>\n<h1>Context attribution</h1>\n"
    "<p class=\"soft\">Tokens of the output with a border depend on the context: choose one to see which of "
    "the "
    "context\xe2\x80\x99s tokens made it so (arrow keys go on). Those with a border there reach the "
    "threshold.</p>\n";

static void put_text(Arena *a, Buf *b, Str s)
{
    Buf shown = {.arena = a};
    report_visible(&shown, s, true);
    report_escape(b, buf_view(&shown));
}

static void put_fact(Arena *a, Buf *b, const char *label, Str text)
{
    if (!text.s) return;
    buf_printf(b, "<dt>%s</dt><dd>", label);
    put_text(a, b, text);
    buf_str(b, STR_LIT("</dd>\n"));
}

// green, blue: of sensitivity and of cues; scores below zero are orange. Opacity is the share of the largest.
static void put_token(Arena *a, Buf *b, Str token, float v, float most, const char *colour, const char *class,
                      const char *rest)
{
    bool link = *rest;
    float share = most > 0 ? fabsf(v) / most : 0;
    buf_printf(b, "<%s class=\"t%s\"%s", link ? "a" : "span", class, rest);
    if (share > 0.01f)
        buf_printf(b, " style=\"background:rgba(%s,%.2f)\"", v < 0 ? "196,98,16" : colour,
                   0.55 * (double)share);
    buf_str(b, STR_LIT(" title=\""));
    put_text(a, b, token);
    buf_str(b, STR_LIT(": ")), buf_float(b, v), buf_str(b, STR_LIT("\">"));
    report_escape(b, context_word(a, token, true));
    buf_printf(b, "<small>%s</small></%s>", context_number(a, v).s, link ? "a" : "span");
}

static float largest(const float *v, int64_t n, float most)
{
    for (int64_t i = 0; i < n; i++) most = fabsf(v[i]) > most ? fabsf(v[i]) : most;
    return most;
}

static void put_context(Arena *a, Buf *b, int level, const char *title, float threshold, const Str *token,
                        const float *v, int64_t n, const bool *marked, float most)
{
    buf_printf(b, "<h%d>%s <span class=\"soft\">(CCI > %s)</span></h%d>\n<div class=\"text\">", level, title,
               context_number(a, threshold).s, level);
    for (int64_t i = 0; i < n; i++)
        put_token(a, b, token[i], v[i], most, "33,102,172", marked[i] ? " mark" : "", "");
    buf_str(b, STR_LIT("</div>\n"));
}

// level: of headings, below the section's own where it has one.
static void put_cue(Arena *a, Buf *b, int level, const ContextResult *r, size_t context, size_t i)
{
    const ContextCue *c = &r->cue[i];
    ContextShown s = context_shown(a, r, c);
    float most =
        largest(c->output, c->output ? r->n_output : 0, largest(c->input, c->input ? r->n_input : 0, 0));
    buf_printf(b, "<div class=\"cue\" id=\"c%zu-%zu\">\n<h%d>#%zu. \xe2\x80\x9c", context, i, level, i + 1);
    report_escape(b, context_word(a, c->token, true));
    buf_printf(b, "\xe2\x80\x9d <span class=\"soft\">(CTI %s > %s)</span></h%d>\n<dl>\n",
               context_number(a, c->score).s, context_number(a, s.sensitive).s, level);
    if (c->contrast_token.s) put_fact(a, b, "Without context", context_word(a, c->contrast_token, true));
    put_fact(a, b, "Output so far", c->contextual);
    put_fact(a, b, "Contextless output", c->contextless);
    Str measures = context_measures(a, c);
    if (measures.n) put_fact(a, b, "Faithful?", measures);
    buf_str(b, STR_LIT("</dl>\n"));
    if (c->input)
        put_context(a, b, level + 1, "Input context", s.cues, r->input_token, c->input, r->n_input, s.marked,
                    most);
    if (c->output)
        put_context(a, b, level + 1, "Output context", s.cues, r->output_token, c->output, r->n_output,
                    s.marked + r->n_input, most);
    buf_str(b, STR_LIT("</div>\n"));
}

static void put_output(Arena *a, Buf *b, int level, const ContextResult *r, size_t context)
{
    float most = largest(r->cti, r->n, 0);
    const char **link = arena_new(a, const char *, r->n);
    for (size_t i = 0; i < r->n_cues; i++)
        link[r->cue[i].index] = arena_printf(a, " href=\"#c%zu-%zu\" data-cue=\"%zu\"", context, i, i);
    buf_printf(b, "<h%d>Output</h%d>\n<div class=\"text\">", level, level);
    for (int64_t i = 0; i < r->n; i++)
        put_token(a, b, r->token[i], r->cti[i], most, "33,150,83", link[i] ? " hot" : "",
                  link[i] ? link[i] : "");
    buf_str(b, STR_LIT("</div>\n"));
}

static void put_sizes(Buf *b, const ContextSizes *t)
{
    buf_str(
        b,
        STR_LIT(
            "<h2>Sensitivity by the context\xe2\x80\x99s size</h2>\n<p class=\"soft\">*: sensitive, by its "
            "strongest cue</p>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" "
            "aria-label=\"Sensitivity by size\"><table>\n<tr><td></td>"));
    for (size_t k = 0; k < t->columns; k++)
        buf_str(b, STR_LIT("<th>")), report_escape(b, t->column[k]), buf_str(b, STR_LIT("</th>"));
    for (int64_t i = 0; i < t->rows; i++) {
        buf_str(b, STR_LIT("</tr>\n<tr><th>")), report_escape(b, t->row[i]), buf_str(b, STR_LIT("</th>"));
        for (size_t k = 0; k < t->columns; k++)
            buf_str(b, STR_LIT("<td>")), report_escape(b, t->cell[(size_t)i * t->columns + k]),
                buf_str(b, STR_LIT("</td>"));
    }
    buf_str(b, STR_LIT("</tr>\n</table></div>\n"));
}

void contexts_html(Arena *a, const ContextResult *r, size_t n, const ReportOptions *o, Buf *out)
{
    ContextSizes sizes;
    (void)o;
    buf_str(out, STR_LIT(policy)), page_hash(out, STR_LIT(script));
    buf_str(out, STR_LIT(page_start));
    if (context_sizes(a, r, n, &sizes)) put_sizes(out, &sizes);
    for (size_t k = 0; k < n; k++) {
        Str current = context_info(&r[k], "input_current_text", "");
        buf_str(out, STR_LIT("<section>\n"));
        Str title = context_title(a, r, k, n);
        int level = title.n ? 3 : 2;
        if (title.n)
            buf_str(out, STR_LIT("<h2>")), report_escape(out, title), buf_str(out, STR_LIT("</h2>\n"));
        buf_str(out, STR_LIT("<p class=\"soft\">"));
        report_escape(out, context_facts(a, &r[k]));
        buf_str(out, STR_LIT("</p>\n<dl>\n"));
        put_fact(a, out, "Input context", r[k].input_context);
        if (current.n) put_fact(a, out, "Input current", current);
        put_fact(a, out, "Output context", r[k].output_context);
        put_fact(a, out, "Output current", r[k].output_current);
        buf_str(out, STR_LIT("</dl>\n"));
        put_output(a, out, level, &r[k], k);
        if (!r[k].n_cues)
            buf_str(out, STR_LIT("<p>No token depends on the context by this threshold.</p>\n"));
        for (size_t i = 0; i < r[k].n_cues; i++) put_cue(a, out, level, &r[k], k, i);
        buf_str(out, STR_LIT("</section>\n"));
    }
    const Str *line;
    const size_t n_lines =
        report_made_lines(a, n && r[0].info ? json_get(r[0].info, ATTR_PROVENANCE) : NULL, &line);
    report_made_foot(out, line, n_lines);
    buf_str(out, STR_LIT("<script>"));
    buf_str(out, STR_LIT(script));
    buf_str(out, STR_LIT("</script>\n</main>\n</body>\n</html>\n"));
}
