// SPDX-License-Identifier: Apache-2.0
// quantized.c — see quantized.h: which method, and what the methods share.
#include "quantized.h"

#include <stdio.h>
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

// ------------------------------------------------------------------------------------------------ for the methods

bool quant_wrong(Quant *q, const Stored *s, const char *format, ...)
{
    char text[600], name[SHOWN];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_at(q->e, s->file, s->at, "tensor '%s' %s", shown(name, s->name), text);
}

Str quant_stem(const Stored *s, const char *suffix)
{
    const Str end = str_of(suffix);
    return str_ends(s->name, end) ? (Str){s->name.s, s->name.n - end.n} : (Str){NULL, 0};
}

const Stored *quant_part(Quant *q, Str stem, const char *suffix)
{
    const char *name = arena_printf(q->a, "%.*s%s", (int)stem.n, stem.s, suffix);
    const Stored *s = checkpoint_find(q->c, name);
    if (!s || !str_is(s->name, name)) return NULL;
    q->drop[s - q->c->tensor] = true;
    return s;
}

bool quant_shape(Quant *q, const Stored *s, const Dtype *type, size_t n, int rank, const int64_t *dim)
{
    Buf found = {.arena = q->a}, wanted = {.arena = q->a}, types = {.arena = q->a};
    bool typed = false, shaped = s->rank == rank;
    for (size_t i = 0; i < n; i++) {
        typed |= s->dtype == type[i];
        buf_printf(&types, "%s%s", i ? " or " : "", dtype_name(type[i]));
    }
    for (int i = 0; i < s->rank; i++) buf_printf(&found, "%s%" PRId64, i ? ", " : "", s->dim[i]);
    for (int i = 0; i < rank; i++) {
        shaped = shaped && (dim[i] < 0 ? s->dim[i] > 0 : s->dim[i] == dim[i]);
        if (dim[i] < 0) buf_printf(&wanted, "%sn", i ? ", " : "");
        else buf_printf(&wanted, "%s%" PRId64, i ? ", " : "", dim[i]);
    }
    if (!typed)
        return quant_wrong(q, s, "is of type %s; as a part of a quantized weight it must be %s",
                           dtype_name(s->dtype), types.s);
    return shaped || quant_wrong(q, s, "has shape [%s]; the weight that it is a part of calls for [%s]",
                                 found.s ? found.s : "", wanted.s ? wanted.s : "");
}

const Stored *quant_need(Quant *q, const Stored *of, Str stem, const char *suffix, const Dtype *type,
                         size_t n, int rank, const int64_t *dim)
{
    const Stored *s = quant_part(q, stem, suffix);
    char name[SHOWN];
    if (s) return quant_shape(q, s, type, n, rank, dim) ? s : NULL;
    quant_wrong(
        q, of,
        "is quantized, but '%s%s' is missing, without which its values are not known; is this a complete "
        "folder?",
        shown(name, stem), suffix);
    return NULL;
}

bool quant_groups(Quant *q, const Stored *s, int64_t groups)
{
    const int64_t n = (int64_t)stored_count(s);
    for (int64_t i = 0; i < n; i++) {
        int32_t g;
        memcpy(&g, (const char *)s->data + 4 * i, 4);
        if (g < 0 || g >= groups)
            return quant_wrong(q, s, "puts input %" PRId64 " into group %" PRId32 " of %" PRId64, i, g,
                               groups);
    }
    return true;
}

void quant_note(Quant *q, const char *text)
{
    if (!strstr(q->says.s, text)) buf_printf(&q->says, ", %s", text);
}

void quant_put(Quant *q, size_t i, Str stem, Dtype type, Coded coded, bool turned)
{
    Stored *s = &q->c->tensor[i];
    Coded *own = arena_new(q->a, Coded, 1);
    *own = coded;
    s->name = str_of(arena_printf(q->a, "%.*s.weight", (int)stem.n, stem.s));
    s->dtype = type, s->rank = 2, s->turned = turned;
    s->dim[0] = turned ? coded.cols : coded.rows, s->dim[1] = turned ? coded.rows : coded.cols;
    s->data = coded_rows(q->a, own);
    q->drop[i] = false, q->n++;
}
