// gpt2.c — GPT2Tokenizer of transformers 5.23: byte-level byte-pair encoding. vocab.json and merges.txt, or
// tokenizer.json.
//
// Radford et al. 2019. Added tokens (<|endoftext|>) are cut out of the raw text; the rest is split by
//
//     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// and each part is merged by rank, starting from its bytes. In the vocabulary a byte is written as one
// printable character: 33-126, 161-172, 174-255 as themselves, the other 68 in order as U+0100, U+0101, ...
#include "kind.h"

#include <string.h>
#include <utf8proc.h>

typedef struct Gpt2 {
    Vocab vocab;
    Merges merges;
    int32_t id[256];     // of each byte, -1: the vocabulary lacks it, and it is left out
    int16_t byte[0x144]; // of each character that stands for one, else -1
    bool prefix_space;
} Gpt2;

static bool matches(const char *folder, Str class, const char *model_type)
{
    if (class.n) return str_is(class, "GPT2Tokenizer");
    return strcmp(model_type, "gpt2") == 0 ||
           (folder_has(folder, "vocab.json") && folder_has(folder, "merges.txt"));
}

static void byte_table(Gpt2 *m)
{
    for (size_t i = 0; i < sizeof m->byte / sizeof *m->byte; i++) m->byte[i] = -1;
    uint32_t others = 0x100;
    for (int b = 0; b < 256; b++) {
        bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        uint32_t cp = itself ? (uint32_t)b : others++;
        char text[4];
        m->byte[cp] = (int16_t)b;
        m->id[b] = vocab_id(&m->vocab, (Str){text, (size_t)utf8_encode(cp, text)});
    }
}

static void *open(Arena *a, Tokenizer *t, const char *folder, const Json *config, Err *e)
{
    Gpt2 *m = arena_new(a, Gpt2, 1);
    if (folder_has(folder, "vocab.json") || !folder_has(folder, "tokenizer.json")) {
        if (!vocab_read(a, in_folder(a, folder, "vocab.json"), &m->vocab, e)) return NULL;
        if (!merges_read(a, in_folder(a, folder, "merges.txt"), &m->vocab, &m->merges, e)) return NULL;
    } else if (!bpe_json_read(a, t, in_folder(a, folder, "tokenizer.json"), false, &m->vocab, &m->merges, e))
        return NULL;
    byte_table(m);
    t->ids = t->strings = &m->vocab;
    m->prefix_space = json_flag(config, "add_prefix_space", false);
    if (!added_from_config(a, t, config, true, folder, e)) return NULL;
    added_sizes(t);
    t->unk = added_special(a, t, special_text(config, "unk_token", "<|endoftext|>"));
    t->bos = added_special(a, t, special_text(config, "bos_token", "<|endoftext|>"));
    t->eos = added_special(a, t, special_text(config, "eos_token", "<|endoftext|>"));
    t->pad = added_special(a, t, special_text(config, "pad_token", NULL));
    if (!added_lists(a, t, config, folder, e)) return NULL;
    affixes_from_config(t, config);
    added_done(a, t);
    return m;
}

// ----------------------------------------------------------------------------------------------- splitting

typedef enum { LETTER, DIGIT, SPACE, OTHER } Class;

static Class class_of(uint32_t cp)
{
    if (cp < 128) {
        bool letter = (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
        return letter ? LETTER : cp >= '0' && cp <= '9' ? DIGIT : is_white_space(cp) ? SPACE : OTHER;
    }
    if (is_white_space(cp)) return SPACE;
    utf8proc_category_t c = utf8proc_category((utf8proc_int32_t)cp);
    if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO) return LETTER;
    return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO ? DIGIT : OTHER;
}

// Bytes of the longest run of one class at the head of s; *last: bytes before its last character.
static size_t run_of(Str s, Class class, size_t *last)
{
    size_t n = 0;
    for (*last = 0; n < s.n;) {
        uint32_t cp;
        int w = utf8_decode(s.s + n, s.n - n, &cp, NULL);
        if (class_of(cp) != class) break;
        *last = n;
        n += (size_t)w;
    }
    return n;
}

// Bytes of the first match of the expression above; s is valid UTF-8 and not empty.
static size_t next_part(Str s)
{
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; s.s[0] == '\'' && i < sizeof endings / sizeof *endings; i++)
        if (str_starts(s, str_of(endings[i]))) return strlen(endings[i]);
    size_t last, space = s.s[0] == ' ' && s.n > 1;
    uint32_t cp;
    utf8_decode(s.s + space, s.n - space, &cp, NULL);
    Class class = class_of(cp);
    if (class != SPACE) return space + run_of((Str){s.s + space, s.n - space}, class, &last);
    size_t n = run_of(s, SPACE, &last); // \s+(?!\S): all but the last space if a word follows
    return n == s.n || last == 0 ? n : last;
}

static void encode_stretch(Arena *a, const Gpt2 *m, Str text, Merger *w, EncodingBuilder *out)
{
    if (m->prefix_space && text.s[0] != ' ') {
        Buf b = {.arena = a};
        buf_char(&b, ' ');
        buf_str(&b, text);
        text = buf_view(&b);
    }
    int32_t *ids = arena_new_raw(a, int32_t, text.n);
    for (size_t i = 0, n; i < text.n; i += n) {
        n = next_part((Str){text.s + i, text.n - i});
        size_t count = 0;
        for (size_t k = 0; k < n; k++)
            if (m->id[(uint8_t)text.s[i + k]] >= 0) ids[count++] = m->id[(uint8_t)text.s[i + k]];
        count = merge_ids(w, ids, count);
        for (size_t k = 0; k < count; k++) encoding_add(out, ids[k], m->vocab.text[ids[k]]);
    }
}

// ------------------------------------------------------------------------------------------------ the kind

static bool encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e)
{
    (void)e;
    const Gpt2 *m = t->state;
    EncodingBuilder b = {.arena = a};
    Merger w = {.arena = a, .merges = &m->merges};
    Cutter c = {.t = t, .text = text, .keep_text = o.keep_text};
    Str plain;
    encoding_affix(&b, t, o, t->before, t->n_before);
    for (const Added *token; cutter_next(&c, &plain, &token);) {
        if (plain.n) encode_stretch(a, m, plain, &w, &b);
        if (token) encoding_add(&b, token->id, token->text);
    }
    encoding_affix(&b, t, o, t->after, t->n_after);
    *out = b.out;
    return true;
}

// The bytes that a token's characters stand for; a token with any other character stands for itself.
static void put_bytes(const Gpt2 *m, Str token, Buf *out)
{
    size_t start = out->n;
    for (size_t i = 0, n; i < token.n; i += n) {
        uint32_t cp;
        n = (size_t)utf8_decode(token.s + i, token.n - i, &cp, NULL);
        if (n == 0 || cp >= sizeof m->byte / sizeof *m->byte || m->byte[cp] < 0) {
            out->n = start;
            buf_str(out, token);
            return;
        }
        buf_char(out, (char)m->byte[cp]);
    }
}

static bool decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e)
{
    const Gpt2 *m = t->state;
    Buf bytes = {.arena = a}, text = {.arena = a};
    for (size_t i = 0; i < n; i++) {
        if (o.skip_special && tok_is_special(t, ids[i])) continue;
        Str token = tok_string(t, ids[i]);
        if (!token.n)
            return err_set(e, "id %d is not in the vocabulary; ids are 0 to %zu", ids[i], t->size - 1);
        put_bytes(m, token, &bytes);
    }
    for (Str s = buf_view(&bytes); s.n;) { // what is no UTF-8 becomes one U+FFFD for each maximal subpart
        uint32_t cp;
        int bad = 1, w = utf8_decode(s.s, s.n, &cp, &bad);
        if (w) buf_put(&text, s.s, (size_t)w);
        else buf_str(&text, STR_LIT("\xEF\xBF\xBD"));
        s.s += w ? w : bad, s.n -= (size_t)(w ? w : bad);
    }
    *out = buf_view(&text);
    return true;
}

const TokKind tokkind_gpt2 = {
    .name = "gpt2",
    .class_name = "GPT2Tokenizer",
    .summary = "vocab.json and merges.txt, or tokenizer.json (GPT-2)",
    .never_cleans = true,
    .matches = matches,
    .open = open,
    .encode = encode,
    .decode = decode,
};
