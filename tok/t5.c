// SPDX-License-Identifier: Apache-2.0
// t5.c — T5Tokenizer of transformers 5.23, which mT5 has too; and what UMT5's folders hold, which is the same.
//
// Text to tokens: parts.c. Vocabulary: the pieces, then <extra_id_99> ... <extra_id_0>. From spiece.model, else from
// tokenizer.json.
#include "parts.h"

#include <string.h>

enum { MOST_EXTRA = 4096 };

static bool matches(const char *folder, Str class, const char *model_type)
{
    if (class.n) return str_is(class, "T5Tokenizer") || str_is(class, "MT5Tokenizer"); // one and the same
    return strcmp(model_type, "t5") == 0 || strcmp(model_type, "mt5") == 0 ||
           strcmp(model_type, "umt5") == 0 || folder_has(folder, "spiece.model");
}

static bool read_spiece(Arena *a, Parts *m, const char *path, size_t extra, Entries *out, Err *e)
{
    Str bytes;
    Sentencepiece *sp = arena_new(a, Sentencepiece, 1);
    if (!file_map(a, path, &bytes, e) || !spm_parse(a, bytes, path, sp, e)) return false;
    if (sp->type != UNIGRAM) return err_set(e, "%s: not a unigram model, as T5's are", path);
    m->rules.map = sp->normalizer.map;
    m->unk = sp->unk;
    *out = entries_make(a, sp->n + extra);
    for (size_t i = 0; i < sp->n; i++)
        out->text[i] = sp->piece[i].text, out->score[i] = (double)sp->piece[i].score;
    for (size_t k = 0; k < extra; k++) // the last ones first: <extra_id_0> has the largest id
        out->text[sp->n + extra - 1 - k] = str_of(arena_printf(a, "<extra_id_%zu>", k));
    return true;
}

static void *open(Arena *a, Tokenizer *t, const char *folder, const Json *config, Err *e)
{
    Parts *m = arena_new(a, Parts, 1);
    const Json *count = config ? json_get(config, "extra_ids") : NULL;
    if (count && (!count->is_int || count->i < 0 || count->i > MOST_EXTRA))
        return err_set(e, "%s/tokenizer_config.json: extra_ids must be a number from 0 to %d", folder,
                       MOST_EXTRA),
               NULL;
    size_t extra = count ? (size_t)count->i : 100;
    Entries entries = {0};
    static const char *const needed[] = {"spiece.model", NULL};
    if (!folder_has(folder, "tokenizer.json") && !folder_has_all(a, folder, needed, e)) return NULL;
    bool json = folder_has(folder, "tokenizer.json"); // it wins
    const char *path = in_folder(a, folder, json ? "tokenizer.json" : "spiece.model");
    if (json ? !parts_read_json(a, m, path, &entries, e) : !read_spiece(a, m, path, extra, &entries, e))
        return NULL;
    parts_index(a, m, &entries);
    t->ids = t->strings = &m->vocab;
    if (!added_from_config(a, t, config, true, folder, e)) return NULL;
    if (!t->added_stated && !added_from_json(a, t, m->added, path, e)) return NULL;
    added_number(a, t, (int32_t)m->n);
    added_sizes(t);
    t->unk = added_special(a, t, special_text(config, "unk_token", "<unk>"));
    t->eos = added_special(a, t, special_text(config, "eos_token", "</s>"));
    t->pad = added_special(a, t, special_text(config, "pad_token", "<pad>"));
    for (size_t k = 0; k < extra; k++) {
        Str text = str_of(arena_printf(a, "<extra_id_%zu>", k));
        added_special(a, t, text);
    }
    if (!added_lists(a, t, config, folder, e)) return NULL;
    parts_done(a, t, m);
    if (t->eos >= 0) t->after[t->n_after++] = t->eos;
    if (strcmp(t->model_type, "umt5") == 0) t->class_name = "TokenizersBackend";
    return m;
}

const TokKind tokkind_t5 = {
    .name = "t5",
    .class_name = "T5Tokenizer",
    .summary = "spiece.model or tokenizer.json (T5, mT5, UMT5)",
    .matches = matches,
    .open = open,
    .encode = parts_encode,
    .decode = parts_decode,
};
