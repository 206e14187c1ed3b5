// SPDX-License-Identifier: Apache-2.0
// t_align.c — foils of other lengths aligned by their tokens (attr/align.c).
#include "../attr/attr.h"
#include "cli.h"

// Words with a blank between them as tokens; ids are given by the word, so that equal words are equal ids.
static Pair pair_of(Arena *A, const char *text, int *n)
{
    static Str known[64];
    static int n_known;
    int32_t *ids = arena_new(A, int32_t, 32);
    Token *t = arena_new(A, Token, 32);
    for (const char *c = text; *c; (*n)++) {
        size_t len = strcspn(c, " ");
        Str word = {c, len};
        int32_t id = 0;
        while (id < n_known && !str_eq(known[id], word)) id++;
        if (id == n_known) known[n_known++] = word;
        ids[*n] = id, t[*n] = (Token){id, word};
        c += len + (c[len] == ' ');
    }
    return (Pair){.target = {ids, *n}, .target_tokens = t};
}

// got: "1= 2p 2w" position and how of every step from 1 on.
static void check_aligned(Arena *A, int line, const char *text, const char *foil, const char *want)
{
    int n = 0, m = 0;
    Pair p = pair_of(A, text, &n), f = pair_of(A, foil, &m);
    p.contrast = &f, p.align = ALIGN_AUTO;
    Aligned *out = arena_new(A, Aligned, n);
    attr_align(A, &p, true, 1, n, out);
    Buf b = {.arena = A};
    for (int i = 0; i + 1 < n; i++)
        buf_printf(&b, "%s%" PRId64 "%c", i ? " " : "", out[i].at, "=pwhe"[out[i].how]);
    check_str(__FILE__, line, text, buf_view(&b), str_of(want));
}
#define ALIGNED(text, foil, want) check_aligned(A, __LINE__, text, foil, want)

TEST(align_auto)
{
    ALIGNED("<pad> ▁a ▁b </s>", "<pad> ▁a ▁b </s>", "1= 2= 3=");
    ALIGNED("<pad> ▁a ▁b </s>", "<pad> ▁a ▁c </s>", "1= 2p 3="); // as many: by position
    ALIGNED("<pad> ▁a ▁ver pleeg ster ▁x </s>", "<pad> ▁a ▁ver pleger ▁x </s>",
            "1= 2= 3w 3w 4= 5="); // a word's rest
    ALIGNED("<pad> ▁ y es </s>", "<pad> ▁no </s>", "1w 1w 1w 2=");
    ALIGNED("<pad> ▁big g est ▁ver pleger ▁x </s>", "<pad> ▁arts ▁man nen ▁x </s>", "1w 1w 1w 2w 3w 4= 5=");
    ALIGNED("<pad> ▁a ▁very ▁b </s>", "<pad> ▁a ▁b </s>", "1= 2p 2= 3="); // the foil has nothing there
    ALIGNED("<pad> ▁a ▁b </s>", "<pad> ▁a ▁very ▁b </s>", "1= 3= 4=");
    ALIGNED("<pad> ▁a ▁b", "<pad> ▁a", "1= 1p"); // behind its end: its last
    ALIGNED("<pad> ▁a ▁b ▁c ▁d", "<pad> ▁b ▁d ▁c ▁a",
            "1p 1= 2p 2="); // one of the longest common subsequences
    ALIGNED("<pad> ▁z </s>", "<pad> </s>", "1p 1=");
}

#define ASK(alignments)                                                                                      \
    RUN("attribute", "-m", TRAINED, "-a", "saliency", "-fn", "contrast_prob_diff", "--show_alignment", "-i", \
        "The nurse is tired.", "-g", "De verpleegster is moe.", "--contrast_targets",                        \
        "De verpleger van het ziekenhuis is moe.", "--attribution_kwargs",                                   \
        "{\"contrast_targets_alignments\": " alignments "}")

TEST(align_auto_said)
{
    Run r = ASK("\"auto\"");
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.err, "  1 ▁De = 1 ▁De (the same token)\n  2 ▁verpleegster = 2 ▁verpleger (word)\n"
                     "  3 ▁is = 6 ▁is (the same token)\n");
    CHECK_HAS(r.out, "▁verpleger → ▁verpleegster");
    r = ASK("[\"auto\", [2, 5]]"); // by hand, and the rest by itself
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.err, "  2 ▁verpleegster = 5 ▁ziekenhuis (given)\n  3 ▁is = 6 ▁is (the same token)\n");
    r = ASK("\"right\"");
    CHECK_HAS(r.err, "(from the end)");
}
