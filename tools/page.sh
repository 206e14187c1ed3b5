#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/page.sh [PART] — makes pages of every kind and drives them in a headless Chromium (tools/page/drive.mjs): all of it,
# or a part: one, several, many, kinds, paper, forced, hostile, contexts, ask (the page of inseq serve, tools/page/ask.mjs).
# Pictures are left in build/page. Needs chromium, node and npm,
# which fetches playwright-core and axe-core; says so where they are not there.
set -eu
cd "$(dirname "$0")/.."
B=build/page
for program in "${CHROMIUM:-chromium}" node npm; do
    command -v "$program" >/dev/null || { echo "pages in a browser: NOT RUN, $program is not installed"; exit 0; }
done
export CHROMIUM; CHROMIUM=$(command -v "${CHROMIUM:-chromium}")
mkdir -p $B
cmp -s tools/page/package.json $B/package.json && [ -d $B/node_modules ] || {
    cp tools/page/package.json $B/
    npm install --prefix $B --no-audit --no-fund --no-package-lock --ignore-scripts >$B/npm.log 2>&1 || {
        rm $B/package.json; tail -3 $B/npm.log; echo "pages in a browser: NOT RUN, npm could not get its packages"; exit 0; }
}
[ "${1:-}" != ask ] || exec node tools/page/ask.mjs $B ./inseq

inseq() { ./inseq "$@" >/dev/null; }
nurse="The nurse lost her key because it was raining."
inseq attribute -m demo/en-nl -a input_x_gradient --attribute_target --step_scores probability -i "$nurse" --html $B/one.html
./inseq attribute -m demo/en-nl -a input_x_gradient --attribute_target --step_scores probability -i "$nurse" --format json >$B/one.json
inseq demo --html $B/demo.html
inseq compare -m demo/en-nl -a saliency -a attention -a input_x_gradient --evaluate -i "$nurse" "A dog saw the cat." --html $B/methods.html
inseq attribute -m demo/yes-no -a input_x_gradient -fn contrast_prob_diff -i "Is Paris the capital of France?" -g yes \
    --contrast_targets no maybe --html $B/foils.html
inseq attribute -m test/golden/models/qwen2-tiny --chat -a input_x_gradient --step_scores probability -i "Is it?" -g "No." \
    --html $B/chat.html
inseq attribute -m demo/en-nl -a layer_gradient_x_activation --target_layer all -i "$nurse" --html $B/layers.html
inseq lens -m demo/en-nl -i "$nurse" --html $B/lens.html
inseq attribute -m demo/en-nl -a attention --attribute_target -i "$nurse" --html $B/attention.html
for at in 0:0 2:3; do # one layer and head by the aggregators: what the page's pickers should show
    ./inseq attribute -m demo/en-nl -a attention --attribute_target -i "$nurse" --attribution_aggregators mean mean \
        --normalize_attributions --attribution_selectors "${at#*:}" "${at%:*}" --format json >"$B/attention-${at%:*}-${at#*:}.json"
done
long=$(for i in $(seq 3); do printf 'The nurse lost her key and the old doctor saw a dog in the garden. '; done | sed 's/ $//')
inseq attribute -m test/golden/models/qwen2-tiny -a input_x_gradient --step_scores probability -i "$long" -g "$long $long" --html $B/long.html
./inseq attribute -m test/golden/models/qwen2-tiny -a input_x_gradient --step_scores probability -i "$long" -g "$long $long" \
    --format json >$B/long.json
for unit in word sentence; do
    ./inseq attribute -m demo/en-nl -a input_x_gradient --attribute_target --step_scores probability -i "$nurse" --granularity $unit \
        --format json >$B/one-$unit.json
done
inseq attribute -m demo/en-nl -a input_x_gradient --step_scores probability -i "A dog." -o $B/dog.json
context() { inseq attribute-context -m demo/en-nl "$@"; }
context -fn contrast_prob_diff --evaluate --input_context_text "She is a teacher." --input_current_text "The teacher hid the ring." \
    --output_context_text "Zij is lerares." --output_current_text "De lerares verstopte de ring." --context_sensitivity_std_threshold 0 \
    --html $B/context.html -o $B/context.json
context --input_context_text "She is a nurse." "He is a <b>nurse</b></script><img src=x onerror=alert(1)>." --input_current_text "The nurse is tired." \
    --output_current_text "De verpleegster is moe." --html $B/contexts.html
context --input_context_text "It is late. She is a nurse." --context_sizes 0 1 2 --input_current_text "The nurse is tired." --html $B/sizes.html
node tools/page/hostile.mjs $B/dog.json $B/hostile-result.json $B/hostile.json
inseq show $B/hostile-result.json --html $B/hostile.html

# 5,000 sentences of the demo's words
[ -n "${1:-}" ] && [ "$1" != many ] || {
awk 'BEGIN { split("The nurse;The teacher;The doctor;The cat;The dog;My sister", s, ";"); split("lost;found;saw;bought;forgot", v, ";")
    split("her key;the old house;a red book;his dog;the green car;the garden;a letter", o, ";"); split("today;because it was raining;in the morning;yesterday", w, ";")
    for (i = 0; i < 5000; i++) print s[i % 6 + 1], v[int(i / 6) % 5 + 1], o[int(i / 30) % 7 + 1], w[int(i / 210) % 4 + 1] "." }' >$B/many.txt
inseq attribute -m demo/en-nl -a input_x_gradient --attribute_target --step_scores probability -bs 64 -i @$B/many.txt --html $B/many.html --hide_attributions
}
node tools/page/drive.mjs $B ${1:-}
[ -n "${1:-}" ] || node tools/page/ask.mjs $B ./inseq
