// SPDX-License-Identifier: Apache-2.0
// read_gguf.c — tensors of GGUF files, under the names and in the shapes that transformers gives them.
//
// All are views but one kind: llama.cpp keeps the rows of Llama's queries and keys so that the two columns of a head that
// turn together are neighbours. Theirs are put back in order, whole rows, as bytes: the blocks in them are untouched.
#include "gguf.h"

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

static bool add_tensors(const Gguf *g, const GgufArch *arch, int64_t head, bool gated, StoredList *out,
                        Err *e)
{
    char name[SHOWN];
    for (size_t i = 0; i < g->n_tensors; i++) {
        const GgufTensor *t = &g->tensor[i];
        Str there = name_there(out->arena, arch, t->name, gated);
        if (!there.s)
            return err_at(e, t->path, t->at, "tensor \"%s\" has no place in a model of architecture %s",
                          shown(name, t->name), arch->name);
        if (!there.n) continue;
        if (t->rank > 2 || t->rank < 1)
            return err_at(e, t->path, t->at,
                          "tensor \"%s\" has %" PRIu32 " dimensions; weights have one or two",
                          shown(name, t->name), t->rank);
        Stored *s = stored_add(out);
        *s = (Stored){.name = there,
                      .dtype = t->dtype,
                      .rank = (int)t->rank,
                      .data = t->data,
                      .bytes = t->bytes,
                      .file = t->path,
                      .at = t->place};
        for (uint32_t k = 0; k < t->rank; k++) s->dim[k] = (int64_t)t->dim[t->rank - 1 - k];
        out->bytes += t->bytes;
        const bool turned = arch->pairs_turned && (memmem(t->name.s, t->name.n, "attn_q.", 7) ||
                                                   memmem(t->name.s, t->name.n, "attn_k.", 7));
        if (turned && s->rank >= 1 && s->dim[0] % head == 0) put_in_order(out->arena, s, head);
    }
    return true;
}

static bool read(Str bytes, const char *path, StoredList *out, Err *e)
{
    Gguf g;
    Arena *a = out->arena;
    Str p = str_of(path);
    if (str_ends(p, STR_LIT(".gguf/model.gguf")))
        path = arena_printf(a, "%.*s", (int)(p.n - 11), path); // see gguf_model.c
    if (!gguf_open(a, bytes, path, &g, e)) return false;
    Err own = {0};
    const GgufArch *arch = gguf_arch(&g, &own);
    if (!arch) return err_set(e, "%s", own.text);
    const int64_t width =
                      gguf_int(&g, arena_printf(a, "%s.embedding_length", arch->name), 2, 1, 1 << 17, &own),
                  heads =
                      gguf_int(&g, arena_printf(a, "%s.attention.head_count", arch->name), 1, 1, 1024, &own),
                  head = gguf_int(&g, arena_printf(a, "%s.attention.key_length", arch->name), width / heads,
                                  1, 1 << 17, &own);
    if (own.set) return err_set(e, "%s", own.text);
    out->plain = true;
    if (arch->pairs_turned && (head < 2 || head % 2))
        return err_at(e, path, 0, "heads of %" PRId64 " columns: they must be even", head);
    return add_tensors(&g, arch, head, gguf_tensor(&g, "enc.blk.0.ffn_gate.weight") != NULL, out, e);
}

const ReaderKind reader_gguf = {
    .name = "GGUF", .file = "model.gguf", .index = "model.gguf.index.json", .read = read};
