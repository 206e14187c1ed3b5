// SPDX-License-Identifier: Apache-2.0
// serving.c — the connections of `inseq serve`: one loop around poll(), no thread.
//
// A connection reads a request, waits for its turn, has it answered by a process forked for it (answering.c), passes on what
// that writes, and reads the next. All memory is taken before the first connection, so what is sent cannot make the server
// grow. One request is computed at a time; another may begin while the first one's answer waits for a slow reader.
//
//   READING   a head, then a body: READ_LIMIT seconds from the first byte
//   WAITING   for its turn           RUNNING   its process writes, chunks go out as they come
//   WRITING   the rest of an answer; who takes less than WRITE_STEP bytes in WRITE_LIMIT seconds is left
//   LEAVING   the answer is out and says so; what still comes is thrown away, lest it undo the answer
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_CLIENTS = 64, // served; MOST_GUESTS more are told that there are too many
    MOST_GUESTS = 16,
    N_CLIENTS = MOST_CLIENTS + MOST_GUESTS,
    MOST_JOBS = 4, // whose answers wait for readers, and one that is computed
    ROOM_IN = HTTP_HEAD + HTTP_BODY,
    ROOM_OUT = 128 << 10,
    ROOM_SAID = 8 << 10,
    ROOM_HEAD = 4 << 10, // of an answer's head and a sentence
    ROOM_SCRATCH = 512 << 10,
    CHUNK = 10, // "0001f000\r\n"
    READ_LIMIT = 10,
    IDLE_LIMIT = 30,
    WRITE_LIMIT = 30,
    WRITE_STEP = 32 << 10,
    LEAVE_LIMIT = 2,
    MOST_FILES = 1024 // that are open at once, with room to spare
};

typedef enum { FREE, READING, WAITING, RUNNING, WRITING, LEAVING } State;

typedef struct Client {
    State state;
    int fd;
    char *in, *out, *said; // [ROOM_IN], [ROOM_OUT], [ROOM_SAID]
    size_t n_in, from_out, n_out, n_said;
    size_t taken; // of its answer since `moved`,
    double moved; // when it last took enough of it
    HttpRequest request;
    bool headed, leaves; // the head was read; no request follows
    double until;        // what it does now must be done by then
    AnswerForm form;
    uint64_t turn;
    pid_t pid; // of its process, whose standard output and error are read here
    int from_output, from_error;
    bool began, over; // its answer has begun; and has come to its end
} Client;

struct Server {
    const Service *s;
    Client client[N_CLIENTS];
    struct pollfd poll[1 + 3 * N_CLIENTS];
    Client *polled[1 + 3 * N_CLIENTS];
    size_t n_poll;
    uint64_t turns;
    bool resting;   // no connection could be taken: the next one is tried in a second
    Arena *scratch; // for a sentence; emptied after each
};

// ------------------------------------------------------------------------------------------ answers

static size_t room(const Client *c) { return ROOM_OUT - c->n_out; }

static void put(Client *c, Str bytes)
{
    if (bytes.n > room(c)) BUG("an answer of %zu bytes where %zu are left", bytes.n, room(c));
    memcpy(c->out + c->n_out, bytes.s, bytes.n);
    c->n_out += bytes.n;
}

// What was sent makes room for what follows.
static void close_up(Client *c)
{
    memmove(c->out, c->out + c->from_out, c->n_out - c->from_out);
    c->n_out -= c->from_out, c->from_out = 0;
}

static void put_head(Server *s, Client *c, int status, const char *type, int64_t length, const char *more)
{
    Buf b = {.arena = s->scratch};
    const bool page = !strncmp(type, "text/html", 9);
    buf_printf(&b,
               "HTTP/1.1 %d %s\r\nContent-Type: %s; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
               "Referrer-Policy: no-referrer\r\nCache-Control: no-store\r\nX-Frame-Options: DENY\r\n"
               "Cross-Origin-Resource-Policy: same-origin\r\nContent-Security-Policy: ",
               status, http_reason(status), type);
    buf_str(&b, page ? s->s->policy : STR_LIT("default-src 'none'; frame-ancestors 'none'"));
    if (length >= 0) buf_printf(&b, "\r\nContent-Length: %" PRId64, length);
    else if (c->request.chunks) buf_str(&b, STR_LIT("\r\nTransfer-Encoding: chunked"));
    buf_printf(&b, "\r\nConnection: %s\r\n%s\r\n", c->leaves ? "close" : "keep-alive", more);
    put(c, buf_view(&b));
}

static void begin_writing(Client *c) { c->state = WRITING, c->taken = 0, c->moved = wall_clock(); }

static void tell(Server *s, const Client *c, int status)
{
    if (!args_on(s->s->a, "verbose") && !args_on(s->s->a, "very_verbose")) return;
    cmd_say("%.*s: %d", (int)c->request.method.n, c->request.method.s ? c->request.method.s : "", status);
}

static void answer_bytes(Server *s, Client *c, int status, const char *type, Str body, const char *more)
{
    tell(s, c, status);
    close_up(c);
    put_head(s, c, status, type, (int64_t)body.n, more);
    if (!str_is(c->request.method, "HEAD")) put(c, body);
    arena_reset(s->scratch);
    begin_writing(c);
}

// A sentence as {"error": ...}.
static void refuse_with(Server *s, Client *c, int status, Str sentence, const char *more)
{
    Buf b = {.arena = s->scratch};
    buf_str(&b, STR_LIT("{\"error\": ")), buf_json(&b, sentence), buf_str(&b, STR_LIT("}\n"));
    answer_bytes(s, c, status, "application/json", buf_view(&b), more);
}

static void refuse(Server *s, Client *c, int status, const char *sentence)
{
    c->leaves |= status == 400 || status == 411 || !c->headed;
    refuse_with(s, c, status, str_of(sentence), status == 405 ? "Allow: GET, HEAD, POST\r\n" : "");
}

// ------------------------------------------------------------------------------------------ connections

static void shut(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void end_process(Client *c)
{
    shut(&c->from_output), shut(&c->from_error);
    if (c->pid <= 0) return;
    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    c->pid = 0;
}

static void leave(Client *c)
{
    end_process(c);
    shut(&c->fd);
    c->state = FREE;
}

static void read_next(Client *c, size_t from)
{
    memmove(c->in, c->in + from, c->n_in - from);
    c->n_in -= from;
    c->state = READING, c->headed = c->began = c->over = false, c->n_said = 0;
    c->request = (HttpRequest){0};
    c->from_out = c->n_out = 0;
    c->until = wall_clock() + (c->n_in ? READ_LIMIT : IDLE_LIMIT);
}

static void set_up(Server *s, Client *c, int fd, bool guest)
{
    c->fd = fd, c->from_output = c->from_error = -1, c->n_in = 0, c->pid = 0, c->leaves = guest;
    read_next(c, 0);
    c->until = wall_clock() + READ_LIMIT;
    if (guest) refuse(s, c, 503, "64 connections are open, which is the limit; try again");
}

static void take_in(Server *s)
{
    size_t used = 0;
    Client *c = NULL;
    for (size_t i = 0; i < N_CLIENTS; i++)
        if (s->client[i].state != FREE) used++;
        else if (!c) c = &s->client[i];
    int fd = c ? accept4(s->s->listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
    const int yes = 1, most = ROOM_OUT;
    if (fd >= 0) { // a head does not wait for its answer, and the system takes no more of that than we do
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
    }
    if (fd >= 0) set_up(s, c, fd, used >= MOST_CLIENTS);
    s->resting = c && fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
}

// ------------------------------------------------------------------------------------------ requests

// Names by which a browser may reach this machine: others' that lead here are another page's.
static bool is_ours(const Service *s, Str host)
{
    static const char *const names[] = {"127.0.0.1", "localhost"};
    for (int i = 0; i < 2; i++)
        if (http_host(host, names[i], s->port)) return true;
    if (http_host(host, s->address, s->port)) return true;
    if (!s->any_address) return false;
    const char *colon = memrchr(host.s, ':', host.n);
    const size_t n = colon ? (size_t)(colon - host.s) : host.n;
    char name[64];
    if (n >= sizeof name || !n) return false;
    memcpy(name, host.s, n), name[n] = 0;
    return strspn(name, "0123456789.") == n && http_host(host, name, s->port);
}

// "/TOKEN/rest", or "/rest" with "Authorization: Bearer TOKEN".
static bool has_token(const Service *s, const HttpRequest *r, Str *rest)
{
    const Str token = str_of(s->token), bearer = STR_LIT("Bearer ");
    *rest = r->path;
    if (str_starts(r->authorization, bearer))
        return http_same((Str){r->authorization.s + bearer.n, r->authorization.n - bearer.n}, token);
    const char *end = memchr(r->path.s + 1, '/', r->path.n - 1);
    const Str given = {r->path.s + 1, end ? (size_t)(end - r->path.s) - 1 : r->path.n - 1};
    rest->s += 1 + given.n, rest->n -= 1 + given.n;
    return http_same(given, token);
}

static bool same_origin(const HttpRequest *r)
{
    return !r->origin.s || (r->origin.n == r->host.n + 7 && !strncasecmp(r->origin.s, "http://", 7) &&
                            !strncasecmp(r->origin.s + 7, r->host.s, r->host.n));
}

static void want_attributions(Server *s, Client *c)
{
    const HttpRequest *r = &c->request;
    const Str json = STR_LIT("application/json");
    const bool typed = r->type.n >= json.n && !strncasecmp(r->type.s, json.s, json.n) &&
                       (r->type.n == json.n || r->type.s[json.n] == ';' || r->type.s[json.n] == ' ');
    if (!str_is(r->method, "POST")) return refuse(s, c, 405, "attributions are asked for with POST");
    if (!r->has_length) return refuse(s, c, 411, "a body needs a Content-Length");
    if (!typed) return refuse(s, c, 415, "the body must be JSON: Content-Type: application/json");
    c->form = http_accepts(r->accept, "application/x-ndjson") ? ANSWER_LINES
              : http_accepts(r->accept, "text/html")          ? ANSWER_PAGE
                                                              : ANSWER_JSON;
    c->state = WAITING, c->turn = s->turns++;
}

static void take_request(Server *s, Client *c)
{
    const HttpRequest *r = &c->request;
    const Service *o = s->s;
    const bool looks = str_is(r->method, "GET") || str_is(r->method, "HEAD");
    Str rest;
    c->leaves = !r->keep;
    if (!is_ours(o, r->host)) return refuse(s, c, 403, "Host names another server than this");
    if (!same_origin(r)) return refuse(s, c, 403, "another page's requests are refused (Origin)");
    if (!has_token(o, r, &rest))
        return refuse(s, c, 403, "the token is missing or wrong: use the address that 'inseq serve' printed");
    if (str_is(rest, "/attribute")) return want_attributions(s, c);
    if (!str_is(rest, "/"))
        return refuse(s, c, 404, "there are / (the page) and /attribute behind the token");
    if (!looks) return refuse(s, c, 405, "the page is asked for with GET");
    answer_bytes(s, c, 200, "text/html", o->page, "");
}

static void look_at_request(Server *s, Client *c)
{
    if (!c->n_in) return;
    if (!c->headed) {
        HttpState state = http_head((Str){c->in, c->n_in}, &c->request);
        if (state == HTTP_WRONG) return refuse(s, c, c->request.status, c->request.reason);
        if (state == HTTP_MORE) return;
        c->headed = true;
        if (c->request.expects && c->n_in == c->request.head && c->request.body)
            put(c, STR_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (c->n_in >= c->request.head + c->request.body) take_request(s, c);
}

static void receive(Server *s, Client *c)
{
    static char nothing[4096];
    const bool reads = c->state == READING;
    ssize_t got =
        reads ? recv(c->fd, c->in + c->n_in, ROOM_IN - c->n_in, 0) : recv(c->fd, nothing, sizeof nothing, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return leave(c);
    if (!reads) return;
    if (!c->n_in) c->until = wall_clock() + READ_LIMIT;
    c->n_in += (size_t)got;
    look_at_request(s, c);
}

static void finish_answer(Server *s, Client *c)
{
    if (c->leaves) {
        shutdown(c->fd, SHUT_WR);
        c->state = LEAVING, c->until = wall_clock() + LEAVE_LIMIT;
        return;
    }
    read_next(c, c->request.head + c->request.body);
    look_at_request(s, c);
}

static void send_out(Server *s, Client *c)
{
    ssize_t put = send(c->fd, c->out + c->from_out, c->n_out - c->from_out, MSG_NOSIGNAL);
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (put < 0) return leave(c);
    c->from_out += (size_t)put, c->taken += (size_t)put;
    if (c->from_out == c->n_out) c->from_out = c->n_out = 0;
    if (c->taken >= WRITE_STEP || !c->n_out) c->taken = 0, c->moved = wall_clock();
    if (!c->n_out && c->state == WRITING) finish_answer(s, c);
}

// ------------------------------------------------------------------------------------------ processes

_Noreturn static void be_process(const Server *s, const Client *c, const int output[2], const int error[2])
{
    int nothing = open("/dev/null", O_RDONLY);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL), signal(SIGTERM, SIG_DFL), signal(SIGHUP, SIG_DFL);
    sigset_t none;
    sigemptyset(&none), sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(nothing, 0), dup2(output[1], 1), dup2(error[1], 2);
    for (int fd = 3; fd < MOST_FILES; fd++) close(fd);
    serve_answer(s->s, (Str){c->in + c->request.head, c->request.body}, c->form);
}

static void start_process(Server *s, Client *c)
{
    int output[2] = {-1, -1}, error[2] = {-1, -1};
    pid_t pid = -1;
    fflush(stdout), fflush(stderr);
    if (!pipe2(output, O_CLOEXEC) && !pipe2(error, O_CLOEXEC)) pid = fork();
    if (pid == 0) be_process(s, c, output, error);
    shut(&output[1]), shut(&error[1]);
    if (pid < 0) {
        shut(&output[0]), shut(&error[0]);
        return refuse(s, c, 503, "the machine has no room for another process now; try again");
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK), fcntl(error[0], F_SETFL, O_NONBLOCK);
    c->pid = pid, c->from_output = output[0], c->from_error = error[0];
    c->state = RUNNING, c->moved = wall_clock(), c->taken = 0, c->until = c->moved + s->s->time_limit;
}

// Whoever does not take what was computed holds nobody up.
static bool is_blocked(const Client *c) { return room(c) - CHUNK < ROOM_OUT / 4; }

static void start_next(Server *s)
{
    for (;;) {
        Client *next = NULL;
        size_t jobs = 0, computed = 0;
        for (size_t i = 0; i < N_CLIENTS; i++) {
            Client *c = &s->client[i];
            jobs += c->state == RUNNING, computed += c->state == RUNNING && !is_blocked(c);
            if (c->state == WAITING && (!next || c->turn < next->turn)) next = c;
        }
        if (!next || computed || jobs >= MOST_JOBS) return;
        start_process(s, next);
    }
}

static void read_said(Client *c)
{
    char more[1024];
    while (c->from_error >= 0) {
        ssize_t got = read(c->from_error, more, sizeof more);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            if (got == 0) shut(&c->from_error);
            return;
        }
        size_t n = (size_t)got < ROOM_SAID - c->n_said ? (size_t)got : ROOM_SAID - c->n_said;
        memcpy(c->said + c->n_said, more, n), c->n_said += n;
    }
}

// What was said, without the program's name: its errors as one sentence, or all of it as a list.
static Str said_errors(Arena *a, const Client *c)
{
    Buf b = {.arena = a};
    for (Str rest = {c->said, c->n_said}, line; rest.n;) {
        line = str_line(&rest);
        if (str_starts(line, STR_LIT("inseq: note: ")) || !line.n) continue;
        if (str_starts(line, STR_LIT("inseq: "))) line.s += 7, line.n -= 7;
        if (b.n) buf_str(&b, STR_LIT("; "));
        buf_str(&b, line);
    }
    return buf_view(&b);
}

static const char *said_field(Arena *a, const Client *c)
{
    enum { LONGEST = 2048 };
    Buf b = {.arena = a};
    for (Str rest = {c->said, c->n_said}, line; rest.n;) {
        line = str_line(&rest);
        if (str_starts(line, STR_LIT("inseq: "))) line.s += 7, line.n -= 7;
        if (!line.n || b.n + 6 * line.n > LONGEST) continue;
        buf_str(&b, b.n ? STR_LIT(", ") : STR_LIT("Inseq-Messages: [")), buf_json_ascii(&b, line);
    }
    if (b.n) buf_str(&b, STR_LIT("]\r\n"));
    return b.n ? b.s : "";
}

static void begin_answer(Server *s, Client *c)
{
    static const char *const types[] = {"application/json", "application/x-ndjson", "text/html"};
    read_said(c);
    c->leaves |= !c->request.chunks, c->began = true;
    tell(s, c, 200);
    put_head(s, c, 200, types[c->form], -1, said_field(s->scratch, c));
    arena_reset(s->scratch);
}

static void fail_answer(Server *s, Client *c, int status)
{
    Str sentence = said_errors(s->scratch, c);
    if (WIFSIGNALED(status))
        refuse(s, c, 500, "the process that computed this ended by a signal; that is a fault of the program");
    else if (WEXITSTATUS(status) == EXIT_SOME)
        refuse_with(s, c, 503, sentence.n ? sentence : STR_LIT("memory ran out"), "");
    else if (WEXITSTATUS(status) == EXIT_INPUT || WEXITSTATUS(status) == EXIT_USAGE)
        refuse_with(s, c, 400, sentence.n ? sentence : STR_LIT("nothing could be computed"), "");
    else refuse(s, c, 500, "nothing came of it, without a word");
}

// Its output has ended.
static void end_answer(Server *s, Client *c)
{
    int status = 0;
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    c->pid = 0, shut(&c->from_output);
    read_said(c), shut(&c->from_error);
    if (!c->began && WIFEXITED(status) && !WEXITSTATUS(status)) begin_answer(s, c);
    if (!c->began) return fail_answer(s, c, status);
    if (!WIFEXITED(status)) return leave(c); // cut short: without an end
    if (c->request.chunks) put(c, STR_LIT("0\r\n\r\n"));
    begin_writing(c);
}

// A chunk of what its process has written, as large as there is room for.
static void pass_on(Server *s, Client *c)
{
    char line[CHUNK + 1], first[1];
    if (!c->began) { // a byte, to know that an answer begins
        ssize_t got = read(c->from_output, first, 1);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) return end_answer(s, c);
        begin_answer(s, c);
        if (c->request.chunks) put(c, STR_LIT("1\r\n"));
        put(c, (Str){first, 1});
        if (c->request.chunks) put(c, STR_LIT("\r\n"));
    }
    if (!c->n_out) c->moved = wall_clock();
    close_up(c);
    const size_t around = c->request.chunks ? CHUNK : 0, spare = 64; // the last chunk's line stays free
    if (room(c) <= CHUNK + 2 + spare) return;
    char *to = c->out + c->n_out + around;
    ssize_t got = read(c->from_output, to, room(c) - CHUNK - 2 - spare);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end_answer(s, c);
    if (around) {
        snprintf(line, sizeof line, "%08x\r\n", (unsigned)got);
        memcpy(c->out + c->n_out, line, CHUNK);
        memcpy(to + got, "\r\n", 2);
    }
    c->n_out += around + (size_t)got + (around ? 2 : 0);
}

// ------------------------------------------------------------------------------------------ the loop

static void watch(Server *s, Client *c, int fd, short events)
{
    s->poll[s->n_poll] = (struct pollfd){.fd = fd, .events = events};
    s->polled[s->n_poll++] = c;
}

static void watch_client(Server *s, Client *c)
{
    const bool reads = c->state == READING || c->state == LEAVING;
    const int events = (reads ? POLLIN : POLLRDHUP) | (c->n_out ? POLLOUT : 0);
    watch(s, c, c->fd, (short)(c->state == WRITING ? POLLOUT : events));
    if (c->state != RUNNING) return;
    if (!c->began || room(c) + c->from_out > ROOM_OUT / 4) watch(s, c, c->from_output, POLLIN);
    if (c->from_error >= 0) watch(s, c, c->from_error, POLLIN);
}

static void serve_event(Server *s, Client *c, int fd, short events)
{
    if (fd == c->from_output) return pass_on(s, c);
    if (fd == c->from_error) return read_said(c);
    if (fd != c->fd) return; // was closed meanwhile
    if (events & POLLOUT) send_out(s, c);
    if (c->state == FREE || fd != c->fd) return;
    if (events & (POLLERR | POLLNVAL)) return leave(c);
    if (c->state == WAITING || c->state == RUNNING) {
        if (events & (POLLRDHUP | POLLHUP)) leave(c); // gone: nobody wants the answer
    } else if (events & (POLLIN | POLLHUP) && c->state != WRITING) receive(s, c);
}

static void be_late(Server *s, Client *c)
{
    if (c->state == READING && c->n_in) {
        c->headed = false; // whatever it was, it ends here
        return refuse(s, c, 408, "the request did not arrive within 10 seconds");
    }
    if (c->state == RUNNING && !c->began) {
        end_process(c);
        return refuse_with(
            s, c, 503,
            str_of(arena_printf(s->scratch,
                                "this took longer than %.0f seconds, which is the limit (--time_limit)",
                                s->s->time_limit)),
            "");
    }
    leave(c);
}

// By when what it does must be done.
static double due(const Client *c)
{
    const double taken = c->n_out ? c->moved + WRITE_LIMIT : INFINITY;
    return c->state == FREE || c->state == WAITING   ? INFINITY
           : c->state == WRITING                     ? c->moved + WRITE_LIMIT
           : c->state == RUNNING && taken < c->until ? taken
                                                     : c->until;
}

// Milliseconds until the first of them is late; -1: none ever.
static int look_at_clock(Server *s)
{
    double now = wall_clock(), first = s->resting ? now + 1 : INFINITY;
    for (size_t i = 0; i < N_CLIENTS; i++) {
        Client *c = &s->client[i];
        if (now >= due(c)) be_late(s, c);
        if (due(c) < first) first = due(c);
    }
    return first == INFINITY   ? -1
           : first < now       ? 0
           : first > now + 1e6 ? 1000000000
                               : (int)((first - now) * 1000) + 1;
}

// Signals arrive while it waits, and only then.
static bool wait_for_events(Server *s, int milliseconds, const sigset_t *open)
{
    struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    int n = ppoll(s->poll, s->n_poll, milliseconds < 0 ? NULL : &t, open);
    return n > 0;
}

Server *serve_prepare(Arena *a, const Service *service)
{
    Server *s = arena_new(a, Server, 1);
    s->s = service, s->scratch = arena_create(a);
    arena_new(s->scratch, char, ROOM_SCRATCH), arena_reset(s->scratch); // which is kept
    for (size_t i = 0; i < N_CLIENTS;
         i++) { // blocks below a large page, which take no memory before they are used
        Arena *own = arena_create(a);
        s->client[i] = (Client){.fd = -1,
                                .from_output = -1,
                                .from_error = -1,
                                .in = arena_new(own, char, ROOM_IN),
                                .out = arena_new(own, char, ROOM_OUT),
                                .said = arena_new(own, char, ROOM_SAID)};
    }
    return s;
}

static void serve_events(Server *s, const sigset_t *open)
{
    size_t used = 0;
    start_next(s);
    int milliseconds = look_at_clock(s);
    s->n_poll = 0;
    for (size_t i = 0; i < N_CLIENTS; i++)
        if (s->client[i].state != FREE) used++, watch_client(s, &s->client[i]);
    if (used < N_CLIENTS && !s->resting) watch(s, NULL, s->s->listening, POLLIN);
    s->resting = false;
    if (!wait_for_events(s, milliseconds, open)) return;
    for (size_t i = 0; i < s->n_poll; i++) {
        if (!s->poll[i].revents) continue;
        if (!s->polled[i]) take_in(s);
        else serve_event(s, s->polled[i], s->poll[i].fd, s->poll[i].revents);
    }
}

int serve_connections(Server *s)
{
    sigset_t ours, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT), sigaddset(&ours, SIGTERM), sigaddset(&ours, SIGHUP);
    sigprocmask(SIG_BLOCK, &ours, &before);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){MOST_FILES, MOST_FILES}); // may be fewer already
    while (!stop_asked()) serve_events(s, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    for (size_t i = 0; i < N_CLIENTS; i++)
        if (s->client[i].state != FREE) leave(&s->client[i]);
    return 128 + stop_asked();
}
