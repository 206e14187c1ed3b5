// SPDX-License-Identifier: Apache-2.0
// terminal.c — what a command line asks of its terminal: how wide, how colourful, whether UTF-8; and a progress bar in
// the shape of tqdm's: "desc:  37%|███▋      | 37/100 [00:12<00:21,  2.95it/s]".
#include "base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

// Whether it is time for another one.
static bool due(Bar *b, bool last, double now)
{
    const double passed = now - b->start, shown = b->drawn > 0 ? b->drawn : b->start;
    if (last) return b->at_once || passed >= 0.5;
    if (b->lines) return now - shown >= 60;
    return (b->at_once || passed >= 0.5) && now - b->drawn >= 0.1;
}

// "12/100 [00:30<03:40,  2.50s/it]": time passed and left, and the rate, turned round where it is less than one a second.
static void put_times(const Bar *b, int64_t done, double passed, bool with_rate, Buf *out)
{
    const double count = (double)(done - b->initial), rest = (double)(b->total - done),
                 rate = passed > 0 ? count / passed : 0;
    const bool known = b->all > 0 ? b->work > 0 : rate > 0;
    buf_printf(out, "| %" PRId64 "/%" PRId64 " [", done, b->total);
    put_clock(out, passed), buf_char(out, '<');
    if (!known && done < b->total) buf_char(out, '?');
    else put_clock(out, b->all > 0 ? passed * (b->all / b->work - 1) : rest / rate);
    if (with_rate && !(rate > 0)) buf_str(out, STR_LIT(", ?it/s"));
    else if (with_rate && rate < 1) buf_printf(out, ", %5.2fs/it", 1 / rate);
    else if (with_rate) buf_printf(out, ", %5.2fit/s", rate);
    buf_char(out, ']');
}

bool bar_text(Bar *b, int64_t done, Buf *out)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    enum { LEAST = 8 };
    const double now = wall_clock();
    const bool last = done >= b->total, ended = b->drawn > 0 && b->done >= b->total;
    b->done = done;
    if ((last && ended) || !due(b, last, now)) return false;
    b->drawn = now;
    double share = b->all > 0 ? b->work / b->all : b->total ? (double)done / (double)b->total : 1;
    if (last || share > 1) share = 1;
    Buf head = {.arena = out->arena}, tail = {.arena = out->arena};
    buf_printf(&head, ": %3d%%|", (int)(100 * share + 1e-9));
    int64_t room = 0, title = (int64_t)strlen(b->title);
    for (int rate = 1; rate >= 0; rate--) { // what gives way: the name, then the rate, then the bar
        tail.n = 0, put_times(b, done, now - b->start, rate, &tail);
        room = b->width - 1 - (int64_t)head.n - (int64_t)tail.n;
        if (room >= LEAST - 2) break;
    }
    if (title > room - LEAST) title = room > LEAST ? room - LEAST : 0;
    int64_t cells = title ? room - title : room + 2;
    buf_printf(out, "%s%.*s%s", b->lines ? "" : "\r", (int)title, b->title, head.s + (title ? 0 : 2));
    int64_t eighth = (int64_t)((double)(cells * 8) * share);
    for (int64_t i = 0; i < cells; i++, eighth -= 8)
        buf_str(out, str_of(eighths[eighth > 8 ? 8 : eighth < 0 ? 0 : eighth]));
    buf_str(out, buf_view(&tail));
    if (last || b->lines) buf_char(out, '\n');
    return true;
}
