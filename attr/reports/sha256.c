// SPDX-License-Identifier: Apache-2.0
// sha256.c — FIPS 180-4, section 6.2, as it is written there. The constants are the first 32 bits of the fractional parts
// of the square and cube roots of the first primes; they are computed, in integers, rather than listed.
#include "sha256.h"

#include <stdio.h>
#include <string.h>

typedef unsigned __int128 Wide;

// The largest y with y^power <= x 2^(32 power); its low 32 bits are the fraction's.
static uint32_t root_fraction(uint32_t x, int power)
{
    uint64_t y = 0;
    for (int bit = 36; bit >= 0; bit--) {
        uint64_t t = y | (uint64_t)1 << bit;
        Wide p = power == 2 ? (Wide)t * t : (Wide)t * t * t, limit = (Wide)x << (32 * power);
        if (p <= limit) y = t;
    }
    return (uint32_t)y;
}

static uint32_t next_prime(uint32_t p)
{
    for (;;) {
        bool prime = true;
        p++;
        for (uint32_t k = 2; k * k <= p; k++) prime = prime && p % k;
        if (prime) return p;
    }
}

static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void block(uint32_t h[8], const uint32_t k[64], const uint8_t *m)
{
    uint32_t w[64], v[8];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)m[4 * t] << 24 | (uint32_t)m[4 * t + 1] << 16 | (uint32_t)m[4 * t + 2] << 8 |
               m[4 * t + 3];
    for (int t = 16; t < 64; t++)
        w[t] = (turn(w[t - 2], 17) ^ turn(w[t - 2], 19) ^ w[t - 2] >> 10) + w[t - 7] +
               (turn(w[t - 15], 7) ^ turn(w[t - 15], 18) ^ w[t - 15] >> 3) + w[t - 16];
    memcpy(v, h, sizeof v);
    for (int t = 0; t < 64; t++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 =
            v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + k[t] + w[t];
        uint32_t t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1, v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
}

void sha256(Str bytes, uint8_t out[32])
{
    uint32_t h[8], k[64], prime = 1;
    for (int i = 0; i < 64; i++) {
        prime = next_prime(prime);
        if (i < 8) h[i] = root_fraction(prime, 2);
        k[i] = root_fraction(prime, 3);
    }
    size_t whole = bytes.n / 64 * 64, rest = bytes.n - whole;
    for (size_t i = 0; i < whole; i += 64) block(h, k, (const uint8_t *)bytes.s + i);
    uint8_t last[128] = {0};
    memcpy(last, bytes.s + whole, rest);
    last[rest] = 0x80;
    size_t n = rest < 56 ? 64 : 128;
    for (int i = 0; i < 8; i++) last[n - 1 - (size_t)i] = (uint8_t)((uint64_t)bytes.n * 8 >> (8 * i));
    for (size_t i = 0; i < n; i += 64) block(h, k, last + i);
    for (int i = 0; i < 32; i++) out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_hex(Str bytes, char out[65])
{
    uint8_t hash[32];
    sha256(bytes, hash);
    for (int i = 0; i < 32; i++) snprintf(out + 2 * i, 3, "%02x", hash[i]);
}
