// SPDX-License-Identifier: Apache-2.0
// tape.c — records operations as they run, and goes back through them for K cotangents at once.
//
// Going back has two walks over the nodes, last to first. The first finds out which rows of every tensor each
// cotangent can reach (causality leaves decoder rows 0..t, an attention to the source all source rows, the top layer
// row t alone), so that only those are stored and computed. The second runs the operations' backward on gradients
// that are packed end to end. A gradient's memory is handed to the next one as soon as it has been used.
#include "op.h"

#include <string.h>
#include <time.h>

enum { SHARED = 16 }; // different layouts that are remembered

typedef struct Spare { // memory of a gradient that has done its work
    float *f;
    int64_t n;
    struct Spare *next;
} Spare;

struct Tape {
    Arena *parent;
    Arena *values, *other, *back,
        *scratch; // other: of tape_keep, NULL before the first; back: layouts and gradients of the last backward
    Node *node;
    int64_t n_nodes, cap;
    Spare *spare;
    Layout *shared[SHARED]; // of this backward
    int64_t n_shared;
    bool recording, lrp;
    const Tensor *tap; // tape_tap
    TapeEdit *edit;
    void *edit_context;
    Tensor *tapped;
    bool dry, light; // tape_dry, tape_light
    Tape *inner;     // tape_inner, NULL before the first
    size_t peak;
    bool planning;          // backward only counts bytes:
    size_t planned;         // of gradients,
    size_t planned_scratch; // of the operation that needs most beside them
    ProfileOp *profile;     // where times are added; NULL: off
    double flops;           // of the operation that runs
};

static double clock_now(const Tape *t) // 0 while nobody asks
{
    struct timespec s = {0};
    if (t->profile) clock_gettime(CLOCK_MONOTONIC, &s);
    return (double)s.tv_sec + 1e-9 * (double)s.tv_nsec;
}

static ProfileOp *profile_of(Tape *t, const Op *op)
{
    int i = 0;
    while (i < PROFILE_OPS - 1 && t->profile[i].name && t->profile[i].name != op->name) i++;
    t->profile[i].name = op->name;
    t->profile[i].flops += t->flops, t->flops = 0;
    return &t->profile[i];
}

void tape_profile(Tape *t, ProfileOp *ops) { t->profile = ops, t->flops = 0; }

Tape *tape_create(Arena *a)
{
    Tape *t = arena_new(a, Tape, 1);
    t->parent = a;
    t->values = arena_create(a), t->back = arena_create(a), t->scratch = arena_create(a);
    t->recording = true;
    return t;
}

void tape_reset(Tape *t)
{
    arena_reset(t->values), arena_reset(t->back), arena_reset(t->scratch);
    if (t->other) arena_reset(t->other);
    t->node = NULL, t->n_nodes = t->cap = 0, t->spare = NULL;
    t->tapped = NULL;
}

void tape_tap(Tape *t, const Tensor *weight, TapeEdit *edit, void *context)
{
    t->tap = weight, t->edit = edit, t->edit_context = context;
}

Tensor *tape_tapped(const Tape *t) { return t->tapped; }
void tape_record(Tape *t, bool on) { t->recording = on; }
void tape_lrp(Tape *t, bool on) { t->lrp = on; }
void tape_dry(Tape *t, bool on)
{
    t->dry = on;
    arena_only_count(t->values, on), arena_only_count(t->scratch, on);
}
void tape_light(Tape *t, bool on) { t->light = on; }
bool tape_is_light(const Tape *t) { return t->light; }
Arena *tape_arena(Tape *t) { return t->values; }
Arena *tape_back(Tape *t) { return t->back; }
size_t tape_peak(const Tape *t) { return t->peak + (t->inner ? t->inner->peak : 0); }

Tape *tape_inner(Tape *t)
{
    if (!t->inner) t->inner = tape_create(t->parent);
    tape_reset(t->inner);
    tape_dry(t->inner, false);
    t->inner->lrp = t->lrp, t->inner->light = false, t->inner->recording = true;
    t->inner->profile = t->profile, t->inner->flops = 0;
    return t->inner;
}

static void note_peak(Tape *t)
{
    size_t now = arena_used(t->values) + arena_used(t->back) + arena_used(t->scratch);
    if (t->other) now += arena_used(t->other);
    if (now > t->peak) t->peak = now;
}

float *tape_scratch(Tape *t, int64_t n) { return arena_new_raw(t->scratch, float, n); }

// ---------------------------------------------------------------------------------------------------- tensors

Rows *rows_make(Arena *a, int64_t n, const int64_t *len)
{
    int64_t *start = arena_new(a, int64_t, n), *copy = arena_new(a, int64_t, n), at = 0;
    for (int64_t i = 0; i < n; i++) start[i] = at, copy[i] = len[i], at += len[i];
    Rows *r = arena_new(a, Rows, 1);
    *r = (Rows){.n = n, .start = start, .len = copy};
    return r;
}

Tensor *tn_new(Tape *t, int64_t rows, int64_t cols, const Rows *seqs)
{
    Tensor *x = arena_new(t->values, Tensor, 1);
    *x = (Tensor){.rows = rows, .cols = cols, .seqs = seqs, .f = arena_new_raw(t->values, float, rows *cols)};
    return x;
}

Tensor *tn_leaf(Tape *t, const float *f, int64_t rows, int64_t cols, const Rows *seqs, bool wanted)
{
    Tensor *x = tn_new(t, rows, cols, seqs);
    if (!t->dry) memcpy(x->f, f, (size_t)(rows * cols) * sizeof(float));
    x->wanted = wanted;
    return x;
}

Tensor *tape_keep(Tape *t, Tensor *x)
{
    if (t->recording) return x;
    if (!t->other) t->other = arena_create(t->parent);
    Arena *now = t->other;
    t->other = t->values, t->values = now;
    Tensor *copy = tn_leaf(t, x->f, x->rows, x->cols, x->seqs, false);
    arena_reset(t->other);
    return copy;
}

Tensor *tn_weight(Arena *a, const void *raw, WType type, int64_t rows, int64_t cols, const char *name)
{
    Tensor *w = arena_new(a, Tensor, 1);
    *w = (Tensor){.rows = rows, .cols = cols, .raw = raw, .type = type, .name = name};
    return w;
}

const CodedRow *coded_rows(Arena *a, const Coded *weight)
{
    CodedRow *row = arena_new_raw(a, CodedRow, weight->rows);
    for (int64_t i = 0; i < weight->rows; i++) row[i] = (CodedRow){weight, i};
    return row;
}

// ---------------------------------------------------------------------------------------------------- recording

void shape_of_first(Node *n, Tape *t) { n->out = tn_new(t, n->in[0]->rows, n->in[0]->cols, n->in[0]->seqs); }

Tensor *tape_run(Tape *t, Node n)
{
    n.op->shape(&n, t);
    for (int i = 0; i < INPUTS; i++) n.out->wanted |= n.in[i] && n.in[i]->wanted;
    double start = clock_now(t);
    if (!t->dry) n.op->forward(&n, t);
    if (t->profile && !n.op->parts) profile_of(t, n.op)->forward += clock_now(t) - start;
    bool leaf = t->tap && n.in[1] == t->tap;
    if (leaf) {
        if (t->edit) t->edit(n.out, t->edit_context);
        n.out->wanted = true, t->tapped = n.out;
    }
    if (t->recording && !leaf) {
        if (t->n_nodes == t->cap) {
            int64_t cap = t->cap ? 2 * t->cap : 64;
            Node *more = arena_new(t->values, Node, cap);
            if (t->n_nodes) memcpy(more, t->node, (size_t)t->n_nodes * sizeof(Node));
            t->node = more, t->cap = cap;
        }
        t->node[t->n_nodes++] = n;
    }
    note_peak(t);
    arena_reset(t->scratch);
    return n.out;
}

const Node *tape_maker(const Tape *t, const Tensor *out)
{
    for (int64_t i = t->n_nodes - 1; i >= 0; i--)
        if (t->node[i].out == out) return &t->node[i];
    return NULL;
}

Node *tape_node(Tape *t, int64_t i) { return i < t->n_nodes ? &t->node[i] : NULL; }

typedef struct RowJob {
    Node *node;
    void (*part)(Node *, int64_t, int64_t);
    int64_t rows, step;
} RowJob;

static void row_part(int64_t i, void *context)
{
    RowJob *j = context;
    int64_t from = i * j->step, to = from + j->step;
    j->part(j->node, from, to < j->rows ? to : j->rows);
}

void each_rows(Node *n, int64_t rows, int64_t cols, void (*part)(Node *, int64_t, int64_t))
{
    int64_t step = (16384 + cols) / (cols + 1);
    RowJob j = {n, part, rows, step > 0 ? step : 1};
    pool_run((rows + j.step - 1) / j.step, row_part, &j);
}

// ---------------------------------------------------------------------------------------------------- products

typedef struct Product {
    float *c;
    const float *a;
    const void *b;
    const float *bias;
    int64_t ldc, ai, ak, rows, ldb, n, k; // ai 0: a is packed
    int64_t block, blocks, large, small;  // pieces
    float *sums;                          // of part_sum
    int64_t first;
    int type;
    bool add;
} Product;

enum { BLOCKS = 4 }; // of a sum that each thread takes at a time, about

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// At least one multiple.
static int64_t round_up(int64_t n, int64_t multiple)
{
    return n < multiple ? multiple : (n + multiple - 1) / multiple * multiple;
}

// Columns are dealt in blocks, one for each thread: most of a block as one piece, the rest in two small ones for whoever is
// ready first. A block's pieces follow each other, so that whoever goes on to the next has called for its beginning.
static int64_t pieces(Product *p)
{
    int64_t T = pool_threads();
    p->block = round_up((p->n + T - 1) / T, 32);
    p->large = T == 1 ? p->block : least(p->block, round_up(3 * p->block / 4, 32));
    p->small = round_up((p->block - p->large) / 2, 32);
    p->blocks = (p->n + p->block - 1) / p->block;
    return p->blocks * (1 + (p->block - p->large + p->small - 1) / p->small);
}

typedef struct Piece {
    int64_t from, to, end; // columns; end: of the block
} Piece;

static Piece piece(const Product *p, int64_t i)
{
    int64_t start = i % p->blocks * p->block, nth = i / p->blocks, end = least(p->n, start + p->block);
    int64_t from = nth ? start + p->large + (nth - 1) * p->small : start;
    return (Piece){least(from, end), least(from + (nth ? p->small : p->large), end), end};
}

// Columns of a large product between two looks at whether its result is still wanted; a multiple of 32.
static int64_t between_looks(const Product *p)
{
    int64_t columns = (int64_t)(2.5e8 / ((double)p->rows * (double)p->k + 1)) / 32 * 32;
    return columns < 32 ? 32 : columns;
}

static void part_nt(int64_t i, void *context)
{
    Product *p = context;
    Piece j = piece(p, i);
    int64_t step = between_looks(p);
    for (int64_t c = j.from; c < j.to && !pool_stopping(); c += step)
        K->gemm_nt(p->c, p->ldc, p->a, p->ai, p->rows, p->b, p->type, p->ldb, c, least(c + step, j.to), j.end,
                   p->k, p->add);
    for (int64_t r = 0; p->bias && r < p->rows; r++)
        K->add(p->c + r * p->ldc + j.from, p->c + r * p->ldc + j.from, p->bias + j.from, j.to - j.from);
}

typedef struct Packing {
    float *out;
    const float *a;
    int64_t ai, ak, rows, k, step;
} Packing;

static void part_pack(int64_t i, void *context)
{
    Packing *p = context;
    int64_t r0 = i * p->step, r1 = r0 + p->step < p->rows ? r0 + p->step : p->rows;
    K->pack(p->out, p->a, p->ai, p->ak, p->rows, p->k, r0, r1);
}

static float *pack(Tape *t, const float *a, int64_t ai, int64_t ak, int64_t rows, int64_t k)
{
    Packing p = {tape_scratch(t, packed_size(rows, k)), a, ai, ak, rows, k, PANEL};
    while (p.step * k < 16384) p.step += PANEL;
    pool_run((rows + p.step - 1) / p.step, part_pack, &p);
    return p.out;
}

void product_nt(Tape *t, float *c, int64_t ldc, const float *x, int64_t rows, const Tensor *w,
                const float *bias, bool add)
{
    Product p = {.c = c,
                 .ldc = ldc,
                 .a = x,
                 .ai = w->cols,
                 .rows = rows,
                 .b = w->raw ? w->raw : w->f,
                 .type = (int)w->type,
                 .ldb = w->cols,
                 .n = w->rows,
                 .k = w->cols,
                 .bias = bias,
                 .add = add};
    t->flops += 2 * (double)rows * (double)w->rows * (double)w->cols;
    if (rows > FEW && w->cols) p.a = pack(t, x, w->cols, 1, rows, w->cols), p.ai = 0;
    pool_run(pieces(&p), part_nt, &p);
}

static void part_nn(int64_t i, void *context)
{
    Product *p = context;
    Piece j = piece(p, i);
    int64_t step = between_looks(p);
    for (int64_t c = j.from; c < j.to && !pool_stopping(); c += step)
        K->gemm_nn(p->c, p->ldc, p->a, p->ai, p->ak, p->rows, p->b, p->type, p->ldb, c, least(c + step, j.to),
                   j.end, p->k, p->add);
}

// Few rows and a long sum, as on the way back through a vocabulary: there threads take blocks of the sum, so that each reads
// whole rows of b. The blocks are then added in order, as within a piece.
static bool sums_apart(int64_t rows, int64_t k)
{
    return pool_threads() > 1 && rows > FEW && rows <= 4 * PANEL &&
           k >= 2 * pool_threads() * BLOCKS * K_BLOCK;
}

static int64_t sums_together(void) { return pool_threads() * BLOCKS; }

int64_t product_nn_scratch(int64_t rows, int64_t n, int64_t k)
{
    return packed_size(rows, k) + (sums_apart(rows, k) ? sums_together() * rows * n : 0);
}

static void part_sum(int64_t i, void *context)
{
    Product *p = context;
    int64_t k0 = (p->first + i) * K_BLOCK;
    K->gemm_nn(p->sums + i * p->rows * p->n, p->n, p->a + packed_size(p->rows, k0), 0, 0, p->rows,
               (const char *)p->b + k0 * type_row_bytes((WType)p->type, p->ldb), p->type, p->ldb, 0, p->n,
               p->n, least(K_BLOCK, p->k - k0), false);
}

static void add_sums(Product *p, Tape *t)
{
    int64_t blocks = (p->k + K_BLOCK - 1) / K_BLOCK, most = sums_together();
    p->sums = tape_scratch(t, most * p->rows * p->n);
    for (p->first = 0; p->first < blocks; p->first += most) {
        int64_t n = least(most, blocks - p->first);
        pool_run(n, part_sum, p);
        for (int64_t i = 0; i < n * p->rows; i++) {
            float *to = p->c + i % p->rows * p->ldc;
            const float *sum = p->sums + i * p->n;
            if (p->first + i / p->rows || p->add) K->add(to, to, sum, p->n);
            else memcpy(to, sum, (size_t)p->n * sizeof(float));
        }
    }
}

void product_nn(Tape *t, float *c, int64_t ldc, const float *a, int64_t ai, int64_t ak, int64_t rows,
                const void *b, WType type, int64_t ldb, int64_t n, int64_t k, bool add)
{
    Product p = {
        .c = c, .ldc = ldc, .rows = rows, .b = b, .type = (int)type, .ldb = ldb, .n = n, .k = k, .add = add};
    if (!rows) return;
    t->flops += 2 * (double)rows * (double)n * (double)k;
    if (rows <= FEW) p.a = a, p.ai = ai, p.ak = ak;
    else p.a = k ? pack(t, a, ai, ak, rows, k) : a;
    if (sums_apart(rows, k)) add_sums(&p, t);
    else pool_run(pieces(&p), part_nn, &p);
}

// ---------------------------------------------------------------------------------------------------- layouts

static void fill_layout(Arena *a, Layout *l)
{
    l->total = 0;
    for (int64_t k = 0; k < l->K; k++) l->at[k] = l->total, l->total += l->n[k];
    l->at[l->K] = l->total;
    l->row = arena_new_raw(a, int32_t, l->total), l->of = arena_new_raw(a, int32_t, l->total);
    for (int64_t k = 0; k < l->K; k++)
        for (int64_t i = 0; i < l->n[k]; i++)
            l->row[l->at[k] + i] = (int32_t)(l->row0[k] + i), l->of[l->at[k] + i] = (int32_t)k;
}

// The same without the rows themselves, which may be more than the gradients.
static void count_layout(Tape *t, Layout *l)
{
    static int32_t nothing;
    l->total = 0;
    for (int64_t k = 0; k < l->K; k++) l->at[k] = l->total, l->total += l->n[k];
    l->at[l->K] = l->total;
    l->row = l->of = &nothing; // settled, but not to be looked at
    t->planned += 2 * (size_t)l->total * sizeof(int32_t);
}

static Layout *empty_layout(Arena *a, int64_t K_, const int32_t *seq)
{
    Layout *l = arena_new(a, Layout, 1);
    *l = (Layout){.K = K_,
                  .seq = seq,
                  .row0 = arena_new(a, int64_t, K_),
                  .n = arena_new(a, int64_t, K_),
                  .at = arena_new(a, int64_t, K_ + 1)};
    return l;
}

Layout *layout_make(Arena *a, int64_t K_, const int32_t *seq, const int64_t *row0, const int64_t *n)
{
    int32_t *copy = arena_new(a, int32_t, K_);
    for (int64_t k = 0; k < K_; k++) copy[k] = seq[k];
    Layout *l = empty_layout(a, K_, copy);
    for (int64_t k = 0; k < K_; k++) l->row0[k] = row0[k], l->n[k] = n[k];
    fill_layout(a, l);
    return l;
}

void tape_reach(Tape *t, Tensor *in, int64_t k, int64_t row0, int64_t n, const Layout *like)
{
    if (!in->layout) in->layout = empty_layout(t->back, like->K, like->seq);
    Layout *l = in->layout;
    if (!n) return;
    if (!l->n[k]) l->row0[k] = row0, l->n[k] = n;
    else {
        int64_t end = l->row0[k] + l->n[k], from = row0 < l->row0[k] ? row0 : l->row0[k];
        l->row0[k] = from;
        l->n[k] = (row0 + n > end ? row0 + n : end) - from;
    }
}

void tape_reach_keys(Tape *t, Tensor *in, const Layout *like, const int32_t *keys_of)
{
    if (in->layout || !keys_of) return;
    int32_t *seq = arena_new(t->back, int32_t, like->K);
    for (int64_t k = 0; k < like->K; k++) seq[k] = keys_of[like->seq[k]];
    in->layout = empty_layout(t->back, like->K, seq);
}

void tape_reach_rows(Node *n, Tape *t)
{
    const Layout *l = n->out->layout;
    for (int i = 0; i < INPUTS; i++)
        if (n->in[i] && n->in[i]->wanted && n->in[i]->seqs)
            for (int64_t k = 0; k < l->K; k++) tape_reach(t, n->in[i], k, l->row0[k], l->n[k], l);
}

static bool same_layout(const Layout *a, const Layout *b)
{
    size_t bytes = (size_t)a->K * sizeof(int64_t);
    return a->K == b->K && !memcmp(a->n, b->n, bytes) && !memcmp(a->row0, b->row0, bytes) &&
           !memcmp(a->seq, b->seq, (size_t)a->K * sizeof *a->seq);
}

// Fills a layout that no more rows will join. Equal ones are made one, so that `==` compares them.
static Layout *settle(Tape *t, Layout *l)
{
    for (int64_t i = 0; i < SHARED && t->shared[i]; i++)
        if (same_layout(t->shared[i], l)) return t->shared[i];
    if (t->planning) count_layout(t, l);
    else fill_layout(t->back, l);
    return t->shared[t->n_shared++ % SHARED] = l;
}

// ---------------------------------------------------------------------------------------------------- going back

typedef struct Zero {
    float *f;
    int64_t n;
} Zero;

enum { ZERO_STEP = 1 << 16 };

static void zero_part(int64_t i, void *context)
{
    const Zero *z = context;
    memset(z->f + i * ZERO_STEP, 0, (size_t)least(ZERO_STEP, z->n - i * ZERO_STEP) * sizeof(float));
}

// Floats, zeroed if asked: of a gradient that has done its work if one is about the size. When planning only counts, and what
// comes back must not be touched.
static float *gradient(Tape *t, int64_t n, bool zero)
{
    static float nothing;
    Spare **best = NULL;
    for (Spare **s = &t->spare; *s; s = &(*s)->next)
        if ((*s)->n >= n && (*s)->n <= 2 * n + 1024 && (!best || (*s)->n < (*best)->n)) best = s;
    if (!best && t->planning) {
        t->planned += ((size_t)n * sizeof(float) + 63) / 64 * 64;
        return &nothing;
    }
    Zero z = {best ? (*best)->f : arena_new_raw(t->back, float, n), n};
    if (best) *best = (*best)->next;
    if (!t->planning && zero) pool_run((n + ZERO_STEP - 1) / ZERO_STEP, zero_part, &z);
    return z.f;
}

static void give_back(Tape *t, float *f, int64_t n)
{
    Spare *s = arena_new(t->back, Spare, 1);
    *s = (Spare){.f = f, .n = n, .next = t->spare};
    t->spare = s;
}

static void clear(Tensor *x)
{
    if (x && x->seqs) x->layout = NULL, x->grad = NULL;
}

static void find_layouts(Tape *t, Tensor *out, const Layout *seed)
{
    for (int64_t i = 0; i < t->n_nodes; i++) {
        clear(t->node[i].out);
        for (int j = 0; j < INPUTS; j++) clear(t->node[i].in[j]);
    }
    memset(t->shared, 0, sizeof t->shared), t->n_shared = 0;
    int32_t *seq = arena_new(t->back, int32_t, seed->K);
    for (int64_t k = 0; k < seed->K; k++) seq[k] = seed->seq[k];
    out->layout = empty_layout(t->back, seed->K, seq);
    for (int64_t k = 0; k < seed->K; k++)
        out->layout->row0[k] = seed->n[k] ? seed->row0[k] : 0, out->layout->n[k] = seed->n[k];
    out->layout = settle(t, out->layout);
    for (int64_t i = t->n_nodes - 1; i >= 0; i--) {
        Node *n = &t->node[i];
        if (!n->out->wanted || !n->out->layout) continue;
        if (!n->out->layout->row) n->out->layout = settle(t, n->out->layout);
        (n->op->reach ? n->op->reach : tape_reach_rows)(n, t);
    }
}

static void go_back(Tape *t, Tensor *out)
{
    for (int64_t i = t->n_nodes - 1; i >= 0; i--) {
        Node *n = &t->node[i];
        if (!n->out->wanted || !n->out->layout || !n->out->grad) continue;
        n->first = false;
        for (int j = 0; j < INPUTS; j++) {
            Tensor *x = n->in[j];
            if (!x || !x->wanted || !x->seqs || !x->layout || x->grad) continue;
            if (!x->layout->row) x->layout = settle(t, x->layout); // a leaf
            bool first = j == 0 && n->op->sets && x->layout == n->out->layout && !(t->lrp && n->op->lrp);
            x->grad = gradient(t, x->layout->total * x->cols, !first);
            n->first |= first;
        }
        if (t->planning) {
            size_t bytes =
                n->op->scratch ? (size_t)n->op->scratch(n) * sizeof(float) + 256 : 0; // and alignment
            if (bytes > t->planned_scratch) t->planned_scratch = bytes;
        } else {
            double start = clock_now(t);
            (t->lrp && n->op->lrp ? n->op->lrp : n->op->backward)(n, t);
            if (t->profile && !n->op->parts) profile_of(t, n->op)->backward += clock_now(t) - start;
            note_peak(t);
            arena_reset(t->scratch);
        }
        if (n->out != out && !n->out->kept) {
            give_back(t, n->out->grad, n->out->layout->total * n->out->cols);
            n->out->grad = NULL;
        }
    }
}

float *tape_seed(Tape *t, Tensor *out, const Layout *seed_layout)
{
    arena_reset(t->back);
    arena_trim(t->back), arena_trim(t->scratch); // of another way back, whose gradients were of other sizes
    t->spare = NULL;
    find_layouts(t, out, seed_layout);
    return out->grad = gradient(t, out->layout->total * out->cols, true);
}

void tape_go_back(Tape *t, Tensor *out) { go_back(t, out); }

void tape_backward(Tape *t, Tensor *out, const Layout *seed_layout, const float *seed)
{
    memcpy(tape_seed(t, out, seed_layout), seed, (size_t)(seed_layout->total * out->cols) * sizeof(float));
    go_back(t, out);
}

// Counts, and leaves the layouts.
static size_t plan(Tape *t, Tensor *out, const Layout *seed_layout)
{
    t->planning = true, t->planned = t->planned_scratch = 0;
    tape_seed(t, out, seed_layout);
    go_back(t, out);
    t->planning = false;
    return t->planned + t->planned_scratch + arena_used(t->back); // the last: layouts
}

static void clear_all(Tape *t)
{
    for (int64_t i = 0; i < t->n_nodes; i++) {
        clear(t->node[i].out);
        for (int j = 0; j < INPUTS; j++) clear(t->node[i].in[j]);
    }
}

size_t tape_backward_bytes(Tape *t, Tensor *out, const Layout *seed_layout)
{
    size_t bytes = plan(t, out, seed_layout);
    clear_all(t);
    return bytes;
}

size_t tape_reaches(Tape *t, Tensor *out, const Layout *seed_layout, const Tensor *x, int64_t *row0,
                    int64_t *n)
{
    size_t bytes = plan(t, out, seed_layout);
    for (int64_t k = 0; k < seed_layout->K; k++)
        row0[k] = x->layout ? x->layout->row0[k] : 0, n[k] = x->layout ? x->layout->n[k] : 0;
    clear_all(t);
    return bytes;
}
