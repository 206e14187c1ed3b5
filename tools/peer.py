#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the Python library on the same call, for tools/bench.sh: a peer, never a part of the product.

    peer.py FOLDER METHOD SOURCE TARGET [RUNS] [JSON arguments]     prints {"cold": s, "warm": s, "load": s} as JSON

INSEQ_LOAD='{"tokenizer_kwargs": {"src_lang": ..., "tgt_lang": ...}}' is handed to load_model.

Needs torch, transformers==5.23 and inseq==0.7.1. cold: from the start of the process to the first result; warm: the
median of RUNS (3) further calls. The Marian decoder's double scaling is undone as the model itself computes.
"""
import time

start = time.time()
import json
import os
import statistics
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
import torch

if os.environ.get("INSEQ_THREADS"):
    torch.set_num_threads(int(os.environ["INSEQ_THREADS"]))
import inseq

folder, method, source, target = sys.argv[1:5]
runs = int(sys.argv[5]) if len(sys.argv) > 5 else 3
args = json.loads(sys.argv[6]) if len(sys.argv) > 6 else {}
begin = time.time()
model = inseq.load_model(folder, method, **json.loads(os.environ.get("INSEQ_LOAD", "{}")))
load = time.time() - begin
decoder = getattr(getattr(model.model, "model", None), "decoder", None)
if decoder is not None and hasattr(decoder, "embed_scale"):
    scale = decoder.embed_scale
    decoder.register_forward_pre_hook(
        lambda m, a, k: (a, {**k, "inputs_embeds": k["inputs_embeds"] / scale}) if k.get("inputs_embeds") is not None else None,
        with_kwargs=True)


def once():
    begin = time.time()
    out = model.attribute(source, target, show_progress=False, **args)
    return time.time() - begin, out


_, out = once()
cold = time.time() - start
warm = statistics.median(once()[0] for _ in range(runs))
s = out.sequence_attributions[0]
print(json.dumps({"cold": round(cold, 3), "warm": round(warm, 3), "load": round(load, 3), "source_tokens": len(s.source),
                  "target_steps": s.attr_pos_end - s.attr_pos_start}))
