# SPDX-License-Identifier: Apache-2.0
"""Methods on decoder-only models, from their formulas in PyTorch float64 on the models of transformers.

    python decoder_methods.py [NAME...]      -> test/golden/decoders/NAME/methods.safetensors

The text is that of golden.safetensors, its last STEPS tokens are attributed, and the explained value is the word's logit. One
way serves all families: the values V_h are what a matrix of weights A_h is multiplied with, wherever that happens; that A_h V_h
is what goes into the output projection is checked.

    attention_rollout      products of 0.5 A + 0.5 I
    attention_x_norm       | A_h[i,j] f_h(j) |, f_h(j) what the output projection makes of V_h[j] alone, without its bias
    gradient_x_attention   sum over queries of A max(0, df/dA), autograd's gradient
    alti, alti_logit       shares of | y | - | y - T(x_j) |; u . T(x_j) times the shares below. T is taken through the norm and
                           the factor that a family gives attention's result (Gemma 2, OLMo 2, Granite), as the linear map that it is
    value_zeroing          a layer again without V[j] (similarity_metric euclidean)
    attn_lrp               rules of AttnLRP put into autograd's way back
    expected_gradients     as expected_gradients.py, with texts in the prompt's place; its draws
    layer_integrated_gradients, layer_deeplift    Captum's, at LAYERS: of each row's attributions the sum and the norm
"""

import os
import sys

import common

common.quiet()

import torch  # noqa: E402
from captum.attr import LayerDeepLift, LayerIntegratedGradients  # noqa: E402
from expected_gradients import MASK, mix  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

FOLDER = os.path.join(common.load_spec([])[1], "decoders")
STEPS = 3
LLAMA = ("model.layers", "self_attn.o_proj", "model.norm")
FAMILIES = {  # layers, output projection of attention, last norm
    "gpt2": ("transformer.h", "attn.c_proj", "transformer.ln_f"), "gptj": ("transformer.h", "attn.out_proj", "transformer.ln_f"),
    "gpt_neo": ("transformer.h", "attn.attention.out_proj", "transformer.ln_f"), "phi": ("model.layers", "self_attn.dense", "model.final_layernorm"),
    "gpt_neox": ("gpt_neox.layers", "attention.dense", "gpt_neox.final_layer_norm"), "bloom": ("transformer.h", "self_attention.dense", "transformer.ln_f"),
    "falcon": ("transformer.h", "self_attention.dense", "transformer.ln_f"), "opt": ("model.decoder.layers", "self_attn.out_proj", "model.decoder.final_layer_norm"),
}
AFTER = ("gemma2", "gemma3_text", "olmo2")  # post_attention_layernorm is of what attention gives
NAMES = ["gpt2-by-layer", "gpt_neo", "gpt_neox", "gptj", "bloom", "falcon-7b", "falcon-40b", "opt-no-bias", "phi", "llama", "mistral", "qwen3",
         "gemma2", "gemma3_text", "olmo2", "granite", "starcoder2"]
UNK, SAMPLES, SEED = 3, 5, 11
BASELINES = [[7, 8, 9], [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38]]
LAYERS = {"gpt2-by-layer": "transformer.h.1.mlp.c_fc", "llama": "model.layers.0.mlp.up_proj", "opt-no-bias": "model.decoder.layers.0.fc1"}
LRP = ("gpt2-by-layer", "gpt_neox", "llama", "qwen3", "gemma2", "granite", "phi", "opt-no-bias")


class Case:
    def __init__(self, name):
        self.model, self.ids = LOADED[name]
        c = self.config = self.model.config
        layers, self.projection, norm = FAMILIES.get(c.model_type, LLAMA)
        self.layers = self.model.get_submodule(layers)
        self.outs = [l.get_submodule(self.projection) for l in self.layers]
        self.norm = self.model.get_submodule(norm)
        self.T, self.L = self.ids.shape[1] - 1, len(self.outs)
        self.steps = range(self.T - STEPS, self.T)  # rows that predict
        self.factor = getattr(c, "residual_multiplier", 1.0)
        self.x = self.model.get_input_embeddings()(self.ids[:, :-1]).detach()  # Gemma's factor is in its table

    def run(self, x=None, **how):
        return self.model(inputs_embeds=self.x if x is None else x, use_cache=False, **how)

    def room(self, *shape):
        return torch.full((self.T + 1, STEPS, *shape), float("nan"))


class Values(TorchFunctionMode):
    """What matrices of weights, whose rows add up to 1, are multiplied with."""

    def __init__(self):
        self.seen = []

    def __torch_function__(self, f, types, args=(), kwargs=None):
        if getattr(f, "__name__", "") in ("matmul", "bmm", "__matmul__") and len(args) == 2:
            a, b = args
            if a.dim() > 2 and a.shape[-1] == a.shape[-2] == b.shape[-2] and ((a.sum(-1) - 1).abs() < 1e-9).all():
                self.seen.append(b.detach())
        return f(*args, **(kwargs or {}))


def record(c):
    """Of each layer: its input x, attention's input Z to the projection and what it gives, A, V [H,T,d], f [H,T,D]."""
    kept = [dict() for _ in range(c.L)]
    hooks = []
    for k, layer, out in zip(kept, c.layers, c.outs):
        hooks.append(layer.register_forward_pre_hook(lambda m, a, kw, k=k: k.update(x=(a[0] if a else kw["hidden_states"])[0].detach()), with_kwargs=True))
        hooks.append(out.register_forward_hook(lambda m, a, y, k=k: k.update(Z=a[0].reshape(c.T, -1).detach(), given=y.reshape(c.T, -1).detach())))
    with torch.no_grad(), Values() as values:
        made = c.run(output_attentions=True, output_hidden_states=True)
    for h in hooks:
        h.remove()
    assert len(values.seen) == c.L
    for k, layer, out, A, V in zip(kept, c.layers, c.outs, made.attentions, values.seen):
        k["A"] = A = A[0]
        H = len(A)
        k["V"] = V = V.reshape(-1, c.T, V.shape[-1]).expand(H, -1, -1)
        assert ((A @ V).transpose(0, 1).reshape(c.T, -1) - k["Z"]).abs().max() < 1e-12
        with torch.no_grad():
            bias = out(torch.zeros(1, k["Z"].shape[1]))
            alone = torch.zeros(H, c.T, H, k["V"].shape[-1])
            for h in range(H):
                alone[h, :, h] = k["V"][h]
            k["f"] = out(alone.reshape(H * c.T, -1)).reshape(H, c.T, -1) - bias
            k["given"] = out(k["Z"])  # Falcon and others add to it in place
        k["T"] = torch.einsum("hij,hjd->ijd", A, k["f"])
        k["update"] = k["given"]
        if c.config.model_type in AFTER:
            with torch.no_grad():
                k["update"] = layer.post_attention_layernorm(k["given"])
            k["T"] = k["T"] * (k["update"] / k["given"])[:, None]
        k["T"], k["update"] = k["T"] * c.factor, k["update"] * c.factor
    return kept, made


def rollout(c, kept):
    out, R = c.room(), torch.eye(c.T)
    for k in kept:
        R = (0.5 * k["A"].mean(0) + 0.5 * torch.eye(c.T)) @ R
    for s, row in enumerate(c.steps):
        out[:row + 1, s] = R[row, :row + 1]
    return out


def x_norm(c, kept):
    out = c.room(c.L, len(kept[0]["A"]))
    for l, k in enumerate(kept):
        size = k["A"] * k["f"].norm(dim=-1)[:, None]
        for s, row in enumerate(c.steps):
            out[:row + 1, s, l] = size[:, row, :row + 1].T
    return out


def gradient_x_attention(c):
    made = c.run(output_attentions=True)
    out = c.room(c.L, made.attentions[0].shape[1])
    for s, row in enumerate(c.steps):
        grads = torch.autograd.grad(made.logits[0, row, c.ids[0, row + 1]], made.attentions, retain_graph=True)
        for l, (a, g) in enumerate(zip(made.attentions, grads)):
            out[:row + 1, s, l] = (a * g.clamp(min=0))[0, :, :row + 1].sum(1)[:, :row + 1].T.detach()
    return out


def alti(c, kept):
    """Shares, and what each layer's attention adds to the logits by way of the shares below it."""
    shares, logit, R = c.room(), c.room(), torch.eye(c.T)
    us = []
    for s, row in enumerate(c.steps):
        logit[:row + 1, s] = 0
        us.append(u_vector(c, row))
    for k in kept:
        y = k["x"] + k["update"]
        parts = k["T"] + torch.eye(c.T)[:, :, None] * k["x"][:, None]
        C = torch.tril((y.abs().sum(-1)[:, None] - (y[:, None] - parts).abs().sum(-1)).clamp(min=0))
        sums = C.sum(-1, keepdim=True)
        C = torch.where(sums > 0, C / sums.clamp(min=1e-300), torch.eye(c.T))
        for s, row in enumerate(c.steps):
            logit[:row + 1, s] += ((k["T"][row, :row + 1] @ us[s]) @ R[:row + 1])[:row + 1]
        R = C @ R
    for s, row in enumerate(c.steps):
        shares[:row + 1, s] = R[row, :row + 1]
    return shares, logit


def u_vector(c, row):
    """The word's vector carried back through the last norm with its scale as a constant; before a cap on the logits."""
    kept = {}
    hook = c.norm.register_forward_pre_hook(lambda m, a: kept.update(x=a[0][0, row].detach()))
    with torch.no_grad():
        c.run()
    hook.remove()
    x, w = kept["x"], c.model.get_output_embeddings().weight[c.ids[0, row + 1]].detach() / getattr(c.config, "logits_scaling", 1.0)
    with torch.no_grad():
        y = c.norm(x[None])[0]
    if getattr(c.norm, "bias", None) is None:
        return w * y / x  # y = g x / rms
    g = c.norm.weight.detach() / (x.var(unbiased=False) + c.norm.eps).sqrt()
    return g * w - (g * w).mean()


def value_zeroing(c, kept, made):
    out = c.room(c.L)
    ends = made.hidden_states[1:]
    for l, k in enumerate(kept):
        scores = torch.zeros(c.T, c.T)
        for j in range(c.T):
            lost = torch.einsum("hi,hd->ihd", k["A"][:, :, j], k["V"][:, j]).reshape(c.T, -1)
            hook = c.outs[l].register_forward_pre_hook(lambda m, a: (a[0] - lost.reshape(a[0].shape),))
            with torch.no_grad():
                other = c.run(output_hidden_states=True).hidden_states[l + 1]
            hook.remove()
            scores[j] = (other - ends[l])[0].norm(dim=-1)
        scores[scores < 1e-5] = 0
        scores = torch.triu(scores)
        scores = scores / torch.where(scores.sum(0) > 0, scores.sum(0), 1)
        for s, row in enumerate(c.steps):
            out[:row + 1, s, l] = scores[:row + 1, row]
    return out


def embed(c, ids):
    return c.model.get_input_embeddings()(torch.tensor([ids])).detach()


def expected_gradients(c):
    prompt = c.T + 1 - STEPS
    out = c.room(c.x.shape[-1])
    for k in range(SAMPLES):
        a = (k + (mix(SEED, k + 1) >> 11) / 2**53) / SAMPLES
        turn = mix(SEED, 0) + k * 0x9E3779B97F4A7C15 & MASK
        text = BASELINES[(turn >> 32) * len(BASELINES) >> 32]
        b = embed(c, [text[i] if i < min(prompt, len(text)) else UNK for i in range(c.T)])
        x = (b + a * (c.x - b)).requires_grad_()
        made = c.run(x)
        for s, row in enumerate(c.steps):
            g, = torch.autograd.grad(made.logits[0, row, c.ids[0, row + 1]], x, retain_graph=True)
            part = ((c.x - b) * g)[0, :row + 1] / SAMPLES
            out[:row + 1, s] = part if k == 0 else out[:row + 1, s] + part
    return out


class Logit(torch.nn.Module):
    def __init__(self, model, word):
        super().__init__()
        self.model, self.word = model, word

    def forward(self, x):
        return self.model(input_ids=x, use_cache=False).logits[:, -1, self.word]


def at_layer(c, name, method):
    out = c.room(2)
    for s, row in enumerate(c.steps):
        x = c.ids[:, :row + 1]
        f = Logit(c.model, c.ids[0, row + 1])
        how = {"n_steps": 6} if method is LayerIntegratedGradients else {}
        a = method(f, c.model.get_submodule(LAYERS[name])).attribute(x, torch.full_like(x, UNK), **how)
        a = a[0] if isinstance(a, tuple) else a
        a = a.detach().reshape(row + 1, -1)
        out[:row + 1, s] = torch.stack([a.sum(-1), a.norm(dim=-1)], -1)
    return out


# ------------------------------------------------------------------------------------------ attn_lrp


class Identity(torch.autograd.Function):
    """y = f(x), whose relevance goes to x as it is: dx = dy y / x."""

    @staticmethod
    def forward(ctx, x, y, at_zero):
        ctx.save_for_backward(torch.where(x == 0, torch.full_like(x, at_zero), y / x))
        return y.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.saved_tensors[0], None, None


class Product(torch.autograd.Function):
    """y = a b: half of the relevance to each factor."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy @ b.transpose(-1, -2) / 2, a.transpose(-1, -2) @ dy / 2


def lrp(c):
    tanh, matmul = torch.tanh, torch.matmul
    undo = []

    def norm(m, a, y):
        x = a[0]
        if isinstance(m, torch.nn.LayerNorm):
            r = (x.detach().var(-1, keepdim=True, unbiased=False) + m.eps).rsqrt()
            return (x - x.mean(-1, keepdim=True)) * r * m.weight.detach() + m.bias.detach()
        return Identity.apply(x, y.detach(), 0.0)  # g x r

    for m in c.model.modules():
        kind = type(m).__name__
        if kind.endswith("Norm"):
            undo.append(m.register_forward_hook(norm))
        elif kind.endswith(("MLP", "DecoderLayer")) or "MLP" in kind or kind.startswith("OPTDecoder"):
            for n in ("act", "act_fn", "activation_fn"):
                f = getattr(m, n, None)
                if f is not None and isinstance(f, torch.nn.Module):
                    undo.append(f.register_forward_hook(lambda m, a, y: Identity.apply(a[0], y.detach(), 0.0)))
            if hasattr(m, "gate_proj"):  # half to each factor
                undo.append(m.down_proj.register_full_backward_hook(lambda m, gi, go: (gi[0] / 2,)))
    torch.tanh = lambda x: Identity.apply(x, tanh(x.detach()), 1.0)
    torch.matmul = Product.apply
    x = c.x.clone().requires_grad_()
    made = c.run(x)
    out = c.room()
    for s, row in enumerate(c.steps):
        g, = torch.autograd.grad(made.logits[0, row, c.ids[0, row + 1]], x, retain_graph=True)
        out[:row + 1, s] = (g * x).sum(-1)[0, :row + 1].detach()
    torch.tanh, torch.matmul = tanh, matmul
    for h in undo:
        h.remove()
    return out


def make(name):
    c = Case(name)
    kept, made = record(c)
    shares, logit = alti(c, kept)
    tensors = {"attention_rollout": rollout(c, kept), "attention_x_norm": x_norm(c, kept), "gradient_x_attention": gradient_x_attention(c),
               "alti": shares, "alti_logit": logit, "value_zeroing": value_zeroing(c, kept, made)}
    if name in LRP:
        tensors["attn_lrp"] = lrp(c)
    if name in LAYERS:
        tensors["expected_gradients"] = expected_gradients(c)
        tensors["layer_integrated_gradients"] = at_layer(c, name, LayerIntegratedGradients)
        tensors["layer_deeplift"] = at_layer(c, name, LayerDeepLift)
    path = os.path.join(FOLDER, name, "methods.safetensors")
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, path)
    os.chmod(path, 0o644)
    common.say(name, {k: f"{v.nan_to_num().abs().max():.3g}" for k, v in tensors.items()})


def in_float64():
    """Norms and softmaxes ask for float32 by name."""
    torch.set_default_dtype(torch.float64)
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double


if __name__ == "__main__":
    LOADED = {}
    for name in sys.argv[1:] or NAMES:
        folder = os.path.join(FOLDER, name)
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").double().eval()
        LOADED[name] = model, load_file(os.path.join(folder, "golden.safetensors"))["ids"]
    in_float64()
    for name in sys.argv[1:] or NAMES:
        make(name)
