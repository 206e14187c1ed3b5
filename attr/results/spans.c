// SPDX-License-Identifier: Apache-2.0
// spans.c — aggregators that work on ranges of tokens: spans, subwords, split, slices, pair.
//
// A span [from, to) of tokens becomes one token: its texts joined, its rows and columns reduced to one (columns
// first, then rows; by the element farthest from zero unless told otherwise). Generated tokens are columns too:
// target span [3,5) with attr_pos_start 1 merges columns 2 and 3. Columns are not normalised again afterwards.
//
// subwords and split only find spans, then do the same; slices drops what is outside of the spans; pair subtracts.
#include "aggregate.h"

#include <regex.h>
#include <string.h>

typedef struct Spans {
    const Span *at;
    size_t n;
} Spans;

// ------------------------------------------------------------------------------------------ merging

static Token merged(Arena *a, const Token *t, int64_t n)
{
    Buf b = {.arena = a};
    for (int64_t i = 0; i < n; i++) buf_str(&b, t[i].text);
    return (Token){-1, buf_view(&b)};
}

static Token *merge_tokens(Arena *a, const Token *t, int64_t n, Spans spans, int64_t *n_out)
{
    Token *out = arena_new(a, Token, n ? n : 1);
    int64_t at = 0, k = 0;
    for (size_t i = 0; i < spans.n; i++) {
        while (at < spans.at[i].from) out[k++] = t[at++];
        out[k++] = merged(a, t + at, spans.at[i].to - at);
        at = spans.at[i].to;
    }
    while (at < n) out[k++] = t[at++];
    *n_out = k;
    return out;
}

static int64_t saved_by(Spans spans) // how much shorter a dimension gets
{
    int64_t n = 0;
    for (size_t i = 0; i < spans.n; i++) n += spans.at[i].to - spans.at[i].from - 1;
    return n;
}

// Spans cut to [0, n): an array may end before the tokens do.
static Spans within(Arena *a, Spans spans, int64_t n)
{
    Span *out = arena_new(a, Span, spans.n ? spans.n : 1);
    size_t k = 0;
    for (size_t i = 0; i < spans.n; i++)
        if (spans.at[i].from < n)
            out[k++] = (Span){spans.at[i].from, spans.at[i].to < n ? spans.at[i].to : n};
    return (Spans){out, k};
}

// Spans of target tokens as spans of columns: those in the prefix vanish, one that straddles the start is cut.
static Spans as_columns(Arena *a, Spans target, const Sequence *s)
{
    Span *out = arena_new(a, Span, target.n ? target.n : 1);
    size_t k = 0;
    int64_t start = s->attr_pos_start;
    for (size_t i = 0; i < target.n; i++)
        if (target.at[i].to > start)
            out[k++] =
                (Span){target.at[i].from > start ? target.at[i].from - start : 0, target.at[i].to - start};
    return within(a, (Spans){out, k}, s->attr_pos_end - start);
}

// x[.., D, ..] with dimension `axis` merged by f.
static Scores merge_axis(Arena *a, const Scores *x, int axis, Spans spans, const Reduce *f, double ord)
{
    spans = within(a, spans, x->dim[axis]);
    if (!spans.n) return *x;
    Scores shape = *x;
    shape.dim[axis] -= saved_by(spans);
    Scores r = scores_new(a, shape.rank, shape.dim);
    int64_t inner = scores_count(x, axis + 1), outer = 1, D = x->dim[axis];
    for (int i = 0; i < axis; i++) outer *= x->dim[i];
    for (int64_t o = 0; o < outer; o++) {
        const float *from = x->v + o * D * inner;
        float *to = r.v + o * r.dim[axis] * inner;
        int64_t at = 0;
        for (size_t i = 0; i <= spans.n; i++) {
            int64_t stop = i < spans.n ? spans.at[i].from : D; // what lies before the span stays as it is
            memcpy(to, from + at * inner, (size_t)((stop - at) * inner) * sizeof *to);
            to += (stop - at) * inner;
            if (i == spans.n) break;
            for (int64_t k = 0; k < inner; k++)
                to[k] = f->run(from + stop * inner + k, spans.at[i].to - stop, inner, ord);
            to += inner;
            at = spans.at[i].to;
        }
    }
    return r;
}

static Scores merge_both(Arena *a, const Scores *x, Spans rows, Spans columns, const Reduce *f, double ord)
{
    if (!x->v || x->rank < 2) return *x;
    Scores r = merge_axis(a, x, 1, columns, f, ord);
    return merge_axis(a, &r, 0, rows, f, ord);
}

// Probabilities of merged tokens multiply, information adds up, of anything else the farthest from zero counts.
const char *step_score_function(Str name)
{
    static const char *const products[] = {"probability", "contrast_prob", "contrast_prob_diff", "perplexity",
                                           "mc_dropout_prob_avg"};
    static const char *const sums[] = {"entropy", "crossentropy", "pcxmi", "kl_divergence"};
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
        if (str_is(name, products[i])) return "prod";
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        if (str_is(name, sums[i])) return "sum";
    return "absmax";
}

static NamedScores *copy_named(Arena *a, const NamedScores *x, size_t n)
{
    NamedScores *out = arena_new(a, NamedScores, n ? n : 1);
    for (size_t i = 0; i < n; i++) out[i] = x[i];
    return out;
}

static bool merge_spans(Arena *a, const Sequence *in, const Stage *stage, Spans source, Spans target,
                        Sequence *out, Err *e)
{
    const Reduce *f;
    if (!stage_function(stage, "absmax", &f, e)) return false;
    double ord = stage->vnorm_ord;
    Spans columns = as_columns(a, target, in);

    out->source = merge_tokens(a, in->source, in->n_source, source, &out->n_source);
    out->target = merge_tokens(a, in->target, in->n_target, target, &out->n_target);
    out->source_attributions = merge_both(a, &in->source_attributions, source, columns, f, ord);
    out->target_attributions = merge_both(a, &in->target_attributions, target, columns, f, ord);

    out->step_scores = copy_named(a, in->step_scores, in->n_step_scores);
    for (size_t i = 0; i < in->n_step_scores; i++) {
        const Reduce *g;
        if (!stage_function(stage, step_score_function(in->step_scores[i].name), &g, e)) return false;
        out->step_scores[i].scores = merge_axis(a, &in->step_scores[i].scores, 0, columns, g, ord);
    }
    out->sequence_scores = copy_named(a, in->sequence_scores, in->n_sequence_scores);
    for (size_t i = 0; i < in->n_sequence_scores; i++) {
        bool decoder = str_starts(in->sequence_scores[i].name, STR_LIT("decoder"));
        bool encoder = str_starts(in->sequence_scores[i].name, STR_LIT("encoder"));
        out->sequence_scores[i].scores =
            merge_both(a, &in->sequence_scores[i].scores, decoder ? columns : source,
                       encoder ? source : columns, f, ord);
    }

    // Where attribution starts, counted in merged tokens; a token that straddles the start counts as attributed.
    int64_t start = in->attr_pos_start;
    for (size_t i = 0; i < target.n; i++) {
        if (target.at[i].to <= in->attr_pos_start) start -= target.at[i].to - target.at[i].from - 1;
        else if (target.at[i].from < in->attr_pos_start) start -= in->attr_pos_start - target.at[i].from;
    }
    out->attr_pos_start = start;
    out->attr_pos_end = start + (in->attr_pos_end - in->attr_pos_start) - saved_by(columns);
    return true;
}

// ------------------------------------------------------------------------------------------ spans

static bool check_spans(const char *side, const Span *spans, size_t n, int64_t tokens, Err *e)
{
    int64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        Span s = spans[i];
        if (s.from < before || s.to <= s.from || s.to > tokens)
            return err_set(e,
                           "%s span %" PRId64 ":%" PRId64
                           " does not fit; spans go up, do not overlap, are not "
                           "empty and end at %" PRId64 " at most",
                           side, s.from, s.to, tokens);
        before = s.to;
    }
    return true;
}

static bool given_spans(const Sequence *in, const Stage *stage, Err *e)
{
    return check_spans("source", stage->source_spans, stage->n_source_spans, in->n_source, e) &&
           check_spans("target", stage->target_spans, stage->n_target_spans, in->n_target, e);
}

bool aggregate_spans(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e)
{
    return given_spans(in, stage, e) &&
           merge_spans(a, in, stage, (Spans){stage->source_spans, stage->n_source_spans},
                       (Spans){stage->target_spans, stage->n_target_spans}, out, e);
}

// ------------------------------------------------------------------------------------------ subwords

// The next of the marks in a list separated by spaces; false at its end.
static bool next_mark(const char **list, Str *mark)
{
    const char *s = *list + strspn(*list, " ");
    *mark = (Str){s, strcspn(s, " ")};
    *list = s + mark->n;
    return mark->n > 0;
}

static bool starts_with_mark(Str text, const char *marks)
{
    for (Str m; next_mark(&marks, &m);)
        if (str_starts(text, m)) return true;
    return false;
}

static bool has_mark(Str text, const char *marks)
{
    for (Str m; next_mark(&marks, &m);)
        if (memmem(text.s, text.n, m.s, m.n)) return true;
    return false;
}

// A word runs from a token that starts one to the next that does. As in Inseq the sequence's last token never joins:
// it is nearly always </s>. No mark in any token (another tokenizer's text): nothing is merged.
static Spans word_spans(Arena *a, const Token *t, int64_t n, const Stage *stage)
{
    bool any = false;
    for (int64_t i = 0; i < n && !any; i++) any = has_mark(t[i].text, stage->special_chars);
    if (!any) return (Spans){NULL, 0};
    Span *out = arena_new(a, Span, n);
    size_t k = 0;
    int64_t word = 0;
    for (int64_t i = 0; i < n; i++) {
        bool continues = starts_with_mark(t[i].text, stage->special_chars) == stage->is_suffix_symbol;
        if (continues && i < n - 1) continue;
        if (i - word > 1) out[k++] = (Span){word, i};
        word = i;
    }
    return (Spans){out, k};
}

bool aggregate_subwords(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e)
{
    Spans source = {NULL, 0}, target = {NULL, 0};
    if (stage->aggregate_source) source = word_spans(a, in->source, in->n_source, stage);
    if (stage->aggregate_target) target = word_spans(a, in->target, in->n_target, stage);
    return merge_spans(a, in, stage, source, target, out, e);
}

// ------------------------------------------------------------------------------------------ split

enum { CUT = 1, INSIDE = 2 }; // of a token: a span begins here; a match covers it

static void free_pattern(void *p) { regfree(p); }

// Marks tokens touched by a match of the pattern over the joined texts. false: no match, nothing to split.
static bool mark_matches(Arena *a, const Token *t, int64_t n, const regex_t *pattern, uint8_t *mark)
{
    Buf text = {.arena = a};
    size_t *from = arena_new(a, size_t, n + 1); // token i is text[from[i], from[i+1])
    for (int64_t i = 0; i < n; i++) {
        for (size_t k = 0; k < t[i].text.n; k++) buf_char(&text, t[i].text.s[k] ? t[i].text.s[k] : '\1');
        from[i + 1] = text.n;
    }
    bool any = false;
    int64_t token = 0;
    for (size_t at = 0; at < text.n;) {
        regmatch_t m;
        if (regexec(pattern, text.s + at, 1, &m, at ? REG_NOTBOL : 0)) break;
        size_t begin = at + (size_t)m.rm_so, end = at + (size_t)m.rm_eo;
        at = end > begin ? end : begin + 1;
        if (end == begin) continue; // an empty match separates nothing
        any = true;
        while (from[token + 1] <= begin) token++;
        mark[token] |= CUT;
        int64_t last = token;
        while (from[last + 1] < end) last++;
        for (int64_t i = token; i <= last; i++) mark[i] |= INSIDE;
        mark[last + 1] |= CUT;
    }
    return any;
}

static Spans split_spans(Arena *a, const Token *t, int64_t n, const Stage *stage, const regex_t *pattern)
{
    if (!n) return (Spans){NULL, 0};
    uint8_t *mark = arena_new(a, uint8_t, n + 1);
    if (!mark_matches(a, t, n, pattern, mark)) return (Spans){NULL, 0};
    bool start = !strcmp(stage->split_mode, "start"), end = !strcmp(stage->split_mode, "end");
    Span *out = arena_new(a, Span, n);
    size_t k = 0;
    int64_t begin = 0;
    for (int64_t i = 1; i <= n; i++) {
        bool cut = i == n || mark[i] & CUT;
        if (start && i < n) cut = cut && mark[i] & INSIDE;   // a match opens a span
        if (end && i < n) cut = cut && mark[i - 1] & INSIDE; // a match closes one
        if (!cut) continue;
        out[k++] = (Span){begin, i};
        begin = i;
    }
    return (Spans){out, k};
}

bool aggregate_split(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e)
{
    if (!stage->split_pattern)
        return err_set(e, "split: give a pattern (a POSIX extended regular expression)");
    if (strcmp(stage->split_mode, "single") && strcmp(stage->split_mode, "start") &&
        strcmp(stage->split_mode, "end"))
        return err_set(e, "split_mode '%.50s' is unknown; use single, start or end", stage->split_mode);
    regex_t *pattern = arena_new(a, regex_t, 1);
    arena_on_free(a, free_pattern, pattern); // before it holds anything: this call may run out of memory
    int rc = regcomp(pattern, stage->split_pattern, REG_EXTENDED);
    if (rc) {
        char why[100];
        regerror(rc, pattern, why, sizeof why);
        memset(pattern, 0, sizeof *pattern);
        return err_set(e, "split_pattern '%.200s': %s", stage->split_pattern, why);
    }
    Spans source = {NULL, 0}, target = {NULL, 0};
    if (stage->aggregate_source) source = split_spans(a, in->source, in->n_source, stage, pattern);
    if (stage->aggregate_target) target = split_spans(a, in->target, in->n_target, stage, pattern);
    return merge_spans(a, in, stage, source, target, out, e);
}

// ------------------------------------------------------------------------------------------ slices

static int64_t length_of(Spans spans)
{
    int64_t n = 0;
    for (size_t i = 0; i < spans.n; i++) n += spans.at[i].to - spans.at[i].from;
    return n;
}

static Token *keep_tokens(Arena *a, const Token *t, Spans spans, int64_t *n_out)
{
    *n_out = length_of(spans);
    Token *out = arena_new(a, Token, *n_out ? *n_out : 1);
    int64_t k = 0;
    for (size_t i = 0; i < spans.n; i++)
        for (int64_t j = spans.at[i].from; j < spans.at[i].to; j++) out[k++] = t[j];
    return out;
}

static Scores keep_rows(Arena *a, const Scores *x, Spans spans)
{
    if (!x->v) return *x;
    spans = within(a, spans, x->dim[0]);
    Scores shape = *x;
    shape.dim[0] = length_of(spans);
    Scores r = scores_new(a, shape.rank, shape.dim);
    int64_t row = scores_count(x, 1), k = 0;
    for (size_t i = 0; i < spans.n; i++) {
        int64_t n = spans.at[i].to - spans.at[i].from;
        memcpy(r.v + k * row, x->v + spans.at[i].from * row, (size_t)(n * row) * sizeof *r.v);
        k += n;
    }
    return r;
}

static Scores keep_columns(Arena *a, const Scores *x, Spans spans)
{
    if (!x->v || x->rank < 2) return *x;
    spans = within(a, spans, x->dim[1]);
    Scores shape = *x;
    shape.dim[1] = length_of(spans);
    Scores r = scores_new(a, shape.rank, shape.dim);
    int64_t inner = scores_count(x, 2);
    float *to = r.v;
    for (int64_t i = 0; i < x->dim[0]; i++)
        for (size_t k = 0; k < spans.n; k++) {
            int64_t n = (spans.at[k].to - spans.at[k].from) * inner;
            memcpy(to, x->v + (i * x->dim[1] + spans.at[k].from) * inner, (size_t)n * sizeof *to);
            to += n;
        }
    return r;
}

// Generated tokens always stay: what is asked for in the prefix, then everything from the start of attribution (or
// from the beginning of the first span that reaches into it).
static Spans kept_target(Arena *a, const Sequence *in, const Stage *stage)
{
    Span *out = arena_new(a, Span, stage->n_target_spans + 1);
    size_t k = 0;
    Span generated = {in->attr_pos_start, in->attr_pos_end};
    for (size_t i = 0; i < stage->n_target_spans; i++) {
        Span s = stage->target_spans[i];
        if (s.to > in->attr_pos_start) {
            if (s.from < generated.from) generated.from = s.from;
            break;
        }
        out[k++] = s;
    }
    out[k++] = generated;
    return (Spans){out, k};
}

// A decoder-only model's source is its prompt: the same tokens as the target's first ones, cut in the same way.
static Spans kept_source(Arena *a, const Sequence *in, const Stage *stage)
{
    Span *out = arena_new(a, Span, stage->n_target_spans + stage->n_source_spans + 1);
    size_t k = 0;
    if (in->source_attributions.v && stage->n_source_spans)
        return (Spans){stage->source_spans, stage->n_source_spans};
    if (in->source_attributions.v || !stage->n_target_spans)
        return out[0] = (Span){0, in->n_source}, (Spans){out, 1};
    for (size_t i = 0; i < stage->n_target_spans; i++) {
        Span s = stage->target_spans[i];
        int64_t most = in->attr_pos_start < in->n_source ? in->attr_pos_start : in->n_source;
        if (s.to > most) s.to = most;
        if (s.from < s.to) out[k++] = s;
    }
    return (Spans){out, k};
}

bool aggregate_slices(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e)
{
    if (!given_spans(in, stage, e)) return false;
    Spans source = kept_source(a, in, stage), target = kept_target(a, in, stage);
    out->source = keep_tokens(a, in->source, source, &out->n_source);
    out->target = keep_tokens(a, in->target, target, &out->n_target);
    out->source_attributions = keep_rows(a, &in->source_attributions, source);
    out->target_attributions = keep_rows(a, &in->target_attributions, target);
    out->sequence_scores = copy_named(a, in->sequence_scores, in->n_sequence_scores);
    for (size_t i = 0; i < in->n_sequence_scores; i++) {
        Scores *x = &out->sequence_scores[i].scores;
        bool decoder = str_starts(in->sequence_scores[i].name, STR_LIT("decoder"));
        bool encoder = str_starts(in->sequence_scores[i].name, STR_LIT("encoder"));
        *x = keep_rows(a, x, decoder ? target : source);
        if (encoder) *x = keep_columns(a, x, source);
    }
    out->attr_pos_start = 0;
    for (size_t i = 0; i < target.n; i++) {
        int64_t to = target.at[i].to < in->attr_pos_start ? target.at[i].to : in->attr_pos_start;
        out->attr_pos_start += to - target.at[i].from;
    }
    out->attr_pos_end = out->attr_pos_start + in->attr_pos_end - in->attr_pos_start;
    return true;
}

// ------------------------------------------------------------------------------------------ pair

static bool same_shape(const Scores *x, const Scores *y)
{
    if (!x->v || !y->v) return !x->v == !y->v;
    if (x->rank != y->rank) return false;
    for (int i = 0; i < x->rank; i++)
        if (x->dim[i] != y->dim[i]) return false;
    return true;
}

static bool subtract(Arena *a, const char *what, const Scores *x, const Scores *y, Scores *out, Err *e)
{
    if (!same_shape(x, y)) return err_set(e, "pair: %.100s of the two results differ in shape", what);
    *out = *x;
    if (!x->v) return true;
    *out = scores_new(a, x->rank, x->dim);
    for (int64_t i = 0; i < scores_count(x, 0); i++) out->v[i] = y->v[i] - x->v[i];
    return true;
}

static bool subtract_named(Arena *a, const NamedScores *x, size_t n, const NamedScores *y, size_t n_y,
                           NamedScores **out, Err *e)
{
    *out = copy_named(a, x, n);
    for (size_t i = 0; i < n; i++) {
        const Scores *other = NULL;
        for (size_t j = 0; j < n_y; j++)
            if (str_eq(y[j].name, x[i].name)) other = &y[j].scores;
        const char *name = str_zero(a, x[i].name);
        if (!other) return err_set(e, "pair: the other result has no scores '%.100s'", name);
        if (!subtract(a, name, &x[i].scores, other, &(*out)[i].scores, e)) return false;
    }
    return true;
}

static Token *pair_tokens(Arena *a, const Token *x, const Token *y, int64_t n)
{
    Token *out = arena_new(a, Token, n ? n : 1);
    for (int64_t i = 0; i < n; i++) {
        out[i] = x[i];
        if (str_eq(x[i].text, y[i].text)) continue;
        Buf b = {.arena = a};
        buf_str(&b, x[i].text);
        buf_str(&b, STR_LIT(" \xe2\x86\x92 ")); // →
        buf_str(&b, y[i].text);
        out[i] = (Token){-1, buf_view(&b)};
    }
    return out;
}

// The other result minus this one: how scores change from this one to the other. (Inseq's `a - b` is this with
// paired b, that is b - a.)
bool aggregate_pair(Arena *a, const Sequence *in, const Stage *stage, Sequence *out, Err *e)
{
    const Sequence *y = stage->paired;
    if (!y) return err_set(e, "pair: the second result is missing");
    if (in->n_source != y->n_source || in->n_target != y->n_target ||
        in->attr_pos_start != y->attr_pos_start || in->attr_pos_end != y->attr_pos_end)
        return err_set(e,
                       "pair: the results have %" PRId64 " and %" PRId64 " source tokens, %" PRId64
                       " and %" PRId64 " target tokens; only results of equal lengths can be subtracted",
                       in->n_source, y->n_source, in->n_target, y->n_target);
    out->evaluation = NULL; // measured of one of them
    out->source = pair_tokens(a, in->source, y->source, in->n_source);
    out->target = pair_tokens(a, in->target, y->target, in->n_target);
    return subtract(a, "source attributions", &in->source_attributions, &y->source_attributions,
                    &out->source_attributions, e) &&
           subtract(a, "target attributions", &in->target_attributions, &y->target_attributions,
                    &out->target_attributions, e) &&
           subtract_named(a, in->step_scores, in->n_step_scores, y->step_scores, y->n_step_scores,
                          &out->step_scores, e) &&
           subtract_named(a, in->sequence_scores, in->n_sequence_scores, y->sequence_scores,
                          y->n_sequence_scores, &out->sequence_scores, e);
}
