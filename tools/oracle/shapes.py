"""Checkpoints of a few kilobytes in shapes that the trained miniatures don't have, and what transformers does with them.

    python shapes.py            -> test/golden/shapes/NAME, test/golden/shapes/shapes.json

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
from transformers import (MarianConfig, MarianMTModel, MT5Config, MT5ForConditionalGeneration,  # noqa: E402
                          T5Config, T5ForConditionalGeneration)

FOLDER = os.path.join(common.load_spec([])[1], "shapes")
MARIAN = dict(vocab_size=37, d_model=12, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
              decoder_attention_heads=3, encoder_ffn_dim=17, decoder_ffn_dim=9, max_position_embeddings=16,
              pad_token_id=36, eos_token_id=0, bos_token_id=0, decoder_start_token_id=36, forced_eos_token_id=0,
              scale_embedding=True, activation_function="swish")
T5 = dict(vocab_size=37, d_model=12, d_kv=5, num_heads=3, d_ff=19, num_layers=1, num_decoder_layers=3,
          relative_attention_num_buckets=8, relative_attention_max_distance=20, pad_token_id=0, eos_token_id=1,
          decoder_start_token_id=0, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
MODELS = {
    "marian-untied": (MarianMTModel, MarianConfig, dict(MARIAN, tie_word_embeddings=False), {}),
    "marian-two-tables": (MarianMTModel, MarianConfig, dict(MARIAN, share_encoder_decoder_embeddings=False, encoder_layers=2), {}),
    "marian-two-vocabularies": (MarianMTModel, MarianConfig, dict(
        MARIAN, share_encoder_decoder_embeddings=False, decoder_vocab_size=53, tie_word_embeddings=False), {}),
    "marian-forced": (MarianMTModel, MarianConfig, dict(MARIAN, scale_embedding=False, activation_function="relu"),
                      dict(forced_bos_token_id=5, eos_token_id=[0, 7, 9], bad_words_ids=[[36], [3, 4]])),
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


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    lines = [json.dumps(c) for name in MODELS for c in cases(name, make(name))]
    with open(os.path.join(FOLDER, "shapes.json"), "w") as f:
        f.write("[\n" + ",\n".join(lines) + "\n]\n")


main()
