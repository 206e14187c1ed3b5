// SPDX-License-Identifier: Apache-2.0
// machine.c — what this machine can do at most, measured: fused multiply-adds and bytes read a second. What bench and
// --plan hold runs against.
#include "kern.h"
#include "tensor.h"

#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct Spin {
    const float *x;
    int64_t n;
    volatile float out[256];
} Spin;

static void spin_fma(int64_t i, void *context)
{
    Spin *s = context;
    float chain[SPINNERS];
    for (int k = 0; k < SPINNERS; k++) chain[k] = (float)k;
    K->spin_fma(chain, s->n);
    s->out[i & 255] = chain[0];
}

static void spin_read(int64_t i, void *context)
{
    Spin *s = context;
    s->out[i & 255] = K->spin_read(s->x + i * s->n, s->n);
}

double cpu_peak(int threads)
{
    double best = 0;
    Spin s = {.n = 2000000};
    for (int round = 0; round < 5; round++) {
        double start = now();
        pool_run(threads, spin_fma, &s);
        double rate = (double)threads * (double)s.n * (double)SPINNERS * 2 / (now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

double cpu_bandwidth(int threads)
{
    enum { FLOATS = 64 << 20 };
    Arena *a = arena_create(NULL);
    float *x = arena_new_raw(a, float, FLOATS);
    for (int64_t i = 0; i < FLOATS; i++) x[i] = (float)i;
    Spin s = {.x = x, .n = FLOATS / threads / 64 * 64};
    double best = 0;
    for (int round = 0; round < 5; round++) {
        double start = now();
        pool_run(threads, spin_read, &s);
        double rate = (double)threads * (double)s.n * 4 / (now() - start);
        if (rate > best) best = rate;
    }
    arena_free(a);
    return best;
}
