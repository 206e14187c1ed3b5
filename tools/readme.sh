#!/usr/bin/env bash
# The heatmaps of README are a real run: makes README and tools/heatmap.svg anew, or as README and heatmap.svg in a
# folder that is given. `make check` compares those with what is here.
set -eu
cd "$(dirname "$0")/.."
run() {
    COLUMNS=96 LC_ALL=C.UTF-8 ./inseq attribute -m demo/en-nl -a input_x_gradient --step_scores probability \
        -i "The nurse went to the hospital." --color never --no_progress "$@"
}
run --attribute_target --hide_attributions --svg "${1:-tools}/heatmap.svg"
map=$(run | sed 's/^/    /; s/ *$//')
text=$(awk -v map="$map" '
    /^    +--step_scores probability -i "The nurse went/ && !done { print; print ""; print map; print ""; skip = 1; done = 1; next }
    /^tools\/heatmap.svg is/ { skip = 0 }
    !skip' README)
printf '%s\n' "$text" >"${1:-.}/README"
