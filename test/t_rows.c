// SPDX-License-Identifier: Apache-2.0
// t_rows.c — data files: every kind, what may be wrong with a row or a file, slices, columns, and that a row is known by its
// number, id and other columns in every output. The library's own commands over files are in t_cli.c's golden cases.
#include "../attr/texts/rows.h"
#include "cli.h"
#include "lab.h"

#define EN_NL "demo/en-nl"

static const char *put(Arena *A, const char *folder, const char *name, Str bytes)
{
    const char *path = arena_printf(A, "%s/%s", folder, name);
    Err e = {0};
    if (!file_write(path, bytes, &e)) FAIL("%s", e.text);
    return path;
}

// The rows of a file as text: "line:name=value;name=value" or "line!wrong", one a line.
static const char *rows_of(Arena *A, const char *path, RowsOptions o)
{
    RowsFile f = {.a = A, .o = o};
    Buf b = {.arena = A};
    Err e = {0};
    if (!rows_read(&f, path, &e)) return arena_printf(A, "%s", e.text);
    for (size_t i = 0; i < f.n; i++) {
        const Row *r = &f.row[i];
        buf_printf(&b, "%zu%s%s", r->line, r->wrong ? "!" : ":", r->wrong ? r->wrong : "");
        const Json *row = rows_fields(A, r);
        for (const Json *j = row ? row->child : NULL; j; j = j->next) {
            buf_str(&b, j->key), buf_char(&b, '='), buf_str(&b, j->text);
            if (j->next) buf_char(&b, ';');
        }
        buf_char(&b, '\n');
    }
    buf_char(&b, '\0');
    return b.s;
}

TEST(rows_kinds_read)
{
    static const struct {
        const char *name, *bytes, *rows;
    } file[] = {
        {"a.csv", "en,nl\r\na,b\r\n\r\n\"x, \"\"y\"\"\nz\",\"\"\nlast,one",
         "2:en=a;nl=b\n4:en=x, \"y\"\nz;nl=\n6:en=last;nl=one\n"},
        {"b.csv",
         "\xEF\xBB\xBF"
         "en,nl\n1\n1,2,3\n\"a\"b,c\nok,fine\n",
         "2:en=1\n3!FOLDER/b.csv: line 3: 3 fields, and the header names 2 columns\n"
         "4!FOLDER/b.csv: line 4: field 1 goes on behind its closing quote\n5:en=ok;nl=fine\n"},
        {"c.csv", "en\nfine\n\"never\nclosed\n",
         "2:en=fine\n3!FOLDER/c.csv: line 3: a quote that opens on line 3 is never closed\n"},
        {"d.csv", "\"en\nnl", "FOLDER/d.csv: line 1: a quote that opens on line 1 is never closed"},
        {"e.csv", "", ""},
        {"f.tsv", "en\tnl\na,b\t\"c\td\"\n", "2:en=a,b;nl=c\td\n"},
        {"g.txt", "one\r\n\ntwo", "1:text=one\n2:text=\n3:text=two\n"},
        {"h.jsonl", "{\"en\":\"a\"}\n\n{\"en\":\"b\"\n[1]\n{\"en\":\"c\"}\r\n{\"en\":",
         "1:en=a\n3!FOLDER/h.jsonl: line 3, column 10: found the end of the text; expected ',' or "
         "'}'\n"
         "4!FOLDER/h.jsonl: line 4: found an array; each line must be an object {\"column\": ...}\n5:en=c\n"
         "6!FOLDER/h.jsonl: line 6, column 7: found the end of the text; expected a value\n"},
        {"i.json", "[{\"en\":\"a\"},\n 3,\n {\"en\":\"b\",\"x\":null}]\n",
         "1:en=a\n2!FOLDER/i.json: line 2: found a number, expected an object {\"column\": "
         "...}\n3:en=b;x=\n"},
        {"j.json", "{\"en\":\"a\"}\n{\"en\":\"b\"}\n", "1:en=a\n2:en=b\n"},
        {"k.json", "{\"v\":1,\"data\":[{\"en\":\"a\"}]}",
         "FOLDER/k.json: found an object, expected an array of objects; if its rows are in \"data\": "
         "--dataset_kwargs "
         "'{\"field\": \"data\"}'"},
        {"l.csv", "PAR1....",
         "FOLDER/l.csv is a Parquet file; Python turns it into lines of JSON: "
         "pandas.read_parquet('FOLDER/l.csv').to_json('rows.jsonl', orient='records', lines=True)"},
        {"m.csv",
         "\xFF\xFE"
         "e\0n\0\n\0",
         "FOLDER/m.csv: the text is in UTF-16; save it as UTF-8"}};
    const char *folder = kit_folder(A);
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        size_t n = i == 12 ? 8 : strlen(file[i].bytes);
        const char *path = put(A, folder, file[i].name, (Str){file[i].bytes, n});
        Buf want = {.arena = A};
        for (const char *p = file[i].rows; *p;) {
            bool here = !strncmp(p, "FOLDER", 6);
            if (here) buf_str(&want, str_of(folder)), p += 6;
            else buf_char(&want, *p++);
        }
        CHECK_STR(str_of(rows_of(A, path, (RowsOptions){0})), buf_view(&want));
        Buf packed = {.arena = A}; // the same gzipped
        Gzip z = {.out = &packed};
        gzip_part(&z, (Str){file[i].bytes, n}), gzip_end(&z);
        const char *gz = put(A, folder, arena_printf(A, "%s.gz", file[i].name), buf_view(&packed));
        if (!strstr(file[i].rows, "FOLDER"))
            CHECK_STR(str_of(rows_of(A, gz, (RowsOptions){0})), buf_view(&want));
    }
}

TEST(rows_options)
{
    const char *folder = kit_folder(A);
    const Json *names = json_parse(A, STR_LIT("[\"en\",\"nl\"]"), "names", NULL);
    const char *semicolon = put(A, folder, "s.csv", STR_LIT("a;b\nc;d\n")),
               *nested =
                   put(A, folder, "n.json", STR_LIT("{\"v\":1,\"rows\":[{\"en\":\"a\"},{\"en\":\"b\"}]}"));
    CHECK_STR(str_of(rows_of(A, semicolon, (RowsOptions){.delimiter = ';'})), STR_LIT("2:a=c;b=d\n"));
    CHECK_STR(str_of(rows_of(A, semicolon, (RowsOptions){.delimiter = ';', .columns = names})),
              STR_LIT("1:en=a;nl=b\n2:en=c;nl=d\n"));
    CHECK_STR(str_of(rows_of(A, nested, (RowsOptions){.inside = STR_LIT("rows")})),
              STR_LIT("1:en=a\n1:en=b\n"));
    CHECK_HAS(rows_of(A, nested, (RowsOptions){.inside = STR_LIT("data")}), "it has no member \"data\"");
    CHECK_HAS(rows_of(A, semicolon, (RowsOptions){.kind = "cvs"}), "jsonl, json, csv, tsv and text are");
    CHECK_STR(str_of(rows_of(A, semicolon, (RowsOptions){.kind = "text"})),
              STR_LIT("1:text=a;b\n2:text=c;d\n"));
}

// datasets 4: load_dataset(..., split="train[SLICE]") of 5 rows.
TEST(rows_slices)
{
    static const struct {
        const char *slice, *rows;
    } want[] = {{"[:2]", "01"},     {"[-1:]", "4"},      {"[:50%]", "01"}, {"[50%:]", "234"},
                {"[:]", "01234"},   {"[1:3]", "12"},     {"[:-3]", "01"},  {"[9:]", ""},
                {"[:90%]", "0123"}, {"[30%:70%]", "23"}, {"[-40%:]", "34"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        RowsFile f = {.a = A, .path = "here"};
        for (size_t k = 0; k < 5; k++) rows_add(&f, k + 1, NULL, NULL);
        Err e = {0};
        Buf b = {.arena = A};
        if (!rows_slice(&f, str_of(want[i].slice), &e)) FAIL("%s", e.text);
        for (size_t k = 0; k < f.n; k++) buf_char(&b, (char)('0' + f.row[k].line - 1));
        CHECK_STR(buf_view(&b), str_of(want[i].rows));
    }
    static const char *const bad[] = {"[", "[1]", "[a:]", "[:1%%]", "[:200%]", "[1:2:3]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        RowsFile f = {.a = A};
        Err e = {0};
        CHECK(!rows_slice(&f, str_of(bad[i]), &e));
        CHECK_HAS(e.text, "it is written [FROM:TO]");
    }
}

static bool read_file(Arena *A, void *context, Err *e)
{
    RowsFile f = {.a = A};
    return rows_read(&f, context, e);
}

// Every fault of memory and of the disk while a file of each kind is read ends in an error; and a file cut anywhere in rows
// or an error, never in both.
TEST(rows_faults)
{
    static const char *const bytes[][2] = {{"a.csv", "en,nl\n\"a\"\"\",b\n1,2,3\n"},
                                           {"a.tsv", "en\tnl\na\tb\n"},
                                           {"a.jsonl", "{\"en\":\"a\"}\n{\"en\n"},
                                           {"a.json", "[{\"en\":\"a\"},3]"},
                                           {"a.txt", "one\n\ntwo"}};
    const char *folder = kit_folder(A);
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        const char *path = put(A, folder, bytes[i][0], str_of(bytes[i][1]));
        test_every_fault(A, FAULT_ALLOC, read_file, str_zero(A, str_of(path)));
        test_every_fault(A, FAULT_IO, read_file, str_zero(A, str_of(path)));
        test_every_fault(A, FAULT_SHORT, read_file, str_zero(A, str_of(path)));
        for (size_t n = 0; n < strlen(bytes[i][1]); n++) {
            RowsFile f = {.a = A};
            Err e = {0};
            bool ok = rows_read(&f, put(A, folder, bytes[i][0], (Str){bytes[i][1], n}), &e);
            CHECK(ok != e.set && (ok || !f.n));
            for (size_t k = 0; k < f.n; k++) CHECK(!rows_fields(A, &f.row[k]) == (f.row[k].wrong != NULL));
        }
    }
}

static const char *ran(Arena *A, int code, const char *const *words)
{
    Run r = run_with(A, &(Setup){0}, words);
    if (r.code != code) FAIL("exit %d, expected %d: %s", r.code, code, r.err);
    return code == 1 || code == 2 ? r.err : r.out;
}
#define RAN(code, ...) ran(A, code, (const char *const[]){__VA_ARGS__, NULL})

// Rows that fail leave the others theirs; the number, the id and other columns are in each output and come back with show.
TEST(rows_identity)
{
    const char *folder = kit_folder(A), *o = arena_printf(A, "%s/o.json", folder);
    const char
        *csv =
            put(A, folder, "t.csv",
                STR_LIT("id,source,note\nfirst,The man reads.,\"a, b\"\nsecond,,x\nthird,The boy reads.,\n")),
        *jsonl =
            put(A, folder, "t.jsonl",
                STR_LIT("{\"source\":\"The man reads.\",\"id\":7,\"score\":0.50,\"deep\":{\"a\":[1,null]}}\n"
                        "{\"source\":3}\n{\"id\":9}\n{\"source\":\"The boy reads.\"}\n"));
    RAN(3, "attribute", "-m", EN_NL, "-i", arena_printf(A, "@%s", csv), "--hide", "-o", o);
    const char *table = RAN(0, "show", o, "--format", "csv");
    CHECK_HAS(table, "input_token,score,row,id,note\n");
    CHECK_HAS(table, ",1,first,\"a, b\"\n");
    CHECK_HAS(table, ",3,third,\n");
    CHECK(!strstr(table, "second"));
    Run r = run_with(A, &(Setup){0},
                     (const char *const[]){"attribute", "-m", EN_NL, "-i", arena_printf(A, "@%s", jsonl),
                                           "-o", o, "--hide", NULL});
    CHECK_HAS(r.err, "t.jsonl: line 2: column \"source\" is a number, not a text");
    CHECK_HAS(r.err, "t.jsonl: line 3: column \"source\" is missing");
    CHECK_INT(r.code, 3);
    const char *lines = RAN(0, "show", o, "--format", "jsonl");
    CHECK_HAS(lines,
              "\"row\": {\"fields\": {\"deep\": {\"a\": [1,null]},\"score\": 0.50},\"id\": 7,\"number\": 1}");
    CHECK_HAS(lines, "\"row\": {\"number\": 4}");
    CHECK_STR(str_of(lines), str_of(RAN(3, "attribute", "-m", EN_NL, "-i", arena_printf(A, "@%s", jsonl),
                                        "--format", "jsonl")));
}

TEST(rows_commands)
{
    const char *folder = kit_folder(A);
    const char *csv =
        put(A, folder, "t.csv", STR_LIT("en,nl,foil\nThe man reads.,De man leest.,De vrouw leest.\n"));
    put(A, folder, "train-00001-of-00002.jsonl", STR_LIT("{\"text\":\"The boy reads.\"}\n"));
    put(A, folder, "train-00000-of-00002.jsonl", STR_LIT("{\"text\":\"The man reads.\"}\n"));
    put(A, folder, "validation.jsonl", STR_LIT("{\"text\":\"The nurse reads.\"}\n"));
    const char *at = arena_printf(A, "@%s", csv);
    CHECK_HAS(RAN(1, "attribute", "-m", EN_NL, "-i", at),
              "which column has the texts? --input_text_field NAME; there are: en, nl, foil");
    CHECK_HAS(RAN(1, "attribute", "-m", EN_NL, "-i", at, "-in", "english"),
              "no column \"english\"; there are: en, nl, foil");
    const char *both = RAN(0, "attribute", "-m", EN_NL, "-i", at, "-in", "en", "-gen", "nl",
                           "--contrast_targets_field", "foil", "-fn", "contrast_prob_diff", "--plain");
    CHECK_STR(str_of(both),
              str_of(RAN(0, "attribute", "-m", EN_NL, "-i", "The man reads.", "-g", "De man leest.",
                         "--contrast_targets", "De vrouw leest.", "-fn", "contrast_prob_diff", "--plain")));
    CHECK_HAS(RAN(0, "generate", "-m", EN_NL, "-i", at, "-in", "en"), "De man");
    CHECK_HAS(RAN(0, "generate", "-m", EN_NL, "-i", at, "-in", "en", "--id_field", "nl", "--json"),
              "{\"row\":{\"fields\": {\"foil\": \"De vrouw leest.\"},\"id\": \"De man leest.\",\"number\": "
              "1},\"sequences\":[");
    const char *compared =
        RAN(0, "compare", "-m", EN_NL, "-i", at, "-in", "en", "-a", "saliency", "-a", "occlusion", "--json");
    const char *row =
        "\"row\": {\"fields\": {\"foil\": \"De vrouw leest.\",\"nl\": \"De man leest.\"},\"number\": 1}";
    CHECK_HAS(compared, row);
    CHECK_HAS(strstr(compared, row) + 1, row); // of each method
    CHECK_STR(str_of(RAN(0, "tokenize", "-m", EN_NL, "-i", at, "-in", "en")),
              str_of(RAN(0, "tokenize", "-m", EN_NL, "-i", "The man reads.")));
    const char *hub =
        RAN(0, "attribute-dataset", "-m", EN_NL, "-d", folder, "-in", "text", "--format", "csv");
    CHECK(strstr(hub, "boy") && strstr(strstr(hub, "man"), "boy") && !strstr(hub, "nurse"));
    CHECK_HAS(RAN(0, "attribute-dataset", "-m", EN_NL, "-d", folder, "-in", "text", "--split", "validation",
                  "--format", "csv"),
              "nurse");
    CHECK_HAS(RAN(1, "attribute-dataset", "-m", EN_NL, "-d", folder, "-in", "text", "--split", "test"),
              "is of the split test");
    CHECK_HAS(RAN(1, "attribute-dataset", "-m", EN_NL, "-d", "wmt14", "-in", "text"),
              "datasets of the Hub are not downloaded");
    CHECK_HAS(RAN(2, "attribute-dataset", "-m", EN_NL, "-d", "csv", "-in", "text"),
              "which files? --dataset_files");
    CHECK_HAS(
        RAN(2, "attribute-dataset", "-m", EN_NL, "-d", "csv", "--files", csv, "-in", "en", "--revision", "x"),
        "nothing is downloaded");
    CHECK_HAS(
        RAN(2, "attribute-dataset", "-m", EN_NL, "-d", "csv", "--files", csv, "-in", "en", "--split", "test"),
        "is the split train");
    CHECK_HAS(RAN(2, "attribute-dataset", "-m", EN_NL, "-d", "csv", "--files", csv, "-in", "en",
                  "--dataset_kwargs", "{\"skiprows\": 1}"),
              "skiprows is a number; known are sep");
    CHECK_HAS(RAN(0, "attribute-dataset", "-m", EN_NL, "-d", "csv", "--files", csv, "-in", "en", "-gen",
                  "missing", "--plain"),
              "De");
    CHECK_HAS(RAN(2, "attribute-dataset", "-m", EN_NL), "which texts?");
}

// README's commands on files as it speaks of: two texts, one with its target.
TEST(rows_as_readme_says)
{
    static const char *const says[] = {"\xe2\x96\x81"
                                       "man",
                                       "\xe2\x96\x81"
                                       "boy"};
    const char *folder = kit_folder(A), *command[4];
    put(A, folder, "pairs.csv", STR_LIT("source,target\nThe man reads.,De man leest.\n"));
    put(A, folder, "pairs.jsonl", STR_LIT("{\"source\": \"The boy reads.\"}\n"));
    CHECK_INT(readme_commands(A, "Data files", command, 4), 2);
    for (size_t i = 0; i < 2; i++) CHECK_HAS(run_in(A, folder, command[i]), says[i]);
    CHECK(file_exists(arena_printf(A, "%s/result.json", folder)));
}
