// SPDX-License-Identifier: Apache-2.0
// t_quantized.c — folders of the Hub with quantized weights (bitsandbytes, GPTQ, AWQ, fp8, compressed-tensors): single layers
// bit for bit, by themselves and in products; whole models against transformers and Inseq on float32 models of the same values;
// the same bytes as from a folder of those; folders that contradict themselves. Data: test/golden/quantized.
#include "../nn/files/quantized.h"
#include "../tensor/kern.h"
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

// ------------------------------------------------------------------------------------------------ many rows, all types

enum {
    MANY = 83,
    WIDE = 1280
}; // blocks of LANES side by side and some over; more than one block of the sums, and a part

// Bytes that are no NaN or infinity, whatever type of float they are read as.
static const void *any_bytes(Arena *A, int64_t n, uint64_t seed)
{
    uint8_t *b = arena_new(A, uint8_t, n);
    for (int64_t i = 0; i < n; i++) b[i] = (uint8_t)(num_random(seed, (uint64_t)i) & 0xBF);
    return b;
}

static const float *any_floats(Arena *A, int64_t n, uint64_t seed)
{
    float *f = arena_new(A, float, n);
    for (int64_t i = 0; i < n; i++) f[i] = (float)(num_random(seed, (uint64_t)i) % 2001) / 1000 - 1;
    return f;
}

static void check_many(Arena *A, const char *what, const void *raw, int type, int64_t rows, int64_t cols)
{
    static const int64_t few[] = {1, 2, 4, 7, 9};
    float *value = arena_new(A, float, rows *cols);
    cpu_select("scalar", NULL);
    const char *row = raw;
    for (int64_t i = 0; i < rows; i++, row += type_row_bytes((WType)type, cols))
        K->widen(value + i * cols, row, type, 0, cols);
    const char *isa[4];
    for (size_t k = 0, sets = cpu_isas(isa); k < sets; k++) {
        cpu_select(isa[k], NULL);
        for (size_t i = 0; i < sizeof few / sizeof *few; i++)
            for (int back = 0; back < 2; back++)
                worth_product(A, what, raw, type, value, rows, cols, few[i], back);
    }
}

// Widening row by row is checked against golden data elsewhere; here ways that are only taken by many rows, against that.
TEST(quantized_many_rows)
{
#define TYPE(name, elements, bytes, number) {#name, W_##name, bytes},
    static const struct {
        const char *name;
        int type, bytes;
    } types[] = {
#include "../tensor/types.def"
    };
#undef TYPE
    const int64_t n = MANY * WIDE, high[] = {1, MANY, 1, 8, 24};
    for (size_t i = 1; i < sizeof types / sizeof *types; i++) {
        Arena *a = arena_create(A);
        const int type = types[i].type;
        const void *bytes = any_bytes(a, 4 * n, i);
        if (types[i].bytes) check_many(a, types[i].name, bytes, type, MANY, WIDE);
        for (size_t k = 0; k < (types[i].bytes ? 0 : sizeof high / sizeof *high); k++) {
            // scales: for rows, for all, for groups of columns, and for blocks of both
            const bool turned = type == W_GPTQ || type == W_AWQ, nested = type == W_BNB4 && k % 2;
            Coded w = {.rows = turned ? WIDE : MANY,
                       .cols = turned ? 96 : WIDE,
                       .codes = bytes,
                       .scale_type = k % 3 == 0   ? W_F32
                                     : k % 3 == 1 ? W_F16
                                                  : W_BF16,
                       .high = high[k],
                       .wide = k < 2 ? WIDE : 64,
                       .zero = k % 2 ? bytes : NULL,
                       .zero_plus = (int32_t)k,
                       .bits = 4,
                       .table = any_floats(a, 16, 5)};
            if (type == W_BNB4 || type == W_BNB8) w.wide = 64, w.scale_type = W_F32;
            w.groups = w.cols / w.wide;
            if (type == W_PACKED) w.pitch = w.cols / 2;
            if (turned) {
                w.high = k ? 64 : WIDE, w.groups = w.cols;
                w.zero = bytes, w.pitch = type == W_AWQ ? w.cols / 2 : 4 * w.cols, w.zero_pitch = w.cols / 2;
                uint32_t *of = arena_new(a, uint32_t, w.rows);
                for (int64_t r = 0; r < w.rows; r++) of[r] = (uint32_t)(r % 256 / (k == 2 ? 3 : 16));
                if (type == W_GPTQ && k > 1) w.group = of;
            }
            w.scale = w.scale_type == W_F32 ? (const void *)any_floats(a, n, 3) : any_bytes(a, 4 * n, 4);
            if (nested)
                w.scale = bytes, w.nested = any_floats(a, 256, 6), w.nested_scale = any_floats(a, n, 7),
                w.nested_wide = 256, w.nested_offset = 0.25f;
            check_many(a, arena_printf(a, "%s %zu", types[i].name, k), coded_rows(a, &w), type, w.rows,
                       w.cols);
        }
        arena_free(a);
    }
    cpu_select(NULL, NULL);
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
    const float tie[2] = {-0.1505126953125F, 0.301025390625F}; // -63.5 but for the two roundings of 127 / m
    CHECK_INT(code_8bit(q, &most, tie, 2), -1), CHECK_INT(q[0], -63);
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

// ------------------------------------------------------------------------------------------------ contradictions

// A safetensors file of these tensors.
static Str file_of(Arena *A, const Checkpoint *c)
{
    Buf head = {.arena = A}, data = {.arena = A}, all = {.arena = A};
    for (size_t i = 0; i < c->n; i++) {
        const Stored *s = &c->tensor[i];
        const size_t bytes = (size_t)stored_count(s) * dtype_size(s->dtype);
        buf_str(&head, i ? STR_LIT(",") : STR_LIT("{"));
        buf_json(&head, s->name);
        buf_printf(&head, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(s->dtype));
        for (int k = 0; k < s->rank; k++) buf_printf(&head, "%s%" PRId64, k ? "," : "", s->dim[k]);
        buf_printf(&head, "],\"data_offsets\":[%zu,%zu]}", data.n, data.n + bytes);
        for (size_t k = 0; k < bytes; k++) buf_char(&data, k < s->bytes ? ((const char *)s->data)[k] : 0);
    }
    buf_char(&head, '}');
    kit_put(&all, head.n, 8);
    buf_str(&all, buf_view(&head)), buf_str(&all, buf_view(&data));
    return buf_view(&all);
}

static const Json *row_of(Arena *A, const char *name)
{
    for (const Json *j = json_get(worth_index(A), "layers")->child; j; j = j->next)
        if (str_is(json_get(j, "name")->text, name)) return j;
    return NULL;
}

// What is wrong with a layer: a tensor that is gone, or has another type, shape or content; settings.
typedef struct Wrong {
    const char *layer, *tensor, *says;
    enum { GONE, OF_TYPE, SHAPED, BEGINS, SAYS } how;
    int64_t a, b; // the type; the shape (b 0: one dimension); the first word
    const char *text, *settings;
} Wrong;

static Str spoiled(Arena *A, const Wrong *w)
{
    const Json *row = row_of(A, w->layer);
    Checkpoint *c =
        (Checkpoint *)(uintptr_t)worth_file(A, arena_printf(A, WORTH "%s", worth_text(A, row, "file")));
    for (size_t i = 0; i < c->n && w->tensor; i++) {
        Stored *s = &c->tensor[i];
        if (!str_is(s->name, w->tensor)) continue;
        char *own = arena_new(A, char, s->bytes + 4);
        memcpy(own, s->data, s->bytes);
        s->data = own;
        if (w->how == GONE) memmove(s, s + 1, (c->n - i - 1) * sizeof *s), c->n--;
        else if (w->how == OF_TYPE) s->dtype = (Dtype)w->a;
        else if (w->how == SHAPED) s->rank = w->b ? 2 : 1, s->dim[0] = w->a, s->dim[1] = w->b;
        else if (w->how == BEGINS) memcpy(own, &w->a, 4);
        else s->data = w->text, s->bytes = strlen(w->text), s->rank = 1, s->dim[0] = (int64_t)s->bytes;
        return file_of(A, c);
    }
    if (w->tensor) FAIL("%s has no %s", w->layer, w->tensor);
    return file_of(A, c);
}

static void check_wrong(Arena *A, const Wrong *w)
{
    Err e = {0};
    const Json *settings = json_get(row_of(A, w->layer), "quantization_config");
    if (w->settings) settings = json_parse(A, str_of(w->settings), "settings", &e);
    if (!settings) return FAIL("%s", e.text);
    if (layer(A, spoiled(A, w), settings, NULL, &e)) return FAIL("%s: no error of '%s'", w->layer, w->says);
    CHECK_HAS(e.text, w->says);
    if (w->tensor) CHECK_HAS(e.text, "model.safetensors:+"); // and where
    else CHECK_HAS(e.text, "onfig");
}

#define STATE         "layer.weight.quant_state.bitsandbytes__nf4"
#define GPTQ          "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":32"
#define AWQ           "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":32"
#define FP8           "{\"quant_method\":\"fp8\",\"weight_block_size\":"
#define CT(f)         "{\"quant_method\":\"compressed-tensors\",\"format\":\"" f "\",\"config_groups\":"
#define CT_WEIGHTS(w) CT("pack-quantized") "{\"group_0\":{\"weights\":" w "}}}"

TEST(quantized_contradictions)
{
    static const Wrong wrong[] = {
        {"bnb-int8", "layer.SCB", "'layer.SCB', the largest value of each row, is missing", .how = GONE},
        {"bnb-int8", "layer.SCB", "it must be F32 and have one for each of 37 rows", .how = SHAPED, .a = 36},
        {"bnb-int8", "layer.SCB", "it must be F32 and have one for each of 37 rows", .how = OF_TYPE,
         .a = DT_I32},
        {"bnb-int8", "layer.weight_format", "mixed for a kind of GPU", .how = BEGINS, .a = 2},
        {"bnb-int8", "layer.weight", "has shape [1850]", .how = SHAPED, .a = 1850},
        {"bnb-nf4", STATE, "there is no quant_state.bitsandbytes__nf4", .how = GONE},
        {"bnb-nf4", "layer.weight.absmax", "its 'absmax' is missing", .how = GONE},
        {"bnb-nf4", "layer.weight.quant_map", "its 'quant_map' is missing", .how = GONE},
        {"bnb-nf4", "layer.weight.absmax", "is F32 and has 26 numbers; the weight calls for 27",
         .how = SHAPED, .a = 26},
        {"bnb-nf4", "layer.weight.quant_map", "has 15 numbers; the weight calls for 16", .how = SHAPED,
         .a = 15},
        {"bnb-nf4", "layer.weight", "has 863 bytes; 24 x 72 codes of 4 bits take 864", .how = SHAPED,
         .a = 863, .b = 1},
        {"bnb-nf4", STATE, "blocksize is 8192; it must be", .how = SAYS,
         .text = "{\"blocksize\":8192,\"shape\":[24,72]}"},
        {"bnb-nf4", STATE, "must be a power of two", .how = SAYS,
         .text = "{\"blocksize\":48,\"shape\":[24,72]}"},
        {"bnb-nf4", STATE, "two whole numbers", .how = SAYS, .text = "{\"blocksize\":64,\"shape\":[24]}"},
        {"bnb-nf4", STATE, "two whole numbers", .how = SAYS, .text = "{\"blocksize\":64,\"shape\":[-24,72]}"},
        {"bnb-nf4", STATE, "two whole numbers", .how = SAYS,
         .text = "{\"blocksize\":64,\"shape\":[4294967296,4294967296]}"},
        {"bnb-nf4", STATE, "codes of 4 bits take", .how = SAYS,
         .text = "{\"blocksize\":64,\"shape\":[2147483647,2147483647]}"},
        {"bnb-nf4", STATE, "a quant_type other than its own name", .how = SAYS,
         .text = "{\"blocksize\":64,\"shape\":[24,72],\"quant_type\":\"fp4\"}"},
        {"bnb-nf4", STATE, "line 1", .how = SAYS, .text = "{\"blocksize\":"},
        {"bnb-nf4", STATE, "must hold a JSON object", .how = SAYS, .text = "[1]"},
        {"bnb-nf4-double", "layer.weight.nested_absmax", "its 'nested_absmax' is missing", .how = GONE},
        {"bnb-nf4-double", "layer.weight.nested_quant_map", "its 'nested_quant_map' is missing", .how = GONE},
        {"bnb-nf4-double", "layer.weight.nested_absmax", "has 1 numbers; the weight calls for 2",
         .how = SHAPED, .a = 1},
        {"bnb-nf4-double", STATE, "no nested_blocksize", .how = SAYS,
         .text = "{\"blocksize\":64,\"shape\":[150,136]}"},
        {"gptq-4", "layer.scales", "'layer.scales' is missing", .how = GONE},
        {"gptq-4", "layer.qzeros", "'layer.qzeros' is missing", .how = GONE},
        {"gptq-4", "layer.scales", "must be F16 or BF16 or F32", .how = OF_TYPE, .a = DT_I16},
        {"gptq-4", "layer.scales", "calls for [n, 64]", .how = SHAPED, .a = 3, .b = 63},
        {"gptq-4", "layer.scales", "scales of 2 groups for 96 inputs", .how = SHAPED, .a = 2, .b = 64},
        {"gptq-4", "layer.qzeros", "calls for [3, 8]", .how = SHAPED, .a = 3, .b = 7},
        {"gptq-4", "layer.qweight", "has shape [768]", .how = SHAPED, .a = 768},
        {"gptq-4", "layer.qweight", "must be I32", .how = OF_TYPE, .a = DT_F32},
        {"gptq-4", "layer.g_idx", "calls for [96]", .how = SHAPED, .a = 95},
        {"gptq-4", "layer.g_idx", "puts input 0 into group 3 of 3", .how = BEGINS, .a = 3},
        {"gptq-4", "layer.g_idx", "puts input 0 into group -1 of 3", .how = BEGINS, .a = -1},
        {"gptq-4", NULL, "bits is 5; codes of 2, 3, 4 and 8 bits are read",
         .settings = "{\"quant_method\":\"gptq\",\"bits\":5}"},
        {"gptq-4", NULL, "bits is 16", .settings = "{\"quant_method\":\"gptq\",\"bits\":16}"},
        {"gptq-4", NULL, "scales of 3 groups for 48 inputs",
         .settings = "{\"quant_method\":\"gptq\",\"bits\":8,\"group_size\":32}"},
        {"gptq-4", NULL, "which is not a group_size of 64",
         .settings = "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":64}"},
        {"gptq-4", NULL, "which is not a group_size of -1",
         .settings = "{\"quant_method\":\"gptq\",\"bits\":4,\"group_size\":-1}"},
        {"gptq-4", NULL, "checkpoint_format is \"marlin\"; gptq and gptq_v2",
         .settings = GPTQ ",\"checkpoint_format\":\"marlin\"}"},
        {"gptq-4", NULL, "checkpoint_format is \"marlin\"", .settings = GPTQ ",\"is_marlin_format\":true}"},
        {"awq-4", "layer.scales", "'layer.scales' is missing", .how = GONE},
        {"awq-4", "layer.qzeros", "'layer.qzeros' is missing", .how = GONE},
        {"awq-4", "layer.scales", "calls for [n, 56]", .how = SHAPED, .a = 3, .b = 55},
        {"awq-4", "layer.qzeros", "calls for [3, 7]", .how = SHAPED, .a = 2, .b = 7},
        {"awq-4", NULL, "bits is 8; AWQ's codes of 4 bits are read",
         .settings = "{\"quant_method\":\"awq\",\"bits\":8}"},
        {"awq-4", NULL, "which is not a group_size of 64",
         .settings = "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":64}"},
        {"awq-4", NULL, "version is \"gemv\"; gemm is read", .settings = AWQ ",\"version\":\"gemv\"}"},
        {"awq-4", NULL, "group_size is 0",
         .settings = "{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":0}"},
        {"fp8-block", "layer.weight_scale_inv", "there is no weight_scale_inv beside it", .how = GONE},
        {"fp8-block", "layer.weight_scale_inv", "calls for 3 x 2", .how = SHAPED, .a = 2, .b = 2},
        {"fp8-block", "layer.weight_scale_inv", "must be F32 or F16 or BF16", .how = OF_TYPE, .a = DT_I32},
        {"fp8-block", "layer.weight", "is of type F8_E5M2, which no weight has", .how = OF_TYPE,
         .a = DT_F8_E5M2},
        {"fp8-block", NULL,
         "has 6 scales; weight_block_size of config.json: quantization_config calls for 2 x 2",
         .settings = FP8 "[32,32]}"},
        {"fp8-block", NULL, "must be two whole numbers", .settings = FP8 "[16]}"},
        {"fp8-block", NULL, "must be two whole numbers", .settings = FP8 "[16,0]}"},
        {"fp8-block", NULL, "calls for 1 x 1 of them for a weight of 48 x 64", .settings = FP8 "null}"},
        {"fp8-block", NULL, "fmt is \"e5m2\"; e4m3 is read", .settings = FP8 "[16,32],\"fmt\":\"e5m2\"}"},
        {"ct-w4a16", "layer.weight_scale", "'layer.weight_scale' is missing", .how = GONE},
        {"ct-w4a16", "layer.weight_shape", "'layer.weight_shape' is missing", .how = GONE},
        {"ct-w4a16", "layer.weight_shape", "rows or columns", .how = BEGINS, .a = -1},
        {"ct-w4a16", "layer.weight_shape", "words for a weight of 14 x 48", .how = BEGINS, .a = 14},
        {"ct-w4a16", "layer.weight_scale", "has 13 x 2 scales for a weight of 13 x 48", .how = SHAPED,
         .a = 13, .b = 2},
        {"ct-w4a16", "layer.weight_scale", "has 12 x 3 scales", .how = SHAPED, .a = 12, .b = 3},
        {"ct-w4a16", "layer.weight_scale", "is one for each row", .how = SHAPED, .a = 13, .b = 1},
        {"ct-w4a16", "layer.weight_packed", "words for a weight of 13 x 48", .how = SHAPED, .a = 13, .b = 5},
        {"ct-w4a16-asym", "layer.weight_zero_point", "calls for [3, 5]", .how = SHAPED, .a = 3, .b = 4},
        {"ct-w8a8", "layer.weight_scale", "'layer.weight_scale' is missing", .how = GONE},
        {"ct-w4a16", NULL, "which are codes of no num_bits", .settings = CT_WEIGHTS("{\"num_bits\":8}")},
        {"ct-w4a16", NULL, "num_bits is 12", .settings = CT_WEIGHTS("{\"num_bits\":12}")},
        {"ct-w4a16", NULL, "fits no group of config_groups",
         .settings = CT_WEIGHTS("{\"num_bits\":4,\"group_size\":32}")},
        {"ct-w4a16", NULL, "type is \"nf\"", .settings = CT_WEIGHTS("{\"num_bits\":4,\"type\":\"nf\"}")},
        {"ct-w4a16", NULL, "config_groups is absent",
         .settings = "{\"quant_method\":\"compressed-tensors\"}"},
        {"ct-w4a16", NULL, "says nothing of \"weights\"", .settings = CT("pack-quantized") "{\"g\":{}}}"},
        {"ct-w4a16", NULL, "format is \"marlin-24\"; pack-quantized", .settings = CT("marlin-24") "{}}"},
        {"ct-w4a16", NULL, "format is \"nvfp4-pack-quantized\"",
         .settings = CT("nvfp4-pack-quantized") "{}}"},
        {"ct-w4a16", NULL, "sparse weights are not read",
         .settings = CT("pack-quantized") "{},\"sparsity_config\":{\"format\":\"sparse-24-bitmask\"}}"},
        {"ct-w8a8", NULL, "which no group of config_groups", .settings = CT_WEIGHTS("{\"type\":\"float\"}")},
        {"bnb-int8", NULL, "quant_method is \"gptq\", but no tensor in", .settings = GPTQ "}"},
        {"bnb-int8", NULL, "quant_method is 8", .settings = "{\"quant_method\":8}"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Arena *a = arena_create(A);
        check_wrong(a, &wrong[i]);
        arena_free(a);
    }
}

TEST(quantized_methods_by_name)
{
    static const char *const others[] = {"hqq",   "aqlm",   "quip",    "spqr",       "vptq",
                                         "exl2",  "exl3",   "torchao", "eetq",       "bitnet",
                                         "higgs", "quanto", "mxfp4",   "fbgemm_fp8", "auto-round"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *text = arena_printf(A, "{\"quant_method\":\"%s\",\"bits\":4}", others[i]);
        Err e = {0};
        CHECK(!layer(A, test_read(A, WORTH "layers/gptq-4.safetensors"), json_parse(A, str_of(text), "x", &e),
                     NULL, &e));
        CHECK_HAS(e.text, arena_printf(
                              A,
                              "quant_method is \"%s\", which is not read here; bitsandbytes, gptq, awq, fp8, "
                              "compressed-tensors are. Use the model's folder in float32",
                              others[i]));
    }
}

// Whatever a file and its settings say: an error in words, or weights that can be read to the last.
static void read_all(Arena *A, Str bytes, const Json *settings)
{
    Err e = {0};
    char *exact = malloc(bytes.n ? bytes.n : 1); // so that a sanitizer sees what is read behind it
    memcpy(exact, bytes.s, bytes.n);
    const Checkpoint *c = layer(A, (Str){exact, bytes.n}, settings, NULL, &e);
    CHECK((c == NULL) == e.set);
    for (size_t i = 0; c && i < c->n; i++) {
        const Stored *s = &c->tensor[i];
        if (!dtype_is_weight(s->dtype) || stored_count(s) > 1 << 20) continue;
        float *v = arena_new(A, float, stored_count(s) + 1);
        num_widen(v, s->data, (WType)s->dtype, 0, (int64_t)stored_count(s));
    }
    free(exact);
}

TEST(quantized_cut_and_changed)
{
    static const char *const layers[] = {"bnb-int8",         "bnb-nf4-tail",  "bnb-fp4-double",
                                         "gptq-4-act-order", "gptq-3",        "awq-4-group-16",
                                         "fp8-block-cut",    "ct-w4a16-asym", "ct-w8a16-channel",
                                         "ct-w8a8",          "ct-fp8-dynamic"};
    for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
        const Json *row = row_of(A, layers[k]), *settings = json_get(row, "quantization_config");
        const Str whole = test_read(A, arena_printf(A, WORTH "%s", worth_text(A, row, "file")));
        Arena *a = arena_create(A);
        for (size_t i = 0; i < whole.n; i += i < 900 ? 3 : 211) {
            static const unsigned char with[] = {0xFF, 1};
            arena_reset(a), read_all(a, (Str){whole.s, i}, settings);
            for (int m = 0; m < 2; m++) {
                arena_reset(a);
                char *changed = arena_new(a, char, whole.n);
                memcpy(changed, whole.s, whole.n);
                changed[i] = (char)(changed[i] ^ with[m]);
                read_all(a, (Str){changed, whole.n}, settings);
            }
        }
        static const char *const sizes[] = {"{\"quant_method\":\"%.*s\",\"bits\":%d,\"num_bits\":%d,\"group_"
                                            "size\":%d,\"weight_block_size\":[%d,%d],"
                                            "\"config_groups\":{\"g\":{\"weights\":{\"num_bits\":%d,\"group_"
                                            "size\":%d,\"block_structure\":[%d,%d]}}}}"};
        const Str method = json_get(settings, "quant_method")->text;
        for (int bits = 1; bits <= 9; bits++)
            for (int group = -1; group < 130; group += group < 20 ? 1 : 27) {
                arena_reset(a);
                Err e = {0};
                const char *text = arena_printf(a, sizes[0], (int)method.n, method.s, bits, bits, group,
                                                group, bits, bits, group, bits, group);
                read_all(a, whole, json_parse(a, str_of(text), "x", &e));
            }
        arena_free(a);
    }
}

// ------------------------------------------------------------------------------------------------ folders

static const char *folder_with(Arena *A, const char *model, const char *from, const char *to)
{
    static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.model",
                                        "tokenizer_config.json"};
    const char *folder = kit_folder(A);
    for (int i = 0; i < 4; i++) {
        Str text = test_read(A, arena_printf(A, WORTH "models/%s/%s", model, files[i]));
        if (i == 0) {
            const char *found = strstr(text.s, from);
            if (!found) FAIL("%s: no %s", model, from);
            else
                text = str_of(
                    arena_printf(A, "%.*s%s%s", (int)(found - text.s), text.s, to, found + strlen(from)));
        }
        kit_write(folder, files[i], text);
    }
    return folder;
}

TEST(quantized_folders_refused)
{
    static const struct {
        const char *model, *from, *to, *says;
    } wrong[] = {
        {"llama-cut-gptq-act", "\"bits\": 4", "\"bits\": 6", "codes of 2, 3, 4 and 8 bits are read"},
        {"llama-cut-gptq-act", "\"group_size\": 16", "\"group_size\": 64", "which is not a group_size of 64"},
        {"llama-cut-gptq-act", "\"gptq\",", "\"exl2\",", "quant_method is \"exl2\", which is not read here"},
        {"llama-cut-awq", "\"gemm\"", "\"gemv_fast\"", "version is \"gemv_fast\"; gemm is read"},
        {"llama-cut-fp8", "\"hidden_size\": 64", "\"hidden_size\": 32", "calls for ["},
        {"llama-cut-ct-w4a16", "pack-quantized", "sparse-bitmask", "format is \"sparse-bitmask\""}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Arena *a = arena_create(A);
        const char *folder = folder_with(a, wrong[i].model, wrong[i].from, wrong[i].to);
        Run r = run_with(a, &(Setup){0}, (const char *const[]){"attribute", "-m", folder, "-i", "a", NULL});
        check_refused(wrong[i].says, r, 1, wrong[i].says);
        if (!TAKES_AT_MOST(r, 50000)) FAIL("%s: %ld KB", wrong[i].model, r.peak);
        arena_free(a);
    }
}

// Settings beside config.json, as older tools wrote them, and under a key of compressed-tensors' own.
TEST(quantized_settings_beside)
{
    static const struct {
        const char *model, *file, *text, *says;
    } older[] = {{"llama-cut-gptq-act", "quantize_config.json",
                  "{\"bits\": 4, \"group_size\": 16, \"desc_act\": true, \"sym\": false}",
                  "GPTQ, 4 bits, groups of 16, in the order of activations"},
                 {"llama-cut-awq", "quant_config.json",
                  "{\"w_bit\": 4, \"q_group_size\": 16, \"zero_point\": true, \"version\": \"GEMM\"}",
                  "AWQ, 4 bits, groups of 16"}};
    for (int i = 0; i < 2; i++) {
        Err e = {0};
        const char *folder = folder_with(A, older[i].model, "\"quantization_config\"", "\"before\"");
        const Model *m = nn_open(A, folder, (NnOptions){0}, &e);
        CHECK(!m);
        CHECK_HAS(e.text, "no tensor \"model.layers.0.");
        kit_write(folder, older[i].file, str_of(older[i].text));
        e = (Err){0};
        if (!(m = nn_open(A, folder, (NnOptions){0}, &e))) FAIL("%s", e.text);
        else if (strcmp(nn_info(m)->quantization, older[i].says)) FAIL("it is %s", nn_info(m)->quantization);
        else test_count(1);
    }
    Err e = {0};
    const char *folder =
        folder_with(A, "llama-cut-ct-w4a16", "\"quantization_config\"", "\"compression_config\"");
    if (!nn_open(A, folder, (NnOptions){0}, &e)) FAIL("%s", e.text);
}

// Zeros of symmetric codes say which format a file is of, whatever it calls itself: the middle, or the middle less 1.
TEST(quantized_gptq_zeros)
{
    for (int v2 = 0; v2 < 2; v2++) {
        const Json *row = row_of(A, "gptq-4");
        Checkpoint *c =
            (Checkpoint *)(uintptr_t)worth_file(A, arena_printf(A, WORTH "%s", worth_text(A, row, "file")));
        Stored *zeros = (Stored *)(uintptr_t)lab_tensor(c, "layer.qzeros");
        unsigned char *own = arena_new(A, unsigned char, zeros->bytes);
        memset(own, v2 ? 0x88 : 0x77, zeros->bytes);
        zeros->data = own;
        Err e = {0};
        const Checkpoint *got = layer(A, file_of(A, c), json_get(row, "quantization_config"), NULL, &e);
        if (!got) return FAIL("%s", e.text);
        const Stored *s = lab_tensor(got, "layer.weight");
        const CodedRow *r = s->data;
        CHECK_INT(r->weight->zero_plus, !v2);
    }
}

static bool opens(Arena *A, void *context, Err *e) { return nn_open(A, context, (NnOptions){0}, e) != NULL; }

static bool opens_quantized(Arena *A, void *context, Err *e)
{
    static const NnQuantize how[] = {{.bits = 8}, {.bits = 4, .nf4 = true, .nested = true}};
    for (int i = 0; i < 2; i++)
        if (!nn_open(A, context, (NnOptions){.quantize = &how[i]}, e)) return false;
    return true;
}

TEST(quantized_every_fault)
{
    static const char *const models[] = {"llama-cut-gptq-act", "llama-cut-ct-w4a16", "t5-yesno-tiny-nf4"};
    for (FaultKind k = FAULT_ALLOC; k < FAULT_KINDS; k++) {
        for (int i = 0; i < 3; i++)
            test_every_fault(A, k, opens, arena_printf(A, WORTH "models/%s", models[i]));
        test_every_fault(A, k, opens_quantized, arena_printf(A, "test/golden/models/gpt2-tiny"));
    }
}

TEST(quantized_what_does_not_go_together)
{
    static const NnQuantize eight = {.bits = 8};
    Err e = {0};
    CHECK(!nn_open(A, WORTH "models/llama-cut-awq", (NnOptions){.quantize = &eight}, &e));
    CHECK_HAS(e.text, "the weights are quantized already (AWQ, 4 bits)");
    e = (Err){0};
    const Model *m = nn_open(A, WORTH "models/llama-cut-nf4", (NnOptions){.quantize = &eight}, &e);
    if (!m) FAIL("%s", e.text);
    else CHECK(!strcmp(nn_info(m)->quantization, "bitsandbytes, NF4, nested")); // as in transformers
    static const struct {
        const char *kwargs, *says;
    } wrong[] = {
        {"{\"load_in_8bit\": true, \"load_in_4bit\": true}", "are both true"},
        {"{\"load_in_4bit\": true, \"bnb_4bit_quant_type\": \"int4\"}", "must be \"nf4\" or \"fp4\""},
        {"{\"load_in_8bit\": true, \"llm_int8_skip_modules\": \"fc1\"}", "must be a list of names"},
        {"{\"quantization_config\": {\"quant_method\": \"hqq\"}}", "quant_method must be \"bitsandbytes\""}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Run r = RUN("attribute", "-m", "demo/en-nl", "-i", "a", "--model_kwargs", wrong[i].kwargs);
        check_refused(wrong[i].says, r, 2, wrong[i].says);
    }
    Run r = RUN("info", "-m", "demo/en-nl", "--model_kwargs",
                "{\"load_in_8bit\": true, \"llm_int8_skip_modules\": [\"fc1\", \"model.decoder\"]}");
    check_ran("skip", r);
    CHECK_HAS(r.out, "BNB8 15"); // of 3 encoder layers 4 + fc2
}

// GPTQ's tools write a bias of zeros for layers that have none.
TEST(quantized_zero_biases)
{
    for (int k = 0; k < 2; k++) {
        const char *folder = folder_with(A, "llama-cut-gptq-act", "\"bits\"", "\"bits\"");
        Checkpoint *c =
            (Checkpoint *)(uintptr_t)worth_file(A, WORTH "models/llama-cut-gptq-act/model.safetensors");
        float *zeros = arena_new(A, float, 64);
        Err e = {0};
        zeros[63] = (float)k;
        checkpoint_add(A, c,
                       (Stored){.name = STR_LIT("model.layers.0.mlp.down_proj.bias"),
                                .dtype = DT_F32,
                                .rank = 1,
                                .dim = {64},
                                .data = zeros,
                                .bytes = 256});
        kit_write(folder, "model.safetensors", file_of(A, c));
        CHECK((nn_open(A, folder, (NnOptions){0}, &e) != NULL) == !k);
        if (k) CHECK_HAS(e.text, "mlp.down_proj.bias\" has no place in a llama model");
    }
}
