// SPDX-License-Identifier: Apache-2.0
// cmd_attribute_context.c — which tokens of an output depend on a context, and which tokens of that made them so.
#include "../texts/contexts.h"
#include "../texts/rows.h"
#include "streaming.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ------------------------------------------------------------------------------------------ options

static Str text_option(const Args *a, const char *name)
{
    const char *t = args_text(a, name);
    return t ? str_of(t) : (Str){0};
}

static bool real_option(const Args *a, const char *name, double absent, double *out, Err *e)
{
    const char *text = args_text(a, name);
    const Json *j = text ? json_parse(a->a, str_of(text), name, NULL) : NULL;
    *out = j ? j->number : absent;
    if (text && (!j || j->kind != J_NUMBER))
        return err_usage(e, "--%s %s: it must be a number, such as 1.5", name, text);
    return true;
}

static bool top_option(const Args *a, const char *name, int64_t *out, Err *e)
{
    const OptionValue *v = args_get(a, name);
    *out = v->given ? v->number : 0;
    return *out >= 0 || err_usage(e, "--%s %" PRId64 ": it must be 0 (all) or more", name, *out);
}

static bool strategy_option(const Args *a, ContextTexts *t, Err *e)
{
    const char *s = args_text(a, "handle_output_context_strategy");
    t->strategy = !s || !strcmp(s, "manual") ? SPLIT_MANUAL : !strcmp(s, "auto") ? SPLIT_AUTO : SPLIT_PRE;
    return !s || t->strategy != SPLIT_PRE || !strcmp(s, "pre") ||
           err_usage(e, "--handle_output_context_strategy %s: it must be manual, auto or pre", s);
}

// The method and the function of the cues.
static bool cue_options(Args *a, AttrOptions *o, AttrRequest *x, Err *e)
{
    *o = attr_defaults();
    if (args_text(a, "attribution_method")) o->method = args_text(a, "attribution_method");
    if (args_text(a, "attributed_fn")) o->attributed_fn = args_text(a, "attributed_fn");
    if (args_get(a, "max_memory")->given) o->max_memory = (size_t)args_get(a, "max_memory")->number;
    if (!attr_kwargs(a->a, args_get(a, "attribution_kwargs")->json, o, x, e)) return false;
    bool given = o->step.contrast_force_inputs;
    o->step.contrast_force_inputs |= !strcmp(o->attributed_fn, "kl_divergence");
    if (!attr_check(o, e)) return false;
    o->step.contrast_force_inputs = given;
    if (!strcmp(o->method, "dummy")) return err_usage(e, "dummy leaves no scores; cues need another method");
    o->has_start = o->has_end = false; // each sensitive token is a step of its own
    return true;
}

static bool metric_option(const Args *a, ContextOptions *o, Err *e)
{
    const char *m = o->metric = args_text(a, "context_sensitivity_metric");
    if (!m) return o->metric = "kl_divergence", true;
    AttrOptions probe = attr_defaults();
    probe.step_scores = &o->metric, probe.n_step_scores = 1;
    if (!attr_check(&probe, e)) return false;
    return attr_is_contrastive(m) || err_usage(e,
                                               "--context_sensitivity_metric %s compares nothing; choose a "
                                               "contrastive one, such as kl_divergence "
                                               "('inseq list steps')",
                                               m);
}

// The texts of a document, by their options and their columns'.
enum { PARTS = 4 };
static const char *const part_option[PARTS][2] = {{"input_current_text", "input_current_field"},
                                                  {"input_context_text", "input_context_field"},
                                                  {"output_current_text", "output_current_field"},
                                                  {"output_context_text", "output_context_field"}};

static Str *part(ContextTexts *t, int k)
{
    Str *const parts[] = {&t->input_current, &t->input_context, &t->output_current, &t->output_context};
    return parts[k];
}

typedef struct Parsed {
    ContextTexts texts;
    ContextOptions options;
    AttrOptions attribution;
    AttrRequest request;
    const char *const *context; // several input contexts
    size_t n_contexts;
    int64_t *size; // context_sizes
    size_t n_sizes;
    bool has_rows; // documents are rows of data files
    RowsFile rows;
    const char *column[PARTS]; // that have these texts; NULL: none
} Parsed;

static bool sizes_option(const Args *a, Parsed *p, Err *e)
{
    const OptionValue *v = args_get(a, "context_sizes");
    p->size = arena_new(a->a, int64_t, v->n), p->n_sizes = v->n;
    for (size_t i = 0; i < v->n; i++) {
        const Json *j = json_parse(a->a, str_of(v->list[i]), "context_sizes", NULL);
        if (!j || j->kind != J_NUMBER || !j->is_int || j->i < 0)
            return err_usage(e, "--context_sizes %s: it must be numbers of sentences, such as 0 1 2",
                             v->list[i]);
        p->size[i] = j->i;
    }
    if (v->n && p->n_contexts != 1)
        return err_usage(e, "--context_sizes takes the last sentences of one --input_context_text");
    return true;
}

static Str *list_option(const Args *a, const char *name, size_t *n)
{
    const OptionValue *v = args_get(a, name);
    Str *out = arena_new(a->a, Str, v->n);
    for (*n = 0; *n < v->n; ++*n) out[*n] = str_of(v->list[*n]);
    return out;
}

static bool parse(Args *a, Parsed *p, Err *e)
{
    ContextTexts *t = &p->texts;
    ContextOptions *o = &p->options;
    Stage *stage;
    *p = (Parsed){0};
    const OptionValue *contexts = args_get(a, "input_context_text");
    p->context = contexts->list, p->n_contexts = contexts->n;
    t->input_current = text_option(a, "input_current_text");
    if (contexts->n) t->input_context = str_of(contexts->list[0]);
    t->input_template = text_option(a, "input_template");
    t->output_context = text_option(a, "output_context_text");
    t->output_current = text_option(a, "output_current_text");
    t->output_template = text_option(a, "output_template");
    t->bare_input = text_option(a, "contextless_input_current_text");
    t->bare_output = text_option(a, "contextless_output_current_text");
    t->separator = args_text(a, "decoder_input_output_separator")
                       ? text_option(a, "decoder_input_output_separator")
                       : STR_LIT(" ");
    t->keep = list_option(a, "special_tokens_to_keep", &t->n_keep);
    t->word = list_option(a, "contextless_output_next_tokens", &t->n_words);
    t->ask_words = args_on(a, "prompt_user_for_contextless_output_next_tokens");
    t->generation = args_get(a, "generation_kwargs")->json;
    int64_t seed = args_get(a, "random_seed")->number;
    if (!strategy_option(a, t, e) || !cue_options(a, &p->attribution, &p->request, e) ||
        !metric_option(a, o, e) || !sizes_option(a, p, e) || !cmd_pipeline(a, &stage, &o->n_stages, e) ||
        !real_option(a, "context_sensitivity_std_threshold", 1, &o->sensitive_std, e) ||
        !real_option(a, "attribution_std_threshold", 1, &o->cue_std, e) ||
        !top_option(a, "context_sensitivity_topk", &o->sensitive_top, e) ||
        !top_option(a, "attribution_topk", &o->cue_top, e))
        return false;
    if (seed < 0 || seed > UINT32_MAX)
        return err_usage(e, "--random_seed %" PRId64 ": it must be from 0 to %" PRIu32, seed, UINT32_MAX);
    o->attribution = &p->attribution, o->stage = stage, o->normalize = args_on(a, "normalize_attributions");
    o->evaluate = args_on(a, "evaluate"), o->seed = (uint32_t)seed;
    return true;
}

// Columns by their options, or by the names of the texts' options where rows have such.
static bool read_documents(const Args *a, Parsed *p, Err *e)
{
    if (!args_dataset(a, &p->rows, &p->has_rows, e)) return false;
    for (int k = 0; k < PARTS; k++) {
        const char *text = part_option[k][0], *field = part_option[k][1], *column = args_text(a, field);
        bool given = args_get(a, text)->n > 0;
        if (column && !p->has_rows)
            return err_usage(e, "--%s names a column of data files: which? -d and --dataset_files", field);
        if (column && given) return err_usage(e, "--%s and --%s: one of them has the text", text, field);
        if (column && !rows_have(&p->rows, column))
            return err_set(e, "%s: no column \"%s\"; there are: %s", p->rows.path, column,
                           rows_names(&p->rows));
        if (!column && !given && p->has_rows && rows_have(&p->rows, text)) column = text;
        p->column[k] = column;
    }
    if (p->has_rows && p->n_contexts > 1)
        return err_usage(e, "each row has one context; --input_context_text may be given once here");
    if (p->has_rows && p->n_sizes)
        return err_usage(e, "--context_sizes takes the last sentences of one --input_context_text, not of "
                            "the rows of data files");
    return true;
}

// Do the texts fit together, whatever rows hold? Templates that were not given are chosen for each row.
static bool check_texts(Parsed *p, Err *e)
{
    ContextTexts some = p->texts;
    for (int k = 0; k < PARTS; k++)
        if (p->column[k]) *part(&some, k) = STR_LIT("-");
    return contexts_check(p->has_rows ? &some : &p->texts, e);
}

// ------------------------------------------------------------------------------------------ asking

// A line of what the person types; false at the end of input.
static bool read_answer(Arena *a, Str *out)
{
    char line[4096];
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) return false;
    size_t n = strcspn(line, "\r\n");
    *out = str_copy(a, (Str){line, n});
    return true;
}

static bool ask_line(Arena *a, const char *question, Str *out, Err *e)
{
    if (!isatty(STDIN_FILENO))
        return err_set(e, "nobody can be asked: standard input is no terminal; give "
                          "--contextless_output_next_tokens, or --output_context_text or "
                          "--handle_output_context_strategy auto for an output that holds its context");
    cmd_say("%s", question);
    return read_answer(a, out) || err_set(e, "standard input ended before the answer");
}

static bool ask_yes(Arena *a, const char *question, bool *yes, Err *e)
{
    for (;;) {
        Str s;
        if (!ask_line(a, arena_printf(a, "%s [y/n]", question), &s, e)) return false;
        *yes = s.n && (s.s[0] == 'y' || s.s[0] == 'Y');
        if (*yes || (s.n && (s.s[0] == 'n' || s.s[0] == 'N'))) return true;
    }
}

static bool ask_split(void *context, Arena *a, Str output, Str candidate, Str *out, Err *e)
{
    bool yes = false;
    (void)context;
    if (candidate.n && !ask_yes(a,
                                arena_printf(a, "the model wrote \"%.*s\"; is \"%.*s\" its context?",
                                             (int)output.n, output.s, (int)candidate.n, candidate.s),
                                &yes, e))
        return false;
    if (yes) return *out = candidate, true;
    for (;;) {
        if (!ask_line(a,
                      arena_printf(a, "which beginning of \"%.*s\" is its context? (an empty line: none)",
                                   (int)output.n, output.s),
                      out, e))
            return false;
        if (str_starts(output, *out)) return true;
        cmd_complain("the output does not begin so");
    }
}

static bool ask_word(void *context, Arena *a, Str before, Str token, Str *out, Err *e)
{
    (void)context;
    return ask_line(
        a,
        arena_printf(a,
                     "behind \"%.*s\", which word is \"%.*s\" compared with? (an empty line: the model's "
                     "own)",
                     (int)before.n, before.s, (int)token.n, token.s),
        out, e);
}

// ------------------------------------------------------------------------------------------ the file's info

static void member(Buf *b, const char *key) { buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", key); }

static void put_text(Buf *b, const char *key, Str s)
{
    member(b, key);
    if (s.s) buf_json(b, s);
    else buf_str(b, STR_LIT("null"));
}

static void put_flag(Buf *b, const char *key, bool on)
{
    member(b, key), buf_str(b, on ? STR_LIT("true") : STR_LIT("false"));
}

static void put_list(Buf *b, const char *key, const OptionValue *v, bool numbers, bool none_is_null)
{
    member(b, key);
    if (!v->n && none_is_null) {
        buf_str(b, STR_LIT("null"));
        return;
    }
    buf_char(b, '[');
    for (size_t i = 0; i < v->n; i++) {
        if (i) buf_char(b, ',');
        if (numbers) buf_str(b, str_of(v->list[i]));
        else buf_json(b, str_of(v->list[i]));
    }
    buf_char(b, ']');
}

static void put_json(Buf *b, const Args *a, const char *key)
{
    const OptionValue *v = args_get(a, key);
    member(b, key), buf_str(b, v->n ? str_of(v->list[v->n - 1]) : STR_LIT("{}"));
}

static void put_number(Buf *b, const Args *a, const char *key, const char *absent)
{
    const OptionValue *v = args_get(a, key);
    const char *text = v->n ? v->list[v->n - 1] : absent;
    member(b, key), buf_str(b, str_of(text));
    if (absent[1] == '.' && !strpbrk(text, ".eE")) buf_str(b, STR_LIT(".0"));
}

// about: what is said of a row (NULL: it is none); made: the provenance, or empty.
static const Json *describe(const Args *a, const ContextTexts *t, const ContextDoc *d, int64_t size,
                            const Json *about, Str made)
{
    Buf b = {.arena = a->a};
    buf_char(&b, '{');
    put_flag(&b, "show_intermediate_outputs", args_on(a, "show_intermediate_outputs"));
    put_text(&b, "save_path", a->saved ? (Str){0} : text_option(a, "save_path")); // parts may be merged
    put_flag(&b, "add_output_info", true);
    put_text(&b, "viz_path", text_option(a, "viz_path"));
    put_flag(&b, "show_viz", !args_on(a, "no_show_viz"));
    put_text(&b, "model_name_or_path", text_option(a, "model_name_or_path"));
    put_text(&b, "attribution_method",
             args_text(a, "attribution_method") ? text_option(a, "attribution_method") : STR_LIT("saliency"));
    put_text(&b, "device", STR_LIT("cpu"));
    put_text(&b, "attributed_fn", text_option(a, "attributed_fn"));
    put_list(&b, "attribution_selectors", args_get(a, "attribution_selectors"), true, true);
    put_list(&b, "attribution_aggregators", args_get(a, "attribution_aggregators"), false, true);
    put_flag(&b, "normalize_attributions", args_on(a, "normalize_attributions"));
    put_flag(&b, "rescale_attributions", args_on(a, "rescale_attributions"));
    put_json(&b, a, "model_kwargs"), put_json(&b, a, "tokenizer_kwargs");
    put_json(&b, a, "generation_kwargs"), put_json(&b, a, "attribution_kwargs");
    put_text(&b, "context_sensitivity_metric",
             args_text(a, "context_sensitivity_metric") ? text_option(a, "context_sensitivity_metric")
                                                        : STR_LIT("kl_divergence"));
    put_text(&b, "handle_output_context_strategy",
             args_text(a, "handle_output_context_strategy") ? text_option(a, "handle_output_context_strategy")
                                                            : STR_LIT("manual"));
    put_list(&b, "contextless_output_next_tokens", args_get(a, "contextless_output_next_tokens"), false,
             false);
    put_flag(&b, "prompt_user_for_contextless_output_next_tokens", t->ask_words);
    put_list(&b, "special_tokens_to_keep", args_get(a, "special_tokens_to_keep"), false, false);
    put_text(&b, "decoder_input_output_separator", t->separator);
    put_number(&b, a, "context_sensitivity_std_threshold", "1.0");
    put_number(&b, a, "context_sensitivity_topk", "null");
    put_number(&b, a, "attribution_std_threshold", "1.0");
    put_number(&b, a, "attribution_topk", "null");
    put_text(&b, "input_current_text", t->input_current);
    put_text(&b, "input_context_text", t->input_context);
    put_text(&b, "input_template", t->input_template);
    put_text(&b, "output_context_text", t->output_context);
    put_text(&b, "output_current_text", t->output_current);
    put_text(&b, "output_template", t->output_template);
    put_text(&b, "contextless_input_current_text", t->bare_input);
    put_text(&b, "contextless_output_current_text", t->bare_output);
    put_flag(&b, "has_input_context", d->has_input);
    put_flag(&b, "has_output_context", d->has_output);
    if (size >= 0) member(&b, "inseq_context_size"), buf_printf(&b, "%" PRId64, size);
    if (about) member(&b, "inseq_row"), buf_str(&b, attr_row(a->a, about));
    if (d->result.n_cues && d->result.cue[0].kept == d->result.cue[0].kept) {
        member(&b, "inseq_evaluation"), buf_char(&b, '[');
        for (size_t i = 0; i < d->result.n_cues; i++) {
            const ContextCue *c = &d->result.cue[i];
            buf_str(&b, i ? STR_LIT(",{\"probability\":") : STR_LIT("{\"probability\":"));
            buf_float(&b, c->kept), buf_str(&b, STR_LIT(",\"without_cues\":")), buf_float(&b, c->lost);
            buf_str(&b, STR_LIT(",\"without_others\":"));
            if (c->lost_random == c->lost_random) buf_float(&b, c->lost_random);
            else buf_str(&b, STR_LIT("null"));
            buf_char(&b, '}');
        }
        buf_char(&b, ']');
    }
    if (made.n) member(&b, ATTR_PROVENANCE), buf_str(&b, made);
    buf_char(&b, '}');
    return json_parse(a->a, buf_view(&b), "info", NULL);
}

// ------------------------------------------------------------------------------------------ results

// --show_intermediate_outputs: the metric's table and the scores of each sensitive token, as attribute shows them.
static int show_steps(Args *a, const ContextDoc *d)
{
    ReportOptions o = args_report_options(a);
    Attribution t = {.n = d->result.n_cues + 1, .sequence = arena_new(a->a, Sequence, d->result.n_cues + 1)};
    Buf b = {.arena = a->a};
    t.sequence[0] = d->metric;
    for (size_t i = 0; i < d->result.n_cues; i++) t.sequence[i + 1] = d->scores[i];
    Err e = {0};
    if (!attr_report("terminal")->write(a->a, &t, &o, &b, &e)) return cmd_fail(&e, EXIT_INPUT);
    return cmd_print(buf_view(&b));
}

// ------------------------------------------------------------------------------------------ running

// A run over documents. Of those that are done the results stay, as lines of JSON; all else goes with its batch.
typedef struct Documents {
    Args *a;
    const Parsed *p;
    Work w;
    ContextTexts *t;
    const int64_t *size;      // context_sizes, or -1
    const char *const *wrong; // [n] of rows; NULL: nothing is
    const Json *const *about; // [n] what is said of rows; NULL: none are rows
    size_t n;
    Str provenance; // empty: none is wanted
    Buf lines;
    ContextRows rows; // which are to be done, and what became of them
} Documents;

// What became of a document of a batch; neither: a stop was asked for.
typedef struct Outcome {
    bool made;
    const char *error;
} Outcome;

// A row's texts. Where it has none, the document has none: the column may be empty there.
static void of_row(Arena *a, const Parsed *p, const Row *row, const Json *fields, ContextTexts *t,
                   const char **wrong)
{
    t->number = row->number, *wrong = row->wrong;
    for (int k = 0; k < PARTS && !*wrong; k++) {
        const Json *j;
        if (!p->column[k]) continue;
        *part(t, k) = (Str){0};
        if (rows_field(fields, p->column[k], part(t, k), &j) == ROW_OTHER)
            *wrong = arena_printf(a, "%s: line %zu: column \"%s\" is %s, not a text", row->part->path,
                                  row->line, p->column[k], json_kind_name(j));
        if (!part(t, k)->n) *part(t, k) = (Str){0};
    }
}

static void row_documents(Args *a, const Parsed *p, Documents *x)
{
    const char **wrong = arena_new(a->a, const char *, x->n), *id = args_text(a, "id_field");
    const Json **about = arena_new(a->a, const Json *, x->n);
    for (size_t i = 0; i < x->n; i++) {
        const Row *row = &p->rows.row[i];
        const Json *fields = rows_fields(a->a, row);
        of_row(a->a, p, row, fields, &x->t[i], &wrong[i]);
        about[i] = rows_about(a->a, row, fields, p->column, PARTS, id ? id : "id");
    }
    x->wrong = wrong, x->about = about;
}

// The documents: rows, several contexts, or sizes of one.
static void documents(Args *a, const Parsed *p, Documents *x)
{
    x->n = p->has_rows ? p->rows.n : p->n_sizes ? p->n_sizes : p->n_contexts > 1 ? p->n_contexts : 1;
    x->t = arena_new(a->a, ContextTexts, x->n);
    int64_t *size = arena_new(a->a, int64_t, x->n);
    for (size_t i = 0; i < x->n; i++) {
        x->t[i] = p->texts, x->t[i].number = i + 1, size[i] = -1;
        if (p->n_sizes) x->t[i].input_context = context_last(p->texts.input_context, size[i] = p->size[i]);
        else if (p->n_contexts > 1) x->t[i].input_context = str_of(p->context[i]);
        x->t[i].ask = (ContextAsk){a, ask_split, ask_word};
    }
    x->size = size;
    if (p->has_rows) row_documents(a, p, x);
}

// Sizes of a context are compared on one output: what is written with the largest.
static void share_output(Documents *x)
{
    size_t largest = 0;
    ContextDoc d;
    for (size_t i = 1; i < x->n; i++)
        if (x->size[i] > x->size[largest]) largest = i;
    if (x->n < 2 || x->size[largest] < 0 || x->t[0].output_current.s) return;
    if (!contexts_begin(&x->w, &x->t[largest], &d, NULL)) return; // what is wrong is said when its turn comes
    for (size_t i = 0; i < x->n; i++)
        x->t[i].output_current = x->t[largest].output_current,
        x->t[i].output_context = x->t[largest].output_context;
}

static void say_failure(const Documents *x, const ContextTexts *t, const char *text)
{
    if (x->n > 1) cmd_say("%s %zu: %s", x->p->has_rows ? "row" : "context", t->number, text);
    else cmd_complain(text);
}

static void say_nothing_chosen(const Documents *x, const ContextTexts *t)
{
    const char *metric = x->p->options.metric, *kind = x->p->has_rows ? "row" : "context";
    cmd_note(x->a, x->n > 1
                       ? arena_printf(x->w.a, "%s %zu: no token's %s reaches the threshold", kind, t->number,
                                      metric)
                       : arena_printf(x->w.a,
                                      "no token's %s reaches the threshold: none depends on the context by "
                                      "--context_sensitivity_std_threshold",
                                      metric));
}

static bool keep_document(Documents *x, const ContextTexts *t, const ContextDoc *d, Err *e)
{
    ContextResult own = d->result;
    Args here = *x->a;
    size_t i = (size_t)(t - x->t);
    here.a = x->w.a;
    own.info = describe(&here, t, d, x->size[i], x->about ? x->about[i] : NULL, x->provenance);
    if (args_on(x->a, "show_intermediate_outputs") && !cmd_wants_json(x->a) && !x->a->silent)
        show_steps(&here, d);
    if (!own.n_cues) say_nothing_chosen(x, t);
    context_to_json(&own, true, &x->lines), buf_char(&x->lines, '\n');
    return context_rows_add(&x->rows, x->w.a, t->number, &own, NULL, e);
}

// If one of a batch spoils it, each by itself.
static void run_batch(Documents *x, ContextTexts **t, ContextDoc **d, Outcome **o, size_t n)
{
    Err e = {0};
    bool ok = contexts_run(&x->w, &x->p->options, t, d, n, &e);
    for (size_t i = 0; i < n && ok; i++) o[i]->made = true;
    if (ok || stop_asked()) return;
    if (n == 1) o[0]->error = str_zero(x->w.a, str_of(e.text));
    for (size_t i = 0; i < n && n > 1; i++) run_batch(x, t + i, d + i, o + i, 1);
}

// Templates were chosen already, but for rows, whose own texts choose them.
static bool begin_document(Documents *x, size_t i, ContextDoc *d, Err *e)
{
    if (x->wrong && x->wrong[i]) return err_set(e, "%s", x->wrong[i]);
    return (!x->wrong || contexts_check(&x->t[i], e)) && contexts_begin(&x->w, &x->t[i], d, e);
}

// n documents from x->rows.at on, together; then each is kept, or told of, in their order.
static bool run_some(Documents *x, size_t n, Err *e)
{
    Arena *own = x->w.a;
    ContextTexts *first = &x->t[x->rows.at], **t = arena_new(own, ContextTexts *, n);
    ContextDoc *d = arena_new(own, ContextDoc, n), **list = arena_new(own, ContextDoc *, n);
    Outcome *o = arena_new(own, Outcome, n), **outcome = arena_new(own, Outcome *, n);
    size_t count = 0;
    for (size_t i = 0; i < n && !stop_asked(); i++) {
        Err why = {0};
        if (begin_document(x, x->rows.at + i, &d[i], &why))
            t[count] = &first[i], list[count] = &d[i], outcome[count++] = &o[i];
        else if (!stop_asked()) o[i].error = str_zero(own, str_of(why.text));
    }
    if (count && !stop_asked()) run_batch(x, t, list, outcome, count);
    for (size_t i = 0; i < n && (o[i].made || o[i].error); i++) {
        if (o[i].error) say_failure(x, &first[i], o[i].error);
        if (o[i].made ? !keep_document(x, &first[i], &d[i], e)
                      : !context_rows_add(&x->rows, own, first[i].number, NULL, o[i].error, e))
            return false;
    }
    return true;
}

static bool run_documents(Documents *x, size_t most, Err *e)
{
    Arena *all = x->w.a;
    bool ok = true;
    for (size_t left; ok && (left = x->rows.to - x->rows.at) && !stop_asked();) {
        x->w.a = arena_create(all);
        ok = run_some(x, left < most ? left : most, e);
        arena_free(x->w.a);
    }
    x->w.a = all;
    Err late = {0};
    if (!context_rows_end(&x->rows, &late) && ok) *e = late, ok = false;
    return ok;
}

static int run(Args *a)
{
    Err e = {0};
    Parsed p;
    Loaded l = {0};
    size_t most = 8, kept;
    if (!args_text(a, "model_name_or_path")) return cmd_complain(NO_MODEL), EXIT_USAGE;
    if (!parse(a, &p, &e)) return cmd_fail(&e, EXIT_USAGE);
    if (!read_documents(a, &p, &e)) return cmd_fail(&e, EXIT_INPUT);
    if (!check_texts(&p, &e) || !cmd_check_contexts(a, &e) || !args_batch_size(a, &most, &e))
        return cmd_fail(&e, EXIT_USAGE);
    if (!cmd_check_folders(a, &e) || !args_start_machine(a, &e)) return cmd_fail(&e, EXIT_INPUT);
    a->catch_interrupts();
    cmd_note_ignored(a, &p.attribution.method, &p.request, 1);
    Documents x = {.a = a, .p = &p, .w = {.a = a->a, .l = &l, .talk = &a->talk}, .lines = {.arena = a->a}};
    if (!args_load(a, args_text(a, "model_name_or_path"), &l, &e) || !args_generation(a, &x.w, &e) ||
        !cmd_read_baselines(a, &x.w, &p.request, &p.attribution, &e))
        return cmd_fail(&e, EXIT_INPUT);
    texts_special(&l, &p.attribution);
    if (args_on(a, "provenance") && !cmd_provenance(a, &x.provenance, &e)) return cmd_fail(&e, EXIT_INPUT);
    documents(a, &p, &x);
    if (!context_rows_begin(a, &x.w, x.t, x.wrong, x.about, x.n, &x.rows, &x.lines, &e))
        return cmd_fail(&e, EXIT_INPUT);
    share_output(&x);
    if (!run_documents(&x, most, &e)) return cmd_fail(&e, EXIT_INPUT);
    int interrupted = context_rows_interrupted(a, &x.rows);
    if (!x.rows.made) return interrupted ? interrupted : EXIT_INPUT;
    ContextResult *r;
    if (!contexts_from_json(a->a, buf_view(&x.lines), "results", &r, &kept, &e))
        return cmd_fail(&e, EXIT_INPUT);
    int code = cmd_deliver_contexts(a, r, kept);
    return code ? code : interrupted ? interrupted : x.rows.failed ? EXIT_SOME : 0;
}

const Command command_attribute_context = {
    .name = "attribute-context",
    .options = CONTEXT,
    .run = run,
    .usage = "-m MODEL --input_current_text TEXT --input_context_text TEXT [options]",
    .summary = "what of an output a context made so, by which words",
    .example = "-m demo/en-nl -a occlusion -fn contrast_prob_diff --input_context_text \"She is a nurse.\" "
               "--input_current_text \"The nurse is tired.\"",
};
