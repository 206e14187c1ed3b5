// SPDX-License-Identifier: Apache-2.0
// test.h — a test is TEST(name) { ... CHECK(...); ... } in any test/t_*.c; the runner finds it by itself.
//
//   build/test/run             all tests; the last line is "N passed, N failed"
//   build/test/run t_json tok  only tests whose file or name contains one of the words
//
// Each test gets a fresh arena `A` (freed afterwards, with everything on it) and runs from the top of the tree, so
// golden data is "test/golden/...". A failed CHECK prints file, line and both values and the test goes on.
#pragma once
#include "../tensor/base.h"

#include <string.h>

typedef struct Test {
    const char *file, *name;
    void (*run)(Arena *A);
    struct Test *next;
} Test;

void test_register(Test *t);
void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void test_count(long checks); // loops that check millions of values report them here, for the summary
bool test_no_memory(Arena *A, void (*run)(Arena *, void *),
                    void *context); // runs it; true if memory "ran out"

#define TEST(id)                                                                                             \
    static void test_##id(Arena *A);                                                                         \
    static Test entry_##id = {.file = __FILE__, .name = #id, .run = test_##id};                              \
    __attribute__((constructor)) static void add_##id(void) { test_register(&entry_##id); }                  \
    static void test_##id(__attribute__((unused)) Arena *A)

#define FAIL(...)                        test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(x)                         ((x) ? test_count(1) : FAIL("%s", #x))
#define CHECK_INT(got, want)             check_int(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))
#define CHECK_STR(got, want)             check_str(__FILE__, __LINE__, #got, (got), (want))
#define CHECK_HAS(text, part)            check_has(__FILE__, __LINE__, (text), (part)) // C strings: part occurs in text
#define CHECK_NEAR(got, want, tolerance) check_near(__FILE__, __LINE__, #got, (got), (want), (tolerance))

// A file that a test needs: its bytes and a 0 after them; what it says (NULL if it is not there). Without it the test fails.
Str test_read(Arena *A, const char *path);
const Json *test_json(Arena *A, const char *path);

void check_int(const char *file, int line, const char *what, int64_t got, int64_t want);
void check_str(const char *file, int line, const char *what, Str got, Str want);
void check_has(const char *file, int line, const char *text, const char *part);
void check_near(const char *file, int line, const char *what, double got, double want, double tolerance);

// Fault walk (meaningful in builds with -DFAULTS): runs `run` with the 1st, 2nd, ... allocation or I/O call failing,
// until it succeeds without meeting the fault. Anything but a clean Err or a clean out-of-memory fails the test.
void test_every_fault(Arena *A, FaultKind kind, bool (*run)(Arena *, void *context, Err *), void *context);
