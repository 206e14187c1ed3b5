// SPDX-License-Identifier: Apache-2.0
// unigram.c — the most probable cutting of a text under a unigram model: Viterbi's algorithm over all pieces.
//
// Kudo 2018, arXiv:1804.10959. Exactly the library's arithmetic: scores are 32-bit floats and every sum is
// rounded to one, candidates are met by their start and then by length, and only a strictly better one
// replaces another. So on a tie the one whose last piece begins further left stays, and rounding makes a
// split depend on what stands before it (once in some ten thousand words): a cache of words would be wrong.
//
//     best[j] = max over pieces p = text[i..j) of best[i] + score(p)
//     a character that no piece matches alone gets unk_score = min(score) - 10
#include "spm.h"

typedef struct Best {
    float score;
    int32_t id;
    uint32_t n; // bytes of the last piece; 0: this place was not reached
} Best;

static inline void offer(Best *to, float score, int32_t id, size_t n)
{
    if (to->n == 0 || score > to->score) *to = (Best){score, id, (uint32_t)n};
}

void unigram_split(const Sentencepiece *sp, Str text, Segments *out)
{
    Best *best = arena_new(out->arena, Best, text.n + 1);
    const TrieNode *node = sp->normal.node;
    size_t farthest = 0;
    for (size_t i = 0, width; i < text.n; i += width) {
        width = char_width(text.s[i], text.n - i);
        float h = best[i].score;
        if (h > 100000 || h < -100000) { // keeps long texts in the range where floats are dense
            for (size_t j = i; j <= farthest; j++)
                if (j == i || best[j].n) best[j].score -= h;
            h = 0;
        }
        bool single = false;
        uint32_t at = 0;
        for (size_t j = i; j < text.n;) {
            if (!(at = trie_step(node, at, (uint8_t)text.s[j]))) break;
            j++;
            if (node[at].value < 0) continue;
            offer(&best[j], node[at].score + h, node[at].value, j - i);
            if (j - i == width) single = true;
            if (j > farthest) farthest = j;
        }
        if (!single) {
            offer(&best[i + width], sp->unk_score + h, -1, width);
            if (i + width > farthest) farthest = i + width;
        }
    }
    size_t n = 0;
    for (size_t j = text.n; j > 0; j -= best[j].n) n++;
    out->at = arena_new_raw(out->arena, Segment, n);
    out->n = out->cap = n;
    for (size_t j = text.n; j > 0; j -= best[j].n)
        out->at[--n] = (Segment){text.s + (j - best[j].n), best[j].n, best[j].id};
}
