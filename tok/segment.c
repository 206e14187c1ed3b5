// SPDX-License-Identifier: Apache-2.0
// segment.c — what the segmentations of SentencePiece share: pieces collected, and symbols of the user found first.
#include "spm.h"

#include <string.h>

void segment_add(Segments *out, const char *s, size_t n, int32_t id)
{
    if (out->n == out->cap) {
        size_t cap = out->cap ? 2 * out->cap : 64;
        Segment *at = arena_new_raw(out->arena, Segment, cap);
        if (out->n) memcpy(at, out->at, out->n * sizeof *at);
        out->at = at, out->cap = cap;
    }
    out->at[out->n++] = (Segment){s, (uint32_t)n, id};
}

size_t user_prefix(const Sentencepiece *sp, const char *s, size_t n)
{
    size_t best = 0;
    uint32_t at = 0;
    if (!sp->user.n) return 0;
    for (size_t i = 0; i < n && (at = trie_step(sp->user.node, at, (uint8_t)s[i])); i++)
        if (sp->user.node[at].value >= 0) best = i + 1;
    return best;
}
