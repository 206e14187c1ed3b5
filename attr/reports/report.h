// SPDX-License-Identifier: Apache-2.0
// report.h — what the report formats share: which tables there are, how numbers, tokens and colours look.
// Private to attr/; written in report_text.c.
#pragma once
#include "../results/aggregate.h"
#include "../results/measures.h"

// One heat map of a sequence: Inseq's "Source Saliency Heatmap" or "Target Saliency Heatmap".
typedef struct Table {
    Str heading;          // as it was given: not yet made visible
    const char *down;     // what the rows are: "Attributed tokens"
    const Scores *scores; // [n_rows, n_columns]; v NULL: only step scores are shown
    const Token *row;     // attributed tokens
    const Token *column;  // generated tokens
    int64_t n_rows, n_columns;
    const Str *cell;    // [n_rows, n_columns] words instead of numbers; NULL: numbers
    const char *across; // what the columns are; NULL: "Generated tokens"
    int64_t first;      // the number of its first column, where it is a part of a wider table
} Table;

// The tables of a sequence, 0 to 2: source scores; target scores, or step scores alone.
int report_tables(const Sequence *s, Table out[2]);
// "0th instance:"; where several models or methods ran "NAME:", or with several texts "0th instance, NAME:". Not yet made
// visible.
void report_heading(Buf *b, const Sequence *s, size_t i, bool several_texts);
// What a row of a data file says besides its texts, its id first: key and value, n of them. On the arena.
typedef struct RowFact {
    Str key, value;
} RowFact;
size_t report_row_facts(Arena *a, const Sequence *s, const RowFact **out);
bool report_has_id(const Sequence *s); // then it has a heading even where it is alone
// The model of a sequence: where several ran its title, else what the result's info says; empty if that is nothing.
Str report_model(Arena *a, const Attribution *t, const Sequence *s);
bool report_two_dimensional(const Attribution *t, Err *e); // else says what to do

// The colour scale of a sequence: from the options, or symmetric about 0 by the largest absolute score.
typedef struct Range {
    double min, max;
    const ReportOptions *o; // that it was made by: how its numbers look; NULL where there are none
} Range;

// A table that is to be drawn, with what stands below it: of a sequence, of a comparison of models, or a picture; in the order
// in which all formats show them. Tables wider than o->width characters are cut into blocks of columns, a sheet each.
typedef struct Sheet {
    Str section; // stands before it: which sequence begins here, or "Models compared"; empty: none
    const Sequence *s;
    Sequence part; // s, of a block of columns
    Table table;
    int64_t columns; // of the whole table
    Range range;
    const char *nothing; // why there is no table; NULL: there is one
} Sheet;
size_t report_sheets(Arena *a, const Attribution *t, const ReportOptions *o, Sheet **out);
// " (columns 3 to 5 of 9)" where a sheet is a part, else empty.
const char *report_part(Arena *a, const Table *t, int64_t columns);
// A table's next block of columns, from column `from` on: where it ends. Of width characters; 0: any.
int64_t report_block(Arena *a, const Sequence *s, const Table *t, int64_t from, int width);
// A table's columns [from, to), and the sequence's step scores of them.
void report_columns(Arena *a, const Sequence *s, const Table *t, int64_t from, int64_t to, Sequence *s_out,
                    Table *out);

// The step scores of several models side by side (compare.c): drawn as a table of step scores only.
typedef struct Comparison {
    Sequence sequence; // step scores named after the models
    Table table;
} Comparison;
// One or more tables for each text that several models have, and each step score; none with a single model.
size_t report_compare(Arena *a, const Attribution *t, Comparison **out);
// Every picture as such a table, headed by its title and, where there are several, its text.
size_t report_pictures(Arena *a, const Attribution *t, Comparison **out);
bool report_several_texts(const Attribution *t); // where several models or methods ran

// How faithful the scores of these sequences are, over all their steps: a row for each method or model, then one for the
// random order. False if that was not measured.
bool report_faithfulness(Arena *a, const Attribution *t, const Sequence *s, size_t n, Figures *out);
void figures_text(Arena *a, const Figures *f, const ReportOptions *o, Buf *out);
void figures_html(Arena *a, const Figures *f, Buf *out);
void curves_html(const Evaluation *x, Buf *out); // deletion and insertion as two drawings (curves.c)

Range report_range(const Sequence *s, const ReportOptions *o);
double report_heat(Range r,
                   float v); // -1 (coldest) .. 0 .. 1 (hottest); NaN: no colour (no value, or all zero)
// On a white page, text on this heat's colour is white rather than black: red (178,24,43) and blue (33,102,172) are laid
// over the page, the heat's size being the opacity, and the contrast is then never below 4.58.
bool report_white(double heat);

// A token as text that cannot do anything: controls as pictures (␛), other invisible, directional or unassigned
// characters as \u{202E}, invalid bytes as U+FFFD, a combining mark with nothing before it on ◌. unicode false: only
// printable ASCII, with _ for the word marks ▁ and Ġ.
void report_visible(Buf *b, Str text, bool unicode);
int report_width(Str visible); // columns it takes on a terminal
Str report_cut(Arena *a, Str visible, int most,
               bool unicode);            // at most that many columns, … at its end if cut
Str report_short(Arena *a, Str text);    // visible and cut to 40 columns: stands in every tooltip of its row
void report_escape(Buf *b, Str visible); // the five characters of HTML and XML as entities
void report_csv_field(Buf *b, Str text); // quoted where that is needed, formulas made harmless
// A list of texts in the result's info ("input_texts"), if it has one for each sequence: where it begins, and the next.
const Json *report_info_texts(Arena *a, const Attribution *t, const char *key);
bool report_next_text(const Json **at, Str *out);

// As Python's round(v, digits) prints, 0 <= digits <= 3: 0.1, -0.0, 12.0; nan, inf.
void report_rounded(Buf *b, float v, int digits);
// A score as o wants it: its decimals (else so many), in percent. A step score: as report_step or, in the terminal, fixed.
void report_score(Buf *b, float v, const ReportOptions *o, int decimals); // o NULL: neither
bool report_step_score(Buf *b, const NamedScores *x, int64_t c, const ReportOptions *o);
void report_fixed2(Buf *b, float v);                       // as Python's f"{v:.2f}": 0.10
bool report_step(Buf *b, const NamedScores *x, int64_t c); // with 3 digits; true from 0.5 on: shown bold
void report_ordinal(Buf *b, size_t i);                     // 0th, 1st, 2nd, 3rd, 4th, ... 11th

// How a result was made, as --provenance had it noted: the JSON object, and lines for a person, none of which can do anything
// (report_visible). Empty, and none: it is not known.
Str report_provenance(const Attribution *t);
size_t report_made_by(Arena *a, const Attribution *t, const Str **line);
size_t report_made_lines(Arena *a, const Json *made, const Str **line); // the same of the object (NULL: none)
void report_made_foot(Buf *out, const Str *line, size_t n);             // of a page

// What report_csv.c and report_json.c write, for their kin: rows whose fields a character separates; the i-th sequence (or,
// counted on, picture) on one line.
bool report_long_form(Arena *a, const Attribution *t, char separator, Buf *out, Err *e);
void report_json_line(Arena *a, const Attribution *t, size_t i, Buf *out);

// "→ : Generated tokens, ↓ : Attributed tokens"; in ASCII where not unicode.
const char *report_legend(Arena *a, const Table *t, bool unicode);

// What makes a page live (page.c): its script, the styles of what the script draws, and the numbers it reads as elements that
// do nothing by themselves. A page is one chapter, or several. page_hash: how a content policy names what it allows.
Str page_script(void), page_style(void);
Str page_base_style(void); // of all pages, with script or without (report_html.c)
void page_data(Arena *a, const Chapter *chapter, size_t n, const ReportOptions *o, Buf *out);
void page_hash(Buf *b, Str content);
