// SPDX-License-Identifier: Apache-2.0
// t_notebook.c — README's walk through the notebook: its very lines are run, and print what the library prints.
//
// The lines between README's heading "The notebook, cell by cell" and the next heading that are indented by four are
// commands; nothing is listed here a second time. test/golden/cases/notebook has what the Python library made of each.
// test/golden/notebook has what it printed on the real models, whose tokens are checked with T5's own vocabulary.
#include "../tok/tok.h"
#include "cli.h"
#include "same.h"

#include <sys/wait.h>

// ------------------------------------------------------------------------------------------ README's commands

enum { MOST = 16 };

static bool next_line(Str *text, Str *line)
{
    if (!text->n) return false;
    const char *end = memchr(text->s, '\n', text->n);
    *line = (Str){text->s, end ? (size_t)(end - text->s) : text->n};
    text->s += line->n + (end != NULL), text->n -= line->n + (end != NULL);
    return true;
}

typedef struct Ran {
    Str printed;
    Attribution saved;
} Ran;

// The command with the tests' binary, in a terminal of 200 columns; -o adds the numbers behind what is printed.
static bool run(Arena *A, const char *command, Ran *out)
{
    const char *folder = kit_folder(A), *binary = getenv("INSEQ");
    const char *text = arena_printf(A, "%s/out", folder), *saved = arena_printf(A, "%s/saved.json", folder);
    Err e = {0};
    int code = system(
        arena_printf(A, "COLUMNS=200 LC_ALL=C.UTF-8 '%s' %s --color never --save_aggregated -o %s > %s",
                     binary && *binary ? binary : "./inseq", command, saved, text));
    if (code) return FAIL("status %d: %s", code, command), false;
    out->printed = test_read(A, text);
    if (attr_from_json(A, test_read(A, saved), saved, &out->saved, &e)) return true;
    return FAIL("%s", e.text), false;
}

// The lines of one cell, from where we are in what was printed; empty lines and the model's name don't count.
static bool same_text(const char *cell, Str *printed, Str want)
{
    Str got, line;
    long n = 0;
    while (next_line(&want, &line)) {
        if (!line.n) continue;
        do
            if (!next_line(printed, &got)) got = STR_LIT("(the end)");
        while (!got.n || str_starts(got, STR_LIT("test/golden/models/")));
        if (!str_eq(got, line))
            return FAIL("%s: printed %.*s\nwant %.*s", cell, (int)got.n, got.s, (int)line.n, line.s), false;
        n++;
    }
    test_count(n);
    return n > 10 || (FAIL("%s is empty", cell), false);
}

TEST(notebook_walk)
{
    static const char *const cells[][4] = {
        {"cell2"}, {"cell3"}, {"cell4"}, {"cell6-large"}, {"cell6-small", "cell6-base", "cell6-large"}};
    enum { N = sizeof cells / sizeof *cells };
    const char *command[MOST] = {0};
    size_t n = readme_commands(A, "The notebook, cell by cell", command, MOST);
    CHECK_INT(n, N);
    for (size_t i = 0; i < N && i < n; i++) {
        Ran r;
        if (!run(A, command[i], &r)) continue;
        Str left = r.printed, line;
        size_t k = 0;
        for (; k < 4 && cells[i][k]; k++) {
            Attribution want;
            if (!same_text(cells[i][k], &left,
                           golden_text(A, arena_printf(A, "notebook/%s.txt", cells[i][k]))))
                return;
            if (!golden_attribution(A, arena_printf(A, "notebook/%s.json", cells[i][k]), &want)) return;
            if (k >= r.saved.n) FAIL("%s: %zu results", command[i], r.saved.n);
            else same_sequence(cells[i][k], &r.saved.sequence[k], &want.sequence[0], (Tolerance){1e-5, 1e-4});
        }
        CHECK_INT(r.saved.n, k);
        while (next_line(&left, &line) && !line.n) {
        }
        if (k > 1) CHECK_STR(line, STR_LIT("contrast_prob_diff by model"));
        else CHECK(!left.n);
    }
}

// ------------------------------------------------------------------------------------------ T5's own tokens

// The fields of a line of CSV, quotes taken off (no field of these files holds a quote).
static size_t fields(Arena *A, Str line, Str *out, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i <= line.n && n < most; i++) {
        bool quoted = i < line.n && line.s[i] == '"';
        size_t from = i += quoted;
        while (i < line.n && line.s[i] != (quoted ? '"' : ',')) i++;
        out[n++] = str_copy(A, (Str){line.s + from, i - from});
        i += quoted;
    }
    return n;
}

// Rows and headings of a table of the contrasts are what T5's tokenizer makes of its input, target and foil.
static void check_tokens(Arena *A, const char *file, const Tokenizer *t, const char *input,
                         const char *target, const char *foil)
{
    Encoding in, out, other;
    Err e = {0};
    Str text = test_read(A, arena_printf(A, "test/golden/notebook/%s.csv", file)), line, f[64];
    if (!tok_encode(A, t, str_of(input), (TokOptions){.side = TOK_SOURCE}, &in, &e) ||
        !tok_encode(A, t, str_of(target), (TokOptions){.side = TOK_TARGET}, &out, &e) ||
        !tok_encode(A, t, str_of(foil), (TokOptions){.side = TOK_TARGET}, &other, &e)) {
        FAIL("%s", e.text);
        return;
    }
    CHECK(next_line(&text, &line));
    CHECK_INT(fields(A, line, f, 64), out.n + 1);
    CHECK_INT(out.n, other.n);
    for (size_t i = 0; i < out.n && i < other.n; i++) {
        bool same = str_eq(out.token[i], other.token[i]);
        CHECK_STR(f[i + 1],
                  same ? out.token[i]
                       : str_of(arena_printf(A, "%.*s → %.*s", (int)other.token[i].n, other.token[i].s,
                                             (int)out.token[i].n, out.token[i].s)));
    }
    for (size_t i = 0; i < in.n && next_line(&text, &line); i++) {
        fields(A, line, f, 64);
        CHECK_STR(f[0], in.token[i]);
    }
    CHECK(next_line(&text, &line) && fields(A, line, f, 64) && str_is(f[0], "contrast_prob_diff"));
}

TEST(notebook_tokens)
{
    Err e = {0};
    const Tokenizer *t = tok_open(A, "test/golden/tokenizers/models/t5", &e);
    if (!t) {
        FAIL("%s", e.text);
        return;
    }
    check_tokens(A, "3-contrast-flan-t5-base", t, "Does 3 + 3 equal 6?", "yes", "no");
    static const char *const sizes[] = {"small", "base", "large"};
    for (int i = 0; i < 3; i++)
        check_tokens(A, arena_printf(A, "4-flan-t5-%s", sizes[i]), t, "Is the London the capital of France?",
                     "no", "yes");
}

// ------------------------------------------------------------------------------------------ tools/notebook.sh

static int notebook_sh(Arena *A, const char *options, const char *folder, Str *out)
{
    const char *binary = getenv("INSEQ");
    int code = system(arena_printf(
        A,
        "INSEQ='%s' LC_ALL=C.UTF-8 NOTEBOOK=%s/csv tools/notebook.sh %s test/golden/models/marian-en-nl "
        "test/golden/models/t5-yesno-tiny test/golden/models/t5-yesno-mini "
        "test/golden/models/t5-yesno > %s/told 2>&1",
        binary && *binary ? binary : "./inseq", folder, options, folder));
    *out = test_read(A, arena_printf(A, "%s/told", folder));
    return WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

// A table of CSV has the cells of the library's own HTML for the same cell (first the row of column numbers, which CSV
// leaves out as it does the rows' numbers and, in a target table, the start token's row).
static void same_cells(Arena *A, const char *path, const Json *table, bool target)
{
    Str text = test_read(A, path), line, f[64];
    long cells = 0;
    for (const Json *row = table->child->next; row; row = row->next) {
        if (target && row == table->child->next->next) continue;
        if (!next_line(&text, &line)) line = STR_LIT("(the end)");
        size_t n = fields(A, line, f, 64), i = 0;
        const Json *c = row->child->next;
        CHECK_INT(n, row->count - 1);
        for (; c && i < n; c = c->next, i++, cells++)
            if (!str_eq(f[i], c->text)) {
                FAIL("%s: '%.*s', the library has '%.*s'", path, (int)f[i].n, f[i].s, (int)c->text.n,
                     c->text.s);
                return;
            }
    }
    test_count(cells);
    CHECK(cells > 20 && !text.n);
}

TEST(notebook_compared)
{
    static const char *const tables[][2] = {{"1-free", "cell2"},
                                            {"2-forced", "cell3"},
                                            {"4-flan-t5-small", "cell6-small"},
                                            {"4-flan-t5-base", "cell6-base"},
                                            {"4-flan-t5-large", "cell6-large"}};
    const char *folder = kit_folder(A);
    Str told;
    CHECK_INT(notebook_sh(A, arena_printf(A, "--write %s/csv", folder), folder, &told), 0);
    CHECK_STR(told, STR_LIT(""));
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const Json *want = golden_json(A, arena_printf(A, "notebook/%s.tables.json", tables[i][1]));
        const char *path = arena_printf(A, "%s/csv/%s", folder, tables[i][0]);
        if (!want) continue;
        same_cells(A, arena_printf(A, "%s%s.csv", path, want->count > 1 ? "-source" : ""), want->child,
                   false);
        if (want->count > 1) same_cells(A, arena_printf(A, "%s-target.csv", path), want->child->next, true);
    }
    CHECK_INT(notebook_sh(A, "", folder, &told), 0);
    CHECK_HAS(told.s, " cells, 0 differ\n");

    // One digit of one cell, the token of a row, and a row less: each is named.
    const char *path = arena_printf(A, "%s/csv/4-flan-t5-base.csv", folder);
    Str good = test_read(A, path);
    char *bad = str_zero(A, good), *at = strstr(bad, "0.128");
    if (!at) {
        FAIL("%s", bad);
        return;
    }
    at[4] = '9';
    kit_write(arena_printf(A, "%s/csv", folder), "4-flan-t5-base.csv", str_of(bad));
    CHECK_INT(notebook_sh(A, "", folder, &told), 1);
    CHECK(str_starts(told, STR_LIT("4-flan-t5-base: row ▁London, column 1 (▁yes → ▁no) is \"0.128\", the "
                                   "notebook has \"0.129\"\n")));
    CHECK_HAS(told.s, " cells, 1 differ\n");
    at[4] = '8', *strstr(bad, "France") = 'f';
    kit_write(arena_printf(A, "%s/csv", folder), "4-flan-t5-base.csv", str_of(bad));
    CHECK_INT(notebook_sh(A, "", folder, &told), 1);
    CHECK_HAS(told.s, "is \"▁France\", the notebook has \"▁france\"\n");
    *strstr(bad, "probability") = 0;
    kit_write(arena_printf(A, "%s/csv", folder), "4-flan-t5-base.csv", str_of(bad));
    CHECK_INT(notebook_sh(A, "", folder, &told), 1);
    CHECK_HAS(told.s, "4-flan-t5-base: the number of lines is \"12\", the notebook has \"11\"\n");
}
