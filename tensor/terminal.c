// SPDX-License-Identifier: Apache-2.0
// terminal.c — what a command line asks of its terminal: how wide, how colourful, whether UTF-8; and a progress bar in
// the shape of tqdm's: "desc:  37%|███▋      | 37/100 [00:12<00:21,  2.95it/s]".
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

double wall_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int terminal_width(int fd)
{
    const char *columns = getenv("COLUMNS");
    int64_t n;
    struct winsize w;
    if (columns && option_number(columns, false, &n) && n > 0 && n < 10000) return (int)n;
    return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

static bool set(const char *name)
{
    const char *v = getenv(name);
    return v && *v;
}

// no-color.org, and the CLICOLOR_FORCE and FORCE_COLOR that other tools obey.
int terminal_colors(int fd, const char *when)
{
    const char *term = getenv("TERM"), *color = getenv("COLORTERM");
    bool always = when ? !strcmp(when, "always") : set("CLICOLOR_FORCE") || set("FORCE_COLOR");
    if (when && !strcmp(when, "never")) return 0;
    if (!always && (set("NO_COLOR") || !isatty(fd) || (term && !strcmp(term, "dumb")))) return 0;
    if (color && (!strcmp(color, "truecolor") || !strcmp(color, "24bit"))) return 1 << 24;
    return term && strstr(term, "256") ? 256 : 16;
}

bool terminal_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++)
        if (set(names[i])) {
            const char *v = getenv(names[i]);
            return strstr(v, "UTF-8") || strstr(v, "utf8") || strstr(v, "UTF8") || strstr(v, "utf-8");
        }
    return true; // nothing said: a container without a locale still shows UTF-8
}

// ------------------------------------------------------------------------------------------------ the bar

static void put_clock(Buf *out, double s)
{
    long t = s > 0 && s < 1e8 ? (long)s : 0;
    if (t >= 3600) buf_printf(out, "%ld:%02ld:%02ld", t / 3600, t / 60 % 60, t % 60);
    else buf_printf(out, "%02ld:%02ld", t / 60, t % 60);
}

bool bar_text(Bar *b, int64_t done, Buf *out)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    double now = wall_clock(), passed = now - b->start,
           rate = passed > 0 ? (double)(done - b->initial) / passed : 0;
    bool last = done >= b->total, ended = b->drawn > 0 && b->done >= b->total;
    b->done = done;
    if (last && ended) return false;
    if ((!b->at_once && passed < 0.5) || (!last && now - b->drawn < 0.1)) return false;
    b->drawn = now;
    Buf tail = {.arena = out->arena};
    buf_printf(&tail, "| %" PRId64 "/%" PRId64 " [", done, b->total);
    put_clock(&tail, passed), buf_char(&tail, '<');
    put_clock(&tail, rate > 0 ? (double)(b->total - done) / rate : 0);
    buf_printf(&tail, ", %5.2fit/s]", rate);
    enum { LEAST = 8 };
    Buf head = {.arena = out->arena};
    buf_printf(&head, ": %3d%%|", b->total ? (int)(100 * done / b->total) : 100);
    int64_t title = (int64_t)strlen(b->title), room = b->width - 1 - (int64_t)head.n - (int64_t)tail.n;
    if (title > room - LEAST) title = room > LEAST ? room - LEAST : 0; // the name gives way, not the bar
    int64_t cells = room - title < LEAST ? LEAST : room - title;
    buf_printf(out, "\r%.*s%s", (int)title, b->title, head.s + (title ? 0 : 2));
    int64_t eighth = b->total ? cells * 8 * done / b->total : cells * 8;
    for (int64_t i = 0; i < cells; i++, eighth -= 8)
        buf_str(out, str_of(eighths[eighth > 8 ? 8 : eighth < 0 ? 0 : eighth]));
    buf_str(out, buf_view(&tail));
    if (last) buf_char(out, '\n');
    return true;
}
