// SPDX-License-Identifier: Apache-2.0
// report_tex.c — the heatmaps as LaTeX tables: booktabs' rules and coloured cells. The file can be compiled by itself and can
// be \input into a document that loads booktabs and xcolor with the option table.
//
// A token is text: what TeX would act on is a command that prints it, so that nothing of a model's vocabulary is read as
// TeX. Characters beyond Latin-1 stand as \inseqchar{4ECA}{今}: LuaTeX and XeTeX set the character (if the font has it),
// pdfTeX does where it knows it and else prints U+4ECA. Numbers and colours are the page's, over white.
#include "report.h"

#include <math.h>
#include <string.h>

// Alone, the file is a document; inside of one (where LaTeX has no use for \@nodocument any more) it is tables only.
#define PREAMBLE                                                                                             \
    "% Feature attributions. Compile this file, or \\input it into a document with\n"                        \
    "%   \\usepackage{booktabs}\\usepackage[table]{xcolor}\\usepackage[T1]{fontenc}\n"                       \
    "\\makeatletter\n"                                                                                       \
    "\\ifx\\@nodocument\\relax\\let\\inseqend\\relax\\expandafter\\@gobble\\else\\expandafter\\@"            \
    "firstofone\\fi\n"                                                                                       \
    "{\\documentclass{article}\n"                                                                            \
    " \\usepackage[T1]{fontenc}\\usepackage{booktabs}\\usepackage[table]{xcolor}\n"                          \
    " \\usepackage[a4paper,landscape,margin=1cm]{geometry}\\pagestyle{empty}\\parindent0pt\n"                \
    " \\begin{document}\\gdef\\inseqend{\\end{document}}}\n"                                                 \
    "\\makeatother\n"                                                                                        \
    "\\providecommand\\inseqchar[2]{\\ifdefined\\Umathchar#2\\else\\ifcsname "                               \
    "u8:\\detokenize{#2}\\endcsname#2"                                                                       \
    "\\else{\\scriptsize U+#1}\\fi\\fi}\n"

static void put_character(Buf *b, Str s, uint32_t c)
{
    static const struct {
        uint32_t c;
        const char *tex;
    } special[] = {{'\\', "\\textbackslash{}"},
                   {'{', "\\{"},
                   {'}', "\\}"},
                   {'$', "\\$"},
                   {'&', "\\&"},
                   {'#', "\\#"},
                   {'%', "\\%"},
                   {'_', "\\_"},
                   {'^', "\\textasciicircum{}"},
                   {'~', "\\textasciitilde{}"},
                   {'<', "\\textless{}"},
                   {'>', "\\textgreater{}"},
                   {'|', "\\textbar{}"},
                   {'"', "\\textquotedbl{}"},
                   {'\'', "\\textquotesingle{}"},
                   {'`', "\\textasciigrave{}"},
                   {'-', "{-}"},
                   {',', "{,}"},
                   {'!', "!{}"},
                   {'?', "?{}"},
                   {'[', "{[}"},
                   {']', "{]}"},
                   {'*', "{*}"},
                   {'f', "f{}"},
                   {0x2581, "\\textvisiblespace{}"},
                   {0x2192, "$\\rightarrow$"},
                   {0x2193, "$\\downarrow$"}};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (special[i].c == c) {
            buf_str(b, str_of(special[i].tex));
            return;
        }
    if (c < 0x100) buf_str(b, s);
    else buf_printf(b, "\\inseqchar{%" PRIX32 "}{%.*s}", c, (int)s.n, s.s);
}

static void put_text(Buf *b, Str visible)
{
    for (size_t i = 0; i < visible.n;) {
        uint32_t c;
        int n = utf8_decode(visible.s + i, visible.n - i, &c, NULL);
        put_character(b, (Str){visible.s + i, (size_t)(n ? n : 1)}, c);
        i += (size_t)(n ? n : 1);
    }
}

static void put_token(Arena *a, Buf *b, Str text)
{
    Arena *work = arena_create(a);
    put_text(b, report_short(work, text));
    arena_free(work);
}

// Red or blue as opaque as the heat is large, over white. KEEP: heat colours
static void put_color(Buf *b, double heat)
{
    static const int red[] = {178, 24, 43}, blue[] = {33, 102, 172};
    if (isnan(heat) || fabs(heat) < 0.0005) return;
    const int *c = heat > 0 ? red : blue;
    buf_str(b, STR_LIT("\\cellcolor[HTML]{"));
    for (int i = 0; i < 3; i++)
        buf_printf(b, "%02X", (unsigned)(255 - (255 - c[i]) * fabs(heat) + 0.5) & 255);
    buf_str(b, report_white(heat) ? STR_LIT("}\\color{white}") : STR_LIT("}"));
}

// A number as text: TeX's own minus, and the sign of percent. *number is then empty again.
static void put_number(Buf *b, Buf *number)
{
    for (size_t i = 0; i < number->n; i++) {
        if (number->s[i] == '%') buf_str(b, STR_LIT("\\%"));
        else if (number->s[i] == '-') buf_str(b, STR_LIT("$-$"));
        else buf_char(b, number->s[i]);
    }
    number->n = 0;
}

static void put_row(Arena *a, Buf *b, const Sheet *x, int64_t i, const ReportOptions *o)
{
    const Table *t = &x->table;
    Arena *row = arena_create(a);
    Buf number = {.arena = row};
    buf_printf(b, "%" PRId64 " & ", i), put_token(row, b, t->row[i].text);
    for (int64_t c = 0; c < t->n_columns; c++) {
        float v = t->scores->v[i * t->n_columns + c];
        buf_str(b, STR_LIT(" & "));
        if (!isnan(v)) put_color(b, report_heat(x->range, v));
        if (t->cell) put_token(row, b, t->cell[i * t->n_columns + c]);
        else if (!isnan(v)) report_score(&number, v, o, 3), put_number(b, &number);
    }
    buf_str(b, STR_LIT(" \\\\\n"));
    arena_free(row);
}

static void put_steps(Arena *a, Buf *b, const Sheet *x, size_t k, const ReportOptions *o)
{
    const NamedScores *step = &x->part.step_scores[k];
    Buf number = {.arena = a};
    buf_str(b, STR_LIT(" & ")), put_token(a, b, step->name);
    for (int64_t c = 0; c < x->table.n_columns; c++) {
        bool bold = report_step_score(&number, step, c, o);
        buf_str(b, bold ? STR_LIT(" & \\textbf{") : STR_LIT(" & {"));
        put_number(b, &number), buf_char(b, '}');
    }
    buf_str(b, STR_LIT(" \\\\\n"));
}

static void put_table(Arena *a, Buf *b, const Sheet *x, const ReportOptions *o)
{
    const Table *t = &x->table;
    buf_str(b, STR_LIT("\\textbf{")), put_token(a, b, t->heading);
    buf_printf(b, "}%s\\\\*\n{\\small ", report_part(a, t, x->columns));
    put_text(b, str_of(report_legend(a, t, true)));
    buf_str(b, STR_LIT("}\\\\*[4pt]\n\\begin{tabular}{rr"));
    for (int64_t c = 0; c < t->n_columns; c++) buf_char(b, 'c');
    buf_str(b, STR_LIT("}\n\\toprule\n & "));
    for (int64_t c = 0; c < t->n_columns; c++) buf_printf(b, " & %" PRId64, t->first + c);
    buf_str(b, STR_LIT(" \\\\\n & "));
    for (int64_t c = 0; c < t->n_columns; c++)
        buf_str(b, STR_LIT(" & \\textbf{")), put_token(a, b, t->column[c].text), buf_char(b, '}');
    buf_str(b, STR_LIT(" \\\\\n\\midrule\n"));
    for (int64_t i = 0; i < t->n_rows; i++) put_row(a, b, x, i, o);
    if (t->n_rows && x->part.n_step_scores) buf_str(b, STR_LIT("\\midrule\n"));
    for (size_t k = 0; k < x->part.n_step_scores; k++) put_steps(a, b, x, k, o);
    buf_str(b, STR_LIT("\\bottomrule\n\\end{tabular}\n"));
}

static void put_figures(Arena *a, Buf *b, const Figures *f)
{
    Buf number = {.arena = a};
    buf_str(b, STR_LIT("\\par\\bigskip\n\\textbf{")), put_token(a, b, str_of(f->title));
    buf_str(b, STR_LIT("}\\\\*[4pt]\n\\begin{tabular}{l"));
    for (size_t k = 0; k < f->n_columns; k++) buf_char(b, 'r');
    buf_str(b, STR_LIT("}\n\\toprule\n"));
    for (size_t k = 0; k < f->n_columns; k++) buf_str(b, STR_LIT(" & ")), put_token(a, b, f->column[k]);
    buf_str(b, STR_LIT(" \\\\\n\\midrule\n"));
    for (size_t i = 0; i < f->n_rows; i++) {
        put_token(a, b, f->row[i]);
        for (size_t k = 0; k < f->n_columns; k++) {
            double v = f->v[i * f->n_columns + k];
            bool best = f->best && f->best[i * f->n_columns + k];
            if (!isnan(v)) buf_printf(&number, "%.3f", v);
            buf_str(b, best ? STR_LIT(" & \\textbf{") : STR_LIT(" & {"));
            put_number(b, &number), buf_char(b, '}');
        }
        buf_str(b, STR_LIT(" \\\\\n"));
    }
    buf_str(b, STR_LIT("\\bottomrule\n\\end{tabular}\\\\*\n{\\small ")), put_text(b, str_of(f->note));
    buf_str(b, f->best ? STR_LIT(" Bold: the best.}\n") : STR_LIT("}\n"));
}

static bool write_tex(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    if (!report_two_dimensional(t, e)) return false;
    Arena *work = arena_create(a);
    Sheet *sheet;
    size_t n = report_sheets(work, t, o, &sheet);
    buf_str(out, STR_LIT(PREAMBLE));
    if (o->title)
        buf_str(out, STR_LIT("{\\Large ")), put_token(work, out, str_of(o->title)),
            buf_str(out, STR_LIT("}\\par\n"));
    if (!n && !t->n_figures) buf_str(out, STR_LIT("There are no results.\n"));
    for (size_t i = 0; i < n; i++) {
        if (i) buf_str(out, STR_LIT("\\par\\bigskip\n"));
        if (sheet[i].section.n)
            buf_str(out, STR_LIT("{\\large ")), put_token(work, out, sheet[i].section),
                buf_str(out, STR_LIT("}\\par\\medskip\n"));
        if (sheet[i].nothing) buf_printf(out, "%s\n", sheet[i].nothing);
        else put_table(work, out, &sheet[i], o);
    }
    for (size_t i = 0; i < t->n_figures; i++) put_figures(work, out, &t->figures[i]);
    buf_str(out, STR_LIT("\\inseqend\n"));
    const Str *line;
    const size_t n_lines = report_made_by(work, t, &line);
    for (size_t i = 0; i < n_lines; i++) buf_printf(out, "%% %.*s\n", (int)line[i].n, line[i].s);
    arena_free(work);
    return true;
}

const Report report_tex = {
    .name = "tex",
    .extension = ".tex",
    .summary = "the heatmaps as LaTeX tables (booktabs, coloured cells), for papers",
    .aggregated = true,
    .write = write_tex,
};
