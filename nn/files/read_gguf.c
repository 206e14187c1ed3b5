// SPDX-License-Identifier: Apache-2.0
// read_gguf.c — tensors of GGUF files, under the names and in the shapes that transformers gives them.
//
// All are views but one kind: llama.cpp keeps the rows of Llama's queries and keys so that the two columns of a head that
// turn together are neighbours. Theirs are put back in order, whole rows, as bytes: the blocks in them are untouched.
//
// A model of several files says so in the first one (split.count); the others are beside it.
#include "gguf.h"

#include <stdio.h>
#include <string.h>

// "blk.12.attn_q" by "blk.#.attn_q": what # stands for.
static bool matches(Str name, const char *pattern, Str *number)
{
    size_t i = 0;
    *number = (Str){"", 0};
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (i == name.n || name.s[i++] != *pattern) return false;
            continue;
        }
        number->s = name.s + i;
        while (i < name.n && name.s[i] >= '0' && name.s[i] <= '9') i++;
        number->n = (size_t)(name.s + i - number->s);
        if (!number->n) return false;
    }
    return i == name.n;
}

// transformers' name; empty: the tensor is a setting; .s NULL: it has no place in such a model.
static Str name_there(Arena *a, const GgufArch *arch, Str name, bool gated)
{
    Str ending = str_ends(name, STR_LIT(".bias")) ? STR_LIT(".bias") : STR_LIT(".weight"), number;
    if (!str_ends(name, ending)) return (Str){NULL, 0};
    Str stem = {name.s, name.n - ending.n};
    for (const char *const *p = arch->names; *p; p += 2) {
        if (!matches(stem, p[0], &number)) continue;
        if (!*p[1]) return (Str){"", 0};
        Buf b = {.arena = a};
        for (const char *c = p[1]; *c; c++)
            if (*c == '#') buf_str(&b, number);
            else buf_char(&b, *c);
        if (arch->encoder && !gated && str_ends(buf_view(&b), STR_LIT(".wi_1")))
            b.n -= 2; // the only one of a T5 without gates
        buf_str(&b, ending);
        return buf_view(&b);
    }
    return (Str){NULL, 0};
}

// Row h D + 2 r + s of the file is row h D + s D/2 + r of the model (D columns of a head; s is 0 or 1).
static void put_in_order(Arena *a, Stored *s, int64_t head)
{
    const int64_t rows = s->dim[0], half = head / 2;
    const size_t row = s->bytes / (size_t)rows;
    char *copy = arena_new_raw(a, char, s->bytes), *to = copy;
    for (int64_t i = 0; i < rows; i++, to += row) {
        const int64_t h = i / head, r = i % head;
        memcpy(to, (const char *)s->data + (size_t)(h * head + r % half * 2 + r / half) * row, row);
    }
    s->data = copy;
}

static Dtype dtype_of(uint32_t number)
{
    switch (number) {
#define TYPE(name, elements, bytes, number)                                                                  \
    case number:                                                                                             \
        return DT_##name;
#include "../../tensor/types.def"
#undef TYPE
    case 24:
        return DT_I8;
    case 25:
        return DT_I16;
    case 26:
        return DT_I32;
    case 27:
        return DT_I64;
    default:
        return DT_F64;
    }
}

static bool add_tensors(const Gguf *g, const GgufArch *arch, int64_t head, bool gated, StoredList *out,
                        Err *e)
{
    char name[SHOWN];
    for (size_t i = 0; i < g->n_tensors; i++) {
        const GgufTensor *t = &g->tensor[i];
        Str there = name_there(out->arena, arch, t->name, gated);
        if (!there.s)
            return err_at(e, g->path, t->at, "tensor \"%s\" has no place in a model of architecture %s",
                          shown(name, t->name), arch->name);
        if (!there.n) continue;
        if (t->rank > 2 || t->rank < 1)
            return err_at(e, g->path, t->at,
                          "tensor \"%s\" has %" PRIu32 " dimensions; weights have one or two",
                          shown(name, t->name), t->rank);
        Stored *s = stored_add(out);
        *s = (Stored){.name = there,
                      .dtype = dtype_of(t->type),
                      .rank = (int)t->rank,
                      .data = g->data + t->offset,
                      .bytes = t->bytes,
                      .file = g->path,
                      .at = g->start + t->offset};
        for (uint32_t k = 0; k < t->rank; k++) s->dim[k] = (int64_t)t->dim[t->rank - 1 - k];
        out->bytes += t->bytes;
        const bool turned = arch->pairs_turned && (memmem(t->name.s, t->name.n, "attn_q.", 7) ||
                                                   memmem(t->name.s, t->name.n, "attn_k.", 7));
        if (turned && s->rank >= 1 && s->dim[0] % head == 0) put_in_order(out->arena, s, head);
    }
    return true;
}

static bool has_gates(const Gguf *g)
{
    for (size_t i = 0; i < g->n_tensors; i++)
        if (str_is(g->tensor[i].name, "enc.blk.0.ffn_gate.weight")) return true;
    return false;
}

// The n-th of the parts that path is one of: "NAME-00001-of-00003.gguf".
static const char *part_path(Arena *a, const char *path, int64_t n, int64_t parts, const Gguf *g, Err *e)
{
    const char *end = arena_printf(a, "-%05d-of-%05d.gguf", 1, (int)parts);
    Str p = str_of(path);
    if (!str_ends(p, str_of(end))) {
        gguf_wrong(g, gguf_key(g, "split.count"), e,
                   "is %" PRId64
                   ": the first of several files; its name must end with %s, and the others lie beside it",
                   parts, end);
        return NULL;
    }
    return arena_printf(a, "%.*s-%05d-of-%05d.gguf", (int)(p.n - strlen(end)), path, (int)n, (int)parts);
}

static bool read(Str bytes, const char *path, StoredList *out, Err *e)
{
    Gguf g, more;
    Arena *a = out->arena;
    Str p = str_of(path);
    if (str_ends(p, STR_LIT(".gguf/model.gguf")))
        path = arena_printf(a, "%.*s", (int)(p.n - 11), path); // see gguf_model.c
    if (!gguf_parse(a, bytes, path, &g, e)) return false;
    Err own = {0};
    const GgufArch *arch = gguf_arch(&g, &own);
    if (!arch) return err_set(e, "%s", own.text);
    const int64_t width =
                      gguf_int(&g, arena_printf(a, "%s.embedding_length", arch->name), 2, 1, 1 << 17, &own),
                  heads =
                      gguf_int(&g, arena_printf(a, "%s.attention.head_count", arch->name), 1, 1, 1024, &own),
                  head = gguf_int(&g, arena_printf(a, "%s.attention.key_length", arch->name), width / heads,
                                  1, 1 << 17, &own),
                  parts = gguf_int(&g, "split.count", 1, 0, 1000, &own);
    if (own.set) return err_set(e, "%s", own.text);
    out->plain = true;
    bool gated = has_gates(&g);
    if (head < 2 || head % 2)
        return err_at(e, path, 0, "heads of %" PRId64 " columns: they must be even", head);
    if (!add_tensors(&g, arch, head, gated, out, e)) return false;
    for (int64_t i = 2; i <= parts; i++) {
        const char *next = part_path(a, path, i, parts, &g, e);
        if (!next || !file_map(a, next, &bytes, e) || !gguf_parse(a, bytes, next, &more, e) ||
            !add_tensors(&more, arch, head, gated, out, e))
            return false;
    }
    return true;
}

const ReaderKind reader_gguf = {
    .name = "GGUF", .file = "model.gguf", .index = "model.gguf.index.json", .read = read};
