// SPDX-License-Identifier: Apache-2.0
// t_model.c — whole forward passes against PyTorch's: what every layer is given, attention weights, logits, in float32 and
// against float64; two inputs packed together give the bits that each gives alone; the table of model families.
#include "lab.h"

#include <math.h>

typedef struct Outputs { // one pass over one or two inputs
    Tape *tape;
    Pass pass;
    Tensor *logits;
    Rows *source, *target;
} Outputs;

// keys[i]: the source of target i; the targets may come in another order than the sources.
static Outputs forward(Arena *A, const Lab *l, const Ids *source, const Ids *target, const int32_t *keys,
                       int64_t n)
{
    Outputs o = {.tape = tape_create(A)};
    int64_t *s = arena_new(A, int64_t, n), *t = arena_new(A, int64_t, n), S = 0, T = 0, D = l->f->width;
    for (int64_t i = 0; i < n; i++) s[i] = source[i].n, t[i] = target[i].n, S += s[i], T += t[i];
    o.source = rows_make(A, n, s), o.target = rows_make(A, n, t);
    Tensor *x = tn_new(o.tape, S, D, o.source), *y = tn_new(o.tape, T, D, o.target);
    for (int64_t i = 0; i < n; i++) {
        nn_embed(l->m, source[i], false, x->f + o.source->start[i] * D);
        nn_embed(l->m, target[i], true, y->f + o.target->start[i] * D);
    }
    nn_forward(l->m, o.tape, x, y, keys, &o.pass);
    int64_t *rows = arena_new(A, int64_t, T);
    for (int64_t i = 0; i < T; i++) rows[i] = i;
    o.logits = nn_logits(l->m, o.tape, &o.pass, rows, o.target);
    return o;
}

// ------------------------------------------------------------------------------------------ golden

typedef struct Judge {
    const char *file;
    const Checkpoint *f32, *f64;
    LabErrors *all;
    double relative; // of a tensor's largest value: the tolerance against PyTorch's float32
    int tensors;
} Judge;

static void judge(Judge *j, const char *name, const float *got)
{
    const Stored *want = lab_tensor(j->f32, name);
    int64_t n = lab_count(want);
    double size = 0;
    for (int64_t i = 0; i < n; i++) size = fmax(size, fabs(lab_at(want, i)));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got[i] - lab_at(want, i)) <= j->relative * size)) {
            FAIL("%s: %s[%" PRId64 "] is %.9g, expected %.9g", j->file, name, i, (double)got[i],
                 lab_at(want, i));
            break;
        }
    if (checkpoint_find(j->f64, name))
        lab_error(j->all, j->file, name, got, j->f32, j->f64); // attentions have no twin
    j->tensors++;
}

static void judge_weights(Arena *A, Judge *j, const Outputs *o, const char *name, Tensor **results,
                          int64_t layers)
{
    int64_t n_queries, n_keys;
    for (int64_t i = 0; i < layers; i++)
        judge(j, arena_printf(A, "%s.%" PRId64, name, i),
              tn_attention_weights(o->tape, results[i], 0, &n_queries, &n_keys));
}

static void judge_states(Arena *A, Judge *j, const char *name, Tensor **in, int64_t layers,
                         const Tensor *last)
{
    for (int64_t i = 0; i <= layers; i++)
        judge(j, arena_printf(A, "%s.%" PRId64, name, i), i < layers ? in[i]->f : last->f);
}

static int check_forward(Arena *A, const Lab *l, const Json *entry, LabErrors *all)
{
    const char *file = str_zero(A, json_get(entry, "file")->text) + strlen("cases/");
    Judge j = {.file = file,
               .f32 = lab_tensors(A, file),
               .all = all,
               .f64 = lab_tensors(A, str_zero(A, json_get(entry, "float64_file")->text) + strlen("cases/"))};
    j.relative = strstr(file, "odd-") ? 2e-5 : 4e-6;
    Ids source = lab_ids(A, lab_tensor(j.f32, "in.input_ids")),
        target = lab_ids(A, lab_tensor(j.f32, "in.decoder_input_ids"));
    Outputs o = forward(A, l, &source, &target, NULL, 1);
    judge_states(A, &j, "encoder_hidden_states", o.pass.encoder_in, l->f->encoder_layers, o.pass.encoder);
    judge_states(A, &j, "decoder_hidden_states", o.pass.decoder_in, l->f->decoder_layers, o.pass.states);
    judge_weights(A, &j, &o, "encoder_attentions", o.pass.encoder_self, l->f->encoder_layers);
    judge_weights(A, &j, &o, "decoder_attentions", o.pass.decoder_self, l->f->decoder_layers);
    judge_weights(A, &j, &o, "cross_attentions", o.pass.cross, l->f->decoder_layers);
    judge(&j, "logits", o.logits->f);
    int recorded = 0;
    for (size_t i = 0; i < j.f32->n; i++)
        recorded += !str_starts(j.f32->tensor[i].name, STR_LIT("in.")) &&
                    !str_starts(j.f32->tensor[i].name, STR_LIT("module."));
    CHECK_INT(j.tensors, recorded); // nothing was recorded that is not compared
    return j.tensors;
}

static const char *recorded_file(Arena *A, const Json *entry) // NULL: not among the project's data
{
    const char *path = arena_printf(A, "test/golden/%s", str_zero(A, json_get(entry, "file")->text));
    return file_exists(path) ? path : NULL;
}

TEST(model_golden)
{
    const Json *index = golden_json(A, "index.json");
    LabErrors all = {0};
    int run = 0, tensors = 0;
    for (const Json *c = NULL; (c = golden_case(index, "forward", c));) {
        Arena *each = arena_create(A);
        Lab l;
        const char *model = str_zero(each, json_get(c, "model")->text);
        if (recorded_file(each, c) && json_get(c, "float64_file") && lab_open_model(each, model, &l))
            tensors += check_forward(each, &l, c, &all), run++;
        arena_free(each);
    }
    if (run < 20 || tensors < 20 * 12)
        FAIL("%d passes with %d tensors were compared; it was 20 with 240 and more", run, tensors);
    lab_errors_mean(&all, 1.1);
}

// Two texts recorded together, with padding: the rows that are none.
static Ids unpadded(Arena *A, const Checkpoint *in, const char *ids, const char *mask, int64_t row)
{
    const Stored *v = lab_tensor(in, ids), *kept = lab_tensor(in, mask);
    Ids all = lab_ids(A, v), shown = lab_ids(A, kept);
    int64_t each = v->dim[1], n = 0;
    int32_t *out = arena_new(A, int32_t, each);
    for (int64_t i = row * each; i < (row + 1) * each; i++)
        if (shown.v[i]) out[n++] = all.v[i];
    return (Ids){out, n};
}

static bool near_rows(const char *file, const Stored *want, int64_t at, const float *got, int64_t rows)
{
    int64_t V = want->dim[2];
    double size = 0;
    for (int64_t i = 0; i < rows * V; i++) size = fmax(size, fabs(lab_at(want, at * want->dim[1] * V + i)));
    for (int64_t i = 0; i < rows * V; i++) {
        double x = lab_at(want, at * want->dim[1] * V + i);
        if (!(fabs((double)got[i] - x) <= 2e-5 * size))
            return FAIL("%s: logits[%" PRId64 "][%" PRId64 "] is %.9g, expected %.9g", file, at, i,
                        (double)got[i], x),
                   false;
    }
    test_count(rows * V);
    return true;
}

TEST(model_batch)
{
    const Json *index = golden_json(A, "index.json");
    int run = 0;
    for (const Json *c = NULL; (c = golden_case(index, "forward", c));) {
        Arena *a = arena_create(A);
        Lab l;
        const char *model = str_zero(a, json_get(c, "model")->text),
                   *file = str_zero(a, json_get(c, "file")->text) + strlen("cases/");
        if (strstr(file, "-batch") && recorded_file(a, c) && lab_open_model(a, model, &l)) {
            const Checkpoint *in = lab_tensors(a, file);
            Ids s[2], t[2];
            for (int i = 0; i < 2; i++)
                s[i] = unpadded(a, in, "in.input_ids", "in.attention_mask", i),
                t[i] = unpadded(a, in, "in.decoder_input_ids", "in.decoder_attention_mask", i);
            Outputs both = forward(a, &l, s, t, NULL, 2);
            for (int i = 0; i < 2; i++) {
                near_rows(file, lab_tensor(in, "logits"), i,
                          both.logits->f + both.target->start[i] * l.f->vocab, t[i].n);
                Outputs alone = forward(a, &l, &s[i], &t[i], NULL, 1);
                if (memcmp(both.logits->f + both.target->start[i] * l.f->vocab, alone.logits->f,
                           (size_t)(t[i].n * l.f->vocab) * sizeof(float)))
                    FAIL("%s: other bits together than alone", file);
            }
            run++;
        }
        arena_free(a);
    }
    CHECK(run >= 6);
}

// A file of the body alone, without "model." in its names and without a bias of the logits.
TEST(model_body_alone)
{
    Lab whole, body;
    if (!lab_open_model(A, "odd-bart", &whole) || !lab_open_model(A, "odd-bart-base", &body)) return;
    CHECK_INT(body.f->start, 2);
    CHECK_INT(body.f->eos, 2);
    CHECK_INT(body.f->pad, 1);
    const Checkpoint *in = lab_tensors(A, "forward/odd-bart-one.safetensors");
    Ids s = lab_ids(A, lab_tensor(in, "in.input_ids")),
        t = lab_ids(A, lab_tensor(in, "in.decoder_input_ids"));
    Outputs a = forward(A, &whole, &s, &t, NULL, 1), b = forward(A, &body, &s, &t, NULL, 1);
    CHECK(!memcmp(a.pass.states->f, b.pass.states->f, (size_t)(t.n * whole.f->width) * sizeof(float)));
}

// ------------------------------------------------------------------------------------------ packed

static void same_rows(const char *what, const Tensor *both, const Rows *rows, int64_t at, const Tensor *alone)
{
    CHECK_INT(rows->len[at], alone->rows);
    if (memcmp(both->f + rows->start[at] * both->cols, alone->f,
               (size_t)(alone->rows * alone->cols) * sizeof(float)))
        FAIL("%s: other bits together than alone", what);
    else test_count(alone->rows * alone->cols);
}

static void same_weights(const char *what, const Outputs *both, Tensor **x, int64_t at, const Outputs *alone,
                         Tensor **y, int64_t layers, int64_t heads)
{
    for (int64_t i = 0; i < layers; i++) {
        int64_t n[2], m[2];
        const float *a = tn_attention_weights(both->tape, x[i], at, &n[0], &n[1]),
                    *b = tn_attention_weights(alone->tape, y[i], 0, &m[0], &m[1]);
        CHECK(n[0] == m[0] && n[1] == m[1]);
        if (memcmp(a, b, (size_t)(heads * n[0] * n[1]) * sizeof(float)))
            FAIL("%s: other attention weights together than alone", what);
    }
}

TEST(model_packed)
{
    const Json *index = golden_json(A, "index.json");
    int run = 0;
    for (const Json *c = NULL; (c = golden_case(index, "forward", c));) {
        Arena *a = arena_create(A);
        Lab l;
        const char *model = str_zero(a, json_get(c, "model")->text),
                   *name = str_zero(a, json_get(c, "name")->text);
        const char *two = arena_printf(a, "test/golden/cases/forward/%s-two.safetensors", model);
        if (strstr(name, "-one") && recorded_file(a, c) && file_exists(two) && lab_open(a, model, &l)) {
            Ids s[2], t[2], turned[2];
            Outputs alone[2];
            for (int i = 0; i < 2; i++) {
                const Checkpoint *in =
                    lab_tensors(a, arena_printf(a, "forward/%s-%s.safetensors", model, i ? "two" : "one"));
                s[i] = lab_ids(a, lab_tensor(in, "in.input_ids")),
                t[i] = lab_ids(a, lab_tensor(in, "in.decoder_input_ids"));
                alone[i] = forward(a, &l, &s[i], &t[i], NULL, 1);
            }
            Outputs both = forward(a, &l, s, t, NULL, 2);
            for (int i = 0; i < 2; i++) {
                same_rows(name, both.pass.encoder, both.source, i, alone[i].pass.encoder);
                same_rows(name, both.pass.states, both.target, i, alone[i].pass.states);
                same_rows(name, both.logits, both.target, i, alone[i].logits);
                same_weights(name, &both, both.pass.encoder_self, i, &alone[i], alone[i].pass.encoder_self,
                             l.f->encoder_layers, l.f->heads);
                same_weights(name, &both, both.pass.decoder_self, i, &alone[i], alone[i].pass.decoder_self,
                             l.f->decoder_layers, l.f->heads);
                same_weights(name, &both, both.pass.cross, i, &alone[i], alone[i].pass.cross,
                             l.f->decoder_layers, l.f->heads);
            }
            turned[0] = t[1], turned[1] = t[0]; // targets the other way round, each with its own source
            Outputs crossed = forward(a, &l, s, turned, (const int32_t[]){1, 0}, 2);
            for (int i = 0; i < 2; i++)
                same_rows(name, crossed.logits, crossed.target, 1 - i, alone[i].logits);
            run++;
        }
        arena_free(a);
    }
    CHECK(run >= 7);
}

// ------------------------------------------------------------------------------------------ what a model says of itself

TEST(model_info)
{
    static const struct {
        const char *name, *family, *class_name, *format;
        int64_t width, vocab, encoder, decoder, heads;
        int32_t start, pad, eos;
    } want[] = {
        {"odd-bart", "bart", "BartForConditionalGeneration", "safetensors", 24, 420, 2, 1, 3, 2, 1, 2},
        {"odd-bart-base", "bart", "BartForConditionalGeneration", "pickle (zip)", 24, 420, 2, 1, 3, 2, 1, 2},
        {"odd-mbart50", "mbart", "MBartForConditionalGeneration", "safetensors", 24, 354, 2, 2, 4, 2, 1, 2},
        {"odd-m2m100", "m2m_100", "M2M100ForConditionalGeneration", "pickle (zip)", 28, 369, 1, 2, 4, 2, 1,
         2},
        {"odd-pegasus", "pegasus", "PegasusForConditionalGeneration", "safetensors", 30, 383, 2, 2, 5, 0, 0,
         1},
        {"odd-umt5", "umt5", "UMT5ForConditionalGeneration", "safetensors", 28, 608, 2, 2, 3, 0, 0, 1},
        {"odd-marian", "marian", "MarianMTModel", "safetensors", 36, 295, 2, 1, 3, 294, 294, 0},
        {"marian-en-nl-legacy", "marian", "MarianMTModel", "pickle (legacy)", 64, 1211, 3, 3, 4, 1210, 1210,
         0},
        {"t5-v10-relu", "t5", "T5ForConditionalGeneration", "safetensors", 48, 600, 2, 3, 3, 0, 0, 1}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        Lab l;
        if (!lab_open_model(A, want[i].name, &l)) continue;
        CHECK_STR(str_of(l.f->family), str_of(want[i].family));
        CHECK_STR(str_of(l.f->class_name), str_of(want[i].class_name));
        CHECK_STR(str_of(l.f->format), str_of(want[i].format));
        CHECK_INT(l.f->width, want[i].width);
        CHECK_INT(l.f->vocab, want[i].vocab);
        CHECK_INT(l.f->encoder_layers, want[i].encoder);
        CHECK_INT(l.f->decoder_layers, want[i].decoder);
        CHECK_INT(l.f->heads, want[i].heads);
        CHECK_INT(l.f->start, want[i].start);
        CHECK_INT(l.f->pad, want[i].pad);
        CHECK_INT(l.f->eos, want[i].eos);
        CHECK(l.f->encoder_decoder && l.f->parameters > 1000 && l.f->bytes > 4000 &&
              l.f->flops_source > 1000 && l.f->flops_target > 1000);
        CHECK(l.f->flops_word == (double)(want[i].width * want[i].vocab));
    }
}

// A damaged weight is named, wherever it is; an overflow is told apart from damage.
TEST(model_not_finite)
{
    Lab l;
    Err e = {0};
    float z[] = {1, INFINITY, 2}, fine[] = {1, 2, 3};
    if (!lab_open(A, "odd-marian", &l)) return;
    CHECK(nn_check_finite(l.m, fine, 3, &e) && !e.set);
    CHECK(!nn_check_finite(l.m, z, 3, &e));
    CHECK_HAS(e.text, "though every weight is");
}

typedef struct Opening {
    const char *folder;
} Opening;

static bool open_model(Arena *A, void *context, Err *e)
{
    const Opening *o = context;
    return nn_open(A, o->folder, (NnOptions){0}, e) != NULL;
}

TEST(model_faults)
{
    Opening o = {"test/golden/models/odd-marian"}, p = {"test/golden/models/odd-t5"};
    test_every_fault(A, FAULT_ALLOC, open_model, &o);
    test_every_fault(A, FAULT_IO, open_model, &o);
    test_every_fault(A, FAULT_ALLOC, open_model, &p);
    test_every_fault(A, FAULT_IO, open_model, &p);
}
