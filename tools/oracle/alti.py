# SPDX-License-Identifier: Apache-2.0
"""Golden data of ALTI and ALTI-Logit, computed from their papers' formulas in float64.

    python alti.py        writes test/golden/alti/alti.json

Attention weights, layer inputs and logits come from transformers, run in float64; all else is NumPy: transformed vectors
in full, [queries, keys, D], norms as matrices, contributions, rollouts through encoder and decoder (Ferrando et al. 2022,
arXiv:2203.04212 and arXiv:2205.11631), and logits decomposed over the residual stream (Ferrando et al. 2023,
arXiv:2305.12535).  On the way every block is put together again from its parts and compared with the model's own states,
and the parts of every logit with the logit.
"""

import json
import os

import common

common.quiet()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModelForSeq2SeqLM, MarianTokenizer, T5Tokenizer  # noqa: E402
from transformers.models.mt5 import modeling_mt5  # noqa: E402
from transformers.models.t5 import modeling_t5  # noqa: E402

GOLDEN = common.load_spec([])[1]
TEXTS = {
    "models/marian-en-nl": [("The nurse went to the hospital, and she was glad.", None), ("No.", "Nee, de kat zit."),
                            ("Don't get hot-headed mate, it's easy peasy to study models with Inseq!", None)],
    "models/t5-yesno": [("Is the London the capital of France?", "no"), ("Does 3 + 3 equal 6?", "yes, it is, yes")],
    "models/t5-v10-relu": [("The nurse went to the hospital.", "De verpleger ging."), ("It rains.", None)],
    "models/odd-marian": [("Is 4 even?", "yes, it is"), ("No.", "ja")],
    "models/odd-t5": [("Is 4 even?", "yes, it is"), ("No, no.", "ja, ja")],
}
IDS = {  # without tokenizers: several layers on both sides, numbers of heads that differ
    "shapes/marian-two-vocabularies": [([4, 9, 31, 2, 30, 12, 1, 0], [36, 5, 40, 52, 7, 0]), ([0], [36, 3, 3])],
    "shapes/t5-long-decoder": [([8, 25, 17, 3, 1], [0, 21, 5, 14, 30, 11, 1]), ([1], [0, 2])],
    "shapes/t5-long-encoder": [([4, 9, 31, 2, 30, 12, 22, 1], [0, 9, 8, 30, 1])],
    "shapes/mt5": [([40, 9, 31, 2, 1], [0, 9, 8, 8, 30, 40, 1])],
}


def in_float64():
    """T5's norms and softmax go through float32 whatever the model's type."""
    torch.Tensor.float = lambda x: x
    for norm in (modeling_t5.T5LayerNorm, modeling_mt5.MT5LayerNorm):
        norm.forward = lambda self, x: self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)


def numbers(x):
    return x.detach().numpy().astype(np.float64)


class Norm:
    """One row's norm as a matrix, once its scale is known: norm(x) = M x + b."""

    def __init__(self, module):
        self.g, self.centred = numbers(module.weight), hasattr(module, "bias")
        self.b = numbers(module.bias) if self.centred else np.zeros_like(self.g)
        self.eps = module.eps if self.centred else module.variance_epsilon
        self.module = module

    def __call__(self, x):
        return numbers(self.module(torch.from_numpy(x)))

    def matrix(self, row):
        n = len(row)
        centre = np.eye(n) - (np.ones((n, n)) / n if self.centred else 0)
        spread = ((centre @ row) ** 2).mean()
        return np.diag(self.g) @ centre / np.sqrt(spread + self.eps)


class Step:
    """Something added to the residual stream: x + update, and then perhaps a norm."""

    def __init__(self, kind, x, update, after, vectors=None):
        self.kind, self.x, self.update, self.after, self.vectors = kind, x, update, after, vectors
        self.sum = x + update
        self.out = after(self.sum) if after else self.sum

    def matrices(self):
        d = self.x.shape[1]
        return np.stack([self.after.matrix(row) for row in self.sum]) if self.after else np.stack([np.eye(d)] * len(self.x))


def attention(kind, module, weights, x, queries_norm, keys, after, names):
    """x [T,D] -> Step with transformed vectors [T,K,D]; keys None: x itself, normed as the queries are."""
    v, o = getattr(module, names[0]), getattr(module, names[1])
    values = numbers(v(torch.from_numpy(queries_norm(x) if keys is None else keys)))
    heads, width = weights.shape[0], values.shape[1] // weights.shape[0]
    values = values.reshape(len(values), heads, width)
    out = numbers(o.weight).reshape(-1, heads, width)
    vectors = np.einsum("hik,khe,dhe->ikd", weights, values, out)
    bias = numbers(o.bias) if o.bias is not None else 0
    return Step(kind, x, vectors.sum(1) + bias, after, vectors)


def marian_steps(model, made, decoder):
    stack = model.model.decoder if decoder else model.model.encoder
    inputs = made.decoder_hidden_states if decoder else made.encoder_hidden_states
    own = made.decoder_attentions if decoder else made.encoder_attentions
    names, steps = ("v_proj", "out_proj"), []
    for i, layer in enumerate(stack.layers):
        x = numbers(inputs[i][0])
        steps.append(attention("self", layer.self_attn, numbers(own[i][0]), x, lambda y: y, None, Norm(layer.self_attn_layer_norm), names))
        if decoder:
            keys = numbers(made.encoder_last_hidden_state[0])
            steps.append(attention("cross", layer.encoder_attn, numbers(made.cross_attentions[i][0]), steps[-1].out, None, keys,
                                   Norm(layer.encoder_attn_layer_norm), names))
        x = steps[-1].out
        ff = numbers(layer.fc2(layer.activation_fn(layer.fc1(torch.from_numpy(x)))))
        steps.append(Step("ff", x, ff, Norm(layer.final_layer_norm)))
        assert np.abs(steps[-1].out - numbers(inputs[i + 1][0])).max() < 1e-9
    return steps


def t5_steps(model, made, decoder):
    stack = model.decoder if decoder else model.encoder
    inputs = made.decoder_hidden_states if decoder else made.encoder_hidden_states
    own = made.decoder_attentions if decoder else made.encoder_attentions
    names, steps = ("v", "o"), []
    for i, block in enumerate(stack.block):
        x, part = numbers(inputs[i][0]), list(block.layer)
        steps.append(attention("self", part[0].SelfAttention, numbers(own[i][0]), x, Norm(part[0].layer_norm), None, None, names))
        if decoder:
            keys = numbers(made.encoder_last_hidden_state[0])
            steps.append(attention("cross", part[1].EncDecAttention, numbers(made.cross_attentions[i][0]), steps[-1].out, None, keys, None, names))
        x, last = steps[-1].out, i + 1 == len(stack.block)
        ff = numbers(part[-1].DenseReluDense(part[-1].layer_norm(torch.from_numpy(x))))
        steps.append(Step("ff", x, ff, Norm(stack.final_layer_norm) if last else None))
        assert np.abs(steps[-1].out - numbers(inputs[i + 1][0])).max() < 1e-9
    return steps


def shares(step):
    """[T, K + 1]: contributions of keys, and of the residual connection where it is apart from them."""
    m, n = step.matrices(), len(step.x)
    t = np.einsum("ide,ike->ikd", m, step.vectors)
    own = np.einsum("ide,ie->id", m, step.x)
    if step.kind == "self":
        t[np.arange(n), np.arange(n)] += own
        t = np.concatenate([t, np.zeros_like(own)[:, None]], 1)
    else:
        t = np.concatenate([t, own[:, None]], 1)
    c = np.abs(step.out).sum(-1)[:, None] - np.abs(step.out[:, None] - t).sum(-1)
    c = np.maximum(c, 0)  # exactly 0 where nothing is brought: later rows, and the empty last column of self-attention
    assert (c.sum(-1) > 0).all()
    return c / c.sum(-1, keepdims=True)


def run(model, steps_of, source, target):
    x, y = torch.tensor([source]), torch.tensor([target[:-1]])
    with torch.no_grad():
        made = model(input_ids=x, decoder_input_ids=y, output_attentions=True, output_hidden_states=True, use_cache=False)
        encoder, decoder = steps_of(model, made, False), steps_of(model, made, True)
    S, T, D = len(source), len(target) - 1, decoder[0].x.shape[1]
    head = numbers(model.lm_head.weight)
    if getattr(model.config, "scale_decoder_outputs", False):
        head = head * model.config.d_model ** -0.5
    bias = numbers(model.final_logits_bias)[0] if hasattr(model, "final_logits_bias") else np.zeros(len(head))
    logits = numbers(made.logits[0])
    assert np.abs(decoder[-1].out @ head.T + bias - logits).max() < 1e-8

    # vectors carried back: u[k] at the sum of step k, for each row
    u = head[target[1:]]
    parts = np.zeros((3, T))  # embedding, feed-forward, biases
    parts[2] = bias[target[1:]]
    at = [None] * len(decoder)
    for k in reversed(range(len(decoder))):
        step = decoder[k]
        if step.after:
            parts[2] += u @ step.after.b
            u = np.einsum("id,ide->ie", u, step.matrices())
        at[k] = u
        if step.kind == "ff":
            parts[1] += (u * step.update).sum(-1)
        else:
            parts[2] += (u * (step.update - step.vectors.sum(1))).sum(-1)
    parts[0] = (u * decoder[0].x).sum(-1)

    R = np.eye(S)
    for step in encoder:
        if step.kind == "self":
            R = shares(step)[:, :S] @ R
    X, Y, logit_x, logit_y = np.zeros((T, S)), np.eye(T), np.zeros((T, S)), np.zeros((T, T))
    for step, w in zip(decoder, at):
        if step.kind == "ff":
            continue
        brings = np.einsum("id,ikd->ik", w, step.vectors)
        c = shares(step)
        if step.kind == "self":
            logit_x, logit_y = logit_x + brings @ X, logit_y + brings @ Y
            X, Y = c[:, :T] @ X, c[:, :T] @ Y
        else:
            logit_x = logit_x + brings @ R
            X, Y = c[:, -1:] * X + c[:, :-1] @ R, c[:, -1:] * Y
    assert np.abs(X.sum(1) + Y.sum(1) - 1).max() < 1e-9
    whole = logits[np.arange(T), target[1:]]
    assert np.abs(logit_x.sum(1) + logit_y.sum(1) + parts.sum(0) - whole).max() < 1e-8
    rounded = lambda a: [[float(f"{v:.8g}") for v in row] for row in a]  # noqa: E731
    return {"alti": {"source": rounded(X.T), "target": rounded(Y.T)}, "alti_logit": {"source": rounded(logit_x.T), "target": rounded(logit_y.T)},
            "parts": rounded(parts), "logit": rounded([whole])[0]}


def cases(name, model):
    start, end = model.config.decoder_start_token_id, model.config.eos_token_id
    if name in IDS:
        yield from IDS[name]
        return
    folder = os.path.join(GOLDEN, name)
    tokenizer = (MarianTokenizer if "marian" in name else T5Tokenizer).from_pretrained(folder)
    for source, target in TEXTS[name]:
        ids = tokenizer(source, return_tensors="pt").input_ids
        if target is None:
            made = model.generate(ids, num_beams=1, do_sample=False, max_new_tokens=14, use_cache=False)[0].tolist()
        else:
            made = [start] + tokenizer(text_target=target).input_ids
        yield ids[0].tolist(), made


def main():
    in_float64()
    lines = []
    for name in [*TEXTS, *IDS]:
        model = AutoModelForSeq2SeqLM.from_pretrained(os.path.join(GOLDEN, name), attn_implementation="eager").double().eval()
        steps_of = marian_steps if "marian" in name else t5_steps
        for source, target in cases(name, model):
            lines.append(json.dumps({"model": name, "source": source, "target": target, **run(model, steps_of, source, target)}))
            common.say(name, len(source), len(target))
    folder = os.path.join(GOLDEN, "alti")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "alti.json"), "w") as f:
        f.write("[\n" + ",\n".join(lines) + "\n]\n")


main()
