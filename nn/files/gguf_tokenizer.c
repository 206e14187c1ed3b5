// SPDX-License-Identifier: Apache-2.0
// gguf_tokenizer.c — what tokenizer.json and tokenizer_config.json would say, from the keys of a GGUF file.
//
//   llama  SentencePiece's byte pairs: no list of merges, but a score for each piece. A merge's rank is the score of what it
//          makes (Gemma: its place in the file), as transformers converts such vocabularies.
//   gpt2   byte-level pairs with their merges; tokenizer.ggml.pre names the expression that cuts words.
//   t5     SentencePiece's unigrams.
#include "gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

typedef struct Words {
    const GgufKey *key;
    Str *text; // [n]
    size_t n;
    const GgufKey *types, *scores; // as long, or NULL
} Words;

static int type_of(const Words *w, size_t i)
{
    int32_t t = NORMAL;
    if (w->types) memcpy(&t, w->types->bytes.s + 4 * i, 4);
    return t;
}

static float score_of(const Words *w, size_t i)
{
    float f = 0;
    if (w->scores) memcpy(&f, w->scores->bytes.s + 4 * i, 4);
    return f;
}

static bool as_long(const Gguf *g, const Words *w, const GgufKey *k, Err *e)
{
    return !k || k->n == w->n ||
           gguf_wrong(g, k, e, "has %" PRIu64 " elements, tokenizer.ggml.tokens has %zu", k->n, w->n);
}

static bool read_words(Arena *a, const Gguf *g, Words *w, Err *e)
{
    w->key = gguf_array(g, "tokenizer.ggml.tokens", GGUF_STRING, GGUF_STRING, e);
    if (!w->key) return false;
    w->n = (size_t)w->key->n, w->text = arena_new(a, Str, w->n);
    if (!gguf_strings(g, w->key, w->text, e)) return false;
    w->types = gguf_array(g, "tokenizer.ggml.token_type", GGUF_I32, GGUF_U32, e);
    w->scores = gguf_array(g, "tokenizer.ggml.scores", GGUF_F32, GGUF_F32, e);
    if (e->set || !as_long(g, w, w->types, e) || !as_long(g, w, w->scores, e)) return false;
    for (size_t i = 0; i < w->n; i++) {
        const int t = type_of(w, i);
        const double s = (double)score_of(w, i);
        if (t < 0 || t > BYTE)
            return gguf_wrong(g, w->types, e, "holds %d for token %zu; kinds are 1 to 6", t, i);
        if (!(s > -1e30 && s < 1e30)) return gguf_wrong(g, w->scores, e, "holds %g for token %zu", s, i);
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ merges by score

typedef struct Merge {
    int32_t left, right, made, order;
    float score;
} Merge;

static int by_score(const void *a, const void *b)
{
    const Merge *x = a, *y = b;
    if (x->score < y->score || x->score > y->score) return x->score > y->score ? -1 : 1;
    return x->made != y->made ? (x->made > y->made) - (x->made < y->made)
                              : (x->order > y->order) - (x->order < y->order);
}

typedef struct Index { // of words: open addressing
    int32_t *slot;
    size_t mask;
} Index;

static int32_t find(const Words *w, const Index *x, Str s)
{
    for (size_t h = str_hash(s, 1) & x->mask; x->slot[h]; h = (h + 1) & x->mask)
        if (str_eq(w->text[x->slot[h] - 1], s)) return x->slot[h] - 1;
    return -1;
}

static Index index_of(Arena *a, const Words *w)
{
    Index x = {.mask = 1};
    while (x.mask < 2 * w->n) x.mask *= 2;
    x.slot = arena_new(a, int32_t, x.mask), x.mask--;
    for (size_t i = 0; i < w->n; i++) {
        size_t h = str_hash(w->text[i], 1) & x.mask;
        while (x.slot[h] && !str_eq(w->text[x.slot[h] - 1], w->text[i])) h = (h + 1) & x.mask;
        if (!x.slot[h]) x.slot[h] = (int32_t)i + 1;
    }
    return x;
}

enum { LONGEST_PIECE = 256 }; // of longer ones only as many cuts are looked at

// All ways to cut each piece in two others.
static void put_splits(Arena *a, const Words *w, bool by_place, Buf *b)
{
    const Index x = index_of(a, w);
    Merge *v = NULL;
    size_t n = 0, room = 0;
    for (size_t i = 0; i < w->n; i++) {
        const Str s = w->text[i];
        const int t = type_of(w, i);
        if (t != NORMAL && t != UNUSED) continue;
        for (size_t k = 1; k < s.n && k < LONGEST_PIECE; k++) {
            if (((uint8_t)s.s[k] & 0xC0) == 0x80) continue; // inside a character
            const int32_t left = find(w, &x, (Str){s.s, k}),
                          right = left < 0 ? -1 : find(w, &x, (Str){s.s + k, s.n - k});
            if (right < 0) continue;
            if (n == room) {
                Merge *more = arena_new_raw(a, Merge, room = room ? 2 * room : 4096);
                if (n) memcpy(more, v, n * sizeof *v);
                v = more;
            }
            v[n++] = (Merge){left, right, (int32_t)i, (int32_t)k, by_place ? 0 : score_of(w, i)};
        }
    }
    if (n) qsort(v, n, sizeof *v, by_score);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? STR_LIT(",[") : STR_LIT("["));
        buf_json(b, w->text[v[i].left]), buf_char(b, ','), buf_json(b, w->text[v[i].right]);
        buf_char(b, ']');
    }
}

static bool put_merges(Arena *a, const Gguf *g, Buf *b, Err *e)
{
    const GgufKey *k = gguf_array(g, "tokenizer.ggml.merges", GGUF_STRING, GGUF_STRING, e);
    if (!k)
        return e->set ? false
                      : err_at(e, g->path, 0,
                               "no key \"tokenizer.ggml.merges\", which a byte-level vocabulary needs");
    Str *v = arena_new(a, Str, k->n);
    if (!gguf_strings(g, k, v, e)) return false;
    char text[SHOWN];
    for (uint64_t i = 0; i < k->n; i++) {
        const char *space = v[i].n > 2 ? memchr(v[i].s + 1, ' ', v[i].n - 2) : NULL;
        if (!space)
            return gguf_wrong(
                g, k, e, "holds \"%s\" (number %" PRIu64 "); a merge is two parts with a space between them",
                shown(text, v[i]), i);
        const size_t n = (size_t)(space - v[i].s);
        buf_str(b, i ? STR_LIT(",[") : STR_LIT("["));
        buf_json(b, (Str){v[i].s, n}), buf_char(b, ','), buf_json(b, (Str){space + 1, v[i].n - n - 1});
        buf_char(b, ']');
    }
    return true;
}

// ------------------------------------------------------------------------------------------------ how words are cut

#define ENDINGS    "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST       "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define REST_SLASH "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define UPPER      "[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define LOWER      "[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]"
#define BEFORE     "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?"
#define SPLIT(regex)                                                                                         \
    "{\"type\":\"Split\",\"invert\":false,\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"" regex "\"}},"

static const struct Pre {
    const char *names; // of tokenizer.ggml.pre, between spaces
    const char *split; // before bytes; NULL: GPT-2's expression, "" with every digit by itself
    bool whole_first, bos, nfc;
} pres[] = {
    {" gpt-2 phi-2 jina-es jina-de jina-v2-es jina-v2-de jina-v2-code default ", NULL, false, false, false},
    {" llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 smaug-bpe dbrx ",
     SPLIT(ENDINGS "|" BEFORE "\\\\p{L}+|\\\\p{N}{1,3}" REST), true, true, false},
    {" qwen2 deepseek-r1-qwen kormo megrez ", SPLIT(ENDINGS "|" BEFORE "\\\\p{L}+|\\\\p{N}" REST), false,
     false, true},
    {" gpt-4o llama4 ",
     SPLIT(BEFORE UPPER "*" LOWER "+" ENDINGS "?|" BEFORE UPPER "+" LOWER "*" ENDINGS
                        "?|\\\\p{N}{1,3}" REST_SLASH),
     false, false, false},
    {" tekken ", SPLIT(BEFORE UPPER "*" LOWER "+|" BEFORE UPPER "+" LOWER "*|\\\\p{N}" REST_SLASH), true,
     true, false},
    {" smollm starcoder refact command-r codeshell exaone minerva-7b ", "", false, false, false},
};

static const struct Pre *pre_of(const Gguf *g, Err *e)
{
    const Str name = gguf_str(g, "tokenizer.ggml.pre", e);
    char word[40], text[SHOWN];
    if (e->set) return NULL;
    if (!name.s) return &pres[0];
    snprintf(word, sizeof word, " %.*s ", (int)(name.n < 32 ? name.n : 32), name.s);
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++)
        if (name.n < 32 && !memchr(name.s, ' ', name.n) && strstr(pres[i].names, word)) return &pres[i];
    gguf_wrong(g, gguf_key(g, "tokenizer.ggml.pre"), e,
               "is \"%s\", a way to cut words that is not known here; give a folder with the tokenizer "
               "(--tokenizer FOLDER)",
               shown(text, name));
    return NULL;
}

// ------------------------------------------------------------------------------------------------ the parts of the file

static void put_vocabulary(const Words *w, Buf *b)
{
    buf_str(b, STR_LIT("\"vocab\":{"));
    for (size_t i = 0; i < w->n; i++) {
        if (i) buf_char(b, ',');
        buf_json(b, w->text[i]);
        buf_printf(b, ":%zu", i);
    }
    buf_str(b, STR_LIT("},\"merges\":["));
}

static bool added(const Words *w, size_t i)
{
    const int t = type_of(w, i);
    return (t == CONTROL || t == UNKNOWN || t == USER_DEFINED) && w->text[i].n;
}

static void put_added(const Words *w, bool unigram, Buf *b)
{
    size_t n = 0;
    buf_str(b, STR_LIT("\"added_tokens\":["));
    for (size_t i = 0; i < w->n; i++) {
        const int t = type_of(w, i);
        if (!added(w, i) && !(unigram && t == UNUSED && str_starts(w->text[i], STR_LIT("<extra_id_"))))
            continue;
        buf_printf(b, "%s{\"id\":%zu,\"content\":", n++ ? "," : "", i);
        buf_json(b, w->text[i]);
        buf_printf(
            b,
            ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":%s}",
            t == USER_DEFINED ? "false" : "true");
    }
    buf_char(b, ']');
}

typedef struct Ids {
    int64_t bos, eos, unk, pad;
    bool add_bos, add_eos;
} Ids;

static void put_one(const Words *w, const char *name, int64_t id, Buf *b)
{
    buf_printf(b, "\"%s\":{\"id\":\"%s\",\"ids\":[%" PRId64 "],\"tokens\":[", name, name, id);
    buf_json(b, w->text[id]), buf_str(b, STR_LIT("]}"));
}

static void put_around(const Words *w, const Ids *x, Buf *b)
{
    const bool bos = x->add_bos && x->bos >= 0, eos = x->add_eos && x->eos >= 0;
    buf_str(b, STR_LIT(",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["));
    if (bos) buf_str(b, STR_LIT("{\"SpecialToken\":{\"id\":\"b\",\"type_id\":0}},"));
    buf_str(b, STR_LIT("{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"));
    if (eos) buf_str(b, STR_LIT(",{\"SpecialToken\":{\"id\":\"e\",\"type_id\":0}}"));
    buf_str(b, STR_LIT("],\"pair\":[],\"special_tokens\":{"));
    if (bos) put_one(w, "b", x->bos, b);
    if (bos && eos) buf_char(b, ',');
    if (eos) put_one(w, "e", x->eos, b);
    buf_str(b, STR_LIT("}}"));
}

#define MARK "\xE2\x96\x81"

// The space in front stands before the text, not before each stretch between special tokens, as transformers has it.
static bool sentencepiece(Arena *a, const Gguf *g, const GgufArch *arch, const Words *w, const Ids *x, Buf *b,
                          Err *e)
{
    const bool gemma = !strncmp(arch->name, "gemma", 5);
    const bool prefix = gguf_bool(g, "tokenizer.ggml.add_space_prefix", true, e);
    if (e->set) return false;
    if (!w->scores)
        return err_at(e, g->path, 0, "no key \"tokenizer.ggml.scores\", which this kind of vocabulary needs");
    buf_str(
        b, prefix
               ? STR_LIT("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" MARK
                         "\",\"prepend_scheme\":\"first\",\"split\":false}")
               : STR_LIT(
                     "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK
                     "\"}"));
    buf_str(b, STR_LIT(",\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{"
                       "\"String\":\"" MARK "\"},\"content\":\" \"},"
                       "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"));
    if (prefix) buf_str(b, STR_LIT(",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"));
    buf_str(
        b, STR_LIT("]},\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"fuse_unk\":true,\"unk_token\":"));
    if (x->unk >= 0) buf_json(b, w->text[x->unk]);
    else buf_str(b, STR_LIT("null"));
    buf_char(b, ',');
    put_vocabulary(w, b);
    put_splits(a, w, gemma, b);
    buf_str(b, STR_LIT("]},"));
    put_added(w, false, b);
    put_around(w, x, b);
    return true;
}

static bool byte_level(Arena *a, const Gguf *g, const Words *w, Ids *x, Buf *b, Err *e)
{
    const struct Pre *p = pre_of(g, e);
    if (!p) return false;
    x->add_bos = gguf_bool(g, "tokenizer.ggml.add_bos_token", p->bos, e);
    buf_printf(b, "\"normalizer\":%s,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[",
               p->nfc ? "{\"type\":\"NFC\"}" : "null");
    if (p->split)
        buf_str(b,
                *p->split ? str_of(p->split) : STR_LIT("{\"type\":\"Digits\",\"individual_digits\":true},"));
    buf_printf(b,
               "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":%s}]},"
               "\"decoder\":{\"type\":"
               "\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},\"model\":{"
               "\"type\":\"BPE\",\"ignore_merges\":%s,",
               p->split && *p->split ? "false" : "true", p->whole_first ? "true" : "false");
    put_vocabulary(w, b);
    if (e->set || !put_merges(a, g, b, e)) return false;
    buf_str(b, STR_LIT("]},"));
    put_added(w, false, b);
    put_around(w, x, b);
    return true;
}

// Converters write unused rows at the end as [PAD32000] ...: the first is <extra_id_99>, down to 0.
static size_t name_extra_ids(Arena *a, Words *w)
{
    enum { EXTRA = 100 };
    size_t first = w->n;
    while (first && type_of(w, first - 1) == UNUSED && str_starts(w->text[first - 1], STR_LIT("[PAD")))
        first--;
    size_t n = w->n - first < EXTRA ? 0 : EXTRA;
    for (size_t i = 0; i < n; i++)
        w->text[first + i] = str_of(arena_printf(a, "<extra_id_%zu>", EXTRA - 1 - i));
    return n;
}

static bool unigrams(Arena *a, const Gguf *g, Words *w, const Ids *x, size_t *extra, Buf *b, Err *e)
{
    const GgufKey *map = gguf_array(g, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, GGUF_I8, e);
    if (e->set) return false;
    if (!w->scores)
        return err_at(e, g->path, 0, "no key \"tokenizer.ggml.scores\", which this kind of vocabulary needs");
    if (x->unk < 0)
        return err_at(e, g->path, 0,
                      "no key \"tokenizer.ggml.unknown_token_id\", which this kind of vocabulary needs");
    *extra = name_extra_ids(a, w);
    buf_str(b, STR_LIT("\"normalizer\":"));
    if (map && map->n) {
        buf_str(b, STR_LIT("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\""));
        buf_base64(b, map->bytes.s, map->bytes.n);
        buf_str(b, STR_LIT("\"}"));
    } else buf_str(b, STR_LIT("null"));
    buf_printf(b, ",\"model\":{\"type\":\"Unigram\",\"unk_id\":%" PRId64 ",\"vocab\":[", x->unk);
    for (size_t i = 0; i < w->n; i++) {
        buf_str(b, i ? STR_LIT(",[") : STR_LIT("["));
        buf_json(b, w->text[i]);
        buf_printf(b, ",%.17g]", (double)score_of(w, i));
    }
    buf_str(b, STR_LIT("]},"));
    put_added(w, true, b);
    return true;
}

// ------------------------------------------------------------------------------------------------ the whole

static void put_token(const char *name, const Words *w, int64_t id, Buf *b)
{
    if (id < 0) return;
    buf_printf(b, ",\"%s\":", name);
    buf_json(b, w->text[id]);
}

static bool read_ids(const Gguf *g, const Words *w, bool llama, Ids *x, Err *e)
{
    const int64_t last = (int64_t)w->n - 1;
    *x = (Ids){.bos = gguf_int(g, "tokenizer.ggml.bos_token_id", -1, 0, last, e),
               .eos = gguf_int(g, "tokenizer.ggml.eos_token_id", -1, 0, last, e),
               .unk = gguf_int(g, "tokenizer.ggml.unknown_token_id", -1, 0, last, e),
               .pad = gguf_int(g, "tokenizer.ggml.padding_token_id", -1, 0, last, e),
               .add_bos = gguf_bool(g, "tokenizer.ggml.add_bos_token", llama, e),
               .add_eos = gguf_bool(g, "tokenizer.ggml.add_eos_token", false, e)};
    return !e->set;
}

bool gguf_tokenizer(Arena *a, const Gguf *g, const GgufArch *arch, Buf *tokenizer, Buf *config, Err *e)
{
    Err own = {0};
    Words w = {0};
    Ids x;
    char text[SHOWN];
    size_t extra = 0;
    const Str model = gguf_str(g, "tokenizer.ggml.model", &own);
    const bool llama = str_is(model, "llama"), t5 = str_is(model, "t5");
    if (!own.set && !model.s)
        err_at(&own, g->path, 0, "no key \"tokenizer.ggml.model\": the file has no tokenizer");
    bool ok = !own.set && read_words(a, g, &w, &own) && read_ids(g, &w, llama, &x, &own);
    buf_str(tokenizer, STR_LIT("{\"version\":\"1.0\","));
    if (ok && llama) ok = sentencepiece(a, g, arch, &w, &x, tokenizer, &own);
    else if (ok && t5) ok = unigrams(a, g, &w, &x, &extra, tokenizer, &own);
    else if (ok && str_is(model, "gpt2")) ok = byte_level(a, g, &w, &x, tokenizer, &own);
    else if (ok)
        ok = gguf_wrong(
            g, gguf_key(g, "tokenizer.ggml.model"), &own,
            "is \"%s\"; llama, gpt2 and t5 are read; give a folder with the tokenizer (--tokenizer FOLDER)",
            shown(text, model));
    if (!ok || own.set) return err_set(e, "%s", own.text);
    buf_char(tokenizer, '}');
    buf_printf(config, "{\"tokenizer_class\":\"%s\"", t5 ? "T5Tokenizer" : "TokenizersBackend");
    if (t5) buf_printf(config, ",\"extra_ids\":%zu", extra);
    put_token("bos_token", &w, x.bos, config), put_token("eos_token", &w, x.eos, config);
    put_token("unk_token", &w, x.unk, config), put_token("pad_token", &w, x.pad, config);
    buf_char(config, '}');
    return true;
}
