// SPDX-License-Identifier: Apache-2.0
// rows_json.c — a JSON array of objects, the file itself or a member of the object that it is. Files of lines of JSON are
// often called .json as well: where the first line is an object by itself, the lines are.
#include "rows.h"

#include <string.h>

static size_t line_of(Str all, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at && i < all.n; i++) line += all.s[i] == '\n';
    return line;
}

static bool lines_of_json(Arena *a, Str all)
{
    Str rest = all, first = {0};
    while (rest.n && str_blank(first)) first = str_line(&rest);
    const Json *j = first.n && first.n < all.n ? json_parse(a, first, "line", NULL) : NULL;
    return j && j->kind == J_OBJECT && !str_blank(rest);
}

static bool read(RowsFile *f, Str all, Err *e)
{
    if (!f->o.inside.n && lines_of_json(f->a, all)) return rows_jsonl.read(f, all, e);
    const Json *j = json_parse(f->a, all, f->path, e);
    if (!j) return false;
    const char *member = f->o.inside.n ? str_zero(f->a, f->o.inside) : NULL;
    if (member && j->kind == J_OBJECT && !json_get(j, member))
        return err_set(e, "%s: it has no member \"%s\"", f->path, member);
    if (member && j->kind == J_OBJECT) j = json_get(j, member);
    else if (j->kind == J_OBJECT) {
        for (const Json *c = j->child; c; c = c->next)
            if (c->kind == J_ARRAY)
                return err_set(
                    e,
                    "%s: found an object, expected an array of objects; if its rows are in \"%.*s\": "
                    "--dataset_kwargs '{\"field\": \"%.*s\"}'",
                    f->path, (int)c->key.n, c->key.s, (int)c->key.n, c->key.s);
        rows_add(f, 1, j, NULL); // a single row
        return true;
    }
    if (j->kind != J_ARRAY)
        return err_at(e, f->path, j->at, "found %s, expected an array of objects", json_kind_name(j));
    size_t line = 1, at = 0;
    for (const Json *c = j->child; c; at = c->at, c = c->next) {
        if (c->at > at) line += line_of((Str){all.s + at, all.n - at}, c->at - at) - 1;
        if (c->kind == J_OBJECT) rows_add(f, line, c, NULL);
        else
            rows_add(f, line, NULL,
                     arena_printf(f->a, "%s: line %zu: found %s, expected an object {\"column\": ...}",
                                  f->path, line, json_kind_name(c)));
    }
    return true;
}

const RowsKind rows_json = {
    .name = "json",
    .extensions = {".json"},
    .read = read,
};
