#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adapters of PEFT for tiny bases, and what the merged models answer.   adapters.py   (in the checkout; remakes test/golden/adapters)

Each folder has adapter_config.json and adapter_model.safetensors (or .bin) as PEFT saves them, with random weights, and want.json:
ids of a source and of a target, the logits [T, V] that the model merged by merge_and_unload() gives them in float32, its greedy
answer, and how many weights the merge changes.  Bases: test/golden/reports/m/{t5,t5-tied,marian} and tiny decoder-only models."""

import json
import os
import shutil
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

warnings.filterwarnings("ignore")
OUT = "test/golden/adapters"
T5, TIED, MARIAN = (f"test/golden/reports/m/{n}" for n in ("t5", "t5-tied", "marian"))
GPT2, LLAMA = "test/golden/models/gpt2-tiny", "test/golden/models/llama-tiny"

CASES = {
    "t5-attention": (T5, dict(r=2, lora_alpha=6, target_modules=["q", "v"])),
    "t5-all": (T5, dict(r=3, lora_alpha=4, target_modules="all-linear")),
    "t5-rslora-patterns": (T5, dict(r=2, lora_alpha=3, use_rslora=True, target_modules=["q", "v", "o", "wi_0", "wo"],
                                    rank_pattern={"EncDecAttention.q": 3, r"encoder\.block\.\d+\.layer\.0\.SelfAttention\.(v|o)": 1},
                                    alpha_pattern={"wo": 7, "decoder.*q": 1.5})),
    "t5-dora": (T5, dict(r=2, lora_alpha=5, use_dora=True, target_modules=["q", "k", "wo"])),
    "t5-head-saved": (T5, dict(r=2, target_modules=["q"], modules_to_save=["lm_head"])),
    "t5-head": (T5, dict(r=2, target_modules=["lm_head"])),
    "t5-shared": (T5, dict(r=2, target_modules=["shared", "q"])),
    "t5-embed-dora": (T5, dict(r=2, use_dora=True, target_modules=["embed_tokens"])),
    "t5-norm-saved": (T5, dict(r=2, target_modules=["v"], modules_to_save=["final_layer_norm"])),
    "tied-head": (TIED, dict(r=2, target_modules=["lm_head"])),
    "tied-head-saved": (TIED, dict(r=2, target_modules=["q"], modules_to_save=["lm_head"])),
    "tied-shared-saved": (TIED, dict(r=2, target_modules=["q"], modules_to_save=["shared"])),
    "tied-embed": (TIED, dict(r=2, target_modules=["embed_tokens"])),
    "marian-attention": (MARIAN, dict(r=2, lora_alpha=8, target_modules=["q_proj", "v_proj"])),
    "marian-bin": (MARIAN, dict(r=2, lora_alpha=8, target_modules=["k_proj", "fc2"])),
    "marian-half": (MARIAN, dict(r=2, lora_alpha=8, target_modules=["q_proj", "fc1"])),
    "marian-named": (MARIAN, dict(r=2, lora_alpha=8, target_modules=["q_proj", "fc1"], modules_to_save=["lm_head"])),
    "marian-dora": (MARIAN, dict(r=2, lora_alpha=3, use_dora=True, target_modules=["fc1", "out_proj"])),
    "marian-bias-all": (MARIAN, dict(r=2, target_modules=["fc1"], bias="all")),
    "marian-bias-lora": (MARIAN, dict(r=2, target_modules=["fc1", "q_proj"], bias="lora_only")),
    "marian-bias-of-b": (MARIAN, dict(r=2, target_modules=["fc1", "q_proj"], lora_bias=True)),
    "marian-head-saved": (MARIAN, dict(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"])),
    "marian-embed": (MARIAN, dict(r=2, target_modules=["embed_tokens"])),
    "marian-shared": (MARIAN, dict(r=2, target_modules=["shared"])),
    "gpt2-conv1d": (GPT2, dict(r=2, lora_alpha=5, fan_in_fan_out=True, target_modules=["c_attn", "c_proj", "c_fc"])),
    "gpt2-dora": (GPT2, dict(r=2, lora_alpha=5, fan_in_fan_out=True, use_dora=True, target_modules=["c_attn", "c_proj"])),
    "gpt2-head-saved": (GPT2, dict(r=2, fan_in_fan_out=True, target_modules=["c_attn"], modules_to_save=["lm_head"])),
    "gpt2-wte": (GPT2, dict(r=2, fan_in_fan_out=True, target_modules=["wte"])),
    "llama-all": (LLAMA, dict(r=4, lora_alpha=8, target_modules="all-linear")),
    "llama-dora": (LLAMA, dict(r=2, lora_alpha=3, use_dora=True, target_modules=["q_proj", "up_proj"])),
    "llama-saved": (LLAMA, dict(r=2, target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"])),
}


def opened(base):
    config = AutoConfig.from_pretrained(base)
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    return kind.from_pretrained(base, dtype=torch.float32).eval()


def rename(folder, change, half=False, old=False):
    """The same adapter as another version of PEFT, or another hand, would have left it."""
    from safetensors.torch import load_file, save_file
    path = f"{folder}/adapter_model.safetensors"
    t = {change(k): v.half() if half else v for k, v in load_file(path).items()}
    if old:
        torch.save(t, f"{folder}/adapter_model.bin")
        os.remove(path)
    else:
        save_file(t, path)


def main():
    only = sys.argv[1:]
    shutil.rmtree(OUT, ignore_errors=True) if not only else None
    if not os.path.exists(TIED):  # the t5 of the reports with one table for all
        shutil.copytree(T5, TIED)
        config = json.load(open(f"{TIED}/config.json"))
        config["tie_word_embeddings"] = True
        json.dump(config, open(f"{TIED}/config.json", "w"), indent=1)
        from safetensors.torch import load_file, save_file
        t = load_file(f"{TIED}/model.safetensors")
        del t["lm_head.weight"]
        save_file(t, f"{TIED}/model.safetensors", metadata={"format": "pt"})
    for i, (name, (base, arguments)) in enumerate(CASES.items()):
        if only and name not in only:
            continue
        torch.manual_seed(100 + i)
        model = get_peft_model(opened(base), LoraConfig(**arguments))
        with torch.no_grad():
            for n, w in model.named_parameters():
                if w.requires_grad:
                    w.add_(torch.randn_like(w) * (0.05 if name.startswith(("gpt2", "llama")) else 0.3))
        folder = f"{OUT}/{name}"
        model.save_pretrained(folder)
        if os.path.exists(f"{folder}/README.md"):
            os.remove(f"{folder}/README.md")
        if name == "marian-bin":
            rename(folder, lambda k: k, old=True)
        if name == "marian-half":
            rename(folder, lambda k: k, half=True)
        merged = PeftModel.from_pretrained(opened(base), folder).eval().merge_and_unload()
        if name == "marian-named":  # names with the adapter's, as model.state_dict() has them
            rename(folder, lambda k: k.replace("lora_A.", "lora_A.default.").replace("lora_B.", "lora_B.default.")
                   .replace("lm_head.weight", "lm_head.modules_to_save.default.weight").replace("base_model.", "module.base_model."))
        before, after = opened(base).state_dict(), merged.state_dict()
        V = merged.config.vocab_size
        g = torch.Generator().manual_seed(i)
        ids = lambda n: torch.randint(2, V - 2, (1, n), generator=g)
        source, target = ids(6), torch.cat([torch.tensor([[getattr(merged.config, "decoder_start_token_id", 0) or 0]]), ids(5)], 1)
        with torch.no_grad():
            if merged.config.is_encoder_decoder:
                logits = merged(input_ids=source, decoder_input_ids=target).logits[0]
            else:
                target = target[:, 1:]
                logits = merged(input_ids=target).logits[0]
        want = {"base": base, "source": source[0].tolist() if merged.config.is_encoder_decoder else [], "target": target[0].tolist(),
                "changed": sum(not torch.equal(before[k], after[k]) for k in before if k in after),
                "unlike_base": float((logits - base_logits(base, source, target)).abs().max()),
                "logits": [[float(f"{x:.9g}") for x in row] for row in logits.tolist()]}
        json.dump(want, open(f"{folder}/want.json", "w"))
        print(name, want["changed"], f"{want['unlike_base']:.3f}")


def base_logits(base, source, target):
    model = opened(base)
    with torch.no_grad():
        if model.config.is_encoder_decoder:
            return model(input_ids=source, decoder_input_ids=target).logits[0]
        return model(input_ids=target).logits[0]


main()
