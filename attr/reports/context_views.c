// SPDX-License-Identifier: Apache-2.0
// context_views.c — a context attribution on the terminal, as rows and as data (context_html.c has the page).
//
// Rows (CSV): context (from 0), part (output | input_context | output_context), index and token, score, marked (1: the
// threshold chose it), and of a context's tokens the output token that they are cues of: cue_of, cue_of_token.
#include "context_views.h"
#include "report.h"

#include <math.h>
#include <string.h>

enum { MOST_LISTED = 60, LISTED = 20 }; // of longer texts the largest scores stand for all on the terminal

// ------------------------------------------------------------------------------------------ what is shown

Str context_info(const ContextResult *r, const char *key, const char *absent)
{
    const Json *j = r->info ? json_get(r->info, key) : NULL;
    return j && j->kind == J_STRING ? j->text : str_of(absent);
}

static Str visible(Arena *a, Str token, bool unicode)
{
    Buf b = {.arena = a};
    report_visible(&b, token, unicode);
    return buf_view(&b);
}

Str context_number(Arena *a, float v)
{
    bool small = v != 0 && fabsf(v) < 0.0005f;
    return str_of(arena_printf(a, small ? "%.1e" : "%.3f", (double)v));
}

static double number_of(const ContextResult *r, const char *key, double absent)
{
    const Json *j = r->info ? json_get(r->info, key) : NULL;
    return j && j->kind == J_NUMBER && isfinite(j->number) && fabs(j->number) < 1e9 ? j->number : absent;
}

ContextShown context_shown(Arena *a, const ContextResult *r, const ContextCue *c)
{
    ContextShown s;
    double top = number_of(r, "attribution_topk", 0);
    s.sensitive = context_threshold(r->cti, r->n, number_of(r, "context_sensitivity_std_threshold", 1));
    s.marked = context_marked(a, r, c, number_of(r, "attribution_std_threshold", 1),
                              top > 0 ? (int64_t)top : 0, &s.cues);
    return s;
}

Str context_word(Arena *a, Str token, bool unicode)
{
    static const struct {
        const char *mark, *text;
    } marks[] = {{"▁", " "}, {"Ġ", " "}, {"Ċ", "⏎"}};
    Buf b = {.arena = a}, shown = {.arena = a};
    for (size_t i = 0; i < token.n;) {
        Str rest = {token.s + i, token.n - i};
        size_t k = 0;
        while (k < 3 && !str_starts(rest, str_of(marks[k].mark))) k++;
        if (k == 3) buf_char(&b, token.s[i++]);
        else buf_str(&b, str_of(marks[k].text)), i += strlen(marks[k].mark);
    }
    report_visible(&shown, buf_view(&b), unicode);
    return buf_view(&shown);
}

Str context_facts(Arena *a, const ContextResult *r)
{
    Str metric = context_info(r, "context_sensitivity_metric", "kl_divergence"),
        method = context_info(r, "attribution_method", "saliency"),
        fn = context_info(r, "attributed_fn", "probability");
    Buf b = {.arena = a}, shown = {.arena = a};
    buf_str(&b, STR_LIT("Sensitive by ")), buf_str(&b, metric),
        buf_str(&b, STR_LIT(" between the output without and with its "
                            "context; cues by "));
    buf_str(&b, method), buf_str(&b, STR_LIT(" of ")), buf_str(&b, fn);
    report_visible(&shown, buf_view(&b), true);
    return buf_view(&shown);
}

Str context_title(Arena *a, const ContextResult *r, size_t k, size_t n)
{
    const Json *row = json_get(r[k].info, "inseq_row"), *number = json_get(row, "number"),
               *id = json_get(row, "id");
    Buf b = {.arena = a};
    if (!number || !number->is_int)
        return n > 1 ? str_of(arena_printf(a, "Context %zu of %zu", k + 1, n)) : (Str){0};
    buf_printf(&b, "Row %" PRId64, number->i);
    if (id && id->text.n) buf_str(&b, STR_LIT(", ")), report_visible(&b, id->text, true);
    return buf_view(&b);
}

Str context_measures(Arena *a, const ContextCue *c)
{
    if (isnan(c->kept)) return (Str){"", 0};
    const char *others = isnan(c->lost_random)
                             ? ""
                             : arena_printf(a, " (without as many others: %.3f)", (double)c->lost_random);
    return str_of(arena_printf(a, "probability %.3f, without the marked cues %.3f%s", (double)c->kept,
                               (double)c->lost, others));
}

// ------------------------------------------------------------------------------------------ sizes

static bool sensitive(const ContextResult *r, int64_t token, const ContextCue **out)
{
    for (size_t i = 0; i < r->n_cues; i++)
        if (r->cue[i].index == token) return *out = &r->cue[i], true;
    return false;
}

static Str strongest(Arena *a, const ContextResult *r, const ContextCue *c)
{
    Str best = {"", 0};
    float most = -1;
    for (int64_t i = 0; i < r->n_input + r->n_output; i++) {
        bool in = i < r->n_input;
        const float *v = in ? c->input : c->output;
        if (!v || !(fabsf(v[in ? i : i - r->n_input]) > most)) continue;
        most = fabsf(v[in ? i : i - r->n_input]),
        best = in ? r->input_token[i] : r->output_token[i - r->n_input];
    }
    return context_word(a, best, true);
}

bool context_sizes(Arena *a, const ContextResult *r, size_t n, ContextSizes *out)
{
    *out = (ContextSizes){.rows = n ? r[0].n : 0, .columns = n};
    if (n < 2) return false;
    for (size_t k = 0; k < n; k++)
        if (r[k].n != r[0].n || number_of(&r[k], "inseq_context_size", -1) < 0) return false;
    out->row = arena_new(a, Str, out->rows), out->column = arena_new(a, Str, n),
    out->cell = arena_new(a, Str, (size_t)out->rows * n);
    for (int64_t i = 0; i < out->rows; i++) out->row[i] = context_word(a, r[0].token[i], true);
    for (size_t k = 0; k < n; k++) {
        double size = number_of(&r[k], "inseq_context_size", 0);
        out->column[k] = str_of(arena_printf(a, "%.0f sentence%s", size, size == 1 ? "" : "s"));
        for (int64_t i = 0; i < out->rows; i++) {
            const ContextCue *c;
            Buf b = {.arena = a};
            buf_printf(&b, "%.3f", (double)r[k].cti[i]);
            if (sensitive(&r[k], i, &c)) {
                Str by = strongest(a, &r[k], c);
                buf_str(&b, by.n ? STR_LIT("* by") : STR_LIT("*"));
                if (by.n && by.s[0] != ' ') buf_char(&b, ' ');
                buf_str(&b, by);
            }
            out->cell[(size_t)i * n + k] = buf_view(&b);
        }
    }
    return true;
}

// ------------------------------------------------------------------------------------------ terminal

typedef struct Lines {
    Arena *a;
    Buf *out;
    const ReportOptions *o;
    int at, indent;
} Lines;

static void start_line(Lines *l, const char *label)
{
    buf_printf(l->out, "%s", label);
    l->at = report_width(str_of(label));
}

static void end_line(Lines *l) { buf_char(l->out, '\n'), l->at = 0; }

// A word that goes on where it can stand, coloured if marked.
static void put_word(Lines *l, Str word, const char *color)
{
    int width = report_width(word);
    if (l->at + width > l->o->width && l->at > l->indent) {
        end_line(l);
        for (; l->at < l->indent; l->at++) buf_char(l->out, ' ');
        while (word.n && *word.s == ' ') word.s++, word.n--, width--;
    }
    if (color && l->o->color != COLOR_NONE) buf_printf(l->out, "\x1b[1;%sm", color);
    buf_str(l->out, word);
    if (color && l->o->color != COLOR_NONE) buf_str(l->out, STR_LIT("\x1b[0m"));
    l->at += width;
}

static void put_words(Lines *l, Str text) // at blanks
{
    for (size_t i = 0; i < text.n;) {
        size_t to = i + 1;
        while (to < text.n && text.s[to] != ' ') to++;
        put_word(l, (Str){text.s + i, to - i}, NULL);
        i = to;
    }
}

static void put_fact(Lines *l, const char *label, Str text)
{
    Buf b = {.arena = l->a};
    if (!text.s) return;
    report_visible(&b, text, l->o->unicode);
    start_line(l, label), put_words(l, buf_view(&b)), end_line(l);
}

// A text with the marked tokens' numbers behind them.
static void put_marked(Lines *l, const char *label, const Str *token, const float *v, int64_t n,
                       const bool *marked, const char *color)
{
    start_line(l, label);
    for (int64_t i = 0; i < n; i++) {
        Str word = context_word(l->a, token[i], l->o->unicode);
        if (!i)
            while (word.n && *word.s == ' ') word.s++, word.n--;
        Str number = context_number(l->a, v[i]);
        if (marked[i])
            word = str_of(arena_printf(l->a, "%.*s(%.*s)", (int)word.n, word.s, (int)number.n, number.s));
        put_word(l, word, marked[i] ? color : NULL);
    }
    end_line(l);
}

static void put_all(Lines *l, const char *label, const Str *token, const float *v, int64_t n)
{
    int64_t *best = arena_new(l->a, int64_t, n), shown = n;
    bool *listed = arena_new(l->a, bool, n);
    if (n > MOST_LISTED) shown = context_rank(l->a, v, n, 0, LISTED, best);
    for (int64_t i = 0; i < shown; i++) listed[n > MOST_LISTED ? best[i] : i] = true;
    start_line(l, label);
    for (int64_t i = 0, k = 0; i < n; i++) {
        if (!listed[i]) continue;
        Str s = visible(l->a, token[i], l->o->unicode);
        put_word(l,
                 str_of(arena_printf(l->a, "%s%.*s %s", k ? "  " : "", (int)s.n, s.s,
                                     context_number(l->a, v[i]).s)),
                 NULL);
        k++;
    }
    if (shown < n)
        put_words(l, str_of(arena_printf(l->a, "  (the %" PRId64 " largest of %" PRId64 ")", shown, n)));
    end_line(l);
}

static void put_cue(Lines *l, const ContextResult *r, size_t i)
{
    const ContextCue *c = &r->cue[i];
    ContextShown s = context_shown(l->a, r, c);
    Str word = context_word(l->a, c->token, l->o->unicode), measures = context_measures(l->a, c);
    bool *own = arena_new(l->a, bool, r->n);
    own[c->index] = true;
    while (word.n && *word.s == ' ') word.s++, word.n--;
    if (!word.n) word = visible(l->a, c->token, l->o->unicode); // a blank of its own
    buf_printf(l->out, "\n#%zu. \"%.*s\"", i + 1, (int)word.n, word.s);
    if (c->contrast_token.s) {
        Str other = context_word(l->a, c->contrast_token, l->o->unicode);
        while (other.n && *other.s == ' ') other.s++, other.n--;
        buf_printf(l->out, ", without context \"%.*s\"", (int)other.n, other.s);
    }
    buf_char(l->out, '\n');
    put_marked(l, arena_printf(l->a, "Output (CTI > %s): ", context_number(l->a, s.sensitive).s), r->token,
               r->cti, r->n, own, "34");
    if (c->contextless.s) put_fact(l, "Contextless output: ", c->contextless);
    if (c->input) {
        put_marked(l, arena_printf(l->a, "Input context (CCI > %s): ", context_number(l->a, s.cues).s),
                   r->input_token, c->input, r->n_input, s.marked, "32");
        put_all(l, "  all: ", r->input_token, c->input, r->n_input);
    }
    if (c->output) {
        put_marked(l, arena_printf(l->a, "Output context (CCI > %s): ", context_number(l->a, s.cues).s),
                   r->output_token, c->output, r->n_output, s.marked + r->n_input, "32");
        put_all(l, "  all: ", r->output_token, c->output, r->n_output);
    }
    if (measures.n) put_fact(l, "Faithful? ", measures);
}

static void put_sizes(Arena *a, const ContextSizes *t, Buf *out)
{
    int *width = arena_new(a, int, t->columns + 1);
    for (int64_t i = 0; i < t->rows; i++)
        if (report_width(t->row[i]) > width[0]) width[0] = report_width(t->row[i]);
    for (size_t k = 0; k < t->columns; k++) {
        width[k + 1] = report_width(t->column[k]);
        for (int64_t i = 0; i < t->rows; i++)
            if (report_width(t->cell[(size_t)i * t->columns + k]) > width[k + 1])
                width[k + 1] = report_width(t->cell[(size_t)i * t->columns + k]);
    }
    buf_str(out, STR_LIT("\nSensitivity by the context's size (*: sensitive, by its strongest cue)\n"));
    for (int64_t i = -1; i < t->rows; i++) {
        for (size_t k = 0; k <= t->columns; k++) {
            Str s = k == 0  ? (i < 0 ? STR_LIT("") : t->row[i])
                    : i < 0 ? t->column[k - 1]
                            : t->cell[(size_t)i * t->columns + k - 1];
            buf_str(out, k ? STR_LIT("  ") : STR_LIT("")), buf_str(out, s);
            for (int w = report_width(s); k < t->columns && w < width[k]; w++) buf_char(out, ' ');
        }
        buf_char(out, '\n');
    }
}

void contexts_terminal(Arena *a, const ContextResult *r, size_t n, const ReportOptions *o, Buf *out)
{
    ContextSizes sizes;
    for (size_t k = 0; k < n; k++) {
        Lines l = {.a = a, .out = out, .o = o, .indent = 4};
        Str current = context_info(&r[k], "input_current_text", "");
        if (k) buf_char(out, '\n');
        put_fact(&l, "", context_title(a, r, k, n));
        put_fact(&l, "", context_facts(a, &r[k]));
        put_fact(&l, "Input context: ", r[k].input_context);
        if (current.n) put_fact(&l, "Input current: ", current);
        put_fact(&l, "Output context: ", r[k].output_context);
        put_fact(&l, "Output current: ", r[k].output_current);
        put_all(&l, "  all: ", r[k].token, r[k].cti, r[k].n);
        for (size_t i = 0; i < r[k].n_cues; i++) put_cue(&l, &r[k], i);
        if (!r[k].n_cues) buf_str(out, STR_LIT("\nNo token depends on the context by this threshold.\n"));
    }
    if (context_sizes(a, r, n, &sizes)) put_sizes(a, &sizes, out);
}

// ------------------------------------------------------------------------------------------ data

static void put_row(Buf *b, size_t context, const char *part, int64_t i, Str token, float v, bool marked,
                    const ContextCue *of)
{
    buf_printf(b, "%zu,%s,%" PRId64 ",", context, part, i);
    report_csv_field(b, token), buf_char(b, ',');
    if (!isnan(v)) buf_float(b, v);
    buf_printf(b, ",%d,", marked);
    if (of) buf_printf(b, "%" PRId64 ",", of->index), report_csv_field(b, of->token);
    else buf_char(b, ',');
    buf_char(b, '\n');
}

void contexts_csv(Arena *a, const ContextResult *r, size_t n, const ReportOptions *o, Buf *out)
{
    (void)o;
    buf_str(out, STR_LIT("context,part,index,token,score,marked,cue_of,cue_of_token\n"));
    for (size_t k = 0; k < n; k++) {
        const ContextCue *of;
        for (int64_t i = 0; i < r[k].n; i++)
            put_row(out, k, "output", i, r[k].token[i], r[k].cti[i], sensitive(&r[k], i, &of), NULL);
        for (size_t c = 0; c < r[k].n_cues; c++) {
            const ContextCue *cue = &r[k].cue[c];
            ContextShown s = context_shown(a, &r[k], cue);
            for (int64_t i = 0; cue->input && i < r[k].n_input; i++)
                put_row(out, k, "input_context", i, r[k].input_token[i], cue->input[i], s.marked[i], cue);
            for (int64_t i = 0; cue->output && i < r[k].n_output; i++)
                put_row(out, k, "output_context", i, r[k].output_token[i], cue->output[i],
                        s.marked[r[k].n_input + i], cue);
        }
    }
}

void contexts_jsonl(Arena *a, const ContextResult *r, size_t n, const ReportOptions *o, Buf *out)
{
    (void)a, (void)o;
    for (size_t k = 0; k < n; k++) context_to_json(&r[k], true, out), buf_char(out, '\n');
}

void contexts_json(Arena *a, const ContextResult *r, size_t n, const ReportOptions *o, Buf *out)
{
    (void)a, (void)o;
    if (n != 1) buf_str(out, STR_LIT("[\n"));
    for (size_t k = 0; k < n; k++) {
        if (k) buf_str(out, STR_LIT(",\n"));
        context_to_json(&r[k], false, out);
    }
    if (n != 1) buf_str(out, STR_LIT("\n]"));
}
