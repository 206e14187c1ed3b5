// SPDX-License-Identifier: Apache-2.0
// http.h — the head of an HTTP/1.1 request (RFC 9112), read strictly: a pure function on bytes, which the fuzzer has too.
#pragma once
#include "../../tensor/base.h"

enum { HTTP_HEAD = 16 << 10, HTTP_BODY = 1 << 20 }; // bytes, at most

// A request that has arrived. Texts are views into its bytes; what was not sent is empty.
typedef struct HttpRequest {
    Str method, path; // "GET"; "/...", without a query
    Str host, origin, type, accept, authorization;
    bool keep;          // the connection may serve another one
    bool chunks;        // its answer may come in chunks: HTTP/1.1
    bool expects;       // waits for "100 Continue" before it sends its body
    bool has_length;    // Content-Length was said
    size_t head, body;  // bytes of each; the body follows the head
    int status;         // of what is wrong: 400, 405, 411, 413, 414, 417, 431, 505
    const char *reason; // and a sentence
} HttpRequest;

typedef enum { HTTP_MORE, HTTP_HEADED, HTTP_WRONG } HttpState;

// The head that these bytes begin with. HTTP_MORE: it has no end yet, and nothing in it is wrong so far. Refused is whatever
// two readers could understand differently: a second Host or Content-Length, Transfer-Encoding, folded lines, lines that end
// in a bare LF, blanks before a colon, targets in other forms than a path.
HttpState http_head(Str bytes, HttpRequest *r);

const char *http_reason(int status); // "Not Found"
bool http_accepts(Str accept,
                  const char *type); // is named, and not with q=0; patterns such as */* name nothing
bool http_same(Str a, Str b);        // in a time that does not tell where they differ
bool http_host(Str host, const char *name, int port); // "NAME:PORT", without regard to case
