// SPDX-License-Identifier: Apache-2.0
// describe.c — the `info` of a result file: which model, method, texts and arguments it was made with, under Inseq's keys.
#include "run.h"

// Ours: the model or the method of each sequence, where several ran.
#define SEQUENCE_MODELS  "sequence_models"
#define SEQUENCE_METHODS "sequence_methods"

static void field(Arena *a, Attribution *t, const char *key, Str json)
{
    t->info[t->n_info++] = (InfoField){.key = str_of(key), .json = str_copy(a, json)};
}

static void field_text(Arena *a, Attribution *t, const char *key, const char *value)
{
    Buf b = {.arena = a};
    if (value) buf_json_ascii(&b, str_of(value));
    else buf_str(&b, STR_LIT("null"));
    field(a, t, key, buf_view(&b));
}

static void field_bool(Arena *a, Attribution *t, const char *key, bool value)
{
    field(a, t, key, value ? STR_LIT("true") : STR_LIT("false"));
}

static void field_int(Arena *a, Attribution *t, const char *key, int64_t value)
{
    field(a, t, key, str_of(arena_printf(a, "%" PRId64, value)));
}

static void field_list(Arena *a, Attribution *t, const char *key, const Str *v, size_t n)
{
    Buf b = {.arena = a};
    buf_char(&b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) buf_char(&b, ',');
        buf_json_ascii(&b, v[i]);
    }
    buf_char(&b, ']');
    field(a, t, key, buf_view(&b));
}

void attr_describe(Arena *a, Attribution *t, const Model *m, const AttrOptions *o, const AttrTexts *x)
{
    const ModelInfo *f = nn_info(m);
    Str *steps = arena_new(a, Str, o->n_step_scores);
    for (size_t i = 0; i < o->n_step_scores; i++) steps[i] = str_of(o->step_scores[i]);
    int64_t end = 0;
    for (size_t i = 0; i < t->n; i++)
        end = t->sequence[i].attr_pos_end > end ? t->sequence[i].attr_pos_end : end;
    t->info = arena_new(a, InfoField, 32), t->n_info = 0;
    field_int(a, t, "attr_pos_end", end);
    field_int(a, t, "attr_pos_start", t->n ? t->sequence[0].attr_pos_start : 1);
    field_bool(a, t, "attribute_target", o->attribute_target);
    field_text(a, t, "attributed_fn", arena_printf(a, "%s_fn", o->attributed_fn));
    field(a, t, "attributed_fn_args", STR_LIT("{}"));
    field(a, t, "attribution_args", x->attribution_args.n ? x->attribution_args : STR_LIT("{}"));
    field_text(a, t, "attribution_method", o->method);
    field_bool(a, t, "constrained_decoding", x->forced);
    field(a, t, "exec_time", STR_LIT("0.0")); // the same input gives the same bytes
    field_bool(a, t, "generate_from_target_prefix", x->from_prefix);
    field_list(a, t, "generated_texts", x->targets, x->n);
    field(a, t, "generation_args", x->generation_args.n ? x->generation_args : STR_LIT("{}"));
    field_bool(a, t, "include_eos_baseline", o->include_eos_baseline);
    field_list(a, t, "input_texts", x->sources, x->n);
    field_text(a, t, "model_class", f->class_name);
    field_text(a, t, "model_name", f->name);
    field_bool(a, t, "output_step_attributions", false);
    field_list(a, t, "step_scores", steps, o->n_step_scores);
    field(a, t, "step_scores_args", STR_LIT("{}"));
    field_text(a, t, "tokenizer_class", x->tokenizer_class);
    field_text(a, t, "tokenizer_name", NULL);
}

// Two JSON lists end to end.
static Str joined(Arena *a, Str first, Str more)
{
    if (first.n <= 2 || more.n <= 2) return first.n <= 2 ? more : first;
    return str_of(arena_printf(a, "%.*s,%.*s", (int)first.n - 1, first.s, (int)more.n - 1, more.s + 1));
}

void attr_append(Arena *a, Attribution *t, const Attribution *more)
{
    Sequence *all = arena_new(a, Sequence, t->n + more->n);
    for (size_t i = 0; i < t->n; i++) all[i] = t->sequence[i];
    for (size_t i = 0; i < more->n; i++) all[t->n + i] = more->sequence[i];
    t->sequence = all, t->n += more->n;
    if (!t->n_info) t->info = more->info, t->n_info = more->n_info;
    else // both were described by the same code: the same keys in the same order
        for (size_t i = 0; i < more->n_info; i++)
            if (str_is(more->info[i].key, "input_texts") || str_is(more->info[i].key, "generated_texts"))
                t->info[i].json = joined(a, t->info[i].json, more->info[i].json);
    Str *title = arena_new(a, Str, t->n);
    for (size_t i = 0; i < t->n; i++) {
        if (!all[i].title) return;
        title[i] = str_of(all[i].title);
    }
    if (t->n_info && str_is(t->info[t->n_info - 1].key, SEQUENCE_MODELS)) t->n_info--;
    field_list(a, t, SEQUENCE_MODELS, title, t->n);
}

void attr_note_methods(Arena *a, Attribution *t)
{
    Str *method = arena_new(a, Str, t->n);
    for (size_t i = 0; i < t->n; i++) method[i] = str_of(t->sequence[i].method ? t->sequence[i].method : "");
    field_list(a, t, SEQUENCE_METHODS, method, t->n);
}

void attr_note_rows(Arena *a, Attribution *t)
{
    Buf b = {.arena = a};
    bool any = false;
    for (size_t i = 0; i < t->n; i++) {
        const Str *row = &t->sequence[i].row;
        buf_str(&b, i ? STR_LIT(", ") : STR_LIT("["));
        buf_str(&b, row->n ? *row : STR_LIT("null"));
        any |= row->n > 0;
    }
    buf_char(&b, ']');
    if (any) field(a, t, ATTR_ROWS, buf_view(&b));
}

void attr_note_provenance(Arena *a, Attribution *t, Str json) { field(a, t, ATTR_PROVENANCE, json); }

void attr_list_texts(Attribution *t, const Str *sources, const Str *targets, const Str *row, size_t n)
{
    for (size_t i = 0; i < t->n_info; i++) {
        InfoField *f = &t->info[i];
        bool source = str_is(f->key, "input_texts");
        if (!source && !str_is(f->key, "generated_texts")) continue;
        f->list = source ? sources : targets, f->n_list = n;
    }
    if (row)
        t->info[t->n_info++] =
            (InfoField){.key = str_of(ATTR_ROWS), .list = row, .n_list = n, .values = true};
}

// Gives each sequence the title that attr_append noted, or the method, where a file has them.
void attr_take_titles(Arena *a, Attribution *t)
{
    for (size_t i = 0; i < t->n_info; i++) {
        bool models = str_is(t->info[i].key, SEQUENCE_MODELS);
        if (!models && !str_is(t->info[i].key, SEQUENCE_METHODS)) continue;
        const Json *list = json_parse(a, t->info[i].json, SEQUENCE_MODELS, NULL),
                   *c = list ? list->child : NULL;
        if (!list || list->kind != J_ARRAY || list->count != t->n) return;
        for (size_t k = 0; k < t->n; k++, c = c->next) {
            if (c->kind != J_STRING) return;
            Sequence *s = &t->sequence[k];
            if (!models) {
                s->method = str_zero(a, c->text);
                s->text = !k ? 1 : s[-1].text + str_is(c->text, t->sequence[0].method);
                continue;
            }
            s->title = str_zero(a, c->text);
            s->text = k && str_is(c->text, s[-1].title) ? s[-1].text + 1 : 1;
        }
    }
}
