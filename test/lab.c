// SPDX-License-Identifier: Apache-2.0
// lab.c — golden models and cases. See lab.h.
#include "lab.h"

#include "../attr/texts/texts.h"

#include <math.h>
#include <stdio.h>

// ------------------------------------------------------------------------------------------ models

static const char *folder_of(Arena *A, const char *name)
{
    const char *slash = strrchr(name, '/');
    return arena_printf(A, "test/golden/models/%s", slash ? slash + 1 : name);
}

static bool knows(Arena *A, const char *name, bool decoder_only)
{
    Err e = {0};
    Config c;
    size_t n;
    const char *const *known = nn_families(&n);
    if (!config_open(A, folder_of(A, name), "config.json", &c, &e)) return FAIL("%s", e.text), false;
    Str architecture = {"", 0}, type = cfg_str(&c, "model_type", "");
    const Json *list = json_get(c.json, "architectures");
    if (list && list->child) architecture = list->child->text;
    bool causal =
        str_ends(architecture, STR_LIT("CausalLM")) || str_ends(architecture, STR_LIT("LMHeadModel"));
    for (size_t i = 0; i < n; i++)
        if (str_is(type, known[i])) return decoder_only == causal;
    return false;
}

bool lab_knows(Arena *A, const char *name) { return knows(A, name, false); }

static bool open_model(Arena *A, const char *name, Lab *out)
{
    Err e = {0};
    if (!(out->m = nn_open(A, folder_of(A, name), (NnOptions){0}, &e)))
        return FAIL("%s: %s", name, e.text), false;
    out->f = nn_info(out->m);
    return true;
}

static bool open_lab(Arena *A, const char *name, Lab *out)
{
    Err e = {0};
    if (!(out->t = tok_open(A, folder_of(A, name), &e))) return FAIL("%s: %s", name, e.text), false;
    return open_model(A, name, out);
}

bool lab_open_model(Arena *A, const char *name, Lab *out)
{
    *out = (Lab){0};
    return lab_knows(A, name) && open_model(A, name, out);
}

bool lab_open_any(Arena *A, const char *name, Lab *out)
{
    *out = (Lab){0};
    return (knows(A, name, false) || knows(A, name, true)) && open_lab(A, name, out);
}

bool lab_open(Arena *A, const char *name, Lab *out)
{
    *out = (Lab){0};
    return lab_knows(A, name) && open_lab(A, name, out);
}

// ------------------------------------------------------------------------------------------ texts

void lab_languages(Arena *A, const Lab *l, const Json *names)
{
    static const char *const key[] = {"src_lang", "tgt_lang"};
    for (int side = 0; names && side < 2; side++) {
        const Json *j = json_get(names, key[side]);
        Err e = {0};
        if (j && j->kind == J_STRING && !tok_set_language(A, l->t, (TokSide)side, j->text, &e))
            FAIL("%s", e.text);
    }
}

Ids lab_encode(Arena *A, const Lab *l, Str text, TokSide side, bool plain)
{
    Err e = {0};
    Encoding enc = {0};
    if (!tok_encode(A, l->t, text, (TokOptions){.side = side, .plain = plain}, &enc, &e)) FAIL("%s", e.text);
    return (Ids){enc.ids, (int64_t)enc.n};
}

Ids lab_start(Arena *A, const Lab *l, Ids ids)
{
    int32_t *v = arena_new(A, int32_t, ids.n + 1);
    v[0] = l->f->start;
    if (ids.n) memcpy(v + 1, ids.v, (size_t)ids.n * sizeof *v);
    return (Ids){v, ids.n + 1};
}

Str lab_decode(Arena *A, const Lab *l, const int32_t *ids, int64_t n)
{
    Err e = {0};
    Str text = {"", 0};
    int32_t *known = arena_new(A, int32_t, n); // a model may have rows that its tokenizer has no word for
    size_t count = 0;
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < (int32_t)tok_size(l->t)) known[count++] = ids[i];
    if (!tok_decode(A, l->t, known, count, (TokDecode){.skip_special = true}, &text, &e)) FAIL("%s", e.text);
    return text;
}

static Token *tokens_of(Arena *A, const Lab *l, Ids ids)
{
    Token *t = arena_new(A, Token, ids.n);
    for (int64_t i = 0; i < ids.n; i++) t[i] = (Token){.id = ids.v[i], .text = tok_string(l->t, ids.v[i])};
    return t;
}

Pair lab_pair(Arena *A, const Lab *l, Ids source, Ids target)
{
    return (Pair){.source = source,
                  .target = target,
                  .source_tokens = tokens_of(A, l, source),
                  .target_tokens = tokens_of(A, l, target)};
}

Pair lab_forced(Arena *A, const Lab *l, const char *source, const char *target)
{
    return lab_pair(A, l, lab_encode(A, l, str_of(source), TOK_SOURCE, false),
                    lab_start(A, l, lab_encode(A, l, str_of(target), TOK_TARGET, false)));
}

// ------------------------------------------------------------------------------------------ a case

static bool truth(const Json *j) { return j && j->kind == J_TRUE; }

static Str *texts_of(Arena *A, const Json *j, size_t *n)
{
    *n = j->kind == J_ARRAY ? j->count : 1;
    Str *v = arena_new(A, Str, *n), *at = v;
    if (j->kind != J_ARRAY) *v = j->text;
    else
        for (const Json *c = j->child; c; c = c->next) *at++ = c->text;
    return v;
}

static bool known_entry(Str name, size_t (*list)(const Entry **))
{
    const Entry *v;
    for (size_t i = 0, n = list(&v); i < n; i++)
        if (str_is(name, v[i].name)) return true;
    return false;
}

// Contrasts come as one text, or as pairs of positions in a list for each sentence.
static void read_alignment(Arena *A, const Json *j, Case *c)
{
    if (j->kind != J_ARRAY || !j->child) return;
    if (j->child->child && j->child->child->kind == J_ARRAY) j = j->child;
    c->alignment = arena_new(A, Span, j->count);
    for (const Json *p = j->child; p; p = p->next)
        c->alignment[c->n_alignment++] = (Span){p->child->i, p->child->next->i};
}

// One argument of attribute(); false if nobody knows it.
static bool take_argument(Arena *A, const Json *j, Case *c)
{
    Str k = j->key;
    StepArgs *s = &c->o.step;
    bool one = c->n == 1;
    if (str_is(k, "attribution_args")) return true;
    if (str_is(k, "include_eos_baseline")) return c->o.include_eos_baseline = truth(j), true;
    if (str_is(k, "attribute_target")) return c->o.attribute_target = truth(j), true;
    if (str_is(k, "attr_pos_start")) return c->o.has_start = true, c->o.start = j->i, true;
    if (str_is(k, "attr_pos_end")) return c->o.has_end = true, c->o.end = j->i, true;
    if (str_is(k, "generation_args")) return c->generation = j, true;
    if (str_is(k, "generate_from_target_prefix")) return c->prefix = truth(j), true;
    if (str_is(k, "skip_special_tokens")) return c->plain = truth(j), true;
    if (str_is(k, "clean_special_chars")) return c->clean = truth(j), true;
    if (str_is(k, "logprob")) return s->logprob = truth(j), true;
    if (str_is(k, "contrast_force_inputs")) return s->contrast_force_inputs = truth(j), true;
    if (str_is(k, "contrast_sources")) return c->contrast_source = j->text, c->has_contrast_source = one;
    if (str_is(k, "contrast_targets")) return c->contrast_target = j->text, c->has_contrast_target = one;
    if (str_is(k, "contrast_targets_alignments")) return read_alignment(A, j, c), true;
    if (str_is(k, "attributed_fn")) {
        c->o.attributed_fn = str_zero(A, j->text);
        return known_entry(j->text, attr_step_list);
    }
    if (str_is(k, "step_scores")) {
        const char **v = arena_new(A, const char *, j->count);
        for (const Json *x = j->child; x; x = x->next) {
            if (!known_entry(x->text, attr_step_list)) return false;
            v[c->o.n_step_scores++] = str_zero(A, x->text);
        }
        return c->o.step_scores = v, true;
    }
    if (known_entry(STR_LIT("top_p_size"), attr_step_list)) { // the filters came with it
        if (str_is(k, "top_p")) return s->top_p = j->number, s->top_p_given = true;
        if (str_is(k, "top_k")) return s->top_k = j->i, true;
        if (str_is(k, "min_tokens_to_keep")) return s->min_tokens_to_keep = j->i, true;
    }
    return str_is(k, "batch_size") || attr_method_takes(c->o.method, k);
}

static double number_or(const Json *object, const char *key, double absent)
{
    const Json *j = json_get(object, key);
    return j && j->kind == J_NUMBER ? j->number : absent;
}

static void read_tolerance(Arena *A, const Json *t, Case *c)
{
    bool zeroing =
        !strcmp(c->o.method, "value_zeroing"); // the largest of its recorded tolerances, where there is none
    c->scores = (Tolerance){number_or(t, "atol", zeroing ? 6e-5 : 2e-6), 1e-4};
    c->steps = (Tolerance){number_or(t, "step_atol", 2e-6), 1e-4};
    // The library's 1 - cos is a multiple of 2^-24, and rows of them are divided by sums down to 1e-3: against double its
    // encoder scores are 6.3e-5 off where ours are 1.2e-5 (older-marian-value_zeroing).
    if (!strcmp(c->o.method, "value_zeroing") && c->scores.absolute < 3e-4) c->scores.absolute = 3e-4;
    c->masked = arena_new(A, bool *, c->n), c->n_masked = arena_new(A, size_t, c->n);
    const Json *e = json_get(t, "column_errors"), *u = json_get(t, "unreliable_columns");
    const Json *row = e ? e->child : NULL, *bad = u ? u->child : NULL;
    for (size_t i = 0; i < c->n && row; i++, row = row->next, bad = bad ? bad->next : NULL) {
        bool *m = c->masked[i] = arena_new(A, bool, row->count);
        c->n_masked[i] = row->count;
        size_t k = 0;
        for (const Json *x = row->child; x; x = x->next)
            m[k++] = x->kind != J_NUMBER ? false : x->number > 3e-4;
        for (const Json *x = bad ? bad->child : NULL; x; x = x->next) m[x->i] = true;
    }
}

static void append(Arena *A, Json *object, const Json *member)
{
    Json *copy = memcpy(arena_new(A, Json, 1), member, sizeof *member);
    copy->next = object->child;
    object->child = copy, object->count++;
}

// The masks that lime drew, as its argument of that name.
static void append_masks(Arena *A, Json *object, const Json *draws)
{
    Json *list = arena_new(A, Json, 1);
    const Json **mask = arena_new(A, const Json *, draws->count);
    size_t n = 0;
    for (const Json *d = draws->child; d; d = d->next)
        if (json_get(d, "mask")) mask[n++] = json_get(d, "mask");
    list->kind = J_ARRAY, list->key = STR_LIT("masks");
    while (n) append(A, list, mask[--n]);
    if (list->count) append(A, object, list);
}

// The method's arguments: of attribute(), of loading, and what was drawn.
static const Json *method_arguments(Arena *A, const Json *entry)
{
    Json *all = arena_new(A, Json, 1);
    all->kind = J_OBJECT;
    const Json *of[] = {json_get(entry, "args"), json_get(entry, "load")}, *seed = json_get(entry, "seed");
    for (int i = 0; i < 2; i++)
        for (const Json *j = of[i] ? of[i]->child : NULL; j; j = j->next) append(A, all, j);
    if (seed && seed->kind == J_NUMBER) append(A, all, seed);
    if (json_get(entry, "draws")) append_masks(A, all, json_get(entry, "draws"));
    return all;
}

bool lab_case(Arena *A, const Json *entry, Case *c, const char **why)
{
    const Json *raw = json_get(entry, "raw_file"), *targets = json_get(entry, "targets");
    const Json *load = json_get(entry, "load"), *args = json_get(entry, "args");
    *c = (Case){.name = json_get(entry, "name")->text,
                .model = json_get(entry, "model")->text,
                .file = json_get(entry, "file")->text,
                .o = attr_defaults()};
    if (raw) c->raw_file = raw->text;
    Str method = json_get(entry, "method")->text;
    c->o.method = *why = str_zero(A, method);
    if (!known_entry(method, attr_method_list)) return false;
    if (str_is(method, "layer_integrated_gradients") || str_is(method, "layer_deeplift"))
        return false; // the library's are all 0
    c->input = texts_of(A, json_get(entry, "inputs"), &c->n);
    if (targets && targets->kind != J_NULL) c->target = texts_of(A, targets, &(size_t){0});
    c->o.method_args = method_arguments(A, entry);
    for (const Json *j = args->child; j; j = j->next)
        if (!take_argument(A, j, c)) return *why = str_zero(A, j->key), false;
    for (const Json *j = load ? load->child : NULL; j; j = j->next)
        if (str_is(j->key, "tokenizer_kwargs")) c->languages = j;
        else if (!str_is(j->key, "model_kwargs") && !attr_method_takes(c->o.method, j->key))
            return *why = str_zero(A, j->key), false;
    read_tolerance(A, json_get(entry, "tolerance"), c);
    return true;
}

static void clean(Arena *A, const Lab *l, Token *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        Str s;
        if (t[i].id < 0 || tok_is_special(l->t, t[i].id)) continue;
        if (tok_decode(A, l->t, &t[i].id, 1, (TokDecode){0}, &s, NULL) && s.n) t[i].text = s;
    }
}

// The targets of a case as ids: forced, or generated, decoded and encoded again.
static bool make_targets(Arena *A, const Lab *l, const Case *c, const Ids *source, Ids *target, Err *e)
{
    Ids *prefix = arena_new(A, Ids, c->n);
    const GenConfig *g;
    if (c->target && !c->prefix) {
        for (size_t i = 0; i < c->n; i++) target[i] = lab_encode(A, l, c->target[i], TOK_TARGET, c->plain);
        return true;
    }
    for (size_t i = 0; c->prefix && i < c->n; i++)
        prefix[i] = lab_encode(A, l, c->target[i], TOK_TARGET, true);
    if (!nn_generation(A, l->m, c->generation, &g, e)) return false;
    Generated *made = arena_new(A, Generated, c->n * (size_t)nn_generation_returns(g));
    if (!nn_generate(A, l->m, g, (int64_t)c->n, source, prefix, made, NULL, NULL, e)) return false;
    for (size_t i = 0; i < c->n; i++) {
        const Generated *x = &made[i * (size_t)nn_generation_returns(g)];
        target[i] = lab_encode(A, l, lab_decode(A, l, x->ids, x->n), TOK_TARGET, c->plain);
    }
    return true;
}

static const Pair *contrast_of(Arena *A, const Lab *l, const Case *c, const Pair *p)
{
    if (!c->has_contrast_source && !c->has_contrast_target) return NULL;
    Pair *q = arena_new(A, Pair, 1);
    Ids source = p->source, target = p->target;
    if (c->has_contrast_source) source = lab_encode(A, l, c->contrast_source, TOK_SOURCE, c->plain);
    if (c->has_contrast_target)
        target = lab_start(A, l, lab_encode(A, l, c->contrast_target, TOK_TARGET, c->plain));
    *q = lab_pair(A, l, source, target);
    return q;
}

static void no_note(void *context, const char *sentence) { (void)context, (void)sentence; }

// Decoder-only models go the command line's own way (attr/texts). Foils are aligned as the library aligns them.
static bool make_prompts(Arena *A, const Lab *l, const Case *c, Pair *pair, Err *e)
{
    static const Talk talk = {.note = no_note};
    Loaded loaded = {.name = "", .model = l->m, .tok = l->t, .info = l->f};
    Work w = {.a = A, .l = &loaded, .plain = c->plain, .talk = &talk};
    Texts t = {c->input, c->target, c->n, c->target ? c->n : 0, .beginnings = c->prefix};
    AttrRequest x = {.contrast_targets = &c->contrast_target,
                     .n_contrast_targets = c->has_contrast_target,
                     .align = ALIGN_RIGHT};
    size_t n;
    Job *job, **batch = arena_new(A, Job *, c->n);
    if (!texts_generation(&w, c->generation, e) || !texts_foils(A, &x, &t, e) ||
        !texts_jobs(&w, &t, &job, &n, e))
        return false;
    for (size_t i = 0; i < n; i++) batch[i] = &job[i];
    texts_make_targets(&w, batch, n);
    for (size_t i = 0; i < n; i++)
        if (job[i].err) return *e = *job[i].err, false;
    texts_pairs(batch, n, pair);
    return true;
}

Pair lab_prompt(Arena *A, const Lab *l, const char *prompt, const char *text)
{
    Err e = {0};
    Pair pair = {0};
    Str in = str_of(prompt), target = str_of(text);
    Case c = {.n = 1, .input = &in, .target = text ? &target : NULL};
    if (!make_prompts(A, l, &c, &pair, &e)) FAIL("%s", e.text);
    return pair;
}

bool lab_attribute(Arena *A, const Lab *l, const Case *c, Attribution *out, Err *e)
{
    Ids *source = arena_new(A, Ids, c->n), *target = arena_new(A, Ids, c->n);
    Pair *pair = arena_new(A, Pair, c->n);
    lab_languages(A, l, c->languages);
    if (!l->f->encoder_decoder && !make_prompts(A, l, c, pair, e)) return false;
    for (size_t i = 0; l->f->encoder_decoder && i < c->n; i++)
        source[i] = lab_encode(A, l, c->input[i], TOK_SOURCE, c->plain);
    if (l->f->encoder_decoder && !make_targets(A, l, c, source, target, e)) return false;
    for (size_t i = 0; l->f->encoder_decoder && i < c->n; i++) {
        pair[i] = lab_pair(A, l, source[i], lab_start(A, l, target[i]));
        pair[i].contrast = contrast_of(A, l, c, &pair[i]);
        pair[i].alignment = c->alignment, pair[i].n_alignment = c->n_alignment;
    }
    *out = (Attribution){.sequence = arena_new(A, Sequence, c->n), .n = c->n};
    AttrOptions o = c->o;
    Loaded loaded = {.name = "", .model = l->m, .tok = l->t, .info = l->f};
    texts_special(&loaded, &o);
    if (!attr_run(A, l->m, &o, pair, c->n, out->sequence, e)) return false;
    for (size_t i = 0; c->clean && i < c->n; i++) {
        clean(A, l, out->sequence[i].source, out->sequence[i].n_source);
        clean(A, l, out->sequence[i].target, out->sequence[i].n_target);
    }
    return true;
}

// ------------------------------------------------------------------------------------------ comparing

// Columns that are rounding noise become what is wanted.
static Scores without(Arena *A, Scores got, const Scores *want, const bool *masked, size_t n_masked)
{
    int64_t each = 1, n = 1;
    bool same = got.v && want->v && got.rank == want->rank;
    for (int k = 0; same && k < got.rank; k++) same = got.dim[k] == want->dim[k], n *= got.dim[k];
    if (!same) return got;
    for (int k = 2; k < got.rank; k++) each *= got.dim[k];
    float *v = memcpy(arena_new(A, float, n), got.v, (size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        size_t column = (size_t)(i / each % got.dim[1]);
        if (column < n_masked && masked[column]) v[i] = want->v[i];
    }
    got.v = v;
    return got;
}

bool lab_compare(Arena *A, const Case *c, const char *what, const Attribution *got, const Attribution *want)
{
    if (got->n != want->n) return FAIL("%s: %zu sequences, expected %zu", what, got->n, want->n), false;
    bool ok = true;
    for (size_t i = 0; i < got->n; i++) {
        Sequence g = got->sequence[i], w = want->sequence[i];
        bool *masked = i < c->n ? c->masked[i] : NULL;
        size_t n = i < c->n ? c->n_masked[i] : 0;
        g.source_attributions = without(A, g.source_attributions, &w.source_attributions, masked, n);
        g.target_attributions = without(A, g.target_attributions, &w.target_attributions, masked, n);
        g.n_step_scores = w.n_step_scores = 0;
        ok &= same_sequence(what, &g, &w, c->scores);
        g = got->sequence[i], w = want->sequence[i];
        g.source_attributions = w.source_attributions = g.target_attributions = w.target_attributions =
            (Scores){0};
        g.n_sequence_scores = w.n_sequence_scores = 0;
        ok &= same_sequence(what, &g, &w, c->steps);
    }
    return ok;
}

double lab_largest(const Attribution *t)
{
    double most = 0;
    for (size_t i = 0; i < t->n; i++) {
        const Scores *side[] = {&t->sequence[i].source_attributions, &t->sequence[i].target_attributions};
        for (int k = 0; k < 2; k++) {
            int64_t n = side[k]->v ? 1 : 0;
            for (int d = 0; d < side[k]->rank; d++) n *= side[k]->dim[d];
            for (int64_t j = 0; j < n; j++)
                if (fabsf(side[k]->v[j]) > (float)most) most = (double)fabsf(side[k]->v[j]);
        }
    }
    return most;
}

// ------------------------------------------------------------------------------------------ tensors

const Checkpoint *lab_tensors(Arena *A, const char *name)
{
    Err e = {0};
    Str bytes = {"", 0};
    const char *path = arena_printf(A, "test/golden/cases/%s", name);
    const Checkpoint *c =
        file_map(A, path, &bytes, &e) ? checkpoint_from_bytes(A, "model.safetensors", bytes, &e) : NULL;
    if (!c) FAIL("%s: %s", path, e.text);
    return c;
}

const Stored *lab_tensor(const Checkpoint *c, const char *name)
{
    static const Stored nothing = {.data = "", .rank = 1};
    const Stored *s = c ? checkpoint_find(c, name) : NULL;
    if (!s) FAIL("no tensor %s", name);
    return s ? s : &nothing;
}

int64_t lab_count(const Stored *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

double lab_at(const Stored *s, int64_t i)
{
    float f;
    double d;
    int64_t whole;
    if (s->dtype == DT_F32) return memcpy(&f, (const char *)s->data + 4 * i, 4), (double)f;
    if (s->dtype == DT_F64) return memcpy(&d, (const char *)s->data + 8 * i, 8), d;
    if (s->dtype == DT_I64) return memcpy(&whole, (const char *)s->data + 8 * i, 8), (double)whole;
    BUG("golden tensor of type %s", dtype_name(s->dtype));
}

Ids lab_ids(Arena *A, const Stored *s)
{
    int64_t n = lab_count(s);
    int32_t *v = arena_new(A, int32_t, n);
    for (int64_t i = 0; i < n; i++) v[i] = (int32_t)lab_at(s, i);
    return (Ids){v, n};
}

void lab_error(LabErrors *all, const char *file, const char *name, const float *got, const Checkpoint *f32,
               const Checkpoint *f64)
{
    const Stored *theirs = lab_tensor(f32, name), *truth_ = lab_tensor(f64, name);
    double ours = 0, torch = 0, size = 0;
    int64_t n = lab_count(truth_);
    if (lab_count(theirs) != n) return FAIL("%s: %s: other shapes", file, name);
    for (int64_t i = 0; i < n; i++) {
        double exact = lab_at(truth_, i);
        if (isnan(exact) != isnan(got[i]))
            return FAIL("%s: %s: NaN in another place, at %" PRId64, file, name, i);
        if (isnan(exact)) continue;
        ours = fmax(ours, fabs((double)got[i] - exact)), torch = fmax(torch, fabs(lab_at(theirs, i) - exact));
        size = fmax(size, fabs(exact));
    }
    test_count(n);
    if (ours > 0 && torch > 0) all->sum += num_log(ours / torch), all->n++;
    if (!(ours <= 3 * torch + 4.8e-7 * size))
        FAIL("%s: %s is off by %.3g; PyTorch's float32 by %.3g (largest value %.3g)", file, name, ours, torch,
             size);
}

void lab_errors_mean(const LabErrors *all, double most)
{
    double mean = num_exp(all->sum / all->n);
    if (!(mean < most))
        FAIL("our errors are %.2f times those of PyTorch's float32, by geometric mean of %d", mean, all->n);
    else test_count(1);
}

Ids lab_list(Arena *A, const Json *list)
{
    int32_t *v = arena_new(A, int32_t, list ? list->count : 0);
    int64_t n = 0;
    for (const Json *j = list ? list->child : NULL; j; j = j->next) v[n++] = (int32_t)j->i;
    return (Ids){v, n};
}
