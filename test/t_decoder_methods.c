// SPDX-License-Identifier: Apache-2.0
// t_decoder_methods.c — methods on decoder-only models of every family: that each method runs on each, and what it gives
// against the methods' formulas in PyTorch's float64 on transformers' models (tools/oracle/decoder_methods.py).
#include "../attr/run.h"
#include "lab.h"

#include <dirent.h>
#include <math.h>

#define DECODERS "test/golden/decoders"

typedef struct Text {
    const Model *m;
    Pair p;
} Text;

// The ids of a folder's golden pass: all but the last `steps` are the prompt.
static bool open_text(Arena *A, const char *name, int64_t steps, Text *out)
{
    Err e = {0};
    const Checkpoint *c = lab_tensors(A, arena_printf(A, "../decoders/%s/golden.safetensors", name));
    out->m = nn_open(A, arena_printf(A, DECODERS "/%s", name), (NnOptions){0}, &e);
    if (!c || !out->m) return FAIL("%s: %s", name, e.text), false;
    Ids all = lab_ids(A, lab_tensor(c, "ids"));
    Token *t = arena_new(A, Token, all.n);
    for (int64_t i = 0; i < all.n; i++)
        t[i] = (Token){.id = all.v[i], .text = str_of(arena_printf(A, "▁%d", all.v[i]))};
    out->p = (Pair){.source = {all.v, all.n - steps}, .target = all, .source_tokens = t, .target_tokens = t};
    return true;
}

static bool attributed(Arena *A, const Text *t, const char *method, const char *args, Sequence *out, Err *e)
{
    AttrOptions o = attr_defaults();
    o.method = method, o.unk = 3, o.eos = 2, o.bos = 1, o.attributed_fn = "logit";
    if (args) o.method_args = json_parse(A, str_of(args), "arguments", e);
    return attr_run(A, t->m, &o, &t->p, 1, out, e);
}

static const char **folders(Arena *A, size_t *n)
{
    const char **name = arena_new(A, const char *, 200);
    DIR *d = opendir(DECODERS);
    for (struct dirent *x; d && (x = readdir(d)) && *n < 200;)
        if (x->d_name[0] != '.') name[(*n)++] = arena_printf(A, "%s", x->d_name);
    if (d) closedir(d);
    return name;
}

static bool numbers(const Scores *s, int64_t from)
{
    bool other = false;
    int64_t each = 1;
    for (int k = 2; k < s->rank; k++) each *= s->dim[k];
    for (int64_t i = 0; s->v && i < s->dim[0]; i++)
        for (int64_t c = 0; c < s->dim[1]; c++)
            for (int64_t k = 0; k < each; k++) {
                float v = run_cell(s, i, c)[k];
                if (isnan(v) != (i >= from + c) || isinf(v)) return false;
                other |= v != 0 && !isnan(v);
            }
    return other;
}

// A number for each token that a step sees, and not all 0.
TEST(decoder_methods_run)
{
    const Entry *method;
    size_t n = 0, methods = attr_method_list(&method);
    const char **name = folders(A, &n);
    const char *args =
        "{\"n_steps\": 3, \"n_samples\": 4, \"n_neighbors\": 5, \"max_probe_steps\": 3, \"num_probes\": 2}";
    for (size_t i = 0; i < n; i++) {
        Arena *a = arena_create(A);
        Text t;
        if (!open_text(a, name[i], 3, &t)) return;
        for (size_t k = 0; k < methods; k++) {
            Arena *b = arena_create(a);
            Sequence s;
            Err e = {0};
            bool none = !strcmp(method[k].name, "dummy") || !strcmp(method[k].name, "expected_gradients");
            if (!attributed(b, &t, method[k].name, args, &s, &e)) {
                if (strcmp(method[k].name, "expected_gradients"))
                    FAIL("%s, %s: %s", name[i], method[k].name, e.text);
            } else if (!none &&
                       (s.source_attributions.v || !numbers(&s.target_attributions, s.attr_pos_start)))
                FAIL("%s, %s: NaN where a number should be, or all 0", name[i], method[k].name);
            else test_count(1);
            arena_free(b);
        }
        arena_free(a);
    }
    CHECK(n >= 39);
}

// Each number within a share of the tensor's largest; NaN where a token is not seen.
static void compare(const char *what, const Scores *got, const Stored *want, double share)
{
    int64_t n = got->v ? 1 : 0;
    double size = 0;
    for (int k = 0; k < got->rank; k++) n *= got->dim[k];
    CHECK_INT(lab_count(want), n);
    for (int64_t i = 0; i < n && i < lab_count(want); i++)
        if (!isnan(lab_at(want, i))) size = fmax(size, fabs(lab_at(want, i)));
    CHECK(size > 0);
    for (int64_t i = 0; i < n && lab_count(want) == n; i++) {
        double v = (double)got->v[i], w = lab_at(want, i);
        if (isnan(w) ? !isnan(v) : !(fabs(v - w) <= share * size))
            return FAIL("%s: [%" PRId64 "] %.9g, want %.9g within %.3g", what, i, v, w, share * size),
                   (void)0;
    }
    test_count(n);
}

TEST(decoder_methods_golden)
{
    static const struct {
        const char *method, *args;
        double share;
    } methods[] = {{"attention_rollout", NULL, 1e-6},
                   {"attention_x_norm", NULL, 4e-6},
                   {"gradient_x_attention", NULL, 1e-5},
                   {"alti", NULL, 1e-5},
                   {"alti_logit", NULL, 1e-5},
                   {"value_zeroing", "{\"similarity_metric\": \"euclidean\"}", 1e-5},
                   {"attn_lrp", NULL, 1e-5}};
    size_t n = 0;
    const char **name = folders(A, &n);
    int compared = 0;
    for (size_t i = 0; i < n; i++) {
        Arena *a = arena_create(A);
        Text t;
        if (!file_exists(arena_printf(a, DECODERS "/%s/methods.safetensors", name[i]))) continue;
        const Checkpoint *c = lab_tensors(a, arena_printf(a, "../decoders/%s/methods.safetensors", name[i]));
        if (!c || !open_text(a, name[i], 3, &t)) return;
        for (size_t k = 0; k < sizeof methods / sizeof *methods; k++) {
            Sequence s;
            Err e = {0};
            const Stored *want = checkpoint_find(c, methods[k].method);
            if (!want) continue;
            if (!attributed(a, &t, methods[k].method, methods[k].args, &s, &e))
                FAIL("%s: %s", name[i], e.text);
            else
                compare(arena_printf(a, "%s, %s", name[i], methods[k].method), &s.target_attributions, want,
                        methods[k].share);
            compared++;
        }
        arena_free(a);
    }
    CHECK_INT(compared, 17 * 6 + 8);
}
