// SPDX-License-Identifier: Apache-2.0
// console.c — what commands say to a person: notes, errors, a progress bar; and whether they should stop.
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool bar_open; // the progress bar's line has no end yet

static void talk_note(void *context, const char *sentence) { cmd_note(context, sentence); }

void cmd_no_note(void *context, const char *sentence) { (void)context, (void)sentence; }

Talk cmd_talk(Args *a) { return (Talk){.context = a, .note = talk_note}; }

// Every message leaves the program here. It may quote a file, so what could act on a terminal is shown and not sent; and
// where a quoted line ends, the message goes on, unless it is our own list, whose lines begin with two blanks.
void cmd_say(const char *format, ...)
{
    Arena *a = arena_create(NULL);
    Buf raw = {.arena = a}, shown = {.arena = a}, line = {.arena = a};
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = arena_new(a, char, n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(args), va_end(again);
    for (const char *c = text; *c; c++) {
        bool own = *c != '\n' || (c[1] == ' ' && c[2] == ' ');
        buf_str(&raw, own ? (Str){c, 1} : STR_LIT("\xE2\x90\x8A"));
    }
    buf_harmless(&shown, buf_view(&raw), true);
    buf_printf(&line, "%sinseq: %s\n", bar_open ? "\n" : "", buf_view(&shown).s);
    bar_open = false;
    fflush(stdout);
    fwrite(line.s, 1, line.n, stderr); // where that fails there is nobody to tell
    arena_free(a);
}

void cmd_complain(const char *message) { cmd_say("%s", message); }

void cmd_note(const Args *a, const char *message)
{
    for (size_t n; !args_on(a, "quiet") && *message;
         message += n + (message[n] == '\n')) { // a note each line
        n = strcspn(message, "\n");
        cmd_say("note: %.*s", (int)n, message);
    }
}

int cmd_fail(const Err *e, int code)
{
    if (e->set) cmd_complain(e->text);
    return e->usage ? EXIT_USAGE : code;
}

// Whoever read it may have seen enough (| head): then there is nothing to say.
int cmd_no_output(void)
{
    if (errno == EPIPE) return EXIT_NO_READER;
    cmd_say("standard output: %s", strerror(errno));
    return EXIT_INPUT;
}

int cmd_print(Str bytes) { return out_write(STDOUT_FILENO, bytes) ? 0 : cmd_no_output(); }

int cmd_print_text(Args *a, Str text)
{
    Buf shown = {.arena = a->a};
    buf_harmless(&shown, text, true);
    return cmd_print(buf_view(&shown));
}

int cmd_interrupted(bool kept)
{
    if (!stop_asked()) return 0;
    cmd_complain(kept ? "interrupted; finished texts were kept" : "interrupted");
    return 128 + stop_asked();
}

void cmd_report_failure(const Job *job, bool several)
{
    if (several) cmd_say("text %zu: %s", job->number, job->err->text);
    else cmd_complain(job->err->text);
}

// Says what went wrong with which text; the exit code for it.
int cmd_report_failures(const Job *job, size_t n)
{
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        if (!job[i].err) continue;
        failed++;
        cmd_report_failure(&job[i], n > 1);
    }
    return !failed ? 0 : failed == n ? EXIT_INPUT : EXIT_SOME;
}

// What is still to come is as much work for its size as what was met so far.
static void weigh(Bar *b, double share)
{
    const double known = b->work_before + b->part_work, work = b->work_before + share * b->part_work;
    b->all = known + (b->seen > 0 ? b->ahead * known / b->seen : 0);
    if (work > b->work) b->work = work; // a text that is tried again, alone, was counted before
}

static void draw(Bar *b, int64_t done)
{
    if (done < b->done) done = b->done;
    Arena *a = arena_create(NULL);
    Buf line = {.arena = a};
    if (b->total && bar_text(b, done, &line)) {
        fwrite(line.s, 1, line.n, stderr);
        bar_open = line.s[line.n - 1] != '\n';
    }
    arena_free(a);
}

static void bar_progress(void *context, int64_t done, int64_t total)
{
    Bar *b = context;
    if (b->share && total) weigh(b, (double)done / (double)total);
    draw(b, b->before + (b->share && total ? b->share * done / total : done));
}

// As tqdm, which the library's bar is made by, has it: any text there, even "0".
static bool disabled(void)
{
    const char *v = getenv("TQDM_DISABLE");
    return v && *v;
}

// A single text is counted in steps, as the library counts: from the start position to the end. Of several nobody knows how
// long they will be, so texts are counted, and the time that is left is told by their work (attr_work).
void cmd_start_bar(const Args *a, AttrOptions *o, size_t n, Bar *bar)
{
    *bar = (Bar){.title = arena_printf(a->a, "Attributing with %s...", o->method),
                 .at_once = args_on(a, "progress"),
                 .lines = !isatty(STDERR_FILENO),
                 .width = terminal_width(STDERR_FILENO),
                 .start = wall_clock()};
    bool shown = o->progress != attr_no_progress && (args_on(a, "progress") || isatty(STDERR_FILENO)) &&
                 !args_on(a, "no_progress") && !args_on(a, "quiet") && !disabled();
    if (shown) bar->total = (int64_t)n;
    o->progress = shown ? bar_progress : NULL, o->context = bar;
}

void cmd_bar_batch(Bar *b, const Work *w, const AttrOptions *o, Job *const *batch, size_t n)
{
    if (!b->total) return;
    b->share = 0;
    for (size_t i = 0; i < n; i++) b->share += !batch[i]->err;
    if (b->total != 1 || b->share != 1) {
        Arena *work = arena_create(w->a);
        Job **job = arena_new(work, Job *, n);
        Pair *pair = arena_new(work, Pair, n);
        memcpy(job, batch, n * sizeof *job);
        const size_t count = texts_pairs(job, n, pair);
        b->part_work = count ? attr_work(work, w->l->model, o, pair, count) : 0;
        b->seen += b->next, b->ahead -= b->next, b->next = 0;
        arena_free(work);
        weigh(b, 0);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!batch[i]->err) b->total = batch[i]->target_ids.n, b->initial = b->before = 1, b->share = 0;
}

void cmd_bar_done(Bar *b, size_t n)
{
    b->before = b->initial ? b->total : b->before + (int64_t)n;
    b->work_before += b->part_work, b->part_work = 0;
    if (b->work_before > 0) weigh(b, 0);
    if (b->total) draw(b, b->before);
}

bool cmd_wants_json(const Args *a)
{
    const char *format = args_text(a, "format");
    return args_on(a, "json") || (format && !strcmp(format, "json"));
}
