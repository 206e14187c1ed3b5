// SPDX-License-Identifier: Apache-2.0
// pretrained.c — which files of a folder make which pipeline: tokenizer.json, or what stands for it.
//
// tokenizer.json is the truth where there is one, whatever class tokenizer_config.json names; it has all but the names of
// the special tokens. Folders without it have a vocabulary only (vocab.json and merges.txt, or SentencePiece's
// tokenizer.model), and transformers' class says the rest: here it is a few lines of the same JSON.
//
// Two exceptions, as transformers 5.23 does it. NllbTokenizer has steps of its own, but for the rules for characters.
// LlamaTokenizer in a folder of a Llama (or of no model) takes vocabulary, merges,
// added tokens and post_processor from tokenizer.json, but its own steps, by legacy and add_prefix_space.
#include "pipeline.h"

#include <string.h>

typedef struct Class {
    const char *name, *model_types; // between spaces
    const char *(*steps)(Arena *a, const Json *config);
    const char *unk, *bos, *eos, *pad, *mask;
    bool around; // the start token before each text and the end token behind it
    Tags tags;
    const char *usual_source;
} Class;

// ------------------------------------------------------------------------------------------ steps of the classes

static const char *bytes_steps(Arena *a, const Json *config, const char *normalizer, const char *split)
{
    return arena_printf(a,
                        "{\"normalizer\":%s,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[%s{"
                        "\"type\":\"ByteLevel\","
                        "\"add_prefix_space\":%s,\"use_regex\":%s}]},\"decoder\":{\"type\":\"ByteLevel\"}}",
                        normalizer, split, json_flag(config, "add_prefix_space", false) ? "true" : "false",
                        *split ? "false" : "true");
}

static const char *gpt2_steps(Arena *a, const Json *config) { return bytes_steps(a, config, "null", ""); }

static const char *neox_steps(Arena *a, const Json *config)
{
    return bytes_steps(a, config, "{\"type\":\"NFC\"}", "");
}

static const char *qwen2_steps(Arena *a, const Json *config)
{
    return bytes_steps(
        a, config, "{\"type\":\"NFC\"}",
        "{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
        "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "
        "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|"
        "\\\\s+(?!\\\\S)|\\\\s+\"}},");
}

#define MARK "\\u2581"
#define TO_SPACES                                                                                            \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" MARK                                                  \
    "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"

static const char *llama_steps(Arena *a, const Json *config)
{
    bool prefix = json_flag(config, "add_prefix_space", true), legacy = json_flag(config, "legacy", false);
    return arena_printf(a,
                        "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" MARK
                        "\",\"prepend_scheme\":\"%s\","
                        "\"split\":false},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" TO_SPACES "%s]},"
                        "\"model\":{\"byte_fallback\":true,\"fuse_unk\":true}}",
                        !prefix  ? "never"
                        : legacy ? "always"
                                 : "first",
                        prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
}

static const char *gemma_steps(Arena *a, const Json *config)
{
    (void)a, (void)config;
    return "{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"},"
           "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" TO_SPACES "]},"
           "\"model\":{\"byte_fallback\":true,\"fuse_unk\":true,\"unk_token\":\"<unk>\"}}";
}

// The normalizer's rules for characters are in SentencePiece's model; all else is nllb_steps' as with tokenizer.json.
static const char *nllb_model(Arena *a, const Json *config)
{
    (void)a, (void)config;
    return "{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"},"
           "\"model\":{\"fuse_unk\":true,\"unk_token\":\"<unk>\"}}";
}

#define END "<|endoftext|>"
static const Class classes[] = {
    {"GPT2Tokenizer", " gpt2 opt gpt_neo gptj phi starcoder2 ", gpt2_steps, END, END, END, NULL, NULL,
     .around = false},
    {"LlamaTokenizer", " llama mistral mixtral ", llama_steps, "<unk>", "<s>", "</s>", NULL, NULL,
     .around = false},
    {"Qwen2Tokenizer", " qwen2 qwen3 ", qwen2_steps, END, NULL, END, END, NULL, .around = false},
    {"GPTNeoXTokenizer", " gpt_neox ", neox_steps, END, END, END, "<|padding|>", NULL, .around = false},
    {"GemmaTokenizer", " gemma gemma2 gemma3 gemma3_text ", gemma_steps, "<unk>", "<bos>", "<eos>", "<pad>",
     "<mask>", .around = false},
    {"RobertaTokenizer", " bart ", gpt2_steps, "<unk>", "<s>", "</s>", "<pad>", "<mask>", .around = true},
    {"NllbTokenizer", " m2m_100 ", nllb_model, "<unk>", "<s>", "</s>", "<pad>", "<mask>", .tags = TAGS_FIRST,
     .usual_source = "eng_Latn"},
};
enum { CLASSES = sizeof classes / sizeof *classes, GPT2 = 0, LLAMA = 1, NLLB = CLASSES - 1 };

static const Class *class_named(Str name)
{
    if (str_is(name, "BartTokenizer")) name = STR_LIT("RobertaTokenizer"); // one and the same
    for (size_t i = 0; i < CLASSES; i++)
        if (str_is(name, classes[i].name)) return &classes[i];
    return NULL;
}

static const Class *class_of_type(const char *type)
{
    char word[64];
    if (strlen(type) > sizeof word - 3 || strchr(type, ' ')) return NULL;
    word[0] = ' ';
    strcpy(word + 1, type);
    strcat(word, " ");
    for (size_t i = 0; i < CLASSES; i++)
        if (strstr(classes[i].model_types, word)) return &classes[i];
    return NULL;
}

// ----------------------------------------------------------------------------------------------------- tokenizer.model

// All ways to cut a piece into two others, shortest left part first; called for the pieces by rising id.
// Counts only if m is NULL. This is how transformers makes merges of a SentencePiece model: ordered by the id of what they
// make, not by score, so that "a  b" is split otherwise than by SentencePiece.
static size_t splits(const Vocab *v, Str piece, int32_t id, Merges *m)
{
    size_t n = 0;
    for (size_t i = char_width(piece.s[0], piece.n); i < piece.n; i += char_width(piece.s[i], piece.n - i)) {
        int32_t left = vocab_id(v, (Str){piece.s, i}), right = vocab_id(v, (Str){piece.s + i, piece.n - i});
        if (left < 0 || right < 0) continue;
        if (m) merges_add(m, left, right, id);
        n++;
    }
    return n;
}

static bool parse_model(Arena *a, const char *path, const char *whose, Sentencepiece **sp, Err *e)
{
    Str bytes;
    *sp = arena_new(a, Sentencepiece, 1);
    if (!file_map(a, path, &bytes, e) || !spm_parse(a, bytes, path, *sp, e)) return false;
    return (*sp)->type == BPE || err_set(e, "%s: not a BPE model, as %s", path, whose);
}

static void read_merges(Arena *a, Pipeline *p, const Sentencepiece *sp, size_t first)
{
    size_t n = 0;
    for (size_t i = first; i < sp->n; i++)
        n += splits(&p->vocab, sp->piece[i].text, vocab_id(&p->vocab, sp->piece[i].text), NULL);
    merges_init(a, &p->merges, n);
    for (size_t i = first; i < sp->n; i++)
        splits(&p->vocab, sp->piece[i].text, vocab_id(&p->vocab, sp->piece[i].text), &p->merges);
}

static bool read_model(Arena *a, Tokenizer *t, Pipeline *p, const char *path, Err *e)
{
    Sentencepiece *sp;
    if (!parse_model(a, path, "Llama's and Gemma's are", &sp, e)) return false;
    vocab_init(a, &p->vocab, sp->n);
    for (size_t i = 0; i < sp->n; i++) {
        const Piece *piece = &sp->piece[i];
        vocab_add(&p->vocab, piece->text, (int32_t)i);
        if (piece->kind == CONTROL || piece->kind == USER_DEFINED)
            added_put(a, t,
                      (Added){.text = piece->text, .id = (int32_t)i, .special = piece->kind == CONTROL});
    }
    vocab_done(&p->vocab);
    read_merges(a, p, sp, 0);
    return true;
}

// NLLB's: <s> <pad> </s> <unk>, the pieces from SentencePiece's id 3 on, a token for each language, <mask>. The languages are
// not in the model: special_tokens_map.json lists them in their order, or tokenizer_config.json has them with their ids.
// (transformers 5.23 overlooks the former, so that every language is <unk>.)
static bool read_nllb(Arena *a, Tokenizer *t, Pipeline *p, const char *folder, const Json *config, Err *e)
{
    static const char *const first[] = {"<s>", "<pad>", "</s>", "<unk>"};
    const Json *map, *list = config ? json_get(config, "additional_special_tokens") : NULL,
                     *decoder = config ? json_get(config, "added_tokens_decoder") : NULL;
    Sentencepiece *sp;
    const char *path = in_folder(a, folder, "sentencepiece.bpe.model");
    if (!parse_model(a, path, "NLLB's is", &sp, e) ||
        !folder_object(a, folder, "special_tokens_map.json", &map, e))
        return false;
    if (!list || !list->count) list = map ? json_get(map, "additional_special_tokens") : NULL;
    if (!decoder && (!list || list->kind != J_ARRAY || !list->count))
        return err_set(
            e,
            "%s: the languages of NLLB are in none of these files: tokenizer.json, "
            "special_tokens_map.json (additional_special_tokens), tokenizer_config.json "
            "(added_tokens_decoder); copy one of them from the folder of the model it started from",
            folder);
    if (sp->n < 4) return err_set(e, "%s: %zu pieces; there must be 4 or more", path, sp->n);
    vocab_init(a, &p->vocab, sp->n + 1);
    for (int32_t i = 0; i < 4; i++) vocab_add(&p->vocab, str_of(first[i]), i);
    for (size_t i = 3; i < sp->n; i++) vocab_add(&p->vocab, sp->piece[i].text, (int32_t)i + 1);
    vocab_done(&p->vocab);
    read_merges(a, p, sp, 3);
    for (const Json *j = decoder ? NULL : list->child; j; j = j->next)
        if (token_text(j).n)
            added_put(a, t,
                      (Added){.text = token_text(j),
                              .id = (int32_t)(p->vocab.count + t->n_added),
                              .special = true});
    if (sp->normalizer.map.units) {
        p->norm[0] = (Norm){.kind = NORM_RULES, .rules = arena_new(a, Rules, 1)}, p->norms = 1;
        p->norm[0].rules->map = sp->normalizer.map, rules_prepare(p->norm[0].rules);
    }
    return true;
}

// ------------------------------------------------------------------------------------------------------ the folder

static bool matches(const char *folder, Str class, const char *model_type)
{
    if (folder_has(folder, "tokenizer.json")) return true;
    if (class.n) return class_named(class) != NULL;
    return class_of_type(model_type) ||
           (folder_has(folder, "vocab.json") && folder_has(folder, "merges.txt")) ||
           folder_has(folder, "tokenizer.model");
}

static bool class_steps(Arena *a, Pipeline *p, const Class *class, const Json *config, Err *e)
{
    const char *text = class->steps(a, config);
    const Json *top = json_parse(a, str_of(text), class->name, e);
    return top && pipeline_steps(a, p, top, class->name, e);
}

static bool holds(Str text, const char *word) { return memmem(text.s, text.n, word, strlen(word)) != NULL; }

// Without rules for characters in the file, runs of spaces stay too.
static void nllb_steps(Pipeline *p)
{
    Str mark = STR_LIT("\xE2\x96\x81");
    bool rules = false;
    for (size_t i = 0; i < p->norms; i++) rules |= p->norm[i].kind == NORM_RULES;
    if (!rules) p->norms = 0;
    p->pre[0] = (Pre){.kind = PRE_METASPACE, .split = true, .prepend = ALWAYS, .mark = mark};
    p->decode[0] = (Decode){.kind = DECODE_METASPACE, .prepend = ALWAYS, .mark = mark};
    p->pres = p->decodes = 1, p->has_decoder = true;
}

// From tokenizer.json; class is NULL if none is named that is known here.
static bool open_json(Arena *a, Tokenizer *t, Pipeline *p, const char *path, const Class *class,
                      const char *type, const Json *config, Err *e)
{
    Str text;
    if (!file_map(a, path, &text, e) || !file_genuine(path, text, e)) return false;
    bool own =
        class == &classes[LLAMA] && (!*type || strcmp(type, "llama") == 0) && !holds(text, "\"ByteLevel\"");
    if ((own && !class_steps(a, p, class, config, e)) || !pipeline_json(a, t, p, path, text, !own, e))
        return false;
    if (class == &classes[NLLB]) nllb_steps(p);
    return true;
}

static bool open_files(Arena *a, Tokenizer *t, Pipeline *p, const char *folder, const Class *class,
                       const Json *config, Err *e)
{
    bool model = !folder_has(folder, "vocab.json") && folder_has(folder, "tokenizer.model");
    static const char *const only[] = {"tokenizer.json", NULL};
    bool none = !model && !folder_has(folder, "vocab.json") && !folder_has(folder, "merges.txt");
    if (class == &classes[NLLB] && folder_has(folder, "sentencepiece.bpe.model")) {
        if (!read_nllb(a, t, p, folder, config, e) || !class_steps(a, p, class, config, e)) return false;
        return nllb_steps(p), true;
    }
    if (class == &classes[NLLB] || none) return folder_has_all(a, folder, only, e);
    static const char *const needed[2][3] = {{"vocab.json", "merges.txt"}, {"tokenizer.model"}};
    if (!folder_has_all(a, folder, needed[model], e)) return false;
    if (model && !read_model(a, t, p, in_folder(a, folder, "tokenizer.model"), e)) return false;
    if (!model && !vocab_read(a, in_folder(a, folder, "vocab.json"), &p->vocab, e)) return false;
    if (!model && !merges_read(a, in_folder(a, folder, "merges.txt"), &p->vocab, &p->merges, e)) return false;
    return class_steps(a, p, class, config, e);
}

// add_bos_token and add_eos_token, unless tokenizer.json has said it all.
static void affixes_from_config(Tokenizer *t, const Json *config)
{
    if (t->has_template) return;
    if (json_flag(config, "add_bos_token", false) && t->bos >= 0) t->before[t->n_before++] = t->bos;
    if (json_flag(config, "add_eos_token", false) && t->eos >= 0) t->after[t->n_after++] = t->eos;
}

// These classes say what stands around a text, whatever tokenizer.json does.
static void put_around(Tokenizer *t, const Class *class, const Json *config)
{
    t->n_before = t->n_after = 0;
    if (class->around && t->bos >= 0) t->before[t->n_before++] = t->bos;
    if (t->eos >= 0) t->after[t->n_after++] = t->eos;
    t->tags = class->tags && json_flag(config, "legacy_behaviour", false) ? TAGS_LAST : class->tags;
    t->usual_source = class->usual_source;
}

static void *open(Arena *a, Tokenizer *t, const char *folder, const Json *config, Err *e)
{
    Pipeline *p = arena_new(a, Pipeline, 1);
    const Class *class = class_named(t->class_wanted);
    bool json = folder_has(folder, "tokenizer.json");
    if (!class && !t->class_stated) class = class_of_type(t->model_type);
    if (json && class == &classes[LLAMA] && !t->class_stated)
        class = NULL; // nothing of its own in transformers
    if (!json && !class) class = &classes[folder_has(folder, "vocab.json") ? GPT2 : LLAMA];
    t->class_name = class ? class->name : "TokenizersBackend";
    t->ids = t->strings = &p->vocab;
    if (!(json ? open_json(a, t, p, in_folder(a, folder, "tokenizer.json"), class, t->model_type, config, e)
               : open_files(a, t, p, folder, class, config, e)))
        return NULL;
    // without a list of its own, tokenizer_config.json has only what older files say, and tokenizer.json knows better
    if ((t->added_stated || !json) && !added_from_config(a, t, config, true, folder, e)) return NULL;
    added_number(a, t, (int32_t)p->vocab.count);
    added_sizes(t);
    static const Class none = {0};
    if (!class) class = &none;
    t->unk = added_named(a, t, config, "unk_token", class->unk);
    t->bos = added_named(a, t, config, "bos_token", class->bos);
    t->eos = added_named(a, t, config, "eos_token", class->eos);
    t->pad = added_named(a, t, config, "pad_token", class->pad);
    added_named(a, t, config, "mask_token", class->mask);
    added_named(a, t, config, "sep_token", NULL);
    added_named(a, t, config, "cls_token", NULL);
    if (!added_lists(a, t, config, folder, e)) return NULL;
    affixes_from_config(t, config);
    if (class->around || class->tags) put_around(t, class, config);
    return pipeline_done(a, t, p, e) ? p : NULL;
}

const TokKind tokkind_pretrained = {
    .name = "pretrained",
    .class_name = "TokenizersBackend",
    .summary = "tokenizer.json; vocab.json and merges.txt (GPT-2, OPT, Qwen); tokenizer.model (Llama, Gemma)",
    .never_cleans = true,
    .matches = matches,
    .open = open,
    .encode = pipeline_encode,
    .decode = pipeline_decode,
};
