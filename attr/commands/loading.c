// SPDX-License-Identifier: Apache-2.0
// loading.c — what the options say of the machine, the model, its settings and the texts.
#include "commands.h"

#include <stdio.h>
#include <string.h>

static bool model_kwargs(Args *a, NnOptions *o, Err *e)
{
    const Json *j = args_get(a, "model_kwargs")->json;
    for (const Json *c = j ? j->child : NULL; c; c = c->next) {
        bool dtype = str_is(c->key, "dtype") || str_is(c->key, "torch_dtype");
        if (dtype && c->kind == J_STRING && (str_is(c->text, "float32") || str_is(c->text, "auto"))) continue;
        if (dtype)
            return err_set(
                e, "--model_kwargs: dtype must be \"float32\"; everything is computed in float32 here");
        if (str_is(c->key, "revision") && c->kind == J_STRING) o->revision = str_zero(a->a, c->text);
        else if (str_is(c->key, "cache_dir") && c->kind == J_STRING) o->cache_dir = str_zero(a->a, c->text);
        else if (str_is(c->key, "attn_implementation") || str_is(c->key, "local_files_only")) continue;
        else
            return err_set(e, "--model_kwargs: \"%.*s\" is not supported; dtype, revision and cache_dir are",
                           (int)c->key.n, c->key.s);
    }
    return true;
}

bool args_start_machine(const Args *a, Err *e)
{
    const OptionValue *threads = args_get(a, "threads");
    if (threads->given && (threads->number < 1 || threads->number > 1024))
        return err_set(e, "--threads %" PRId64 ": it must be from 1 to 1024", threads->number);
    if (!cpu_select(NULL, e)) return false;
    pool_start((int)threads->number);
    return true;
}

bool args_load(Args *a, const char *name, Loaded *l, Err *e)
{
    const char *device = args_text(a, "device");
    NnOptions o = {.revision = args_text(a, "revision"),
                   .cache_dir = args_text(a, "cache_dir"),
                   .adapter = args_text(a, "adapter")};
    if (!name) return err_set(e, NO_MODEL);
    if (device && strcmp(device, "cpu"))
        return err_set(e, "--device %s: this program runs on the processor: cpu", device);
    if (!model_kwargs(a, &o, e) || !texts_load(a->a, name, args_text(a, "tokenizer"), o, &a->talk, l, e))
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
        return err_set(e, "--batch_size %" PRId64 ": it must be from 1 to 65536", v->number);
    *out = v->given ? (size_t)v->number : 8;
    return true;
}

bool args_chat(const Args *a, Work *w, Err *e)
{
    static const char *const with[] = {"system", "chat_date", "chat_kwargs", "hide_template"};
    for (size_t i = 0; i < sizeof with / sizeof *with && !args_on(a, "chat"); i++)
        if (args_get(a, with[i])->given) return err_set(e, "--%s belongs to --chat", with[i]);
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
        return err_set(e, "--max_new_tokens %" PRId64 ": it must be 1 or more", most->number);
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

bool args_texts(const Args *a, Texts *t, Err *e)
{
    *t = (Texts){.beginnings = args_on(a, "generate_from_target_prefix")};
    if (!args_get(a, "input_texts")->given) return err_set(e, "which texts? give them with -i TEXT ...");
    if (!option_texts(a->a, args_get(a, "input_texts"), &t->source, &t->n, e) ||
        !option_texts(a->a, args_get(a, "generated_texts"), &t->target, &t->n_targets, e))
        return false;
    if (args_get(a, "generated_texts")->given && t->n_targets != t->n && t->n)
        return err_set(e, "%zu generated texts for %zu input texts; there must be one for each", t->n_targets,
                       t->n);
    if (t->beginnings && !t->n_targets)
        return err_set(e, "--generate_from_target_prefix needs the beginnings: -g TEXT ...");
    return true;
}
