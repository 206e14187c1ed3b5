// SPDX-License-Identifier: Apache-2.0
// t_granularity.c — words and sentences of tokens: where they begin in every vocabulary, and what becomes of scores.
#include "cli.h"
#include "../attr/results/granularity.h"

#include <math.h>
#include <unistd.h>

// Tokens between blanks (␣ is one inside a token) as groups between bars.
static Token *tokens_of(Arena *A, const char *text, int64_t *n)
{
    Token *t = arena_new(A, Token, strlen(text) + 1);
    *n = 0;
    for (const char *c = text; *c;) {
        size_t length = strcspn(c, " ");
        Buf b = {.arena = A};
        for (size_t i = 0; i < length; i++) {
            bool blank = str_starts((Str){c + i, length - i}, STR_LIT("␣"));
            buf_char(&b, blank ? ' ' : c[i]);
            i += blank ? 2 : 0;
        }
        t[*n] = (Token){(int32_t)*n, buf_view(&b)};
        if (memmem(b.s, b.n, " → ", 5)) t[*n].id = -1;
        (*n)++, c += length, c += *c == ' ';
    }
    return t;
}

static void check_groups(Arena *A, Granularity g, const char *tokens, const char *want)
{
    int64_t n;
    Token *t = tokens_of(A, tokens, &n);
    Sequence s = {.source = t, .target = t, .n_source = n};
    Groups source, target;
    Buf b = {.arena = A};
    granularity_groups(A, &s, g, &source, &target);
    for (int64_t k = 0; k < source.n; k++)
        buf_str(&b, k ? STR_LIT("|") : (Str){0}), buf_str(&b, source.token[k].text);
    if (!str_is(buf_view(&b), want)) FAIL("%s: got %s, want %s", tokens, buf_view(&b).s, want);
    test_count(1);
}

TEST(granularity_words)
{
    static const char *const cases[][2] = {
        {"▁Don ' t ▁get ▁hot - head ed . </s>", "Don't|get|hot-headed.|</s>"}, // the last piece is not lost
        {"▁he llo", "hello"},
        {"Hello Ġworld , Ġit 's Ċ Ċ Go", "Hello|world,|it's|\n|\n|Go"},
        {"<|im_start|> user Ċ What Ġis ?", "<|im_start|>|user|\n|What|is?"},
        {"<bos> What ▁is ▁ this ▁▁ end", "<bos>|What|is|this|end"},
        {"__en__ ▁He llo </s>", "__en__|Hello|</s>"},
        {"▁He llo </s> nld_Latn", "Hello|</s>|nld_Latn"},
        {"nl_XX ▁Ha llo </s>", "nl_XX|Hallo|</s>"},
        {">>nld<< ▁He llo </s>", ">>nld<<|Hello|</s>"},
        {"[CLS] un ##believ ##able ! [SEP]", "[CLS]|unbelievable|!|[SEP]"},
        {"un@@ believ@@ able stuff", "unbelievable|stuff"},
        {"un believ able</w> stuff</w>", "unbelievable|stuff"},
        {"Hel lo ␣wor ld", "Hello|world"},
        {"one two three", "one|two|three"}, // no marks: each is a word
        {"▁今天 天气 很 好 。 </s>", "今天|天气|很|好。|</s>"},
        {"▁ 今 <0xE5> <0xA4> <0xA9> 「 好 」 Python 3 ▁x", "今|天|「好」|Python3|x"},
        {"ä½łå¥½ ä¸ ĸ çķĮ ï¼ģ", "你好|世|界！"}, // byte-level without a space
        {"▁ส วัส ดี ครับ", "ส|วัส|ดี|ครับ"},
        {"▁コンピュ ータ ー", "コンピューター"},
        {"▁नमस ्ते", "नमस्ते"}, // a mark that combines
        {"(template) ▁a b", "(template)|ab"},
        {"▁a <unk> b", "a|<unk>|b"},
        {"▁<div> x", "<div>x"},
        {"", ""},
        {"Ġ", "Ġ"},
        {"▁De ▁verpleeg␣→␣▁ver ster␣→␣pleger .", "De|verpleegster. → verpleger."},
        {"<s> The Ġdu ke < | x >", "<s>|The|duke<|x>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_groups(A, GRANULARITY_WORD, cases[i][0], cases[i][1]);
}

TEST(granularity_sentences)
{
    static const char *const cases[][2] = {
        {"▁It ▁is . ▁Is ▁it ? ▁Yes ! </s>", "It is.|Is it?|Yes!|</s>"},
        {"▁Mr . ▁Smith ▁met ▁J . ▁Doe ▁in ▁the ▁U . S . ▁to day . ▁He ▁left .",
         "Mr. Smith met J. Doe in the U.S. today.|He left."},
        {"▁Pi ▁is ▁3 . 14 . ▁See ▁e . g . ▁this ▁etc . ▁and ▁more .",
         "Pi is 3.14.|See e.g. this etc. and more."},
        {"▁\" Really ?\" ▁he ▁said . ▁\" Yes .\" ▁She ▁left .", "\"Really?\" he said.|\"Yes.\"|She left."},
        {"▁( It ▁was .) ▁So ▁what ...", "(It was.)|So what..."},
        {"▁1 . ▁First ▁thing . ▁2 . ▁Second .", "1. First thing.|2. Second."},
        {"▁hello . ▁how ▁are ▁you ? ▁fine", "hello.|how are you?|fine"}, // a text without capitals
        {"▁今天 很好 。 你 呢 ？ 「 好 。 」 他 走了 。", "今天很好。|你呢？|「好。」|他走了。"},
        {"Title Ċ A Ġline .Ċ Another", "Title\n|A line.\n|Another"},
        {"▁Ah ... ▁well . ▁Wait … ▁No ▁more", "Ah... well.|Wait…|No more"},
        {"▁Il ▁dit : ▁« ▁Oui . ▁» ▁Elle ▁rit .", "Il dit: « Oui. »|Elle rit."},
        {"▁यह ▁है । ▁वह ▁है ।", "यह है।|वह है।"},
        {"▁She ▁saw ▁inse q . org ▁today", "She saw inseq.org today"},
        {"▁What ?! ▁No .", "What?!|No."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_groups(A, GRANULARITY_SENTENCE, cases[i][0], cases[i][1]);
}

// Rows are summed and columns averaged: columns go on to sum to what they did.
TEST(granularity_scores)
{
    int64_t S, T;
    Token *source = tokens_of(A, "▁un believ able ▁x </s>", &S),
          *target = tokens_of(A, "<pad> ▁on gel ofelijk </s>", &T);
    float x[5 * 4], y[5 * 4], p[4] = {0.5f, 0.5f, 1, 0.25f}, top[4] = {1, 2, 3, 9};
    for (int i = 0; i < 20; i++) x[i] = (float)(i % 7) / 32, y[i] = i / 4 <= i % 4 ? 0.125f : NAN;
    NamedScores steps[] = {{STR_LIT("probability"), false, {1, {4}, p}},
                           {STR_LIT("top_p_size"), true, {1, {4}, top}}};
    Sequence s = {.source = source,
                  .target = target,
                  .n_source = S,
                  .n_target = T,
                  .attr_pos_start = 1,
                  .attr_pos_end = 5,
                  .source_attributions = {2, {5, 4}, x},
                  .target_attributions = {2, {5, 4}, y},
                  .step_scores = steps,
                  .n_step_scores = 2},
             w;
    Err e = {0};
    if (!attr_granularity(A, &s, GRANULARITY_WORD, &w, &e)) FAIL("%s", e.text);
    CHECK_INT(w.n_source, 3), CHECK_INT(w.n_target, 3);
    CHECK_INT(w.attr_pos_start, 1), CHECK_INT(w.attr_pos_end, 3);
    CHECK_INT(w.source_attributions.dim[0], 3), CHECK_INT(w.source_attributions.dim[1], 2);
    CHECK_STR(w.source[0].text, STR_LIT("unbelievable")),
        CHECK_STR(w.target[1].text, STR_LIT("ongelofelijk"));
    CHECK_INT(w.source[0].id, -1), CHECK_INT(w.source[1].id, 3);
    CHECK_INT(w.target_attributions.dim[0], 3);
    double columns[2] = {0}, want[2] = {0};
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < 5; i++) {
            want[c / 3] += (double)x[i * 4 + c] / (c < 3 ? 3 : 1);
            if (!isnan(y[i * 4 + c])) want[c / 3] += (double)y[i * 4 + c] / (c < 3 ? 3 : 1);
        }
    for (int i = 0; i < 3; i++)
        for (int h = 0; h < 2; h++) {
            float v = w.target_attributions.v[i * 2 + h];
            columns[h] += (double)w.source_attributions.v[i * 2 + h] + (isnan(v) ? 0 : (double)v);
        }
    CHECK_NEAR(columns[0], want[0], 1e-6), CHECK_NEAR(columns[1], want[1], 1e-6);
    CHECK(isnan(w.target_attributions.v[2 * 2 + 0])), CHECK(isnan(w.target_attributions.v[2 * 2 + 1]));
    CHECK_NEAR(w.target_attributions.v[1 * 2 + 0], 0.125 * 3 / 3, 1e-6); // the word's own first pieces
    CHECK_NEAR(w.step_scores[0].scores.v[0], 0.25, 1e-7), CHECK_NEAR(w.step_scores[0].scores.v[1], 0.25, 0);
    CHECK_NEAR(w.step_scores[1].scores.v[0], 2, 0), CHECK(w.step_scores[1].is_int);
    Sequence again;
    if (!attr_granularity(A, &w, GRANULARITY_WORD, &again, &e)) FAIL("%s", e.text);
    CHECK_INT(again.n_source, 3), CHECK_INT(again.n_target, 3);
    s.source_attributions.rank = 3;
    CHECK(!attr_granularity(A, &s, GRANULARITY_WORD, &w, &e));
    CHECK_HAS(e.text, "aggregate the scores first");
}

// A prompt's end is a boundary on both sides, wherever it lies.
TEST(granularity_prompt)
{
    int64_t n;
    Token *t = tokens_of(A, "▁un believ able ▁x y", &n);
    float y[5 * 3] = {0};
    Sequence s = {.source = t,
                  .target = t,
                  .n_source = 2,
                  .n_target = n,
                  .attr_pos_start = 2,
                  .attr_pos_end = 5,
                  .target_attributions = {2, {5, 3}, y}},
             w;
    Err e = {0};
    CHECK(attr_granularity(A, &s, GRANULARITY_WORD, &w, &e));
    CHECK_INT(w.n_source, 1), CHECK_INT(w.n_target, 3), CHECK_INT(w.attr_pos_start, 1);
    CHECK_STR(w.source[0].text, STR_LIT("unbeliev")), CHECK_STR(w.target[1].text, STR_LIT("able")),
        CHECK_STR(w.target[2].text, STR_LIT("xy"));
    s.attr_pos_start = 1, s.target_attributions.dim[1] = 4, s.target_attributions.v = arena_new(A, float, 20);
    CHECK(attr_granularity(A, &s, GRANULARITY_WORD, &w, &e));
    CHECK_INT(w.n_source, 2), CHECK_INT(w.n_target, 4), CHECK_INT(w.attr_pos_start, 1);
}

static char *as_path(Arena *A, const char *name)
{
    return arena_printf(A, "/tmp/inseq-t-granularity-%d-%s", getpid(), name);
}

// What attribute shows is what show makes of the saved result.
TEST(granularity_commands)
{
    const char *path = as_path(A, "w.json");
    Run r = RUN("attribute", "-m", "demo/en-nl", "-i", "It is unbelievably hot-headed. We left.",
                "--attribute_target", "--step_scores", "probability", "--granularity", "word", "-o", path,
                "--json");
    check_ran("attribute", r);
    CHECK_HAS(r.out, "\"hot-headed.\"");
    Run again = RUN("show", path, "--granularity", "word", "--json");
    check_ran("show", again);
    CHECK_STR(str_of(again.out), str_of(r.out));
    again = RUN("show", path, "--granularity=token", "--json"), r = RUN("show", path, "--json");
    CHECK_STR(str_of(again.out), str_of(r.out));
    r = RUN("show", path, "--granularity", "sentence");
    CHECK_HAS(r.out, "It is unbelievably hot-headed.");
    r = RUN("diff", path, path, "--granularity", "word", "--csv", "-", "--hide_attributions");
    CHECK_HAS(r.out, "hot-headed.");
    check_refused("granularity", RUN("show", path, "--granularity", "words"), 2, "did you mean word?");
    check_refused("granularity", RUN("show", path, "--granularity", "page"), 2, "token, word or sentence");
    r = RUN("compare", "-m", "demo/en-nl", "-a", "saliency", "-a", "occlusion", "-i",
            "It is unbelievably hot.", "--granularity", "word", "--json");
    check_ran("compare", r);
    CHECK_HAS(r.out, "\"unbelievably\"");
    r = RUN("lens", "-m", "demo/en-nl", "-i", "It is unbelievably hot.", "-g", "Het is ongelofelijk heet.",
            "--granularity", "word", "--json");
    check_ran("lens", r);
    CHECK_HAS(r.out, "\"ongelofelijk\"");
    r = RUN("attribute", "-m", "demo/en-nl", "-i", "It is unbelievably hot.", "-a",
            "layer_gradient_x_activation", "--target_layer", "all", "--granularity", "word");
    check_ran("layers", r);
    CHECK_HAS(r.out, " unbelievably ");
    unlink(path);
}
