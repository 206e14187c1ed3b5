// SPDX-License-Identifier: Apache-2.0
// t_quantize.c — models written with their weights in another type: what they are worth as float32, whose runs give the same
// bytes as those on the original.
#include "../nn/files/gguf.h"
#include "cli.h"
#include "lab.h"

#include <math.h>

#define QUANTIZED "test/golden/quantized/"

static Str without(Arena *A, const char *text, size_t n, const char *name)
{
    Buf b = {.arena = A};
    const size_t m = strlen(name);
    for (size_t i = 0; i < n;)
        if (i + m <= n && !memcmp(text + i, name, m)) i += m;
        else buf_char(&b, text[i++]);
    return buf_view(&b);
}

// What an attribution saves and prints, and what is generated, but for the model's name. tokenizer: where both find it.
static Str results(Arena *A, const char *folder, const char *model, const char *tokenizer, int k)
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
                           tokenizer ? "--tokenizer" : NULL,
                           tokenizer,
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

static void check_float32(Arena *A, const char *model, const char *tokenizer, const char *adapter)
{
    const char *folder = kit_folder(A), *to = arena_printf(A, "%s/m/", folder);
    const char *words[] = {"quantize", model, "-q", "--to", "f32", "-o", to, adapter ? "--adapter" : NULL,
                           adapter,    NULL};
    check_ran(model, run_with(A, &(Setup){0}, words));
    const Str got = results(A, folder, to, tokenizer, 1), want = results(A, folder, model, tokenizer, 0);
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
                                         "golden/quantized/models/t5-yesno-tiny-bnb8"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        Arena *a = arena_create(A);
        check_float32(a, arena_printf(a, "test/%s", models[i]), NULL, NULL);
        arena_free(a);
    }
}

typedef struct Target {
    const Model *m;
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
    const bool ok = to && nn_write_float32(a, p->m, to, e) && folder_end(to, e);
    arena_free(a);
    const size_t n = dir_list(A, p->above, &name);
    CHECK(n == 0 || (n == 1 && !strcmp(name[0], "m") && dir_list(A, p->to, &name) == 2));
    CHECK(!ok || n == 1);
    return ok;
}

TEST(quantize_every_fault)
{
    Err e = {0};
    Target p = {.m = nn_open(A, QUANTIZED "models/llama-tiny-mix.gguf", (NnOptions){0}, &e),
                .above = kit_folder(A)};
    p.to = arena_printf(A, "%s/m", p.above);
    for (FaultKind k = FAULT_ALLOC; k < FAULT_KINDS; k++) test_every_fault(A, k, writes_anew, &p);
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
            const Str got = results(a, folder, to, NULL, 1), want = results(a, folder, file, NULL, 0);
            if (str_eq(got, want) && want.n > 500) test_count(1);
            else FAIL("%s as %s: other results than from its float32 folder", sources[i], type[k]);
            arena_free(a);
        }
}

// Folders in codes: a file of them holds what one of their float32 folders does.
TEST(quantize_from_codes)
{
    static const char *const models[] = {"gpt2-small-bnb8", "llama-cut-nf4", "t5-yesno-tiny-bnb8"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const char *folder = kit_folder(A), *codes = arena_printf(A, QUANTIZED "models/%s", models[i]),
                   *from = arena_printf(A, "%s/f", folder),
                   *file[2] = {arena_printf(A, "%s/0.gguf", folder), arena_printf(A, "%s/1.gguf", folder)};
        check_ran(from, RUN("quantize", codes, "-q", "--to", "f32", "-o", from));
        check_ran(file[0], RUN("quantize", codes, "-q", "--to", "q5_0", "-o", file[0]));
        check_ran(file[1], RUN("quantize", from, "-q", "--to", "q5_0", "-o", file[1]));
        const Str got = test_read(A, file[0]), want = test_read(A, file[1]);
        if (str_eq(got, want)) test_count((long)want.n);
        else FAIL("%s: another file than from float32", models[i]);
    }
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
