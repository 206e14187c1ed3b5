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
