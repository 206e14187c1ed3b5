// SPDX-License-Identifier: Apache-2.0
// figures.c — small tables of numbers beside the heatmaps: how faithful the scores are, how far methods agree.
#include "report.h"

#include <math.h>

// ------------------------------------------------------------------------------------------ faithfulness

typedef struct Mean {
    double sum[EVALUATE_MEASURES];
    int64_t n;
} Mean;

static void add_steps(Mean *m, const Curves *x)
{
    for (int64_t c = 0; x->deletion.v && c < x->deletion.dim[1]; c++, m->n++) {
        double v[EVALUATE_MEASURES];
        evaluate_measures(x, c, v);
        for (int k = 0; k < EVALUATE_MEASURES; k++) m->sum[k] += v[k];
    }
}

static bool higher_is_better(size_t measure) { return measure == 0 || measure == 3; }

// Marks the best of the first n rows in each column; equals are all marked.
static void mark_best(Figures *f, bool *best, size_t n)
{
    for (size_t k = 0; k < f->n_columns; k++) {
        double top = NAN;
        for (size_t i = 0; i < n; i++) {
            double v = f->v[i * f->n_columns + k];
            if (isnan(top) || (higher_is_better(k) ? v > top : v < top)) top = v;
        }
        for (size_t i = 0; i < n; i++) best[i * f->n_columns + k] = f->v[i * f->n_columns + k] == top;
    }
    f->best = best;
}

bool report_faithfulness(Arena *a, const Attribution *t, const Sequence *s, size_t n, Figures *out)
{
    const char *method = attr_info(a, t, "attribution_method");
    Mean *mean = arena_new(a, Mean, n + 1), random = {0}; // one for each name
    Str *row = arena_new(a, Str, n + 1), *column = arena_new(a, Str, EVALUATE_MEASURES);
    size_t names = 0, rows;
    int64_t steps = 0;
    for (size_t i = 0; i < n; i++) {
        if (!s[i].evaluation) continue;
        Str name = str_of(s[i].method ? s[i].method : s[i].title ? s[i].title : method ? method : "scores");
        size_t k = 0;
        while (k < names && !str_eq(row[k], name)) k++;
        if (k == names) row[names++] = name;
        add_steps(&mean[k], &s[i].evaluation->own), add_steps(&random, &s[i].evaluation->random);
        if (mean[k].n > steps) steps = mean[k].n;
    }
    rows = names;
    bool models = n && s[0].title && names > 1; // each would have a random order of its own
    if (random.n && !models) row[rows] = STR_LIT("random order"), mean[rows++] = random;
    double *v = arena_new(a, double, rows *EVALUATE_MEASURES);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < EVALUATE_MEASURES; k++)
            v[i * EVALUATE_MEASURES + k] = mean[i].n ? mean[i].sum[k] / (double)mean[i].n : NAN;
    for (size_t k = 0; k < EVALUATE_MEASURES; k++) column[k] = str_of(evaluate_names[k]);
    *out =
        (Figures){.title = arena_printf(a, "Faithfulness (means over %" PRId64 " step%s)", steps,
                                        steps == 1 ? "" : "s"),
                  .note = "Higher is better for comprehensiveness and insertion_auc, lower for the others.",
                  .n_rows = rows,
                  .n_columns = EVALUATE_MEASURES,
                  .row = row,
                  .column = column,
                  .v = v};
    if (names > 1 && !models) mark_best(out, arena_new(a, bool, rows *EVALUATE_MEASURES), names);
    return names > 0;
}

// Where a text's random order was measured with one method, it is that of the others too.
static void share_random(Arena *a, Attribution *t)
{
    const Sequence *from = NULL;
    for (size_t i = 0; i < t->n; i++) {
        Sequence *s = &t->sequence[i];
        if (!s->evaluation || !s->method) continue;
        if (s->evaluation->random.deletion.v) from = s;
        if (!from || from == s || from->text != s->text) continue;
        Evaluation *both = arena_new(a, Evaluation, 1);
        *both = (Evaluation){s->evaluation->own, from->evaluation->random};
        s->evaluation = both;
    }
}

void attr_faithfulness(Arena *a, Attribution *t)
{
    share_random(a, t);
    Figures *all = arena_new(a, Figures, t->n_figures + 1);
    for (size_t i = 0; i < t->n_figures; i++) all[i] = t->figures[i];
    if (!report_faithfulness(a, t, t->sequence, t->n, &all[t->n_figures])) return;
    t->figures = all, t->n_figures++;
}

// ------------------------------------------------------------------------------------------ drawing

static Str number(Arena *a, double v) { return str_of(isnan(v) ? "-" : arena_printf(a, "%.3f", v)); }

static Str label(Arena *a, Str text, bool unicode)
{
    Buf b = {.arena = a};
    report_visible(&b, text, unicode);
    return buf_view(&b);
}

static void put_right(Buf *b, Str s, int width)
{
    for (int k = report_width(s); k < width; k++) buf_char(b, ' ');
    buf_str(b, s);
}

static void text_plain(Arena *a, const Figures *f, Buf *b)
{
    buf_printf(b, "%s\n", f->title);
    for (size_t k = 0; k < f->n_columns; k++) buf_char(b, '\t'), buf_str(b, label(a, f->column[k], true));
    for (size_t i = 0; i < f->n_rows; i++) {
        buf_char(b, '\n'), buf_str(b, label(a, f->row[i], true));
        for (size_t k = 0; k < f->n_columns; k++)
            buf_char(b, '\t'), buf_str(b, number(a, f->v[i * f->n_columns + k]));
    }
    buf_char(b, '\n');
}

static int column_width(const Figures *f, size_t k)
{
    int width = report_width(f->column[k]);
    return width > 7 ? width : 7;
}

// Columns from .. to - 1 of the table, with the names of the rows.
static void text_block(Arena *a, const Figures *f, const ReportOptions *o, int names, size_t from, size_t to,
                       Buf *b)
{
    buf_printf(b, "%*s", names + 2, "");
    for (size_t k = from; k < to; k++)
        buf_str(b, STR_LIT("  ")), put_right(b, f->column[k], column_width(f, k));
    buf_char(b, '\n');
    for (size_t i = 0; i < f->n_rows; i++) {
        Str name = label(a, f->row[i], o->unicode);
        buf_str(b, STR_LIT("  ")), buf_str(b, name);
        for (int k = report_width(name); k < names; k++) buf_char(b, ' ');
        for (size_t k = from; k < to; k++) {
            Str v = number(a, f->v[i * f->n_columns + k]);
            buf_str(b, STR_LIT("  "));
            put_right(b, f->best && f->best[i * f->n_columns + k] ? str_of(arena_printf(a, "*%s", v.s)) : v,
                      column_width(f, k));
        }
        buf_char(b, '\n');
    }
}

void figures_text(Arena *a, const Figures *f, const ReportOptions *o, Buf *b)
{
    if (o->plain) {
        text_plain(a, f, b);
        return;
    }
    int names = 0;
    for (size_t i = 0; i < f->n_rows; i++) {
        int width = report_width(label(a, f->row[i], o->unicode));
        names = width > names ? width : names;
    }
    buf_printf(b, o->color != COLOR_NONE ? "\x1b[1m%s\x1b[0m\n" : "%s\n", f->title);
    for (size_t from = 0, to; from < f->n_columns; from = to) { // as many columns as fit, but always one
        int width = names + 2;
        for (to = from; to < f->n_columns; to++) {
            width += 2 + column_width(f, to);
            if (to > from && o->width > 0 && width > o->width) break;
        }
        text_block(a, f, o, names, from, to, b);
    }
    buf_printf(b, "%s%s\n", f->note, f->best ? "\n*: the best" : "");
}

void figures_html(Arena *a, const Figures *f, Buf *b)
{
    buf_str(b, STR_LIT("<div class=\"box\" role=\"region\" tabindex=\"0\" aria-label=\""));
    report_escape(b, str_of(f->title));
    buf_str(b, STR_LIT("\">\n<table class=\"figures\">\n<caption><span class=\"name\">"));
    report_escape(b, str_of(f->title));
    buf_str(b, STR_LIT("</span><span class=\"soft\">"));
    report_escape(b, str_of(f->note));
    buf_str(b, STR_LIT("</span></caption>\n<thead>\n<tr><td></td>"));
    for (size_t k = 0; k < f->n_columns; k++) {
        buf_str(b, STR_LIT("<th scope=\"col\">"));
        report_escape(b, label(a, f->column[k], true));
        buf_str(b, STR_LIT("</th>"));
    }
    buf_str(b, STR_LIT("</tr>\n</thead>\n<tbody>\n"));
    for (size_t i = 0; i < f->n_rows; i++) {
        buf_str(b, STR_LIT("<tr><th scope=\"row\">"));
        report_escape(b, label(a, f->row[i], true));
        buf_str(b, STR_LIT("</th>"));
        for (size_t k = 0; k < f->n_columns; k++) {
            bool best = f->best && f->best[i * f->n_columns + k];
            buf_str(b, best ? STR_LIT("<td><b>") : STR_LIT("<td>"));
            buf_str(b, number(a, f->v[i * f->n_columns + k]));
            buf_str(b, best ? STR_LIT("</b></td>") : STR_LIT("</td>"));
        }
        buf_str(b, STR_LIT("</tr>\n"));
    }
    buf_str(b, STR_LIT("</tbody>\n</table>\n</div>\n"));
}
