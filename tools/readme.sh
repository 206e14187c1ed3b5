#!/usr/bin/env bash
# The heatmap in README is a real run: prints README with it made anew. `make check` compares.
set -eu
cd "$(dirname "$0")/.."
map=$(COLUMNS=96 LC_ALL=C.UTF-8 ./inseq attribute -m test/golden/models/marian-en-nl -a input_x_gradient \
    --step_scores probability -i "The nurse went to the hospital." --color never --no_progress | sed 's/^/    /; s/ *$//')
awk -v map="$map" '
    /^    +--step_scores probability -i "The nurse went/ && !done { print; print ""; print map; print ""; skip = 1; done = 1; next }
    /^On a fresh Debian machine/ { skip = 0 }
    !skip' README
