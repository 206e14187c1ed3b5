// SPDX-License-Identifier: Apache-2.0
// http.c — any bytes as the head of a request, as they arrive, and what follows it as the JSON that it asks with.
#include "../../attr/commands/serve.h"
#include "fuzz.h"

#include <ctype.h>

static void require_inside(Str s, Str whole)
{
    REQUIRE(!s.n || (s.s >= whole.s && s.s + s.n <= whole.s + whole.n));
}

static void require_head(Str bytes, const HttpRequest *r)
{
    const Str all[] = {r->method, r->path, r->host, r->origin, r->type, r->accept, r->authorization};
    const Str head = {bytes.s, r->head};
    REQUIRE(r->head <= bytes.n && r->head <= HTTP_HEAD && r->body <= HTTP_BODY && !r->status);
    REQUIRE(r->head > 4 && !memcmp(bytes.s + r->head - 4, "\r\n\r\n", 4));
    REQUIRE(r->path.n && *r->path.s == '/' && r->host.n && isupper(*bytes.s));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) require_inside(all[i], head);
    for (size_t i = 0; i < head.n; i++)
        REQUIRE(head.s[i] != '\n' || head.s[i - 1] == '\r'), REQUIRE(head.s[i]);
    http_accepts(r->accept, "text/html"), http_host(r->host, "localhost", 80);
}

static void require_options(Arena *a, Str body)
{
    size_t n;
    const Option *o = args_options(&n);
    OptionValue *value = arena_new(a, OptionValue, n);
    Err e = {0};
    REQUIRE(serve_request(a, body, value, &e) != e.set);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(!value[i].given || o[i].commands & REQUEST);
        REQUIRE(!value[i].given || value[i].literal);
        if (value[i].json) REQUIRE(json_parse(a, str_of(value[i].list[0]), "again", &(Err){0}));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Arena *a = fuzz_arena();
    const Str bytes = {(const char *)data, n};
    HttpRequest r, part;
    HttpState state = http_head(bytes, &r);
    REQUIRE((state == HTTP_WRONG) == (r.status != 0));
    if (state == HTTP_HEADED) {
        require_head(bytes, &r);
        require_options(a, (Str){bytes.s + r.head, n - r.head});
    } else require_options(a, bytes);
    for (size_t k = 0; k < n && k < 300; k++) { // what is wrong stays wrong, however it arrives
        HttpState early = http_head((Str){bytes.s, k}, &part);
        REQUIRE(early != HTTP_WRONG || (state == HTTP_WRONG && part.status == r.status));
        REQUIRE(early != HTTP_HEADED || (state == HTTP_HEADED && part.head == r.head));
    }
    return 0;
}
