// SPDX-License-Identifier: Apache-2.0
// align.c — which token of a foil each step is compared with: pairs given by hand first, the rest as Pair.align says
// (semantics 2.2), or by the tokens themselves (ALIGN_AUTO).
//
// Where Inseq asks a sentence encoder which words belong together, ALIGN_AUTO looks at what both texts have in common, so
// it needs nothing but the ids and is exact: a longest common subsequence anchors the equal ones. Between two anchors there
// is a gap on one side or on both. Gaps of equal length are compared position by position from their first difference;
// of others the k-th word is compared with the k-th word, token by token, and what a word or the gap has too many with the
// last token there. Where the foil has nothing at all the step is compared with what the foil goes on with.
#include "run.h"

enum {
    MOST_CELLS = 1 << 28
}; // of the table of common subsequences, a byte each; beyond it a text is one gap

typedef struct Aligning {
    Arena *a;
    const Pair *p;
    int64_t T, Q; // tokens of the target and of the foil's
    Aligned *out; // [T]
} Aligning;

static bool begins_word(const Token *t)
{
    return str_starts(t->text, STR_LIT("▁")) || str_starts(t->text, STR_LIT("Ġ")) ||
           str_starts(t->text, STR_LIT("Ċ"));
}

static int64_t word_end(const Token *t, int64_t from, int64_t to)
{
    int64_t i = from + 1;
    while (i < to && !begins_word(&t[i])) i++;
    return i;
}

// Steps s0 <= s < s1 against the foil's q0 <= q < q1, which have no id in common.
static void align_gap(Aligning *x, int64_t s0, int64_t s1, int64_t q0, int64_t q1)
{
    int64_t next = q0 < x->Q ? q0 : x->Q - 1;
    bool words = q1 > q0 && s1 - s0 != q1 - q0;
    if (!words) {
        for (int64_t s = s0; s < s1; s++)
            x->out[s] = (Aligned){q1 > q0 ? q0 + s - s0 : next, ALIGNED_POSITION};
        return;
    }
    const Token *t = x->p->target_tokens, *f = x->p->contrast->target_tokens;
    for (int64_t s = s0, q = q0, last = q0; s < s1;) {
        int64_t s_end = word_end(t, s, s1), q_end = q < q1 ? word_end(f, q, q1) : q1;
        for (int64_t k = s; k < s_end; k++) {
            int64_t at = q < q1 ? q + k - s : last;
            if (q < q1 && at >= q_end) at = q_end - 1;
            x->out[k] = (Aligned){at, ALIGNED_WORD};
        }
        last = q_end - 1, s = s_end, q = q_end;
    }
}

// For each cell whether the common subsequence of what is left loses nothing if a token of the target is passed over.
static uint8_t *common_table(Arena *a, const int32_t *t, int64_t n, const int32_t *f, int64_t m)
{
    uint8_t *pass = arena_new_raw(a, uint8_t, n * m);
    int32_t *below = arena_new(a, int32_t, m + 1), *here = arena_new(a, int32_t, m + 1);
    for (int64_t i = n - 1; i >= 0; i--) {
        for (int64_t j = m - 1; j >= 0; j--) {
            pass[i * m + j] = below[j] >= here[j + 1];
            here[j] = t[i] == f[j] ? below[j + 1] + 1 : pass[i * m + j] ? below[j] : here[j + 1];
        }
        int32_t *old = below;
        below = here, here = old;
        here[m] = 0;
    }
    return pass;
}

static void align_by_ids(Aligning *x)
{
    const int32_t *t = x->p->target.v, *f = x->p->contrast->target.v;
    int64_t s0 = 1, s1 = x->T, q0 = 1, q1 = x->Q;
    for (; s0 < s1 && q0 < q1 && t[s0] == f[q0]; s0++, q0++) x->out[s0] = (Aligned){q0, ALIGNED_SAME};
    for (; s0 < s1 && q0 < q1 && t[s1 - 1] == f[q1 - 1]; s1--, q1--)
        x->out[s1 - 1] = (Aligned){q1 - 1, ALIGNED_SAME};
    int64_t n = s1 - s0, m = q1 - q0, i = 0, j = 0, gap_s = s0, gap_q = q0;
    const uint8_t *pass = n && m && n <= MOST_CELLS / m ? common_table(x->a, t + s0, n, f + q0, m) : NULL;
    while (pass && i < n && j < m) {
        if (t[s0 + i] != f[q0 + j]) {
            if (pass[i * m + j]) i++;
            else j++;
            continue;
        }
        align_gap(x, gap_s, s0 + i, gap_q, q0 + j);
        x->out[s0 + i] = (Aligned){q0 + j, ALIGNED_SAME};
        i++, j++, gap_s = s0 + i, gap_q = q0 + j;
    }
    align_gap(x, gap_s, s1, gap_q, q1);
}

// Whether positions of target and foil that are not aligned by hand are the same (AttrAlign).
static bool same_positions(const Pair *p, bool encoder_decoder)
{
    Ids a = p->target, b = p->contrast->target;
    int64_t first = 0;
    while (first < a.n && first < b.n && a.v[first] == b.v[first]) first++;
    if (p->align == ALIGN_BY_KIND) return !encoder_decoder && first >= p->source.n;
    return p->align == ALIGN_FIRST_DIFFERENCE;
}

// The position given for step s: the first whose place in the foil is not taken by a step before it; 0: none is given.
static int64_t given(const Pair *p, int64_t s, int64_t from, const Aligned *out, int64_t T)
{
    int64_t first = 0, untaken = 0;
    for (size_t k = 0; k < p->n_alignment; k++) {
        int64_t q = p->alignment[k].to;
        if (p->alignment[k].from != s || q < 1 || q >= T) continue;
        bool taken = false;
        for (int64_t b = from; b < s; b++) taken |= out[b - from].at == q;
        if (!first || q < first) first = q;
        if (!taken && (!untaken || q < untaken)) untaken = q;
    }
    return untaken ? untaken : first;
}

void attr_align(Arena *a, const Pair *p, bool encoder_decoder, int64_t from, int64_t to, Aligned *out)
{
    Arena *own = arena_create(a);
    int64_t T = p->contrast->target.n;
    Aligning x = {own, p, p->target.n, T, NULL};
    if (p->align == ALIGN_AUTO) x.out = arena_new(own, Aligned, x.T), align_by_ids(&x);
    for (int64_t s = from; s < to; s++) out[s - from] = (Aligned){given(p, s, from, out, T), ALIGNED_BY_HAND};
    bool same = !x.out && same_positions(p, encoder_decoder);
    for (int64_t k = 1; k <= to - from; k++) {
        int64_t s = to - k, q = same ? s : T - k;
        if (out[s - from].at) continue;
        out[s - from] =
            x.out ? x.out[s] : (Aligned){q > 0 && q < T ? q : T - 1, same ? ALIGNED_POSITION : ALIGNED_END};
    }
    arena_free(own);
}

// "3 ▁verpleegster = 3 ▁verpleger (position)", a line for each step.
void attr_alignment_text(Arena *a, const Pair *p, bool encoder_decoder, int64_t from, int64_t to, Buf *out)
{
    static const char *const how[] = {[ALIGNED_SAME] = "the same token",
                                      [ALIGNED_POSITION] = "position",
                                      [ALIGNED_WORD] = "word",
                                      [ALIGNED_BY_HAND] = "given",
                                      [ALIGNED_END] = "from the end"};
    Aligned *v = arena_new(a, Aligned, to - from);
    attr_align(a, p, encoder_decoder, from, to, v);
    for (int64_t s = from; s < to; s++) {
        Str t = p->target_tokens[s].text, f = p->contrast->target_tokens[v[s - from].at].text;
        buf_str(out, str_of(arena_printf(a, "  %" PRId64 " %.*s = %" PRId64 " %.*s (%s)\n", s, (int)t.n, t.s,
                                         v[s - from].at, (int)f.n, f.s, how[v[s - from].how])));
    }
}
