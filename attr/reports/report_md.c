// SPDX-License-Identifier: Apache-2.0
// report_md.c — the heatmaps as pipe tables of Markdown (GitHub's, github.github.com/gfm): for issues and READMEs.
//
// A token stands in a cell as text and does nothing: what Markdown or HTML would read as more is escaped, and so is what
// sites turn into links (@name, #1, http://, www.). Each column's strongest number is bold, since cells have no colour.
#include "report.h"

#include <math.h>
#include <string.h>

static void put_text(Buf *b, Str visible)
{
    for (size_t i = 0; i < visible.n; i++) {
        char c = visible.s[i];
        bool www = c == '.' && i >= 3 && !strncasecmp(visible.s + i - 3, "www", 3);
        bool scheme = c == ':' && i + 1 < visible.n && visible.s[i + 1] == '/';
        if (strchr("\\`*_[]|~$", c) && c) buf_char(b, '\\'), buf_char(b, c);
        else if (strchr("<>&@#", c) || www || scheme) buf_printf(b, "&#%d;", c);
        else buf_char(b, c);
    }
}

static Str cell_of(Arena *a, Str text)
{
    Buf b = {.arena = a};
    put_text(&b, report_short(a, text));
    return buf_view(&b);
}

static void put_cell(Buf *b, Str text, bool bold)
{
    buf_str(b, bold ? STR_LIT(" **") : STR_LIT(" "));
    buf_str(b, text);
    buf_str(b, bold ? STR_LIT("** |") : STR_LIT(" |"));
}

// What is in *number, which is then empty again.
static void put_number(Buf *b, Buf *number, bool bold)
{
    put_cell(b, buf_view(number), bold && number->n);
    number->n = 0;
}

// The row of a column's largest absolute score; -1: it has none.
static int64_t strongest(const Table *t, int64_t c)
{
    int64_t best = -1;
    float most = 0;
    for (int64_t i = 0; !t->cell && i < t->n_rows; i++) {
        float v = fabsf(t->scores->v[i * t->n_columns + c]);
        if (v > most) most = v, best = i;
    }
    return best;
}

static void put_table(Arena *a, Buf *b, const Sheet *x, const ReportOptions *o)
{
    const Table *t = &x->table;
    const Sequence *s = &x->part;
    int64_t *best = arena_new(a, int64_t, t->n_columns + 1);
    Buf number = {.arena = a};
    buf_str(b, STR_LIT("**")), put_text(b, report_cut(a, cell_of(a, t->heading), 200, true));
    buf_printf(b, "**%s\n\n| | |", report_part(a, t, x->columns));
    for (int64_t c = 0; c < t->n_columns; c++) {
        best[c] = strongest(t, c);
        buf_printf(b, " %" PRId64 "<br>", t->first + c);
        put_cell(b, cell_of(a, t->column[c].text), false);
    }
    buf_str(b, STR_LIT("\n|--:|--:|"));
    for (int64_t c = 0; c < t->n_columns; c++) buf_str(b, STR_LIT(":-:|"));
    buf_char(b, '\n');
    for (int64_t i = 0; i < t->n_rows; i++) {
        Arena *row = arena_create(a);
        buf_printf(b, "| %" PRId64 " |", i);
        put_cell(b, cell_of(row, t->row[i].text), false);
        for (int64_t c = 0; c < t->n_columns; c++) {
            float v = t->scores->v[i * t->n_columns + c];
            if (!t->cell && !isnan(v)) report_score(&number, v, o, 3);
            if (t->cell) put_cell(b, cell_of(row, t->cell[i * t->n_columns + c]), false);
            else put_number(b, &number, best[c] == i);
        }
        buf_char(b, '\n');
        arena_free(row);
    }
    for (size_t k = 0; k < s->n_step_scores; k++) {
        buf_str(b, STR_LIT("| | *")), buf_str(b, cell_of(a, s->step_scores[k].name)),
            buf_str(b, STR_LIT("* |"));
        for (int64_t c = 0; c < t->n_columns; c++) {
            report_step_score(&number, &s->step_scores[k], c, o);
            put_number(b, &number, false);
        }
        buf_char(b, '\n');
    }
    buf_printf(b, "\n%s\n", report_legend(a, t, true));
}

static void put_figures(Arena *a, Buf *b, const Figures *f)
{
    buf_str(b, STR_LIT("\n**")), buf_str(b, cell_of(a, str_of(f->title))), buf_str(b, STR_LIT("**\n\n| |"));
    for (size_t k = 0; k < f->n_columns; k++) put_cell(b, cell_of(a, f->column[k]), false);
    Buf number = {.arena = a};
    buf_str(b, STR_LIT("\n|:--|"));
    for (size_t k = 0; k < f->n_columns; k++) buf_str(b, STR_LIT("--:|"));
    for (size_t i = 0; i < f->n_rows; i++) {
        buf_str(b, STR_LIT("\n|")), put_cell(b, cell_of(a, f->row[i]), false);
        for (size_t k = 0; k < f->n_columns; k++) {
            double v = f->v[i * f->n_columns + k];
            if (!isnan(v)) buf_printf(&number, "%.3f", v);
            put_number(b, &number, f->best && f->best[i * f->n_columns + k]);
        }
    }
    buf_printf(b, "\n\n%s%s\n", f->note, f->best ? " Bold: the best." : "");
}

static bool write_md(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    if (!report_two_dimensional(t, e)) return false;
    Arena *work = arena_create(a);
    Sheet *sheet;
    size_t n = report_sheets(work, t, o, &sheet);
    if (o->title)
        buf_str(out, STR_LIT("# ")), buf_str(out, cell_of(work, str_of(o->title))),
            buf_str(out, STR_LIT("\n\n"));
    if (!n && !t->n_figures) buf_str(out, STR_LIT("There are no results.\n"));
    for (size_t i = 0; i < n; i++) {
        if (i) buf_char(out, '\n');
        if (sheet[i].section.n)
            buf_str(out, STR_LIT("## ")), buf_str(out, cell_of(work, sheet[i].section)),
                buf_str(out, STR_LIT("\n\n"));
        if (sheet[i].nothing) buf_printf(out, "%s\n", sheet[i].nothing);
        else put_table(work, out, &sheet[i], o);
    }
    for (size_t i = 0; i < t->n_figures; i++) put_figures(work, out, &t->figures[i]);
    const Str *line;
    const size_t n_lines = report_made_by(work, t, &line);
    if (n_lines) buf_str(out, STR_LIT("\nHow this was made:\n\n"));
    for (size_t i = 0; i < n_lines; i++) buf_printf(out, "    %.*s\n", (int)line[i].n, line[i].s);
    arena_free(work);
    return true;
}

const Report report_md = {
    .name = "md",
    .extension = ".md",
    .summary = "the heatmaps as Markdown tables, for issues and READMEs",
    .aggregated = true,
    .write = write_md,
};
