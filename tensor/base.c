// SPDX-License-Identifier: Apache-2.0
// base.c — errors, arenas, strings, buffers, checked readers: the parts of base.h without a file of their own.
//
// An arena is a list of blocks; allocation moves a mark. Reset keeps the blocks, so a tape that is used again and
// again soon stops asking the system for memory. free() is called in this file only.
#include "base.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

// ---------------------------------------------------------------------------------------------------- errors

static bool fill(Err *e, const char *where, const char *format, va_list args)
{
    if (!e || e->set) return false;
    e->set = true;
    int n = snprintf(e->text, sizeof e->text, "%s", where);
    if (n < 0 || (size_t)n >= sizeof e->text) return false;
    vsnprintf(e->text + n, sizeof e->text - (size_t)n, format, args);
    return false;
}

bool err_set(Err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(e, "", format, args);
    va_end(args);
    return false;
}

bool err_usage(Err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (e && !e->set) e->usage = true;
    fill(e, "", format, args);
    va_end(args);
    return false;
}

bool err_at(Err *e, const char *path, uint64_t offset, const char *format, ...)
{
    char where[600];
    snprintf(where, sizeof where, "%.560s:+%" PRIu64 ": ", path ? path : "(input)", offset);
    va_list args;
    va_start(args, format);
    fill(e, where, format, args);
    va_end(args);
    return false;
}

void bug_at(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "inseq: internal error at %s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

// ---------------------------------------------------------------------------------------------------- faults

#ifdef FAULTS
static struct {
    long nth;
    _Atomic long seen; // workers may allocate too, from arenas of their own
    bool persistent;
} faults[FAULT_KINDS];
static bool faults_kill; // the program, instead of failing a call

void fault_arm(FaultKind kind, long nth, bool persistent)
{
    faults[kind].nth = nth;
    faults[kind].seen = 0;
    faults[kind].persistent = persistent;
}

long fault_count(FaultKind kind) { return faults[kind].seen; }

bool fault_hit(FaultKind kind)
{
    long seen = ++faults[kind].seen, nth = faults[kind].nth;
    bool hit = nth > 0 && (faults[kind].persistent ? seen >= nth : seen == nth);
    if (hit && faults_kill) raise(SIGKILL);
    return hit;
}

void fault_arm_from_env(void)
{
    static const char *const names[FAULT_KINDS] = {"alloc:", "io:", "short:"};
    const char *text = getenv("INSEQ_FAULT");
    if (text && !strncmp(text, "kill:", 5))
        faults_kill = true, fault_arm(FAULT_IO, strtol(text + 5, NULL, 10), false);
    for (FaultKind k = 0; text && k < FAULT_KINDS; k++) {
        size_t n = strlen(names[k]);
        if (!strncmp(text, names[k], n))
            fault_arm(k, strtol(text + n, NULL, 10), text[strlen(text) - 1] == '+');
    }
}
#else
void fault_arm_from_env(void) {}
void fault_arm(FaultKind kind, long nth, bool persistent) { (void)kind, (void)nth, (void)persistent; }
long fault_count(FaultKind kind) { return (void)kind, 0; }
bool fault_hit(FaultKind kind) { return (void)kind, false; }
#endif

// ---------------------------------------------------------------------------------------------------- arenas

enum { ALIGN = 64, FIRST_BLOCK = 16 << 10, LARGEST_STEP = 8 << 20, COUNTED = 4 << 20 };

typedef struct Block {
    struct Block *next;
    size_t cap, used; // bytes after the header
    size_t mapped;    // bytes of a block mapped by itself; 0: from calloc
    size_t dirty;     // bytes that may hold something: beyond it the block is still zero as it came
    bool touched;     // something was taken from it since arena_trim
} Block;

typedef struct Clean {
    struct Clean *next;
    void (*run)(void *);
    void *object;
} Clean;

struct Arena {
    Arena *parent, *child, *next, **link; // link: the pointer that points here
    Block *first, *now;
    Block *
        spare; // of an arena without a parent: large blocks that arenas below it have freed, for the next of them
    Clean *clean;
    size_t used, step;
    bool only_counts;
};

static void (*on_no_memory)(size_t wanted);

void base_on_no_memory(void (*handler)(size_t wanted)) { on_no_memory = handler; }

static _Noreturn void no_memory(size_t wanted)
{
    if (on_no_memory) on_no_memory(wanted);
    fprintf(stderr, "inseq: out of memory (%zu bytes wanted)\n", wanted);
    exit(3);
}

// Large blocks are mapped by themselves and ask for large pages: a pass over fresh memory otherwise spends a tenth of its
// time on page faults (tools/SPEED.md). The mapping is 2 MB longer, so that it can begin at a large page.
// For the same reason they are kept for the next arena, until none of them fits.
enum { LARGE_PAGE = 2 << 20 };

static atomic_size_t held; // of the system
static size_t bound;

void arena_bound(size_t bytes) { bound = bytes; }

size_t arena_left(void)
{
    size_t now = atomic_load(&held);
    return !bound ? SIZE_MAX : now < bound ? bound - now : 0;
}

static void hold_more(size_t bytes)
{
    if (arena_left() < bytes) no_memory(bytes);
    atomic_fetch_add(&held, bytes);
}

static void unmap(Block *b)
{
    for (Block *next; b; b = next) {
        next = b->next;
        atomic_fetch_sub(&held, b->mapped);
        munmap(b, b->mapped);
    }
}

static Arena *root_of(Arena *a)
{
    while (a->parent) a = a->parent;
    return a;
}

// The smallest spare block of at least this size, and at most twice it.
static Block *spare_block(Arena *root, size_t bytes)
{
    Block **best = NULL;
    for (Block **s = &root->spare; *s; s = &(*s)->next)
        if ((*s)->mapped >= bytes && (*s)->mapped <= 2 * bytes && (!best || (*s)->mapped < (*best)->mapped))
            best = s;
    if (!best) {
        unmap(root->spare);
        root->spare = NULL;
        return NULL;
    }
    Block *b = *best;
    *best = b->next;
    *b = (Block){.mapped = b->mapped, .dirty = b->mapped};
    return b;
}

static Block *map_block(Arena *a, size_t bytes)
{
    const size_t page = LARGE_PAGE, mapped = (bytes + page - 1) & ~(page - 1);
    if (fault_hit(FAULT_ALLOC)) no_memory(bytes);
    Block *b = spare_block(root_of(a), mapped);
    if (b) return b;
    hold_more(mapped);
    char *p = mmap(NULL, mapped + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) atomic_fetch_sub(&held, mapped), no_memory(bytes);
    size_t before = (size_t)(-(uintptr_t)p & (page - 1));
    if (before) munmap(p, before);
    if (before < page) munmap(p + before + mapped, page - before);
    b = (Block *)(void *)(p + before);
    madvise(b, mapped, MADV_HUGEPAGE);
    b->mapped = mapped;
    return b;
}

static void *get(size_t bytes)
{
    void *p = fault_hit(FAULT_ALLOC) ? NULL : calloc(1, bytes);
    if (!p) no_memory(bytes);
    return p;
}

Arena *arena_create(Arena *parent)
{
    Arena *a = get(sizeof *a);
    a->step = FIRST_BLOCK;
    if (parent) {
        a->parent = parent;
        a->next = parent->child;
        a->link = &parent->child;
        if (a->next) a->next->link = &a->next;
        parent->child = a;
    }
    return a;
}

static char *payload(Block *b)
{
    return (char *)(((uintptr_t)(b + 1) + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
}

static void run_cleans(Arena *a)
{
    while (a->clean) { // unlink first: the list lives in the arena's own blocks
        Clean *c = a->clean;
        a->clean = c->next;
        c->run(c->object);
    }
}

void arena_free(Arena *a)
{
    if (!a) return;
    while (a->child) arena_free(a->child);
    run_cleans(a);
    for (Block *b = a->first, *next; b; b = next) {
        next = b->next;
        Arena *root = root_of(a);
        if (!b->mapped) free(b);
        else b->next = root->spare, root->spare = b;
    }
    if (!a->parent) unmap(a->spare);
    if (a->link) *a->link = a->next;
    if (a->next) a->next->link = a->link;
    free(a);
}

void arena_reset(Arena *a)
{
    while (a->child) arena_free(a->child);
    run_cleans(a);
    for (Block *b = a->first; b; b = b->next) b->used = 0;
    a->now = a->first;
    a->used = 0;
}

void arena_trim(Arena *a)
{
    for (Block **link = &a->first, *b; (b = *link);) {
        if (b->mapped && !b->touched && !b->used) *link = b->next, b->next = NULL, unmap(b);
        else b->touched = false, link = &b->next;
    }
    a->now = a->first;
}

void arena_only_count(Arena *a, bool on) { a->only_counts = on; }
size_t arena_used(const Arena *a) { return a->used; }

static Block *block_with(Arena *a, size_t bytes)
{
    for (Block *b = a->now; b; b = b->next)
        if (b->cap - b->used >= bytes) return a->now = b;
    size_t cap = bytes > a->step ? bytes : a->step;
    if (a->step < LARGEST_STEP) a->step *= 2;
    bool large = cap >= LARGE_PAGE;
    Block *b = large ? map_block(a, sizeof(Block) + ALIGN + cap) : get(sizeof(Block) + ALIGN + cap);
    b->cap = cap;
    Block **end = &a->first;
    while (*end) end = &(*end)->next;
    *end = b;
    return a->now = b;
}

static void *take(Arena *a, size_t count, size_t size, bool zero)
{
    uint64_t bytes;
    if (!mul_ok(count, size, &bytes) || bytes > SIZE_MAX / 2) no_memory(SIZE_MAX);
    bytes = (bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
    if (!bytes) bytes = ALIGN;
    static char nothing[ALIGN] __attribute__((aligned(64)));
    if (a->only_counts && !zero && bytes >= COUNTED) return a->used += bytes, nothing;
    Block *b = a->now && a->now->cap - a->now->used >= bytes ? a->now : block_with(a, bytes);
    char *p = payload(b) + b->used;
    if (zero && b->dirty > b->used) {
        size_t old = b->dirty - b->used;
        memset(p, 0, old < bytes ? old : bytes);
    }
    b->used += bytes, b->touched = true;
    if (b->dirty < b->used) b->dirty = b->used;
    a->used += bytes;
    return p;
}

void *arena_zeroed(Arena *a, size_t count, size_t size) { return take(a, count, size, true); }
void *arena_raw(Arena *a, size_t count, size_t size) { return take(a, count, size, false); }

void arena_on_free(Arena *a, void (*clean)(void *), void *object)
{
    Clean *c = arena_new(a, Clean, 1);
    *c = (Clean){.next = a->clean, .run = clean, .object = object};
    a->clean = c;
}

char *arena_printf(Arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) BUG("bad format '%s'", format);
    char *s = arena_new(a, char, n + 1);
    vsnprintf(s, (size_t)n + 1, format, again);
    va_end(again);
    return s;
}

// ---------------------------------------------------------------------------------------------------- strings

Str str_of(const char *s) { return (Str){s, strlen(s)}; }
bool str_eq(Str a, Str b) { return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0); }
bool str_is(Str a, const char *b) { return str_eq(a, str_of(b)); }
bool str_starts(Str a, Str p) { return a.n >= p.n && str_eq((Str){a.s, p.n}, p); }
bool str_ends(Str a, Str p) { return !p.n || (a.n >= p.n && str_eq((Str){a.s + (a.n - p.n), p.n}, p)); }

Str str_copy(Arena *a, Str s)
{
    char *p = arena_new(a, char, s.n + 1);
    if (s.n) memcpy(p, s.s, s.n);
    return (Str){p, s.n};
}

char *str_zero(Arena *a, Str s)
{
    char *p = arena_new(a, char, s.n + 1);
    if (s.n) memcpy(p, s.s, s.n);
    return p;
}

int str_cmp(Str a, Str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.s, b.s, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

// FNV-1a by eight bytes at a time, with a final mix; the seed keeps files from choosing collisions.
uint64_t str_hash(Str s, uint64_t seed)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t w;
        memcpy(&w, s.s + i, 8);
        h = (h ^ w) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    for (; i < s.n; i++) h = (h ^ (uint8_t)s.s[i]) * 0x100000001b3u;
    h ^= s.n;
    h ^= h >> 33, h *= 0xff51afd7ed558ccdu, h ^= h >> 33;
    return h;
}

bool str_blank(Str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.s[i] != ' ' && s.s[i] != '\t' && s.s[i] != '\r' && s.s[i] != '\n') return false;
    return true;
}

size_t str_distance(Str a, Str b, size_t otherwise)
{
    size_t m = b.n, row[64];
    if (m >= 64 || a.n >= 64) return otherwise;
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t up = row[j], best = corner + (a.s[i - 1] != b.s[j - 1]);
            if (up + 1 < best) best = up + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            corner = up;
        }
    }
    return row[m];
}

// Whether short has the first letters of name's words: "ig" or "IG" and integrated_gradients.
static bool initials(Str wrong, const char *name)
{
    size_t k = 0;
    for (const char *c = name; *c; c++) {
        if (c > name && c[-1] != '_') continue;
        if (k == wrong.n || (wrong.s[k] | 0x20) != *c) return false;
        k++;
    }
    return k > 1 && k == wrong.n;
}

const char *str_nearest(Str wrong, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t least = 3;
    for (size_t i = 0; i < n; i++) {
        size_t d = str_distance(wrong, str_of(names[i]), 3);
        if (d < least && 2 * d < wrong.n) least = d, best = names[i];
    }
    for (size_t i = 0; i < n && !best; i++)
        if (initials(wrong, names[i])) best = names[i];
    return best;
}

// ---------------------------------------------------------------------------------------------------- buffers

static char *room(Buf *b, size_t more)
{
    if (more > SIZE_MAX / 4 || b->n > SIZE_MAX / 4) no_memory(SIZE_MAX);
    if (b->n + more + 1 > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < b->n + more + 1) cap *= 2;
        char *s = arena_new_raw(b->arena, char, cap);
        if (b->n) memcpy(s, b->s, b->n);
        b->s = s, b->cap = cap;
    }
    return b->s + b->n;
}

void buf_reserve(Buf *b, size_t n)
{
    if (n > SIZE_MAX / 4 || b->n > SIZE_MAX / 4) no_memory(SIZE_MAX);
    if (b->n + n + 1 <= b->cap) return;
    char *s = arena_new_raw(b->arena, char, b->n + n + 1);
    if (b->n) memcpy(s, b->s, b->n);
    s[b->n] = 0;
    b->s = s, b->cap = b->n + n + 1;
}

void buf_put(Buf *b, const void *bytes, size_t n)
{
    char *p = room(b, n);
    if (n) memcpy(p, bytes, n);
    b->n += n;
    b->s[b->n] = 0;
}

void buf_str(Buf *b, Str s) { buf_put(b, s.s, s.n); }
void buf_char(Buf *b, char c) { buf_put(b, &c, 1); }

void buf_printf(Buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) BUG("bad format '%s'", format);
    vsnprintf(room(b, (size_t)n), (size_t)n + 1, format, again);
    va_end(again);
    b->n += (size_t)n;
}

void buf_float(Buf *b, float x)
{
    if (isnan(x)) buf_str(b, STR_LIT("NaN"));
    else if (isinf(x)) buf_str(b, x < 0 ? STR_LIT("-Infinity") : STR_LIT("Infinity"));
    else {
        // Nine digits always suffice. A normal number that six or fewer name is what six digits print, with
        // the zeros at the end left out by %g; so shorter ones are tried for subnormals only.
        char text[40];
        for (int digits = fabsf(x) < FLT_MIN ? 1 : FLT_DIG; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, (double)x);
            if (strtof(text, NULL) == x) break;
        }
        buf_str(b, str_of(text));
    }
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buf_base64(Buf *b, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t w = (uint32_t)p[i] << 16;
        if (i + 1 < n) w |= (uint32_t)p[i + 1] << 8;
        if (i + 2 < n) w |= p[i + 2];
        char four[4] = {base64_digits[w >> 18], base64_digits[w >> 12 & 63],
                        i + 1 < n ? base64_digits[w >> 6 & 63] : '=',
                        i + 2 < n ? base64_digits[w & 63] : '='};
        buf_put(b, four, 4);
    }
}

bool base64_decode(Buf *b, Str text)
{
    uint8_t value[256]; // of each digit; what is none has bits that no digit has
    memset(value, 0xFF, sizeof value);
    for (uint8_t i = 0; i < 64; i++) value[(uint8_t)base64_digits[i]] = i;
    if (text.n % 4) return false;
    char *out = room(b, text.n / 4 * 3);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i += 4) {
        const uint8_t *p = (const uint8_t *)text.s + i;
        bool last = i + 4 == text.n;
        int pad = last && p[3] == '=' ? 1 + (p[2] == '=') : 0;
        uint8_t c = pad > 1 ? 0 : value[p[2]], d = pad ? 0 : value[p[3]];
        if ((value[p[0]] | value[p[1]] | c | d) > 63) return false;
        uint32_t w = (uint32_t)value[p[0]] << 18 | (uint32_t)value[p[1]] << 12 | (uint32_t)c << 6 | d;
        if ((pad == 1 && w & 0xFF) || (pad == 2 && w & 0xFFFF)) return false; // bits that encode nothing
        out[n++] = (char)(w >> 16);
        if (pad < 2) out[n++] = (char)(w >> 8);
        if (!pad) out[n++] = (char)w;
    }
    b->n += n;
    b->s[b->n] = 0;
    return true;
}

// ---------------------------------------------------------------------------------------------------- readers

size_t rd_left(const Reader *r) { return r->bad ? 0 : r->n - r->at; }

const uint8_t *rd_bytes(Reader *r, uint64_t n)
{
    if (r->bad || n > r->n - r->at) {
        r->bad = true;
        return NULL;
    }
    static const uint8_t nothing[1];
    const uint8_t *p = r->p ? r->p + r->at : nothing;
    r->at += (size_t)n;
    return p;
}

uint8_t rd_u8(Reader *r)
{
    const uint8_t *p = rd_bytes(r, 1);
    return p ? p[0] : 0;
}

static uint64_t little(Reader *r, unsigned bytes)
{
    const uint8_t *p = rd_bytes(r, bytes);
    uint64_t x = 0;
    for (unsigned i = 0; p && i < bytes; i++) x |= (uint64_t)p[i] << 8 * i;
    return x;
}

uint16_t rd_u16(Reader *r) { return (uint16_t)little(r, 2); }
uint32_t rd_u32(Reader *r) { return (uint32_t)little(r, 4); }
uint64_t rd_u64(Reader *r) { return little(r, 8); }

float rd_f32(Reader *r)
{
    uint32_t bits = rd_u32(r);
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

uint64_t rd_varint(Reader *r)
{
    uint64_t x = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t b = rd_u8(r);
        if (shift == 63 && b > 1) break;
        x |= (uint64_t)(b & 127) << shift;
        if (!(b & 128)) return r->bad ? 0 : x;
    }
    r->bad = true;
    return 0;
}

Reader rd_sub(Reader *r, uint64_t n)
{
    const uint8_t *p = rd_bytes(r, n);
    return (Reader){.p = p, .n = p ? (size_t)n : 0, .bad = !p, .path = r->path};
}

double wall_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
