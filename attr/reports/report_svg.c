// SPDX-License-Identifier: Apache-2.0
// report_svg.c — the heatmaps as one vector figure (SVG 1.1, www.w3.org/TR/SVG11): for papers and slides, on white.
//
// Its cells are those of the HTML page: the same digits, the same colours, here laid over white beforehand so that
// every program that draws SVG agrees. Text stays text, in generic font families, so that it can be searched and
// edited. There is no style sheet, no script, no link and nothing with an id: a figure can be pasted into a page.
//
// Nobody can ask a font here how wide a text is. Tokens are set in monospace, whose characters are 0.6 em wide nearly
// everywhere, so CHARACTER pixels for each terminal column leave a little room. All measures are whole pixels.
//
//   margin | index | row token | a column for each generated token ...        tables stand side by side while they fit
#include "report.h"

#include <math.h>

enum {
    MARGIN = 24,
    GAP = 36,       // between tables
    FITS = 1240,    // wider figures have their tables below each other
    CHARACTER = 8,  // of monospace at 13 px
    PADDING = 10,   // on each side of a text in its column
    NARROWEST = 58, // column: it holds -0.123
    ROW = 26,
    INDEX_ROW = 20,   // the row of column numbers
    CAPTION = 44,     // title and arrows above a table
    LINE = 22,        // of text
    BASELINE = 17,    // of a row's text
    STEP_SPACE = 4,   // between scores and step scores
    LEGEND_STEPS = 41 // odd: the middle one is white
};

typedef struct Figure {
    Arena *a;
    const ReportOptions *o;
    Buf body;
    int64_t width, y;      // so far
    const Json *in, *made; // texts of the sequences that are still to come (report_info_texts)
} Figure;

// ------------------------------------------------------------------------------------------ marks

static void put_words(Figure *f, int64_t x, int64_t y, const char *attributes, Str visible)
{
    buf_printf(&f->body, "<text x=\"%" PRId64 "\" y=\"%" PRId64 "\"%s>", x, y, attributes);
    report_escape(&f->body, visible);
    buf_str(&f->body, STR_LIT("</text>\n"));
}

static void put_box(Figure *f, int64_t x, int64_t y, int64_t w, int64_t h, const char *fill)
{
    buf_printf(&f->body,
               "<rect x=\"%" PRId64 "\" y=\"%" PRId64 "\" width=\"%" PRId64 "\" height=\"%" PRId64
               "\" fill=\"%s\"/>\n",
               x, y, w, h, fill);
}

// Red or blue as opaque as the heat is large, over white. KEEP: heat colours
static const char *color_of(double heat, char out[8])
{
    static const int red[] = {178, 24, 43}, blue[] = {33, 102, 172};
    const int *c = heat > 0 ? red : blue;
    unsigned rgb[3];
    for (int i = 0; i < 3; i++) rgb[i] = (unsigned)(255 - (255 - c[i]) * fabs(heat) + 0.5) & 255;
    static const char digits[] = "0123456789abcdef";
    out[0] = '#', out[7] = 0;
    for (int i = 0; i < 3; i++) out[1 + 2 * i] = digits[rgb[i] / 16], out[2 + 2 * i] = digits[rgb[i] % 16];
    return out;
}

static Str visible(Arena *a, Str text)
{
    Buf b = {.arena = a};
    report_visible(&b, text, true);
    return buf_view(&b);
}

// ------------------------------------------------------------------------------------------ a table

typedef struct Grid {
    const Sequence *s;
    const Table *t;
    Str *row, *column;     // tokens as shown
    int64_t index, token;  // widths of the two heading columns
    int64_t *at;           // [n_columns + 1] where columns begin, from the table's left
    int64_t width, height; // without caption
} Grid;

static int64_t text_width(Str shown) { return (int64_t)report_width(shown) * CHARACTER + 2 * PADDING; }

static void widen(int64_t *width, int64_t wanted) { *width = wanted > *width ? wanted : *width; }

static Str score_text(Arena *a, float v, const ReportOptions *o)
{
    Buf b = {.arena = a};
    report_score(&b, v, o, 3);
    return buf_view(&b);
}

static Str cell_text(Arena *a, const Table *t, int64_t i, const ReportOptions *o)
{
    return t->cell ? report_short(a, t->cell[i]) : score_text(a, t->scores->v[i], o);
}

static Str step_text(Arena *a, const NamedScores *x, int64_t c, const ReportOptions *o, bool *bold)
{
    Buf b = {.arena = a};
    *bold = report_step_score(&b, x, c, o);
    return buf_view(&b);
}

// What a column must hold at least: its number, its token, its scores.
static int64_t column_width(Arena *a, const Grid *g, int64_t c, const ReportOptions *o)
{
    const Table *t = g->t;
    int64_t width = NARROWEST;
    Arena *scratch = arena_create(a);
    bool bold;
    widen(&width, text_width(g->column[c]));
    for (int64_t i = 0; i < t->n_rows; i++)
        widen(&width, text_width(cell_text(scratch, t, i * t->n_columns + c, o)));
    for (size_t i = 0; i < g->s->n_step_scores; i++)
        widen(&width, text_width(step_text(scratch, &g->s->step_scores[i], c, o, &bold)));
    arena_free(scratch);
    return width;
}

static Grid grid_of(Arena *a, const Sequence *s, const Table *t, const ReportOptions *o)
{
    int64_t rows = t->n_rows, columns = t->n_columns;
    Grid g = {.s = s, .t = t, .index = 30};
    g.row = arena_new(a, Str, rows + 1);
    g.column = arena_new(a, Str, columns + 1);
    g.at = arena_new(a, int64_t, columns + 1);
    for (int64_t i = 0; i < rows; i++)
        widen(&g.token, text_width(g.row[i] = report_short(a, t->row[i].text)));
    for (size_t i = 0; i < s->n_step_scores; i++)
        widen(&g.token, text_width(report_short(a, s->step_scores[i].name)));
    for (int64_t n = rows; n >= 1000; n /= 10) g.index += CHARACTER;
    g.at[0] = g.index + g.token;
    for (int64_t c = 0; c < columns; c++) {
        g.column[c] = report_short(a, t->column[c].text);
        g.at[c + 1] = g.at[c] + column_width(a, &g, c, o);
    }
    g.width = g.at[columns];
    g.height = INDEX_ROW + ROW * (1 + rows + (int64_t)s->n_step_scores) + (s->n_step_scores ? STEP_SPACE : 0);
    return g;
}

static int64_t middle(const Grid *g, int64_t c) { return (g->at[c] + g->at[c + 1]) / 2; }

// Where row i begins: token rows first, then step scores.
static int64_t row_top(const Grid *g, int64_t i)
{
    return INDEX_ROW + ROW * (1 + i) + (i >= g->t->n_rows ? STEP_SPACE : 0);
}

static void put_colors(Figure *f, const Grid *g, int64_t x, int64_t y, Range range)
{
    int64_t n = g->t->n_columns;
    char color[8];
    put_box(f, x, y, g->width, INDEX_ROW + ROW, "#f3f5f7");
    put_box(f, x, y, g->at[0], g->height, "#f3f5f7");
    for (int64_t i = 0; i < g->t->n_rows * n; i++) {
        int64_t c = i % n;
        double heat = report_heat(range, g->t->scores->v[i]);
        if (isnan(heat) || fabs(heat) < 0.0005) continue;
        put_box(f, x + g->at[c], y + row_top(g, i / n), g->at[c + 1] - g->at[c], ROW, color_of(heat, color));
    }
}

static void put_lines(Figure *f, const Grid *g, int64_t x, int64_t y)
{
    int64_t rows = g->t->n_rows + (int64_t)g->s->n_step_scores;
    buf_str(&f->body, STR_LIT("<path fill=\"none\" stroke=\"#d5dae0\" d=\""));
    for (int64_t i = -1; i <= rows; i++)
        buf_printf(&f->body, "M%" PRId64 " %" PRId64 "h%" PRId64, x,
                   y + (i < 0               ? 0
                        : i == rows         ? g->height
                        : i || g->t->n_rows ? row_top(g, i)
                                            : INDEX_ROW + ROW),
                   g->width);
    if (g->t->n_rows && g->s->n_step_scores)
        buf_printf(&f->body, "M%" PRId64 " %" PRId64 "h%" PRId64, x,
                   y + row_top(g, g->t->n_rows) - STEP_SPACE, g->width);
    buf_printf(&f->body, "M%" PRId64 " %" PRId64 "v%" PRId64, x, y, g->height);
    for (int64_t c = 0; c <= g->t->n_columns; c++)
        buf_printf(&f->body, "M%" PRId64 " %" PRId64 "v%" PRId64, x + g->at[c], y, g->height);
    buf_str(&f->body, STR_LIT("\"/>\n"));
}

static void put_headings(Figure *f, const Grid *g, int64_t x, int64_t y)
{
    const Table *t = g->t;
    buf_str(&f->body, STR_LIT("<g font-size=\"11\" fill=\"#4e5762\" text-anchor=\"middle\">\n"));
    for (int64_t c = 0; c < t->n_columns; c++)
        put_words(f, x + middle(g, c), y + 14, "", str_of(arena_printf(f->a, "%" PRId64, t->first + c)));
    for (int64_t i = 0; i < t->n_rows; i++)
        put_words(f, x + g->index / 2, y + row_top(g, i) + BASELINE, "",
                  str_of(arena_printf(f->a, "%" PRId64, i)));
    buf_str(&f->body, STR_LIT("</g>\n<g font-family=\"monospace\" font-weight=\"bold\">\n"));
    for (int64_t c = 0; c < t->n_columns; c++)
        put_words(f, x + middle(g, c), y + INDEX_ROW + BASELINE, " text-anchor=\"middle\"", g->column[c]);
    for (int64_t i = 0; i < t->n_rows; i++)
        put_words(f, x + g->at[0] - PADDING, y + row_top(g, i) + BASELINE, " text-anchor=\"end\"", g->row[i]);
    buf_str(&f->body, STR_LIT("</g>\n"));
}

static void put_numbers(Figure *f, const Grid *g, int64_t x, int64_t y, Range range)
{
    const Table *t = g->t;
    Arena *all = f->a;
    buf_str(&f->body, STR_LIT("<g font-family=\"monospace\" text-anchor=\"middle\">\n"));
    for (int64_t i = 0; i < t->n_rows; i++) {
        Arena *scratch = arena_create(all);
        for (int64_t c = 0; c < t->n_columns; c++) {
            float v = t->scores->v[i * t->n_columns + c];
            if (isnan(v)) continue;
            put_words(f, x + middle(g, c), y + row_top(g, i) + BASELINE,
                      report_white(report_heat(range, v)) ? " fill=\"#fff\"" : "",
                      cell_text(scratch, t, i * t->n_columns + c, f->o));
        }
        arena_free(scratch);
    }
    for (size_t k = 0; k < g->s->n_step_scores; k++) {
        const NamedScores *step = &g->s->step_scores[k];
        int64_t top = y + row_top(g, t->n_rows + (int64_t)k) + BASELINE;
        put_words(f, x + g->at[0] - PADDING, top, " text-anchor=\"end\"", report_short(all, step->name));
        for (int64_t c = 0; c < t->n_columns; c++) {
            bool bold;
            Str number = step_text(all, step, c, f->o, &bold);
            put_words(f, x + middle(g, c), top, bold ? " font-weight=\"bold\"" : "", number);
        }
    }
    buf_str(&f->body, STR_LIT("</g>\n"));
}

static void put_table(Figure *f, const Grid *g, int64_t x, int64_t y, Range range)
{
    Str heading = visible(f->a, g->t->heading);
    const char *arrows = report_legend(f->a, g->t, true);
    put_words(f, x, y + 14, " font-size=\"15\" font-weight=\"bold\"", heading);
    put_words(f, x, y + 34, " font-size=\"12\" fill=\"#4e5762\"", str_of(arrows));
    widen(&f->width, x + (int64_t)report_width(heading) * 10);
    widen(&f->width, x + (int64_t)report_width(str_of(arrows)) * CHARACTER);
    widen(&f->width, x + g->width);
    y += CAPTION;
    put_colors(f, g, x, y, range);
    put_lines(f, g, x, y);
    put_headings(f, g, x, y);
    put_numbers(f, g, x, y, range);
}

// Blocks of columns below each other, each as wide as was asked for.
static void put_blocks(Figure *f, const Sequence *s, const Table *t, Range range)
{
    for (int64_t from = 0, to; from < t->n_columns; from = to) {
        Sequence *part = arena_new(f->a, Sequence, 1);
        Table *columns = arena_new(f->a, Table, 1);
        to = report_block(f->a, s, t, from, f->o->width);
        report_columns(f->a, s, t, from, to, part, columns);
        columns->heading = str_of(arena_printf(f->a, "%.*s%s", (int)t->heading.n, t->heading.s,
                                               report_part(f->a, columns, t->n_columns)));
        Grid grid = grid_of(f->a, part, columns, f->o);
        put_table(f, &grid, MARGIN, f->y, range);
        f->y += CAPTION + grid.height + GAP / 2;
    }
}

// Side by side if they fit, else below each other.
static void put_tables(Figure *f, const Sequence *s, const Table *t, int n, Range range)
{
    Grid grid[2];
    int64_t across = 2 * MARGIN - GAP, high = 0, x = MARGIN;
    for (int i = 0; i < n && f->o->width > 0; i++) put_blocks(f, s, &t[i], range);
    if (f->o->width > 0) return;
    for (int i = 0; i < n; i++) {
        grid[i] = grid_of(f->a, s, &t[i], f->o);
        across += grid[i].width + GAP;
        widen(&high, grid[i].height);
    }
    for (int i = 0; i < n; i++) {
        put_table(f, &grid[i], x, f->y, range);
        if (across <= FITS) x += grid[i].width + GAP;
        else f->y += CAPTION + grid[i].height + GAP / 2;
    }
    if (across <= FITS) f->y += CAPTION + high + GAP / 2;
}

// ------------------------------------------------------------------------------------------ the figure

static void put_legend(Figure *f, Range r)
{
    if (!(r.max > r.min)) return;
    enum { STEP = 5, HIGH = 12 };
    Str low = score_text(f->a, (float)r.min, f->o), high = score_text(f->a, (float)r.max, f->o);
    int64_t x = MARGIN + (int64_t)report_width(low) * CHARACTER, end = x + LEGEND_STEPS * STEP;
    char color[8];
    for (int i = 0; i < LEGEND_STEPS; i++)
        put_box(f, x + i * STEP, f->y, STEP, HIGH, color_of((double)(2 * i) / (LEGEND_STEPS - 1) - 1, color));
    buf_printf(&f->body,
               "<path fill=\"none\" stroke=\"#d5dae0\" d=\"M%" PRId64 " %" PRId64 "h%dv%dh-%dz\"/>\n", x,
               f->y, LEGEND_STEPS * STEP, HIGH, LEGEND_STEPS * STEP);
    buf_str(&f->body, STR_LIT("<g font-size=\"12\" fill=\"#4e5762\">\n"));
    put_words(f, MARGIN, f->y + 10, "", low);
    put_words(f, end + 6, f->y + 10, "", high);
    int64_t words = end + 24 + (int64_t)report_width(high) * CHARACTER;
    put_words(f, words, f->y + 10, "", STR_LIT("blue below zero, red above"));
    buf_str(&f->body, STR_LIT("</g>\n"));
    widen(&f->width, words + 26 * CHARACTER);
    f->y += LINE;
}

static void put_line(Figure *f, const char *attributes, int pixels, Str text)
{
    Str shown = report_cut(f->a, visible(f->a, text), 140, true);
    f->y += LINE;
    put_words(f, MARGIN, f->y - 6, attributes, shown);
    widen(&f->width, MARGIN + (int64_t)report_width(shown) * pixels);
}

// What was read and what was written; the heading of the other reports where that is not known or there are several.
static void put_title(Figure *f, const Attribution *t, size_t i, bool several_texts)
{
    const Sequence *s = &t->sequence[i];
    Str in, out;
    bool known = report_next_text(&f->in, &in);
    if (!known || t->n > 1 || s->title || report_has_id(s)) {
        Buf heading = {.arena = f->a};
        report_heading(&heading, s, i, several_texts);
        put_line(f, " font-size=\"16\" font-weight=\"bold\"", 11, buf_view(&heading));
    }
    if (known) put_line(f, " font-size=\"15\"", 9, in);
    if (!report_next_text(&f->made, &out)) return;
    Buf to = {.arena = f->a};
    buf_str(&to, STR_LIT("\xe2\x86\x92 "));
    buf_str(&to, out);
    put_line(f, " font-size=\"15\"", 9, buf_view(&to));
}

static void put_sequence(Figure *f, const Attribution *t, size_t i, const ReportOptions *o,
                         bool several_texts)
{
    const Sequence *s = &t->sequence[i];
    Table tables[2];
    int n = report_tables(s, tables);
    Range range = report_range(s, o);
    put_title(f, t, i, several_texts);
    f->y += 14;
    if (!n || !tables[0].n_columns) {
        put_line(f, "", 8, n ? STR_LIT("No token was attributed.") : STR_LIT("There are no scores."));
        f->y += GAP / 2;
        return;
    }
    put_tables(f, s, tables, n, range);
    put_legend(f, range);
    f->y += GAP / 2;
}

// "demo/en-nl · input_x_gradient · probability"
static void put_facts(Figure *f, const Attribution *t)
{
    static const char *const keys[] = {"model_name", "attribution_method", "attributed_fn"};
    Buf b = {.arena = f->a};
    for (int i = 0; i < 3; i++) {
        const char *value = attr_info(f->a, t, keys[i]);
        if (!value || (!i && t->n && t->sequence[0].title)) continue;
        Str shown = str_of(value);
        if (i == 2 && str_ends(shown, STR_LIT("_fn"))) shown.n -= 3; // the library's Python function
        if (b.n) buf_str(&b, STR_LIT(" \xc2\xb7 "));
        buf_str(&b, shown);
    }
    if (b.n) put_line(f, " font-size=\"12\" fill=\"#4e5762\"", 8, buf_view(&b));
}

static void put_comparisons(Figure *f, const Attribution *t)
{
    Comparison *c;
    size_t n = report_compare(f->a, t, &c);
    if (n) put_line(f, " font-size=\"16\" font-weight=\"bold\"", 11, STR_LIT("Models compared"));
    for (size_t i = 0; i < n; i++) {
        if (!c[i].table.n_columns) continue;
        f->y += 14;
        put_tables(f, &c[i].sequence, &c[i].table, 1, (Range){0});
    }
}

static void put_pictures(Figure *f, const Attribution *t, const ReportOptions *o)
{
    Comparison *c;
    size_t n = report_pictures(f->a, t, &c);
    for (size_t i = 0; i < n; i++) {
        Range range = report_range(&c[i].sequence, o);
        f->y += 14;
        put_tables(f, &c[i].sequence, &c[i].table, 1, range);
        put_legend(f, range);
        f->y += GAP / 2;
    }
}

static bool write_svg(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    if (!report_two_dimensional(t, e)) return false;
    Figure f = {.a = arena_create(a), .o = o, .y = MARGIN / 2, .width = 360};
    f.body.arena = f.a;
    f.in = report_info_texts(f.a, t, "input_texts"), f.made = report_info_texts(f.a, t, "generated_texts");
    if (o->title) put_line(&f, " font-size=\"18\" font-weight=\"bold\"", 12, str_of(o->title));
    if (!t->n && !t->n_pictures) put_line(&f, "", 8, STR_LIT("There are no results."));
    bool several_texts = report_several_texts(t);
    for (size_t i = 0; i < t->n; i++) put_sequence(&f, t, i, o, several_texts);
    put_comparisons(&f, t);
    put_pictures(&f, t, o);
    put_facts(&f, t);
    int64_t width = f.width + MARGIN, height = f.y + MARGIN / 2;
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%" PRId64 "\" height=\"%" PRId64
               "\" viewBox=\"0 0 %" PRId64 " %" PRId64
               "\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#000\" shape-rendering=\"crispEdges\" "
               "xml:space=\"preserve\">\n<title>",
               width, height, width, height);
    report_escape(out, visible(f.a, str_of(o->title ? o->title : "Feature attributions")));
    buf_str(out, STR_LIT("</title>\n"));
    const Str *line;
    size_t n_lines = report_made_by(f.a, t, &line);
    if (n_lines) buf_str(out, STR_LIT("<metadata>\n"));
    for (size_t i = 0; i < n_lines; i++) report_escape(out, line[i]), buf_char(out, '\n');
    if (n_lines) buf_str(out, STR_LIT("</metadata>\n"));
    buf_printf(out, "<rect width=\"%" PRId64 "\" height=\"%" PRId64 "\" fill=\"#fff\"/>\n", width, height);
    buf_str(out, buf_view(&f.body));
    buf_str(out, STR_LIT("</svg>\n"));
    arena_free(f.a);
    return true;
}

const Report report_svg = {
    .name = "svg",
    .extension = ".svg",
    .summary = "a vector figure of the heatmaps, for papers and slides",
    .aggregated = true,
    .write = write_svg,
};
