// SPDX-License-Identifier: Apache-2.0
// t_quantize.c — models written with their weights in another type: what they are worth as float32, whose runs give the same
// bytes as those on the original.
#include "cli.h"
#include "lab.h"

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
                                         "golden/quantized/models/t5-yesno-tiny-q4_0.gguf"};
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
