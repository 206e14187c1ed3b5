// SPDX-License-Identifier: Apache-2.0
// sheets.c — everything that formats of figures draw, in order, as one list of tables; wide ones cut into columns.
#include "report.h"

#include <string.h>

// ------------------------------------------------------------------------------------------ columns

static int cell_width(Arena *scratch, const Table *t, const Sequence *s, int64_t c)
{
    enum { NUMBER = 6 }; // -0.123
    int width = NUMBER;
    Buf number = {.arena = scratch};
    int token = report_width(report_short(scratch, t->column[c].text));
    width = token > width ? token : width;
    for (int64_t i = 0; t->cell && i < t->n_rows; i++) {
        int word = report_width(report_short(scratch, t->cell[i * t->n_columns + c]));
        width = word > width ? word : width;
    }
    for (size_t k = 0; k < s->n_step_scores; k++) {
        number.n = 0;
        report_step(&number, &s->step_scores[k], c);
        width = (int)number.n > width ? (int)number.n : width;
    }
    return width;
}

static int names_width(Arena *scratch, const Sequence *s, const Table *t)
{
    int width = 0, own;
    for (int64_t i = 0; i < t->n_rows; i++)
        if ((own = report_width(report_short(scratch, t->row[i].text))) > width) width = own;
    for (size_t k = 0; k < s->n_step_scores; k++)
        if ((own = report_width(report_short(scratch, s->step_scores[k].name))) > width) width = own;
    return width;
}

int64_t report_block(Arena *a, const Sequence *s, const Table *t, int64_t from, int width)
{
    enum { EDGES = 3, NUMBERS = 4 };
    if (width <= 0) return t->n_columns;
    Arena *scratch = arena_create(a);
    int64_t to = from, taken = NUMBERS + EDGES + names_width(scratch, s, t) + EDGES;
    for (; to < t->n_columns; to++) {
        taken += cell_width(scratch, t, s, to) + EDGES;
        if (to > from && taken > width) break;
    }
    arena_free(scratch);
    return to;
}

static Scores columns_of(Arena *a, const Scores *x, int64_t from, int64_t to)
{
    if (!x->v) return *x;
    Scores y = scores_new(a, 2, (int64_t[]){x->dim[0], to - from});
    for (int64_t i = 0; i < x->dim[0]; i++)
        memcpy(y.v + i * (to - from), x->v + i * x->dim[1] + from, (size_t)(to - from) * sizeof(float));
    return y;
}

void report_columns(Arena *a, const Sequence *s, const Table *t, int64_t from, int64_t to, Sequence *s_out,
                    Table *out)
{
    int64_t n = to - from;
    *s_out = *s, *out = *t;
    if (!from && to == t->n_columns) return;
    NamedScores *steps = arena_new(a, NamedScores, s->n_step_scores);
    for (size_t k = 0; k < s->n_step_scores; k++) {
        const NamedScores *x = &s->step_scores[k];
        steps[k] = (NamedScores){x->name, x->is_int, {.rank = 1, .dim = {n}, .v = x->scores.v + from}};
    }
    s_out->step_scores = steps;
    Scores *scores = arena_new(a, Scores, 1);
    if (t->scores) *scores = columns_of(a, t->scores, from, to);
    Str *cell = t->cell ? arena_new(a, Str, t->n_rows * n) : NULL;
    for (int64_t i = 0; cell && i < t->n_rows * n; i++)
        cell[i] = t->cell[i / n * t->n_columns + from + i % n];
    out->scores = scores, out->cell = cell;
    out->column = t->column + from, out->n_columns = n, out->first = t->first + from;
}

const char *report_part(Arena *a, const Table *t, int64_t columns)
{
    if (t->n_columns == columns) return "";
    if (t->n_columns == 1) return arena_printf(a, " (column %" PRId64 " of %" PRId64 ")", t->first, columns);
    return arena_printf(a, " (columns %" PRId64 " to %" PRId64 " of %" PRId64 ")", t->first,
                        t->first + t->n_columns - 1, columns);
}

// ------------------------------------------------------------------------------------------ the list

typedef struct List {
    Arena *a;
    const ReportOptions *o;
    Sheet *v;
    size_t n, room;
} List;

static Sheet *add_sheet(List *l)
{
    if (l->n == l->room) {
        Sheet *more = arena_new(l->a, Sheet, l->room = l->room ? 2 * l->room : 8);
        if (l->n) memcpy(more, l->v, l->n * sizeof *more);
        l->v = more;
    }
    return &l->v[l->n++];
}

static void add_table(List *l, Str section, const Sequence *s, const Table *t, Range range)
{
    for (int64_t from = 0, to; from < t->n_columns; from = to) {
        Sheet *x = add_sheet(l);
        to = report_block(l->a, s, t, from, l->o->width);
        *x = (Sheet){
            .section = from ? (Str){"", 0} : section, .s = s, .columns = t->n_columns, .range = range};
        report_columns(l->a, s, t, from, to, &x->part, &x->table);
    }
}

static void add_sequence(List *l, const Attribution *t, size_t i, bool several_texts)
{
    const Sequence *s = &t->sequence[i];
    Buf heading = {.arena = l->a};
    Table *tables = arena_new(l->a, Table, 2);
    int n = report_tables(s, tables);
    if (t->n > 1 || s->title || s->method || report_has_id(s)) report_heading(&heading, s, i, several_texts);
    if (!n || !tables[0].n_columns)
        *add_sheet(l) = (Sheet){.section = buf_view(&heading),
                                .s = s,
                                .nothing = n ? "No token was attributed." : "There are no scores."};
    else
        for (int k = 0; k < n; k++)
            add_table(l, k ? (Str){"", 0} : buf_view(&heading), s, &tables[k], report_range(s, l->o));
}

size_t report_sheets(Arena *a, const Attribution *t, const ReportOptions *o, Sheet **out)
{
    List l = {.a = a, .o = o};
    Comparison *c;
    bool several_texts = report_several_texts(t);
    for (size_t i = 0; i < t->n; i++) add_sequence(&l, t, i, several_texts);
    size_t n = report_compare(a, t, &c);
    for (size_t i = 0; i < n; i++)
        add_table(&l, i ? (Str){"", 0} : STR_LIT("Models compared"), &c[i].sequence, &c[i].table, (Range){0});
    n = report_pictures(a, t, &c);
    for (size_t i = 0; i < n; i++)
        add_table(&l, (Str){"", 0}, &c[i].sequence, &c[i].table, report_range(&c[i].sequence, o));
    return *out = l.v, l.n;
}
