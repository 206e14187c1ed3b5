# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a few kilobytes in shapes that the trained miniatures don't have, and what transformers does with them.

    python shapes.py            -> test/golden/shapes/NAME, test/golden/shapes/shapes.json, test/golden/shapes/words.json

Configurations are written as save_pretrained of today writes them (the miniatures': as those of the hub are). Weights are
random, large enough that logits are not flat. Each case has sources as ids, arguments of generate(), its sequences and
their scores; and logits of a teacher-forced pass over the first of them.
"""

import json
import os
import shutil

import common

common.quiet()

import torch  # noqa: E402
from transformers import (MarianConfig, MarianMTModel, MarianTokenizer, MT5Config,  # noqa: E402
                          MT5ForConditionalGeneration, T5Config, T5ForConditionalGeneration)

FOLDER = os.path.join(common.load_spec([])[1], "shapes")
MARIAN = dict(vocab_size=37, d_model=12, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
              decoder_attention_heads=3, encoder_ffn_dim=17, decoder_ffn_dim=9, max_position_embeddings=16,
              pad_token_id=36, eos_token_id=0, bos_token_id=0, decoder_start_token_id=36, forced_eos_token_id=0,
              scale_embedding=True, activation_function="swish")
T5 = dict(vocab_size=37, d_model=12, d_kv=5, num_heads=3, d_ff=19, num_layers=1, num_decoder_layers=3,
          relative_attention_num_buckets=8, relative_attention_max_distance=20, pad_token_id=0, eos_token_id=1,
          decoder_start_token_id=0, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
WORDS = dict(vocab_size=400, decoder_vocab_size=1800, d_model=4, decoder_attention_heads=2, share_encoder_decoder_embeddings=False,
             tie_word_embeddings=False, pad_token_id=399, decoder_start_token_id=399)
MODELS = {
    "marian-untied": (MarianMTModel, MarianConfig, dict(MARIAN, tie_word_embeddings=False), {}),
    "marian-two-tables": (MarianMTModel, MarianConfig, dict(MARIAN, share_encoder_decoder_embeddings=False, encoder_layers=2), {}),
    "marian-two-vocabularies": (MarianMTModel, MarianConfig, dict(
        MARIAN, share_encoder_decoder_embeddings=False, decoder_vocab_size=53, tie_word_embeddings=False), {}),
    "marian-forced": (MarianMTModel, MarianConfig, dict(MARIAN, scale_embedding=False, activation_function="relu"),
                      dict(forced_bos_token_id=5, eos_token_id=[0, 7, 9], bad_words_ids=[[36], [3, 4]])),
    "marian-separate": (MarianMTModel, MarianConfig, dict(MARIAN, **WORDS), {}),  # with a tokenizer: see words()
    "t5-long-decoder": (T5ForConditionalGeneration, T5Config, T5, {}),
    "t5-long-encoder": (T5ForConditionalGeneration, T5Config, dict(
        T5, num_layers=3, num_decoder_layers=1, tie_word_embeddings=True, feed_forward_proj="relu"), {}),
    "t5-many-ends": (T5ForConditionalGeneration, T5Config, dict(T5, num_decoder_layers=1, feed_forward_proj="gated-silu"),
                     dict(eos_token_id=[1, 20, 21, 22])),
    "mt5": (MT5ForConditionalGeneration, MT5Config, dict(T5, num_decoder_layers=2, vocab_size=41), {}),
}
SOURCES = [[4, 9, 31, 2, 30, 12, 1], [8, 1], [1]]
ARGUMENTS = [{"num_beams": 1, "max_length": 12}, {"num_beams": 4, "num_return_sequences": 3, "max_new_tokens": 9, "length_penalty": 0.6},
             {"num_beams": 5, "min_length": 6, "no_repeat_ngram_size": 2, "max_length": 16, "early_stopping": True}]


def make(name):
    family, config, shape, generation = MODELS[name]
    torch.manual_seed(sum(map(ord, name)))
    model = family(config(**shape)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.normal_()
    for key, value in dict(suppress_tokens=[shape["pad_token_id"]], **generation).items():  # so that padding is only padding
        setattr(model.generation_config, key, value)
    folder = os.path.join(FOLDER, name)
    model.save_pretrained(folder)
    os.chmod(os.path.join(folder, "model.safetensors"), 0o644)
    return family.from_pretrained(folder).eval()  # what a reader of these files sees


def trim(ids, end, pad):
    """Without what fills the row up behind its end."""
    ends = [i for i, x in enumerate(ids) if i and x in end]
    return ids[:ends[0] + 1] if ends else [x for i, x in enumerate(ids) if not (i and x == pad)]


def cases(name, model):
    end, pad = model.generation_config.eos_token_id, model.generation_config.pad_token_id
    end = end if isinstance(end, list) else [end]
    for arguments in ARGUMENTS:
        for source in SOURCES:
            ids = torch.tensor([source])
            with torch.no_grad():
                out = model.generate(ids, attention_mask=torch.ones_like(ids), return_dict_in_generate=True, output_scores=True,
                                     use_cache=False, **arguments)  # its cache has as many layers as the encoder
                sequences = [trim(s, end, pad) for s in out.sequences.tolist()]
                logits = model(input_ids=ids, decoder_input_ids=torch.tensor([sequences[0][:-1]]), use_cache=False).logits[0]
            yield {"model": name, "arguments": arguments, "source": source, "sequences": sequences,
                   "scores": out.sequences_scores.tolist() if arguments["num_beams"] > 1 else None,
                   "logits": [[round(x, 5) for x in row] for row in logits.tolist()] if arguments is ARGUMENTS[0] else []}


def words(model):
    """Two vocabularies of different sizes, from text to text."""
    folder, out = os.path.join(FOLDER, "marian-separate"), []
    kept = os.path.join(FOLDER, "..", "tokenizers", "models", "marian-mini-sep")
    for file in os.listdir(kept):
        shutil.copyfile(os.path.join(kept, file), os.path.join(folder, file))
    tokenizer = MarianTokenizer.from_pretrained(folder)
    with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as f:
        sources = {i: s for s, i in json.load(f).items()}
    for text in ["The teacher lost her keys.", "Hello"]:
        ids = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            made = model.generate(**ids, num_beams=2, max_length=12)[0].tolist()
        decoded = tokenizer.decode(made, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        out.append({"text": text, "source_tokens": [sources[i] for i in ids["input_ids"][0].tolist()], "ids": made, "decoded": decoded})
    with open(os.path.join(FOLDER, "words.json"), "w", encoding="utf-8") as f:
        json.dump(out, f, ensure_ascii=False, indent=1)
        f.write("\n")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    lines = [json.dumps(c) for name in MODELS if name != "marian-separate" for c in cases(name, make(name))]
    words(make("marian-separate"))
    with open(os.path.join(FOLDER, "shapes.json"), "w") as f:
        f.write("[\n" + ",\n".join(lines) + "\n]\n")


main()
