// SPDX-License-Identifier: Apache-2.0
// report_text.c — what all report formats agree on; see report.h.
//
// Tokens are a stranger's text: a model's vocabulary may hold terminal escapes, tags or direction marks. What leaves
// report_visible() is printable characters only, each of known width.
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <utf8proc.h>

// ------------------------------------------------------------------------------------------ tables and colours

int report_tables(const Sequence *s, Table out[2])
{
    int64_t columns = s->attr_pos_end - s->attr_pos_start;
    const Token *generated = s->target ? s->target + s->attr_pos_start : NULL;
    const Scores *source = &s->source_attributions, *target = &s->target_attributions;
    int n = 0;
    static const char *const down = "Attributed tokens";
    if (source->v)
        out[n++] = (Table){.heading = STR_LIT("Source Saliency Heatmap"),
                           .down = down,
                           .scores = source,
                           .row = s->source,
                           .column = generated,
                           .n_rows = source->dim[0],
                           .n_columns = columns};
    if (target->v || (!source->v && s->n_step_scores))
        out[n++] = (Table){.heading = STR_LIT("Target Saliency Heatmap"),
                           .down = down,
                           .scores = target,
                           .row = s->target,
                           .column = generated,
                           .n_rows = target->v ? target->dim[0] : 0,
                           .n_columns = columns};
    return n;
}

const char *report_legend(Arena *a, const Table *t, bool unicode)
{
    return arena_printf(a, unicode ? "\xe2\x86\x92 : %s, \xe2\x86\x93 : %s" : "-> : %s, v : %s",
                        t->across ? t->across : "Generated tokens", t->down);
}

size_t report_pictures(Arena *a, const Attribution *t, Comparison **out)
{
    Comparison *v = *out = arena_new(a, Comparison, t->n_pictures);
    for (size_t i = 0; i < t->n_pictures; i++) {
        const Picture *p = &t->pictures[i];
        const char *title = t->n > 1 ? arena_printf(a, "%s (text %zu)", p->title, p->sequence + 1) : p->title;
        v[i].sequence = (Sequence){.source_attributions = p->scores,
                                   .step_scores = (NamedScores *)(uintptr_t)p->below,
                                   .n_step_scores = p->n_below};
        v[i].table = (Table){.heading = str_of(title),
                             .down = p->down,
                             .across = p->across,
                             .scores = &v[i].sequence.source_attributions,
                             .row = p->row,
                             .column = p->column,
                             .n_rows = p->scores.dim[0],
                             .n_columns = p->scores.dim[1],
                             .cell = p->cell};
    }
    return t->n_pictures;
}

static Str fact_text(Arena *a, const Json *j) { return j->kind == J_STRING ? j->text : attr_row(a, j); }

size_t report_row_facts(Arena *a, const Sequence *s, const RowFact **out)
{
    const Json *row = s->row.n ? json_parse(a, s->row, "row", NULL) : NULL, *id = json_get(row, "id"),
               *fields = json_get(row, "fields");
    RowFact *f = arena_new(a, RowFact, 1 + (fields ? fields->count : 0));
    size_t n = 0;
    *out = f;
    if (id) f[n++] = (RowFact){STR_LIT("id"), fact_text(a, id)};
    for (const Json *c = fields ? fields->child : NULL; c; c = c->next)
        f[n++] = (RowFact){c->key, fact_text(a, c)};
    return n;
}

bool report_has_id(const Sequence *s)
{
    Arena *a = arena_create(NULL);
    const Json *row = s->row.n ? json_parse(a, s->row, "row", NULL) : NULL;
    bool has = json_get(row, "id") != NULL;
    arena_free(a);
    return has;
}

void report_heading(Buf *b, const Sequence *s, size_t i, bool several_texts)
{
    const char *name = s->title ? s->title : s->method;
    if (!name || several_texts) {
        const RowFact *fact;
        size_t n = report_row_facts(b->arena, s, &fact);
        report_ordinal(b, s->text > 0 ? (size_t)s->text - 1 : i);
        buf_str(b, STR_LIT(" instance"));
        if (n && str_is(fact->key, "id")) buf_printf(b, " (%.*s)", (int)fact->value.n, fact->value.s);
        if (name) buf_str(b, STR_LIT(", "));
    }
    if (name) buf_str(b, str_of(name));
    buf_char(b, ':');
}

Str report_model(Arena *a, const Attribution *t, const Sequence *s)
{
    const char *name = s->title ? s->title : attr_info(a, t, "model_name");
    return name ? str_of(name) : (Str){"", 0};
}

const Json *report_info_texts(Arena *a, const Attribution *t, const char *key)
{
    for (size_t k = 0; k < t->n_info; k++) {
        if (!str_is(t->info[k].key, key)) continue;
        const Json *list = json_parse(a, t->info[k].json, "info", NULL);
        return list && list->kind == J_ARRAY && list->count == t->n ? list->child : NULL;
    }
    return NULL;
}

bool report_next_text(const Json **at, Str *out)
{
    const Json *c = *at;
    if (!c) return false;
    *at = c->next;
    return c->kind == J_STRING && (*out = c->text, true);
}

bool report_two_dimensional(const Attribution *t, Err *e)
{
    for (size_t i = 0; i < t->n; i++) {
        const Scores *x = &t->sequence[i].source_attributions, *y = &t->sequence[i].target_attributions;
        if ((x->v && x->rank != 2) || (y->v && y->rank != 2))
            return err_set(
                e, "the scores of sequence %zu have %d dimensions and a table has two; aggregate them first",
                i, x->v ? x->rank : y->rank);
    }
    return true;
}

static void widen_range(const Scores *x, double *most)
{
    for (int64_t i = 0; x->v && i < scores_count(x, 0); i++) {
        double v = fabs((double)x->v[i]);
        if (v > *most && !isinf(v)) *most = v;
    }
}

Range report_range(const Sequence *s, const ReportOptions *o)
{
    double most = 0;
    widen_range(&s->source_attributions, &most);
    widen_range(&s->target_attributions, &most);
    Range r = {-most, most, o};
    if (!isnan(o->max_val)) r = (Range){-o->max_val, o->max_val, o};
    if (!isnan(o->min_val)) r.min = o->min_val;
    return r;
}

double report_heat(Range r, float v)
{
    double half = (r.max - r.min) / 2;
    if (!(half > 0) || isnan(v)) return NAN;
    double t = ((double)v - (r.min + half)) / half;
    return t < -1 ? -1 : t > 1 ? 1 : t;
}

double attr_largest(const Attribution *t)
{
    double most = 0;
    for (size_t i = 0; i < t->n; i++) {
        widen_range(&t->sequence[i].source_attributions, &most);
        widen_range(&t->sequence[i].target_attributions, &most);
    }
    return most;
}

bool report_white(double heat) { return heat >= 0.768 || heat <= -0.879; }

// ------------------------------------------------------------------------------------------ tokens

// Characters that draw nothing and are neither marks that combine nor in a category that says so.
static bool ignorable(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x034F, 0x034F}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x2800, 0x2800},
        {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFFA0, 0xFFA0}, {0xFFFC, 0xFFFC}, {0xE0100, 0xE01EF},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    return false;
}

typedef enum { DRAWN, COMBINES, HIDDEN } Drawing;

static Drawing drawing_of(uint32_t c)
{
    if (c < 0x7F) return c < ' ' ? HIDDEN : DRAWN;
    if (c == 0xFFFD) return DRAWN;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_CN: // unassigned
    case UTF8PROC_CATEGORY_CC: // controls
    case UTF8PROC_CATEGORY_CF: // format: directions, joiners, zero-width spaces, tags
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO: // private use
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return HIDDEN; // spaces that are not the space
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
        return ignorable(c) ? HIDDEN : COMBINES;
    default:
        return ignorable(c) || utf8proc_charwidth((utf8proc_int32_t)c) < 1 ? HIDDEN : DRAWN;
    }
}

static void put_character(Buf *b, uint32_t c)
{
    char s[4];
    buf_put(b, s, (size_t)utf8_encode(c, s));
}

static void put_ascii(Buf *b, uint32_t c)
{
    if (c >= ' ' && c < 0x7F) buf_char(b, (char)c);
    else if (c == 0x2581 || c == 0x120) buf_char(b, '_'); // ▁ Ġ: a word begins
    else if (c == 0x2192) buf_str(b, STR_LIT("->"));      // contrast labels
    else if (c == 0x2026) buf_str(b, STR_LIT("..."));
    else buf_printf(b, "\\u{%" PRIX32 "}", c);
}

void report_visible(Buf *b, Str text, bool unicode)
{
    bool base = false; // is there something for a mark to combine with?
    for (size_t i = 0; i < text.n;) {
        uint32_t c;
        int bad = 1, n = utf8_decode(text.s + i, text.n - i, &c, &bad);
        i += (size_t)(n ? n : bad);
        if (!unicode) {
            put_ascii(b, c);
            continue;
        }
        Drawing d = drawing_of(c);
        if (d == COMBINES && !base) put_character(b, 0x25CC);
        base = d != HIDDEN;
        if (d != HIDDEN) put_character(b, c);
        else if (c < ' ') put_character(b, 0x2400 + c); // control pictures
        else if (c == 0x7F) put_character(b, 0x2421);
        else buf_printf(b, "\\u{%" PRIX32 "}", c);
    }
}

int report_width(Str visible)
{
    int width = 0;
    for (size_t i = 0; i < visible.n;) {
        uint32_t c;
        int n = utf8_decode(visible.s + i, visible.n - i, &c, NULL);
        i += (size_t)(n ? n : 1);
        if (drawing_of(c) != COMBINES) width += utf8proc_charwidth((utf8proc_int32_t)c);
    }
    return width;
}

// Marks on one character that are drawn: those of the longest in any script (the stream-safe form of UAX 15).
enum { MOST_MARKS = 30 };

Str report_cut(Arena *a, Str visible, int most, bool unicode)
{
    int width = 0, dots = unicode ? 1 : 3, marks = 0;
    size_t keep = 0;
    for (size_t i = 0; i < visible.n;) {
        uint32_t c;
        int n = utf8_decode(visible.s + i, visible.n - i, &c, NULL);
        i += (size_t)(n ? n : 1);
        bool mark = drawing_of(c) == COMBINES;
        marks = mark ? marks + 1 : 0;
        if (!mark) width += utf8proc_charwidth((utf8proc_int32_t)c);
        if (width <= most - dots && marks <= MOST_MARKS) keep = i;
        if (width > most || marks > MOST_MARKS) {
            Buf b = {.arena = a};
            buf_str(&b, (Str){visible.s, keep});
            buf_str(&b, unicode ? STR_LIT("\xe2\x80\xa6") : STR_LIT("..."));
            return buf_view(&b);
        }
    }
    return visible;
}

Str report_short(Arena *a, Str text)
{
    if (text.n > 400) text.n = 400; // may cut a character: it becomes U+FFFD behind the ellipsis
    Buf b = {.arena = a};
    report_visible(&b, text, true);
    return report_cut(a, buf_view(&b), 40, true);
}

void report_escape(Buf *b, Str text)
{
    for (size_t i = 0; i < text.n; i++) switch (text.s[i]) {
        case '&':
            buf_str(b, STR_LIT("&amp;"));
            break;
        case '<':
            buf_str(b, STR_LIT("&lt;"));
            break;
        case '>':
            buf_str(b, STR_LIT("&gt;"));
            break;
        case '"':
            buf_str(b, STR_LIT("&quot;"));
            break;
        case '\'':
            buf_str(b, STR_LIT("&#39;"));
            break;
        default:
            buf_char(b, text.s[i]);
        }
}

// ------------------------------------------------------------------------------------------ numbers

static bool put_odd(Buf *b, float v)
{
    if (isnan(v)) buf_str(b, STR_LIT("nan"));
    else if (isinf(v)) buf_str(b, v < 0 ? STR_LIT("-inf") : STR_LIT("inf"));
    else if (fabsf(v) >= 9e15f) buf_float(b, v);
    else return false;
    return true;
}

// |v| as whole units of 10^-digits, rounded half to even. A float has 24 bits and 1000 has 7 beside its power of two,
// so the product is exact in double; adding and taking away 2^52 then rounds it once.
static uint64_t units(float v, int digits)
{
    double x = fabs((double)v);
    if (x >= 1 << 24)
        return (uint64_t)x * (digits == 3 ? 1000u : digits == 2 ? 100u : digits == 1 ? 10u : 1u);
    for (int i = 0; i < digits; i++) x *= 10;
    return (uint64_t)(x + 0x1p52 - 0x1p52);
}

void report_rounded(Buf *b, float v, int digits)
{
    if (put_odd(b, v)) return;
    uint64_t n = units(v, digits), one = digits == 3 ? 1000 : digits == 2 ? 100 : digits == 1 ? 10 : 1;
    char text[40];
    int at = 0;
    for (uint64_t unit = one / 10, rest = n % one; unit && (rest || !at); unit /= 10) {
        text[at++] = (char)('0' + rest / unit);
        rest %= unit;
    }
    buf_printf(b, "%s%" PRIu64 ".%.*s", signbit(v) ? "-" : "", n / one, at ? at : 1, at ? text : "0");
}

// Any number of decimals, without zeros at the end but for one behind the point; the C library rounds the exact value half to even, as Python does.
static void put_decimals(Buf *b, double v, int decimals)
{
    char text[80];
    int n = snprintf(text, sizeof text, "%.*f", decimals, v);
    while (decimals > 1 && text[n - 1] == '0' && text[n - 2] != '.') n--;
    buf_put(b, text, (size_t)n);
}

void report_score(Buf *b, float v, const ReportOptions *o, int decimals)
{
    bool odd = isnan(v) || isinf(v) || fabsf(v) >= 9e15f;
    if (odd || !o || (!o->decimals && !o->percent)) {
        report_rounded(b, v, decimals);
        return;
    }
    decimals = o->decimals ? o->decimals - 1 : decimals > 2 ? decimals - 2 : 0;
    put_decimals(b, o->percent ? 100 * (double)v : (double)v, decimals);
    if (o->percent) buf_char(b, '%');
}

bool report_step_score(Buf *b, const NamedScores *x, int64_t c, const ReportOptions *o)
{
    float v = x->scores.v[c];
    if (!o->decimals || x->is_int || isnan(v) || isinf(v) || fabsf(v) >= 9e15f) return report_step(b, x, c);
    put_decimals(b, (double)v, o->decimals - 1);
    return fabs((double)v) >= 0.5;
}

void report_fixed2(Buf *b, float v)
{
    if (put_odd(b, v)) return;
    uint64_t n = units(v, 2);
    buf_printf(b, "%s%" PRIu64 ".%02" PRIu64, signbit(v) ? "-" : "", n / 100, n % 100);
}

bool report_step(Buf *b, const NamedScores *x, int64_t c)
{
    float v = x->scores.v[c];
    bool whole = x->is_int && fabsf(v) < 9e18f;
    if (whole) buf_printf(b, "%" PRId64, (int64_t)v);
    else report_rounded(b, v, 3);
    return !whole && fabs((double)v) * 1000 >= 499.5; // as rounded
}

void report_ordinal(Buf *b, size_t i)
{
    bool teen = i / 10 % 10 == 1;
    buf_printf(b, "%zu%s", i,
               teen          ? "th"
               : i % 10 == 1 ? "st"
               : i % 10 == 2 ? "nd"
               : i % 10 == 3 ? "rd"
                             : "th");
}
