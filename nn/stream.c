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
    const Tensor *end = decoder ? pass->states : pass->encoder;
    NormParts norm;
    for (int64_t k = *n - 1; k >= 0; k--) {
        StreamStep *s = &step[k];
        s->out = end;
        s->sum = tn_norm_parts(recorded, end, &norm) ? norm.x : end;
        if (!tn_sum_parts(recorded, s->sum, &s->x, &s->update)) BUG("step %" PRId64 " is no sum", k);
        end = s->x;
    }
    return step;
}

float nn_word(const Model *m, int32_t word, float *out)
{
    const Tensor *w = m->output;
    num_widen(out, w->raw, w->type, word * w->cols, w->cols);
    for (int64_t i = 0; i < w->cols; i++) out[i] *= m->logits_scale;
    return m->logits_bias ? m->logits_bias->f[word] : 0;
}
