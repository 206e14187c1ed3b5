// SPDX-License-Identifier: Apache-2.0
// inseq.c — main: which command, help, the man page, signals, exit codes. The commands are in attr/commands/.
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

// ------------------------------------------------------------------------------------------------ help

static void usage(FILE *to)
{
    size_t n;
    const Command *const *command = cmd_all(&n);
    fprintf(to, "inseq " VERSION ": why a sequence model wrote what it wrote\n\n"
                "  inseq attribute -m demo/en-nl -a input_x_gradient --attribute_target --step_scores "
                "probability \\\n"
                "      -i \"The nurse went to the hospital.\" --viz_path heatmap.html\n\n");
    for (size_t i = 0; i < n; i++) fprintf(to, "  inseq %-10s %s\n", command[i]->name, command[i]->summary);
    fprintf(
        to,
        "\n'inseq demo' is the place to start; 'inseq COMMAND --help' lists a command's options. A "
        "model (-m)\n"
        "is a checkpoint folder as the Hugging Face Hub lays it out, the name of one in the Hub's "
        "local cache,\n"
        "or one inside this program, such as demo/en-nl. 'inseq --version' and 'inseq --license' tell of the "
        "program.\n");
}

static int command_help(Arena *a, const Command *c)
{
    Buf b = {.arena = a};
    size_t n;
    const Option *options = args_options(&n);
    buf_printf(&b, "usage: inseq %s %s\n%s\nexample: inseq %s %s\n\n", c->name, c->usage, c->summary, c->name,
               c->example);
    options_help(options, n, c->options, terminal_width(STDOUT_FILENO), &b);
    return cmd_print(buf_view(&b));
}

// inseq.1, from the same tables.
static int manual(Arena *a)
{
    Buf b = {.arena = a};
    size_t n, n_options;
    const Command *const *command = cmd_all(&n);
    const Option *options = args_options(&n_options);
    buf_str(
        &b,
        STR_LIT(
            ".TH INSEQ 1 \"\" \"inseq " VERSION
            "\" \"User Commands\"\n.SH NAME\ninseq \\- why a sequence model wrote what it "
            "wrote\n.SH SYNOPSIS\n.B inseq\nCOMMAND [options]\n.SH EXAMPLE\n.EX\n"
            "inseq attribute \\-m demo/en\\-nl \\-a input_x_gradient \\-\\-step\\-scores probability \\-i "
            "\"TEXT\"\n.EE\n"
            ".SH COMMANDS\nMODEL is a checkpoint folder as the Hugging Face Hub lays it out, the name of "
            "one in the Hub's local cache, or one inside this program, such as demo/en\\-nl. "
            "Underscores work in place of hyphens in options.\n"));
    for (size_t c = 0; c < n; c++) {
        buf_printf(&b, ".SS inseq %s\n.PP\n.B ", command[c]->name);
        man_text(&b, arena_printf(a, "inseq %s %s", command[c]->name, command[c]->usage));
        buf_str(&b, STR_LIT(".PP\n")), man_text(&b, command[c]->summary);
        buf_str(&b, STR_LIT(".PP\n.EX\n"));
        man_text(&b, arena_printf(a, "inseq %s %s", command[c]->name, command[c]->example));
        buf_str(&b, STR_LIT(".EE\n"));
        options_man(options, n_options, command[c]->options, &b);
    }
    buf_str(
        &b,
        STR_LIT(".SH EXIT STATUS\n0 done, 1 the input is wrong or a result can't be written, 2 usage, 3 some "
                "texts failed and the "
                "others were kept (or memory ran out, or a file was cut short while it was read), "
                "130, 143 and 129 interrupted by Ctrl-C, by SIGTERM and by SIGHUP (what was finished is "
                "kept, but not by compare), 141 the reader of standard output has gone.\n"
                ".SH ENVIRONMENT\nCOLUMNS the width of tables; NO_COLOR no colour; INSEQ_THREADS threads; "
                "INSEQ_ISA avx512, avx2, neon or scalar; HF_HUB_CACHE, HF_HOME where the Hub's cache is.\n"));
    return cmd_print(buf_view(&b));
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
    size_t n, count = 0;
    const Command *const *all = cmd_all(&n);
    Buf b = {.arena = a};
    for (size_t i = 0; i < n; i++)
        if (all[i]->options & elsewhere) buf_printf(&b, "%s%s", count++ ? ", " : "", all[i]->name);
    return cmd_complain(
               arena_printf(a, "unknown option %s for %s: it is one of %s; 'inseq %s --help' lists its own",
                            option, c->name, b.s, c->name)),
           EXIT_USAGE;
}

// shown: gets what a command drew, if it drew something; may be NULL.
static int run(Arena *arena, int argc, char **argv, Attribution *shown)
{
    if (argc < 2) return usage(stderr), EXIT_USAGE;
    size_t n, n_options;
    const Command *const *command = cmd_all(&n);
    const Option *options = args_options(&n_options);
    const char *word = argv[1], **names = arena_new(arena, const char *, n);
    bool help = !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
    if (!strcmp(word, "--version")) return cmd_version();
    if (!strcmp(word, "--license")) return cmd_license();
    if (help && argc < 3) return usage(stdout), 0;
    if (help && !strcmp(argv[2], "--man")) return manual(arena);
    if (help) word = argv[2];
    for (size_t i = 0; i < n; i++) {
        names[i] = command[i]->name;
        if (strcmp(command[i]->name, word)) continue;
        for (int k = 2; k < argc; k++) help |= !strcmp(argv[k], "--help") || !strcmp(argv[k], "-h");
        if (help) return command_help(arena, command[i]);
        Args a = {.a = arena,
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
        if (!options_parse(arena, options, n_options, command[i]->options, argc - 2, argv + 2, a.value,
                           &a.rest, &a.n_rest, &elsewhere, &e) &&
            elsewhere)
            return misplaced(arena, command[i], elsewhere, e.text);
        if (e.set) return cmd_fail(&e, EXIT_USAGE);
        bool texts = command[i]->options & (ATTRIBUTE | GENERATE | TOKENIZE | LENS);
        if (a.n_rest > command[i]->words)
            return cmd_complain(
                       arena_printf(arena, "%s: '%s' belongs to no option; %s'inseq %s --help' lists them",
                                    word, a.rest[command[i]->words], texts ? "a text needs -i; " : "", word)),
                   EXIT_USAGE;
        size_t models = args_get(&a, "model_name_or_path")->n;
        if (models > 1 && !(command[i]->options & (ALONE | SERVE | VERIFY)))
            return cmd_complain(arena_printf(
                       arena, "%s takes one -m, and %zu are given; 'inseq attribute' compares several", word,
                       models)),
                   EXIT_USAGE;
        return command[i]->run(&a);
    }
    const char *near = str_nearest(str_of(word), names, n);
    if (*word == '-')
        return cmd_complain(arena_printf(arena, "%s: a command comes first, as in 'inseq attribute %s ...'",
                                         word, word)),
               EXIT_USAGE;
    cmd_say("unknown command '%s'%s%s%s", word, near ? "; did you mean " : "; 'inseq help' lists them",
            near ? near : "", near ? "?" : "");
    return EXIT_USAGE;
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
