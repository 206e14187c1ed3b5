// SPDX-License-Identifier: Apache-2.0
// t_methods.c — attribution methods with many passes, by what must hold of them: sums, special cases, the
// same bits however the work is cut, numbers that are drawn, arguments that can't be. The library's results
// are t_attribute.c's.
#include "../attr/random.h"
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static bool attribute(Arena *A, const Lab *l, const char *method, const char *args, bool target,
                      const Pair *p, Sequence *out, Err *e)
{
    AttrOptions o = attr_defaults();
    o.method = method, o.attribute_target = target, o.unk = tok_unk(l->t), o.eos = tok_eos(l->t);
    o.method_args = args ? json_parse(A, str_of(args), "arguments", e) : NULL;
    return attr_run(A, l->m, &o, p, 1, out, e);
}

static Sequence attributed(Arena *A, const Lab *l, const char *method, const char *args, bool target,
                           const Pair *p)
{
    Err e = {0};
    Sequence s = {0};
    if (!attribute(A, l, method, args, target, p, &s, &e))
        FAIL("%s %s: %s", method, args ? args : "", e.text);
    return s;
}

static double row_sum(const Scores *s, int64_t i, int64_t c)
{
    double sum = 0;
    int64_t each = 1;
    for (int k = 2; k < s->rank; k++) each *= s->dim[k];
    for (int64_t j = 0; j < each; j++) sum += (double)run_cell(s, i, c)[j];
    return sum;
}

static double column_sum(const Sequence *s, int64_t c)
{
    double sum = 0;
    const Scores *side[] = {&s->source_attributions, &s->target_attributions};
    for (int t = 0; t < 2; t++)
        for (int64_t i = 0; side[t]->v && i < side[t]->dim[0]; i++)
            sum += isnan(row_sum(side[t], i, c)) ? 0 : row_sum(side[t], i, c);
    return sum;
}

static const Scores *named(const NamedScores *v, size_t n, const char *name)
{
    static const Scores none;
    for (size_t i = 0; i < n; i++)
        if (str_is(v[i].name, name)) return &v[i].scores;
    return FAIL("no %s", name), &none;
}

// ------------------------------------------------------------------------------------------ sums

static double worst_delta(const Sequence *s)
{
    const Scores *d = named(s->step_scores, s->n_step_scores, "deltas");
    double most = 0;
    for (int64_t c = 0; c < d->dim[0]; c++) most = fmax(most, fabs((double)d->v[c]));
    return most;
}

// Integrated gradients add up to the difference, the better the more points there are.
TEST(methods_completeness)
{
    static const char *const models[] = {"marian-en-nl", "t5-v10-relu", "t5-yesno-tiny"};
    for (int k = 0; k < 3; k++) {
        Lab l;
        if (!lab_open(A, models[k], &l)) continue;
        Pair p = lab_forced(A, &l, "The nurse went to the hospital.", "De verpleger ging.");
        double few, many, gauss;
        Sequence s = attributed(
            A, &l, "integrated_gradients",
            "{\"n_steps\": 8, \"method\": \"riemann_middle\", \"return_convergence_delta\": true}", true, &p);
        few = worst_delta(&s);
        s = attributed(
            A, &l, "integrated_gradients",
            "{\"n_steps\": 256, \"method\": \"riemann_middle\", \"return_convergence_delta\": true}", true,
            &p);
        many = worst_delta(&s);
        s = attributed(A, &l, "integrated_gradients", "{\"n_steps\": 96, \"return_convergence_delta\": true}",
                       true, &p);
        gauss = worst_delta(&s);
        CHECK(many < few / 8 + 1e-5);
        CHECK_NEAR(many, 0, 2e-3);
        CHECK_NEAR(gauss, 0, 2e-3);
    }
}

// One row moving alone adds up to what occlusion of that row changes.
TEST(methods_rows)
{
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, "The cat is in the bag.", "De kat zit in de tas.");
    Sequence one = attributed(A, &l, "sequential_integrated_gradients", "{\"n_steps\": 60}", true, &p);
    Sequence gone = attributed(A, &l, "occlusion", NULL, true, &p);
    Scores *of[2][2] = {{&one.source_attributions, &gone.source_attributions},
                        {&one.target_attributions, &gone.target_attributions}};
    for (int side = 0; side < 2; side++)
        for (int64_t i = 0; i < of[side][0]->dim[0]; i++)
            for (int64_t c = 0; c < of[side][0]->dim[1]; c++) {
                double sum = row_sum(of[side][0], i, c), change = (double)*run_cell(of[side][1], i, c);
                CHECK_INT(isnan(sum), isnan(change));
                CHECK_INT(isnan(sum), side && i > c);
                if (!isnan(sum)) CHECK_NEAR(fabs(sum), change, 1e-3);
            }
}

// Probabilities of the target after rows of x and y are replaced.
static double *probabilities(Arena *A, const Lab *l, const Pair *p, const float *x, const float *y)
{
    int64_t d = l->f->width, S = p->source.n, T = p->target.n - 1, V = l->f->vocab;
    Tape *t = tape_create(A);
    Pass pass;
    int64_t *rows = arena_new(A, int64_t, T);
    for (int64_t j = 0; j < T; j++) rows[j] = j;
    nn_forward(l->m, t, tn_leaf(t, x, S, d, rows_make(A, 1, &S), false),
               tn_leaf(t, y, T, d, rows_make(A, 1, &T), false), NULL, &pass);
    Tensor *z = nn_logits(l->m, t, &pass, rows, rows_make(A, 1, &T));
    double *out = arena_new(A, double, T);
    for (int64_t j = 0; j < T; j++)
        out[j] = num_exp((double)z->f[j * V + p->target.v[j + 1]] - num_log_sum_exp(z->f + j * V, V));
    return out;
}

// By the definition, to the last bit: each row replaced alone, in a pass of its own.
TEST(methods_occlusion_by_definition)
{
    static const char *const models[] = {"odd-marian", "t5-yesno-mini"};
    for (int m = 0; m < 2; m++) {
        Lab l;
        if (!lab_open(A, models[m], &l)) continue;
        Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
        Sequence s = attributed(A, &l, "occlusion", NULL, true, &p);
        int64_t d = l.f->width, S = p.source.n, T = p.target.n - 1;
        float *x = arena_new(A, float, S *d), *y = arena_new(A, float, T *d), *kept = arena_new(A, float, d);
        int32_t unk = tok_unk(l.t);
        nn_embed(l.m, p.source, false, x), nn_embed(l.m, (Ids){p.target.v, T}, true, y);
        double *clean = probabilities(A, &l, &p, x, y);
        for (int64_t i = 0; i < S + T; i++) {
            float *row = i < S ? x + i * d : y + (i - S) * d;
            bool itself = i == S || (i < S && p.source.v[i] == tok_eos(l.t));
            memcpy(kept, row, (size_t)d * sizeof(float));
            if (!itself) nn_embed(l.m, (Ids){&unk, 1}, i >= S, row);
            double *now = probabilities(A, &l, &p, x, y);
            for (int64_t c = i < S ? 0 : i - S; c < T; c++) {
                float want = fabsf((float)(clean[c] - now[c]));
                float got =
                    *run_cell(i < S ? &s.source_attributions : &s.target_attributions, i < S ? i : i - S, c);
                if (got != want)
                    FAIL("row %" PRId64 ", column %" PRId64 ": got %.9g, want %.9g", i, c, (double)got,
                         (double)want);
                else test_count(1);
            }
            memcpy(row, kept, (size_t)d * sizeof(float));
        }
    }
}

// Windows of one row are the rule; of all rows, one score for all; means lie between.
TEST(methods_occlusion_windows)
{
    Lab l;
    if (!lab_open(A, "marian-en-nl", &l)) return;
    Pair p = lab_forced(A, &l, "The cat is in the bag.", "De kat zit.");
    Sequence all = attributed(A, &l, "occlusion", "{\"sliding_window_shapes\": 100}", true, &p);
    Sequence two = attributed(A, &l, "occlusion",
                              "{\"sliding_window_shapes\": [2, -1], \"strides\": [2, -1]}", false, &p);
    const Scores *s = &all.source_attributions, *t = &two.source_attributions;
    for (int64_t c = 0; c < s->dim[1]; c++)
        for (int64_t i = 1; i < s->dim[0]; i++) CHECK(*run_cell(s, i, c) == *run_cell(s, 0, c));
    for (int64_t c = 0; c < t->dim[1]; c++)
        for (int64_t i = 0; i + 1 < t->dim[0] && t->dim[0] % 2 == 0; i += 2)
            CHECK(*run_cell(t, i, c) == *run_cell(t, i + 1, c));
}

TEST(methods_attention_sums)
{
    static const char *const models[] = {"odd-marian", "odd-t5", "t5-v10-relu"};
    for (int k = 0; k < 3; k++) {
        Lab l;
        if (!lab_open(A, models[k], &l)) continue;
        Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
        Sequence s = attributed(A, &l, "attention", NULL, true, &p),
                 own = attributed(A, &l, "attention", NULL, false, &p);
        const Scores *of[] = {&s.source_attributions, &s.target_attributions,
                              named(s.sequence_scores, s.n_sequence_scores, "encoder_self_attentions"),
                              named(own.sequence_scores, own.n_sequence_scores, "decoder_self_attentions")};
        for (int b = 0; b < 4; b++)
            for (int64_t c = 0; c < of[b]->dim[1]; c++)
                for (int64_t h = 0; h < of[b]->dim[2] * of[b]->dim[3]; h++) {
                    double sum = 0;
                    for (int64_t i = 0; i < of[b]->dim[0]; i++) {
                        float v = run_cell(of[b], i, c)[h];
                        CHECK_INT(isnan(v), b == 1 && i > c);
                        sum += isnan(v) ? 0 : (double)v;
                    }
                    CHECK_NEAR(sum, 1, 1e-5);
                }
    }
}

// ------------------------------------------------------------------------------------------ value zeroing

// The library of now can't do Marian; the older one, recorded, can. Its decoder scores without a target side
// have a shape of their own, and its 1 - cos is a multiple of 2^-24 that is then divided by sums down to
// 1e-3.
TEST(methods_value_zeroing_older)
{
    const Json *index = golden_json(A, "index.json");
    int run = 0;
    for (const Json *entry = NULL; (entry = golden_case(index, "older", entry));) {
        Case c;
        Lab l;
        Err e = {0};
        const char *why;
        Attribution got, want;
        if (!str_is(json_get(entry, "method")->text, "value_zeroing") || !lab_case(A, entry, &c, &why))
            continue;
        if (!lab_open(A, str_zero(A, c.model), &l)) continue;
        const char *file = str_zero(A, json_get(entry, "raw_file")->text) + strlen("cases/");
        if (!lab_attribute(A, &l, &c, &got, &e)) FAIL("%s: %s", file, e.text);
        if (!golden_attribution(A, file, &want)) continue;
        Sequence *w = want.sequence, *g = got.sequence;
        for (size_t i = 0; i < w->n_sequence_scores; i++)
            if (w->sequence_scores[i].scores.rank == 4) w->n_sequence_scores = 0, g->n_sequence_scores = 0;
        lab_compare(A, &c, file, &got, &want);
        run++;
    }
    CHECK(run >= 5);
}

// Nothing to zero: nothing changes. All layers named: as if none were.
TEST(methods_value_zeroing_heads)
{
    Lab l;
    if (!lab_open(A, "odd-t5", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
    Sequence none = attributed(A, &l, "value_zeroing", "{\"cross_zeroed_units_indices\": {}}", true, &p);
    Sequence all = attributed(A, &l, "value_zeroing", NULL, true, &p);
    Sequence listed =
        attributed(A, &l, "value_zeroing", "{\"cross_zeroed_units_indices\": [0, 1, -1]}", true, &p);
    Sequence far = attributed(A, &l, "value_zeroing",
                              "{\"similarity_metric\": \"euclidean\", \"output_encoder_self_scores\": false}",
                              false, &p);
    const Scores *s = &none.source_attributions, *t = &all.source_attributions,
                 *u = &listed.source_attributions;
    CHECK_INT(far.n_sequence_scores, 1);
    for (int64_t i = 0; i < s->dim[0] * s->dim[1] * s->dim[2]; i++) CHECK(s->v[i] == 0 && t->v[i] == u->v[i]);
    for (int64_t c = 0; c < t->dim[1]; c++) {
        double sum[2] = {0};
        for (int64_t i = 0; i < t->dim[0]; i++) {
            sum[0] += (double)run_cell(t, i, c)[0];
            sum[1] += (double)run_cell(&far.source_attributions, i, c)[0];
        }
        CHECK_NEAR(sum[0], 1, 1e-5);
        CHECK_NEAR(sum[1], 1, 1e-5);
    }
}

// ------------------------------------------------------------------------------------------ layers

static void same_scores(const char *what, const Scores *x, const Scores *y, double tolerance)
{
    if (x->rank != y->rank) return FAIL("%s: rank", what), (void)0;
    int64_t n = 1;
    for (int k = 0; k < x->rank; k++) CHECK_INT(x->dim[k], y->dim[k]), n *= x->dim[k];
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)x->v[i] - (double)y->v[i]) <= tolerance))
            return FAIL("%s: [%" PRId64 "] %.9g and %.9g", what, i, (double)x->v[i], (double)y->v[i]),
                   (void)0;
    test_count(n);
}

// At the embeddings they are the methods without a layer; at the encoder's end, through which all goes, they
// are complete.
TEST(methods_layers)
{
    static const char *const pairs[][2] = {{"layer_gradient_x_activation", "input_x_gradient"},
                                           {"layer_integrated_gradients", "integrated_gradients"},
                                           {"layer_deeplift", "deeplift"}};
    Lab l;
    if (!lab_open(A, "t5-v10-relu", &l)) return;
    Pair p = lab_forced(A, &l, "The nurse went to the hospital.", "De verpleger ging.");
    for (int k = 0; k < 3; k++) {
        Sequence x = attributed(A, &l, pairs[k][0], NULL, false, &p),
                 y = attributed(A, &l, pairs[k][1], NULL, false, &p);
        same_scores(pairs[k][0], &x.source_attributions, &y.source_attributions, 0);
        CHECK(!x.target_attributions.v);
    }
    Sequence whole = attributed(A, &l, "integrated_gradients",
                                "{\"n_steps\": 64, \"return_convergence_delta\": true}", false, &p);
    Sequence last =
        attributed(A, &l, "layer_integrated_gradients",
                   "{\"n_steps\": 64, \"target_layer\": \"encoder.final_layer_norm\"}", false, &p);
    Sequence inner = attributed(
        A, &l, "layer_integrated_gradients",
        "{\"n_steps\": 4, \"target_layer\": \"encoder.block[1].layer[1].DenseReluDense.wi\"}", false, &p);
    const Scores *d = named(whole.step_scores, whole.n_step_scores, "deltas");
    for (int64_t c = 0; c < d->dim[0]; c++)
        CHECK_NEAR(column_sum(&last, c), column_sum(&whole, c) - (double)d->v[c], 2e-3);
    CHECK(inner.source_attributions.dim[2] != l.f->width);
    CHECK(inner.source_attributions.v[0] != 0);
}

// ------------------------------------------------------------------------------------------ drawing

// What NumPy's generator gave the library for the recorded seeds.
TEST(methods_random_stream)
{
    const Json *index = golden_json(A, "index.json");
    int run = 0;
    for (const Json *entry = NULL; (entry = golden_case(index, "attribute", entry));) {
        const Json *draws = json_get(entry, "draws");
        if (!draws || !json_get(draws->child, "uniform")) continue;
        Random *r = arena_new(A, Random, 1);
        random_seed(r, (uint32_t)json_get(entry, "seed")->i);
        for (const Json *d = draws->child; d; d = d->next)
            for (const Json *u = json_get(d, "uniform")->child; u; u = u->next)
                CHECK(random_uniform(r) == u->number);
        run++;
    }
    CHECK(run >= 2);
}

TEST(methods_random_normal)
{
    Random *r = arena_new(A, Random, 1);
    double sum = 0, squares = 0;
    int n = 100000;
    random_seed(r, 1);
    for (int i = 0; i < n; i++) {
        double x = random_normal(r);
        sum += x, squares += x * x;
    }
    CHECK_NEAR(sum / n, 0, 0.02);
    CHECK_NEAR(squares / n, 1, 0.02);
}

TEST(methods_seeds)
{
    static const char *const first[] = {"{\"seed\": 1}", "{\"seed\": 1, \"stdevs\": 0.5}",
                                        "{\"seed\": 1, \"n_samples\": 9}"};
    static const char *const other[] = {"{\"seed\": 2}", "{\"seed\": 2, \"stdevs\": 0.5}",
                                        "{\"seed\": 2, \"n_samples\": 9}"};
    static const char *const method[] = {"gradient_shap", "gradient_shap", "lime"};
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes");
    for (int k = 0; k < 3; k++) {
        Sequence a = attributed(A, &l, method[k], first[k], false, &p),
                 again = attributed(A, &l, method[k], first[k], false, &p);
        Sequence b = attributed(A, &l, method[k], other[k], false, &p);
        same_scores(method[k], &a.source_attributions, &again.source_attributions, 0);
        int64_t n = a.source_attributions.dim[0] * a.source_attributions.dim[1] *
                    a.source_attributions.dim[2],
                differ = 0;
        for (int64_t i = 0; i < n; i++) differ += a.source_attributions.v[i] != b.source_attributions.v[i];
        CHECK(differ > n / 2);
    }
}

// A linear model of masks finds nothing where nothing is masked, and the prefix too can be masked.
TEST(methods_lime)
{
    Lab l;
    if (!lab_open(A, "t5-yesno-tiny", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes, it is");
    Sequence none = attributed(A, &l, "lime", "{\"mask_prob\": 0, \"n_samples\": 5}", false, &p);
    Sequence both = attributed(A, &l, "lime", "{\"n_samples\": 30, \"mask_token\": \"pad\"}", true, &p);
    for (int64_t i = 0; i < none.source_attributions.dim[0] * none.source_attributions.dim[1] * l.f->width;
         i++)
        CHECK(none.source_attributions.v[i] == 0);
    const Scores *t = &both.target_attributions;
    for (int64_t i = 0; i < t->dim[0]; i++)
        for (int64_t c = 0; c < t->dim[1]; c++) CHECK_INT(isnan(run_cell(t, i, c)[0]), i > c);
}

// ------------------------------------------------------------------------------------------ the same bits

enum { TEXTS = 3 };

static Str bytes_of(Arena *A, Sequence *s)
{
    Buf b = {.arena = A};
    attr_to_json(A, &(Attribution){.sequence = s, .n = 1}, &b);
    return buf_view(&b);
}

typedef struct Bits {
    Lab l;
    AttrOptions o;
    Pair pair[TEXTS], foil;
    Str want[TEXTS];
} Bits;

static void run_bits(Arena *A, Bits *b, int first, size_t n)
{
    Err e = {0};
    Arena *a = arena_create(A);
    Sequence out[TEXTS];
    if (!attr_run(a, b->l.m, &b->o, b->pair + first, n, out, &e)) FAIL("%s: %s", b->o.method, e.text);
    for (size_t i = 0; !e.set && i < n; i++) {
        Str got = bytes_of(a, &out[i]), *want = &b->want[first + (int)i];
        if (!want->n) *want = str_copy(A, got);
        else if (!str_eq(got, *want))
            FAIL("%s, %s, %d threads, memory %zu: text %d has other bits", b->o.method, cpu_isa(),
                 pool_threads(), b->o.max_memory, first + (int)i);
        else test_count(1);
    }
    arena_free(a);
}

static void same_bits(Arena *A, const char *model, const char *languages, bool forced)
{
    static const char *const source[TEXTS] = {"The nurse went.", "It rains.", "No."}, *const into[TEXTS] = {
                                                                                          "De verpleger.",
                                                                                          "Het", "Nee, nee."};
    const Json *args = json_parse(A,
                                  STR_LIT("{\"n_steps\": 3, \"n_samples\": 3, \"n_neighbors\": 5, "
                                          "\"stdevs\": 0.01, \"max_probe_steps\": 3, \"num_probes\": 2, "
                                          "\"return_convergence_delta\": true}"),
                                  "", NULL);
    const Entry *method;
    Bits b = {.o = attr_defaults()};
    if (!lab_open(A, model, &b.l)) return;
    lab_languages(A, &b.l, json_parse(A, str_of(languages), "", NULL));
    const Entry *step;
    const char **steps = arena_new(A, const char *, attr_step_list(&step));
    for (size_t i = 0, n = attr_step_list(&step); i < n; i++) steps[i] = step[i].name;
    b.o.step_scores = steps, b.o.n_step_scores = attr_step_list(&step);
    b.o.step.top_p = 0.9, b.o.step.top_p_given = true, b.o.step.n_mcd_steps = 2;
    for (int i = 0; i < TEXTS; i++) b.pair[i] = lab_forced(A, &b.l, source[i], into[i]);
    b.foil = lab_forced(A, &b.l, forced ? source[1] : "It is a cat.", "Het is.");
    b.pair[1].contrast = &b.foil;
    b.o.attributed_fn = forced ? "pcxmi" : "contrast_prob_diff", b.o.step.contrast_force_inputs = forced;
    b.o.unk = tok_unk(b.l.t), b.o.eos = tok_eos(b.l.t), b.o.method_args = args;
    for (size_t k = 0, n = attr_method_list(&method); k < n; k++) {
        const char *isa[4];
        size_t isas = cpu_isas(isa);
        b.o.method = method[k].name, b.o.attribute_target = strncmp(method[k].name, "layer_", 6) != 0;
        memset(b.want, 0, sizeof b.want);
        b.o.max_memory = (size_t)1 << 30;
        run_bits(A, &b, 0, TEXTS);
        cpu_select(isa[isas - 1], NULL), pool_start(3);
        b.o.max_memory = 1;
        run_bits(A, &b, 1, 2);
        cpu_select(isa[0], NULL), pool_start(1);
        b.o.max_memory = 200000;
        run_bits(A, &b, 0, 1), run_bits(A, &b, 1, 1);
        cpu_select(NULL, NULL), pool_start(0);
    }
}

TEST(methods_bits_marian) { same_bits(A, "odd-marian", "{}", false); }
TEST(methods_bits_t5) { same_bits(A, "odd-t5", "{}", true); }
TEST(methods_bits_bart) { same_bits(A, "odd-bart", "{}", false); }
TEST(methods_bits_mbart)
{
    same_bits(A, "odd-mbart50", "{\"src_lang\": \"en_XX\", \"tgt_lang\": \"nl_XX\"}", true);
}
TEST(methods_bits_nllb)
{
    same_bits(A, "odd-nllb", "{\"src_lang\": \"eng_Latn\", \"tgt_lang\": \"nld_Latn\"}", false);
}
TEST(methods_bits_m2m100)
{
    same_bits(A, "odd-m2m100", "{\"src_lang\": \"en\", \"tgt_lang\": \"nl\"}", true);
}
TEST(methods_bits_pegasus) { same_bits(A, "odd-pegasus", "{}", true); }
TEST(methods_bits_umt5) { same_bits(A, "odd-umt5", "{}", false); }

// Pairs that share a source stand on another place in the batch than their source does.
TEST(methods_shared_source)
{
    static const char *const source[4] = {"It rains.", "It rains.", "The nurse went to the hospital.", "No."};
    static const char *const into[4] = {"Het regent.", "Het is een kat in de zak.", "De", "Nee, nee."};
    Lab l;
    Pair p[4];
    Sequence together[4], alone;
    Err e = {0};
    AttrOptions o = attr_defaults();
    if (!lab_open(A, "odd-t5", &l)) return;
    o.method = "saliency", o.attribute_target = true;
    for (int i = 0; i < 4; i++) p[i] = lab_forced(A, &l, source[i], into[i]);
    if (!attr_run(A, l.m, &o, p, 4, together, &e)) FAIL("%s", e.text);
    for (int i = 0; i < 4; i++) {
        if (!attr_run(A, l.m, &o, &p[i], 1, &alone, &e)) FAIL("%s", e.text);
        CHECK(str_eq(bytes_of(A, &alone), bytes_of(A, &together[i])));
    }
}

// ------------------------------------------------------------------------------------------ short of memory

typedef struct Faulty {
    Lab l;
    Pair p;
    const char *method;
} Faulty;

static bool run_faulty(Arena *A, void *context, Err *e)
{
    Faulty *f = context;
    Sequence out;
    return attribute(
        A, &f->l, f->method,
        "{\"n_steps\": 2, \"n_samples\": 2, \"n_neighbors\": 3, \"max_probe_steps\": 2, \"num_probes\": 2}",
        false, &f->p, &out, e);
}

TEST(methods_faults)
{
    Faulty f;
    const Entry *method;
    if (!lab_open(A, "odd-t5", &f.l)) return;
    f.p = lab_forced(A, &f.l, "No.", "Ja");
    for (size_t k = 0, n = attr_method_list(&method); k < n; k++) {
        f.method = method[k].name;
        test_every_fault(A, FAULT_ALLOC, run_faulty, &f);
    }
}

// ------------------------------------------------------------------------------------------ bad arguments

TEST(methods_arguments)
{
    static const struct {
        const char *method, *args, *says;
        bool target;
    } bad[] = {
        {"integrated_gradients", "{\"n_steps\": 0}",
         "argument n_steps is 0; it must be a whole number from 1 to 100000", false},
        {"integrated_gradients", "{\"n_steps\": 2.5}", "argument n_steps is 2.5", false},
        {"integrated_gradients", "{\"n_steps\": \"many\"}", "argument n_steps is a string", false},
        {"integrated_gradients", "{\"n_steps\": 99999999999999999999}",
         "argument n_steps is 99999999999999999999", false},
        {"integrated_gradients", "{\"method\": \"simpson\"}",
         "gausslegendre, riemann_left, riemann_right, riemann_middle or riemann_trapezoid", false},
        {"integrated_gradients", "{\"method\": 3}", "argument method is a number", false},
        {"integrated_gradients", "{\"method\": \"riemann_trapezoid\", \"n_steps\": 1}",
         "n_steps of 2 or more", false},
        {"integrated_gradients", "{\"internal_batch_size\": 0}", "argument internal_batch_size is 0", false},
        {"integrated_gradients", "{\"return_convergence_delta\": 1}",
         "argument return_convergence_delta is a number; it must be true or false", false},
        {"integrated_gradients", "{\"multiply_by_inputs\": \"yes\"}",
         "argument multiply_by_inputs is a string", false},
        {"deeplift", "{\"return_convergence_delta\": []}", "argument return_convergence_delta is an array",
         false},
        {"gradient_shap", "{\"n_samples\": 0}", "argument n_samples is 0", false},
        {"gradient_shap", "{\"stdevs\": -1}", "argument stdevs is -1; it must be a number from 0", false},
        {"gradient_shap", "{\"seed\": 4294967296}",
         "argument seed is 4294967296; it must be a whole number from 0 to 4294967295", false},
        {"discretized_integrated_gradients", "{\"n_steps\": 1}",
         "argument n_steps is 1; it must be a whole number from 2", false},
        {"discretized_integrated_gradients", "{\"method\": \"gausslegendre\"}",
         "it must be greedy or maxcount", false},
        {"discretized_integrated_gradients", "{\"n_neighbors\": -5}", "argument n_neighbors is -5", false},
        {"occlusion", "{\"sliding_window_shapes\": [0, -1]}",
         "argument sliding_window_shapes must be a number of tokens from 1 on", false},
        {"occlusion", "{\"sliding_window_shapes\": [2, 7]}", "argument sliding_window_shapes", false},
        {"occlusion", "{\"sliding_window_shapes\": {}}", "argument sliding_window_shapes", false},
        {"occlusion", "{\"sliding_window_shapes\": []}", "argument sliding_window_shapes", false},
        {"occlusion", "{\"strides\": 2}", "strides 2 is more than the window of 1", false},
        {"lime", "{\"mask_prob\": 1.5}", "argument mask_prob is 1.5; it must be a number from 0 to 1", false},
        {"lime", "{\"mask_token\": \"mask\"}", "it must be unk or pad", false},
        {"lime", "{\"masks\": [[1]]}", "argument masks must hold n_samples lists", false},
        {"lime", "{\"n_samples\": 1, \"masks\": [7]}", "argument masks must hold n_samples lists", false},
        {"kernel_shap", "{\"n_samples\": 1}", "argument n_samples is 1; it must be a whole number from 2",
         false},
        {"kernel_shap", "{\"units\": \"clause\"}", "it must be token, word or sentence", false},
        {"sobol", "{\"order\": \"second\"}", "argument order is second; it must be total or first", false},
        {"sobol", "{\"n_samples\": 1}", "argument n_samples is 1", false},
        {"var_grad", "{\"n_samples\": 1}", "argument n_samples is 1; it must be a whole number from 2",
         false},
        {"square_grad", "{\"stdev\": -1}", "argument stdev is -1", false},
        {"value_zeroing", "{\"cross_zeroed_units_indices\": 17}",
         "argument cross_zeroed_units_indices must be a head from 0 to", false},
        {"value_zeroing", "{\"encoder_zeroed_units_indices\": {\"99\": 0}}",
         "argument encoder_zeroed_units_indices", false},
        {"value_zeroing", "{\"decoder_zeroed_units_indices\": [\"a\"]}",
         "argument decoder_zeroed_units_indices", false},
        {"value_zeroing", "{\"similarity_metric\": \"dot\"}", "it must be cosine or euclidean", false},
        {"layer_gradient_x_activation", "{\"target_layer\": \"encoder.layers.99.fc1\"}",
         "no layer \"encoder.layers.99.fc1\"", false},
        {"layer_gradient_x_activation", "{\"target_layer\": 3}", "argument target_layer is a number", false},
        {"layer_gradient_x_activation", "{\"target_layer\": \"decoder.embed_tokens\"}",
         "attribute_target must be on", false},
        {"layer_gradient_x_activation", "{\"target_layer\": \"decoder.layers.0.encoder_attn.k_proj\"}",
         "attribute_target must be off", true},
        {"layer_deeplift", "{}", "attribute_target must be off", true},
    };
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Err e = {0};
        Sequence s;
        Arena *a = arena_create(A);
        if (attribute(a, &l, bad[i].method, bad[i].args, bad[i].target, &p, &s, &e))
            FAIL("%s took %s", bad[i].method, bad[i].args);
        CHECK_HAS(e.text, bad[i].says);
        arena_free(a);
    }
}

// Values that exist for the original inputs only are no function to occlude; counts are.
TEST(methods_functions)
{
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes");
    static const char *const method[] = {"occlusion", "lime", "integrated_gradients"};
    for (int k = 0; k < 3; k++) {
        AttrOptions o = attr_defaults();
        Sequence s;
        Err e = {0};
        o.method = method[k], o.attributed_fn = "mc_dropout_prob_avg";
        CHECK(!attr_run(A, l.m, &o, &p, 1, &s, &e));
        CHECK_HAS(e.text, "can't be attributed");
        o.attributed_fn = "top_p_size", o.step.top_p_given = true, o.step.top_p = 0.9;
        e = (Err){0};
        CHECK_INT(attr_run(A, l.m, &o, &p, 1, &s, &e), k < 2);
    }
}

// A model without an unknown token falls back to padding; one that has neither is told so.
TEST(methods_baseline)
{
    Lab l;
    if (!lab_open(A, "odd-marian", &l)) return;
    Pair p = lab_forced(A, &l, "Is 4 even?", "yes");
    AttrOptions o = attr_defaults();
    Sequence x, y;
    Err e = {0};
    o.method = "occlusion", o.eos = tok_eos(l.t);
    CHECK(attr_run(A, l.m, &o, &p, 1, &x, &e));
    o.unk = l.f->pad;
    CHECK(attr_run(A, l.m, &o, &p, 1, &y, &e));
    same_scores("padding", &x.source_attributions, &y.source_attributions, 0);
    o.unk = INT32_MAX;
    CHECK(!attr_run(A, l.m, &o, &p, 1, &y, &e));
    CHECK_HAS(e.text, "the unknown token: token id 2147483647");
    o.unk = tok_unk(l.t), o.include_eos_baseline = true;
    CHECK(attr_run(A, l.m, &o, &p, 1, &y, &(Err){0}));
    CHECK(*run_cell(&x.source_attributions, p.source.n - 1, 0) == 0);
    CHECK(*run_cell(&y.source_attributions, p.source.n - 1, 0) != 0);
}
