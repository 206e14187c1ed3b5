// llama.c — LlamaTokenizer of transformers 5.23: merges over characters, bytes for what is unknown.
// tokenizer.json or tokenizer.model.
//
//   added tokens are cut out of the raw text; " " becomes U+2581; the stretch at the very start of the text
//   gets one in front unless it begins with one; a character that is no entry becomes its <0xXX> entries
//   BEFORE merging; merges by rank, over the whole stretch: there is no splitting at spaces
//
// If only tokenizer.model is there, transformers 5.23 orders the merges by the id of what they make (and then
// by the length of the left part), not by score: "a  b" is then split otherwise than by SentencePiece. We do
// as it does.
#include "kind.h"

#include <string.h>

typedef enum { NEVER, AT_START, ALWAYS } Prepend; // U+2581 in front of a stretch

typedef struct Llama {
    Vocab vocab;
    Merges merges;
    int32_t byte[256]; // ids of <0x00> ... <0xFF>, -1: not there
    Prepend prepend;
} Llama;

static bool matches(const char *folder, Str class, const char *model_type)
{
    if (class.n) return str_is(class, "LlamaTokenizer");
    return strcmp(model_type, "llama") == 0 || strcmp(model_type, "mistral") == 0 ||
           folder_has(folder, "tokenizer.model");
}

// All ways to cut a piece into two others, shortest left part first; called for the pieces by rising id.
// Counts only if m is NULL.
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

static bool read_model(Arena *a, Tokenizer *t, Llama *l, const char *path, Err *e)
{
    Str bytes;
    Sentencepiece *sp = arena_new(a, Sentencepiece, 1);
    if (!file_map(a, path, &bytes, e) || !spm_parse(a, bytes, path, sp, e)) return false;
    if (sp->type != BPE) return err_set(e, "%s: not a BPE model, as Llama's are", path);
    vocab_init(a, &l->vocab, sp->n);
    for (size_t i = 0; i < sp->n; i++) {
        const Piece *p = &sp->piece[i];
        vocab_add(&l->vocab, p->text, (int32_t)i);
        if (p->kind == CONTROL || p->kind == USER_DEFINED)
            added_put(a, t, (Added){.text = p->text, .id = (int32_t)i, .special = p->kind == CONTROL});
    }
    vocab_done(&l->vocab);
    size_t n = 0;
    for (size_t i = 0; i < sp->n; i++) n += splits(&l->vocab, sp->piece[i].text, (int32_t)i, NULL);
    merges_init(a, &l->merges, n);
    for (size_t i = 0; i < sp->n; i++) splits(&l->vocab, sp->piece[i].text, (int32_t)i, &l->merges);
    return true;
}

static void *open(Arena *a, Tokenizer *t, const char *folder, const Json *config, Err *e)
{
    Llama *m = arena_new(a, Llama, 1);
    bool json = folder_has(folder, "tokenizer.json") || !folder_has(folder, "tokenizer.model");
    const char *path = in_folder(a, folder, json ? "tokenizer.json" : "tokenizer.model");
    if (!(json ? bpe_json_read(a, t, path, true, &m->vocab, &m->merges, e) : read_model(a, t, m, path, e)))
        return NULL;
    for (unsigned b = 0; b < 256; b++) {
        static const char hex[] = "0123456789ABCDEF";
        char text[6] = {'<', '0', 'x', hex[b >> 4], hex[b & 15], '>'};
        m->byte[b] = vocab_id(&m->vocab, (Str){text, 6});
    }
    bool prefix = json_flag(config, "add_prefix_space", true), legacy = json_flag(config, "legacy", false);
    m->prepend = !prefix ? NEVER : legacy ? ALWAYS : AT_START;
    t->ids = t->strings = &m->vocab;
    if (!added_from_config(a, t, config, true, folder, e)) return NULL;
    added_sizes(t);
    t->unk = added_special(a, t, special_text(config, "unk_token", "<unk>"));
    t->bos = added_special(a, t, special_text(config, "bos_token", "<s>"));
    t->eos = added_special(a, t, special_text(config, "eos_token", "</s>"));
    t->pad = added_special(a, t, special_text(config, "pad_token", NULL));
    if (!added_lists(a, t, config, folder, e)) return NULL;
    affixes_from_config(t, config);
    added_done(a, t);
    return m;
}

// ------------------------------------------------------------------------------------------------ encoding

// The ids of one character: its own, those of its bytes, or the unknown token's; returns how many.
static size_t character_ids(const Tokenizer *t, const Llama *m, Str c, int32_t *ids)
{
    ids[0] = vocab_id(&m->vocab, c);
    if (ids[0] >= 0) return 1;
    for (size_t k = 0; k < c.n; k++)
        if ((ids[k] = m->byte[(uint8_t)c.s[k]]) < 0) {
            ids[0] = t->unk;
            return t->unk >= 0;
        }
    return c.n;
}

static void encode_stretch(Arena *a, const Tokenizer *t, Str text, bool at_start, Merger *w,
                           EncodingBuilder *out)
{
    const Llama *m = t->state;
    Str mark = STR_LIT(SPACE_MARK);
    int32_t *ids = arena_new_raw(a, int32_t, 3 * (text.n + 1)); // a mark without an entry is three bytes
    size_t n = 0;
    bool marked = text.s[0] == ' ' || str_starts(text, mark);
    if (!marked && (m->prepend == ALWAYS || (m->prepend == AT_START && at_start)))
        n = character_ids(t, m, mark, ids);
    for (size_t i = 0, step; i < text.n; i += step) {
        step = char_width(text.s[i], text.n - i);
        n += character_ids(t, m, text.s[i] == ' ' ? mark : (Str){text.s + i, step}, ids + n);
    }
    n = merge_ids(w, ids, n);
    for (size_t k = 0; k < n; k++) encoding_add(out, ids[k], tok_string(t, ids[k]));
}

static bool encode(Arena *a, const Tokenizer *t, Str text, TokOptions o, Encoding *out, Err *e)
{
    (void)e;
    const Llama *m = t->state;
    EncodingBuilder b = {.arena = a};
    Merger w = {.arena = a, .merges = &m->merges};
    Cutter c = {.t = t, .text = text, .keep_text = o.keep_text};
    Str plain;
    encoding_affix(&b, t, o, t->before, t->n_before);
    for (const Added *token; cutter_next(&c, &plain, &token);) {
        if (plain.n) encode_stretch(a, t, plain, plain.s == text.s, &w, &b);
        if (token) encoding_add(&b, token->id, token->text);
    }
    encoding_affix(&b, t, o, t->after, t->n_after);
    *out = b.out;
    return true;
}

// ------------------------------------------------------------------------------------------------ decoding

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static int byte_of(Str s) // "<0x0A>" -> 10, else -1
{
    if (s.n != 6 || memcmp(s.s, "<0x", 3) != 0 || s.s[5] != '>') return -1;
    int high = hex_digit(s.s[3]), low = hex_digit(s.s[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// A run of byte tokens is text if all of it is UTF-8, else one U+FFFD for EACH byte.
static void flush(Buf *run, Buf *text)
{
    bool valid = utf8_valid(buf_view(run), NULL);
    for (size_t i = 0; !valid && i < run->n; i++) buf_str(text, STR_LIT("\xEF\xBF\xBD"));
    if (valid) buf_str(text, buf_view(run));
    run->n = 0;
}

static bool decode(Arena *a, const Tokenizer *t, const int32_t *ids, size_t n, TokDecode o, Str *out, Err *e)
{
    const Llama *m = t->state;
    Buf run = {.arena = a}, text = {.arena = a};
    for (size_t i = 0; i < n; i++) {
        if (o.skip_special && tok_is_special(t, ids[i])) continue;
        Str token = tok_string(t, ids[i]);
        if (!token.n)
            return err_set(e, "id %d is not in the vocabulary; ids are 0 to %zu", ids[i], t->size - 1);
        int byte = byte_of(token);
        if (byte >= 0) buf_char(&run, (char)byte);
        else {
            flush(&run, &text);
            buf_str(&text, replace_all(a, token, STR_LIT(SPACE_MARK), STR_LIT(" ")));
        }
    }
    flush(&run, &text);
    *out = buf_view(&text);
    if (m->prepend != NEVER && str_starts(*out, STR_LIT(" "))) out->s++, out->n--;
    return true;
}

const TokKind tokkind_llama = {
    .name = "llama",
    .class_name = "LlamaTokenizer",
    .summary = "tokenizer.json or tokenizer.model (Llama)",
    .never_cleans = true,
    .matches = matches,
    .open = open,
    .encode = encode,
    .decode = decode,
};
