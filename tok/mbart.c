// SPDX-License-Identifier: Apache-2.0
// mbart.c — MBart50Tokenizer, MBartTokenizer and PegasusTokenizer of transformers 5.23: unigram pieces in T5's way (parts.c),
// with ids of their own making.
//
//   mBART    <s> <pad> </s> <unk>, the pieces from SentencePiece's id 3 on, a token for each language, <mask>
//   Pegasus  <pad> </s> <mask_1> <mask_2> <unk_2> ... <unk_102>, the pieces from SentencePiece's id 2 on
//
// MBartTokenizer has no rules for characters, whatever its file says, and puts the language's token behind the text;
// MBart50Tokenizer before it. The file is called sentencepiece.bpe.model and holds a unigram model.
#include "parts.h"

#include <string.h>

static const char *const mbart_languages[] = {
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN", "it_IT",
    "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU", "si_LK",
    "tr_TR", "vi_VN", "zh_CN", "af_ZA", "az_AZ", "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE",
    "km_KH", "mk_MK", "ml_IN", "mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN",
    "te_IN", "th_TH", "tl_XX", "uk_UA", "ur_PK", "xh_ZA", "gl_ES", "sl_SI", NULL}; // mBART has the first 25
enum { FIRST_LANGUAGES = 25, OFFSET = 103, MOST_OFFSET = 4096 };

typedef enum { MBART50, MBART, PEGASUS } Which;
static const char *const class_names[] = {"MBart50Tokenizer", "MBartTokenizer", "PegasusTokenizer"};

static int which(Str class, const char *model_type) // -1: none of them
{
    for (int i = 0; i < 3; i++)
        if (str_is(class, class_names[i])) return i;
    if (class.n) return -1;
    return strcmp(model_type, "mbart") == 0 ? MBART : strcmp(model_type, "pegasus") == 0 ? PEGASUS : -1;
}

static bool matches(const char *folder, Str class, const char *model_type)
{
    (void)folder;
    return which(class, model_type) >= 0;
}

// ------------------------------------------------------------------------------------------------- the entries

static void put(Entries *x, Str text, double score)
{
    x->text[x->n] = text;
    x->score[x->n++] = score;
}

static void put_pieces(Entries *x, const Sentencepiece *sp, size_t from)
{
    for (size_t i = from; i < sp->n; i++) put(x, sp->piece[i].text, (double)sp->piece[i].score);
}

static void mbart_entries(Arena *a, const Sentencepiece *sp, size_t languages, Entries *x)
{
    *x = entries_make(a, 4 + sp->n + languages + 1);
    x->n = 0;
    put(x, STR_LIT("<s>"), 0), put(x, STR_LIT("<pad>"), 0), put(x, STR_LIT("</s>"), 0);
    put(x, STR_LIT("<unk>"), 0);
    put_pieces(x, sp, 3);
    for (size_t i = 0; i < languages; i++) put(x, str_of(mbart_languages[i]), 0);
    put(x, STR_LIT("<mask>"), 0);
}

static void pegasus_entries(Arena *a, const Sentencepiece *sp, size_t offset, Entries *x)
{
    *x = entries_make(a, 4 + offset + sp->n);
    x->n = 0;
    put(x, STR_LIT("<pad>"), 0), put(x, STR_LIT("</s>"), 0), put(x, STR_LIT("<mask_1>"), 0);
    put(x, STR_LIT("<mask_2>"), 0);
    for (size_t i = 2; i < offset; i++) put(x, str_of(arena_printf(a, "<unk_%zu>", i)), -100);
    put_pieces(x, sp, 2);
}

static bool read_model(Arena *a, Parts *m, const char *path, Which which, size_t offset, Entries *x, Err *e)
{
    Str bytes;
    Sentencepiece *sp = arena_new(a, Sentencepiece, 1);
    if (!file_map(a, path, &bytes, e) || !spm_parse(a, bytes, path, sp, e)) return false;
    if (sp->type != UNIGRAM)
        return err_set(e, "%s: not a unigram model, as those of %s are", path, class_names[which]);
    if (sp->n < 4) return err_set(e, "%s: %zu pieces; there must be 4 or more", path, sp->n);
    m->rules.map = sp->normalizer.map;
    if (which == PEGASUS) pegasus_entries(a, sp, offset, x);
    else
        mbart_entries(
            a, sp, which == MBART50 ? sizeof mbart_languages / sizeof *mbart_languages - 1 : FIRST_LANGUAGES,
            x);
    return true;
}

// ------------------------------------------------------------------------------------------------------ the folder

static bool read_folder(Arena *a, Parts *m, const char *folder, Which which, size_t offset, Err *e)
{
    const char *model = which == PEGASUS ? "spiece.model" : "sentencepiece.bpe.model";
    const char *const needed[] = {model, NULL};
    Entries x = {0};
    bool json = !folder_has(folder, model) && folder_has(folder, "tokenizer.json");
    if (!json && !folder_has_all(a, folder, needed, e)) return false;
    const char *path = in_folder(a, folder, json ? "tokenizer.json" : model);
    if (json ? !parts_read_json(a, m, path, &x, e) : !read_model(a, m, path, which, offset, &x, e))
        return false;
    m->whole = which != MBART;
    m->lines = which == PEGASUS && !m->rules.map.units;
    if (which == MBART) m->rules = (Rules){0};
    parts_index(a, m, &x);
    m->unk = vocab_id(&m->vocab, STR_LIT("<unk>"));
    return m->unk >= 0 || err_set(e, "%s: \"<unk>\" is none of its pieces", path);
}

static void mbart_tokens(Arena *a, Tokenizer *t, const Json *config, Which which)
{
    Added mask = {.text = special_text(config, "mask_token", "<mask>"), .special = true, .lstrip = true};
    t->bos = added_special(a, t, special_text(config, "bos_token", "<s>"));
    added_special(a, t, special_text(config, "cls_token", "<s>"));
    added_special(a, t, special_text(config, "sep_token", "</s>"));
    mask.id = vocab_id(t->ids, mask.text);
    if (mask.id >= 0) added_put(a, t, mask);
    for (size_t i = 0; mbart_languages[i] && (which == MBART50 || i < FIRST_LANGUAGES); i++)
        added_special(a, t, str_of(mbart_languages[i]));
    t->tags = which == MBART ? TAGS_LAST : TAGS_FIRST;
    t->usual_source = "en_XX";
}

static void pegasus_tokens(Arena *a, Tokenizer *t, const Json *config, size_t offset)
{
    added_special(a, t, special_text(config, "mask_token", "<mask_2>"));
    added_special(a, t, special_text(config, "mask_token_sent", "<mask_1>"));
    for (size_t i = 2; i < offset; i++) added_special(a, t, str_of(arena_printf(a, "<unk_%zu>", i)));
}

static void *open(Arena *a, Tokenizer *t, const char *folder, const Json *config, Err *e)
{
    Parts *m = arena_new(a, Parts, 1);
    Which is = (Which)which(t->class_wanted, t->model_type);
    const Json *stated = config ? json_get(config, "offset") : NULL;
    if (stated && (!stated->is_int || stated->i < 0 || stated->i > MOST_OFFSET))
        return err_set(e, "%s/tokenizer_config.json: offset must be a number from 0 to %d", folder,
                       MOST_OFFSET),
               NULL;
    size_t offset = stated ? (size_t)stated->i : OFFSET;
    if (!read_folder(a, m, folder, is, offset, e)) return NULL;
    t->class_name = class_names[is];
    t->ids = t->strings = &m->vocab;
    if (!added_from_config(a, t, config, true, folder, e)) return NULL;
    added_number(a, t, (int32_t)m->n);
    added_sizes(t);
    t->unk = added_special(a, t, special_text(config, "unk_token", "<unk>"));
    t->eos = added_special(a, t, special_text(config, "eos_token", "</s>"));
    t->pad = added_special(a, t, special_text(config, "pad_token", "<pad>"));
    if (is == PEGASUS) pegasus_tokens(a, t, config, offset);
    else mbart_tokens(a, t, config, is);
    if (!added_lists(a, t, config, folder, e)) return NULL;
    parts_done(a, t, m);
    if (t->eos >= 0) t->after[t->n_after++] = t->eos;
    return m;
}

const TokKind tokkind_mbart = {
    .name = "mbart",
    .class_name = "MBart50Tokenizer",
    .summary = "sentencepiece.bpe.model (mBART) or spiece.model (Pegasus)",
    .matches = matches,
    .open = open,
    .encode = parts_encode,
    .decode = parts_decode,
};
