// SPDX-License-Identifier: Apache-2.0
// t_prompts.c — texts of decoder-only models on their way: where a prompt ends, conversations, foils, what is refused.
#include "../attr/texts/texts.h"
#include "cli.h"
#include "lab.h"

typedef struct Notes {
    Buf b;
} Notes;

static void take_note(void *context, const char *sentence)
{
    buf_printf(&((Notes *)context)->b, "%s\n", sentence);
}

// One text through the room; its job.
static Job one_job(Arena *A, const Lab *l, const char *prompt, const char *text, const char *foil,
                   Notes *notes)
{
    Talk *talk = arena_new(A, Talk, 1);
    Loaded *loaded = arena_new(A, Loaded, 1);
    Err e = {0};
    *talk = (Talk){notes, take_note},
    *loaded = (Loaded){.name = "", .model = l->m, .tok = l->t, .info = l->f};
    *notes = (Notes){.b = {.arena = A}};
    Work w = {.a = A, .l = loaded, .talk = talk};
    Str in = str_of(prompt), target = str_of(text ? text : ""), other = str_of(foil ? foil : "");
    Texts t = {.source = &in, .target = &target, .n = 1, .n_targets = text != NULL};
    AttrRequest x = {.contrast_targets = &other, .n_contrast_targets = foil ? 1 : 0};
    size_t n;
    Job *job = NULL, *batch[1];
    if (!texts_generation(&w, NULL, &e) || !texts_foils(A, &x, &t, &e) || !texts_jobs(&w, &t, &job, &n, &e)) {
        FAIL("%s", e.text);
        return (Job){0};
    }
    batch[0] = job;
    if (!job->err) texts_make_targets(&w, batch, 1);
    return *job;
}

// A blank at the prompt's end belongs to the next word: the prompt is what lies wholly inside it, and a note says so.
TEST(prompts_end_by_offsets)
{
    Lab l;
    Notes notes;
    if (!lab_open_any(A, "gpt2-tiny", &l)) return;
    Job j = one_job(A, &l, "The nurse lost", "The nurse lost her keys.", NULL, &notes);
    int64_t whole = j.source_ids.n;
    CHECK(!j.err && !notes.b.n);
    CHECK(j.source_ids.v[0] == j.target_ids.v[0]);
    Job k = one_job(A, &l, "The nurse lost ", "The nurse lost her keys.", NULL, &notes);
    CHECK(!k.err);
    CHECK_INT(k.source_ids.n, whole);
    CHECK_INT(k.target_ids.n, j.target_ids.n);
    check_has(__FILE__, __LINE__, str_zero(A, buf_view(&notes.b)),
              "as a word is cut otherwise where it ends");
}

TEST(prompts_refused)
{
    static const struct {
        const char *prompt, *text, *words;
    } all[] = {{"The nurse", "A nurse lost", "must begin with the prompt; the text is \"A nurse lost\""},
               {"The nurse", "The nurse", "nothing follows the prompt"},
               {"Th", "The nurse", "no token of the forced text lies within the prompt"}};
    Lab l;
    Notes notes;
    if (!lab_open_any(A, "gpt2-tiny", &l)) return;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        Job j = one_job(A, &l, all[i].prompt, all[i].text, NULL, &notes);
        CHECK(j.err != NULL);
        check_has(__FILE__, __LINE__, j.err ? j.err->text : "", all[i].words);
    }
}

// What was generated is attributed, ids as they are; the start token stands once, whoever writes it.
TEST(prompts_ids_are_kept)
{
    static const char *const models[] = {"gpt2-tiny", "llama3-tiny", "gemma2-tiny", "opt-tiny",
                                         "mistral-tiny"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        Lab l;
        Notes notes;
        if (!lab_open_any(A, models[i], &l)) continue;
        Job j = one_job(A, &l, "The nurse lost", NULL, NULL, &notes);
        const GenConfig *g;
        Generated made;
        Err e = {0};
        if (j.err || !nn_generation(A, l.m, NULL, &g, &e) ||
            !nn_generate(A, l.m, g, 1, &j.source_ids, &(Ids){0}, &made, NULL, NULL, &e))
            FAIL("%s: %s", models[i], j.err ? j.err->text : e.text);
        CHECK(made.n == j.target_ids.n &&
              !memcmp(made.ids, j.target_ids.v, (size_t)made.n * sizeof *made.ids));
        size_t before;
        const int32_t *bos = tok_before(l.t, &before);
        if (!before) continue;
        const char *twice =
            arena_printf(A, "%.*sThe nurse lost", (int)tok_string(l.t, bos[0]).n, tok_string(l.t, bos[0]).s);
        Job k = one_job(A, &l, twice, NULL, NULL, &notes);
        CHECK_INT(k.source_ids.n, j.source_ids.n);
        CHECK(k.source_ids.v[0] == bos[0] && k.source_ids.v[1] != bos[0]);
    }
}

static void one_columns(Arena *A, const Lab *l, const Job *j, AttrAlign align, const char *const *want,
                        size_t n)
{
    Err e = {0};
    AttrOptions o = attr_defaults();
    Sequence s;
    Pair p = {.source = j->source_ids,
              .target = j->target_ids,
              .source_tokens = j->source_tokens,
              .target_tokens = j->target_tokens,
              .contrast = j->foil,
              .align = align};
    o.method = "dummy", o.step_scores = (const char *const[]){"contrast_prob_diff"}, o.n_step_scores = 1;
    if (!attr_run(A, l->m, &o, &p, 1, &s, &e)) return FAIL("%s", e.text);
    CHECK_INT(s.attr_pos_end - s.attr_pos_start, (int64_t)n);
    for (size_t i = 0; i < n; i++) CHECK_STR(s.target[s.attr_pos_start + (int64_t)i].text, str_of(want[i]));
}

// Spec 5.5: foils of another length are compared from the first token that differs; from the right by name.
TEST(prompts_foils)
{
    static const char *const ours[] = {"\xc4\xa0h"
                                       "is \xe2\x86\x92 \xc4\xa0her"};
    Lab l;
    Notes notes;
    if (!lab_open_any(A, "gpt2-tiny", &l)) return;
    Job j = one_job(A, &l, "The teacher lost", "The teacher lost her", "The teacher lost his key.", &notes);
    CHECK(!j.err && j.foil);
    one_columns(A, &l, &j, ALIGN_BY_KIND, ours, 1);
    one_columns(A, &l, &j, ALIGN_FIRST_DIFFERENCE, ours, 1);
    static const char *const theirs[] = {". \xe2\x86\x92 \xc4\xa0her"};
    one_columns(A, &l, &j, ALIGN_RIGHT, theirs, 1);
}

// --start_pos may reach into the prompt, so that a whole text can be scored.
TEST(prompts_whole_text)
{
    Lab l;
    Err e = {0};
    if (!lab_open_any(A, "gpt2-tiny", &l)) return;
    Pair p = lab_prompt(A, &l, "The nurse lost", "The nurse lost her keys.");
    AttrOptions o = attr_defaults();
    Sequence whole, rest;
    o.method = "input_x_gradient", o.step_scores = (const char *const[]){"probability"}, o.n_step_scores = 1;
    if (!attr_run(A, l.m, &o, &p, 1, &rest, &e)) FAIL("%s", e.text);
    o.has_start = true, o.start = 1;
    if (!attr_run(A, l.m, &o, &p, 1, &whole, &e)) FAIL("%s", e.text);
    CHECK_INT(whole.attr_pos_start, 1);
    int64_t shift = rest.attr_pos_start - 1, n = rest.attr_pos_end - rest.attr_pos_start;
    CHECK_INT(whole.step_scores->scores.dim[0], n + shift);
    for (int64_t c = 0; c < n; c++) // the same steps, to the bit
        CHECK(whole.step_scores->scores.v[c + shift] == rest.step_scores->scores.v[c]);
}

// ------------------------------------------------------------------------------------------ conversations

#define QWEN "test/golden/models/qwen2-tiny"

static const Json *first_sequence(Arena *A, Run r)
{
    Err e = {0};
    check_ran("attribute --chat", r);
    const Json *j = json_parse(A, (Str){r.out, r.n_out}, "out", &e),
               *all = j ? json_get(j, "sequences") : NULL;
    if (!all) FAIL("%s", e.text);
    return all->child;
}

static double first_column(const Json *s)
{
    double sum = 0;
    for (const Json *row = json_get(s, "target_attributions")->child; row; row = row->next)
        sum += row->child->kind == J_NUMBER ? row->child->number : 0;
    return sum;
}

// Folding leaves what was said, the sum of the rest in one row, and the same columns.
TEST(prompts_chat)
{
#define CHAT                                                                                                 \
    "attribute", "-m", QWEN, "--chat", "-a", "input_x_gradient", "--format", "json", "-i", "Is it?", "-g",   \
        "No."
    const Json *s = first_sequence(A, RUN(CHAT)), *f = first_sequence(A, RUN(CHAT, "--hide_template"));
    CHECK_STR(json_get(f, "target_tokens")->child->text, STR_LIT("(template)"));
    CHECK_STR(json_get(f, "target_tokens")->child->next->text, STR_LIT("Is"));
    CHECK(json_get(f, "attr_pos_start")->i < json_get(s, "attr_pos_start")->i);
    CHECK_NEAR(first_column(s), 1, 1e-5);
    CHECK_NEAR(first_column(f), 1, 1e-5);
    Run r = RUN("generate", "-m", QWEN, "--chat", "-i", "Is it?", "--max_new_tokens", "3");
    check_ran("generate --chat", r); // the answer alone
    CHECK(!strstr(r.out, "user") && !strstr(r.out, "Is it?"));
}

// Generation ends once a stop string stands in the text, though it begins and ends inside tokens.
TEST(prompts_stop_strings)
{
#define GO "generate", "-m", "test/golden/models/gpt2-tiny", "-i", "The nurse lost", "--generation_kwargs"
    Run whole = RUN(GO, "{\"max_new_tokens\": 12}"), cut;
    check_ran("generate", whole);
    const char *rest = whole.out + strlen("The nurse lost");
    const char *stop = arena_printf(A, "%.2s", rest + 4); // some two letters of what it writes
    cut = RUN(GO, arena_printf(A, "{\"max_new_tokens\": 12, \"stop_strings\": \"%s\"}", stop));
    check_ran("generate with stop_strings", cut);
    CHECK(strstr(cut.out + strlen("The nurse lost"), stop) != NULL);
    CHECK(cut.n_out < whole.n_out && !strncmp(cut.out, whole.out, cut.n_out - 1));
}

TEST(prompts_chat_refused)
{
#define REFUSED(words, code, ...) check_refused(words, RUN(__VA_ARGS__), code, words)
    REFUSED("chat_template", 1, "generate", "-m", "test/golden/models/gpt2-tiny", "--chat", "-i", "Hello");
    REFUSED("has an encoder", 1, "generate", "-m", TRAINED, "--chat", "-i", "Hello");
    REFUSED("--system belongs to --chat", 2, "generate", "-m", QWEN, "--system", "Hello", "-i", "Hello");
    REFUSED("--max_new_tokens 0: it must be 1 or more", 2, "generate", "-m", QWEN, "--max_new_tokens", "0",
            "-i", "Hello");
    REFUSED("role", 1, "generate", "-m", QWEN, "--chat", "-i", "[{\"role\": 3}]");
}
