// SPDX-License-Identifier: Apache-2.0
// context_rows.c — documents of attribute-context that are safe as soon as they are done: -o FILE.jsonl has a line for each row
// of data files, as streaming.c has for those of attribute; the same command goes on behind them, and --shard does a part.
#include "streaming.h"

#include "../texts/contexts.h"

// All that documents are made from, in their order, and what is said of their rows.
static Str hash(Arena *a, const ContextTexts *t, const char *const *wrong, const Json *const *about, size_t n)
{
    Sha256 x;
    char *hex = arena_new(a, char, 65);
    sha256_begin(&x);
    for (size_t i = 0; i < n; i++) {
        Str why = str_of(wrong[i] ? wrong[i] : ""), row = attr_row(a, about[i]);
        const Str *all[] = {
            &t[i].input_current, &t[i].input_context, &t[i].output_current, &t[i].output_context, &why, &row};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) stream_hash(&x, all[k]->s ? all[k] : NULL);
    }
    sha256_end_hex(&x, hex);
    return str_of(hex);
}

// What was done before, as if it had been done now.
static bool take(const Args *a, ContextRows *r, Buf *lines, Err *e)
{
    JournalRows *rows = journal_rows(a->a, journal_path(r->journal), NULL, e);
    const Json *row;
    bool more = rows != NULL;
    while (more) {
        Arena *work = arena_create(a->a);
        more = journal_next(rows, work, &row, e);
        if (more && !journal_row_failed(row)) buf_str(lines, journal_line(rows)), r->made++;
        arena_free(work);
    }
    return !e->set;
}

bool context_rows_begin(Args *a, const Work *w, const ContextTexts *t, const char *const *wrong,
                        const Json *const *about, size_t n, ContextRows *r, Buf *lines, Err *e)
{
    const char *path = args_text(a, "save_path");
    char model[65], tokenizer[65];
    const size_t *number;
    JournalHead h = {.contexts = true, .rows = n};
    *r = (ContextRows){.to = n};
    bool kept = wrong && path && stream_is_lines(path) && file_is_plain(path) &&
                !args_on(a, "no_add_output_info") && !a->silent;
    if (!kept && !a->silent && (args_text(a, "shard") || args_on(a, "overwrite")))
        return err_usage(e,
                         "--%s: documents are kept one by one where they are rows of data files, in "
                         "-o FILE.jsonl with all parameters",
                         args_text(a, "shard") ? "shard" : "overwrite");
    if (!kept) return true;
    Str *text = arena_new(a->a, Str, n);
    for (size_t i = 0; i < n; i++) text[i] = t[i].input_current.s ? t[i].input_current : STR_LIT("");
    Texts all = {.source = text, .n = n};
    if (!args_shard(a, &h.shard, &h.shards, e) || !texts_hashes(w->l, model, tokenizer, e)) return false;
    stream_shard(&all, h.shard, h.shards, &r->from, &r->to);
    h.from = r->from, h.to = r->to, h.model = str_of(model), h.tokenizer = str_of(tokenizer);
    h.texts = hash(a->a, t, wrong, about, n);
    h.options = attr_row(a->a, json_parse(a->a, stream_options(a), "", NULL));
    r->journal = journal_open(a->a, path, &h, args_on(a, "overwrite"), e);
    if (!r->journal) return false;
    r->at = r->from + journal_done(r->journal), r->failed = journal_failed(r->journal, &number);
    stream_tell_done(a, r->journal, r->to - r->from), a->saved = true;
    return r->at == r->from || take(a, r, lines, e);
}

bool context_rows_add(ContextRows *r, Arena *a, size_t number, const ContextResult *one, const char *error,
                      Err *e)
{
    Buf b = {.arena = a}, line = {.arena = a};
    r->at++, r->made += one != NULL, r->failed += one == NULL;
    if (!r->journal) return true;
    buf_printf(&b, "\"number\": %zu, ", number);
    if (one) {
        context_to_json(one, true, &line); // less its braces
        buf_str(&b, (Str){line.s + 1, line.n - 2});
    } else buf_str(&b, STR_LIT("\"error\": ")), buf_json(&b, str_of(error));
    return journal_add(r->journal, buf_view(&b), e);
}

bool context_rows_end(ContextRows *r, Err *e) { return !r->journal || journal_end(r->journal, e); }

int context_rows_interrupted(const Args *a, const ContextRows *r)
{
    if (!r->journal || !stop_asked()) return cmd_interrupted(r->made > 0);
    stream_say_kept(a, r->journal, r->at - r->from, r->to - r->from);
    return 128 + stop_asked();
}
