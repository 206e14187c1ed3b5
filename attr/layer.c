// layer.c — what the methods share that look at a layer's result instead of the embeddings (semantics 3.7).
#include "run.h"

bool layer_find(Run *r, TargetLayer *out, Err *e)
{
    const Json *j = attr_argument(r->o, "target_layer");
    *out = (TargetLayer){.width = r->width};
    if (j && j->kind != J_STRING)
        return err_set(
            e, "%s: argument target_layer is %s; it must be a layer's name such as \"encoder.layers.1.fc1\"",
            r->o->method, json_kind_name(j));
    if (r->sources && r->o->attribute_target)
        return err_set(e, "%s: a layer of the encoder knows no target; attribute_target must be off",
                       r->o->method);
    if (!j || str_ends(j->text, STR_LIT("embed_tokens")) || str_ends(j->text, STR_LIT("wte")) ||
        str_is(j->text, "shared"))
        return true;
    if (!r->sources)
        return err_set(e, "%s: %s has no encoder; of its layers only the embeddings can be attributed",
                       r->o->method, r->f->name);
    out->weight = nn_find_layer(r->m, j->text, &out->width, e);
    return out->weight != NULL;
}
