// SPDX-License-Identifier: Apache-2.0
// op_act.c — the activation functions of feed-forward layers, element by element.     back:  dx += dy act'(x)
//   lrp:  dx += dy act(x)/x, and 0 where x is 0
// Keeps act'(x) [R,C]: computed once on the way forward, shared by all K cotangents on the way back.
#include "op.h"

static void shape(Node *n, Tape *t)
{
    shape_of_first(n, t);
    if (n->in[0]->wanted) n->kept = arena_new_raw(tape_arena(t), float, n->out->rows * n->out->cols);
}

static void rows_forward(Node *n, int64_t from, int64_t to)
{
    int64_t at = from * n->out->cols;
    K->act(n->out->f + at, n->kept ? n->kept + at : NULL, n->in[0]->f + at, (to - from) * n->out->cols,
           (int)n->act);
}

static void forward(Node *n, Tape *t) { (void)t, each_rows(n, n->out->rows, n->out->cols, rows_forward); }

static void rows_backward(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    int64_t cols = n->out->cols;
    for (int64_t i = from; i < to; i++) {
        const float *dy = n->out->grad + i * cols, *slope = n->kept + l->row[i] * cols;
        if (n->first) K->mul(n->in[0]->grad + i * cols, dy, slope, cols);
        else K->mul_add(n->in[0]->grad + layout_place(n->in[0]->layout, l, i) * cols, dy, slope, cols);
    }
}

static void backward(Node *n, Tape *t)
{
    (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_backward);
}

static void rows_lrp(Node *n, int64_t from, int64_t to)
{
    const Layout *l = n->out->layout;
    int64_t cols = n->out->cols;
    for (int64_t i = from; i < to; i++) {
        const float *x = n->in[0]->f + l->row[i] * cols, *y = n->out->f + l->row[i] * cols;
        float *dx = n->in[0]->grad + layout_place(n->in[0]->layout, l, i) * cols;
        for (int64_t j = 0; j < cols; j++)
            dx[j] += x[j] != 0 ? n->out->grad[i * cols + j] * (y[j] / x[j]) : 0;
    }
}

static void lrp(Node *n, Tape *t) { (void)t, each_rows(n, n->out->layout->total, n->out->cols, rows_lrp); }

const Op op_act = {
    .name = "act", .shape = shape, .forward = forward, .backward = backward, .lrp = lrp, .sets = true};

Tensor *tn_act(Tape *t, Tensor *x, Act kind)
{
    return tape_run(t, (Node){.op = &op_act, .in = {x}, .act = kind});
}

void tn_rescale(Tape *t, const Rows *rows, const int32_t *partner)
{
    Node *n;
    for (int64_t i = 0; (n = tape_node(t, i)); i++) {
        if (n->op != &op_act || !n->kept || n->out->seqs != rows ||
            (n->act != ACT_RELU && n->act != ACT_TANH))
            continue;
        const float *x = n->in[0]->f, *y = n->out->f;
        for (int64_t s = 0; s < rows->n; s++) {
            if (partner[s] < 0) continue;
            int64_t cols = n->out->cols, at = rows->start[s] * cols, other = rows->start[partner[s]] * cols;
            for (int64_t k = 0; k < rows->len[s] * cols; k++) {
                float dx = x[at + k] - x[other + k];
                if (dx >= 1e-10f || dx <= -1e-10f) n->kept[at + k] = (y[at + k] - y[other + k]) / dx;
            }
        }
    }
}

bool act_by_name(Str name, Act *out) // KEEP: act
{
    static const struct {
        const char *name;
        Act act;
    } known[] = {{"relu", ACT_RELU},           {"silu", ACT_SILU},
                 {"swish", ACT_SILU},          {"gelu", ACT_GELU},
                 {"gelu_new", ACT_GELU_TANH},  {"gelu_pytorch_tanh", ACT_GELU_TANH},
                 {"gelu_fast", ACT_GELU_TANH}, {"tanh", ACT_TANH}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_is(name, known[i].name)) return *out = known[i].act, true;
    return false;
}
