// SPDX-License-Identifier: Apache-2.0
// layer_gradient_x_activation.c — gradient times value at a layer's result. Captum's layer attribution, after
// Shrikumar et al. 2016, arXiv:1605.01713.
//
//   score[i,s,:] = a[i,:] * df_s/da[i,:]      a: the layer's result at token i; by default the embedding
#include "../run.h"

typedef struct Seen {
    float **at; // [pairs] the layer's result
    TargetLayer l;
    bool times;
} Seen;

static void fill(Run *r, void *context, int64_t i, float *x, float *y)
{
    (void)r, (void)context, (void)i, (void)x, (void)y;
}
static void keep(Run *r, void *context, int64_t i, float *rows) { (void)r, ((Seen *)context)->at[i] = rows; }

static void put(Run *r, void *context, int64_t i, int64_t column, const float *dx, const float *dy)
{
    const Seen *c = context;
    int64_t w = c->l.width;
    const float *from = c->l.target ? dy : dx;
    for (int64_t row = 0; row < layer_rows(r, &c->l, i, column); row++) {
        float *score = run_cell(layer_out(r, &c->l, i), row, column);
        const float *a = c->at[i] + row * w, *g = from + row * w;
        for (int64_t j = 0; j < w; j++) score[j] = c->times ? a[j] * g[j] : g[j];
    }
}

static bool run(Run *r, Err *e)
{
    if (attr_all_layers(r->o)) return layers_all_run(r, e);
    Seen c = {.at = arena_new(r->work, float *, r->n), .times = arg_bool(r, "multiply_by_inputs", true, e)};
    if ((e && e->set) || !layer_find(r, &c.l, e)) return false;
    if (!r->sources && !c.l.weight)
        return method_input_x_gradient.run(r, e); // a decoder alone: its embeddings
    Point *v = arena_new(r->work, Point, r->n);
    for (int64_t i = 0; i < r->n; i++)
        v[i] = (Point){.pair = i, .from = r->from[i], .to = r->to[i], .moves_x = r->sources != NULL};
    layer_room(r, &c.l);
    return run_points(r,
                      &(Points){.v = v,
                                .n = r->n,
                                .context = &c,
                                .fill = fill,
                                .tap = c.l.weight,
                                .tap_target = c.l.target,
                                .at_layer = keep,
                                .gradient = put},
                      e);
}

static bool passes(Run *r, int64_t pair, Passes *p, Err *e)
{
    TargetLayer l;
    Point v = passes_whole(r, pair);
    if (attr_all_layers(r->o)) return passes_gradient(r, pair, p, e);
    if (!layer_find(r, &l, e)) return false;
    if (!r->sources && !l.weight) return passes_gradient(r, pair, p, e);
    passes_add(r, &v, 1, true, p);
    return true;
}

const Method method_layer_gradient_x_activation = {
    .name = "layer_gradient_x_activation",
    .summary = "gradient times value at a layer",
    .paper = "Shrikumar et al. 2016, arXiv:1605.01713",
    .formula = "score[i,s,:] = a[i,:] * df_s/da[i,:]                  a: the layer's result\n"
               "all: score[i,s,l] = |a_l[i,:] * df_s/da_l[i,:]|, divided by its sum over i\n"
               "                                        a_l: the result of feed-forward l",
    .when = "Where in the depth of the model a token counts. One layer's path looks at that layer alone; "
            "\"all\" gives tokens by layers with one way back, drawn as a picture (--picture N): a "
            "gradient's answer to where a fact is recalled (Meng et al. 2022, arXiv:2202.05262). At the "
            "embeddings it is input_x_gradient.",
    .arguments = (const Argument[]){{"target_layer", NULL,
                                     "a module's path as transformers has it, such as encoder.layers.1.fc1, "
                                     "or all (the input embeddings)"},
                                    {"multiply_by_inputs", "true", "without it the gradient alone"},
                                    {0}},
    .cost = "2 forwards, 1 backward (as far as the layer)",
    .passes = passes,
    .run = run,
};
