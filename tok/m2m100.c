// SPDX-License-Identifier: Apache-2.0
// m2m100.c — M2M100Tokenizer of transformers 5.23: one SentencePiece file, whose pieces vocab.json gives ids, and a token
// __xx__ for each language behind all of them. These are in no file: their order is the class's.
//
//   raw text   special tokens are cut out; each stretch between them goes through SentencePiece alone
//   around it  __xx__ of the side's language, and </s>
//
// Decoding: runs of ordinary tokens through SentencePiece, each special token as itself, white space cut at both ends.
#include "kind.h"

#include <string.h>

static const char *const hundred[] = {
    "af", "am", "ar", "ast", "az", "ba",  "be", "bg", "bn", "br", "bs", "ca", "ceb", "cs", "cy", "da", "de",
    "el", "en", "es", "et",  "fa", "ff",  "fi", "fr", "fy", "ga", "gd", "gl", "gu",  "ha", "he", "hi", "hr",
    "ht", "hu", "hy", "id",  "ig", "ilo", "is", "it", "ja", "jv", "ka", "kk", "km",  "kn", "ko", "lb", "lg",
    "ln", "lo", "lt", "lv",  "mg", "mk",  "ml", "mn", "mr", "ms", "my", "ne", "nl",  "no", "ns", "oc", "or",
    "pa", "pl", "ps", "pt",  "ro", "ru",  "sd", "si", "sk", "sl", "so", "sq", "sr",  "ss", "su", "sv", "sw",
    "ta", "th", "tl", "tn",  "tr", "uk",  "ur", "uz", "vi", "wo", "xh", "yi", "yo",  "zh", "zu", NULL};
static const char *const wmt21[] = {"en", "ha", "is", "ja", "cs", "ru", "zh", "de", NULL};

typedef struct M2m100 {
    Sentencepiece *sp;
    Vocab vocab;
    int32_t *id; // of each piece
} M2m100;

static bool matches(const char *folder, Str class, const char *model_type)
{
    if (class.n) return str_is(class, "M2M100Tokenizer");
    return strcmp(model_type, "m2m_100") == 0 && folder_has(folder, "vocab.json");
}

static void find_ids(Arena *a, M2m100 *m, int32_t unk)
{
    size_t n = sp_size(m->sp);
    Str *piece = arena_new(a, Str, n);
    for (size_t i = 0; i < n; i++) piece[i] = sp_piece(m->sp, (int32_t)i);
    m->id = arena_new_raw(a, int32_t, n);
    vocab_ids(&m->vocab, piece, n, m->id);
    for (size_t i = 0; i < n; i++)
        if (m->id[i] < 0) m->id[i] = unk;
}

static void put_languages(Arena *a, Tokenizer *t, const Json *config)
{
    const Json *codes = config ? json_get(config, "language_codes") : NULL;
    const char *const *list =
        codes && codes->kind == J_STRING && str_is(codes->text, "wmt21") ? wmt21 : hundred;
    int32_t id = (int32_t)t->ids->count;
    for (; *list; list++, id++)
        added_put(a, t, (Added){.text = str_of(arena_printf(a, "__%s__", *list)), .id = id, .special = true});
}

static void *open(Arena *a, Tokenizer *t, const char *folder, const Json *config, Err *e)
{
    M2m100 *m = arena_new(a, M2m100, 1);
    static const char *const needed[] = {"vocab.json", "sentencepiece.bpe.model", NULL};
    const char *path = in_folder(a, folder, "vocab.json");
    if (!folder_has_all(a, folder, needed, e) || !vocab_read(a, path, &m->vocab, e) ||
        !(m->sp = sp_open(a, in_folder(a, folder, "sentencepiece.bpe.model"), e)))
        return NULL;
    Str unk = special_text(config, "unk_token", "<unk>");
    t->ids = t->strings = &m->vocab;
    if (vocab_id(&m->vocab, unk) < 0)
        return err_set(e, "%s: the unknown token '%.*s' is not in it", path, (int)(unk.n < 40 ? unk.n : 40),
                       unk.s),
               NULL;
    find_ids(a, m, vocab_id(&m->vocab, unk));
    put_languages(a, t, config);
    if (!added_from_config(a, t, config, false, folder, e)) return NULL;
    added_sizes(t);
    t->unk = added_special(a, t, unk);
    t->bos = added_special(a, t, special_text(config, "bos_token", "<s>"));
    t->eos = added_special(a, t, special_text(config, "eos_token", "</s>"));
    added_special(a, t, special_text(config, "sep_token", "</s>"));
    t->pad = added_special(a, t, special_text(config, "pad_token", "<pad>"));
    if (!added_lists(a, t, config, folder, e)) return NULL;
    if (t->eos >= 0) t->after[t->n_after++] = t->eos;
    t->class_name = "M2M100Tokenizer";
    t->tags = TAGS_FIRST, t->usual_source = "__en__";
    added_done(a, t);
    return m;
}

static void encode_stretch(Arena *a, const M2m100 *m, int32_t unk, Str text, EncodingBuilder *b)
{
    Encoding pieces;
    sp_encode(a, m->sp, text, &pieces);
    for (size_t i = 0; i < pieces.n; i++) {
        int32_t id =
            pieces.ids[i] == m->sp->unk ? vocab_id(&m->vocab, pieces.token[i]) : m->id[pieces.ids[i]];
        if (id < 0) id = unk;
        encoding_add(b, id, m->vocab.text[id]);
    }
}

static bool encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e)
{
    (void)e;
    const M2m100 *m = t->state;
    EncodingBuilder b = {.arena = a};
    Cutter c = {.t = t, .text = text, .keep_text = o.keep_text};
    Str plain;
    encoding_around(&b, t, o, false);
    for (const Added *token; cutter_next(&c, &plain, &token);) {
        if (plain.n) encode_stretch(a, m, t->unk, plain, &b);
        if (token) encoding_add(&b, token->id, token->text);
    }
    encoding_around(&b, t, o, true);
    *out = b.out;
    return true;
}

static bool decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e)
{
    const M2m100 *m = t->state;
    Str *run = arena_new_raw(a, Str, n);
    size_t in_run = 0;
    Buf b = {.arena = a};
    for (size_t i = 0; i < n; i++) {
        Str token = tok_string(t, ids[i]);
        if (!token.n)
            return err_set(e, "id %d is not in the vocabulary; ids are 0 to %zu", ids[i], t->size - 1);
        if (!tok_is_special(t, ids[i])) {
            run[in_run++] = token;
            continue;
        }
        if (o.skip_special) continue;
        buf_str(&b, sp_decode_strings(a, m->sp, run, in_run));
        buf_str(&b, token);
        in_run = 0;
    }
    buf_str(&b, sp_decode_strings(a, m->sp, run, in_run));
    *out = python_strip(buf_view(&b));
    return true;
}

const TokKind tokkind_m2m100 = {
    .name = "m2m100",
    .class_name = "M2M100Tokenizer",
    .summary = "sentencepiece.bpe.model and vocab.json (M2M-100)",
    .matches = matches,
    .open = open,
    .encode = encode,
    .decode = decode,
};
