// model.h — private to nn/: what a model family has to provide, and the pieces that families share.
#pragma once
#include "generation.h"
#include "nn.h"

typedef struct Projection { // y = x w^T + b
    Tensor *w, *b;          // b NULL: none
} Projection;

typedef struct Norm {
    Tensor *g, *b; // b NULL: root mean square norm
} Norm;

typedef struct Layer {
    Projection q, k, v, o, cross_q, cross_k, cross_v, cross_o; // cross_*: decoders only
    Norm self_norm, cross_norm, ff_norm;
    Projection up, gate, down; // gate.w NULL: no gate
} Layer;

// Keys and values of the tokens so far, for decoding one row at a time: `capacity` rows for each slot and layer. Only
// the active slots are computed: row i of a step belongs to slot[i].
typedef struct Cache {
    Arena *arena;
    int64_t layers, slots, capacity, length, width;
    Tensor *k, *v, *other_k, *other_v; // [layers]; other_*: where a reordering copies to
    Tensor **cross_k, **cross_v;       // [layers] computed once from the encoder's states
    int64_t n_active, *slot;           // [slots]
    Rows rows;                         // `length` rows of each active slot
    int64_t *start, *len, *offset;     // [slots] storage of rows; offset: position of the next row
} Cache;

typedef struct Family {
    const char *model_type, *class_name, *summary;
    const char *base, *anchor;      // of the names in its files: see checkpoint_names
    bool (*open)(Model *m, Err *e); // reads the configuration and binds the weights
    Tensor *(*encode)(const Model *m, Tape *t, Tensor *x, Pass *pass);
    // cache NULL: whole prefixes at once; else the rows of y are the next row of each beam.
    Tensor *(*decode)(const Model *m, Tape *t, Tensor *y, Tensor *encoder, const int32_t *keys_of,
                      Cache *cache, Pass *pass);
    Tensor *(*logits)(const Model *m, Tape *t, Tensor *states);
    // One layer of what encode and decode do. Each sub-layer's sum is tn_add(t, stream, update): nn_stream reads it so.
    Tensor *(*encoder_layer)(const Model *m, Tape *t, Tensor *x, int64_t i, Pass *pass);
    Tensor *(*decoder_layer)(const Model *m, Tape *t, Tensor *y, int64_t i, Tensor *encoder,
                             const int32_t *keys_of, Cache *cache, Pass *pass);
} Family;

typedef struct Noise { // dropout: in training, and wherever the model has a dropout layer in a noisy pass
    float rate;        // of what each sub-layer adds
    uint64_t seed;     // grows with each use
    float attention, activation,
        inputs; // of attention weights, inside feed-forward layers, at a stack's ends
} Noise;

struct Model {
    const Family *family;
    ModelInfo info;
    Arena *arena;
    Checkpoint *checkpoint;
    Config config;
    GenConfig generation;
    Tensor *embed[2], *output; // [source, target] tables [V,D]; output matrix [V,D]
    Tensor *logits_bias;       // [1,V] or NULL
    float embed_scale, logits_scale;
    Layer *encoder, *decoder;
    Norm encoder_norm, decoder_norm;              // after the last layer; g NULL: none
    Attention self_attention[2], cross_attention; // [encoder, decoder]
    Act act;
    float eps;
    struct Positions {
        float *table; // [max_positions, D], of which `made` rows are there
        int64_t made;
    } * positions; // absolute positions; NULL: none
    Buf notes;     // sentences that whoever opened it should know, a line each
    Noise *noise;  // NULL but while training
    Noise dropout; // the rates that config.json states
};

// Weights by name. A missing one or a wrong shape fills e, naming what config.json says; NULL then.
Tensor *bind_matrix(Model *m, const char *name, int64_t rows, int64_t cols, Err *e);
Tensor *bind_vector(Model *m, const char *name, int64_t n, Err *e); // widened to float32, [1,n]
bool bind_has(const Model *m, const char *name);
// n tables [rows, cols] that are one unless the file says otherwise; name[0] is the one that the others are tied to. Each
// is what stands under its own name, else what stands under the first name that is there; equal ones are one tensor. A
// note tells of one that differs although config.json ties it.
bool bind_tied(Model *m, const char *const *name, size_t n, int64_t rows, int64_t cols, bool tied,
               Tensor **out, Err *e);
bool bind_projection(Model *m, Projection *p, const char *prefix, int64_t out, int64_t in, bool bias, Err *e);
bool bind_norm(Model *m, Norm *n, const char *prefix, int64_t width, bool bias, Err *e);

Tensor *apply_projection(Tape *t, Tensor *x, const Projection *p);
Tensor *apply_dropout(const Model *m, Tape *t, Tensor *x); // x itself but while training or in a noisy pass
Tensor *apply_input_dropout(const Model *m, Tape *t, Tensor *x); // the same at a stack's ends
Tensor *apply_norm(const Model *m, Tape *t, Tensor *x, const Norm *n);
Tensor *apply_feed_forward(const Model *m, Tape *t, Tensor *x, const Layer *l);
// Self-attention of layer i; with a cache the new rows are added to it first. result: the attention op's output, which is
// taken as it is if it is there already.
Tensor *apply_self(const Model *m, Tape *t, Tensor *x, const Layer *l, int64_t i, bool decoder, Cache *c,
                   Tensor **result);
Tensor *apply_cross(const Model *m, Tape *t, Tensor *x, const Layer *l, int64_t i, Tensor *encoder,
                    const int32_t *keys_of, Cache *c, Tensor **result);

Cache *cache_make(Arena *a, const Model *m, int64_t slots);
void cache_activate(Cache *c, const int64_t *slot,
                    int64_t n);                    // before each step: a row for each of these slots
void cache_reorder(Cache *c, const int64_t *from); // slot i continues what slot from[i] was
