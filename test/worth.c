// SPDX-License-Identifier: Apache-2.0
// worth.c — see worth.h.
#include "worth.h"

#include <math.h>

#include "../tensor/kern.h"
#include "cli.h"

const Json *worth_index(Arena *A) { return test_json(A, WORTH "index.json"); }

const char *worth_text(Arena *A, const Json *j, const char *key)
{
    return str_zero(A, json_get(j, key)->text);
}

const Checkpoint *worth_file(Arena *A, const char *path)
{
    Str bytes;
    Err e = {0};
    const Checkpoint *c =
        file_map(A, path, &bytes, &e) ? checkpoint_from_bytes(A, "model.safetensors", bytes, &e) : NULL;
    if (!c) FAIL("%s: %s", path, e.text);
    return c;
}

// ------------------------------------------------------------------------------------------------ weights

void worth_widen(const char *what, const void *raw, int type, const float *want, int64_t n, uint64_t *state)
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
void worth_product(Arena *A, const char *what, const void *raw, int type, const float *value, int64_t rows,
                   int64_t cols, int64_t x_rows, bool back)
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
        const bool few = x_rows <= FEW;
        if (back)
            K->gemm_nn(c[k], out, few ? x : packed, few ? in : 0, few ? 1 : 0, x_rows, w, t, cols, 0, out,
                       out, in, false);
        else
            K->gemm_nt(c[k], out, few ? x : packed, few ? in : 0, x_rows, w, t, cols, 0, out, out, in, false);
    }
    for (int64_t i = 0; i < x_rows * out; i++)
        if (memcmp(&c[0][i], &c[1][i], 4) && !(isnan(c[0][i]) && isnan(c[1][i])))
            return FAIL("%s, %s: %" PRId64 " rows %s: number %" PRId64 " is %.9g, expected %.9g", what,
                        cpu_isa(), x_rows, back ? "back" : "forward", i, (double)c[0][i], (double)c[1][i]);
    test_count(x_rows * out);
}

// ------------------------------------------------------------------------------------------------ whole models

static bool is_gguf(const char *model) { return str_ends(str_of(model), STR_LIT(".gguf")); }

bool worth_open(Arena *A, const char *path, Lab *l)
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
            FAIL("%s: no %.*s", worth_text(A, row, "name"), (int)j->key.n, j->key.s);
            continue;
        }
        const float *v = as_there(A, s, family, dim);
        sha256_hex((Str){(const char *)v, (size_t)lab_count(s) * 4}, hex);
        hex[16] = 0;
        if (str_is(j->text, hex)) test_count(1);
        else FAIL("%s: %.*s has other bits", worth_text(A, row, "name"), (int)j->key.n, j->key.s);
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

const Tensor *worth_logits(Arena *A, const Lab *l, Ids source, Ids target, int64_t first, int64_t n)
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
    const Stored *want = lab_tensor(golden, worth_text(A, row, "logits"));
    const double atol = json_get(row, "atol")->number;
    const int64_t first = json_get(row, "logits_rows")->child->i, n = want->dim[0];
    const Tensor *z = worth_logits(A, l, source, target, first, n);
    CHECK_INT(lab_count(want), n * z->cols);
    for (int64_t i = 0; i < n * z->cols && i < lab_count(want); i++)
        if (!(fabs((double)z->f[i] - lab_at(want, i)) <= atol))
            return FAIL("%s: logit %" PRId64 " is %.9g, expected %.9g within %.2g", l->f->name, i,
                        (double)z->f[i], lab_at(want, i), atol);
    test_count(lab_count(want));
}

static void check_attribution(Arena *A, const char *model, const Json *row)
{
    const char *file = worth_text(A, row, "attribution"), *out = arena_printf(A, "%s/x.json", kit_folder(A));
    const Json *tolerance = json_get(row, "tolerance"), *target = json_get(row, "attribute_target");
    size_t n;
    Attribution got, want;
    Err e = {0};
    Run r = RUN("attribute", "-q", "-m", model, "-i", worth_text(A, row, "source"), "-g",
                worth_text(A, row, "target"), "-a", worth_text(A, row, "method"), "--step_scores",
                "probability", "--save_aggregated", "--hide", "-o", out, "--attribute_target",
                target->kind == J_TRUE ? "true" : "false");
    check_ran(file, r);
    const char *path = arena_printf(A, WORTH "%s", file), *text = slurp(A, path, &n);
    if (!attr_from_json(A, (Str){text, n}, path, &want, &e) ||
        !attr_from_json(A, str_of(slurp(A, out, NULL)), out, &got, &e))
        return FAIL("%s", e.text);
    Case c = {.scores = {json_get(tolerance, "atol")->number, 1e-5},
              .steps = {json_get(tolerance, "step_atol")->number, 1e-5}};
    lab_compare(A, &c, file, &got, &want);
}

void worth_model(Arena *A, const Json *row)
{
    const char *path = arena_printf(A, WORTH "%s", worth_text(A, row, "path")),
               *file = worth_text(A, row, "logits_file");
    const char *slash = strrchr(file, '/');
    Lab l;
    Err e = {0};
    if (!worth_open(A, path, &l)) return;
    CHECK(str_is(json_get(row, "family")->text, l.f->family));
    const char *folder = is_gguf(path) ? l.f->folder : arena_printf(A, "%s/f32", kit_folder(A));
    if (!is_gguf(path)) worth_write(A, path, l.f->family, folder);
    const Checkpoint *c = checkpoint_open(A, folder, &e),
                     *golden = worth_file(A, arena_printf(A, WORTH "cases/%s", slash ? slash + 1 : file));
    if (!c) return FAIL("%s", e.text);
    check_weights(A, c, row, is_gguf(path) ? l.f->family : "");
    const Json *encoded = json_get(row, "encoded");
    for (const Json *j = encoded ? encoded->child : NULL; j; j = j->next) {
        Encoding x;
        if (!tok_encode(A, l.t, json_get(j, "text")->text, (TokOptions){0}, &x, &e)) FAIL("%s", e.text);
        else same_ids(worth_text(A, j, "text"), x.ids, (int64_t)x.n, lab_list(A, json_get(j, "ids")));
    }
    for (const Json *j = json_get(row, "cases")->child; j; j = j->next) {
        const Ids source = lab_list(A, json_get(j, l.f->encoder_decoder ? "source_ids" : "prompt_ids"));
        check_generated(A, &l, j, source);
        check_logits(A, &l, j, source, golden);
        if (json_get(j, "attribution")) check_attribution(A, path, j);
    }
}

// ------------------------------------------------------------------------------------------------ beside a float32 folder

void worth_write(Arena *A, const char *file, const char *family, const char *to)
{
    if (!is_gguf(file)) {
        const Run r = RUN("quantize", file, "--to", "f32", "-o", to); // which may have notes
        if (r.code) FAIL("%s: %s", file, r.err);
        return;
    }
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

void worth_bytes(Arena *A, const char *file, const Json *row)
{
    const char *folder = kit_folder(A), *model[2] = {file, arena_printf(A, "%s/m", folder)};
    Str saved[2], printed[2], said[2];
    Lab l;
    if (!worth_open(A, file, &l)) return;
    worth_write(A, file, l.f->family, model[1]);
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
                                               worth_text(A, row, "source"),
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
                                           worth_text(A, row, "source"), "--generation_kwargs",
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
