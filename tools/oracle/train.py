# SPDX-License-Identifier: Apache-2.0
"""Golden data of training: what PyTorch does to two small models in 20 steps of Adam.

    python train.py        writes test/golden/train/{marian,t5}/

A folder holds the model before the first step (config.json, model.safetensors), steps.json with the batches and the loss
before each step (in float32 and in float64), and after.safetensors: the gradients of the first step as "first.NAME" and
the weights after the last step as "last.NAME", both from the float64 run. Dropout is off.
"""

import json
import os
import random

import torch
from safetensors.torch import save_file
from transformers import MarianConfig, MarianMTModel, T5Config, T5ForConditionalGeneration

STEPS, BATCH, RATE, SMOOTHING, CLIP = 20, 6, 2e-3, 0.1, 1.0
OUT = os.path.join(os.path.dirname(__file__), "../../test/golden/train")


def marian():
    config = dict(activation_function="swish", d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
                  decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, vocab_size=41, decoder_vocab_size=41,
                  max_position_embeddings=24, scale_embedding=True, pad_token_id=40, eos_token_id=0, bos_token_id=0,
                  decoder_start_token_id=40, forced_eos_token_id=0, dropout=0.0, init_std=0.2)
    model = MarianMTModel(MarianConfig(**config))
    model.final_logits_bias.copy_(0.1 * torch.randn(1, 41))
    for m in model.modules():  # the padding row is trained like any other
        if isinstance(m, torch.nn.Embedding):
            m.padding_idx = None
    return model, dict(config, model_type="marian", architectures=["MarianMTModel"]), 40, ("embed_tokens", "embed_positions", "lm_head")


def t5():
    config = dict(d_model=16, d_kv=6, d_ff=24, num_heads=3, num_layers=2, num_decoder_layers=2, vocab_size=40, tie_word_embeddings=False,
                  feed_forward_proj="gated-gelu", relative_attention_num_buckets=8, relative_attention_max_distance=12,
                  layer_norm_epsilon=1e-6, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, dropout_rate=0.0)
    model = T5ForConditionalGeneration(T5Config(**config))
    model.lm_head.weight = torch.nn.Parameter(torch.randn(40, 16))  # the library ties it whatever the configuration says
    return model, dict(config, model_type="t5", architectures=["T5ForConditionalGeneration"]), 0, ("embed_tokens",)


def batches(seed, words, start, eos):
    r = random.Random(seed)

    def ids(least, most):
        return [r.choice([w for w in range(2, words) if w != start]) for _ in range(r.randint(least, most))] + [eos]

    return [[(ids(0, 18), ids(0, 14)) for _ in range(BATCH)] for _ in range(STEPS)]


def padded(rows, value):
    n = max(map(len, rows))
    return torch.tensor([r + [value] * (n - len(r)) for r in rows])


def run(model, data, start):
    """Losses of all steps, and the gradients of the first."""
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.Adam(params, lr=RATE, betas=(0.9, 0.98), eps=1e-6)
    losses, first = [], None
    model.train()
    for batch in data:
        x, y = padded([a for a, _ in batch], -1), padded([b for _, b in batch], -100)
        dec = torch.cat([torch.full((len(batch), 1), start), y[:, :-1].clamp(min=0)], 1)
        logits = model(input_ids=x.clamp(min=0), attention_mask=(x >= 0).long(), decoder_input_ids=dec, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), y.reshape(-1), label_smoothing=SMOOTHING)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        if first is None:
            first = {n: p.grad.detach().clone() for n, p in model.named_parameters() if p.grad is not None}
        torch.nn.utils.clip_grad_norm_(params, CLIP)
        opt.step()
        losses.append(loss.item())
    return losses, first


def make(name, maker, seed):
    torch.manual_seed(seed)
    model, config, start, drop = maker()
    if name == "t5":
        for p in model.parameters():
            p.data = p.data if p.dim() == 1 else torch.randn_like(p) * 0.2

    def kept(state):
        return {k: v.detach().clone().float().contiguous() for k, v in state.items() if not any(d in k for d in drop)}

    folder = os.path.join(OUT, name)
    os.makedirs(folder, exist_ok=True)
    before = kept(model.state_dict())
    data = batches(seed, config["vocab_size"], start, config["eos_token_id"])
    losses, _ = run(model, data, start)
    model.load_state_dict(before, strict=False)
    model = model.double()
    losses64, first = run(model, data, start)
    last = kept(model.state_dict())
    save_file(before, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    save_file({**{"first." + k: v.float().contiguous() for k, v in first.items() if k in before},
               **{"last." + k: v for k, v in last.items()}}, os.path.join(folder, "after.safetensors"))
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f, indent=1)
    with open(os.path.join(folder, "steps.json"), "w") as f:
        json.dump({"torch": torch.__version__, "seed": seed, "rate": RATE, "smoothing": SMOOTHING, "clip": CLIP, "beta1": 0.9,
                   "beta2": 0.98, "eps": 1e-6, "loss": losses, "loss64": losses64, "batches": data}, f)
    print(name, max(abs(a / b - 1) for a, b in zip(losses, losses64)), losses[0], losses[-1])


if __name__ == "__main__":
    torch.set_num_threads(1)
    make("marian", marian, 51)
    make("t5", t5, 52)
