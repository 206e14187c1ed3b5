// SPDX-License-Identifier: Apache-2.0
// report_json.c — a flat JSON of our own, easier to use than Inseq's nested records: `layout`, at the end of this file, has it.
#include "report.h"
#include "../results/result.h"

#include <math.h>
#include <string.h>

static void put_number(Buf *b, float v, bool is_int)
{
    if (!isfinite(v)) buf_str(b, STR_LIT("null"));
    else if (is_int && fabsf(v) < 9e18f) buf_printf(b, "%" PRId64, (int64_t)v);
    else buf_float(b, v);
}

// Nested lists, a line for each row of the first dimension.
static void put_scores(Buf *b, const Scores *x, bool is_int)
{
    if (!x->v) {
        buf_str(b, STR_LIT("null"));
        return;
    }
    int64_t n = scores_count(x, 0);
    int64_t index[5] = {0};
    if (!n) {
        buf_str(b, STR_LIT("[]"));
        return;
    }
    for (int k = 0; k < x->rank; k++) buf_char(b, '[');
    for (int64_t i = 0; i < n; i++) {
        put_number(b, x->v[i], is_int);
        int closed = 0; // lists that end with this number
        for (int k = x->rank - 1; k >= 0 && ++index[k] == x->dim[k]; k--) index[k] = 0, closed++;
        for (int k = 0; k < closed; k++) buf_char(b, ']');
        if (i + 1 == n) break;
        buf_str(b, closed && closed == x->rank - 1 ? STR_LIT(",\n        ") : STR_LIT(", "));
        for (int k = 0; k < closed; k++) buf_char(b, '[');
    }
}

static void put_named(Buf *b, const char *name, const NamedScores *x, size_t n)
{
    buf_printf(b, "      \"%s\": {", name);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? STR_LIT(",\n        ") : STR_LIT("\n        "));
        buf_json(b, x[i].name);
        buf_str(b, STR_LIT(": "));
        put_scores(b, &x[i].scores, x[i].is_int);
    }
    buf_str(b, n ? STR_LIT("\n      }") : STR_LIT("}"));
}

static void put_tokens(Buf *b, const char *side, const Token *t, int64_t n)
{
    buf_printf(b, "      \"%s_tokens\": [", side);
    for (int64_t i = 0; i < n; i++) {
        if (i) buf_str(b, STR_LIT(", "));
        buf_json(b, t[i].text);
    }
    buf_printf(b, "],\n      \"%s_ids\": [", side);
    for (int64_t i = 0; i < n; i++) buf_printf(b, "%s%" PRId32, i ? ", " : "", t[i].id);
    buf_str(b, STR_LIT("],\n"));
}

static void put_curves(Buf *b, const Curves *x)
{
    const struct {
        const char *name;
        const Scores *v;
    } all[] = {{"deletion", &x->deletion},
               {"insertion", &x->insertion},
               {"comprehensiveness", &x->comprehensiveness},
               {"sufficiency", &x->sufficiency}};
    for (int k = 0; k < 4; k++) {
        buf_printf(b, "%s\"%s\": ", k ? ",\n        " : "", all[k].name);
        put_scores(b, all[k].v, false);
    }
}

static void put_evaluation(Buf *b, const Evaluation *x)
{
    buf_str(
        b,
        STR_LIT(
            ",\n      \"evaluation\": {\n        \"shares\": [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100], "
            "\"bins\": [1, 5, 10, 20, 50],\n        "));
    put_curves(b, &x->own);
    if (x->random.deletion.v)
        buf_str(b, STR_LIT(",\n        \"random\": {")), put_curves(b, &x->random), buf_char(b, '}');
    buf_str(b, STR_LIT("\n      }"));
}

static void put_names(Buf *b, const char *key, const Str *v, size_t n)
{
    buf_printf(b, ", \"%s\": [", key);
    for (size_t i = 0; i < n; i++) buf_str(b, i ? STR_LIT(", ") : (Str){0}), buf_json(b, v[i]);
    buf_char(b, ']');
}

static void put_figures(Buf *b, const Figures *f)
{
    buf_str(b, STR_LIT("    {\"title\": ")), buf_json(b, str_of(f->title));
    put_names(b, "rows", f->row, f->n_rows), put_names(b, "columns", f->column, f->n_columns);
    buf_str(b, STR_LIT(",\n     \"values\": ["));
    for (size_t i = 0; i < f->n_rows * f->n_columns; i++) {
        size_t k = i % f->n_columns;
        buf_str(b, k ? STR_LIT(", ") : i ? STR_LIT(", [") : STR_LIT("["));
        put_number(b, (float)f->v[i], false);
        if (k + 1 == f->n_columns) buf_char(b, ']');
    }
    buf_str(b, STR_LIT("]}"));
}

static void put_token_names(Buf *b, const char *key, const Token *v, int64_t n)
{
    buf_printf(b, ", \"%s\": [", key);
    for (int64_t i = 0; i < n; i++) buf_str(b, i ? STR_LIT(", ") : (Str){0}), buf_json(b, v[i].text);
    buf_char(b, ']');
}

static void put_picture(Buf *b, const Picture *p)
{
    buf_str(b, STR_LIT("    {\"title\": ")), buf_json(b, str_of(p->title));
    buf_printf(b, ", \"sequence\": %zu", p->sequence);
    put_token_names(b, "rows", p->row, p->scores.dim[0]),
        put_token_names(b, "columns", p->column, p->scores.dim[1]);
    buf_str(b, STR_LIT(",\n     \"values\": ")), put_scores(b, &p->scores, false);
    if (p->cell) put_names(b, "words", p->cell, (size_t)(p->scores.dim[0] * p->scores.dim[1]));
    buf_str(b, STR_LIT(",\n")), put_named(b, "below", p->below, p->n_below);
    buf_char(b, '}');
}

static void put_sequence(Buf *b, const Sequence *s, Str model)
{
    buf_str(b, STR_LIT("    {\n      \"model\": "));
    if (model.n) buf_json(b, model);
    else buf_str(b, STR_LIT("null"));
    if (s->method) buf_str(b, STR_LIT(",\n      \"method\": ")), buf_json(b, str_of(s->method));
    if (s->row.n) buf_str(b, STR_LIT(",\n      \"row\": ")), buf_str(b, s->row);
    buf_str(b, STR_LIT(",\n"));
    put_tokens(b, "source", s->source, s->n_source);
    put_tokens(b, "target", s->target, s->n_target);
    buf_printf(b, "      \"attr_pos_start\": %" PRId64 ",\n      \"attr_pos_end\": %" PRId64 ",\n",
               s->attr_pos_start, s->attr_pos_end);
    buf_str(b, STR_LIT("      \"source_attributions\": "));
    put_scores(b, &s->source_attributions, false);
    buf_str(b, STR_LIT(",\n      \"target_attributions\": "));
    put_scores(b, &s->target_attributions, false);
    buf_str(b, STR_LIT(",\n"));
    put_named(b, "step_scores", s->step_scores, s->n_step_scores);
    buf_str(b, STR_LIT(",\n"));
    put_named(b, "sequence_scores", s->sequence_scores, s->n_sequence_scores);
    if (s->evaluation) put_evaluation(b, s->evaluation);
    buf_str(b, STR_LIT("\n    }"));
}

// What stands on several lines in one: no string has an end of line of its own, they are written \n.
static void put_line(Buf *b, Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.s[i] != '\n') buf_char(b, s.s[i]);
        else
            while (i + 1 < s.n && s.s[i + 1] == ' ') i++;
    }
    buf_char(b, '\n');
}

void report_json_line(Arena *a, const Attribution *t, size_t i, Buf *out)
{
    Arena *work = arena_create(a);
    Buf b = {.arena = work};
    const char *method = attr_info(work, t, "attribution_method");
    if (i >= t->n) put_picture(&b, &t->pictures[i - t->n]);
    else {
        put_sequence(&b, &t->sequence[i], report_model(work, t, &t->sequence[i]));
        buf_printf(out, "{\"sequence\": %zu, \"attribution_method\": ", t->first + i);
        if (method) buf_json(out, str_of(method));
        else buf_str(out, STR_LIT("null"));
        buf_str(out, STR_LIT(", "));
    }
    Str s = buf_view(&b);
    size_t begin = i < t->n ? strcspn(s.s, "{") + 1 : strspn(s.s, " ");
    while (i < t->n && (s.s[begin] == '\n' || s.s[begin] == ' ')) begin++;
    put_line(out, (Str){s.s + begin, s.n - begin});
    arena_free(work);
}

void attr_flat_members(Arena *a, const Attribution *t, Buf *out)
{
    static const char begin[] = "{\"sequence\": 0, ";
    Arena *work = arena_create(a);
    Buf b = {.arena = work};
    report_json_line(work, t, 0, &b);
    buf_put(out, b.s + sizeof begin - 1, b.n - sizeof begin - 1); // without }\n
    arena_free(work);
}

static bool write_json(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    (void)o;
    buf_str(out, STR_LIT("{\n  \"schema\": \"inseq-report\",\n  \"schema_version\": 1,\n  \"info\": {"));
    for (size_t i = 0; i < t->n_info; i++) {
        const Json *j = json_parse(a, t->info[i].json, "info", e);
        if (!j) return false;
        buf_str(out, i ? STR_LIT(",\n    ") : STR_LIT("\n    "));
        buf_json(out, t->info[i].key);
        buf_str(out, STR_LIT(": "));
        json_pretty(a, out, j, COMPACT, true);
    }
    buf_str(out, t->n_info ? STR_LIT("\n  },\n  \"sequences\": [\n") : STR_LIT("},\n  \"sequences\": [\n"));
    for (size_t i = 0; i < t->n; i++) {
        if (i) buf_str(out, STR_LIT(",\n"));
        put_sequence(out, &t->sequence[i], report_model(a, t, &t->sequence[i]));
    }
    for (size_t i = 0; i < t->n_figures; i++) {
        buf_str(out, i ? STR_LIT(",\n") : STR_LIT("\n  ],\n  \"figures\": [\n"));
        put_figures(out, &t->figures[i]);
    }
    for (size_t i = 0; i < t->n_pictures; i++) {
        buf_str(out, i ? STR_LIT(",\n") : STR_LIT("\n  ],\n  \"pictures\": [\n"));
        put_picture(out, &t->pictures[i]);
    }
    buf_str(out, STR_LIT("\n  ]\n}\n"));
    return true;
}

const Report report_json = {
    .name = "json",
    .extension = ".json",
    .summary = "flat JSON: tokens, ids and scores as plain lists",
    .layout = "{ \"schema\": \"inseq-report\", \"schema_version\": 1, \"info\": {...},\n"
              "  \"sequences\": [ {\n"
              "    \"model\": \"demo/en-nl\" or null,\n"
              "    \"source_tokens\": [\"_Does\", ...], \"source_ids\": [...],\n"
              "    \"target_tokens\": [...], \"target_ids\": [...],\n"
              "    \"attr_pos_start\": 1, \"attr_pos_end\": 3,   (steps: positions of the target)\n"
              "    \"source_attributions\": [[...], ...] or null,   (a list for each token)\n"
              "    \"target_attributions\": [[...], ...] or null,\n"
              "    \"step_scores\": {\"probability\": [...]}, \"sequence_scores\": {...},\n"
              "    \"row\": {\"number\", \"id\", \"fields\": {...}}       (of data files)\n"
              "    \"evaluation\": {...}                            (with --evaluate)\n"
              "    \"method\": \"saliency\"                           (where several ran) } ],\n"
              "  \"figures\": [ {\"title\", \"rows\": [...], \"columns\": [...], \"values\": [...]} ],\n"
              "  \"pictures\": [ {\"title\", \"sequence\", \"rows\": [...], \"columns\": [...],\n"
              "    \"values\": [[...], ...], \"words\": [...], \"below\": {\"name\": [...]}} ] }\n"
              "\n"
              "evaluation: shares and deletion, insertion [11 shares][steps], bins and\n"
              "comprehensiveness, sufficiency [5 bins][steps], shares and bins in percent of\n"
              "the tokens, and random: the same four in a random order. figures: tables over\n"
              "all texts. pictures: tokens by layers, lenses. Strict JSON (RFC 8259): null\n"
              "stands where there is no number. A later version only adds keys, else\n"
              "schema_version goes up.\n",
    .aggregated = true,
    .write = write_json,
};
