// SPDX-License-Identifier: Apache-2.0
// decoder.c — any JSON object as the config.json of a decoder-only model, with weights that fit some of them: a sentence, or
// a model that runs.
#include "../../nn/models/decoder.h"
#include "../../tensor/kern.h"
#include "fuzz.h"

#define FAMILY(name) extern const Family family_##name;
#include "../../nn/models/models.def"
#undef FAMILY
static const Family *const families[] = {
#define FAMILY(name) &family_##name,
#include "../../nn/models/models.def"
#undef FAMILY
};

static void run(Arena *a, const Model *m)
{
    static const int32_t ids[] = {0, 0, 0};
    int64_t n = 3, rows[] = {0, 1, 2};
    if (m->info.max_positions && m->info.max_positions < n) return;
    Tape *t = tape_create(a);
    Tensor *y = tn_new(t, n, m->info.width, rows_make(a, 1, &n));
    nn_embed(m, (Ids){ids, n}, true, y->f);
    y->wanted = true;
    Pass pass;
    nn_forward(m, t, NULL, y, NULL, &pass);
    Tensor *z = nn_logits(m, t, &pass, rows, rows_make(a, 1, &n));
    int32_t seq = 0;
    int64_t row = 2, one = 1;
    memset(tape_seed(t, z, layout_make(a, 1, &seq, &row, &one)), 0, (size_t)z->cols * sizeof(float));
    tape_go_back(t, z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    Err e = {0};
    if (!K) cpu_select(NULL, NULL), pool_start(1);
    const Json *j = json_parse(a, (Str){(const char *)data, n}, "config.json", &e);
    if (!j || j->kind != J_OBJECT) return 0;
    Model *m = arena_new(a, Model, 1);
    *m = (Model){.arena = a,
                 .config = {.json = j, .path = "config.json", .e = &e},
                 .embed_scale = 1,
                 .logits_scale = 1};
    m->notes.arena = a;
    const Json *type = json_get(j, "model_type");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (families[i]->row && type && type->kind == J_STRING && str_is(type->text, families[i]->model_type))
            m->family = families[i];
    if (!m->family) return 0;
    const char *folder = arena_printf(a, "test/golden/decoders/%s", m->family->model_type);
    if (!dir_exists(folder)) folder = "test/golden/decoders/llama";
    if (!(m->checkpoint = checkpoint_open(a, folder, &e))) BUG("%s", e.text);
    REQUIRE(checkpoint_names(a, m->checkpoint, m->family->base, m->family->anchor, &e));
    if (m->family->open(m, &e) && !e.set) run(a, m);
    else REQUIRE(e.set);
    return 0;
}
