// SPDX-License-Identifier: Apache-2.0
// cmd_generate.c — what the model writes: a line for each answer, or JSON.
#include "commands.h"

// An object up to its sequences: which row of a data file it is of.
static void begin_line(const Work *w, const Job *j, Buf *out)
{
    buf_char(out, '{');
    if (j->about.n) buf_printf(out, "\"row\":%s,", str_zero(w->a, j->about));
    buf_str(out, STR_LIT("\"sequences\":["));
}

// One source's answers: a line of text for each, or one line of JSON for all.
static void write_answers(const Args *a, const Work *w, Job *j, const Generated *made, size_t n, Buf *out)
{
    Str *words = arena_new(a->a, Str, n);
    for (size_t r = 0; r < n; r++) { // of a conversation the answer
        Generated answer = made[r];
        if (w->chat) answer.ids += j->source_ids.n, answer.n -= j->source_ids.n;
        Err own = {0};
        if (!texts_decode(w, &answer, &words[r], &own)) return texts_settle(w->a, j, &own);
    }
    j->made = true;
    for (size_t r = 0; r < n; r++) {
        if (!args_on(a, "json")) {
            buf_harmless(out, words[r], false), buf_char(out, '\n');
            continue;
        }
        if (!r) begin_line(w, j, out);
        buf_str(out, r ? STR_LIT(",{\"ids\":[") : STR_LIT("{\"ids\":["));
        for (int64_t k = 0; k < made[r].n; k++) buf_printf(out, "%s%d", k ? "," : "", made[r].ids[k]);
        buf_str(out, STR_LIT("],\"text\":"));
        buf_json(out, words[r]);
        buf_str(out, STR_LIT(",\"score\":"));
        buf_float(out, (float)made[r].score);
        buf_str(out, r + 1 < n ? STR_LIT("}") : STR_LIT("}]}\n"));
    }
}

// Where a text failed, so that the lines of the others keep their numbers.
static void write_failure(const Args *a, const Work *w, const Job *j, size_t returns, Buf *out)
{
    if (args_on(a, "json")) {
        begin_line(w, j, out), buf_str(out, STR_LIT("],\"error\":"));
        buf_json(out, str_of(j->err->text)), buf_str(out, STR_LIT("}\n"));
    } else
        for (size_t r = 0; r < returns; r++) buf_char(out, '\n');
}

static int run(Args *a)
{
    Err e = {0};
    Loaded l = {0};
    Job *job, **batch;
    size_t n, most;
    Work w = {.a = a->a, .l = &l, .talk = &a->talk};
    Texts t;
    if (!args_batch_size(a, &most, &e) || !args_start_machine(a, &e) ||
        !args_load(a, args_text(a, "model_name_or_path"), &l, &e) || !args_generation(a, &w, &e) ||
        !args_chat(a, &w, &e) || !args_texts(a, &t, &e) || !texts_jobs(&w, &t, &job, &n, &e))
        return cmd_fail(&e, EXIT_INPUT);
    Buf out = {.arena = a->a};
    batch = arena_new(a->a, Job *, most);
    size_t returns = (size_t)nn_generation_returns(w.generation);
    for (size_t i = 0; i < n; i++) // generated_texts are beginnings here, said so or not
        if (!job[i].err && job[i].forced) texts_begin(&w, &job[i]);
    int printed = 0;
    a->catch_interrupts();
    for (size_t at = 0, said = 0; !stop_asked() && !printed && said < n;) {
        Generated *made;
        size_t count = texts_next_batch(job, n, &at, most, batch), next = 0;
        bool together = count && texts_generate(&w, batch, count, &made, &e);
        if (count && !together && stop_asked()) break;
        e = (Err){0};
        for (; said < at; said++) {
            Job *j = &job[said];
            size_t i = next < count && batch[next] == j ? next++ : count;
            Generated *own = together && i < count ? made + i * returns : NULL;
            // if one spoils the batch, each by itself
            Err why = {0};
            if (own || (i < count && texts_generate(&w, &j, 1, &own, &why)))
                write_answers(a, &w, j, own, returns, &out);
            else if (why.set) texts_settle(a->a, j, &why);
            if (stop_asked() && !j->made) break;
            if (!j->made && n > 1) write_failure(a, &w, j, returns, &out);
        }
        printed = cmd_print(buf_view(&out));
        out.n = 0;
    }
    int failed = cmd_report_failures(job, n), interrupted = printed ? 0 : cmd_interrupted(true);
    return printed ? printed : interrupted ? interrupted : failed;
}

const Command command_generate = {
    .name = "generate",
    .options = GENERATE,
    .run = run,
    .usage = "-m MODEL -i TEXT ... [options]",
    .summary = "what the model writes",
    .example = "-m demo/en-nl -i \"The nurse lost her key.\" \"The nurse lost his key.\"",
};
