// SPDX-License-Identifier: Apache-2.0
// t_train.c — twenty steps of Adam on two small models, against PyTorch's (tools/oracle/train.py): the loss before each
// step, the gradients of the first, the weights after the last; and the same bits on all instruction sets and threads.
#include "../nn/files/checkpoint.h"
#include "../nn/train.h"
#include "lab.h"

#include <math.h>

typedef struct Recorded {
    TrainOptions o;
    double rate;
    const Json *batches, *loss, *loss64;
} Recorded;

static bool read_steps(Arena *A, const char *name, Recorded *out)
{
    const Json *j = test_json(A, arena_printf(A, "test/golden/train/%s/steps.json", name));
    if (!j) return false;
    out->o = (TrainOptions){.smoothing = json_get(j, "smoothing")->number,
                            .clip = json_get(j, "clip")->number,
                            .beta1 = json_get(j, "beta1")->number,
                            .beta2 = json_get(j, "beta2")->number,
                            .eps = json_get(j, "eps")->number};
    out->rate = json_get(j, "rate")->number;
    out->batches = json_get(j, "batches"), out->loss = json_get(j, "loss"),
    out->loss64 = json_get(j, "loss64");
    return true;
}

static double step(Arena *A, Training *t, const Json *batch, double rate)
{
    Ids *x = arena_new(A, Ids, batch->count), *y = arena_new(A, Ids, batch->count);
    int64_t n = 0;
    for (const Json *c = batch->child; c; c = c->next, n++)
        x[n] = lab_list(A, c->child), y[n] = lab_list(A, c->child->next);
    return train_step(t, n, x, y, rate);
}

static Training *open_model(Arena *A, const char *name, TrainOptions o)
{
    Err e = {0};
    Model *m = nn_open(A, arena_printf(A, "test/golden/train/%s", name), (NnOptions){0}, &e);
    if (!m) return FAIL("%s", e.text), NULL;
    return train_open(A, m, o);
}

static Checkpoint *after(Arena *A, const char *name)
{
    Str bytes;
    Err e = {0};
    Checkpoint *c = NULL;
    if (file_map(A, arena_printf(A, "test/golden/train/%s/after.safetensors", name), &bytes, &e))
        c = checkpoint_from_bytes(A, "model.safetensors", bytes, &e);
    if (!c) FAIL("%s", e.text);
    return c;
}

// Largest difference in f from the stored tensor, as a share of that tensor's largest element (of 1e-3 at least: the
// gradient of a key's bias is 0).
static double difference(Arena *A, const Checkpoint *c, const char *prefix, const Tensor *w, const float *f)
{
    const Stored *s = checkpoint_find(c, arena_printf(A, "%s%s", prefix, w->name));
    if (!s) return FAIL("no %s%s", prefix, w->name), 0;
    double most = 0, worst = 0;
    for (int64_t i = 0; i < w->rows * w->cols; i++) {
        float want;
        memcpy(&want, (const char *)s->data + 4 * i, 4);
        most = fmax(most, fabs((double)want)), worst = fmax(worst, fabs((double)f[i] - (double)want));
    }
    return worst / fmax(most, 1e-3);
}

static void check_model(Arena *A, const char *name)
{
    Recorded r;
    if (!read_steps(A, name, &r)) return;
    Training *t = open_model(A, name, r.o);
    Checkpoint *c = after(A, name);
    if (!t || !c) return;
    const Json *loss = r.loss->child, *loss64 = r.loss64->child;
    for (const Json *b = r.batches->child; b; b = b->next, loss = loss->next, loss64 = loss64->next) {
        double got = step(A, t, b, r.rate);
        CHECK_NEAR(got / loss->number, 1, 1e-6); // PyTorch's own distance from its float64: 2e-7
        CHECK_NEAR(got / loss64->number, 1, 1e-6);
        if (b != r.batches->child) continue;
        for (int64_t i = 0; i < t->n_params; i++)
            CHECK_NEAR(difference(A, c, "first.", t->param[i].w, t->param[i].w->grad), 0, 1e-5);
    }
    CHECK_INT(t->steps, 20);
    for (int64_t i = 0; i < t->n_params; i++) {
        const Tensor *w = t->param[i].w;
        if (strstr(w->name, "k_proj.bias"))
            continue; // its gradient is 0 but for rounding, which Adam scales up
        CHECK_NEAR(difference(A, c, "last.", w, w->f), 0, 1e-4);
    }
}

TEST(marian_trains_as_in_pytorch) { check_model(A, "marian"); }
TEST(t5_trains_as_in_pytorch) { check_model(A, "t5"); }

TEST(the_same_bits_everywhere)
{
    static const char *const names[] = {"marian", "t5"};
    const char *isa[4];
    size_t n_isas = cpu_isas(isa);
    for (int k = 0; k < 2; k++) {
        Recorded r;
        if (!read_steps(A, names[k], &r)) return;
        r.o.dropout = 0.25f, r.o.seed = 3;
        Training *first = NULL;
        for (size_t s = 0; s < n_isas; s++)
            for (int threads = 1; threads <= 3; threads++) {
                cpu_select(isa[s], NULL), pool_start(threads);
                Training *t = open_model(A, names[k], r.o);
                const Json *b = r.batches->child;
                for (int i = 0; t && i < 5; i++, b = b->next) step(A, t, b, r.rate);
                if (!first) first = t;
                for (int64_t i = 0; t && i < t->n_params; i++) {
                    const Tensor *w = t->param[i].w, *f = first->param[i].w;
                    CHECK(!memcmp(w->f, f->f, (size_t)(w->rows * w->cols) * sizeof(float)));
                }
            }
    }
    cpu_select(NULL, NULL), pool_start(0);
}

TEST(a_trained_model_still_generates) // with the weights as they are now, without dropout
{
    Recorded r;
    Err e = {0};
    if (!read_steps(A, "marian", &r)) return;
    r.o.dropout = 0.5f;
    Training *t = open_model(A, "marian", r.o);
    const GenConfig *g;
    Generated before, now;
    if (!t || !nn_generation(A, t->m, NULL, &g, &e)) return FAIL("%s", e.text);
    Ids source = lab_list(A, r.batches->child->child->child);
    CHECK(nn_generate(A, t->m, g, 1, &source, NULL, &before, NULL, NULL, &e));
    for (const Json *b = r.batches->child; b; b = b->next) step(A, t, b, 0.02);
    CHECK(nn_generate(A, t->m, g, 1, &source, NULL, &now, NULL, NULL, &e));
    CHECK(now.score != before.score);
    CHECK(t->m->noise == NULL);
}
