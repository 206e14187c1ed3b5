// SPDX-License-Identifier: Apache-2.0
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

typedef struct Expert {
    Projection gate, up, down;
} Expert;

// Rotary positions, with a table that grows as texts do.
typedef struct Rotation {
    Rope how;
    float *frequency, scale; // [rotated / 2]; of cosines and sines
    int64_t made, room;      // rows of how.table
} Rotation;

typedef struct Layer {
    Projection q, k, v, o, cross_q, cross_k, cross_v, cross_o; // cross_*: decoders only
    Norm self_norm, cross_norm, ff_norm;                       // g NULL: none
    Projection up, gate, down;                                 // gate.w NULL: no gate
    // What follows is of decoder-only models.
    Projection qkv, gate_up;    // w not NULL: stands for q, k, v, or gate, up: they are slices of its result
    Norm q_norm, k_norm;        // of each head, or of whole rows
    Norm self_post, ff_post;    // of what attention and feed-forward give, before it is added
    Projection router;          // scores the experts that stand for up, gate, down; w NULL: none
    Expert *expert;             // [block->experts]
    const Attention *attention; // this layer's; NULL: the model's
    Rotation *rotation;         // of queries and keys; NULL: none
} Layer;

// How the parts of a decoder-only layer come together. x: the residual stream, n: norms before, p: norms after.
typedef enum {
    IN_TURN,  // x += p1(attend(n1 x)); x += p2(ff(n2 x)), where each norm may be missing
    PARALLEL, // x += attend(n1 x) + ff(n2 x), with n1 for n2 where that is missing
    AFTER     // x = n1(x + attend(x)); x = n2(x + ff(x))
} Residual;

// What all layers of a decoder-only model share, and its ends.
typedef struct Block {
    Residual residual;
    float embed_factor,
        residual_factor;                // of the embeddings in the model, of what each part adds; 1: as it is
    float cap;                          // of the logits; 0: none
    const float *positions;             // [max_positions, D] learned, added to the embeddings; NULL: none
    Norm embed_norm;                    // g NULL: none
    Projection project_in, project_out; // w NULL: none
    Slice q, k, v, gate, up;            // of fused results
    int64_t experts, experts_used;
} Block;

// Keys and values of the tokens so far, for decoding row by row: `capacity` rows for each slot and layer. Only the active
// slots are computed: sequence i of a step's rows follows those that slot[i] has. `length` counts the new ones already.
typedef struct Cache {
    Arena *arena;
    int64_t layers, slots, capacity, width;
    int64_t *length, *other_length; // [slots] rows so far
    Tensor *k, *v, *other_k,
        *other_v;                  // [layers]; other_*: where a reordering copies to, NULL before the first
    Tensor **cross_k, **cross_v;   // [layers] computed once from the encoder's states
    int64_t n_active, *slot;       // [slots]
    Rows rows;                     // all rows of each active slot
    int64_t *start, *len, *offset; // [slots] storage of rows; offset: position of the first new row
} Cache;

typedef struct Family {
    const char *model_type, *class_name, *summary;
    const char *base, *anchor; // of the names in its files: see checkpoint_names
    const char *const
        *tied; // tables that are one: see AdapterBase; decoder-only families: base + anchor, lm_head
    const struct DecoderRow *row;   // of decoder-only families: models/decoder.h
    const struct MarianRow *marian; // of those that are Marian's transformer: models/marian.c
    const char *generation; // JSON: what keys for generate() that config.json lacks mean; NULL: nothing
    bool by_class;          // known by "architectures" too: a published folder has no model_type
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
    Norm embed_norm[2];                           // behind the positions; g NULL: none
    Norm encoder_norm, decoder_norm;              // after the last layer; g NULL: none
    Attention self_attention[2], cross_attention; // [encoder, decoder]
    Block *block;                                 // decoder-only models
    int64_t kv_width;                             // of a cached row of keys
    int64_t length_limit;       // rope scaling that depends on the text's length sets in; 0: it doesn't
    const NnQuantize *quantize; // linear layers' weights, while they are bound; NULL: as they are
    bool *bound;                // [tensors of the checkpoint] taken; NULL: nobody asks
    Act act;
    float eps;
    struct Positions {
        float *table[2]; // [encoder, decoder] of `room` rows of D, of which `made` are there; room 0: learned
        float *frequency;   // [D / 2] of the kind that grows; NULL: another
        int64_t made, room; // of both, which are one then
    } * positions;          // absolute positions; NULL: none
    Buf notes;              // sentences that whoever opened it should know, a line each
    Noise *noise;           // NULL but while training
    Noise dropout;          // the rates that config.json states
};

// The model in a GGUF file that is being written, and not ended yet, under this name.
Model *nn_open_begun(Arena *a, const FileOut *to, const char *name, Err *e);

// Weights by name. A missing one or a wrong shape fills e, naming what config.json says; NULL then.
Tensor *bind_matrix(Model *m, const char *name, int64_t rows, int64_t cols, Err *e);
Tensor *bind_vector(Model *m, const char *name, int64_t n, Err *e); // widened to float32, [1,n]
bool bind_has(const Model *m, const char *name);
// n tables [rows, cols] that are one unless the file says otherwise; name[0] is the one that the others are tied to. Each
// is what stands under its own name, else what stands under the first name that is there; equal ones are one tensor. A
// note tells of one that differs although config.json ties it.
bool bind_tied(Model *m, const char *const *name, size_t n, int64_t rows, int64_t cols, bool tied,
               Tensor **out, Err *e);
Tensor *bind_turned(Model *m, const char *name, int64_t rows, int64_t cols, Err *e); // stored [cols, rows]
// A linear layer's weight (turned: the file has it as [in, out]) in codes, if the model is to be quantized. Before it is bound.
bool code_weight(Model *m, const char *name, bool turned, Err *e);
// A linear layer, in codes if asked for; bind_matrix is for what is not quantized.
bool bind_projection(Model *m, Projection *p, const char *prefix, int64_t out, int64_t in, bool bias, Err *e);
bool bind_norm(Model *m, Norm *n, const char *prefix, int64_t width, bool bias, Err *e);

// One past the furthest position of rows that stand behind offset[i] others (NULL: none).
int64_t rows_end(const Rows *rows, const int64_t *offset);
Tensor *apply_projection(Tape *t, Tensor *x, const Projection *p);
Tensor *apply_dropout(const Model *m, Tape *t, Tensor *x); // x itself but while training or in a noisy pass
Tensor *apply_input_dropout(const Model *m, Tape *t, Tensor *x); // the same at a stack's ends
Tensor *apply_norm(const Model *m, Tape *t, Tensor *x, const Norm *n);
// result (may be NULL) gets what it gives before dropout.
Tensor *apply_feed_forward(const Model *m, Tape *t, Tensor *x, const Layer *l, Tensor **result);
// Self-attention of layer i; with a cache the new rows are added to it first. result: the attention op's output, which is
// taken as it is if it is there already.
Tensor *apply_self(const Model *m, Tape *t, Tensor *x, const Layer *l, int64_t i, bool decoder, Cache *c,
                   Tensor **result);
Tensor *apply_cross(const Model *m, Tape *t, Tensor *x, const Layer *l, int64_t i, Tensor *encoder,
                    const int32_t *keys_of, Cache *c, Tensor **result);

// What comes behind the decoder's last layer; pass may be NULL.
Tensor *apply_close(const Model *m, Tape *t, Tensor *y, Pass *pass);

Cache *cache_make(Arena *a, const Model *m, int64_t slots);
void cache_reserve(Cache *c, int64_t rows); // room for so many in each slot, at least
// Before each step: rows[i] more for slot[i].
void cache_activate(Cache *c, const int64_t *slot, const int64_t *rows, int64_t n);
void cache_reorder(Cache *c, const int64_t *from); // slot i continues what slot from[i] was
