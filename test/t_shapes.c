// SPDX-License-Identifier: Apache-2.0
// t_shapes.c — models in shapes that the trained miniatures don't have, against transformers: tables that are not shared,
// two vocabularies, one layer, more decoder layers than encoder layers, several end tokens; configurations as
// save_pretrained of today writes them (tools/oracle/shapes.py).
#include "../nn/nn.h"
#include "test.h"

#include <math.h>

#define SHAPES "test/golden/shapes/"

static Ids ids_of(Arena *A, const Json *list, int64_t leave)
{
    Ids out = {arena_new(A, int32_t, list->count), (int64_t)list->count - leave};
    int32_t *v = arena_new(A, int32_t, list->count);
    size_t n = 0;
    for (const Json *j = list->child; j; j = j->next) v[n++] = (int32_t)j->i;
    return out.v = v, out;
}

static Tensor *embedded(Arena *A, Tape *t, const Model *m, Ids ids, bool target)
{
    Tensor *x = tn_new(t, ids.n, nn_info(m)->width, rows_make(A, 1, &ids.n));
    nn_embed(m, ids, target, x->f);
    return x;
}

// One teacher-forced pass over the first sequence.
static void check_logits(Arena *A, const Model *m, const Json *c, const char *name)
{
    Tape *t = tape_create(A);
    Pass pass;
    Ids target = ids_of(A, json_get(c, "sequences")->child, 1);
    Tensor *x = embedded(A, t, m, ids_of(A, json_get(c, "source"), 0), false),
           *y = embedded(A, t, m, target, true);
    nn_forward(m, t, x, y, NULL, &pass);
    int64_t *rows = arena_new(A, int64_t, target.n);
    for (int64_t i = 0; i < target.n; i++) rows[i] = i;
    Tensor *z = nn_logits(m, t, &pass, rows, rows_make(A, 1, &target.n));
    const Json *row = json_get(c, "logits")->child;
    for (int64_t i = 0; row && i < z->rows; i++, row = row->next) {
        int64_t v = 0;
        for (const Json *want = row->child; want; want = want->next, v++)
            if (!(fabs((double)z->f[i * z->cols + v] - want->number) <=
                  3e-5 + 1e-5 * fabs(want->number))) { // five decimals are kept
                FAIL("%s: logit %" PRId64 " of row %" PRId64 " is %.7g, transformers has %.7g", name, v, i,
                     (double)z->f[i * z->cols + v], want->number);
                return;
            }
        CHECK_INT(v, z->cols);
    }
}

static void check_generated(Arena *A, const Model *m, const Json *c, const char *name)
{
    Err e = {0};
    const GenConfig *g;
    if (!nn_generation(A, m, json_get(c, "arguments"), &g, &e)) return FAIL("%s: %s", name, e.text);
    Ids source = ids_of(A, json_get(c, "source"), 0);
    Generated *out = arena_new(A, Generated, nn_generation_returns(g));
    if (!nn_generate(A, m, g, 1, &source, NULL, out, NULL, NULL, &e)) return FAIL("%s: %s", name, e.text);
    const Json *score = json_get(c, "scores")->child;
    for (const Json *j = json_get(c, "sequences")->child; j; j = j->next, out++) {
        Ids want = ids_of(A, j, 0);
        bool same = want.n == out->n && !memcmp(want.v, out->ids, (size_t)want.n * sizeof *want.v);
        if (!same)
            return FAIL("%s, %zu tokens of source: not the ids of transformers", name,
                        json_get(c, "source")->count);
        if (score) CHECK_NEAR(out->score, score->number, 1e-5), score = score->next;
    }
}

TEST(shapes_golden)
{
    Err e = {0};
    const Json *all = test_json(A, SHAPES "shapes.json");
    int cases = 0;
    for (const Json *c = all ? all->child : NULL; c; c = c->next, cases++) {
        Arena *a = arena_create(A);
        const char *name = str_zero(a, json_get(c, "model")->text);
        const Model *m = nn_open(a, arena_printf(a, SHAPES "%s", name), (NnOptions){0}, &e);
        if (!m) FAIL("%s", e.text);
        else check_logits(a, m, c, name), check_generated(a, m, c, name);
        arena_free(a);
    }
    CHECK_INT(cases, 72);
}
