// SPDX-License-Identifier: Apache-2.0
// t_base.c — what everything stands on: arenas, checked readers, text, and files under every fault.
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t next_random(uint64_t *state) // splitmix64
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

// ------------------------------------------------------------------------------------------- errors

TEST(base_errors)
{
    Err e = {0};
    CHECK(!err_at(&e, "a.bin", 12, "found %d", 3));
    CHECK(!err_set(&e, "second"));
    CHECK(e.set && !strcmp(e.text, "a.bin:+12: found 3")); // the first wins
    CHECK(!err_set(NULL, "nobody listens"));
    char *path = arena_new(A, char, 5001);
    memset(path, 'p', 5000);
    Err long_one = {0};
    err_at(&long_one, path, 1, "%s", path);
    CHECK(strlen(long_one.text) < sizeof long_one.text);
    CHECK_HAS(long_one.text, "p:+1: p"); // place and sentence both show
}

// ------------------------------------------------------------------------------------------- arenas

static bool all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i]) return false;
    return true;
}

// Random sizes, with resets between; everything handed out is written full, so old bytes would show.
TEST(base_arena_zero_and_aligned)
{
    uint64_t state = 1;
    Arena *a = arena_create(A);
    for (int round = 0; round < 30; round++) {
        size_t total = 0;
        uint8_t *last = NULL;
        for (int i = 0; i < 200; i++) {
            size_t n = next_random(&state) % (i % 50 == 7 ? 100000 : 300);
            bool raw = next_random(&state) % 4 == 0;
            uint8_t *p = raw ? arena_new_raw(a, uint8_t, n) : arena_new(a, uint8_t, n);
            CHECK((uintptr_t)p % 64 == 0 && p != last && (raw || all_zero(p, n)));
            memset(p, 0xAB, n);
            total += n, last = p;
        }
        CHECK(arena_used(a) >= total);
        arena_reset(a);
        CHECK_INT(arena_used(a), 0);
    }
}

static char trace[32];
static void leave_mark(void *object)
{
    size_t n = strlen(trace);
    if (n + 1 < sizeof trace) trace[n] = *(const char *)object, trace[n + 1] = 0;
}

TEST(base_arena_children_and_clean_ups)
{
    static const char names[] = "abcdef";
    memset(trace, 0, sizeof trace);
    Arena *root = arena_create(NULL), *x = arena_create(root), *y = arena_create(root),
          *inner = arena_create(x);
    arena_on_free(root, leave_mark, (void *)(uintptr_t)&names[0]);
    arena_on_free(root, leave_mark, (void *)(uintptr_t)&names[1]);
    arena_on_free(inner, leave_mark, (void *)(uintptr_t)&names[2]);
    arena_on_free(y, leave_mark, (void *)(uintptr_t)&names[3]);
    arena_free(x); // and with it inner
    CHECK(!strcmp(trace, "c"));
    arena_reset(root); // and with it y
    CHECK(!strcmp(trace, "cdba"));
    arena_on_free(root, leave_mark, (void *)(uintptr_t)&names[4]);
    arena_free(root);
    CHECK(!strcmp(trace, "cdbae"));
    arena_free(NULL);
}

// What one arena has left in a large block must not be seen by the next that gets it.
TEST(base_arena_large_blocks_again)
{
    enum { LARGE = 5 << 20 };
    Arena *root = arena_create(NULL);
    const char *before = NULL;
    int again = 0;
    for (int round = 0; round < 3; round++) {
        Arena *a = arena_create(root);
        char *p = arena_new(a, char, LARGE);
        int64_t dirty = 0;
        for (int64_t i = 0; i < LARGE; i++) dirty += p[i] != 0;
        CHECK_INT(dirty, 0);
        again += p == before, before = p;
        memset(p, 0xA5, LARGE);
        arena_free(a);
    }
    CHECK_INT(again, 2); // it was the same memory
    arena_free(root);
}

static int64_t mapped_bytes(void) // of this process; -1: this system does not say
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = -1;
    if (f && fscanf(f, "%ld", &pages) != 1) pages = -1;
    if (f) fclose(f);
    return pages < 0 ? -1 : (int64_t)pages * sysconf(_SC_PAGESIZE);
}

// Rounds that each need a little more than the last: what they had is given back.
TEST(base_arena_trim)
{
    enum { ROUNDS = 40, MB = 1 << 20 };
    Arena *a = arena_create(NULL);
    int64_t before = mapped_bytes();
    CHECK(before > 0);
    for (int i = 0; i < ROUNDS; i++) {
        arena_reset(a), arena_trim(a);
        char *p = arena_new_raw(a, char, (10 + i) * MB), *q = arena_new(a, char, 3 * MB);
        p[0] = p[(10 + i) * MB - 1] = 1;
        CHECK_INT(q[0] + q[3 * MB - 1], 0);
        q[0] = 1;
    }
    CHECK(mapped_bytes() - before < 4 * (10 + ROUNDS) * MB); // all together: over 1,100 MB
    arena_trim(a);                                           // what is in use stays
    CHECK_INT(*(char *)arena_new(a, char, 1), 0);
    arena_free(a);
}

static void take_too_much(Arena *A, void *context)
{
    const uint64_t *sizes = context;
    arena_zeroed(A, (size_t)sizes[0], (size_t)sizes[1]);
}

TEST(base_arena_sizes_that_wrap)
{
    uint64_t sizes[][2] = {{SIZE_MAX, 1},
                           {SIZE_MAX / 2, 3},
                           {(uint64_t)1 << 32, (uint64_t)1 << 32},
                           {SIZE_MAX - 1, 64},
                           {SIZE_MAX / 2 + 1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CHECK(test_no_memory(A, take_too_much, sizes[i]));
    uint64_t out = 7;
    CHECK(!mul_ok(UINT64_MAX, 2, &out) && !add_ok(UINT64_MAX, 1, &out));
    CHECK(mul_ok(6, 7, &out) && out == 42);
}

// ------------------------------------------------------------------------------------------- strings

TEST(base_strings)
{
    Str none = {0}, abc = STR_LIT("abc");
    CHECK(str_eq(none, STR_LIT("")) && !str_eq(abc, none) && str_is(abc, "abc") && !str_is(abc, "abd"));
    CHECK(str_starts(abc, STR_LIT("ab")) && str_starts(none, none) && !str_starts(STR_LIT("a"), abc));
    CHECK(str_ends(abc, STR_LIT("bc")) && str_ends(none, none) && !str_ends(STR_LIT("c"), abc));
    CHECK(str_cmp(abc, STR_LIT("abd")) < 0 && str_cmp(abc, STR_LIT("ab")) > 0 && str_cmp(abc, abc) == 0);
    CHECK(str_cmp(STR_LIT("\xFF"), abc) > 0 && str_cmp(none, none) == 0); // bytes, not signed characters
    CHECK(str_copy(A, none).s[0] == 0 && !strcmp(str_zero(A, abc), "abc"));
    CHECK(str_hash(abc, 1) != str_hash(abc, 2) && str_hash(abc, 1) == str_hash(str_copy(A, abc), 1));
    CHECK(str_hash(STR_LIT("12345678\0"), 1) != str_hash(STR_LIT("12345678"), 1));
}

TEST(base_nearest)
{
    static const char *const names[] = {"saliency", "integrated_gradients", "input_x_gradient", "lime"};
    CHECK(!strcmp(str_nearest(STR_LIT("salency"), names, 4), "saliency"));
    CHECK(!strcmp(str_nearest(STR_LIT("integratedgradient"), names, 4), "integrated_gradients"));
    const char *near = str_nearest(STR_LIT("ixg"), names, 4), *other = str_nearest(STR_LIT("IG"), names, 4);
    CHECK(near && !strcmp(near, "input_x_gradient") && other && !strcmp(other, "integrated_gradients"));
    CHECK(!str_nearest(STR_LIT("ix"), names, 4) && !str_nearest(STR_LIT("l"), names, 4));
    CHECK(!str_nearest(STR_LIT("xyz"), names, 4));
    CHECK(!str_nearest(STR_LIT("li"), names, 4)); // two edits away from a word of two letters
    CHECK(!str_nearest((Str){0}, names, 4) && !str_nearest(STR_LIT("lime"), names, 0));
}

// ------------------------------------------------------------------------------------------- buffers

TEST(base_buffer_grows)
{
    Buf b = {.arena = A};
    CHECK_STR(buf_view(&b), STR_LIT(""));
    for (int i = 0; i < 10000; i++) buf_printf(&b, "%d,", i % 10);
    buf_str(&b, buf_view(&b)); // its own bytes, while it moves
    buf_put(&b, NULL, 0);
    CHECK_INT(b.n, 40000);
    CHECK(b.s[b.n] == 0 && !memcmp(b.s, b.s + 20000, 20000) && b.s[39998] == '9');
}

static const char *float_text(Buf *b, float x)
{
    b->n = 0;
    buf_float(b, x);
    return b->s;
}

TEST(base_float_shortest)
{
    Buf b = {.arena = A};
    static const struct {
        float x;
        const char *text;
    } known[] = {{0, "0"},
                 {-0.0f, "-0"},
                 {1, "1"},
                 {0.1f, "0.1"},
                 {-2.5f, "-2.5"},
                 {1e10f, "1e+10"},
                 {FLT_MAX, "3.4028235e+38"},
                 {FLT_MIN, "1.1754944e-38"},
                 {1e-45f, "1e-45"},
                 {16777216, "16777216"},
                 {0.3f, "0.3"},
                 {1.0f / 3, "0.33333334"},
                 {123456, "123456"},
                 {NAN, "NaN"},
                 {INFINITY, "Infinity"},
                 {-INFINITY, "-Infinity"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        CHECK_STR(str_of(float_text(&b, known[i].x)), str_of(known[i].text));

    uint64_t state = 3;
    long bad = 0, too_long = 0;
    for (int i = 0; i < 1000000; i++) {
        uint32_t bits = (uint32_t)next_random(&state);
        float x, back;
        memcpy(&x, &bits, 4);
        if (isnan(x)) continue;
        const char *text = float_text(&b, x);
        back = strtof(text, NULL);
        bad += memcmp(&x, &back, 4) != 0;
        if (i % 16 || isinf(x)) continue;
        char shorter[400]; // one digit less does not read back
        int digits = 0;
        for (const char *c = text; *c && *c != 'e'; c++)
            digits += *c >= '0' && *c <= '9' && (digits || *c > '0');
        snprintf(shorter, sizeof shorter, "%.*g", digits - 1, (double)x);
        too_long += digits > 1 && text[strlen(text) - 1] != '0' && strtof(shorter, NULL) == x;
    }
    test_count(1000000);
    CHECK_INT(bad, 0);
    CHECK_INT(too_long, 0);
}

TEST(base_base64)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (int i = 0; i < 7; i++) { // RFC 4648, section 10
        Buf b = {.arena = A}, c = {.arena = A};
        buf_base64(&b, vectors[i][0], strlen(vectors[i][0]));
        CHECK_STR(buf_view(&b), str_of(vectors[i][1]));
        CHECK(base64_decode(&c, buf_view(&b)));
        CHECK_STR(buf_view(&c), str_of(vectors[i][0]));
    }
    static const char *const malformed[] = {"Z",    "Zg",   "Zg=",          "Zg==Zg==", "Zh==",
                                            "Zm9=", "Z===", "====",         "Zm9v\n",   "Zm9-",
                                            "=m9v", "Zm 9", "Zg==\n\n\n\n", "\xFFg=="};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        Buf b = {.arena = A};
        CHECK(!base64_decode(&b, str_of(malformed[i])));
    }
    CHECK(!base64_decode(&(Buf){.arena = A}, ((Str){"AA\0A", 4})));
    for (int at = 0; at < 8; at++) // every byte in every place: digits only; "Zm9vZm9=" has bits left over
        for (int c = 0; c < 256; c++) {
            char text[9] = "Zm9vZm9v";
            text[at] = (char)c;
            Buf b = {.arena = A};
            buf_str(&b, STR_LIT("kept"));
            bool digit = c && (strchr("+/", c) || (c >= '0' && c <= '9') ||
                               ((c | 32) >= 'a' && (c | 32) <= 'z' && c < 128));
            bool ok = base64_decode(&b, (Str){text, 8});
            if (ok != digit) FAIL("byte %d at %d: %d", c, at, ok);
            if (!ok) CHECK_STR(buf_view(&b), STR_LIT("kept"));
        }
    uint64_t state = 4;
    uint8_t bytes[200];
    for (size_t n = 0; n < sizeof bytes; n++) {
        bytes[n] = (uint8_t)next_random(&state);
        Buf b = {.arena = A}, c = {.arena = A};
        buf_base64(&b, bytes, n);
        CHECK(base64_decode(&c, buf_view(&b)) && str_eq(buf_view(&c), (Str){(char *)bytes, n}));
    }
}

// ------------------------------------------------------------------------------------------- readers

// Each kind of read at each distance from the end: right value, or 0 and bad, and bad sticks.
TEST(base_reader_boundaries)
{
    uint8_t *bytes = malloc(16); // exactly this long, so that a sanitizer sees what is read beyond
    for (int i = 0; i < 16; i++) bytes[i] = (uint8_t)(i + 1);
    for (size_t at = 0; at <= 16; at++)
        for (unsigned size = 1; size <= 8; size *= 2) {
            Reader r = {.p = bytes, .n = 16, .at = at};
            uint64_t want = 0;
            bool fits = size <= 16 - at;
            for (unsigned i = 0; fits && i < size; i++) want |= (uint64_t)bytes[at + i] << 8 * i;
            uint64_t got = size == 1   ? rd_u8(&r)
                           : size == 2 ? rd_u16(&r)
                           : size == 4 ? rd_u32(&r)
                                       : rd_u64(&r);
            CHECK(got == want && r.bad == !fits && rd_left(&r) == (fits ? 16 - at - size : 0));
            if (!fits) CHECK(rd_u8(&r) == 0 && !rd_bytes(&r, 0) && r.bad);
        }
    Reader r = {.p = bytes, .n = 16};
    CHECK(rd_bytes(&r, 16) == bytes && rd_bytes(&r, 0) && !r.bad); // nothing, at the end, is fine
    CHECK(!rd_bytes(&r, 1) && r.bad);
    r = (Reader){.p = bytes, .n = 16, .at = 1};
    CHECK(!rd_bytes(&r, UINT64_MAX) && r.bad);
    Reader empty = {0};
    CHECK(rd_bytes(&empty, 0) && rd_left(&empty) == 0 && rd_u8(&empty) == 0 && empty.bad);
    free(bytes);
}

TEST(base_reader_parts)
{
    const uint8_t bytes[] = {0, 0, 0x80, 0x3F, 9, 8};
    Reader r = {.p = bytes, .n = 6, .path = "x"}, s = rd_sub(&r, 4);
    CHECK(rd_f32(&s) == 1.0f && !s.bad && rd_left(&s) == 0 && rd_left(&r) == 2 && !strcmp(s.path, "x"));
    CHECK(rd_u8(&s) == 0 && s.bad && !r.bad); // a part that ends is no harm to the whole
    Reader t = rd_sub(&r, 3);
    CHECK(t.bad && r.bad && rd_left(&t) == 0);
}

static uint64_t varint(const char *hex_bytes, size_t n, bool *bad, size_t *left)
{
    Reader r = {.p = (const uint8_t *)hex_bytes, .n = n};
    uint64_t x = rd_varint(&r);
    *bad = r.bad, *left = rd_left(&r);
    return x;
}

TEST(base_reader_varint)
{
    bool bad;
    size_t left;
    CHECK(varint("\x00", 1, &bad, &left) == 0 && !bad);
    CHECK(varint("\xAC\x02\x55", 3, &bad, &left) == 300 && !bad && left == 1);
    CHECK(varint("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10, &bad, &left) == UINT64_MAX && !bad);
    CHECK(varint("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10, &bad, &left) == 0 && bad); // 65 bits
    CHECK(varint("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, &bad, &left) == 0 && bad);
    CHECK(varint("\xFF", 1, &bad, &left) == 0 && bad);
    CHECK(varint("", 0, &bad, &left) == 0 && bad);
}

// ------------------------------------------------------------------------------------------- files

// A folder of our own, removed with the arena.
static void remove_folder(void *path)
{
    DIR *d = opendir(path);
    for (const struct dirent *f; d && (f = readdir(d));) unlinkat(dirfd(d), f->d_name, 0);
    if (d) closedir(d);
    rmdir(path);
}

static char *new_folder(Arena *A)
{
    const char *base = getenv("TMPDIR");
    char *path = arena_printf(A, "%s/inseq-test-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(path)) FAIL("no folder %s", path);
    arena_on_free(A, remove_folder, path);
    return path;
}

static int entries(const char *folder)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *f; d && (f = readdir(d));) n += f->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static int open_files(void) { return entries("/proc/self/fd"); }

// The file's bytes without the code under test; *n is -1 if it cannot be opened.
static char *plainly(Arena *A, const char *path, long *n)
{
    char *s = arena_new(A, char, 300001);
    FILE *f = fopen(path, "rb");
    *n = f ? (long)fread(s, 1, 300000, f) : -1;
    if (f) fclose(f);
    return s;
}

static bool holds(Arena *A, const char *path, Str want)
{
    long n;
    const char *s = plainly(A, path, &n);
    return n >= 0 && str_eq((Str){s, (size_t)n}, want);
}

static Str filled(Arena *A, char c, size_t n)
{
    char *s = arena_new(A, char, n + 1);
    memset(s, c, n);
    return (Str){s, n};
}

TEST(base_file_there_and_back)
{
    char *folder = new_folder(A), *path = arena_printf(A, "%s/f", folder);
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 200000};
    int before = open_files();
    Err e = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Str want = filled(A, (char)('a' + i), sizes[i]), got = {0};
        CHECK(file_write(path, want, &e));
        CHECK(file_map(A, path, &got, &e) && str_eq(got, want));
        CHECK(file_read(A, path, sizes[i], &got, &e) && str_eq(got, want) && got.s[got.n] == 0);
        if (sizes[i]) CHECK(!file_read(A, path, sizes[i] - 1, &got, &(Err){0}));
    }
    CHECK(!e.set && entries(folder) == 1 && open_files() == before);
    CHECK(file_exists(path) && !dir_exists(path) && dir_exists(folder) && !file_exists(folder));
    CHECK(!file_exists("/no/such") && !dir_exists("/no/such"));
    Str got = {0};
    CHECK(file_read(A, "/proc/self/status", 1 << 20, &got, &e) && got.n > 100); // size 0 as stat tells it
    CHECK(file_map(A, "/proc/self/status", &got, &e) && got.n > 100);
}

static void check_refused(Arena *A, bool (*run)(Arena *, const char *, Err *), const char *path,
                          const char *part)
{
    Err e = {0};
    CHECK(!run(A, path, &e));
    CHECK_HAS(e.text, part);
}

static bool map_it(Arena *A, const char *path, Err *e) { return file_map(A, path, &(Str){0}, e); }
static bool read_it(Arena *A, const char *path, Err *e) { return file_read(A, path, 10, &(Str){0}, e); }
static bool stream_it(Arena *A, const char *path, Err *e) { return file_stream(A, path, 10, &(Str){0}, e); }
static bool write_it(Arena *A, const char *path, Err *e)
{
    return (void)A, file_write(path, STR_LIT("x"), e);
}

TEST(base_file_errors)
{
    char *folder = new_folder(A), *path = arena_printf(A, "%s/f", folder);
    int before = open_files();
    check_refused(A, map_it, path, "f: cannot open: No such file");
    check_refused(A, map_it, folder, "cannot read: it is a folder");
    check_refused(A, read_it, folder, "cannot read: it is a folder");
    check_refused(A, stream_it, folder, "cannot read: it is a folder");
    check_refused(A, write_it, folder, "cannot write: Is a directory");
    check_refused(A, write_it, arena_printf(A, "%s/no/f", folder), "no/f: ");
    check_refused(A, write_it, "/dev/full", "/dev/full: cannot write: No space left");
    check_refused(A, write_it, arena_printf(A, "%s/%s", folder, filled(A, 'n', 254).s), "ame too long");
    check_refused(A, write_it, filled(A, 'n', 9000).s, "ame too long");
    CHECK(file_write(path, STR_LIT("12345678901"), NULL));
    check_refused(A, read_it, path, "f: 11 bytes, more than the limit of 10");
    check_refused(A, read_it, "/dev/zero", "it is a device");
    check_refused(A, map_it, "/dev/zero", "it is a device");
    check_refused(A, stream_it, "/dev/zero", "longer than 10 bytes");
    const char *pipe_ = arena_printf(A, "%s/pipe", folder), *link = arena_printf(A, "%s/link", folder);
    CHECK(mkfifo(pipe_, 0600) == 0 && symlink("nowhere", link) == 0);
    check_refused(A, read_it, pipe_, "it is a named pipe"); // and is not waited for
    check_refused(A, map_it, pipe_, "it is a named pipe");
    check_refused(A, map_it, link, "a link to a file that is not there");
    unlink(pipe_), unlink(link);
    CHECK(open_files() == before && entries(folder) == 1);
}

TEST(base_file_kinds_of_target)
{
    char *folder = new_folder(A), *path = arena_printf(A, "%s/f", folder),
         *name = arena_printf(A, "%s/l", folder);
    struct stat st;
    CHECK(file_write(path, STR_LIT("old"), NULL) && chmod(path, 0640) == 0 && symlink("f", name) == 0);
    CHECK(file_write(name, STR_LIT("new"), NULL)); // through the link; permissions stay
    CHECK(holds(A, path, STR_LIT("new")) && lstat(name, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    CHECK(file_write("/dev/null", STR_LIT("x"), NULL) && stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    CHECK_INT(entries(folder), 2);
    char *left =
        arena_printf(A, "%s.tmp.%ld", path, (long)getpid()); // from a process of our number, long dead
    FILE *f = fopen(left, "w");
    CHECK(f && fclose(f) == 0 && file_write(path, STR_LIT("newer"), NULL) &&
          holds(A, path, STR_LIT("newer")));
    CHECK_INT(entries(folder), 2);
    char here[4096]; // a name without a folder
    CHECK(getcwd(here, sizeof here) && chdir(folder) == 0);
    CHECK(file_write("g", STR_LIT("here"), NULL) && holds(A, "g", STR_LIT("here")) && chdir(here) == 0);
}

TEST(base_standard_input)
{
    int kept = dup(0), ends[2];
    CHECK(kept >= 0 && pipe(ends) == 0 && out_write(ends[1], filled(A, 'q', 10000)));
    close(ends[1]);
    dup2(ends[0], 0), close(ends[0]);
    Str got = {0};
    Err e = {0};
    CHECK(file_stream(A, "-", 10000, &got, &e) && got.n == 10000 && got.s[9999] == 'q');
    dup2(kept, 0), close(kept);
}

// ------------------------------------------------------------------------------------ files under faults

typedef struct Target {
    Arena *A;
    const char *folder, *path;
    Str old, new;
} Target;

// Old or new, all of it; new if it says so; never another file left, never a descriptor.
static bool write_and_look(Arena *A, void *context, Err *e)
{
    Target *t = context;
    FILE *f = fopen(t->path, "wb");
    if (!f || fwrite(t->old.s, 1, t->old.n, f) != t->old.n || fclose(f)) FAIL("cannot prepare %s", t->path);
    int before = open_files();
    bool ok = file_write(t->path, t->new, e), is_new = holds(A, t->path, t->new);
    if (ok && !is_new) FAIL("said to be written, and it is not");
    if (!is_new && !holds(A, t->path, t->old)) FAIL("neither the old file nor the new one");
    if (entries(t->folder) != 1) FAIL("a temporary file is left");
    if (open_files() != before) FAIL("a descriptor is left open");
    return ok;
}

static Target new_target(Arena *A)
{
    char *folder = new_folder(A);
    return (Target){A, folder, arena_printf(A, "%s/f", folder), filled(A, 'o', 3000), filled(A, 'n', 5000)};
}

TEST(base_write_under_faults)
{
    Target t = new_target(A);
    test_every_fault(A, FAULT_IO, write_and_look, &t);
}

TEST(base_write_of_a_new_file_under_faults) // a failure leaves nothing at all, or all of it
{
    char *folder = new_folder(A), *path = arena_printf(A, "%s/f", folder);
    bool met = true;
    for (long n = 1; met && n < 100; n++) {
        Err e = {0};
        unlink(path);
        fault_arm(FAULT_IO, n, true);
        bool ok = file_write(path, STR_LIT("new"), &e);
        met = fault_count(FAULT_IO) >= n;
        fault_arm(FAULT_IO, 0, false);
        CHECK(ok == !met && e.set == met);
        CHECK(entries(folder) == 0 || (entries(folder) == 1 && holds(A, path, STR_LIT("new"))));
    }
    CHECK(!met);
}

static bool read_target(Arena *A, void *context, Err *e)
{
    const Target *t = context;
    Str a = {0}, b = {0}, c = {0};
    bool ok = file_read(A, t->path, 1 << 20, &a, e) && file_map(A, t->path, &b, e) &&
              file_read(A, "/proc/self/status", 1 << 20, &c, e);
    if (ok && (!str_eq(a, t->new) || !str_eq(b, t->new))) FAIL("read, but not all of it");
    return ok;
}

TEST(base_read_under_faults)
{
    Target t = new_target(A);
    int before = open_files();
    t.new = filled(A, 'n', 70000); // long enough to be mapped, then one that is read
    CHECK(file_write(t.path, t.new, NULL));
    for (int kind = 0; kind < FAULT_KINDS; kind++) test_every_fault(A, (FaultKind)kind, read_target, &t);
    t.new.n = 3000;
    CHECK(file_write(t.path, t.new, NULL));
    for (int kind = 0; kind < FAULT_KINDS; kind++) test_every_fault(A, (FaultKind)kind, read_target, &t);
    CHECK_INT(open_files(), before);
    long n;
    CHECK(!strstr(plainly(A, "/proc/self/maps", &n), t.folder)); // and no mapping is left
}

// Interrupted calls and transfers of one byte are no errors.
TEST(base_short_transfers)
{
    Target t = new_target(A);
    Str got = {0};
    Err e = {0};
    fault_arm(FAULT_SHORT, 1, true);
    CHECK(file_write(t.path, t.new, &e) && holds(A, t.path, t.new));
    CHECK(file_read(A, t.path, t.new.n, &got, &e) && str_eq(got, t.new));
    CHECK(file_map(A, t.path, &got, &e) && str_eq(got, t.new));
    CHECK(!file_read(A, t.path, t.new.n - 1, &got, NULL));
#ifdef FAULTS
    CHECK(fault_count(FAULT_SHORT) >
          4 * (long)t.new.n); // every byte by itself, and an interruption before each
#endif
    fault_arm(FAULT_SHORT, 0, false);
    CHECK(!e.set);
}

// A process that is killed while it writes, again and again: the file is always whole.
TEST(base_killed_while_writing)
{
    Target t = new_target(A);
    uint64_t state = 5;
    CHECK(file_write(t.path, t.old, NULL));
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            for (;;)
                if (!file_write(t.path, t.new, NULL) || !file_write(t.path, t.old, NULL)) _exit(1);
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000 + (long)(next_random(&state) % 2000000)}, NULL);
        kill(child, SIGKILL);
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
        CHECK(holds(A, t.path, t.old) || holds(A, t.path, t.new));
    }
}

// FIPS 180-4's own examples; and parts of any length give what the whole gives.
TEST(base_sha256)
{
    static const char letters[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    Buf million = {.arena = A};
    buf_reserve(&million, 1000000);
    for (int i = 0; i < 1000000; i++) buf_char(&million, 'a');
    const struct {
        Str bytes;
        const char *hash;
    } known[] = {{STR_LIT(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                 {STR_LIT("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
                 {STR_LIT(letters), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
                 {buf_view(&million), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char hex[65];
        sha256_hex(known[i].bytes, hex);
        CHECK_STR(str_of(hex), str_of(known[i].hash));
    }
    for (size_t n = 0; n <= 260; n++)
        for (size_t step = 1; step < 70; step += 7) {
            char whole[65], parts[65];
            Sha256 x;
            sha256_hex((Str){million.s, n}, whole);
            sha256_begin(&x);
            for (size_t at = 0; at < n; at += step)
                sha256_part(&x, (Str){million.s + at, n - at < step ? n - at : step});
            sha256_end_hex(&x, parts);
            if (strcmp(whole, parts)) FAIL("%zu bytes by %zu: %s, whole %s", n, step, parts, whole);
        }
}
