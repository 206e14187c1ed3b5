// SPDX-License-Identifier: Apache-2.0
// t_quantized.c — folders of the Hub with quantized weights (bitsandbytes, GPTQ, AWQ, fp8, compressed-tensors): single layers
// bit for bit, by themselves and in products; whole models against transformers and Inseq on float32 models of the same values;
// the same bytes as from a folder of those; folders that contradict themselves. Data: test/golden/quantized.
#include "../nn/files/quantized.h"
#include "../tensor/kern.h"
#include "../attr/reports/sha256.h"
#include "cli.h"
#include "worth.h"

#include <math.h>

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
        Arena *a = arena_create(A);
        check_layer(a, j);
        arena_free(a);
        n++;
    }
    cpu_select(NULL, NULL);
    CHECK_INT(n, 22);
}

// ------------------------------------------------------------------------------------------------ whole models

TEST(quantized_models)
{
    int n = 0;
    for (const Json *j = json_get(worth_index(A), "hub")->child; j; j = j->next) {
        Arena *a = arena_create(A);
        worth_model(a, j);
        worth_bytes(a, arena_printf(a, WORTH "%s", worth_text(a, j, "path")), json_get(j, "cases")->child);
        arena_free(a);
        n++;
    }
    CHECK_INT(n, 8);
}

// ------------------------------------------------------------------------------------------------ codes made here

static void check_codes(Arena *A, const Json *row)
{
    const char *name = worth_text(A, row, "name");
    const Checkpoint *c = worth_file(A, arena_printf(A, WORTH "%s", worth_text(A, row, "file"))),
                     *from = worth_file(A, arena_printf(A, WORTH "%s", worth_text(A, row, "source")));
    const Stored *x = lab_tensor(from, "layer.source"), *q = lab_tensor(c, "layer.weight");
    const int64_t n = lab_count(x), cols = x->dim[1];
    float *v = arena_new(A, float, n), *most = arena_new(A, float, n);
    uint8_t *codes = arena_new(A, uint8_t, n + 1);
    memcpy(v, x->data, (size_t)n * 4);
    if (q->dtype == DT_I8) {
        const Stored *want = lab_tensor(c, "layer.SCB");
        for (int64_t i = 0; i < x->dim[0]; i++)
            CHECK_INT(code_8bit((int8_t *)codes + i * cols, most + i, v + i * cols, cols), -1);
        CHECK(!memcmp(codes, q->data, (size_t)n)), CHECK(!memcmp(most, want->data, want->bytes));
        return;
    }
    const bool nf4 = strstr(name, "nf4") != NULL, nested = strstr(name, "double") != NULL;
    const char *kind = nf4 ? "nf4" : "fp4";
    const Stored *state = lab_tensor(c, arena_printf(A, "layer.weight.quant_state.bitsandbytes__%s", kind)),
                 *want = lab_tensor(c, "layer.weight.absmax");
    Err e = {0};
    const Json *j = json_parse(A, (Str){state->data, state->bytes}, "state", &e);
    if (!j) return FAIL("%s", e.text);
    const int64_t block = json_get(j, "blocksize")->i, blocks = (n + block - 1) / block;
    const Str dtype = json_get(j, "dtype")->text; // that the weight had
    const WType type = str_is(dtype, "float16") ? W_F16 : str_is(dtype, "bfloat16") ? W_BF16 : W_F32;
    uint8_t *stored = arena_new(A, uint8_t, 4 * n);
    num_narrow(stored, v, type, n), num_widen(v, stored, type, 0, n);
    CHECK_INT(code_4bit(codes, most, v, n, block, nf4), -1);
    if (memcmp(codes, q->data, q->bytes)) FAIL("%s: other codes", name);
    if (!nested) {
        CHECK(!memcmp(most, want->data, want->bytes));
        return;
    }
    const Stored *nested_most = lab_tensor(c, "layer.weight.nested_absmax"),
                 *map = lab_tensor(c, "layer.weight.nested_quant_map");
    float offset, *deeper = arena_new(A, float, blocks), table[256];
    code_nested(codes, deeper, &offset, most, blocks);
    for (int i = 0; i < 256; i++) table[i] = code_dynamic(i);
    CHECK(!memcmp(codes, want->data, want->bytes)), CHECK(!memcmp(table, map->data, sizeof table));
    CHECK(!memcmp(deeper, nested_most->data, nested_most->bytes));
    CHECK(offset == (float)json_get(j, "nested_offset")->number);
}

TEST(quantized_codes_made)
{
    int n = 0;
    for (const Json *j = json_get(worth_index(A), "layers")->child; j; j = j->next)
        if (json_get(j, "source")) check_codes(A, j), n++;
    CHECK_INT(n, 6);
    float most, x[3] = {1, 70000, 2}, nothing[65] = {0};
    int8_t q[65];
    uint8_t codes[33];
    CHECK_INT(code_8bit(q, &most, x, 3), 1); // no half float
    x[1] = NAN;
    CHECK_INT(code_4bit(codes, &most, x, 3, 64, true), 1);
    memset(q, 1, sizeof q);
    CHECK_INT(code_8bit(q, &most, nothing, 65), -1), CHECK(most == 0 && q[0] == 0 && q[64] == 0);
}

// Quantized while it is opened: the same bytes as a float32 folder of those values; output matrices, tables and T5's wo stay.
static void check_loading(Arena *A, const char *model, const char *kwargs, const char *types)
{
    const char *folder = kit_folder(A), *to = arena_printf(A, "%s/f32", folder), *text[2];
    Run r = RUN("info", "-m", model, "--model_kwargs", kwargs);
    if (!strstr(r.out, types)) FAIL("%s %s: %s", model, kwargs, r.out);
    r = RUN("quantize", model, "--to", "f32", "-o", to, "--model_kwargs", kwargs);
    if (r.code) return FAIL("%s: %s", model, r.err);
    for (int k = 0; k < 2; k++) {
        const char *out = arena_printf(A, "%s/%d.json", folder, k);
        r = RUN("attribute", "-q", "-m", k ? to : model, "--model_kwargs", k ? "{}" : kwargs, "-i",
                "The nurse lost her keys.", "-a", "input_x_gradient", "--step_scores", "probability",
                "--generation_kwargs", "{\"max_new_tokens\":4}", "--format", "json", "-o", out, "-t",
                k ? "3" : "1");
        if (r.code) return FAIL("%s: %s", model, r.err);
        const char *all = slurp(A, out, NULL), *sequences = strstr(all, "\"sequence_attributions\"");
        text[k] = sequences ? sequences : all;
    }
    if (strcmp(text[0], text[1])) FAIL("%s %s: another result than from float32", model, kwargs);
    else test_count(1);
}

TEST(quantized_while_loading)
{
    static const char
        *const eight = "{\"load_in_8bit\": true, \"device_map\": \"auto\"}",
               *const four = "{\"quantization_config\": {\"load_in_4bit\": true, \"bnb_4bit_quant_type\": "
                             "\"nf4\", \"bnb_4bit_use_double_quant\": true, \"bnb_4bit_compute_dtype\": "
                             "\"bfloat16\"}}";
    check_loading(A, "demo/en-nl", eight, "BNB8 48"), check_loading(A, "demo/en-nl", four, "BNB4 48");
    check_loading(A, "test/golden/models/gpt2-tiny", eight, "BNB8 12");
    check_loading(A, "test/golden/models/gpt2-tiny", four, "BNB4 12");
    check_loading(A, "test/golden/models/llama-tiny", four, "BNB4");
    check_loading(A, "test/golden/models/t5-yesno", eight, "BNB8");
}
