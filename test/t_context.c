// SPDX-License-Identifier: Apache-2.0
// t_context.c — attribute-context against Inseq (tools/oracle/context.py), and what is ours: tokens by where they stand,
// views of equal content, bad input, sizes, several contexts, faithfulness.
#include "../attr/context.h"
#include "cli.h"

#include <math.h>
#include <stdio.h>

static Run run_case(Arena *A, const Json *args, const char *model, const char *const *more)
{
    const char **w = arena_new(A, const char *, args->count + 16);
    size_t n = 0;
    w[n++] = "attribute-context", w[n++] = "-m", w[n++] = model;
    for (const Json *c = args->child; c; c = c->next) w[n++] = str_zero(A, c->text);
    for (; *more; more++) w[n++] = *more;
    return run_with(A, &(Setup){0}, w);
}

static void check_numbers(const char *what, const Json *got, const Json *want, bool shifted)
{
    if (!want || want->kind == J_NULL || !got || got->kind == J_NULL) {
        if ((want && want->kind != J_NULL) != (got && got->kind != J_NULL))
            FAIL("%s: only one is there", what);
        return;
    }
    CHECK_INT(got->count, want->count);
    double most = 0; // where all are small (a probability near 1), so is what they may differ by
    for (const Json *w = want->child; w; w = w->next) most = fmax(most, fabs(w->number));
    const double rounding = fmin(3e-6, 1e-7 + 1e-5 * most);
    const Json *g = got->child,
               *w = shifted ? want->child->next : want->child; // the first is the start token's
    for (; g && w; g = g->next, w = w->next)
        check_near(__FILE__, __LINE__, what, g->number, w->number, rounding + 2e-4 * fabs(w->number));
}

static void check_strings(const char *what, const Json *got, const Json *want)
{
    if (!want || want->kind != J_ARRAY || !got || got->kind != J_ARRAY) {
        if (got && want && got->kind != want->kind) FAIL("%s: another kind", what);
        return;
    }
    CHECK_INT(got->count, want->count);
    for (const Json *g = got->child, *w = want->child; g && w; g = g->next, w = w->next)
        check_str(__FILE__, __LINE__, what, g->text, w->text);
}

static void check_text(const char *what, const Json *got, const Json *want)
{
    CHECK_INT(got->kind, want->kind);
    if (want->kind == J_STRING) check_str(__FILE__, __LINE__, what, got->text, want->text);
}

static void check_result(Arena *A, const char *what, const Json *got, const Json *want, bool in, bool out)
{
    static const char *const lists[] = {"input_context_tokens", "output_context_tokens",
                                        "output_current_tokens"},
                             *const texts[] = {"cti_token", "contextual_output", "contrast_token",
                                               "contextless_output"};
    for (int k = 0; k < 3; k++) check_strings(what, json_get(got, lists[k]), json_get(want, lists[k]));
    check_numbers(what, json_get(got, "cti_scores"), json_get(want, "cti_scores"), false);
    const Json *g = json_get(got, "cci_scores"), *w = json_get(want, "cci_scores");
    CHECK_INT(g->count, w->count);
    for (g = g->child, w = w->child; g && w; g = g->next, w = w->next) {
        const char *at = arena_printf(A, "%s, token %" PRId64, what, json_get(w, "cti_idx")->i);
        CHECK_INT(json_get(g, "cti_idx")->i, json_get(w, "cti_idx")->i);
        for (int k = 0; k < 4; k++) check_text(at, json_get(g, texts[k]), json_get(w, texts[k]));
        check_numbers(at, json_get(g, "input_context_scores"), json_get(w, "input_context_scores"), in);
        check_numbers(at, json_get(g, "output_context_scores"), json_get(w, "output_context_scores"), out);
    }
}

TEST(context_golden)
{
    const Json *all = test_json(A, "test/golden/context.json");
    static const char *const json[] = {"--json", "-q", NULL};
    size_t n = 0;
    for (const Json *c = json_get(all, "cases")->child; c; c = c->next, n++) {
        const char *model = arena_printf(A, "test/golden/models/%.*s", (int)json_get(c, "model")->text.n,
                                         json_get(c, "model")->text.s);
        const char *what = arena_printf(A, "case %zu (%s)", n, model);
        Run r = run_case(A, json_get(c, "args"), model, json);
        check_ran(what, r);
        const Json *got = json_parse(A, (Str){r.out, r.n_out}, what, NULL);
        if (!got) {
            FAIL("%s: no JSON", what);
            continue;
        }
        check_result(A, what, got, json_get(c, "want"), json_get(c, "shifted_input")->kind == J_TRUE,
                     json_get(c, "shifted_output")->kind == J_TRUE);
        const Json *info = json_get(c, "info"), *own = json_get(got, "info");
        if (!info) continue;
        CHECK_INT(own->count, info->count); // key for key, in order
        for (const Json *g = own->child, *w = info->child; g && w; g = g->next, w = w->next) {
            CHECK_STR(g->key, w->key);
            if (str_is(w->key, "show_viz") || str_is(w->key, "model_name_or_path"))
                continue; // the oracle's own
            CHECK_INT(g->kind, w->kind);
            if (w->kind == J_STRING) CHECK_STR(g->text, w->text);
            if (w->kind == J_NUMBER) CHECK_STR(g->text, w->text);
        }
    }
    CHECK(n > 30);
}

#define GPT2 "test/golden/models/gpt2-tiny"
#define SHE                                                                                                  \
    "--input_context_text", "She is a teacher.", "--input_current_text", "The teacher hid the ring.",        \
        "--output_context_text", "Zij is lerares.", "--output_current_text", "De lerares verstopte de ring."
#define CONTEXT(...) RUN("attribute-context", "-m", TRAINED, __VA_ARGS__)

static const Json *parsed(Arena *A, Run r)
{
    Err e = {0};
    const Json *j = json_parse(A, (Str){r.out, r.n_out}, "output", &e);
    if (!j) FAIL("%s (%s)", e.text, r.err);
    return j;
}

// A cue's scores are what attribute says of the same step: rows are found by where the context stands.
TEST(context_is_attribution_of_the_step)
{
    const Json *own = parsed(A, RUN("attribute-context", "-m", GPT2, "-a", "saliency", "--input_context_text",
                                    "She is a teacher.", "--input_current_text", "The teacher lost",
                                    "--output_context_text", "No.", "--output_current_text", "the key",
                                    "--context_sensitivity_std_threshold", "-5", "--json"));
    const Json *all =
        parsed(A, RUN("attribute", "-m", GPT2, "-a", "saliency", "-i", "She is a teacher. The teacher lost",
                      "-g", "She is a teacher. The teacher lost No. the key", "--attribution_aggregators",
                      "vnorm", "--json"));
    if (!own || !all) return;
    const Json *rows = json_get(json_get(all, "sequences")->child, "target_attributions"),
               *tokens = json_get(json_get(all, "sequences")->child, "target_tokens");
    size_t cues = 0, prompt = 0, behind = 0;
    for (const Json *t = tokens->child; t && !str_is(t->text, "ĠNo"); t = t->next) prompt++;
    for (const Json *t = tokens->child; t && !str_is(t->text, "Ġthe"); t = t->next) behind++;
    CHECK(prompt > 5 && behind == prompt + 2);
    for (const Json *c = json_get(own, "cci_scores")->child; c; c = c->next, cues++) {
        size_t column = behind - prompt + (size_t)json_get(c, "cti_idx")->i, i = 0;
        const Json *row = rows->child, *in = json_get(c, "input_context_scores")->child,
                   *out = json_get(c, "output_context_scores")->child;
        for (; row; row = row->next, i++) {
            const Json *cell = row->child;
            for (size_t k = 0; cell && k < column; k++) cell = cell->next;
            const Json **own_row = i < 5 ? &in : i >= prompt && i < behind ? &out : NULL;
            if (!own_row || !*own_row || !cell) continue;
            CHECK_NEAR((*own_row)->number, cell->number, 1e-6 + 1e-5 * fabs(cell->number));
            *own_row = (*own_row)->next;
        }
        CHECK(!in && !out);
    }
    CHECK(cues >= 3);
}

// A separator that is a special token counts inside a text; what the tokenizer adds by itself never does.
TEST(context_special_tokens)
{
    const Json *j =
        parsed(A, CONTEXT("--special_tokens_to_keep", "</s>", "--input_template", "{context}</s> {current}",
                          "--output_template", "{context}</s> {current}", SHE, "--json"));
    if (!j) return;
    CHECK_INT(json_get(j, "input_context_tokens")->count, 5);
    CHECK_INT(json_get(j, "output_context_tokens")->count, 4);
    CHECK_INT(json_get(j, "cti_scores")->count, 6);
    CHECK_STR(json_get(j, "output_current_tokens")->child->text, STR_LIT("▁De"));
    CHECK_STR(json_get(json_get(j, "cci_scores")->child, "contextual_output")->text,
              STR_LIT("Zij is lerares.</s>  De"));
    j = parsed(A, CONTEXT("--special_tokens_to_keep", "</s>", "--input_context_text", "She is a</s> teacher.",
                          "--input_current_text", "The teacher hid the ring.", "--output_current_text",
                          "De lerares verstopte de ring.", "--json"));
    if (j) CHECK_INT(json_get(j, "input_context_tokens")->count, 6);
}

// ------------------------------------------------------------------------------------------ views

static const char *temporary(Arena *A, const char *name)
{
    return arena_printf(A, "%s/%s", kit_folder(A), name);
}

// Every number and token of a text occurs in another.
static void check_content(const char *what, const char *text, const Json *j)
{
    char number[32];
    for (const Json *c = json_get(j, "cti_scores")->child; c; c = c->next) {
        snprintf(number, sizeof number, "%.3f", c->number);
        check_has(what, __LINE__, text, number);
    }
    for (const Json *cue = json_get(j, "cci_scores")->child; cue; cue = cue->next)
        for (int k = 0; k < 2; k++) {
            const Json *list = json_get(cue, k ? "output_context_scores" : "input_context_scores");
            for (const Json *c = list->child; c; c = c->next) {
                snprintf(number, sizeof number, "%.3f", c->number);
                check_has(what, __LINE__, text, number);
            }
        }
}

TEST(context_views)
{
    const char *file = temporary(A, "context.json"), *page = temporary(A, "context.html"),
               *rows = temporary(A, "context.csv");
    Run r = CONTEXT("-fn", "contrast_prob_diff", SHE, "-o", file, "--viz_path", page, "--csv", rows);
    check_ran("views", r);
    size_t n;
    const char *saved = slurp(A, file, &n), *html = slurp(A, page, NULL), *csv = slurp(A, rows, NULL);
    const Json *j = json_parse(A, (Str){saved, n}, file, NULL);
    CHECK(j != NULL);
    if (!j) return;
    check_content("terminal", r.out, j), check_content("page", html, j);
    CHECK_HAS(r.out, "lerares(0.726)"), CHECK_HAS(r.out, "teacher(0.032)"),
        CHECK_HAS(r.out, "without context \"leraar\"");
    CHECK_HAS(html, "leraar"), CHECK_HAS(html, "(CCI > 0.017)"), CHECK_HAS(r.out, "(CCI > 0.017)");
    CHECK_INT(lines(csv), 1 + 6 + 5 + 4);
    CHECK_HAS(csv, "0,output,1,▁lerares,"), CHECK_HAS(csv, ",1,1,▁lerares\n");
    // read back, everything is the same again
    Run again = RUN("show", file), json = RUN("show", file, "--json"),
        html2 = RUN("show", file, "--format", "html");
    CHECK(!strcmp(again.out, r.out)), CHECK(!strcmp(html2.out, html));
    CHECK(json.n_out == n + 1 && !memcmp(json.out, saved, n));
    CHECK(!strcmp(RUN("show", file, "--format", "csv").out, csv));
    const char *zipped = temporary(A, "context.json.gz");
    check_ran("gz", RUN("show", file, "-o", zipped, "--hide"));
    CHECK(!strcmp(RUN("show", zipped).out, r.out));
    const char *packed = temporary(A, "context.html.gz");
    check_ran("page gz", RUN("show", file, "--export", packed, "--hide"));
    size_t n_packed;
    const char *bytes = slurp(A, packed, &n_packed);
    Buf unpacked = {.arena = A};
    Err e = {0};
    CHECK(gunzip(&unpacked, (Str){bytes, n_packed}, 1 << 24, packed, 0, &e) &&
          str_is(buf_view(&unpacked), html));
    // the script that the policy names is the one that is there
    const char *from = strstr(html, "<script>"), *to = strstr(html, "</script>");
    CHECK(from && to && strstr(to + 1, "</script>") == NULL && strstr(from + 1, "<script>") == NULL);
    uint8_t hash[32];
    Buf policy = {.arena = A};
    sha256((Str){from + 8, (size_t)(to - from) - 8}, hash);
    buf_str(&policy, STR_LIT("script-src 'sha256-")), buf_base64(&policy, hash, 32), buf_char(&policy, '\'');
    CHECK_HAS(html, policy.s);
}

// README's command: the tokens it names, and that it is what these options print.
TEST(context_as_readme_says)
{
    const char *folder = kit_folder(A), *command[2], *readme = slurp(A, "README", NULL);
    CHECK_INT(readme_commands(A, "Which words of the context did it?", command, 2), 1);
    Run r = RUN("attribute-context", "-m", "demo/en-nl", "-a", "occlusion", "-fn", "contrast_prob_diff",
                "--evaluate", "--input_context_text", "She is a nurse.", "--input_current_text",
                "The nurse is tired.");
    check_ran("README", r);
    CHECK(!strcmp(run_in(A, folder, command[0]), r.out));
    for (Str all = str_of(r.out); all.n;) { // what it prints stands there
        Str line = str_line(&all);
        if (line.n) CHECK_HAS(readme, arena_printf(A, "\n    %.*s\n", (int)line.n, line.s));
    }
    CHECK_HAS(r.out, "She(0.994) is a nurse.");
}

// Parameters that are not saved still decide what is marked.
TEST(context_without_info)
{
    Run r = CONTEXT("--context_sensitivity_std_threshold", "0", "--attribution_std_threshold", "0",
                    "--attribution_topk", "2", "--no_add_output_info", "--input_context_text",
                    "He is a nurse.", "--input_current_text", "The nurse is tired.", "--output_current_text",
                    "De verpleger is moe.");
    CHECK_HAS(r.out, "Output (CTI > 3.822): De(9.119) verpleger is moe."),
        CHECK_HAS(r.out, "He(8.4e-05) is a nurse(1.9e-04).");
    const Json *j = parsed(A, CONTEXT("--no_add_output_info", SHE, "--json"));
    if (j) CHECK(!json_get(j, "info") && json_get(j, "cci_scores"));
}

TEST(context_page_is_text)
{
    Run r =
        RUN("attribute-context", "-m", GPT2, "--input_context_text", "<script>alert(1)</script> & \"x\"",
            "--input_current_text", "<b>It</b>", "--output_current_text", "</script><i>", "--format", "html");
    CHECK_INT(r.code, 0);
    CHECK(!strstr(r.out, "alert(1)</script>") && !strstr(r.out, "<b>It") && !strstr(r.out, "</script><i>"));
    CHECK_HAS(r.out, "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot;");
}

TEST(context_files_of_inseq)
{
    const char *file = temporary(A, "theirs.json"); // drawn, so its lists hold more than there are tokens
    Err e = {0};
    Str text = STR_LIT(
        "{\"input_context\": \"A b\", \"input_context_tokens\": [\"A\", \"b\"], \"output_context\": null, "
        "\"output_context_tokens\": null, \"output_current\": \"c\", \"output_current_tokens\": [\"c\"], "
        "\"cti_scores\": [0.5], \"cci_scores\": [{\"cti_idx\": 0, \"cti_token\": \"c\", \"cti_score\": 0.5, "
        "\"contextual_output\": \"c\", \"contrast_token\": null, \"contextless_output\": null, "
        "\"input_context_scores\": [0.25, NaN, 3.0], \"output_context_scores\": null}]}");
    CHECK(attr_write(A, file, text, &e));
    Run r = RUN("show", file);
    check_ran("theirs", r);
    CHECK_HAS(r.out, "A 0.250  b nan");
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"{\"cci_scores\": 3}", "cti_scores and cci_scores are missing"},
        {"{\"cti_scores\": [1], \"cci_scores\": [], \"output_current_tokens\": [\"a\", \"b\"]}",
         "1 numbers for 2 tokens"},
        {"{\"cti_scores\": [1], \"output_current_tokens\": [\"a\"], \"cci_scores\": [{\"cti_idx\": 1}]}",
         "cti_idx"},
        {"{\"cti_scores\": [1], \"output_current_tokens\": [7], \"cci_scores\": []}", "list of tokens"},
        {"{\"cti_scores\": [1], \"output_current_tokens\": [\"a\"], \"input_context\": [], \"cci_scores\": "
         "[]}",
         "text or null"},
        {"[{\"cci_scores\": []", "expected"},
        {"[[], \"cci_scores\"]", "missing"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(attr_write(A, file, str_of(bad[i].text), &e));
        check_refused(bad[i].text, RUN("show", file), 1, bad[i].says);
    }
}

static bool read_back(Arena *A, void *context, Err *e)
{
    ContextResult *r;
    size_t n;
    Buf b = {.arena = A};
    if (!contexts_from_json(A, str_of(context), "x", &r, &n, e)) return false;
    context_to_json(r, false, &b);
    return true;
}

TEST(context_files_under_faults)
{
    test_every_fault(A, FAULT_ALLOC, read_back,
                     "{\"input_context\": \"A\", \"input_context_tokens\": [\"A\"], "
                     "\"output_current_tokens\": [\"c\"], \"cti_scores\": "
                     "[0.5], \"cci_scores\": [{\"cti_idx\": 0, \"input_context_scores\": [0.25]}], \"info\": "
                     "{\"a\": [1, {}]}}");
}

// ------------------------------------------------------------------------------------------ input that is wrong

TEST(context_wrong)
{
#define WRONG(code, says, ...) check_refused(says, CONTEXT(__VA_ARGS__), code, says)
#define NOW                    "--input_current_text", "The nurse is tired.", "--output_current_text", "De verpleger is moe."
    WRONG(2, "has no {context} for it", "--input_context_text", "He.", "--input_template", "{current}", NOW);
    WRONG(2, "has no {context} for it", "--output_context_text", "Hij.", "--output_template", "{current}",
          NOW);
    WRONG(2, "--input_context_text is not given", "--input_template", "{context} {current}", NOW);
    WRONG(2, "has no {current}", "--input_context_text", "He.", "--input_template", "{context}", NOW);
    WRONG(2, "has no {current}", "--input_context_text", "He.", "--output_template", "x", NOW);
    WRONG(2, "has no {current}", "--input_context_text", "He.", "--contextless_input_current_text", "x", NOW);
    WRONG(2, "twice", "--input_context_text", "He.", "--input_template", "{context} {current} {current}",
          NOW);
    WRONG(2, "before {current}", "--output_context_text", "He.", "--output_template", "{current} {context}",
          NOW);
    WRONG(2, "doubled", "--input_context_text", "He.", "--input_template", "{context} {x} {current}", NOW);
    WRONG(2, "there is no context", NOW);
    WRONG(2, "--input_current_text is missing", "--input_context_text", "He.");
    WRONG(2, "compares nothing", "--input_context_text", "He.", "--context_sensitivity_metric", "probability",
          NOW);
    WRONG(2, "unknown step function", "--input_context_text", "He.", "--context_sensitivity_metric", "kl",
          NOW);
    WRONG(2, "must be a number", "--input_context_text", "He.", "--context_sensitivity_std_threshold", "x",
          NOW);
    WRONG(2, "or more", "--input_context_text", "He.", "--attribution_topk", "-1", NOW);
    WRONG(2, "not both", "--input_context_text", "He.", "--contextless_output_next_tokens", "x",
          "--prompt_user_for_contextless_output_next_tokens", NOW);
    WRONG(2, "manual, auto or pre", "--input_context_text", "He.", "--handle_output_context_strategy", "x",
          NOW);
    WRONG(2, "pre it must be given", "--handle_output_context_strategy", "pre", "--output_template",
          "{context} {current}", "--input_current_text", "The nurse is tired.");
    WRONG(1, "does not begin with it", "--input_context_text", "He is a nurse.", "--input_current_text",
          "The nurse is tired.", "--output_template", "Antwoord: {current}");
    WRONG(1, "does not end with it", "--input_context_text", "He is a nurse.", "--input_current_text",
          "The nurse is tired.", "--output_template", "{current} Einde");
    WRONG(1, "there must be one for each", "-fn", "contrast_prob_diff", "--contextless_output_next_tokens",
          "a", "b", "c", "d", "e", "f", "g", "--input_context_text", "He.", NOW);
    WRONG(1, "is empty", "--input_context_text", "He.", "--input_current_text", "The nurse.",
          "--output_current_text", " ");
    // nobody is there to be asked
    WRONG(1, "nobody can be asked", "-fn", "contrast_prob_diff",
          "--prompt_user_for_contextless_output_next_tokens", "--input_context_text", "He is a nurse.", NOW);
    WRONG(1, "nobody can be asked", "--input_context_text", "He is a nurse.", "--input_current_text",
          "The nurse is tired.", "--output_template", "{context} {current}");
}

TEST(context_nothing_chosen)
{
    Run r =
        CONTEXT("--input_context_text", "He is a nurse.", NOW, "--context_sensitivity_std_threshold", "9");
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.err, "no token's kl_divergence reaches the threshold");
    CHECK_HAS(r.out, "No token depends on the context");
    const Json *j = parsed(A, CONTEXT("--input_context_text", "He is a nurse.", NOW,
                                      "--context_sensitivity_std_threshold", "9", "-q", "--json"));
    if (j) CHECK_INT(json_get(j, "cci_scores")->count, 0);
}

// ------------------------------------------------------------------------------------------ outputs that are made

TEST(context_split_output)
{
    const Json *j = parsed(A, CONTEXT("--input_context_text", "She is a teacher.", "--input_current_text",
                                      "The teacher hid the ring.", "--output_template", "{context} {current}",
                                      "--handle_output_context_strategy", "auto", "--json"));
    if (!j) return;
    CHECK_STR(json_get(j, "output_context")->text, STR_LIT("Zij is lerares."));
    CHECK_STR(json_get(j, "output_current")->text, STR_LIT("De lerares verstopte de ring."));
    j = parsed(A, RUN("attribute-context", "-m", GPT2, "--input_current_text", "The teacher lost",
                      "--output_context_text", "the key", "--max_new_tokens", "4", "--json",
                      "-q")); // a beginning that is forced
    if (!j) return;
    CHECK(json_get(j, "output_current")->text.n > 0);
    CHECK_STR(json_get(j, "output_context")->text, STR_LIT("the key"));
}

// ------------------------------------------------------------------------------------------ several contexts, sizes

TEST(context_several)
{
    Run both = CONTEXT("-fn", "contrast_prob_diff", "--input_context_text", "He is a nurse.",
                       "She is a nurse.", NOW, "--json"),
        one = CONTEXT("-fn", "contrast_prob_diff", "--input_context_text", "She is a nurse.", NOW, "--json");
    const Json *all = parsed(A, both);
    if (!all) return;
    CHECK_INT(all->count, 2);
    CHECK(strstr(both.out, str_zero(A, (Str){one.out, one.n_out - 1})) !=
          NULL); // each as if it were alone, in every bit
    const char *file = temporary(A, "both.json");
    check_ran("several", CONTEXT("-fn", "contrast_prob_diff", "--input_context_text", "He is a nurse.",
                                 "She is a nurse.", NOW, "-o", file, "--no_show_viz"));
    CHECK_HAS(RUN("show", file).out, "Context 2 of 2");
    const char *by_line = temporary(A, "both.jsonl");
    check_ran("lines", RUN("show", file, "-o", by_line, "--hide"));
    CHECK_INT(lines(slurp(A, by_line, NULL)), 2);
    CHECK(!strcmp(RUN("show", by_line, "--json").out, RUN("show", file, "--json").out));
}

// Rows of data files are documents: each as if it were alone, what is wrong with one loses no other, the same in any batch.
TEST(context_rows)
{
    const char *file = temporary(A, "d.jsonl"), *out = temporary(A, "o.jsonl"), *csv = temporary(A, "d.csv");
    Err e = {0};
    CHECK(attr_write(
        A, file,
        STR_LIT(
            "{\"id\": \"a\", \"input_current_text\": \"The teacher hid the ring.\", \"before\": \"She is a "
            "teacher.\", \"output_current_text\": \"De lerares verstopte de ring.\", \"note\": 7}\n"
            "{\"input_current_text\": \"The nurse is tired.\"}\n"
            "{\"input_current_text\": 3, \"before\": \"He is a nurse.\"}\n"
            "{\"input_current_text\": \"The nurse is tired.\", \"before\": \"She is a nurse.\"}\n"),
        &e));
    CHECK(attr_write(A, csv,
                     STR_LIT("a,b,c,d\nThe teacher hid the ring.,She is a teacher.,De lerares verstopte de "
                             "ring.,Zij is lerares.\nThe nurse is tired.,,De verpleegster is moe.,Zij is "
                             "verpleegster.\n"),
                     &e));
#define ROWS "-d", "json", "--dataset_files", file, "--input_context_field", "before"
    Run r = CONTEXT(ROWS, "-o", out);
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.err, "row 2: there is no context");
    CHECK_HAS(r.err, "d.jsonl: line 3: column \"input_current_text\" is a number, not a text");
    CHECK_HAS(r.out, "Row 1, a\n"), CHECK_HAS(r.out, "Row 4\n");
    const Json *all = parsed(A, RUN("show", out, "--json")),
               *one = parsed(A, CONTEXT("--input_context_text", "She is a teacher.", "--input_current_text",
                                        "The teacher hid the ring.", "--output_current_text",
                                        "De lerares verstopte de ring.", "--json"));
    if (!all || !one) return;
    CHECK_INT(all->count, 2);
    check_result(A, "row 1", all->child, one, false, false);
    CHECK(json_get(all->child->next, "output_current")->text.n > 0); // generated
    const Json *row = json_get(json_get(all->child, "info"), "inseq_row");
    CHECK_INT(json_get(row, "number")->i, 1);
    CHECK_STR(json_get(row, "id")->text, STR_LIT("a"));
    CHECK_INT(json_get(json_get(row, "fields"), "note")->i, 7);
    Run by_one = CONTEXT(ROWS, "--batch_size", "1", "--json", "-q"), together = CONTEXT(ROWS, "--json", "-q");
    CHECK(by_one.n_out > 1000 && !strcmp(by_one.out, together.out));
    // each row has the contexts that it has
    r = CONTEXT("-d", csv, "--input_current_field", "a", "--input_context_field", "b",
                "--output_current_field", "c", "--output_context_field", "d", "--json");
    CHECK_INT(r.code, 0);
    if (!(all = parsed(A, r))) return;
    CHECK(json_get(all->child, "input_context")->text.n && json_get(all->child, "output_context")->text.n);
    CHECK_INT(json_get(all->child->next, "input_context")->kind, J_NULL);
    CHECK_STR(json_get(all->child->next, "output_context")->text, STR_LIT("Zij is verpleegster."));
    check_refused("column", CONTEXT("-d", csv, "--output_context_field", "x"), 1,
                  "no column \"x\"; there are: a, b");
    check_refused("two", CONTEXT(ROWS, "--input_context_text", "He."), 2, "one of them has the text");
    check_refused("sizes", CONTEXT(ROWS, "--context_sizes", "0", "1"), 2, "--context_sizes");
    check_refused("no rows", CONTEXT("--input_context_text", "He.", NOW, "--input_context_field", "x"), 2,
                  "names a column of data files");
}

// -o FILE.jsonl of rows: the same command goes on behind what is there, whatever is lost; parts are merged to the same bytes.
TEST(context_rows_are_kept)
{
    const char *file = temporary(A, "d.jsonl"), *out = temporary(A, "o.jsonl");
    Err e = {0};
    Str rows = STR_LIT("{\"now\": \"The nurse is tired.\", \"before\": \"She is a nurse.\"}\n"
                       "{\"now\": \"The nurse is tired.\"}\n"
                       "{\"now\": \"The teacher hid the ring.\", \"before\": \"He is a teacher.\"}\n");
    CHECK(attr_write(A, file, rows, &e));
#define KEPT                                                                                                 \
    "-d", "json", "--dataset_files", file, "--input_current_field", "now", "--input_context_field",          \
        "before", "--no_show_viz", "-q", "-o"
    CHECK_INT(CONTEXT(KEPT, out).code, 3);
    size_t n, cuts = 0;
    Str whole = {slurp(A, out, &n), 0};
    whole.n = n;
    CHECK_INT(lines(whole.s), 4);
    const char *shown = RUN("show", out, "--json").out;
    for (size_t to = 40; to < n; to += n / 4, cuts++) { // as a run leaves it that was ended by force
        CHECK(attr_write(A, out, (Str){whole.s, to}, &e));
        CHECK_INT(CONTEXT(KEPT, out).code, 3);
        size_t again;
        const char *now = slurp(A, out, &again);
        CHECK_STR(((Str){now, again}), whole);
    }
    CHECK(cuts > 3);
    Run r = CONTEXT("-d", "json", "--dataset_files", file, "--input_current_field", "now",
                    "--input_context_field", "before", "-o", out);
    CHECK_HAS(r.err, "has 3 of 3 rows; all are done"), CHECK_HAS(r.err, "of these 1 failed (number 2)");
    CHECK_HAS(r.out, "Row 3\n");
    CHECK(attr_write(A, out, (Str){whole.s, n - 9}, &e)); // it can be read as far as it goes
    CHECK_HAS(RUN("show", out, "--json").out, "She is a nurse.");
    CHECK_INT(CONTEXT(KEPT, out, "--batch_size", "1").code, 3);
    CHECK(!strcmp(RUN("show", out, "--json").out, shown));
    check_refused("another run", CONTEXT(KEPT, out, "-a", "attention"), 1, "--attribution_method");
    check_refused("other ids", CONTEXT(KEPT, out, "--id_field", "now"), 1, "of other texts");
    CHECK_INT(CONTEXT(KEPT, out, "-a", "attention", "--overwrite").code, 3);
    const char *one = temporary(A, "1.jsonl"), *two = temporary(A, "2.jsonl"),
               *all = temporary(A, "all.jsonl");
    CONTEXT(KEPT, one, "--shard", "1/2"), CONTEXT(KEPT, two, "--shard", "2/2");
    Run merged = RUN("merge", all, two, one, "-q");
    CHECK_INT(merged.code, 0);
    size_t again;
    const char *now = slurp(A, all, &again);
    CHECK_STR(((Str){now, again}), whole);
    check_refused("no rows", CONTEXT("--input_context_text", "He.", NOW, "--overwrite"), 2,
                  "rows of data files");
}

TEST(context_by_size)
{
    Run r = CONTEXT("--input_context_text", "It is late. The key is here. He is a nurse.", NOW,
                    "--context_sizes", "0", "1", "3");
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.out, "0 sentences"), CHECK_HAS(r.out, "1 sentence "), CHECK_HAS(r.out, "* by");
    const Json *j = parsed(A, CONTEXT("--input_context_text", "It is late. The key is here. He is a nurse.",
                                      NOW, "--context_sizes", "0", "1", "3", "-q", "--json")),
               *alone = parsed(A, CONTEXT("--input_context_text", "He is a nurse.", NOW, "--json"));
    if (!j || !alone) return;
    CHECK_INT(j->count, 3);
    for (const Json *c = json_get(j->child, "cti_scores")->child; c; c = c->next)
        CHECK_NEAR(c->number, 0, 1e-6);
    CHECK_STR(json_get(j->child->next, "input_context")->text, STR_LIT("He is a nurse."));
    check_numbers("size 1", json_get(j->child->next, "cti_scores"), json_get(alone, "cti_scores"), false);
    j = parsed(A, CONTEXT("--input_context_text", "It is late. She is a teacher.", "--input_current_text",
                          "The teacher hid the ring.", "--output_template", "{current}", "--context_sizes",
                          "0", "2", "-q", "--json"));
    if (j)
        CHECK_STR(json_get(j->child, "output_current")->text,
                  json_get(j->child->next, "output_current")->text); // of the largest
    check_refused("sizes", CONTEXT("--input_context_text", "He.", NOW, "--context_sizes", "x"), 2,
                  "numbers of sentences");
}

// Without "She" the teacher is a man again; without any other word of the contexts hardly.
TEST(context_evaluated)
{
    const Json *j = parsed(A, CONTEXT("-a", "occlusion", SHE, "--evaluate", "--json"));
    if (!j) return;
    const Json *m = json_get(json_get(j, "info"), "inseq_evaluation")->child;
    CHECK(json_get(m, "probability")->number > 0.7);
    CHECK(json_get(m, "without_cues")->number < 0.6 * json_get(m, "probability")->number);
    CHECK(json_get(m, "without_others")->number > 0.8 * json_get(m, "probability")->number);
    CHECK_HAS(CONTEXT("-a", "occlusion", SHE, "--evaluate").out,
              "Faithful? probability 0.781, without the marked cues 0.442");
}

// The same bytes on every instruction set, with any threads and memory.
TEST(context_same_bytes)
{
    static const char *const isa[] = {"scalar", "avx2"};
    Run want =
        CONTEXT("-fn", "contrast_prob_diff", SHE, "--context_sensitivity_std_threshold", "0", "--json");
    for (size_t i = 0; i < 2; i++) {
        Run r = RUN_WITH({UNPACK(.env = {arena_printf(A, "INSEQ_ISA=%s", isa[i]), "INSEQ_THREADS=2"})},
                         "attribute-context", "-m", TRAINED, "-fn", "contrast_prob_diff", SHE,
                         "--context_sensitivity_std_threshold", "0", "--json", "--max_memory", "1M");
        if (r.code == 0) CHECK(!strcmp(r.out, want.out));
    }
}
