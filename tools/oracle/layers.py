# SPDX-License-Identifier: Apache-2.0
"""Captum's layer methods in double, at layers of the decoder and the encoder of the miniatures.

    python layers.py          -> test/golden/layers.json

The model is called with ids, as Inseq does; each step is a call with its own prefix. A baseline is the ids with unk in the place
of all but the end tokens and the target's start; with a layer of the decoder the prefix has its baseline where "attribute_target"
is true. Of each row's attributions the sum and the Euclidean norm are kept.
"""

import json
import os

import common

common.quiet()

import torch  # noqa: E402
from captum.attr import LayerDeepLift, LayerGradientXActivation, LayerIntegratedGradients  # noqa: E402
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer  # noqa: E402

GOLDEN = common.load_spec([])[1]
MAT = ("The nurse went to the hospital.", "De verpleger ging naar het ziekenhuis.")
ASK = ("Is London the capital of France?", "no, Paris")
GXA, IG, LIFT = "layer_gradient_x_activation", "layer_integrated_gradients", "layer_deeplift"
CASES = [  # model, texts, method, layer, attribute_target
    ("marian-en-nl", MAT, GXA, "model.decoder.layers.1.fc1", False),
    ("marian-en-nl", MAT, GXA, "model.decoder.layers.2.final_layer_norm", True),
    ("marian-en-nl", MAT, GXA, "model.decoder.layers.2.self_attn.k_proj", True),
    ("marian-en-nl", MAT, GXA, "model.decoder.layers.0.encoder_attn.v_proj", False),
    ("marian-en-nl", MAT, GXA, "model.encoder.layers.1.fc1", False),
    ("marian-en-nl", MAT, IG, "model.decoder.layers.0.fc2", True),
    ("marian-en-nl", MAT, IG, "model.decoder.layers.2.final_layer_norm", False),
    ("marian-en-nl", MAT, IG, "model.encoder.layers.0.self_attn.v_proj", False),
    ("t5-v10-relu", ASK, GXA, "decoder.block.0.layer.2.DenseReluDense.wi", True),
    ("t5-v10-relu", ASK, IG, "decoder.block.1.layer.2.DenseReluDense.wo", True),
    ("t5-v10-relu", ASK, IG, "decoder.final_layer_norm", True),
    ("t5-v10-relu", ASK, LIFT, "decoder.block.0.layer.2.DenseReluDense.wi", True),
    ("t5-v10-relu", ASK, LIFT, "decoder.block.1.layer.0.SelfAttention.q", False),
    ("t5-v10-relu", ASK, LIFT, "encoder.block.0.layer.0.SelfAttention.v", False),
]


class Logit(torch.nn.Module):
    """Of one word after the prefix y."""

    def __init__(self, model, word):
        super().__init__()
        self.model, self.word = model, word

    def forward(self, x, y):
        z = self.model(input_ids=x, attention_mask=torch.ones_like(x), decoder_input_ids=y, use_cache=False).logits
        return z[:, -1, self.word]


def baseline(ids, unk, eos, start=None):
    return [i if i == eos or (start is not None and k == 0) else unk for k, i in enumerate(ids)]


def run(case):
    name, (source, target), method, layer, both = case
    folder = os.path.join(GOLDEN, "models", name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").double().eval()
    ids = tokenizer(source)["input_ids"]
    words = [model.config.decoder_start_token_id] + tokenizer(text_target=target)["input_ids"]
    unk, eos = tokenizer.unk_token_id, tokenizer.eos_token_id
    x, x0 = torch.tensor([ids]), torch.tensor([baseline(ids, unk, eos)])
    columns, deltas = [], []
    for step in range(1, len(words)):
        f = Logit(model, words[step])
        y = torch.tensor([words[:step]])
        y0 = torch.tensor([baseline(words[:step], unk, eos, True)]) if both else y
        at = model.get_submodule(layer)
        if method == GXA:
            a, delta = LayerGradientXActivation(f, at).attribute((x, y)), None
        elif method == IG:
            a, delta = LayerIntegratedGradients(f, at).attribute((x, y), (x0, y0), n_steps=8, return_convergence_delta=True)
        else:
            a, delta = LayerDeepLift(f, at).attribute((x, y), (x0, y0), return_convergence_delta=True)
        a = a[0].detach()
        columns.append([[float(f"{v:.8g}") for v in (row.sum().item(), row.norm().item())] for row in a])
        deltas.append(None if delta is None else float(f"{delta.item():.8g}"))
    common.say(f"{method} {layer}: {a.shape[0]} rows, width {a.shape[1]}")
    return {"model": name, "source": source, "target": target, "method": method, "layer": layer, "attribute_target": both,
            "width": a.shape[1], "source_ids": ids, "target_ids": words, "deltas": deltas, "columns": columns}


with open(os.path.join(GOLDEN, "layers.json"), "w", encoding="utf-8") as f:
    f.write("[\n" + ",\n".join(json.dumps(run(c), ensure_ascii=False) for c in CASES) + "\n]\n")
