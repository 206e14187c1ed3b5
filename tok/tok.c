// SPDX-License-Identifier: Apache-2.0
// tok.c — opening a folder's tokenizer, and what all kinds share: added tokens, special ids, cleaning up.
//
// The kind is chosen by tokenizer_config.json's tokenizer_class, else by config.json's model_type, else by
// which files are there; each kind's file says which (kinds.def has the list).
#include "kind.h"

#include <string.h>

#define KIND(k) extern const TokKind tokkind_##k;
#include "kinds.def"
#undef KIND

const TokKind *const *tok_kinds(size_t *n)
{
    static const TokKind *const kinds[] = {
#define KIND(k) &tokkind_##k,
#include "kinds.def"
#undef KIND
    };
    *n = sizeof kinds / sizeof *kinds;
    return kinds;
}

// ------------------------------------------------------------------------------------------------- opening

static Str string_at(const Json *object, const char *key)
{
    const Json *j = object ? json_get(object, key) : NULL;
    return j && j->kind == J_STRING ? j->text : (Str){"", 0};
}

static Str looked_for(Arena *a)
{
    size_t n;
    const TokKind *const *kinds = tok_kinds(&n);
    Buf b = {.arena = a};
    for (size_t i = 0; i < n; i++) buf_printf(&b, "%s%s", i ? "; " : "", kinds[i]->summary);
    return buf_view(&b);
}

Tokenizer *tok_open(Arena *a, const char *folder, Err *e)
{
    const Json *config, *model;
    if (!dir_exists(folder)) return err_set(e, "%s: no such folder", folder), NULL;
    if (!folder_object(a, folder, "tokenizer_config.json", &config, e)) return NULL;
    if (!folder_object(a, folder, "config.json", &model, e)) return NULL;
    Str class = string_at(config, "tokenizer_class");
    bool named = class.n > 0;
    if (!named && (str_is(string_at(model, "model_type"), "mbart") ||
                   str_is(string_at(model, "model_type"), "m2m_100")))
        class = string_at(model, "tokenizer_class");    // two classes for one model
    if (str_ends(class, STR_LIT("Fast"))) class.n -= 4; // the same tokenizer under its older name
    static const char *const any[] = {"PreTrainedTokenizer", "TokenizersBackend"}; // names that say nothing
    if (str_is(class, any[0]) || str_is(class, any[1])) class.n = 0;
    const char *type = str_zero(a, string_at(model, "model_type"));

    size_t n;
    const TokKind *const *kinds = tok_kinds(&n);
    const TokKind *kind = NULL;
    for (size_t i = 0; i < n && !kind; i++)
        if (kinds[i]->matches(folder, class, type)) kind = kinds[i];
    if (!kind)
        return err_set(e,
                       "%s: no tokenizer that is known here (tokenizer_class '%.*s', model_type '%s'); "
                       "looked for %s",
                       folder, (int)(class.n < 60 ? class.n : 60), class.s, type, looked_for(a).s),
               NULL;

    bool stated = config && json_get(config, "added_tokens_decoder");
    if (!legacy_config(a, folder, kind == &tokkind_marian, &config, e)) return NULL;
    Tokenizer *t = arena_new(a, Tokenizer, 1);
    *t = (Tokenizer){.kind = kind,
                     .class_wanted = class,
                     .class_stated = named,
                     .model_type = type,
                     .unk = -1,
                     .pad = -1,
                     .eos = -1,
                     .bos = -1,
                     .language = {-1, -1}};
    const Json *clean = config ? json_get(config, "clean_up_tokenization_spaces") : NULL;
    const Json *longest = config ? json_get(config, "model_max_length") : NULL;
    t->added_stated = stated;
    t->cleanup = clean && clean->kind == J_TRUE;
    if (longest && longest->is_int && longest->i > 0 && longest->i < INT32_MAX) t->max_length = longest->i;
    t->state = kind->open(a, t, folder, config, e);
    return t->state && languages_open(a, t, config, folder, e) ? t : NULL;
}

// ----------------------------------------------------------------------------------------------- encodings

bool tok_encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e)
{
    size_t bad;
    *out = (Encoding){0};
    if (!utf8_valid(text, &bad))
        return err_at(e, "text", bad, "byte 0x%02X is not UTF-8; is the text in another encoding?",
                      (unsigned)(uint8_t)text.s[bad]);
    return t->kind->encode(a, t, text, o, out, e);
}

bool tok_decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e)
{
    if (!t->kind->decode(a, t, ids, n, o, out, e)) return false;
    if (t->kind->never_cleans) return true;
    if (o.cleanup > 0 || (o.cleanup < 0 && t->cleanup)) *out = clean_up_spaces(a, *out);
    return true;
}

const char *tok_kind(const Tokenizer *t) { return t->kind->name; }
const char *tok_class(const Tokenizer *t) { return t->class_name ? t->class_name : t->kind->class_name; }
size_t tok_size(const Tokenizer *t) { return t->size; }
int32_t tok_unk(const Tokenizer *t) { return t->unk; }
int32_t tok_pad(const Tokenizer *t) { return t->pad; }
int32_t tok_eos(const Tokenizer *t) { return t->eos; }
int32_t tok_bos(const Tokenizer *t) { return t->bos; }
const int32_t *tok_before(const Tokenizer *t, size_t *n) { return *n = t->n_before, t->before; }
int64_t tok_max_length(const Tokenizer *t) { return t->max_length; }

// ------------------------------------------------------------------------------------------------- helpers
