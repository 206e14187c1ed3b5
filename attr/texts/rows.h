// SPDX-License-Identifier: Apache-2.0
// rows.h — data files: a text or a pair of texts a row, with what else the row says. JSON Lines, a JSON array, CSV (RFC
// 4180), TSV, plain lines; gzipped or not. Kinds are the rows of rows.def.
#pragma once
#include "../../tensor/base.h"

// What the rows of one file share.
typedef struct RowsPart {
    const char *path;
    const struct RowsKind *kind;
    const Json *columns; // of csv and tsv: the names, a list
    char delimiter;
} RowsPart;

// One row of a file. What is wrong with one does not concern the others.
typedef struct Row {
    size_t number;        // among the rows of all files, from 1
    size_t line;          // of its file, where it begins, from 1
    const RowsPart *part; // its file
    Str raw;              // its bytes, of which part->kind makes the fields; or
    const Json *field;    // an object: the columns by name
    const char *wrong;    // a sentence: then it has neither; NULL
} Row;

typedef struct RowsOptions {
    const char *kind;    // NULL: by the file's name
    char delimiter;      // of csv; 0: its own
    const Json *columns; // a list of names, for csv without a header; NULL: the first row has them
    Str inside;          // of json: the member whose value is the array; empty: the file is the array
} RowsOptions;

// Where the rows of a file go while it is read; see rows_add.
typedef struct RowsFile {
    Arena *a;
    const char *path;
    RowsOptions o;
    RowsPart *part; // the file that is being read
    Row *row;       // room grows as it is needed
    size_t n, room;
} RowsFile;

typedef struct RowsKind {
    const char *name, *extensions[3];
    // Adds the rows of a whole file, UTF-8 without a mark. False: nothing of it can be read.
    bool (*read)(RowsFile *f, Str bytes, Err *e);
    // The columns of a row that was added by its bytes, by name: an object. NULL: this kind adds objects.
    const Json *(*fields)(Arena *a, const RowsPart *part, Str raw);
} RowsKind;
extern const RowsKind rows_text, rows_jsonl;

// The kind of a file by the end of its name, .gz left away; NULL: none. "text" has none of its own: .txt says it.
const RowsKind *rows_kind_of(const char *path);
// The rows of a file ("-": standard input), behind those that are there. On f->a. Parquet and Arrow are refused with what
// converts them.
bool rows_read(RowsFile *f, const char *path, Err *e);
// For the kinds: a row that begins on this line; its object, its bytes, or what is wrong with it.
void rows_add(RowsFile *f, size_t line, const Json *field, const char *wrong);
void rows_add_raw(RowsFile *f, size_t line, Str raw);
// The columns of a row by name, an object made on a; NULL: see wrong.
const Json *rows_fields(Arena *a, const Row *r);
Json *rows_member(Arena *a, Str name, Str text); // a member
// Of csv and tsv, whose fields this character separates if f->o has no other.
bool rows_delimited(RowsFile *f, Str all, char delimiter, Err *e);
const Json *rows_delimited_fields(Arena *a, const RowsPart *part, Str raw);
// The rows of a slice as datasets writes it: [:20], [-1:], [10%:50%]; percents round to the nearest row, halves to even.
bool rows_slice(RowsFile *f, Str slice, Err *e);

// A column's text, of rows_fields. absent: the row has no such column, or null. other: it has, and it is no text.
typedef enum { ROW_TEXT, ROW_ABSENT, ROW_OTHER } RowText;
RowText rows_field(const Json *fields, const char *name, Str *out, const Json **found);
// What a result says of a row: {"number": 1, "id": "a", "fields": {...}}, its number, its id (a text or a number; none: left
// out) and the columns that are not among the n used ones (NULL: none), if there are any. row: of rows_fields.
const Json *rows_about(Arena *a, const Row *r, const Json *row, const char *const *used, size_t n,
                       const char *id);
bool rows_have(const RowsFile *f, const char *name); // any of them
const char *rows_names(const RowsFile *f);           // of the columns, for messages: "en, nl"
