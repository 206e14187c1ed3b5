#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden data of attribute-context: what Inseq makes of documents with and without their context.

    python tools/oracle/context.py            # writes test/golden/context.json

Its faults are left out of what is compared (README lists them): scores of sides with a start token are those of the left
neighbour, "shifted"; documents whose tokens are other ones when a part is cut alone, where it counts wrongly, are not taken.
"""
import json
import os
import random
import warnings

import common

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../test/golden")
warnings.filterwarnings("ignore")
os.environ["HF_HUB_OFFLINE"] = "1"
common.repair()

from inseq import load_model  # noqa: E402
from inseq.commands.attribute_context.attribute_context import attribute_context_with_model  # noqa: E402
from inseq.commands.attribute_context.attribute_context_args import AttributeContextArgs  # noqa: E402
from inseq.commands.attribute_context.attribute_context_helpers import format_template, get_filtered_tokens  # noqa: E402

SHE = {"input_context_text": "She is a teacher.", "input_current_text": "The teacher hid the ring.",
       "output_current_text": "De lerares verstopte de ring."}
HE = {"input_context_text": "He is a nurse.", "input_current_text": "The nurse is tired.",
      "output_current_text": "De verpleger is moe."}
ZIJ = {"output_context_text": "Zij is lerares."}
LOST = {"input_context_text": "She is a teacher.", "input_current_text": "The teacher lost", "output_current_text": "her ring."}
DIFF = {"attributed_fn": "contrast_prob_diff"}
IG = {"attribution_method": "integrated_gradients", "attribution_kwargs": {"n_steps": 6}}


def without(d, *names):
    return {k: v for k, v in d.items() if k not in names}


MARIAN = [
    {**SHE, **ZIJ, **DIFF}, {**HE, **DIFF},
    {**SHE, **ZIJ, "attribution_method": "input_x_gradient", "context_sensitivity_metric": "pcxmi",
     "context_sensitivity_topk": 1, "attribution_aggregators": ["vnorm"]},
    {**SHE, **ZIJ, "attribution_method": "attention", "attribution_aggregators": ["mean", "mean"]},
    {**SHE, "attribution_method": "input_x_gradient", "attributed_fn": "kl_divergence"},
    {**SHE, **DIFF, "context_sensitivity_topk": 1, "contextless_output_next_tokens": ["leraar"]},
    {**without(SHE, "output_current_text"), "attributed_fn": "contrast_logits_diff",
     "context_sensitivity_metric": "contrast_prob_diff", "output_template": "{current}"},
    {**SHE, **ZIJ, **IG, "attributed_fn": "logit", "context_sensitivity_topk": 2, "normalize_attributions": True},
    {**SHE, "attribution_method": "input_x_gradient"},
    {**HE, "context_sensitivity_metric": "contrast_logits", "context_sensitivity_topk": 2},
    {**HE, "context_sensitivity_metric": "contrast_prob", "context_sensitivity_topk": 1, "context_sensitivity_std_threshold": 0.0},
    {**HE, "context_sensitivity_metric": "in_context_pvi"}, {**HE, "context_sensitivity_std_threshold": 9.0},
    {**SHE, **DIFF, "attribution_method": "occlusion"},
    {**SHE, **ZIJ, **DIFF, "contextless_input_current_text": "He is a teacher. {current}",
     "contextless_output_current_text": "Hij is leraar. {current}"},
    {**without(SHE, "input_context_text"), **ZIJ, **DIFF},
    {**without(SHE, "output_current_text"), **ZIJ, "attribution_method": "input_x_gradient",
     "generation_kwargs": {"num_beams": 2}, "context_sensitivity_metric": "contrast_logits_diff"},
    {**SHE, "attribution_method": "input_x_gradient", "input_template": "{current} {context}", "output_template": "{current}",
     "context_sensitivity_std_threshold": 0.5},
    {**HE, "context_sensitivity_std_threshold": 0.0, "attribution_std_threshold": 0.0, "attribution_topk": 2},
]
GIVEN = {"marian-en-nl": MARIAN, "gpt2-tiny": [{**LOST, **DIFF}], "llama-tiny": [{**LOST, **DIFF, "context_sensitivity_topk": 1}]}

CONTEXTS = ["She is a teacher.", "He is a nurse.", "The man lost the key.", "My mother is tired.", "They are at home."]
SOURCES = [("The teacher hid the ring.", "De lerares verstopte de ring."), ("The nurse is tired.", "De verpleger is moe."),
           ("The doctor went to the hospital.", "De dokter ging naar het ziekenhuis.")]
PROMPTS = [("The teacher lost", "her ring."), ("Is London the capital of France?", "No, Paris is."), ("The man said that", "it is a ring.")]
METRICS = ["kl_divergence", "kl_divergence", "pcxmi", "contrast_prob_diff", "in_context_pvi", "contrast_logits_diff"]
METHODS = ["saliency", "input_x_gradient", "integrated_gradients", "occlusion", "attention"]
FUNCTIONS = [None, None, "probability", "contrast_prob_diff", "contrast_logits_diff", "logit", "kl_divergence", "pcxmi"]


def by_chance(pick, encoder):
    a = {"attribution_method": pick.choice(METHODS), "context_sensitivity_metric": pick.choice(METRICS)}
    inputs, outputs = pick.random() < .8, pick.random() < .5
    a["input_current_text"], a["output_current_text"] = pick.choice(SOURCES if encoder else PROMPTS)
    if inputs or not outputs:
        a["input_context_text"] = pick.choice(CONTEXTS)
        if pick.random() < .3:
            a["input_template"] = pick.choice(["{context} - {current}", "{current} {context}", "In: {context} {current}"])
    if outputs:
        a["output_context_text"] = pick.choice(["Zij is lerares.", "Hij is verpleger."] if encoder else ["No.", "It is a ring."])
        if pick.random() < .3:
            a["output_template"] = pick.choice(["{context} - {current}", "De {context} {current}"])
    if encoder and pick.random() < .2:
        del a["output_current_text"]
    if pick.random() < .2:
        a["contextless_input_current_text"] = "The: {current}"
    fn = pick.choice(FUNCTIONS)
    if fn:
        a["attributed_fn"] = fn
    if pick.random() < .5:
        a["context_sensitivity_topk"] = pick.choice([1, 2, 3])
    if pick.random() < .4:
        a["context_sensitivity_std_threshold"] = pick.choice([0.0, 0.5, 1.5])
    if pick.random() < .2:
        a["normalize_attributions"] = True
    if a["attribution_method"] == "integrated_gradients":
        a["attribution_kwargs"] = {"n_steps": 4}
    if a["attribution_method"] == "attention":
        a["attribution_aggregators"] = ["mean", "mean"]
    return a


def find(part, whole):
    return any(whole[i:i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def cut_alike(model, a, got):
    """Whether every part has the same tokens alone and in its place, and no token is a blank that text loses."""
    keep = a.get("special_tokens_to_keep", [])
    full_in = get_filtered_tokens(format_template(got["info"]["input_template"], a["input_current_text"], got["input_context"]), model, keep)
    full_out = format_template(got["info"]["output_template"], got["output_current"], got["output_context"])
    if not model.is_encoder_decoder:
        text = format_template(got["info"]["input_template"], a["input_current_text"], got["input_context"])
        full_out = text + " " + full_out
    full_out = get_filtered_tokens(full_out, model, keep, is_target=True)
    alone = get_filtered_tokens(got["output_current"], model, keep, is_target=True)
    for template, is_target in ((got["info"]["input_template"], False), (got["info"]["output_template"], True)):
        prefix = template.partition("{context}")[0]
        if "{context}" in template and prefix and (not model.is_encoder_decoder or "{current}" in prefix and " " in prefix[-1:] and
                                                   get_filtered_tokens(prefix, model, keep, is_target=is_target)[-1] in "▁Ġ"):
            return False
    spaced = {"▁", "Ġ"} & set(full_in + full_out + alone)
    tokens = got["output_current_tokens"]
    same = [t.lstrip("Ġ") for t in alone] == [t.lstrip("Ġ") for t in tokens] and full_out[-len(tokens):] == tokens
    contexts = all(not t or find(t, full_in if model.is_encoder_decoder and i == 0 else full_out)
                   for i, t in enumerate((got["input_context_tokens"], got["output_context_tokens"])))
    return not spaced and same and contexts


def words(a):
    out = []
    for k, v in a.items():
        if v is True:
            out.append("--" + k)
        elif isinstance(v, list):
            out += ["--" + k] + v
        else:
            out += ["--" + k, json.dumps(v) if isinstance(v, dict) else str(v)]
    return out


cases = []
for name, count in (("marian-en-nl", 26), ("gpt2-tiny", 36), ("llama-tiny", 14)):
    model = load_model(os.path.join(root, "models", name), "saliency")
    pick = random.Random(17)
    given = GIVEN.get(name, [])
    for i, a in enumerate(given + [by_chance(pick, model.is_encoder_decoder) for _ in range(count)]):
        method = a.setdefault("attribution_method", "saliency")
        try:
            model.attribution_method = model.get_attribution_method(method)
            args = AttributeContextArgs(model_name_or_path=name, show_viz=False, **json.loads(json.dumps(a)))
            got = attribute_context_with_model(args, model).to_dict()
        except Exception as e:
            common.say(f"{name} {i}: {str(e)[:90]}")
            continue
        if i >= len(given) and not cut_alike(model, a, got):
            continue
        info = got.pop("info")
        bos = not model.is_encoder_decoder and model.tokenizer(" x").input_ids[0] == model.tokenizer.bos_token_id
        cases.append({"model": name, "args": words(a), "want": got, "shifted_input": bool(bos),
                      "shifted_output": bool(bos or model.is_encoder_decoder)})
        if name == "marian-en-nl" and not i:
            cases[0]["info"] = info
    common.say(f"{name}: {sum(c['model'] == name for c in cases)} cases")
with open(os.path.join(root, "context.json"), "w") as f:
    f.write('{"made_by": "tools/oracle/context.py, inseq 0.7.1, transformers 5.23.0", "cases": [\n')
    f.write(",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]}\n")
