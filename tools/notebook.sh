#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/notebook.sh EN_NL SMALL BASE LARGE: the notebook's calls on the real models (Helsinki-NLP/opus-mt-en-nl and
# google/flan-t5-small, -base, -large: folders, or names in the local Hub cache), every cell compared with what it
# printed: test/golden/notebook, or the folder $NOTEBOOK. Names each cell that differs; exit code 1 if any does.
#
#   tools/notebook.sh --write DIR EN_NL SMALL BASE LARGE      only makes such tables, in DIR
#
# The digits come from the HTML report, which writes three decimals as the library does.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
inseq=${INSEQ:-$here/inseq} notebook=${NOTEBOOK:-$here/test/golden/notebook} only_write=
[ "${1-}" = --write ] && [ $# -gt 2 ] && { only_write=$2; shift 2; }
[ $# = 4 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
to=${only_write:-$work}
mkdir -p "$to"

# The heatmaps of a page as CSV, one file for each name given: tokens, then numbers; without the start token's row.
tables() {
    awk -v to="$to" -v names="$*" '
        function field(s) {
            gsub(/&lt;/, "<", s); gsub(/&gt;/, ">", s); gsub(/&quot;/, "\"", s); gsub(/&#39;/, "\047", s); gsub(/&amp;/, "\\&", s)
            if (s !~ /[",]/) return s
            gsub(/"/, "\"\"", s)
            return "\"" s "\""
        }
        function row(line,   cell, n, i, out) {          # from the second cell on: the first is the number of the row
            gsub(/<\/t[hd]>/, "\t", line); gsub(/<[^>]*>/, "", line)
            n = split(line, cell, "\t") - 1
            out = field(cell[2])
            for (i = 3; i <= n; i++) out = out "," field(cell[i])
            print out > file
        }
        BEGIN { split(names, name, " ") }
        /^<caption>.*Saliency Heatmap<\/span>/ { file = to "/" name[++table] ".csv"; target = />Target Saliency/ }
        /^<caption>.* by model<\/span>/ { file = "" }
        file == "" { next }
        /^<tr><td><\/td><td><\/td><th scope="col" title=/ { row($0) }
        /^<tr><td><\/td><th scope="row">/ { row($0) }
        /^<tr><th scope="row">/ && !(target && /^<tr><th scope="row">0</) { row($0) }' "$work/page.html"
}

attribute() { "$inseq" attribute -a input_x_gradient --hide --no-progress --viz-path "$work/page.html" "$@"; }
mate="Don't get hot-headed mate, it's easy peasy to study models with Inseq!"
contrast=(-fn contrast_prob_diff --step-scores contrast_prob_diff probability)

attribute -m "$1" --attribute-target --step-scores probability -i "$mate"
tables 1-free-source 1-free-target
attribute -m "$1" --attribute-target --step-scores probability -i "$mate" \
    -g "Niet heethoofdig worden man, het is een makkie om modellen te bestuderen met Inseq!"
tables 2-forced-source 2-forced-target
attribute -m "$3" "${contrast[@]}" --contrast-targets no -i "Does 3 + 3 equal 6?" -g yes
tables 3-contrast-flan-t5-base
attribute -m "$2" -m "$3" -m "$4" "${contrast[@]}" --contrast-targets yes --weight-attributions contrast_prob_diff \
    -i "Is the London the capital of France?" -g no
tables 4-flan-t5-small 4-flan-t5-base 4-flan-t5-large
[ -z "$only_write" ] || exit 0

cells=0 differ=0
for file in "$notebook"/*.csv; do
    name=${file##*/}
    [ -f "$work/$name" ] || { echo "$name: no such table was printed"; differ=$((differ + 1)); continue; }
    out=$(awk -v name="${name%.csv}" '
        function split_line(line, cell,   n, s) {        # RFC 4180, a field of each line
            for (n = 0; ; ) {
                if (match(line, /^"([^"]|"")*"/)) {
                    s = substr(line, 2, RLENGTH - 2); gsub(/""/, "\"", s)
                } else { match(line, /^[^,]*/); s = substr(line, 1, RLENGTH) }
                cell[++n] = s
                if (RLENGTH >= length(line)) return n
                line = substr(line, RLENGTH + 2)
                if (line == "") { cell[++n] = ""; return n }
            }
        }
        function tell(what, ours, theirs) {
            printf "%s: %s is \"%s\", the notebook has \"%s\"\n", name, what, ours, theirs; differ++
        }
        FNR == NR { want[FNR] = $0; wanted = FNR; next }
        { got = FNR }
        FNR > wanted { next }
        {
            n = split_line($0, x); m = split_line(want[FNR], y)
            if (FNR == 1) for (i = 1; i <= m; i++) heading[i] = y[i]
            if (n != m) tell("the number of cells in line " FNR, n, m)
            if (x[1] != y[1]) tell("the token of line " FNR, x[1], y[1])
            for (i = 2; i <= m && i <= n; i++) {
                cells++
                if (x[i] != y[i]) tell(FNR == 1 ? "heading " i - 1 : "row " y[1] ", column " i - 1 " (" heading[i] ")", x[i], y[i])
            }
        }
        END {
            if (got != wanted) tell("the number of lines", got, wanted)
            print cells + 0, differ + 0
        }' "$file" "$work/$name")
    count=${out##*$'\n'}
    [ "$out" = "$count" ] || printf '%s\n' "${out%$'\n'*}"
    cells=$((cells + ${count% *})) differ=$((differ + ${count#* }))
done
echo "$cells cells, $differ differ"
[ $differ = 0 ]
