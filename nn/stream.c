// SPDX-License-Identifier: Apache-2.0
// stream.c — the residual stream of a recorded pass: what each sub-layer of a stack adds to it, read off the tape from
// the last states back to the first. A family adds as tn_add(stream, update), and may put a norm behind each sum or one
// behind the last.
#include "model.h"

const StreamStep *nn_stream(Arena *a, const Model *m, const Tape *recorded, const Pass *pass, bool decoder,
                            int64_t *n)
{
    *n = decoder ? m->info.decoder_layers * (pass->encoder ? 3 : 2) : m->info.encoder_layers * 2;
    StreamStep *step = arena_new(a, StreamStep, *n);
    const Tensor *end = !decoder ? pass->encoder : pass->closed ? pass->closed : pass->states;
    NormParts norm;
    for (int64_t k = *n - 1; k >= 0; k--) {
        StreamStep *s = &step[k];
        s->out = end;
        s->sum = tn_norm_parts(recorded, end, &norm) ? norm.x : end;
        if (!tn_sum_parts(recorded, s->sum, &s->x, &s->update)) BUG("step %" PRId64 " is no sum", k);
        s->made = s->update, s->factor = 1;
        tn_scale_parts(recorded, s->update, &s->made, &s->factor);
        if (tn_norm_parts(recorded, s->made, &s->norm)) s->made = s->norm.x;
        else s->norm = (NormParts){0};
        end = s->x;
    }
    return step;
}

float nn_word(const Model *m, int32_t word, float *out)
{
    const Tensor *w = m->output, *p = m->block ? m->block->project_out.w : NULL;
    int64_t E = w->cols, D = m->info.states;
    float row[p ? E : 1], *direct = p ? row : out;
    num_weight_row(direct, w, word);
    for (int64_t i = 0; i < E; i++) direct[i] *= m->logits_scale;
    for (int64_t i = 0; p && i < D; i++) out[i] = 0;
    for (int64_t i = 0; p && i < E; i++) {
        float part[D];
        num_weight_row(part, p, i);
        num_axpy(out, row[i], part, D);
    }
    return m->logits_bias ? m->logits_bias->f[word] : 0;
}
