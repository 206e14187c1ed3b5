// SPDX-License-Identifier: Apache-2.0
// t_journal.c — rows that are kept as they are done: whatever ends a run, the same command gives the bytes of the undisturbed
// one; parts of a run give them too.
#include "../attr/results/journal.h"
#include "cli.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

// Under a sanitizer, where starting a program takes ten times as long, each of these is done more sparsely.
#ifdef __SANITIZE_ADDRESS__
enum { ROWS = 11, SPARSE = 6 };
#else
enum { ROWS = 11, SPARSE = 1 };
#endif

// A file of rows: one has a blank source, and fails; ids and a column go along.
static const char *rows_file(Arena *A, const char *folder)
{
    Buf b = {.arena = A};
    for (int i = 0; i < ROWS; i++)
        buf_printf(&b, "{\"id\": \"r%d\", \"en\": \"%s\", \"nl\": \"De%s\", \"kind\": %d}\n", i,
                   i == 4  ? " "
                   : i % 2 ? "It rains."
                           : "The nurse went to the hospital.",
                   i % 3 ? "" : " hond", i);
    kit_write(folder, "rows.jsonl", buf_view(&b));
    return arena_printf(A, "%s/rows.jsonl", folder);
}

// attribute-dataset with this model on these rows into out, with one more word and its value.
static Run attribute_with(Arena *A, const Setup *s, const char *model, const char *rows, const char *out,
                          const char *option, const char *value)
{
    const char *words[] = {"attribute-dataset",
                           "-m",
                           model,
                           "-a",
                           "input_x_gradient",
                           "--dataset_files",
                           rows,
                           "-in",
                           "en",
                           "-gen",
                           "nl",
                           "-bs",
                           "2",
                           "--hide",
                           "-o",
                           out,
                           option,
                           value,
                           NULL};
    return run_with(A, s, words);
}

static Run attribute(Arena *A, const Setup *s, const char *rows, const char *out, const char *option,
                     const char *value)
{
    return attribute_with(A, s, MODEL, rows, out, option, value);
}

static const char *const names[] = {"o.jsonl", "o.jsonl.gz", "o.json", "o.json.gz"};

static const char *lines_of(Arena *A, const char *out)
{
    return strstr(out, ".jsonl") ? out : arena_printf(A, "%s.rows", out);
}

static Str bytes_of(Arena *A, const char *path)
{
    size_t n = 0;
    if (!file_exists(path)) return (Str){"", 0};
    const char *s = slurp(A, path, &n);
    return (Str){s, n};
}

static const char *undisturbed(Arena *A, const char *folder, const char *rows, const char *name, Str *want)
{
    const char *out = arena_printf(A, "%s/want.%s", folder, name);
    unlink(out);
    Run r = attribute(A, &(Setup){0}, rows, out, NULL, NULL);
    if (r.code != 3 || !strstr(r.err, "text 5: the source is empty"))
        FAIL("%s: exit code %d: %s", name, r.code, r.err);
    *want = bytes_of(A, out);
    if (want->n < 1000) FAIL("%s: only %zu bytes", name, want->n);
    return out;
}

TEST(journal_lines)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    Str want;
    const char *out = undisturbed(A, folder, rows, "o.jsonl", &want);
    Err e = {0};
    JournalHead h;
    JournalRows *r = journal_rows(A, out, &h, &e);
    if (!r) return FAIL("%s", e.text);
    CHECK(h.flat && h.rows == ROWS && h.from == 0 && h.to == ROWS && h.model.n == 64 && h.texts.n == 64);
    CHECK_HAS(str_zero(A, h.options), "input_x_gradient");
    const Json *row;
    int n = 0;
    for (; journal_next(r, A, &row, &e); n++) {
        CHECK_INT(json_get(row, "number")->i, n + 1);
        CHECK(journal_row_failed(row) == (n == 4));
        const Json *about = json_get(row, "row"), *fields = json_get(about, "fields");
        CHECK_STR(json_get(about, "id")->text, str_of(arena_printf(A, "r%d", n)));
        CHECK_INT(json_get(fields, "kind")->i, n);
        if (n == 4) continue;
        CHECK(json_get(row, "input_text") && json_get(row, "source_attributions")->kind == J_ARRAY);
    }
    CHECK(!e.set), CHECK_INT(n, ROWS);
    // what it holds is what the other form holds
    Str json;
    const char *other = undisturbed(A, folder, rows, "o.json", &json);
    Run x = RUN("show", out, "--format", "csv"), y = RUN("show", other, "--format", "csv");
    check_ran("show lines", x), check_ran("show json", y);
    CHECK_STR(str_of(x.out), str_of(y.out));
    CHECK(lines(x.out) > 20);
    // and that form is what is written without a journal
    Run whole = attribute(A, &(Setup){0}, rows, arena_printf(A, "%s/whole.json", folder), "-bs", "64");
    CHECK_INT(whole.code, 3);
    CHECK_STR(bytes_of(A, arena_printf(A, "%s/whole.json", folder)), json);
    CHECK(!file_exists(arena_printf(A, "%s/want.o.json.rows", folder)));
}

// Cut anywhere, as a loss of power or kill -9 leaves it.
TEST(journal_cut_anywhere)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    for (int k = 0; k < 3; k++) {
        const char *out = arena_printf(A, "%s/%s", folder, names[k]), *kept = lines_of(A, out);
        Str want, all;
        undisturbed(A, folder, rows, names[k], &want);
        // the journal of a whole run: that of o.json is left by one that can't write its end
        if (k < 2) all = want;
        else {
            Run r = attribute(A, &(Setup){.env = {"INSEQ_FAULT=io:100000"}}, rows, out, "--shard", "1/1");
            CHECK_INT(r.code, 3);
            CHECK(!file_exists(kept));
            unlink(out);
            Run part =
                attribute(A, &(Setup){.interrupt_after = 30, .signal = SIGKILL}, rows, out, NULL, NULL);
            (void)part;
            if (!file_exists(kept)) continue; // it was done before
            all = bytes_of(A, kept);
            if (all.n < 2000) continue; // it was hardly begun
        }
        size_t step = all.n * SPARSE / 17 + 1;
        for (size_t cut = 0; cut <= all.n; cut += step) {
            Arena *a = arena_create(A);
            unlink(out);
            kit_write(folder, k < 2 ? names[k] : "o.json.rows", (Str){all.s, cut});
            Run r = attribute(a, &(Setup){0}, rows, out, NULL, NULL);
            if (r.code != 3 && r.code != 0)
                FAIL("%s cut to %zu: exit code %d: %s", names[k], cut, r.code, r.err);
            if (!str_eq(bytes_of(a, out), want))
                FAIL("%s cut to %zu bytes: resumed, it differs", names[k], cut);
            test_count(1);
            arena_free(a);
        }
        // and with something else in its tail
        Buf b = {.arena = A};
        buf_put(&b, all.s, all.n - step), buf_str(&b, STR_LIT("\0\0\0\0garbage\n{\"number\": 7}\n"));
        unlink(out);
        kit_write(folder, k < 2 ? names[k] : "o.json.rows", buf_view(&b));
        Run r = attribute(A, &(Setup){0}, rows, out, NULL, NULL);
        CHECK_INT(r.code, 3);
        CHECK_STR(bytes_of(A, out), want);
    }
}

TEST(journal_killed)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    for (int k = 0; k < 4; k++) {
        Str want;
        undisturbed(A, folder, rows, names[k], &want);
        const char *out = arena_printf(A, "%s/%s", folder, names[k]);
        for (int round = 0, killed = 0; round < 4; round += SPARSE, killed = 0) {
            unlink(out);
            for (bool done = false; !done; killed++) {
                long after = killed < 5 ? 3 + (17 * killed + 7 * round) % 40 : 0;
                Run r = attribute(A, &(Setup){.interrupt_after = after, .signal = SIGKILL}, rows, out, NULL,
                                  NULL);
                done = r.signal != SIGKILL;
                if (done && r.code != 3) FAIL("%s: exit code %d: %s", names[k], r.code, r.err);
            }
            if (!str_eq(bytes_of(A, out), want)) FAIL("%s: killed %d times, it differs", names[k], killed);
            CHECK(!file_exists(arena_printf(A, "%s.rows", out)));
        }
    }
}

// Killed before each of the calls that read, write, cut, sync or rename, and then run again.
TEST(journal_killed_at_calls)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    for (int k = 0; k < 3; k++) {
        Str want;
        undisturbed(A, folder, rows, names[k], &want);
        const char *out = arena_printf(A, "%s/%s", folder, names[k]);
        int killed = 0;
        for (int n = 40;; n += SPARSE * (k ? 4 : 1)) { // before that the model is opened
            Arena *a = arena_create(A);
            unlink(out), unlink(lines_of(a, out));
            const char *fault = arena_printf(a, "INSEQ_FAULT=kill:%d", n);
            Run r = attribute(a, &(Setup){.env = {fault}}, rows, out, NULL, NULL);
            bool done = r.signal != SIGKILL;
            killed += !done;
            r = attribute(a, &(Setup){0}, rows, out, NULL, NULL);
            if (r.code != 3 || !str_eq(bytes_of(a, out), want))
                FAIL("%s after kill:%d: exit code %d: %s", names[k], n, r.code, r.err);
            test_count(1);
            arena_free(a);
            if (done) break;
        }
        CHECK(killed > (k ? 3 : ROWS) / SPARSE); // at least each row's write
    }
}

// After any failing call the next run gives what the undisturbed one gave; calls that are cut short are no failure at all.
TEST(journal_faults)
{
    static const char *const kinds[] = {"io:%d", "alloc:%d", "io:%d+", "short:%d"};
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    for (int k = 0; k < 3; k++)
        for (int kind = 0; kind < 4; kind++) {
            Str want;
            undisturbed(A, folder, rows, names[k], &want);
            const char *out = arena_printf(A, "%s/%s", folder, names[k]);
            for (int n = 1, quiet = 0; quiet < 2 && n < 4000; n += SPARSE * (kind == 1   ? 193
                                                                             : kind == 3 ? 7
                                                                                         : 11)) {
                Arena *a = arena_create(A);
                unlink(out), unlink(lines_of(a, out));
                const char *fault = arena_printf(a, "INSEQ_FAULT=%s", arena_printf(a, kinds[kind], n));
                Run r = attribute(a, &(Setup){.env = {fault}}, rows, out, NULL, NULL);
                bool whole = str_eq(bytes_of(a, out), want);
                if (r.signal || (r.code != 1 && r.code != 3))
                    FAIL("%s %s: exit code %d, signal %d: %s", names[k], fault, r.code, r.signal, r.err);
                if (kind == 3 && !whole) FAIL("%s %s: it differs", names[k], fault);
                if (!whole) {
                    r = attribute(a, &(Setup){0}, rows, out, NULL, NULL);
                    if (r.code != 3 || !str_eq(bytes_of(a, out), want))
                        FAIL("%s after %s: exit code %d: %s", names[k], fault, r.code, r.err);
                }
                quiet = whole ? quiet + 1 : 0;
                test_count(1);
                arena_free(a);
            }
        }
}

// Where no more can be written, whole rows stay, and after a move to a larger place the run goes on.
TEST(journal_full)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    for (int k = 0; k < 4; k++) {
        Str want;
        undisturbed(A, folder, rows, names[k], &want);
        const char *small = arena_printf(A, "%s/small.%s", folder, names[k]),
                   *large = arena_printf(A, "%s/large.%s", folder, names[k]);
        long most = (long)want.n, limits[] = {100, 1500, most / 3, most - 1};
        for (int i = 0; i < 4; i++) {
            Run r = attribute(A, &(Setup){.file_size = limits[i]}, rows, small, NULL, NULL);
            CHECK_INT(r.code, 1);
            CHECK_HAS(r.err, "cannot write: File too large");
            const char *from = lines_of(A, small), *to = lines_of(A, large);
            size_t done = 0;
            if (bytes_of(A, from).n) {
                Err e = {0};
                JournalRows *j = journal_rows(A, from, NULL, &e);
                for (const Json *row; j && journal_next(j, A, &row, &e);) done++;
                if (!j || e.set) FAIL("%s in %ld bytes: %s", names[k], limits[i], e.text);
            }
            if (done) CHECK_HAS(r.err, arena_printf(A, "kept: %zu of %d rows are done", done, ROWS));
            unlink(to);
            if (file_exists(from) && rename(from, to)) FAIL("cannot move %s", from);
            r = attribute(A, &(Setup){0}, rows, large, NULL, NULL);
            CHECK_INT(r.code, 3);
            if (done) CHECK_HAS(r.err, arena_printf(A, "has %zu of %d rows", done, ROWS));
            CHECK_STR(bytes_of(A, large), want);
            unlink(small), unlink(large);
        }
    }
}

// What is not this run's is left alone, and the sentence says in what it differs.
TEST(journal_refused)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder),
               *out = arena_printf(A, "%s/o.jsonl", folder);
    attribute(A, &(Setup){0}, rows, out, NULL, NULL);
    Str before = bytes_of(A, out);
    check_refused("another option", attribute(A, &(Setup){0}, rows, out, "--step_scores", "entropy"), 1,
                  "--step_scores");
    check_refused("a part", attribute(A, &(Setup){0}, rows, out, "--shard", "1/2"), 1, "another --shard");
    kit_write(folder, "fewer.jsonl", STR_LIT("{\"en\": \"It rains.\", \"nl\": \"De\"}\n"));
    check_refused("other texts",
                  attribute(A, &(Setup){0}, arena_printf(A, "%s/fewer.jsonl", folder), out, NULL, NULL), 1,
                  "another number of texts: there it is 11, and here 1");
    check_refused("another model", attribute_with(A, &(Setup){0}, TRAINED, rows, out, NULL, NULL), 1,
                  "another model (SHA-256)");
    check_refused("the model by another name, which the rows have", // and so the bytes
                  attribute_with(A, &(Setup){0}, "./" MODEL, rows, out, NULL, NULL), 1,
                  "other options, --model_name_or_path");
    check_refused("another id", attribute(A, &(Setup){0}, rows, out, "--id_field", "kind"), 1,
                  "of other texts");
    int fd = open(out, O_RDONLY);
    flock(fd, LOCK_EX);
    check_refused("a second writer", attribute(A, &(Setup){0}, rows, out, NULL, NULL), 1,
                  "another run is writing it");
    close(fd);
    CHECK_STR(bytes_of(A, out), before);
    kit_write(folder, "mine.jsonl", STR_LIT("{\"some\": \"thing\"}\n"));
    const char *mine = arena_printf(A, "%s/mine.jsonl", folder);
    check_refused("no rows of inseq's", attribute(A, &(Setup){0}, rows, mine, NULL, NULL), 1,
                  "no rows that inseq wrote");
    CHECK_STR(bytes_of(A, mine), STR_LIT("{\"some\": \"thing\"}\n"));
    Run r = attribute(A, &(Setup){0}, rows, mine, "--overwrite", "-q");
    CHECK_INT(r.code, 3);
    CHECK_STR(bytes_of(A, mine), before);
    // a gzip file that is somebody's, without an end of line; and the beginning of ours, packed
    Buf packed = {.arena = A};
    Gzip z = {.out = &packed};
    gzip_part(&z, STR_LIT("{\"some\": \"thing\"}")), gzip_end(&z);
    const char *gz = arena_printf(A, "%s/mine.jsonl.gz", folder);
    for (size_t n = packed.n; n > packed.n - 12; n -= 6) { // whole, and cut short
        kit_write(folder, "mine.jsonl.gz", (Str){packed.s, n});
        check_refused("no rows of inseq's, packed", attribute(A, &(Setup){0}, rows, gz, "-q", NULL), 1,
                      "no rows that inseq wrote");
        CHECK_STR(bytes_of(A, gz), ((Str){packed.s, n}));
    }
    for (const char *const *s = (const char *const[]){"0/3", "4/3", "x", "1", "1/", "1/0", "auto", NULL}; *s;
         s++)
        check_refused(*s, attribute(A, &(Setup){0}, rows, out, "--shard", *s), 2, "--shard");
}

// A row that once failed is named, and tried again if that is wanted.
TEST(journal_retry)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    Str plain;
    undisturbed(A, folder, rows, names[0], &plain);
    // the third row, as if memory had run out
    const char *third = strstr(plain.s, "{\"number\": 3,"), *fourth = strstr(plain.s, "{\"number\": 4,");
    Buf b = {.arena = A}, line = {.arena = A}, packed = {.arena = A};
    buf_str(&line, STR_LIT("{\"number\": 3, \"error\": \"no memory\""));
    buf_put(&b, plain.s, (size_t)(third - plain.s)), buf_str(&b, buf_view(&line));
    buf_printf(&b, ", \"crc32\": \"%08" PRIx32 "\"}\n", gzip_crc(0, line.s, line.n));
    buf_put(&b, fourth, plain.n - (size_t)(fourth - plain.s));
    for (Str rest = buf_view(&b); rest.n;) { // a member a line
        Str own = str_line(&rest);
        Gzip z = {.out = &packed};
        gzip_part(&z, (Str){own.s, own.n + 1}), gzip_end(&z);
    }
    for (int k = 0; k < 2; k++) {
        Str want, wrong = buf_view(k ? &packed : &b);
        const char *out = undisturbed(A, folder, rows, names[k], &want);
        kit_write(folder, k ? "want.o.jsonl.gz" : "want.o.jsonl", wrong);
        Run r = attribute(A, &(Setup){0}, rows, out, NULL, NULL);
        CHECK_HAS(r.err, "has 11 of 11 rows; all are done"), CHECK_HAS(r.err, "2 failed (number 3, 5)");
        CHECK_STR(bytes_of(A, out), wrong);
        r = attribute(A, &(Setup){0}, rows, out, "--retry_failed", NULL);
        CHECK_INT(r.code, 3);
        CHECK_STR(bytes_of(A, out), want);
        CHECK(!file_exists(arena_printf(A, "%s.retry%s", out, k ? ".gz" : "")));
    }
}

// The texts that baselines are drawn from are named by a file: another in its place is another run.
TEST(journal_baselines)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder),
               *out = arena_printf(A, "%s/o.jsonl", folder), *file = arena_printf(A, "%s/b.txt", folder);
    const char *words[] = {"attribute-dataset",
                           "-m",
                           MODEL,
                           "-a",
                           "expected_gradients",
                           "--dataset_files",
                           rows,
                           "-in",
                           "en",
                           "-gen",
                           "nl",
                           "--hide",
                           "-o",
                           out,
                           "--attribution_kwargs",
                           arena_printf(A, "{\"baselines\": \"%s\", \"n_samples\": 2}", file),
                           NULL};
    kit_write(folder, "b.txt", STR_LIT("It rains.\n"));
    CHECK_INT(run_with(A, &(Setup){0}, words).code, 3);
    CHECK_INT(run_with(A, &(Setup){0}, words).code, 3);
    kit_write(folder, "b.txt", STR_LIT("The nurse.\n"));
    check_refused("other baselines", run_with(A, &(Setup){0}, words), 1, "of other texts");
}

TEST(journal_parts)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    for (int k = 0; k < 4; k++) {
        Str want;
        const char *part[3], *all = arena_printf(A, "%s/all.%s", folder, names[k]);
        undisturbed(A, folder, rows, names[k], &want);
        for (int i = 0; i < 3; i++) {
            part[i] = arena_printf(A, "%s/%d.%s", folder, i, names[k]);
            Run r = attribute(A, &(Setup){0}, rows, part[i], "--shard", arena_printf(A, "%d/3", i + 1));
            if (r.code != 3 && r.code) FAIL("part %d: exit code %d: %s", i + 1, r.code, r.err);
        }
        Run r = RUN("merge", all, part[2], part[0], part[1], "-q");
        check_ran("merge", r);
        CHECK_STR(bytes_of(A, all), want);
        check_refused("one is missing", RUN("merge", all, part[0], part[2]), 1, "are in none of these files");
        check_refused("one is there twice", RUN("merge", all, part[0], part[1], part[1], part[2]), 1, "too");
        check_refused("onto a part", RUN("merge", part[0], part[0], part[1], part[2]), 2,
                      "is one of the parts");
    }
    // tasks of a job array, as Slurm and Kubernetes number them
    Str second = bytes_of(A, arena_printf(A, "%s/1.o.jsonl", folder));
    const char *out = arena_printf(A, "%s/task.jsonl", folder);
    attribute(
        A, &(Setup){.env = {"SLURM_ARRAY_TASK_ID=8", "SLURM_ARRAY_TASK_MIN=7", "SLURM_ARRAY_TASK_COUNT=3"}},
        rows, out, "--shard", "auto");
    CHECK_STR(bytes_of(A, out), second);
    static const char *const tasks[][5] = {
        {"auto", "SLURM_ARRAY_TASK_ID=4", "SLURM_ARRAY_TASK_MIN=0", "SLURM_ARRAY_TASK_COUNT=3",
         "SLURM_ARRAY_TASK_STEP=4"},
        {"auto", "SGE_TASK_ID=3", "SGE_TASK_FIRST=1", "SGE_TASK_LAST=5", "SGE_TASK_STEPSIZE=2"},
        {"auto", "LSB_JOBINDEX=2", "LSB_JOBINDEX_END=3"},
        {"auto/3", "PBS_ARRAY_INDEX=2"},
        {"auto/3", "JOB_COMPLETION_INDEX=1"}};
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        unlink(out);
        Setup s = {.env = {tasks[i][1], tasks[i][2], tasks[i][3], tasks[i][4]}};
        Run r = attribute(A, &s, rows, out, "--shard", tasks[i][0]);
        if (!str_eq(bytes_of(A, out), second)) FAIL("%s: another part: %s", tasks[i][1], r.err);
        test_count(1);
    }
    check_refused("of how many",
                  attribute(A, &(Setup){.env = {"PBS_ARRAY_INDEX=2"}}, rows, out, "--shard", "auto"), 2,
                  "give auto/N");
}

// Parts are of about the same work: one long text weighs as much as many short ones.
TEST(journal_parts_work)
{
    const char *folder = kit_folder(A), *path = arena_printf(A, "%s/t.txt", folder),
               *out = arena_printf(A, "%s/o.jsonl", folder);
    Buf b = {.arena = A};
    for (int i = 0; i < 20; i++)
        buf_str(&b, i ? STR_LIT("It.\n")
                      : STR_LIT("It rains and it rains and it rains and it rains and it rains and it rains "
                                "and it rains and it rains.\n"));
    kit_write(folder, "t.txt", buf_view(&b));
    Err e = {0};
    JournalHead h;
    Run r = RUN("attribute", "-m", MODEL, "-i", arena_printf(A, "@%s", path), "--shard", "1/2", "-q",
                "--hide", "-o", out, "--generation_kwargs", "{\"max_new_tokens\": 2}");
    check_ran("the first part", r);
    if (!journal_rows(A, out, &h, &e)) return FAIL("%s", e.text);
    CHECK(h.from == 0 && h.to >= 1 && h.to < 9);
}

// What is drawn is of all rows, those of an earlier run too.
TEST(journal_drawn)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    for (int k = 0; k < 3; k += 2) {
        Str want;
        const char *out = undisturbed(A, folder, rows, names[k], &want),
                   *csv = arena_printf(A, "%s/whole.csv", folder),
                   *again = arena_printf(A, "%s/again.csv", folder);
        unlink(out);
        attribute(A, &(Setup){0}, rows, out, "--csv", csv);
        CHECK(lines(bytes_of(A, csv).s) > 20);
        Str all = bytes_of(A, out);
        if (k) { // what FILE.json is made of goes away with it: a run that is ended early leaves it
            unlink(out);
            for (long after = 4; after < 60 && !file_exists(lines_of(A, out)); after += 3)
                attribute(A, &(Setup){.interrupt_after = after, .signal = SIGKILL}, rows, out, NULL, NULL);
        } else kit_write(folder, "want.o.jsonl", (Str){all.s, all.n / 2});
        attribute(A, &(Setup){0}, rows, out, "--csv", again);
        CHECK_STR(bytes_of(A, out), want);
        CHECK_STR(bytes_of(A, again), bytes_of(A, csv));
    }
}

// A row is known by its id wherever it is shown, and what else it says goes along.
TEST(journal_identity)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder),
               *page = arena_printf(A, "%s/p.html", folder), *svg = arena_printf(A, "%s/p.svg", folder),
               *md = arena_printf(A, "%s/p.md", folder), *tex = arena_printf(A, "%s/p.tex", folder),
               *csv = arena_printf(A, "%s/p.csv", folder);
    Run r =
        RUN("attribute-dataset", "-m", MODEL, "-a", "saliency", "--dataset_files", rows, "-in", "en", "-gen",
            "nl", "--html", page, "--svg", svg, "--export", md, "--export", tex, "--csv", csv, "--plain");
    CHECK_INT(r.code, 3); // one of them is empty; the others keep their numbers
    CHECK_HAS(r.out, "3rd instance (r3):"), CHECK_HAS(r.out, "5th instance (r5):");
    CHECK(!strstr(r.out, "4th instance"));
    Str all = bytes_of(A, page);
    CHECK_HAS(all.s, "<h2>5th instance (r5):</h2>"), CHECK_HAS(all.s, "<dt>kind</dt><dd>5</dd>");
    CHECK_HAS(all.s, "[[\"id\",\"r5\"],[\"kind\",\"5\"]]");
    CHECK_HAS(bytes_of(A, svg).s, "5th instance (r5):"), CHECK_HAS(bytes_of(A, md).s, "5th instance (r5):");
    CHECK_HAS(bytes_of(A, tex).s, "5th instance (r5):"), CHECK_HAS(bytes_of(A, csv).s, ",6,r5,5");
}

// Rows say how they were made, and are made again.
TEST(journal_verified)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder);
    for (int k = 0; k < 4; k++) {
        const char *out = arena_printf(A, "%s/%s", folder, names[k]);
        CHECK_INT(attribute(A, &(Setup){0}, rows, out, "--provenance", NULL).code, 3);
        Run r = RUN("verify", out, "-q");
        CHECK_INT(r.code, 0);
        CHECK_HAS(r.out, "identical: 10 texts");
        // what is done already goes on with it, and says the same
        Str want = bytes_of(A, out);
        CHECK_INT(attribute(A, &(Setup){0}, rows, out, "--provenance", NULL).code, 3);
        CHECK_STR(bytes_of(A, out), want);
    }
}

// Lines that somebody made up, checksum and all: they are read, or refused in words.
TEST(journal_hostile)
{
    const char *folder = kit_folder(A), *rows = rows_file(A, folder),
               *path = arena_printf(A, "%s/x.jsonl", folder);
    Str want;
    undisturbed(A, folder, rows, "o.jsonl", &want);
    uint64_t state = 7;
    int taken = 0, refused = 0;
    for (int i = 0; i < 600; i++) {
        Arena *a = arena_create(A);
        Buf b = {.arena = a};
        Str rest = want;
        for (size_t at = 0; rest.n; at++) {
            Str line = str_line(&rest);
            size_t begin = b.n, n = line.n > 22 ? line.n - 22 : line.n;
            buf_put(&b, line.s, n);
            for (int k = 0; at && k < 2; k++) { // a byte that is another, or a piece that is gone
                state = state * 6364136223846793005u + 1442695040888963407u;
                size_t place = begin + (size_t)(state >> 33) % n;
                static const char bytes[] = "0129[]{},:\"-e.nt\\";
                if (state >> 20 & 1) b.s[place] = bytes[(state >> 40) % (sizeof bytes - 1)];
                else if (at == 2 && place < b.n) b.n = place > begin ? place : begin + 1;
                if (b.n - begin < n) n = b.n - begin;
            }
            uint32_t crc = gzip_crc(0, b.s + begin, b.n - begin);
            buf_printf(&b, ", \"crc32\": \"%08" PRIx32 "\"}\n", crc);
        }
        kit_write(folder, "x.jsonl", buf_view(&b));
        Attribution t;
        Err e = {0};
        bool ok = journal_read(a, path, &t, &e);
        taken += ok, refused += !ok;
        if (!ok && !e.set) FAIL("round %d: refused without a word", i);
        arena_free(a);
    }
    test_count(taken + refused);
    CHECK(refused > 100);
}
