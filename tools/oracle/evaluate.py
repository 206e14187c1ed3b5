# SPDX-License-Identifier: Apache-2.0
"""How faithful scores are, and how far rankings agree: computed by PyTorch in float64 and by SciPy.

    python evaluate.py            -> test/golden/evaluate.json

Scores are gradient x input of the probability of each target token, by autograd, as a length over the width. Then tokens
are taken away: their ids become the unknown word's, in a pass of its own for each step and each count. Nothing here shares
code or structure with attr/evaluate.c but its definitions. A case whose ranking hangs on a near tie is refused.
"""

import json
import os

import common

common.quiet()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from scipy import stats  # noqa: E402
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: E402

GOLDEN = common.load_spec([])[1]
BINS = [1, 5, 10, 20, 50]
CASES = [  # model, source, target, is the target attributed too, seed
    ("odd-marian", "Is 4 even?", "yes", False, 0), ("odd-marian", "Two cats ran", "ja hoor", True, 7),
    ("t5-yesno-tiny", "Is 4 even?", "yes, it is", True, 3),
    ("marian-en-nl", "The nurse went to the hospital and waited there all day long.", "De verpleegster ging naar het ziekenhuis.", True, 4294967295)]


def probability(model, source, target, step):
    """Of target[step], ids all."""
    out = model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([target[:step]]))
    return torch.log_softmax(out.logits[0, -1], -1)[target[step]].exp()


def scores(model, source, target, step):
    """|x * dp/dx| of every source token, then of target[:step]."""
    kept = {}

    def hook(module, args, out):
        out.retain_grad()
        kept.setdefault("x", []).append(out)

    tables = {id(m): m for m in (model.get_encoder().embed_tokens, model.get_decoder().embed_tokens)}
    handles = [m.register_forward_hook(hook) for m in tables.values()]
    probability(model, source, target, step).backward()
    for handle in handles:
        handle.remove()
    return np.concatenate([(x * x.grad)[0].norm(dim=-1).detach().numpy() for x in kept["x"]])


def curve(model, source, target, step, order, counts, left, unk):
    """The probability with the first of these places taken away, or with only them left. Places count on from source to target."""
    out = []
    for k in counts:
        taken = order[k:] if left else order[:k]
        x, y = list(source), list(target)
        for place in taken:
            if place < len(source):
                x[place] = unk
            else:
                y[place - len(source)] = unk
        y[step:] = target[step:]
        out.append(float(probability(model, x, y, step)))
    return out


def measure(model, source, target, attribute_target, seed, unk, eos):
    found = {kind: {name: [] for name in ("deletion", "insertion", "comprehensiveness", "sufficiency")} for kind in ("own", "random")}
    for step in range(1, len(target)):
        places = [i for i, token in enumerate(source) if token not in (unk, eos)]
        if attribute_target:
            places += [len(source) + i for i in range(1, step) if target[i] not in (unk, eos)]
        value = scores(model, source, target, step)
        with torch.no_grad():
            n = len(places)
            tenths = [int(np.floor(q * n / 10 + 0.5)) for q in range(11)]
            bins = [int(np.ceil(p * n / 100 - 1e-9)) for p in BINS]
            gap = min(np.diff(np.sort(value[places])), default=1) / max(value)
            assert gap > 5e-6, f"a near tie at step {step}"
            draws = np.random.RandomState((seed ^ (2654435761 * (step % 4 + 1))) % 2**32).uniform(size=n)
            whole = float(probability(model, source, target, step))
            for kind, order in (("own", sorted(places, key=lambda i: -value[i])), ("random", [places[i] for i in np.argsort(-draws)])):
                to = found[kind]
                for name, left, rest in (("deletion", False, "comprehensiveness"), ("insertion", True, "sufficiency")):
                    to[name].append(curve(model, source, target, step, order, tenths, left, unk))
                    to[rest].append([whole - p for p in curve(model, source, target, step, order, bins, left, unk)])
    shorter = lambda rows: [[float(f"{v:.9g}") for v in row] for row in np.array(rows).T]  # [shares][steps]
    return {kind: {name: shorter(rows) for name, rows in parts.items()} for kind, parts in found.items()}


def ranks():
    """Pairs of lists with what SciPy says of them; null: NaN."""
    rng = np.random.RandomState(5)
    lists = [(rng.normal(size=n), rng.normal(size=n)) for n in (2, 3, 9, 40)]
    lists += [(rng.randint(0, 4, n).astype(float), rng.randint(-2, 3, n).astype(float)) for n in (3, 8, 25, 60)]
    lists += [(np.arange(6.0), np.arange(6.0)), (np.arange(6.0), -np.arange(6.0)), (np.ones(5), np.arange(5.0)), (np.array([1.0]), np.array([2.0]))]
    x, y = rng.randint(0, 5, 20).astype(float), rng.normal(size=20)
    x[[3, 4, 11]] = np.nan
    y[[4, 17]] = np.nan
    lists.append((x, y))
    out = []
    number = lambda v: None if np.isnan(v) else float(v)
    for x, y in lists:
        x, y = x.astype(np.float32), y.astype(np.float32)
        both = ~(np.isnan(x) | np.isnan(y))
        rho = stats.spearmanr(x[both], y[both]).statistic if both.sum() > 1 else np.nan
        tau = stats.kendalltau(x[both], y[both], variant="b").statistic if both.sum() > 1 else np.nan
        top = [set(np.argsort(-v[both], kind="stable")[:3]) for v in (x, y)]
        out.append({"x": [number(v) for v in x], "y": [number(v) for v in y], "spearman": number(rho), "kendall": number(tau),
                    "overlap": len(top[0] & top[1]) / min(3, int(both.sum()))})
    return out


def main():
    cases = []
    for name, source, text, attribute_target, seed in CASES:
        folder = os.path.join(GOLDEN, "models", name)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder).double().eval()
        x = tokenizer(source).input_ids
        y = [model.config.decoder_start_token_id] + tokenizer(text_target=text).input_ids
        found = measure(model, x, y, attribute_target, seed, tokenizer.unk_token_id, tokenizer.eos_token_id)
        cases.append({"model": name, "source": source, "target": text, "attribute_target": attribute_target, "seed": seed, "source_ids": x, "target_ids": y, **found})
        common.say(name, len(x), "->", len(y))
    with open(os.path.join(GOLDEN, "evaluate.json"), "w", encoding="utf-8") as f:
        json.dump({"cases": cases, "ranks": ranks()}, f)
        f.write("\n")


main()
