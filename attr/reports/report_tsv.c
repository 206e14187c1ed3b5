// SPDX-License-Identifier: Apache-2.0
// report_tsv.c — the rows of report_csv.c with TABs between fields. A field that holds a TAB, a quote or the end of a line is
// quoted as in CSV: pandas' read_csv(sep="\t") and spreadsheets read it back.
#include "report.h"

static bool write_tsv(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    (void)o;
    return report_long_form(a, t, '\t', out, e);
}

const Report report_tsv = {
    .name = "tsv",
    .extension = ".tsv",
    .summary = "the rows of csv with TABs between fields",
    .layout = "The columns of csv.\n",
    .aggregated = true,
    .write = write_tsv,
};
