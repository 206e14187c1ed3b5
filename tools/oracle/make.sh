#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make golden: what the real libraries say of the models below, made again under test/golden. Recorded by other means, and
# left as they are: the families of cases/ that spec.json does not name, quantized/, real/, tokenizers/cases/families. Needs Python 3.11 and
#   pip install torch==2.13 transformers==5.23 inseq==0.7.1 captum==0.9 sentencepiece==0.2.3 safetensors scikit-learn scipy protobuf sacremoses peft
# The trained miniatures are kept as they are (make_models.py makes them anew, in 12 minutes; their tensors then differ
# in the last bits on another machine). With those in place the rest takes some 10 minutes.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
"$python" -c 'import torch, transformers, inseq, sentencepiece' || {
    echo "this Python lacks what the oracles need; the head of $0 says what to install" >&2
    exit 1
}
"$python" make_golden.py "$@"
[ $# -gt 0 ] || {
    "$python" make_tokenizer_cases.py
    "$python" checkpoints.py
    "$python" shapes.py
    "$python" train.py
    "$python" attn_lrp.py
    "$python" layers.py
    "$python" families_float64.py
    "$python" alti.py
    "$python" expected_gradients.py
    "$python" beyond.py
    "$python" coalitions.py
    (cd ../.. && for s in edges decoders lens sampling; do "$python" tools/oracle/$s.py; done)
    "$python" decoder_methods.py
    "$python" context.py
    "$python" reagent.py
    "$python" evaluate.py
    "$python" chat.py
    (cd ../.. && "$python" tools/oracle/adapters.py)
}
