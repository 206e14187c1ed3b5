// SPDX-License-Identifier: Apache-2.0
// tok.c — opening a folder's tokenizer, and what all kinds share: added tokens, special ids, cleaning up.
//
// The kind is chosen by tokenizer_config.json's tokenizer_class, else by config.json's model_type, else by
// which files are there; each kind's file says which (kinds.def has the list).
#include "kind.h"

#include <string.h>
#include <sys/stat.h>

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

const char *in_folder(Arena *a, const char *folder, const char *file)
{
    return arena_printf(a, "%s/%s", folder, file);
}

bool folder_has(const char *folder, const char *file)
{
    char path[4096];
    size_t n = strlen(folder), m = strlen(file);
    if (n + m + 2 > sizeof path) return false;
    memcpy(path, folder, n);
    path[n] = '/';
    memcpy(path + n + 1, file, m + 1);
    struct stat st; // a link to what was never fetched is there: that must not pass for "the model has none"
    return file_exists(path) || lstat(path, &st) == 0;
}

bool folder_has_all(Arena *a, const char *folder, const char *const *file, Err *e)
{
    Buf missing = {.arena = a};
    size_t n = 0;
    for (; *file; file++)
        if (!folder_has(folder, *file)) buf_printf(&missing, "%s%s", n++ ? ", " : "", *file);
    return !n ||
           err_set(
               e,
               "%s: the tokenizer's file%s missing here: %s; training scripts often save the model alone: "
               "copy %s from the folder of the model that it started from, or name that folder as the "
               "tokenizer's (--tokenizer FOLDER)",
               folder, n > 1 ? "s are" : " is", missing.s, n > 1 ? "them" : "it");
}

enum { LARGEST_JSON = 64 << 20 };

bool folder_object(Arena *a, const char *folder, const char *file, const Json **out, Err *e)
{
    *out = NULL;
    if (!folder_has(folder, file)) return true;
    const char *path = in_folder(a, folder, file);
    Str text;
    if (!file_read(a, path, LARGEST_JSON, &text, e) || !file_genuine(path, text, e)) return false;
    *out = json_parse(a, text, path, e);
    if (!*out) return false;
    if ((*out)->kind != J_OBJECT)
        return err_at(e, path, (*out)->at, "found %s, expected an object", json_kind_name(*out));
    return true;
}

static Str string_at(const Json *object, const char *key)
{
    const Json *j = object ? json_get(object, key) : NULL;
    return j && j->kind == J_STRING ? j->text : (Str){"", 0};
}

Str special_text(const Json *config, const char *key, const char *otherwise)
{
    const Json *j = config ? json_get(config, key) : NULL;
    if (j && j->kind == J_OBJECT) j = json_get(j, "content");
    if (j && j->kind == J_STRING) return j->text;
    return otherwise && !j ? str_of(otherwise) : (Str){"", 0};
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
                     .bos = -1};
    const Json *clean = config ? json_get(config, "clean_up_tokenization_spaces") : NULL;
    const Json *longest = config ? json_get(config, "model_max_length") : NULL;
    t->added_stated = stated;
    t->cleanup = clean && clean->kind == J_TRUE;
    if (longest && longest->is_int && longest->i > 0 && longest->i < INT32_MAX) t->max_length = longest->i;
    t->state = kind->open(a, t, folder, config, e);
    return t->state ? t : NULL;
}

// ----------------------------------------------------------------------------------------------- encodings

void encoding_add_at(EncodingBuilder *b, int32_t id, Str token, TokSpan span)
{
    if (b->out.n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 64;
        Encoding more = {arena_new_raw(b->arena, int32_t, cap), arena_new_raw(b->arena, Str, cap),
                         b->spans ? arena_new_raw(b->arena, TokSpan, cap) : NULL, b->out.n};
        if (b->out.n) {
            memcpy(more.ids, b->out.ids, b->out.n * sizeof *more.ids);
            memcpy(more.token, b->out.token, b->out.n * sizeof *more.token);
            if (b->spans) memcpy(more.span, b->out.span, b->out.n * sizeof *more.span);
        }
        b->out = more, b->cap = cap;
    }
    b->out.ids[b->out.n] = id;
    b->out.token[b->out.n] = token;
    if (b->spans) b->out.span[b->out.n] = span;
    b->out.n++;
}

void encoding_add(EncodingBuilder *b, int32_t id, Str token) { encoding_add_at(b, id, token, (TokSpan){0}); }

void encoding_affix(EncodingBuilder *b, const Tokenizer *t, TokOptions o, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n && !o.plain; i++) encoding_add(b, ids[i], tok_string(t, ids[i]));
}

bool tok_encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e)
{
    size_t bad;
    *out = (Encoding){0};
    if (!utf8_valid(text, &bad))
        return err_at(e, "text", bad, "byte 0x%02X is not UTF-8; is the text in another encoding?",
                      (unsigned)(uint8_t)text.s[bad]);
    return t->kind->encode(a, t, text, o, out, e);
}

size_t tok_inside(const Encoding *x, size_t bytes)
{
    size_t n = 0;
    while (n < x->n && x->span[n].to <= bytes) n++;
    return n;
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

static Str string_of(const Tokenizer *t, const Vocab *v, int32_t id)
{
    const Added *added = added_by_id(t, id);
    if (added) return added->shown.n ? added->shown : added->text;
    return id >= 0 && (size_t)id < v->n && v->text[id].s ? v->text[id] : (Str){"", 0};
}

Str tok_string(const Tokenizer *t, int32_t id) { return string_of(t, t->strings, id); }
Str tok_source_string(const Tokenizer *t, int32_t id) { return string_of(t, t->ids, id); }

int32_t tok_id(const Tokenizer *t, Str token)
{
    const Added *added = added_by_text(t, token);
    return added ? added->id : vocab_id(t->ids, token);
}

bool tok_is_special(const Tokenizer *t, int32_t id)
{
    const Added *added = added_by_id(t, id);
    return added && added->special;
}

// ------------------------------------------------------------------------------------------------- helpers

bool is_white_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == ' ' || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F ||
           cp == 0x3000;
}

bool json_flag(const Json *object, const char *key, bool otherwise)
{
    const Json *j = object ? json_get(object, key) : NULL;
    return j && (j->kind == J_TRUE || j->kind == J_FALSE) ? j->kind == J_TRUE : otherwise;
}

Str strip_left(Str s)
{
    for (uint32_t cp; s.n;) {
        int n = utf8_decode(s.s, s.n, &cp, NULL);
        if (!n || !is_white_space(cp)) break;
        s.s += n, s.n -= (size_t)n;
    }
    return s;
}

// The start of the last character of s (not empty).
static size_t last_character(Str s)
{
    size_t i = s.n - 1;
    while (i > 0 && s.n - i < 4 && ((uint8_t)s.s[i] & 0xC0) == 0x80) i--;
    return i;
}

Str strip_right(Str s)
{
    while (s.n) {
        size_t i = last_character(s);
        uint32_t cp;
        if (!utf8_decode(s.s + i, s.n - i, &cp, NULL) || !is_white_space(cp)) break;
        s.n = i;
    }
    return s;
}

static bool python_space(uint32_t cp) { return is_white_space(cp) || (cp >= 0x1C && cp <= 0x1F); }

Str python_strip(Str s)
{
    uint32_t cp;
    for (int n; s.n && (n = utf8_decode(s.s, s.n, &cp, NULL)) && python_space(cp);)
        s.s += n, s.n -= (size_t)n;
    while (s.n) {
        size_t i = last_character(s);
        if (!utf8_decode(s.s + i, s.n - i, &cp, NULL) || !python_space(cp)) break;
        s.n = i;
    }
    return s;
}

Str replace_all(Arena *a, Str s, Str old, Str fresh)
{
    Buf b = {.arena = a};
    size_t from = 0;
    for (size_t i = 0; i + old.n <= s.n;) {
        const char *p = memchr(s.s + i, old.s[0], s.n - i - old.n + 1);
        if (!p) break;
        i = (size_t)(p - s.s);
        if (memcmp(p, old.s, old.n) != 0) {
            i++;
            continue;
        }
        buf_put(&b, s.s + from, i - from);
        buf_str(&b, fresh);
        from = i += old.n;
    }
    if (from == 0) return s;
    buf_put(&b, s.s + from, s.n - from);
    return buf_view(&b);
}

Str clean_up_spaces(Arena *a, Str s)
{
    static const char *const old[] = {" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"};
    static const char *const fresh[] = {".", "?", "!", ",", "'", "n't", "'m", "'s", "'ve", "'re"};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        s = replace_all(a, s, str_of(old[i]), str_of(fresh[i]));
    return s;
}
