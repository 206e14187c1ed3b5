// SPDX-License-Identifier: Apache-2.0
// limits.c — how much of the machine this process may use: processors by its group's quota; memory by what the machine has
// left, by its group's limit and by its own (ulimit -v). Linux promises memory that it does not have and ends programs that
// use it, so what may be used has to be known before.
#include "base.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_PROCESSORS = 1 << 16 };

// A small file of the system as a C string; false if there is none. No arena: nothing here is worth keeping.
static bool read_line_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(fd, to + n, size - 1 - n)) > 0;) n += (size_t)got;
    close(fd);
    to[n] = 0;
    return n > 0;
}

static bool read_group_file(const char *folder, const char *file, char *to, size_t size)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return read_line_file(path, to, size);
}

// ------------------------------------------------------------------------------------------ groups

// What one group allows, v2 or not; 0: there is no limit.
typedef uint64_t Allows(const char *folder, bool v2);

static bool has_controller(const char *list, size_t n, const char *name)
{
    for (size_t i = 0, from = 0; i <= n; i++)
        if (i == n || list[i] == ',') {
            if (i - from == strlen(name) && !memcmp(list + from, name, i - from)) return true;
            from = i + 1;
        }
    return false;
}

// The tightest limit of one group and those above it. In a container the path may not exist; its root then
// does.
static uint64_t least_up_from(const char *mount, const char *path, size_t n, bool v2, Allows *allows)
{
    char folder[1100];
    uint64_t least = 0;
    if (n > 900) n = 900;
    size_t root = (size_t)snprintf(folder, sizeof folder, "%s%.*s", mount, (int)n, path) - n;
    for (;;) {
        uint64_t q = allows(folder, v2);
        if (q && (!least || q < least)) least = q;
        char *slash = strrchr(folder + root, '/');
        if (!slash) return least;
        *slash = 0;
    }
}

// Lines of /proc/self/cgroup are "number:controllers:path"; version 2 has no controllers in it.
static uint64_t group_limit(const char *controller, Allows *allows)
{
    char text[4096], mount[64];
    uint64_t least = 0;
    if (!read_line_file("/proc/self/cgroup", text, sizeof text)) return 0;
    snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controller);
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        const char *a = memchr(line, ':', n), *b = a ? memchr(a + 1, ':', n - (size_t)(a + 1 - line)) : NULL;
        bool v2 = b && b == a + 1;
        if (b && (v2 || has_controller(a + 1, (size_t)(b - a - 1), controller))) {
            uint64_t q =
                least_up_from(v2 ? "/sys/fs/cgroup" : mount, b + 1, n - (size_t)(b + 1 - line), v2, allows);
            if (q && (!least || q < least)) least = q;
        }
        line += n + (line[n] == '\n');
    }
    return least;
}

// ------------------------------------------------------------------------------------------ processors

// Rounded up. Version 2 has "max 100000" or "150000 100000" in one file, version 1 a file each, with -1 for no limit.
static uint64_t processors_of(const char *folder, bool v2)
{
    char text[64], more[64];
    if (!read_group_file(folder, v2 ? "cpu.max" : "cpu.cfs_quota_us", text, sizeof text)) return 0;
    char *end;
    long long quota = strtoll(text, &end, 10);
    if (!v2 && !read_group_file(folder, "cpu.cfs_period_us", end = more, sizeof more)) return 0;
    long long period = strtoll(end, NULL, 10);
    if (quota <= 0 || period <= 0) return 0;
    long long n = quota / period + (quota % period != 0);
    return n < MOST_PROCESSORS ? (uint64_t)n : MOST_PROCESSORS;
}

long limit_processors(void) { return (long)group_limit("cpu", processors_of); }

// ------------------------------------------------------------------------------------------ memory

// The number behind a name in lines such as "MemAvailable:   123 kB" or "inactive_file 456".
static uint64_t number_after(const char *text, const char *name)
{
    for (const char *at = text; (at = strstr(at, name)); at++)
        if (at == text || at[-1] == '\n') return strtoull(at + strlen(name), NULL, 10);
    return 0;
}

// What is left of a group's memory; pages of files that nobody needs would be given back. At least 1: 0 is no limit.
static uint64_t memory_of(const char *folder, bool v2)
{
    char most[64], used[64], stat[8192];
    if (!read_group_file(folder, v2 ? "memory.max" : "memory.limit_in_bytes", most, sizeof most) ||
        !read_group_file(folder, v2 ? "memory.current" : "memory.usage_in_bytes", used, sizeof used))
        return 0;
    char *end;
    uint64_t limit = strtoull(most, &end, 10), in_use = strtoull(used, NULL, 10), files = 0;
    if (end == most || limit >= (uint64_t)1 << 60) return 0; // "max"
    if (read_group_file(folder, "memory.stat", stat, sizeof stat))
        files = number_after(stat, "inactive_file ") + number_after(stat, "active_file ");
    in_use -= files < in_use ? files : in_use;
    return limit > in_use ? limit - in_use : 1;
}

static uint64_t address_space(void)
{
    struct rlimit r;
    char text[128];
    if (getrlimit(RLIMIT_AS, &r) || r.rlim_cur == RLIM_INFINITY ||
        !read_line_file("/proc/self/statm", text, sizeof text))
        return 0;
    uint64_t used = strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    return r.rlim_cur > used ? r.rlim_cur - used : 1;
}

size_t limit_memory(void)
{
    char text[4096];
    uint64_t least = SIZE_MAX, group = group_limit("memory", memory_of), own = address_space();
    if (read_line_file("/proc/meminfo", text, sizeof text))
        least = (number_after(text, "MemAvailable:") + number_after(text, "SwapFree:")) * 1024;
    if (!least) least = SIZE_MAX;
    if (group && group < least) least = group;
    if (own && own < least) least = own;
    return (size_t)least;
}
