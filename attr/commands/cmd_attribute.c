// SPDX-License-Identifier: Apache-2.0
// cmd_attribute.c — why the model wrote what it wrote, for one or several models.
#include "streaming.h"

// --plan: everything but the attribution. The exit code.
static int plan_model(Args *a, const Work *w, const AttrOptions *o, const Texts *texts, size_t most,
                      double loading)
{
    Err e = {0};
    Job *job;
    size_t n, shard, shards, from, to;
    if (!args_shard(a, &shard, &shards, &e)) return cmd_fail(&e, EXIT_USAGE);
    stream_shard(texts, shard, shards, &from, &to);
    Texts part = texts_part(texts, from, to);
    if (!texts_jobs(w, &part, &job, &n, &e)) return cmd_fail(&e, EXIT_INPUT);
    Plan *plan = arena_new(a->a, Plan, n), together;
    size_t *number = arena_new(a->a, size_t, n);
    Job **batch = arena_new(a->a, Job *, most);
    Pair *pair = arena_new(a->a, Pair, most);
    PlanReport p = {.m = w->l->model,
                    .o = o,
                    .text = plan,
                    .number = number,
                    .peak = cpu_peak(pool_threads()),
                    .loading = loading,
                    .generated = n && !job[0].forced};
    Buf out = {.arena = a->a};
    for (size_t at = 0, count; !stop_asked() && (count = texts_next_batch(job, n, &at, most, batch));) {
        double start = wall_clock();
        texts_make_targets(w, batch, count);
        p.generating += wall_clock() - start;
        if (stop_asked()) break;
        count = texts_pairs(batch, count, pair);
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            Err own = {0};
            bool ok = attr_plan(a->a, w->l->model, o, &pair[i], 1, p.peak, &plan[p.n], &own);
            texts_settle(a->a, batch[i], &own);
            if (!ok) continue;
            pair[kept++] = pair[i], number[p.n++] = batch[i]->number;
        }
        if (kept && attr_plan(a->a, w->l->model, o, pair, kept, p.peak, &together, NULL) &&
            together.bytes > p.bytes)
            p.bytes = together.bytes;
    }
    if (p.n) (cmd_wants_json(a) ? attr_plan_json : attr_plan_text)(&p, &out);
    int printed = cmd_print_text(a, buf_view(&out)), failed = cmd_report_failures(job, n),
        interrupted = printed ? 0 : cmd_interrupted(p.n > 0);
    return printed ? printed : interrupted ? interrupted : failed;
}

// For whoever reads rows while they are made (serve): a line for each, what was made of it or why nothing was. False: nobody
// reads.
static bool print_line(Args *a, const Stream *s, const Job *j, const Sequence *q)
{
    Arena *scratch = arena_create(a->a);
    Buf out = {.arena = scratch};
    Attribution one = s->about, line;
    Sequence own = q ? *q : (Sequence){0};
    Err e = {0};
    one.sequence = &own, one.n = 1, one.first = s->made - (q != NULL);
    if (!q || !cmd_shown_form(a, &one, &line, &e) ||
        !attr_report("jsonl")->write(scratch, &line, &(ReportOptions){0}, &out, &e)) {
        buf_printf(&out, "{\"text\": %zu, \"error\": ", j->number);
        buf_json(&out, str_of(e.set ? e.text : j->err->text)), buf_str(&out, STR_LIT("}\n"));
    }
    int code = cmd_print(buf_view(&out));
    arena_free(scratch);
    return !code;
}

// The next texts: from ids to rows. Their memory is given back where nothing of them is kept.
static bool attribute_texts(Args *a, Work w, const AttrOptions *o, const AttrRequest *x, const Texts *t,
                            Stream *s, Bar *bar, Err *e)
{
    Job *job, **batch = arena_new(w.a, Job *, t->n);
    Sequence *made = arena_new(w.a, Sequence, t->n);
    size_t n, at = 0;
    if (!texts_jobs(&w, t, &job, &n, e)) return false;
    size_t count = texts_next_batch(job, n, &at, n, batch);
    if (count) texts_make_targets(&w, batch, count);
    bar->next = stream_size(t, 0, t->n);
    if (count) cmd_batch_scores(a, &w, o, x, batch, count, bar, made);
    if (count < n && o->progress) cmd_bar_done(bar, n - count);
    for (size_t i = 0; i < n; i++) {
        if (!job[i].err && !job[i].made) return true; // a stop was asked for
        if (job[i].err) cmd_report_failure(&job[i], s->several);
        const Sequence *q = job[i].made ? made++ : NULL;
        if (!cmd_stream_row(s, &job[i], q, e)) return false;
        if (a->stream && !print_line(a, s, &job[i], q)) return a->ended = EXIT_NO_READER, false;
    }
    return true;
}

static bool attribute_all(Args *a, const Work *w, const AttrOptions *o, const AttrRequest *x, const Texts *t,
                          Stream *s, Bar *bar, Err *e)
{
    bool ok = true;
    for (size_t from, to; ok && !stop_asked() && cmd_stream_next(s, &from, &to, e);) {
        Work own = *w;
        Texts part = texts_part(t, from, to);
        if (!s->keep) own.a = arena_create(w->a);
        ok = attribute_texts(a, own, o, x, &part, s, bar, e);
        if (!s->keep) arena_free(own.a);
    }
    return ok && !e->set;
}

// All texts with one model; adds its sequences to t. The exit code.
static int attribute_model(Args *a, const char *name, AttrOptions o, const AttrRequest *x, Attribution *t)
{
    Err e = {0};
    Loaded l = {0};
    Work w;
    Texts texts;
    Stream s;
    size_t most = 8;
    bool several = args_get(a, "model_name_or_path")->n > 1;
    if (!args_batch_size(a, &most, &e)) return cmd_fail(&e, EXIT_USAGE);
    if (a->stream && !args_get(a, "batch_size")->given) most = 1;
    double start = wall_clock();
    if (!cmd_load_texts(a, name, x, &l, &w, &texts, &e) || !cmd_read_baselines(a, &w, x, &o, &e))
        return cmd_fail(&e, EXIT_INPUT);
    texts_special(&l, &o);
    enum { FEW_BITS = 5 }; // from here on scores move where probabilities hardly do
    if (l.info->bits <= FEW_BITS)
        a->closing = arena_printf(
            a->a,
            "weights of %d bits: the scores are those of the quantized model, which may differ a good "
            "deal from the original's where probabilities hardly do",
            l.info->bits);
    if (args_on(a, "plan")) return plan_model(a, &w, &o, &texts, most, wall_clock() - start);
    if (!cmd_stream_begin(a, &w, &o, &texts, most, !several, &s, &e)) return cmd_fail(&e, EXIT_INPUT);
    o.keep_layers = cmd_keeps_layers(a, texts.n);
    Bar bar;
    cmd_start_bar(a, &o, s.to - s.at, &bar);
    bar.ahead = stream_size(&texts, s.at, s.to);
    bool ok = attribute_all(a, &w, &o, x, &texts, &s, &bar, &e);
    Err late = {0};
    if (!cmd_stream_end(&s, &late) && ok) e = late, ok = false;
    if (!ok && !a->ended) {
        a->ended = cmd_fail(&e, EXIT_INPUT);
        if (s.journal && s.at > s.from) cmd_stream_tell_kept(&s);
    }
    for (size_t i = 0; several && i < s.n_kept; i++) {
        s.kept[i].title = name;
        if (texts.n == 1) s.kept[i].text = 1;
    }
    Attribution own = {.sequence = s.kept, .n = s.n_kept};
    if (own.n) {
        bool forced = texts.n_targets && !texts.beginnings;
        cmd_describe_run(a, &w, &o, forced, s.kept_source, s.kept_target, own.n, &own);
        attr_append(a->a, t, &own);
    }
    a->saved = s.journal != NULL;
    if (ok && a->saved) a->ended = cmd_stream_interrupted(&s);
    return !s.failed ? 0 : s.failed < s.at - s.from ? EXIT_SOME : EXIT_INPUT;
}

// Tokens by layers, a picture for each text that has the position. The exit code.
static int add_pictures(Args *a, Attribution *t)
{
    const OptionValue *at = args_get(a, "picture");
    t->pictures = arena_new(a->a, Picture, t->n);
    for (size_t i = 0; i < t->n; i++) {
        const Sequence *s = &t->sequence[i];
        int64_t step = at->given ? at->number : s->attr_pos_start;
        Err e = {0};
        if (attr_layer_picture(a->a, s, step, &t->pictures[t->n_pictures], &e))
            t->pictures[t->n_pictures++].sequence = i;
        else cmd_say("--picture, text %zu: %s", i + 1, e.text);
    }
    return t->n_pictures == t->n ? 0 : EXIT_SOME;
}

// A long run is not lost to a form that its scores cannot take: -o gets them as they are.
static void keep_computed(Args *a, const Attribution *t)
{
    const char *path = args_text(a, "save_path");
    Err e = {0};
    if (path && attr_save(a->a, t, path, &e)) cmd_say("%s has the scores as they were computed", path);
}

int cmd_attribute(Args *a)
{
    Err e = {0};
    AttrRequest x = {0};
    AttrOptions o;
    Stage *stage;
    size_t n;
    const OptionValue *models = args_get(a, "model_name_or_path");
    if (args_get(a, "attribution_method")->n > 1)
        return cmd_complain(
                   "attribute takes one -a; 'inseq compare -a METHOD -a METHOD ...' puts methods side "
                   "by side"),
               EXIT_USAGE;
    if (!cmd_attribution_options(a, args_text(a, "attribution_method"), &o, &x, &e) ||
        !cmd_pipeline(a, &stage, &n, &e) || !cmd_check_delivery(a, &e))
        return cmd_fail(&e, EXIT_USAGE);
    if (args_get(a, "picture")->given && !attr_all_layers(&o))
        return cmd_complain("--picture belongs to -a layer_gradient_x_activation --target_layer all"),
               EXIT_USAGE;
    if (args_on(a, "plan") && !cmd_refuse_files(a, "--plan attributes nothing and prints what it found", &e))
        return cmd_fail(&e, EXIT_USAGE);
    cmd_note_ignored(a, &o.method, &x, 1);
    cmd_note_contrast(a, &o, &x);
    if (!models->n) return cmd_complain(NO_MODEL), EXIT_USAGE;
    if (!cmd_check_folders(a, &e) || !args_start_machine(a, &e)) return cmd_fail(&e, EXIT_INPUT);
    a->catch_interrupts();
    if (args_on(a, "output_step_attributions"))
        cmd_note(a, "--output_step_attributions adds nothing: each step is a column of what -o saves (Inseq "
                    "can't load a "
                    "file that has them twice)");
    if (args_get(a, "generation_kwargs")->n && args_get(a, "generated_texts")->given &&
        !args_on(a, "generate_from_target_prefix"))
        cmd_note(a, "--generation_kwargs has no effect: the targets are forced");
    Attribution t = {0}, shown, saved;
    int code = 0;
    for (size_t i = 0; i < models->n && !stop_asked(); i++) {
        int own = attribute_model(a, models->list[i], o, &x, &t);
        code = own > code ? own : code;
    }
    if (a->stream) return a->ended ? a->ended : code;
    if (!t.n && a->saved && a->closing) cmd_note(a, a->closing);
    int interrupted = t.n ? 0 : a->ended ? a->ended : cmd_interrupted(false);
    if (!t.n) return interrupted ? interrupted : code;
    if (code) code = EXIT_SOME;
    attr_note_rows(a->a, &t);
    if (!cmd_add_provenance(a, &t, &e)) code = cmd_fail(&e, EXIT_SOME);
    if (t.n > 1) attr_faithfulness(a->a, &t);
    if (attr_all_layers(&o) && add_pictures(a, &t)) code = EXIT_SOME;
    if (!cmd_shown_form(a, &t, &shown, &e) || !cmd_saved_form(a, &t, &shown, &saved, &e))
        return keep_computed(a, &t), cmd_fail(&e, EXIT_INPUT);
    int delivered = cmd_deliver(a, &shown, &saved);
    if (delivered) return delivered;
    if (a->closing) cmd_note(a, a->closing);
    interrupted = a->ended ? a->ended : cmd_interrupted(true);
    return interrupted ? interrupted : code;
}

const Command command_attribute = {
    .name = "attribute",
    .options = SINGLE,
    .run = cmd_attribute,
    .usage = "-m MODEL -a METHOD -i TEXT ... [options]",
    .summary = "why the model wrote what it wrote",
    .example = "-m demo/en-nl -a input_x_gradient --step_scores probability -i \"The nurse lost her key.\"",
};
