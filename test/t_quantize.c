// SPDX-License-Identifier: Apache-2.0
// t_quantize.c — models written with their weights in another type: what they are worth as float32, whose runs give the same
// bytes as those on the original.
#include "../nn/files/gguf.h"
#include "../nn/model.h"
#include "cli.h"
#include "lab.h"

#include <math.h>
#include <signal.h>

#define QUANTIZED      "test/golden/quantized/"
#define MODEL_OF_LLAMA "test/golden/models/llama-tiny"

static Str without(Arena *A, const char *text, size_t n, const char *name)
{
    Buf b = {.arena = A};
    const size_t m = strlen(name);
    for (size_t i = 0; i < n;)
        if (i + m <= n && !memcmp(text + i, name, m)) i += m;
        else buf_char(&b, text[i++]);
    return buf_view(&b);
}

// What an attribution saves and prints, and what is generated, but for the model's name. option, value: of its loading; NULL: none.
static Str results(Arena *A, const char *folder, const char *model, const char *option, const char *value,
                   int k)
{
    static const char *const isas[] = {"INSEQ_ISA=scalar", NULL}, *const threads[] = {"1", "3"};
    const char *out = arena_printf(A, "%s/out.json", folder);
    Setup s = {.env = {isas[k]}};
    const char *words[] = {"attribute",
                           "-q",
                           "-m",
                           model,
                           "-t",
                           threads[k],
                           "-i",
                           "Hello to the world",
                           "A second one",
                           "-a",
                           "input_x_gradient",
                           "--step_scores",
                           "probability",
                           "--generation_kwargs",
                           "{\"max_new_tokens\":4}",
                           "-bs",
                           threads[k],
                           "-o",
                           out,
                           option,
                           value,
                           NULL};
    Run r = run_with(A, &s, words);
    Buf all = {.arena = A};
    size_t n;
    check_ran(model, r);
    buf_str(&all, without(A, r.out, r.n_out, model));
    const char *text = slurp(A, out, &n);
    buf_str(&all, without(A, text, n, model));
    unlink(out);
    return buf_view(&all);
}

static void check_float32(Arena *A, const char *model)
{
    const char *folder = kit_folder(A), *to = arena_printf(A, "%s/m/", folder);
    check_ran(model, RUN("quantize", model, "-q", "--to", "f32", "-o", to));
    const Str got = results(A, folder, to, NULL, NULL, 1), want = results(A, folder, model, NULL, NULL, 0);
    if (str_eq(got, want) && want.n > 500) test_count(1);
    else
        FAIL("%s: other results than from its float32 folder: %.*s\n%.*s", model, (int)got.n, got.s,
             (int)want.n, want.s);
    const Json *config = test_json(A, arena_printf(A, "%sconfig.json", to));
    CHECK(str_is(json_get(config, "torch_dtype")->text, "float32") &&
          !json_get(config, "quantization_config"));
}

TEST(quantize_float32_gives_the_same_bytes)
{
    static const char *const models[] = {"golden/models/marian-en-nl-bf16",
                                         "golden/models/marian-en-nl-f16",
                                         "golden/models/marian-en-nl-legacy",
                                         "golden/models/marian-en-nl-sharded",
                                         "golden/models/gpt2-tiny",
                                         "golden/models/gemma2-tiny",
                                         "golden/models/t5-yesno-tiny",
                                         "golden/models/llama3-tiny",
                                         "golden/models/odd-bart",
                                         "golden/quantized/models/gemma2-q8_0.gguf",
                                         "golden/quantized/models/gemma3-q8_0.gguf",
                                         "golden/quantized/models/gpt2-tiny-q8_0.gguf",
                                         "golden/quantized/models/llama-rope3-f16.gguf",
                                         "golden/quantized/models/llama-tiny-mix.gguf",
                                         "golden/quantized/models/llama-wide-k.gguf",
                                         "golden/quantized/models/phi3-q8_0.gguf",
                                         "golden/quantized/models/qwen2-q8_0.gguf",
                                         "golden/quantized/models/qwen3-q8_0.gguf",
                                         "golden/quantized/models/split-00001-of-00002.gguf",
                                         "golden/quantized/models/t5-relu-q5_1.gguf",
                                         "golden/quantized/models/t5-yesno-tiny-q4_0.gguf",
                                         "golden/quantized/models/gpt2-small-bnb8",
                                         "golden/quantized/models/llama-cut-nf4",
                                         "golden/quantized/models/llama-cut-gptq-act",
                                         "golden/quantized/models/llama-cut-awq",
                                         "golden/quantized/models/llama-cut-fp8",
                                         "golden/quantized/models/llama-cut-ct-w4a16",
                                         "golden/quantized/models/t5-yesno-tiny-bnb8"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        Arena *a = arena_create(A);
        check_float32(a, arena_printf(a, "test/%s", models[i]));
        arena_free(a);
    }
}

// What an adapter makes of a model is its weights from then on.
TEST(quantize_adapter)
{
    static const char *const of[][2] = {
        {"gpt2-tiny", "gpt2-dora"}, {"gpt2-tiny", "gpt2-conv1d"}, {"llama-tiny", "llama-dora"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const char *folder = kit_folder(A), *to = arena_printf(A, "%s/f", folder),
                   *model = arena_printf(A, "test/golden/models/%s", of[i][0]),
                   *adapter = arena_printf(A, "test/golden/adapters/%s", of[i][1]);
        check_ran(to, RUN("quantize", model, "-q", "--adapter", adapter, "--to", "f32", "-o", to));
        const Str got = results(A, folder, to, NULL, NULL, 1),
                  want = results(A, folder, model, "--adapter", adapter, 0),
                  without_it = results(A, folder, model, NULL, NULL, 0);
        if (str_eq(got, want) && !str_eq(got, without_it)) test_count(1);
        else FAIL("%s with %s: other results than from the folder of both", model, adapter);
    }
}

typedef struct Target {
    const Model *m;
    bool codes;
    const char *above, *to;
} Target;

// All of it or nothing, and nothing beside it.
static bool writes_anew(Arena *A, void *context, Err *e)
{
    const Target *p = context;
    const char *const *name;
    kit_remove((void *)(uintptr_t)p->to);
    Arena *a = arena_create(A);
    FolderOut *to = folder_begin(a, p->to, e);
    const bool ok = to && (p->codes ? nn_write_codes : nn_write_float32)(a, p->m, to, e) && folder_end(to, e);
    arena_free(a);
    const size_t n = dir_list(A, p->above, &name);
    CHECK(n == 0 || (n == 1 && !strcmp(name[0], "m") && dir_list(A, p->to, &name) == 2));
    CHECK(!ok || n == 1);
    return ok;
}

TEST(quantize_every_fault)
{
    Err e = {0};
    Target p = {.m = nn_open(A, QUANTIZED "hostile/ok-model.gguf", (NnOptions){0}, &e),
                .above = kit_folder(A)};
    p.to = arena_printf(A, "%s/m", p.above);
    for (FaultKind k = FAULT_ALLOC; k < FAULT_KINDS; k++) test_every_fault(A, k, writes_anew, &p);
    const NnQuantize how = {.bits = 4, .nf4 = true, .nested = true};
    p.m = nn_open(A, QUANTIZED "hostile/ok-model.gguf", (NnOptions){.quantize = &how}, &e), p.codes = true;
    if (p.m) test_every_fault(A, FAULT_IO, writes_anew, &p);
    else FAIL("%s", e.text);
}

TEST(quantize_refuses)
{
    const char *folder = kit_folder(A), *full = arena_printf(A, "%s/full", folder),
               *empty = arena_printf(A, "%s/empty", folder);
    kit_write(full, "x", STR_LIT("y"));
    mkdir(empty, 0777);
    check_refused("full", RUN("quantize", MODEL, "--to", "f32", "-o", full), 1,
                  "this folder holds files already; give a new one");
    check_refused("a file", RUN("quantize", MODEL, "--to", "f32", "-o", arena_printf(A, "%s/x", full)), 1,
                  "cannot write a folder: Not a directory");
    check_refused("nowhere", RUN("quantize", MODEL, "--to", "f32", "-o", "/nonexistent/x"), 1,
                  "/nonexistent/x: cannot make a folder beside it: No such file or directory");
    check_refused("no place", RUN("quantize", MODEL, "--to", "f32"), 2, "where to?");
    check_refused("two", RUN("quantize", MODEL, "-m", MODEL, "--to", "f32", "-o", empty), 2, "one model");
    check_ran("empty", RUN("quantize", "-m", MODEL, "--to", "f32", "-o", empty));
    CHECK(file_exists(arena_printf(A, "%s/model.safetensors", empty)));
}

// ------------------------------------------------------------------------------------------------ blocks

// What ggml's and the gguf package's quantizers make of the same numbers.
TEST(quantize_blocks_as_ggml)
{
    static const WType types[] = {W_F16, W_BF16, W_Q8_0, W_Q4_0, W_Q4_1, W_Q5_0, W_Q5_1};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *name = dtype_name((Dtype)types[i]);
        Err e = {0};
        Gguf g;
        const Str file = test_read(A, arena_printf(A, QUANTIZED "blocks/%s.gguf", name)),
                  values = test_read(A, arena_printf(A, QUANTIZED "blocks/%s.f32.safetensors", name));
        const Checkpoint *c = checkpoint_from_bytes(A, "model.safetensors", values, &e);
        if (!c || !gguf_parse(A, file, name, &g, &e)) return FAIL("%s", e.text);
        int compared = 0;
        for (size_t k = 0; k < g.n_tensors; k++) {
            const GgufTensor *t = &g.tensor[k];
            const Stored *s = checkpoint_find(c, arena_printf(A, "%.*s.source", (int)t->name.n, t->name.s));
            if (!s) continue;
            const int64_t n = (int64_t)stored_count(s), cols = (int64_t)t->dim[0];
            float *x = arena_new(A, float, n);
            uint8_t *got = arena_new(A, uint8_t, t->bytes);
            memcpy(x, s->data, (size_t)n * 4);
            for (int64_t r = 0; r < n / cols; r++)
                CHECK_INT(num_narrow(got + type_bytes(types[i], cols) * r, x + r * cols, types[i], cols), -1);
            if (memcmp(got, t->data, t->bytes))
                FAIL("%s, %.*s: other bytes", name, (int)t->name.n, t->name.s);
            else test_count((long)t->bytes);
            compared++;
        }
        CHECK_INT(compared, 3);
    }
}

// Every half float and bfloat16 comes back; what lies between goes to the nearest, ties to even; what has no place is told.
TEST(quantize_numbers_without_a_place)
{
    float x[64] = {0}, y;
    uint8_t out[64];
    for (uint32_t u = 0; u < 65536; u++)
        for (int k = 0; k < 2; k++) {
            const WType t = k ? W_BF16 : W_F16;
            const uint16_t h = (uint16_t)u;
            uint16_t back = 0;
            num_widen(&y, &h, t, 0, 1);
            const bool fits = y - y == 0;
            if (num_narrow(&back, &y, t, 1) != (fits ? -1 : 0) || (fits && back != h)) FAIL("%04X", u);
        }
    static const float odd[][2] = {{1 + 0x1p-11F, 1}, {1 + 0x3p-11F, 1 + 0x2p-10F},
                                   {0x1p-25F, 0},     {0x3p-25F, 0x1p-23F},
                                   {65519, 65504},    {-0x1.8p-24F, -0x1p-23F}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CHECK_INT(num_narrow(out, odd[i], W_F16, 1), -1);
        num_widen(&y, out, W_F16, 0, 1);
        CHECK_NEAR((double)y, (double)odd[i][1], 0);
    }
    const float most = 65520;
    CHECK_INT(num_narrow(out, &most, W_F16, 1), 0);
    CHECK_INT(num_narrow(out, &most, W_BF16, 1), -1);
    static const WType blocks[] = {W_Q8_0, W_Q4_0, W_Q4_1, W_Q5_0, W_Q5_1};
    for (int i = 0; i < 5; i++) {
        uint8_t room[128];
        static const float wrong[] = {NAN, INFINITY, -INFINITY, 3e7F};
        for (int k = 0; k < 4; k++) {
            x[40] = wrong[k];
            CHECK_INT(num_narrow(room, x, blocks[i], 64), 40);
        }
        x[40] = 3e38F, x[41] = -3e38F; // their difference has no place among floats either
        CHECK_INT(num_narrow(room, x, blocks[i], 64), 40);
        x[41] = 0;
        x[40] = 1e-44F; // 1 / d would be infinite
        CHECK_INT(num_narrow(room, x, blocks[i], 64), -1);
        float back[64];
        num_widen(back, room, blocks[i], 0, 64);
        for (int k = 0; k < 64; k++) CHECK(back[k] == 0);
    }
}

// ------------------------------------------------------------------------------------------------ files

static const char *const sources[] = {
    "test/golden/models/llama-tiny",     "test/golden/models/gpt2-tiny",
    "test/golden/models/t5-yesno-tiny",  QUANTIZED "models/qwen2-q8_0.gguf",
    QUANTIZED "models/qwen3-q8_0.gguf",  QUANTIZED "models/gemma2-q8_0.gguf",
    QUANTIZED "models/gemma3-q8_0.gguf", QUANTIZED "models/phi3-q8_0.gguf"};
enum { SOURCES = sizeof sources / sizeof *sources };

// From a file as from the float32 folder of its values.
TEST(quantize_every_architecture_and_type)
{
    size_t n;
    const char *const *type = nn_gguf_types(&n);
    CHECK_INT(n, 7);
    for (int i = 0; i < SOURCES; i++)
        for (size_t k = 0; k < n; k++) {
            Arena *a = arena_create(A);
            const char *folder = kit_folder(a), *file = arena_printf(a, "%s/m.gguf", folder),
                       *to = arena_printf(a, "%s/f", folder);
            const char *const words[] = {"quantize", sources[i], "-q", "--to",  type[k],
                                         "-o",       file,       "-i", "Hello", NULL};
            const Run r = run_with(a, &(Setup){0}, words);
            check_ran(file, r);
            CHECK_HAS(r.out, "bits a weight");
            check_ran(to,
                      run_with(a, &(Setup){0},
                               (const char *const[]){"quantize", file, "-q", "--to", "f32", "-o", to, NULL}));
            const Str got = results(a, folder, to, NULL, NULL, 1),
                      want = results(a, folder, file, NULL, NULL, 0);
            if (str_eq(got, want) && want.n > 500) test_count(1);
            else FAIL("%s as %s: other results than from its float32 folder", sources[i], type[k]);
            arena_free(a);
        }
}

// The same file from one thread without vectors and from three with the best there are.
TEST(quantize_same_bytes_everywhere)
{
    static const char *const types[] = {"q8_0", "q4_1", "f16"};
    for (int i = 0; i < 3; i++) {
        const char *folder = kit_folder(A),
                   *file[2] = {arena_printf(A, "%s/0.gguf", folder), arena_printf(A, "%s/1.gguf", folder)};
        const char *printed[2];
        for (int k = 0; k < 2; k++) {
            const Run r =
                RUN_WITH(UNPACK({.env = {k ? NULL : "INSEQ_ISA=scalar"}}), "quantize", sources[i], "-t",
                         k ? "3" : "1", "-q", "--to", types[i], "-o", file[k], "--json", "-i", "a");
            check_ran(file[k], r);
            printed[k] = strstr(r.out, "\"type\"");
        }
        if (str_eq(test_read(A, file[0]), test_read(A, file[1]))) test_count(1);
        else FAIL("%s as %s: other bytes", sources[i], types[i]);
        if (printed[0] && printed[1]) CHECK_STR(str_of(printed[0]), str_of(printed[1]));
        else FAIL("no JSON");
    }
}

// Folders in codes: a file of them holds what one of their float32 folders does.
TEST(quantize_from_codes)
{
    static const char *const models[] = {"gpt2-small-bnb8",   "llama-cut-gptq-act", "llama-cut-awq",
                                         "llama-cut-fp8",     "llama-cut-ct-w4a16", "llama-cut-nf4",
                                         "t5-yesno-tiny-bnb8"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const char *folder = kit_folder(A), *codes = arena_printf(A, QUANTIZED "models/%s", models[i]),
                   *from = arena_printf(A, "%s/f", folder),
                   *file[2] = {arena_printf(A, "%s/0.gguf", folder), arena_printf(A, "%s/1.gguf", folder)};
        check_ran(from, RUN("quantize", codes, "-q", "--to", "f32", "-o", from));
        check_ran(file[0], RUN("quantize", codes, "-q", "--to", "q5_0", "-o", file[0], "-i", "a"));
        check_ran(file[1], RUN("quantize", from, "-q", "--to", "q5_0", "-o", file[1], "-i", "a"));
        const Str got = test_read(A, file[0]), want = test_read(A, file[1]);
        if (str_eq(got, want)) test_count((long)want.n);
        else FAIL("%s: another file than from float32", models[i]);
    }
}

// Folders in bitsandbytes' codes, of any family: what the model is worth that is loaded so, and a float32 folder of it.
TEST(quantize_to_codes)
{
    static const char *const models[] = {"marian-en-nl", "t5-yesno-tiny", "gpt2-tiny",
                                         "llama-tiny",   "gemma2-tiny",   "odd-bart"},
                             *const types[][2] = {{"int8", "{\"load_in_8bit\": true}"},
                                                  {"nf4",
                                                   "{\"quantization_config\": {\"load_in_4bit\": true, "
                                                   "\"bnb_4bit_quant_type\": \"nf4\"}}"}};
#ifdef __SANITIZE_ADDRESS__
    enum { MODELS = 2 }; // codes take a sanitizer long
#else
    enum { MODELS = sizeof models / sizeof *models };
#endif
    for (size_t i = 0; i < MODELS; i++)
        for (int k = 0; k < 2; k++) {
            Arena *a = arena_create(A);
            const char *folder = kit_folder(a), *codes = arena_printf(a, "%s/c", folder),
                       *to = arena_printf(a, "%s/f", folder),
                       *model = arena_printf(a, "test/golden/models/%s", models[i]);
            const Run r = RUN("quantize", model, "-q", "--to", types[k][0], "-o", codes, "-i", "Hello");
            check_ran(codes, r);
            CHECK_HAS(r.out, k ? "BNB4" : "BNB8");
            check_ran(to, RUN("quantize", codes, "-q", "--to", "f32", "-o", to));
            const Str got = results(a, folder, codes, NULL, NULL, 1),
                      want = results(a, folder, to, NULL, NULL, 0),
                      loaded = results(a, folder, model, "--model_kwargs", types[k][1], 0);
            if (str_eq(got, want) && str_eq(got, loaded) && want.n > 500) test_count(1);
            else
                FAIL("%s as %s: other results than from float32 (%d), or loaded so (%d)", model, types[k][0],
                     str_eq(got, want), str_eq(got, loaded));
            check_refused("again",
                          RUN("quantize", codes, "--to", "nf4", "-o", arena_printf(a, "%s/x", folder)), 1,
                          "the weights are quantized already");
            arena_free(a);
        }
}

// As transformers saved it: codes and what they are multiplied by, to the bit.
TEST(quantize_codes_as_transformers)
{
    const char *folder = kit_folder(A), *to = arena_printf(A, "%s/c", folder);
    Err e = {0};
    check_ran(to,
              RUN("quantize", "test/golden/models/t5-yesno-tiny", "-q", "--to", "int8", "-o", to, "-i", "a"));
    const Checkpoint *got =
                         checkpoint_from_bytes(A, "model.safetensors",
                                               test_read(A, arena_printf(A, "%s/model.safetensors", to)), &e),
                     *want = checkpoint_from_bytes(
                         A, "model.safetensors",
                         test_read(A, QUANTIZED "models/t5-yesno-tiny-bnb8/model.safetensors"), &e);
    if (!got || !want) return FAIL("%s", e.text);
    int compared = 0;
    for (size_t i = 0; i < want->n; i++) {
        const Stored *s = &want->tensor[i], *t = checkpoint_find(got, str_zero(A, s->name));
        if (s->dtype == DT_F16) continue; // float32 here
        if (t && t->dtype == s->dtype && t->rank == s->rank && t->bytes == s->bytes &&
            !memcmp(t->data, s->data, s->bytes))
            test_count((long)s->bytes), compared++;
        else FAIL("%.*s differs", (int)s->name.n, s->name.s);
    }
    CHECK(compared > 72);
}

// The files that llama.cpp's quantizers and the gguf package made of the same models: every tensor, its type, its bytes.
TEST(quantize_as_llama_cpp)
{
    static const char *const made[][3] = {{"test/golden/models/gpt2-tiny", "q8_0", "gpt2-tiny-q8_0"},
                                          {"test/golden/models/t5-yesno-tiny", "q8_0", "t5-yesno-tiny-q8_0"},
                                          {NULL, "q8_0", "qwen2-q8_0"},
                                          {NULL, "q8_0", "qwen3-q8_0"},
                                          {NULL, "q8_0", "gemma2-q8_0"},
                                          {NULL, "q8_0", "gemma3-q8_0"},
                                          {NULL, "q8_0", "phi3-q8_0"},
                                          {NULL, "q8_0", "llama-tiny-q8_0"}};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        const char *folder = kit_folder(A), *file = arena_printf(A, "%s/m.gguf", folder),
                   *from = arena_printf(A, "%s/f", folder),
                   *theirs = arena_printf(A, QUANTIZED "models/%s.gguf", made[i][2]);
        if (!made[i][0]) check_ran(theirs, RUN("quantize", theirs, "-q", "--to", "f32", "-o", from));
        check_ran(file, RUN("quantize", made[i][0] ? made[i][0] : from, "-q", "--to", made[i][1], "-o", file,
                            "-i", "a b"));
        Err e = {0};
        Gguf g, h;
        if (!gguf_parse(A, test_read(A, file), file, &g, &e) ||
            !gguf_parse(A, test_read(A, theirs), theirs, &h, &e))
            return FAIL("%s", e.text);
        CHECK_INT(g.n_tensors, h.n_tensors);
        for (size_t k = 0; k < h.n_tensors; k++) {
            const GgufTensor *want = &h.tensor[k], *got = gguf_tensor(&g, str_zero(A, want->name));
            if (got && got->type == want->type && got->rank == want->rank &&
                !memcmp(got->dim, want->dim, sizeof got->dim) && !memcmp(got->data, want->data, want->bytes))
                test_count((long)want->bytes);
            else FAIL("%s: %.*s differs", theirs, (int)want->name.n, want->name.s);
        }
        static const char *const keys[] = {"tokenizer.ggml.tokens", "tokenizer.ggml.merges",
                                           "tokenizer.ggml.model", "tokenizer.ggml.pre",
                                           "tokenizer.ggml.token_type"};
        for (int k = 0; k < 5; k++) {
            const GgufKey *want = gguf_key(&h, keys[k]), *got = gguf_key(&g, keys[k]);
            if (want && got && str_eq(got->bytes, want->bytes)) test_count(1);
            else if (want || got) FAIL("%s: %s differs", theirs, keys[k]);
        }
    }
}

// Few bits are told of at the end, for a person who has not asked for silence.
TEST(quantize_few_bits_are_told)
{
    static const struct {
        const char *model;
        const char *says;
    } of[] = {{QUANTIZED "models/t5-yesno-tiny-q4_0.gguf", "weights of 4 bits"},
              {QUANTIZED "models/llama-wide-k.gguf", "weights of 2 bits"},
              {QUANTIZED "models/t5-relu-q5_1.gguf", "weights of 5 bits"},
              {QUANTIZED "models/llama-cut-nf4", "weights of 4 bits"},
              {QUANTIZED "models/t5-yesno-tiny-bnb8", NULL},
              {QUANTIZED "models/llama-tiny-q8_0.gguf", NULL},
              {QUANTIZED "models/llama-rope3-f16.gguf", NULL},
              {MODEL, NULL}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const Run r = RUN("attribute", "-m", of[i].model, "-i", "Does 3", "--max_new_tokens", "2"),
                  quiet = RUN("attribute", "-q", "-m", of[i].model, "-i", "Does 3", "--max_new_tokens", "2");
        check_ran(of[i].model, quiet);
        CHECK_INT(r.code, 0);
        CHECK_STR(str_of(r.out), str_of(quiet.out));
        if (of[i].says) CHECK_HAS(r.err, of[i].says), CHECK_INT(lines(r.err), 1);
        else CHECK(!strstr(r.err, "bits"));
    }
}

// ------------------------------------------------------------------------------------------------ all of it or nothing

static size_t files_in(Arena *A, const char *folder)
{
    const char *const *name;
    return dir_list(A, folder, &name);
}

// The n-th call fails, or every one from there on: what has the name afterwards is the whole file or what was there.
static void walk_faults(Arena *A, const char *kind, const char *suffix, long step)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/m.gguf", folder);
    const char *const words[] = {
        "quantize", QUANTIZED "hostile/ok-model.gguf", "--to", "q4_0", "-o", path, "--force", "-i", "a",
        NULL};
    check_ran("without faults", run_with(A, &(Setup){0}, words));
    const Str want = test_read(A, path), old = STR_LIT("old");
    int quiet = 0;
    for (long n = 1; quiet < 3 && n < 5000; n += step) {
        Arena *a = arena_create(A);
        kit_write(folder, "m.gguf", old);
        const Run r =
            run_with(a, &(Setup){.env = {arena_printf(a, "INSEQ_FAULT=%s:%ld%s", kind, n, suffix)}}, words);
        const bool clean = r.code == 0 && !*r.err;
        const Str now = test_read(a, path);
        if (!clean && ((r.code != 1 && r.code != 3) || strncmp(r.err, "inseq: ", 7)))
            FAIL("%s:%ld%s: exit code %d, signal %d: '%s'", kind, n, suffix, r.code, r.signal, r.err);
        if (!str_eq(now, want) && (clean || !str_eq(now, old)))
            FAIL("%s:%ld%s: half a file is left", kind, n, suffix);
        if (files_in(a, folder) != 1) FAIL("%s:%ld%s: something else is left", kind, n, suffix);
        quiet = clean ? quiet + 1 : 0;
        test_count(1);
        arena_free(a);
    }
}

TEST(quantize_faults_memory) { walk_faults(A, "alloc", "", 11); }
TEST(quantize_faults_memory_on) { walk_faults(A, "alloc", "+", 17); }
TEST(quantize_faults_io) { walk_faults(A, "io", "", 1); }
TEST(quantize_faults_io_on) { walk_faults(A, "io", "+", 2); }

TEST(quantize_full_disk)
{
    if (access("/dev/full", W_OK)) return (void)CHECK(true);
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/m.gguf", folder);
    CHECK(!symlink("/dev/full", path));
    check_refused(path, RUN("quantize", MODEL_OF_LLAMA, "--to", "q8_0", "--force", "-o", path), 1,
                  "cannot write: No space left on device");
    CHECK_INT(files_in(A, folder), 1);
}

// A signal while it is written: nothing is left. Each write moves one byte, so that there is time for one.
TEST(quantize_interrupted)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            const char *folder = kit_folder(A), *path = arena_printf(A, "%s/m.gguf", folder);
            const Run r = RUN_WITH(
                UNPACK({.env = {"INSEQ_FAULT=short:40+"}, .interrupt_after = 150, .signal = signals[i]}),
                "quantize", k ? "test/golden/models/t5-yesno" : "test/golden/models/marian-en-nl", "--to",
                k ? "bf16" : "f32", "-o", path);
            // on a slow machine the signal may come before anything was begun
            CHECK(r.code == 128 + signals[i] ? strstr(r.err, "inseq: interrupted") != NULL
                                             : r.signal == signals[i]);
            CHECK_INT(files_in(A, folder), 0);
        }
}

// And while it is measured what that does: the file is there, and whole.
TEST(quantize_interrupted_later)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/m.gguf", folder);
    Buf texts = {.arena = A};
    for (int i = 0; i < 5000; i++) buf_printf(&texts, "Does %d + 3 equal %d?\n", i, i + 3);
    const Run r = RUN_WITH(UNPACK({.in = texts.s, .interrupt_after = 700}), "quantize",
                           "test/golden/models/t5-yesno", "--to", "q8_0", "-o", path, "-i", "-");
    CHECK(r.code == 130 || r.signal == SIGINT);
    if (!file_exists(path)) return CHECK_INT(files_in(A, folder), 0); // a machine with much else to do
    CHECK_HAS(r.err, "m.gguf is whole, but how far attributions move by it was not measured");
    Err e = {0};
    if (!nn_open(A, path, (NnOptions){0}, &e)) FAIL("%s", e.text);
}

// ------------------------------------------------------------------------------------------------ what is refused

TEST(quantize_files_refused)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/m.gguf", folder), *llama = MODEL_OF_LLAMA;
    const struct {
        const char *model, *type, *to;
        int code;
        const char *says;
    } of[] = {
        {llama, "q4_k_m", path, 2, "types with K are llama-quantize's to write"},
        {llama, "int3", path, 2, "--to int3 is no type that is written here; q8_0, q5_1"},
        {llama, "q8_0", folder, 2, "the name of a GGUF file must end with .gguf"},
        {MODEL, "q8_0", path, 1, "GGUF files have no name for models of family marian"},
        {"test/golden/models/mistral-tiny", "q8_0", path, 1,
         "the window of attention has no place in a GGUF file of architecture llama"},
        {"test/golden/models/gemma2-tiny", "q8_0", path, 1,
         "the scale of attention has no place in a GGUF file of architecture gemma2"},
        {"test/golden/decoders/llama-dynamic", "q8_0", path, 1,
         "the tokenizer has 640 words, the model rows for 53"},
        {llama, "q8_0", "/nonexistent/m.gguf", 1,
         "/nonexistent/m.gguf: /nonexistent: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const char *const tokenizer = strstr(of[i].model, "decoders/") ? llama : NULL;
        const char *const words[] = {"quantize", "-q", of[i].model, "--to",
                                     of[i].type, "-o", of[i].to,    tokenizer ? "--tokenizer" : NULL,
                                     tokenizer,  NULL};
        check_refused(of[i].says, run_with(A, &(Setup){0}, words), of[i].code, of[i].says);
        CHECK_INT(files_in(A, folder), 0);
    }
    check_ran(path, RUN("quantize", llama, "--to", "f16", "-o", path, "-i", "a"));
    check_refused("there", RUN("quantize", llama, "--to", "q8_0", "-o", path), 1,
                  "there is such a file already; --force writes over it");
    check_refused("itself", RUN("quantize", path, "--to", "q8_0", "--force", "-o", path), 1,
                  "this is the model itself");
    check_ran("force", RUN("quantize", llama, "--to", "BF16", "--force", "-o", path, "-i", "a"));
}

// A number that float16 has no place for is told with its tensor, and the file is not there.
TEST(quantize_numbers_too_large)
{
    const char *folder = kit_folder(A), *from = arena_printf(A, "%s/f", folder),
               *path = arena_printf(A, "%s/m.gguf", folder),
               *weights = arena_printf(A, "%s/model.safetensors", from);
    check_ran(from, RUN("quantize", MODEL_OF_LLAMA, "--to", "f32", "-o", from));
    static const float wrong[] = {1e5F, NAN, 1e9F};
    static const char *const type[] = {"f16", "bf16", "q8_0"},
                             *const says[] = {"holds 100000, which is too large for F16",
                                              "holds NaN or infinity, which BF16 has no place for",
                                              "holds 1e+09, which is too large for Q8_0"};
    for (int i = 0; i < 3; i++) {
        const Str bytes = test_read(A, weights);
        memcpy((char *)(uintptr_t)bytes.s + bytes.n - 4 * 70, &wrong[i],
               4); // in the last tensor, model.norm.weight before it
        const char *name = strstr(bytes.s + 8, "\"lm_head.weight\"");
        const size_t at = 8 + (size_t)(uint8_t)bytes.s[0] + 256 * (size_t)(uint8_t)bytes.s[1];
        CHECK(name != NULL);
        memcpy((char *)(uintptr_t)bytes.s + at, &wrong[i], 4); // the first number: lm_head's
        kit_write(from, "model.safetensors", bytes);
        check_refused(says[i], RUN("quantize", from, "--to", type[i], "-o", path), 1, says[i]);
        CHECK(!file_exists(path));
    }
}

// README's commands, with a small model in the place of the one there: each prints what it says, and leaves what it names.
TEST(quantize_as_readme_says)
{
    static const char *const left[] = {"SmolLM2.Q8_0.gguf", "FOLDER/model.safetensors"};
    const char *folder = kit_folder(A), *line = test_read(A, "README").s;
    char here[4096];
    size_t n = 0;
    CHECK(getcwd(here, sizeof here) && !symlink(arena_printf(A, "%s/%s", here, MODEL_OF_LLAMA),
                                                arena_printf(A, "%s/SmolLM2-135M-Instruct", folder)));
    while ((line = strstr(line, "\n    inseq quantize SmolLM2"))) {
        const char *end = strchr(line + 1, '\n');
        run_in(A, folder, str_zero(A, (Str){line + 11, (size_t)(end - line) - 11}));
        if (n < 2) CHECK(file_exists(arena_printf(A, "%s/%s", folder, left[n])));
        n++, line = end;
    }
    CHECK_INT(n, 2);
}

// ------------------------------------------------------------------------------------------------ angles

// Llama 3's bands become divisors of frequencies, which are then the same to the bit; linear and YaRN have names there.
TEST(quantize_rope_scaling)
{
    static const char *const scaling[] = {
        "{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
        "\"original_max_position_embeddings\":64}",
        "{\"rope_type\":\"linear\",\"factor\":4.0}",
        "{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":64}", "null"};
    static const char *const files[] = {"model.safetensors", "tokenizer.json", "tokenizer_config.json"};
    for (size_t k = 0; k < sizeof scaling / sizeof *scaling; k++) {
        const char *folder = kit_folder(A), *from = arena_printf(A, "%s/f", folder),
                   *file = arena_printf(A, "%s/m.gguf", folder);
        for (int i = 0; i < 3; i++)
            kit_write(from, files[i], test_read(A, arena_printf(A, MODEL_OF_LLAMA "/%s", files[i])));
        const char *config = test_read(A, MODEL_OF_LLAMA "/config.json").s,
                   *at = strstr(config, "\"rope_scaling\": null");
        if (!at) return FAIL("%s", config);
        kit_write(from, "config.json",
                  str_of(arena_printf(A, "%.*s\"rope_scaling\": %s%s", (int)(at - config), config, scaling[k],
                                      at + 20)));
        check_ran(file, RUN("quantize", from, "-q", "--to", "bf16", "-o", file, "-i", "a"));
        Err e = {0};
        const Model *x = nn_open(A, from, (NnOptions){0}, &e), *y = nn_open(A, file, (NnOptions){0}, &e);
        if (!x || !y) return FAIL("%s", e.text);
        const Rotation *p = x->decoder[0].rotation, *q = y->decoder[0].rotation;
        CHECK(p->how.rotated == q->how.rotated && !memcmp(&p->scale, &q->scale, sizeof p->scale));
        if (memcmp(p->frequency, q->frequency, (size_t)p->how.rotated / 2 * sizeof(float)))
            FAIL("%s: other frequencies", scaling[k]);
        else test_count(p->how.rotated / 2);
    }
}

// What is no model is refused as everywhere, and nothing is begun.
TEST(quantize_hostile)
{
    const char *const *name, *folder = kit_folder(A), *to = arena_printf(A, "%s/m", folder);
    const size_t n = dir_list(A, QUANTIZED "hostile", &name);
    for (size_t i = 0; i < n; i += 5) {
        if (!strncmp(name[i], "ok-", 3)) continue;
        const Run r =
            RUN("quantize", arena_printf(A, QUANTIZED "hostile/%s", name[i]), "--to", "f32", "-o", to);
        check_refused(name[i], r, 1, name[i]);
        CHECK_INT(files_in(A, folder), 0);
    }
}
