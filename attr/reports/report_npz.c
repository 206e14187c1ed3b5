// SPDX-License-Identifier: Apache-2.0
// report_npz.c — NumPy's archive of arrays (numpy.org/neps/nep-0001-npy-format.html): a ZIP of .npy members, neither packed
// nor dated, so that equal results are equal bytes. numpy.load reads it without pickle.
//
// Its arrays are in `layout`, at the end of this file.
#include "report.h"

#include <string.h>

typedef struct Member {
    size_t at;
    uint32_t crc, size;
    Str name;
} Member;

typedef struct Zip {
    Arena *a;
    Buf *out;
    size_t start; // of the archive in out
    Member *member;
    size_t n, room;
    bool full; // some size does not fit in 32 bits
} Zip;

static void put_le(Buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) buf_char(b, (char)(v >> (8 * i) & 0xFF));
}

// What local header and directory have in common: version 2.0, stored, 1980-01-01 00:00.
static void put_member(Buf *b, const Member *m)
{
    put_le(b, 20, 2), put_le(b, 0, 2), put_le(b, 0, 2), put_le(b, 0, 2), put_le(b, 1 << 5 | 1, 2);
    put_le(b, m->crc, 4), put_le(b, m->size, 4), put_le(b, m->size, 4), put_le(b, m->name.n, 2),
        put_le(b, 0, 2);
}

// descr: numpy's name of the type; shape: "(3, 4)" or "(3,)".
static void put_array(Zip *z, const char *name, const char *descr, const char *shape, const void *data,
                      size_t bytes)
{
    Buf header = {.arena = z->a};
    buf_printf(&header, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
    while ((header.n + 10 + 1) % 64) buf_char(&header, ' ');
    buf_char(&header, '\n');
    Buf head = {.arena = z->a};
    buf_put(&head, "\x93NUMPY\x01\x00", 8), put_le(&head, header.n, 2), buf_str(&head, buf_view(&header));
    uint32_t crc = gzip_crc(gzip_crc(0, head.s, head.n), data, bytes);
    if (z->n == z->room) {
        Member *more = arena_new(z->a, Member, z->room = z->room ? 2 * z->room : 32);
        if (z->n) memcpy(more, z->member, z->n * sizeof *more);
        z->member = more;
    }
    Member *m = &z->member[z->n];
    *m = (Member){z->out->n - z->start, crc, (uint32_t)(head.n + bytes),
                  str_of(arena_printf(z->a, "%s.npy", name))};
    z->n++;
    z->full |= head.n + bytes > UINT32_MAX || z->out->n - z->start > UINT32_MAX;
    if (z->full) return;
    put_le(z->out, 0x04034b50, 4), put_member(z->out, m), buf_str(z->out, m->name);
    buf_str(z->out, buf_view(&head)), buf_put(z->out, data, bytes);
}

static void end_archive(Zip *z)
{
    size_t at = z->out->n - z->start;
    for (size_t i = 0; i < z->n; i++) {
        const Member *m = &z->member[i];
        put_le(z->out, 0x02014b50, 4), put_le(z->out, 20, 2), put_member(z->out, m);
        put_le(z->out, 0, 2), put_le(z->out, 0, 2), put_le(z->out, 0, 2), put_le(z->out, 0, 4);
        put_le(z->out, m->at, 4), buf_str(z->out, m->name);
    }
    size_t size = z->out->n - z->start - at;
    put_le(z->out, 0x06054b50, 4), put_le(z->out, 0, 4), put_le(z->out, z->n, 2), put_le(z->out, z->n, 2);
    put_le(z->out, size, 4), put_le(z->out, at, 4), put_le(z->out, 0, 2);
}

// ------------------------------------------------------------------------------------------ arrays

static void put_scores(Zip *z, const char *name, const Scores *x)
{
    if (!x->v) return;
    Buf shape = {.arena = z->a};
    buf_char(&shape, '(');
    for (int k = 0; k < x->rank; k++) buf_printf(&shape, "%s%" PRId64, k ? ", " : "", x->dim[k]);
    buf_str(&shape, x->rank == 1 ? STR_LIT(",)") : STR_LIT(")"));
    put_array(z, name, "<f4", shape.s, x->v, (size_t)scores_count(x, 0) * sizeof(float));
}

// Texts of equal room, four bytes a character; what is no UTF-8 is U+FFFD. NumPy drops zeros at the end by itself.
static void put_texts(Zip *z, const char *name, const Str *text, size_t n)
{
    size_t most = 1;
    Arena *work = arena_create(z->a);
    for (int pass = 0; pass < 2; pass++) {
        Buf b = {.arena = work};
        if (pass && (z->full |= most * 4 > UINT32_MAX / (n + 1))) break;
        for (size_t i = 0; i < n; i++) {
            size_t count = 0;
            for (size_t k = 0; k < text[i].n; count++) {
                uint32_t c;
                int bad = 1, length = utf8_decode(text[i].s + k, text[i].n - k, &c, &bad);
                k += (size_t)(length ? length : bad);
                if (pass) put_le(&b, c, 4);
            }
            most = count > most ? count : most;
            for (; pass && count < most; count++) put_le(&b, 0, 4);
        }
        if (pass)
            put_array(z, name, arena_printf(z->a, "<U%zu", most), arena_printf(z->a, "(%zu,)", n),
                      b.s ? b.s : "", b.n);
    }
    arena_free(work);
}

static void put_tokens(Zip *z, const char *name, const Token *t, int64_t n)
{
    Str *text = arena_new(z->a, Str, n);
    for (int64_t i = 0; i < n; i++) text[i] = t[i].text;
    put_texts(z, name, text, (size_t)n);
}

static void put_ids(Zip *z, const char *name, const Token *t, int64_t n)
{
    Buf b = {.arena = z->a};
    for (int64_t i = 0; i < n; i++) put_le(&b, (uint32_t)t[i].id, 4);
    put_array(z, name, "<i4", arena_printf(z->a, "(%" PRId64 ",)", n), b.s ? b.s : "", b.n);
}

static const char *plain_name(Arena *a, Str name)
{
    char *out = str_zero(a, name.n > 100 ? (Str){name.s, 100} : name);
    for (char *c = out; *c; c++)
        if (!((*c | 32) >= 'a' && (*c | 32) <= 'z') && !(*c >= '0' && *c <= '9') && *c != '-') *c = '_';
    return out;
}

static void put_sequence(Zip *z, const Sequence *s, size_t i)
{
    Arena *a = z->a;
    Buf steps = {.arena = a};
    put_scores(z, arena_printf(a, "s%zu_source", i), &s->source_attributions);
    put_scores(z, arena_printf(a, "s%zu_target", i), &s->target_attributions);
    put_tokens(z, arena_printf(a, "s%zu_source_tokens", i), s->source, s->n_source);
    put_ids(z, arena_printf(a, "s%zu_source_ids", i), s->source, s->n_source);
    put_tokens(z, arena_printf(a, "s%zu_target_tokens", i), s->target, s->n_target);
    put_ids(z, arena_printf(a, "s%zu_target_ids", i), s->target, s->n_target);
    for (int64_t c = s->attr_pos_start; c < s->attr_pos_end; c++) put_le(&steps, (uint64_t)c, 8);
    put_array(z, arena_printf(a, "s%zu_steps", i), "<i8",
              arena_printf(a, "(%" PRId64 ",)", s->attr_pos_end - s->attr_pos_start), steps.s ? steps.s : "",
              steps.n);
    const char **name = arena_new(a, const char *, s->n_step_scores);
    for (size_t k = 0; k < s->n_step_scores; k++) {
        name[k] = plain_name(a, s->step_scores[k].name);
        for (size_t j = 0; j < k; j++)
            if (!strcmp(name[j], name[k])) name[k] = arena_printf(a, "%s_%zu", name[k], k), j = (size_t)-1;
        put_scores(z, arena_printf(a, "s%zu_step_%s", i, name[k]), &s->step_scores[k].scores);
    }
}

static void put_picture(Zip *z, const Picture *p, size_t i)
{
    Arena *a = z->a;
    put_scores(z, arena_printf(a, "p%zu", i), &p->scores);
    put_tokens(z, arena_printf(a, "p%zu_rows", i), p->row, p->scores.dim[0]);
    put_tokens(z, arena_printf(a, "p%zu_columns", i), p->column, p->scores.dim[1]);
    if (p->cell)
        put_texts(z, arena_printf(a, "p%zu_words", i), p->cell,
                  (size_t)(p->scores.dim[0] * p->scores.dim[1]));
}

static void put_figures(Zip *z, const Figures *f, size_t i)
{
    Arena *a = z->a;
    put_array(z, arena_printf(a, "f%zu", i), "<f8", arena_printf(a, "(%zu, %zu)", f->n_rows, f->n_columns),
              f->v, f->n_rows * f->n_columns * sizeof(double));
    put_texts(z, arena_printf(a, "f%zu_rows", i), f->row, f->n_rows);
    put_texts(z, arena_printf(a, "f%zu_columns", i), f->column, f->n_columns);
}

static bool write_npz(Arena *a, const Attribution *t, const ReportOptions *o, Buf *out, Err *e)
{
    (void)o;
    if (!report_two_dimensional(t, e)) return false;
    Zip z = {.a = arena_create(a), .out = out, .start = out->n};
    for (size_t i = 0; i < t->n; i++) put_sequence(&z, &t->sequence[i], i);
    for (size_t i = 0; i < t->n_pictures; i++) put_picture(&z, &t->pictures[i], i);
    for (size_t i = 0; i < t->n_figures; i++) put_figures(&z, &t->figures[i], i);
    Str made = report_provenance(t);
    if (made.n) put_texts(&z, "provenance", &made, 1);
    if (!z.full && z.n <= UINT16_MAX) end_archive(&z);
    arena_free(z.a);
    return (!z.full && z.n <= UINT16_MAX) ||
           err_set(
               e, "npz: more than 4 GiB, or more than 65535 arrays; use jsonl or csv, or fewer texts a file");
}

const Report report_npz = {
    .name = "npz",
    .extension = ".npz",
    .binary = true,
    .summary = "NumPy's archive: an array for each block of scores, tokens as text",
    .layout = "s0_source, s0_target       [rows, steps] float32 of sequence 0; NaN: no number\n"
              "s0_source_tokens, ..._ids  [rows] text (<U), int32\n"
              "s0_target_tokens, ..._ids  all tokens of the target\n"
              "s0_steps                   [steps] int64: where the generated ones stand\n"
              "s0_step_NAME               [steps] float32 of each step score\n"
              "p0, p0_rows, p0_columns    pictures; p0_words where words stand in cells\n"
              "f0, f0_rows, f0_columns    tables over all texts, float64\n"
              "\n"
              "What is no letter, digit, - or _ in a step score's name is _ here; of equal\n"
              "names the later get a number.\n",
    .aggregated = true,
    .write = write_npz,
};
