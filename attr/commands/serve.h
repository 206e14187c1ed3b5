// SPDX-License-Identifier: Apache-2.0
// serve.h — what the files of `inseq serve` share: cmd_serve.c (options, models, the socket), serving.c (connections),
// answering.c (one request, in a process of its own), http.c (heads of requests).
#pragma once
#include "commands.h"
#include "http.h"

enum { SERVE_PAGE = 100 << 10 }; // bytes of the form, at most

// What a server is asked through, and what it answers with.
typedef struct Service {
    const Args *a; // its command line; what belongs to requests too holds for all of them
    const Loaded *model;
    size_t n_models;
    const char *address, *token; // it listens on; in every path
    int listening, port;
    bool any_address; // Host may be any IPv4 address: it listens on all
    double time_limit;
    int threads;
    Str page, policy; // the form, and its Content-Security-Policy
} Service;

// How an answer looks: as `inseq attribute --json` prints it, a line for each text as soon as it is done, or a page.
typedef enum { ANSWER_JSON, ANSWER_LINES, ANSWER_PAGE } AnswerForm;

// The options that a body names; value runs parallel to the table and has those that hold for all requests.
bool serve_request(Arena *a, Str body, OptionValue *value, Err *e);

// In a process that was forked for it: computes what the body asks for. The answer goes to standard output, what is to be
// said of it to standard error, as with `inseq attribute`, whose exit codes it ends with too.
_Noreturn void serve_answer(const Service *s, Str body, AnswerForm form);

// Takes all the memory that serving needs: from then on none is asked for. s must be filled before serving begins.
typedef struct Server Server;
Server *serve_prepare(Arena *a, const Service *s);
// Serves until a stop is asked for: the exit code.
int serve_connections(Server *s);
