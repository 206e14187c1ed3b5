// SPDX-License-Identifier: Apache-2.0
// gen_config.c — where the settings of generate() come from.
//
// transformers 5.23, generation/utils.py and configuration_utils.py: arguments given > generation_config.json > the
// library's defaults; config.json's generation keys count only if there is no generation_config.json. One function
// reads the keys for all of them, each key over the value so far.
#include "generation.h"

#include <string.h>
#include <sys/stat.h>

enum { MOST = 1 << 24, MOST_BEAMS = 4096, MOST_BAD_WORDS = 1 << 20 };

static const GenConfig library_defaults = {
    .max_length = 20,
    .num_beams = 1,
    .num_return_sequences = 1,
    .length_penalty = 1,
    .repetition_penalty = 1,
    .encoder_repetition_penalty = 1,
    .early_stopping = STOP_FALSE,
    .decoder_start = -1,
    .bos = -1,
    .pad = -1,
    .forced_bos = -1,
    .temperature = 1,
    .top_k = 50,
    .top_p = 1,
    .min_p = -1,
    .typical_p = 1,
};

// Arguments of generate() that we obey; "use_cache" changes nothing but speed.
static const char *const done[] = {
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "num_beams",
    "num_return_sequences",
    "length_penalty",
    "repetition_penalty",
    "encoder_repetition_penalty",
    "early_stopping",
    "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size",
    "renormalize_logits",
    "remove_invalid_values",
    "do_sample",
    "decoder_start_token_id",
    "bos_token_id",
    "pad_token_id",
    "eos_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
    "bad_words_ids",
    "use_cache",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "seed",
    "stop_strings",
};

// Those that we don't, and why.
static const struct {
    const char *name, *why;
} undone[] = {
    {"top_h", NULL},
    {"epsilon_cutoff", NULL},
    {"eta_cutoff", NULL},
    {"sequence_bias", NULL},
    {"exponential_decay_length_penalty", NULL},
    {"token_healing", NULL},
    {"guidance_scale", NULL},
    {"watermarking_config", NULL},
    {"penalty_alpha", NULL},
    {"dola_layers", NULL},
    {"diversity_penalty", NULL},
    {"num_beam_groups", NULL},
    {"constraints", NULL},
    {"force_words_ids", NULL},
    {"max_time", "its results depend on the machine's speed"},
    {"assistant_model", NULL},
    {"prompt_lookup_num_tokens", NULL},
    {"logits_processor", "it is Python code"},
    {"stopping_criteria", "it is Python code"},
    {"prefix_allowed_tokens_fn", "it is Python code"},
    {"streamer", "it is Python code"},
    {"cache_implementation", "there is one cache"},
    {"output_scores", "scores come with step functions"},
    {"output_attentions", "use the attention method"},
    {"output_hidden_states", NULL},
    {"output_logits", NULL},
    {"return_dict_in_generate", NULL},
};
enum { N_DONE = sizeof done / sizeof *done, N_UNDONE = sizeof undone / sizeof *undone };

// ---------------------------------------------------------------------------------------------------- the keys

// A null in a file leaves the key unset, as if absent: `now` stays. A null among given arguments takes the model's
// setting away, so there `null` says what is left then.
typedef struct Keys {
    Config c;
    bool given; // arguments, not a file
    int64_t vocab;
} Keys;

static bool is_null(const Keys *k, const char *key)
{
    const Json *j = json_get(k->c.json, key);
    return k->given && j && j->kind == J_NULL;
}

static bool is_set(const Keys *k, const char *key)
{
    const Json *j = json_get(k->c.json, key);
    return j && j->kind != J_NULL;
}

static void whole(const Keys *k, const char *key, int64_t *now, int64_t null, int64_t least, int64_t most)
{
    *now = is_null(k, key) ? null : cfg_int(&k->c, key, *now, least, most);
}

static void real(const Keys *k, const char *key, double *now, double least, double most)
{
    *now = is_null(k, key) ? 1 : cfg_real(&k->c, key, *now, least, most);
}

static void flag(const Keys *k, const char *key, bool *now)
{
    *now = is_null(k, key) ? false : cfg_bool(&k->c, key, *now);
}

static void id(const Keys *k, const char *key, int32_t *now) // old files write -1 for none
{
    int64_t x = *now;
    whole(k, key, &x, -1, -1, k->vocab - 1);
    *now = (int32_t)x;
}

static void ids(Arena *a, const Keys *k, const char *key, IdList *now)
{
    if (is_null(k, key)) *now = (IdList){NULL, 0};
    if (!is_set(k, key)) return;
    const Json *j = json_get(k->c.json, key);
    if (j->is_int && j->i == -1) *now = (IdList){NULL, 0};
    else now->v = cfg_ids(a, &k->c, key, k->vocab, &now->n);
}

static void stopping(const Keys *k, EarlyStopping *now)
{
    const Json *j = json_get(k->c.json, "early_stopping");
    if (is_null(k, "early_stopping")) *now = STOP_FALSE;
    if (!is_set(k, "early_stopping")) return;
    if (j->kind == J_STRING && str_is(j->text, "never")) *now = STOP_NEVER;
    else if (j->kind == J_TRUE || j->kind == J_FALSE) *now = j->kind == J_TRUE ? STOP_TRUE : STOP_FALSE;
    else
        err_set(k->c.e, "%s: early_stopping is %s; it must be true, false or \"never\"", k->c.path,
                j->kind == J_STRING ? "another string" : json_kind_name(j));
}

static void bad_words(Arena *a, const Keys *k, GenConfig *g)
{
    const char *key = "bad_words_ids";
    if (is_null(k, key)) g->bad_words = NULL, g->n_bad_words = 0;
    if (!is_set(k, key)) return;
    const Json *list = json_get(k->c.json, key);
    if (list->kind != J_ARRAY || list->count > MOST_BAD_WORDS) {
        err_set(k->c.e, "%s: %s is %s; it must be a list of at most %d lists of token ids", k->c.path, key,
                list->kind == J_ARRAY ? "too long" : json_kind_name(list), MOST_BAD_WORDS);
        return;
    }
    g->bad_words = arena_new(a, IdList, list->count);
    g->n_bad_words = 0;
    for (const Json *j = list->child; j; j = j->next) {
        if (j->kind != J_ARRAY || !j->count) {
            err_set(k->c.e, "%s: %s holds %s; it must hold lists of token ids", k->c.path, key,
                    j->kind == J_ARRAY ? "an empty list" : json_kind_name(j));
            return;
        }
        int32_t *v = arena_new(a, int32_t, j->count);
        size_t n = 0;
        for (const Json *x = j->child; x; x = x->next) {
            if (!x->is_int || x->i < 0 || x->i >= k->vocab) {
                err_set(k->c.e, "%s: %s holds %.40s; token ids are from 0 to %" PRId64, k->c.path, key,
                        x->kind == J_NUMBER && x->is_int
                            ? x->i < 0 ? "a negative number" : "an id that is too large"
                            : json_kind_name(x),
                        k->vocab - 1);
                return;
            }
            v[n++] = (int32_t)x->i;
        }
        g->bad_words[g->n_bad_words++] = (IdList){v, n};
    }
}

static void stop_strings(Arena *a, const Keys *k, GenConfig *g)
{
    const char *key = "stop_strings";
    if (is_null(k, key)) g->stop = NULL, g->n_stop = 0;
    if (!is_set(k, key)) return;
    const Json *list = json_get(k->c.json, key), *one = list->kind == J_ARRAY ? list->child : list;
    size_t n = list->kind == J_ARRAY ? list->count : 1, i = 0;
    Str *v = arena_new(a, Str, n);
    for (; i < n; i++, one = one->next) {
        if (one->kind != J_STRING || !one->text.n) {
            err_set(k->c.e, "%s: %s %s %s; it must be a string, or a list of strings, that is not empty",
                    k->c.path, key, list == one ? "is" : "holds",
                    one->kind == J_STRING ? "an empty one" : json_kind_name(one));
            return;
        }
        v[i] = str_copy(a, one->text);
    }
    g->stop = v, g->n_stop = n;
}

static bool read_keys(Arena *a, const Keys *k, GenConfig *g)
{
    if (is_set(k, "max_length")) g->max_length_given = true;
    if (is_null(k, "max_length")) g->max_length_given = false;
    whole(k, "max_length", &g->max_length, library_defaults.max_length, 1, MOST);
    whole(k, "max_new_tokens", &g->max_new_tokens, 0, 1, MOST);
    whole(k, "min_length", &g->min_length, 0, 0, MOST);
    whole(k, "min_new_tokens", &g->min_new_tokens, 0, 0, MOST);
    whole(k, "num_beams", &g->num_beams, 1, 1, MOST_BEAMS);
    whole(k, "num_return_sequences", &g->num_return_sequences, 1, 1, MOST_BEAMS);
    whole(k, "no_repeat_ngram_size", &g->no_repeat_ngram_size, 0, 0, MOST);
    whole(k, "encoder_no_repeat_ngram_size", &g->encoder_no_repeat_ngram_size, 0, 0, MOST);
    real(k, "length_penalty", &g->length_penalty, -1000, 1000);
    real(k, "repetition_penalty", &g->repetition_penalty, 1e-6, 1e6);
    real(k, "encoder_repetition_penalty", &g->encoder_repetition_penalty, 1e-6, 1e6);
    flag(k, "renormalize_logits", &g->renormalize_logits);
    flag(k, "remove_invalid_values", &g->remove_invalid_values);
    flag(k, "do_sample", &g->do_sample);
    real(k, "temperature", &g->temperature, 1e-4, 1e4);
    whole(k, "top_k", &g->top_k, 0, 0, MOST);
    real(k, "top_p", &g->top_p, 0, 1);
    g->min_p = is_null(k, "min_p") ? -1 : cfg_real(&k->c, "min_p", g->min_p, 0, 1);
    real(k, "typical_p", &g->typical_p, 1e-9, 1);
    int64_t seed = (int64_t)g->seed;
    whole(k, "seed", &seed, 0, 0, INT64_MAX);
    g->seed = (uint64_t)seed;
    stop_strings(a, k, g);
    stopping(k, &g->early_stopping);
    id(k, "decoder_start_token_id", &g->decoder_start);
    id(k, "bos_token_id", &g->bos);
    id(k, "pad_token_id", &g->pad);
    id(k, "forced_bos_token_id", &g->forced_bos);
    ids(a, k, "eos_token_id", &g->eos);
    ids(a, k, "forced_eos_token_id", &g->forced_eos);
    ids(a, k, "suppress_tokens", &g->suppress);
    ids(a, k, "begin_suppress_tokens", &g->begin_suppress);
    bad_words(a, k, g);
    return !k->c.e->set;
}

// _prepare_special_tokens of transformers.
static void resolve(GenConfig *g)
{
    if (g->decoder_start < 0) g->decoder_start = g->bos;
    if (g->pad < 0 && g->eos.n) g->pad = g->eos.v[0];
}

// ---------------------------------------------------------------------------------------------------- sources

// The first setting of a file that would change what is generated, and that we can't follow. Those for sampling
// don't count: greedy and beam search ignore them.
static const char *first_undone(const Json *json)
{
    static const char *const names[] = {"sequence_bias",   "exponential_decay_length_penalty",
                                        "token_healing",   "penalty_alpha",
                                        "dola_layers",     "constraints",
                                        "force_words_ids", "watermarking_config",
                                        "guidance_scale",  "diversity_penalty",
                                        "num_beam_groups"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const Json *j = json_get(json, names[i]);
        bool idle = !j || j->kind == J_NULL || j->kind == J_FALSE ||
                    (j->kind == J_NUMBER && j->number == 0) ||
                    (j->kind == J_NUMBER && j->number == 1 && i + 3 >= sizeof names / sizeof *names);
        if (!idle) return names[i];
    }
    return NULL;
}

bool gen_config_load(Arena *a, const char *folder, const Config *model, const char *absent, int64_t vocab,
                     GenConfig *out, Err *e)
{
    Err unseen = {0};
    if (!e) e = &unseen;
    *out = library_defaults;
    Keys k = {.c = *model, .vocab = vocab};
    const char *file = "generation_config.json";
    struct stat st; // a link to a blob that was never fetched must not pass for "there is none"
    const char *path = arena_printf(a, "%s/%s", folder, file);
    bool own = lstat(path, &st) == 0 || file_exists(path);
    if (own && !config_open(a, folder, file, &k.c, e)) return false;
    k.c.e = e;
    if (absent && !own) { // what the class says of keys that its config.json leaves out
        Keys class = {
            .c = {.json = json_parse(a, str_of(absent), "the class", e), .path = model->path, .e = e},
            .vocab = INT32_MAX};
        if (!class.c.json || !read_keys(a, &class, out)) return false;
    }
    if (!read_keys(a, &k, out)) return false;
    // BART's old way to ask for it, still obeyed for settings that came from a config.json
    if ((!own || cfg_bool(&k.c, "_from_model_config", false)) &&
        cfg_bool(&k.c, "force_bos_token_to_be_generated", false))
        out->forced_bos = out->bos;
    out->undone = first_undone(k.c.json);
    out->sampling_wished = out->do_sample, out->do_sample = false;
    resolve(out);
    return !e->set;
}

static bool check_names(const Json *kwargs, const char *path, Err *e)
{
    for (const Json *j = kwargs->child; j; j = j->next) {
        bool known = false;
        char name[SHOWN];
        for (size_t i = 0; i < N_DONE; i++) known |= str_is(j->key, done[i]);
        for (size_t i = 0; i < N_UNDONE; i++)
            if (str_is(j->key, undone[i].name) && j->kind != J_NULL)
                return err_set(e, "%s: %s is not supported%s%s", path, undone[i].name,
                               undone[i].why ? ": " : "", undone[i].why ? undone[i].why : "");
            else known |= str_is(j->key, undone[i].name);
        if (known) continue;
        const char *near = str_nearest(j->key, done, N_DONE);
        return err_set(e, "%s: generate() has no argument '%s'%s%s%s", path, shown(name, j->key),
                       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return true;
}

bool gen_config_override(Arena *a, const Json *kwargs, int64_t vocab, GenConfig *g, Err *e)
{
    Err unseen = {0};
    if (!e) e = &unseen;
    const char *path = "generation arguments";
    if (kwargs->kind != J_OBJECT)
        return err_set(e, "%s: found %s; they must be a JSON object such as {\"num_beams\": 4}", path,
                       json_kind_name(kwargs));
    if (!check_names(kwargs, path, e)) return false;
    Keys k = {.c = {.json = kwargs, .path = path, .e = e}, .given = true, .vocab = vocab};
    GenConfig changed = *g;
    if (!read_keys(a, &k, &changed)) return false;
    cfg_bool(&k.c, "use_cache", true);
    static const char *const sampling[] = {"temperature", "top_k", "top_p", "min_p", "typical_p"};
    if (is_set(&k, "do_sample")) changed.sampling_wished = false;
    for (size_t i = 0; !changed.do_sample && i < sizeof sampling / sizeof *sampling; i++)
        if (is_set(&k, sampling[i]))
            err_set(e, "%s: %s only acts when sampling; \"do_sample\": true asks for that", path,
                    sampling[i]);
    if ((!changed.do_sample || changed.num_beams > 1) && changed.num_return_sequences > changed.num_beams)
        err_set(e, "%s: num_return_sequences is %" PRId64 "; it must be at most num_beams, %" PRId64, path,
                changed.num_return_sequences, changed.num_beams);
    if (e->set) return false;
    *g = changed;
    resolve(g);
    return true;
}
