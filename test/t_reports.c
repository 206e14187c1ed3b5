// SPDX-License-Identifier: Apache-2.0
// t_reports.c — folders as people leave them: each line of test/golden/reports/cases.jsonl is a command and what must come
// of it; and each kind of such folders again, made here from the small models in it.
//
// Fields of a case: words (of the command), exit, stdout (exactly), says (parts of standard error), has (parts of standard
// output), silent (nothing on standard error), same_as (a command that prints the same), ids_as (one whose target has the
// same ids), begins (the target's first ids), json with tolerance (places of the output, dots between their parts).
#include "../nn/nn.h"
#include "../tok/tok.h"
#include "cli.h"

#include <math.h>
#include <stdlib.h>

#define REPORTS  "test/golden/reports/"
#define M        REPORTS "m/"
#define SENTENCE "the nurse went home ."

static Run run_list(Arena *A, const Json *list)
{
    const char *words[64];
    size_t n = 0;
    for (const Json *j = list->child; j && n < 63; j = j->next) words[n++] = str_zero(A, j->text);
    words[n] = NULL;
    return run_with(A, &(Setup){0}, words);
}

static const Json *ids_in(Arena *A, const char *out)
{
    const Json *j = json_parse(A, str_of(out), "output", NULL), *s = j ? json_get(j, "sequences") : NULL;
    s = s ? s->child : NULL;
    const Json *ids = s ? json_get(s, "target_ids") : NULL;
    return ids ? ids : s ? json_get(s, "ids") : NULL;
}

static const Json *at(const Json *j, Str path) // "sequences.0.ids"
{
    while (j && path.n) {
        const char *dot = memchr(path.s, '.', path.n), *key;
        Str part = {path.s, dot ? (size_t)(dot - path.s) : path.n};
        char text[100];
        snprintf(text, sizeof text, "%.*s", (int)part.n, part.s), key = text;
        if (j->kind == J_ARRAY) {
            long n = strtol(key, NULL, 10);
            for (j = j->child; j && n > 0; n--) j = j->next;
        } else j = json_get(j, key);
        path.s += part.n + (dot != NULL), path.n -= part.n + (dot != NULL);
    }
    return j;
}

static void same_value(const char *name, const Json *got, const Json *want, double tolerance)
{
    if (!got || got->kind != want->kind || got->count != want->count) FAIL("%s: another value", name);
    else if (want->kind == J_NUMBER) CHECK_NEAR(got->number, want->number, tolerance);
    else if (want->kind == J_STRING) CHECK_STR(got->text, want->text);
    else
        for (const Json *g = got->child, *w = want->child; g && w; g = g->next, w = w->next)
            same_value(name, g, w, tolerance);
}

static void run_case(Arena *A, const Json *c)
{
    const char *name = str_zero(A, json_get(c, "name")->text);
    Run r = run_list(A, json_get(c, "words"));
    const Json *want;
    if (r.code != json_get(c, "exit")->i) FAIL("%s: exit code %d: %s", name, r.code, r.err);
    if (r.code == 1 && (strncmp(r.err, "inseq: ", 7) || r.n_out)) FAIL("%s: %s", name, r.err);
    if ((want = json_get(c, "stdout"))) CHECK_STR(str_of(r.out), want->text);
    if ((want = json_get(c, "silent")) && *r.err) FAIL("%s: %s", name, r.err);
    for (const Json *j = (want = json_get(c, "says")) ? want->child : NULL; j; j = j->next)
        if (!strstr(r.err, str_zero(A, j->text)))
            FAIL("%s: nothing of '%s': %s", name, str_zero(A, j->text), r.err);
    for (const Json *j = (want = json_get(c, "has")) ? want->child : NULL; j; j = j->next)
        CHECK_HAS(r.out, str_zero(A, j->text));
    if ((want = json_get(c, "same_as"))) {
        Run other = run_list(A, want);
        if (other.code || strcmp(other.out, r.out)) FAIL("%s: prints %s, and not %s", name, r.out, other.out);
    }
    if ((want = json_get(c, "ids_as")))
        same_value(name, ids_in(A, r.out), ids_in(A, run_list(A, want).out), 0);
    if ((want = json_get(c, "begins"))) {
        const Json *got = ids_in(A, r.out), *g = got ? got->child : NULL, *w = want->child;
        while (g && w && g->i == w->i) g = g->next, w = w->next;
        if (w) FAIL("%s: other ids", name);
    }
    const Json *top = (want = json_get(c, "json")) ? json_parse(A, str_of(r.out), name, NULL) : NULL;
    for (const Json *j = want ? want->child : NULL; j; j = j->next)
        same_value(name, at(top, j->key), j, json_get(c, "tolerance")->number);
    test_count(1);
}

TEST(reports)
{
    Str text = test_read(A, REPORTS "cases.jsonl");
    Err e = {0};
    int n = 0;
    while (text.n) {
        const char *end = memchr(text.s, '\n', text.n);
        size_t length = end ? (size_t)(end - text.s) : text.n;
        Arena *a = arena_create(A);
        const Json *c = json_parse(a, (Str){text.s, length}, "cases.jsonl", &e);
        if (c) run_case(a, c), n++;
        else FAIL("%s", e.text);
        arena_free(a);
        text.s += length + (end != NULL), text.n -= length + (end != NULL);
    }
    CHECK(n >= 67);
}

// ------------------------------------------------------------------------------------------ kinds

static const char *const t5_files[] = {"config.json",  "generation_config.json", "tokenizer_config.json",
                                       "spiece.model", "model.safetensors",      NULL},
                         *const marian_files[] = {"config.json",
                                                  "generation_config.json",
                                                  "tokenizer_config.json",
                                                  "source.spm",
                                                  "target.spm",
                                                  "vocab.json",
                                                  "model.safetensors",
                                                  NULL};

// A copy of one of the models in a folder of its own, but for one file.
static const char *copied(Arena *A, const char *model, const char *const *files, const char *other, Str bytes)
{
    const char *folder = kit_folder(A);
    for (; *files; files++) {
        size_t n;
        const char *s = slurp(A, arena_printf(A, M "%s/%s", model, *files), &n);
        kit_write(folder, *files, other && !strcmp(other, *files) ? bytes : (Str){s, n});
    }
    return folder;
}

// Every file that a model has, as each of what often lies in its place.
TEST(reports_files_that_are_something_else)
{
    static const struct {
        const char *text, *says;
    } kinds[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 791656\n", "git-lfs pointer"},
        {"<!DOCTYPE html>\n<html><body>401</body></html>", "web page (HTML)"},
        {"\n <HTML lang=en>", "web page (HTML)"},
        {"\xEF\xBB\xBF<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "web page (XML)"},
        {"Entry not found", "server's answer"},
        {"{\"error\":\"Repository not found\"}", "server's answer"},
        {"Access to model Org/x is restricted.", "server's answer"},
        {"../../blobs/d60acb128cf7b7f2536e8f38a5b18a05535c9e14c7a355904270e15b0945ea86",
         "the text of a link"},
        {"/home/someone/blobs/d60acb128cf7\n", "the text of a link"},
        {"XSym\n0076\n00000000000000000000000000000000\n../../blobs/d60a\n", "the text of a link"},
    };
    for (int m = 0; m < 2; m++)
        for (const char *const *file = m ? marian_files : t5_files; *file; file++)
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
                Arena *a = arena_create(A);
                const char *folder =
                    copied(a, m ? "marian" : "t5", m ? marian_files : t5_files, *file, str_of(kinds[k].text));
                Err e = {0};
                Model *model = nn_open(a, folder, (NnOptions){0}, &e);
                if (model && tok_open(a, nn_info(model)->tokenizer, &e)) FAIL("%s %zu opens", *file, k);
                else if (!strstr(e.text, kinds[k].says) || !strstr(e.text, *file) || strchr(e.text, '\n'))
                    FAIL("%s %zu: %s", *file, k, e.text);
                else test_count(1);
                arena_free(a);
            }
}

// The weights with other names: what stands before `from` in the header's names becomes `to`.
static Str renamed(Arena *A, const char *model, const char *const (*change)[2])
{
    size_t n;
    const char *s = slurp(A, arena_printf(A, M "%s/model.safetensors", model), &n);
    uint64_t length;
    memcpy(&length, s, 8);
    Str header = {s + 8, (size_t)length};
    for (; (*change)[0]; change++) {
        Buf b = {.arena = A};
        size_t k = strlen((*change)[0]);
        for (size_t i = 0; i < header.n;)
            if (i + k <= header.n && !memcmp(header.s + i, (*change)[0], k))
                buf_str(&b, str_of((*change)[1])), i += k;
            else buf_char(&b, header.s[i++]);
        header = buf_view(&b);
    }
    Buf out = {.arena = A};
    uint64_t now = header.n;
    buf_put(&out, &now, 8), buf_str(&out, header), buf_put(&out, s + 8 + length, n - 8 - length);
    return buf_view(&out);
}

TEST(reports_names_of_wrapped_models)
{
    static const struct {
        const char *model, *change[5][2];
    } cases[] = {
        {"t5", {{"\"decoder.", "\"module.decoder."}, {"\"encoder.", "\"module.encoder."}, {0}}},
        {"t5",
         {{"\"decoder.", "\"_orig_mod.decoder."},
          {"\"encoder.", "\"_orig_mod.encoder."},
          {"\"shared.", "\"_orig_mod.shared."},
          {"\"lm_head.", "\"_orig_mod.lm_head."},
          {0}}},
        {"t5",
         {{"SelfAttention.", "_checkpoint_wrapped_module.SelfAttention."},
          {"\"encoder.", "\"_fsdp_wrapped_module.encoder."},
          {0}}},
        {"marian", {{"\"model.", "\"module.model."}, {0}}},
        {"marian",
         {{"\"model.", "\"_orig_mod.module.model."},
          {"\"final_logits_bias", "\"_orig_mod.module.final_logits_bias"},
          {0}}},
        {"marian", {{"\"model.", "\"net.model."}, {"\"final_logits_bias", "\"net.final_logits_bias"}, {0}}},
        {"marian", {{"\"model.", "\"student."}, {0}}},
        {"marian", {{"\"model.", "\""}, {0}}},
        {"marian", {{"self_attn.", "self_attn.base_layer."}, {"model.shared", "lm_head"}, {0}}},
        {"marian", {{"model.shared", "model.decoder.embed_tokens"}, {0}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool marian = cases[i].model[0] == 'm';
        const char *change[6][2] = {{0}};
        memcpy(change, cases[i].change, sizeof cases[i].change);
        Str weights = renamed(A, cases[i].model, (const char *const(*)[2])change);
        const char *folder =
            copied(A, cases[i].model, marian ? marian_files : t5_files, "model.safetensors", weights);
        Run got = RUN("generate", "-m", folder, "--json", "-i", SENTENCE),
            want = RUN("generate", "-m", arena_printf(A, M "%s", cases[i].model), "--json", "-i", SENTENCE);
        check_ran(cases[i].change[0][1], got);
        CHECK_STR(str_of(got.out), str_of(want.out));
    }
    static const char *const other[][2] = {
        {"model.encoder.layers.0.fc2.weight", "x.model.encoder.layers.0.fc2.weight"}, {0}};
    const char *folder = copied(A, "marian", marian_files, "model.safetensors", renamed(A, "marian", other));
    check_refused("one name", RUN("generate", "-m", folder, "-i", SENTENCE), 1,
                  "there is \"x.model.encoder.layers.0.fc2.weight\"");
    static const char *const lora[][2] = {{"fc1.weight", "fc1.lora_A.weight"}, {0}};
    folder = copied(A, "marian", marian_files, "model.safetensors", renamed(A, "marian", lora));
    check_refused("LoRA beside weights", RUN("generate", "-m", folder, "-i", SENTENCE), 1,
                  "holds a LoRA adapter beside the weights");
}

// Text in an encoding of sixteen or more bits, with and without a mark, from a file and from standard input.
TEST(reports_other_encodings)
{
    static const struct {
        Str bytes;
        const char *says;
    } cases[] = {
        {BYTES("\xFF\xFEt\0h\0e\0 \0n\0u\0r\0s\0e\0\n\0"), "UTF-16"},
        {BYTES("\xFE\xFF\0t\0h\0e\0\n"), "UTF-16"},
        {BYTES("t\0h\0e\0 \0n\0u\0r\0s\0e\0\n\0"), "UTF-16"},
        {BYTES("\0t\0h\0e\0 \0n\0u\0r\0s\0e\0\n"), "UTF-16"},
        {BYTES("\xFF\xFE\0\0t\0\0\0h\0\0\0"), "UTF-32"},
        {BYTES("t\0\0\0h\0\0\0e\0\0\0\n\0\0\0"), "UTF-32"},
    };
    const char *folder = kit_folder(A);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit_write(folder, "text", cases[i].bytes);
        const char *word = arena_printf(A, "@%s/text", folder);
        check_refused(word, RUN("generate", "-m", M "t5", "-i", word), 1, cases[i].says);
        check_refused(word, RUN("tokenize", "-m", M "t5", "-i", word), 1, cases[i].says);
    }
}
