// SPDX-License-Identifier: Apache-2.0
// page.c — what makes a page live: the numbers as JSON, the script that draws them (page.js) and its styles (page.css).
//
// The page's script reads blocks of JSON that stand in <script type="application/json"> elements:
//
//   id "index"     what the list and the controls need: for each text its words, its means and which sequences it has
//   class "data"   one for each sequence, then one for each picture, in order: read when it is looked at, so that a page of
//                  5,000 texts is laid out as fast as a page of one
//
// Tokens are as they are shown, through report_visible(). Numbers are those of the JSON report: the shortest that read back
// as the same float; no value is null. < > & are \u003C and the like, so that nothing ends the element. Sequences of one
// source (models, methods or foils of it) are one text.
//
// Words and sentences are given as the token that each begins with, and its text; page.js makes their scores by the rule of
// granularity.c. Scores by layers and heads are there as far as all of a page are not more than MOST_LAYER_NUMBERS.
#include "report.h"
#include "../results/granularity.h"

#include <math.h>
#include <string.h>

EMBED_FILE(page_script_bytes, "attr/reports/page.js")
EMBED_FILE(page_style_bytes, "attr/reports/page.css")

Str page_script(void)
{
    return (Str){page_script_bytes, (size_t)(page_script_bytes_end - page_script_bytes)};
}
Str page_style(void) { return (Str){page_style_bytes, (size_t)(page_style_bytes_end - page_style_bytes)}; }

// ------------------------------------------------------------------------------------------ JSON

// A string as it is shown, with nothing in it that HTML could take for its own.
static void put_string(Arena *a, Buf *b, Str text)
{
    Buf shown = {.arena = a}, json = {.arena = a};
    report_visible(&shown, text, true);
    buf_json(&json, buf_view(&shown));
    for (size_t i = 0, from = 0; i <= json.n; i++) {
        bool special = i < json.n && (json.s[i] == '<' || json.s[i] == '>' || json.s[i] == '&');
        if (!special && i < json.n) continue;
        buf_put(b, json.s + from, i - from);
        if (special) buf_printf(b, "\\u%04X", (unsigned)json.s[i]);
        from = i + 1;
    }
}

static void put_key(Buf *b, const char *key) { buf_printf(b, ",\n\"%s\":", key); }

static void put_text_field(Arena *a, Buf *b, const char *key, const char *text)
{
    if (!text) return;
    put_key(b, key);
    put_string(a, b, str_of(text));
}

static void put_number(Buf *b, float v, bool is_int)
{
    if (!isfinite(v)) buf_str(b, STR_LIT("null"));
    else if (is_int && fabsf(v) < 9e18f) buf_printf(b, "%" PRId64, (int64_t)v);
    else buf_float(b, v);
}

static void put_numbers(Buf *b, const float *v, int64_t n, bool is_int)
{
    buf_char(b, '[');
    for (int64_t i = 0; i < n; i++) {
        if (i) buf_char(b, ',');
        put_number(b, v[i], is_int);
    }
    buf_char(b, ']');
}

// [rows][the rest, flat]
static void put_scores(Buf *b, const char *key, const Scores *x)
{
    if (!x->v) return;
    int64_t width = scores_count(x, 1);
    put_key(b, key);
    buf_char(b, '[');
    for (int64_t i = 0; i < x->dim[0]; i++) {
        if (i) buf_str(b, STR_LIT(",\n"));
        put_numbers(b, x->v + i * width, width, false);
    }
    buf_char(b, ']');
}

static void put_tokens(Arena *a, Buf *b, const char *key, const Token *t, int64_t n)
{
    Arena *scratch = arena_create(a);
    put_key(b, key);
    buf_char(b, '[');
    for (int64_t i = 0; i < n; i++) {
        if (i) buf_char(b, ',');
        put_string(scratch, b, t[i].text);
    }
    buf_char(b, ']');
    arena_free(scratch);
}

static void put_ids(Buf *b, const char *key, const Token *t, int64_t n)
{
    put_key(b, key);
    buf_char(b, '[');
    for (int64_t i = 0; i < n; i++) buf_printf(b, i ? ",%" PRId32 : "%" PRId32, t[i].id);
    buf_char(b, ']');
}

static void put_named(Arena *a, Buf *b, const char *key, const NamedScores *x, size_t n)
{
    put_key(b, key);
    buf_char(b, '[');
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? STR_LIT(",\n{\"name\":") : STR_LIT("\n{\"name\":"));
        put_string(a, b, x[i].name);
        bool mean = str_is(str_of(step_score_function(x[i].name)), "absmax"); // of the tokens of a word
        buf_printf(b, ",\"whole\":%s,\"merge\":\"%s\",\"values\":", x[i].is_int ? "true" : "false",
                   mean ? "mean" : step_score_function(x[i].name));
        put_numbers(b, x[i].scores.v, scores_count(&x[i].scores, 0), x[i].is_int);
        buf_char(b, '}');
    }
    buf_char(b, ']');
}

// ------------------------------------------------------------------------------------------ sequences and pictures

static void put_curves(Buf *b, const char *which, const Curves *x)
{
    static const char *const names[] = {"deletion", "insertion", "comprehensiveness", "sufficiency"};
    const Scores *v[] = {&x->deletion, &x->insertion, &x->comprehensiveness, &x->sufficiency};
    if (!x->deletion.v) return;
    put_key(b, which);
    buf_str(b, STR_LIT("{\"n\":4"));
    for (int k = 0; k < 4; k++) put_scores(b, names[k], v[k]);
    buf_char(b, '}');
}

static void put_block(Buf *b, const char *attributes)
{
    buf_printf(b, "<script type=\"application/json\" %s>", attributes);
}

static void put_groups(Arena *a, Buf *b, const char *key, const Sequence *s, Granularity g)
{
    Groups side[2];
    granularity_groups(a, s, g, &side[0], &side[1]);
    put_key(b, key);
    for (int k = 0; k < 2; k++) {
        buf_str(b, k ? STR_LIT(",\"target\":[") : STR_LIT("{\"source\":["));
        for (int64_t i = 0; i < side[k].n; i++) buf_printf(b, i ? ",%" PRId64 : "%" PRId64, side[k].from[i]);
        buf_char(b, ']');
        put_tokens(a, b, k ? "target_text" : "source_text", side[k].token, side[k].n);
    }
    buf_char(b, '}');
}

// What a token is in running text, without marks: page.js knows that of most vocabularies. ▁ U+2581, Ġ U+0120.
static Str without_marks(Str s)
{
    for (size_t mark; (mark = str_starts(s, STR_LIT("\xe2\x96\x81")) ? 3
                              : str_starts(s, STR_LIT("\xc4\xa0"))   ? 2
                                                                     : 0);
         s.s += mark, s.n -= mark)
        if (s.n == mark) return s;
    return s;
}

static Str without_spaces(Str s)
{
    while (s.n && s.s[0] == ' ') s.s++, s.n--;
    return s;
}

// The tokens in running text, where they are letters for bytes: what page.js would write is not what they stand for. Pieces
// of a character stay as they are.
static void put_spelled(Arena *a, Buf *b, const char *key, const Token *t, int64_t n, const Token *like,
                        int64_t n_like)
{
    bool *begins = arena_new(a, bool, n + 1), differs = false;
    Str *piece = arena_new(a, Str, n + 1);
    granularity_begins(a, GRANULARITY_TOKEN, t, n, like, n_like, begins, piece);
    Token *spelled = arena_new(a, Token, n + 1);
    for (int64_t i = 0; i < n; i++) {
        Str words = without_spaces(piece[i]);
        bool fits = words.n && utf8_valid(words, NULL);
        spelled[i].text = fits ? words : without_marks(t[i].text);
        differs |= fits && !memmem(t[i].text.s, t[i].text.n, words.s, words.n);
    }
    if (differs) put_tokens(a, b, key, spelled, n);
}

enum { MOST_LAYER_NUMBERS = 2000000 };

static bool same_extent(const Scores *x, const Scores *y)
{
    return !x->v == !y->v && (!x->v || (x->dim[0] == y->dim[0] && x->dim[1] == y->dim[1]));
}

// left: how many numbers there is still room for on the page.
static void put_layers(Buf *b, const Sequence *s, int64_t *left)
{
    const LayerScores *x = s->layers;
    if (!x || !same_extent(&x->source, &s->source_attributions) ||
        !same_extent(&x->target, &s->target_attributions))
        return;
    const Scores *any = x->source.v ? &x->source : &x->target;
    int64_t n =
        (x->source.v ? scores_count(&x->source, 0) : 0) + (x->target.v ? scores_count(&x->target, 0) : 0);
    if (n > *left) return;
    *left -= n;
    put_key(b, "layers");
    buf_printf(b, "{\"dims\":[%" PRId64, any->dim[2]);
    if (any->rank > 3) buf_printf(b, ",%" PRId64, any->dim[3]);
    buf_char(b, ']');
    put_scores(b, "source", &x->source);
    put_scores(b, "target", &x->target);
    buf_char(b, '}');
}

static void put_sequence(Arena *a, Buf *b, const Sequence *s, int64_t *layer_numbers)
{
    put_block(b, "class=\"data\"");
    buf_printf(b, "{\"start\":%" PRId64 ",\"end\":%" PRId64, s->attr_pos_start, s->attr_pos_end);
    put_text_field(a, b, "model", s->title);
    put_text_field(a, b, "method", s->method);
    put_tokens(a, b, "source", s->source, s->n_source);
    put_ids(b, "source_ids", s->source, s->n_source);
    put_tokens(a, b, "target", s->target, s->n_target);
    put_ids(b, "target_ids", s->target, s->n_target);
    if (s->of_template) {
        put_key(b, "template");
        buf_char(b, '[');
        for (int64_t i = 0; i < s->n_source; i++) buf_printf(b, i ? ",%d" : "%d", s->of_template[i]);
        buf_char(b, ']');
    }
    put_scores(b, "source_scores", &s->source_attributions);
    put_scores(b, "target_scores", &s->target_attributions);
    put_named(a, b, "step_scores", s->step_scores, s->n_step_scores);
    put_spelled(a, b, "source_spelled", s->source, s->n_source, s->target, s->n_target);
    put_spelled(a, b, "target_spelled", s->target, s->n_target, s->source, s->n_source);
    put_groups(a, b, "word", s, GRANULARITY_WORD);
    put_groups(a, b, "sentence", s, GRANULARITY_SENTENCE);
    put_layers(b, s, layer_numbers);
    if (s->evaluation) {
        put_curves(b, "curves", &s->evaluation->own);
        put_curves(b, "random_curves", &s->evaluation->random);
    }
    buf_str(b, STR_LIT("}</script>\n"));
}

static void put_picture(Arena *a, Buf *b, const Picture *p, size_t text)
{
    put_block(b, "class=\"data\"");
    buf_printf(b, "{\"text\":%zu", text);
    put_text_field(a, b, "title", p->title);
    put_text_field(a, b, "down", p->down);
    put_text_field(a, b, "across", p->across);
    put_tokens(a, b, "rows", p->row, p->scores.dim[0]);
    put_tokens(a, b, "columns", p->column, p->scores.dim[1]);
    put_scores(b, "scores", &p->scores);
    if (p->cell) {
        put_key(b, "words");
        for (int64_t i = 0; i < scores_count(&p->scores, 0); i++) {
            buf_char(b, i ? ',' : '[');
            put_string(a, b, p->cell[i]);
        }
        buf_char(b, ']');
    }
    put_named(a, b, "step_scores", p->below, p->n_below);
    buf_str(b, STR_LIT("}</script>\n"));
}

// ------------------------------------------------------------------------------------------ the index

enum { MOST_NAMES = 32 }; // of step scores that the list can be sorted by

// What the index is made of: all sequences of all chapters, each with the text that it belongs to.
typedef struct Contents {
    Arena *a;
    const Chapter *chapter;
    size_t n_chapters, n, n_texts;
    const Sequence **sequence; // [n]
    size_t *text, *of_chapter; // [n]
    size_t *place;             // [n] in its chapter
    Str name[MOST_NAMES];
    size_t n_names;
} Contents;

static bool same_source(const Sequence *x, const Sequence *y)
{
    if (x->n_source != y->n_source) return false;
    for (int64_t i = 0; i < x->n_source; i++)
        if (!str_eq(x->source[i].text, y->source[i].text)) return false;
    return true;
}

static bool same_target(const Sequence *x, const Sequence *y)
{
    if (x->n_target != y->n_target) return false;
    for (int64_t i = 0; i < x->n_target; i++)
        if (!str_eq(x->target[i].text, y->target[i].text)) return false;
    return true;
}

// Sequences of a chapter that belong together: by the number of their text where models or methods ran, else neighbours that
// have the same source (foils, or targets, of one text).
static void group_sequences(Contents *x)
{
    for (size_t k = 0, i = 0; k < x->n_chapters; k++) {
        const Attribution *t = x->chapter[k].shown;
        size_t *first = arena_new(x->a, size_t, t->n + 1); // by number: one more than the text
        for (size_t c = 0; c < t->n; c++, i++) {
            const Sequence *s = x->sequence[i] = &t->sequence[c];
            bool numbered = (s->title || s->method) && s->text > 0 && s->text <= (int64_t)t->n;
            size_t *own = numbered ? &first[s->text] : NULL;
            x->of_chapter[i] = k, x->place[i] = c;
            if (own && *own) x->text[i] = *own - 1;
            else if (c && !(s->row.n && s->text != x->sequence[i - 1]->text) &&
                     same_source(s, x->sequence[i - 1]) && !same_target(s, x->sequence[i - 1]))
                x->text[i] = x->text[i - 1];
            else x->text[i] = x->n_texts++;
            if (own) *own = x->text[i] + 1;
        }
    }
}

static size_t name_at(const Contents *x, Str name)
{
    size_t k = 0;
    while (k < x->n_names && !str_eq(x->name[k], name)) k++;
    return k;
}

static void collect_names(Contents *x)
{
    for (size_t i = 0; i < x->n; i++)
        for (size_t k = 0; k < x->sequence[i]->n_step_scores && x->n_names < MOST_NAMES; k++) {
            Str name = x->sequence[i]->step_scores[k].name;
            if (name_at(x, name) == x->n_names) x->name[x->n_names++] = name;
        }
}

static float mean(const Scores *x)
{
    int64_t n = scores_count(x, 0);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x->v[i];
    return n ? (float)(sum / (double)n) : NAN;
}

// The tokens as words, where a result does not say what its texts are: \u2581 and \u0120 begin one.
static void put_running(Arena *a, Buf *b, const char *key, const Token *t, int64_t n)
{
    Buf words = {.arena = a};
    for (int64_t i = 0; i < n; i++) {
        Str s = t[i].text;
        bool begins = str_starts(s, STR_LIT("\xe2\x96\x81")), byte_level = str_starts(s, STR_LIT("\xc4\xa0"));
        size_t mark = begins ? 3 : byte_level ? 2 : 0;
        if (mark && i) buf_char(&words, ' ');
        buf_str(&words, (Str){s.s + mark, s.n - mark});
    }
    put_key(b, key);
    put_string(a, b, buf_view(&words));
}

typedef struct InfoTexts {
    const Json *in, *made; // at the texts of the next sequence
} InfoTexts;

static void put_texts(Arena *a, Buf *b, const Sequence *s, bool in, Str input, bool made, Str generated)
{
    if (in) put_key(b, "input"), put_string(a, b, input);
    else put_running(a, b, "input", s->source, s->n_source);
    int64_t end = s->attr_pos_end < s->n_target ? s->attr_pos_end : s->n_target;
    if (made) put_key(b, "generated"), put_string(a, b, generated);
    else put_running(a, b, "generated", s->target + s->attr_pos_start, end - s->attr_pos_start);
}

// [["id", "r4"], ["kind", "4"]]
static void put_row(Arena *a, Buf *b, const Sequence *s)
{
    const RowFact *fact;
    size_t n = report_row_facts(a, s, &fact);
    if (!n) return;
    put_key(b, "row");
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? STR_LIT(",[") : STR_LIT("[["));
        put_string(a, b, fact[i].key), buf_char(b, ','), put_string(a, b, fact[i].value);
        buf_char(b, ']');
    }
    buf_char(b, ']');
}

static void put_means(const Contents *x, Buf *b, const Sequence *s)
{
    put_key(b, "means");
    buf_char(b, '[');
    for (size_t k = 0; k < x->n_names; k++) {
        float v = NAN;
        for (size_t i = 0; i < s->n_step_scores; i++)
            if (str_eq(s->step_scores[i].name, x->name[k])) v = mean(&s->step_scores[i].scores);
        if (k) buf_char(b, ',');
        put_number(b, v, false);
    }
    buf_char(b, ']');
}

// A text for its first sequence, then the numbers of all that belong to it: they are linked so that texts come in order.
static void put_index_texts(Contents *x, Buf *b)
{
    size_t *next = arena_new(x->a, size_t, x->n + 1), *last = arena_new(x->a, size_t, x->n + 1);
    bool *seen = arena_new(x->a, bool, x->n + 1);
    Str *input = arena_new(x->a, Str, x->n + 1), *generated = arena_new(x->a, Str, x->n + 1);
    bool *has_input = arena_new(x->a, bool, x->n + 1), *has_generated = arena_new(x->a, bool, x->n + 1);
    InfoTexts at = {0};
    for (size_t i = 0; i < x->n; i++) {
        const Attribution *t = x->chapter[x->of_chapter[i]].shown;
        if (!x->place[i])
            at = (InfoTexts){report_info_texts(x->a, t, "input_texts"),
                             report_info_texts(x->a, t, "generated_texts")};
        has_input[i] = report_next_text(&at.in, &input[i]);
        has_generated[i] = report_next_text(&at.made, &generated[i]);
        size_t g = x->text[i];
        if (seen[g]) next[last[g]] = i; // 0: none, as the first is nobody's next
        seen[g] = true, last[g] = i;
    }
    put_key(b, "texts");
    buf_char(b, '[');
    for (size_t i = 0, texts = 0; i < x->n; i++) {
        if (x->text[i] != texts) continue;
        Arena *scratch = arena_create(x->a);
        const Sequence *s = x->sequence[i];
        const Attribution *t = x->chapter[x->of_chapter[i]].shown;
        buf_printf(b, texts++ ? ",\n{\"chapter\":%zu" : "\n{\"chapter\":%zu", x->of_chapter[i]);
        Buf number = {.arena = scratch};
        report_ordinal(&number, s->text > 0 ? (size_t)s->text - 1 : x->place[i]);
        if (t->n > 1 || s->row.n) put_text_field(scratch, b, "number", str_zero(scratch, buf_view(&number)));
        put_texts(scratch, b, s, has_input[i], input[i], has_generated[i], generated[i]);
        put_row(scratch, b, s);
        put_means(x, b, s);
        put_key(b, "sequences");
        buf_printf(b, "[%zu", i);
        for (size_t k = next[i]; k; k = next[k]) buf_printf(b, ",%zu", k);
        buf_str(b, STR_LIT("]}"));
        arena_free(scratch);
    }
    buf_char(b, ']');
}

static void put_index_chapters(Contents *x, Buf *b)
{
    put_key(b, "chapters");
    buf_char(b, '[');
    for (size_t i = 0; i < x->n_chapters; i++) {
        const Chapter *c = &x->chapter[i];
        buf_printf(b, "%s{\"pictures\":%zu", i ? ",\n" : "\n", c->shown->n_pictures);
        put_text_field(x->a, b, "title", c->title);
        put_text_field(x->a, b, "text", c->text);
        if (c->command) put_key(b, "commands"), buf_char(b, '[');
        for (size_t k = 0; c->command && c->command[k]; k++) {
            if (k) buf_char(b, ',');
            put_string(x->a, b, str_of(c->command[k]));
        }
        buf_str(b, c->command ? STR_LIT("]}") : STR_LIT("}"));
    }
    buf_char(b, ']');
}

static void put_index(Contents *x, const ReportOptions *o, Buf *b)
{
    put_block(b, "id=\"index\"");
    buf_str(b, STR_LIT("{\"version\":1"));
    if (!isnan(o->min_val)) put_key(b, "min"), put_number(b, (float)o->min_val, false);
    if (!isnan(o->max_val)) put_key(b, "max"), put_number(b, (float)o->max_val, false);
    if (o->decimals) put_key(b, "digits"), buf_printf(b, "%d", o->decimals - 1);
    if (o->percent) put_key(b, "percent"), buf_str(b, STR_LIT("true"));
    put_key(b, "steps");
    buf_char(b, '[');
    for (size_t k = 0; k < x->n_names; k++) {
        if (k) buf_char(b, ',');
        put_string(x->a, b, x->name[k]);
    }
    buf_char(b, ']');
    put_index_chapters(x, b);
    put_index_texts(x, b);
    buf_str(b, STR_LIT("}</script>\n"));
}

void page_data(Arena *a, const Chapter *chapter, size_t n, const ReportOptions *o, Buf *out)
{
    Arena *own = arena_create(a);
    Contents x = {.a = own, .chapter = chapter, .n_chapters = n};
    for (size_t i = 0; i < n; i++) x.n += chapter[i].shown->n;
    x.sequence = arena_new(own, const Sequence *, x.n + 1);
    x.text = arena_new(own, size_t, x.n + 1), x.of_chapter = arena_new(own, size_t, x.n + 1);
    x.place = arena_new(own, size_t, x.n + 1);
    group_sequences(&x), collect_names(&x);
    put_index(&x, o, out);
    int64_t layer_numbers = MOST_LAYER_NUMBERS;
    for (size_t i = 0; i < x.n; i++) {
        Arena *scratch = arena_create(own);
        put_sequence(scratch, out, x.sequence[i], &layer_numbers);
        arena_free(scratch);
    }
    for (size_t i = 0, from = 0; i < n; from += chapter[i++].shown->n)
        for (size_t k = 0; k < chapter[i].shown->n_pictures; k++) {
            const Picture *p = &chapter[i].shown->pictures[k];
            put_picture(own, out, p,
                        !x.n                       ? p->sequence
                        : from + p->sequence < x.n ? x.text[from + p->sequence]
                                                   : 0);
        }
    arena_free(own);
}

void page_hash(Buf *b, Str content)
{
    uint8_t hash[32];
    sha256(content, hash);
    buf_str(b, STR_LIT("'sha256-"));
    buf_base64(b, hash, sizeof hash);
    buf_char(b, '\'');
}
