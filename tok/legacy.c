// SPDX-License-Identifier: Apache-2.0
// legacy.c — the tokens that people added, in folders saved before transformers 4.34.
//
// Since then tokenizer_config.json has them all (added_tokens_decoder). Before, special_tokens_map.json had the named
// special tokens and added_tokens.json the ids of what the vocabulary lacks. transformers 5.23 (_from_pretrained) still
// reads both where there is no added_tokens_decoder, and so do we: what they say becomes part of the configuration that
// the kinds read, so that none of them has to know.
#include "kind.h"

#include <stdlib.h>
#include <string.h>

static void put(Json *to, Json *j, const char *key) // before all others; the last of equal keys counts
{
    j->key = str_of(key);
    j->next = to->child;
    to->child = j, to->count++;
}

static Json *copy(Arena *a, const Json *j)
{
    Json *out = arena_new(a, Json, 1);
    *out = *j;
    return out;
}

// An object with the members of `first` and then those of `second`, which count where both have a key.
static Json *joined(Arena *a, const Json *first, const Json *second, bool lists)
{
    Json *out = arena_new(a, Json, 1), *last = NULL;
    *out = (Json){.kind = J_OBJECT};
    const Json *part[] = {first, second};
    for (int k = 0; k < 2; k++)
        for (const Json *j = part[k] ? part[k]->child : NULL; j; j = j->next) {
            if (k && !lists && str_is(j->key, "additional_special_tokens")) continue;
            Json *own = copy(a, j);
            own->next = NULL;
            if (last) last->next = own;
            else out->child = own;
            last = own, out->count++;
        }
    return out;
}

static bool listed(const Json *list, Str text)
{
    for (const Json *j = list ? list->child : NULL; j; j = j->next)
        if (token_text(j).s && str_eq(token_text(j), text)) return true;
    return false;
}

// A token that one of the keys names, or that stands in a list of special ones.
static bool is_special(const Json *config, const Json *own_list, Str text)
{
    for (size_t i = 0; i < NAMED_TOKENS; i++)
        if (str_eq(special_text(config, named_tokens[i], NULL), text)) return true;
    return listed(own_list, text) || listed(json_get(config, "extra_special_tokens"), text);
}

static int by_id(const void *x, const void *y)
{
    const Json *a = *(const Json *const *)x, *b = *(const Json *const *)y;
    return (a->i > b->i) - (a->i < b->i);
}

// {"<b>": 46} as {"46": {"content": "<b>", "special": true}}, by rising id.
static bool decoder_of(Arena *a, const Json *added, const Json *config, const Json *own_list,
                       const char *folder, Json *out, Err *e)
{
    const Json **v = arena_new(a, const Json *, added->count);
    size_t n = 0;
    if (added->count > MOST_ADDED)
        return err_set(e, "%s/added_tokens.json: %zu added tokens, at most %d are supported", folder,
                       added->count, MOST_ADDED);
    for (const Json *j = added->child; j; j = j->next) {
        if (!j->is_int || j->i < 0 || j->i >= INT32_MAX)
            return err_set(e, "%s/added_tokens.json: '%.*s' must have an id from 0 up", folder,
                           (int)(j->key.n < 40 ? j->key.n : 40), j->key.s);
        v[n++] = j;
    }
    if (n) qsort(v, n, sizeof *v, by_id);
    *out = (Json){.kind = J_OBJECT};
    while (n--) {
        Json *token = arena_new(a, Json, 1), *content = arena_new(a, Json, 1),
             *special = arena_new(a, Json, 1);
        *token = (Json){.kind = J_OBJECT};
        *content = (Json){.kind = J_STRING, .text = v[n]->key};
        *special = (Json){.kind = is_special(config, own_list, v[n]->key) ? J_TRUE : J_FALSE};
        put(token, content, "content"), put(token, special, "special");
        put(out, token, arena_printf(a, "%" PRId64, v[n]->i));
    }
    return true;
}

bool legacy_config(Arena *a, const char *folder, bool lists, const Json **config, Err *e)
{
    const Json *map, *added;
    if (*config && json_get(*config, "added_tokens_decoder")) return true;
    if (!folder_object(a, folder, "special_tokens_map.json", &map, e) ||
        !folder_object(a, folder, "added_tokens.json", &added, e))
        return false;
    if (!map && !added) return true;
    const Json *own = *config ? json_get(*config, "additional_special_tokens") : NULL;
    Json *out = joined(a, *config, map, lists), *decoder = arena_new(a, Json, 1);
    if (added) {
        if (!decoder_of(a, added, out, own, folder, decoder, e)) return false;
        put(out, decoder, "added_tokens_decoder");
    }
    *config = out;
    return true;
}
