// SPDX-License-Identifier: Apache-2.0
// t_svg.c — the vector figure, read by a parser that knows only what the figure needs: any other element, attribute or
// character is an error, so nothing can act, fetch or be misread.
#include "../attr/reports/report.h"
#include "hostile_tokens.h"
#include "same.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const ReportOptions PLAIN = {.unicode = true, .min_val = NAN, .max_val = NAN};

static Str figure_of(Arena *A, const Attribution *t)
{
    Buf b = {.arena = A};
    Err e = {0};
    if (!attr_report("svg")->write(A, t, &PLAIN, &b, &e)) FAIL("%s", e.text);
    return buf_view(&b);
}

// ------------------------------------------------------------------------------------------ a strict parser

enum { MOST = 1 << 15, DEEPEST = 8 };

typedef struct Box {
    long x, y, w, h;
    uint32_t rgb;
} Box;

typedef struct Words {
    long x, y;
    bool white;
    uint32_t under; // colour of the last box at its middle height
    Str text;       // entities decoded
} Words;

typedef struct Figure {
    Arena *a;
    const char *s; // at the next byte; a NUL ends the text
    Box *box;
    Words *words;
    size_t n_boxes, n_words;
    Str open[DEEPEST];
    int depth;
    Buf skeleton; // elements and names of attributes
    long width, height;
    const char *wrong;
} Figure;

static bool fail_at(Figure *f, const char *why)
{
    if (!f->wrong) f->wrong = arena_printf(f->a, "%s before: %.60s", why, f->s);
    return false;
}

static bool skip(Figure *f, const char *literal)
{
    size_t n = strlen(literal);
    if (strncmp(f->s, literal, n)) return false;
    f->s += n;
    return true;
}

static Str word(Figure *f, const char *of)
{
    Str w = {f->s, strspn(f->s, of)};
    f->s += w.n;
    return w;
}

// Text up to `end`; a character that XML 1.0 or a careful reader would not have there is an error.
static bool text_until(Figure *f, char end, Buf *out)
{
    static const char *const entities[] = {"&amp;", "&",      "&lt;", "<",     "&gt;",
                                           ">",     "&quot;", "\"",   "&#39;", "'"};
    for (; *f->s && *f->s != end;) {
        size_t k = 0;
        if (*f->s == '&') {
            while (k < 10 && !skip(f, entities[k])) k += 2;
            if (k == 10) return fail_at(f, "an unknown entity");
            buf_str(out, str_of(entities[k + 1]));
            continue;
        }
        uint32_t c;
        int n = utf8_decode(f->s, strlen(f->s) < 4 ? strlen(f->s) : 4, &c, NULL);
        if (!n || (c < ' ' && c != '\n') || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF)
            return fail_at(f, "a control or broken character");
        if ((c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
            c == 0xFEFF)
            return fail_at(f, "an invisible or directional character");
        if (c < 0x80 && strchr("<>\"'", (int)c)) return fail_at(f, "an unescaped character");
        buf_put(out, f->s, (size_t)n);
        f->s += n;
    }
    return *f->s || fail_at(f, "the end");
}

static bool attribute(Figure *f, Box *b, bool *white)
{
    static const char *const known[] = {
        "xmlns",       "xml:space",   "viewBox", "shape-rendering", "font-family", "font-size",
        "font-weight", "text-anchor", "fill",    "stroke",          "x",           "y",
        "width",       "height",      "d"};
    Str key = word(f, "abcdefghijklmnopqrstuvwxyzB:-");
    Buf value = {.arena = f->a};
    bool ok = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) ok |= str_is(key, known[i]);
    if (!ok || !skip(f, "=\"")) return fail_at(f, "an unknown attribute");
    if (!text_until(f, '"', &value) || !skip(f, "\"")) return false;
    buf_str(&f->skeleton, key);
    buf_char(&f->skeleton, ' ');
    const char *v = str_zero(f->a, buf_view(&value));
    char *end = (char *)(uintptr_t) "";
    if (str_is(key, "x")) b->x = strtol(v, &end, 10);
    if (str_is(key, "y")) b->y = strtol(v, &end, 10);
    if (str_is(key, "width")) b->w = strtol(v, &end, 10);
    if (str_is(key, "height")) b->h = strtol(v, &end, 10);
    if (*end) return fail_at(f, "a measure that is not a whole number");
    if (str_is(key, "fill")) {
        *white = !strcmp(v, "#fff");
        b->rgb = *white ? 0xFFFFFF : (uint32_t)strtol(v + 1, NULL, 16);
        if (strcmp(v, "none") &&
            (v[0] != '#' || strspn(v + 1, "0123456789abcdef") != (*white || strlen(v) == 4 ? 3 : 6)))
            return fail_at(f, "a colour that is not one");
    }
    if (str_is(key, "font-family") && strcmp(v, "monospace") && strcmp(v, "sans-serif"))
        return fail_at(f, "a font family that is not generic");
    return !str_is(key, "xmlns") || !strcmp(v, "http://www.w3.org/2000/svg") ||
           fail_at(f, "another namespace");
}

static bool element(Figure *f)
{
    static const char *const known[] = {"svg", "title", "rect", "path", "g", "text"};
    Str tag = word(f, "abcdefghijklmnopqrstuvwxyz");
    Box b = {0};
    bool ok = false, white = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) ok |= str_is(tag, known[i]);
    if (!ok) return fail_at(f, "an unknown element");
    buf_char(&f->skeleton, '<');
    buf_str(&f->skeleton, tag);
    while (skip(f, " "))
        if (!attribute(f, &b, &white)) return false;
    if (str_is(tag, "svg")) f->width = b.w, f->height = b.h;
    if (f->n_boxes == MOST || f->n_words == MOST || f->depth == DEEPEST) return fail_at(f, "too much");
    if (str_is(tag, "rect")) f->box[f->n_boxes++] = b;
    if (skip(f, "/>")) return true;
    if (!skip(f, ">")) return fail_at(f, "a tag that does not close");
    f->open[f->depth++] = tag;
    if (!str_is(tag, "text") && !str_is(tag, "title")) return true;
    Buf text = {.arena = f->a};
    buf_str(&text, STR_LIT(""));
    if (!text_until(f, '<', &text)) return false;
    if (str_is(tag, "title")) return true;
    Words *w = &f->words[f->n_words++];
    *w = (Words){.x = b.x, .y = b.y, .white = white, .text = buf_view(&text)};
    for (size_t i = 0; i < f->n_boxes; i++) {
        const Box *u = &f->box[i];
        if (w->x >= u->x && w->x <= u->x + u->w && w->y - 4 >= u->y && w->y - 4 < u->y + u->h)
            w->under = u->rgb;
    }
    return true;
}

static Figure parse(Arena *A, Str svg)
{
    Figure f = {.a = A, .s = str_zero(A, svg), .skeleton = {.arena = A}};
    f.box = arena_new(A, Box, MOST), f.words = arena_new(A, Words, MOST);
    if (memchr(svg.s, 0, svg.n)) fail_at(&f, "a NUL");
    while (!f.wrong && *f.s) {
        if (skip(&f, "</")) {
            Str tag = word(&f, "abcdefghijklmnopqrstuvwxyz");
            if (!f.depth || !str_eq(f.open[f.depth - 1], tag) || !skip(&f, ">"))
                fail_at(&f, "an end tag that fits no start");
            f.depth--;
            buf_char(&f.skeleton, '>');
        } else if (skip(&f, "<")) element(&f);
        else if (!skip(&f, "\n")) fail_at(&f, "text between elements");
    }
    if (!f.wrong && (f.depth || f.open[0].n != 3)) fail_at(&f, "elements left open");
    for (size_t i = 0; i < f.n_boxes; i++)
        if (f.box[i].x + f.box[i].w > f.width || f.box[i].y + f.box[i].h > f.height)
            fail_at(&f, "a box outside");
    for (size_t i = 0; i < f.n_words; i++)
        if (f.words[i].x > f.width || f.words[i].y > f.height) fail_at(&f, "words outside");
    return f;
}

// ------------------------------------------------------------------------------------------ the library's tables

static void same(const Figure *f, size_t *at, Str want)
{
    CHECK_STR(*at < f->n_words ? f->words[*at].text : STR_LIT("(nothing)"), want);
    ++*at;
}

static const Json *child(const Json *j, int64_t i)
{
    for (j = j->child; j && i--;) j = j->next;
    return j;
}

// A table of the library against the figure's words from *at on: numbers of columns and rows, their tokens, the cells.
static void same_table(const Figure *f, size_t *at, const Json *table)
{
    const Json *numbers = child(table, 0), *tokens = child(table, 1), *rows = tokens->next;
    for (const Json *c = child(numbers, 2); c; c = c->next) same(f, at, c->text);
    for (const Json *r = rows; r; r = r->next)
        if (child(r, 0)->text.n) same(f, at, child(r, 0)->text);
    for (const Json *c = child(tokens, 2); c; c = c->next) same(f, at, c->text);
    for (const Json *r = rows; r; r = r->next)
        if (child(r, 0)->text.n) same(f, at, child(r, 1)->text);
    for (const Json *r = rows; r; r = r->next) {
        if (!child(r, 0)->text.n) same(f, at, child(r, 1)->text);
        for (const Json *c = child(r, 2); c; c = c->next)
            if (c->text.n) same(f, at, c->text);
    }
}

TEST(svg_golden_tables)
{
    static const char *const cells[] = {"cell2",      "cell3",       "cell4",      "cell4-wrong-sum",
                                        "cell6-base", "cell6-large", "cell6-small"};
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        Attribution x, y;
        Err e = {0};
        if (!golden_attribution(A, arena_printf(A, "notebook/%s.json", cells[i]), &x)) continue;
        CHECK(attr_aggregate_default(A, &x, &y, &e));
        Str svg = figure_of(A, &y);
        CHECK_STR(figure_of(A, &y), svg);
        Figure f = parse(A, svg);
        if (f.wrong) FAIL("%s: %s", cells[i], f.wrong);
        const Json *want = golden_json(A, arena_printf(A, "notebook/%s.tables.json", cells[i]));
        size_t at = 0;
        for (const Json *t = want ? want->child : NULL; t; t = t->next) {
            while (at < f.n_words && !str_ends(f.words[at].text, STR_LIT(" Saliency Heatmap"))) at++;
            same(&f, &at,
                 t == want->child && want->count > 1 ? STR_LIT("Source Saliency Heatmap") : f.words[at].text);
            same(&f, &at, STR_LIT("\xe2\x86\x92 : Generated tokens, \xe2\x86\x93 : Attributed tokens"));
            same_table(&f, &at, t);
        }
    }
}

// ------------------------------------------------------------------------------------------ hostile tokens

static Attribution with_tokens(Arena *A, const Str *tokens, int64_t rows, int64_t columns)
{
    Sequence *s = arena_new(A, Sequence, 1);
    InfoField *info = arena_new(A, InfoField, 2);
    *s = (Sequence){.n_source = rows,
                    .n_target = columns,
                    .attr_pos_end = columns,
                    .kind = OUT_COARSE,
                    .n_step_scores = 1};
    s->source = arena_new(A, Token, rows), s->target = arena_new(A, Token, columns);
    for (int64_t i = 0; i < rows; i++) s->source[i].text = tokens[i];
    for (int64_t i = 0; i < columns; i++) s->target[i].text = tokens[i % rows];
    s->source_attributions = scores_new(A, 2, (int64_t[]){rows, columns});
    for (int64_t i = 0; i < rows * columns; i++) s->source_attributions.v[i] = (float)(i % 21 - 10) * 0.1f;
    s->step_scores = arena_new(A, NamedScores, 1);
    s->step_scores[0] = (NamedScores){.name = tokens[0], .scores = scores_new(A, 1, &columns)};
    Buf texts = {.arena = A}, model = {.arena = A};
    buf_char(&texts, '['), buf_json(&texts, tokens[0]), buf_char(&texts, ']');
    buf_json(&model, str_of(arena_printf(A, "m%.*s", (int)tokens[0].n, tokens[0].s)));
    info[0] = (InfoField){.key = STR_LIT("input_texts"), .json = buf_view(&texts)};
    info[1] = (InfoField){.key = STR_LIT("model_name"), .json = buf_view(&model)};
    return (Attribution){.info = info, .n_info = 2, .sequence = s, .n = 1};
}

TEST(svg_hostile_tokens)
{
    Str harmless = STR_LIT("x");
    Attribution t = with_tokens(A, &harmless, 1, 3);
    Figure plain = parse(A, figure_of(A, &t));
    for (int i = 0; i < N_HOSTILE; i++) {
        Arena *a = arena_create(A);
        t = with_tokens(a, &hostile_tokens[i], 1, 3);
        Figure f = parse(a, figure_of(a, &t));
        if (f.wrong) FAIL("hostile token %d: %s", i, f.wrong);
        if (!str_eq(buf_view(&f.skeleton), buf_view(&plain.skeleton)))
            FAIL("hostile token %d changes the figure", i);
        test_count(1);
        int found = 0;
        Str shown = report_short(a, hostile_tokens[i]);
        for (size_t k = 0; k < f.n_words; k++) found += str_eq(f.words[k].text, shown);
        if (found < 5)
            FAIL("hostile token %d: stands at %d places, expected 3 columns, 1 row and the step", i, found);
        arena_free(a);
    }
    t = with_tokens(A, hostile_tokens, N_HOSTILE, 3);
    Figure all = parse(A, figure_of(A, &t));
    if (all.wrong) FAIL("%s", all.wrong);
}

// ------------------------------------------------------------------------------------------ measures and colours

// Where a column is wide enough for any number, each further column of a token takes 8 pixels.
TEST(svg_widths_grow_with_tokens)
{
    static const char *const wide[] = {
        "abcdefgh", "abcdefghi", "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmn", "abcdefghijklmnopqrstuvwxyzabcdefghijklmno"};
    static const long columns[] = {8, 9, 10, 40, 40}; // cut there
    long first = 0;
    for (int i = 0; i < 5; i++) {
        Str token = str_of(wide[i]);
        Attribution t = with_tokens(A, &token, 1, 8);
        t.n_info = 0;
        Figure f = parse(A, figure_of(A, &t));
        if (!i) first = f.width;
        CHECK_INT(f.width - first, (columns[i] - 8) * 8 * 9); // eight columns and the row's
    }
}

TEST(svg_empty_cells)
{
    Str token = STR_LIT("x");
    Attribution t = with_tokens(A, &token, 1, 3);
    size_t boxes = parse(A, figure_of(A, &t)).n_boxes, words = parse(A, figure_of(A, &t)).n_words;
    t.sequence->source_attributions.v[1] = NAN;
    Figure f = parse(A, figure_of(A, &t));
    CHECK_INT(f.n_boxes, boxes - 1);
    CHECK_INT(f.n_words, words - 1);
    for (int i = 0; i < 3; i++) t.sequence->source_attributions.v[i] = 0;
    f = parse(A, figure_of(A, &t)); // no colour and no legend, and the zeros are there
    CHECK_INT(f.n_boxes, 3);
    CHECK(!f.wrong);
    t.sequence->attr_pos_end = 0, t.sequence->source_attributions.dim[1] = 0;
    f = parse(A, figure_of(A, &t));
    if (f.wrong) FAIL("%s", f.wrong);
    CHECK_STR(f.words[1].text, STR_LIT("No token was attributed."));
    f = parse(A, figure_of(A, &(Attribution){0}));
    CHECK_STR(f.words[0].text, STR_LIT("There are no results."));
    Err e = {0};
    Buf b = {.arena = A};
    t.sequence->source_attributions.rank = 3;
    CHECK(!attr_report("svg")->write(A, &t, &PLAIN, &b, &e));
    CHECK_HAS(e.text, "aggregate them first");
}

TEST(svg_odd_numbers)
{
    Str token = STR_LIT("x");
    const float huge[] = {INFINITY, -INFINITY, 3e38f, -3e38f, NAN, 1e-45f};
    Attribution t = with_tokens(A, &token, 1, 6);
    memcpy(t.sequence->source_attributions.v, huge, sizeof huge);
    t.sequence->step_scores[0].scores.v[0] = NAN;
    Figure f = parse(A, figure_of(A, &t));
    if (f.wrong) FAIL("%s", f.wrong);
    int found = 0;
    for (size_t i = 0; i < f.n_words; i++)
        found += str_is(f.words[i].text, "inf") || str_is(f.words[i].text, "-inf") ||
                 str_is(f.words[i].text, "nan");
    CHECK_INT(found, 3);
    Sequence bare = {.kind = OUT_STEPS};
    f = parse(A, figure_of(A, &(Attribution){.sequence = &bare, .n = 1}));
    CHECK(!f.wrong);
    CHECK_STR(f.words[1].text, STR_LIT("There are no scores."));
    enum { N = 300 };
    Str *tokens = arena_new(A, Str, N);
    for (int i = 0; i < N; i++) tokens[i] = token;
    t = with_tokens(A, tokens, N, N);
    CHECK(figure_of(A, &t).n > (size_t)N * N * 100);
}

static double luminance(uint32_t rgb) // WCAG 2.1, relative luminance
{
    static const double weight[] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double c = (double)(rgb >> (16 - 8 * i) & 255) / 255;
        sum += weight[i] * (c <= 0.03928 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
    }
    return sum;
}

// Scores from -1 to 1 in 1001 steps, and the headings: the text on every box has a contrast of at least 4.5 : 1.
TEST(svg_contrast)
{
    enum { N = 1001 };
    Str *token = arena_new(A, Str, N);
    for (int i = 0; i < N; i++) token[i] = STR_LIT("x");
    Attribution t = with_tokens(A, token, N, 1);
    for (int i = 0; i < N; i++) t.sequence->source_attributions.v[i] = (float)(i - N / 2) / (float)(N / 2);
    Figure f = parse(A, figure_of(A, &t));
    if (f.wrong) FAIL("%s", f.wrong);
    double worst = 99;
    int white = 0, colored = 0;
    for (size_t i = 0; i < f.n_words; i++) {
        double under = luminance(f.words[i].under) + 0.05, text = f.words[i].white ? 1.05 : 0.05;
        double ratio = under > text ? under / text : text / under;
        if (ratio < worst) worst = ratio;
        white += f.words[i].white, colored += f.words[i].under != 0xFFFFFF;
    }
    CHECK(white > 150 && white < 200 && colored >= N);
    if (worst < 4.5) FAIL("contrast %.2f", worst);
}

// Several models: each with its name, and their step scores side by side at the end.
TEST(svg_models_compared)
{
    Str token = STR_LIT("x");
    Attribution t = with_tokens(A, &token, 1, 2);
    Sequence *two = arena_new(A, Sequence, 2);
    two[0] = two[1] = *t.sequence;
    two[0].title = "<small>", two[1].title = "large", two[0].text = two[1].text = 1;
    t.sequence = two, t.n = 2;
    Figure f = parse(A, figure_of(A, &t));
    if (f.wrong) FAIL("%s", f.wrong);
    int names = 0, compared = 0;
    for (size_t i = 0; i < f.n_words; i++) {
        names += str_is(f.words[i].text, "<small>:") || str_is(f.words[i].text, "large:");
        compared += str_is(f.words[i].text, "Models compared") || str_is(f.words[i].text, "x by model");
    }
    CHECK_INT(names, 2);
    CHECK_INT(compared, 2);
}
