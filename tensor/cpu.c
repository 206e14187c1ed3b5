// SPDX-License-Identifier: Apache-2.0
// cpu.c — picks the table of kernels at start, by asking the processor and the system; measures the machine's peak.
// Built for the oldest processor we support. A new instruction set is a block in vec.h, flags in the Makefile and a
// row here.
#include "kern.h"
#include "tensor.h"

#include <stdlib.h>
#include <time.h>

const Kern *K;

void cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#if defined(__x86_64__)
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
extern const Kern kern_avx512, kern_avx2;
#elif defined(__aarch64__)
extern const Kern kern_neon;
#endif
extern const Kern kern_scalar;
static bool always(void) { return true; }

static const struct {
    const Kern *kern;
    bool (*runs)(void);
} sets[] = {
#if defined(__x86_64__)
    {&kern_avx512, has_avx512},
    {&kern_avx2, has_avx2},
#elif defined(__aarch64__)
    {&kern_neon, always},
#endif
    {&kern_scalar, always},
};
enum { N_SETS = sizeof sets / sizeof *sets };

bool cpu_select(const char *isa, Err *e)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    if (!isa) isa = getenv("INSEQ_ISA");
    for (int i = 0; i < N_SETS; i++) {
        bool named = isa && *isa && str_eq(str_of(isa), str_of(sets[i].kern->isa));
        if (isa && *isa ? !named : !sets[i].runs()) continue;
        if (!sets[i].runs()) return err_set(e, "INSEQ_ISA=%s: this processor does not have it", isa);
        K = sets[i].kern;
        return true;
    }
    return err_set(e, "INSEQ_ISA=%s: not one of avx512, avx2, neon, scalar that this program was built with",
                   isa);
}

const char *cpu_isa(void) { return K->isa; }

size_t cpu_isas(const char *out[4])
{
    size_t n = 0;
    for (int i = 0; i < N_SETS; i++)
        if (sets[i].runs()) out[n++] = sets[i].kern->isa;
    return n;
}

// ------------------------------------------------------------------------------------------------ machine speed

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
        double rate = (double)threads * (double)s.n * SPINNERS * 2 / (now() - start);
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
