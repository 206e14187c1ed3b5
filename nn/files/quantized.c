// SPDX-License-Identifier: Apache-2.0
// quantized.c — see quantized.h: which method, and what it makes of a folder.
#include "quantized.h"

#include <string.h>

#define QUANT(name) extern const QuantKind quant_##name;
#include "quants.def"
#undef QUANT
static const QuantKind *const kinds[] = {
#define QUANT(name) &quant_##name,
#include "quants.def"
#undef QUANT
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

// ------------------------------------------------------------------------------------------------ which method

// config.json's own, or a file of its own beside it, as older tools wrote them.
static const Json *settings_of(Arena *a, const Config *config, const char *folder, Config *out,
                               const char **method, Err *e)
{
    static const struct {
        const char *file, *method;
    } beside[] = {{"quantize_config.json", "gptq"}, {"quant_config.json", "awq"}};
    static const char *const keys[] = {"quantization_config", "compression_config"};
    for (int i = 0; i < 2; i++) {
        const Json *j = json_get(config->json, keys[i]);
        if (!j || j->kind == J_NULL) continue;
        *out = (Config){.json = j, .path = arena_printf(a, "%s: %s", config->path, keys[i]), .e = e};
        if (j->kind != J_OBJECT)
            return err_set(e, "%s is %s; it must be an object", out->path, json_kind_name(j)), NULL;
        *method = i ? "compressed-tensors" : "bitsandbytes"; // that of old bitsandbytes has no name
        return j;
    }
    for (int i = 0; i < 2; i++) {
        if (!in_dir(a, folder, beside[i].file)) continue;
        if (!config_open(a, folder, beside[i].file, out, e)) return NULL;
        *method = beside[i].method;
        return out->json;
    }
    return NULL;
}

const QuantKind *quant_find(Arena *a, const Config *config, const char *folder, Config *settings, Err *e)
{
    Err own = {0};
    const char *absent = "";
    const Json *j = settings_of(a, config, folder, settings, &absent, &own);
    if (!j) return own.set ? err_set(e, "%s", own.text), NULL : NULL;
    settings->e = &own;
    const Str method = cfg_str(settings, "quant_method", absent);
    settings->e = e;
    if (own.set) return err_set(e, "%s", own.text), NULL;
    for (size_t i = 0; i < N_KINDS; i++)
        if (str_is(method, kinds[i]->method)) return kinds[i];
    Buf known = {.arena = a};
    char name[SHOWN];
    for (size_t i = 0; i < N_KINDS; i++) buf_printf(&known, "%s%s", i ? ", " : "", kinds[i]->method);
    err_set(e,
            "%s: quant_method is \"%s\", which is not read here; %s are. Use the model's folder in float32, "
            "float16 or "
            "bfloat16, or a GGUF file of it",
            settings->path, shown(name, method), known.s);
    return NULL;
}

bool quant_read(Arena *a, const QuantKind *kind, const Config *settings, Checkpoint *c, const char **says,
                Err *e)
{
    Err unseen = {0};
    Quant q = {.a = a, .settings = *settings, .c = c, .e = e ? e : &unseen};
    q.settings.e = q.e, q.says.arena = a;
    q.drop = arena_new(a, bool, c->n);
    buf_printf(&q.says, "%s", kind->title);
    if (!kind->read(&q) || q.e->set) return false;
    if (!q.n)
        return err_set(q.e, "%s: quant_method is \"%s\", but no tensor in %s is quantized that way",
                       settings->path, kind->method, c->files[0]);
    *says = q.says.s;
    return checkpoint_drop(c, q.drop, q.e);
}
