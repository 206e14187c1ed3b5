// SPDX-License-Identifier: Apache-2.0
// t_serve.c — `inseq serve`: heads of requests byte by byte, answers equal to those of `inseq attribute`, hostile requests,
// slow and many clients, processes that end badly, and the end. Everything stays on 127.0.0.1.
#include "../attr/commands/http.h"
#include "cli.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define TOKEN "0123456789-abcdef_"

// ------------------------------------------------------------------------------------------ heads

static HttpState head_of(const char *text, size_t n, HttpRequest *r) { return http_head((Str){text, n}, r); }

TEST(http_heads_are_read)
{
    HttpRequest r;
    const char *text = "POST /a/b?c=d HTTP/1.1\r\nhOST: x:1\r\nContent-Length:  12 \r\nAccept:\t*/*\r\n"
                       "Connection: te , close\r\nX-Y: \xc3\xa9\r\n\r\nbody";
    size_t n = strlen(text) - 4;
    for (size_t k = 0; k < n; k++) CHECK_INT(head_of(text, k, &r), HTTP_MORE);
    CHECK_INT(head_of(text, n + 4, &r), HTTP_HEADED);
    CHECK_STR(r.method, STR_LIT("POST")), CHECK_STR(r.path, STR_LIT("/a/b")),
        CHECK_STR(r.host, STR_LIT("x:1"));
    CHECK_INT(r.head, n), CHECK_INT(r.body, 12);
    CHECK(!r.keep && r.chunks && r.has_length && !r.expects && !r.origin.s);
    CHECK_INT(head_of("GET / HTTP/1.0\r\nHost: x\r\n\r\n", 27, &r), HTTP_HEADED);
    CHECK(!r.keep && !r.chunks && !r.has_length);
    CHECK(http_accepts(STR_LIT("text/html;q=0.9, a/b"), "a/b"));
    CHECK(http_accepts(STR_LIT("Text/HTML ;q=0.9"), "text/html"));
    CHECK(!http_accepts(STR_LIT("text/html;q=0, */*"), "text/html") && !http_accepts((Str){0}, "a/b"));
    CHECK(http_same(STR_LIT("abc"), STR_LIT("abc")) && !http_same(STR_LIT("abc"), STR_LIT("abcabc")));
    CHECK(!http_same((Str){0}, STR_LIT("abc")) && !http_same(STR_LIT("abd"), STR_LIT("abc")));
    CHECK(http_host(STR_LIT("LOCALHOST:80"), "localhost", 80) &&
          http_host(STR_LIT("localhost"), "localhost", 80));
    CHECK(!http_host(STR_LIT("localhost"), "localhost", 81) &&
          !http_host(STR_LIT("localhost:811"), "localhost", 81));
}

TEST(http_heads_that_are_refused)
{
#define HOST "Host: x\r\n"
    static const struct {
        int status;
        const char *head;
    } wrong[] = {{400, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"},
                 {400, "get / HTTP/1.1\r\n"},
                 {400, "\x16\x03\x01"},
                 {400, "GET /\r\n"},
                 {400, "GET  / HTTP/1.1\r\n"},
                 {400, "GET / HTTP/1.1 \r\n"},
                 {400, "GET / HTTP/1.1\n"},
                 {400, "GET / \rHTTP/1.1\r\n"},
                 {400, "GET /\t HTTP/1.1\r\n"},
                 {400, "GET /\xc3\xa9 HTTP/1.1\r\n"},
                 {400, "GET /a#b HTTP/1.1\r\n"},
                 {400, "GET http://x/ HTTP/1.1\r\n"},
                 {400, "OPTIONS * HTTP/1.1\r\n"},
                 {400, "CONNECT x:1 HTTP/1.1\r\n"},
                 {400, "GET / http/1.1\r\n"},
                 {400, "GET / HTTP/1.11\r\n"},
                 {400, "G(T / HTTP/1.1\r\n"},
                 {400, "GETGETGETGETGETGET / HTTP/1.1\r\n"},
                 {505, "GET / HTTP/2.0\r\n"},
                 {505, "PRI / HTTP/0.9\r\n"},
                 {400, "GET / HTTP/1.1\r\n\r\n"},
                 {400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
                 {400, "GET / HTTP/1.1\r\n" HOST HOST},
                 {400, "GET / HTTP/1.1\r\nHost : x\r\n"},
                 {400, "GET / HTTP/1.1\r\n Host: x\r\n"},
                 {400, "GET / HTTP/1.1\r\n" HOST " y\r\n"},
                 {400, "GET / HTTP/1.1\r\n" HOST "\tfolded: y\r\n"},
                 {400, "GET / HTTP/1.1\r\n: x\r\n"},
                 {400, "GET / HTTP/1.1\r\nnothing\r\n"},
                 {400, "GET / HTTP/1.1\r\nA: \x01\r\n"},
                 {400, "GET / HTTP/1.1\r\nA: b\rc\r\n"},
                 {400, "GET / HTTP/1.1\r\nA: b\n"},
                 {400, "GET / HTTP/1.1\r\nOrigin: a\r\nOrigin: a\r\n"},
                 {411, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"},
                 {411, "POST / HTTP/1.1\r\nContent-Length: 3\r\ntransfer-encoding: identity\r\n"},
                 {400, "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n"},
                 {400, "POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n"},
                 {400, "POST / HTTP/1.1\r\nContent-Length: -1\r\n"},
                 {400, "POST / HTTP/1.1\r\nContent-Length: +1\r\n"},
                 {400, "POST / HTTP/1.1\r\nContent-Length: 0x1\r\n"},
                 {400, "POST / HTTP/1.1\r\nContent-Length: \r\n"},
                 {413, "POST / HTTP/1.1\r\nContent-Length: 1048577\r\n"},
                 {413, "POST / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n"},
                 {415, "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n"},
                 {417, "POST / HTTP/1.1\r\nExpect: miracles\r\n"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        HttpRequest r;
        size_t n = strlen(wrong[i].head);
        if (head_of(wrong[i].head, n, &r) != HTTP_WRONG || r.status != wrong[i].status || !r.reason || r.keep)
            FAIL("%s: status %d, expected %d", wrong[i].head, r.status, wrong[i].status);
        else test_count(1);
        for (size_t k = 0; k < n; k++) // never more than it says
            CHECK(head_of(wrong[i].head, k, &r) != HTTP_HEADED);
    }
    Buf many = {.arena = A}, large = {.arena = A};
    buf_str(&many, STR_LIT("GET / HTTP/1.1\r\n" HOST)),
        buf_str(&large, STR_LIT("GET / HTTP/1.1\r\n" HOST "A: "));
    for (int i = 0; i < 64; i++) buf_str(&many, STR_LIT("A: b\r\n"));
    while (large.n < HTTP_HEAD) buf_char(&large, 'a');
    HttpRequest r;
    CHECK_INT(http_head(buf_view(&many), &r), HTTP_WRONG), CHECK_INT(r.status, 431);
    CHECK_INT(http_head(buf_view(&large), &r), HTTP_WRONG), CHECK_INT(r.status, 431);
    CHECK_INT(http_head((Str){large.s, large.n - 1}, &r), HTTP_MORE);
    const char *path = arena_printf(A, "GET /%.*s HTTP/1.1\r\n", 5000, large.s + 30);
    CHECK_INT(http_head(str_of(path), &r), HTTP_WRONG), CHECK_INT(r.status, 414);
#undef HOST
}

// ------------------------------------------------------------------------------------------ a server and its clients

typedef struct Server {
    Arena *a;
    pid_t pid;
    int port;
    const char *said; // a file: its standard error
} Server;

static void be_server(int output, const char *said, const char *const *words, const char *fault)
{
    const char *path = getenv("INSEQ"), *argv[24] = {"inseq", "serve", "--token", TOKEN};
    char *env[] = {(char *)(uintptr_t) "PATH=/usr/bin:/bin", (char *)(uintptr_t) "LC_ALL=C.UTF-8",
                   (char *)(uintptr_t) "INSEQ_THREADS=2", (char *)(uintptr_t)fault, NULL};
    int error = open(said, O_WRONLY | O_CREAT, 0666);
    for (size_t n = 4, i = 0; words[i] && n < 23; i++) argv[n++] = words[i];
    dup2(output, 1), dup2(error, 2);
    for (int fd = 3; fd < 1024; fd++) close(fd);
    signal(SIGINT, SIG_DFL), signal(SIGPIPE, SIG_DFL), signal(SIGHUP, SIG_DFL);
    alarm(getenv("REQUESTS") ? 3600 : 120);
    execve(path && *path ? path : "./inseq", (char *const *)(uintptr_t)argv, env);
    _exit(98);
}

// port 0: it ended before it listened.
static Server start_with(Arena *A, const char *fault, const char *const *words)
{
    Server s = {.a = A, .said = arena_printf(A, "%s/said", kit_folder(A))};
    int ends[2];
    char line[200] = "";
    size_t n = 0;
    if (pipe(ends)) FAIL("no pipe");
    fflush(stdout), fflush(stderr);
    s.pid = fork();
    if (!s.pid) be_server(ends[1], s.said, words, fault);
    close(ends[1]);
    while (n < sizeof line - 1 && read(ends[0], line + n, 1) == 1 && line[n] != '\n') n++;
    close(ends[0]);
    const char *colon = strrchr(line, ':');
    if (colon && strncmp(line, "http://127.0.0.1:", 17) == 0) s.port = atoi(colon + 1);
    if (s.port && !strstr(line, "/" TOKEN "/")) FAIL("%s has no token", line);
    return s;
}

#define START(...) start_with(A, NULL, (const char *const[]){__VA_ARGS__, NULL})

static int stop(const Server *s, int signal_number)
{
    int status = 0;
    if (signal_number) kill(s->pid, signal_number);
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int connected(const Server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {100, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at)) FAIL("cannot connect: %s", strerror(errno));
    return fd;
}

static void send_all(int fd, Str bytes)
{
    for (ssize_t put; bytes.n; bytes.s += put, bytes.n -= (size_t)put)
        if ((put = send(fd, bytes.s, bytes.n, MSG_NOSIGNAL)) <= 0)
            return; // an early refusal is an answer too
}

// One answer from a connection: its status; its body without chunks. What follows it stays there.
typedef struct Answer {
    int status;
    const char *head;
    Str body;
} Answer;

static Str receive_until(Arena *A, int fd, const char *end)
{
    Buf b = {.arena = A};
    char c;
    while (recv(fd, &c, 1, 0) == 1) {
        buf_char(&b, c);
        if (str_ends(buf_view(&b), str_of(end))) break;
    }
    return b.n ? buf_view(&b) : STR_LIT("");
}

static void receive_bytes(Buf *b, int fd, size_t n)
{
    char part[4096];
    for (ssize_t got; n; n -= (size_t)got) {
        if ((got = recv(fd, part, n < sizeof part ? n : sizeof part, 0)) <= 0) return;
        buf_put(b, part, (size_t)got);
    }
}

static Answer receive(Arena *A, int fd)
{
    Str head = receive_until(A, fd, "\r\n\r\n");
    Answer r = {.head = head.s};
    Buf body = {.arena = A};
    if (sscanf(head.s, "HTTP/1.1 %d ", &r.status) != 1) return r;
    const char *length = strstr(head.s, "\r\nContent-Length: ");
    if (r.status == 100) return r;
    if (length) receive_bytes(&body, fd, (size_t)atol(length + 18));
    else if (strstr(head.s, "\r\nTransfer-Encoding: chunked\r\n"))
        for (size_t n = 1; n;) {
            n = (size_t)strtoul(receive_until(A, fd, "\r\n").s, NULL, 16);
            receive_bytes(&body, fd, n), receive_until(A, fd, "\r\n");
        }
    else receive_bytes(&body, fd, SIZE_MAX);
    buf_char(&body, 0), body.n--;
    return r.body = buf_view(&body), r;
}

static Str post(const Server *s, const char *accept, const char *json)
{
    return str_of(arena_printf(s->a,
                               "POST /" TOKEN "/attribute HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: "
                               "application/json\r\nAccept: %s\r\nContent-Length: %zu\r\n\r\n%s",
                               s->port, accept, strlen(json), json));
}

static Answer exchange(const Server *s, Str bytes)
{
    int fd = connected(s);
    send_all(fd, bytes);
    Answer r = receive(s->a, fd);
    close(fd);
    return r;
}

static Answer ask(const Server *s, const char *accept, const char *json)
{
    return exchange(s, post(s, accept, json));
}

#define SMALL "{\"input_text\": \"A dog.\"}"

// ------------------------------------------------------------------------------------------ answers

// The same bytes as the command line prints.
static void check_same(const Server *s, const char *accept, const char *json, Run r)
{
    Answer got = ask(s, accept, json);
    if (got.status != 200 || r.code)
        FAIL("%s: status %d, exit code %d: %s %s", json, got.status, r.code, got.body.s, r.err);
    else CHECK_STR(got.body, ((Str){r.out, r.n_out}));
}

TEST(serve_answers_as_attribute)
{
    Server s = START("-m", "demo/en-nl", "-m", "demo/yes-no", "-m", "test/golden/models/qwen2-tiny");
    const char *json = "application/json", *lines = "application/x-ndjson", *page = "text/html";
    check_same(&s, json,
               "{\"input_texts\": [\"" TEXT "\", \"A dog.\"], \"method\": \"input_x_gradient\", "
               "\"step_scores\": [\"probability\", \"entropy\"], \"attribute_target\": true}",
               RUN("attribute", "-m", "demo/en-nl", "-a", "input_x_gradient", "--step_scores", "probability",
                   "entropy", "--attribute_target", "-i", TEXT, "A dog.", "--json"));
    check_same(&s, json,
               "{\"input_text\": \"" TEXT "\", \"generated_text\": \"" INTO "\", \"start_pos\": 2, "
               "\"generation_kwargs\": {\"num_beams\" : 2}, \"method\": \"integrated_gradients\", "
               "\"attribution_kwargs\": { \"n_steps\": 5, \"x\": \"}\\\"{\" }, \"evaluate\": true}",
               RUN("attribute", "-m", "demo/en-nl", "-a", "integrated_gradients", "-i", TEXT, "-g", INTO,
                   "-s", "2", "--generation_kwargs", "{\"num_beams\" : 2}", "--attribution_kwargs",
                   "{ \"n_steps\": 5, \"x\": \"}\\\"{\" }", "--evaluate", "--json", "-q"));
    check_same(&s, json,
               "{\"model\": \"demo/yes-no\", \"input_text\": \"Is Paris the capital of France?\", "
               "\"generated_text\": \"yes\", \"contrast_targets\": [\"no\", \"maybe\"], "
               "\"attributed_fn\": \"contrast_prob_diff\", \"tgt_lang\": null}",
               RUN("attribute", "-m", "demo/yes-no", "-i", "Is Paris the capital of France?", "-g", "yes",
                   "--contrast_targets", "no", "maybe", "-fn", "contrast_prob_diff", "--json"));
    check_same(
        &s, json,
        "{\"model\": [\"demo/en-nl\", \"demo/yes-no\"], \"input_text\": \"@me\", \"max_new_tokens\": 3}",
        RUN("attribute", "-m", "demo/en-nl", "-m", "demo/yes-no", "-i", "@@me", "--max_new_tokens", "3",
            "--json"));
    check_same(&s, json,
               "{\"model\": \"test/golden/models/qwen2-tiny\", \"input_text\": \"Is it?\", \"chat\": true, "
               "\"generated_text\": \"No.\", \"hide_template\": true}",
               RUN("attribute", "-m", "test/golden/models/qwen2-tiny", "-i", "Is it?", "-g", "No.", "--chat",
                   "--hide_template", "--json"));
    check_same(&s, lines, "{\"input_texts\": [\"" TEXT "\", \"A dog.\"]}",
               RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "A dog.", "--format", "jsonl"));
    check_same(&s, page, "{\"input_text\": \"" TEXT "\", \"digits\": 2}",
               RUN("attribute", "-m", "demo/en-nl", "-i", TEXT, "--digits", "2", "--format", "html"));
    Answer r = ask(&s, "application/x-ndjson", "{\"input_texts\": [\" \", \"A dog.\", \"\"]}");
    Str first = str_line(&r.body), second = str_line(&r.body), third = str_line(&r.body);
    CHECK_INT(r.status, 200), CHECK_INT(r.body.n, 0);
    CHECK_STR(first, STR_LIT("{\"text\": 1, \"error\": \"the source is empty; give it at least one word\"}"));
    CHECK(str_starts(second, STR_LIT("{\"sequence\": 0, ")));
    CHECK(str_starts(third, STR_LIT("{\"text\": 3, \"error\": ")));
    r = ask(&s, json, "{\"input_texts\": [\"A dog.\", \" \"]}");
    CHECK_INT(r.status, 200);
    CHECK_HAS(r.head, "\r\nInseq-Messages: [\"text 2: the source is empty; give it at least one word\"]\r\n");
    CHECK_INT(stop(&s, SIGINT), 130);
}

TEST(serve_says_what_is_wrong_with_a_request)
{
    static const char *const wrong[][2] = {
        {"", "found the end of the text"},
        {"{\"input_text\": \"a\"", "expected ','"},
        {"[1]", "a request is an array"},
        {"null", "a request is null"},
        {"{}", "which texts?"},
        {"{\"input_text\": []}", "which texts?"},
        {"{\"input_texts\": null}", "which texts?"},
        {"{\"input_texts\": {}}", "is an object; it must be a text, or a list of texts"},
        {"{\"input_texts\": [[\"a\"]]}", "is an array; it must be a text, or a list of texts"},
        {"{\"input_text\": \"a\\u0000b\"}", "has a NUL character"},
        {"{\"input_text\": \"a\", \"input_texts\": \"b\"}", "is said twice"},
        {"{\"input_txt\": \"a\"}", "did you mean \\\"input_texts\\\"?"},
        {"{\"input_text\": \"a\", \"save_path\": \"/tmp/x\"}", "a request has no \\\"save_path\\\""},
        {"{\"input_text\": \"a\", \"viz_path\": \"/tmp/x\"}", "a request has no"},
        {"{\"input_text\": \"a\", \"export\": \"x.csv\"}", "a request has no"},
        {"{\"input_text\": \"a\", \"format\": \"npz\"}", "a request has no"},
        {"{\"input_text\": \"a\", \"adapter\": \"x\"}", "a request has no"},
        {"{\"input_text\": \"a\", \"tokenizer\": \"x\"}", "a request has no"},
        {"{\"input_text\": \"a\", \"threads\": 4}", "a request has no"},
        {"{\"input_text\": \"a\", \"dataset_files\": \"/etc/passwd\"}", "a request has no"},
        {"{\"input_text\": \"a\", \"model\": \"../x\"}", "none of those that are loaded: demo/en-nl"},
        {"{\"input_text\": \"a\", \"model\": []}", "which model"},
        {"{\"input_text\": \"a\", \"method\": \"salience\"}", "did you mean saliency?"},
        {"{\"input_text\": \"a\", \"method\": [\"saliency\"]}", "it must be a text"},
        {"{\"input_text\": \"a\", \"attribute_target\": 1}", "it must be true or false"},
        {"{\"input_text\": \"a\", \"start_pos\": 1.5}", "it must be a whole number"},
        {"{\"input_text\": \"a\", \"start_pos\": \"1\"}", "it must be a whole number"},
        {"{\"input_text\": \"a\", \"generation_kwargs\": \"{}\"}", "it must be an object"},
        {"{\"input_text\": \"a\", \"generated_texts\": [\"a\", \"b\"]}", "there must be one for each"},
        {"{\"input_text\": \"a\", \"method\": \"expected_gradients\", \"attribution_kwargs\": "
         "{\"baselines\": "
         "\"/etc/passwd\"}}",
         "a request opens none"},
        {"{\"input_text\": \" \"}", "the source is empty"}};
    Server s = START("-m", "demo/en-nl");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Answer r = ask(&s, "*/*", wrong[i][1] ? wrong[i][0] : "");
        if (r.status != 400 || !str_starts(r.body, STR_LIT("{\"error\": \"")) ||
            !strstr(r.body.s, wrong[i][1]))
            FAIL("%s: %d %s, expected %s", wrong[i][0], r.status, r.body.s, wrong[i][1]);
        else test_count(1);
        Err e = {0};
        CHECK(json_parse(A, r.body, "answer", &e));
    }
    Buf deep = {.arena = A};
    for (int i = 0; i < 100000; i++) buf_char(&deep, '[');
    CHECK_INT(ask(&s, "*/*", deep.s).status, 400);
    CHECK_INT(ask(&s, "*/*", SMALL).status, 200);
    CHECK_INT(stop(&s, SIGTERM), 143);
}

TEST(serve_refuses_strangers)
{
#define TO(path) path " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
    static const struct {
        int status;
        const char *request; // with the port
    } cases[] = {
        {200, "GET " TO("/" TOKEN "/") "\r\n"},
        {200, "HEAD " TO("/" TOKEN "/?a=b") "\r\n"},
        {200, "GET /" TOKEN "/ HTTP/1.1\r\nHost: LocalHost:%d\r\nOrigin: http://localhost:%d\r\n\r\n"},
        {403, "GET " TO("/") "\r\n"},
        {403, "GET " TO("/favicon.ico") "\r\n"},
        {403, "GET " TO("/" TOKEN "x/") "\r\n"},
        {403, "GET " TO("/0123456789-abcdef/") "\r\n"},
        {403, "GET " TO("/attribute") "Authorization: Bearer x\r\n\r\n"},
        {403, "GET " TO("//" TOKEN "/") "\r\n"},
        {404, "GET " TO("/" TOKEN) "\r\n"},
        {404, "GET " TO("/" TOKEN "/../etc/passwd") "\r\n"},
        {404, "GET " TO("/" TOKEN "/%%2e%%2e/") "\r\n"},
        {405, "GET " TO("/" TOKEN "/attribute") "\r\n"},
        {405, "GET " TO("/attribute") "Authorization: Bearer " TOKEN "\r\n\r\n"},
        {405, "DELETE " TO("/" TOKEN "/") "\r\n"},
        {405, "OPTIONS " TO("/" TOKEN "/attribute") "\r\n"},
        {411, "POST " TO("/" TOKEN "/attribute") "Content-Type: application/json\r\n\r\n"},
        {411, "POST " TO("/" TOKEN "/attribute") "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {413, "POST " TO("/" TOKEN "/attribute") "Content-Length: 9999999\r\n\r\n"},
        {415, "POST " TO("/" TOKEN "/attribute") "Content-Length: 2\r\n\r\n{}"},
        {415, "POST " TO("/" TOKEN "/attribute") "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"},
        {415,
         "POST " TO("/" TOKEN "/attribute") "Content-Type: application/jsonx\r\nContent-Length: 0\r\n\r\n"},
        {403, "GET /" TOKEN "/ HTTP/1.1\r\nHost: evil.example:%d\r\n\r\n"},
        {403, "GET /" TOKEN "/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"},
        {403, "GET /" TOKEN "/ HTTP/1.1\r\nHost: 127.0.0.1:1%d\r\n\r\n"},
        {403, "GET " TO("/" TOKEN "/") "Origin: http://evil.example\r\n\r\n"},
        {403, "GET " TO("/" TOKEN "/") "Origin: null\r\n\r\n"},
        {403, "GET " TO("/" TOKEN "/") "Origin: https://127.0.0.1:%d\r\n\r\n"},
        {400, "GET /" TOKEN "/ HTTP/1.1\r\n\r\n"},
        {400, "GET http://127.0.0.1/ HTTP/1.1\r\n\r\n"},
        {400, "\x16\x03\x01\x02"}};
#undef TO
    Server s = START("-m", "demo/en-nl");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[600];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int n = snprintf(request, sizeof request, cases[i].request, s.port, s.port);
#pragma GCC diagnostic pop
        int fd = connected(&s);
        send_all(fd, (Str){request, (size_t)n});
        Answer r = *request == 'H' ? (Answer){.head = receive_until(A, fd, "\r\n\r\n").s, .status = 200}
                                   : receive(A, fd);
        close(fd);
        bool safe = strstr(r.head, "\r\nX-Content-Type-Options: nosniff\r\n") &&
                    strstr(r.head, "\r\nContent-Security-Policy: default-src 'none'") &&
                    strstr(r.head, "\r\nReferrer-Policy: no-referrer\r\n") &&
                    strstr(r.head, "\r\nCache-Control: no-store\r\n") && !strstr(r.head, "Access-Control");
        if (r.status != cases[i].status || !safe)
            FAIL("%s: %d, expected %d: %s", request, r.status, cases[i].status, r.head);
        else test_count(1);
        if (r.status != 200) CHECK(str_starts(r.body, STR_LIT("{\"error\": \"")) && !strstr(r.body.s, TOKEN));
    }
    Answer page = exchange(
        &s, str_of(arena_printf(A, "GET /" TOKEN "/ HTTP/1.1\r\nHost: localhost:%d\r\n\r\n", s.port)));
    CHECK_INT(page.status, 200), CHECK_HAS(page.head, "; connect-src 'self'; ");
    CHECK_HAS(page.body.s, "<form id=\"ask\">"),
        CHECK_HAS(page.body.s, "{\"name\":\"demo/en-nl\",\"chat\":false}");
    CHECK_HAS(page.body.s, "{\"name\":\"integrated_gradients\",");
    CHECK_INT(stop(&s, SIGHUP), 129);
}

// ------------------------------------------------------------------------------------------ clients

TEST(serve_keeps_connections)
{
    Server s = START("-m", "demo/en-nl");
    Str one = post(&s, "*/*", SMALL), other = post(&s, "*/*", "{}");
    Run want = RUN("attribute", "-m", "demo/en-nl", "-i", "A dog.", "--json");
    int fd = connected(&s);
    for (int i = 0; i < 20; i++) { // one after the other
        send_all(fd, i % 3 ? one : other);
        Answer r = receive(A, fd);
        CHECK_INT(r.status, i % 3 ? 200 : 400);
        if (i % 3) CHECK_STR(r.body, ((Str){want.out, want.n_out}));
    }
    for (int i = 0; i < 5; i++) send_all(fd, one), send_all(fd, other); // all at once
    for (int i = 0; i < 10; i++) CHECK_INT(receive(A, fd).status, i % 2 ? 400 : 200);
    for (size_t i = 0; i < one.n; i++) send_all(fd, (Str){one.s + i, 1}); // byte by byte
    CHECK_INT(receive(A, fd).status, 200);
    send_all(fd, str_of(arena_printf(
                     A,
                     "POST /attribute HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json"
                     "\r\nAuthorization: Bearer " TOKEN "\r\nExpect: 100-continue\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     s.port, strlen(SMALL))));
    CHECK_INT(receive(A, fd).status, 100);
    send_all(fd, STR_LIT(SMALL));
    CHECK_INT(receive(A, fd).status, 200);
    close(fd);
    Answer r =
        exchange(&s, str_of(arena_printf(A,
                                         "POST /attribute HTTP/1.0\r\nHost: localhost:%d\r\nContent-Type: "
                                         "application/json\r\nAuthorization: Bearer " TOKEN
                                         "\r\nContent-Length: %zu\r\n\r\n" SMALL,
                                         s.port, strlen(SMALL))));
    CHECK_INT(r.status, 200), CHECK_STR(r.body, ((Str){want.out, want.n_out})),
        CHECK_HAS(r.head, "Connection: close");
    CHECK_INT(stop(&s, SIGINT), 130);
}

TEST(serve_many_and_slow_clients)
{
    enum { MANY = 50, SLOW = 13 };
    Server s = START("-m", "demo/en-nl");
    Run want = RUN("attribute", "-m", "demo/en-nl", "-i", "A dog.", "--json");
    Str bytes = post(&s, "*/*", SMALL);
    int fd[MANY], slow[SLOW];
    double since = wall_clock();
    for (int i = 0; i < SLOW; i++) slow[i] = connected(&s), send_all(slow[i], (Str){bytes.s, 30 + (size_t)i});
    for (int i = 0; i < MANY; i++) fd[i] = connected(&s), send_all(fd[i], bytes);
    for (int i = 0; i < MANY; i++) {
        Answer r = receive(A, fd[i]);
        CHECK_INT(r.status, 200), CHECK_STR(r.body, ((Str){want.out, want.n_out}));
    }
    int last = connected(&s), over = connected(&s); // the 64th, and one more
    Answer r = receive(A, over);
    CHECK_INT(r.status, 503), CHECK_HAS(r.body.s, "64 connections");
    send_all(last, bytes);
    CHECK_INT(receive(A, last).status, 200);
    close(over), close(last);
    for (int i = 0; i < MANY; i++) close(fd[i]);
    for (int i = 0; i < SLOW; i++) send_all(slow[i], (Str){bytes.s + 30 + i, bytes.n - 30 - (size_t)i});
    for (int i = 0; i < SLOW; i++) {
        int status = receive(A, slow[i]).status;
        CHECK(status == 200 ||
              (status == 408 && wall_clock() - since > 9)); // a busy machine is too slow for them
        close(slow[i]);
    }
    CHECK_INT(stop(&s, SIGTERM), 143);
}

// Who takes nothing of a large answer holds nobody up, and gets all of it in the end.
TEST(serve_slow_readers)
{
#define TWO(text) text " " text
#define TEN(text) TWO(text) " " TWO(text) " " TWO(text) " " TWO(text) " " TWO(text)
    enum { TEXTS = 8, READERS = 2 };
    Server s = START("-m", "demo/en-nl");
    const char *words[] = {"attribute",
                           "-m",
                           "demo/en-nl",
                           "--json",
                           "-a",
                           "attention",
                           "--attribute_target",
                           "-i",
                           [8 ... 7 + TEXTS] = TEN(TEXT),
                           "-g",
                           [9 + TEXTS... 8 + 2 * TEXTS] = TEN(INTO),
                           NULL};
    Buf json = {.arena = A};
    buf_str(&json, STR_LIT("{\"method\": \"attention\", \"attribute_target\": true"));
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < TEXTS; i++)
            buf_printf(&json, "%s\"%s\"",
                       i   ? ", "
                       : k ? "], \"generated_texts\": ["
                           : ", \"input_texts\": [",
                       k ? TEN(INTO) : TEN(TEXT));
    buf_str(&json, STR_LIT("]}"));
    Run want = run_with(A, &(Setup){0}, words);
    const int few = 64 << 10;
    int fd[READERS];
    for (int i = 0; i < READERS; i++) {
        fd[i] = connected(&s), setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
        send_all(fd[i], post(&s, "*/*", json.s));
    }
    for (int i = 0; i < 3; i++) CHECK_INT(ask(&s, "*/*", SMALL).status, 200);
    for (int i = 0; i < READERS; i++) {
        Answer r = receive(A, fd[i]);
        CHECK_INT(r.status, 200), CHECK(str_eq(r.body, (Str){want.out, want.n_out}));
        close(fd[i]);
    }
    CHECK_INT(stop(&s, SIGINT), 130);
}

// ------------------------------------------------------------------------------------------ processes

#define LONG                                                                                                 \
    "{\"input_text\": \"" TEXT "\", \"method\": \"integrated_gradients\", \"attribution_kwargs\": "          \
    "{\"n_steps\": 100000}}"

// The process that computes for it; 0: none.
static pid_t child_of(Arena *A, const Server *s)
{
    const char *path = arena_printf(A, "/proc/%d/task/%d/children", s->pid, s->pid);
    for (int i = 0; i < 2000; i++) {
        char line[64] = "";
        FILE *f = fopen(path, "r");
        bool any = f && fgets(line, sizeof line, f) && atoi(line) > 0;
        if (f) fclose(f);
        if (any) return atoi(line);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return 0;
}

TEST(serve_outlives_its_processes)
{
    Server s = START("-m", "demo/en-nl");
    static const int ends[] = {SIGKILL, SIGALRM, SIGABRT, SIGTERM}; // none that a shell has its jobs ignore
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int fd = connected(&s);
        send_all(fd, post(&s, "*/*", LONG));
        pid_t child = child_of(A, &s);
        if (!child) FAIL("no process computes");
        else if (i == 0) { // it has nothing open but its three streams, and can open nothing
            nanosleep(&(struct timespec){0, 100000000}, NULL);
            size_t n;
            const char *const *names = dir_names(A, arena_printf(A, "/proc/%d/fd", child), &n);
            for (size_t k = 0; k < n; k++) CHECK(atoi(names[k]) < 3);
            CHECK_HAS(slurp(A, arena_printf(A, "/proc/%d/limits", child), NULL),
                      "Max open files            3 ");
            CHECK_HAS(slurp(A, arena_printf(A, "/proc/%d/status", child), NULL), "NoNewPrivs:\t1");
        }
        if (child) kill(child, ends[i]);
        Answer r = receive(A, fd);
        CHECK(r.status == 500 || r.status == 503), CHECK(str_starts(r.body, STR_LIT("{\"error\": \"")));
        close(fd);
        CHECK_INT(ask(&s, "*/*", SMALL).status, 200);
    }
    int fd = connected(&s); // whoever leaves has nothing computed
    send_all(fd, post(&s, "*/*", LONG));
    pid_t child = child_of(A, &s);
    close(fd);
    CHECK_INT(ask(&s, "*/*", SMALL).status, 200);
    CHECK(child && kill(child, 0) < 0);
    fd = connected(&s); // and where it ends itself, so does what it computes
    send_all(fd, post(&s, "*/*", LONG));
    child = child_of(A, &s);
    CHECK_INT(stop(&s, SIGINT), 130);
    CHECK(child && kill(child, 0) < 0), CHECK_INT(receive(A, fd).status, 0);
    close(fd);
}

// Many requests over many connections, hostile ones among them: all answers alike, and nothing of them is left in the server.
// REQUESTS=N in the environment: so many (tools/serve.sh).
static long number_in(Arena *A, const char *path, const char *key)
{
    const char *text = slurp(A, path, NULL), *at = strstr(text, key);
    return at ? atol(at + strlen(key)) : -1;
}

TEST(serve_leaves_nothing)
{
    enum { MANY = 50 };
    static const char *const hostile[] = {"GET / HTTP/9.9\r\n\r\n",
                                          "\x16\x03\x01",
                                          "POST / HTTP/1.1\r\nContent-Length: 99\r\n",
                                          "GET / HTTP/1.1\r\nHost: evil\r\n\r\n",
                                          "",
                                          "DELETE /"};
    const char *wanted = getenv("REQUESTS");
    const long rounds = (wanted ? atol(wanted) : 300) / MANY;
    Server s = START("-m", "demo/en-nl");
    const char *status = arena_printf(A, "/proc/%d/status", s.pid);
    const Str bytes = post(&s, "*/*", SMALL), first = ask(&s, "*/*", SMALL).body;
    int fd[MANY];
    long before = 0, answered = 0;
    for (int i = 0; i < MANY; i++) fd[i] = connected(&s);
    for (long round = 0; round < rounds; round++) {
        Arena *a = arena_create(A);
        if (round == 4) before = number_in(a, status, "VmRSS:");
        int stranger = connected(&s);
        const char *says = hostile[round % 6];
        send_all(stranger, str_of(says));
        for (int i = 0; i < MANY; i++) send_all(fd[i], bytes);
        for (int i = 0; i < MANY; i++) {
            Answer r = receive(a, fd[i]);
            answered += r.status == 200 && str_eq(r.body, first);
        }
        close(stranger);
        for (int i = 0; i < MANY; i += 7) close(fd[i]), fd[i] = connected(&s);
        arena_free(a);
    }
    CHECK_INT(answered, rounds * MANY);
    for (int i = 0; i < MANY; i++) close(fd[i]);
    CHECK_INT(ask(&s, "*/*", SMALL).status, 200);
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    long after = number_in(A, status, "VmRSS:");
    size_t n, open = 0;
    const char *const *names = dir_names(A, arena_printf(A, "/proc/%d/fd", s.pid), &n);
    for (size_t i = 0; i < n; i++) open += atoi(names[i]) >= 3;
    CHECK_INT(open, 1); // the socket that it listens on
    CHECK(before > 0 && after < before + 1000);
    if (wanted) { // it takes 10 seconds
        double since = wall_clock();
        Answer r = exchange(&s, (Str){bytes.s, bytes.n - 1});
        CHECK_INT(r.status, 408), CHECK(wall_clock() - since > 9 && wall_clock() - since < 12);
    }
    if (wanted) printf("%ld requests answered; memory %ld kB, then %ld kB\n", answered, before, after);
    CHECK_INT(stop(&s, SIGINT), 130);
    CHECK_STR(str_of(slurp(A, s.said, NULL)), STR_LIT("inseq: note: Ctrl-C ends it\n"));
}

TEST(serve_limits_time)
{
    Server s = START("-m", "demo/en-nl", "--time_limit", "1");
    Answer r = ask(&s, "*/*", LONG);
    CHECK_INT(r.status, 503), CHECK_HAS(r.body.s, "longer than 1 seconds");
    CHECK_INT(ask(&s, "*/*", SMALL).status, 200);
    CHECK_INT(stop(&s, SIGINT), 130);
}

// Memory that runs out in a request is that request's error. Whatever comes before it listens is the command's.
TEST(serve_outlives_short_memory)
{
    int started = 0, failed = 0;
    for (int nth = 1, last = 0; nth < 2000 && !last; nth++) {
        Server s = start_with(A, arena_printf(A, "INSEQ_FAULT=alloc:%d", nth),
                              (const char *const[]){"-m", "demo/en-nl", NULL});
        if (!s.port) {
            CHECK_INT(stop(&s, 0), 3);
            nth += nth / 8; // the loading itself is others' to test
            continue;
        }
        Answer r = ask(&s, "*/*", SMALL);
        last = r.status == 200, started++, failed += r.status == 503;
        if (r.status == 503) CHECK_HAS(r.body.s, "out of memory");
        else CHECK_INT(r.status, 200);
        CHECK(ask(&s, "*/*", "{}").status >= 400); // the count goes on from where it was
        CHECK_INT(stop(&s, SIGINT), 130);
    }
    CHECK(failed > 5 && started == failed + 1);
}

TEST(serve_options)
{
    check_refused("no model", RUN("serve"), 2, "which model?");
    check_refused("twice", RUN("serve", "-m", "demo/en-nl", "-m", "demo/en-nl"), 2, "is given twice");
    check_refused("port", RUN("serve", "-m", "demo/en-nl", "--port", "65536"), 2, "--port 65536");
    check_refused("time", RUN("serve", "-m", "demo/en-nl", "--time_limit", "0"), 2, "--time_limit 0");
    check_refused("token", RUN("serve", "-m", "demo/en-nl", "--token", "short"), 2, "--token");
    check_refused("token", RUN("serve", "-m", "demo/en-nl", "--token", "0123456789abcde/"), 2, "--token");
    check_refused("address", RUN("serve", "-m", "demo/en-nl", "--listen", "localhost"), 2, "an IPv4 address");
    check_refused("remote", RUN("serve", "-m", "demo/en-nl", "--listen", "0.0.0.0"), 2, "--allow-remote");
    check_refused("not remote", RUN("serve", "-m", "demo/en-nl", "--allow-remote"), 2, "this machine's own");
    check_refused("a text", RUN("serve", "-m", "demo/en-nl", "-i", "x"), 2, "unknown option -i for serve");
    Server s = START("-m", "demo/en-nl");
    check_refused("taken", RUN("serve", "-m", "demo/en-nl", "--port", arena_printf(A, "%d", s.port)), 1,
                  "cannot listen on 127.0.0.1");
    CHECK_INT(stop(&s, SIGINT), 130);
}
