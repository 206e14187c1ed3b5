// SPDX-License-Identifier: Apache-2.0
// lens.c — the logit lens: what each layer of the decoder would say at each position if the model ended there. Its states
// go through the last norm and the output matrix. nostalgebraist 2020, "interpreting GPT: the logit lens".
//
//   z_l = W norm(x_l)      x_0: what the first layer is given; x_L: what the last one gives
//   rank of a word: 1 + how many logits are larger      divergence: KL(p_L || p_l) = sum over V of p_L (log p_L - log p_l)
//
// One forward pass for all layers; logits are made a few rows at a time, so that memory does not grow with layers.
#include "attr.h"
#include "results/aggregate.h"

typedef struct Lens {
    const float *z, *end; // [rows, V] logits of a layer, and of the last
    int64_t V, first, columns, layer;
    const int32_t *word; // [columns]
    int32_t *top;        // [layers + 1, columns]
    float *p_top, *p_word, *divergence;
    int64_t *rank;
} Lens;

static void one_row(int64_t i, void *context)
{
    const Lens *l = context;
    int64_t at = l->layer * l->columns + l->first + i, best = 0, rank = 1;
    const float *z = l->z + i * l->V, *end = l->end + i * l->V;
    int32_t word = l->word[l->first + i];
    double own = num_log_sum_exp(z, l->V), last = num_log_sum_exp(end, l->V), sum = 0;
    for (int64_t v = 0; v < l->V; v++) {
        double p = (double)end[v] - last;
        if (z[v] > z[best]) best = v;
        rank += z[v] > z[word] || (z[v] == z[word] && v < word);
        sum += num_exp(p) * (p - ((double)z[v] - own));
    }
    l->top[at] = (int32_t)best, l->rank[at] = rank;
    l->p_top[at] = (float)num_exp((double)z[best] - own),
    l->p_word[at] = (float)num_exp((double)z[word] - own);
    l->divergence[at] = (float)(sum > 0 ? sum : 0);
}

// The word that is asked after at each position: the one given, else the one that follows; at the end the likeliest.
static int32_t *words(Arena *a, const Model *m, Tape *t, const Pass *pass, Ids target, int64_t rows,
                      int32_t word)
{
    int32_t *out = arena_new(a, int32_t, rows);
    for (int64_t i = 0; i < rows; i++) out[i] = word >= 0 ? word : i + 1 < target.n ? target.v[i + 1] : -1;
    if (out[rows - 1] >= 0) return out;
    int64_t last = rows - 1, one = 1;
    const Tensor *z = nn_logits(m, t, pass, &last, rows_make(a, 1, &one));
    int64_t best = 0;
    for (int64_t v = 0; v < z->cols; v++) best = z->f[v] > z->f[best] ? v : best;
    return out[last] = (int32_t)best, out;
}

static Token *layer_names(Arena *a, int64_t L)
{
    Token *t = arena_new(a, Token, L + 1);
    for (int64_t l = 0; l <= L; l++)
        t[l] = (Token){-1, l ? str_of(arena_printf(a, "layer %" PRId64, l - 1)) : STR_LIT("embeddings")};
    return t;
}

// Logits of these rows of a layer's states.
static const float *read_out(const Model *m, Tape *t, const Tensor *states, bool end, int64_t first,
                             int64_t n)
{
    Tensor *x = tn_new(t, n, states->cols, rows_make(tape_arena(t), 1, &n));
    for (int64_t k = 0; k < n * states->cols; k++) x->f[k] = states->f[first * states->cols + k];
    return nn_read_out(m, t, x, end)->f;
}

static void all_layers(const Model *m, const Pass *pass, Tape *t, Lens *l, size_t max_memory)
{
    int64_t L = nn_info(m)->decoder_layers,
            most = (int64_t)(max_memory / sizeof(float) / 4) / (l->V > 0 ? l->V : 1);
    if (most < 1) most = 1;
    for (int64_t n; l->first < l->columns; l->first += n) {
        n = l->columns - l->first < most ? l->columns - l->first : most;
        for (l->layer = 0; l->layer <= L; l->layer++) {
            tape_reset(t);
            l->end = read_out(m, t, pass->states, true, l->first, n);
            l->z = l->layer == L ? l->end : read_out(m, t, pass->decoder_in[l->layer], false, l->first, n);
            pool_run(n, one_row, l);
        }
    }
}

static Picture picture(Arena *a, const char *title, const Token *row, const Token *column, int64_t L,
                       int64_t rows, const float *v)
{
    int64_t dim[] = {L + 1, rows};
    Picture p = {.title = title, .down = "Layers", .across = "Tokens read", .row = row, .column = column};
    p.scores = scores_new(a, 2, dim);
    for (int64_t i = 0; i < (L + 1) * rows; i++) p.scores.v[i] = v[i];
    return p;
}

bool attr_lens(Arena *a, const Model *m, const LensOptions *o, const Pair *p, Picture out[ATTR_LENS_PICTURES],
               Err *e)
{
    const ModelInfo *f = nn_info(m);
    int64_t rows = f->encoder_decoder && p->target.n > 1 ? p->target.n - 1 : p->target.n,
            L = f->decoder_layers, cells = (L + 1) * rows;
    if (rows < 1) return err_set(e, "there are no tokens to look at");
    if ((f->encoder_decoder && !nn_check_ids(m, p->source, false, "source", e)) ||
        !nn_check_ids(m, p->target, true, "target", e) ||
        (o->word >= 0 && !nn_check_ids(m, (Ids){&o->word, 1}, true, "word", e)))
        return false;
    Arena *work = arena_create(a);
    Tape *t = tape_create(work), *other = tape_create(work);
    tape_record(t, false), tape_record(other, false);
    Tensor *x = NULL;
    if (f->encoder_decoder) {
        x = tn_new(t, p->source.n, f->width, rows_make(work, 1, &p->source.n));
        nn_embed(m, p->source, false, x->f);
    }
    Tensor *y = tn_new(t, rows, f->width, rows_make(work, 1, &rows));
    nn_embed(m, (Ids){p->target.v, rows}, true, y->f);
    Pass pass;
    nn_forward(m, t, x, y, NULL, &pass);
    Lens l = {.V = f->vocab,
              .columns = rows,
              .word = words(work, m, t, &pass, p->target, rows, o->word),
              .top = arena_new(work, int32_t, cells),
              .p_top = arena_new(work, float, cells),
              .p_word = arena_new(work, float, cells),
              .divergence = arena_new(work, float, cells),
              .rank = arena_new(work, int64_t, cells)};
    all_layers(m, &pass, other, &l, o->max_memory);
    Token *layer = layer_names(a, L);
    Str *top = arena_new(a, Str, cells), *rank = arena_new(a, Str, cells);
    for (int64_t i = 0; i < cells; i++) {
        top[i] = o->name(o->context, l.top[i]);
        rank[i] = str_of(arena_printf(a, "%" PRId64, l.rank[i]));
    }
    out[0] = picture(a, "Most likely next token (colour: its probability)", layer, p->target_tokens, L, rows,
                     l.p_top);
    out[0].cell = top;
    out[1] = picture(a,
                     o->word >= 0
                         ? arena_printf(a, "Rank of %.*s (colour: its probability)",
                                        (int)o->name(o->context, o->word).n, o->name(o->context, o->word).s)
                         : "Rank of the token that follows (colour: its probability)",
                     layer, p->target_tokens, L, rows, l.p_word);
    out[1].cell = rank;
    out[2] =
        picture(a, "Divergence from the end, KL in nats", layer, p->target_tokens, L, rows, l.divergence);
    arena_free(work);
    return true;
}
