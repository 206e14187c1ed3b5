#!/usr/bin/env bash
# make demo: a translation by the small model in test/golden, and why each word was chosen.
set -eu
cd "$(dirname "$0")/.."
./inseq attribute -m test/golden/models/marian-en-nl -a input_x_gradient --attribute_target --step_scores probability \
    -i "The nurse went to the hospital." --viz_path build/demo.html
echo "The same as a page: build/demo.html. With a model of your own: ./inseq attribute -m FOLDER ..."
