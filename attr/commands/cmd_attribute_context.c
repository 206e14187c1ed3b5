// SPDX-License-Identifier: Apache-2.0
// cmd_attribute_context.c — which tokens of an output depend on a context, and which tokens of that made them so.
#include "../texts/contexts.h"
#include "commands.h"

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

typedef struct Parsed {
    ContextTexts texts;
    ContextOptions options;
    AttrOptions attribution;
    AttrRequest request;
    const char *const *context; // several input contexts
    size_t n_contexts;
    int64_t *size; // context_sizes
    size_t n_sizes;
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
    if (!strategy_option(a, t, e) || !contexts_check(t, e) ||
        !cue_options(a, &p->attribution, &p->request, e) || !metric_option(a, o, e) ||
        !sizes_option(a, p, e) || !cmd_pipeline(a, &stage, &o->n_stages, e) ||
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

static const Json *describe(const Args *a, const ContextTexts *t, const ContextDoc *d, int64_t size)
{
    Buf b = {.arena = a->a};
    buf_char(&b, '{');
    put_flag(&b, "show_intermediate_outputs", args_on(a, "show_intermediate_outputs"));
    put_text(&b, "save_path", text_option(a, "save_path"));
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

// The documents: several contexts, or sizes of one.
static ContextTexts *documents(Args *a, const Parsed *p, int64_t **size, size_t *n)
{
    *n = p->n_sizes ? p->n_sizes : p->n_contexts > 1 ? p->n_contexts : 1;
    ContextTexts *t = arena_new(a->a, ContextTexts, *n);
    *size = arena_new(a->a, int64_t, *n);
    for (size_t i = 0; i < *n; i++) {
        t[i] = p->texts, t[i].number = i + 1, (*size)[i] = -1;
        if (p->n_sizes) t[i].input_context = context_last(p->texts.input_context, (*size)[i] = p->size[i]);
        else if (p->n_contexts > 1) t[i].input_context = str_of(p->context[i]);
        t[i].ask = (ContextAsk){a, ask_split, ask_word};
    }
    return t;
}

// Sizes of a context are compared on one output: what is written with the largest. d: room for it.
static void share_output(const Work *w, ContextTexts *t, const int64_t *size, size_t n, ContextDoc *d)
{
    size_t largest = 0;
    for (size_t i = 1; i < n; i++)
        if (size[i] > size[largest]) largest = i;
    if (n < 2 || size[largest] < 0 || t[0].output_current.s) return;
    if (!contexts_begin(w, &t[largest], d, NULL)) return; // what is wrong is said when its turn comes
    for (size_t i = 0; i < n; i++)
        t[i].output_current = t[largest].output_current, t[i].output_context = t[largest].output_context;
}

static void say_failure(size_t number, size_t n, const Err *e)
{
    if (n > 1) cmd_say("context %zu: %s", number, e->text);
    else cmd_complain(e->text);
}

// A batch; if one of it spoils it, each by itself. made [n]: which have a result.
static void run_batch(const Work *w, const Parsed *p, ContextTexts **t, ContextDoc **d, size_t n, size_t all,
                      bool *made)
{
    Err e = {0};
    bool ok = contexts_run(w, &p->options, t, d, n, &e);
    for (size_t i = 0; i < n && ok; i++) made[i] = true;
    if (ok || stop_asked()) return;
    if (n == 1) say_failure(t[0]->number, all, &e);
    for (size_t i = 0; i < n && n > 1; i++) run_batch(w, p, t + i, d + i, 1, all, made + i);
}

static int run(Args *a)
{
    Err e = {0};
    Parsed p;
    Loaded l = {0};
    Work w;
    size_t n, most = 8, count = 0, kept = 0;
    int64_t *size;
    if (!args_text(a, "model_name_or_path")) return cmd_complain(NO_MODEL), EXIT_USAGE;
    if (!parse(a, &p, &e) || !cmd_check_contexts(a, &e) || !args_batch_size(a, &most, &e))
        return cmd_fail(&e, EXIT_USAGE);
    if (!cmd_check_folders(a, &e) || !args_start_machine(a, &e)) return cmd_fail(&e, EXIT_INPUT);
    a->catch_interrupts();
    cmd_note_ignored(a, &p.attribution.method, &p.request, 1);
    w = (Work){.a = a->a, .l = &l, .talk = &a->talk};
    if (!args_load(a, args_text(a, "model_name_or_path"), &l, &e) || !args_generation(a, &w, &e) ||
        !cmd_read_baselines(a, &w, &p.request, &p.attribution, &e))
        return cmd_fail(&e, EXIT_INPUT);
    texts_special(&l, &p.attribution);
    ContextTexts *t = documents(a, &p, &size, &n), **batch_t = arena_new(a->a, ContextTexts *, n);
    ContextDoc *d = arena_new(a->a, ContextDoc, n), **batch_d = arena_new(a->a, ContextDoc *, n);
    bool *made = arena_new(a->a, bool, n);
    share_output(&w, t, size, n, &d[0]);
    for (size_t i = 0; i < n && !stop_asked(); i++) {
        Err own = {0};
        if (contexts_begin(&w, &t[i], &d[i], &own)) batch_t[count] = &t[i], batch_d[count++] = &d[i];
        else if (!stop_asked()) say_failure(i + 1, n, &own);
    }
    for (size_t at = 0; at < count && !stop_asked(); at += most)
        run_batch(&w, &p, batch_t + at, batch_d + at, count - at < most ? count - at : most, n, made + at);
    ContextResult *r = arena_new(a->a, ContextResult, n);
    for (size_t i = 0; i < count; i++) {
        if (!made[i]) continue;
        ContextResult *own = &batch_d[i]->result;
        own->info = describe(a, batch_t[i], batch_d[i], size[batch_t[i] - t]);
        if (args_on(a, "show_intermediate_outputs") && !cmd_wants_json(a)) show_steps(a, batch_d[i]);
        if (!own->n_cues)
            cmd_note(
                a, n > 1 ? arena_printf(a->a, "context %zu: no token's %s reaches the threshold",
                                        batch_t[i]->number, p.options.metric)
                         : arena_printf(a->a,
                                        "no token's %s reaches the threshold: none depends on the context by "
                                        "--context_sensitivity_std_threshold",
                                        p.options.metric));
        r[kept++] = *own;
    }
    int interrupted = cmd_interrupted(kept > 0);
    if (!kept) return interrupted ? interrupted : EXIT_INPUT;
    int code = cmd_deliver_contexts(a, r, kept);
    return code ? code : interrupted ? interrupted : kept < n ? EXIT_SOME : 0;
}

const Command command_attribute_context = {
    .name = "attribute-context",
    .options = CONTEXT,
    .run = run,
    .usage = "-m MODEL --input_current_text TEXT --input_context_text TEXT [options]",
    .summary = "which tokens of an output depend on a context, and which of its tokens made them so",
    .example =
        "-m demo/en-nl -fn contrast_prob_diff --input_context_text \"She is a nurse.\" "
        "--input_current_text \"The nurse is tired.\" --output_current_text \"De verpleegster is moe.\"",
};
