// SPDX-License-Identifier: Apache-2.0
// t_report.c — terminal, CSV and flat JSON: the library's words and digits, and nothing but text and our colours.
#include "../attr/reports/report.h"
#include "hostile_tokens.h"
#include "same.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

static const ReportOptions WIDE = {.unicode = true, .width = 200, .min_val = NAN, .max_val = NAN};

static Str report(Arena *A, const char *name, const Attribution *t, const ReportOptions *o)
{
    Buf b = {.arena = A};
    Err e = {0};
    const Report *r = attr_report(name);
    if (!r || !r->write(A, t, o, &b, &e)) FAIL("%s: %s", name, e.text);
    return buf_view(&b);
}

// rows x columns of scores (NULL: 0, 0.1, 0.2, ...), both sides, with one step score.
static Attribution table(Arena *A, const Str *tokens, int64_t rows, int64_t columns, const float *scores)
{
    Sequence *s = arena_new(A, Sequence, 1);
    *s = (Sequence){.n_source = rows,
                    .n_target = columns,
                    .attr_pos_end = columns,
                    .kind = OUT_COARSE,
                    .n_step_scores = 1};
    s->source = arena_new(A, Token, rows + 1);
    s->target = arena_new(A, Token, columns + 1);
    for (int64_t i = 0; i < rows; i++) s->source[i].text = tokens[i % N_HOSTILE];
    for (int64_t i = 0; i < columns; i++) s->target[i].text = tokens[i % N_HOSTILE];
    s->source_attributions = scores_new(A, 2, (int64_t[]){rows, columns});
    for (int64_t i = 0; i < rows * columns; i++)
        s->source_attributions.v[i] = scores ? scores[i] : (float)(i % 11) * 0.1f;
    s->step_scores = arena_new(A, NamedScores, 1);
    s->step_scores[0] = (NamedScores){.name = STR_LIT("p"), .scores = scores_new(A, 1, &columns)};
    return (Attribution){.sequence = s, .n = 1};
}

// ------------------------------------------------------------------------------------------ the library's own output

// The next line that is not empty; false at the end.
static bool next_line(Str *text, Str *line)
{
    do {
        if (!text->n) return false;
        const char *end = memchr(text->s, '\n', text->n);
        line->s = text->s;
        line->n = end ? (size_t)(end - text->s) : text->n;
        size_t skip = line->n + (end != NULL);
        text->s += skip, text->n -= skip;
    } while (!line->n);
    return true;
}

TEST(report_terminal_golden)
{
    static const char *const cells[] = {"cell2",      "cell3",       "cell4",      "cell4-wrong-sum",
                                        "cell6-base", "cell6-large", "cell6-small"};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        Attribution x, y;
        Err e = {0};
        if (!golden_attribution(A, arena_printf(A, "notebook/%s.json", cells[i]), &x)) continue;
        CHECK(attr_aggregate_default(A, &x, &y, &e));
        Str got = report(A, "terminal", &y, &WIDE),
            want = golden_text(A, arena_printf(A, "notebook/%s.txt", cells[i]));
        Str g, w;
        int n = 0;
        while (next_line(&want, &w)) {
            n++;
            if (!next_line(&got, &g)) g = (Str){"", 0};
            CHECK_STR(g, w);
        }
        CHECK(n > 10 && !next_line(&got, &g));
    }
}

// ------------------------------------------------------------------------------------------ numbers

TEST(report_numbers_as_python)
{
    const struct {
        float v;
        int digits;
        const char *want;
    } cases[] = {
        {0.05f, 3, "0.05"},
        {0.1f, 2, "0.1"},
        {-0.0004f, 3, "-0.0"},
        {0, 2, "0.0"},
        {1, 3, "1.0"},
        {0.0005f, 3, "0.001"},
        {0.0625f, 3, "0.062"},
        {0.1875f, 3, "0.188"},
        {0.125f, 2, "0.12"},
        {0.375f, 2, "0.38"},
        {406, 3, "406.0"},
        {16777216, 3, "16777216.0"},
        {1e15f, 2, "999999986991104.0"},
        {NAN, 3, "nan"},
        {INFINITY, 2, "inf"},
        {-INFINITY, 2, "-inf"},
        {0.9996f, 3, "1.0"},
        {-12.3456f, 1, "-12.3"},
        {2.5f, 0, "2.0"},
        {1e-45f, 3, "0.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Buf b = {.arena = A};
        report_rounded(&b, cases[i].v, cases[i].digits);
        CHECK_STR(buf_view(&b), str_of(cases[i].want));
    }
    Buf got = {.arena = A};
    uint32_t bits = 1;
    for (int i = 0; i < 200000; i++) { // printf rounds exact decimals half to even, as Python does
        bits = bits * 1664525 + 1013904223;
        float v = (float)(int32_t)bits / (float)(1u << (i % 31));
        char want[60];
        got.n = 0;
        report_fixed2(&got, v);
        snprintf(want, sizeof want, "%.2f", (double)v);
        if (strcmp(got.s, want)) {
            FAIL("%a: %s, want %s", (double)v, got.s, want);
            break;
        }
        got.n = 0;
        report_rounded(&got, v, 3);
        int n = snprintf(want, sizeof want, "%.3f", (double)v);
        while (want[n - 1] == '0' && want[n - 2] != '.') want[--n] = 0;
        if (strcmp(got.s, want)) {
            FAIL("%a: %s, want %s", (double)v, got.s, want);
            break;
        }
    }
    test_count(400000);
}

TEST(report_ordinals)
{
    const struct {
        size_t i;
        const char *want;
    } cases[] = {{0, "0th"},   {1, "1st"},   {2, "2nd"},   {3, "3rd"},     {4, "4th"},    {11, "11th"},
                 {12, "12th"}, {13, "13th"}, {21, "21st"}, {112, "112th"}, {123, "123rd"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Buf b = {.arena = A};
        report_ordinal(&b, cases[i].i);
        CHECK_STR(buf_view(&b), str_of(cases[i].want));
    }
}

// ------------------------------------------------------------------------------------------ what may leave

// A character that is text: drawn, of known direction effect, assigned. Written independently of report_text.c.
static bool harmless(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x61C || c == 0xFEFF) return false;
    if ((c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F))
        return false;
    if (c >= 0xE0000 && c <= 0xE0FFF) return false;
    const char *category = utf8proc_category_string((utf8proc_int32_t)c);
    return category[0] != 'C' && strcmp(category, "Zl") && strcmp(category, "Zp");
}

// ^(text | ESC [ digits and semicolons m)*$ in valid UTF-8, lines ended by \n.
static bool only_text_and_colors(Str s, const char *what, bool colors)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t c;
        int n = utf8_decode(s.s + i, s.n - i, &c, NULL);
        if (n && c == 0x1B && colors && i + 2 < s.n && s.s[i + 1] == '[') {
            size_t k = i + 2;
            while (k < s.n && k < i + 40 && (s.s[k] == ';' || (s.s[k] >= '0' && s.s[k] <= '9'))) k++;
            if (k < s.n && s.s[k] == 'm') {
                i = k + 1;
                continue;
            }
        }
        if (!n || (c != '\n' && !harmless(c))) {
            FAIL("%s: U+%04X at %zu", what, c, i);
            return false;
        }
        i += (size_t)n;
    }
    test_count((long)s.n);
    return true;
}

// Columns that a terminal would give a line, colours left out.
static int line_width(Str line)
{
    int width = 0;
    for (size_t i = 0; i < line.n;) {
        uint32_t c;
        int n = utf8_decode(line.s + i, line.n - i, &c, NULL);
        i += (size_t)(n ? n : 1);
        if (c == 0x1B) {
            while (i < line.n && line.s[i] != 'm') i++;
            i++;
        } else width += utf8proc_charwidth((utf8proc_int32_t)c);
    }
    return width;
}

// All lines of a table end in the same column: no character is wider or narrower than we think.
static void check_aligned(Str text, const char *what)
{
    Str line;
    int width = -1;
    while (next_line(&text, &line)) {
        bool border = str_starts(line, STR_LIT("\xe2\x94")) || str_starts(line, STR_LIT("|")) ||
                      str_starts(line, STR_LIT("+"));
        if (str_starts(line, STR_LIT("\xe2\x94\x8f"))) width = line_width(line); // ┏ opens a table
        if (border && width >= 0 && line_width(line) != width) {
            FAIL("%s: a line of %d columns in a table of %d: %.*s", what, line_width(line), width,
                 (int)line.n, line.s);
            return;
        }
        test_count(1);
    }
}

TEST(report_terminal_hostile_tokens)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 4, NULL);
    CHECK(N_HOSTILE >= 200);
    for (int color = COLOR_NONE; color <= COLOR_TRUE; color++)
        for (int form = 0; form < 3; form++) {
            ReportOptions o = WIDE;
            o.color = (ColorDepth)color, o.plain = form == 1, o.unicode = form != 2,
            o.title = "\x1b]0;owned\x07";
            Str text = report(A, "terminal", &t, &o);
            if (form == 1) { // TAB-separated: the same but for the TABs
                char *s = str_zero(A, text);
                memcpy(s, text.s, text.n);
                for (size_t i = 0; i < text.n; i++)
                    if (s[i] == '\t') s[i] = ' ';
                text.s = s;
                CHECK(!memchr(text.s, 0x1B, text.n));
            }
            only_text_and_colors(text, "hostile tokens", color != COLOR_NONE);
            if (form == 0) check_aligned(text, "hostile tokens");
            for (size_t i = 0; form == 2 && i < text.n; i++)
                if ((uint8_t)text.s[i] >= 0x80) {
                    FAIL("ASCII mode wrote byte %02x", (uint8_t)text.s[i]);
                    break;
                }
        }
}

// All 1,112,064 characters, each alone; and of 512 to a token in tables.
TEST(report_terminal_every_character)
{
    Arena *a = arena_create(A);
    Buf text = {.arena = a}, visible = {.arena = a};
    for (uint32_t from = 0; from < 0x110000; from += 512) {
        text.n = visible.n = 0;
        for (uint32_t c = from; c < from + 512; c++) {
            char s[4];
            if (c >= 0xD800 && c < 0xE000) continue;
            Str one = {s, (size_t)utf8_encode(c, s)};
            buf_str(&text, one);
            size_t at = visible.n;
            report_visible(&visible, one, true);
            Str v = {visible.s + at, visible.n - at};
            if (report_width(v) < 1 || report_width(v) > 10 || report_width(v) != line_width(v))
                FAIL("U+%04X takes %d columns, shown as %.*s", c, report_width(v), (int)v.n, v.s);
        }
        only_text_and_colors(buf_view(&visible), "each alone", false);
        if (!text.n || from / 512 % 16) continue; // in tables, which are slower: every 16th block
        Str tokens[N_HOSTILE];
        for (int i = 0; i < N_HOSTILE; i++) tokens[i] = buf_view(&text);
        Arena *b = arena_create(a);
        Attribution t = table(b, tokens, 1, 1, NULL);
        ReportOptions o = WIDE;
        o.width = 0, o.color = COLOR_TRUE;
        Str out = report(b, "terminal", &t, &o);
        only_text_and_colors(out, "all in one", true);
        check_aligned(out, "all in one");
        arena_free(b);
    }
}

TEST(report_cut_keeps_width)
{
    for (int i = 0; i < N_HOSTILE; i++)
        for (int unicode = 0; unicode < 2; unicode++)
            for (int most = 3; most < 20; most += 4) {
                Buf b = {.arena = A};
                report_visible(&b, hostile_tokens[i], unicode);
                Str cut = report_cut(A, buf_view(&b), most, unicode);
                CHECK(report_width(cut) <= most);
                if (report_width(buf_view(&b)) <= most) CHECK_STR(cut, buf_view(&b));
            }
}

// ------------------------------------------------------------------------------------------ widths

static const Str words[] = {
    {"\xe2\x96\x81the", 6}, {"\xe4\xbd\xa0\xe5\xa5\xbd", 6}, {"e\xcc\x81", 3}, {"internationalisation", 20}};

// Blocks never exceed the width (unless one column alone does), and together show every column once.
TEST(report_terminal_blocks)
{
    Str tokens[N_HOSTILE];
    for (int i = 0; i < N_HOSTILE; i++) tokens[i] = words[i % 4];
    Attribution t = table(A, tokens, 3, 25, NULL);
    for (int width = 1; width <= 250; width += 3) {
        ReportOptions o = WIDE;
        o.width = width, o.color = width % 2 ? COLOR_256 : COLOR_NONE;
        Str text = report(A, "terminal", &t, &o), line, all = text;
        int blocks = 0, cells = 0;
        while (next_line(&text, &line)) {
            if (str_starts(line, STR_LIT("\xe2\x94\x8f"))) blocks++; // ┏
            if (str_starts(line, STR_LIT("\xe2\x94\x8c")) || line.s[0] != '\xe2') continue;
            int bars = 0;
            for (size_t i = 0; i + 2 < line.n; i++) bars += !memcmp(line.s + i, "\xe2\x94\x82", 3); // │
            if (line_width(line) > width && bars > 4) FAIL("width %d: a line of %d", width, line_width(line));
            cells += bars > 3 ? bars - 3 : 0;
        }
        CHECK_INT(cells, 4 * 25); // three rows of scores and one of step scores
        CHECK(width > 30 || blocks > 1);
        check_aligned(all, "blocks");
    }
}

// ------------------------------------------------------------------------------------------ odd results

TEST(report_odd_results)
{
    const float nothing[6] = {0}, no_numbers[6] = {NAN, NAN, NAN, NAN, NAN, NAN};
    const float huge[6] = {INFINITY, -INFINITY, 3e38f, -3e38f, NAN, 1e-45f};
    const float *scores[] = {nothing, no_numbers, huge};
    ReportOptions o = WIDE;
    o.color = COLOR_TRUE;
    for (int i = 0; i < 3; i++) {
        Attribution t = table(A, words, 2, 3, scores[i]);
        Str text = report(A, "terminal", &t, &o);
        only_text_and_colors(text, "odd", true);
        CHECK((memmem(text.s, text.n, "38;2", 4) != NULL) == (i == 2)); // all zero, all NaN: no colour
        report(A, "html", &t, &o);
        CHECK(report(A, "csv", &t, &o).n > 0 && report(A, "json", &t, &o).n > 0);
    }
    Attribution none = {0};
    CHECK_INT(report(A, "terminal", &none, &o).n, 0);
    report(A, "html", &none, &o), report(A, "csv", &none, &o), report(A, "json", &none, &o);

    Sequence bare = {.kind = OUT_STEPS};
    Attribution t = {.sequence = &bare, .n = 1};
    CHECK_HAS(report(A, "terminal", &t, &o).s, "(no scores)");
    CHECK_HAS(report(A, "html", &t, &o).s, "There are no scores");
    Attribution narrow = table(A, words, 2, 0, NULL);
    CHECK_HAS(report(A, "terminal", &narrow, &o).s, "no token was attributed");
    CHECK_HAS(report(A, "html", &narrow, &o).s, "No token was attributed");
}

TEST(report_refuses_unaggregated)
{
    Attribution x;
    if (!golden_attribution(A, "aggregate/gpt2-tiny-input.json", &x)) return;
    static const char *const names[] = {"terminal", "html", "csv"};
    for (int i = 0; i < 3; i++) {
        Buf b = {.arena = A};
        Err e = {0};
        CHECK(!attr_report(names[i])->write(A, &x, &WIDE, &b, &e));
        CHECK_HAS(e.text, "aggregate them first");
    }
}

TEST(report_registry)
{
    size_t n;
    const Report *const *all = attr_reports(&n);
    CHECK_INT(n, 10);
    for (size_t i = 0; i < n; i++)
        CHECK(attr_report(all[i]->name) == all[i] && all[i]->summary && all[i]->write);
    CHECK(!attr_report("pdf"));
}

// ------------------------------------------------------------------------------------------ CSV

typedef struct Csv {
    Str left;
    Buf field;
} Csv;

// Reads one field by RFC 4180; returns what ended it: ',' or '\n', 0 if malformed.
static char csv_field(Csv *c)
{
    c->field.n = 0;
    buf_str(&c->field, STR_LIT(""));
    bool quoted = c->left.n && *c->left.s == '"';
    size_t i = quoted;
    for (; i < c->left.n; i++) {
        char x = c->left.s[i];
        if (quoted && x == '"') {
            if (i + 1 < c->left.n && c->left.s[i + 1] == '"') i++;
            else {
                quoted = false;
                continue;
            }
        } else if (!quoted && (x == ',' || x == '\n')) break;
        else if (!quoted && (x == '"' || x == '\r')) return 0;
        buf_char(&c->field, x);
    }
    if (i >= c->left.n) return 0;
    char end = c->left.s[i];
    c->left.s += i + 1, c->left.n -= i + 1;
    return end;
}

// Nothing that a spreadsheet would run is left, and numbers stay numbers.
TEST(report_csv_formulas)
{
    static const char *const texts[] = {"=1",  "+1+1", "-a",  "@x", "\tx",  "\r=1",
                                        "＝1", "-",    "--1", "+",  "-1-1", "1.2.3-"};
    static const char *const numbers[] = {"-5", "+5", "-1.5", "+.5", "1.2.3", "5"};
    Token one = {0};
    Attribution t = table(A, (const Str[]){STR_LIT("x")}, 1, 1, NULL);
    t.sequence->source = &one;
    for (size_t i = 0; i < 18; i++) {
        one.text = str_of(i < 12 ? texts[i] : numbers[i - 12]);
        Csv c = {report(A, "csv", &t, &WIDE), {.arena = A}};
        for (int k = 0; k < 19; k++) csv_field(&c);
        if (i == 11 || i >= 12) CHECK_STR(buf_view(&c.field), one.text);
        else CHECK_STR(buf_view(&c.field), str_of(arena_printf(A, "'%s", texts[i])));
    }
}

// A mark after a mark has no end: after thirty the token is cut, as a long one is.
TEST(report_marks)
{
    Buf b = {.arena = A}, visible = {.arena = A};
    for (int i = 0; i < 500000; i++) buf_str(&b, STR_LIT("\xCC\x81"));
    report_visible(&visible, buf_view(&b), true);
    Str cut = report_cut(A, buf_view(&visible), 40, true);
    CHECK(cut.n > 50 && cut.n < 100 && str_ends(cut, STR_LIT("…")));
    CHECK_STR(report_cut(A, STR_LIT("e\xCC\x81\xCC\x81x"), 40, true), STR_LIT("e\xCC\x81\xCC\x81x"));
}

TEST(report_csv_reads_back)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 3, NULL);
    Csv c = {report(A, "csv", &t, &WIDE), {.arena = A}};
    int64_t rows = 0;
    while (c.left.n) {
        for (int k = 0; k < 10; k++) {
            char end = csv_field(&c);
            if (end != (k < 9 ? ',' : '\n')) {
                FAIL("row %" PRId64 " field %d is malformed", rows, k);
                return;
            }
            int64_t i = rows ? (rows - 1) % N_HOSTILE : 0;
            Str token = hostile_tokens[i];
            if (k == 8 && rows && rows <= 3 * N_HOSTILE && utf8_valid(token, NULL) &&
                !memchr(token.s, 0, token.n)) {
                Str got = buf_view(&c.field); // what would be a formula has an apostrophe before it
                if (token.n && strchr("=+-@\t\r\n", *token.s))
                    CHECK(got.n && *got.s == '\''), got.s++, got.n--;
                CHECK_STR(got, token);
            }
            if (k == 9 && rows && rows <= 3 * N_HOSTILE) {
                float want = t.sequence->source_attributions.v[i * 3 + (rows - 1) / N_HOSTILE];
                CHECK(strtof(c.field.s, NULL) == want);
            }
        }
        rows++;
    }
    CHECK_INT(rows, 1 + 3 * N_HOSTILE + 3);
}

// The prefix that was not there yet has no rows; the numbers are those of the result.
TEST(report_csv_target_side)
{
    Attribution x;
    if (!golden_attribution(A, "notebook/cell3.json", &x)) return;
    const Sequence *s = x.sequence;
    Str text = report(A, "csv", &x, &WIDE), line;
    int64_t target = 0, n = s->attr_pos_end - s->attr_pos_start;
    while (next_line(&text, &line)) target += memmem(line.s, line.n, ",target,", 8) != NULL;
    CHECK_INT(target, n * (n + 1) / 2);
}

// ------------------------------------------------------------------------------------------ flat JSON

TEST(report_json_reads_back)
{
    static const char *const files[] = {"aggregate/gpt2-tiny-attention-input.json", "notebook/cell3.json",
                                        "attribute/marian-steps-top-p.json",
                                        "attribute/t5-value_zeroing-both-forced.raw.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        Attribution x;
        Err e = {0};
        if (!golden_attribution(A, files[i], &x)) continue;
        Str text = report(A, "json", &x, &WIDE);
        CHECK(!memmem(text.s, text.n, "NaN", 3) && !memmem(text.s, text.n, "Infinity", 8));
        const Json *j = json_parse(A, text, "report", &e);
        if (!j) {
            FAIL("%s: %s", files[i], e.text);
            continue;
        }
        CHECK_INT(json_get(j, "schema_version")->i, 1);
        const Json *q = json_get(j, "sequences")->child;
        const Sequence *s = x.sequence;
        CHECK_INT(json_get(q, "target_tokens")->count, s->n_target);
        CHECK_INT(json_get(q, "attr_pos_start")->i, s->attr_pos_start);
        const Json *block =
            json_get(q, s->source_attributions.v ? "source_attributions" : "target_attributions");
        const Scores *want = s->source_attributions.v ? &s->source_attributions : &s->target_attributions;
        CHECK_INT(block->count, want->dim[0]);
        const Json *cell = block; // the first and last numbers, down the first and last child
        for (int k = 0; k < want->rank; k++) cell = cell->child;
        CHECK((float)cell->number == want->v[0]);
        int64_t r = 0;
        for (const Json *row = block->child; row; row = row->next, r++) {
            CHECK_INT(row->count, want->dim[1]);
            cell = row;
            for (int k = 1; k < want->rank; k++) cell = cell->child;
            float v = want->v[r * scores_count(want, 1)];
            CHECK(cell->kind == J_NULL ? isnan(v) : (float)cell->number == v);
        }
        const Json *steps = json_get(q, "step_scores");
        CHECK_INT(steps->count, s->n_step_scores);
    }
}

TEST(report_json_hostile_tokens)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 1, NULL);
    InfoField info[] = {{.key = STR_LIT("x"), .json = STR_LIT("[NaN, -Infinity, 1e5]")}};
    t.info = info, t.n_info = 1;
    Err e = {0};
    Str text = report(A, "json", &t, &WIDE);
    const Json *j = json_parse(A, text, "report", &e);
    if (!j) {
        FAIL("%s", e.text);
        return;
    }
    CHECK_HAS(text.s, "\"x\": [null,null,1e5]");
    int64_t i = 0;
    for (const Json *c = json_get(json_get(j, "sequences")->child, "source_tokens")->child; c;
         c = c->next, i++)
        if (utf8_valid(hostile_tokens[i], NULL)) CHECK_STR(c->text, hostile_tokens[i]);
    CHECK_INT(i, N_HOSTILE);
}

// ------------------------------------------------------------------------------------------ all of them

typedef struct Writing {
    const Report *report;
    const Attribution *t;
} Writing;

static bool write_one(Arena *A, void *context, Err *e)
{
    const Writing *w = context;
    Buf b = {.arena = A};
    ReportOptions o = WIDE;
    o.width = w->report->extension ? 400 : 60, o.color = COLOR_TRUE;
    return w->report->write(A, w->t, &o, &b, e);
}

static void every_fault(Arena *A, const Attribution *t)
{
    size_t n;
    const Report *const *all = attr_reports(&n);
    for (size_t i = 0; i < n; i++) test_every_fault(A, FAULT_ALLOC, write_one, &(Writing){all[i], t});
}

TEST(report_faults)
{
    Attribution t = table(A, hostile_tokens, 20, 20, NULL);
    every_fault(A, &t);
}

TEST(report_same_bytes_again)
{
    Attribution t = table(A, hostile_tokens, N_HOSTILE, 9, NULL);
    size_t n;
    const Report *const *all = attr_reports(&n);
    for (size_t i = 0; i < n; i++) {
        Str once = report(A, all[i]->name, &t, &WIDE), again = report(A, all[i]->name, &t, &WIDE);
        CHECK(once.n == again.n && !memcmp(once.s, again.s, once.n));
    }
}

TEST(report_terminal_several)
{
    Attribution t = table(A, words, 1, 1, NULL);
    Sequence *two = arena_new(A, Sequence, 2);
    two[0] = two[1] = *t.sequence;
    two[1].source_attributions = scores_new(A, 2, (int64_t[]){0, 1}), two[1].n_source = 0;
    t.sequence = two, t.n = 2;
    ReportOptions o = WIDE;
    o.title = "A title";
    Str text = report(A, "terminal", &t, &o);
    CHECK(str_starts(text, STR_LIT("A title\n\n0th instance:\nSource Saliency Heatmap\n")));
    CHECK_HAS(text.s, "\n1st instance:\nSource Saliency Heatmap\n");
    CHECK_HAS(report(A, "json", &t, &o).s, "\"source_attributions\": [],");
    CHECK_HAS(report(A, "html", &t, &o).s, "<h1>A title</h1>");
}

// ------------------------------------------------------------------------------------------ several models

// texts x models, each with the source "a b", the target "<s> x y" and two step scores; models[m] NULL: no title.
static Attribution several(Arena *A, int64_t texts, const char *const *models, int64_t n)
{
    static const Str words_in[] = {{"a", 1}, {"b", 1}}, words_out[] = {{"<s>", 3}, {"x", 1}, {"y", 1}};
    Sequence *s = arena_new(A, Sequence, texts * n);
    for (int64_t i = 0; i < texts * n; i++) {
        s[i] = (Sequence){.n_source = 2,
                          .n_target = 3,
                          .attr_pos_start = 1,
                          .attr_pos_end = 3,
                          .kind = OUT_COARSE,
                          .title = models[i / texts],
                          .text = models[i / texts] ? i % texts + 1 : 0};
        s[i].source = arena_new(A, Token, 2), s[i].target = arena_new(A, Token, 3);
        for (int k = 0; k < 2; k++) s[i].source[k].text = words_in[k];
        for (int k = 0; k < 3; k++) s[i].target[k].text = words_out[k];
        s[i].source_attributions = scores_new(A, 2, (int64_t[]){2, 2});
        s[i].step_scores = arena_new(A, NamedScores, 2), s[i].n_step_scores = 2;
        s[i].step_scores[0] =
            (NamedScores){.name = STR_LIT("probability"), .scores = scores_new(A, 1, (int64_t[]){2})};
        s[i].step_scores[1] = (NamedScores){
            .name = STR_LIT("rank"), .is_int = true, .scores = scores_new(A, 1, (int64_t[]){2})};
        for (int k = 0; k < 2; k++) {
            s[i].step_scores[0].scores.v[k] = 0.125f * (float)(i + 1) - 0.0625f * (float)k;
            s[i].step_scores[1].scores.v[k] = (float)(10 * i + k);
        }
    }
    return (Attribution){.sequence = s, .n = (size_t)(texts * n)};
}

TEST(report_models_side_by_side)
{
    static const char *const models[] = {"m/small", "m/base", "m/large"};
    Attribution t = several(A, 1, models, 3);
    t.sequence[2].target[2].text = STR_LIT("z"); // the large one wrote something else
    Str text = report(A, "terminal", &t, &WIDE);
    CHECK(str_starts(text, STR_LIT("m/small:\nSource Saliency Heatmap\n")));
    CHECK_HAS(text.s, "\nm/large:\nSource Saliency Heatmap\n");
    CHECK_HAS(text.s, "\n\nprobability by model\n"
                      "┏━━┳━━━━━━━┳━━━━━━┳━━━━━━┓\n┃  ┃       ┃  0   ┃  1   ┃\n┃  ┃       ┃  x   ┃  y   ┃\n"
                      "┡━━╇━━━━━━━╇━━━━━━╇━━━━━━┩\n│  │ small │ 0.12 │ 0.06 │\n├──┼───────┼──────┼──────┤\n"
                      "│  │  base │ 0.25 │ 0.19 │\n└──┴───────┴──────┴──────┘\n"
                      "→ : Generated tokens, ↓ : Models\n\nprobability by model\n"
                      "┏━━┳━━━━━━━┳━━━━━━┳━━━━━━┓\n┃  ┃       ┃  0   ┃  1   ┃\n┃  ┃       ┃  x   ┃  z   ┃\n"
                      "┡━━╇━━━━━━━╇━━━━━━╇━━━━━━┩\n│  │ large │ 0.38 │ 0.31 │\n");
    CHECK_HAS(text.s, "\n\nrank by model\n");
    const char *page = report(A, "html", &t, &WIDE).s;
    CHECK_HAS(page, "<h2>m/base:</h2>");
    CHECK_HAS(page, "<h2>Models compared</h2>");
    CHECK_HAS(page, "<th scope=\"row\">small</th><td title=\"0.125\">0.125</td>");
    CHECK_HAS(report(A, "csv", &t, &WIDE).s, "\n1,m/base,,step,probability,1,x,,,0.25\n");
    CHECK_HAS(report(A, "json", &t, &WIDE).s, "\"model\": \"m/large\",\n      \"source_tokens\"");
}

TEST(report_models_and_texts)
{
    static const char *const models[] = {"small", "large"}, *const none[] = {NULL, NULL},
                             *const one[] = {"only"};
    Attribution t = several(A, 2, models, 2);
    Str text = report(A, "terminal", &t, &WIDE);
    CHECK(str_starts(text, STR_LIT("0th instance, small:\n")));
    CHECK_HAS(text.s, "\n1st instance, large:\n");
    CHECK_HAS(text.s, "\n0th instance, rank by model\n");
    CHECK_HAS(text.s, "\n1st instance, probability by model\n");
    CHECK_HAS(text.s, "│  │ small │ 0.25 │ 0.19 │\n├──┼───────┼──────┼──────┤\n│  │ large │ 0.50 │ 0.44 │\n");
    t.n = 3; // one text failed with the large model: nothing to compare it with
    text = report(A, "terminal", &t, &WIDE);
    CHECK_HAS(text.s, "\n0th instance, probability by model\n");
    CHECK(!memmem(text.s, text.n, "1st instance, probability by model", 34));
    t = several(A, 2, none, 2); // two texts, one model: the library's form
    text = report(A, "terminal", &t, &WIDE);
    CHECK(str_starts(text, STR_LIT("0th instance:\n")) && !memmem(text.s, text.n, "by model", 8));
    t = several(A, 2, one, 1);
    CHECK(!strstr(report(A, "html", &t, &WIDE).s, "Models compared"));
}

// A model's name is a folder's: whatever it holds, only text comes out.
TEST(report_models_hostile_names)
{
    const char *const models[] = {"a/\x1b[31m\xe2\x80\xae<b>\xff", "a/\n\"'&"};
    Attribution t = several(A, 1, models, 2);
    for (int form = 0; form < 2; form++) {
        ReportOptions o = WIDE;
        o.plain = form == 1, o.color = COLOR_TRUE;
        Str text = report(A, "terminal", &t, &o);
        char *s = str_zero(A, text);
        for (size_t i = 0; form == 1 && i < text.n; i++) s[i] = s[i] == '\t' ? ' ' : s[i];
        only_text_and_colors((Str){s, text.n}, "model names", form == 0);
    }
    Str page = report(A, "html", &t, &WIDE);
    CHECK(!memmem(page.s, page.n, "<b>\\", 4) && !memchr(page.s, 0x1B, page.n));
    CHECK_HAS(page.s, "&lt;b&gt;");
    Err e = {0};
    CHECK(json_parse(A, report(A, "json", &t, &WIDE), "json", &e));
    every_fault(A, &t);
}

// A given range of colours is the range: scores outside of it have the colour of its end.
TEST(report_given_range)
{
    Sequence s = {0};
    ReportOptions o = WIDE;
    o.max_val = 2;
    Range r = report_range(&s, &o);
    CHECK_NEAR(report_heat(r, 1), 0.5, 0);
    CHECK_NEAR(report_heat(r, 7), 1, 0);
    o.min_val = 0;
    r = report_range(&s, &o);
    CHECK_NEAR(report_heat(r, 1), 0, 0);
    CHECK_NEAR(report_heat(r, -INFINITY), -1, 0);
}
