// SPDX-License-Identifier: Apache-2.0
// loading.c — what the options say of the machine, the model, its settings and the texts.
#include "commands.h"

#include <string.h>

// What says how, where or by whom something is loaded, and changes no number here: transformers takes these for models and
// tokenizers. So does what is null or false, and asks for nothing.
static bool harmless(const Json *c)
{
    static const char *const names[] = {
        "attn_implementation", "local_files_only", "device_map", "low_cpu_mem_usage",
        "trust_remote_code",   "use_safetensors",  "token",      "use_auth_token",
        "force_download",      "resume_download",  "proxies",    "offload_folder",
        "offload_state_dict",  "offload_buffers",  "max_memory", "use_fast",
        "padding_side",        "truncation_side",  "verbose",    "use_cache",
        "_fast_init",          "mirror",           "tp_plan",    "weights_only"};
    if (c->kind == J_NULL) return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(c->key, names[i])) return true;
    return c->kind == J_FALSE && (str_is(c->key, "output_loading_info") || str_is(c->key, "from_tf") ||
                                  str_is(c->key, "from_flax"));
}

// bitsandbytes' settings: with the others, or in an object quantization_config. Those that say how products are computed
// change nothing here.
static bool quantize_key(Args *a, const Json *c, NnQuantize *q, Err *e)
{
    static const char *const harmless_too[] = {"bnb_4bit_compute_dtype",
                                               "bnb_4bit_quant_storage",
                                               "llm_int8_threshold",
                                               "llm_int8_enable_fp32_cpu_offload",
                                               "llm_int8_has_fp16_weight",
                                               "_load_in_8bit",
                                               "_load_in_4bit"};
    const int bits = str_is(c->key, "load_in_8bit") ? 8 : str_is(c->key, "load_in_4bit") ? 4 : 0;
    const bool nested = str_is(c->key, "bnb_4bit_use_double_quant");
    for (size_t i = 0; i < sizeof harmless_too / sizeof *harmless_too; i++)
        if (str_is(c->key, harmless_too[i])) return true;
    if (c->kind == J_NULL) return true;
    if ((bits || nested) && c->kind != J_TRUE && c->kind != J_FALSE)
        return err_usage(e, "--model_kwargs: %.*s is %s; it must be true or false", (int)c->key.n, c->key.s,
                         json_kind_name(c));
    if (bits && c->kind == J_TRUE && q->bits)
        return err_usage(e,
                         "--model_kwargs: load_in_8bit and load_in_4bit are both true; one at a time can be");
    if (bits && c->kind == J_TRUE) q->bits = bits;
    if (nested) q->nested = c->kind == J_TRUE;
    if (str_is(c->key, "bnb_4bit_quant_type")) {
        if (c->kind != J_STRING || (!str_is(c->text, "nf4") && !str_is(c->text, "fp4")))
            return err_usage(e, "--model_kwargs: bnb_4bit_quant_type must be \"nf4\" or \"fp4\"");
        q->nf4 = str_is(c->text, "nf4");
    }
    if (str_is(c->key, "quant_method") && !(c->kind == J_STRING && str_is(c->text, "bitsandbytes")))
        return err_usage(
            e, "--model_kwargs: quant_method must be \"bitsandbytes\"; other methods' folders are opened as "
               "they are");
    if (!str_is(c->key, "llm_int8_skip_modules")) return true;
    const char **skip = arena_new(a->a, const char *, c->count);
    if (c->kind != J_ARRAY)
        return err_usage(e, "--model_kwargs: llm_int8_skip_modules must be a list of names");
    for (const Json *s = c->child; s; s = s->next) {
        if (s->kind != J_STRING || !s->text.n || memchr(s->text.s, '*', s->text.n))
            return err_usage(
                e, "--model_kwargs: llm_int8_skip_modules must be a list of modules' names, not of patterns");
        skip[q->n_skip++] = str_zero(a->a, s->text);
    }
    q->skip = skip;
    return true;
}

static bool is_quantize_key(const Json *c)
{
    return str_is(c->key, "load_in_8bit") || str_is(c->key, "load_in_4bit") ||
           str_starts(c->key, STR_LIT("bnb_4bit_")) || str_starts(c->key, STR_LIT("llm_int8_"));
}

static bool model_kwargs(Args *a, NnOptions *o, Err *e)
{
    const Json *j = args_get(a, "model_kwargs")->json;
    NnQuantize *q = arena_new(a->a, NnQuantize, 1);
    for (const Json *c = j ? j->child : NULL; c; c = c->next) {
        const bool object = str_is(c->key, "quantization_config") && c->kind == J_OBJECT;
        for (const Json *k = object ? c->child : NULL; k; k = k->next)
            if (!quantize_key(a, k, q, e)) return false;
        if (is_quantize_key(c) && !quantize_key(a, c, q, e)) return false;
        if (object || is_quantize_key(c)) continue;
        bool dtype = str_is(c->key, "dtype") || str_is(c->key, "torch_dtype");
        if (dtype && c->kind == J_STRING && (str_is(c->text, "float32") || str_is(c->text, "auto"))) continue;
        if (dtype)
            return err_usage(
                e, "--model_kwargs: dtype must be \"float32\"; everything is computed in float32 here");
        if (str_is(c->key, "revision") && c->kind == J_STRING) o->revision = str_zero(a->a, c->text);
        else if (str_is(c->key, "cache_dir") && c->kind == J_STRING) o->cache_dir = str_zero(a->a, c->text);
        else if (!harmless(c))
            return err_usage(
                e,
                "--model_kwargs: \"%.*s\" is not supported; dtype, revision, cache_dir, load_in_8bit, "
                "load_in_4bit and quantization_config are",
                (int)c->key.n, c->key.s);
    }
    if (q->bits) o->quantize = q;
    return true;
}

static bool tokenizer_kwargs(const Args *a, Err *e)
{
    const Json *j = args_get(a, "tokenizer_kwargs")->json;
    for (const Json *c = j ? j->child : NULL; c; c = c->next)
        if (str_is(c->key, "src_lang") || str_is(c->key, "tgt_lang")) {
            if (c->kind != J_STRING && c->kind != J_NULL)
                return err_usage(e, "--tokenizer_kwargs: %.*s is %s; it must be a language's code or name",
                                 (int)c->key.n, c->key.s, json_kind_name(c));
        } else if (!harmless(c))
            return err_usage(e,
                             "--tokenizer_kwargs: \"%.*s\" is not supported: the tokenizer is loaded as its "
                             "files say; src_lang and tgt_lang are",
                             (int)c->key.n, c->key.s);
    return true;
}

bool args_loading(Args *a, NnOptions *o, Err *e)
{
    const char *device = args_text(a, "device");
    *o = (NnOptions){.revision = args_text(a, "revision"), .cache_dir = args_text(a, "cache_dir")};
    if (device && strcmp(device, "cpu") && !a->told_device)
        cmd_note(a, arena_printf(a->a, "--device %s: this program runs on the processor", device)),
            a->told_device = true;
    return model_kwargs(a, o, e) && tokenizer_kwargs(a, e);
}

bool args_languages(const Args *a, const char *name, Tokenizer *t, Err *e)
{
    static const char *const key[] = {"src_lang", "tgt_lang"};
    const Json *given = args_get(a, "tokenizer_kwargs")->json;
    const int32_t *languages;
    bool none = !tok_languages(t, &languages);
    for (int side = 0; side < 2; side++) {
        const Json *j = given ? json_get(given, key[side]) : NULL;
        const char *word = args_text(a, key[side]);
        if (!word && j && j->kind == J_STRING) word = str_zero(a->a, j->text);
        Err own = {0};
        if (word && none)
            cmd_note(
                a, arena_printf(a->a, "--%s %s: %s has no languages to choose from", key[side], word, name));
        else if (word && !tok_set_language(a->a, t, (TokSide)side, str_of(word), &own))
            return err_set(e, "--%s: %s", key[side], own.text);
    }
    return true;
}

bool args_start_machine(const Args *a, Err *e)
{
    if (a->kept) return true;
    const OptionValue *threads = args_get(a, "threads");
    if (threads->given && (threads->number < 1 || threads->number > 1024))
        return err_usage(e, "--threads %" PRId64 ": it must be from 1 to 1024", threads->number);
    if (!cpu_select(NULL, e)) return false;
    pool_start((int)threads->number);
    return true;
}

static bool kept(Args *a, const char *name, Loaded *l, Err *e)
{
    Buf names = {.arena = a->a};
    for (size_t i = 0; i < a->n_kept; i++) {
        if (!strcmp(a->kept[i].name, name)) return *l = a->kept[i], args_languages(a, name, l->tok, e);
        buf_printf(&names, "%s%s", i ? ", " : "", a->kept[i].name);
    }
    return err_set(e, "model %s is none of those that are loaded: %s", name, names.s);
}

bool args_load(Args *a, const char *name, Loaded *l, Err *e)
{
    NnOptions o;
    if (!name) return err_usage(e, NO_MODEL);
    if (a->kept) return kept(a, name, l, e);
    if (!args_loading(a, &o, e)) return false;
    o.adapter = args_text(a, "adapter");
    if (!texts_load(a->a, name, args_text(a, "tokenizer"), o, &a->talk, l, e) ||
        !args_languages(a, name, l->tok, e) || !cmd_note_model(a, l, e))
        return false;
    if (args_on(a, "verbose") || args_on(a, "very_verbose"))
        cmd_say("%s: %s, %s, %zu tensors, %.1f M parameters, %d threads, %s", l->info->folder,
                l->info->class_name, l->info->format, l->info->tensors, (double)l->info->parameters / 1e6,
                pool_threads(), cpu_isa());
    return true;
}

bool args_batch_size(const Args *a, size_t *out, Err *e)
{
    const OptionValue *v = args_get(a, "batch_size");
    if (v->given && (v->number < 1 || v->number > 65536))
        return err_usage(e, "--batch_size %" PRId64 ": it must be from 1 to 65536", v->number);
    *out = v->given ? (size_t)v->number : 8;
    return true;
}

bool args_chat(const Args *a, Work *w, Err *e)
{
    static const char *const with[] = {"system", "chat_date", "chat_kwargs", "hide_template"};
    for (size_t i = 0; i < sizeof with / sizeof *with && !args_on(a, "chat"); i++)
        if (args_get(a, with[i])->given) return err_usage(e, "--%s belongs to --chat", with[i]);
    if (!args_on(a, "chat")) return true;
    const char *system = args_text(a, "system"), *date = args_text(a, "chat_date");
    return texts_chat(w,
                      (ChatOptions){.system = str_of(system ? system : ""),
                                    .date = str_of(date ? date : ""),
                                    .variables = args_get(a, "chat_kwargs")->json},
                      e);
}

bool args_generation(Args *a, Work *w, Err *e)
{
    const OptionValue *most = args_get(a, "max_new_tokens");
    const Json *given = args_get(a, "generation_kwargs")->json;
    if (!most->given) return texts_generation(w, given, e);
    if (most->number < 1)
        return err_usage(e, "--max_new_tokens %" PRId64 ": it must be 1 or more", most->number);
    Json *all = arena_new(a->a, Json, 1), *own = arena_new(a->a, Json, 1);
    if (given) *all = *given;
    *own = (Json){.kind = J_NUMBER,
                  .is_int = true,
                  .i = most->number,
                  .number = (double)most->number,
                  .key = STR_LIT("max_new_tokens"),
                  .text = str_of(arena_printf(a->a, "%" PRId64, most->number)),
                  .next = all->child};
    all->kind = J_OBJECT, all->child = own, all->count++;
    return texts_generation(w, all, e);
}
