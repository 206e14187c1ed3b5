// SPDX-License-Identifier: Apache-2.0
// layers.c — what Transformer families share: projections, norms, attention with or without a decoding cache.
#include "model.h"

#include <string.h>

Tensor *apply_projection(Tape *t, Tensor *x, const Projection *p) { return tn_linear(t, x, p->w, p->b); }

Tensor *apply_dropout(const Model *m, Tape *t, Tensor *x)
{
    return m->noise ? tn_dropout(t, x, m->noise->rate, m->noise->seed++) : x;
}

Tensor *apply_input_dropout(const Model *m, Tape *t, Tensor *x)
{
    return m->noise && m->noise->inputs > 0 ? tn_dropout(t, x, m->noise->inputs, m->noise->seed++) : x;
}

static Attention with_noise(const Model *m, Attention how)
{
    if (m->noise && m->noise->attention > 0) how.dropout = m->noise->attention, how.seed = m->noise->seed++;
    return how;
}

Tensor *apply_norm(const Model *m, Tape *t, Tensor *x, const Norm *n)
{
    return n->b ? tn_layernorm(t, x, n->g, n->b, m->eps) : tn_rmsnorm(t, x, n->g, m->eps);
}

Tensor *apply_close(const Model *m, Tape *t, Tensor *y, Pass *pass)
{
    if (m->decoder_norm.g) y = apply_norm(m, t, y, &m->decoder_norm);
    if (pass) pass->closed = y;
    return m->block && m->block->project_out.w ? apply_projection(t, y, &m->block->project_out) : y;
}

static Tensor *gated(const Model *m, Tape *t, Tensor *gate, Tensor *up)
{
    return tn_mul(t, tn_act(t, gate, m->act), up);
}

// Each row goes to the experts that the router scores highest, and takes the sum of their answers by those scores.
static Tensor *apply_experts(const Model *m, Tape *t, Tensor *x, const Layer *l)
{
    Arena *a = tape_arena(t);
    Tensor *w = tn_route(t, apply_projection(t, x, &l->router), m->block->experts_used);
    Tensor *sum = tn_new(t, x->rows, x->cols, x->seqs);
    memset(sum->f, 0, (size_t)(x->rows * x->cols) * sizeof(float));
    for (int64_t e = 0; e < m->block->experts; e++) {
        const Expert *expert = &l->expert[e];
        int64_t *index = arena_new(a, int64_t, x->rows), *len = arena_new(a, int64_t, x->seqs->n), n = 0;
        for (int64_t s = 0; s < x->seqs->n; s++)
            for (int64_t i = x->seqs->start[s]; i < x->seqs->start[s] + x->seqs->len[s]; i++)
                if (w->f[i * w->cols + e] != 0) index[n++] = i, len[s]++; // a NaN too: it must be seen
        if (!n) continue;
        Tensor *h = tn_pick(t, x, index, rows_make(a, x->seqs->n, len));
        h = gated(m, t, apply_projection(t, h, &expert->gate), apply_projection(t, h, &expert->up));
        sum = tn_mix(t, sum, apply_projection(t, h, &expert->down), w, e, index);
    }
    return apply_dropout(m, t, sum);
}

// down(act(up x)), or down(act(gate x) * up x): Shazeer 2020, arXiv:2002.05202.
Tensor *apply_feed_forward(const Model *m, Tape *t, Tensor *x, const Layer *l, Tensor **result)
{
    Tensor *h;
    if (l->router.w) return apply_experts(m, t, x, l);
    if (l->gate_up.w) {
        Tensor *both = apply_projection(t, x, &l->gate_up);
        h = gated(m, t, tn_slice(t, both, m->block->gate), tn_slice(t, both, m->block->up));
    } else {
        Tensor *u = apply_projection(t, x, &l->up);
        h = l->gate.w ? gated(m, t, apply_projection(t, x, &l->gate), u) : tn_act(t, u, m->act);
    }
    if (m->noise && m->noise->activation > 0) h = tn_dropout(t, h, m->noise->activation, m->noise->seed++);
    Tensor *y = apply_projection(t, h, &l->down);
    if (result) *result = y;
    return apply_dropout(m, t, y);
}

// ------------------------------------------------------------------------------------------------ attention

// The table of angles, made as far as these rows need it.
int64_t rows_end(const Rows *rows, const int64_t *offset)
{
    int64_t n = 0;
    for (int64_t i = 0; i < rows->n; i++) {
        int64_t end = rows->len[i] + (offset ? offset[i] : 0);
        n = end > n ? end : n;
    }
    return n;
}

static void rotation_grow(const Model *m, Rotation *r, const Rows *rows, const int64_t *offset)
{
    int64_t n = rows_end(rows, offset);
    if (n <= r->made) return;
    int64_t each = r->how.rotated;
    if (n > r->room) { // what recorded passes point at stays where it is
        r->room = n > 2 * r->room ? n : 2 * r->room;
        r->how.table = arena_new_raw(m->arena, float, r->room *each), r->made = 0;
    }
    num_rotations((float *)r->how.table, r->frequency, each / 2, r->made, n, r->scale);
    r->made = n;
}

static Tensor *rotate(const Model *m, Tape *t, Tensor *x, Rotation *r, const int64_t *offset)
{
    rotation_grow(m, r, x->seqs, offset);
    return tn_rope(t, x, &r->how, offset);
}

// New rows go behind those that their slots have.
static void cache_add(const Cache *c, Tensor *cached, const Tensor *x)
{
    for (int64_t i = 0; i < c->n_active; i++)
        memcpy(cached->f + (c->start[i] + c->offset[i]) * c->width, x->f + x->seqs->start[i] * c->width,
               (size_t)(x->seqs->len[i] * c->width) * sizeof(float));
}

Tensor *apply_self(const Model *m, Tape *t, Tensor *x, const Layer *l, int64_t i, bool decoder, Cache *c,
                   Tensor **result)
{
    if (result && *result) return apply_dropout(m, t, apply_projection(t, *result, &l->o));
    Tensor *q, *k, *v;
    if (l->qkv.w) {
        Tensor *all = apply_projection(t, x, &l->qkv);
        q = tn_slice(t, all, m->block->q), k = tn_slice(t, all, m->block->k),
        v = tn_slice(t, all, m->block->v);
    } else {
        q = apply_projection(t, x, &l->q), k = apply_projection(t, x, &l->k),
        v = apply_projection(t, x, &l->v);
    }
    if (l->q_norm.g) q = apply_norm(m, t, q, &l->q_norm), k = apply_norm(m, t, k, &l->k_norm);
    const int64_t *offset = c ? c->offset : NULL;
    if (l->rotation) q = rotate(m, t, q, l->rotation, offset), k = rotate(m, t, k, l->rotation, offset);
    if (c) {
        cache_add(c, &c->k[i], k), cache_add(c, &c->v[i], v);
        k = &c->k[i], v = &c->v[i];
    }
    Attention how = with_noise(m, l->attention ? *l->attention : m->self_attention[decoder]);
    Tensor *y = tn_attention(t, q, k, v, &how);
    if (result) *result = y;
    return apply_dropout(m, t, apply_projection(t, y, &l->o));
}

Tensor *apply_cross(const Model *m, Tape *t, Tensor *x, const Layer *l, int64_t i, Tensor *encoder,
                    const int32_t *keys_of, Cache *c, Tensor **result)
{
    if (result && *result) return apply_dropout(m, t, apply_projection(t, *result, &l->cross_o));
    Attention how = with_noise(m, m->cross_attention);
    how.keys_of = keys_of;
    Tensor *q = apply_projection(t, x, &l->cross_q);
    Tensor *k = c ? c->cross_k[i] : apply_projection(t, encoder, &l->cross_k);
    Tensor *v = c ? c->cross_v[i] : apply_projection(t, encoder, &l->cross_v);
    Tensor *y = tn_attention(t, q, k, v, &how);
    if (result) *result = y;
    return apply_dropout(m, t, apply_projection(t, y, &l->cross_o));
}

// ------------------------------------------------------------------------------------------------ the cache

static Tensor *cache_rows(const Cache *c)
{
    Tensor *x = arena_new(c->arena, Tensor, c->layers);
    for (int64_t i = 0; i < c->layers; i++)
        x[i] = (Tensor){.rows = c->slots * c->capacity,
                        .cols = c->width,
                        .seqs = &c->rows,
                        .f = arena_new_raw(c->arena, float, c->slots * c->capacity * c->width)};
    return x;
}

// Room for `capacity` rows in each slot; what is there moves along. Most texts end long before the length limit, so
// the cache grows as they do.
static void cache_grow(Cache *c, int64_t capacity)
{
    Cache old = *c;
    c->capacity = capacity;
    c->k = cache_rows(c), c->v = cache_rows(c);
    c->other_k = c->other_v = NULL;
    for (int64_t i = 0; old.k && i < c->layers; i++)
        for (int64_t b = 0; b < c->slots; b++) {
            int64_t from = b * old.capacity * c->width, to = b * capacity * c->width;
            size_t bytes = (size_t)(c->length[b] * c->width) * sizeof(float);
            memcpy(c->k[i].f + to, old.k[i].f + from, bytes);
            memcpy(c->v[i].f + to, old.v[i].f + from, bytes);
        }
}

Cache *cache_make(Arena *a, const Model *m, int64_t slots)
{
    Cache *c = arena_new(a, Cache, 1);
    *c = (Cache){.arena = a,
                 .layers = m->info.decoder_layers,
                 .slots = slots,
                 .width = m->kv_width,
                 .length = arena_new(a, int64_t, slots),
                 .other_length = arena_new(a, int64_t, slots),
                 .slot = arena_new(a, int64_t, slots),
                 .start = arena_new(a, int64_t, slots),
                 .len = arena_new(a, int64_t, slots),
                 .offset = arena_new(a, int64_t, slots)};
    c->cross_k = arena_new(a, Tensor *, c->layers), c->cross_v = arena_new(a, Tensor *, c->layers);
    return c;
}

void cache_reserve(Cache *c, int64_t rows)
{
    if (rows > c->capacity) cache_grow(c, rows);
}

void cache_activate(Cache *c, const int64_t *slot, const int64_t *rows, int64_t n)
{
    int64_t most = 32;
    for (int64_t i = 0; i < n; i++)
        most = c->length[slot[i]] + rows[i] > most ? c->length[slot[i]] + rows[i] : most;
    if (most > c->capacity) cache_grow(c, most > 2 * c->capacity ? most : 2 * c->capacity);
    c->n_active = n;
    c->rows = (Rows){.n = n, .start = c->start, .len = c->len};
    for (int64_t i = 0; i < n; i++) {
        int64_t s = c->slot[i] = slot[i];
        c->offset[i] = c->length[s];
        c->start[i] = s * c->capacity, c->len[i] = c->length[s] += rows[i];
    }
}

void cache_reorder(Cache *c, const int64_t *from)
{
    bool moved = false;
    for (int64_t b = 0; b < c->slots; b++) moved |= from[b] != b;
    if (!moved) return;
    if (!c->other_k) c->other_k = cache_rows(c), c->other_v = cache_rows(c);
    int64_t stride = c->capacity * c->width, *length = c->other_length;
    for (int64_t b = 0; b < c->slots; b++) length[b] = c->length[from[b]];
    c->other_length = c->length, c->length = length;
    for (int64_t i = 0; i < c->layers; i++)
        for (int64_t b = 0; b < c->slots; b++) {
            size_t bytes = (size_t)(length[b] * c->width) * sizeof(float);
            memcpy(c->other_k[i].f + b * stride, c->k[i].f + from[b] * stride, bytes);
            memcpy(c->other_v[i].f + b * stride, c->v[i].f + from[b] * stride, bytes);
        }
    Tensor *k = c->k, *v = c->v;
    c->k = c->other_k, c->v = c->other_v, c->other_k = k, c->other_v = v;
}
