// SPDX-License-Identifier: Apache-2.0
// find_layer.c — modules by the path that transformers gives them, for methods that look inside a model.
#include "model.h"

#include <stdio.h>
#include <string.h>

typedef struct Search {
    const char *path; // with "[3]" written ".3", and ".weight" behind
    const Tensor *found;
    int64_t width;
    bool exact, whole;
    const char *part[3]; // of a whole layer: what gives one result each
} Search;

static void look(Search *s, const Tensor *w, int64_t width)
{
    if (!w || !w->name || s->exact) return;
    size_t n = strlen(w->name), k = strlen(s->path);
    bool exact = !strcmp(w->name, s->path),
         end = n > k && w->name[n - k - 1] == '.' && !strcmp(w->name + n - k, s->path);
    if (exact || (end && !s->found)) s->found = w, s->width = width, s->exact = exact;
}

static void look_into(Search *s, const Layer *l)
{
    const Projection *p[] = {&l->q,       &l->k,  &l->v,    &l->o,    &l->cross_q, &l->cross_k, &l->cross_v,
                             &l->cross_o, &l->up, &l->gate, &l->down, &l->qkv,     &l->gate_up, &l->router};
    const Norm *n[] = {&l->self_norm, &l->cross_norm, &l->ff_norm, &l->q_norm,
                       &l->k_norm,    &l->self_post,  &l->ff_post};
    for (size_t i = 0; i < sizeof p / sizeof *p; i++)
        if (p[i]->w) look(s, p[i]->w, p[i]->w->rows);
    for (size_t i = 0; i < 3; i++)
        if (n[i]->g) look(s, n[i]->g, n[i]->g->cols);
    for (size_t i = 3; i < sizeof n / sizeof *n; i++) // of heads: as wide as what they norm
        if (n[i]->g) look(s, n[i]->g, i == 3 ? l->q.w->rows : i == 4 ? l->k.w->rows : n[i]->g->cols);
}

// A module without weights of its own gives what its last one does: attention's is o, a feed-forward's down.
static void look_for_module(Search *s, const Layer *l)
{
    const Projection *last[] = {&l->o, &l->cross_o, &l->down};
    size_t k = strlen(s->path) - strlen(".weight"), hits = 0;
    for (size_t i = 0; i < 3; i++) {
        const char *name = last[i]->w ? last[i]->w->name : NULL, *at = NULL;
        for (const char *c = name; c && !at; c = strchr(c, '.') ? strchr(c, '.') + 1 : NULL)
            if (!strncmp(c, s->path, k) && c[k] == '.') at = c;
        if (!at) continue;
        s->part[hits++] = name;
        if (!s->found) s->found = last[i]->w, s->width = last[i]->w->rows;
    }
    if (hits > 1) s->found = NULL, s->whole = true; // a whole layer
}

const Tensor *nn_find_layer(const Model *m, Str path, int64_t *width, Err *e)
{
    char weight[600];
    size_t n = 0;
    for (size_t i = 0; i < path.n && n < 500; i++)
        if (path.s[i] != ']') weight[n++] = path.s[i] == '[' ? '.' : path.s[i];
    snprintf(weight + n, sizeof weight - n, ".weight");
    Search s = {.path = weight};
    for (int64_t i = 0; m->encoder && i < m->info.encoder_layers; i++) look_into(&s, &m->encoder[i]);
    for (int64_t i = 0; i < m->info.decoder_layers; i++) look_into(&s, &m->decoder[i]);
    look(&s, m->encoder_norm.g, m->info.width);
    look(&s, m->decoder_norm.g, m->decoder_norm.g ? m->decoder_norm.g->cols : 0);
    for (int64_t i = 0; !s.found && !s.whole && m->encoder && i < m->info.encoder_layers; i++)
        look_for_module(&s, &m->encoder[i]);
    for (int64_t i = 0; !s.found && !s.whole && i < m->info.decoder_layers; i++)
        look_for_module(&s, &m->decoder[i]);
    if (s.found) return *width = s.width, s.found;
    const Layer *first = m->encoder ? &m->encoder[0] : &m->decoder[0];
    const Tensor *example = first->up.w ? first->up.w : first->o.w;
    if (s.whole) {
        const int tail = (int)strlen(".weight");
        const char *x = s.part[0], *y = s.part[s.part[2] ? 2 : 1];
        err_set(e,
                "%.*s is a whole block, and its result the sum of what its parts give; name one of them, "
                "such as %.*s or "
                "%.*s, or all: tokens by blocks",
                (int)path.n, path.s, (int)strlen(x) - tail, x, (int)strlen(y) - tail, y);
        return NULL;
    }
    err_set(e, "%s has no layer \"%.*s\" that gives one result; try one like %.*s", m->info.name, (int)path.n,
            path.s, (int)(example && example->name ? strlen(example->name) - strlen(".weight") : 0),
            example && example->name ? example->name : "");
    return NULL;
}

// All of the decoder's but what the cross-attention makes of the encoder's rows.
bool nn_layer_of_target(const Model *m, const Tensor *weight)
{
    bool decoder = weight == m->decoder_norm.g;
    for (int64_t i = 0; i < m->info.decoder_layers; i++) {
        const Layer *l = &m->decoder[i];
        Layer only = *l;
        only.cross_k.w = only.cross_v.w = NULL;
        Search s = {.path = weight->name};
        look_into(&s, &only);
        decoder |= s.found == weight;
    }
    return decoder;
}
