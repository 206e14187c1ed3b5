// SPDX-License-Identifier: Apache-2.0
// cli.h — runs the program as people do, for t_cli.c and t_cli_wrong.c. The binary is $INSEQ (the Makefile sets it), built
// so that INSEQ_FAULT can make the n-th call fail.
#pragma once
#include "kit.h"

#define MODEL   "test/golden/models/odd-marian"
#define TRAINED "test/golden/models/marian-en-nl"
#define TEXT    "The nurse went to the hospital."
#define INTO    "De verpleger ging naar het ziekenhuis."

typedef struct Run {
    int code, signal; // exit code (-1: ended by the signal)
    const char *out, *err;
    size_t n_out;
    long peak;   // memory, in kilobytes
    double late; // seconds from the (last) interruption to the end
} Run;

typedef struct Setup {
    const char *in;       // standard input (NULL: nothing)
    const char *out;      // a path for standard output instead of a file that is read back
    const char *env[6];   // NAME=value, on top of a bare environment
    long interrupt_after; // milliseconds; 0: never
    int signal;           // that it is interrupted by (0: SIGINT)
    bool twice;           // and once more, 200 ms later
    int closed;           // bit k: descriptor k is closed
    bool gone;            // nobody reads standard output
    long address_space;   // bytes; 0: any (so under a sanitizer, which takes terabytes of it for itself)
    long file_size;       // bytes that a file may have; 0: any
    const char *cut;      // a file that loses its end once the program has said something; then `in` arrives
} Setup;

// A sanitizer keeps what is freed and shadows the rest: there a program's memory says nothing about the program.
#ifdef __SANITIZE_ADDRESS__
#define TAKES_AT_MOST(run, kilobytes) true
#else
#define TAKES_AT_MOST(run, kilobytes) ((run).peak <= (kilobytes))
#endif

#define RUN(...)             run_with(A, &(Setup){0}, (const char *const[]){__VA_ARGS__, NULL})
#define RUN_WITH(setup, ...) run_with(A, &(Setup)setup, (const char *const[]){__VA_ARGS__, NULL})
#define UNPACK(...)          __VA_ARGS__

// Runs the program with these words, the last NULL: what it printed and how it ended.
Run run_with(Arena *A, const Setup *s, const char *const *words);
const char *slurp(Arena *A, const char *path, size_t *n); // n may be NULL
size_t lines(const char *text);
void check_refused(const char *what, Run r, int code,
                   const char *says);    // one clear sentence on standard error, nothing on standard output
void check_ran(const char *what, Run r); // exit code 0 and nothing on standard error

// README's commands: the lines of a section that are indented by four and begin with ./inseq or $ ./inseq, those that end in
// a backslash joined with the next; without "./inseq ". How many there are.
size_t readme_commands(Arena *A, const char *heading, const char **out, size_t most);
// Such a command as a shell runs it in a folder, with exit code 0: what it printed, warnings too.
const char *run_in(Arena *A, const char *folder, const char *command);
