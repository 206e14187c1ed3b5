// SPDX-License-Identifier: Apache-2.0
// file.c — whole files in, whole files out.
//
// In: a file is mapped read-only, or read at once if it is small or no regular file. Every descriptor and
// mapping hangs on the arena (see Hold) from before it exists, so that running out of memory half-way leaks
// nothing.
//
// Out: write beside, sync, rename, sync the folder; a reader sees the old file or all of the new one, and a
// crash leaves at worst a NAME.tmp.PID. Devices and pipes are written in place.
//
// Descriptors 0 to 2 are always open (files_ready), so that no file of ours gets one of these numbers.
//
// A file that grows (FileLog) is written in place, a call a line; what a failing call wrote of a line is cut off again.
//
// All system calls go through the few wrappers below. They are where interrupted calls are repeated, and
// where builds with -DFAULTS make the n-th call fail (FAULT_IO) or move one byte or be interrupted
// (FAULT_SHORT).
#include "base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAP_FROM = 64 * 1024, FIRST_READ = 4096, MOVE_MOST = 1 << 30 };

// ---------------------------------------------------------------------------------------------- system calls

static bool fails(void)
{
    if (fault_hit(FAULT_IO)) return errno = EIO, true;
    return false;
}

// A transfer that is cut short on purpose: first an interrupted one, then one of a single byte, and so on.
static bool interrupted(size_t *n)
{
    if (*n > MOVE_MOST) *n = MOVE_MOST; // as much as every system takes at once
    if (!fault_hit(FAULT_SHORT)) return false;
    if (fault_count(FAULT_SHORT) % 2) return errno = EINTR, true;
    if (*n > 1) *n = 1;
    return false;
}

static int sys_open(const char *path, int flags, mode_t mode)
{
    if (fails()) return -1;
    int fd;
    do fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static bool sys_stat(int fd, struct stat *st) { return !fails() && fstat(fd, st) == 0; }

static ssize_t sys_read(int fd, void *to, size_t n)
{
    if (fails() || interrupted(&n)) return -1;
    return read(fd, to, n);
}

static ssize_t sys_write(int fd, const void *from, size_t n)
{
    if (fails() || interrupted(&n)) return -1;
    return write(fd, from, n);
}

static bool sys_sync(int fd)
{
    if (fails()) return false;
    int r;
    do r = fsync(fd);
    while (r < 0 && errno == EINTR);
    return r == 0 || errno == EINVAL || errno == ENOTSUP; // this kind of file has nothing to sync
}

// Closed in any case; false if the system had bad news. After EINTR the descriptor is gone on Linux: no
// second try.
static bool sys_close(int fd)
{
    bool ok = close(fd) == 0 || errno == EINTR;
    return !fails() && ok;
}

static void *sys_map(int fd, size_t n)
{
    return fails() ? MAP_FAILED : mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
}

static bool sys_mkdir(const char *path) { return !fails() && mkdir(path, 0777) == 0; }

static bool sys_rename(const char *from, const char *to) { return !fails() && rename(from, to) == 0; }

// True if it makes sense to try again: interrupted, or a terminal or pipe in non-blocking mode that needs
// time.
static bool again(int fd, short wish)
{
    if (errno == EINTR) return true;
    if (errno != EAGAIN) return false;
    struct pollfd p = {.fd = fd, .events = wish};
    return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

// --------------------------------------------------------------------------------------------------- reading

// What must be given back to the system, whatever happens.
typedef struct Hold {
    int fd; // -1: none
    char *map;
    size_t n;
    const char *path;  // of what is mapped
    struct Hold *next; // mapped before
} Hold;

static _Atomic(Hold *) mapped;                  // the latest; for a signal handler, which can ask nobody else
static atomic_flag changing = ATOMIC_FLAG_INIT; // files are opened by several threads

static void join_mapped(Hold *h)
{
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    h->next = mapped, mapped = h;
    atomic_flag_clear(&changing);
}

static void leave_mapped(const Hold *h)
{
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    Hold *p = mapped;
    if (p == h) mapped = h->next;
    while (p && p->next != h) p = p->next;
    if (p) p->next = h->next;
    atomic_flag_clear(&changing);
}

static void let_go(void *object)
{
    Hold *h = object;
    if (h->fd >= 0) close(h->fd);
    leave_mapped(h);
    if (h->map) munmap(h->map, h->n);
    *h = (Hold){.fd = -1};
}

const char *file_mapped_at(const void *address)
{
    for (const Hold *h = mapped; h; h = h->next)
        if ((uintptr_t)address - (uintptr_t)h->map < h->n) return h->path;
    return NULL;
}

static Hold *hold(Arena *a)
{
    Hold *h = arena_new(a, Hold, 1);
    h->fd = -1;
    arena_on_free(a, let_go, h);
    return h;
}

static void done_with_fd(Hold *h)
{
    close(h->fd);
    h->fd = -1;
}

static bool said(Err *e, const char *path, const char *what)
{
    return err_set(e, "%.500s: %s: %s", path, what, strerror(errno));
}

static bool check_kind(const char *path, mode_t mode, bool any, Err *e)
{
    if (S_ISREG(mode) || (any && !S_ISDIR(mode))) return true;
    return err_set(e, "%.500s: cannot read: it is a %s; a file is wanted here", path,
                   S_ISDIR(mode)    ? "folder"
                   : S_ISFIFO(mode) ? "named pipe"
                   : S_ISSOCK(mode) ? "socket"
                                    : "device");
}

// any: pipes and devices too. Others are not even opened, as that alone can wait for ever.
static bool open_to_read(Hold *h, const char *path, bool any, struct stat *st, Err *e)
{
    if (stat(path, st) == 0 && !check_kind(path, st->st_mode, any, e)) return false;
    h->fd = sys_open(path, O_RDONLY | O_NOCTTY | (any ? 0 : O_NONBLOCK), 0);
    struct stat link;
    if (h->fd < 0 && errno == ENOENT && lstat(path, &link) == 0)
        return err_set(e, "%.500s: this is a link to a file that is not there; is the download complete?",
                       path);
    if (h->fd < 0) return said(e, path, "cannot open");
    if (!sys_stat(h->fd, st)) return said(e, path, "cannot ask for its size");
    return check_kind(path, st->st_mode, any, e);
}

// Reads to the end. `expect` is a guess of the size: with a right one there is one allocation.
static bool read_all(Arena *a, int fd, const char *path, size_t limit, size_t expect, Str *out, Err *e)
{
    size_t cap = expect < limit ? expect + 1 : limit, n = 0; // one more, to meet the end without growing
    char *s = arena_new_raw(a, char, cap + 1);
    for (;;) {
        char extra; // when the limit is reached, room for the byte that may not come
        ssize_t got = sys_read(fd, n < cap ? s + n : &extra, n < cap ? cap - n : 1);
        if (got < 0 && again(fd, POLLIN)) continue;
        if (got < 0) return said(e, path, "cannot read");
        if (got == 0) break;
        if (n == limit)
            return err_set(e, "%.500s: longer than %zu bytes, the limit for this file", path, limit);
        n += (size_t)got;
        if (n < cap || cap == limit) continue;
        size_t more = cap < FIRST_READ ? FIRST_READ : cap;
        cap = more < limit - cap ? cap + more : limit;
        char *larger = arena_new_raw(a, char, cap + 1);
        memcpy(larger, s, n);
        s = larger;
    }
    s[n] = 0;
    *out = (Str){s, n};
    return true;
}

// The size as the file system tells it, 0 where it has no meaning.
static uint64_t size_of(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_size > 0 ? (uint64_t)st->st_size : 0;
}

// Files that are made, not stored: the latest first.
typedef struct Put {
    const char *path;
    Str bytes;
    struct Put *next;
} Put;

static Put *made; // under `changing`

static void take_out(void *object)
{
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    for (Put **p = &made; *p; p = &(*p)->next)
        if (*p == object) {
            *p = (*p)->next;
            break;
        }
    atomic_flag_clear(&changing);
}

void file_put(Arena *a, const char *path, Str bytes)
{
    Put *p = arena_new(a, Put, 1);
    *p = (Put){.path = path, .bytes = bytes};
    arena_on_free(a, take_out, p);
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    p->next = made, made = p;
    atomic_flag_clear(&changing);
}

static bool put_there(const char *path, bool folder, Str *out)
{
    const size_t n = strlen(path);
    bool found = false;
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    for (const Put *p = made; p && !found; p = p->next) {
        found = strncmp(p->path, path, n) == 0 && p->path[n] == (folder ? '/' : 0);
        if (found && out) *out = p->bytes;
    }
    atomic_flag_clear(&changing);
    return found;
}

// Whether path is one of the files inside the program, or one that was put, or (folder) the beginning of one up to a slash. out may be NULL.
static bool builtin(const char *path, bool folder, Str *out)
{
    size_t n = strlen(BUILTIN);
    if (put_there(path, folder, out)) return true;
    if (strncmp(path, BUILTIN, n) != 0 || !file_builtins) return false;
    path += n, n = strlen(path);
    for (const BuiltinFile *f = file_builtins; f->path; f++) {
        if (strncmp(f->path, path, n) != 0 || f->path[n] != (folder ? '/' : 0)) continue;
        if (out) *out = (Str){f->from, (size_t)(f->to - f->from)};
        return true;
    }
    return false;
}

struct FileWatch {
    size_t n;
    bool lost;           // more than there is room for
    char paths[1 << 18]; // each with its NUL
};

static FileWatch *watching; // under `changing`, as what it points to

static void end_watch(void *w)
{
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    if (watching == w) watching = NULL;
    atomic_flag_clear(&changing);
}

FileWatch *file_watch_new(Arena *a)
{
    FileWatch *w = arena_new_raw(a, FileWatch, 1);
    w->n = 0, w->lost = false;
    arena_on_free(a, end_watch, w);
    return w;
}

void file_watch(FileWatch *w)
{
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    watching = w;
    atomic_flag_clear(&changing);
}

static bool note_read(const char *path) // true
{
    const size_t n = strlen(path) + 1;
    if (put_there(path, false, NULL)) return true;
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    FileWatch *w = watching;
    if (w && n > sizeof w->paths - w->n) w->lost = true;
    else if (w) memcpy(w->paths + w->n, path, n), w->n += n;
    atomic_flag_clear(&changing);
    return true;
}

void file_forget(const char *path)
{
    while (atomic_flag_test_and_set(&changing)) cpu_pause();
    FileWatch *w = watching;
    for (size_t at = 0, n; w && at < w->n; at += n) {
        n = strlen(w->paths + at) + 1;
        if (strcmp(w->paths + at, path) != 0) continue;
        memmove(w->paths + at, w->paths + at + n, w->n - at - n);
        w->n -= n, n = 0;
    }
    atomic_flag_clear(&changing);
}

static int by_path(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

const char *const *file_watched(Arena *a, const FileWatch *w, size_t *n)
{
    size_t all = 0, kept = 0;
    for (size_t at = 0; at < w->n; at += strlen(w->paths + at) + 1) all++;
    const char **path = arena_new(a, const char *, all + 1);
    for (size_t at = 0, i = 0; i < all; at += strlen(w->paths + at) + 1) path[i++] = w->paths + at;
    qsort(path, all, sizeof *path, by_path);
    for (size_t i = 0; i < all; i++)
        if (!kept || strcmp(path[i], path[kept - 1]) != 0) path[kept++] = str_zero(a, str_of(path[i]));
    *n = kept;
    return w->lost ? NULL : path;
}

// A copy, since what is read is NUL-terminated.
static bool read_builtin(Arena *a, const char *path, size_t limit, Str *out, Err *e)
{
    if (out->n > limit)
        return err_set(e, "%.500s: %zu bytes, more than the limit of %zu for this file", path, out->n, limit);
    *out = str_copy(a, *out);
    return true;
}

static bool read_whole(Arena *a, const char *path, bool any, size_t limit, Str *out, Err *e)
{
    if (limit > SIZE_MAX / 4) limit = SIZE_MAX / 4;
    if (builtin(path, false, out)) return read_builtin(a, path, limit, out, e);
    Hold *h = hold(a);
    struct stat st;
    bool ok = open_to_read(h, path, any, &st, e);
    if (ok && size_of(&st) > limit)
        ok = err_set(e, "%.500s: %" PRIu64 " bytes, more than the limit of %zu for this file", path,
                     size_of(&st), limit);
    ok = ok && read_all(a, h->fd, path, limit, (size_t)size_of(&st), out, e);
    if (h->fd >= 0) done_with_fd(h);
    return ok;
}

bool file_read(Arena *a, const char *path, size_t limit, Str *out, Err *e)
{
    return read_whole(a, path, false, limit, out, e) && note_read(path);
}

bool file_stream(Arena *a, const char *path, size_t limit, Str *out, Err *e)
{
    if (limit > SIZE_MAX / 4) limit = SIZE_MAX / 4;
    if (!strcmp(path, "-")) return read_all(a, 0, "(standard input)", limit, FIRST_READ, out, e);
    return read_whole(a, path, true, limit, out, e);
}

static bool map_or_read(Arena *a, Hold *h, const char *path, Str *out, Err *e)
{
    struct stat st;
    if (!open_to_read(h, path, false, &st, e)) return false;
    uint64_t n = size_of(&st);
    if (n < MAP_FROM) return read_all(a, h->fd, path, SIZE_MAX / 4, (size_t)n, out, e);
    if (n > SIZE_MAX / 4) return err_set(e, "%.500s: %" PRIu64 " bytes do not fit into memory", path, n);
    Buf shown = {.arena = a};
    buf_harmless(&shown, str_of(path), true);
    h->path = shown.s ? shown.s : "";
    void *p = sys_map(h->fd, (size_t)n);
    if (p == MAP_FAILED) return said(e, path, "cannot map");
    h->map = p, h->n = (size_t)n;
    join_mapped(h);
    *out = (Str){p, (size_t)n};
    return true;
}

bool file_map(Arena *a, const char *path, Str *out, Err *e)
{
    if (builtin(path, false, out)) return note_read(path);
    Hold *h = hold(a);
    bool ok = map_or_read(a, h, path, out, e);
    if (h->fd >= 0) done_with_fd(h);
    return ok && note_read(path);
}

bool file_exists(const char *path)
{
    struct stat st;
    return builtin(path, false, NULL) || (stat(path, &st) == 0 && !S_ISDIR(st.st_mode));
}

bool dir_exists(const char *path)
{
    struct stat st;
    return builtin(path, true, NULL) || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

// --------------------------------------------------------------------------------------------------- writing

// Where one of the three was closed, the kernel would give its number to the next file that is opened, and what is meant
// for standard output would go there. Whatever is read from or written to what is opened here fails, so that it is told.
void files_ready(void)
{
    signal(SIGXFSZ, SIG_IGN); // a limit of file sizes is an error of the write, not the end of the program
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
            _exit(3);
}

bool out_write(int fd, Str bytes)
{
    for (size_t at = 0; at < bytes.n;) {
        ssize_t put = sys_write(fd, bytes.s + at, bytes.n - at);
        if (put < 0 && again(fd, POLLOUT)) continue;
        if (put == 0) errno = EIO;
        if (put <= 0) return false;
        at += (size_t)put;
    }
    return true;
}

struct FileOut {
    const char *path; // for messages
    int fd;           // -1: none
    bool replaces;    // a new file that gets the target's name at the end; else written in place
    char target[PATH_MAX], temp[PATH_MAX + 32];
};

static void take_back(void *object)
{
    FileOut *f = object;
    if (f->fd > STDOUT_FILENO) close(f->fd);
    if (f->replaces) unlink(f->temp);
    f->fd = -1, f->replaces = false;
}

// A leftover of the same name can only be from a dead process of the same number: it is removed. O_EXCL then
// makes sure that the file is new and ours.
static bool begin_new(FileOut *f, const struct stat *old, Err *e)
{
    if (!old || !realpath(f->path, f->target)) { // through a symbolic link, the file it names is replaced
        if (strlen(f->path) >= sizeof f->target)
            return errno = ENAMETOOLONG, said(e, f->path, "cannot write");
        strcpy(f->target, f->path);
    }
    snprintf(f->temp, sizeof f->temp, "%s.tmp.%ld", f->target, (long)getpid());
    unlink(f->temp);
    f->fd = sys_open(f->temp, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (f->fd < 0 && errno == ENOENT) {
        char *slash = strrchr(f->target, '/'), *folder = slash == f->target ? "/" : slash ? f->target : ".";
        if (slash && slash != f->target) *slash = 0;
        return err_set(e, "%.400s: %.400s: %s", f->path, folder, strerror(errno));
    }
    if (f->fd < 0) return said(e, f->path, "cannot create a file beside it");
    f->replaces = true;
    if (old && fchmod(f->fd, old->st_mode & 0777)) errno = 0; // the old permissions, where they can be kept
    return true;
}

static bool begin(FileOut *f, const char *path, Err *e)
{
    struct stat old;
    f->path = path, f->fd = -1;
    if (!strcmp(path, "-")) return f->path = "(standard output)", f->fd = STDOUT_FILENO, true;
    bool exists = stat(path, &old) == 0;
    if (exists && S_ISDIR(old.st_mode)) return errno = EISDIR, said(e, path, "cannot write");
    if (!exists || S_ISREG(old.st_mode)) return begin_new(f, exists ? &old : NULL, e);
    f->fd = sys_open(path, O_WRONLY | O_NOCTTY, 0); // /dev/null, a pipe
    return f->fd >= 0 || said(e, path, "cannot open to write");
}

// Makes the rename last. A folder that we may write to but not read cannot be synced; that is no error.
static bool sync_folder(char *path, Err *e)
{
    char *slash = strrchr(path, '/');
    const char *folder = !slash ? "." : slash == path ? "/" : path;
    if (slash && slash != path) *slash = 0;
    int fd = sys_open(folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return errno == EACCES || said(e, folder, "cannot open the folder");
    bool ok = sys_sync(fd) || said(e, folder, "cannot write the folder to disk");
    return (sys_close(fd) || said(e, folder, "cannot finish writing")) && ok;
}

FileOut *file_begin(Arena *a, const char *path, Err *e)
{
    FileOut *f = arena_new(a, FileOut, 1);
    f->fd = -1;
    arena_on_free(a, take_back, f);
    return begin(f, arena_printf(a, "%s", path), e) ? f : NULL;
}

bool file_part(FileOut *f, Str bytes, Err *e)
{
    return out_write(f->fd, bytes) || said(e, f->path, "cannot write");
}

const char *file_begun(const FileOut *f) { return f->replaces ? f->temp : NULL; }

bool file_end(FileOut *f, Err *e)
{
    if (f->fd == STDOUT_FILENO) return true;
    bool ok = !f->replaces || sys_sync(f->fd) || said(e, f->path, "cannot write to disk");
    int fd = f->fd;
    f->fd = -1;
    ok = (sys_close(fd) || said(e, f->path, "cannot finish writing")) && ok;
    if (!ok || !f->replaces) return ok;
    if (!sys_rename(f->temp, f->target))
        return said(e, f->path, "cannot rename the finished file to this name");
    f->replaces = false;
    return sync_folder(f->target, e);
}

struct FolderOut {
    Arena *a;
    const char *path;  // for messages
    char *target;      // without slashes at its end
    const char *temp;  // NULL: nothing is begun
    const char **name; // of its files
    size_t n, room;
};

static void take_folder_back(void *object)
{
    FolderOut *f = object;
    char path[PATH_MAX + 300];
    for (size_t i = 0; f->temp && i < f->n; i++) {
        snprintf(path, sizeof path, "%s/%s", f->temp, f->name[i]);
        unlink(path);
    }
    if (f->temp) rmdir(f->temp);
    f->temp = NULL;
}

// Nothing stands there, or an empty folder, whose place the finished one takes.
static bool check_place(const char *path, Err *e)
{
    struct stat st;
    if (stat(path, &st)) return errno == ENOENT || said(e, path, "cannot write");
    DIR *d = S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    if (!d) return errno = S_ISDIR(st.st_mode) ? errno : ENOTDIR, said(e, path, "cannot write a folder");
    bool empty = true;
    for (struct dirent *x; empty && (x = readdir(d));)
        empty = !strcmp(x->d_name, ".") || !strcmp(x->d_name, "..");
    closedir(d);
    return empty || err_set(e, "%.500s: this folder holds files already; give a new one", path);
}

FolderOut *folder_begin(Arena *a, const char *path, Err *e)
{
    FolderOut *f = arena_new(a, FolderOut, 1);
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    *f = (FolderOut){.a = a, .path = arena_printf(a, "%s", path), .target = str_zero(a, (Str){path, n})};
    const char *temp = arena_printf(a, "%s.tmp.%ld", f->target, (long)getpid());
    arena_on_free(a, take_folder_back, f);
    if (n >= PATH_MAX) return errno = ENAMETOOLONG, said(e, path, "cannot write"), NULL;
    if (!check_place(f->target, e)) return NULL;
    if (!sys_mkdir(temp)) return said(e, path, "cannot make a folder beside it"), NULL;
    f->temp = temp;
    return f;
}

const char *folder_file(FolderOut *f, const char *name)
{
    if (f->n == f->room) {
        const char **more = arena_new(f->a, const char *, f->room = 2 * f->room + 16);
        if (f->n) memcpy(more, f->name, f->n * sizeof *more);
        f->name = more;
    }
    f->name[f->n++] = arena_printf(f->a, "%s", name);
    return arena_printf(f->a, "%s/%s", f->temp, name);
}

bool folder_end(FolderOut *f, Err *e)
{
    if (!sys_rename(f->temp, f->target))
        return said(e, f->path, "cannot rename the finished folder to this name");
    f->temp = NULL;
    return sync_folder(f->target, e);
}

bool file_can_write(const char *path, Err *e)
{
    struct stat old;
    FileOut f = {.path = path, .fd = -1};
    if (!strcmp(path, "-") || (stat(path, &old) == 0 && !S_ISREG(old.st_mode) && !S_ISDIR(old.st_mode)))
        return true; // what a pipe or device will take is not known before
    bool ok = begin(&f, path, e);
    take_back(&f);
    return ok;
}

// The folder by its true name, and the name in it: also of what is not there yet.
static const char *true_path(Arena *a, const char *path)
{
    char whole[PATH_MAX];
    if (realpath(path, whole)) return arena_printf(a, "%s", whole);
    const char *slash = strrchr(path, '/');
    const char *folder = !slash          ? "."
                         : slash == path ? "/"
                                         : arena_printf(a, "%.*s", (int)(slash - path), path);
    return realpath(folder, whole) ? arena_printf(a, "%s/%s", whole, slash ? slash + 1 : path) : path;
}

bool file_same(Arena *a, const char *x, const char *y)
{
    struct stat s, t;
    bool both = stat(x, &s) == 0 && stat(y, &t) == 0;
    if (both && S_ISCHR(s.st_mode)) return false; // /dev/null takes any number of results
    return !strcmp(x, y) || (both && s.st_dev == t.st_dev && s.st_ino == t.st_ino) ||
           !strcmp(true_path(a, x), true_path(a, y));
}

bool file_write(const char *path, Str bytes, Err *e)
{
    FileOut f = {0};
    bool ok = begin(&f, path, e) && file_part(&f, bytes, e) && file_end(&f, e);
    take_back(&f);
    return ok;
}

// ------------------------------------------------------------------------------------- files that grow by lines

struct FileLog {
    const char *path;
    int fd;
    uint64_t n; // whole lines
    double synced;
    bool dirty;
};

static void let_log_go(void *object)
{
    FileLog *f = object;
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
}

FileLog *log_open(Arena *a, const char *path, uint64_t *found, Err *e)
{
    FileLog *f = arena_new(a, FileLog, 1);
    struct stat st;
    *f = (FileLog){.path = arena_printf(a, "%s", path), .fd = -1, .synced = wall_clock()};
    arena_on_free(a, let_log_go, f);
    bool is_new = stat(path, &st) != 0;
    f->fd = sys_open(path, O_RDWR | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK, 0666);
    if (f->fd < 0) return said(e, path, "cannot open to write"), NULL;
    if (!sys_stat(f->fd, &st)) return said(e, path, "cannot ask for its size"), NULL;
    if (!S_ISREG(st.st_mode))
        return err_set(e, "%.500s: rows are added to a file as they are done, and this is none", path), NULL;
    if (flock(f->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return err_set(e, "%.500s: another run is writing it", path), NULL;
    char *folder = arena_printf(a, "%s", path);
    if (is_new && !sync_folder(folder, e)) return NULL;
    *found = f->n = (uint64_t)st.st_size;
    return f;
}

static bool cut_to(const FileLog *f, uint64_t n)
{
    int r;
    if (fails()) return false;
    do r = ftruncate(f->fd, (off_t)n);
    while (r < 0 && errno == EINTR);
    return r == 0;
}

bool log_cut(FileLog *f, uint64_t n, Err *e)
{
    if (!cut_to(f, n)) return said(e, f->path, "cannot cut off what is no whole line");
    return f->n = n, f->dirty = true;
}

bool log_sync(FileLog *f, Err *e)
{
    if (f->dirty && !sys_sync(f->fd)) return said(e, f->path, "cannot write to disk");
    f->dirty = false, f->synced = wall_clock();
    return true;
}

bool log_add(FileLog *f, Str line, Err *e)
{
    if (!out_write(f->fd, line)) {
        said(e, f->path, "cannot write");
        if (!cut_to(f, f->n)) { // then the next run finds a torn line, and cuts it off
        }
        return false;
    }
    f->n += line.n, f->dirty = true;
    return wall_clock() - f->synced < 1 || log_sync(f, e);
}

bool log_end(FileLog *f, Err *e)
{
    bool ok = log_sync(f, e);
    int fd = f->fd;
    f->fd = -1;
    return (sys_close(fd) || said(e, f->path, "cannot finish writing")) && ok;
}

bool file_remove(const char *path, Err *e)
{
    if (!fails() && (unlink(path) == 0 || errno == ENOENT)) return true;
    return said(e, path, "cannot remove");
}

bool file_rename(const char *from, const char *to, Err *e)
{
    char folder[PATH_MAX];
    if (!sys_rename(from, to)) return said(e, from, "cannot rename");
    snprintf(folder, sizeof folder, "%s", to);
    return sync_folder(folder, e);
}

bool file_is_plain(const char *path)
{
    struct stat st;
    return strcmp(path, "-") != 0 && (stat(path, &st) != 0 || S_ISREG(st.st_mode));
}

struct FileLines {
    Arena *a;
    const char *path;
    Hold *h;
    Str packed; // all of a gzip file
    Buf line;   // bytes that were read: the line that was given out is [at, next)
    size_t next;
    uint64_t end;
};

FileLines *lines_open(Arena *a, const char *path, Err *e)
{
    FileLines *f = arena_new(a, FileLines, 1);
    struct stat st;
    char mark[2];
    *f = (FileLines){.a = a, .path = arena_printf(a, "%s", path), .h = hold(a), .line = {.arena = a}};
    if (!open_to_read(f->h, f->path, false, &st, e)) return NULL;
    ssize_t got;
    do got = pread(f->h->fd, mark, 2, 0);
    while (got < 0 && errno == EINTR);
    if (got == 2 && mark[0] == '\x1f' && mark[1] == '\x8b' && !file_map(a, path, &f->packed, e)) return NULL;
    return f;
}

static bool next_member(FileLines *f, Str *line, uint64_t *end)
{
    size_t used;
    f->line.n = 0;
    Str rest = {f->packed.s + f->end, f->packed.n - (size_t)f->end};
    if (!rest.n || !gunzip_member(&f->line, rest, (size_t)1 << 32, &used)) return false;
    *end = f->end += used, *line = buf_view(&f->line);
    return line->n && line->s[line->n - 1] == '\n';
}

bool lines_next(FileLines *f, Str *line, uint64_t *end, Err *e)
{
    enum { BLOCK = 1 << 16 };
    if (f->packed.n) return next_member(f, line, end);
    size_t seen = f->next;
    for (;;) {
        Buf *b = &f->line;
        const char *stop = b->n > seen ? memchr(b->s + seen, '\n', b->n - seen) : NULL;
        if (stop) {
            *line = (Str){b->s + f->next, (size_t)(stop + 1 - b->s) - f->next};
            f->next += line->n, *end = f->end += line->n;
            return true;
        }
        if (f->next) memmove(b->s, b->s + f->next, b->n - f->next), b->n -= f->next, f->next = 0;
        seen = b->n;
        buf_reserve(b, BLOCK);
        ssize_t got = sys_read(f->h->fd, b->s + b->n, BLOCK);
        if (got < 0 && again(f->h->fd, POLLIN)) continue;
        if (got < 0) return said(e, f->path, "cannot read");
        if (!got) return false;
        b->n += (size_t)got;
    }
}

static int by_text(const void *x, const void *y)
{
    const char *const *p = x, *const *q = y;
    return strcmp(*p, *q);
}

const char *const *dir_names(Arena *a, const char *path, size_t *n)
{
    enum { MOST = 100000 };
    size_t room = 64;
    const char **name = arena_new(a, const char *, room);
    DIR *d = opendir(path);
    *n = 0;
    for (struct dirent *x; d && *n < MOST && (x = readdir(d));) {
        if (*n == room) {
            const char **more = arena_new(a, const char *, 2 * room);
            memcpy(more, name, room * sizeof *name);
            name = more, room *= 2;
        }
        name[(*n)++] = str_zero(a, str_of(x->d_name));
    }
    if (d) closedir(d);
    qsort(name, *n, sizeof *name, by_text);
    return name;
}
