// SPDX-License-Identifier: Apache-2.0
// reports.c — the report formats by name. To add one: report_NAME.c and a line in reports.def.
#include "../attr.h"

#include <string.h>

#define REPORT(r) extern const Report report_##r;
#include "reports.def"
#undef REPORT

static const Report *const reports[] = {
#define REPORT(r) &report_##r,
#include "reports.def"
#undef REPORT
};

enum { N_REPORTS = sizeof reports / sizeof reports[0] };

const Report *const *attr_reports(size_t *n)
{
    *n = N_REPORTS;
    return reports;
}

const Report *attr_report(const char *name)
{
    for (size_t i = 0; i < N_REPORTS; i++)
        if (!strcmp(name, reports[i]->name)) return reports[i];
    return NULL;
}

const Report *attr_report_of_file(Arena *a, const char *path)
{
    Str name = str_of(path);
    if (str_ends(name, STR_LIT(".gz"))) name.n -= 3;
    char *lower = str_zero(a, name);
    for (char *c = lower; *c; c++) *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 32) : *c;
    if (str_ends(str_of(lower), STR_LIT(".htm"))) return attr_report("html");
    for (size_t i = 0; i < N_REPORTS; i++)
        if (reports[i]->extension && str_ends(str_of(lower), str_of(reports[i]->extension)))
            return reports[i];
    return NULL;
}
