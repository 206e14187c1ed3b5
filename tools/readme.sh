#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The heatmaps and the table of README are real runs, its map of the rooms is counted: makes README and tools/heatmap.svg
# anew, or as README and heatmap.svg in a folder that is given. `make check` compares those with what is here.
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
# "attr/ 3412": the lines of a room, and of each room in it apart.
rooms=$(git ls-files | grep -E '\.(c|h|def|sh|py)$' | xargs wc -l | awk '
    $2 ~ /^(tensor|nn|tok|attr|test|tools)\// { n = split($2, p, "/"); room = p[1] "/"
        if (n > 2 && room ~ /^(nn|attr)/) room = p[2] "/"
        lines[room] += $1 }
    $2 == "inseq.c" { lines[$2] += $1 }
    END { for (room in lines) print room, lines[room] }')
text=$(awk -v map="$map" -v table="$table" -v rooms="$rooms" '
    BEGIN { n = split(rooms, row, "\n"); for (i = 1; i <= n; i++) { split(row[i], p, " "); lines[p[1]] = p[2] } }
    match($0, /[ 0-9][0-9]\.[0-9] k  /) && ($1 in lines) {
        $0 = substr($0, 1, RSTART - 1) sprintf("%4.1f", lines[$1] / 1000) substr($0, RSTART + 4) }
    /^    +--step_scores probability -i "The nurse went/ && !done { print; print ""; print map; print ""; skip = 1; done = 1; next }
    /^[^ ]/ { skip = 0 } # what follows the indented lines
    /^    +--evaluate -i "The nurse went/ { print; print ""; print table; print ""; skip = 1; next }
    !skip' README)
printf '%s\n' "$text" >"${1:-.}/README"
