// SPDX-License-Identifier: Apache-2.0
// t_thread.c — the pool: every index exactly once, for many lengths and thread counts, nested and restarted.
#include "test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static void restart(int threads)
{
    pool_stop();
    pool_start(threads);
}

enum { MOST = 5000 };

typedef struct Job {
    int64_t n;
    atomic_long sum;
    uint8_t seen[MOST];
} Job;

static void mark(int64_t i, void *context)
{
    Job *j = context;
    if (i >= 0 && i < j->n) j->seen[i]++;
    atomic_fetch_add(&j->sum, i);
}

static void check_job(Job *j, int64_t n)
{
    *j = (Job){.n = n};
    pool_run(n, mark, j);
    int64_t once = 0;
    for (int64_t i = 0; i < MOST; i++) once += j->seen[i] == 1 && i < n;
    CHECK_INT(once, n);
    CHECK_INT(atomic_load(&j->sum), n * (n - 1) / 2);
}

TEST(thread_every_index_once)
{
    static const int counts[] = {1, 2, 3, 8};
    Job *j = arena_new(A, Job, 1);
    for (size_t t = 0; t < 4; t++) {
        restart(counts[t]);
        CHECK_INT(pool_threads(), counts[t]);
        for (int64_t n = 0; n < 70; n++) check_job(j, n);
        check_job(j, 1000);
        check_job(j, MOST);
    }
    restart(0);
    CHECK(pool_threads() >= 1);
    pool_run(-5, mark, NULL); // nothing to do
}

// Thousands of small jobs one after the other, with pauses in which the workers fall asleep or not.
TEST(thread_many_small_jobs)
{
    Job *j = arena_new(A, Job, 1);
    for (int threads = 2; threads <= 4; threads += 2) {
        restart(threads);
        long want = 0, bad = 0;
        for (int r = 0; r < 5000; r++) {
            j->n = 1 + r % 9;
            want += j->n * (j->n - 1) / 2;
            pool_run(j->n, mark, j);
            bad += atomic_load(&j->sum) != want; // all is done when it returns, not a little later
            if (r % 500 == 0) nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
        }
        CHECK_INT(bad, 0);
        atomic_store(&j->sum, 0);
    }
    restart(0);
}

static void slow_mark(int64_t i, void *context)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000 * (i % 3)}, NULL);
    mark(i, context);
}

TEST(thread_slow_items) // the caller has to sleep until a worker wakes it
{
    Job *j = arena_new(A, Job, 1);
    restart(3);
    for (int r = 0; r < 20; r++) {
        *j = (Job){.n = 8};
        pool_run(8, slow_mark, j);
        CHECK_INT(atomic_load(&j->sum), 28);
    }
    restart(0);
}

static void outer(int64_t i, void *context)
{
    Job *jobs = context;
    jobs[i].n = 100;
    pool_run(100, mark, &jobs[i]);
}

TEST(thread_nested)
{
    Job *jobs = arena_new(A, Job, 20);
    restart(3);
    pool_run(20, outer, jobs);
    for (int i = 0; i < 20; i++) {
        int once = 0;
        for (int k = 0; k < 100; k++) once += jobs[i].seen[k] == 1;
        CHECK_INT(once, 100);
    }
    restart(0);
}

static void ask(int64_t i, void *context)
{
    bool *busy = context;
    busy[i] = pool_busy();
}

TEST(thread_busy)
{
    bool busy[8] = {0};
    restart(3);
    CHECK(!pool_busy());
    pool_run(8, ask, busy);
    for (int i = 0; i < 8; i++) CHECK(busy[i]);
    CHECK(!pool_busy());
    restart(0);
}

TEST(thread_start_stop)
{
    Job *j = arena_new(A, Job, 1);
    for (int r = 0; r < 50; r++) {
        pool_start(1 + r % 5); // also without a stop before
        if (r % 3) check_job(j, 37);
        if (r % 2) pool_stop();
    }
    pool_stop();
    pool_stop();
    CHECK_INT(pool_threads(), 1);
    check_job(j, 37); // without a pool: in line
    restart(0);
}

TEST(thread_environment)
{
    const char *before = getenv("INSEQ_THREADS");
    Str kept = before ? str_copy(A, str_of(before)) : (Str){0};
    setenv("INSEQ_THREADS", "3", 1);
    restart(0);
    CHECK_INT(pool_threads(), 3);
    restart(2); // a number given is stronger
    CHECK_INT(pool_threads(), 2);
    setenv("INSEQ_THREADS", "many", 1);
    restart(0);
    CHECK(pool_threads() >= 1); // no sense, no effect
    if (before) setenv("INSEQ_THREADS", kept.s, 1);
    else unsetenv("INSEQ_THREADS");
    restart(0);
}
