#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tok/unicode_table.c: what the tokenizers library takes each character for.

    python tools/unicode_table.py > tok/unicode_table.c         (tokenizers 0.23.3)

Everything is asked of the library itself, one question about all characters at a time: the classes of its regular
expressions, what Digits and Punctuation cut out, what stands beside a single_word token, and which characters its
normalisers know (they are of an older Unicode than its regular expressions).
"""

import sys

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CLASSES = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "P", "S"]
ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, ALL))


def cut_out(pre):
    """The characters that are alone or in runs cut out of the text of all characters."""
    return {ALL[i] for _, (a, b) in pre.pre_tokenize_str(TEXT) for i in range(a, b)}


def matched(regex):
    return cut_out(pre_tokenizers.Split(Regex(f"[{regex}]+"), "removed", invert=True))


def alone(pre):
    """Those that are cut off from what stands behind them."""
    starts = {a for _, (a, _) in pre.pre_tokenize_str("".join(chr(c) + "ab" for c in ALL))}
    return {c for i, c in enumerate(ALL) if 3 * i + 1 in starts}


def word():
    t = Tokenizer(models.BPE(vocab={}, merges=[]))
    t.add_tokens([AddedToken("@!@", single_word=True, normalized=False)])
    found = {a for a, _ in t.encode("".join(chr(c) + "@!@ " for c in ALL)).offsets}
    return {c for i, c in enumerate(ALL) if 5 * i + 1 not in found}


def known_to_normalisers():
    """Characters that take part in a (de)composition or have a combining class."""
    nfd, nfkd, out = normalizers.NFD().normalize_str, normalizers.NFKD().normalize_str, set()
    for c in ALL:
        s = chr(c)
        for whole in (nfd(s), nfkd(s)):
            if whole != s:
                out |= {c, *map(ord, whole)}
        if nfd("\u0345" + s)[0] == s or nfd(s + "\u0334")[-1] == s:
            out.add(c)
    return out


def main():
    classes = [matched(rf"\p{{{c}}}") for c in CLASSES]
    space, sets = matched(r"\s"), [alone(pre_tokenizers.Digits(individual_digits=True)), alone(pre_tokenizers.Punctuation()), word(),
                                   known_to_normalisers()]
    assert not any(c in space for s in classes for c in s)
    value = []
    for c in range(0x110000):
        kind = next((i + 2 for i, s in enumerate(classes) if c in s), 1 if c in space else 0)
        value.append(kind + sum((c in s) << 4 + i for i, s in enumerate(sets)))
    ranges = [(c, value[c]) for c in range(0x110000) if c == 0 or value[c] != value[c - 1]]
    print(f"{len(ranges)} ranges", [len(s) for s in classes + [space] + sets], file=sys.stderr)
    print("// SPDX-License-Identifier: Apache-2.0\n// unicode_table.c — what the tokenizers library takes each character for. Made by tools/unicode_table.py: do not edit.\n"
          "#include \"unicode.h\"\n\n// clang-format off\nconst uint32_t unicode_ranges[] = {")
    words = [f"0x{c << 8 | v:X}" for c, v in ranges]
    line = "   "
    for w in words:
        if len(line) + len(w) + 2 > 118:
            print(line)
            line = "   "
        line += f" {w},"
    print(line + "\n};\n// clang-format on\nconst size_t unicode_range_count = sizeof unicode_ranges / sizeof *unicode_ranges;")


main()
