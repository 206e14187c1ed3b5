// SPDX-License-Identifier: Apache-2.0
// sha256.c — FIPS 180-4, section 6.2, as it is written there. The constants are the first 32 bits of the fractional parts
// of the square and cube roots of the first primes; they are computed, in integers, rather than listed.
#include "base.h"

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

static inline void turn_once(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f,
                             uint32_t g, uint32_t *h, uint32_t k_and_w)
{
    uint32_t t1 = *h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (g ^ (e & (f ^ g))) + k_and_w;
    *d += t1;
    *h = t1 + (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) | (c & (a | b)));
}

// Eight turns without a move: what was a becomes b by its place in the call, and so on.
static inline void turn_eight(uint32_t v[8], const uint32_t *k, const uint32_t *w)
{
    turn_once(v[0], v[1], v[2], &v[3], v[4], v[5], v[6], &v[7], k[0] + w[0]);
    turn_once(v[7], v[0], v[1], &v[2], v[3], v[4], v[5], &v[6], k[1] + w[1]);
    turn_once(v[6], v[7], v[0], &v[1], v[2], v[3], v[4], &v[5], k[2] + w[2]);
    turn_once(v[5], v[6], v[7], &v[0], v[1], v[2], v[3], &v[4], k[3] + w[3]);
    turn_once(v[4], v[5], v[6], &v[7], v[0], v[1], v[2], &v[3], k[4] + w[4]);
    turn_once(v[3], v[4], v[5], &v[6], v[7], v[0], v[1], &v[2], k[5] + w[5]);
    turn_once(v[2], v[3], v[4], &v[5], v[6], v[7], v[0], &v[1], k[6] + w[6]);
    turn_once(v[1], v[2], v[3], &v[4], v[5], v[6], v[7], &v[0], k[7] + w[7]);
}

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
    for (int t = 0; t < 64; t += 8) turn_eight(v, k + t, w + t);
    for (int i = 0; i < 8; i++) h[i] += v[i];
}

void sha256_begin(Sha256 *x)
{
    uint32_t prime = 1;
    memset(x, 0, sizeof *x);
    for (int i = 0; i < 64; i++) {
        prime = next_prime(prime);
        if (i < 8) x->h[i] = root_fraction(prime, 2);
        x->k[i] = root_fraction(prime, 3);
    }
}

void sha256_part(Sha256 *x, Str bytes)
{
    size_t held = x->n % 64, at = 0;
    x->n += bytes.n;
    if (held) {
        at = bytes.n < 64 - held ? bytes.n : 64 - held;
        memcpy(x->held + held, bytes.s, at);
        if (held + at < 64) return;
        block(x->h, x->k, x->held);
    }
    for (; bytes.n - at >= 64; at += 64) block(x->h, x->k, (const uint8_t *)bytes.s + at);
    if (bytes.n > at) memcpy(x->held, bytes.s + at, bytes.n - at);
}

void sha256_end(Sha256 *x, uint8_t out[32])
{
    const uint64_t bits = x->n * 8;
    const size_t rest = x->n % 64, pad = (rest < 56 ? 64 : 128) - rest; // a 1, zeros, and the length in bits
    char last[128] = {(char)0x80};
    for (size_t i = 0; i < 8; i++) last[pad - 1 - i] = (char)(bits >> (8 * i));
    sha256_part(x, (Str){last, pad});
    for (int i = 0; i < 32; i++) out[i] = (uint8_t)(x->h[i / 4] >> (24 - 8 * (i % 4)));
}

void sha256_end_hex(Sha256 *x, char out[65])
{
    uint8_t hash[32];
    sha256_end(x, hash);
    for (int i = 0; i < 32; i++) snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

void sha256(Str bytes, uint8_t out[32])
{
    Sha256 x;
    sha256_begin(&x), sha256_part(&x, bytes), sha256_end(&x, out);
}

void sha256_hex(Str bytes, char out[65])
{
    Sha256 x;
    sha256_begin(&x), sha256_part(&x, bytes), sha256_end_hex(&x, out);
}
