// SPDX-License-Identifier: Apache-2.0
// t_real.c — a published model, SmolLM2-135M-Instruct, against what transformers and Inseq make of it (golden/real;
// tools/real.sh fetches the model). Not part of `make test`: `make test-real MODEL=FOLDER`.
#include "../../attr/texts/texts.h"
#include "../lab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const Json *golden(Arena *A) { return test_json(A, "test/golden/real/smollm2.json"); }

static bool open_real(Arena *A, Lab *l)
{
    Err e = {0};
    const char *model = getenv("MODEL");
    *l = (Lab){0};
    if (!model || !*model) return FAIL("MODEL is not set: make test-real MODEL=FOLDER"), false;
    if (!(l->m = nn_open(A, model, (NnOptions){0}, &e)) || !(l->t = tok_open(A, nn_info(l->m)->folder, &e)))
        return FAIL("%s", e.text), false;
    return l->f = nn_info(l->m), true;
}

static void check_ids(const char *what, const Json *want, const int32_t *ids, int64_t n)
{
    int64_t i = 0;
    CHECK_INT((int64_t)want->count, n);
    for (const Json *c = want->child; c && i < n; c = c->next, i++)
        if (c->i != ids[i]) return FAIL("%s: id %" PRId64 " is %d, expected %" PRId64, what, i, ids[i], c->i);
    test_count(n);
}

TEST(real_encode)
{
    const Json *j = golden(A);
    Lab l;
    int run = 0;
    if (!j || !open_real(A, &l)) return;
    for (const Json *c = json_get(j, "encode")->child; c; c = c->next, run++) {
        Err e = {0};
        Encoding x;
        Str text = json_get(c, "text")->text, back;
        if (!tok_encode(A, l.t, text, (TokOptions){0}, &x, &e)) FAIL("%s", e.text);
        check_ids(str_zero(A, text), json_get(c, "ids"), x.ids, (int64_t)x.n);
        size_t i = 0;
        for (const Json *t = json_get(c, "tokens")->child; t && i < x.n; t = t->next)
            CHECK_STR(x.token[i++], t->text);
        if (!tok_decode(A, l.t, x.ids, x.n, (TokDecode){0}, &back, &e)) FAIL("%s", e.text);
        CHECK_STR(back, json_get(c, "decoded")->text);
    }
    printf("encode: %d texts, ids, tokens, decoded text\n", run);
}

TEST(real_chat)
{
    const Json *j = golden(A);
    Lab l;
    int run = 0;
    if (!j || !open_real(A, &l)) return;
    for (const Json *c = json_get(j, "chat")->child; c; c = c->next, run++) {
        Err e = {0};
        ChatText text;
        Encoding x;
        if (!tok_chat(A, l.f->folder, json_get(c, "messages"), (ChatOptions){.add_generation_prompt = true},
                      &text, &e))
            return FAIL("%s", e.text);
        CHECK_STR(text.text, json_get(c, "prompt")->text);
        if (!tok_encode(A, l.t, text.text, (TokOptions){.plain = true}, &x, &e)) FAIL("%s", e.text);
        check_ids("chat", json_get(c, "ids"), x.ids, (int64_t)x.n);
    }
    printf("chat: %d conversations, text and ids\n", run);
}

// Ten times the distance of float32 from float64, at least `least`.
static void check_numbers(Arena *A, const char *what, const Json *c, const char *name, const float *got,
                          int64_t n, double least)
{
    const Json *want = json_get(c, name), *exact = json_get(c, arena_printf(A, "%s_f64", name));
    const Json *w = want->child, *x = exact ? exact->child : NULL;
    for (int64_t i = 0; i < n && w; i++, w = w->next, x = x ? x->next : NULL) {
        double far = x ? 10 * fabs(w->number - x->number) : 0;
        check_near(__FILE__, __LINE__, what, (double)got[i], w->number, far > least ? far : least);
    }
    CHECK_INT((int64_t)want->count, n);
}

TEST(real_generate)
{
    const Json *j = golden(A);
    Lab l;
    Err e = {0};
    const GenConfig *g;
    int run = 0;
    if (!j || !open_real(A, &l)) return;
    const Json *settings =
        json_parse(A, STR_LIT("{\"max_new_tokens\": 16, \"do_sample\": false, \"num_beams\": 1}"), "", NULL);
    if (!nn_generation(A, l.m, settings, &g, &e)) FAIL("%s", e.text);
    for (const Json *c = json_get(j, "generate")->child; c; c = c->next, run++) {
        Ids prompt = lab_list(A, json_get(c, "prompt_ids"));
        Generated made;
        Sequence s;
        const char *what = str_zero(A, json_get(c, "text")->text);
        if (!nn_generate(A, l.m, g, 1, &prompt, &(Ids){0}, &made, NULL, NULL, &e)) return FAIL("%s", e.text);
        check_ids(what, json_get(c, "ids"), made.ids + prompt.n, made.n - prompt.n);
        Pair p = lab_pair(A, &l, prompt, (Ids){made.ids, made.n});
        AttrOptions o = attr_defaults();
        o.method = "dummy", o.step_scores = (const char *const[]){"probability", "logit"},
        o.n_step_scores = 2;
        if (!attr_run(A, l.m, &o, &p, 1, &s, &e)) return FAIL("%s", e.text);
        check_numbers(A, what, c, "probability", s.step_scores[0].scores.v, made.n - prompt.n, 2e-4);
        check_numbers(A, what, c, "logit", s.step_scores[1].scores.v, made.n - prompt.n, 1e-3);
    }
    printf("generate: %d texts, ids, probabilities, logits\n", run);
}

static Pair pair_of(Arena *A, const Lab *l, Str prompt, Str rest, const Pair *foil)
{
    Pair p = lab_prompt(A, l, str_zero(A, prompt),
                        arena_printf(A, "%.*s%.*s", (int)prompt.n, prompt.s, (int)rest.n, rest.s));
    p.contrast = foil;
    return p;
}

// Where a step is nearly certain its gradient is p (1 - p) times something, and 1 - p has lost most of its digits in float32:
// ten roundings of it count. (Of " Seine": float64 gives .098622, PyTorch's float32 .099027, ours .098798.)
static double near(const Json *c, int64_t column, double value)
{
    const Json *p = json_get(c, "probability") ? json_get(c, "probability")->child : NULL;
    while (p && column--) p = p->next;
    double lost = p && p->number < 1 ? 10 * 0x1p-24 / (1 - p->number) * fabs(value) : 0;
    return lost > 2e-4 ? lost : 2e-4;
}

TEST(real_attribute)
{
    const Json *j = golden(A);
    Lab l;
    int run = 0;
    if (!j || !open_real(A, &l)) return;
    for (const Json *c = json_get(j, "attribute")->child; c; c = c->next, run++) {
        Err e = {0};
        const Json *args = json_get(c, "args"), *fn = json_get(args, "attributed_fn"),
                   *foil_text = json_get(args, "contrast_targets"), *steps = json_get(args, "step_scores");
        Str prompt = json_get(c, "prompt")->text;
        AttrOptions o = attr_defaults();
        Pair foil = {0};
        if (foil_text) foil = lab_prompt(A, &l, str_zero(A, prompt), str_zero(A, foil_text->text));
        Pair p = pair_of(A, &l, prompt, json_get(c, "target")->text, foil_text ? &foil : NULL);
        const char **names = arena_new(A, const char *, 8);
        for (const Json *s = steps ? steps->child : NULL; s; s = s->next)
            names[o.n_step_scores++] = str_zero(A, s->text);
        o.method = str_zero(A, json_get(c, "method")->text), o.step_scores = names, o.method_args = args;
        if (fn) o.attributed_fn = str_zero(A, fn->text);
        Loaded loaded = {.name = "", .model = l.m, .tok = l.t, .info = l.f};
        texts_special(&loaded, &o);
        Sequence raw, s;
        Stage stage[4];
        if (!attr_run(A, l.m, &o, &p, 1, &raw, &e) ||
            !attr_aggregate(A, &raw, stage, attr_default_pipeline(&raw, stage), &s, &e))
            return FAIL("%s", e.text);
        CHECK_INT(s.attr_pos_start, json_get(c, "start")->i);
        CHECK_INT(s.attr_pos_end, json_get(c, "end")->i);
        int64_t i = 0, n = s.attr_pos_end - s.attr_pos_start;
        for (const Json *t = json_get(c, "tokens")->child; t && !foil_text; t = t->next)
            CHECK_STR(s.target[i++].text, t->text);
        i = 0;
        for (const Json *row = json_get(c, "target_attributions")->child; row; row = row->next)
            for (const Json *x = row->child; x; x = x->next, i++) {
                float v = s.target_attributions.v[i];
                if (x->kind != J_NUMBER || isnan(x->number)) CHECK(isnan(v));
                else
                    check_near(__FILE__, __LINE__, o.method, (double)v, x->number, near(c, i % n, x->number));
            }
        CHECK_INT(i, s.target_attributions.dim[0] * s.target_attributions.dim[1]);
        for (size_t k = 0; k < s.n_step_scores; k++)
            check_numbers(A, o.method, c, names[k], s.step_scores[k].scores.v, n, 2e-4);
    }
    printf("attribute: %d cases, tokens, scores, step scores\n", run);
}
