#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden data of the logit lens: last norm and output matrix on every layer's state, in float64, by transformers.

    python tools/oracle/lens.py            # writes test/golden/lens.json
"""
import json
import os

import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../test/golden")
torch.set_grad_enabled(False)


def states_and_head(name, model, source, target):
    """States before the last norm of each layer [L][T, D], and the function from states to logits."""
    if model.config.model_type in ("t5",):
        out = model(input_ids=source, decoder_input_ids=target, output_hidden_states=True)
        norm = model.decoder.final_layer_norm
        scale = (out.logits / model.lm_head(out.decoder_hidden_states[-1])).median().item()  # 1, or D^-0.5 where tied
        return out.decoder_hidden_states[:-1], lambda x: model.lm_head(norm(x)) * scale, out.logits[0]
    if model.config.model_type == "marian":
        out = model(input_ids=source, decoder_input_ids=target, output_hidden_states=True)
        return (out.decoder_hidden_states[:-1],
                lambda x: model.lm_head(x) + model.final_logits_bias, out.logits[0])
    out = model(input_ids=target, output_hidden_states=True)
    norm = {"gpt2": lambda: model.transformer.ln_f, "opt": lambda: model.model.decoder.final_layer_norm,
            "gpt_neox": lambda: model.gpt_neox.final_layer_norm}.get(model.config.model_type, lambda: model.model.norm)()
    head = model.get_output_embeddings()
    cap = getattr(model.config, "final_logit_softcapping", None)
    squash = (lambda z: torch.tanh(z / cap) * cap) if cap else (lambda z: z)
    return out.hidden_states[:-1], lambda x: squash(head(norm(x))), out.logits[0]


cases = []
for name, source, target in [
        ("gpt2-tiny", None, [40, 17, 300, 5, 77]), ("llama-tiny", None, [1, 50, 60, 70, 33, 91]),
        ("gemma2-tiny", None, [2, 40, 41, 100, 7]), ("gpt_neox-tiny", None, [9, 30, 200, 4]),
        ("marian-en-nl", [20, 33, 47, 0], [5, 60, 70]), ("t5-yesno", [20, 33, 47, 1], [0, 40, 9])]:
    kind = AutoModelForSeq2SeqLM if source else AutoModelForCausalLM
    model = kind.from_pretrained(os.path.join(root, "models", name), dtype=torch.float64, attn_implementation="eager").eval()
    if name == "marian-en-nl":
        target = [model.config.decoder_start_token_id] + target
    states, head, logits = states_and_head(name, model, source and torch.tensor([source]), torch.tensor([target]))
    layers = [head(s)[0] for s in states] + [logits]
    last = torch.log_softmax(layers[-1], -1)
    rows = []
    for z in layers:
        p = torch.log_softmax(z, -1)
        rows.append({
            "top": z.argmax(-1).tolist(), "p_top": p.max(-1).values.exp().tolist(),
            "word_p": [p[i, target[i + 1]].exp().item() for i in range(len(target) - 1)],
            "rank": [1 + int((z[i] > z[i, target[i + 1]]).sum()) for i in range(len(target) - 1)],
            "divergence": (last.exp() * (last - p)).sum(-1).tolist()})
    cases.append({"model": name, "source": source, "target": target, "layers": rows})
with open(os.path.join(root, "lens.json"), "w") as f:
    json.dump({"made_by": "tools/oracle/lens.py, transformers 5.23.0, float64", "cases": cases}, f, indent=1)
    f.write("\n")
