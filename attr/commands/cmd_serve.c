// SPDX-License-Identifier: Apache-2.0
// cmd_serve.c — models that stay loaded and are asked over HTTP: by a page, or by scripts.
#include "serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

// ------------------------------------------------------------------------------------------ where, and for whom

static bool make_token(Arena *a, const char *given, const char **out, Err *e)
{
    enum { LEAST = 16, MOST = 64, BYTES = 16 };
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    uint8_t random[BYTES];
    Buf b = {.arena = a};
    *out = given;
    if (given && (strlen(given) < LEAST || strlen(given) > MOST || given[strspn(given, known)]))
        return err_usage(e, "--token: it must be 16 to 64 letters, digits, - and _");
    if (given) return true;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return err_set(e, "no random token: %s; give one with --token", strerror(errno));
    for (int i = 0; i < BYTES; i++) buf_printf(&b, "%02x", random[i]);
    return *out = b.s, true;
}

static bool read_options(Args *a, Service *s, struct in_addr *address, Err *e)
{
    const OptionValue *port = args_get(a, "port"), *limit = args_get(a, "time_limit");
    s->address = args_text(a, "listen") ? args_text(a, "listen") : "127.0.0.1";
    s->time_limit = limit->given ? (double)limit->number : 600;
    if (port->given && (port->number < 0 || port->number > 65535))
        return err_usage(e, "--port %" PRId64 ": it must be from 1 to 65535, or 0 for one that is free",
                         port->number);
    if (limit->given && (limit->number < 1 || limit->number > 1000000))
        return err_usage(e, "--time_limit %" PRId64 ": it must be from 1 to 1000000 seconds", limit->number);
    if (inet_pton(AF_INET, s->address, address) != 1)
        return err_usage(e, "--listen %s: it must be an IPv4 address, such as 127.0.0.1", s->address);
    const bool own = ntohl(address->s_addr) >> 24 == 127;
    s->any_address = !address->s_addr;
    if (!own && !args_on(a, "allow_remote"))
        return err_usage(e, "--listen %s lets other machines in: say --allow-remote too if that is meant",
                         s->address);
    if (own && args_on(a, "allow_remote"))
        return err_usage(e, "--allow-remote: %s is this machine's own; --listen 0.0.0.0 listens everywhere",
                         s->address);
    return make_token(a->a, args_text(a, "token"), &s->token, e);
}

static bool listen_on(const Args *a, Service *s, struct in_addr address, Err *e)
{
    const int64_t wanted = args_get(a, "port")->number;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = address, .sin_port = htons((uint16_t)wanted)};
    socklen_t n = sizeof at;
    const int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    s->listening = fd;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) ||
        bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&at, &n))
        return err_set(e, "cannot listen on %s:%" PRId64 ": %s%s", s->address, wanted, strerror(errno),
                       errno == EADDRINUSE ? "; without --port a free one is taken" : "");
    s->port = ntohs(at.sin_port);
    return true;
}

// ------------------------------------------------------------------------------------------ models

static bool load_models(Args *a, Service *s, Err *e)
{
    const OptionValue *names = args_get(a, "model_name_or_path");
    Loaded *l = arena_new(a->a, Loaded, names->n + 1);
    if (!names->n) return err_usage(e, NO_MODEL);
    for (size_t i = 0; i < names->n && !stop_asked(); i++) {
        ChatTemplate *chat = arena_new(a->a, ChatTemplate, 1);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(names->list[k], names->list[i]))
                return err_usage(e, "-m %s is given twice", names->list[i]);
        if (!args_load(a, names->list[i], &l[i], e)) return false;
        if (!l[i].info->encoder_decoder && tok_chat_template(a->a, l[i].info->folder, chat, NULL))
            l[i].chat = chat;
    }
    s->model = l, s->n_models = names->n;
    return true;
}

static bool make_page(Args *a, Service *s, Err *e)
{
    AskModel *model = arena_new(a->a, AskModel, s->n_models);
    Buf page = {.arena = a->a}, policy = {.arena = a->a};
    for (size_t i = 0; i < s->n_models; i++)
        model[i] = (AskModel){s->model[i].name, s->model[i].chat != NULL};
    attr_ask_page(a->a, model, s->n_models, &page, &policy);
    s->page = buf_view(&page), s->policy = buf_view(&policy);
    return page.n <= SERVE_PAGE || err_usage(e, "the models' names fill more than a page");
}

static int run(Args *a)
{
    Err e = {0};
    Service s = {.a = a};
    struct in_addr address;
    if (!read_options(a, &s, &address, &e)) return cmd_fail(&e, EXIT_USAGE);
    if (!args_start_machine(a, &e)) return cmd_fail(&e, EXIT_INPUT);
    a->catch_interrupts();
    if (!load_models(a, &s, &e)) return cmd_fail(&e, EXIT_INPUT);
    s.threads = pool_threads();
    pool_stop(); // threads do not go along where a process is forked
    if (stop_asked()) return cmd_interrupted(false);
    if (!make_page(a, &s, &e)) return cmd_fail(&e, EXIT_USAGE);
    Server *server = serve_prepare(a->a, &s);
    if (!listen_on(a, &s, address, &e)) return cmd_fail(&e, EXIT_INPUT);
    if (args_on(a, "allow_remote"))
        cmd_say("note: listening on %s, and not only for this machine: whoever reaches it and has the token "
                "may use it, and what is sent is not encrypted",
                s.address);
    cmd_note(a, "Ctrl-C ends it");
    int printed = cmd_print(str_of(
        arena_printf(a->a, "http://%s:%d/%s/\n", s.any_address ? "127.0.0.1" : s.address, s.port, s.token)));
    if (printed) return printed;
    int code = serve_connections(server);
    close(s.listening);
    return code;
}

const Command command_serve = {
    .name = "serve",
    .options = SERVE,
    .run = run,
    .usage = "-m MODEL [-m MODEL ...] [options]",
    .summary = "a page to type texts into, and JSON for scripts",
    .example = "-m demo/en-nl",
};
