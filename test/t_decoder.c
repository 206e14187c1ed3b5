// SPDX-License-Identifier: Apache-2.0
// t_decoder.c — decoder-only models: whole passes against PyTorch's, in float32 and against float64; generation against
// transformers'; a batch as its texts alone; decoding with the cache as one pass.
#include "../nn/processors.h"
#include "kit.h"
#include "lab.h"

#include <math.h>

static const char *const models[] = {"gpt2-tiny",     "llama-tiny",  "qwen2-tiny", "llama3-tiny",
                                     "mistral-tiny",  "gemma2-tiny", "qwen3-tiny", "opt-tiny",
                                     "gpt_neox-tiny", "bloom-tiny"};
enum { N_MODELS = sizeof models / sizeof *models };

static Model *open_folder(Arena *A, const char *folder)
{
    Err e = {0};
    Model *m = nn_open(A, folder, (NnOptions){0}, &e);
    if (!m) FAIL("%s: %s", folder, e.text);
    return m;
}

static Model *open_model(Arena *A, const char *name)
{
    return open_folder(A, arena_printf(A, "test/golden/models/%s", name));
}

typedef struct Outputs { // one pass over some texts
    Tape *tape;
    Pass pass;
    Tensor *logits;
    Rows *rows;
} Outputs;

static Outputs forward(Arena *A, const Model *m, const Ids *text, int64_t n)
{
    Outputs o = {.tape = tape_create(A)};
    int64_t *len = arena_new(A, int64_t, n), T = 0, D = nn_info(m)->width;
    for (int64_t i = 0; i < n; i++) len[i] = text[i].n, T += len[i];
    o.rows = rows_make(A, n, len);
    Tensor *y = tn_new(o.tape, T, D, o.rows);
    for (int64_t i = 0; i < n; i++) nn_embed(m, text[i], true, y->f + o.rows->start[i] * D);
    nn_forward(m, o.tape, NULL, y, NULL, &o.pass);
    int64_t *all = arena_new(A, int64_t, T);
    for (int64_t i = 0; i < T; i++) all[i] = i;
    o.logits = nn_logits(m, o.tape, &o.pass, all, o.rows);
    return o;
}

// ------------------------------------------------------------------------------------------ golden passes

typedef struct Judge {
    const char *file;
    const Checkpoint *f32, *f64;
    LabErrors *all;
    int tensors;
} Judge;

static void judge(Judge *j, const char *name, const float *got, double relative)
{
    const Stored *want = lab_tensor(j->f32, name);
    int64_t n = lab_count(want);
    double size = 0;
    for (int64_t i = 0; i < n; i++) size = fmax(size, fabs(lab_at(want, i)));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - lab_at(want, i)) <= relative * size)) {
            FAIL("%s: %s[%" PRId64 "] is %.9g, expected %.9g", j->file, name, i, (double)got[i],
                 lab_at(want, i));
            break;
        }
    if (j->f64 && checkpoint_find(j->f64, name)) lab_error(j->all, j->file, name, got, j->f32, j->f64);
    j->tensors++;
}

static void check_forward(Arena *A, const Model *m, const char *file, LabErrors *all)
{
    const char *path = arena_printf(A, "forward/%s.safetensors", file);
    Judge j = {.file = file,
               .f32 = lab_tensors(A, path),
               .f64 = lab_tensors(A, arena_printf(A, "forward/%s.f64.safetensors", file)),
               .all = all};
    Ids text = lab_ids(A, lab_tensor(j.f32, "in.input_ids"));
    Outputs o = forward(A, m, &text, 1);
    int64_t layers = nn_info(m)->decoder_layers, nq, nk;
    for (int64_t i = 0; i <= layers; i++)
        judge(&j, arena_printf(A, "hidden_states.%" PRId64, i),
              i < layers ? o.pass.decoder_in[i]->f : o.pass.states->f, 4e-6);
    for (int64_t i = 0; i < layers; i++)
        judge(&j, arena_printf(A, "attentions.%" PRId64, i),
              tn_attention_weights(o.tape, o.pass.decoder_self[i], 0, &nq, &nk), 4e-6);
    judge(&j, "logits", o.logits->f, 4e-6);
    int recorded = 0;
    for (size_t i = 0; i < j.f32->n; i++)
        recorded += !str_starts(j.f32->tensor[i].name, STR_LIT("in.")) &&
                    !str_starts(j.f32->tensor[i].name, STR_LIT("module."));
    CHECK_INT(j.tensors, recorded);
}

TEST(decoder_golden)
{
    LabErrors all = {0};
    for (int k = 0; k < N_MODELS; k++) {
        Arena *a = arena_create(A);
        const Model *m = open_model(a, models[k]);
        for (int i = 0; m && i < 2; i++)
            check_forward(a, m, arena_printf(a, "%s-%s", models[k], i ? "two" : "one"), &all);
        arena_free(a);
    }
    lab_errors_mean(&all, 1.1);
}

// ------------------------------------------------------------------------------------------ every family and switch

enum { LEAST_SWITCHES = 60 };

static void check_switches(Arena *A, const char *folder, const char *golden)
{
    Err e = {0};
    const Model *m = nn_open(A, folder, (NnOptions){0}, &e);
    if (!m) return FAIL("%s: %s", folder, e.text);
    Str bytes;
    const Checkpoint *want = NULL;
    if (file_map(A, golden, &bytes, &e)) want = checkpoint_from_bytes(A, "model.safetensors", bytes, &e);
    if (!want) return FAIL("%s", e.text);
    Judge j = {.file = folder, .f32 = want};
    Ids text = lab_ids(A, lab_tensor(want, "ids"));
    Outputs o = forward(A, m, &text, 1);
    int64_t nq, nk;
    for (int64_t i = 0; i < nn_info(m)->decoder_layers; i++)
        if (checkpoint_find(want, "attentions.0"))
            judge(&j, arena_printf(A, "attentions.%" PRId64, i),
                  tn_attention_weights(o.tape, o.pass.decoder_self[i], 0, &nq, &nk), 1e-5);
    judge(&j, "logits", o.logits->f, 1e-5);
    const Stored *f64 = checkpoint_find(want, "logits.f64"), *f32 = lab_tensor(want, "logits");
    double ours = 0, theirs = 0, size = 0;
    for (int64_t i = 0; f64 && i < lab_count(f64); i++) {
        ours = fmax(ours, fabs((double)o.logits->f[i] - lab_at(f64, i)));
        theirs = fmax(theirs, fabs(lab_at(f32, i) - lab_at(f64, i))), size = fmax(size, fabs(lab_at(f64, i)));
    }
    test_count(j.tensors);
    if (ours > 3 * theirs + 4 * 0x1p-24 * size)
        FAIL("%s: %.3g from float64, where PyTorch's float32 is %.3g off", folder, ours, theirs);
}

// One folder for each family and switch (tools/oracle/decoders.py), as it is written now and in the form that older files
// have: one model, the same bits.
TEST(decoder_switches)
{
    const char *root = "test/golden/decoders";
    DIR *d = opendir(root);
    int run = 0;
    for (struct dirent *x; d && (x = readdir(d));) {
        if (x->d_name[0] == '.') continue;
        Arena *a = arena_create(A);
        Err e = {0};
        Str config = {"", 0}, weights = {"", 0};
        const char *folder = arena_printf(a, "%s/%s", root, x->d_name),
                   *golden = arena_printf(a, "%s/golden.safetensors", folder);
        check_switches(a, folder, golden), run++;
        const char *old = arena_printf(a, "%s/old.json", folder);
        if (file_exists(old)) {
            const char *other = kit_folder(a);
            if (!file_read(a, old, SIZE_MAX, &config, &e) ||
                !file_read(a, arena_printf(a, "%s/model.safetensors", folder), SIZE_MAX, &weights, &e))
                FAIL("%s", e.text);
            kit_write(other, "config.json", config), kit_write(other, "model.safetensors", weights);
            check_switches(a, other, golden), run++;
        }
        arena_free(a);
    }
    if (d) closedir(d);
    if (run < LEAST_SWITCHES) FAIL("%d folders were compared; it was %d and more", run, LEAST_SWITCHES);
}

// ------------------------------------------------------------------------------------------ generation

static Ids ids_of(Arena *A, const Json *list, int32_t pad) // without padding on the left
{
    int32_t *v = arena_new(A, int32_t, list->count);
    int64_t n = 0;
    for (const Json *j = list->child; j; j = j->next)
        if (n || (int32_t)j->i != pad) v[n++] = (int32_t)j->i;
    return (Ids){v, n};
}

// Behind the end there may be padding.
static void same_ids(const char *what, const Json *want, const Generated *got, int32_t pad)
{
    int64_t i = 0;
    for (const Json *w = want->child; w; w = w->next, i++)
        if (i < got->n ? w->i != got->ids[i] : w->i != pad && w->i != got->ids[got->n - 1])
            return FAIL("%s: id %" PRId64 " is %d, expected %" PRId64, what, i, i < got->n ? got->ids[i] : -1,
                        w->i);
    if (i < got->n) FAIL("%s: %" PRId64 " ids, expected %" PRId64, what, got->n, i);
    else test_count(i);
}

static void check_row(Arena *A, const Model *m, const char *name, const Json *row)
{
    Err e = {0};
    const GenConfig *g;
    const Json *input = json_get(row, "input");
    const char *what = arena_printf(A, "%s, %s, '%.30s'", name, str_zero(A, json_get(row, "name")->text),
                                    str_zero(A, input->text));
    Ids prompt = ids_of(A, json_get(row, "input_ids")->child, -1);
    if (!nn_generation(A, m, json_get(row, "args"), &g, &e)) return FAIL("%s: %s", what, e.text);
    int64_t returns = nn_generation_returns(g), i = 0;
    Generated *out = arena_new(A, Generated, returns);
    if (!nn_generate(A, m, g, 1, &prompt, NULL, out, NULL, NULL, &e)) return FAIL("%s: %s", what, e.text);
    const Json *scores = json_get(row, "sequences_scores"), *score = scores ? scores->child : NULL;
    CHECK_INT(json_get(row, "sequences")->count, returns);
    for (const Json *ids = json_get(row, "sequences")->child; ids && i < returns; ids = ids->next, i++) {
        same_ids(what, ids, &out[i], nn_info(m)->pad);
        if (score && !(fabs(out[i].score - score->number) <= 2e-5 + 5e-6 * fabs(score->number)))
            FAIL("%s: score %" PRId64 " is %.9g, expected %.9g", what, i, out[i].score, score->number);
        score = score ? score->next : NULL;
    }
}

// Rows of several prompts are left out: the library's shorter ones attend to padding.
TEST(decoder_generates)
{
    int rows = 0;
    for (int k = 0; k < N_MODELS; k++) {
        Arena *a = arena_create(A);
        const Model *m = open_model(a, models[k]);
        const Json *all = json_get(golden_json(a, arena_printf(a, "generate/%s.json", models[k])), "rows");
        for (const Json *row = m && all ? all->child : NULL; row; row = row->next) {
            Arena *each = arena_create(a);
            if (json_get(row, "input")->kind == J_STRING) check_row(each, m, models[k], row), rows++;
            arena_free(each);
        }
        arena_free(a);
    }
    CHECK_INT(rows, 508);
}

// ------------------------------------------------------------------------------------------ with itself

enum { N_TEXTS = 4 };

// Every golden model: those with tokenizers and recorded texts, then one for each switch.
static const char **all_models(Arena *A, int *n)
{
    const char *root = "test/golden/decoders", **v = arena_new(A, const char *, 200);
    for (*n = 0; *n < N_MODELS; ++*n) v[*n] = arena_printf(A, "test/golden/models/%s", models[*n]);
    DIR *d = opendir(root);
    for (struct dirent *x; d && (x = readdir(d)) && *n < 200;)
        if (x->d_name[0] != '.') v[(*n)++] = arena_printf(A, "%s/%s", root, x->d_name);
    if (d) closedir(d);
    return v;
}

// A text and parts of it: other lengths, and shared prefixes.
static void texts_of(Arena *A, const char *folder, Ids text[N_TEXTS])
{
    const char *name = strrchr(folder, '/') + 1, *golden = arena_printf(A, "%s/golden.safetensors", folder);
    Err e = {0};
    Str bytes;
    Ids ids = {0};
    if (!file_exists(golden)) golden = arena_printf(A, "test/golden/cases/forward/%s-one.safetensors", name);
    const Checkpoint *c =
        file_map(A, golden, &bytes, &e) ? checkpoint_from_bytes(A, "model.safetensors", bytes, &e) : NULL;
    if (!c) FAIL("%s", e.text);
    else ids = lab_ids(A, lab_tensor(c, checkpoint_find(c, "ids") ? "ids" : "in.input_ids"));
    text[0] = ids, text[1] = (Ids){ids.v + ids.n / 3, ids.n / 2}, text[2] = (Ids){ids.v, 1},
    text[3] = (Ids){ids.v, ids.n / 2};
}

static void same_rows(const char *what, const Tensor *both, const Rows *rows, int64_t at, const Tensor *alone)
{
    CHECK_INT(rows->len[at], alone->rows);
    if (memcmp(both->f + rows->start[at] * both->cols, alone->f,
               (size_t)(alone->rows * alone->cols) * sizeof(float)))
        FAIL("%s, %s, %d threads: text %" PRId64 " has other bits together than alone", what, cpu_isa(),
             pool_threads(), at);
    else test_count(alone->rows * alone->cols);
}

// Together as alone, by every instruction set with one to three threads: the same bits.
TEST(decoder_bits)
{
    const char *isa[4];
    int n_models;
    const char **folder = all_models(A, &n_models);
    for (int k = 0; k < n_models; k++) {
        Arena *a = arena_create(A);
        const Model *m = open_folder(a, folder[k]);
        Ids text[N_TEXTS];
        texts_of(a, folder[k], text);
        Outputs alone[N_TEXTS];
        for (int i = 0; m && i < N_TEXTS; i++) alone[i] = forward(a, m, &text[i], 1);
        for (size_t s = 0, n = cpu_isas(isa); m && s < n; s++)
            for (int threads = 1; threads <= 3; threads++) {
                cpu_select(isa[s], NULL), pool_start(threads);
                Outputs both = forward(a, m, text, N_TEXTS);
                for (int i = 0; i < N_TEXTS; i++) {
                    same_rows(folder[k], both.pass.states, both.rows, i, alone[i].pass.states);
                    same_rows(folder[k], both.logits, both.rows, i, alone[i].logits);
                }
            }
        cpu_select(NULL, NULL), pool_start(0);
        arena_free(a);
    }
}

static bool same_output(const Generated *x, const Generated *y)
{
    return x->n == y->n && x->score == y->score && !memcmp(x->ids, y->ids, (size_t)x->n * sizeof *x->ids);
}

// The sum of log-probabilities of what was generated, from one pass over all of it.
static float forced_score(Arena *A, const Model *m, const Generated *out, int64_t prompt)
{
    Ids all = {out->ids, out->n - 1};
    int64_t V = nn_info(m)->vocab;
    const float *z = forward(A, m, &all, 1).logits->f + (prompt - 1) * V;
    float score = 0;
    for (int64_t i = prompt; i < out->n; i++, z += V)
        score += (float)((double)z[out->ids[i]] - num_log_sum_exp(z, V));
    return score;
}

// Prompts of other lengths together as each alone, greedy and with beams; decoding with the cache as one pass.
TEST(decoder_cache)
{
    static const char *const args[] = {
        "{\"num_beams\": 1, \"max_new_tokens\": 9}",
        "{\"num_beams\": 3, \"num_return_sequences\": 3, \"max_new_tokens\": 6}"};
    int n_models;
    const char **folder = all_models(A, &n_models);
    for (int k = 0; k < n_models; k++)
        for (int j = 0; j < 2; j++) {
            Arena *a = arena_create(A);
            Err e = {0};
            const Model *m = open_folder(a, folder[k]);
            Ids text[N_TEXTS];
            const GenConfig *g;
            texts_of(a, folder[k], text);
            if (!m || !nn_generation(a, m, json_parse(a, str_of(args[j]), "", NULL), &g, &e))
                return FAIL("%s", e.text);
            int64_t returns = nn_generation_returns(g);
            Generated *both = arena_new(a, Generated, N_TEXTS * returns), alone[3];
            if (!nn_generate(a, m, g, N_TEXTS, text, NULL, both, NULL, NULL, &e))
                return FAIL("%s: %s", folder[k], e.text);
            for (int i = 0; i < N_TEXTS; i++) {
                if (!nn_generate(a, m, g, 1, &text[i], NULL, alone, NULL, NULL, &e))
                    return FAIL("%s", e.text);
                for (int64_t r = 0; r < returns; r++) {
                    CHECK(same_output(&both[i * returns + r], &alone[r]));
                    if (!j) CHECK((float)alone[r].score == forced_score(a, m, &alone[r], text[i].n));
                }
            }
            arena_free(a);
        }
}

// A prompt that goes in in parts, beside a short one: as one pass over it.
TEST(decoder_long_prompt)
{
    static const char *const names[] = {"llama3-tiny", "mistral-tiny", "bloom-tiny", "gemma2-tiny"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        Arena *a = arena_create(A);
        Err e = {0};
        const Model *m = open_model(a, names[k]);
        const GenConfig *g;
        int32_t *ids = arena_new(a, int32_t, 600);
        for (int i = 0; i < 600; i++) ids[i] = 10 + i * 37 % 350;
        Ids text[] = {{ids, 5}, {ids, 600}};
        Generated out[2];
        if (!m || !nn_generation(a, m, json_parse(a, str_of("{\"max_new_tokens\": 3}"), "", NULL), &g, &e) ||
            !nn_generate(a, m, g, 2, text, NULL, out, NULL, NULL, &e))
            return FAIL("%s: %s", names[k], e.text);
        for (int i = 0; i < 2; i++) CHECK((float)out[i].score == forced_score(a, m, &out[i], text[i].n));
        arena_free(a);
    }
}

// ------------------------------------------------------------------------------------------ the way back

// Gradients of some logits with respect to the embeddings, one cotangent for each of the last rows.
static Tensor *way_back(Arena *A, const Model *m, Ids text, int64_t K_, bool light)
{
    Tape *t = tape_create(A);
    int64_t D = nn_info(m)->width, V = nn_info(m)->vocab, *row = arena_new(A, int64_t, K_),
            *at = arena_new(A, int64_t, K_), *one = arena_new(A, int64_t, K_);
    float *y = arena_new(A, float, text.n *D);
    nn_embed(m, text, true, y);
    Tensor *leaf = tn_leaf(t, y, text.n, D, rows_make(A, 1, &text.n), true);
    Pass pass;
    tape_light(t, light);
    nn_forward(m, t, NULL, leaf, NULL, &pass);
    for (int64_t k = 0; k < K_; k++) row[k] = text.n - K_ + k, at[k] = k, one[k] = 1;
    Tensor *z = nn_logits(m, t, &pass, row, rows_make(A, 1, &K_));
    Layout *l = layout_make(A, K_, arena_new(A, int32_t, K_), at, one);
    CHECK(tape_backward_bytes(t, z, l) > 0);
    float *seed = tape_seed(t, z, l);
    for (int64_t i = 0; i < K_ * V; i++) seed[i] = (float)(i * 7919 % 13) * 0.1f - 0.6f;
    tape_go_back(t, z);
    return leaf;
}

// A light tape gives the numbers of a full one.
TEST(decoder_light)
{
    int n_models;
    const char **folder = all_models(A, &n_models);
    for (int k = 0; k < n_models; k++) {
        Arena *a = arena_create(A);
        const Model *m = open_folder(a, folder[k]);
        Ids text[N_TEXTS];
        texts_of(a, folder[k], text);
        const Tensor *full = m ? way_back(a, m, text[0], 4, false) : NULL,
                     *light = m ? way_back(a, m, text[0], 4, true) : NULL;
        if (!full || full->layout->total != light->layout->total)
            return FAIL("%s: other rows are reached", folder[k]);
        for (int64_t i = 0; i < full->layout->total * full->cols; i++)
            if (!(full->grad[i] == light->grad[i])) {
                FAIL("%s: gradient %" PRId64 " is %.9g on a light tape, %.9g on a full one", folder[k], i,
                     (double)light->grad[i], (double)full->grad[i]);
                break;
            }
        test_count(full->layout->total);
        arena_free(a);
    }
}

// With so little memory that passes are light, methods give the bits that they give with plenty.
TEST(decoder_light_methods)
{
    static const char *const method[] = {"input_x_gradient", "integrated_gradients", "occlusion",
                                         "shapley_sampling"};
    static const int32_t ids[] = {272, 541, 514, 308, 258, 265, 377, 79, 13, 599};
    const Model *m = open_model(A, "gpt2-tiny");
    Token *token = arena_new(A, Token, 10);
    for (int i = 0; i < 10; i++) token[i] = (Token){.id = ids[i], .text = STR_LIT("x")};
    Pair pair = {.source = {ids, 5}, .target = {ids, 10}, .source_tokens = token, .target_tokens = token};
    for (size_t k = 0; m && k < sizeof method / sizeof *method; k++) {
        Sequence out[2];
        Err e = {0};
        for (int i = 0; i < 2; i++) {
            AttrOptions o = attr_defaults();
            o.method = method[k], o.unk = o.eos = 599, o.max_memory = i ? (size_t)1 << 30 : 1 << 10;
            if (!attr_run(A, m, &o, &pair, 1, &out[i], &e)) return FAIL("%s: %s", method[k], e.text);
        }
        same_sequence(method[k], &out[0], &out[1], EXACT);
    }
}

// ------------------------------------------------------------------------------------------ what methods look at

// A layer again without the values of no head at all: its rows as they were. And the stream that leads to the last states.
static void check_inside(Arena *A, const Model *m, const char *what, Ids text)
{
    Outputs o = forward(A, m, &text, 1);
    const ModelInfo *f = nn_info(m);
    bool *none = arena_new(A, bool, f->heads);
    Tape *t = tape_create(A);
    for (int64_t i = 0; i < f->decoder_layers; i++) {
        const float *clean;
        Tensor *y = nn_zero_values(m, o.tape, &o.pass, t, ZERO_DECODER, i, 0, NULL, 0, text.n, none, &clean);
        for (int64_t k = 0; k < text.n; k++) // token k's rows are those from k on
            if (memcmp(y->f + y->seqs->start[k] * y->cols, clean + k * y->cols,
                       (size_t)(y->seqs->len[k] * y->cols) * sizeof(float)))
                FAIL("%s: layer %" PRId64 " again gives other rows", what, i);
            else test_count(1);
        CHECK_INT(nn_attention_output(m, ZERO_DECODER, i)->rows, f->states);
    }
    int64_t n;
    const StreamStep *s = nn_stream(A, m, o.tape, &o.pass, true, &n);
    CHECK_INT(n, 2 * f->decoder_layers);
    CHECK(s[0].x == o.pass.decoder_in[0]);
    for (int64_t k = 0; k + 1 < n; k++) CHECK(s[k].out == s[k + 1].x);
}

TEST(decoder_inside)
{
    int n_models;
    const char **folder = all_models(A, &n_models);
    for (int k = 0; k < n_models; k++) {
        Arena *a = arena_create(A);
        const Model *m = open_folder(a, folder[k]);
        Ids text[N_TEXTS];
        texts_of(a, folder[k], text);
        if (m) check_inside(a, m, folder[k], text[0]);
        arena_free(a);
    }
}

// Modules by the paths that transformers gives them.
TEST(decoder_layers)
{
    static const struct {
        const char *folder, *path, *weight;
    } want[] = {
        {"models/gpt2-tiny", "transformer.h[2].mlp", "transformer.h.2.mlp.c_proj.weight"},
        {"models/gpt2-tiny", "model.transformer.h[1].attn", NULL},
        {"models/gpt2-tiny", "transformer.h[1].attn", "transformer.h.1.attn.c_proj.weight"},
        {"models/gpt2-tiny", "h.0.attn.c_attn", "transformer.h.0.attn.c_attn.weight"},
        {"models/gpt2-tiny", "transformer.ln_f", "transformer.ln_f.weight"},
        {"models/llama-tiny", "model.layers.2.self_attn", "model.layers.2.self_attn.o_proj.weight"},
        {"models/llama-tiny", "model.layers[0].mlp", "model.layers.0.mlp.down_proj.weight"},
        {"models/gpt_neox-tiny", "gpt_neox.layers[1].attention", "gpt_neox.layers.1.attention.dense.weight"},
        {"models/opt-tiny", "model.decoder.layers[1].fc2", "model.decoder.layers.1.fc2.weight"},
        {"models/qwen3-tiny", "model.layers[1].self_attn.q_norm", "model.layers.1.self_attn.q_norm.weight"},
        {"decoders/gpt_neo", "transformer.h[1].attn", "transformer.h.1.attn.attention.out_proj.weight"},
        {"decoders/phi3", "layers[1].mlp.gate_up_proj", "model.layers.1.mlp.gate_up_proj.weight"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        Err e = {0};
        int64_t width = 0;
        const Model *m = open_folder(A, arena_printf(A, "test/golden/%s", want[i].folder));
        const Tensor *w = m ? nn_find_layer(m, str_of(want[i].path), &width, &e) : NULL;
        if (!want[i].weight) {
            CHECK(!w && e.set);
            continue;
        }
        if (!w) return FAIL("%s: %s", want[i].path, e.text);
        CHECK_STR(str_of(w->name), str_of(want[i].weight));
        CHECK(width > 0 && nn_layer_of_target(m, w));
    }
}
