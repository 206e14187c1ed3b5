// SPDX-License-Identifier: Apache-2.0
// main.c — the test runner: registry, checks, the out-of-memory handler that tests survive.
#include "../tensor/tensor.h"
#include "test.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static Test *tests;
static long n_checks, n_failed_checks;
static const Test *running;
static jmp_buf out_of_memory;
static bool may_run_out;

void test_register(Test *t)
{
    Test **p = &tests; // in order of file, then of registration
    while (*p && strcmp((*p)->file, t->file) <= 0) p = &(*p)->next;
    t->next = *p;
    *p = t;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    n_checks++;
    if (++n_failed_checks <= 200) {
        fprintf(stderr, "%s:%d: %s: ", file, line, running ? running->name : "?");
        va_list args;
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
    }
}

void test_count(long checks) { n_checks += checks; }

Str test_read(Arena *A, const char *path)
{
    Err e = {0};
    Str s = {"", 0};
    if (!file_read(A, path, SIZE_MAX, &s, &e)) FAIL("%s", e.text);
    return s;
}

const Json *test_json(Arena *A, const char *path)
{
    Err e = {0};
    const Json *j = json_parse(A, test_read(A, path), path, &e);
    if (!j) FAIL("%s", e.text);
    return j;
}

void check_int(const char *file, int line, const char *what, int64_t got, int64_t want)
{
    if (got == want) test_count(1);
    else test_fail(file, line, "%s is %" PRId64 ", expected %" PRId64, what, got, want);
}

void check_str(const char *file, int line, const char *what, Str got, Str want)
{
    if (str_eq(got, want)) test_count(1);
    else
        test_fail(file, line, "%s is \"%.*s\", expected \"%.*s\"", what, (int)got.n, got.s, (int)want.n,
                  want.s);
}

void check_has(const char *file, int line, const char *text, const char *part)
{
    if (strstr(text, part)) test_count(1);
    else test_fail(file, line, "\"%s\" does not contain \"%s\"", text, part);
}

void check_near(const char *file, int line, const char *what, double got, double want, double tolerance)
{
    if ((isnan(got) && isnan(want)) || got == want || fabs(got - want) <= tolerance) test_count(1);
    else test_fail(file, line, "%s is %.9g, expected %.9g within %.3g", what, got, want, tolerance);
}

static void no_memory(size_t wanted)
{
    if (may_run_out) longjmp(out_of_memory, 1);
    fprintf(stderr, "out of memory in a test: %zu bytes wanted\n", wanted);
    abort();
}

bool test_no_memory(Arena *A, void (*run)(Arena *, void *), void *context)
{
    Arena *volatile inner = NULL;
    volatile bool ran_out = false;
    may_run_out = true;
    pool_start(1); // a thread of the pool could not jump back to here
    if (setjmp(out_of_memory) == 0) run(inner = arena_create(A), context);
    else ran_out = true;
    may_run_out = false;
    pool_start(0);
    arena_free(inner);
    return ran_out;
}

typedef struct Attempt {
    bool (*run)(Arena *, void *, Err *);
    void *context;
    Err err;
    bool ok;
} Attempt;

static void attempt(Arena *A, void *context)
{
    Attempt *t = context;
    t->ok = t->run(A, t->context, &t->err);
}

void test_every_fault(Arena *A, FaultKind kind, bool (*run)(Arena *, void *context, Err *), void *context)
{
    for (int persistent = 0; persistent < 2; persistent++)
        for (long n = 1; n < 1000000; n++) {
            Attempt t = {.run = run, .context = context};
            fault_arm(kind, n, persistent);
            bool ran_out = test_no_memory(A, attempt, &t);
            bool met = fault_count(kind) >= n;
            fault_arm(kind, 0, false);
            if (!ran_out && !t.ok && !t.err.set) FAIL("fault %ld: failed without a word", n);
            if (!met) {
                if (ran_out || !t.ok) FAIL("no fault met, yet it failed: %s", t.err.text);
                break;
            }
            test_count(1);
        }
}

static bool chosen(const Test *t, int n, char **words)
{
    if (n == 0) return true;
    for (int i = 0; i < n; i++)
        if (strstr(t->file, words[i]) || strstr(t->name, words[i])) return true;
    return false;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    base_on_no_memory(no_memory);
    Err e = {0};
    if (!cpu_select(NULL, &e)) BUG("%s", e.text);
    pool_start(0);
    long passed = 0, failed = 0;
    for (const Test *t = tests; t; t = t->next) {
        if (!chosen(t, argc - 1, argv + 1)) continue;
        long failed_before = n_failed_checks, checks_before = n_checks;
        double start = seconds();
        Arena *A = arena_create(NULL);
        running = t;
        t->run(A);
        arena_free(A);
        bool ok = n_failed_checks == failed_before && n_checks > checks_before;
        if (n_checks == checks_before) fprintf(stderr, "%s: %s checked nothing\n", t->file, t->name);
        printf("%s  %-18s %-44s %10ld checks %7.2f s\n", ok ? "ok  " : "FAIL", t->file, t->name,
               n_checks - checks_before, seconds() - start);
        fflush(stdout);
        ok ? passed++ : failed++;
    }
    pool_stop();
    if (!passed && !failed) failed = 1, fprintf(stderr, "no test has that name\n");
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed != 0;
}
