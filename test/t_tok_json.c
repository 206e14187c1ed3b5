// SPDX-License-Identifier: Apache-2.0
// t_tok_json.c — tokenizer.json: pipelines of all kinds against the tokenizers library, offsets, refusals, hostile files.
#include "../tok/pipeline.h"
#include "kit.h"

#include <time.h>
static const char small[] = // every kind of member, in the order in which such files have them
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[{\"id\":4,\"content\":\"<s>"
    "\",\"single_word\":false,"
    "\"lstrip\":false,\"rstrip\":true,\"normalized\":false,\"special\":true}],\"normalizer\":{\"type\":"
    "\"Sequence\",\"normalizers\":["
    "{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x{2,}\"},\"content\":\"a\"},{\"type\":"
    "\"Strip\",\"strip_left\":true,"
    "\"strip_right\":false},{\"type\":\"Prepend\",\"prepend\":\"a\"}]},\"pre_tokenizer\":{\"type\":"
    "\"Sequence\",\"pretokenizers\":[{\"type\":"
    "\"Split\",\"pattern\":{\"Regex\":\"\\\\s+(?!\\\\S)|[^\\\\p{L}a-c]?\\\\p{L}+\"},\"behavior\":"
    "\"Isolated\",\"invert\":false},{\"type\":"
    "\"Digits\",\"individual_digits\":true},{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"},{\"type\":"
    "\"Metaspace\",\"replacement\":"
    "\"_\",\"prepend_scheme\":\"first\",\"split\":true},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
    "\"trim_offsets\":true,"
    "\"use_regex\":true}]},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
    "{\"id\":\"<s>\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\","
    "\"ids\":[4],\"tokens\":[\"<s>\"]}}},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteLevel\"},{\"type\":\"Replace\","
    "\"pattern\":{\"String\":\"_\"},"
    "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" "
    "\",\"start\":1,\"stop\":0},{\"type\":"
    "\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\"}]},\"model\":{\"type\":\"BPE\","
    "\"dropout\":null,\"unk_token\":\"b\","
    "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":\"\",\"fuse_unk\":false,\"byte_fallback\":"
    "true,\"ignore_merges\":true,"
    "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\\u0120\":3},\"merges\":[\"a b\",[\"a\",\"b\"]]}}";

static const Tokenizer *open_text(Arena *A, Str text, Err *e)
{
    const char *folder = kit_folder(A);
    kit_write(folder, "tokenizer.json", text);
    return tok_open(A, folder, e);
}

extern const TokKind tokkind_pretrained;

// The same without a file; a copy of its own, so that a sanitizer sees a read past its end.
static const Tokenizer *open_memory(Arena *a, Str text, Err *e)
{
    char *exact = arena_new_raw(a, char, text.n);
    memcpy(exact, text.s, text.n);
    Tokenizer *t = arena_new(a, Tokenizer, 1);
    Pipeline *p = arena_new(a, Pipeline, 1);
    *t = (Tokenizer){.kind = &tokkind_pretrained, .state = p, .ids = &p->vocab, .strings = &p->vocab};
    if (!pipeline_json(a, t, p, "tokenizer.json", (Str){exact, text.n}, true, e)) return NULL;
    added_sizes(t);
    return pipeline_done(a, t, p, e) ? t : NULL;
}

// Whatever opens must encode anything or say why not, and decode what it encodes.
static void use(Arena *A, const Tokenizer *t)
{
    static const char *const texts[] = {"", " ", "ab <s>  abxx1.2\xC2\xBD\n\n \xE3\x81\x93!",
                                        "<s><s>a\xCC\x81", "xxx ...  \xE2\x96\x81"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Err e = {0};
        Encoding x;
        Str out, text = str_of(texts[i]);
        bool ok = tok_encode(A, t, text, (TokOptions){.keep_text = i % 2}, &x, &e);
        if (ok == e.set) FAIL("an error without words, or words without an error: '%s'", e.text);
        for (size_t k = 0; ok && k < x.n; k++) {
            CHECK(tok_string(t, x.ids[k]).n > 0);
            CHECK(x.span[k].from <= x.span[k].to && x.span[k].to <= text.n &&
                  (!k || x.span[k - 1].from <= x.span[k].from));
        }
        if (ok && !tok_decode(A, t, x.ids, x.n, (TokDecode){.skip_special = i % 2}, &out, &e))
            FAIL("%s", e.text);
    }
}

// ------------------------------------------------------------------------------------------------- the library

TEST(tokjson_pipelines)
{
    Err e = {0};
    Str file = {"", 0};
    CHECK(file_read(A, "test/golden/tokenizers/cases/pipelines.jsonl", 1 << 28, &file, &e));
    int pipelines = 0;
    for (size_t at = 0, n; at < file.n; at += n + 1, pipelines++) {
        const char *end = memchr(file.s + at, '\n', file.n - at);
        n = end ? (size_t)(end - file.s) - at : file.n - at;
        Arena *a = arena_create(A);
        const Json *v = json_parse(a, (Str){file.s + at, n}, "pipelines.jsonl", &e);
        const char *folder = kit_folder(a);
        kit_write(folder, "tokenizer.json", json_get(v, "tokenizer")->text);
        const Tokenizer *t = tok_open(a, folder, &e);
        if (!t) FAIL("%s: %s", str_zero(a, json_get(v, "name")->text), e.text);
        for (const Json *l = t ? json_get(v, "lines")->child : NULL; l; l = l->next) {
            Buf out = {.arena = a};
            if (!tok_jsonl(a, NULL, t, l->text, &out, &e)) FAIL("%s", e.text);
            if (!str_eq(buf_view(&out), l->text))
                FAIL("%s:\n  expected %s\n  got      %s", str_zero(a, json_get(v, "name")->text),
                     str_zero(a, l->text), out.s);
            test_count(1);
        }
        arena_free(a);
    }
    CHECK_INT(pipelines, 35);
}

// ----------------------------------------------------------------------------------------------------- offsets

static void check_spans(Arena *A, const char *folder, const char *text, const char *want)
{
    Err e = {0};
    Encoding x;
    Buf got = {.arena = A};
    const Tokenizer *t = tok_open(A, folder, &e);
    if (!t || !tok_encode(A, t, str_of(text), (TokOptions){0}, &x, &e)) {
        FAIL("%s", e.text);
        return;
    }
    for (size_t i = 0; i < x.n; i++)
        buf_printf(&got, "%s%s%u-%u", i ? " " : "", x.span[i].begins ? "*" : "", x.span[i].from,
                   x.span[i].to);
    CHECK_STR(buf_view(&got), str_of(want));
}

TEST(tokjson_spans)
{
#define MINI "test/golden/tokenizers/models/"
    // a start token stands for nothing; a run of blanks that is a token; parts of a character
    check_spans(A, MINI "llama3-mini", "The end.", "*0-0 *0-3 *3-5 5-7 *7-8");
    check_spans(A, MINI "gpt-neox-mini", "a   e\xCC\x81", "*0-1 *1-4 *4-7 4-7");
    check_spans(A, MINI "metaspace-mini", "a \xF0\x9F\x98\x80", "*0-0 *0-1 *1-2 2-3 3-4 4-5 5-6");
    check_spans(A, MINI "o200k-mini", "x<|end|> \n y", "*0-1 *1-11 *11-12");

    static const struct {
        const char *folder, *prompt, *all;
        size_t inside;
    } cases[] = {
        {"test/golden/models/gpt2-tiny", "The nurse ", "The nurse lost", 0},
        {"test/golden/models/llama3-tiny", "The nurse", "The nurse lost", 0},
        {"test/golden/models/mistral-tiny", "The nurse", "The nurse lost", 0},
        {"test/golden/models/llama3-tiny", "", "The nurse lost", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        Encoding all, prompt;
        const Tokenizer *t = tok_open(A, cases[i].folder, &e);
        if (!t || !tok_encode(A, t, str_of(cases[i].all), (TokOptions){0}, &all, &e) ||
            !tok_encode(A, t, str_of(cases[i].prompt), (TokOptions){0}, &prompt, &e)) {
            FAIL("%s", e.text);
            continue;
        }
        // a blank at the prompt's end belongs to the next word: the prompt alone has one token more
        size_t blank = i == 0, inside = tok_inside(&all, strlen(cases[i].prompt));
        CHECK_INT(inside, prompt.n - blank);
        if (cases[i].inside) CHECK_INT(inside, cases[i].inside);
        for (size_t k = 0; k < inside; k++) CHECK_INT(all.ids[k], prompt.ids[k]);
    }
}

TEST(tokjson_special_ids)
{
    static const struct {
        const char *name;
        int32_t unk, bos, eos, pad;
        size_t before;
    } cases[] = {{"gpt2-tiny", 599, 599, 599, -1, 0}, {"llama3-tiny", -1, 383, 384, -1, 1},
                 {"qwen2-tiny", -1, -1, 380, 380, 0}, {"opt-tiny", 2, 2, 2, 1, 1},
                 {"bloom-tiny", 0, 1, 2, 3, 0},       {"gemma2-tiny", 3, 2, 1, 0, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        size_t n;
        const Tokenizer *t = tok_open(A, arena_printf(A, "test/golden/models/%s", cases[i].name), &e);
        if (!t) {
            FAIL("%s", e.text);
            continue;
        }
        CHECK_INT(tok_unk(t), cases[i].unk);
        CHECK_INT(tok_bos(t), cases[i].bos);
        CHECK_INT(tok_eos(t), cases[i].eos);
        CHECK_INT(tok_pad(t), cases[i].pad);
        const int32_t *before = tok_before(t, &n);
        CHECK_INT(n, cases[i].before);
        if (n) CHECK_INT(before[0], tok_bos(t));
        Encoding x; // typed text stays text
        CHECK(tok_encode(A, t, str_of("a<s><|endoftext|><bos><|begin_of_text|>"),
                         (TokOptions){.keep_text = true, .plain = true}, &x, &e));
        for (size_t k = 0; k < x.n; k++) CHECK(!tok_is_special(t, x.ids[k]));
    }
}

// ------------------------------------------------------------------------------------------ refusals, hostile files

// The small file with one stretch of it changed.
static Str changed(Arena *A, const char *old, const char *new)
{
    const char *p = strstr(small, old);
    if (!p) BUG("the small file has no '%s'", old);
    return str_of(arena_printf(A, "%.*s%s%s", (int)(p - small), small, new, p + strlen(old)));
}

TEST(tokjson_refused)
{
    static const struct {
        const char *old, *new, *words;
    } cases[] = {
        {"\"BPE\"", "\"WordPiece\"", "type WordPiece is not known here"},
        {"\"BPE\"", "\"WordLevel\"", "type WordLevel is not known here"},
        {"\"BPE\"", "\"Unigram\"", "type Unigram is not known here"},
        {"\"dropout\":null", "\"dropout\":0.1", "model.dropout"},
        {"\"continuing_subword_prefix\":null", "\"continuing_subword_prefix\":\"##\"",
         "continuing_subword_prefix '##'"},
        {"\"end_of_word_suffix\":\"\"", "\"end_of_word_suffix\":\"</w>\"", "end_of_word_suffix '</w>'"},
        {"\"NFC\"", "\"Lowercase\"", "normalizer Lowercase is not known here"},
        {"\"NFC\"", "\"BertNormalizer\"", "normalizer BertNormalizer is not known here"},
        {"\"Digits\"", "\"WhitespaceSplit\"", "pre_tokenizer WhitespaceSplit is not known here"},
        {"\"TemplateProcessing\"", "\"BertProcessing\"", "post_processor BertProcessing is not known here"},
        {"\"ByteFallback\"", "\"WordPiece\"", "decoder WordPiece is not known here"},
        {"\"Isolated\"", "\"Removed\"", "behavior 'Removed' is not known here"},
        {"\"invert\":false", "\"invert\":true", "Split with invert is not known here"},
        {"\\\\s+(?!\\\\S)", "\\\\w+", "an escape that is not known here"},
        {"\\\\s+(?!\\\\S)", "(?:a|b)+", "a group that is repeated"},
        {"\\\\s+(?!\\\\S)", "(?<=a)b", "a group that is not known here"},
        {"\\\\s+(?!\\\\S)", "\\\\p{Han}", "a property that is not known here"},
        {"\\\\s+(?!\\\\S)", "a*?", "a count after a count"},
        {"\\\\s+(?!\\\\S)", "a*", "a match of the empty text"},
        {"\\\\s+(?!\\\\S)", "[a", "a negated class inside a class"},
        {"\\\\s+(?!\\\\S)", "[a&&b]", "a POSIX class or an intersection"},
        {"\\\\s+(?!\\\\S)", "((a)", "a group without its ')'"},
        {"\\\\s+(?!\\\\S)", "^a", "an operator that is not known here"},
        {"\\\\s+(?!\\\\S)", "[b-a]", "a range that is empty"},
        {"\\\\s+(?!\\\\S)", "(?i:\\u00e9)", "not ASCII"},
        {"\"id\":4", "\"id\":0", "has id 0, expected 4"},
        {"\"id\":4", "\"id\":5", "has id 5, expected 4"},
        {"\"ids\":[4]", "\"ids\":[9]", "puts id 9, which is no token"},
        {"\"ids\":[4]", "\"ids\":[4,4,4,4,4]", "at most 4"},
        {"\"\\u0120\":3", "\"\\u0120\":2", "4 entries but only 3 different ids"},
        {"\"\\u0120\":3", "\"\\u0120\":99999", "ids must be nearly without gaps"},
        {"\"\\u0120\":3", "\"\\u0120\":-1", "an id: a whole number from 0"},
        {"\"a b\"", "\"a c\"", "joins 'a' and 'c', but the second is not in the vocabulary"},
        {"\"a b\"", "\"b a\"", "what they make is not in the vocabulary"},
        {"\"a b\"", "\"ab\"", "expected two tokens and one space"},
        {"\"a b\"", "7", "expected a merge"},
        {"[\"a\",\"b\"]", "[\"a\"]", "the second token of a merge"},
        {"\"merges\"", "\"merge\"", "expected a model with vocab"},
        {"{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}", "{\"Sequence\":{\"id\":\"B\"}}", "the text, A, once"},
        {"\"vocab\":{", "\"vocab\":{},\"vocab\":{", "model.vocab is there twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        if (open_text(A, changed(A, cases[i].old, cases[i].new), &e)) FAIL("%s was accepted", cases[i].new);
        CHECK_HAS(e.text, cases[i].words);
        CHECK_HAS(e.text, "tokenizer.json");
    }
    Err e = {0};
    const Tokenizer *t = open_text(A, str_of(small), &e);
    if (t) use(A, t);
    else FAIL("%s", e.text);
}

TEST(tokjson_every_truncation)
{
    Arena *a = arena_create(A);
    for (size_t n = 0; n + 1 < sizeof small; n++) {
        Err e = {0};
        CHECK(!open_memory(a, (Str){small, n}, &e));
        CHECK_HAS(e.text, "tokenizer.json");
        arena_reset(a);
    }
}

static size_t end_of_value(const char *s)
{
    size_t i = 0;
    int depth = 0;
    do {
        if (s[i] == '"')
            for (i++; s[i] != '"'; i++) i += s[i] == '\\';
        depth += (s[i] == '{' || s[i] == '[') - (s[i] == '}' || s[i] == ']');
        i++;
    } while (depth > 0 || (s[i - 1] != '"' && s[i - 1] != '}' && s[i - 1] != ']' && !strchr(",]}", s[i])));
    return i;
}

// Every value of the file by each of other kinds: an error in words, or a tokenizer that works.
static void each_value(Arena *a, const Json *j, long *opened)
{
    static const char *const others[] = {"null", "true",  "-1", "1e999", "99999999999999999999",
                                         "\"\"", "\"a\"", "[]", "{}",    "[[[]]]"};
    size_t from = j->at, n = end_of_value(small + from);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        Err e = {0};
        const Tokenizer *t = open_memory(
            a, str_of(arena_printf(a, "%.*s%s%s", (int)from, small, others[i], small + from + n)), &e);
        CHECK_INT(t == NULL, e.set);
        if (t) use(a, t), ++*opened;
        arena_reset(a);
    }
    for (const Json *c = j->child; c; c = c->next) each_value(a, c, opened);
}

TEST(tokjson_other_types)
{
    Err e = {0};
    long opened = 0;
    const Json *top = json_parse(A, str_of(small), "small", &e);
    if (!top) FAIL("%s", e.text);
    else each_value(arena_create(A), top, &opened);
    CHECK(opened > 100);
}

TEST(tokjson_damaged)
{
    uint64_t seed = 77;
    Arena *a = arena_create(A);
    for (int round = 0; round < 3000; round++) {
        char *copy = arena_new_raw(a, char, sizeof small);
        memcpy(copy, small, sizeof small);
        for (int flips = 1 + round % 3; flips; flips--) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            copy[(seed >> 20) % (sizeof small - 1)] =
                round % 2 ? small[(seed >> 40) % (sizeof small - 1)] : (char)(seed >> 50);
        }
        Err e = {0};
        const Tokenizer *t = open_memory(a, (Str){copy, sizeof small - 1}, &e);
        CHECK_INT(t == NULL, e.set);
        if (t) use(a, t);
        arena_reset(a);
    }
}

TEST(tokjson_deep_and_large)
{
    static const struct {
        const char *before, *again, *after;
        size_t times;
    } cases[] = {
        {"", "[", "", 100000},
        {"{\"a\":", "{\"a\":", "", 100000},
        {"{\"model\":{\"x\":", "[", "", 200000},
        {"{\"normalizer\":", "{\"type\":\"Sequence\",\"normalizers\":[", "", 400},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"normalizer\":{\"type\":\"Sequence\","
         "\"normalizers\":[",
         "{\"type\":\"NFC\"},", "{\"type\":\"NFC\"}]}}", 40},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"added_tokens\":[{\"id\":1,\"content\":\"", "x",
         "\"}]}", 5000},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":"
         "\"Isolated\",\"pattern\":{\"Regex\":\"",
         "(", "\"}}}", 500},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[]},\"pre_tokenizer\":{\"type\":\"Split\",\"behavior\":"
         "\"Isolated\",\"pattern\":{\"Regex\":\"",
         "[a", "\"}}}", 500},
        {"{\"model\":{\"vocab\":{\"a\":0},\"merges\":[", "\"a a\",", "]}}", 9},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Err e = {0};
        Buf b = {.arena = A};
        buf_str(&b, str_of(cases[i].before));
        for (size_t k = 0; k < cases[i].times; k++) buf_str(&b, str_of(cases[i].again));
        buf_str(&b, str_of(cases[i].after));
        if (open_text(A, buf_view(&b), &e)) FAIL("case %zu was accepted", i);
        CHECK(e.set);
    }
    Err e = {0}; // an expression that backtracks without end, and one text for which it would
    Encoding x;
    const Tokenizer *t = open_text(A, changed(A, "\\\\s+(?!\\\\S)", "a*a*a*a*a*a*[^a]"), &e);
    Str text = {arena_new(A, char, 100000), 100000};
    memset((char *)(uintptr_t)text.s, 'a', text.n);
    clock_t start = clock(); // of this process: the machine may be busy with others
    if (!t) FAIL("%s", e.text);
    else CHECK(!tok_encode(A, t, text, (TokOptions){0}, &x, &e));
    CHECK_HAS(e.text, "take too long");
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 20);
}

static bool open_and_use(Arena *A, void *folder, Err *e)
{
    Encoding x;
    Str out;
    const Tokenizer *t = tok_open(A, folder, e);
    return t &&
           tok_encode(A, t, STR_LIT("a <s>  xx1.2\xC2\xBD e\xCC\x81\xE3\x81\x93"), (TokOptions){0}, &x, e) &&
           tok_decode(A, t, x.ids, x.n, (TokDecode){0}, &out, e);
}

TEST(tokjson_faults)
{
    const char *folder = kit_folder(A);
    kit_write(folder, "tokenizer.json", str_of(small));
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        test_every_fault(A, (FaultKind)kind, open_and_use, (void *)(uintptr_t)folder);
}
