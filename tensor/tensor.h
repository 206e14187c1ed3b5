// SPDX-License-Identifier: Apache-2.0
// tensor.h — matrices, the tape, and every operation that can be differentiated.
//
// Everything is a matrix of float32 rows. Sentences of a batch stand end to end, without padding; `Rows` says where
// each begins. Running an op records a node on the Tape; tape_backward goes back through the nodes for K cotangents
// at once (design.md §2): K scalar functions, each of one sentence, all of whose gradients one pass computes.
#pragma once
#include "base.h"

// ------------------------------------------------------------------------------------------------ matrices

// Where the sequences of a batch lie among a tensor's rows.
typedef struct Rows {
    int64_t n;            // sequences
    const int64_t *start; // [n] first row
    const int64_t *len;   // [n] rows
} Rows;

Rows *rows_make(Arena *a, int64_t n, const int64_t *len); // end to end

// Which rows of a tensor each cotangent k can reach: rows row0[k] .. row0[k]+n[k]-1, whose gradients are stored
// packed, end to end, from packed row at[k] on. total = at[K].
typedef struct Layout {
    int64_t K, total;
    const int32_t *seq;     // [K] the sequence of cotangent k
    int64_t *row0, *n, *at; // [K], [K], [K+1]
    int32_t *row, *of;      // [total] the row and the cotangent of each packed row
} Layout;

typedef enum {
#define TYPE(name, elements, bytes, number) W_##name,
#include "types.def"
#undef TYPE
    W_TYPES
} WType;

// Of so many weights in a row, whole blocks of them.
static inline int64_t type_bytes(WType type, int64_t n)
{
    static const struct {
        int64_t elements, bytes;
    } block[] = {
#define TYPE(name, elements, bytes, number) {elements, bytes},
#include "types.def"
#undef TYPE
    };
    return n / block[type].elements * block[type].bytes;
}

// Weights of a block; 1: the type has none.
static inline int64_t type_elements(WType type)
{
    static const int64_t n[] = {
#define TYPE(name, elements, bytes, number) elements,
#include "types.def"
#undef TYPE
    };
    return n[type];
}

// A weight in codes: where its parts are, views of a file at any address. What a field means is the type's own (codes.h).
typedef struct Coded {
    int64_t rows, cols; // as the codes have it: GPTQ's and AWQ's rows are inputs, and such weights are turned
    const void *codes, *scale, *zero, *group;
    WType scale_type;                  // F32, F16 or BF16
    int64_t bits, pitch;               // of a code; bytes of a row of codes
    int64_t high, wide, groups;        // rows and columns that share a scale; scales in a row
    int64_t zero_pitch;                // bytes of a row of zeros
    int32_t zero_plus;                 // what is added to a stored zero, or stands for one if there are none
    const void *table;                 // [16] what codes of 4 bits stand for
    const void *nested, *nested_scale; // [256] and F32: scales are codes themselves; NULL: they are numbers
    int64_t nested_wide;
    float nested_offset;
} Coded;

// The address of a row of one: `raw` of a coded Tensor is the first of an array of them.
typedef struct CodedRow {
    const Coded *weight;
    int64_t row;
} CodedRow;
const CodedRow *coded_rows(Arena *a, const Coded *weight);
static inline bool type_is_coded(WType type) { return !type_bytes(type, 1 << 8); }

// From one row of a matrix to the next, of so many columns.
static inline int64_t type_row_bytes(WType type, int64_t cols)
{
    return type_is_coded(type) ? (int64_t)sizeof(CodedRow) : type_bytes(type, cols);
}

// An activation (f is set, owned by the tape's arena) or a weight (raw is set: a view into the mapped file, of any
// alignment and of the stored type).
typedef struct Tensor {
    int64_t rows, cols;
    float *f;
    const void *raw;
    WType type;
    bool turned;      // a weight whose file has it as [cols, rows] (GPT-2's Conv1D)
    bool wanted;      // a gradient is asked for: set on leaves, inherited by results
    bool kept;        // the gradient of a result outlives the way back, as a leaf's does
    const Rows *seqs; // NULL for weights
    Layout *layout;   // during backward
    float *grad;      // activations [layout->total, cols]; weights [rows, cols], summed over cotangents
    const char *name; // weights: as in the checkpoint, for messages
} Tensor;

// ------------------------------------------------------------------------------------------------ the tape

typedef struct Tape Tape;

Tape *tape_create(Arena *a);
void tape_reset(Tape *t); // forgets all nodes and values, keeps the memory
// Makes the result of the op that uses this weight (as second input) a leaf whose gradient is wanted: what came before is
// not gone back to. edit (may be NULL) may read and change its values when it is made. Holds until the next call; weight
// NULL ends it.
typedef void TapeEdit(Tensor *made, void *context);
void tape_tap(Tape *t, const Tensor *weight, TapeEdit *edit, void *context);
Tensor *tape_tapped(const Tape *t); // the leaf made since the last reset; NULL: none
// While nothing is recorded: forgets all values but x, which is moved (its seqs must live elsewhere). Else x itself.
Tensor *tape_keep(Tape *t, Tensor *x);
void tape_record(Tape *t, bool on); // off: forward only, nothing kept for the way back
// On: models that can record each of their layers as one operation (tn_again), so that a pass keeps only what layers are
// given. The numbers are the same; there are no attention weights to look at then.
void tape_light(Tape *t, bool on);
bool tape_is_light(const Tape *t);
// On: operations make their results' shapes and take their memory, but nothing is computed (tape_backward_bytes then says
// what the way back would take).
void tape_dry(Tape *t, bool on);
// On: the way back follows the rules of layer-wise relevance propagation where an operation has one (Op.lrp), so that an
// input times its "gradient" is its relevance (attr/methods/attn_lrp.c). Data only, no weights'. Off at first; holds until changed.
void tape_lrp(Tape *t, bool on);

// Where the time goes: seconds by operation, and the floating-point operations of its large matrix products; NULL names end
// the list.
enum { PROFILE_OPS = 32 };
typedef struct ProfileOp {
    const char *name;
    double forward, backward, flops;
} ProfileOp;
void tape_profile(Tape *t, ProfileOp *ops); // [PROFILE_OPS], added to; NULL: off
Arena *tape_arena(Tape *t);                 // for values that live as long as the nodes
size_t tape_peak(const Tape *t);            // bytes of values and gradients at most so far

Tensor *tn_new(Tape *t, int64_t rows, int64_t cols, const Rows *seqs); // zeroed
Tensor *tn_leaf(Tape *t, const float *f, int64_t rows, int64_t cols, const Rows *seqs,
                bool wanted); // copies f
Tensor *tn_weight(Arena *a, const void *raw, WType type, int64_t rows, int64_t cols, const char *name);

// The gradients of K scalars with respect to every wanted leaf. seed: the K cotangents of `out`, packed as `at` says
// (each covers rows row0[k]..+n[k] of out, all of sequence seq[k]). Afterwards leaf->grad [layout->total, cols]
// holds the leaf's gradients; it lives until the next backward or reset. Weights that are wanted add into
// weight->grad, which the caller has zeroed.
void tape_backward(Tape *t, Tensor *out, const Layout *seed_layout, const float *seed);
// The same in two parts, without a copy: room for the seeds [seed_layout->total, out->cols], zeroed, to be filled; then back.
float *tape_seed(Tape *t, Tensor *out, const Layout *seed_layout);
void tape_go_back(Tape *t, Tensor *out);
// The bytes of gradients that this call would need at its peak: what --max-memory is held against.
size_t tape_backward_bytes(Tape *t, Tensor *out, const Layout *seed_layout);
Layout *layout_make(Arena *a, int64_t K, const int32_t *seq, const int64_t *row0, const int64_t *n);

// ------------------------------------------------------------------------------------------------ the operations

typedef enum { ACT_RELU, ACT_SILU, ACT_GELU, ACT_GELU_TANH, ACT_TANH } Act;
bool act_by_name(Str name,
                 Act *out); // transformers' ACT2FN names: "relu", "swish", "silu", "gelu", "gelu_new", ...

// Scaled dot-product attention. Query row i of a sequence sees key rows 0 .. n_keys - n_queries + i if causal, else all.
typedef struct Attention {
    int heads;
    int kv_heads; // of k and v: query head h meets theirs h / (heads / kv_heads); 0: as many (grouped queries: Ainslie 2023)
    float scale; // of the dot products: 1/sqrt(head width) for most, 1 for T5
    bool causal;
    int64_t window; // a query sees its own key and the window - 1 before it; 0: all before it
    const float *
        slopes; // [heads] slope x (key's row in its sequence) is added to scores (ALiBi: Press 2022); NULL: none
    bool slopes_short; // that product is rounded to bfloat16, and scaled as the dot products are (Falcon)
    float cap;         // scores become cap tanh(score / cap) (Gemma 2); 0: as they are
    const int32_t *keys_of; // sequence of keys for each sequence of queries; NULL: the same number
    float dropout;          // of the weights, by num_random(seed, place): forward passes only; 0: none
    uint64_t seed;
    Tensor *bias;       // [buckets, heads] relative position table, or NULL (T5)
    bool bidirectional; // of the buckets
    int64_t max_distance;
} Attention;

// Stretches of columns of a fused result: block b is columns from + b / each * step + b % each * width on, `width` wide.
typedef struct Slice {
    int64_t from, width, blocks, each, step;
} Slice;

// Rotary positions (RoFormer: Su et al. 2021, arXiv:2104.09864): in each head of `width` columns pair i of the first
// `rotated` is turned by the angle whose cosine and sine are pairs 2i of a table's row for the position.
typedef struct Rope {
    int64_t width, rotated;
    bool neighbours; // pairs are columns 2i and 2i+1; else i and i + rotated / 2
    const float
        *table; // [positions, rotated] (cos, sin) of each pair; constants that outlive the tape's values
    const float *const *of; // [sequences] a table for each sequence instead, or NULL
} Rope;

typedef Tensor *TapePart(Tape *t, Tensor *x,
                         void *context); // of x and context alone; as many rows and columns as x

#define OP(name, args) Tensor *tn_##name args;
#include "ops.def"
#undef OP

// The softmax weights of the attention that made `out`, [heads][n_queries][n_keys] of one sequence of queries; lives
// as long as the tape's values. Record must be on.
const float *tn_attention_weights(const Tape *t, const Tensor *out, int64_t seq, int64_t *n_queries,
                                  int64_t *n_keys);
const Tensor *tn_attention_values(const Tape *t, const Tensor *out); // the values it weighed

// What a recorded tensor was made of; false if another op made it. A norm, with each row's scale as a constant, is linear:
// y = scale[i * stride] * (x - mean(x)) * g + b in row i, and x is not centred where b is NULL (root mean square norms).
typedef struct NormParts {
    const Tensor *x;
    const float *g, *b, *scale;
    int64_t stride;
} NormParts;
bool tn_norm_parts(const Tape *t, const Tensor *made, NormParts *out);
bool tn_sum_parts(const Tape *t, const Tensor *made, const Tensor **a, const Tensor **b);
bool tn_scale_parts(const Tape *t, const Tensor *made, const Tensor **x, float *factor);

// DeepLIFT's rescale rule for the way back through recorded ReLU and tanh on these rows: where sequence i has a partner
// (partner[i] >= 0, as long), (y - y')/(x - x') takes the place of the derivative, unless x and x' are within 1e-10.
void tn_rescale(Tape *t, const Rows *rows, const int32_t *partner);

// ------------------------------------------------------------------------------------------------ numbers

// On rows of plain floats; same bits on every instruction set.
void num_softmax(float *p, const float *z, int64_t n); // p = softmax(z)
double num_log_sum_exp(const float *z, int64_t n);
double num_log(double x); // not libm's: the same everywhere
double num_exp(double x);
uint64_t num_random(uint64_t seed, uint64_t counter);        // splitmix64: well mixed bits of the two
int64_t num_argmax(const float *z, int64_t n);               // first among equals
void num_axpy(float *y, float a, const float *x, int64_t n); // y += a x
float num_dot(const float *x, const float *y, int64_t n);
void num_widen(float *out, const void *raw, WType type, int64_t at,
               int64_t n);    // elements at .. at+n-1 as float32
bool num_narrows(WType type); // num_narrow knows the type
// n numbers, of whole blocks, as this type stores them (narrow.c). -1, or which of them is NaN, infinite or too large for it
// (float32 takes all).
int64_t num_narrow(void *out, const float *x, WType type, int64_t n);
void num_weight_row(float *out, const Tensor *w,
                    int64_t row); // of a weight, as float32, also if it is turned
void num_weight_rows(float *out, const Tensor *w, int64_t row, int64_t n); // so many from that one on
bool num_all_finite(const void *raw, WType type, int64_t n, int64_t *bad_at);
// Codes as bitsandbytes makes them (encode.c). -1, or which number has no place: NaN, infinity, in a row of 8 bits what is too
// large for a half float.
int64_t code_8bit(int8_t *q, float *most, const float *row, int64_t n);
// n numbers from the first of a block on, a number of `most` for each block; q: two a byte, the first in the high half.
int64_t code_4bit(uint8_t *q, float *most, const float *x, int64_t n, int64_t block, bool nf4);
void code_nested(uint8_t *q, float *nested, float *offset, const float *most,
                 int64_t n);                   // nested: one for 256
extern const float code_nf4[16], code_fp4[16]; // what 4 bits stand for
float code_dynamic(int i);                     // what a nested one does

// The table of tn_rope, rows from..to-1: cos and sin of position * frequency[i] (a float32 product), times `scale`.
void num_rotations(float *table, const float *frequency, int64_t pairs, int64_t from, int64_t to,
                   float scale);
// Rows from..to-1 of another table of positions: sines of position * frequency[i] (a float32 product), then their cosines,
// width / 2 each, and a zero where the width is odd.
void num_halved_sinusoids(float *table, const float *frequency, int64_t from, int64_t to, int64_t width);
void num_sinusoids(float *table, int64_t from, int64_t to,
                   int64_t width); // Marian's positions, rows from..to-1 of a table

// ------------------------------------------------------------------------------------------------ the machine

bool cpu_select(const char *isa,
                Err *e); // NULL: INSEQ_ISA, else the best this machine has. Call once, first.
const char *cpu_isa(void);
size_t cpu_isas(const char *out[4]); // those that this machine can run
double cpu_peak(int threads);        // measured FMA peak, floating-point operations per second
double cpu_bandwidth(int threads);   // measured read bandwidth, bytes per second
