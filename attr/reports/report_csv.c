// SPDX-License-Identifier: Apache-2.0
// report_csv.c — long ("tidy") form: one number a row, for pandas, R and spreadsheets to pivot.
// The columns are in `layout`, at the end of this file.
//
// RFC 4180 with LF. A prefix token that did not exist yet at a step has no row. Tokens are written as they are (only
// invalid UTF-8 and NUL become U+FFFD): this is data, not for a terminal. One thing excepted: what a spreadsheet would run
// as a formula, a text that begins with = + - @ TAB or CR and is no number, gets an apostrophe before it.
#include "../results/result.h"
#include "report.h"

#include <math.h>
#include <string.h>

static bool is_number(Str s)
{
    size_t i = s.s[0] == '-' || s.s[0] == '+', digits = 0;
    for (bool point = false; i < s.n && ((s.s[i] >= '0' && s.s[i] <= '9') || (s.s[i] == '.' && !point)); i++)
        point |= s.s[i] == '.', digits += s.s[i] != '.';
    return digits && i == s.n;
}

// Their wide forms count as well: some spreadsheets take them for the narrow ones.
static bool is_formula(Str s)
{
    static const char *const first[] = {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        if (str_starts(s, str_of(first[i]))) return !is_number(s);
    return false;
}

void report_csv_field(Buf *b, Str text)
{
    bool quote = text.n && (text.s[0] == ' ' || text.s[text.n - 1] == ' ');
    for (size_t i = 0; i < text.n && !quote; i++) quote = strchr("\",;\r\n\t", text.s[i]) && text.s[i];
    if (quote) buf_char(b, '"');
    if (is_formula(text)) buf_char(b, '\'');
    for (size_t i = 0; i < text.n;) {
        uint32_t c;
        int bad = 1, n = utf8_decode(text.s + i, text.n - i, &c, &bad);
        if (!n || !c) buf_str(b, STR_LIT("\xef\xbf\xbd"));
        else if (c == '"') buf_str(b, STR_LIT("\"\""));
        else buf_put(b, text.s + i, (size_t)n);
        i += (size_t)(n ? n : bad);
    }
    if (quote) buf_char(b, '"');
}

static void put_score(Buf *b, float v, bool is_int)
{
    if (isinf(v)) buf_str(b, v < 0 ? STR_LIT("-inf") : STR_LIT("inf"));
    else if (is_int && fabsf(v) < 9e18f) buf_printf(b, "%" PRId64, (int64_t)v);
    else if (!isnan(v)) buf_float(b, v);
    buf_char(b, '\n');
}

typedef struct Row {
    size_t sequence;
    Str model, method, side, name;
    char separator;
    Str tail; // what stands behind the score: of the row of a data file
} Row;

static void put_start(Buf *b, const Row *r, int64_t index, Str token)
{
    const Str field[] = {r->model, r->method, r->side, r->name};
    buf_printf(b, "%zu", r->sequence);
    for (int k = 0; k < 4; k++) buf_char(b, r->separator), report_csv_field(b, field[k]);
    buf_printf(b, "%c%" PRId64 "%c", r->separator, index, r->separator);
    report_csv_field(b, token);
    buf_char(b, r->separator);
}

static void put_input(Buf *b, const Row *r, int64_t index, Str token)
{
    buf_printf(b, "%" PRId64 "%c", index, r->separator);
    report_csv_field(b, token);
    buf_char(b, r->separator);
}

static void put_tail(Buf *b, const Row *r)
{
    if (!r->tail.n) return;
    b->n--; // the line's end
    buf_str(b, r->tail), buf_char(b, '\n');
}

// The columns that rows of data files add: row and id, then those of their fields, in the order in which they come.
typedef struct Columns {
    Str *name;
    size_t n;
    const Json **row; // [sequences] NULL: none
} Columns;

static const Json *fields_of(const Json *row) { return json_get(row, "fields"); }

static Columns row_columns(Arena *a, const Attribution *t)
{
    Columns c = {.row = arena_new(a, const Json *, t->n)};
    size_t room = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->sequence[i].row.n) c.row[i] = json_parse(a, t->sequence[i].row, "row", NULL);
        const Json *fields = c.row[i] ? fields_of(c.row[i]) : NULL;
        room += fields ? fields->count : 0;
    }
    c.name = arena_new(a, Str, room);
    for (size_t i = 0; i < t->n; i++)
        for (const Json *j = c.row[i] && fields_of(c.row[i]) ? fields_of(c.row[i])->child : NULL; j;
             j = j->next) {
            size_t k = 0;
            while (k < c.n && !str_eq(c.name[k], j->key)) k++;
            if (k == c.n) c.name[c.n++] = j->key;
        }
    return c;
}

static void put_value(Arena *a, Buf *b, const Json *j)
{
    Buf text = {.arena = a};
    if (!j || j->kind == J_NULL) return;
    if (j->kind == J_STRING || j->kind == J_NUMBER) report_csv_field(b, j->text);
    else json_pretty(a, &text, j, COMPACT, true), report_csv_field(b, buf_view(&text));
}

static Str tail_of(Arena *a, const Columns *c, const Json *row, char separator)
{
    Buf b = {.arena = a};
    buf_char(&b, separator), put_value(a, &b, json_get(row, "number"));
    buf_char(&b, separator), put_value(a, &b, json_get(row, "id"));
    for (size_t k = 0; k < c->n; k++)
        buf_char(&b, separator), put_value(a, &b, json_get(fields_of(row), str_zero(a, c->name[k])));
    return buf_view(&b);
}

static void put_block(Buf *b, const Row *r, const Sequence *s, const Scores *x, const Token *input)
{
    for (int64_t c = 0; x->v && c < x->dim[1]; c++)
        for (int64_t i = 0; i < x->dim[0]; i++) {
            float v = x->v[i * x->dim[1] + c];
            int64_t target = s->attr_pos_start + c;
            if (input == s->target && i >= target && isnan(v)) continue; // not there yet
            put_start(b, r, target, s->target[target].text);
            put_input(b, r, i, input[i].text);
            put_score(b, v, false), put_tail(b, r);
        }
}

// Tokens stand in every row of theirs, so a file made to harm could ask for terabytes.
static bool small_enough(const Sequence *s, const Row *row, Err *e)
{
    const uint64_t most = (uint64_t)4 << 30, fixed = 40 + row->model.n + row->method.n + row->tail.n;
    uint64_t bytes = 0, n = (uint64_t)(s->attr_pos_end - s->attr_pos_start);
    const Scores *blocks[] = {&s->source_attributions, &s->target_attributions};
    const Token *tokens[] = {s->source, s->target};
    for (int k = 0; k < 2; k++)
        for (int64_t r = 0; blocks[k]->v && r < blocks[k]->dim[0] && bytes < most; r++)
            bytes += n * (tokens[k][r].text.n + fixed);
    uint64_t rows =
        (uint64_t)((blocks[0]->v ? blocks[0]->dim[0] : 0) + (blocks[1]->v ? blocks[1]->dim[0] : 0)) +
        s->n_step_scores;
    for (int64_t c = s->attr_pos_start; c < s->attr_pos_end && bytes < most; c++)
        bytes += rows * (s->target[c].text.n + fixed);
    return bytes < most ||
           err_set(e, "csv: sequence %zu would take more than 4 GiB; use another format", row->sequence);
}

static void put_picture(Buf *b, Row *r, const Picture *p, bool words)
{
    int64_t n = p->scores.dim[1];
    r->sequence = p->sequence, r->side = STR_LIT("picture"), r->name = str_of(p->title);
    for (int64_t c = 0; c < n; c++)
        for (int64_t i = 0; i < p->scores.dim[0]; i++) {
            if (isnan(p->scores.v[i * n + c])) continue;
            put_start(b, r, c, p->column[c].text);
            put_input(b, r, i, p->row[i].text);
            put_score(b, p->scores.v[i * n + c], false);
            if (!words) continue;
            b->s[b->n - 1] = r->separator; // instead of the line's end
            if (p->cell) report_csv_field(b, p->cell[i * n + c]);
            buf_char(b, '\n');
        }
}

bool report_long_form(Arena *a, const Attribution *t, char separator, Buf *out, Err *e)
{
    if (!report_two_dimensional(t, e)) return false;
    const char *method = attr_info(a, t, "attribution_method");
    bool words = !t->n && t->n_pictures;
    const char *columns =
        "sequence,model,method,side,name,target_index,target_token,input_index,input_token,score";
    for (const char *c = columns; *c; c++) buf_char(out, *c == ',' ? separator : *c);
    if (words) buf_printf(out, "%cword", separator);
    bool rows = false;
    for (size_t i = 0; i < t->n; i++) rows |= t->sequence[i].row.n > 0;
    Columns more = rows ? row_columns(a, t) : (Columns){0};
    if (rows) buf_printf(out, "%crow%cid", separator, separator);
    for (size_t k = 0; k < more.n; k++) buf_char(out, separator), report_csv_field(out, more.name[k]);
    buf_char(out, '\n');
    for (size_t i = 0; i < t->n; i++) {
        const Sequence *s = &t->sequence[i];
        bool numbered =
            s->text > 0 && !s->title && !s->method; // as the texts were given: some may have failed
        Row r = {numbered ? (size_t)s->text - 1 : i,
                 report_model(a, t, s),
                 str_of(s->method ? s->method
                        : method  ? method
                                  : ""),
                 STR_LIT("source"),
                 STR_LIT("attribution"),
                 separator,
                 (Str){0}};
        if (rows) r.tail = tail_of(a, &more, more.row[i], separator);
        if (!small_enough(s, &r, e)) return false;
        put_block(out, &r, s, &s->source_attributions, s->source);
        r.side = STR_LIT("target");
        put_block(out, &r, s, &s->target_attributions, s->target);
        r.side = STR_LIT("step");
        for (size_t k = 0; k < s->n_step_scores; k++) {
            const NamedScores *x = &s->step_scores[k];
            r.name = x->name;
            for (int64_t c = 0; c < x->scores.dim[0]; c++) {
                put_start(out, &r, s->attr_pos_start + c, s->target[s->attr_pos_start + c].text);
                buf_char(out, separator), buf_char(out, separator);
                put_score(out, x->scores.v[c], x->is_int), put_tail(out, &r);
            }
        }
    }
    const char *model = attr_info(a, t, "model_name");
    Row r = {
        .model = str_of(model ? model : ""), .method = str_of(method ? method : ""), .separator = separator};
    for (size_t i = 0; i < t->n_pictures; i++) put_picture(out, &r, &t->pictures[i], words);
    return true;
}

static bool write_csv(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    (void)o;
    return report_long_form(a, t, ',', out, e);
}

const Report report_csv = {
    .name = "csv",
    .extension = ".csv",
    .summary = "one number a row (long form), for pandas, R and spreadsheets",
    .layout = "sequence      0, 1, ...\n"
              "model         the model, empty if the result does not say\n"
              "method        attribution method, the same\n"
              "side          source, target (the prefix) or step\n"
              "name          attribution, or the name of the step score\n"
              "target_index  position of the generated token; the start token is 0\n"
              "target_token  its text\n"
              "input_index   position of the attributed token in source or target; of step\n"
              "              scores empty\n"
              "input_token   its text; the same\n"
              "score         empty: no number\n"
              "\n"
              "Pictures (tokens by layers, a lens) are rows of side picture: name is the\n"
              "picture's title, input its row, target its column; what has nothing else has one\n"
              "column more, word: what stands in the cell. Rows of data files add row (its\n"
              "number), id, and its other columns. RFC 4180 with LF. A text that a spreadsheet\n"
              "would run as a formula has an apostrophe before it.\n",
    .aggregated = true,
    .write = write_csv,
};
