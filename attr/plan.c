// SPDX-License-Identifier: Apache-2.0
// plan.c — what a run would take, told before it begins: passes, floating-point operations, memory and time.
//
//   operations   2 x (source rows x encoder parameters + target rows x decoder parameters + logits x D V), forth and back,
//                rows as Passes counts them (bench.c has the same formula for one forward and one way back)
//   memory       of a dry pass, in which every operation takes its memory and computes nothing
//   time         operations / (the machine's measured peak x the share of it that runs were seen to reach)
// A method says how many passes it makes in its own file (Method.passes); test/t_plan.c holds that against what is made.
#include "run.h"

#include <math.h>
#include <stdio.h>

// ------------------------------------------------------------------------------------------ memory

static double least(double a, double b) { return a < b ? a : b; }
static double most(double a, double b) { return a > b ? a : b; }

// Of the first pass and its way back, or of many passes, which share up to half of max_memory at a time (points.c); and
// of scores. What the points of a pass share is divided among them.
static size_t bytes_of(Run *r, Passes *p)
{
    Passes first = {0};
    passes_first(r, &first);
    Tape *tape = r->tape = tape_create(r->work);
    tape_dry(tape, true);
    run_record(r, tape, r->x, r->y, &r->pass, &r->logits);
    size_t block = 0;
    double limit = (double)r->o->max_memory, values = (double)arena_used(tape_arena(tape)), cells = 0;
    if (p->words_back > 0) run_block(r, tape, r->logits, 0, &block);
    double one = values / (double)r->n, points = p->forwards - first.forwards, back = (double)block,
           bytes = values;
    if (points > 0) {
        double together = most(1, least(points, floor(limit / 2 / one)));
        p->source_rows += p->shared_rows / together, p->shared_rows = 0;
        bytes += together * one + most(back, least(limit, back * together));
    } else bytes += back;
    int64_t each = p->words_back > 0 ? r->width : r->f->decoder_layers * r->f->heads;
    for (int64_t i = 0; i < r->n; i++)
        cells += (double)((r->pair[i].source.n + r->to[i]) * (r->to[i] - r->from[i]) * each);
    double softmax = (double)(run_row_parts(r->n_steps) * ROW_ROOM * r->f->vocab);
    return (size_t)(bytes + sizeof(float) * (cells + softmax));
}

// ------------------------------------------------------------------------------------------ time

// The share of the peak (spin_fma) that runs reach, forth and back: for every product of a row with a D x D matrix there is
// work of length D beside it, as much as `beside` more columns. Fitted to whole runs, tools/SPEED.md.
static const double reached[2] = {0.66, 0.90}, beside = 64;
static const double first_touch = 1e-10; // seconds for a byte of the weights when it is first read

static double share(const ModelInfo *f, bool back) { return reached[back] / (1 + beside / (double)f->width); }

// What is left of the operations on the way back: while fewer tokens are seen than three quarters of a head's width, those of
// queries and keys are fewer (tensor/fold.h); they are some 22 % of all.
static double left_back(const ModelInfo *f, const Passes *p)
{
    double head = (double)f->width / (double)f->heads,
           seen = p->words_back > 0 ? p->source_back / p->words_back : 0;
    return 4 * seen <= 3 * head ? 1 - 0.22 * (1 - seen / head) : 1;
}

// Tokens, steps and passes of a run; its memory lies on work.
static bool count(Run *r, Arena *work, const Model *m, const AttrOptions *o, const Pair *pair, size_t n,
                  Plan *out, Err *e)
{
    const Method *method = method_find(o->method, NULL);
    bool ok = attr_check(o, e) && run_begin(r, work, m, o, method, pair, n, e);
    if (ok) passes_first(r, &out->passes);
    for (int64_t i = 0; ok && i < r->n; i++) {
        out->S += pair[i].source.n, out->T += pair[i].target.n, out->steps += r->to[i] - r->from[i];
        Arena *one = r->work =
            arena_create(work); // the method's own: of this pair no more than the numbers is kept
        ok = (!method->passes || method->passes(r, i, &out->passes, e)) &&
             (!o->evaluate.wanted || passes_evaluate(r, i, &out->passes, e)) && !(e && e->set);
        arena_free(one), r->work = work;
    }
    return ok;
}

static void set_operations(const ModelInfo *f, double peak, Plan *out)
{
    const Passes *p = &out->passes;
    out->forth =
        2 * (p->source_rows * f->flops_source + p->target_rows * f->flops_target + p->words * f->flops_word);
    out->back = 2 * (p->source_back * f->flops_source + p->target_back * f->flops_target +
                     p->words_back * f->flops_word);
    out->seconds = (out->forth / share(f, false) + out->back * left_back(f, p) / share(f, true)) / peak;
}

bool attr_plan(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, double peak,
               Plan *out, Err *e)
{
    Arena *work = arena_create(a);
    Run r;
    *out = (Plan){0};
    bool ok = count(&r, work, m, o, pair, n, out, e);
    if (ok) {
        out->bytes = bytes_of(&r, &out->passes);
        out->backwards = out->passes.words_back / (double)out->steps;
        set_operations(r.f, peak, out);
    }
    arena_free(work);
    return ok;
}

double attr_work(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n)
{
    Arena *work = arena_create(a);
    Run r;
    Plan p = {0};
    AttrOptions quiet = *o;
    quiet.made = NULL, quiet.progress = NULL;
    if (count(&r, work, m, &quiet, pair, n, &p, NULL)) set_operations(r.f, 1, &p);
    arena_free(work);
    return p.seconds;
}

// More than any pass leaves: of each row what some forty operations of a layer make, and the attention's shares.
static double roughly(const ModelInfo *f, const Pair *pair, size_t n)
{
    double cells = 0, layers = (double)(f->encoder_layers + f->decoder_layers);
    for (size_t i = 0; i < n; i++) {
        double rows = (double)(pair[i].source.n + pair[i].target.n);
        if (pair[i].contrast) rows += (double)(pair[i].contrast->source.n + pair[i].contrast->target.n);
        cells +=
            rows * layers * (40 * (double)f->width + 2 * rows * (double)f->heads) + rows * (double)f->vocab;
    }
    return sizeof(float) * cells;
}

size_t attr_bytes(Arena *a, const Model *m, const AttrOptions *o, const Pair *pair, size_t n, size_t few)
{
    Plan p;
    if (2 * roughly(nn_info(m), pair, n) + 2 * (double)o->max_memory < (double)few) return 0;
    return attr_plan(a, m, o, pair, n, 1, &p, NULL) ? p.bytes : 0; // what it refuses is said when it is run
}

// ------------------------------------------------------------------------------------------ reports

static Plan sum(const PlanReport *p)
{
    Plan all = {.bytes = p->bytes};
    for (size_t i = 0; i < p->n; i++) {
        const Plan *t = &p->text[i];
        all.S += t->S, all.T += t->T, all.steps += t->steps;
        all.passes.forwards += t->passes.forwards, all.backwards += t->backwards;
        all.forth += t->forth, all.back += t->back, all.seconds += t->seconds;
    }
    return all;
}

static void row(const char *name, const Plan *t, Buf *out)
{
    buf_printf(out, "%5s %6" PRId64 " %6" PRId64 " %6" PRId64 " %9.6g %9.6g %11.4g %11.4g %9.1f %9.3g\n",
               name, t->S, t->T, t->steps, t->passes.forwards, t->backwards, t->forth / 1e9, t->back / 1e9,
               (double)t->bytes / 1e6, t->seconds);
}

void attr_plan_text(const PlanReport *p, Buf *out)
{
    const ModelInfo *f = nn_info(p->m);
    const Method *method = method_find(p->o->method, NULL);
    Plan all = sum(p);
    double loading = p->loading + first_touch * (double)f->bytes;
    buf_printf(out, "%s with %s; for each text: %s\n", method->name, f->name, method->cost);
    buf_str(
        out,
        STR_LIT(
            " text      S      T  steps  forwards backwards GFLOP forth        back        MB   seconds\n"));
    for (size_t i = 0; i < p->n; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", p->number[i]);
        row(name, &p->text[i], out);
    }
    if (p->n > 1) row("all", &all, out);
    buf_printf(out, "memory: %.4g MB of weights, and for a batch at most %.4g MB\n", (double)f->bytes / 1e6,
               (double)p->bytes / 1e6);
    buf_printf(out,
               "time: about %.3g s, at %.0f %% forth and %.0f %% back of the %.0f GFLOP/s measured now (%s, "
               "%d threads)\n",
               all.seconds + loading + p->generating, 100 * share(f, false), 100 * share(f, true),
               p->peak / 1e9, cpu_isa(), pool_threads());
    buf_printf(out, "      with %.3g s for loading and reading the weights%s", loading,
               p->generated ? "" : "; targets are given, not generated\n");
    if (p->generated)
        buf_printf(out, " and %.3g s for generation, which was done to know T\n", p->generating);
}

void attr_plan_json(const PlanReport *p, Buf *out)
{
    const ModelInfo *f = nn_info(p->m);
    Plan all = sum(p);
    buf_str(out, STR_LIT("{\"model\":")), buf_json(out, str_of(f->name));
    buf_printf(out, ",\"method\":\"%s\",\"cost\":\"%s\",\"texts\":[", p->o->method,
               method_find(p->o->method, NULL)->cost);
    for (size_t i = 0; i <= p->n; i++) {
        const Plan *t = i < p->n ? &p->text[i] : &all;
        if (i == p->n) buf_str(out, STR_LIT("],\"all\":{"));
        else buf_printf(out, "%s{\"text\":%zu,", i ? "," : "", p->number[i]);
        buf_printf(out,
                   "\"source_tokens\":%" PRId64 ",\"target_tokens\":%" PRId64 ",\"steps\":%" PRId64
                   ",\"forwards\":%.9g,\"backwards\":%.9g,\"flops_forward\":%.9g,\"flops_backward\":%.9g"
                   ",\"bytes\":%zu,\"seconds\":%.6g}",
                   t->S, t->T, t->steps, t->passes.forwards, t->backwards, t->forth, t->back, t->bytes,
                   t->seconds);
    }
    buf_printf(out,
               ",\"weight_bytes\":%" PRIu64
               ",\"peak_flops\":%.6g,\"reached_forward\":%g,\"reached_backward\":%g"
               ",\"isa\":\"%s\",\"threads\":%d,\"loading_seconds\":%.6g,\"generated\":%s,\"generation_"
               "seconds\":%.6g}\n",
               f->bytes, p->peak, share(f, false), share(f, true), cpu_isa(), pool_threads(), p->loading,
               p->generated ? "true" : "false", p->generating);
}
