# SPDX-License-Identifier: Apache-2.0
"""BART and its kin in float64: what one way back gives, by transformers alone, and how far float32 is from that.

    python families_float64.py                 -> test/golden/families_float64.json
    python families_float64.py --program PATH  a table instead: how far that program and PyTorch's float32 are off

The model is called with ids; what its embedding tables give is taken out by a hook, as a leaf, so that gradients are those of
Inseq (gradient times input does not see whether a table is scaled inside its module or behind it). A baseline is the
embedding of unk for all but end tokens, padding and the target's start; paths are Gauss-Legendre's, as Captum's. Of each
row's attributions the sum is kept, of input_x_gradient the Euclidean norm too; beside each list how far PyTorch's float32
is off at most. transformers 5.23 scales UMT5's last states whatever config.json says: that is undone.
"""

import json
import os
import subprocess
import sys
import tempfile

import common

common.quiet()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from inseq import FeatureAttributionOutput  # noqa: E402
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: E402

GOLDEN = common.load_spec([])[1]
STEPS = 8
DOG = ("A dog.", "Een hond.")
KEYS = ("Her dogs.", "A dog.")
CASES = [  # model, texts, languages
    ("odd-bart", KEYS, None),
    ("odd-mbart50", DOG, ("en_XX", "nl_XX")),
    ("odd-m2m100", DOG, ("en", "nl")),
    ("odd-nllb", DOG, ("eng_Latn", "nld_Latn")),
    ("odd-pegasus", KEYS, None),
    ("odd-umt5", DOG, None),
]


class Passes:
    """One model, one pair of texts; a pass with other embeddings than the texts' own."""

    def __init__(self, name, texts, languages, dtype):
        folder = os.path.join(GOLDEN, "models", name)
        self.model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            raw = json.load(f)
        if raw["model_type"] == "umt5":
            self.model.config.tie_word_embeddings = raw.get("tie_word_embeddings", True)
        tok = AutoTokenizer.from_pretrained(folder, **dict(zip(("src_lang", "tgt_lang"), languages or ())))
        start = self.model.generation_config.decoder_start_token_id or self.model.config.decoder_start_token_id or 0
        self.source, self.target = tok(texts[0])["input_ids"], [start] + tok(text_target=texts[1])["input_ids"]
        keep = {tok.eos_token_id, tok.pad_token_id}
        self.base = [[i if i in keep else tok.unk_token_id for i in self.source],
                     [i if k == 0 or i in keep else tok.unk_token_id for k, i in enumerate(self.target)]]
        self.given = [None, None]
        for side, stack in enumerate((self.model.get_encoder(), self.model.get_decoder())):
            stack.embed_tokens.register_forward_hook(lambda m, a, y, side=side: self.instead(side, y))

    def instead(self, side, y):
        if self.given[side] is None:
            self.seen[side] = y.detach()[0]
            return y
        return self.given[side][None]

    def embedded(self, source, target):
        """What the tables give for these ids, [S,D] and [T,D]."""
        self.given, self.seen = [None, None], [None, None]
        with torch.no_grad():
            self.run(source, target)
        return self.seen

    def run(self, source, target):
        """[T] the probability of each of the text's own tokens."""
        x, y = torch.tensor([source]), torch.tensor([target[:-1]])
        z = self.model(input_ids=x, attention_mask=torch.ones_like(x), decoder_input_ids=y, use_cache=False).logits[0]
        return torch.softmax(z, -1)[torch.arange(len(self.target) - 1), self.target[1:]]

    def gradients(self, x):
        """(probabilities [T], [d p_t / d source [S,T,D], d p_t / d prefix [T,T,D]])"""
        self.given = [v.clone().requires_grad_() for v in x]
        p = self.run(self.source, self.target)
        rows = [torch.autograd.grad(v, self.given, retain_graph=True) for v in p]
        return p.detach(), [torch.stack([r[side] for r in rows], 1) for side in (0, 1)]


def attributions(name, texts, languages, dtype):
    m = Passes(name, texts, languages, dtype)
    x = m.embedded(m.source, m.target)
    zero = m.embedded(*m.base)
    p, g = m.gradients(x)
    ixg = [v[:, None] * d for v, d in zip(x, g)]
    at, weight = np.polynomial.legendre.leggauss(STEPS)
    path = [torch.zeros_like(v) for v in g]
    for a, w in zip((at + 1) / 2, weight / 2):
        d = m.gradients([b + a * (v - b) for v, b in zip(x, zero)])[1]
        path = [s + w * v for s, v in zip(path, d)]
    ig = [(v - b)[:, None] * s for v, b, s in zip(x, zero, path)]
    out = {"probability": p.double().numpy()}
    for method, both in (("input_x_gradient", ixg), ("integrated_gradients", ig)):
        for side, v in zip(("source", "target"), both):
            out[f"{side}.{method}.sum"] = v.sum(-1).double().numpy()
            if method == "input_x_gradient":
                out[f"{side}.{method}.norm"] = v.norm(dim=-1).double().numpy()
    return m, out


def seen(name, v):
    """In rows; only what a step sees: of the prefix what stands before its token."""
    if v.ndim == 1:
        return list(map(float, v))
    S, T = v.shape
    return [float(v[i, t]) for i in range(S) for t in range(T) if name.startswith("source") or i <= t]


def off(name, a, b):
    return max(abs(p - q) for p, q in zip(seen(name, a), seen(name, b)))


def by_program(program, name, texts, languages, method):
    words = [program, "attribute", "-m", os.path.join(GOLDEN, "models", name), "-a", method, "--attribute_target", "--step_scores",
             "probability", "-i", texts[0], "-g", texts[1], "-q", "--hide"]
    if languages:
        words += ["--src_lang", languages[0], "--tgt_lang", languages[1]]
    if method == "integrated_gradients":
        words += ["--attribution_kwargs", json.dumps({"n_steps": STEPS})]
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "out.json")
        subprocess.run(words + ["-o", file], check=True)
        s = FeatureAttributionOutput.load(file)[0]
    return [x.double().numpy() for x in (s.source_attributions, s.target_attributions, s.step_scores["probability"])]


def table(program):
    print("off by, of the largest value: this program, PyTorch's float32")
    rows = []
    for name, texts, languages in CASES:
        _, exact = attributions(name, texts, languages, torch.float64)
        _, torch32 = attributions(name, texts, languages, torch.float32)
        ours = {}
        for method in ("input_x_gradient", "integrated_gradients"):
            source, target, ours["probability"] = by_program(program, name, texts, languages, method)
            for side, v in (("source", source), ("target", target[:-1])):
                ours[f"{side}.{method}.sum"] = v.sum(-1)
                ours[f"{side}.{method}.norm"] = np.sqrt((v * v).sum(-1))
        for what in exact:
            size = max(map(abs, seen(what, exact[what])))
            rows.append((what, off(what, ours[what], exact[what]) / size, off(what, torch32[what], exact[what]) / size))
            print(f"{name:12} {what:36} {rows[-1][1]:.1e} {rows[-1][2]:.1e}")
    for what in exact:
        print(f"{'all, at most':12} {what:36} " + " ".join(f"{max(r[k] for r in rows if r[0] == what):.1e}" for k in (1, 2)))


def main():
    cases = []
    for name, texts, languages in CASES:
        m, exact = attributions(name, texts, languages, torch.float64)
        _, torch32 = attributions(name, texts, languages, torch.float32)
        case = {"model": name, "source": texts[0], "target": texts[1]}
        if languages:
            case["src_lang"], case["tgt_lang"] = languages
        case.update(source_ids=m.source, target_ids=m.target)
        case["numbers"] = {k: {"float32_off": float(f"{off(k, torch32[k], v):.3g}"), "values": [float(f"{x:.9g}") for x in seen(k, v)]}
                           for k, v in exact.items()}
        cases.append(json.dumps(case))
    with open(os.path.join(GOLDEN, "families_float64.json"), "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(cases) + "\n]\n")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--program":
        table(sys.argv[2])
    else:
        main()
