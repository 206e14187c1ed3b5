// SPDX-License-Identifier: Apache-2.0
// cmd_lens.c — what each layer would say: the logit lens of a prompt, a forced text or a generated translation.
#include "commands.h"

static Str token_name(void *context, int32_t id) { return tok_string(context, id); }

// A token as it stands in the vocabulary, or the first one of a text.
static bool word_id(Args *a, const Loaded *l, int32_t *out, Err *e)
{
    const char *word = args_text(a, "word");
    Encoding x;
    *out = -1;
    if (!word || (*out = tok_id(l->tok, str_of(word))) >= 0) return true;
    TokOptions o = {.side = l->info->encoder_decoder ? TOK_TARGET : TOK_SOURCE, .plain = true};
    if (!tok_encode(a->a, l->tok, str_of(word), o, &x, e)) return false;
    if (!x.n) return err_set(e, "--word \"%s\" has no tokens", word);
    if (x.n > 1)
        cmd_note(a, arena_printf(a->a, "--word \"%s\" is %zu tokens; the first is looked at: %.*s", word, x.n,
                                 (int)x.token[0].n, x.token[0].s));
    return *out = x.ids[0], true;
}

static void look(Args *a, const Work *w, Job *j, size_t number, LensOptions *o, Attribution *t)
{
    Pair pair = {.target = j->source_ids, .target_tokens = j->source_tokens};
    if (w->l->info->encoder_decoder || j->forced) { // else the prompt is all there is
        texts_make_targets(w, &j, 1);
        if (stop_asked() || !texts_pairs(&j, 1, &pair)) return;
    }
    Picture *own = &t->pictures[t->n_pictures];
    Err e = {0};
    bool ok = attr_lens(a->a, w->l->model, o, &pair, own, &e);
    texts_settle(a->a, j, &e);
    for (int i = 0; ok && i < ATTR_LENS_PICTURES; i++) own[i].sequence = number, t->n_pictures++;
}

static int run(Args *a)
{
    Err e = {0};
    Loaded l = {0};
    Work w = {.a = a->a, .l = &l, .talk = &a->talk};
    Texts texts;
    Job *job;
    size_t n;
    Attribution t = {0};
    LensOptions o = {.word = -1, .max_memory = attr_defaults().max_memory, .name = token_name};
    if (args_get(a, "max_memory")->given) o.max_memory = (size_t)args_get(a, "max_memory")->number;
    if (!cmd_check_delivery(a, &e)) return cmd_fail(&e, EXIT_USAGE);
    if (!cmd_check_folders(a, &e) || !args_start_machine(a, &e) ||
        !args_load(a, args_text(a, "model_name_or_path"), &l, &e) ||
        !texts_generation(&w, args_get(a, "generation_kwargs")->json, &e) || !args_chat(a, &w, &e) ||
        !args_texts(a, &texts, &e) || !texts_jobs(&w, &texts, &job, &n, &e) || !word_id(a, &l, &o.word, &e))
        return cmd_fail(&e, EXIT_INPUT);
    o.context = l.tok;
    Buf name = {.arena = a->a};
    buf_json(&name, str_of(l.info->name));
    t.info = &(InfoField){.key = STR_LIT("model_name"), .json = buf_view(&name)}, t.n_info = 1;
    t.pictures = arena_new(a->a, Picture, n * ATTR_LENS_PICTURES);
    a->catch_interrupts();
    for (size_t i = 0; i < n && !stop_asked(); i++)
        if (!job[i].err) look(a, &w, &job[i], i, &o, &t);
    if (!cmd_granular_form(a, &t, &e)) return cmd_fail(&e, EXIT_INPUT);
    int code = cmd_report_failures(job, n), delivered = t.n_pictures ? cmd_deliver(a, &t, &t) : 0,
        interrupted = cmd_interrupted(t.n_pictures > 0);
    return delivered ? delivered : interrupted ? interrupted : code;
}

const Command command_lens = {
    .name = "lens",
    .options = LENS,
    .run = run,
    .usage = "-m MODEL -i TEXT ... [-g TEXT ...] [--word WORD] [options]",
    .summary = "what each layer would say next (logit lens)",
    .example = "-m demo/en-nl -i \"The nurse lost her key.\"",
};
