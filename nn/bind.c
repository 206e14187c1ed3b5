// SPDX-License-Identifier: Apache-2.0
// bind.c — weights by name: what a family asks for, checked against what the checkpoint holds. Weights are views into
// the mapped file, but for float64, of which a float32 copy is made here.
#include "model.h"

#include <stdio.h>
#include <string.h>

static void narrow_rows(int64_t i, void *context)
{
    enum { BLOCK = 1 << 16 };
    const Stored *const *pair = context; // from, to
    const char *from = pair[0]->data;
    int64_t n = (int64_t)(pair[0]->bytes / sizeof(double)), end = (i + 1) * BLOCK < n ? (i + 1) * BLOCK : n;
    for (int64_t k = i * BLOCK; k < end; k++) {
        double x;
        memcpy(&x, from + (size_t)k * sizeof x, sizeof x);
        ((float *)(uintptr_t)pair[1]->data)[k] = (float)x; // to nearest, as torch converts
    }
}

// A float64 tensor becomes a float32 copy, in the table, so that it is made once.
static void narrow(Model *m, Stored *s)
{
    Stored to = *s;
    int64_t n = (int64_t)(s->bytes / sizeof(double));
    to.dtype = DT_F32, to.bytes = s->bytes / 2;
    to.data = arena_new_raw(m->arena, float, n);
    const Stored *pair[2] = {s, &to};
    pool_run((n + (1 << 16) - 1) >> 16, narrow_rows, pair);
    *s = to;
}

// "; "x.y.name" is there": for a file whose names have something before them that is not known here.
static const char *alike(const Model *m, const char *name)
{
    const Checkpoint *c = m->checkpoint;
    Str end = str_of(arena_printf(m->arena, ".%s", name));
    char text[SHOWN];
    for (size_t i = 0; i < c->n; i++)
        if (str_ends(c->tensor[i].name, end))
            return arena_printf(m->arena, "; there is \"%s\"", shown(text, c->tensor[i].name));
    return "";
}

static const Stored *bind(Model *m, const char *name, int64_t rows, int64_t cols, WType *type, Err *e)
{
    const Stored *s = checkpoint_find(m->checkpoint, name);
    if (!s) {
        err_set(e, "%s: no tensor \"%s\" among its %zu%s; is this a complete %s checkpoint?",
                m->checkpoint->files[0], name, m->checkpoint->n, alike(m, name), m->family->model_type);
        return NULL;
    }
    uint64_t elements = stored_count(s);
    bool shaped =
        rows == 1 ? elements == (uint64_t)cols : s->rank == 2 && s->dim[0] == rows && s->dim[1] == cols;
    if (!shaped) {
        char found[200] = "";
        for (int i = 0; i < s->rank; i++)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%" PRId64, i ? ", " : "",
                     s->dim[i]);
        err_at(e, s->file, s->at, "tensor \"%s\" has shape [%s]; %s calls for [%" PRId64 ", %" PRId64 "]",
               name, found, m->config.path, rows, cols);
        return NULL;
    }
    if (s->dtype == DT_F64) narrow(m, &m->checkpoint->tensor[s - m->checkpoint->tensor]);
    if (!dtype_is_weight(s->dtype)) {
        err_at(e, s->file, s->at,
               "tensor \"%s\" is of type %s; weights must be floats (F32, F16, BF16, F64) or GGUF's blocks",
               name, dtype_name(s->dtype));
        return NULL;
    }
    *type = (WType)s->dtype;
    if (m->bound) m->bound[s - m->checkpoint->tensor] = true;
    return s;
}

Tensor *bind_matrix(Model *m, const char *name, int64_t rows, int64_t cols, Err *e)
{
    WType type;
    const Stored *s = bind(m, name, rows, cols, &type, e);
    if (!s) return NULL;
    Tensor *w = tn_weight(m->arena, s->data, type, rows, cols, arena_printf(m->arena, "%s", name));
    w->turned = s->turned;
    return w;
}

Tensor *bind_turned(Model *m, const char *name, int64_t rows, int64_t cols, Err *e)
{
    const Stored *s = checkpoint_find(m->checkpoint, name);
    if (s && !dtype_size(s->dtype))
        return bind_matrix(m, name, rows, cols, e); // libraries of codes turn what they take
    Tensor *w = bind_matrix(m, name, cols, rows, e);
    if (w) w->rows = rows, w->cols = cols, w->turned = true;
    return w;
}

Tensor *bind_vector(Model *m, const char *name, int64_t n, Err *e)
{
    WType type;
    const Stored *s = bind(m, name, 1, n, &type, e);
    if (!s) return NULL;
    Tensor *w = tn_weight(m->arena, NULL, W_F32, 1, n, arena_printf(m->arena, "%s", name));
    w->f = arena_new_raw(m->arena, float, n);
    num_widen(w->f, s->data, type, 0, n);
    return w;
}

bool bind_has(const Model *m, const char *name) { return checkpoint_find(m->checkpoint, name) != NULL; }

static bool equal(const Stored *a, const Stored *b)
{
    return a == b ||
           (a->dtype == b->dtype && a->bytes == b->bytes &&
            (a->data == b->data || (dtype_size(a->dtype) && memcmp(a->data, b->data, a->bytes) == 0)));
}

bool bind_tied(Model *m, const char *const *name, size_t n, int64_t rows, int64_t cols, bool tied,
               Tensor **out, Err *e)
{
    size_t first = 0;
    while (first < n && !bind_has(m, name[first])) first++;
    if (first == n) first = 0; // its absence is told
    for (size_t i = 0; i < n; i++) out[i] = NULL;
    if (!(out[first] = bind_matrix(m, name[first], rows, cols, e))) return false;
    const Stored *source = checkpoint_find(m->checkpoint, name[first]);
    for (size_t i = 0; i < n; i++) {
        const Stored *own = i == first ? NULL : checkpoint_find(m->checkpoint, name[i]);
        if (own && !equal(own, source)) {
            if (!(out[i] = bind_matrix(m, name[i], rows, cols, e))) return false;
            if (tied)
                buf_printf(&m->notes,
                           "%s ties %s to %s, but the file has both and they differ: each is used as it is "
                           "there\n",
                           m->config.path, name[i], name[first]);
        } else out[i] = out[first];
    }
    return true;
}

bool bind_projection(Model *m, Projection *p, const char *prefix, int64_t out, int64_t in, bool bias, Err *e)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    if (!code_weight(m, name, false, e) || !(p->w = bind_matrix(m, name, out, in, e))) return false;
    snprintf(name, sizeof name, "%s.bias", prefix);
    return !bias || (p->b = bind_vector(m, name, out, e));
}

bool bind_norm(Model *m, Norm *n, const char *prefix, int64_t width, bool bias, Err *e)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    if (!(n->g = bind_vector(m, name, width, e))) return false;
    snprintf(name, sizeof name, "%s.bias", prefix);
    return !bias || (n->b = bind_vector(m, name, width, e));
}
