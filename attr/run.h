// SPDX-License-Identifier: Apache-2.0
// run.h — private to attr/: a run in progress, what a method and a step function have to provide.
//
// Row s-1 of one teacher-forced pass is step s (design.md §2), so the logits of all steps of all sentences come from
// one forward pass and their gradients from one backward pass with a cotangent for each step.
#pragma once
#include "../nn/nn.h"
#include "attr.h"

// ------------------------------------------------------------------------------------------ step functions

// What a step function sees: one row of logits, and the foil's row for the contrastive ones.
typedef struct StepRow {
    int64_t vocab;
    const float *z, *p; // [V] logits and their softmax
    double log_sum;     // log of the sum of exponentials: log p = z - log_sum
    int32_t token;
    const float *contrast_z, *contrast_p; // [V]; the same pointers where both are one row
    double contrast_log_sum;
    int32_t contrast_token;
    const StepArgs *args;
    const double *noisy; // [args->n_mcd_steps] log-probabilities of the token in noisy passes, or NULL
    float *scratch;      // [4, V] for the function's own use
} StepRow;

// Rows of V floats that a StepRow needs: both distributions and the scratch; and into how many parts, each with such room
// of its own, the rows of n steps are dealt.
enum { ROW_ROOM = 6 };
static inline int64_t run_row_parts(int64_t n) { return n < pool_threads() ? n : pool_threads(); }

typedef struct StepFunction {
    const char *name, *summary;
    const char *formula, *when; // see Entry
    const Argument *arguments;  // of --attribution_kwargs, that it looks at
    const char *must;           // see Entry
    bool contrastive, integer;
    double (*value)(const StepRow *r);
    // Adds the derivative with respect to z into d, and to contrast_z into dc [V] (which may be the same array, and is
    // NULL when the foil is a constant). NULL: cannot be attributed.
    void (*gradient)(const StepRow *r, float *d, float *dc);
} StepFunction;

const StepFunction *step_find(const char *name, Err *e); // an error suggests the nearest name

// ------------------------------------------------------------------------------------------ a run

// Sources and targets that several pairs share (a text with several foils, a foil with the same source) stand in the
// batch once: `sources` and `targets` are the sequences of the pass, a pair points at its own.
typedef struct Run {
    Arena *a;    // results
    Arena *work; // this run only
    const Model *m;
    const ModelInfo *f;
    const AttrOptions *o;
    const Pair *pair;
    int64_t n, width;
    const Rows *sources, *targets; // rows of x and of y (all but the last target token) by sequence
    const Ids *source_ids, *target_ids;
    const int32_t *source_of;     // [targets] which source each target belongs to
    int32_t *target_of, *foil_of; // [n] target sequence of each pair, and of its foil (-1: none)
    float *x, *y;                 // [source rows, D], [target rows, D] scaled embeddings
    int64_t *from, *to;           // [n] steps attributed: from <= s < to
    int64_t n_steps;              // of all pairs, end to end
    int64_t *first_step;          // [n] where each pair's begin
    int32_t *step_pair;           // [n_steps]
    int64_t *foil_at; // [n_steps] position in the foil's target that is compared with this step's token
    int32_t *
        foil_seq; // [n_steps] the foil's sequence, where not all steps of a pair have the same; NULL: foil_of
    bool differentiate; // gradients are wanted of this run's passes
    bool light;         // passes keep only what layers are given, since all of them would not fit max_memory
    bool foil_logits;   // logits of the foils' own rows are wanted, if there are foils
    int64_t n_logits,
        *logit_row; // rows of y whose logits are computed: one for each step, then one for its foil
    const Rows *logit_rows;
    Tape *tape;
    Pass pass;      // at the original embeddings
    Tensor *logits; // [n_logits, V]
    const StepFunction *function;
    // After each way back from the steps' own rows, with run_gradients' context, while all gradients are on the tape:
    // cotangent k is step first + k. NULL: not called.
    void (*gone_back)(struct Run *r, void *context, int64_t first, int64_t n);
    Sequence *out; // [n]
} Run;

static inline const float *run_x(const Run *r, int64_t pair)
{
    return r->x + r->sources->start[r->source_of[r->target_of[pair]]] * r->width;
}
static inline const float *run_y(const Run *r, int64_t pair)
{
    return r->y + r->targets->start[r->target_of[pair]] * r->width;
}

// Called once for each step with its gradients: dx [S, D], and dy [s, D] for target rows 0..s-1 (NULL if not wanted).
typedef void Sink(Run *r, void *context, int64_t pair, int64_t column, const float *dx, const float *dy);

// Checks the pairs, finds their steps, sequences and rows of logits, embeds them: all but out and tape of a run with the
// options o, which attr_check accepts. What is made lies on work.
struct Method;
bool run_begin(Run *r, Arena *work, const Model *m, const AttrOptions *o, const struct Method *method,
               const Pair *pair, size_t n, Err *e);
bool run_same_ids(Ids a, Ids b);
int64_t run_count_rows(const Rows *r); // NULL: none
// Adds a forward pass of these rows and so many rows of logits to what was made (AttrOptions.made).
void run_count_forward(const Run *r, const Rows *x, const Rows *y, int64_t words);
// Step k's row as a step function sees it. own_foil: the foil's word is read from the foil's own pass, else from the same
// row as the token (semantics 2.1). p: room for [ROW_ROOM, V].
StepRow run_step_row(const Run *r, const float *logits, int64_t k, bool own_foil, float *p);
// The pass that run_forward makes, without a look at its logits.
void run_record(Run *r, Tape *tape, const float *x, const float *y, Pass *pass, Tensor **logits);
// How many steps from `first` on fit one way back within max_memory, and the bytes that it takes.
int64_t run_block(Run *r, Tape *tape, Tensor *logits, int64_t first, size_t *bytes);
// A forward pass from other embeddings on `tape` (reset first); logits [n_logits, V].
bool run_forward(Run *r, Tape *tape, const float *x, const float *y, Pass *pass, Tensor **logits, Err *e);
// The attributed function's value at each step (may be NULL) and its gradients, for a pass that was just run.
void run_gradients(Run *r, Tape *tape, const Pass *pass, Tensor *logits, double *values, Sink *sink,
                   void *context);
// The attributed function's value at each step [n_steps].
void run_values(Run *r, const Tensor *logits, double *values);
static inline int32_t run_foil(const Run *r, int64_t step) // the foil's sequence; -1: none
{
    return r->foil_seq ? r->foil_seq[step] : r->foil_of[r->step_pair[step]];
}
// The word that the step of a pair with a foil is compared with.
static inline const Token *run_foil_word(const Run *r, int64_t step)
{
    const Pair *p = &r->pair[r->step_pair[step]];
    return p->foil ? p->foil : &p->contrast->target_tokens[r->foil_at[step]];
}
static inline int32_t run_foil_id(const Run *r, int64_t step)
{
    const Pair *p = &r->pair[r->step_pair[step]];
    return p->foil ? p->foil->id : p->contrast->target.v[r->foil_at[step]];
}
// Whether that step's foil has the very prefix that is attributed, and so moves with it where contrast_force_inputs; how
// many of a pair's steps do.
bool run_foil_shares(const Run *r, int64_t step);
int64_t run_foils_sharing(const Run *r, int64_t pair);
// Fills step_pair, the rows of logits and, where it is NULL, foil_at from pairs, from, to, first_step, target_of, foil_of.
void run_choose_rows(Run *r);
// Adds a step score of that name to every pair: room for a value for each column.
void run_step_score(Run *r, Str name);
// The same for a sequence score, of these dimensions, filled with zeros; returned for pair i.
Scores *run_sequence_score(Run *r, int64_t i, Str name, int rank, const int64_t *dims);
// Room for scores of every pair: source [S, n, extra...], target [T, n, extra...] filled with NaN.
void run_scores(Run *r, int extra, const int64_t *dims, OutputClass kind);
void run_scores_of(Run *r, bool source, bool target, int extra, const int64_t *dims,
                   OutputClass kind); // of these sides
// The first of the scores of attributed row i in column c.
static inline float *run_cell(const Scores *s, int64_t i, int64_t c)
{
    int64_t each = 1;
    for (int k = 2; k < s->rank; k++) each *= s->dim[k];
    return s->v + (i * s->dim[1] + c) * each;
}
static inline bool run_wants_target(const Run *r) { return r->o->attribute_target || !r->f->encoder_decoder; }

// ------------------------------------------------------------------------------------------ many passes (points.c)

// One pair again, at other embeddings: what methods with many passes are made of. Every point is computed as if it were
// alone; how many share a pass (max_memory decides) changes no bit.
typedef struct Point {
    int64_t pair;
    int64_t from, to;      // steps wanted, from <= s < to; none if equal
    bool moves_x, moves_y; // which embeddings differ from the pair's own
} Point;

typedef struct Points {
    const Point *v;
    int64_t n;
    int64_t group; // points that must share a pass: 2, or 1 (0 too)
    int64_t most;  // points of a pass at most; 0: as many as memory allows
    void *context;
    // Writes the embeddings that move: x [S, D], y [T-1, D] hold the pair's own; NULL where nothing moves.
    void (*fill)(Run *r, void *context, int64_t point, float *x, float *y);
    void (*prepare)(Run *r, void *context, Tape *tape); // before going back; may be NULL
    // Gradients with respect to a layer's result instead (layer.c): the layer's weight, or NULL for the embeddings. at_layer
    // is called with the rows of each point's source [S, width], or of its target, rows 0..to-2, when they are made; it may
    // keep the place and change them.
    const Tensor *tap;
    bool tap_target;
    void (*at_layer)(Run *r, void *context, int64_t point, float *rows);
    void (*value)(Run *r, void *context, int64_t point, int64_t column, double value); // may be NULL
    void (*gradient)(Run *r, void *context, int64_t point, int64_t column, const float *dx,
                     const float *dy); // may be NULL
} Points;

// Columns are counted from the pair's first attributed step; calls come in order of points and columns.
bool run_points(Run *r, const Points *p, Err *e);

// ------------------------------------------------------------------------------------------ cost (passes.c)

// For Method.passes: adds `times` passes at a point; those with gradients go back.
void passes_add(const Run *r, const Point *v, double times, bool gradient, Passes *p);
Point passes_whole(const Run *r, int64_t pair); // the point of all of a pair's steps, where both sides move
// The way back through the pass that each run begins with: .passes of methods that need no more.
bool passes_gradient(Run *r, int64_t pair, Passes *p, Err *e);
void passes_first(const Run *r, Passes *p); // the pass that every run begins with, and those with noise
// What run_deltas runs, if it was asked for.
bool passes_deltas(Run *r, int64_t pair, Passes *p, Err *e);

// The baseline of every row (baseline.c, semantics 3.1): [source rows, D] into bx, [target rows, D] into by.
bool run_baseline(Run *r, float **bx, float **by, Err *e);
int32_t run_baseline_id(const Run *r, int32_t id, int64_t i,
                        bool target); // the word that stands for token i there
bool run_baseline_keeps(const Run *r, int32_t id, int64_t i, bool target); // an end or start token: itself
// With return_convergence_delta: adds the step score "deltas", sum of all attributions - (f(x) - f(baseline)).
bool run_deltas(Run *r, const float *bx, const float *by, Err *e);
void run_delta_scores(Run *r, const double *at_baseline); // the same, of values that are known [n_steps]
// The place of a pair's source and target rows among all.
static inline int64_t run_x_at(const Run *r, int64_t pair)
{
    return r->sources->start[r->source_of[r->target_of[pair]]] * r->width;
}
static inline int64_t run_y_at(const Run *r, int64_t pair)
{
    return r->targets->start[r->target_of[pair]] * r->width;
}

// ------------------------------------------------------------------------------------------ units (units.c)

// Rows from <= i < to of one side that are left out together.
typedef struct Unit {
    int64_t from, to;
    bool target;
} Unit;

typedef struct Units {
    Unit *v;
    int64_t n;
} Units;

// The units of every pair [r->n], as the arguments ARG_UNITS say: all source rows, then all target rows if they are
// attributed, in order.
bool run_units(Run *r, Units **out, Err *e);
// How many of the unit's rows step s sees.
static inline int64_t unit_rows(const Unit *u, int64_t s)
{
    int64_t to = u->target && u->to > s ? s : u->to;
    return to > u->from ? to - u->from : 0;
}

// ------------------------------------------------------------------------------------------ faithfulness (evaluate.c)

// Measures the scores that the method has just left: adds the step scores evaluate_names, and Sequence.evaluation on a.
bool run_evaluate(Run *r, Arena *a, Err *e);
// What that will run for a pair: as if both sides moved, where both are attributed.
bool passes_evaluate(Run *r, int64_t pair, Passes *p, Err *e);

// ------------------------------------------------------------------------------------------ paths (path.c)

typedef struct PathNodes {
    int64_t n, most;     // points; of a pass at most, 0: any (internal_batch_size)
    double *at, *weight; // [n] positions in [0, 1]
} PathNodes;

bool path_nodes(Run *r, PathNodes *out, Err *e); // arguments n_steps, method, internal_batch_size
void path_point(float *x, const float *baseline, float a, int64_t n); // x = x' + a (x - x')
// Scores of a column += weight * gradient, or = if first.
void path_add(Run *r, int64_t pair, int64_t column, float weight, bool first, const float *dx,
              const float *dy);
void path_times_difference(Run *r, const float *bx, const float *by); // all scores *= x - x'

// ------------------------------------------------------------------------------------------ layers (layer.c)

typedef struct TargetLayer {
    const Tensor *weight; // NULL: the input embeddings
    int64_t width;
    bool target; // its rows are those of the target
} TargetLayer;

// The argument target_layer. Rows of the source are there for layers of the encoder (attribute_target is refused) and for
// what the cross-attention makes of them; all other layers of the decoder have rows of the target prefix.
bool layer_find(Run *r, TargetLayer *out, Err *e);
// Puts a pair's baseline in the place of its embeddings; x, y NULL: not of this side.
void layer_baseline(Run *r, int64_t pair, const float *bx, const float *by, float *x, float *y);
// Room for scores of that side, and those of a pair; how many rows step from + column sees, or all steps with column -1.
void layer_room(Run *r, const TargetLayer *l);
Scores *layer_out(Run *r, const TargetLayer *l, int64_t pair);
int64_t layer_rows(const Run *r, const TargetLayer *l, int64_t pair, int64_t column);
// With attr_all_layers (all_layers.c): scores [.., steps, layers], one way back for all layers.
bool layers_all_run(Run *r, Err *e);
// DeepLIFT: the rescale rule between neighbouring points (deeplift.c), for Points.prepare.
void deeplift_rescale(Run *v, void *context, Tape *tape);

// ------------------------------------------------------------------------------------------ methods

typedef struct Method {
    const char *name; // Inseq's own, so that scripts keep working
    const char *summary, *paper;
    const char *formula, *when; // see Entry
    const Argument *arguments;  // that it takes from method_args, and no others; NULL: none
    bool no_gradient;           // the attributed function is not differentiated
    bool light;                 // it looks at nothing of a pass but logits and the gradients of inputs
    const char *cost;           // for one text and all its steps, in a few words: "1 forward, 1 backward"
    // Adds what it runs for a pair after the pass that each run begins with; NULL: nothing. run's arguments are checked.
    bool (*passes)(Run *r, int64_t pair, Passes *p, Err *e);
    bool (*run)(Run *r, Err *e);
} Method;

// Arguments that several methods have: rows of their tables.
// clang-format off
#define ARG_SEED {"seed", "0", "of what is drawn: the same seed, the same scores"}
#define ARG_MOST {"perturbations_per_eval", NULL, "changed inputs of a pass at most (as memory allows); no score depends on it"}
#define ARG_BATCH {"internal_batch_size", NULL, "points of a pass at most (as memory allows); no score depends on it"}
#define ARG_DELTA {"return_convergence_delta", "false", "step score deltas: the sum of a column's scores - (f_s(x) - f_s(x'))"}
#define ARG_TIMES {"multiply_by_inputs", "true", "false: without the difference from the baseline"}
#define ARG_PATH                                                                                             \
    {"n_steps", "50", "points on the line"},                                                                 \
    {"method", "\"gausslegendre\"", "where they are and what they weigh: gausslegendre, riemann_left, riemann_right, riemann_middle or riemann_trapezoid"}, \
    ARG_BATCH
#define ARG_LAYER {"target_layer", NULL, "a module's path as transformers has it, such as encoder.layers.1.fc1 (the input embeddings)"}
#define ARG_UNITS                                                                                            \
    {"units", "\"token\"", "what is left out together: token, word or sentence"},                            \
    {"source_spans", NULL, "or these tokens of the source together: [[from, to], ...], from 0, to not included"}, \
    {"target_spans", NULL, "or these of the target, if it is attributed; of decoder-only models prompt and all"}
// clang-format on

const Method *method_find(const char *name, Err *e);
extern const Method method_input_x_gradient, method_integrated_gradients,
    method_deeplift; // what layer methods do at the
                     // embeddings
// Arguments by name, also inside attribution_args; NULL: not given. arg_*: with defaults; wrong kinds fill e.
const Json *attr_argument(const AttrOptions *o, const char *name);
bool arg_bool(const Run *r, const char *name, bool absent, Err *e);
int64_t arg_int(const Run *r, const char *name, int64_t absent, int64_t least, int64_t most, Err *e);
double arg_real(const Run *r, const char *name, double absent, double least, double most, Err *e);
// The index of the text among `allowed` (n of them); absent: of the default.
size_t arg_choice(const Run *r, const char *name, size_t absent, const char *const *allowed, size_t n,
                  Err *e);
