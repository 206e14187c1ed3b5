// SPDX-License-Identifier: Apache-2.0
// discretized_integrated_gradients.c — integrated gradients along a path of words. Sanyal and Ren 2021,
// arXiv:2108.13654.
//
//   score[i,s,:] = sum_{k<n-1} df_s/dx[i,:] at u_k * (u_{k+1}[i,:] - u_k[i,:])     u_0 = x', u_{n-1} = x
// A word's path goes from neighbour to neighbour in the table of embeddings, always to the one that needs
// least change to lie between the word and the baseline in every dimension; dimensions that don't are moved
// there. All rows move together.
//
// Neighbours are the nearest by Euclidean distance: found by float32 dot products with a few to spare, then
// ordered by distances in double. Nothing is kept on disk: only the words of a path are looked up, once each.
#include "../run.h"

#include <string.h>

enum { SPARE = 16 }; // candidates beyond those wanted

typedef struct Words { // of one side's table
    Run *r;
    bool target;
    int64_t n, d, k; // words, width, neighbours
    int32_t **near;  // [n] [k] nearest first; NULL: not yet known
    const int32_t *query;
    float *q;        // [queries, d] their embeddings
    float *distance; // [queries, n] approximate squares, less the query's own
    float *scratch;  // [parts, d]
    int64_t n_queries, parts;
} Words;

static void embed(const Words *w, int32_t id, float *out)
{
    nn_embed(w->r->m, (Ids){&id, 1}, w->target, out);
}

static void measure(int64_t part, void *context)
{
    Words *w = context;
    float *v = w->scratch + part * w->d;
    for (int64_t id = part; id < w->n; id += w->parts) {
        embed(w, (int32_t)id, v);
        float vv = num_dot(v, v, w->d);
        for (int64_t i = 0; i < w->n_queries; i++)
            w->distance[i * w->n + id] = vv - 2 * num_dot(v, w->q + i * w->d, w->d);
    }
}

typedef struct Near {
    double distance;
    int32_t id;
} Near;

static bool nearer(const Near *a, const Near *b)
{
    return a->distance < b->distance || (a->distance == b->distance && a->id < b->id);
}

static void insert(Near *list, int64_t *n, int64_t most, Near x) // ascending
{
    if (*n == most && !nearer(&x, &list[most - 1])) return;
    int64_t i = *n < most ? (*n)++ : most - 1;
    for (; i > 0 && nearer(&x, &list[i - 1]); i--) list[i] = list[i - 1];
    list[i] = x;
}

static void choose_near(Words *w, int64_t i)
{
    Arena *a = arena_create(w->r->work);
    int64_t n = 0, m = 0;
    Near *rough = arena_new(a, Near, w->k + SPARE), *exact = arena_new(a, Near, w->k);
    float *v = arena_new(a, float, w->d), *q = w->q + i * w->d;
    for (int64_t id = 0; id < w->n; id++)
        if (id != w->query[i])
            insert(rough, &n, w->k + SPARE, (Near){(double)w->distance[i * w->n + id], (int32_t)id});
    for (int64_t c = 0; c < n; c++) {
        double sum = 0;
        embed(w, rough[c].id, v);
        for (int64_t j = 0; j < w->d; j++)
            sum += ((double)v[j] - (double)q[j]) * ((double)v[j] - (double)q[j]);
        insert(exact, &m, w->k, (Near){sum, rough[c].id});
    }
    int32_t *out = arena_new(w->r->work, int32_t, w->k);
    for (int64_t c = 0; c < m; c++) out[c] = exact[c].id;
    w->near[w->query[i]] = out;
    arena_free(a);
}

// Finds the neighbours of words that are not known yet, a few at a time.
static void look_up(Words *w, const int32_t *id, int64_t n)
{
    enum { TOGETHER = 16 };
    Arena *a = arena_create(w->r->work);
    int32_t *query = arena_new(a, int32_t, TOGETHER);
    w->parts = 4 * pool_threads();
    w->q = arena_new(a, float, TOGETHER * w->d), w->distance = arena_new_raw(a, float, TOGETHER * w->n);
    w->scratch = arena_new(a, float, w->parts * w->d), w->query = query, w->n_queries = 0;
    for (int64_t i = 0; i <= n; i++) {
        bool asked = i == n || w->near[id[i]] != NULL;
        for (int64_t k = 0; k < w->n_queries; k++) asked |= i < n && query[k] == id[i];
        if (!asked) embed(w, id[i], w->q + w->n_queries * w->d), query[w->n_queries++] = id[i];
        if (w->n_queries < TOGETHER && i < n) continue;
        if (w->n_queries) pool_run(w->parts, measure, w);
        for (int64_t k = 0; k < w->n_queries; k++) choose_near(w, k);
        w->n_queries = 0;
    }
    arena_free(a);
}

// ------------------------------------------------------------------------------------------ paths

typedef struct Paths {
    Words *w;
    int64_t rows, n;     // tokens, points of each path
    const int32_t *base; // [rows] baseline ids
    const bool *still;   // [rows] special tokens stay where they are
    int32_t *path;       // [rows, n-1] words, the token itself first
    int64_t step;        // words found so far
    bool count;          // maxcount
    float *scratch;      // [rows, 3, d]
    float *u;            // [rows, n, d]
} Paths;

// Whether anchor lies between input and baseline, which are apart; equal ones allow nothing but themselves.
static bool monotone(float anchor, float baseline, float input)
{
    if (baseline > input) return baseline >= anchor && anchor >= input;
    if (baseline < input) return baseline <= anchor && anchor <= input;
    return anchor == input;
}

static float moved(float input, float baseline, float part) { return input - part * (input - baseline); }

// What it takes to go from input to anchor.
static double cost(const Paths *p, const float *anchor, const float *baseline, const float *input)
{
    double sum = 0;
    float part = (float)(1.0 / (double)p->n);
    for (int64_t j = 0; j < p->w->d; j++) {
        if (monotone(anchor[j], baseline[j], input[j])) continue;
        double off = (double)anchor[j] - (double)moved(input[j], baseline[j], part);
        sum += p->count ? 1 : off * off;
    }
    return sum;
}

static void next_word(int64_t row, void *context)
{
    Paths *p = context;
    const Words *w = p->w;
    int32_t *path = p->path + row * (p->n - 1), now = path[p->step - 1], best = p->base[row];
    float *anchor = p->scratch + 3 * row * w->d, *baseline = anchor + w->d, *input = baseline + w->d;
    if (p->still[row]) best = now;
    else if (now != p->base[row]) {
        double least = 0;
        bool found = false;
        embed(w, p->base[row], baseline), embed(w, now, input);
        for (int64_t i = 0; i < w->k; i++) {
            int32_t id = w->near[now][i];
            bool used = id == p->base[row];
            for (int64_t k = 0; k < p->step; k++) used |= path[k] == id;
            if (used) continue;
            embed(w, id, anchor);
            double c = cost(p, anchor, baseline, input);
            if (!found || c < least) least = c, best = id, found = true;
        }
    }
    path[p->step] = best;
}

// u[n-1] is the word, u[0] the baseline; between them each anchor, moved where it leaves the way.
static void build(int64_t row, void *context)
{
    Paths *p = context;
    int64_t d = p->w->d;
    float *u = p->u + row * p->n * d, part = (float)(1.0 / (double)p->n);
    const int32_t *path = p->path + row * (p->n - 1);
    embed(p->w, p->base[row], u);
    embed(p->w, path[0], u + (p->n - 1) * d);
    for (int64_t k = 1; k < p->n - 1; k++) {
        float *v = u + (p->n - 1 - k) * d, *before = v + d;
        embed(p->w, path[k], v);
        for (int64_t j = 0; j < d; j++)
            if (!monotone(v[j], u[j], before[j])) v[j] = moved(before[j], u[j], part);
    }
}

// By the tokenizer: a start token that is an ordinary word is one elsewhere, and at its place its own baseline.
static bool is_special(const Run *r, int32_t id)
{
    return id == r->o->unk || id == r->o->eos || id == r->o->bos || id == r->f->eos || id == r->f->pad ||
           (r->o->special && r->o->special(r->o->vocabulary, id));
}

static float *find_paths(Run *r, bool target, int64_t n, int64_t neighbours, bool count)
{
    const Rows *rows = target ? r->targets : r->sources;
    int64_t total = rows->start[rows->n - 1] + rows->len[rows->n - 1], words = nn_words(r->m, target),
            d = r->width;
    float *u = arena_new_raw(r->work, float, total *n *d);
    Arena *a = arena_create(r->work);
    Words w = {.r = r,
               .target = target,
               .n = words,
               .d = d,
               .k = neighbours < words - 1 ? neighbours : words - 1,
               .near = arena_new(r->work, int32_t *, words)};
    int32_t *base = arena_new(a, int32_t, total), *path = arena_new(a, int32_t, total * (n - 1)),
            *ask = arena_new(a, int32_t, total);
    bool *still = arena_new(a, bool, total);
    Paths p = {.w = &w,
               .rows = total,
               .n = n,
               .base = base,
               .still = still,
               .path = path,
               .count = count,
               .u = u,
               .scratch = arena_new_raw(a, float, 3 * total * d)};
    for (int64_t s = 0; s < rows->n; s++)
        for (int64_t i = 0; i < rows->len[s]; i++) {
            int32_t id = (target ? r->target_ids : r->source_ids)[s].v[i];
            int64_t row = rows->start[s] + i;
            path[row * (n - 1)] = id, base[row] = run_baseline_id(r, id, i, target),
                            still[row] = is_special(r, id);
        }
    for (p.step = 1; p.step < n - 1; p.step++) {
        int64_t asked = 0;
        for (int64_t row = 0; row < total; row++) {
            int32_t now = path[row * (n - 1) + p.step - 1];
            if (!still[row] && now != base[row]) ask[asked++] = now;
        }
        look_up(&w, ask, asked);
        pool_run(total, next_word, &p);
    }
    pool_run(total, build, &p);
    arena_free(a);
    return u;
}

// ------------------------------------------------------------------------------------------ the method

enum { STEPS = 50 }; // by default

typedef struct Steps {
    const float *ux, *uy;        // [rows, n, D]
    int64_t n, neighbours, most; // most: of a pass, 0: any
    bool count, times;
} Steps;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Steps *c = context;
    int64_t p = i / (c->n - 1), k = i % (c->n - 1), d = r->width;
    for (int64_t row = 0; x && row < r->pair[p].source.n; row++)
        memcpy(x + row * d, c->ux + (run_x_at(r, p) + row * d) * c->n + k * d, (size_t)d * sizeof(float));
    for (int64_t row = 0; y && row < r->pair[p].target.n - 1; row++)
        memcpy(y + row * d, c->uy + (run_y_at(r, p) + row * d) * c->n + k * d, (size_t)d * sizeof(float));
}

static void add(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    const Steps *c = context;
    int64_t p = i / (c->n - 1), k = i % (c->n - 1), d = r->width;
    const float *g[2] = {dx, dy};
    int64_t rows[2] = {r->pair[p].source.n, r->from[p] + column};
    for (int side = 0; side < 2; side++)
        for (int64_t row = 0; g[side] && row < rows[side]; row++) {
            const float *u =
                (side ? c->uy + run_y_at(r, p) * c->n : c->ux + run_x_at(r, p) * c->n) + (row * c->n + k) * d;
            float *score =
                run_cell(side ? &r->out[p].target_attributions : &r->out[p].source_attributions, row, column);
            for (int64_t j = 0; j < d; j++)
                score[j] = (k ? score[j] : 0) + g[side][row * d + j] * (u[d + j] - u[j]);
        }
}

static bool read_arguments(const Run *r, Steps *c, Err *e)
{
    static const char *const rules[] = {"greedy", "maxcount"};
    *c = (Steps){.n = arg_int(r, "n_steps", STEPS, 2, 100000, e),
                 .count = arg_choice(r, "method", 0, rules, 2, e) == 1,
                 .times = arg_bool(r, "multiply_by_inputs", false, e),
                 .neighbours = arg_int(r, "n_neighbors", 50, 1, 100000, e),
                 .most = arg_int(r, "internal_batch_size", 0, 1, INT32_MAX, e)};
    return !(e && e->set);
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Steps c;
    if (!read_arguments(r, &c, e) || !run_baseline(r, &bx, &by, e)) return false;
    if (r->sources) c.ux = find_paths(r, false, c.n, c.neighbours, c.count);
    if (run_wants_target(r)) c.uy = find_paths(r, true, c.n, c.neighbours, c.count);
    int64_t n = r->n * (c.n - 1);
    Point *v = arena_new(r->work, Point, n);
    for (int64_t i = 0; i < n; i++) {
        int64_t p = i / (c.n - 1);
        v[i] = (Point){.pair = p,
                       .from = r->from[p],
                       .to = r->to[p],
                       .moves_x = r->sources != NULL,
                       .moves_y = run_wants_target(r)};
    }
    run_scores(r, 1, &r->width, OUT_GRANULAR);
    if (!run_points(
            r, &(Points){.v = v, .n = n, .most = c.most, .context = &c, .fill = fill, .gradient = add}, e))
        return false;
    if (c.times) path_times_difference(r, bx, by);
    return run_deltas(r, bx, by, e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    Steps c;
    Point v = passes_whole(r, pair);
    if (!read_arguments(r, &c, e)) return false;
    passes_add(r, &v, (double)c.n - 1, true, p);
    return passes_deltas(r, pair, p, e);
}

const Method method_discretized_integrated_gradients = {
    .light = true,
    .name = "discretized_integrated_gradients",
    .summary = "gradients along a path of neighbouring words from a baseline",
    .paper = "Sanyal and Ren 2021, arXiv:2108.13654",
    .formula = "score[i,s,:] = sum over k of df_s/dx[i,:] at u_k * (u_k+1[i,:] - u_k[i,:])\n"
               "u_0 = x', u_n-1 = x; between them each row goes from word to neighbouring word",
    .when = "Integrated gradients along points that are words, or nearly: the path leads from neighbour to "
            "neighbour in the table of embeddings, each moved to lie between the word and the baseline in "
            "every dimension. Take it when the straight line's points, which are no words, are in doubt.",
    .arguments = (const Argument[]){{"n_steps", "50", "points of the path, both ends among them"},
                                    {"method", "\"greedy\"",
                                     "which neighbour comes next: greedy (least moved) or maxcount (most "
                                     "dimensions in between already)"},
                                    {"n_neighbors", "50", "how many nearest words are looked at"},
                                    ARG_BATCH,
                                    ARG_DELTA,
                                    {"multiply_by_inputs", "false",
                                     "scores times the difference from the baseline once more"},
                                    {0}},
    .cost = "n_steps forwards, n_steps - 1 backwards",
    .passes = passes,
    .run = run,
};
