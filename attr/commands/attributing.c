// SPDX-License-Identifier: Apache-2.0
// attributing.c — what attribute and compare share: their options, the texts, a batch and its progress.
#include "commands.h"

// --target_layer as one of the method's arguments.
static const Json *with_layer(Args *a, const Json *arguments)
{
    const char *layer = args_text(a, "target_layer");
    if (!layer) return arguments;
    Json *all = arena_new(a->a, Json, 1), *own = arena_new(a->a, Json, 1);
    if (arguments) *all = *arguments;
    *own =
        (Json){.kind = J_STRING, .key = STR_LIT("target_layer"), .text = str_of(layer), .next = all->child};
    all->kind = J_OBJECT, all->child = own, all->count++;
    return all;
}

bool cmd_attribution_options(Args *a, const char *method, AttrOptions *o, AttrRequest *x, Err *e)
{
    *o = attr_defaults();
    if (method) o->method = method;
    if (args_text(a, "attributed_fn")) o->attributed_fn = args_text(a, "attributed_fn");
    const OptionValue *steps = args_get(a, "step_scores"), *start = args_get(a, "start_pos"),
                      *end = args_get(a, "end_pos");
    o->step_scores = steps->list, o->n_step_scores = steps->n;
    o->attribute_target = args_on(a, "attribute_target");
    o->include_eos_baseline = args_on(a, "include_eos_baseline");
    o->has_start = start->given, o->start = start->number;
    o->has_end = end->given, o->end = end->number;
    if (args_get(a, "max_memory")->given) o->max_memory = (size_t)args_get(a, "max_memory")->number;
    o->aggregated = !args_saves(a) && !args_get(a, "attribution_aggregators")->n &&
                    !args_get(a, "layer")->given && !args_get(a, "head")->given; // else more is wanted
    int64_t seed = args_get(a, "random_seed")->number;
    if (seed < 0 || seed > UINT32_MAX)
        return err_usage(e, "--random_seed %" PRId64 ": it must be from 0 to %" PRIu32, seed, UINT32_MAX);
    o->evaluate = (EvaluateOptions){.wanted = args_on(a, "evaluate"), .random = true, .seed = (uint32_t)seed};
    const Json *arguments = with_layer(a, args_get(a, "attribution_kwargs")->json);
    if (!attr_kwargs(a->a, arguments, o, x, e) || !attr_check(o, e)) return false;
    if (args_text(a, "target_layer") && !attr_method_takes(o->method, STR_LIT("target_layer")))
        return err_usage(e, "--target_layer: %s has no such argument; layer_gradient_x_activation has",
                         o->method);
    if (attr_all_layers(o)) o->aggregated = false; // the picture shows them apart
    const OptionValue *foils = args_get(a, "contrast_targets"), *others = args_get(a, "contrast_sources");
    if (foils->given && !option_texts(a->a, foils, &x->contrast_targets, &x->n_contrast_targets, e))
        return false;
    if (others->given && !option_texts(a->a, others, &x->contrast_sources, &x->n_contrast_sources, e))
        return false;
    if (foils->given && !x->n_contrast_targets) return err_usage(e, "--contrast_targets: no texts there");
    return !others->given || x->n_contrast_sources || err_usage(e, "--contrast_sources: no texts there");
}

// Arguments that none of the n methods takes.
void cmd_note_ignored(const Args *a, const char *const *method, const AttrRequest *x, size_t n)
{
    for (size_t i = 0; i < x[0].n_ignored; i++) {
        Str name = x[0].ignored[i];
        bool taken = false;
        for (size_t k = 1; k < n; k++) taken |= attr_method_takes(method[k], name);
        const char *near = NULL;
        for (size_t k = 0; k < n && !near; k++) near = attr_method_nearest(method[k], name);
        const char *known =
            near ? arena_printf(a->a, "did you mean %s?", near) : "'inseq list arguments' shows them";
        if (!taken)
            cmd_note(
                a,
                arena_printf(
                    a->a,
                    "--attribution_kwargs: %.*s is no argument of %s or of the step functions; ignored; %s",
                    (int)name.n, name.s, n > 1 ? "these methods" : method[0], known));
    }
}

// A foil without a function that looks at it, or such a function without a foil, is rarely what was meant.
void cmd_note_contrast(const Args *a, const AttrOptions *o, const AttrRequest *x)
{
    const char *contrastive = attr_is_contrastive(o->attributed_fn) ? o->attributed_fn : NULL;
    bool foil = x->n_contrast_targets || x->n_contrast_sources;
    for (size_t i = 0; i < o->n_step_scores && !contrastive; i++)
        if (attr_is_contrastive(o->step_scores[i])) contrastive = o->step_scores[i];
    if (contrastive && !foil)
        cmd_note(a, arena_printf(a->a, "%s compares with a foil, and none is given: --contrast_targets TEXT",
                                 contrastive));
    if (foil && !contrastive)
        cmd_note(a, "the foil is only named in the tables: no contrastive function is asked for, such as -fn "
                    "contrast_prob_diff");
}

bool cmd_load_texts(Args *a, const char *name, const AttrRequest *x, Loaded *l, Work *w, Texts *t, Err *e)
{
    *w = (Work){.a = a->a, .l = l, .plain = x->skip_special_tokens, .talk = &a->talk};
    return args_load(a, name, l, e) && args_generation(a, w, e) && args_chat(a, w, e) &&
           args_texts(a, t, e) && (t->n || err_usage(e, "no input texts")) && texts_foils(a->a, x, t, e);
}

bool cmd_read_baselines(Args *a, const Work *w, const AttrRequest *x, AttrOptions *o, Err *e)
{
    if (!x->baselines.n && attr_method_takes(o->method, STR_LIT("baselines")))
        cmd_note(a,
                 arena_printf(
                     a->a,
                     "%s has only the unknown word to start from; texts that it can draw from are named by "
                     "--attribution_kwargs '{\"baselines\": \"FILE\"}', a text a line",
                     o->method));
    if (!x->baselines.n) return true;
    if (a->kept) return err_usage(e, "attribution_kwargs: baselines names a file, and a request opens none");
    const char *word = arena_printf(a->a, "@%.*s", (int)x->baselines.n, x->baselines.s);
    const Str *line;
    size_t n;
    return option_texts(a->a, &(OptionValue){.list = &word, .n = 1}, &line, &n, e) &&
           texts_baselines(w, word + 1, line, n, o, e);
}

// --show_alignment, of those texts that were attributed.
static void show_alignment(Args *a, const Work *w, Job **batch, size_t n, const Sequence *made)
{
    for (size_t i = 0; i < n; i++) {
        Job *j = batch[i];
        Pair pair;
        Buf lines = {.arena = a->a};
        if (!j->made) continue;
        const Sequence *s = made++;
        if (!j->foil || !texts_pairs(&j, 1, &pair)) continue;
        attr_alignment_text(a->a, &pair, w->l->info->encoder_decoder, s->attr_pos_start, s->attr_pos_end,
                            &lines);
        if (lines.n) lines.n--; // the message ends its last line
        cmd_say("text %zu and its foil are aligned so:\n%.*s", j->number, (int)lines.n, lines.s);
    }
}

size_t cmd_batch_scores(Args *a, const Work *w, const AttrOptions *o, const AttrRequest *x, Job **batch,
                        size_t n, Bar *bar, Sequence *out)
{
    cmd_bar_batch(bar, w, o, batch, n);
    size_t done = texts_attribute(w, o, x->clean_special_chars, batch, n, out);
    if (o->progress && !stop_asked()) cmd_bar_done(bar, n);
    if (args_on(a, "show_alignment")) show_alignment(a, w, batch, n, out);
    return done;
}

static AttrTexts arguments(const Args *a, bool forced)
{
    const OptionValue *generation = args_get(a, "generation_kwargs"),
                      *attribution = args_get(a, "attribution_kwargs");
    AttrTexts x = {.forced = args_get(a, "generated_texts")->given || forced,
                   .from_prefix = args_on(a, "generate_from_target_prefix")};
    if (generation->n) x.generation_args = str_of(generation->list[generation->n - 1]);
    if (attribution->n) x.attribution_args = str_of(attribution->list[attribution->n - 1]);
    return x;
}

void cmd_describe(Args *a, const Work *w, const AttrOptions *o, const Job *job, size_t n, Attribution *t)
{
    texts_describe(w, o, job, n, arguments(a, n && job[0].forced), t);
}

void cmd_describe_run(Args *a, const Work *w, const AttrOptions *o, bool forced, const Str *source,
                      const Str *target, size_t n, Attribution *t)
{
    AttrTexts x = arguments(a, forced);
    x.sources = source, x.targets = target, x.n = n;
    texts_describe(w, o, NULL, 0, x, t);
}
