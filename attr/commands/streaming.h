// SPDX-License-Identifier: Apache-2.0
// streaming.h — rows of a run that are safe as soon as they are done (streaming.c).
#pragma once
#include "../results/journal.h"
#include "commands.h"

typedef struct Stream {
    Args *a;
    const char *path; // what -o names; NULL: nothing is saved
    Journal *journal; // NULL: results are kept, and delivered at the end
    bool flat;        // the journal is -o's own file
    bool keep;        // sequences are kept, as they are drawn (or saved) at the end
    bool numbered;    // they know which of the texts they are of
    bool foils;       // texts are the foils of one
    bool several;     // there is more than one text
    size_t most;      // texts at once
    size_t from, to;  // the rows of this run, of all
    size_t at;        // the first that is not done
    size_t made;      // by this run
    size_t failed;    // and before
    size_t shards;    // 0: all rows are this run's
    Str head;         // the journal's first line
    Journal *before;  // --retry_failed: what is being replaced, whose name and whose rows these are
    const char *replaced;
    JournalRows *old;
    Attribution about; // info, without texts
    Sequence *kept;
    Str *kept_source, *kept_target;
    size_t n_kept;
} Stream;

Str stream_options(Args *a);               // those that rows depend on, as a JSON object
void stream_hash(Sha256 *x, const Str *s); // NULL: none
bool stream_is_lines(const char *path);    // does its name say FILE.jsonl?
void stream_tell_done(const Args *a, const Journal *j, size_t rows);             // notes, where a run goes on
void stream_say_kept(const Args *a, const Journal *j, size_t done, size_t rows); // where it ends early
// --shard I/N, or auto: by the task of a job array. 0 of 0: not given.
bool args_shard(const Args *a, size_t *shard, size_t *shards, Err *e);
void stream_shard(const Texts *t, size_t shard, size_t shards, size_t *from,
                  size_t *to);                              // which texts it has
double stream_size(const Texts *t, size_t from, size_t to); // roughly what they cost, for the bar
// What of these texts is to be done, and where it goes. alone: one model and method, so that rows can be kept one by one.
bool cmd_stream_begin(Args *a, const Work *w, const AttrOptions *o, const Texts *t, size_t most, bool alone,
                      Stream *s, Err *e);
bool cmd_stream_next(Stream *s, size_t *from, size_t *to,
                     Err *e); // the next texts; false without an error: no more
// The next row is done. q NULL: it failed.
bool cmd_stream_row(Stream *s, const Job *j, const Sequence *q, Err *e);
bool cmd_stream_end(Stream *s, Err *e);
void cmd_stream_tell_kept(const Stream *s);  // which rows a run that ends early has done
int cmd_stream_interrupted(const Stream *s); // 0, or the exit code after a word about it

// ------------------------------------------------------------------------------------------ contexts (context_rows.c)

struct ContextTexts;
typedef struct ContextRows {
    Journal *journal;    // -o FILE.jsonl; NULL: results are kept, and delivered at the end
    size_t from, to, at; // the documents of this run, and the first that is not done
    size_t made, failed; // before too
} ContextRows;
// Which of n documents are to be done (wrong: why a row is none; NULL: they are no rows); lines gets the results that are done.
bool context_rows_begin(Args *a, const Work *w, const struct ContextTexts *t, const char *const *wrong,
                        const Json *const *about, size_t n, ContextRows *r, Buf *lines, Err *e);
// The next document is done. one NULL: it failed, and why.
bool context_rows_add(ContextRows *r, Arena *a, size_t number, const struct ContextResult *one,
                      const char *error, Err *e);
bool context_rows_end(ContextRows *r, Err *e);
int context_rows_interrupted(const Args *a, const ContextRows *r);
