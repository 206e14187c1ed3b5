# SPDX-License-Identifier: Apache-2.0
"""ReAGent (Zhao and Shan 2024, arXiv:2402.00794) in PyTorch float64: each step of each probe by itself, from ids, as
attr/reagent.c has it (end and start tokens stay, words from the whole vocabulary but for special tokens) and with its draws:

    draw(probe, round, what, side, i) = mix(mix(seed, probe), ((round * 4 + what) * 2 + side) * 2^32 + i)
    what: 0 the first logit, 1 replaced or not, 2 by which word in a probe, 3 in a test; side: 0 source, 1 target

    python reagent.py            -> test/golden/cases/beyond/reagent.json
"""

import math
import os

import common

common.quiet()

import torch  # noqa: E402
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: E402

GOLDEN = common.load_spec([])[1]
MASK = (1 << 64) - 1
CASES = [
    ("marian-en-nl", "The nurse went to the hospital.", "De verpleegster ging naar het ziekenhuis.", False, dict(num_probes=4, max_probe_steps=30, seed=5)),
    ("marian-en-nl", "The nurse lost her key.", "De dokter verloor zijn sleutel.", True,
     dict(num_probes=3, max_probe_steps=25, keep_top_n=3, stopping_condition_top_k=1, replacing_ratio=0.5, seed=1)),
    ("odd-marian", "Is 4 even?", "yes, it is", True, dict(num_probes=3, max_probe_steps=12, keep_ratio=0.4, stopping_condition_top_k=5)),
    ("t5-yesno-tiny", "Does 3 + 3 equal 6?", "no", False,
     dict(num_probes=5, max_probe_steps=20, keep_top_n=4, stopping_condition_top_k=1, invert_keep=True, seed=77)),
]


def mix(seed, counter):
    z = (seed * 0xD1B54A32D192ED03 + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


class Probe:
    def __init__(self, seed, number, words):
        self.key, self.words = mix(seed, number), words

    def draw(self, turn, what, place):
        return mix(self.key, ((turn * 4 + what) * 2 + place[0] << 32) + place[1])

    def uniform(self, turn, what, place):
        return (self.draw(turn, what, place) >> 11) / 2**53

    def word(self, turn, what, place):
        words = self.words[place[0]]
        return words[(self.draw(turn, what, place) >> 32) * len(words) >> 32]


def attribute(model, special, source, prefix, word, both, seed=0, num_probes=16, max_probe_steps=3000, keep_top_n=5, keep_ratio=None,
              invert_keep=False, stopping_condition_top_k=3, replacing_ratio=0.3):
    """Importance of each place that may be replaced, and how many probes stopped."""
    eos, start = model.config.eos_token_id, 0
    places = [(0, i) for i, t in enumerate(source) if t != eos] + [(1, i) for i, t in enumerate(prefix) if both and i != start and t != eos]
    vocabularies = [model.get_input_embeddings().num_embeddings] * 2
    words = [[w for w in range(n) if w not in special] for n in vocabularies]
    kept = math.ceil(keep_ratio * len(places)) if keep_ratio is not None else keep_top_n

    def logits(changes):
        x, y = list(source), list(prefix)
        for place, w in changes.items():
            (y if place[0] else x)[place[1]] = w
        with torch.no_grad():
            return model(input_ids=torch.tensor([x]), decoder_input_ids=torch.tensor([y])).logits[0, -1]

    p = torch.softmax(logits({}), -1)[word].item()
    finals, stops = [], []
    for number in range(num_probes):
        probe = Probe(seed, number, words)
        u = {place: probe.uniform(0, 0, place) for place in places}
        stopped = False
        for turn in range(max_probe_steps):
            replaced = [place for place in places if probe.uniform(turn, 1, place) < replacing_ratio]
            d = p - torch.softmax(logits({place: probe.word(turn, 2, place) for place in replaced}), -1)[word].item()
            d = max(-1 + 2**-24, min(d, 1 - 2**-24))
            for place in places:
                u[place] += math.log((1 + d) / (1 - d)) * (1 if place in replaced else -1)
            order = sorted(places, key=lambda place: -u[place])
            gone = order[:kept] if invert_keep else order[kept:]
            z = logits({place: probe.word(turn, 3, place) for place in gone})
            if (z > z[word]).sum().item() < stopping_condition_top_k:
                stopped = True
                break
        total = sum(math.exp(v) for v in u.values())
        finals.append({place: math.exp(v) / total for place, v in u.items()})
        stops.append(stopped)
    chosen = [f for f, s in zip(finals, stops) if s] or finals
    return {place: sum(f[place] for f in chosen) / len(chosen) for place in places}, sum(stops)


def make(name, text, into, both, arguments):
    folder = os.path.join(GOLDEN, "models", name)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float64).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    special = {tokenizer.unk_token_id, tokenizer.eos_token_id, model.config.pad_token_id, model.config.decoder_start_token_id}
    source = tokenizer(text).input_ids
    target = [model.config.decoder_start_token_id] + tokenizer(text_target=into).input_ids
    columns, stopped = [], []
    for s in range(1, len(target)):
        scores, n = attribute(model, special, source, target[:s], target[s], both, **arguments)
        columns.append([[round(scores.get((0, i), 0.0), 9) for i in range(len(source))],
                        [round(scores.get((1, i), 0.0), 9) for i in range(s)] if both else []])
        stopped.append(n)
    common.say(name, arguments, "stopped", stopped)
    return dict(model=name, attribute_target=both, arguments=arguments, source=source, target=target, columns=columns, stopped_probes=stopped)


if __name__ == "__main__":
    common.write_json(os.path.join(GOLDEN, "cases", "beyond", "reagent.json"), [make(*case) for case in CASES], indent=None)
