# SPDX-License-Identifier: Apache-2.0
"""Relevance by the rules of AttnLRP (Achtibat et al. 2024, arXiv:2402.05602), in double, from transformers' own modules.

    python attn_lrp.py          -> test/golden/attn_lrp.json

Each rule is put into PyTorch's way back, so that relevance is value times gradient; embeddings are the leaves. What is kept on
the way (biases, positions, what the softmax's linear part does not explain) is written down, and each case is checked: the
relevance of all tokens and what was kept add up to the sum over words of z df/dz.
"""

import json
import os

import common

common.quiet()

import torch  # noqa: E402
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: E402
from transformers.models.t5 import modeling_t5  # noqa: E402

GOLDEN = common.load_spec([])[1]
MAT = ("The nurse went to the hospital.", "De verpleger ging naar het ziekenhuis.")
ASK = ("Explain: is London the capital of France?", "no, Paris is the capital of France")
CASES = [  # model, source, target, function, foil
    ("marian-en-nl", *MAT, "logit", None),
    ("marian-en-nl", *MAT, "probability", None),
    ("odd-marian", "The cat is in the bag.", "De kat zit in de tas.", "logit", None),
    ("t5-yesno", *ASK, "logit", None),
    ("t5-yesno", "Does 3 + 3 equal 6?", "yes", "contrast_prob_diff", "no"),
    ("t5-v10-relu", *ASK, "logit", None),
    ("odd-t5", *ASK, "logit", None),
]

kept = []  # what the biases, positions and softmaxes of one way back have kept


def keeps(tensor, value=None):
    """This much of what comes back to the tensor goes no further."""
    tensor.register_hook(lambda g: kept.append((g * (tensor if value is None else value)).detach().sum()) and None)


class Identity(torch.autograd.Function):
    """y = f(x), whose relevance goes to x as it is: R_x = R_y, so that dx = dy y / x."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(torch.where(x == 0, torch.zeros_like(x), y / x))
        return y.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.saved_tensors[0], None


class Product(torch.autograd.Function):
    """y = a b, matrices or elements: half of the relevance to each factor, in proportion to the terms."""

    @staticmethod
    def forward(ctx, a, b, elements):
        ctx.save_for_backward(a, b)
        ctx.elements = elements
        return a * b if elements else a @ b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        if ctx.elements:
            return dy * b / 2, dy * a / 2, None
        return dy @ b.transpose(-1, -2) / 2, a.transpose(-1, -2) @ dy / 2, None


def rms_norm(self, x):
    r = torch.rsqrt(x.detach().pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
    return Identity.apply(x, (self.weight * x * r).detach())


def layer_norm(self, x):
    deviation = (x.detach().var(-1, keepdim=True, unbiased=False) + self.eps).sqrt()
    y = (x - x.mean(-1, keepdim=True)) / deviation * self.weight.detach() + self.bias.detach()
    keeps(y, self.bias.detach())
    return y


def gated(self, x):
    return self.wo(Product.apply(self.act(self.wi_0(x)), self.wi_1(x), True))


def softmax(z, dim):
    p = plain_softmax(z, dim=dim)
    keeps(p)
    z.register_hook(lambda g: kept.append(-(g * z.detach()).sum()) and None)
    return p


def linear(module, args, y):
    if module.bias is not None:
        keeps(y, module.bias.detach())


def added(module, args, y):
    """Positions: a constant that is added."""
    y = y.detach().requires_grad_()
    keeps(y)
    return y


plain_softmax = torch.nn.functional.softmax
torch.nn.functional.softmax = softmax
torch.matmul = lambda a, b: Product.apply(a, b, False)
torch.nn.LayerNorm.forward = layer_norm
modeling_t5.T5LayerNorm.forward = rms_norm
modeling_t5.T5DenseGatedActDense.forward = gated
plain_bias = modeling_t5.T5Attention.compute_bias


def relative(self, *args, **kwargs):
    return added(self, args, plain_bias(self, *args, **kwargs))


modeling_t5.T5Attention.compute_bias = relative


def load(name):
    model = AutoModelForSeq2SeqLM.from_pretrained(os.path.join(GOLDEN, "models", name), attn_implementation="eager").double().eval()
    model.leaves = []

    def leaf(module, args, y):
        y = y.detach().requires_grad_()
        model.leaves.append(y)
        return y

    tables = {id(m): m for m in (model.get_encoder().embed_tokens, model.get_decoder().embed_tokens)}
    for module in tables.values():
        module.register_forward_hook(leaf)
    for path, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(linear)
        elif path.endswith("embed_positions"):
            module.register_forward_hook(added)
        elif path.endswith(("activation_fn", ".act")):
            module.register_forward_hook(lambda module, args, y: Identity.apply(args[0], y.detach()))
    return model


def value(z, function, token, foil):
    p = torch.softmax(z, -1)
    return {"logit": z[token], "probability": p[token], "contrast_prob_diff": p[token] - p[foil]}[function]


def run(case):
    name, source, target, function, foil = case
    folder = os.path.join(GOLDEN, "models", name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load(name)
    ids = tokenizer(source)["input_ids"]
    words = [tokenizer(text_target=t)["input_ids"] for t in (target, foil or target)]
    assert len(words[0]) == len(words[1])
    words = [[model.config.decoder_start_token_id] + w for w in words]
    x = torch.tensor([ids])
    columns, shares = [], []
    for step in range(1, len(words[0])):
        model.leaves.clear(), kept.clear()
        z = model(input_ids=x, attention_mask=torch.ones_like(x), decoder_input_ids=torch.tensor([words[0][:step]]),
                  use_cache=False).logits[0, -1]
        z.retain_grad()
        f = value(z, function, words[0][step], words[1][step])
        f.backward()
        if getattr(model, "final_logits_bias", None) is not None:
            kept.append((model.final_logits_bias[0] * z.grad).sum())
        relevance = [(e * e.grad)[0].sum(-1) for e in model.leaves]
        shared = (z * z.grad).sum().item()
        got = sum(r.sum() for r in relevance).item()
        missing = shared - got - sum(kept).item()
        assert len(relevance) == 2 and abs(missing) < 1e-10 * (1 + abs(shared)), (case, step, missing)
        common.say(f"{name} {function} step {step}: shared {shared:.4f}, tokens {got:.4f}, kept {sum(kept).item():.4f}, {missing:.0e} missing")
        columns.append([[float(f"{v:.10g}") for v in r.tolist()] for r in relevance])
        shares.append([shared, sum(kept).item()])
    return {"model": name, "source": source, "target": target, "function": function, "foil": foil, "source_ids": ids,
            "target_ids": words[0], "shared_and_kept": shares, "columns": columns}


with open(os.path.join(GOLDEN, "attn_lrp.json"), "w", encoding="utf-8") as f:
    f.write("[\n" + ",\n".join(json.dumps(run(c), ensure_ascii=False) for c in CASES) + "\n]\n")
