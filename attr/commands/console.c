// SPDX-License-Identifier: Apache-2.0
// console.c — what commands say to a person: notes, errors, a progress bar; and whether they should stop.
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

void cmd_interrupt(void) { interrupted = 1; }
bool cmd_interrupted(void) { return interrupted; }

static void talk_note(void *context, const char *sentence) { cmd_note(context, sentence); }
static bool talk_go_on(void *context)
{
    (void)context;
    return !interrupted;
}

Talk cmd_talk(Args *a) { return (Talk){.context = a, .note = talk_note, .go_on = talk_go_on}; }

void cmd_complain(const char *message) { fprintf(stderr, "inseq: %s\n", message); }

void cmd_note(const Args *a, const char *message)
{
    if (!args_on(a, "quiet")) fprintf(stderr, "inseq: note: %s\n", message);
}

int cmd_fail(const Err *e, int code)
{
    cmd_complain(e->text);
    return code;
}

int cmd_no_output(void)
{
    fprintf(stderr, "inseq: standard output: %s\n", strerror(errno));
    return EXIT_INPUT;
}

// Says what went wrong with which text; the exit code for it.
int cmd_report_failures(const Job *job, size_t n)
{
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        if (!job[i].err.set) continue;
        failed++;
        if (n > 1) fprintf(stderr, "inseq: text %zu: %s\n", job[i].number, job[i].err.text);
        else cmd_complain(job[i].err.text);
    }
    return !failed ? 0 : failed == n ? EXIT_INPUT : EXIT_SOME;
}

void cmd_bar_draw(Bar *b, int64_t done)
{
    Arena *a = arena_create(NULL);
    Buf line = {.arena = a};
    if (b->total && bar_text(b, done, &line)) fwrite(line.s, 1, line.n, stderr);
    arena_free(a);
}

static void bar_progress(void *context, int64_t done, int64_t total)
{
    Bar *b = context;
    (void)total;
    cmd_bar_draw(b, b->initial + done);
}

void cmd_start_bar(const Args *a, AttrOptions *o, Bar *bar)
{
    *bar = (Bar){.title = arena_printf(a->a, "Attributing with %s...", o->method),
                 .at_once = args_on(a, "progress"),
                 .width = terminal_width(STDERR_FILENO),
                 .start = wall_clock()};
    bool shown = (args_on(a, "progress") || isatty(STDERR_FILENO)) && !args_on(a, "no_progress") &&
                 !args_on(a, "quiet");
    o->progress = shown ? bar_progress : NULL, o->context = bar;
}
