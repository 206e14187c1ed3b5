// SPDX-License-Identifier: Apache-2.0
// report_jsonl.c — a line for each sequence, as `layout` says. For pandas' read_json(lines=True), jq and pipes.
#include "report.h"

static bool write_jsonl(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    (void)o, (void)e;
    Str made = report_provenance(t);
    if (made.n) buf_printf(out, "{\"" ATTR_PROVENANCE "\": %.*s}\n", (int)made.n, made.s);
    for (size_t i = 0; i < t->n + (t->n ? 0 : t->n_pictures); i++) report_json_line(a, t, i, out);
    return true;
}

const Report report_jsonl = {
    .name = "jsonl",
    .extension = ".jsonl",
    .summary = "a JSON object a line, one for each sequence",
    .layout = "A line for each sequence: the objects of \"sequences\" in json, with the keys\n"
              "\"sequence\" (its number, from 0) and \"attribution_method\" before them. What has\n"
              "nothing but pictures (a lens) is a line for each of them. With --provenance the\n"
              "first line is an object with the one key \"inseq_provenance\".\n",
    .aggregated = true,
    .write = write_jsonl,
};
