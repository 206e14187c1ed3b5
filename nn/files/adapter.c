// SPDX-License-Identifier: Apache-2.0
// adapter.c — a LoRA adapter merged into the weights of its base, as PEFT's merge_and_unload does.
//
//   LoRA   Hu et al. 2021, arXiv:2106.09685       W' = W + s B A          s = alpha / r, or alpha / sqrt(r) (rslora)
//   DoRA   Liu et al. 2024, arXiv:2402.09353      W' = m (W + s B A) / |W + s B A|      norms of rows; m for each row
//
// with A [r, in], B [out, r], W [out, in]; of a table of embeddings A [r, words], B [width, r], W' = W + s (B A)^T, and
// norms of columns. A matrix that is stored turned (GPT-2's) changes by (s B A)^T. modules_to_save and trained biases
// replace what the base has.
//
// PEFT changes a weight in place, so tables that are one change together; a module of modules_to_save is a copy, so it
// parts from those it was tied to. The same here: tied names get entries that point to one place, and what points to a
// place that changes changes with it. Copies are made of changed weights only, in float32.
#include "../../tensor/tensor.h"
#include "checkpoint.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PATTERN = 256, MOST_RANK = 1 << 16 };

typedef struct Adapter {
    Arena *a;
    const AdapterBase *base;
    Checkpoint *c, *own; // the base's tensors, the adapter's
    Config config;
    const char *folder;
    int64_t r;
    double alpha;
    bool rslora, dora;
    size_t merged, replaced;
    Err *e;
} Adapter;

// ------------------------------------------------------------------------------------------------ the settings

// Keys that ask for more than a merge of low-rank matrices can give; null, false and empty are not asked for.
static bool refuse_others(const Adapter *ad)
{
    static const char *const keys[] = {"layer_replication",
                                       "megatron_config",
                                       "use_qalora",
                                       "alora_invocation_tokens",
                                       "arrow_config",
                                       "use_bdlora",
                                       "kasa_config",
                                       "monteclora_config",
                                       "velora_config",
                                       "target_parameters",
                                       "trainable_token_indices"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const Json *j = json_get(ad->config.json, keys[i]);
        bool asked = j && j->kind != J_NULL && j->kind != J_FALSE &&
                     !((j->kind == J_ARRAY || j->kind == J_OBJECT) && !j->count);
        if (asked)
            return err_set(
                ad->e,
                "%s: %s is set, which this program does not do; merge this adapter with merge_and_unload() "
                "from Python",
                ad->config.path, keys[i]);
    }
    // these make A and B from the base's weights and take them away from it while PEFT loads
    static const char *const starts[] = {"pissa", "olora", "loftq", "corda", "lora_ga"};
    const Json *init = json_get(ad->config.json, "init_lora_weights");
    char text[SHOWN];
    for (size_t i = 0; init && init->kind == J_STRING && i < sizeof starts / sizeof *starts; i++)
        if (str_starts(init->text, str_of(starts[i])))
            return err_set(
                ad->e,
                "%s: init_lora_weights is \"%s\": such an adapter changes its base while it is loaded; save "
                "it as plain LoRA (save_pretrained's path_initial_model_for_weight_conversion), or merge it "
                "from Python",
                ad->config.path, shown(text, init->text));
    return true;
}

static bool read_settings(Adapter *ad)
{
    Config *c = &ad->config;
    char text[SHOWN];
    if (!config_open(ad->a, ad->folder, "adapter_config.json", c, ad->e)) return false;
    Str type = cfg_str(c, "peft_type", "");
    if (ad->e->set) return false;
    if (!str_is(type, "LORA"))
        return err_set(
            ad->e,
            "%s: peft_type is \"%s\"; LoRA and DoRA adapters (\"LORA\") can be merged here, for others "
            "merge_and_unload() from Python may help",
            c->path, shown(text, type));
    ad->r = cfg_int(c, "r", 8, 1, MOST_RANK);
    ad->alpha = cfg_real(c, "lora_alpha", 8, -1e9, 1e9);
    ad->rslora = cfg_bool(c, "use_rslora", false), ad->dora = cfg_bool(c, "use_dora", false);
    return !ad->e->set && refuse_others(ad);
}

// Whether a pattern of rank_pattern or alpha_pattern, a regular expression of Python's, is all of a module's name or all
// behind a dot. They are nearly POSIX's; what is not (and repetition counts, which can be made to cost any memory) is
// refused.
static bool pattern_matches(const Adapter *ad, Str pattern, const char *module, bool *out)
{
    Buf b = {.arena = ad->a};
    char text[SHOWN];
    bool known = pattern.n <= MOST_PATTERN && pattern.n > 0;
    buf_str(&b, STR_LIT("^(.*\\.)?("));
    for (size_t i = 0; i < pattern.n && known; i++) {
        char c = pattern.s[i], next = i + 1 < pattern.n ? pattern.s[i + 1] : 0;
        if (c == '\\' && (next == 'd' || next == 'w')) {
            buf_str(&b, next == 'd' ? STR_LIT("[0-9]") : STR_LIT("[A-Za-z0-9_]")), i++;
        } else if (c == '\\') {
            known = next && strchr(".-_+*?()[]|^$", next);
            buf_char(&b, c), buf_char(&b, next), i++;
            if (next == '-' || next == '_') b.s[b.n - 2] = next, b.n--;
        } else if (c == '(' && next == '?') {
            known = i + 2 < pattern.n && pattern.s[i + 2] == ':';
            buf_char(&b, c), i += 2;
        } else {
            known =
                c > ' ' && c < 127 && !strchr("{}", c) && !(strchr("*+?", c) && strchr("*+?", next) && next);
            buf_char(&b, c);
        }
    }
    buf_str(&b, STR_LIT(")$"));
    regex_t r;
    if (!known || regcomp(&r, b.s, REG_EXTENDED | REG_NOSUB))
        return err_set(ad->e, "%s: the pattern \"%s\" is not understood here", ad->config.path,
                       shown(text, pattern));
    *out = regexec(&r, module, 0, NULL, 0) == 0;
    regfree(&r);
    return true;
}

// A number for a module: the first pattern's that matches, else the one for all.
static bool by_pattern(const Adapter *ad, const char *key, const char *module, double *value)
{
    const Json *patterns = json_get(ad->config.json, key);
    if (!patterns || patterns->kind == J_NULL) return true;
    if (patterns->kind != J_OBJECT)
        return err_set(ad->e, "%s: %s is %s; it must be an object", ad->config.path, key,
                       json_kind_name(patterns));
    for (const Json *j = patterns->child; j; j = j->next) {
        bool matches = false;
        if (j->kind != J_NUMBER || !(j->number > -1e9 && j->number < 1e9))
            return err_set(ad->e, "%s: %s holds %s; it must hold numbers", ad->config.path, key,
                           json_kind_name(j));
        if (!pattern_matches(ad, j->key, module, &matches)) return false;
        if (!matches) continue;
        *value = j->number;
        return true;
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ weights

static bool is_float(const Stored *s)
{
    return s->dtype == DT_F32 || s->dtype == DT_F16 || s->dtype == DT_BF16 || s->dtype == DT_F64;
}

static int64_t elements(const Stored *s) { return (int64_t)(s->bytes / dtype_size(s->dtype)); }

static bool must_be_float(const Adapter *ad, const Stored *s)
{
    char text[SHOWN];
    return is_float(s) ||
           err_at(ad->e, s->file, s->at,
                  "tensor '%s' is of type %s; an adapter changes weights of type F32, F16, BF16 or F64 only",
                  shown(text, s->name), dtype_name(s->dtype));
}

static float *widened(Arena *a, const Stored *s)
{
    int64_t n = elements(s);
    float *out = arena_new_raw(a, float, n);
    if (s->dtype != DT_F64)
        num_widen(out, s->data, s->dtype == DT_F32 ? W_F32 : s->dtype == DT_F16 ? W_F16 : W_BF16, 0, n);
    for (int64_t i = 0; s->dtype == DT_F64 && i < n; i++) {
        double x;
        memcpy(&x, (const char *)s->data + (size_t)i * sizeof x, sizeof x);
        out[i] = (float)x;
    }
    return out;
}

static Stored *base_tensor(const Adapter *ad, const char *module, const char *what)
{
    const Stored *s = checkpoint_find(ad->c, arena_printf(ad->a, "%s.%s", module, what));
    return s ? &ad->c->tensor[s - ad->c->tensor] : NULL;
}

// Gives a weight other values, and with it whatever is the same weight under another name.
static void change(Adapter *ad, Stored *s, const Stored *source, float *values)
{
    const void *before = s->data;
    const size_t bytes = s->bytes, now = (size_t)elements(s) * sizeof(float);
    for (size_t i = 0; i < ad->c->n; i++) {
        Stored *t = &ad->c->tensor[i];
        if (t != s && (t->data != before || t->bytes != bytes || !bytes)) continue;
        t->dtype = DT_F32, t->data = values, t->bytes = now, t->file = source->file, t->at = source->at;
    }
}

// ------------------------------------------------------------------------------------------------ the merge

typedef struct Merge {
    float *w;           // [rows, cols] the base's, changed in place
    const float *a, *b; // [r, in], [out, r]
    const float *m;     // DoRA's magnitudes, by output; NULL: LoRA
    int64_t rows, cols, r;
    bool turned; // rows are inputs: of embeddings, and of matrices that are stored so
    float scale;
} Merge;

static void add_row(int64_t row, void *context)
{
    enum { BLOCK = 64 };
    const Merge *g = context;
    float *w = g->w + row * g->cols;
    for (int64_t j = 0; j < g->cols; j += BLOCK) {
        float sum[BLOCK] = {0};
        int64_t n = g->cols - j < BLOCK ? g->cols - j : BLOCK;
        for (int64_t k = 0; k < g->r; k++)
            if (g->turned) // w[in, out]
                for (int64_t i = 0; i < n; i++) sum[i] += g->b[(j + i) * g->r + k] * g->a[k * g->rows + row];
            else
                for (int64_t i = 0; i < n; i++) sum[i] += g->b[row * g->r + k] * g->a[k * g->cols + j + i];
        for (int64_t i = 0; i < n; i++) w[j + i] += sum[i] * g->scale;
    }
}

// By rows that are outputs: norm of the row. By rows that are inputs: norms of columns, which one call makes for one.
static void scale_output(int64_t out, void *context)
{
    const Merge *g = context;
    int64_t n = g->turned ? g->rows : g->cols, step = g->turned ? g->cols : 1;
    float *w = g->turned ? g->w + out : g->w + out * g->cols;
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)w[i * step] * (double)w[i * step];
    float factor = g->m[out] / (float)__builtin_sqrt(sum);
    for (int64_t i = 0; i < n; i++) w[i * step] *= factor;
}

static const Stored *part(const Adapter *ad, const char *module, const char *kind, const char *rest)
{
    return checkpoint_find(ad->own, arena_printf(ad->a, "%s.%s%s", module, kind, rest));
}

static bool shape_is(const Adapter *ad, const Stored *s, int64_t rows, int64_t cols, const char *why)
{
    char text[SHOWN];
    if (s->rank == 2 && s->dim[0] == rows && s->dim[1] == cols) return must_be_float(ad, s);
    Buf found = {.arena = ad->a};
    for (int i = 0; i < s->rank; i++) buf_printf(&found, "%s%" PRId64, i ? ", " : "", s->dim[i]);
    return err_at(ad->e, s->file, s->at,
                  "tensor '%s' has shape [%s]; %s calls for [%" PRId64 ", %" PRId64 "]", shown(text, s->name),
                  found.s ? found.s : "", why, rows, cols);
}

// One module's matrices. rest: what stands behind "lora_A" in its name: an adapter's name, ".weight", or both.
static bool merge_module(Adapter *ad, const char *module, bool table, const char *rest)
{
    const char *kind = table ? "lora_embedding_" : "lora_";
    const Stored *a = part(ad, module, arena_printf(ad->a, "%sA", kind), rest),
                 *b = part(ad, module, arena_printf(ad->a, "%sB", kind), rest);
    Stored *w = base_tensor(ad, module, "weight");
    if (!w)
        return err_at(ad->e, a->file, a->at, "the adapter changes '%s', which the base in %s does not have",
                      module, ad->c->folder);
    if (!b) return err_at(ad->e, a->file, a->at, "'%s' has %sA but no %sB", module, kind, kind);
    if (w->rank != 2 || a->rank != 2 || !is_float(w))
        return err_at(ad->e, a->file, a->at, "'%s': LoRA is for matrices of floats, and this %s is none",
                      module, a->rank != 2 ? "lora_A" : "weight of the base");
    double r = (double)ad->r, alpha = ad->alpha;
    if (!by_pattern(ad, "rank_pattern", module, &r) || !by_pattern(ad, "alpha_pattern", module, &alpha))
        return false;
    if (a->dim[0] < 1 || (double)a->dim[0] != r)
        return err_at(ad->e, a->file, a->at, "'%s' is of rank %" PRId64 "; %s says %g", module, a->dim[0],
                      ad->config.path, r);
    const char *last = strrchr(module, '.');
    bool turned = table || (ad->base->turned && strcmp(last ? last + 1 : module, "lm_head"));
    Merge g = {.rows = w->dim[0], .cols = w->dim[1], .r = a->dim[0], .turned = turned};
    int64_t out = turned ? g.cols : g.rows, in = turned ? g.rows : g.cols;
    if (!shape_is(ad, a, g.r, in, "the base's weight") || !shape_is(ad, b, out, g.r, "the base's weight"))
        return false;
    g.scale = (float)(ad->rslora ? alpha / __builtin_sqrt(r) : alpha / r);
    Arena *scratch = arena_create(ad->a);
    g.w = widened(ad->a, w), g.a = widened(scratch, a), g.b = widened(scratch, b);
    pool_run(g.rows, add_row, &g);
    bool ok = true;
    if (ad->dora) {
        const Stored *m = part(ad, module, "lora_magnitude_vector", rest);
        if (!m) m = part(ad, module, "lora_magnitude_vector", "");
        if (!m) m = part(ad, module, "lora_magnitude_vector", ".weight");
        ok = m ? must_be_float(ad, m) &&
                     (elements(m) == out ||
                      err_at(ad->e, m->file, m->at,
                             "'%s': lora_magnitude_vector has %" PRId64 " numbers for %" PRId64 " outputs",
                             module, elements(m), out))
               : err_at(ad->e, a->file, a->at, "'%s' has no lora_magnitude_vector, and use_dora is true",
                        module);
        if (ok) g.m = widened(scratch, m), pool_run(out, scale_output, &g);
    }
    const Stored *bias =
        ok ? part(ad, module, "lora_B",
                  arena_printf(ad->a, "%.*s.bias", (int)(strlen(rest) >= 7 ? strlen(rest) - 7 : 0), rest))
           : NULL;
    Stored *to = bias ? base_tensor(ad, module, "bias") : NULL;
    if (bias && (!to || elements(to) != out || elements(bias) != out || !is_float(bias) || !is_float(to)))
        ok = err_at(ad->e, bias->file, bias->at, "'%s': lora_B has a bias, and the base has none of its size",
                    module);
    if (ok) change(ad, w, a, g.w), ad->merged++;
    if (ok && bias) {
        float *x = widened(ad->a, to), *add = widened(scratch, bias);
        for (int64_t i = 0; i < out; i++) x[i] += add[i] * g.scale;
        change(ad, to, bias, x);
    }
    arena_free(scratch);
    return ok;
}

// ------------------------------------------------------------------------------------------------ what is there

// A tensor that stands for one of the base's. own: it is a module's copy, and no longer tied to others.
static bool replace(Adapter *ad, const Stored *s, Str name, bool own)
{
    const Stored *found = checkpoint_find(ad->c, str_zero(ad->a, name));
    char text[SHOWN];
    if (!found)
        return err_at(ad->e, s->file, s->at, "the adapter has a '%s', which the base in %s does not have",
                      shown(text, name), ad->c->folder);
    Stored *t = &ad->c->tensor[found - ad->c->tensor];
    bool same = t->rank == s->rank && !memcmp(t->dim, s->dim, (size_t)t->rank * sizeof *t->dim);
    if (!same || !is_float(s) || !is_float(t))
        return err_at(ad->e, s->file, s->at, "the adapter's '%s' is not of the shape and kind of the base's",
                      shown(text, name));
    if (own) {
        t->dtype = s->dtype, t->data = s->data, t->bytes = s->bytes, t->file = s->file, t->at = s->at;
    } else change(ad, t, s, widened(ad->a, s));
    ad->replaced++;
    return true;
}

static bool to_save(const Adapter *ad, Str module)
{
    const Json *list = json_get(ad->config.json, "modules_to_save");
    for (const Json *j = list && list->kind == J_ARRAY ? list->child : NULL; j; j = j->next)
        if (j->kind == J_STRING && str_ends(module, j->text)) return true;
    return false;
}

// Where `what` stands in a name as a part of its own, or n.
static size_t find_part(Str name, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = 0; i + n <= name.n; i++)
        if ((i == 0 || name.s[i - 1] == '.') && !memcmp(name.s + i, what, n)) return i;
    return name.n;
}

// First what replaces, then what is added: as PEFT loads and then merges.
static bool one(Adapter *ad, const Stored *s, bool merging)
{
    Str name = s->name;
    size_t at = find_part(name, "lora_"), saved = find_part(name, "modules_to_save.");
    char text[SHOWN];
    if (at < name.n) {
        if (!merging || at < 2)
            return at >= 2 ||
                   err_at(ad->e, s->file, s->at, "tensor '%s' belongs to no module", shown(text, name));
        const char *module = str_zero(ad->a, (Str){name.s, at - 1}),
                   *what = str_zero(ad->a, (Str){name.s + at, name.n - at});
        if (!strncmp(what, "lora_A", 6)) return merge_module(ad, module, false, what + 6);
        if (!strncmp(what, "lora_embedding_A", 16)) return merge_module(ad, module, true, what + 16);
        static const char *const others[] = {"lora_B", "lora_embedding_B"};
        for (int i = 0; i < 2; i++) // its A is the one that is merged
            if (!strncmp(what, others[i], strlen(others[i]))) {
                Str rest = str_of(what + strlen(others[i]));
                if (i == 0 && str_ends(rest, STR_LIT(".bias")))
                    rest = (Str){arena_printf(ad->a, "%.*s.weight", (int)rest.n - 5, rest.s), rest.n + 2};
                return part(ad, module, i ? "lora_embedding_A" : "lora_A", str_zero(ad->a, rest)) != NULL ||
                       err_at(ad->e, s->file, s->at, "'%s' has %s but no A of the same kind", module,
                              others[i]);
            }
        if (!strncmp(what, "lora_magnitude_vector", 21) && ad->dora) return true;
        return err_at(ad->e, s->file, s->at,
                      "tensor '%s' is none that a LoRA adapter of this configuration has", shown(text, name));
    }
    if (merging) return true;
    if (saved < name.n) { // "lm_head.modules_to_save.default.weight": with the adapter's name
        Str rest = {name.s + saved + 16, name.n - saved - 16};
        const char *dot = memchr(rest.s, '.', rest.n);
        size_t skip = dot ? (size_t)(dot - rest.s) + 1 : 0;
        Str plain =
            str_of(arena_printf(ad->a, "%.*s%.*s", (int)saved, name.s, (int)(rest.n - skip), rest.s + skip));
        return replace(ad, s, plain, true);
    }
    size_t end = name.n; // "shared.weight"
    while (end && name.s[end - 1] != '.') end--;
    if (find_part(name, "token_adapter.") < name.n || find_part(name, "prompt_embeddings") < name.n)
        return err_at(ad->e, s->file, s->at, "tensor '%s' is none that can be merged here",
                      shown(text, name));
    return replace(ad, s, name, end && to_save(ad, (Str){name.s, end - 1}));
}

static int turn(Str name) // 1: what stands first in a model, 2: the decoder, 3: the output
{
    return find_part(name, "lm_head.") < name.n ? 3 : find_part(name, "decoder.") < name.n ? 2 : 1;
}

// Entries of their own for the names of tied tables that the file has only one of, all pointing to it.
static void tie(Adapter *ad)
{
    const char *const *name = ad->base->tied, *const *first = name;
    if (!name) return;
    while (*first && !checkpoint_find(ad->c, *first)) first++;
    if (!*first) return;
    const Stored source = *checkpoint_find(ad->c, *first);
    for (; *name; name++) {
        const Stored *s = checkpoint_find(ad->c, *name);
        if (!s) {
            Stored alias = source;
            alias.name = str_of(*name);
            checkpoint_add(ad->a, ad->c, alias);
        } else if (s->dtype == source.dtype && s->bytes == source.bytes && s->data != source.data &&
                   dtype_size(s->dtype) && !memcmp(s->data, source.data, s->bytes))
            ad->c->tensor[s - ad->c->tensor].data = source.data;
    }
}

bool adapter_merge(Arena *a, const char *folder, const AdapterBase *base, Checkpoint *c, Buf *notes, Err *e)
{
    Err unseen = {0};
    Adapter ad = {.a = a, .base = base, .c = c, .folder = folder, .e = e ? e : &unseen};
    if (!read_settings(&ad) || !(ad.own = checkpoint_open_adapter(a, folder, ad.e)) ||
        !checkpoint_unwrap(a, ad.own, "base_model.model.", ad.e))
        return false;
    tie(&ad);
    for (int step = 0; step < 4;
         step++) // replaced; merged, in the order of the modules: tied tables change in turn
        for (size_t i = 0; i < ad.own->n; i++)
            if ((!step || step == turn(ad.own->tensor[i].name)) && !one(&ad, &ad.own->tensor[i], step > 0))
                return false;
    if (!ad.merged && !ad.replaced)
        return err_set(ad.e, "%s: the adapter holds no weights", ad.own->files[0]);
    buf_printf(notes, "%s: %s adapter is merged into the weights of %s (%zu matrices", folder,
               ad.dora ? "a DoRA" : "a LoRA", c->folder, ad.merged);
    if (ad.replaced) buf_printf(notes, ", %zu weights replaced", ad.replaced);
    buf_str(notes, STR_LIT(")\n"));
    return true;
}
