// SPDX-License-Identifier: Apache-2.0
// base.h — what every room stands on: errors, arenas, checked readers, text, JSON, files, threads.
//
// Three rules make the rest of the program safe and short:
//   1. Whoever passes an Arena owns what comes back; nothing is freed one by one (base.c).
//   2. A function that can meet bad input takes an Err last and returns false or NULL; the first error wins.
//   3. Bytes of a file are read through a Reader, which never leaves the file and remembers that it tried to.
#pragma once
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---------------------------------------------------------------------------------------------------- errors

// What went wrong with the input, in one sentence for the person who gave it. Zero-initialise: {0} is "no error".
typedef struct Err {
    bool set, usage; // usage: what was asked for is wrong in itself, whatever the files hold
    char text[1000]; // "file:+offset: what was found; what would be right"
} Err;

// Both fill e unless it is already set (e may be NULL: the caller does not want the words) and return false.
bool err_set(Err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool err_usage(Err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool err_at(Err *e, const char *path, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// We are wrong, not the input: prints file and line, then aborts. No byte of any file may reach one.
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// What to do when the machine is short of memory (never returns: exits or long-jumps). Set once, by main or a test.
void base_on_no_memory(void (*handler)(size_t wanted));

// ---------------------------------------------------------------------------------------------------- arenas

// Memory that all arenas together may hold at most (0: any); beyond it memory is short. arena_left: what is left of that,
// SIZE_MAX if there is no bound.
void arena_bound(size_t bytes);
size_t arena_left(void);

// Memory with one lifetime. Allocation never returns NULL: when memory is short the handler above is called.
typedef struct Arena Arena;

Arena *arena_create(Arena *parent); // freed with its parent; NULL: a root, which whoever made it frees
void arena_free(Arena *a);          // runs the clean-ups (last first), frees children and memory
void arena_reset(Arena *a);         // forgets everything in it but keeps the memory for the next round
void arena_trim(Arena *a); // gives large memory back that nothing was taken from since it was called last
// From now on raw memory of 4 MB and more is counted and not given: what comes back must not be touched.
void arena_only_count(Arena *a, bool on);
size_t arena_used(const Arena *a); // bytes handed out since the last reset, children not counted
void arena_on_free(Arena *a, void (*clean)(void *), void *object); // also runs at arena_reset

void *arena_zeroed(Arena *a, size_t count, size_t size); // 64-byte aligned, zeroed; count*size is checked
void *arena_raw(Arena *a, size_t count, size_t size);    // the same, not zeroed
#define arena_new(a, T, n)     ((T *)arena_zeroed((a), (size_t)(n), sizeof(T)))
#define arena_new_raw(a, T, n) ((T *)arena_raw((a), (size_t)(n), sizeof(T)))
char *arena_printf(Arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Size arithmetic that cannot wrap: false (and *out untouched) on overflow.
static inline bool mul_ok(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool add_ok(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

// ---------------------------------------------------------------------------------------------------- strings

// A view of bytes, not NUL-terminated, owned by somebody else.
typedef struct Str {
    const char *s;
    size_t n;
} Str;

Str str_of(const char *zero_terminated);
// The first line of *rest without its end (LF or CRLF), which *rest then begins behind.
Str str_line(Str *rest);
// The encoding of a text that is UTF-16 or UTF-32, by its mark or its zeros; NULL: none seen.
const char *str_other_encoding(Str s);
bool str_blank(Str s); // spaces, tabs and ends of lines only
#define STR_LIT(literal) ((Str){(literal), sizeof(literal) - 1})
bool str_eq(Str a, Str b);
bool str_is(Str a, const char *b);
bool str_starts(Str a, Str prefix);
bool str_ends(Str a, Str suffix);
Str str_copy(Arena *a, Str s);   // a copy that is also NUL-terminated at [n]
char *str_zero(Arena *a, Str s); // the same, as a C string (a NUL inside ends it early)
int str_cmp(Str a, Str b);       // by bytes, then by length
uint64_t str_hash(Str s, uint64_t seed);
size_t str_distance(Str a, Str b,
                    size_t otherwise); // letters to change, add, drop; otherwise: one has 64 bytes
// The name nearest to `wrong` if within edit distance 2 (and less than half its length), or of which it has the initials
// ("ig": integrated_gradients); else NULL.
const char *str_nearest(Str wrong, const char *const *names, size_t n);

// A growing byte string on an arena. {.arena = a} is an empty one. s[n] is always NUL once anything was put.
typedef struct Buf {
    Arena *arena;
    char *s;
    size_t n, cap;
} Buf;

void buf_put(Buf *b, const void *bytes, size_t n);
void buf_reserve(Buf *b, size_t n); // room for n more bytes, without growing in between
void buf_str(Buf *b, Str s);
void buf_char(Buf *b, char c);
void buf_printf(Buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_float(Buf *b, float x); // fewest digits that read back as the same float; NaN "NaN", inf "Infinity"
void buf_json(Buf *b, Str s);    // a JSON string with quotes; non-ASCII kept, invalid UTF-8 as U+FFFD
void buf_json_ascii(Buf *b, Str s); // the same with every non-ASCII character as \uXXXX (as Python writes)
void buf_base64(Buf *b, const void *bytes, size_t n);
bool base64_decode(Buf *b, Str text); // strict RFC 4648 with padding; false, and b as it was, if malformed
static inline Str buf_view(const Buf *b) { return (Str){b->s ? b->s : "", b->n}; }

// ---------------------------------------------------------------------------------------------------- UTF-8

// Strict: no overlong forms, no surrogates, nothing above U+10FFFF.
// Reads one character at s[0..n), n > 0: returns its length 1..4 and sets *cp; for invalid bytes returns 0 and
// sets *cp to U+FFFD and *bad (may be NULL) to the length of the maximal invalid subpart (Unicode 15, ch. 3.9).
int utf8_decode(const char *s, size_t n, uint32_t *cp, int *bad);
int utf8_encode(uint32_t cp, char out[4]); // length 1..4; cp must be a scalar value
bool utf8_valid(Str s, size_t *bad_at);    // bad_at may be NULL
// Appends text that may be a stranger's so that it can do nothing to a terminal: controls as pictures (␛), what turns the
// direction of writing or ends a line as \u{202E}, invalid bytes as U+FFFD. TAB and LF stay. marks: the lone direction
// marks (U+200E, 200F, 061C), which right-to-left text has honest use for, are shown too.
void buf_harmless(Buf *b, Str s, bool marks);

// ---------------------------------------------------------------------------------------------------- bytes

// A cursor over bytes in memory. Reads past the end give 0 and set bad, which sticks. Little-endian, any alignment.
typedef struct Reader {
    const uint8_t *p;
    size_t n, at;
    bool bad;
    const char *path; // for messages
} Reader;

size_t rd_left(const Reader *r);
uint8_t rd_u8(Reader *r);
uint16_t rd_u16(Reader *r);
uint32_t rd_u32(Reader *r);
uint64_t rd_u64(Reader *r);
float rd_f32(Reader *r);
uint64_t rd_varint(Reader *r); // protobuf base-128, at most ten bytes
const uint8_t *rd_bytes(Reader *r,
                        uint64_t n);  // NULL (and bad) if fewer are left; n = 0 gives a valid pointer
Reader rd_sub(Reader *r, uint64_t n); // the next n bytes as a reader of their own; bad in both if too few

// ---------------------------------------------------------------------------------------------------- JSON

typedef enum { J_NULL, J_FALSE, J_TRUE, J_NUMBER, J_STRING, J_ARRAY, J_OBJECT } JsonKind;

// One value. Children of an array or object are a list: for (const Json *c = j->child; c; c = c->next).
typedef struct Json {
    JsonKind kind : 8;
    bool is_int : 1; // a number written without '.', 'e' and in the range of int64
    uint32_t at;     // byte offset in the text, for messages
    size_t count;    // children
    int64_t i;       // its value, if is_int
    double number;   // its value, always
    Str text;        // a string's value (decoded; NUL may occur inside), or a number as it was written
    Str key;         // if it is a member of an object
    const struct Json *child, *next;
} Json;

// RFC 8259, strict but for: a BOM at the start is skipped, and NaN, Infinity, -Infinity are numbers (Python writes
// them). Depth at most 512, no recursion. Lone surrogate escapes become U+FFFD; invalid UTF-8 is an error, numbers out
// of range are infinite or zero. Strings without escapes are views: the text must live as long as the values. NULL and
// e ("path:+offset: line 2, column 6: found 'x'; expected ...") on error.
// A value takes 80 bytes, and as text two may do: all values together take at most 8 times the text, or JSON_FREE bytes where
// that is more; a text with more is refused. json_parse_within: `free` bytes instead. json_parse_line: the text is that line
// of path, from 1, and e says so ("path: line 7, column 6: found 'x'; expected ...").
enum { JSON_FREE = 256 << 20 };
const Json *json_parse(Arena *a, Str text, const char *path, Err *e);
const Json *json_parse_within(Arena *a, Str text, size_t free, const char *path, Err *e);
const Json *json_parse_line(Arena *a, Str text, const char *path, size_t line, Err *e);
const Json *json_get(const Json *object,
                     const char *key);     // NULL if absent or not an object; the last duplicate wins
const char *json_kind_name(const Json *j); // "a string", "null", ... for messages

// ---------------------------------------------------------------------------------------------------- files

// The whole file. map: mapped read-only (kept until the arena goes; small ones are read); read: a NUL-terminated copy of
// at most `limit` bytes (SIZE_MAX: any), longer is an error. Errors name the path. Both take regular files only: a pipe in
// the place of a model's file would be waited for, a device read without end. stream takes those too, and "-": standard
// input.
bool file_map(Arena *a, const char *path, Str *out, Err *e);
bool file_read(Arena *a, const char *path, size_t limit, Str *out, Err *e);
bool file_stream(Arena *a, const char *path, size_t limit, Str *out, Err *e);
// False and a sentence if these bytes, read as a file of a model, are what often lies in its place: a git-lfs pointer, a
// web page or a server's answer, the text of a link.
bool file_genuine(const char *path, Str bytes, Err *e);
// The path of the file that is mapped there, or NULL. For the handler of SIGBUS, which a file that is cut short or whose
// disk fails while it is read sends: this function only looks.
const char *file_mapped_at(const void *address);
// Which files were read: from file_watch(w) on, until that of another or of NULL, file_map and file_read note in w the paths
// of what they gave, from any thread; not of what file_put made. file_forget: nor of this one. file_watched: the paths,
// sorted, each once; NULL if they were too many to note.
typedef struct FileWatch FileWatch;
FileWatch *file_watch_new(Arena *a);
void file_watch(FileWatch *w);
void file_forget(const char *path);
const char *const *file_watched(Arena *a, const FileWatch *w, size_t *n);
bool file_exists(const char *path);
bool dir_exists(const char *path);
const char *const *dir_names(Arena *a, const char *path,
                             size_t *n); // what is in a folder, sorted; none if it can't be read
// Writes a temporary file beside path, syncs, renames: path is either the old file or all of the new one.
bool file_write(const char *path, Str bytes, Err *e); // "-" is standard output
// The same in parts, for what is large. What was begun and not ended is taken back when a goes.
typedef struct FileOut FileOut;
FileOut *file_begin(Arena *a, const char *path, Err *e);
bool file_can_write(const char *path, Err *e); // tries it, before work is done that would be lost
// Whether two paths name one file, be it there or not.
bool file_same(Arena *a, const char *x, const char *y);
bool file_part(FileOut *f, Str bytes, Err *e);
bool file_end(FileOut *f, Err *e);
const char *file_begun(const FileOut *f);   // the path of what is written so far; NULL: none but the last one
bool file_remove(const char *path, Err *e); // what is not there is no error
bool file_rename(const char *from, const char *to, Err *e);
bool file_is_plain(const char *path); // a regular file, or nothing there yet: no pipe or device, and not "-"
// A file that grows by whole lines, one call a line, written to disk at most a second later. log_open: the file is there, or
// new and empty, *found bytes long; a second one that writes it is refused. What a failing log_add wrote is taken back.
typedef struct FileLog FileLog;
FileLog *log_open(Arena *a, const char *path, uint64_t *found, Err *e);
bool log_cut(FileLog *f, uint64_t n, Err *e); // only the first n bytes stay
bool log_add(FileLog *f, Str line, Err *e);
bool log_sync(FileLog *f, Err *e);
bool log_end(FileLog *f, Err *e);
// Its lines, one after another, each with its \n and where it ends in the file; it lives until the next call. Of a gzip file
// members, which are lines. Memory is that of the longest. False, and no error: there is no other whole line.
typedef struct FileLines FileLines;
FileLines *lines_open(Arena *a, const char *path, Err *e);
bool lines_next(FileLines *f, Str *line, uint64_t *end, Err *e);
// A folder of files, written whole or not at all: a new one beside path, which gets its name at the end. path must be a new
// folder, or an empty one. What was begun and not ended is taken back when a goes.
typedef struct FolderOut FolderOut;
FolderOut *folder_begin(Arena *a, const char *path, Err *e);
const char *folder_file(FolderOut *f, const char *name); // where a file of this name is to be written, once
bool folder_end(FolderOut *f, Err *e);
void files_ready(void);            // first of all: sees to it that descriptors 0 to 2 are open
bool out_write(int fd, Str bytes); // to a descriptor, all of it; false on error (errno says which)

// Files inside the program: file_map, file_read, file_exists and dir_exists find "builtin:PATH" in this table, which ends
// with a NULL path and which some object file of the program defines (nn/demo.c); without one there are none.
#define BUILTIN "builtin:"
typedef struct BuiltinFile {
    const char *path, *from, *to; // "demo/en-nl/config.json" and its bytes
} BuiltinFile;
// A file's bytes as they are, taken in by the assembler from its path in the source: `symbol` begins at an address that numbers
// may like, at symbol_end stands a NUL.
#define EMBED_FILE(symbol, path)                                                                             \
    __asm__(".pushsection .rodata\n.balign 64\n.globl " #symbol "\n.hidden " #symbol "\n" #symbol ":\n"      \
            ".incbin \"" path "\"\n.globl " #symbol "_end\n.hidden " #symbol "_end\n" #symbol "_end:\n"      \
            ".byte 0\n.popsection\n");                                                                       \
    extern const char symbol[], symbol##_end[];
extern const BuiltinFile file_builtins[] __attribute__((weak));
// One more, of this path, as long as a lives; of equal paths the latest. The bytes and the path must live as long.
void file_put(Arena *a, const char *path, Str bytes);

// ---------------------------------------------------------------------------------------------------- packed bytes

// A gzip file (RFC 1952) while it is written, part by part. {.out = ...} begins one; the same parts give the same bytes.
typedef struct Gzip {
    Buf *out;     // what is ready is appended here; the caller may empty it between calls
    uint32_t crc; // of what was put in (0 at first),
    uint32_t n;   // and how much, modulo 2^32
    uint64_t held;
    int n_held; // bits that make no whole byte yet
    bool begun;
} Gzip;
void gzip_part(Gzip *g, Str bytes);
void gzip_end(Gzip *g);
// A whole file of it (a member). Members one behind the other are a gzip file too, of all their bytes.
Str gzip_member(Arena *a, Str bytes);
uint32_t gzip_crc(uint32_t crc, const char *s, size_t n); // of RFC 1952; of nothing: 0

// The bytes of a gzip file (one or more members), appended to out; at most `limit` of them. path and at (where the data
// stands in the file) are for the message only.
bool gunzip(Buf *out, Str in, size_t limit, const char *path, size_t at, Err *e);
// The first member of `in` alone, and how many bytes of `in` it took. False: it is broken or not whole.
bool gunzip_member(Buf *out, Str in, size_t limit, size_t *used);

// ---------------------------------------------------------------------------------------------------- known bytes

// FIPS 180-4's SHA-256, whole or part by part: what names a page's script, and what files of a model are known by.
typedef struct Sha256 {
    uint32_t h[8], k[64]; // k: the constants
    uint64_t n;           // bytes so far; of the last n % 64 no block was made yet
    uint8_t held[64];
} Sha256;
void sha256_begin(Sha256 *x);
void sha256_part(Sha256 *x, Str bytes);
void sha256_end(Sha256 *x, uint8_t out[32]);
void sha256_end_hex(Sha256 *x, char out[65]); // small letters, as sha256sum prints
void sha256(Str bytes, uint8_t out[32]);
void sha256_hex(Str bytes, char out[65]);

// ---------------------------------------------------------------------------------------------------- threads

// Runs work(i, context) for every i in [0, n) on the pool's threads and returns when all are done. Which thread
// takes which i is not fixed, so no result may depend on it; work must not allocate from an arena that others use.
// Calls do not nest: inside work, pool_run runs in line.
void pool_run(int64_t n, void (*work)(int64_t i, void *context), void *context);
// 0: INSEQ_THREADS, else OMP_NUM_THREADS, else as many as the process may use (affinity and cgroup quota). Starts anew
// if it runs. Not from inside work. Fewer threads than asked for is no error: pool_threads() tells.
void pool_start(int threads);
void pool_stop(void);
int pool_threads(void);
bool pool_busy(void); // a job is running, and so perhaps other threads than the one that asks
void cpu_pause(void); // what a thread does between two looks at a word that another will change (cpu.c)

// ---------------------------------------------------------------------------------------------------- stopping

// A signal handler asks for a stop, by the signal's number; from then on stop_asked() is that number, else 0.
void stop_ask(int signal_number);
int stop_asked(void);
// Runs work, and leaves it as soon as a stop is asked for: false then. pool_run is where that is looked for, so inside a
// long loop too. What was being computed is lost, and its memory stays in its arenas; whatever was finished before is
// untouched. The thread that calls must be the one that calls pool_run. Calls do not nest.
bool stop_run(void (*work)(void *context), void *context);
// For an item that takes long by itself: what it makes will not be looked at, so it may end here.
bool pool_stopping(void);

// ---------------------------------------------------------------------------------------------------- limits

long limit_processors(void); // that the process's group may use, rounded up; 0: no limit
size_t limit_memory(void);   // bytes that the process may still take: of the machine, its group and ulimit -v

// ---------------------------------------------------------------------------------------------------- options

typedef enum { OPT_FLAG, OPT_TEXT, OPT_LIST, OPT_INT, OPT_SIZE, OPT_JSON } OptionKind;

// One command-line option: a row of a table.
// Of an option's commands: an abbreviation that fits others too means them. For options that came after Inseq's own.
#define OPTION_YIELDS (1u << 31)
typedef struct Option {
    const char *name, *alias[2]; // "save_path" (hyphens work too), "-o"
    OptionKind kind;
    unsigned commands;   // bit set of the commands that have it
    const char *value;   // what it takes, "FILE"; of an enumeration its words, "auto|always|never"
    const char *help;    // in the short help only as far as the first ';'
    const char *group;   // the heading that it stands under
    unsigned first;      // the commands whose short help has it
    const char *instead; // what help says of it for the commands instead_for; NULL, 0: the same
    unsigned instead_for;
} Option;

typedef struct OptionValue {
    bool given, flag;
    bool literal;      // texts are what they are: "-" and "@FILE" stand for nothing else
    const char **list; // of texts and lists, all that were given in order
    size_t n;
    int64_t number;   // of whole numbers and sizes
    const Json *json; // an object
} OptionValue;

// value [n], zeroed by the caller, runs parallel to the table; rest: the words that belong to no option. elsewhere (may be
// NULL): where an option is unknown but other commands have it, their bits, and e holds the option alone.
bool options_parse(Arena *a, const Option *table, size_t n, unsigned command, int argc, char **argv,
                   OptionValue *value, const char ***rest, size_t *n_rest, unsigned *elsewhere, Err *e);
// What a command's options are, in lines of this width (80 at least). all false: the first ones, as short as may be; true: every
// one, under headings. Returns how many were left out.
size_t options_help(const Option *table, size_t n, unsigned command, bool all, int width, Buf *out);
void options_man(const Option *table, size_t n, unsigned command,
                 Buf *out);           // the same, all, as lists of a man page (roff)
void man_text(Buf *b, const char *s); // a line of text of a man page: nothing in it is taken for a request
// Words from column `at` on, where the line stands already, on as many lines as they need; ends with a newline.
void buf_wrapped(Buf *b, const char *words, size_t at, size_t width);
bool option_number(const char *word, bool sized, int64_t *out); // sized: "512M" and the like, above 0

// The texts that words stand for: each word one; "-" the lines of standard input, "@FILE" those of a file; "@@x" is the
// text "@x".
bool option_texts(Arena *a, const OptionValue *v, const Str **out, size_t *n, Err *e);
// The same; line (not NULL) gets for each whether it was a line and not a word.
bool option_lines(Arena *a, const OptionValue *v, const Str **out, const bool **line, size_t *n, Err *e);

// ---------------------------------------------------------------------------------------------------- the terminal

double wall_clock(void);    // seconds since some fixed moment
int terminal_width(int fd); // COLUMNS, else what the terminal says, else 80
int terminal_colors(int fd,
                    const char *when); // 0, 16, 256 or 1 << 24; when: "always", "never", or NULL to find out
bool terminal_utf8(void);              // by the locale; true if none is set

// A progress bar. Zero but for title, total, width and start (wall_clock()). What is counted need not take equally long:
// where work is known the share that is done and the time that is left are by that.
typedef struct Bar {
    const char *title;
    bool at_once;     // draw even in the first half second
    bool lines;       // for a file: a line a minute, instead of one that is drawn over
    double work, all; // done, and in all; all 0: not known
    int64_t initial, done, total, width;
    int64_t before,
        share; // for whoever counts in parts: done before this part, and what all of it counts for
    double work_before, part_work; // and the work of the parts before this one, and of this one;
    double seen, ahead,
        next; // roughly, in any unit: of what work is known, of what is still to come, of the next part
    double start, drawn;
} Bar;
bool bar_text(Bar *b, int64_t done,
              Buf *out); // appends the line to draw, or returns false if it is too soon for one

// ---------------------------------------------------------------------------------------------------- faults

// In builds with -DFAULTS the n-th allocation or I/O call after arming fails (once, or every one from there on).
// FAULT_SHORT is no failure: the read or write is interrupted (EINTR, odd n) or moves a single byte (even n).
typedef enum { FAULT_ALLOC, FAULT_IO, FAULT_SHORT, FAULT_KINDS } FaultKind;
void fault_arm(FaultKind kind, long nth, bool persistent); // nth counts from 1; 0 disarms
long fault_count(FaultKind kind);                          // calls seen since arming
void fault_arm_from_env(void);  // INSEQ_FAULT=alloc:N, io:N or short:N; "N+" is persistent; kill:N ends
                                // the program by SIGKILL before the N-th I/O call
bool fault_hit(FaultKind kind); // used by base.c and file.c only; false without -DFAULTS
