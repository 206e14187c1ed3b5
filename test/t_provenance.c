// SPDX-License-Identifier: Apache-2.0
// t_provenance.c — what a result says of where it is from: the files it was made of, by their hashes.
#include "../attr/texts/texts.h"
#include "cli.h"
#include "copies.h"

// ------------------------------------------------------------------------------------------ files

static void no_note(void *context, const char *sentence) { (void)context, (void)sentence; }

static bool opened(Arena *A, const char *folder, Loaded *l)
{
    static const Talk quiet = {.note = no_note};
    Err e = {0};
    if (texts_load(A, folder, NULL, (NnOptions){0}, &quiet, l, &e)) return true;
    FAIL("%s: %s", folder, e.text);
    return false;
}

static const char *fingerprint(Arena *A, const Loaded *l)
{
    char *hex = arena_new(A, char, 65);
    Err e = {0};
    if (!texts_fingerprint(l, hex, &e)) FAIL("%s: %s", l->name, e.text);
    return hex;
}

// Each file that a model was opened from, weights and tokenizer above all, is there once with the hash of its bytes.
TEST(provenance_files)
{
    static const char *const expected[] = {"config.json", "model.safetensors", "source.spm", "target.spm",
                                           "vocab.json"};
    Loaded l;
    const TextFile *file, *again;
    size_t n, m;
    Err e = {0};
    if (!opened(A, MODEL, &l)) return;
    CHECK(texts_files(&l, &file, &n, &e));
    for (size_t k = 0; k < sizeof expected / sizeof *expected; k++) {
        size_t times = 0;
        for (size_t i = 0; i < n; i++) times += !strcmp(file[i].name, expected[k]);
        if (times != 1) FAIL("%s: %zu times", expected[k], times);
    }
    for (size_t i = 0; i < n; i++) {
        char hex[65];
        Str bytes = test_read(A, file[i].path);
        sha256_hex(bytes, hex);
        CHECK_STR(str_of(file[i].sha256), str_of(hex));
        CHECK_INT(file[i].bytes, bytes.n);
    }
    CHECK(texts_files(&l, &again, &m, &e) && m == n && !strcmp(again[0].sha256, file[0].sha256));
}

// The fingerprint is the same for a model that was moved, and another one if a byte of any of its files is.
TEST(provenance_fingerprint)
{
    const char *moved = copy_folder(A, "odd-marian", NULL, 0);
    Loaded here, there, other;
    const TextFile *file;
    size_t n;
    Err e = {0};
    if (!opened(A, MODEL, &here) || !opened(A, moved, &there)) return;
    const char *own = fingerprint(A, &here);
    CHECK_INT(strlen(own), 64);
    CHECK_STR(str_of(own), str_of(fingerprint(A, &there)));
    CHECK(texts_files(&here, &file, &n, &e));
    for (size_t i = 0; i < n; i++) {
        const bool weights = strstr(file[i].name, "safetensors");
        Str bytes = str_copy(A, test_read(A, file[i].path));
        char *last = (char *)bytes.s + bytes.n - 1, kept = *last;
        if (!weights && kept != '}' && kept != '\n') continue; // a byte more does no harm to these, JSON
        if (weights) *last ^= 1, kit_write(moved, file[i].name, bytes);
        else kit_write(moved, file[i].name, str_of(arena_printf(A, "%.*s ", (int)bytes.n, bytes.s)));
        if (opened(A, moved, &other) && !strcmp(fingerprint(A, &other), own))
            FAIL("another %s, and the same fingerprint", file[i].name);
        char model[2][65], tokenizer[2][65];
        if (texts_hashes(&here, model[0], tokenizer[0], &e) &&
            texts_hashes(&other, model[1], tokenizer[1], &e) &&
            (strcmp(model[0], model[1]) != 0) != file[i].model)
            FAIL("another %s, and the model's hash does not show it", file[i].name);
        if ((strcmp(tokenizer[0], tokenizer[1]) != 0) != file[i].tokenizer)
            FAIL("another %s, and the tokenizer's hash does not show it", file[i].name);
        const bool words = strstr(file[i].name, "token") || strstr(file[i].name, "vocab");
        CHECK(file[i].model != words && (file[i].tokenizer || !words));
        *last = kept;
        kit_write(moved, file[i].name, bytes);
    }
    kit_write(moved, "config.json", STR_LIT(""));
    unlink(arena_printf(A, "%s/model.safetensors", moved));
    char hex[65];
    CHECK(texts_fingerprint(&there, hex, &e)); // it is known already
}

static bool hash_all(Arena *A, void *context, Err *e)
{
    (void)context;
    static const Talk quiet = {.note = no_note};
    Loaded l;
    char hex[65];
    return texts_load(A, MODEL, NULL, (NnOptions){0}, &quiet, &l, e) && texts_fingerprint(&l, hex, e);
}

TEST(provenance_faults)
{
    for (int kind = 0; kind < FAULT_KINDS; kind++) test_every_fault(A, (FaultKind)kind, hash_all, NULL);
}

// ------------------------------------------------------------------------------------------ in results

static const Json *saved_info(Arena *A, const char *path)
{
    const Json *j = test_json(A, path), *at = j ? json_get(j, "attributes") : NULL;
    return at ? json_get(at, "info") : NULL;
}

// --provenance adds one key to info and a place to what has room for it; without the option nothing of it is there.
TEST(provenance_in_results)
{
    static const char *const form[] = {"json", "jsonl", "html", "svg", "md", "tex"};
    enum { FORMS = sizeof form / sizeof *form };
    const char *folder = kit_folder(A), *path[2][FORMS];
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < FORMS; i++) path[k][i] = arena_printf(A, "%s/%d.%s", folder, k, form[i]);
    for (int k = 0; k < 2; k++)
        check_ran("attribute", RUN("attribute", "-m", MODEL, "-a", "saliency", "-i", "It's a <b>.", "-o",
                                   path[k][0], "--export", path[k][1], "--export", path[k][2], "--export",
                                   path[k][3], "--export", path[k][4], "--export", path[k][5], "--hide",
                                   "--quiet", k ? "--provenance" : "--plain"));
    char weights[65];
    sha256_hex(test_read(A, MODEL "/model.safetensors"), weights);
    for (int i = 0; i < FORMS; i++) {
        const char *without = slurp(A, path[0][i], NULL), *with = slurp(A, path[1][i], NULL);
        if (strstr(without, "inseq_provenance") || strstr(without, "How this was made") ||
            strstr(without, weights))
            FAIL("%s: provenance, and none was asked for", form[i]);
        if (!strstr(with, weights)) FAIL("%s: no hash of the weights", form[i]);
        CHECK_HAS(with, "inseq " VERSION);
        CHECK_HAS(with, "kernels");
        if (i != 1 && !strstr(with, i < 1   ? "\"It's a <b>.\""
                                    : i < 4 ? "&#39;It&#39;\\&#39;&#39;s a &lt;b&gt;.&#39;"
                                            : "'It'\\''s a <b>.'"))
            FAIL("%s: not the command's words", form[i]);
    }
    CHECK(!strncmp(slurp(A, path[1][1], NULL), "{\"inseq_provenance\": {", 22));
    const Json *info = saved_info(A, path[1][0]), *made = info ? json_get(info, "inseq_provenance") : NULL,
               *command = made ? json_get(made, "command") : NULL;
    CHECK(command && command->count == 22 && str_is(command->child->text, "attribute"));
    // but for that key the files are the same
    const Json *bare = saved_info(A, path[0][0]);
    CHECK(bare && info && bare->count + 1 == info->count);
    // and a saved result takes it along
    Run shown = RUN("show", path[1][0], "--format", "html");
    check_ran("show", shown);
    CHECK(!strcmp(shown.out, slurp(A, path[1][2], NULL)));
}

// Of several models each has its files; compare has it too, and so have packed files.
TEST(provenance_of_several)
{
    const char *one = arena_printf(A, "%s/both.json", kit_folder(A));
    check_ran("attribute", RUN("attribute", "-m", MODEL, "-m", TRAINED, "-a", "saliency", "-i", "A.", "-o",
                               one, "--provenance", "--hide", "--quiet"));
    const Json *info = saved_info(A, one), *made = info ? json_get(info, "inseq_provenance") : NULL,
               *models = made ? json_get(made, "models") : NULL;
    CHECK(models && models->count == 2);
    if (!models || models->count != 2) return;
    CHECK_STR(json_get(models->child, "name")->text, STR_LIT(MODEL));
    CHECK_STR(json_get(models->child->next, "name")->text, STR_LIT(TRAINED));
    const char *two = arena_printf(A, "%s/compared.json", kit_folder(A));
    check_ran("compare", RUN("compare", "-m", MODEL, "-a", "saliency", "-a", "input_x_gradient", "-i", "A.",
                             "-o", two, "--provenance", "--quiet"));
    info = saved_info(A, two);
    CHECK(info && json_get(info, "inseq_provenance") &&
          json_get(json_get(info, "inseq_provenance"), "command"));
}

// What a stranger's file says there is shown and does nothing.
TEST(provenance_of_strangers)
{
    static const char *const odd[] = {
        "5",
        "[]",
        "{}",
        "{\"command\": 7, \"models\": \"x\"}",
        "{\"command\": [1, {}, null], \"models\": [[], {\"files\": [3, {}]}]}",
        "{\"program\": \"</p><script>\", \"command\": [\"\\u001b[2J\", \"a\\nb\"]}",
        "{\"models\": [{\"files\": {\"a\": {\"sha256\": \"-->\"}}}]}"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        const char *folder = kit_folder(A), *path = arena_printf(A, "%s/odd.json", folder);
        kit_write(folder, "odd.json",
                  str_of(arena_printf(
                      A, "{\"info\": {\"inseq_provenance\": %s}, \"sequence_attributions\": []}", odd[i])));
        static const char *const form[] = {"html", "svg", "md", "tex", "jsonl", "json"};
        for (int k = 0; k < 6; k++) {
            Run r = RUN("show", path, "--format", form[k]);
            check_ran(form[k], r);
            if (strchr(r.out, 27) || (k < 2 && strstr(r.out, "</p><script>"))) FAIL("%s: %s", form[k], r.out);
        }
    }
}
