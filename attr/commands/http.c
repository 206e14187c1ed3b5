// SPDX-License-Identifier: Apache-2.0
// http.c — see http.h. Lines are judged as they arrive, so that what is wrong is told before the rest is waited for.
#include "http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MOST_FIELDS = 64 };

static HttpState wrong(HttpRequest *r, int status, const char *reason)
{
    r->status = status, r->reason = reason, r->keep = false;
    return HTTP_WRONG;
}

// ------------------------------------------------------------------------------------------ characters

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Of names of methods and fields: "tchar" of RFC 9110.
static bool is_token(Str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.s[i], lower = (char)(c | 32);
        if (!(lower >= 'a' && lower <= 'z') && !is_digit(c) && (!c || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return s.n > 0;
}

// No controls but tabs.
static bool is_value(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((uint8_t)s.s[i] < 32 && s.s[i] != '\t') || s.s[i] == 127) return false;
    return true;
}

static Str trimmed(Str s)
{
    while (s.n && (*s.s == ' ' || *s.s == '\t')) s.s++, s.n--;
    while (s.n && (s.s[s.n - 1] == ' ' || s.s[s.n - 1] == '\t')) s.n--;
    return s;
}

static bool is_named(Str s, const char *name) { return s.n == strlen(name) && !strncasecmp(s.s, name, s.n); }

// The next of a list's members, separated by commas.
static bool next_member(Str *list, Str *out)
{
    if (!list->n) return false;
    const char *comma = memchr(list->s, ',', list->n);
    size_t n = comma ? (size_t)(comma - list->s) : list->n;
    *out = trimmed((Str){list->s, n});
    list->s += n + (comma != NULL), list->n -= n + (comma != NULL);
    return true;
}

bool http_accepts(Str accept, const char *type)
{
    for (Str member; next_member(&accept, &member);) {
        const char *end = memchr(member.s, ';', member.n);
        Str name = trimmed((Str){member.s, end ? (size_t)(end - member.s) : member.n});
        Str rest = {member.s + name.n, member.n - name.n};
        while (rest.n && (*rest.s == ' ' || *rest.s == '\t' || *rest.s == ';')) rest.s++, rest.n--;
        if (is_named(name, type)) return !str_is(rest, "q=0") && !str_starts(rest, STR_LIT("q=0.0"));
    }
    return false;
}

bool http_same(Str a, Str b)
{
    unsigned different = a.n != b.n;
    for (size_t i = 0; i < a.n && b.n; i++) different |= (uint8_t)(a.s[i] ^ b.s[i % b.n]);
    return !different;
}

bool http_host(Str host, const char *name, int port)
{
    char with[300];
    int n = snprintf(with, sizeof with, "%s:%d", name, port);
    return n > 0 && (size_t)n < sizeof with && (is_named(host, with) || (port == 80 && is_named(host, name)));
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {{100, "Continue"},
                 {200, "OK"},
                 {400, "Bad Request"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {408, "Request Timeout"},
                 {411, "Length Required"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {417, "Expectation Failed"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {503, "Service Unavailable"},
                 {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status) return known[i].reason;
    return "Error";
}

// ------------------------------------------------------------------------------------------ lines

// "GET /path HTTP/1.1"
static HttpState request_line(Str line, HttpRequest *r)
{
    enum { LONGEST_METHOD = 16, LONGEST_TARGET = 4096 };
    const char *first = memchr(line.s, ' ', line.n);
    const char *last = first ? memchr(first + 1, ' ', line.n - (size_t)(first + 1 - line.s)) : NULL;
    if (!last) return wrong(r, 400, "the first line must be METHOD PATH HTTP/1.1");
    r->method = (Str){line.s, (size_t)(first - line.s)};
    Str target = {first + 1, (size_t)(last - first - 1)},
        version = {last + 1, line.n - (size_t)(last + 1 - line.s)};
    if (!is_token(r->method) || r->method.n > LONGEST_METHOD)
        return wrong(r, 400, "the method must be a word such as GET");
    if (!str_starts(version, STR_LIT("HTTP/")) || version.n != 8 || !is_digit(version.s[5]) ||
        version.s[6] != '.' || !is_digit(version.s[7]))
        return wrong(r, 400, "the first line must end in one space and HTTP/1.1");
    if (!str_is(version, "HTTP/1.1") && !str_is(version, "HTTP/1.0"))
        return wrong(r, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    r->chunks = r->keep = str_is(version, "HTTP/1.1");
    if (target.n > LONGEST_TARGET) return wrong(r, 414, "the path is longer than any here");
    if (!target.n || *target.s != '/')
        return wrong(r, 400,
                     "what is asked for must be a path that begins with /, not another form of target");
    for (size_t i = 0; i < target.n; i++)
        if (target.s[i] <= 32 || target.s[i] >= 127 || strchr("\"<>\\^`{|}#", target.s[i]))
            return wrong(r, 400, "the path has a character that must not stand there");
    const char *query = memchr(target.s, '?', target.n);
    r->path = (Str){target.s, query ? (size_t)(query - target.s) : target.n};
    return HTTP_MORE;
}

static HttpState set_length(Str value, HttpRequest *r)
{
    size_t n = 0;
    if (r->has_length) return wrong(r, 400, "Content-Length is said twice");
    if (!value.n) return wrong(r, 400, "Content-Length must be a number");
    for (size_t i = 0; i < value.n; i++)
        if (!is_digit(value.s[i])) return wrong(r, 400, "Content-Length must be a number");
    for (size_t i = 0; i < value.n; i++) {
        n = 10 * n + (size_t)(value.s[i] - '0');
        if (n > HTTP_BODY) return wrong(r, 413, "the body has more than 1048576 bytes, which is the limit");
    }
    r->has_length = true, r->body = n;
    return HTTP_MORE;
}

static HttpState set_connection(Str list, HttpRequest *r)
{
    for (Str member; next_member(&list, &member);)
        if (is_named(member, "close")) return r->keep = false, HTTP_MORE;
    return HTTP_MORE;
}

// A field that may be there once.
static HttpState set_once(Str value, Str *out, HttpRequest *r)
{
    if (out->s) return wrong(r, 400, "a field that may stand there once is said twice");
    *out = value;
    return HTTP_MORE;
}

static HttpState field(Str line, HttpRequest *r)
{
    const char *colon = memchr(line.s, ':', line.n);
    if (*line.s == ' ' || *line.s == '\t') return wrong(r, 400, "a line that continues another is refused");
    if (!colon) return wrong(r, 400, "a line has no colon");
    Str name = {line.s, (size_t)(colon - line.s)};
    Str value = trimmed((Str){colon + 1, line.n - name.n - 1});
    if (!is_token(name)) return wrong(r, 400, "a field's name has a character that must not stand there");
    if (!is_value(value)) return wrong(r, 400, "a field's value has a control character");
    if (is_named(name, "Host")) return set_once(value, &r->host, r);
    if (is_named(name, "Origin")) return set_once(value, &r->origin, r);
    if (is_named(name, "Content-Type")) return set_once(value, &r->type, r);
    if (is_named(name, "Authorization")) return set_once(value, &r->authorization, r);
    if (is_named(name, "Accept")) return set_once(value, &r->accept, r);
    if (is_named(name, "Content-Length")) return set_length(value, r);
    if (is_named(name, "Connection")) return set_connection(value, r);
    if (is_named(name, "Transfer-Encoding"))
        return wrong(r, 411, "a body needs a Content-Length; Transfer-Encoding is refused");
    if (is_named(name, "Content-Encoding") && !is_named(value, "identity"))
        return wrong(r, 415, "a body must come as it is, without Content-Encoding");
    if (is_named(name, "Expect")) {
        if (!is_named(value, "100-continue")) return wrong(r, 417, "only 100-continue can be expected");
        r->expects = true;
    }
    return HTTP_MORE;
}

HttpState http_head(Str bytes, HttpRequest *r)
{
    *r = (HttpRequest){0};
    Str head = {bytes.s, bytes.n < HTTP_HEAD ? bytes.n : HTTP_HEAD};
    size_t at = 0, fields = 0;
    if (head.n && (*head.s < 'A' || *head.s > 'Z')) return wrong(r, 400, "this is no HTTP request");
    for (const char *end; (end = memchr(head.s + at, '\n', head.n - at)); fields++) {
        Str line = {head.s + at, (size_t)(end - head.s) - at};
        at += line.n + 1;
        if (!line.n || line.s[line.n - 1] != '\r') return wrong(r, 400, "each line must end in CR LF");
        line.n--;
        if (memchr(line.s, '\r', line.n)) return wrong(r, 400, "a CR stands in the middle of a line");
        if (!line.n && fields) {
            r->head = at;
            if (!r->host.n) return wrong(r, 400, "the field Host is missing");
            return HTTP_HEADED;
        }
        if (fields > MOST_FIELDS) return wrong(r, 431, "more than 64 fields");
        HttpState s = fields ? field(line, r) : request_line(line, r);
        if (s != HTTP_MORE) return s;
    }
    if (bytes.n >= HTTP_HEAD) return wrong(r, 431, "the head has more than 16384 bytes, which is the limit");
    return HTTP_MORE;
}
