// SPDX-License-Identifier: Apache-2.0
// t_lens.c — the logit lens against transformers in float64; scores of all layers against one layer at a time.
#include "../attr/run.h"
#include "lab.h"

#include <math.h>

static Str id_name(void *context, int32_t id) { return str_of(arena_printf(context, "%d", id)); }

static double number_at(const Json *list, int64_t i)
{
    const Json *c = list->child;
    while (i--) c = c->next;
    return c->number;
}

// What float64 says, token for token; a small probability to a thousandth of itself.
static void check_layer(Arena *A, const char *what, const Json *want, const Picture *p, int64_t l,
                        bool encoder)
{
    int64_t columns = p[0].scores.dim[1], last = columns - !encoder;
    for (int64_t c = 0; c < columns; c++) {
        int64_t at = l * columns + c;
        const char *place = arena_printf(A, "%s, layer %" PRId64 ", position %" PRId64, what, l, c);
        CHECK_STR(p[0].cell[at], str_of(arena_printf(A, "%.0f", number_at(json_get(want, "top"), c))));
        check_near(__FILE__, __LINE__, place, (double)p[0].scores.v[at],
                   number_at(json_get(want, "p_top"), c), 2e-6);
        double divergence = number_at(json_get(want, "divergence"), c);
        check_near(__FILE__, __LINE__, place, (double)p[2].scores.v[at], divergence,
                   2e-6 + 2e-6 * divergence);
        if (c >= last || c >= (int64_t)json_get(want, "rank")->count) continue;
        CHECK_STR(p[1].cell[at], str_of(arena_printf(A, "%.0f", number_at(json_get(want, "rank"), c))));
        double word = number_at(json_get(want, "word_p"), c);
        check_near(__FILE__, __LINE__, place, (double)p[1].scores.v[at], word, fmin(2e-6, 1e-3 * word));
    }
}

TEST(lens_golden)
{
    Err e = {0};
    const Json *all = test_json(A, "test/golden/lens.json");
    int run = 0;
    for (const Json *c = json_get(all, "cases")->child; c; c = c->next, run++) {
        const char *name = str_zero(A, json_get(c, "model")->text);
        Lab l;
        if (!lab_open_any(A, name, &l)) FAIL("%s is not known", name);
        Ids target = lab_list(A, json_get(c, "target"));
        if (l.f->encoder_decoder) { // a target's last token is only to be foretold there
            int32_t *more = arena_new(A, int32_t, target.n + 1);
            memcpy(more, target.v, (size_t)target.n * sizeof *more);
            more[target.n] = more[target.n - 1], target = (Ids){more, target.n + 1};
        }
        Token *token = arena_new(A, Token, target.n);
        Pair p = {.source = lab_list(A, json_get(c, "source")), .target = target, .target_tokens = token};
        const char *before = cpu_isa(), *isa[4];
        Str bytes = {0};
        for (size_t i = 0, n = cpu_isas(isa); i < n; i++)
            for (int threads = 1; threads <= 2; threads++) {
                Picture out[ATTR_LENS_PICTURES];
                cpu_select(isa[i], NULL), pool_start(threads);
                LensOptions o = {-1, threads == 1 ? 4096 : 1 << 26, id_name, A}; // a row at a time, or all
                if (!attr_lens(A, l.m, &o, &p, out, &e)) return FAIL("%s: %s", name, e.text);
                const Scores *s = &out[2].scores;
                Str got = {(const char *)s->v, (size_t)(s->dim[0] * s->dim[1]) * sizeof(float)};
                if (bytes.n) CHECK(str_eq(got, bytes)); // the same bits on every set, however rows are dealt
                bytes = got;
                int64_t layer = 0;
                for (const Json *row = json_get(c, "layers")->child; row; row = row->next)
                    check_layer(A, name, row, out, layer++, l.f->encoder_decoder);
                CHECK_INT(layer, s->dim[0]);
            }
        cpu_select(before, NULL), pool_start(0);
    }
    CHECK_INT(run, 6);
}

TEST(lens_refuses)
{
    Lab l;
    Err e = {0};
    Picture out[ATTR_LENS_PICTURES];
    if (!lab_open_any(A, "gpt2-tiny", &l)) return;
    int32_t ids[] = {5, 6}, beyond[] = {1, 1 << 20};
    LensOptions o = {1 << 20, 1 << 20, id_name, A};
    Pair p = {.target = {ids, 2}, .target_tokens = arena_new(A, Token, 2)};
    CHECK(!attr_lens(A, l.m, &o, &p, out, &e));
    check_has(__FILE__, __LINE__, e.text, "outside the vocabulary");
    e = (Err){0}, o.word = -1, p.target.v = beyond;
    CHECK(!attr_lens(A, l.m, &o, &p, out, &e));
    check_has(__FILE__, __LINE__, e.text, "outside the vocabulary");
    e = (Err){0}, p.target.n = 0;
    CHECK(!attr_lens(A, l.m, &o, &p, out, &e));
}

// ------------------------------------------------------------------------------------------ all layers at once

static bool attribute_layer(Arena *A, const Lab *l, const Pair *p, const char *layer, Sequence *out)
{
    Err e = {0};
    AttrOptions o = attr_defaults();
    o.method = "layer_gradient_x_activation", o.attributed_fn = "contrast_prob_diff";
    Str text = str_of(arena_printf(A, "{\"target_layer\": \"%s\"}", layer));
    o.method_args = json_parse(A, text, "", NULL);
    return attr_run(A, l->m, &o, p, 1, out, &e) || (FAIL("%s: %s", layer, e.text), false);
}

// Every layer of "all" is what that layer alone gives, as it is shown.
static void check_all(Arena *A, const char *model, const Pair *pair, const Lab *l, const char *pattern,
                      int64_t layers)
{
    Sequence all;
    if (!attribute_layer(A, l, pair, "all", &all)) return;
    const Scores *of_all = all.source_attributions.v ? &all.source_attributions : &all.target_attributions;
    CHECK_INT(of_all->rank, 3);
    CHECK_INT(of_all->dim[2], layers);
    for (int64_t k = 0; k < layers; k++) {
        Sequence one, flat;
        Stage stage[4];
        char *name = arena_printf(A, "%s", pattern);
        *strchr(name, '#') = (char)('0' + k);
        if (!attribute_layer(A, l, pair, name, &one)) return;
        if (!attr_aggregate(A, &one, stage, attr_default_pipeline(&one, stage), &flat, NULL))
            FAIL("%s", model);
        const Scores *s = flat.source_attributions.v ? &flat.source_attributions : &flat.target_attributions;
        for (int64_t i = 0; i < s->dim[0] * s->dim[1]; i++)
            check_near(__FILE__, __LINE__, name, (double)of_all->v[i * layers + k], (double)s->v[i], 1e-6);
    }
}

TEST(layers_all)
{
    Lab l;
    if (!lab_open_any(A, "gpt2-tiny", &l)) return;
    Pair p = lab_prompt(A, &l, "The teacher lost", "The teacher lost her key."),
         foil = lab_prompt(A, &l, "The teacher lost", "The teacher lost his key.");
    p.contrast = &foil;
    check_all(A, "gpt2-tiny", &p, &l, "transformer.h.#.mlp", l.f->decoder_layers);
    if (!lab_open_any(A, "llama-tiny", &l)) return;
    p = lab_prompt(A, &l, "The teacher lost", "The teacher lost her key.");
    foil = lab_prompt(A, &l, "The teacher lost", "The teacher lost his key.");
    p.contrast = &foil;
    check_all(A, "llama-tiny", &p, &l, "model.layers.#.mlp.down_proj", l.f->decoder_layers);
    if (!lab_open(A, "marian-en-nl", &l)) return;
    p = lab_forced(A, &l, "The nurse lost her key.", "De verpleegster verloor haar sleutel.");
    foil = lab_forced(A, &l, "The nurse lost her key.", "De verpleger verloor haar sleutel.");
    p.contrast = &foil;
    check_all(A, "marian-en-nl", &p, &l, "encoder.layers.#.fc2", l.f->encoder_layers);
}

TEST(layers_picture)
{
    Lab l;
    Err e = {0};
    Sequence s;
    Picture p;
    if (!lab_open_any(A, "gpt2-tiny", &l)) return;
    Pair pair = lab_prompt(A, &l, "The teacher lost", "The teacher lost her key."), foil = pair;
    pair.contrast = &foil;
    if (!attribute_layer(A, &l, &pair, "all", &s)) return;
    int64_t step = s.attr_pos_start + 1, n = s.target_attributions.dim[1], L = l.f->decoder_layers;
    if (!attr_layer_picture(A, &s, step, &p, &e)) return FAIL("%s", e.text);
    CHECK_INT(p.scores.dim[0], step);
    CHECK_INT(p.scores.dim[1], L);
    for (int64_t i = 0; i < step; i++) {
        CHECK_STR(p.row[i].text, s.target[i].text);
        for (int64_t k = 0; k < L; k++)
            CHECK(p.scores.v[i * L + k] == s.target_attributions.v[(i * n + 1) * L + k]);
    }
    CHECK(!attr_layer_picture(A, &s, s.attr_pos_end, &p, &e));
    check_has(__FILE__, __LINE__, e.text, "is not among the attributed ones");
}

// ------------------------------------------------------------------------------------------ pictures in reports

// Words of a vocabulary are a stranger's text in pictures too; numbers and words are all there as data.
TEST(pictures_reported)
{
    static const char *const formats[] = {"terminal", "html", "svg", "csv", "json"};
    Str cell[] = {STR_LIT("<b>\x1b[31m"), STR_LIT("two"), STR_LIT("=1+1"), STR_LIT("four")};
    Token row[] = {{1, STR_LIT("</td>")}, {2, STR_LIT("row")}},
          column[] = {{3, STR_LIT("\xe2\x80\xae")}, {4, STR_LIT("col")}};
    float v[] = {0.25f, 0.5f, NAN, 1};
    Picture p = {.title = "A title",
                 .down = "Rows",
                 .across = "Columns",
                 .row = row,
                 .column = column,
                 .cell = cell,
                 .scores = {.rank = 2, .dim = {2, 2}, .v = v}};
    Attribution t = {.pictures = &p, .n_pictures = 1};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        Err e = {0};
        Buf b = {.arena = A};
        ReportOptions o = {.width = 80, .unicode = true, .min_val = NAN, .max_val = NAN};
        if (!attr_report(formats[i])->write(A, &t, &o, &b, &e)) FAIL("%s: %s", formats[i], e.text);
        const char *out = str_zero(A, buf_view(&b));
        bool data = i >= 3;
        check_has(__FILE__, __LINE__, out, "A title");
        check_has(__FILE__, __LINE__, out, "four");
        if (!data) CHECK(!strchr(out, 27)); // ESC
        if (i == 1 || i == 2)
            check_has(__FILE__, __LINE__, out, "&lt;b&gt;"),
                check_has(__FILE__, __LINE__, out, "&lt;/td&gt;");
        if (i == 3) check_has(__FILE__, __LINE__, out, ",0.5,two\n");
        if (i == 4) {
            const Json *j = json_parse(A, buf_view(&b), "json", &e),
                       *all = j ? json_get(j, "pictures") : NULL;
            if (!all) return FAIL("%s", e.text);
            CHECK_STR(json_get(all->child, "words")->child->text, cell[0]);
            CHECK_INT((int64_t)json_get(all->child, "values")->count, 2);
        }
    }
}
