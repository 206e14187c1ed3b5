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

static const Ids baselines[] = {
    {(const int32_t[]){7, 8, 9}, 3},
    {(const int32_t[]){20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38}, 19}};

static bool attributed(Arena *A, const Text *t, const char *method, const char *args, Sequence *out, Err *e)
{
    AttrOptions o = attr_defaults();
    o.method = method, o.unk = 3, o.eos = 2, o.bos = 1, o.attributed_fn = "logit";
    o.baselines = baselines, o.n_baselines = 2;
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
            bool none = !strcmp(method[k].name, "dummy");
            if (!attributed(b, &t, method[k].name, args, &s, &e))
                FAIL("%s, %s: %s", name[i], method[k].name, e.text);
            else if (!none && (s.source_attributions.v || !numbers(&s.target_attributions, s.attr_pos_start)))
                FAIL("%s, %s: NaN where a number should be, or all 0", name[i], method[k].name);
            else test_count(1);
            arena_free(b);
        }
        arena_free(a);
    }
    CHECK(n >= 43);
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
                   {"attn_lrp", NULL, 1e-5},
                   {"expected_gradients", "{\"n_samples\": 5, \"seed\": 11}", 1e-5}};
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
    CHECK_INT(compared, 17 * 6 + 8 + 3);
}

// Captum's layer methods: of each row's attributions the sum and the Euclidean norm.
TEST(decoder_methods_layers)
{
    static const char *const models[][2] = {{"gpt2-by-layer", "transformer.h.1.mlp.c_fc"},
                                            {"llama", "model.layers.0.mlp.up_proj"},
                                            {"opt-no-bias", "model.decoder.layers.0.fc1"}},
                             *const methods[] = {"layer_integrated_gradients", "layer_deeplift"};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            Text t;
            Sequence s;
            Err e = {0};
            const Checkpoint *c =
                lab_tensors(A, arena_printf(A, "../decoders/%s/methods.safetensors", models[i][0]));
            const char *args =
                arena_printf(A, "{\"target_layer\": \"%s\"%s}", models[i][1], k ? "" : ", \"n_steps\": 6");
            if (!c || !open_text(A, models[i][0], 3, &t)) return;
            if (!attributed(A, &t, methods[k], args, &s, &e)) return FAIL("%s: %s", models[i][0], e.text);
            const Scores *v = &s.target_attributions;
            Scores two = {.rank = 3, .dim = {v->dim[0], v->dim[1], 2}};
            two.v = arena_new(A, float, v->dim[0] * v->dim[1] * 2);
            for (int64_t j = 0; j < v->dim[0] * v->dim[1]; j++) {
                double sum = 0, square = 0;
                for (int64_t d = 0; d < v->dim[2]; d++)
                    sum += (double)v->v[j * v->dim[2] + d],
                        square += (double)v->v[j * v->dim[2] + d] * (double)v->v[j * v->dim[2] + d];
                two.v[2 * j] = (float)sum, two.v[2 * j + 1] = (float)sqrt(square);
            }
            compare(arena_printf(A, "%s, %s", models[i][0], methods[k]), &two, lab_tensor(c, methods[k]),
                    1e-5);
        }
}

// ------------------------------------------------------------------------------------------ the same bits, as planned

enum { TEXTS = 3 };
static const char *const few = "{\"n_steps\": 3, \"n_samples\": 3, \"n_neighbors\": 5, \"stdevs\": 0.01, "
                               "\"max_probe_steps\": 3, \"num_probes\": 2, "
                               "\"return_convergence_delta\": true}";

static Str bytes_of(Arena *A, Sequence *s)
{
    Buf b = {.arena = A};
    attr_to_json(A, &(Attribution){.sequence = s, .n = 1}, &b);
    return buf_view(&b);
}

static void run_texts(Arena *A, const Model *m, const AttrOptions *o, const Pair *p, int first, size_t n,
                      Str *want)
{
    Err e = {0};
    Arena *a = arena_create(A);
    Sequence out[TEXTS];
    if (!attr_run(a, m, o, p + first, n, out, &e)) FAIL("%s: %s", o->method, e.text);
    for (size_t i = 0; !e.set && i < n; i++) {
        Str got = bytes_of(a, &out[i]);
        if (!want[first + (int)i].n) want[first + (int)i] = str_copy(A, got);
        else if (!str_eq(got, want[first + (int)i]))
            FAIL("%s, %s, %d threads, memory %zu: text %d has other bits", o->method, cpu_isa(),
                 pool_threads(), o->max_memory, first + (int)i);
        else test_count(1);
    }
    arena_free(a);
}

// Texts of other lengths together; one has a foil that goes its own way from the second step on.
static void same_bits(Arena *A, const char *model, bool forced)
{
    const Entry *method;
    const char *isa[4];
    size_t isas = cpu_isas(isa);
    Text t;
    if (!open_text(A, model, 3, &t)) return;
    Pair p[TEXTS] = {t.p, t.p, t.p}, foil = t.p;
    p[1].source.n = 4, p[1].target.n = 7, foil.source.n = 4, foil.target.n = 6;
    p[2].source.n = 1, p[2].target.n = 3, p[2].source.v++, p[2].target.v++, p[2].source_tokens++,
    p[2].target_tokens++;
    int32_t *ids = arena_new(A, int32_t, 6);
    memcpy(ids, foil.target.v, 6 * sizeof *ids), ids[5] = 40, foil.target.v = ids, p[1].contrast = &foil;
    AttrOptions o = attr_defaults();
    o.attributed_fn = forced ? "pcxmi" : "contrast_prob_diff", o.step.contrast_force_inputs = forced;
    o.unk = 3, o.eos = 2, o.bos = 1, o.baselines = baselines, o.n_baselines = 2;
    o.method_args = json_parse(A, str_of(few), "", NULL);
    for (size_t k = 0, n = attr_method_list(&method); k < n; k++) {
        Str want[TEXTS] = {{0}};
        o.method = method[k].name, o.max_memory = (size_t)1 << 30;
        run_texts(A, t.m, &o, p, 0, TEXTS, want);
        cpu_select(isa[isas - 1], NULL), pool_start(3);
        o.max_memory = 1;
        run_texts(A, t.m, &o, p, 1, 2, want);
        cpu_select(isa[0], NULL), pool_start(1);
        o.max_memory = 200000;
        run_texts(A, t.m, &o, p, 0, 1, want), run_texts(A, t.m, &o, p, 1, 1, want);
        cpu_select(NULL, NULL), pool_start(0);
    }
}

TEST(decoder_methods_bits) { same_bits(A, "gemma2", false); }
TEST(decoder_methods_bits_forced) { same_bits(A, "gpt_neox", true); }

TEST(decoder_methods_plan)
{
    const Entry *method;
    Text t;
    if (!open_text(A, "llama", 3, &t)) return;
    for (size_t k = 0, n = attr_method_list(&method); k < n; k++) {
        Arena *a = arena_create(A);
        Err e = {0};
        Passes made = {0};
        Plan plan;
        Sequence s;
        AttrOptions o = attr_defaults();
        o.method = method[k].name, o.unk = 3, o.eos = 2, o.bos = 1, o.baselines = baselines,
        o.n_baselines = 2;
        o.method_args = json_parse(a, str_of(few), "", NULL);
        bool ok = attr_plan(a, t.m, &o, &t.p, 1, 1e9, &plan, &e);
        o.made = &made;
        if (!ok || !attr_run(a, t.m, &o, &t.p, 1, &s, &e)) FAIL("%s: %s", o.method, e.text);
        const double planned[] = {plan.passes.forwards, plan.passes.target_rows, plan.passes.words,
                                  plan.passes.words_back, plan.passes.target_back},
                     was[] = {made.forwards, made.target_rows, made.words, made.words_back, made.target_back};
        bool at_most = !strcmp(o.method, "reagent"); // its probes stop when they can
        for (int i = 0; i < 5; i++)
            if (!(at_most ? was[i] <= planned[i] : fabs(planned[i] - was[i]) <= 1e-6))
                FAIL("%s: %.9g planned, %.9g made (%d)", o.method, planned[i], was[i], i);
        test_count(5);
        arena_free(a);
    }
}
