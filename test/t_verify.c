// SPDX-License-Identifier: Apache-2.0
// t_verify.c — saved results made again: identical where nothing changed, whatever the machine; and where not, said so.
#include "cli.h"
#include "copies.h"
#include "../attr/attr.h"

// What one of these command lines saves.
static const char *saved(Arena *A, const char *name, const char *const *words)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/%s", folder, name);
    const char *all[40] = {0};
    size_t n = 0;
    for (; words[n]; n++) all[n] = words[n];
    all[n++] = strstr(name, ".jsonl") ? "--export" : "-o", all[n++] = path, all[n++] = "--provenance";
    Run r = run_with(A, &(Setup){0}, all);
    if (r.code) FAIL("%s: %s", name, r.err);
    return path;
}
#define SAVED(name, ...) saved(A, name, (const char *const[]){__VA_ARGS__, NULL})

static void check_identical(const char *what, Run r, int texts)
{
    char begin[40];
    snprintf(begin, sizeof begin, "identical: %d text", texts);
    test_count(1);
    if (r.code || strncmp(r.out, begin, strlen(begin))) FAIL("%s: exit %d, %s%s", what, r.code, r.out, r.err);
}

TEST(verify_identical)
{
    static const char *const isa[] = {"INSEQ_ISA=scalar", "INSEQ_THREADS=1", "INSEQ_THREADS=3"};
    enum { CONTEXTS = 9 };
    const char *file[CONTEXTS + 1] = {
        SAVED("one.json", "attribute", "-m", MODEL, "-a", "input_x_gradient", "--attribute_target",
              "--step_scores", "probability", "entropy", "-i", TEXT, "--hide", "-q"),
        SAVED("two.json.gz", "attribute", "-m", MODEL, "-a", "occlusion", "-i", TEXT, "A.", "--hide", "-q"),
        SAVED("lines.jsonl", "attribute", "-m", MODEL, "-a", "input_x_gradient", "-i", TEXT, "A.", "--hide",
              "-q"),
        SAVED("lines.jsonl.gz", "attribute", "-m", MODEL, "-a", "attention", "-i", TEXT, "A.", "--hide",
              "-q"),
        SAVED("models.json", "attribute", "-m", MODEL, "-m", TRAINED, "-a", "saliency", "-i", "A.", "--hide",
              "-q"),
        SAVED("compared.json", "compare", "-m", MODEL, "-a", "saliency", "-a", "input_x_gradient",
              "--evaluate", "-i", TEXT, "A.", "-q"),
        SAVED("aggregated.json", "attribute", "-m", MODEL, "-a", "saliency", "--attribution_aggregators",
              "vnorm", "subwords", "-i", TEXT, "--hide", "-q"),
        SAVED("weighted.json", "attribute", "-m", MODEL, "-a", "saliency", "--step_scores", "probability",
              "--weight_attributions", "probability", "-i", TEXT, "--hide", "-q"),
        SAVED("words.jsonl", "attribute", "-m", MODEL, "-a", "saliency", "--granularity", "word", "-i", TEXT,
              "--hide", "-q")};
    file[CONTEXTS] = SAVED("context.json", "attribute-context", "-m", "demo/en-nl", "-a", "occlusion",
                           "--evaluate", "--input_context_text", "She is a teacher.", "--input_current_text",
                           "The teacher hid the ring.", "--output_context_text", "Zij is lerares.",
                           "--output_current_text", "De lerares verstopte de ring.", "--no_show_viz", "-q");
    static const int texts[] = {1, 2, 2, 2, 2, 4, 1, 1, 1, 1};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        if (!i) check_identical(file[i], RUN("verify", file[i]), texts[i]);
        Run r = RUN_WITH({.env = {isa[i % 3]}}, "verify", file[i], "-bs", "1", "-q");
        check_identical(file[i], r, texts[i]);
    }
}

// Rows that were kept as they were done, some of which failed; parts of a run, and what became of them together.
TEST(verify_rows)
{
    const char *folder = kit_folder(A), *out[2], *all[2], *part[2][2];
    for (int k = 0; k < 2; k++) {
        out[k] = arena_printf(A, "%s/rows.%s", folder, k ? "json" : "jsonl");
        all[k] = arena_printf(A, "%s/all.%s", folder, k ? "json" : "jsonl.gz");
        for (int i = 0; i < 2; i++) part[k][i] = arena_printf(A, "%s/%d.%s", folder, i, k ? "json" : "jsonl");
        Run r = RUN("attribute", "-m", MODEL, "-a", "saliency", "-i", TEXT, "", "A man.", "-o", out[k],
                    "--provenance", "--hide");
        CHECK_INT(r.code, 3);
        check_identical(out[k], RUN("verify", out[k], "-q"), 2);
        for (int i = 0; i < 2; i++) {
            r = RUN("attribute", "-m", MODEL, "-a", "saliency", "-i", TEXT, "A man.", "The nurse.", "-o",
                    part[k][i], "--shard", i ? "2/2" : "1/2", "--provenance", "--hide");
            check_ran("part", r);
            r = RUN("verify", part[k][i]);
            if (r.code || !strstr(r.out, "identical: ")) FAIL("part %d: %s%s", i, r.out, r.err);
        }
        check_ran("merge", RUN("merge", all[k], part[k][0], part[k][1], "-q"));
        check_identical(all[k], RUN("verify", all[k]), 3);
    }
    // a row that is not there yet, and a number that is another
    size_t n;
    char *lines = (char *)(uintptr_t)slurp(A, out[0], &n), *last = strrchr(lines, '{');
    while (last > lines && last[-1] != '\n') last--;
    kit_write(folder, "rows.jsonl", (Str){lines, (size_t)(last - lines)});
    check_refused("2 of 3", RUN("verify", out[0]), 1, "2 of its 3 rows are done");
    char *at = strstr(last, "\"source_attributions\": [["), *digit = at ? at + 25 : NULL;
    CHECK(digit && *digit == '0');
    if (digit) digit[2] = digit[2] == '9' ? '8' : '9';
    kit_write(folder, "rows.jsonl", (Str){lines, n});
    Run r = RUN("verify", out[0], "-q");
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.out, "text 3: source_attributions[0][0] ("), CHECK_HAS(r.out, "different: 1 of ");
}

// Texts that came from elsewhere are given again in the same way.
TEST(verify_standard_input)
{
    const char *path = arena_printf(A, "%s/in.json", kit_folder(A)), *lines = "The nurse.\nA man went.\n";
    Run r = RUN_WITH({.in = lines}, "attribute", "-m", MODEL, "-a", "saliency", "-i", "-", "-o", path,
                     "--provenance", "--hide", "-q");
    check_ran("attribute", r);
    check_identical("-", RUN_WITH({.in = lines}, "verify", path), 2);
    Run other = RUN_WITH({.in = "The nurse.\nA woman went.\n"}, "verify", path);
    CHECK_INT(other.code, 3);
    CHECK_HAS(other.out, "info: input_texts[1]: saved \"A man went.\", now \"A woman went.\"\n");
    Run fewer = RUN_WITH({.in = "The nurse.\n"}, "verify", path);
    CHECK_INT(fewer.code, 3);
    CHECK_HAS(fewer.out, "2 texts were saved, now there are 1\n");
}

// A bit of one number, a token, a step score: the place and both values.
TEST(verify_finds_the_place)
{
    const char *path = SAVED("r.json", "attribute", "-m", MODEL, "-a", "input_x_gradient", "--step_scores",
                             "probability", "-i", TEXT, "A man.", "--hide", "-q"),
               *changed = arena_printf(A, "%s/changed.json", kit_folder(A));
    Attribution t;
    Err e = {0};
    if (!attr_from_json(A, test_read(A, path), path, &t, &e)) FAIL("%s", e.text);
    Scores *x = &t.sequence[1].source_attributions, *p = &t.sequence[0].step_scores[0].scores;
    float *v = &x->v[(1 * x->dim[1] + 2) * x->dim[2] + 3], was = *v, p_was = p->v[2];
    uint32_t bits;
    memcpy(&bits, v, 4), bits ^= 1, memcpy(v, &bits, 4);
    Buf saved_text = {.arena = A}, now_text = {.arena = A};
    buf_float(&saved_text, *v), buf_float(&now_text, was);
    CHECK(attr_save(A, &t, changed, &e));
    Run r = RUN("verify", changed);
    CHECK_INT(r.code, 3);
    const Sequence *s = &t.sequence[1];
    CHECK_HAS(r.out, arena_printf(A, "text 2: source_attributions[1][2][3] (%.*s → %.*s): saved %s, now %s\n",
                                  (int)s->source[1].text.n, s->source[1].text.s,
                                  (int)s->target[s->attr_pos_start + 2].text.n,
                                  s->target[s->attr_pos_start + 2].text.s, saved_text.s, now_text.s));
    CHECK_HAS(r.out, "different: 1 of ");
    *v = was, p->v[2] = p_was / 2, t.sequence[0].target[1].text = STR_LIT("elsewhere");
    CHECK(attr_save(A, &t, changed, &e));
    r = RUN("verify", changed);
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.out, "text 1: step_scores.probability[2] (");
    CHECK_HAS(r.out, "text 1: target_tokens[1]: saved \"elsewhere\", now ");
    CHECK_HAS(r.out, "different: 2 of ");
}

// Other weights are told of before the numbers that they give; another version of a file that changes nothing is none.
TEST(verify_other_files)
{
    const char *folder = copy_folder(A, "odd-marian", NULL, 0),
               *weights = arena_printf(A, "%s/model.safetensors", folder);
    const char *path = SAVED("r.json", "attribute", "-m", folder, "-a", "input_x_gradient", "-i", TEXT, "-g",
                             INTO, "--hide", "-q");
    check_identical("the same", RUN("verify", path), 1);
    check_identical("elsewhere", RUN("verify", path, "-m", MODEL), 1);
    Str bytes = str_copy(A, test_read(A, weights)),
        config = test_read(A, arena_printf(A, "%s/config.json", folder));
    for (size_t i = bytes.n - 4000; i < bytes.n; i += 4) ((char *)bytes.s)[i + 1] ^= 1;
    kit_write(folder, "model.safetensors", bytes);
    Run r = RUN("verify", path);
    CHECK_INT(r.code, 3);
    CHECK(!strncmp(r.out, folder, strlen(folder)));
    CHECK_HAS(r.out, "model.safetensors is another file: SHA-256 ");
    CHECK_HAS(r.out, "text 1: source_attributions[");
    check_identical("the real one", RUN("verify", path, "-m", MODEL), 1);
    kit_write(folder, "model.safetensors", test_read(A, MODEL "/model.safetensors"));
    kit_write(folder, "config.json", str_of(arena_printf(A, "%.*s ", (int)config.n, config.s)));
    r = RUN("verify", path);
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.out, "config.json is another file"), CHECK_HAS(r.out, ", though files are others\n");
}

static const char *with_command(Arena *A, const char *command)
{
    const char *folder = kit_folder(A);
    kit_write(folder, "r.json",
              str_of(arena_printf(A, "{\"info\": {\"inseq_provenance\": %s}, \"sequence_attributions\": []}",
                                  command)));
    return arena_printf(A, "%s/r.json", folder);
}

TEST(verify_refuses)
{
    const char *plain = arena_printf(A, "%s/plain.json", kit_folder(A)), *folder = kit_folder(A);
    check_ran("attribute",
              RUN("attribute", "-m", MODEL, "-a", "saliency", "-i", "A.", "-o", plain, "--hide", "-q"));
    check_refused("no provenance", RUN("verify", plain), 1, "--provenance -o FILE");
    check_refused("nothing", RUN("verify"), 2, "verify needs one FILE");
    check_refused("no file", RUN("verify", "nowhere.json"), 1, "nowhere.json: cannot open");
    check_refused("other", RUN("verify", "README"), 1, "README");
    static const struct {
        const char *made, *says;
    } wrong[] = {
        {"{}", "has no command"},
        {"{\"command\": []}", "has no command"},
        {"{\"command\": {\"a\": \"attribute\"}}", "has no command"},
        {"{\"command\": [\"attribute\", 1]}", "no list of words"},
        {"{\"command\": [\"quantize\", \"-m\", \"demo/en-nl\", \"--to\", \"q8_0\", \"-o\", \"x.gguf\"]}",
         "made by 'inseq quantize'"},
        {"{\"command\": [\"demo\"]}", "made by 'inseq demo'"},
        {"{\"command\": [\"verify\", \"r.json\"]}", "made by 'inseq verify'"},
        {"{\"command\": [\"attribute\", \"--nothing\"]}", "--nothing"},
        {"{\"command\": [\"attribute\", \"-m\", \"demo/en-nl\", \"-i\", \"A.\", \"--plan\", \"-o\", "
         "\"x.json\"]}",
         "made a plan"},
        {"{\"command\": [\"attribute\", \"-m\", \"demo/en-nl\", \"-i\", \"A.\"]}", "no -o that wrote this"},
        {"{\"command\": [\"attribute\", \"-m\", \"nowhere\", \"-i\", \"A.\", \"-o\", \"x\"]}", "nowhere"},
        {"{\"command\": [\"attribute\", \"-m\", \"demo/en-nl\", \"-i\", \"@nowhere\", \"-o\", \"x\"]}",
         "nowhere"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Run r = RUN("verify", with_command(A, wrong[i].made));
        if (r.code != 1 && r.code != 2) FAIL("%s: exit %d, %s", wrong[i].made, r.code, r.out);
        check_has(__FILE__, __LINE__, r.err, wrong[i].says);
    }
    // a stranger's command writes nothing
    const char *out = arena_printf(A, "%s/out", folder);
    Run r =
        RUN("verify",
            with_command(
                A, arena_printf(A,
                                "{\"command\": [\"attribute\", \"-m\", \"demo/en-nl\", \"-a\", \"saliency\", "
                                "\"-i\", \"A.\", \"-o\", \"%s.json\", \"--html\", \"%s.html\", \"--csv\", "
                                "\"%s.csv\", \"--svg\", \"%s.svg\", \"--export\", \"%s.md\"]}",
                                out, out, out, out, out)));
    CHECK_INT(r.code, 3);
    CHECK_HAS(r.out, "0 texts were saved, now there are 1");
    static const char *const ending[] = {"json", "html", "csv", "svg", "md"};
    for (int i = 0; i < 5; i++) CHECK(!file_exists(arena_printf(A, "%s.%s", out, ending[i])));
}

// Memory that ends and files that fail, anywhere: a sentence and no crash.
TEST(verify_faults)
{
    const char *path =
        SAVED("r.json", "attribute", "-m", MODEL, "-a", "saliency", "-i", "A.", "--hide", "-q");
    for (int n = 1; n < 4000; n = n * 3 + 1)
        for (int kind = 0; kind < 2; kind++) {
            const char *fault = arena_printf(A, "INSEQ_FAULT=%s:%d", kind ? "io" : "alloc", n);
            Run r = RUN_WITH({.env = {fault}}, "verify", path);
            test_count(1);
            if (r.signal || (r.code != 0 && r.code != 1 && r.code != 3) || (r.code && !*r.err))
                FAIL("%s: exit %d, signal %d: %s", fault, r.code, r.signal, r.err);
        }
}
