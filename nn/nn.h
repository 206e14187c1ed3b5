// SPDX-License-Identifier: Apache-2.0
// nn.h — models: opened from a folder, run on ids or embeddings, and asked to generate. The front door of nn/.
//
// A Model is made once and then only read. Activations are matrices of rows, sentences end to end (tensor.h): S source
// rows and T target rows of width D, V words. Everything runs in float32, whatever the file holds.
#pragma once
#include "../tensor/tensor.h"

typedef struct Model Model;

// Linear layers are quantized while a model is opened, as bitsandbytes does.
typedef struct NnQuantize {
    int bits;                // 8 or 4
    bool nf4, nested;        // of 4 bits: NF4, not FP4; blocks' largest values are quantized too
    const char *const *skip; // [n_skip] modules that are not, by their names' beginning or end
    size_t n_skip;
} NnQuantize;

typedef struct NnOptions {
    const char *revision,
        *cache_dir; // of a Hub name; NULL: "main", and where the Hub's own tools keep their cache
    const char **
        note; // gets sentences, a line each, if whoever asked should know more: a folder that was guessed, ...
    const char
        *adapter; // the folder or name of a LoRA adapter to be merged into the weights; NULL: the model's own
    const NnQuantize *quantize; // NULL: weights stay as they are
} NnOptions;

// MODEL is a folder or the name of one in the local Hub cache. Never opens a socket, never runs code from a file.
Model *nn_open(Arena *a, const char *model, NnOptions o, Err *e);

// A model inside this program, such as "demo/en-nl": its folder (BUILTIN, tensor/base.h), or NULL and e says which there
// are. nn_builtins: their names, out [returned].
const char *nn_builtin(Arena *a, const char *name, Err *e);
size_t nn_builtins(Arena *a, const char *const **out);
// The names of the models in the Hub's caches (cache_dir: in that one alone), whole or not, out [returned].
size_t nn_cached(Arena *a, const char *cache_dir, const char *const **out);

// The folder where its tokenizer is, without opening what is in it.
const char *nn_folder(Arena *a, const char *model, NnOptions o, Err *e);

typedef struct ModelInfo {
    const char *name;               // as it was asked for
    const char *folder, *tokenizer; // where its settings are, and where its tokenizer is
    const char *family;             // config.json's model_type: "marian", "t5", ...
    const char *class_name;         // transformers' class: "MarianMTModel", ...
    const char *format;             // of the weights
    const char *types;              // of the weights, with how many tensors each: "Q4_1 210, F32 61"
    const char *quantization;       // of a Hub folder: "bitsandbytes, NF4, nested"; NULL: none
    int bits; // the fewest that one of its matrices has for a number; 16 and 32: of floats
    bool encoder_decoder;
    int64_t width, vocab, max_positions; // of embeddings; V; max_positions 0: no limit
    int64_t states; // D, the width of states: another one than that of embeddings in OPT 350m alone
    int64_t encoder_layers, decoder_layers, heads, encoder_heads; // heads: the decoder's
    int32_t start, pad;                                           // decoder_start_token_id; -1: none
    int32_t config_pad;                                           // config.json's own pad_token_id; -1: none
    int32_t eos;                                                  // the first one; -1: none
    uint64_t parameters, bytes;                                   // of the checkpoint
    size_t tensors;
    double flops_source, flops_target,
        flops_word; // multiply-adds for a source row, a target row, a row of logits
} ModelInfo;

const ModelInfo *nn_info(const Model *m);

// ------------------------------------------------------------------------------------------------ forward

typedef struct Ids {
    const int32_t *v;
    int64_t n;
} Ids;

// False and a sentence if an id is outside the vocabulary or there are more ids than the model has positions.
bool nn_check_ids(const Model *m, Ids ids, bool target, const char *what, Err *e);

// False and a sentence if texts of n tokens are beyond what the model's kind of rope scaling can do in one pass: where the
// angles of all positions depend on the text's length, the steps of a growing text and one pass over it differ.
bool nn_check_length(const Model *m, int64_t n, const char *what, Err *e);

// The embeddings that gradients are taken with respect to: table row x embed_scale, before positions. out [n, D].
void nn_embed(const Model *m, Ids ids, bool target, float *out);

int64_t nn_words(const Model *m, bool target); // rows of that table

// The weight of the module at a path as transformers gives it ("model.encoder.layers.1.fc1", "encoder.block[1]..."; what
// stands before may be left out), for tape_tap, and the width of its result. NULL and a sentence if there is none.
const Tensor *nn_find_layer(const Model *m, Str path, int64_t *width, Err *e);
bool nn_layer_of_target(const Model *m, const Tensor *weight); // its result has a row for each target token

// What one pass leaves. encoder and the attentions are NULL where the model has none.
typedef struct Pass {
    Tensor *x, *y;   // the embeddings given
    Tensor *encoder; // last encoder states [sum S, D]
    Tensor *states;  // last decoder states [sum T, D]
    Tensor *closed;  // the same before a projection to another width; NULL: none is known of
    Tensor **encoder_self, **decoder_self,
        **cross;                       // [layers] results of the attention op (tn_attention_weights)
    Tensor **encoder_in, **decoder_in; // [layers] what each layer was given
    Tensor **encoder_ff, **decoder_ff; // [layers] what its feed-forward gives, before it is added
} Pass;

// One teacher-forced pass: y holds the embeddings of target prefixes; row t of states predicts token t+1.
// keys_of[i]: which source sequence target sequence i belongs to; NULL: the same number. x may be NULL with
// decoder-only models, which on a light tape (tape_light) leave decoder_self empty.
void nn_forward(const Model *m, Tape *t, Tensor *x, Tensor *y, const int32_t *keys_of, Pass *out);
// The same with the model's dropout layers at work, as in training: another seed, another pass. Forward only.
void nn_forward_noisy(const Model *m, Tape *t, Tensor *x, Tensor *y, const int32_t *keys_of, uint64_t seed,
                      Pass *out);
// The bytes that recording a pass over these target rows takes, about.
double nn_record_bytes(const Model *m, const Rows *targets);
// Logits [rows picked, V] of some rows of pass->states, ascending within each sequence of `seqs`.
Tensor *nn_logits(const Model *m, Tape *t, const Pass *pass, const int64_t *rows, const Rows *seqs);
// Logits [rows, V] of any rows of states: a layer's, which the last norm comes before, or (closed) the last ones'.
Tensor *nn_read_out(const Model *m, Tape *t, Tensor *states, bool closed);
// False if logits are not finite; then e says which weight holds NaN or infinity, or that the result overflowed.
bool nn_check_finite(const Model *m, const float *logits, int64_t n, Err *e);

// Which attention loses the values of a token (value zeroing): the encoder's or decoder's own, or the decoder's cross.
typedef enum { ZERO_ENCODER, ZERO_DECODER, ZERO_CROSS } NnZero;

// The matrix [D, heads * width] that the result of an attention goes through: head h's part is columns h * width on. Its
// rows are had by num_weight_row, whatever way the file has it.
const Tensor *nn_attention_output(const Model *m, NnZero which, int64_t layer);

// What a layer of a recorded pass would give for one sequence without the values of a token: one sequence of rows for each
// of the tokens first .. first+n-1, in which all else is as it was. With ZERO_DECODER token j's rows are those from j on,
// which alone see it. heads [heads]: those that lose it; NULL: all. After the last layer the stack's closing norm is
// applied. t: another tape than the pass's, reset here. keys_of: as given to nn_forward. clean: the same rows unharmed,
// [rows of the sequence, D], as long as the pass lives.
Tensor *nn_zero_values(const Model *m, const Tape *recorded, const Pass *pass, Tape *t, NnZero where,
                       int64_t layer, int64_t seq, const int32_t *keys_of, int64_t first, int64_t n,
                       const bool *heads, const float **clean);

// The residual stream of a recorded pass: what self-attention, cross-attention (decoders that have one) and feed-forward
// of each layer add to it, in that order. out is the next step's x. (Where attention and feed-forward both start from one
// state, in parallel, that is one order of the same sum.)
typedef struct StreamStep {
    const Tensor *x, *update, *sum; // [rows, D] sum = x + update
    const Tensor *made;             // what the sub-layer's last matrix gave: update = factor * norm(made)
    NormParts norm;                 // of made; g NULL: none (Gemma 2, OLMo 2 have one)
    float factor;                   // Granite's; 1 for others
    const Tensor *out;              // sum itself, or where a norm follows, norm(sum): see tn_norm_parts
} StreamStep;
const StreamStep *nn_stream(Arena *a, const Model *m, const Tape *recorded, const Pass *pass, bool decoder,
                            int64_t *n);
// out [D]: the word's logit is its product with the last step's out, plus what is returned; before a cap, where the model
// has one.
float nn_word(const Model *m, int32_t word, float *out);

// ------------------------------------------------------------------------------------------------ generation

typedef struct Generated {
    int32_t *ids; // the start token (and a given prefix) first, the end token last if it was produced
    int64_t n;
    double score; // beam search: sum of log-probabilities / length^length_penalty; greedy: the plain sum
} Generated;

typedef struct GenConfig GenConfig;
// The model's own settings (generation_config.json, else config.json), overridden by a JSON object of generate()'s
// arguments (NULL: none).
bool nn_generation(Arena *a, const Model *m, const Json *overrides, const GenConfig **out, Err *e);
// Stop strings are looked for in the bytes that each id adds to a text: text [n], which lives as long as the settings.
bool nn_generation_needs_texts(const GenConfig *g);
const GenConfig *nn_generation_texts(Arena *a, const GenConfig *g, const Str *text, int64_t n);
// What the settings ask for that is not done though generating goes on: a sentence, or NULL.
const char *nn_generation_note(Arena *a, const Model *m, const GenConfig *g);
int64_t nn_generation_returns(const GenConfig *g);      // num_return_sequences
int32_t nn_generation_forced_start(const GenConfig *g); // forced_bos_token_id; -1: none
// n sources (prompts of decoder-only models, which the output begins with) at once, each as if it were alone. prefix[i]: ids after the start token that the output must begin with
// (NULL: none). out [n * num_return_sequences]. progress (may be NULL) is called after each token;
// if it returns false, nn_generate does too, with e "interrupted".
bool nn_generate(Arena *a, const Model *m, const GenConfig *g, int64_t n, const Ids *source,
                 const Ids *prefix, Generated *out, bool (*progress)(void *context, int64_t length),
                 void *context, Err *e);

// ------------------------------------------------------------------------------------------------ as files

// The model as a folder of the Hub's layout, all but its tokenizer: model.safetensors with what its weights are worth as
// float32 (an adapter merged), config.json, and generation_config.json where it has one. Results are the same to the bit.
// False and a sentence if that cannot be written.
bool nn_write_float32(Arena *a, const Model *m, FolderOut *to, Err *e);
// The same, but what the model has in bitsandbytes' codes (NnOptions.quantize) stays in them, as transformers saves and loads
// such models.
bool nn_write_codes(Arena *a, const Model *m, FolderOut *to, Err *e);

// A tokenizer as a GGUF file has it: tokenizer.ggml.*.
typedef struct NnWords {
    const char *model, *pre; // pre NULL: there is none
    const Str *text;         // [n] .s NULL: nothing has this id
    const int32_t *type;     // [n]
    const float *score;      // [n]; NULL: none
    size_t n, n_merges;
    const Str *merge;           // [n_merges]
    Str charsmap, chat;         // .n 0: none; chat: the chat template
    int32_t bos, eos, unk, pad; // of the tokenizer; -1: none
    bool add_bos, add_eos, space_prefix;
} NnWords;

// What was written.
typedef struct NnWritten {
    const char *types; // "Q8_0 20, F32 9": how many tensors of each
    const char
        *others; // "blk.0.ffn_down F16 (rows of 33)": matrices of another type than was asked for; "": none
    uint64_t bytes, weights;
} NnWritten;

// Whether GGUF files have a name for the model's family; a sentence if not.
bool nn_has_gguf(const Model *m, Err *e);
// The model as a GGUF file whose matrices are of this type ("q8_0"), which nn_gguf_types has: vectors, positions and what is
// small stay float32, as llama.cpp has it. back: the model that such a file holds, opened from `to`, which is not ended yet.
// False and a sentence if the file would not hold this model: a setting has no place there, a number does not fit.
bool nn_write_gguf(Arena *a, const Model *m, const char *type, const NnWords *words, FileOut *to,
                   NnWritten *out, Model **back, Err *e);
const char *const *nn_gguf_types(size_t *n);

// ------------------------------------------------------------------------------------------------ the families

const char *const *nn_families(size_t *n); // model_type of each, for messages
