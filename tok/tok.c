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
    return file_exists(path);
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
    *t = (Tokenizer){.kind = kind, .unk = -1, .pad = -1, .eos = -1, .bos = -1};
    const Json *clean = config ? json_get(config, "clean_up_tokenization_spaces") : NULL;
    const Json *longest = config ? json_get(config, "model_max_length") : NULL;
    t->added_stated = stated;
    t->cleanup = clean && clean->kind == J_TRUE;
    if (longest && longest->is_int && longest->i > 0 && longest->i < INT32_MAX) t->max_length = longest->i;
    t->state = kind->open(a, t, folder, config, e);
    return t->state ? t : NULL;
}

// -------------------------------------------------------------------------------------------- added tokens

void added_put(Arena *a, Tokenizer *t, Added added)
{
    if (added.text.n == 0) return;
    for (size_t i = 0; i < t->n_added; i++)
        if (str_eq(t->added[i].text, added.text)) {
            t->added[i] = added;
            return;
        }
    if (t->n_added == t->room_added) {
        t->room_added = t->room_added ? 2 * t->room_added : 16;
        Added *more = arena_new_raw(a, Added, t->room_added);
        if (t->n_added) memcpy(more, t->added, t->n_added * sizeof *more);
        t->added = more;
    }
    t->added[t->n_added++] = added;
}

void added_done(Arena *a, Tokenizer *t)
{
    TrieKey *key = arena_new(a, TrieKey, t->n_added);
    for (size_t i = 0; i < t->n_added; i++) {
        key[i] = (TrieKey){t->added[i].text, (int32_t)i, 0};
        t->begins[(uint8_t)t->added[i].text.s[0]] = true;
    }
    trie_build(a, key, t->n_added, &t->added_trie, NULL);
    t->by_id = arena_new_raw(a, uint32_t, t->n_added);
    for (size_t i = 0; i < t->n_added; i++) { // insertion sort: they mostly come in order, or in reverse
        size_t k = i;
        for (; k && t->added[t->by_id[k - 1]].id > t->added[i].id; k--) t->by_id[k] = t->by_id[k - 1];
        t->by_id[k] = (uint32_t)i;
    }
}

const Added *added_by_id(const Tokenizer *t, int32_t id)
{
    size_t lo = 0, hi = t->n_added;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (t->added[t->by_id[mid]].id < id) lo = mid + 1;
        else hi = mid;
    }
    return lo < t->n_added && t->added[t->by_id[lo]].id == id ? &t->added[t->by_id[lo]] : NULL;
}

const Added *added_by_text(const Tokenizer *t, Str text)
{
    int32_t at = trie_find(&t->added_trie, text);
    return at ? &t->added[t->added_trie.node[at].value] : NULL;
}

bool json_flag(const Json *object, const char *key, bool otherwise)
{
    const Json *j = object ? json_get(object, key) : NULL;
    return j && (j->kind == J_TRUE || j->kind == J_FALSE) ? j->kind == J_TRUE : otherwise;
}

static Added added_of(const Json *j, Str text, int32_t id, bool flagged)
{
    return (Added){.text = text,
                   .id = id,
                   .special = flagged && json_flag(j, "special", false),
                   .lstrip = json_flag(j, "lstrip", false),
                   .rstrip = json_flag(j, "rstrip", false)};
}

bool added_from_config(Arena *a, Tokenizer *t, const Json *config, bool flagged, const char *folder, Err *e)
{
    const Json *list = config ? json_get(config, "added_tokens_decoder") : NULL;
    if (!list || list->kind != J_OBJECT) return true;
    if (list->count > MOST_ADDED)
        return err_set(e, "%s/tokenizer_config.json: %zu added tokens, at most %d are supported", folder,
                       list->count, MOST_ADDED);
    for (const Json *j = list->child; j; j = j->next) {
        int64_t id = 0;
        bool ok = j->key.n > 0 && j->key.n < 10;
        for (size_t i = 0; i < j->key.n && ok; i++) {
            ok = j->key.s[i] >= '0' && j->key.s[i] <= '9';
            id = 10 * id + (j->key.s[i] - '0');
        }
        Str text = {"", 0};
        const Json *content = j->kind == J_OBJECT ? json_get(j, "content") : NULL;
        if (content && content->kind == J_STRING) text = content->text;
        if (!ok || !text.n)
            return err_set(
                e,
                "%s/tokenizer_config.json: added_tokens_decoder has an entry '%.*s' that is not an id with a "
                "content",
                folder, (int)(j->key.n < 40 ? j->key.n : 40), j->key.s);
        added_put(a, t, added_of(j, text, (int32_t)id, flagged));
    }
    return true;
}

bool added_from_json(Arena *a, Tokenizer *t, const Json *list, const char *path, Err *e)
{
    if (list && list->count > MOST_ADDED)
        return err_at(e, path, list->at, "%zu added tokens, at most %d are supported", list->count,
                      MOST_ADDED);
    for (const Json *j = list ? list->child : NULL; j; j = j->next) {
        const Json *id = json_get(j, "id"), *content = json_get(j, "content");
        if (!id || !id->is_int || id->i < 0 || id->i >= INT32_MAX || !content || content->kind != J_STRING)
            return err_at(e, path, j->at, "an added token without an id and a content");
        added_put(a, t, added_of(j, content->text, (int32_t)id->i, true));
    }
    return true;
}

void added_sizes(Tokenizer *t)
{
    t->size = t->ids->count;
    for (size_t i = 0; i < t->n_added; i++) t->size += vocab_id(t->ids, t->added[i].text) < 0;
}

int32_t added_special(Arena *a, Tokenizer *t, Str text)
{
    if (!text.n) return -1;
    for (size_t i = 0; i < t->n_added; i++)
        if (str_eq(t->added[i].text, text)) {
            t->added[i].special = true;
            return t->added[i].id;
        }
    int32_t id = vocab_id(t->ids, text);
    if (id < 0) id = (int32_t)t->size++;
    added_put(a, t, (Added){.text = text, .id = id, .special = true});
    return id;
}

bool added_lists(Arena *a, Tokenizer *t, const Json *config, const char *folder, Err *e)
{
    static const char *const keys[] = {"additional_special_tokens", "extra_special_tokens"};
    for (size_t i = 0; config && i < sizeof keys / sizeof *keys; i++) {
        const Json *list = json_get(config, keys[i]);
        if (list && list->count > MOST_ADDED)
            return err_set(e, "%s/tokenizer_config.json: %zu %s, at most %d are supported", folder,
                           list->count, keys[i], MOST_ADDED);
        for (const Json *j = list ? list->child : NULL; j; j = j->next) {
            const Json *text = j->kind == J_OBJECT ? json_get(j, "content") : j;
            if (text && text->kind == J_STRING) added_special(a, t, text->text);
        }
    }
    return true;
}

// The longest added token at s, or NULL.
static const Added *added_at(const Tokenizer *t, Str s)
{
    const Added *best = NULL;
    uint32_t at = 0;
    for (size_t i = 0; i < s.n && (at = trie_step(t->added_trie.node, at, (uint8_t)s.s[i])); i++)
        if (t->added_trie.node[at].value >= 0) best = &t->added[t->added_trie.node[at].value];
    return best;
}

static Str strip_left(Str s)
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

static Str strip_right(Str s)
{
    while (s.n) {
        size_t i = last_character(s);
        uint32_t cp;
        if (!utf8_decode(s.s + i, s.n - i, &cp, NULL) || !is_white_space(cp)) break;
        s.n = i;
    }
    return s;
}

bool cutter_next(Cutter *c, Str *plain, const Added **token)
{
    if (c->done) return false;
    const Tokenizer *t = c->t;
    *token = NULL;
    size_t start = c->at, i = start;
    if (c->keep_text || !t->n_added) i = c->text.n;
    for (; i < c->text.n; i++)
        if (t->begins[(uint8_t)c->text.s[i]] && (*token = added_at(t, (Str){c->text.s + i, c->text.n - i})))
            break;
    *plain = (Str){c->text.s + start, i - start};
    c->done = !*token;
    if (!*token) return true;
    c->at = i + (*token)->text.n;
    if ((*token)->lstrip) *plain = strip_right(*plain);
    if ((*token)->rstrip) c->at = c->text.n - strip_left((Str){c->text.s + c->at, c->text.n - c->at}).n;
    return true;
}

// ----------------------------------------------------------------------------------------------- encodings

void encoding_add(EncodingBuilder *b, int32_t id, Str token)
{
    if (b->out.n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 64;
        int32_t *ids = arena_new_raw(b->arena, int32_t, cap);
        Str *text = arena_new_raw(b->arena, Str, cap);
        if (b->out.n) {
            memcpy(ids, b->out.ids, b->out.n * sizeof *ids);
            memcpy(text, b->out.token, b->out.n * sizeof *text);
        }
        b->out.ids = ids, b->out.token = text, b->cap = cap;
    }
    b->out.ids[b->out.n] = id;
    b->out.token[b->out.n++] = token;
}

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

bool tok_decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e)
{
    if (!t->kind->decode(a, t, ids, n, o, out, e)) return false;
    if (t->kind->never_cleans) return true;
    if (o.cleanup > 0 || (o.cleanup < 0 && t->cleanup)) *out = clean_up_spaces(a, *out);
    return true;
}

const char *tok_kind(const Tokenizer *t) { return t->kind->name; }
const char *tok_class(const Tokenizer *t) { return t->kind->class_name; }
size_t tok_size(const Tokenizer *t) { return t->size; }
int32_t tok_unk(const Tokenizer *t) { return t->unk; }
int32_t tok_pad(const Tokenizer *t) { return t->pad; }
int32_t tok_eos(const Tokenizer *t) { return t->eos; }
int32_t tok_bos(const Tokenizer *t) { return t->bos; }
int64_t tok_max_length(const Tokenizer *t) { return t->max_length; }

static Str string_of(const Tokenizer *t, const Vocab *v, int32_t id)
{
    const Added *added = added_by_id(t, id);
    if (added) return added->text;
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
