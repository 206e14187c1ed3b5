// SPDX-License-Identifier: Apache-2.0
// t_gguf.c — GGUF files: every type of blocks bit for bit, by itself and in products; whole models against transformers and
// Inseq on float32 models of the same values; and the same bytes as from such a folder. Data: llama.cpp's and the gguf
// package's (test/golden/quantized).
#include "../nn/files/gguf.h"
#include "../tensor/kern.h"
#include "cli.h"
#include "worth.h"

// ------------------------------------------------------------------------------------------------ blocks

static int type_numbered(uint32_t number)
{
    static const uint32_t numbers[] = {
#define TYPE(name, elements, bytes, number) number,
#include "../tensor/types.def"
#undef TYPE
    };
    for (int i = 0; i < W_TYPES; i++)
        if (numbers[i] == number) return i;
    return -1;
}

static void check_blocks(Arena *A, const Json *row)
{
    static const int64_t few[] = {1, 2, 3, 5, 8, 9, 24, 65};
    const char *path = arena_printf(A, WORTH "%s", worth_text(A, row, "file"));
    const Checkpoint *values = worth_file(A, arena_printf(A, WORTH "%s", worth_text(A, row, "values")));
    Str bytes;
    Err e = {0};
    Gguf g;
    int compared = 0;
    uint64_t state = 5;
    if (!file_map(A, path, &bytes, &e) || !gguf_parse(A, bytes, path, &g, &e)) return FAIL("%s", e.text);
    for (size_t i = 0; i < g.n_tensors; i++) {
        const GgufTensor *t = &g.tensor[i];
        const int type = type_numbered(t->type);
        const Stored *want = checkpoint_find(values, str_zero(A, t->name));
        if (!want) continue;
        const char *what = arena_printf(A, "%s %.*s", path, (int)t->name.n, t->name.s);
        const int64_t cols = (int64_t)t->dim[0], rows = lab_count(want) / cols;
        float *value = arena_new(A, float, rows *cols);
        memcpy(value, want->data, (size_t)(rows * cols) * 4);
        const char *isa[4];
        for (size_t s = 0, n = cpu_isas(isa); s < n; s++) {
            cpu_select(isa[s], NULL);
            worth_widen(what, t->data, type, value, rows * cols, &state);
            for (size_t k = 0; k < sizeof few / sizeof *few; k++)
                for (int back = 0; back < 2; back++)
                    worth_product(A, what, t->data, type, value, rows, cols, few[k], back);
        }
        compared++;
    }
    CHECK(compared >= 2);
    CHECK(str_is(json_get(row, "type")->text, gguf_type_name(g.tensor[0].type)));
}

TEST(gguf_blocks)
{
    int n = 0;
    for (const Json *j = json_get(worth_index(A), "blocks")->child; j; j = j->next, n++) {
        Arena *a = arena_create(A);
        check_blocks(a, j);
        arena_free(a);
    }
    cpu_select(NULL, NULL);
    int types = 0;
    for (int i = 0; i < W_TYPES; i++) types += !type_is_coded((WType)i);
    CHECK_INT(n, types);
}

// ------------------------------------------------------------------------------------------------ whole models

TEST(gguf_models)
{
    int n = 0;
    for (const Json *j = json_get(worth_index(A), "gguf")->child; j; j = j->next, n++) {
        Arena *a = arena_create(A);
        worth_model(a, j);
        arena_free(a);
    }
    CHECK_INT(n, 13);
}

// ------------------------------------------------------------------------------------------------ beside a float32 folder

TEST(gguf_same_bytes_as_float32)
{
    for (const Json *j = json_get(worth_index(A), "gguf")->child; j; j = j->next) {
        Arena *a = arena_create(A);
        worth_bytes(a, arena_printf(a, WORTH "%s", worth_text(a, j, "path")), json_get(j, "cases")->child);
        arena_free(a);
    }
}

// ------------------------------------------------------------------------------------------------ files made here

static Gguf container(Arena *A, const char *name)
{
    const char *path = arena_printf(A, WORTH "%s", name);
    Str bytes;
    Err e = {0};
    Gguf g = {0};
    if (!file_map(A, path, &bytes, &e) || !gguf_parse(A, bytes, path, &g, &e)) FAIL("%s", e.text);
    return g;
}

// The key with another value, a whole number, where it was or (it is new) at the end.
static void set_key(Arena *A, Gguf *g, const char *name, uint32_t value)
{
    Buf b = {.arena = A};
    kit_put(&b, value, 4);
    GgufKey k = {.name = str_of(name), .kind = GGUF_U32, .bytes = buf_view(&b)},
            *there = (GgufKey *)(uintptr_t)gguf_key(g, name), *more = arena_new(A, GgufKey, g->n_keys + 1);
    if (there) *there = k;
    else memcpy(more, g->key, g->n_keys * sizeof k), more[g->n_keys++] = k, g->key = more;
}

static void drop_key(Gguf *g, const char *name)
{
    const GgufKey *k = gguf_key(g, name);
    if (!k) return FAIL("no key %s", name);
    for (size_t i = (size_t)(k - g->key) + 1; i < g->n_keys; i++) g->key[i - 1] = g->key[i];
    g->n_keys--;
}

static void put_string(Buf *b, Str s) { kit_put(b, s.n, 8), buf_str(b, s); }

// The file of these keys, and of `n` tensors from the first on.
static Str written(Arena *A, const Gguf *g, size_t first, size_t n)
{
    const GgufKey *k = gguf_key(g, "general.alignment");
    uint32_t alignment = 32;
    if (k) memcpy(&alignment, k->bytes.s, 4);
    Buf b = {.arena = A}, data = {.arena = A};
    buf_str(&b, STR_LIT("GGUF"));
    kit_put(&b, 3, 4), kit_put(&b, n, 8), kit_put(&b, g->n_keys, 8);
    for (k = g->key; k < g->key + g->n_keys; k++) {
        put_string(&b, k->name), kit_put(&b, k->kind, 4);
        if (k->kind == GGUF_STRING) kit_put(&b, k->bytes.n, 8);
        if (k->kind == GGUF_ARRAY) kit_put(&b, k->of, 4), kit_put(&b, k->n, 8);
        buf_str(&b, k->bytes);
    }
    for (size_t i = 0; i < n; i++) {
        const GgufTensor *t = &g->tensor[first + i];
        put_string(&b, t->name), kit_put(&b, t->rank, 4);
        for (uint32_t d = 0; d < t->rank; d++) kit_put(&b, t->dim[d], 8);
        kit_put(&b, t->type, 4), kit_put(&b, data.n, 8);
        buf_put(&data, t->data, t->bytes);
        while (data.n % alignment) buf_char(&data, 0);
    }
    while (b.n % alignment) buf_char(&b, 0);
    if (data.n) buf_str(&b, buf_view(&data));
    return buf_view(&b);
}

// ------------------------------------------------------------------------------------------------ hostile ones

static void check_hostile(Arena *A, const Json *row)
{
    const char *path = arena_printf(A, WORTH "%s", worth_text(A, row, "file")),
               *name = strrchr(path, '/') + 1;
    const char *level = worth_text(A, row, "level");
    Err e = {0};
    Str bytes;
    Gguf g;
    if (!file_map(A, path, &bytes, &e)) return FAIL("%s", e.text);
    const bool parsed = gguf_parse(A, bytes, path, &g, &e);
    CHECK(parsed == !e.set);
    if (strcmp(level, "container")) CHECK(parsed);
    else CHECK(!parsed);
    if (!strcmp(level, "accept") && !gguf_key(&g, "tokenizer.ggml.tokens"))
        return; // a container without a model
    Run r = RUN("generate", "-m", path, "-i", "a", "--generation_kwargs", "{\"max_new_tokens\":2}");
    if (!strcmp(level, "accept")) return check_ran(path, r);
    check_refused(path, r, 1, name);
    if (!TAKES_AT_MOST(r, 50000)) FAIL("%s: %ld KB", path, r.peak);
}

TEST(gguf_hostile)
{
    int n = 0;
    for (const Json *j = json_get(worth_index(A), "hostile")->child; j; j = j->next, n++) {
        Arena *a = arena_create(A);
        check_hostile(a, j);
        arena_free(a);
    }
    CHECK_INT(n, 149);
}

// Columns that turn, turn in pairs; GPT-2's don't turn, so there a head may be odd.
TEST(gguf_odd_heads)
{
    static const char *const dims = "llama.rope.dimension_count";
    Gguf g = container(A, "hostile/ok-model.gguf");
    Err e = {0};
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/x.gguf", folder);
    if (gguf_key(&g, dims)) drop_key(&g, dims);
    set_key(A, &g, "llama.attention.key_length", 7);
    kit_write(folder, "x.gguf", written(A, &g, 0, g.n_tensors));
    CHECK(!nn_open(A, path, (NnOptions){0}, &e));
    CHECK_HAS(e.text, "llama.attention.head_count makes heads of 7 columns; they turn in pairs");
    g = container(A, "models/gpt2-tiny-q8_0.gguf");
    set_key(A, &g, "gpt2.attention.head_count", 64); // of one column
    kit_write(folder, "x.gguf", written(A, &g, 0, g.n_tensors));
    e = (Err){0};
    if (!nn_open(A, path, (NnOptions){0}, &e)) FAIL("%s", e.text);
}

TEST(gguf_whole_numbers_are_no_weights)
{
    Err e = {0};
    CHECK(!nn_open(A, WORTH "hostile/norm-i32.gguf", (NnOptions){0}, &e));
    CHECK_HAS(e.text, "is of type I32; weights must be floats (F32, F16, BF16, F64) or GGUF's blocks");
    e = (Err){0};
    CHECK(!checkpoint_from_bytes(A, "pytorch_model.bin", STR_LIT("GGUF\3\0\0\0"), &e));
    CHECK_HAS(e.text, "this is a GGUF file; let its name end with .gguf and give it with -m");
}

// A T5 whose every layer has biases of distances is UMT5: they add, where a T5 has one table for all of them.
TEST(gguf_umt5)
{
    Gguf g = container(A, "models/t5-relu-q5_1.gguf");
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/x.gguf", folder);
    const GgufTensor *first = gguf_tensor(&g, "enc.blk.0.attn_rel_b.weight");
    GgufTensor *more = arena_new(A, GgufTensor, g.n_tensors + 1);
    memcpy(more, g.tensor, g.n_tensors * sizeof *more);
    more[g.n_tensors] = *first, more[g.n_tensors++].name = STR_LIT("enc.blk.1.attn_rel_b.weight");
    g.tensor = more;
    for (int k = 0; k < 2; k++) {
        Lab l;
        kit_write(folder, "x.gguf", written(A, &g, 0, g.n_tensors - (k == 0)));
        Arena *a = arena_create(A);
        if (worth_open(a, path, &l) && strcmp(l.f->family, k ? "umt5" : "t5")) FAIL("it is %s", l.f->family);
        else test_count(1);
        arena_free(a);
    }
}

// Cut anywhere, or with any byte changed: an error in words, or a model.
static bool unfolds(Arena *A, Str bytes)
{
    Err e = {0};
    Gguf g;
    Buf config = {.arena = A}, tokenizer = {.arena = A}, tokens = {.arena = A};
    const GgufArch *arch;
    const bool ok = gguf_parse(A, bytes, "x.gguf", &g, &e) && (arch = gguf_arch(&g, &e)) &&
                    gguf_config(A, &g, arch, &config, &e) &&
                    gguf_tokenizer(A, &g, arch, &tokenizer, &tokens, &e);
    CHECK(ok == !e.set);
    if (ok)
        CHECK(json_parse(A, buf_view(&config), "config", &e) &&
              json_parse(A, buf_view(&tokenizer), "tokenizer", &e));
    Err more = {0};
    Checkpoint *c = checkpoint_from_bytes(A, "model.gguf", bytes, &more);
    CHECK((c == NULL) == more.set);
    return ok;
}

TEST(gguf_cut_and_changed)
{
    size_t n;
    const char *text = slurp(A, WORTH "hostile/ok-model.gguf", &n);
    Arena *a = arena_create(A);
    CHECK(unfolds(a, (Str){text, n}));
    for (size_t i = 0; i < n; i += i < 1800 ? 1 : 97) {
        arena_reset(a);
        char *exact = arena_new(a, char, i ? i : 1); // so that a sanitizer sees what is read behind it
        memcpy(exact, text, i);
        CHECK(!unfolds(a, (Str){exact, i}));
    }
    for (size_t i = 0; i < 1800; i++) {
        static const unsigned char with[] = {0, 0xFF, 0x80, 1};
        for (int k = 0; k < 4; k++) {
            arena_reset(a);
            char *changed = arena_new(a, char, n);
            memcpy(changed, text, n);
            changed[i] = (char)(changed[i] ^ with[k]);
            unfolds(a, (Str){changed, n});
        }
    }
    arena_free(a);
}

static bool opens(Arena *A, void *context, Err *e)
{
    Model *m = nn_open(A, context, (NnOptions){0}, e);
    return m && tok_open(A, nn_info(m)->tokenizer, e);
}

TEST(gguf_every_fault)
{
    static const char *const files[] = {"hostile/ok-model.gguf", "models/t5-relu-q5_1.gguf"};
    for (int i = 0; i < 2; i++)
        for (FaultKind k = FAULT_ALLOC; k < FAULT_KINDS; k++)
            test_every_fault(A, k, opens, arena_printf(A, WORTH "%s", files[i]));
}

// ------------------------------------------------------------------------------------------------ as people name it

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

TEST(gguf_by_name)
{
    size_t n;
    const char *text = slurp(A, WORTH "models/llama-tiny-q8_0.gguf", &n), *folder = kit_folder(A);
    Str file = {text, n};
    kit_write(folder, "README.md", STR_LIT("x"));
    kit_write(folder, "tiny.Q8_0.gguf", file);
    Err e = {0};
    CHECK(nn_open(A, folder, (NnOptions){0}, &e));
    kit_write(folder, "tiny-Q4_0.gguf", file);
    CHECK(!nn_open(A, folder, (NnOptions){0}, &e));
    CHECK_HAS(e.text, "tiny-Q4_0.gguf, tiny.Q8_0.gguf");
    static const char *const good[] = {"tiny-Q4_0.gguf", "Q4_0", "q8_0", "tiny.Q8_0.gguf"};
    for (int i = 0; i < 4; i++) {
        e = (Err){0};
        if (!nn_open(A, arena_printf(A, "%s:%s", folder, good[i]), (NnOptions){0}, &e)) FAIL("%s", e.text);
    }
    e = (Err){0};
    CHECK(!nn_open(A, arena_printf(A, "%s:Q5_K_M", folder), (NnOptions){0}, &e));
    CHECK_HAS(e.text, "no GGUF file \"Q5_K_M\" here; there is tiny-Q4_0.gguf, tiny.Q8_0.gguf");
    kit_write(folder, "cache/models--org--tiny-GGUF/snapshots/" COMMIT "/tiny.Q8_0.gguf", file);
    kit_write(folder, "cache/models--org--tiny-GGUF/refs/main", STR_LIT(COMMIT));
    const char *cache = arena_printf(A, "%s/cache", folder);
    e = (Err){0};
    if (!nn_open(A, "org/tiny-GGUF:Q8_0", (NnOptions){.cache_dir = cache}, &e)) FAIL("%s", e.text);
    e = (Err){0};
    if (!nn_open(A, "org/tiny-GGUF", (NnOptions){.cache_dir = cache}, &e)) FAIL("%s", e.text);
}

// GGUF files beside safetensors are taken by name only. A name that none has lists those that are there.
TEST(gguf_beside_safetensors)
{
    static const char *const texts[] = {"model.safetensors", "config.json", "tokenizer.json",
                                        "tokenizer_config.json"};
    static const char *const names[] = {"model.gguf", "tiny.Q8_0.gguf"};
    const char *folder = kit_folder(A), *from = arena_printf(A, "%s/from", folder);
    const Str gguf = test_read(A, WORTH "models/gpt2-tiny-q8_0.gguf");
    Err e = {0};
    Lab l;
    if (!worth_open(A, WORTH "models/llama-tiny-q8_0.gguf", &l)) return;
    worth_write(A, l.f->folder, l.f->family, from);
    for (int k = 0; k < 2; k++) {
        const char *to = arena_printf(A, "%s/%d", folder, k);
        kit_write(to, names[k], gguf);
        if (worth_open(A, to, &l)) CHECK(!strcmp(l.f->family, "gpt2"));
        CHECK(!nn_open(A, arena_printf(A, "%s:Q5_K_M", to), (NnOptions){0}, &e));
        CHECK_HAS(e.text, arena_printf(A, "here; there is %s", names[k]));
        e = (Err){0};
        for (int i = 0; i < 4; i++)
            kit_write(to, texts[i], test_read(A, arena_printf(A, "%s/%s", from, texts[i])));
        if (worth_open(A, to, &l)) CHECK(!strcmp(l.f->family, "llama"));
        if (worth_open(A, arena_printf(A, "%s:%s", to, names[k]), &l)) CHECK(!strcmp(l.f->family, "gpt2"));
    }
    CHECK(!nn_open(A, arena_printf(A, "%s:Q5_K_M", from), (NnOptions){0}, &e));
    CHECK_HAS(e.text, "here; there is nothing of that kind");
}

// A model in two files: the first one names it, or the folder.
TEST(gguf_split)
{
    static const char *const parts[] = {"split-00001-of-00002.gguf", "split-00002-of-00002.gguf"};
    const char *folder = kit_folder(A);
    Err e = {0};
    size_t n;
    CHECK(nn_open(A, WORTH "models/split-00001-of-00002.gguf", (NnOptions){0}, &e));
    CHECK(!nn_open(A, WORTH "models/split-00002-of-00002.gguf", (NnOptions){0}, &e));
    CHECK_HAS(
        e.text,
        "a later part of a model in several files; name the first, which ends with -00001-of-00002.gguf");
    for (int i = 0; i < 2; i++) {
        const char *text = slurp(A, arena_printf(A, WORTH "models/%s", parts[i]), &n);
        kit_write(folder, parts[i], (Str){text, n});
        e = (Err){0};
        CHECK((nn_open(A, folder, (NnOptions){0}, &e) != NULL) == (i == 1));
        if (i == 0) CHECK_HAS(e.text, parts[1]);
    }
}

// In three files of which the first has no tensor: settings that come from tensors are found all the same.
static void check_in_parts(Arena *A, const char *name, Ids source, Ids target)
{
    static const char *const texts[] = {"config.json", "tokenizer.json", "tokenizer_config.json"};
    const char *folder = kit_folder(A), *path[2] = {arena_printf(A, WORTH "models/%s", name),
                                                    arena_printf(A, "%s/x-00001-of-00003.gguf", folder)};
    Gguf g = container(A, path[0] + strlen(WORTH)), later = g;
    const size_t half = g.n_tensors / 2, count[] = {0, half, g.n_tensors - half};
    const Tensor *z[2];
    Str text[2];
    Err e = {0};
    later.n_keys = 0;
    set_key(A, &g, "split.count", 3), set_key(A, &later, "split.no", 1), set_key(A, &later, "split.count", 3);
    for (int i = 0; i < 3; i++)
        kit_write(folder, arena_printf(A, "x-%05d-of-00003.gguf", i + 1),
                  written(A, i ? &later : &g, i == 2 ? half : 0, count[i]));
    for (int k = 0; k < 2; k++) {
        Lab l;
        if (!worth_open(A, path[k], &l)) return;
        z[k] = worth_logits(A, &l, source, target, 0, target.n);
    }
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++)
            if (!file_read(A, arena_printf(A, "%s/%s", path[k], texts[i]), SIZE_MAX, &text[k], &e))
                return FAIL("%s", e.text);
        if (str_eq(text[0], text[1])) test_count(1);
        else FAIL("%s in parts has another %s: %s\n%s", name, texts[i], text[0].s, text[1].s);
    }
    CHECK(z[0]->cols == z[1]->cols && !memcmp(z[0]->f, z[1]->f, (size_t)(target.n * z[0]->cols) * 4));
}

TEST(gguf_split_without_tensors_in_the_first)
{
    static const int32_t some[] = {5, 17, 40, 8, 300, 21};
    const Ids ids = {some, 6}, none = {NULL, 0};
    check_in_parts(A, "llama-rope3-f16.gguf", none, ids);
    check_in_parts(A, "phi3-q8_0.gguf", none, ids);
    check_in_parts(A, "t5-yesno-tiny-q8_0.gguf", ids, ids);
}
