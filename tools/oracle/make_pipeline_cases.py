#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small tokenizer.json files, one a pipeline, and what the tokenizers library (0.23.3) makes of lines with them.

    python make_pipeline_cases.py LINES.txt > pipelines.jsonl           LINES.txt: texts to learn from

The pipelines are those of tokenizer_families.py and others with components that no family combines so. Each line of the
result: {"name", "tokenizer": the file as a string, "lines": [what tok_jsonl must write, as strings]}.
"""

import copy
import json
import random
import sys

from tokenizers import Tokenizer

import tokenizer_families as F

RNG = random.Random(20)
S = F.sequence
BLANKS = [9, 10, 11, 13, 32, 0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x202F, 0x3000, 0x200B, 0xFEFF]
ODD = ["'s", "'S", "'ſ", "'re", "'LL", "n't", "I'm", "ABC'sDEF", "iPhone", "naïve", "Ǆǅǆ", "中文ABC", "a\u0301b", "ﬁ", "½Ⅷ①", "  ", "\n\n", "\r\n",
       " \n ", " \t\n  ", "...", "\u2581", "\u2581\u2581", "()[]{}", "،۔", "가\u11a8", "\u1100\u1161", "\u0f71\u0f72", "\U00011938", "\U0001e900", "\ua7f2"]


def char():
    k = RNG.random()
    if k < .4:
        return chr(RNG.randrange(32, 127))
    if k < .55:
        return chr(RNG.choice(BLANKS))
    return chr(RNG.choice([RNG.randrange(0xA1, 0x600), RNG.randrange(0x600, 0x2000), RNG.randrange(0x2000, 0xD800),
                           RNG.randrange(0x10000, 0x1FFFF), RNG.randrange(0x20000, 0x33500)]))


def line(words, special):
    parts = []
    for _ in range(RNG.randrange(1, 9)):
        k = RNG.random()
        parts.append(RNG.choice(special) if k < .15 and special else RNG.choice(words) if k < .5 else RNG.choice(ODD) if k < .75 else
                     str(RNG.randrange(10 ** RNG.randrange(1, 9))) if k < .85 else "".join(char() for _ in range(4)))
        if RNG.random() < .6:
            parts.append(" ")
    return "".join(parts)


def pipelines(lines):
    out = {n: F.train(n, lines, RNG.randrange(330, 400), odd=["Ġtheir", "ing", "123"]) for n in F.FAMILIES}

    def mod(base, **kw):
        return {**copy.deepcopy(out[base]), **kw}

    def meta(scheme, split):
        return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}

    more = {
        "nfkc": mod("gpt2", normalizer={"type": "NFKC"}),
        "nfd": mod("qwen2", normalizer={"type": "NFD"}),
        "nfkd-strip": mod("qwen2", normalizer=S({"type": "NFKD"}, {"type": "Strip", "strip_left": True, "strip_right": True}, key="normalizers")),
        "replace": mod("llama3", normalizer=S({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                                              {"type": "Replace", "pattern": {"String": "..."}, "content": "…"}, {"type": "NFC"}, key="normalizers")),
        "prefix": mod("gpt2", pre_tokenizer=F.byte_level(True, prefix=True)),
        "metaspace-always": mod("metaspace", pre_tokenizer=meta("always", True), decoder=meta("always", True)),
        "metaspace-never": mod("metaspace", pre_tokenizer=meta("never", True), decoder=meta("never", True)),
        "metaspace-first": mod("metaspace", pre_tokenizer=S(meta("first", True), {"type": "Punctuation", "behavior": "MergedWithNext"}), decoder=None),
        "possessive": mod("llama3", pre_tokenizer=S(F.split(
            r"(?:'[sS]|'[tT]|'[rR][eE])|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{2,3}|(?=\p{P})\p{P}{2}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"),
            F.byte_level())),
    }
    for b in ("Isolated", "Contiguous", "MergedWithPrevious", "MergedWithNext"):
        more["split-" + b] = mod("bloom", pre_tokenizer=S(F.split(r"\p{L}{1,4}|\p{M}+|[ \t]+", b), {"type": "Punctuation", "behavior": b}, F.byte_level()))
    half = copy.deepcopy(out["llama2"])
    kept = [k for k in half["model"]["vocab"] if not k.startswith("<0x") or RNG.random() < .5]
    half["model"]["vocab"] = {k: i for i, k in enumerate(kept)}
    half["post_processor"] = None
    for t in half["added_tokens"]:
        t["id"] = half["model"]["vocab"][t["content"]]
    for fuse, bytes_ in ((True, True), (False, True), (True, False)):
        more[f"half-bytes-{fuse}-{bytes_}"] = copy.deepcopy(half)
        more[f"half-bytes-{fuse}-{bytes_}"]["model"].update(fuse_unk=fuse, byte_fallback=bytes_)
    flags = copy.deepcopy(out["gpt_neox"])
    size = len({*flags["model"]["vocab"], *(t["content"] for t in flags["added_tokens"])})
    for i, (content, kw) in enumerate([("word", dict(single_word=True)), ("wor", dict(single_word=True, normalized=True)), ("[L]", dict(lstrip=True)),
                                       ("[R]", dict(rstrip=True, normalized=True)), ("[LR]", dict(lstrip=True, rstrip=True, single_word=True)),
                                       ("e\u0301x", dict(normalized=True)), ("éé", {}), ("ab", {}), ("abab", {}), ("  [S]", dict(lstrip=True))]):
        flags["added_tokens"].append({"id": size + i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                                      "normalized": False, "special": i % 2 == 0, **kw})
    more["flags"] = flags
    more["flags-prepend"] = {**copy.deepcopy(flags), "normalizer": S({"type": "Prepend", "prepend": "_"}, {"type": "NFC"}, key="normalizers")}
    more["roberta"] = mod("falcon", post_processor={"type": "RobertaProcessing", "sep": [">>TITLE<<", 0], "cls": ["<|endoftext|>", 11],
                                                    "trim_offsets": True, "add_prefix_space": False})
    return {**out, **more}


def main():
    lines = [x for x in open(sys.argv[1], encoding="utf-8").read().split("\n") if x.strip()]
    lines = RNG.sample(lines, 600)
    words = [w for x in lines for w in x.split() if len(w) < 12]
    for name, j in pipelines(lines).items():
        t = Tokenizer.from_str(json.dumps(j))
        special = [x["content"] for x in j["added_tokens"]] + (["words", "a word", "e\u0301x", "[R]  ", "  [L]"] if "flags" in name else [])
        out = []
        for _ in range(30):
            text = line(words, special)
            ids = t.encode(text).ids
            out.append({"text": text, "ids": ids})
        for _ in range(6):
            out.append({"ids": [RNG.randrange(t.get_vocab_size()) for _ in range(RNG.randrange(1, 9))]})
        for o in out:
            o["tokens"] = [t.id_to_token(i) for i in o["ids"]]
            o["decoded"], o["decoded_skip"] = t.decode(o["ids"], skip_special_tokens=False), t.decode(o["ids"])
        print(json.dumps({"name": name, "tokenizer": json.dumps(j, ensure_ascii=False, separators=(",", ":")),
                          "lines": [json.dumps(o, ensure_ascii=False, separators=(",", ":")) for o in out]}, ensure_ascii=False, separators=(",", ":")))


main()
