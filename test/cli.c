// SPDX-License-Identifier: Apache-2.0
// cli.c — runs the program with its standard streams on files, and says what came of it.
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static const char *binary(void)
{
    const char *path = getenv("INSEQ");
    return path && *path ? path : "./inseq";
}

static void child(char *const *argv, const Setup *s, const char *in, const char *out, const char *err)
{
    char *env[12] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", (char *)(uintptr_t) "LC_ALL=C.UTF-8",
                     (char *)(uintptr_t) "INSEQ_THREADS=2"};
    for (int i = 0; i < 6 && s->env[i]; i++) env[3 + i] = (char *)(uintptr_t)s->env[i];
    int fd[3] = {open(in, O_RDONLY), open(s->out ? s->out : out, O_WRONLY | O_CREAT, 0666),
                 open(err, O_WRONLY | O_CREAT, 0666)};
    for (int i = 0; i < 3; i++)
        if (fd[i] < 0 || dup2(fd[i], i) < 0) _exit(99);
    int ends[2];
    if (s->gone && (pipe(ends) || close(ends[0]) || dup2(ends[1], 1) < 0 || close(ends[1]))) _exit(99);
    for (int i = 0; i < 3; i++)
        if (s->closed >> i & 1) close(i);
#ifndef __SANITIZE_ADDRESS__
    if (s->address_space)
        setrlimit(RLIMIT_AS, &(struct rlimit){(rlim_t)s->address_space, (rlim_t)s->address_space});
#endif
    if (s->file_size) setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)s->file_size, (rlim_t)s->file_size});
    signal(SIGINT, SIG_DFL), signal(SIGPIPE, SIG_DFL), signal(SIGHUP, SIG_DFL);
    alarm(60);
    execve(binary(), argv, env);
    _exit(98);
}

const char *slurp(Arena *A, const char *path, size_t *n)
{
    Str s = {"", 0};
    Err e = {0};
    if (!file_read(A, path, SIZE_MAX, &s, &e)) FAIL("%s", e.text);
    if (n) *n = s.n;
    return s.s;
}

static void cut_meanwhile(const Setup *s, const char *in, const char *err)
{
    struct stat st = {0};
    int fd = open(in, O_WRONLY);
    for (int i = 0; i < 10000 && !st.st_size; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL), stat(err, &st);
    if (truncate(s->cut, 4096) || write(fd, s->in, strlen(s->in)) < 0) FAIL("cannot cut %s", s->cut);
    close(fd);
}

Run run_with(Arena *A, const Setup *s, const char *const *words)
{
    const char *folder = kit_folder(A), *argv[64] = {"inseq"};
    size_t n = 1;
    for (; words[n - 1]; n++) argv[n] = words[n - 1];
    kit_write(folder, "in", str_of(s->in ? s->in : ""));
    kit_write(folder, "out", (Str){0}), kit_write(folder, "err", (Str){0});
    const char *in = arena_printf(A, "%s/in", folder), *out = arena_printf(A, "%s/out", folder),
               *err = arena_printf(A, "%s/err", folder);
    if (s->cut && (unlink(in) || mkfifo(in, 0600))) FAIL("no fifo %s", in);
    fflush(stdout), fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) child((char *const *)(uintptr_t)argv, s, in, out, err);
    int status = 0;
    if (s->cut) cut_meanwhile(s, in, err);
    if (s->interrupt_after) {
        nanosleep(&(struct timespec){s->interrupt_after / 1000, s->interrupt_after % 1000 * 1000000}, NULL);
        kill(pid, s->signal ? s->signal : SIGINT);
        if (s->twice)
            nanosleep(&(struct timespec){0, 200000000}, NULL), kill(pid, s->signal ? s->signal : SIGINT);
    }
    double asked = wall_clock();
    struct rusage used = {0};
    while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR) {
    }
    Run r = {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
             .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
             .peak = used.ru_maxrss,
             .late = wall_clock() - asked};
    r.out = slurp(A, out, &r.n_out), r.err = slurp(A, err, NULL);
    if (r.code == 98) FAIL("can't run %s: set INSEQ to the program", binary());
    return r;
}

size_t lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

void check_refused(const char *what, Run r, int code, const char *says)
{
    if (r.code != code || r.n_out || lines(r.err) != 1 || strncmp(r.err, "inseq: ", 7) ||
        !strstr(r.err, says))
        FAIL("%s: exit code %d (signal %d), expected %d and '%s'; standard error: %.400s%s%.200s", what,
             r.code, r.signal, code, says, r.err, r.n_out ? " standard output: " : "", r.n_out ? r.out : "");
    else test_count(1);
}

void check_ran(const char *what, Run r)
{
    if (r.code != 0 || *r.err) FAIL("%s: exit code %d, signal %d: %s", what, r.code, r.signal, r.err);
    else test_count(1);
}

// ------------------------------------------------------------------------------------------ README's commands

size_t readme_commands(Arena *A, const char *heading, const char **out, size_t most)
{
    Str readme = test_read(A, "README"), last = {0};
    bool inside = false, open = false;
    size_t n = 0;
    Buf command = {.arena = A};
    while (readme.n) {
        Str line = str_line(&readme);
        bool underline = str_starts(line, STR_LIT("----"));
        if (underline && inside) break;
        if (underline) inside = str_is(last, heading);
        last = line;
        const char *const begins[] = {"    ./inseq ", "    $ ./inseq "};
        size_t skip = open ? 4 : 0;
        for (int k = 0; k < 2 && !open; k++)
            if (str_starts(line, str_of(begins[k]))) skip = strlen(begins[k]), command = (Buf){.arena = A};
        if (!inside || !skip || line.n < skip) continue;
        open = line.s[line.n - 1] == '\\';
        buf_str(&command, (Str){line.s + skip, line.n - skip - open});
        if (!open && n++ < most) out[n - 1] = command.s;
    }
    return n;
}

const char *run_in(Arena *A, const char *folder, const char *command)
{
    const char *binary = getenv("INSEQ");
    char *program = realpath(binary && *binary ? binary : "./inseq", NULL);
    int code = system(arena_printf(A, "cd %s && '%s' %s >out.txt 2>&1", folder, program, command));
    free(program);
    const char *said = slurp(A, arena_printf(A, "%s/out.txt", folder), NULL);
    if (code) FAIL("status %d of %s: %s", code, command, said);
    return said;
}
