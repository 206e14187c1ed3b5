// SPDX-License-Identifier: Apache-2.0
// t_aggregate.c — every way of aggregating that golden data knows, and what is refused.
#include "same.h"

#include <math.h>

// ------------------------------------------------------------------------------------------ golden cases

static Span *spans_of(Arena *A, const Json *j, size_t *n) // null, [from, to] or a list of those
{
    *n = 0;
    if (!j || j->kind != J_ARRAY || !j->count) return NULL;
    bool one = j->child->is_int;
    Span *out = arena_new(A, Span, j->count);
    for (const Json *c = one ? j : j->child; c; c = one ? NULL : c->next)
        out[(*n)++] = (Span){c->child->i, c->child->next->i};
    return out;
}

static void apply_args(Arena *A, const Json *args, Stage *s)
{
    const Json *j;
    if ((j = json_get(args, "normalize"))) s->normalize = j->kind == J_TRUE;
    if ((j = json_get(args, "rescale"))) s->rescale = j->kind == J_TRUE;
    if ((j = json_get(args, "vnorm_ord"))) s->vnorm_ord = j->number;
    if ((j = json_get(args, "special_chars"))) s->special_chars = str_zero(A, j->text);
    if ((j = json_get(args, "aggregate_source"))) s->aggregate_source = j->kind == J_TRUE;
    if ((j = json_get(args, "aggregate_target"))) s->aggregate_target = j->kind == J_TRUE;
    if ((j = json_get(args, "split_pattern"))) s->split_pattern = str_zero(A, j->text);
    if ((j = json_get(args, "split_mode"))) s->split_mode = str_zero(A, j->text);
    s->source_spans = spans_of(A, json_get(args, "source_spans"), &s->n_source_spans);
    s->target_spans = spans_of(A, json_get(args, "target_spans"), &s->n_target_spans);
    if (!(j = json_get(args, "select_idx"))) return;
    s->select = j->is_int ? SELECT_ONE : j->count == 2 ? SELECT_SPAN : SELECT_LIST;
    if (j->is_int) s->select_from = j->i;
    if (s->select == SELECT_SPAN) s->select_from = j->child->i, s->select_to = j->child->next->i;
    int64_t *list = arena_new(A, int64_t, j->count + 1);
    for (const Json *c = j->child; c; c = c->next) list[s->n_select++] = c->i;
    s->select_list = list;
}

// "vnorm", ["vnorm", "subwords"] or [["scores", "vnorm"], ["spans", "sum"]]
static size_t stages_of(Arena *A, const Json *aggregator, const Json *args, Stage out[8])
{
    size_t n = 0;
    for (const Json *c = aggregator->kind == J_ARRAY ? aggregator->child : aggregator; c; c = c->next) {
        const Json *name = c->kind == J_ARRAY ? c->child : c;
        out[n] = attr_stage(str_zero(A, name->text));
        if (name != c) out[n].function = str_zero(A, name->next->text);
        apply_args(A, args, &out[n++]);
        if (aggregator->kind != J_ARRAY) break;
    }
    return n;
}

static Sequence *input(Arena *A, const Json *c, const Json *of)
{
    Attribution *x = arena_new(A, Attribution, 1);
    const char *name = arena_printf(A, "aggregate/%s-%s.json", str_zero(A, json_get(c, "model")->text),
                                    str_zero(A, of->text));
    return golden_attribution(A, name, x) && x->n ? x->sequence : NULL;
}

// Runs the case; false if it is not about aggregation (inputs themselves, ways of saving).
static bool run_case(Arena *A, const Json *c, Sequence *got, bool *ok, Err *e)
{
    const Json *how = json_get(c, "how"), *of = json_get(how, "of"), *call = json_get(how, "call");
    const Json *operator= json_get(how, "operator"), *aggregator = json_get(how, "aggregator");
    if (!of || str_is(of->text, "itself")) return false;
    Sequence *in = input(A, c, of);
    if (!in) return false;
    Stage stage[8];
    size_t n = 0;
    if (call && str_is(call->text, "weight_attributions('probability')"))
        return *ok = attr_weight(A, in, "probability", got, e), true;
    if (call && str_starts(call->text, STR_LIT("get_scores"))) {
        n = attr_default_pipeline(in, stage);
    } else if (call) { // one head, then one layer
        stage[0] = stage[1] = attr_stage("mean");
        for (; n < 2; n++)
            stage[n].normalize = false, stage[n].select = SELECT_ONE, stage[n].select_from = n == 0;
    } else if (operator&& str_starts(operator->text, STR_LIT("["))) { // out[1:4]
        static const Span span = {1, 4};
        stage[n] = attr_stage("slices");
        stage[n].source_spans = &span, stage[n++].n_source_spans = 1;
    } else if (operator|| str_is(aggregator->text, "pair")) {
        stage[n] = attr_stage("pair");
        Json right = {.kind = J_STRING, .text = STR_LIT("pair-right")};
        stage[n++].paired = input(A, c, &right);
    } else if (aggregator->kind == J_NULL) {
        n = attr_default_pipeline(in, stage);
    } else {
        n = stages_of(A, aggregator, json_get(how, "args"), stage);
    }
    return *ok = attr_aggregate(A, in, stage, n, got, e), true;
}

// get_scores_dicts(): {"source_attributions": {"COLUMN TOKEN": {"ROW TOKEN": score}}, ...}, in order.
static void compare_dicts(const char *name, const Sequence *got, const Json *want)
{
    const Scores *blocks[] = {&got->source_attributions, &got->target_attributions};
    const char *keys[] = {"source_attributions", "target_attributions"};
    for (int b = 0; b < 2; b++) {
        const Json *dict = json_get(want, keys[b]);
        int64_t c = 0;
        for (const Json *column = dict ? dict->child : NULL; column; column = column->next, c++) {
            int64_t i = 0;
            for (const Json *cell = column->child; cell; cell = cell->next, i++) {
                if (!blocks[b]->v || i >= blocks[b]->dim[0] || c >= blocks[b]->dim[1]) {
                    FAIL("%s: %s has more cells than ours", name, keys[b]);
                    return;
                }
                double x = (double)blocks[b]->v[i * blocks[b]->dim[1] + c];
                if (isnan(cell->number) ? !isnan(x)
                                        : fabs(x - cell->number) > 2e-6 + 1e-4 * fabs(cell->number))
                    FAIL("%s: %s row %" PRId64 " column %" PRId64 ": %g, want %g", name, keys[b], i, c, x,
                         cell->number);
            }
        }
        if (dict && dict->count) CHECK_INT(c, got->attr_pos_end - got->attr_pos_start);
    }
}

TEST(aggregate_golden)
{
    const Json *index = golden_json(A, "index.json");
    int n = 0;
    for (const Json *c = NULL; (c = golden_case(index, "aggregate", c));) {
        Arena *a = arena_create(A);
        Sequence got;
        bool ok = false;
        Err e = {0};
        const char *name = str_zero(a, json_get(c, "name")->text),
                   *file = str_zero(a, json_get(c, "file")->text) + 6;
        if (run_case(a, c, &got, &ok, &e)) {
            Attribution want;
            n++;
            if (!ok) FAIL("%s: %s", name, e.text);
            else if (strstr(name, "scores-dicts")) compare_dicts(name, &got, golden_json(a, file));
            else if (golden_attribution(a, file, &want)) same_sequence(name, &got, want.sequence, GOLDEN);
        }
        arena_free(a);
    }
    CHECK_INT(n, 99);
}

// ------------------------------------------------------------------------------------------ by hand

// Two source tokens, two steps, three numbers each; target side with its triangle of NaN.
static Sequence small(Arena *A)
{
    static Token source[] = {{5,
                              {"\xe2\x96\x81"
                               "a",
                               4}},
                             {1, {"</s>", 4}}};
    static Token target[] = {{0, {"<pad>", 5}},
                             {7,
                              {"\xe2\x96\x81"
                               "b",
                               4}},
                             {1, {"</s>", 4}}};
    const float s[] = {3, 0, 4, 1, 2, 2, 0, 0, 0, -6, 0, 8},
                t[] = {0, 0, 5, 0, 0, 0, NAN, NAN, NAN, 0, 3, 4, NAN, NAN, NAN, NAN, NAN, NAN};
    Sequence q = {.source = source,
                  .target = target,
                  .n_source = 2,
                  .n_target = 3,
                  .attr_pos_start = 1,
                  .attr_pos_end = 3,
                  .kind = OUT_GRANULAR,
                  .source_attributions = {3, {2, 2, 3}, arena_new(A, float, 12)},
                  .target_attributions = {3, {3, 2, 3}, arena_new(A, float, 18)}};
    memcpy(q.source_attributions.v, s, sizeof s);
    memcpy(q.target_attributions.v, t, sizeof t);
    return q;
}

TEST(aggregate_by_hand)
{
    Sequence in = small(A), out;
    Stage p[4];
    Err e = {0};
    CHECK_INT(attr_default_pipeline(&in, p), 1);
    CHECK(attr_aggregate(A, &in, p, 1, &out, &e));
    const float s[] = {0.5f, 3.f / 18, 0, 10.f / 18}, t[] = {0.5f, 0, NAN, 5.f / 18, NAN, NAN};
    for (int i = 0; i < 4; i++) CHECK_NEAR(out.source_attributions.v[i], s[i], 1e-7);
    for (int i = 0; i < 6; i++)
        if (isnan(t[i])) CHECK(isnan(out.target_attributions.v[i]));
        else CHECK_NEAR(out.target_attributions.v[i], t[i], 1e-7);
    CHECK(out.kind == OUT_COARSE);
    CHECK_INT(attr_default_pipeline(&out, p), 0); // final: shown as it is

    p[0] = attr_stage("vnorm"), p[0].rescale = true; // rescale wins over the default normalize
    CHECK(attr_aggregate(A, &in, p, 1, &out, &e));
    CHECK_NEAR(out.source_attributions.v[3], 1, 0);
    CHECK_NEAR(out.source_attributions.v[0], 0.5, 1e-7);
}

TEST(aggregate_norm_orders)
{
    Sequence in = small(A), out;
    const struct {
        double ord, want;
    } cases[] = {{0, 2}, {1, 7}, {2, 5}, {3, 4.497941445275415}, {INFINITY, 4}, {16, 4.002493864}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Stage s = attr_stage("vnorm");
        Err e = {0};
        s.normalize = false, s.vnorm_ord = cases[i].ord;
        CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
        CHECK_NEAR(out.source_attributions.v[0], cases[i].want, 1e-6);
    }
}

// A column of zeros stays zero; infinities and huge values do not trap.
TEST(aggregate_extremes)
{
    Sequence in = small(A), out;
    for (int i = 0; i < 12; i++) in.source_attributions.v[i] = 0;
    in.target_attributions.v = NULL;
    Stage s = attr_stage("vnorm");
    Err e = {0};
    CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
    for (int i = 0; i < 4; i++) CHECK(out.source_attributions.v[i] == 0);
    for (int i = 0; i < 12; i++) in.source_attributions.v[i] = i % 2 ? INFINITY : 3e38f;
    CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
    Sequence empty = {.kind = OUT_STEPS};
    CHECK(attr_aggregate(A, &empty, &s, 1, &out, &e));
}

TEST(aggregate_refuses)
{
    static const Span backwards[] = {{2, 1}}, beyond[] = {{0, 9}}, overlap[] = {{0, 2}, {1, 2}},
                      below[] = {{-1, 1}};
    Sequence in = small(A), out;
    struct {
        Stage s;
        const char *says;
    } cases[20];
    size_t n = 0;
#define REFUSE(name, text, ...)                                                                              \
    do {                                                                                                     \
        Stage s = attr_stage(name);                                                                          \
        __VA_ARGS__;                                                                                         \
        cases[n].s = s, cases[n++].says = text;                                                              \
    } while (0)
    REFUSE("subword", "did you mean subwords?", (void)s);
    REFUSE("nonsense", "known are scores, subwords", (void)s);
    REFUSE("scores", "unknown aggregation function 'men', did you mean mean?", s.function = "men");
    REFUSE("vnorm", "out of range", s.select = SELECT_ONE, s.select_from = 3);
    REFUSE("vnorm", "out of range", s.select = SELECT_ONE, s.select_from = -4);
    REFUSE("vnorm", "does not lie within", s.select = SELECT_SPAN, s.select_from = 2, s.select_to = 2);
    REFUSE("vnorm", "does not lie within", s.select = SELECT_SPAN, s.select_from = 0, s.select_to = 4);
    REFUSE("vnorm", "empty", s.select = SELECT_LIST);
    REFUSE("vnorm", "vnorm_ord", s.vnorm_ord = 1.5);
    REFUSE("vnorm", "vnorm_ord", s.vnorm_ord = -1);
    REFUSE("vnorm", "vnorm_ord", s.vnorm_ord = NAN);
    REFUSE("spans", "does not fit", s.source_spans = backwards, s.n_source_spans = 1);
    REFUSE("spans", "does not fit", s.target_spans = beyond, s.n_target_spans = 1);
    REFUSE("slices", "does not fit", s.target_spans = overlap, s.n_target_spans = 2);
    REFUSE("spans", "does not fit", s.source_spans = below, s.n_source_spans = 1);
    REFUSE("split", "give a pattern", (void)s);
    REFUSE("split", "split_pattern", s.split_pattern = "(");
    REFUSE("split", "split_mode", s.split_pattern = "a", s.split_mode = "middle");
    REFUSE("pair", "second result is missing", (void)s);
#undef REFUSE
    for (size_t i = 0; i < n; i++) {
        Err e = {0};
        CHECK(!attr_aggregate(A, &in, &cases[i].s, 1, &out, &e));
        CHECK_HAS(e.text, cases[i].says);
    }
    Stage twice[2] = {attr_stage("vnorm"), attr_stage("mean")};
    Err e = {0};
    CHECK(!attr_aggregate(A, &in, twice, 2, &out, &e));
    CHECK_HAS(e.text, "nothing is left to reduce");
    e = (Err){0};
    CHECK(!attr_weight(A, &in, "probability", &out, &e));
    CHECK_HAS(e.text, "no step score 'probability'");
}

// Spans that straddle the start of attribution keep only the attributed part.
TEST(aggregate_straddling_span)
{
    Token t[] = {{0, {"a", 1}}, {1, {"b", 1}}, {2, {"c", 1}}, {3, {"d", 1}}, {4, {"e", 1}}};
    float step[] = {0.5f, 0.25f}, block[] = {1, 2, 3, 4, 5, 6, NAN, 8, NAN, NAN};
    NamedScores p = {.name = STR_LIT("probability"), .scores = {1, {2}, step}};
    Sequence in = {.source = t,
                   .target = t,
                   .n_source = 3,
                   .n_target = 5,
                   .attr_pos_start = 3,
                   .attr_pos_end = 5,
                   .target_attributions = {2, {5, 2}, block},
                   .step_scores = &p,
                   .n_step_scores = 1,
                   .kind = OUT_COARSE};
    static const Span spans[] = {{0, 2}, {2, 5}};
    Stage s = attr_stage("spans");
    s.target_spans = spans, s.n_target_spans = 2;
    Sequence out;
    Err e = {0};
    CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
    CHECK_INT(out.n_target, 2);
    CHECK_INT(out.attr_pos_start, 1);
    CHECK_INT(out.attr_pos_end, 2);
    CHECK_STR(out.target[1].text, STR_LIT("cde"));
    CHECK_INT(out.target[1].id, -1);
    CHECK_INT(out.target_attributions.dim[0], 2);
    CHECK_INT(out.target_attributions.dim[1], 1);
    CHECK_NEAR(out.target_attributions.v[0], 4, 0);
    CHECK_NEAR(out.step_scores[0].scores.v[0], 0.125, 0);
}

TEST(aggregate_names_and_rows)
{
    const char *const *names;
    const Entry *list;
    size_t n = attr_aggregator_names(&names);
    CHECK_INT(attr_aggregator_list(&list), n);
    for (size_t i = 0; i < n; i++) CHECK(!strcmp(list[i].name, names[i]) && *list[i].summary);
}

// Attention's own matrices: slices cut both sides of the encoder's, the target side of the decoder's.
TEST(aggregate_sequence_scores)
{
    Token t[] = {{0, {"a", 1}}, {1, {"b", 1}}, {2, {"c", 1}}};
    float square[9], cross[9];
    for (int i = 0; i < 9; i++) square[i] = (float)i, cross[i] = (float)(10 * i);
    NamedScores named[] = {{.name = STR_LIT("encoder_self_attentions"), .scores = {2, {3, 3}, square}},
                           {.name = STR_LIT("decoder_self_attentions"), .scores = {2, {3, 3}, square}},
                           {.name = STR_LIT("cross"), .scores = {2, {3, 3}, cross}}};
    NamedScores step = {.name = STR_LIT("logit"), .scores = {1, {3}, (float[]){1, -5, 2}}};
    Sequence out, in = {.source = t,
                        .target = t,
                        .n_source = 3,
                        .n_target = 3,
                        .attr_pos_end = 3,
                        .kind = OUT_COARSE,
                        .source_attributions = {2, {3, 3}, cross},
                        .sequence_scores = named,
                        .n_sequence_scores = 3,
                        .step_scores = &step,
                        .n_step_scores = 1};
    static const Span span[] = {{1, 3}};
    Err e = {0};
    Stage s = attr_stage("slices");
    s.source_spans = span, s.n_source_spans = 1;
    CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
    const float inner[] = {4, 5, 7, 8};
    CHECK_INT(out.sequence_scores[0].scores.dim[1], 2);
    for (int i = 0; i < 4; i++) CHECK_NEAR(out.sequence_scores[0].scores.v[i], inner[i], 0);
    CHECK_INT(out.sequence_scores[1].scores.dim[0], 3);
    CHECK_INT(out.sequence_scores[2].scores.dim[0], 2);
    CHECK_INT(out.n_source, 2);

    s = attr_stage("slices"); // nothing asked for: nothing lost
    CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
    same_sequence("slices of nothing", &out, &in, EXACT);

    s = attr_stage(
        "spans"); // columns of cross and decoder, rows and columns of encoder merge; other scores: absmax
    s.target_spans = s.source_spans = span, s.n_target_spans = s.n_source_spans = 1;
    CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
    const float merged[] = {0, 2, 6, 8};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 4; i++) CHECK_NEAR(out.sequence_scores[k].scores.v[i], merged[i], 0);
    CHECK_NEAR(out.step_scores[0].scores.v[1], -5, 0);
    CHECK_STR(out.target[1].text, STR_LIT("bc"));
}

TEST(aggregate_refuses_mismatches)
{
    Sequence in = small(A), other = in, out;
    Err e = {0};
    Stage s = attr_stage("vnorm");
    in.target_attributions.dim[1] = 1;
    CHECK(!attr_aggregate(A, &in, &s, 1, &out, &e));
    CHECK_HAS(e.text, "different numbers of columns");

    NamedScores p = {.name = STR_LIT("p"), .scores = {1, {5}, (float[5]){0}}};
    in = small(A), in.step_scores = &p, in.n_step_scores = 1;
    e = (Err){0};
    CHECK(!attr_weight(A, &in, "p", &out, &e));
    CHECK_HAS(e.text, "one number per token and step");

    s = attr_stage("pair"), s.paired = &other;
    e = (Err){0};
    CHECK(!attr_aggregate(A, &in, &s, 1, &out, &e));
    CHECK_HAS(e.text, "no scores 'p'");
    in.n_step_scores = 0, other.n_source = 1, e = (Err){0};
    CHECK(!attr_aggregate(A, &in, &s, 1, &out, &e));
    CHECK_HAS(e.text, "only results of equal lengths");
    other = small(A), other.source_attributions.rank = 2, e = (Err){0};
    CHECK(!attr_aggregate(A, &in, &s, 1, &out, &e));
    CHECK_HAS(e.text, "source attributions of the two results differ in shape");
}

// Suffix marks (WordPiece), several marks, and no mark at all.
TEST(aggregate_subword_marks)
{
    Token pieces[] = {
        {1, {"phen", 4}}, {2, {"##omen", 6}}, {3, {"##al", 4}}, {4, {"day", 3}}, {5, {"[SEP]", 5}}};
    float v[5] = {1, -3, 2, 4, 5};
    Sequence out, in = {.source = pieces,
                        .n_source = 5,
                        .target = pieces,
                        .n_target = 1,
                        .attr_pos_end = 1,
                        .source_attributions = {2, {5, 1}, v},
                        .kind = OUT_COARSE};
    Err e = {0};
    Stage s = attr_stage("subwords");
    CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
    CHECK_INT(out.n_source, 5); // no token has the mark
    s.special_chars = "@@ ##", s.is_suffix_symbol = true;
    CHECK(attr_aggregate(A, &in, &s, 1, &out, &e));
    CHECK_INT(out.n_source, 3);
    CHECK_STR(out.source[0].text, STR_LIT("phen##omen##al"));
    CHECK_NEAR(out.source_attributions.v[0], -3, 0);
}

// Every attribution that golden data keeps unaggregated, by its default pipeline.
TEST(aggregate_default_golden)
{
    const Json *index = golden_json(A, "index.json");
    int n = 0;
    for (const Json *c = NULL; (c = golden_case(index, "attribute", c));) {
        const Json *raw = json_get(c, "raw_file"), *file = json_get(c, "file");
        if (!raw || raw->kind != J_STRING) continue;
        Arena *a = arena_create(A);
        Attribution in, got, want;
        Err e = {0};
        if (golden_attribution(a, str_zero(a, raw->text) + 6, &in) &&
            golden_attribution(a, str_zero(a, file->text) + 6, &want)) {
            if (!attr_aggregate_default(a, &in, &got, &e)) FAIL("%s", e.text);
            else n += same_attribution(str_zero(a, json_get(c, "name")->text), &got, &want, GOLDEN);
        }
        arena_free(a);
    }
    CHECK(n >= 20);
}
