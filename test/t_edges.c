// SPDX-License-Identifier: Apache-2.0
// t_edges.c — requests at the edges of what is computed, against the Python libraries (tools/oracle/edges.py): each is here
// because a wrong program once passed without it.
#include "cli.h"
#include "lab.h"

#define EDGES "test/golden/edges/"

static const Json *cases_of(Arena *A, const char *name)
{
    const Json *all = test_json(A, arena_printf(A, EDGES "%s", name));
    return all ? all->child : NULL;
}

static bool read_result(Arena *A, const char *path, Attribution *out)
{
    Str text;
    Err e = {0};
    return (file_read(A, path, 1 << 24, &text, &e) && attr_from_json(A, text, path, out, &e)) ||
           (FAIL("%s", e.text), false);
}

// The command line of each case, and the file that the library saved.
static void check_attribute(Arena *A, const Json *c)
{
    const char *words[60] = {0}, *name = str_zero(A, json_get(c, "name")->text);
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/out.json", folder);
    size_t n = 0;
    for (const Json *w = json_get(c, "words")->child; w && n < 50; w = w->next)
        words[n++] = str_zero(A, w->text);
    words[n++] = "--hide", words[n++] = "-q", words[n++] = "-o", words[n++] = path;
    check_ran(name, run_with(A, &(Setup){0}, words));
    Attribution got, want;
    if (read_result(A, path, &got) &&
        read_result(A, arena_printf(A, EDGES "%s", str_zero(A, json_get(c, "file")->text)), &want))
        same_attribution(name, &got, &want, (Tolerance){json_get(c, "atol")->number, 1e-4});
}

TEST(edges_attribute)
{
    int cases = 0;
    for (const Json *c = cases_of(A, "attribute.json"); c; c = c->next, cases++) {
        Arena *a = arena_create(A);
        check_attribute(a, c);
        arena_free(a);
    }
    CHECK_INT(cases, 20);
}

// Arguments of generate(), on sources for which a near miss gives other words.
TEST(edges_generate)
{
    int cases = 0;
    Err e = {0};
    const Model *m = nn_open(A, EDGES "plain", (NnOptions){0}, &e);
    for (const Json *c = cases_of(A, "generate.json"); c && m; c = c->next, cases++) {
        const char *name = str_zero(A, json_get(c, "name")->text);
        const GenConfig *g;
        Generated *out = arena_new(A, Generated, 1);
        Ids source = lab_list(A, json_get(c, "source")), want = lab_list(A, json_get(c, "ids"));
        if (!nn_generation(A, m, json_get(c, "arguments"), &g, &e) ||
            !nn_generate(A, m, g, 1, &source, NULL, out, NULL, NULL, &e))
            return FAIL("%s: %s", name, e.text);
        CHECK_INT(out->n, want.n);
        if (out->n != want.n || memcmp(out->ids, want.v, (size_t)want.n * sizeof *want.v))
            FAIL("%s: not the ids of transformers", name);
    }
    CHECK_INT(cases, 6);
}

// Scores of equal size and either sign: the first of them counts.
TEST(edges_absmax)
{
    Attribution in, want, got = {0};
    Stage *stage;
    Err e = {0};
    static const char *const names[] = {"absmax"};
    if (!read_result(A, EDGES "absmax.json", &in) || !read_result(A, EDGES "absmax-out.json", &want)) return;
    got = (Attribution){.sequence = arena_new(A, Sequence, in.n), .n = in.n};
    if (!attr_stages(A, names, 1, NULL, 0, false, false, &stage, &e)) FAIL("%s", e.text);
    for (size_t i = 0; i < in.n; i++)
        if (!attr_aggregate(A, &in.sequence[i], stage, 1, &got.sequence[i], &e)) FAIL("%s", e.text);
    same_attribution("absmax", &got, &want, EXACT);
}
