// SPDX-License-Identifier: Apache-2.0
// thread.c — the pool: a few threads that wait for loops to share.
//
// There is one job at a time, and one atomic word that says it all: its number in the high half, how many of
// its items nobody took yet in the low half. To take an item is to lower the word by one with
// compare-and-swap. If that succeeds, the word did not change since it was read, so the job is still open and
// its fields, read in between, are the right ones; a thread that slept through a job and wakes in a later one
// can't take an item of the wrong one. (The number repeats after 2^32 jobs, hours of sleep in the middle of
// three instructions.)
//
// The caller works too and then waits for the items others took, never for threads that have not woken up:
// with more threads than processors the pool is slower, not stuck. Both sides spin a little before they
// sleep, as a model forward is thousands of short loops in a row.
#include "base.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_THREADS = 256, SPINS = 2000, STACK = 4 << 20 };

typedef void (*Work)(int64_t i, void *context);

static struct {
    int threads; // with the caller; 0: never started
    int spins;
    pthread_t thread[MOST_THREADS];

    atomic_flag busy;          // a job is running (and so what runs inside it runs in line)
    atomic_uint_fast64_t word; // job number << 32 | items that nobody took yet
    _Atomic(Work) work;        // the job; changed only while no item is open
    _Atomic(void *) context;
    atomic_int_fast64_t first;  // index of the job's first item
    atomic_uint_fast64_t items; // how many
    atomic_uint_fast64_t done;  // how many are finished

    atomic_int sleeping; // workers on `wake`
    atomic_bool waiting; // the caller is on `finished`
    atomic_bool stop;
    pthread_mutex_t mutex; // for sleeping only
    pthread_cond_t wake, finished;
} pool = {.busy = ATOMIC_FLAG_INIT,
          .mutex = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER};

// ------------------------------------------------------------------------------------------------ stopping

static volatile sig_atomic_t asked; // a signal's number
static atomic_bool may_stop;        // inside stop_run
static jmp_buf stopped;             // its beginning
static _Thread_local bool inside;   // an item of a job

void stop_ask(int signal_number) { asked = signal_number; }
int stop_asked(void) { return asked; }

// Items that nobody has begun are not begun: the job is then never looked at, as pool_run does not return.
bool pool_stopping(void) { return asked && atomic_load_explicit(&may_stop, memory_order_relaxed); }

// Between jobs no other thread does anything, no lock is held and no arena is half changed.
static void stop_here(void)
{
    if (!pool_stopping() || inside) return;
    atomic_store(&may_stop, false);
    longjmp(stopped, 1);
}

bool stop_run(void (*work)(void *context), void *context)
{
    if (asked) return false;
    if (setjmp(stopped)) return false;
    atomic_store(&may_stop, true);
    work(context);
    atomic_store(&may_stop, false);
    return true;
}

// ---------------------------------------------------------------------------------------------------- work

static uint32_t open_items(void) { return (uint32_t)atomic_load(&pool.word); }

// Takes items until none is left. True if it finished the last one of a job.
static bool share(void)
{
    bool last = false, before = inside;
    uint_fast64_t word = atomic_load(&pool.word);
    inside = true;
    while ((uint32_t)word) {
        Work work = atomic_load_explicit(&pool.work, memory_order_relaxed);
        void *context = atomic_load_explicit(&pool.context, memory_order_relaxed);
        int64_t first = atomic_load_explicit(&pool.first, memory_order_relaxed);
        uint64_t items = atomic_load_explicit(&pool.items, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&pool.word, &word, word - 1)) continue;
        if (!pool_stopping()) work(first + (int64_t)(items - (uint32_t)word), context);
        last = atomic_fetch_add(&pool.done, 1) + 1 == items;
        word = atomic_load(&pool.word);
    }
    inside = before;
    return last;
}

static void *worker(void *unused)
{
    while (!atomic_load(&pool.stop)) {
        if (share() && atomic_load(&pool.waiting)) {
            pthread_mutex_lock(&pool.mutex);
            pthread_cond_signal(&pool.finished);
            pthread_mutex_unlock(&pool.mutex);
        }
        for (int i = 0; i < pool.spins && !open_items(); i++) cpu_pause();
        if (open_items()) continue;
        pthread_mutex_lock(&pool.mutex);
        atomic_fetch_add(&pool.sleeping,
                         1); // first this, then the look at the word: the caller goes the other way
        while (!open_items() && !atomic_load(&pool.stop)) pthread_cond_wait(&pool.wake, &pool.mutex);
        atomic_fetch_sub(&pool.sleeping, 1);
        pthread_mutex_unlock(&pool.mutex);
    }
    return unused;
}

static void wake_workers(uint64_t items)
{
    int sleeping = atomic_load(&pool.sleeping);
    if (!sleeping) return;
    pthread_mutex_lock(&pool.mutex);
    if (items > (uint64_t)sleeping) pthread_cond_broadcast(&pool.wake);
    else
        for (uint64_t i = 1; i < items; i++) pthread_cond_signal(&pool.wake); // the caller takes one itself
    pthread_mutex_unlock(&pool.mutex);
}

static bool finished(uint64_t items) { return atomic_load(&pool.done) == items; }

static void wait_for_others(uint64_t items)
{
    for (int i = 0; i < pool.spins && !finished(items); i++) cpu_pause();
    if (finished(items)) return;
    pthread_mutex_lock(&pool.mutex);
    atomic_store(&pool.waiting, true); // first this, then the look at `done`: the workers go the other way
    while (!finished(items)) pthread_cond_wait(&pool.finished, &pool.mutex);
    atomic_store(&pool.waiting, false);
    pthread_mutex_unlock(&pool.mutex);
}

static void run_job(int64_t first, uint64_t items, Work work, void *context)
{
    uint64_t number = (atomic_load(&pool.word) >> 32) + 1;
    atomic_store_explicit(&pool.work, work, memory_order_relaxed);
    atomic_store_explicit(&pool.context, context, memory_order_relaxed);
    atomic_store_explicit(&pool.first, first, memory_order_relaxed);
    atomic_store_explicit(&pool.items, items, memory_order_relaxed);
    atomic_store_explicit(&pool.done, 0, memory_order_relaxed);
    atomic_store(&pool.word, number << 32 | items);
    wake_workers(items);
    share();
    wait_for_others(items);
}

static void run_in_line(int64_t n, Work work, void *context)
{
    bool before = inside;
    inside = true;
    for (int64_t i = 0; i < n && !pool_stopping(); i++) work(i, context);
    inside = before;
}

void pool_run(int64_t n, Work work, void *context)
{
    stop_here();
    if (n <= 1 || pool.threads <= 1 || atomic_flag_test_and_set(&pool.busy)) run_in_line(n, work, context);
    else {
        for (int64_t i = 0; i < n; i += UINT32_MAX)
            run_job(i, n - i < UINT32_MAX ? (uint64_t)(n - i) : UINT32_MAX, work, context);
        atomic_flag_clear(&pool.busy);
    }
    stop_here();
}

// -------------------------------------------------------------------------------------------------- how many

static int usable_processors(void)
{
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    long quota = limit_processors();
    if (quota && quota < n) n = quota;
    return n < 1 ? 1 : n > MOST_THREADS ? MOST_THREADS : (int)n;
}

// A wish in the environment, 0 if there is none that makes sense. OMP_NUM_THREADS may be a list: its first
// number.
static int wished(const char *variable)
{
    const char *text = getenv(variable);
    if (!text) return 0;
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || (*end && *end != ',') || n < 1) return 0;
    return n < MOST_THREADS ? (int)n : MOST_THREADS;
}

// ----------------------------------------------------------------------------------------------- start, stop

// The workers see no signals: those go to the thread that main runs on. But what a thread itself brings about (a read
// from a file that was cut short) can go to no other: blocked, it would end the program without a word. Fewer threads than
// asked for is no error.
static int start_workers(int wanted)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGBUS), sigdelset(&all, SIGSEGV), sigdelset(&all, SIGFPE), sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    int n = 1;
    while (n < wanted && pthread_create(&pool.thread[n], &attr, worker, NULL) == 0) n++;
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

void pool_start(int threads)
{
    pool_stop();
    int usable = usable_processors();
    if (threads <= 0) threads = wished("INSEQ_THREADS");
    if (threads <= 0) threads = wished("OMP_NUM_THREADS");
    if (threads <= 0) threads = usable;
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    pool.spins = threads <= usable ? SPINS : 0; // who spins on a shared processor keeps others from working
    pool.threads = start_workers(threads);
}

void pool_stop(void)
{
    if (pool.threads > 1) {
        pthread_mutex_lock(&pool.mutex);
        atomic_store(&pool.stop, true);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.mutex);
        for (int i = 1; i < pool.threads; i++) pthread_join(pool.thread[i], NULL);
        atomic_store(&pool.stop, false);
    }
    pool.threads = 0;
}

int pool_threads(void) { return pool.threads ? pool.threads : 1; }

bool pool_busy(void)
{
    if (atomic_flag_test_and_set(&pool.busy)) return true;
    atomic_flag_clear(&pool.busy);
    return false;
}
