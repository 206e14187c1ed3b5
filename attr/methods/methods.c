// SPDX-License-Identifier: Apache-2.0
// methods.c — the table of attribution methods.
#include "../run.h"

#include <string.h>

#define METHOD(m) extern const Method method_##m;
#include "methods.def"
#undef METHOD
static const Method *const methods[] = {
#define METHOD(m) &method_##m,
#include "methods.def"
#undef METHOD
};
enum { N_METHODS = sizeof methods / sizeof *methods };

// The method whose summary begins with this name and a colon: "leave-one-out: ...", however it is spelt.
static const char *also_known(const char *name)
{
    for (size_t i = 0; i < N_METHODS; i++) {
        const char *s = methods[i]->summary;
        size_t n = 0;
        while (name[n] && (name[n] == s[n] || (name[n] == '_' && s[n] == '-'))) n++;
        if (n && !name[n] && s[n] == ':') return methods[i]->name;
    }
    return NULL;
}

const Method *method_find(const char *name, Err *e)
{
    const char *names[N_METHODS];
    for (size_t i = 0; i < N_METHODS; i++) {
        if (!strcmp(methods[i]->name, name)) return methods[i];
        names[i] = methods[i]->name;
    }
    const char *near = str_nearest(str_of(name), names, N_METHODS);
    if (!near) near = also_known(name);
    if (near) err_set(e, "unknown method '%s'; did you mean %s?", name, near);
    else err_set(e, "unknown method '%s'; 'inseq list methods' shows them all", name);
    return NULL;
}

size_t attr_method_list(const Entry **out)
{
    static Entry list[N_METHODS];
    for (size_t i = 0; i < N_METHODS; i++) {
        const Method *m = methods[i];
        list[i] = (Entry){m->name, m->summary, m->paper, m->formula, m->when, m->cost, m->arguments, NULL};
    }
    *out = list;
    return N_METHODS;
}

bool attr_method_takes(const char *method, Str argument)
{
    const Method *m = method_find(method, NULL);
    for (const Argument *a = m ? m->arguments : NULL; a && a->name; a++)
        if (str_is(argument, a->name)) return true;
    return false;
}

const char *attr_method_nearest(const char *method, Str argument)
{
    enum { MOST = 16 };
    const Method *m = method_find(method, NULL);
    const char *names[MOST];
    size_t n = 0;
    for (const Argument *a = m ? m->arguments : NULL; a && a->name && n < MOST; a++) names[n++] = a->name;
    return n ? str_nearest(argument, names, n) : NULL;
}
