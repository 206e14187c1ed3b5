// SPDX-License-Identifier: Apache-2.0
// args.c — the arguments of a method as it reads them: by the library's names, with defaults and ranges.
#include "run.h"

#include <stdio.h>
#include <string.h>

const Json *attr_argument(const AttrOptions *o, const char *name)
{
    const Json *j = json_get(json_get(o->method_args, "attribution_args"), name);
    if (!j) j = json_get(o->method_args, name);
    return j && j->kind != J_NULL ? j : NULL;
}

bool arg_bool(const Run *r, const char *name, bool absent, Err *e)
{
    const Json *j = attr_argument(r->o, name);
    if (!j) return absent;
    if (j->kind != J_TRUE && j->kind != J_FALSE)
        err_set(e, "%s: argument %s is %s; it must be true or false", r->o->method, name, json_kind_name(j));
    return j->kind == J_TRUE;
}

int64_t arg_int(const Run *r, const char *name, int64_t absent, int64_t least, int64_t most, Err *e)
{
    const Json *j = attr_argument(r->o, name);
    if (!j) return absent;
    if (j->kind == J_NUMBER && j->is_int && j->i >= least && j->i <= most) return j->i;
    Str found = j->kind == J_NUMBER ? j->text : str_of(json_kind_name(j));
    err_set(e, "%s: argument %s is %.*s; it must be a whole number from %" PRId64 " to %" PRId64,
            r->o->method, name, (int)found.n, found.s, least, most);
    return absent;
}

double arg_real(const Run *r, const char *name, double absent, double least, double most, Err *e)
{
    const Json *j = attr_argument(r->o, name);
    if (!j) return absent;
    if (j->kind == J_NUMBER && j->number >= least && j->number <= most) return j->number;
    Str found = j->kind == J_NUMBER ? j->text : str_of(json_kind_name(j));
    err_set(e, "%s: argument %s is %.*s; it must be a number from %g to %g", r->o->method, name, (int)found.n,
            found.s, least, most);
    return absent;
}

size_t arg_choice(const Run *r, const char *name, size_t absent, const char *const *allowed, size_t n, Err *e)
{
    const Json *j = attr_argument(r->o, name);
    if (!j) return absent;
    for (size_t i = 0; i < n && j->kind == J_STRING; i++)
        if (str_is(j->text, allowed[i])) return i;
    char list[300] = "";
    for (size_t i = 0; i < n; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s",
                 i == 0       ? ""
                 : i + 1 == n ? " or "
                              : ", ",
                 allowed[i]);
    Str found = j->kind == J_STRING ? j->text : str_of(json_kind_name(j));
    err_set(e, "%s: argument %s is %.*s; it must be %s", r->o->method, name, (int)found.n, found.s, list);
    return absent;
}
