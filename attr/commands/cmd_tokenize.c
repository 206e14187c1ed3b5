// SPDX-License-Identifier: Apache-2.0
// cmd_tokenize.c — text to tokens and back, once or as a filter.
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool no_output(Err *e) // a reader that has gone is no fault
{
    return errno == EPIPE ? false : err_set(e, "standard output: %s", strerror(errno));
}

// The next line without its end; false: there is none.
static bool next_line(FILE *in, Buf *line)
{
    int c;
    line->n = 0;
    while ((c = getc_unlocked(in)) != EOF && c != '\n') buf_char(line, (char)c);
    return c != EOF || line->n;
}

static bool filter_lines(Args *a, const Sentencepiece *sp, const Tokenizer *t, Err *e)
{
    bool ok = true;
    Arena *work = arena_create(a->a);
    Buf line = {.arena = arena_create(a->a)};
    for (size_t number = 1; ok && next_line(stdin, &line); number++) {
        Buf out = {.arena = work};
        Err own = {0};
        if (line.n && !tok_jsonl(work, sp, t, buf_view(&line), &out, &own))
            ok = err_set(e, "line %zu: %s", number, own.text);
        if (line.n && ok) buf_char(&out, '\n');
        if (ok && fwrite(out.s ? out.s : "", 1, out.n, stdout) != out.n) ok = no_output(e);
        arena_reset(work);
    }
    return (fflush(stdout) == 0 || no_output(e)) && ok;
}

static int run(Args *a)
{
    Err e = {0};
    const char *file = args_text(a, "sentencepiece"), *name = args_text(a, "model_name_or_path");
    Sentencepiece *sp = NULL;
    Tokenizer *t = NULL;
    const Str *texts;
    size_t n;
    if (!file == !name)
        return cmd_complain("tokenize needs either -m FOLDER or --sentencepiece FILE.model"), EXIT_USAGE;
    if (file) sp = sp_open(a->a, file, &e);
    else {
        const char *note = NULL, *other = args_text(a, "tokenizer");
        NnOptions o;
        if (!args_loading(a, &o, &e)) return cmd_fail(&e, EXIT_USAGE);
        if (other) o.revision = NULL;
        o.note = &note;
        const char *folder = nn_folder(a->a, other ? other : name, o, &e);
        if (note) cmd_note(a, note);
        t = folder ? tok_open(a->a, folder, &e) : NULL;
        if (t && !args_languages(a, name, t, &e)) t = NULL;
    }
    if (!sp && !t) return cmd_fail(&e, EXIT_INPUT);
    if (args_on(a, "jsonl"))
        return filter_lines(a, sp, t, &e) ? 0 : cmd_fail(&e, e.set ? EXIT_INPUT : EXIT_NO_READER);
    if (!args_get(a, "input_texts")->given)
        return cmd_complain("which texts? give them with -i TEXT ..., or use --jsonl as a filter"),
               EXIT_USAGE;
    Texts rows = {0};
    if (args_have_rows(a) ? !args_texts(a, &rows, &e)
                          : !option_texts(a->a, args_get(a, "input_texts"), &texts, &n, &e))
        return cmd_fail(&e, EXIT_INPUT);
    if (rows.n) texts = rows.source, n = rows.n;
    int failed = 0;
    Buf out = {.arena = a->a};
    for (size_t i = 0; i < n; i++) {
        Encoding enc;
        if (rows.wrong && rows.wrong[i]) {
            cmd_say("text %zu: %s", rows.number[i], rows.wrong[i]), failed = EXIT_SOME;
            continue;
        }
        if (args_on(a, "json")) {
            Buf line = {.arena = a->a};
            buf_str(&line, STR_LIT("{\"text\":")), buf_json(&line, texts[i]), buf_char(&line, '}');
            if (!tok_jsonl(a->a, sp, t, buf_view(&line), &out, &e)) return cmd_fail(&e, EXIT_INPUT);
            buf_char(&out, '\n');
            continue;
        }
        if (sp) sp_encode(a->a, sp, texts[i], &enc);
        else if (!tok_encode(a->a, t, texts[i],
                             (TokOptions){.side = args_on(a, "target") ? TOK_TARGET : TOK_SOURCE}, &enc, &e))
            return cmd_fail(&e, EXIT_INPUT);
        for (size_t k = 0; k < enc.n; k++)
            buf_printf(&out, "%s%d:%.*s", k ? " " : "", enc.ids[k], (int)enc.token[k].n, enc.token[k].s);
        buf_char(&out, '\n');
    }
    int printed = args_on(a, "json") ? cmd_print(buf_view(&out)) : cmd_print_text(a, buf_view(&out));
    return printed ? printed : failed;
}

const Command command_tokenize = {
    .name = "tokenize",
    .options = TOKENIZE,
    .run = run,
    .usage = "-m MODEL -i TEXT ... | --jsonl",
    .summary = "text to tokens and back",
    .example = "-m demo/en-nl -i \"The nurse lost her key.\"",
};
