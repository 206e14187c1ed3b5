// SPDX-License-Identifier: Apache-2.0
// cmd_compare.c — several methods on the same texts: how far they agree, how faithful they are.
#include "commands.h"

#include <string.h>

// What the methods of a comparison share: the model, the texts and the targets, generated once. Each makes its own passes.
typedef struct Methods {
    const char *const *name;
    size_t n, texts, batch;
    AttrOptions *o; // [n]
    AttrRequest *x; // [n]
    Loaded l;
    Work w;
    Job *job;        // [texts]
    Job **own;       // [n][texts] the same with each method's own failures
    Sequence **made; // [n][texts] of those that did not fail, in order
} Methods;

static bool methods_options(Args *a, Methods *m, Err *e)
{
    const OptionValue *names = args_get(a, "attribution_method"), *models = args_get(a, "model_name_or_path");
    m->name = names->list, m->n = names->n;
    if (m->n < 2) return err_usage(e, "compare needs two methods or more: -a METHOD -a METHOD ...");
    for (size_t i = 0; i < m->n; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(m->name[i], m->name[k]))
                return err_usage(e, "compare: -a %s is given twice", m->name[i]);
    if (!models->n) return err_usage(e, NO_MODEL);
    m->o = arena_new(a->a, AttrOptions, m->n), m->x = arena_new(a->a, AttrRequest, m->n);
    for (size_t i = 0; i < m->n; i++) {
        if (!cmd_attribution_options(a, m->name[i], &m->o[i], &m->x[i], e)) return false;
        m->o[i].evaluate.random = i == 0; // it is the same for all
        m->o[i].aggregated = true;        // rankings are of single numbers
    }
    const OptionValue *top = args_get(a, "top");
    if (top->given && (top->number < 1 || top->number > INT32_MAX))
        return err_usage(e, "--top %" PRId64 ": it must be from 1 to %d", top->number, INT32_MAX);
    return args_batch_size(a, &m->batch, e) && cmd_check_delivery(a, e);
}

// Roughly what a text costs, for the bar: steps times all tokens.
static double size_of(const Job *j)
{
    return j->err ? 0 : (double)j->target_ids.n * (double)(j->source_ids.n + j->target_ids.n);
}

// All texts with method i. Says what failed.
static int attribute_method(Args *a, Methods *m, size_t i)
{
    AttrOptions o = m->o[i];
    Job *own = m->own[i] = arena_new(a->a, Job, m->texts), **batch = arena_new(a->a, Job *, m->batch);
    Sequence *out = m->made[i] = arena_new(a->a, Sequence, m->texts);
    size_t done = 0, k = 0;
    int code = 0;
    Bar bar;
    bool by_number =
        m->texts && m->job[m->texts - 1].number != m->job[0].number; // else they are foils of one text
    memcpy(own, m->job, m->texts * sizeof *own);
    texts_special(&m->l, &o);
    o.keep_layers = cmd_keeps_layers(a, m->texts);
    size_t right = 0;
    for (size_t text = 0; text < m->texts; text++) right += !own[text].err;
    cmd_start_bar(a, &o, right, &bar);
    for (size_t text = 0; text < m->texts; text++) bar.ahead += size_of(&own[text]);
    for (size_t at = 0, count;
         !stop_asked() && (count = texts_next_batch(own, m->texts, &at, m->batch, batch));) {
        for (size_t b = 0; b < count; b++) bar.next += size_of(batch[b]);
        done += cmd_batch_scores(a, &m->w, &o, &m->x[i], batch, count, &bar, &out[done]);
    }
    for (size_t t = 0; t < m->texts; t++) {
        if (own[t].made)
            out[k].method = m->name[i], out[k++].text = (int64_t)(by_number ? own[t].number : t + 1);
        else if (own[t].err && !m->job[t].err) {
            cmd_say("%s, text %zu: %s", m->name[i], own[t].number, own[t].err->text);
            code = EXIT_SOME;
        }
    }
    return code;
}

// The sequences of all methods, text by text.
static void gather_methods(Args *a, const Methods *m, Attribution *t)
{
    Job *all = arena_new(a->a, Job, m->n * m->texts);
    size_t *at = arena_new(a->a, size_t, m->n), n = 0;
    Buf names = {.arena = a->a};
    t->sequence = arena_new(a->a, Sequence, m->n * m->texts);
    for (size_t text_number = 0; text_number < m->texts; text_number++)
        for (size_t i = 0; i < m->n; i++) {
            all[n] = m->own[i][text_number];
            if (all[n++].made) t->sequence[t->n++] = m->made[i][at[i]++];
        }
    for (size_t i = 0; i < m->n; i++) buf_printf(&names, "%s%s", i ? ", " : "", m->name[i]);
    AttrOptions o = m->o[0];
    o.method = str_zero(a->a, buf_view(&names));
    cmd_describe(a, &m->w, &o, all, n, t);
    attr_note_methods(a->a, t), attr_note_rows(a->a, t);
}

static int run(Args *a)
{
    Err e = {0};
    Methods m = {0};
    Texts texts;
    if (!methods_options(a, &m, &e)) return cmd_fail(&e, EXIT_USAGE);
    cmd_note_ignored(a, m.name, m.x, m.n), cmd_note_contrast(a, &m.o[0], &m.x[0]);
    if (!cmd_check_folders(a, &e) || !args_start_machine(a, &e) ||
        !cmd_load_texts(a, args_text(a, "model_name_or_path"), &m.x[0], &m.l, &m.w, &texts, &e) ||
        !texts_jobs(&m.w, &texts, &m.job, &m.texts, &e))
        return cmd_fail(&e, EXIT_INPUT);
    for (size_t i = 0; i < m.n; i++)
        if (!cmd_read_baselines(a, &m.w, &m.x[i], &m.o[i], &e)) return cmd_fail(&e, EXIT_INPUT);
    a->catch_interrupts();
    Job **batch = arena_new(a->a, Job *, m.batch);
    for (size_t at = 0, count;
         !stop_asked() && (count = texts_next_batch(m.job, m.texts, &at, m.batch, batch));)
        texts_make_targets(&m.w, batch, count);
    m.own = arena_new(a->a, Job *, m.n), m.made = arena_new(a->a, Sequence *, m.n);
    int code = cmd_report_failures(m.job, m.texts);
    for (size_t i = 0; i < m.n && !stop_asked() && code != EXIT_INPUT; i++) {
        int own = attribute_method(a, &m, i);
        code = own > code ? own : code;
    }
    int interrupted = cmd_interrupted(false);
    if (interrupted) return interrupted;
    if (code == EXIT_INPUT) return code;
    Attribution t = {0};
    gather_methods(a, &m, &t);
    if (!t.n) return EXIT_INPUT;
    if (!cmd_add_provenance(a, &t, &e)) code = cmd_fail(&e, EXIT_SOME);
    if (!cmd_granular_form(a, &t, &e)) return cmd_fail(&e, EXIT_INPUT);
    attr_agreement(a->a, &t, m.name, m.n, args_get(a, "top")->given ? args_get(a, "top")->number : 3);
    attr_faithfulness(a->a, &t);
    a->no_heatmaps = true;
    int delivered = cmd_deliver(a, &t, &t);
    return delivered ? delivered : code;
}

const Command command_compare = {
    .name = "compare",
    .options = COMPARE,
    .run = run,
    .usage = "-m MODEL -a METHOD -a METHOD ... -i TEXT ... [options]",
    .summary = "several methods: how far they agree, how faithful",
    .example = "-m demo/en-nl -a saliency -a occlusion --evaluate -i \"The nurse lost her key.\"",
};
