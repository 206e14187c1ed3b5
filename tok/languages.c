// SPDX-License-Identifier: Apache-2.0
// languages.c — the languages of multilingual tokenizers: which tokens stand for them, and what people call them.
//
// A language is a special token like nl_XX (mBART), nld_Latn (NLLB) or __nl__ (M2M-100), or one of vocab.json like >>nld<<
// (Marian). They are in the folder, so only names are listed here: ISO 639-1 codes (or what mBART and M2M-100 have for
// one), ISO 639-3 codes (NLLB's first), English names.
#include "kind.h"

#include <string.h>

typedef struct Name {
    const char *two, *three, *english; // three: between spaces
} Name;

// clang-format off
static const Name names[] = {
    {"af", "afr", "Afrikaans"},
    {"am", "amh", "Amharic"},
    {"ar", "arb ara", "Arabic"},
    {"ast", "ast", "Asturian"},
    {"az", "azj aze", "Azerbaijani"},
    {"ba", "bak", "Bashkir"},
    {"be", "bel", "Belarusian"},
    {"bg", "bul", "Bulgarian"},
    {"bn", "ben", "Bengali"},
    {"br", "bre", "Breton"},
    {"bs", "bos", "Bosnian"},
    {"ca", "cat", "Catalan"},
    {"ceb", "ceb", "Cebuano"},
    {"cs", "ces", "Czech"},
    {"cy", "cym", "Welsh"},
    {"da", "dan", "Danish"},
    {"de", "deu", "German"},
    {"el", "ell", "Greek"},
    {"en", "eng", "English"},
    {"es", "spa", "Spanish"},
    {"et", "est", "Estonian"},
    {"fa", "pes fas", "Persian"},
    {"ff", "fuv ful", "Fulah"},
    {"fi", "fin", "Finnish"},
    {"fr", "fra", "French"},
    {"fy", "fry", "Frisian"},
    {"ga", "gle", "Irish"},
    {"gd", "gla", "Scottish Gaelic"},
    {"gl", "glg", "Galician"},
    {"gu", "guj", "Gujarati"},
    {"ha", "hau", "Hausa"},
    {"he", "heb", "Hebrew"},
    {"hi", "hin", "Hindi"},
    {"hr", "hrv", "Croatian"},
    {"ht", "hat", "Haitian Creole"},
    {"hu", "hun", "Hungarian"},
    {"hy", "hye", "Armenian"},
    {"id", "ind", "Indonesian"},
    {"ig", "ibo", "Igbo"},
    {"ilo", "ilo", "Ilocano"},
    {"is", "isl", "Icelandic"},
    {"it", "ita", "Italian"},
    {"ja", "jpn", "Japanese"},
    {"jv", "jav", "Javanese"},
    {"ka", "kat", "Georgian"},
    {"kk", "kaz", "Kazakh"},
    {"km", "khm", "Khmer"},
    {"kn", "kan", "Kannada"},
    {"ko", "kor", "Korean"},
    {"lb", "ltz", "Luxembourgish"},
    {"lg", "lug", "Ganda"},
    {"ln", "lin", "Lingala"},
    {"lo", "lao", "Lao"},
    {"lt", "lit", "Lithuanian"},
    {"lv", "lvs lav", "Latvian"},
    {"mg", "plt mlg", "Malagasy"},
    {"mk", "mkd", "Macedonian"},
    {"ml", "mal", "Malayalam"},
    {"mn", "khk mon", "Mongolian"},
    {"mr", "mar", "Marathi"},
    {"ms", "zsm msa", "Malay"},
    {"my", "mya", "Burmese"},
    {"ne", "npi nep", "Nepali"},
    {"nl", "nld", "Dutch"},
    {"no", "nor", "Norwegian"},
    {"nb", "nob", "Norwegian Bokmal"},
    {"nn", "nno", "Norwegian Nynorsk"},
    {"ns", "nso", "Northern Sotho"},
    {"oc", "oci", "Occitan"},
    {"or", "ory ori", "Odia"},
    {"pa", "pan", "Punjabi"},
    {"pl", "pol", "Polish"},
    {"ps", "pbt pus", "Pashto"},
    {"pt", "por", "Portuguese"},
    {"ro", "ron", "Romanian"},
    {"ru", "rus", "Russian"},
    {"sd", "snd", "Sindhi"},
    {"si", "sin", "Sinhala"},
    {"sk", "slk", "Slovak"},
    {"sl", "slv", "Slovenian"},
    {"so", "som", "Somali"},
    {"sq", "als sqi", "Albanian"},
    {"sr", "srp", "Serbian"},
    {"ss", "ssw", "Swati"},
    {"su", "sun", "Sundanese"},
    {"sv", "swe", "Swedish"},
    {"sw", "swh swa", "Swahili"},
    {"ta", "tam", "Tamil"},
    {"te", "tel", "Telugu"},
    {"th", "tha", "Thai"},
    {"tl", "tgl", "Tagalog"},
    {"tn", "tsn", "Tswana"},
    {"tr", "tur", "Turkish"},
    {"uk", "ukr", "Ukrainian"},
    {"ur", "urd", "Urdu"},
    {"uz", "uzn uzb", "Uzbek"},
    {"vi", "vie", "Vietnamese"},
    {"wo", "wol", "Wolof"},
    {"xh", "xho", "Xhosa"},
    {"yi", "ydd yid", "Yiddish"},
    {"yo", "yor", "Yoruba"},
    {"zh", "zho cmn", "Chinese"},
    {"zu", "zul", "Zulu"},
    {"", "ace", "Acehnese"},
    {"", "acm", "Mesopotamian Arabic"},
    {"", "acq", "Ta'izzi-Adeni Arabic"},
    {"", "aeb", "Tunisian Arabic"},
    {"", "ajp", "South Levantine Arabic"},
    {"ak", "aka", "Akan"},
    {"", "apc", "North Levantine Arabic"},
    {"", "ars", "Najdi Arabic"},
    {"", "ary", "Moroccan Arabic"},
    {"", "arz", "Egyptian Arabic"},
    {"as", "asm", "Assamese"},
    {"", "awa", "Awadhi"},
    {"ay", "ayr aym", "Aymara"},
    {"", "azb", "South Azerbaijani"},
    {"bm", "bam", "Bambara"},
    {"", "ban", "Balinese"},
    {"", "bem", "Bemba"},
    {"", "bho", "Bhojpuri"},
    {"", "bjn", "Banjar"},
    {"bo", "bod", "Tibetan"},
    {"", "bug", "Buginese"},
    {"", "cjk", "Chokwe"},
    {"", "ckb", "Central Kurdish"},
    {"", "crh", "Crimean Tatar"},
    {"", "dik", "Dinka"},
    {"", "dyu", "Dyula"},
    {"dz", "dzo", "Dzongkha"},
    {"eo", "epo", "Esperanto"},
    {"eu", "eus", "Basque"},
    {"ee", "ewe", "Ewe"},
    {"fo", "fao", "Faroese"},
    {"fj", "fij", "Fijian"},
    {"", "fon", "Fon"},
    {"", "fur", "Friulian"},
    {"gn", "grn", "Guarani"},
    {"", "hne", "Chhattisgarhi"},
    {"", "kab", "Kabyle"},
    {"", "kac", "Jingpho"},
    {"", "kam", "Kamba"},
    {"ks", "kas", "Kashmiri"},
    {"kr", "knc kau", "Kanuri"},
    {"", "kbp", "Kabiye"},
    {"", "kea", "Kabuverdianu"},
    {"ki", "kik", "Kikuyu"},
    {"rw", "kin", "Kinyarwanda"},
    {"ky", "kir", "Kyrgyz"},
    {"", "kmb", "Kimbundu"},
    {"kg", "kon", "Kikongo"},
    {"ku", "kmr kur", "Northern Kurdish"},
    {"", "lij", "Ligurian"},
    {"li", "lim", "Limburgish"},
    {"", "lmo", "Lombard"},
    {"", "ltg", "Latgalian"},
    {"lu", "lua", "Luba-Kasai"},
    {"", "luo", "Luo"},
    {"", "lus", "Mizo"},
    {"", "mag", "Magahi"},
    {"", "mai", "Maithili"},
    {"", "min", "Minangkabau"},
    {"mt", "mlt", "Maltese"},
    {"", "mni", "Meitei"},
    {"", "mos", "Mossi"},
    {"mi", "mri", "Maori"},
    {"", "nus", "Nuer"},
    {"ny", "nya", "Chewa"},
    {"om", "gaz orm", "Oromo"},
    {"", "pag", "Pangasinan"},
    {"", "pap", "Papiamento"},
    {"", "prs", "Dari"},
    {"qu", "quy que", "Quechua"},
    {"rn", "run", "Rundi"},
    {"sg", "sag", "Sango"},
    {"sa", "san", "Sanskrit"},
    {"", "sat", "Santali"},
    {"", "scn", "Sicilian"},
    {"", "shn", "Shan"},
    {"sm", "smo", "Samoan"},
    {"sn", "sna", "Shona"},
    {"st", "sot", "Southern Sotho"},
    {"sc", "srd", "Sardinian"},
    {"", "szl", "Silesian"},
    {"tt", "tat", "Tatar"},
    {"tg", "tgk", "Tajik"},
    {"ti", "tir", "Tigrinya"},
    {"", "taq", "Tamasheq"},
    {"", "tpi", "Tok Pisin"},
    {"ts", "tso", "Tsonga"},
    {"tk", "tuk", "Turkmen"},
    {"", "tum", "Tumbuka"},
    {"tw", "twi", "Twi"},
    {"", "tzm", "Central Atlas Tamazight"},
    {"ug", "uig", "Uyghur"},
    {"", "umb", "Umbundu"},
    {"", "vec", "Venetian"},
    {"", "war", "Waray"},
    {"", "yue", "Cantonese"},
};
// clang-format on
enum { N_NAMES = sizeof names / sizeof *names, LONGEST = 40, MOST_NEAR = 3, MOST_TOLD = 6 };

// ------------------------------------------------------------------------------------------------- comparing

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    return c == '-' || c == ' ' ? '_' : c;
}

static bool same(Str a, Str b)
{
    if (a.n != b.n) return false;
    for (size_t i = 0; i < a.n; i++)
        if (fold(a.s[i]) != fold(b.s[i])) return false;
    return true;
}

static Str code_of(Str token)
{
    bool marked = token.n > 4 && ((str_starts(token, STR_LIT("__")) && str_ends(token, STR_LIT("__"))) ||
                                  (str_starts(token, STR_LIT(">>")) && str_ends(token, STR_LIT("<<"))));
    return marked ? (Str){token.s + 2, token.n - 4} : token;
}

static Str base_of(Str code) // "nld" of "nld_Latn"
{
    size_t n = 0;
    while (n < code.n && code.s[n] != '_' && code.s[n] != '-') n++;
    return (Str){code.s, n};
}

// What a language is written in, where a code or people tell it apart: zho_Hans and zh_CN are simplified Chinese.
typedef struct Script {
    const char *code, *regions, *word;
} Script;
static const Script scripts[] = {{"Hans", "CN SG", "simplified"}, {"Hant", "TW HK MO", "traditional"},
                                 {"Latn", "", "latin"},           {"Cyrl", "", "cyrillic"},
                                 {"Arab", "", "arabic"},          {"Deva", "", "devanagari"},
                                 {"Beng", "", "bengali"},         {"Tfng", "", "tifinagh"}};
enum { N_SCRIPTS = sizeof scripts / sizeof *scripts };

static bool among(Str word, const char *words) // of those between spaces
{
    for (const char *s = words; *s;) {
        size_t n = strcspn(s, " ");
        if (n && same(word, (Str){s, n})) return true;
        s += n + (s[n] == ' ');
    }
    return false;
}

static bool is_for(const Name *name, Str base)
{
    return same(base, str_of(name->two)) || among(base, name->three);
}

static const Script *script_of(Str code) // NULL: the code doesn't say
{
    Str base = base_of(code), rest = {code.s + base.n, code.n - base.n};
    if (rest.n < 3) return NULL;
    rest = (Str){rest.s + 1, rest.n - 1};
    for (size_t i = 0; i < N_SCRIPTS; i++)
        if (same(rest, str_of(scripts[i].code)) || among(rest, scripts[i].regions)) return &scripts[i];
    return NULL;
}

// "Chinese" of "Simplified Chinese", "Chinese (simplified)", "Chinese (Hans)".
static Str without_script(Str word, const Script **out)
{
    for (size_t i = 0; i < N_SCRIPTS; i++) {
        Str by = str_of(scripts[i].word), code = str_of(scripts[i].code);
        if (word.n > by.n + 1 && same((Str){word.s, by.n}, by) && fold(word.s[by.n]) == '_')
            return *out = &scripts[i], (Str){word.s + by.n + 1, word.n - by.n - 1};
        for (int k = 0; k < 2; k++, by = code) {
            size_t behind = by.n + 3; // " (" and ")"
            if (word.n <= behind || word.s[word.n - 1] != ')') continue;
            Str end = {word.s + word.n - behind, behind};
            if (fold(end.s[0]) == '_' && end.s[1] == '(' && same((Str){end.s + 2, by.n}, by))
                return *out = &scripts[i], (Str){word.s, word.n - behind};
        }
    }
    return word;
}

// "Haitian" of "Haitian Creole": whole words of a name of several, five letters or more.
static bool is_part(Str word, Str name)
{
    for (size_t i = 0; word.n >= 5 && i + word.n <= name.n; i++) {
        bool begins = !i || name.s[i - 1] == ' ', ends = i + word.n == name.n || name.s[i + word.n] == ' ';
        if (begins && ends && same((Str){name.s + i, word.n}, word)) return true;
    }
    return false;
}

// ------------------------------------------------------------------------------------------------- finding them

static bool letters(Str s, char low, char high)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] < low || s.s[i] > high) return false;
    return true;
}

static bool is_language(Tags tags, Str s)
{
    Str code = code_of(s), base = base_of(code), rest = {code.s + base.n, code.n - base.n};
    if (s.n > LONGEST || !code.n) return false;
    if (tags == TAGS_OF_TARGET) return code.n < s.n && s.s[0] == '>' && !memchr(code.s, ' ', code.n);
    if (base.n < 2 || base.n > 3 || !letters(base, 'a', 'z')) return false;
    if (s.s[0] == '_') return code.n < s.n && !rest.n;
    if (rest.n == 3) return letters((Str){rest.s + 1, 2}, 'A', 'Z');
    return rest.n == 5 && letters((Str){rest.s + 1, 1}, 'A', 'Z') && letters((Str){rest.s + 2, 3}, 'a', 'z');
}

static void find(Arena *a, Tokenizer *t)
{
    bool listed = t->tags != TAGS_OF_TARGET; // among the added tokens, which by_id has in order
    size_t most = listed ? t->n_added : t->ids->n;
    for (int pass = 0; pass < 2; pass++) { // counted, then written
        size_t n = 0;
        for (size_t i = 0; i < most; i++) {
            const Added *added = listed ? &t->added[t->by_id[i]] : NULL;
            Str text = listed ? added->text : t->ids->text[i];
            if (!text.s || (listed && !added->special) || !is_language(t->tags, text)) continue;
            if (pass) t->languages[n] = listed ? added->id : (int32_t)i;
            n++;
        }
        if (!pass) t->languages = arena_new(a, int32_t, n), t->n_languages = n;
    }
}

bool languages_open(Arena *a, Tokenizer *t, const Json *config, const char *folder, Err *e)
{
    static const char *const key[] = {"src_lang", "tgt_lang"};
    if (t->tags == TAGS_NONE) return true;
    find(a, t);
    for (int side = 0; side < 2 && t->tags != TAGS_OF_TARGET; side++) {
        const Json *j = config ? json_get(config, key[side]) : NULL;
        Err own = {0};
        if (j && j->kind == J_STRING && !tok_set_language(a, t, (TokSide)side, j->text, &own))
            return err_set(e, "%s/tokenizer_config.json: %s: %s", folder, key[side], own.text);
    }
    if (t->language[0] < 0 && t->usual_source) t->language[0] = tok_id(t, str_of(t->usual_source));
    return true;
}

size_t tok_languages(const Tokenizer *t, const int32_t **ids) { return *ids = t->languages, t->n_languages; }
Str tok_language_code(const Tokenizer *t, int32_t id) { return code_of(tok_source_string(t, id)); }
int32_t tok_language(const Tokenizer *t, TokSide side) { return t->language[side]; }

bool tok_forces_language(const Tokenizer *t) // mBART's first models begin with it by decoder_start_token_id
{
    return t->tags == TAGS_FIRST || (t->tags == TAGS_LAST && strcmp(t->class_name, "MBartTokenizer") != 0);
}

bool tok_put_language(Tokenizer *t, TokSide side, int32_t id)
{
    bool known = false;
    for (size_t i = 0; i < t->n_languages; i++) known |= t->languages[i] == id;
    if (known) t->language[side] = id, t->language_stated[side] = true;
    return known;
}

bool tok_needs_source(const Tokenizer *t)
{
    return (t->tags == TAGS_FIRST || t->tags == TAGS_LAST) && t->n_languages &&
           !t->language_stated[TOK_SOURCE];
}

bool tok_needs_target(const Tokenizer *t)
{
    return (t->tags == TAGS_FIRST || t->tags == TAGS_LAST) && t->n_languages && t->language[TOK_TARGET] < 0;
}

const char *tok_language_name(const Tokenizer *t, int32_t id)
{
    Str base = base_of(tok_language_code(t, id));
    for (size_t i = 0; i < N_NAMES; i++)
        if (is_for(&names[i], base)) return names[i].english;
    return NULL;
}

// ------------------------------------------------------------------------------------------------- naming one

// How well a word names a language: 4 its code, 3 the code without region or script, 2 another code or its name, 1 a part of
// its name. What is written in another script is another language.
static int fits(const Tokenizer *t, int32_t id, Str word)
{
    Str code = tok_language_code(t, id), base = base_of(code);
    const Script *asked = NULL, *own = script_of(code);
    if (same(word, code) || same(word, tok_source_string(t, id))) return 4;
    if (same(word, base)) return 3;
    word = without_script(code_of(word), &asked);
    if (!asked) asked = script_of(word);
    if (asked && own && asked != own) return 0;
    int how = 0;
    for (size_t i = 0; i < N_NAMES; i++) {
        if (!is_for(&names[i], base)) continue;
        if (same(word, str_of(names[i].english)) || is_for(&names[i], base_of(word))) return 2;
        if (is_part(word, str_of(names[i].english))) how = 1;
    }
    return how;
}

static size_t distance(Str a, Str b) // letters to change, in any case
{
    char x[LONGEST], y[LONGEST];
    if (a.n > LONGEST || b.n > LONGEST) return LONGEST;
    for (size_t i = 0; i < a.n; i++) x[i] = fold(a.s[i]);
    for (size_t i = 0; i < b.n; i++) y[i] = fold(b.s[i]);
    return str_distance((Str){x, a.n}, (Str){y, b.n}, LONGEST);
}

static void put_language(Buf *b, const Tokenizer *t, int32_t id)
{
    Str code = tok_language_code(t, id);
    const char *name = tok_language_name(t, id);
    buf_printf(b, "%s%.*s", b->n ? ", " : "", (int)code.n, code.s);
    if (!name) return;
    const Script *script = script_of(code);
    bool chinese = script && *script->regions;
    buf_printf(b, " (%s%s%s)", name, chinese ? ", " : "", chinese ? script->word : "");
}

static bool same_language(Str base, Str other)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (is_for(&names[i], base) && is_for(&names[i], other)) return true;
    return same(base, other);
}

static const char *nearest(Arena *a, const Tokenizer *t, Str word)
{
    Buf b = {.arena = a};
    bool *taken = arena_new(a, bool, t->n_languages);
    for (int k = 0; k < MOST_NEAR && k < (int)t->n_languages; k++) {
        size_t best = 0, least = SIZE_MAX;
        for (size_t i = 0; i < t->n_languages; i++) {
            Str code = tok_language_code(t, t->languages[i]);
            const char *name = tok_language_name(t, t->languages[i]);
            size_t d = distance(word, code), other = distance(word, base_of(code));
            if (other < d) d = other;
            if (name && (other = distance(word, str_of(name))) < d) d = other;
            if (same_language(base_of(word), base_of(code))) d = 0; // in another script
            if (!taken[i] && d < least) least = d, best = i;
        }
        taken[best] = true;
        put_language(&b, t, t->languages[best]);
    }
    return b.s;
}

bool tok_set_language(Arena *a, Tokenizer *t, TokSide side, Str name, Err *e)
{
    Buf several = {.arena = a};
    size_t n = 0;
    int32_t found = -1;
    int best = 0, shown = (int)(name.n < LONGEST ? name.n : LONGEST);
    if (!t->n_languages) return err_set(e, "this tokenizer knows no languages");
    for (size_t i = 0; i < t->n_languages; i++) {
        int how = fits(t, t->languages[i], name);
        if (how > best) best = how, n = 0, several.n = 0;
        if (!how || how < best) continue;
        found = t->languages[i];
        if (n++ < MOST_TOLD) put_language(&several, t, found);
    }
    if (n > 1) return err_set(e, "\"%.*s\" may be %s: say which by its code", shown, name.s, several.s);
    if (!n)
        return err_set(
            e, "\"%.*s\" is none of this model's %zu languages; near are %s ('inseq info' lists them)", shown,
            name.s, t->n_languages, nearest(a, t, name));
    t->language[side] = found, t->language_stated[side] = true;
    return true;
}
