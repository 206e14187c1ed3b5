// SPDX-License-Identifier: Apache-2.0
// t_gguf.c — GGUF files: every type of blocks bit for bit, by itself and in products; whole models against transformers and
// Inseq on float32 models of the same values; and the same bytes as from such a folder. Data: llama.cpp's and the gguf
// package's (test/golden/quantized).
#include "../nn/files/gguf.h"
#include "../tensor/kern.h"
#include "../tools/sha256.h"
#include "cli.h"
#include "lab.h"

#include <math.h>

#define FOLDER "test/golden/quantized/"

static const Json *index_of(Arena *A) { return test_json(A, FOLDER "index.json"); }

static const char *text_at(Arena *A, const Json *j, const char *key)
{
    return str_zero(A, json_get(j, key)->text);
}

static const Checkpoint *safetensors(Arena *A, const char *path)
{
    Str bytes;
    Err e = {0};
    const Checkpoint *c =
        file_map(A, path, &bytes, &e) ? checkpoint_from_bytes(A, "model.safetensors", bytes, &e) : NULL;
    if (!c) FAIL("%s: %s", path, e.text);
    return c;
}

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

static void check_widen(const char *what, const void *raw, int type, const float *want, int64_t n,
                        uint64_t *state)
{
    float *got = malloc((size_t)n * 4);
    for (int k = 0; k < 12; k++) {
        const int64_t at = k ? (int64_t)(num_random(*state, (uint64_t)k) % (uint64_t)n) : 0,
                      m = k ? 1 + (int64_t)(num_random(*state, (uint64_t)k + 99) % (uint64_t)(n - at)) : n;
        K->widen(got, raw, type, at, m);
        if (memcmp(got, want + at, (size_t)m * 4))
            FAIL("%s, %s: values %" PRId64 " to %" PRId64 " differ", what, cpu_isa(), at, at + m);
        else test_count(m);
    }
    *state += 1000;
    free(got);
}

// A product with the blocks and the same with their values, forward with so many rows, or back.
static void check_product(Arena *A, const char *what, const void *raw, int type, const float *value,
                          int64_t rows, int64_t cols, int64_t x_rows, bool back)
{
    const int64_t in = back ? rows : cols, out = back ? cols : rows;
    float *x = arena_new(A, float, x_rows *in + 1), *c[2],
          *packed = arena_new(A, float, packed_size(x_rows, in) + 1);
    for (int64_t i = 0; i < x_rows * in; i++) x[i] = (float)(num_random(7, (uint64_t)i) % 2001) / 1000 - 1;
    K->pack(packed, x, in, 1, x_rows, in, 0, x_rows);
    for (int k = 0; k < 2; k++) {
        const void *w = k ? (const void *)value : raw;
        const int t = k ? W_F32 : type;
        c[k] = arena_new(A, float, x_rows *out + 1);
        if (back) K->gemm_nn(c[k], out, packed, 0, 0, x_rows, w, t, cols, 0, out, out, in, false);
        else
            K->gemm_nt(c[k], out, x_rows > FEW ? packed : x, x_rows > FEW ? 0 : in, x_rows, w, t, cols, 0,
                       out, out, in, false);
    }
    for (int64_t i = 0; i < x_rows * out; i++)
        if (memcmp(&c[0][i], &c[1][i], 4) && !(isnan(c[0][i]) && isnan(c[1][i])))
            return FAIL("%s, %s: %" PRId64 " rows %s: number %" PRId64 " is %.9g, expected %.9g", what,
                        cpu_isa(), x_rows, back ? "back" : "forward", i, (double)c[0][i], (double)c[1][i]);
    test_count(x_rows * out);
}

static void check_blocks(Arena *A, const Json *row)
{
    static const int64_t few[] = {1, 2, 3, 5, 8, 9, 24, 65};
    const char *path = arena_printf(A, FOLDER "%s", text_at(A, row, "file"));
    const Checkpoint *values = safetensors(A, arena_printf(A, FOLDER "%s", text_at(A, row, "values")));
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
            check_widen(what, t->data, type, value, rows * cols, &state);
            for (size_t k = 0; k < sizeof few / sizeof *few; k++)
                for (int back = 0; back < 2; back++)
                    check_product(A, what, t->data, type, value, rows, cols, few[k], back);
        }
        compared++;
    }
    CHECK(compared >= 2);
    CHECK(str_is(json_get(row, "type")->text, gguf_type_name(g.tensor[0].type)));
}

TEST(gguf_blocks)
{
    int n = 0;
    for (const Json *j = json_get(index_of(A), "blocks")->child; j; j = j->next, n++) {
        Arena *a = arena_create(A);
        check_blocks(a, j);
        arena_free(a);
    }
    cpu_select(NULL, NULL);
    CHECK_INT(n, W_TYPES);
}

// ------------------------------------------------------------------------------------------------ whole models

static bool open_model(Arena *A, const char *path, Lab *l)
{
    Err e = {0};
    *l = (Lab){.m = nn_open(A, path, (NnOptions){0}, &e)};
    if (l->m) l->f = nn_info(l->m), l->t = tok_open(A, l->f->tokenizer, &e);
    if (!l->t) FAIL("%s: %s", path, e.text);
    return l->t != NULL;
}

// Tensors of a model as float32 in transformers' layout: GPT-2's matrices [in, out], Gemma's norms without the one.
static float *as_there(Arena *A, const Stored *s, const char *family, int64_t dim[2])
{
    const int64_t n = lab_count(s);
    float *v = arena_new(A, float, n), *t = arena_new(A, float, n);
    num_widen(v, s->data, (WType)s->dtype, 0, n);
    for (int k = 0; k < s->rank; k++) dim[k] = s->dim[k];
    if (str_starts(str_of(family), STR_LIT("gemma")) && s->rank == 1)
        for (int64_t i = 0; i < n; i++) v[i] -= 1;
    const Str name = s->name;
    if (strcmp(family, "gpt2") || s->rank != 2 || !str_starts(name, STR_LIT("transformer.h."))) return v;
    for (int64_t i = 0; i < n; i++) t[i % s->dim[1] * s->dim[0] + i / s->dim[1]] = v[i];
    dim[0] = s->dim[1], dim[1] = s->dim[0];
    return t;
}

static void check_weights(Arena *A, const Checkpoint *c, const Json *row, const char *family)
{
    int tied = 0;
    for (const Json *j = json_get(row, "weights_sha256")->child; j; j = j->next) {
        char hex[65];
        int64_t dim[2];
        const Stored *s = checkpoint_find(c, str_zero(A, j->key));
        if (!s)
            s = checkpoint_find(c,
                                arena_printf(A, "transformer.%s", str_zero(A, j->key))); // saved without it
        if (!s && (str_ends(j->key, STR_LIT("embed_tokens.weight")) || str_is(j->key, "lm_head.weight")) &&
            tied++ < 3)
            continue;
        if (!s) {
            FAIL("%s: no %.*s", text_at(A, row, "name"), (int)j->key.n, j->key.s);
            continue;
        }
        const float *v = as_there(A, s, family, dim);
        sha256_hex((Str){(const char *)v, (size_t)lab_count(s) * 4}, hex);
        hex[16] = 0;
        if (str_is(j->text, hex)) test_count(1);
        else FAIL("%s: %.*s has other bits", text_at(A, row, "name"), (int)j->key.n, j->key.s);
    }
}

static bool same_ids(const char *what, const int32_t *got, int64_t n, Ids want)
{
    bool same = n == want.n && !memcmp(got, want.v, (size_t)n * 4);
    if (same) test_count(n);
    else FAIL("%s: %" PRId64 " ids, expected %" PRId64 "; or one differs", what, n, want.n);
    return same;
}

static void check_generated(Arena *A, const Lab *l, const Json *row, Ids source)
{
    const Ids want = lab_list(A, json_get(row, "generated"));
    const GenConfig *g;
    Err e = {0};
    Generated out = {0};
    const char *args = arena_printf(A, "{\"max_length\":%" PRId64 "}", want.n);
    if (!nn_generation(A, l->m, json_parse(A, str_of(args), "", &e), &g, &e) ||
        !nn_generate(A, l->m, g, 1, &source, NULL, &out, NULL, NULL, &e))
        return FAIL("%s", e.text);
    same_ids("generated", out.ids, out.n, want);
}

static const Tensor *logits_of(Arena *A, const Lab *l, Ids source, Ids target, int64_t first, int64_t n)
{
    const int64_t D = l->f->width;
    Tape *t = tape_create(A);
    Rows *ys = rows_make(A, 1, &target.n), *xs = source.n ? rows_make(A, 1, &source.n) : NULL;
    Tensor *y = tn_new(t, target.n, D, ys), *x = l->f->encoder_decoder ? tn_new(t, source.n, D, xs) : NULL;
    nn_embed(l->m, target, true, y->f);
    if (x) nn_embed(l->m, source, false, x->f);
    Pass p;
    nn_forward(l->m, t, x, y, NULL, &p);
    int64_t *rows = arena_new(A, int64_t, n);
    for (int64_t i = 0; i < n; i++) rows[i] = first + i;
    return nn_logits(l->m, t, &p, rows, rows_make(A, 1, &n));
}

static void check_logits(Arena *A, const Lab *l, const Json *row, Ids source, const Checkpoint *golden)
{
    const Ids target = lab_list(A, json_get(row, "target_ids"));
    const Stored *want = lab_tensor(golden, text_at(A, row, "logits"));
    const double atol = json_get(row, "atol")->number;
    const int64_t first = json_get(row, "logits_rows")->child->i, n = want->dim[0];
    const Tensor *z = logits_of(A, l, source, target, first, n);
    CHECK_INT(lab_count(want), n * z->cols);
    for (int64_t i = 0; i < n * z->cols && i < lab_count(want); i++)
        if (!(fabs((double)z->f[i] - lab_at(want, i)) <= atol))
            return FAIL("%s: logit %" PRId64 " is %.9g, expected %.9g within %.2g", l->f->name, i,
                        (double)z->f[i], lab_at(want, i), atol);
    test_count(lab_count(want));
}

static void check_attribution(Arena *A, const char *model, const Json *row)
{
    const char *file = text_at(A, row, "attribution"), *out = arena_printf(A, "%s/x.json", kit_folder(A));
    const Json *tolerance = json_get(row, "tolerance"), *target = json_get(row, "attribute_target");
    size_t n;
    Attribution got, want;
    Err e = {0};
    Run r =
        RUN("attribute", "-q", "-m", model, "-i", text_at(A, row, "source"), "-g", text_at(A, row, "target"),
            "-a", text_at(A, row, "method"), "--step_scores", "probability", "--save_aggregated", "--hide",
            "-o", out, "--attribute_target", target->kind == J_TRUE ? "true" : "false");
    check_ran(file, r);
    const char *path = arena_printf(A, FOLDER "%s", file), *text = slurp(A, path, &n);
    if (!attr_from_json(A, (Str){text, n}, path, &want, &e) ||
        !attr_from_json(A, str_of(slurp(A, out, NULL)), out, &got, &e))
        return FAIL("%s", e.text);
    Case c = {.scores = {json_get(tolerance, "atol")->number, 1e-5},
              .steps = {json_get(tolerance, "step_atol")->number, 1e-5}};
    lab_compare(A, &c, file, &got, &want);
}

static void check_model(Arena *A, const Json *row)
{
    const char *path = arena_printf(A, FOLDER "%s", text_at(A, row, "path")),
               *file = text_at(A, row, "logits_file");
    const char *slash = strrchr(file, '/');
    Lab l;
    Err e = {0};
    if (!open_model(A, path, &l)) return;
    CHECK(str_is(json_get(row, "family")->text, l.f->family));
    const Checkpoint *c = checkpoint_open(A, l.f->folder, &e),
                     *golden = safetensors(A, arena_printf(A, FOLDER "cases/%s", slash ? slash + 1 : file));
    if (!c) return FAIL("%s", e.text);
    check_weights(A, c, row, l.f->family);
    const Json *encoded = json_get(row, "encoded");
    for (const Json *j = encoded ? encoded->child : NULL; j; j = j->next) {
        Encoding x;
        if (!tok_encode(A, l.t, json_get(j, "text")->text, (TokOptions){0}, &x, &e)) FAIL("%s", e.text);
        else same_ids(text_at(A, j, "text"), x.ids, (int64_t)x.n, lab_list(A, json_get(j, "ids")));
    }
    for (const Json *j = json_get(row, "cases")->child; j; j = j->next) {
        const Ids source = lab_list(A, json_get(j, l.f->encoder_decoder ? "source_ids" : "prompt_ids"));
        check_generated(A, &l, j, source);
        check_logits(A, &l, j, source, golden);
        if (json_get(j, "attribution")) check_attribution(A, path, j);
    }
}

TEST(gguf_models)
{
    int n = 0;
    for (const Json *j = json_get(index_of(A), "gguf")->child; j; j = j->next, n++) {
        Arena *a = arena_create(A);
        check_model(a, j);
        arena_free(a);
    }
    CHECK_INT(n, 13);
}

// ------------------------------------------------------------------------------------------------ beside a float32 folder

// A folder as transformers would save the model, with the values of the file.
static void write_folder(Arena *A, const char *file, const char *family, const char *to)
{
    static const char *const texts[] = {"config.json", "tokenizer.json", "tokenizer_config.json"};
    Err e = {0};
    Str text;
    Buf head = {.arena = A}, data = {.arena = A}, all = {.arena = A};
    for (int i = 0; i < 3; i++)
        if (!file_read(A, arena_printf(A, "%s/%s", file, texts[i]), SIZE_MAX, &text, &e)) FAIL("%s", e.text);
        else kit_write(to, texts[i], text);
    const Checkpoint *c = checkpoint_open(A, file, &e);
    for (size_t i = 0; c && i < c->n; i++) {
        int64_t dim[2];
        const float *v = as_there(A, &c->tensor[i], family, dim);
        const size_t n = (size_t)lab_count(&c->tensor[i]) * 4;
        buf_str(&head, i ? STR_LIT(",") : STR_LIT("{"));
        buf_json(&head, c->tensor[i].name);
        buf_printf(&head, ":{\"dtype\":\"F32\",\"shape\":[%" PRId64, dim[0]);
        if (c->tensor[i].rank > 1) buf_printf(&head, ",%" PRId64, dim[1]);
        buf_printf(&head, "],\"data_offsets\":[%zu,%zu]}", data.n, data.n + n);
        buf_put(&data, v, n);
    }
    buf_char(&head, '}');
    kit_put(&all, head.n, 8);
    buf_str(&all, buf_view(&head)), buf_str(&all, buf_view(&data));
    kit_write(to, "model.safetensors", buf_view(&all));
}

static Str without(Arena *A, const char *text, size_t n, const char *name)
{
    Buf b = {.arena = A};
    const size_t m = strlen(name);
    for (size_t i = 0; i < n;)
        if (i + m <= n && !memcmp(text + i, name, m)) i += m;
        else buf_char(&b, text[i++]);
    return buf_view(&b);
}

static void check_bytes(Arena *A, const char *file, const Json *row)
{
    const char *folder = kit_folder(A), *model[2] = {file, arena_printf(A, "%s/m", folder)};
    Str saved[2], printed[2], said[2];
    Lab l;
    if (!open_model(A, file, &l)) return;
    write_folder(A, file, l.f->family, model[1]);
    static const char *const isas[] = {"INSEQ_ISA=scalar", NULL}, *const threads[] = {"1", "3"};
    for (int k = 0; k < 2; k++) { // the file with one set and number of threads, the folder with another
        const char *out = arena_printf(A, "%s/%d.json", folder, k);
        size_t n;
        Setup s = {.env = {isas[k]}};
        Run r = run_with(A, &s,
                         (const char *const[]){"attribute",
                                               "-q",
                                               "-m",
                                               model[k],
                                               "-t",
                                               threads[k],
                                               "-i",
                                               text_at(A, row, "source"),
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
                                               NULL});
        check_ran(model[k], r);
        printed[k] = without(A, r.out, r.n_out, model[k]);
        const char *text = slurp(A, out, &n);
        saved[k] = without(A, text, n, model[k]);
        r = run_with(A, &s,
                     (const char *const[]){"generate", "-q", "-m", model[k], "--json", "-i",
                                           text_at(A, row, "source"), "--generation_kwargs",
                                           "{\"max_new_tokens\":6}", NULL});
        check_ran(model[k], r);
        said[k] = (Str){r.out, r.n_out};
    }
    if (str_eq(saved[0], saved[1]) && str_eq(printed[0], printed[1]) && str_eq(said[0], said[1]))
        test_count(3);
    else
        FAIL("%s: another result than from float32 (saved %d, printed %d, generated %d)", file,
             str_eq(saved[0], saved[1]), str_eq(printed[0], printed[1]), str_eq(said[0], said[1]));
}

TEST(gguf_same_bytes_as_float32)
{
    for (const Json *j = json_get(index_of(A), "gguf")->child; j; j = j->next) {
        Arena *a = arena_create(A);
        check_bytes(a, arena_printf(a, FOLDER "%s", text_at(a, j, "path")), json_get(j, "cases")->child);
        arena_free(a);
    }
}

// ------------------------------------------------------------------------------------------------ files made here

static Gguf container(Arena *A, const char *name)
{
    const char *path = arena_printf(A, FOLDER "%s", name);
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
    const char *path = arena_printf(A, FOLDER "%s", text_at(A, row, "file")), *name = strrchr(path, '/') + 1;
    const char *level = text_at(A, row, "level");
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
    for (const Json *j = json_get(index_of(A), "hostile")->child; j; j = j->next, n++) {
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
    CHECK(!nn_open(A, FOLDER "hostile/norm-i32.gguf", (NnOptions){0}, &e));
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
        if (open_model(a, path, &l) && strcmp(l.f->family, k ? "umt5" : "t5")) FAIL("it is %s", l.f->family);
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
    const char *text = slurp(A, FOLDER "hostile/ok-model.gguf", &n);
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
            test_every_fault(A, k, opens, arena_printf(A, FOLDER "%s", files[i]));
}

// ------------------------------------------------------------------------------------------------ as people name it

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

TEST(gguf_by_name)
{
    size_t n;
    const char *text = slurp(A, FOLDER "models/llama-tiny-q8_0.gguf", &n), *folder = kit_folder(A);
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
    const Str gguf = test_read(A, FOLDER "models/gpt2-tiny-q8_0.gguf");
    Err e = {0};
    Lab l;
    if (!open_model(A, FOLDER "models/llama-tiny-q8_0.gguf", &l)) return;
    write_folder(A, l.f->folder, l.f->family, from);
    for (int k = 0; k < 2; k++) {
        const char *to = arena_printf(A, "%s/%d", folder, k);
        kit_write(to, names[k], gguf);
        if (open_model(A, to, &l)) CHECK(!strcmp(l.f->family, "gpt2"));
        CHECK(!nn_open(A, arena_printf(A, "%s:Q5_K_M", to), (NnOptions){0}, &e));
        CHECK_HAS(e.text, arena_printf(A, "here; there is %s", names[k]));
        e = (Err){0};
        for (int i = 0; i < 4; i++)
            kit_write(to, texts[i], test_read(A, arena_printf(A, "%s/%s", from, texts[i])));
        if (open_model(A, to, &l)) CHECK(!strcmp(l.f->family, "llama"));
        if (open_model(A, arena_printf(A, "%s:%s", to, names[k]), &l)) CHECK(!strcmp(l.f->family, "gpt2"));
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
    CHECK(nn_open(A, FOLDER "models/split-00001-of-00002.gguf", (NnOptions){0}, &e));
    CHECK(!nn_open(A, FOLDER "models/split-00002-of-00002.gguf", (NnOptions){0}, &e));
    CHECK_HAS(
        e.text,
        "a later part of a model in several files; name the first, which ends with -00001-of-00002.gguf");
    for (int i = 0; i < 2; i++) {
        const char *text = slurp(A, arena_printf(A, FOLDER "models/%s", parts[i]), &n);
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
    const char *folder = kit_folder(A), *path[2] = {arena_printf(A, FOLDER "models/%s", name),
                                                    arena_printf(A, "%s/x-00001-of-00003.gguf", folder)};
    Gguf g = container(A, path[0] + strlen(FOLDER)), later = g;
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
        if (!open_model(A, path[k], &l)) return;
        z[k] = logits_of(A, &l, source, target, 0, target.n);
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
