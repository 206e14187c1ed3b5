# SPDX-License-Identifier: Apache-2.0
"""Trains the small models of golden/models and writes them in the Hugging Face folder layout.

    python make_models.py                    all models of spec.json -> ../golden/models
    python make_models.py NAME ...           only these

Every model is trained on what grammar.py draws, from fixed seeds, on one thread.  Training again
gives the same numbers on the same machine and versions; elsewhere the last bits will differ, which
is why the weights are kept and the golden cases are made from the kept weights.

Folders hold what a model repository on the hub holds: config.json with the keys such repositories
have (not what a current save_pretrained writes), generation_config.json, tokenizer files, weights.
"""

import io
import json
import math
import os
import re
import shutil
import sys
import time

import common

common.quiet()

import grammar  # noqa: E402
import sentencepiece as spm  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

REQUIRED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'\"-:;()+=/&%éëïöüáèç"


# ----------------------------------------------------------------------------- tokenizers


def train_spm(lines, size, **options):
    """A SentencePiece model (bytes) trained on lines."""
    out = io.BytesIO()
    settings = dict(model_type="unigram", character_coverage=1.0, normalization_rule_name="nmt_nfkc",
                    num_threads=1, minloglevel=2)
    settings.update(options)
    spm.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_writer=out, vocab_size=size, **settings)
    return out.getvalue()


def spread(lines):
    """lines, and every word of them once more before different punctuation marks.

    SentencePiece takes as candidates what occurs in several different words; in a template grammar many words
    occur in one form only and would be cut up.  Digits are kept apart from the mark that follows them.
    """
    words = {w.strip(".,?!:") for line in lines for w in line.split()}
    lines = [re.sub(r"([0-9])([.,?!])", r"\1 \2", line) for line in lines]
    return lines + [f"{w}, {w}. {w}? {w}!" for w in sorted(words) if w and not w[-1].isdigit()]


def processor(model):
    return spm.SentencePieceProcessor(model_proto=model)


# ----------------------------------------------------------------------------- training


def pad_rows(rows, value):
    n = max(map(len, rows))
    return torch.tensor([r + [value] * (n - len(r)) for r in rows])


def batches(data, size, seed, length):
    """Endless batches of alike length, reshuffled every epoch."""
    import random

    r = random.Random(seed)
    while True:
        order = list(range(len(data)))
        r.shuffle(order)
        out = []
        for i in range(0, len(order), size * 20):
            part = sorted(order[i:i + size * 20], key=lambda k: length(data[k]))
            out += [part[k:k + size] for k in range(0, len(part), size)]
        r.shuffle(out)
        for b in out:
            yield [data[k] for k in b]


def train(model, feed, loss_of, spec, after_backward=lambda: None):
    """AdamW, short warm-up, cosine decay."""
    params = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(params, lr=spec["lr"], betas=(0.9, 0.98), weight_decay=0.0)
    model.train()
    start, mean = time.time(), None
    for step in range(spec["steps"]):
        rate = spec["lr"] * min((step + 1) / 150, 1) * (0.5 * (1 + math.cos(math.pi * step / spec["steps"])) + 0.003)
        for group in opt.param_groups:
            group["lr"] = rate
        loss = loss_of(next(feed))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        after_backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        opt.step()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 400 == 0 or step == spec["steps"] - 1:
            common.say(f"  step {step} loss {mean:.4f} {time.time() - start:.0f} s")
    model.eval()


def cross_entropy(logits, target, ignore):
    return torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.reshape(-1), ignore_index=ignore)


def peak(model, keep=()):
    """Random weights of a size that gives clearly peaked, input dependent outputs."""
    for name, p in model.named_parameters():
        if p.dim() == 1 and ("norm" in name or "layer_norm" in name) and name.endswith("weight"):
            p.data = 1 + 0.2 * torch.randn_like(p)
        elif p.dim() == 1:
            p.data = 0.1 * torch.randn_like(p)
        elif name not in keep:
            p.data = torch.randn_like(p) * (1.6 / p.shape[-1] ** 0.5)


# ----------------------------------------------------------------------------- saving


def contiguous(state, drop=()):
    return {k: v.detach().clone().contiguous() for k, v in state.items() if not any(d in k for d in drop)}


def save_safe(folder, tensors, dtype=None):
    if dtype is not None:
        tensors = {k: v.to(dtype) if v.is_floating_point() else v for k, v in tensors.items()}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def save_sharded(folder, tensors, shards):
    names = sorted(tensors)
    total = sum(tensors[n].numel() * tensors[n].element_size() for n in names)
    parts, size = [[]], 0
    for n in names:
        if size > total / shards and len(parts) < shards:
            parts.append([])
            size = 0
        parts[-1].append(n)
        size += tensors[n].numel() * tensors[n].element_size()
    index = {"metadata": {"total_size": total}, "weight_map": {}}
    for i, part in enumerate(parts):
        file = f"model-{i + 1:05d}-of-{len(parts):05d}.safetensors"
        save_file({n: tensors[n] for n in part}, os.path.join(folder, file), metadata={"format": "pt"})
        index["weight_map"].update({n: file for n in part})
    write(folder, "model.safetensors.index.json", index)


def write(folder, name, data):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(data, f, ensure_ascii=False, indent=2)
        f.write("\n")


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


# ----------------------------------------------------------------------------- Marian


def make_marian(spec, out):
    from transformers import MarianConfig, MarianMTModel

    common.seed_all(spec["seed"])
    pairs = grammar.pairs(spec["seed"], spec["pairs"])
    source = train_spm(spread([e for e, _ in pairs]), spec["source_vocab"], required_chars=REQUIRED if not spec.get("random") else "")
    target = train_spm(spread([n for _, n in pairs]), spec["target_vocab"], required_chars=REQUIRED if not spec.get("random") else "")
    s, t = processor(source), processor(target)
    vocab = {"</s>": 0, "<unk>": 1}
    for m in (s, t):
        for i in range(m.get_piece_size()):
            piece = m.id_to_piece(i)
            if piece not in ("<s>", "</s>", "<unk>") and piece not in vocab:
                vocab[piece] = len(vocab)
    vocab["<pad>"] = pad = len(vocab)
    size = len(vocab)

    shape = dict(d_model=spec["d_model"], encoder_layers=spec["encoder_layers"], decoder_layers=spec["decoder_layers"],
                 encoder_attention_heads=spec["heads"], decoder_attention_heads=spec["heads"],
                 encoder_ffn_dim=spec["ffn"], decoder_ffn_dim=spec["ffn"])
    model = MarianMTModel(MarianConfig(
        vocab_size=size, activation_function="swish", scale_embedding=True, max_position_embeddings=64, pad_token_id=pad,
        eos_token_id=0, bos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=0, dropout=0.05, init_std=0.05, **shape))

    encoded = [([vocab.get(p, 1) for p in s.encode(e, out_type=str)] + [0],
                [vocab.get(p, 1) for p in t.encode(n, out_type=str)] + [0]) for e, n in pairs]
    # the bias of the output layer: log frequencies of target pieces, damped, zero for <pad> as in converted models
    count = torch.ones(size)
    for _, y in encoded:
        for k in y:
            count[k] += 1
    bias = 0.25 * (count.log() - count.log().mean())
    bias[pad] = 0
    model.final_logits_bias.copy_(bias[None])
    if spec.get("random"):
        peak(model)
        with torch.no_grad():
            model.model.shared.weight.mul_(3 / 1.6)  # tied: logits with a standard deviation of about 3
            model.model.shared.weight[pad] = 0
            model.final_logits_bias.copy_(torch.randn(1, size) * 0.5)
            model.final_logits_bias[0, pad] = 0
        model.eval()
    else:
        def loss_of(batch):
            x, y = pad_rows([a for a, _ in batch], pad), pad_rows([b for _, b in batch], pad)
            dec = torch.cat([torch.full((len(batch), 1), pad), y[:, :-1]], 1)
            logits = model(input_ids=x, attention_mask=(x != pad).long(), decoder_input_ids=dec, use_cache=False).logits
            return cross_entropy(logits, y, pad)

        def after():
            model.model.shared.weight.grad[pad] = 0  # the <pad> row stays zero

        train(model, batches(encoded, spec["batch"], spec["seed"] + 1, lambda p: len(p[0]) + len(p[1])), loss_of, spec, after)
        soften(model, s, t, vocab, pad, spec)

    config = {
        "_num_labels": 3, "activation_dropout": 0.0, "activation_function": "swish", "add_bias_logits": False,
        "add_final_layer_norm": False, "architectures": ["MarianMTModel"], "attention_dropout": 0.0,
        "bad_words_ids": [[pad]], "bos_token_id": 0, "classif_dropout": 0.0, "classifier_dropout": 0.0, **shape,
        "decoder_layerdrop": 0.0, "decoder_start_token_id": pad, "decoder_vocab_size": size, "dropout": 0.1,
        "encoder_layerdrop": 0.0, "eos_token_id": 0, "forced_eos_token_id": 0,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}, "init_std": 0.02, "is_encoder_decoder": True,
        "label2id": {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}, "max_length": 64, "max_position_embeddings": 64,
        "model_type": "marian", "normalize_before": False, "normalize_embedding": False, "num_beams": spec["num_beams"],
        "num_hidden_layers": spec["encoder_layers"], "pad_token_id": pad, "scale_embedding": True,
        "share_encoder_decoder_embeddings": True, "static_position_embeddings": True, "use_cache": True, "vocab_size": size}
    generation = {"bad_words_ids": [[pad]], "bos_token_id": 0, "decoder_start_token_id": pad, "eos_token_id": 0,
                  "forced_eos_token_id": 0, "max_length": 64, "num_beams": spec["num_beams"], "pad_token_id": pad,
                  "renormalize_logits": True}

    state = model.state_dict()
    once = contiguous(state, ("embed_tokens", "embed_positions", "lm_head"))

    def folder(suffix, dtype="float32"):
        f = fresh(os.path.join(out, spec["name"] + suffix))
        write(f, "config.json", {**config, "torch_dtype": dtype, "transformers_version": "4.30.0"})
        write(f, "generation_config.json", {**generation, "transformers_version": "4.30.0"})
        write(f, "vocab.json", vocab)
        write(f, "tokenizer_config.json", {"source_lang": "en", "target_lang": "nl", "model_max_length": 64,
                                           "separate_vocabs": False, "tokenizer_class": "MarianTokenizer",
                                           "unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<pad>"})
        for name, data in (("source.spm", source), ("target.spm", target)):
            with open(os.path.join(f, name), "wb") as g:
                g.write(data)
        return f

    save_safe(folder(""), once)
    variants = spec.get("variants", [])
    if "bin" in variants:  # zip format; tied tensors appear under every name and share one storage
        torch.save({k: v for k, v in state.items() if "embed_positions" not in k}, os.path.join(folder("-bin"), "pytorch_model.bin"))
    if "legacy" in variants:  # the format of torch before 1.6, with the position table as old converters wrote it
        torch.save({k: v for k, v in state.items() if not k.startswith("lm_head")},
                   os.path.join(folder("-legacy"), "pytorch_model.bin"), _use_new_zipfile_serialization=False)
    if "sharded" in variants:
        save_sharded(folder("-sharded"), once, 3)
    if "f16" in variants:
        save_safe(folder("-f16", "float16"), once, torch.float16)
    if "bf16" in variants:
        save_safe(folder("-bf16", "bfloat16"), once, torch.bfloat16)
    if not spec.get("random"):
        check_marian(model, s, vocab, pad, spec)


def soften(model, s, t, vocab, pad, spec, wanted=0.95):
    """Scale the output layer's input and bias until the right next token has this probability on average.

    A model trained on a template grammar is certain (0.9999) almost everywhere; certainty makes the
    gradient of a probability mostly rounding noise.  This is a temperature, folded into the weights.
    """
    test = grammar.pairs(spec["seed"] + 2000, 120, unseen=True)
    rows = [([vocab.get(p, 1) for p in s.encode(e, out_type=str)] + [0],
             [vocab.get(p, 1) for p in t.encode(n, out_type=str)] + [0]) for e, n in test]
    x, y = pad_rows([a for a, _ in rows], pad), pad_rows([b for _, b in rows], pad)
    dec = torch.cat([torch.full((len(rows), 1), pad), y[:, :-1]], 1)
    with torch.no_grad():
        logits = model(input_ids=x, attention_mask=(x != pad).long(), decoder_input_ids=dec, use_cache=False).logits
        low, high = 0.05, 1.0
        for _ in range(40):
            scale = (low + high) / 2
            prob = (logits * scale).softmax(-1).gather(-1, y[..., None])[..., 0][y != pad].mean().item()
            low, high = (low, scale) if prob > wanted else (scale, high)
        norm = model.model.decoder.layers[-1].final_layer_norm
        for tensor in (norm.weight, norm.bias, model.final_logits_bias):
            tensor.mul_(scale)
    common.say(f"  output scaled by {scale:.4f}, mean probability of the right token {prob:.3f}")


def check_marian(model, s, vocab, pad, spec):
    """Share of unseen sentences translated word for word as the grammar does (ambiguous ones count as wrong)."""
    back = {v: k for k, v in vocab.items()}
    good, test = 0, grammar.pairs(spec["seed"] + 1000, 150, unseen=True)
    for en, nl in test:
        ids = torch.tensor([[vocab.get(p, 1) for p in s.encode(en, out_type=str)] + [0]])
        out = model.generate(ids, num_beams=spec["num_beams"], max_length=64)[0].tolist()
        good += "".join(back[i] for i in out if i not in (0, pad)).replace("▁", " ").strip() == nl
    common.say(f"  unseen sentences right: {good}/{len(test)}")


# ----------------------------------------------------------------------------- T5


def make_t5(spec, out):
    from transformers import T5Config, T5ForConditionalGeneration

    common.seed_all(spec["seed"])
    pairs = grammar.yesno(spec["seed"], spec["pairs"], noise=0)
    english = [e for e, _ in grammar.pairs(spec["seed"], 3000)]  # so that the vocabulary knows more than the questions' words
    model_bytes = train_spm(spread([x for p in pairs[:10000] for x in p] + english), spec["vocab"], pad_id=0, eos_id=1, unk_id=2,
                            bos_id=-1, required_chars=REQUIRED if not spec.get("random") else "", hard_vocab_limit=False)
    s = processor(model_bytes)
    for piece in ("▁yes", "▁no"):
        assert s.piece_to_id(piece) != 2, piece
    size = spec.get("pad_vocab_to") or -(-(s.get_piece_size() + 100) // 8) * 8
    gated = spec["gated"]
    shape = dict(d_model=spec["d_model"], d_kv=spec["d_kv"], d_ff=spec["d_ff"], num_heads=spec["heads"], num_layers=spec["layers"],
                 num_decoder_layers=spec["decoder_layers"], feed_forward_proj="gated-gelu" if gated else "relu", vocab_size=size,
                 relative_attention_num_buckets=32, relative_attention_max_distance=128, layer_norm_epsilon=1e-6)
    model = T5ForConditionalGeneration(T5Config(decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, dropout_rate=0.0,
                                                initializer_factor=1.0, tie_word_embeddings=not gated, **shape))
    if gated:  # version 1.1: an output matrix of its own, no scaling of the decoder's output
        model.lm_head.weight = torch.nn.Parameter(torch.randn(size, spec["d_model"]) * 0.1)
        assert not model.config.scale_decoder_outputs
    else:
        assert model.config.scale_decoder_outputs and model.lm_head.weight is model.shared.weight
    if spec.get("random"):
        peak(model)
        with torch.no_grad():
            model.lm_head.weight.mul_(3 / 1.6)
        model.eval()
    else:
        # the last quarter of the steps sees some wrong answers, so that the model stays less than certain
        unsure = grammar.yesno(spec["seed"] + 1, spec["pairs"] // 3, noise=0.04)

        def feed():
            k = 0
            for part, steps in ((pairs, spec["steps"] * 3 // 4), (unsure, spec["steps"])):
                rows = [(s.encode(q) + [1], s.encode(a) + [1]) for q, a in part]
                for batch in batches(rows, spec["batch"], spec["seed"] + 1, lambda p: len(p[0]) + 3 * len(p[1])):
                    yield batch
                    k += 1
                    if k == steps:
                        break

        def loss_of(batch):
            x, y = pad_rows([a for a, _ in batch], 0), pad_rows([b for _, b in batch], 0)
            dec = torch.cat([torch.zeros(len(batch), 1, dtype=torch.long), y[:, :-1]], 1)
            logits = model(input_ids=x, attention_mask=(x != 0).long(), decoder_input_ids=dec, use_cache=False).logits
            return cross_entropy(logits, y, 0)

        train(model, feed(), loss_of, spec)
        # a temperature folded into the weights, as for Marian: else p(</s>) is 1 to seven digits and its gradient noise
        model.decoder.final_layer_norm.weight.data.mul_(spec["output_scale"])

    f = fresh(os.path.join(out, spec["name"]))
    write(f, "config.json", {
        "architectures": ["T5ForConditionalGeneration"], "d_ff": spec["d_ff"], "d_kv": spec["d_kv"], "d_model": spec["d_model"],
        "decoder_start_token_id": 0, "dropout_rate": 0.1, "eos_token_id": 1, "feed_forward_proj": shape["feed_forward_proj"],
        "initializer_factor": 1.0, "is_encoder_decoder": True, "layer_norm_epsilon": 1e-6, "model_type": "t5", "n_positions": 512,
        "num_decoder_layers": spec["decoder_layers"], "num_heads": spec["heads"], "num_layers": spec["layers"], "output_past": True,
        "pad_token_id": 0, "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32,
        **({"tie_word_embeddings": False} if gated else {}), "torch_dtype": "float32", "transformers_version": "4.23.1",
        "use_cache": True, "vocab_size": size})
    write(f, "generation_config.json", {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
                                        "transformers_version": "4.27.0"})
    with open(os.path.join(f, "spiece.model"), "wb") as g:
        g.write(model_bytes)
    extra = [f"<extra_id_{i}>" for i in range(100)]
    write(f, "tokenizer_config.json", {"additional_special_tokens": extra, "eos_token": "</s>", "extra_ids": 100,
                                       "model_max_length": 512, "pad_token": "<pad>", "tokenizer_class": "T5Tokenizer",
                                       "unk_token": "<unk>"})
    write(f, "special_tokens_map.json", {"additional_special_tokens": extra, "eos_token": "</s>", "pad_token": "<pad>",
                                         "unk_token": "<unk>"})
    if spec.get("tokenizer_json"):
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(f)._tokenizer.save(os.path.join(f, "tokenizer.json"))
    drop = ("embed_tokens",) if gated else ("embed_tokens", "lm_head")
    save_safe(f, contiguous(model.state_dict(), drop))
    if not spec.get("random"):
        g, good, p = grammar.Questions(spec["seed"] + 1000), 0, 0.0
        yes, no = s.piece_to_id("▁yes"), s.piece_to_id("▁no")
        for _ in range(300):
            q, true = g.item()
            with torch.no_grad():
                row = model(input_ids=torch.tensor([s.encode(q) + [1]]), decoder_input_ids=torch.zeros(1, 1, dtype=torch.long)).logits
            prob = row[0, 0].softmax(-1)
            good += (prob[yes] > prob[no]).item() == true
            p += max(prob[yes].item(), prob[no].item())
        common.say(f"  answers right: {good}/300, mean confidence {p / 300:.3f}")


# ----------------------------------------------------------------------------- decoder-only models


def train_lm(model, encoded, pad, spec):
    def loss_of(batch):
        x = pad_rows(batch, -1)
        logits = model(input_ids=x.clamp(min=0), attention_mask=(x >= 0).long(), use_cache=False).logits
        return cross_entropy(logits[:, :-1], x[:, 1:], -1)

    train(model, batches(encoded, spec["batch"], spec["seed"] + 1, len), loss_of, spec)


def make_gpt2(spec, out):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    common.seed_all(spec["seed"])
    lines = grammar.text(spec["seed"], spec["lines"])
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(lines, vocab_size=spec["vocab"] - 1, min_frequency=2, show_progress=False)
    f = fresh(os.path.join(out, spec["name"]))
    bpe.save_model(f)
    with open(os.path.join(f, "vocab.json"), encoding="utf-8") as g:
        vocab = json.load(g)
    end = vocab["<|endoftext|>"] = len(vocab)
    write(f, "vocab.json", vocab)
    size = len(vocab)
    config = {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1, "bos_token_id": end,
              "embd_pdrop": 0.1, "eos_token_id": end, "initializer_range": 0.02, "layer_norm_epsilon": 1e-5, "model_type": "gpt2",
              "n_ctx": spec["positions"], "n_embd": spec["d_model"], "n_head": spec["heads"], "n_layer": spec["layers"],
              "n_positions": spec["positions"], "resid_pdrop": 0.1, "vocab_size": size}
    write(f, "config.json", config)
    write(f, "generation_config.json", {"bos_token_id": end, "eos_token_id": end, "transformers_version": "4.26.0"})
    write(f, "tokenizer_config.json", {"model_max_length": spec["positions"], "tokenizer_class": "GPT2Tokenizer",
                                       "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"})
    tok = AutoTokenizer.from_pretrained(f)
    tok._tokenizer.save(os.path.join(f, "tokenizer.json"))
    encoded = [tok(x)["input_ids"] + [end] for x in lines]
    model = GPT2LMHeadModel(GPT2Config(**{**config, "attn_pdrop": 0.0, "resid_pdrop": 0.05, "embd_pdrop": 0.0, "initializer_range": 0.05}))
    train_lm(model, encoded, end, spec)
    # the hub's GPT-2 files have neither the "transformer." prefix nor the tied output matrix
    state = contiguous(model.state_dict(), ("lm_head",))
    save_safe(f, {k.removeprefix("transformer."): v for k, v in state.items()})


def make_llama(spec, out):
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    common.seed_all(spec["seed"])
    lines = grammar.text(spec["seed"], spec["lines"])
    model_bytes = train_spm(lines, spec["vocab"], model_type="bpe", byte_fallback=True, normalization_rule_name="identity",
                            split_digits=True, allow_whitespace_only_pieces=True, remove_extra_whitespaces=False,
                            unk_id=0, bos_id=1, eos_id=2, pad_id=-1, required_chars="")
    f = fresh(os.path.join(out, spec["name"]))
    with open(os.path.join(f, "tokenizer.model"), "wb") as g:
        g.write(model_bytes)
    size = processor(model_bytes).get_piece_size()
    config = {"architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1,
              "eos_token_id": 2, "hidden_act": "silu", "hidden_size": spec["d_model"], "initializer_range": 0.02,
              "intermediate_size": spec["ffn"], "max_position_embeddings": spec["positions"], "model_type": "llama",
              "num_attention_heads": spec["heads"], "num_hidden_layers": spec["layers"], "num_key_value_heads": spec["kv_heads"],
              "pretraining_tp": 1, "rms_norm_eps": 1e-5, "rope_scaling": None, "rope_theta": 10000.0, "tie_word_embeddings": False,
              "torch_dtype": "float32", "transformers_version": "4.35.0", "use_cache": True, "vocab_size": size}
    write(f, "config.json", config)
    write(f, "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "transformers_version": "4.35.0"})
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    write(f, "tokenizer_config.json", {"add_bos_token": True, "add_eos_token": False, "clean_up_tokenization_spaces": False,
                                       "legacy": False, "model_max_length": spec["positions"], "padding_side": "right",
                                       "sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer", **special})
    write(f, "special_tokens_map.json", special)
    tok = AutoTokenizer.from_pretrained(f)
    tok._tokenizer.save(os.path.join(f, "tokenizer.json"))
    encoded = [tok(x)["input_ids"] + [2] for x in lines]
    model = LlamaForCausalLM(LlamaConfig(**{**config, "initializer_range": 0.06}))
    train_lm(model, encoded, 2, spec)
    save_safe(f, contiguous(model.state_dict()))


MAKERS = {"marian": make_marian, "t5": make_t5, "gpt2": make_gpt2, "llama": make_llama}


def main(argv):
    spec, golden = common.load_spec(argv)
    names = {m["name"] for m in spec["models"]} & set(argv)
    out = os.path.join(golden, "models")
    start = time.time()
    for m in spec["models"]:
        if not names or m["name"] in names:
            common.say(m["name"])
            t = time.time()
            MAKERS[m["kind"]](m, out)
            common.say(f"  {time.time() - t:.0f} s")
    common.say(f"all models: {time.time() - start:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
