# SPDX-License-Identifier: Apache-2.0
"""What the oracle scripts share: paths, seeding, the specification files, two repairs of the stack.

The scripts never use an absolute path: everything hangs off the folder this file is in.  A
specification (spec.json here; a file of the same form elsewhere for the hold-out) names the
models, seeds and sentences, so that the same code makes both sets.
"""

import json
import logging
import os
import random
import sys
import tempfile
import warnings

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

# neighbour graphs of discretized_integrated_gradients are cached by model name only: never reuse stale ones
os.environ["INSEQ_ARTIFACTS_CACHE"] = os.path.join(tempfile.gettempdir(), f"oracle-{os.getpid()}")

HERE = os.path.dirname(os.path.abspath(__file__))


def load_spec(argv):
    """(spec, golden folder)"""
    with open(os.path.join(HERE, "spec.json"), encoding="utf-8") as f:
        return json.load(f), os.path.abspath(os.path.join(HERE, "..", "..", "test", "golden"))


def quiet():
    """One thread, no warnings, no progress bars."""
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


def seed_all(seed):
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def undo_double_scaling():
    """Stop MarianDecoder from scaling given embeddings a second time.

    Inseq hands the model embeddings already multiplied by embed_scale.  The Marian decoder of
    transformers up to 4.50 took them as they were; later ones (4.52, 4.53, 5.23 were looked at) multiply every
    inputs_embeds by embed_scale again, so that Inseq's forward pass is no longer the model's own.
    This gives the decoder its former reading; the path from ids (generate) is untouched.
    """
    from transformers.models.marian.modeling_marian import MarianDecoder

    if getattr(MarianDecoder, "_scaling_undone", False):
        return
    plain = MarianDecoder.forward

    def forward(self, *args, inputs_embeds=None, **kwargs):
        if inputs_embeds is None:
            return plain(self, *args, **kwargs)
        scale, self.embed_scale = self.embed_scale, 1.0
        try:
            return plain(self, *args, inputs_embeds=inputs_embeds, **kwargs)
        finally:
            self.embed_scale = scale

    MarianDecoder.forward = forward
    MarianDecoder._scaling_undone = True


def infer_attention_mask():
    """Let generate() see padding in a batch of sources again.

    Inseq calls generate with ids only.  transformers 4 inferred the attention mask from the padding;
    5.23 does so for decoder-only models but no longer for encoder-decoders, so that the shorter sentences of
    a batch are translated with their padding attended to, and come out differently than alone.
    """
    from transformers import GenerationMixin

    if getattr(GenerationMixin, "_mask_inferred", False):
        return
    plain = GenerationMixin.generate

    def generate(self, inputs=None, *args, **kwargs):
        pad, eos = self.config.pad_token_id, self.config.eos_token_id
        if self.config.is_encoder_decoder and inputs is not None and kwargs.get("attention_mask") is None and pad not in (None, eos):
            if (inputs == pad).any():
                kwargs["attention_mask"] = inputs.ne(pad).long()
        return plain(self, inputs, *args, **kwargs)

    GenerationMixin.generate = generate
    GenerationMixin._mask_inferred = True


def repair():
    """Both repairs: what the oracle's numbers are made with."""
    undo_double_scaling()
    infer_attention_mask()


def write_json(path, data, indent=1):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f, ensure_ascii=False, indent=indent)
        f.write("\n")


def say(*args):
    print(*args, flush=True)
    sys.stdout.flush()
