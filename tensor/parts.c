// SPDX-License-Identifier: Apache-2.0
// parts.c — what a recorded tensor was made of, for methods that take a pass apart.
#include "op.h"

extern const Op op_add, op_layernorm, op_rmsnorm, op_scale;

bool tn_sum_parts(const Tape *t, const Tensor *made, const Tensor **a, const Tensor **b)
{
    const Node *n = tape_maker(t, made);
    if (!n || n->op != &op_add) return false;
    return *a = n->in[0], *b = n->in[1], true;
}

bool tn_norm_parts(const Tape *t, const Tensor *made, NormParts *out)
{
    const Node *n = tape_maker(t, made);
    bool centred = n && n->op == &op_layernorm; // it keeps mean and scale of each row, the other the scale
    if (!centred && (!n || n->op != &op_rmsnorm || n->in[1]->cols != n->out->cols)) return false;
    *out = (NormParts){.x = n->in[0],
                       .g = n->in[1]->f,
                       .b = centred ? n->in[2]->f : NULL,
                       .scale = n->kept + centred,
                       .stride = centred ? 2 : 1};
    return true;
}

bool tn_scale_parts(const Tape *t, const Tensor *made, const Tensor **x, float *factor)
{
    const Node *n = tape_maker(t, made);
    if (!n || n->op != &op_scale) return false;
    return *x = n->in[0], *factor = n->number, true;
}
