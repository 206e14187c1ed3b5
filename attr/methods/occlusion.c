// SPDX-License-Identifier: Apache-2.0
// occlusion.c — what changes when a token is replaced by the baseline. Zeiler and Fergus 2014,
// arXiv:1311.2901.
//
//   score[i,s] = | f_s(x) - f_s(x with row i replaced by x'[i]) |
// One forward pass of a changed row serves all steps s. With a window of w rows the signed differences of all
// windows that cover a row are averaged before the sign goes. A step's windows over the target are those over the prefix
// that it sees: the first that reaches its end, cut there, is its last. A row that is its own baseline changes nothing:
// 0 without a pass. With units larger than a token (units.c) windows are of units, and a unit's rows share its score.
#include "players.h"

#include <math.h>
#include <string.h>

typedef struct Window {
    Unit rows;     // that are replaced
    int64_t since; // the first step that has it: of the target, when the window before does not reach the end
} Window;

typedef struct Occlude {
    const float *bx, *by;
    const Point *v;
    const Unit *window;  // [points] the rows that are replaced
    const double *clean; // [steps]
} Occlude;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    const Occlude *c = context;
    players_leave(r, c->bx, c->by, c->v[i].pair, &c->window[i], x, y);
}

static void value(Run *r, void *context, int64_t i, int64_t column, double f)
{
    const Occlude *c = context;
    const Unit *w = &c->window[i];
    Sequence *q = &r->out[c->v[i].pair];
    float change = (float)(c->clean[r->first_step[c->v[i].pair] + column] - f);
    for (int64_t k = w->from; k < w->to; k++)
        *run_cell(w->target ? &q->target_attributions : &q->source_attributions, k, column) += change;
}

// The length of the window and its stride, from [w, -1] and [s, -1] or a number; the width must be taken
// whole.
static bool read_length(const Run *r, const char *name, int64_t *out, Err *e)
{
    const Json *j = attr_argument(r->o, name), *first = j && j->kind == J_ARRAY ? j->child : j;
    if (!j) return true;
    while (first && first->kind == J_ARRAY)
        first = first->child; // a list for each of the inputs: the first counts
    const Json *across = first != j && first ? first->next : NULL;
    if (!first || !first->is_int || first->i < 1 || first->i > INT32_MAX ||
        (across && (!across->is_int || (across->i > 0 && across->i != r->width && strcmp(name, "strides")))))
        return err_set(e,
                       "occlusion: argument %s must be a number of tokens from 1 on, or a list of that and "
                       "-1 (the whole width)",
                       name);
    *out = first->i;
    return true;
}

static bool read_window(const Run *r, int64_t *w, int64_t *stride, Err *e)
{
    *w = *stride = 1;
    if (!read_length(r, "sliding_window_shapes", w, e) || !read_length(r, "strides", stride, e)) return false;
    return *stride <= *w || err_set(e,
                                    "occlusion: strides %" PRId64 " is more than the window of %" PRId64
                                    "; tokens would be left out",
                                    *stride, *w);
}

// Windows over units 0..n-1, which are one side's: from every stride-th unit, the last one ends with them.
static int64_t windows(Window *out, const Unit *unit, int64_t n, int64_t w, int64_t stride)
{
    int64_t count = 0, since = 0;
    if (w > n) w = n;
    for (int64_t first = 0; n; first += stride) {
        int64_t end = first + w < n ? first + w : n;
        Unit rows = {unit[first].from, unit[end - 1].to, unit->target};
        out[count++] = (Window){rows, rows.target && rows.from + 1 > since ? rows.from + 1 : since};
        if (rows.target) since = rows.to + 1;
        if (end == n) break;
    }
    return count;
}

static bool changes(const Run *r, const Occlude *c, int64_t p, const Unit *w)
{
    const float *x = w->target ? run_y(r, p) : run_x(r, p),
                *b = w->target ? c->by + run_y_at(r, p) : c->bx + run_x_at(r, p);
    return memcmp(x + w->from * r->width, b + w->from * r->width,
                  (size_t)((w->to - w->from) * r->width) * sizeof(float));
}

// Sums become means over the windows, without sign, and a unit's is shared by its rows. Target row i has values from
// the column whose prefix holds it.
static void finish(Run *r, int64_t p, const Window *w, int64_t n_windows, const Units *units, int64_t *covers)
{
    for (int side = 0; side < 2; side++) {
        Scores *s = side ? &r->out[p].target_attributions : &r->out[p].source_attributions;
        for (int64_t c = 0; s->v && c < s->dim[1]; c++) {
            memset(covers, 0, (size_t)s->dim[0] * sizeof *covers);
            for (int64_t k = 0; k < n_windows; k++)
                for (int64_t i = w[k].rows.from; w[k].rows.target == side && i < w[k].rows.to; i++)
                    covers[i] += w[k].since <= r->from[p] + c;
            for (const Unit *u = units->v; u < units->v + units->n; u++)
                for (int64_t i = u->from; u->target == side && i < u->to && i < s->dim[0]; i++) {
                    float *v = run_cell(s, i, c), n = (float)covers[i],
                          rows = (float)unit_rows(u, r->from[p] + c);
                    *v = side && i >= r->from[p] + c ? NAN : covers[i] ? fabsf(*v / n) / rows : 0;
                }
        }
    }
}

// How many of a pair's units are the source's, and how many of the target's some step sees; those are cut to its rows.
static void count_units(const Run *r, int64_t p, Units *units, int64_t n[2])
{
    n[0] = n[1] = 0;
    for (int64_t k = 0; k < units->n; k++) {
        Unit *u = &units->v[k];
        if (u->target && u->from >= r->to[p] - 1) break;
        if (u->target && u->to > r->to[p] - 1) u->to = r->to[p] - 1;
        n[u->target]++;
    }
}

// Windows of both sides.
static int64_t all_windows(const Run *r, int64_t p, Units *units, int64_t w, int64_t stride, Window *out)
{
    int64_t of[2];
    count_units(r, p, units, of);
    int64_t n = windows(out, units->v, of[0], w, stride);
    return n + windows(out + n, units->v + of[0], of[1], w, stride);
}

static Point point_of(const Run *r, int64_t p, const Window *w)
{
    return (Point){.pair = p,
                   .from = w->since > r->from[p] ? w->since : r->from[p],
                   .to = r->to[p],
                   .moves_x = !w->rows.target,
                   .moves_y = w->rows.target};
}

static void zero(Scores *s, int64_t rows)
{
    for (int64_t i = 0; s->v && i < rows * s->dim[1]; i++) s->v[i] = 0;
}

static bool run(Run *r, Err *e)
{
    float *bx, *by;
    Units *units;
    int64_t w, stride, most = arg_int(r, "perturbations_per_eval", 0, 1, INT32_MAX, e), n = 0, total = 0,
                       longest = 0;
    if ((e && e->set) || !read_window(r, &w, &stride, e) || !run_units(r, &units, e) ||
        !run_baseline(r, &bx, &by, e))
        return false;
    for (int64_t p = 0; p < r->n; p++) {
        total += r->pair[p].source.n + r->pair[p].target.n;
        if (r->pair[p].source.n + r->pair[p].target.n > longest)
            longest = r->pair[p].source.n + r->pair[p].target.n;
    }
    Point *v = arena_new(r->work, Point, total);
    Unit *window = arena_new(r->work, Unit, total);
    Window *all = arena_new(r->work, Window, total);
    int64_t *n_all = arena_new(r->work, int64_t, r->n), at = 0;
    double *clean = arena_new(r->work, double, r->n_steps);
    Occlude c = {.bx = bx, .by = by, .v = v, .window = window, .clean = clean};
    run_values(r, r->logits, clean);
    run_scores(r, 0, NULL, OUT_COARSE);
    for (int64_t p = 0; p < r->n; p++) {
        zero(&r->out[p].source_attributions, r->pair[p].source.n);
        zero(&r->out[p].target_attributions, r->to[p] - 1); // the rest stays NaN
        n_all[p] = all_windows(r, p, &units[p], w, stride, all + at);
        for (int64_t k = 0; k < n_all[p]; k++)
            if (changes(r, &c, p, &all[at + k].rows))
                window[n] = all[at + k].rows, v[n++] = point_of(r, p, &all[at + k]);
        at += n_all[p];
    }
    if (!run_points(r, &(Points){.v = v, .n = n, .most = most, .context = &c, .fill = fill, .value = value},
                    e))
        return false;
    int64_t *covers = arena_new(r->work, int64_t, longest);
    for (int64_t p = 0, first = 0; p < r->n; first += n_all[p++])
        finish(r, p, all + first, n_all[p], &units[p], covers);
    return true;
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    float *bx, *by;
    int64_t w, stride;
    Units *units;
    if (!read_window(r, &w, &stride, e) || !run_units(r, &units, e) || !run_baseline(r, &bx, &by, e))
        return false;
    Occlude c = {.bx = bx, .by = by};
    Window *all = arena_new(r->work, Window, r->pair[pair].source.n + r->pair[pair].target.n);
    int64_t n = all_windows(r, pair, &units[pair], w, stride, all);
    for (int64_t k = 0; k < n; k++) {
        Point v = point_of(r, pair, &all[k]);
        if (changes(r, &c, pair, &all[k].rows)) passes_add(r, &v, 1, false, p);
    }
    return true;
}

const Method method_occlusion = {
    .light = true,
    .name = "occlusion",
    .summary = "leave-one-out: change of the value when a token is replaced by the baseline",
    .paper = "Zeiler and Fergus 2014, arXiv:1311.2901",
    .formula = "score[i,s] = | f_s(x) - f_s(x with row i replaced by x'[i]) |",
    .when = "What happens if a token is not there: the plainest question, asked of the model itself, with no "
            "gradient and nothing to tune. One pass for each token serves all steps. A token whose work "
            "another can do scores low, however much it matters together with it: shapley_sampling sees "
            "that. Words or sentences at once: units.",
    .arguments =
        (const Argument[]){
            {"sliding_window_shapes", "1",
             "how many units are replaced at once; a token's score is then the mean of its windows"},
            {"strides", "1", "how far the window moves each time"},
            ARG_MOST,
            ARG_UNITS,
            {0}},
    .no_gradient = true,
    .cost = "1 + S + T forwards",
    .passes = passes,
    .run = run,
};
