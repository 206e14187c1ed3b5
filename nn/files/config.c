// SPDX-License-Identifier: Apache-2.0
// config.c — a model's JSON settings, read with suspicion: every number has a least and a most, every kind is checked,
// and what is wrong is said with file, key, value found and values allowed. null is the same as absent.
#include "checkpoint.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_CONFIG = 1 << 20 }; // parsed JSON takes up to 64 times its text

bool config_open(Arena *a, const char *folder, const char *file, Config *out, Err *e)
{
    *out = (Config){.path = arena_printf(a, "%s/%s", folder, file), .e = e};
    struct stat s;
    if (!file_exists(out->path) && lstat(out->path, &s) == 0)
        return err_set(
            e, "%s: cache entry incomplete: the blob it links to is missing; download the model again",
            out->path);
    Str text;
    if (!file_read(a, out->path, MAX_CONFIG, &text, e) || !file_genuine(out->path, text, e)) return false;
    out->json = json_parse(a, text, out->path, e);
    if (!out->json) return false;
    if (out->json->kind != J_OBJECT)
        return err_set(e, "%s: the file is %s; it must be a JSON object", out->path,
                       json_kind_name(out->json));
    return true;
}

static const Json *get(const Config *c, const char *key) // NULL for null too
{
    const Json *j = json_get(c->json, key);
    return j && j->kind != J_NULL ? j : NULL;
}

// A value as messages show it: 1.5, true, "6" (a string), a list of 3 values.
static const char *value(char out[2 * SHOWN], const Json *j)
{
    char text[SHOWN];
    if (j->kind == J_NUMBER) snprintf(out, 2 * SHOWN, "%s", shown(text, j->text));
    else if (j->kind == J_STRING) snprintf(out, 2 * SHOWN, "\"%s\" (a string)", shown(text, j->text));
    else if (j->kind == J_ARRAY)
        snprintf(out, 2 * SHOWN, "a list of %zu value%s", j->count, j->count == 1 ? "" : "s");
    else snprintf(out, 2 * SHOWN, "%s", json_kind_name(j));
    return out;
}

int64_t cfg_int(const Config *c, const char *key, int64_t absent, int64_t least, int64_t most)
{
    const Json *j = get(c, key);
    if (!j) return absent;
    if (j->kind == J_NUMBER && j->is_int && j->i >= least && j->i <= most) return j->i;
    char found[2 * SHOWN];
    err_set(c->e, "%s: %s is %s; it must be an integer from %" PRId64 " to %" PRId64, c->path, key,
            value(found, j), least, most);
    return absent;
}

int64_t cfg_need_int(const Config *c, const char *key, int64_t least, int64_t most)
{
    if (!get(c, key))
        err_set(c->e, "%s: %s is absent; it must be an integer from %" PRId64 " to %" PRId64, c->path, key,
                least, most);
    return cfg_int(c, key, least, least, most);
}

double cfg_real(const Config *c, const char *key, double absent, double least, double most)
{
    const Json *j = get(c, key);
    if (!j) return absent;
    if (j->kind == J_NUMBER && j->number >= least && j->number <= most) return j->number; // not for NaN
    char found[2 * SHOWN];
    err_set(c->e, "%s: %s is %s; it must be a number from %g to %g", c->path, key, value(found, j), least,
            most);
    return absent;
}

bool cfg_bool(const Config *c, const char *key, bool absent)
{
    const Json *j = get(c, key);
    if (!j) return absent;
    if (j->kind == J_TRUE || j->kind == J_FALSE) return j->kind == J_TRUE;
    char found[2 * SHOWN];
    err_set(c->e, "%s: %s is %s; it must be true or false", c->path, key, value(found, j));
    return absent;
}

Str cfg_str(const Config *c, const char *key, const char *absent)
{
    const Json *j = get(c, key);
    if (j && j->kind == J_STRING) return j->text;
    char found[2 * SHOWN];
    if (j) err_set(c->e, "%s: %s is %s; it must be a string", c->path, key, value(found, j));
    return absent ? str_of(absent) : (Str){NULL, 0};
}

const int32_t *cfg_ids(Arena *a, const Config *c, const char *key, int64_t below, size_t *n)
{
    *n = 0;
    const Json *j = get(c, key), *one = j && j->kind == J_ARRAY ? j->child : j;
    if (!one) return NULL;
    size_t count = one == j ? 1 : j->count;
    int32_t *ids = arena_new(a, int32_t, count);
    if (below > INT32_MAX) below = INT32_MAX;
    for (size_t i = 0; i < count; i++, one = one->next) {
        char found[2 * SHOWN];
        if (one->kind != J_NUMBER || !one->is_int || one->i < 0 || one->i >= below) {
            err_set(c->e, "%s: %s %s %s; it must be a token id from 0 to %" PRId64 "%s", c->path, key,
                    j == one ? "is" : "holds", value(found, one), below - 1,
                    j == one ? " or a list of them" : "");
            return NULL;
        }
        ids[i] = (int32_t)one->i;
    }
    *n = count;
    return ids;
}
