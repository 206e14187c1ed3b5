// SPDX-License-Identifier: Apache-2.0
// provenance.c — what --provenance writes into results: the program, its command line, the kernels, and the files that the
// models were opened from, by their SHA-256. As a member of a result's info it goes wherever the result goes; verify runs it
// again by it. Without the option results say nothing of the machine or the day, so that equal runs give equal bytes.
#include "commands.h"

#include <string.h>

bool cmd_note_model(Args *a, const Loaded *l, Err *e)
{
    const TextFile *file;
    size_t n;
    if (!args_on(a, "provenance")) return true;
    Loaded *all = arena_new(a->a, Loaded, a->n_loaded + 1);
    for (size_t i = 0; i < a->n_loaded; i++) all[i] = a->loaded[i];
    all[a->n_loaded++] = *l, a->loaded = all;
    return texts_files(l, &file, &n, e); // now, while they surely are what was opened
}

static void put_text(Buf *b, const char *key, const char *value)
{
    buf_printf(b, "\"%s\": ", key), buf_json(b, str_of(value));
}

static bool put_model(Buf *b, const Loaded *l, Err *e)
{
    const TextFile *file;
    size_t n;
    if (!texts_files(l, &file, &n, e)) return false;
    buf_char(b, '{'), put_text(b, "name", l->name), buf_str(b, STR_LIT(", \"files\": ["));
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? STR_LIT(", {") : STR_LIT("{"));
        put_text(b, "name", file[i].name);
        buf_printf(b, ", \"bytes\": %" PRIu64 ", \"sha256\": \"%s\"}", file[i].bytes, file[i].sha256);
    }
    buf_str(b, STR_LIT("]}"));
    return true;
}

// One JSON object on one line.
bool cmd_provenance(Args *a, Str *out, Err *e)
{
    Buf b = {.arena = a->a};
    buf_char(&b, '{'), put_text(&b, "program", "inseq " VERSION);
    buf_str(&b, STR_LIT(", ")), put_text(&b, "commit", cmd_commit());
    buf_str(&b, STR_LIT(", ")), put_text(&b, "kernels", cpu_isa());
    buf_str(&b, STR_LIT(", \"command\": ["));
    for (int i = 1; i < a->argc; i++)
        buf_str(&b, i > 1 ? STR_LIT(", ") : (Str){0}), buf_json(&b, str_of(a->argv[i]));
    buf_str(&b, STR_LIT("], \"models\": ["));
    for (size_t i = 0; i < a->n_loaded; i++) {
        if (i) buf_str(&b, STR_LIT(", "));
        if (!put_model(&b, &a->loaded[i], e)) return false;
    }
    buf_str(&b, STR_LIT("]}"));
    *out = buf_view(&b);
    return true;
}

bool cmd_add_provenance(Args *a, Attribution *t, Err *e)
{
    Str json;
    if (!args_on(a, "provenance")) return true;
    if (!cmd_provenance(a, &json, e)) return false;
    attr_note_provenance(a->a, t, json);
    return true;
}
