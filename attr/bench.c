// SPDX-License-Identifier: Apache-2.0
// bench.c — how near this machine's limits a run comes (design: limit = what the shapes need / what the machine can do).
//
//   attribution   multiply-adds: encoder parameters x S x T, decoder parameters x T(T+1)/2, vocabulary x D x T for the
//                 way back, and once each for the way forth; against the measured peak of fused multiply-adds. Short
//                 texts need fewer (tensor/fold.h), and the top decoder layer's last row only: `done` counts the products
//                 that were made, attention's small ones aside. Of decoder-only models S is the prompt: S + T - 1 rows
//                 forth, and back those that each step sees, S, S + 1, ... S + T - 1
//   products      the model's own linear layers at that many rows, forth and back, against the same peak; the vocabulary's
//                 is left out; at most as many rows as the model has positions
//   decoding      bytes of weights that a step must read, against the measured read bandwidth; the time of 20 tokens has
//                 the encoder's in it, a step's has not
// Ids are drawn by a fixed rule: the work depends on the shapes only.
#include "run.h"

#include <string.h>

static int32_t *draw_ids(Arena *a, int64_t n, int64_t below, uint32_t seed)
{
    int32_t *v = arena_new(a, int32_t, n);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        v[i] = (int32_t)(3 + (seed >> 8) % (uint32_t)(below > 8 ? below - 8 : 1));
    }
    return v;
}

static void sort(double *v, int n)
{
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && v[j] < v[j - 1]; j--) {
            double t = v[j];
            v[j] = v[j - 1], v[j - 1] = t;
        }
}

double attr_flops(const Model *m, int64_t S, int64_t T, int passes)
{
    const ModelInfo *f = nn_info(m);
    double s = (double)S, t = (double)T;
    if (!f->encoder_decoder) {
        double rows = s + t - 1 + t * s + t * (t - 1) / 2;
        return 2 * passes * (rows * f->flops_target + 2 * t * f->flops_word);
    }
    double forth = s * f->flops_source + t * (f->flops_target + f->flops_word);
    double back = s * t * f->flops_source + t * (t + 1) / 2 * f->flops_target + t * f->flops_word;
    return 2 * passes * (forth + back);
}

static bool time_attribution(Arena *a, const Model *m, const BenchOptions *o, BenchResult *r, Err *e)
{
    const ModelInfo *f = nn_info(m);
    int64_t S = o->source_tokens, T = o->target_tokens, all = f->encoder_decoder ? T + 1 : S + T;
    Token *source = arena_new(a, Token, S), *target = arena_new(a, Token, all);
    int32_t *ids = draw_ids(a, all, f->vocab, 2);
    if (f->encoder_decoder) ids[0] = f->start;
    Pair p = {.source = {f->encoder_decoder ? draw_ids(a, S, f->vocab, 1) : ids, S},
              .target = {ids, all},
              .source_tokens = source,
              .target_tokens = target};
    AttrOptions run = attr_defaults();
    run.method = "input_x_gradient", run.attribute_target = true, run.max_memory = o->max_memory;
    run.profile = r->ops;
    double *times = arena_new(a, double, o->runs);
    for (int i = -1; i < o->runs; i++) { // one to warm up
        Arena *work = arena_create(a);
        Sequence out;
        for (int k = 0; i <= 0 && k < PROFILE_OPS; k++) r->ops[k] = (ProfileOp){0};
        double start = wall_clock();
        bool ok = attr_run(work, m, &run, &p, 1, &out, e);
        if (i >= 0) times[i] = wall_clock() - start;
        arena_free(work);
        if (!ok) return false;
    }
    for (int k = 0; k < PROFILE_OPS; k++) {
        r->ops[k].forward /= o->runs, r->ops[k].backward /= o->runs;
        r->ops[k].flops /= o->runs;
        r->done += r->ops[k].flops;
    }
    sort(times, o->runs);
    r->attribution = times[o->runs / 2], r->attribution_best = times[0];
    r->flops = attr_flops(m, S, T, 1);
    return true;
}

// Machines are shared. The peak is the machine's own: the best of many. The bandwidth goes up and down with what the
// neighbours do: the median.
typedef struct Machine {
    double peak, bandwidth[PRODUCT_ROWS + 3];
    int n;
} Machine;

static void look_at(Machine *m)
{
    double peak = cpu_peak(pool_threads());
    m->peak = peak > m->peak ? peak : m->peak;
    m->bandwidth[m->n++] = cpu_bandwidth(pool_threads());
}

static ProfileOp linear_of(const ProfileOp *ops)
{
    for (int k = 0; k < PROFILE_OPS && ops[k].name; k++)
        if (!strcmp(ops[k].name, "linear")) return ops[k];
    return (ProfileOp){0};
}

// One cotangent of all rows: the products on the way back have as many rows as those on the way forth.
static ProfileOp pass_of(const Model *m, Tape *t, int64_t rows)
{
    Arena *a = tape_arena(t);
    const ModelInfo *f = nn_info(m);
    ProfileOp ops[PROFILE_OPS] = {0};
    tape_reset(t);
    tape_profile(t, ops);
    float *x = arena_new_raw(a, float, rows * f->width);
    nn_embed(m, (Ids){draw_ids(a, rows, f->vocab, 1), rows}, false, x);
    const Rows *seqs = rows_make(a, 1, &rows);
    Tensor *in = f->encoder_decoder ? tn_leaf(t, x, rows, f->width, seqs, true) : NULL;
    Pass pass;
    nn_forward(m, t, in, tn_leaf(t, x, rows, f->width, seqs, true), NULL, &pass);
    Layout *all = layout_make(a, 1, (int32_t[]){0}, (int64_t[]){0}, &rows);
    float *seed = tape_seed(t, pass.states, all);
    for (int64_t i = 0; i < rows * f->width; i++) seed[i] = 1;
    tape_go_back(t, pass.states);
    tape_profile(t, NULL);
    return linear_of(ops);
}

static void time_products(Arena *a, const Model *m, const BenchOptions *o, Machine *machine, BenchResult *r)
{
    static const int64_t wanted[PRODUCT_ROWS] = {24, 64, 256, 600};
    const ModelInfo *f = nn_info(m);
    Tape *t = tape_create(a);
    double *forth = arena_new(a, double, o->runs), *back = arena_new(a, double, o->runs);
    for (int k = 0; k < PRODUCT_ROWS; k++) {
        BenchProduct *p = &r->product[k];
        p->rows = f->max_positions && wanted[k] > f->max_positions ? f->max_positions : wanted[k];
        double flops = 2 * (double)p->rows * (f->flops_source + f->flops_target), flops_back = 0;
        look_at(machine);
        for (int i = -1; i < o->runs; i++) { // one to warm up
            ProfileOp linear = pass_of(m, t, p->rows);
            flops_back =
                linear.flops - flops; // queries' and keys' are passed over in short texts (tensor/fold.h)
            if (i >= 0) forth[i] = linear.forward, back[i] = linear.backward;
        }
        sort(forth, o->runs), sort(back, o->runs);
        p->forward = flops / forth[o->runs / 2], p->backward = flops_back / back[o->runs / 2];
    }
    tape_reset(t);
}

typedef struct Steps {
    double first, last; // when the first token was there, and the last
} Steps;

static bool note_time(void *context, int64_t length)
{
    Steps *s = context;
    s->last = wall_clock();
    (void)length;
    if (s->first == 0) s->first = s->last;
    return true;
}

static bool time_decoding(Arena *a, const Model *m, const BenchOptions *o, BenchResult *r, Err *e)
{
    const ModelInfo *f = nn_info(m);
    Ids source = {draw_ids(a, o->source_tokens, f->vocab, 1), o->source_tokens};
    double each = (double)f->bytes / (double)f->parameters; // bytes of a weight; each is read once
    double step = each * (f->flops_target + f->flops_word);
    for (int beam = 0; beam < 2; beam++) {
        const char *text =
            arena_printf(a, "{\"num_beams\": %d, \"max_new_tokens\": %d, \"min_new_tokens\": %d}",
                         beam ? 4 : 1, o->decode_tokens, o->decode_tokens);
        const GenConfig *g;
        const Json *j = json_parse(a, str_of(text), "bench", e);
        if (!j || !nn_generation(a, m, j, &g, e)) return false;
        double *whole = arena_new(a, double, o->runs), *steps = arena_new(a, double, o->runs),
               *first = arena_new(a, double, o->runs);
        for (int i = -1; i < o->runs; i++) {
            Arena *work = arena_create(a);
            Generated out[4];
            Steps s = {0};
            double start = wall_clock();
            bool ok = nn_generate(work, m, g, 1, &source, NULL, out, note_time, &s, e);
            if (i >= 0)
                whole[i] = wall_clock() - start, steps[i] = s.last - s.first, first[i] = s.first - start;
            arena_free(work);
            if (!ok) return false;
        }
        sort(whole, o->runs), sort(steps, o->runs), sort(first, o->runs);
        if (!beam) r->first_token = first[o->runs / 2];
        r->decoding[beam] = whole[o->runs / 2];
        r->decode_step[beam] = steps[o->runs / 2] / (o->decode_tokens - 1);
    }
    r->decode_bytes = step;
    r->first_flops =
        2 * ((double)o->source_tokens * (f->encoder_decoder ? f->flops_source : f->flops_target) +
             f->flops_word + (f->encoder_decoder ? f->flops_target : 0));
    return true;
}

bool attr_bench(Arena *a, const Model *m, const BenchOptions *o, BenchResult *r, Err *e)
{
    Machine machine = {0};
    *r = (BenchResult){.decoder_only = !nn_info(m)->encoder_decoder};
    time_products(a, m, o, &machine, r);
    look_at(&machine);
    if (!time_attribution(a, m, o, r, e)) return false;
    look_at(&machine);
    if (!time_decoding(a, m, o, r, e)) return false;
    look_at(&machine);
    sort(machine.bandwidth, machine.n);
    r->peak = machine.peak, r->bandwidth = machine.bandwidth[machine.n / 2];
    for (int i = 0; i < PRODUCT_ROWS; i++)
        r->product[i].forward /= r->peak, r->product[i].backward /= r->peak;
    return true;
}

void attr_bench_text(const BenchOptions *o, const BenchResult *r, Buf *out)
{
    double limit = r->flops / r->peak, total = 0;
    buf_printf(out, "load          %.1f ms (model and tokenizer)\n", 1e3 * r->loading);
    buf_printf(out, "machine       %s, %d threads: %.1f GFLOP/s, %.1f GB/s measured\n", cpu_isa(),
               pool_threads(), r->peak / 1e9, r->bandwidth / 1e9);
    buf_printf(out,
               "attribution   S %" PRId64 ", T %" PRId64
               ": limit %.3f s (%.1f GFLOP), ours %.3f s (best %.3f), ratio %.2f\n",
               o->source_tokens, o->target_tokens, limit, r->flops / 1e9, r->attribution, r->attribution_best,
               r->attribution / limit);
    buf_printf(out, "              its products were %.1f GFLOP, %.0f %% of the peak over the whole time\n",
               r->done / 1e9, 100 * r->done / r->attribution / r->peak);
    for (int i = 0; i < PRODUCT_ROWS; i++)
        buf_printf(out, "products      %3" PRId64 " rows: forward %.0f %% of the peak, backward %.0f %%\n",
                   r->product[i].rows, 100 * r->product[i].forward, 100 * r->product[i].backward);
    for (int i = 0; i < 2; i++) {
        double rate = r->decode_bytes / r->decode_step[i];
        buf_printf(out,
                   "decoding      %d tokens, beam %d: %.3f s; a step reads weights at %.1f GB/s, %.0f %% of "
                   "the bandwidth\n",
                   o->decode_tokens, i ? 4 : 1, r->decoding[i], rate / 1e9, 100 * rate / r->bandwidth);
    }
    const char *name = r->decoder_only ? "prefill" : "first token";
    limit = r->first_flops / r->peak;
    buf_printf(out, "%-13s S %" PRId64 ": limit %.4f s (%.1f GFLOP), ours %.4f s, ratio %.2f\n", name,
               o->source_tokens, limit, r->first_flops / 1e9, r->first_token, r->first_token / limit);
    limit = r->decode_bytes / r->bandwidth;
    buf_printf(out,
               "a step        limit %.2f ms (%.1f MB read), ours %.2f ms, ratio %.2f: %.1f tokens a second\n",
               1e3 * limit, r->decode_bytes / 1e6, 1e3 * r->decode_step[0], r->decode_step[0] / limit,
               1 / r->decode_step[0]);
    for (int i = 0; i < PROFILE_OPS && r->ops[i].name; i++) total += r->ops[i].forward + r->ops[i].backward;
    for (int i = 0; i < PROFILE_OPS && r->ops[i].name; i++)
        buf_printf(out, "  %-11s forward %7.2f ms   backward %7.2f ms   %3.0f %%   %5.1f GFLOP\n",
                   r->ops[i].name, 1e3 * r->ops[i].forward, 1e3 * r->ops[i].backward,
                   100 * (r->ops[i].forward + r->ops[i].backward) / total, r->ops[i].flops / 1e9);
    buf_printf(out, "  %-11s %.2f ms outside the operations\n", "rest", 1e3 * (r->attribution - total));
}

void attr_bench_json(const BenchOptions *o, const BenchResult *r, Buf *out)
{
    buf_printf(out,
               "{\"isa\":\"%s\",\"threads\":%d,\"peak_flops\":%.4g,\"bandwidth\":%.4g,\"load_seconds\":%.5f,"
               "\"source_tokens\":%" PRId64 ",\"target_tokens\":%" PRId64
               ",\"flops\":%.6g,\"flops_done\":%.6g,\"limit_seconds\":%.5f,\"attribution_seconds\":%.5f,"
               "\"ratio\":%.4f,"
               "\"decode_beam1_seconds\":%.5f,\"decode_beam4_seconds\":%.5f,\"step_beam1_seconds\":%.6f,"
               "\"step_beam4_seconds\":%.6f,\"step_bytes\":%.6g,\"first_token_seconds\":%.6f,\"products\":[",
               cpu_isa(), pool_threads(), r->peak, r->bandwidth, r->loading, o->source_tokens,
               o->target_tokens, r->flops, r->done, r->flops / r->peak, r->attribution,
               r->attribution / (r->flops / r->peak), r->decoding[0], r->decoding[1], r->decode_step[0],
               r->decode_step[1], r->decode_bytes, r->first_token);
    for (int i = 0; i < PRODUCT_ROWS; i++)
        buf_printf(out, "%s{\"rows\":%" PRId64 ",\"forward_share\":%.4f,\"backward_share\":%.4f}",
                   i ? "," : "", r->product[i].rows, r->product[i].forward, r->product[i].backward);
    buf_printf(out, "]}\n");
}
