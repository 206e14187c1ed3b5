# SPDX-License-Identifier: Apache-2.0
"""Writes random-weight checkpoints of real sizes, for speed measurements.  Not to be committed.

    python make_bench_models.py FOLDER                      opus-mt-en-nl, flan-t5-small, flan-t5-base
    python make_bench_models.py FOLDER flan-t5-large gpt2   only these
    python make_bench_models.py FOLDER --check              also load each with transformers and try it

    opus-mt-en-nl   75 M parameters, pytorch_model.bin in the old non-zip format (such repositories have only that)
    flan-t5-small   77 M, flan-t5-base 248 M, flan-t5-large 783 M, model.safetensors
    gpt2           124 M, model.safetensors

Shapes are those of the hub's repositories of these names (opus-mt-en-nl: vocabulary of 67028).  Weights are
normal, of a variance that keeps activations near 1 and logits at a standard deviation of about 3, so that
outputs depend on the input and are neither flat nor one-hot.  A random model never learns to stop: force a
target, or limit max_new_tokens.

Tokenizers come from ../tokenizers/models if they are there (an OPUS-MT one, filled up with unused entries to
the right size; the T5 one; the GPT-2 one); otherwise small ones are trained on grammar.py and filled up.
"""

import json
import os
import shutil
import sys
import time

import common

common.quiet()

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from make_models import fresh, train_spm, write  # noqa: E402

TOKENIZERS = os.path.join(common.HERE, "..", "..", "test", "golden", "tokenizers", "models")
OPUS = dict(vocab=67028, d_model=512, heads=8, ffn=2048, layers=6)
T5 = {"flan-t5-small": dict(d_model=512, d_kv=64, d_ff=1024, num_heads=6, num_layers=8),
      "flan-t5-base": dict(d_model=768, d_kv=64, d_ff=2048, num_heads=12, num_layers=12),
      "flan-t5-large": dict(d_model=1024, d_kv=64, d_ff=2816, num_heads=16, num_layers=24)}
GPT2 = dict(n_embd=768, n_head=12, n_layer=12, n_positions=1024, n_ctx=1024, vocab_size=50257)


def normal(generator, shape, std):
    return torch.empty(shape).normal_(0, std, generator=generator)


def shapes(make):
    """Names and shapes of a model's tensors, without allocating it."""
    with torch.device("meta"):
        model = make()
    return {k: tuple(v.shape) for k, v in model.state_dict().items()}


def opus_mt(folder):
    from transformers import MarianConfig, MarianMTModel

    v, d = OPUS["vocab"], OPUS["d_model"]
    pad = v - 1
    f = fresh(folder)
    source = os.path.join(TOKENIZERS, "opus-mt-en-mg")
    if os.path.isdir(source):
        for n in ("source.spm", "target.spm"):
            shutil.copy(os.path.join(source, n), f)
        with open(os.path.join(source, "vocab.json"), encoding="utf-8") as g:
            vocab = json.load(g)
        vocab = {k: i for i, k in enumerate(k for k, _ in sorted(vocab.items(), key=lambda x: x[1]) if k != "<pad>")}
    else:
        import grammar

        vocab = {"</s>": 0, "<unk>": 1}
        for side, n in ((0, "source.spm"), (1, "target.spm")):
            model = train_spm([p[side] for p in grammar.pairs(1, 20000)], 600)
            with open(os.path.join(f, n), "wb") as g:
                g.write(model)
            import sentencepiece

            s = sentencepiece.SentencePieceProcessor(model_proto=model)
            for i in range(s.get_piece_size()):
                vocab.setdefault(s.id_to_piece(i), len(vocab))
    for i in range(len(vocab), pad):
        vocab[f"<unused{i}>"] = i
    vocab["<pad>"] = pad
    assert len(vocab) == v and sorted(vocab.values()) == list(range(v))
    write(f, "vocab.json", vocab)
    shape = dict(d_model=d, encoder_layers=OPUS["layers"], decoder_layers=OPUS["layers"], encoder_attention_heads=OPUS["heads"],
                 decoder_attention_heads=OPUS["heads"], encoder_ffn_dim=OPUS["ffn"], decoder_ffn_dim=OPUS["ffn"])
    config = {"activation_function": "swish", "architectures": ["MarianMTModel"], "bad_words_ids": [[pad]], "bos_token_id": 0,
              "decoder_start_token_id": pad, "decoder_vocab_size": v, "dropout": 0.1, "eos_token_id": 0, "forced_eos_token_id": 0,
              "init_std": 0.02, "is_encoder_decoder": True, "max_length": 512, "max_position_embeddings": 512, "model_type": "marian",
              "num_beams": 4, "num_hidden_layers": OPUS["layers"], "pad_token_id": pad, "scale_embedding": True,
              "share_encoder_decoder_embeddings": True, "static_position_embeddings": True, "torch_dtype": "float32",
              "use_cache": True, "vocab_size": v, **shape}
    write(f, "config.json", config)
    write(f, "generation_config.json", {"bad_words_ids": [[pad]], "bos_token_id": 0, "decoder_start_token_id": pad, "eos_token_id": 0,
                                        "forced_eos_token_id": 0, "max_length": 512, "num_beams": 4, "pad_token_id": pad,
                                        "renormalize_logits": True})
    write(f, "tokenizer_config.json", {"source_lang": "en", "target_lang": "nl", "tokenizer_class": "MarianTokenizer",
                                       "model_max_length": 512})
    g = torch.Generator().manual_seed(1)
    state = {}
    for k, s in shapes(lambda: MarianMTModel(MarianConfig(**{**config, "vocab_size": v}))).items():
        if "embed_tokens" in k or "lm_head" in k or "embed_positions" in k:
            continue
        if k == "final_logits_bias":
            state[k] = normal(g, s, 0.5)
        elif "layer_norm" in k:
            state[k] = 1 + normal(g, s, 0.1) if k.endswith("weight") else normal(g, s, 0.1)
        elif k == "model.shared.weight":
            state[k] = normal(g, s, 3 / d ** 0.5)
            state[k][pad] = 0
        else:
            state[k] = normal(g, s, s[-1] ** -0.5 if len(s) > 1 else 0.05)
    state["final_logits_bias"][0, pad] = 0
    for k in ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"):
        state[k] = state["model.shared.weight"]
    torch.save(state, os.path.join(f, "pytorch_model.bin"), _use_new_zipfile_serialization=False)


def flan_t5(folder, shape):
    from transformers import T5Config, T5ForConditionalGeneration

    f = fresh(folder)
    v, d = 32128, shape["d_model"]
    spiece = os.path.join(TOKENIZERS, "t5", "spiece.model")
    if os.path.exists(spiece):
        shutil.copy(spiece, f)
    else:
        import grammar

        model = train_spm([x for p in grammar.yesno(1, 10000) for x in p], 500, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False)
        with open(os.path.join(f, "spiece.model"), "wb") as g:
            g.write(model)
    config = {"architectures": ["T5ForConditionalGeneration"], "decoder_start_token_id": 0, "dropout_rate": 0.1, "eos_token_id": 1,
              "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0, "is_encoder_decoder": True, "layer_norm_epsilon": 1e-6,
              "model_type": "t5", "n_positions": 512, "num_decoder_layers": shape["num_layers"], "pad_token_id": 0,
              "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32, "tie_word_embeddings": False,
              "torch_dtype": "float32", "use_cache": True, "vocab_size": v, **shape}
    write(f, "config.json", config)
    write(f, "generation_config.json", {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0})
    extra = [f"<extra_id_{i}>" for i in range(100)]
    write(f, "tokenizer_config.json", {"additional_special_tokens": extra, "eos_token": "</s>", "extra_ids": 100, "model_max_length": 512,
                                       "pad_token": "<pad>", "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"})
    g = torch.Generator().manual_seed(2)
    state = {}
    for k, s in shapes(lambda: T5ForConditionalGeneration(T5Config(**config))).items():
        if "embed_tokens" in k:
            continue
        if "layer_norm" in k:
            state[k] = 1 + normal(g, s, 0.1)
        elif k == "shared.weight":
            state[k] = normal(g, s, 1.0)
        elif k == "lm_head.weight":
            state[k] = normal(g, s, 3 / d ** 0.5)
        elif "relative_attention_bias" in k:
            state[k] = normal(g, s, 0.5)
        elif k.endswith(".q.weight"):
            state[k] = normal(g, s, (d * shape["d_kv"]) ** -0.5)
        else:
            state[k] = normal(g, s, s[-1] ** -0.5)
    save_file(state, os.path.join(f, "model.safetensors"), metadata={"format": "pt"})


def gpt2(folder):
    from transformers import GPT2Config, GPT2LMHeadModel

    f = fresh(folder)
    source = os.path.join(TOKENIZERS, "gpt2")
    for n in ("vocab.json", "merges.txt"):
        shutil.copy(os.path.join(source, n), f)
    config = {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "bos_token_id": 50256, "eos_token_id": 50256,
              "layer_norm_epsilon": 1e-5, "model_type": "gpt2", **GPT2}
    write(f, "config.json", config)
    write(f, "generation_config.json", {"bos_token_id": 50256, "eos_token_id": 50256})
    write(f, "tokenizer_config.json", {"model_max_length": 1024, "tokenizer_class": "GPT2Tokenizer"})
    g = torch.Generator().manual_seed(3)
    state = {}
    for k, s in shapes(lambda: GPT2LMHeadModel(GPT2Config(**config))).items():
        if k.startswith("lm_head"):
            continue
        short = k.removeprefix("transformer.")
        if ".ln_" in k or "ln_f" in k:
            state[short] = 1 + normal(g, s, 0.1) if k.endswith("weight") else normal(g, s, 0.05)
        elif "wte" in k:
            state[short] = normal(g, s, 3 / GPT2["n_embd"] ** 0.5)
        elif len(s) > 1:
            state[short] = normal(g, s, s[0] ** -0.5 if "wpe" not in k else 0.05)
        else:
            state[short] = normal(g, s, 0.05)
    save_file(state, os.path.join(f, "model.safetensors"), metadata={"format": "pt"})


def check(folder):
    """Load with transformers; how peaked are the outputs, do they depend on the input?"""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    seq2seq = AutoConfig.from_pretrained(folder).is_encoder_decoder
    model = (AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM).from_pretrained(folder).eval()
    tok = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in ("Don't get hot-headed mate, it's easy peasy to study models with Inseq!", "Does 3 + 3 equal 6?"):
        ids = tok(text, return_tensors="pt").input_ids
        t = time.time()
        out = model.generate(ids, num_beams=1, do_sample=False, max_new_tokens=8, min_new_tokens=8, return_dict_in_generate=True, output_scores=True)
        t = time.time() - t
        prob = torch.stack(out.scores).softmax(-1).amax(-1).flatten()
        rows.append(out.sequences[0, -8:].tolist())
        common.say(f"  {ids.shape[1]} tokens in, best probabilities {prob.min():.3f} to {prob.max():.3f}, 8 tokens in {t:.2f} s")
    assert rows[0] != rows[1], "the output does not depend on the input"


def main(argv):
    names = [a for a in argv[1:] if not a.startswith("-")] or ["opus-mt-en-nl", "flan-t5-small", "flan-t5-base"]
    for name in names:
        folder, start = os.path.join(argv[0], name), time.time()
        if name.startswith("opus"):
            opus_mt(folder)
        elif name in T5:
            flan_t5(folder, T5[name])
        elif name == "gpt2":
            gpt2(folder)
        else:
            raise SystemExit(f"unknown name {name}")
        size = sum(os.path.getsize(os.path.join(folder, x)) for x in os.listdir(folder))
        common.say(f"{name}: {size / 1e6:.0f} MB, {time.time() - start:.0f} s")
        if "--check" in argv:
            check(folder)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(sys.argv[1:])
