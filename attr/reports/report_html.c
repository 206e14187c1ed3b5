// SPDX-License-Identifier: Apache-2.0
// report_html.c — one self-contained page: no link, nothing fetched, the same bytes every time.
//
// A page is there twice: as numbers with a script that draws them (page.c, page.js), and, for readers without scripts, as
// the tables below in a <noscript> element. What is small and the same in both stands outside of it.
//
// The tables are Inseq's show() with its words, order and digits. What is ours: one page for all sequences, colours
// that browsers understand, tooltips with the full number, headings that stay in view, light and dark.
//
// Colours: a score's share of the range is the opacity of red (178,24,43) or blue (33,102,172) over the page, as in
// Inseq. In the light theme text is black until white has more contrast; on these two colours that is from opacity
// 0.768 and 0.879 on, and the contrast is never below 4.58. In the dark theme near-white text has at least 5.3.
//
// Tokens are a stranger's text: report_visible() first, then the five characters of HTML escaped. The content policy
// forbids everything but the page's own script and styles, known by their hash, should an escape ever be missing.
#include "report.h"

#include <math.h>
#include <string.h>

// Style attributes, which cells have, are named apart from styles. Browsers of before 2022 do not know the difference and
// take the first rule for both.
static const char page_start[] = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                                 "style-src 'unsafe-inline'; style-src-attr 'unsafe-inline'; style-src-elem ";
static const char page_policy_end[] =
    "; base-uri 'none'; form-action 'none'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n";

// --page must be the colour that the opacities are laid over: test/t_report.c checks the contrast with it.
static const char style[] =
    "\n"
    ":root{--page:#fff;--text:#1b1f24;--soft:#4e5762;--head:#f3f5f7;--line:#d5dae0;--cell:#000;--strong:#fff}"
    "\n"
    "@media (prefers-color-scheme:dark){:root{--page:#16191d;--text:#e8eaed;--soft:#b3bbc4;--head:#20252b;"
    "--line:#3a424c;--cell:#f4f4f4;--strong:#f4f4f4}}\n"
    "body{margin:0 auto;padding:1.5rem 2rem 4rem;max-width:110rem;background:var(--page);color:var(--text);"
    "font:1rem/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.6rem;margin:0 0 .25rem}\n"
    "h2{font-size:1.2rem;margin:2.5rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line)}\n"
    "p,dl{margin:.25rem 0;max-width:80ch;overflow-wrap:break-word}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:0 .75rem}\n"
    "dt{color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:break-word}\n"
    ".soft{color:var(--soft)}\n"
    ".code{font-family:monospace;max-width:none}\n"
    ".box{overflow:auto;max-height:92vh;margin:1rem 0 1.5rem;width:max-content;max-width:100%}\n"
    ".box:focus-visible{outline:2px solid #2166ac;outline-offset:2px}\n"
    "table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;padding:0 0 .5rem}\n"
    "caption span{display:block;width:max-content;position:sticky;left:0}\n"
    ".name{font-size:1.1rem;font-weight:600}\n"
    "th,td{padding:.2rem .45rem;border:0 solid var(--line);border-width:0 1px 1px 0;text-align:center;"
    "line-height:1.4rem;height:1.4rem;white-space:pre}\n"
    "th{background:var(--head);font-weight:600;max-width:22rem;white-space:pre-wrap;overflow-wrap:break-word}"
    "\n"
    "tr>:first-child{border-left-width:1px}\n"
    "thead tr:first-child>*{border-top-width:1px;position:sticky;top:0;z-index:2}\n"
    "thead tr+tr>*{position:sticky;top:calc(1.8rem + 2px);z-index:2}\n"
    "thead tr:first-child th,tbody th:first-child{font-weight:400;color:var(--soft)}\n"
    "thead td,.steps td:first-child{background:var(--head)}\n"
    "tr>:nth-child(1){position:sticky;left:0;z-index:1;box-sizing:border-box;min-width:3.2rem;max-width:3."
    "2rem}\n"
    "tr>:nth-child(2){position:sticky;left:3.2rem;z-index:1;text-align:right;max-width:18rem;"
    "border-right-width:2px}\n"
    "thead tr:nth-child(n)>:nth-child(-n+2){z-index:3}\n"
    "tbody td{color:var(--cell)}\n"
    "td.w{color:var(--strong)}\n"
    "tbody tr:hover>th,tbody tr:hover>td:first-child{background:var(--line)}\n"
    "td:hover{outline:2px solid var(--text);outline-offset:-2px}\n"
    ".steps tr:first-child>*{border-top:2px solid var(--line)}\n"
    ".steps td{color:var(--text)}\n"
    "table.figures tr>*{position:static;max-width:none;min-width:0;text-align:right}\n"
    "table.figures tr>:first-child{border-right-width:2px;text-align:left}\n"
    "table.figures tr>:nth-child(2){border-right-width:1px}\n"
    "table.figures td{color:var(--text)}\n"
    ".curves{display:flex;flex-wrap:wrap;gap:1rem 2rem;margin:1rem 0 1.5rem}\n"
    ".curves p{flex-basis:100%}\n"
    "figure{margin:0;max-width:24rem}\n"
    "svg{display:block;max-width:100%;font-size:.8rem;font-variant-numeric:tabular-nums}\n"
    "svg rect{fill:none;stroke:var(--line)}\n"
    "svg text{fill:var(--soft);text-anchor:middle}\n"
    "svg .y{text-anchor:end}\n"
    "svg polyline{fill:none;stroke:var(--text);stroke-width:2}\n"
    "svg .random{stroke:var(--soft);stroke-dasharray:4 4}\n"
    ".scale{display:flex;gap:.6rem;align-items:center;margin:.75rem 0;color:var(--soft);"
    "font-variant-numeric:tabular-nums}\n"
    ".scale i{width:12rem;height:.9rem;border:1px solid var(--line);background:linear-gradient(90deg,"
    "rgb(33,102,172),rgba(33,102,172,0) 50%,rgba(178,24,43,0) 50%,rgb(178,24,43))}\n"
    "@media print{body{padding:0;max-width:none}.box{overflow:visible;max-height:none;width:auto}"
    "tr>*{position:static!important}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}"
    "h2{break-after:avoid}tr{break-inside:avoid}}\n"
    "@media (forced-colors:active){th,td{border-color:CanvasText}}\n";

Str page_base_style(void) { return STR_LIT(style); }

// ------------------------------------------------------------------------------------------ text

static Str visible(Arena *a, Str text)
{
    Buf b = {.arena = a};
    report_visible(&b, text, true);
    return buf_view(&b);
}

static void put_text(Arena *a, Buf *b, Str text) { report_escape(b, visible(a, text)); }

// ------------------------------------------------------------------------------------------ cells

// KEEP: heat colours
static void put_heat(Buf *b, double heat)
{
    double opacity = fabs(heat);
    if (isnan(heat) || opacity < 0.0005) return;
    if (report_white(heat)) buf_str(b, STR_LIT(" class=\"w\""));
    buf_printf(b, " style=\"background:rgba(%s,", heat > 0 ? "178,24,43" : "33,102,172");
    report_rounded(b, (float)opacity, 3);
    buf_str(b, STR_LIT(")\""));
}

enum { MOST_TOOLTIPS = 250000 }; // of a page; beyond that they would weigh more than a browser likes to carry

// Each column's sum of absolute values over both tables, for the tooltips' percentages.
static double *column_sums(Arena *a, const Sequence *s)
{
    int64_t n = s->attr_pos_end - s->attr_pos_start;
    double *sum = arena_new(a, double, n ? n : 1);
    const Scores *blocks[] = {&s->source_attributions, &s->target_attributions};
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; blocks[k]->v && i < blocks[k]->dim[0] * n; i++)
            if (!isnan(blocks[k]->v[i])) sum[i % n] += fabs((double)blocks[k]->v[i]);
    return sum;
}

// "▁3 → ▁yes: 0.1228, 12.3% of column 0"
static void put_tooltip(Buf *b, Str row, Str column, float v, double sum, int64_t c)
{
    double percent = 100 * fabs((double)v) / sum;
    buf_str(b, STR_LIT(" title=\""));
    report_escape(b, row);
    buf_str(b, STR_LIT(" \xe2\x86\x92 "));
    report_escape(b, column);
    buf_str(b, STR_LIT(": "));
    buf_float(b, v);
    if (sum > 0 && percent <= 100) {
        buf_str(b, STR_LIT(", "));
        report_rounded(b, (float)percent, 1);
        buf_printf(b, "%% of column %" PRId64, c);
    }
    buf_char(b, '"');
}

static void put_score_row(Arena *a, Buf *b, const Table *t, int64_t i, Range range, const double *sums,
                          const Str *column)
{
    Str row = column ? report_short(a, t->row[i].text) : (Str){0};
    buf_printf(b, "<tr><th scope=\"row\">%" PRId64 "</th><th scope=\"row\" title=\"id %" PRId32 "\">", i,
               t->row[i].id);
    put_text(a, b, t->row[i].text);
    buf_str(b, STR_LIT("</th>"));
    for (int64_t c = 0; c < t->n_columns; c++) {
        float v = t->scores->v[i * t->n_columns + c];
        buf_str(b, STR_LIT("<td"));
        if (!isnan(v)) {
            put_heat(b, report_heat(range, v));
            if (column) put_tooltip(b, row, column[c], v, sums ? sums[c] : 0, c);
        }
        buf_char(b, '>');
        if (t->cell) put_text(a, b, t->cell[i * t->n_columns + c]);
        else if (!isnan(v)) report_score(b, v, range.o, 3);
        buf_str(b, STR_LIT("</td>"));
    }
    buf_str(b, STR_LIT("</tr>\n"));
}

static void put_step_row(Arena *a, Buf *b, const NamedScores *x, int64_t n)
{
    buf_str(b, STR_LIT("<tr><td></td><th scope=\"row\">"));
    put_text(a, b, x->name);
    buf_str(b, STR_LIT("</th>"));
    for (int64_t c = 0; c < n; c++) {
        float v = x->scores.v[c];
        Buf number = {.arena = a};
        bool bold = report_step(&number, x, c);
        buf_str(b, STR_LIT("<td title=\""));
        buf_float(b, v);
        buf_str(b, bold ? STR_LIT("\"><b>") : STR_LIT("\">"));
        buf_str(b, buf_view(&number));
        buf_str(b, bold ? STR_LIT("</b></td>") : STR_LIT("</td>"));
    }
    buf_str(b, STR_LIT("</tr>\n"));
}

// ------------------------------------------------------------------------------------------ tables

static void put_table(Arena *a, Buf *b, const Sequence *s, const Table *t, Range range, const double *sums,
                      bool tooltips)
{
    Str *column = tooltips ? arena_new(a, Str, t->n_columns ? t->n_columns : 1) : NULL; // short names
    buf_str(b, STR_LIT("<div class=\"box\" role=\"region\" tabindex=\"0\" aria-label=\""));
    put_text(a, b, t->heading);
    buf_str(b, STR_LIT("\">\n<table>\n<caption><span class=\"name\">"));
    put_text(a, b, t->heading);
    buf_printf(b, "</span><span class=\"soft\">%s</span></caption>\n<thead>\n<tr><td></td><td></td>",
               report_legend(a, t, true));
    for (int64_t c = 0; c < t->n_columns; c++) buf_printf(b, "<th scope=\"col\">%" PRId64 "</th>", c);
    buf_str(b, STR_LIT("</tr>\n<tr><td></td><td></td>"));
    for (int64_t c = 0; c < t->n_columns; c++) {
        if (column) column[c] = report_short(a, t->column[c].text);
        buf_printf(b, "<th scope=\"col\" title=\"id %" PRId32 "\">", t->column[c].id);
        put_text(a, b, t->column[c].text);
        buf_str(b, STR_LIT("</th>"));
    }
    buf_str(b, STR_LIT("</tr>\n</thead>\n<tbody>\n"));
    for (int64_t i = 0; i < t->n_rows; i++) put_score_row(a, b, t, i, range, sums, column);
    buf_str(b, STR_LIT("</tbody>\n"));
    if (s->n_step_scores) buf_str(b, STR_LIT("<tbody class=\"steps\">\n"));
    for (size_t i = 0; i < s->n_step_scores; i++) put_step_row(a, b, &s->step_scores[i], t->n_columns);
    if (s->n_step_scores) buf_str(b, STR_LIT("</tbody>\n"));
    buf_str(b, STR_LIT("</table>\n</div>\n"));
}

static void put_legend(Buf *b, Range r)
{
    if (!(r.max > r.min)) return;
    buf_str(b, STR_LIT("<div class=\"scale\"><span>"));
    report_score(b, (float)r.min, r.o, 3);
    buf_str(b, STR_LIT("</span><i></i><span>"));
    report_score(b, (float)r.max, r.o, 3);
    buf_str(b, STR_LIT("</span><span>blue below zero, red above</span></div>\n"));
}

// Whether the cells of all tables together are few enough for tooltips.
static bool has_tooltips(const Attribution *t)
{
    int64_t cells = 0;
    for (size_t i = 0; i < t->n; i++) {
        const Scores *x[] = {&t->sequence[i].source_attributions, &t->sequence[i].target_attributions};
        for (int k = 0; k < 2; k++) cells += x[k]->v ? scores_count(x[k], 0) : 0;
    }
    for (size_t i = 0; i < t->n_pictures; i++) cells += scores_count(&t->pictures[i].scores, 0);
    return cells <= MOST_TOOLTIPS;
}

static void put_sequence(Arena *a, Buf *b, const Attribution *t, const Sequence *s, const ReportOptions *o,
                         bool tooltips)
{
    Table tables[2];
    int n = report_tables(s, tables);
    Range range = report_range(s, o);
    double *sums = column_sums(a, s);
    if (!n) buf_str(b, STR_LIT("<p>There are no scores.</p>\n"));
    else if (!tables[0].n_columns) buf_str(b, STR_LIT("<p>No token was attributed.</p>\n"));
    else put_legend(b, range);
    for (int i = 0; i < n && tables[0].n_columns; i++) put_table(a, b, s, &tables[i], range, sums, tooltips);
    Figures faithful;
    if (!report_faithfulness(a, t, s, 1, &faithful)) return;
    figures_html(a, &faithful, b);
    curves_html(s->evaluation, b);
}

static void put_comparisons(Arena *a, Buf *b, const Attribution *t)
{
    Comparison *c;
    size_t n = report_compare(a, t, &c);
    if (!n) return;
    buf_str(b, STR_LIT("<section>\n<h2>Models compared</h2>\n"));
    for (size_t i = 0; i < n; i++)
        if (c[i].table.n_columns) put_table(a, b, &c[i].sequence, &c[i].table, (Range){0}, NULL, true);
    buf_str(b, STR_LIT("</section>\n"));
}

static void put_pictures(Arena *a, Buf *b, const Attribution *t, const ReportOptions *o)
{
    Comparison *c;
    size_t n = report_pictures(a, t, &c);
    for (size_t i = 0; i < n; i++) {
        const Sequence *s = &c[i].sequence;
        Range range = report_range(s, o);
        buf_str(b, STR_LIT("<section>\n"));
        put_legend(b, range);
        put_table(a, b, s, &c[i].table, range, NULL, has_tooltips(t));
        buf_str(b, STR_LIT("</section>\n"));
    }
}

// ------------------------------------------------------------------------------------------ page

enum { MOST_RULES = 64 };

static int64_t most_columns(const Attribution *t)
{
    int64_t columns = 0;
    for (size_t i = 0; i < t->n; i++) {
        int64_t n = t->sequence[i].attr_pos_end - t->sequence[i].attr_pos_start;
        if (n > columns) columns = n < MOST_RULES ? n : MOST_RULES;
    }
    for (size_t i = 0; i < t->n_pictures; i++) {
        int64_t n = t->pictures[i].scores.dim[1];
        if (n > columns) columns = n < MOST_RULES ? n : MOST_RULES;
    }
    return columns;
}

// The heading of the column under the pointer stands out as its row's does: one rule a column, as styles cannot count.
static void put_column_rules(Buf *b, int64_t columns)
{
    for (int64_t c = 3; c < 3 + columns; c++)
        buf_printf(b,
                   "table:has(td:nth-child(%" PRId64 "):hover) thead th:nth-child(%" PRId64
                   "){background:var(--line)}\n",
                   c, c);
}

static void put_fact(Arena *a, Buf *b, const char *label, Str value)
{
    buf_printf(b, "<dt>%s</dt><dd>", label);
    put_text(a, b, value);
    buf_str(b, STR_LIT("</dd>\n"));
}

static void put_row_fact(Arena *a, Buf *b, const RowFact *f)
{
    buf_str(b, STR_LIT("<dt>")), put_text(a, b, f->key);
    buf_str(b, STR_LIT("</dt><dd>")), put_text(a, b, f->value);
    buf_str(b, STR_LIT("</dd>\n"));
}

static void put_facts(Arena *a, Buf *b, const Attribution *t)
{
    static const char *const facts[][2] = {
        {"model_name", "Model"}, {"attribution_method", "Method"}, {"attributed_fn", "Attributed function"}};
    bool any = false;
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        const char *value = attr_info(a, t, facts[i][0]);
        if (!value || (!i && t->n && t->sequence[0].title))
            continue; // several models: the headings name them
        if (!any) buf_str(b, STR_LIT("<dl>\n"));
        Str shown = str_of(value);
        if (str_is(str_of(facts[i][0]), "attributed_fn") && str_ends(shown, STR_LIT("_fn")))
            shown.n -= 3; // files name the library's Python function
        put_fact(a, b, facts[i][1], shown);
        any = true;
    }
    if (any) buf_str(b, STR_LIT("</dl>\n"));
}

// How to read what follows, as far as it occurs.
static void put_guide(Buf *b, const Attribution *t)
{
    bool steps = false, foils = false;
    for (size_t i = 0; i < t->n; i++) {
        const Sequence *s = &t->sequence[i];
        steps |= s->n_step_scores > 0;
        for (int64_t k = s->attr_pos_start; k < s->attr_pos_end && !foils; k++)
            foils = s->target[k].id < 0 &&
                    memmem(s->target[k].text.s, s->target[k].text.n, " \xe2\x86\x92 ", 5) != NULL;
    }
    buf_str(b,
            STR_LIT("<p class=\"soft\">Each column is a token that the model generated, each row a token "
                    "that it had read by then. The stronger the colour, the more the row\xe2\x80\x99s token "
                    "counted for the column\xe2\x80\x99s."));
    if (foils) buf_str(b, STR_LIT(" A column headed a \xe2\x86\x92 b is about b rather than a."));
    if (steps) buf_str(b, STR_LIT(" The rows below the line are numbers about the generated token itself."));
    buf_str(b, STR_LIT("</p>\n"));
}

// The sequences one below the other; without headings where a chapter's own says enough.
static void put_sequences(Arena *a, Buf *out, const Attribution *t, const ReportOptions *o, bool headings)
{
    Arena *lists = arena_create(a);
    const Json *in = report_info_texts(lists, t, "input_texts"),
               *made = report_info_texts(lists, t, "generated_texts");
    bool several_texts = report_several_texts(t), tooltips = has_tooltips(t);
    for (size_t i = 0; i < t->n; i++) {
        Arena *scratch = arena_create(a);
        Buf heading = {.arena = scratch};
        Str text;
        buf_str(out, STR_LIT("<section>\n"));
        if (headings) {
            report_heading(&heading, &t->sequence[i], i, several_texts);
            buf_str(out, STR_LIT("<h2>"));
            put_text(scratch, out, buf_view(&heading));
            buf_str(out, STR_LIT("</h2>\n"));
        }
        buf_str(out, STR_LIT("<dl>\n"));
        if (report_next_text(&in, &text)) put_fact(scratch, out, "Input", text);
        if (report_next_text(&made, &text)) put_fact(scratch, out, "Generated", text);
        const RowFact *fact;
        size_t n = report_row_facts(scratch, &t->sequence[i], &fact);
        for (size_t k = 0; k < n; k++) put_row_fact(scratch, out, &fact[k]);
        buf_str(out, STR_LIT("</dl>\n"));
        put_sequence(scratch, out, t, &t->sequence[i], o, tooltips);
        buf_str(out, STR_LIT("</section>\n"));
        arena_free(scratch);
    }
    arena_free(lists);
    put_comparisons(a, out, t);
    put_pictures(a, out, t, o);
}

static void put_page_start(Arena *a, Buf *out, Str title, int64_t columns)
{
    Buf styles = {.arena = a};
    buf_str(&styles, STR_LIT(style));
    put_column_rules(&styles, columns);
    buf_str(&styles, page_style());
    buf_str(out, STR_LIT(page_start));
    page_hash(out, buf_view(&styles));
    buf_str(out, STR_LIT("; script-src "));
    page_hash(out, page_script());
    buf_str(out, STR_LIT(page_policy_end));
    buf_str(out, STR_LIT("<title>"));
    put_text(a, out, title);
    buf_str(out, STR_LIT("</title>\n<style>"));
    buf_str(out, buf_view(&styles));
    buf_str(out, STR_LIT("</style>\n</head>\n<body>\n<h1>"));
    put_text(a, out, title);
    buf_str(out, STR_LIT("</h1>\n"));
}

// The numbers and the script; what follows is for readers without scripts. The empty drawing tells the script how SVG's
// elements are called.
static void put_live(Arena *a, Buf *out, const Chapter *chapter, size_t n, const ReportOptions *o)
{
    buf_str(out,
            STR_LIT("<div id=\"live\"><svg width=\"0\" height=\"0\" aria-hidden=\"true\"></svg></div>\n"));
    page_data(a, chapter, n, o, out);
    buf_str(out, STR_LIT("<script>"));
    buf_str(out, page_script());
    buf_str(out, STR_LIT("</script>\n<noscript>\n"));
}

static bool write_html(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    if (!report_two_dimensional(t, e)) return false;
    put_page_start(a, out, str_of(o->title ? o->title : "Feature attributions"), most_columns(t));
    put_facts(a, out, t);
    for (size_t i = 0; i < t->n_figures; i++) figures_html(a, &t->figures[i], out);
    if (!t->n && !t->n_pictures) buf_str(out, STR_LIT("<p>There are no results.</p>\n"));
    put_live(a, out, &(Chapter){.shown = t}, 1, o);
    if (t->n) put_guide(out, t);
    put_sequences(a, out, t, o, true);
    buf_str(out, STR_LIT("</noscript>\n"));
    const Str *line;
    const size_t n_lines = report_made_by(a, t, &line); // with --provenance
    report_made_foot(out, line, n_lines);
    buf_str(out, STR_LIT("</body>\n</html>\n"));
    return true;
}

bool attr_html_story(Arena *a, const Chapter *chapter, size_t n, const ReportOptions *o, Buf *out, Err *e)
{
    int64_t columns = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t own = most_columns(chapter[i].shown);
        if (!report_two_dimensional(chapter[i].shown, e)) return false;
        if (own > columns) columns = own;
    }
    put_page_start(a, out, str_of(o->title ? o->title : "Feature attributions"), columns);
    put_live(a, out, chapter, n, o);
    for (size_t i = 0; i < n; i++) {
        buf_str(out, STR_LIT("<h2>"));
        put_text(a, out, str_of(chapter[i].title));
        buf_str(out, STR_LIT("</h2>\n<p>"));
        put_text(a, out, str_of(chapter[i].text));
        buf_str(out, STR_LIT("</p>\n"));
        for (const char *const *c = chapter[i].command; *c; c++) {
            buf_str(out, STR_LIT("<p class=\"code\">"));
            put_text(a, out, str_of(*c));
            buf_str(out, STR_LIT("</p>\n"));
        }
        put_sequences(a, out, chapter[i].shown, o, chapter[i].shown->n > 1);
    }
    buf_str(out, STR_LIT("</noscript>\n</body>\n</html>\n"));
    return true;
}

const Report report_html = {
    .name = "html",
    .extension = ".html",
    .summary = "one self-contained page: point at a word and see where it is from",
    .aggregated = true,
    .write = write_html,
};
