// SPDX-License-Identifier: Apache-2.0
// t_quantized.c — folders of the Hub with quantized weights (bitsandbytes, GPTQ, AWQ, fp8, compressed-tensors): single layers
// bit for bit, by themselves and in products; whole models against transformers and Inseq on float32 models of the same values;
// the same bytes as from a folder of those; folders that contradict themselves. Data: test/golden/quantized.
#include "../nn/files/quantized.h"
#include "../tensor/kern.h"
#include "../tools/sha256.h"
#include "cli.h"
#include "worth.h"

// ------------------------------------------------------------------------------------------------ layers

// The tensors of a layer, its weight put together. says may be NULL.
static Checkpoint *layer(Arena *A, Str bytes, const Json *settings, const char **says, Err *e)
{
    const char *said;
    Checkpoint *c = checkpoint_from_bytes(A, "model.safetensors", bytes, e);
    if (!c) return NULL;
    static const char *const files[] = {"model.safetensors"};
    c->files = files, c->n_files = 1;
    Config own, config = {.path = "config.json", .e = e};
    Json *all = arena_new(A, Json, 1), *one = arena_new(A, Json, 1);
    *one = *settings, one->key = STR_LIT("quantization_config"), one->next = NULL;
    *all = (Json){.kind = J_OBJECT, .child = one, .count = 1};
    config.json = all;
    const QuantKind *kind = quant_find(A, &config, "", &own, e);
    return kind && quant_read(A, kind, &own, c, says ? says : &said, e) ? c : NULL;
}

static bool known(const Json *row)
{
    const Str name = json_get(row, "name")->text;
    return !str_starts(name, STR_LIT("mxfp4")) && str_starts(name, STR_LIT("bnb"));
}

static void check_layer(Arena *A, const Json *row)
{
    static const int64_t few[] = {1, 2, 3, 5, 8, 9, 24, 65};
    const char *path = arena_printf(A, WORTH "%s", worth_text(A, row, "file"));
    Err e = {0};
    uint64_t state = 11;
    char hex[65];
    const Checkpoint *c = layer(A, test_read(A, path), json_get(row, "quantization_config"), NULL, &e);
    if (!c) return FAIL("%s: %s", path, e.text);
    const Stored *s = lab_tensor(c, "layer.weight");
    const Json *out = json_get(row, "shape")->child, *in = out->next;
    CHECK_INT(c->n, 1), CHECK_INT(s->dim[0], out->i), CHECK_INT(s->dim[1], in->i);
    const int64_t rows = s->turned ? in->i : out->i, cols = s->turned ? out->i : in->i, n = rows * cols;
    float *value = arena_new(A, float, n), *there = arena_new(A, float, n);
    num_widen(value, s->data, (WType)s->dtype, 0, n);
    for (int64_t i = 0; i < n; i++) there[i] = value[s->turned ? i % in->i * out->i + i / in->i : i];
    sha256_hex((Str){(const char *)there, (size_t)n * 4}, hex);
    if (!str_is(json_get(row, "sha256")->text, hex)) FAIL("%s: other values", path);
    const char *isa[4];
    for (size_t k = 0, sets = cpu_isas(isa); k < sets; k++) {
        cpu_select(isa[k], NULL);
        worth_widen(path, s->data, (int)s->dtype, value, n, &state);
        for (size_t i = 0; i < sizeof few / sizeof *few; i++)
            for (int back = 0; back < 2; back++)
                worth_product(A, path, s->data, (int)s->dtype, value, rows, cols, few[i], back);
    }
}

TEST(quantized_layers)
{
    int n = 0;
    for (const Json *j = json_get(worth_index(A), "layers")->child; j; j = j->next) {
        if (!known(j)) continue;
        Arena *a = arena_create(A);
        check_layer(a, j);
        arena_free(a);
        n++;
    }
    cpu_select(NULL, NULL);
    CHECK_INT(n, 6);
}

// ------------------------------------------------------------------------------------------------ whole models

static bool known_model(const Json *row)
{
    return memmem(json_get(row, "name")->text.s, json_get(row, "name")->text.n, "nf4", 3) ||
           memmem(json_get(row, "name")->text.s, json_get(row, "name")->text.n, "bnb", 3);
}

TEST(quantized_models)
{
    int n = 0;
    for (const Json *j = json_get(worth_index(A), "hub")->child; j; j = j->next) {
        if (!known_model(j)) continue;
        Arena *a = arena_create(A);
        worth_model(a, j);
        worth_bytes(a, arena_printf(a, WORTH "%s", worth_text(a, j, "path")), json_get(j, "cases")->child);
        arena_free(a);
        n++;
    }
    CHECK_INT(n, 4);
}
