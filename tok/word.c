// SPDX-License-Identifier: Apache-2.0
// word.c — the two simplest model types: a piece is a word (from one U+2581 to the next), or a character.
#include "spm.h"

#include <string.h>

// UNUSED pieces count as unknown.
static int32_t allowed_id(const Sentencepiece *sp, Str s)
{
    int32_t at = trie_find(&sp->normal, s);
    int32_t value = at ? sp->normal.node[at].value : -1;
    return value < 0 ? -1 : value;
}

void word_split(const Sentencepiece *sp, Str text, Segments *out)
{
    for (size_t i = 0, j; i < text.n; i = j) {
        for (j = i + char_width(text.s[i], text.n - i); j < text.n; j += char_width(text.s[j], text.n - j))
            if (text.n - j >= 3 && memcmp(text.s + j, SPACE_MARK, 3) == 0) break;
        Str word = {text.s + i, j - i};
        segment_add(out, word.s, word.n, allowed_id(sp, word));
    }
}

void char_split(const Sentencepiece *sp, Str text, Segments *out)
{
    for (size_t i = 0, n; i < text.n; i += n) {
        n = user_prefix(sp, text.s + i, text.n - i);
        if (!n) n = char_width(text.s[i], text.n - i);
        segment_add(out, text.s + i, n, allowed_id(sp, (Str){text.s + i, n}));
    }
}
