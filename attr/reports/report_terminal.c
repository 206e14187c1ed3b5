// SPDX-License-Identifier: Apache-2.0
// report_terminal.c — heat maps as text: box drawing, plain ASCII, or TAB-separated.
//
// The look is Inseq's console output: same words, order and digits, and colours of the same map ("coolwarm").
// A table wider than the terminal is cut into blocks of columns, each with the row numbers and tokens again; a line is
// never left to the terminal to wrap. The only control characters written are our own colour switches (SGR).
#include "coolwarm.h"
#include "report.h"

#include <math.h>

typedef struct Cell {
    size_t at, n; // its printable text (see report_visible) in Grid.text
    int width;
    float heat; // -1..1; NaN: no colour
    bool bold;
} Cell;

typedef struct Grid {
    const ReportOptions *o;
    int64_t rows,
        columns; // rows: 2 of heading, then scores, then step scores; columns: number, token, then steps
    int64_t first_step; // first row of step scores
    Buf text;           // of all cells, one after the other
    Cell *cell;         // [rows, columns]
    int *width;         // of each column
} Grid;

enum { HEAD_ROWS = 2, HEAD_COLUMNS = 2 };

// ------------------------------------------------------------------------------------------ filling the grid

// What was put into g->text from `at` on is the text of this cell.
static void set(Grid *g, int64_t row, int64_t column, size_t at, bool bold, double heat)
{
    Str text = {g->text.s + at, g->text.n - at};
    int width = text.n ? report_width(text) : 0;
    g->cell[row * g->columns + column] = (Cell){at, text.n, width, (float)heat, bold};
    if (width > g->width[column]) g->width[column] = width;
}

static void set_number(Grid *g, int64_t row, int64_t column, int64_t i)
{
    size_t at = g->text.n;
    buf_printf(&g->text, "%" PRId64, i);
    set(g, row, column, at, true, NAN);
}

static void set_label(Arena *a, Grid *g, int64_t row, int64_t column, Str token)
{
    const ReportOptions *o = g->o;
    Arena *scratch = arena_create(a);
    Buf b = {.arena = scratch};
    report_visible(&b, token, o->unicode);
    int most = o->plain || o->width <= 0 ? INT32_MAX : o->width / 2 > 50 ? o->width / 2 - 10 : 40;
    size_t at = g->text.n;
    buf_str(&g->text, report_cut(scratch, buf_view(&b), most, o->unicode));
    arena_free(scratch);
    set(g, row, column, at, true, NAN);
}

// Without colours and box drawing a character says how hot a number is.
static void put_shade(Buf *b, double heat, const ReportOptions *o)
{
    static const char shades[] = " .:-=+*#%@";
    if (o->unicode || o->plain || o->color != COLOR_NONE || isnan(heat)) return;
    buf_char(b, ' ');
    buf_char(b, shades[(int)(fabs(heat) * 9.999)]);
}

static void put_word(Arena *a, Buf *b, Str word, const ReportOptions *o)
{
    enum { WIDEST = 14 };
    Arena *scratch = arena_create(a);
    Buf text = {.arena = scratch};
    report_visible(&text, word, o->unicode);
    buf_str(b, o->plain ? buf_view(&text) : report_cut(scratch, buf_view(&text), WIDEST, o->unicode));
    arena_free(scratch);
}

static void fill_scores(Arena *a, Grid *g, const Table *t, Range range)
{
    for (int64_t i = 0; i < t->n_rows; i++) {
        set_number(g, HEAD_ROWS + i, 0, i);
        set_label(a, g, HEAD_ROWS + i, 1, t->row[i].text);
        for (int64_t c = 0; c < t->n_columns; c++) {
            float v = t->scores->v[i * t->n_columns + c];
            double heat = report_heat(range, v);
            size_t at = g->text.n;
            if (t->cell) put_word(a, &g->text, t->cell[i * t->n_columns + c], g->o);
            else if (!isnan(v)) report_score(&g->text, v, g->o, 2);
            if (!isnan(v)) put_shade(&g->text, heat, g->o);
            set(g, HEAD_ROWS + i, HEAD_COLUMNS + c, at, false, heat);
        }
    }
}

static void fill_step_scores(Arena *a, Grid *g, const Sequence *s)
{
    for (size_t i = 0; i < s->n_step_scores; i++) {
        const NamedScores *x = &s->step_scores[i];
        int64_t row = g->first_step + (int64_t)i;
        set_label(a, g, row, 1, x->name);
        for (int64_t c = 0; c < g->columns - HEAD_COLUMNS; c++) {
            float v = x->scores.v[c];
            size_t at = g->text.n;
            if (g->o->decimals) report_step_score(&g->text, x, c, g->o);
            else report_fixed2(&g->text, v);
            set(g, row, HEAD_COLUMNS + c, at, fabsf(v) >= 0.5f && !x->is_int, NAN);
        }
    }
}

static Grid make_grid(Arena *a, const Sequence *s, const Table *t, const ReportOptions *o)
{
    Grid g = {.o = o,
              .rows = HEAD_ROWS + t->n_rows + (int64_t)s->n_step_scores,
              .columns = HEAD_COLUMNS + t->n_columns,
              .first_step = HEAD_ROWS + t->n_rows,
              .text = {.arena = a}};
    uint64_t cells;
    if (!mul_ok((uint64_t)g.rows, (uint64_t)g.columns, &cells)) BUG("a table of %" PRId64 " rows", g.rows);
    g.cell = arena_new(a, Cell, cells);
    g.width = arena_new(a, int, g.columns);
    buf_char(&g.text, ' '); // so that text.s is never NULL
    for (int64_t c = 0; c < t->n_columns; c++) {
        set_number(&g, 0, HEAD_COLUMNS + c, c);
        set_label(a, &g, 1, HEAD_COLUMNS + c, t->column[c].text);
    }
    fill_scores(a, &g, t, report_range(s, o));
    fill_step_scores(a, &g, s);
    return g;
}

// ------------------------------------------------------------------------------------------ colours

static int nearest_level(int v) // of the 6 levels of the 256-colour cube
{
    return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40;
}

static int distance2(const uint8_t *x, int r, int g, int b)
{
    return (x[0] - r) * (x[0] - r) + (x[1] - g) * (x[1] - g) + (x[2] - b) * (x[2] - b);
}

static int in_256(const uint8_t *x)
{
    static const int level[] = {0, 95, 135, 175, 215, 255};
    int r = nearest_level(x[0]), g = nearest_level(x[1]), b = nearest_level(x[2]);
    int grey = ((x[0] + x[1] + x[2]) / 3 - 3) / 10;
    grey = grey < 0 ? 0 : grey > 23 ? 23 : grey;
    int shade = 8 + 10 * grey;
    if (distance2(x, shade, shade, shade) < distance2(x, level[r], level[g], level[b])) return 232 + grey;
    return 16 + 36 * r + 6 * g + b;
}

// A score too near to 0 to have a colour worth seeing keeps the terminal's own.
static bool has_color(double heat) { return fabs(heat) >= 0.15; } // NaN: no

// The colour lies behind the number, with black or white text, whichever reads better: as text colour (which is what
// Inseq does) its ends vanish on a dark screen and its middle on a light one. With 16 colours, whose shades are the
// terminal's choice, it is the text that is coloured.
static bool start_color(Buf *b, ColorDepth depth, double heat)
{
    if (depth == COLOR_NONE || !has_color(heat)) return false;
    int step = (int)((heat + 1) / 2 * 200);
    const uint8_t *x = coolwarm[step > 199 ? 199 : step];
    if (depth == COLOR_TRUE) {
        buf_printf(b, "\x1b[48;2;%d;%d;%d;38;2;%sm", x[0], x[1], x[2], x[3] ? "255;255;255" : "0;0;0");
    } else if (depth == COLOR_256) {
        buf_printf(b, "\x1b[48;5;%d;38;5;%dm", in_256(x), x[3] ? 231 : 16);
    } else {
        if (fabs(heat) < 0.2) return false;
        buf_printf(b, "\x1b[%dm", (heat < 0 ? 34 : 31) + (fabs(heat) >= 0.6 ? 60 : 0));
    }
    return true;
}

static void put_bold(Buf *b, Str text, bool bold, ColorDepth depth)
{
    bool on = bold && depth != COLOR_NONE && text.n;
    if (on) buf_str(b, STR_LIT("\x1b[1m"));
    buf_str(b, text);
    if (on) buf_str(b, STR_LIT("\x1b[0m"));
}

// ------------------------------------------------------------------------------------------ drawing

typedef struct Rule {
    const char *left, *fill, *middle, *right;
} Rule;

typedef struct Box {
    Rule top, under_head, between, bottom;
    const char *head_side, *side;
} Box;

static const Box heavy_head = {
    {"┏", "━", "┳", "┓"}, {"┡", "━", "╇", "┩"}, {"├", "─", "┼", "┤"}, {"└", "─", "┴", "┘"}, "┃", "│"};
static const Box ascii = {
    {"+", "-", "+", "+"}, {"+", "=", "+", "+"}, {"+", "-", "+", "+"}, {"+", "-", "+", "+"}, "|", "|"};

// The columns of a block: the two heading ones, then from..to.
typedef struct Block {
    int64_t from, to;
} Block;

static bool shown(Block k, int64_t column)
{
    return column < HEAD_COLUMNS || (column >= k.from && column < k.to);
}

static void put_spaces(Buf *b, int n)
{
    while (n-- > 0) buf_char(b, ' ');
}

static void put_rule(Buf *b, const Grid *g, Block k, const Rule *r)
{
    const char *edge = r->left;
    for (int64_t c = 0; c < k.to; c++) {
        if (!shown(k, c)) continue;
        buf_str(b, str_of(edge));
        for (int i = 0; i < g->width[c] + 2; i++) buf_str(b, str_of(r->fill));
        edge = r->middle;
    }
    buf_str(b, str_of(r->right));
    buf_char(b, '\n');
}

// Row numbers and tokens lean on the numbers they belong to; all else is centred.
static void put_row(Buf *b, const Grid *g, Block k, int64_t row, const char *side)
{
    for (int64_t c = 0; c < k.to; c++) {
        if (!shown(k, c)) continue;
        const Cell *x = &g->cell[row * g->columns + c];
        int room = g->width[c] - x->width, left = c < HEAD_COLUMNS ? room : room / 2;
        buf_str(b, str_of(side));
        bool hot = x->n && start_color(b, g->o->color, (double)x->heat);
        put_spaces(b, 1 + left);
        put_bold(b, (Str){g->text.s + x->at, x->n}, x->bold, g->o->color);
        put_spaces(b, 1 + room - left);
        if (hot) buf_str(b, STR_LIT("\x1b[0m"));
    }
    buf_str(b, str_of(side));
    buf_char(b, '\n');
}

static void put_block(Buf *b, const Grid *g, Block k, const Box *box)
{
    put_rule(b, g, k, &box->top);
    for (int64_t row = 0; row < g->rows; row++) {
        bool head = row < HEAD_ROWS;
        put_row(b, g, k, row, head ? box->head_side : box->side);
        if (row + 1 == g->rows) break;
        if (row + 1 == HEAD_ROWS) put_rule(b, g, k, &box->under_head);
        else if (row + 1 >= g->first_step) put_rule(b, g, k, &box->between);
    }
    put_rule(b, g, k, &box->bottom);
}

// As many columns from `from` on as fit the width, but always one.
static Block next_block(const Grid *g, int64_t from)
{
    Block k = {from, from};
    int64_t width = 1 + g->width[0] + 3 + g->width[1] + 3;
    while (k.to < g->columns) {
        width += g->width[k.to] + 3;
        if (k.to > from && g->o->width > 0 && width > g->o->width) break;
        k.to++;
    }
    return k;
}

static void put_heading(Arena *a, Buf *b, Str text, const ReportOptions *o)
{
    Buf line = {.arena = a};
    report_visible(&line, text, o->unicode);
    put_bold(b, buf_view(&line), true, o->color);
}

static void put_boxed(Arena *a, Buf *b, const Grid *g, const Table *t)
{
    const ReportOptions *o = g->o;
    for (int64_t from = HEAD_COLUMNS; from < g->columns || from == HEAD_COLUMNS;) {
        Block k = next_block(g, from);
        put_heading(a, b, t->heading, o);
        if (k.to - k.from == 1 && g->columns > HEAD_COLUMNS + 1)
            buf_printf(b, " (column %" PRId64 " of %" PRId64 ")", k.from - HEAD_COLUMNS,
                       g->columns - HEAD_COLUMNS);
        else if (k.from > HEAD_COLUMNS || k.to < g->columns)
            buf_printf(b, " (columns %" PRId64 " to %" PRId64 " of %" PRId64 ")", k.from - HEAD_COLUMNS,
                       k.to - HEAD_COLUMNS - 1, g->columns - HEAD_COLUMNS);
        buf_char(b, '\n');
        if (k.to == k.from) k.to = HEAD_COLUMNS;
        put_block(b, g, k, o->unicode ? &heavy_head : &ascii);
        if (k.to >= g->columns) break;
        buf_char(b, '\n');
        from = k.to;
    }
    buf_printf(b, "%s\n", report_legend(a, t, o->unicode));
}

static void put_plain(Arena *a, Buf *b, const Grid *g, const Table *t)
{
    put_heading(a, b, t->heading, g->o);
    buf_char(b, '\n');
    for (int64_t row = 0; row < g->rows; row++)
        for (int64_t c = 0; c < g->columns; c++) {
            const Cell *x = &g->cell[row * g->columns + c];
            buf_str(b, (Str){g->text.s + x->at, x->n});
            buf_char(b, c + 1 < g->columns ? '\t' : '\n');
        }
}

static void put_table(Arena *a, Buf *b, const Sequence *s, const Table *t, const ReportOptions *o)
{
    Grid g = make_grid(a, s, t, o);
    if (!t->n_columns) buf_str(b, STR_LIT("(no token was attributed)\n"));
    if (o->plain) put_plain(a, b, &g, t);
    else put_boxed(a, b, &g, t);
}

static void put_sequence(Arena *a, Buf *b, const Attribution *t, const Sequence *s, const ReportOptions *o)
{
    Table tables[2];
    Figures faithful;
    int n = report_tables(s, tables);
    if (!n) buf_str(b, STR_LIT("(no scores)\n"));
    for (int i = 0; i < n; i++) {
        if (i) buf_char(b, '\n');
        put_table(a, b, s, &tables[i], o);
    }
    if (report_faithfulness(a, t, s, 1, &faithful)) buf_char(b, '\n'), figures_text(a, &faithful, o, b);
}

static void put_comparisons(Arena *a, Buf *b, const Attribution *t, const ReportOptions *o)
{
    Arena *scratch = arena_create(a);
    Comparison *c;
    size_t n = report_compare(scratch, t, &c);
    for (size_t i = 0; i < n; i++) buf_char(b, '\n'), put_table(scratch, b, &c[i].sequence, &c[i].table, o);
    n = report_pictures(scratch, t, &c);
    for (size_t i = 0; i < n; i++) {
        if (i || (t->n && !o->no_heatmaps)) buf_char(b, '\n');
        put_table(scratch, b, &c[i].sequence, &c[i].table, o);
    }
    arena_free(scratch);
}

static bool write_terminal(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    if (!report_two_dimensional(t, e)) return false;
    ReportOptions plain = *o;
    if (o->plain) plain.color = COLOR_NONE;
    if (o->title) {
        put_heading(a, out, str_of(o->title), &plain);
        buf_str(out, STR_LIT("\n\n"));
    }
    bool several_texts = report_several_texts(t);
    for (size_t i = 0; i < t->n && !o->no_heatmaps; i++) {
        Arena *scratch = arena_create(a);
        if (i) buf_char(out, '\n');
        if (t->n > 1 || report_has_id(&t->sequence[i])) {
            Buf b = {.arena = scratch};
            report_heading(&b, &t->sequence[i], i, several_texts);
            put_heading(scratch, out, buf_view(&b), &plain);
            buf_char(out, '\n');
        }
        put_sequence(scratch, out, t, &t->sequence[i], &plain);
        arena_free(scratch);
    }
    put_comparisons(a, out, t, &plain);
    for (size_t i = 0; i < t->n_figures; i++) {
        if (i || !o->no_heatmaps) buf_char(out, '\n');
        figures_text(a, &t->figures[i], &plain, out);
    }
    return true;
}

const Report report_terminal = {
    .name = "terminal",
    .extension = NULL,
    .summary = "heat maps as coloured text",
    .aggregated = true,
    .write = write_terminal,
};
