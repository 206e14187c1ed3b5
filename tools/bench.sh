#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make bench: how fast, against the machine's limits and, where one is at hand, against the Python library.
#
#   tools/bench.sh [FOLDER ...]            checkpoints (the tests' small one); real sizes: tools/oracle/make_bench_models.py
#   PYTHON=/path/to/python tools/bench.sh  a Python with torch, transformers 5.23 and inseq 0.7.1 is timed too; where it
#                                          has ctranslate2, that decodes beside ours
#   LONG=1 tools/bench.sh                  also S = T = 16 .. 512, and many sentences with 1 thread and with all
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
    if [ -n "${LONG:-}" ]; then
        for n in 16 32 64 128 256 512; do
            ./inseq bench -m "$folder" --source-tokens $n --target-tokens $n --runs 1 | grep attribution || break
        done
        lines=$(mktemp)
        LC_ALL=C grep -h '^[ -~]*[a-z][ -~]*$' README tools/SPEED.md | awk -v n="${SENTENCES:-100}" 'i < n {print "-", substr($0, 1, 20 + 37 * i++ % 100)}' \
            > "$lines" # mixed lengths
        for threads in 1 2; do
            start=$(date +%s.%N)
            ./inseq attribute -m "$folder" -a input_x_gradient -i "@$lines" -g "@$lines" -t $threads --hide --quiet
            date +%s.%N | awk -v a="$start" -v n="$(wc -l < "$lines")" -v t=$threads \
                '{printf "%d sentences, %d threads: %.2f s, %.1f a second\n", n, t, $1 - a, n / ($1 - a)}'
        done
        rm "$lines"
    fi
    if [ -n "${PYTHON:-}" ] && [ -f "$folder/source.spm" ] && "$PYTHON" -c 'import ctranslate2' 2>/dev/null; then
        for threads in 1 2; do
            echo "CTranslate2: $("$PYTHON" tools/peer_ctranslate2.py "$folder" $threads 2>/dev/null | tail -1)"
            ./inseq bench -m "$folder" -t $threads | grep decoding
        done
    fi
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
