# SPDX-License-Identifier: Apache-2.0
"""Expected gradients (Erion et al. 2021, arXiv:1906.10670) in PyTorch float64, by the definition and with the draws of
attr/expected_gradients.c, which are a formula of the seed:

    mix(seed, c) = splitmix64 of the two      u_k = (mix(seed, k + 1) >> 11) / 2^53      a_k = (k + u_k) / samples
    text_k = (turn >> 32) * n >> 32           turn = mix(seed, 0) + k * 0x9E3779B97F4A7C15 mod 2^64

    python expected_gradients.py            -> test/golden/cases/beyond/expected_gradients-MODEL.safetensors

Every step is a forward and a backward pass of its own, over the prefix alone.
"""

import os

import common

common.quiet()

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: E402

GOLDEN = common.load_spec([])[1]
SOURCE, TARGET = "Is 4 even?", "yes, it is"
TEXTS = ["No.", "It rains and the dog is in the garden.", "Is 5 odd?"]
SAMPLES, SEED = 7, 11
MASK = (1 << 64) - 1


def mix(seed, counter):
    z = (seed * 0xD1B54A32D192ED03 + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


def baseline_ids(source, text, eos, unk):
    """The text's tokens in the places of the source's; unk where it ends; an end token stays what it is."""
    return [s if s == eos else text[i] if i < len(text) and text[i] != eos else unk for i, s in enumerate(source)]


def probability(model, x, y, word):
    z = model(inputs_embeds=x[None], decoder_inputs_embeds=y[None]).logits[0, -1]
    return torch.softmax(z, -1)[word]


def make(name, both):
    folder = os.path.join(GOLDEN, "models", name)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    eos, unk = tokenizer.eos_token_id, tokenizer.unk_token_id
    source = tokenizer(SOURCE).input_ids
    target = [model.config.decoder_start_token_id] + tokenizer(text_target=TARGET).input_ids
    texts = [tokenizer(t).input_ids for t in TEXTS]
    scale = getattr(model.get_encoder(), "embed_scale", 1.0)

    def embed(ids):
        return model.get_input_embeddings()(torch.tensor(ids)).detach() * scale

    x, y = embed(source), embed(target[:-1])
    by = embed([target[0]] + [t if t == eos else unk for t in target[1:-1]])
    steps, width = len(target) - 1, x.shape[1]
    sx = torch.zeros(len(source), steps, width, dtype=torch.float64)
    sy = torch.full((len(target), steps, width), float("nan"), dtype=torch.float64)
    deltas = torch.zeros(steps, dtype=torch.float64)
    for s in range(steps):
        word, end = target[s + 1], s + 1
        sy[:end, s] = 0
        for k in range(SAMPLES):
            a = (k + (mix(SEED, k + 1) >> 11) / 2**53) / SAMPLES
            turn = mix(SEED, 0) + k * 0x9E3779B97F4A7C15 & MASK
            bx = embed(baseline_ids(source, texts[(turn >> 32) * len(texts) >> 32], eos, unk))
            px = (bx + a * (x - bx)).requires_grad_()
            py = (by[:end] + a * (y[:end] - by[:end]) if both else y[:end].clone()).requires_grad_()
            gx, gy = torch.autograd.grad(probability(model, px, py, word), (px, py))
            sx[:, s] += (x - bx) * gx / SAMPLES
            if both:
                sy[:end, s] += (y[:end] - by[:end]) * gy / SAMPLES
            with torch.no_grad():
                deltas[s] += probability(model, bx, by[:end] if both else y[:end], word) / SAMPLES
        with torch.no_grad():
            deltas[s] += sx[:, s].sum() + (sy[:end, s].sum() if both else 0) - probability(model, x, y[:end], word)
    tensors = {"source": torch.tensor(source), "target": torch.tensor(target), "source_attributions": sx.float(), "deltas": deltas}
    for i, t in enumerate(texts):
        tensors[f"text{i}"] = torch.tensor(t)
    if both:
        tensors["target_attributions"] = sy.float()
    path = os.path.join(GOLDEN, "cases", "beyond", f"expected_gradients-{name}.safetensors")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file(tensors, path)
    os.chmod(path, 0o644)
    common.say(name, len(source), "source tokens,", steps, "steps, deltas", [f"{d:.3g}" for d in deltas])


if __name__ == "__main__":
    common.repair()
    make("odd-marian", True)
    make("odd-t5", False)
