// SPDX-License-Identifier: Apache-2.0
// t_adapter.c — LoRA and DoRA adapters merged while a model is opened, against PEFT's merge_and_unload (test/golden/adapters,
// made by tools/oracle/adapters.py), on every instruction set; adapters that don't fit, are of another kind, or are cut.
#include "kit.h"
#include "lab.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define ADAPTERS "test/golden/adapters/"
#define T5       "test/golden/reports/m/t5"
#define MARIAN   "test/golden/reports/m/marian"

// Logits of all rows of one target.
static Tensor *logits_of(Arena *A, const Model *m, Ids source, Ids target)
{
    Tape *tape = tape_create(A);
    int64_t D = nn_info(m)->width, *rows = arena_new(A, int64_t, target.n);
    Rows *s = rows_make(A, 1, &source.n), *t = rows_make(A, 1, &target.n);
    Tensor *x = source.n ? tn_new(tape, source.n, D, s) : NULL, *y = tn_new(tape, target.n, D, t);
    if (x) nn_embed(m, source, false, x->f);
    nn_embed(m, target, true, y->f);
    Pass pass;
    nn_forward(m, tape, x, y, NULL, &pass);
    for (int64_t i = 0; i < target.n; i++) rows[i] = i;
    return nn_logits(m, tape, &pass, rows, t);
}

static void compare(Arena *A, const char *what, const Model *m, const Json *want)
{
    const Tensor *got =
        logits_of(A, m, lab_list(A, json_get(want, "source")), lab_list(A, json_get(want, "target")));
    double size = 0, worst = 0;
    int64_t n = 0;
    for (const Json *row = json_get(want, "logits")->child; row; row = row->next)
        for (const Json *x = row->child; x; x = x->next, n++) {
            size = fmax(size, fabs(x->number));
            worst = fmax(worst, fabs((double)got->f[n] - x->number));
        }
    CHECK_INT(n, got->rows * got->cols);
    if (!(worst <= 3e-6 * size)) FAIL("%s: logits up to %g are off by %g", what, size, worst);
    if (!(json_get(want, "unlike_base")->number > 1e-2 * size)) FAIL("%s: the base would pass too", what);
    test_count(n);
}

static const Json *wanted(Arena *A, const char *folder)
{
    return test_json(A, arena_printf(A, "%s/want.json", folder));
}

TEST(adapters_as_peft_merges_them)
{
    DIR *d = opendir(ADAPTERS);
    int n = 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (entry->d_name[0] == '.') continue;
        Arena *a = arena_create(A);
        const char *folder = arena_printf(a, ADAPTERS "%s", entry->d_name), *note = NULL;
        const Json *want = wanted(a, folder);
        Err e = {0};
        Model *alone = want ? nn_open(a, folder, (NnOptions){.note = &note}, &e) : NULL;
        Model *given =
            alone ? nn_open(a, str_zero(a, json_get(want, "base")->text), (NnOptions){.adapter = folder}, &e)
                  : NULL;
        if (!alone || !given) FAIL("%s: %s", folder, e.text);
        else {
            compare(a, folder, alone, want);
            compare(a, folder, given, want);
            CHECK_HAS(note, "is merged into the weights of");
            n++;
        }
        arena_free(a);
    }
    if (d) closedir(d);
    CHECK(n >= 31);
}

TEST(adapters_same_bits)
{
    static const char *const names[] = {"t5-dora", "marian-embed"};
    const char *isa[4];
    size_t n_isas = cpu_isas(isa);
    for (size_t k = 0; k < 2; k++) {
        const char *folder = arena_printf(A, ADAPTERS "%s", names[k]);
        const Json *want = wanted(A, folder);
        const Tensor *first = NULL;
        for (size_t i = 0; want && i < n_isas; i++) {
            Err e = {0};
            cpu_select(isa[i], NULL);
            Model *m = nn_open(A, folder, (NnOptions){0}, &e);
            const Tensor *t = m ? logits_of(A, m, lab_list(A, json_get(want, "source")),
                                            lab_list(A, json_get(want, "target")))
                                : NULL;
            if (!t) FAIL("%s", e.text);
            else if (!first) first = t;
            else CHECK(!memcmp(first->f, t->f, (size_t)(t->rows * t->cols) * sizeof *t->f));
        }
        cpu_select(NULL, NULL);
    }
}

// ------------------------------------------------------------------------------------------ what is refused

// One float32 tensor after another; each {name, shape} as JSON has it, its numbers 0.5.
static Str tensors(Arena *A, const char *const *name, const char *const *shape, size_t n)
{
    Buf header = {.arena = A}, out = {.arena = A};
    size_t at = 0;
    buf_char(&header, '{');
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 4;
        const bool whole = *shape[i] == 'I'; // "I32[8]"
        for (const char *p = strchr(shape[i], '['); *p; p++)
            if (*p >= '0' && *p <= '9') bytes *= strtoul(p, (char **)(uintptr_t)&p, 10), p--;
        buf_printf(&header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                   i ? "," : "", name[i], whole ? "I32" : "F32", strchr(shape[i], '['), at, at + bytes);
        at += bytes;
    }
    buf_char(&header, '}');
    uint64_t length = header.n;
    buf_put(&out, &length, 8), buf_str(&out, buf_view(&header));
    for (size_t i = 0; i < at / 4; i++) buf_put(&out, &(float){0.5f}, 4);
    return buf_view(&out);
}

#define Q  "base_model.model.encoder.block.0.layer.0.SelfAttention.q."
#define QA Q "lora_A.weight"
#define QB Q "lora_B.weight"
#define CONFIG(more)                                                                                         \
    "{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":4,\"base_model_name_or_path\":\"" T5 "\"" more "}"

static void refused(Arena *A, const char *config, const char *const *name, const char *const *shape, size_t n,
                    const char *part)
{
    const char *folder = kit_folder(A);
    Err e = {0};
    kit_write(folder, "adapter_config.json", str_of(config));
    if (n) kit_write(folder, "adapter_model.safetensors", tensors(A, name, shape, n));
    if (nn_open(A, folder, (NnOptions){0}, &e)) FAIL("opens, though it should say: %s", part);
    else CHECK_HAS(e.text, part);
    CHECK(!strchr(e.text, '\n'));
}

TEST(adapters_that_do_not_fit)
{
    static const struct {
        const char *config, *name[3], *shape[3], *part;
    } cases[] = {
        {CONFIG(""), {0}, {0}, "there is no adapter_model.safetensors and no adapter_model.bin"},
        {"{\"peft_type\":\"IA3\",\"base_model_name_or_path\":\"" T5 "\"}",
         {QA},
         {"[2,8]"},
         "peft_type is \"IA3\""},
        {"{\"peft_type\":\"PREFIX_TUNING\",\"base_model_name_or_path\":\"" T5 "\"}",
         {QA},
         {"[2,8]"},
         "peft_type is \"PREFIX_TUNING\""},
        {"{\"peft_type\":\"ADALORA\",\"base_model_name_or_path\":\"" T5 "\"}",
         {QA},
         {"[2,8]"},
         "peft_type is \"ADALORA\""},
        {"{\"base_model_name_or_path\":\"" T5 "\"}", {QA}, {"[2,8]"}, "peft_type is \"\""},
        {"{\"peft_type\":\"LORA\"}",
         {QA},
         {"[2,8]"},
         "names no base; give the base with -m and this folder with --adapter"},
        {"{\"peft_type\":\"LORA\",\"base_model_name_or_path\":\"no/such\"}",
         {QA},
         {"[2,8]"},
         "its base 'no/such' (base_model_name_or_path) is not found"},
        {"{\"peft_type\":\"LORA\",\"base_model_name_or_path\":3}",
         {QA},
         {"[2,8]"},
         "base_model_name_or_path is 3"},
        {"[]", {QA}, {"[2,8]"}, "it must be a JSON object"},
        {CONFIG(",\"use_qalora\":true"), {QA, QB}, {"[2,8]", "[8,2]"}, "use_qalora is set"},
        {CONFIG(",\"alora_invocation_tokens\":[1]"),
         {QA, QB},
         {"[2,8]", "[8,2]"},
         "alora_invocation_tokens is set"},
        {CONFIG(",\"trainable_token_indices\":[1]"),
         {QA, QB},
         {"[2,8]", "[8,2]"},
         "trainable_token_indices is set"},
        {CONFIG(",\"target_parameters\":[\"x\"]"), {QA, QB}, {"[2,8]", "[8,2]"}, "target_parameters is set"},
        {CONFIG(",\"layer_replication\":[[0,1]]"), {QA, QB}, {"[2,8]", "[8,2]"}, "layer_replication is set"},
        {CONFIG(",\"init_lora_weights\":\"pissa_niter_4\""),
         {QA, QB},
         {"[2,8]", "[8,2]"},
         "such an adapter changes its base"},
        {CONFIG(",\"init_lora_weights\":\"olora\""),
         {QA, QB},
         {"[2,8]", "[8,2]"},
         "such an adapter changes its base"},
        {"{\"peft_type\":\"LORA\",\"r\":0,\"base_model_name_or_path\":\"" T5 "\"}",
         {QA, QB},
         {"[0,8]", "[8,0]"},
         "r is 0"},
        {"{\"peft_type\":\"LORA\",\"r\":1e300,\"base_model_name_or_path\":\"" T5 "\"}",
         {QA, QB},
         {"[2,8]", "[8,2]"},
         "r is 1e300"},
        {"{\"peft_type\":\"LORA\",\"r\":2,\"lora_alpha\":NaN,\"base_model_name_or_path\":\"" T5 "\"}",
         {QA, QB},
         {"[2,8]", "[8,2]"},
         "lora_alpha"},
        {CONFIG(""), {QA, QB}, {"[0,8]", "[8,0]"}, "is of rank 0"},
        {CONFIG(""), {QA, QB}, {"[3,8]", "[8,3]"}, "is of rank 3"},
        {CONFIG(",\"rank_pattern\":{\"q\":4}"), {QA, QB}, {"[2,8]", "[8,2]"}, "says 4"},
        {CONFIG(",\"rank_pattern\":{\"q{9}\":4}"),
         {QA, QB},
         {"[2,8]", "[8,2]"},
         "the pattern \"q{9}\" is not understood"},
        {CONFIG(",\"rank_pattern\":{\"(?=q)\":4}"), {QA, QB}, {"[2,8]", "[8,2]"}, "is not understood"},
        {CONFIG(",\"rank_pattern\":{\"(q\":4}"), {QA, QB}, {"[2,8]", "[8,2]"}, "is not understood"},
        {CONFIG(",\"alpha_pattern\":{\"q\":\"x\"}"), {QA, QB}, {"[2,8]", "[8,2]"}, "it must hold numbers"},
        {CONFIG(",\"alpha_pattern\":[1]"), {QA, QB}, {"[2,8]", "[8,2]"}, "it must be an object"},
        {CONFIG(""), {QA, QB}, {"[2,7]", "[8,2]"}, "has shape [2, 7]"},
        {CONFIG(""), {QA, QB}, {"[2,8]", "[7,2]"}, "has shape [7, 2]"},
        {CONFIG(""), {QA, QB}, {"[2,8]", "[8,3]"}, "has shape [8, 3]"},
        {CONFIG(""), {QA, QB}, {"[2,8]", "[16]"}, "has shape [16]"},
        {CONFIG(""), {QA, QB}, {"[2,8,1]", "[8,2]"}, "LoRA is for matrices"},
        {CONFIG(""), {QA}, {"[2,8]"}, "has lora_A but no lora_B"},
        {CONFIG(""), {QB}, {"[8,2]"}, "has lora_B but no A"},
        {CONFIG(""),
         {"x.lora_A.weight", "x.lora_B.weight"},
         {"[2,8]", "[8,2]"},
         "the adapter changes 'x', which the base in"},
        {CONFIG(""), {"lora_A.weight"}, {"[2,8]"}, "belongs to no module"},
        {CONFIG(""), {"shared.lora_A.weight", "shared.lora_B.weight"}, {"[2,8]", "[8,2]"}, "calls for"},
        {CONFIG(""), {Q "lora_E"}, {"[2,1]"}, "is none that a LoRA adapter of this configuration has"},
        {CONFIG(",\"use_dora\":true"), {QA, QB}, {"[2,8]", "[8,2]"}, "has no lora_magnitude_vector"},
        {CONFIG(",\"use_dora\":true"),
         {QA, QB, Q "lora_magnitude_vector"},
         {"[2,8]", "[8,2]", "[7]"},
         "has 7 numbers for 8 outputs"},
        {CONFIG(",\"use_dora\":true"),
         {QA, QB, Q "lora_magnitude_vector"},
         {"[2,8]", "[8,2]", "I32[8]"},
         "is of type I32"},
        {CONFIG(""),
         {QA, QB, Q "lora_magnitude_vector"},
         {"[2,8]", "[8,2]", "[8]"},
         "is none that a LoRA adapter"},
        {CONFIG(""), {QA, QB, Q "lora_B.bias"}, {"[2,8]", "[8,2]", "[8]"}, "lora_B has a bias"},
        {CONFIG(""),
         {QA, QB, "base_model.model.lm_head.weight"},
         {"[2,8]", "[8,2]", "[8,48]"},
         "not of the shape and kind"},
        {CONFIG(""),
         {QA, QB, "base_model.model.classifier.weight"},
         {"[2,8]", "[8,2]", "[8,48]"},
         "which the base in"},
        {CONFIG(""),
         {"a.token_adapter.trainable_tokens_delta"},
         {"[2,8]"},
         "is none that can be merged here"},
        {CONFIG(""), {QA, "module." QA}, {"[2,8]", "[2,8]"}, "is there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = 0;
        while (n < 3 && cases[i].name[n]) n++;
        refused(A, cases[i].config, cases[i].name, cases[i].shape, n, cases[i].part);
    }
    Err e = {0};
    const char *part = ADAPTERS "t5-dora";
    CHECK(!nn_open(A, part, (NnOptions){.adapter = ADAPTERS "t5-all"}, &e));
    CHECK_HAS(e.text, "has an adapter of its own");
    e = (Err){0};
    CHECK(!nn_open(A, T5, (NnOptions){.adapter = MARIAN}, &e));
    CHECK_HAS(e.text, "no adapter_config.json in " MARIAN);
    e = (Err){0};
    CHECK(!nn_open(A, MARIAN, (NnOptions){.adapter = part}, &e));
    CHECK_HAS(e.text, "which the base in " MARIAN " does not have");
    e = (Err){0};
    CHECK(!nn_open(A, T5, (NnOptions){.adapter = "no/such"}, &e));
    CHECK_HAS(e.text, "neither a folder nor in the cache");
}

// Every prefix of the adapter's files is refused, or is the whole.
TEST(adapters_cut_short)
{
    static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors"};
    const char *folder = kit_folder(A);
    Str whole[2];
    Err e = {0};
    for (int i = 0; i < 2; i++)
        CHECK(file_read(A, arena_printf(A, ADAPTERS "t5-dora/%s", files[i]), 1 << 20, &whole[i], &e));
    for (int i = 0; i < 2; i++)
        for (size_t n = 0; n < whole[i].n; n += i ? 37 : 11) {
            Arena *a = arena_create(A);
            for (int k = 0; k < 2; k++) kit_write(folder, files[k], k == i ? (Str){whole[k].s, n} : whole[k]);
            e = (Err){0};
            if (nn_open(a, folder, (NnOptions){0}, &e) || !e.set)
                FAIL("%s cut to %zu bytes opens", files[i], n);
            else test_count(1);
            arena_free(a);
        }
}

static bool open_one(Arena *a, void *folder, Err *e) { return nn_open(a, folder, (NnOptions){0}, e) != NULL; }

TEST(adapters_every_fault)
{
    static const char *const names[] = {"t5-rslora-patterns", "marian-bias-of-b", "marian-bin"};
    for (size_t i = 0; i < 3; i++) {
        char *folder = arena_printf(A, ADAPTERS "%s", names[i]);
        test_every_fault(A, FAULT_ALLOC, open_one, folder);
        test_every_fault(A, FAULT_IO, open_one, folder);
    }
}
