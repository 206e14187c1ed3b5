#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The heatmaps and the table of README are real runs: makes README and tools/heatmap.svg anew, or as README and
# heatmap.svg in a folder that is given. `make check` compares those with what is here.
set -eu
cd "$(dirname "$0")/.."
run() {
    COLUMNS=96 LC_ALL=C.UTF-8 ./inseq attribute -m demo/en-nl -a input_x_gradient --step_scores probability \
        -i "The nurse went to the hospital." --color never --no_progress "$@"
}
run --attribute_target --hide_attributions --svg "${1:-tools}/heatmap.svg"
map=$(run | sed 's/^/    /; s/ *$//')
table=$(COLUMNS=96 LC_ALL=C.UTF-8 ./inseq compare -m demo/en-nl -a saliency -a input_x_gradient -a occlusion --evaluate \
    -i "The nurse went to the hospital." --color never --no_progress | tail -7 | sed 's/^/    /')
text=$(awk -v map="$map" -v table="$table" '
    /^    +--step_scores probability -i "The nurse went/ && !done { print; print ""; print map; print ""; skip = 1; done = 1; next }
    /^[^ ]/ { skip = 0 } # what follows the indented lines
    /^    +--evaluate -i "The nurse went/ { print; print ""; print table; print ""; skip = 1; next }
    !skip' README)
printf '%s\n' "$text" >"${1:-.}/README"
