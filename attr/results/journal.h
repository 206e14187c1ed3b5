// SPDX-License-Identifier: Apache-2.0
// journal.h — a result that grows by a line for each row, so that what was finished outlives whatever ends the program, and
// the same command goes on behind it.
//
//   {"schema": "inseq-rows", "schema_version": 1, "form": "flat", "program": "inseq 0.1.0", "model": SHA-256 of
//    its files, "options": {...}, "texts": SHA-256, "rows": 400, "shard": [1, 4], "from": 0, "to": 100, "crc32": "…"}
//   {"number": 1, ..., "crc32": "0a1b2c3d"}
//   {"number": 2, "error": "the source is empty; ...", "crc32": "…"}
//
// Lines are JSON (RFC 8259) in the order of the input, each with the CRC-32 of its bytes before `, "crc32"`. Form "flat": rows
// are those of report_jsonl.c. Form "contexts": those of context_json.c. Form "sequence": "sequence" is what result_json.c writes, on one line. A name that ends in .gz
// has a gzip member for each line.
#pragma once
#include "../attr.h"

// What a run is. One that goes on must be the same.
typedef struct JournalHead {
    bool flat, contexts;         // which form; neither: "sequence"
    Str model, tokenizer, texts; // SHA-256 in hexadecimal: texts_hashes', and of all that rows are made from
    Str options;                 // a JSON object: those that a result depends on, as they were given
    size_t rows;                 // of the whole input; those of this run are [from, to)
    size_t shard, shards;        // which part of how many, from 1; 0: all of it
    size_t from, to;
    Str provenance; // a JSON object, which is not compared; empty: none
} JournalHead;

typedef struct Journal Journal;
// Goes on with the journal at path, or begins one: then it has its first line. What is no whole line, or does not match its
// checksum, is cut off with all that follows. anew: whatever is there goes away. Fails where it is of another run, and says
// in what they differ. On the arena.
Journal *journal_open(Arena *a, const char *path, const JournalHead *h, bool anew, Err *e);
size_t journal_done(const Journal *j); // rows it has, failed ones too
size_t journal_failed(const Journal *j,
                      const size_t **number); // of these; the first numbers of them, at most 20
size_t journal_cut_off(const Journal *j);     // bytes that were cut off
// A row: the members of its object, without braces.
bool journal_add(Journal *j, Str members, Err *e);
bool journal_end(Journal *j, Err *e);
const char *journal_path(const Journal *j);

// The rows of a journal that is there, from the first: objects, on the arena that is given.
typedef struct JournalRows JournalRows;
bool journal_is(Str begin); // whether a file that begins so is one, gzipped or not
bool journal_head(Arena *a, const Json *line, const char *path, JournalHead *h, Err *e);
bool journal_read(Arena *a, const char *path, Attribution *t,
                  Err *e); // all rows that did not fail, as a result
// head (may be NULL) gets the first line. NULL: it is no journal, or can't be read.
JournalRows *journal_rows(Arena *a, const char *path, JournalHead *head, Err *e);
bool journal_next(JournalRows *r, Arena *a, const Json **row, Err *e); // false without an error: no more
Str journal_line(const JournalRows *r); // the row's own bytes, with the end of line; until the next one
bool journal_row_failed(const Json *row);
// The line of such a head, without its end.
Str journal_head_line(Arena *a, const JournalHead *h);
