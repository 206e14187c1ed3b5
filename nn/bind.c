// bind.c — weights by name: what a family asks for, checked against what the checkpoint holds.
#include "model.h"

#include <stdio.h>
#include <string.h>

static const Stored *bind(Model *m, const char *name, int64_t rows, int64_t cols, WType *type, Err *e)
{
    const Stored *s = checkpoint_find(m->checkpoint, name);
    if (!s) {
        err_set(e, "%s: no tensor \"%s\" among its %zu; is this a complete %s checkpoint?",
                m->checkpoint->files[0], name, m->checkpoint->n, m->family->model_type);
        return NULL;
    }
    uint64_t elements = 1;
    for (int i = 0; i < s->rank; i++) elements *= (uint64_t)s->dim[i];
    bool shaped =
        rows == 1 ? elements == (uint64_t)cols : s->rank == 2 && s->dim[0] == rows && s->dim[1] == cols;
    if (!shaped) {
        char found[200] = "";
        for (int i = 0; i < s->rank; i++)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%" PRId64, i ? ", " : "",
                     s->dim[i]);
        err_at(e, s->file, s->at,
               "tensor \"%s\" has shape [%s]; %s/config.json calls for [%" PRId64 ", %" PRId64 "]", name,
               found, m->checkpoint->folder, rows, cols);
        return NULL;
    }
    if (s->dtype != DT_F32 && s->dtype != DT_F16 && s->dtype != DT_BF16) {
        err_at(e, s->file, s->at, "tensor \"%s\" is of type %s; weights must be F32, F16 or BF16", name,
               dtype_name(s->dtype));
        return NULL;
    }
    *type = s->dtype == DT_F32 ? W_F32 : s->dtype == DT_F16 ? W_F16 : W_BF16;
    return s;
}

Tensor *bind_matrix(Model *m, const char *name, int64_t rows, int64_t cols, Err *e)
{
    WType type;
    const Stored *s = bind(m, name, rows, cols, &type, e);
    return s ? tn_weight(m->arena, s->data, type, rows, cols, arena_printf(m->arena, "%s", name)) : NULL;
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

bool bind_projection(Model *m, Projection *p, const char *prefix, int64_t out, int64_t in, bool bias, Err *e)
{
    char name[256];
    snprintf(name, sizeof name, "%s.weight", prefix);
    if (!(p->w = bind_matrix(m, name, out, in, e))) return false;
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
