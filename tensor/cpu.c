// SPDX-License-Identifier: Apache-2.0
// cpu.c — picks the table of kernels at start, by asking the processor and the system.
// Built for the oldest processor we support. A new instruction set is a block in vec.h, flags in the Makefile and a
// row here.
#include "kern.h"
#include "tensor.h"

#include <stdlib.h>

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
