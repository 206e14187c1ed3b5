# SPDX-License-Identifier: Apache-2.0
"""Five methods that Inseq does not have, from their papers' formulas in PyTorch float64, on the models of transformers.

    python beyond.py            -> test/golden/beyond/MODEL.safetensors

Every step is a pass of its own over the prefix alone; its explained value is the probability of the step's word.

    attention_rollout       products of 0.5 A + 0.5 I (arXiv:2005.00928); cross-attention brings 0.5 C R
    attention_x_norm        | a f(x) | of each head, and of their sum (arXiv:2004.10102); f(x) is what the model's own output
                            projection makes of one head's value alone, without its bias
    gradient_x_attention    sum over queries of a max(0, df/da) (arXiv:2204.11073), autograd's gradient
    smooth_grad             mean of gradients, or of gradients times inputs, at noisy inputs (arXiv:1706.03825)
    shapley_sampling        Shapley's values from the values of all coalitions, which Captum's ShapleyValues must agree with
                            where players are few, and the mean over some of the orders themselves, with its standard error

Random numbers are NumPy's RandomState: sample k's stream has the seed SEED ^ 2654435761 (k + 1), order k's SEED ^ 2654435761 k;
a normal number is the first of the two that Marsaglia's polar method makes of two uniform ones.
"""

import math
import os

import common

common.quiet()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from captum.attr import ShapleyValues  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: E402
from transformers.models.t5 import modeling_t5  # noqa: E402

GOLDEN = common.load_spec([])[1]
TEXTS = {"marian-en-nl": ("The nurse.", "De man"), "t5-yesno": ("Is it?", "yes, it")}
SEED, SAMPLES, DEVIATION, ORDERS, PLAYERS = 5, 6, 0.15, 6, 8


class Case:
    def __init__(self, name, source, target):
        folder = os.path.join(GOLDEN, "models", name)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSeq2SeqLM.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager").eval()
        self.eos, self.unk = tokenizer.eos_token_id, tokenizer.unk_token_id
        self.source = tokenizer(source).input_ids
        self.target = [self.model.config.decoder_start_token_id] + tokenizer(text_target=target).input_ids
        self.S, self.n = len(self.source), len(self.target) - 1
        self.x, self.y = self.embed(self.source), self.embed(self.target[:-1])
        assert self.unk not in self.source + self.target

    def embed(self, ids):
        return self.model.get_input_embeddings()(torch.tensor(ids)).detach() * getattr(self.model.get_encoder(), "embed_scale", 1.0)

    def forward(self, x, y, attentions=False):
        """x [B,S,D] or [S,D], y [B,s,D] or [s,D]"""
        return self.model(inputs_embeds=x.reshape(-1, *x.shape[-2:]), decoder_inputs_embeds=y.reshape(-1, *y.shape[-2:]),
                          use_cache=False, output_attentions=attentions)

    def value(self, made, s):
        """The probability of word s after a prefix of s words, for each of a batch."""
        return torch.softmax(made.logits[:, -1], -1)[:, self.target[s]]

    def room(self, *shape):
        """Scores of the source, and of the prefix: no number where a step has not come so far."""
        source = torch.zeros(self.S, self.n, *shape, dtype=torch.float64)
        target = torch.full((self.n + 1, self.n, *shape), float("nan"), dtype=torch.float64)
        return {"source": source, "target": target}

    def attentions(self):
        """[(cross, self)] of the decoder's layers: (values' projection, output's projection)"""
        if hasattr(self.model, "model"):
            return [tuple((a.v_proj, a.out_proj) for a in (b.encoder_attn, b.self_attn)) for b in self.model.model.decoder.layers]
        return [tuple((a.v, a.o) for a in (b.layer[1].EncDecAttention, b.layer[0].SelfAttention)) for b in self.model.decoder.block]


def attention_rollout(c):
    def mixed(a):  # [1,A,q,k]
        a = a[0].mean(0)
        return 0.5 * a + 0.5 * torch.eye(len(a))

    out = c.room()
    with torch.no_grad():
        for s in range(1, c.n + 1):
            made = c.forward(c.x, c.y[:s], True)
            R, X, Y = torch.eye(c.S), torch.zeros(s, c.S), torch.eye(s)
            for a in made.encoder_attentions:
                R = mixed(a) @ R
            for a, cross in zip(made.decoder_attentions, made.cross_attentions):
                X, Y = mixed(a) @ X, mixed(a) @ Y
                X, Y = 0.5 * X + 0.5 * cross[0].mean(0) @ R, 0.5 * Y
            assert abs(X[-1].sum() + Y[-1].sum() - 1) < 1e-12
            out["source"][:, s - 1], out["target"][:s, s - 1] = X[-1], Y[-1]
    return out


def attention_x_norm(c):
    modules, heads = c.attentions(), c.model.config.num_attention_heads
    each, whole = c.room(len(modules), heads), c.room(len(modules))
    values = {}
    hooks = [v.register_forward_hook(lambda m, _, result: values.update({m: result[0]})) for layer in modules for v, _ in layer]
    with torch.no_grad():
        for s in range(1, c.n + 1):
            made = c.forward(c.x, c.y[:s], True)
            for l, layer in enumerate(modules):
                for side, weights, (v, o) in zip(("source", "target"), (made.cross_attentions[l], made.decoder_attentions[l]), layer):
                    alone = torch.zeros(heads, *values[v].shape)  # each head's value with nothing in the others' places
                    for h, part in enumerate(torch.arange(values[v].shape[1]).chunk(heads)):
                        alone[h][:, part] = values[v][:, part]
                    f = o(alone) - o(torch.zeros_like(alone))  # [A,k,D]
                    brings = weights[0, :, -1, :, None] * f
                    each[side][: brings.shape[1], s - 1, l] = brings.norm(dim=-1).T
                    whole[side][: brings.shape[1], s - 1, l] = brings.sum(0).norm(dim=-1)
    for hook in hooks:
        hook.remove()
    return each, whole


def gradient_x_attention(c):
    layers, cut = len(c.attentions()), 0
    out = c.room(layers, c.model.config.num_attention_heads)
    for s in range(1, c.n + 1):
        made = c.forward(c.x, c.y[:s], True)
        weights = [*made.cross_attentions, *made.decoder_attentions]
        for k, (a, g) in enumerate(zip(weights, torch.autograd.grad(c.value(made, s)[0], weights))):
            cut += (g < 0).sum().item()
            scores = (a * g.clamp(min=0))[0].sum(1).detach().T  # [keys, A]
            out["target" if k >= layers else "source"][: len(scores), s - 1, k % layers] = scores
    assert cut > 0
    return out


def normal(stream):
    while True:
        a, b = 2 * stream.random_sample() - 1, 2 * stream.random_sample() - 1
        r = a * a + b * b
        if 0 < r < 1:
            return a * math.sqrt(-2 * math.log(r) / r)


def noisy(stream, x):
    deviation = DEVIATION * (x.max(1).values - x.min(1).values)
    return x + deviation[:, None] * torch.tensor([[normal(stream) for _ in row] for row in x])


def smooth_grad(c):
    gradient, times = c.room(c.x.shape[1]), c.room(c.x.shape[1])
    for out in gradient, times:
        for s in range(1, c.n + 1):
            out["target"][:s, s - 1] = 0
    for k in range(SAMPLES):
        stream = np.random.RandomState(SEED ^ 2654435761 * (k + 1) % 2**32)
        x, y = noisy(stream, c.x), noisy(stream, c.y)
        for s in range(1, c.n + 1):
            px, py = x.clone().requires_grad_(), y[:s].clone().requires_grad_()
            gx, gy = torch.autograd.grad(c.value(c.forward(px, py), s)[0], (px, py))
            gradient["source"][:, s - 1] += gx / SAMPLES
            gradient["target"][:s, s - 1] += gy / SAMPLES
            times["source"][:, s - 1] += (gx * px).detach() / SAMPLES
            times["target"][:s, s - 1] += (gy * py).detach() / SAMPLES
    return gradient, times


def shapley(c):
    exact, sampled = c.room(), c.room()
    error = torch.zeros(c.n, dtype=torch.float64)
    unk = c.embed([c.unk])[0]
    everyone = [("source", i) for i, t in enumerate(c.source) if t != c.eos] + [("target", i) for i in range(1, c.n)]
    assert len(everyone) <= PLAYERS
    for s in range(1, c.n + 1):
        players = [p for p in everyone if p[0] == "source" or p[1] < s]
        n = len(players)
        x, y = c.x.repeat(2**n, 1, 1), c.y[:s].repeat(2**n, 1, 1)
        for coalition in range(2**n):
            for k, (side, i) in enumerate(players):
                if not coalition >> k & 1:
                    (x if side == "source" else y)[coalition, i] = unk
        with torch.no_grad():
            f = c.value(c.forward(x, y), s)
        for out in exact, sampled:
            out["source"][:, s - 1] = 0
            out["target"][:s, s - 1] = 0
        for k, (side, i) in enumerate(players):
            for coalition in range(2**n):
                if not coalition >> k & 1:
                    size = coalition.bit_count()
                    weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
                    exact[side][i, s - 1] += weight * (f[coalition | 1 << k] - f[coalition])
        if n <= 4:
            agree_with_captum(c, s, players, exact, unk)
        more = torch.zeros(ORDERS, n, dtype=torch.float64)
        for o in range(ORDERS):
            keys = np.random.RandomState(SEED ^ 2654435761 * o % 2**32).random_sample(len(everyone))
            coalition = 0
            for p in np.argsort(keys):
                if everyone[p] in players:
                    k = players.index(everyone[p])
                    more[o, k] = f[coalition | 1 << k] - f[coalition]
                    coalition |= 1 << k
        for k, (side, i) in enumerate(players):
            sampled[side][i, s - 1] = more[:, k].mean()
        error[s - 1] = more.std(0).max() / math.sqrt(ORDERS)
    return exact, sampled, error, len(everyone)


def agree_with_captum(c, s, players, exact, unk):
    x0, y0 = c.x.clone(), c.y[:s].clone()
    mx, my = torch.full((c.S,), len(players)), torch.full((s,), len(players))  # the rest: one more player, who adds nothing
    for k, (side, i) in enumerate(players):
        (x0 if side == "source" else y0)[i], (mx if side == "source" else my)[i] = unk, k
    wide = lambda m: m[None, :, None].expand(1, -1, c.x.shape[1]).contiguous()  # noqa: E731
    with torch.no_grad():
        a = ShapleyValues(lambda x, y: c.value(c.forward(x, y), s)).attribute(
            (c.x[None], c.y[None, :s]), (x0[None], y0[None]), feature_mask=(wide(mx), wide(my)))
    for side, i in players:
        assert abs(a[side == "target"][0, i, 0] - exact[side][i, s - 1]) < 1e-6  # Captum adds up in float32


def make(name):
    c = Case(name, *TEXTS[name])
    norm, norm_whole = attention_x_norm(c)
    gradient, times = smooth_grad(c)
    exact, sampled, error, players = shapley(c)
    scores = {"attention_rollout": attention_rollout(c), "attention_x_norm": norm, "attention_x_norm_sum_heads": norm_whole,
              "gradient_x_attention": gradient_x_attention(c), "smooth_grad": gradient, "smooth_grad_input_x_gradient": times,
              "shapley_exact": exact, "shapley_orders": sampled}
    tensors = {"source": torch.tensor(c.source), "target": torch.tensor(c.target), "standard_error": error.float()}
    for method, sides in scores.items():
        for side, v in sides.items():
            assert v.dtype == torch.float64
            tensors[f"{method}.{side}"] = v.float().contiguous()
    path = os.path.join(GOLDEN, "beyond", f"{name}.safetensors")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file(tensors, path)
    os.chmod(path, 0o644)
    common.say(name, c.S, "source tokens,", c.n, "steps,", players, "players; largest", {
        method: f"{max(v.nan_to_num().abs().max() for v in sides.values()):.3g}" for method, sides in scores.items()})


def in_float64():
    """T5's norms go through float32 whatever the model's type."""
    modeling_t5.T5LayerNorm.forward = (
        lambda self, x: self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


if __name__ == "__main__":
    common.repair()
    in_float64()
    torch.set_default_dtype(torch.float64)
    for name in TEXTS:
        make(name)
