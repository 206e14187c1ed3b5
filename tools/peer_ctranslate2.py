#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times CTranslate2 (float32) on the decoding that `inseq bench` times, for tools/bench.sh: a peer, never a part of the product.

    peer_ctranslate2.py FOLDER THREADS [SOURCE_TOKENS] [NEW_TOKENS]     prints {"beam 1": s, "beam 4": s} as JSON, medians of 9

FOLDER is a Marian checkpoint; it is converted to a temporary folder. Needs ctranslate2, transformers and torch.
"""
import json
import os
import statistics
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
import ctranslate2

folder, threads = sys.argv[1], int(sys.argv[2])
n_source = int(sys.argv[3]) if len(sys.argv) > 3 else 24
n_new = int(sys.argv[4]) if len(sys.argv) > 4 else 20
with tempfile.TemporaryDirectory() as temporary:
    made = os.path.join(temporary, "model")
    ctranslate2.converters.TransformersConverter(folder).convert(made)
    model = ctranslate2.Translator(made, device="cpu", compute_type="float32", inter_threads=1, intra_threads=threads)
    words = [w for w in json.load(open(os.path.join(folder, "vocab.json"))) if not w.startswith("<")]
    source = [words[(7919 * i) % len(words)] for i in range(n_source - 1)] + ["</s>"]
    out = {"version": ctranslate2.__version__, "threads": threads}
    for beam in (1, 4):
        times = []
        for i in range(10):
            begin = time.time()
            r = model.translate_batch([source], beam_size=beam, min_decoding_length=n_new, max_decoding_length=n_new)
            times.append(time.time() - begin)
            assert len(r[0].hypotheses[0]) == n_new
        out[f"beam {beam}"] = round(statistics.median(times[1:]), 4)
    print(json.dumps(out))
