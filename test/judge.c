// SPDX-License-Identifier: Apache-2.0
// judge.c — inputs, and the comparison of a graph in float32 with the same in float64.
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double random_number(uint64_t *state) // about normal; a float32, and a float16 or bfloat16 if short
{
    double s = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t z = *state += 0x9E3779B97F4A7C15u; // splitmix64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        s += (double)((z ^ z >> 31) >> 11) * 0x1p-53 - 0.5;
    }
    return (float)(s * 1.7320508);
}

static double *random_numbers(Ctx *c, int64_t n, double scale, bool coarse)
{
    uint64_t state = (uint64_t)(c->n_in + 1) * 1000003u;
    double *d = arena_new(c->a, double, n);
    for (int64_t i = 0; i < n; i++) {
        d[i] = (float)(random_number(&state) * scale);
        if (coarse) d[i] = rint(d[i] * 32) / 32; // exact in every half precision
    }
    return d;
}

static P add_input(Ctx *c, P p, bool wanted)
{
    if (c->n_in == MOST_INPUTS) BUG("too many inputs");
    if (c->bump == c->n_in) p.d[c->element] += c->by;
    c->wanted[c->n_in] = wanted, c->in[c->n_in++] = p;
    return p;
}

float *as_floats(Ctx *c, const double *d, int64_t n)
{
    float *f = arena_new(c->a, float, n);
    for (int64_t i = 0; i < n; i++) f[i] = (float)d[i];
    return f;
}

P leaf(Ctx *c, int64_t cols, const Rows *seqs, bool wanted)
{
    P p = {.cols = cols, .seqs = seqs};
    for (int64_t i = 0; i < seqs->n; i++) p.rows += seqs->len[i];
    p.d = random_numbers(c, p.rows * cols, 1, false);
    if (c->t) p.f = tn_leaf(c->t, as_floats(c, p.d, p.rows * cols), p.rows, cols, seqs, wanted);
    return add_input(c, p, wanted);
}

P weight(Ctx *c, int64_t rows, int64_t cols)
{
    int64_t n = rows * cols;
    P p = {.rows = rows, .cols = cols, .d = random_numbers(c, n, 1 / sqrt((double)cols), c->type != W_F32)};
    if (c->t) {
        char *raw = arena_new(c->a, char, 4 * n + 1) + 1;
        for (int64_t i = 0; i < n; i++) {
            float x = (float)p.d[c->turned ? i % rows * cols + i / rows : i];
            uint32_t bits;
            memcpy(&bits, &x, 4);
            uint32_t exponent = bits >> 23 & 255; // of a float16: rebiased; 0 stays 0
            uint16_t half = (uint16_t)((bits >> 16 & 0x8000) |
                                       (exponent ? (exponent - 112) << 10 | (bits >> 13 & 1023) : 0));
            uint16_t brain = (uint16_t)(bits >> 16);
            if (c->type == W_F32) memcpy(raw + 4 * i, &x, 4);
            else memcpy(raw + 2 * i, c->type == W_F16 ? &half : &brain, 2);
        }
        p.f = tn_weight(c->a, raw, c->type, rows, cols, "w");
        p.f->turned = c->turned;
        p.f->wanted = c->train && !c->turned, p.f->grad = arena_new(c->a, float, n);
    }
    return add_input(c, p, c->train && !c->turned);
}

P vector(Ctx *c, int64_t rows, int64_t cols, double shift, bool wanted)
{
    P p = {.rows = rows, .cols = cols, .d = random_numbers(c, rows * cols, 0.5, false)};
    for (int64_t i = 0; i < rows * cols; i++) p.d[i] = (float)(p.d[i] + shift);
    if (c->t) {
        p.f = tn_weight(c->a, NULL, W_F32, rows, cols, "v");
        p.f->f = as_floats(c, p.d, rows * cols);
        p.f->wanted = c->train && wanted, p.f->grad = arena_new(c->a, float, rows *cols);
    }
    return add_input(c, p, c->train && wanted);
}

P graph_of(Ctx *c, const Case *k)
{
    c->size = k->size, c->train = k->train, c->type = W_F32, c->turned = false, c->n_in = 0;
    return k->graph(c, k);
}

// ------------------------------------------------------------------------------------------------ the judge

Layout *cotangents(Arena *a, const Rows *seqs)
{
    int64_t rows = 0, n = 0;
    for (int64_t s = 0; s < seqs->n; s++) rows += seqs->len[s];
    int32_t *seq = arena_new(a, int32_t, 2 * rows + 1);
    int64_t *row0 = arena_new(a, int64_t, 2 * rows + 1), *count = arena_new(a, int64_t, 2 * rows + 1);
    for (int64_t s = 0; s < seqs->n; s++)
        for (int64_t i = 0; i < seqs->len[s]; i++) {
            seq[n] = (int32_t)s, row0[n] = seqs->start[s], count[n++] = i + 1;
            seq[n] = (int32_t)s, row0[n] = seqs->start[s] + i, count[n++] = 1;
            if (n == 2) seq[n] = 0, row0[n] = seqs->start[s], count[n++] = 0;
        }
    return layout_make(a, n, seq, row0, count);
}

float *random_floats(Arena *a, int64_t n)
{
    uint64_t state = 5;
    float *f = arena_new(a, float, n);
    for (int64_t i = 0; i < n; i++) f[i] = (float)random_number(&state);
    return f;
}

static double difference(Arena *a, const Case *k, int input, int64_t element, double *out,
                         int64_t n) // d out / d element
{
    const double h = 1e-4;
    Ctx *c = arena_new(a, Ctx, 1);
    for (int sign = -1; sign <= 1; sign += 2) {
        *c = (Ctx){.a = a, .bump = input, .element = element, .by = sign * h};
        P y = graph_of(c, k);
        for (int64_t i = 0; i < n; i++) out[i] += sign * y.d[i] / (2 * h);
    }
    return 0;
}

void keep(Arena *a, Bits *b, const float *f, int64_t n)
{
    if (!b->f) b->cap = 1 << 20, b->f = arena_new_raw(a, float, b->cap);
    if (b->n + n > b->cap) BUG("more numbers than expected");
    if (n) memcpy(b->f + b->n, f, (size_t)n * sizeof(float));
    b->n += n;
}

// Forward and back in float32; what came out goes to bits.
static Ctx *run_float(Arena *a, const Case *k, Layout **layout, P *y, Bits *bits)
{
    Ctx *c = arena_new(a, Ctx, 1);
    *c = (Ctx){.a = a, .bump = -1, .t = tape_create(a)};
    *y = graph_of(c, k);
    *layout = cotangents(a, y->seqs);
    tape_backward(c->t, y->f, *layout, random_floats(a, (*layout)->total * y->cols));
    keep(a, bits, y->f->f, y->rows * y->cols);
    for (int i = 0; i < c->n_in; i++) {
        const Tensor *x = c->in[i].f;
        if (c->wanted[i] && x->grad) keep(a, bits, x->grad, (x->seqs ? x->layout->total : x->rows) * x->cols);
    }
    return c;
}

// Gradients of input i against differences of the double forward.
static void check_gradient(Arena *a, const Case *k, const Ctx *c, int i, const Layout *l, P y, double *worst)
{
    const P *x = &c->in[i];
    const Tensor *f = x->f;
    const float *seed = random_floats(a, l->total * y.cols);
    int64_t n = x->rows * x->cols;
    double *got = arena_new(a, double, l->K *n), *want = arena_new(a, double, l->K *n), size = 0;
    if (!x->seqs) // a weight: one gradient, the sum of all
        for (int64_t e = 0; e < n; e++) got[e] = f->grad[e];
    else if (f->layout)
        for (int64_t p = 0; p < f->layout->total; p++)
            for (int64_t j = 0; j < x->cols; j++)
                got[f->layout->of[p] * n + f->layout->row[p] * x->cols + j] = f->grad[p * x->cols + j];
    for (int64_t e = 0; e < n; e++) {
        Arena *inner = arena_create(a);
        double *dy = arena_new(inner, double, y.rows *y.cols);
        difference(inner, k, i, e, dy, y.rows * y.cols);
        for (int64_t p = 0; p < l->total; p++)
            for (int64_t j = 0; j < y.cols; j++)
                want[(x->seqs ? l->of[p] * n : 0) + e] += seed[p * y.cols + j] * dy[l->row[p] * y.cols + j];
        arena_free(inner);
    }
    for (int64_t e = 0; e < l->K * n; e++) size = fmax(size, fabs(want[e]));
    for (int64_t e = 0; e < l->K * n; e++) {
        double error =
            fabs(got[e] - want[e]) / (size + (k->whole ? 1 : 0.1)); // some are exactly 0 (a bias of keys)
        *worst = fmax(*worst, error);
        if (!(error < (k->whole ? 1e-5 : 4e-6))) {
            FAIL("%s %d%s size %" PRId64 ": gradient of input %d, cotangent %" PRId64 ", element %" PRId64
                 ": %.9g, expected %.9g",
                 k->name, k->number, k->wide ? " wide" : "", k->size, i, e / n, e % n, got[e], want[e]);
            return;
        }
    }
    test_count(l->K * n);
}

// Each cotangent alone gives the bits it had among the others.
static void check_alone(Arena *a, const Case *k, Ctx *c, const Layout *l, P y)
{
    const float *seed = random_floats(a, l->total * y.cols);
    const float *grad[MOST_INPUTS] = {0};
    const Layout *layout[MOST_INPUTS];
    for (int i = 0; i < c->n_in; i++) {
        const Tensor *x = c->in[i].f;
        if (!c->wanted[i] || !x->seqs || !x->layout) continue;
        float *copy = arena_new(a, float, x->layout->total * x->cols);
        memcpy(copy, x->grad, (size_t)(x->layout->total * x->cols) * sizeof(float));
        grad[i] = copy, layout[i] = layout_make(a, l->K, l->seq, x->layout->row0, x->layout->n);
    }
    for (int64_t q = 0; q < l->K; q++) {
        Layout *one = layout_make(a, 1, l->seq + q, l->row0 + q, l->n + q);
        tape_backward(c->t, y.f, one, seed + l->at[q] * y.cols);
        for (int i = 0; i < c->n_in; i++) {
            if (!grad[i]) continue;
            const Tensor *x = c->in[i].f;
            size_t bytes = (size_t)(layout[i]->n[q] * x->cols) * sizeof(float);
            bool same = x->layout->n[0] == layout[i]->n[q] &&
                        (!bytes || x->layout->row0[0] == layout[i]->row0[q]) &&
                        !memcmp(x->grad, grad[i] + layout[i]->at[q] * x->cols, bytes);
            if (!same)
                FAIL("%s %d%s size %" PRId64 ": cotangent %" PRId64 " alone has other bits (input %d)",
                     k->name, k->number, k->wide ? " wide" : "", k->size, q, i);
            test_count(1);
        }
    }
}

void check_case(Arena *a, const Case *k, double *worst)
{
    Layout *l;
    P y;
    Bits first = {0};
    cpu_select(NULL, NULL);
    Ctx *c = run_float(a, k, &l, &y, &first);
    double size = 1e-3;
    for (int64_t i = 0; i < y.rows * y.cols; i++) size = fmax(size, fabs(y.d[i]));
    for (int64_t i = 0; i < y.rows * y.cols; i++)
        if (!(fabs(y.f->f[i] - y.d[i]) < 2e-6 * size))
            return FAIL("%s %d size %" PRId64 ": [%" PRId64 "] is %.9g, expected %.9g", k->name, k->number,
                        k->size, i, y.f->f[i], y.d[i]);
    for (int i = 0; i < c->n_in; i++)
        if (c->wanted[i]) check_gradient(a, k, c, i, l, y, worst);
    if (!k->train) check_alone(a, k, c, l, y);

    const char *isa[4];
    size_t n_isas = cpu_isas(isa);
    for (int threads = 1; threads <= 3; threads++) {
        pool_start(threads);
        for (size_t s = 0; s < n_isas; s++) {
            Bits other = {0};
            Arena *inner = arena_create(a);
            cpu_select(isa[s], NULL);
            run_float(inner, k, &l, &y, &other);
            if (other.n != first.n || memcmp(other.f, first.f, (size_t)first.n * sizeof(float)))
                FAIL("%s %d%s size %" PRId64 ": other bits on %s with %d threads", k->name, k->number,
                     k->wide ? " wide" : "", k->size, isa[s], threads);
            test_count(1);
            arena_free(inner);
        }
    }
    pool_start(0), cpu_select(NULL, NULL);
}
