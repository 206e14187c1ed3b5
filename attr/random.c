// SPDX-License-Identifier: Apache-2.0
// random.c — numbers for methods that draw: the same on every machine, and for a seed the same as NumPy's.
//
// Mersenne Twister, Matsumoto and Nishimura 1998 (MT19937), seeded and read as NumPy's RandomState(seed)
// does: uniform() is 53 bits of two outputs.
#include "random.h"

void random_seed(Random *r, uint32_t seed)
{
    for (uint32_t i = 0; i < 624; i++) {
        r->v[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
    r->at = 624;
}

static void refill(Random *r)
{
    for (int i = 0; i < 624; i++) {
        uint32_t y = (r->v[i] & 0x80000000u) | (r->v[(i + 1) % 624] & 0x7fffffffu);
        r->v[i] = r->v[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->at = 0;
}

static uint32_t next(Random *r)
{
    if (r->at == 624) refill(r);
    uint32_t y = r->v[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

double random_uniform(Random *r)
{
    uint32_t a = next(r) >> 5, b = next(r) >> 6;
    return ((double)a * 67108864.0 + (double)b) / 9007199254740992.0;
}

double random_normal(Random *r) // Marsaglia's polar method, one of the two numbers
{
    double x, y, s;
    do {
        x = 2 * random_uniform(r) - 1, y = 2 * random_uniform(r) - 1;
        s = x * x + y * y;
    } while (s >= 1 || s == 0);
    return x * __builtin_sqrt(-2 * num_log(s) / s);
}
