// SPDX-License-Identifier: Apache-2.0
// inseq.c — main: which command, signals, exit codes. The commands are in attr/commands/.
//
// Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 the input is wrong, 2 usage,
// 3 finished but some texts failed or the machine was short (of memory, of a file's bytes), 128 + n ended by signal n.
#include "attr/commands/commands.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// ------------------------------------------------------------------------------------------------ signals

static const int interrupts[] = {SIGINT, SIGTERM, SIGHUP};

static void on_interrupt(int signal_number)
{
    stop_ask(signal_number);
    for (int i = 0; i < 3; i++) signal(interrupts[i], SIG_DFL); // a second one ends at once
}

static void catch_interrupts(void)
{
    for (int i = 0; i < 3; i++) {
        struct sigaction old, ours = {.sa_handler = on_interrupt};
        bool ignored = interrupts[i] == SIGHUP && !sigaction(SIGHUP, NULL, &old) && old.sa_handler == SIG_IGN;
        if (!ignored) sigaction(interrupts[i], &ours, NULL); // what nohup started goes on
    }
}

// A mapped file was cut short, or its disk failed: no call failed that could say so.
static void on_lost_file(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    const char *part[] = {"inseq: ", file_mapped_at(info->si_addr),
                          ": was cut short, or its disk failed, while it was read\n"};
    if (!part[1]) { // none of ours: as without this handler
        signal(signal_number, SIG_DFL);
        return;
    }
    for (int i = 0; i < 3; i++)
        if (write(STDERR_FILENO, part[i], strlen(part[i])) < 0) break;
    _exit(EXIT_SOME);
}

// ------------------------------------------------------------------------------------------------ running

static Arena *everything; // what it holds of the system is given back, whatever happens

// Threads that still work on something keep it; nothing is written while they do.
static void no_memory(size_t wanted)
{
    static atomic_flag told = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&told)) pause();
    const size_t left = arena_left();
    if (!pool_busy()) arena_free(everything); // a file half written is taken back
    fprintf(
        stderr,
        "inseq: out of memory: %zu bytes were needed, and %zu may still be used; a smaller --batch_size or "
        "--max_memory may help\n",
        wanted, left);
    fflush(stdout), _exit(EXIT_SOME);
}

// An option that this command does not have, and others do.
static int misplaced(Arena *a, const Command *c, unsigned elsewhere, const char *option)
{
    Commands all = cmd_all();
    Buf b = {.arena = a};
    for (size_t i = 0; i < all.n; i++)
        if (all.v[i]->options & elsewhere) buf_printf(&b, "%s%s", b.n ? ", " : "", all.v[i]->name);
    return cmd_complain(arena_printf(
               a, "unknown option %s for %s: it is one of %s; 'inseq %s --help-all' lists its own", option,
               c->name, b.s, c->name)),
           EXIT_USAGE;
}

// What --help and its kin ask for: nothing, a command's first options, or all.
static int asks_for_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-h")               ? 1
           : !strcmp(word, "--help-all") || !strcmp(word, "--help_all") ? 2
                                                                        : 0;
}

static int unknown_command(const char *word)
{
    enum { MOST = 64 };
    Commands all = cmd_all();
    const char *names[MOST];
    size_t n = 0;
    for (; n < all.n && n < MOST; n++) names[n] = all.v[n]->name;
    const char *near = str_nearest(str_of(word), names, n);
    if (*word == '-') cmd_say("%s: a command comes first, as in 'inseq attribute %s ...'", word, word);
    else
        cmd_say("unknown command '%s'%s%s%s", word, near ? "; did you mean " : "; 'inseq help' lists them",
                near ? near : "", near ? "?" : "");
    return EXIT_USAGE;
}

// shown: gets what a command drew, if it drew something; may be NULL.
static int run(Arena *arena, int argc, char **argv, Attribution *shown)
{
    Buf out = {.arena = arena};
    Commands all = cmd_all();
    if (argc < 2 || (asks_for_help(argv[1]) && argc < 3)) {
        help_usage(all, &out);
        if (argc < 2) return fputs(buf_view(&out).s, stderr), EXIT_USAGE;
        if (asks_for_help(argv[1]) == 2)
            buf_char(&out, '\n'), help_topics(all, terminal_width(STDOUT_FILENO), &out);
        return cmd_print(buf_view(&out));
    }
    if (!strcmp(argv[1], "--version")) return cmd_version();
    if (!strcmp(argv[1], "--license")) return cmd_license();
    const char *word = asks_for_help(argv[1]) ? "help" : argv[1];
    const Command *c = NULL;
    for (size_t i = 0; i < all.n; i++)
        if (!strcmp(all.v[i]->name, word)) c = all.v[i];
    if (!c) return unknown_command(word);
    int help = 0;
    for (int k = 2; k < argc && (!(c->options & HELP) || argc == 3); k++)
        if (asks_for_help(argv[k]) > help) help = asks_for_help(argv[k]);
    if (help) {
        help_command(arena, c, help == 2, terminal_width(STDOUT_FILENO), &out);
        return cmd_print(buf_view(&out));
    }
    size_t n_options;
    const Option *options = args_options(&n_options);
    Args a = {.a = arena,
              .commands = all,
              .value = arena_new(arena, OptionValue, n_options),
              .argc = argc,
              .argv = argv,
              .shown = shown,
              .program = argv[0],
              .catch_interrupts = catch_interrupts,
              .call = run};
    a.talk = cmd_talk(&a);
    Err e = {0};
    unsigned elsewhere = 0;
    if (!options_parse(arena, options, n_options, c->options, argc - 2, argv + 2, a.value, &a.rest, &a.n_rest,
                       &elsewhere, &e) &&
        elsewhere)
        return misplaced(arena, c, elsewhere, e.text);
    if (e.set) return cmd_fail(&e, EXIT_USAGE);
    bool texts = c->options & (ATTRIBUTE | GENERATE | TOKENIZE | LENS);
    if (a.n_rest > c->words)
        return cmd_complain(arena_printf(arena,
                                         "%s: '%s' belongs to no option; %s'inseq %s --help' lists them",
                                         word, a.rest[c->words], texts ? "a text needs -i; " : "", word)),
               EXIT_USAGE;
    size_t models = args_get(&a, "model_name_or_path")->n;
    if (models > 1 && !(c->options & (ALONE | SERVE | VERIFY)))
        return cmd_complain(arena_printf(
                   arena, "%s takes one -m, and %zu are given; 'inseq attribute' compares several", word,
                   models)),
               EXIT_USAGE;
    return c->run(&a);
}

int main(int argc, char **argv)
{
    files_ready();
    base_on_no_memory(no_memory);
    arena_bound(limit_memory()); // before the system ends the program for what it took
    signal(SIGPIPE, SIG_IGN);    // a reader that leaves early must not cost the files that were asked for
    sigaction(SIGBUS, &(struct sigaction){.sa_sigaction = on_lost_file, .sa_flags = SA_SIGINFO}, NULL);
    fault_arm_from_env(); // in builds made for it, the n-th allocation or I/O call fails
    everything = arena_create(NULL);
    int code = run(everything, argc, argv, NULL);
    pool_stop();
    arena_free(everything);
    bool lost = ferror(stdout) | fflush(stdout);
    if (lost && !code) code = cmd_no_output();
    return code;
}
