// SPDX-License-Identifier: Apache-2.0
// added.c — added tokens: cut out of a text before anything else is done to it (or to what is left of it).
//
// As the tokenizers library finds them: the longest at the leftmost place. A token with single_word is skipped where a
// letter, a digit or the like stands beside it; lstrip and rstrip eat white space beside it.
#include "kind.h"
#include "unicode.h"

#include <string.h>

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

void added_set(Arena *a, AddedSet *set, TrieKey *key, size_t n)
{
    for (size_t i = 0; i < n; i++) set->begins[(uint8_t)key[i].text.s[0]] = true;
    trie_build(a, key, n, &set->trie, NULL);
}

void added_done(Arena *a, Tokenizer *t)
{
    TrieKey *key = arena_new(a, TrieKey, t->n_added);
    for (size_t i = 0; i < t->n_added; i++) {
        key[i] = (TrieKey){t->added[i].text, (int32_t)i, 0};
        if (t->added[i].single_word && !t->unicode) t->unicode = unicode_open(a);
    }
    added_set(a, &t->all, key, t->n_added);
    t->by_id = arena_new_raw(a, uint32_t, t->n_added);
    for (size_t i = 0; i < t->n_added; i++) { // insertion sort: they mostly come in order
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
    int32_t at = trie_find(&t->all.trie, text);
    return at ? &t->added[t->all.trie.node[at].value] : NULL;
}

static Added added_of(const Json *j, Str text, int32_t id, bool flagged)
{
    return (Added){.text = text,
                   .id = id,
                   .special = flagged && json_flag(j, "special", false),
                   .lstrip = json_flag(j, "lstrip", false),
                   .rstrip = json_flag(j, "rstrip", false),
                   .single_word = json_flag(j, "single_word", false),
                   .normalized = json_flag(j, "normalized", !json_flag(j, "special", false))};
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

void added_number(Arena *a, Tokenizer *t, int32_t next)
{
    Added *v = t->added, *sorted = arena_new_raw(a, Added, t->n_added);
    for (size_t i = 0; i < t->n_added; i++) { // insertion sort: they mostly come in order
        size_t k = i;
        for (; k && sorted[k - 1].id > v[i].id; k--) sorted[k] = sorted[k - 1];
        sorted[k] = v[i];
    }
    for (size_t i = 0; i < t->n_added; i++) {
        int32_t id = vocab_id(t->ids, sorted[i].text);
        sorted[i].id = id >= 0 ? id : next++;
    }
    if (t->n_added) memcpy(v, sorted, t->n_added * sizeof *v);
}

void added_sizes(Tokenizer *t)
{
    t->size = t->ids->count;
    for (size_t i = 0; i < t->n_added; i++) t->size += vocab_id(t->ids, t->added[i].text) < 0;
}

static int32_t put_special(Arena *a, Tokenizer *t, Added new)
{
    if (!new.text.n) return -1;
    for (size_t i = 0; i < t->n_added; i++)
        if (str_eq(t->added[i].text, new.text)) {
            t->added[i].special = true;
            return t->added[i].id;
        }
    new.id = vocab_id(t->ids, new.text);
    if (new.id < 0) new.id = (int32_t)t->size++;
    new.special = true;
    added_put(a, t, new);
    return new.id;
}

int32_t added_special(Arena *a, Tokenizer *t, Str text) { return put_special(a, t, (Added){.text = text}); }

int32_t added_named(Arena *a, Tokenizer *t, const Json *config, const char *key, const char *otherwise)
{
    const Json *j = config ? json_get(config, key) : NULL;
    Added new = {0};
    if (j && j->kind == J_OBJECT) new = added_of(j, (Str){"", 0}, 0, true);
    new.text = special_text(config, key, otherwise);
    return put_special(a, t, new);
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
            if (token_text(j).s) added_special(a, t, token_text(j));
        }
    }
    return true;
}

// The longest added token at s, and how many bytes of s it is (as normalised, it may have others than its text); or NULL.
static const Added *added_at(const Tokenizer *t, const AddedSet *set, Str s, size_t *n)
{
    int32_t best = -1;
    uint32_t at = 0;
    for (size_t i = 0; i < s.n && (at = trie_step(set->trie.node, at, (uint8_t)s.s[i])); i++)
        if (set->trie.node[at].value >= 0) best = set->trie.node[at].value, *n = i + 1;
    return best < 0 ? NULL : &t->added[best];
}

static bool word_beside(const Tokenizer *t, Str text, size_t from, size_t to)
{
    size_t n, left = from;
    while (left && ((uint8_t)text.s[--left] & 0xC0) == 0x80)
        ;
    return (from && unicode_of(t->unicode, utf8_at(text.s + left, &n)) & U_WORD) ||
           (to < text.n && unicode_of(t->unicode, utf8_at(text.s + to, &n)) & U_WORD);
}

// The next one in the text from *i on, to where *i is moved, and its bytes; NULL: none.
static const Added *find_next(const Cutter *c, const AddedSet *set, size_t *i, size_t *n)
{
    for (; *i < c->text.n; ++*i) {
        if (!set->begins[(uint8_t)c->text.s[*i]]) continue;
        const Added *found = added_at(c->t, set, (Str){c->text.s + *i, c->text.n - *i}, n);
        if (!found) continue;
        size_t to = *i + *n;
        if ((found->special && c->keep_special) || (found->single_word && word_beside(c->t, c->text, *i, to)))
            *i = to - 1; // the search goes on behind it
        else return found;
    }
    return NULL;
}

bool cutter_next(Cutter *c, Str *plain, const Added **token)
{
    if (c->done) return false;
    const AddedSet *set = c->set ? c->set : &c->t->all;
    size_t start = c->at, i = c->search, n = 0;
    *token = c->keep_text || !set->trie.n ? NULL : find_next(c, set, &i, &n);
    c->done = !*token;
    if (c->done) i = c->text.n;
    *plain = (Str){c->text.s + start,
                   i > start ? i - start : 0}; // not if the token before has eaten this one's white space
    if (c->done) return true;
    if ((*token)->lstrip) *plain = strip_right(*plain);
    c->from = start + plain->n;
    c->search = c->at = i + n;
    if ((*token)->rstrip) c->at = c->text.n - strip_left((Str){c->text.s + c->at, c->text.n - c->at}).n;
    c->to = c->at;
    return true;
}
