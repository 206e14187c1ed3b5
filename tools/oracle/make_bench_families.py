# SPDX-License-Identifier: Apache-2.0
"""Writes random-weight checkpoints of the sizes of published BART, NLLB-200 and Pegasus, for speed measurements.  Not to be committed.

    python make_bench_families.py FOLDER                    bart-large-cnn, nllb-200-distilled-600M, pegasus-xsum
    python make_bench_families.py FOLDER pegasus-xsum       only these

    bart-large-cnn            12 + 12 layers, width 1024, vocabulary 50264      406 M parameters
    nllb-200-distilled-600M   12 + 12 layers, width 1024, vocabulary 256206     615 M
    pegasus-xsum              16 + 16 layers, width 1024, vocabulary 96103      570 M

config.json and generation_config.json hold the published values.  Tokenizers are of the real sizes: a small one, trained on
grammar.py, filled up with made-up pieces.  A random model never learns to stop: force a target.
"""

import base64
import json
import os
import sys
import time

import common

common.quiet()

import grammar  # noqa: E402
import torch  # noqa: E402
from make_bench_models import normal, shapes  # noqa: E402
from make_models import fresh, train_spm, write  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

DIMS = {"d_model": 1024, "encoder_attention_heads": 16, "decoder_attention_heads": 16, "encoder_ffn_dim": 4096,
        "decoder_ffn_dim": 4096, "is_encoder_decoder": True, "dropout": 0.1, "torch_dtype": "float32", "use_cache": True}
IDS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}


def made_up(n, known):
    """n words that are no pieces yet, each a known prefix and one letter more."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    out, i, seen = [], 0, set(known)
    frontier = ["▁" + c for c in letters]
    while len(out) < n:
        if i < len(frontier):
            word = frontier[i]
            i += 1
            if word not in seen:
                seen.add(word)
                out.append(word)
            frontier += [word + c for c in letters] if len(frontier) < 2 * n + 5000 else []
        else:
            raise SystemExit("too few words")
    return out


def save_weights(f, cls, config, scale):
    g = torch.Generator().manual_seed(7)
    d, state = config.d_model, {}
    for k, s in shapes(lambda: cls(config)).items():
        if "embed_tokens" in k or "lm_head" in k or k.endswith("embed_positions.weights"):
            continue
        if k.endswith("embed_positions.weight"):
            if config.model_type == "bart":
                state[k] = normal(g, s, 0.1)
            continue
        if "layer_norm" in k or "layernorm" in k:
            state[k] = 1 + normal(g, s, 0.1) if k.endswith("weight") else normal(g, s, 0.05)
        elif "shared" in k:
            state[k] = normal(g, s, 3 / d**0.5)
        elif k.endswith("weight"):
            state[k] = normal(g, s, s[-1] ** -0.5)
        else:
            state[k] = normal(g, s, 0.05)
    save_file(state, os.path.join(f, "model.safetensors"), metadata={"format": "pt"})


def bart(folder):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import BartConfig, BartForConditionalGeneration

    f, size = fresh(folder), 50264
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(grammar.text(1, 20000), vocab_size=3000, min_frequency=2, show_progress=False,
                            special_tokens=["<s>", "<pad>", "</s>", "<unk>"])
    bpe.save_model(f)
    with open(os.path.join(f, "vocab.json"), encoding="utf-8") as g:
        vocab = json.load(g)
    with open(os.path.join(f, "merges.txt"), "a", encoding="utf-8") as g:
        for w in made_up(size - 1 - len(vocab), {k.replace("Ġ", "▁") for k in vocab}):
            w = w.replace("▁", "Ġ")
            g.write(f"{w[:-1]} {w[-1]}\n")
            vocab[w] = len(vocab)
    vocab["<mask>"] = len(vocab)
    write(f, "vocab.json", vocab)
    settings = {"early_stopping": True, "forced_bos_token_id": 0, "forced_eos_token_id": 2, "length_penalty": 2.0,
                "max_length": 142, "min_length": 56, "no_repeat_ngram_size": 3, "num_beams": 4}
    dims = {**DIMS, "encoder_layers": 12, "decoder_layers": 12, "max_position_embeddings": 1024, "vocab_size": size,
            "activation_function": "gelu", "scale_embedding": False, **IDS}
    write(f, "config.json", {"architectures": ["BartForConditionalGeneration"], "model_type": "bart", **dims, **settings})
    write(f, "generation_config.json", {**IDS, **settings})
    save_weights(f, BartForConditionalGeneration, BartConfig(**dims), False)


def nllb(folder):
    from transformers import M2M100Config, M2M100ForConditionalGeneration
    from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as codes
    from sentencepiece import sentencepiece_model_pb2 as pb

    f, size = fresh(folder), 256206
    model = train_spm([x for p in grammar.pairs(1, 20000) for x in p], 2000, model_type="bpe", hard_vocab_limit=False)
    m = pb.ModelProto()
    m.ParseFromString(model)
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    for p in m.pieces[3:]:
        vocab[p.piece] = len(vocab)
    pieces = sorted(((p.piece, p.score) for p in m.pieces[3:]), key=lambda x: -x[1])
    merges = [[p[:k], p[k:]] for p, _ in pieces for k in range(1, len(p)) if p[:k] in vocab and p[k:] in vocab]
    for w in made_up(size - 2 - len(codes) - 1 - len(vocab), vocab):
        merges.append([w[:-1], w[-1]])
        vocab[w] = len(vocab)
    for c in "abcdefghijklmnopqrstuvwxyz":
        assert c in vocab, c
    first = len(vocab)
    added = [{"id": vocab[t], "content": t} for t in ("<s>", "<pad>", "</s>", "<unk>")]
    added += [{"id": first + i, "content": c} for i, c in enumerate(codes)]
    added.append({"id": first + len(codes), "content": "<mask>", "lstrip": True})
    for a in added:
        a.update({"single_word": False, "lstrip": a.get("lstrip", False), "rstrip": False, "normalized": False, "special": True})
    rules = base64.b64encode(m.normalizer_spec.precompiled_charsmap).decode()
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    write(f, "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": rules},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
        "pre_tokenizer": space, "post_processor": None, "decoder": space,
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": False, "vocab": vocab, "merges": merges}})
    write(f, "tokenizer_config.json", {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>",
                                       "model_max_length": 1024, "pad_token": "<pad>", "sep_token": "</s>", "src_lang": None,
                                       "tgt_lang": None, "tokenizer_class": "NllbTokenizer", "unk_token": "<unk>"})
    write(f, "special_tokens_map.json", {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>",
                                         "pad_token": "<pad>", "additional_special_tokens": list(codes)})
    dims = {**DIMS, "encoder_layers": 12, "decoder_layers": 12, "max_position_embeddings": 1024, "vocab_size": size,
            "activation_function": "relu", "scale_embedding": True, "attention_dropout": 0.1, **IDS}
    write(f, "config.json", {"architectures": ["M2M100ForConditionalGeneration"], "model_type": "m2m_100", "max_length": 200,
                             **dims})
    write(f, "generation_config.json", {**IDS, "max_length": 200})
    save_weights(f, M2M100ForConditionalGeneration, M2M100Config(**dims), True)


def pegasus(folder):
    from sentencepiece import sentencepiece_model_pb2 as pb
    from transformers import PegasusConfig, PegasusForConditionalGeneration

    f, size = fresh(folder), 96103
    model = train_spm(grammar.text(1, 20000), 2000, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False)
    m = pb.ModelProto()
    m.ParseFromString(model)
    for w in made_up(size - 103 - len(m.pieces), {p.piece for p in m.pieces}):
        m.pieces.add(piece=w, score=-20.0)
    with open(os.path.join(f, "spiece.model"), "wb") as g:
        g.write(m.SerializeToString())
    write(f, "tokenizer_config.json", {"model_max_length": 512, "tokenizer_class": "PegasusTokenizer"})
    ids = {"bos_token_id": 0, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    settings = {"forced_eos_token_id": 1, "length_penalty": 0.6, "max_length": 64, "num_beams": 8}
    dims = {**DIMS, "encoder_layers": 16, "decoder_layers": 16, "max_position_embeddings": 512, "vocab_size": size,
            "activation_function": "relu", "scale_embedding": True, **ids}
    write(f, "config.json", {"architectures": ["PegasusForConditionalGeneration"], "model_type": "pegasus", **dims, **settings})
    write(f, "generation_config.json", {**ids, **settings})
    save_weights(f, PegasusForConditionalGeneration, PegasusConfig(**dims), True)


MAKERS = {"bart-large-cnn": bart, "nllb-200-distilled-600M": nllb, "pegasus-xsum": pegasus}


def main(argv):
    for name in argv[1:] or list(MAKERS):
        folder, start = os.path.join(argv[0], name), time.time()
        MAKERS[name](folder)
        size = sum(os.path.getsize(os.path.join(folder, x)) for x in os.listdir(folder))
        common.say(f"{name}: {size / 1e6:.0f} MB, {time.time() - start:.0f} s")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(sys.argv[1:])
