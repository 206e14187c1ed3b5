// SPDX-License-Identifier: Apache-2.0
// decoder.h — private to nn/: decoder-only language models as one block with switches.
//
// A family is a row (decoders.c): what its class fixes, the names of its tensors, and a page that reads the keys which are
// its own. config.json and the row make a DecoderShape (decoder_config.c), which says everything there is to know; a shape
// and the names make a model (decoder_bind.c), which decoder.c runs. Another kind of file with the same models in it needs
// another way to a shape, and other names.
#pragma once
#include "../model.h"

typedef enum { NORM_LAYER, NORM_RMS, NORM_RMS_PLUS_ONE } NormKind; // the last: gains are 1 + what is stored
typedef enum { QK_PLAIN, QK_NORM_HEADS, QK_NORM_ROWS } QkNorm; // of queries and keys, before they are turned
typedef enum {
    APART,
    THIRDS,
    BY_HEAD,
    BY_GROUP,
    BEHIND
} Fused; // how q, k, v lie in one matrix: see decoder_bind.c
typedef enum { POSITIONS_ROTARY, POSITIONS_LEARNED, POSITIONS_ALIBI } PositionKind;
typedef enum { ROPE_PLAIN, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_LLAMA3, ROPE_YARN, ROPE_LONG } RopeScaling;

// Angles per position. rope_scaling.c reads it and makes the frequencies.
typedef struct RopeShape {
    RopeScaling kind;
    double theta;
    int64_t rotated;                      // columns of a head, even
    double factor, low, high, fast, slow; // of the scaling; fast and slow are YaRN's betas
    double attention_factor;              // of cosines and sines
    int64_t original, most;               // positions before scaling; of the model
    bool truncate;
    const float *short_factor, *long_factor; // [rotated / 2] LongRoPE's
} RopeShape;

// Where tensors are: transformers' own names, which checkpoint_names finds in other forms too. Those of layers stand behind
// `layer` and the layer's number. NULL: the family has no such tensor.
typedef struct DecoderNames {
    const char *embed, *embed_norm, *positions, *project_in, *project_out, *last_norm;
    const char *output[3]; // tried in order
    const char *layer;
    const char *self_norm, *self_post, *ff_norm, *ff_post;
    const char *qkv, *q, *k, *v, *o, *q_norm, *k_norm;
    const char *up, *gate, *gate_up, *down;
    const char *router, *expert, *expert_up, *expert_gate, *expert_down;
} DecoderNames;

typedef struct DecoderShape {
    const DecoderNames *names;
    int64_t layers, width, embed_width, heads, kv_heads, head_dim, ff, vocab;
    int64_t positions; // of a learned table: most tokens of a text; 0: any number
    int64_t skipped;   // rows of that table before the first position's
    NormKind norm;
    Residual residual;
    PositionKind position;
    Fused fused;
    QkNorm qk_norm;
    Act act;
    float eps;
    bool turned, gated, gate_up, tied;
    bool bias_qkv, bias_o, bias_ff, bias_output;
    bool last_norm;
    float scale; // of dot products
    bool scale_by_layer, slopes_short, neighbours;
    float cap, final_cap;
    int64_t *window; // [layers] 0: none
    int *rotation;   // [layers] which of rope[2]; -1: none
    RopeShape rope[2];
    float embed_scale;                   // in the embedding itself: gradients are taken behind it
    float embed_factor, residual_factor; // in the model
    float logits_scale;
    int64_t experts, experts_used;
} DecoderShape;

typedef enum { NEVER, ALWAYS, BY_KEY } BiasRule;

typedef struct DecoderRow {
    const DecoderNames *names;
    NormKind norm;
    Residual residual;
    PositionKind position;
    Fused fused;
    QkNorm qk_norm;
    bool turned, gated, gate_up, neighbours, tied, output_bias;
    bool wrapped;       // config.json may keep the language model's part under text_config
    const char *ff_key; // NULL: intermediate_size
    const char *act;    // when config.json says nothing
    const char *qkv_bias, *o_bias,
        *ff_bias; // "yes", "no", or a key and what its absence means: "attention_bias=no"
    double eps, theta;
    int64_t heads, kv_heads, head_dim,
        vocab;     // when absent; 0: needed, as many as heads, width / heads, needed
    double rotary; // of a head's columns; 0: 1
    const char *rotary_key;
    bool long_yarn; // rope_scaling's "yarn" means "longrope"
    // Reads the keys that are this family's own, after the common ones.
    bool (*page)(const struct DecoderRow *row, Model *m, const Config *c, DecoderShape *s, Err *e);
} DecoderRow;

bool decoder_read(Model *m, const DecoderRow *row, DecoderShape *out, Err *e);
bool decoder_bind(Model *m, const DecoderShape *s, Err *e);

// "which": the layers that an object in rope_parameters may be for ("full_attention", ...); NULL: all.
bool rope_read(Arena *a, const Config *c, const DecoderRow *row, const char *which, double theta,
               int64_t head_dim, RopeShape *out, Err *e);
// For texts of `length` tokens (it matters to ROPE_DYNAMIC and ROPE_LONG). out [rotated / 2]; returns the factor of cosines
// and sines.
float rope_frequencies(const RopeShape *s, int64_t length, float *out);
int64_t rope_limit(const RopeShape *s); // longer texts have other frequencies; 0: all have the same

// For pages: the first of the keys that is there (not null), or NULL; keys end with NULL.
static inline const char *decoder_key(const Config *c, const char *const *keys)
{
    for (; *keys; keys++) {
        const Json *j = json_get(c->json, *keys);
        if (j && j->kind != J_NULL) return *keys;
    }
    return NULL;
}
bool decoder_windows(const Config *c, DecoderShape *s, int64_t window, bool (*has)(const Config *, int64_t),
                     Err *e);

// Whether model_type names a family whose layers are of another make, though it is kin to one of ours.
bool decoder_is_other(Str model_type);
// Models that people take for one of ours (nn/others.c): what it is, and what may serve instead.
bool other_is(Str model_type, const char **what, const char **instead);
bool decoder_open(Model *m, Err *e);
Tensor *decoder_decode(const Model *m, Tape *t, Tensor *y, Tensor *encoder, const int32_t *keys_of,
                       Cache *cache, Pass *pass);
Tensor *decoder_layer(const Model *m, Tape *t, Tensor *y, int64_t i, Tensor *encoder, const int32_t *keys_of,
                      Cache *cache, Pass *pass);
Tensor *decoder_logits(const Model *m, Tape *t, Tensor *states);
