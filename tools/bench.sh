#!/usr/bin/env bash
# make bench: how fast, against the machine's limits and, where one is at hand, against the Python library.
#
#   tools/bench.sh [FOLDER ...]            checkpoints (the tests' small one); real sizes: tools/oracle/bench_models.py
#   PYTHON=/path/to/python tools/bench.sh  a Python with torch, transformers 5.23 and inseq 0.7.1 is timed too
#
# Nothing is installed. Each pair is run in turn in the same minute; medians are printed, and both numbers.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- test/golden/models/marian-en-nl
source="Don't get hot-headed mate, it's easy peasy to study models with Inseq!"
target="Niet heethoofdig worden man, het is een makkie om modellen te bestuderen met Inseq!"
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

cold() { # seconds of a whole process, FOLDER METHOD
    local start end
    start=$(date +%s.%N)
    ./inseq attribute -m "$1" -a "$2" --attribute_target --step_scores probability -i "$source" -g "$target" --hide --no_progress
    end=$(date +%s.%N)
    awk -v a="$start" -v b="$end" 'BEGIN {print b - a}'
}

for folder; do
    echo "== $folder"
    ./inseq bench -m "$folder"
    ours=$(for _ in 1 2 3 4 5; do cold "$folder" input_x_gradient; done | median)
    kb=$( { command -v /usr/bin/time >/dev/null && /usr/bin/time -f %M ./inseq attribute -m "$folder" -a input_x_gradient \
        --attribute_target -i "$source" -g "$target" --hide --no_progress; } 2>&1 | tail -1)
    bytes=$(./inseq info -m "$folder" --json | sed 's/.*"bytes":\([0-9]*\).*/\1/')
    echo "whole process $ours s; peak memory $kb kB, $(awk -v a="$kb" -v b="$bytes" 'BEGIN {printf "%.2f", a * 1024 / b}') x the weights"
    if [ -n "${PYTHON:-}" ]; then
        for method in input_x_gradient integrated_gradients; do
            args='{"attribute_target": true, "step_scores": ["probability"]}'
            [ $method = integrated_gradients ] && args='{"attribute_target": true, "n_steps": 50, "internal_batch_size": 10}'
            peer=$("$PYTHON" tools/peer.py "$folder" $method "$source" "$target" 1 "$args" 2>/dev/null | tail -1)
            own=$(for _ in 1 2 3; do cold "$folder" $method; done | median)
            echo "$method: the library $peer; ours, whole process, $own s"
        done
    fi
done
