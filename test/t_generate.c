// SPDX-License-Identifier: Apache-2.0
// t_generate.c — generation against transformers' recorded answers, and against itself: sentences together as alone, any
// instruction set and thread count, and decoding token by token with a cache as one pass over the finished sentence.
#include "../nn/processors.h"
#include "lab.h"

#include <math.h>
#include <stdio.h>

static const char *const models[] = {
    "odd-bart",   "odd-mbart50", "odd-m2m100",  "odd-nllb",      "odd-pegasus",   "odd-umt5", "marian-en-nl",
    "odd-marian", "t5-yesno",    "t5-v10-relu", "t5-yesno-mini", "t5-yesno-tiny", "odd-t5"};
enum { N_MODELS = sizeof models / sizeof *models };

static bool is_odd(const char *name) { return !strncmp(name, "odd-", 4); }

// ------------------------------------------------------------------------------------------ what was recorded

static const Json *member(const Json *row, const char *key)
{
    const Json *j = json_get(row, key);
    return j && j->kind != J_NULL ? j : NULL;
}

// Their sequence may have padding behind the end (beam search fills with the end token where pad is 0).
static void same_ids(const char *what, const Json *want, const int32_t *ids, int64_t n, int32_t pad)
{
    int64_t i = 0;
    for (const Json *w = want->child; w; w = w->next, i++)
        if (i < n ? w->i != ids[i] : w->i != pad && !(pad == 0 && w->i == ids[n - 1])) {
            FAIL("%s: id %" PRId64 " is %d, expected %" PRId64, what, i, i < n ? ids[i] : -1, w->i);
            return;
        }
    if (i < n) FAIL("%s: %" PRId64 " ids, expected %" PRId64, what, n, i);
    else test_count(i);
}

static size_t row_sources(Arena *A, const Lab *l, const char *what, const Json *row, Ids **source)
{
    const Json *input = json_get(row, "input"), *ids = json_get(row, "input_ids")->child;
    size_t n = input->kind == J_ARRAY ? input->count : 1, i = 0;
    *source = arena_new(A, Ids, n);
    for (const Json *t = input->kind == J_ARRAY ? input->child : input; i < n;
         i++, t = t->next, ids = ids->next) {
        (*source)[i] = lab_encode(A, l, t->text, TOK_SOURCE, false);
        same_ids(what, ids, (*source)[i].v, (*source)[i].n, l->f->pad);
    }
    return n;
}

// M2M-100 has rows that are no words; the library writes its unknown token for them, though special tokens are left out,
// and begins anew behind it, where a space is lost. Where it wrote none, texts are compared as they are.
static Str words_of(Arena *A, const Lab *l, Str wanted, Str text)
{
    Buf b = {.arena = A};
    bool unknown = memmem(wanted.s, wanted.n, "<unk>", strlen("<unk>")) != NULL;
    if (strcmp(tok_class(l->t), "M2M100Tokenizer") || !unknown) return text;
    for (size_t i = 0; i < text.n;)
        if (str_starts((Str){text.s + i, text.n - i}, STR_LIT("<unk>"))) i += strlen("<unk>");
        else if (text.s[i] == ' ') i++;
        else buf_char(&b, text.s[i++]);
    return buf_view(&b);
}

static void check_row(Arena *A, const Lab *l, const char *name, const Json *row, double tolerance)
{
    Err e = {0};
    Ids *source, prefix[16] = {{0}};
    const GenConfig *g;
    const char *what = arena_printf(A, "%s, %s, '%.30s'", name, str_zero(A, json_get(row, "name")->text),
                                    str_zero(A, json_get(row, "input")->text));
    lab_languages(A, l, row);
    size_t n = row_sources(A, l, what, row, &source);
    if (member(row, "prefix")) prefix[0] = lab_encode(A, l, json_get(row, "prefix")->text, TOK_TARGET, true);
    if (!nn_generation(A, l->m, json_get(row, "args"), &g, &e)) return FAIL("%s: %s", what, e.text);
    size_t returns = (size_t)nn_generation_returns(g);
    Generated *out = arena_new(A, Generated, n * returns);
    if (!nn_generate(A, l->m, g, (int64_t)n, source, prefix, out, NULL, NULL, &e))
        return FAIL("%s: %s", what, e.text);
    const Json *ids = json_get(row, "sequences")->child, *text = json_get(row, "texts")->child;
    const Json *scores = member(row, "sequences_scores"), *score = scores ? scores->child : NULL;
    CHECK_INT(json_get(row, "sequences")->count, n * returns);
    for (size_t i = 0; ids && i < n * returns;
         i++, ids = ids->next, text = text->next, score = score ? score->next : NULL) {
        same_ids(what, ids, out[i].ids, out[i].n, l->f->pad);
        CHECK_STR(words_of(A, l, text->text, lab_decode(A, l, out[i].ids, out[i].n)),
                  words_of(A, l, text->text, text->text));
        if (score && !(fabs(out[i].score - score->number) <= tolerance + 5e-6 * fabs(score->number)))
            FAIL("%s: score %zu is %.9g, expected %.9g", what, i, out[i].score, score->number);
    }
}

TEST(generate_golden)
{
    int rows = 0;
    for (int k = 0; k < N_MODELS; k++) {
        Arena *a = arena_create(A);
        Lab l;
        if (!lab_open(a, models[k], &l)) continue;
        const Json *all = json_get(golden_json(a, arena_printf(a, "generate/%s.json", models[k])), "rows");
        for (const Json *row = all ? all->child : NULL; row; row = row->next, rows++) {
            Arena *each = arena_create(a);
            check_row(each, &l, models[k], row, is_odd(models[k]) ? 2.2e-4 : 2e-5);
            arena_free(each);
        }
        arena_free(a);
    }
    if (rows < 437 + 152) FAIL("%d rows were compared; it was 589 and more", rows);
}

// ------------------------------------------------------------------------------------------ with itself

static const char *const sources[] = {"The nurse went to the hospital.", "Is London the capital of France?",
                                      "No.", "It is raining.", "Zebra xylophone (quite) \"unseen\" words?"};
enum { N_SOURCES = sizeof sources / sizeof *sources };

typedef struct Kept { // what each source gave
    Generated of[N_SOURCES][4];
    bool set[N_SOURCES];
} Kept;

static bool same_output(const Generated *x, const Generated *y)
{
    return x->n == y->n && x->score == y->score && !memcmp(x->ids, y->ids, (size_t)x->n * sizeof *x->ids);
}

static void run_some(Arena *A, const Lab *l, const GenConfig *g, Kept *kept, const int *which, int n,
                     const char *what)
{
    Err e = {0};
    Ids source[N_SOURCES];
    int64_t returns = nn_generation_returns(g);
    Generated *out = arena_new(A, Generated, n * returns);
    for (int i = 0; i < n; i++) source[i] = lab_encode(A, l, str_of(sources[which[i]]), TOK_SOURCE, false);
    if (!nn_generate(A, l->m, g, n, source, NULL, out, NULL, NULL, &e)) return FAIL("%s: %s", what, e.text);
    for (int i = 0; i < n; i++)
        for (int64_t r = 0; r < returns; r++) {
            Generated *k = &kept->of[which[i]][r];
            if (!kept->set[which[i]]) *k = out[i * returns + r];
            else if (!same_output(k, &out[i * returns + r]))
                FAIL("%s, %s, %d threads, %d together: source %d differs", what, cpu_isa(), pool_threads(), n,
                     which[i]);
            else test_count(1);
            if (r + 1 == returns) kept->set[which[i]] = true;
        }
}

// Alone, together, in another order, by every instruction set with 1 to 3 threads: the same ids and the same scores.
TEST(generate_bits)
{
    static const char *const args[] = {
        "{\"num_beams\": 3, \"num_return_sequences\": 2, \"max_new_tokens\": 7}",
        "{\"num_beams\": 1, \"max_new_tokens\": 5, \"no_repeat_ngram_size\": 2}"};
    static const int alone[][1] = {{0}, {1}, {2}, {3}, {4}}, turned[] = {4, 2, 0, 1, 3};
    const char *isa[4];
    for (int k = 0; k < N_MODELS; k++)
        for (int j = 0; j < 2 && is_odd(models[k]); j++) {
            Arena *a = arena_create(A);
            Lab l;
            Err e = {0};
            Kept kept = {0};
            const GenConfig *g;
            const Json *json = json_parse(a, str_of(args[j]), "args", &e);
            if (!lab_open(a, models[k], &l) || !nn_generation(a, l.m, json, &g, &e))
                FAIL("%s %s", models[k], e.text);
            for (int i = 0; i < N_SOURCES; i++) run_some(a, &l, g, &kept, alone[i], 1, models[k]);
            for (size_t s = 0, n = cpu_isas(isa); s < n; s++)
                for (int threads = 1; threads <= 3; threads++) {
                    cpu_select(isa[s], NULL), pool_start(threads);
                    run_some(a, &l, g, &kept, turned, threads == 3 ? N_SOURCES : threads, models[k]);
                }
            cpu_select(NULL, NULL), pool_start(0);
            arena_free(a);
        }
}

// The score of a finished sentence again, from the logits of one teacher-forced pass over it: the same float operations
// on the same bits as decoding made one token at a time.
static float forced_score(Arena *A, const Lab *l, const GenConfig *g, Ids source, const Generated *out)
{
    int64_t T = out->n - 1, V = l->f->vocab, *rows = arena_new(A, int64_t, T);
    Tape *t = tape_create(A);
    Tensor *x = tn_new(t, source.n, l->f->width, rows_make(A, 1, &source.n)),
           *y = tn_new(t, T, l->f->width, rows_make(A, 1, &T));
    nn_embed(l->m, source, false, x->f), nn_embed(l->m, (Ids){out->ids, T}, true, y->f);
    for (int64_t i = 0; i < T; i++) rows[i] = i;
    Pass pass;
    nn_forward(l->m, t, x, y, NULL, &pass);
    float *z = nn_logits(l->m, t, &pass, rows, rows_make(A, 1, &T))->f, score = 0;
    int64_t limit = g->max_new_tokens ? 1 + g->max_new_tokens : g->max_length;
    for (int64_t i = 0; i < T; i++, z += V) {
        if (g->num_beams == 1) {
            score += (float)((double)z[out->ids[i + 1]] - num_log_sum_exp(z, V));
            continue;
        }
        log_softmax(z, V);
        processors_run(g, source, out->ids, i + 1, 1, limit, z, V, NULL);
        score += z[out->ids[i + 1]];
    }
    return g->num_beams == 1 ? score : score / (float)pow((double)T, g->length_penalty);
}

TEST(generate_cache)
{
    static const char *const args[] = {
        "{\"num_beams\": 4, \"num_return_sequences\": 4, \"max_new_tokens\": 12}",
        "{\"num_beams\": 1, \"max_new_tokens\": 12}"};
    for (int k = 0; k < N_MODELS; k++)
        for (int j = 0; j < 2; j++)
            for (int i = 0; i < N_SOURCES; i++) {
                Arena *a = arena_create(A);
                Lab l;
                Err e = {0};
                Generated out[4];
                const GenConfig *g;
                if (!lab_open(a, models[k], &l) ||
                    !nn_generation(a, l.m, json_parse(a, str_of(args[j]), "", NULL), &g, &e))
                    FAIL("%s %s", models[k], e.text);
                Ids source = lab_encode(a, &l, str_of(sources[i]), TOK_SOURCE, false);
                if (!nn_generate(a, l.m, g, 1, &source, NULL, out, NULL, NULL, &e)) FAIL("%s", e.text);
                for (int64_t r = 0; r < nn_generation_returns(g); r++) {
                    float forced = forced_score(a, &l, g, source, &out[r]);
                    if ((float)out[r].score != forced)
                        FAIL("%s, source %d, answer %" PRId64 ": score %.9g with the cache, %.9g in one pass",
                             models[k], i, r, out[r].score, (double)forced);
                    else test_count(1);
                }
                arena_free(a);
            }
}

// ------------------------------------------------------------------------------------------ what is refused

TEST(generate_refusals)
{
    Lab l;
    Err e = {0};
    const GenConfig *g;
    Generated out[1];
    if (!lab_open(A, "odd-marian", &l)) return;
    int32_t wrong[] = {1, 100000}, fine[] = {1, 0}, negative[] = {-1};
    Ids long_ = {arena_new(A, int32_t, l.f->max_positions + 1), l.f->max_positions + 1};
    static const struct {
        const char *args, *says;
    } bad[] = {{"{\"max_length\": 1}", "nothing is left to generate"},
               {"{\"max_new_tokens\": 5000}", "no more positions"}};
    for (size_t i = 0; i < 2; i++) {
        e = (Err){0};
        if (!nn_generation(A, l.m, json_parse(A, str_of(bad[i].args), "", NULL), &g, &e)) FAIL("%s", e.text);
        CHECK(!nn_generate(A, l.m, g, 1, &(Ids){fine, 2}, NULL, out, NULL, NULL, &e));
        CHECK_HAS(e.text, bad[i].says);
    }
    if (!nn_generation(A, l.m, NULL, &g, &(Err){0})) FAIL("the model's own settings");
    GenConfig many = *g; // as only a file can say: among arguments it is refused already
    many.num_return_sequences = many.num_beams + 1, e = (Err){0};
    CHECK(!nn_generate(A, l.m, &many, 1, &(Ids){fine, 2}, NULL, out, NULL, NULL, &e));
    CHECK_HAS(e.text, "num_return_sequences is 7; it must be at most num_beams, 6");
    const struct {
        Ids source, prefix;
        const char *says;
    } ids[] = {{{wrong, 2}, {0}, "token id 100000 at position 1 is outside the vocabulary"},
               {{negative, 1}, {0}, "token id -1"},
               {{fine, 2}, {wrong, 2}, "target prefix: token id 100000"},
               {{fine, 0}, {0}, "the source has no tokens"},
               {long_, {0}, "Split the text"}};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        e = (Err){0};
        CHECK(!nn_generate(A, l.m, g, 1, &ids[i].source, &ids[i].prefix, out, NULL, NULL, &e));
        CHECK_HAS(e.text, ids[i].says);
    }
}
